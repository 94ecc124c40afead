//! The verbs that are one cargo command: `build*`, `check`, `check-fast`, `clippy`, `run`, `fmt`.

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::bail;
use clap::ArgMatches;

use super::run::{self, Options};
use super::{affected, cranelift};
use crate::cargo_line::CargoLine;
use crate::lanes::Lane;
use crate::lanes::in_lane::{Kind, in_lane};
use crate::process::step::Recipe;
use crate::project::Session;

pub(super) const MODES: [&str; 3] = ["dev", "test", "release"];

pub(super) fn build(
    session: Session,
    own: &ArgMatches,
    words: Vec<OsString>,
) -> anyhow::Result<ExitCode> {
    let mode = match (own.get_one::<String>("mode"), session.env.get("MODE")) {
        (Some(mode), _) => mode.clone(),
        (None, None) => "dev".to_owned(),
        (None, Some(value)) => value.to_string_lossy().to_ascii_lowercase(),
    };
    match mode.as_str() {
        "dev" => build_dev(session, own, words),
        "test" => build_test(session, own, words),
        "release" => build_release(session, own, words),
        _ => bail!("MODE={mode} is not one of {}", MODES.join(", ")),
    }
}

pub(super) fn build_dev(
    session: Session,
    own: &ArgMatches,
    words: Vec<OsString>,
) -> anyhow::Result<ExitCode> {
    let (project, options, line) = run::begin(session, own, CargoLine::new("build", words))?;
    let line = cranelift::choose_backend(&project, &options, line)?;
    run::one(&project, &options, line)
}

pub(super) fn build_test(
    session: Session,
    own: &ArgMatches,
    words: Vec<OsString>,
) -> anyhow::Result<ExitCode> {
    let (project, options, line) = run::begin(session, own, CargoLine::new("test", words))?;
    run::one(&project, &options, line.with(["--no-run"]))
}

pub(super) fn build_release(
    session: Session,
    own: &ArgMatches,
    words: Vec<OsString>,
) -> anyhow::Result<ExitCode> {
    let (project, options, line) = run::begin(session, own, CargoLine::new("build", words))?;
    let line = if line.chooses_profile() { line } else { line.with(["--release"]) };
    run::one(&project, &options, line)
}

pub(super) fn check(
    session: Session,
    own: &ArgMatches,
    words: Vec<OsString>,
) -> anyhow::Result<ExitCode> {
    let (project, options, line) = run::begin(session, own, CargoLine::new("check", words))?;
    run::one(&project, &options, line)
}

pub(super) fn check_fast(
    session: Session,
    own: &ArgMatches,
    words: Vec<OsString>,
) -> anyhow::Result<ExitCode> {
    let (project, options, line) = run::begin(session, own, CargoLine::new("check", words))?;
    // Packages that are named need no finding.
    if !line.packages().is_empty() || line.selects_workspace() {
        return run::one(&project, &options, line);
    }
    match affected::narrow(&project, &options, own, line)? {
        Some(line) => run::one(&project, &options, line),
        None => Ok(ExitCode::SUCCESS),
    }
}

pub(super) fn clippy(
    session: Session,
    own: &ArgMatches,
    words: Vec<OsString>,
) -> anyhow::Result<ExitCode> {
    let (project, options, line) = run::begin(session, own, CargoLine::new("clippy", words))?;
    match affected::narrow_if_asked(&project, &options, own, line)? {
        Some(line) => run::one(&project, &options, line),
        None => Ok(ExitCode::SUCCESS),
    }
}

pub(super) fn run(
    session: Session,
    own: &ArgMatches,
    words: Vec<OsString>,
) -> anyhow::Result<ExitCode> {
    let (project, options, line) = run::begin(session, own, CargoLine::new("run", words))?;
    let line = cranelift::choose_backend(&project, &options, line)?;
    // The output is the program's: no line of ours follows it.
    run::one(&project, &Options { quiet: !options.verbose, ..options }, line)
}

/// Formatting needs no lane, only cargo.
pub(super) fn fmt(
    session: Session,
    own: &ArgMatches,
    words: Vec<OsString>,
) -> anyhow::Result<ExitCode> {
    let (project, options, line) = run::begin(session, own, CargoLine::new("fmt", words))?;
    let has_choice = !line.packages().is_empty() || line.has(&["--all", "--manifest-path"]);
    let line = if has_choice { line } else { line.with(["--all"]) };
    let recipe = Recipe::from(in_lane(line, &Lane::none(), Kind::Own));
    if options.dry_run {
        return run::show(&project, recipe);
    }
    // rustfmt is silent where all is well, and so are we.
    let options = Options { quiet: !options.verbose, ..options };
    run::run_steps(&project, &options, &Lane::none(), &recipe, Default::default())
}

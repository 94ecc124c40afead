//! The verbs that are one cargo command: `build*`, `check`, `check-fast`, `clippy`, `run`, `fmt`.

use std::process::ExitCode;

use anyhow::bail;

use super::run::{self, Options, begin};
use super::{Answer, Call, affected, cranelift};
use multilane_engine::lanes::Lane;
use multilane_engine::lanes::in_lane::{Kind, in_lane};
use multilane_engine::process::step::Recipe;

pub(super) const MODES: [&str; 3] = ["dev", "test", "release"];

pub(super) fn build(call: Call) -> Answer {
    let mode = match (call.own.get_one::<String>("mode"), call.session.env.get("MODE")) {
        (Some(mode), _) => mode.clone(),
        (None, None) => "dev".to_owned(),
        (None, Some(value)) => value.to_string_lossy().to_ascii_lowercase(),
    };
    match mode.as_str() {
        "dev" => build_dev(call),
        "test" => build_test(call),
        "release" => build_release(call),
        _ => bail!("MODE={mode} is not one of {}", MODES.join(", ")),
    }
}

pub(super) fn build_dev(call: Call) -> Answer {
    let (project, options, line) = begin("build", call)?;
    let line = cranelift::choose_backend(&project, &options, line)?;
    run::one(&project, &options, line)
}

pub(super) fn build_test(call: Call) -> Answer {
    let (project, options, line) = begin("test", call)?;
    run::one(&project, &options, line.with(["--no-run"]))
}

pub(super) fn build_release(call: Call) -> Answer {
    let (project, options, line) = begin("build", call)?;
    let line = if line.chooses_profile() { line } else { line.with(["--release"]) };
    run::one(&project, &options, line)
}

pub(super) fn check(call: Call) -> Answer {
    let (project, options, line) = begin("check", call)?;
    run::one(&project, &options, line)
}

pub(super) fn check_fast(call: Call) -> Answer {
    let changed = affected::Changed::of(&call.own);
    let (project, options, line) = begin("check", call)?;
    // Packages that are named need no finding.
    if !line.packages().is_empty() || line.selects_workspace() {
        return run::one(&project, &options, line);
    }
    let changed = changed.without_xtask(&project, &line);
    match affected::narrow(&project, &options, &changed, line)? {
        Some(line) => run::one(&project, &options, line),
        None => Ok(ExitCode::SUCCESS),
    }
}

pub(super) fn clippy(call: Call) -> Answer {
    let changed = affected::Changed::if_asked(&call.own);
    let (project, options, line) = begin("clippy", call)?;
    match affected::narrow_if_asked(&project, &options, changed, line)? {
        Some(line) => run::one(&project, &options, line),
        None => Ok(ExitCode::SUCCESS),
    }
}

pub(super) fn run(call: Call) -> Answer {
    let (project, options, line) = begin("run", call)?;
    let line = cranelift::choose_backend(&project, &options, line)?;
    // The output is the program's: no line of ours follows it.
    run::one(&project, &Options { quiet: !options.verbose, ..options }, line)
}

/// Formatting needs no lane, only cargo.
pub(super) fn fmt(call: Call) -> Answer {
    let (project, options, line) = begin("fmt", call)?;
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

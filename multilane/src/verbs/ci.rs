//! `ci`: what continuous integration does, in one command that also runs at home.

use std::process::ExitCode;

use clap::ArgMatches;

use super::run::{self, Options};
use super::test;
use crate::cargo_line::CargoLine;
use crate::lanes::Lane;
use crate::lanes::in_lane::{Kind, in_lane};
use crate::process::step::Recipe;
use crate::project::{Session, toolchain};

pub(super) fn ci(session: Session, own: &ArgMatches) -> anyhow::Result<ExitCode> {
    let line = |words: &str| CargoLine::parse(words.split(' ').map(Into::into).collect());
    let project = run::open(session, &CargoLine::default())?;
    // A log that is read afterwards has to say which step it is in.
    let options =
        Options { dry_run: own.get_flag("dry-run"), quiet: own.get_flag("quiet"), verbose: true };
    let tests = line("test --workspace --locked --no-fail-fast");
    let nextest = toolchain::nextest(&project.session.env, &project.repo);
    let has_doctests = test::has_doctests(&project, &tests);

    let entered = run::enter(&project, &options, &tests)?;
    let mut steps = vec![
        in_lane(line("fmt --all --check"), &Lane::none(), Kind::Own), // It builds nothing.
        in_lane(
            line("clippy --workspace --all-targets --locked -- --deny warnings"),
            &entered.lane,
            Kind::Own,
        ),
    ];
    steps.extend(test::steps(tests, &entered.lane, nextest, has_doctests));
    run::carry_out(
        &project,
        &options,
        &entered,
        Recipe { steps, keep_going: own.get_flag("keep-going") },
    )
}

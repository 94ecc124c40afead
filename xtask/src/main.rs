//! `cargo xtask <verb>`: everything that this workspace does and plain cargo does not.
//!
//! Reading order: `flags` (what can be asked), one file of `verbs` (how it is answered), then the nouns it uses. Data goes
//! one way: `facts` are read once, `plan` decides on them without touching the world, `effects` carry out.
//!
//! Under the name `cargo` it is the shim that `lane run` puts on `PATH`, and takes cargo's command line instead; under the name
//! `through-cache` it has a crate compiled through the shared cache.
//!
//! Exit codes: 0 done; 1 it failed, or problems were found; 2 the command line is wrong; and wherever cargo ran, cargo's own.

mod effects;
mod facts;
mod flags;
mod plan;
mod verbs;

use std::process::ExitCode;
use std::time::Instant;

use clap::Parser as _;

use crate::effects::ui::Ui;
use crate::facts::host::{self, Environment};
use crate::facts::shared_cache;
use crate::flags::Verb;
use crate::verbs::session::Session;

fn main() -> ExitCode {
    let started = Instant::now();
    let env = Environment::read();
    let ui = Ui::new(&env);
    let session = Session { env, ui, started };

    if let Some((path, compiler)) = host::arguments_as(shared_cache::PROGRAM) {
        return verbs::shared_cache::compile(&session, &path, &compiler);
    }
    let answer = match host::arguments_of_shim() {
        Some(args) => verbs::cargo::shim(session, args),
        None => answer(flags::Xtask::parse().verb, session),
    };
    match answer {
        Ok(code) => code,
        Err(err) => {
            ui.error(&err);
            ExitCode::FAILURE
        }
    }
}

fn answer(verb: Verb, session: Session) -> anyhow::Result<ExitCode> {
    match verb {
        Verb::Build(flags) => flags.run(session),
        Verb::BuildDev(flags) => flags.run(session),
        Verb::BuildTest(flags) => flags.run(session),
        Verb::BuildRelease(flags) => flags.run(session),
        Verb::Check(flags) => flags.run(session),
        Verb::CheckFast(flags) => flags.run(session),
        Verb::Test(flags) => flags.run(session),
        Verb::Clippy(flags) => flags.run(session),
        Verb::Fmt(flags) => flags.run(session),
        Verb::Run(flags) => flags.run(session),
        Verb::Clean(flags) => flags.run(session),
        Verb::Ci(flags) => flags.run(session),
        Verb::Lane(verb) => verb.run(session),
        Verb::Doctor(flags) => flags.run(session),
        Verb::InstallTools(flags) => flags.run(session),
        Verb::Analyze(flags) => flags.run(session),
        Verb::Bench(flags) => flags.run(session),
        Verb::Cargo(flags) => flags.run(session),
        Verb::Editor(flags) => flags.run(session),
        Verb::Completions(flags) => flags.run(),
        Verb::Complete(flags) => flags.run(session),
        Verb::AdoptCache(flags) => flags.run(session),
    }
}

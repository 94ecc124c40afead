//! The verbs of multilane that are called once a month. The engine compiles this program when one
//! of them is first called, and starts it as `multilane-tools <how the engine was called> <words>`.

#![cfg_attr(test, expect(clippy::disallowed_methods, reason = "a test writes what it needs"))]
#![cfg_attr(
    all(feature = "upkeep", not(feature = "analyze")),
    expect(dead_code, unused_imports, reason = "what only the verbs of `analyze` use")
)]
#![cfg_attr(not(feature = "upkeep"), expect(dead_code, reason = "what only other verbs use"))]

mod adopt;
#[cfg(feature = "analyze")]
mod analyze;
#[cfg(feature = "analyze")]
mod bench;
#[cfg(feature = "upkeep")]
mod completions;
mod diff;
#[cfg(feature = "upkeep")]
mod doctor;
#[cfg(feature = "upkeep")]
mod editor;
mod files;
mod flags;
#[cfg(feature = "upkeep")]
mod gc;
#[cfg(feature = "upkeep")]
mod hook;
mod init;
#[cfg(feature = "upkeep")]
mod install;
#[cfg(feature = "upkeep")]
mod linkers;
#[cfg(feature = "upkeep")]
mod process;
#[cfg(feature = "upkeep")]
mod setup;
#[cfg(feature = "analyze")]
mod soak;
#[cfg(feature = "upkeep")]
mod stats;
#[cfg(feature = "upkeep")]
mod status;
#[cfg(feature = "analyze")]
mod verify;
#[cfg(feature = "upkeep")]
mod which;

use std::process::ExitCode;
use std::time::Instant;

use multilane_engine::environment::Environment;
use multilane_engine::project::Session;
use multilane_engine::ui::Ui;

#[cfg(feature = "upkeep")]
use crate::flags::{Lane, Upkeep};
use crate::flags::{Tools, Verb};

fn main() -> ExitCode {
    let started = Instant::now();
    let env = Environment::read();
    let mut words = std::env::args_os().skip(1);
    let called = match words.next() {
        Some(called) if called == "cargo multilane" => "cargo multilane",
        Some(_) => "cargo xtask",
        None => "multilane-tools",
    };
    let ui = Ui::new(&env, called);
    let session = Session { env, ui, started };
    let tools = Tools::parse_words(called, words.collect());
    let answer = match tools {
        Ok(tools) => answer(tools.verb, session),
        Err(err) => err.exit(),
    };
    answer.unwrap_or_else(|err| {
        ui.error(&err);
        ExitCode::FAILURE
    })
}

fn answer(verb: Verb, session: Session) -> anyhow::Result<ExitCode> {
    match verb {
        Verb::Adopt(flags) => flags.run(session),
        Verb::Init(flags) => flags.run(session),
        #[cfg(feature = "upkeep")]
        Verb::Upkeep(verb) => upkeep(verb, session),
    }
}

#[cfg(feature = "upkeep")]
fn upkeep(verb: Upkeep, session: Session) -> anyhow::Result<ExitCode> {
    match verb {
        Upkeep::Setup(flags) => flags.run(session),
        Upkeep::Doctor(flags) => flags.run(session),
        Upkeep::InstallTools(flags) => flags.run(session),
        #[cfg(feature = "analyze")]
        Upkeep::Analyze(flags) => flags.run(session),
        Upkeep::Gc(flags) => flags.run(session),
        Upkeep::Editor(flags) => flags.run(session),
        Upkeep::Completions(flags) => flags.run(),
        Upkeep::Complete(flags) => flags.run(session),
        Upkeep::Lane(Lane::Hook(flags)) => flags.run(session),
        #[cfg(feature = "analyze")]
        Upkeep::Lane(Lane::Verify(flags)) => flags.run(session),
        #[cfg(feature = "analyze")]
        Upkeep::Lane(Lane::Bench(flags)) => flags.run(session),
        #[cfg(not(feature = "analyze"))]
        Upkeep::Analyze(_) | Upkeep::Lane(Lane::Verify(_) | Lane::Bench(_)) => {
            anyhow::bail!("this multilane-tools was compiled without its feature `analyze`")
        }
        Upkeep::Top(flags) => flags.run(session),
        Upkeep::Lane(Lane::Status(flags)) => flags.run(session),
        Upkeep::Lane(Lane::Which(flags)) => flags.run(session),
    }
}

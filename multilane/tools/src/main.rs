//! The verbs of multilane that are called once a month. The engine compiles this program when one
//! of them is first called, and starts it as `multilane-tools <how the engine was called> <words>`.

#![cfg_attr(test, expect(clippy::disallowed_methods, reason = "a test writes what it needs"))]
#![cfg_attr(
    not(feature = "analyze"),
    expect(dead_code, unused_imports, reason = "what only the verbs of that feature use")
)]

mod adopt;
#[cfg(feature = "analyze")]
mod analyze;
#[cfg(feature = "analyze")]
mod bench;
mod completions;
mod diff;
mod doctor;
mod editor;
mod files;
mod flags;
mod gc;
mod hook;
mod init;
mod install;
mod linkers;
mod process;
mod setup;
#[cfg(feature = "analyze")]
mod soak;
mod stats;
mod status;
#[cfg(feature = "analyze")]
mod verify;
mod which;

use std::process::ExitCode;
use std::time::Instant;

use multilane_engine::environment::Environment;
use multilane_engine::project::Session;
use multilane_engine::ui::Ui;

use crate::flags::{Lane, Tools, Verb};

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
        Verb::Setup(flags) => flags.run(session),
        Verb::Doctor(flags) => flags.run(session),
        Verb::Init(flags) => flags.run(session),
        Verb::InstallTools(flags) => flags.run(session),
        #[cfg(feature = "analyze")]
        Verb::Analyze(flags) => flags.run(session),
        Verb::Gc(flags) => flags.run(session),
        Verb::Editor(flags) => flags.run(session),
        Verb::Completions(flags) => flags.run(),
        Verb::Complete(flags) => flags.run(session),
        Verb::Lane(Lane::Hook(flags)) => flags.run(session),
        #[cfg(feature = "analyze")]
        Verb::Lane(Lane::Verify(flags)) => flags.run(session),
        #[cfg(feature = "analyze")]
        Verb::Lane(Lane::Bench(flags)) => flags.run(session),
        #[cfg(not(feature = "analyze"))]
        Verb::Analyze(_) | Verb::Lane(Lane::Verify(_) | Lane::Bench(_)) => {
            anyhow::bail!("this multilane-tools was compiled without its feature `analyze`")
        }
        Verb::Top(flags) => flags.run(session),
        Verb::Lane(Lane::Status(flags)) => flags.run(session),
        Verb::Lane(Lane::Which(flags)) => flags.run(session),
    }
}

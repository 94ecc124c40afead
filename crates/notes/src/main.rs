//! `notes`: the program on top, which brings a command line and a store together.
//!
//! Reading order: `flags` (what can be asked), `commands` (how it is answered), then `notes-core`.
//! Deliberately not here: any rule about notes, so that another program can stand beside this one.
//!
//! Exit codes: 0 done, 1 failed, 2 wrong usage.

mod commands;
mod flags;

use std::io;
use std::process::ExitCode;

use clap::Parser;
use notes_core::Store;

use crate::flags::Flags;

// All else writes to the `out` that it is given.
#[expect(clippy::print_stderr, reason = "this is the one place")]
fn main() -> ExitCode {
    let flags = Flags::parse();
    let mut store = open_store(&flags);
    match commands::run(flags.command, store.as_mut(), &mut io::stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(err) if is_broken_pipe(&err) => ExitCode::SUCCESS,
        Err(err) => {
            eprintln!("error: {err:#}");
            ExitCode::FAILURE
        }
    }
}

/// The one place that knows which stores there are.
#[cfg(feature = "file")]
fn open_store(flags: &Flags) -> Box<dyn Store> {
    Box::new(notes_file::FileStore::new(&flags.file))
}

#[cfg(not(feature = "file"))]
fn open_store(_: &Flags) -> Box<dyn Store> {
    Box::new(notes_core::Notes::new())
}

/// Whether the reader of the output has gone, as `head` does when it has seen enough.
fn is_broken_pipe(err: &anyhow::Error) -> bool {
    let err = err.downcast_ref::<io::Error>();
    err.is_some_and(|err| err.kind() == io::ErrorKind::BrokenPipe)
}

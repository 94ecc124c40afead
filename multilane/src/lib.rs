//! Multilane: every builder of a workspace has a target directory that it uses alone, forked from a
//! warm one.
//!
//! A project's own `xtask` is made from [`Cli`]; the program `cargo-multilane` is the same without
//! verbs of a project's own.
//!
//! Reading order: `cli`, one file of `verbs`, then what it uses of `multilane-engine`, which has
//! all that is not the command line.

pub use crate::cli::Cli;
#[doc(hidden)]
pub use crate::cli::split;

mod cli;
mod tools;

/// For `multilane-tools` of the same version. Promises nothing.
#[doc(hidden)]
pub mod verbs;

/// What the program `cargo-multilane` does. It was compiled from the package in `compiled_from`.
#[doc(hidden)]
pub fn installed(compiled_from: &'static str) -> std::process::ExitCode {
    Cli::installed(compiled_from.as_ref()).main()
}

/// The command line as a tree, for help texts and completion.
#[doc(hidden)]
pub fn command() -> clap::Command {
    Cli::new().command()
}

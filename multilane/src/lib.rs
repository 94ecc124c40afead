//! The engine of Multilane: every builder of a workspace has a target directory that it uses alone,
//! forked from a warm one.
//!
//! A project's own `xtask` is made from [`Cli`]; the program `cargo-multilane` is the same without
//! verbs of a project's own. The other modules are for `multilane-tools` of the same version, and
//! promise nothing.
//!
//! Reading order: `cli`, one file of `verbs`, then what it uses. Imports run one way, from the last
//! to the first of these groups, and a test holds it:
//!
//! 1. `environment`, `files`, `json`, `process`, `ui`
//! 2. `cargo_line`, `project`
//! 3. `lanes`, `record`, `units`
//! 4. `fork`, `cold_start`, `retarget`, `sccache`
//! 5. `verbs`, `tools`, `cli`

#![cfg_attr(test, expect(clippy::disallowed_methods, reason = "a test writes what it needs"))]

pub use crate::cli::Cli;
#[doc(hidden)]
pub use crate::cli::split;

mod cli;
mod cold_start;
mod tools;

#[doc(hidden)]
pub mod cargo_line;
#[doc(hidden)]
pub mod environment;
#[doc(hidden)]
pub mod files;
#[doc(hidden)]
pub mod fork;
mod json;
#[doc(hidden)]
pub mod lanes;
#[doc(hidden)]
pub mod process;
#[doc(hidden)]
pub mod project;
mod record;
#[doc(hidden)]
pub mod retarget;
#[doc(hidden)]
pub mod sccache;
#[doc(hidden)]
pub mod ui;
#[doc(hidden)]
pub mod units;
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

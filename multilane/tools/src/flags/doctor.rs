//! `doctor`: its options.

use clap::Args;

/// Look for what makes builds slow or wrong here, and say what it costs and what mends it
///
/// Looks at the toolchain, the linker (by linking a program of one line with this workspace's
/// configuration), caches, variables, configuration files, editors, git, lanes, build scripts,
/// tools and the machine. Changes nothing: what is tried is tried in a temporary directory.
/// Whatever is asked has a time limit.
///
/// Not yet tried on macOS and Windows, where the linker's name cannot be told.
///
/// Exit code 1 if something is an error: nothing can be built, or the wrong thing is. Warnings and
/// notes are none.
#[derive(Args)]
pub(crate) struct Doctor {
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

//! `doctor`: its options.

use clap::Args;

/// Diagnose slow or broken build setups
///
/// Looks at the toolchain, the linker (by linking a program of one line with this workspace's
/// configuration), caches, variables, configuration files, editors, git, lanes, build scripts,
/// tools and the machine. Each finding says what it costs and how to fix it. Nothing is changed:
/// trials run in a temporary directory, with a time limit, and no program that lies in the
/// workspace is started.
///
/// Not yet tried on macOS and Windows, where the linker's name cannot be told.
///
/// Exit code 1 if there is an error: nothing can be built, or the wrong thing is. Warnings and
/// notes do not count.
#[derive(Args)]
pub(crate) struct Doctor {
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

//! `doctor`: its options.

use clap::Args;

/// Diagnose slow or broken build setups
///
/// Looks at the toolchain, the linker (with a program of one line), caches, variables,
/// configuration, editors, git, lanes, build scripts, tools and the machine. Each finding says what
/// it costs and how to fix it. Nothing is changed: trials run in a temporary directory, with a time
/// limit, and no program that lies in the workspace is started.
///
/// Exit code 1 if there is an error: nothing can be built, or the wrong thing is.
#[derive(Args)]
pub(crate) struct Doctor {
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

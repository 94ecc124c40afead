//! `install-tools` and its options.

use clap::Args;

/// Install tools that make builds quicker, and set up a linker
///
/// Each tool is installed by the quickest installer of this machine: a package manager, a wheel
/// from PyPI, `cargo binstall`, `cargo install`. Tools that are new enough are kept, and those that
/// this project does not use are left out. If one cannot be installed, the exit code is 1. A linker
/// is set in `.cargo/local.toml`, which git ignores, after a program that it has linked has run.
#[derive(Args)]
pub(crate) struct InstallTools {
    /// Install nothing; exit with 1 if a tool is lacking or too old
    #[arg(long, conflicts_with_all = ["dry_run", "tune", "reset"])]
    pub(crate) check: bool,
    /// Print the commands without running them
    #[arg(long, conflicts_with_all = ["tune", "reset"])]
    pub(crate) dry_run: bool,
    /// Only this tool (can be repeated)
    #[arg(long, value_name = "TOOL", value_parser = tool_names())]
    pub(crate) only: Vec<String>,
    /// Answer yes to all questions: before sudo, and before `.cargo/local.toml` is written
    #[arg(short, long)]
    pub(crate) yes: bool,
    /// Measure how long each linker takes for a program of this workspace, and use the quickest
    #[arg(long)]
    pub(crate) tune: bool,
    /// With --tune: the package whose program is linked [default: the one with the largest program]
    #[arg(short, long, value_name = "SPEC", requires = "tune")]
    pub(crate) package: Option<String>,
    /// With --tune: how often each linker links
    #[arg(long, value_name = "N", default_value_t = 7, requires = "tune")]
    pub(crate) runs: u32,
    /// Remove the lines of this command from `.cargo/local.toml`
    #[arg(long, conflicts_with_all = ["tune", "only"])]
    pub(crate) reset: bool,
    /// List the newest versions on crates.io and PyPI beside those that would be installed
    #[arg(long, conflicts_with_all = ["check", "dry_run", "tune", "reset"])]
    pub(crate) newer: bool,
    /// With --check or --dry-run: print JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Print errors and warnings only
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// Show the output of installers
    #[arg(short, long)]
    pub(crate) verbose: bool,
}

fn tool_names() -> clap::builder::PossibleValuesParser {
    crate::install::plan::table::TOOLS.iter().map(|tool| tool.name).into()
}

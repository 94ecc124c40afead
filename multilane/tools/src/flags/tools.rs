//! `install-tools` and its options.

use clap::Args;

/// Install the tools that make builds quicker, and have cargo use the linker that works
///
/// Each tool comes by the quickest way that this machine has: a package manager, a wheel from PyPI,
/// `cargo binstall`, `cargo install`. One that cannot be had is named, and the others come all the
/// same; the exit code is then 1. What is there and new enough stays. A linker is used only after a
/// program that it has linked has run; then `.cargo/local.toml`, which git ignores, is told of it.
#[derive(Args)]
pub(crate) struct InstallTools {
    /// Install nothing; fail where something is lacking or too old
    #[arg(long, conflicts_with_all = ["dry_run", "tune", "reset"])]
    pub(crate) check: bool,
    /// Print the commands, run none
    #[arg(long, conflicts_with_all = ["tune", "reset"])]
    pub(crate) dry_run: bool,
    /// Only this tool (can be repeated)
    #[arg(long, value_name = "TOOL", value_parser = tool_names())]
    pub(crate) only: Vec<String>,
    /// Ask nothing, neither before sudo nor before `.cargo/local.toml` is written
    #[arg(short, long)]
    pub(crate) yes: bool,
    /// Measure what each linker takes to link a program of this workspace, and use the quickest
    #[arg(long)]
    pub(crate) tune: bool,
    /// With --tune: the package whose program is linked [default: one that has one]
    #[arg(short, long, value_name = "SPEC", requires = "tune")]
    pub(crate) package: Option<String>,
    /// With --tune: how often each linker links
    #[arg(long, value_name = "N", default_value_t = 7, requires = "tune")]
    pub(crate) runs: u32,
    /// Take out of `.cargo/local.toml` what this command has written there
    #[arg(long, conflicts_with_all = ["tune", "only"])]
    pub(crate) reset: bool,
    /// Ask which newer versions there are than those that are written down in
    /// `xtask/src/plan/tools/table.rs`
    #[arg(long, conflicts_with_all = ["check", "dry_run", "tune", "reset"])]
    pub(crate) newer: bool,
    /// With --check or --dry-run: print JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Say nothing but errors
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// Show what the installers say
    #[arg(short, long)]
    pub(crate) verbose: bool,
}

fn tool_names() -> clap::builder::PossibleValuesParser {
    crate::install::plan::table::TOOLS.iter().map(|tool| tool.name).into()
}

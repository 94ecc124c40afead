//! `analyze` and its options.

use std::ffi::OsString;

use clap::{Args, ValueEnum};

use crate::flags::CargoWords;

/// Find what the build spends its time on, and what to change first
///
/// Builds from nothing in a lane of its own, so that all other lanes stay warm: as long as a cold
/// build takes. Then it says which five changes would save most, what each would save, and how sure
/// that is: each is tried in a simulation of the build, on the real graph of units, which first has
/// to reproduce the build that was measured. The report has all of it to look at, and needs no
/// network.
///
/// Parts can be asked for alone: cargo xtask analyze timings graph
#[derive(Args)]
#[command(override_usage = "analyze [OPTIONS] [PART]... [CARGO OPTIONS]")]
pub(crate) struct Analyze {
    /// Only these parts [default: all but mono]
    #[arg(value_enum, value_name = "PART")]
    pub(crate) parts: Vec<Part>,
    /// Open the report in a browser
    #[arg(long)]
    pub(crate) open: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Build nothing; take what the last build of `analyze` has left
    #[arg(long, conflicts_with = "incremental")]
    pub(crate) last: bool,
    /// Keep what the last build of `analyze` has left, and look at what is compiled after the edits
    /// since
    #[arg(long)]
    pub(crate) incremental: bool,
    /// Print the cargo command lines, don't run them
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Say nothing but the result and errors
    #[arg(short, long)]
    pub(crate) quiet: bool,
    #[command(flatten)]
    pub(crate) cargo: CargoWords,
}

#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
pub(crate) enum Part {
    /// What takes long, what waits for what, what would be gained
    Timings,
    /// Which crates cost most for being changed: how often, times what it makes others compile
    Graph,
    /// Which functions are compiled again and again, by what LLVM is given
    Mono,
    /// Duplicated versions, crates that are built twice, unused dependencies
    Deps,
    /// What sccache has answered, and what a new worktree would have to compile itself, and why
    Cache,
    /// What takes space
    Disk,
    /// How the same build took longer or less long, since which commit
    Trend,
}

impl Part {
    pub(crate) const ALL: [Part; 7] =
        [Part::Timings, Part::Graph, Part::Mono, Part::Deps, Part::Cache, Part::Disk, Part::Trend];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Part::Timings => "timings",
            Part::Graph => "graph",
            Part::Mono => "mono",
            Part::Deps => "deps",
            Part::Cache => "cache",
            Part::Disk => "disk",
            Part::Trend => "trend",
        }
    }
}

impl Analyze {
    /// Those that were asked for.
    pub(crate) fn parts(&self) -> Vec<Part> {
        let is_wanted = |part: &Part| match self.parts.as_slice() {
            [] => *part != Part::Mono, // It compiles each program a second time.
            parts => parts.contains(part),
        };
        Part::ALL.into_iter().filter(is_wanted).collect()
    }

    /// Those of cargo's options that are for the build.
    pub(crate) fn to_args(&self) -> Vec<OsString> {
        self.cargo.line().words
    }

    /// Those that say what is built and how, wherever one stands.
    pub(crate) fn selecting_args(&self) -> Vec<OsString> {
        self.cargo.only(|name| !MANIFEST.contains(&name))
    }

    /// The same for one target, which is named apart.
    pub(crate) fn to_mono_args(&self) -> Vec<OsString> {
        const TARGETS: [&str; 14] = [
            "--package",
            "-p",
            "--workspace",
            "--all",
            "--exclude",
            "--lib",
            "--bins",
            "--bin",
            "--examples",
            "--example",
            "--tests",
            "--test",
            "--benches",
            "--bench",
        ];
        self.cargo.only(|name| !TARGETS.contains(&name) && name != "--all-targets")
    }

    /// Those that `cargo metadata` has, too. It must not fetch anything.
    pub(crate) fn metadata_args(&self) -> Vec<OsString> {
        const FEATURES: [&str; 4] = ["--features", "-F", "--all-features", "--no-default-features"];
        let is_wanted = |name: &str| FEATURES.contains(&name) || MANIFEST.contains(&name);
        let mut args = self.cargo.only(|name| is_wanted(name) && name != "--offline");
        args.push("--offline".into());
        args
    }
}

/// Options that say which workspace is meant, and what may be done to its lockfile.
const MANIFEST: [&str; 7] =
    ["--manifest-path", "--lockfile-path", "--locked", "--offline", "--frozen", "--config", "-Z"];

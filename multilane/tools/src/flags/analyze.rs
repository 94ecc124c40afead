//! `analyze` and its options.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::flags::cargo::{
    Arguments, FeatureFlags, LockFlags, PackageFlags, ProfileFlags, TargetFlags,
};

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
    pub(crate) packages: PackageFlags,
    #[command(flatten)]
    pub(crate) targets: TargetFlags,
    #[command(flatten)]
    pub(crate) features: FeatureFlags,
    #[command(flatten)]
    pub(crate) how: ProfileFlags,
    /// For this target triple
    #[arg(long, value_name = "TRIPLE", help_heading = "Compilation")]
    pub(crate) target: Vec<String>,
    /// Path to Cargo.toml
    #[arg(long, value_name = "PATH", help_heading = "Manifest and cargo")]
    pub(crate) manifest_path: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) lock: LockFlags,
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
        let mut args = self.selecting_args();
        args.extend(self.manifest_args(true));
        args
    }

    /// Those that say what is built and how, wherever one stands.
    pub(crate) fn selecting_args(&self) -> Vec<OsString> {
        let mut args = Arguments::default();
        self.packages.add_to(&mut args);
        self.targets.add_to(&mut args);
        self.features.add_to(&mut args);
        self.how.add_to(&mut args);
        args.each("--target", &self.target);
        args.0
    }

    /// The same for one target, which is named apart.
    pub(crate) fn to_mono_args(&self) -> Vec<OsString> {
        let mut args = Arguments::default();
        self.features.add_to(&mut args);
        self.how.add_to(&mut args);
        args.each("--target", &self.target);
        args.0.extend(self.manifest_args(true));
        args.0
    }

    /// Those that `cargo metadata` has, too.
    pub(crate) fn metadata_args(&self) -> Vec<OsString> {
        let mut args = Arguments::default();
        self.features.add_to(&mut args);
        args.0.extend(self.manifest_args(false));
        args.0
    }

    fn manifest_args(&self, may_fetch: bool) -> Vec<OsString> {
        let mut args = Arguments::default();
        args.each("--manifest-path", &self.manifest_path);
        args.flag("--locked", self.lock.locked);
        args.flag("--offline", self.lock.offline || !may_fetch);
        args.0
    }
}

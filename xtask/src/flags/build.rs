//! The verbs that come down to cargo commands, and their options.

use std::ffi::OsString;

use clap::{Args, ValueEnum};

use super::OwnFlags;
use super::cargo::{
    AffectedFlags, Arguments, CargoFlags, ChangedFlags, CompilationFlags, FeatureFlags, ManifestFlags,
    PackageFlags, TargetFlags,
};

/// Make an incremental cache from another worktree fit for this one
///
/// What the compiler wrapper calls before a unit of a forked lane is compiled for the first time. Always succeeds.
#[derive(Args)]
pub(crate) struct AdoptCache {
    /// The compiler and its arguments
    #[arg(last = true, required = true, value_name = "WORDS")]
    pub(crate) compilation: Vec<OsString>,
}

/// Build what MODE says: dev, test or release
///
/// The same as `build-dev`, `build-test` or `build-release`, for scripts that choose by environment.
#[derive(Args)]
pub(crate) struct Build {
    /// What to build, over MODE
    #[arg(long, value_enum)]
    pub(crate) mode: Option<Mode>,
    #[command(flatten)]
    pub(crate) cargo: CargoFlags,
}

#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
pub(crate) enum Mode {
    Dev,
    Test,
    Release,
}

/// Build for the edit loop: `cargo build` in this builder's lane
///
/// Profile `dev`: compiles fastest, back-traces have lines. For a debugger: --profile debugging
///
/// Profile `cranelift`, with Cranelift instead of LLVM, where `[workspace.metadata.xtask.cranelift]` asks for it and the toolchain is
/// a nightly with that component (docs/cranelift.md; not yet tried with the real component).
#[derive(Args)]
pub(crate) struct BuildDev {
    #[command(flatten)]
    pub(crate) cargo: CargoFlags,
}

/// Build the test executables without running them: `cargo test --no-run`
#[derive(Args)]
pub(crate) struct BuildTest {
    #[command(flatten)]
    pub(crate) cargo: CargoFlags,
}

/// Build what users run: `cargo build --release`
///
/// Thin LTO, one codegen unit, stripped. To see it in a profiler: --profile profiling
#[derive(Args)]
pub(crate) struct BuildRelease {
    #[command(flatten)]
    pub(crate) cargo: CargoFlags,
}

/// Find errors without generating code: `cargo check`
#[derive(Args)]
pub(crate) struct Check {
    #[command(flatten)]
    pub(crate) cargo: CargoFlags,
}

/// Check the packages that changed
///
/// Changed means: since the merge base with the main branch, and whatever is uncommitted or untracked. A change to the
/// lockfile, the root manifest, the toolchain file or `.cargo/` means all packages; so does a checkout without git. A file
/// concerns the packages that name it by a relative path, too, wherever it lies.
#[derive(Args)]
pub(crate) struct CheckFast {
    #[command(flatten)]
    pub(crate) changed: ChangedFlags,
    #[command(flatten)]
    pub(crate) cargo: CargoFlags,
}

/// Run the tests
///
/// With nextest where `cargo-nextest` is on PATH, then the doctests, which nextest leaves out; otherwise with `cargo test`.
/// Filters mean the same either way. What follows `--` goes to the test executables: `-- --exact`, `-- --ignored`.
/// Where nextest does not know such an option, `cargo test` runs.
#[derive(Args)]
pub(crate) struct Test {
    /// Run tests whose names contain one of these
    #[arg(value_name = "FILTER")]
    pub(crate) filters: Vec<OsString>,
    /// Build, but don't run
    #[arg(long)]
    pub(crate) no_run: bool,
    /// Run all tests, whatever fails
    #[arg(long)]
    pub(crate) no_fail_fast: bool,
    /// Run the doctests alone
    #[arg(long)]
    pub(crate) doc: bool,
    #[command(flatten)]
    pub(crate) affected: AffectedFlags,
    #[command(flatten)]
    pub(crate) cargo: CargoFlags,
}

/// Lint: `cargo clippy`
///
/// What follows `--` goes to clippy: `cargo xtask clippy -- --deny warnings`
#[derive(Args)]
pub(crate) struct Clippy {
    /// Apply the suggestions that are safe to apply
    #[arg(long)]
    pub(crate) fix: bool,
    #[command(flatten)]
    pub(crate) affected: AffectedFlags,
    #[command(flatten)]
    pub(crate) cargo: CargoFlags,
}

/// Format all packages: `cargo fmt --all`
#[derive(Args)]
pub(crate) struct Fmt {
    /// Change nothing; fail where something is not formatted
    #[arg(long)]
    pub(crate) check: bool,
    /// Format these packages alone (can be repeated)
    #[arg(short, long, value_name = "SPEC")]
    pub(crate) package: Vec<String>,
    #[command(flatten)]
    pub(crate) own: OwnFlags,
    /// For rustfmt
    #[arg(last = true, value_name = "ARGS", help_heading = "Arguments")]
    pub(crate) rest: Vec<OsString>,
}

/// Build a program and run it: `cargo run`
///
/// What follows `--` goes to the program.
#[derive(Args)]
pub(crate) struct Run {
    #[command(flatten)]
    pub(crate) own: OwnFlags,
    /// The package whose program it is
    #[arg(short, long, value_name = "SPEC")]
    pub(crate) package: Option<String>,
    /// The program
    #[arg(long, value_name = "NAME", conflicts_with = "example")]
    pub(crate) bin: Option<String>,
    /// An example instead
    #[arg(long, value_name = "NAME")]
    pub(crate) example: Option<String>,
    #[command(flatten)]
    pub(crate) features: FeatureFlags,
    #[command(flatten)]
    pub(crate) compilation: CompilationFlags,
    #[command(flatten)]
    pub(crate) manifest: ManifestFlags,
    /// For the program
    #[arg(last = true, value_name = "ARGS", help_heading = "Arguments")]
    pub(crate) rest: Vec<OsString>,
}

/// Delete this builder's lane
///
/// A lane in which somebody builds is never deleted. xtask's own build stays. The next build may fork another lane again;
/// plain `cargo build` would begin from nothing. With one of cargo's options, such as
/// --package or --release, only that part goes, as with `cargo clean`.
#[derive(Args)]
pub(crate) struct Clean {
    /// All lanes of this worktree that nobody is using, agents' lanes as well
    #[arg(long, conflicts_with_all = ["package", "release", "profile", "target", "doc"])]
    pub(crate) all: bool,
    /// Only what belongs to these packages (can be repeated)
    #[arg(short, long, value_name = "SPEC")]
    pub(crate) package: Vec<String>,
    /// Only the release profile
    #[arg(short, long)]
    pub(crate) release: bool,
    /// Only this profile
    #[arg(long, value_name = "NAME")]
    pub(crate) profile: Option<String>,
    /// Only what was built for this triple
    #[arg(long, value_name = "TRIPLE")]
    pub(crate) target: Vec<String>,
    /// Only the documentation
    #[arg(long)]
    pub(crate) doc: bool,
    #[command(flatten)]
    pub(crate) own: OwnFlags,
}

/// Do what continuous integration does: formatting, lints, tests
///
/// The whole workspace, `--locked`, warnings denied. Stops at the first step that fails.
#[derive(Args)]
pub(crate) struct Ci {
    /// Do all steps, whatever fails
    #[arg(long)]
    pub(crate) keep_going: bool,
    #[command(flatten)]
    pub(crate) own: OwnFlags,
}

/// Measure what xtask adds to a cargo that has nothing to do
///
/// Plain `cargo check`, `cargo xtask check` and the program that make starts take turns, each builder in a lane of its
/// own, which is deleted afterwards.
#[derive(Args)]
pub(crate) struct Bench {
    /// How often each is run
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub(crate) runs: u32,
    /// How many builders start at the same moment
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) at_once: u32,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) own: OwnFlags,
}

/// Run any cargo command in this builder's lane
///
/// `cargo xtask cargo doc --no-deps`, `cargo xtask cargo +nightly build`, `cargo xtask cargo nextest run`
#[derive(Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Cargo {
    /// Print the command line, don't run it (in front of cargo's own words)
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// What you would type behind `cargo`
    #[arg(value_name = "ARGS", trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) args: Vec<OsString>,
}

impl From<Run> for CargoFlags {
    fn from(run: Run) -> CargoFlags {
        let Run { own, package, bin, example, features, compilation, manifest, rest } = run;
        let packages = PackageFlags { package: package.into_iter().collect(), ..PackageFlags::default() };
        let bin = bin.into_iter().collect();
        let targets = TargetFlags { bin, example: example.into_iter().collect(), ..TargetFlags::default() };
        CargoFlags { own, packages, targets, features, compilation, manifest, rest }
    }
}

impl Clean {
    /// cargo's own options; empty means the whole lane.
    pub(crate) fn to_args(&self) -> Vec<OsString> {
        let mut args = Arguments::default();
        args.each("--package", &self.package);
        args.flag("--release", self.release);
        args.each("--profile", &self.profile);
        args.each("--target", &self.target);
        args.flag("--doc", self.doc);
        args.0
    }
}

impl Fmt {
    pub(crate) fn to_args(&self) -> Vec<OsString> {
        let mut args = Arguments::default();
        args.flag("--all", self.package.is_empty());
        args.each("--package", &self.package);
        args.flag("--check", self.check);
        args.flag("--quiet", self.own.quiet);
        args.flag("--verbose", self.own.verbose > 0);
        args.0
    }
}

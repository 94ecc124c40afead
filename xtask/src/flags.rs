//! The command line: every verb and option with its help. Data only; what a verb does is in its own file in `verbs`.
//!
//! An option that cargo has too has cargo's name and meaning, and is handed on.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum};

/// Build one workspace with many builders at once
///
/// Every builder has a lane, a target directory that it uses alone: the worktree's own `target/`, or, where AGENT_ID is
/// set, `.lanes/<agent>/<key>/`. So nobody waits for another's file lock.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version, max_term_width = 100)]
#[command(after_help = "\
Environment:
  AGENT_ID  Name of the builder; each name has lanes of its own. Unset: the worktree's target/
  MODE      What `cargo xtask build` builds: dev, test or release [default: dev]
  VERBOSE   1: show the command lines, and have cargo show its own

Each verb takes --help, and --dry-run to print the cargo command line that it comes down to.")]
pub(crate) struct Xtask {
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

#[derive(Subcommand)]
pub(crate) enum Verb {
    Build(Build),
    BuildDev(BuildDev),
    BuildTest(BuildTest),
    BuildRelease(BuildRelease),
    Check(Check),
    CheckFast(CheckFast),
    Test(Test),
    Clippy(Clippy),
    Fmt(Fmt),
    Run(Run),
    Clean(Clean),
    Ci(Ci),
    #[command(subcommand)]
    Lane(Lane),
    Bench(Bench),
    Cargo(Cargo),
    #[command(hide = true)]
    AdoptCache(AdoptCache),
}

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

/// Manage lanes
#[derive(Subcommand)]
pub(crate) enum Lane {
    List(LaneList),
    New(LaneNew),
    Fork(LaneFork),
    Remove(LaneRemove),
    Hook(LaneHook),
    Run(LaneRun),
    Env(LaneEnv),
    Verify(LaneVerify),
}

/// List the lanes of every worktree
///
/// DIFFERS names the inputs of the lane key that are not today's: such a lane is used again when they are. The features
/// are compared with none being selected.
#[derive(Args)]
pub(crate) struct LaneList {
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Make a worktree with a warm lane, and print its path
///
/// It lies beside the repository, has a branch of its own name, and takes `.cargo/local.toml` along:
/// cd "$(cargo xtask lane new fix)"
#[derive(Args)]
pub(crate) struct LaneNew {
    /// Name of the worktree: it lies in `../<repository>-<name>`
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    pub(crate) name: String,
    /// Begin at this commit instead of HEAD
    #[arg(long, value_name = "REV")]
    pub(crate) from: Option<String>,
    /// Name of the branch, instead of the worktree's; one that exists is checked out
    #[arg(long, value_name = "BRANCH", conflicts_with = "detach")]
    pub(crate) branch: Option<String>,
    /// Without a branch
    #[arg(long)]
    pub(crate) detach: bool,
    /// Put it there
    #[arg(long, value_name = "PATH")]
    pub(crate) path: Option<PathBuf>,
    /// Say nothing but the path and errors
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

/// Remove a worktree and its lanes
///
/// Not where work would be lost: uncommitted changes, or commits that no branch has. Its branch stays.
#[derive(Args)]
pub(crate) struct LaneRemove {
    /// Name or path of the worktree
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    pub(crate) name: String,
    /// Whatever would be lost
    #[arg(long)]
    pub(crate) force: bool,
}

/// Fill this builder's lane from another one
///
/// Every unit that cargo would make the same is linked or copied; the rest is left to cargo. The first build in an empty
/// lane does this by itself. In a lane that has units, those that are lacking are added.
#[derive(Args)]
pub(crate) struct LaneFork {
    /// From this lane or worktree, instead of the one that suits best
    #[arg(long, value_name = "DIR")]
    pub(crate) from: Option<PathBuf>,
    /// Print what would be done, don't do it
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Print what would become of this package's units and why, don't do it
    #[arg(long, value_name = "PACKAGE")]
    pub(crate) explain: Option<String>,
    /// Say nothing but errors
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

/// Have git warm every new worktree, whoever makes it
///
/// A `post-checkout` hook: when `git worktree add` has made a worktree, it gets `.cargo/local.toml` and a forked lane. It
/// says one line, does nothing at any other checkout, and never makes git fail. A hook that is there already goes on
/// working: in git's own directory it gets another name and runs first; a directory that `core.hooksPath` names, as husky
/// has one, stays as it is, and one of ours stands in front of it.
#[derive(Args)]
#[command(group = clap::ArgGroup::new("what").required(true))]
pub(crate) struct LaneHook {
    /// Put it there; again after something else has changed git's hooks
    #[arg(long, group = "what")]
    pub(crate) install: bool,
    /// Take it away; what was there before is as it was
    #[arg(long, group = "what")]
    pub(crate) remove: bool,
    /// Say where it is; fail if git would not run it
    #[arg(long, group = "what")]
    pub(crate) check: bool,
    /// What the hook calls
    #[arg(long, group = "what", hide = true)]
    pub(crate) worktree_made: bool,
}

/// Run a command, such as a coding agent, whose cargo builds in a lane of its own
///
/// If there is a worktree of this name, as `lane new` makes them, the command runs in it, and its lane is the worktree's
/// `target/`. Otherwise it runs where you stand, as the agent of this name (AGENT_ID), and its lane is in `.lanes/`. One
/// line says which of the two.
///
/// The command's `cargo` is cargo, but that it builds in the lane and that the first build forks another one: with every
/// option, alias and subcommand; in other workspaces it is nothing but cargo. Where CARGO_TARGET_DIR is set, or
/// --target-dir given, that counts. Without a command, your shell runs.
///
/// cargo xtask lane run fix-parser --new -- my-agent --its-option
#[derive(Args)]
pub(crate) struct LaneRun {
    #[command(flatten)]
    pub(crate) place: PlaceFlags,
    /// Show the worktree at the path of the main checkout, to this command alone (Linux)
    ///
    /// Then paths that compilers and tests write down are the same in all worktrees. The lane is one of its own, since
    /// what is built at one path is wrong at another. Where the system does not allow it, the command runs without.
    #[arg(long, conflicts_with = "agent")]
    pub(crate) at_root: bool,
    /// What to run [default: $SHELL]
    #[arg(last = true, value_name = "COMMAND")]
    pub(crate) command: Vec<OsString>,
}

/// Where a builder works.
#[derive(Args)]
pub(crate) struct PlaceFlags {
    /// Name of a worktree or, where there is none, of an agent
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    pub(crate) name: String,
    /// Make the worktree if there is none, as `lane new` does
    #[arg(long, conflicts_with = "agent")]
    pub(crate) new: bool,
    /// A worktree alone; fail if there is none
    #[arg(long, conflicts_with = "agent")]
    pub(crate) worktree: bool,
    /// An agent where you stand, whatever worktrees there are
    #[arg(long)]
    pub(crate) agent: bool,
}

/// Print what a shell evaluates to work as a command of `lane run` does
///
/// eval "$(cargo xtask lane env fix-parser)"; in fish: cargo xtask lane env fix-parser | source; in PowerShell:
/// cargo xtask lane env fix-parser --shell powershell | Out-String | Invoke-Expression
///
/// The way back is `lane env --unset` in the same manner; the directory stays.
#[derive(Args)]
pub(crate) struct LaneEnv {
    #[command(flatten)]
    pub(crate) place: Option<PlaceFlags>,
    /// Print what undoes it
    #[arg(long, conflicts_with = "PlaceFlags", required_unless_present = "name")]
    pub(crate) unset: bool,
    /// For this shell [default: what $SHELL is]
    #[arg(long, value_enum)]
    pub(crate) shell: Option<ShellName>,
}

#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
pub(crate) enum ShellName {
    /// And bash, zsh, dash, ksh
    Sh,
    Fish,
    Powershell,
}

/// Show that a forked lane cannot be told from one built from scratch
///
/// HEAD is built and tested in a donor, another tree forks from it, and the donor is removed. What the fork's tests say and
/// what its files hold must then be what a tree built from scratch at the same place gives. All trees are temporary and lie
/// beside the repository; yours is not touched. Programs are compared, not run. Exit code 1: something differs.
#[derive(Args)]
pub(crate) struct LaneVerify {
    /// Run the doctests, too
    #[arg(long)]
    pub(crate) doc: bool,
    /// Build the tests, but don't run them
    #[arg(long)]
    pub(crate) no_run: bool,
    /// Put the temporary trees in this directory instead
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
    /// Leave the trees and all logs for a look
    #[arg(long)]
    pub(crate) keep: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Print what would be done, don't do it
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
    /// Optimised, with the release profile
    #[arg(short, long, conflicts_with = "profile", help_heading = "Compilation")]
    pub(crate) release: bool,
    /// With this profile
    #[arg(long, value_name = "NAME", help_heading = "Compilation")]
    pub(crate) profile: Option<String>,
    /// This many jobs at a time
    #[arg(short, long, value_name = "N", allow_hyphen_values = true, help_heading = "Compilation")]
    pub(crate) jobs: Option<String>,
    /// Cargo.lock must stay as it is
    #[arg(long, help_heading = "Manifest and cargo")]
    pub(crate) locked: bool,
    /// Without the network
    #[arg(long, help_heading = "Manifest and cargo")]
    pub(crate) offline: bool,
    /// For the test executables
    #[arg(last = true, value_name = "ARGS", help_heading = "Arguments")]
    pub(crate) rest: Vec<OsString>,
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

/// Options of our own that every verb has.
#[derive(Args, Clone, Copy)]
pub(crate) struct OwnFlags {
    /// Print what would be done, don't do it
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Say nothing but errors
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// Use verbose output (-vv: very verbose)
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}

/// What counts as changed.
#[derive(Args)]
#[group(skip)]
pub(crate) struct ChangedFlags {
    /// Add the packages that depend on the changed ones
    #[arg(long, help_heading = "Affected packages")]
    pub(crate) dependents: bool,
    /// Compare with the merge base of this commit instead of the main branch's
    #[arg(long, value_name = "REV", help_heading = "Affected packages")]
    pub(crate) base: Option<String>,
}

/// The same for verbs that take all packages unless asked.
#[derive(Args)]
#[group(skip)]
pub(crate) struct AffectedFlags {
    /// Only the packages that changed, as `check-fast` finds them
    #[arg(long, help_heading = "Affected packages", conflicts_with_all = ["package", "workspace"])]
    pub(crate) affected: bool,
    /// Add the packages that depend on the changed ones
    #[arg(long, requires = "affected", help_heading = "Affected packages")]
    pub(crate) dependents: bool,
    /// Compare with the merge base of this commit instead of the main branch's
    #[arg(long, value_name = "REV", requires = "affected", help_heading = "Affected packages")]
    pub(crate) base: Option<String>,
}

/// cargo's options, under cargo's names.
#[derive(Args)]
#[group(skip)]
pub(crate) struct CargoFlags {
    #[command(flatten)]
    pub(crate) own: OwnFlags,
    #[command(flatten)]
    pub(crate) packages: PackageFlags,
    #[command(flatten)]
    pub(crate) targets: TargetFlags,
    #[command(flatten)]
    pub(crate) features: FeatureFlags,
    #[command(flatten)]
    pub(crate) compilation: CompilationFlags,
    #[command(flatten)]
    pub(crate) manifest: ManifestFlags,
    /// Handed on: to the test executables, to clippy
    #[arg(last = true, value_name = "ARGS", help_heading = "Arguments")]
    pub(crate) rest: Vec<OsString>,
}

#[derive(Args, Default)]
#[group(skip)]
#[command(next_help_heading = "Package selection")]
pub(crate) struct PackageFlags {
    /// Only these packages (can be repeated)
    #[arg(short, long, value_name = "SPEC")]
    pub(crate) package: Vec<String>,
    /// All packages of the workspace
    #[arg(long, alias = "all")]
    pub(crate) workspace: bool,
    /// All packages but these (can be repeated)
    #[arg(long, value_name = "SPEC")]
    pub(crate) exclude: Vec<String>,
}

#[derive(Args, Default)]
#[group(skip)]
#[command(next_help_heading = "Target selection")]
pub(crate) struct TargetFlags {
    /// Only the library
    #[arg(long)]
    pub(crate) lib: bool,
    /// All binaries
    #[arg(long)]
    pub(crate) bins: bool,
    /// Only this binary (can be repeated)
    #[arg(long, value_name = "NAME")]
    pub(crate) bin: Vec<String>,
    /// All examples
    #[arg(long)]
    pub(crate) examples: bool,
    /// Only this example (can be repeated)
    #[arg(long, value_name = "NAME")]
    pub(crate) example: Vec<String>,
    /// All targets that have tests
    #[arg(long)]
    pub(crate) tests: bool,
    /// Only this test target (can be repeated)
    #[arg(long, value_name = "NAME")]
    pub(crate) test: Vec<String>,
    /// All targets that have benchmarks
    #[arg(long)]
    pub(crate) benches: bool,
    /// Only this benchmark target (can be repeated)
    #[arg(long, value_name = "NAME")]
    pub(crate) bench: Vec<String>,
    /// All targets
    #[arg(long)]
    pub(crate) all_targets: bool,
}

#[derive(Args)]
#[group(skip)]
#[command(next_help_heading = "Feature selection")]
pub(crate) struct FeatureFlags {
    /// Features, separated by spaces or commas (can be repeated)
    #[arg(short = 'F', long, value_name = "FEATURES")]
    pub(crate) features: Vec<String>,
    /// All features of all selected packages
    #[arg(long)]
    pub(crate) all_features: bool,
    /// Not the `default` feature
    #[arg(long)]
    pub(crate) no_default_features: bool,
}

#[derive(Args)]
#[group(skip)]
#[command(next_help_heading = "Compilation")]
pub(crate) struct CompilationFlags {
    /// Optimised, with the release profile
    #[arg(short, long, conflicts_with = "profile")]
    pub(crate) release: bool,
    /// With this profile
    #[arg(long, value_name = "NAME")]
    pub(crate) profile: Option<String>,
    /// For this target triple (can be repeated)
    #[arg(long, value_name = "TRIPLE")]
    pub(crate) target: Vec<String>,
    /// This many jobs at a time
    #[arg(short, long, value_name = "N", allow_hyphen_values = true)]
    pub(crate) jobs: Option<String>,
    /// Go on as far as possible, whatever fails
    #[arg(long)]
    pub(crate) keep_going: bool,
    /// Build in this directory instead of the lane
    #[arg(long, value_name = "DIR")]
    pub(crate) target_dir: Option<PathBuf>,
    /// Write a report on how long each unit took
    #[arg(long)]
    pub(crate) timings: bool,
    /// How errors are printed: human, short, json, …
    #[arg(long, value_name = "FMT")]
    pub(crate) message_format: Vec<String>,
}

#[derive(Args)]
#[group(skip)]
#[command(next_help_heading = "Manifest and cargo")]
pub(crate) struct ManifestFlags {
    /// Path to Cargo.toml
    #[arg(long, value_name = "PATH")]
    pub(crate) manifest_path: Option<PathBuf>,
    /// Cargo.lock must stay as it is
    #[arg(long)]
    pub(crate) locked: bool,
    /// Without the network
    #[arg(long)]
    pub(crate) offline: bool,
    /// --locked and --offline
    #[arg(long)]
    pub(crate) frozen: bool,
    /// Whatever `rust-version` says
    #[arg(long)]
    pub(crate) ignore_rust_version: bool,
    /// Override a value of cargo's configuration (can be repeated)
    #[arg(long, value_name = "KEY=VALUE|PATH")]
    pub(crate) config: Vec<OsString>,
    /// Unstable options of cargo, on nightly (can be repeated)
    #[arg(short = 'Z', value_name = "FLAG")]
    pub(crate) unstable: Vec<String>,
    /// auto, always or never
    #[arg(long, value_name = "WHEN")]
    pub(crate) color: Option<String>,
}

impl CargoFlags {
    /// The options as cargo takes them, in the order of its help; without the lane and without what follows `--`.
    pub(crate) fn to_args(&self) -> Vec<OsString> {
        let mut args = Arguments::default();
        self.packages.add_to(&mut args);
        self.targets.add_to(&mut args);
        self.features.add_to(&mut args);
        self.compilation.add_to(&mut args);
        self.manifest.add_to(&mut args);
        args.flag("--quiet", self.own.quiet);
        for _ in 0..self.own.verbose {
            args.flag("--verbose", true);
        }
        args.0
    }

    /// Whether targets are named, and so doctests are not among them.
    pub(crate) fn selects_targets(&self) -> bool {
        let mut args = Arguments::default();
        self.targets.add_to(&mut args);
        !args.0.is_empty()
    }
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

impl LaneNew {
    /// `lane new <name>`, with nothing else said.
    pub(crate) fn named(name: &str) -> LaneNew {
        LaneNew { name: name.to_owned(), from: None, branch: None, detach: false, path: None, quiet: false }
    }
}

impl AffectedFlags {
    /// `None` where all packages were asked for.
    pub(crate) fn changed(&self) -> Option<ChangedFlags> {
        let AffectedFlags { affected, dependents, base } = self;
        affected.then(|| ChangedFlags { dependents: *dependents, base: base.clone() })
    }
}

impl PackageFlags {
    /// Whether nothing but `--exclude` was said.
    pub(crate) fn is_empty(&self) -> bool {
        self.package.is_empty() && !self.workspace
    }

    fn add_to(&self, args: &mut Arguments) {
        args.each("--package", &self.package);
        args.flag("--workspace", self.workspace);
        args.each("--exclude", &self.exclude);
    }
}

impl TargetFlags {
    fn add_to(&self, args: &mut Arguments) {
        args.flag("--lib", self.lib);
        args.flag("--bins", self.bins);
        args.each("--bin", &self.bin);
        args.flag("--examples", self.examples);
        args.each("--example", &self.example);
        args.flag("--tests", self.tests);
        args.each("--test", &self.test);
        args.flag("--benches", self.benches);
        args.each("--bench", &self.bench);
        args.flag("--all-targets", self.all_targets);
    }
}

impl FeatureFlags {
    fn add_to(&self, args: &mut Arguments) {
        args.each("--features", &self.features);
        args.flag("--all-features", self.all_features);
        args.flag("--no-default-features", self.no_default_features);
    }
}

impl CompilationFlags {
    /// `--target-dir` is not among them: it is a lane, and goes where lanes go.
    fn add_to(&self, args: &mut Arguments) {
        args.flag("--release", self.release);
        args.each("--profile", &self.profile);
        args.each("--target", &self.target);
        args.each("--jobs", &self.jobs);
        args.flag("--keep-going", self.keep_going);
        args.flag("--timings", self.timings);
        args.each("--message-format", &self.message_format);
    }
}

impl ManifestFlags {
    fn add_to(&self, args: &mut Arguments) {
        args.each("--manifest-path", &self.manifest_path);
        args.flag("--locked", self.locked);
        args.flag("--offline", self.offline);
        args.flag("--frozen", self.frozen);
        args.flag("--ignore-rust-version", self.ignore_rust_version);
        args.each("--config", &self.config);
        args.each("-Z", &self.unstable);
        args.each("--color", &self.color);
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

impl LaneVerify {
    /// cargo's own options.
    pub(crate) fn to_args(&self) -> Vec<OsString> {
        let mut args = Arguments::default();
        self.packages.add_to(&mut args);
        self.targets.add_to(&mut args);
        self.features.add_to(&mut args);
        args.flag("--release", self.release);
        args.each("--profile", &self.profile);
        args.each("--jobs", &self.jobs);
        args.flag("--locked", self.locked);
        args.flag("--offline", self.offline);
        args.0
    }

    /// Those for `cargo test`, which runs doctests where no targets are named.
    pub(crate) fn to_test_args(&self) -> Vec<OsString> {
        let mut targets = Arguments::default();
        self.targets.add_to(&mut targets);
        let mut args = Arguments(self.to_args());
        args.flag("--tests", targets.0.is_empty() && !self.doc);
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

#[derive(Default)]
struct Arguments(Vec<OsString>);

impl Arguments {
    fn flag(&mut self, name: &str, is_set: bool) {
        if is_set {
            self.0.push(name.into());
        }
    }

    fn each<'a, T>(&mut self, name: &str, values: impl IntoIterator<Item = &'a T>)
    where
        T: Clone + Into<OsString> + 'a,
    {
        for value in values {
            self.0.extend([name.into(), value.clone().into()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Xtask::command().debug_assert();
    }

    /// Whoever adds an option and forgets to hand it on is told here.
    #[test]
    fn every_option_of_cargo_is_handed_on() {
        let command = Xtask::command();
        let build = command.find_subcommand("build-dev").expect("a verb");
        let own = ["dry_run", "rest", "target_dir", "help"];
        for option in build.get_arguments().filter(|option| !own.contains(&option.get_id().as_str())) {
            let name = match option.get_long() {
                Some(long) => format!("--{long}"),
                None => format!("-{}", option.get_short().expect("a name")),
            };
            let mut line = vec!["xtask".to_owned(), "build-dev".to_owned(), name.clone()];
            line.extend(option.get_action().takes_values().then(|| "value".to_owned()));

            let parsed = Xtask::try_parse_from(&line).unwrap_or_else(|err| panic!("{name}: {err}"));
            let Verb::BuildDev(build) = parsed.verb else { panic!("another verb") };
            let args = build.cargo.to_args();
            assert!(args.iter().any(|arg| *arg == *name), "{name} is not handed on: {args:?}");
        }
    }
}

//! The options that cargo has too, under cargo's names, and how they are handed on.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;

use crate::flags::OwnFlags;

/// What counts as changed.
#[derive(Args)]
#[group(skip)]
pub struct ChangedFlags {
    /// Add the packages that depend on the changed ones
    #[arg(long, help_heading = "Affected packages")]
    pub dependents: bool,
    /// Compare with the merge base of this commit instead of the main branch's
    #[arg(long, value_name = "REV", help_heading = "Affected packages")]
    pub base: Option<String>,
}

/// The same for verbs that take all packages unless asked.
#[derive(Args)]
#[group(skip)]
pub struct AffectedFlags {
    /// Only the packages that changed, as `check-fast` finds them
    #[arg(long, help_heading = "Affected packages", conflicts_with_all = ["package", "workspace"])]
    pub affected: bool,
    /// Add the packages that depend on the changed ones
    #[arg(long, requires = "affected", help_heading = "Affected packages")]
    pub dependents: bool,
    /// Compare with the merge base of this commit instead of the main branch's
    #[arg(long, value_name = "REV", requires = "affected", help_heading = "Affected packages")]
    pub base: Option<String>,
}

/// cargo's options, under cargo's names.
#[derive(Args)]
#[group(skip)]
pub struct CargoFlags {
    #[command(flatten)]
    pub own: OwnFlags,
    #[command(flatten)]
    pub packages: PackageFlags,
    #[command(flatten)]
    pub targets: TargetFlags,
    #[command(flatten)]
    pub features: FeatureFlags,
    #[command(flatten)]
    pub compilation: CompilationFlags,
    #[command(flatten)]
    pub manifest: ManifestFlags,
    /// Handed on: to the test executables, to clippy
    #[arg(last = true, value_name = "ARGS", help_heading = "Arguments")]
    pub rest: Vec<OsString>,
}

#[derive(Args, Default)]
#[group(skip)]
#[command(next_help_heading = "Package selection")]
pub struct PackageFlags {
    /// Only these packages (can be repeated)
    #[arg(short, long, value_name = "SPEC")]
    pub package: Vec<String>,
    /// All packages of the workspace
    #[arg(long, alias = "all")]
    pub workspace: bool,
    /// All packages but these (can be repeated)
    #[arg(long, value_name = "SPEC")]
    pub exclude: Vec<String>,
}

#[derive(Args, Default)]
#[group(skip)]
#[command(next_help_heading = "Target selection")]
pub struct TargetFlags {
    /// Only the library
    #[arg(long)]
    pub lib: bool,
    /// All binaries
    #[arg(long)]
    pub bins: bool,
    /// Only this binary (can be repeated)
    #[arg(long, value_name = "NAME")]
    pub bin: Vec<String>,
    /// All examples
    #[arg(long)]
    pub examples: bool,
    /// Only this example (can be repeated)
    #[arg(long, value_name = "NAME")]
    pub example: Vec<String>,
    /// All targets that have tests
    #[arg(long)]
    pub tests: bool,
    /// Only this test target (can be repeated)
    #[arg(long, value_name = "NAME")]
    pub test: Vec<String>,
    /// All targets that have benchmarks
    #[arg(long)]
    pub benches: bool,
    /// Only this benchmark target (can be repeated)
    #[arg(long, value_name = "NAME")]
    pub bench: Vec<String>,
    /// All targets
    #[arg(long)]
    pub all_targets: bool,
}

#[derive(Args)]
#[group(skip)]
#[command(next_help_heading = "Feature selection")]
pub struct FeatureFlags {
    /// Features, separated by spaces or commas (can be repeated)
    #[arg(short = 'F', long, value_name = "FEATURES")]
    pub features: Vec<String>,
    /// All features of all selected packages
    #[arg(long)]
    pub all_features: bool,
    /// Not the `default` feature
    #[arg(long)]
    pub no_default_features: bool,
}

/// Those of [`CompilationFlags`] that verbs have which build in a way of their own.
#[derive(Args)]
#[group(skip)]
#[command(next_help_heading = "Compilation")]
pub struct ProfileFlags {
    /// Optimised, with the release profile
    #[arg(short, long, conflicts_with = "profile")]
    pub release: bool,
    /// With this profile
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,
    /// This many jobs at a time
    #[arg(short, long, value_name = "N", allow_hyphen_values = true)]
    pub jobs: Option<String>,
}

#[derive(Args)]
#[group(skip)]
#[command(next_help_heading = "Compilation")]
pub struct CompilationFlags {
    #[command(flatten)]
    pub how: ProfileFlags,
    /// For this target triple (can be repeated)
    #[arg(long, value_name = "TRIPLE")]
    pub target: Vec<String>,
    /// Go on as far as possible, whatever fails
    #[arg(long)]
    pub keep_going: bool,
    /// Build in this directory instead of the lane
    #[arg(long, value_name = "DIR")]
    pub target_dir: Option<PathBuf>,
    /// Write a report on how long each unit took
    #[arg(long)]
    pub timings: bool,
    /// How errors are printed: human, short, json, …
    #[arg(long, value_name = "FMT")]
    pub message_format: Vec<String>,
}

/// Those of [`ManifestFlags`] that such verbs have.
#[derive(Args)]
#[group(skip)]
#[command(next_help_heading = "Manifest and cargo")]
pub struct LockFlags {
    /// Cargo.lock must stay as it is
    #[arg(long)]
    pub locked: bool,
    /// Without the network
    #[arg(long)]
    pub offline: bool,
}

#[derive(Args)]
#[group(skip)]
#[command(next_help_heading = "Manifest and cargo")]
pub struct ManifestFlags {
    /// Path to Cargo.toml
    #[arg(long, value_name = "PATH")]
    pub manifest_path: Option<PathBuf>,
    #[command(flatten)]
    pub lock: LockFlags,
    /// --locked and --offline
    #[arg(long)]
    pub frozen: bool,
    /// Whatever `rust-version` says
    #[arg(long)]
    pub ignore_rust_version: bool,
    /// Override a value of cargo's configuration (can be repeated)
    #[arg(long, value_name = "KEY=VALUE|PATH")]
    pub config: Vec<OsString>,
    /// Unstable options of cargo, on nightly (can be repeated)
    #[arg(short = 'Z', value_name = "FLAG")]
    pub unstable: Vec<String>,
    /// auto, always or never
    #[arg(long, value_name = "WHEN")]
    pub color: Option<String>,
}

impl CargoFlags {
    /// The options as cargo takes them, in the order of its help; without the lane and without what
    /// follows `--`.
    pub fn to_args(&self) -> Vec<OsString> {
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
    pub fn selects_targets(&self) -> bool {
        let mut args = Arguments::default();
        self.targets.add_to(&mut args);
        !args.0.is_empty()
    }
}

impl AffectedFlags {
    /// `None` where all packages were asked for.
    pub fn changed(&self) -> Option<ChangedFlags> {
        let AffectedFlags { affected, dependents, base } = self;
        affected.then(|| ChangedFlags { dependents: *dependents, base: base.clone() })
    }
}

impl PackageFlags {
    /// Whether nothing but `--exclude` was said.
    pub fn is_empty(&self) -> bool {
        self.package.is_empty() && !self.workspace
    }

    pub(super) fn add_to(&self, args: &mut Arguments) {
        args.each("--package", &self.package);
        args.flag("--workspace", self.workspace);
        args.each("--exclude", &self.exclude);
    }
}

impl TargetFlags {
    pub(super) fn add_to(&self, args: &mut Arguments) {
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
    pub(super) fn add_to(&self, args: &mut Arguments) {
        args.each("--features", &self.features);
        args.flag("--all-features", self.all_features);
        args.flag("--no-default-features", self.no_default_features);
    }
}

impl ProfileFlags {
    /// Whether it is another one than a verb would choose.
    pub fn is_chosen(&self) -> bool {
        self.release || self.profile.is_some()
    }

    pub(super) fn add_to(&self, args: &mut Arguments) {
        args.flag("--release", self.release);
        args.each("--profile", &self.profile);
        args.each("--jobs", &self.jobs);
    }
}

impl CompilationFlags {
    /// `--target-dir` is not among them: it is a lane, and goes where lanes go.
    pub(super) fn add_to(&self, args: &mut Arguments) {
        self.how.add_to(args);
        args.each("--target", &self.target);
        args.flag("--keep-going", self.keep_going);
        args.flag("--timings", self.timings);
        args.each("--message-format", &self.message_format);
    }
}

impl LockFlags {
    pub(super) fn add_to(&self, args: &mut Arguments) {
        args.flag("--locked", self.locked);
        args.flag("--offline", self.offline);
    }
}

impl ManifestFlags {
    pub(super) fn add_to(&self, args: &mut Arguments) {
        args.each("--manifest-path", &self.manifest_path);
        self.lock.add_to(args);
        args.flag("--frozen", self.frozen);
        args.flag("--ignore-rust-version", self.ignore_rust_version);
        args.each("--config", &self.config);
        args.each("-Z", &self.unstable);
        args.each("--color", &self.color);
    }
}

#[derive(Default)]
pub(super) struct Arguments(pub(super) Vec<OsString>);

impl Arguments {
    pub(super) fn flag(&mut self, name: &str, is_set: bool) {
        if is_set {
            self.0.push(name.into());
        }
    }

    pub(super) fn each<'a, T>(&mut self, name: &str, values: impl IntoIterator<Item = &'a T>)
    where
        T: Clone + Into<OsString> + 'a,
    {
        for value in values {
            self.0.extend([name.into(), value.clone().into()]);
        }
    }
}

//! The options that cargo has too, under cargo's names, and how they are handed on.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;

use super::OwnFlags;

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

/// Those of [`CompilationFlags`] that verbs have which build in a way of their own.
#[derive(Args)]
#[group(skip)]
#[command(next_help_heading = "Compilation")]
pub(crate) struct ProfileFlags {
    /// Optimised, with the release profile
    #[arg(short, long, conflicts_with = "profile")]
    pub(crate) release: bool,
    /// With this profile
    #[arg(long, value_name = "NAME")]
    pub(crate) profile: Option<String>,
    /// This many jobs at a time
    #[arg(short, long, value_name = "N", allow_hyphen_values = true)]
    pub(crate) jobs: Option<String>,
}

#[derive(Args)]
#[group(skip)]
#[command(next_help_heading = "Compilation")]
pub(crate) struct CompilationFlags {
    #[command(flatten)]
    pub(crate) how: ProfileFlags,
    /// For this target triple (can be repeated)
    #[arg(long, value_name = "TRIPLE")]
    pub(crate) target: Vec<String>,
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

/// Those of [`ManifestFlags`] that such verbs have.
#[derive(Args)]
#[group(skip)]
#[command(next_help_heading = "Manifest and cargo")]
pub(crate) struct LockFlags {
    /// Cargo.lock must stay as it is
    #[arg(long)]
    pub(crate) locked: bool,
    /// Without the network
    #[arg(long)]
    pub(crate) offline: bool,
}

#[derive(Args)]
#[group(skip)]
#[command(next_help_heading = "Manifest and cargo")]
pub(crate) struct ManifestFlags {
    /// Path to Cargo.toml
    #[arg(long, value_name = "PATH")]
    pub(crate) manifest_path: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) lock: LockFlags,
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
    pub(crate) fn is_chosen(&self) -> bool {
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

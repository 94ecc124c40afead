//! `cargo xtask cargo <anything>`: where in a command line, that cargo will read, the lane goes.

use std::ffi::{OsStr, OsString};

use crate::plan::lane::{Lane, Owner};
use crate::plan::recipe::{BUILDING, Step, value_of};

/// A command line for cargo, taken apart as far as the lane needs it.
pub(crate) struct CommandLine {
    /// `nightly` of `+nightly`.
    pub(crate) toolchain: Option<String>,
    /// Options in front of the command, such as `--offline`.
    pub(super) before: Vec<OsString>,
    /// Empty where there is none, as in `cargo --version`.
    pub(crate) command: String,
    /// Up to `--`.
    pub(super) args: Vec<OsString>,
    /// After `--`.
    pub(super) rest: Vec<OsString>,
}

/// What of a command line decides on the lane.
pub(crate) struct Selection {
    pub(crate) features: Vec<String>,
    pub(crate) all_features: bool,
    pub(crate) no_default_features: bool,
    pub(crate) targets: Vec<String>,
    pub(crate) profile: Option<String>,
}

/// Commands of cargo that take `--target-dir`. `install` does too, but it builds foreign packages.
const WITH_TARGET_DIR: [&str; 19] = [
    "b", "bench", "build", "c", "check", "clean", "clippy", "d", "doc", "fix", "package", "publish", "r",
    "run", "rustc", "rustdoc", "t", "test", "miri",
];

/// Commands that build foreign packages or nothing in a lane; `xtask` builds itself beside all lanes.
const ELSEWHERE: [&str; 14] = [
    "help",
    "info",
    "init",
    "install",
    "login",
    "logout",
    "new",
    "owner",
    "report",
    "search",
    "uninstall",
    "version",
    "xtask",
    "yank",
];

/// Commands that write nothing of their own to stdout, so that it can carry counts.
const COUNTABLE: [&str; 5] = ["b", "build", "c", "check", "clippy"];

impl CommandLine {
    pub(crate) fn parse(line: Vec<OsString>) -> CommandLine {
        let mut line = line.into_iter().peekable();
        let toolchain = line.next_if(|arg| arg.to_string_lossy().starts_with('+'));
        let toolchain = toolchain.map(|arg| arg.to_string_lossy()[1..].to_owned());

        let mut before = Vec::new();
        while let Some(arg) = line.next_if(|arg| arg.to_string_lossy().starts_with('-')) {
            const WITH_VALUE: [&str; 5] = ["--config", "-Z", "--color", "-C", "--explain"];
            let has_value = WITH_VALUE.iter().any(|name| arg == *name);
            before.push(arg);
            if has_value {
                before.extend(line.next());
            }
        }

        let command = line.next().map(|arg| arg.to_string_lossy().into_owned()).unwrap_or_default();
        let args = std::iter::from_fn(|| line.next_if(|arg| arg != "--")).collect();
        let rest = line.skip(1).collect();
        CommandLine { toolchain, before, command, args, rest }
    }

    pub(crate) fn selection(&self) -> Selection {
        let has = |name: &str| self.args.iter().any(|arg| arg == name);
        let mut features = self.values(&["--features"]);
        features.extend(self.short_values("-F"));
        Selection {
            features,
            all_features: has("--all-features"),
            no_default_features: has("--no-default-features"),
            targets: self.values(&["--target"]),
            profile: self.values(&["--profile"]).pop(),
        }
    }

    /// Whether it builds, as far as the name tells, and is not to be quiet: then a summary is wanted.
    pub(crate) fn wants_summary(&self) -> bool {
        !self.is_quiet() && (WITH_TARGET_DIR.contains(&self.command.as_str()) || self.command == "nextest")
    }

    /// Whether the lane has anything to do with it, and nothing in it says where to build.
    pub(crate) fn concerns_lane(&self) -> bool {
        let is_elsewhere = ELSEWHERE.contains(&self.command.as_str()) && self.value("--path").is_none();
        let is_question = |arg: &OsString| ["-h", "--help", "-V", "--version"].iter().any(|word| arg == word);
        let names_place = |arg: &OsString| arg.to_string_lossy().contains("target-dir") || arg == "-C";
        !self.command.is_empty()
            && !is_elsewhere
            && !self.before.iter().chain(&self.args).any(|arg| is_question(arg) || names_place(arg))
    }

    /// Whether it may compile something, so that a warm lane is worth having. What an alias or a foreign program does, only
    /// they know; formatting is the one that everybody calls and that compiles nothing.
    pub(crate) fn may_build(&self, kind: Kind) -> bool {
        match kind {
            Kind::Own => BUILDING.contains(&self.command.as_str()),
            Kind::Alias | Kind::External => self.command != "fmt",
        }
    }

    pub(crate) fn is_quiet(&self) -> bool {
        self.before.iter().chain(&self.args).any(|arg| arg == "-q" || arg == "--quiet")
    }

    pub(crate) fn value(&self, name: &str) -> Option<&OsStr> {
        value_of(&self.args, name).or_else(|| value_of(&self.before, name))
    }

    fn values(&self, names: &[&str]) -> Vec<String> {
        let mut found = Vec::new();
        for (index, arg) in self.args.iter().enumerate() {
            for name in names {
                let tail = &self.args[index..];
                let starts_here = arg == name || arg.to_string_lossy().starts_with(&format!("{name}="));
                if starts_here && let Some(value) = value_of(tail, name) {
                    found.push(value.to_string_lossy().into_owned());
                }
            }
        }
        found
    }

    /// `-F a`, `-Fa`.
    fn short_values(&self, name: &str) -> Vec<String> {
        let mut found = Vec::new();
        let mut args = self.args.iter();
        while let Some(arg) = args.next() {
            match arg.to_string_lossy().strip_prefix(name) {
                Some("") => found.extend(args.next().map(|value| value.to_string_lossy().into_owned())),
                Some(value) => found.push(value.trim_start_matches('=').to_owned()),
                None => {}
            }
        }
        found
    }

    /// The same command line with the lane in it.
    pub(crate) fn into_step(self, lane: &Lane, kind: Kind) -> Step {
        let placement = self.placement(lane, kind);
        let counts = kind != Kind::Alias && COUNTABLE.contains(&self.command.as_str());
        let CommandLine { toolchain, before, command, args, rest } = self;

        let mut line = Vec::new();
        if matches!(placement, Placement::Configuration | Placement::ConfigurationAndVariable) {
            line.extend(lane.config_flags());
        }
        line.extend(before);
        line.extend((!command.is_empty()).then(|| command.into()));
        let flags_at = if let Placement::FlagAfter(count) = placement { count } else { 0 };
        let mut args = args.into_iter();
        line.extend(args.by_ref().take(flags_at));
        if matches!(placement, Placement::FlagAfter(_)) {
            line.extend(lane.flags());
        }
        line.extend(args);

        let mut step = Step::of_args(line, lane).toolchain(toolchain).rest(rest);
        if placement == Placement::ConfigurationAndVariable {
            const VARIABLE: &str = "CARGO_BUILD_TARGET_DIR";
            step.env.retain(|(name, _)| name != VARIABLE);
            step = step.with_env(VARIABLE, lane.dir.clone().into());
        }
        if counts { step.counted() } else { step }
    }

    fn placement(&self, lane: &Lane, kind: Kind) -> Placement {
        let is_placed =
            matches!(lane.owner, Owner::Worktree) || value_of(&self.args, "--target-dir").is_some();
        if is_placed || !self.concerns_lane() {
            return Placement::Nowhere;
        }
        if kind == Kind::Alias {
            return Placement::Configuration;
        }
        if self.command == "nextest" {
            // The inner command takes the flag, if it is one that builds.
            const INNER: [&str; 3] = ["run", "list", "archive"];
            let inner = self.args.iter().position(|arg| INNER.iter().any(|inner| arg == inner));
            return inner.map_or(Placement::Nowhere, |inner| Placement::FlagAfter(inner + 1));
        }
        match kind {
            _ if WITH_TARGET_DIR.contains(&self.command.as_str()) => Placement::FlagAfter(0),
            Kind::External => Placement::ConfigurationAndVariable,
            Kind::Own | Kind::Alias => Placement::Configuration,
        }
    }
}

/// Who reads what follows the command.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    Own,
    /// `[alias]` of cargo's configuration; also where it gives another meaning to one of cargo's own short names.
    Alias,
    /// A program `cargo-<command>`.
    External,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Placement {
    Nowhere,
    /// `--target-dir`, behind this many arguments of the command.
    FlagAfter(usize),
    /// `--config`, in front of the command.
    Configuration,
    /// An external program gets no `--config` from cargo; the variable is all that it and the cargo it may start see.
    ConfigurationAndVariable,
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::plan::lane::{Agent, Detours, KeyInputs};

    fn parse(line: &str) -> CommandLine {
        CommandLine::parse(line.split_whitespace().map(OsString::from).collect())
    }

    #[track_caller]
    fn check(line: &str, expected: &str) {
        let agent = Agent::from_environment(Some(OsStr::new("a"))).expect("a name").expect("an agent");
        let lane = Lane::of_agent(Path::new("/l"), &agent, KeyInputs::default(), Detours::default());
        let kind = match parse(line).command.as_str() {
            "external" => Kind::External,
            "my-alias" | "r" => Kind::Alias,
            _ => Kind::Own,
        };
        let step = parse(line).into_step(&lane, kind);
        let printed = step.to_string().replace(&lane.dir.display().to_string(), "LANE");
        assert_eq!(printed, expected);
    }

    #[test]
    fn the_lane_goes_where_the_command_reads_it() {
        check("build", "cargo build --target-dir LANE");
        check("+nightly -q build -p x -- y", "cargo +nightly -q build --target-dir LANE -p x -- y");
        check("--config a=1 t", "cargo --config a=1 t --target-dir LANE");
        check("nextest run x", "cargo nextest run --target-dir LANE x");
        check("nextest --no-pager list -p a", "cargo nextest --no-pager list --target-dir LANE -p a");
        check("nextest show-config version", "cargo nextest show-config version");
        check("r x", "cargo --config 'build.target-dir=\"LANE\"' r x");
        check("metadata", "cargo --config 'build.target-dir=\"LANE\"' metadata");
        check("my-alias -x", "cargo --config 'build.target-dir=\"LANE\"' my-alias -x");
        check("--version", "cargo --version");
        check("build --target-dir other", "cargo build --target-dir other");
        check("--config build.target-dir=x build", "cargo --config build.target-dir=x build");
        check("install x", "cargo install x");
        check("install --path .", "cargo --config 'build.target-dir=\"LANE\"' install --path .");
        check("xtask build", "cargo xtask build");
        check("build --help", "cargo build --help");
        check(
            "external -x",
            "env CARGO_BUILD_TARGET_DIR=LANE cargo --config 'build.target-dir=\"LANE\"' external -x",
        );
    }

    #[test]
    fn features_and_targets_are_read_up_to_the_dashes() {
        let selection =
            parse("build -F a --features=b --features c -Fd --target t --target=u -- --features e")
                .selection();
        assert_eq!(selection.features, ["b", "c", "a", "d"]);
        assert_eq!(selection.targets, ["t", "u"]);
        assert!(parse("test --all-features").selection().all_features);
        assert!(!parse("test -- --all-features").selection().all_features);
    }
}

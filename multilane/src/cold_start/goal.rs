//! Cold starts: whose build another may wait for, and until when.
//!
//! Several builders that begin with nothing would each compile the same, all of them slower than
//! one. So the first leads and the others wait, fork from its lane, and leave the rest to cargo.
//! Waiting never costs more than it saves, as far as that can be told: a builder waits for one who
//! makes all that it wants itself, only while something is missing there that it can use, and not
//! for one who does not get on.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use toml_edit::DocumentMut;

use crate::cargo_line::{CargoLine, Selection};
use crate::lanes::hex;
use crate::project::packages::spec_matches;

/// What a builder is about to make, as far as that can be told without asking cargo.
#[derive(Clone, Debug, PartialEq)]
pub struct Goal {
    /// The lane key.
    pub key: String,
    /// The directory that decides on the package where none is named, relative to the repository.
    pub inside: String,
    /// The variables that make other units.
    pub settings: Vec<String>,
    /// The command lines that build, without `cargo`.
    pub lines: Vec<Vec<String>>,
}

/// What the one who leads tells the others.
#[derive(Clone, Debug, PartialEq)]
pub struct Note {
    /// An agent's name, or what else people know it by.
    pub who: String,
    pub pid: u32,
    /// The workspace root.
    pub root: PathBuf,
    pub lane: PathBuf,
    /// What tells the lane from another directory of that name, seen from elsewhere.
    pub identity: Option<String>,
    pub goal: Goal,
    pub stage: Stage,
    /// How many units were in the lane when the stage began.
    pub units: usize,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Stage {
    /// Something comes before the last command that builds.
    Before,
    /// cargo is started, for the last time that something is built.
    Last,
    /// All was built, without a failure.
    Done,
}

/// What one sees of the one who leads, by looking.
#[derive(Clone, Debug, Default)]
pub struct Look {
    /// How many units its lane has, complete or not. cargo makes a place for each that it is going
    /// to build before it builds the first.
    pub units: usize,
    /// The packages of those that are not complete.
    pub incomplete: Vec<String>,
    /// Whether cargo was in the lane and has left it, so that what runs now is a program or tests.
    pub is_left: bool,
    pub is_suspended: bool,
    /// For how long no further unit has become complete.
    pub idle: Duration,
}

#[derive(Debug, PartialEq)]
pub enum Verdict {
    Wait,
    /// It has everything that we can use.
    Ready,
    /// Somebody else has to go on; why, in words that follow a name.
    GoOn(&'static str),
}

/// The packages whose units are worth waiting for; `None` for all of them.
pub type Needed = Option<BTreeSet<String>>;

pub fn verdict(note: &Note, needed: &Needed, look: &Look, patience: Duration) -> Verdict {
    let is_needed =
        |package: &String| needed.as_ref().is_none_or(|needed| needed.contains(package));
    let has_begun = look.units > note.units;
    let has_all = has_begun && !look.incomplete.iter().any(is_needed);
    if note.stage == Stage::Last && (has_all || look.is_left) {
        return Verdict::Ready;
    }
    if look.is_suspended {
        return Verdict::GoOn("is suspended");
    }
    if look.idle >= patience {
        return Verdict::GoOn("does not get on");
    }
    Verdict::Wait
}

/// What we can use of what the one who leads is building. `lockfile` is the text of `Cargo.lock`,
/// the same for both.
///
/// Units of registries are the same wherever they were built. Those of members are of use only if
/// they were made from our sources; where these differ, some members' units may be of use
/// nevertheless, but which is not known before they are there.
pub fn needed(lockfile: &str, goal: &Goal, has_our_sources: bool) -> Needed {
    let Some(packages) = Packages::read(lockfile) else {
        return if has_our_sources { None } else { Some(BTreeSet::new()) };
    };
    let makes = goal.makes();
    let roots =
        packages.members.iter().filter(|member| makes.iter().any(|make| make.may_want(member)));
    let mut needed = BTreeSet::new();
    let mut open: Vec<&String> = roots.collect();
    while let Some(package) = open.pop() {
        if needed.insert(package.clone()) {
            open.extend(packages.dependencies.get(package).into_iter().flatten());
        }
    }
    if !has_our_sources {
        needed.retain(|package| !packages.members.contains(package));
    }
    Some(needed)
}

/// `Cargo.lock` by names alone: two versions of a package count as one, which asks for more rather
/// than less.
#[derive(Default)]
struct Packages {
    members: BTreeSet<String>,
    dependencies: BTreeMap<String, Vec<String>>,
}

impl Packages {
    fn read(lockfile: &str) -> Option<Packages> {
        let document: DocumentMut = lockfile.parse().ok()?;
        let mut packages = Packages::default();
        for package in document.get("package")?.as_array_of_tables()? {
            let name = package.get("name")?.as_str()?.to_owned();
            if !package.contains_key("source") {
                packages.members.insert(name.clone());
            }
            let dependencies = package.get("dependencies").and_then(|item| item.as_array());
            let names = dependencies.into_iter().flatten().filter_map(|dependency| {
                // `name`, `name version`, `name version (source)`.
                Some(dependency.as_str()?.split(' ').next()?.to_owned())
            });
            packages.dependencies.entry(name).or_default().extend(names);
        }
        Some(packages)
    }
}

/// The variables that make other units, or take another time for them, as far as the lane key does
/// not know them.
pub fn settings<'a>(variables: impl Iterator<Item = (&'a OsStr, &'a OsStr)>) -> Vec<String> {
    const NAMES: [&str; 5] = [
        "RUSTFLAGS",
        "CARGO_ENCODED_RUSTFLAGS",
        "RUSTDOCFLAGS",
        "RUSTC_WORKSPACE_WRAPPER",
        "CARGO_INCREMENTAL",
    ];
    const PREFIXES: [&str; 4] =
        ["CARGO_BUILD_", "CARGO_PROFILE_", "CARGO_TARGET_", "CARGO_UNSTABLE_"];
    // Where it is built.
    const NOT: [&str; 3] = ["CARGO_TARGET_DIR", "CARGO_BUILD_TARGET_DIR", "CARGO_BUILD_BUILD_DIR"];
    let matters = |name: &str| {
        let is_one =
            NAMES.contains(&name) || PREFIXES.iter().any(|prefix| name.starts_with(prefix));
        is_one && !NOT.contains(&name)
    };
    let mut settings: Vec<String> = variables
        .filter(|(name, value)| !value.is_empty() && name.to_str().is_some_and(matters))
        .map(|(name, value)| format!("{}={}", name.display(), value.display()))
        .collect();
    settings.sort();
    settings
}

/// Whether a command line builds something that others may want, too.
pub fn builds(line: &[String]) -> bool {
    Make::read(line, "").is_some()
}

/// What of the command lines is part of the lane key.
pub fn selection(lines: &[Vec<String>]) -> Selection {
    let line = lines.first().cloned().unwrap_or_default();
    CargoLine::parse(line.into_iter().map(OsString::from).collect()).selection()
}

impl Goal {
    /// Whether who has reached this has all that `other` wants.
    pub fn covers(&self, other: &Goal) -> bool {
        let (theirs, ours) = (self.makes(), other.makes());
        self.key == other.key
            && self.settings == other.settings
            && ours.iter().all(|our| theirs.iter().any(|their| their.covers(our)))
    }

    /// The same for the same goal, however it is spelled.
    pub fn name(&self) -> String {
        let text = format!("{:?} {:?}", self.settings, self.makes());
        format!("{}-{}", self.key, hex(&Sha256::digest(text)[..6]))
    }

    fn makes(&self) -> Vec<Make> {
        self.lines.iter().filter_map(|line| Make::read(line, &self.inside)).collect()
    }
}

/// What one command line makes.
#[derive(Debug, PartialEq)]
struct Make {
    command: &'static str,
    profile: String,
    packages: Selected,
    /// `--lib`, `--test x`: empty for cargo's own choice.
    targets: BTreeSet<String>,
    /// What else may make a difference, as it was written.
    others: BTreeSet<String>,
}

/// Which packages.
#[derive(Debug, PartialEq)]
enum Selected {
    Workspace {
        excluded: BTreeSet<String>,
    },
    Named(BTreeSet<String>),
    /// cargo's own choice in this directory.
    Of(String),
}

impl Make {
    /// `None` for what builds nothing, or nothing that others want: doctests, fixes.
    fn read(line: &[String], inside: &str) -> Option<Make> {
        let line = CargoLine::parse(line.iter().map(OsString::from).collect());
        let command = match line.command.as_str() {
            "build" | "b" | "run" | "r" => "build",
            "check" | "c" => "check",
            "clippy" => "clippy",
            "test" | "t" | "nextest" => "test",
            "bench" => "bench",
            "doc" | "d" => "doc",
            "rustc" => "rustc",
            _ => return None,
        };
        let is_run = matches!(line.command.as_str(), "run" | "r");
        let is_nextest = line.command == "nextest";
        let mut make = Make {
            command,
            profile: if matches!(command, "test" | "bench") { command } else { "dev" }.to_owned(),
            packages: Selected::Of(inside.to_owned()),
            targets: BTreeSet::new(),
            others: BTreeSet::new(),
        };
        let (mut named, mut excluded, mut is_workspace) = (BTreeSet::new(), BTreeSet::new(), false);

        let words: Vec<String> = line
            .before
            .iter()
            .chain(&line.words)
            .map(|word| word.to_string_lossy().into_owned())
            .collect();
        let mut words = words.into_iter();
        while let Some(word) = words.next() {
            let (name, attached) = split(&word);
            let mut value =
                || attached.map(str::to_owned).or_else(|| words.next()).unwrap_or_default();
            match name {
                "--doc" | "--fix" => return None,
                "-p" | "--package" => drop(named.insert(value())),
                "--exclude" => drop(excluded.insert(value())),
                "--workspace" | "--all" => is_workspace = true,
                "-r" | "--release" => make.profile = "release".to_owned(),
                "--profile" if is_nextest => drop(value()),
                "--profile" | "--cargo-profile" => make.profile = value(),
                "--lib" | "--bins" | "--examples" | "--tests" | "--benches" | "--all-targets" => {
                    make.targets.insert(name.to_owned());
                }
                "--bin" | "--example" | "--test" | "--bench" => {
                    make.targets.insert(format!("{name} {}", value()));
                }
                // It would take longer than ours.
                "--jobs" | "-j" | "--build-jobs" => {
                    drop(make.others.insert(format!("--jobs {}", value())))
                }
                "--config" => {
                    let value = value();
                    // The lane.
                    if !["build.target-dir=", "build.build-dir="]
                        .iter()
                        .any(|dir| value.starts_with(dir))
                    {
                        make.others.insert(format!("--config {value}"));
                    }
                }
                _ if MEANINGLESS.contains(&name) => {}
                _ if MEANINGLESS_WITH_VALUE.contains(&name) => drop(value()),
                // Names of tests; nextest's own command.
                _ if command == "test" && !name.starts_with('-') => {}
                _ => drop(make.others.insert(word)),
            }
        }
        // What is written there is for the program or the tests, and otherwise for the compiler.
        if !is_run && !matches!(command, "test" | "bench") {
            make.others
                .extend(line.rest.iter().map(|word| format!("-- {}", word.to_string_lossy())));
        }
        if is_run && make.targets.is_empty() {
            make.targets.insert(RUN.to_owned());
        }
        if is_workspace {
            make.packages = Selected::Workspace { excluded };
        } else if !named.is_empty() {
            make.packages = Selected::Named(named);
        }
        Some(make)
    }

    fn covers(&self, other: &Make) -> bool {
        self.command == other.command
            && self.profile == other.profile
            && self.others == other.others
            && self.packages.covers(&other.packages)
            && self.covers_targets(&other.targets)
    }

    fn covers_targets(&self, targets: &BTreeSet<String>) -> bool {
        let is_in_default = |target: &String| {
            let first = target.split(' ').next().unwrap_or_default();
            let is_test = self.command == "test" && matches!(first, "--tests" | "--test");
            is_test || matches!(first, "--lib" | "--bins" | "--bin" | RUN)
        };
        self.targets == *targets
            || self.targets.contains("--all-targets")
            || (!targets.is_empty() && targets.is_subset(&self.targets))
            || (self.targets.is_empty()
                && self.command != "doc"
                && targets.iter().all(is_in_default))
    }

    fn may_want(&self, member: &str) -> bool {
        match &self.packages {
            Selected::Named(specs) => specs.iter().any(|spec| spec_matches(spec, member)),
            Selected::Workspace { .. } | Selected::Of(_) => true,
        }
    }
}

impl Selected {
    fn covers(&self, other: &Selected) -> bool {
        match (self, other) {
            (Selected::Workspace { excluded }, Selected::Workspace { excluded: others }) => {
                excluded.is_subset(others)
            }
            (Selected::Workspace { excluded }, _) => excluded.is_empty(),
            (Selected::Named(names), Selected::Named(others)) => others.is_subset(names),
            (Selected::Of(dir), Selected::Of(others)) => dir == others,
            _ => false,
        }
    }
}

/// The one program that `cargo run` takes without being told which.
const RUN: &str = "run";

/// Options that change no unit, or that are in the lane key.
const MEANINGLESS: [&str; 19] = [
    "--quiet",
    "-q",
    "--verbose",
    "-v",
    "-vv",
    "--locked",
    "--offline",
    "--frozen",
    "--keep-going",
    "--timings",
    "--ignore-rust-version",
    "--no-fail-fast",
    "--no-run",
    "--no-capture",
    "--nocapture",
    "--future-incompat-report",
    "--all-features",
    "--no-default-features",
    "--no-pager",
];

const MEANINGLESS_WITH_VALUE: [&str; 9] = [
    "--message-format",
    "--cargo-message-format",
    "--color",
    "--target-dir",
    "--manifest-path",
    "--no-tests",
    "--features",
    "-F",
    "--target",
];

/// `--name=value`, `-pvalue`.
fn split(word: &str) -> (&str, Option<&str>) {
    if let Some((name, value)) = word.split_once('=').filter(|_| word.starts_with("--")) {
        return (name, Some(value));
    }
    match ["-p", "-j", "-F"].iter().find(|short| word.starts_with(**short) && word.len() > 2) {
        Some(short) => (*short, Some(word[2..].trim_start_matches('='))),
        None => (word, None),
    }
}

impl Note {
    pub fn text(&self) -> String {
        let stage = match self.stage {
            Stage::Before => "before",
            Stage::Last => "last",
            Stage::Done => "done",
        };
        json!({
            "who": self.who,
            "pid": self.pid,
            "root": self.root.to_string_lossy(),
            "lane": self.lane.to_string_lossy(),
            "identity": self.identity,
            "stage": stage,
            "units": self.units,
            "key": self.goal.key,
            "inside": self.goal.inside,
            "settings": self.goal.settings,
            "lines": self.goal.lines,
        })
        .to_string()
    }

    /// `None` for what is not (yet) a whole note.
    pub fn parse(text: &str) -> Option<Note> {
        let value: Value = serde_json::from_str(text).ok()?;
        let text = |name: &str| Some(value[name].as_str()?.to_owned());
        let goal = Goal {
            key: text("key")?,
            inside: text("inside")?,
            settings: strings(&value["settings"])?,
            lines: value["lines"].as_array()?.iter().map(strings).collect::<Option<_>>()?,
        };
        let stage = match value["stage"].as_str()? {
            "before" => Stage::Before,
            "last" => Stage::Last,
            "done" => Stage::Done,
            _ => return None,
        };
        Some(Note {
            who: text("who")?,
            pid: u32::try_from(value["pid"].as_u64()?).ok()?,
            root: text("root")?.into(),
            lane: text("lane")?.into(),
            identity: text("identity"),
            goal,
            stage,
            units: usize::try_from(value["units"].as_u64()?).ok()?,
        })
    }
}

fn strings(value: &Value) -> Option<Vec<String>> {
    value.as_array()?.iter().map(|word| Some(word.as_str()?.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Command lines, divided by `;`.
    fn goal(lines: &str) -> Goal {
        let words = |line: &str| line.split_whitespace().map(str::to_owned).collect();
        Goal {
            key: "key".to_owned(),
            inside: String::new(),
            settings: Vec::new(),
            lines: lines.split(';').map(words).collect(),
        }
    }

    #[track_caller]
    fn check(leads: &str, wants: &str, expected: bool) {
        assert_eq!(goal(leads).covers(&goal(wants)), expected, "{leads} / {wants}");
    }

    #[test]
    fn one_command_covers_itself_in_any_spelling() {
        for (one, other) in [
            ("build", "b"),
            ("build --package a -pb -j4", "build -p b --package=a --locked --jobs 4 --quiet"),
            ("check --release", "c --profile release --message-format json"),
            ("nextest run --no-tests=pass one two", "test three -- --exact"),
            ("--config build.target-dir=\"x\" build", "build --target-dir y"),
        ] {
            check(one, other, true);
            check(other, one, true);
            assert_eq!(goal(one).name(), goal(other).name(), "{one} / {other}");
        }
    }

    #[test]
    fn more_packages_cover_fewer() {
        for (more, fewer) in [
            ("build --workspace", "build"),
            ("build --workspace", "build -p a"),
            ("build -p a -p b", "build -p b"),
            ("build --workspace --exclude a", "build --workspace --exclude a --exclude b"),
        ] {
            check(more, fewer, true);
            check(fewer, more, false);
        }
        check("build -p a", "build -p b", false);
        check("build --workspace --exclude a", "build -p a", false);
        check("build", "build -p a", false);
        let crate_a = Goal { inside: "crates/a".to_owned(), ..goal("build") };
        assert!(!crate_a.covers(&goal("build")) && !goal("build").covers(&crate_a));
        assert!(goal("build --workspace").covers(&crate_a));
    }

    #[test]
    fn more_targets_cover_fewer() {
        for (more, fewer) in [
            ("build", "run"),
            ("build", "build --bin x"),
            ("build", "build --lib"),
            ("build --all-targets", "build"),
            ("build --all-targets", "build --example x"),
            ("test", "test --test it"),
            ("test --test it --lib", "test --lib"),
            ("build -p a", "run -p a --bin a"),
        ] {
            check(more, fewer, true);
            check(fewer, more, false);
        }
        check("build", "build --example x", false);
        check("build", "build --test it", false);
        check("run --bin a", "run", false);
        check("run -- one", "run -- two", true);
    }

    #[test]
    fn another_command_is_another_thing() {
        let commands = [
            "build",
            "check",
            "clippy",
            "test",
            "bench",
            "doc",
            "build --release",
            "rustc -p a -- --cfg x",
        ];
        for one in commands {
            for other in commands {
                check(one, other, one == other);
                assert_eq!(goal(one).name() == goal(other).name(), one == other);
            }
        }
        check("clippy", "clippy -- -D warnings", false);
        check("build --config a.b=1", "build", false);
        check("build -Zx", "build", false);
        check("build --jobs 1", "build", false);
        let other_key = Goal { key: "other".to_owned(), ..goal("build") };
        let other_settings = Goal { settings: vec!["RUSTFLAGS=-g".to_owned()], ..goal("build") };
        for other in [other_key, other_settings] {
            assert!(!other.covers(&goal("build")) && !goal("build").covers(&other));
        }
    }

    #[test]
    fn several_steps_are_covered_by_several() {
        check("clippy; test", "test", true);
        check("test", "clippy; test", false);
        for line in ["fmt --all", "test --doc", "clippy --fix", "tree", "metadata", "my-alias"] {
            assert!(!builds(&goal(line).lines[0]), "{line}");
        }
    }

    #[test]
    fn only_variables_that_make_other_units_are_settings() {
        let variables = [
            ("CARGO_TARGET_DIR", "/x"),
            ("PATH", "/bin"),
            ("RUSTFLAGS", "-g"),
            ("CARGO_INCREMENTAL", ""),
            ("CARGO_PROFILE_DEV_DEBUG", "0"),
        ];
        let settings =
            settings(variables.iter().map(|(name, value)| (name.as_ref(), value.as_ref())));
        assert_eq!(settings, ["CARGO_PROFILE_DEV_DEBUG=0", "RUSTFLAGS=-g"]);
    }

    const LOCKFILE: &str = r#"
        version = 4
        [[package]]
        name = "app"
        version = "0.0.0"
        dependencies = ["core", "serde 1.0.0"]
        [[package]]
        name = "core"
        version = "0.0.0"
        dependencies = ["libc 0.2.0 (registry+x)"]
        [[package]]
        name = "libc"
        version = "0.2.0"
        source = "registry+x"
        [[package]]
        name = "serde"
        version = "1.0.0"
        source = "registry+x"
        "#;

    #[track_caller]
    fn check_needed(lines: &str, has_our_sources: bool, expected: &[&str]) {
        let needed = needed(LOCKFILE, &goal(lines), has_our_sources).expect("it can be read");
        assert_eq!(needed.iter().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn what_is_needed_is_what_we_depend_on() {
        check_needed("build", true, &["app", "core", "libc", "serde"]);
        check_needed("build -p core", true, &["core", "libc"]);
        check_needed("build -p core", false, &["libc"]);
        check_needed("build", false, &["libc", "serde"]);
        assert_eq!(needed("no lockfile", &goal("build"), true), None);
        assert_eq!(needed("no lockfile", &goal("build"), false), Some(BTreeSet::new()));
    }

    fn note(stage: Stage) -> Note {
        Note {
            who: "a".to_owned(),
            pid: 1,
            root: "/w".into(),
            lane: "/w/target".into(),
            identity: Some("1:2".to_owned()),
            goal: goal("build -p x; test"),
            stage,
            units: 10,
        }
    }

    const PATIENCE: Duration = Duration::from_secs(60);

    #[test]
    fn one_waits_while_something_is_missing() {
        let needed = Some(BTreeSet::from(["libc".to_owned()]));
        let look = |units, incomplete: &[&str]| Look {
            units,
            incomplete: incomplete.iter().map(|name| (*name).to_owned()).collect(),
            ..Look::default()
        };
        let verdict = |stage, look: &Look| verdict(&note(stage), &needed, look, PATIENCE);
        assert_eq!(verdict(Stage::Last, &look(20, &["libc", "core"])), Verdict::Wait);
        assert_eq!(verdict(Stage::Last, &look(20, &["core"])), Verdict::Ready);
        assert_eq!(verdict(Stage::Last, &look(10, &[])), Verdict::Wait, "cargo has not begun");
        assert_eq!(verdict(Stage::Before, &look(20, &[])), Verdict::Wait, "another step comes");
        let left = Look { is_left: true, ..look(10, &["libc"]) };
        assert_eq!(verdict(Stage::Last, &left), Verdict::Ready);
        assert_eq!(verdict(Stage::Before, &left), Verdict::Wait);
    }

    #[test]
    fn one_does_not_wait_for_who_does_not_get_on() {
        let verdict = |look: &Look| verdict(&note(Stage::Last), &None, look, PATIENCE);
        let look = Look { units: 20, incomplete: vec!["libc".to_owned()], ..Look::default() };
        let idle = |seconds| Look { idle: Duration::from_secs(seconds), ..look.clone() };
        assert_eq!(verdict(&idle(59)), Verdict::Wait);
        assert_eq!(verdict(&idle(60)), Verdict::GoOn("does not get on"));
        assert_eq!(
            verdict(&Look { is_suspended: true, ..look.clone() }),
            Verdict::GoOn("is suspended")
        );
        let complete = Look { incomplete: Vec::new(), is_suspended: true, ..idle(600) };
        assert_eq!(verdict(&complete), Verdict::Ready, "it runs a program");
    }

    #[test]
    fn a_note_is_read_as_it_was_written() {
        for stage in [Stage::Before, Stage::Last, Stage::Done] {
            let note = note(stage);
            assert_eq!(Note::parse(&note.text()), Some(note.clone()));
            assert_eq!(Note::parse(&note.text()[1..]), None);
        }
        assert_eq!(Note::parse(""), None);
    }
}

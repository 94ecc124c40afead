//! What a builder is about to make, as far as its command lines tell, and whether another builder
//! that makes something has all of it.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};

use crate::cargo_line::{CargoLine, takes_value};
use crate::lanes::short_hash;
use crate::project::packages::spec_matches;

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Goal {
    /// A hash of what makes other units with the same command lines: lane key, workspace,
    /// variables.
    pub(super) base: String,
    /// The directory that selects the package if none is named, relative to the workspace.
    pub(super) inside: String,
    /// The command lines that build, without `cargo`.
    pub(super) lines: Vec<Vec<String>>,
}

/// The packages whose units are worth waiting for; `None` for all of them.
pub(super) type Needed = Option<BTreeSet<String>>;

impl Goal {
    /// Whether a builder that has reached this goal has made everything for `other`.
    pub(super) fn covers(&self, other: &Goal) -> bool {
        let (ours, theirs) = (self.products(), other.products());
        self.base == other.base
            && ours.len() == theirs.len()
            && ours.iter().zip(&theirs).all(|(our, their)| our.covers(their))
    }

    /// The same for the same goal, however it is typed.
    pub(super) fn name(&self) -> String {
        let products = format!("{:?}", self.products());
        format!("{}-{}", self.base, short_hash([products.as_str()]))
    }

    fn products(&self) -> Vec<Product> {
        self.lines.iter().filter_map(|line| Product::read(line, &self.inside)).collect()
    }

    /// The packages of a leader with this goal that a follower can use. `lockfile` is the text of
    /// their `Cargo.lock`.
    ///
    /// Units of registries are the same in every worktree. Those of members are of use only if they
    /// were made from the same sources.
    pub(super) fn needed(&self, lockfile: &str, has_our_sources: bool) -> Needed {
        let Some((members, dependencies)) = read_lockfile(lockfile) else {
            return (!has_our_sources).then(BTreeSet::new);
        };
        let products = self.products();
        let is_root = |member: &&&str| products.iter().any(|product| product.may_have(member));
        let mut open: Vec<&str> = members.iter().filter(is_root).copied().collect();
        let mut needed = BTreeSet::new();
        while let Some(package) = open.pop() {
            if needed.insert(package) {
                open.extend(dependencies.get(package).into_iter().flatten());
            }
        }
        needed.retain(|package| has_our_sources || !members.contains(package));
        Some(needed.into_iter().map(str::to_owned).collect())
    }
}

/// The dependencies of each package by name alone. Versions of one name count as one package, which
/// needs more rather than less.
type Dependencies<'a> = BTreeMap<&'a str, Vec<&'a str>>;

/// The members, and the dependencies of all packages.
fn read_lockfile(text: &str) -> Option<(BTreeSet<&str>, Dependencies<'_>)> {
    let (mut members, mut dependencies) = (BTreeSet::new(), Dependencies::new());
    for package in text.split("[[package]]").skip(1) {
        let name = package.lines().find_map(|line| line.strip_prefix("name = "))?.trim_matches('"');
        if !package.contains("\nsource = ") {
            members.insert(name);
        }
        // `"name",`, `"name version",`, `"name version (source)",`
        let names = package.lines().filter_map(|line| line.trim_start().strip_prefix('"'));
        let names = names.filter_map(|line| line.split([' ', '"']).next());
        dependencies.entry(name).or_default().extend(names);
    }
    (!dependencies.is_empty()).then_some((members, dependencies))
}

/// Whether a command line makes something that another builder may wait for.
pub(super) fn is_shared(line: &[String]) -> bool {
    Product::read(line, "").is_some()
}

/// The variables that change units, as far as they are not in the lane key.
pub(super) fn variables<'a>(all: impl Iterator<Item = (&'a OsStr, &'a OsStr)>) -> Vec<String> {
    const STARTS: &str = "CARGO_BUILD_ CARGO_ENCODED_RUSTFLAGS CARGO_INCREMENTAL CARGO_PROFILE_ \
        CARGO_TARGET_ CARGO_UNSTABLE_ RUSTC_WORKSPACE_WRAPPER RUSTDOCFLAGS RUSTFLAGS";
    // `CARGO_TARGET_DIR` and its like are places.
    let is_one = |name: &str| {
        STARTS.split(' ').any(|start| name.starts_with(start)) && !name.ends_with("_DIR")
    };
    let ours = all.filter(|(name, value)| !value.is_empty() && name.to_str().is_some_and(is_one));
    ours.map(|(name, value)| format!("{}={}", name.to_string_lossy(), value.to_string_lossy()))
        .collect()
}

/// What one command line makes.
#[derive(Debug, PartialEq)]
struct Product {
    /// cargo's command, the profile, and each option that may change a unit.
    kind: BTreeSet<String>,
    /// Those that are named, or the directory in which cargo chooses; `None` for all.
    packages: Option<BTreeSet<String>>,
    /// `--lib`, `--test x`; empty for cargo's own choice.
    targets: BTreeSet<String>,
}

/// Stands for cargo's own choice of packages in a directory. No package has such a name.
const IN: &str = "in ";

/// Options that change no unit, or that are in the lane key.
const IGNORED: &str = "--all-features --cargo-message-format --color --features --frozen \
    --keep-going --locked --manifest-path --message-format --no-capture --no-default-features \
    --no-fail-fast --no-run --no-tests --offline --quiet --target --target-dir --verbose -q -v -vv";

const OTHER_NAMES: [(&str, &str); 6] = [
    ("-p", "--package"),
    ("-F", "--features"),
    ("-j", "--jobs"),
    ("-r", "--release"),
    ("--all", "--workspace"),
    ("--build-jobs", "--jobs"),
];

impl Product {
    /// `None` for what builds nothing, or nothing that others can use: doctests, fixes.
    fn read(line: &[String], inside: &str) -> Option<Product> {
        let line = CargoLine::parse(line.iter().map(OsString::from).collect());
        let command = line.known()?.product?;
        let is_run = matches!(line.command.as_str(), "run" | "r");
        let is_test = matches!(command, "test" | "bench");
        let mut profile = if is_test { command } else { "dev" }.to_owned();
        let mut kind = BTreeSet::from([command.to_owned()]);
        let (mut named, mut targets) = (BTreeSet::new(), BTreeSet::new());
        let mut is_workspace = false;
        let mut words = line.before.iter().chain(&line.words).map(|word| word.to_string_lossy());
        while let Some(word) = words.next() {
            let (name, attached) = split(&word);
            let next = if attached.is_none() && takes_value(name) { words.next() } else { None };
            let value = attached.or(next.as_deref()).unwrap_or_default();
            let name =
                OTHER_NAMES.iter().find(|(other, _)| *other == name).map_or(name, |(_, long)| long);
            match name {
                "--doc" | "--fix" => return None,
                "--workspace" => is_workspace = true,
                "--package" => _ = named.insert(value.to_owned()),
                "--release" => name[2..].clone_into(&mut profile),
                "--profile" if line.command == "nextest" => {}
                "--profile" | "--cargo-profile" => value.clone_into(&mut profile),
                "--lib" | "--bins" | "--examples" | "--tests" | "--benches" | "--all-targets"
                | "--bin" | "--example" | "--test" | "--bench" => {
                    targets.insert(format!("{name} {value}"));
                }
                // The lane.
                "--config" if value.starts_with("build.target-dir=") => {}
                "--config" if value.starts_with("build.build-dir=") => {}
                _ if IGNORED.split(' ').any(|ignored| ignored == name) => {}
                // The names of tests, and nextest's own command.
                _ if is_test && !name.starts_with('-') => {}
                _ => _ = kind.insert(format!("{name} {value}")),
            }
        }
        kind.insert(profile);
        // Behind `--` are arguments for the program or the tests, and otherwise for the compiler.
        if !is_run && !is_test {
            kind.extend(line.rest.iter().map(|word| format!("-- {}", word.to_string_lossy())));
        }
        if is_run && targets.is_empty() {
            targets.insert("--bin".to_owned());
        }
        if named.is_empty() {
            named.insert(format!("{IN}{inside}"));
        }
        let packages = (!is_workspace).then_some(named);
        Some(Product { kind, packages, targets })
    }

    fn covers(&self, other: &Product) -> bool {
        let is_named = |ours| other.packages.as_ref().is_some_and(|theirs| theirs.is_subset(ours));
        let has_packages = self.packages.as_ref().is_none_or(is_named);
        let is_default =
            |target: &String| target.starts_with("--lib") || target.starts_with("--bin");
        let has_targets = self.targets == other.targets
            || self.targets.contains("--all-targets ")
            || (self.targets.is_empty() && other.targets.iter().all(is_default));
        self.kind == other.kind && has_packages && has_targets
    }

    fn may_have(&self, member: &str) -> bool {
        let may_be = |spec: &String| spec.starts_with(IN) || spec_matches(spec, member);
        self.packages.as_ref().is_none_or(|named| named.iter().any(may_be))
    }
}

/// `--name=value`, `-pvalue`.
fn split(word: &str) -> (&str, Option<&str>) {
    if let Some((name, value)) = word.split_once('=').filter(|_| word.starts_with("--")) {
        return (name, Some(value));
    }
    match ["-p", "-j", "-F"].iter().find(|short| word.starts_with(**short) && word.len() > 2) {
        Some(short) => (short, Some(word[2..].trim_start_matches('='))),
        None => (word, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::mutate::mutations;

    fn goal(line: &str) -> Goal {
        let line = line.split_whitespace().map(str::to_owned).collect();
        Goal { base: "base".to_owned(), inside: String::new(), lines: vec![line] }
    }

    #[track_caller]
    fn check(leader: &str, follower: &str, expected: bool) {
        assert_eq!(goal(leader).covers(&goal(follower)), expected, "{leader} / {follower}");
    }

    #[test]
    fn a_command_covers_itself_in_any_spelling() {
        for (one, other) in [
            ("build", "b"),
            ("build --package a -pb -j4", "build -p b --package=a --locked --jobs 4 --quiet"),
            ("check --release", "c --profile release --message-format json"),
            ("nextest run --no-tests=pass one two", "test three -- --exact"),
            ("--config build.target-dir=\"x\" build", "build --target-dir y"),
            ("run -- one", "run -- two"),
        ] {
            check(one, other, true);
            check(other, one, true);
            assert_eq!(goal(one).name(), goal(other).name(), "{one} / {other}");
        }
    }

    #[test]
    fn a_larger_selection_covers_a_smaller_one() {
        for (more, fewer) in [
            ("build --workspace", "build"),
            ("build --workspace", "build -p a"),
            ("build -p a -p b", "build -p b"),
            ("build", "run"),
            ("build", "build --lib"),
            ("build --all-targets", "build --example x"),
            ("build -p a", "run -p a --bin a"),
        ] {
            check(more, fewer, true);
            check(fewer, more, false);
        }
        let in_crate = Goal { inside: "crates/a".to_owned(), ..goal("build") };
        assert!(!in_crate.covers(&goal("build")) && !goal("build").covers(&in_crate));
        assert!(goal("build --workspace").covers(&in_crate));
    }

    #[test]
    fn in_doubt_nothing_is_covered() {
        for (leader, follower) in [
            ("build -p a", "build -p b"),
            ("build", "build -p a"),
            ("build --workspace --exclude a", "build -p a"),
            ("build", "build --example x"),
            ("clippy", "clippy -- -D warnings"),
            ("build -Zx", "build"),
            ("build --config a.b=1", "build"),
            ("build --jobs 1", "build"),
            ("build --option-of-next-year", "build"),
        ] {
            check(leader, follower, false);
        }
        let products = ["build", "check", "clippy", "test", "bench", "doc", "build --release"];
        for one in products {
            for other in products {
                check(one, other, one == other);
            }
        }
        assert!(!Goal { base: "other".to_owned(), ..goal("build") }.covers(&goal("build")));
        for line in ["fmt --all", "test --doc", "clippy --fix", "tree", "my-alias"] {
            assert!(!is_shared(&goal(line).lines[0]), "{line}");
        }
    }

    #[test]
    fn what_is_needed_is_what_we_depend_on() {
        const LOCKFILE: &str = "version = 4\n\n\
            [[package]]\nname = \"app\"\ndependencies = [\n \"core\",\n \"serde 1.0.0\",\n]\n\n\
            [[package]]\nname = \"core\"\ndependencies = [\n \"libc 0.2.0 (registry+x)\",\n]\n\n\
            [[package]]\nname = \"libc\"\nversion = \"0.2.0\"\nsource = \"registry+x\"\n\n\
            [[package]]\nname = \"serde\"\nversion = \"1.0.0\"\nsource = \"registry+x\"\n";
        for (line, has_our_sources, expected) in [
            ("build", true, "app core libc serde"),
            ("build -p core", true, "core libc"),
            ("build", false, "libc serde"),
        ] {
            let needed = goal(line).needed(LOCKFILE, has_our_sources).expect("it can be read");
            assert_eq!(needed.into_iter().collect::<Vec<_>>().join(" "), expected);
        }
        assert_eq!(goal("build").needed("no lockfile", true), None);
        assert_eq!(goal("build").needed("no lockfile", false), Some(BTreeSet::new()));
    }

    #[test]
    fn any_bytes_are_borne() {
        let lockfile = "[[package]]\nname = \"a\"\ndependencies = [\n \"b\",\n \"c 1.0.0\",\n]\n\n\
                        [[package]]\nname = \"b\"\nsource = \"registry\"\n";
        mutations(lockfile.as_bytes(), |text| {
            let text = String::from_utf8_lossy(text);
            _ = goal("build -p a").needed(&text, false);
            _ = split(&text);
        });
    }
}

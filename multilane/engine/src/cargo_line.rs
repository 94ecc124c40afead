//! cargo's command lines: the one place that knows cargo's words.
//!
//! cargo's options are not declared again. A line is taken apart as far as the lane needs it, and
//! put together as it was: what is not known here stays in its place, so an option that cargo gets
//! next year works.

use std::ffi::{OsStr, OsString};

use crate::process::step::value_of;

/// A command line for cargo, without the word `cargo`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CargoLine {
    /// `nightly` of `+nightly`.
    pub toolchain: Option<String>,
    /// Options in front of the command, such as `--offline`.
    pub before: Vec<OsString>,
    /// Empty where there is none, as in `cargo --version`.
    pub command: String,
    /// Up to `--`.
    pub words: Vec<OsString>,
    /// After `--`.
    pub rest: Vec<OsString>,
}

/// What of a command line decides on the lane.
#[derive(Debug, Default)]
pub struct Selection {
    pub features: Vec<String>,
    pub all_features: bool,
    pub no_default_features: bool,
    pub targets: Vec<String>,
    pub profile: Option<String>,
}

/// What is known of one of cargo's commands.
#[derive(Clone, Copy, Debug)]
pub struct Command {
    /// Those to which this applies, with spaces between.
    names: &'static str,
    /// It compiles something, so that a warm lane is worth having.
    pub builds: bool,
    /// It takes `--target-dir`. (`install` does too, but it builds other packages.)
    pub takes_target_dir: bool,
    /// It writes nothing of its own to stdout, so that stdout can carry cargo's messages about
    /// units.
    pub reports_units: bool,
    /// What another builder may wait for, by the name of the command that makes it.
    pub product: Option<&'static str>,
    /// A lane has nothing to do with it: it builds other packages, or nothing.
    pub is_elsewhere: bool,
}

const NOTHING: Command = Command {
    names: "",
    builds: false,
    takes_target_dir: false,
    reports_units: false,
    product: None,
    is_elsewhere: false,
};

const fn builds(names: &'static str, product: Option<&'static str>) -> Command {
    Command { names, builds: true, takes_target_dir: true, product, ..NOTHING }
}

const fn reports(names: &'static str, product: &'static str) -> Command {
    Command { reports_units: true, ..builds(names, Some(product)) }
}

/// The commands of cargo 1.95 (`cargo --list`), and of the programs that come with it or that a
/// build needs, with cargo's own short names.
const COMMANDS: &[Command] = &[
    reports("build b", "build"),
    reports("check c", "check"),
    reports("clippy", "clippy"),
    builds("run r", Some("build")),
    builds("test t", Some("test")),
    builds("bench", Some("bench")),
    builds("doc d", Some("doc")),
    builds("rustc", Some("rustc")),
    builds("rustdoc fix miri", None),
    // nextest's own commands take the directory, not nextest.
    Command { takes_target_dir: false, ..builds("nextest", Some("test")) },
    Command { names: "clean package publish", takes_target_dir: true, ..NOTHING },
    Command {
        names: "add config fetch fmt generate-lockfile locate-project metadata pkgid read-manifest \
                remove rm tree update vendor",
        ..NOTHING
    },
    Command {
        // xtask builds itself, beside all lanes.
        names: "help info init install login logout multilane new owner report search uninstall \
                version xtask yank",
        is_elsewhere: true,
        ..NOTHING
    },
];

/// Options whose value may be a word of its own (`cargo <command> --help` of 1.95, nextest 0.9).
/// Needed only to tell the values from names of tests, and a goal from another; the lane needs none
/// of it.
const WITH_VALUE: &str = "--artifact-dir --base --bench --bin --build-jobs --cargo-message-format \
    --cargo-profile --color --config --config-file --example --exclude --explain --features \
    --filterset --jobs --lockfile-path --manifest-path --message-format --no-tests --package \
    --partition --profile --retries --run-ignored --target --target-dir --test --test-threads -C \
    -E -F -Z -j -p";

/// Those in front of a command.
const WITH_VALUE_BEFORE: [&str; 5] = ["--config", "-Z", "--color", "-C", "--explain"];

/// What cargo itself does with a command of this name; `None` for an alias or another program.
pub fn known(name: &str) -> Option<Command> {
    let is_it = |command: &&Command| command.names.split_whitespace().any(|one| one == name);
    COMMANDS.iter().find(is_it).copied()
}

/// Whether cargo is asked for the layout that it has from 1.100 on: `-Zbuild-dir-new-layout`.
pub fn asks_for_new_layout(words: &[String]) -> bool {
    let is_no = |word: &String| ["=no", "=false"].iter().any(|no| word.ends_with(no));
    words.iter().any(|word| {
        // With the latter it has it as well, but not where the configuration asks for that.
        (word.contains("build-dir-new-layout") && !is_no(word))
            || word.ends_with("fine-grain-locking")
    })
}

impl CargoLine {
    /// From what is typed behind `cargo`.
    pub fn parse(line: Vec<OsString>) -> CargoLine {
        let mut line = line.into_iter().peekable();
        let toolchain = line.next_if(|arg| arg.to_string_lossy().starts_with('+'));
        let toolchain = toolchain.map(|arg| arg.to_string_lossy()[1..].to_owned());

        let mut before = Vec::new();
        while let Some(arg) = line.next_if(|arg| arg.to_string_lossy().starts_with('-')) {
            let has_value = WITH_VALUE_BEFORE.iter().any(|name| arg == *name);
            before.push(arg);
            if has_value {
                before.extend(line.next());
            }
        }
        let command = line.next().map(|arg| arg.to_string_lossy().into_owned()).unwrap_or_default();
        CargoLine { toolchain, before, ..CargoLine::new(&command, line.collect()) }
    }

    /// `command`, and what is typed behind it.
    pub fn new(command: &str, words: Vec<OsString>) -> CargoLine {
        let mut words = words.into_iter().peekable();
        let own = std::iter::from_fn(|| words.next_if(|arg| arg != "--")).collect();
        let rest = words.skip(1).collect();
        CargoLine { command: command.to_owned(), words: own, rest, ..CargoLine::default() }
    }

    pub fn known(&self) -> Option<Command> {
        known(&self.command)
    }

    /// Adds words in front of those that were typed.
    pub fn with(mut self, words: impl IntoIterator<Item = impl Into<OsString>>) -> CargoLine {
        self.words.splice(0..0, words.into_iter().map(Into::into));
        self
    }

    /// Adds a word behind those that were typed.
    pub fn and(mut self, word: &str) -> CargoLine {
        self.words.push(word.into());
        self
    }

    /// Whether one of these words stands in front of `--`.
    pub fn has(&self, names: &[&str]) -> bool {
        self.before.iter().chain(&self.words).any(|word| names.iter().any(|name| word == name))
    }

    /// The value of an option, the first one.
    pub fn value(&self, name: &str) -> Option<&OsStr> {
        value_of(&self.words, name).or_else(|| value_of(&self.before, name))
    }

    /// All values of a long option and its short name: `--package a`, `--package=a`, `-p a`, `-pa`.
    pub fn values(&self, long: &str, short: Option<&str>) -> Vec<String> {
        let mut found = Vec::new();
        let mut words = self.words.iter().map(|word| word.to_string_lossy());
        while let Some(word) = words.next() {
            let attached = match short {
                _ if word == long || Some(&*word) == short => {
                    words.next().map(|value| value.into_owned())
                }
                Some(short) if !word.starts_with("--") => {
                    word.strip_prefix(short).map(str::to_owned)
                }
                _ => word
                    .strip_prefix(long)
                    .and_then(|rest| rest.strip_prefix('='))
                    .map(str::to_owned),
            };
            found.extend(attached.map(|value| value.trim_start_matches('=').to_owned()));
        }
        found
    }

    pub fn selection(&self) -> Selection {
        Selection {
            features: self.values("--features", Some("-F")),
            all_features: self.has(&["--all-features"]),
            no_default_features: self.has(&["--no-default-features"]),
            targets: self.values("--target", None),
            profile: self.values("--profile", None).pop(),
        }
    }

    /// The packages that are named.
    pub fn packages(&self) -> Vec<String> {
        self.values("--package", Some("-p"))
    }

    pub fn selects_workspace(&self) -> bool {
        self.has(&["--workspace", "--all"])
    }

    /// Whether targets are named (`--lib`, `--test x`), and so doctests are not among them.
    pub fn selects_targets(&self) -> bool {
        const FLAGS: [&str; 6] =
            ["--lib", "--bins", "--examples", "--tests", "--benches", "--all-targets"];
        self.has(&FLAGS)
            || ["--bin", "--example", "--test", "--bench"]
                .iter()
                .any(|name| self.value(name).is_some())
    }

    /// Whether the command line itself chooses a profile.
    pub fn chooses_profile(&self) -> bool {
        self.has(&["--release", "-r"]) || self.value("--profile").is_some()
    }

    pub fn is_quiet(&self) -> bool {
        self.has(&["-q", "--quiet"])
    }

    pub fn is_verbose(&self) -> bool {
        self.has(&["-v", "-vv", "--verbose"])
    }

    /// Whether it only asks cargo for words: help, a version.
    pub fn is_question(&self) -> bool {
        self.command.is_empty() || self.has(&["-h", "--help", "-V", "--version"])
    }

    /// Whether a lane has anything to do with it, and nothing in it says where to build.
    pub fn concerns_lane(&self) -> bool {
        let is_elsewhere = self.known().is_some_and(|command| command.is_elsewhere)
            && self.value("--path").is_none();
        let names_place =
            |arg: &OsString| arg.to_string_lossy().contains("target-dir") || arg == "-C";
        !is_elsewhere
            && !self.is_question()
            && !self.before.iter().chain(&self.words).any(names_place)
    }

    /// Takes the names of tests out of the words. A word behind an option that is not known here
    /// may be its value, so it stays.
    pub fn take_positional(&mut self) -> Vec<OsString> {
        let mut taken = Vec::new();
        let (mut is_value, mut follows_option) = (false, false);
        self.words.retain(|word| {
            let text = word.to_string_lossy();
            let is_option = text.starts_with('-');
            let stays = is_value || is_option || follows_option;
            follows_option = is_option && !takes_value(&text) && may_take_value(&text);
            is_value = !is_value && takes_value(&text);
            if !stays {
                taken.push(word.clone());
            }
            stays
        });
        taken
    }

    /// With other names for some options.
    pub fn renamed(mut self, names: &[(&str, &str)]) -> CargoLine {
        for word in &mut self.words {
            let text = word.to_string_lossy().into_owned();
            let (name, value) =
                text.split_once('=').map_or((&*text, None), |(name, value)| (name, Some(value)));
            if let Some((_, new)) = names.iter().find(|(old, _)| *old == name) {
                *word =
                    value.map_or_else(|| (*new).into(), |value| format!("{new}={value}").into());
            }
        }
        self
    }

    /// Without an option that has values, and those.
    pub fn without_values(mut self, long: &str) -> (CargoLine, Vec<String>) {
        let values = self.values(long, None);
        let mut is_value = false;
        self.words.retain(|word| {
            let text = word.to_string_lossy();
            let is_one =
                text == long || text.strip_prefix(long).is_some_and(|rest| rest.starts_with('='));
            let stays = !is_one && !is_value;
            is_value = text == long;
            stays
        });
        (self, values)
    }

    /// As it is typed behind `cargo`.
    pub fn to_words(&self) -> Vec<OsString> {
        let mut words: Vec<OsString> =
            self.toolchain.iter().map(|name| format!("+{name}").into()).collect();
        words.extend(self.before.iter().cloned());
        words.extend((!self.command.is_empty()).then(|| self.command.clone().into()));
        words.extend(self.words.iter().cloned());
        if !self.rest.is_empty() {
            words.push("--".into());
            words.extend(self.rest.iter().cloned());
        }
        words
    }
}

/// Whether an option that is not known may have the next word as its value.
fn may_take_value(option: &str) -> bool {
    const FLAGS: &str = "--all --all-features --all-targets --benches --bins --doc --examples \
        --frozen --future-incompat-report --ignore-rust-version --keep-going --lib --locked \
        --no-default-features --no-fail-fast --no-run --offline --quiet --release --tests \
        --unit-graph --verbose --workspace -q -r -v -vv";
    option != "--" && !option.contains('=') && FLAGS.split_whitespace().all(|flag| flag != option)
}

/// Whether the value of this option is the next word.
pub fn takes_value(option: &str) -> bool {
    WITH_VALUE.split_whitespace().any(|name| name == option)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split_whitespace().map(OsString::from).collect()
    }

    #[test]
    fn a_line_is_put_together_as_it_was() {
        for line in [
            "build",
            "+nightly -q build -p x -- y --z",
            "--config a=1 t --an-option-of-next-year=3 --",
            "test --no-fail-fast name -- --ignored",
            "--version",
        ] {
            let expected = line.strip_suffix(" --").unwrap_or(line);
            assert_eq!(CargoLine::parse(words(line)).to_words(), words(expected));
        }
    }

    #[test]
    fn features_and_targets_are_read_up_to_the_dashes() {
        let line = CargoLine::parse(words(
            "build -F a --features=b --features c -Fd --target t --target=u -- --features e",
        ));
        assert_eq!(line.selection().features, ["a", "b", "c", "d"]);
        assert_eq!(line.selection().targets, ["t", "u"]);
        assert!(CargoLine::parse(words("test --all-features")).selection().all_features);
        assert!(!CargoLine::parse(words("test -- --all-features")).selection().all_features);
    }

    #[test]
    fn names_of_tests_are_told_from_values() {
        let mut line =
            CargoLine::new("test", words("-p a one --target=t --jobs 2 two --unknown three four"));
        assert_eq!(line.take_positional(), words("one two four"));
        assert_eq!(line.words, words("-p a --target=t --jobs 2 --unknown three"));
        let mut line = CargoLine::new("test", words("--lib one --new=x two"));
        assert_eq!(line.take_positional(), words("one two"));
    }

    #[test]
    fn options_are_renamed_and_taken_out() {
        let line = CargoLine::new("test", words("-j 2 --profile=x --exclude a b --exclude=c"));
        let (line, excluded) =
            line.renamed(&[("-j", "--jobs"), ("--profile", "--p")]).without_values("--exclude");
        assert_eq!(line.words, words("--jobs 2 --p=x b"));
        assert_eq!(excluded, ["a", "c"]);
    }
}

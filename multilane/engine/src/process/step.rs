//! The exact cargo command lines, and what differs in their environment, that a verb comes down to.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};

/// What `--dry-run` prints and what is carried out: steps in order, up to the first that fails.
pub struct Recipe {
    pub steps: Vec<Step>,
    /// All steps, whatever fails.
    pub keep_going: bool,
}

impl From<Step> for Recipe {
    fn from(step: Step) -> Recipe {
        Recipe { steps: vec![step], keep_going: false }
    }
}

impl Recipe {
    /// Whether something is compiled for a lane, so that a warm one is worth having.
    pub fn builds(&self) -> bool {
        self.steps.iter().any(|step| step.builds)
    }

    /// `nightly` where cargo is called as `cargo +nightly`.
    pub fn toolchain(&self) -> Option<&str> {
        self.steps.iter().find_map(|step| match &step.program {
            Program::CargoOf { toolchain } => Some(toolchain.as_str()),
            _ => None,
        })
    }

    /// As it has to be typed where `cargo` alone would be another toolchain.
    pub fn typed_with(mut self, toolchain: Option<&str>) -> Recipe {
        for step in &mut self.steps {
            if let (Program::Cargo, Some(toolchain)) = (&step.program, toolchain) {
                step.program = Program::CargoOf { toolchain: toolchain.to_owned() };
            }
        }
        self
    }
}

/// One process.
pub struct Step {
    pub program: Program,
    args: Vec<OsString>,
    /// What stands after `--`.
    rest: Vec<OsString>,
    /// The runner for tests, as a value of `--config`. It changes nothing of what is built.
    pub runner: Option<OsString>,
    /// A value, or `None` to unset.
    pub env: Vec<(OsString, Option<OsString>)>,
    /// Where it runs, if not where the user stands.
    dir: Option<PathBuf>,
    pub counting: Counting,
    /// Whether it compiles something for a lane.
    pub builds: bool,
    /// `--no-run`: cargo would say where the executables are, but not when it is asked for JSON.
    pub names_executables: bool,
}

/// What a step starts.
pub enum Program {
    Cargo,
    /// `cargo +<toolchain>`
    CargoOf {
        toolchain: String,
    },
    Other(OsString),
}

/// How we learn which units were compiled.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Counting {
    /// Not at all: stdout belongs to a program or a test.
    No,
    /// cargo is asked for `json-render-diagnostics`: what it prints on stderr stays the same to the
    /// letter, and stdout, where it otherwise writes nothing, tells about each unit.
    Ask { option: &'static str },
    /// The user asked for JSON; it is passed through and read on the way.
    Overhear,
}

impl Step {
    /// `cargo <args>`
    pub fn cargo(args: Vec<OsString>) -> Step {
        Step::of_program(Program::Cargo, args)
    }

    pub fn of_program(program: Program, args: Vec<OsString>) -> Step {
        let names_executables = args.iter().any(|arg| arg == "--no-run");
        Step {
            program,
            args,
            rest: Vec::new(),
            runner: None,
            env: Vec::new(),
            dir: None,
            counting: Counting::No,
            builds: false,
            names_executables,
        }
    }

    pub fn toolchain(mut self, toolchain: Option<String>) -> Step {
        if let Some(toolchain) = toolchain {
            self.program = Program::CargoOf { toolchain };
        }
        self
    }

    pub fn with_env(mut self, name: &str, value: OsString) -> Step {
        self.env.push((name.into(), Some(value)));
        self
    }

    /// Runs in `dir` and without these variables.
    pub fn elsewhere(mut self, dir: &Path, without: impl Iterator<Item = OsString>) -> Step {
        self.dir = Some(dir.to_owned());
        self.env.extend(without.map(|name| (name, None)));
        self
    }

    /// Whether it starts tests, and not only compiles them.
    pub fn runs_tests(&self) -> bool {
        const COMMANDS: [&str; 4] = ["bench", "nextest", "t", "test"];
        let is_test = |arg: &OsString| COMMANDS.iter().any(|command| arg == command);
        self.args.iter().take(2).any(is_test) && !self.names_executables
    }

    /// Whether cargo starts no program of the project but build scripts and macros, and tests
    /// through our runner.
    pub fn starts_scripts_alone(&self, has_runner: bool) -> bool {
        const COMPILING: [&str; 8] =
            ["b", "build", "c", "check", "clippy", "doc", "rustc", "rustdoc"];
        let is_compiling =
            self.args.first().is_some_and(|command| COMPILING.iter().any(|known| command == known));
        let is_cargo = !matches!(self.program, Program::Other(_));
        is_cargo && (is_compiling || self.names_executables || (self.runs_tests() && has_runner))
    }

    /// Whether cargo starts nextest.
    pub fn is_nextest(&self) -> bool {
        self.args.first().is_some_and(|command| command == "nextest")
            && !matches!(self.program, Program::Other(_))
    }

    pub fn dir(&self) -> Option<&Path> {
        self.dir.as_deref()
    }

    pub fn rest(mut self, rest: Vec<OsString>) -> Step {
        self.rest = rest;
        self
    }

    /// Without anybody counting: to the letter what will be typed.
    pub fn uncounted(self) -> Step {
        Step { counting: Counting::No, ..self }
    }

    /// Has the units counted, for a cargo command that writes nothing of its own to stdout.
    pub fn counted(self) -> Step {
        self.counted_as("--message-format")
    }

    /// The same where the option has another name.
    pub fn counted_as(mut self, option: &'static str) -> Step {
        self.counting = match value_of(&self.args, option) {
            None => Counting::Ask { option },
            Some(format) if format.to_string_lossy().starts_with("json") => Counting::Overhear,
            Some(_) => Counting::No,
        };
        self
    }

    /// What it asks of cargo, in words; empty where something else is started.
    pub fn line(&self) -> Vec<String> {
        if matches!(self.program, Program::Other(_)) {
            return Vec::new();
        }
        let dashes = OsString::from("--");
        let rest = Some(&dashes).filter(|_| !self.rest.is_empty()).into_iter().chain(&self.rest);
        self.args.iter().chain(rest).map(|word| word.to_string_lossy().into_owned()).collect()
    }

    fn runner_args(&self) -> Vec<OsString> {
        self.runner.iter().flat_map(|runner| ["--config".into(), runner.clone()]).collect()
    }

    /// The arguments as they are handed to cargo: the printed ones and what counting adds.
    pub fn execution_args(&self) -> Vec<OsString> {
        let mut args = Vec::new();
        if let Program::CargoOf { toolchain } = &self.program {
            args.push(format!("+{toolchain}").into());
        }
        args.extend(self.args.iter().cloned());
        args.extend(self.runner_args());
        if let Counting::Ask { option } = self.counting {
            args.push(format!("{option}=json-render-diagnostics").into());
        }
        if !self.rest.is_empty() {
            args.push("--".into());
            args.extend(self.rest.iter().cloned());
        }
        args
    }
}

/// The value of `--name value` or `--name=value`, the first one.
pub fn value_of<'a>(args: &'a [OsString], name: &str) -> Option<&'a OsStr> {
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        if arg == name {
            return args.next().map(OsString::as_os_str);
        }
        if let Some(value) = arg.to_str().and_then(|arg| arg.strip_prefix(name)?.strip_prefix('='))
        {
            return Some(OsStr::new(value));
        }
    }
    None
}

impl fmt::Display for Recipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, step) in self.steps.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{step}")?;
        }
        Ok(())
    }
}

/// A line that can be pasted into a POSIX shell.
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.env.is_empty() {
            f.write_str("env ")?;
        }
        for (name, value) in &self.env {
            match value {
                None => write!(f, "-u {} ", quoted(name))?,
                Some(value) => write!(f, "{}={} ", name.to_string_lossy(), quoted(value))?,
            }
        }
        write!(f, "{}", self.program)?;
        for arg in self.args.iter().chain(&self.runner_args()) {
            write!(f, " {}", quoted(arg))?;
        }
        if !self.rest.is_empty() {
            f.write_str(" --")?;
            for arg in &self.rest {
                write!(f, " {}", quoted(arg))?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Program::Cargo => f.write_str("cargo"),
            Program::CargoOf { toolchain } => write!(f, "cargo +{toolchain}"),
            Program::Other(program) => f.write_str(&quoted(program)),
        }
    }
}

/// One word for a POSIX shell.
pub fn quoted(word: &OsStr) -> String {
    let word = word.to_string_lossy();
    let is_plain = |c: char| c.is_alphanumeric() || "-_./=+:,@%".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.into_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(words: &str) -> Step {
        Step::cargo(words.split(' ').map(OsString::from).collect())
    }

    #[test]
    fn counting_stands_before_the_rest_and_is_not_printed() {
        let step = step("clippy").counted().rest(vec!["-D".into(), "warnings".into()]);
        assert_eq!(step.to_string(), "cargo clippy -- -D warnings");
        assert_eq!(
            step.execution_args(),
            ["clippy", "--message-format=json-render-diagnostics", "--", "-D", "warnings"]
        );
    }

    #[test]
    fn the_users_message_format_is_left_alone() {
        assert_eq!(step("build --message-format=json").counted().counting, Counting::Overhear);
        assert_eq!(step("build --message-format human").counted().counting, Counting::No);
    }
}

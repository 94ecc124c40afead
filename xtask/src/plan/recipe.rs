//! The exact cargo command lines, and what differs in their environment, that a verb comes down to.

use std::ffi::{OsStr, OsString};
use std::fmt;

use crate::plan::lane::Lane;

/// What `--dry-run` prints and what is carried out: steps in order, up to the first that fails.
pub(crate) struct Recipe {
    pub(crate) steps: Vec<Step>,
    /// All steps, whatever fails.
    pub(crate) keep_going: bool,
}

/// Commands that compile something.
pub(crate) const BUILDING: [&str; 16] = [
    "build", "b", "check", "c", "test", "t", "bench", "run", "r", "clippy", "nextest", "rustc", "doc", "d",
    "rustdoc", "fix",
];

impl From<Step> for Recipe {
    fn from(step: Step) -> Recipe {
        Recipe { steps: vec![step], keep_going: false }
    }
}

impl Recipe {
    /// Whether something is compiled for a lane, so that a warm one is worth having.
    pub(crate) fn builds(&self) -> bool {
        let names_one =
            |step: &Step| step.args.iter().any(|arg| BUILDING.iter().any(|command| arg == command));
        self.steps.iter().any(names_one)
    }

    /// `nightly` where cargo is called as `cargo +nightly`.
    pub(crate) fn toolchain(&self) -> Option<&str> {
        self.steps.iter().find_map(|step| match &step.program {
            Program::CargoOf { toolchain } => Some(toolchain.as_str()),
            _ => None,
        })
    }

    /// As it has to be typed where `cargo` alone would be another toolchain.
    pub(crate) fn typed_with(mut self, toolchain: Option<&str>) -> Recipe {
        for step in &mut self.steps {
            if let (Program::Cargo, Some(toolchain)) = (&step.program, toolchain) {
                step.program = Program::CargoOf { toolchain: toolchain.to_owned() };
            }
        }
        self
    }
}

/// One process.
pub(crate) struct Step {
    pub(crate) program: Program,
    args: Vec<OsString>,
    /// What stands after `--`.
    rest: Vec<OsString>,
    /// A value, or `None` to unset.
    pub(crate) env: Vec<(OsString, Option<OsString>)>,
    pub(crate) counting: Counting,
    /// `--no-run`: cargo would say where the executables are, but not when it is asked for JSON.
    pub(crate) names_executables: bool,
}

/// What a step starts.
pub(crate) enum Program {
    Cargo,
    /// `cargo +<toolchain>`
    CargoOf {
        toolchain: String,
    },
    Other(OsString),
}

/// How we learn which units were compiled.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Counting {
    /// Not at all: stdout belongs to a program or a test.
    No,
    /// cargo is asked for `json-render-diagnostics`: what it prints on stderr stays the same to the letter, and stdout,
    /// where it otherwise writes nothing, tells about each unit.
    Ask { option: &'static str },
    /// The user asked for JSON; it is passed through and read on the way.
    Overhear,
}

impl Step {
    /// `cargo <command> <lane> <flags> -- <rest>`.
    pub(crate) fn cargo(command: &[&str], lane: &Lane, flags: Vec<OsString>) -> Step {
        let mut args: Vec<OsString> = command.iter().map(OsString::from).collect();
        args.extend(lane.flags());
        args.extend(flags);
        Step::of_args(args, lane)
    }

    pub(crate) fn of_args(args: Vec<OsString>, lane: &Lane) -> Step {
        Step { env: lane.environment(), ..Step::of_program(Program::Cargo, args) }
    }

    pub(crate) fn of_program(program: Program, args: Vec<OsString>) -> Step {
        let names_executables = args.iter().any(|arg| arg == "--no-run");
        Step { program, args, rest: Vec::new(), env: Vec::new(), counting: Counting::No, names_executables }
    }

    pub(crate) fn toolchain(mut self, toolchain: Option<String>) -> Step {
        if let Some(toolchain) = toolchain {
            self.program = Program::CargoOf { toolchain };
        }
        self
    }

    pub(crate) fn with_env(mut self, name: &str, value: OsString) -> Step {
        self.env.push((name.into(), Some(value)));
        self
    }

    pub(crate) fn rest(mut self, rest: Vec<OsString>) -> Step {
        self.rest = rest;
        self
    }

    /// Without anybody counting: to the letter what will be typed.
    pub(crate) fn uncounted(self) -> Step {
        Step { counting: Counting::No, ..self }
    }

    /// Has the units counted, for a cargo command that writes nothing of its own to stdout.
    pub(crate) fn counted(self) -> Step {
        self.counted_as("--message-format")
    }

    /// The same where the option has another name.
    pub(crate) fn counted_as(mut self, option: &'static str) -> Step {
        self.counting = match value_of(&self.args, option) {
            None => Counting::Ask { option },
            Some(format) if format.to_string_lossy().starts_with("json") => Counting::Overhear,
            Some(_) => Counting::No,
        };
        self
    }

    /// What it asks of cargo, in words; empty where something else is started.
    pub(crate) fn line(&self) -> Vec<String> {
        if matches!(self.program, Program::Other(_)) {
            return Vec::new();
        }
        let dashes = OsString::from("--");
        let rest = Some(&dashes).filter(|_| !self.rest.is_empty()).into_iter().chain(&self.rest);
        self.args.iter().chain(rest).map(|word| word.to_string_lossy().into_owned()).collect()
    }

    /// The arguments as they are handed to cargo: the printed ones and what counting adds.
    pub(crate) fn execution_args(&self) -> Vec<OsString> {
        let mut args = Vec::new();
        if let Program::CargoOf { toolchain } = &self.program {
            args.push(format!("+{toolchain}").into());
        }
        args.extend(self.args.iter().cloned());
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
pub(crate) fn value_of<'a>(args: &'a [OsString], name: &str) -> Option<&'a OsStr> {
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        if arg == name {
            return args.next().map(OsString::as_os_str);
        }
        if let Some(value) = arg.to_str().and_then(|arg| arg.strip_prefix(name)?.strip_prefix('=')) {
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
                Some(value) => write!(f, "{}={} ", name.display(), quoted(value))?,
            }
        }
        write!(f, "{}", self.program)?;
        for arg in &self.args {
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
pub(crate) fn quoted(word: &OsStr) -> String {
    let word = word.to_string_lossy();
    let is_plain = |c: char| c.is_alphanumeric() || "-_./=+:,@%".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.into_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use expect_test::expect;

    use super::*;
    use crate::plan::lane::{Agent, Detours, KeyInputs, Owner};

    #[test]
    fn a_step_can_be_pasted() {
        let agent = Agent::from_environment(Some(OsStr::new("a 1"))).expect("a name").expect("an agent");
        let detours = Detours { build_dir: true, variables: vec!["CARGO_TARGET_DIR"] };
        let lane = Lane::of_agent(Path::new("/w/it's/.lanes"), &agent, KeyInputs::default(), detours);
        let step = Step::cargo(&["build"], &lane, vec!["--package".into(), "core".into()])
            .rest(vec!["--exact".into(), String::new().into()]);
        expect![[r#"env -u CARGO_TARGET_DIR cargo build --target-dir '/w/it'\''s/.lanes/a 1/2c34ce1df23b' --config 'build.build-dir="/w/it'\''s/.lanes/a 1/2c34ce1df23b"' --package core -- --exact ''"#]]
            .assert_eq(&step.to_string());
    }

    #[test]
    fn counting_stands_before_the_rest_and_is_not_printed() {
        let lane = Lane { dir: "/w/target".into(), owner: Owner::Worktree };
        let step =
            Step::cargo(&["clippy"], &lane, Vec::new()).counted().rest(vec!["-D".into(), "warnings".into()]);
        assert_eq!(step.to_string(), "cargo clippy -- -D warnings");
        assert_eq!(
            step.execution_args(),
            ["clippy", "--message-format=json-render-diagnostics", "--", "-D", "warnings"]
        );
    }

    #[test]
    fn the_users_message_format_is_left_alone() {
        let counting = |format: &str| {
            let lane = Lane { dir: "/w/target".into(), owner: Owner::Worktree };
            Step::cargo(&["build"], &lane, vec![format!("--message-format={format}").into()])
                .counted()
                .counting
        };
        assert_eq!(counting("json"), Counting::Overhear);
        assert_eq!(counting("human"), Counting::No);
    }
}

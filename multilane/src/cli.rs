//! The command line: which verbs there are, and which of them a call asks for.
//!
//! A verb that comes down to a cargo command declares only the options that are ours. The rest of
//! its words go to cargo in their place. Some verbs are called once a month; those are in
//! `multilane-tools`, of which only the names are known here.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use clap::{Arg, ArgMatches, Command};

use crate::cargo_line::{self, CargoLine};
use crate::environment::{self, Environment};
use crate::project::{Session, alias, toolchain};
use crate::tools::Caller;
use crate::ui::Ui;
use crate::verbs::{self, Kind, Verb};
use crate::{retarget, sccache, tools};

/// What a verb of the project's own does with its arguments.
type Run = fn(&ArgMatches) -> anyhow::Result<ExitCode>;

/// The command line of a project: the engine's verbs, and the project's own.
///
/// ```no_run
/// use clap::{ArgMatches, Command};
/// use std::process::ExitCode;
///
/// fn hello(_: &ArgMatches) -> anyhow::Result<ExitCode> {
///     println!("hello");
///     Ok(ExitCode::SUCCESS)
/// }
///
/// fn main() -> ExitCode {
///     multilane::Cli::new().verb(Command::new("hello").about("Say hello"), hello).main()
/// }
/// ```
pub struct Cli {
    called: &'static str,
    /// Where the sources of an installed engine were.
    compiled_from: Option<&'static Path>,
    verbs: Vec<(Command, Run)>,
}

impl Default for Cli {
    fn default() -> Cli {
        Cli::new()
    }
}

impl Cli {
    /// `cargo xtask`, with the engine's verbs.
    pub fn new() -> Cli {
        Cli { called: "cargo xtask", compiled_from: None, verbs: Vec::new() }
    }

    /// `cargo multilane`, the installed program.
    pub(crate) fn installed(compiled_from: &'static Path) -> Cli {
        Cli { called: "cargo multilane", compiled_from: Some(compiled_from), verbs: Vec::new() }
    }

    /// Adds a verb of the project's own. It is listed in `--help` and completed by shells; a name
    /// that the engine has is taken over.
    pub fn verb(mut self, command: Command, run: Run) -> Cli {
        self.verbs.push((command, run));
        self
    }

    /// Does what the process was started for. Exit codes: 0 done; 1 it failed, or problems were
    /// found; 2 the command line is wrong; where cargo ran, cargo's own.
    pub fn main(self) -> ExitCode {
        let started = Instant::now();
        let env = Environment::read();
        let ui = Ui::new(&env, self.called);
        let session = Session { env, ui, started };
        let dir = environment::exe_dir().filter(|_| self.called == "cargo xtask");
        if let Some(dir) = dir {
            alias::silence(&dir);
        }

        if let Some((path, compiler)) = environment::arguments_as(sccache::server::THROUGH_CACHE) {
            return sccache::compile(&session, &path, &compiler);
        }
        let answer = match environment::arguments_of_shim() {
            Some(words) => verbs::cargo::shim(session, words),
            None => self.answer(session, std::env::args_os().skip(1).collect()),
        };
        answer.unwrap_or_else(|err| match err.downcast_ref::<clap::Error>() {
            Some(err) => {
                drop(err.print()); // A closed terminal is no reason to fail in another way.
                ExitCode::from(u8::try_from(err.exit_code()).unwrap_or(2))
            }
            None => {
                ui.error(&err);
                ExitCode::FAILURE
            }
        })
    }

    fn answer(&self, session: Session, mut words: Vec<OsString>) -> anyhow::Result<ExitCode> {
        // cargo hands the name of the subcommand on: `cargo-multilane multilane build`.
        if self.called == "cargo multilane" && words.first().is_some_and(|word| word == "multilane")
        {
            words.remove(0);
        }
        let name = match words.first().and_then(|word| word.to_str()) {
            Some(word) if !word.starts_with('-') => words.remove(0).to_string_lossy().into_owned(),
            _ => return Err(self.usage(&words).into()),
        };
        if let Some((command, run)) =
            self.verbs.iter().find(|(command, _)| command.get_name() == name)
        {
            let command =
                command.clone().bin_name(format!("{} {name}", self.called)).no_binary_name(true);
            return run(&command.try_get_matches_from(words)?);
        }
        if let Some(verb) = verbs::all().into_iter().find(|verb| verb.name == name) {
            return self.call(session, &verb, words, &name);
        }
        match name.as_str() {
            "help" => {
                words.push("--help".into());
                self.answer(session, words)
            }
            // What scripts of ours call, and nobody types.
            "retarget-cache" => {
                retarget::retarget(&session.env, words.get(1..).unwrap_or_default())?;
                Ok(ExitCode::SUCCESS)
            }
            "worktree-made" => Ok(verbs::worktree::after_worktree_add(session)),
            "complete" => tools::call(session, &self.caller(), "complete", words),
            _ if is_of_cargo(&session, &name) => {
                words.insert(0, name.into());
                verbs::cargo::run(session, CargoLine::parse(words), false)
            }
            _ => {
                words.insert(0, name.into());
                Err(self.usage(&words).into())
            }
        }
    }

    fn call(
        &self,
        session: Session,
        verb: &Verb,
        mut words: Vec<OsString>,
        name: &str,
    ) -> anyhow::Result<ExitCode> {
        match verb.kind {
            Kind::Tools => {
                words.splice(0..0, name.split(' ').map(OsString::from));
                tools::call(session, &self.caller(), "", words)
            }
            Kind::Group(verbs) => {
                let sub =
                    words.first().and_then(|word| word.to_str()).unwrap_or_default().to_owned();
                match verbs().into_iter().find(|verb| verb.name == sub) {
                    Some(verb) => {
                        words.remove(0);
                        self.call(session, &verb, words, &format!("{name} {sub}"))
                    }
                    None => {
                        words.insert(0, name.into());
                        Err(self.usage(&words).into())
                    }
                }
            }
            Kind::Own(run) => {
                let command =
                    verb.command().bin_name(format!("{} {name}", self.called)).no_binary_name(true);
                run(session, &command.try_get_matches_from(words)?)
            }
            Kind::Cargo(run) => {
                let command =
                    verb.command().bin_name(format!("{} {name}", self.called)).no_binary_name(true);
                let (own, cargos) = split(&command, words);
                run(session, &command.try_get_matches_from(own)?, cargos)
            }
        }
    }

    /// What clap says of these words: help, a version, or what is wrong with them.
    fn usage(&self, words: &[OsString]) -> clap::Error {
        match self.command().no_binary_name(true).try_get_matches_from(words) {
            Err(err) => err,
            Ok(_) => {
                self.command().error(clap::error::ErrorKind::MissingSubcommand, "no verb is given")
            }
        }
    }

    /// The whole command line, for help and completion.
    pub(crate) fn command(&self) -> Command {
        let own = self.verbs.iter().map(|(command, _)| command.clone());
        let is_taken =
            |verb: &Verb| self.verbs.iter().any(|(command, _)| command.get_name() == verb.name);
        let engines =
            verbs::all().into_iter().filter(|verb| !is_taken(verb)).map(|verb| verb.tree());
        verbs::root(self.called).subcommands(own).subcommands(engines)
    }

    fn caller(&self) -> Caller {
        let about =
            |command: &Command| command.get_about().map(ToString::to_string).unwrap_or_default();
        let own = self.verbs.iter();
        Caller {
            compiled_from: self.compiled_from,
            own_verbs: own
                .map(|(command, _)| (command.get_name().to_owned(), about(command)))
                .collect(),
        }
    }
}

/// Whether cargo itself, an alias or a program on `PATH` answers to this name.
fn is_of_cargo(session: &Session, name: &str) -> bool {
    // `cargo xtask xtask` would call us again.
    let is_ours = ["xtask", "multilane"].contains(&name);
    let is_alias = || {
        let here = environment::current_dir();
        here.is_ok_and(|here| {
            crate::project::cargo_config::CargoConfig::read(&here, &session.env)
                .aliases
                .contains(name)
        })
    };
    !is_ours
        && (cargo_line::known(name).is_some()
            || toolchain::is_external(&session.env, name)
            || is_alias())
}

/// The words that are of `command`, options with their values, and those that are cargo's, in
/// order. What is no option is cargo's unless `command` has arguments of this kind.
pub fn split(command: &Command, words: Vec<OsString>) -> (Vec<OsString>, Vec<OsString>) {
    let (mut own, mut cargos) = (Vec::new(), Vec::new());
    let has_arguments = command.get_positionals().any(|argument| !argument.is_last_set());
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        if word == "--" {
            cargos.push(word);
            cargos.extend(words.by_ref());
        } else if is_help(&word) || (has_arguments && !word.to_string_lossy().starts_with('-')) {
            own.push(word);
        } else if let Some(option) = option_of(command, &word) {
            let has_value =
                option.get_action().takes_values() && !word.to_string_lossy().contains('=');
            own.push(word);
            own.extend(if has_value { words.next() } else { None });
        } else {
            let has_value = word.to_str().is_some_and(cargo_line::takes_value);
            cargos.push(word);
            cargos.extend(if has_value { words.next() } else { None });
        }
    }
    (own, cargos)
}

fn is_help(word: &OsStr) -> bool {
    word == "-h" || word == "--help"
}

fn option_of<'a>(command: &'a Command, word: &OsStr) -> Option<&'a Arg> {
    let word = word.to_str()?;
    let name = word.split('=').next().and_then(|name| name.strip_prefix("--"));
    let short = word.strip_prefix('-').filter(|short| short.len() == 1);
    command.get_arguments().find(|option| match name {
        Some(name) => option.get_long() == Some(name),
        None => short.is_some_and(|short| option.get_short() == short.chars().next()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split_whitespace().map(OsString::from).collect()
    }

    #[test]
    fn the_command_line_is_consistent() {
        Cli::new().command().debug_assert();
    }

    #[test]
    fn what_is_not_ours_stays_in_its_place() {
        let verb = verbs::all().into_iter().find(|verb| verb.name == "clippy").expect("a verb");
        let (own, cargos) = split(
            &verb.command(),
            words("--fix --base main --new=1 --affected -p --dry-run x -- --affected"),
        );
        assert_eq!(own, words("--base main --affected"));
        assert_eq!(cargos, words("--fix --new=1 -p --dry-run x -- --affected"));
    }

    #[test]
    fn verbs_of_the_project_are_listed_and_win() {
        let cli = Cli::new().verb(Command::new("build").about("ours"), |_| Ok(ExitCode::SUCCESS));
        let builds: Vec<_> = cli
            .command()
            .get_subcommands()
            .filter(|command| command.get_name() == "build")
            .cloned()
            .collect();
        assert_eq!(builds.len(), 1);
        assert_eq!(builds[0].get_about().map(ToString::to_string).as_deref(), Some("ours"));
    }
}

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

use crate::tools;
use crate::tools::Caller;
use crate::verbs::{self, Answer, Call, Kind, Verb};
use multilane_engine::cargo_line::{self, CargoLine};
use multilane_engine::environment::{self, Environment};
use multilane_engine::project::{Session, alias, toolchain};
use multilane_engine::ui::Ui;
use multilane_engine::{permits, retarget, sccache};

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
    /// that the engine has is taken over, also by an alias of the verb.
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
        if let Some((path, words)) = environment::arguments_as(permits::PERMIT) {
            return permits::start(&session, &path, &words);
        }
        let dir = environment::exe_dir().filter(|_| self.called == "cargo xtask");
        if let Some(dir) = dir {
            alias::silence(&dir);
        }

        if let Some((path, compiler)) = environment::arguments_as(sccache::server::THROUGH_CACHE) {
            return sccache::compile(&session, &path, &compiler);
        }
        let answer = match environment::arguments_of_shim() {
            Some((words, by_path)) => verbs::cargo::shim(session, words, by_path),
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

    fn answer(&self, session: Session, mut words: Vec<OsString>) -> Answer {
        // cargo hands the name of the subcommand on: `cargo-multilane multilane build`.
        if self.called == "cargo multilane" && words.first().is_some_and(|word| word == "multilane")
        {
            words.remove(0);
        }
        let name = words.first().and_then(|word| word.to_str()).unwrap_or_default().to_owned();
        let own = self.verbs.iter().find(|(command, _)| answers_to(command, &name));
        if let Some((command, run)) = own {
            let command =
                command.clone().bin_name(format!("{} {}", self.called, command.get_name()));
            return run(&verbs::fit(command).try_get_matches_from(words)?);
        }
        if let Some(verb) = verbs::ALL.iter().find(|verb| verb.name == name) {
            words.remove(0);
            return self.call(session, verb, self.called, words);
        }
        match name.as_str() {
            "help" => {
                words.remove(0);
                words.push("--help".into());
                self.answer(session, words)
            }
            // What our own scripts call, and users do not.
            "retarget-cache" => {
                retarget::retarget(&session.env, words.get(2..).unwrap_or_default())?;
                Ok(ExitCode::SUCCESS)
            }
            "learn-link" => {
                let number = |at: usize| words.get(at)?.to_str()?.parse::<u64>().ok();
                if let (Some(process), Some(unit)) = (number(1), number(2)) {
                    permits::need::learn(&session.env, process.try_into()?, unit);
                }
                Ok(ExitCode::SUCCESS)
            }
            "worktree-made" => Ok(verbs::worktree::after_worktree_add(session)),
            "complete" => tools::call(session, &self.caller(), words),
            _ => {
                // `doc`, `+nightly build`, `--config a=1 add`
                let line = CargoLine::parse(words.clone());
                if is_of_cargo(&session, &line.command) {
                    return verbs::cargo::run(session, line, false);
                }
                Err(self.usage(&words).into())
            }
        }
    }

    /// `prefix` is what is typed in front of the verb's name.
    fn call(
        &self,
        session: Session,
        verb: &Verb,
        prefix: &str,
        mut words: Vec<OsString>,
    ) -> Answer {
        let command = || verbs::fit(verb.command(self.called, prefix)).no_binary_name(true);
        match verb.kind {
            Kind::Tools => {
                let name = format!("{prefix} {}", verb.name);
                let name = name.strip_prefix(self.called).unwrap_or_default();
                words.splice(0..0, name.split_whitespace().map(Into::into));
                tools::call(session, &self.caller(), words)
            }
            Kind::Group(verbs) => {
                let is_it = |verb: &&Verb| words.first().is_some_and(|word| word == verb.name);
                match verbs.iter().find(is_it) {
                    Some(below) => {
                        words.remove(0);
                        let prefix = format!("{prefix} {}", verb.name);
                        self.call(session, below, &prefix, words)
                    }
                    None => {
                        words.insert(0, verb.name.into());
                        Err(self.usage(&words).into())
                    }
                }
            }
            Kind::Own(run) => {
                let own = command().try_get_matches_from(words)?;
                run(Call { session, own, words: Vec::new() })
            }
            Kind::Cargo(run) | Kind::CargoLine(run) => {
                let (own, words) = split(&command(), words);
                run(Call { session, own: command().try_get_matches_from(own)?, words })
            }
        }
    }

    /// What clap says of these words: help, a version, or what is wrong with them.
    fn usage(&self, words: &[OsString]) -> clap::Error {
        use clap::error::ErrorKind;
        let mut command = verbs::fit(self.command());
        let of_lane = |verb: &&Verb| words.first().is_some_and(|word| word == verb.name);
        if let Some(Verb { name, .. }) = verbs::LANE.iter().find(of_lane) {
            let tip =
                format!("unrecognized subcommand '{name}'\n\n  tip: {} lane {name}", self.called);
            return command.error(ErrorKind::InvalidSubcommand, tip);
        }
        match command.clone().no_binary_name(true).try_get_matches_from(words) {
            Err(err) => err,
            Ok(_) => command.error(ErrorKind::MissingSubcommand, "no verb is given"),
        }
    }

    /// The whole command line, for help and completion.
    pub(crate) fn command(&self) -> Command {
        let own = self.verbs.iter().map(|(command, _)| command.clone());
        let is_taken =
            |verb: &Verb| self.verbs.iter().any(|(command, _)| answers_to(command, verb.name));
        let engines = verbs::ALL.iter().filter(|verb| !is_taken(verb));
        let engines = engines.map(|verb| verb.command(self.called, self.called));
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

/// Whether `name` is the command's name or one of its aliases.
fn answers_to(command: &Command, name: &str) -> bool {
    command.get_name() == name || command.get_all_aliases().any(|alias| alias == name)
}

/// Whether cargo itself, an alias or a program on `PATH` answers to this name.
fn is_of_cargo(session: &Session, name: &str) -> bool {
    // `cargo xtask xtask` would call us again.
    let is_ours = ["xtask", "multilane"].contains(&name);
    let is_alias = || {
        let here = environment::current_dir();
        here.is_ok_and(|here| {
            multilane_engine::project::cargo_config::CargoConfig::read(&here, &session.env)
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
/// order. What is no option is cargo's unless `command` has arguments of this kind. Where these
/// begin with cargo's command, help behind it is cargo's, and so are all options of a command that
/// builds nothing: `cargo publish --dry-run`.
pub fn split(command: &Command, words: Vec<OsString>) -> (Vec<OsString>, Vec<OsString>) {
    let (mut own, mut cargos) = (Vec::new(), Vec::new());
    let has_arguments = command.get_positionals().any(|argument| !argument.is_last_set());
    let is_line = command.get_name() == "cargo";
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        let is_in_line = is_line && !cargos.is_empty();
        let of_command = || cargo_line::known(&CargoLine::parse(cargos.clone()).command);
        let is_open = !is_in_line || of_command().is_some_and(|known| known.builds);
        let is_help = (word == "-h" || word == "--help") && !is_in_line;
        let is_argument = has_arguments && !word.to_string_lossy().starts_with('-');
        if word == "--" {
            cargos.push(word);
            cargos.extend(words.by_ref());
        } else if is_help || is_argument {
            own.push(word);
        } else if let Some(option) = option_of(command, &word).filter(|_| is_open) {
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
        let verb = verbs::ALL.iter().find(|verb| verb.name == "clippy").expect("a verb");
        let (own, cargos) = split(
            &verb.command("cargo xtask", "cargo xtask"),
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

    #[test]
    fn aliases_of_the_projects_verbs_win() {
        let format = Command::new("format").visible_aliases(["fmt", "f"]);
        let cli = Cli::new().verb(format, |_| Ok(ExitCode::from(3)));
        cli.command().debug_assert(); // clap wants each name once.
        let (verb, _) = &cli.verbs[0];
        assert_eq!(
            ["format", "fmt", "f", "b"].map(|name| answers_to(verb, name)),
            [true, true, true, false]
        );
    }

    #[test]
    fn help_names_the_program_and_fits_80_columns() {
        fn check(command: &mut Command, line: &str) {
            let (short, long) = (command.render_help(), command.render_long_help());
            let (short, long) = (short.to_string(), long.to_string());
            assert!(long.contains(&format!("Usage: {line}")), "{line}: {long}");
            for text in short.lines().chain(long.lines()) {
                assert!(text.chars().count() <= 80, "{line}: {text}");
            }
            for below in command.get_subcommands_mut() {
                let line = format!("{line} {}", below.get_name());
                check(below, &line);
            }
        }
        check(&mut verbs::fit(Cli::new().command()), "cargo xtask");
        check(&mut verbs::fit(Cli::installed(Path::new("")).command()), "cargo multilane");
    }

    #[test]
    fn wrong_words_name_the_nearest_right_ones() {
        let said = |line: &str| Cli::new().usage(&words(line)).to_string();
        assert!(said("biuld-dev").contains("'build-dev'"));
        assert!(said("lane remov").contains("'remove'"));
        assert!(said("lane new x --form y").contains("'--from'"));
        assert!(said("verify").contains("tip: cargo xtask lane verify"));
        for hidden in ["retarget-cach", "worktree-mad", "complet", "xtask"] {
            let said = said(hidden);
            assert!(!said.contains("-cache'") && !said.contains("-made'"), "{said}");
            assert!(!said.contains("'complete'") && !said.contains("tip: cargo"), "{said}");
        }
    }
}

//! The words that can follow on a command line of ours, from the tree of its commands.
//!
//! clap_complete 4.6 was tried for this. Its engine is unstable, compiles clap once more, and does
//! not know the three words that bash makes of `--package=app`; the scripts would stay as they are,
//! since a shell completes `cargo`, and not a program of ours.

use clap::{Arg, Command};

use crate::flags::tree::takes_cargos_options;

/// Those of cargo's options that are typed often. Our verbs hand on all of them.
const CARGOS: [&str; 21] = [
    "--package",
    "--workspace",
    "--exclude",
    "--lib",
    "--bins",
    "--bin",
    "--examples",
    "--example",
    "--tests",
    "--test",
    "--all-targets",
    "--features",
    "--all-features",
    "--no-default-features",
    "--release",
    "--profile",
    "--target",
    "--jobs",
    "--message-format",
    "--locked",
    "--offline",
];

/// Those that can be given more than once.
const REPEATED: [&str; 6] =
    ["--package", "--exclude", "--bin", "--example", "--test", "--features"];

/// The words that can stand where the cursor is. With none, a shell may offer files.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Completion {
    /// Each with a line about it.
    pub(crate) candidates: Vec<(String, String)>,
    /// Names that are read from the workspace.
    pub(crate) known: Option<Known>,
    /// The start of the word, in front of the candidate: `--package=`.
    pub(crate) prefix: String,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Known {
    Packages,
    Worktrees,
}

/// The same as [`complete`], with the project's own verbs, each with its help. They replace the
/// engine's of the same name; their options are known to the project alone.
pub(crate) fn complete_with(own: &[(&str, &str)], root: &Command, words: &[String]) -> Completion {
    let is_own = |name: &str| own.iter().any(|(own, _)| *own == name);
    match words {
        [verb, _, ..] if is_own(verb) => Completion::default(),
        [typed] => {
            let mut completion = complete(root, words);
            completion.candidates.retain(|(name, _)| !is_own(name));
            let own = own.iter().filter(|(name, _)| name.starts_with(typed.as_str()));
            let own = own.map(|(name, help)| ((*name).to_owned(), (*help).to_owned()));
            completion.candidates.extend(own);
            completion
        }
        _ => complete(root, words),
    }
}

/// `words` are those after `xtask`; the last one is being typed, and may be empty. `root` has been
/// built.
fn complete(root: &Command, words: &[String]) -> Completion {
    let Some((typed, before)) = words.split_last() else { return Completion::default() };
    let mut command = root;
    let mut path = Vec::new();
    let mut positional = 0;
    let mut waiting: Option<Completion> = None;
    for word in before {
        if waiting.is_some() {
            // bash makes three words of `--package=notes`.
            if word != "=" {
                waiting = None;
            }
        } else if word == "--" {
            return Completion::default();
        } else if word.starts_with('-') {
            waiting = value_of(command, word, &path);
        } else if let Some(verb) = command.find_subcommand(word) {
            command = verb;
            path.push(verb.get_name());
        } else {
            positional += 1;
        }
    }
    // The rest is for cargo's own completion.
    if path == ["cargo"] {
        return Completion::default();
    }

    let mut completion = match waiting {
        Some(values) => values,
        None => match typed.split_once('=') {
            Some((name, _)) if name.starts_with("--") => Completion {
                prefix: format!("{name}="),
                ..value_of(command, name, &path).unwrap_or_default()
            },
            _ if typed.starts_with('-') => options(command, before),
            _ => verbs_and_values(command, positional, &path),
        },
    };
    let candidates = std::mem::take(&mut completion.candidates).into_iter();
    completion.candidates =
        candidates.filter(|(candidate, _)| completion.matches(typed, candidate)).collect();
    completion
}

impl Completion {
    /// Whether `typed` can become this candidate.
    pub(crate) fn matches(&self, typed: &str, candidate: &str) -> bool {
        let start =
            if typed == "=" { "" } else { typed.strip_prefix(&self.prefix).unwrap_or(typed) };
        candidate.starts_with(start)
    }
}

/// The values of the option that is typed as `word`; `None` where it has none.
fn value_of(command: &Command, word: &str, path: &[&str]) -> Option<Completion> {
    let short = word.strip_prefix('-').filter(|short| short.len() == 1);
    let own = command.get_arguments().find(|option| match word.strip_prefix("--") {
        Some(name) => option.get_long() == Some(name),
        None => short.is_some_and(|short| option.get_short() == short.chars().next()),
    });
    if let Some(option) = own {
        return option.get_action().takes_values().then(|| values(option, path));
    }
    let is_cargos =
        takes_cargos_options(command) && multilane_engine::cargo_line::takes_value(word);
    let is_package = ["--package", "-p", "--exclude"].contains(&word);
    is_cargos.then(|| Completion {
        known: is_package.then_some(Known::Packages),
        ..Completion::default()
    })
}

/// Without those that have been given and cannot be repeated.
fn options(command: &Command, before: &[String]) -> Completion {
    let name = |option: &Arg| match (option.get_long(), option.get_short()) {
        (Some(long), _) => Some(format!("--{long}")),
        (None, short) => short.map(|short| format!("-{short}")),
    };
    let visible = command.get_arguments().filter(|option| !option.is_hide_set());
    let own = visible.filter_map(|option| {
        let is_repeated =
            matches!(option.get_action(), clap::ArgAction::Append | clap::ArgAction::Count);
        Some((name(option)?, line(option.get_help()), is_repeated))
    });
    let cargos = CARGOS.iter().filter(|_| takes_cargos_options(command));
    let cargos = cargos
        .map(|name| ((*name).to_owned(), "as cargo has it".to_owned(), REPEATED.contains(name)));
    let candidates =
        own.chain(cargos).filter(|(name, _, is_repeated)| *is_repeated || !before.contains(name));
    Completion {
        candidates: candidates.map(|(name, help, _)| (name, help)).collect(),
        ..Completion::default()
    }
}

fn verbs_and_values(command: &Command, positional: usize, path: &[&str]) -> Completion {
    let mut completion =
        match command.get_positionals().filter(|arg| !arg.is_last_set()).nth(positional) {
            Some(argument) => values(argument, path),
            None => Completion::default(),
        };
    let verbs = command.get_subcommands().filter(|verb| !verb.is_hide_set());
    completion
        .candidates
        .extend(verbs.map(|verb| (verb.get_name().to_owned(), line(verb.get_about()))));
    completion
}

fn values(arg: &Arg, path: &[&str]) -> Completion {
    let possible = arg.get_possible_values();
    let candidates = possible.iter().filter(|value| !value.is_hide_set());
    let candidates = candidates.map(|value| (value.get_name().to_owned(), line(value.get_help())));
    let named =
        |name: &str| arg.get_value_names().is_some_and(|names| names.iter().any(|own| own == name));
    let known = match path {
        _ if named("SPEC") || named("PACKAGE") => Some(Known::Packages),
        ["lane", "run" | "env" | "remove"] if arg.is_positional() => Some(Known::Worktrees),
        _ => None,
    };
    // A switch has the values `true` and `false`, which are not typed.
    let candidates =
        if arg.get_action().takes_values() { candidates.collect() } else { Vec::new() };
    Completion { candidates, known, prefix: String::new() }
}

fn line(text: Option<&clap::builder::StyledStr>) -> String {
    let text = text.map(ToString::to_string).unwrap_or_default();
    text.lines().next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verbs_of_the_project_are_completed_and_win() {
        let own = [("greet", "Say hello"), ("check", "Ours")];
        let complete = |line: &str| {
            let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
            complete_with(&own, &crate::flags::tree::tree(), &words).candidates
        };
        let pair = |name: &str, help: &str| (name.to_owned(), help.to_owned());
        assert_eq!(complete("gre"), [pair("greet", "Say hello")]);
        assert_eq!(complete("greet "), []);
        assert_eq!(
            complete("check"),
            [pair("check-fast", "Check the packages that changed"), pair("check", "Ours"),]
        );
        assert_eq!(complete("check --"), []);
        assert_eq!(complete("clippy --loc"), [pair("--locked", "as cargo has it")]);
    }
}

//! What can follow on a command line of `cargo xtask`, and the scripts by which shells ask.
//!
//! The scripts hold no verb and no option: a shell has one for all repositories, and each
//! repository has an xtask of its own.

use clap::{Arg, Command};

pub(crate) const BASH: &str = include_str!("cargo-xtask.bash");
pub(crate) const ZSH: &str = include_str!("cargo-xtask.zsh");
pub(crate) const FISH: &str = include_str!("cargo-xtask.fish");

/// What can stand where the cursor is. Nothing at all means that a shell may offer files.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Completion {
    /// With a line about each.
    pub(crate) candidates: Vec<(String, String)>,
    /// What besides, and only the workspace knows.
    pub(crate) known: Option<Known>,
    /// What stands before it in the same word: `--package=`.
    pub(crate) prefix: String,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Known {
    Packages,
    Worktrees,
}

/// `words` are those behind `xtask`; the last one is being typed, and may be empty. `root` has been
/// built.
pub(crate) fn complete(root: &Command, words: &[String]) -> Completion {
    let Some((typed, before)) = words.split_last() else { return Completion::default() };
    let mut command = root;
    let mut path = Vec::new();
    let mut positional = 0;
    let mut waiting: Option<&Arg> = None;
    for word in before {
        if waiting.is_some() {
            // bash makes three words of `--package=notes`.
            if word != "=" {
                waiting = None;
            }
        } else if word == "--" {
            return Completion::default();
        } else if word.starts_with('-') {
            waiting = option(command, word).filter(|option| option.get_action().takes_values());
        } else if let Some(verb) = command.find_subcommand(word) {
            command = verb;
            path.push(verb.get_name());
        } else {
            positional += 1;
        }
    }
    // What follows is cargo's.
    if path == ["cargo"] {
        return Completion::default();
    }

    let mut completion = match waiting {
        Some(option) => values(option, &path),
        None => match typed.split_once('=') {
            Some((name, _)) if name.starts_with("--") => Completion {
                prefix: format!("{name}="),
                ..option(command, name).map(|option| values(option, &path)).unwrap_or_default()
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

fn option<'a>(command: &'a Command, word: &str) -> Option<&'a Arg> {
    command.get_arguments().find(|option| match word.strip_prefix("--") {
        Some(name) => option.get_long() == Some(name),
        None => option
            .get_short()
            .is_some_and(|short| word.strip_prefix('-') == Some(&short.to_string())),
    })
}

/// But for those that have been given and mean no more the second time.
fn options(command: &Command, before: &[String]) -> Completion {
    let candidates =
        command.get_arguments().filter(|option| !option.is_hide_set()).filter_map(|option| {
            let name = match (option.get_long(), option.get_short()) {
                (Some(long), _) => format!("--{long}"),
                (None, Some(short)) => format!("-{short}"),
                (None, None) => return None,
            };
            let again =
                matches!(option.get_action(), clap::ArgAction::Append | clap::ArgAction::Count);
            (again || !before.contains(&name)).then(|| (name, line(option.get_help())))
        });
    Completion { candidates: candidates.collect(), ..Completion::default() }
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
    // `true` and `false` of a switch are nothing that anybody types.
    let candidates =
        if arg.get_action().takes_values() { candidates.collect() } else { Vec::new() };
    Completion { candidates, known, prefix: String::new() }
}

fn line(text: Option<&clap::builder::StyledStr>) -> String {
    let text = text.map(ToString::to_string).unwrap_or_default();
    text.lines().next().unwrap_or_default().to_owned()
}

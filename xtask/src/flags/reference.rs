//! `docs/cli.md`, written from the flags. Only the test below is ever compiled of it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use clap::{Arg, Command, CommandFactory as _};

use super::Xtask;

/// What stands in several verbs is described once, at the end.
const SEVERAL: usize = 3;

#[test]
fn cli_md_describes_the_command_line() {
    expect_test::expect_file!["../../../docs/cli.md"].assert_eq(&reference());
}

fn reference() -> String {
    let mut root = Xtask::command();
    root.build();
    let mut verbs = Vec::new();
    collect(&root, &mut verbs);

    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for option in verbs.iter().flat_map(|verb| options(verb)) {
        *counts.entry(entry(option)).or_default() += 1;
    }
    let is_common = |option: &Arg| counts[&entry(option)] >= SEVERAL;
    let mut common: Vec<(&str, Vec<&Arg>)> = Vec::new();
    for option in verbs.iter().flat_map(|verb| options(verb)).filter(|option| is_common(option)) {
        let group = match common.iter_mut().find(|(heading, _)| *heading == heading_of(option)) {
            Some((_, group)) => group,
            None => {
                common.push((heading_of(option), Vec::new()));
                &mut common.last_mut().expect("just pushed").1
            }
        };
        if !group.iter().any(|known| entry(known) == entry(option)) {
            group.push(option);
        }
    }

    let mut text = format!(
        "# The command line\n\n{}\n\n<!-- of the template alone -->\nWritten from the program's own help; to write it anew:\n\n```sh\n\
         UPDATE_EXPECT=1 cargo xtask test --package xtask cli_md\n```\n<!-- end -->\n",
        paragraphs(&root)
    );
    let after = root.get_after_help().map(ToString::to_string).unwrap_or_default();
    write!(text, "\n```text\n{after}\n```\n").expect("a string takes everything");
    for verb in &verbs {
        describe(&mut text, verb, &common).expect("a string takes everything");
    }
    text.push_str("\n## Options of several verbs\n");
    for (heading, group) in &common {
        write!(text, "\n### {heading}\n\n").expect("a string takes everything");
        group.iter().for_each(|option| text.push_str(&entry(option)));
    }
    text
}

/// The verbs that do something, in the order of the help.
fn collect<'a>(command: &'a Command, verbs: &mut Vec<&'a Command>) {
    for verb in command.get_subcommands().filter(|verb| !verb.is_hide_set() && verb.get_name() != "help") {
        if verb.has_subcommands() {
            collect(verb, verbs);
        } else {
            verbs.push(verb);
        }
    }
}

fn describe(text: &mut String, verb: &Command, common: &[(&str, Vec<&Arg>)]) -> std::fmt::Result {
    let name = verb.get_bin_name().unwrap_or(verb.get_name());
    let usage = verb.clone().render_usage().to_string();
    write!(text, "\n## {name}\n\n{}\n\n", paragraphs(verb))?;
    writeln!(text, "```text\n{}\n```", usage.trim_start_matches("Usage: "))?;

    let is_common = |option: &Arg| {
        common.iter().any(|(_, group)| group.iter().any(|known| entry(known) == entry(option)))
    };
    let own: String = options(verb).filter(|option| !is_common(option)).map(entry).collect();
    if !own.is_empty() {
        write!(text, "\n{own}")?;
    }
    let mut shared = Vec::new();
    for (heading, group) in common {
        let has = |known: &&&Arg| options(verb).any(|option| entry(option) == entry(known));
        let present: Vec<&&Arg> = group.iter().filter(has).collect();
        if present.len() == group.len() && present.len() > 1 {
            shared.push(format!("[{heading}](#{})", heading.to_lowercase().replace(' ', "-")));
        } else {
            shared.extend(present.iter().map(|option| format!("`{}`", name_of(option))));
        }
    }
    if !shared.is_empty() {
        writeln!(text, "\nBesides: {}.", shared.join(", "))?;
    }
    Ok(())
}

/// But for `--help`, which all have.
fn options(verb: &Command) -> impl Iterator<Item = &Arg> {
    verb.get_arguments().filter(|option| !option.is_hide_set() && option.get_id() != "help")
}

fn heading_of(option: &Arg) -> &str {
    option.get_help_heading().unwrap_or("Options")
}

fn name_of(option: &Arg) -> String {
    match (option.get_long(), option.get_short()) {
        (Some(long), _) => format!("--{long}"),
        (None, Some(short)) => format!("-{short}"),
        (None, None) => option.to_string(),
    }
}

/// One line of a list: `-p, --package <SPEC>`, and what it is for.
fn entry(option: &Arg) -> String {
    let short = match (option.get_short(), option.get_long()) {
        (Some(short), Some(_)) => format!("-{short}, "),
        _ => String::new(),
    };
    let help = option.get_long_help().or(option.get_help()).map(ToString::to_string).unwrap_or_default();
    let mut more = String::new();
    if option.get_action().takes_values() {
        let names: Vec<String> =
            option.get_possible_values().iter().map(|value| format!("`{}`", value.get_name())).collect();
        if !names.is_empty() {
            let _ = write!(more, " ({})", names.join(", "));
        }
        for value in option.get_default_values() {
            let _ = write!(more, " [default: {}]", value.to_string_lossy());
        }
    }
    let help = help.split("\n\n").map(|part| part.replace('\n', " ")).collect::<Vec<_>>().join(". ");
    let colon = if help.is_empty() { "" } else { ": " };
    format!("- `{short}{option}`{colon}{help}{more}\n")
}

fn paragraphs(command: &Command) -> String {
    let text = command.get_long_about().or(command.get_about()).map(ToString::to_string).unwrap_or_default();
    text.split('\n').map(str::trim_end).collect::<Vec<_>>().join("\n")
}

//! `docs/cli.md`, written from the help of the engine and the tools. Compiled for its test alone.

use std::fmt::Write as _;

use clap::{Arg, Command};

use super::tree::tree;

#[test]
fn cli_md_describes_the_command_line() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/cli.md");
    expect_test::expect_file![page].assert_eq(&reference());
}

/// Options that would be said over and over.
const COMMON: [(&str, &str); 12] = [
    ("--dry-run", "Print what would be done, don't do it"),
    ("--json", "Print JSON"),
    ("-q, --quiet", "Print nothing but errors"),
    ("-y, --yes", "Do not ask"),
    ("--affected", "Only the packages that changed, as `check-fast` finds them"),
    ("--dependents", "Add the packages that depend on the changed ones"),
    ("--base <REV>", "Compare with the merge base of this commit instead of the main branch's"),
    ("--new", "Make the worktree if there is none, as `lane new` does"),
    ("--worktree", "Only a worktree; fail if there is none"),
    ("--agent", "An agent in the current directory, even if there is such a worktree"),
    (
        "--engine <PATH|URL>",
        "Depend on this engine: the path of a clone, or a git URL with `#` and a revision",
    ),
    ("--allow-dirty", "Change a tree with uncommitted changes"),
];

fn reference() -> String {
    let root = tree();
    let environment = root.get_after_help().map(ToString::to_string).unwrap_or_default();
    let common: String =
        COMMON.iter().map(|(name, help)| format!("- `{name}`: {help}\n")).collect();
    let mut text = format!(
        "# The command line\n\n{}\n\nThe same for `cargo multilane`. This page is written from the \
         program's own help, by a test:\n\n```sh\nUPDATE_EXPECT=1 cargo test --manifest-path \
         multilane/tools/Cargo.toml cli_md\n```\n\n```text\n{environment}\n```\n\nSeveral verbs have these, and name them alone:\n\n{common}",
        paragraphs(&root)
    );
    describe_all(&mut text, &root);
    text
}

/// The verbs that do something, in the order of the help.
fn describe_all(text: &mut String, parent: &Command) {
    for verb in parent.get_subcommands().filter(|verb| !verb.is_hide_set()) {
        // `lane bench` does something itself, and has a subcommand.
        if !verb.has_subcommands() || !verb.is_subcommand_required_set() {
            let bin = parent.get_bin_name().unwrap_or_default();
            describe(text, bin, verb).expect("a string takes everything");
        }
        describe_all(text, verb);
    }
}

fn describe(text: &mut String, bin: &str, verb: &Command) -> std::fmt::Result {
    let line = format!("{bin} {}", verb.get_name());
    let (_, heading) = line.split_once(" xtask ").unwrap_or_default();
    write!(text, "\n## {heading}\n\n{}\n", paragraphs(verb))?;
    let usage = verb.clone().render_usage().to_string();
    // It has the whole line, or begins with the name of the verb.
    let usage = [&line, verb.get_name()].iter().find_map(|name| Some(usage.split_once(name)?.1));
    let usage = usage.unwrap_or_default();
    let is_usual = usage.trim() == "[OPTIONS] [CARGO OPTIONS] [-- ARGS]";
    // One argument is in the list of options.
    let words = usage.split(' ').filter(|word| !["", "[OPTIONS]"].contains(word)).count();
    if !is_usual && (words > 1 || usage.contains('|')) {
        write!(text, "\n```text\n{line}{usage}\n```\n")?;
    }
    let entries: Vec<String> = verb
        .get_arguments()
        .filter(|option| !option.is_hide_set() && option.get_id() != "help")
        .map(entry)
        .collect();
    let name_of_common = |line: &String| {
        let is_it = |(name, help): &&(&str, &str)| *line == format!("- `{name}`: {help}\n");
        COMMON.iter().find(is_it).map(|(name, _)| format!("`{name}`"))
    };
    let common: Vec<String> = entries.iter().filter_map(name_of_common).collect();
    let mut options: String =
        entries.into_iter().filter(|line| name_of_common(line).is_none()).collect();
    if !common.is_empty() {
        options += &format!("- {}\n", common.join(", "));
    }
    if options.is_empty() { Ok(()) } else { write!(text, "\n{options}") }
}

/// One line of a list: `-p, --package <SPEC>`, and what it is for.
fn entry(option: &Arg) -> String {
    let short = match (option.get_short(), option.get_long()) {
        (Some(short), Some(_)) => format!("-{short}, "),
        _ => String::new(),
    };
    let help = option.get_long_help().or(option.get_help());
    let help = help.map(ToString::to_string).unwrap_or_default().replace('\n', " ");
    let mut more = String::new();
    if option.get_action().takes_values() {
        let values = option.get_possible_values();
        let names: Vec<String> =
            values.iter().map(|value| format!("`{}`", value.get_name())).collect();
        if !names.is_empty() {
            more += &format!(" ({})", names.join(", "));
        }
        for value in option.get_default_values() {
            more += &format!(" [default: {}]", value.to_string_lossy());
        }
    }
    format!("- `{short}{option}`: {help}{more}\n")
}

fn paragraphs(command: &Command) -> String {
    let text = command.get_long_about().or(command.get_about());
    text.map(ToString::to_string).unwrap_or_default()
}

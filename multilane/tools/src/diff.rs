//! Unified diffs, for what `--dry-run` shows, and the question before something is changed.

use std::io::IsTerminal as _;

use multilane_engine::ui::data;
use similar::{ChangeTag, TextDiff};

/// What turns `old` into `new`, in git's form. `path` is relative to the root of the workspace; an
/// empty text is a file that does not exist.
pub(crate) fn unified(path: &str, old: &str, new: &str) -> String {
    let name = |side: char, text: &str| match text {
        "" => "/dev/null".to_owned(),
        _ => format!("{side}/{path}"),
    };
    let diff = TextDiff::from_lines(old, new);
    diff.unified_diff().header(&name('a', old), &name('b', new)).to_string()
}

/// The lines that differ alone, below the name of the file.
pub(crate) fn changed(path: &str, old: &str, new: &str) -> String {
    let diff = TextDiff::from_lines(old, new);
    let lines = diff.iter_all_changes().filter(|line| line.tag() != ChangeTag::Equal);
    let lines: String = lines.map(|line| format!("{}{line}", line.tag())).collect();
    format!("--- a/{path}\n+++ b/{path}\n{lines}")
}

/// Prints a unified diff as data, coloured on a terminal.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    if !std::io::stdout().is_terminal() {
        return data(text.trim_end_matches('\n'));
    }
    let paint = |line: &str| match line.as_bytes() {
        [b'+', b'+', b'+', ..] | [b'-', b'-', b'-', ..] => format!("\x1b[1m{line}\x1b[0m\n"),
        [b'+', ..] => format!("\x1b[32m{line}\x1b[0m\n"),
        [b'-', ..] => format!("\x1b[31m{line}\x1b[0m\n"),
        [b'@', ..] => format!("\x1b[36m{line}\x1b[0m\n"),
        _ => format!("{line}\n"),
    };
    data(text.lines().map(paint).collect::<String>().trim_end_matches('\n'))
}

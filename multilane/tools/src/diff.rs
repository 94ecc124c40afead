//! Unified diffs, for what `--dry-run` shows.

use similar::TextDiff;

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

//! Unified diffs, for what `--dry-run` shows.

use diffy::DiffOptions;

/// What turns `old` into `new`, in git's form. `path` is relative to the root of the workspace; an
/// empty text is a file that does not exist.
pub(crate) fn unified(path: &str, old: &str, new: &str) -> String {
    let name = |side: char, text: &str| match text {
        "" => "/dev/null".to_owned(),
        _ => format!("{side}/{path}"),
    };
    DiffOptions::new()
        .set_original_filename(name('a', old))
        .set_modified_filename(name('b', new))
        .create_patch(old, new)
        .to_string()
}

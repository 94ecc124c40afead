//! What `setup` has done in a clone, so that `setup --remove` takes back that and nothing else.

use std::path::PathBuf;

use anyhow::Context as _;
use multilane_engine::files;
use multilane_engine::project::git_dir::Common;
use serde::{Deserialize, Serialize};

/// `<git common dir>/multilane/setup.json`. A field that is missing means that nothing was done.
#[derive(Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub(super) struct Record {
    /// The texts that were added to `info/exclude`.
    pub(super) excluded: Vec<String>,
    /// `info/exclude` did not exist.
    pub(super) made_exclude_file: bool,
    /// `.cargo/config.toml` was written, in each worktree.
    pub(super) config: bool,
    /// The compiler wrapper was written, in each worktree.
    pub(super) wrapper: bool,
    /// The hook was installed.
    pub(super) hook: bool,
    /// The program that the hook calls was not there.
    pub(super) program: bool,
}

impl Record {
    /// The one of this clone; empty where `setup` was not run.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, or is not one of ours.
    pub(super) fn read(common: &Common) -> anyhow::Result<Record> {
        let path = path(common);
        match files::read(&path) {
            Err(err) if err.kind() == std::io::ErrorKind::NotFound => Ok(Record::default()),
            text => serde_json::from_slice(&text?)
                .with_context(|| format!("cannot parse {}", path.display())),
        }
    }

    /// Writes the file; an empty record has none.
    pub(super) fn write(&self, common: &Common) -> anyhow::Result<()> {
        let path = path(common);
        let written = if *self == Record::default() {
            files::remove_own_file(&path)
        } else {
            files::provide(&path, &(serde_json::to_string_pretty(self)? + "\n")).map(drop)
        };
        written.with_context(|| format!("cannot write {}", path.display()))
    }
}

/// The text to add to an `info/exclude` that holds `old`, for these lines.
pub(super) fn addition(old: &str, lines: &[String]) -> String {
    const HEADING: &str = "# multilane: added by `setup`, removed by `setup --remove`.";
    let newline = if old.is_empty() || old.ends_with('\n') { "" } else { "\n" };
    format!("{newline}{HEADING}\n{}\n", lines.join("\n"))
}

/// `info/exclude` without what was added; `None` where that is not in it as it was written.
pub(super) fn without(addition: &str, now: &str) -> Option<String> {
    let (before, after) = now.split_once(addition)?;
    let newline = if after.is_empty() || !addition.starts_with('\n') { "" } else { "\n" };
    Some(format!("{before}{newline}{after}"))
}

fn path(common: &Common) -> PathBuf {
    common.dir.join("setup.json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exclude_file_is_as_it_was() {
        let lines = ["/target/".to_owned(), "/.lanes/".to_owned()];
        for old in ["", "# git's own\n", "/notes\n/other"] {
            let added = addition(old, &lines);
            let now = format!("{old}{added}");
            assert!(now.contains("\n/target/\n/.lanes/\n"), "{now}");
            assert_eq!(without(&added, &now).as_deref(), Some(old));
            // Others have added a line since.
            let later = without(&added, &format!("{now}/later\n")).expect("it is there");
            assert!(later.starts_with(old) && later.lines().any(|line| line == "/later"));
            assert_eq!(without(&added, old), None);
        }
    }
}

//! What git says about the checkout. Each question has a time limit.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::doctor::toolchain::first_line;
use crate::process::{Answer, Asker, Silence};

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Git {
    /// `2.47.3`, or why git cannot be used.
    pub(crate) version: Option<Result<String, String>>,
    /// The checkout that the workspace is in, or why git knows none.
    pub(crate) top: Option<Result<PathBuf, String>>,
    /// `git worktree list --porcelain -z`, or why it fails.
    pub(crate) list: Option<Result<String, String>>,
    /// `core.hooksPath`
    pub(crate) hooks_path: Option<String>,
    /// Whether git ignores what is in `.lanes`.
    pub(crate) ignores_lanes: bool,
    /// Those of [`OF_THE_MACHINE`] that are committed.
    pub(crate) tracked: Vec<&'static str>,
}

/// Files and folders that belong to one machine.
const OF_THE_MACHINE: [&str; 3] = [".lanes", ".cargo/local.toml", ".cargo/wrapper"];

pub(crate) fn read(asker: &Asker<'_>, root: &Path) -> Git {
    let version = match git(asker, &["--version"], root) {
        Ok(answer) => match answer.stdout.strip_prefix("git version ") {
            Some(version) => Ok(version.split_whitespace().next().unwrap_or_default().to_owned()),
            None => Err("does not answer as git does".to_owned()),
        },
        Err(silence) => Err(silence.to_string()),
    };
    if version.is_err() {
        return Git { version: Some(version), ..Git::default() };
    }
    let told = |args: &[&str]| match git(asker, args, root) {
        Ok(answer) if answer.success => Ok(answer.stdout),
        Ok(answer) => Err(first_line(&answer.stderr).trim_start_matches("fatal: ").to_owned()),
        Err(silence) => Err(silence.to_string()),
    };
    let top = told(&["rev-parse", "--show-toplevel"])
        .map(|top| PathBuf::from(top.trim_end_matches('\n')));
    if top.is_err() {
        return Git { version: Some(version), top: Some(top), ..Git::default() };
    }
    let tracked =
        told(&[&["ls-files", "-z", "--"], &OF_THE_MACHINE[..]].concat()).unwrap_or_default();
    let is_tracked =
        |name: &&str| tracked.split('\0').any(|file| Path::new(file).starts_with(name));
    let hooks_path = told(&["config", "--type=path", "--get", "core.hooksPath"]).ok();
    Git {
        version: Some(version),
        top: Some(top),
        list: Some(told(&["worktree", "list", "--porcelain", "-z"])),
        hooks_path: hooks_path.map(|path| path.trim_end_matches('\n').to_owned()),
        ignores_lanes: git(asker, &["check-ignore", "--quiet", ".lanes/x"], root)
            .is_ok_and(|answer| answer.success),
        tracked: OF_THE_MACHINE.into_iter().filter(is_tracked).collect(),
    }
}

fn git(asker: &Asker<'_>, args: &[&str], dir: &Path) -> Result<Answer, Silence> {
    const LIMIT: Duration = Duration::from_secs(5);
    asker.ask("git", args, dir, LIMIT)
}

//! What git says of the repository's worktrees.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};

use super::Project;
use crate::process::Shell;

pub fn git(project: &Project, args: &[&str]) -> anyhow::Result<String> {
    let output = project.sh.read("git", args, &project.repo.root)?;
    Ok(String::from_utf8_lossy(&output).trim().to_owned())
}

/// The checkout that the workspace is in.
pub fn top(project: &Project) -> anyhow::Result<PathBuf> {
    checkout_of(project, &project.repo.root)
}

pub fn checkout_of(project: &Project, root: &Path) -> anyhow::Result<PathBuf> {
    let top = project
        .sh
        .read("git", ["rev-parse", "--show-toplevel"], root)
        .context("worktrees need a git checkout")?;
    Ok(PathBuf::from(String::from_utf8_lossy(&top).trim()))
}

/// The checkouts of the repository, at least one, the main one first, as git has them.
pub fn checkouts(project: &Project) -> anyhow::Result<Vec<PathBuf>> {
    let list = worktree_list(&project.sh, &project.repo.root)?;
    let tops = list.split('\0').filter_map(|line| line.strip_prefix("worktree "));
    let tops: Vec<PathBuf> = tops.map(PathBuf::from).collect();
    if tops.is_empty() { bail!("git lists no worktree") } else { Ok(tops) }
}

/// git's list of the repository's worktrees, as `--porcelain -z` has it.
///
/// git gives none while somebody makes a further worktree, from the moment that this one has its
/// `commondir` until something is in it. So it is asked again until it does; for good only an
/// accident leaves that file empty.
pub fn worktree_list(sh: &Shell, root: &Path) -> anyhow::Result<String> {
    const ROUNDS_MAX: u32 = 50;
    const PAUSE: Duration = Duration::from_millis(10);
    for _ in 1..ROUNDS_MAX {
        match try_worktree_list(sh, root) {
            Err(err) if err.to_string().contains("/commondir") => std::thread::sleep(PAUSE),
            result => return result,
        }
    }
    try_worktree_list(sh, root)
}

fn try_worktree_list(sh: &Shell, root: &Path) -> anyhow::Result<String> {
    let list = sh.read("git", ["worktree", "list", "--porcelain", "-z"], root)?;
    Ok(String::from_utf8_lossy(&list).into_owned())
}

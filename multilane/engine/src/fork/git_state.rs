//! Whether git would say the same in two trees.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::files;
use crate::lanes::git_asked::Asked;
use crate::process::Shell;
use crate::project::git_dir;
use crate::units::Place;

/// What git says in the donor's tree and in ours.
#[derive(Debug, Default)]
pub struct Git {
    /// Since when it would give the same answer to all questions; `None` where it may give
    /// another.
    pub same_since: Option<SystemTime>,
    /// The same of what does not depend on which branches there are.
    pub same_commit_since: Option<SystemTime>,
    /// What it was asked in the donor's builds.
    pub asked: Asked,
}

impl Git {
    /// Of the two trees, and of the other `repositories` with sources of theirs.
    pub(super) fn read(
        sh: &Shell,
        donor: &Place,
        own: &Place,
        repositories: &BTreeSet<PathBuf>,
    ) -> Git {
        let asked = Asked::read(&donor.lane, &donor.root);
        let dirs = [Path::new("")].into_iter().chain(repositories.iter().map(PathBuf::as_path));
        let same: Option<Vec<Same>> =
            dirs.map(|dir| Same::of(sh, &donor.root.join(dir), &own.root.join(dir))).collect();
        let Some(same) = same else { return Git { asked, ..Git::default() } };
        let since: Option<Vec<SystemTime>> = same.iter().map(|same| same.since).collect();
        Git {
            same_since: since.and_then(|since| since.into_iter().max()),
            same_commit_since: same.iter().map(|same| same.commit_since).max(),
            asked,
        }
    }
}

/// Of one repository.
struct Same {
    commit_since: SystemTime,
    since: Option<SystemTime>,
}

impl Same {
    /// `None` where git says something else, or may do so, or where there is no git.
    fn of(sh: &Shell, donors: &Path, own: &Path) -> Option<Same> {
        const OF_BRANCHES: [&str; 3] = ["heads", "remotes", "stash"];
        let [donors_top, own_top] = [git_dir::checkout(donors)?, git_dir::checkout(own)?];
        let [donors_dir, own_dir] = [git_dir::git_dir(donors_top)?, git_dir::git_dir(own_top)?];
        let common = git_dir::git_common_dir(donors_top)?;
        let is_same = |name: &str| {
            files::read(donors_dir.join(name)).ok() == files::read(own_dir.join(name)).ok()
        };
        if donors_top != own_top {
            // In reftables, no file has the name of a branch.
            let index = |dir| sh.read("git", ["ls-files", "--stage", "-v", "-z", ":/"], dir).ok();
            if git_dir::git_common_dir(own_top)? != common
                || common.join("reftable").exists()
                || !is_same("config.worktree")
                || !(is_same("HEAD") || git_dir::commit(donors_top)? == git_dir::commit(own_top)?)
                || index(donors)? != index(own)?
            {
                return None;
            }
        }
        // Even who only asks may have the index written anew, with what it had said before.
        let is_staged =
            sh.read("git", ["diff-index", "--cached", "--exit-code", "HEAD"], donors).is_err();
        let of_worktree =
            ["FETCH_HEAD", "HEAD", "ORIG_HEAD", "logs/HEAD", "config.worktree", "reftable"];
        // How long an abbreviation is depends on how many objects there are in packs.
        let shared = ["config", "info", "objects/pack", "packed-refs", "reftable", "shallow"];
        let mut files: Vec<PathBuf> = of_worktree.map(|name| donors_dir.join(name)).into();
        files.extend(shared.map(|name| common.join(name)));
        files.extend(is_staged.then(|| donors_dir.join("index")));
        // What the user and the machine have configured, and what that names.
        let list = ["config", "--includes", "--list", "--show-origin", "--name-only", "-z"];
        let origins = sh.read("git", list, donors).ok()?;
        let origins = String::from_utf8_lossy(&origins).into_owned();
        let origins = origins.split('\0').filter_map(|origin| origin.strip_prefix("file:"));
        files.extend(origins.map(|file| donors_top.join(file)));
        const NAMING: &str = "^(core[.](excludesfile|attributesfile)|mailmap[.]file)$";
        let named = ["config", "--type=path", "-z", "--get-regexp", NAMING];
        let named = sh.read("git", named, donors).unwrap_or_default(); // It fails where there is none.
        let named = named.split(|byte| *byte == 0).filter_map(|entry| {
            entry.iter().position(|byte| *byte == b'\n').map(|at| files::path_of(&entry[at + 1..]))
        });
        files.extend(named.map(|file| donors_top.join(file)));
        let refs = [&donors_dir, &common].map(|dir| dir.join("refs"));
        for dir in &refs {
            let names = files::names(dir).filter(|name| !OF_BRANCHES.contains(&name.as_str()));
            files.extend(names.map(|name| dir.join(name)));
        }
        let head = files::read_text(donors_dir.join("HEAD")).ok()?;
        files.extend(head.trim().strip_prefix("ref: ").map(|branch| common.join(branch)));
        let commit_since = last_change(files)?;
        // Of two worktrees, a branch can be checked out in one alone.
        let branches_since = if is_same("HEAD") { last_change(refs.into()) } else { None };
        Some(Same { commit_since, since: branches_since.map(|since| since.max(commit_since)) })
    }
}

/// When these files were last written, or what is in these directories. `None` where nothing is
/// there, or too much.
fn last_change(mut ahead: Vec<PathBuf>) -> Option<SystemTime> {
    const FILES_MAX: usize = 20_000;
    let (mut count, mut last) = (0, None);
    while let Some(path) = ahead.pop() {
        let Ok(meta) = path.metadata() else { continue };
        last = last.max(meta.modified().ok()).max(files::changed(&path));
        if meta.is_dir() {
            ahead.extend(files::names(&path).map(|name| path.join(name)));
        }
        count += 1;
        if count > FILES_MAX {
            return None;
        }
    }
    last
}

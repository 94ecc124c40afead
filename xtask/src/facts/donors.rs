//! From which lanes another can be forked: those of all worktrees, found by looking.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::effects::shell::Shell;
use crate::facts::lanes::{self, Found};
use crate::facts::repo::Repo;
use crate::facts::units::{self, Place};
use crate::plan::lane::lockfile_hash;

/// A lane in which something is built, and what is known without reading its units.
#[derive(Debug)]
pub(crate) struct Donor {
    pub(crate) place: Place,
    /// The commit of its tree.
    pub(crate) commit: Option<String>,
    /// SHA-256 of its tree's lockfile; empty where there is none.
    pub(crate) lockfile: String,
    /// What cargo keeps of rustc's answers there.
    pub(crate) rustc_info: String,
    /// How many units it has, complete or not.
    pub(crate) units: usize,
}

/// All of the repository, but `own`.
pub(crate) fn find(sh: &Shell, repo: &Repo, target_dir: &Path, own: &Path) -> Vec<Donor> {
    let places = lanes::places(sh, repo, target_dir).into_iter();
    let places: Vec<Found> = places.filter(|place| place.dir != own && units::has_any(&place.dir)).collect();
    let commits = if places.is_empty() { HashMap::new() } else { commits(sh, &repo.root) };
    let donor = |found: Found| {
        let commit = commits.get(&found.worktree).cloned();
        Donor { commit, ..Donor::at(Place::new(found.root, found.dir)) }
    };
    places.into_iter().map(donor).collect()
}

impl Donor {
    /// A lane that is named, of whatever commit.
    pub(crate) fn at(place: Place) -> Donor {
        let lockfile = std::fs::read(place.root.join("Cargo.lock"));
        Donor {
            commit: None,
            lockfile: lockfile.map(|bytes| lockfile_hash(&bytes)).unwrap_or_default(),
            rustc_info: std::fs::read_to_string(place.lane.join(".rustc_info.json")).unwrap_or_default(),
            units: units::count(&place.lane),
            place,
        }
    }
}

/// The commit of each worktree.
fn commits(sh: &Shell, root: &Path) -> HashMap<PathBuf, String> {
    let list = lanes::worktree_list(sh, root).unwrap_or_default();
    let worktrees = list.split("\0\0").filter_map(|record| {
        let field = |name: &str| record.split('\0').find_map(|line| line.strip_prefix(name));
        Some((PathBuf::from(field("worktree ")?), field("HEAD ")?.to_owned()))
    });
    worktrees.collect()
}

/// The commit of a tree.
pub(crate) fn commit(sh: &Shell, root: &Path) -> Option<String> {
    let commit = sh.read("git", ["rev-parse", "--verify", "--quiet", "HEAD"], root).ok()?;
    Some(String::from_utf8(commit).ok()?.trim().to_owned())
}

/// Since when a tree has the commit that it has, by git's log of it.
pub(crate) fn commit_since(sh: &Shell, root: &Path) -> Option<SystemTime> {
    let log = sh.read("git", ["rev-parse", "--git-path", "logs/HEAD"], root).ok()?;
    let log = root.join(String::from_utf8(log).ok()?.trim());
    log.metadata().ok()?.modified().ok()
}

//! From which lanes another can be forked: those of all worktrees, found by looking.

use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::files;
use crate::lanes::list::Found;
use crate::lanes::{list, lockfile_hash};
use crate::process::Shell;
use crate::project::cargo_config::CargoConfig;
use crate::project::root::Repo;
use crate::units;
use crate::units::{Layout, Place};

/// A lane in which something is built, and what is known without reading its units.
#[derive(Debug)]
pub struct Donor {
    pub place: Place,
    /// The commit of its tree.
    pub commit: Option<String>,
    /// SHA-256 of its tree's lockfile; empty where there is none.
    pub lockfile: String,
    /// What cargo keeps of rustc's answers there.
    pub rustc_info: String,
    /// How many units it has, complete or not.
    pub units: usize,
}

/// From what a lane can be forked.
#[derive(Debug)]
pub struct Donors {
    pub found: Vec<Donor>,
    /// The commit of the lane's own tree.
    pub own_commit: Option<String>,
    /// Whether that tree has other lanes in which something is built.
    pub own_tree_has_more: bool,
    /// The layout of the units that are wanted; `None` for any.
    pub layout: Option<Layout>,
    /// Why there are no others than these.
    pub problem: Option<String>,
}

/// All of the repository, but `own`.
pub(crate) fn find(sh: &Shell, repo: &Repo, target_dir: &Path, own: &Path) -> Donors {
    let (worktrees, refusal) = list::worktrees_or_why(sh, repo);
    let places = list::places(&worktrees, repo, target_dir).into_iter();
    let places = places.filter(|place| place.dir != own && units::has_any(&place.dir));
    let mut lockfiles = Lockfiles::default();
    let donor = |found: Found| {
        let Found { root, dir, commit, .. } = found;
        let lockfile = lockfiles.hash(&repo.lockfile_in(&root));
        Donor { commit, ..Donor::at(Place::new(root, dir), lockfile) }
    };
    let found: Vec<Donor> = places.map(donor).collect();
    Donors {
        own_commit: worktrees.first().and_then(|first| first.commit.clone()),
        problem: refusal.map(|err| why_no_worktrees(&format!("{err:#}"))),
        layout: None,
        own_tree_has_more: found.iter().any(|donor| donor.place.root == repo.root),
        found,
    }
}

/// In one line, from what git says.
fn why_no_worktrees(said: &str) -> String {
    // As for a tree of another owner, together with the command that permits it.
    let command = said.lines().map(str::trim).find(|line| line.contains("safe.directory "));
    match command {
        Some(command) => {
            format!("git refuses the tree, which has another owner; `{command}` permits it")
        }
        None => {
            format!("git does not list the worktrees: {}", said.lines().next().unwrap_or_default())
        }
    }
}

impl Donors {
    /// This one alone. What is known of it is not asked again.
    pub fn only(mut self, sh: &Shell, place: Place) -> Donors {
        self.found.retain(|donor| donor.place == place);
        if self.found.is_empty() {
            let commit = commit(sh, &place.root);
            self.found.push(Donor { commit, ..Donor::at(place, String::new()) });
        }
        self
    }
}

impl Donor {
    /// A lane that is named, of whatever commit.
    fn at(place: Place, lockfile: String) -> Donor {
        Donor {
            commit: None,
            lockfile,
            rustc_info: files::read_text(place.lane.join(".rustc_info.json")).unwrap_or_default(),
            units: units::count(&place.lane),
            place,
        }
    }
}

/// In most trees it is the same, and xtask is compiled without optimisation: each is hashed once.
#[derive(Default)]
struct Lockfiles(HashMap<Vec<u8>, String>);

impl Lockfiles {
    fn hash(&mut self, path: &Path) -> String {
        let Ok(bytes) = files::read(path) else { return String::new() };
        match self.0.get(&bytes) {
            Some(hash) => hash.clone(),
            None => self.0.entry(bytes).or_insert_with_key(|bytes| lockfile_hash(bytes)).clone(),
        }
    }
}

/// The commit of a tree.
fn commit(sh: &Shell, root: &Path) -> Option<String> {
    let commit = sh.read("git", ["rev-parse", "--verify", "--quiet", "HEAD"], root).ok()?;
    Some(String::from_utf8(commit).ok()?.trim().to_owned())
}

/// Since when cargo's `[env]` is the same in both trees; `None` where it differs.
pub(super) fn same_env_since(
    own: &CargoConfig,
    donors: &CargoConfig,
    donor_root: &Path,
) -> Option<SystemTime> {
    let texts = |config: &CargoConfig| {
        config.env_tables.iter().map(|(_, text)| text.clone()).collect::<Vec<_>>()
    };
    // One that was put back with its old time has been another one in between.
    let changed = |file: &Path| file.metadata().ok()?.modified().ok().max(files::changed(file));
    let files = donors.env_tables.iter().map(|(file, _)| changed(file));
    let newest = files.chain([Some(configuration_changed(donor_root))]).max().flatten();
    newest.filter(|_| texts(own) == texts(donors))
}

/// When a file of cargo's configuration may have come or gone. The wrapper's folder does not count.
fn configuration_changed(root: &Path) -> SystemTime {
    const APART_MAX: Duration = Duration::from_secs(1);
    let dir = root.join(".cargo");
    let Ok(changed) = dir.metadata().and_then(|meta| meta.modified()) else {
        return SystemTime::UNIX_EPOCH;
    };
    let wrapper = dir.join("wrapper").metadata().and_then(|meta| meta.created());
    let is_ours =
        wrapper.is_ok_and(|made| changed.duration_since(made).unwrap_or_default() < APART_MAX);
    if is_ours { SystemTime::UNIX_EPOCH } else { changed }
}

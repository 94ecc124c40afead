//! Which lanes there are: in every worktree of the repository, by looking. There is no register
//! that could go stale.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::files::parallel::in_parallel;
use crate::files::{self, OnDisk, lock};
use crate::json::Json;
use crate::lanes::KeyInputs;
use crate::lanes::occupy::{STAMP, lanes_dir_problem, lock_files};
use crate::process::Shell;
use crate::project::Project;
use crate::project::git_dir::{self, workspace_in};
use crate::project::root::Repo;
use crate::project::worktrees::worktree_list;

/// A lane as it lies on disk.
#[derive(Clone)]
pub struct Found {
    pub worktree: PathBuf,
    /// The commit of that worktree, as far as git has said.
    pub commit: Option<String>,
    /// The workspace root in that worktree.
    pub root: PathBuf,
    pub dir: PathBuf,
    /// `None` for the worktree's own lane.
    pub agent: Option<String>,
    pub key: Option<String>,
    /// `None` in the worktree's own lane, and where the stamp cannot be read.
    pub inputs: Option<KeyInputs>,
    /// What it takes on disk, in bytes; a file with several names in it is counted once.
    pub size: u64,
    pub price: Price,
    pub last_use: Option<SystemTime>,
    pub in_use: bool,
}

/// What comes of it if a lane goes alone.
#[derive(Clone, Copy, Debug, Default)]
pub struct Price {
    /// Bytes: a file that has a name elsewhere stays.
    pub frees: u64,
    /// The work to make that again: an estimate.
    pub seconds: f64,
}

impl Price {
    /// Seconds of work for a GiB of incremental caches (rust-lang/cargo#6229), and an estimate for
    /// the rest.
    pub const INCREMENTAL: f64 = 31.0;
    pub const REST: f64 = 600.0;
    /// The same of a lane of which another has the key: a fork brings all but what this one had of
    /// its own. An estimate.
    pub const FORKED: f64 = 20.0;

    pub fn time(self) -> Duration {
        Duration::from_secs_f64(self.seconds)
    }
}

/// A checkout of the repository.
#[derive(Clone)]
pub struct Worktree {
    top: PathBuf,
    /// The workspace root in it.
    pub root: PathBuf,
    /// `None` without git, and where nothing was committed yet.
    pub commit: Option<String>,
}

/// The lanes of these worktrees, first this one's, without their sizes, which take a walk.
pub fn places(worktrees: &[Worktree], repo: &Repo, target_dir: &Path) -> Vec<Found> {
    let own_dir = |worktree: &Worktree| match worktree.root == repo.root {
        true => target_dir.to_owned(),
        false => worktree.root.join("target"),
    };
    worktrees.iter().flat_map(|worktree| places_in(worktree, own_dir(worktree))).collect()
}

/// The lanes of all worktrees of the repository, as they are found.
pub fn all(project: &Project) -> Vec<Found> {
    let own_dir = super::choose::worktree_lane(project).dir;
    places(&worktrees(&project.sh, &project.repo), &project.repo, &own_dir)
}

/// The lanes of agents in this worktree.
pub fn of_agents(repo: &Repo) -> Vec<Found> {
    let worktree = Worktree::without_git(repo);
    let mut places = places_in(&worktree, PathBuf::new());
    places.retain(|place| place.agent.is_some());
    measured(places)
}

fn places_in(worktree: &Worktree, own_dir: PathBuf) -> Vec<Found> {
    let place = |dir: PathBuf, agent, key| {
        let inputs = files::read(dir.join(STAMP)).ok().and_then(|stamp| parse_stamp(&stamp));
        let Worktree { top: worktree, root, commit } = worktree.clone();
        // `measured` knows the rest.
        let (size, price, last_use, in_use) = (0, Price::default(), None, false);
        Found { worktree, commit, root, dir, agent, key, inputs, size, price, last_use, in_use }
    };
    let mut places = Vec::new();
    if own_dir.is_dir() {
        places.push(place(own_dir, None, None));
    }
    let lanes_dir = worktree.root.join(".lanes");
    if lanes_dir_problem(&lanes_dir).is_some() {
        return places;
    }
    for (agent, agent_dir) in directories(&lanes_dir) {
        for (key, dir) in directories(&agent_dir) {
            if dir.join(STAMP).is_file() {
                places.push(place(dir, Some(agent.clone()), Some(key)));
            }
        }
    }
    places
}

/// Notes which of them are in use.
pub fn note_use(places: &mut [Found]) {
    let locked = locked_inodes();
    for place in places {
        place.in_use = is_in_use(&place.dir, locked.as_ref());
    }
}

fn is_in_use(lane: &Path, locked: Option<&HashSet<u64>>) -> bool {
    lock_files(lane).iter().any(|file| is_locked(file, locked))
}

/// With their sizes.
pub fn measured(places: Vec<Found>) -> Vec<Found> {
    let locked = locked_inodes();
    let mut places = in_parallel(&places, |place| {
        let mut place = place.clone();
        place.in_use = is_in_use(&place.dir, locked.as_ref());
        place.measure();
        place
    });
    let keys: Vec<Option<String>> = places.iter().map(|place| place.key.clone()).collect();
    for place in places.iter_mut().filter(|place| place.key.is_some()) {
        if keys.iter().filter(|key| **key == place.key).count() > 1 {
            place.price.seconds = Price::FORKED * gib(place.price.frees);
        }
    }
    places
}

fn gib(bytes: u64) -> f64 {
    const GIB: f64 = (1_u64 << 30) as f64;
    bytes as f64 / GIB
}

/// The worktrees of the repository, this one first. Without git, this one alone.
pub fn worktrees(sh: &Shell, repo: &Repo) -> Vec<Worktree> {
    worktrees_or_why(sh, repo).0
}

/// The same, and why git has not told of the others.
pub fn worktrees_or_why(sh: &Shell, repo: &Repo) -> (Vec<Worktree>, Option<anyhow::Error>) {
    let Some(top) = git_dir::checkout(&repo.root) else {
        return (vec![Worktree::without_git(repo)], None);
    };
    match worktree_list(sh, &repo.root) {
        Ok(list) => (listed(repo, top, &list), None),
        Err(err) => (vec![Worktree::without_git(repo)], Some(err)),
    }
}

/// `top` is the checkout that the workspace is in; the list is git's.
pub fn listed(repo: &Repo, top: &Path, list: &str) -> Vec<Worktree> {
    // The workspace may be in a folder of the repository; then it is in the same one everywhere.
    let inside = repo.root.strip_prefix(top).unwrap_or(Path::new(""));
    let worktree = |record: &str| {
        let field = |name: &str| record.split('\0').find_map(|line| line.strip_prefix(name));
        let top = PathBuf::from(field("worktree ")?);
        Some(Worktree {
            root: workspace_in(&top, inside),
            top,
            commit: field("HEAD ").map(str::to_owned),
        })
    };
    let mut found: Vec<Worktree> =
        list.split("\0\0").filter_map(worktree).filter(|worktree| worktree.root.is_dir()).collect();
    found.sort_by_key(|worktree| worktree.root != repo.root);
    if found.first().is_none_or(|first| first.root != repo.root) {
        found.insert(0, Worktree { top: top.to_owned(), ..Worktree::without_git(repo) });
    }
    found
}

impl Worktree {
    fn without_git(repo: &Repo) -> Worktree {
        Worktree { top: repo.root.clone(), root: repo.root.clone(), commit: None }
    }
}

/// By name, without the hidden ones.
fn directories(dir: &Path) -> BTreeMap<String, PathBuf> {
    let named = |dir: PathBuf| (dir.file_name().unwrap_or_default().to_string_lossy().into(), dir);
    let dirs = files::subdirectories(dir).map(named);
    dirs.filter(|(name, _): &(String, _)| !name.starts_with('.')).collect()
}

fn parse_stamp(stamp: &[u8]) -> Option<KeyInputs> {
    let stamp = Json::read(stamp)?;
    let field = |name: &str| Some(stamp[name].as_str()?.to_owned());
    Some(KeyInputs {
        toolchain: field("toolchain")?,
        target: field("target")?,
        lockfile: field("lockfile")?,
        features: field("features")?,
        backend: field("backend").unwrap_or_default(), // A stamp from before there was a choice.
    })
}

impl Found {
    /// What it takes on disk, what goes with it, and when a file in it was last written.
    fn measure(&mut self) {
        // Files with more than one name: how many of them were seen.
        let mut shared: HashMap<Option<(u64, u64)>, u64> = HashMap::new();
        let dir = &self.dir;
        files::walk(dir, &mut |path, meta| {
            if meta.is_dir() {
                return;
            }
            self.last_use = self.last_use.max(meta.modified().ok());
            let OnDisk { id, links, bytes } = OnDisk::of(meta);
            let seen = match links {
                1 => 1,
                _ => {
                    let seen = shared.entry(id).or_default();
                    *seen += 1;
                    *seen
                }
            };
            self.size += if seen == 1 { bytes } else { 0 };
            if seen == links {
                let is_incremental = path.iter().any(|part| part == "incremental");
                let price = if is_incremental { Price::INCREMENTAL } else { Price::REST };
                self.price.frees += bytes;
                self.price.seconds += price * gib(bytes);
            }
        });
    }
}

/// Whether cargo was in this lane and has left it. `false` where only trying would tell: a cargo
/// that came at that moment would say that it waits.
pub fn was_left_by_cargo(lane: &Path) -> bool {
    let Some(locked) = locked_inodes() else { return false };
    let mut locks = lock_files(lane);
    locks.retain(|file| !file.ends_with(STAMP));
    !locks.is_empty() && !locks.iter().any(|file| is_locked(file, Some(&locked)))
}

/// The inodes on which somebody holds a lock, as the kernel lists them; asking it disturbs nobody.
/// `None` elsewhere.
fn locked_inodes() -> Option<HashSet<u64>> {
    // proc_locks(5): `1: FLOCK  ADVISORY  WRITE 1234 08:01:5678 0 EOF`
    let locks = files::read_text("/proc/locks").ok()?;
    let inode = |line: &str| {
        line.split_whitespace().find_map(|word| {
            word.rsplit_once(':')?.1.parse().ok().filter(|_| word.matches(':').count() == 2)
        })
    };
    Some(locks.lines().filter_map(inode).collect())
}

#[cfg(unix)]
fn is_locked(file: &Path, locked: Option<&HashSet<u64>>) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    match locked {
        Some(locked) => file.metadata().is_ok_and(|meta| locked.contains(&meta.ino())),
        None => is_locked_by_trying(file),
    }
}

#[cfg(not(unix))]
fn is_locked(file: &Path, _locked: Option<&HashSet<u64>>) -> bool {
    is_locked_by_trying(file)
}

/// Takes the lock for a moment.
fn is_locked_by_trying(file: &Path) -> bool {
    let file = files::open(std::fs::OpenOptions::new().read(true).write(true), file);
    file.is_ok_and(|file| matches!(lock::try_exclusive(&file), Ok(false)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::mutate::mutations;
    use crate::files::scratch::Scratch;

    #[test]
    fn a_lock_is_found_by_trying() {
        let scratch = Scratch::of_test("locked");
        let path = scratch.dir.join(STAMP);
        let file = std::fs::File::create(&path).expect("it can be written");
        assert!(!is_locked_by_trying(&path));
        assert!(lock::try_shared(&file).expect("it is free") && is_locked_by_trying(&path));
    }

    #[test]
    fn any_stamp_is_borne() {
        let stamp = br#"{"toolchain":"rustc 1.95.0","target":"t","lockfile":"l","features":"f"}"#;
        assert!(parse_stamp(stamp).is_some());
        mutations(stamp, |stamp| _ = parse_stamp(stamp));
    }
}

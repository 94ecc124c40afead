//! Lanes are made, entered and deleted here.
//!
//! Locks tell that a lane is in use, never a register. A builder holds a shared lock on the lane's
//! stamp (`.lane`), and cargo holds its own on `.cargo-lock` and its kin. The kernel releases both,
//! however a process ends.

#![expect(clippy::disallowed_methods, reason = "it renames what is in lanes, and removes links")]

use std::collections::BTreeSet;
use std::fs::{DirEntry, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::{Lane, Owner};
use crate::files::lock::bytes;
use crate::files::scratch::{self, Scratch};
use crate::files::search::find;
use crate::files::{self, lock};
use crate::ui;

/// The stamp at the top of a lane: its key inputs as JSON (empty in a worktree's own lane), locked
/// while it is in use, modified when it was last used.
pub const STAMP: &str = ".lane";

/// The files that cargo locks in a profile's directory, by version (1.95, 1.96 and later).
pub const CARGO_LOCKS: [&str; 3] = [".cargo-lock", ".cargo-build-lock", ".cargo-artifact-lock"];

/// What rustc has answered to cargo.
pub const RUSTC_INFO: &str = ".rustc_info.json";

/// How the names of directories begin in which what is deleted is on its way out.
const TRASH: &str = ".trash-";

/// How the names of directories begin that serve for a while in a lane: [`sweep`] knows them.
pub const STAGED: &str = ".fork-";
pub const PROBE: &str = ".probe-";

/// How long a build waits for a lane that is locked; `clean` only renames it meanwhile.
const LOCKED_MAX: Duration = Duration::from_secs(5);

/// A lane that we are in. It is free again when this is dropped, or when the process ends in any
/// way.
pub struct InUse {
    stamp: File,
}

/// The byte of the stamp that a process shares which has become cargo.
const IN_USE: Range<u64> = 0..1;

impl InUse {
    /// For as long as the program runs that this process becomes. What that starts has no part in
    /// it: a daemon would keep the lane for ever.
    pub fn keep(self) {
        let is_kept = bytes::try_share(&self.stamp, &IN_USE).and_then(|is_shared| {
            bytes::keep(&self.stamp)?;
            Ok(is_shared)
        });
        if is_kept.unwrap_or_default() {
            _ = lock::unlock(&self.stamp);
        }
        std::mem::forget(self);
    }
}

/// Why the lanes of agents cannot be in `lanes_dir`, in words that follow "cannot use". A link is
/// refused: behind it may lie the lanes of another worktree, and two trees in one lane run each
/// other's code.
pub fn lanes_dir_problem(lanes_dir: &Path) -> Option<&'static str> {
    match lanes_dir.symlink_metadata() {
        Err(_) => None, // Not there yet, or not readable: making the lane will tell.
        Ok(meta) if meta.is_symlink() => Some("it is a symbolic link"),
        Ok(meta) if !meta.is_dir() => Some("it is a file"),
        Ok(_) => None,
    }
}

/// Makes an agent's lane if it is not there, ignored by git from the first moment, and marks it as
/// in use.
///
/// # Errors
///
/// When it cannot be written, or something else than a directory stands in its place.
pub fn enter_agent_lane(
    lanes_dir: &Path,
    lane: &Lane,
    stamp: &str,
    now: SystemTime,
) -> io::Result<InUse> {
    if let Some(problem) = lanes_dir_problem(lanes_dir) {
        return Err(io::Error::other(problem));
    }
    make_lanes_dir(lanes_dir)?;
    let agent_dir = lane.dir.parent().unwrap_or(lanes_dir);
    for dir in [agent_dir, &lane.dir] {
        if dir.symlink_metadata().is_ok_and(|meta| meta.is_symlink()) {
            return Err(io::Error::other("it is a symbolic link, or lies behind one"));
        }
    }

    // Each further round means that `clean` has deleted the lane under our hands, so a few are
    // plenty.
    const ROUNDS_MAX: u32 = 16;
    for _ in 0..ROUNDS_MAX {
        match make_lane(&lane.dir).and_then(|()| enter(&lane.dir, stamp, now)) {
            Err(err) if err.kind() == io::ErrorKind::NotFound => {}
            result => return result,
        }
    }
    Err(io::Error::other("it is deleted again and again"))
}

/// The folder of agents' lanes. The rule that git ignores it must be there before the first lane:
/// cargo takes unignored files in a root package for its sources.
pub fn make_lanes_dir(lanes_dir: &Path) -> io::Result<()> {
    let ignore = lanes_dir.join(".gitignore");
    if ignore.is_file() {
        return Ok(());
    }
    std::fs::create_dir_all(lanes_dir)?;
    files::write_atomically(&ignore, b"# Lanes are build output.\n*\n")
}

/// A directory that is known to hold build output, if there is none. One that holds anything
/// already is not ours to declare that.
pub fn make_lane(dir: &Path) -> io::Result<()> {
    std::fs::create_dir_all(dir)?;
    let is_ours =
        files::entries(dir).all(|entry| is_own_name(&entry.file_name().to_string_lossy()));
    if !is_ours || dir.join("CACHEDIR.TAG").symlink_metadata().is_ok() {
        return Ok(());
    }
    // cargo writes this only into directories that it makes itself (https://bford.info/cachedir/).
    let text = "Signature: 8a477f597d28d172789f06886806bc55\n# A lane: a cargo target directory.\n";
    files::write_atomically(&dir.join("CACHEDIR.TAG"), text.as_bytes())
}

/// Marks a lane that exists as in use.
///
/// # Errors
///
/// `NotFound` when there is none, or when it was deleted just now.
pub fn enter(dir: &Path, stamp: &str, now: SystemTime) -> io::Result<InUse> {
    let path = dir.join(STAMP);
    let mut file = files::open_own(OpenOptions::new().read(true).write(true), &path)?;
    // Only `clean` has it for itself. A file system without locks (some network shares) is no
    // reason not to build; cargo takes none there either.
    if matches!(lock::try_shared(&file), Ok(false)) {
        ui::note(format_args!("waiting until {} is no longer being deleted", dir.display()));
        lock::wait_for(&path, LOCKED_MAX, || lock::try_shared(&file))?;
    }
    // `clean` moves the lane away with its stamp locked: what we have opened may no longer be what
    // has the name.
    if !files::is_same_file(&file, &path) {
        return Err(io::ErrorKind::NotFound.into());
    }

    let mut written = Vec::new();
    (&mut file).take(stamp.len() as u64 + 1).read_to_end(&mut written)?;
    if written != stamp.as_bytes() {
        file.rewind()?;
        file.set_len(0)?;
        file.write_all(stamp.as_bytes())?;
    }
    file.set_modified(now)?;
    Ok(InUse { stamp: file })
}

/// What became of a lane that was to be deleted.
#[derive(Debug, PartialEq)]
pub enum Removal {
    Removed,
    /// Somebody builds in it; nothing was touched.
    InUse,
    /// It has no `CACHEDIR.TAG`, so it may be somebody's files; nothing was touched.
    NoTargetDirectory,
}

/// Takes an agent's lane out of use by renaming it, so that a kill leaves no half lane that looks
/// whole, and deletes it.
pub fn remove_agent_lane(lanes_dir: &Path, lane: &Path) -> io::Result<Removal> {
    let Some(mut locks) = lock_whole(lane)? else {
        return Ok(Removal::InUse);
    };
    if !is_target_dir(lane) {
        return Ok(Removal::NoTargetDirectory);
    }
    let trash = Scratch::make(lanes_dir, TRASH)?;
    if cfg!(windows) {
        locks.clear(); // Windows renames no directory in which a file is open, whoever has opened it.
    }
    match std::fs::rename(lane, trash.dir.join("lane")) {
        Err(err) if cfg!(windows) && err.kind() == io::ErrorKind::PermissionDenied => {
            return Ok(Removal::InUse);
        }
        renamed => renamed?,
    }
    drop(locks);
    trash.delete()?;
    Ok(Removal::Removed)
}

/// Takes parts of a lane out of use by renaming them, in this order, and deletes them.
pub fn remove_parts(lane: &Path, parts: &[PathBuf]) -> io::Result<Removal> {
    let Some(locks) = lock_whole(lane)? else {
        return Ok(Removal::InUse);
    };
    if !is_target_dir(lane) {
        return Ok(Removal::NoTargetDirectory);
    }
    let mut trash = Trash { scratch: Scratch::make(lane, TRASH)?, count: 0 };
    let mut parts = parts.iter().filter(|part| !files::is_behind_link(lane, part));
    let renamed = parts.try_for_each(|part| trash.take(part, 0));
    drop(locks);
    trash.scratch.delete()?;
    renamed.map(|()| Removal::Removed)
}

/// Empties the worktree's own target directory, but for what is `kept` in it and for xtask itself,
/// which is running.
///
/// The locks of cargo stay where they are: a cargo that waits for one would else hold a lock that
/// no other finds, and build together with the next.
pub fn empty_target_dir(dir: &Path, kept: &BTreeSet<PathBuf>) -> io::Result<Removal> {
    const KEPT: [&str; 5] = ["xtask", "CACHEDIR.TAG", STAMP, TRASH, STAGED];
    // What comes later is of a build that has begun since.
    let found: Vec<DirEntry> = std::fs::read_dir(dir)?.collect::<io::Result<_>>()?;
    let Some(locks) = lock_whole(dir)? else {
        return Ok(Removal::InUse);
    };
    if !is_target_dir(dir) {
        return Ok(Removal::NoTargetDirectory);
    }
    let mut trash = Trash { scratch: Scratch::make(dir, TRASH)?, count: 0 };
    for path in found.iter().map(DirEntry::path).filter(|path| !kept.contains(path)) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let is_of_sweep = name.starts_with(TRASH) || name.starts_with(STAGED);
        if !is_of_sweep && !KEPT.contains(&&*name) {
            trash.take(&path, 2)?;
        }
    }
    drop(locks);
    trash.scratch.delete()?;
    Ok(Removal::Removed)
}

/// Removes the link that stands for a target directory, and nothing behind it.
pub fn remove_link(link: &Path) -> io::Result<Removal> {
    match lock_whole(link)? {
        None => Ok(Removal::InUse),
        Some(_locks) => std::fs::remove_file(link).map(|()| Removal::Removed),
    }
}

fn is_target_dir(dir: &Path) -> bool {
    dir.join("CACHEDIR.TAG").is_file()
}

/// Where things go on their way out.
struct Trash {
    scratch: Scratch,
    count: u32,
}

impl Trash {
    /// `depth`: how many levels of directories have locks of cargo's, this one included.
    fn take(&mut self, path: &Path, depth: u32) -> io::Result<()> {
        if depth > 0 && path.is_dir() && !path.is_symlink() {
            let inner: Vec<PathBuf> = files::entries(path).map(|entry| entry.path()).collect();
            if inner.is_empty() {
                return Ok(()); // A cargo may have made it that is about to put a lock into it.
            }
            let is_profile = inner.iter().any(|inner| is_cargo_lock(inner));
            if is_profile || inner.iter().any(|inner| holds_lock(inner)) {
                let depth = if is_profile { 0 } else { depth - 1 };
                let mut inner = inner.iter().filter(|inner| !is_cargo_lock(inner));
                return inner.try_for_each(|inner| self.take(inner, depth));
            }
        }
        self.count += 1;
        match std::fs::rename(path, self.scratch.dir.join(self.count.to_string())) {
            Err(err) if err.kind() != io::ErrorKind::NotFound => Err(err),
            _ => Ok(()),
        }
    }
}

fn holds_lock(profile: &Path) -> bool {
    CARGO_LOCKS.iter().any(|lock| profile.join(lock).is_file())
}

pub fn is_cargo_lock(path: &Path) -> bool {
    path.file_name().is_some_and(|name| CARGO_LOCKS.iter().any(|lock| name == *lock))
}

/// Deletes what calls that were killed have left in a lane and in the folder of lanes, once nobody
/// uses it.
pub fn sweep(lanes_dir: &Path, lane: &Path) {
    if has_killed_answer(lane) {
        drop(std::fs::remove_file(lane.join(RUSTC_INFO)));
    }
    for dir in [lanes_dir, lane].iter().filter(|dir| !dir.is_symlink()) {
        scratch::sweep(dir, &[TRASH, STAGED, PROBE]);
    }
}

/// Whether cargo has remembered that a rustc which it asked was killed: it takes that for the
/// answer in each later build in the lane (seen with 1.95: `"code":null`, and a signal).
pub fn has_killed_answer(lane: &Path) -> bool {
    let info = files::read(lane.join(RUSTC_INFO)).unwrap_or_default();
    find(&info, b"\"code\":null").is_some()
}

/// Whether it is the name of something that we put into a worktree's own lane.
pub fn is_own_name(name: &str) -> bool {
    const OWN: [&str; 6] =
        [STAMP, ".place", ".filled-at", ".environment", ".git-asked", ".cargo-lock"];
    OWN.contains(&name)
        || [TRASH, STAGED, PROBE, scratch::STAGED_FILE]
            .iter()
            .any(|prefix| name.starts_with(prefix))
}

/// Removes the folders of agents that have no lanes.
pub fn remove_empty_folders(lanes_dir: &Path) {
    for dir in files::subdirectories(lanes_dir) {
        drop(std::fs::remove_dir(&dir)); // Only if it is empty.
    }
}

/// Every lock of a lane, held until the result is dropped, or `None` if another process holds one.
/// It does not wait.
pub fn lock_whole(dir: &Path) -> io::Result<Option<Vec<File>>> {
    let mut locks = Vec::new();
    for path in lock_files(dir) {
        let file = match files::open(OpenOptions::new().read(true).write(true), &path) {
            Ok(file) => file,
            Err(err) if err.kind() == io::ErrorKind::NotFound => continue,
            Err(err) => return Err(err),
        };
        if path.ends_with(STAMP) && bytes::is_taken(&file, &IN_USE).unwrap_or_default() {
            return Ok(None);
        }
        match lock::try_exclusive(&file) {
            Ok(true) => locks.push(file),
            Ok(false) => return Ok(None),
            Err(err) if err.kind() == io::ErrorKind::Unsupported => {}
            Err(err) => return Err(err),
        }
    }
    Ok(Some(locks))
}

/// The files that tell by their locks whether a lane is in use: the stamp, and cargo's in each
/// profile's directory (`<dir>/<profile>` and `<dir>/<triple>/<profile>`), but for xtask's own
/// profile. Also behind links: a build through one uses the lane.
pub fn lock_files(dir: &Path) -> Vec<PathBuf> {
    let dirs_in =
        |dir: &Path| files::entries(dir).map(|entry| entry.path()).filter(|path| path.is_dir());
    let mut files = vec![dir.join(STAMP)];
    for outer in dirs_in(dir).filter(|outer| !outer.ends_with("xtask")) {
        files.extend(CARGO_LOCKS.map(|name| outer.join(name)));
        for inner in dirs_in(&outer) {
            files.extend(CARGO_LOCKS.map(|name| inner.join(name)));
        }
    }
    files.retain(|file| file.is_file());
    files
}

/// What a lane's stamp holds: its key inputs, as JSON.
pub fn stamp_text(lane: &Lane) -> String {
    let Owner::Agent { inputs, .. } = &lane.owner else {
        return String::new();
    };
    inputs.to_json().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(dir: &Path, names: &[&str]) {
        for name in names {
            let path = dir.join(name);
            std::fs::create_dir_all(path.parent().unwrap_or(dir)).expect("a directory");
            std::fs::write(path, "text").expect("it can be written");
        }
    }

    /// Everything below a directory but directories that hold something, sorted.
    fn left(dir: &Path) -> Vec<PathBuf> {
        let mut left = Vec::new();
        files::walk(dir, &mut |path, meta| {
            if !meta.is_dir() || files::entries(path).next().is_none() {
                left.push(path.strip_prefix(dir).expect("inside").to_owned());
            }
        });
        left.sort();
        left
    }

    /// A cargo that waits for a lock goes on with it, and the next one has to find the same.
    #[test]
    fn the_locks_of_cargo_outlive_a_clean() {
        let scratch = Scratch::of_test("empty");
        let dir = scratch.dir.join("target");
        let locks = [
            "debug/.cargo-artifact-lock",
            "debug/.cargo-build-lock",
            "debug/.cargo-lock",
            "wasm32-unknown-unknown/release/.cargo-lock",
        ];
        write(&dir, &locks);
        write(
            &dir,
            &[
                "CACHEDIR.TAG",
                ".rustc_info.json",
                "debug/deps/libapp.rlib",
                "debug/app",
                "doc/index.html",
                "wasm32-unknown-unknown/CACHEDIR.TAG",
                "wasm32-unknown-unknown/release/app.wasm",
                "xtask/xtask",
                "kept/notes.md",
            ],
        );
        // cargo makes the directory of a profile, then a lock in it.
        std::fs::create_dir(dir.join("bench")).expect("a directory");
        let waiting = File::open(dir.join(locks[0])).expect("it is there");
        let kept = BTreeSet::from([dir.join("kept")]);
        assert_eq!(empty_target_dir(&dir, &kept).expect("it works"), Removal::Removed);
        let mut expected = ["CACHEDIR.TAG", "bench", "kept/notes.md", "xtask/xtask"].to_vec();
        expected.extend(locks);
        let mut expected: Vec<PathBuf> = expected.iter().map(PathBuf::from).collect();
        expected.sort();
        assert_eq!(left(&dir), expected);
        assert!(files::is_same_file(&waiting, &dir.join(locks[0])));

        write(&dir, &["debug/app", "wasm32-unknown-unknown/release/app.wasm"]);
        for lock in locks {
            let held = File::open(dir.join(lock)).expect("it is there");
            assert!(lock::try_exclusive(&held).expect("it can be asked"));
            assert_eq!(empty_target_dir(&dir, &kept).expect("it works"), Removal::InUse, "{lock}");
            assert!(dir.join("debug/app").exists());
        }
    }

    /// Also where the kernel has no list of locks, and where a lock would keep others from reading.
    #[test]
    fn a_lane_is_in_use_until_its_last_builder_leaves() {
        let scratch = Scratch::of_test("occupy");
        let lane =
            Lane { dir: scratch.dir.join("a").join("key"), owner: Owner::Named, runner: None };
        let enter = || enter_agent_lane(&scratch.dir, &lane, "{}", SystemTime::now());
        let [first, second] = [enter(), enter()].map(|entered| entered.expect("it is made"));
        assert_eq!(files::read(lane.dir.join(STAMP)).expect("others may read it"), b"{}");
        drop(first);
        let remove = || remove_agent_lane(&scratch.dir, &lane.dir).expect("it can be asked");
        assert_eq!(remove(), Removal::InUse);
        drop(second);
        assert_eq!(remove(), Removal::Removed);
        assert!(!lane.dir.exists() && enter().is_ok());
    }

    #[test]
    fn only_what_we_make_is_declared_to_be_build_output() {
        let scratch = Scratch::of_test("tag");
        let dir = scratch.dir.join("target");
        for foreign in ["notes.md", ".env", "debug/notes.md"] {
            write(&dir, &[foreign]);
            make_lane(&dir).expect("it is there");
            assert!(!dir.join("CACHEDIR.TAG").exists(), "{foreign}");
            assert_eq!(
                empty_target_dir(&dir, &BTreeSet::new()).expect("it can be asked"),
                Removal::NoTargetDirectory
            );
            files::delete_dir(&dir).expect("it is ours");
        }
        // Also where a kill has left it empty, or with a mark alone.
        write(&dir, &[STAMP]);
        make_lane(&dir).expect("it is there");
        assert!(is_target_dir(&dir));
    }

    /// A branch may have brought it: `target/.lane` as a link to another file.
    #[cfg(unix)]
    #[test]
    fn no_stamp_is_written_through_a_link() {
        let scratch = Scratch::of_test("stamp");
        write(&scratch.dir, &["precious"]);
        std::os::unix::fs::symlink("precious", scratch.dir.join(STAMP)).expect("a link");
        assert!(enter(&scratch.dir, "", SystemTime::now()).is_err());
        assert_eq!(std::fs::read(scratch.dir.join("precious")).expect("it is there"), b"text");
    }
}

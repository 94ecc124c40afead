//! Lanes are made, entered and deleted here.
//!
//! Locks tell that a lane is in use, never a register. A builder holds a shared lock on the lane's
//! stamp (`.lane`), and cargo holds its own on `.cargo-lock` and its kin. The kernel releases both,
//! however a process ends.

#![expect(clippy::disallowed_methods, reason = "it renames lanes, and deletes what is in one")]

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::{Lane, Owner};
use crate::files::{self, lock};
use crate::ui;

/// The stamp at the top of a lane: its key inputs as JSON (empty in a worktree's own lane), locked
/// while it is in use, modified when it was last used.
pub const STAMP: &str = ".lane";

/// The files that cargo locks in a profile's directory, by version (1.95, 1.96 and later).
pub const CARGO_LOCKS: [&str; 3] = [".cargo-lock", ".cargo-build-lock", ".cargo-artifact-lock"];

/// How long a build waits for a lane that is locked; `clean` only renames it meanwhile.
const LOCKED_MAX: Duration = Duration::from_secs(5);

/// A lane that we are in. It is free again when this is dropped, or when the process ends in any
/// way.
pub struct InUse {
    _stamp: File,
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

/// A directory that is known to hold build output, if there is none.
pub fn make_lane(dir: &Path) -> io::Result<()> {
    let tag = dir.join("CACHEDIR.TAG");
    if tag.is_file() {
        return Ok(());
    }
    std::fs::create_dir_all(dir)?;
    // cargo writes this only into directories that it makes itself (https://bford.info/cachedir/).
    let text = "Signature: 8a477f597d28d172789f06886806bc55\n# A lane: a cargo target directory.\n";
    files::write_atomically(&tag, text.as_bytes())
}

/// Marks a lane that exists as in use.
///
/// # Errors
///
/// `NotFound` when there is none, or when it was deleted just now.
pub fn enter(dir: &Path, stamp: &str, now: SystemTime) -> io::Result<InUse> {
    let path = dir.join(STAMP);
    let mut file =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path)?;
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

    let mut written = String::new();
    file.read_to_string(&mut written)?;
    if written != stamp {
        file.rewind()?;
        file.set_len(0)?;
        file.write_all(stamp.as_bytes())?;
    }
    file.set_modified(now)?;
    Ok(InUse { _stamp: file })
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
/// whole; `sweep` deletes it.
pub fn remove_agent_lane(lanes_dir: &Path, lane: &Path) -> io::Result<Removal> {
    let Some(locks) = lock_whole(lane)? else {
        return Ok(Removal::InUse);
    };
    if !lane.join("CACHEDIR.TAG").is_file() {
        return Ok(Removal::NoTargetDirectory);
    }
    // A name that no other `clean` takes, in this process or another.
    let key = lane.file_name().unwrap_or_default().to_string_lossy();
    let agent = lane.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
    let trash = lanes_dir.join(format!(".trash-{}-{agent}-{key}", std::process::id()));
    std::fs::rename(lane, &trash)?;
    drop(locks);
    Ok(Removal::Removed)
}

/// Empties the worktree's own target directory, but for xtask itself, which is running.
pub fn empty_target_dir(dir: &Path) -> io::Result<Removal> {
    const KEPT: [&str; 3] = ["xtask", "CACHEDIR.TAG", STAMP];
    let Some(_locks) = lock_whole(dir)? else {
        return Ok(Removal::InUse);
    };
    if !dir.join("CACHEDIR.TAG").is_file() {
        return Ok(Removal::NoTargetDirectory);
    }
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        if KEPT.iter().any(|kept| entry.file_name() == *kept) {
            continue;
        }
        if entry.file_type()?.is_dir() {
            files::delete_dir(&entry.path())?;
        } else {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(Removal::Removed)
}

/// Deletes what a `clean` that was killed has left behind: lanes on their way out, folders of
/// agents without lanes.
pub fn sweep(lanes_dir: &Path) -> io::Result<()> {
    for dir in files::subdirectories(lanes_dir) {
        let name = dir.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with(".trash-") {
            files::delete_dir(&dir)?;
        } else {
            drop(std::fs::remove_dir(&dir)); // Only if it is empty.
        }
    }
    Ok(())
}

/// Whether nobody builds in a lane at this moment.
pub fn is_free(dir: &Path) -> io::Result<bool> {
    Ok(lock_whole(dir)?.is_some())
}

/// Every lock of a lane, or `None` if one is held by somebody. Waits for nobody.
fn lock_whole(dir: &Path) -> io::Result<Option<Vec<File>>> {
    let mut locks = Vec::new();
    for path in lock_files(dir) {
        let file = match OpenOptions::new().read(true).write(true).open(&path) {
            Ok(file) => file,
            Err(err) if err.kind() == io::ErrorKind::NotFound => continue,
            Err(err) => return Err(err),
        };
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
/// profile.
pub fn lock_files(dir: &Path) -> Vec<PathBuf> {
    let mut files = vec![dir.join(STAMP)];
    for outer in files::subdirectories(dir).filter(|outer| !outer.ends_with("xtask")) {
        files.extend(CARGO_LOCKS.map(|name| outer.join(name)));
        for inner in files::subdirectories(&outer) {
            files.extend(CARGO_LOCKS.map(|name| inner.join(name)));
        }
    }
    files.retain(|file| file.exists());
    files
}

/// What a lane's stamp holds: its key inputs, as JSON.
pub fn stamp_text(lane: &Lane) -> String {
    let Owner::Agent { inputs, .. } = &lane.owner else {
        return String::new();
    };
    inputs.to_json().to_string()
}

//! Changes files: lanes are made, entered and deleted here, and nothing else in xtask writes or deletes.
//!
//! A lane that is in use is told by locks, never by a register. Whoever builds holds a shared lock on the lane's stamp
//! (`.lane`), and cargo holds its own on `.cargo-lock` and its kin. The kernel lets go of both, however a process ends.

pub(crate) mod answers;
pub(crate) mod cold;
pub(crate) mod fork;
pub(crate) mod tally;
pub(crate) mod temporary;
pub(crate) mod wrapper;

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::facts::caches::{FORKED_LOCK, FORKED_PLACES, FORKED_PROGRAM, PROBE};
use crate::facts::common::{Common, is_shared_program};
use crate::facts::host::is_executable;
use crate::plan::lane::{Lane, Owner};

/// The stamp at the top of a lane: its key inputs as JSON (empty in a worktree's own lane), locked while it is in use,
/// modified when it was last used.
pub(crate) const STAMP: &str = ".lane";

/// The files that cargo locks in a profile's directory, by version (1.95, 1.96 and later).
pub(crate) const CARGO_LOCKS: [&str; 3] = [".cargo-lock", ".cargo-build-lock", ".cargo-artifact-lock"];

/// A lane that we are in. It is free again when this is dropped, or when the process ends in any way.
pub(crate) struct InUse {
    _stamp: File,
}

/// Why the lanes of agents cannot be in `lanes_dir`, in words that follow "cannot use". A link is refused: behind it may
/// lie the lanes of another worktree, and two trees in one lane run each other's code.
pub(crate) fn lanes_dir_problem(lanes_dir: &Path) -> Option<&'static str> {
    match lanes_dir.symlink_metadata() {
        Err(_) => None, // Not there yet, or not readable: making the lane will tell.
        Ok(meta) if meta.is_symlink() => Some("it is a symbolic link"),
        Ok(meta) if !meta.is_dir() => Some("it is a file"),
        Ok(_) => None,
    }
}

/// Makes an agent's lane if it is not there, ignored by git from the first moment, and marks it as in use.
///
/// # Errors
///
/// When it cannot be written, or something else than a directory stands in its place.
pub(crate) fn enter_agent_lane(
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

    // Each further round means that `clean` has deleted the lane under our hands, so a few are plenty.
    const ROUNDS_MAX: u32 = 16;
    for _ in 0..ROUNDS_MAX {
        match make_lane(&lane.dir).and_then(|()| enter(&lane.dir, stamp, now)) {
            Err(err) if err.kind() == io::ErrorKind::NotFound => {}
            result => return result,
        }
    }
    Err(io::Error::other("it is deleted again and again"))
}

/// The folder of agents' lanes. The rule that git ignores it must be there before the first lane: cargo takes unignored files
/// in a root package for its sources.
pub(crate) fn make_lanes_dir(lanes_dir: &Path) -> io::Result<()> {
    let ignore = lanes_dir.join(".gitignore");
    if ignore.is_file() {
        return Ok(());
    }
    std::fs::create_dir_all(lanes_dir)?;
    write_atomically(&ignore, b"# Lanes are build output.\n*\n")
}

/// A directory that is known to hold build output, if there is none.
pub(crate) fn make_lane(dir: &Path) -> io::Result<()> {
    let tag = dir.join("CACHEDIR.TAG");
    if tag.is_file() {
        return Ok(());
    }
    std::fs::create_dir_all(dir)?;
    // cargo writes this only into directories that it makes itself (https://bford.info/cachedir/).
    let text = "Signature: 8a477f597d28d172789f06886806bc55\n# A lane: a cargo target directory.\n";
    write_atomically(&tag, text.as_bytes())
}

/// Marks a lane that exists as in use.
///
/// # Errors
///
/// `NotFound` when there is none, or when it was deleted just now.
pub(crate) fn enter(dir: &Path, stamp: &str, now: SystemTime) -> io::Result<InUse> {
    let path = dir.join(STAMP);
    let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path)?;
    // A file system without locks (some network shares) is no reason not to build; cargo takes none there either.
    drop(file.lock_shared());
    // `clean` moves the lane away with its stamp locked: what we have opened may no longer be what has the name.
    if !is_same_file(&file, &path) {
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
pub(crate) enum Removal {
    Removed,
    /// Somebody builds in it; nothing was touched.
    InUse,
    /// It has no `CACHEDIR.TAG`, so it may be somebody's files; nothing was touched.
    NoTargetDirectory,
}

/// Takes an agent's lane out of use by renaming it, so that a kill leaves no half lane that looks whole; `sweep` deletes
/// it.
pub(crate) fn remove_agent_lane(lanes_dir: &Path, lane: &Path) -> io::Result<Removal> {
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
pub(crate) fn empty_target_dir(dir: &Path) -> io::Result<Removal> {
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
            delete_dir(&entry.path())?;
        } else {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(Removal::Removed)
}

/// Deletes what a `clean` that was killed has left behind: lanes on their way out, folders of agents without lanes.
pub(crate) fn sweep(lanes_dir: &Path) -> io::Result<()> {
    for dir in subdirectories(lanes_dir) {
        let name = dir.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with(".trash-") {
            delete_dir(&dir)?;
        } else {
            drop(std::fs::remove_dir(&dir)); // Only if it is empty.
        }
    }
    Ok(())
}

/// Somebody else may be deleting the same: what is gone is gone.
#[expect(clippy::disallowed_methods, reason = "this is the one place")]
fn delete_dir(dir: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(dir) {
        Err(err) if err.kind() != io::ErrorKind::NotFound => Err(err),
        _ => Ok(()),
    }
}

/// Whether nobody builds in a lane at this moment.
pub(crate) fn is_free(dir: &Path) -> io::Result<bool> {
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
        match file.try_lock() {
            Ok(()) => locks.push(file),
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(err)) if err.kind() == io::ErrorKind::Unsupported => {}
            Err(TryLockError::Error(err)) => return Err(err),
        }
    }
    Ok(Some(locks))
}

/// The files that tell by their locks whether a lane is in use: the stamp, and cargo's in each profile's directory
/// (`<dir>/<profile>` and `<dir>/<triple>/<profile>`), but for xtask's own profile.
pub(crate) fn lock_files(dir: &Path) -> Vec<PathBuf> {
    let mut files = vec![dir.join(STAMP)];
    for outer in subdirectories(dir).filter(|outer| !outer.ends_with("xtask")) {
        files.extend(CARGO_LOCKS.map(|name| outer.join(name)));
        for inner in subdirectories(&outer) {
            files.extend(CARGO_LOCKS.map(|name| inner.join(name)));
        }
    }
    files.retain(|file| file.exists());
    files
}

fn subdirectories(dir: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|entry| entry.path())
}

/// Writes beside the file and renames, so that a reader sees the old text or the new one.
pub(crate) fn write_atomically(path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace(path, |staged| std::fs::write(staged, bytes))
}

/// Makes the file, and locks it until the result is dropped. Whoever has it only starts compilers of next to nothing.
pub(crate) fn wait_for_lock(path: &Path) -> io::Result<File> {
    let file = File::create(path)?;
    file.lock()?;
    Ok(file)
}

/// Replaces a file by a copy of it in which these bytes are at these places.
pub(crate) fn replace_with_exchanged(path: &Path, exchanges: &[(usize, Vec<u8>)]) -> io::Result<()> {
    replace(path, |staged| {
        std::fs::copy(path, staged)?;
        let mut file = OpenOptions::new().write(true).open(staged)?;
        for (at, bytes) in exchanges {
            file.seek(SeekFrom::Start(*at as u64))?;
            file.write_all(bytes)?;
        }
        Ok(())
    })
}

/// The same for a script: whoever starts it in this moment gets the old one or the new one.
pub(crate) fn write_program(path: &Path, bytes: &[u8]) -> io::Result<()> {
    path.parent().map_or(Ok(()), std::fs::create_dir_all)?;
    replace(path, |staged| {
        std::fs::write(staged, bytes)?;
        make_executable(staged)
    })
}

/// Writes a file of ours, if it does not hold that already. Returns whether it was written.
pub(crate) fn provide(path: &Path, text: &str) -> io::Result<bool> {
    if std::fs::read(path).is_ok_and(|found| found == text.as_bytes()) {
        return Ok(false);
    }
    path.parent().map_or(Ok(()), std::fs::create_dir_all)?;
    write_atomically(path, text.as_bytes())?;
    Ok(true)
}

fn replace(path: &Path, stage: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}", std::process::id()));
    let staged = path.with_file_name(name);
    drop(std::fs::remove_file(&staged)); // Of a process with this number that was killed here.
    let replaced = stage(&staged).and_then(|()| std::fs::rename(&staged, path));
    // Also where it worked: between two names of one file, renaming does nothing (rename(2)).
    drop(std::fs::remove_file(&staged));
    replaced
}

#[cfg(unix)]
fn make_executable(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))
}

#[cfg(not(unix))]
fn make_executable(_path: &Path) -> io::Result<()> {
    Ok(())
}

/// A directory that goes when this is dropped.
pub(crate) struct Scratch {
    pub(crate) dir: PathBuf,
}

impl Scratch {
    pub(crate) fn make(dir: PathBuf) -> io::Result<Scratch> {
        std::fs::create_dir_all(&dir)?;
        Ok(Scratch { dir })
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(delete_dir(&self.dir));
    }
}

/// Takes marks off caches that a fork has brought, and their folder away with the last one.
pub(crate) fn remove_marks(forked: &Path, names: &[String]) -> io::Result<()> {
    for name in names {
        drop(std::fs::remove_file(forked.join(name))); // Another compiler of the same crate may have been here.
    }
    let is_mark = |entry: io::Result<std::fs::DirEntry>| {
        entry.is_ok_and(|entry| {
            let name = entry.file_name();
            // Who tries something out has a mark of its own; without one, it was killed.
            let is_left = name.as_encoded_bytes().starts_with(PROBE.as_bytes());
            !is_left && [FORKED_PROGRAM, FORKED_PLACES, FORKED_LOCK].iter().all(|ours| name != *ours)
        })
    };
    if names.is_empty() || std::fs::read_dir(forked)?.any(is_mark) { Ok(()) } else { delete_dir(forked) }
}

/// Copies a file that belongs to this machine, if there is one, to where another tree looks for it; what is there stays.
pub(crate) fn carry_over(from: &Path, to: &Path) -> io::Result<()> {
    if !from.is_file() || to.exists() {
        return Ok(());
    }
    to.parent().map_or(Ok(()), std::fs::create_dir_all)?;
    write_atomically(to, &std::fs::read(from)?)
}

/// Makes the running program the one that all worktrees share, unless it is that one. A second name costs no space; across
/// file systems it is a copy.
pub(crate) fn share_program(common: &Common, exe: &Path) -> io::Result<()> {
    let shared = common.program();
    if is_shared_program(exe, common) || is_unchanged_copy(exe, &shared) {
        return Ok(());
    }
    std::fs::create_dir_all(&common.dir)?;
    replace(&shared, |staged| link_or_copy(exe, staged))
}

fn link_or_copy(from: &Path, to: &Path) -> io::Result<()> {
    if std::fs::hard_link(from, to).is_err() {
        std::fs::copy(from, to)?;
        File::options().write(true).open(to)?.set_modified(from.metadata()?.modified()?)?;
    }
    Ok(())
}

/// The same, where somebody has asked for it once: whoever starts another xtask brings the shared one up to date.
pub(crate) fn refresh_shared_program(common: &Common, exe: &Path) {
    if common.program().is_file() {
        drop(share_program(common, exe)); // The older one does as well.
    }
}

/// Puts the shim, the shared program's other name, where `PATH` finds it.
pub(crate) fn install_shim(common: &Common) -> io::Result<()> {
    let shim = common.shim();
    std::fs::create_dir_all(common.bin())?;
    #[cfg(unix)]
    {
        let target = Path::new("..").join(common.program().file_name().unwrap_or_default());
        if std::fs::read_link(&shim).is_ok_and(|link| link == target) {
            return Ok(());
        }
        replace(&shim, |staged| std::os::unix::fs::symlink(&target, staged))
    }
    #[cfg(not(unix))]
    {
        if is_unchanged_copy(&common.program(), &shim) {
            return Ok(());
        }
        replace(&shim, |staged| std::fs::copy(common.program(), staged).map(drop))
    }
}

/// Gives a program another name, at a place that is ours, under which others look for it.
pub(crate) fn name_program(name: &Path, program: &Path) -> io::Result<()> {
    if std::fs::read_link(name).is_ok_and(|link| link == program) {
        return Ok(());
    }
    name.parent().map_or(Ok(()), std::fs::create_dir_all)?;
    #[cfg(unix)]
    return replace(name, |staged| std::os::unix::fs::symlink(program, staged));
    #[cfg(not(unix))]
    replace(name, |staged| std::fs::copy(program, staged).map(drop))
}

/// By length and time, which a hard link has in common and a copy was given.
fn is_unchanged_copy(of: &Path, copy: &Path) -> bool {
    let (Ok(of), Ok(copy)) = (of.metadata(), copy.metadata()) else { return false };
    of.len() == copy.len() && of.modified().ok() == copy.modified().ok()
}

/// A directory in a place that all users share, where nobody else can put anything.
#[cfg(unix)]
pub(crate) fn make_private_dir(dir: &Path) -> io::Result<()> {
    use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
    match std::fs::DirBuilder::new().mode(0o700).create(dir) {
        Err(err) if err.kind() != io::ErrorKind::AlreadyExists => return Err(err),
        _ => {}
    }
    let (meta, own) = (dir.symlink_metadata()?, std::fs::metadata("/proc/self")?);
    if meta.is_dir() && meta.uid() == own.uid() && meta.mode() & 0o022 == 0 {
        return Ok(());
    }
    Err(io::Error::other("it is not ours alone"))
}

#[cfg(not(unix))]
pub(crate) fn make_private_dir(_dir: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Gives a file another name, which nothing must have yet.
pub(crate) fn rename_to_free(from: &Path, to: &Path) -> io::Result<()> {
    if to.symlink_metadata().is_ok() {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, format!("{} is there", to.display())));
    }
    std::fs::rename(from, to)
}

/// A directory of our own, unless somebody else has put something into it.
pub(crate) fn remove_if_empty(dir: &Path) {
    drop(std::fs::remove_dir(dir));
}

/// Removes a file of our own; what is gone is gone.
pub(crate) fn remove_own_file(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(err) if err.kind() != io::ErrorKind::NotFound => Err(err),
        _ => Ok(()),
    }
}

/// What a lane's stamp holds: its key inputs, as JSON.
pub(crate) fn stamp_text(lane: &Lane) -> String {
    let Owner::Agent { inputs, .. } = &lane.owner else {
        return String::new();
    };
    let fields = inputs.fields().map(|(name, value)| (name.to_owned(), value.into()));
    serde_json::Value::Object(fields.into_iter().collect()).to_string()
}

#[cfg(unix)]
fn is_same_file(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let (Ok(open), Ok(named)) = (file.metadata(), path.metadata()) else {
        return false;
    };
    (open.dev(), open.ino()) == (named.dev(), named.ino())
}

/// Windows renames no directory in which a file is open.
#[cfg(not(unix))]
fn is_same_file(_file: &File, path: &Path) -> bool {
    path.exists()
}

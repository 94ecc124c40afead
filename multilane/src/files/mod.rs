//! Files of our own: written so that a reader sees the old text or the new one, and deleted here
//! alone.

#![expect(clippy::disallowed_methods, reason = "this is the one place")]

pub(crate) mod answers;
pub(crate) mod lock;
pub mod parallel;
pub mod search;

use std::fs::{DirEntry, File, Metadata, OpenOptions};
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

/// Somebody else may be deleting the same: what is gone is gone.
pub fn delete_dir(dir: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(dir) {
        Err(err) if err.kind() != io::ErrorKind::NotFound => Err(err),
        _ => Ok(()),
    }
}

/// What is in a directory; nothing where it cannot be read.
pub fn entries(dir: &Path) -> impl Iterator<Item = DirEntry> + use<> {
    std::fs::read_dir(dir).into_iter().flatten().flatten()
}

/// The names in a directory that are Unicode, as all are that cargo and rustc make.
pub fn names(dir: &Path) -> impl Iterator<Item = String> + use<> {
    entries(dir).filter_map(|entry| entry.file_name().into_string().ok())
}

/// Not through links.
pub fn subdirectories(dir: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    let dirs = entries(dir).filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    dirs.map(|entry| entry.path())
}

/// Everything below a directory, a directory before what is in it, without following links.
pub fn walk(dir: &Path, visit: &mut impl FnMut(&Path, &Metadata)) {
    for entry in entries(dir) {
        let Ok(meta) = entry.metadata() else { continue };
        visit(&entry.path(), &meta);
        if meta.is_dir() {
            walk(&entry.path(), visit);
        }
    }
}

/// Writes beside the file and renames, so that a reader sees the old text or the new one.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace(path, |staged| std::fs::write(staged, bytes))
}

/// Replaces a file by a copy of it in which these bytes are at these places.
pub fn replace_with_exchanged(path: &Path, exchanges: &[(usize, Vec<u8>)]) -> io::Result<()> {
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
pub fn write_program(path: &Path, bytes: &[u8]) -> io::Result<()> {
    path.parent().map_or(Ok(()), std::fs::create_dir_all)?;
    replace(path, |staged| {
        std::fs::write(staged, bytes)?;
        make_executable(staged)
    })
}

/// Writes a file of ours, if it does not hold that already. Returns whether it was written.
pub fn provide(path: &Path, text: &str) -> io::Result<bool> {
    if std::fs::read(path).is_ok_and(|found| found == text.as_bytes()) {
        return Ok(false);
    }
    path.parent().map_or(Ok(()), std::fs::create_dir_all)?;
    write_atomically(path, text.as_bytes())?;
    Ok(true)
}

pub fn replace(path: &Path, stage: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
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
pub struct Scratch {
    pub dir: PathBuf,
}

impl Scratch {
    pub fn make(dir: PathBuf) -> io::Result<Scratch> {
        std::fs::create_dir_all(&dir)?;
        Ok(Scratch { dir })
    }

    #[cfg(test)]
    pub fn of_test(name: &str) -> Scratch {
        let name = format!("multilane-{name}-{}", std::process::id());
        Scratch::make(std::env::temp_dir().join(name)).expect("a directory")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(delete_dir(&self.dir));
    }
}

/// Copies a file that belongs to this machine, if there is one, to where another tree looks for it;
/// what is there stays.
pub fn carry_over(from: &Path, to: &Path) -> io::Result<()> {
    if !from.is_file() || to.exists() {
        return Ok(());
    }
    to.parent().map_or(Ok(()), std::fs::create_dir_all)?;
    write_atomically(to, &std::fs::read(from)?)?;
    // `check-fast` tells by the time whether a file that git ignores has changed.
    File::options().write(true).open(to)?.set_modified(from.metadata()?.modified()?)
}

pub fn link_or_copy(from: &Path, to: &Path) -> io::Result<()> {
    if std::fs::hard_link(from, to).is_err() {
        std::fs::copy(from, to)?;
        File::options().write(true).open(to)?.set_modified(from.metadata()?.modified()?)?;
    }
    Ok(())
}

/// Gives a program a second name, or another file system a copy, unless it is there already.
/// Whoever starts it at this moment gets the old one or the new one.
pub fn provide_program(program: &Path, to: &Path) -> io::Result<()> {
    if is_unchanged_copy(program, to) {
        return Ok(());
    }
    to.parent().map_or(Ok(()), std::fs::create_dir_all)?;
    replace(to, |staged| link_or_copy(program, staged))
}

/// By length and time, which a hard link has in common and a copy was given.
pub fn is_unchanged_copy(of: &Path, copy: &Path) -> bool {
    let (Ok(of), Ok(copy)) = (of.metadata(), copy.metadata()) else { return false };
    of.len() == copy.len() && of.modified().ok() == copy.modified().ok()
}

/// A directory in a place that all users share, where nobody else can put anything.
#[cfg(unix)]
pub fn make_private_dir(dir: &Path) -> io::Result<()> {
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
pub fn make_private_dir(_dir: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Removes a file of our own; what is gone is gone.
pub fn remove_own_file(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(err) if err.kind() != io::ErrorKind::NotFound => Err(err),
        _ => Ok(()),
    }
}

#[cfg(unix)]
pub fn is_same_file(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let (Ok(open), Ok(named)) = (file.metadata(), path.metadata()) else {
        return false;
    };
    (open.dev(), open.ino()) == (named.dev(), named.ino())
}

/// Windows renames no directory in which a file is open.
#[cfg(not(unix))]
pub fn is_same_file(_file: &File, path: &Path) -> bool {
    path.exists()
}

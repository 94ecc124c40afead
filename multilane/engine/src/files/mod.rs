//! Files of our own: written so that a reader sees the old text or the new one, and deleted here
//! alone. And what others have made, which is read here alone: it may be anything.

#![expect(clippy::disallowed_methods, reason = "this is the one place")]

pub mod answers;
pub mod lock;
#[cfg(test)]
pub(crate) mod mutate;
pub mod parallel;
pub mod positioned;
pub mod scratch;
pub mod search;
mod times;

use std::fs::{DirEntry, File, Metadata, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

pub use times::{changed, changed_itself, set_modified};

/// The bytes of a file that other programs may have made.
///
/// # Errors
///
/// When it is no regular file (a pipe would be waited for, and some devices do something when they
/// are opened), or larger than anything that we read as a whole.
pub fn read(path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
    read_up_to(path.as_ref(), 1 << 30)
}

/// The same for a text, which is smaller.
pub fn read_text(path: impl AsRef<Path>) -> io::Result<String> {
    let text = String::from_utf8(read_up_to(path.as_ref(), 1 << 26)?);
    text.map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8"))
}

fn read_up_to(path: &Path, len_max: u64) -> io::Result<Vec<u8>> {
    let mut file = open_to_read(path)?;
    let len = file.metadata()?.len();
    let mut bytes = Vec::with_capacity(usize::try_from(len.min(len_max)).unwrap_or_default());
    // What grows while it is read has an end here, too.
    if (&mut file).take(len_max + 1).read_to_end(&mut bytes)? as u64 > len_max {
        return Err(io::Error::other(format!("it is larger than {} MiB", len_max >> 20)));
    }
    Ok(bytes)
}

pub fn open_to_read(path: &Path) -> io::Result<File> {
    open(OpenOptions::new().read(true), path)
}

/// Opens a regular file, without waiting.
///
/// # Errors
///
/// When it cannot be opened, or is something else.
pub fn open(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    let no_file = || io::Error::other("it is no regular file");
    if path.metadata().is_ok_and(|meta| !meta.is_file()) {
        return Err(no_file());
    }
    let file = without_waiting(options).open(path)?;
    // It may have become another one meanwhile.
    if file.metadata()?.is_file() { Ok(file) } else { Err(no_file()) }
}

/// Opens a terminal or a pipe to write to, whether anybody reads it or not.
pub fn open_stream(path: &Path) -> io::Result<File> {
    let stream = without_waiting(OpenOptions::new().append(true)).open(path)?;
    if stream.metadata()?.is_file() { Err(io::Error::other("it is a file")) } else { Ok(stream) }
}

#[cfg(unix)]
fn without_waiting(options: &mut OpenOptions) -> &mut OpenOptions {
    use std::os::unix::fs::OpenOptionsExt as _;
    options.custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
}

#[cfg(not(unix))]
fn without_waiting(options: &mut OpenOptions) -> &mut OpenOptions {
    options
}

/// Opens a file of our own to be changed in place; it is made if it is not there.
///
/// # Errors
///
/// When a link is in its place: we make none, and what is behind it is not ours.
pub fn open_own(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    if path.is_symlink() {
        return Err(io::Error::other("it is a symbolic link"));
    }
    open(options.create(true), path)
}

/// A path as git and the kernel write it.
#[cfg(unix)]
pub fn path_of(bytes: &[u8]) -> PathBuf {
    PathBuf::from(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(bytes))
}

#[cfg(not(unix))]
pub fn path_of(bytes: &[u8]) -> PathBuf {
    PathBuf::from(String::from_utf8_lossy(bytes).as_ref())
}

/// The paths of a list with a zero after each, as git writes it with `-z`, from `dir` on.
pub fn paths_in(list: &[u8], dir: &Path) -> impl Iterator<Item = PathBuf> {
    let names = list.split(|byte| *byte == 0).filter(|name| !name.is_empty());
    names.map(move |name| dir.join(path_of(name)).components().collect())
}

/// What a file takes on disk.
#[derive(Clone, Copy, Debug)]
pub struct OnDisk {
    /// The device and the inode; `None` where they are not told.
    pub id: Option<(u64, u64)>,
    /// How many names it has.
    pub links: u64,
    pub bytes: u64,
}

impl OnDisk {
    #[cfg(unix)]
    pub fn of(meta: &Metadata) -> OnDisk {
        use std::os::unix::fs::MetadataExt as _;
        const BLOCK: u64 = 512; // stat(2): the unit of `st_blocks` on every file system.
        let id = Some((meta.dev(), meta.ino()));
        OnDisk { id, links: meta.nlink(), bytes: meta.blocks() * BLOCK }
    }

    #[cfg(not(unix))]
    pub fn of(meta: &Metadata) -> OnDisk {
        OnDisk { id: None, links: 1, bytes: meta.len() }
    }
}

/// Whether a file or directory belongs to the user of this process.
#[cfg(unix)]
pub fn is_of_own_user(path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    #[expect(unsafe_code, reason = "std does not tell whose process this is")]
    // SAFETY: it takes nothing and always succeeds.
    let own = unsafe { libc::geteuid() };
    path.metadata().is_ok_and(|meta| meta.uid() == own)
}

#[cfg(not(unix))]
pub fn is_of_own_user(_path: &Path) -> bool {
    true
}

/// Whether a link leads to `path` somewhere below `dir`, in which it lies, or at `path` itself.
pub fn is_behind_link(dir: &Path, path: &Path) -> bool {
    let inner = path.ancestors().take_while(|inner| *inner != dir);
    inner.into_iter().any(Path::is_symlink)
}

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
    let mut ahead = vec![dir.to_owned()]; // A tree may be deeper than a stack.
    while let Some(dir) = ahead.pop() {
        for entry in entries(&dir) {
            let (path, Ok(meta)) = (entry.path(), entry.metadata()) else { continue };
            visit(&path, &meta);
            if meta.is_dir() {
                ahead.push(path);
            }
        }
    }
}

/// Writes beside the file and renames, so that a reader sees the old text or the new one. The
/// rights stay what they were.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let rights =
        path.symlink_metadata().ok().filter(Metadata::is_file).map(|old| old.permissions());
    replace(path, |staged| {
        let mut options = OpenOptions::new();
        if rights.is_some() {
            private(&mut options);
        }
        let mut file = options.write(true).create_new(true).open(staged)?;
        file.write_all(bytes)?;
        rights.map_or(Ok(()), |rights| file.set_permissions(rights))
    })
}

/// The same for this user's eyes alone.
pub fn write_privately(path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace(path, |staged| {
        let mut options = OpenOptions::new();
        private(&mut options);
        options.write(true).create_new(true).open(staged)?.write_all(bytes)
    })
}

/// Copies a regular file and its rights to where nothing is yet.
pub fn copy_new(from: &Path, to: &Path) -> io::Result<()> {
    let mut file = open_to_read(from)?;
    if cfg!(target_os = "macos") {
        return std::fs::copy(from, to).map(drop); // It clones.
    }
    let mut copy = private(OpenOptions::new().write(true).create_new(true)).open(to)?;
    io::copy(&mut file, &mut copy)?; // A reflink where the file system has them.
    copy.set_permissions(file.metadata()?.permissions())
}

/// Clones a directory and all that is in it to where nothing is yet, with one call.
///
/// # Errors
///
/// When it cannot be cloned, as on every other system. Then some of it may be there.
#[cfg(target_os = "macos")]
pub fn clone_dir(from: &Path, to: &Path) -> io::Result<()> {
    use std::ffi::CString;
    use std::os::unix::ffi::OsStrExt as _;
    const CLONE_NOFOLLOW: u32 = 1; // clonefile(2)
    let name = |path: &Path| CString::new(path.as_os_str().as_bytes());
    let (from, to) = (name(from)?, name(to)?);
    #[expect(unsafe_code, reason = "std clones files, and no directories")]
    // SAFETY: both names end in a zero and live as long as the call.
    let result = unsafe { libc::clonefile(from.as_ptr(), to.as_ptr(), CLONE_NOFOLLOW) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(not(target_os = "macos"))]
pub fn clone_dir(_from: &Path, _to: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// For this user alone, until the rights are set.
#[cfg(unix)]
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    use std::os::unix::fs::OpenOptionsExt as _;
    options.mode(0o600)
}

#[cfg(not(unix))]
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    options
}

/// Replaces a file by a copy of it in which these bytes are at these places.
pub fn replace_with_exchanged(path: &Path, exchanges: &[(usize, Vec<u8>)]) -> io::Result<()> {
    replace(path, |staged| {
        copy_new(path, staged)?;
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
        File::create_new(staged)?.write_all(bytes)?;
        make_executable(staged)
    })
}

/// Writes a file of ours, if it does not hold that already. Returns whether it was written.
pub fn provide(path: &Path, text: &str) -> io::Result<bool> {
    if read(path).is_ok_and(|found| found == text.as_bytes()) {
        return Ok(false);
    }
    path.parent().map_or(Ok(()), std::fs::create_dir_all)?;
    write_atomically(path, text.as_bytes())?;
    Ok(true)
}

/// Puts what `stage` makes in the place of `path`. It gets a name that nothing has yet.
pub fn replace(path: &Path, stage: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
    let staged = path.with_file_name(scratch::unforeseeable(scratch::STAGED_FILE));
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

/// Copies a file that belongs to this machine, if there is one, to where another tree looks for it;
/// what is there stays.
pub fn carry_over(from: &Path, to: &Path) -> io::Result<()> {
    if !from.is_file() || to.symlink_metadata().is_ok() {
        return Ok(());
    }
    to.parent().map_or(Ok(()), std::fs::create_dir_all)?;
    replace(to, |staged| copy_new(from, staged))?;
    // `check-fast` tells by the time whether a file that git ignores has changed.
    set_modified(to, from.metadata()?.modified()?)
}

pub fn link_or_copy(from: &Path, to: &Path) -> io::Result<()> {
    if std::fs::hard_link(from, to).is_err() {
        copy_new(from, to)?;
        set_modified(to, from.metadata()?.modified()?)?;
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
    let meta = dir.symlink_metadata()?;
    if meta.is_dir() && is_of_own_user(dir) && meta.mode() & 0o022 == 0 {
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

/// What the kernel lists locks by. `None` where it does not.
pub fn inode(path: &Path) -> Option<u64> {
    #[cfg(unix)]
    return Some(std::os::unix::fs::MetadataExt::ino(&path.metadata().ok()?));
    #[cfg(not(unix))]
    path.metadata().ok().and(None)
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

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::files::scratch::Scratch;

    #[test]
    fn a_directory_is_cloned_whole_or_not_at_all() {
        let scratch = Scratch::of_test("clone");
        let [from, to] = ["from", "to"].map(|name| scratch.dir.join(name));
        std::fs::create_dir_all(from.join("inside")).expect("a directory");
        std::fs::write(from.join("inside/file"), "text").expect("it can be written");
        match clone_dir(&from, &to) {
            Ok(()) => assert_eq!(read(to.join("inside/file")).expect("it is there"), b"text"),
            Err(_) => assert!(!to.exists()),
        }
    }

    /// Nothing here is waited for: a pipe without a writer, one without a reader, what never ends.
    #[test]
    fn only_regular_files_are_opened() {
        let scratch = Scratch::of_test("files");
        let pipe = scratch.dir.join("pipe");
        let name = std::ffi::CString::new(pipe.as_os_str().as_encoded_bytes()).expect("a name");
        #[expect(unsafe_code, reason = "std makes no pipe with a name")]
        // SAFETY: the name ends in a zero and lives as long as the call.
        let made = unsafe { libc::mkfifo(name.as_ptr(), 0o600) };
        assert_eq!(made, 0);
        for path in [&pipe, &scratch.dir, Path::new("/dev/zero")] {
            assert!(read(path).is_err() && read_text(path).is_err(), "{}", path.display());
            assert!(open_own(OpenOptions::new().append(true), path).is_err());
            assert!(copy_new(path, &scratch.dir.join("copy")).is_err());
        }
        assert!(!scratch.dir.join("copy").exists());
    }

    #[test]
    fn rights_stay_what_they_are() {
        use std::os::unix::fs::PermissionsExt as _;
        let scratch = Scratch::of_test("rights");
        let [secret, copy, other] = ["secret", "copy", "other"].map(|name| scratch.dir.join(name));
        let mode = |path: &Path| path.metadata().expect("it is there").permissions().mode() & 0o777;
        std::fs::write(&secret, "token").expect("it can be written");
        std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).expect("ours");
        write_atomically(&secret, b"another").expect("it can be written");
        carry_over(&secret, &copy).expect("it can be copied");
        std::fs::write(&other, "text").expect("it can be written");
        replace_with_exchanged(&secret, &[(0, b"A".to_vec())]).expect("it can be replaced");
        assert_eq!([&secret, &copy].map(|path| mode(path)), [0o600, 0o600]);
        assert_eq!(read(&secret).expect("it is there"), b"Another");
        assert!(copy_new(&other, &copy).is_err(), "something is there");
        assert_eq!(read(&copy).expect("it is there"), b"another");
    }
}

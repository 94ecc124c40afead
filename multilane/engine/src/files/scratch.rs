//! Directories that serve for a while: what is staged for another place, what is on its way out,
//! what is tried out. Their maker deletes them or, if it was killed, the next builder.
//!
//! ```text
//! <parent>/<prefix><16 hex digits>/
//! ├── .lock     locked by the maker; deleted last
//! └── …
//! ```

#![expect(clippy::disallowed_methods, reason = "they are made and deleted here")]

use std::fs::{File, OpenOptions};
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::environment;
use crate::files::{changed, delete_dir, entries, is_same_file, lock, remove_own_file};

const LOCK: &str = ".lock";

/// How the names of files begin that will be renamed in a moment.
pub const STAGED_FILE: &str = ".multilane-";

/// A directory that goes when this is dropped.
#[derive(Debug)]
pub struct Scratch {
    pub dir: PathBuf,
    /// Until everything else is deleted.
    lock: Option<File>,
}

impl Scratch {
    /// Makes one in `parent`, which has to be there. `prefix` says what for.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn make(parent: &Path, prefix: &str) -> io::Result<Scratch> {
        // In each further round a sweeper came before the lock was held.
        const ROUNDS_MAX: u32 = 16;
        for _ in 0..ROUNDS_MAX {
            let dir = parent.join(unforeseeable(prefix));
            std::fs::create_dir(&dir)?;
            match lock_in(&dir) {
                Ok(lock @ Some(_)) => return Ok(Scratch { dir, lock }),
                Err(err) if err.kind() != io::ErrorKind::NotFound => {
                    drop(delete_dir(&dir));
                    return Err(err);
                }
                _ => {}
            }
        }
        Err(io::Error::other("it is deleted again and again"))
    }

    /// Deletes it.
    ///
    /// # Errors
    ///
    /// When something in it cannot be deleted.
    pub fn delete(mut self) -> io::Result<()> {
        self.delete_now()
    }

    fn delete_now(&mut self) -> io::Result<()> {
        delete_all_but_lock(&self.dir)?;
        self.lock = None; // Windows deletes no file that is open.
        delete_dir(&self.dir)
    }

    #[cfg(test)]
    pub fn of_test(name: &str) -> Scratch {
        Scratch::make(&std::env::temp_dir(), &format!("multilane-{name}-")).expect("a directory")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(self.delete_now());
    }
}

/// `None` where a sweeper was quicker.
fn lock_in(dir: &Path) -> io::Result<Option<File>> {
    let path = dir.join(LOCK);
    let file = File::create_new(&path)?;
    // A file system without locks has no sweepers either: they delete what they can lock.
    let is_locked = lock::try_exclusive(&file).unwrap_or(true);
    Ok((is_locked && is_same_file(&file, &path)).then_some(file))
}

/// As long as something else is left, the lock says that it may be deleted.
fn delete_all_but_lock(dir: &Path) -> io::Result<()> {
    for entry in entries(dir).filter(|entry| entry.file_name() != LOCK) {
        if entry.file_type()?.is_dir() {
            delete_dir(&entry.path())?;
        } else {
            remove_own_file(&entry.path())?;
        }
    }
    Ok(())
}

/// Deletes what was made in `parent` with one of these prefixes by processes that have ended since,
/// and files that were to be renamed there.
pub fn sweep(parent: &Path, prefixes: &[&str]) {
    /// A file is renamed as soon as it is written. The time of its writing may be that of another.
    const STAGED_MAX: Duration = Duration::from_secs(60);
    for entry in entries(parent) {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let is_dir_of_ours = prefixes.iter().any(|prefix| name.starts_with(prefix));
        if !is_dir_of_ours && !name.starts_with(STAGED_FILE) {
            continue;
        }
        let (path, Ok(meta)) = (entry.path(), entry.metadata()) else { continue };
        if is_dir_of_ours && meta.is_dir() {
            sweep_one(&path);
        } else if !is_dir_of_ours && meta.is_file() {
            let age = changed(&path).and_then(|time| environment::now().duration_since(time).ok());
            if age.is_some_and(|age| age > STAGED_MAX) {
                drop(remove_own_file(&path));
            }
        }
    }
}

fn sweep_one(dir: &Path) {
    match super::open(OpenOptions::new().read(true).write(true), &dir.join(LOCK)) {
        Ok(lock) if matches!(lock::try_exclusive(&lock), Ok(true)) => {
            let deleted = delete_all_but_lock(dir);
            drop(lock);
            drop(deleted.and_then(|()| delete_dir(dir)));
        }
        // Its maker was killed, or is about to lock it. Only if it is empty.
        Err(err) if err.kind() == io::ErrorKind::NotFound => drop(std::fs::remove_dir(dir)),
        _ => {}
    }
}

/// A name that nobody can foresee, so that nobody has put anything there: std's hasher has keys of
/// the system's.
pub(super) fn unforeseeable(prefix: &str) -> String {
    format!("{prefix}{:016x}", RandomState::new().build_hasher().finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_use_stays_and_what_is_left_goes() {
        let parent = Scratch::of_test("sweep");
        let used = Scratch::make(&parent.dir, ".trash-").expect("a directory");
        let mut left = Scratch::make(&parent.dir, ".trash-").expect("a directory");
        let other = Scratch::make(&parent.dir, ".other-").expect("a directory");
        for scratch in [&used, &left, &other] {
            std::fs::create_dir(scratch.dir.join("debug")).expect("a directory");
        }
        sweep(&parent.dir, &[".trash-"]);
        assert!(used.dir.exists() && left.dir.exists(), "they are in use");

        // As when its maker is killed: the lock is free, nothing is deleted.
        left.lock = None;
        let dir = left.dir.clone();
        std::mem::forget(left);
        assert!(dir.exists());
        sweep(&parent.dir, &[".trash-"]);
        assert!(!dir.exists(), "nobody uses it");
        assert!(used.dir.exists() && other.dir.exists(), "it is in use, or of another kind");
        let own = used.dir.clone();
        used.delete().expect("it can be deleted");
        assert!(!own.exists());
    }

    /// A branch may have brought it.
    #[cfg(unix)]
    #[test]
    fn nothing_behind_a_link_is_swept() {
        let parent = Scratch::of_test("sweep-link");
        let precious = Scratch::of_test("precious");
        std::fs::remove_file(precious.dir.join(LOCK)).expect("it is there");
        File::create(precious.dir.join(LOCK)).expect("it can be written");
        let link = parent.dir.join(".trash-0123456789abcdef");
        std::os::unix::fs::symlink(&precious.dir, &link).expect("a link");
        sweep(&parent.dir, &[".trash-"]);
        assert!(precious.dir.join(LOCK).exists());
    }
}

//! Directories that are made for one call and deleted with it, and other names for files.

#![expect(clippy::disallowed_methods, reason = "beside the engine's files/, this is the one place")]

use std::io;
use std::path::{Path, PathBuf};

use multilane_engine::environment;
use multilane_engine::files::scratch::Scratch;
use multilane_engine::files::{delete_dir, make_private_dir, replace, write_atomically};
use multilane_engine::lanes::occupy::PROBE;

/// What has been made so far. Nothing goes by itself: whoever made it says `delete`.
#[derive(Default)]
pub(crate) struct Temporary {
    dirs: Vec<PathBuf>,
}

impl Temporary {
    /// Makes a directory, whose parent has to be there.
    ///
    /// # Errors
    ///
    /// When something has that name already, whatever it is: then it is somebody else's.
    pub(crate) fn make(&mut self, dir: &Path) -> io::Result<()> {
        std::fs::create_dir(dir)?;
        if !self.dirs.iter().any(|made| made == dir) {
            self.dirs.push(dir.to_owned());
        }
        Ok(())
    }

    /// Moves one of its directories, or something in one, to a place in another, which nothing has
    /// yet.
    pub(crate) fn set_aside(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let is_own = |path: &Path| self.dirs.iter().any(|dir| path.starts_with(dir));
        if !is_own(from) || !is_own(to) || to.symlink_metadata().is_ok() {
            return Err(io::Error::other("it is somebody else's"));
        }
        std::fs::rename(from, to)
    }

    /// Deletes one of its directories, or something in one.
    pub(crate) fn delete_one(&self, dir: &Path) -> io::Result<()> {
        if !self.dirs.iter().any(|own| dir.starts_with(own)) {
            return Err(io::Error::other("it is somebody else's"));
        }
        delete_dir(dir)
    }

    /// Deletes all of them. Returns what could not be deleted, and why.
    pub(crate) fn delete(self) -> Vec<(PathBuf, io::Error)> {
        let failed = |dir: PathBuf| Some((delete_dir(&dir).err()?, dir));
        self.dirs.into_iter().filter_map(failed).map(|(err, dir)| (dir, err)).collect()
    }

    /// Those of them that are there.
    pub(crate) fn present(&self) -> impl Iterator<Item = &Path> {
        self.dirs.iter().map(PathBuf::as_path).filter(|dir| dir.is_dir())
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
    replace(name, |staged| multilane_engine::files::copy_new(program, staged))
}

/// Gives a file another name, which nothing must have yet.
pub(crate) fn rename_to_free(from: &Path, to: &Path) -> io::Result<()> {
    if to.symlink_metadata().is_ok() {
        return Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            format!("{} is there", to.display()),
        ));
    }
    std::fs::rename(from, to)
}

/// A directory of our own, unless somebody else has put something into it.
pub(crate) fn remove_if_empty(dir: &Path) {
    drop(std::fs::remove_dir(dir));
}

/// A new temporary directory with these files, deleted when it is dropped.
pub(crate) fn scratch(name: &str, files: &[(&str, &str)]) -> anyhow::Result<Scratch> {
    let parent = environment::temporary_dir();
    let write = || {
        make_private_dir(&parent)?;
        let scratch = Scratch::make(&parent, &format!("{PROBE}{name}-"))?;
        for (name, text) in files {
            let path = scratch.dir.join(name);
            std::fs::create_dir_all(path.parent().unwrap_or(&scratch.dir))?;
            write_atomically(&path, text.as_bytes())?;
        }
        io::Result::Ok(scratch)
    };
    write().map_err(|err| anyhow::anyhow!("cannot write in {}: {err}", parent.display()))
}

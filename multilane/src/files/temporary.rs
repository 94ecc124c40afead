//! Directories that are made for one call and go with it: nothing that was there before is ever
//! touched.

use std::io;
use std::path::{Path, PathBuf};

/// What has been made so far. Nothing goes by itself: whoever made it says `delete`.
#[derive(Default)]
pub struct Temporary {
    dirs: Vec<PathBuf>,
}

impl Temporary {
    /// Makes a directory, whose parent has to be there.
    ///
    /// # Errors
    ///
    /// When something has that name already, whatever it is: then it is somebody else's.
    pub fn make(&mut self, dir: &Path) -> io::Result<()> {
        std::fs::create_dir(dir)?;
        if !self.dirs.iter().any(|made| made == dir) {
            self.dirs.push(dir.to_owned());
        }
        Ok(())
    }

    /// Moves one of its directories, or something in one, to a place in another, which nothing has
    /// yet.
    pub fn set_aside(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let is_own = |path: &Path| self.dirs.iter().any(|dir| path.starts_with(dir));
        if !is_own(from) || !is_own(to) || to.symlink_metadata().is_ok() {
            return Err(io::Error::other("it is somebody else's"));
        }
        std::fs::rename(from, to)
    }

    /// Deletes one of its directories, or something in one.
    pub fn delete_one(&self, dir: &Path) -> io::Result<()> {
        if !self.dirs.iter().any(|own| dir.starts_with(own)) {
            return Err(io::Error::other("it is somebody else's"));
        }
        super::delete_dir(dir)
    }

    /// Deletes all of them. Returns what could not be deleted, and why.
    pub fn delete(self) -> Vec<(PathBuf, io::Error)> {
        let failed = |dir: PathBuf| Some((super::delete_dir(&dir).err()?, dir));
        self.dirs.into_iter().filter_map(failed).map(|(err, dir)| (dir, err)).collect()
    }

    /// Those of them that are there.
    pub fn present(&self) -> impl Iterator<Item = &Path> {
        self.dirs.iter().map(PathBuf::as_path).filter(|dir| dir.is_dir())
    }
}

//! An adapter: [`FileStore`] keeps notes in one text file, which can be read and edited by hand.
//!
//! Deliberately not here: what makes a note valid (`notes-core` knows) and where the file is (the
//! program says). Every call reads the whole file, which is right for thousands of notes.
//!
//! ```text
//! notes.txt         the notes; always whole, as it is only ever replaced by renaming
//! notes.txt.new     the next version while it is written; one that is left over means nothing
//! notes.txt.lock    empty; locked by the one process that is adding a note
//! ```
//!
//! ```
//! use notes_core::Store;
//! use notes_file::FileStore;
//!
//! let store = FileStore::new("no-such-directory/notes.txt");
//! assert!(store.all()?.is_empty()); // A file that is not there yet holds no notes.
//! # Ok::<(), notes_core::Error>(())
//! ```

mod format;

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use notes_core::{Error, Note, Notes, Store};

/// Notes in one file. Any number of processes may use the same file at the same time.
///
/// Each [`Error::Storage`] names the path; its cause is an [`io::Error`], or says what is wrong in
/// the line.
pub struct FileStore {
    path: PathBuf,
}

impl FileStore {
    /// Does not touch the disk. The first note makes the file, in a directory that must be there.
    pub fn new(path: impl Into<PathBuf>) -> FileStore {
        FileStore { path: path.into() }
    }

    /// Waits until no other process is adding a note. The lock lasts as long as the returned file,
    /// and never longer than the process, however that ends.
    fn lock(&self) -> Result<File, Error> {
        let path = self.path.with_added_extension("lock");
        let file = File::create(&path).map_err(failed("create", &path))?;
        file.lock().map_err(failed("lock", &path))?;
        Ok(file)
    }

    /// Killed at any point, it leaves either the old notes or the new ones.
    fn replace(&self, notes: &Notes) -> Result<(), Error> {
        let new = self.path.with_added_extension("new");
        write_through(&new, &format::print(notes)).map_err(failed("write", &new))?;
        fs::rename(&new, &self.path).map_err(failed("replace", &self.path))
    }
}

impl Store for FileStore {
    fn add(&mut self, note: Note) -> Result<u32, Error> {
        let _lock = self.lock()?; // Before reading: of two additions at once, none is lost.
        let mut notes = self.all()?;
        let id = notes.add(note)?;
        self.replace(&notes)?;
        Ok(id)
    }

    fn all(&self) -> Result<Notes, Error> {
        let text = match fs::read_to_string(&self.path) {
            Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(Notes::new()),
            text => text.map_err(failed("read", &self.path))?,
        };
        format::parse(&text).map_err(|(line, cause)| Error::Storage {
            what: format!("{}:{line}", self.path.display()),
            cause,
        })
    }
}

fn write_through(path: &Path, text: &str) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all() // Otherwise a power cut could leave the new name without the new content.
}

/// For `map_err`: says what was tried on which file.
fn failed(action: &str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    move |err| Error::Storage {
        what: format!("cannot {action} {}", path.display()),
        cause: err.into(),
    }
}

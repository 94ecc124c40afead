//! Who leads in a cold start: one file for each goal, locked by the one who builds, for as long as
//! it does.
//!
//! ```text
//! <git common dir>/multilane/cold/   without git, <root>/.lanes/.cold/
//! └── <key>-<goal>                   a note as JSON; the exclusive lock on it says that somebody leads
//! ```
//!
//! The kernel lets go of the lock however a process ends. A file without a lock is a rest, and
//! whoever meets it deletes it. Those who wait want the same lock, one after the other, and give it
//! back at once: to have it means that the one who led has ended.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver};

use crate::cold_start::goal::{Note, Stage};
use crate::files::is_same_file;

/// We build, and others may wait for it. Dropped without a word, it counts as given up.
pub struct Lead {
    file: File,
    path: PathBuf,
    pub note: Note,
}

/// Somebody else builds.
pub struct Leader {
    path: PathBuf,
    /// Two, since the one is read while a thread waits for the lock of the other.
    reader: File,
    locker: File,
}

pub enum Election {
    Lead(Box<Lead>),
    Follow(Leader),
}

/// What those tell who lead at this moment.
pub fn notes(room: &Path) -> Vec<Note> {
    leaders(room).iter().filter_map(Leader::note).collect()
}

/// Takes the lead, unless somebody has it who `covers` what we want.
///
/// # Errors
///
/// When the room cannot be written, or its file system has no locks.
pub fn elect(room: &Path, note: Note, covers: impl Fn(&Note) -> bool) -> io::Result<Election> {
    std::fs::create_dir_all(room)?;
    let path = room.join(note.goal.name());
    let others = leaders(room).into_iter().filter(|leader| leader.path != path);
    for leader in others {
        if leader.note().as_ref().is_some_and(&covers) {
            return Ok(Election::Follow(leader));
        }
    }

    // Each further round means that somebody has deleted the file under our hands, so a few are
    // plenty.
    const ROUNDS_MAX: u32 = 16;
    for _ in 0..ROUNDS_MAX {
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path)?;
        match file.try_lock() {
            Ok(()) if is_same_file(&file, &path) => {
                let mut lead = Lead { file, path, note };
                lead.write()?;
                return Ok(Election::Lead(Box::new(lead)));
            }
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                if let Some(leader) = Leader::open(&path) {
                    return Ok(Election::Follow(leader));
                }
            }
            Err(TryLockError::Error(err)) => return Err(err),
        }
    }
    Err(io::Error::other("it is deleted again and again"))
}

/// Those who lead at this moment. What was left by others is deleted.
fn leaders(room: &Path) -> Vec<Leader> {
    let entries = std::fs::read_dir(room).into_iter().flatten().flatten();
    let mut leaders = Vec::new();
    for leader in entries.filter_map(|entry| Leader::open(&entry.path())) {
        match leader.locker.try_lock() {
            Ok(()) => delete(&leader.locker, &leader.path),
            Err(TryLockError::WouldBlock) => leaders.push(leader),
            Err(TryLockError::Error(_)) => {}
        }
    }
    leaders
}

/// Only what we have open: somebody else may have begun anew under this name.
fn delete(file: &File, path: &Path) {
    if is_same_file(file, path) {
        drop(std::fs::remove_file(path));
    }
}

fn read(file: &File) -> Option<Note> {
    let mut file = file;
    let mut text = String::new();
    file.rewind().ok()?;
    file.read_to_string(&mut text).ok()?;
    Note::parse(&text)
}

impl Lead {
    /// Tells the others how far we are.
    pub fn tell(&mut self, stage: Stage, units: usize) {
        self.note = Note { stage, units, ..self.note.clone() };
        drop(self.write()); // They then know less, and wait a little longer or shorter.
    }

    /// Lets go. The others find everything built if we are `done`; otherwise one of them goes on.
    pub fn finish(mut self, done: bool) {
        if done {
            self.tell(Stage::Done, self.note.units);
        }
        delete(&self.file, &self.path);
    }

    /// Lets the process that this one becomes hold the lead, and whatever it starts: all of it has
    /// ended when the lock is free.
    pub fn hand_on(self) {
        #[cfg(unix)]
        {
            use std::os::fd::IntoRawFd as _;
            #[expect(
                unsafe_code,
                reason = "std has no name for handing on a descriptor to what is executed"
            )]
            // SAFETY: takes numbers; nobody else has this descriptor any more.
            unsafe {
                libc::fcntl(self.file.into_raw_fd(), libc::F_SETFD, 0)
            };
        }
    }

    fn write(&mut self) -> io::Result<()> {
        self.file.rewind()?;
        self.file.set_len(0)?;
        self.file.write_all(self.note.text().as_bytes())
    }
}

impl Leader {
    fn open(path: &Path) -> Option<Leader> {
        let reader = File::open(path).ok()?;
        let locker = OpenOptions::new().read(true).write(true).open(path).ok()?;
        let is_one = is_same_file(&reader, path) && is_same_file(&locker, path);
        is_one.then(|| Leader { path: path.to_owned(), reader, locker })
    }

    /// What it tells; `None` while it is writing.
    pub fn note(&self) -> Option<Note> {
        read(&self.reader)
    }

    /// Whether it leads no longer, as far as the others are concerned, though it may not have
    /// ended.
    pub fn is_deposed(&self) -> bool {
        !is_same_file(&self.reader, &self.path)
    }

    /// Others can take the lead, although this one has not ended.
    pub fn depose(&self) {
        delete(&self.reader, &self.path);
    }

    /// Hears when it has ended, however it did. Only a thread waits, so a signal still ends us at
    /// once.
    ///
    /// # Errors
    ///
    /// When there are no more files to be had.
    pub fn end(&self) -> io::Result<Receiver<()>> {
        let (sender, receiver) = mpsc::channel();
        let (locker, path) = (self.locker.try_clone()?, self.path.clone());
        std::thread::spawn(move || {
            if locker.lock().is_ok() {
                // Killed, it has left its file; whoever goes on begins with a new one.
                delete(&locker, &path);
                drop(locker.unlock()); // Another may hold a clone of it.
                sender.send(()).ok(); // Nobody listens any more.
            }
        });
        Ok(receiver)
    }
}

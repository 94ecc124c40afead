//! Who leads in a cold start: one file for each goal, locked by the leader until it ends.
//!
//! ```text
//! <git common dir>/multilane/cold/   without git, <root>/.lanes/.cold/
//! └── <base>-<products>              a note as JSON; the leader has the exclusive lock on it
//! ```
//!
//! The kernel releases the lock however a process ends. A file without a lock is a leftover, which
//! the next builder deletes. Each follower waits for the lock and releases it at once: it has ended
//! the wait when it gets it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver};

use serde_json::{Value, json};

use crate::cold_start::goal::Goal;
use crate::files::is_same_file;

/// What a leader tells its followers.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Note {
    /// The agent, or the directory of the worktree.
    pub(super) builder: String,
    pub(super) pid: u32,
    /// The workspace root.
    pub(super) root: PathBuf,
    pub(super) lane: PathBuf,
    /// Tells the lane from another directory that has its path in a container.
    pub(super) identity: Option<String>,
    pub(super) goal: Goal,
    /// How many units the lane had when cargo was started for the last step that builds; `None`
    /// before that.
    pub(super) units: Option<usize>,
    /// Everything was built.
    pub(super) is_done: bool,
}

/// Our own lead. A builder that drops it without [`Lead::finish`] counts as failed.
pub(super) struct Lead {
    file: File,
    path: PathBuf,
    pub(super) note: Note,
}

/// Another builder that leads.
pub(super) struct Leader {
    path: PathBuf,
    /// Two open files: one is read while a thread waits for the lock of the other.
    reader: File,
    locker: File,
}

pub(super) enum Election {
    Lead(Box<Lead>),
    Follow(Leader),
}

/// The notes of all leaders.
pub(super) fn notes(room: &Path) -> Vec<Note> {
    leaders(room).iter().filter_map(Leader::note).collect()
}

/// Takes the lead, unless another builder has it whose note `is_for_us`.
///
/// # Errors
///
/// When the room cannot be written, or its file system has no locks.
pub(super) fn elect(
    room: &Path,
    note: Note,
    is_for_us: impl Fn(&Note) -> bool,
) -> io::Result<Election> {
    std::fs::create_dir_all(room)?;
    let path = room.join(note.goal.name());
    for leader in leaders(room) {
        if leader.path != path && leader.note().as_ref().is_some_and(&is_for_us) {
            return Ok(Election::Follow(leader));
        }
    }

    // In each further round another builder has deleted the file after we have opened it.
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
    Err(io::Error::other(format!("{} is deleted again and again", path.display())))
}

/// All leaders. The files of builders that have ended are deleted.
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

/// Deletes the file that is open; another builder may have made a new one with its name.
fn delete(file: &File, path: &Path) {
    if is_same_file(file, path) {
        _ = std::fs::remove_file(path);
    }
}

impl Lead {
    /// cargo is about to be started for the last step that builds, in a lane with so many units.
    pub(super) fn start_last_step(&mut self, units: usize) {
        self.note.units = Some(units);
        _ = self.write(); // Without it the followers wait a little longer.
    }

    /// Gives up the lead. Unless everything `is_done`, one of the followers goes on.
    pub(super) fn finish(mut self, is_done: bool) {
        self.note.is_done = is_done;
        _ = self.write();
        delete(&self.file, &self.path);
    }

    /// Has the program that this process becomes, and all that it starts, hold the lock.
    pub(super) fn hand_on(self) {
        #[cfg(unix)]
        {
            use std::os::fd::IntoRawFd as _;
            #[expect(unsafe_code, reason = "std cannot hand a descriptor on to a program")]
            // SAFETY: takes numbers, and nothing else has this descriptor any more.
            unsafe {
                libc::fcntl(self.file.into_raw_fd(), libc::F_SETFD, 0)
            };
        }
    }

    fn write(&mut self) -> io::Result<()> {
        self.file.rewind()?;
        self.file.set_len(0)?;
        self.file.write_all(self.note.to_text().as_bytes())
    }
}

impl Leader {
    fn open(path: &Path) -> Option<Leader> {
        let reader = File::open(path).ok()?;
        let locker = OpenOptions::new().read(true).write(true).open(path).ok()?;
        let is_one = is_same_file(&reader, path) && is_same_file(&locker, path);
        is_one.then(|| Leader { path: path.to_owned(), reader, locker })
    }

    /// Its note; `None` while it writes it.
    pub(super) fn note(&self) -> Option<Note> {
        let mut text = String::new();
        (&self.reader).rewind().ok()?;
        (&self.reader).read_to_string(&mut text).ok()?;
        Note::from_text(&text)
    }

    /// Whether others have taken the lead from it. It may still run.
    pub(super) fn is_deposed(&self) -> bool {
        !is_same_file(&self.reader, &self.path)
    }

    /// Lets others take the lead while this one still runs.
    pub(super) fn depose(&self) {
        delete(&self.reader, &self.path);
    }

    /// Receives a message when the leader has ended. Only a thread waits, so that a signal ends this
    /// process at once.
    ///
    /// # Errors
    ///
    /// When no more files can be opened.
    pub(super) fn end(&self) -> io::Result<Receiver<()>> {
        let (sender, receiver) = mpsc::channel();
        let (locker, path) = (self.locker.try_clone()?, self.path.clone());
        std::thread::spawn(move || {
            if locker.lock().is_ok() {
                delete(&locker, &path); // A leader that was killed has left it.
                _ = locker.unlock(); // `self.locker` still has the file open.
                _ = sender.send(()); // The receiver may be gone.
            }
        });
        Ok(receiver)
    }
}

impl Note {
    fn to_text(&self) -> String {
        json!({
            "builder": self.builder,
            "pid": self.pid,
            "root": self.root.to_string_lossy(),
            "lane": self.lane.to_string_lossy(),
            "identity": self.identity,
            "base": self.goal.base,
            "inside": self.goal.inside,
            "lines": self.goal.lines,
            "units": self.units,
            "is_done": self.is_done,
        })
        .to_string()
    }

    /// `None` for what is not a whole note, or not yet.
    fn from_text(text: &str) -> Option<Note> {
        let value: Value = serde_json::from_str(text).ok()?;
        let text = |name: &str| Some(value[name].as_str()?.to_owned());
        let words = |line: &Value| {
            line.as_array()?.iter().map(|word| Some(word.as_str()?.to_owned())).collect()
        };
        let lines = value["lines"].as_array()?.iter().map(words).collect::<Option<_>>()?;
        Some(Note {
            builder: text("builder")?,
            pid: u32::try_from(value["pid"].as_u64()?).ok()?,
            root: text("root")?.into(),
            lane: text("lane")?.into(),
            identity: text("identity"),
            goal: Goal { base: text("base")?, inside: text("inside")?, lines },
            units: value["units"].as_u64().and_then(|units| usize::try_from(units).ok()),
            is_done: value["is_done"].as_bool()?,
        })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::cold_start) fn note(units: Option<usize>) -> Note {
        let lines = ["build -p x", "test"].map(|line| line.split(' ').map(str::to_owned).collect());
        Note {
            builder: "a".to_owned(),
            pid: 1,
            root: "/w".into(),
            lane: "/w/target".into(),
            identity: Some("1:2".to_owned()),
            goal: Goal { base: "base".to_owned(), inside: String::new(), lines: lines.to_vec() },
            units,
            is_done: false,
        }
    }

    #[test]
    fn a_note_is_read_as_it_was_written() {
        for note in [note(None), note(Some(10)), Note { is_done: true, ..note(Some(0)) }] {
            assert_eq!(Note::from_text(&note.to_text()), Some(note.clone()));
            assert_eq!(Note::from_text(&note.to_text()[1..]), None);
        }
    }
}

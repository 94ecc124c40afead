//! Who leads in a cold start: one file for each goal, locked by the leader until it ends.
//!
//! ```text
//! <git common dir>/multilane/cold/   without git, <root>/.lanes/.cold/
//! └── <base>-<products>              a note as JSON; the leader has the exclusive lock on it
//! ```
//!
//! The kernel releases the lock however a process ends. A file without a lock is a leftover, which
//! the next builder deletes. A follower that can take the lock knows that the leader has ended.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use crate::cold_start::goal::Goal;
use crate::files::{is_same_file, lock, open, open_own, remove_own_file};
use crate::json::Json;

/// No note is as long.
const NOTE_BYTES_MAX: u64 = 1 << 20;

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

impl Note {
    /// Whether both build in one lane. On macOS and Windows, agents whose names differ in case only
    /// do, under two paths.
    pub(super) fn has_lane_of(&self, other: &Note) -> bool {
        self.lane == other.lane || (self.identity.is_some() && self.identity == other.identity)
    }
}

/// Our own lead. A builder that drops it without [`Lead::finish`] counts as failed.
pub(super) struct Lead {
    file: File,
    path: PathBuf,
    pub(super) note: Note,
}

/// Another builder that leads.
pub(super) struct Leader {
    file: File,
    path: PathBuf,
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
        let file = open_own(OpenOptions::new().read(true).write(true), &path)?;
        if lock::try_exclusive(&file)? {
            if is_same_file(&file, &path) {
                let mut lead = Lead { file, path, note };
                lead.write()?;
                return Ok(Election::Lead(Box::new(lead)));
            }
        } else if let Some(leader) = Leader::open(&path) {
            return Ok(Election::Follow(leader));
        }
    }
    Err(io::Error::other(format!("{} is deleted again and again", path.display())))
}

/// All leaders. The files of builders that have ended are deleted.
fn leaders(room: &Path) -> Vec<Leader> {
    let entries = std::fs::read_dir(room).into_iter().flatten().flatten();
    let leaders = entries.filter_map(|entry| Leader::open(&entry.path()));
    leaders.filter(|leader| !leader.has_ended()).collect()
}

/// Deletes the file that is open; another builder may have made a new one with its name.
fn delete(file: &File, path: &Path) {
    if is_same_file(file, path) {
        _ = remove_own_file(path);
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
        let file = open(OpenOptions::new().read(true).write(true), path).ok()?;
        is_same_file(&file, path).then(|| Leader { file, path: path.to_owned() })
    }

    /// Its note; `None` while it writes it.
    pub(super) fn note(&self) -> Option<Note> {
        let mut text = String::new();
        (&self.file).rewind().ok()?;
        (&self.file).take(NOTE_BYTES_MAX).read_to_string(&mut text).ok()?;
        Note::from_text(&text)
    }

    /// Whether it leads no longer. If it was killed, its file is deleted here.
    pub(super) fn has_ended(&self) -> bool {
        match lock::try_exclusive(&self.file) {
            Ok(true) => {
                delete(&self.file, &self.path);
                _ = lock::unlock(&self.file);
                true
            }
            // Others may have taken the lead from one that still runs.
            Ok(false) => !is_same_file(&self.file, &self.path),
            Err(_) => true,
        }
    }

    /// Lets others take the lead while this one still runs.
    pub(super) fn depose(&self) {
        delete(&self.file, &self.path);
    }
}

impl Note {
    pub(super) fn to_text(&self) -> String {
        Json::object([
            ("builder", (&self.builder).into()),
            ("pid", u64::from(self.pid).into()),
            ("root", self.root.to_string_lossy().into()),
            ("lane", self.lane.to_string_lossy().into()),
            ("identity", self.identity.as_ref().into()),
            ("base", (&self.goal.base).into()),
            ("inside", (&self.goal.inside).into()),
            ("lines", self.goal.lines.iter().map(Json::from_iter).collect()),
            ("units", self.units.into()),
            ("is_done", self.is_done.into()),
        ])
        .to_string()
    }

    /// `None` for what is not a whole note, or not yet.
    pub(super) fn from_text(text: &str) -> Option<Note> {
        let value = Json::read(text.as_bytes())?;
        let text = |name: &str| Some(value[name].as_str()?.to_owned());
        let words = |line: &Json| {
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
            is_done: value["is_done"] == Json::Bool(true),
        })
    }
}

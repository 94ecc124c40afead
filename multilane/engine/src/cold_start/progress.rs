//! How far a leader has come, seen from its lane and its process, and whether to wait for it.

use std::collections::HashSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::cold_start::goal::Needed;
use crate::cold_start::leader::Note;
use crate::files;
use crate::lanes::list;
use crate::units;

/// The lane of a leader, looked at again and again.
pub(super) struct Progress {
    pub(super) lane: PathBuf,
    needed: Needed,
    /// The places of units that were complete at an earlier look.
    complete: HashSet<PathBuf>,
    /// The packages of the others. cargo makes a place for each unit that it is going to build
    /// before it builds the first.
    incomplete: Vec<String>,
    newest: Option<String>,
    changed: Instant,
    /// How many looks in a row have found that cargo has left the lane.
    looks_without_cargo: u32,
}

#[derive(Debug, PartialEq)]
pub(super) enum Decision {
    Wait,
    /// The leader has everything that we can use.
    Fork,
    /// Another builder has to go on; why, in words that follow the name of the leader.
    GiveUp(String),
}

impl Progress {
    pub(super) fn new(lane: &Path, needed: Needed) -> Progress {
        Progress {
            lane: lane.to_owned(),
            needed,
            complete: HashSet::new(),
            incomplete: Vec::new(),
            newest: None,
            changed: Instant::now(),
            looks_without_cargo: 0,
        }
    }

    pub(super) fn look(&mut self) {
        let before = (self.complete.len(), self.incomplete.len());
        self.incomplete.clear();
        for (package, fingerprint) in units::places(&self.lane) {
            if self.complete.contains(&fingerprint) {
                continue;
            }
            if units::is_complete(&self.lane, &fingerprint) {
                self.complete.insert(fingerprint);
                self.newest = Some(package);
            } else {
                self.incomplete.push(package);
            }
        }
        if before != (self.complete.len(), self.incomplete.len()) {
            self.changed = Instant::now();
        }
        let is_left = list::was_left_by_cargo(&self.lane);
        self.looks_without_cargo = if is_left { self.looks_without_cargo + 1 } else { 0 };
    }

    /// Whether cargo has begun with the last step, and nothing that we need is incomplete.
    pub(super) fn has_all(&self, note: &Note) -> bool {
        let is_needed =
            |package: &String| self.needed.as_ref().is_none_or(|needed| needed.contains(package));
        note.units.is_some_and(|units| self.units() > units)
            && !self.incomplete.iter().any(is_needed)
    }

    pub(super) fn decide(&self, note: &Note, is_suspended: bool, patience: Duration) -> Decision {
        // Between two commands of one step cargo may be gone for a moment.
        const LOOKS_MIN: u32 = 4;
        // What runs then is a program or tests.
        let is_left = note.units.is_some() && self.looks_without_cargo >= LOOKS_MIN;
        if self.has_all(note) || is_left {
            return Decision::Fork;
        }
        if is_suspended {
            return Decision::GiveUp("is suspended".to_owned());
        }
        if self.changed.elapsed() >= patience {
            let time = match patience.as_secs() {
                seconds if seconds < 60 => format!("{seconds} s"),
                seconds => format!("{} min", seconds / 60),
            };
            return Decision::GiveUp(format!("has made no progress for {time}"));
        }
        Decision::Wait
    }

    /// How many units the lane has, complete or not.
    fn units(&self) -> usize {
        self.complete.len() + self.incomplete.len()
    }
}

/// `37/120 units, regex-syntax`
impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{} units", self.complete.len(), self.units())?;
        self.newest.as_ref().map_or(Ok(()), |package| write!(f, ", {package}"))
    }
}

/// Tells a directory from all others of this machine, by any path. `None` where
/// the system cannot.
pub(super) fn identity(dir: &Path) -> Option<String> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        let meta = dir.metadata().ok()?;
        Some(format!("{}:{}", meta.dev(), meta.ino()))
    }
    #[cfg(not(unix))]
    dir.metadata().ok().and(None)
}

/// Whether a process was stopped, as by ctrl-z. `false` where the system does not show it.
pub(super) fn is_suspended(process: u32) -> bool {
    // proc_pid_stat(5): the name in brackets, which may have anything in it, then the state.
    let stat = files::read_text(format!("/proc/{process}/stat")).unwrap_or_default();
    stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with(['T', 't']))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::cold_start::tests::note;

    const PATIENCE: Duration = Duration::from_secs(60);

    fn progress(units: usize, incomplete: &[&str]) -> Progress {
        let needed = Some(BTreeSet::from(["libc".to_owned()]));
        let complete = (0..units - incomplete.len()).map(|number| number.to_string().into());
        Progress {
            complete: complete.collect(),
            incomplete: incomplete.iter().map(|name| (*name).to_owned()).collect(),
            ..Progress::new(Path::new("/w/target"), needed)
        }
    }

    #[test]
    fn a_follower_waits_while_something_is_missing() {
        let (before, last) = (note(None), note(Some(10)));
        let decide = |note: &Note, progress: &Progress| progress.decide(note, false, PATIENCE);
        assert_eq!(decide(&last, &progress(20, &["libc", "core"])), Decision::Wait);
        assert_eq!(decide(&last, &progress(20, &["core"])), Decision::Fork);
        assert_eq!(decide(&last, &progress(10, &[])), Decision::Wait, "cargo has not begun");
        assert_eq!(decide(&before, &progress(20, &[])), Decision::Wait, "another step comes");
        let left = Progress { looks_without_cargo: 4, ..progress(10, &["libc"]) };
        assert_eq!(decide(&last, &left), Decision::Fork);
        assert_eq!(decide(&before, &left), Decision::Wait);
    }

    #[test]
    fn a_follower_does_not_wait_without_progress() {
        let last = note(Some(10));
        let idle = |incomplete: &[&str]| {
            let changed = Instant::now().checked_sub(PATIENCE).expect("the machine runs longer");
            Progress { changed, ..progress(20, incomplete) }
        };
        let give_up = |why: &str| Decision::GiveUp(why.to_owned());
        let decided = idle(&["libc"]).decide(&last, false, PATIENCE);
        assert_eq!(decided, give_up("has made no progress for 1 min"));
        assert_eq!(idle(&["libc"]).decide(&last, false, PATIENCE * 2), Decision::Wait);
        let decided = progress(20, &["libc"]).decide(&last, true, PATIENCE);
        assert_eq!(decided, give_up("is suspended"));
        assert_eq!(idle(&[]).decide(&last, true, PATIENCE), Decision::Fork, "it runs a program");
    }
}

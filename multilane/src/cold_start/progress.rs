//! How far another builder has come, by looking at its lane and at its process. Neither notices.

use std::collections::HashSet;
use std::fmt;
use std::path::{Path, PathBuf};

use crate::units;

/// A lane in which somebody builds, looked at again and again.
pub struct Progress {
    lane: PathBuf,
    /// Where the units lie that were seen to be complete: they need no further look.
    complete: HashSet<PathBuf>,
    /// The packages of the others.
    pub incomplete: Vec<String>,
    /// The package of a unit that the last look that found any has found complete.
    newest: Option<String>,
}

impl Progress {
    pub fn of(lane: &Path) -> Progress {
        Progress {
            lane: lane.to_owned(),
            complete: HashSet::new(),
            incomplete: Vec::new(),
            newest: None,
        }
    }

    /// Returns whether anything has happened since the last look.
    pub fn look(&mut self) -> bool {
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
        before != (self.complete.len(), self.incomplete.len())
    }

    /// How many units the lane has, complete or not.
    pub fn units(&self) -> usize {
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

/// What tells a directory from all others on this machine, under whatever name; `None` where
/// nothing does.
#[cfg(unix)]
pub fn identity(dir: &Path) -> Option<String> {
    use std::os::unix::fs::MetadataExt as _;
    let meta = dir.metadata().ok()?;
    Some(format!("{}:{}", meta.dev(), meta.ino()))
}

#[cfg(not(unix))]
pub fn identity(_dir: &Path) -> Option<String> {
    None
}

/// Whether a process was stopped, as by ctrl-z. `false` where nothing tells.
pub fn is_suspended(process: u32) -> bool {
    // proc_pid_stat(5): the name in brackets, which may hold anything, then the state.
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with(['T', 't']))
}

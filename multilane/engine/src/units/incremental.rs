//! The incremental caches in a lane: what rustc keeps of its last run, so that after an edit it
//! compiles only what changed.
//!
//! ```text
//! <lane>/<profile>/incremental/
//! ├── <crate>-<id>/                    of one unit; the id comes from what cargo calls its metadata
//! │   ├── s-<time>-<random>-<hash>/    a finished session; nothing in it is written again
//! │   ├── s-<time>-<random>.lock       its lock
//! │   └── s-<time>-<random>-working/   one that is being written, or whose compiler was killed
//! └── .forked/                         ours: of the caches that a fork has brought and nobody has used yet
//!     ├── <crate>-<id>                 where the cache was made, and for which lane it was brought; [`Origin`]
//!     ├── xtask                        the program that makes it fit for this tree
//!     └── .probe-<pid>/                what that tries out, while it does
//! ```
//!
//! Times and random numbers are in base 36 (`rustc_incremental/src/persist/fs.rs`).

use std::path::{Path, PathBuf};

use crate::files;
use crate::files::parallel::in_parallel;
use crate::units::layout::profile_dirs;

/// The folder of what a fork has brought, in `incremental`.
pub(crate) const FORKED: &str = ".forked";

/// The program, in that folder.
pub(crate) const FORKED_PROGRAM: &str = "xtask";

/// How the folder of what is being tried out begins.
pub(crate) const PROBE: &str = ".probe-";

/// The newest finished session of one unit.
#[derive(Clone, Debug, PartialEq)]
pub struct Cache {
    /// Of the unit, relative to the lane.
    pub dir: PathBuf,
    pub session: String,
    /// The names of the files in it.
    pub files: Vec<String>,
    /// Where it was made, if a fork has brought it and nobody has used it since.
    pub origin: Option<Origin>,
}

/// Where a cache was made.
#[derive(Clone, Debug, PartialEq)]
pub struct Origin {
    /// The workspace root.
    pub root: PathBuf,
    pub lane: PathBuf,
}

impl Origin {
    /// What is written beside a cache that is brought into `lane`. `None` for paths that are no
    /// text.
    pub fn mark(&self, lane: &Path) -> Option<String> {
        let [root, made_in, lane] = [&self.root, &self.lane, lane].map(Path::to_str);
        Some(format!("{}\n{}\n{}\n", root?, made_in?, lane?))
    }

    /// With the lane that it was brought into.
    pub fn of_mark(text: &str) -> Option<(Origin, PathBuf)> {
        let mut lines = text.lines().map(PathBuf::from);
        let origin = Origin { root: lines.next()?, lane: lines.next()? };
        Some((origin, lines.next()?))
    }
}

impl Cache {
    /// The crate's name, as rustc writes it.
    pub fn crate_name(&self) -> &str {
        crate_name(&self.dir)
    }

    /// The name of its lock's file.
    pub fn lock(&self) -> String {
        let stem = self.session.rsplit_once('-').map_or(self.session.as_str(), |(stem, _)| stem);
        format!("{stem}.lock")
    }
}

/// All caches of a lane that a compiler could begin with.
pub(crate) fn read(lane: &Path, with_xtask: bool) -> Vec<Cache> {
    let dirs: Vec<PathBuf> = dirs(lane, with_xtask);
    let read = |dir: &PathBuf| {
        let session = newest_session(&lane.join(dir))?;
        let entries = std::fs::read_dir(lane.join(dir).join(&session)).ok()?;
        let files: Option<Vec<String>> =
            entries.map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
        let marker = dir.with_file_name(FORKED).join(dir.file_name()?);
        let mark = files::read_text(lane.join(marker)).ok();
        let origin = mark.and_then(|text| Some(Origin::of_mark(&text)?.0));
        Some(Cache { dir: dir.clone(), session, files: files?, origin })
    };
    in_parallel(&dirs, read).into_iter().flatten().collect()
}

/// The directories of all units' caches, relative to the lane.
pub(crate) fn dirs(lane: &Path, with_xtask: bool) -> Vec<PathBuf> {
    let profiles = profile_dirs(lane, with_xtask).into_iter();
    let units = profiles.flat_map(|profile| units(&lane.join(profile).join("incremental")));
    units.filter_map(|dir| Some(dir.strip_prefix(lane).ok()?.to_owned())).collect()
}

/// The directories of the units in one `-C incremental`.
pub(crate) fn units(incremental: &Path) -> Vec<PathBuf> {
    let is_unit =
        |dir: &PathBuf| dir.file_name().is_none_or(|name| name.as_encoded_bytes()[0] != b'.');
    files::subdirectories(incremental).filter(is_unit).collect()
}

/// The names of the caches of a crate that a fork has brought into this `.forked`.
pub(crate) fn forked(forked: &Path, of_crate: &str) -> Vec<String> {
    let names = files::names(forked);
    names.filter(|name| name.contains('-') && crate_name(Path::new(name)) == of_crate).collect()
}

fn crate_name(dir: &Path) -> &str {
    let name = dir.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.rsplit_once('-').map_or(name, |(name, _)| name)
}

/// The path of the newest finished session in a unit's cache.
pub(crate) fn newest_session(dir: &Path) -> Option<String> {
    let finished = files::names(dir).filter(|name| {
        name.starts_with("s-") && !name.ends_with("-working") && !name.ends_with(".lock")
    });
    finished.max_by_key(|name| {
        name.split('-').nth(1).and_then(|time| u64::from_str_radix(time, 36).ok())
    })
}

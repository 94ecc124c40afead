//! How often crates came from the shared cache: in one build, for its summary line, and in all.
//!
//! ```text
//! <runtime dir>/tally-<process>-<time>          one byte for each unit that was compiled through it
//! <runtime dir>/tally-<process>-<time>.before   what its server had counted before the first one
//! <runtime dir>/tally-<process>-<time>.warning  what was wrong with it
//! <cache dir>/multilane/brought.json            the sum of all builds, for `doctor`
//! ```

use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::files::{self, lock, remove_own_file, write_atomically};
use crate::json::Json;

/// How long others may hold a lock of ours.
pub(super) const LOCKED_MAX: Duration = Duration::from_secs(5);

/// The variable that names the tally to what a build starts.
pub const TALLY: &str = "XTASK_CACHE_TALLY";

const TOTALS: &str = "multilane/brought.json";

/// A number of crates that were looked up in the cache, and how many of them were found.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CacheCounts {
    pub asked: u64,
    pub hits: u64,
}

impl CacheCounts {
    /// From what sccache says to `--show-stats --stats-format=json`.
    pub(super) fn of_server(json: &str) -> Option<CacheCounts> {
        let value = Json::read(json.as_bytes())?;
        let Json::Object(hits) = &value["stats"]["cache_hits"]["counts"] else { return None };
        Some(CacheCounts {
            asked: value["stats"]["compile_requests"].as_u64()?,
            hits: hits.iter().filter_map(|(_, count)| count.as_u64()).fold(0, u64::saturating_add),
        })
    }

    /// How many units of a build came from the cache. The server counts for all who use it, so this
    /// is known only if it was asked as often in between as the build has asked.
    fn hits_since(self, before: CacheCounts, asked: u64) -> Option<u64> {
        let is_known = self.asked.checked_sub(before.asked) == Some(asked);
        self.hits.checked_sub(before.hits).filter(|_| is_known)
    }

    fn to_text(self) -> String {
        Json::object([("asked", self.asked.into()), ("hits", self.hits.into())]).to_string()
    }

    fn read(file: &Path) -> Option<CacheCounts> {
        let value = Json::read(&files::read(file).ok()?)?;
        Some(CacheCounts { asked: value["asked"].as_u64()?, hits: value["hits"].as_u64()? })
    }
}

/// Where the compilers of one build write what came of the cache.
pub struct Tally {
    pub file: PathBuf,
}

impl Tally {
    pub(super) fn at(file: PathBuf) -> Tally {
        Tally { file }
    }

    /// One for the build of this process. It makes no file before there is something to write.
    pub(super) fn new(runtime_dir: &Path, now: SystemTime) -> Tally {
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        Tally::at(runtime_dir.join(format!("tally-{}-{now}", std::process::id())))
    }

    pub(super) fn add(&self) {
        let file = files::open_own(OpenOptions::new().append(true), &self.file);
        _ = file.and_then(|mut file| file.write_all(b"x"));
    }

    /// How many units the cache was asked for. `None` in a build that asked for none.
    pub(super) fn asked(&self) -> Option<u64> {
        Some(self.file.metadata().ok()?.len())
    }

    /// `count` is called once for each build. Other compilers wait meanwhile, so that their units
    /// are not counted in it; if it takes too long, the number of hits stays unknown.
    pub(super) fn begin(&self, count: impl FnOnce() -> CacheCounts) {
        let _lock = lock::wait(&self.part("lock"), LOCKED_MAX);
        if !self.has_begun() {
            _ = write_atomically(&self.part("before"), count().to_text().as_bytes());
        }
    }

    pub(super) fn has_begun(&self) -> bool {
        self.part("before").exists()
    }

    pub(super) fn hits(&self, after: CacheCounts) -> Option<u64> {
        after.hits_since(CacheCounts::read(&self.part("before"))?, self.asked()?)
    }

    pub(super) fn warn(&self, warning: &str) {
        _ = write_once(&self.part("warning"), warning);
    }

    pub(super) fn warning(&self) -> Option<String> {
        files::read_text(self.part("warning")).ok()
    }

    pub(super) fn remove(&self) {
        for file in
            [self.file.clone(), self.part("before"), self.part("warning"), self.part("lock")]
        {
            _ = remove_own_file(&file);
        }
    }

    fn part(&self, extension: &str) -> PathBuf {
        self.file.with_extension(extension)
    }
}

/// The sum of all builds of this user.
pub fn totals(cache_home: &Path) -> CacheCounts {
    CacheCounts::read(&cache_home.join(TOTALS)).unwrap_or_default()
}

/// Of two builds that end at the same moment one may not be counted.
pub(super) fn add_to_totals(cache_home: &Path, build: CacheCounts) {
    let old = totals(cache_home);
    let new = CacheCounts {
        asked: old.asked.saturating_add(build.asked),
        hits: old.hits.saturating_add(build.hits),
    };
    let file = cache_home.join(TOTALS);
    _ = std::fs::create_dir_all(file.parent().unwrap_or(cache_home))
        .and_then(|()| write_atomically(&file, new.to_text().as_bytes()));
}

/// # Errors
///
/// `AlreadyExists` for all but the first.
pub(super) fn write_once(path: &Path, text: &str) -> io::Result<()> {
    File::create_new(path)?.write_all(text.as_bytes())
}

/// Removes the files of our own whose path begins with `start`.
pub(super) fn remove_all(start: &Path) {
    let name = start.file_name().and_then(OsStr::to_str);
    let (Some(dir), Some(name)) = (start.parent(), name) else { return };
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(name) {
            _ = remove_own_file(&entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hits_are_known_only_if_no_other_build_was_served() {
        let read = |asked: u64, hits: u64| {
            let counts = serde_json::json!({ "counts": { "Rust": hits, "C/C++": 1 } });
            let stats =
                serde_json::json!({ "stats": { "compile_requests": asked, "cache_hits": counts } });
            CacheCounts::of_server(&stats.to_string()).expect("counts")
        };
        assert_eq!(read(15, 7).hits_since(read(10, 3), 5), Some(4));
        assert_eq!(read(16, 7).hits_since(read(10, 3), 5), None, "another build");
        assert_eq!(read(5, 5).hits_since(read(10, 3), 5), None, "another server");
        assert_eq!(CacheCounts::of_server("rubbish"), None);
    }
}

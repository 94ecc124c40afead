//! What a build that xtask has started says of the shared cache, for the summary line.
//!
//! ```text
//! <runtime dir>/tally-<process>-<time>          one byte for each unit that was compiled through it
//! <runtime dir>/tally-<process>-<time>.before   what its server had counted when the first of them came
//! <runtime dir>/tally-<process>-<time>.warning  what was wrong with it
//! <cache dir>/multilane/brought.json            what came of it in all builds, for `doctor`
//! ```

use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::files::{remove_own_file, write_atomically};
use crate::sccache::settings::{Brought, Counts};

/// The variable that names it to what a build starts.
pub const TALLY: &str = "XTASK_CACHE_TALLY";

const BROUGHT: &str = "multilane/brought.json";

pub struct Tally {
    pub file: PathBuf,
}

impl Tally {
    pub fn at(file: PathBuf) -> Tally {
        Tally { file }
    }

    /// One for the build of this process, which makes no file before it has something to say.
    pub fn new(runtime_dir: &Path, now: SystemTime) -> Tally {
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        Tally::at(runtime_dir.join(format!("tally-{}-{now}", std::process::id())))
    }

    pub fn add(&self) {
        let file = OpenOptions::new().append(true).create(true).open(&self.file);
        drop(file.and_then(|mut file| file.write_all(b"x")));
    }

    /// `None`: nothing was compiled through the cache, as in nearly every build.
    pub fn count(&self) -> Option<u64> {
        Some(self.file.metadata().ok()?.len())
    }

    /// `count` is asked once for each build; whoever comes meanwhile waits, since its unit must not
    /// be counted in there.
    pub fn begin(&self, count: impl FnOnce() -> Counts) {
        let lock = File::create(self.file.with_extension("lock"));
        if lock.is_ok_and(|lock| lock.lock().is_ok()) && !self.before_file().exists() {
            drop(write_atomically(&self.before_file(), count().to_text().as_bytes()));
        }
    }

    pub fn before(&self) -> Option<Counts> {
        Counts::read(&std::fs::read_to_string(self.before_file()).ok()?)
    }

    pub fn warn(&self, warning: &str) {
        drop(write_once(&self.warning_file(), warning));
    }

    pub fn warning(&self) -> Option<String> {
        std::fs::read_to_string(self.warning_file()).ok()
    }

    pub fn remove(&self) {
        for file in [
            &self.file,
            &self.before_file(),
            &self.warning_file(),
            &self.file.with_extension("lock"),
        ] {
            drop(remove_own_file(file));
        }
    }

    fn before_file(&self) -> PathBuf {
        self.file.with_extension("before")
    }

    fn warning_file(&self) -> PathBuf {
        self.file.with_extension("warning")
    }
}

/// What the shared cache has brought in all builds that told.
pub fn brought(cache_home: &Path) -> Brought {
    let text = std::fs::read_to_string(cache_home.join(BROUGHT)).unwrap_or_default();
    Brought::read(&text).unwrap_or_default()
}

/// Where two builds end at the same moment, one of them may not be counted.
pub fn add_to_brought(cache_home: &Path, asked: u64, hits: u64) {
    let text = brought(cache_home).plus(asked, hits).to_text();
    let file = cache_home.join(BROUGHT);
    let written = std::fs::create_dir_all(file.parent().unwrap_or(cache_home))
        .and_then(|()| write_atomically(&file, text.as_bytes()));
    drop(written); // Nothing depends on it.
}

/// # Errors
///
/// `AlreadyExists` for all but the first.
pub fn write_once(path: &Path, text: &str) -> io::Result<()> {
    OpenOptions::new().write(true).create_new(true).open(path)?.write_all(text.as_bytes())
}

/// Removes the files of our own that begin with `start`.
pub fn remove_all(start: &Path) {
    let (Some(dir), Some(name)) = (start.parent(), start.file_name().and_then(OsStr::to_str))
    else {
        return;
    };
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(name) {
            drop(remove_own_file(&entry.path()));
        }
    }
}

/// Waits until nobody else holds `path`. It is free again when the file is dropped.
pub fn lock(path: &Path) -> io::Result<File> {
    let file = File::create(path)?;
    file.lock()?;
    Ok(file)
}

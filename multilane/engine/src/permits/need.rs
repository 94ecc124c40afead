//! What a link needs: seen at the last one of the same unit.
//!
//! ```text
//! <cache dir>/multilane/links     a number of MiB for each unit, eight bytes, at its place
//! ```

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::environment::Environment;
use crate::files::{self, positioned};

/// Of two units at one place the later one counts. Then a link is begun too soon, or too late.
const PLACES: u64 = 1 << 12;

fn file(env: &Environment) -> Option<PathBuf> {
    Some(env.cache_home()?.join("multilane/links"))
}

/// `None` where none was seen.
pub(super) fn of(env: &Environment, unit: u64) -> Option<u64> {
    let file = files::open_to_read(&file(env)?).ok()?;
    positioned::read_u64(&file, 8 * (unit % PLACES)).ok().filter(|mib| *mib > 0)
}

/// Those that were seen, the smallest first.
pub fn all(env: &Environment) -> Vec<u64> {
    let Some(bytes) = file(env).and_then(|file| files::read(file).ok()) else { return Vec::new() };
    let numbers = bytes.chunks_exact(8).filter_map(|bytes| bytes.try_into().ok());
    let mut seen: Vec<u64> = numbers.map(u64::from_le_bytes).filter(|mib| *mib > 0).collect();
    seen.sort_unstable();
    seen
}

/// Looks at a compiler, and at the linker that it starts, until it ends; then notes what they had.
pub fn learn(env: &Environment, process: u32, unit: u64) {
    const PAUSE: Duration = Duration::from_millis(50);
    let mut most = 0;
    // An orphan has another parent.
    while crate::environment::parent_id() == Some(process) {
        most = most.max(memory_kib(process, 0));
        std::thread::sleep(PAUSE);
    }
    let Some(file) = file(env).filter(|_| most > 0) else { return };
    let noted = file.parent().map_or(Ok(()), std::fs::create_dir_all).and_then(|()| {
        let file = files::open_own(OpenOptions::new().write(true), &file)?;
        positioned::write_u64(&file, 8 * (unit % PLACES), (most >> 10).max(1))
    });
    drop(noted); // It is learned the next time.
}

/// The most that a process and those below it have had at once, or a little more.
fn memory_kib(process: u32, depth: u32) -> u64 {
    const DEPTH_MAX: u32 = 8;
    let dir = Path::new("/proc").join(process.to_string());
    let status = files::read_text(dir.join("status")).unwrap_or_default();
    let own = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let own = own.and_then(|kib| kib.trim().strip_suffix(" kB")?.parse().ok()).unwrap_or(0);
    let tasks = files::subdirectories(&dir.join("task"));
    let children = tasks.filter_map(|task| files::read_text(task.join("children")).ok());
    let below = children.filter(|_| depth < DEPTH_MAX).flat_map(|children| {
        let numbers = children.split_whitespace().filter_map(|number| number.parse().ok());
        numbers.map(|child: u32| memory_kib(child, depth + 1)).collect::<Vec<u64>>()
    });
    own + below.sum::<u64>()
}

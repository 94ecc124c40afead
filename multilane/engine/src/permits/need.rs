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
use crate::process::below;

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
/// One that comes to no linker, as an error keeps it from that, says nothing of a link.
pub fn learn(env: &Environment, process: u32, unit: u64) {
    const PAUSE: Duration = Duration::from_millis(50);
    let (mut most, mut has_linked) = (0, false);
    // An orphan has another parent.
    while crate::environment::parent_id() == Some(process) {
        let mut others = below(process);
        others.retain(|id| *id != std::process::id());
        has_linked |= !others.is_empty();
        most = most.max(memory_kib(process) + others.into_iter().map(memory_kib).sum::<u64>());
        std::thread::sleep(PAUSE);
    }
    let Some(file) = file(env).filter(|_| has_linked) else { return };
    let noted = file.parent().map_or(Ok(()), std::fs::create_dir_all).and_then(|()| {
        let file = files::open_own(OpenOptions::new().write(true), &file)?;
        positioned::write_u64(&file, 8 * (unit % PLACES), (most >> 10).max(1))
    });
    drop(noted); // It is learned the next time.
}

/// The most that a process has had.
fn memory_kib(process: u32) -> u64 {
    let status = Path::new("/proc").join(process.to_string()).join("status");
    let status = files::read_text(status).unwrap_or_default();
    let most = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    most.and_then(|kib| kib.trim().strip_suffix(" kB")?.parse().ok()).unwrap_or(0)
}

//! What the machine has left, as the kernel tells.

use std::fmt;
use std::path::Path;

use multilane_engine::files;
use multilane_engine::permits::limits::pressure;
use multilane_engine::ui;
use serde::Serialize;

use crate::doctor::file_system;

#[derive(Serialize)]
pub(super) struct Load {
    processors: usize,
    /// How many processes ran or waited for the disk, a mean of the last minute.
    load: Option<f64>,
    memory_bytes: Option<u64>,
    memory_free_bytes: Option<u64>,
    disk_free_bytes: Option<u64>,
    /// The shares of the last ten seconds in which something, or everything, stood still, in per
    /// cent.
    pressure: Pressure,
}

#[derive(Serialize)]
struct Pressure {
    processors_some: Option<f64>,
    memory_full: Option<f64>,
    disk_full: Option<f64>,
}

impl Load {
    pub(super) fn read(dir: &Path) -> Load {
        let memory = files::read_text("/proc/meminfo").unwrap_or_default();
        let of_memory = |name: &str| {
            let line = memory.lines().find_map(|line| line.strip_prefix(name))?;
            line.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kib| kib << 10)
        };
        let of_pressure = |what: &str, kind: &str| {
            pressure(&files::read_text(format!("/proc/pressure/{what}")).ok()?, kind)
        };
        let load = files::read_text("/proc/loadavg").ok();
        Load {
            processors: std::thread::available_parallelism().map_or(1, usize::from),
            load: load.and_then(|text| text.split(' ').next()?.parse().ok()),
            memory_bytes: of_memory("MemTotal:"),
            memory_free_bytes: of_memory("MemAvailable:"),
            disk_free_bytes: file_system::of(dir).and_then(|system| system.free),
            pressure: Pressure {
                processors_some: of_pressure("cpu", "some"),
                memory_full: of_pressure("memory", "full"),
                disk_full: of_pressure("io", "full"),
            },
        }
    }
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "machine   ")?;
        if let Some(load) = self.load {
            write!(f, "load {load} on ")?;
        }
        write!(f, "{} processors", self.processors)?;
        let free = [("memory", self.memory_free_bytes), ("disk", self.disk_free_bytes)];
        for (name, bytes) in free.iter().filter_map(|(name, bytes)| Some((name, (*bytes)?))) {
            write!(f, ", {name} {} free", ui::bytes(bytes))?;
        }
        let Pressure { processors_some, memory_full, disk_full } = self.pressure;
        if let (Some(processors), Some(memory), Some(disk)) =
            (processors_some, memory_full, disk_full)
        {
            write!(f, "\nstalled   {processors:.0} % for a processor, {memory:.0} % for memory, ")?;
            write!(f, "{disk:.0} % for the disk, in 10 s")?;
        }
        Ok(())
    }
}

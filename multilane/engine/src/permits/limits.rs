//! How much may run at the same time: from the processors, the memory and what the user says.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::environment::Environment;
use crate::files;

/// What a compiler that does not link needs: where memory is scarce, it bounds their number.
const OF_COMPILER_MIB: u64 = 512;

/// What a link is taken to need before one of this unit was seen.
pub(super) const OF_LINK_MIB: u64 = 512;

/// Memory is counted in blocks.
pub const BLOCK_MIB: u64 = 64;

/// The largest number of permits, and of blocks.
pub(super) const PERMITS_MAX: u64 = 4096;
pub(super) const BLOCKS_MAX: u64 = 1 << 16;

/// Shares of the last ten seconds in which work stood still, in per cent: more is too much.
const MEMORY_PRESSURE_MAX: f64 = 10.0;
const DISK_PRESSURE_MAX: f64 = 40.0;

/// The share of a run of tests for which something waited for a processor.
const OVERLOADED_MIN: f64 = 0.5;

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Machine {
    pub processors: u64,
    /// Of the machine, or of the control group where that has less.
    pub memory_mib: Option<u64>,
    pub is_pressed: bool,
}

/// What the user or the project has set.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Asked {
    pub permits: Option<u64>,
    pub memory_mib: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// For what compiles, links or tests.
    pub permits: u64,
    /// Beside them, for what only checks.
    pub express: u64,
    /// Of memory, for what links.
    pub blocks: u64,
}

impl Limits {
    /// On a machine that is pressed, half as many are begun: what runs already goes on.
    pub fn of(machine: Machine, asked: Asked) -> Limits {
        let of_machine = machine.memory_mib.map(|mib| mib / 4 * 3);
        let by_memory = of_machine.map_or(u64::MAX, |mib| mib / OF_COMPILER_MIB);
        let memory_mib = asked.memory_mib.or(of_machine);
        let permits = asked.permits.unwrap_or(machine.processors.min(by_memory));
        let permits = if machine.is_pressed { permits.div_ceil(2) } else { permits };
        Limits {
            permits: permits.clamp(1, PERMITS_MAX),
            express: permits.div_ceil(4).clamp(1, PERMITS_MAX),
            blocks: memory_mib.map_or(BLOCKS_MAX, |mib| mib / BLOCK_MIB).clamp(1, BLOCKS_MAX),
        }
    }
}

impl Asked {
    /// `4`, or `4 8192` with the memory in MiB, or `- 8192`: as the file in the wrapper's folder
    /// has it. The environment goes before it.
    pub fn read(env: &Environment, noted: &str) -> Asked {
        let mut noted = noted.split_whitespace().map(|word| word.parse().ok());
        let set = |name| env.get(name)?.to_str()?.trim().parse().ok();
        Asked {
            permits: set(super::VARIABLE).or(noted.next().flatten()),
            memory_mib: set(super::MEMORY_VARIABLE).or(noted.next().flatten()),
        }
    }
}

impl Machine {
    /// As it is at this moment.
    pub fn read() -> Machine {
        Machine {
            processors: std::thread::available_parallelism().map_or(1, |count| count.get() as u64),
            memory_mib: memory_mib(),
            is_pressed: is_pressed(),
        }
    }
}

fn memory_mib() -> Option<u64> {
    let text = files::read_text("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let total = line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? >> 10;
    Some(control_group_mib().map_or(total, |limit| limit.min(total)))
}

/// The least that a control group allows, of this process's own and those around it (cgroups(7)).
fn control_group_mib() -> Option<u64> {
    let groups = files::read_text("/proc/self/cgroup").ok()?;
    let limit = |dir: &str, name: &str, path: &str| {
        let path = Path::new(path.trim_start_matches('/'));
        let limits = path.ancestors().filter_map(|group| {
            let text = files::read_text(Path::new(dir).join(group).join(name)).ok()?;
            text.trim().parse::<u64>().ok()
        });
        limits.min()
    };
    let of_line = |line: &str| {
        let (_, rest) = line.split_once(':')?;
        match rest.split_once(':')? {
            ("", path) => limit("/sys/fs/cgroup", "memory.max", path),
            ("memory", path) => limit("/sys/fs/cgroup/memory", "memory.limit_in_bytes", path),
            _ => None,
        }
    };
    groups.lines().filter_map(of_line).min().map(|bytes| bytes >> 20)
}

/// Linux tells since 4.20, where it was built to (`CONFIG_PSI`).
fn is_pressed() -> bool {
    let share = |what: &str, kind: &str| {
        let text = files::read_text(format!("/proc/pressure/{what}")).unwrap_or_default();
        pressure(&text, kind).unwrap_or_default()
    };
    share("memory", "full") > MEMORY_PRESSURE_MAX || share("io", "full") > DISK_PRESSURE_MAX
}

/// How busy the machine is from a moment on.
pub struct Busyness {
    since: Instant,
    /// How long something had waited for a processor until then, since the machine was started.
    /// `None` where the system does not tell.
    stalled: Option<Duration>,
}

impl Busyness {
    pub fn from_now_on() -> Busyness {
        Busyness { since: Instant::now(), stalled: stalled() }
    }

    /// Whether a time limit that a test has missed since then says little.
    pub fn is_overload(&self) -> bool {
        let stalled = stalled().zip(self.stalled).map(|(now, then)| now.saturating_sub(then));
        let text = files::read_text("/proc/loadavg").unwrap_or_default();
        let load = text.split(' ').next().and_then(|word| word.parse().ok());
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let measured = stalled.zip(load);
        measured.is_some_and(|(stalled, load)| {
            is_overload(stalled, self.since.elapsed(), load, processors)
        })
    }
}

fn stalled() -> Option<Duration> {
    let text = files::read_text("/proc/pressure/cpu").ok()?;
    let line = text.lines().find(|line| line.starts_with("some"))?;
    let total = line.rsplit_once("total=")?.1.trim().parse().ok()?;
    Some(Duration::from_micros(total))
}

/// For most of `time` something waited for a processor, and twice as much runs as there are
/// processors.
fn is_overload(stalled: Duration, time: Duration, load: f64, processors: usize) -> bool {
    stalled.as_secs_f64() > OVERLOADED_MIN * time.as_secs_f64() && load >= 2.0 * processors as f64
}

/// The share of the last ten seconds in a file of `/proc/pressure`.
pub fn pressure(text: &str, kind: &str) -> Option<f64> {
    let line = text.lines().find(|line| line.starts_with(kind))?;
    line.split(' ').find_map(|word| word.strip_prefix("avg10="))?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_bounds_before_processors() {
        let of = |processors, memory_mib, is_pressed| {
            let machine = Machine { processors, memory_mib: Some(memory_mib), is_pressed };
            let Limits { permits, express, blocks } = Limits::of(machine, Asked::default());
            [permits, express, blocks]
        };
        assert_eq!(of(2, 24 << 10, false), [2, 1, 288]);
        assert_eq!(of(64, 256 << 10, false), [64, 16, 3072]);
        assert_eq!(of(64, 16 << 10, false), [24, 6, 192]);
        assert_eq!(of(64, 16 << 10, true), [12, 3, 192]);
        assert_eq!(of(1, 256, true), [1, 1, 3]);
    }

    #[test]
    fn an_overloaded_machine_has_much_waiting_and_much_running() {
        let of = |stalled, load| {
            is_overload(Duration::from_secs(stalled), Duration::from_secs(10), load, 2)
        };
        assert!(of(6, 4.0));
        assert!(!of(5, 40.0), "what waits has not waited for long");
        assert!(!of(10, 3.9), "so much is usual");
    }

    #[test]
    fn what_is_asked_for_is_given() {
        let machine = Machine { processors: 2, memory_mib: Some(4096), is_pressed: false };
        let asked = Asked { permits: Some(6), memory_mib: Some(1024) };
        assert_eq!(Limits::of(machine, asked), Limits { permits: 6, express: 2, blocks: 16 });
        let env = Environment::of(&[(super::super::VARIABLE, "3")]);
        let read = |noted| Asked::read(&env, noted);
        assert_eq!(read("- 512"), Asked { permits: Some(3), memory_mib: Some(512) });
        assert_eq!(read("8"), Asked { permits: Some(3), memory_mib: None });
        assert_eq!(Asked::read(&Environment::of(&[]), "8").permits, Some(8));
    }

    #[test]
    fn pressure_is_read() {
        let text = "some avg10=55.55 avg60=3.00 avg300=1.00 total=1\nfull avg10=12.34 avg60=0.00 avg300=0.00 total=1\n";
        assert_eq!(pressure(text, "full"), Some(12.34));
        assert_eq!(pressure("", "full"), None);
    }
}

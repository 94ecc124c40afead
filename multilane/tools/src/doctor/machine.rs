//! What the machine has for all builders together: processors and memory.

/// Of this machine, or of the container that we are in.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Machine {
    pub(crate) cores: usize,
    /// Bytes; `None` where the system does not tell.
    pub(crate) memory: Option<u64>,
    pub(crate) is_wsl: bool,
}

pub(crate) fn read() -> Machine {
    let text = |path: &str| multilane_engine::files::read_text(path).unwrap_or_default();
    Machine {
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        memory: memory(&text("/proc/meminfo"), &text("/sys/fs/cgroup/memory.max")),
        is_wsl: text("/proc/sys/kernel/osrelease").to_lowercase().contains("microsoft"),
    }
}

/// The smaller of what there is (proc_meminfo(5)) and what we may use (cgroups(7)); `max` is no
/// limit.
fn memory(meminfo: &str, limit: &str) -> Option<u64> {
    let total = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = total.split_whitespace().next()?.parse().ok()?;
    let total = kibibytes * 1024;
    Some(limit.trim().parse().map_or(total, |limit: u64| limit.min(total)))
}

#[cfg(test)]
mod tests {
    use crate::doctor::machine::memory;

    #[test]
    fn a_limit_counts_where_it_is_smaller() {
        let meminfo = "MemTotal:        2048 kB\nMemFree:          100 kB\n";
        assert_eq!(memory(meminfo, "max\n"), Some(2 << 20));
        assert_eq!(memory(meminfo, "1048576\n"), Some(1 << 20));
        assert_eq!(memory(meminfo, "9223372036854771712"), Some(2 << 20));
        assert_eq!(memory("", ""), None);
    }
}

//! What the machine has for all builders together: processors and memory.

use multilane_engine::files;
use multilane_engine::permits::limits;

/// Of this machine, or of the container that we are in.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Machine {
    pub(crate) cores: usize,
    /// Bytes; `None` where the system does not tell.
    pub(crate) memory: Option<u64>,
    pub(crate) is_wsl: bool,
}

pub(crate) fn read() -> Machine {
    let kernel = files::read_text("/proc/sys/kernel/osrelease").unwrap_or_default();
    let machine = limits::Machine::read();
    Machine {
        cores: usize::try_from(machine.processors).unwrap_or(1),
        memory: machine.memory_mib.map(|mib| mib << 20),
        is_wsl: kernel.to_lowercase().contains("microsoft"),
    }
}

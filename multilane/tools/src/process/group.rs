//! Runs a process and what it starts as a group, which can be interrupted and killed as a whole;
//! and kills single processes of it. For `lane bench soak`.

use std::fs::File;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use multilane_engine::files;
use multilane_engine::process::end_with_parent;

/// What is to happen with a group that runs.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Wish {
    GoOn,
    /// What ctrl-c does.
    Interrupt,
    Kill,
}

/// How a group ended, and what it has written to both streams.
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) output: String,
}

/// The group that one thread runs, for another thread that kills in it.
#[derive(Default)]
pub(crate) struct Slot {
    /// The number stays the leader's for as long as it is here: the leader is waited for later.
    leader: Mutex<Option<u32>>,
    /// How many of its processes were killed.
    kills: AtomicUsize,
}

/// Runs `command` until it ends; `wish` is asked again and again. Its output goes by way of `log`.
///
/// When it has ended without success, the rest of its group is killed: a compiler whose cargo was
/// killed would write into the lane while the next cargo builds there, which cargo does not expect.
pub(crate) fn run_in_group(
    command: &mut Command,
    log: &Path,
    slot: &Slot,
    mut wish: impl FnMut() -> Wish,
) -> anyhow::Result<Ended> {
    const LOOKING_EVERY: Duration = Duration::from_millis(10);
    files::write_atomically(log, b"")?;
    let write = files::open_own(File::options().append(true), log)?;
    command.stdin(Stdio::null()).stdout(write.try_clone()?).stderr(write);
    system::own_group(command);
    end_with_parent(command);
    let mut child = command.spawn().context("cannot start a process of the soak")?;
    slot.set(Some(child.id()));
    let has_succeeded = loop {
        if let Some(success) = system::has_ended(&mut child)? {
            break success;
        }
        match wish() {
            Wish::GoOn => {}
            Wish::Interrupt => system::signal_group(&mut child, system::INTERRUPT),
            Wish::Kill => system::signal_group(&mut child, system::KILL),
        }
        std::thread::sleep(LOOKING_EVERY);
    };
    slot.set(None);
    if !has_succeeded {
        system::signal_group(&mut child, system::KILL);
    }
    let status = child.wait().context("cannot wait for a process of the soak")?;
    let output = String::from_utf8_lossy(&files::read(log)?).into_owned();
    Ok(Ended { status, output })
}

impl Slot {
    /// Kills one process of the group; `pick` chooses among so many. Returns its name.
    pub(crate) fn kill_one(&self, pick: impl FnOnce(usize) -> usize) -> Option<String> {
        let leader = self.leader.lock().expect("no thread panics with it");
        let name = system::kill_one((*leader)?, pick)?;
        self.kills.fetch_add(1, Ordering::SeqCst);
        Some(name)
    }

    /// How many were killed since the last call.
    pub(crate) fn take_kills(&self) -> usize {
        self.kills.swap(0, Ordering::SeqCst)
    }

    fn set(&self, leader: Option<u32>) {
        *self.leader.lock().expect("no thread panics with it") = leader;
    }
}

#[cfg(target_os = "linux")]
mod system {
    #![expect(unsafe_code, reason = "std neither sends signals nor looks without waiting")]

    use std::os::unix::process::CommandExt as _;
    use std::process::{Child, Command};

    use multilane_engine::files;
    use multilane_engine::process::below;

    pub(super) const INTERRUPT: i32 = libc::SIGINT;
    pub(super) const KILL: i32 = libc::SIGKILL;

    pub(super) fn own_group(command: &mut Command) {
        command.process_group(0);
    }

    /// Whether it has ended with success, if it has. It stays a zombie, and its number its own.
    pub(super) fn has_ended(child: &mut Child) -> std::io::Result<Option<bool>> {
        let flags = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
        let mut info = std::mem::MaybeUninit::<libc::siginfo_t>::zeroed();
        // SAFETY: the pointer is valid for a `siginfo_t`, of which zeroes are a value; the kernel
        // sets the fields that are read here when the call succeeds.
        unsafe {
            if libc::waitid(libc::P_PID, child.id(), info.as_mut_ptr(), flags) != 0 {
                return Err(std::io::Error::last_os_error());
            }
            let info = info.assume_init();
            let is_success = info.si_code == libc::CLD_EXITED && info.si_status() == 0;
            Ok((info.si_pid() != 0).then_some(is_success))
        }
    }

    pub(super) fn signal_group(leader: &mut Child, signal: i32) {
        let Ok(group) = i32::try_from(leader.id()) else { return };
        // SAFETY: takes numbers and touches no memory. The leader has not been waited for, so the
        // group is its own.
        unsafe { libc::kill(-group, signal) };
    }

    /// The process is held by a descriptor before it is looked at once more: a number alone could
    /// be another's by then. Not git: it would leave its locks, and nobody could go on.
    pub(super) fn kill_one(leader: u32, pick: impl FnOnce(usize) -> usize) -> Option<String> {
        let found = group_of(leader);
        let process = *found.get(pick(found.len()))?;
        let name = files::read_text(format!("/proc/{process}/comm")).ok()?;
        if name.trim() == "git" {
            return None;
        }
        // SAFETY: these calls take numbers, and a null pointer where that stands for nothing.
        unsafe {
            let descriptor = libc::syscall(libc::SYS_pidfd_open, process, 0);
            if descriptor < 0 {
                return None;
            }
            let is_killed = group_of(leader).contains(&process)
                && libc::syscall(
                    libc::SYS_pidfd_send_signal,
                    descriptor,
                    KILL,
                    std::ptr::null::<libc::siginfo_t>(),
                    0,
                ) == 0;
            libc::close(i32::try_from(descriptor).ok()?);
            is_killed.then(|| name.trim().to_owned())
        }
    }

    /// The leader and everything below it.
    fn group_of(leader: u32) -> Vec<u32> {
        [vec![leader], below(leader)].concat()
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use std::process::{Child, Command};

    pub(super) const INTERRUPT: i32 = 2;
    pub(super) const KILL: i32 = 9;

    pub(super) fn own_group(_: &mut Command) {}

    pub(super) fn has_ended(child: &mut Child) -> std::io::Result<Option<bool>> {
        Ok(child.try_wait()?.map(|status| status.success()))
    }

    pub(super) fn signal_group(leader: &mut Child, _: i32) {
        drop(leader.kill());
    }

    pub(super) fn kill_one(_: u32, _: impl FnOnce(usize) -> usize) -> Option<String> {
        None
    }
}

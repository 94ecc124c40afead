//! Ctrl-c and `kill` end the child as well, and leave nothing running.
//!
//! A terminal sends ctrl-c to every process of the foreground group, so the child has it already,
//! and a second one would cut short its clean ending (nextest takes the second as "now"). A signal
//! that another process sent, to xtask alone as far as we can know, is passed on to everything that
//! the child has started: cargo does not pass it to its compilers.

use std::process::Command;

#[cfg(not(unix))]
use other as system;
pub(super) use system::end_like;
pub use system::{Forwarding, Held};
#[cfg(unix)]
use unix as system;

/// Has the kernel end `command` when xtask is killed in a way that no handler sees. Linux only.
pub fn end_with_parent(command: &mut Command) {
    #[cfg(target_os = "linux")]
    {
        use std::os::unix::process::CommandExt as _;
        #[expect(unsafe_code, reason = "std has no safe name for prctl")]
        // SAFETY: between fork and exec only `prctl` is called, which is async-signal-safe and
        // touches no memory.
        unsafe {
            command.pre_exec(|| {
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM);
                Ok(())
            });
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = command;
}

#[cfg(unix)]
mod unix {
    use std::os::unix::process::ExitStatusExt as _;
    use std::process::ExitStatus;
    use std::sync::Arc;
    use std::sync::atomic::AtomicI32;
    use std::sync::atomic::Ordering::SeqCst;
    use std::thread::JoinHandle;

    use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
    use signal_hook::iterator::exfiltrator::WithRawSiginfo;
    use signal_hook::iterator::{Handle, SignalsInfo};

    use crate::process::below;

    const SIGNALS: [i32; 4] = [SIGINT, SIGQUIT, SIGTERM, SIGHUP];

    /// While this lives, signals go to the child.
    pub struct Forwarding {
        state: Arc<State>,
        thread: Option<(Handle, JoinHandle<()>)>,
    }

    #[derive(Default)]
    struct State {
        /// 0 until the child has started.
        child: AtomicI32,
        /// The last signal that came, or 0.
        received: AtomicI32,
        /// The last one that a process sent, or 0.
        to_pass_on: AtomicI32,
    }

    impl Forwarding {
        /// Has to be called before the child starts, so that no signal falls between the two.
        pub fn start() -> Forwarding {
            let state = Arc::new(State::default());
            let Ok(mut signals) = SignalsInfo::<WithRawSiginfo>::new(SIGNALS) else {
                return Forwarding { state, thread: None }; // A build without it is better than none.
            };
            let handle = signals.handle();
            let of_thread = Arc::clone(&state);
            let thread = std::thread::spawn(move || {
                for info in &mut signals {
                    of_thread.received.store(info.si_signo, SeqCst);
                    if was_sent_by_a_process(&info) {
                        of_thread.to_pass_on.store(info.si_signo, SeqCst);
                        pass_on(info.si_signo, of_thread.child.load(SeqCst));
                    }
                }
            });
            Forwarding { state, thread: Some((handle, thread)) }
        }

        pub fn to(&mut self, child: u32) {
            let child = i32::try_from(child).unwrap_or(0);
            self.state.child.store(child, SeqCst);
            // It came before there was anybody to pass it on to.
            pass_on(self.state.to_pass_on.load(SeqCst), child);
        }

        /// The child has ended; returns whether a signal had come meanwhile, so that nothing more
        /// is begun.
        pub fn finish(self) -> bool {
            self.state.child.store(0, SeqCst);
            if let Some((handle, thread)) = self.thread {
                handle.close();
                // It may have ended the child and be about to end what is below it.
                drop(thread.join());
            }
            self.state.received.load(SeqCst) != 0
        }
    }

    /// If a signal ended the child, xtask ends by the same one, so that the shell above sees what
    /// it would have seen of cargo. A child that has caught it and ended by itself (nextest) keeps
    /// its own exit code.
    pub(crate) fn end_like(status: ExitStatus) {
        if let Some(signal) = status.signal().filter(|signal| SIGNALS.contains(signal)) {
            drop(signal_hook::low_level::emulate_default_handler(signal));
        }
    }

    /// While this lives, no signal ends xtask itself: somebody has to clean up first.
    pub struct Held(Forwarding);

    impl Held {
        pub fn start() -> Held {
            Held(Forwarding::start())
        }

        pub fn has_come(&self) -> bool {
            self.0.state.received.load(SeqCst) != 0
        }

        /// Ends xtask by the signal that has come, if one has.
        pub fn release(self) {
            let signal = self.0.state.received.load(SeqCst);
            self.0.finish();
            if signal != 0 {
                drop(signal_hook::low_level::emulate_default_handler(signal));
            }
        }
    }

    /// By `kill` and its like, and not by the terminal (sigaction(2), `si_code`).
    fn was_sent_by_a_process(info: &libc::siginfo_t) -> bool {
        #[cfg(target_os = "linux")]
        const BY_PROCESS: [i32; 3] = [libc::SI_USER, libc::SI_QUEUE, libc::SI_TKILL];
        // `SI_USER` and `SI_QUEUE` of <sys/signal.h> on macOS and the BSDs; libc does not have
        // them.
        #[cfg(not(target_os = "linux"))]
        const BY_PROCESS: [i32; 2] = [0x10001, 0x10002];

        BY_PROCESS.contains(&info.si_code)
    }

    fn pass_on(signal: i32, child: i32) {
        if signal == 0 || child == 0 {
            return;
        }
        // The child first, so that it starts nothing more; its own were listed before. Where they
        // cannot be (macOS), the compilers of a cargo that was killed finish their crate and end by
        // themselves, as they do under plain cargo.
        let below = u32::try_from(child).map(below).unwrap_or_default();
        send(signal, child);
        for process in below.into_iter().filter_map(|process| process.try_into().ok()) {
            send(signal, process);
        }
    }

    #[expect(unsafe_code, reason = "std can only send SIGKILL")]
    fn send(signal: i32, process: i32) {
        // SAFETY: takes two numbers and touches no memory.
        unsafe { libc::kill(process, signal) };
    }
}

#[cfg(not(unix))]
mod other {
    /// Windows sends ctrl-c to every process of the console; there is nothing to pass on. (Not
    /// tried on Windows.)
    pub struct Forwarding;

    impl Forwarding {
        pub fn start() -> Forwarding {
            Forwarding
        }

        pub fn to(&mut self, _child: u32) {}

        pub fn finish(self) -> bool {
            false
        }
    }

    pub(crate) fn end_like(_status: std::process::ExitStatus) {}

    pub struct Held;

    impl Held {
        pub fn start() -> Held {
            Held
        }

        pub fn has_come(&self) -> bool {
            false
        }

        pub fn release(self) {}
    }
}

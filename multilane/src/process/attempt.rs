//! Starts a compiler's stand-in that may hang, and the compiler itself in its place.

use std::ffi::OsString;
use std::io::Read;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::Context as _;

use crate::process::signals;

/// What a process that ended by itself has said.
#[derive(Debug)]
pub struct Said {
    pub status: ExitStatus,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
}

/// How often whoever waits is asked whether it goes on.
pub const TICK: Duration = Duration::from_secs(1);

/// Between looks at a process that has closed its streams.
const PAUSE: Duration = Duration::from_millis(1);

/// Runs `words` in `dir` with `changes` in their environment, for as long as `goes_on` says so.
/// `None`: it was ended.
///
/// It inherits nothing of ours but the standard streams: a server that it leaves behind would keep
/// what we have open, and that may be a lock that others wait for.
///
/// # Errors
///
/// When it cannot be started.
#[expect(clippy::disallowed_methods, reason = "a door of the shell's own")]
pub fn attempt(
    words: &[OsString],
    dir: &Path,
    changes: &[(String, Option<String>)],
    mut goes_on: impl FnMut() -> bool,
) -> anyhow::Result<Option<Said>> {
    let (program, args) = words.split_first().context("no program")?;
    let mut command = Command::new(program);
    command.args(args).current_dir(dir);
    for (name, value) in changes {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    signals::end_with_parent(&mut command);
    close_the_rest(&mut command);
    let mut child =
        command.spawn().with_context(|| format!("cannot start {}", program.display()))?;

    let (sender, parts) = mpsc::channel();
    if let Some(stdout) = child.stdout.take() {
        read(stdout, true, sender.clone());
    }
    if let Some(stderr) = child.stderr.take() {
        read(stderr, false, sender.clone());
    }
    drop(sender);
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let (mut heard, mut asked) = (Instant::now(), Instant::now());
    loop {
        let mut is_at_end = false;
        match parts.recv_timeout(TICK.saturating_sub(asked.elapsed())) {
            Ok((is_stdout, part)) => {
                if is_stdout { &mut stdout } else { &mut stderr }.extend(part);
                heard = Instant::now();
            }
            // Most often it has ended; it may also have closed its streams and go on.
            Err(RecvTimeoutError::Disconnected) => is_at_end = true,
            // Somebody whom it has left behind may keep the streams open.
            Err(RecvTimeoutError::Timeout) => is_at_end = heard.elapsed() >= TICK,
        }
        if is_at_end && let Some(status) = child.try_wait()? {
            return Ok(Some(Said { status, stdout, stderr }));
        }
        // Whoever writes without end is no better than who is silent.
        if asked.elapsed() >= TICK {
            if !goes_on() {
                drop(child.kill());
                child.wait()?;
                return Ok(None);
            }
            asked = Instant::now();
        } else if is_at_end {
            std::thread::sleep(PAUSE);
        }
    }
}

/// For what has so long and no longer.
pub fn for_at_most(limit: Duration) -> impl FnMut() -> bool {
    let started = Instant::now();
    move || started.elapsed() < limit
}

/// Up to a length that no compiler's words have: then the stream is closed, which ends most who
/// write without end.
fn read(
    mut stream: impl Read + Send + 'static,
    is_stdout: bool,
    to: mpsc::Sender<(bool, Vec<u8>)>,
) {
    const LEN_MAX: usize = 1 << 26;
    std::thread::spawn(move || {
        let (mut part, mut len) = (vec![0; 1 << 16], 0);
        while let Ok(count @ 1..) = stream.read(&mut part) {
            len += count;
            if len > LEN_MAX || to.send((is_stdout, part[..count].to_vec())).is_err() {
                break;
            }
        }
    });
}

#[cfg(target_os = "linux")]
fn close_the_rest(command: &mut Command) {
    use std::os::unix::process::CommandExt as _;
    const CLOSE_RANGE_CLOEXEC: libc::c_uint = 4;
    #[expect(unsafe_code, reason = "std has no name for close_range")]
    // SAFETY: between fork and exec only one system call is made, with numbers. An older kernel
    // refuses it, and nothing happens.
    unsafe {
        command.pre_exec(|| {
            libc::syscall(
                libc::SYS_close_range,
                3 as libc::c_uint,
                libc::c_uint::MAX,
                CLOSE_RANGE_CLOEXEC,
            );
            Ok(())
        });
    }
}

#[cfg(not(target_os = "linux"))]
fn close_the_rest(_: &mut Command) {}

/// Becomes the process `words`. Comes back only if it cannot be started.
#[cfg(unix)]
#[expect(clippy::disallowed_methods, reason = "a door of the shell's own")]
pub fn become_words(words: &[OsString]) -> anyhow::Error {
    use std::os::unix::process::CommandExt as _;
    let Some((program, args)) = words.split_first() else { return anyhow::anyhow!("no program") };
    let err = Command::new(program).args(args).exec();
    anyhow::Error::new(err).context(format!("cannot start {}", program.display()))
}

/// Runs `words` with all streams passed through.
#[expect(clippy::disallowed_methods, reason = "a door of the shell's own")]
pub fn run_words(words: &[OsString]) -> anyhow::Result<ExitStatus> {
    let (program, args) = words.split_first().context("no program")?;
    let mut command = Command::new(program);
    command.args(args);
    signals::end_with_parent(&mut command);
    command.status().with_context(|| format!("cannot start {}", program.display()))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    /// Whether it ended by itself, and how much it had said.
    fn said(script: &str, goes_on: impl FnMut() -> bool) -> (bool, usize) {
        let words = ["sh", "-c", script].map(OsString::from);
        let said = attempt(&words, Path::new("/"), &[], goes_on).expect("sh starts");
        said.map_or((false, 0), |said| (true, said.stdout.len()))
    }

    #[test]
    fn who_writes_without_end_is_heard_to_a_length_and_not_waited_for() {
        let (has_ended, len) = said("yes 2>/dev/null", || true);
        assert!(has_ended && len <= 1 << 26, "{len}");
        assert_eq!(said("while :; do echo x; sleep 0.01; done", || false), (false, 0));
    }

    #[test]
    fn who_goes_on_with_closed_streams_is_not_waited_for() {
        assert_eq!(said("exec >&- 2>&-; sleep 1000", || false), (false, 0));
        assert_eq!(said("echo one", || true), (true, 4));
        assert_eq!(said("sleep 1000 & echo one", || true), (true, 4), "a child is left behind");
    }
}

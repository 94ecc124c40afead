//! Runs a process that may hang, for as long as its caller allows.

use std::ffi::OsString;
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::Context as _;

use crate::process::{command, signals};

/// How often [`attempt`] asks whether to go on.
pub const TICK: Duration = Duration::from_secs(1);

/// Runs `words`, a program and its arguments, in `dir` with `changes` in their environment, for as
/// long as `goes_on` returns true. `None`: it was killed.
///
/// It inherits nothing of ours but the standard streams: a server that it leaves behind would keep
/// open files of ours, and with them a lock that others wait for.
///
/// # Errors
///
/// When it cannot be started.
pub fn attempt(
    words: &[OsString],
    dir: &Path,
    changes: &[(String, Option<String>)],
    goes_on: impl FnMut() -> bool,
) -> anyhow::Result<Option<Output>> {
    let (program, args) = words.split_first().context("no program")?;
    let mut command = command(program, args, Some(dir), changes)?;
    close_the_rest(&mut command);
    watch(&mut command, TICK, goes_on, |child| drop(child.kill()))
        .with_context(|| format!("cannot start {}", program.to_string_lossy()))
}

/// For [`attempt`]: true for as long as `limit` has not passed.
pub fn for_at_most(limit: Duration) -> impl FnMut() -> bool {
    let started = Instant::now();
    move || started.elapsed() < limit
}

/// Runs `command` without input, and collects what it writes. When `goes_on`, asked once every
/// `tick`, returns false, `end` has to kill it; then the result is `None`.
///
/// A process that it leaves behind may keep its streams open; one `tick` without output is then the
/// end. So is output longer than that of any compiler.
///
/// # Errors
///
/// When it cannot be started.
pub fn watch(
    command: &mut Command,
    tick: Duration,
    mut goes_on: impl FnMut() -> bool,
    end: impl FnOnce(&mut Child),
) -> std::io::Result<Option<Output>> {
    const PAUSE: Duration = Duration::from_millis(1); // For a process that has closed its streams.
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    signals::end_with_parent(command);
    let mut child = command.spawn()?;

    let (sender, parts) = mpsc::channel();
    read(child.stdout.take(), true, sender.clone());
    read(child.stderr.take(), false, sender);
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let (mut heard, mut asked) = (Instant::now(), Instant::now());
    let mut ended = None;
    loop {
        let (is_closed, is_at_end) = match parts.recv_timeout(tick.saturating_sub(asked.elapsed()))
        {
            Ok((is_stdout, part)) => {
                if is_stdout { &mut stdout } else { &mut stderr }.extend(part);
                heard = Instant::now();
                (false, false)
            }
            // Most often it has ended; it may also have closed its streams and go on.
            Err(RecvTimeoutError::Disconnected) => (true, true),
            Err(RecvTimeoutError::Timeout) => (false, heard.elapsed() >= tick),
        };
        if is_at_end && ended.is_none() {
            ended = child.try_wait()?;
            heard = Instant::now(); // On a busy machine its last output may not be read yet.
        }
        if let Some(status) = ended.filter(|_| is_closed || heard.elapsed() >= tick) {
            return Ok(Some(Output { status, stdout, stderr }));
        }
        // Also of a process that writes without end.
        if asked.elapsed() >= tick {
            if ended.is_none() && !goes_on() {
                end(&mut child);
                child.wait()?;
                return Ok(None);
            }
            asked = Instant::now();
        } else if is_at_end {
            std::thread::sleep(PAUSE);
        }
    }
}

/// Reads up to a length that no compiler's output has. Then the stream is closed, which ends most
/// programs that write without end.
fn read(
    stream: Option<impl Read + Send + 'static>,
    is_stdout: bool,
    to: mpsc::Sender<(bool, Vec<u8>)>,
) {
    const LEN_MAX: usize = 1 << 26;
    let Some(mut stream) = stream else { return };
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

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    /// Whether it ended by itself, and how much it had written.
    fn run(script: &str, goes_on: impl FnMut() -> bool) -> (bool, usize) {
        let words = ["sh", "-c", script].map(OsString::from);
        let output = attempt(&words, Path::new("/"), &[], goes_on).expect("sh starts");
        output.map_or((false, 0), |output| (true, output.stdout.len()))
    }

    #[test]
    fn endless_output_is_read_to_a_length() {
        let (has_ended, len) = run("yes 2>/dev/null", || true);
        assert!(has_ended && len <= 1 << 26, "{len}");
        assert_eq!(run("while :; do echo x; sleep 0.01; done", || false), (false, 0));
    }

    #[test]
    fn a_process_that_goes_on_with_closed_streams_is_killed() {
        assert_eq!(run("exec >&- 2>&-; sleep 1000", || false), (false, 0));
        assert_eq!(run("echo one", || true), (true, 4));
        assert_eq!(run("sleep 1000 & echo one", || true), (true, 4), "a child is left behind");
    }
}

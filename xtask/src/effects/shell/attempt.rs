//! Starts a compiler's stand-in that may hang, and the compiler itself in its place.

use std::ffi::OsString;
use std::io::Read;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use anyhow::Context as _;

use super::signals;

/// What a process that ended by itself has said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
}

/// How often whoever waits is asked whether it goes on.
pub(crate) const TICK: Duration = Duration::from_secs(1);

/// Runs `words` in `dir` with `changes` in their environment, for as long as `goes_on` says so. `None`: it was ended.
///
/// It inherits nothing of ours but the standard streams: a server that it leaves behind would keep what we have open, and that may
/// be a lock that others wait for.
///
/// # Errors
///
/// When it cannot be started.
#[expect(clippy::disallowed_methods, reason = "a door of the shell's own")]
pub(crate) fn attempt(
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
    let mut child = command.spawn().with_context(|| format!("cannot start {}", program.display()))?;

    let (sender, parts) = mpsc::channel();
    if let Some(stdout) = child.stdout.take() {
        read(stdout, true, sender.clone());
    }
    if let Some(stderr) = child.stderr.take() {
        read(stderr, false, sender.clone());
    }
    drop(sender);
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    loop {
        match parts.recv_timeout(TICK) {
            Ok((is_stdout, part)) => if is_stdout { &mut stdout } else { &mut stderr }.extend(part),
            Err(RecvTimeoutError::Disconnected) => {
                return Ok(Some(Said { status: child.wait()?, stdout, stderr }));
            }
            // Somebody whom it has left behind may keep the streams open.
            Err(RecvTimeoutError::Timeout) => match child.try_wait()? {
                Some(status) => return Ok(Some(Said { status, stdout, stderr })),
                None if goes_on() => {}
                None => {
                    drop(child.kill());
                    child.wait()?;
                    return Ok(None);
                }
            },
        }
    }
}

fn read(mut stream: impl Read + Send + 'static, is_stdout: bool, to: mpsc::Sender<(bool, Vec<u8>)>) {
    std::thread::spawn(move || {
        let mut part = vec![0; 1 << 16];
        while let Ok(count @ 1..) = stream.read(&mut part) {
            if to.send((is_stdout, part[..count].to_vec())).is_err() {
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
    // SAFETY: between fork and exec only one system call is made, with numbers. An older kernel refuses it, and nothing happens.
    unsafe {
        command.pre_exec(|| {
            libc::syscall(libc::SYS_close_range, 3 as libc::c_uint, libc::c_uint::MAX, CLOSE_RANGE_CLOEXEC);
            Ok(())
        });
    }
}

#[cfg(not(target_os = "linux"))]
fn close_the_rest(_: &mut Command) {}

/// Becomes the process `words`. Comes back only if it cannot be started.
#[cfg(unix)]
#[expect(clippy::disallowed_methods, reason = "a door of the shell's own")]
pub(crate) fn become_words(words: &[OsString]) -> anyhow::Error {
    use std::os::unix::process::CommandExt as _;
    let Some((program, args)) = words.split_first() else { return anyhow::anyhow!("no program") };
    let err = Command::new(program).args(args).exec();
    anyhow::Error::new(err).context(format!("cannot start {}", program.display()))
}

/// Runs `words` with all streams passed through.
#[expect(clippy::disallowed_methods, reason = "a door of the shell's own")]
pub(crate) fn run_words(words: &[OsString]) -> anyhow::Result<ExitStatus> {
    let (program, args) = words.split_first().context("no program")?;
    let mut command = Command::new(program);
    command.args(args);
    signals::end_with_parent(&mut command);
    command.status().with_context(|| format!("cannot start {}", program.display()))
}

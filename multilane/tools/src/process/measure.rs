//! Starts processes together and takes the time until the last one ends, for `bench`.

use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};

use multilane_engine::process::Shell;
use multilane_engine::process::step::Step;

/// What took how long.
pub(crate) struct Measured {
    pub(crate) time: Duration,
    /// What all of them wrote to stderr.
    pub(crate) stderr: String,
}

/// How long the processes that we have started, and theirs, have had a processor, as far as they
/// have ended.
#[cfg(unix)]
pub(crate) fn processor_seconds() -> Option<f64> {
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    #[expect(unsafe_code, reason = "std does not tell")]
    // SAFETY: the pointer is valid for a `rusage`, of which all bit patterns are valid.
    let usage = unsafe {
        (libc::getrusage(libc::RUSAGE_CHILDREN, usage.as_mut_ptr()) == 0)
            .then(|| usage.assume_init())?
    };
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
    Some(seconds(usage.ru_utime) + seconds(usage.ru_stime))
}

#[cfg(not(unix))]
pub(crate) fn processor_seconds() -> Option<f64> {
    None
}

/// Runs `steps` at the same time, their output caught.
///
/// # Errors
///
/// When one cannot be started or fails: then its time says nothing.
pub(crate) fn measure(sh: &Shell, steps: &[Step]) -> anyhow::Result<Measured> {
    let mut commands =
        steps.iter().map(|step| sh.step_command(step)).collect::<anyhow::Result<Vec<_>>>()?;
    let started = Instant::now();
    let mut children = Vec::new();
    for command in &mut commands {
        let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        children.push(command.spawn().context("cannot start what is to be measured")?);
    }
    // What a no-op build writes fits into a pipe, so nobody is held up while another is waited
    // for.
    let outputs = children
        .into_iter()
        .map(|child| child.wait_with_output())
        .collect::<Result<Vec<_>, _>>()?;
    let time = started.elapsed();

    let mut stderr = String::new();
    for (output, step) in outputs.iter().zip(steps) {
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "`{step}` failed, so its time says nothing:\n{said}");
        stderr.push_str(&said);
    }
    Ok(Measured { time, stderr })
}

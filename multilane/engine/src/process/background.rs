//! Starts a process of which only the result on disk matters.

use std::ffi::OsString;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};

use crate::process::{UNCHANGED, command, signals};

/// A process in our environment, without input, whose output is dropped.
pub struct Unheard(Child);

impl Unheard {
    /// `words` is a program and its arguments; it works in `dir`.
    pub fn start(words: &[OsString], dir: &Path) -> anyhow::Result<Unheard> {
        let (program, args) = words.split_first().context("no program")?;
        let mut command = command(program, args, Some(dir), UNCHANGED)?;
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        signals::end_with_parent(&mut command);
        Ok(Unheard(command.spawn()?))
    }

    /// # Errors
    ///
    /// When it ended without success, or does not end for so long that something is wrong with it.
    pub fn wait(mut self) -> anyhow::Result<()> {
        const LIMIT: Duration = Duration::from_secs(60);
        const PAUSE: Duration = Duration::from_millis(1);
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = self.0.try_wait()? {
                break status;
            }
            if begun.elapsed() >= LIMIT {
                self.0.kill()?;
                self.0.wait()?;
                bail!("it has not ended for {} s", LIMIT.as_secs());
            }
            std::thread::sleep(PAUSE);
        };
        ensure!(status.success(), "{status}");
        Ok(())
    }
}

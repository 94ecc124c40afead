//! Starts a process of which only the result on disk matters.

use std::ffi::OsString;
use std::path::Path;
use std::process::{Child, Stdio};

use anyhow::{Context as _, ensure};

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
    /// When it ended without success.
    pub fn wait(mut self) -> anyhow::Result<()> {
        let status = self.0.wait()?;
        ensure!(status.success(), "{status}");
        Ok(())
    }
}

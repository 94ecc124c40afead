//! Starts a process of which only the result on disk matters.

use std::ffi::OsString;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, ensure};

use crate::process::signals;

/// A process that has our environment as it is, reads nothing and is not heard.
pub struct Unheard(Child);

impl Unheard {
    /// `words` is a program and its arguments; it works in `dir`.
    #[expect(clippy::disallowed_methods, reason = "a door of the shell's own")]
    pub fn start(words: &[OsString], dir: &Path) -> anyhow::Result<Unheard> {
        let (program, args) = words.split_first().context("no program")?;
        let mut command = Command::new(program);
        command.args(args).current_dir(dir);
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

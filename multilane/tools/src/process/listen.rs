//! Runs a step on its own, in a directory of its own, and follows what it says, for `lane verify`.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context as _;

use multilane_engine::process::step::Step;
use multilane_engine::process::{Forwarding, Outcome, Shell, Units};

/// Runs `step` in `dir`. What it writes to stdout and stderr goes to `log`, in the order in
/// which it is written, and each line of it that is not for counting units to `hear`, soon
/// after. A signal ends the step, but not xtask.
///
/// A file and not a pipe, because a test may leave a process behind that would hold a pipe open
/// for ever.
pub(crate) fn listen(
    sh: &Shell,
    step: &Step,
    dir: &Path,
    log: &Path,
    mut hear: impl FnMut(&str),
) -> anyhow::Result<Outcome> {
    const LOOKING_EVERY: Duration = Duration::from_millis(50);
    let cannot_write = || format!("cannot write {}", log.display());
    let write = multilane_engine::files::open_own(File::options().append(true), log)
        .with_context(cannot_write)?;
    let mut said = Said {
        reader: BufReader::new(multilane_engine::files::open_to_read(log)?),
        line: Vec::new(),
        units: Units::default(),
    };

    let mut command = sh.step_command(step)?;
    command.current_dir(dir).stdin(Stdio::null());
    command.stdout(write.try_clone().with_context(cannot_write)?).stderr(write);
    let mut signals = Forwarding::start();
    let mut child = command.spawn().with_context(|| format!("cannot start {step}"))?;
    signals.to(child.id());
    let status = loop {
        let ended = child.try_wait().with_context(|| format!("cannot wait for {step}"))?;
        said.pass_on(&mut hear);
        match ended {
            Some(status) => break status,
            None => std::thread::sleep(LOOKING_EVERY),
        }
    };
    Ok(Outcome { status, units: Some(said.units), interrupted: signals.finish() })
}
/// What a step has said so far.
struct Said {
    reader: BufReader<File>,
    /// The beginning of a line whose end has not come yet.
    line: Vec<u8>,
    units: Units,
}

impl Said {
    fn pass_on(&mut self, hear: &mut impl FnMut(&str)) {
        while matches!(self.reader.read_until(b'\n', &mut self.line), Ok(1..))
            && self.line.ends_with(b"\n")
        {
            if !self.units.hear(&self.line) {
                hear(String::from_utf8_lossy(&self.line).trim_end());
            }
            self.line.clear();
        }
    }
}

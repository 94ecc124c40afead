//! What xtask itself says: status lines on stderr in cargo's manner, data on stdout.
//!
//! What cargo says is passed through elsewhere and never touched.

use std::io::{IsTerminal as _, Write as _};
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;

use crate::environment::Environment;
use crate::files;

/// Where xtask speaks, and in which manner.
#[derive(Clone, Copy)]
pub struct Ui {
    color: bool,
    quiet: bool,
    /// How we are called: `cargo xtask`, `cargo multilane`.
    pub called: &'static str,
}

impl Ui {
    /// Colour follows `NO_COLOR`, then `CARGO_TERM_COLOR`, then whether stderr is a terminal.
    pub fn new(env: &Environment, called: &'static str) -> Ui {
        let asked = env.get("CARGO_TERM_COLOR").and_then(|value| value.to_str());
        let color = match asked {
            _ if env.get("NO_COLOR").is_some() => false,
            Some("always") => true,
            Some("never") => false,
            _ => std::io::stderr().is_terminal(),
        };
        Ui { color, quiet: false, called }
    }

    /// `--quiet` silences status lines; warnings and errors stay.
    pub fn quiet(self, quiet: bool) -> Ui {
        Ui { quiet, ..self }
    }

    /// One line about one thing done, the verb right-aligned as cargo does it.
    pub fn status(self, verb: &str, message: impl std::fmt::Display) {
        const GREEN: &str = "\x1b[1m\x1b[92m";
        if !self.quiet {
            let verb = self.paint(GREEN, &format!("{verb:>12}"));
            say(&format!("{verb} {}", printable(message)));
        }
    }

    /// A line that the next one writes over; on a terminal alone.
    pub fn progress(self, verb: &str, message: impl std::fmt::Display) {
        const CYAN: &str = "\x1b[1m\x1b[36m";
        if !self.quiet && std::io::stderr().is_terminal() {
            let verb = self.paint(CYAN, &format!("{verb:>12}"));
            drop(write!(std::io::stderr(), "\r\x1b[K{verb} {message}"));
        }
    }

    pub fn end_progress(self) {
        if !self.quiet && std::io::stderr().is_terminal() {
            drop(write!(std::io::stderr(), "\r\x1b[K"));
        }
    }

    pub fn warn(self, message: impl std::fmt::Display) {
        const YELLOW: &str = "\x1b[1m\x1b[33m";
        say(&format!("{}: {}", self.paint(YELLOW, "warning"), printable(message)));
    }

    /// Warns where another process does, for one that repeats what we write to our own stderr. Not
    /// into a file: what it writes next would lie over our line.
    pub fn warn_beside(self, process: u32, message: impl std::fmt::Display) {
        self.say_beside(process, format_args!("warning: {message}"));
    }

    /// The same for what is no problem.
    pub fn note_beside(self, process: u32, message: impl std::fmt::Display) {
        self.say_beside(process, format_args!("note: {message}"));
    }

    fn say_beside(self, process: u32, line: impl std::fmt::Display) {
        let stderr = files::open_stream(Path::new(&format!("/proc/{process}/fd/2"))).ok();
        if let Some(mut stderr) = stderr {
            let start = if stderr.is_terminal() { "\r\x1b[K" } else { "" };
            drop(stderr.write_all(format!("{start}{line}\n").as_bytes()));
        }
    }

    pub fn error(self, err: &anyhow::Error) {
        const RED: &str = "\x1b[1m\x1b[91m";
        let message = printable(format_args!("{err:#}"));
        say(&format!("{}: {message}", self.paint(RED, "error")));
    }

    /// Asks before something is changed. Only `y` and `yes` are a yes.
    ///
    /// # Errors
    ///
    /// When there is no terminal to ask on.
    pub fn confirm(self, question: &str) -> anyhow::Result<bool> {
        const CYAN: &str = "\x1b[1m\x1b[36m";
        if !std::io::stdin().is_terminal() {
            anyhow::bail!("stdin is not a terminal: {question}\nhelp: pass --yes");
        }
        drop(write!(std::io::stderr(), "{} [y/N] ", self.paint(CYAN, question)));
        let mut answer = String::new();
        std::io::stdin().read_line(&mut answer).context("cannot read the answer")?;
        Ok(["y", "yes"].contains(&answer.trim().to_lowercase().as_str()))
    }

    fn paint(self, color: &str, text: &str) -> String {
        if self.color { format!("{color}{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// What a user who waits has to know, where no [`Ui`] is at hand.
pub fn note(message: impl std::fmt::Display) {
    say(&format!("note: {message}"));
}

/// Names of files may hold what a terminal would obey: control characters become `\u{1b}`.
pub fn printable(message: impl std::fmt::Display) -> String {
    let escaped = |c: char| match c {
        _ if c.is_control() && c != '\n' && c != '\t' => c.escape_unicode().to_string(),
        _ => c.to_string(),
    };
    message.to_string().chars().map(escaped).collect()
}

/// A closed stderr is no reason to fail a build.
fn say(line: &str) {
    drop(writeln!(std::io::stderr(), "{line}"));
}

/// What a program may read. A reader that has gone away (`| head`) ends the output quietly.
///
/// # Errors
///
/// When stdout cannot be written to for another reason, such as a full disk.
pub fn data(text: impl std::fmt::Display) -> anyhow::Result<()> {
    match writeln!(std::io::stdout(), "{text}") {
        Err(err) if err.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(err).context("cannot write to stdout")
        }
        _ => Ok(()),
    }
}

/// What another process has written, without the lines of stderr that begin with `dropped`.
pub fn pass_on(stdout: &[u8], stderr: &[u8], dropped: &str) -> std::io::Result<()> {
    std::io::stdout().write_all(stdout)?;
    let mut own = std::io::stderr().lock();
    for line in stderr.split_inclusive(|byte| *byte == b'\n') {
        if !line.starts_with(dropped.as_bytes()) {
            own.write_all(line)?;
        }
    }
    Ok(())
}

/// As cargo writes it: `0.31s`, `2m 05s`.
pub fn duration(time: Duration) -> String {
    let seconds = time.as_secs();
    if seconds < 60 {
        format!("{:.2}s", time.as_secs_f64())
    } else {
        format!("{}m {:02}s", seconds / 60, seconds % 60)
    }
}

/// `0 B`, `812.4 MiB`, `3.1 GiB`.
pub fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    let mut value = bytes as f64 / 1024.0;
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// How long ago, in the largest unit that says something: `now`, `5 min`, `3 h`, `12 d`.
pub fn age(age: Duration) -> String {
    match age.as_secs() {
        seconds if seconds < 60 => "now".to_owned(),
        seconds if seconds < 3600 => format!("{} min", seconds / 60),
        seconds if seconds < 48 * 3600 => format!("{} h", seconds / 3600),
        seconds => format!("{} d", seconds / 86400),
    }
}

pub fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

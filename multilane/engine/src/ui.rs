//! What xtask itself says: status lines on stderr in cargo's manner, data on stdout.
//!
//! What cargo says is passed through elsewhere and never touched.

use std::io::{IsTerminal, Write as _};
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
    /// Columns of the terminal that stderr is.
    width: Option<usize>,
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
        let columns = || env.get("COLUMNS")?.to_str()?.parse().ok();
        let width = width(&std::io::stderr(), columns);
        Ui { color, quiet: false, width, called }
    }

    /// `--quiet` silences status lines; warnings and errors stay.
    pub fn is_quiet(self) -> bool {
        self.quiet
    }

    pub fn quiet(self, quiet: bool) -> Ui {
        Ui { quiet, ..self }
    }

    /// One line about one thing done, the verb right-aligned as cargo does it.
    pub fn status(self, verb: &str, message: impl std::fmt::Display) {
        const GREEN: &str = "\x1b[1m\x1b[92m";
        if !self.quiet {
            self.say_labelled(GREEN, &format!("{verb:>12}"), " ", message);
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
        self.say_labelled(YELLOW, "warning", ": ", message);
    }

    /// Warns where another process does, for one that repeats what we write to our own stderr. Not
    /// into a file: what it writes next would lie over our line.
    pub fn warn_beside(self, process: u32, message: impl std::fmt::Display) {
        self.say_beside(process, "warning: ", message);
    }

    /// The same for what is no problem.
    pub fn note_beside(self, process: u32, message: impl std::fmt::Display) {
        self.say_beside(process, "note: ", message);
    }

    fn say_beside(self, process: u32, label: &str, message: impl std::fmt::Display) {
        let stderr = files::open_stream(Path::new(&format!("/proc/{process}/fd/2"))).ok();
        if let Some(mut stderr) = stderr {
            let start = if stderr.is_terminal() { "\r\x1b[K" } else { "" };
            let message = wrapped(label.len(), &message.to_string(), width(&stderr, || None));
            drop(stderr.write_all(format!("{start}{label}{message}\n").as_bytes()));
        }
    }

    pub fn error(self, err: &anyhow::Error) {
        const RED: &str = "\x1b[1m\x1b[91m";
        self.say_labelled(RED, "error", ": ", format_args!("{err:#}"));
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

    fn say_labelled(self, color: &str, label: &str, end: &str, message: impl std::fmt::Display) {
        let message = wrapped(label.len() + end.len(), &printable(message), self.width);
        say(&format!("{}{end}{message}", self.paint(color, label)));
    }

    fn paint(self, color: &str, text: &str) -> String {
        if self.color { format!("{color}{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// What a user who waits has to know, where no [`Ui`] is at hand.
pub fn note(message: impl std::fmt::Display) {
    let width = width(&std::io::stderr(), || None);
    say(&format!("note: {}", wrapped("note: ".len(), &message.to_string(), width)));
}

/// Columns of a terminal; `columns` says so where the system is not asked.
#[cfg(unix)]
fn width(
    stream: &(impl IsTerminal + std::os::fd::AsRawFd),
    columns: impl Fn() -> Option<usize>,
) -> Option<usize> {
    let mut size = libc::winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 };
    #[expect(unsafe_code, reason = "std has no name for it")]
    // SAFETY: the kernel writes one `winsize`, which lives for the length of the call.
    let result = unsafe { libc::ioctl(stream.as_raw_fd(), libc::TIOCGWINSZ, &raw mut size) };
    match result {
        0 if size.ws_col > 0 => Some(size.ws_col.into()),
        _ => stream.is_terminal().then(columns)?,
    }
}

#[cfg(not(unix))]
fn width(stream: &impl IsTerminal, columns: impl Fn() -> Option<usize>) -> Option<usize> {
    stream.is_terminal().then(columns)?
}

/// Breaks `text` between words, for a terminal of `width` columns, where it begins in the column
/// `start`; what goes on is indented. A word, `code` and an indented line stay whole. So does
/// everything without a width: programs read lines.
fn wrapped(start: usize, text: &str, width: Option<usize>) -> String {
    const ROOM_MIN: usize = 20;
    let Some(width) = width.filter(|width| *width >= start + ROOM_MIN) else {
        return text.to_owned();
    };
    let mut lines = Vec::new();
    for line in text.split('\n') {
        let indent = match lines.is_empty() {
            true => start,
            false if line.starts_with("help: ") => "help: ".len(),
            false => 0,
        };
        let mut column = if lines.is_empty() { start } else { 0 };
        let mut broken = String::new();
        let (is_whole, mut is_code) = (line.starts_with(' '), false);
        let words = line.split(|c: char| {
            is_code ^= c == '`';
            c == ' ' && !is_code && !is_whole
        });
        for (index, word) in words.enumerate() {
            let length = word.chars().count();
            if index > 0 && column > indent && column + 1 + length > width {
                broken += &format!("\n{:indent$}", "");
                column = indent;
            } else if index > 0 {
                broken.push(' ');
                column += 1;
            }
            broken += word;
            column += length;
        }
        lines.push(broken);
    }
    lines.join("\n")
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

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, width: usize, expected: &[&str]) {
        assert_eq!(wrapped(4, text, Some(width)), expected.join("\n"));
    }

    #[test]
    fn long_messages_are_broken_between_words() {
        check("one two three four five", 24, &["one two three four", "    five"]);
        check("one two three four fives", 27, &["one two three four", "    fives"]);
        check("one two three four fives", 28, &["one two three four fives"]);
        let path = "/a/path/that/is/longer/than/a/line";
        check(&format!("in {path} now"), 24, &["in", &format!("    {path}"), "    now"]);
        check(path, 24, &[path]);
        check(
            "call `cargo build --all` at once",
            24,
            &["call", "    `cargo build --all`", "    at once"],
        );
        check(
            "a\nhelp: one two three four\n  cargo build --all --locked",
            24,
            &["a", "help: one two three four", "  cargo build --all --locked"],
        );
        check(
            "a\nhelp: one two three four five",
            24,
            &["a", "help: one two three four", "      five"],
        );
    }

    #[test]
    fn without_a_terminal_or_with_a_narrow_one_they_stay_whole() {
        let text = "one two three four five six seven";
        assert_eq!(wrapped(4, text, None), text);
        check(text, 23, &[text]);
    }
}

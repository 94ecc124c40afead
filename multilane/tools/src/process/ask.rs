//! Asks programs that may hang, write without end or leave a process behind.

use std::ffi::OsStr;
use std::fmt;
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use multilane_engine::process::{Held, Shell, watch};

/// Asks programs, from any thread. A signal that comes meanwhile ends every question.
pub(crate) struct Asker<'a> {
    sh: &'a Shell,
    held: &'a Held,
}

/// What a program has written by the time it ended.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Answer {
    pub(crate) success: bool,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Silence {
    NotThere,
    CannotStart(String),
    /// It was killed, with everything that it had started.
    TimedOut(Duration),
    /// The same, since a signal has come.
    Interrupted,
}

impl fmt::Display for Silence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Silence::NotThere => write!(f, "was not found"),
            Silence::CannotStart(why) => write!(f, "cannot be started: {why}"),
            Silence::Interrupted => write!(f, "was interrupted"),
            Silence::TimedOut(limit) => write!(f, "did not answer within {} s", limit.as_secs()),
        }
    }
}

impl<'a> Asker<'a> {
    pub(crate) fn new(sh: &'a Shell, held: &'a Held) -> Asker<'a> {
        Asker { sh, held }
    }

    /// Runs `program` in `dir` without input, for at most `limit`. rustup installs nothing for it.
    pub(crate) fn ask(
        &self,
        program: impl AsRef<OsStr>,
        args: impl IntoIterator<Item = impl AsRef<OsStr>>,
        dir: &Path,
        limit: Duration,
    ) -> Result<Answer, Silence> {
        const TICK: Duration = Duration::from_millis(200);
        let command = self.sh.command(program, args, dir);
        let mut command = command.map_err(|err| Silence::CannotStart(err.to_string()))?;
        command.env("RUSTUP_AUTO_INSTALL", "0");
        own_group(&mut command);
        let started = Instant::now();
        let goes_on = || !self.held.has_come() && started.elapsed() < limit;
        match watch(&mut command, TICK, goes_on, end_group) {
            Ok(Some(output)) => Ok(Answer {
                success: output.status.success(),
                stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
                stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            }),
            Ok(None) if self.held.has_come() => Err(Silence::Interrupted),
            Ok(None) => Err(Silence::TimedOut(limit)),
            Err(err) if err.kind() == std::io::ErrorKind::NotFound => Err(Silence::NotThere),
            Err(err) => Err(Silence::CannotStart(err.to_string())),
        }
    }

    pub(crate) fn ask_cargo(
        &self,
        args: &[&OsStr],
        dir: &Path,
        limit: Duration,
    ) -> Result<Answer, Silence> {
        self.ask(&self.sh.cargo, args, dir, limit)
    }
}

#[cfg(unix)]
fn own_group(command: &mut Command) {
    std::os::unix::process::CommandExt::process_group(command, 0);
}

#[cfg(unix)]
fn end_group(child: &mut Child) {
    let Ok(group) = i32::try_from(child.id()) else { return };
    #[expect(unsafe_code, reason = "std ends single processes alone")]
    // SAFETY: `kill` takes numbers and touches no memory; the group is the child's, which has not
    // been waited for.
    unsafe {
        libc::kill(-group, libc::SIGKILL);
    }
}

#[cfg(not(unix))]
fn own_group(_: &mut Command) {}

#[cfg(not(unix))]
fn end_group(child: &mut Child) {
    drop(child.kill());
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn ask(script: &str, limit: Duration) -> Result<Answer, Silence> {
        let sh = Shell::as_is("cargo".into());
        Asker::new(&sh, &Held::start()).ask("sh", ["-c", script], Path::new("/"), limit)
    }

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn an_answer_is_both_streams_and_the_end() {
        let answer =
            Answer { success: false, stdout: "out\n".to_owned(), stderr: "err\n".to_owned() };
        assert_eq!(ask("echo out; echo err >&2; exit 3", LONG), Ok(answer));
        let sh = Shell::as_is("cargo".into());
        let nothing: [&str; 0] = [];
        let missing = Asker::new(&sh, &Held::start()).ask(
            "no-such-program-here",
            nothing,
            Path::new("/"),
            LONG,
        );
        assert_eq!(missing, Err(Silence::NotThere));
    }

    #[test]
    fn a_program_that_hangs_is_ended_with_its_children() {
        let file = std::env::temp_dir().join(format!("multilane-ask-{}", std::process::id()));
        let script = format!("sleep 1000 & echo $! >'{}'; sleep 1000", file.display());
        // The first limit that is long enough for the child to start.
        let limits = [100, 1_000, 10_000, 60_000].map(Duration::from_millis);
        let child = limits.into_iter().find_map(|limit| {
            assert_eq!(ask(&script, limit), Err(Silence::TimedOut(limit)));
            multilane_engine::files::read_text(&file).ok().filter(|text| text.ends_with('\n'))
        });
        let child = child.expect("the script has come so far");
        std::fs::remove_file(&file).expect("it is there");
        // A process that has ended is a zombie until its parent waits, if it is listed at all;
        // without `/proc` nothing is listed.
        let state = Path::new("/proc").join(child.trim()).join("stat");
        let started = Instant::now();
        while multilane_engine::files::read_text(&state).is_ok_and(|stat| !stat.contains(") Z")) {
            assert!(started.elapsed() < LONG, "it still runs");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn a_child_that_is_left_behind_is_not_waited_for() {
        let answer = ask("echo there; sleep 5 &", LONG).expect("an answer");
        assert_eq!(answer.stdout, "there\n");
    }

    #[test]
    fn endless_output_is_read_to_a_length() {
        let answer = ask("yes 2>/dev/null", LONG).expect("it ends when its output is closed");
        assert!(!answer.success && answer.stdout.len() <= 1 << 26);
    }
}

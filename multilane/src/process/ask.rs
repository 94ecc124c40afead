//! Asks programs that nobody vouches for: one that hangs, writes without end or leaves a child
//! behind holds nobody up.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use crate::process::{Held, OF_ONE_REPOSITORY, Shell, signals};

/// Asks from any thread; a [`Shell`] belongs to one.
pub struct Asker<'a> {
    cargo: &'a OsStr,
    changes: &'a [(OsString, Option<OsString>)],
    held: &'a Held,
}

/// What a program has written by the time it ended.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    pub success: bool,
    pub stdout: String,
    pub stderr: String,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Silence {
    NotThere,
    CannotStart(String),
    /// It was ended, with all that it had started.
    TimedOut(Duration),
    /// The same, since a signal has come for xtask.
    Interrupted,
}

impl fmt::Display for Silence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Silence::NotThere => write!(f, "is not there"),
            Silence::CannotStart(why) => write!(f, "cannot be started: {why}"),
            Silence::Interrupted => write!(f, "was interrupted"),
            Silence::TimedOut(limit) => write!(f, "did not answer within {} s", limit.as_secs()),
        }
    }
}

impl Shell {
    /// While somebody asks, signals are held, so that nothing stays behind; one that comes ends
    /// every question.
    pub fn asker<'a>(&'a self, held: &'a Held) -> Asker<'a> {
        Asker { cargo: &self.cargo, changes: &self.changes, held }
    }
}

impl Asker<'_> {
    /// Runs `program` in `dir` to its end, but for no longer than `limit`. It reads nothing, and
    /// rustup fetches nothing for it.
    #[expect(clippy::disallowed_methods, reason = "a door of the shell's own")]
    pub fn ask(
        &self,
        program: impl AsRef<OsStr>,
        args: impl IntoIterator<Item = impl AsRef<OsStr>>,
        dir: &Path,
        limit: Duration,
    ) -> Result<Answer, Silence> {
        let mut command = Command::new(&program);
        command.args(args).current_dir(dir);
        for (name, value) in self.changes {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        if program.as_ref() == "git" {
            for name in OF_ONE_REPOSITORY {
                command.env_remove(name);
            }
        }
        command.env("RUSTUP_AUTO_INSTALL", "0");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        own_group(&mut command);
        signals::end_with_parent(&mut command);
        let mut child = command.spawn().map_err(|err| match err.kind() {
            std::io::ErrorKind::NotFound => Silence::NotThere,
            _ => Silence::CannotStart(err.to_string()),
        })?;

        let stdout = child.stdout.take().map(Heard::of);
        let stderr = child.stderr.take().map(Heard::of);
        let success = self.wait(&mut child, limit)?;
        let text = |heard: Option<Heard>| heard.map(Heard::text).unwrap_or_default();
        Ok(Answer { success, stdout: text(stdout), stderr: text(stderr) })
    }

    pub fn ask_cargo(
        &self,
        args: &[&OsStr],
        dir: &Path,
        limit: Duration,
    ) -> Result<Answer, Silence> {
        self.ask(self.cargo, args, dir, limit)
    }

    /// Whether it ended with success.
    fn wait(&self, child: &mut Child, limit: Duration) -> Result<bool, Silence> {
        const PAUSE: Duration = Duration::from_millis(1);
        let started = Instant::now();
        loop {
            let silence = match child.try_wait() {
                Ok(Some(status)) => return Ok(status.success()),
                Err(err) => return Err(Silence::CannotStart(err.to_string())),
                Ok(None) if self.held.has_come() => Silence::Interrupted,
                Ok(None) if started.elapsed() >= limit => Silence::TimedOut(limit),
                Ok(None) => {
                    std::thread::sleep(PAUSE);
                    continue;
                }
            };
            end_group(child);
            drop(child.wait());
            return Err(silence);
        }
    }
}

/// What has come out of a pipe so far.
struct Heard {
    bytes: Arc<Mutex<Vec<u8>>>,
    end: mpsc::Receiver<()>,
}

impl Heard {
    fn of(mut pipe: impl Read + Send + 'static) -> Heard {
        const LEN_MAX: usize = 1 << 20; // No answer that we ask for is as long.
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let (ended, end) = mpsc::channel();
        let heard = Arc::clone(&bytes);
        std::thread::spawn(move || {
            let mut part = [0; 8192];
            while let Ok(count @ 1..) = pipe.read(&mut part) {
                let Ok(mut bytes) = heard.lock() else { break };
                bytes.extend_from_slice(&part[..count]);
                if bytes.len() > LEN_MAX {
                    break;
                }
            }
            let _ = ended.send(()); // Nobody may listen any more.
        });
        Heard { bytes, end }
    }

    /// The program has ended. A child that it has left behind may keep the pipe open for as long as
    /// it likes.
    fn text(self) -> String {
        const REST: Duration = Duration::from_millis(200);
        let _ = self.end.recv_timeout(REST);
        let bytes = self.bytes.lock().map(|bytes| bytes.clone()).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

#[cfg(unix)]
fn own_group(command: &mut Command) {
    std::os::unix::process::CommandExt::process_group(command, 0);
}

#[cfg(unix)]
fn end_group(child: &Child) {
    let Ok(group) = i32::try_from(child.id()) else { return };
    #[expect(unsafe_code, reason = "std ends single processes alone")]
    // SAFETY: `kill` takes numbers and touches no memory; the group is the child's, which nobody
    // has waited for yet.
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
    use std::path::PathBuf;

    use super::*;

    fn ask(script: &str, limit: Duration) -> Result<Answer, Silence> {
        let sh = Shell::as_is("cargo".into()).expect("a directory");
        sh.asker(&Held::start()).ask("sh", ["-c", script], &PathBuf::from("/"), limit)
    }

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn an_answer_is_both_streams_and_the_end() {
        let answer =
            Answer { success: false, stdout: "out\n".to_owned(), stderr: "err\n".to_owned() };
        assert_eq!(ask("echo out; echo err >&2; exit 3", LONG), Ok(answer));
        let sh = Shell::as_is("cargo".into()).expect("a directory");
        let nothing: [&str; 0] = [];
        let missing =
            sh.asker(&Held::start()).ask("no-such-program-here", nothing, Path::new("/"), LONG);
        assert_eq!(missing, Err(Silence::NotThere));
    }

    #[test]
    fn a_program_that_hangs_is_ended_with_its_children() {
        let file = std::env::temp_dir().join(format!("xtask-ask-{}", std::process::id()));
        let script = format!("sleep 1000 & echo $! >'{}'; sleep 1000", file.display());
        // How long it takes until the child is there, nobody knows.
        let limits = [100, 1_000, 10_000, 60_000].map(Duration::from_millis);
        let child = limits.into_iter().find_map(|limit| {
            assert_eq!(ask(&script, limit), Err(Silence::TimedOut(limit)));
            std::fs::read_to_string(&file).ok().filter(|text| text.ends_with('\n'))
        });
        let child = child.expect("the script has come so far");
        std::fs::remove_file(&file).expect("it is there");
        // One that has ended is a zombie until somebody asks for it, if it is listed at all;
        // elsewhere nothing is listed.
        let state = Path::new("/proc").join(child.trim()).join("stat");
        let started = Instant::now();
        while std::fs::read_to_string(&state).is_ok_and(|stat| !stat.contains(") Z")) {
            assert!(started.elapsed() < LONG, "it still runs");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn a_child_that_is_left_behind_holds_nobody_up() {
        let answer = ask("echo there; sleep 5 &", LONG).expect("an answer");
        assert_eq!(answer.stdout, "there\n");
    }

    #[test]
    fn endless_output_is_heard_to_a_length() {
        let answer = ask("yes 2>/dev/null", LONG).expect("it ends when nobody listens");
        assert!(!answer.success && answer.stdout.len() < 1 << 21);
    }
}

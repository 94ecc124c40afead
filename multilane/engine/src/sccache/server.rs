//! Calls of sccache, each with a time limit.
//!
//! ```text
//! <root>/.cargo/wrapper/
//! ├── sccache               which sccache is used (`SccacheProgram`)
//! └── through-cache         this program by another name; the wrapper starts compilers through it
//! <runtime dir>/            of this user alone (`Environment::runtime_dir`)
//! ├── sccache-<name>        the socket of sccache's server; `<name>` stands for settings and mounts
//! ├── sccache-<name>-local  …of the server that uses the local disk alone
//! ├── sccache-<name>-remote …of the server that uses the remote storage alone, for `doctor`
//! ├── sccache-<name>.json   how far the cache works (`CacheState`)
//! ├── sccache-<name>.lock   locked by the process that tries the cache out
//! └── sccache-<name>.told-* builds that cargo has started itself, and that were warned
//! ```

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, bail, ensure};

use crate::environment::Environment;
use crate::files;
use crate::process::{TICK, attempt, for_at_most};
use crate::sccache::state::{CacheState, SccacheProgram};
use crate::sccache::tally::CacheCounts;
use crate::sccache::variables::{CacheReach, Variables};

/// In the wrapper's folder.
pub(crate) const PROGRAM_FILE: &str = "sccache";
pub const THROUGH_CACHE: &str = "through-cache";

/// The files that a directory must have in which the cache is tried out.
pub const SOURCES: [(&str, &str); 2] = [
    ("right.rs", "pub fn proves_that_the_cache_is_used() {}\n"),
    ("wrong.rs", "pub const N: &str = 1;\n"),
];

/// How long a server may run no compiler before a build goes on without it.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long it may compile on another machine. Before the first time it packs the whole toolchain.
const PATIENCE_IF_DISTRIBUTED: Duration = Duration::from_secs(300);

/// How long a question may take that needs no compiler.
const ANSWER_MAX: Duration = Duration::from_secs(2);

const SOCKET: &str = "SCCACHE_SERVER_UDS";

/// The shared cache as one worktree uses it.
pub struct SharedCache {
    pub program: SccacheProgram,
    pub variables: Variables,
    /// The path of the socket and of what is remembered, without an ending.
    path_stem: PathBuf,
}

/// Whether the user has switched the cache off: `XTASK_CACHE=off`.
pub fn is_switched_off(env: &Environment) -> bool {
    env.get("XTASK_CACHE").is_some() && !env.is_on("XTASK_CACHE")
}

/// The answer of `program` to `--version`. `None` if it fails or takes too long.
pub(super) fn version(program: &Path, dir: &Path) -> Option<String> {
    let words = [program.into(), "--version".into()];
    let said = attempt(&words, dir, &[], for_at_most(ANSWER_MAX)).ok()??;
    said.status.success().then(|| String::from_utf8_lossy(&said.stdout).into_owned())
}

impl SharedCache {
    /// `configured` is `[env]` of cargo's configuration, for a process that cargo has not started.
    /// `None` if nothing in this wrapper's folder says that there is a cache.
    pub fn open(
        wrapper_dir: &Path,
        env: &Environment,
        configured: &BTreeMap<String, String>,
    ) -> Option<SharedCache> {
        let text = files::read_text(wrapper_dir.join(PROGRAM_FILE)).ok()?;
        let program = SccacheProgram::from_text(&text)?;
        let variables = Variables::new(env, configured);
        // In a container other directories may have the same paths. A server that sees the usual
        // ones would read and write the wrong files.
        let mounts = std::fs::read_link("/proc/self/ns/mnt").unwrap_or_default();
        let view = format!("{} {}", program.path.display(), mounts.display());
        let path_stem = env.runtime_dir().join(format!("sccache-{}", variables.server_name(&view)));
        Some(SharedCache { program, variables, path_stem })
    }

    /// How far it works, as it was found out last.
    pub(super) fn last_state(&self) -> Option<CacheState> {
        CacheState::from_text(&files::read_text(self.path(".json")).ok()?)
    }

    /// The same, if that is still valid.
    pub(super) fn state(&self, now: SystemTime) -> Option<CacheState> {
        self.last_state().filter(|state| state.is_valid(now))
    }

    /// The path of one of its files in the runtime directory.
    pub(super) fn path(&self, ending: &str) -> PathBuf {
        let mut name = self.path_stem.clone().into_os_string();
        name.push(ending);
        name.into()
    }

    fn changes(&self, reach: CacheReach) -> Vec<(String, Option<String>)> {
        let mut changes = self.variables.of_reach(reach);
        let has_place =
            [SOCKET, "SCCACHE_SERVER_PORT"].iter().any(|name| self.variables.get(name).is_some());
        if !has_place {
            let socket = self.path(match reach {
                CacheReach::Local => "-local",
                CacheReach::Remote => "-remote",
                CacheReach::All | CacheReach::Off => "",
            });
            changes.push((SOCKET.to_owned(), socket.to_str().map(str::to_owned)));
        }
        changes
    }

    /// Has sccache run `compiler`, a program and its arguments. `None` if neither sccache nor its
    /// server did anything for so long that the build should go on without them.
    ///
    /// # Errors
    ///
    /// When sccache cannot be started.
    pub fn compile(
        &self,
        reach: CacheReach,
        compiler: &[OsString],
        dir: &Path,
    ) -> anyhow::Result<Option<Output>> {
        let program = self.program.path.clone().into_os_string();
        let words: Vec<OsString> = [&[program], compiler].concat();
        let changes = self.changes(reach);
        let socket = changes.iter().find(|(name, _)| name == SOCKET);
        let socket = socket.and_then(|(_, path)| path.as_deref()).map(Path::new);
        let mut quiet = Duration::ZERO;
        let mut is_distributed = None;
        attempt(&words, dir, &changes, || {
            quiet += TICK;
            // A server with a port instead of a socket cannot be looked at.
            let compiles = socket.and_then(|socket| server_compiles(socket, &compiler[0]));
            if compiles == Some(true) {
                quiet = Duration::ZERO;
            }
            if quiet < PATIENCE {
                return true;
            }
            if compiles.is_none() {
                // It cannot be seen what the server runs, so it has to answer.
                quiet = Duration::ZERO;
                return self.counts(reach, dir).is_some();
            }
            let is_distributed = *is_distributed.get_or_insert_with(|| {
                self.ask(reach, &["--dist-status"], dir)
                    .is_some_and(|status| status.contains("SchedulerStatus"))
            });
            is_distributed && quiet < PATIENCE_IF_DISTRIBUTED
        })
    }

    /// The answer of sccache to these arguments. `None` if it fails or takes too long.
    pub fn ask(&self, reach: CacheReach, question: &[&str], dir: &Path) -> Option<String> {
        let program = self.program.path.clone().into_os_string();
        let question = question.iter().map(OsString::from);
        let words: Vec<OsString> = std::iter::once(program).chain(question).collect();
        let said = attempt(&words, dir, &self.changes(reach), for_at_most(ANSWER_MAX)).ok()??;
        said.status.success().then(|| String::from_utf8_lossy(&said.stdout).into_owned())
    }

    /// What the server has counted since it was started.
    pub fn counts(&self, reach: CacheReach, dir: &Path) -> Option<CacheCounts> {
        let stats = self.ask(reach, &["--show-stats", "--stats-format=json"], dir)?;
        CacheCounts::of_server(&stats)
    }

    /// Whether everything within `reach` answers, and soon. A crate that does not compile is tried:
    /// it is looked up in each storage and stored in none. `scratch` has [`SOURCES`] in it.
    ///
    /// # Errors
    ///
    /// With what is wrong.
    pub fn try_out(
        &self,
        reach: CacheReach,
        rustc: &OsString,
        scratch: &Path,
        now: SystemTime,
    ) -> anyhow::Result<()> {
        // Each crate that is not in the cache costs a lookup, so this bounds the cost of a slow
        // remote storage.
        const LOOKUP_MAX: Duration = Duration::from_millis(300);
        // The first try starts the server, and a busy machine is not a slow network.
        const TRIES: u32 = 3;

        let mut fastest = Duration::MAX;
        for number in 0..TRIES {
            let compiler = probe(rustc, scratch, "wrong.rs", now, number);
            let begun = Instant::now();
            let said = self.compile(reach, &compiler, scratch)?.context(SILENT)?;
            let took = begun.elapsed();
            // The compiler was started if it says what is wrong with the crate.
            ensure!(String::from_utf8_lossy(&said.stderr).contains("E0308"), first_line(&said));
            if reach != CacheReach::All || took <= LOOKUP_MAX {
                return Ok(());
            }
            // sccache starts the compiler twice, which takes time on a busy machine.
            let begun = Instant::now();
            attempt(&compiler, scratch, &[], for_at_most(PATIENCE))?;
            fastest = fastest.min(took.saturating_sub(2 * begun.elapsed()));
            if fastest <= LOOKUP_MAX {
                return Ok(());
            }
        }
        bail!("it is slow: looking up a crate takes {} ms", fastest.as_millis());
    }
}

pub const SILENT: &str = "it does not answer";

/// The call that compiles a library, another one at each moment and with each number.
pub fn probe(
    rustc: &OsString,
    scratch: &Path,
    source: &str,
    now: SystemTime,
    number: u32,
) -> Vec<OsString> {
    const OPTIONS: [&str; 7] = [
        "--crate-name=multilane_probe",
        "--crate-type=lib",
        "--edition=2021",
        "--error-format=json",
        "--emit=dep-info,metadata,link",
        "-Cmetadata=multilane",
        "-Cextra-filename=-multilane",
    ];
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    let mut words = vec![rustc.clone()];
    words.extend(OPTIONS.map(OsString::from));
    words.push(format!("--cfg=unique_{now}_{number}").into());
    words.extend(["--out-dir".into(), scratch.into(), source.into()]);
    words
}

/// The reason that sccache gives for a failure, without passwords.
pub fn first_line(said: &Output) -> String {
    let texts = [&said.stderr, &said.stdout].map(|text| String::from_utf8_lossy(text).into_owned());
    match texts.iter().flat_map(|text| text.lines()).map(str::trim).find(|line| !line.is_empty()) {
        Some(line) => {
            let shown = line.chars().take(200).filter(|letter| !letter.is_control());
            format!("it fails: {}", without_passwords(&shown.collect::<String>()))
        }
        None => format!("it fails: {}", said.status),
    }
}

/// Without the names and passwords in URLs.
fn without_passwords(text: &str) -> String {
    let word = |word: &str| match (word.find("://"), word.rfind('@')) {
        (Some(scheme), Some(at)) if scheme < at => {
            format!("{}://…{}", &word[..scheme], &word[at..])
        }
        _ => word.to_owned(),
    };
    text.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

/// Whether the server that listens at `socket` runs a compiler. `None` where the system does not
/// show its processes.
fn server_compiles(socket: &Path, compiler: &OsString) -> Option<bool> {
    let sockets = files::read_text("/proc/net/unix").ok()?;
    let link_to = |line: &str| {
        let mut fields = line.splitn(8, ' ').skip(6); // `… inode path`
        let (inode, path) = (fields.next()?, fields.next()?);
        (Path::new(path) == socket).then(|| PathBuf::from(format!("socket:[{inode}]")))
    };
    let links: Vec<PathBuf> = sockets.lines().filter_map(link_to).collect();
    let is_server = |process: &str| {
        let files = std::fs::read_dir(format!("/proc/{process}/fd")).into_iter().flatten();
        let mut open = files.flatten().filter_map(|file| std::fs::read_link(file.path()).ok());
        open.any(|link| links.contains(&link))
    };
    // The kernel keeps 15 characters of a name.
    let compiler: String =
        Path::new(compiler).file_name()?.to_string_lossy().chars().take(15).collect();
    let mut processes = std::fs::read_dir("/proc").ok()?.flatten();
    Some(processes.any(|process| {
        let stat = files::read_text(process.path().join("stat")).unwrap_or_default();
        // proc_pid_stat(5): `pid (name) state parent …`; the name may have anything in it.
        let Some((start, rest)) = stat.rsplit_once(") ") else { return false };
        let mut fields = rest.split(' ');
        let (state, parent) = (fields.next(), fields.next());
        start.split_once(" (").is_some_and(|(_, name)| name == compiler)
            && state != Some("Z")
            && parent.is_some_and(is_server)
    }))
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;

    #[test]
    fn a_compiler_counts_only_below_its_server() {
        let name = |which: &str| {
            std::env::temp_dir().join(format!("xtask-{which}-{}", std::process::id()))
        };
        let (own, other) = (name("own server"), name("other server"));
        let _listener = std::os::unix::net::UnixListener::bind(&own).expect("a socket");
        std::fs::remove_file(&own).expect("it is there"); // It listens all the same.
        let mut child = in_background();
        assert_eq!(server_compiles(&own, &"sleep".into()), Some(true));
        assert_eq!(server_compiles(&other, &"sleep".into()), Some(false));
        assert_eq!(server_compiles(&own, &"rustc".into()), Some(false));
        child.kill().expect("it runs");
        // Ended, and not yet waited for.
        while server_compiles(&own, &"sleep".into()) == Some(true) {}
        child.wait().expect("it has ended");
    }

    #[test]
    fn no_password_is_repeated() {
        let text = "no redis://me:hunter2@host/ at all";
        assert_eq!(without_passwords(text), "no redis://…@host/ at all");
    }

    #[expect(clippy::disallowed_methods, reason = "a test is its own user")]
    fn in_background() -> std::process::Child {
        std::process::Command::new("sleep").arg("1000").spawn().expect("it starts")
    }
}

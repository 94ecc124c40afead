//! The shared cache: what the wrapper's folder says of it, what is known of its server, and whether it answers.
//!
//! ```text
//! <root>/.cargo/wrapper/
//! ├── shared-cache.json     which sccache, and what it is told (`Setup`)
//! └── through-cache         xtask by another name; the script starts compilers through it where it is there
//! <runtime dir>/            of this user alone (`Environment::runtime_dir`)
//! ├── sccache-<name>        where sccache's server listens; `<name>` tells settings and views of the disk apart
//! ├── sccache-<name>-local  …and the one that knows nothing beyond this machine
//! └── sccache-<name>.json   what was found out about it (`Standing`); `.lock` while somebody finds out
//! ```

use std::ffi::OsString;
use std::net::{TcpStream, ToSocketAddrs as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, anyhow, bail, ensure};

use crate::effects::shell::{Said, TICK, attempt};
use crate::facts::host::Environment;
use crate::plan::shared_cache::{Counts, Setup, Standing, Way, redacted, server_name};

/// In the wrapper's folder.
pub(crate) const SETUP: &str = "shared-cache.json";
pub(crate) const PROGRAM: &str = "through-cache";

/// What a directory has to hold in which the cache is tried out.
pub(crate) const SOURCES: [(&str, &str); 2] =
    [("right.rs", "pub fn proves_that_the_cache_is_used() {}\n"), ("wrong.rs", "pub const N: &str = 1;\n")];

/// For how long a server may do nothing that can be seen before a build goes on without it.
const PATIENCE: Duration = Duration::from_secs(5);

/// For how long it may compile elsewhere, where that is set up.
const PATIENCE_IF_DISTRIBUTED: Duration = Duration::from_secs(60);

/// For how long a question may take that needs no compiler.
const ANSWER_MAX: Duration = Duration::from_secs(2);

/// A shared cache that this tree is set up for.
pub(crate) struct SharedCache<'a> {
    pub(crate) setup: Setup,
    env: &'a Environment,
    /// Without an ending.
    base: PathBuf,
}

/// Whether the user wants none, for tests or to compare: `XTASK_CACHE=off`.
pub(crate) fn is_switched_off(env: &Environment) -> bool {
    env.get("XTASK_CACHE").is_some() && !env.is_on("XTASK_CACHE")
}

/// What `program` says to `--version`, if it says so soon.
pub(crate) fn version(program: &Path, dir: &Path) -> Option<String> {
    let said = attempt(&[program.into(), "--version".into()], dir, &[], for_at_most(ANSWER_MAX)).ok()??;
    said.status.success().then(|| String::from_utf8_lossy(&said.stdout).into_owned())
}

fn for_at_most(limit: Duration) -> impl FnMut() -> bool {
    let started = Instant::now();
    move || started.elapsed() < limit
}

impl<'a> SharedCache<'a> {
    /// `None` where the tree at `root` has none.
    pub(crate) fn of_tree(root: &Path, env: &'a Environment) -> Option<SharedCache<'a>> {
        SharedCache::open(&root.join(".cargo/wrapper"), env)
    }

    pub(crate) fn open(wrapper_dir: &Path, env: &'a Environment) -> Option<SharedCache<'a>> {
        let setup = Setup::from_text(&std::fs::read_to_string(wrapper_dir.join(SETUP)).ok()?)?;
        let whole = setup.changes(Way::Whole, &[]);
        let told = whole.iter().filter_map(|(name, value)| Some((name.as_str(), value.as_deref()?)));
        // Whoever has been shown other directories under these names must not have a server that sees the usual ones.
        let view = std::fs::read_link("/proc/self/ns/mnt").unwrap_or_default();
        let view = format!("{} {}", setup.program.display(), view.display());
        let name = server_name(told.chain(own(env)), &view);
        let base = env.runtime_dir().join(format!("sccache-{name}"));
        Some(SharedCache { setup, env, base })
    }

    pub(crate) fn ways(&self) -> &'static [Way] {
        self.setup.ways(&own(self.env).collect::<Vec<_>>())
    }

    /// What was found out, if that still counts.
    pub(crate) fn standing(&self, now: SystemTime) -> Option<Standing> {
        Standing::from_text(&std::fs::read_to_string(self.file(".json")).ok()?, now)
    }

    pub(crate) fn file(&self, ending: &str) -> PathBuf {
        let mut name = self.base.clone().into_os_string();
        name.push(ending);
        name.into()
    }

    fn changes(&self, way: Way) -> Vec<(String, Option<String>)> {
        let own: Vec<_> = own(self.env).collect();
        let mut changes = self.setup.changes(way, &own);
        let has_place = |name: &str| own.iter().any(|(own, _)| *own == name);
        if !has_place("SCCACHE_SERVER_UDS") && !has_place("SCCACHE_SERVER_PORT") {
            let socket = self.file(if way == Way::Local { "-local" } else { "" });
            changes.push(("SCCACHE_SERVER_UDS".to_owned(), socket.to_str().map(str::to_owned)));
        }
        changes
    }

    /// Has sccache carry out `compiler`, a program and its arguments. `None`: neither it nor its server did anything for so long
    /// that the build should go on without them.
    pub(crate) fn compile(
        &self,
        way: Way,
        compiler: &[OsString],
        dir: &Path,
    ) -> anyhow::Result<Option<Said>> {
        let words: Vec<OsString> = std::iter::once(self.setup.program.clone().into_os_string())
            .chain(compiler.iter().cloned())
            .collect();
        let mut quiet = Duration::ZERO;
        let mut is_distributed = None;
        attempt(&words, dir, &self.changes(way), || {
            quiet += TICK;
            if quiet < PATIENCE {
                if compiles(&self.setup.program, &compiler[0]).unwrap_or(false) {
                    quiet = Duration::ZERO;
                }
                return true;
            }
            // Where nobody can see what runs, a server that answers is taken at its word.
            let is_elsewhere = *is_distributed.get_or_insert_with(|| {
                let status = self.ask(way, "--dist-status", dir);
                let can_see = compiles(&self.setup.program, &compiler[0]).is_some();
                status.is_some_and(|status| !can_see || status.contains("SchedulerStatus"))
            });
            is_elsewhere && quiet < PATIENCE_IF_DISTRIBUTED
        })
    }

    fn ask(&self, way: Way, question: &str, dir: &Path) -> Option<String> {
        let words =
            [self.setup.program.clone().into_os_string(), question.into(), "--stats-format=json".into()];
        let words = if question == "--show-stats" { &words[..] } else { &words[..2] };
        let said = attempt(words, dir, &self.changes(way), for_at_most(ANSWER_MAX)).ok()??;
        said.status.success().then(|| String::from_utf8_lossy(&said.stdout).into_owned())
    }

    /// What the server has counted; nothing yet, where it does not run.
    pub(crate) fn counts(&self, way: Way, dir: &Path) -> Option<Counts> {
        Counts::read(&self.ask(way, "--show-stats", dir)?)
    }

    /// Whether all of `way` answers, tried with a crate that cannot be compiled: such a one is looked for everywhere, and stored
    /// nowhere. `scratch` holds [`SOURCES`].
    ///
    /// # Errors
    ///
    /// With what is wrong.
    pub(crate) fn try_out(
        &self,
        way: Way,
        rustc: &OsString,
        scratch: &Path,
        now: SystemTime,
    ) -> anyhow::Result<()> {
        const HOST_MAX: Duration = Duration::from_secs(1);
        // A lookup takes as long for each crate that is not in the cache, so this bounds what a slow remote can cost.
        const LOOKUP_MAX: Duration = Duration::from_millis(300);
        const TRIES: u32 = 3; // The first one starts the server, and a busy machine is no slow network.

        if way == Way::Whole {
            for host in &self.setup.hosts {
                reach(host, HOST_MAX).with_context(|| format!("{host} cannot be reached"))?;
            }
        }
        let mut fastest = Duration::MAX;
        for number in 0..TRIES {
            let mut compiler = probe(rustc, scratch, "wrong.rs");
            let unique = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
            compiler.push(format!("--cfg=unique_{unique}_{number}").into());
            let begun = Instant::now();
            let said = self.compile(way, &compiler, scratch)?;
            let took = begun.elapsed();
            let said = said.ok_or_else(|| anyhow!("it does not answer"))?;
            ensure!(is_from_rustc(&said.stderr), "{}", first_line(&said));
            if way != Way::Whole || took <= LOOKUP_MAX {
                return Ok(());
            }
            // The compiler is started twice, and on a busy machine that alone takes its time.
            let begun = Instant::now();
            attempt(&compiler, scratch, &[], for_at_most(PATIENCE))?;
            fastest = fastest.min(took.saturating_sub(2 * begun.elapsed()));
            if fastest <= LOOKUP_MAX {
                return Ok(());
            }
        }
        bail!("it is slow: a crate that is not in it takes {} ms to look for", fastest.as_millis());
    }

    /// Compiles a small crate twice, and sees that the second time it comes from the cache. For `doctor`: it takes about half a
    /// second, and not much longer than [`PATIENCE`] when something is wrong.
    ///
    /// # Errors
    ///
    /// With what is wrong.
    pub(crate) fn prove(&self, way: Way, rustc: &OsString, scratch: &Path) -> anyhow::Result<()> {
        let compiler = probe(rustc, scratch, "right.rs");
        let once = || -> anyhow::Result<()> {
            let said = self.compile(way, &compiler, scratch)?.ok_or_else(|| anyhow!("it does not answer"))?;
            ensure!(said.status.success(), "{}", first_line(&said));
            Ok(())
        };
        once()?;
        let before = self.counts(way, scratch).context("it does not tell what it has counted")?;
        // It answers before it has stored what it compiled.
        for _ in 0..10 {
            once()?;
            let after = self.counts(way, scratch).context("it does not tell what it has counted")?;
            if after.hits > before.hits {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        bail!("what it has compiled a moment ago is not in it")
    }
}

/// What of the environment is for sccache.
fn own(env: &Environment) -> impl Iterator<Item = (&str, &str)> {
    let pairs = env.iter().filter_map(|(name, value)| Some((name.to_str()?, value.to_str()?)));
    pairs.filter(|(name, _)| name.starts_with("SCCACHE_") || name.starts_with("AWS_"))
}

/// The call that compiles a library.
fn probe(rustc: &OsString, scratch: &Path, source: &str) -> Vec<OsString> {
    let mut words = vec![rustc.clone()];
    words.extend(
        [
            "--crate-name=multilane_probe",
            "--crate-type=lib",
            "--edition=2021",
            "--error-format=json",
            "--emit=dep-info,metadata,link",
            "-Cmetadata=multilane",
            "-Cextra-filename=-multilane",
            "--out-dir",
        ]
        .map(OsString::from),
    );
    words.extend([scratch.into(), source.into()]);
    words
}

/// Whether the compiler has been reached: it found what is wrong with the crate.
fn is_from_rustc(stderr: &[u8]) -> bool {
    String::from_utf8_lossy(stderr).contains("E0308")
}

/// What a program gives as its reason, without secrets.
pub(crate) fn first_line(said: &Said) -> String {
    let text = String::from_utf8_lossy(&said.stderr).into_owned() + &String::from_utf8_lossy(&said.stdout);
    match text.lines().map(str::trim).find(|line| !line.is_empty()) {
        Some(line) => {
            let shown: String = line.chars().take(200).filter(|letter| !letter.is_control()).collect();
            format!("it fails: {}", redacted(&shown))
        }
        None => format!("it fails: {}", said.status),
    }
}

/// Whether somebody listens at `host:port`. Names are looked up without a limit of their own.
fn reach(host: &str, limit: Duration) -> anyhow::Result<()> {
    let (sender, answer) = mpsc::channel();
    let name = host.to_owned();
    std::thread::spawn(move || {
        let try_all = || -> std::io::Result<()> {
            let mut last = Err(std::io::Error::other("it has no address"));
            for address in name.to_socket_addrs()? {
                last = TcpStream::connect_timeout(&address, limit).map(drop);
                if last.is_ok() {
                    break;
                }
            }
            last
        };
        drop(sender.send(try_all()));
    });
    answer.recv_timeout(limit).map_err(|_| anyhow!("no answer within {} s", limit.as_secs()))??;
    Ok(())
}

/// Whether a compiler works for a server of this program. `None` where the system does not show its processes.
fn compiles(server: &Path, compiler: &OsString) -> Option<bool> {
    let name = |path: &Path| -> Option<String> {
        Some(path.file_name()?.to_string_lossy().chars().take(15).collect()) // As much as the kernel keeps.
    };
    let (server, compiler) = (name(server)?, name(Path::new(compiler))?);
    let mut servers = Vec::new();
    let mut compilers = Vec::new();
    for entry in std::fs::read_dir("/proc").ok()?.flatten() {
        let Ok(stat) = std::fs::read_to_string(entry.path().join("stat")) else { continue };
        // `pid (name) state parent …`; the name may hold anything.
        let Some((pid, rest)) = stat.split_once(" (") else { continue };
        let Some((name, rest)) = rest.rsplit_once(") ") else { continue };
        let mut fields = rest.split(' ');
        let (state, parent) = (fields.next()?, fields.next()?);
        if name == server {
            servers.push(pid.to_owned());
        } else if name == compiler && state != "Z" {
            compilers.push(parent.to_owned());
        }
    }
    (!servers.is_empty() || Path::new("/proc/self/stat").exists())
        .then(|| compilers.iter().any(|parent| servers.contains(parent)))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_compiler_counts_only_below_a_server() {
        let server = std::env::current_exe().expect("a path");
        let mut child = attempt_in_background();
        assert_eq!(compiles(&server, &"sleep".into()), Some(true));
        assert_eq!(compiles(Path::new("no-such-server"), &"sleep".into()), Some(false));
        child.kill().expect("it runs");
        // Ended, and not yet waited for.
        while compiles(&server, &"sleep".into()) == Some(true) {}
        child.wait().expect("it has ended");
    }

    #[expect(clippy::disallowed_methods, reason = "a test is its own user")]
    fn attempt_in_background() -> std::process::Child {
        std::process::Command::new("sleep").arg("1000").spawn().expect("it starts")
    }

    #[test]
    fn nobody_listens() {
        assert!(reach("127.0.0.1:1", Duration::from_secs(5)).is_err());
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        reach(&listener.local_addr().expect("an address").to_string(), Duration::from_secs(5))
            .expect("somebody");
    }
}

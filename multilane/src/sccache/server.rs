//! The shared cache: what the wrapper's folder says of it, what is known of its server, and whether
//! it answers.
//!
//! ```text
//! <root>/.cargo/wrapper/
//! ├── shared-cache.json     which sccache, and what it is told (`Setup`)
//! └── through-cache         xtask by another name; the script starts compilers through it where it is there
//! <runtime dir>/            of this user alone (`Environment::runtime_dir`)
//! ├── sccache-<name>        where sccache's server listens; `<name>` tells settings and views of the disk apart
//! ├── sccache-<name>-local  …and the one that knows nothing beyond this machine
//! ├── sccache-<name>-beyond …and the one that knows nothing else, for `doctor`
//! └── sccache-<name>.json   what was found out about it (`Standing`); `.lock` while somebody finds out
//! ```

use std::ffi::OsString;
use std::net::{TcpStream, ToSocketAddrs as _};
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::mpsc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, anyhow, bail, ensure};

use crate::environment::Environment;
use crate::process::{TICK, attempt, for_at_most};
use crate::sccache::settings::{Counts, Setup, Standing, Way, redacted, server_name};

/// In the wrapper's folder.
pub const SETUP: &str = "shared-cache.json";
pub const PROGRAM: &str = "through-cache";

/// What a directory has to hold in which the cache is tried out.
pub const SOURCES: [(&str, &str); 2] = [
    ("right.rs", "pub fn proves_that_the_cache_is_used() {}\n"),
    ("wrong.rs", "pub const N: &str = 1;\n"),
];

/// For how long a server may do nothing that can be seen before a build goes on without it.
const PATIENCE: Duration = Duration::from_secs(5);

/// For how long it may compile elsewhere, where that is set up. Before the first time it packs up
/// the whole toolchain.
const PATIENCE_IF_DISTRIBUTED: Duration = Duration::from_secs(300);

/// For how long a question may take that needs no compiler.
const ANSWER_MAX: Duration = Duration::from_secs(2);

/// A shared cache that this tree is set up for.
pub struct SharedCache<'a> {
    pub setup: Setup,
    env: &'a Environment,
    /// Without an ending.
    base: PathBuf,
}

/// Whether the user wants none, for tests or to compare: `XTASK_CACHE=off`.
pub fn is_switched_off(env: &Environment) -> bool {
    env.get("XTASK_CACHE").is_some() && !env.is_on("XTASK_CACHE")
}

/// What `program` says to `--version`, if it says so soon.
pub fn version(program: &Path, dir: &Path) -> Option<String> {
    let said = attempt(&[program.into(), "--version".into()], dir, &[], for_at_most(ANSWER_MAX))
        .ok()??;
    said.status.success().then(|| String::from_utf8_lossy(&said.stdout).into_owned())
}

impl<'a> SharedCache<'a> {
    /// `None` where the tree at `root` has none.
    pub fn of_tree(root: &Path, env: &'a Environment) -> Option<SharedCache<'a>> {
        SharedCache::open(&root.join(".cargo/wrapper"), env)
    }

    pub fn open(wrapper_dir: &Path, env: &'a Environment) -> Option<SharedCache<'a>> {
        let setup = Setup::from_text(&std::fs::read_to_string(wrapper_dir.join(SETUP)).ok()?)?;
        let whole = setup.changes(Way::Whole, &[]);
        let told =
            whole.iter().filter_map(|(name, value)| Some((name.as_str(), value.as_deref()?)));
        // Whoever has been shown other directories under these names must not have a server that
        // sees the usual ones.
        let view = std::fs::read_link("/proc/self/ns/mnt").unwrap_or_default();
        let view = format!("{} {}", setup.program.display(), view.display());
        let name = server_name(told.chain(own(env)), &view);
        let base = env.runtime_dir().join(format!("sccache-{name}"));
        Some(SharedCache { setup, env, base })
    }

    pub fn ways(&self) -> &'static [Way] {
        self.setup.ways(&own(self.env).collect::<Vec<_>>())
    }

    pub fn is_read_only(&self) -> bool {
        self.setup.is_read_only(&own(self.env).collect::<Vec<_>>())
    }

    /// What was found out, if that still counts.
    pub fn standing(&self, now: SystemTime) -> Option<Standing> {
        self.last_standing().filter(|standing| standing.counts(now))
    }

    /// What was found out last.
    pub fn last_standing(&self) -> Option<Standing> {
        Standing::from_text(&std::fs::read_to_string(self.file(".json")).ok()?)
    }

    pub fn file(&self, ending: &str) -> PathBuf {
        let mut name = self.base.clone().into_os_string();
        name.push(ending);
        name.into()
    }

    fn changes(&self, way: Way) -> Vec<(String, Option<String>)> {
        let own: Vec<_> = own(self.env).collect();
        let mut changes = self.setup.changes(way, &own);
        let has_place = |name: &str| own.iter().any(|(own, _)| *own == name);
        if !has_place("SCCACHE_SERVER_UDS") && !has_place("SCCACHE_SERVER_PORT") {
            let socket = self.file(match way {
                Way::Local => "-local",
                Way::Beyond => "-beyond",
                Way::Whole | Way::Off => "",
            });
            changes.push(("SCCACHE_SERVER_UDS".to_owned(), socket.to_str().map(str::to_owned)));
        }
        changes
    }

    /// Has sccache carry out `compiler`, a program and its arguments. `None`: neither it nor its
    /// server did anything for so long that the build should go on without them.
    pub fn compile(
        &self,
        way: Way,
        compiler: &[OsString],
        dir: &Path,
    ) -> anyhow::Result<Option<Output>> {
        let words: Vec<OsString> = std::iter::once(self.setup.program.clone().into_os_string())
            .chain(compiler.iter().cloned())
            .collect();
        let changes = self.changes(way);
        let socket = changes.iter().find(|(name, _)| name == "SCCACHE_SERVER_UDS");
        let socket = socket.and_then(|(_, path)| path.clone()).map(PathBuf::from);
        let compiles = || compiles(socket.as_ref()?, &compiler[0]); // One at a place of the user's is not looked at.
        let mut quiet = Duration::ZERO;
        let mut is_distributed = None;
        attempt(&words, dir, &changes, || {
            quiet += TICK;
            let compiles = compiles();
            if compiles == Some(true) {
                quiet = Duration::ZERO;
            }
            if quiet < PATIENCE {
                return true;
            }
            if compiles.is_none() {
                // Nobody can see what runs: a server that answers is taken at its word.
                quiet = Duration::ZERO;
                return self.ask(way, "--show-stats", dir).is_some();
            }
            let is_elsewhere = *is_distributed.get_or_insert_with(|| {
                self.ask(way, "--dist-status", dir)
                    .is_some_and(|status| status.contains("SchedulerStatus"))
            });
            is_elsewhere && quiet < PATIENCE_IF_DISTRIBUTED
        })
    }

    fn ask(&self, way: Way, question: &str, dir: &Path) -> Option<String> {
        let words = [
            self.setup.program.clone().into_os_string(),
            question.into(),
            "--stats-format=json".into(),
        ];
        let words = if question == "--show-stats" { &words[..] } else { &words[..2] };
        let said = attempt(words, dir, &self.changes(way), for_at_most(ANSWER_MAX)).ok()??;
        said.status.success().then(|| String::from_utf8_lossy(&said.stdout).into_owned())
    }

    /// What the server has counted; nothing yet, where it does not run.
    pub fn counts(&self, way: Way, dir: &Path) -> Option<Counts> {
        Counts::read(&self.ask(way, "--show-stats", dir)?)
    }

    /// Whether all of `way` answers, tried with a crate that cannot be compiled: such a one is
    /// looked for everywhere, and stored nowhere. `scratch` holds [`SOURCES`].
    ///
    /// # Errors
    ///
    /// With what is wrong.
    pub fn try_out(
        &self,
        way: Way,
        rustc: &OsString,
        scratch: &Path,
        now: SystemTime,
    ) -> anyhow::Result<()> {
        const HOST_MAX: Duration = Duration::from_secs(1);
        // A lookup takes as long for each crate that is not in the cache, so this bounds what a
        // slow remote can cost.
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
            compiler.push(unique(now, number));
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

    /// Compiles a small crate twice, one that nobody has compiled before, and sees that the second
    /// time it comes from the cache. For `doctor`: it takes about half a second, and not much
    /// longer than [`PATIENCE`] when something is wrong.
    ///
    /// # Errors
    ///
    /// With what is wrong.
    pub fn prove(
        &self,
        way: Way,
        rustc: &OsString,
        scratch: &Path,
        now: SystemTime,
    ) -> anyhow::Result<()> {
        let mut compiler = probe(rustc, scratch, "right.rs");
        compiler.push(unique(now, 0));
        let once = || -> anyhow::Result<()> {
            let said = self
                .compile(way, &compiler, scratch)?
                .ok_or_else(|| anyhow!("it does not answer"))?;
            ensure!(said.status.success(), "{}", first_line(&said));
            Ok(())
        };
        once()?;
        let before = self.counts(way, scratch).context("it does not tell what it has counted")?;
        // It answers before it has stored what it compiled.
        for _ in 0..10 {
            once()?;
            let after =
                self.counts(way, scratch).context("it does not tell what it has counted")?;
            if after.hits > before.hits {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        bail!("what it has compiled a moment ago is not in it, so it is full or takes nothing new")
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

/// What makes a crate one that nobody has compiled before.
fn unique(now: SystemTime, number: u32) -> OsString {
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    format!("--cfg=unique_{now}_{number}").into()
}

/// Whether the compiler has been reached: it found what is wrong with the crate.
fn is_from_rustc(stderr: &[u8]) -> bool {
    String::from_utf8_lossy(stderr).contains("E0308")
}

/// What a program gives as its reason, without secrets.
pub fn first_line(said: &Output) -> String {
    let text =
        String::from_utf8_lossy(&said.stderr).into_owned() + &String::from_utf8_lossy(&said.stdout);
    match text.lines().map(str::trim).find(|line| !line.is_empty()) {
        Some(line) => {
            let shown: String =
                line.chars().take(200).filter(|letter| !letter.is_control()).collect();
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

/// Whether a compiler works for the server that listens at `socket`. `None` where the system does
/// not show its processes.
fn compiles(socket: &Path, compiler: &OsString) -> Option<bool> {
    let sockets = std::fs::read_to_string("/proc/net/unix").ok()?;
    let at_it = |line: &str| {
        let mut fields = line.splitn(8, ' ').skip(6); // `… inode path`
        let (inode, path) = (fields.next()?, fields.next()?);
        (Path::new(path) == socket).then(|| format!("socket:[{inode}]"))
    };
    let at_it: Vec<String> = sockets.lines().filter_map(at_it).collect();
    let has_it = |process: &str| {
        let files =
            std::fs::read_dir(format!("/proc/{process}/fd")).into_iter().flatten().flatten();
        let mut links = files.filter_map(|file| std::fs::read_link(file.path()).ok());
        links.any(|link| at_it.iter().any(|socket| link.as_os_str() == socket.as_str()))
    };
    // As much of its name as the kernel keeps.
    let compiler: String =
        Path::new(compiler).file_name()?.to_string_lossy().chars().take(15).collect();
    let mut processes = std::fs::read_dir("/proc").ok()?.flatten();
    Some(processes.any(|process| {
        let Ok(stat) = std::fs::read_to_string(process.path().join("stat")) else { return false };
        // `pid (name) state parent …`; the name may hold anything.
        let Some((_, name)) = stat.split_once(" (") else { return false };
        let Some((name, rest)) = name.rsplit_once(") ") else { return false };
        let mut fields = rest.split(' ');
        let (state, parent) = (fields.next(), fields.next());
        name == compiler && state != Some("Z") && parent.is_some_and(has_it)
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
        assert_eq!(compiles(&own, &"sleep".into()), Some(true));
        assert_eq!(compiles(&other, &"sleep".into()), Some(false));
        assert_eq!(compiles(&own, &"rustc".into()), Some(false));
        child.kill().expect("it runs");
        // Ended, and not yet waited for.
        while compiles(&own, &"sleep".into()) == Some(true) {}
        child.wait().expect("it has ended");
    }

    #[expect(clippy::disallowed_methods, reason = "a test is its own user")]
    fn in_background() -> std::process::Child {
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

//! A workspace on disk, and the calls that a user would make in it.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

/// How long something that must happen may take before a test calls it wrong. No test waits that
/// long when all is well.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// The line of cargo's configuration that includes the wrapper.
pub(crate) const INCLUDE: &str =
    "include = [{ path = \"wrapper/config.toml\", optional = true }]\n";

/// Where builds write their records.
const RECORDS: &str = "MULTILANE_RECORDS";

/// A directory of its own under the target directory, kept for a look when the test fails.
pub(crate) struct Project {
    pub(crate) root: PathBuf,
    scratch: PathBuf,
    /// What its user has set in the environment.
    variables: Vec<(String, String)>,
}

/// The rare verbs' program, built once for all tests, beside them and with the units of its own
/// tests. The tests themselves run offline.
fn tools() -> PathBuf {
    static BUILT: std::sync::Once = std::sync::Once::new();
    let engine = Path::new(env!("CARGO_MANIFEST_DIR"));
    let tmp = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let target_dir = tmp.parent().expect("tmp is in it");
    let stamp = tmp.join("tools-built");
    BUILT.call_once(|| {
        let modified = |path: &Path| path.metadata().and_then(|meta| meta.modified()).ok();
        let sources =
            ["src", "Cargo.toml", "engine", "tools/src", "tools/Cargo.toml", "tools/Cargo.lock"];
        let newest = sources.iter().filter_map(|path| newest_below(&engine.join(path))).max();
        if modified(&stamp) > newest {
            return;
        }
        let begun = std::time::SystemTime::now();
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--quiet", "--locked", "--manifest-path"]);
        cargo.arg(engine.join("tools/Cargo.toml")).arg("--target-dir").arg(target_dir);
        assert!(cargo.status().expect("cargo starts").success(), "the tools do not compile");
        let stamp = std::fs::File::create(&stamp).expect("it can be written");
        stamp.set_modified(begun).expect("it has a time");
    });
    target_dir.join("debug").join(format!("multilane-tools{}", std::env::consts::EXE_SUFFIX))
}

fn newest_below(path: &Path) -> Option<std::time::SystemTime> {
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    let own = path.metadata().and_then(|meta| meta.modified()).ok();
    entries.filter_map(|entry| newest_below(&entry.path())).chain(own).max()
}

impl Project {
    /// An empty directory, whose path has a space and a letter beyond ASCII in it: every test is a
    /// test of that too.
    pub(crate) fn empty() -> Project {
        Project::within(Path::new(env!("CARGO_TARGET_TMPDIR")), "")
    }

    /// One that does not lie in this workspace, so that a package in it is a workspace of its own.
    pub(crate) fn outside() -> Project {
        Project::within(&std::env::temp_dir(), "xtask-it-")
    }

    /// One in a directory that the caller has chosen.
    #[cfg(unix)]
    pub(crate) fn below(dir: &Path) -> Project {
        Project::within(dir, "generator-")
    }

    fn within(dir: &Path, prefix: &str) -> Project {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let scratch = dir.join(format!("{prefix}{}-{number}", std::process::id()));
        let root = scratch.join("wörk space");
        std::fs::create_dir_all(&root).expect("a scratch directory can be made");
        Project { root, scratch, variables: Vec::new() }
    }

    /// A workspace of these library packages, each with its path dependencies, in `crates/`.
    pub(crate) fn workspace(packages: &[(&str, &[&str])]) -> Project {
        let project = Project::empty();
        project.write("Cargo.toml", "[workspace]\nresolver = \"3\"\nmembers = [\"crates/*\"]\n");
        for (name, dependencies) in packages {
            project.package(&format!("crates/{name}"), name, dependencies);
        }
        project.write(".gitignore", "/target/\n");
        project
    }

    pub(crate) fn package(&self, dir: &str, name: &str, dependencies: &[&str]) {
        let mut manifest = format!(
            "[package]\nname = \"{name}\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[dependencies]\n"
        );
        for dependency in dependencies {
            manifest.push_str(&format!("{dependency} = {{ path = \"../{dependency}\" }}\n"));
        }
        self.write(&format!("./{dir}/Cargo.toml"), &manifest);
        self.write(&format!("./{dir}/src/lib.rs"), "pub fn here() {}\n");
    }

    pub(crate) fn write(&self, path: &str, text: &str) -> &Project {
        assert!(!path.starts_with('/'), "{path} is not in the project");
        put(&self.root, path, text);
        self
    }

    pub(crate) fn append(&self, path: &str, text: &str) -> &Project {
        self.write(path, &(self.read(path) + text))
    }

    pub(crate) fn read(&self, path: &str) -> String {
        let path = self.root.join(path);
        std::fs::read_to_string(&path)
            .unwrap_or_else(|err| panic!("cannot read {}: {err}", path.display()))
    }

    pub(crate) fn exists(&self, path: &str) -> bool {
        self.root.join(path).symlink_metadata().is_ok()
    }

    /// Makes it a git repository with one commit on `main` that holds everything.
    pub(crate) fn commit(&self) -> &Project {
        if !self.exists(".git") {
            self.git(&["init", "--quiet", "--initial-branch=main"]);
        }
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--allow-empty", "--message=state"]);
        self
    }

    pub(crate) fn git(&self, args: &[&str]) -> String {
        let output = self.command("git").args(args).output().expect("git starts");
        assert!(
            output.status.success(),
            "git {args:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    /// The same in another checkout.
    pub(crate) fn git_in(&self, dir: &Path, args: &[&str]) -> String {
        self.git(&[&["-C", dir.to_str().expect("UTF-8")], args].concat())
    }

    /// A program at this path: a shell script.
    pub(crate) fn script(&self, path: &str, text: &str) -> PathBuf {
        put_script(&self.root, path, text)
    }

    /// Sets a variable for all calls.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.variables.push((name.to_owned(), value.to_owned()));
    }

    /// The layout that cargo has from 1.100 on; before, only nightly knows it. `false` where there
    /// is none.
    pub(crate) fn use_new_layout(&mut self) -> bool {
        if !self.cargo("+nightly --version").run().output.status.success() {
            skipped("there is no nightly cargo, which has the new layout");
            return false;
        }
        self.set("RUSTUP_TOOLCHAIN", "nightly");
        self.set("CARGO_UNSTABLE_BUILD_DIR_NEW_LAYOUT", "true");
        true
    }

    /// The records of all builds, the last one at the end.
    pub(crate) fn records(&self) -> Vec<Value> {
        records(&self.scratch.join("records.jsonl"))
    }

    /// The environment of a user who has set nothing but what [`Project::set`] says.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        const KEPT: [&str; 10] = [
            "PATH",
            "HOME",
            "CARGO_HOME",
            "RUSTUP_HOME",
            "RUSTUP_TOOLCHAIN",
            "CARGO_UNSTABLE_BUILD_DIR_NEW_LAYOUT", // So that every test can be run in that layout.
            "SystemRoot",
            "TEMP",
            "TMP",
            "USERPROFILE",
        ];
        let mut command = Command::new(program);
        command.env_clear().current_dir(&self.root).stdin(Stdio::null());
        for name in KEPT {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
        for role in ["AUTHOR", "COMMITTER"] {
            command
                .env(format!("GIT_{role}_NAME"), "Test")
                .env(format!("GIT_{role}_EMAIL"), "test@example.org");
        }
        // The shared cache, which an sccache of this machine would be, belongs to its user.
        command.env("CARGO_NET_OFFLINE", "true").env("XTASK_CACHE", "off");
        // Nor do tests wait for what this user builds meanwhile: some have compilers wait for each
        // other.
        command.env("MULTILANE_PERMITS", "off").env("MULTILANE_GC", "off");
        command.env("XDG_CACHE_HOME", Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache"));
        command.env("MULTILANE_TOOLS", tools());
        command.env(RECORDS, self.scratch.join("records.jsonl"));
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// `cargo xtask <words>`, but for cargo.
    pub(crate) fn xtask(&self, words: &str) -> Call {
        let mut command = self.command(env!("CARGO_BIN_EXE_cargo-multilane"));
        command.args(words.split_whitespace());
        Call { command }
    }

    pub(crate) fn cargo(&self, words: &str) -> Call {
        let mut command = self.command("cargo");
        command.args(words.split_whitespace());
        Call { command }
    }

    /// The lanes of agents, relative to the root, sorted.
    pub(crate) fn lanes(&self) -> Vec<String> {
        let mut found = Vec::new();
        for agent in directories(&self.root.join(".lanes")) {
            for key in directories(&agent) {
                found.push(key.strip_prefix(&self.root).expect("inside").display().to_string());
            }
        }
        found.sort();
        found
    }

    /// The one lane that there is.
    pub(crate) fn only_lane(&self) -> String {
        let lanes = self.lanes();
        assert_eq!(lanes.len(), 1, "{lanes:?}");
        lanes[0].clone()
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            drop(std::fs::remove_dir_all(&self.scratch));
        }
    }
}

fn directories(dir: &Path) -> Vec<PathBuf> {
    let is_hidden = |name: &String| name.starts_with('.');
    let paths = names(dir).into_iter().filter(|name| !is_hidden(name)).map(|name| dir.join(name));
    paths.filter(|path| path.is_dir()).collect()
}

/// A command before it runs.
pub(crate) struct Call {
    pub(crate) command: Command,
}

impl Call {
    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Call {
        self.command.env(name, value);
        self
    }

    pub(crate) fn agent(self, name: &str) -> Call {
        self.env("AGENT_ID", name)
    }

    pub(crate) fn arg(mut self, arg: impl AsRef<OsStr>) -> Call {
        self.command.arg(arg);
        self
    }

    pub(crate) fn within(mut self, dir: impl AsRef<Path>) -> Call {
        self.command.current_dir(dir);
        self
    }

    /// Without these programs on `PATH`: a directory of links to what is left.
    pub(crate) fn without(mut self, project: &Project, programs: &[&str]) -> Call {
        let dir = project.scratch.join("path");
        std::fs::create_dir_all(&dir).expect("a directory");
        let path = std::env::var_os("PATH").expect("a PATH");
        for entry in std::env::split_paths(&path)
            .filter_map(|dir| std::fs::read_dir(dir).ok())
            .flatten()
            .flatten()
        {
            let name = entry.file_name();
            if !programs.iter().any(|program| name == *program) {
                // The first of a name wins, as on PATH.
                drop(link(&entry.path(), &dir.join(name)));
            }
        }
        self.command.env("PATH", dir);
        self
    }

    #[track_caller]
    pub(crate) fn run(mut self) -> Ran {
        let file = self.command.get_envs().find(|(name, _)| *name == RECORDS);
        let file = PathBuf::from(file.and_then(|(_, value)| value).expect("every call has one"));
        let before = records(&file).len();
        let output = self.command.output().expect("it starts");
        let records = records(&file).split_off(before);
        Ran { shown: format!("{:?}", self.command), output, records }
    }

    /// Runs it and expects success.
    #[track_caller]
    pub(crate) fn ok(self) -> Ran {
        let ran = self.run();
        assert!(ran.output.status.success(), "{}", ran.report());
        ran
    }

    #[track_caller]
    pub(crate) fn fails_with(self, code: i32) -> Ran {
        let ran = self.run();
        assert_eq!(ran.output.status.code(), Some(code), "{}", ran.report());
        ran
    }

    #[cfg(unix)]
    pub(crate) fn command(&mut self) -> &mut Command {
        &mut self.command
    }

    /// Starts it, its output piped.
    pub(crate) fn start(mut self) -> Child {
        self.command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts")
    }
}

#[cfg(unix)]
fn link(from: &Path, to: &Path) -> std::io::Result<()> {
    std::os::unix::fs::symlink(from, to)
}

#[cfg(not(unix))]
fn link(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::copy(from, to).map(drop)
}

/// What came of a call.
pub(crate) struct Ran {
    shown: String,
    pub(crate) output: Output,
    /// Those of builds that ended while it ran.
    records: Vec<Value>,
}

fn records(file: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).expect("a record is JSON")).collect()
}

impl Ran {
    pub(crate) fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.output.stdout).into_owned()
    }

    pub(crate) fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.output.stderr).into_owned()
    }

    pub(crate) fn report(&self) -> String {
        format!("{}\n{}\n{}\n{}", self.shown, self.output.status, self.stdout(), self.stderr())
    }

    #[track_caller]
    pub(crate) fn says(&self, text: &str) -> &Ran {
        assert!(self.stderr().contains(text), "no {text:?} in\n{}", self.report());
        self
    }

    #[track_caller]
    pub(crate) fn does_not_say(&self, text: &str) -> &Ran {
        assert!(!self.stderr().contains(text), "{text:?} in\n{}", self.report());
        self
    }

    /// The record of the one build.
    #[track_caller]
    pub(crate) fn record(&self) -> &Value {
        assert_eq!(self.records.len(), 1, "{:?}\n{}", self.records, self.report());
        &self.records[0]
    }

    #[track_caller]
    fn has(&self, what: &str, is_so: bool) -> &Ran {
        assert!(is_so, "not {what}: {:#?}\n{}", self.records, self.report());
        self
    }

    /// It was one build that compiled so many units.
    #[track_caller]
    pub(crate) fn compiled(&self, units: u64) -> &Ran {
        self.has(&format!("compiled {units}"), self.record()["units"]["compiled"] == units)
    }

    /// The same, of these packages, sorted.
    #[track_caller]
    pub(crate) fn compiled_of(&self, units: u64, packages: &[&str]) -> &Ran {
        let is_so = self.record()["units"]["packages"] == serde_json::json!(packages);
        self.compiled(units).has(&format!("of {packages:?}"), is_so)
    }

    #[track_caller]
    pub(crate) fn fresh(&self, units: u64) -> &Ran {
        self.has(&format!("fresh {units}"), self.record()["units"]["fresh"] == units)
    }

    #[track_caller]
    pub(crate) fn in_lane(&self, lane: &str) -> &Ran {
        let is_it = |record: &Value| record["lane"].as_str().is_some_and(|dir| dir.contains(lane));
        self.has(lane, self.records.iter().any(is_it))
    }

    fn forks(&self) -> impl Iterator<Item = &Value> {
        self.records.iter().flat_map(|record| record["forks"].as_array().expect("a list"))
    }

    /// Its lane was filled from another one, with this in its path.
    #[track_caller]
    pub(crate) fn forked_from(&self, donor: &str) -> &Ran {
        let is_it = |fork: &Value| fork["donor"].as_str().is_some_and(|dir| dir.contains(donor));
        self.has(&format!("forked from {donor}"), self.forks().any(is_it))
    }

    #[track_caller]
    pub(crate) fn forked(&self) -> &Ran {
        self.forked_from("")
    }

    #[track_caller]
    pub(crate) fn forked_nothing(&self) -> &Ran {
        self.has("without a fork", self.forks().next().is_none())
    }

    /// What a fork has left to cargo: for each reason its word, the packages and the explanations.
    pub(crate) fn left(&self) -> Vec<&Value> {
        self.forks().flat_map(|fork| fork["left"].as_array().expect("a list")).collect()
    }

    /// A fork has left something to cargo for this reason, which is about this.
    #[track_caller]
    pub(crate) fn leaves(&self, reason: &str, about: &str) -> &Ran {
        let is_it = |left: &&Value| {
            left["reason"] == reason && left["explanations"].to_string().contains(about)
        };
        self.has(&format!("leaves {reason} {about}"), self.left().iter().any(is_it))
    }

    /// cargo's part of stderr, without the times and the waits for the package cache that no two
    /// runs share.
    pub(crate) fn cargos_words(&self) -> String {
        let stderr = self.stderr();
        let own = [
            "        Lane ",
            "     Running in ",
            "    Blocking waiting for file lock on package cache",
        ];
        let lines = stderr.lines().filter(|line| !own.iter().any(|start| line.starts_with(start)));
        let without_time = |line: &str| match line.split_once("target(s) in ") {
            Some((start, _)) => format!("{start}target(s)\n"),
            None if line.contains("  Executable ") => String::new(), // Their paths differ in the directory.
            None => format!("{line}\n"),
        };
        lines.map(without_time).collect()
    }

    /// The packages that cargo says it compiled or checked, sorted.
    pub(crate) fn built(&self) -> Vec<String> {
        let stderr = self.stderr();
        let lines = stderr.lines().map(str::trim_start);
        let names = lines.filter_map(|line| {
            let rest =
                line.strip_prefix("Compiling ").or_else(|| line.strip_prefix("Checking "))?;
            rest.split(' ').next().map(str::to_owned)
        });
        let mut names: Vec<String> = names.collect();
        names.sort();
        names.dedup();
        names
    }
}

/// Writes a file and makes the directories that it lies in.
#[track_caller]
pub(crate) fn put(dir: &Path, path: &str, text: &str) {
    let path = dir.join(path);
    std::fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
    std::fs::write(&path, text)
        .unwrap_or_else(|err| panic!("cannot write {}: {err}", path.display()));
}

/// The same of a shell script, which can be executed. Returns where it is.
#[track_caller]
pub(crate) fn put_script(dir: &Path, path: &str, text: &str) -> PathBuf {
    put(dir, path, &format!("#!/bin/sh\n{text}\n"));
    let script = dir.join(path);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(&script, mode).expect("it is ours");
    }
    script
}

/// The paths in a directory, sorted; none where there is no directory.
pub(crate) fn entries(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

/// Their names.
pub(crate) fn names(dir: &Path) -> Vec<String> {
    let name = |path: &PathBuf| path.file_name().map(|name| name.to_string_lossy().into_owned());
    entries(dir).iter().filter_map(name).collect()
}

/// All that lies below a directory, sorted. Links are not followed.
pub(crate) fn below(dir: &Path) -> Vec<PathBuf> {
    let mut found = entries(dir);
    let is_dir = |path: &&PathBuf| path.symlink_metadata().is_ok_and(|meta| meta.is_dir());
    let deeper: Vec<PathBuf> = found.iter().filter(is_dir).flat_map(|dir| below(dir)).collect();
    found.extend(deeper);
    found.sort();
    found
}

/// The same, with what each file holds.
pub(crate) fn contents_below(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let with_bytes = |path: PathBuf| (path.clone(), std::fs::read(path).unwrap_or_default());
    below(dir).into_iter().map(with_bytes).collect()
}

/// Sends a signal to a process.
#[cfg(unix)]
#[track_caller]
pub(crate) fn signal(child: &Child, name: &str) {
    kill(name, &child.id().to_string());
}

/// To a process and all that it has started: it leads a group.
#[cfg(unix)]
#[track_caller]
pub(crate) fn signal_group(child: &Child, name: &str) {
    kill(name, &format!("-{}", child.id()));
}

#[cfg(unix)]
#[track_caller]
fn kill(signal: &str, target: &str) {
    let kill = Command::new("kill").args(["-s", signal, "--", target]).status();
    assert!(kill.expect("kill starts").success());
}

/// Says that this test proves nothing here, and why.
#[expect(clippy::print_stderr, reason = "a reader of the results has to know")]
pub(crate) fn skipped(why: &str) {
    let test = std::thread::current();
    eprintln!("skipped {}: {why}", test.name().unwrap_or("a test"));
}

/// Waits until something that must come has come.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut has_come: impl FnMut() -> bool) {
    let started = Instant::now();
    while !has_come() {
        assert!(started.elapsed() < PATIENCE, "{what} has not come");
        std::thread::sleep(Duration::from_millis(2));
    }
}

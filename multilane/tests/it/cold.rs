//! Cold starts: what several builders want is built once, and no builder waits for what it does
//! not want.
//!
//! No clock proves anything here. A wrapper around the compiler writes down each crate that it
//! compiles, and build scripts hold a builder at a known place until the test has seen what the
//! others do.

use std::fs::File;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::fork::{files_below, worktree};
use crate::fork_packages;
use crate::support::{Call, Project, entries, put, signal, wait_until};
use crate::toolchains::stand_in;

/// Of a build script or a program: where its package is named in `$HOLD`, it says that it is there
/// and waits to be let go.
const HOLDS: &str = r#"
use std::{env, fs, path::PathBuf, thread, time::{Duration, Instant}};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let name = env!("CARGO_PKG_NAME");
    // No fork compares what is not named.
    let [hold, stage] = [["HO", "LD"].concat(), ["STA", "GE"].concat()];
    if !env::var(hold).is_ok_and(|hold| hold.split(' ').any(|held| held == name)) {
        return;
    }
    let stage = PathBuf::from(env::var(stage).expect("a stage"));
    fs::write(stage.join(format!("held-{name}")), "").unwrap();
    let started = Instant::now();
    while !stage.join(format!("go-{name}")).exists() {
        assert!(started.elapsed() < Duration::from_secs(600), "the test did not say go");
        thread::sleep(Duration::from_millis(5));
    }
}
"#;

/// Writes the crate's name into a log; holds where `$HOLD` has `rustc:<name>`; fails to compile the
/// one that `$FAIL` names. Holds a cargo that asks for the version, before it does anything else,
/// where `$HOLD` says so.
const WRAPPER: &str = r#"
for word in "$@"; do
    [ "$before" = --crate-name ] && name=$word
    before=$word
done
case " $HOLD " in
*" rustc:$name "*)
    : > "$STAGE/held-$name"
    until [ -e "$STAGE/go-$name" ]; do sleep 0.01; done
    ;;
esac
[ -n "$name" ] && [ "$name" != ___ ] && echo "$name" >> "$LOG"
[ -n "$FAIL" ] && [ "$name" = "$FAIL" ] && exit 1
if [ -z "$name" ] && [ "$HOLD" = version ]; then
    : > "$STAGE/held-version"
    until [ -e "$STAGE/go-version" ]; do sleep 0.01; done
fi
exec "$@"
"#;

struct Cold {
    project: Project,
}

impl Cold {
    /// `last` → `gate` → `first`, all of them members; `app` is a program that needs none. `gate`
    /// has a build script that holds.
    fn new() -> Cold {
        let packages: [(&str, &[&str]); 4] =
            [("first", &[]), ("gate", &["first"]), ("last", &["gate"]), ("app", &[])];
        let project = Project::workspace(&packages);
        project
            .write(".gitignore", "/target/\n/.lanes/\n")
            .write("crates/gate/build.rs", HOLDS)
            .write("crates/app/src/main.rs", HOLDS)
            .script("../stage/wrapper", WRAPPER);
        project.cargo("generate-lockfile").ok();
        project.commit();
        Cold { project }
    }

    fn call(&self, agent: &str, words: &str) -> Call {
        let stage = self.project.root.join("../stage");
        self.project
            .xtask(words)
            .agent(agent)
            .env("RUSTC_WRAPPER", stage.join("wrapper"))
            .env("LOG", stage.join("log"))
            // No test passes because a builder has given up.
            .env("MULTILANE_PATIENCE_SECONDS", "3600")
            .env("STAGE", stage)
    }

    fn start(&self, agent: &str, words: &str) -> Builder {
        Builder::start(self.call(agent, words))
    }

    /// Starts a builder that is held in this package, and returns when it is there.
    fn start_held(&self, agent: &str, words: &str, package: &str) -> Builder {
        let builder = Builder::start(self.call(agent, words).env("HOLD", package));
        self.wait_until_held(package);
        builder
    }

    fn wait_until_held(&self, package: &str) {
        wait_until(package, || self.project.exists(&format!("../stage/held-{package}")));
    }

    fn go(&self, package: &str) {
        self.project.write(&format!("../stage/go-{package}"), "");
    }

    /// Waits until so many builders have said that they wait for another.
    fn wait_until_waiting(&self, count: usize) {
        wait_until("followers", || {
            let files = entries(&self.project.root.join("../stage"));
            let said = files.iter().filter_map(|file| std::fs::read_to_string(file).ok());
            said.filter(|text| text.contains(" Waiting for ")).count() == count
        });
    }

    /// Waits until an agent's `build` has completed everything else.
    fn wait_until_gate_is_all_that_is_left(&self, agent: &str) {
        // `first`, the library and the program of `app`, the build script of `gate`.
        wait_until("the other units", || self.complete(agent) == 4);
    }

    /// How many units are complete in an agent's lane: cargo writes the fingerprint last, and of
    /// that the JSON, which is there for a moment before anything is in it.
    fn complete(&self, agent: &str) -> usize {
        let lanes = self
            .project
            .lanes()
            .into_iter()
            .filter(|lane| lane.starts_with(&format!(".lanes/{agent}/")));
        let files = lanes.flat_map(|lane| files_below(&self.project.root.join(lane).join("debug")));
        let is_fingerprint = |file: &&PathBuf| {
            let mut dirs = file.ancestors().skip(1).take(2).filter_map(Path::file_name);
            file.extension().is_some_and(|extension| extension == "json")
                && dirs.any(|dir| dir == ".fingerprint" || dir == "fingerprint")
        };
        let is_whole =
            |file: &&PathBuf| std::fs::read(file).is_ok_and(|bytes| bytes.ends_with(b"}"));
        let files: Vec<PathBuf> = files.collect();
        files.iter().filter(is_fingerprint).filter(is_whole).count()
    }

    /// The crates that were compiled, sorted.
    fn compiled(&self) -> Vec<String> {
        let log = self.project.read("../stage/log");
        let mut names: Vec<String> = log.lines().map(str::to_owned).collect();
        names.sort();
        names
    }
}

struct Builder {
    child: Child,
    said: PathBuf,
}

impl Builder {
    /// What it says goes into a file, where it can be read while it runs.
    fn start(mut call: Call) -> Builder {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let stage =
            call.command.get_envs().find(|(name, _)| *name == "STAGE").and_then(|(_, value)| value);
        let name = format!("said-{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let said = Path::new(stage.expect("a stage")).join(name);
        call.command.stdout(Stdio::null()).stderr(File::create(&said).expect("a file"));
        Builder { child: call.command.spawn().expect("it starts"), said }
    }

    fn said(&self) -> String {
        std::fs::read_to_string(&self.said).expect("a file")
    }

    fn wait_until_it_says(&self, text: &str) {
        wait_until(text, || self.said().contains(text));
    }

    fn end(&mut self) -> ExitStatus {
        wait_until("the end of a builder", || {
            self.child.try_wait().expect("it can be asked").is_some()
        });
        self.child.wait().expect("it has ended")
    }

    /// Waits for its end and expects success; what it said.
    #[track_caller]
    fn ok(mut self) -> String {
        let status = self.end();
        assert!(status.success(), "{status}\n{}", self.said());
        self.said()
    }
}

const ALL: [&str; 5] = ["app", "build_script_build", "first", "gate", "last"];

/// Each of `ALL`, libraries and programs of one name as often as they are, and `more`.
fn all_and(more: &[&str]) -> Vec<String> {
    // `app` has a library and a program.
    let mut names: Vec<String> =
        ALL.iter().chain(&["app"]).chain(more).map(|name| (*name).to_owned()).collect();
    names.sort();
    names
}

#[test]
fn what_four_builders_want_is_compiled_once() {
    let cold = Cold::new();
    let leader = cold.start_held("a", "build", "gate");
    let others = ["b", "c", "d"].map(|agent| cold.start(agent, "build"));
    cold.wait_until_waiting(3);
    cold.go("gate");
    leader.ok();
    for other in others {
        let said = other.ok();
        assert!(said.contains("Forked .lanes/") && said.contains("compiled 0, "), "{said}");
        assert!(!said.contains("warning"), "{said}");
    }
    assert_eq!(cold.compiled(), all_and(&[]));
}

#[test]
fn builders_that_start_at_the_same_moment_compile_once() {
    let cold = Cold::new();
    let builders = ["a", "b", "c", "d"].map(|agent| cold.start(agent, "build"));
    for builder in builders {
        builder.ok();
    }
    assert_eq!(cold.compiled(), all_and(&[]));

    // And one without followers.
    cold.start("e", "check").ok();
    let room = cold.project.root.join(".git/multilane/cold");
    assert_eq!(
        std::fs::read_dir(room).expect("a directory").count(),
        0,
        "something is left behind"
    );
}

#[test]
fn when_the_first_is_killed_another_goes_on_with_what_it_got_done() {
    let cold = Cold::new();
    let mut leader = cold.start_held("a", "build", "gate");
    let others = ["b", "c"].map(|agent| cold.start(agent, "build"));
    cold.wait_until_waiting(2);
    cold.wait_until_gate_is_all_that_is_left("a");
    signal(&leader.child, "KILL");
    assert_eq!(leader.end().signal(), Some(9));
    for other in others {
        other.ok();
    }
    cold.go("gate");
    assert_eq!(cold.compiled(), all_and(&[]));
}

#[test]
fn when_the_first_fails_another_goes_on_with_what_it_got_done() {
    let cold = Cold::new();
    let call = cold.call("a", "build").env("FAIL", "last").env("HOLD", "gate");
    let mut leader = Builder::start(call);
    cold.wait_until_held("gate");
    let others = ["b", "c"].map(|agent| cold.start(agent, "build"));
    cold.wait_until_waiting(2);
    cold.go("gate");
    assert_eq!(leader.end().code(), Some(101));
    for other in others {
        other.ok();
    }
    assert_eq!(cold.compiled(), all_and(&["last"]), "once in vain");
}

#[test]
fn a_builder_that_wants_something_else_does_not_wait() {
    let cold = Cold::new();
    let leader = cold.start_held("a", "check --package last", "gate");
    for (agent, words) in [
        ("b", "build --package last"),
        ("c", "check --package app"),
        ("d", "check --package last --release"),
        ("e", "build-test --package last"),
        ("f", "clippy --package last"),
    ] {
        let said = cold.start(agent, words).ok();
        assert!(!said.contains("Waiting") && !said.contains("building without"), "{words}: {said}");
    }
    cold.go("gate");
    leader.ok();
}

#[test]
fn a_follower_that_wants_less_does_not_wait_for_the_rest() {
    let cold = Cold::new();
    let leader = cold.start_held("a", "build --workspace", "gate");
    let said = cold.start("b", "build --package first").ok();
    assert!(said.contains("compiled 0, fresh 1,"), "{said}");
    cold.go("gate");
    leader.ok();
    assert_eq!(cold.compiled(), all_and(&[]));
}

#[test]
fn a_running_program_is_not_waited_for() {
    let cold = Cold::new();
    let server = cold.start_held("a", "run --package app", "app");
    cold.start("b", "run --package app").ok();
    cold.go("app");
    server.ok();
    // And for one that has found everything built.
    for file in ["../stage/held-app", "../stage/go-app"] {
        std::fs::remove_file(cold.project.root.join(file)).expect("it is there");
    }
    let server = cold.start_held("c", "run --package app", "app");
    cold.start("d", "run --package app").ok();
    assert_eq!(cold.compiled(), ["app", "app"]);
    cold.go("app");
    server.ok();
}

#[test]
fn a_suspended_leader_is_not_waited_for() {
    let cold = Cold::new();
    let leader = cold.start_held("a", "build", "gate");
    let others = ["b", "c"].map(|agent| cold.start(agent, "build"));
    cold.wait_until_waiting(2);
    cold.wait_until_gate_is_all_that_is_left("a");
    signal(&leader.child, "STOP");
    let said = others.map(Builder::ok).concat();
    assert!(said.contains("a (pid "), "{said}");
    assert!(said.contains("is suspended; building without it"), "{said}");
    assert_eq!(cold.compiled(), all_and(&[]), "one of the two has gone on");
    signal(&leader.child, "CONT");
    cold.go("gate");
    leader.ok();
    assert_eq!(cold.compiled(), all_and(&["gate", "last"]));
}

#[test]
fn a_leader_without_progress_is_not_waited_for() {
    let cold = Cold::new();
    let leader = cold.start_held("a", "build", "gate");
    let call = cold.call("b", "build").env("MULTILANE_PATIENCE_SECONDS", "0");
    let said = Builder::start(call).ok();
    assert!(said.contains("has made no progress for 0 s; building without it"), "{said}");
    // Those who come later follow the one who has gone on.
    assert!(cold.start("c", "build").ok().contains("compiled 0, "));
    cold.go("gate");
    leader.ok();
}

#[test]
fn a_leader_is_not_waited_for_where_nothing_of_it_could_be_forked() {
    let mut cold = Cold::new();
    stand_in(&mut cold.project, "touch src/main.rs");
    let leader = cold.start_held("a", "build", "gate");
    let said = cold.start("b", "build").ok();
    assert_eq!(said.matches("begins cold").count(), 1, "{said}");
    cold.go("gate");
    leader.ok();
}

#[test]
fn ctrl_c_ends_the_follower_alone() {
    let cold = Cold::new();
    let leader = cold.start_held("a", "build", "gate");
    let mut other = cold.start("b", "build");
    cold.wait_until_waiting(1);
    signal(&other.child, "INT");
    assert_eq!(other.end().signal(), Some(2));
    cold.go("gate");
    leader.ok();
    assert!(cold.start("b", "build").ok().contains("compiled 0, "));
    assert_eq!(cold.compiled(), all_and(&[]));
}

/// The `cargo` of `lane run` becomes the real one, which then has the lead.
#[test]
fn a_cargo_that_knows_nothing_of_it_leads_and_follows() {
    let cold = Cold::new();
    let leader = cold.start_held("", "lane run a -- cargo build", "gate");
    let others = ["lane run b -- cargo build", "lane run c -- cargo build"]
        .map(|words| cold.start("", words));
    cold.wait_until_waiting(2);
    let other = cold.start("d", "build");
    cold.wait_until_waiting(3);
    // Nothing is said of a wait that is over at the first look.
    for other in &others {
        other.wait_until_it_says("Waiting for a, which builds the same");
    }
    cold.go("gate");
    leader.ok();
    for other in others {
        let said = other.ok();
        assert!(!said.contains("Compiling"), "{said}");
    }
    other.ok();
    assert_eq!(cold.compiled(), all_and(&[]));
}

#[test]
fn a_worktree_waits_for_the_same_sources() {
    let cold = Cold::new();
    let second = worktree(&cold.project, "second");
    let leader = cold.start_held("a", "build", "gate");
    // What is there already is not taken by itself: the rest could not follow once the lane has
    // something.
    cold.wait_until_gate_is_all_that_is_left("a");
    let other = Builder::start(cold.call("", "build").within(&second));
    cold.wait_until_waiting(1);
    cold.go("gate");
    leader.ok();
    let said = other.ok();
    assert!(said.contains("compiled 0, "), "{said}");
    assert_eq!(cold.compiled(), all_and(&[]));
}

#[test]
fn of_other_sources_only_the_dependencies_are_waited_for() {
    let cold = Cold::new();
    vendor(&cold.project);
    let second = worktree(&cold.project, "second");
    put(&second, "crates/last/src/lib.rs", "pub fn edited() {}\n");

    let leader = Builder::start(cold.call("a", "build").env("HOLD", "rustc:dep gate"));
    cold.wait_until_held("dep");
    let other = Builder::start(cold.call("", "build").within(&second));
    cold.wait_until_waiting(1);
    cold.go("dep");
    cold.wait_until_held("gate");
    let said = other.ok();
    let compiled = cold.compiled();
    assert_eq!(compiled.iter().filter(|name| *name == "dep").count(), 1, "{compiled:?} {said}");
    cold.go("gate");
    leader.ok();
}

/// Gives `first` a dependency that is no member, with a build script that holds, found without a
/// network.
fn vendor(project: &Project) {
    // Beside the trees, as a registry is.
    fork_packages::vendor(project, &project.root.with_file_name("vendor"), "");
    project.append("crates/first/Cargo.toml", "dep = \"1\"\n");
    project.cargo("generate-lockfile").ok();
    project.commit();
}

#[test]
fn what_an_older_lane_lacks_is_compiled_once() {
    let cold = Cold::new();
    cold.start("old", "build").ok();
    assert_eq!(cold.compiled(), all_and(&[]));
    // As after `cargo update`: another lockfile, so another key.
    cold.project.package("crates/new", "new", &["first"]);
    cold.project.write("crates/new/build.rs", HOLDS);
    cold.project.cargo("generate-lockfile").ok();

    let leader = cold.start_held("a", "build", "new");
    let others = ["b", "c"].map(|agent| cold.start(agent, "build"));
    cold.wait_until_waiting(2);
    cold.go("new");
    leader.ok();
    for other in others {
        let said = other.ok();
        assert!(said.contains("compiled 0, "), "{said}");
    }
    // The script of `gate` looks around, and the tree has other files: so it is run again, once.
    assert_eq!(cold.compiled(), all_and(&["build_script_build", "gate", "last", "new"]));
}

#[test]
fn a_lane_in_which_cargo_has_not_begun_is_not_taken_for_built() {
    let cold = Cold::new();
    cold.start("old", "build").ok();
    cold.project.package("crates/new", "new", &["first"]);
    cold.project.cargo("generate-lockfile").ok();

    let call = cold.call("a", "build").env("HOLD", "version").env("CARGO_CACHE_RUSTC_INFO", "0");
    let leader = Builder::start(call);
    cold.wait_until_held("version");
    let other = cold.start("b", "build");
    other.wait_until_it_says("Waiting for a, which builds the same (pid ");
    cold.go("version");
    leader.ok();
    other.ok();
    assert_eq!(cold.compiled(), all_and(&["gate", "last", "new"]));
}

#[test]
fn a_room_that_cannot_be_written_is_no_reason_not_to_build() {
    let cold = Cold::new();
    cold.project.write(".git/multilane", "in the way");
    let said = cold.start("a", "build").ok();
    assert_eq!(said.matches("warning: cannot share this build with others").count(), 1, "{said}");
}

#[test]
fn a_worktree_of_another_tool_shares_the_room() {
    let cold = Cold::new();
    let [second, third] = ["second", "third"].map(|name| worktree(&cold.project, name));
    let leader = Builder::start(cold.call("", "build").within(&second).env("HOLD", "gate"));
    cold.wait_until_held("gate");
    let other = Builder::start(cold.call("", "build").within(&third));
    cold.wait_until_waiting(1);
    cold.go("gate");
    leader.ok();
    assert!(other.ok().contains("compiled 0, "));
}

//! How many compilers, links and tests run at once. What holds a permit here is a shell that waits
//! for its input to end, so nothing depends on how long something takes.

#![cfg(target_os = "linux")]

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Stdio};

use multilane_engine::permits::view::State;

use crate::support::{INCLUDE, Project, signal, wait_until};

const COMPILE: &str = "--emit=dep-info,metadata,link";
const CHECK: &str = "--emit=dep-info,metadata";
const LINK: &str = "--emit=dep-info,link --crate-type bin";

/// The permits of one test.
struct Permits {
    project: Project,
    program: PathBuf,
    file: PathBuf,
    variables: [(&'static str, &'static str); 2],
}

impl Permits {
    fn new(count: &'static str, memory_mib: &'static str) -> Permits {
        let project = Project::empty();
        let dir = project.root.join("wrapper");
        std::fs::create_dir_all(&dir).expect("a directory");
        let program = dir.join("permit");
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_cargo-multilane"), &program).expect("free");
        let file = project.root.join("of-test/permits");
        let variables = [("MULTILANE_PERMITS", count), ("MULTILANE_PERMITS_MEMORY", memory_mib)];
        Permits { project, program, file, variables }
    }

    /// Something that runs until it is ended.
    fn start(&self, args: &str) -> Child {
        let program = self.program.to_str().expect("UTF-8");
        let mut command = self.project.command(program);
        command.args(["compiler", "sh", "-c", "echo started; read end", "sh"]);
        command
            .args(args.split(' '))
            .envs(self.variables)
            .env("MULTILANE_PERMITS_FILE", &self.file);
        // What links were seen to need is of this test alone.
        command.env("XDG_CACHE_HOME", self.project.root.join("cache"));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts")
    }

    fn state(&self) -> State {
        State::read(&self.file)
    }

    fn waiting(&self) -> Vec<u32> {
        self.state().waiters.iter().map(|(process, _)| *process).collect()
    }

    /// Returns once these are the ones that wait, in this order.
    fn until_waiting(&self, processes: &[&Child]) {
        let expected: Vec<u32> = processes.iter().map(|child| child.id()).collect();
        wait_until("the queue", || self.waiting() == expected);
    }
}

/// Returns once it runs.
fn runs(child: &mut Child) {
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().expect("piped")).read_line(&mut line).expect("it is read");
    assert_eq!(line, "started\n");
}

fn end(mut child: Child) {
    drop(child.stdin.take());
    child.wait().expect("it ends");
}

#[test]
fn the_first_come_is_the_next_and_no_permit_is_lost() {
    let permits = Permits::new("1", "4096");
    let mut first = permits.start(COMPILE);
    runs(&mut first);
    let mut second = permits.start(COMPILE);
    permits.until_waiting(&[&second]);
    let third = permits.start(COMPILE);
    permits.until_waiting(&[&second, &third]);
    let mut fourth = permits.start(COMPILE);
    permits.until_waiting(&[&second, &third, &fourth]);

    assert_eq!(permits.state().holders, [first.id()]);
    end(first);
    runs(&mut second);
    assert_eq!(permits.state().holders, [second.id()]);
    // One that waits is killed, and then the one that runs.
    signal(&third, "KILL");
    end(third);
    permits.until_waiting(&[&fourth]);
    signal(&second, "KILL");
    end(second);
    runs(&mut fourth);
    end(fourth);
    assert_eq!(permits.state(), State::default());
}

#[test]
fn what_it_starts_and_leaves_has_no_permit() {
    let permits = Permits::new("1", "4096");
    let mut first = permits.start(COMPILE);
    runs(&mut first);
    let mut daemon = permits.project.command("sh");
    daemon.args(["-c", "exec 3<>\"$1\"; echo started; read end", "sh"]).arg(&permits.file);
    // It has the file open, as whatever a compiler starts.
    let mut daemon =
        daemon.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts");
    runs(&mut daemon);
    end(first);
    let mut second = permits.start(COMPILE);
    runs(&mut second);
    end(second);
    end(daemon);
}

#[test]
fn a_check_does_not_wait_for_builds() {
    let permits = Permits::new("1", "4096");
    let mut build = permits.start(COMPILE);
    runs(&mut build);
    let waiting = permits.start(COMPILE);
    permits.until_waiting(&[&waiting]);
    let mut check = permits.start(CHECK);
    runs(&mut check);
    end(check);
    end(build);
    end(waiting);
}

#[test]
fn links_share_the_memory_and_keep_no_compiler_waiting() {
    let permits = Permits::new("4", "600");
    let mut link = permits.start(LINK);
    runs(&mut link);
    let mut second = permits.start(LINK);
    permits.until_waiting(&[&second]);
    let mut compiler = permits.start(COMPILE);
    runs(&mut compiler);
    end(compiler);
    end(link);
    runs(&mut second);
    end(second);
}

#[test]
fn nobody_waits_for_what_was_stopped() {
    let permits = Permits::new("1", "4096");
    let mut first = permits.start(COMPILE);
    runs(&mut first);
    signal(&first, "STOP");
    let mut second = permits.start(COMPILE);
    runs(&mut second);
    // Who has waited in vain runs without.
    assert!(permits.state().holders.contains(&second.id()));
    end(second);
    signal(&first, "CONT");
    end(first);
}

#[test]
fn nobody_waits_behind_what_was_stopped() {
    let permits = Permits::new("1", "4096");
    let mut first = permits.start(COMPILE);
    runs(&mut first);
    let second = permits.start(COMPILE);
    permits.until_waiting(&[&second]);
    signal(&second, "STOP");
    let mut third = permits.start(COMPILE);
    permits.until_waiting(&[&second, &third]);
    end(first);
    runs(&mut third);
    assert!(permits.state().holders.contains(&third.id()));
    end(third);
    signal(&second, "CONT");
    end(second);
}

/// A cargo that is killed, say: what it wanted compiled is nothing that the next one wants.
#[test]
fn a_wait_ends_with_who_wanted_it() {
    let permits = Permits::new("1", "4096");
    let mut first = permits.start(COMPILE);
    runs(&mut first);
    let mut parent = permits.project.command("sh");
    parent.args(["-c", "\"$0\" compiler sh -c 'touch compiled' sh \"$@\"; :"]);
    parent.arg(&permits.program);
    parent.arg(COMPILE).envs(permits.variables).env("MULTILANE_PERMITS_FILE", &permits.file);
    let mut parent = parent.spawn().expect("it starts");
    wait_until("it waits", || permits.waiting().len() == 1);
    signal(&parent, "KILL");
    parent.wait().expect("it ends");
    wait_until("nobody waits", || permits.waiting().is_empty());
    end(first);
    assert_eq!(permits.state(), State::default());
    assert!(!permits.project.exists("compiled"));
}

/// cargo's own questions, and what is switched off.
#[test]
fn what_takes_no_permit_does_not_wait() {
    let permits = Permits::new("1", "4096");
    let mut first = permits.start(COMPILE);
    runs(&mut first);
    let mut question = permits.start("--crate-name ___ --print=file-names");
    runs(&mut question);
    end(question);
    let off = Permits { variables: [("MULTILANE_PERMITS", "off"); 2], ..permits };
    let mut second = off.start(COMPILE);
    runs(&mut second);
    assert_eq!(off.state().holders, [first.id()]);
    end(second);
    end(first);
}

/// A compiler that notes when it begins and ends.
const NOTING: &str = r#"
case " $* " in
*" --emit="*) ;;
*) exec rustc "$@" ;;
esac
echo + >>"$NOTES"
rustc "$@"
code=$?
echo - >>"$NOTES"
exit $code
"#;

/// The most that ran at once.
fn most(notes: &str) -> i32 {
    let steps = notes.lines().map(|line| if line == "+" { 1 } else { -1 });
    let running = steps.scan(0, |running, step| {
        *running += step;
        Some(*running)
    });
    running.max().unwrap_or_default()
}

fn with_permits(project: &mut Project, count: &str) -> PathBuf {
    project.write(".cargo/config.toml", INCLUDE);
    project.write(".gitignore", "/target/\n/.lanes/\n/.cargo/wrapper/\n").commit();
    let file = project.root.join("target/of-test/permits");
    project.set("MULTILANE_PERMITS", count);
    project.set("MULTILANE_PERMITS_FILE", file.to_str().expect("UTF-8"));
    file
}

#[test]
fn builds_of_several_agents_share_the_permits() {
    let mut project = Project::workspace(&[("a", &[]), ("b", &["a"]), ("c", &[]), ("d", &["c"])]);
    with_permits(&mut project, "1");
    let (notes, compiler) = (project.root.join("target/notes"), project.script("compiler", NOTING));
    // The wrapper is there once something was built.
    project.xtask("build").ok();
    let agents = ["one", "two", "three"].map(|name| {
        let features = format!("build --config profile.dev.debug={}", name.len() % 3);
        let call = project.xtask(&features).agent(name);
        call.env("RUSTC", &compiler).env("NOTES", &notes).start()
    });
    for agent in agents {
        let output = agent.wait_with_output().expect("it ends");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let notes = std::fs::read_to_string(&notes).expect("something was compiled");
    assert_eq!(most(&notes), 1, "{notes}");
}

#[test]
fn a_test_that_starts_cargo_waits_for_no_permit_of_its_own() {
    let mut project = Project::workspace(&[("app", &[])]);
    project.package("other", "other", &[]);
    project.write(
        "other/Cargo.toml",
        "[package]\nname = \"other\"\nedition = \"2024\"\n[workspace]\n",
    );
    project.write(
        "Cargo.toml",
        "[workspace]\nresolver = \"3\"\nmembers = [\"crates/*\"]\nexclude = [\"other\"]\n",
    );
    project.write(
        "crates/app/tests/it.rs",
        "#[test] fn builds() {\n    let dir = concat!(env!(\"CARGO_MANIFEST_DIR\"), \"/../../other\");\n    \
         let mut cargo = std::process::Command::new(env!(\"CARGO\"));\n    \
         assert!(cargo.arg(\"build\").current_dir(dir).status().unwrap().success());\n    \
         println!(\"held: {:?}\", std::env::var(\"MULTILANE_PERMIT_HELD\"));\n}\n",
    );
    with_permits(&mut project, "1");
    // cargo takes the runner's name apart at spaces, so there is none below a folder with one.
    let cache = std::env::temp_dir().join(format!("multilane-permit-{}", std::process::id()));
    let ran = project.xtask("test -- --nocapture").env("XDG_CACHE_HOME", &cache).ok();
    std::fs::remove_dir_all(&cache).expect("the permit is there");
    let said = format!("{}{}", ran.stdout(), ran.stderr());
    assert!(said.contains("held: Ok("), "{}", ran.report());
}

#[test]
fn a_package_without_a_workspace_has_them() {
    let mut project = Project::outside();
    project.package(".", "app", &[]);
    with_permits(&mut project, "2");
    project.xtask("build").ok();
    assert!(project.exists(".cargo/wrapper/permit"));
}

#[test]
fn a_project_may_do_without() {
    let mut project = Project::workspace(&[("app", &[])]);
    let file = with_permits(&mut project, "2");
    project.xtask("build").ok();
    let program = project.root.join(".cargo/wrapper/permit");
    assert!(program.is_file() && file.is_file());
    project.append("Cargo.toml", "\n[workspace.metadata.multilane]\npermits = false\n");
    project.xtask("build").ok();
    assert!(!program.exists());
    // Nor do tests take any.
    project.write(
        "crates/app/tests/it.rs",
        "#[test] fn none() { assert_eq!(std::env::var(\"MULTILANE_PERMIT_HELD\"), Err(std::env::VarError::NotPresent)); }\n",
    );
    project.xtask("test").ok();
    project.xtask("test").agent("a").ok();
    project.write("crates/app/src/lib.rs", "pub fn edited() {}\n");
    project.cargo("build").ok();
}

fn json(ran: &crate::support::Ran) -> serde_json::Value {
    serde_json::from_str(&ran.stdout()).expect("JSON")
}

#[test]
fn the_status_names_who_runs_and_who_waits() {
    let mut permits = Permits::new("1", "4096");
    permits.project.write("Cargo.toml", "[workspace]\nresolver = \"3\"\n");
    let file = permits.file.to_str().expect("UTF-8").to_owned();
    permits.project.set("MULTILANE_PERMITS", "1");
    permits.project.set("MULTILANE_PERMITS_FILE", &file);
    let cargo = permits.project.root.join("cargo");
    std::os::unix::fs::symlink("/bin/sh", &cargo).expect("free");
    let script =
        "\"$PERMIT\" compiler sh -c 'echo started; read end' --crate-name app --emit=link; :";
    let build = || {
        let mut command = permits.project.command(&cargo);
        command.args(["-c", script]).env("PERMIT", &permits.program);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts")
    };
    let mut first = build();
    runs(&mut first);
    let second = build();
    wait_until("the second", || !permits.waiting().is_empty());
    let status = json(&permits.project.xtask("lane status --json").ok());
    assert_eq!(status["permits"]["total"], 1);
    assert_eq!(
        (&status["permits"]["taken"], &status["permits"]["waiting"]),
        (&1.into(), &1.into())
    );
    // The outermost cargo may be the one that runs the tests.
    let all = |list: &str| {
        let builds = status["builds"].as_array().expect("a list").iter();
        builds.flat_map(|build| build[list].as_array().cloned().expect("a list")).collect()
    };
    let (running, waiting): (Vec<_>, Vec<_>) = (all("running"), all("waiting"));
    let holder = permits.state().holders[0];
    assert!(running.iter().any(|unit| unit["process"] == holder && unit["name"] == "app"));
    let waiter = permits.waiting()[0];
    assert!(waiting.iter().any(|wait| wait["process"] == waiter && wait["wants"] == "permit"));
    end(first);
    end(second);
}

#[test]
fn a_program_is_traced_to_its_build() {
    let project = Project::workspace(&[("app", &[])]);
    project.write("crates/app/src/main.rs", "fn main() {}\n").commit();
    project.xtask("build").agent("a").ok();
    let program = format!("{}/debug/app", project.only_lane());
    let told = json(&project.xtask("lane which --json").arg(&program).ok());
    assert_eq!(told["build"]["agent"], "a");
    assert_eq!(told["build"]["commit"], project.git(&["rev-parse", "HEAD"]).trim());
    assert_eq!(
        (&told["edited"], &told["changed_since"]),
        (&serde_json::json!([]), &serde_json::json!([]))
    );

    let source = project.root.join("crates/app/src/main.rs");
    project.write("crates/app/src/main.rs", "fn main() { println!(); }\n");
    let told = json(&project.xtask("lane which --json").arg(&program).fails_with(1));
    assert_eq!(told["changed_since"], serde_json::json!([source]));
    project.xtask("build").agent("a").ok();
    let told = json(&project.xtask("lane which --json").arg(&program).ok());
    assert_eq!(told["edited"], serde_json::json!([source]));
}

#[test]
fn a_build_that_waits_says_so_once() {
    let mut permits = Permits::new("1", "4096");
    permits.project.package("app", "app", &[]);
    permits.project.write("Cargo.toml", "[workspace]\nresolver = \"3\"\nmembers = [\"app\"]\n");
    permits.file = with_permits(&mut permits.project, "1");
    permits.project.xtask("build").ok();
    permits.project.write("app/src/lib.rs", "pub fn edited() {}\n");
    let mut holder = permits.start(&format!("--crate-name holder {COMPILE}"));
    runs(&mut holder);

    let mut build = permits.project.cargo("test --no-run").start();
    let mut said = BufReader::new(build.stderr.take().expect("piped")).lines();
    let mut next = || said.next().map(|line| line.expect("UTF-8"));
    let is_told = |line: &String| line.contains("holder");
    while let Some(line) = next() {
        if is_told(&line) {
            break;
        }
    }
    end(holder);
    assert_eq!(std::iter::from_fn(next).filter(is_told).count(), 0);
    assert!(build.wait().expect("it ends").success());
    // cargo has not taken it for the compiler's.
    permits.project.cargo("test --no-run").ok().does_not_say("holder");
}

//! Agents that know nothing of lanes, several at once: a shell script that makes worktrees, builds,
//! tests and edits, and that may be killed at any moment.

#![cfg(unix)]

use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Output};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::support::{Call, Project};

const AGENTS: usize = 4;

/// `$1`: the crate that it works on. `$2`: a worktree to make, or nothing. It says what its program
/// says after each edit.
const SCRIPT: &str = r#"
set -e
if [ -n "$2" ]; then
    # git refuses while another one is half made: for a moment that one's commondir is empty.
    for try in 1 2 3 4 5 6 7 8 9 10; do
        said=$(git worktree add --quiet --detach "$2" 2>&1) && break
        case $said in *commondir*) sleep 0.02 ;; *) break ;; esac
    done
    echo "$said" >&2
    cd "$2"
fi
cargo build --package "$1"
for round in 1 2; do
    sed "s/\".*\"/\"$1 $round\"/" "crates/$1/src/main.rs" >"crates/$1/src/main.new"
    mv "crates/$1/src/main.new" "crates/$1/src/main.rs"
    cargo build --package "$1"
    "$(cargo metadata --no-deps --format-version=1 | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')/debug/$1"
done
cargo test --quiet --package "$1" >&2
"#;

/// `app0` … `app3` on top of `core`, all built, and the hook installed.
fn project() -> Project {
    let project = Project::workspace(&[("core", &[]), ("base", &["core"])]);
    for number in 0..AGENTS {
        let name = format!("app{number}");
        project.package(&format!("crates/{name}"), &name, &["base"]);
        project
            .write(
                &format!("crates/{name}/src/main.rs"),
                "fn main() { base::here(); println!(\"{}\", \"none\"); }\n",
            )
            .write(
                &format!("crates/{name}/tests/it.rs"),
                "#[test] fn own() {\n    let here = std::env::current_dir().unwrap();\n    \
                 assert_eq!(here.to_str(), Some(env!(\"CARGO_MANIFEST_DIR\")));\n}\n",
            );
        std::fs::remove_file(project.root.join(format!("crates/{name}/src/lib.rs")))
            .expect("it is there");
    }
    project.write(".gitignore", "/target/\n/.lanes/\n");
    project.cargo("generate-lockfile").ok();
    project.commit();
    project.cargo("build").ok();
    project.cargo("test --no-run").ok();
    project.xtask("lane hook --install").ok();
    project
}

/// The even ones are started by `lane run` in the one tree that all share; the others make
/// worktrees themselves. Each in a process group of its own, as a terminal would have it.
fn start(project: &Project, number: usize, attempt: usize) -> Child {
    let (name, tree) = (format!("app{number}"), format!("../tree {number} {attempt}"));
    let mut call = if number % 2 == 0 {
        project
            .xtask(&format!("lane run agent-{number} -- sh -c"))
            .arg(SCRIPT)
            .arg("sh")
            .arg(name)
            .arg("")
    } else {
        let command = project.command("sh");
        Call { command }.arg("-c").arg(SCRIPT).arg("sh").arg(name).arg(tree)
    };
    call.command.process_group(0);
    call.start()
}

#[track_caller]
fn has_done_its_work(number: usize, output: &Output) -> String {
    let (stdout, stderr) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let name = format!("app{number}");
    assert!(output.status.success(), "{name}: {}\n{stderr}", output.status);
    assert_eq!(stdout, format!("{name} 1\n{name} 2\n"), "{stderr}");
    stderr.into_owned()
}

#[track_caller]
fn has_done_it_undisturbed(number: usize, output: &Output) {
    let stderr = has_done_its_work(number, output);
    let name = format!("app{number}");
    // The package cache belongs to all cargos of a user; the wait for it is short, and
    // for no build.
    for lock in ["build directory", "artifact directory"] {
        assert!(!stderr.contains(&format!("file lock on {lock}")), "{name} has waited:\n{stderr}");
    }
    let others =
        stderr.lines().filter(|line| line.contains(" Compiling ") && !line.contains(&name));
    assert_eq!(others.collect::<Vec<_>>(), [""; 0], "{name} has built what was there:\n{stderr}");
}

#[test]
fn four_at_once_wait_for_no_lock_and_build_nothing_twice() {
    let project = project();
    let agents: Vec<Child> = (0..AGENTS).map(|number| start(&project, number, 0)).collect();
    for (number, agent) in agents.into_iter().enumerate() {
        has_done_it_undisturbed(number, &agent.wait_with_output().expect("it ends"));
    }
}

#[test]
fn when_some_are_killed_the_others_go_on() {
    let project = project();
    let mut agents: Vec<Child> = (0..AGENTS).map(|number| start(&project, number, 0)).collect();
    // One of each kind, somewhere in its work: what is asserted holds at every moment.
    for (victim, agent) in agents.iter_mut().enumerate().take(2) {
        let moment =
            SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").subsec_micros()
                % 1500;
        std::thread::sleep(Duration::from_millis(u64::from(moment)));
        let group = format!("-{}", agent.id());
        drop(Command::new("kill").args(["-s", "KILL", "--", &group]).output());
        agent.wait().expect("it ends");
        *agent = start(&project, victim, 1);
    }
    for (number, agent) in agents.into_iter().enumerate() {
        let output = agent.wait_with_output().expect("it ends");
        if number < 2 {
            // It has what the other left, as far as it got.
            has_done_its_work(number, &output);
        } else {
            has_done_it_undisturbed(number, &output);
        }
    }
}

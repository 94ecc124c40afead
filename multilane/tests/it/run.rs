//! `lane run` and `lane env`: commands that know nothing of lanes build in one, and cargo stays
//! cargo.

#![cfg(unix)]

use std::path::Path;

use crate::fork::{donor, undone, worktree};
use crate::support::{Call, Project, put, skipped};

/// A shell script in `lane run <words>`, which sees what a user's own would.
fn script(project: &Project, words: &str, script: &str) -> Call {
    project.xtask(&format!("lane run {words} -- sh -e -c")).arg(script)
}

#[test]
fn a_command_builds_in_its_own_lane_with_plain_cargo() {
    let project = donor();
    let ran = script(&project, "a", "cargo build; echo \"$AGENT_ID in $PWD\"").ok();
    ran.says("Running in ").says("the lane .lanes/a").forked().does_not_say("Lane ");
    assert_eq!(ran.built(), [""; 0], "{}", ran.report());
    assert_eq!(ran.stdout(), format!("a in {}\n", project.root.display()));
    // The second build has nothing to fork, and its words are cargo's alone.
    let plain = project.cargo("build").ok();
    let ran = script(&project, "a", "cargo build").ok();
    ran.says("Running in ").does_not_say("Lane ");
    assert_eq!(ran.cargos_words(), plain.cargos_words(), "{}", ran.report());
    project.only_lane();
}

#[test]
fn a_worktree_of_the_name_is_where_it_runs() {
    let project = donor();
    let second = worktree(&project, "wörk space-fix");
    let where_ = "echo \"[$AGENT_ID] $PWD\"; cargo build";
    let ran =
        script(&project, "fix", where_).agent("outer").within(project.root.join("crates/app")).ok();
    assert_eq!(ran.stdout(), format!("[] {}\n", second.join("crates/app").display()));
    ran.says("with the lane target").forked();
    assert_eq!(ran.built(), [""; 0], "{}", ran.report());
    assert!(second.join("target/debug").is_dir() && !second.join(".lanes").exists());

    let ran = script(&project, "fix --agent", where_).ok();
    assert_eq!(ran.stdout(), format!("[fix] {}\n", project.root.display()));
    script(&project, "other --worktree", ":").fails_with(1).says("there is no worktree other");
    script(&project, "../other", ":").fails_with(1).says("cannot name a lane");
    let ran = script(&project, "other --new", "echo $PWD").ok();
    assert!(ran.stdout().ends_with("wörk space-other\n"), "{}", ran.report());
}

#[test]
fn cargo_is_cargo() {
    let project = donor();
    project
        .write(
            ".cargo/config.toml",
            "[alias]\nlook = \"check --workspace\"\nxtask = \"run -p app --profile xtask --\"\n",
        )
        .write("crates/alone/src/lib.rs", "pub fn here() { let unused = 1; }\n")
        .write(
            "crates/app/src/main.rs",
            "fn main() { std::process::exit(std::env::args().count() as i32 + 6) }\n",
        );
    project.append("Cargo.toml", "\n[profile.xtask]\ninherits = \"dev\"\n");
    let stage = project.root.with_file_name("stage");
    std::fs::create_dir_all(&stage).expect("a directory");
    let same = |words: &str| {
        let ours = script(&project, "a", &format!("exec cargo {words}")).env("STAGE", &stage).run();
        let plain = project
            .command("sh")
            .args(["-c", &format!("exec cargo {words}")])
            .output()
            .expect("sh");
        assert_eq!(ours.output.status.code(), plain.status.code(), "{words}: {}", ours.report());
        assert_eq!(ours.stdout(), String::from_utf8_lossy(&plain.stdout), "{words}");
        ours
    };
    let build_nothing = "--version; -vV; --list; build --help; +stable --version; pkgid -p app; \
        no-such-command; locate-project; fmt --check --all -- --config max_width=200; tree -p app";
    for words in build_nothing.split("; ") {
        same(words);
    }
    assert!(!project.exists(".lanes"), "nothing of that builds");

    same("run -q -p app -- one two").says("");
    same("build --no-such-option");
    same("look").says("unused variable");
    same("-q check -p alone").says("unused variable");
    same("test -q -p core --no-run");
    let lane = project.only_lane();
    let metadata =
        script(&project, "a", "cargo metadata --no-deps --format-version=1").ok().stdout();
    assert!(metadata.contains(&lane), "{metadata}");
    // What another cargo has told about itself is told as it would be, and does not say which cargo
    // this is.
    project.write("bin/cargo-told", "#!/bin/sh\necho $CARGO_PKG_NAME $OUT_DIR\n");
    let words = "chmod +x bin/cargo-told; PATH=$PATH:$PWD/bin CARGO=/nowhere CARGO_PKG_NAME=mine OUT_DIR=x cargo told";
    assert_eq!(script(&project, "a", words).ok().stdout(), "mine x\n");
    // A directory that somebody names counts.
    script(&project, "a", "cargo build --target-dir named; CARGO_TARGET_DIR=set cargo build").ok();
    assert!(project.exists("named/debug") && project.exists("set/debug"));
    // But the one that the user has for everything would bring them all together again.
    script(&project, "b", "cargo build").env("CARGO_TARGET_DIR", project.root.join("all")).ok();
    assert!(!project.exists("all") && project.lanes().len() == 2, "{:?}", project.lanes());
    // xtask builds itself where all builders have it.
    same("-q xtask").says("");
    assert!(project.exists("target/xtask/app") && !project.exists(&format!("{lane}/xtask")));
    project.xtask("clean --all").ok();
    script(&project, "a", "cargo build; cargo clean").ok();
    assert!(!project.exists(&format!("{lane}/debug")));
}

#[test]
fn json_and_warnings_stay_as_they_are() {
    let project = donor();
    project.write("crates/alone/src/lib.rs", "pub fn here() { let unused = 1; }\n");
    let words = "check -p alone --message-format=json";
    let lines = |text: String, dir: &str| {
        let mut lines: Vec<String> = text.replace(dir, "LANE").lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    project.cargo(words).ok();
    script(&project, "a", &format!("cargo {words}")).ok();
    let plain = project.cargo(words).ok();
    let ours = script(&project, "a", &format!("cargo {words}")).ok();
    let lane = project.root.join(project.only_lane());
    assert_eq!(
        lines(ours.stdout(), lane.to_str().expect("UTF-8")),
        lines(plain.stdout(), project.root.join("target").to_str().expect("UTF-8"))
    );
    ours.does_not_say("Lane ");
}

/// What a cargo sees that another cargo, its build script or its test has started.
#[test]
fn cargo_below_cargo_and_in_other_workspaces_is_cargo() {
    let project = donor();
    let other = Project::workspace(&[("core", &[])]);
    // A workspace inside this one, as the tests of plugins have them.
    project.package("fixture", "fixture", &[]);
    project.write(
        "fixture/Cargo.toml",
        &format!("{}\n[workspace]\n", project.read("fixture/Cargo.toml")),
    );
    project.write(
        "crates/app/tests/it.rs",
        "#[test] fn builds() { for dir in [\"../../fixture\", \"../..\"] {\n\
         assert!(std::process::Command::new(\"cargo\").args([\"build\", \"--quiet\"])\n\
         .current_dir(dir).status().unwrap().success()) } }\n",
    );
    project.write(
        "crates/core/build.rs",
        "fn main() { let out = std::process::Command::new(\"cargo\").arg(\"--version\").output().unwrap();\n\
         assert!(out.status.success()) }\n",
    );
    let words = format!("cargo test -p app; cd '{}'; cargo build", other.root.display());
    script(&project, "a", &words).ok();
    assert!(other.exists("target/debug") && !other.exists(".lanes") && !other.exists(".git"));
    assert!(project.exists("fixture/target/debug") && !project.exists("fixture/.lanes"));
    project.only_lane();
}

/// A test that starts cargo, by `$CARGO` as trybuild and escargot do, and by its name.
fn with_test_that_starts_cargo() -> Project {
    let project = undone();
    project.write(
        "crates/core/build.rs",
        "fn main() { println!(\"cargo::rerun-if-env-changed=PATH\"); }\n",
    );
    project.write(
        "crates/app/tests/it.rs",
        "#[test] fn builds() { for cargo in [std::env::var(\"CARGO\").unwrap(), \"cargo\".to_owned()] {\n\
         let cargo = || std::process::Command::new(&cargo);\n\
         let told = cargo().args([\"metadata\", \"--no-deps\", \"--format-version=1\"]).output().unwrap();\n\
         println!(\"TOLD {}\", String::from_utf8(told.stdout).unwrap());\n\
         let built = cargo().args([\"build\", \"-v\"]).output().unwrap();\n\
         print!(\"BUILT {}\", String::from_utf8(built.stderr).unwrap()); } }\n",
    );
    project.commit();
    project
}

#[test]
fn a_cargo_that_a_test_starts_builds_in_the_lane_of_the_test() {
    let project = with_test_that_starts_cargo();
    let words = "test -p app -- --nocapture";
    for (agent, call) in [
        ("a", project.xtask(words).agent("a")),
        ("b", project.xtask(words).agent("b").without(&project, &["cargo-nextest"])),
        ("c", script(&project, "c", &format!("cargo {words}"))),
        ("d", script(&project, "d", "cargo nextest run -p app --no-capture")),
    ] {
        if agent == "d" && project.cargo("nextest --version").run().output.status.code() != Some(0)
        {
            skipped("there is no nextest");
            continue;
        }
        let ran = call.ok();
        let shown = ran.stdout() + &ran.stderr();
        let is_in_lane = |line: &&str| line.contains(&format!("/.lanes/{agent}/"));
        let told = shown.lines().filter(|line| line.contains("TOLD ")).filter(is_in_lane);
        assert_eq!(told.count(), 2, "{}", ran.report());
        // Neither of the two has found anything stale: they see the outer cargo's environment.
        assert_eq!(shown.matches("Fresh core").count(), 2, "{}", ran.report());
        assert!(!project.exists("target/debug"), "{}", ran.report());
        // nextest's words about a runner that the user has not set; the shim leaves them alone.
        assert!(agent != "a" || !shown.contains("using target runner"), "{}", ran.report());
    }
}

#[test]
fn the_users_own_runner_stays() {
    let project = with_test_that_starts_cargo();
    project.script("runner", "echo RUNNER; exec \"$@\"");
    project.write(".cargo/config.toml", "[target.'cfg(unix)']\nrunner = \"./runner\"\n");
    let ran = project.xtask("cargo test -p app").agent("a").ok();
    assert!(ran.stdout().contains("RUNNER"), "{}", ran.report());
}

#[test]
fn units_stay_fresh_with_and_without() {
    let project = donor();
    let watched = ["CARGO", "CARGO_HOME", "RUSTUP_TOOLCHAIN", "LD_LIBRARY_PATH", "CARGO_PKG_NAME"];
    let watch = |name| format!("println!(\"cargo::rerun-if-env-changed={name}\");");
    let watches = watched.map(watch).concat();
    project.write("crates/core/build.rs", &format!("fn main() {{ {watches} }}"));
    let dir = worktree(&project, "wörk space-fix");
    put(&dir, "crates/core/build.rs", &project.read("crates/core/build.rs"));
    let ran = script(&project, "fix", "cargo build")
        .env("CARGO_PKG_NAME", "xtask")
        .env("CARGO_MANIFEST_DIR", "/x");
    ran.ok();
    let ran = project.cargo("build").within(&dir).ok();
    assert_eq!(ran.built(), [""; 0], "{}", ran.report());
    let ran = script(&project, "fix", "cargo build").ok();
    assert_eq!(ran.built(), [""; 0], "{}", ran.report());
}

#[test]
fn the_command_sees_what_the_users_shell_would_show() {
    let project = donor();
    let ran = project
        .xtask("lane run a -- env")
        .env("CARGO", "/somewhere/cargo")
        .env("CARGO_PKG_NAME", "xtask")
        .env("CARGO_MANIFEST_DIR", "/somewhere")
        .env("RUSTUP_TOOLCHAIN", "x")
        .env("RUSTUP_TOOLCHAIN_SOURCE", "default")
        .env("RUST_RECURSION_COUNT", "1");
    let ran = ran.ok();
    let told = "CARGO= CARGO_PKG_NAME= CARGO_MANIFEST_DIR= RUSTUP_TOOLCHAIN RUST_RECURSION_COUNT=";
    for name in told.split(' ') {
        let is_told = ran.stdout().lines().any(|line| line.starts_with(name));
        assert!(!is_told, "{name} in {}", ran.report());
    }
    let meant = project
        .xtask("lane run a -- env")
        .env("RUSTUP_TOOLCHAIN", "x")
        .env("RUSTUP_TOOLCHAIN_SOURCE", "env");
    assert!(meant.ok().stdout().contains("RUSTUP_TOOLCHAIN=x\n"));
}

#[test]
fn the_command_takes_its_place() {
    let project = donor();
    project.xtask("lane run a -- sh -c").arg("exit 42").fails_with(42);
    let mut child = project.xtask("lane run a -- sh -c").arg("echo $$; exec sleep 600").start();
    let mut line = String::new();
    std::io::BufRead::read_line(
        &mut std::io::BufReader::new(child.stdout.take().expect("piped")),
        &mut line,
    )
    .expect("a line");
    assert_eq!(line.trim().parse(), Ok(child.id()));
    child.kill().expect("it runs");
    child.wait().expect("it ends");
    project
        .xtask("lane run a -- no-such-program")
        .fails_with(1)
        .says("cannot start no-such-program");
}

#[test]
fn without_a_place_for_the_shim_the_command_runs_all_the_same() {
    let project = donor();
    project.write(".git/multilane", "in the way");
    let ran = script(&project, "a", "cargo build; echo $AGENT_ID").ok();
    ran.says("warning: no cargo of ours on PATH");
    assert_eq!(ran.stdout(), "a\n");
}

#[test]
fn whatever_is_missing_the_real_cargo_is_called() {
    let project = donor();
    let shim = project.root.join(".git/multilane/bin/cargo");
    script(&project, "a", "cargo --version").ok();
    let call = |dir: &Path| {
        let mut command = project.command(&shim);
        command.arg("build").current_dir(dir);
        Call { command }
    };
    call(&project.root).agent("not/a/name").ok().says("warning: building without a lane");
    call(&project.root.join("crates/app")).agent("b").ok().forked();
    let nowhere = Path::new("/");
    call(nowhere).fails_with(101).says("could not find `Cargo.toml`").does_not_say("warning");
    project.write("Cargo.toml", "no manifest");
    call(&project.root).fails_with(101).says("expected `=`").does_not_say("warning");
    // Shims of two repositories on one PATH do not take each other for cargo.
    let other = donor();
    let words = format!("cd '{}'; PATH=\"$OTHER:$PATH:$OTHER\" cargo build", other.root.display());
    script(&other, "a", &words).env("OTHER", shim.parent().expect("a directory")).ok();
    let only = project.root.with_file_name("only");
    std::fs::create_dir_all(&only).expect("a directory");
    call(nowhere).env("PATH", &only).fails_with(1).says("there is no cargo on PATH");
}

fn env(project: &Project, shell: &str, words: &str) -> String {
    project.xtask(&format!("lane env {words} --shell {shell}")).ok().stdout()
}

#[test]
fn a_shell_can_do_the_same_and_go_back() {
    let project = donor();
    let (enter, leave) = (env(&project, "sh", "a"), env(&project, "sh", "--unset"));
    assert_eq!(project.xtask("lane env a").env("SHELL", "/bin/zsh").ok().stdout(), enter);
    let text = format!(
        "before=$PATH\n{enter}\n{enter}\ncargo build -q\necho \"$AGENT_ID ${{PATH#*:}}\"\n{leave}\n\
         test \"$PATH\" = \"$before\"\necho \"[$AGENT_ID]\"\n"
    );
    for shell in ["sh", "bash"] {
        let mut command = project.command(shell);
        command.args(["-eu", "-c", &text.replace("[$AGENT_ID]", "[${AGENT_ID-}]")]);
        command
            .env("PATH", std::env::var_os("PATH").expect("a PATH"))
            .env("CARGO_TARGET_DIR", "elsewhere");
        let ran = Call { command }.ok();
        let path = std::env::var("PATH").expect("a PATH");
        assert_eq!(ran.stdout(), format!("a {path}\n[]\n"), "{}", ran.report());
        project.only_lane();
    }
    project.xtask("lane env").fails_with(2);
    project.xtask("lane env a --unset").fails_with(2);
}

#[test]
fn fish_can_do_the_same_and_go_back() {
    let project = donor();
    if project.command("fish").arg("--version").output().is_err() {
        return skipped("there is no fish");
    }
    let (enter, leave) = (env(&project, "fish", "a"), env(&project, "fish", "--unset"));
    let text = format!(
        "set before $PATH\n{enter}\n{enter}\ncargo build -q; or exit 1\necho $AGENT_ID (count $PATH)\n{leave}\n\
         echo \"[$AGENT_ID]\" (count $PATH) (count $before)\n"
    );
    let mut command = project.command("fish");
    command.args(["--no-config", "-c", &text]);
    let ran = Call { command }.ok();
    let count = std::env::split_paths(&std::env::var_os("PATH").expect("a PATH")).count();
    assert_eq!(ran.stdout(), format!("a {}\n[] {count} {count}\n", count + 1), "{}", ran.report());
    project.only_lane();
}

#[test]
fn a_shell_goes_into_a_worktree() {
    let project = donor();
    let dir = worktree(&project, "wörk space-it's \"$x\" `y`");
    for shell in ["sh", "fish"] {
        if project.command(shell).args(["-c", "true"]).output().is_err() {
            skipped(&format!("there is no {shell}"));
            continue;
        }
        let call = project.xtask("lane env --worktree --shell").arg(shell).arg(&dir).ok();
        let mut command = project.command(shell);
        command.args(["-c", &format!("{}\npwd; cargo build -q", call.stdout())]);
        let ran = Call { command }.ok();
        assert_eq!(ran.stdout(), format!("{}\n", dir.display()), "{}", ran.report());
    }
}

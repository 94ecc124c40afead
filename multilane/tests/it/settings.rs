//! What the pages tell people to put into other tools' settings, run as it stands there.

#![cfg(unix)]

use crate::support::{Call, Project};
use crate::template::template_root;

/// A workspace whose `cargo xtask` is the program under test.
fn project() -> Project {
    let project = Project::workspace(&[("core", &[]), ("app", &["core"])]);
    let cargo =
        "if [ \"$1\" = xtask ]; then shift; exec \"$XTASK\" \"$@\"; fi\nexec \"$CARGO\" \"$@\"";
    project.script("bin/cargo", cargo);
    project.write(".gitignore", "/target/\n/bin/\n");
    project.write(".cargo/config.toml", "[net]\noffline = true\n");
    project.cargo("generate-lockfile").ok();
    project.cargo("fmt --all").ok();
    project.commit();
    project
}

fn sh(project: &Project, script: &str) -> Call {
    let path = std::env::var("PATH").expect("a PATH");
    let real =
        std::env::split_paths(&path).map(|dir| dir.join("cargo")).find(|cargo| cargo.is_file());
    let command = project.command("sh");
    Call { command }
        .arg("-c")
        .arg(script)
        .env("PATH", format!("{}:{path}", project.root.join("bin").display()))
        .env("CARGO", real.expect("a cargo"))
        .env("XTASK", env!("CARGO_BIN_EXE_cargo-multilane"))
}

/// The block of a page that begins with this line.
fn block(page: &str, first: &str) -> String {
    let text = std::fs::read_to_string(template_root().join(page)).expect("a page");
    let (_, rest) =
        text.split_once(&format!("{first}\n")).unwrap_or_else(|| panic!("no {first} in {page}"));
    rest.split("\n```").next().expect("an end").to_owned()
}

#[test]
fn a_session_of_claude_code_has_a_name_and_a_lane() {
    let project = project();
    let settings: serde_json::Value =
        serde_json::from_str(&block("docs/agents.md", "the lane of that name:\n\n```json"))
            .expect("JSON");
    let hook =
        settings["hooks"]["SessionStart"][0]["hooks"][0]["command"].as_str().expect("a command");
    let input = r#"{"session_id": "736848ea-e359-4f8c-9e44-7f2dea2ad9b1", "source": "startup"}"#;
    let started = format!("echo '{input}' | sh -c \"$HOOK\"");
    let start = || {
        let env_file = project.root.join("target/env file.sh");
        std::fs::create_dir_all(project.root.join("target")).expect("a directory");
        sh(&project, &started).env("HOOK", hook).env("CLAUDE_ENV_FILE", env_file)
    };
    start().ok();
    let once = project.read("target/env file.sh");
    start().ok(); // Resumed.
    assert_eq!(project.read("target/env file.sh"), once);

    // Each command of the session, from wherever it has gone to.
    let ran = sh(&project, ". 'target/env file.sh'; cd crates/app && cargo build && pwd").ok();
    assert!(ran.stdout().trim_end().ends_with("crates/app"), "{}", ran.report());
    assert!(project.only_lane().starts_with(".lanes/claude-736848ea/"), "{:?}", project.lanes());

    // Whoever has a name keeps it; and without the file, nothing is lost.
    project.write("target/env file.sh", "");
    start().agent("agent-1").ok();
    assert_eq!(project.read("target/env file.sh"), "");
    start().env("CLAUDE_ENV_FILE", "").ok();
}

#[test]
fn a_ci_job_in_plain_shell_restores_what_the_last_one_saved() {
    let project = project();
    let script = block("docs/ci.md", "```sh\n#!/bin/sh");
    assert!(script.contains("tar --zstd ") && script.contains("/var/cache/ci/"), "{script}");
    let store = project.root.join("bin");
    let script =
        script.replace("--zstd ", "").replace("/var/cache/ci", &store.display().to_string());

    sh(&project, &script)
        .env("JOB_NAME", "tests")
        .env("BRANCH", "main")
        .ok()
        .in_lane(".lanes/ci-tests/");
    assert!(project.exists("bin/ci-tests.tar.zst"), "it is stored");
    let lane = project.only_lane();
    let left =
        std::fs::read_dir(project.root.join(&lane).join("debug/.fingerprint")).map(Iterator::count);
    assert_eq!(left.unwrap_or_default(), 0, "the members stay out of the archive");
    std::fs::remove_dir_all(project.root.join(".lanes")).expect("it is there");
    sh(&project, &script).env("JOB_NAME", "tests").env("BRANCH", "a-pull-request").ok();
    assert_eq!(project.only_lane(), lane);
}

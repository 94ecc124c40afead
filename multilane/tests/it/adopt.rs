//! `adopt`: an xtask for a workspace that exists.

use crate::support::Project;

/// A workspace with comments and an order of its own, committed.
fn host() -> Project {
    let project = Project::workspace(&[("one", &[])]);
    project
        .write(
            "Cargo.toml",
            "# Ours.\n[workspace]\nresolver = \"3\" # New.\nmembers = [\n    \"crates/*\", # All.\n]\n",
        )
        .write(".cargo/config.toml", "# Few.\n[build]\njobs = 2\n")
        .write(".gitignore", "target\n")
        .commit();
    project
}

#[test]
fn a_workspace_adopts_and_builds() {
    let project = host();
    let diff = project.xtask("adopt --check").fails_with(1).stdout();
    assert_eq!(project.git(&["status", "--porcelain"]), "");
    project.xtask("adopt").fails_with(1); // There is no terminal to ask.
    assert_eq!(project.git(&["status", "--porcelain"]), "");
    assert_eq!(project.xtask("adopt --yes").ok().stdout(), diff);

    crate::template::copy_compiled_dependencies(&project);
    project.git(&["add", "--all"]);
    let changed = project.git(&["diff", "--cached", "--numstat"]);
    let lines = changed.lines().filter_map(|line| line.split('\t').next()?.parse::<u32>().ok());
    assert!(changed.lines().count() <= 6 && lines.sum::<u32>() <= 150, "{changed}");
    let removed = project.git(&["diff", "--cached", "--unified=0"]);
    let removed: Vec<&str> =
        removed.lines().filter(|line| line.starts_with('-') && !line.starts_with("---")).collect();
    assert_eq!(removed, [""; 0], "what exists stays");
    project.xtask("adopt --check").ok();
    project.commit();
    project.xtask("adopt --yes").ok();
    assert_eq!(project.git(&["status", "--porcelain"]), "");

    // The first call shows what it compiles; the next one says nothing of cargo's.
    project.cargo("xtask build-dev").ok().says("Compiling multilane ").says("compiled 1 (one)");
    let again = project.cargo("xtask build-dev").within(project.root.join("crates/one")).ok();
    again.says("compiled 0").does_not_say("`xtask` profile").does_not_say("Running `");
    let lines = project.cargo("xtask lines").ok().stdout();
    assert!(lines.contains("crates/one"), "{lines}");
    // Plain cargo builds what it built before.
    assert_eq!(project.cargo("build").ok().built(), [""; 0]);
}

/// Each is named, and nothing is changed.
#[test]
fn a_conflict_changes_nothing() {
    let check = |path: &str, text: &str, named: &str| {
        let project = host();
        project.write(path, text).commit();
        let ran = project.xtask("adopt --yes").fails_with(1);
        ran.says(named).says("help: ").says("cargo multilane");
        assert_eq!(project.git(&["status", "--porcelain"]), "", "{path}");
    };
    let workspace = "[workspace]\nmembers = [\"crates/*\"]\n";
    check("xtask/main.sh", "", "xtask/");
    check(".cargo/config.toml", "[alias]\nxtask = \"run\"\n", "alias");
    check(".cargo/config", "", ".cargo/config ");
    check("Cargo.toml", workspace, "resolver 1");
    let old = "resolver = \"3\"\n[workspace.package]\nrust-version = \"1.70\"\n";
    check("Cargo.toml", &format!("{workspace}{old}"), "1.70");
    check("rust-toolchain.toml", "[toolchain]\nchannel = \"1.88.0\"\n", "1.88.0");
    check(
        "Cargo.toml",
        &format!("{workspace}resolver = \"3\"\nexclude = [\"xtask\"]\n"),
        "exclude",
    );
}

#[test]
fn what_git_cannot_take_back_is_refused() {
    let project = host();
    project.write("crates/one/src/lib.rs", "// edited\n");
    project.xtask("adopt --yes").fails_with(1).says("--allow-dirty");
    assert!(!project.exists("xtask"));
    project.xtask("adopt --yes --allow-dirty").ok();
    assert!(project.exists("xtask/src/main.rs"));

    let project = Project::outside();
    project.write("Cargo.toml", "[workspace]\nresolver = \"3\"\n");
    project.xtask("adopt --yes").fails_with(1).says("--allow-no-vcs");
    project.xtask("adopt --yes --allow-no-vcs").ok();
    assert!(project.read("Cargo.toml").contains("members = [\"xtask\"]"));
}

/// Looking is not running: not the compiler, wrapper or toolchain that the tree names, nor what
/// git would start.
#[cfg(unix)]
#[test]
fn check_starts_no_program_of_the_tree() {
    use std::os::unix::fs::PermissionsExt as _;
    let project = host();
    let program = project.root.join("program");
    project
        .write("program", &format!("#!/bin/sh\ntouch '{}/started'\n", project.root.display()))
        .write(".cargo/config.toml", "[build]\nrustc = \"program\"\nrustc-wrapper = \"program\"\n");
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).expect("ours");
    project.commit();
    project.git(&["config", "core.fsmonitor", program.to_str().expect("UTF-8")]);
    project.xtask("adopt --check").fails_with(1);
    project.xtask("adopt --yes").ok();
    assert!(!project.exists("started"));
}

#[cfg(unix)]
#[test]
fn no_link_is_written_through() {
    let project = host();
    let elsewhere = project.root.with_file_name("elsewhere");
    std::fs::write(&elsewhere, "").expect("a file");
    std::fs::remove_file(project.root.join(".gitignore")).expect("it is there");
    std::os::unix::fs::symlink(&elsewhere, project.root.join(".gitignore")).expect("a link");
    project.commit();
    project.xtask("adopt --yes").fails_with(1).says(".gitignore");
    assert_eq!(std::fs::read_to_string(&elsewhere).expect("it is there"), "");
    assert!(!project.exists("xtask"));
}

/// The texts that adopt writes are those of this workspace.
#[test]
fn what_is_written_is_what_the_template_has() {
    let root = crate::template::template_root();
    let read = |path: &str| std::fs::read_to_string(root.join(path)).expect("it is there");
    let templates = "multilane/tools/src/adopt/templates";
    assert_eq!(read(&format!("{templates}/main.rs")), read("xtask/src/main.rs"));
    assert_eq!(read(&format!("{templates}/alias.toml")), read(".cargo/xtask.toml"));
}

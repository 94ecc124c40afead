//! Nothing of anybody else's is written or deleted, whatever a branch has put in our way.

#[cfg(unix)]
use std::path::{Path, PathBuf};

use crate::fork::{donor, first_build, worktree};
use crate::support::Project;
#[cfg(unix)]
use crate::support::{names, put, skipped};

fn project() -> Project {
    let project = Project::workspace(&[("core", &[])]);
    project.cargo("generate-lockfile").ok();
    project.write(".gitignore", "/target/debug/\n/.lanes/\n").commit();
    project
}

#[cfg(unix)]
#[test]
fn a_lane_of_another_user_is_no_donor() {
    let project = donor();
    let second = worktree(&project, "second");
    let target = project.root.join("target");
    if std::os::unix::fs::chown(&target, Some(65534), None).is_err() {
        return skipped("only root can give a directory away");
    }
    first_build(&project, &second).forked_nothing().compiled(3);
    std::fs::remove_dir_all(second.join("target")).expect("it was built");
    std::os::unix::fs::chown(&target, Some(0), None).expect("root gives it back");
    first_build(&project, &second).compiled(0);
}

/// A directory of the user's outside of the workspace, with a file in it.
#[cfg(unix)]
fn documents(project: &Project) -> PathBuf {
    project.write("../documents/thesis.txt", "years of work");
    project.root.with_file_name("documents")
}

/// The names in a directory that cargo does not make there.
#[cfg(unix)]
fn not_of_cargo(dir: &Path) -> Vec<String> {
    let mut names = names(dir);
    names.retain(|name| ![".rustc_info.json", "debug", "tmp"].contains(&name.as_str()));
    names
}

#[cfg(unix)]
#[test]
fn nothing_is_written_or_deleted_behind_a_linked_target() {
    let project = project();
    project.xtask("check").agent("a").ok();
    let documents = documents(&project);
    let link = project.root.join("target");
    std::os::unix::fs::symlink(&documents, &link).expect("a link");
    project.git(&["add", "--force", "target"]);
    project.commit();

    let ran = project.xtask("check").ok();
    let record = ran.compiled_of(1, &["core"]).record().clone();
    assert!(
        record["no_fork"].as_str().is_some_and(|why| why.contains("symbolic link")),
        "{record}"
    );
    project.xtask("lane fork").fails_with(1).says("is a symbolic link");
    assert_eq!(not_of_cargo(&documents), ["thesis.txt"]);
    project.xtask("clean").ok().says("Removed target");
    assert!(!project.exists("target"));
    assert!(documents.join("debug").is_dir(), "what is behind it stays");
    assert_eq!(not_of_cargo(&documents), ["thesis.txt"]);

    // The same further up: a target directory in a folder that is a link.
    std::os::unix::fs::symlink(&documents, project.root.join("out")).expect("a link");
    project.write(".cargo/config.toml", "[build]\ntarget-dir = \"out/target\"\n");
    put(&documents, "target/CACHEDIR.TAG", "");
    put(&documents, "target/draft.txt", "");
    project.xtask("check").ok();
    project.xtask("clean").fails_with(1).says("behind a symbolic link");
    assert_eq!(not_of_cargo(&documents.join("target")), ["CACHEDIR.TAG", "draft.txt"]);
}

/// `target/debug` as a link: cargo builds through it, a fork does not.
#[cfg(unix)]
#[test]
fn nothing_is_forked_through_a_link_in_target() {
    let project = project();
    project.xtask("check").agent("a").ok();
    let documents = documents(&project);
    std::fs::create_dir(project.root.join("target")).expect("a directory");
    std::os::unix::fs::symlink(&documents, project.root.join("target/debug")).expect("a link");
    project.xtask("check").ok().compiled_of(1, &["core"]).says("a symbolic link is in it");
    assert!(documents.join("thesis.txt").exists());
}

#[test]
fn what_git_knows_is_no_build_output() {
    let project = project();
    project.xtask("check").ok();
    project.write("target/notes.md", "tracked").write("target/more/plan.md", "tracked").commit();
    project.write("target/draft.md", "untracked").write("target/.env", "untracked");
    project.write("target/debug/app", "ignored");
    let ran = project.xtask("clean").ok();
    for name in ["target/notes.md", "target/more", "target/draft.md", "target/.env"] {
        assert!(project.exists(name), "{name} is gone");
        ran.says(&format!("{name} stays"));
    }
    assert!(project.exists("target/more/plan.md") && !project.exists("target/debug/app"));
    project.xtask("check").ok().compiled_of(1, &["core"]);
}

/// A user who can write into a donor can run code in what is forked from it.
#[test]
fn a_project_says_which_worktrees_are_donors() {
    let project = project();
    let manifest = project.read("Cargo.toml");
    project.xtask("check").ok();
    for (name, donors) in [("none", "[]"), ("other", "[\"other\"]"), ("main", "[\"wörk space\"]")]
    {
        let setting = format!("[workspace.metadata.multilane]\ndonors = {donors}\n");
        project.write("Cargo.toml", &format!("{manifest}{setting}")).commit();
        let dir = worktree(&project, name);
        let ran = project.xtask("check").within(&dir).ok();
        match name {
            "main" => ran.forked_from("wörk space/target"),
            _ => ran.compiled_of(1, &["core"]),
        };
        // Its own lanes may always be.
        project.xtask("check").agent("a").within(&dir).ok().compiled(0);
    }
}

/// A branch may bring a `target` with units in it.
#[test]
fn a_target_that_was_committed_is_no_donor() {
    let project = project();
    project.xtask("check").ok();
    project.git(&["add", "--force", "target"]);
    project.git(&["commit", "--quiet", "--message=units"]);
    project.xtask("check").agent("a").ok().compiled_of(1, &["core"]);
}

/// What calls that were killed have left, where the lock in it is free.
#[test]
fn what_a_killed_call_has_left_goes_with_the_next_build() {
    let project = project();
    project.xtask("check").ok();
    project.xtask("check").agent("a").ok();
    project.write(".cargo/config.toml", "");
    let lane = project.only_lane();
    let left = [
        ".lanes/.trash-0123456789abcdef",
        "target/.trash-0123456789abcdef",
        "target/.fork-0123456789abcdef",
        "target/.probe-0123456789abcdef",
        ".cargo/.wrapper-0123456789abcdef",
        &format!("{lane}/.fork-0123456789abcdef"),
    ];
    for dir in left {
        project.write(&format!("{dir}/.lock"), "").write(&format!("{dir}/debug/app"), "");
    }
    // This one has no lock of ours in it, so it is not ours.
    project.write("target/.fork-by-hand/notes.md", "");
    project.xtask("check").ok();
    project.xtask("build").agent("a").ok();
    for dir in left {
        assert!(!project.exists(dir), "{dir} is still there");
    }
    assert!(project.exists("target/.fork-by-hand/notes.md"));
}

/// A branch names programs in every way that cargo, rustup and git have. Who only looks starts none
/// of them, and gets an answer.
#[cfg(unix)]
#[test]
fn looking_is_not_running() {
    let project = project();
    project.xtask("check").ok();
    let ran = project.root.with_file_name("ran");
    let say = format!("echo \"$0 $*\" >>'{}'", ran.display());
    let script = |path: &str, program: &str| {
        project.script(path, &format!("{say}\nexec {program} \"$@\""));
    };
    script("tools/rustc", "rustc");
    script("tools/wrapper", "env");
    script("toolchain/bin/rustc", "rustc");
    script("toolchain/bin/cargo", "cargo");
    project.write(
        ".cargo/config.toml",
        "[build]\nrustc = \"tools/rustc\"\nrustc-wrapper = \"tools/wrapper\"\n\
         rustc-workspace-wrapper = \"tools/wrapper\"\n[alias]\nx = \"run\"\n",
    );
    project.commit();
    let dir = project.root.with_file_name("review");
    project.git(&["worktree", "add", "--quiet", dir.to_str().expect("UTF-8"), "-b", "review"]);
    for (key, script_path) in [("core.fsmonitor", "tools/monitor"), ("alias.status", "tools/alias")]
    {
        script(script_path, "true");
        let path = project.root.join(script_path);
        project.git(&["config", key, path.to_str().expect("UTF-8")]);
    }
    script(".git/hooks/post-index-change", "true");
    let look = |words: &str, agent: &str| {
        let mut call = project.xtask(words).agent(agent).within(&dir);
        call.command.env_remove("RUSTUP_TOOLCHAIN"); // So that rustup looks for it in the tree.
        call.run();
        let started = std::fs::read_to_string(&ran).unwrap_or_default();
        assert_eq!(started, "", "`{words}` has started these");
    };
    let look_around = || {
        for words in ["lane list", "check --dry-run", "clean --dry-run", "lane fork --dry-run"] {
            look(words, "");
            look(words, "a");
        }
        look("check-fast --dry-run", "");
    };
    look_around();
    std::fs::remove_dir_all(dir.join(".cargo")).expect("it is there");
    let toolchain = "[toolchain]\npath = \"toolchain\"\n";
    put(&dir, "rust-toolchain.toml", toolchain);
    look_around();
}

/// A process that opens a pipe to read waits until another one writes.
#[cfg(unix)]
#[test]
fn no_pipe_is_waited_for() {
    let project = project();
    project.xtask("check").ok();
    project.xtask("check").agent("a").ok();
    let lane = project.only_lane();
    let is_over = |words: &str, agent: &str| {
        let mut call = project.xtask(words).agent(agent);
        call.command.env_remove("RUSTUP_TOOLCHAIN"); // So that rustup looks for it in the tree.
        call.run();
    };
    for (file, words) in [
        ("target/.lane", "check"),
        ("target/.place", "check"),
        ("target/.filled-at", "check"),
        (".cargo/wrapper/config.toml", "check"),
        // cargo itself would wait for these.
        (".cargo/config.toml", "lane list"),
        ("Cargo.lock", "lane list"),
        ("Cargo.toml", "lane list"),
        ("rust-toolchain.toml", "lane list"),
        ("target/debug/.cargo-lock", "clean"),
        (&format!("{lane}/.lane"), "check"),
    ] {
        let path = project.root.join(file);
        let old = project.root.with_file_name("old");
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        let was_there = std::fs::rename(&path, &old).is_ok();
        let made = project.command("mkfifo").arg(&path).status().expect("mkfifo starts");
        assert!(made.success(), "{file}");
        is_over(words, "");
        is_over(words, "a");
        is_over("lane list", "");
        is_over("lane fork --dry-run", "b");
        std::fs::remove_file(&path).ok();
        if was_there {
            std::fs::rename(&old, &path).expect("it can be moved");
        }
    }
}

/// cargo leaves a directory that was there undeclared, and so does a fork into it.
#[test]
fn a_directory_with_files_of_others_gets_no_tag() {
    let project = donor();
    project.write(".gitignore", "/target/debug/\n/target/.*\n");
    project.write("target/notes.md", "written by hand");
    project.git(&["add", "--force", "target/notes.md"]);
    project.git(&["commit", "--quiet", "--all", "--message=notes"]);
    let second = worktree(&project, "second");
    first_build(&project, &second).forked();
    assert!(!second.join("target/CACHEDIR.TAG").exists());
    project.xtask("clean").within(&second).fails_with(1);
    assert!(second.join("target/notes.md").is_file());
}

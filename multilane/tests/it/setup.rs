//! `setup`: plain cargo and plain git are warm in a clone, git shows nothing of it, and it can be
//! taken back.

use crate::fork::worktree;
use crate::support::{Call, INCLUDE, Project, contents_below, put};

/// A workspace that knows nothing of us, not even an ignored `target/`.
fn foreign() -> Project {
    let project = Project::outside();
    project.write("Cargo.toml", "[workspace]\nresolver = \"3\"\nmembers = [\"crates/*\"]\n");
    project.package("crates/core", "core", &[]);
    project.package("crates/app", "app", &["core"]);
    project.cargo("generate-lockfile").ok();
    project.commit();
    project
}

fn setup(project: &Project, words: &str) -> Call {
    project.xtask(&format!("multilane setup {words}"))
}

fn status(project: &Project) -> String {
    project.git(&["status", "--porcelain"])
}

#[test]
fn a_new_worktree_of_plain_git_is_warm_for_plain_cargo() {
    let project = foreign();
    setup(&project, "--check").fails_with(1);
    setup(&project, "").fails_with(1); // stdin is no terminal.
    assert_eq!(contents_below(&project.root.join(".cargo")).len(), 0);
    setup(&project, "--yes").ok();
    assert_eq!(status(&project), "");
    setup(&project, "--check").ok();
    project.cargo("build").ok();

    let second = worktree(&project, "second");
    let built = project.cargo("build").within(&second).ok().built();
    assert_eq!(built.len(), 0, "{built:?}");
    for dir in [&project.root, &second] {
        assert_eq!(project.git_in(dir, &["status", "--porcelain"]), "");
    }
    // cargo finds the wrapper there, and so would an edit.
    assert!(second.join(".cargo/wrapper/rustc").is_file());
    let config = std::fs::read_to_string(second.join(".cargo/config.toml")).expect("it is there");
    assert_eq!(config, project.read(".cargo/config.toml"));
    // A worktree that was there is set up, too.
    setup(&project, "--check").within(&second).ok();
}

#[test]
fn what_may_have_read_the_tree_is_brought_too() {
    // No `.cargo/` but ours, so git lists the directory as ignored, and a lockfile that is ignored.
    let project = foreign();
    project.git(&["rm", "--quiet", "--cached", "Cargo.lock"]);
    project.write(".gitignore", "/target/\n/Cargo.lock\n").write("VERSION", "1");
    project.write(
        "crates/core/build.rs",
        "fn main() { println!(\"cargo::rerun-if-changed=build.rs\");
         println!(\"cargo::rustc-env=TEXT={}\", std::fs::read_to_string(\"../../VERSION\").unwrap()); }",
    );
    project.commit();
    project.cargo("build").ok();
    setup(&project, "--yes").ok();

    project.xtask("multilane build-dev").agent("a").ok().compiled(0);
    let second = worktree(&project, "second");
    let lock = std::fs::read_to_string(second.join("Cargo.lock")).expect("it was copied");
    assert_eq!(lock, project.read("Cargo.lock"));
    let built = project.cargo("build").within(&second).ok().built();
    assert_eq!(built.len(), 0, "{built:?}");
    // The directory's files count all the same.
    project.write(".cargo/notes", "").write(".git/info/exclude", ".cargo/\nCargo.lock\ntarget\n");
    let third = worktree(&project, "third");
    assert!(!project.cargo("build").within(&third).ok().built().is_empty());
}

#[test]
fn removing_takes_back_what_was_done_and_nothing_else() {
    let project = foreign();
    let hooks = project.root.join(".git/hooks");
    project.write(".git/hooks/post-checkout", "#!/bin/sh\n: mine\n");
    project.write(".git/info/exclude", "/notes"); // Without a newline.
    let existing = worktree(&project, "existing");
    let before =
        (contents_below(&hooks), project.read(".git/info/exclude"), project.read(".git/config"));
    let tree = [contents_below(&project.root.join(".cargo")), contents_below(&existing)];

    setup(&project, "--yes").ok();
    setup(&project, "--yes").ok(); // A second time changes nothing.
    assert!(existing.join(".cargo/config.toml").is_file());
    worktree(&project, "later");
    assert!(project.read(".git/info/exclude").starts_with("/notes\n"));
    setup(&project, "--remove --yes").ok();
    let after =
        (contents_below(&hooks), project.read(".git/info/exclude"), project.read(".git/config"));
    assert_eq!(after, before);
    assert_eq!([contents_below(&project.root.join(".cargo")), contents_below(&existing)], tree);
    assert!(!project.root.with_file_name("later").join(".cargo").exists());
    assert!(!project.exists(".git/multilane/setup.json"));
    setup(&project, "--check").fails_with(1);
    setup(&project, "--remove --yes").ok().does_not_say("Removed");
}

#[test]
fn a_hook_and_a_changed_file_stay() {
    let project = foreign();
    project.xtask("lane hook --install").ok();
    setup(&project, "--yes").ok();
    project.write(".cargo/config.toml", "# Mine now.\n");
    setup(&project, "--remove --yes").ok();
    project.xtask("lane hook --check").ok();
    assert_eq!(project.read(".cargo/config.toml"), "# Mine now.\n");
}

#[test]
fn a_configuration_of_the_projects_own_is_not_touched() {
    let project = foreign();
    let own = "[alias]\nb = \"build\"\n";
    project.write(".cargo/config.toml", own).write(".gitignore", "target/\n").commit();
    let ran = setup(&project, "--yes").ok();
    ran.says(INCLUDE.trim_end());
    assert_eq!(project.read(".cargo/config.toml"), own);
    assert_eq!(status(&project), "");
    setup(&project, "--check").ok(); // The rest is done.
    project.cargo("build").ok();
    let built = project.cargo("build").within(worktree(&project, "second")).ok().built();
    assert_eq!(built.len(), 0, "{built:?}");

    // With the line that it names, there is the wrapper as well.
    project.write(".cargo/config.toml", &format!("{INCLUDE}{own}")).commit();
    setup(&project, "--yes").ok();
    assert!(project.exists(".cargo/wrapper/rustc"));
    assert_eq!(status(&project), "");
}

#[test]
fn what_others_have_put_beside_our_files_stays() {
    let project = foreign();
    setup(&project, "--yes").ok();
    project.write(".cargo/wrapper/notes.md", "mine");
    // In another worktree the folder was never ours.
    let second = worktree(&project, "second");
    let theirs = second.join(".cargo/wrapper");
    std::fs::remove_dir_all(&theirs).ok();
    put(&theirs, "rustc", "#!/bin/sh\n");
    setup(&project, "--remove --yes").ok().says("stays");
    assert_eq!(project.read(".cargo/wrapper/notes.md"), "mine");
    assert!(theirs.join("rustc").is_file());
}

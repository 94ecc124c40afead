//! `clean` deletes what it says, and never what somebody uses.

use crate::signals::WAITS;
use crate::support::{Project, names, wait_until};

fn project() -> Project {
    let project = Project::workspace(&[("core", &[])]);
    project.cargo("generate-lockfile").ok();
    project
}

#[test]
fn an_agent_cleans_its_own_lane_and_no_other() {
    let project = project();
    project.xtask("check").ok();
    project.xtask("check").agent("a").ok();
    project.xtask("check").agent("b").ok();
    project.xtask("clean").agent("a").ok().says("Removed .lanes/a/");
    assert!(project.only_lane().starts_with(".lanes/b/"));
    assert!(!project.exists(".lanes/a"), "the empty folder stayed");
    assert!(project.exists("target/debug"));
    project.xtask("clean").agent("a").ok().says("nothing to delete");
}

#[test]
fn the_worktrees_lane_is_emptied_but_for_xtask() {
    let project = project();
    project.xtask("check").ok();
    project.xtask("check").agent("a").ok();
    project.write("target/xtask/xtask", "the program that runs");
    project.xtask("clean").ok().says("Removed target");
    assert!(!project.exists("target/debug/deps"));
    assert!(project.exists("target/xtask/xtask"));
    project.only_lane();
    assert!(!project.exists("target/.filled-at"));
    project.xtask("check").ok().forked_from("/.lanes/a/");
    assert!(project.exists("target/.filled-at"), "it was not filled as an empty lane is");
    project.xtask("clean --all").ok();
    project.xtask("check").ok().compiled_of(1, &["core"]);
}

#[test]
fn a_part_is_cleaned_as_cargo_does() {
    let project = project();
    project.xtask("build-dev").agent("a").ok();
    project.xtask("build-release").agent("a").ok();
    project.xtask("clean --release").agent("a").ok();
    let lane = project.only_lane();
    assert!(
        project.exists(&format!("{lane}/debug")) && !project.exists(&format!("{lane}/release"))
    );
}

#[test]
fn intermediates_that_are_kept_elsewhere_go_too() {
    let project = project();
    project.write(".cargo/config.toml", "[build]\nbuild-dir = \"intermediates\"\n");
    project.xtask("check").ok();
    project.xtask("clean").ok();
    project.xtask("check").ok().compiled(1);
}

#[test]
fn what_is_in_use_stays() {
    let project = project();
    project.package("crates/slow", "slow", &[]);
    project.write("crates/slow/build.rs", WAITS);
    project.cargo("generate-lockfile").ok();
    project.xtask("check --package core").agent("idle").ok();

    let child = project.xtask("check").agent("busy").env("STAGE", &project.root).start();
    wait_until("the build script", || project.exists("pid"));
    project.xtask("clean").agent("busy").fails_with(1).says("is in use").says("help: ");
    project.xtask("clean --profile dev").agent("busy").fails_with(1).says("is in use");
    project.xtask("clean --all").ok().says("Kept .lanes/busy/").says("Removed .lanes/idle/");
    assert!(project.only_lane().starts_with(".lanes/busy/"));

    project.write("go", "");
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    project.xtask("clean --all").ok().says("Removed .lanes/busy/");
    assert!(project.lanes().is_empty());
}

#[test]
fn plain_cargo_in_a_lane_counts_as_use() {
    let project = project();
    project.write("crates/core/build.rs", WAITS);
    let child = project.cargo("check").env("STAGE", &project.root).start();
    wait_until("the build script", || project.exists("pid"));
    project.xtask("clean").fails_with(1).says("target is in use");
    project.write("go", "");
    assert!(child.wait_with_output().expect("it ends").status.success());
    project.xtask("clean").ok();
}

#[test]
fn what_may_be_somebodys_files_is_left_alone() {
    let project = project();
    project.write("target/precious.txt", "mine");
    project.xtask("clean").fails_with(1).says("has no CACHEDIR.TAG");
    project.write(".lanes/notes/readme/text.txt", "mine");
    project.xtask("check").agent("a").ok();
    let lane = project.lanes()[0].clone();
    std::fs::remove_file(project.root.join(&lane).join("CACHEDIR.TAG")).expect("it is there");
    project.xtask("clean").agent("a").fails_with(1).says("has no CACHEDIR.TAG");
    project.xtask("clean --all").fails_with(1);
    for file in ["target/precious.txt", ".lanes/notes/readme/text.txt", &format!("{lane}/debug")] {
        assert!(project.exists(file), "{file} is gone");
    }
}

#[test]
fn a_dry_run_names_what_would_go_and_deletes_nothing() {
    let project = project();
    project.xtask("check").ok();
    project.xtask("check").agent("a").ok();
    let ran = project.xtask("clean --all --dry-run").ok();
    assert_eq!(ran.stdout(), format!("target\n{}\n", project.only_lane()));
    assert!(project.exists("target/debug"));
}

#[test]
fn killed_in_the_middle_it_leaves_a_whole_lane_or_none() {
    const FILES: usize = 3000;
    let project = project();
    for round in 0..12_u32 {
        project.xtask("check").agent("a").ok();
        let lane = project.only_lane();
        for file in 0..FILES {
            project.write(&format!("{lane}/debug/deps/{file}"), "");
        }
        let mut child = project.xtask("clean").agent("a").start();
        // Somewhere between the first look and the last file; each moment has to be a good one.
        std::thread::sleep(std::time::Duration::from_millis(u64::from(round)));
        drop(child.kill());
        child.wait().expect("it ends");

        if project.exists(&lane) {
            let left = names(&project.root.join(&lane).join("debug/deps")).len();
            assert!(
                left >= FILES,
                "round {round}: a lane with {left} of {FILES} files looks whole"
            );
        }
    }
    project.xtask("clean --all").ok();
    assert_eq!(names(&project.root.join(".lanes")), [".gitignore"]);
}

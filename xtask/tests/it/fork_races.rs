//! Forks at bad moments: the donor builds, or was killed; the fork itself is killed; the lane is in use.

use std::path::Path;
use std::process::Child;
use std::time::Duration;

use crate::fork::{donor, first_build, printed, remove, worktree};
use crate::support::Project;

/// How often each race is run: with other moments every time, but the same ones in every run of the tests.
const ROUNDS: u64 = 10;

/// A number below `end`, well spread over the rounds.
fn moment(round: u64, end: u64) -> Duration {
    let mixed = (round + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33;
    Duration::from_millis(mixed % end)
}

fn write_text(root: &Path, text: &str) {
    let source = format!("pub fn text() -> String {{ \"{text}\".to_owned() }}\n");
    std::fs::write(root.join("crates/core/src/lib.rs"), source).expect("it can be written");
}

fn start_build(project: &Project) -> Child {
    project.cargo("build").start()
}

#[test]
fn a_donor_that_is_built_during_the_fork() {
    let project = donor();
    for round in 0..ROUNDS {
        let (before, after) = (format!("before {round}"), format!("after {round}"));
        write_text(&project.root, &before);
        project.cargo("build").ok();
        let second = worktree(&project, "second");
        // Ours is what the donor has built, or what it is building.
        let own = if round % 2 == 0 { &before } else { &after };
        write_text(&second, own);
        write_text(&project.root, &after);

        let mut build = start_build(&project);
        std::thread::sleep(moment(round, 600));
        let ran = first_build(&project, &second);
        assert!(build.wait().expect("it ends").success());
        assert_eq!(printed(&project, &second), format!("{own}\n"), "round {round}\n{}", ran.report());
        assert_eq!(printed(&project, &project.root), format!("{after}\n"), "round {round}");
        ran.does_not_say("warning");
        remove(&second);
        project.git(&["worktree", "prune"]);
    }
}

#[test]
fn a_lane_of_the_same_tree_that_is_built_during_the_fork() {
    let project = donor();
    for round in 0..ROUNDS {
        let text = format!("round {round}");
        write_text(&project.root, &text);
        let mut build = start_build(&project);
        std::thread::sleep(moment(round, 600));
        let ran = project.xtask("run --quiet --package app").agent("a").ok();
        assert_eq!(ran.stdout(), format!("{text}\n"), "round {round}\n{}", ran.report());
        assert!(build.wait().expect("it ends").success());
        remove(&project.root.join(".lanes"));
    }
}

#[test]
fn a_donor_that_was_killed_while_it_was_built() {
    let project = donor();
    for round in 0..ROUNDS {
        let text = format!("round {round}");
        write_text(&project.root, &text);
        let mut build = start_build(&project);
        std::thread::sleep(moment(round, 500));
        build.kill().expect("it can be killed");
        build.wait().expect("it ends");
        let second = worktree(&project, "second");
        write_text(&second, &text);
        let ran = first_build(&project, &second);
        assert_eq!(printed(&project, &second), format!("{text}\n"), "round {round}\n{}", ran.report());
        remove(&second);
        project.git(&["worktree", "prune"]);
    }
}

#[test]
fn a_fork_that_was_killed() {
    let project = donor();
    for round in 0..ROUNDS {
        let second = worktree(&project, "second");
        write_text(&second, &format!("round {round}"));
        let mut fork = project.xtask("lane fork").within(&second).start();
        std::thread::sleep(moment(round, 120));
        fork.kill().expect("it can be killed");
        fork.wait().expect("it ends");
        // Plain cargo, and then a fork into whatever was left.
        if round % 2 == 0 {
            assert_eq!(printed(&project, &second), format!("round {round}\n"), "round {round}");
        }
        project.xtask("lane fork").within(&second).ok();
        assert_eq!(printed(&project, &second), format!("round {round}\n"), "round {round}");
        let left = std::fs::read_dir(second.join("target")).expect("a lane").flatten();
        let left: Vec<_> =
            left.filter(|entry| entry.file_name().to_string_lossy().starts_with(".fork")).collect();
        assert!(left.is_empty(), "{left:?}");
        remove(&second);
        project.git(&["worktree", "prune"]);
    }
}

#[test]
fn nothing_is_added_to_a_lane_in_which_somebody_builds() {
    let project = donor();
    let second = worktree(&project, "second");
    project.cargo("build --package alone").within(&second).ok();
    // A build that takes as long as it is told to.
    let script = "fn main() { while !std::path::Path::new(\"../../go\").exists() { \
                  std::fs::write(\"../../waits\", \"\").unwrap(); \
                  std::thread::sleep(std::time::Duration::from_millis(5)); } }";
    std::fs::write(second.join("crates/alone/build.rs"), script).expect("it can be written");
    let mut build = project.cargo("build --package alone").within(&second).start();
    crate::support::wait_until("the build", || second.join("waits").exists());
    let ran = project.xtask("lane fork").within(&second).fails_with(1);
    ran.says("cannot fork target: somebody builds in it");
    std::fs::write(second.join("go"), "").expect("it can be written");
    assert!(build.wait().expect("it ends").success());
    project.xtask("lane fork").within(&second).ok().says("Forked");
    assert_eq!(printed(&project, &second), "one\n");
}

#[test]
fn a_lane_that_cannot_be_forked_is_built_without() {
    let project = donor();
    let second = worktree(&project, "second");
    // Something is in the way where units are staged; to this end the lane is made a file's neighbour.
    std::fs::write(second.join("target"), "somebody's").expect("it can be written");
    let ran = project.xtask("build").within(&second).run();
    assert_eq!(ran.stderr().matches("begins cold").count(), 1, "{}", ran.report());
    std::fs::remove_file(second.join("target")).expect("it is there");
    first_build(&project, &second).says("Forked");
}

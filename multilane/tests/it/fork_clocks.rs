//! Times that do not tell what was first: clocks that were set, and file systems that keep whole
//! seconds.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::fork::{
    build, change_times, even_second, files_below, first_build, hours_ago, printed, prints,
    scripted, set_modified, undone, worktree, write_text,
};
use crate::support::{Project, put, wait_until};

const SOURCE: &str = "crates/core/src/lib.rs";

fn committed() -> Project {
    let project = undone();
    project.commit();
    project
}

/// Once: some files have two names.
fn an_hour_on(time: SystemTime) -> SystemTime {
    if time > SystemTime::now() { time } else { time + Duration::from_secs(3600) }
}

/// cargo's record of what a unit was made from, whose time is that of the build.
fn record(project: &Project, name: &str) -> PathBuf {
    let mut files = files_below(&project.root.join("target/debug")).into_iter();
    files.find(|file| file.ends_with(name)).expect("a unit that has it")
}

#[test]
fn a_source_of_ours_from_the_future() {
    let project = committed();
    build(&project);
    // If the lane took over its time, the edit after it would go unnoticed.
    let second = worktree(&project, "second");
    set_modified(&second.join(SOURCE), SystemTime::now() + Duration::from_secs(3600));
    first_build(&project, &second).leaves("future", "core/src/lib.rs");
    write_text(&second, "two");
    assert_eq!(printed(&project, &second), "two\n");
}

#[test]
fn a_source_of_the_donors_from_the_future() {
    let project = committed();
    build(&project);
    // Its unit is outdated for cargo, and so it is for us.
    set_modified(&project.root.join(SOURCE), SystemTime::now() + Duration::from_secs(3600));
    let second = worktree(&project, "second");
    first_build(&project, &second).leaves("outdated", "crates/core/src/lib.rs");
    prints(&project, &second, "one\n");
}

/// The donor was built before the clock was put right: an edit since then looks older than the
/// build.
#[test]
fn a_donor_that_was_built_in_the_future() {
    for is_edited in [true, false] {
        let project = committed();
        build(&project);
        change_times(&project.root.join("target"), &an_hour_on);
        let second = worktree(&project, "second");
        if is_edited {
            write_text(&project.root, "two");
            write_text(&second, "two");
        }
        let text = if is_edited { "two\n" } else { "one\n" };
        first_build(&project, &second);
        prints(&project, &second, text);
        // An edit after the fork is noticed here, whatever the donor does.
        write_text(&second, "six");
        assert_eq!(printed(&project, &second), "six\n");
        // The same in a lane of the same tree.
        let run = || project.xtask("run --quiet --package app").agent("a").ok().stdout();
        assert_eq!(run(), text);
        write_text(&project.root, "six");
        assert_eq!(run(), "six\n");
    }
}

#[test]
fn a_build_script_that_was_run_in_the_future() {
    let script = "fn main() { println!(\"cargo::rerun-if-changed=data.txt\"); \
                  println!(\"cargo::rustc-env=TEXT={}\", std::fs::read_to_string(\"data.txt\").unwrap()); }";
    let project = scripted(script);
    project.write("crates/core/data.txt", "one").commit();
    build(&project);
    change_times(&project.root.join("target"), &an_hour_on);
    // It was compiled before the clock was wrong, and only run since.
    set_modified(&record(&project, "dep-build-script-build-script-build"), SystemTime::now());
    let second = worktree(&project, "second");
    for root in [&project.root, &second] {
        put(root, "crates/core/data.txt", "two");
    }
    first_build(&project, &second);
    prints(&project, &second, "two\n");
}

/// The clock of the fork's tree was behind: all that is there is older than anything in the donor.
#[test]
fn a_tree_of_ours_from_the_past() {
    let project = committed();
    build(&project);
    let second = worktree(&project, "second");
    write_text(&second, "two");
    change_times(&second.join("crates"), &|_| hours_ago(10_000));
    first_build(&project, &second).leaves("differs", "core/src/lib.rs");
    prints(&project, &second, "two\n");
    let third = worktree(&project, "third");
    change_times(&third.join("crates"), &|_| hours_ago(10_000));
    first_build(&project, &third).compiled(0);
    // An edit under a clock that is still behind is younger than what was forked.
    write_text(&third, "two");
    set_modified(&third.join(SOURCE), hours_ago(9_999));
    assert_eq!(printed(&project, &third), "two\n");
}

/// The time of a change of status stays exact here; on a file system that keeps even seconds it has
/// them, too. So it must not be of the second that the build is rounded down to.
fn build_in_the_next_even_second(project: &Project) {
    let changed = SystemTime::now();
    wait_until("the next even second", || even_second(SystemTime::now()) > changed);
    build(project);
}

#[test]
fn an_edit_in_the_second_of_the_donors_build() {
    let project = committed();
    change_times(&project.root.join("crates"), &|_| even_second(hours_ago(1)));
    build_in_the_next_even_second(&project);
    change_times(&project.root.join("target"), &even_second);
    let second = worktree(&project, "second");
    // As on a file system that keeps no fractions, its time is the build's.
    write_text(&project.root, "two");
    let time = record(&project, "dep-lib-core")
        .metadata()
        .expect("it is there")
        .modified()
        .expect("a time");
    set_modified(&project.root.join(SOURCE), time);
    write_text(&second, "two");
    first_build(&project, &second).leaves("outdated", "crates/core/src/lib.rs");
    prints(&project, &second, "two\n");
}

#[test]
fn an_edit_in_the_second_of_the_fork() {
    let project = committed();
    change_times(&project.root.join("crates"), &|_| even_second(hours_ago(1)));
    build_in_the_next_even_second(&project);
    change_times(&project.root.join("target"), &even_second);
    let second = worktree(&project, "second");
    // Just written, on a file system that keeps even seconds; then forked; then edited.
    let now = SystemTime::now;
    wait_until("an even second", || now() < even_second(now()) + Duration::from_millis(100));
    let written = even_second(now());
    change_times(&second.join("crates"), &|_| written);
    first_build(&project, &second).compiled(0);
    write_text(&second, "two");
    set_modified(&second.join(SOURCE), even_second(now()));
    prints(&project, &second, "two\n");
}

#[test]
fn a_fork_of_a_fork_of_sources_from_an_archive() {
    let project = committed();
    let unpack = |root: &Path| {
        // As tar leaves them.
        change_times(&root.join("crates"), &|_| UNIX_EPOCH + Duration::from_secs(1_700_000_000));
    };
    unpack(&project.root);
    build(&project);
    for name in ["second", "third"] {
        let tree = worktree(&project, name);
        unpack(&tree);
        first_build(&project, &tree).compiled(0);
        drop(std::fs::remove_dir_all(project.root.join("target")));
    }
}

//! Forks of what asks git: a new worktree has a branch of its own, which most scripts do not ask
//! for. What they ask, git has written down in builds through xtask.

use std::path::{Path, PathBuf};

use crate::fork::{first_build, printed, printed_from_scratch, remove, undone};
use crate::support::{Call, Project};

/// `core` has a build script that prints what git answers to these words. Committed, and built
/// through xtask.
fn asking(words: &str) -> Project {
    let project = undone();
    let script = format!(
        "fn main() {{
    let output = std::process::Command::new(\"git\").args({:?}).output().unwrap();
    println!(\"cargo::rerun-if-changed=build.rs\");
    println!(\"cargo::rustc-env=TEXT={{}}\", String::from_utf8(output.stdout).unwrap().trim());
}}\n",
        words.split(' ').collect::<Vec<_>>()
    );
    let source = "pub fn text() -> String { env!(\"TEXT\").to_owned() }\n";
    project.write("crates/core/build.rs", &script).write("crates/core/src/lib.rs", source);
    project.commit();
    project.git(&["tag", "1.0"]);
    project.xtask("build").ok();
    project
}

/// A worktree with a branch of its own.
fn branch(project: &Project, name: &str, from: &str) -> PathBuf {
    let dir = project.root.with_file_name(name);
    let path = dir.to_str().expect("UTF-8");
    project.git(&["worktree", "add", "--quiet", "-b", name, path, from]);
    dir
}

#[track_caller]
fn is_left(project: &Project, dir: &Path) {
    remove(&dir.join("target"));
    first_build(project, dir).leaves("commit", "asks git");
    assert_eq!(printed(project, dir), printed_from_scratch(project, dir));
}

#[test]
fn what_the_commit_answers_is_the_same_on_another_branch() {
    let project = asking("rev-parse HEAD");
    let second = branch(&project, "second", "main");
    first_build(&project, &second).compiled(0);
    assert_eq!(printed(&project, &second), printed_from_scratch(&project, &second));
    // From there on, too, and for agents.
    remove(&project.root.join("target"));
    let third = branch(&project, "third", "main");
    first_build(&project, &third).compiled(0);
    project.xtask("build").within(&third).agent("a").ok().compiled(0);

    // Another commit, of the same files.
    project.git(&["commit", "--quiet", "--allow-empty", "--message=next"]);
    let fourth = branch(&project, "fourth", "main");
    first_build(&project, &fourth).leaves("commit", "asks git");
    // One that came where the donor was built, afterwards.
    remove(&fourth);
    project.git(&["worktree", "prune"]);
    for dir in [&second, &third] {
        project.git_in(dir, &["commit", "--quiet", "--allow-empty", "--message=next"]);
    }
    let fifth = branch(&project, "fifth", "third");
    first_build(&project, &fifth).leaves("commit", "asks git");
}

#[test]
fn a_tag_is_part_of_an_answer() {
    let project = asking("describe --tags");
    let second = branch(&project, "second", "main");
    first_build(&project, &second).compiled(0);
    assert_eq!(printed(&project, &second), "1.0\n");
    project.git(&["tag", "--force", "2.0"]);
    project.git(&["tag", "--delete", "1.0"]);
    is_left(&project, &second);
}

#[test]
fn what_variables_configure_is_part_of_an_answer() {
    let project = asking("rev-parse --short HEAD");
    let abbreviated = |call: Call| {
        let call = call.env("GIT_CONFIG_COUNT", "1").env("GIT_CONFIG_KEY_0", "core.abbrev");
        call.env("GIT_CONFIG_VALUE_0", "20").ok()
    };
    let second = branch(&project, "second", "main");
    abbreviated(project.xtask("build").within(&second)).leaves("commit", "asks git");
    assert_eq!(printed(&project, &second).trim().len(), 20);
}

#[test]
fn the_branch_is_part_of_an_answer() {
    let project = asking("rev-parse --abbrev-ref HEAD");
    let second = branch(&project, "second", "main");
    first_build(&project, &second).leaves("commit", "asks git");
    assert_eq!(printed(&project, &second), "second\n");
}

#[test]
fn what_plain_cargo_has_built_has_asked_nobody_knows_what() {
    let project = asking("rev-parse HEAD");
    let second = branch(&project, "second", "main");
    first_build(&project, &second).compiled(0);
    project.cargo("clean --package core").ok();
    project.cargo("build").ok();
    is_left(&project, &second);
}

/// What tests ask git has no part in what was built. They do not see that anybody is asked.
#[test]
fn tests_see_nothing_of_it() {
    let project = undone();
    let test =
        "#[test] fn passes() { assert!(std::env::var_os(\"GIT_TRACE2_EVENT\").is_none()); }\n";
    project.write("crates/app/tests/it.rs", test);
    project.commit();
    project.xtask("test").ok();
    project.xtask("test").agent("a").ok();
    let mut project = project;
    project.set("GIT_TRACE2_EVENT", "/dev/null");
    project.xtask("test").fails_with(100);
    project.xtask("test").agent("a").fails_with(100);
}

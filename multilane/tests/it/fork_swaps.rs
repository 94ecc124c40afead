//! What is the same to each look at its bytes and at its times, and is another all the same: what a
//! directory was renamed to, a link leads to, git's state says, or only a listing shows.

#![cfg(unix)]

use std::os::unix::fs::symlink;

use crate::fork::{first_build, printed, undone, worktree};
use crate::support::Project;

/// `core` has the text of this file compiled in.
fn including(file: &str) -> Project {
    let project = undone();
    let source = format!("pub fn text() -> String {{ include_str!({file:?}).to_owned() }}\n");
    project.write("crates/core/src/lib.rs", &source);
    for text in ["one", "two"] {
        project.write(&format!("crates/core/data/{text}/text"), text);
        project.write(&format!("{text}/text"), text);
    }
    project
}

#[track_caller]
fn is_left(project: &Project, reason: &str, explanation: &str, expected: &str) {
    project.commit();
    let second = worktree(project, "second");
    first_build(project, &second).leaves(reason, explanation);
    assert_eq!(printed(project, &second), expected);
}

/// The files keep their times, those that the system keeps by itself, too.
#[test]
fn directories_that_change_names() {
    const DATA: &str = "crates/core/data";
    for (file, dir) in [("../data/one/text", DATA), ("../../../one/text", ".")] {
        let project = including(file);
        project.commit();
        project.cargo("build").ok();
        // What is made beside the sources is no swap.
        for dir in ["one", "crates", "crates/core/data/one"] {
            project.write(&format!("{dir}/new.ignored"), "");
        }
        project.xtask("build").agent("a").ok().compiled(0);
        let dir = project.root.join(dir);
        for [from, to] in [["one", "old"], ["two", "one"]] {
            std::fs::rename(dir.join(from), dir.join(to)).expect("it can be moved");
        }
        if dir.ends_with(DATA) {
            project.write(&format!("{DATA}/one/later"), "");
        }
        is_left(&project, "outdated", "text", "two\n");
    }
}

#[test]
fn links_that_lead_elsewhere() {
    for (file, link) in [("../data/link/text", "data/link"), ("../data/link", "data/link")] {
        let project = including(file);
        let to = |text: &str| text.to_owned() + if link == &file[3..] { "/text" } else { "" };
        let link = project.root.join("crates/core").join(link);
        symlink(to("one"), &link).expect("a link");
        project.commit();
        project.cargo("build").ok();
        std::fs::remove_file(&link).expect("it is there");
        symlink(to("two"), &link).expect("a link");
        is_left(&project, "outdated", "link", "two\n");
    }
}

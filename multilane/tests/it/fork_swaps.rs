//! What is the same to each look at its bytes and at its times, and is another all the same: what a
//! directory was renamed to, a link leads to, git's state says, or only a listing shows.

#![cfg(unix)]

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use crate::fork::{first_build, printed, remove, undone, worktree};
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

/// The text of `core` is what its build script has made of the rest of the tree or of git.
const ASKS: &str = "fn main() { println!(\"cargo::rerun-if-changed=build.rs\"); \
    std::process::Command::new(\"git\").args([\"describe\", \"--always\", \"--dirty\"]).output().unwrap(); }\n";

#[test]
fn git_says_more_than_its_head() {
    let project = undone();
    project.write("crates/core/build.rs", ASKS).write("note", "").commit();
    project.git(&["tag", "lib/one"]);
    let changes: [&[&str]; 4] = [
        &["tag", "lib/two"],
        &["update-ref", "refs/remotes/origin/main", "HEAD"],
        &["config", "app.mode", "another"],
        &["rm", "--quiet", "--cached", "note"],
    ];
    for (at, change) in changes.iter().enumerate() {
        project.write("crates/core/build.rs", &format!("{ASKS}// {at}\n")).commit();
        project.cargo("build").ok();
        project.xtask("build").agent("a").ok().compiled(0);
        project.git(change);
        project.xtask("build").agent("b").ok().leaves("commit", "asks git");
        remove(&project.root.join(".lanes"));
    }
}

#[test]
fn another_repository_has_a_state_of_its_own() {
    let project = undone();
    let beside = project.root.with_file_name("beside");
    std::fs::create_dir_all(beside.join("src")).expect("a directory");
    let manifest = "[package]\nname = \"beside\"\nversion = \"0.0.0\"\nedition = \"2024\"\n";
    for (file, text) in [("Cargo.toml", manifest), ("build.rs", ASKS), ("src/lib.rs", "")] {
        std::fs::write(beside.join(file), text).expect("it can be written");
    }
    for args in [&["init", "--quiet"][..], &["add", "--all"], &["commit", "--quiet", "-m", "one"]] {
        project.git_in(&beside, args);
    }
    let manifest = project.read("crates/app/Cargo.toml");
    project
        .write("crates/app/Cargo.toml", &(manifest + "beside = { path = \"../../../beside\" }\n"));
    project.cargo("generate-lockfile").ok();
    project.commit();
    project.cargo("build").ok();
    project.xtask("build").agent("a").ok().compiled(0);
    project.git_in(&beside, &["tag", "two"]);
    project.xtask("build").agent("b").ok().leaves("commit", "asks git");
}

const READS: &str = "fn main() { println!(\"cargo::rerun-if-changed=build.rs\"); \
    std::fs::read_to_string(\"../../VERSION\").unwrap(); }\n";

/// What is another one then, and what is done to the tree.
type Change<'a> = (&'a str, &'a dyn Fn(&Path));

/// Here git lists the same files, and they have the same bytes.
#[test]
fn trees_with_the_same_bytes_that_are_not_the_same() {
    let project = undone();
    let ignored = project.read(".gitignore") + "target\n";
    project.write(".gitignore", &ignored).write("crates/core/build.rs", READS);
    project.write("VERSION", "one").write("OTHER", "one");
    symlink("VERSION", project.root.join("link")).expect("a link");
    // What cargo has built of another workspace is nobody's to compare.
    project.write("crates/core/target/CACHEDIR.TAG", "").write("crates/core/target/debug/app", "");
    project.commit();
    project.cargo("build").ok();
    let changes: [Change<'_>; 5] = [
        ("VERSION", &|tree| {
            let rights = std::fs::Permissions::from_mode(0o755);
            std::fs::set_permissions(tree.join("VERSION"), rights).expect("it is ours");
        }),
        ("link", &|tree| {
            std::fs::remove_file(tree.join("link")).expect("it is there");
            symlink("OTHER", tree.join("link")).expect("a link");
        }),
        ("link", &|tree| {
            std::fs::remove_file(tree.join("link")).expect("it is there");
            std::fs::write(tree.join("link"), "one").expect("it can be written");
        }),
        ("nothing", &|tree| std::fs::create_dir(tree.join("nothing")).expect("a directory")),
        ("", &|tree| {
            std::fs::create_dir_all(tree.join("web/target")).expect("a directory");
            std::fs::write(tree.join("web/target/app.wasm"), "").expect("it can be written");
        }),
    ];
    first_build(&project, &worktree(&project, "same")).compiled(0);
    for (at, (name, change)) in changes.into_iter().enumerate() {
        let tree = worktree(&project, &format!("changed{at}"));
        change(&tree);
        first_build(&project, &tree).leaves("script", name);
    }
}

#[test]
fn what_is_behind_a_link_out_of_the_tree() {
    let project = undone();
    let beside = project.root.with_file_name("beside");
    std::fs::create_dir(&beside).expect("a directory");
    std::fs::write(beside.join("text"), "one").expect("it can be written");
    symlink("../../../beside", project.root.join("crates/core/data")).expect("a link");
    project.write("crates/core/build.rs", READS).write("VERSION", "one").commit();
    project.cargo("build").ok();
    project.xtask("build").agent("a").ok().compiled(0);
    std::fs::write(beside.join("text"), "two").expect("it can be written");
    project.xtask("build").agent("b").ok().leaves("script", "crates/core/data was changed");
}

/// The file has gone, and what is there now tells nothing of it: a directory has one time for all
/// that comes and goes in it.
#[test]
fn what_was_deleted_after_it_had_been_read() {
    let script = "fn main() { println!(\"cargo::rerun-if-changed=build.rs\");
        let secret = std::fs::read_to_string(\"../../secret.ignored\").unwrap_or(\"none\".into());
        println!(\"cargo::rustc-env=TEXT={secret}{}\", std::env::var(\"TOLD\").unwrap_or_default()); }\n";
    let project = undone();
    project.write("crates/core/build.rs", script);
    project
        .write("crates/core/src/lib.rs", "pub fn text() -> String { env!(\"TEXT\").to_owned() }\n");
    project.write("secret.ignored", "secret").write(".cargo/other.toml", "");
    let include = "include = [{ path = \"other.toml\" }]\n";
    project.write(".cargo/config.toml", &format!("{include}[env]\nTOLD = \"-told\"\n"));
    project.commit();
    project.xtask("build").ok();
    project.xtask("build").agent("a").ok().compiled(0);
    std::fs::remove_file(project.root.join("secret.ignored")).expect("it is there");
    let second = worktree(&project, "second");
    first_build(&project, &second).leaves("script", "was changed");
    assert_eq!(printed(&project, &second), "none-told\n");

    // The same of a table of cargo's configuration.
    project.xtask("build").agent("b").ok();
    project.write(".cargo/config.toml", include);
    project.xtask("build").agent("c").ok().leaves("script", "[env]");
}

/// What a fork puts beside it says nothing of a unit that was there before.
#[test]
fn an_older_unit_in_a_lane_that_a_fork_fills_in_part() {
    let script = "fn main() { println!(\"cargo::rerun-if-changed=build.rs\");
        println!(\"cargo::rustc-env=TEXT={}\", std::fs::read_to_string(\"../../data\").unwrap()); }\n";
    let project = undone();
    project.write("crates/core/build.rs", script).write("data", "one");
    project
        .write("crates/core/src/lib.rs", "pub fn text() -> String { env!(\"TEXT\").to_owned() }\n");
    project.commit();
    project.xtask("build").ok();
    let second = worktree(&project, "second");
    project.xtask("build --release").within(&second).ok();
    project.write("data", "two");
    project.xtask("lane fork --from").arg(&second).ok();
    project.xtask("build").agent("a").ok().leaves("script", "data was changed");
}

/// An agent's lane lies deeper than `target/`.
#[test]
fn a_way_from_out_dir_up_to_a_source() {
    let script = "fn main() { println!(\"cargo::rerun-if-changed=build.rs\");
        let made = std::path::Path::new(&std::env::var(\"OUT_DIR\").unwrap()).join(\"made.rs\");
        let depth = made.components().count() - std::env::current_dir().unwrap().components().count() + 1;
        let up = \"../\".repeat(depth);
        let text = format!(\"pub fn text() -> String {{ include_str!({:?}).to_owned() }}\", up + \"crates/core/data\");
        std::fs::write(made, text).unwrap(); }\n";
    let project = undone();
    project.write("crates/core/build.rs", script).write("crates/core/data", "one");
    project
        .write("crates/core/src/lib.rs", "include!(concat!(env!(\"OUT_DIR\"), \"/made.rs\"));\n");
    project.commit();
    project.xtask("build").ok();
    let second = worktree(&project, "second");
    project.xtask("build").agent("a").ok().leaves("generated", "");
    first_build(&project, &second).forked();
    assert_eq!(printed(&project, &second), "one\n");
}

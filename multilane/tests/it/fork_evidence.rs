//! Forks of units in which arbitrary code ran: brought only where the code cannot look around, or
//! where nothing that it could have seen differs.

use std::path::{Path, PathBuf};

use crate::fork::{
    build, first_build, is_like_from_scratch, printed, reading, remove, saying, scripted, undone,
    with_macro, worktree,
};
#[cfg(unix)]
use crate::fork::{copied, files_below, printed_from_scratch, set_modified};
use crate::fork_packages::{commit_in, depend, put_scripted, use_cargo_home};
use crate::support::{Project, put};

fn built(project: &Project) -> PathBuf {
    project.commit();
    build(project);
    worktree(project, "second")
}

const READS: &str = "std::fs::read_to_string(\"../../VERSION\").unwrap()";

#[test]
fn a_script_that_reads_more_than_it_names() {
    let project = scripted(&saying(READS));
    // The lanes of agents ignore themselves, and are no files of the tree.
    project.write("VERSION", "one").write(".gitignore", "/target/\n");
    let second = built(&project);
    first_build(&project, &second).compiled(0);
    for agent in ["a", "b"] {
        project.xtask("build").agent(agent).ok().compiled(0);
    }
    remove(&second.join("target"));
    first_build(&project, &second).compiled(0);
    remove(&second.join("target"));
    put(&second, "VERSION", "two");
    first_build(&project, &second).leaves("script", "VERSION differs");
    assert_eq!(printed(&project, &second), "two\n");

    // A file that the donor has changed since, in the same bytes here.
    project.write("VERSION", "two");
    remove(&second.join("target"));
    first_build(&project, &second).leaves("script", "VERSION was changed");
    assert_eq!(printed(&project, &second), "two\n");
    // Nor in another lane of the same tree.
    remove(&second);
    project.git(&["worktree", "prune"]);
    project.xtask("build").agent("c").ok().leaves("script", "VERSION was changed");
}

/// As a link to what another tool builds is before it was built.
#[cfg(unix)]
#[test]
fn a_link_to_nothing_is_a_file_of_the_tree() {
    let project = scripted(&saying("std::fs::read_to_string(\"../../link\").unwrap_or_default()"));
    project.write("docs/page", "");
    std::os::unix::fs::symlink("docs/made", project.root.join("link")).expect("a link");
    let second = built(&project);
    first_build(&project, &second).compiled(0);
    project.xtask("build").agent("a").ok().compiled(0);

    // What it points to comes, here or where the donor was built.
    remove(&second.join("target"));
    put(&second, "docs/made", "one");
    first_build(&project, &second).leaves("script", "differs");
    is_like_from_scratch(&project, &second);
    project.write("docs/made", "one");
    remove(&second.join("target"));
    first_build(&project, &second).leaves("script", "was changed");
}

/// As packages of cxx share a folder, in which there is a link to the next.
#[cfg(unix)]
#[test]
fn a_link_to_a_folder_with_a_link_in_it_is_compared() {
    let project = scripted(&saying(READS));
    project.write("VERSION", "one").write("include/cxx.h", "");
    project.write("shared/a.rs", "").write("cmd/a.rs", "");
    for (text, link) in [("../include", "shared/include"), ("../shared", "cmd/shared")] {
        std::os::unix::fs::symlink(text, project.root.join(link)).expect("a link");
    }
    let second = built(&project);
    first_build(&project, &second).compiled(0);

    remove(&second.join("target"));
    put(&second, "include/cxx.h", "// another\n");
    first_build(&project, &second).leaves("script", "differs");
    put(&second, "include/cxx.h", "");
    // One that leads back to itself ends somewhere.
    for root in [&project.root, &second] {
        std::os::unix::fs::symlink("../shared", root.join("shared/again")).expect("a link");
    }
    remove(&second.join("target"));
    first_build(&project, &second).leaves("script", "differs");
}

#[test]
fn a_script_that_cannot_look_around_is_brought_whatever_differs() {
    let project = scripted(&saying("std::env::var(\"CARGO_PKG_NAME\").unwrap()"));
    let second = built(&project);
    put(&second, "VERSION", "two");
    put(&second, "crates/alone/src/lib.rs", "pub fn other() {}\n");
    assert_eq!(first_build(&project, &second).built(), ["alone"]);
    is_like_from_scratch(&project, &second);
}

#[test]
fn an_ignored_file_that_one_tree_lacks() {
    let reads = "std::fs::read_to_string(\"secret.ignored\").unwrap_or_default()";
    let project = scripted(&saying(reads));
    project.write("crates/core/secret.ignored", "secret");
    let second = built(&project);
    first_build(&project, &second).leaves("script", "crates/core/secret.ignored differs");
    assert_eq!(printed(&project, &second), "\n");
}

#[test]
fn a_variable_of_cargos_configuration() {
    let project = scripted(&saying("std::env::var(\"GREETING\").unwrap()"));
    project.write(".cargo/config.toml", "[env]\nGREETING = \"one\"\n");
    let second = built(&project);
    put(&second, "README.md", "another file that the script cannot see");
    first_build(&project, &second).compiled(0);
    remove(&second.join("target"));
    put(&second, ".cargo/config.toml", "[env]\nGREETING = \"two\"\n");
    first_build(&project, &second).leaves("script", "[env]");
    assert_eq!(printed(&project, &second), "two\n");
}

#[test]
fn a_script_that_writes_a_source() {
    let script = "fn main() { println!(\"cargo::rerun-if-changed=build.rs\"); \
                  std::fs::write(\"src/made.ignored\", \"\\\"made\\\"\").unwrap(); }";
    let project = scripted(script);
    let source = "pub fn text() -> String { include!(\"made.ignored\").to_owned() }\n";
    project.write("crates/core/src/lib.rs", source);
    let second = built(&project);
    first_build(&project, &second);
    assert_eq!(printed(&project, &second), "made\n");
}

/// What it writes may have the time of its start: the clock of files ticks every few milliseconds.
#[test]
#[cfg(unix)]
fn a_script_that_writes_a_source_within_one_tick() {
    use std::os::unix::fs::MetadataExt as _;
    let script = "fn main() { println!(\"cargo::rerun-if-changed=build.rs\"); \
                  let place = std::env::var(\"OUT_DIR\").unwrap(); \
                  std::fs::write(\"src/made.ignored\", format!(\"{place:?}\")).unwrap(); }";
    let project = scripted(script);
    let source = "pub fn text() -> String { include!(\"made.ignored\").to_owned() }\n";
    project.write("crates/core/src/lib.rs", source);
    project.commit();
    build(&project);
    let made = project.root.join("crates/core/src/made.ignored").metadata().expect("it is made");
    let [seconds, nanoseconds] = [made.ctime(), made.ctime_nsec()].map(i64::unsigned_abs);
    let time = std::time::UNIX_EPOCH
        + std::time::Duration::new(seconds, u32::try_from(nanoseconds).expect("below a second"));
    let starts = files_below(&project.root.join("target/debug/build"));
    for start in starts.iter().filter(|path| path.ends_with("invoked.timestamp")) {
        set_modified(start, time);
    }
    project.xtask("build").agent("a").ok().leaves("script", "was changed");
}

#[test]
fn macros_that_compile_in_where_they_are() {
    for (block, is_of_lane) in [
        ("std::env::current_dir().unwrap().display().to_string()", false),
        ("std::env::var(\"CARGO_MANIFEST_DIR\").unwrap()", false),
        ("std::env::var(\"OUT_DIR\").unwrap()", true),
    ] {
        let project = with_macro(block, "");
        let script = "fn main() { println!(\"cargo::rerun-if-changed=build.rs\"); }\n";
        project.write("crates/app/build.rs", script);
        let second = built(&project);
        first_build(&project, &second).leaves("compiled-in", "");
        is_like_from_scratch_but_for_the_lane(&project, &second, is_of_lane);
        let ran = project.xtask("build").agent("a").ok();
        if is_of_lane {
            ran.leaves("compiled-in", "");
        } else {
            ran.compiled(0);
        }
    }
}

#[track_caller]
fn is_like_from_scratch_but_for_the_lane(project: &Project, dir: &Path, is_of_lane: bool) {
    if is_of_lane {
        assert!(printed(project, dir).starts_with(dir.to_str().expect("UTF-8")));
    } else {
        is_like_from_scratch(project, dir);
    }
}

#[test]
fn a_macro_that_looks_into_the_target_directory() {
    let project = with_macro(&reading("../../target/idl"), "");
    project.write("target/idl", "here");
    let second = built(&project);
    first_build(&project, &second).leaves("macro", "target/idl differs");
    assert_eq!(printed(&project, &second), "\n");
}

#[test]
fn a_fork_of_a_fork_has_what_the_first_has() {
    let project = scripted(&saying(READS));
    project.write("VERSION", "one");
    let second = built(&project);
    first_build(&project, &second).compiled(0);
    remove(&project.root.join("target"));
    let third = worktree(&project, "third");
    first_build(&project, &third).compiled(0);
    is_like_from_scratch(&project, &third);
}

#[cfg(unix)]
#[test]
fn a_source_that_was_put_back_with_its_old_time() {
    let project = undone();
    project.commit();
    let source = project.root.join("crates/core/src/lib.rs");
    let (text, backup) = (project.read("crates/core/src/lib.rs"), source.with_extension("backup"));
    let time = source.metadata().and_then(|meta| meta.modified()).expect("a time");
    std::fs::rename(&source, &backup).expect("it can be moved");
    project.write("crates/core/src/lib.rs", &text.replace("one", "experiment"));
    build(&project);
    std::fs::rename(&backup, &source).expect("it can be moved back");
    assert_eq!(source.metadata().and_then(|meta| meta.modified()).expect("a time"), time);
    let second = worktree(&project, "second");
    first_build(&project, &second).leaves("outdated", "crates/core/src/lib.rs");
    assert_eq!(printed(&project, &second), "one\n");
}

#[cfg(unix)]
#[test]
fn a_donor_that_was_built_through_a_link() {
    let project = undone();
    let main = "fn main() { println!(\"{}\", env!(\"CARGO_MANIFEST_DIR\")); }\n";
    project.write("crates/app/src/main.rs", main).commit();
    let link = project.root.with_file_name("link");
    std::os::unix::fs::symlink(&project.root, &link).expect("a link");
    project.cargo("build --manifest-path").arg(link.join("Cargo.toml")).ok();
    let second = worktree(&project, "second");
    first_build(&project, &second);
    is_like_from_scratch(&project, &second);
}

#[cfg(unix)]
#[test]
fn a_target_directory_that_was_copied_with_its_times() {
    let project = undone();
    let main = "fn main() { println!(\"{}\", env!(\"CARGO_MANIFEST_DIR\")); }\n";
    project.write("crates/app/src/main.rs", main).commit();
    project.xtask("build").ok();
    let copy = copied(&project, "copy");
    project.xtask("build").within(&copy).ok().says("built in another place");
    is_like_from_scratch(&project, &copy);
    project.xtask("build").within(&copy).ok().compiled(0);
}

/// With the tree around them.
#[cfg(unix)]
#[test]
fn lanes_of_agents_that_were_copied_or_moved() {
    let project = undone();
    let main = "fn main() { println!(\"{}\", env!(\"CARGO_MANIFEST_DIR\")); }\n";
    project.write("crates/app/src/main.rs", main).commit();
    project.xtask("build").agent("a").ok();
    let copy = copied(&project, "copy");
    let check = |dir: &Path| {
        project.xtask("build").agent("a").within(dir).ok().says("built in another place");
        let ran = project.xtask("run --quiet").agent("a").within(dir).ok();
        assert_eq!(ran.stdout(), printed_from_scratch(&project, dir));
    };
    check(&copy);
    let moved = project.root.with_file_name("moved");
    std::fs::rename(&copy, &moved).expect("it can be moved");
    check(&moved);
}

#[cfg(unix)]
#[test]
fn a_program_is_no_second_name_of_the_donors() {
    use std::os::unix::fs::MetadataExt as _;
    let project = undone();
    let second = built(&project);
    first_build(&project, &second).compiled(0);
    let inode = |root: &Path| root.join("target/debug/app").metadata().expect("a program").ino();
    assert_ne!(inode(&project.root), inode(&second));
}

/// What a registry's or git's package names by `OUT_DIR` has to lie in the lane.
#[test]
fn a_directory_that_a_dependency_from_git_has_compiled_in() {
    let mut project = undone();
    use_cargo_home(&mut project, "cargo home");
    let dir = project.root.with_file_name("dep");
    put_scripted(
        &dir,
        "std::fs::write(std::env::var(\"OUT_DIR\").unwrap() + \"/tool\", \"the tool\").unwrap(); \
         String::new()",
    );
    let source = "pub fn read() -> String { std::fs::read_to_string(concat!(env!(\"OUT_DIR\"), \"/tool\")).unwrap() }";
    put(&dir, "src/lib.rs", source);
    let url = commit_in(&project, &dir);
    depend(&project, &format!("{{ git = \"{url}\" }}"));
    project.write("crates/app/src/main.rs", "fn main() { println!(\"{}\", dep::read()); }\n");
    let second = built(&project);
    first_build(&project, &second).leaves("variable", "OUT_DIR");
    remove(&project.root.join("target"));
    assert_eq!(printed(&project, &second), "the tool\n");
}

//! Dependencies that are not members of the workspace: beside it, vendored, from git, patched, in
//! another `CARGO_HOME`.

use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use crate::fork::{
    build, files_below, first_build, hours_ago, printed, printed_from_scratch, remove,
    set_modified, undone, worktree,
};
use crate::support::Project;

fn put(path: PathBuf, text: &str) {
    std::fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
    std::fs::write(&path, text).unwrap_or_else(|err| panic!("{}: {err}", path.display()));
}

const MANIFEST: &str = "[package]\nname = \"dep\"\nversion = \"1.0.0\"\nedition = \"2024\"\n[workspace]\n[lints.rust]\n";

/// The package `dep`, whose `TEXT` is this.
fn put_dependency(dir: &Path, text: &str) {
    put(dir.join("Cargo.toml"), MANIFEST);
    put(dir.join("src/lib.rs"), &library(text));
}

fn library(text: &str) -> String {
    format!("pub const TEXT: &str = \"{text}\";\n")
}

/// A project in each of cargo's layouts; in the new one where there is a cargo that knows it.
fn in_both_layouts(test: impl Fn(Project)) {
    test(undone());
    let mut project = undone();
    if project.use_new_layout() {
        test(project);
    }
}

/// `app` prints the `TEXT` of `dep`, which is to be had in this way.
fn depend(project: &Project, how: &str) {
    let manifest = project.read("crates/app/Cargo.toml");
    project
        .write("crates/app/Cargo.toml", &format!("{manifest}dep = {how}\n"))
        .write("crates/app/src/main.rs", "fn main() { println!(\"{}\", dep::TEXT); }\n");
    project.cargo("generate-lockfile").ok();
    project.commit();
}

#[track_caller]
fn prints(project: &Project, dir: &Path, expected: &str) {
    assert_eq!(printed_from_scratch(project, dir), expected, "the test expects what is not so");
    assert_eq!(printed(project, dir), expected);
}

/// Every time below a directory as on a file system that keeps even seconds.
fn make_coarse(dir: &Path) {
    for path in std::fs::read_dir(dir).expect("a directory").flatten().map(|entry| entry.path()) {
        let modified = path.metadata().expect("it is there").modified().expect("a time");
        let seconds = modified.duration_since(UNIX_EPOCH).expect("it is after 1970").as_secs();
        set_modified(&path, UNIX_EPOCH + Duration::from_secs(seconds / 2 * 2));
        if path.is_dir() {
            make_coarse(&path);
        }
    }
}

// Beside the workspace
// -----------------------------------------------------------------------------

#[test]
fn a_path_dependency_outside_the_workspace() {
    in_both_layouts(|project| {
        let outside = project.root.with_file_name("outside");
        put_dependency(&outside, "one");
        depend(&project, "{ path = \"../../../outside\" }");
        build(&project);
        let second = worktree(&project, "second");
        first_build(&project, &second).compiled(0);
        // It is one and the same source for both trees.
        put(outside.join("src/lib.rs"), &library("two"));
        prints(&project, &second, "two\n");
        let third = worktree(&project, "third");
        first_build(&project, &third);
        prints(&project, &third, "two\n");
        project.cargo("build").ok();
        let fourth = worktree(&project, "fourth");
        first_build(&project, &fourth).compiled(0);
        remove(&project.root.join("target"));
        prints(&project, &fourth, "two\n");
    });
}

#[test]
fn one_that_was_edited_since_the_donors_build() {
    for how in ["relative", "absolute"] {
        let project = undone();
        let outside = project.root.with_file_name("outside");
        put_dependency(&outside, "one");
        let path =
            if how == "absolute" { outside.to_str().expect("UTF-8") } else { "../../../outside" };
        depend(&project, &format!("{{ path = {path:?} }}"));
        build(&project);
        put(outside.join("src/lib.rs"), &library("two"));
        let second = worktree(&project, "second");
        let ran = first_build(&project, &second);
        ran.leaves("outdated", "").says("outside/src/lib.rs");
        prints(&project, &second, "two\n");
    }
}

/// cargo itself would not notice it: only who knows that people edit the package can.
#[test]
fn one_that_was_edited_in_the_second_of_the_donors_build() {
    let project = undone();
    let outside = project.root.with_file_name("outside");
    put_dependency(&outside, "one");
    set_modified(&outside.join("src/lib.rs"), hours_ago(1));
    depend(&project, "{ path = \"../../../outside\" }");
    build(&project);
    make_coarse(&project.root.join("target"));
    make_coarse(&project.root.join("crates"));
    let mut files = files_below(&project.root.join("target/debug")).into_iter();
    let record = files.find(|file| file.ends_with("dep-lib-dep")).expect("a unit of it");
    let source = outside.join("src/lib.rs");
    put(source.clone(), &library("two"));
    set_modified(&source, record.metadata().expect("it is there").modified().expect("a time"));
    let second = worktree(&project, "second");
    first_build(&project, &second);
    prints(&project, &second, "two\n");
}

/// A registry's package has what it generated in the lane that it was built for, by cargo's own
/// rule. One that people edit does not.
#[test]
fn one_that_reads_what_it_has_generated() {
    in_both_layouts(|project| {
        let outside = project.root.with_file_name("outside");
        put_dependency(&outside, "one");
        put(
            outside.join("build.rs"),
            "fn main() { std::fs::write(std::env::var(\"OUT_DIR\").unwrap() + \"/made.txt\", \"made\").unwrap(); \
             println!(\"cargo::rerun-if-changed=build.rs\"); }",
        );
        put(
            outside.join("src/lib.rs"),
            "pub const TEXT: &str = concat!(env!(\"OUT_DIR\"), \"/made.txt\");\n",
        );
        depend(&project, "{ path = \"../../../outside\" }");
        project.write(
            "crates/app/src/main.rs",
            "fn main() { println!(\"{}\", std::fs::read_to_string(dep::TEXT).unwrap()); }\n",
        );
        project.commit();
        build(&project);
        let second = worktree(&project, "second");
        first_build(&project, &second).leaves("variable", "OUT_DIR");
        remove(&project.root.join("target"));
        prints(&project, &second, "made\n");
    });
}

/// What is below `CARGO_HOME` is not always cargo's.
#[test]
fn one_that_lies_in_the_directory_of_cargo() {
    let mut project = undone();
    let home = project.root.with_file_name("cargo home");
    project.set("CARGO_HOME", home.to_str().expect("UTF-8"));
    put_dependency(&home.join("mine/dep"), "one");
    depend(&project, "{ path = \"../../../cargo home/mine/dep\" }");
    build(&project);
    put(home.join("mine/dep/src/lib.rs"), &library("two"));
    let second = worktree(&project, "second");
    first_build(&project, &second).leaves("outdated", "");
    prints(&project, &second, "two\n");
}

#[test]
fn the_build_script_of_one_watches_a_file_of_its_own() {
    let project = undone();
    let outside = project.root.with_file_name("outside");
    put_dependency(&outside, "one");
    put(
        outside.join("build.rs"),
        "fn main() { println!(\"cargo::rerun-if-changed=data.txt\"); \
         println!(\"cargo::rustc-env=DATA={}\", std::fs::read_to_string(\"data.txt\").unwrap()); }",
    );
    put(outside.join("src/lib.rs"), "pub const TEXT: &str = env!(\"DATA\");\n");
    put(outside.join("data.txt"), "one");
    depend(&project, "{ path = \"../../../outside\" }");
    build(&project);
    let second = worktree(&project, "second");
    first_build(&project, &second).compiled(0);
    put(outside.join("data.txt"), "two");
    prints(&project, &second, "two\n");
    let third = worktree(&project, "third");
    first_build(&project, &third).forked();
    prints(&project, &third, "two\n");
}

/// One workspace beside the other in the repository, and one inside the other that excludes it.
#[test]
fn a_package_of_another_workspace_in_the_repository() {
    for (place, path) in [("tools/dep", "../../tools/dep"), ("crates/app/dep", "dep")] {
        let project = undone();
        put_dependency(&project.root.join(place), "one");
        let workspace = project.read("Cargo.toml");
        project.write(
            "Cargo.toml",
            &format!("{workspace}exclude = [\"tools\", \"crates/app/dep\"]\n"),
        );
        depend(&project, &format!("{{ path = {path:?} }}"));
        build(&project);
        let second = worktree(&project, "second");
        first_build(&project, &second).compiled(0);
        prints(&project, &second, "one\n");
        let third = worktree(&project, "third");
        let source = third.join(place).join("src/lib.rs");
        put(source.clone(), &library("two"));
        set_modified(&source, hours_ago(5));
        first_build(&project, &third).leaves("differs", "src/lib.rs");
        prints(&project, &third, "two\n");
        // It is built as a workspace of its own, too, in a lane of its own.
        project.cargo("build").within(third.join(place)).ok();
        prints(&project, &third, "two\n");
    }
}

#[test]
fn a_package_beside_the_workspace_in_the_same_repository() {
    let mut project = undone();
    put_dependency(&project.root.join("dep"), "one");
    let workspace = project.root.join("rust");
    std::fs::create_dir(&workspace).expect("a directory");
    for name in ["Cargo.toml", "Cargo.lock", "crates", ".gitignore"] {
        std::fs::rename(project.root.join(name), workspace.join(name)).expect("it can be moved");
    }
    project.root = workspace;
    let manifest = project.read("crates/app/Cargo.toml");
    project
        .write("crates/app/Cargo.toml", &format!("{manifest}dep = {{ path = \"../../../dep\" }}\n"))
        .write("crates/app/src/main.rs", "fn main() { println!(\"{}\", dep::TEXT); }\n");
    build(&project);
    let top = project.root.parent().expect("a parent").to_owned();
    let top = top.to_str().expect("UTF-8");
    project.git(&["init", "--quiet", top]);
    project.git(&["-C", top, "add", "--all"]);
    project.git(&["-C", top, "commit", "--quiet", "--message=state"]);
    let second = worktree(&project, "../second").canonicalize().expect("it is there");
    let source = second.join("dep/src/lib.rs");
    put(source.clone(), &library("two"));
    set_modified(&source, hours_ago(5));
    // Each tree has its own, and cargo compiles it by its absolute path.
    first_build(&project, &second.join("rust")).leaves("outside", "").says("dep/src/lib.rs");
    remove(project.root.parent().expect("a parent"));
    assert_eq!(printed(&project, &second.join("rust")), "two\n");
    put(source, &library("six"));
    assert_eq!(printed(&project, &second.join("rust")), "six\n");
}

// Vendored
// -----------------------------------------------------------------------------------------

/// As `cargo vendor` leaves it. Without checksums of files: with them cargo refuses what was
/// edited.
fn vendor(project: &Project, dir: &Path, source: &str) {
    let configured = format!(
        "[source.crates-io]\nreplace-with = \"vendored\"\n[source.vendored]\ndirectory = {:?}\n",
        dir.to_str().expect("UTF-8")
    );
    project.write(".cargo/config.toml", &configured);
    let dep = project.root.join(dir).join("dep");
    put(dep.join("Cargo.toml"), MANIFEST);
    put(dep.join("src/lib.rs"), source);
    let checksum = format!("{{\"files\":{{}},\"package\":\"{}\"}}", "0".repeat(64));
    put(dep.join(".cargo-checksum.json"), &checksum);
}

#[test]
fn a_vendored_dependency() {
    let project = undone();
    vendor(&project, Path::new("vendor"), "pub const TEXT: &str = env!(\"CARGO_MANIFEST_DIR\");\n");
    depend(&project, "\"1\"");
    build(&project);
    // Its path is in the donor's tree, and cargo never looks at its sources again.
    let second = worktree(&project, "second");
    first_build(&project, &second).leaves("variable", "CARGO_MANIFEST_DIR");
    let expected = printed_from_scratch(&project, &second);
    assert!(expected.contains("second"), "{expected}");
    remove(&project.root);
    assert_eq!(printed(&project, &second), expected);
}

#[test]
fn a_vendored_dependency_that_was_edited() {
    for place in ["vendor", "../vendor"] {
        let project = undone();
        let dir = if place == "vendor" {
            PathBuf::from(place)
        } else {
            project.root.with_file_name("vendor")
        };
        vendor(&project, &dir, &library("one"));
        depend(&project, "\"1\"");
        build(&project);
        // cargo takes what is vendored for unchangeable, so the donor's own program is behind now.
        let edited = project.root.join(&dir).join("dep/src/lib.rs");
        put(edited, &library("two"));
        project.commit();
        let second = worktree(&project, "second");
        first_build(&project, &second).forked();
        prints(&project, &second, "two\n");
        // In the same tree as well.
        project.xtask("build").agent("a").ok().forked();
        assert_eq!(project.xtask("run --quiet --package app").agent("a").ok().stdout(), "two\n");
    }
}

#[test]
fn a_vendored_dependency_whose_checksum_is_another() {
    let project = undone();
    vendor(&project, Path::new("vendor"), &library("one"));
    depend(&project, "\"1\"");
    build(&project);
    let second = worktree(&project, "second");
    let checksum = "{\"files\":{\"src/lib.rs\":\"00\"},\"package\":\"CHECKSUM\"}"
        .replace("CHECKSUM", &"0".repeat(64));
    put(second.join("vendor/dep/.cargo-checksum.json"), &checksum);
    // cargo refuses it; a fork must not make that succeed.
    project.xtask("build").within(&second).fails_with(101).says("checksum");
}

// From git
// -----------------------------------------------------------------------------------------

/// A repository with `dep` in it: its `TEXT` is `one` at the tag `one`, and so on. Returns its URL.
fn repository(project: &Project, name: &str, texts: &[&str]) -> String {
    let dir = project.root.with_file_name(name);
    std::fs::create_dir_all(&dir).expect("a directory");
    let path = dir.to_str().expect("UTF-8");
    project.git(&["init", "--quiet", path]);
    for text in texts {
        put_dependency(&dir, text);
        project.git(&["-C", path, "add", "--all"]);
        project.git(&["-C", path, "commit", "--quiet", "--message", text]);
        project.git(&["-C", path, "tag", text]);
    }
    format!("file://{}", path.replace(' ', "%20"))
}

/// Its own, so that no test leaves anything in the user's. What is fetched into it is on this disk.
fn use_cargo_home(project: &mut Project, name: &str) -> PathBuf {
    let home = project.root.with_file_name(name);
    project.set("CARGO_NET_OFFLINE", "false");
    project.set("CARGO_HOME", home.to_str().expect("UTF-8"));
    home
}

#[test]
fn a_dependency_from_git() {
    let mut project = undone();
    use_cargo_home(&mut project, "cargo home");
    let url = repository(&project, "dep", &["one", "two"]);
    depend(&project, &format!("{{ git = \"{url}\", tag = \"one\" }}"));
    build(&project);
    let second = worktree(&project, "second");
    first_build(&project, &second).compiled(0);
    remove(&project.root.join("target"));
    prints(&project, &second, "one\n");
    // Another commit of it, by the same name and the same version.
    let third = worktree(&project, "third");
    let manifest = project.read("crates/app/Cargo.toml").replace("\"one\"", "\"two\"");
    put(third.join("crates/app/Cargo.toml"), &manifest);
    first_build(&project, &third).forked();
    prints(&project, &third, "two\n");
}

/// The hash in a unit's name is the same for each commit of a branch.
#[test]
fn a_dependency_from_git_that_was_updated() {
    in_both_layouts(|mut project| {
        use_cargo_home(&mut project, "cargo home");
        let url = repository(&project, "dep", &["one"]);
        depend(&project, &format!("{{ git = \"{url}\" }}"));
        build(&project);
        repository(&project, "dep", &["two"]);
        let second = worktree(&project, "second");
        project.cargo("update --package dep").within(&second).ok();
        first_build(&project, &second).forked();
        prints(&project, &second, "two\n");
        // Units of the other commit come into a lane that has this one's.
        project.cargo("clean --package app").within(&second).ok();
        project.xtask("lane fork").within(&second).ok();
        prints(&project, &second, "two\n");
        let third = worktree(&project, "third");
        first_build(&project, &third).compiled(0);
        prints(&project, &third, "one\n");
    });
}

// Patched
// ------------------------------------------------------------------------------------------

#[test]
fn a_patch_with_a_path() {
    for place in ["patched", "../patched"] {
        let mut project = undone();
        use_cargo_home(&mut project, "cargo home");
        let url = repository(&project, "dep", &["unpatched"]);
        let dir = project.root.with_file_name("patched");
        let dir = if place == "patched" { project.root.join(place) } else { dir };
        put_dependency(&dir, "one");
        let workspace = project.read("Cargo.toml");
        let patch =
            format!("exclude = [\"patched\"]\n[patch.\"{url}\"]\ndep = {{ path = \"{place}\" }}\n");
        project.write("Cargo.toml", &format!("{workspace}{patch}"));
        depend(&project, &format!("{{ git = \"{url}\" }}"));
        build(&project);
        let second = worktree(&project, "second");
        first_build(&project, &second).compiled(0);
        prints(&project, &second, "one\n");
        // Edited: in the second tree's own copy, or in the one that both have.
        put(second.join(place).join("src/lib.rs"), &library("two"));
        prints(&project, &second, "two\n");
        let third = worktree(&project, "third");
        put(third.join(place).join("src/lib.rs"), &library("six"));
        first_build(&project, &third).says("src/lib.rs");
        prints(&project, &third, "six\n");
        // The patch is taken away.
        let fourth = worktree(&project, "fourth");
        put(fourth.join("Cargo.toml"), &workspace);
        first_build(&project, &fourth);
        prints(&project, &fourth, "unpatched\n");
    }
}

#[test]
fn a_patch_with_another_repository() {
    let mut project = undone();
    use_cargo_home(&mut project, "cargo home");
    let url = repository(&project, "dep", &["unpatched"]);
    let other = repository(&project, "fork of dep", &["one", "two"]);
    let workspace = project.read("Cargo.toml");
    let patch = |tag: &str| {
        format!("{workspace}[patch.\"{url}\"]\ndep = {{ git = \"{other}\", tag = \"{tag}\" }}\n")
    };
    project.write("Cargo.toml", &patch("one"));
    depend(&project, &format!("{{ git = \"{url}\" }}"));
    build(&project);
    let second = worktree(&project, "second");
    first_build(&project, &second).compiled(0);
    prints(&project, &second, "one\n");
    for (name, manifest, expected) in
        [("third", patch("two"), "two\n"), ("fourth", workspace.clone(), "unpatched\n")]
    {
        let tree = worktree(&project, name);
        put(tree.join("Cargo.toml"), &manifest);
        first_build(&project, &tree).forked();
        prints(&project, &tree, expected);
    }
}

// Another `CARGO_HOME`
// -----------------------------------------------------------------------------

#[test]
fn a_directory_of_cargo_that_was_moved() {
    let mut project = undone();
    let old = use_cargo_home(&mut project, "cargo home");
    let url = repository(&project, "dep", &["one"]);
    let text = "pub const TEXT: &str = env!(\"CARGO_MANIFEST_DIR\");\n";
    let dep = project.root.with_file_name("dep");
    put(dep.join("src/lib.rs"), text);
    project.git(&[
        "-C",
        dep.to_str().expect("UTF-8"),
        "commit",
        "--quiet",
        "--all",
        "--message=dir",
    ]);
    depend(&project, &format!("{{ git = \"{url}\" }}"));
    build(&project);
    assert!(printed(&project, &project.root).contains("cargo home"));

    // Both are there.
    let new = use_cargo_home(&mut project, "other home");
    let second = worktree(&project, "second");
    first_build(&project, &second);
    let expected = printed_from_scratch(&project, &second);
    assert!(expected.contains("other home"), "{expected}");
    assert_eq!(printed(&project, &second), expected);
    // The old one is gone.
    remove(&old);
    let third = worktree(&project, "third");
    first_build(&project, &third);
    assert_eq!(printed(&project, &third), expected);
    assert!(new.is_dir());
}

#[test]
#[cfg(unix)]
fn a_directory_of_cargo_behind_a_link() {
    let mut project = undone();
    let home = use_cargo_home(&mut project, "cargo home");
    let real = project.root.with_file_name("real home");
    std::fs::create_dir(&real).expect("a directory");
    std::os::unix::fs::symlink(&real, &home).expect("a link");
    let url = repository(&project, "dep", &["one"]);
    let dep = project.root.with_file_name("dep");
    put(
        dep.join("build.rs"),
        "fn main() { std::fs::write(std::env::var(\"OUT_DIR\").unwrap() + \"/made.rs\", \"pub const TEXT: &str = \\\"made\\\";\").unwrap(); }",
    );
    put(dep.join("src/lib.rs"), "include!(concat!(env!(\"OUT_DIR\"), \"/made.rs\"));\n");
    let path = dep.to_str().expect("UTF-8");
    project.git(&["-C", path, "add", "--all"]);
    project.git(&["-C", path, "commit", "--quiet", "--message=generated"]);
    depend(&project, &format!("{{ git = \"{url}\" }}"));
    build(&project);
    // By cargo's rule for what nobody edits, what it has generated may stay in use.
    let second = worktree(&project, "second");
    first_build(&project, &second).compiled(0);
    prints(&project, &second, "made\n");
}

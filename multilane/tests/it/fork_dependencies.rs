//! Dependencies that are not members of the workspace: beside it, vendored, from git, patched, in
//! another `CARGO_HOME`.

use std::path::{Path, PathBuf};

use crate::fork::{
    build, change_times, even_second, files_below, first_build, hours_ago, move_into_folder,
    printed, printed_from_scratch, prints, remove, set_modified, undone, worktree,
};
use crate::fork_packages::{
    commit_in, depend, library, put_dependency, repository, use_cargo_home, vendor,
};
use crate::support::{Project, put};

/// A project in each of cargo's layouts; in the new one where there is a cargo that knows it.
fn in_both_layouts(test: impl Fn(Project)) {
    test(undone());
    let mut project = undone();
    if project.use_new_layout() {
        test(project);
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
        put(&outside, "src/lib.rs", &library("two"));
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
        put(&outside, "src/lib.rs", &library("two"));
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
    for dir in ["target", "crates"] {
        change_times(&project.root.join(dir), &even_second);
    }
    let mut files = files_below(&project.root.join("target/debug")).into_iter();
    let record = files.find(|file| file.ends_with("dep-lib-dep")).expect("a unit of it");
    let source = outside.join("src/lib.rs");
    put(&outside, "src/lib.rs", &library("two"));
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
            &outside,
            "build.rs",
            "fn main() { std::fs::write(std::env::var(\"OUT_DIR\").unwrap() + \"/made.txt\", \"made\").unwrap(); \
             println!(\"cargo::rerun-if-changed=build.rs\"); }",
        );
        put(
            &outside,
            "src/lib.rs",
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
    put(&home, "mine/dep/src/lib.rs", &library("two"));
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
        &outside,
        "build.rs",
        "fn main() { println!(\"cargo::rerun-if-changed=data.txt\"); \
         println!(\"cargo::rustc-env=DATA={}\", std::fs::read_to_string(\"data.txt\").unwrap()); }",
    );
    put(&outside, "src/lib.rs", "pub const TEXT: &str = env!(\"DATA\");\n");
    put(&outside, "data.txt", "one");
    depend(&project, "{ path = \"../../../outside\" }");
    build(&project);
    let second = worktree(&project, "second");
    first_build(&project, &second).compiled(0);
    put(&outside, "data.txt", "two");
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
        project.append("Cargo.toml", "exclude = [\"tools\", \"crates/app/dep\"]\n");
        depend(&project, &format!("{{ path = {path:?} }}"));
        build(&project);
        let second = worktree(&project, "second");
        first_build(&project, &second).compiled(0);
        prints(&project, &second, "one\n");
        let third = worktree(&project, "third");
        put(&third.join(place), "src/lib.rs", &library("two"));
        set_modified(&third.join(place).join("src/lib.rs"), hours_ago(5));
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
    project.root = move_into_folder(&project, "rust");
    project
        .append("crates/app/Cargo.toml", "dep = { path = \"../../../dep\" }\n")
        .write("crates/app/src/main.rs", "fn main() { println!(\"{}\", dep::TEXT); }\n");
    build(&project);
    commit_in(&project, project.root.parent().expect("a parent"));
    let second = worktree(&project, "../second").canonicalize().expect("it is there");
    put(&second, "dep/src/lib.rs", &library("two"));
    set_modified(&second.join("dep/src/lib.rs"), hours_ago(5));
    // Each tree has its own, and cargo compiles it by its absolute path.
    first_build(&project, &second.join("rust")).leaves("outside", "").says("dep/src/lib.rs");
    remove(project.root.parent().expect("a parent"));
    assert_eq!(printed(&project, &second.join("rust")), "two\n");
    put(&second, "dep/src/lib.rs", &library("six"));
    assert_eq!(printed(&project, &second.join("rust")), "six\n");
}

// Vendored
// -----------------------------------------------------------------------------------------

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
        put(&project.root.join(&dir), "dep/src/lib.rs", &library("two"));
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
    put(&second, "vendor/dep/.cargo-checksum.json", &checksum);
    // cargo refuses it; a fork must not make that succeed.
    project.xtask("build").within(&second).fails_with(101).says("checksum");
}

// From git
// -----------------------------------------------------------------------------------------

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
    put(&third, "crates/app/Cargo.toml", &manifest);
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
        put(&second.join(place), "src/lib.rs", &library("two"));
        prints(&project, &second, "two\n");
        let third = worktree(&project, "third");
        put(&third.join(place), "src/lib.rs", &library("six"));
        first_build(&project, &third).says("src/lib.rs");
        prints(&project, &third, "six\n");
        // The patch is taken away.
        let fourth = worktree(&project, "fourth");
        put(&fourth, "Cargo.toml", &workspace);
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
        put(&tree, "Cargo.toml", &manifest);
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
    put(&dep, "src/lib.rs", text);
    commit_in(&project, &dep);
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
        &dep,
        "build.rs",
        "fn main() { std::fs::write(std::env::var(\"OUT_DIR\").unwrap() + \"/made.rs\", \"pub const TEXT: &str = \\\"made\\\";\").unwrap(); }",
    );
    put(&dep, "src/lib.rs", "include!(concat!(env!(\"OUT_DIR\"), \"/made.rs\"));\n");
    commit_in(&project, &dep);
    depend(&project, &format!("{{ git = \"{url}\" }}"));
    build(&project);
    // By cargo's rule for what nobody edits, what it has generated may stay in use.
    let second = worktree(&project, "second");
    first_build(&project, &second).compiled(0);
    prints(&project, &second, "made\n");
}

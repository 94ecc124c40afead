//! What a fork must not bring along. Each test builds in a donor, forks, takes the donor's tree
//! away altogether, and then expects of the fork what a lane built from scratch gives.

use std::path::{Path, PathBuf};

use crate::fork::{
    build, files_below, first_build, hours_ago, printed, printed_from_scratch, quoted, reading,
    remove, scripted, set_modified, undone, with_macro, worktree, write_reader,
};
use crate::support::{Project, Ran, put};

/// `main` of `app` prints what the trap is about; `files` are what it needs.
fn project(main: &str, files: &[(&str, &str)]) -> Project {
    let project = undone();
    project.write("crates/app/src/main.rs", main);
    for (path, text) in files {
        project.write(path, text);
    }
    project.commit();
    build(&project);
    project
}

/// In another worktree, and in a lane of an agent, the program prints what it prints when it is
/// built from scratch there.
#[track_caller]
fn is_like_from_scratch(project: &Project, why: &str) {
    let expected = printed_from_scratch(project, &project.root);
    assert_eq!(printed(project, &project.root), expected);
    agent_is_like_from_scratch(project);
    let ran = other_tree_is_like_from_scratch(project);
    if !why.is_empty() {
        ran.says(why);
    }
}

#[track_caller]
fn other_tree_is_like_from_scratch(project: &Project) -> Ran {
    let second = worktree(project, "second");
    let ran = first_build(project, &second);
    ran.forked();
    remove(&project.root);
    let expected = printed_from_scratch(project, &second);
    let found = printed(project, &second);
    assert_eq!(found, expected, "{}", ran.report());
    assert!(!found.contains(project.root.to_str().expect("UTF-8")), "{found}");
    project.cargo("test").within(&second).ok();
    ran
}

/// The donor is the tree's own `target`, which is taken away.
#[track_caller]
fn agent_is_like_from_scratch(project: &Project) {
    project.xtask("build").agent("a").ok().forked();
    let target = project.root.join("target");
    std::fs::rename(&target, project.root.with_file_name("target was here"))
        .expect("it can be moved");
    let run = |words: &str| {
        let ran = project.xtask(words).agent("a").ok();
        ran.stdout().replace(project.only_lane().as_str(), "LANE")
    };
    let found = run("run --quiet --package app");
    assert!(!found.contains(target.to_str().expect("UTF-8")), "{found}");
    run("test");
    remove(&project.root.join(".lanes"));
    assert_eq!(found, run("run --quiet --package app"));
    std::fs::rename(project.root.with_file_name("target was here"), &target)
        .expect("it can be moved");
    remove(&project.root.join(".lanes"));
}

#[test]
fn the_directory_of_the_manifest() {
    let main = "fn main() { println!(\"{}\", std::fs::read_to_string(concat!(env!(\"CARGO_MANIFEST_DIR\"), \
                \"/data.txt\")).unwrap()); }";
    is_like_from_scratch(
        &project(main, &[("crates/app/data.txt", "here")]),
        "env CARGO_MANIFEST_DIR",
    );
}

#[test]
fn the_program_that_a_test_starts() {
    let test = "#[test] fn starts() { let exe = env!(\"CARGO_BIN_EXE_app\"); \
                assert!(std::process::Command::new(exe).output().unwrap().stdout == b\"here\\n\", \"{exe}\"); \
                assert!(exe.starts_with(env!(\"CARGO_TARGET_TMPDIR\").trim_end_matches(\"tmp\"))); }";
    let files = [("crates/app/tests/starts.rs", test)];
    let project = project("fn main() { println!(\"here\"); }", &files);
    let second = worktree(&project, "second");
    first_build(&project, &second).leaves("variable", "CARGO_BIN_EXE_app");
    // Another program here: a test that starts the donor's would not notice.
    put(&second, "crates/app/src/main.rs", "fn main() { println!(\"there\"); }");
    project.cargo("test --package app --test starts").within(&second).fails_with(101);
    remove(&second);
    project.git(&["worktree", "prune"]);
    is_like_from_scratch(&project, "env CARGO_BIN_EXE_app");
}

#[test]
fn the_directory_for_what_tests_write() {
    let test = "#[test] fn writes() { std::fs::write(concat!(env!(\"CARGO_TARGET_TMPDIR\"), \"/x\"), \"\").unwrap(); }";
    let project = project("fn main() {}", &[("crates/app/tests/writes.rs", test)]);
    is_like_from_scratch(&project, "env CARGO_TARGET_TMPDIR");
}

const GENERATES: &str = "fn main() { \
    let dir = std::env::var(\"OUT_DIR\").unwrap(); \
    std::fs::write(format!(\"{dir}/made.rs\"), \"pub const MADE: u32 = 1;\").unwrap(); \
    println!(\"cargo::rerun-if-changed=build.rs\"); }";

#[test]
fn the_directory_of_what_a_build_script_generates() {
    let main = "include!(concat!(env!(\"OUT_DIR\"), \"/made.rs\")); fn main() { \
                println!(\"{MADE} {}\", std::fs::read_to_string(concat!(env!(\"OUT_DIR\"), \"/made.rs\")).unwrap()); }";
    is_like_from_scratch(&project(main, &[("crates/app/build.rs", GENERATES)]), "env OUT_DIR");
}

#[test]
fn a_path_that_a_build_script_prints() {
    let data = "fn main() { println!(\"{}\", std::fs::read_to_string(env!(\"DATA\")).unwrap()); }";
    let here = "fn main() { println!(\"here\"); }";
    for (main, printed, why) in [
        // In the same tree it is the same path; in another, cargo has to ask the script again.
        (data, "rustc-env=DATA={dir}/data.txt", ""),
        (
            here,
            "rustc-link-search=native={dir}/native",
            "its build script printed the donor's path",
        ),
    ] {
        let script = "fn main() { let dir = std::env::var(\"CARGO_MANIFEST_DIR\").unwrap(); \
                      println!(\"cargo::rerun-if-changed=build.rs\\ncargo::PRINTED\"); }";
        let script = script.replace("PRINTED", printed);
        let files = [("crates/app/build.rs", &*script), ("crates/app/data.txt", "here")];
        is_like_from_scratch(&project(main, &files), why);
    }
}

/// As the script would print it here: cargo would search in vain in a lane that is gone.
#[test]
fn a_directory_of_the_lane_in_which_a_build_script_has_the_linker_search() {
    for dir in ["out.split(\"/build/\").next().unwrap().to_owned() + \"/deps\"", "out"] {
        let script = format!(
            "fn main() {{ println!(\"cargo::rerun-if-changed=build.rs\"); \
             let out = std::env::var(\"OUT_DIR\").unwrap(); let dir = {dir}; \
             println!(\"cargo::rustc-link-search=native={{dir}}\"); }}"
        );
        let project =
            project("fn main() { println!(\"here\"); }", &[("crates/app/build.rs", &script)]);
        is_like_from_scratch(&project, "compiled 0,");
        // Nothing that the script has printed names the donor.
        let second = project.root.with_file_name("second");
        let is_printed = |file: &PathBuf| {
            ["output", "stdout", "root-output"].iter().any(|name| file.ends_with(name))
        };
        let files = files_below(&second.join("target/debug/build")).into_iter();
        let printed: Vec<_> = files.filter(is_printed).collect();
        assert!(!printed.is_empty());
        for file in printed {
            let text = std::fs::read_to_string(&file).expect("it can be read");
            assert!(!text.contains(project.root.to_str().expect("UTF-8")), "{text}");
        }
    }
}

#[test]
fn what_a_build_script_prints_for_people_is_no_trap() {
    let script = "fn main() { println!(\"root = {}\", std::env::var(\"CARGO_MANIFEST_DIR\").unwrap()); \
                  println!(\"cargo::rerun-if-changed=build.rs\"); }";
    let project = project("fn main() { println!(\"here\"); }", &[("crates/app/build.rs", script)]);
    is_like_from_scratch(&project, "compiled 0,");
}

#[test]
fn a_path_in_what_a_build_script_generates() {
    let main = "include!(env!(\"MADE_RS\")); fn main() { println!(\"{}\", std::fs::read_to_string(DATA).unwrap()); }";
    let script = "fn main() { let dir = std::env::var(\"CARGO_MANIFEST_DIR\").unwrap(); \
                  let out = std::env::var(\"OUT_DIR\").unwrap(); \
                  std::fs::write(format!(\"{out}/made.rs\"), format!(\"const DATA: &str = {:?};\", dir + \"/data.txt\")).unwrap(); \
                  println!(\"cargo::rerun-if-changed=build.rs\\ncargo::rustc-env=MADE_RS={out}/made.rs\"); }";
    let files = [("crates/app/build.rs", script), ("crates/app/data.txt", "here")];
    is_like_from_scratch(&project(main, &files), "");
}

#[test]
fn a_library_that_finds_a_generated_file_at_run_time() {
    // No variable in the program: the path is in a file that the script wrote, the file's name is
    // relative.
    let script = "fn main() { let dir = std::env::var(\"CARGO_MANIFEST_DIR\").unwrap(); \
                  std::fs::write(\"src/made.ignored\", format!(\"{:?}\", dir + \"/data.txt\")).unwrap(); \
                  println!(\"cargo::rerun-if-changed=build.rs\"); }";
    let main = "fn main() { println!(\"{}\", std::fs::read_to_string(include!(\"made.ignored\")).unwrap()); }";
    let files = [("crates/app/build.rs", script), ("crates/app/data.txt", "here")];
    let project = project(main, &files);
    let second = worktree(&project, "second");
    // The script is not run again, as nothing that it watches has changed; plain cargo would fail
    // the same way after `git clean`. What matters is that the donor's file is not used.
    let ran = project.xtask("build").within(&second).run();
    assert!(!ran.output.status.success() || !printed(&project, &second).is_empty());
    ran.leaves("differs", "crates/app/src/made.ignored");
}

/// cargo notes it by an absolute path.
#[test]
fn a_source_outside_its_package() {
    let main = "fn main() { println!(\"{}\", include_str!(\"../../../README.md\")); }";
    let project = project(main, &[("README.md", "here")]);
    let [second, third, fourth] =
        ["second", "third", "fourth"].map(|name| worktree(&project, name));
    put(&third, "README.md", "another");
    set_modified(&third.join("README.md"), hours_ago(5));
    first_build(&project, &third).leaves("differs", "README.md");
    assert_eq!(printed(&project, &third), "another\n");
    remove(&third.join("target"));

    first_build(&project, &second).compiled(0);
    project.write("README.md", "an edit in the donor");
    project.xtask("build").within(&second).ok().compiled(0);
    project.xtask("lane fork --from").arg(&project.root).within(&fourth).ok();
    project.xtask("build").within(&fourth).ok().compiled_of(1, &["app"]);
    assert_eq!(printed(&project, &fourth), "here\n");
    remove(&fourth);
    std::fs::rename(&project.root, project.root.with_file_name("was here"))
        .expect("it can be moved");
    project.cargo("test").within(&second).ok().does_not_say("Compiling");
    std::fs::rename(project.root.with_file_name("was here"), &project.root)
        .expect("it can be moved");
    remove(&project.root.join("target"));
    // A fork of the fork knows the file as its own, too.
    put(&third, "README.md", "here");
    first_build(&project, &third).says("second/target: ").compiled(0);
    for tree in [&second, &third] {
        put(tree, "README.md", "there");
        assert_eq!(printed(&project, tree), "there\n");
    }
}

/// clippy reads the workspace's manifest and its own settings, wherever in the tree the package is.
#[test]
fn what_clippy_has_read_for_every_package() {
    let project = project("fn main() {}", &[("clippy.toml", "too-many-arguments-threshold = 9\n")]);
    project.xtask("clippy --workspace").ok();
    let [second, third] = ["second", "third"].map(|name| worktree(&project, name));
    project.xtask("clippy --workspace").within(&second).ok().forked().compiled(0);
    // The fork of the fork must not look for the settings of the first donor.
    remove(&project.root.join("target"));
    remove_file(&project.root.join("clippy.toml"));
    project.xtask("clippy --workspace").within(&third).ok().forked().compiled(0);
    remove(&project.root);
    put(&second, "clippy.toml", "too-many-arguments-threshold = 1\n");
    project
        .xtask("clippy --workspace")
        .within(&second)
        .run()
        .compiled_of(3, &["alone", "app", "core"]);
}

/// One that is nearer than what the donor had, here alone.
#[test]
fn settings_that_clippy_would_find_first() {
    let project = project("fn main() {}", &[("clippy.toml", "too-many-arguments-threshold = 9\n")]);
    project.xtask("clippy --workspace").ok();
    let second = worktree(&project, "second");
    put(&second, "crates/core/.clippy.toml", "too-many-arguments-threshold = 8\n");
    let ran = project.xtask("clippy --workspace").within(&second).ok();
    ran.leaves("differs", ".clippy.toml").compiled_of(2, &["app", "core"]);
}

/// `app` has a file that this block of a macro may read.
fn embedding(block: &str) -> Project {
    let project = with_macro(block, "");
    project.write("crates/app/data.txt", "here").commit();
    build(&project);
    project
}

#[test]
fn a_macro_that_reads_files() {
    let dir = "std::env::var(\"CARGO_MANIFEST_DIR\").unwrap()";
    let project = embedding(&format!("{} + &{dir}", reading("data.txt")));
    let second = worktree(&project, "second");
    put(&second, "crates/app/data.txt", "there");
    first_build(&project, &second).leaves("macro", "reader");
    remove(&project.root);
    let found = printed(&project, &second);
    assert!(found.contains("there") && found.contains("second"), "{found}");
}

/// What was found in the old one says nothing of the new one, which lies at the same place.
#[test]
fn a_macro_that_begins_to_read_files() {
    let project = embedding("\"nothing\".to_owned()");
    let second = worktree(&project, "second");
    first_build(&project, &second).compiled(0);
    write_reader(&project, &quoted(&reading("data.txt")));
    project.commit();
    build(&project);
    let third = worktree(&project, "third");
    put(&third, "crates/app/data.txt", "there");
    remove(&second);
    first_build(&project, &third).leaves("macro", "reader");
    assert_eq!(printed(&project, &third), "there\n");
}

/// It knows where it is without asking for the manifest, and rustc tells cargo of the file that it
/// has named.
#[test]
fn a_macro_that_names_a_file_outside_its_package() {
    let project = with_macro("String::new()", "");
    let code = "let path = std::env::current_dir().unwrap().join(\"Cargo.toml\"); \
                format!(\"concat!(include_str!({path:?}), {path:?})\")";
    write_reader(&project, code);
    project.commit();
    build(&project);
    let second = worktree(&project, "second");
    first_build(&project, &second).leaves("outside", "").says("Cargo.toml");
    remove(&project.root);
    assert!(printed(&project, &second).contains("second/Cargo.toml"));
}

#[test]
fn a_macro_that_reads_files_and_keeps_no_path() {
    let project = embedding(&reading("data.txt"));
    let second = worktree(&project, "second");
    first_build(&project, &second).compiled(0);
    // cargo does not know of the file, so only another tree can have another one.
    let third = worktree(&project, "third");
    put(&third, "crates/app/data.txt", "there");
    first_build(&project, &third).leaves("macro", "reader");
    assert_eq!(printed(&project, &third), "there\n");
}

/// git lists the files of a folder that ignores itself one by one.
#[test]
fn what_xtask_writes_for_one_machine_is_nothing_that_a_macro_reads() {
    let project = with_macro(&reading("data.txt"), "");
    project.write("crates/app/data.txt", "here").write(".cargo/config.toml", "").commit();
    build(&project);
    // Of an earlier version of xtask.
    project.write(".cargo/wrapper/.gitignore", "*\n").script(".cargo/wrapper/rustc", "exec \"$@\"");
    let second = worktree(&project, "second");
    first_build(&project, &second).compiled(0);
}

/// cargo does not notice that the file has changed, so the donor's own program is behind; what is
/// forked must not be.
#[test]
fn a_macro_that_has_read_a_file_before_it_was_changed() {
    let project = embedding(&reading("data.txt"));
    project.write("crates/app/data.txt", "later").commit();
    let second = worktree(&project, "second");
    first_build(&project, &second).leaves("macro", "reader");
    assert_eq!(printed(&project, &second), "later\n");
}

#[test]
fn a_macro_that_reads_an_ignored_file() {
    let project = with_macro(&reading("secret.ignored"), "");
    project.write("crates/app/secret.ignored", "here").commit();
    build(&project);
    let second = worktree(&project, "second");
    first_build(&project, &second).leaves("macro", "reader");
    assert_eq!(printed(&project, &second), "\n");

    let third = worktree(&project, "third");
    put(&third, "crates/app/secret.ignored", "else");
    first_build(&project, &third).leaves("macro", "reader");
    assert_eq!(printed(&project, &third), "else\n");
}

#[test]
fn an_ignored_file_that_is_compiled() {
    let main = "fn main() { println!(\"{}\", include!(\"value.ignored\")); }";
    let project = project(main, &[("crates/app/src/value.ignored", "1")]);
    let second = worktree(&project, "second");
    put(&second, "crates/app/src/value.ignored", "2");
    set_modified(&second.join("crates/app/src/value.ignored"), hours_ago(5));
    first_build(&project, &second).leaves("differs", "crates/app/src/value.ignored");
    assert_eq!(printed(&project, &second), "2\n");
}

#[test]
fn files_that_only_one_tree_has() {
    let main = "mod part; fn main() { println!(\"{}\", part::PART); }";
    let project = project(main, &[("crates/app/src/part.rs", "pub const PART: u32 = 1;")]);
    // Renamed: the module is a directory now.
    let second = worktree(&project, "second");
    remove_file(&second.join("crates/app/src/part.rs"));
    put(&second, "crates/app/src/part/mod.rs", "pub const PART: u32 = 2;");
    first_build(&project, &second).leaves("differs", "crates/app/src/part.rs");
    assert_eq!(printed(&project, &second), "2\n");
    // Deleted: it does not compile, and the fork must not hide that.
    let third = worktree(&project, "third");
    remove_file(&third.join("crates/app/src/part.rs"));
    project.xtask("build").within(&third).fails_with(101).forked();
}

fn remove_file(path: &Path) {
    std::fs::remove_file(path).expect("it is there");
}

#[test]
#[cfg(unix)]
fn a_source_that_is_a_link() {
    let main = "mod part; fn main() { println!(\"{}\", part::PART); }";
    let project = undone();
    project
        .write("crates/app/src/main.rs", main)
        .write("shared/one.rs", "pub const PART: u32 = 1;");
    project.write("shared/two.rs", "pub const PART: u32 = 2;");
    let link = |root: &Path, to: &str| {
        let at = root.join("crates/app/src/part.rs");
        drop(std::fs::remove_file(&at));
        std::os::unix::fs::symlink(to, at).expect("a link");
    };
    link(&project.root, "../../../shared/one.rs");
    project.commit();
    build(&project);
    // cargo watches it by its absolute path, as it does not follow rustc through the link.
    let second = worktree(&project, "second");
    first_build(&project, &second).compiled(0);
    let third = worktree(&project, "third");
    link(&third, "../../../shared/two.rs");
    set_modified(&third.join("shared/two.rs"), hours_ago(5));
    first_build(&project, &third);
    assert_eq!(printed(&project, &third), "2\n");
    put(&second, "shared/one.rs", "pub const PART: u32 = 3;");
    assert_eq!(printed(&project, &second), "3\n");
}

/// A script of `core` that counts the files in a directory that it watches, or in its whole
/// package.
fn counting(watch: &str) -> Project {
    let script = format!(
        "fn main() {{ let files = std::fs::read_dir(\"data\").unwrap().count(); \
         let text = std::fs::read_to_string(\"data/a.txt\").unwrap_or_default(); \
         println!(\"cargo::rustc-env=TEXT={{files}} {{text}}\"); {watch} }}"
    );
    let project = scripted(&script);
    project.write("crates/core/data/a.txt", "a").write("crates/core/data/b.txt", "b");
    project.commit();
    build(&project);
    project
}

#[test]
fn a_build_script_that_watches_a_directory_or_everything() {
    for watch in ["println!(\"cargo::rerun-if-changed=data\");", ""] {
        let project = counting(watch);
        assert_eq!(printed(&project, &project.root), "2 a\n");
        let second = worktree(&project, "second");
        first_build(&project, &second).compiled(0);
        put(&second, "crates/core/data/a.txt", "changed");
        assert_eq!(printed(&project, &second), "2 changed\n", "{watch:?}");

        let third = worktree(&project, "third");
        remove_file(&third.join("crates/core/data/b.txt"));
        let fourth = worktree(&project, "fourth");
        put(&fourth, "crates/core/data/a.txt", "other");
        let fifth = worktree(&project, "fifth");
        put(&fifth, "crates/core/data/c.txt", "c");
        set_modified(&fifth.join("crates/core/data/c.txt"), hours_ago(5));
        for (tree, expected) in [(&third, "1 a\n"), (&fourth, "2 other\n"), (&fifth, "3 a\n")] {
            for path in ["crates/core/data/a.txt", "crates/core/data"] {
                set_modified(&tree.join(path), hours_ago(5));
            }
            first_build(&project, tree).leaves("differs", "");
            assert_eq!(printed(&project, tree), expected, "{watch:?}");
        }
    }
}

#[test]
fn a_build_script_that_watches_what_is_not_there() {
    let project = counting("println!(\"cargo::rerun-if-changed=missing.txt\");");
    let second = worktree(&project, "second");
    first_build(&project, &second).leaves("differs", "crates/core/missing.txt");
    assert_eq!(printed(&project, &second), "2 a\n");
}

#[test]
fn a_build_script_that_watches_a_variable() {
    let script = "fn main() { println!(\"cargo::rerun-if-env-changed=DATA\"); \
                  println!(\"cargo::rustc-env=TEXT={}\", std::env::var(\"DATA\").unwrap_or_default()); }";
    let project = scripted(script);
    project.commit();
    project.xtask("build").env("DATA", "one").ok();
    let second = worktree(&project, "second");
    project.xtask("build").env("DATA", "one").within(&second).ok().compiled(0);
    let run = project.cargo("run --quiet --package app").env("DATA", "two").within(&second);
    assert_eq!(run.ok().stdout(), "two\n");
}

#[test]
fn a_build_script_that_asks_git() {
    let script = "fn main() { let out = std::process::Command::new(\"git\").args([\"rev-parse\", \"HEAD\"]).output(); \
                  println!(\"cargo::rerun-if-changed=build.rs\"); \
                  println!(\"cargo::rustc-env=TEXT={}\", String::from_utf8(out.unwrap().stdout).unwrap()); }";
    let project = scripted(script);
    project.commit();
    project.git(&["checkout", "--quiet", "--detach"]);
    build(&project);
    let second = worktree(&project, "second");
    first_build(&project, &second).compiled(0);
    // The same commit, but the script may have asked for the branch.
    project.git_in(&second, &["checkout", "--quiet", "-b", "fix"]);
    remove(&second.join("target"));
    first_build(&project, &second).leaves("commit", "");
    project.git(&["commit", "--quiet", "--allow-empty", "--message=next"]);
    let third = worktree(&project, "third");
    first_build(&project, &third).leaves("commit", "");
    assert_eq!(printed(&project, &third), printed_from_scratch(&project, &third));
}

//! Forks: a new lane has nothing to compile, and gives what a lane built from scratch would give.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::support::{Project, Ran, entries, put, skipped};

/// `app` (a program and a test) → `core`; `alone` beside them. Committed and built.
pub(crate) fn donor() -> Project {
    let project = undone();
    project.commit();
    build(&project);
    project
}

/// The same before its first commit and build, so that a test can add what it is about.
pub(crate) fn undone() -> Project {
    let project = Project::workspace(&[("core", &[]), ("app", &["core"]), ("alone", &[])]);
    project
        .write(".gitignore", "/target/\n/.lanes/\n*.ignored\n")
        .write("crates/app/src/main.rs", "fn main() { println!(\"{}\", core::text()); }\n")
        .write(
            "crates/app/tests/it.rs",
            "#[test] fn passes() { println!(\"{}\", core::text()); }\n",
        );
    write_text(&project.root, "one");
    std::fs::remove_file(project.root.join("crates/app/src/lib.rs")).expect("it is there");
    // `core` is a crate of every program; the package needs another name in it.
    let manifest = project.read("crates/app/Cargo.toml");
    let manifest = manifest.replace("core = {", "mycore = { package = \"core\",");
    project.write("crates/app/Cargo.toml", &manifest);
    for file in ["crates/app/src/main.rs", "crates/app/tests/it.rs"] {
        project.write(file, &project.read(file).replace("core::", "mycore::"));
    }
    project.cargo("generate-lockfile").ok();
    project
}

/// What `core` says, and so what `app` prints.
pub(crate) fn write_text(root: &Path, text: &str) {
    let source = format!("pub fn text() -> String {{ \"{text}\".to_owned() }}\n");
    put(root, "crates/core/src/lib.rs", &source);
}

/// `core` has this build script, and says what it sets `TEXT` to.
pub(crate) fn scripted(script: &str) -> Project {
    let project = undone();
    let source = "pub fn text() -> String { env!(\"TEXT\").to_owned() }\n";
    project.write("crates/core/build.rs", script).write("crates/core/src/lib.rs", source);
    project
}

/// A build script that sets `TEXT` to the string that this block is. It says that it depends on its
/// source alone, which cargo believes.
pub(crate) fn saying(block: &str) -> String {
    format!(
        "fn main() {{\n    println!(\"cargo::rerun-if-changed=build.rs\");\n    \
         let text: String = {{ {block} }};\n    \
         println!(\"cargo::rustc-env=TEXT={{}}\", text.trim());\n}}\n"
    )
}

/// `app` prints what a macro of the package `reader` expands to: the string that this block is, in
/// which `told` is what the caller tells it.
pub(crate) fn with_macro(block: &str, told: &str) -> Project {
    let project = undone();
    add_macro(&project, block, told);
    project
}

/// The same in a project that is there.
pub(crate) fn add_macro(project: &Project, block: &str, told: &str) {
    add_reader(project, &quoted(block));
    let main = format!("fn main() {{ println!(\"{{}}\", reader::data!({told})); }}\n");
    project
        .append("crates/app/Cargo.toml", "reader = { path = \"../reader\" }\n")
        .write("crates/app/src/main.rs", &main);
    project.cargo("generate-lockfile").ok();
}

/// The package `reader`, whose macro `data` expands to the code that this block is.
pub(crate) fn add_reader(project: &Project, code: &str) {
    project.package("crates/reader", "reader", &[]);
    project.append("crates/reader/Cargo.toml", "\n[lib]\nproc-macro = true\n");
    write_reader(project, code);
}

/// The macro does something else from now on.
pub(crate) fn write_reader(project: &Project, code: &str) {
    let source = format!(
        "extern crate proc_macro; use proc_macro::TokenStream;\n\
         #[proc_macro] pub fn data(input: TokenStream) -> TokenStream {{\n    \
         let told = input.to_string().replace('\"', \"\"); _ = &told;\n    \
         let code: String = {{ {code} }}; code.parse().unwrap()\n}}\n"
    );
    project.write("crates/reader/src/lib.rs", &source);
}

/// As code: a literal with the string that this block is.
pub(crate) fn quoted(block: &str) -> String {
    format!("let text: String = {{ {block} }}; format!(\"{{:?}}\", text.trim())")
}

/// A block that reads a file of the package that is compiled.
pub(crate) fn reading(path: &str) -> String {
    format!(
        "std::fs::read_to_string(std::env::var(\"CARGO_MANIFEST_DIR\").unwrap() + \"/{path}\")\
         .unwrap_or_default()"
    )
}

pub(crate) fn build(project: &Project) {
    project.cargo("build").ok();
    project.cargo("test --no-run").ok();
}

/// A worktree beside the project, at its commit.
pub(crate) fn worktree(project: &Project, name: &str) -> PathBuf {
    let dir = project.root.with_file_name(name);
    project.git(&["worktree", "add", "--quiet", "--detach", dir.to_str().expect("UTF-8")]);
    dir
}

/// The first build in a tree, which forks, and what it says.
pub(crate) fn first_build(project: &Project, dir: &Path) -> Ran {
    project.xtask("build").within(dir).ok()
}

pub(crate) fn remove(dir: &Path) {
    std::fs::remove_dir_all(dir).expect("it can be removed");
}

pub(crate) fn set_modified(path: &Path, time: SystemTime) {
    std::fs::File::open(path)
        .expect("it is there")
        .set_modified(time)
        .expect("its time can be set");
}

pub(crate) fn hours_ago(hours: u64) -> SystemTime {
    SystemTime::now() - Duration::from_secs(3600 * hours)
}

/// As a file system has it that keeps even seconds.
pub(crate) fn even_second(time: SystemTime) -> SystemTime {
    let seconds = time.duration_since(UNIX_EPOCH).expect("it is after 1970").as_secs();
    UNIX_EPOCH + Duration::from_secs(seconds / 2 * 2)
}

/// Gives everything below a directory the time that `change` makes of its own.
pub(crate) fn change_times(dir: &Path, change: &dyn Fn(SystemTime) -> SystemTime) {
    assert!(dir.is_dir(), "{} is no directory", dir.display());
    for path in entries(dir) {
        let modified = path.metadata().expect("it is there").modified().expect("a time");
        set_modified(&path, change(modified));
        if path.is_dir() {
            change_times(&path, change);
        }
    }
}

/// The whole tree, with all times.
#[cfg(unix)]
pub(crate) fn copied(project: &Project, name: &str) -> PathBuf {
    let copy = project.root.with_file_name(name);
    let status = project.command("cp").arg("-a").arg(&project.root).arg(&copy).status();
    assert!(status.expect("cp starts").success());
    copy
}

/// Moves the workspace into a folder of the repository.
pub(crate) fn move_into_folder(project: &Project, name: &str) -> PathBuf {
    let folder = project.root.join(name);
    std::fs::create_dir(&folder).expect("a directory");
    for name in ["Cargo.toml", "Cargo.lock", "crates", ".gitignore"] {
        std::fs::rename(project.root.join(name), folder.join(name)).expect("it can be moved");
    }
    folder
}

/// What the program prints that is built in `dir`, in its lane or from scratch.
pub(crate) fn printed(project: &Project, dir: &Path) -> String {
    project.cargo("run --quiet --package app").within(dir).ok().stdout()
}

pub(crate) fn printed_from_scratch(project: &Project, dir: &Path) -> String {
    let scratch = dir.with_file_name("scratch target");
    drop(std::fs::remove_dir_all(&scratch));
    let run = project.cargo("run --quiet --package app --target-dir").arg(&scratch).within(dir);
    run.ok().stdout()
}

/// What the tree builds in its lane is what it builds from scratch.
#[track_caller]
pub(crate) fn is_like_from_scratch(project: &Project, dir: &Path) {
    assert_eq!(printed(project, dir), printed_from_scratch(project, dir));
}

/// And it is this.
#[track_caller]
pub(crate) fn prints(project: &Project, dir: &Path, expected: &str) {
    assert_eq!(printed_from_scratch(project, dir), expected, "the test expects what is not so");
    assert_eq!(printed(project, dir), expected);
}

#[test]
fn a_new_agent_has_nothing_to_compile() {
    let project = donor();
    project.xtask("build").agent("a").ok().forked().forked_from("/target").compiled(0);
    project.xtask("build-test").agent("a").ok().forked_nothing().compiled(0);
    // The lane of one agent does for another, when the worktree's own has gone.
    remove(&project.root.join("target"));
    project.xtask("build").agent("b").ok().forked_from("/.lanes/a/").compiled(0);
}

#[test]
fn a_new_worktree_has_nothing_to_compile() {
    let project = donor();
    let second = worktree(&project, "second");
    let before = times(&second);
    first_build(&project, &second).forked().compiled(0);
    project.xtask("build-test").within(&second).ok().compiled(0);
    assert_eq!(times(&second), before, "sources were touched, though no build script watches them");
    assert_eq!(project.git_in(&second, &["status", "--porcelain"]), "");
    // And it lives on by itself.
    remove(&project.root);
    project.cargo("test").within(&second).ok();
    assert_eq!(printed(&project, &second), "one\n");
    write_text(&second, "two");
    assert_eq!(printed(&project, &second), "two\n");
}

fn times(dir: &Path) -> Vec<(PathBuf, SystemTime)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir.join("crates")).expect("a directory").flatten() {
        for file in ["Cargo.toml", "src/lib.rs", "src/main.rs"].map(|name| entry.path().join(name))
        {
            if let Ok(meta) = file.metadata() {
                found.push((file, meta.modified().expect("a time")));
            }
        }
    }
    found.sort();
    found
}

#[test]
fn the_new_layout_forks_as_well() {
    let project = undone();
    project.commit();
    if !project.cargo("+nightly --version").run().output.status.success() {
        return skipped("before cargo 1.100, only nightly has it");
    }
    let words = "cargo +nightly build -Zbuild-dir-new-layout";
    project.xtask(words).ok().compiled(3);
    assert!(!project.exists("target/debug/.fingerprint"), "this is the old layout");
    project.xtask(words).agent("a").ok().forked().compiled(0);
    let second = worktree(&project, "second");
    project.xtask(words).within(&second).ok().forked().compiled(0);
    remove(&project.root);
    write_text(&second, "two");
    let run =
        project.cargo("+nightly run -Zbuild-dir-new-layout --quiet --package app").within(&second);
    assert_eq!(run.ok().stdout(), "two\n");
}

#[test]
fn of_the_next_commit_only_what_changed_is_compiled() {
    let project = donor();
    let second = worktree(&project, "second");
    put(&second, "crates/alone/src/lib.rs", "pub fn new() {}\n");
    let ran = first_build(&project, &second);
    ran.leaves("differs", "crates/alone/src/lib.rs");
    assert_eq!(ran.built(), ["alone"]);
}

#[test]
fn what_a_changed_source_concerns_is_compiled_and_nothing_else() {
    let project = donor();
    let second = worktree(&project, "second");
    write_text(&second, "two");
    // Older than everything in the donor: by times alone it would be fresh.
    set_modified(&second.join("crates/core/src/lib.rs"), hours_ago(5));
    // What needs it is left out too, and not only found old by cargo: a clock may have gone back.
    let plan = project.xtask("lane fork --dry-run").within(&second).ok().stdout();
    assert!(plan.contains("app bin-app: needs core"), "{plan}");
    assert_eq!(first_build(&project, &second).built(), ["app", "core"]);
    assert_eq!(printed(&project, &second), "two\n");
}

#[test]
fn a_source_that_the_donor_edited_after_its_build() {
    for hours in [None, Some(5)] {
        let project = donor();
        let second = worktree(&project, "second");
        for root in [&project.root, &second] {
            write_text(root, "two");
        }
        if let Some(hours) = hours {
            set_modified(&second.join("crates/core/src/lib.rs"), hours_ago(hours));
        }
        // Both trees have the same bytes now, but the donor's unit was made from others.
        first_build(&project, &second).leaves("outdated", "crates/core/src/lib.rs");
        assert_eq!(printed(&project, &second), "two\n");
    }
}

#[test]
fn a_donor_is_not_changed_by_what_is_built_in_the_fork() {
    let project = donor();
    let second = worktree(&project, "second");
    let before = state(&project.root.join("target"));
    assert!(programs(&project.root).len() >= 3, "a program, its tests and the tests beside it");
    first_build(&project, &second);
    write_text(&second, "two");
    for words in ["build", "check --all-targets", "test", "build --release"] {
        project.cargo(words).within(&second).ok();
    }
    let after = state(&project.root.join("target"));
    let changed: Vec<_> =
        before.iter().filter(|file| !after.contains(file)).map(|(path, ..)| path).collect();
    assert!(changed.is_empty(), "{changed:?}");
    project.xtask("build").ok().compiled(0);
    project.xtask("build-test").ok().compiled(0);
    assert_eq!(printed(&project, &project.root), "one\n");
    remove(&second);
    project.cargo("test").ok();
}

/// All files in a directory and below, in whichever layout cargo has put them there. While cargo
/// builds, some are there for a moment.
pub(crate) fn files_below(dir: &Path) -> Vec<PathBuf> {
    let paths = entries(dir).into_iter();
    paths.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

/// The programs and tests that cargo keeps for itself.
pub(crate) fn programs(root: &Path) -> Vec<PathBuf> {
    let is_program = |path: &PathBuf| {
        let dir = path.parent().and_then(|dir| dir.file_name()).unwrap_or_default();
        (dir == "deps" || dir == "out") && path.extension().is_none()
    };
    files_below(&root.join("target/debug")).into_iter().filter(is_program).collect()
}

/// Every file below a directory, with its bytes and its time.
pub(crate) fn state(dir: &Path) -> BTreeSet<(PathBuf, SystemTime, Vec<u8>)> {
    let of_file = |path: PathBuf| {
        let modified = path.metadata().and_then(|meta| meta.modified()).expect("a time");
        let bytes = std::fs::read(&path).expect("it can be read");
        (path, modified, bytes)
    };
    let found: BTreeSet<_> = files_below(dir).into_iter().map(of_file).collect();
    assert!(!found.is_empty(), "nothing is in {}", dir.display());
    found
}

#[test]
fn two_trees_take_turns_as_donors() {
    let project = donor();
    let second = worktree(&project, "second");
    first_build(&project, &second).compiled(0);
    remove(&project.root.join("target"));
    first_build(&project, &project.root).forked().compiled(0);
    let third = worktree(&project, "third");
    first_build(&project, &third).forked().compiled(0);
    write_text(&third, "two");
    assert_eq!(printed(&project, &third), "two\n");
}

#[test]
fn a_lane_is_topped_up() {
    let project = donor();
    let second = worktree(&project, "second");
    project.cargo("build --package alone").within(&second).ok();
    let ran = project.xtask("lane fork").within(&second).ok();
    ran.forked();
    first_build(&project, &second).forked_nothing().compiled(0);
    is_like_from_scratch(&project, &second);
}

#[test]
fn what_is_added_needs_nothing_that_was_built_here() {
    let project = donor();
    let second = worktree(&project, "second");
    project.cargo("build --package core").within(&second).ok();
    // The hash of a path package's crate holds its directory: the donor's program cannot use the
    // `core` that is here.
    let plan = project.xtask("lane fork --dry-run").within(&second).ok().stdout();
    assert!(plan.contains("app bin-app: needs core"), "{plan}");
    project.xtask("lane fork").within(&second).ok();
    assert_eq!(first_build(&project, &second).built(), ["app"]);
    assert_eq!(printed(&project, &second), "one\n");
}

#[test]
fn what_is_added_never_takes_the_place_of_what_a_unit_was_built_with() {
    let project = donor();
    let second = worktree(&project, "second");
    write_text(&second, "two");
    first_build(&project, &second);
    // Back to the donor's source, and its unit cleaned away: the program here still has the other
    // one inside.
    write_text(&second, "one");
    project.cargo("clean --package core").within(&second).ok();
    project.xtask("lane fork").within(&second).ok();
    assert_eq!(printed(&project, &second), "one\n");
}

#[test]
fn a_plan_is_shown_and_nothing_is_done() {
    let project = donor();
    let plan = project.xtask("lane fork --dry-run").agent("a").ok().stdout();
    assert!(plan.contains("left to cargo: 0") && plan.contains("units: "), "{plan}");
    let explained = project.xtask("lane fork --explain core").agent("a").ok().stdout();
    assert!(explained.contains("core lib-core: forked"), "{explained}");
    assert!(explained.contains("link target") || explained.contains("link debug"), "{explained}");
    assert!(!project.exists(".lanes"));
}

#[test]
fn a_donor_can_be_named() {
    let project = donor();
    let clone = project.root.with_file_name("clone");
    let (from, to) = (project.root.to_str().expect("UTF-8"), clone.to_str().expect("UTF-8"));
    project.git(&["clone", "--quiet", from, to]);
    project.xtask("lane fork").within(&clone).fails_with(1).says("there is no lane").says("help: ");
    project.xtask("lane fork --from").arg(&project.root).within(&clone).ok().forked();
    first_build(&project, &clone).compiled(0);
    project.xtask("lane fork --from nowhere").within(&clone).fails_with(1).says("nowhere");
}

#[test]
fn other_lanes_of_a_tree_never_see_an_older_time() {
    let project = undone();
    project.write(
        "crates/core/build.rs",
        "fn main() { println!(\"cargo::rerun-if-changed=data.txt\"); }",
    );
    project.write("crates/core/data.txt", "one").commit();
    build(&project);
    let second = worktree(&project, "second");
    // A lane of the second tree is built with other data…
    put(&second, "crates/core/data.txt", "two");
    project.cargo("build").within(&second).ok();
    // …and must still notice that they came back, after another lane there has been forked.
    put(&second, "crates/core/data.txt", "one");
    let ran = project.xtask("lane fork --from").arg(&project.root).agent("a").within(&second).ok();
    ran.leaves("watched", "crates/core/data.txt");
    assert_eq!(project.cargo("build").within(&second).ok().built(), ["app", "core"]);
}

/// What is recorded of a first build in a worktree that is not forked.
#[track_caller]
pub(crate) fn begins_cold(ran: &Ran, why: &str) {
    let told = ran.forked_nothing().record()["no_fork"].as_str().unwrap_or_default();
    assert!(told.contains(why) && !told.contains('\n'), "{told:?}\n{}", ran.report());
    assert_eq!(ran.stderr().matches("begins cold").count(), 1, "{}", ran.report());
}

#[test]
fn why_nothing_at_all_is_forked_is_told_once() {
    let project = undone();
    project.write(".cargo/config.toml", "[build]\nbuild-dir = \"../{workspace-path-hash}\"\n");
    project.commit();
    project.xtask("build").ok();
    let second = worktree(&project, "second");
    begins_cold(&first_build(&project, &second), "build-dir");
    first_build(&project, &second).compiled(0).does_not_say("begins cold");

    let project = donor();
    let info = project.read("target/.rustc_info.json");
    project.write("target/.rustc_info.json", &info.replace("rustc 1.", "rustc 0."));
    let second = worktree(&project, "second");
    begins_cold(&first_build(&project, &second), "another compiler");

    // Nothing tells of the compiler, but the units' own fingerprints.
    std::fs::remove_file(project.root.join("target/.rustc_info.json")).expect("it is there");
    std::fs::remove_dir_all(second.join("target")).expect("it is there");
    first_build(&project, &second).forked().compiled(0);
}

#[test]
#[cfg(unix)]
fn a_tree_of_another_owner_is_told_with_the_command_that_permits_it() {
    const OTHER: u32 = 65534;
    let project = donor();
    let second = worktree(&project, "second");
    if std::os::unix::fs::chown(&second, Some(OTHER), None).is_err() {
        return skipped("only root can give a directory to somebody else");
    }
    begins_cold(&first_build(&project, &second), "safe.directory");
}

#[test]
#[cfg(target_os = "linux")]
fn a_worktree_on_another_file_system_is_forked_by_copying() {
    let Ok(meta) = std::fs::metadata("/dev/shm") else {
        return skipped("there is no other file system");
    };
    let project = donor();
    if std::os::linux::fs::MetadataExt::st_dev(&meta)
        == std::os::linux::fs::MetadataExt::st_dev(&project.root.metadata().expect("it is there"))
    {
        return skipped("there is no other file system");
    }
    let second = worktree(&project, &format!("/dev/shm/multilane-{}", std::process::id()));
    let ran = project.xtask("build").within(&second).run();
    remove(&second);
    ran.forked().compiled(0);
}

/// What is left to cargo is told with what would change that, in the record and by `--explain`.
#[test]
fn what_is_left_is_told_with_what_would_have_it_forked() {
    let project = undone();
    project.write(
        "crates/core/src/lib.rs",
        "pub fn text() -> String { env!(\"CARGO_MANIFEST_DIR\").to_owned() }\n",
    );
    project.commit();
    build(&project);
    let second = worktree(&project, "second");
    let explained = project.xtask("lane fork --explain core").within(&second).ok().stdout();
    let ran = first_build(&project, &second);
    let left = ran.leaves("variable", "CARGO_MANIFEST_DIR").left();
    let variable = left.iter().find(|left| left["reason"] == "variable").expect("it is left");
    let remedy = variable["remedies"][0].as_str().expect("it is told");
    assert!(explained.contains(remedy), "{explained}");
}

//! Forks of units in which arbitrary code ran: brought only where the code cannot look around, or
//! where nothing that it could have seen differs.

use std::path::{Path, PathBuf};

use crate::fork::{build, first_build, printed, printed_from_scratch, remove, undone, worktree};
#[cfg(unix)]
use crate::fork::{files_below, set_modified};
use crate::support::Project;

/// `core` has this build script, which sets `TEXT`.
fn scripted(script: &str) -> Project {
    let project = undone();
    let source = "pub fn text() -> String { env!(\"TEXT\").to_owned() }\n";
    project.write("crates/core/build.rs", script).write("crates/core/src/lib.rs", source);
    project
}

/// `app` prints what a macro of the package `reader` expands to: the string that this block is.
fn with_macro(block: &str) -> Project {
    let project = undone();
    project.package("crates/reader", "reader", &[]);
    let manifest = project.read("crates/reader/Cargo.toml") + "\n[lib]\nproc-macro = true\n";
    let source = format!(
        "extern crate proc_macro; use proc_macro::TokenStream;\n\
         #[proc_macro] pub fn data(_: TokenStream) -> TokenStream {{\n    \
         let text: String = {{ {block} }}; format!(\"{{text:?}}\").parse().unwrap()\n}}\n"
    );
    project.write("crates/reader/Cargo.toml", &manifest);
    project.write("crates/reader/src/lib.rs", &source);
    let manifest = project.read("crates/app/Cargo.toml") + "reader = { path = \"../reader\" }\n";
    project.write("crates/app/Cargo.toml", &manifest);
    project.write("crates/app/src/main.rs", "fn main() { println!(\"{}\", reader::data!()); }\n");
    project.cargo("generate-lockfile").ok();
    project
}

fn built(project: &Project) -> PathBuf {
    project.commit();
    build(project);
    worktree(project, "second")
}

fn put(dir: &Path, file: &str, text: &str) {
    std::fs::write(dir.join(file), text).expect("it can be written");
}

#[track_caller]
fn is_like_from_scratch(project: &Project, dir: &Path) {
    assert_eq!(printed(project, dir), printed_from_scratch(project, dir));
}

/// It says that it depends on its source alone, which cargo believes.
const READS: &str = "fn main() { println!(\"cargo::rerun-if-changed=build.rs\"); \
    println!(\"cargo::rustc-env=TEXT={}\", std::fs::read_to_string(\"../../VERSION\").unwrap()); }";

#[test]
fn a_script_that_reads_more_than_it_names() {
    let project = scripted(READS);
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
    let script = READS.replace(
        "std::fs::read_to_string(\"../../VERSION\").unwrap()",
        "std::fs::read_to_string(\"../../link\").unwrap_or_default()",
    );
    let project = scripted(&script);
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
    let project = scripted(READS);
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
    let script = "fn main() { println!(\"cargo::rustc-env=TEXT={}\", std::env::var(\"CARGO_PKG_NAME\").unwrap()); \
                  println!(\"cargo::rerun-if-changed=build.rs\"); }";
    let project = scripted(script);
    let second = built(&project);
    put(&second, "VERSION", "two");
    put(&second, "crates/alone/src/lib.rs", "pub fn other() {}\n");
    assert_eq!(first_build(&project, &second).built(), ["alone"]);
    is_like_from_scratch(&project, &second);
}

#[test]
fn an_ignored_file_that_one_tree_lacks() {
    let project = scripted(&READS.replace(
        "std::fs::read_to_string(\"../../VERSION\").unwrap()",
        "std::fs::read_to_string(\"secret.ignored\").unwrap_or_default()",
    ));
    project.write("crates/core/secret.ignored", "secret");
    let second = built(&project);
    first_build(&project, &second).leaves("script", "crates/core/secret.ignored differs");
    assert_eq!(printed(&project, &second), "\n");
}

#[test]
fn a_variable_of_cargos_configuration() {
    let script = "fn main() { println!(\"cargo::rerun-if-changed=build.rs\"); \
                  println!(\"cargo::rustc-env=TEXT={}\", std::env::var(\"GREETING\").unwrap()); }";
    let project = scripted(script);
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
        let project = with_macro(block);
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
    let project = with_macro(
        "let dir = std::env::var(\"CARGO_MANIFEST_DIR\").unwrap(); \
         std::fs::read_to_string(dir + \"/../../target/idl\").unwrap_or_default()",
    );
    project.write("target/idl", "here");
    let second = built(&project);
    first_build(&project, &second).leaves("macro", "target/idl differs");
    assert_eq!(printed(&project, &second), "\n");
}

#[test]
fn a_fork_of_a_fork_has_what_the_first_has() {
    let project = scripted(READS);
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
    let copy = project.root.with_file_name("copy");
    let command = project.command("cp").arg("-a").arg(&project.root).arg(&copy).output();
    assert!(command.expect("cp starts").status.success());
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
    let [copy, moved] = ["copy", "moved"].map(|name| project.root.with_file_name(name));
    let command = project.command("cp").arg("-a").arg(&project.root).arg(&copy).output();
    assert!(command.expect("cp starts").status.success());
    let check = |dir: &Path| {
        project.xtask("build").agent("a").within(dir).ok().says("built in another place");
        let ran = project.xtask("run --quiet").agent("a").within(dir).ok();
        assert_eq!(ran.stdout(), printed_from_scratch(&project, dir));
    };
    check(&copy);
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
    let project = undone();
    let dependency = project.root.with_file_name("dependency");
    let script = "fn main() { println!(\"cargo::rerun-if-changed=build.rs\"); \
                  std::fs::write(std::env::var(\"OUT_DIR\").unwrap() + \"/tool\", \"the tool\").unwrap(); }";
    let source = "pub fn read() -> String { std::fs::read_to_string(concat!(env!(\"OUT_DIR\"), \"/tool\")).unwrap() }";
    std::fs::create_dir_all(dependency.join("src")).expect("a directory");
    put(
        &dependency,
        "Cargo.toml",
        "[package]\nname = \"tool\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[workspace]\n",
    );
    put(&dependency, "build.rs", script);
    put(&dependency, "src/lib.rs", source);
    for args in
        [&["init", "--quiet"][..], &["add", "--all"], &["commit", "--quiet", "--message=state"]]
    {
        let dir = dependency.to_str().expect("UTF-8");
        project.git(&[&["-C", dir], args].concat());
    }
    let mut project = project;
    let home = project.root.with_file_name("cargo home");
    project.set("CARGO_HOME", home.to_str().expect("UTF-8"));
    project.set("CARGO_NET_OFFLINE", "false");
    let url = format!("file://{}", dependency.display()).replace(' ', "%20");
    let manifest =
        project.read("crates/app/Cargo.toml") + &format!("tool = {{ git = \"{url}\" }}\n");
    project.write("crates/app/Cargo.toml", &manifest);
    project.write("crates/app/src/main.rs", "fn main() { println!(\"{}\", tool::read()); }\n");
    project.cargo("generate-lockfile").ok();
    let second = built(&project);
    first_build(&project, &second).leaves("variable", "OUT_DIR");
    remove(&project.root.join("target"));
    assert_eq!(printed(&project, &second), "the tool\n");
}

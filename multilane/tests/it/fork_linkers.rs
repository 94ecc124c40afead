//! Linkers that write over what is there (mold, wild): in a lane that was forked, that must not be
//! the donor's file.

#![cfg(target_os = "linux")]

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::fork::{build, first_build, programs, undone, worktree};
use crate::support::{Project, Ran, put, put_script};

const INCLUDE: &str = "include = [\n    { path = \"wrapper/config.toml\", optional = true },\n    \
                       { path = \"local.toml\", optional = true },\n]\n";

/// The driver, and behind it a linker that keeps the inode, as mold does: cargo sees no difference.
const OVER_WHAT_IS_THERE: &str = "
for arg do
    case $previous in -o) to=$arg ;; esac
    previous=$arg
done
ln \"$to\" \"$to.inode\" 2>/dev/null
cc \"$@\" || exit
[ -f \"$to.inode\" ] || exit 0
cat \"$to\" >\"$to.inode\" && mv -f \"$to.inode\" \"$to\"
";

/// A library with a test, and a macro; both are linked by LLD at first, where the toolchain has it.
fn project(includes: &str) -> Project {
    let project = Project::workspace(&[("core", &["mac"]), ("mac", &[])]);
    let source = "#[test]\nfn version() {\n    assert_eq!(\"one\".len(), 3);\n}\n";
    project
        .append("crates/mac/Cargo.toml", "[lib]\nproc-macro = true\n")
        .write("crates/mac/src/lib.rs", "")
        .write("crates/core/src/lib.rs", source)
        .write(".cargo/config.toml", includes)
        .write(".gitignore", "/target/\n/.lanes/\n/.cargo/wrapper/\n/.cargo/local.toml\n");
    project.cargo("generate-lockfile").ok();
    project.commit();
    project.xtask("build-test").ok();
    project
}

/// The test of `core`.
fn test_of_core(root: &Path) -> PathBuf {
    let is_test = |path: &PathBuf| {
        path.file_name().unwrap_or_default().to_string_lossy().starts_with("core-")
    };
    programs(root).into_iter().find(is_test).expect("a test")
}

/// Makes another worktree, edits the test there and has it linked by `linker`; the donor's must
/// stay what it was.
fn check(project: &Project, linker: &str, config: &str) {
    let linker_path = project.script("../linker", linker);
    let donors = test_of_core(&project.root);
    let before = (
        std::fs::read(&donors).expect("it is there"),
        donors.metadata().expect("it is there").mtime(),
    );

    let other = worktree(project, "b");
    project.xtask("build-test").within(&other).ok().compiled(0);
    let config = config.replace("LINKER", &linker_path.display().to_string());
    put(&other, ".cargo/local.toml", &config);
    // What is linked by another linker has the same name, as far as cargo is concerned.
    let source = "#[test]\nfn version() {\n    assert_eq!(\"number two\".len(), 10);\n}\n";
    put(&other, "crates/core/src/lib.rs", source);
    project.cargo("test --no-run").within(&other).ok();
    let own = test_of_core(&other);
    assert_eq!(own.file_name(), donors.file_name());
    let text = std::fs::read(&own).expect("it is there");
    assert_ne!(text, before.0, "it was not linked again");

    let after = (
        std::fs::read(&donors).expect("it is there"),
        donors.metadata().expect("it is there").mtime(),
    );
    assert!(after == before, "the donor's test is the other tree's now");
}

const LINKER: &str = "[target.'cfg(all())']\nlinker = \"LINKER\"\n";

#[test]
fn another_linker_writes_into_no_donors_file() {
    let project = project(INCLUDE);
    assert!(project.exists(".cargo/wrapper/rustc"));
    check(&project, OVER_WHAT_IS_THERE, LINKER);
}

#[test]
fn nor_where_there_is_no_wrapper() {
    let project = project("include = [{ path = \"local.toml\", optional = true }]\n");
    assert!(!project.exists(".cargo/wrapper"));
    check(&project, OVER_WHAT_IS_THERE, LINKER);
}

/// Two worktrees beside the project that differ in `libs/x`, each with the first build in it.
fn forks(project: &Project) -> [Ran; 2] {
    project.write("libs/x", "one").commit();
    build(project);
    let [second, third] = ["second", "third"].map(|name| worktree(project, name));
    put(&third, "libs/x", "two");
    [second, third].map(|dir| first_build(project, &dir))
}

fn with_rustflags(flags: &str) -> Project {
    let project = undone();
    project.write(".cargo/config.toml", &format!("[build]\nrustflags = [{flags}]\n"));
    project
}

#[test]
fn flags_that_may_read_the_tree() {
    for (flags, left) in [
        ("\"-L\", \"native=libs\"", 3),
        ("\"-Clink-arg=-Wl,-Llibs,-O1\"", 1),
        ("\"--codegen=link-arg=-Llibs\"", 1),
        ("\"-C\", \"linker=../linker\", \"-Clink-arg=-Blibs\"", 1),
    ] {
        let project = with_rustflags(flags);
        project.script("../linker", "exec cc \"$@\"");
        let [same, other] = forks(&project);
        same.compiled(0);
        other.leaves("linked", "libs/x differs").compiled(left);
    }
}

#[test]
fn flags_that_read_nothing() {
    let project = with_rustflags(
        "\"-Copt-level=1\", \"-C\", \"target-cpu=native\", \"--cfg\", \"a=\\\"b/c\\\"\", \
         \"-Clink-arg=-Wl,-z,now\", \"-Adead_code\", \"-L\", \"/usr/lib\"",
    );
    for ran in forks(&project) {
        ran.compiled(0);
    }
}

#[test]
fn what_a_script_has_the_linker_read() {
    for said in ["rustc-link-arg=-Llibs", "rustc-link-arg=-Wl,-Llibs", "rustc-flags=-L libs"] {
        let project = undone();
        let script = "fn main() { println!(\"cargo::rerun-if-changed=build.rs\\ncargo::SAID\"); }";
        project.write("crates/app/build.rs", &script.replace("SAID", said));
        let [same, other] = forks(&project);
        same.compiled(0);
        other.leaves("linked", "libs/x differs");
    }
}

/// Directories and files out of the checkout have to be as they were when the donor linked.
#[test]
fn what_is_linked_from_elsewhere() {
    let check = |project: &Project, change: &dyn Fn()| {
        project.commit();
        build(project);
        first_build(project, &worktree(project, "second")).compiled(0);
        change();
        first_build(project, &worktree(project, "third"))
    };
    for flags in ["\"-L../libs\"", "\"-Clink-arg=-L../libs\""] {
        let project = with_rustflags(flags);
        project.write("../libs/x", "one");
        let libs = project.root.with_file_name("libs");
        let text = project.read(".cargo/config.toml");
        project
            .write(".cargo/config.toml", &text.replace("../libs", libs.to_str().expect("UTF-8")));
        check(&project, &|| put(&libs, "x", "two")).leaves("linked", "libs");
    }
    let mut project = undone();
    let beside = project.root.parent().expect("a parent").to_owned();
    let wrapper = put_script(&beside, "wrapper", "exec \"$@\"");
    project.set("RUSTC_WORKSPACE_WRAPPER", wrapper.to_str().expect("UTF-8"));
    let change = || drop(put_script(&beside, "wrapper", "exec \"$@\" "));
    check(&project, &change).leaves("tool", "wrapper");
}

#[test]
fn a_linker_that_lies_in_the_tree_and_is_found_on_path() {
    let project = undone();
    project.script("tools/cc", "exec /usr/bin/cc \"$@\"");
    project.write("libs/x", "one").commit();
    let path = |root: &Path| {
        let path = std::env::var("PATH").expect("there is one");
        format!("{}:{path}", root.join("tools").display())
    };
    project.xtask("build").env("PATH", path(&project.root)).ok();
    let [second, third] = ["second", "third"].map(|name| worktree(&project, name));
    project.xtask("build").within(&second).env("PATH", path(&second)).ok().compiled(0);
    put(&third, "tools/cc", "#!/bin/sh\nexec /usr/bin/cc \"$@\" \n");
    let ran = project.xtask("build").within(&third).env("PATH", path(&third)).ok();
    ran.leaves("tool", "tools/cc differs");
}

//! Linkers that write over what is there (mold, wild): in a lane that was forked, that must not be
//! the donor's file.

#![cfg(target_os = "linux")]

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use crate::fork::{build, first_build, programs, undone, worktree};
use crate::support::Project;

const INCLUDE: &str = "include = [\n    { path = \"wrapper/config.toml\", optional = true },\n    \
                       { path = \"local.toml\", optional = true },\n]\n";

/// The driver, and behind it a linker that keeps the inode, as mold does: cargo sees no difference.
const OVER_WHAT_IS_THERE: &str = "#!/bin/sh
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
    project.write(
        "crates/mac/Cargo.toml",
        &(project.read("crates/mac/Cargo.toml") + "[lib]\nproc-macro = true\n"),
    );
    project.write("crates/mac/src/lib.rs", "");
    project.write(
        "crates/core/src/lib.rs",
        "#[test]\nfn version() {\n    assert_eq!(\"one\".len(), 3);\n}\n",
    );
    project
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
    let linker_path = project.root.join("../linker");
    std::fs::write(&linker_path, linker).expect("it is ours");
    std::fs::set_permissions(&linker_path, std::fs::Permissions::from_mode(0o755))
        .expect("it is ours");
    let donors = test_of_core(&project.root);
    let before = (
        std::fs::read(&donors).expect("it is there"),
        donors.metadata().expect("it is there").mtime(),
    );

    project.git(&["worktree", "add", "--quiet", "--detach", "../b"]);
    let other = project.root.join("../b").canonicalize().expect("it is there");
    project.xtask("build-test").within(&other).ok().compiled(0);
    let config = config.replace("LINKER", &linker_path.display().to_string());
    std::fs::write(other.join(".cargo/local.toml"), config).expect("it is ours");
    // What is linked by another linker has the same name, as far as cargo is concerned.
    let source = "#[test]\nfn version() {\n    assert_eq!(\"number two\".len(), 10);\n}\n";
    std::fs::write(other.join("crates/core/src/lib.rs"), source).expect("it is ours");
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
fn forks(project: &Project) -> [crate::support::Ran; 2] {
    project.write("libs/x", "one").commit();
    build(project);
    let [second, third] = ["second", "third"].map(|name| worktree(project, name));
    std::fs::write(third.join("libs/x"), "two").expect("it can be written");
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
        let linker = project.root.join("../linker");
        std::fs::write(&linker, "#!/bin/sh\nexec cc \"$@\"\n").expect("it is ours");
        std::fs::set_permissions(&linker, std::fs::Permissions::from_mode(0o755)).expect("ours");
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
    let put = |path: &Path, text: &str| std::fs::write(path, text).expect("it can be written");
    for flags in ["\"-L../libs\"", "\"-Clink-arg=-L../libs\""] {
        let project = with_rustflags(flags);
        let libs = project.root.join("../libs");
        std::fs::create_dir(&libs).expect("a directory");
        put(&libs.join("x"), "one");
        let libs = libs.canonicalize().expect("it is there");
        let text = project.read(".cargo/config.toml");
        project
            .write(".cargo/config.toml", &text.replace("../libs", libs.to_str().expect("UTF-8")));
        check(&project, &|| put(&libs.join("x"), "two")).leaves("linked", "libs");
    }
    let mut project = undone();
    let wrapper = project.root.parent().expect("a parent").join("wrapper");
    put(&wrapper, "#!/bin/sh\nexec \"$@\"\n");
    std::fs::set_permissions(&wrapper, std::fs::Permissions::from_mode(0o755)).expect("ours");
    project.set("RUSTC_WORKSPACE_WRAPPER", wrapper.to_str().expect("UTF-8"));
    check(&project, &|| put(&wrapper, "#!/bin/sh\nexec \"$@\" \n")).leaves("tool", "wrapper");
}

#[test]
fn a_linker_that_lies_in_the_tree_and_is_found_on_path() {
    let project = undone();
    project.write("tools/cc", "#!/bin/sh\nexec /usr/bin/cc \"$@\"\n");
    let cc = project.root.join("tools/cc");
    std::fs::set_permissions(cc, std::fs::Permissions::from_mode(0o755)).expect("it is ours");
    project.write("libs/x", "one").commit();
    let path = |root: &Path| {
        let path = std::env::var("PATH").expect("there is one");
        format!("{}:{path}", root.join("tools").display())
    };
    project.xtask("build").env("PATH", path(&project.root)).ok();
    let [second, third] = ["second", "third"].map(|name| worktree(&project, name));
    project.xtask("build").within(&second).env("PATH", path(&second)).ok().compiled(0);
    std::fs::write(third.join("tools/cc"), "#!/bin/sh\nexec /usr/bin/cc \"$@\" \n").expect("ours");
    let ran = project.xtask("build").within(&third).env("PATH", path(&third)).ok();
    ran.leaves("tool", "tools/cc differs");
}

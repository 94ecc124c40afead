//! Linkers that write over what is there (mold, wild): in a lane that was forked, that must not be
//! the donor's file.

#![cfg(target_os = "linux")]

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use crate::fork::programs;
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

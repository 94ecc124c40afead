//! The template as a newcomer gets it: cloned somewhere else, used by the README alone.

use std::path::{Path, PathBuf};

use crate::support::{Project, wait_until};

/// This workspace. Asked at run time: a test executable that was copied with its target directory
/// must not find the place where it was compiled.
pub(crate) fn template_root() -> PathBuf {
    let manifest_dir =
        std::env::var_os("CARGO_MANIFEST_DIR").expect("tests are run by cargo or nextest");
    Path::new(&manifest_dir).parent().expect("xtask lies in the workspace").to_owned()
}

/// The files of the template, tracked or about to be.
pub(crate) fn template_files() -> Vec<String> {
    let mut git = std::process::Command::new("git");
    git.args(["ls-files", "--cached", "--others", "--exclude-standard", "-z"])
        .current_dir(template_root());
    let output = git.output().expect("git starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let names = String::from_utf8(output.stdout).expect("UTF-8");
    names
        .split('\0')
        .filter(|name| template_root().join(name).is_file())
        .map(str::to_owned)
        .collect()
}

pub(crate) fn fresh_clone() -> Project {
    let clone = Project::empty();
    for name in template_files() {
        let to = clone.root.join(&name);
        std::fs::create_dir_all(to.parent().expect("a parent")).expect("a directory");
        std::fs::copy(template_root().join(&name), to).expect("a copy");
    }
    clone
}

/// Gives a workspace what this one's xtask was built from, if it was: the packages of registries
/// are the same there. cargo compiles the engine and xtask, and what is missing.
pub(crate) fn copy_compiled_dependencies(project: &Project) {
    let target_dir = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("tmp is in it");
    let (from, to) = (target_dir.join("xtask"), project.root.join("target/xtask"));
    std::fs::create_dir_all(&to).expect("a directory");
    let mut copy = std::process::Command::new("cp");
    copy.args(["-a", "--reflink=auto"]);
    copy.args([".fingerprint", "build", "deps"].map(|part| from.join(part)));
    drop(copy.arg(to).output());
}

/// Then what both need is compiled once, for xtask.
#[test]
fn the_tools_have_the_versions_that_xtask_has() {
    let packages = |path: &str| {
        let text = std::fs::read_to_string(template_root().join(path)).expect("a lockfile");
        let line = |line: &str| line.split('"').nth(1).map(str::to_owned);
        let blocks = text.split("[[package]]\n").skip(1);
        blocks
            .filter_map(|block| {
                let mut lines = block.lines();
                Some((line(lines.next()?)?, line(lines.next()?)?))
            })
            .collect::<std::collections::BTreeSet<_>>()
    };
    let (own, tools) = (packages("Cargo.lock"), packages("multilane/tools/Cargo.lock"));
    let is_shared = |(name, _): &&(String, String)| tools.iter().any(|tool| tool.0 == *name);
    let differs: Vec<_> =
        own.iter().filter(is_shared).filter(|package| !tools.contains(*package)).collect();
    assert!(differs.is_empty(), "of other versions in the tools: {differs:?}");
}

/// One test and not several: compiling xtask in the clone is what takes the time.
#[test]
fn a_fresh_clone_works_by_the_readme_alone() {
    let clone = fresh_clone();
    // What the first call compiles is shown, and so is that another call waits for it.
    let first = clone.cargo("xtask build-dev").start();
    wait_until("the first crate", || clone.exists("target/xtask/deps"));
    clone.cargo("xtask lane list").ok().says("Blocking waiting for file lock on");
    let first = first.wait_with_output().expect("it ends");
    let shown = String::from_utf8_lossy(&first.stderr);
    assert!(first.status.success() && shown.contains("Compiling multilane "), "{shown}");
    assert!(shown.contains("Lane target: compiled"), "{shown}");
    let again = clone.cargo("xtask build-dev").ok();
    again.compiled(0).does_not_say("`xtask` profile").does_not_say("Running `");
    assert_eq!(clone.cargo("build").ok().built(), [""; 0]);
    clone.cargo("xtask test").ok();

    // From below the root, as an agent, without git.
    let below = clone.root.join("crates/notes/src");
    let ran = clone.cargo("xtask check").within(&below).agent("a").ok();
    ran.in_lane(".lanes/a/");
    let ran = clone.cargo("xtask check-fast --package notes-core").within(&below).ok();
    ran.compiled_of(1, &["notes-core"]);

    // Starting it waits for no build, from wherever: one holds target/debug all the while.
    clone.package("crates/slow", "slow", &[]);
    clone.write("crates/slow/build.rs", crate::signals::WAITS);
    let build = clone.cargo("build --package slow").env("STAGE", &clone.root).start();
    wait_until("the build script", || clone.exists("pid"));
    clone.cargo("xtask lane list").within(&below).ok();
    clone.cargo("xtask check --package notes").agent("a").ok();
    clone.write("go", "");
    assert!(build.wait_with_output().expect("it ends").status.success());
    std::fs::remove_dir_all(clone.root.join("crates/slow")).expect("it is there");

    // What it costs can be measured in any workspace, and leaves nothing behind.
    let lanes = clone.lanes();
    // The first call compiles the program of the rare verbs, the next one finds it.
    let caches = clone.root.with_file_name("caches"); // Those of the suite may have it already.
    let bench = || {
        let call = clone.cargo("xtask lane bench --runs 1 --json --quiet");
        call.env("MULTILANE_TOOLS", "").env("XDG_CACHE_HOME", &caches)
    };
    bench().ok().says("Compiling multilane-tools");
    let again = bench().ok();
    again.does_not_say("multilane-tools");
    let json = again.stdout();
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json["rows"].as_array().map(Vec::len), Some(3), "{json}");
    assert_eq!(clone.lanes(), lanes);

    // make starts the program itself once it is current, and cargo again when it no longer is.
    let make = |words: &str| {
        let mut command = clone.command("make");
        command.args(words.split_whitespace());
        crate::support::Call { command }
    };
    let help = make("").ok().stdout();
    for target in [
        "build",
        "build-dev",
        "build-test",
        "build-release",
        "check",
        "check-fast",
        "test",
        "clippy",
        "fmt",
        "run",
        "ci",
        "analyze",
        "clean",
        "help",
    ] {
        assert!(help.contains(&format!("make {target} ")), "{target} is not in\n{help}");
    }
    make("check").ok().in_lane("/target");
    make("check").ok().compiled(0).does_not_say("`xtask` profile");
    assert!(make("build MODE=release ARGS=--dry-run").ok().stdout().contains("--release"));
    make("check AGENT_ID=a PKG=notes-core VERBOSE=1 ARGS=--offline")
        .ok()
        .in_lane(".lanes/a/")
        .says("--package notes-core --offline");
    // A dependency that is new changes the lockfile, and so the key, before the first build and not
    // in it.
    let dependency = "\n[dependencies]\nanyhow.workspace = true\n";
    clone.append("crates/notes-core/Cargo.toml", dependency);
    make("check AGENT_ID=a PKG=notes-core").ok();
    make("check AGENT_ID=a PKG=notes-core").ok().compiled(0);

    clone.write(
        "xtask/src/main.rs",
        &clone.read("xtask/src/main.rs").replace(
            "fn main() -> std::process::ExitCode {",
            "fn main() -> std::process::ExitCode { return std::process::ExitCode::from(42);",
        ),
    );
    make("check").fails_with(2);
    clone.cargo("xtask check").fails_with(42);
}

//! `lane verify`: finds differences between a forked lane and one built from scratch, and leaves no
//! trace of its own.

use crate::fork::{build, donor, move_into_folder, undone};
use crate::support::{Call, Project, Ran, names, put};

fn verify(project: &Project, words: &str) -> Call {
    project.xtask(&format!("lane verify {words}"))
}

/// What lies beside the project.
fn beside(project: &Project) -> Vec<String> {
    names(project.root.parent().expect("a parent"))
}

#[track_caller]
fn says(ran: &Ran, text: &str) {
    assert!(ran.stdout().contains(text), "no {text:?} in\n{}", ran.report());
}

#[test]
fn a_right_fork_passes_and_nothing_stays() {
    let project = undone();
    // Metadata names what documentation is included from.
    let source = project.read("crates/core/src/lib.rs");
    project.write(
        "crates/core/src/lib.rs",
        &format!("#![doc = include_str!(\"../README.md\")]\n{source}"),
    );
    project.write("crates/core/README.md", "The core\n").commit();
    build(&project);
    project.write("crates/app/src/main.rs", "fn main() { compile_error!(\"uncommitted\"); }\n");
    let git = || [project.git(&["status", "--porcelain"]), project.git(&["worktree", "list"])];
    let (before, lane) =
        (git(), std::fs::metadata(project.root.join("target/debug")).expect("a lane"));
    let ran = verify(&project, "").ok();
    ran.says("without the uncommitted changes");
    says(&ran, "left to cargo 0;");
    says(&ran, "compiled 0 in the fork, ");
    says(&ran, "compared 1; failing in both 0, flaky 0");
    says(&ran, "equals one built from scratch");
    assert_eq!(git(), before);
    let after = std::fs::metadata(project.root.join("target/debug")).expect("a lane");
    assert_eq!(lane.modified().expect("a time"), after.modified().expect("a time"));
    assert_eq!(beside(&project), ["wörk space"]);
}

/// A build script that hides where it was run, so that no fork can see it…
const HIDES_ITS_TREE: &str = r#"
fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let dir = std::env::var("CARGO_MANIFEST_DIR").unwrap();
    println!("cargo::rustc-env=HIDDEN={}", dir.bytes().map(|byte| format!("{byte:03}")).collect::<String>());
}
"#;

/// …and a library in which it appears again.
const UNHIDES_IT: &str = r#"
const HIDDEN: &[u8] = env!("HIDDEN").as_bytes();
static DIR: [u8; HIDDEN.len() / 3] = {
    let mut dir = [0; HIDDEN.len() / 3];
    let mut at = 0;
    while at < HIDDEN.len() {
        dir[at / 3] = dir[at / 3] * 10 + (HIDDEN[at] - b'0');
        at += 1;
    }
    dir
};
pub fn text() -> String { String::from_utf8(DIR.to_vec()).unwrap() }
#[test] fn is_here() { assert_eq!(text(), std::env::current_dir().unwrap().to_str().unwrap()); }
#[test] fn is_there() { assert!(std::path::Path::new(&text()).is_dir()); }
"#;

#[test]
fn a_fork_that_is_wrong_is_found_out() {
    let project = undone();
    project
        .write("crates/core/build.rs", HIDES_ITS_TREE)
        .write("crates/core/src/lib.rs", UNHIDES_IT);
    project.commit();
    let ran = verify(&project, "--package core --package app").fails_with(1);
    ran.says("running the tests again").says("building from scratch again");
    says(&ran, " is_here: FAILED in the fork, ok from scratch");
    says(&ran, " is_there: FAILED in the fork, ok from scratch");
    says(&ran, "debug/app names the donor: …/crates/core");
    // In cargo's older layout, and in its newer one.
    let printed =
        ["/output: at ", "/stdout: at "].into_iter().find(|file| ran.stdout().contains(file));
    says(&ran, printed.unwrap_or("/output: at "));
    says(&ran, "differs from one built from scratch: ");
    assert_eq!(beside(&project), ["wörk space"]);

    let ran = verify(&project, "--package core --no-run --json").fails_with(1);
    let report: serde_json::Value = serde_json::from_str(&ran.stdout()).expect("JSON");
    assert!(report["tests"].is_null() && report["findings"][0].is_string(), "{report}");
}

#[test]
fn what_changes_by_itself_is_not_the_forks_fault() {
    let project = undone();
    let prints_the_time = "fn main() {
        println!(\"cargo::rerun-if-changed=build.rs\");
        println!(\"cargo::rustc-env=TIME={:?}\", std::time::SystemTime::now());
    }";
    // The third run of this test is that of the tree from scratch.
    let fails_once = "#[test] fn fails_once() {
        let count = std::path::Path::new(concat!(env!(\"CARGO_MANIFEST_DIR\"), \"/../../../count\"));
        let ran = std::fs::read_to_string(count).unwrap_or_default() + \"x\";
        std::fs::write(count, &ran).unwrap();
        assert_ne!(ran.len(), 3);
    }";
    project
        .write("crates/core/build.rs", prints_the_time)
        .write("crates/core/src/lib.rs", "pub fn text() -> String { env!(\"TIME\").to_owned() }\n");
    project.write("crates/app/tests/it.rs", fails_once).commit();
    let ran = verify(&project, "--package app").ok();
    says(&ran, "differs at each build from scratch: debug/app");
    says(&ran, " fails_once\n");
    says(&ran, "failing in both 0, flaky 3");
    says(&ran, "equals one built from scratch");
}

#[test]
fn existing_files_stay() {
    let project = donor();
    let in_the_way = project.root.with_file_name("wörk space-verify-b");
    put(&in_the_way, "file", "work");
    verify(&project, "").fails_with(1).says("already exists").says("help: ");
    assert_eq!(beside(&project), ["wörk space", "wörk space-verify-b"]);
    assert!(in_the_way.join("file").is_file());

    verify(&project, "--dir")
        .arg(project.root.join("crates"))
        .fails_with(1)
        .says("in the repository itself");
    for words in ["--target-dir x", "--manifest-path Cargo.toml"] {
        let code = verify(&project, words).run().output.status.code();
        assert_ne!(code, Some(0), "{words}");
    }
    verify(&project, "")
        .env("GIT_DIR", project.root.join(".git"))
        .fails_with(1)
        .says("GIT_DIR is set");
}

#[test]
fn a_dry_run_makes_nothing_and_a_kept_one_stays() {
    let project = donor();
    let outline = verify(&project, "--dry-run --package app -- --nocapture").ok().stdout();
    assert!(
        outline.contains("-verify-a/target' --package app --tests --no-fail-fast -- --nocapture"),
        "{outline}"
    );
    assert_eq!(beside(&project), ["wörk space"]);

    let elsewhere = project.root.with_file_name("elsewhere");
    std::fs::create_dir(&elsewhere).expect("it can be made");
    verify(&project, "--no-run --keep --dir").arg(&elsewhere).ok().says("Kept ");
    assert_eq!(beside(&project), ["elsewhere", "wörk space"]);
    for kept in [
        "-verify/donor",
        "-verify/forked/target/debug/app",
        "-verify/01-donor.log",
        "-verify-b/target",
    ] {
        assert!(elsewhere.join(format!("wörk space{kept}")).exists(), "{kept}");
    }
}

#[test]
fn what_does_not_build_is_no_difference() {
    let project = undone();
    project.write("crates/core/src/lib.rs", "compile_error!(\"as it is\");\n").commit();
    verify(&project, "").fails_with(1).says("error: the donor: `cargo build").says("as it is");
    assert_eq!(beside(&project), ["wörk space"]);
}

/// A workspace in a folder of the repository, with a package and a file outside of it, and no
/// lockfile in the commit.
#[test]
fn a_workspace_may_lie_in_a_folder_of_its_repository() {
    let project = donor();
    move_into_folder(&project, "inner");
    project.write(".gitignore", "target/\nCargo.lock\n").package("outside", "outside", &[]);
    let outside = "outside = { path = \"../../../outside\" }\n";
    project.append("inner/crates/alone/Cargo.toml", outside);
    let prints_a_path_outside = "fn main() {
        println!(\"cargo::rerun-if-changed=build.rs\");
        let shared = std::fs::canonicalize(\"../../../shared.txt\").unwrap();
        println!(\"cargo::rustc-env=SHARED={}\", shared.display());
    }";
    project.write("shared.txt", "shared").write("inner/crates/alone/build.rs", prints_a_path_outside).write(
        "inner/crates/alone/src/lib.rs",
        "pub use outside::here;\n#[test] fn reads() { std::fs::read(env!(\"SHARED\")).unwrap(); }\n",
    );
    project.git(&["rm", "--quiet", "--cached", "Cargo.lock"]);
    project.commit();
    let ran = verify(&project, "--package alone").within(project.root.join("inner")).ok();
    says(&ran, "its build script printed the donor's path");
    says(&ran, "equals one built from scratch");
    assert!(!ran.stdout().contains("no use"), "{}", ran.report());
}

#[cfg(unix)]
#[test]
fn ctrl_c_leaves_nothing() {
    use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
    const SIGINT: i32 = 2;

    let project = undone();
    project.write("crates/core/build.rs", crate::signals::WAITS).commit();
    let mut call = verify(&project, "").env("STAGE", &project.root);
    call.command.process_group(0);
    let child = call.start();
    crate::support::wait_until("the build script", || project.exists("pid"));
    assert_eq!(beside(&project), ["wörk space", "wörk space-verify", "wörk space-verify-a"]);
    crate::support::signal_group(&child, "INT");
    let status = child.wait_with_output().expect("it ends").status;
    assert_eq!(status.signal(), Some(SIGINT), "{status}");
    assert_eq!(beside(&project), ["wörk space"]);
}

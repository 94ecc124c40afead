//! When something of ours cannot work, plain cargo builds; when something of the user's is in the
//! way, it is said.

use crate::support::Project;

fn project() -> Project {
    let project = Project::workspace(&[("core", &[])]);
    project.cargo("generate-lockfile").ok();
    project
}

#[track_caller]
fn builds_in_target_with_one_warning(project: &Project, why: &str) {
    let ran = project.xtask("check").agent("a").ok();
    ran.says(&format!("warning: cannot use .lanes{why}"));
    assert_eq!(ran.stderr().matches("warning").count(), 1, "{}", ran.report());
    assert!(project.exists("target/debug"));
}

#[test]
#[cfg(unix)]
fn a_link_in_place_of_the_lanes_is_not_followed() {
    let project = project();
    let elsewhere = project.root.with_file_name("another worktree's lanes");
    std::fs::create_dir_all(&elsewhere).expect("a directory");
    std::os::unix::fs::symlink(&elsewhere, project.root.join(".lanes")).expect("a link");
    builds_in_target_with_one_warning(&project, " for lanes: it is a symbolic link;");
    // To delete elsewhere would be another matter than to build elsewhere.
    project.xtask("clean").agent("a").fails_with(1).says("it is a symbolic link").says("help: ");
    assert_eq!(std::fs::read_dir(&elsewhere).expect("it is there").count(), 0);
    assert!(project.exists("target/debug"));
}

#[test]
#[cfg(unix)]
fn a_link_in_place_of_an_agents_folder_is_not_followed() {
    let project = project();
    std::fs::create_dir_all(project.root.join(".lanes/other")).expect("a directory");
    std::os::unix::fs::symlink("other", project.root.join(".lanes/a")).expect("a link");
    builds_in_target_with_one_warning(&project, "/a/");
    assert!(project.lanes().is_empty());
}

#[test]
fn a_file_in_place_of_the_lanes() {
    let project = project();
    project.write(".lanes", "somebody's");
    builds_in_target_with_one_warning(&project, " for lanes: it is a file;");
    assert_eq!(project.read(".lanes"), "somebody's");
}

#[test]
fn lanes_that_cannot_be_written() {
    let project = project();
    // A file where the agent's folder belongs: nobody can write there, not even root.
    project.write(".lanes/a", "somebody's");
    builds_in_target_with_one_warning(&project, "/a/");
}

#[test]
fn a_target_directory_set_elsewhere_is_the_worktrees_lane_and_no_agents() {
    let project = project();
    let elsewhere = project.root.join("elsewhere");
    project
        .xtask("check")
        .env("CARGO_TARGET_DIR", &elsewhere)
        .ok()
        .in_lane("/elsewhere")
        .compiled(1);
    let ran = project.xtask("check").agent("a").env("CARGO_TARGET_DIR", &elsewhere).ok();
    ran.forked().says("from elsewhere").in_lane(".lanes/a/").compiled(0);

    let project = self::project();
    project
        .write(".cargo/config.toml", "include = [\"more.toml\"]\n")
        .write(".cargo/more.toml", "[build]\ntarget-dir = \"out\"\n");
    project.xtask("check").ok().in_lane("/out").compiled(1);
    project.xtask("check").agent("a").ok().in_lane(".lanes/a/").compiled(0);
    assert!(!project.exists("target"));
}

/// A cargo that a build script or a test starts would wait for, and build into, the directory of
/// everybody else.
#[test]
fn an_agents_processes_do_not_see_a_target_directory_set_elsewhere() {
    let project = project();
    let prints = "fn main() { println!(\"{:?}\", std::env::var_os(\"CARGO_TARGET_DIR\")) }";
    project.write("crates/core/src/main.rs", prints);
    let ran = project
        .xtask("run --quiet")
        .agent("a")
        .env("CARGO_TARGET_DIR", project.root.join("elsewhere"))
        .ok();
    assert_eq!(ran.stdout(), "None\n");
}

#[test]
fn a_build_directory_set_elsewhere_is_not_shared_by_lanes() {
    let project = project();
    project.write(".cargo/config.toml", "[build]\nbuild-dir = \"intermediates\"\n");
    for agent in ["a", "b"] {
        project.xtask("check").agent(agent).ok().says(&format!("Lane .lanes/{agent}/"));
        project.xtask("cargo check").agent(agent).ok().compiled(0);
    }
    assert!(!project.exists("intermediates"));
}

#[test]
fn without_a_network_and_without_nextest_tests_run() {
    let project = project();
    project.write(
        "crates/core/src/lib.rs",
        "/// ```\n/// assert!(true);\n/// ```\npub fn documented() {}\n#[test] fn passes() {}\n",
    );
    let ran = project.xtask("test --offline").without(&project, &["cargo-nextest"]).ok();
    assert!(
        ran.stdout().contains("test passes ... ok") && ran.stdout().contains("documented"),
        "{}",
        ran.report()
    );
}

#[test]
fn outside_a_workspace_it_is_said_where_to_go() {
    let project = Project::empty();
    // Above the scratch directory is the workspace that tests xtask; a root directory has none.
    let ran = project.xtask("check").within("/").fails_with(1);
    ran.says("no Cargo.toml in / or above it").says("help: ");
}

#[test]
fn a_manifest_that_cannot_be_read_is_named() {
    let project = project();
    project.write("Cargo.toml", "[workspace\n");
    project.xtask("check").fails_with(1).says("cannot parse").says("Cargo.toml");
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let project = project();
    let mut child = project.xtask("--help").start();
    drop(child.stdout.take());
    child.wait().expect("it ends");
    let mut child = project.xtask("lane list --json").start();
    drop(child.stdout.take());
    assert!(child.wait().expect("it ends").success());
}

/// cargo remembers what rustc has answered, also that it was killed.
#[test]
#[cfg(unix)]
fn an_answer_of_a_compiler_that_was_killed_is_forgotten() {
    let project = project();
    project.xtask("check").ok();
    let info = "target/.rustc_info.json";
    let answer = "\"success\":true,\"status\":\"\",\"code\":0";
    let killed = "\"success\":false,\"status\":\"signal: 9, SIGKILL: kill\",\"code\":null";
    assert!(project.read(info).contains(answer), "{}", project.read(info));
    let poisoned = project.read(info).replace(answer, killed);
    project.write(info, &poisoned).cargo("check").fails_with(101);
    project.xtask("check").agent("a").ok();
    project.write(info, &poisoned).xtask("check").ok();
}

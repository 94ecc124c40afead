//! Lanes: who gets which, and what is said of them.

use crate::fork::worktree;
use crate::support::Project;

fn project() -> Project {
    let project = Project::workspace(&[("core", &[])]);
    project.append("crates/core/Cargo.toml", "\n[features]\nextra = []\nmore = []\n");
    project.cargo("generate-lockfile").ok();
    project
}

#[test]
fn without_an_agent_it_is_the_worktrees_target() {
    let project = project();
    project.xtask("check").ok().in_lane("/target").compiled_of(1, &["core"]).fresh(0);
    project.xtask("check").env("AGENT_ID", "").ok().in_lane("/target").compiled(0).fresh(1);
    assert!(!project.exists(".lanes"));
}

#[test]
fn an_agent_has_a_lane_of_its_own_and_keeps_it() {
    let project = project();
    project.xtask("check").agent("a").ok();
    let lane = project.only_lane();
    assert!(lane.starts_with(".lanes/a/"), "{lane}");
    assert!(!project.exists("target"));
    project.xtask("check").agent("a").ok().says(&format!("Lane {lane}: compiled 0, fresh 1"));
    project.xtask("check").agent("b").ok().forked().compiled(0).fresh(1);
    assert_eq!(project.lanes().len(), 2);
    if cfg!(target_os = "linux") {
        project.xtask("check").agent("A").ok().forked();
        assert_eq!(project.lanes().len(), 3, "elsewhere the file system may have one directory");
    }
}

#[test]
fn each_input_of_the_key_makes_another_lane_and_nothing_else_does() {
    let project = project();
    let lanes_after = |words: &str| {
        project.xtask(words).agent("a").ok();
        project.lanes().len()
    };
    assert_eq!(lanes_after("check"), 1);
    assert_eq!(lanes_after("build-release"), 1, "cargo tells profiles apart by itself");
    assert_eq!(lanes_after("check --package core --jobs 1"), 1);
    assert_eq!(lanes_after("check --package core --features extra,more"), 2);
    assert_eq!(
        lanes_after("check --package core -F more -F extra"),
        2,
        "the same features in other words"
    );
    assert_eq!(lanes_after("cargo check --package core --features=more,extra"), 2);
    assert_eq!(lanes_after("check --all-features"), 3);
    project.write("Cargo.lock", &format!("{}\n# changed\n", project.read("Cargo.lock")));
    assert_eq!(lanes_after("check --offline"), 4);
}

#[test]
fn a_workspace_without_a_lockfile_has_one_lane_from_the_first_build_on() {
    let project = project();
    std::fs::remove_file(project.root.join("Cargo.lock")).expect("it is there");
    project.xtask("check").agent("a").ok();
    project.xtask("check").agent("a").ok().compiled(0);
    project.only_lane();
}

#[test]
fn lanes_are_ignored_by_git_before_there_is_one() {
    let project = Project::empty();
    // A root package whose build script watches nothing depends on every file that git does not
    // ignore.
    project.package(".", "root", &[]);
    project.append("Cargo.toml", "\n[workspace]\n");
    project.write("build.rs", "fn main() {}").write(".gitignore", "/target/\n");
    project.cargo("generate-lockfile").ok();
    project.commit();

    project.xtask("check").agent("a").ok().compiled_of(2, &["root"]);
    assert_eq!(project.git(&["status", "--porcelain"]), "");
    project.xtask("check").agent("b").ok();
    project.xtask("check").agent("a").ok().compiled(0);
}

#[test]
fn names_that_are_no_plain_file_name_are_refused_before_anything_is_written() {
    let project = project();
    let long = "x".repeat(300);
    for name in ["../x", "a/b", " ", "\t", "..", "a\nb", "a:b", &long] {
        for verb in
            ["check", "check-fast", "test", "clean", "lane list", "fmt", "ci", "cargo check"]
        {
            let ran = project.xtask(verb).agent(name).fails_with(1);
            ran.says("cannot name a lane").says("help: ");
            assert_eq!(ran.stdout(), "");
        }
    }
    assert!(!project.exists(".lanes") && !project.exists("target"));
}

#[test]
fn list_shows_every_lane_of_every_worktree() {
    let project = project();
    project.write(".gitignore", "/target/\n/.lanes/\n").commit();
    let second = worktree(&project, "second");
    project.xtask("check").ok();
    project.xtask("check").agent("a").ok();
    project.xtask("check --all-features").agent("b").within(&second).ok();

    let json = project.xtask("lane list --json").ok().stdout();
    let lanes: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    let text = |lane: &serde_json::Value, key: &str| lane[key].as_str().unwrap_or("-").to_owned();
    let lanes = lanes.as_array().expect("an array");
    let mut rows: Vec<_> =
        lanes.iter().map(|lane| (text(lane, "agent"), lane["differs"].to_string())).collect();
    rows.sort();
    let expected = [("-", "[]"), ("a", "[]"), ("b", "[\"features\"]")];
    assert_eq!(
        rows,
        expected.map(|(agent, differs)| (agent.to_owned(), differs.to_owned())),
        "{json}"
    );
    for lane in lanes {
        assert!(lane["size_bytes"].as_u64() > Some(0), "{json}");
        assert!(lane["last_use_unix_seconds"].as_u64() > Some(0), "{json}");
        assert_eq!(lane["in_use"], false, "{json}");
        assert!(std::path::Path::new(&text(lane, "path")).is_dir(), "{json}");
    }
    let table = project.xtask("lane list").ok().stdout();
    assert_eq!(table.lines().count(), 4, "{table}");
    assert!(table.starts_with("WORKTREE  AGENT  KEY"), "{table}");
}

/// What another lane has as well is not freed.
#[test]
#[cfg(unix)]
fn list_says_what_a_lane_frees() {
    let project = project();
    project.xtask("build").agent("a").ok();
    let lanes = || -> Vec<(u64, u64)> {
        let json = project.xtask("lane list --json").ok().stdout();
        let lanes: serde_json::Value = serde_json::from_str(&json).expect("JSON");
        let number = |lane: &serde_json::Value, key: &str| lane[key].as_u64().expect("a number");
        let lanes = lanes.as_array().expect("an array").iter();
        lanes.map(|lane| (number(lane, "size_bytes"), number(lane, "frees_bytes"))).collect()
    };
    let [(size, frees)] = lanes()[..] else { panic!("{:?}", lanes()) };
    assert_eq!(size, frees);
    let library = crate::fork::files_below(&project.root.join(project.only_lane()));
    let library = library.iter().find(|path| path.extension().is_some_and(|end| end == "rlib"));
    let library = library.expect("a library");
    std::fs::hard_link(library, project.root.join("another")).expect("a link");
    let [(size, frees)] = lanes()[..] else { panic!("{:?}", lanes()) };
    assert!(0 < frees && frees < size, "{frees} of {size}");
}

#[test]
fn list_says_what_differs_from_today() {
    let project = project();
    project.xtask("check").agent("a").ok();
    project.write("Cargo.lock", &format!("{}\n# changed\n", project.read("Cargo.lock")));
    let table = project.xtask("lane list").ok().stdout();
    assert!(table.trim_end().ends_with("lockfile"), "{table}");
}

#[test]
fn list_says_which_lane_is_in_use() {
    let project = project();
    project.write("crates/core/src/main.rs", crate::signals::WAITS);
    let in_use = |project: &Project| {
        let json = project.xtask("lane list --json").ok().stdout();
        json.matches("\"in_use\":true").count()
    };
    let child = project.xtask("run --quiet").agent("a").env("STAGE", &project.root).start();
    crate::support::wait_until("the program", || project.exists("pid"));
    assert_eq!(in_use(&project), 1, "no build is going on, but its program runs from the lane");
    project.write("go", "");
    assert!(child.wait_with_output().expect("it ends").status.success());
    assert_eq!(in_use(&project), 0);
}

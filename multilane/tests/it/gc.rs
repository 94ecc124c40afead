//! `gc` takes what is cheapest, and never what is in use or not ours.

use std::collections::HashSet;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::PathBuf;

use serde_json::Value;

use crate::signals::WAITS;
use crate::support::{Project, below, skipped, wait_until};

fn project() -> Project {
    let project = Project::workspace(&[("one", &[]), ("app", &["one"])]);
    project.write("crates/one/src/lib.rs", "pub fn value() -> u32 { 1 }\n");
    project.write("crates/app/src/main.rs", "fn main() { println!(\"{}\", one::value()) }\n");
    project.cargo("generate-lockfile").ok();
    project.commit(); // What is noted is not to be in the repository that this one lies in.
    project
}

/// Lanes count as idle at once.
#[track_caller]
fn gc(project: &Project, words: &str) -> Value {
    let ran = project.xtask(&format!("gc --json --idle 0 --free 0 {words}")).ok();
    serde_json::from_str(&ran.stdout()).expect("JSON")
}

fn items(answer: &Value) -> &[Value] {
    answer["items"].as_array().expect("a list")
}

/// What these take on disk, each file once.
fn bytes(project: &Project, dirs: &[String]) -> u64 {
    let dirs = dirs.iter().map(|dir| project.root.join(dir));
    let mut counted = HashSet::new();
    let paths = dirs.flat_map(|dir| [below(&dir), vec![dir]].concat());
    let metas = paths.filter_map(|path| path.symlink_metadata().ok());
    metas.filter(|meta| counted.insert(meta.ino())).map(|meta| meta.blocks() * 512).sum()
}

fn program(project: &Project, path: &str) -> String {
    let output = project.command(project.root.join(path)).output().expect("it starts");
    String::from_utf8(output.stdout).expect("UTF-8").trim().to_owned()
}

/// And what it shares with lanes that go is not freed.
#[test]
fn a_lane_in_use_stays_and_what_is_promised_is_freed() {
    let project = project();
    project.package("crates/slow", "slow", &[]);
    project.write("crates/slow/build.rs", WAITS);
    project.cargo("generate-lockfile").ok();
    project.xtask("build-dev --package app").agent("a").ok();
    project.xtask("build-dev --package app").agent("b").ok().forked();
    let child = project.xtask("build-dev").agent("c").env("STAGE", &project.root).start();
    wait_until("the build script", || project.exists("pid"));

    let lanes = project.lanes();
    let before = bytes(&project, &lanes);
    let planned = gc(&project, "--budget 0 --dry-run");
    assert_eq!(planned["lanes_bytes"], before);
    let answer = gc(&project, "--budget 0");
    assert_eq!(answer["planned_bytes"], planned["planned_bytes"]);
    assert_eq!(answer["freed_bytes"], planned["planned_bytes"]);
    assert_eq!(answer["freed_bytes"], before - bytes(&project, &lanes));
    assert!(project.only_lane().starts_with(".lanes/c/"), "{:?}", project.lanes());
    assert_eq!(items(&gc(&project, "--budget 0")).len(), 0);

    project.write("go", "");
    assert!(child.wait_with_output().expect("it ends").status.success());
    gc(&project, "--budget 0");
    assert!(project.lanes().is_empty(), "the last donor goes when there is nothing else");
}

/// cargo has left its own lock by then.
#[test]
fn a_lane_stays_whose_program_runs() {
    let project = project();
    let source = "fn main() { println!(\"started\"); std::io::stdin().read_line(&mut String::new()).unwrap(); }\n";
    project.write("crates/app/src/main.rs", source);
    let mut run = project.xtask("lane run a -- cargo run --quiet --package app");
    run.command().stdin(std::process::Stdio::piped());
    let mut child = run.start();
    let mut line = String::new();
    std::io::BufRead::read_line(
        &mut std::io::BufReader::new(child.stdout.as_mut().expect("piped")),
        &mut line,
    )
    .expect("it is read");
    assert_eq!(line, "started\n");
    assert_eq!(items(&gc(&project, "--budget 0")).len(), 0);
    project.only_lane();
    drop(child.stdin.take());
    child.wait().expect("it ends");
    gc(&project, "--budget 0");
    assert!(project.lanes().is_empty());
}

#[test]
fn a_lane_that_was_just_used_stays() {
    let project = project();
    project.xtask("check").agent("a").ok();
    project.xtask("gc --budget 0").ok();
    project.only_lane();
}

#[test]
fn a_lane_of_a_key_that_is_nobodys_goes_first() {
    let project = project();
    project.xtask("check").agent("old").ok();
    project.package("crates/more", "more", &[]);
    project.cargo("generate-lockfile").ok();
    project.xtask("check").agent("new").ok();
    let taken = gc(&project, "--dry-run --budget 0")["lanes_bytes"].as_u64().expect("a number");
    let answer = gc(&project, &format!("--budget {}", taken - 1));
    let [item] = items(&answer) else { panic!("{answer}") };
    assert_eq!(item["reason"], "key-outdated");
    assert!(project.only_lane().starts_with(".lanes/new/"));
}

#[test]
fn incremental_caches_go_and_the_next_build_is_right() {
    let project = project();
    project.xtask("build-dev").agent("a").ok();
    let lane = project.only_lane();
    let caches = project.root.join(&lane).join("debug/incremental");
    assert!(!below(&caches).is_empty());
    let taken = gc(&project, "--dry-run --budget 0")["lanes_bytes"].as_u64().expect("a number");
    let answer = gc(&project, &format!("--budget {}", taken - 1));
    let [item] = items(&answer) else { panic!("{answer}") };
    assert_eq!((&item["kinds"][0], &item["reason"]), (&"incremental".into(), &"last-donor".into()));
    assert!(below(&caches).is_empty());
    project.xtask("build-dev").agent("a").ok().compiled(0);
    project.write("crates/one/src/lib.rs", "pub fn value() -> u32 { 2 }\n");
    project.xtask("build-dev").agent("a").ok();
    assert_eq!(program(&project, &format!("{lane}/debug/app")), "2");
    assert!(!below(&caches).is_empty());
}

/// A script whose output is large, and goes into `one` and so into `app`.
fn builds_again_what_is_deleted(project: &Project, app: &str) {
    const SCRIPT: &str = "fn main() {
    println!(\"cargo::rerun-if-changed=value\");
    let out = std::path::PathBuf::from(std::env::var(\"OUT_DIR\").unwrap());
    std::fs::write(out.join(\"large\"), vec![1; 2 << 20]).unwrap();
    std::fs::copy(\"value\", out.join(\"value\")).unwrap();
}\n";
    project.write("crates/one/build.rs", SCRIPT).write("crates/one/value", "1");
    let code = "pub fn value() -> u32 { include!(concat!(env!(\"OUT_DIR\"), \"/value\")) }
#[test]\nfn works() { assert!(value() > 0) }\n";
    project.write("crates/one/src/lib.rs", code);
    let build_all = || {
        project.cargo("build").ok();
        project.cargo("test --no-run").ok();
    };
    build_all();
    let deleted = || {
        let answer = gc(project, "--budget 0 --target --yes");
        let kinds: Vec<&Value> = items(&answer).iter().map(|item| &item["kinds"][0]).collect();
        assert_eq!(kinds, ["incremental", "tests", "scripts"], "{answer}");
    };
    deleted();
    assert!(below(&project.root.join("target")).iter().all(|path| !path.ends_with("out/large")));
    // The script runs again, and what depends on it is compiled again.
    project.xtask("build-dev").ok().compiled_of(3, &["app", "one"]);
    assert_eq!(program(project, app), "1");
    project.xtask("build-dev").ok().compiled(0);
    project.cargo("test").ok();

    // Also if only a part is built at first.
    build_all();
    deleted();
    project.write("crates/one/value", "2");
    project.cargo("check --package one").ok();
    project.cargo("build --package one").ok();
    project.cargo("build").ok();
    assert_eq!(program(project, app), "2");
    project.cargo("test").ok();

    // A fork brings nothing that went in without the run.
    build_all();
    deleted();
    project.xtask("build-dev").agent("a").ok().forked();
    let app = app.replace("target", &project.only_lane());
    assert_eq!(program(project, &app), "2");
    project.write("crates/one/value", "3");
    project.xtask("build-dev").agent("a").ok();
    assert_eq!(program(project, &app), "3");
    project.xtask("build-dev").agent("a").ok().compiled(0);
}

#[test]
fn tests_and_outputs_of_scripts_are_built_again() {
    builds_again_what_is_deleted(&project(), "target/debug/app");
}

#[test]
fn tests_and_outputs_of_scripts_are_built_again_in_the_new_layout() {
    let mut project = project();
    if !project.use_new_layout() {
        return skipped("no nightly toolchain");
    }
    builds_again_what_is_deleted(&project, "target/debug/app");
}

#[test]
fn a_worktrees_own_directory_is_not_touched_unasked() {
    let project = project();
    project.xtask("build-dev").ok();
    let before = below(&project.root.join("target"));
    assert_eq!(items(&gc(&project, "--budget 0")).len(), 0);
    // Nobody can be asked.
    project.xtask("gc --idle 0 --budget 0 --target").fails_with(1);
    assert_eq!(below(&project.root.join("target")), before);
    assert_ne!(items(&gc(&project, "--budget 0 --target --yes")).len(), 0);
    assert_ne!(below(&project.root.join("target")), before);
}

#[test]
fn nothing_behind_a_link_is_touched() {
    let project = project();
    project.xtask("check").agent("a").ok();
    let lane = project.only_lane();
    let precious = project.root.join("precious");
    let copy = |to: &str| {
        let copied = project.command("cp").args(["-r", &lane, to]).status().expect("cp starts");
        assert!(copied.success());
    };
    copy("precious");
    let before = below(&precious);
    // An agent's folder, a lane, the caches in a lane, a worktree's own directory.
    symlink(&project.root, project.root.join(".lanes/agent")).expect("a link");
    std::fs::create_dir_all(project.root.join(".lanes/b")).expect("a directory");
    symlink(&precious, project.root.join(".lanes/b/0123456789ab")).expect("a link");
    let caches = project.root.join(&lane).join("debug/incremental");
    std::fs::remove_dir_all(&caches).expect("it is there");
    symlink(precious.join("debug/incremental"), &caches).expect("a link");
    symlink(&precious, project.root.join("target")).expect("a link");
    gc(&project, "--budget 0 --target --yes");
    assert_eq!(below(&precious), before);
    assert!(!project.exists(&lane));
    // The caches of one profile, while those of another go.
    std::fs::remove_file(project.root.join("target")).expect("it is a link");
    project.xtask("check").ok();
    let caches = project.root.join("target/debug/incremental");
    std::fs::remove_dir_all(&caches).expect("it is there");
    symlink(precious.join("debug/incremental"), &caches).expect("a link");
    for file in [".fingerprint/unit/lib", ".cargo-lock", "incremental/one-1/s-1/query-cache.bin"] {
        project.write(&format!("target/other/{file}"), "text");
    }
    gc(&project, "--budget 0 --target --yes");
    assert_eq!(below(&precious), before);
    assert!(!project.exists("target/other/incremental/one-1"));
    // What has no tag or no stamp of ours is somebody else's.
    std::fs::create_dir_all(project.root.join(".lanes/c")).expect("a directory");
    let foreign = project.root.join(".lanes/c/0123456789ab");
    std::fs::rename(&precious, &foreign).expect("it is ours");
    let tag = std::fs::read_to_string(foreign.join("CACHEDIR.TAG")).expect("it is there");
    std::fs::remove_file(foreign.join("CACHEDIR.TAG")).expect("it is there");
    assert_eq!(items(&gc(&project, "--budget 0")).len(), 0);
    project.write(".lanes/c/0123456789ab/CACHEDIR.TAG", &tag);
    assert_eq!(items(&gc(&project, "--budget 0 --dry-run")).len(), 1);
    project.write(".lanes/c/0123456789ab/.lane", "{}");
    assert_eq!(items(&gc(&project, "--budget 0")).len(), 0);
}

#[test]
fn a_dry_run_changes_nothing() {
    let project = project();
    project.xtask("build-dev").agent("a").ok();
    project.xtask("build-dev").agent("b").ok();
    let before = below(&project.root);
    let answer = gc(&project, "--budget 0 --dry-run --target");
    assert_eq!(items(&answer).len(), 2);
    assert_eq!(below(&project.root), before);
    // The budget of the project; a floor that cannot be reached takes all there is.
    let manifest = project.read("Cargo.toml");
    let with = |disk: &str| {
        let table = format!("\n[workspace.metadata.multilane]\ndisk = \"{disk}\"\n");
        project.write("Cargo.toml", &format!("{manifest}{table}"));
    };
    with("1 MiB");
    assert_eq!(gc(&project, "--dry-run")["budget_bytes"], 1 << 20);
    assert_eq!(gc(&project, "--dry-run --budget 2M")["budget_bytes"], 2 << 20);
    with("1 MiB of it");
    project.xtask("gc --dry-run").fails_with(1);
    with("1 TiB");
    let answer: Value = serde_json::from_str(
        &project.xtask("gc --dry-run --json --idle 0 --free 900T").ok().stdout(),
    )
    .expect("JSON");
    assert_eq!(items(&answer).len(), 2);
}

/// What is known of the disk: what all lanes took at the last scan, how much the disk has filled
/// since, what was free.
const KNOWN: &str = ".git/multilane/disk";

fn set_budget(project: &Project, manifest: &str, disk: &str) {
    let table = format!("\n[workspace.metadata.multilane]\ndisk = {disk}\n");
    project.write("Cargo.toml", &format!("{manifest}{table}"));
}

#[test]
fn builds_collect_by_themselves_what_outgrows_the_budget() {
    let mut project = project();
    project.set("MULTILANE_GC", "on");
    project.xtask("build-dev").agent("old").ok();
    std::fs::remove_file(project.root.join(KNOWN)).expect("it was looked");
    project.xtask("build-dev").agent("old").ok();
    let taken: u64 = bytes(&project, &project.lanes());
    let known: u64 = project.read(KNOWN).split(' ').next().expect("one").parse().expect("bytes");
    assert!(taken / 2 < known && known <= taken, "{known} of {taken}, in which directories are");

    // While there is room, nobody looks at the lanes again.
    project.write(KNOWN, "1 0 1\n");
    project.xtask("build-dev").agent("old").ok();
    assert!(project.read(KNOWN).starts_with("1 "));

    let manifest = project.read("Cargo.toml");
    project.package("crates/more", "more", &[]);
    let has_filled = || project.write(KNOWN, "0 9999999999999 1\n");
    for disk in ["false", "\"off\""] {
        set_budget(&project, &manifest, disk);
        has_filled();
        project.xtask("build-dev").agent("old").ok();
    }
    set_budget(&project, &manifest, &format!("\"{taken}\""));
    has_filled();
    project.xtask("build-dev").agent("old").env("MULTILANE_GC", "off").ok();
    assert!(!project.exists(".git/multilane/collected.jsonl"));

    project.cargo("generate-lockfile").ok();
    has_filled();
    project.xtask("build-dev").agent("new").ok();
    assert!(project.only_lane().starts_with(".lanes/new/"), "{:?}", project.lanes());
    // Once before the build, and once after it if others have filled the disk meanwhile.
    let collected = project.read(".git/multilane/collected.jsonl");
    let collected: Vec<Value> =
        collected.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let lanes: Vec<&Value> = collected.iter().flat_map(items).map(|item| &item["lane"]).collect();
    assert!(!lanes.is_empty());
    assert!(lanes.iter().all(|lane| lane.as_str().expect("a path").contains(".lanes/old/")));
    assert!(!project.read(KNOWN).contains("9999999999999"), "{}", project.read(KNOWN));
}

/// On a CI machine, say: there the tools need not be compiled.
#[test]
fn without_lanes_of_agents_nothing_is_looked_for() {
    let mut project = project();
    project.set("MULTILANE_GC", "on");
    project.set("MULTILANE_TOOLS", "/does/not/exist");
    set_budget(&project, &project.read("Cargo.toml"), "\"1\"");
    project.xtask("check").ok().does_not_say("warning");
    project.write(KNOWN, "0 9999999999999 1\n");
    project.xtask("check").ok().does_not_say("warning");
    assert!(!project.read(KNOWN).contains("9999999999999"), "{}", project.read(KNOWN));
    // Nor where the project's size is none, which is said.
    set_budget(&project, "[workspace]\nresolver = \"3\"\nmembers = [\"crates/*\"]\n", "\"much\"");
    project.xtask("check").agent("a").ok().says("warning: the disk is not looked at");
    set_budget(&project, "[workspace]\nresolver = \"3\"\nmembers = [\"crates/*\"]\n", "\"1\"");
    // Otherwise it is tried, and that it fails is no reason for a build to fail.
    project.xtask("check").agent("a").ok();
    project.write(KNOWN, "0 9999999999999 1\n");
    project.xtask("check").ok().says("error: ");
}

/// Lanes of agents would go again and again for nothing.
#[test]
fn lanes_stay_where_the_worktrees_own_directory_is_too_large() {
    let mut project = project();
    project.xtask("build-dev").ok();
    project.xtask("build-dev").agent("a").ok();
    project.write("target/debug/deps/large", &"x".repeat(8 << 20));
    let manifest = project.read("Cargo.toml");
    set_budget(&project, &manifest, "\"4 MiB\"");
    project.set("MULTILANE_GC", "on");
    project.write(KNOWN, "0 9999999999999 1\n");
    project.xtask("build-dev").agent("b").ok();
    assert_eq!(project.lanes().len(), 2);
}

#[test]
fn one_collects_at_a_time() {
    let project = project();
    project.xtask("check").agent("a").ok();
    let lock = std::fs::File::create(project.root.join(".git/multilane/gc.lock")).expect("a file");
    lock.lock().expect("it is free");
    project.xtask("gc --auto --budget 0 --idle 0").ok();
    project.only_lane();
    drop(lock);
    project.xtask("gc --auto --budget 0 --idle 0").ok();
    assert!(project.lanes().is_empty());
}

/// A file system of its own, which is full soon.
struct Mounted(PathBuf);

impl Mounted {
    fn new(megabytes: u32) -> Option<Mounted> {
        let dir = std::env::temp_dir().join(format!("multilane-full-{}", std::process::id()));
        std::fs::create_dir_all(&dir).expect("a directory");
        let size = format!("size={megabytes}m");
        let mut mount = std::process::Command::new("mount");
        let mount = mount.args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(&dir).output();
        mount.is_ok_and(|output| output.status.success()).then_some(Mounted(dir))
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        drop(std::process::Command::new("umount").arg("--lazy").arg(&self.0).status());
        drop(std::fs::remove_dir(&self.0));
    }
}

#[test]
fn a_build_that_lacks_space_frees_some_and_tries_once_more() {
    const SCRIPT: &str = "fn main() {
    println!(\"cargo::rerun-if-changed=value\");
    let out = std::path::PathBuf::from(std::env::var(\"OUT_DIR\").unwrap());
    std::fs::write(out.join(\"large\"), vec![1; 60 << 20]).unwrap();
}\n";
    let Some(disk) = Mounted::new(100) else { return skipped("no file system can be mounted") };
    let mut project = Project::below(&disk.0);
    project.package("crates/one", "one", &[]);
    project.write("Cargo.toml", "[workspace]\nmembers = [\"crates/*\"]\nresolver = \"3\"\n");
    project.write("crates/one/build.rs", SCRIPT).write("crates/one/value", "1");
    project.cargo("generate-lockfile").ok();
    project.commit();
    project.set("MULTILANE_GC", "on");
    project.xtask("check").agent("old").ok();
    project.write("crates/one/value", "2");
    // Nothing may go as long as it is in use.
    let stamp = project.root.join(project.only_lane()).join(".lane");
    let in_use = std::fs::File::open(stamp).expect("it is there");
    in_use.lock_shared().expect("it is free");
    project.xtask("check").agent("new").fails_with(101);
    drop(in_use);
    project.xtask("check").agent("new").ok();
    assert!(project.only_lane().starts_with(".lanes/new/"), "{:?}", project.lanes());

    // Where `gc` is not there, and there is no space to compile it.
    project.write("crates/one/value", "3");
    project.xtask("check").agent("next").env("MULTILANE_TOOLS", "/does/not/exist").ok();
    assert!(project.only_lane().starts_with(".lanes/next/"), "{:?}", project.lanes());
}

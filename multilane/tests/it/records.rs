//! The record of each build (docs/records.md).

use serde_json::json;

use crate::fork::{donor, worktree};

#[test]
fn a_build_says_what_it_did() {
    let project = donor();
    project.write("crates/alone/src/lib.rs", "pub fn new() {}\n");
    let ran =
        project.xtask("build-dev -p app -p alone --config env.SECRET='1' -- x").agent("a").run();
    assert!(!ran.output.status.success(), "cargo build has no arguments");
    project.xtask("build-dev --config net.offline=true").agent("a").ok();

    let records = project.records();
    let [failed, record] = &*records else { panic!("{records:#?}") };
    let lane = project.root.join(project.only_lane());
    assert_eq!(failed["exit_code"], 1);
    assert_eq!(record["exit_code"], 0);
    assert_eq!(record["version"], 1);
    assert_eq!(record["agent"], "a");
    assert_eq!(record["workspace"], json!(project.root));
    assert_eq!(record["lane"], json!(lane));
    assert_eq!(record["key"], json!(lane.file_name().map(|key| key.to_string_lossy())));
    assert_eq!(record["commit"], project.git(&["rev-parse", "HEAD"]).trim());
    assert_eq!(record["commands"], json!([["build", "--target-dir", lane, "--config", "…"]]));
    assert_eq!(record["units"]["packages"], json!(["alone"]));
    assert!(record["seconds"].as_f64() > Some(0.0));

    let fork = &failed["forks"][0];
    assert_eq!(fork["donor"], json!(project.root.join("target")));
    assert_eq!(fork["left"][0]["reason"], "outdated");
    assert_eq!(fork["left"][0]["packages"], json!(["alone"]));
    assert_eq!(record["forks"], json!([]));
}

/// What is forked without a build, and what cannot be recorded.
#[test]
fn forks_alone_are_recorded_and_nothing_fails_for_a_record() {
    let project = donor();
    project.xtask("lane new fix").ok().forked();
    project.xtask("lane fork").agent("a").ok().forked();
    let commands: Vec<_> =
        project.records().iter().map(|record| record["commands"].clone()).collect();
    assert_eq!(commands, [json!([["lane new"]]), json!([["lane fork"]])]);

    let dir = worktree(&project, "second");
    project.git_in(&dir, &["pack-refs", "--all"]);
    project.git_in(&dir, &["checkout", "--quiet", "-b", "second"]);
    let record = project.xtask("check").within(&dir).ok();
    assert_eq!(record.record()["commit"], project.git(&["rev-parse", "HEAD"]).trim());

    let nowhere = project.root.join("Cargo.toml/x");
    project.xtask("check").env("MULTILANE_RECORDS", nowhere).ok().does_not_say("warning");
    project.xtask("check").env("MULTILANE_RECORDS", "").ok();
    assert!(project.read(".git/multilane/records.jsonl").contains("\"version\":1"));
}

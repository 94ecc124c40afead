//! `editor`: what is written, and that what an editor then runs is what rust-analyzer expects.

use std::fs::File;

use serde_json::Value;

use crate::support::{Call, Project, Ran};

/// Runs what VS Code's settings say, as rust-analyzer does.
fn check_as_the_editor(project: &Project) -> Call {
    let settings: Value =
        serde_json::from_str(&project.read(".vscode/settings.json")).expect("JSON");
    let words = |key: &str| -> Vec<String> {
        let words = settings[key].as_array().expect("a command");
        words.iter().map(|word| word.as_str().expect("a word").to_owned()).collect()
    };
    let check = words("rust-analyzer.check.overrideCommand");
    assert_eq!(
        words("rust-analyzer.cargo.buildScripts.overrideCommand"),
        check,
        "or units are made twice"
    );
    assert_eq!(check[..2], ["cargo", "multilane"]);
    let agent = settings["rust-analyzer.cargo.extraEnv"]["AGENT_ID"].as_str().expect("a name");
    project.xtask(&check[2..].join(" ")).agent(agent)
}

/// stdout is for rust-analyzer, and holds nothing but cargo's messages.
#[track_caller]
fn messages(ran: &Ran) -> Vec<Value> {
    let parse = |line: &str| {
        serde_json::from_str(line).unwrap_or_else(|_| panic!("{line} in\n{}", ran.report()))
    };
    let messages: Vec<Value> = ran.stdout().lines().map(parse).collect();
    assert!(messages.iter().all(|message| message["reason"].is_string()), "{}", ran.report());
    messages
}

#[test]
fn it_checks_in_a_lane_of_its_own() {
    let project = Project::workspace(&[("core", &[]), ("app", &["core"])]);
    project.commit();
    project.xtask("editor vscode").ok().says("Wrote .vscode/settings.json");
    project.xtask("editor vscode").ok().says("Present .vscode/settings.json");
    project.cargo("check --workspace --all-targets").ok();

    // Somebody builds all the while. The lane is forked from there nevertheless, without waiting.
    let lock =
        File::open(project.root.join("target/debug/.cargo-lock")).expect("cargo has made it");
    lock.lock().expect("nobody has it");
    let ran = check_as_the_editor(&project).ok();
    let fresh =
        |message: &&Value| message["reason"] == "compiler-artifact" && message["fresh"] == true;
    let built = messages(&ran);
    assert_eq!(built.iter().filter(fresh).count(), 4, "{}", ran.report());
    assert_eq!(built.last().map(|last| last["success"] == true), Some(true), "{}", ran.report());
    assert!(project.only_lane().starts_with(".lanes/editor/"), "{:?}", project.lanes());

    project.write("crates/app/src/lib.rs", "pub fn here() { nowhere() }\n");
    let ran = check_as_the_editor(&project).fails_with(101);
    let found = messages(&ran);
    let error =
        found.iter().find(|message| message["message"]["level"] == "error").expect("an error");
    assert_eq!(error["message"]["code"]["code"], "E0425", "{error}");
}

#[test]
fn a_file_that_says_something_else_is_left_alone() {
    let project = Project::workspace(&[("core", &[])]);
    let mine = "{\n  // Mine.\n  \"rust-analyzer.check.overrideCommand\": [\"mine\"]\n}\n";
    project.write(".vscode/settings.json", mine);
    let ran = project.xtask("editor vscode").ok();
    ran.says("Paste this yourself; .vscode/settings.json is not written");
    assert!(ran.stdout().contains("\"AGENT_ID\": \"editor\""), "{}", ran.report());
    assert_eq!(project.read(".vscode/settings.json"), mine);

    let diff = project.xtask("editor helix --dry-run").ok().stdout();
    assert!(diff.contains("+++ b/.helix/languages.toml") && !project.exists(".helix"), "{diff}");
    let lines = project.xtask("editor neovim").ok().stdout();
    assert!(lines.contains("vim.lsp.config(\"rust_analyzer\""), "{lines}");
}

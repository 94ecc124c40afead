//! `analyze`: its answers for small workspaces whose answer is known.

use serde_json::Value;

use crate::fork::worktree;
#[cfg(unix)]
use crate::support::wait_until;
use crate::support::{Call, Project, skipped};

/// `core` ← `middle` ← `app`, a program, and `aside`, on which nothing depends. `core` was changed
/// twice, `aside` once.
fn workspace() -> Project {
    let project = Project::workspace(&[
        ("core", &[]),
        ("middle", &["core"]),
        ("app", &["middle"]),
        ("aside", &[]),
    ]);
    project.write("crates/app/src/main.rs", "fn main() {}\n").commit();
    project.write("crates/core/src/lib.rs", "pub fn there() {}\n").commit();
    project.write("crates/core/tests/it.rs", "// No library is made of this.\n").commit();
    project.write("crates/aside/src/lib.rs", "pub fn there() {}\n").commit();
    project
}

#[track_caller]
fn json(call: Call) -> Value {
    let stdout = call.ok().stdout();
    serde_json::from_str(&stdout).unwrap_or_else(|err| panic!("{err}\n{stdout}"))
}

fn names(answer: &Value, list: &str, name: &str) -> Vec<String> {
    let items = answer[list].as_array().expect("a list").iter();
    items.map(|item| item[name].as_str().expect("a name").to_owned()).collect()
}

#[test]
fn the_answer_is_of_the_real_graph_and_of_the_real_history() {
    let project = workspace();
    let ran = project.xtask("analyze").ok();
    assert!(ran.stdout().contains("5 units in "), "{}", ran.report());

    let answer = json(project.xtask("analyze timings graph --json --last"));
    let units = names(&answer, "units", "name");
    let at = |name: &str| units.iter().position(|unit| unit == name).expect(name);
    let dependencies = |name: &str| answer["units"][at(name)]["dependencies"].clone();
    assert_eq!(dependencies("middle"), serde_json::json!([at("core")]));
    assert_eq!(dependencies("aside"), serde_json::json!([]));

    let cost = |name: &str| {
        let costs = answer["crates"].as_array().expect("a list");
        costs.iter().find(|cost| cost["package"] == *name).expect(name).clone()
    };
    // The first commit has made all of them; tests are not what a library is made of.
    assert_eq!(cost("core")["commits"], 2);
    assert_eq!(cost("core")["dependents"], serde_json::json!(["app", "middle"]));
    assert_eq!(cost("middle")["commits"], 1);
    assert_eq!(cost("aside")["commits"], 2);
    assert_eq!(cost("aside")["dependents"], serde_json::json!([]));
}

#[test]
fn others_keep_their_lanes_and_its_own_is_emptied() {
    let project = workspace();
    project.xtask("build").ok();
    project.xtask("analyze --quiet").ok();
    let lane = project.only_lane();
    assert!(lane.starts_with(".lanes/multilane-analyze/"), "{lane}");
    project.xtask("build").ok().compiled(0);
    // Never warm: a unit without a time would be missing.
    let answer = json(project.xtask("analyze --json"));
    assert_eq!(answer["build"]["units"], 5);
    assert_eq!(answer["build"]["fresh_units"], 0);
    project.write("crates/middle/src/lib.rs", "pub fn other() {}\n");
    let answer = json(project.xtask("analyze --json --incremental"));
    assert_eq!(answer["build"]["fresh_units"], 2);
    let mut built = names(&answer, "units", "package");
    built.sort();
    assert_eq!(built, ["app", "app", "middle"]);
    project.xtask("analyze --incremental").fails_with(1).says("nothing was compiled");
    assert_eq!(json(project.xtask("analyze --json --last"))["build"]["units"], 3);
    // Nor is what was built before a failed build taken for the last one.
    project.write("crates/middle/src/lib.rs", "this is no Rust\n");
    project.xtask("analyze --incremental").fails_with(101).says("the build failed");
    project.xtask("analyze --last").fails_with(1).says("there was no build");
}

#[test]
fn an_option_that_cargo_refuses_leaves_the_last_build() {
    let project = workspace();
    let ran = project.xtask("analyze").ok();
    let report = project.root.join(project.only_lane()).join("analysis/report.html");
    ran.says(&format!("Report {}", report.display()));
    for refused in ["--package nobody", "--profile nobody"] {
        project.xtask(&format!("analyze {refused}")).fails_with(1).says("nobody");
        assert_eq!(json(project.xtask("analyze --json --last"))["build"]["units"], 5);
    }
}

#[test]
fn what_a_new_worktree_would_compile_is_what_it_compiles() {
    let project = workspace();
    let test = "#[test]\nfn is_named() { assert!(!env!(\"CARGO_BIN_EXE_app\").is_empty()) }\n";
    project.write("crates/app/tests/it.rs", test).commit();
    let fork =
        |words: &str| json(project.xtask(&format!("analyze cache --json {words}")))["fork"].clone();
    assert_eq!(fork("")["units_left"], serde_json::json!([]));
    assert_eq!(fork("")["units_brought"], 5);

    let left = fork("--all-targets");
    let whys = names(&left, "units_left", "why");
    assert_eq!(whys, ["env CARGO_BIN_EXE_app"]);
    assert!(left["seconds"].as_f64().is_some_and(|seconds| seconds > 0.0), "{left}");
    let ran = project.xtask("analyze cache --last --all-targets").ok();
    assert!(ran.stdout().contains("env CARGO_BIN_EXE_app: app (test it)"), "{}", ran.report());

    let second = worktree(&project, "second");
    project.xtask("build --all-targets").ok();
    project.xtask("build --all-targets").within(&second).ok().compiled_of(1, &["app"]);
}

#[cfg(unix)]
#[test]
fn killed_in_the_middle_it_leaves_no_answer_behind() {
    let project = workspace();
    project.write(
        "crates/middle/build.rs",
        "fn main() {\n    let Some(held) = std::env::var_os(\"HELD\") else { return };\n    \
         std::fs::write(&held, \"\").unwrap();\n    \
         while std::fs::exists(&held).unwrap() { std::thread::yield_now() }\n}\n",
    );
    project.commit();
    project.xtask("analyze timings --quiet").ok();
    project.commit(); // The lockfile.
    let held = project.root.join("held");
    let mut analyze = project.xtask("analyze timings").env("HELD", &held).start();
    wait_until("the build script", || held.exists());
    analyze.kill().expect("it runs");
    analyze.wait().expect("it ends");
    std::fs::remove_file(&held).expect("it is there");

    project.xtask("analyze timings --last").fails_with(1).says("there was no build");
    // What it has started may live a moment longer.
    let mut answer = None;
    wait_until("the lane", || {
        let ran = project.xtask("analyze timings --json").run();
        answer = serde_json::from_str::<Value>(&ran.stdout()).ok();
        answer.is_some()
    });
    assert_eq!(answer.expect("it has come")["build"]["units"], 7);
    assert_eq!(project.git(&["status", "--porcelain"]), "");
}

#[test]
fn builds_of_another_workspace_of_the_repository_are_no_trend() {
    let project = workspace();
    project.write(
        "tools/Cargo.toml",
        "[workspace]\n\n[package]\nname = \"tools\"\nedition = \"2024\"\n",
    );
    project.write("tools/src/lib.rs", "pub fn here() {}\n").commit();
    let builds = |words: &str| {
        let answer = json(project.xtask(&format!("analyze trend --json {words}")));
        answer["builds"].as_array().map(Vec::len)
    };
    assert_eq!(builds(""), Some(1));
    assert_eq!(builds("--manifest-path tools/Cargo.toml"), Some(1));
    // However one comes to it.
    assert_eq!(builds("--manifest-path ./tools/Cargo.toml"), Some(2));
}

#[test]
fn where_there_is_nothing_to_say_it_says_so() {
    let project = Project::empty();
    project.write("Cargo.toml", "[workspace]\nmembers = []\n");
    project.xtask("analyze").fails_with(101).says("there is nothing to analyze").says("help: ");

    // A single crate, no git.
    let project = Project::empty();
    project.write("Cargo.toml", "[workspace]\n\n[package]\nname = \"alone\"\nedition = \"2024\"\n");
    project.write("src/lib.rs", "pub fn here() {}\n");
    project.xtask("analyze --last").fails_with(1).says("there was no build").says("help: ");
    let ran = project.xtask("analyze").without(&project, &["git"]).ok();
    assert!(ran.stdout().contains("There is no git history here"), "{}", ran.report());

    project.write("src/lib.rs", "this is no Rust\n");
    let ran = project.xtask("analyze").fails_with(101);
    ran.says("the build failed, so there is nothing to analyze");
    assert_eq!(ran.stdout(), "");
    project.xtask("analyze --last").fails_with(1).says("there was no build");
}

#[test]
fn nightly_and_the_new_layout_are_the_same_to_it() {
    let mut project = workspace();
    if !project.use_new_layout() {
        return skipped("there is no nightly toolchain");
    }
    let answer = json(project.xtask("analyze --json"));
    assert_eq!(answer["build"]["units"], 5);
    let units = answer["units"].as_array().expect("a list");
    let app = units.iter().find(|unit| unit["name"] == "app (program app)").expect("the program");
    assert!(app["link_seconds"].is_number(), "{app}");
    assert_eq!(app["dependencies"].as_array().map(Vec::len), Some(2), "{app}");
}

/// A function that a program instantiates with three types, of which each is derived for.
fn generic() -> Project {
    let project = workspace();
    let many = "pub fn many<T: std::fmt::Debug>(x: T) -> String {\n    format!(\"{x:?}\")\n}\n";
    project.write("crates/middle/src/lib.rs", many);
    let derived: String =
        ["A", "B", "C"].map(|name| format!("#[derive(Debug)]\nstruct {name}(u8, u8);\n")).concat();
    let main = "fn main() {\n    middle::many(A(1, 2));\n    middle::many(B(1, 2));\n    middle::many(C(1, 2));\n}\n";
    project.write("crates/app/src/main.rs", &format!("{derived}{main}"));
    project
}

/// How often it is there, says the list of this name.
#[track_caller]
fn copies(answer: &Value, list: &str) -> Value {
    let mono = &answer["mono"][0];
    assert_eq!(mono["target"], "bin app", "{mono}");
    let items = mono[list].as_array().unwrap_or_else(|| panic!("no {list}: {mono}"));
    let many = items.iter().find(|item| item["name"] == "middle::many");
    many.unwrap_or_else(|| panic!("no such function: {mono}"))["copies"].clone()
}

#[test]
fn instantiations_are_counted_by_what_llvm_is_given() {
    let project = generic();
    let answer = json(project.xtask("analyze mono deps --json --package app"));
    assert_eq!(copies(&answer, "functions"), 3);
    let implemented = answer["mono"][0]["trait_implementations"].as_array().expect("a list");
    let debug = implemented
        .iter()
        .find(|one| one["crate"] == "app" && one["name"] == "Debug")
        .expect("of Debug");
    assert_eq!(debug["functions"], 3, "{debug}");
    assert_eq!(
        answer["dependencies"]["derives"],
        serde_json::json!([{ "name": "Debug", "types": 3 }])
    );
}

#[test]
fn a_nightly_says_itself_what_it_instantiates() {
    let mut project = generic();
    if !project.use_new_layout() {
        return skipped("there is no nightly toolchain");
    }
    let answer = json(project.xtask("analyze mono --json --package app"));
    assert_eq!(copies(&answer, "functions"), 3);
    assert_eq!(copies(&answer, "instantiated_says_the_compiler"), 3);
    let ran = project.xtask("analyze mono --last --package app").ok();
    assert!(ran.stdout().contains("By the compiler's own count"), "{}", ran.report());
}

/// What a reader would do: sort, filter, zoom, go through the timeline by keyboard, and open a unit
/// from it.
const READER: &str = r"
<script>
window.addEventListener('load', () => {
  const key = (key) => document.getElementById('time').dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true }));
  const filter = document.getElementById('filter');
  const rows = () => [...document.querySelectorAll('table.units tbody tr')];
  const said = {};
  document.querySelector('table.units th button').click();
  said.first = rows()[0].cells[0].textContent.trim();
  document.querySelectorAll('table.units th button')[2].click();
  const takes = rows().map((row) => Number(row.cells[2].textContent));
  said.sorted = takes.every((value, at) => at === 0 || takes[at - 1] >= value);
  filter.value = 'app';
  filter.dispatchEvent(new Event('input'));
  said.filtered = rows().filter((row) => !row.hidden).length;
  said.shown = document.getElementById('shown').textContent;
  document.getElementById('zoom').value = 8;
  document.getElementById('zoom').dispatchEvent(new Event('input'));
  key('Home');
  key('ArrowRight');
  said.tip = document.getElementById('tip').textContent;
  key('Enter');
  said.hash = location.hash;
  said.wide = document.documentElement.scrollWidth > innerWidth;
  document.title = 'said ' + JSON.stringify(said);
});
</script>
";

#[test]
fn the_page_works_in_a_browser() {
    let project = workspace();
    project.package(
        "crates/long",
        "a-crate-whose-name-is-longer-than-any-column-of-any-table-or-drawing",
        &[],
    );
    project.xtask("analyze --quiet").ok();
    let report = project.root.join(project.only_lane()).join("analysis/report.html");
    let page = std::fs::read_to_string(&report).expect("the report");
    assert!(!page.contains("http://") && !page.contains("https://"), "it would need a network");
    for part in ["advice", "timeline", "crates", "deps", "trend", "disk", "cache", "units"] {
        assert!(page.contains(&format!("id=\"{part}\"")), "no {part}");
    }

    let names = ["chromium", "chromium-browser", "google-chrome"];
    let starts = |name: &&&str| {
        project.command(name).arg("--version").output().is_ok_and(|ran| ran.status.success())
    };
    let Some(browser) = names.iter().find(starts) else {
        return skipped(&format!("none of {names:?} is on PATH"));
    };
    let driven = project.root.join("driven.html");
    project.write("driven.html", &page.replace("</body>", &format!("{READER}</body>")));
    let profile = project.root.join("browser");
    let mut command = project.command(browser);
    command.args([
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
        "--disable-background-networking",
    ]);
    command.args([
        "--disable-component-update",
        "--disable-sync",
        "--disable-quic",
        "--window-size=500,900",
    ]);
    command
        .args(["--enable-logging=stderr", "--dump-dom"])
        .arg(format!("--user-data-dir={}", profile.display()));
    let ran = Call { command }.arg(format!("file://{}", driven.display())).ok();
    let errors: Vec<String> =
        ran.stderr().lines().filter(|line| line.contains("CONSOLE")).map(str::to_owned).collect();
    assert!(errors.is_empty(), "{errors:#?}");

    let dom = ran.stdout();
    let (_, said) = dom
        .split_once("<title>said ")
        .unwrap_or_else(|| panic!("the reader did not come to the end\n{dom}"));
    let said: Value =
        serde_json::from_str(said.split("</title>").next().expect("an end")).expect("JSON");
    assert!(said["first"].as_str().is_some_and(|first| first.starts_with("a-crate-")), "{said}");
    assert_eq!(said["sorted"], true, "{said}");
    assert_eq!(said["filtered"], 2, "{said}");
    assert_eq!(said["shown"], "2 of 6", "{said}");
    assert!(said["tip"].as_str().is_some_and(|tip| tip.contains(" s from ")), "{said}");
    assert!(said["hash"].as_str().is_some_and(|hash| hash.starts_with("#u")), "{said}");
    assert_eq!(said["wide"], false, "a phone would scroll sideways: {said}");
}

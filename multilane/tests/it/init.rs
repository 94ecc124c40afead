//! `init`: a clone of the template becomes a project.

use crate::support::Project;
use crate::template::{copy_compiled_dependencies, fresh_clone};

fn status(project: &Project) -> String {
    project.git(&["status", "--porcelain"])
}

/// One test and not several: compiling xtask in the project is what takes the time.
#[test]
fn a_project_passes_its_own_ci() {
    let project = fresh_clone();
    project.commit();
    project.xtask("init weather --description").arg("Tells whether it rains").ok();
    for gone in [
        ".ci/platforms",
        "docs",
        "crates/notes",
        "crates/notes-core",
        "ARCHITECTURE.md",
        "multilane/tests",
    ] {
        assert!(!project.exists(gone), "{gone}");
    }
    assert!(project.read("README.md").starts_with("# weather\n"));
    let own = ["README.md", "CHANGELOG.md", "AGENTS.md", ".github/workflows/ci.yml", "Makefile"];
    for file in own.iter().chain(&["Cargo.toml", ".cargo/config.toml", "deny.toml", ".ci/run"]) {
        let text = project.read(file).to_lowercase();
        assert!(!text.contains("docs/") && !text.contains("template"), "{file}:\n{text}");
    }
    assert!(!cfg!(unix) || project.exists(".cargo/wrapper/rustc"), "before the first build");
    project.commit();
    copy_compiled_dependencies(&project);
    let built = project.cargo("xtask build-dev --locked").ok().built();
    assert!(built.contains(&"weather".to_owned()), "{built:?}");
    project.cargo("xtask test").ok();
    let ci = project.command(project.root.join(".ci/run").to_str().expect("UTF-8"));
    crate::support::Call { command: ci }.ok();
    let ran = project.cargo("run --quiet").ok().stdout();
    assert_eq!(ran, "Hello, world!\n");
    assert_eq!(status(&project), "", "nothing is written that git would show");
}

#[test]
fn a_library_beside_the_examples() {
    let project = fresh_clone();
    project.commit();
    project.xtask("init weather --lib --keep-examples --license none").ok();
    assert!(project.exists("crates/weather/src/lib.rs") && project.exists("crates/notes"));
    assert!(!project.exists("LICENSE-MIT") && project.exists("multilane/LICENSE-MIT"));
    project.cargo("check --package weather --package notes --offline").ok();
}

#[test]
fn a_dry_run_changes_nothing() {
    let project = fresh_clone();
    project.commit();
    let plan = project
        .xtask("init weather --dry-run --engine https://example.org/multilane#abc")
        .ok()
        .stdout();
    assert!(
        plan.contains(r#"+multilane = { git = "https://example.org/multilane", rev = "abc" }"#)
    );
    assert!(plan.contains("removed: multilane/Cargo.toml"), "{plan}");
    project.xtask("init weather --dry-run --vendor --lib").ok();
    assert_eq!(status(&project), "");

    for name in ["notes", "xtask", "clap", "0x", "a b"] {
        project.xtask("init").arg(name).fails_with(1);
    }
    project.write("new.txt", "");
    project.xtask("init weather").fails_with(1).says("--allow-dirty");
    assert_eq!(status(&project), "?? new.txt\n");
}

#[test]
fn only_a_clone_of_the_template_is_a_project_to_be() {
    let project = Project::workspace(&[("one", &[])]);
    project.commit();
    project.xtask("init weather").fails_with(1).says("help: ");
    assert_eq!(status(&project), "");
}

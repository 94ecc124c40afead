//! `upgrade`: a newer template comes into a project, and nothing that the project has changed is lost.

use crate::adopt::files;
use crate::support::{Call, Project};
use crate::template::template_root;

const HELLO: &str =
    "//! Begins.\n\nfn main() {\n    one();\n    two();\n    three();\n    four();\n    five();\n}\n";

/// A small template with a history: what this one is made of, but for most of its sources.
fn template() -> Project {
    let template = Project::empty();
    for path in [
        "Cargo.toml",
        "Cargo.lock",
        "Makefile",
        "rustfmt.toml",
        "xtask/Cargo.toml",
        "xtask/clippy.toml",
        ".cargo/config.toml",
    ] {
        let text = std::fs::read_to_string(template_root().join(path)).expect("a file of the template");
        template.write(path, &text);
    }
    template
        .write("crates/notes/Cargo.toml", "[package]\nname = \"notes\"\n")
        .write("crates/notes/src/lib.rs", "");
    for name in ["notes-core", "notes-file"] {
        template.write(&format!("crates/{name}/Cargo.toml"), &format!("[package]\nname = \"{name}\"\n"));
        template.write(&format!("crates/{name}/src/lib.rs"), "");
    }
    template.write(".config/nextest.toml", "[profile.default]\n").write(".gitignore", "/target/\n");
    template.write("xtask/src/plan/template.rs", "//! Is what makes it a template.\n");
    template
        .write("xtask/src/main.rs", HELLO)
        .write("xtask/src/old.rs", "//! Old.\n")
        .write("xtask/src/same.rs", "//! Same.\n");
    template.commit();
    template
}

fn project(template: &Project) -> Project {
    let project = Project::workspace(&[("core", &[])]);
    project.cargo("generate-lockfile").ok();
    project.commit();
    project.xtask("adopt --yes").arg(&project.root).within(&template.root).ok();
    project.commit();
    project
}

/// The template has gone on: one file changes, one goes, one comes.
fn next_version(template: &Project) {
    template
        .write("xtask/src/main.rs", &HELLO.replace("five", "FIVE"))
        .write("xtask/src/new.rs", "//! New.\n");
    std::fs::remove_file(template.root.join("xtask/src/old.rs")).expect("it is there");
    let manifest = template.read("Cargo.toml").replace("version = \"0.1.0\"", "version = \"0.2.0\"");
    template.write("Cargo.toml", &manifest);
    template.commit();
}

fn upgrade(project: &Project, template: &Project, words: &str) -> Call {
    project.xtask("upgrade --from").arg(&template.root).words(words)
}

#[test]
fn a_newer_template_comes_and_changes_of_the_project_stay() {
    let template = template();
    let project = project(&template);
    upgrade(&project, &template, "--check").ok().says("nothing to do");
    let before = files(&project);
    project
        .write("xtask/src/main.rs", &HELLO.replace("one", "ONE"))
        .write("xtask/src/mine.rs", "//! Mine.\n");
    project.write("xtask/src/same.rs", "//! Not the same.\n");
    let edited = files(&project);
    next_version(&template);

    let ran = upgrade(&project, &template, "--check").fails_with(1);
    assert!(ran.stdout().contains("+    FIVE();"), "{}", ran.report());
    upgrade(&project, &template, "--dry-run").ok();
    assert_eq!(files(&project), edited, "showing changes nothing");

    upgrade(&project, &template, "--yes").ok().says("Merged xtask/src/main.rs").says("0.2.0");
    assert_eq!(project.read("xtask/src/main.rs"), HELLO.replace("one", "ONE").replace("five", "FIVE"));
    assert_eq!(project.read("xtask/src/new.rs"), "//! New.\n");
    assert_eq!(project.read("xtask/src/mine.rs"), "//! Mine.\n");
    assert_eq!(project.read("xtask/src/same.rs"), "//! Not the same.\n");
    assert!(!project.exists("xtask/src/old.rs"));
    assert!(project.read("xtask/Cargo.toml").contains("version = \"0.2.0\""));
    assert!(project.read("xtask/template.toml").contains("version = \"0.2.0\""));
    project.cargo("metadata --locked --offline --format-version=1").ok();
    upgrade(&project, &template, "--check").ok().says("nothing to do");

    project.xtask("upgrade --undo").ok();
    assert_eq!(files(&project), edited);
    project.git(&["checkout", "--quiet", "--", "."]);
    std::fs::remove_file(project.root.join("xtask/src/mine.rs")).expect("it is there");
    assert_eq!(files(&project), before);
}

#[test]
fn a_conflict_shows_both_sides_and_can_be_taken_back() {
    let template = template();
    let project = project(&template);
    project.write("xtask/src/main.rs", &HELLO.replace("five", "5"));
    project
        .write("xtask/src/old.rs", "//! Old, and changed.\n")
        .write("xtask/src/new.rs", "//! Another new one.\n");
    let edited = files(&project);
    next_version(&template);

    let ran = upgrade(&project, &template, "--yes").fails_with(1);
    ran.says("xtask/src/main.rs has been changed on both sides").says("upgrade --undo");
    ran.says("xtask/src/old.rs is gone from the template, and changed here")
        .says("xtask/src/new.rs is new in the template");
    let main = project.read("xtask/src/main.rs");
    let place = "<<<<<<< project\n    5();\n=======\n    FIVE();\n>>>>>>> template\n";
    assert!(main.contains(place), "{main}");
    assert_eq!(project.read("xtask/src/old.rs"), "//! Old, and changed.\n");
    assert_eq!(project.read("xtask/src/new.rs"), "//! Another new one.\n");
    project.xtask("upgrade --undo").ok();
    assert_eq!(files(&project), edited);
}

#[test]
fn it_comes_from_a_repository_as_well_and_history_may_be_missing() {
    let template = template();
    let project = project(&template);
    project.write("xtask/src/main.rs", &HELLO.replace("one", "ONE"));
    next_version(&template);
    let url = format!("file://{}", template.root.display());
    project.xtask("upgrade --yes --from").arg(&url).ok().says("Merged xtask/src/main.rs");
    project.xtask("upgrade --undo").ok();
    assert_eq!(
        std::fs::read_dir(project.root.join(".git/multilane")).expect("it is there").count(),
        1,
        "the clone is gone"
    );
    project
        .xtask("upgrade --yes --from")
        .arg("file:///nowhere")
        .fails_with(1)
        .says("cannot clone file:///nowhere");

    // Without the commit nobody knows what the file was: both are kept, between markers.
    std::fs::remove_dir_all(template.root.join(".git")).expect("it is there");
    template.commit();
    let ran = upgrade(&project, &template, "--yes").fails_with(1);
    ran.says("xtask/src/main.rs has been changed on both sides");
    let main = project.read("xtask/src/main.rs");
    assert!(main.contains("ONE") && main.contains("FIVE"), "{main}");
}

#[test]
fn what_is_no_project_or_no_template_is_named() {
    let template = template();
    let project = Project::workspace(&[("core", &[])]);
    upgrade(&project, &template, "--yes").fails_with(1).says("has no record of a template").says("help: ");
    project.commit();
    let adopted = crate::upgrade::project(&template);
    adopted
        .xtask("upgrade --yes --from")
        .arg(&project.root)
        .fails_with(1)
        .says("is no checkout of the template");
    upgrade(&adopted, &adopted, "--yes").fails_with(1).says("is a project made from the template");
    adopted.xtask("upgrade --undo").fails_with(1).says("no upgrade to take back");
    let record = adopted.read("xtask/template.toml").replace("\"xtask/src/main.rs\"", "\"../outside\"");
    adopted.write("xtask/template.toml", &record);
    upgrade(&adopted, &template, "--yes").fails_with(1).says("is no path in the project");
}

/// What lies beside the tool in the template is in its folder here, and its manifest inherits nothing.
#[test]
fn a_project_that_init_made_is_upgraded_as_well() {
    let template = template();
    for path in ["deny.toml", "LICENSE-MIT", "LICENSE-APACHE"] {
        template.write(path, &std::fs::read_to_string(template_root().join(path)).expect("it is there"));
    }
    template.write("README.md", "# Tool\n\n[forks](docs/forks.md)\n").write("docs/forks.md", "# Forks\n");
    template.write("xtask/src/plan/given.rs", "//! Is what init looks for.\n").commit();
    let project = Project::empty();
    project.git(&["clone", "--quiet", template.root.to_str().expect("UTF-8"), "."]);
    project.xtask("init weather").ok();
    project.write("xtask/src/main.rs", &HELLO.replace("one", "ONE"));
    project.write("Makefile", &format!("# Mine.\n{}", project.read("Makefile"))).commit();

    next_version(&template);
    template.write("docs/forks.md", "# Forks\n\n[cold](cold.md)\n").write("docs/cold.md", "# Cold\n");
    template.write("Makefile", &format!("{}\n# news\n", template.read("Makefile"))).commit();
    upgrade(&project, &template, "--yes").ok();

    assert_eq!(project.read("xtask/src/main.rs"), HELLO.replace("five", "FIVE").replace("one", "ONE"));
    assert!(project.exists("xtask/src/new.rs") && !project.exists("xtask/src/old.rs"));
    assert_eq!(project.read("xtask/docs/forks.md"), "# Forks\n\n[cold](cold.md)\n");
    assert!(
        project.exists("xtask/docs/cold.md") && !project.exists("docs") && !project.exists("crates/notes")
    );
    let manifest = project.read("xtask/Cargo.toml");
    assert!(manifest.contains("version = \"0.2.0\"") && !manifest.contains("workspace = true"), "{manifest}");
    let makefile = project.read("Makefile");
    assert!(makefile.starts_with("# Mine.\n") && makefile.ends_with("# news\n"), "{makefile}");
    assert!(project.read("README.md").starts_with("# weather\n"));
    upgrade(&project, &template, "--check").ok();
}

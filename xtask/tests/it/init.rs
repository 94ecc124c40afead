//! `init`: what becomes of a clone of the template, and how it is taken back. That the result builds with an xtask of its own
//! is in `template.rs`.

use std::path::Path;

use crate::support::Project;
use crate::template::fresh_clone;

fn committed_clone() -> Project {
    let clone = fresh_clone();
    clone.commit();
    clone
}

/// All files of a checkout that git does not ignore.
fn files(project: &Project) -> Vec<String> {
    let list = project.git(&["ls-files", "--cached", "--others", "--exclude-standard", "-z"]);
    list.split('\0').filter(|name| project.exists(name) && !name.is_empty()).map(str::to_owned).collect()
}

#[track_caller]
fn is_a_whole_project(project: &Project, first_crate: &str) {
    // The lockfile is as cargo would write it, which `ci` insists on.
    project.cargo("metadata --locked --format-version=1").ok();
    project.cargo("fmt --all --check").ok();
    project.xtask(&format!("test --locked --package {first_crate}")).ok().says(" passed");

    let mut dead = Vec::new();
    for page in files(project).into_iter().filter(|name| name.ends_with(".md")) {
        let text = project.read(&page);
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let path = link.split('#').next().unwrap_or_default();
            let target = Path::new(&page).parent().expect("a folder").join(path);
            if !path.is_empty() && !path.contains(':') && !project.root.join(target).exists() {
                dead.push(format!("{page}: {link}"));
            }
        }
    }
    assert_eq!(dead, [""; 0]);
}

#[test]
fn a_clone_becomes_a_project_and_back() {
    let project = committed_clone();
    project.git(&["remote", "add", "origin", "git@example.org:me/weather.git"]);
    let shown = project.xtask("init weather --dry-run").ok().stdout();
    assert!(shown.contains("+name = \"weather\"") && shown.contains("removed in docs/: "), "{shown}");
    assert_eq!(project.git(&["status", "--porcelain"]), "");

    let ran = project.xtask("init weather --description Forecasts").ok();
    ran.says("Created the program weather").does_not_say("Lacking");
    is_a_whole_project(&project, "weather");
    project.xtask("clippy --package weather --all-targets -- --deny warnings").ok();
    let manifest = project.read("Cargo.toml");
    assert!(manifest.contains("repository = \"git@example.org:me/weather.git\""), "{manifest}");
    assert!(manifest.contains("authors = [\"Test <test@example.org>\"]"), "{manifest}");

    // The tool is in its folder, with all that is about it; nothing else says where the project comes from.
    for name in files(&project).into_iter().filter(|name| !name.starts_with("xtask/")) {
        let text = project.read(&name).to_lowercase();
        for trace in ["multilane", "notes", "template"] {
            assert!(!text.contains(trace) && !name.contains(trace), "{trace} in {name}");
        }
    }
    for kept in ["xtask/README.md", "xtask/LICENSE-MIT", "xtask/docs/forks.md", "xtask/src/main.rs"] {
        assert!(project.exists(kept), "{kept}");
    }
    assert!(!project.exists("docs") && !project.exists("xtask/tests"));
    let record = project.read("xtask/template.toml");
    let commit = project.git(&["rev-parse", "HEAD"]);
    assert!(record.contains(&format!("commit = \"{}\"", commit.trim())), "{record}");
    for given in ["xtask/src/main.rs", "xtask/Cargo.toml", "Makefile", ".github/workflows/ci.yml"] {
        assert!(record.contains(&format!("\n\"{given}\" = ")), "{record}");
    }

    // Once, and as long as nothing has been changed, it can be taken back.
    project
        .xtask("init rain")
        .fails_with(1)
        .says("is a project already")
        .says("help: cargo xtask init --undo");
    project.write("README.md", "mine\n");
    project.xtask("init --undo").fails_with(1).says("README.md has changed meanwhile");
    assert_eq!(project.read("README.md"), "mine\n");
    project.xtask("init weather").fails_with(1);
    std::fs::remove_dir_all(project.root.join("crates/weather")).expect("it is there");
    project.git(&["checkout", "--quiet", "."]);
    project.git(&["clean", "--quiet", "--force", "-d"]);
    project.xtask("init weather").ok();
    project.xtask("init --undo").ok();
    assert_eq!(project.git(&["status", "--porcelain"]), "");
    project.xtask("init --undo").fails_with(1).says("nothing is known of an init here");
}

#[test]
fn a_library_another_licence_and_the_examples() {
    let project = committed_clone();
    let ran = project.xtask("init my-lib --lib --keep-examples --license GPL-3.0-only").ok();
    ran.says("Lacking the text of GPL-3.0-only: put it into LICENSE")
        .says("Lacking the project's own address");
    is_a_whole_project(&project, "my-lib");
    assert!(project.exists("crates/notes-core/src/lib.rs") && !project.exists("LICENSE-MIT"));
    assert!(project.read("deny.toml").contains("GPL-3.0-only"));
    project.xtask("init --undo").ok();

    project.xtask("init my-lib --license none --author Me").ok();
    project.cargo("metadata --locked --format-version=1").ok();
    let (manifest, own) = (project.read("Cargo.toml"), project.read("crates/my-lib/Cargo.toml"));
    assert!(!manifest.contains("license = ") && !own.contains("license"), "{manifest}{own}");
    assert!(manifest.contains("authors = [\"Me\"]"), "{manifest}");
}

#[test]
fn what_cannot_be_is_refused_and_nothing_written() {
    let project = committed_clone();
    for (words, said) in [
        ("init match", "`match` is a word of the language"),
        ("init ../weather", "is no name for a package"),
        ("init memchr", "is a package that xtask is built from"),
        ("init notes --keep-examples", "is there already, in crates/notes/"),
        ("init weather --license MIT/Apache-2.0", "is no SPDX expression"),
    ] {
        project.xtask(words).fails_with(1).says(said).says("help: ");
    }
    project.xtask("init").fails_with(2);
    project.xtask("init weather --bin --lib").fails_with(2);
    assert_eq!(project.git(&["status", "--porcelain"]), "");

    project.write("mine.txt", "");
    project
        .xtask("init weather")
        .fails_with(1)
        .says("not committed")
        .says("help: git stash --include-untracked");
    project.commit();
    // What somebody has added stays.
    project.xtask("init weather").ok();
    assert!(project.exists("mine.txt"));

    let other = Project::workspace(&[("core", &[])]);
    other.commit();
    other.xtask("init weather").fails_with(1).says("is no clone of the template").says("xtask adopt");
}

#[test]
fn history_restarts_where_asked() {
    let project = committed_clone();
    project.commit();
    let old = project.git(&["rev-parse", "HEAD"]);
    project.xtask("init weather --restart-history").ok().says("Committed");
    assert_eq!(project.git(&["status", "--porcelain"]), "");
    assert_eq!(project.git(&["log", "--format=%s"]), "Start weather\n");
    assert_eq!(project.git(&["rev-parse", "HEAD@{1}"]), old);
    project.cargo("metadata --locked --format-version=1").ok();
}

/// What `cargo generate` leaves: the files, and a repository without a commit.
#[test]
fn a_repository_without_a_commit_gets_its_first() {
    let project = fresh_clone();
    project.git(&["init", "--quiet", "--initial-branch=main"]);
    project.xtask("init weather --restart-history").ok().says("Committed");
    assert_eq!(project.git(&["status", "--porcelain"]), "");
    assert_eq!(project.git(&["log", "--format=%s"]), "Start weather\n");
    assert!(project.read("Cargo.toml").contains("authors = [\"Test <test@example.org>\"]"));
}

/// Each kill at another moment; the next call finds the template or the project.
#[cfg(unix)]
#[test]
fn a_kill_leaves_the_template_or_the_project() {
    let project = committed_clone();
    for micros in [0, 6_000, 14_000, 24_000] {
        let mut init = project.xtask("init weather").start();
        std::thread::sleep(std::time::Duration::from_micros(micros)); // Whatever it has come to, it is asserted.
        init.kill().expect("it can be killed");
        init.wait().expect("it ends");

        let again = project.xtask("init weather").run();
        let said = again.stderr();
        assert!(again.output.status.success() || said.contains("is a project already"), "{}", again.report());
        project.cargo("metadata --locked --format-version=1").ok();
        assert!(project.exists("crates/weather/src/main.rs") && !project.exists("crates/notes"));
        project.xtask("init --undo").ok();
        assert_eq!(project.git(&["status", "--porcelain"]), "");
    }
}

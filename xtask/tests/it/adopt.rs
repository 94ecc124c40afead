//! `adopt`: xtask comes into workspaces of every make, changes nothing that was there, and goes again without a trace.

use std::collections::BTreeMap;
use std::path::Path;

use expect_test::{Expect, expect};

use crate::support::{Call, Project};
use crate::template::template_root;

/// `cargo xtask adopt <project> <words>` in the template.
pub(crate) fn adopt(project: &Project, words: &str) -> Call {
    project.xtask("adopt").arg(&project.root).within(template_root()).words(words)
}

/// A virtual workspace that has lived for years, as a git repository.
fn workspace() -> Project {
    let project = Project::workspace(&[("core", &[]), ("app", &["core"])]);
    project.write(
        "Cargo.toml",
        "# Ours.\n[workspace]\nresolver = \"3\"\nmembers = [\n  \"crates/core\", # first\n  \"crates/app\",\n]\n\n\
         [profile.dev]\ndebug = 1 # enough\n",
    );
    project.write(".cargo/config.toml", "[alias]\nb = \"build\" # short\n\n[env]\nA = \"b\"\n");
    project.write(".gitignore", "target\n*.orig");
    project.write("Makefile", "all: check\n\ncheck:\n\tcargo check\n");
    project.cargo("generate-lockfile").ok();
    project.commit();
    project
}

/// Every file that is not git's and not built, with its bytes.
pub(crate) fn files(project: &Project) -> BTreeMap<String, Vec<u8>> {
    fn walk(root: &Path, dir: &Path, found: &mut BTreeMap<String, Vec<u8>>) {
        for entry in std::fs::read_dir(dir).expect("a directory").flatten() {
            let path = entry.path();
            let name = path.strip_prefix(root).expect("inside").display().to_string();
            if [".git", "target", ".multilane"].contains(&name.as_str()) {
                continue;
            }
            if path.is_dir() {
                found.insert(format!("{name}/"), Vec::new());
                walk(root, &path, found);
            } else {
                found.insert(name, std::fs::read(&path).expect("readable"));
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(&project.root, &project.root, &mut found);
    found
}

/// Nothing but what the words say is changed, and nothing is left after `--undo`.
#[track_caller]
fn comes_and_goes(project: &Project, words: &str) {
    let before = files(project);
    adopt(project, &format!("--check {words}")).fails_with(1);
    assert_eq!(files(project), before, "--check has changed something");
    adopt(project, &format!("--yes {words}")).ok();
    adopt(project, &format!("--check {words}")).ok().says("nothing to do");
    project.cargo("metadata --no-deps --offline --format-version=1").ok();
    adopt(project, "--undo").ok();
    assert_eq!(files(project), before, "--undo has not brought everything back");
}

#[track_caller]
fn refused(project: &Project, words: &str, says: &[&str]) {
    let before = files(project);
    let ran = adopt(project, &format!("--yes {words}")).fails_with(1);
    for text in says {
        ran.says(text);
    }
    assert_eq!(files(project), before);
}

fn check(project: &Project, path: &str, expected: Expect) {
    expected.assert_eq(&project.read(path));
}

#[test]
fn a_workspace_gets_it_beside_what_it_has() {
    let project = workspace();
    let lockfile = project.read("Cargo.lock");
    let ran = adopt(&project, "--check").fails_with(1);
    for line in ["+++ b/Cargo.toml", "+  \"xtask\",", "new in xtask/: ", "new in Cargo.lock: "] {
        assert!(ran.stdout().contains(line), "{line}\n{}", ran.report());
    }
    comes_and_goes(&project, "");

    adopt(&project, "--yes --profiles dev,release --nextest").ok();
    // All that it is made of, and what it starts.
    let template = template_root().join("xtask/analyze");
    for path in ["Cargo.toml", "Cargo.lock", "src/main.rs", "src/report/style.css"] {
        let there = std::fs::read_to_string(template.join(path)).expect("it is in the template");
        assert_eq!(project.read(&format!("xtask/analyze/{path}")), there, "{path}");
    }
    check(
        &project,
        "Cargo.toml",
        expect![[r##"
            # Ours.
            [workspace]
            resolver = "3"
            members = [
              "crates/core", # first
              "crates/app",
              "xtask",
            ]
            # What is built where no package is named: as before, all but xtask.
            default-members = [
              "crates/core", # first
              "crates/app",
            ]

            [profile.dev]
            debug = 1 # enough
            incremental = true # Said aloud: cargo 1.99 and later turn it off where `CI` is set, and agents often set `CI`.

            [profile.dev.package."*"]
            debug = false # Nobody steps through dependencies; their lines are most of a target directory.

            [profile.dev.build-override]
            debug = false # Build scripts and proc-macros run once; their back-traces are not worth compiling for.

            # What users run.
            [profile.release]
            lto = "thin" # Nearly all of fat LTO's gain at a fraction of its time, and it works in parallel.
            codegen-units = 1 # The best code; release builds are rare enough to pay for it.
            debug = false # Not made in the first place…
            strip = "symbols" # …and the standard library's own is removed, so the file is small.

            # For `cargo xtask` alone. A directory of its own under `target/` means a lock of its own: starting a
            # verb never waits for a build that is going on in `target/debug` or `target/release`.
            [profile.xtask]
            inherits = "dev"
            incremental = false # Every clone compiles it once, and hardly anybody edits it: a tenth sooner, and half the size.
            debug = false # Errors carry their context in words.
        "##]],
    );
    check(
        &project,
        ".cargo/config.toml",
        expect![[r#"
            include = ["xtask.toml"]

            [alias]
            b = "build" # short
            xtask = "run --quiet --package xtask --profile xtask --"

            [env]
            A = "b"
        "#]],
    );
    check(
        &project,
        ".gitignore",
        expect![[r#"
            target
            *.orig

            # cargo xtask: what is built, and what belongs to this machine.
            /.lanes/
            /.cargo/local.toml
        "#]],
    );
    check(
        &project,
        "Makefile",
        expect![[r#"
            all: check

            check:
            	cargo check

            include xtask.mk
        "#]],
    );
    let included = project.read("xtask.mk");
    assert!(included.contains("\nbuild-dev: $(XTASK_STAMP)"), "{included}");
    assert!(!included.contains("\ncheck:") && !included.contains("help:"), "{included}");
    assert!(project.exists(".config/nextest.toml"));
    assert!(!project.exists("xtask/tests"), "the template's tests are the template's");

    // cargo has nothing to add to the lockfile, and every package in it is one that was there or one of xtask's.
    project.cargo("metadata --locked --offline --format-version=1").ok();
    let new = project.read("Cargo.lock");
    let packages =
        |text: &str| -> Vec<String> { text.split("[[package]]").skip(1).map(str::to_owned).collect() };
    let lost: Vec<_> =
        packages(&lockfile).into_iter().filter(|package| !new.contains(package.trim_end())).collect();
    assert_eq!(lost, [""; 0]);
    adopt(&project, "--undo").ok();
    assert_eq!(project.git(&["status", "--porcelain"]), "");
}

#[test]
fn a_single_package_without_a_repository_gets_it_too() {
    let project = Project::outside();
    project.package(".", "single", &[]);
    comes_and_goes(&project, "");
    adopt(&project, "--yes").ok();
    assert!(project.read("Cargo.toml").contains("\n[workspace]\nmembers = [\"xtask\"]\n"));
    assert!(project.read(".gitignore").contains("/target/\n"), "it has no rules yet");
    assert!(!project.exists("Cargo.lock"), "it had none");
    assert!(project.read("Makefile").contains("XTASK := target/xtask/xtask\n"));
    assert_eq!(project.cargo("build").ok().built(), ["single"]);
}

#[test]
fn beside_the_workspace_its_manifest_and_lockfile_stay_as_they_are() {
    let project = workspace();
    let manifest = project.read("crates/core/Cargo.toml");
    project
        .write("crates/core/Cargo.toml", &manifest.replace("\"2024\"", "\"2021\"\nrust-version = \"1.70\""));
    project.commit();
    comes_and_goes(&project, "");
    refused(&project, "--member", &["core promises Rust 1.70", "--apart"]);

    adopt(&project, "--yes").ok().says("as with --apart").says("1.70");
    let changed = project.git(&["status", "--porcelain", "--", "Cargo.toml", "Cargo.lock", "crates"]);
    assert_eq!(changed, "");
    assert!(
        project.read(".cargo/config.toml").contains("--manifest-path xtask/Cargo.toml --target-dir target")
    );
    // The lockfile that it brings is the one that cargo would write.
    let xtask = project.root.join("xtask");
    project.cargo("metadata --locked --offline --format-version=1").within(&xtask).ok();
    // A pattern that would take it into the workspace must not.
    adopt(&project, "--undo").ok();
    project
        .write("Cargo.toml", "[workspace]\nresolver = \"3\"\nmembers = [\"x*\"]\nexclude = [\"crates\"]\n");
    project
        .write("xtra/Cargo.toml", "[package]\nname = \"xtra\"\nedition = \"2024\"\n")
        .write("xtra/src/lib.rs", "");
    comes_and_goes(&project, "--apart");
}

#[test]
fn what_is_there_already_wins() {
    // A package of that name, in a folder of that name.
    let project = workspace();
    project.package("xtask", "xtask", &[]);
    let manifest = project.read("Cargo.toml").replace("\"crates/app\",", "\"crates/app\", \"xtask\"");
    project.write("Cargo.toml", &manifest);
    refused(&project, "", &["has a package xtask of its own, in xtask", "--as lanes"]);
    comes_and_goes(&project, "--as lanes");
    adopt(&project, "--yes --as lanes").ok();
    assert!(
        project
            .read(".cargo/config.toml")
            .contains("lanes = \"run --quiet --package lanes --profile xtask --\"")
    );
    assert!(project.read("lanes/src/flags.rs").contains("bin_name = \"cargo lanes\""));
    assert!(project.read("lanes.mk").contains("LANES_PROGRAM := target/xtask/lanes\n"));
    adopt(&project, "--yes").ok().says("nothing to do"); // It remembers under which name.
    adopt(&project, "--undo").ok();

    // A folder alone, an alias alone, and one in a variable.
    let project = workspace();
    project.write("xtask/notes.txt", "mine\n");
    refused(&project, "", &["something called xtask", "--as lanes"]);
    let project = workspace();
    project.write(".cargo/config.toml", "[alias]\nxtask = \"run -p tool\"\n");
    refused(&project, "", &["alias xtask of its own: `run -p tool`", "--as lanes"]);
    let project = workspace();
    let before = files(&project);
    let ran = adopt(&project, "--yes").env("CARGO_ALIAS_XTASK", "build").fails_with(1);
    ran.says("a variable of your environment");
    assert_eq!(files(&project), before);

    // A profile of that name, settings for nextest, an include, the configuration's old name, a justfile.
    let project = workspace();
    std::fs::remove_file(project.root.join("Makefile")).expect("it is there");
    project.write(
        "Cargo.toml",
        &format!("{}\n[profile.xtask]\ninherits = \"release\"\n", project.read("Cargo.toml")),
    );
    project.write(".config/nextest.toml", "[profile.default]\nretries = 1\n");
    project.write("justfile", "all:\n");
    std::fs::remove_file(project.root.join(".cargo/config.toml")).expect("it is there");
    project.write(".cargo/config", "include = [\"other.toml\"]\n").write(".cargo/other.toml", "");
    comes_and_goes(&project, "--nextest");
    adopt(&project, "--yes --nextest").ok().says("justfile");
    assert!(!project.exists("Makefile") && !project.exists(".cargo/config.toml"));
    assert_eq!(project.read(".config/nextest.toml"), "[profile.default]\nretries = 1\n");
    assert_eq!(project.read("Cargo.toml").matches("[profile.xtask]").count(), 1);
    assert!(project.read(".cargo/config").starts_with("include = [\"other.toml\", \"xtask.toml\"]\n"));
}

#[test]
fn what_cannot_be_is_named_with_the_choices() {
    let project = workspace();
    project.write("rust-toolchain.toml", "[toolchain]\nchannel = \"1.70.0\"\n");
    refused(&project, "", &["it builds with Rust 1.70, and xtask needs 1.89", "raise the channel"]);

    let project = workspace();
    let inner = project.xtask("adopt --yes").arg(project.root.join("crates/app"));
    inner
        .within(template_root())
        .fails_with(1)
        .says("is a member of the workspace")
        .says("help: cargo xtask adopt");
    let nowhere = project.xtask("adopt --yes").arg(project.root.join("crates"));
    nowhere.within(template_root()).fails_with(1).says("has no Cargo.toml");
    let itself = project.xtask("adopt --yes").arg(template_root());
    itself.within(template_root()).fails_with(1).says("is the template itself");
    adopt(&project, "--yes --as ../up").fails_with(1).says("is no name for a package");
    adopt(&project, "--yes --profiles fast").fails_with(1).says("dev, test, release, debugging, profiling");
    adopt(&project, "").fails_with(1).says("nobody can be asked").says("help: --yes");

    project.write(".cargo/config.toml", "alias = { b = \"build\" }\n");
    refused(&project, "", &["`alias` is not written as a table", "--only"]);
    project.write(".cargo/config.toml", "[build\n");
    refused(&project, "", &[]);

    #[cfg(unix)]
    {
        let project = workspace();
        std::fs::rename(project.root.join("Makefile"), project.root.join("real.mk")).expect("it is there");
        std::os::unix::fs::symlink("real.mk", project.root.join("Makefile")).expect("a link");
        refused(&project, "", &["Makefile is a symbolic link"]);
    }
}

/// What is not in the way but good to know.
#[test]
fn what_stays_different_is_said() {
    let project = workspace();
    project.write("Cargo.toml", &project.read("Cargo.toml").replace("resolver = \"3\"", "resolver = \"1\""));
    project.write(
        ".cargo/config.toml",
        "[build]\ntarget-dir = \"out\"\njobs = 2\nrustc-wrapper = \"sccache\"\ntarget = \"a-b-c\"\n\n[target.x86_64-a-b]\nrustflags = [\"-D\", \"warnings\"]\n\n[source.vendored]\ndirectory = \"vendor\"\n",
    );
    project.write("deny.toml", "").write(".config/hakari.toml", "");
    let ran = adopt(&project, "--check").fails_with(1);
    for note in [
        "build.target-dir is ",
        "your rustflags stay",
        "build.rustc-wrapper is \"sccache\"",
        "build.target is \"a-b-c\"",
        "your sources are vendored",
        "resolver 1 stays",
        "cargo-deny",
        "cargo-hakari",
    ] {
        ran.says(note);
    }
    assert!(ran.stdout().contains("--target host-tuple --\""), "{}", ran.report());
}

#[test]
fn line_ends_and_a_repository_further_up_are_respected() {
    let project = Project::outside();
    project
        .write("tool/Cargo.toml", "[package]\r\nname = \"tool\"\r\nedition = \"2024\"\r\n")
        .write("tool/src/lib.rs", "");
    project.write("other/file", "x").commit();
    let before = files(&project);
    let call = |words: &str| {
        project.xtask("adopt").arg(project.root.join("tool")).within(template_root()).words(words)
    };
    call("--yes").ok();
    let manifest = project.read("tool/Cargo.toml");
    assert_eq!(manifest.matches('\n').count(), manifest.matches("\r\n").count(), "{manifest:?}");
    assert!(manifest.contains("[workspace]\r\nmembers = [\"xtask\"]\r\n"), "{manifest:?}");
    call("--undo").ok();
    assert_eq!(files(&project), before);
}

#[test]
fn parts_come_alone() {
    let project = workspace();
    adopt(&project, "--yes --only ignore").ok();
    assert_eq!(project.git(&["status", "--porcelain"]), " M .gitignore\n");
    adopt(&project, "--check --only ignore").ok();
    adopt(&project, "--yes --only xtask,alias").ok();
    adopt(&project, "--check").fails_with(1); // The Makefile is left.
    assert!(!project.exists("xtask.mk"));
    adopt(&project, "--undo").ok();
    assert_eq!(project.git(&["status", "--porcelain"]), "", "both calls are taken back");
}

#[test]
fn it_goes_after_a_commit_and_leaves_what_was_done_meanwhile() {
    let project = workspace();
    adopt(&project, "--yes").ok();
    project.commit();
    let manifest = project.read("Cargo.toml").replace("resolver = \"3\"", "resolver = \"2\"");
    project.write("Cargo.toml", &manifest);
    project.write("xtask/src/main.rs", &format!("{}// mine\n", project.read("xtask/src/main.rs")));
    project.commit();

    let before = files(&project);
    adopt(&project, "--undo").fails_with(1).says("xtask/src/main.rs").says("--force");
    assert_eq!(files(&project), before);
    adopt(&project, "--undo --force").ok().says("a change to commit");
    assert!(!project.exists("xtask"));
    assert_eq!(
        project.git(&["diff", "HEAD~2", "--stat", "--", "."]).lines().next().map(str::trim),
        Some("Cargo.toml | 2 +-"),
        "only the line of their own is left"
    );
    adopt(&project, "--undo").fails_with(1).says("remembers nothing").says("help: git revert ");
}

/// Killed as soon as something may have been written: the next call finds all of it, or nothing.
#[cfg(unix)]
#[test]
fn a_kill_leaves_old_or_new() {
    let project = workspace();
    let before = files(&project);
    let journal = project.root.join(".git/multilane/edits");
    for _ in 0..5 {
        let mut child = adopt(&project, "--yes").start();
        crate::support::wait_until("the journal or the end", || {
            journal.join("open").exists() || child.try_wait().expect("it can be asked").is_some()
        });
        drop(child.kill());
        drop(child.wait_with_output());
        let is_done = journal.join("done-adopt").exists() || journal.join("next-adopt").exists();
        adopt(&project, "--check").run();
        if journal.join("done-adopt").exists() {
            assert!(is_done || project.exists("xtask/template.toml"));
            adopt(&project, "--check").ok();
            adopt(&project, "--undo").ok();
        }
        assert_eq!(files(&project), before);
    }
}

/// The one that compiles it: under another name, beside the workspace, where the most of it is rewritten.
#[test]
fn what_came_builds_without_a_warning_and_four_agents_wait_for_nobody() {
    let project = workspace();
    adopt(&project, "--yes --as lanes --apart").ok();
    let ran = project.cargo("lanes check").ok();
    ran.says("Lane target: compiled").does_not_say("warning");
    let help = project.cargo("lanes --help").ok().stdout();
    assert!(help.contains("Usage: cargo lanes"), "{help}");
    let agents: Vec<_> =
        (0..4).map(|n| project.cargo("lanes build-dev").agent(&format!("a{n}")).start()).collect();
    for agent in agents {
        let output = agent.wait_with_output().expect("it ends");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{stderr}");
        for lock in ["build directory", "artifact directory"] {
            assert!(!stderr.contains(&format!("file lock on {lock}")), "{stderr}");
        }
    }
    assert_eq!(project.lanes().len(), 4);
    let status = project.git(&["status", "--porcelain", "--untracked-files=all"]);
    assert!(!status.contains(".lanes/") && !status.contains(".cargo/wrapper"), "{status}");
    adopt(&project, "--undo").ok();
    assert_eq!(project.git(&["status", "--porcelain"]), "");
}

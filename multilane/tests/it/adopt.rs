//! `adopt`: an xtask for a workspace that exists.

use crate::support::Project;

/// A workspace with comments and an order of its own, committed.
fn host() -> Project {
    let project = Project::workspace(&[("one", &[])]);
    project
        .write(
            "Cargo.toml",
            "# Ours.\n[workspace]\nresolver = \"3\" # New.\nmembers = [\n    \"crates/*\", # All.\n]\n",
        )
        .write(".cargo/config.toml", "# Few.\n[build]\njobs = 2\n")
        .write(".gitignore", "target\n")
        .commit();
    project
}

#[test]
fn a_workspace_adopts_and_builds() {
    let project = host();
    let diff = project.xtask("adopt --check").fails_with(1).stdout();
    assert_eq!(project.git(&["status", "--porcelain"]), "");
    project.xtask("adopt").fails_with(1); // There is no terminal to ask.
    assert_eq!(project.git(&["status", "--porcelain"]), "");
    assert_eq!(project.xtask("adopt --yes").ok().stdout(), diff);

    crate::template::copy_compiled_dependencies(&project);
    project.git(&["add", "--all"]);
    let changed = project.git(&["diff", "--cached", "--numstat"]);
    let lines = changed.lines().filter_map(|line| line.split('\t').next()?.parse::<u32>().ok());
    assert!(changed.lines().count() <= 6 && lines.sum::<u32>() <= 150, "{changed}");
    let removed = project.git(&["diff", "--cached", "--unified=0"]);
    let removed: Vec<&str> =
        removed.lines().filter(|line| line.starts_with('-') && !line.starts_with("---")).collect();
    assert_eq!(removed, [""; 0], "what exists stays");
    project.xtask("adopt --check").ok();
    project.commit();
    project.xtask("adopt --yes").ok();
    assert_eq!(project.git(&["status", "--porcelain"]), "");

    // The first call shows what it compiles; the next one says nothing of cargo's.
    project.cargo("xtask build-dev").ok().says("Compiling multilane ").says("compiled 1 (one)");
    let again = project.cargo("xtask build-dev").within(project.root.join("crates/one")).ok();
    again.says("compiled 0").does_not_say("`xtask` profile").does_not_say("Running `");
    let lines = project.cargo("xtask lines").ok().stdout();
    assert!(lines.contains("crates/one"), "{lines}");
    // Plain cargo builds what it built before.
    assert_eq!(project.cargo("build").ok().built(), [""; 0]);
    // The project's own checks go on to pass, those of xtask among them.
    project.cargo("fmt --all --check").ok();
    project.cargo("clippy --quiet --workspace --all-targets --locked -- --deny warnings").ok();
    project.git(&["revert", "--no-edit", "HEAD"]);
    assert!(!project.exists("xtask/Cargo.toml") && !project.exists(".cargo/xtask.toml"));
    project.cargo("build").ok();
}

/// In the diff and on disk alike, and no more than was asked for.
#[test]
fn only_the_parts_that_are_named() {
    let check = |words: &str, changed: &str| {
        let project = host();
        project.write("Makefile", "all:\n\ttrue\n").write("justfile", "all:\n    true\n").commit();
        project.xtask(&format!("adopt --check {words}")).fails_with(1);
        project.xtask(&format!("adopt --yes {words}")).ok();
        let status = project.git(&["status", "--porcelain"]);
        // The lockfile changes only where cargo knows all versions without a network.
        let names = status.lines().map(|line| &line[3..]).filter(|name| *name != "Cargo.lock");
        assert_eq!(names.collect::<Vec<_>>().join(" "), changed, "{words}");
        project.xtask(&format!("adopt --check {words}")).ok();
        project
    };
    check("--only xtask", "Cargo.toml xtask/");
    check("--only alias --only ignore", ".cargo/config.toml .gitignore .cargo/xtask.toml");
    let project = check("--only make", "Makefile justfile");
    assert!(
        project.command("make").args(["-n", "xtask"]).status().is_ok_and(|make| make.success())
    );
    let project = check("--only profiles", "Cargo.toml");
    project.cargo("build --profile profiling").ok();
    let project = check("--only profiles --profiles lines,dependencies", "Cargo.toml");
    assert!(!project.read("Cargo.toml").contains("[profile.release]"));
    // What is offered is not taken without a word.
    let project = host();
    project.write("Makefile", "all:\n\ttrue\n").commit();
    project.xtask("adopt --yes").ok();
    assert_eq!(project.git(&["diff", "--name-only", "Makefile"]), "");
    assert!(!project.read("Cargo.toml").contains("[profile.dev]"));
}

/// As the conflict advises where there is an xtask: `multilane::Cli` in it, then adopt.
#[test]
fn an_xtask_of_the_projects_own_gets_the_profile() {
    let project = host();
    project.xtask("adopt --yes").ok();
    let manifest = project.read("Cargo.toml");
    let (without, _) = manifest.split_once("\n[profile.xtask]").expect("the profile");
    let (without, _) = without.rsplit_once("\n\n").unwrap_or((without, ""));
    project.write("Cargo.toml", &format!("{without}\n")).commit();
    project.xtask("adopt --yes").ok();
    assert!(project.read("Cargo.toml").contains("[profile.xtask]"));
    project.cargo("metadata --no-deps --quiet --offline").ok();
}

/// A package at the root: its archive holds what it held, and packages below it stand alone.
#[test]
fn a_single_package_stays_what_it_was() {
    let project = Project::outside();
    let manifest =
        "[package]\nname = \"app\"\nversion = \"0.1.0\"\nedition = \"2024\"\nlicense = \"MIT\"\n";
    project
        .write("Cargo.toml", manifest)
        .write("src/lib.rs", "pub fn here() {}\n")
        .write(".gitignore", "/target/\n");
    project.package("fuzz", "fuzz", &[]);
    project.cargo("generate-lockfile").ok();
    project.commit();
    let archive = || project.cargo("package --list --offline").ok().stdout();
    let before = archive();
    project.xtask("adopt --yes").ok();
    project.commit();
    assert_eq!(archive(), before);
    assert!(project.read("Cargo.lock").contains("name = \"multilane\""));
    assert!(
        project.read("xtask/Cargo.toml").contains("license = \"MIT\"\n"),
        "as cargo deny wants"
    );
    project.cargo("build --locked --offline").ok();
    project.cargo("fmt --all --check").ok(); // There is no rustfmt.toml anywhere above.
    project.cargo("build").within(project.root.join("fuzz")).ok();
}

/// As the project's own sources are: every checkout has its rustfmt.toml.
#[test]
fn xtask_is_formatted_as_the_project_is() {
    for config in [
        "",
        "tab_spaces = 2\n",
        "hard_tabs = true\nmax_width = 60\n",
        "use_small_heuristics = \"Max\"\n",
    ] {
        let project = host();
        project.write("rustfmt.toml", config).commit();
        project.xtask("adopt --yes").ok();
        project.cargo("fmt --all --check").ok();
    }
}

/// Each is named, and nothing is changed.
#[test]
fn a_conflict_changes_nothing() {
    let check = |path: &str, text: &str, named: &str| {
        let project = host();
        project.write(path, text).commit();
        let ran = project.xtask("adopt --yes").fails_with(1);
        ran.says(named).says("help: ").says("cargo multilane");
        assert_eq!(project.git(&["status", "--porcelain"]), "", "{path}");
    };
    let workspace = "[workspace]\nmembers = [\"crates/*\"]\n";
    check("xtask/main.sh", "", "xtask/");
    check(".cargo/config.toml", "[alias]\nxtask = \"run\"\n", "alias");
    check(".cargo/config", "", ".cargo/config ");
    let other = "[package]\nname = \"xtask\"\nversion = \"0.0.0\"\n";
    check("crates/one/Cargo.toml", other, "crates/one/Cargo.toml");
    let old = "[package]\nname = \"one\"\nversion = \"0.0.0\"\nrust-version = \"1.71\"\n";
    check("crates/one/Cargo.toml", old, "1.71");
    check("Cargo.toml", workspace, "resolver 1");
    let old = "resolver = \"3\"\n[workspace.package]\nrust-version = \"1.70\"\n";
    check("Cargo.toml", &format!("{workspace}{old}"), "1.70");
    check("rust-toolchain.toml", "[toolchain]\nchannel = \"1.88.0\"\n", "1.88.0");
    check(
        "Cargo.toml",
        &format!("{workspace}resolver = \"3\"\nexclude = [\"xtask\"]\n"),
        "exclude",
    );
}

/// A version that xtask needs is newer than the one that the project has locked.
#[test]
fn versions_of_the_project_do_not_change() {
    let project = host();
    let lockfile = "version = 4\n\n[[package]]\nname = \"clap\"\nversion = \"4.0.0\"\n\
        source = \"registry+https://github.com/rust-lang/crates.io-index\"\n";
    project.write("Cargo.lock", lockfile).commit();
    project.xtask("adopt --yes").fails_with(1).says("clap 4.0.0");
    assert_eq!(project.git(&["status", "--porcelain"]), "");
}

/// Each is named, and changes nothing else.
#[test]
fn what_costs_something_is_named() {
    let check = |path: &str, text: &str, named: &str| {
        let project = host();
        project.write(path, text).commit();
        project.xtask("adopt --check").fails_with(1).says(named).says("help: ");
    };
    check(".cargo/config.toml", "[build]\ntarget-dir = \"out\"\n", "build.target-dir");
    check(".cargo/config.toml", "[build]\nrustflags = [\"-Cdebuginfo=1\"]\n", "build.rustflags");
    check(".config/hakari.toml", "hakari-package = \"hack\"\n", "hakari");
    check(".cargo/config.toml", "[build]\nrustc-wrapper = \"sccache\"\n", "build.rustc-wrapper");
}

#[test]
fn what_git_cannot_take_back_is_refused() {
    let project = host();
    project.write("crates/one/src/lib.rs", "// edited\n");
    project.xtask("adopt --yes").fails_with(1).says("--allow-dirty");
    assert!(!project.exists("xtask"));
    project.xtask("adopt --yes --allow-dirty").ok();
    assert!(project.exists("xtask/src/main.rs"));

    let project = Project::outside();
    project.write("Cargo.toml", "[workspace]\nresolver = \"3\"\n");
    project.xtask("adopt --yes").fails_with(1).says("--allow-no-vcs");
    project.xtask("adopt --yes --allow-no-vcs").ok();
    assert!(project.read("Cargo.toml").contains("members = [\"xtask\"]"));
}

/// Looking is not running: not the compiler, wrapper or toolchain that the tree names, nor what
/// git would start.
#[cfg(unix)]
#[test]
fn check_starts_no_program_of_the_tree() {
    let project = host();
    let text = format!("touch '{}/started'", project.root.display());
    let program = project.script("program", &text);
    let config = "[build]\nrustc = \"program\"\nrustc-wrapper = \"program\"\n";
    project.write(".cargo/config.toml", config).commit();
    project.git(&["config", "core.fsmonitor", program.to_str().expect("UTF-8")]);
    project.xtask("adopt --check").fails_with(1);
    project.xtask("adopt --yes").ok();
    assert!(!project.exists("started"));
}

#[cfg(unix)]
#[test]
fn no_link_is_written_through() {
    let project = host();
    let elsewhere = project.root.with_file_name("elsewhere");
    project.write("../elsewhere", "");
    std::fs::remove_file(project.root.join(".gitignore")).expect("it is there");
    std::os::unix::fs::symlink(&elsewhere, project.root.join(".gitignore")).expect("a link");
    project.commit();
    project.xtask("adopt --yes").fails_with(1).says(".gitignore");
    assert_eq!(std::fs::read_to_string(&elsewhere).expect("it is there"), "");
    assert!(!project.exists("xtask"));
}

/// The texts that adopt writes are those of this workspace.
#[test]
fn what_is_written_is_what_the_template_has() {
    let root = crate::template::template_root();
    let read = |path: &str| std::fs::read_to_string(root.join(path)).expect("it is there");
    let templates = "multilane/tools/src/adopt/templates";
    assert_eq!(read(&format!("{templates}/main.rs")), read("xtask/src/main.rs"));
    assert_eq!(read(&format!("{templates}/alias.toml")), read(".cargo/xtask.toml"));
}

//! `doctor`: each defect is found where it is, and not where it is not. Nothing is changed, no
//! program of the workspace is started, and nothing that hangs is waited for.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::{Call, Project, contents_below};

/// What doctor says beyond `ok`, one line for each: level, area, what.
#[track_caller]
fn findings(call: Call, code: i32) -> Vec<String> {
    let ran = call.arg("--json").fails_with(code);
    let findings: Value = serde_json::from_slice(&ran.output.stdout)
        .unwrap_or_else(|err| panic!("{err}: {}", ran.report()));
    let text = |finding: &Value, field: &str| finding[field].as_str().expect("a text").to_owned();
    let mut lines = Vec::new();
    for finding in findings.as_array().expect("a list") {
        let (level, has_fix) = (text(finding, "level"), !text(finding, "fix").is_empty());
        assert_eq!(level != "ok", has_fix && !text(finding, "cost").is_empty(), "{finding}");
        if level != "ok" {
            lines.push(format!("{level} {}: {}", text(finding, "area"), text(finding, "what")));
        }
    }
    lines
}

#[track_caller]
fn has(findings: &[String], start: &str) {
    assert!(findings.iter().any(|line| line.starts_with(start)), "no {start:?} in {findings:#?}");
}

#[track_caller]
fn has_none_of(findings: &[String], start: &str) {
    assert!(!findings.iter().any(|line| line.starts_with(start)), "{start:?} in {findings:#?}");
}

/// What is below a directory for temporary files, but for this user's own in it, which stays.
fn temporary_files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    assert!(dir.is_dir(), "{} is gone", dir.display());
    let mut found = contents_below(dir);
    found.retain(|path, _| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        path.parent() != Some(dir) || !path.is_dir() || !name.starts_with("multilane-")
    });
    found
}

#[test]
fn each_area_is_looked_at_and_nothing_is_changed() {
    let project = Project::workspace(&[("app", &[])]);
    project.commit();
    project.xtask("build-dev").ok();
    let temporary = project.root.join("../temporary");
    std::fs::create_dir_all(&temporary).expect("a directory");
    let before = (contents_below(&project.root), temporary_files(&temporary));

    let ran = project.xtask("doctor").env("TMPDIR", &temporary).ok();
    let table = ran.stdout();
    let is_too_long = |line: &&str| line.chars().count() > 80 && line.trim().split(' ').count() > 1;
    assert_eq!(table.lines().find(is_too_long), None, "{table}");
    for area in
        ["toolchain", "linker", "variables", "git", "lanes", "build scripts", "tools", "machine"]
    {
        assert!(
            table.lines().any(|line| line.get(9..).is_some_and(|line| line.starts_with(area))),
            "{area}: {table}"
        );
    }
    assert!(!table.contains("error "), "{table}");
    ran.says("Examined errors: 0, ");
    assert_eq!((contents_below(&project.root), temporary_files(&temporary)), before);
}

#[test]
fn it_needs_a_workspace_and_nothing_else() {
    let project = Project::empty();
    project.package(".", "alone", &[]);
    let without_git = findings(project.xtask("doctor").without(&project, &["git"]), 0);
    has(&without_git, "warning git: git was not found");
    has_none_of(&findings(project.xtask("doctor"), 0), "warning git"); // No checkout is no defect.

    project.write("Cargo.toml", "[workspace\n");
    project.xtask("doctor").fails_with(1).says("cannot parse");
}

#[test]
fn variables_that_make_other_units() {
    let project = Project::workspace(&[("app", &[])]);
    let set = findings(
        project
            .xtask("doctor")
            .env("RUSTFLAGS", "-Copt-level=0")
            .env("CARGO_INCREMENTAL", "0")
            .env("CARGO_PROFILE_DEV_DEBUG", "1"),
        0,
    );
    for name in ["RUSTFLAGS=-Copt-level=0", "CARGO_INCREMENTAL=0", "CARGO_PROFILE_DEV_DEBUG=1"] {
        has(&set, &format!("warning variables: {name} is set"));
    }
    has_none_of(&findings(project.xtask("doctor").env("RUSTFLAGS", ""), 0), "warning variables");
}

#[test]
fn a_target_directory_for_several_worktrees_is_an_error() {
    let project = Project::workspace(&[("app", &[])]);
    project.write(".cargo/config.toml", "build.target-dir = \"../shared\"\n").commit();
    has(
        &findings(project.xtask("doctor"), 0),
        "warning configuration: .cargo/config.toml sets build.target-dir = ../shared",
    );

    project.git(&["worktree", "add", "--quiet", "../second"]);
    let wrong = findings(project.xtask("doctor"), 1);
    has(
        &wrong,
        "error configuration: .cargo/config.toml sets build.target-dir = ../shared, for all 2 worktrees",
    );
    let dir = project.root.join("out");
    has(
        &findings(project.xtask("doctor").env("CARGO_TARGET_DIR", &dir), 1),
        "error variables: CARGO_TARGET_DIR=",
    );

    project.write(".cargo/config.toml", "build.target-dir = \"out\"\n"); // Each worktree has its own.
    has_none_of(&findings(project.xtask("doctor"), 0), "error");
}

#[test]
fn configuration_files_are_read_wherever_cargo_reads_them() {
    let project = Project::workspace(&[("app", &[])]);
    project.write("../.cargo/config.toml", "include = [\"more.toml\"]\n[profile.dev]\ndebug = 2\n");
    project.write(
        "../.cargo/more.toml",
        "[build]\nrustflags = [\"-Cdebuginfo=1\", \"-Copt-level=0\"]\n",
    );
    project.write("../cargo-home/config.toml", "build.incremental = false\n");
    let home = project.root.join("../cargo-home").canonicalize().expect("it is there");
    let found = findings(project.xtask("doctor").env("CARGO_HOME", &home), 0);
    let outside = home.parent().expect("a parent");
    let above = |what: &str| format!("note configuration: {}/.cargo/{what}", outside.display());
    has(&found, &above("config.toml sets profile.dev.debug = 2"));
    has(&found, &above("more.toml sets build.rustflags = -Cdebuginfo=1 -Copt-level=0"));
    has(&found, &format!("warning configuration: {}", home.display()));

    project.write(".cargo/config.toml", "no TOML");
    has(
        &findings(project.xtask("doctor").env("CARGO_HOME", &home), 1),
        "error configuration: .cargo/config.toml cannot be read",
    );
}

#[test]
fn editors_with_other_flags() {
    let project = Project::workspace(&[("app", &[])]);
    has_none_of(&findings(project.xtask("doctor"), 0), "warning editors");
    project.write(
        ".vscode/settings.json",
        "{\n  // Ours.\n  \"rust-analyzer.cargo.features\": \"all\",\n  \"rust-analyzer.cargo.targetDir\": true,\n}\n",
    );
    project.write(
        ".zed/settings.json",
        r#"{ "lsp": { "rust-analyzer": { "initialization_options": { "cargo": { "extraEnv": { "RUSTFLAGS": "-Cx" } } } } } }"#,
    );
    project.write(
        "rust-analyzer.toml",
        "[check]\noverrideCommand = [\"cargo\", \"clippy\", \"--release\"]\n",
    );
    project.write(".idea/workspace.xml", "<x>\n  <env name=\"RUSTFLAGS\" value=\"-Cx\" />\n</x>\n");
    let found = findings(project.xtask("doctor"), 0);
    has(&found, "warning editors: .vscode/settings.json sets cargo.features = all");
    has(&found, "note editors: .vscode/settings.json sets cargo.targetDir = true");
    has(&found, "warning editors: .zed/settings.json sets cargo.extraEnv.RUSTFLAGS = -Cx");
    has(&found, "warning editors: rust-analyzer.toml sets check.overrideCommand");
    has(&found, "warning editors: .idea/workspace.xml sets cargo.extraEnv.RUSTFLAGS");
}

/// What doctor says of a build script is what cargo does.
#[test]
fn build_scripts_that_run_at_every_build() {
    let project = Project::workspace(&[("calm", &[]), ("restless", &[]), ("curious", &[])]);
    let watch = |package: &str, path: &str| {
        let script = format!("fn main() {{ println!(\"cargo:rerun-if-changed={path}\"); }}\n");
        project.write(&format!("crates/{package}/build.rs"), &script);
    };
    watch("calm", "build.rs");
    watch("restless", "no-such-file");
    watch("curious", "../../.git/HEAD");
    project.commit();
    project.cargo("build").ok();
    assert_eq!(project.cargo("build").ok().built(), ["restless"]);

    let found = findings(project.xtask("doctor"), 0);
    has(
        &found,
        "warning build scripts: the build script of restless watches no-such-file, which does not exist",
    );
    has(
        &found,
        "warning build scripts: the build script of curious watches ../../.git/HEAD, which git rewrites",
    );
    assert!(!found.iter().any(|line| line.contains("calm")), "{found:#?}");
}

#[test]
fn what_git_should_know_of_lanes() {
    let project = Project::workspace(&[("app", &[])]);
    project.commit();
    project.xtask("check").agent("a").ok();
    let found = findings(project.xtask("doctor"), 0);
    has_none_of(&found, "warning git");
    has(&found, "note git: the git hook is not installed");

    std::fs::remove_file(project.root.join(".lanes/.gitignore")).expect("a file");
    project.write(".cargo/local.toml", "");
    project.git(&["add", ".cargo/local.toml"]);
    project.xtask("lane hook --install").ok();
    let found = findings(project.xtask("doctor"), 0);
    has(&found, "warning git: .lanes is not ignored by git");
    has(&found, "warning git: git tracks files of one machine: .cargo/local.toml");
    has_none_of(&found, "note git");
}

#[test]
fn a_toolchain_that_is_not_there_or_is_not_the_one_that_is_named() {
    let mut project = Project::workspace(&[("app", &[])]);
    has_none_of(&findings(project.xtask("doctor"), 0), "error"); // Compiles the tools, if need be.
    let rustc = findings(project.xtask("doctor").env("RUSTC", "no-such-rustc"), 1);
    has(&rustc, "error toolchain: rustc: was not found");
    project.write(
        "Cargo.toml",
        "[workspace]\nmembers = [\"crates/*\"]\n[workspace.package]\nrust-version = \"1.9999\"\n",
    );
    has(
        &findings(project.xtask("doctor"), 1),
        "error toolchain: this workspace needs rustc 1.9999",
    );

    project.write("Cargo.toml", "[workspace]\nmembers = [\"crates/*\"]\n");
    project.write("rust-toolchain.toml", "[toolchain]\nchannel = \"stable\"\n");
    // A distribution's programs: cargo and rustc without rustup in front of them.
    let sysroot =
        project.command("rustc").args(["--print", "sysroot"]).output().expect("rustc starts");
    let bin = Path::new(String::from_utf8_lossy(&sysroot.stdout).trim()).join("bin");
    let path = std::env::var("PATH").expect("a PATH");
    project.set("PATH", &format!("{}:{path}", bin.display()));
    has(
        &findings(project.xtask("doctor"), 0),
        "warning toolchain: rust-toolchain.toml has no effect",
    );
}

#[cfg(unix)]
mod unix {
    use super::*;
    use crate::support::{signal, wait_until};

    fn dir_of_fakes(project: &Project) -> String {
        project.root.join("../fakes").display().to_string()
    }

    /// Programs that come before all others on `PATH`.
    fn with_fakes(project: &Project, fakes: &[(&str, &str)]) -> Call {
        let dir = project.root.join("../fakes");
        for (name, script) in fakes {
            project.script(&format!("../fakes/{name}"), script);
        }
        let path = std::env::var("PATH").expect("a PATH");
        project.xtask("doctor").env("PATH", format!("{}:{path}", dir.display()))
    }

    #[test]
    fn programs_that_hang_are_not_waited_for() {
        let project = Project::workspace(&[("app", &[])]);
        project.commit();
        let hang = "sleep 1000 & sleep 1000";
        let found = findings(with_fakes(&project, &[("git", hang), ("cargo-nextest", hang)]), 0);
        has(&found, "warning git: git did not answer within 5 s");
        has(
            &found,
            &format!(
                "warning tools: {}/cargo-nextest did not answer within 5 s",
                dir_of_fakes(&project)
            ),
        );
    }

    #[test]
    fn programs_that_lie_are_not_believed() {
        let project = Project::workspace(&[("app", &[])]);
        project.commit();
        let fakes = [
            ("git", "echo rubbish"),
            ("cargo-nextest", "echo 'wrong' >&2; exit 1"),
            ("sccache", "yes"),
        ];
        let found = findings(with_fakes(&project, &fakes), 0);
        has(&found, "warning git: git does not answer as git does");
        has(&found, &format!("warning tools: {}/cargo-nextest fails", dir_of_fakes(&project)));
        has(&found, &format!("warning tools: {}/sccache fails", dir_of_fakes(&project)));

        let rustc = with_fakes(&project, &[("rustc-x", "echo hello")]).env("RUSTC", "rustc-x");
        has(&findings(rustc, 1), "error toolchain: rustc: does not answer as rustc does");
        let wrapper = with_fakes(&project, &[("wrap", "exit 1")]).env("RUSTC_WRAPPER", "wrap");
        let found = findings(wrapper, 1);
        has(&found, "error cache: `wrap`, through which cargo starts every compiler, fails");
        has(&found, "error linker: a program of one line cannot be built here");
    }

    #[test]
    fn each_tool_may_be_broken_in_each_way() {
        let project = Project::workspace(&[("app", &[])]);
        project.commit();
        let too_old =
            "case $0 in *lld) n=LLD ;; *wild) n=Wild ;; *) n=${0##*/} ;; esac; echo \"$n 0.0.9\"";
        for (script, level, expected) in [
            ("exit 1", "warning", "fails when it is asked for its version"),
            ("echo '%&/('", "warning", "does not answer as it should"),
            ("exec >&- 2>&-; sleep 1000", "warning", "did not answer within 5 s"),
            (too_old, "note", "is 0.0.9, older than "),
        ] {
            let programs = ["mold", "ld.lld", "sccache", "cargo-nextest", "wild"];
            let found =
                findings(with_fakes(&project, &programs.map(|program| (program, script))), 0);
            for program in programs {
                let tool = program.trim_start_matches("ld.");
                let is_it = |line: &&String| {
                    line.starts_with(&format!("{level} tools: "))
                        && line.contains(&format!("{program} "))
                        || line.starts_with(&format!("{level} tools: {tool} "))
                };
                assert!(
                    found.iter().filter(is_it).any(|line| line.contains(expected)),
                    "{program}, {script}: {found:#?}"
                );
            }
        }
    }

    /// Looking at a workspace must not run what it brings.
    #[test]
    fn no_program_of_the_workspace_is_started() {
        let project = Project::workspace(&[("app", &[])]);
        project.commit();
        let program = project.script("tools/program", "echo started >>\"$STARTED\"\nexec \"$@\"");
        let rustc =
            project.command("rustc").args(["--print=host-tuple"]).output().expect("rustc starts");
        let host = String::from_utf8_lossy(&rustc.stdout).trim().to_owned();
        for config in [
            "build.rustc = \"tools/program\"\n".to_owned(),
            "build.rustc-wrapper = \"tools/program\"\n".to_owned(),
            "build.rustc-workspace-wrapper = \"tools/program\"\n".to_owned(),
            format!("target.{host}.linker = \"tools/program\"\n"),
            format!("target.{host}.rustflags = [\"-Clinker={}\"]\n", program.display()),
        ] {
            project.write(".cargo/config.toml", &config);
            let started = project.root.join("../started");
            findings(project.xtask("doctor").env("STARTED", &started), 0);
            if config.starts_with("build.rustc =") {
                let call = project.xtask("install-tools --dry-run --only wild");
                call.env("STARTED", &started).ok();
            }
            assert!(!started.exists(), "{config}");
        }
    }

    #[test]
    fn a_signal_ends_it_and_leaves_nothing() {
        use std::os::unix::process::ExitStatusExt as _;
        const SIGTERM: i32 = 15;
        let project = Project::workspace(&[("app", &[])]);
        let temporary = project.root.join("../temporary");
        std::fs::create_dir_all(&temporary).expect("a directory");
        // The compiler of the program of one line hangs.
        let call = with_fakes(&project, &[("wrap", "echo >\"$TMPDIR/../hangs\"; sleep 1000")]);
        let mut child = call.env("RUSTC_WRAPPER", "wrap").env("TMPDIR", &temporary).start();
        wait_until("the wrapper", || {
            project.exists("../hangs") && !temporary_files(&temporary).is_empty()
        });
        signal(&child, "TERM");
        assert_eq!(child.wait().expect("it ends").signal(), Some(SIGTERM));
        assert_eq!(temporary_files(&temporary), BTreeMap::new());
    }

    #[cfg(all(target_os = "linux", target_arch = "x86_64", target_env = "gnu"))]
    #[test]
    fn the_linker_is_seen_in_what_it_has_linked() {
        const HOST: &str = "x86_64-unknown-linux-gnu";
        let project = Project::workspace(&[("app", &[])]);
        has_none_of(&findings(project.xtask("doctor"), 0), "warning linker");

        // cargo's own word would not tell: the flags name no linker.
        let flags = format!("[target.{HOST}]\nrustflags = [\"-Clinker-features=-lld\"]\n");
        project.write(".cargo/config.toml", &flags);
        has(
            &findings(project.xtask("doctor"), 0),
            "warning linker: GNU ld, or another that leaves no name links",
        );

        // Lints that the flags turn on are for the workspace's own code; and not every target has a
        // `std`.
        project.write(
            ".cargo/config.toml",
            "build.rustflags = [\"-Dwarnings\", \"-Dmissing_docs\"]\n",
        );
        has_none_of(&findings(project.xtask("doctor"), 0), "error");
        project.write(".cargo/config.toml", "build.target = \"thumbv7em-none-eabi\"\n");
        has(
            &findings(project.xtask("doctor"), 0),
            "note linker: no program was linked to see which linker is used",
        );
        project.write(".cargo/config.toml", "[unstable]\nbuild-std = [\"core\"]\n");
        has(
            &findings(project.xtask("doctor"), 0),
            "note linker: no program was linked to see which linker is used",
        );

        project.write(
            ".cargo/config.toml",
            &format!("[target.{HOST}]\nlinker = \"no-such-linker\"\n"),
        );
        let found = findings(project.xtask("doctor"), 1);
        has(
            &found,
            "error linker: a program of one line cannot be built here: linker `no-such-linker` not found",
        );
    }
}

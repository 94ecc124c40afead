//! `lane hook`: worktrees that other tools make are warm, and existing hooks go on working.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::fork::{build, donor, printed, undone, worktree};
use crate::support::{Project, names, put};

/// What git says while it makes a worktree.
fn add(project: &Project, name: &str) -> (PathBuf, String) {
    let dir = project.root.with_file_name(name);
    let mut git = project.command("git");
    let output = git
        .args(["worktree", "add", "--quiet", "--detach"])
        .arg(&dir)
        .output()
        .expect("git starts");
    let stderr = String::from_utf8(output.stderr).expect("UTF-8");
    assert!(output.status.success(), "{stderr}");
    (dir, stderr)
}

fn is_warm(project: &Project, dir: &Path) {
    let built = project.cargo("build").within(dir).ok().built();
    assert_eq!(built.len(), 0, "{built:?} in {}", dir.display());
    assert_eq!(printed(project, dir), "one\n");
}

/// The names, modes and bytes in a directory.
fn state(dir: &Path) -> BTreeMap<String, (u32, Vec<u8>)> {
    let mut found = BTreeMap::new();
    for name in names(dir) {
        let meta = dir.join(&name).symlink_metadata().expect("it is there");
        if meta.is_file() {
            #[cfg(unix)]
            let mode = std::os::unix::fs::PermissionsExt::mode(&meta.permissions());
            #[cfg(not(unix))]
            let mode = 0;
            let bytes = std::fs::read(dir.join(&name)).expect("it can be read");
            found.insert(name, (mode, bytes));
        }
    }
    found
}

#[test]
fn a_worktree_of_any_tool_is_warm_before_its_first_command() {
    let project = donor();
    project.write(".cargo/local.toml", "# of this machine\n");
    let before = state(&project.root.join(".git/hooks"));
    project.xtask("lane hook --check").fails_with(1).says("lane hook --install");
    project.xtask("lane hook --install").ok();
    project.xtask("lane hook --check").ok().says("post-checkout");

    let (dir, said) = add(&project, "second");
    assert!(said.contains("Forked target from"), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(dir.join(".cargo/local.toml").is_file());
    is_warm(&project, &dir);

    // The other checkouts are none of its business, and a build directory that went is not brought
    // back by one.
    std::fs::remove_dir_all(dir.join("target")).expect("it is there");
    let git = |args: &[&str]| {
        let output =
            project.command("git").args(args).current_dir(&dir).output().expect("git starts");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success() && !said.contains("Forked"), "{args:?}: {said}");
    };
    git(&["checkout", "--quiet", "-b", "topic"]);
    put(&dir, "crates/core/src/lib.rs", "// another\n");
    git(&["stash"]);
    git(&["checkout", "--quiet", "main~0"]);
    git(&["rebase", "--quiet", "main"]);
    assert!(!dir.join("target").exists());

    project.xtask("lane hook --remove").ok().says("Removed");
    project.xtask("lane hook --remove").ok().says("Absent").does_not_say("Removed");
    assert_eq!(state(&project.root.join(".git/hooks")), before);
    assert_eq!(add(&project, "third").1, "");
}

/// It is called in the midst of what others do, with git's variables for another worktree set.
#[test]
fn gits_variables_for_another_worktree_do_not_lead_it_astray() {
    let project = undone();
    project.write(
        "crates/core/build.rs",
        "fn main() {\n    println!(\"cargo::rerun-if-changed=build.rs\");\n    \
         let _ = std::process::Command::new(\"git\").args([\"rev-parse\", \"HEAD\"]).output();\n}\n",
    );
    project.commit();
    let second = worktree(&project, "second");
    project.write("docs.md", "later").commit();
    build(&project);
    // Asked in the wrong place, git says that both trees have the donor's commit.
    let ran = project
        .xtask("lane fork --dry-run")
        .within(&second)
        .env("GIT_DIR", project.root.join(".git"));
    let plan =
        ran.env("GIT_WORK_TREE", &project.root).env("GIT_INDEX_FILE", "nowhere").ok().stdout();
    assert!(plan.contains("core run-build-script-build-script-build: its build script"), "{plan}");

    project.xtask("lane hook --install").ok();
    let mut git = project.command("git");
    git.args([
        "rebase",
        "--quiet",
        "--exec",
        "git worktree add --quiet --detach ../third",
        "HEAD~1",
    ]);
    assert!(git.output().expect("git starts").status.success());
    let third = project.root.with_file_name("third");
    assert!(third.join("target/debug").is_dir(), "it was not forked");
}

#[test]
fn a_hook_that_is_there_goes_on_working_and_comes_back() {
    let project = donor();
    let text = "printf '%s\\n' \"theirs $3\" >>\"$LOG\"\nexit ${CODE:-0}";
    project.script(".git/hooks/post-checkout", text);
    let before = state(&project.root.join(".git/hooks"));
    project.xtask("lane hook --install").ok().says("after post-checkout.before-multilane");
    project.xtask("lane hook --install").ok(); // Once more is no harm.

    let log = project.root.with_file_name("log");
    let git = |code: &str, args: &[&str]| {
        let mut git = project.command("git");
        git.env("LOG", &log)
            .env("CODE", code)
            .args(args)
            .output()
            .expect("git starts")
            .status
            .code()
    };
    assert_eq!(git("0", &["worktree", "add", "--quiet", "--detach", "../second"]), Some(0));
    is_warm(&project, &project.root.with_file_name("second"));
    // Its exit code is git's, as it was.
    assert_eq!(git("3", &["checkout", "--quiet", "-b", "topic"]), Some(1));
    assert_eq!(git("3", &["checkout", "--quiet", "--", "Cargo.toml"]), Some(3));
    let log = std::fs::read_to_string(&log).expect("it ran");
    assert_eq!(log, "theirs 1\ntheirs 1\ntheirs 0\n");

    project.xtask("lane hook --remove").ok();
    assert_eq!(state(&project.root.join(".git/hooks")), before);
}

#[test]
fn hooks_of_two_owners_are_not_mixed_up() {
    let project = donor();
    project.script(".git/hooks/post-checkout", ": theirs");
    project.xtask("lane hook --install").ok();
    project.script(".git/hooks/post-checkout", ": another tool's");
    project.xtask("lane hook --check").fails_with(1);
    project.xtask("lane hook --install").fails_with(1).says("before-multilane").says("help: ");
    project.xtask("lane hook --remove").fails_with(1).says("another hook has taken its place");
    assert!(project.read(".git/hooks/post-checkout").contains("another tool's"));
    assert!(project.read(".git/hooks/post-checkout.before-multilane").contains("theirs"));
}

#[test]
fn a_hooks_path_stays_as_it_is() {
    let project = donor();
    // As husky has it: a directory in the tree that git ignores, so that a new worktree is without
    // it.
    project.write(".git/info/exclude", ".husky/_/\n");
    project.script(".husky/_/pre-commit", "echo pre-commit >>\"$LOG\"");
    project.script(".husky/_/post-checkout", "echo \"$0 $3\" >>\"$LOG\"");
    project.git(&["config", "core.hooksPath", ".husky/_"]);
    let (before, config) = (state(&project.root.join(".husky/_")), project.read(".git/config"));
    project.xtask("lane hook --install").ok().says("in front of .husky/_");
    project.xtask("lane hook --install").ok().says("in front of .husky/_");
    project.xtask("lane hook --check").ok();

    let (dir, said) = add(&project, "second");
    assert!(said.contains("Forked"), "{said}");
    is_warm(&project, &dir);
    let log = project.root.with_file_name("log");
    for args in [
        &["commit", "--quiet", "--allow-empty", "--message=x"][..],
        &["checkout", "--quiet", "-b", "topic"],
    ] {
        let output =
            project.command("git").env("LOG", &log).args(args).output().expect("git starts");
        assert!(output.status.success());
    }
    let ran = std::fs::read_to_string(&log).expect("they ran");
    assert_eq!(ran, "pre-commit\n.husky/_/post-checkout 1\n");

    project.xtask("lane hook --remove").ok();
    assert_eq!(state(&project.root.join(".husky/_")), before);
    assert_eq!(project.read(".git/config"), config);
    assert!(!project.exists(".git/multilane/hooks"));
}

/// The one in everybody's configuration is not touched.
#[test]
fn a_hooks_path_for_all_repositories_is_only_stepped_in_front_of() {
    let project = donor();
    let everywhere = project.root.with_file_name("every'one's hooks");
    std::fs::create_dir_all(&everywhere).expect("a directory");
    let git_config = project.root.with_file_name("gitconfig");
    let text = format!("[core]\n\thooksPath = {}\n", everywhere.display());
    project.write("../gitconfig", &text);
    let config = project.read(".git/config");
    let xtask = |words: &str| project.xtask(words).env("GIT_CONFIG_GLOBAL", &git_config);
    xtask("lane hook --install").ok();
    xtask("lane hook --install").ok();
    assert_eq!(std::fs::read_dir(&everywhere).expect("it is there").count(), 0);
    is_warm(&project, &add(&project, "second").0);
    xtask("lane hook --remove").ok();
    assert_eq!(project.read(".git/config"), config);
}

#[test]
fn git_never_fails_for_it() {
    let project = donor();
    project.xtask("lane hook --install").ok();
    let program = project.root.join(".git/multilane/xtask");

    // A tree in which nothing of ours works.
    project.write("Cargo.toml", "no manifest").commit();
    let (_, said) = add(&project, "broken");
    assert!(
        said.contains("warning: this worktree starts cold") && !said.contains("panicked"),
        "{said}"
    );
    project.git(&["rm", "--quiet", "-r", "--cached", "."]);
    project.git(&["commit", "--quiet", "--message=empty"]);
    assert_eq!(add(&project, "empty").1, "");

    // A program that fails, and none.
    std::fs::remove_file(&program).expect("it is there");
    project.script(".git/multilane/xtask", "exit 7");
    add(&project, "failing");
    std::fs::remove_file(&program).expect("it is there");
    assert_eq!(add(&project, "without").1, "");
    let clone = project.root.with_file_name("clone");
    project.git(&["clone", "--quiet", ".", clone.to_str().expect("UTF-8")]);
}

#[test]
fn the_shared_program_is_kept_current() {
    let project = donor();
    let shared = project.root.join(".git/multilane/xtask");
    project.xtask("lane list").ok();
    assert!(!shared.exists(), "nobody has asked for it");
    project.xtask("lane hook --install").ok();
    let installed = std::fs::read(&shared).expect("it is there");
    std::fs::remove_file(&shared).expect("it is there");
    project.write(".git/multilane/xtask", "an older one");
    project.xtask("lane list").ok();
    assert!(std::fs::read(&shared).expect("it is there") == installed);
}

#[test]
fn a_workspace_in_a_folder_of_the_repository() {
    let project = donor();
    let outer = project.root.with_file_name("outer");
    project.git(&["init", "--quiet", "--initial-branch=main", outer.to_str().expect("UTF-8")]);
    std::fs::remove_dir_all(project.root.join(".git")).expect("it is there");
    std::fs::rename(&project.root, outer.join("rust")).expect("it can be moved");
    // What was built in another place is not brought.
    std::fs::remove_dir_all(outer.join("rust/target")).expect("it is there");
    let git = |args: &[&str]| {
        let output =
            project.command("git").current_dir(&outer).args(args).output().expect("git starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stderr).expect("UTF-8")
    };
    git(&["add", "--all"]);
    git(&["commit", "--quiet", "--message=state"]);
    let rust = outer.join("rust");
    project.cargo("build").within(&rust).ok();
    project.xtask("lane hook --install").within(&rust).ok();
    let said = git(&["worktree", "add", "--quiet", "--detach", "../second"]);
    assert!(said.contains("Forked"), "{said}");
    is_warm(&project, &outer.with_file_name("second").join("rust"));
    std::fs::create_dir_all(&project.root).expect("a directory");
}

/// A script of ours with lines of others in it is theirs too.
#[test]
fn lines_that_others_have_added_are_kept() {
    let project = donor();
    project.write(".husky/pre-commit", "");
    for in_front in [false, true] {
        let hook = if in_front {
            project.git(&["config", "core.hooksPath", ".husky"]);
            ".git/multilane/hooks/pre-commit"
        } else {
            ".git/hooks/post-checkout"
        };
        project.xtask("lane hook --install").ok();
        let edited = project.read(hook) + "git lfs post-checkout \"$@\"\n";
        project.write(hook, &edited);
        for verb in ["--install", "--remove"] {
            project.xtask(&format!("lane hook {verb}")).fails_with(1).says("has not written");
            assert_eq!(project.read(hook), edited, "{verb}");
        }
        std::fs::remove_file(project.root.join(hook)).expect("it is there");
        project.xtask("lane hook --install").ok();
        project.xtask("lane hook --remove").ok();
    }
}

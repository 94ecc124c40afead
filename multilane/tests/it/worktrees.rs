//! `lane new` and `lane remove`.

use std::path::{Path, PathBuf};

use crate::fork::{donor, printed, worktree};
use crate::support::{INCLUDE, Project, put};

fn new(project: &Project, words: &str) -> PathBuf {
    let path = project.xtask(&format!("lane new {words}")).ok().stdout();
    PathBuf::from(path.strip_suffix('\n').expect("one line"))
}

#[test]
fn a_new_worktree_is_warm_and_says_where_it_is() {
    let project = donor();
    project.write(".cargo/local.toml", "# of this machine\n");
    let dir = new(&project, "fix");
    assert_eq!(dir.parent(), project.root.parent());
    assert!(dir.ends_with("wörk space-fix"), "{}", dir.display());
    assert!(dir.join(".cargo/local.toml").is_file());
    project.xtask("build").within(&dir).ok().compiled(0);
    assert_eq!(printed(&project, &dir), "one\n");
    assert_eq!(project.git(&["rev-parse", "--verify", "fix"]), project.git(&["rev-parse", "main"]));
}

#[test]
fn a_name_that_is_none_makes_nothing() {
    let project = donor();
    let worktrees = project.git(&["worktree", "list"]);
    project.xtask("lane new --detach").arg("").fails_with(2);
    project.xtask("lane remove --force").arg("").fails_with(2);
    project.xtask("lane new ../../x").fails_with(1).says("is not a valid branch name");
    project.xtask("lane new fix --from nowhere").fails_with(1).says("nowhere");
    project.xtask("lane new fix --from=--lock").fails_with(2);
    assert_eq!(project.git(&["worktree", "list"]), worktrees);
}

#[test]
fn a_new_worktree_begins_where_it_is_told() {
    let project = donor();
    project.write("docs.md", "later").commit();
    let dir = new(&project, "older --from HEAD~1 --detach");
    assert!(!dir.join("docs.md").exists());
    let dir = new(&project, "named --branch topic --path ../elsewhere");
    assert!(dir.ends_with("elsewhere") && dir.join("docs.md").exists());
    project.git(&["rev-parse", "--verify", "topic"]);
    project.xtask("lane new older").fails_with(1).says("already exists").says("help: ");
}

#[test]
fn xtask_itself_is_forked_too() {
    let project = donor();
    // Any program built with a profile of this name lies where xtask does.
    project.append("Cargo.toml", "\n[profile.xtask]\ninherits = \"dev\"\n").commit();
    project.cargo("build --profile xtask --package app").ok();
    let dir = new(&project, "fix");
    assert_eq!(
        project.cargo("build --profile xtask --package app").within(&dir).ok().built().len(),
        0
    );
    project.xtask("build").agent("a").within(&dir).ok().compiled(0);
    let lanes = project.records();
    let lane = lanes.last().and_then(|record| record["lane"].as_str()).expect("a lane");
    let lane = Path::new(lane);
    assert!(lane.join("debug").is_dir() && !lane.join("xtask").exists());
}

/// `lane remove fix` says why not, and what would help; the worktree stays.
#[track_caller]
fn is_refused(project: &Project, dir: &Path, why: &str) {
    project.xtask("lane remove fix").fails_with(1).says(why).says("help: ");
    assert!(dir.is_dir());
}

#[test]
fn work_is_not_lost() {
    let project = donor();
    let dir = new(&project, "fix");
    project.xtask("lane remove fix").within(&dir).fails_with(1).says("you stand in");

    // Repositories in folders that git ignores, but not what a build has made.
    let inner = dir.join("inner.ignored/clone");
    project.git(&["init", "--quiet", inner.to_str().expect("UTF-8")]);
    is_refused(&project, &dir, "is a repository inside");
    std::fs::rename(&inner, dir.join("target/clone")).expect("it can be moved");

    project.git_in(&dir, &["checkout", "--quiet", "--detach"]);
    project.git_in(&dir, &["commit", "--quiet", "--allow-empty", "--message=work"]);
    is_refused(&project, &dir, "commits that no branch has");
    project.xtask("lane remove fix --force").ok();
    assert!(!dir.exists());
    project.xtask("lane remove fix").fails_with(1).says("there is no worktree fix");
    project.git(&["rev-parse", "--verify", "fix"]);
    project.xtask("lane new fix").fails_with(1).says("--branch fix");
    new(&project, "fix --branch fix");
}

#[test]
fn what_multilane_has_made_is_no_work() {
    let project = donor();
    project.write(".cargo/config.toml", INCLUDE).commit();
    let dir = new(&project, "fix");
    project.xtask("build").within(&dir).ok();
    assert!(cfg!(not(target_os = "linux")) || dir.join(".cargo/wrapper/rustc").is_file());
    project.xtask("check").agent("a").within(&dir).ok();
    project.xtask("lane remove fix").ok();
    assert!(!dir.exists());
}

/// Each of these is seen by no `git status` as it is called by default, or as this user has it.
#[test]
fn work_that_git_does_not_show_is_not_lost() {
    let project = donor();
    project.git(&["config", "status.showUntrackedFiles", "no"]);
    project.write("own.ignored", "of every worktree");
    let dir = new(&project, "fix");
    let write = |name: &str, text: &str| put(&dir, name, text);
    let remove = |name: &str| std::fs::remove_file(dir.join(name)).expect("it is there");

    write("new.txt", "work");
    is_refused(&project, &dir, "untracked files");
    remove("new.txt");

    let main = "crates/app/src/main.rs";
    let text = std::fs::read_to_string(dir.join(main)).expect("it is there");
    for flag in ["skip-worktree", "assume-unchanged"] {
        project.git_in(&dir, &["update-index", &format!("--{flag}"), main]);
        write(main, "fn main() {} // edited");
        is_refused(&project, &dir, "main.rs was edited");
        write(main, &text);
        project.git_in(&dir, &["update-index", &format!("--no-{flag}"), main]);
    }

    write("secret.ignored", "TOKEN=1");
    is_refused(&project, &dir, "secret.ignored");
    remove("secret.ignored");
    write("own.ignored", "of every worktree");

    let git_dir = project.git_in(&dir, &["rev-parse", "--absolute-git-dir"]);
    std::fs::create_dir(PathBuf::from(git_dir.trim()).join("rebase-merge")).expect("a directory");
    is_refused(&project, &dir, "a rebase is under way");
    std::fs::remove_dir(PathBuf::from(git_dir.trim()).join("rebase-merge")).expect("it is there");

    project.git_in(&dir, &["checkout", "--quiet", "--detach"]);
    project.git_in(&dir, &["commit", "--quiet", "--allow-empty", "--message=work"]);
    project.git_in(&dir, &["update-ref", "refs/worktree/kept", "HEAD"]);
    project.git_in(&dir, &["checkout", "--quiet", "fix"]);
    is_refused(&project, &dir, "commits that no branch has");
    project.git_in(&dir, &["update-ref", "-d", "refs/worktree/kept"]);

    project.xtask("build").within(&dir).ok();
    project.xtask("build").agent("a").within(&dir).ok();
    project.xtask("lane remove fix").ok();
    assert!(!dir.exists());
}

#[test]
fn a_worktree_in_use_stays() {
    let project = donor();
    let dir = new(&project, "fix");
    put(&dir, "crates/app/src/main.rs", crate::signals::WAITS);
    project.git_in(&dir, &["commit", "--quiet", "--all", "--message=waits"]);
    let child = project.xtask("run --quiet").env("STAGE", &project.root).within(&dir).start();
    crate::support::wait_until("the program", || project.exists("pid"));
    for words in ["lane remove fix", "lane remove fix --force"] {
        project.xtask(words).fails_with(1).says("a build is going on in");
    }
    project.write("go", "");
    assert!(child.wait_with_output().expect("it ends").status.success());
    project.xtask("lane remove fix").ok();
}

#[test]
fn a_name_of_two_worktrees_is_refused() {
    let project = donor();
    let made = new(&project, "fix");
    let other = worktree(&project, "fix");
    let path = other.to_str().expect("UTF-8");
    for words in ["lane remove fix", "lane run fix -- true"] {
        let ran = project.xtask(words).fails_with(1);
        ran.says(path).says(made.to_str().expect("UTF-8"));
    }
    project.xtask("lane remove").arg(path).ok();
    project.xtask("lane remove fix").ok();
    assert!(!other.exists() && !made.exists());
}

#[test]
fn what_worktreeinclude_names_and_git_ignores_is_copied() {
    let project = Project::workspace(&[("one", &[])]);
    project.write(".gitignore", "/target/\n.env\n*.db\n/secret\n").commit();
    project.write(".worktreeinclude", ".env\n/local/\n/target/\n*.txt\n");
    for ignored in [".env", "crates/one/.env", "local/cache.db", "secret", "target/debug/.env"] {
        project.write(ignored, "here");
    }
    project.write("target/CACHEDIR.TAG", "").write("notes.txt", "git would show it");
    let copied = |second: &Path| {
        let is_there = |path: &&str| second.join(path).exists();
        let paths = [".env", "crates/one/.env", "local/cache.db", "secret", "target/debug/.env"];
        let all = paths.into_iter().chain(["notes.txt", "target/CACHEDIR.TAG"]);
        all.filter(is_there).collect::<Vec<_>>()
    };
    let second = new(&project, "second");
    assert_eq!(copied(&second), [".env", "crates/one/.env", "local/cache.db"]);

    // A branch may bring a link: nothing is written through it, and no list of its own counts.
    #[cfg(unix)]
    {
        let outside = project.root.join("../outside");
        std::fs::create_dir(&outside).expect("a directory");
        put(&second, ".worktreeinclude", "secret\n");
        std::fs::remove_dir_all(second.join("local")).expect("it was copied");
        std::os::unix::fs::symlink(&outside, second.join("local")).expect("a link");
        project.git_in(&second, &["add", "--force", ".worktreeinclude", "local"]);
        project.git_in(&second, &["commit", "--quiet", "--message=link"]);
        let third = new(&project, "third --from second");
        assert_eq!(copied(&third), [".env", "crates/one/.env"]);
        assert_eq!(std::fs::read_dir(&outside).expect("a directory").count(), 0);
    }
}

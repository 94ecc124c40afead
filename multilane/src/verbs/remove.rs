//! `lane remove`: a worktree goes, unless something would go with it that is nowhere else.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, anyhow, bail};

use super::worktree::worktree_named;
use super::{Answer, Call, run};
use multilane_engine::cargo_line::CargoLine;
use multilane_engine::files;
use multilane_engine::lanes::{list, occupy};
use multilane_engine::project::worktrees::checkouts;
use multilane_engine::project::{Project, changes, git_dir};
use multilane_engine::retarget::wrapper;

pub(super) fn remove(call: Call) -> Answer {
    let force = call.own.get_flag("force");
    let project = run::open(call.session, &CargoLine::default())?;
    let name = call.own.get_one::<String>("name").context("no name")?;
    let path = worktree_named(&project, name)?;
    let shown = path.display();
    if project.repo.start.starts_with(&path) {
        bail!("you stand in {shown}\nhelp: cd out of it, then try again");
    }
    let mut locks = Vec::new(); // Until the worktree is gone, so that no build begins in it.
    for lane in list::all(&project) {
        if lane.worktree != path {
            continue;
        }
        // Only taking the locks tells of builds in other containers as well.
        match occupy::lock_whole(&lane.dir) {
            Ok(Some(held)) => locks.extend(held),
            Err(_) if force => {}
            _ => {
                bail!("a build is going on in {shown}\nhelp: wait for the build to end, or stop it")
            }
        }
    }

    let called = project.session.ui.called;
    let help = format!("help: save it elsewhere, or {called} lane remove --force");
    if !force {
        // A branch stays when its worktree goes; the commits of a detached head are on none.
        let unreachable = [
            "rev-list",
            "--max-count=1",
            "HEAD",
            "--glob=refs/worktree",
            "--not",
            "--branches",
            "--tags",
            "--remotes",
        ];
        if !project.sh.read("git", unreachable, &path)?.is_empty() {
            bail!("{shown} has commits that no branch has\n{help}");
        }
        if let Some(inner) = repository_inside(&path) {
            bail!("{} is a repository inside {shown}\n{help}", inner.display());
        }
        if let Some(what) = unfinished(&path) {
            bail!("{what} is under way in {shown}\n{help}");
        }
        if let Some(file) = changes::edited_unseen(&project.sh, &path)?.first() {
            bail!("{} was edited, and git was told not to look at it\n{help}", file.display());
        }
        let ignored = only_there(&project, &path)?;
        if !ignored.is_empty() {
            const NAMES_MAX: usize = 5;
            let mut names: Vec<String> =
                ignored.iter().take(NAMES_MAX).map(|name| name.display().to_string()).collect();
            names.extend((ignored.len() > NAMES_MAX).then(|| "…".to_owned()));
            let what = format!("only {shown} has this, which git ignores: {}", names.join(", "));
            let ui = project.session.ui;
            if !ui.confirm(&format!("{what}\nDelete it?")).map_err(|_| anyhow!("{what}\n{help}"))? {
                return Ok(ExitCode::FAILURE);
            }
        }
    }
    if cfg!(windows) {
        locks.clear(); // No directory goes in which a file is open.
    }
    // Whatever the user wants to see of them: git would delete files that it does not show.
    let untracked = ["-c", "status.showUntrackedFiles=normal", "worktree", "remove"];
    let mut args: Vec<OsString> = untracked.map(OsString::from).into();
    args.extend(force.then(|| "--force".into()));
    args.push(path.clone().into());
    let removed = project.sh.read("git", args, &project.repo.root);
    // git refuses where files are in no commit, and where there are submodules.
    removed
        .with_context(|| format!("cannot remove the worktree {shown}"))
        .map_err(|err| if force { err } else { anyhow!("{err:#}\n{help}") })?;
    drop(locks);
    project.session.ui.status("Removed", shown);
    Ok(ExitCode::SUCCESS)
}

/// What git keeps in the directory of the worktree until it is finished: commits that are not yet
/// written again, changes that were put aside.
fn unfinished(worktree: &Path) -> Option<&'static str> {
    const STATES: [(&str, &str); 8] = [
        ("rebase-merge", "a rebase"),
        ("rebase-apply", "a rebase"),
        ("MERGE_HEAD", "a merge"),
        ("MERGE_AUTOSTASH", "a merge"),
        ("CHERRY_PICK_HEAD", "a cherry-pick"),
        ("REVERT_HEAD", "a revert"),
        ("sequencer", "a cherry-pick"),
        ("BISECT_LOG", "a bisection"),
    ];
    let git_dir = git_dir::git_dir(worktree)?;
    STATES.iter().find(|(name, _)| git_dir.join(name).exists()).map(|(_, what)| *what)
}

/// What git ignores in a worktree and is neither build output nor in another worktree, too.
fn only_there(project: &Project, worktree: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let list = ["ls-files", "--others", "--ignored", "--exclude-standard", "--directory", "-z"];
    let listed = project.sh.read("git", list, worktree)?;
    let names = listed.split(|byte| *byte == 0).filter(|name| !name.is_empty());
    let mut names: Vec<PathBuf> =
        names.map(|name| PathBuf::from(String::from_utf8_lossy(name).as_ref())).collect();
    let others = checkouts(project)?;
    names.retain(|name| {
        let path = worktree.join(name);
        let is_elsewhere = |other: &PathBuf| other != worktree && is_same(&path, &other.join(name));
        !is_output(&path) && !others.iter().any(is_elsewhere)
    });
    Ok(names)
}

/// Whether builds have made it, or this program. A link holds nothing itself.
fn is_output(path: &Path) -> bool {
    // Of the wrapper git lists the files, since its own `.gitignore` is what ignores them.
    let is_wrapper = path.ancestors().take(2).any(|dir| dir.ends_with(wrapper::WRAPPER_DIR));
    path.is_symlink()
        || is_wrapper
        || (path.is_dir()
            && (path.ends_with(".lanes")
                || path.join("CACHEDIR.TAG").is_file()
                || files::entries(path).all(|entry| is_output(&entry.path()))))
}

/// Whether two files, or all files in two directories, have the same bytes.
fn is_same(one: &Path, other: &Path) -> bool {
    if !one.is_dir() || one.is_symlink() {
        return matches!((files::read(one), files::read(other)), (Ok(a), Ok(b)) if a == b);
    }
    files::entries(one).all(|entry| is_same(&entry.path(), &other.join(entry.file_name())))
}

/// A clone, a worktree or a submodule below `dir`. What builds have made in target directories can
/// be made again.
fn repository_inside(dir: &Path) -> Option<PathBuf> {
    files::subdirectories(dir)
        .filter(|dir| !dir.join("CACHEDIR.TAG").is_file())
        .find_map(|dir| if dir.join(".git").exists() { Some(dir) } else { repository_inside(&dir) })
}

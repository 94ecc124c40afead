//! `lane new` and `lane remove`: worktrees that come with a warm lane, and go without losing work.
//! And what git's hook calls.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::ArgMatches;

use super::run;
use crate::cargo_line::CargoLine;
use crate::lanes::{choose, list};
use crate::project::cargo_config::CargoConfig;
use crate::project::git_dir::{Common, workspace_in};
use crate::project::root::Repo;
use crate::project::worktrees::{checkouts, git, top};
use crate::project::{Project, Session, alias};
use crate::ui::{self, Ui};
use crate::{environment, files, fork, record, retarget};

/// A worktree that is to be made.
#[derive(Default)]
pub(super) struct NewWorktree {
    pub(super) name: String,
    /// Where the branch begins, instead of HEAD.
    pub(super) from: Option<String>,
    /// Its branch, instead of one of its own name.
    pub(super) branch: Option<String>,
    pub(super) detach: bool,
    pub(super) path: Option<PathBuf>,
    pub(super) quiet: bool,
}

pub(super) fn new(session: Session, own: &ArgMatches) -> anyhow::Result<ExitCode> {
    let mut project = run::open(session, &CargoLine::default())?;
    let text = |name: &str| own.get_one::<String>(name).cloned();
    let wanted = NewWorktree {
        name: text("name").unwrap_or_default(),
        from: text("from"),
        branch: text("branch"),
        detach: own.get_flag("detach"),
        path: own.get_one::<PathBuf>("path").cloned(),
        quiet: own.get_flag("quiet"),
    };
    let path = make_worktree(&mut project, &wanted)?;
    ui::data(path.display())?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn remove(session: Session, own: &ArgMatches) -> anyhow::Result<ExitCode> {
    let project = run::open(session, &CargoLine::default())?;
    let name = own.get_one::<String>("name").context("no name")?;
    let path = worktree_named(&project, name)?;
    let shown = path.display();
    if project.repo.start.starts_with(&path) {
        bail!("you stand in {shown}\nhelp: cd out of it, then try again");
    }

    if !own.get_flag("force") {
        let git = |args: &[&str]| -> anyhow::Result<String> {
            let output = project.sh.read("git", args, &path)?;
            Ok(String::from_utf8_lossy(&output).trim().to_owned())
        };
        let help = "help: commit and push it, or lane remove --force";
        if !git(&["status", "--porcelain"])?.is_empty() {
            bail!("{shown} has uncommitted changes\n{help}");
        }
        // A branch stays when its worktree goes; the commits of a detached head are on none.
        let unreachable =
            ["rev-list", "--max-count=1", "HEAD", "--not", "--branches", "--tags", "--remotes"];
        if !git(&unreachable)?.is_empty() {
            bail!("{shown} has commits that no branch has\n{help}");
        }
    }
    let in_use =
        list::of_repository(&project.sh, &project.repo, &choose::worktree_lane(&project).dir);
    if in_use.iter().any(|lane| lane.in_use && lane.worktree == path) {
        bail!("a build is going on in {shown}\nhelp: wait for the build to end, or stop it");
    }

    let args: [OsString; 4] =
        ["worktree".into(), "remove".into(), "--force".into(), path.clone().into()];
    project.sh.read("git", args, &project.repo.root).context("cannot remove the worktree")?;
    project.session.ui.status("Removed", shown);
    Ok(ExitCode::SUCCESS)
}

/// In the new worktree, where git starts its hooks. Nothing of it may keep git from going on.
pub(crate) fn after_worktree_add(session: Session) -> ExitCode {
    let ui = session.ui;
    if let Err(err) = warm_this_worktree(session) {
        ui.warn(format_args!("this worktree starts cold: {err:#}"));
    }
    ExitCode::SUCCESS
}

fn warm_this_worktree(session: Session) -> anyhow::Result<()> {
    let top = environment::current_dir()?;
    let Some(inside) = Common::of(&top).and_then(|common| common.known_inside()) else {
        return Ok(());
    };
    let root = workspace_in(&top, &inside);
    if !root.join("Cargo.toml").is_file() {
        return Ok(()); // A commit from before there was a workspace.
    }
    let ui = session.ui;
    let mut project = session.project(Some(&root.join("Cargo.toml")))?;
    // The main one, unless the repository is bare.
    let others = checkouts(&project)?.into_iter().map(|top| workspace_in(&top, &inside));
    let of = others.into_iter().find(|of| of.join("Cargo.toml").is_file() && *of != root);
    warm(&mut project, ui, &["worktree-made"], &root, of.as_deref().unwrap_or(&root))
}

/// Gives the workspace at `root`, in a new worktree, what belongs to this machine and is in the one
/// at `of`, and a warm lane. From then on it is the workspace.
fn warm(
    project: &mut Project,
    ui: Ui,
    verb: &[&str],
    root: &Path,
    of: &Path,
) -> anyhow::Result<()> {
    carry_over_configuration(of, root)?;
    if root.join("Cargo.toml").is_file() {
        project.repo = Repo::locate(root.to_owned(), root)?;
        project.config = CargoConfig::read(root, &project.session.env);
        retarget::provide::provide_wrapper(project, ui.quiet(true));
        let lane = choose::worktree_lane(project);
        let forked = fork::fork_if_empty(project, ui, &lane, None, &[]);
        record::write_fork(project, &lane, verb, forked);
        fork::xtask::fork_xtask(project, &lane);
        if lane.dir.join("xtask").is_dir() {
            alias::silence(&lane.dir.join("xtask"));
        }
    }
    Ok(())
}

/// Makes a worktree with a warm lane, and says where it is.
pub(super) fn make_worktree(
    project: &mut Project,
    wanted: &NewWorktree,
) -> anyhow::Result<PathBuf> {
    let top = top(project)?;
    let path = match &wanted.path {
        Some(path) => project.repo.start.join(path),
        None => beside(&top, &wanted.name),
    };
    if path.symlink_metadata().is_ok() {
        bail!("{} already exists\nhelp: choose another name, or --path", path.display());
    }

    let mut args: Vec<OsString> = ["worktree", "add", "--quiet"].map(OsString::from).into();
    let branch = wanted.branch.as_ref().unwrap_or(&wanted.name);
    let has_branch =
        git(project, &["rev-parse", "--verify", "--quiet", &format!("refs/heads/{branch}")])
            .is_ok();
    let from = wanted.from.as_deref().unwrap_or("HEAD");
    if wanted.detach {
        args.extend(["--detach".into(), path.clone().into(), from.into()]);
    } else if has_branch && wanted.branch.is_some() && wanted.from.is_none() {
        args.extend([path.clone().into(), branch.into()]);
    } else {
        args.extend(["-b".into(), branch.into(), path.clone().into(), from.into()]);
    }
    project.sh.read("git", args, &project.repo.root).context("cannot make the worktree")?;

    let inside = project.repo.root.strip_prefix(&top).unwrap_or(Path::new("")).to_owned();
    let root: PathBuf = path.join(&inside).components().collect();
    let ui = project.session.ui.quiet(wanted.quiet);
    let of = project.repo.root.clone();
    warm(project, ui, &["lane", "new"], &root, &of)?;
    Ok(path)
}

/// By the name that `lane new` was given, the directory's, or a path; never the repository's main
/// checkout.
pub fn worktree_named(project: &Project, name: &str) -> anyhow::Result<PathBuf> {
    let mut tops = checkouts(project)?.into_iter();
    let main = tops.next().context("git lists no worktree")?;
    let named = [beside(&main, name), beside(&top(project)?, name), project.repo.start.join(name)];
    let is_it = |top: &PathBuf| {
        named.contains(top) || top.file_name().is_some_and(|file_name| file_name == name)
    };
    match tops.find(is_it) {
        Some(top) => Ok(top),
        None => bail!(
            "there is no worktree {name}\nhelp: {} lane list, or git worktree list",
            project.session.ui.called
        ),
    }
}

/// Copies cargo's configuration that belongs to this machine and is in no commit, where the tree at
/// `to` has none. Nothing is written through a link, which the commit may have brought.
pub fn carry_over_configuration(from: &Path, to: &Path) -> anyhow::Result<()> {
    if to.join(".cargo").is_symlink() {
        return Ok(());
    }
    let [local, config] = [".cargo/local.toml", ".cargo/config.toml"].map(Path::new);
    let is_untracked = std::fs::read(from.join(config))
        .is_ok_and(|text| text == retarget::provide::UNTRACKED_CONFIG.as_bytes());
    let is_wanted = is_untracked && !to.join(".cargo/config").exists();
    for path in [Some(local), is_wanted.then_some(config)].into_iter().flatten() {
        files::carry_over(&from.join(path), &to.join(path))
            .with_context(|| format!("cannot carry over {}", path.display()))?;
    }
    Ok(())
}

/// `<repository>-<name>`, in the directory that the repository is in.
pub fn beside(top: &Path, name: &str) -> PathBuf {
    let mut folder = top.file_name().unwrap_or_default().to_owned();
    folder.push(format!("-{}", name.replace(['/', '\\'], "-")));
    top.with_file_name(folder)
}

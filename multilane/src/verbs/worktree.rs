//! `lane new`: worktrees that come with a warm lane. And what git's hook calls.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};

use super::{Answer, Call, run};
use multilane_engine::cargo_line::CargoLine;
use multilane_engine::lanes::choose;
use multilane_engine::project::cargo_config::CargoConfig;
use multilane_engine::project::git_dir::{self, Common, workspace_in};
use multilane_engine::project::root::Repo;
use multilane_engine::project::worktrees::{checkouts, git, top};
use multilane_engine::project::{Project, Session, alias};
use multilane_engine::ui::{self, Ui};
use multilane_engine::{environment, files, fork, record, retarget};

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

pub(super) fn new(call: Call) -> Answer {
    let own = call.own;
    let mut project = run::open(call.session, &CargoLine::default())?;
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
    warm(&mut project, ui, "worktree-made", &root, of.as_deref().unwrap_or(&root))
}

/// Gives the workspace at `root`, in a new worktree, what belongs to this machine and is in the one
/// at `of`, and a warm lane. From then on it is the workspace.
fn warm(project: &mut Project, ui: Ui, verb: &str, root: &Path, of: &Path) -> anyhow::Result<()> {
    carry_over_configuration(of, root)?;
    if let Err(err) = carry_over_lockfile(project, of, root) {
        ui.warn(format_args!("cannot copy Cargo.lock: {err:#}"));
    }
    if let Err(err) = carry_over_included(project, ui, of, root) {
        ui.warn(format_args!("cannot copy what {INCLUDE} names: {err:#}"));
    }
    if root.join("Cargo.toml").is_file() {
        project.repo = Repo::locate(root.to_owned(), root)?;
        project.config = CargoConfig::read(root, &project.session.env);
        retarget::wrapper::provide_wrapper(project, ui.quiet(true));
        let lane = choose::worktree_lane(project);
        let forked = fork::fork_if_empty(project, ui, &lane, None, &[]).unwrap_or_default();
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

    let branch = wanted.branch.as_ref().unwrap_or(&wanted.name);
    let reference = format!("refs/heads/{branch}");
    let has_branch = git(project, &["rev-parse", "--verify", "--quiet", &reference]).is_ok();
    let from = wanted.from.as_deref().unwrap_or("HEAD");
    let mut args: Vec<OsString> = ["worktree", "add", "--quiet"].map(OsString::from).into();
    if wanted.detach {
        args.extend(["--detach".into(), path.clone().into(), from.into()]);
    } else if has_branch && (wanted.branch.is_none() || wanted.from.is_some()) {
        bail!(
            "the branch {branch} already exists\n\
             help: {} lane new {name} --branch {branch} checks it out; another --branch makes one",
            project.session.ui.called,
            name = wanted.name
        );
    } else if has_branch {
        args.extend([path.clone().into(), branch.into()]);
    } else {
        args.extend(["-b".into(), branch.into(), path.clone().into(), from.into()]);
    }
    project.sh.read("git", args, &project.repo.root).context("cannot make the worktree")?;

    let inside = project.repo.root.strip_prefix(&top).unwrap_or(Path::new("")).to_owned();
    let root: PathBuf = path.join(&inside).components().collect();
    let ui = project.session.ui.quiet(wanted.quiet);
    let of = project.repo.root.clone();
    warm(project, ui, "lane new", &root, &of)?;
    Ok(path)
}

/// By the name that `lane new` was given, the name of the directory, or a path. Never the
/// repository's main checkout.
///
/// # Errors
///
/// When there is none, or more than one that the name fits.
pub fn worktree_named(project: &Project, name: &str) -> anyhow::Result<PathBuf> {
    find_worktree(project, name)?.with_context(|| {
        let called = project.session.ui.called;
        format!("there is no worktree {name}\nhelp: {called} lane list, or git worktree list")
    })
}

/// The same, but that there is none is no error.
pub fn find_worktree(project: &Project, name: &str) -> anyhow::Result<Option<PathBuf>> {
    let mut tops = checkouts(project)?;
    let main = tops.remove(0);
    let named = [beside(&main, name), beside(&top(project)?, name), project.repo.start.join(name)];
    let is_path = Path::new(name).is_absolute() || name.starts_with('.');
    tops.retain(|top| {
        let is_called = !is_path && top.file_name().is_some_and(|file_name| file_name == name);
        is_called || named.contains(top)
    });
    if let [first, second, ..] = &*tops {
        let (first, second) = (first.display(), second.display());
        bail!("{name} may be {first} or {second}\nhelp: name it by its path");
    }
    Ok(tops.pop())
}

/// Copies cargo's configuration that belongs to this machine and is in no commit, where the tree at
/// `to` has none. Nothing is written through a link, which the commit may have brought.
pub fn carry_over_configuration(from: &Path, to: &Path) -> anyhow::Result<()> {
    if to.join(".cargo").is_symlink() {
        return Ok(());
    }
    let [local, config] = [".cargo/local.toml", ".cargo/config.toml"].map(Path::new);
    let is_untracked = files::read(from.join(config))
        .is_ok_and(|text| text == retarget::wrapper::UNTRACKED_CONFIG.as_bytes());
    let is_wanted = is_untracked && !to.join(".cargo/config").exists();
    for path in [Some(local), is_wanted.then_some(config)].into_iter().flatten() {
        files::carry_over(&from.join(path), &to.join(path))
            .with_context(|| format!("cannot carry over {}", path.display()))?;
    }
    Ok(())
}

/// Copies `Cargo.lock` where git ignores it, as libraries often have it: cargo would resolve other
/// versions than those that are built.
fn carry_over_lockfile(project: &Project, from: &Path, to: &Path) -> anyhow::Result<()> {
    const LOCKFILE: &str = "Cargo.lock";
    let is_ignored = || project.sh.read("git", ["check-ignore", "--quiet", LOCKFILE], to).is_ok();
    let is_wanted = to.join("Cargo.toml").is_file() && !to.join(LOCKFILE).exists();
    if is_wanted && from.join(LOCKFILE).is_file() && is_ignored() {
        files::carry_over(&from.join(LOCKFILE), &to.join(LOCKFILE))?;
    }
    Ok(())
}

/// Names files that git ignores and a new worktree needs, by the rules of `.gitignore`.
const INCLUDE: &str = ".worktreeinclude";

/// Copies what `.worktreeinclude` names and git ignores, where the new tree has none. The list is
/// that of the tree which the files are in: a branch of others cannot ask for them.
fn carry_over_included(project: &Project, ui: Ui, of: &Path, root: &Path) -> anyhow::Result<()> {
    let Some(from) = git_dir::checkout(of).filter(|from| from.join(INCLUDE).is_file()) else {
        return Ok(());
    };
    let inside = of.strip_prefix(from).unwrap_or(Path::new("")).components().count();
    let to = root.ancestors().nth(inside).unwrap_or(root);
    let list = |options: &[&str], paths: &[String]| -> anyhow::Result<Vec<String>> {
        let words = ["--literal-pathspecs", "ls-files", "--others", "--ignored", "-z"];
        let words = words.iter().chain(options).chain(&["--"]).map(ToString::to_string);
        let listed = project.sh.read("git", words.chain(paths.iter().cloned()), from)?;
        let listed = String::from_utf8_lossy(&listed).into_owned();
        Ok(listed.split_terminator('\0').map(str::to_owned).collect())
    };
    let is_built = |path: &str| {
        let folders = Path::new(path).ancestors().skip(1);
        folders.into_iter().any(|folder| from.join(folder).join("CACHEDIR.TAG").is_file())
    };
    let mut named = list(&[&format!("--exclude-from={INCLUDE}")], &[])?;
    named.retain(|path| !path.ends_with('/') && !is_built(path));

    const PATHS_MAX: usize = 500; // A command line has a limit.
    let mut copied = Vec::new();
    for named in named.chunks(PATHS_MAX) {
        for path in list(&["--exclude-standard"], named)? {
            let copy = to.join(&path);
            let is_free = copy.symlink_metadata().is_err() && !files::is_behind_link(to, &copy);
            if is_free && from.join(&path).is_file() {
                files::carry_over(&from.join(&path), &copy).context(path.clone())?;
                copied.push(path);
            }
        }
    }
    if !copied.is_empty() {
        ui.status("Copied", format_args!("what {INCLUDE} names: {}", copied.join(", ")));
    }
    Ok(())
}

/// `<repository>-<name>`, in the directory that the repository is in.
pub fn beside(top: &Path, name: &str) -> PathBuf {
    let mut folder = top.file_name().unwrap_or_default().to_owned();
    folder.push(format!("-{}", name.replace(['/', '\\'], "-")));
    top.with_file_name(folder)
}

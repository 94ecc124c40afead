//! `lane new` and `lane remove`: worktrees that come with a warm lane, and go without losing work.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};

use crate::effects::disk;
use crate::effects::ui::{self, Ui};
use crate::facts::cargo_config::CargoConfig;
use crate::facts::lanes;
use crate::facts::repo::Repo;
use crate::flags;
use crate::verbs::session::{Session, Workspace};

impl flags::lane::LaneNew {
    pub(crate) fn run(self, session: Session) -> anyhow::Result<ExitCode> {
        let mut workspace = session.workspace(None)?;
        let path = workspace.make_worktree(&self)?;
        ui::data(path.display())?;
        Ok(ExitCode::SUCCESS)
    }
}

impl flags::lane::LaneRemove {
    pub(crate) fn run(self, session: Session) -> anyhow::Result<ExitCode> {
        let workspace = session.workspace(None)?;
        let path = workspace.worktree_named(&self.name)?;
        let shown = path.display();
        if workspace.repo.start.starts_with(&path) {
            bail!("you stand in {shown}\nhelp: cd out of it, then try again");
        }

        if !self.force {
            let git = |args: &[&str]| -> anyhow::Result<String> {
                let output = workspace.sh.read("git", args, &path)?;
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
        let in_use = lanes::of_repository(&workspace.sh, &workspace.repo, &workspace.worktree_lane().dir);
        if in_use.iter().any(|lane| lane.in_use && lane.worktree == path) {
            bail!("somebody builds in {shown}\nhelp: wait for the build to end, or stop it");
        }

        let args: [OsString; 4] = ["worktree".into(), "remove".into(), "--force".into(), path.clone().into()];
        workspace.sh.read("git", args, &workspace.repo.root).context("cannot remove the worktree")?;
        workspace.session.ui.status("Removed", shown);
        Ok(ExitCode::SUCCESS)
    }
}

impl Workspace {
    /// Gives the workspace at `root`, in a new worktree, what belongs to this machine and is in the one at `of`, and a warm
    /// lane. From then on it is the workspace.
    pub(crate) fn warm(&mut self, ui: Ui, root: &Path, of: &Path) -> anyhow::Result<()> {
        carry_over_configuration(of, root)?;
        if root.join("Cargo.toml").is_file() {
            self.repo = Repo::locate(root.to_owned(), root)?;
            self.config = CargoConfig::read(root, &self.session.env);
            self.provide_wrapper(ui.quiet(true));
            self.fork_if_empty(ui, &self.worktree_lane(), None, &[]);
        }
        Ok(())
    }

    pub(crate) fn git(&self, args: &[&str]) -> anyhow::Result<String> {
        let output = self.sh.read("git", args, &self.repo.root)?;
        Ok(String::from_utf8_lossy(&output).trim().to_owned())
    }

    /// The checkout that the workspace is in.
    fn top(&self) -> anyhow::Result<PathBuf> {
        self.checkout_of(&self.repo.root)
    }

    pub(crate) fn checkout_of(&self, root: &Path) -> anyhow::Result<PathBuf> {
        let top = self
            .sh
            .read("git", ["rev-parse", "--show-toplevel"], root)
            .context("worktrees need a git checkout")?;
        Ok(PathBuf::from(String::from_utf8_lossy(&top).trim()))
    }

    /// The checkouts of the repository, the main one first, as git has them.
    pub(crate) fn checkouts(&self) -> anyhow::Result<Vec<PathBuf>> {
        let list = lanes::worktree_list(&self.sh, &self.repo.root)?;
        let tops = list.split('\0').filter_map(|line| line.strip_prefix("worktree "));
        Ok(tops.map(PathBuf::from).collect())
    }

    /// Makes a worktree with a warm lane, and says where it is.
    pub(crate) fn make_worktree(&mut self, flags: &flags::lane::LaneNew) -> anyhow::Result<PathBuf> {
        let top = self.top()?;
        let path = match &flags.path {
            Some(path) => self.repo.start.join(path),
            None => beside(&top, &flags.name),
        };
        if path.symlink_metadata().is_ok() {
            bail!("{} is there already\nhelp: choose another name, or --path", path.display());
        }

        let mut args: Vec<OsString> = ["worktree", "add", "--quiet"].map(OsString::from).into();
        let branch = flags.branch.as_ref().unwrap_or(&flags.name);
        let has_branch =
            self.git(&["rev-parse", "--verify", "--quiet", &format!("refs/heads/{branch}")]).is_ok();
        let from = flags.from.as_deref().unwrap_or("HEAD");
        if flags.detach {
            args.extend(["--detach".into(), path.clone().into(), from.into()]);
        } else if has_branch && flags.branch.is_some() && flags.from.is_none() {
            args.extend([path.clone().into(), branch.into()]);
        } else {
            args.extend(["-b".into(), branch.into(), path.clone().into(), from.into()]);
        }
        self.sh.read("git", args, &self.repo.root).context("cannot make the worktree")?;

        let inside = self.repo.root.strip_prefix(&top).unwrap_or(Path::new("")).to_owned();
        let root: PathBuf = path.join(&inside).components().collect();
        let ui = self.session.ui.quiet(flags.quiet);
        let of = self.repo.root.clone();
        self.warm(ui, &root, &of)?;
        Ok(path)
    }

    /// By the name that `lane new` was given, the directory's, or a path; never the repository's main checkout.
    pub(crate) fn worktree_named(&self, name: &str) -> anyhow::Result<PathBuf> {
        let mut tops = self.checkouts()?.into_iter();
        let main = tops.next().context("git lists no worktree")?;
        let named = [beside(&main, name), beside(&self.top()?, name), self.repo.start.join(name)];
        let is_it =
            |top: &PathBuf| named.contains(top) || top.file_name().is_some_and(|file_name| file_name == name);
        match tops.find(is_it) {
            Some(top) => Ok(top),
            None => bail!("there is no worktree {name}\nhelp: cargo xtask lane list, or git worktree list"),
        }
    }
}

/// What is of this machine, and in no commit.
pub(crate) fn carry_over_configuration(from: &Path, to: &Path) -> anyhow::Result<()> {
    let local = Path::new(".cargo/local.toml");
    disk::carry_over(&from.join(local), &to.join(local)).context("cannot carry over .cargo/local.toml")
}

/// `<repository>-<name>`, in the directory that the repository is in.
pub(crate) fn beside(top: &Path, name: &str) -> PathBuf {
    let mut folder = top.file_name().unwrap_or_default().to_owned();
    folder.push(format!("-{}", name.replace(['/', '\\'], "-")));
    top.with_file_name(folder)
}

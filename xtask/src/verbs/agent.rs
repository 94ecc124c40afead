//! `lane run` and `lane env`: a command that knows nothing of lanes builds in one.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};

use crate::effects::shell::Shell;
use crate::effects::{disk, ui};
use crate::facts::cargo_config::CargoConfig;
use crate::facts::common::workspace_in;
use crate::facts::host;
use crate::facts::repo::Repo;
use crate::flags;
use crate::plan::at_root::{self, Trees, View};
use crate::plan::lane::{Agent, Lane, Owner};
use crate::plan::recipe::{Program, Step};
use crate::plan::surroundings::{Dialect, Surroundings};
use crate::verbs::session::{Session, Workspace};

impl flags::lane::LaneRun {
    pub(crate) fn run(self, session: Session) -> anyhow::Result<ExitCode> {
        let mut workspace = session.workspace(None)?;
        let surroundings = workspace.surroundings(&self.place)?;
        if self.at_root && surroundings.agent.is_some() {
            bail!(
                "--at-root needs a worktree, and there is no {0}\nhelp: lane run {0} --new --at-root",
                self.place.name
            );
        }
        let ui = workspace.session.ui;
        let bin = workspace.install_shim().inspect_err(|err| {
            ui.warn(format_args!("no cargo of ours on PATH, so plain cargo builds in target/: {err:#}"));
        });
        let env = &workspace.session.env;
        let mut command = self.command.into_iter();
        let program = command.next().unwrap_or_else(|| default_shell(env.get("SHELL"), env.get("COMSPEC")));
        let mut step = Step::of_program(Program::Other(program), command.collect());
        let sh = Shell::outside_of_cargo(env)?;

        let view = if self.at_root { workspace.view_if_possible(&sh, &surroundings) } else { None };
        let seen = |path: &Path| view.as_ref().map_or_else(|| path.to_owned(), |view| view.seen(path));
        let (dir, here) = (seen(&surroundings.dir), surroundings.dir.display());
        let path = bin.ok().map(|bin| env.path_behind(&seen(&bin))).transpose()?;
        step.env = surroundings.environment(path);

        if let Some(view) = view {
            workspace.warm_for(&view)?;
            ui.status("Running", format_args!("in {}, which is {here} there", dir.display()));
            return sh.become_step_in(&step, &view, &dir);
        }
        let lane = match &surroundings.agent {
            Some(agent) => format!(".lanes/{agent}"),
            None => "target".to_owned(),
        };
        ui.status("Running", format_args!("in {here}, with the lane {lane}"));
        sh.become_step(&step, &dir)
    }
}

impl flags::lane::LaneEnv {
    pub(crate) fn run(self, session: Session) -> anyhow::Result<ExitCode> {
        let mut workspace = session.workspace(None)?;
        let dialect = match self.shell {
            Some(flags::lane::ShellName::Sh) => Dialect::Sh,
            Some(flags::lane::ShellName::Fish) => Dialect::Fish,
            Some(flags::lane::ShellName::Powershell) => Dialect::PowerShell,
            None if cfg!(windows) && workspace.session.env.get("SHELL").is_none() => Dialect::PowerShell,
            None => Dialect::of(workspace.session.env.get("SHELL").map(Path::new)),
        };
        let Some(place) = &self.place else {
            ui::data(dialect.leave(&workspace.common()?.bin()))?;
            return Ok(ExitCode::SUCCESS);
        };

        let surroundings = workspace.surroundings(place)?;
        let bin = workspace.install_shim()?;
        if surroundings.dir.to_str().is_none() || bin.to_str().is_none() {
            bail!("{} is not UTF-8, so no shell can be told of it", surroundings.dir.display());
        }
        ui::data(dialect.enter(&surroundings, &bin))?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Workspace {
    /// Where the builder that `place` names works, and as whom.
    fn surroundings(&mut self, place: &flags::lane::PlaceFlags) -> anyhow::Result<Surroundings> {
        let (root, here) = (self.repo.root.clone(), self.repo.start.clone());
        let found = if place.agent { None } else { self.worktree_named(&place.name).ok() };
        let top = match found {
            Some(top) => top,
            None if place.new => self.make_worktree(&flags::lane::LaneNew::named(&place.name))?,
            None if place.worktree => self.worktree_named(&place.name)?,
            None => {
                let agent = Agent::from_environment(Some(OsStr::new(&place.name)))?;
                let agent = agent.context("an agent needs a name")?.name().to_owned();
                return Ok(Surroundings { dir: here, agent: Some(agent) });
            }
        };

        // The same place in the other tree, if it has it.
        let inside = root.strip_prefix(self.checkout_of(&root)?).unwrap_or(Path::new("")).to_owned();
        let below = here.strip_prefix(&root).unwrap_or(Path::new(""));
        let dirs: [PathBuf; 3] = [top.join(&inside).join(below), top.join(&inside), top];
        let dir = dirs.into_iter().find(|dir| dir.is_dir()).context("the worktree is not there")?;
        Ok(Surroundings { dir: dir.components().collect(), agent: None })
    }

    /// `None`, and a word why, where the worktree has to stay at its own path.
    fn view_if_possible(&self, sh: &Shell, surroundings: &Surroundings) -> Option<View> {
        let view = self.view(surroundings).and_then(|view| {
            sh.try_view(&view, &view.seen(&surroundings.dir))?;
            Ok(view)
        });
        let warn = |err: &anyhow::Error| {
            self.session.ui.warn(format_args!("the worktree stays at its own path: {err:#}"));
        };
        view.inspect_err(warn).ok()
    }

    fn view(&self, surroundings: &Surroundings) -> anyhow::Result<View> {
        let common = self.common()?;
        let all = self.checkouts()?;
        let main = all.first().context("git lists no worktree")?;
        let tree = self.checkout_of(&surroundings.dir)?;
        let git_dir = self.sh.read("git", ["rev-parse", "--absolute-git-dir"], &tree)?;
        let config = CargoConfig::read(&surroundings.dir, &self.session.env);
        let conditions = ["config", "--get-regexp", r"^includeif\.gitdir"];
        let base = self.session.env.runtime_dir();
        let view = View::of(&Trees {
            main,
            has_git_dir: main.join(".git").symlink_metadata().is_ok_and(|meta| meta.is_dir()),
            tree: &tree,
            git_dir_of_tree: Path::new(String::from_utf8_lossy(&git_dir).trim()),
            inside: common.inside(),
            all: &all,
            builds_elsewhere: config.target_dir.is_some() || config.has_build_dir,
            hooks_path: self.hooks_path(&["--type=path"])?.as_deref().map(Path::new),
            has_conditions: self.sh.read("git", conditions, &tree).is_ok(),
            base: &base,
        });
        let view = view.map_err(anyhow::Error::msg)?;

        disk::make_private_dir(&base).with_context(|| format!("cannot use {}", base.display()))?;
        let root = workspace_in(&tree, common.inside());
        let lane = Lane { dir: at_root::lane_of(&root), owner: Owner::Worktree };
        disk::enter_agent_lane(&root.join(".lanes"), &lane, "", host::now())?;
        let [_, (lanes, _)] = view.lanes();
        disk::make_lanes_dir(&lanes)?;
        disk::make_lane(&root.join("target"))?; // Something to mount on.
        Ok(view)
    }

    /// What is built in the main checkout, as far as it is right in another tree.
    fn warm_for(&mut self, view: &View) -> anyhow::Result<()> {
        let root = workspace_in(&view.tree, &view.inside);
        self.repo = Repo::locate(root.clone(), &root)?;
        self.config = CargoConfig::read(&root, &self.session.env);
        self.provide_wrapper(self.session.ui.quiet(true));
        let lane = Lane { dir: at_root::lane_of(&root), owner: Owner::Worktree };
        self.fork_if_empty_from(self.session.ui, &lane, &workspace_in(&view.main, &view.inside));
        Ok(())
    }

    /// Puts the shim where all worktrees have it, and says in which directory.
    fn install_shim(&self) -> anyhow::Result<PathBuf> {
        let common = self.common()?;
        self.share(&common)?;
        disk::install_shim(&common).with_context(|| format!("cannot write {}", common.bin().display()))?;
        Ok(common.bin())
    }
}

fn default_shell(shell: Option<&OsStr>, comspec: Option<&OsStr>) -> OsString {
    let fallback = if cfg!(windows) { comspec.unwrap_or(OsStr::new("cmd")) } else { OsStr::new("/bin/sh") };
    shell.unwrap_or(fallback).to_owned()
}

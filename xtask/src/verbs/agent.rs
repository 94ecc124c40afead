//! `lane run` and `lane env`: a command that knows nothing of lanes builds in one.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};

use crate::effects::shell::Shell;
use crate::effects::{disk, ui};
use crate::flags;
use crate::plan::lane::Agent;
use crate::plan::recipe::{Program, Step};
use crate::plan::surroundings::{Dialect, Surroundings};
use crate::verbs::session::{Session, Workspace};

impl flags::lane::LaneRun {
    pub(crate) fn run(self, session: Session) -> anyhow::Result<ExitCode> {
        let mut workspace = session.workspace(None)?;
        let surroundings = workspace.surroundings(&self.place)?;
        let ui = workspace.session.ui;
        let bin = workspace.install_shim().inspect_err(|err| {
            ui.warn(format_args!("no cargo of ours on PATH, so plain cargo builds in target/: {err:#}"));
        });
        let env = &workspace.session.env;
        let mut command = self.command.into_iter();
        let program = command.next().unwrap_or_else(|| default_shell(env.get("SHELL"), env.get("COMSPEC")));
        let mut step = Step::of_program(Program::Other(program), command.collect());
        let path = bin.ok().map(|bin| env.path_behind(&bin)).transpose()?;
        step.env = surroundings.environment(path);

        let lane = match &surroundings.agent {
            Some(agent) => format!(".lanes/{agent}"),
            None => "target".to_owned(),
        };
        ui.status("Running", format_args!("in {}, with the lane {lane}", surroundings.dir.display()));
        Shell::outside_of_cargo(env)?.become_step(&step, &surroundings.dir)
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

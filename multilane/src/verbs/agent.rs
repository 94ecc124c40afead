//! `lane run` and `lane env`: a command that knows nothing of lanes builds in one.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::ArgMatches;

use super::shell::Dialect;
use super::worktree::{NewWorktree, find_worktree, make_worktree, worktree_named};
use super::{Answer, Call, run};
use multilane_engine::cargo_line::CargoLine;
use multilane_engine::lanes::{Agent, DETOUR_VARIABLES};
use multilane_engine::process::Shell;
use multilane_engine::process::step::{Program, Step};
use multilane_engine::project::worktrees::{checkout_of, checkouts};
use multilane_engine::project::{Project, shared_program};
use multilane_engine::ui;

/// Where a builder works, and as whom.
pub(super) struct Surroundings {
    pub(super) dir: PathBuf,
    /// `None`: the owner of the worktree, who builds in its `target/`.
    pub(super) agent: Option<String>,
}

impl Surroundings {
    /// The variables but `PATH`; `None` unsets one.
    ///
    /// What leads all builds of this user to one directory is for nobody's good here; set again in
    /// there, it counts.
    pub(super) fn variables(&self) -> Vec<(&'static str, Option<&str>)> {
        let mut variables = vec![("AGENT_ID", self.agent.as_deref())];
        if self.agent.is_some() {
            variables.extend(DETOUR_VARIABLES.map(|name| (name, None)));
        }
        variables
    }

    /// The same with `PATH`, for a process.
    fn environment(&self, path: Option<OsString>) -> Vec<(OsString, Option<OsString>)> {
        let variables = self.variables().into_iter();
        let mut env: Vec<_> =
            variables.map(|(name, value)| (name.into(), value.map(OsString::from))).collect();
        env.extend(path.map(|path| ("PATH".into(), Some(path))));
        env
    }
}

pub(super) fn lane_run(call: Call) -> Answer {
    let own = call.own;
    let mut project = run::open(call.session, &CargoLine::default())?;
    let surroundings = surroundings(&mut project, &own)?;
    let ui = project.session.ui;
    let bin = install_shim(&project).inspect_err(|err| {
        ui.warn(format_args!(
            "no cargo of ours on PATH, so plain cargo builds in target/: {err:#}"
        ));
    });
    let env = &project.session.env;
    let mut command = own.get_many::<OsString>("command").unwrap_or_default().cloned();
    let program =
        command.next().unwrap_or_else(|| default_shell(env.get("SHELL"), env.get("COMSPEC")));
    let mut step = Step::of_program(Program::Other(program), command.collect());
    let path = bin.ok().map(|bin| env.path_behind(&bin)).transpose()?;
    step.env = surroundings.environment(path);

    let lane = match &surroundings.agent {
        // Programs in target/debug are another builder's, and may be old.
        Some(agent) => format!(".lanes/{agent}; cargo run starts its programs, not ./target/debug"),
        None => "target".to_owned(),
    };
    ui.status("Running", format_args!("in {}, with the lane {lane}", surroundings.dir.display()));
    Shell::outside_of_cargo(env).become_step(&step, &surroundings.dir)
}

pub(super) fn lane_env(call: Call) -> Answer {
    let own = call.own;
    let mut project = run::open(call.session, &CargoLine::default())?;
    let named = own.get_one::<String>("shell").map(String::as_str);
    let dialect = Dialect::choose(named, &project.session.env);
    if own.get_flag("unset") {
        ui::data(dialect.leave(&shared_program::common(&project)?.bin()))?;
        return Ok(ExitCode::SUCCESS);
    }
    let surroundings = surroundings(&mut project, &own)?;
    let bin = install_shim(&project)?;
    if surroundings.dir.to_str().is_none() || bin.to_str().is_none() {
        bail!("{} is not UTF-8, so no shell can be told of it", surroundings.dir.display());
    }
    ui::data(dialect.enter(&surroundings, &bin))?;
    Ok(ExitCode::SUCCESS)
}

/// Where the builder that the options name works, and as whom.
fn surroundings(project: &mut Project, own: &ArgMatches) -> anyhow::Result<Surroundings> {
    let name = own.get_one::<String>("name").context("no name")?;
    let (root, here) = (project.repo.root.clone(), project.repo.start.clone());
    // Without git there are no worktrees, and agents all the same.
    let found = if own.get_flag("agent") || checkouts(project).is_err() {
        None
    } else {
        find_worktree(project, name)?
    };
    let top = match found {
        Some(top) => top,
        None if own.get_flag("new") => {
            make_worktree(project, &NewWorktree { name: name.clone(), ..NewWorktree::default() })?
        }
        None if own.get_flag("worktree") => worktree_named(project, name)?,
        None => {
            let agent = Agent::from_environment(Some(OsStr::new(name)))?;
            let agent = agent.context("an agent needs a name")?.name().to_owned();
            return Ok(Surroundings { dir: here, agent: Some(agent) });
        }
    };

    // The same place in the other tree, if it has it.
    let inside =
        root.strip_prefix(checkout_of(project, &root)?).unwrap_or(Path::new("")).to_owned();
    let below = here.strip_prefix(&root).unwrap_or(Path::new(""));
    let dirs: [PathBuf; 3] = [top.join(&inside).join(below), top.join(&inside), top];
    let dir = dirs.into_iter().find(|dir| dir.is_dir()).context("the worktree is not there")?;
    Ok(Surroundings { dir: dir.components().collect(), agent: None })
}

/// Puts the shim where all worktrees have it, and says in which directory.
fn install_shim(project: &Project) -> anyhow::Result<PathBuf> {
    let common = shared_program::common(project)?;
    shared_program::share(&common)?;
    shared_program::install_shim(&common)
        .with_context(|| format!("cannot write {}", common.bin().display()))?;
    Ok(common.bin())
}

fn default_shell(shell: Option<&OsStr>, comspec: Option<&OsStr>) -> OsString {
    let fallback =
        if cfg!(windows) { comspec.unwrap_or(OsStr::new("cmd")) } else { OsStr::new("/bin/sh") };
    shell.unwrap_or(fallback).to_owned()
}

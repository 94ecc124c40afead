//! Which lane a builder has, and how it enters it.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::occupy::{self, InUse};
use super::{Agent, DETOUR_VARIABLES, Detours, KeyInputs, Lane, Owner, feature_selection};
use crate::cargo_line::Selection;
use crate::environment;
use crate::files;
use crate::project::git_dir::Common;
use crate::project::{Project, cranelift, toolchain};

/// What of a command line decides on the lane.
#[derive(Default)]
pub struct LaneChoice {
    pub selection: Selection,
    /// `--target-dir`
    pub named: Option<PathBuf>,
    /// `nightly` of `+nightly`
    pub toolchain: Option<String>,
    /// Whether cargo may write `Cargo.lock`, and how it is told not to use the network.
    pub lockfile: Lockfile,
}

#[derive(Clone, Copy, Default, PartialEq)]
pub enum Lockfile {
    #[default]
    MayBeMade,
    MayBeMadeOffline,
    MustStay,
}

/// The builder's lane, without touching it.
pub fn lane(project: &Project, choice: &LaneChoice) -> anyhow::Result<Lane> {
    if let Some(dir) = &choice.named {
        let dir = project.repo.start.join(dir);
        return Ok(Lane { dir, owner: Owner::Named, runner: runner(project) });
    }
    let Some(agent) = Agent::from_environment(project.session.env.get("AGENT_ID"))? else {
        return Ok(worktree_lane(project));
    };
    let lanes_dir = project.repo.lanes_dir();
    if let Some(problem) = occupy::lanes_dir_problem(&lanes_dir) {
        return Ok(fall_back(project, &lanes_dir, problem));
    }
    Ok(agent_lane(project, &agent, key_inputs(project, choice)?))
}

pub fn agent_lane(project: &Project, agent: &Agent, inputs: KeyInputs) -> Lane {
    let lane = Lane::of_agent(&project.repo.lanes_dir(), agent, inputs, detours(project));
    Lane { runner: runner(project), ..lane }
}

/// The runner for tests. `None` where the user has one.
fn runner(project: &Project) -> Option<PathBuf> {
    let is_runner = |name: &OsStr| {
        name.to_str()
            .is_some_and(|name| name.starts_with("CARGO_TARGET_") && name.ends_with("_RUNNER"))
    };
    let has_runner =
        project.config.has_runner || project.session.env.iter().any(|(name, _)| is_runner(name));
    let common = Common::of(&project.repo.root).filter(|_| cfg!(unix) && !has_runner);
    common.map(|common| common.test_runner())
}

pub fn detours(project: &Project) -> Detours {
    let is_set = |name: &&str| project.session.env.get(name).is_some();
    Detours {
        build_dir: project.config.has_build_dir,
        variables: DETOUR_VARIABLES.into_iter().filter(is_set).collect(),
    }
}

pub fn worktree_lane(project: &Project) -> Lane {
    let dir = project.config.target_dir.clone().unwrap_or_else(|| project.repo.root.join("target"));
    Lane { dir, owner: Owner::Worktree, runner: runner(project) }
}

pub fn key_inputs(project: &Project, choice: &LaneChoice) -> anyhow::Result<KeyInputs> {
    let selection = &choice.selection;
    let rustc = toolchain::rustc(
        &project.sh,
        &project.session.env,
        &project.repo,
        &project.config,
        choice.toolchain.as_deref(),
    )?;
    let mut targets = if selection.targets.is_empty() {
        project.config.targets.clone()
    } else {
        selection.targets.clone()
    };
    if targets.is_empty() {
        targets.push(rustc.host().to_owned());
    }
    targets.sort();
    Ok(KeyInputs {
        target: targets.join(","),
        toolchain: rustc.version,
        lockfile: lockfile_hash(project, choice.lockfile),
        features: feature_selection(
            &selection.features,
            selection.all_features,
            selection.no_default_features,
        ),
        backend: selection
            .profile
            .clone()
            .filter(|name| name == cranelift::PROFILE)
            .unwrap_or_default(),
    })
}

/// A workspace that does not keep its lockfile gets one before the key is made from it; otherwise
/// the first build would write one, and the second would have another key and a cold lane.
pub fn lockfile_hash(project: &Project, lockfile: Lockfile) -> String {
    let path = project.repo.lockfile();
    if lockfile != Lockfile::MustStay && !path.is_file() {
        let mut args = vec!["generate-lockfile"];
        args.extend((lockfile == Lockfile::MayBeMadeOffline).then_some("--offline"));
        drop(project.sh.read_cargo(&args, &project.repo.root)); // If it fails, cargo will soon say why.
    }
    files::read(path).map(|bytes| super::lockfile_hash(&bytes)).unwrap_or_default()
}

pub fn fall_back(project: &Project, dir: &Path, problem: impl std::fmt::Display) -> Lane {
    let lane = worktree_lane(project);
    let (dir, instead) = (project.shown(dir), project.shown(&lane.dir));
    project.session.ui.warn(format_args!(
        "cannot use {dir} for lanes: {problem}; building in {instead}, where others may have to wait"
    ));
    lane
}

/// Whether a symbolic link in the tree, or at the end, leads to a target directory. cargo builds
/// through it; we write and delete nothing behind it, since a branch may have brought it.
pub fn is_behind_link(project: &Project, dir: &Path) -> bool {
    dir.is_symlink()
        || (dir.starts_with(&project.repo.root) && files::is_behind_link(&project.repo.root, dir))
}

/// Marks the lane as in use. What we cannot write is no reason not to build.
pub fn enter(project: &Project, lane: Lane) -> (Lane, Option<InUse>) {
    let stamp = occupy::stamp_text(&lane);
    let now = environment::now();
    match &lane.owner {
        Owner::Worktree if is_behind_link(project, &lane.dir) => (lane, None),
        Owner::Worktree | Owner::Named => {
            let in_use = occupy::enter(&lane.dir, &stamp, now);
            (lane, in_use.ok())
        }
        Owner::Agent { .. } => {
            match occupy::enter_agent_lane(&project.repo.lanes_dir(), &lane, &stamp, now) {
                Ok(in_use) => (lane, Some(in_use)),
                Err(err) => {
                    let lane = fall_back(project, &lane.dir, err);
                    let in_use = occupy::enter(&lane.dir, "", now).ok();
                    (lane, in_use)
                }
            }
        }
    }
}

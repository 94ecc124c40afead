//! `clean`: delete lanes that nobody uses.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, anyhow, bail};

use crate::effects::disk::{self, Removal};
use crate::effects::ui;
use crate::facts::lanes;
use crate::flags::{self, OwnFlags};
use crate::plan::lane::{Lane, Owner};
use crate::plan::recipe::{Recipe, Step};
use crate::verbs::session::{LaneChoice, Lockfile, Session, Workspace};

impl flags::build::Clean {
    pub(crate) fn run(self, session: Session) -> anyhow::Result<ExitCode> {
        let workspace = session.workspace(None)?;
        let lanes_dir = workspace.repo.lanes_dir();
        // Building elsewhere when `.lanes` is broken is safe; deleting elsewhere is not.
        if let Some(problem) = disk::lanes_dir_problem(&lanes_dir) {
            bail!(
                "cannot use {}: {problem}\nhelp: look at it, and remove it if nobody needs it",
                lanes_dir.display()
            );
        }
        let lane = workspace.lane(&LaneChoice { lockfile: Lockfile::MustStay, ..LaneChoice::default() })?;

        let mut part = self.to_args();
        // Where cargo keeps intermediates elsewhere, cargo alone knows where.
        let is_left_to_cargo = !self.all && lane.owner == Owner::Worktree && workspace.config.has_build_dir;
        if !part.is_empty() || is_left_to_cargo {
            if !disk::is_free(&lane.dir).unwrap_or(true) {
                return Err(in_use(&workspace.shown(&lane.dir)));
            }
            part.extend(self.own.dry_run.then(|| "--dry-run".into()));
            let own = OwnFlags { dry_run: false, ..self.own };
            return workspace
                .carry_out(&own, lane, |lane| Recipe::from(Step::cargo(&["clean"], lane, part.clone())));
        }

        let mut lanes = vec![lane];
        if self.all {
            let agents = lanes::of_agents(&workspace.repo);
            let agents = agents.into_iter().map(|found| Lane { dir: found.dir, owner: Owner::Named });
            lanes = vec![workspace.worktree_lane()];
            lanes.extend(agents);
        }
        if self.own.dry_run {
            for lane in lanes.iter().filter(|lane| lane.dir.exists()) {
                ui::data(workspace.shown(&lane.dir))?;
            }
            return Ok(ExitCode::SUCCESS);
        }
        workspace.remove(&lanes, self.own.quiet)
    }
}

impl Workspace {
    /// What is in use stays; one that cannot be deleted must not keep the others.
    fn remove(&self, lanes: &[Lane], quiet: bool) -> anyhow::Result<ExitCode> {
        let ui = self.session.ui.quiet(quiet);
        let lanes_dir = self.repo.lanes_dir();
        let mut failures = 0;
        for lane in lanes {
            let shown = self.shown(&lane.dir);
            match remove(&lanes_dir, lane).with_context(|| format!("cannot delete {shown}")) {
                Ok(None) => ui.status("Clean", format_args!("nothing to delete in {shown}")),
                Ok(Some(Removal::Removed)) => ui.status("Removed", shown),
                Ok(Some(Removal::InUse)) if lanes.len() > 1 => {
                    ui.status("Kept", format_args!("{shown} (in use)"))
                }
                Ok(Some(Removal::InUse)) => return Err(in_use(&shown)),
                Ok(Some(Removal::NoTargetDirectory)) => {
                    failures += 1;
                    ui.warn(format_args!(
                        "{shown} has no CACHEDIR.TAG, so it may hold other files than cargo's; left alone"
                    ));
                }
                Err(err) => {
                    failures += 1;
                    ui.error(&err);
                }
            }
        }
        disk::sweep(&lanes_dir).with_context(|| format!("cannot tidy {}", lanes_dir.display()))?;
        Ok(if failures == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

fn in_use(lane: &str) -> anyhow::Error {
    anyhow!("{lane} is in use\nhelp: wait for the build in it to end, or stop it; cargo xtask lane list")
}

/// `None` where there is nothing to delete.
fn remove(lanes_dir: &Path, lane: &Lane) -> std::io::Result<Option<Removal>> {
    if !lane.dir.is_dir() {
        return Ok(None);
    }
    match lane.owner {
        Owner::Worktree => disk::empty_target_dir(&lane.dir).map(Some),
        Owner::Agent { .. } | Owner::Named => disk::remove_agent_lane(lanes_dir, &lane.dir).map(Some),
    }
}

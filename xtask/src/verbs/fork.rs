//! `lane fork`, and the fork that comes before the first build in a lane.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Instant, SystemTime};

use anyhow::{Context as _, bail};

use crate::effects::disk::{fork as carry, wrapper};
use crate::effects::ui::{self, Ui};
use crate::facts::donors::{self, Donor, Donors};
use crate::facts::sources::{self, Wanted};
use crate::facts::units::{self, Place, Unit};
use crate::facts::{caches, host};
use crate::flags;
use crate::plan::fork::{self, Plan, Question, Suits, Why};
use crate::plan::lane::{Lane, Owner};
use crate::verbs::session::{LaneChoice, Lockfile, Session, Workspace};
use crate::verbs::wrapper::WRAPPER_DIR;

impl flags::lane::LaneFork {
    pub(crate) fn run(self, session: Session) -> anyhow::Result<ExitCode> {
        let workspace = session.workspace(None)?;
        let lane = workspace.lane(&LaneChoice { lockfile: Lockfile::MustStay, ..LaneChoice::default() })?;
        let ui = workspace.session.ui.quiet(self.quiet);
        let begun = Instant::now();
        if !self.dry_run && self.explain.is_none() {
            workspace.provide_wrapper(ui);
        }

        let donors = match &self.from {
            Some(dir) => workspace.donor_at(dir)?,
            None => workspace.donors(&lane, None)?,
        };
        let Some(plan) = workspace.best_fork(&lane, &donors) else {
            bail!(
                "there is no lane to fork {} from\nhelp: build once in any worktree, or name one with --from",
                workspace.shown(&lane.dir)
            );
        };
        if let Some(package) = &self.explain {
            ui::data(plan.explain(package))?;
            return Ok(ExitCode::SUCCESS);
        }
        if self.dry_run {
            ui::data(plan)?;
            return Ok(ExitCode::SUCCESS);
        }

        let (lane, _in_use) = workspace.enter(lane);
        workspace
            .carry_out_fork(ui, &plan, begun)
            .with_context(|| format!("cannot fork {}", workspace.shown(&lane.dir)))?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Workspace {
    /// Fills a lane in which nothing was built yet, but from none of the `avoided` lanes. Whatever goes wrong, cargo can
    /// build without.
    pub(crate) fn fork_if_empty(&self, ui: Ui, lane: &Lane, toolchain: Option<&str>, avoided: &[PathBuf]) {
        if !self.is_cold(lane) {
            return;
        }
        let begun = Instant::now();
        let donors = self.donors(lane, toolchain).map(|mut donors| {
            donors.found.retain(|donor| !avoided.contains(&donor.place.lane));
            donors
        });
        self.fork_or_warn(ui, lane, donors, begun);
    }

    /// The same from one donor, into a lane that may have units already.
    pub(crate) fn fork_one(&self, ui: Ui, lane: &Lane, donor: Place) {
        let begun = Instant::now();
        let donors = donors::find(&self.sh, &self.repo, &self.worktree_lane().dir, &lane.dir);
        self.fork_or_warn(ui, lane, Ok(donors.only(&self.sh, donor)), begun);
    }

    fn fork_or_warn(&self, ui: Ui, lane: &Lane, donors: anyhow::Result<Donors>, begun: Instant) {
        let forked = donors.and_then(|donors| match self.best_fork(lane, &donors) {
            Some(plan) if !plan.is_empty() => self.carry_out_fork(ui, &plan, begun),
            _ => Ok(()),
        });
        if let Err(err) = forked {
            ui.warn(format_args!("{} begins cold: {err:#}", self.shown(&lane.dir)));
        }
    }

    /// Whether nothing was built in the lane yet, as far as it is ours to fill.
    pub(crate) fn is_cold(&self, lane: &Lane) -> bool {
        lane.owner != Owner::Named && !self.has_intermediates_elsewhere(lane) && !units::has_any(&lane.dir)
    }

    /// With `build.build-dir`, a worktree's units are not in its target directory.
    fn has_intermediates_elsewhere(&self, lane: &Lane) -> bool {
        lane.owner == Owner::Worktree && self.config.has_build_dir
    }

    fn donors(&self, lane: &Lane, toolchain: Option<&str>) -> anyhow::Result<Donors> {
        let mut donors = donors::find(&self.sh, &self.repo, &self.worktree_lane().dir, &lane.dir);
        if donors.found.is_empty() {
            return Ok(donors);
        }
        let inputs = match &lane.owner {
            Owner::Agent { inputs, .. } => inputs.clone(),
            _ => self.key_inputs(&LaneChoice {
                toolchain,
                lockfile: Lockfile::MustStay,
                ..LaneChoice::default()
            })?,
        };
        donors.found = fork::ranked(
            donors.found,
            &Suits {
                toolchain: &inputs.toolchain,
                lockfile: &inputs.lockfile,
                root: &self.repo.root,
                commit: donors.own_commit.as_deref(),
            },
        );
        Ok(donors)
    }

    /// A worktree, or a lane of one.
    pub(crate) fn donor_at(&self, dir: &Path) -> anyhow::Result<Donors> {
        let dir = self.repo.start.join(dir);
        let dir = dir.canonicalize().with_context(|| format!("--from {}", dir.display()))?;
        let target_dir = self.worktree_lane().dir;
        let known = donors::find(&self.sh, &self.repo, &target_dir, &PathBuf::new());
        let is_it = |donor: &&Donor| donor.place.lane == dir || donor.place.lane == dir.join("target");
        let place = match known.found.iter().find(is_it) {
            Some(donor) => donor.place.clone(),
            // It may be a lane of another clone: what lies in `target` belongs to the tree around it.
            None if dir.file_name().is_some_and(|name| name == "target") && units::has_any(&dir) => {
                let root = dir.parent().unwrap_or(&dir).to_owned();
                Place::new(root, dir)
            }
            None if units::has_any(&dir.join("target")) => {
                let lane = dir.join("target");
                Place::new(dir, lane)
            }
            None => bail!("--from {} is no lane, and no worktree with one", dir.display()),
        };
        Ok(known.only(&self.sh, place))
    }

    /// The first donor that has nearly everything, or of the best few the one that gives most.
    pub(crate) fn best_fork(&self, lane: &Lane, donors: &Donors) -> Option<Plan> {
        const TRIED_MAX: usize = 3; // Each costs a look at all its units.
        let mut best: Option<Plan> = None;
        let present = units::read_present(&lane.dir);
        for donor in donors.found.iter().take(TRIED_MAX) {
            let plan = self.fork_plan(lane, donor, donors, &present);
            let of_this_donor = plan.left.iter().filter(|left| left.why.is_of_this_donor()).count();
            // Most donors have a few units from earlier builds that nobody needs any more.
            let is_enough = !plan.is_empty() && of_this_donor * 20 <= plan.brought.len();
            if best.as_ref().is_none_or(|best| plan.brought.len() > best.brought.len()) {
                best = Some(plan);
            }
            if is_enough {
                break;
            }
        }
        best
    }

    fn fork_plan(&self, lane: &Lane, donor: &Donor, donors: &Donors, present: &[Unit]) -> Plan {
        let own = Place::new(self.repo.root.clone(), lane.dir.clone());
        // Agents start xtask from the worktree's own lane.
        let with_xtask = lane.owner == Owner::Worktree && !own.lane.join("xtask").exists();
        let units = units::read(&donor.place, &own.root, with_xtask);
        let wanted = fork::wanted(&units, &donor.place, &own.root);
        let sources = sources::compare(&self.sh, &donor.place.root, &own.root, &wanted);
        let is_same_tree = donor.place.root == own.root;
        let has_lanes = units::has_any(&own.lane) || donors.own_tree_has_more;
        // Of another tree's, the wrapper alone can make something.
        let brings_caches = is_same_tree || self.has_wrapper();
        let of_xtask = Place::new(own.root.clone(), self.worktree_lane().dir);
        let own_xtask = units::read_xtask(&of_xtask);
        let commit = &donors.own_commit;
        let is_same_commit = !is_same_tree && commit.is_some() && *commit == donor.commit;
        fork::plan(&Question {
            donor: &donor.place,
            own: &own,
            units: &units,
            present,
            sources: &sources,
            now: host::now(),
            may_set_times: !is_same_tree && !has_lanes,
            sources_of_xtask: &fork::wanted(&own_xtask, &of_xtask, &own.root),
            removes_linked: self.has_wrapper() && wrapper::is_current(&donor.place.root.join(WRAPPER_DIR)),
            same_commit_since: if is_same_commit {
                donors::commit_since(&self.sh, &donor.place.root)
            } else {
                None
            },
            caches: if brings_caches { caches::read(&donor.place.lane, with_xtask) } else { Vec::new() },
            present_caches: &caches::dirs(&own.lane, with_xtask),
        })
    }

    /// What a worktree with the same files would be given of a lane of this one, and what it would have to compile itself.
    pub(crate) fn fork_for_another_tree(&self, lane: &Lane) -> Plan {
        let donor = Place::new(self.repo.root.clone(), lane.dir.clone());
        // Nobody looks into it; it is only somewhere else.
        let other = self.repo.root.join("..").join(lane.dir.file_name().unwrap_or_default());
        let own = Place::new(other.clone(), other.join("target"));
        let units = units::read(&donor, &own.root, false);
        let wanted = fork::wanted(&units, &donor, &own.root);
        fork::plan(&Question {
            donor: &donor,
            own: &own,
            units: &units,
            present: &[],
            sources: &sources::of_copy(&self.sh, &donor.root, &wanted),
            now: host::now(),
            may_set_times: true,
            sources_of_xtask: &Wanted::default(),
            removes_linked: self.has_wrapper(),
            same_commit_since: Some(SystemTime::UNIX_EPOCH),
            caches: Vec::new(),
            present_caches: &[],
        })
    }

    pub(crate) fn carry_out_fork(&self, ui: Ui, plan: &Plan, begun: Instant) -> anyhow::Result<()> {
        let all = plan.brought.len();
        let progress = |count: usize| ui.progress("Forking", format_args!("{count}/{all} units"));
        let forked = carry::carry_out(plan, host::now(), progress);
        ui.end_progress();
        let forked = forked?;

        let mut left: Vec<_> = plan.left.iter().filter(|left| left.why != Why::Incomplete).collect();
        left.extend(&forked.dropped);
        let mut line = format!(
            "{} from {}: {} units, {}",
            self.shown(&plan.own.lane),
            self.shown(&plan.donor.lane),
            forked.units,
            ui::duration(begun.elapsed())
        );
        if !left.is_empty() {
            write!(line, "; left to cargo: {}", left.len())?;
            let reasons = fork::reasons(left.iter().copied());
            if let Some(first) = reasons.first() {
                let more = if reasons.len() > 1 { ", …" } else { "" };
                write!(line, " ({first}{more})")?;
            }
        }
        ui.status("Forked", line);
        Ok(())
    }
}

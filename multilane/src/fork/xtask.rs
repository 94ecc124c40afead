//! The build of xtask itself, for a new worktree: from another worktree's own lane, whichever lane
//! everything else came from. Agents' lanes have none.

use std::path::Path;

use crate::environment;
use crate::fork::donors::commit_since;
use crate::fork::plan::{Plan, Question};
use crate::fork::sources::Wanted;
use crate::fork::{has_intermediates_elsewhere, plan, sources, write};
use crate::lanes::{Lane, list};
use crate::project::Project;
use crate::units::{self, Place};

/// Its directory in a worktree's own lane.
const XTASK: &str = "xtask";

/// Brings it into a worktree's own `lane` that has none. Where that fails, cargo compiles it.
pub(crate) fn fork_xtask(project: &Project, lane: &Lane) {
    const TRIED_MAX: usize = 3;
    if lane.dir.join(XTASK).exists() || has_intermediates_elsewhere(project, lane) {
        return;
    }
    let own = Place::new(project.repo.root.clone(), lane.dir.clone());
    let worktrees = list::worktrees(&project.sh, &project.repo);
    let own_commit = worktrees.first().and_then(|worktree| worktree.commit.clone());
    let mut donors = list::places(&worktrees, &project.repo, &lane.dir);
    donors.retain(|donor| {
        donor.agent.is_none() && donor.dir != own.lane && donor.dir.join(XTASK).is_dir()
    });
    donors.sort_by_key(|donor| donor.commit != own_commit);
    let plans = donors.into_iter().take(TRIED_MAX).map(|donor| {
        let is_same_commit = own_commit.is_some() && donor.commit == own_commit;
        plan_of(project, &Place::new(donor.root, donor.dir), &own, is_same_commit)
    });
    let best = plans.max_by_key(|plan| plan.brought.len());
    if let Some(plan) = best.filter(|plan| !plan.is_empty()) {
        write::carry_out(&plan, environment::now(), |_| {}).ok(); // cargo compiles what is missing.
    }
}

fn plan_of(project: &Project, donor: &Place, own: &Place, is_same_commit: bool) -> Plan {
    let mut units = units::read(donor, &own.root, true);
    units.retain(|unit| unit.fingerprint.starts_with(XTASK));
    let wanted = plan::wanted(&units, donor, &own.root);
    let since = |root: &Path| commit_since(&project.sh, root);
    plan::plan(&Question {
        donor,
        own,
        units: &units,
        present: &[],
        sources: &sources::compare(&project.sh, &donor.root, &own.root, &wanted),
        now: environment::now(),
        may_set_times: false, // Units of other profiles may have been made from the same files.
        sources_of_xtask: &Wanted::default(),
        removes_linked: false,
        same_commit_since: if is_same_commit { since(&donor.root) } else { None },
        caches: Vec::new(),
        present_caches: &[],
    })
}

//! The build of xtask itself, for a new worktree: from another worktree's own lane, whichever lane
//! everything else came from. Agents' lanes have none.

use crate::environment;
use crate::fork::git_state::Git;
use crate::fork::plan::{ForkInputs, ForkPlan, TreeTools};
use crate::fork::sources::SourceQuery;
use crate::fork::{donors, is_left_to_cargo, noted, plan, sources, trust, write};
use crate::lanes::{Lane, list};
use crate::project::Project;
use crate::project::cargo_config::CargoConfig;
use crate::units::{self, Place};

/// Its directory in a worktree's own lane.
const XTASK: &str = "xtask";

/// Brings it into a worktree's own `lane` that has none. Where that fails, cargo compiles it.
pub fn fork_xtask(project: &Project, lane: &Lane) {
    const TRIED_MAX: usize = 3;
    if lane.dir.join(XTASK).exists() || is_left_to_cargo(project, lane) {
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
    let places = donors.into_iter().map(|donor| Place::new(donor.root, donor.dir));
    let places = places.filter(|place| trust::may_give(&project.sh, &project.repo, place));
    let plans = places.take(TRIED_MAX).map(|place| plan_of(project, &place, &own));
    let best = plans.max_by_key(|plan| plan.units.len());
    if let Some(plan) = best.filter(|plan| !plan.is_empty()) {
        write::carry_out(&plan, environment::now(), |_| {}).ok(); // cargo compiles what is missing.
    }
}

fn plan_of(project: &Project, donor: &Place, own: &Place) -> ForkPlan {
    let mut units = units::read(donor, &own.root, true);
    units.retain(|unit| unit.fingerprint.starts_with(XTASK));
    let wanted = plan::wanted(&units, donor, &own.root);
    let donors_config = CargoConfig::read(&donor.root, &project.session.env);
    let sources = sources::compare(&project.sh, &donor.root, &own.root, &wanted);
    plan::plan(&ForkInputs {
        donor,
        own,
        units: &units,
        present: &[],
        sources: &sources,
        now: environment::now(),
        may_set_times: false, // Units of other profiles may have been made from the same files.
        sources_of_xtask: &SourceQuery::default(),
        removes_linked: false,
        git: Git::read(&project.sh, donor, own, &sources.repositories),
        same_env_since: donors::same_env_since(&project.config, &donors_config, &donor.root),
        donor_forked_at: write::forked_at(&donor.lane),
        tools_of_tree: &TreeTools::default(),
        noted: None, // xtask is built by plain cargo.
        env: &project.session.env,
        others: noted::others(&donor.root, &project.config),
        caches: Vec::new(),
        present_caches: &[],
    })
}

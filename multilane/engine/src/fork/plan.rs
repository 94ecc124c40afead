//! What a fork brings from the donor into a lane, what it leaves to cargo, and why.
//!
//! A unit is brought only if cargo, starting from nothing in our tree, would make the same: its
//! sources have the same bytes, and nothing in it names the donor's tree or lane. Whatever cannot
//! be shown is left out; cargo then finds no fingerprint and compiles the unit. With a unit go all
//! that depend on it.
//!
//! Freshness is not left to chance either. cargo takes a unit of a path package for fresh if no
//! source is younger than its record of them. That record is in the lane, so it gets the time that
//! our newest source has, and our sources stay as they are. Only what build scripts watch is
//! compared with times that cannot be moved: those files get the donor's time, and only where no
//! other lane of our tree could mistake it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

pub use super::choice::{WantedDonor, ranked};
pub use super::display::reasons;
pub use super::files::{ForkedCache, ForkedFile, ForkedUnit, PathRewrite, Transfer};
use super::files::{crate_name, forked_cache, forked_unit};
pub use super::reason::Why;
use super::rules::check;
pub use super::rules::wanted;
use crate::environment::Environment;
use crate::fork::git_state::Git;
use crate::fork::noted::{Noted, Others};
use crate::fork::sources::{SourceQuery, Sources};
use crate::record::LeftUnit;
use crate::units::incremental::Cache;
use crate::units::{Mark, Place, Unit};

/// The facts that a fork is planned from.
pub struct ForkInputs<'a> {
    pub donor: &'a Place,
    pub own: &'a Place,
    pub units: &'a [Unit],
    /// What is in our lane already.
    pub present: &'a [Unit],
    pub sources: &'a Sources,
    pub now: SystemTime,
    /// Whether no lane of our tree has anything built, so that nothing can mistake a source's new
    /// time…
    pub may_set_times: bool,
    /// …but xtask, which was made from these.
    pub sources_of_xtask: &'a SourceQuery,
    /// What git would say in the two trees.
    pub git: Git,
    /// Since when cargo's `[env]` is the same in both; `None` where it differs.
    pub same_env_since: Option<SystemTime>,
    /// When a fork filled the donor's lane, if one did. What it brought was the same then.
    pub donor_forked_at: Option<SystemTime>,
    /// With which environment the donor's builds were started, as far as that is known…
    pub noted: Option<Noted>,
    /// …and ours.
    pub env: &'a Environment,
    /// Our `[env]`, and what is at the donor's root now.
    pub others: Others,
    /// Which of the programs that compile lie in the tree.
    pub tools_of_tree: &'a TreeTools,
    /// The incremental caches that our compilers could make use of…
    pub caches: Vec<Cache>,
    /// …and those in our lane already, by their directories.
    pub present_caches: &'a [PathBuf],
    /// Whether in both trees the wrapper removes what a linker is going to write.
    pub removes_linked: bool,
}

/// Whether programs of the tree compile or link.
#[derive(Clone, Debug, Default)]
pub struct TreeTools {
    pub compiler: bool,
    pub linker: bool,
    /// Scripts that lie elsewhere and do so, which may change from one day to the next, and whether
    /// each is for the linker alone.
    pub scripts: Vec<(PathBuf, bool)>,
}

/// What is to be done.
#[derive(Debug)]
pub struct ForkPlan {
    pub donor: Place,
    pub own: Place,
    pub units: Vec<ForkedUnit>,
    pub left: Vec<LeftToCargo>,
    /// How many units the lane has already.
    pub present: usize,
    /// Sources that get the donor's time. They have the donor's bytes.
    pub times: Vec<NewTime>,
    pub caches: Vec<ForkedCache>,
}

#[derive(Debug, PartialEq)]
pub struct NewTime {
    /// Relative to the workspace root.
    pub path: PathBuf,
    pub from: SystemTime,
    pub to: SystemTime,
}

/// A unit that cargo compiles.
#[derive(Debug)]
pub struct LeftToCargo {
    pub package: String,
    pub target: String,
    pub id: u64,
    pub why: Why,
}

impl LeftToCargo {
    pub fn record(&self) -> LeftUnit {
        LeftUnit {
            package: self.package.clone(),
            reason: self.why.word(),
            explanation: self.why.to_string(),
            remedy: self.why.remedy(),
        }
    }
}

/// What is known of one unit.
enum Verdict {
    Bring { times: Vec<NewTime> },
    Present,
    Leave(Why),
}

pub fn plan(inputs: &ForkInputs<'_>) -> ForkPlan {
    let by_id = by_id(inputs.units);
    let mut verdicts: Vec<Verdict> =
        inputs.units.iter().map(|unit| verdict(inputs, unit, &by_id)).collect();
    leave_dependents(inputs, &by_id, &mut verdicts);

    let mut times = BTreeMap::new();
    for verdict in &verdicts {
        if let Verdict::Bring { times: of_unit } = verdict {
            times.extend(of_unit.iter().map(|time| (time.path.clone(), (time.from, time.to))));
        }
    }
    let mut plan = ForkPlan {
        donor: inputs.donor.clone(),
        own: inputs.own.clone(),
        units: Vec::new(),
        left: Vec::new(),
        present: 0,
        times: Vec::new(),
        caches: Vec::new(),
    };
    for (unit, verdict) in inputs.units.iter().zip(verdicts) {
        match (verdict, &unit.mark) {
            (Verdict::Bring { .. }, Some(mark)) => {
                plan.units.push(forked_unit(inputs, unit, mark, &times));
            }
            (Verdict::Leave(why), _) => {
                let (package, target) = (unit.package.clone(), unit.target.clone());
                plan.left.push(LeftToCargo { package, target, id: unit.id, why });
            }
            _ => plan.present += 1,
        }
    }
    plan.times = times.into_iter().map(|(path, (from, to))| NewTime { path, from, to }).collect();
    // Of what is left to cargo as well: a crate of which a line differs is compiled as after an
    // edit of that line.
    let left = plan.left.iter().map(|left| left.target.as_str());
    let targets = plan.units.iter().map(|unit| unit.target.as_str()).chain(left);
    let crates: HashSet<String> = targets.clone().filter_map(crate_name).collect();
    let linked: HashSet<String> =
        targets.filter(|target| !target.starts_with("lib-")).filter_map(crate_name).collect();
    let lacking = inputs.caches.iter().filter(|cache| !inputs.present_caches.contains(&cache.dir));
    let wanted = lacking.filter(|cache| crates.contains(cache.crate_name()));
    plan.caches = wanted.map(|cache| forked_cache(inputs, cache, &linked)).collect();
    plan.left.sort_by(|a, b| (&a.package, &a.target).cmp(&(&b.package, &b.target)));
    plan
}

fn by_id(units: &[Unit]) -> HashMap<u64, Vec<usize>> {
    let mut by_id: HashMap<u64, Vec<usize>> = HashMap::new();
    for (at, unit) in units.iter().enumerate().filter(|(_, unit)| unit.mark.is_some()) {
        by_id.entry(unit.id).or_default().push(at);
    }
    by_id
}

fn verdict(inputs: &ForkInputs<'_>, unit: &Unit, by_id: &HashMap<u64, Vec<usize>>) -> Verdict {
    // A trace of it is enough: what is in our lane was built with that one.
    if inputs.present.iter().any(|present| present.fingerprint == unit.fingerprint) {
        return Verdict::Present;
    }
    if inputs.present.iter().any(|present| present.dependencies.contains(&unit.id))
        && unit.mark.is_some()
    {
        return Verdict::Leave(Why::Replaced);
    }
    match check(inputs, unit, by_id) {
        Ok(times) => Verdict::Bring { times },
        Err(why) => Verdict::Leave(why),
    }
}

/// With a unit go those that need it, and those whose dependency is not the one that they were
/// built with.
fn leave_dependents(
    inputs: &ForkInputs<'_>,
    by_id: &HashMap<u64, Vec<usize>>,
    verdicts: &mut [Verdict],
) {
    let same_here: HashSet<&Path> = {
        let marks: HashMap<&Path, &Mark> = inputs
            .present
            .iter()
            .filter_map(|unit| Some((unit.fingerprint.as_path(), unit.mark.as_ref()?)))
            .collect();
        let is_same = |unit: &&Unit| match (marks.get(unit.fingerprint.as_path()), &unit.mark) {
            // The hash of a path package's crate holds its directory, so only a copy can take the
            // place of the original.
            (Some(own), Some(mark)) => !unit.is_path || *own == mark,
            _ => false,
        };
        inputs.units.iter().filter(is_same).map(|unit| unit.fingerprint.as_path()).collect()
    };
    let is_there = |at: usize, verdicts: &[Verdict]| match verdicts[at] {
        Verdict::Bring { .. } => true,
        Verdict::Present => same_here.contains(inputs.units[at].fingerprint.as_path()),
        Verdict::Leave(_) => false,
    };

    loop {
        let mut is_settled = true;
        for at in 0..verdicts.len() {
            if !matches!(verdicts[at], Verdict::Bring { .. }) {
                continue;
            }
            let lacking = inputs.units[at].dependencies.iter().find_map(|id| match by_id.get(id) {
                Some(candidates) => candidates
                    .iter()
                    .find(|candidate| !is_there(**candidate, verdicts))
                    .map(|candidate| inputs.units[*candidate].package.clone()),
                None => Some("a unit that the donor has no longer".to_owned()),
            });
            if let Some(package) = lacking {
                verdicts[at] = Verdict::Leave(Why::Needs(package));
                is_settled = false;
            }
        }
        if is_settled {
            return;
        }
    }
}

/// A unit that could not be brought after all takes with it those that need it. Returns what is
/// still brought, by place.
pub fn still_brought(brought: &[ForkedUnit], dropped: &BTreeSet<usize>) -> BTreeSet<usize> {
    let mut gone = dropped.clone();
    loop {
        let lost: HashSet<u64> = gone.iter().map(|at| brought[*at].id).collect();
        let needs_lost = |at: &usize| brought[*at].dependencies.iter().any(|id| lost.contains(id));
        let more: Vec<usize> =
            (0..brought.len()).filter(|at| !gone.contains(at)).filter(needs_lost).collect();
        if more.is_empty() {
            return (0..brought.len()).filter(|at| !gone.contains(at)).collect();
        }
        gone.extend(more);
    }
}

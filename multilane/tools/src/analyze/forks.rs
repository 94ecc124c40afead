//! What a new worktree would get of this build by a fork, and what it would have to compile itself.

use std::collections::{BTreeMap, HashMap};

use multilane_engine::fork::plan;
use multilane_engine::fork::plan::Why;
use serde::Serialize;

use crate::analyze::graph::Graph;
use crate::analyze::simulate::Model;

#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Forks {
    /// How many of the units that were built.
    #[serde(rename = "units_brought")]
    pub(crate) brought: usize,
    #[serde(rename = "units_left")]
    pub(crate) left: Vec<Left>,
    /// How long the build of the units that are left takes; `None` where the simulation is off.
    pub(crate) seconds: Option<f64>,
}

/// A unit that is left to cargo.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Left {
    pub(crate) unit: usize,
    pub(crate) why: String,
    /// Only because another one is left, on which it depends.
    pub(crate) follows: bool,
}

impl Forks {
    pub(crate) fn of(left: &[plan::LeftToCargo], graph: &Graph, model: Option<&Model>) -> Forks {
        let at_id: HashMap<u64, usize> =
            graph.units.iter().enumerate().map(|(at, unit)| (unit.id, at)).collect();
        let left = left.iter().filter_map(|left| {
            Some(Left {
                unit: *at_id.get(&left.id)?, // In the lane there may be more than this build has made.
                why: left.why.to_string(),
                follows: matches!(left.why, Why::Needs(_)),
            })
        });
        let left: Vec<Left> = left.collect();
        let seconds = model.map(|model| model.seconds_of(left.iter().map(|left| left.unit)));
        Forks { brought: graph.units.len() - left.len(), seconds, left }
    }

    /// The reasons, without those that follow from another, each with its units and their time in
    /// seconds, the most time first.
    pub(crate) fn groups(&self, graph: &Graph) -> Vec<(&str, Vec<usize>, f64)> {
        let mut groups: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for left in self.left.iter().filter(|left| !left.follows) {
            groups.entry(&left.why).or_default().push(left.unit);
        }
        let groups = groups.into_iter().map(|(why, units)| {
            let seconds = graph.seconds(&units);
            (why, units, seconds)
        });
        let mut groups: Vec<_> = groups.collect();
        groups.sort_by(|a, b| b.2.total_cmp(&a.2));
        groups
    }

    pub(crate) fn follow(&self) -> usize {
        self.left.iter().filter(|left| left.follows).count()
    }

    /// All of it in a sentence.
    pub(crate) fn summary(&self) -> String {
        let all = self.brought + self.left.len();
        let start = "In a new worktree of this commit, a fork brings";
        if self.left.is_empty() {
            return format!("{start} all {all} units: there is nothing to compile.");
        }
        let seconds = self.seconds.map(|seconds| format!(", which takes {seconds:.1} s"));
        format!(
            "{start} {} of {all} units. cargo compiles {}{}:",
            self.brought,
            self.left.len(),
            seconds.unwrap_or_default()
        )
    }
}

#[cfg(test)]
mod tests {
    use multilane_engine::fork::reason::StateDiffers;

    use super::*;
    use crate::analyze::graph::Unit;
    use crate::analyze::timings::Timed;

    fn graph() -> Graph {
        let unit = |id: u64, duration: f64, dependencies: &[usize]| Unit {
            id,
            timed: Timed { duration, ..Timed::default() },
            dependencies: dependencies.to_vec(),
            ..Unit::default()
        };
        Graph {
            units: vec![
                unit(10, 1.0, &[]),
                unit(11, 2.0, &[0]),
                unit(12, 3.0, &[1]),
                unit(13, 1.5, &[]),
            ],
        }
    }

    #[test]
    fn what_is_left_is_grouped_by_its_first_cause() {
        let graph = graph();
        let left = |id: u64, why: Why| plan::LeftToCargo {
            package: String::new(),
            target: String::new(),
            id,
            why,
        };
        let left = [
            left(11, Why::Macro("m".into(), StateDiffers::Environment)),
            left(12, Why::Needs("m".into())),
            left(13, Why::Variable("OUT_DIR".into())),
            left(99, Why::Unknown), // Of another build.
        ];
        let model = Model::new(&graph, 1);
        let forks = Forks::of(&left, &graph, Some(&model));
        assert_eq!((forks.brought, forks.follow()), (1, 1));
        let units: Vec<_> = forks.groups(&graph).into_iter().map(|(_, units, _)| units).collect();
        assert_eq!(units, [vec![1], vec![3]]);
    }

    #[test]
    fn nothing_left_is_nothing_to_compile() {
        let graph = graph();
        let forks = Forks::of(&[], &graph, None);
        assert_eq!((forks.brought, forks.seconds), (4, None));
        assert!(forks.summary().contains("nothing to compile"), "{}", forks.summary());
    }
}

//! What a new worktree would be given of this build by a fork, and what it would have to compile
//! itself.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

use crate::analyze::graph::Graph;
use crate::analyze::simulate::{Model, Takes};

#[derive(Debug, PartialEq)]
pub(crate) struct Forks {
    /// How many of the units that were built.
    pub(crate) brought: usize,
    pub(crate) left: Vec<Left>,
    /// How long a build takes there that has to compile what is left; `None` where the simulation
    /// is off.
    pub(crate) seconds: Option<f64>,
}

/// A unit that is left to cargo.
#[derive(Debug, PartialEq)]
pub(crate) struct Left {
    pub(crate) unit: usize,
    pub(crate) why: String,
    /// Only because another one is left, on which it depends.
    pub(crate) follows: bool,
}

/// Units that are left for one reason.
#[derive(Debug, PartialEq)]
pub(crate) struct Group<'a> {
    pub(crate) why: &'a str,
    pub(crate) units: Vec<usize>,
    /// All of their own time.
    pub(crate) seconds: f64,
}

impl Forks {
    /// `None` where nobody has asked.
    pub(crate) fn read(json: &Value, graph: &Graph, model: Option<&Model>) -> Option<Forks> {
        let at_id: HashMap<u64, usize> =
            graph.units.iter().enumerate().map(|(at, unit)| (unit.id, at)).collect();
        let left = json["left"].as_array()?.iter().filter_map(|left| {
            // In the lane there may be more than this build has made.
            let unit = *at_id.get(&left["id"].as_u64()?)?;
            Some(Left {
                unit,
                why: left["why"].as_str()?.to_owned(),
                follows: left["follows"] == true,
            })
        });
        let left: Vec<Left> = left.collect();
        let seconds = |model: &Model| {
            let mut takes = vec![Takes::NOTHING; model.takes.len()];
            for Left { unit, .. } in &left {
                takes[*unit] = model.takes[*unit];
            }
            model.run(&takes).total - model.lead_in
        };
        Some(Forks { brought: graph.units.len() - left.len(), seconds: model.map(seconds), left })
    }

    /// The reasons, without those that follow from another, the most time first.
    pub(crate) fn groups(&self, graph: &Graph) -> Vec<Group<'_>> {
        let mut groups: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for left in self.left.iter().filter(|left| !left.follows) {
            groups.entry(&left.why).or_default().push(left.unit);
        }
        let group = |(why, units): (_, Vec<usize>)| {
            let seconds = units.iter().map(|at| graph.units[*at].timed.duration).sum();
            Group { why, units, seconds }
        };
        let mut groups: Vec<Group<'_>> = groups.into_iter().map(group).collect();
        groups.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
        groups
    }

    pub(crate) fn follow(&self) -> usize {
        self.left.iter().filter(|left| left.follows).count()
    }

    /// All of it in a sentence.
    pub(crate) fn summary(&self) -> String {
        let all = self.brought + self.left.len();
        if self.left.is_empty() {
            return format!(
                "In a new worktree of this commit, a fork brings all {all} units: there is nothing to compile."
            );
        }
        let seconds = self
            .seconds
            .map_or_else(String::new, |seconds| format!(", which takes {seconds:.1} s"));
        format!(
            "In a new worktree of this commit, a fork brings {} of {all} units and leaves {} to cargo{seconds}:",
            self.brought,
            self.left.len()
        )
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

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
        let left =
            |id: u64, why: &str, follows: bool| json!({ "id": id, "why": why, "follows": follows });
        let json = json!({ "left": [
            left(11, "the macro m may read files", false), left(12, "needs m", true), left(13, "env OUT_DIR", false),
            left(99, "of another build", false),
        ]});
        let model = Model::new(&graph, 1);
        let forks = Forks::read(&json, &graph, Some(&model)).expect("it was asked for");
        assert_eq!((forks.brought, forks.follow()), (1, 1));
        let groups: Vec<_> =
            forks.groups(&graph).into_iter().map(|group| (group.why, group.units)).collect();
        assert_eq!(groups, [("the macro m may read files", vec![1]), ("env OUT_DIR", vec![3])]);
    }

    #[test]
    fn nothing_left_is_nothing_to_compile() {
        let graph = graph();
        let forks = Forks::read(&json!({ "left": [] }), &graph, None).expect("it was asked for");
        assert_eq!((forks.brought, forks.seconds), (4, None));
        assert!(forks.summary().contains("nothing to compile"), "{}", forks.summary());
        assert_eq!(Forks::read(&Value::Null, &graph, None), None);
    }
}

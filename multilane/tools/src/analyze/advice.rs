//! Which change to make first: each is tried in the simulation, and the difference is what it
//! saves.
//!
//! A change that saves little in the simulation is left out. Where the simulation does not
//! reproduce the build that was measured, there is no advice at all.

mod dependencies;
mod duplicates;
mod features;
mod shape;

use std::collections::{BTreeSet, HashSet};

use serde::Serialize;

use crate::analyze::deps::Unused;
use crate::analyze::graph::Graph;
use crate::analyze::metadata::{Metadata, Package};
use crate::analyze::simulate::Model;

/// The simulation may be this far off from what was measured, as a part of it.
pub(crate) const TOLERANCE: f64 = 0.10;

/// What saves less than this part of the build is not worth a reader's time.
const WORTH: f64 = 0.01;

/// One change, and what it would save.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Advice {
    pub(crate) kind: &'static str,
    /// Seconds of the build that was measured.
    #[serde(rename = "saves_seconds")]
    pub(crate) saves: f64,
    /// Seconds of compiling, on all processors together.
    #[serde(rename = "saves_work_seconds")]
    pub(crate) work: f64,
    pub(crate) title: String,
    /// The observation that it follows from.
    pub(crate) because: String,
    /// The edit to make.
    pub(crate) edit: String,
    pub(crate) sure: Sure,
    /// The units that it is about.
    pub(crate) units: Vec<usize>,
}

/// How sure the number is, not whether the change can be made.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) enum Sure {
    /// These units go, and nothing else changes.
    #[serde(rename = "high")]
    High,
    /// What is left takes longer or less long than now, by an estimate.
    #[serde(rename = "fair")]
    Fair,
    /// An upper bound.
    #[serde(rename = "at most")]
    AtMost,
}

impl Sure {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Sure::High => "high",
            Sure::Fair => "fair",
            Sure::AtMost => "at most",
        }
    }
}

/// What the advice is about.
pub(crate) struct Situation<'a> {
    pub(crate) graph: &'a Graph,
    pub(crate) model: &'a Model,
    pub(crate) metadata: &'a Metadata,
    pub(crate) unused: &'a [Unused],
    /// What the simulation makes of the build as it is.
    pub(crate) total: f64,
}

/// All that is worth it, the most first.
pub(crate) fn all(situation: &Situation<'_>) -> Vec<Advice> {
    let mut advice: Vec<Advice> = dependencies::unused(situation).into_iter().collect();
    advice.extend(dependencies::dependencies(situation));
    advice.extend(dependencies::optional_below(situation));
    advice.extend(features::features(situation));
    advice.extend(duplicates::built_twice(situation));
    advice.extend(duplicates::versions(situation));
    advice.extend(shape::test_programs(situation));
    advice.extend(shape::splits(situation));
    advice.retain(|advice| advice.saves >= (situation.total * WORTH).max(0.1));
    advice.sort_by(|a, b| b.saves.total_cmp(&a.saves));
    without_repetition(situation, advice)
}

/// Two ways to save the same work are one thing to read.
fn without_repetition(situation: &Situation<'_>, advice: Vec<Advice>) -> Vec<Advice> {
    let seconds = |units: &HashSet<usize>| situation.graph.seconds(units);
    let mut kept: Vec<(HashSet<usize>, Advice)> = Vec::new();
    for advice in advice {
        let units: HashSet<usize> = advice.units.iter().copied().collect();
        let is_same = |(other, _): &&mut (HashSet<usize>, Advice)| {
            let common = situation.graph.seconds(units.intersection(other));
            common >= 0.8 * seconds(&units).max(seconds(other))
        };
        match kept.iter_mut().find(is_same) {
            None => kept.push((units, advice)),
            // A feature is less to give up than the whole dependency.
            Some((_, other))
                if advice.kind == "feature" && ["dependency", "optional"].contains(&other.kind) =>
            {
                *other = advice;
            }
            Some(_) => {}
        }
    }
    kept.into_iter().map(|(_, advice)| advice).collect()
}

impl Situation<'_> {
    /// The advice to do without these units.
    fn without(
        &self,
        gone: HashSet<usize>,
        kind: &'static str,
        title: String,
        because: String,
        edit: String,
    ) -> Advice {
        let saves = self.total - self.model.total_without(gone.iter().copied());
        let work = self.graph.seconds(&gone);
        let mut units: Vec<usize> = gone.into_iter().collect();
        units.sort_unstable();
        Advice { kind, saves, work, title, because, edit, sure: Sure::High, units }
    }

    /// None where it is not certain whose they are.
    fn units_of(&self, package: &Package) -> HashSet<usize> {
        if self.metadata.has_double(package) {
            return HashSet::new();
        }
        let is_its = |at: &usize| {
            let timed = &self.graph.units[*at].timed;
            timed.package == package.name && timed.version == package.version
        };
        (0..self.graph.units.len()).filter(is_its).collect()
    }

    /// The names of the packages of these units.
    fn names(&self, units: &HashSet<usize>) -> BTreeSet<&str> {
        units.iter().map(|at| self.graph.units[*at].timed.package.as_str()).collect()
    }

    /// The units that are needed no more once these packages do not depend on those any more.
    /// `None` where there are none.
    fn without_edges(&self, edges: &[(&Package, &str)]) -> Option<HashSet<usize>> {
        let mut graph = self.graph.clone();
        for (package, dependency) in edges {
            for at in self.units_of(package) {
                let is_kept = |at: &usize| self.graph.units[*at].timed.package != *dependency;
                graph.units[at].dependencies.retain(is_kept);
            }
        }
        // What was asked for stays asked for; what has lost its last dependent was not.
        let lost = graph.roots().difference(&self.graph.roots()).copied().collect();
        let gone = graph.without(&lost);
        (!gone.is_empty()).then_some(gone)
    }
}

/// `a, b and c`; of many, the first and how many more.
pub(crate) fn list<T: ToString>(names: impl IntoIterator<Item = T>) -> String {
    const SHOWN_MAX: usize = 4;
    let names: Vec<String> = names.into_iter().map(|name| name.to_string()).collect();
    match names.split_last() {
        None => "none".to_owned(),
        Some((one, [])) => one.clone(),
        Some((last, first)) if names.len() <= SHOWN_MAX => {
            format!("{} and {last}", first.join(", "))
        }
        Some(_) => format!(
            "{} and {} more",
            names[..SHOWN_MAX - 1].join(", "),
            names.len() - SHOWN_MAX + 1
        ),
    }
}

fn quoted(names: impl IntoIterator<Item = impl AsRef<str>>) -> Vec<String> {
    names.into_iter().map(|name| format!("`{}`", name.as_ref())).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::analyze::graph::Unit;
    use crate::analyze::timings::Timed;

    /// `app` asks for `web` with its default features, of which `tls` brings `crypto`; both take
    /// long. `small` does not.
    fn metadata() -> Metadata {
        let package = |name: &str, dependencies: Value, features: Value| {
            json!({
                "id": name, "name": name, "version": "1.0.0", "manifest_path": format!("/w/{name}/Cargo.toml"),
                "dependencies": dependencies, "features": features, "targets": [{ "kind": ["lib"], "name": name }],
            })
        };
        let asks = |name: &str, is_optional: bool| json!({ "name": name, "req": "1", "features": [], "uses_default_features": true, "optional": is_optional, "kind": null });
        let metadata = json!({
            "workspace_root": "/w",
            "workspace_members": ["app"],
            "packages": [
                package("crypto", json!([]), json!({})),
                package("web", json!([asks("crypto", true)]), json!({ "default": ["tls", "plain"], "tls": ["dep:crypto"], "plain": [] })),
                package("small", json!([]), json!({})),
                package("app", json!([asks("web", false), asks("small", false)]), json!({})),
            ],
            "resolve": { "nodes": [
                { "id": "web", "dependencies": ["crypto"], "features": ["default", "tls", "plain"] },
                { "id": "app", "dependencies": ["web", "small"], "features": [] },
            ]},
        });
        serde_json::from_value(metadata).expect("it is as cargo writes it")
    }

    fn graph() -> Graph {
        let unit = |name: &str, duration: f64, dependencies: &[usize]| Unit {
            timed: Timed {
                package: name.into(),
                version: "1.0.0".into(),
                duration,
                ..Timed::default()
            },
            is_member: name == "app",
            links: name == "app",
            dependencies: dependencies.to_vec(),
            ..Unit::default()
        };
        let units = vec![
            unit("crypto", 6.0, &[]),
            unit("web", 3.0, &[0]),
            unit("small", 0.0, &[]),
            unit("app", 1.0, &[1, 2]),
        ];
        Graph { units }
    }

    fn advise(graph: &Graph, metadata: &Metadata, unused: &[Unused]) -> Vec<Advice> {
        let model = Model::new(graph, 2);
        let total = model.as_it_was().total;
        all(&Situation { graph, model: &model, metadata, unused, total })
    }

    #[test]
    fn a_change_saves_what_the_build_is_shorter_without_it() {
        let advice = advise(&graph(), &metadata(), &[]);
        let found: Vec<(&str, f64)> =
            advice.iter().map(|advice| (advice.title.as_str(), advice.saves)).collect();
        assert_eq!(
            found,
            [
                ("do without `web` 1.0.0", 9.0),
                // Not as what `crypto` could be done without: it is one feature of something that
                // `app` asks for.
                ("do without the feature `tls` of `web`", 6.0),
            ]
        );
        assert!(
            advice[1]
                .edit
                .contains("`web` with `default-features = false` and the features `plain`"),
            "{}",
            advice[1].edit
        );
        assert!(advice[0].edit.contains("in app/Cargo.toml"), "{}", advice[0].edit);
    }

    #[test]
    fn of_what_there_is_twice_in_one_version_nothing_is_said() {
        let mut metadata = metadata();
        let web = metadata
            .packages
            .iter()
            .find(|package| package.name == "web")
            .expect("it is there")
            .clone();
        metadata.packages.push(Package {
            is_member: true,
            manifest: "web/Cargo.toml".into(),
            ..web
        });
        let advice = advise(&graph(), &metadata, &[]);
        let of_web = advice.iter().find(|advice| advice.title.contains("`web`"));
        assert_eq!(of_web, None, "whose units they are is not known");
    }

    #[test]
    fn what_no_code_uses_takes_along_what_only_it_needs() {
        let unused = [Unused { manifest: "app/Cargo.toml".into(), name: "web".into() }];
        let advice = advise(&graph(), &metadata(), &unused);
        let first = advice.iter().find(|advice| advice.kind == "unused").expect("one is unused");
        assert_eq!((first.saves, first.units.as_slice()), (9.0, [0, 1].as_slice()));
    }

    #[test]
    fn a_feature_that_somebody_else_wants_stays() {
        let mut metadata = metadata();
        // `small` becomes another package that asks for the same, with the same features.
        let web = metadata
            .packages
            .iter()
            .position(|package| package.name == "web")
            .expect("it is there");
        let asks = metadata.packages[3].asks[0].clone();
        metadata.packages[2].dependencies.push(web);
        metadata.packages[2].asks.push(asks);
        let mut graph = graph();
        graph.units[2].dependencies.push(1);
        let advice = advise(&graph, &metadata, &[]);
        assert!(!advice.iter().any(|advice| advice.kind == "feature"), "{advice:#?}");
    }

    #[test]
    fn a_build_of_nothing_has_no_advice() {
        assert_eq!(advise(&Graph::default(), &Metadata::default(), &[]), []);
    }

    #[test]
    fn a_long_list_is_cut() {
        let names = |count: usize| (0..count).map(|number| number.to_string()).collect::<Vec<_>>();
        assert_eq!(list(names(1)), "0");
        assert_eq!(list(names(4)), "0, 1, 2 and 3");
        assert_eq!(list(names(9)), "0, 1, 2 and 6 more");
    }
}

//! Which unit waits for which: the times that cargo has measured, joined with its fingerprints.
//!
//! The timings tell only which unit was the last to be waited for. The fingerprints name all
//! dependencies, but no times. A unit of the one is found in the other by what it is and, where a
//! package was compiled in several ways, by when it began and ended.

use std::collections::{BTreeSet, HashMap, HashSet};

use crate::analyze::metadata::{Metadata, Package};
use crate::analyze::timings::{Kind, Mode, Timed, Timings};

/// A unit as its fingerprint tells of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known {
    pub(crate) package: String,
    /// `lib-core`, `test-bin-app`, `run-build-script-build-script-build`.
    pub(crate) target: String,
    /// `None` for the run of a build script.
    pub(crate) features: Option<Vec<String>>,
    pub(crate) id: u64,
    pub(crate) dependencies: Vec<u64>,
    /// By the times of its files, in seconds from the beginning of the build.
    pub(crate) began: Option<f64>,
    pub(crate) ended: f64,
}

/// What was built, and in which order it has to be.
#[derive(Clone, Debug, Default)]
pub(crate) struct Graph {
    pub(crate) units: Vec<Unit>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Unit {
    pub(crate) timed: Timed,
    /// The hash of its fingerprint.
    pub(crate) id: u64,
    /// Whether it links, so that it waits for the whole of all that is in it.
    pub(crate) links: bool,
    pub(crate) is_proc_macro: bool,
    /// Whether it is one of the workspace's own.
    pub(crate) is_member: bool,
    /// Direct ones, among the units that were built.
    pub(crate) dependencies: Vec<usize>,
}

impl Unit {
    /// Whether others can begin with its metadata.
    pub(crate) fn is_pipelined(&self) -> bool {
        !self.links && self.timed.mode == Mode::Build && self.timed.frontend.is_some()
    }

    /// Whether it needs no more of `dependency` than the metadata.
    pub(crate) fn needs_metadata_alone(&self, dependency: &Unit) -> bool {
        !self.links && self.timed.mode == Mode::Build && dependency.is_pipelined()
    }
}

impl Graph {
    /// # Errors
    ///
    /// The title of a unit for which there is no fingerprint: then edges are missing, and no
    /// simulation would be right.
    pub(crate) fn join(
        timings: &Timings,
        known: &[Known],
        metadata: &Metadata,
    ) -> Result<Graph, String> {
        let matched = matched(timings, known)?;
        let at_id: HashMap<u64, usize> =
            matched.iter().enumerate().map(|(at, known_at)| (known[*known_at].id, at)).collect();

        let units = timings.units.iter().zip(&matched).map(|(timed, known_at)| {
            let package = metadata.package(&timed.package, &timed.version);
            let crate_types = package.map(Package::crate_types).unwrap_or_default();
            let is_rlib = |kind: &String| kind == "lib" || kind == "rlib";
            let links = match (&timed.kind, timed.mode) {
                (_, Mode::Test) => true,
                (_, Mode::Run | Mode::Check | Mode::Other) => false,
                (Kind::Lib, Mode::Build) => !crate_types.iter().all(is_rlib),
                (_, Mode::Build) => true,
            };
            let mut dependencies: Vec<usize> = known[*known_at]
                .dependencies
                .iter()
                .filter_map(|id| at_id.get(id).copied())
                .collect();
            dependencies.sort_unstable();
            dependencies.dedup();
            Unit {
                is_proc_macro: timed.kind == Kind::Lib
                    && crate_types.iter().any(|kind| kind == "proc-macro"),
                is_member: package.is_some_and(|package| package.is_member),
                timed: timed.clone(),
                id: known[*known_at].id,
                links,
                dependencies,
            }
        });
        Ok(Graph { units: units.collect() })
    }

    /// For each unit, those that directly depend on it.
    pub(crate) fn dependents(&self) -> Vec<Vec<usize>> {
        let mut dependents = vec![Vec::new(); self.units.len()];
        for (at, unit) in self.units.iter().enumerate() {
            for dependency in &unit.dependencies {
                dependents[*dependency].push(at);
            }
        }
        dependents
    }

    /// The units on which no other depends.
    pub(crate) fn roots(&self) -> HashSet<usize> {
        let dependents = self.dependents();
        (0..self.units.len()).filter(|at| dependents[*at].is_empty()).collect()
    }

    /// All that `next` leads to from these, themselves among them.
    pub(crate) fn reached<'a>(
        &self,
        from: &HashSet<usize>,
        next: impl Fn(usize) -> &'a [usize],
    ) -> HashSet<usize> {
        let mut stack: Vec<usize> = from.iter().copied().collect();
        let mut found = from.clone();
        while let Some(at) = stack.pop() {
            stack.extend(next(at).iter().filter(|next| found.insert(**next)));
        }
        found
    }

    /// All that would not be built any more if `gone` were not: what only they lead to, down from
    /// what was asked for.
    pub(crate) fn without(&self, gone: &HashSet<usize>) -> HashSet<usize> {
        let roots = self.roots().difference(gone).copied().collect();
        let kept = self.reached(&roots, |at| match gone.contains(&at) {
            true => &[],
            false => &self.units[at].dependencies,
        });
        (0..self.units.len()).filter(|at| gone.contains(at) || !kept.contains(at)).collect()
    }

    /// All that would have to be compiled again if these changed, themselves among them.
    pub(crate) fn rebuilt(&self, changed: &HashSet<usize>) -> HashSet<usize> {
        let dependents = self.dependents();
        self.reached(changed, |at| &dependents[at])
    }

    /// How long these took in all, in seconds.
    pub(crate) fn seconds<'a>(&self, units: impl IntoIterator<Item = &'a usize>) -> f64 {
        units.into_iter().map(|at| self.units[*at].timed.duration).sum()
    }

    pub(crate) fn features(&self, at: usize) -> BTreeSet<&str> {
        self.units[at].timed.features.iter().map(String::as_str).collect()
    }

    pub(crate) fn titles(&self, units: impl IntoIterator<Item = usize>) -> Vec<String> {
        units.into_iter().map(|at| self.units[at].timed.title()).collect()
    }
}

/// For each unit of the timings, its place among those with fingerprints.
fn matched(timings: &Timings, known: &[Known]) -> Result<Vec<usize>, String> {
    let mut by_package: HashMap<&str, Vec<usize>> = HashMap::new();
    for (at, known) in known.iter().enumerate() {
        by_package.entry(&known.package).or_default().push(at);
    }
    let mut taken = HashSet::new();
    let of_unit = |timed: &Timed| {
        let candidates = by_package.get(timed.package.as_str()).into_iter().flatten().copied();
        let fits = |at: &usize| {
            let known = &known[*at];
            let features = known.features.as_ref().filter(|_| timed.mode != Mode::Run);
            is_target(timed, &known.target)
                && features.is_none_or(|features| *features == timed.features)
                && !taken.contains(at)
        };
        let distance = |at: &usize| {
            let known = &known[*at];
            let began = known.began.map_or(0.0, |began| (began - timed.start).abs());
            began + (known.ended - timed.end()).abs()
        };
        let nearest = candidates.filter(fits).min_by(|a, b| distance(a).total_cmp(&distance(b)));
        let nearest = nearest.ok_or_else(|| timed.title())?;
        taken.insert(nearest);
        Ok(nearest)
    };
    timings.units.iter().map(of_unit).collect()
}

/// Whether a fingerprint of this name may be that unit's.
fn is_target(timed: &Timed, target: &str) -> bool {
    let flavour = match timed.mode {
        Mode::Test => "test-",
        Mode::Run => "run-",
        _ => "",
    };
    let Some(rest) = target.strip_prefix(flavour) else { return false };
    match &timed.kind {
        Kind::Lib => rest.starts_with("lib-"),
        Kind::BuildScript => rest.starts_with("build-script-"),
        // cargo's own words for tests have changed before.
        Kind::Named(kind, name) => {
            rest.strip_prefix("integration-").unwrap_or(rest) == format!("{kind}-{name}")
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn timed(package: &str, start: f64, duration: f64) -> Timed {
        Timed {
            package: package.into(),
            version: "1.0.0".into(),
            start,
            duration,
            ..Timed::default()
        }
    }

    fn known(
        package: &str,
        target: &str,
        id: u64,
        dependencies: &[u64],
        began: f64,
        ended: f64,
    ) -> Known {
        Known {
            package: package.into(),
            target: target.into(),
            features: Some(Vec::new()),
            id,
            dependencies: dependencies.to_vec(),
            began: Some(began),
            ended,
        }
    }

    fn timings(units: Vec<Timed>) -> Timings {
        Timings { units, jobs: 2, ..Timings::default() }
    }

    #[test]
    fn a_package_that_is_compiled_in_two_ways_is_told_by_the_clock() {
        let units = vec![timed("a", 1.0, 2.0), timed("a", 4.0, 2.0), timed("app", 6.0, 1.0)];
        // The later one is the one that `app` has in it.
        let known = [
            known("app", "lib-app", 30, &[20], 6.0, 7.0),
            known("a", "lib-a", 20, &[], 4.01, 6.02),
            known("a", "lib-a", 10, &[], 1.0, 3.0),
        ];
        let graph =
            Graph::join(&timings(units), &known, &Metadata::default()).expect("all are known");
        assert_eq!(graph.units[2].dependencies, [1]);
    }

    #[test]
    fn features_tell_before_the_clock_does() {
        let with = Timed { features: vec!["std".into()], ..timed("a", 1.0, 2.0) };
        let units = vec![with, timed("a", 1.5, 2.0), timed("app", 4.0, 1.0)];
        let std =
            Known { features: Some(vec!["std".into()]), ..known("a", "lib-a", 10, &[], 1.5, 3.5) };
        let known = [
            std,
            known("a", "lib-a", 20, &[], 1.0, 3.0),
            known("app", "lib-app", 30, &[10], 4.0, 5.0),
        ];
        let graph =
            Graph::join(&timings(units), &known, &Metadata::default()).expect("all are known");
        assert_eq!(graph.units[2].dependencies, [0]);
    }

    #[test]
    fn where_a_unit_is_missing_there_is_no_graph() {
        let units = vec![timed("a", 1.0, 2.0), timed("b", 1.0, 2.0)];
        let known = [known("a", "lib-a", 10, &[], 1.0, 3.0)];
        let missing =
            Graph::join(&timings(units), &known, &Metadata::default()).expect_err("one is missing");
        assert_eq!(missing, "b");
    }

    #[test]
    fn what_only_the_gone_lead_to_goes_along() {
        // 3 → 2 → 1 → 0, and 3 → 0: without 2, 1 goes, and 0 stays.
        let unit = |dependencies: &[usize]| Unit {
            dependencies: dependencies.to_vec(),
            ..Unit::default()
        };
        let graph = Graph { units: vec![unit(&[]), unit(&[0]), unit(&[1]), unit(&[0, 2])] };
        assert_eq!(graph.without(&HashSet::from([2])), HashSet::from([1, 2]));
        assert_eq!(graph.rebuilt(&HashSet::from([1])), HashSet::from([1, 2, 3]));
    }

    #[test]
    fn what_links_is_known_by_its_kind() {
        let metadata = json!({
            "workspace_root": "/w",
            "workspace_members": [],
            "packages": [
                { "id": "a", "name": "a", "version": "1.0.0", "manifest_path": "/r/a/Cargo.toml", "dependencies": [],
                  "features": {}, "targets": [{ "kind": ["proc-macro"], "name": "a" }] },
                { "id": "b", "name": "b", "version": "1.0.0", "manifest_path": "/r/b/Cargo.toml", "dependencies": [],
                  "features": {}, "targets": [{ "kind": ["lib"], "name": "b" }, { "kind": ["bin"], "name": "b" }] },
            ],
        });
        let metadata: Metadata =
            serde_json::from_value(metadata).expect("it is as cargo writes it");
        let units = vec![
            timed("a", 0.0, 1.0),
            timed("b", 1.0, 1.0),
            Timed { kind: Kind::Named("bin".into(), "b".into()), ..timed("b", 2.0, 1.0) },
            Timed { mode: Mode::Test, ..timed("b", 3.0, 1.0) },
        ];
        let known = [
            known("a", "lib-a", 1, &[], 0.0, 1.0),
            known("b", "lib-b", 2, &[1], 1.0, 2.0),
            known("b", "bin-b", 3, &[2], 2.0, 3.0),
            known("b", "test-lib-b", 4, &[1], 3.0, 4.0),
        ];
        let graph = Graph::join(&timings(units), &known, &metadata).expect("all are known");
        let links: Vec<bool> = graph.units.iter().map(|unit| unit.links).collect();
        assert_eq!(links, [true, false, true, true]);
        assert!(graph.units[0].is_proc_macro);
    }
}

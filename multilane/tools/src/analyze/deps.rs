//! The dependencies as they are: unused, in several versions, compiled in several ways, and the
//! proc-macros.
//!
//! What would be saved by changing that is in `advice.rs`; here is also what saves no time.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use serde::{Deserialize, Serialize};

use crate::analyze::graph::Graph;
use crate::analyze::metadata::Metadata;
use crate::analyze::timings::{Kind, Mode};

#[derive(Debug, Default, Serialize)]
pub(crate) struct Dependencies {
    /// `None` where no tool has looked.
    pub(crate) unused: Option<Vec<Unused>>,
    #[serde(rename = "several_versions")]
    pub(crate) versions: Vec<Versions>,
    #[serde(rename = "compiled_more_than_once")]
    pub(crate) twice: Vec<Twice>,
    #[serde(rename = "proc_macros")]
    pub(crate) macros: Vec<Macro>,
}

/// A dependency that a manifest names, and no code uses.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Unused {
    pub(crate) manifest: String,
    pub(crate) name: String,
}

#[derive(Debug, Serialize)]
pub(crate) struct Versions {
    pub(crate) name: String,
    pub(crate) versions: Vec<Version>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Version {
    pub(crate) version: String,
    pub(crate) asked_for_by: Vec<String>,
}

/// One version of a package, compiled as a library more than once.
#[derive(Debug, Serialize)]
pub(crate) struct Twice {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) ways: Vec<Way>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Way {
    pub(crate) seconds: f64,
    /// The features that not all ways have.
    pub(crate) only_features: Vec<String>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Macro {
    pub(crate) name: String,
    /// With all its dependencies.
    pub(crate) seconds: f64,
    pub(crate) asked_for_by: Vec<String>,
}

/// The output of `cargo shear --format=json`.
#[derive(Deserialize)]
pub(crate) struct Shear {
    findings: Vec<Finding>,
}

#[derive(Deserialize)]
struct Finding {
    code: String,
    message: String,
    file: Option<String>,
}

impl Shear {
    /// `None` where a finding has a form that is not known.
    pub(crate) fn unused(self) -> Option<Vec<Unused>> {
        let findings = self.findings.into_iter();
        let findings = findings.filter(|finding| finding.code == "shear/unused_dependency");
        let unused = findings.map(|Finding { message, file, .. }| {
            Some(Unused { manifest: file?, name: message.split('`').nth(1)?.to_owned() })
        });
        unused.collect()
    }
}

impl Dependencies {
    pub(crate) fn of(graph: &Graph, metadata: &Metadata) -> Dependencies {
        let versions = versions(graph, metadata);
        Dependencies {
            unused: None,
            versions,
            twice: twice(graph),
            macros: macros(graph, metadata),
        }
    }
}

fn asked_for_by(metadata: &Metadata, name: &str, version: &str) -> Vec<String> {
    let asking = metadata.at(name, version).map(|at| metadata.who_asks(at)).unwrap_or_default();
    asking.iter().map(|package| package.name.clone()).collect()
}

fn versions(graph: &Graph, metadata: &Metadata) -> Vec<Versions> {
    let mut by_name: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for unit in &graph.units {
        by_name.entry(&unit.timed.package).or_default().insert(&unit.timed.version);
    }
    by_name.retain(|_, versions| versions.len() > 1);
    let versions = by_name.into_iter().map(|(name, versions)| {
        let versions = versions.into_iter().map(|version| Version {
            version: version.to_owned(),
            asked_for_by: asked_for_by(metadata, name, version),
        });
        Versions { name: name.to_owned(), versions: versions.collect() }
    });
    versions.collect()
}

/// The units of each package that is compiled as a library more than once in one version.
pub(crate) fn units_of_doubles(graph: &Graph) -> BTreeMap<(&str, &str), Vec<usize>> {
    let mut by_package: BTreeMap<(&str, &str), Vec<usize>> = BTreeMap::new();
    for (at, unit) in graph.units.iter().enumerate() {
        if unit.timed.kind == Kind::Lib && unit.timed.mode == Mode::Build {
            by_package.entry((&unit.timed.package, &unit.timed.version)).or_default().push(at);
        }
    }
    by_package.retain(|_, units| units.len() > 1);
    by_package
}

fn twice(graph: &Graph) -> Vec<Twice> {
    let twice = units_of_doubles(graph).into_iter().map(|((name, version), units)| {
        let features = |at: &usize| graph.features(*at);
        let common = units.iter().map(features).reduce(|a, b| &a & &b).unwrap_or_default();
        let way = |at: &usize| Way {
            seconds: graph.units[*at].timed.duration,
            only_features: (&features(at) - &common).into_iter().map(str::to_owned).collect(),
        };
        let ways = units.iter().map(way).collect();
        Twice { name: name.to_owned(), version: version.to_owned(), ways }
    });
    let mut twice: Vec<Twice> = twice.collect();
    let least = |twice: &Twice| twice.ways.iter().map(|way| way.seconds).fold(f64::MAX, f64::min);
    twice.sort_by(|a, b| least(b).total_cmp(&least(a)));
    twice
}

fn macros(graph: &Graph, metadata: &Metadata) -> Vec<Macro> {
    let macros = graph.units.iter().enumerate().filter(|(_, unit)| unit.is_proc_macro);
    let macros = macros.map(|(at, unit)| {
        let made_of = graph.reached(&HashSet::from([at]), |at| &graph.units[at].dependencies);
        Macro {
            name: unit.timed.package.clone(),
            seconds: graph.seconds(&made_of),
            asked_for_by: asked_for_by(metadata, &unit.timed.package, &unit.timed.version),
        }
    });
    let mut macros: Vec<Macro> = macros.collect();
    macros.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
    macros.dedup_by(|a, b| a.name == b.name);
    macros
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_is_unused_is_taken_from_the_tool() {
        let found = json!({ "findings": [
            { "code": "shear/unused_dependency", "message": "unused dependency `libc`", "file": "Cargo.toml" },
            { "code": "shear/misplaced_dependency", "message": "misplaced dependency `x`", "file": "Cargo.toml" },
        ]});
        let libc = Unused { manifest: "Cargo.toml".into(), name: "libc".into() };
        let found: Shear = serde_json::from_value(found).expect("findings");
        assert_eq!(found.unused(), Some(vec![libc]));
    }
}

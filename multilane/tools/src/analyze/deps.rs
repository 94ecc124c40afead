//! The dependencies as they are: unused, in several versions, compiled in several ways, and the
//! proc-macros.
//!
//! What would be saved by changing that is in `advice.rs`; here is also what saves no time.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::analyze::graph::Graph;
use crate::analyze::metadata::Metadata;
use crate::analyze::timings::{Kind, Mode};

#[derive(Debug, Default)]
pub(crate) struct Dependencies {
    /// `None` where no tool has looked.
    pub(crate) unused: Option<Vec<Unused>>,
    pub(crate) versions: Vec<Versions>,
    pub(crate) twice: Vec<Twice>,
    pub(crate) macros: Vec<Macro>,
}

/// Something that a manifest asks for, and no code uses.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Unused {
    pub(crate) manifest: String,
    pub(crate) name: String,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Versions {
    pub(crate) name: String,
    /// Each version, and who asks for it.
    pub(crate) versions: Vec<(String, Vec<String>)>,
}

/// One version of a package, compiled as a library more than once.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Twice {
    pub(crate) name: String,
    pub(crate) version: String,
    /// Seconds, and the features that not all have.
    pub(crate) ways: Vec<(f64, Vec<String>)>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Macro {
    pub(crate) name: String,
    /// With all that it is made of.
    pub(crate) seconds: f64,
    pub(crate) asked_for_by: Vec<String>,
}

impl Dependencies {
    pub(crate) fn of(graph: &Graph, metadata: &Metadata, unused: Option<&Value>) -> Dependencies {
        Dependencies {
            unused: unused.and_then(read_unused),
            versions: versions(graph, metadata),
            twice: twice(graph),
            macros: macros(graph, metadata),
        }
    }
}

/// What `cargo shear --format=json` has found.
fn read_unused(json: &Value) -> Option<Vec<Unused>> {
    let findings = json["findings"].as_array()?.iter();
    let findings = findings.filter(|finding| finding["code"] == "shear/unused_dependency");
    let unused = findings.map(|finding| {
        let message = finding["message"].as_str()?;
        Some(Unused {
            manifest: finding["file"].as_str()?.to_owned(),
            name: message.split('`').nth(1)?.to_owned(),
        })
    });
    unused.collect()
}

fn versions(graph: &Graph, metadata: &Metadata) -> Vec<Versions> {
    let built: BTreeSet<(&str, &str)> = graph
        .units
        .iter()
        .map(|unit| (unit.timed.package.as_str(), unit.timed.version.as_str()))
        .collect();
    let mut by_name: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, version) in built {
        by_name.entry(name).or_default().push(version);
    }
    by_name.retain(|_, versions| versions.len() > 1);
    let who_asks = |name: &str, version: &str| -> Vec<String> {
        let asking = metadata.at(name, version).map(|at| metadata.who_asks(at)).unwrap_or_default();
        asking.iter().map(|package| package.name.clone()).collect()
    };
    let versions = by_name.into_iter().map(|(name, versions)| Versions {
        name: name.to_owned(),
        versions: versions
            .into_iter()
            .map(|version| (version.to_owned(), who_asks(name, version)))
            .collect(),
    });
    versions.collect()
}

fn twice(graph: &Graph) -> Vec<Twice> {
    let mut by_package: BTreeMap<(&str, &str), Vec<usize>> = BTreeMap::new();
    for (at, unit) in graph.units.iter().enumerate() {
        if unit.timed.kind == Kind::Lib && unit.timed.mode == Mode::Build {
            by_package.entry((&unit.timed.package, &unit.timed.version)).or_default().push(at);
        }
    }
    by_package.retain(|_, units| units.len() > 1);
    let twice = by_package.into_iter().map(|((name, version), units)| {
        let features = |at: &usize| {
            graph.units[*at].timed.features.iter().cloned().collect::<BTreeSet<String>>()
        };
        let common = units.iter().map(features).reduce(|a, b| &a & &b).unwrap_or_default();
        let way = |at: &usize| {
            (graph.units[*at].timed.duration, (&features(at) - &common).into_iter().collect())
        };
        Twice {
            name: name.to_owned(),
            version: version.to_owned(),
            ways: units.iter().map(way).collect(),
        }
    });
    let mut twice: Vec<Twice> = twice.collect();
    let least =
        |twice: &Twice| twice.ways.iter().map(|(seconds, _)| *seconds).fold(f64::MAX, f64::min);
    twice.sort_by(|a, b| least(b).total_cmp(&least(a)));
    twice
}

fn macros(graph: &Graph, metadata: &Metadata) -> Vec<Macro> {
    let macros = graph.units.iter().enumerate().filter(|(_, unit)| unit.is_proc_macro);
    let macros = macros.map(|(at, unit)| {
        let mut seen = BTreeSet::from([at]);
        let mut stack = vec![at];
        while let Some(at) = stack.pop() {
            for dependency in &graph.units[at].dependencies {
                if seen.insert(*dependency) {
                    stack.push(*dependency);
                }
            }
        }
        let known = metadata.at(&unit.timed.package, &unit.timed.version);
        let asking = known.map(|at| metadata.who_asks(at)).unwrap_or_default();
        Macro {
            name: unit.timed.package.clone(),
            seconds: seen.iter().map(|at| graph.units[*at].timed.duration).sum(),
            asked_for_by: asking.iter().map(|package| package.name.clone()).collect(),
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
        assert_eq!(read_unused(&found), Some(vec![libc]));
        assert_eq!(read_unused(&json!("an error")), None);
    }
}

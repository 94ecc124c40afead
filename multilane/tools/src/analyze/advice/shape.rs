//! How the code is split: test programs that could be one, a crate that could be two.

use std::collections::BTreeMap;

use super::{Advice, Situation, Sure};
use crate::analyze::simulate::Takes;
use crate::analyze::timings::{Kind, Mode};

/// Several test programs of one package: each is linked, with all that is in it.
pub(super) fn test_programs(situation: &Situation<'_>) -> Vec<Advice> {
    let mut by_package: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (at, unit) in situation.graph.units.iter().enumerate() {
        if unit.is_member && unit.timed.kind.is("test") {
            by_package.entry(&unit.timed.package).or_default().push(at);
        }
    }
    let mut found = Vec::new();
    for (package, mut units) in by_package.into_iter().filter(|(_, units)| units.len() > 1) {
        let takes = |at: &usize| situation.model.takes[*at].whole;
        units.sort_by(|a, b| takes(a).total_cmp(&takes(b)));
        // A small one is hardly more than a harness and a link, which all of them then share. Not
        // the very smallest: some are empty on this system.
        let shared = takes(&units[units.len() / 4]);
        let sum: f64 = units.iter().map(takes).sum();
        let merged = (sum - shared * (units.len() - 1) as f64).max(shared);
        let mut changed = situation.model.takes.clone();
        for at in &units {
            changed[*at] = Takes::NOTHING;
        }
        if let Some(longest) = units.last() {
            changed[*longest] = Takes { metadata: merged, whole: merged };
        }
        let total = situation.model.run(&changed).total;
        let manifest = situation.metadata.members().find(|known| known.name == package);
        let folder = manifest.map_or("", |package| package.manifest.trim_end_matches("Cargo.toml"));
        found.push(Advice {
            kind: "tests",
            saves: situation.total - total,
            work: sum - merged,
            title: format!("make one test program of the {} that `{package}` has", units.len()),
            because: format!(
                "each links the same libraries again: {sum:.1} s for all of them, and {shared:.1} s even for a small one"
            ),
            edit: format!("move {folder}tests/*.rs to {folder}tests/it/, with a main.rs that has a `mod` for each"),
            sure: Sure::Fair,
            units,
        });
    }
    found
}

/// A member that others wait for while processors are idle.
pub(super) fn splits(situation: &Situation<'_>) -> Vec<Advice> {
    let Situation { graph, model, .. } = situation;
    let mut found = Vec::new();
    for (at, unit) in graph.units.iter().enumerate() {
        let is_candidate =
            unit.is_member && unit.timed.kind == Kind::Lib && unit.timed.mode == Mode::Build;
        if !is_candidate || unit.links || model.jobs < 2 {
            continue;
        }
        // Two halves side by side, on idle processors, take half as long: the best that a split can
        // do.
        let mut changed = model.takes.clone();
        let Takes { metadata, whole } = changed[at];
        changed[at] = Takes { metadata: metadata / 2.0, whole: whole / 2.0 };
        // But the other half is work as well: it occupies a processor.
        let idle = idle_beside(situation, at);
        let saves = (situation.total - model.run(&changed).total).min(idle);
        let Some(package) = situation.metadata.package(&unit.timed.package, &unit.timed.version)
        else {
            continue;
        };
        found.push(Advice {
            kind: "split",
            saves,
            work: 0.0,
            title: format!(
                "split `{}` in two that do not depend on each other",
                unit.timed.package
            ),
            because: format!(
                "it takes {:.1} s, and for {idle:.1} s of them a processor had nothing to do",
                unit.timed.duration
            ),
            edit: format!(
                "move half of what is beside {} into a crate of its own",
                package.manifest
            ),
            sure: Sure::AtMost,
            units: vec![at],
        });
    }
    found
}

/// How long processors were idle while a unit was built, as the simulation has it.
fn idle_beside(situation: &Situation<'_>, at: usize) -> f64 {
    let run = situation.model.as_it_was();
    let interval = |at: usize| (run.starts[at], run.ends[at]);
    let (start, end) = interval(at);
    let mut busy = 0.0;
    for other in 0..run.starts.len() {
        let (other_start, other_end) = interval(other);
        busy += (other_end.min(end) - other_start.max(start)).max(0.0);
    }
    ((end - start) * situation.model.jobs as f64 - busy).max(0.0)
}

//! What is compiled more than once.

use std::collections::{BTreeMap, HashSet};

use super::{Advice, Situation, Sure, list, quoted};
use crate::analyze::deps::units_of_doubles;

/// One package in one version, compiled as a library more than once. What differs in one crate
/// differs in all that depend on it, so all of them are one thing to change.
pub(super) fn built_twice(situation: &Situation<'_>) -> Vec<Advice> {
    let Situation { graph, model, .. } = situation;
    let doubles = units_of_doubles(graph).into_values();
    let has_same_features =
        |units: &Vec<usize>| units.iter().all(|at| graph.features(*at) == graph.features(units[0]));
    let (same, different): (Vec<_>, Vec<_>) = doubles.partition(has_same_features);
    let advice = |groups: Vec<Vec<usize>>, is_same: bool| {
        let takes = |at: &usize| model.takes[*at].whole;
        let mut gone = HashSet::new();
        for units in &groups {
            let longest = units.iter().max_by(|a, b| takes(a).total_cmp(&takes(b)));
            gone.extend(units.iter().filter(|at| Some(*at) != longest));
        }
        let names = list(situation.names(&gone));
        let (because, edit) = if is_same {
            let because = "compiled once for what you run and once for build scripts and \
                           proc-macros, with the same features but other settings";
            let edit = "in Cargo.toml: give `[profile.dev.build-override]` the values that \
                        `[profile.dev]` and `[profile.dev.package.\"*\"]` have (`debug`, \
                        `opt-level`, `codegen-units`)";
            (format!("{names}: {because}"), edit)
        } else {
            let examples: Vec<String> =
                groups.iter().take(3).map(|units| differing(situation, units)).collect();
            let edit = "have both sides ask for the same features: add those that only one has to \
                        the other, in `[build-dependencies]` or `[workspace.dependencies]`";
            (format!("{names} in all; {}", examples.join("; ")), edit)
        };
        let packages = if groups.len() == 1 { "package" } else { "packages" };
        let title = format!("compile {} {packages} once, not twice", groups.len());
        let sure = if is_same { Sure::High } else { Sure::AtMost };
        Advice { sure, ..situation.without(gone, "twice", title, because, edit.to_owned()) }
    };
    vec![advice(same, true), advice(different, false)] // Those of nothing save nothing.
}

/// `syn without extra-traits and with it`.
fn differing(situation: &Situation<'_>, units: &[usize]) -> String {
    let features = |at: usize| situation.graph.features(at);
    let name = &situation.graph.units[units[0]].timed.package;
    let (a, b) = (features(units[0]), features(units[1]));
    format!("`{name}` once with and once without {}", list(quoted(a.symmetric_difference(&b))))
}

/// One package in several versions.
pub(super) fn versions(situation: &Situation<'_>) -> Vec<Advice> {
    let metadata = situation.metadata;
    let mut by_name: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (at, package) in metadata.packages.iter().enumerate() {
        if !situation.units_of(package).is_empty() {
            by_name.entry(&package.name).or_default().push(at);
        }
    }
    let mut found = Vec::new();
    for (name, mut packages) in by_name.into_iter().filter(|(_, packages)| packages.len() > 1) {
        packages.sort_by_key(|at| version_order(&metadata.packages[*at].version));
        let Some((newest, older)) = packages.split_last() else { continue };
        for old in older {
            let own = situation.units_of(&metadata.packages[*old]);
            let gone = situation.graph.without(&own);
            let asking = metadata.who_asks(*old);
            let names =
                list(asking.iter().map(|package| format!("{} {}", package.name, package.version)));
            let mut members = asking.iter().filter(|package| package.is_member).peekable();
            let old_version = &metadata.packages[*old].version;
            let new_version = &metadata.packages[*newest].version;
            let edit = if members.peek().is_none() {
                format!(
                    "look for releases of {names} that ask for `{name}` {new_version}: `cargo \
                     update`, then `cargo tree --invert {name}@{old_version}`"
                )
            } else {
                let manifests = list(members.map(|package| &package.manifest));
                format!("in {manifests}: ask for `{name}` {new_version}")
            };
            let seconds = situation.graph.seconds(&gone);
            let because = format!(
                "{old_version} is asked for by {names} and takes {seconds:.1} s to compile"
            );
            let title = format!("use `{name}` {new_version} only, without {old_version}");
            found.push(situation.without(gone, "version", title, because, edit));
        }
    }
    found
}

fn version_order(version: &str) -> Vec<u64> {
    version.split(['.', '-', '+']).map(|part| part.parse().unwrap_or(0)).collect()
}

//! What is compiled more than once.

use std::collections::{BTreeMap, HashSet};

use super::{Advice, Situation, Sure, list, quoted};
use crate::analyze::deps::units_of_doubles;
use crate::analyze::metadata::Package;

/// One package in one version, compiled as a library more than once.
pub(super) fn built_twice(situation: &Situation<'_>) -> Vec<Advice> {
    // They come in whole trees: what differs in one crate differs in all that depend on it. So they
    // are one thing to mend.
    let mut by_reason: BTreeMap<bool, Vec<Vec<usize>>> = BTreeMap::new();
    for units in units_of_doubles(situation.graph).into_values() {
        let features = |at: &usize| &situation.graph.units[*at].timed.features;
        let has_same_features = units.iter().all(|at| features(at) == features(&units[0]));
        by_reason.entry(has_same_features).or_default().push(units);
    }
    let mut found = Vec::new();
    for (has_same_features, groups) in by_reason {
        let mut gone = HashSet::new();
        for units in &groups {
            let longest = units.iter().max_by(|a, b| {
                situation.model.takes[**a].whole.total_cmp(&situation.model.takes[**b].whole)
            });
            gone.extend(units.iter().filter(|at| Some(*at) != longest));
        }
        let names = situation.names(&gone, "");
        let (because, edit) = if has_same_features {
            (
                format!(
                    "{} {} compiled once for what you run and once for build scripts and proc-macros, with the same features but other settings",
                    list(&names),
                    if names.len() == 1 { "is" } else { "are" },
                ),
                "in Cargo.toml: give `[profile.dev.build-override]` the values that `[profile.dev]` and \
                 `[profile.dev.package.\"*\"]` have (`debug`, `opt-level`, `codegen-units`)"
                    .to_owned(),
            )
        } else {
            let examples: Vec<String> =
                groups.iter().take(3).map(|units| differing(situation, units)).collect();
            (
                format!("{} in all; {}", list(&names), examples.join("; ")),
                "have both sides ask for the same features: add those that only one has to the other, in \
                 `[build-dependencies]` or `[workspace.dependencies]`"
                    .to_owned(),
            )
        };
        let packages = if groups.len() == 1 { "package" } else { "packages" };
        let title = format!("compile {} {packages} once, not twice", groups.len());
        let sure = if has_same_features { Sure::High } else { Sure::AtMost };
        found.push(Advice { sure, ..situation.without(gone, "twice", title, because, edit) });
    }
    found
}

/// `syn without extra-traits and with it`.
fn differing(situation: &Situation<'_>, units: &[usize]) -> String {
    let features = |at: usize| situation.graph.features(at);
    let name = &situation.graph.units[units[0]].timed.package;
    let (a, b) = (features(units[0]), features(units[1]));
    let only: Vec<String> = quoted(a.symmetric_difference(&b));
    format!("`{name}` once with and once without {}", list(&only))
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
            let names: Vec<String> = asking
                .iter()
                .map(|package| format!("{} {}", package.name, package.version))
                .collect();
            let manifests = asking.iter().filter(|package| package.is_member);
            let manifests: Vec<String> =
                manifests.map(|package: &&Package| package.manifest.clone()).collect();
            let old_version = &metadata.packages[*old].version;
            let new_version = &metadata.packages[*newest].version;
            let edit = if manifests.is_empty() {
                format!(
                    "look for releases of {} that ask for `{name}` {new_version}: `cargo update`, \
                     then `cargo tree --invert {name}@{old_version}`",
                    list(&names)
                )
            } else {
                format!("in {}: ask for `{name}` {new_version}", list(&manifests))
            };
            let because = format!(
                "{old_version} is asked for by {} and takes {:.1} s to compile",
                list(&names),
                situation.graph.seconds(&gone)
            );
            let title = format!("use `{name}` {new_version} only, without {old_version}");
            found.push(situation.without(gone, "version", title, because, edit));
        }
    }
    found
}

fn version_order(version: &str) -> Vec<u64> {
    let numbers = version.split(['.', '-', '+']).map(|part| part.parse().unwrap_or(0));
    numbers.collect()
}

//! Features that could be left off.

use std::collections::{BTreeSet, HashSet};

use super::{Advice, Situation, list, orphans, quoted};
use crate::analyze::graph::Graph;
use crate::analyze::metadata::{Asks, Package};

/// A feature of a dependency that members switch on, by name or by default, and that brings other
/// packages.
pub(super) fn features(situation: &Situation<'_>) -> Vec<Advice> {
    let metadata = situation.metadata;
    let mut found = Vec::new();
    for (at, package) in metadata.others() {
        let asking = metadata.who_asks(at);
        let asks: Vec<(&Package, &Asks)> = asking
            .iter()
            .flat_map(|asking| asking.asks_for(package).map(move |asks| (*asking, asks)))
            .collect();
        let (members, others): (Vec<_>, Vec<_>) =
            asks.iter().partition(|(asking, _)| asking.is_member);
        if members.is_empty() {
            continue;
        }
        // What others want stays on, whatever the members say.
        let mut fixed = named(package, &others);
        let passed_on: Vec<String> =
            others.iter().flat_map(|(asking, asks)| passes_on(asking, asks)).collect();
        fixed.extend(passed_on.iter().map(String::as_str));
        let asks = members;
        let wanted = named(package, &asks);
        let defaults = defaults(package);
        let wanted: BTreeSet<&str> = wanted.union(&fixed).copied().collect();
        let candidates: Vec<&str> = wanted.difference(&fixed).copied().collect();

        let brought_by_all = brings(package, &wanted);
        for feature in &candidates {
            let others: BTreeSet<&str> =
                wanted.iter().copied().filter(|other| other != feature).collect();
            let brought = brings(package, &others);
            let lost: Vec<&String> = brought_by_all.difference(&brought).collect();
            if lost.is_empty() {
                continue;
            }
            let Some(gone) = without_edges(situation, package, &lost) else { continue };
            let manifests: BTreeSet<String> =
                asks.iter().map(|(member, _)| member.manifest.clone()).collect();
            let manifests = list(&manifests.into_iter().collect::<Vec<_>>());
            let name = &package.name;
            let edit = if defaults.contains(feature) {
                let rest = match quoted(&others).join(", ") {
                    rest if rest.is_empty() => "that you use".to_owned(),
                    rest => rest,
                };
                format!(
                    "in {manifests}: `{name}` with `default-features = false` and the features \
                     {rest} instead"
                )
            } else {
                format!("in {manifests}: take `{feature}` out of the features of `{name}`")
            };
            let because = format!(
                "it brings {}, which take {:.1} s to compile",
                list(&situation.names(&gone, "")),
                situation.graph.seconds(&gone)
            );
            let title = format!("do without the feature `{feature}` of `{name}`");
            found.push(situation.without(gone, "feature", title, because, edit));
        }
    }
    found
}

/// The features that these ask for by name, or by default.
fn named<'a>(package: &'a Package, asks: &[(&'a Package, &'a Asks)]) -> BTreeSet<&'a str> {
    let by_name = asks.iter().flat_map(|(_, asks)| asks.features.iter().map(String::as_str));
    let mut named: BTreeSet<&str> = by_name.collect();
    if asks.iter().any(|(_, asks)| asks.default_features) {
        named.extend(defaults(package));
    }
    named
}

fn defaults(package: &Package) -> Vec<&str> {
    let defaults = package.feature_table.get("default");
    defaults.into_iter().flatten().map(String::as_str).collect()
}

/// The features of a dependency that a package's own features, as far as they are on, switch on.
fn passes_on(package: &Package, asks: &Asks) -> Vec<String> {
    let table = package.feature_table.iter().filter(|(name, _)| package.features.contains(name));
    let items = table.flat_map(|(_, list)| list);
    let passed = items.filter_map(|item| {
        let (dependency, feature) = item.split_once('/')?;
        (dependency.trim_end_matches('?') == asks.key()).then(|| feature.to_owned())
    });
    passed.collect()
}

/// The optional dependencies, by the names in the manifest, that these features switch on.
fn brings(package: &Package, features: &BTreeSet<&str>) -> BTreeSet<String> {
    let mut stack: Vec<&str> = features.iter().copied().collect();
    let mut seen: BTreeSet<&str> = stack.iter().copied().collect();
    let mut brought = BTreeSet::new();
    while let Some(feature) = stack.pop() {
        let Some(list) = package.feature_table.get(feature) else { continue };
        for item in list {
            if let Some(dependency) = item.strip_prefix("dep:") {
                brought.insert(dependency.to_owned());
            } else if let Some((dependency, _)) = item.split_once('/') {
                // `name?/feature` switches nothing on by itself.
                brought.extend((!dependency.ends_with('?')).then(|| dependency.to_owned()));
            } else if seen.insert(item) {
                stack.push(item);
            }
        }
    }
    let is_optional = |name: &String| {
        package.asks.iter().any(|asks| asks.is_optional && asks.key() == name.as_str())
    };
    brought.into_iter().filter(is_optional).collect()
}

/// What goes when `package` no longer depends on these.
fn without_edges(
    situation: &Situation<'_>,
    package: &Package,
    lost: &[&String],
) -> Option<HashSet<usize>> {
    let own = situation.units_of(package);
    let names: Vec<&str> = lost
        .iter()
        .filter_map(|key| package.asks.iter().find(|asks| asks.key() == key.as_str()))
        .map(|asks| asks.name.as_str())
        .collect();
    let mut graph = Graph { units: situation.graph.units.clone() };
    let mut is_changed = false;
    for at in own {
        let is_kept = |dependency: &usize| {
            !names.contains(&situation.graph.units[*dependency].timed.package.as_str())
        };
        let before = graph.units[at].dependencies.len();
        graph.units[at].dependencies.retain(is_kept);
        is_changed |= graph.units[at].dependencies.len() != before;
    }
    if !is_changed {
        return None;
    }
    orphans(situation.graph, &graph)
}

//! Features that could be left off.

use std::collections::BTreeSet;

use super::{Advice, Situation, list, quoted};
use crate::analyze::metadata::{Asks, Package};

/// A feature of a dependency that members switch on, by name or by default, and that brings other
/// packages.
pub(super) fn features(situation: &Situation<'_>) -> Vec<Advice> {
    let metadata = situation.metadata;
    let mut found = Vec::new();
    for (at, package) in metadata.others() {
        let asking = metadata.who_asks(at).into_iter();
        let asks =
            asking.flat_map(|asking| asking.asks_for(package).map(move |asks| (asking, asks)));
        let (members, others): (Vec<_>, Vec<_>) = asks.partition(|(asking, _)| asking.is_member);
        if members.is_empty() {
            continue;
        }
        // What other packages ask for stays on.
        let mut fixed = named(package, &others);
        fixed.extend(others.iter().flat_map(|(asking, asks)| passes_on(asking, asks)));
        let wanted: BTreeSet<&str> = named(package, &members).union(&fixed).copied().collect();
        let brought_by_all = brings(package, &wanted);
        for feature in wanted.difference(&fixed) {
            let mut others = wanted.clone();
            others.remove(feature);
            let brought = brings(package, &others);
            let lost = brought_by_all.difference(&brought);
            let lost = lost.flat_map(|key| package.asks.iter().find(|asks| asks.key() == *key));
            let edges: Vec<_> = lost.map(|asks| (package, asks.name.as_str())).collect();
            let Some(gone) = situation.without_edges(&edges) else { continue };
            let manifests: BTreeSet<&String> =
                members.iter().map(|(member, _)| &member.manifest).collect();
            let (name, manifests) = (&package.name, list(manifests));
            let edit = if defaults(package).any(|default| default == *feature) {
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
                list(situation.names(&gone)),
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
    let has_defaults = asks.iter().any(|(_, asks)| asks.default_features);
    by_name.chain(defaults(package).filter(|_| has_defaults)).collect()
}

fn defaults(package: &Package) -> impl Iterator<Item = &str> {
    package.feature_table.get("default").into_iter().flatten().map(String::as_str)
}

/// The features of a dependency that a package's own features, as far as they are on, switch on.
fn passes_on<'a>(package: &'a Package, asks: &'a Asks) -> impl Iterator<Item = &'a str> {
    let table = package.feature_table.iter().filter(|(name, _)| package.features.contains(name));
    table.flat_map(|(_, list)| list).filter_map(|item| {
        let (dependency, feature) = item.split_once('/')?;
        (dependency.trim_end_matches('?') == asks.key()).then_some(feature)
    })
}

/// The optional dependencies, by the names in the manifest, that these features switch on.
fn brings<'a>(package: &'a Package, features: &BTreeSet<&'a str>) -> BTreeSet<&'a str> {
    let mut stack: Vec<&str> = features.iter().copied().collect();
    let mut seen = features.clone();
    let mut brought = BTreeSet::new();
    while let Some(feature) = stack.pop() {
        for item in package.feature_table.get(feature).into_iter().flatten() {
            if let Some(dependency) = item.strip_prefix("dep:") {
                brought.insert(dependency);
            } else if let Some((dependency, _)) = item.split_once('/') {
                // `name?/feature` switches nothing on by itself.
                brought.extend((!dependency.ends_with('?')).then_some(dependency));
            } else if seen.insert(item) {
                stack.push(item);
            }
        }
    }
    brought.retain(|name| package.asks.iter().any(|asks| asks.is_optional && asks.key() == *name));
    brought
}

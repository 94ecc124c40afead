//! What to change first: each change is tried in the simulation, and what it saves is the difference.
//!
//! Nothing is advised that the simulation does not show to be worth something, and nothing at all where the simulation does
//! not reproduce the build that was measured.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use crate::deps::Unused;
use crate::graph::{Graph, Unit};
use crate::metadata::{Asks, Metadata, Package};
use crate::simulate::{Model, Takes};
use crate::timings::{Kind, Mode};

/// The simulation may be this far off from what was measured, as a part of it.
pub(crate) const TOLERANCE: f64 = 0.10;

/// What saves less than this part of the build is not worth a reader's time.
const WORTH: f64 = 0.01;

/// One change, and what it would save.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Advice {
    pub(crate) kind: &'static str,
    /// Seconds of the build that was measured.
    pub(crate) saves: f64,
    /// Of compiling, on all processors together, that would not happen.
    pub(crate) work: f64,
    pub(crate) title: String,
    /// What was seen.
    pub(crate) because: String,
    /// What to edit.
    pub(crate) edit: String,
    pub(crate) sure: Sure,
    /// The units that it is about.
    pub(crate) units: Vec<usize>,
}

/// How sure the number is, not whether the change can be made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Sure {
    /// These units go, and nothing else changes.
    High,
    /// What is left takes longer or less long than now, by an estimate.
    Fair,
    /// An upper bound.
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
    let mut advice = unused(situation);
    advice.extend(dependencies(situation));
    advice.extend(optional_below(situation));
    advice.extend(features(situation));
    advice.extend(built_twice(situation));
    advice.extend(versions(situation));
    advice.extend(test_programs(situation));
    advice.extend(splits(situation));
    advice.retain(|advice| advice.saves >= (situation.total * WORTH).max(0.1));
    advice.sort_by(|a, b| b.saves.total_cmp(&a.saves));
    without_repetition(situation, advice)
}

/// Two ways to get rid of the same work are one thing to read.
fn without_repetition(situation: &Situation<'_>, advice: Vec<Advice>) -> Vec<Advice> {
    let mut kept: Vec<Advice> = Vec::new();
    for advice in advice {
        let units: HashSet<usize> = advice.units.iter().copied().collect();
        let work = situation.work(&units);
        let is_same = |other: &Advice| {
            let other: HashSet<usize> = other.units.iter().copied().collect();
            let common = situation.work(&units.intersection(&other).copied().collect());
            common >= 0.8 * work.max(situation.work(&other))
        };
        match kept.iter_mut().find(|other| is_same(other)) {
            None => kept.push(advice),
            // A feature is less to give up than the whole dependency.
            Some(other) if advice.kind == "feature" && ["dependency", "optional"].contains(&other.kind) => {
                *other = advice;
            }
            Some(_) => {}
        }
    }
    kept
}

impl Situation<'_> {
    fn saves(&self, gone: &HashSet<usize>) -> f64 {
        self.total - self.model.total_without(gone.iter().copied())
    }

    fn work(&self, gone: &HashSet<usize>) -> f64 {
        gone.iter().map(|at| self.graph.units[*at].timed.duration).sum()
    }

    /// None where it is not certain whose they are.
    fn units_of(&self, package: &Package) -> HashSet<usize> {
        if self.metadata.has_double(package) {
            return HashSet::new();
        }
        let units = self.graph.units.iter().enumerate();
        let is_its =
            |unit: &Unit| unit.timed.package == package.name && unit.timed.version == package.version;
        units.filter(|(_, unit)| is_its(unit)).map(|(at, _)| at).collect()
    }

    /// The names of the packages that go with `gone`, but `but`.
    fn names(&self, gone: &HashSet<usize>, but: &str) -> Vec<String> {
        let names: BTreeSet<&str> =
            gone.iter().map(|at| self.graph.units[*at].timed.package.as_str()).collect();
        names.into_iter().filter(|name| *name != but).map(str::to_owned).collect()
    }
}

/// `a, b and c`; of many, the first and how many more.
pub(crate) fn list(names: &[String]) -> String {
    const SHOWN_MAX: usize = 4;
    match names {
        [] => "nobody".to_owned(),
        [one] => one.clone(),
        [first @ .., last] if names.len() <= SHOWN_MAX => format!("{} and {last}", first.join(", ")),
        _ => format!("{} and {} more", names[..SHOWN_MAX - 1].join(", "), names.len() - SHOWN_MAX + 1),
    }
}

fn quoted(names: impl IntoIterator<Item = impl AsRef<str>>) -> Vec<String> {
    names.into_iter().map(|name| format!("`{}`", name.as_ref())).collect()
}

/// All that no code uses, together: it can go without a thought.
fn unused(situation: &Situation<'_>) -> Vec<Advice> {
    let mut graph = Graph { units: situation.graph.units.clone() };
    let mut names = Vec::new();
    for Unused { manifest, name } in situation.unused {
        let Some(member) = situation.metadata.packages.iter().find(|package| package.manifest == *manifest)
        else {
            continue;
        };
        let package = member.asks.iter().find(|asks| asks.key() == name).map_or(name, |asks| &asks.name);
        for at in situation.units_of(member) {
            let is_kept = |at: &usize| situation.graph.units[*at].timed.package != *package;
            graph.units[at].dependencies.retain(is_kept);
        }
        names.push(format!("`{name}` in {manifest}"));
    }
    let Some(gone) = orphans(situation.graph, &graph) else { return Vec::new() };
    vec![Advice {
        kind: "unused",
        saves: situation.saves(&gone),
        work: situation.work(&gone),
        title: format!("remove the {} dependencies that no code uses", names.len()),
        because: format!(
            "cargo-shear finds no use of {}; without them {} would not be compiled",
            list(&names),
            list(&situation.names(&gone, ""))
        ),
        edit: "run `cargo shear --fix`, and look at the difference: what only a macro or another platform uses is missed".to_owned(),
        sure: Sure::High,
        units: sorted(gone),
    }]
}

/// What nobody wants any more once edges have been taken out of `before`.
fn orphans(before: &Graph, after: &Graph) -> Option<HashSet<usize>> {
    // What was asked for stays asked for; what has lost its last dependent was not.
    let lost: HashSet<usize> = roots(after).difference(&roots(before)).copied().collect();
    let gone = after.without(&lost);
    (!gone.is_empty()).then_some(gone)
}

/// A dependency that a member names, with all that comes along for it alone.
fn dependencies(situation: &Situation<'_>) -> Vec<Advice> {
    let Situation { graph, metadata, .. } = situation;
    let mut found = Vec::new();
    for (at, package) in metadata.packages.iter().enumerate().filter(|(_, package)| !package.is_member) {
        let members: Vec<&Package> =
            metadata.who_asks(at).into_iter().filter(|package| package.is_member).collect();
        let own = situation.units_of(package);
        if members.is_empty() || own.is_empty() {
            continue;
        }
        // If another dependency wants it, too, it stays whatever the members do.
        let is_else_wanted = graph.units.iter().enumerate().any(|(at, unit)| {
            !own.contains(&at) && !unit.is_member && unit.dependencies.iter().any(|at| own.contains(at))
        });
        if is_else_wanted {
            continue;
        }
        let gone = graph.without(&own);
        let along = situation.names(&gone, &package.name);
        let because = match along.len() {
            0 => format!("it takes {:.1} s to compile", situation.work(&gone)),
            count => format!(
                "it and the {count} {} that only it needs ({}) take {:.1} s to compile",
                if count == 1 { "package" } else { "packages" },
                list(&along),
                situation.work(&gone)
            ),
        };
        let manifests: Vec<String> = members.iter().map(|member| member.manifest.clone()).collect();
        let mut asks =
            members.iter().flat_map(|member| &member.asks).filter(|asks| asks.name == package.name);
        let optional =
            members.iter().flat_map(|member| &member.asks).filter(|asks| asks.name == package.name);
        let how = if optional.clone().count() > 0 && optional.clone().all(|asks| asks.is_optional) {
            ", or leave the feature off that brings it: it is optional already"
        } else if asks.all(|asks| asks.kind == "dev") {
            " from the dev-dependencies" // Which cannot be optional.
        } else {
            ", or make it `optional = true` behind a feature that everyday builds leave off"
        };
        found.push(Advice {
            kind: "dependency",
            saves: situation.saves(&gone),
            work: situation.work(&gone),
            title: format!("do without `{}` {}", package.name, package.version),
            because,
            edit: format!("in {}: remove `{}`{how}", list(&manifests), package.name),
            sure: Sure::High,
            units: sorted(gone),
        });
    }
    found
}

/// A package that no member names, and that all who do could go without: it is optional there.
fn optional_below(situation: &Situation<'_>) -> Vec<Advice> {
    let metadata = situation.metadata;
    let mut found = Vec::new();
    for (at, package) in metadata.packages.iter().enumerate().filter(|(_, package)| !package.is_member) {
        let asking = metadata.who_asks(at);
        let is_optional = |asking: &&Package| {
            !asking.is_member
                && asking.asks.iter().filter(|asks| asks.name == package.name).all(|asks| asks.is_optional)
        };
        let own = situation.units_of(package);
        if own.is_empty() || asking.is_empty() || !asking.iter().all(is_optional) {
            continue;
        }
        let gone = situation.graph.without(&own);
        let Some(path) = metadata.path_to(at) else { continue };
        let Package { name, version, .. } = package;
        let runs = gone.iter().filter(|at| situation.graph.units[**at].timed.mode == Mode::Run);
        let running: f64 = runs.map(|at| situation.graph.units[*at].timed.duration).sum();
        let script =
            if running > 1.0 { format!(", {running:.1} s of them in build scripts") } else { String::new() };
        let others: Vec<String> = asking.iter().map(|asking| asking.name.clone()).collect();
        found.push(Advice {
            kind: "optional",
            saves: situation.saves(&gone),
            work: situation.work(&gone),
            title: format!("switch off what brings `{name}` {version}"),
            because: format!(
                "it is optional for {}, comes by {}, and takes {:.1} s with all that only it needs{script}",
                list(&others),
                path.join(" → "),
                situation.work(&gone)
            ),
            edit: format!(
                "`cargo tree --edges features --invert {name}@{version}` shows the features that switch it on; leave them out \
                 where `{}` is asked for, or choose an alternative that it offers",
                path.get(1).unwrap_or(name)
            ),
            sure: Sure::High,
            units: sorted(gone),
        });
    }
    found
}

fn sorted(units: HashSet<usize>) -> Vec<usize> {
    let mut units: Vec<usize> = units.into_iter().collect();
    units.sort_unstable();
    units
}

/// A feature of a dependency that members switch on, by name or by default, and that brings other packages.
fn features(situation: &Situation<'_>) -> Vec<Advice> {
    let metadata = situation.metadata;
    let mut found = Vec::new();
    for (at, package) in metadata.packages.iter().enumerate().filter(|(_, package)| !package.is_member) {
        let asking = metadata.who_asks(at);
        let asks: Vec<(&Package, &Asks)> = asking
            .iter()
            .flat_map(|asking| asking.asks.iter().map(move |asks| (*asking, asks)))
            .filter(|(_, asks)| asks.name == package.name)
            .collect();
        let (members, others): (Vec<_>, Vec<_>) = asks.iter().partition(|(asking, _)| asking.is_member);
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
            let others: BTreeSet<&str> = wanted.iter().copied().filter(|other| other != feature).collect();
            let brought = brings(package, &others);
            let lost: Vec<&String> = brought_by_all.difference(&brought).collect();
            if lost.is_empty() {
                continue;
            }
            let Some(gone) = without_edges(situation, package, &lost) else { continue };
            let is_default = defaults.contains(feature);
            let manifests: BTreeSet<String> =
                asks.iter().map(|(member, _)| member.manifest.clone()).collect();
            let manifests: Vec<String> = manifests.into_iter().collect();
            let rest: Vec<String> = quoted(others.iter());
            let edit = if is_default {
                format!(
                    "in {}: `{}` with `default-features = false` and the features {} instead",
                    list(&manifests),
                    package.name,
                    if rest.is_empty() { "that you use".to_owned() } else { rest.join(", ") }
                )
            } else {
                format!("in {}: take `{feature}` out of the features of `{}`", list(&manifests), package.name)
            };
            found.push(Advice {
                kind: "feature",
                saves: situation.saves(&gone),
                work: situation.work(&gone),
                title: format!("do without the feature `{feature}` of `{}`", package.name),
                because: format!(
                    "it brings {}, which take {:.1} s to compile",
                    list(&situation.names(&gone, "")),
                    situation.work(&gone)
                ),
                edit,
                sure: Sure::High,
                units: sorted(gone),
            });
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
    let defaults = package.feature_table.iter().find(|(name, _)| name == "default");
    defaults.into_iter().flat_map(|(_, list)| list.iter().map(String::as_str)).collect()
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
        let Some((_, list)) = package.feature_table.iter().find(|(name, _)| name == feature) else {
            continue;
        };
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
    let is_optional =
        |name: &String| package.asks.iter().any(|asks| asks.is_optional && asks.key() == name.as_str());
    brought.into_iter().filter(is_optional).collect()
}

/// What goes when `package` no longer depends on these.
fn without_edges(situation: &Situation<'_>, package: &Package, lost: &[&String]) -> Option<HashSet<usize>> {
    let own = situation.units_of(package);
    let names: Vec<&str> = lost
        .iter()
        .filter_map(|key| package.asks.iter().find(|asks| asks.key() == key.as_str()))
        .map(|asks| asks.name.as_str())
        .collect();
    let mut graph = Graph { units: situation.graph.units.clone() };
    let mut is_changed = false;
    for at in own {
        let is_kept =
            |dependency: &usize| !names.contains(&situation.graph.units[*dependency].timed.package.as_str());
        let before = graph.units[at].dependencies.len();
        graph.units[at].dependencies.retain(is_kept);
        is_changed |= graph.units[at].dependencies.len() != before;
    }
    if !is_changed {
        return None;
    }
    orphans(situation.graph, &graph)
}

fn roots(graph: &Graph) -> HashSet<usize> {
    let dependents = graph.dependents();
    (0..graph.units.len()).filter(|at| dependents[*at].is_empty()).collect()
}

/// One package in one version, compiled as a library more than once.
fn built_twice(situation: &Situation<'_>) -> Vec<Advice> {
    let mut by_package: BTreeMap<(&str, &str), Vec<usize>> = BTreeMap::new();
    for (at, unit) in situation.graph.units.iter().enumerate() {
        if unit.timed.kind == Kind::Lib && unit.timed.mode == Mode::Build {
            by_package.entry((&unit.timed.package, &unit.timed.version)).or_default().push(at);
        }
    }
    by_package.retain(|_, units| units.len() > 1);

    // They come in whole trees: what differs in one crate differs in all that depend on it. So they are one thing to mend.
    let mut by_reason: BTreeMap<bool, Vec<Vec<usize>>> = BTreeMap::new();
    for units in by_package.into_values() {
        let features = |at: &usize| &situation.graph.units[*at].timed.features;
        let has_same_features = units.iter().all(|at| features(at) == features(&units[0]));
        by_reason.entry(has_same_features).or_default().push(units);
    }
    let mut found = Vec::new();
    for (has_same_features, groups) in by_reason {
        let mut gone = HashSet::new();
        for units in &groups {
            let longest = units
                .iter()
                .max_by(|a, b| situation.model.takes[**a].whole.total_cmp(&situation.model.takes[**b].whole));
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
        found.push(Advice {
            kind: "twice",
            saves: situation.saves(&gone),
            work: situation.work(&gone),
            title: format!(
                "compile {} {} once, not twice",
                groups.len(),
                if groups.len() == 1 { "package" } else { "packages" }
            ),
            because,
            edit,
            sure: if has_same_features { Sure::High } else { Sure::AtMost },
            units: sorted(gone),
        });
    }
    found
}

/// `syn without extra-traits and with it`.
fn differing(situation: &Situation<'_>, units: &[usize]) -> String {
    let features = |at: usize| situation.graph.units[at].timed.features.iter().collect::<BTreeSet<_>>();
    let name = &situation.graph.units[units[0]].timed.package;
    let (a, b) = (features(units[0]), features(units[1]));
    let only: Vec<String> = quoted(a.symmetric_difference(&b));
    format!("`{name}` once with and once without {}", list(&only))
}

/// One package in several versions.
fn versions(situation: &Situation<'_>) -> Vec<Advice> {
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
            let asking: Vec<String> = metadata
                .who_asks(*old)
                .iter()
                .map(|package| format!("{} {}", package.name, package.version))
                .collect();
            let is_ours = metadata.who_asks(*old).iter().any(|package| package.is_member);
            let old_version = &metadata.packages[*old].version;
            let new_version = &metadata.packages[*newest].version;
            let edit = if is_ours {
                let manifests: Vec<String> = metadata
                    .who_asks(*old)
                    .iter()
                    .filter(|package| package.is_member)
                    .map(|package| package.manifest.clone())
                    .collect();
                format!("in {}: ask for `{name}` {new_version}", list(&manifests))
            } else {
                format!(
                    "look for releases of {} that ask for `{name}` {new_version}: cargo update, then cargo tree --invert {name}@{old_version}",
                    list(&asking)
                )
            };
            found.push(Advice {
                kind: "version",
                saves: situation.saves(&gone),
                work: situation.work(&gone),
                title: format!("have `{name}` {new_version} alone, without {old_version}"),
                because: format!(
                    "{old_version} is asked for by {} and takes {:.1} s to compile",
                    list(&asking),
                    situation.work(&gone)
                ),
                edit,
                sure: Sure::High,
                units: sorted(gone),
            });
        }
    }
    found
}

fn version_order(version: &str) -> Vec<u64> {
    let numbers = version.split(['.', '-', '+']).map(|part| part.parse().unwrap_or(0));
    numbers.collect()
}

/// Several test programs of one package: each is linked, with all that is in it.
fn test_programs(situation: &Situation<'_>) -> Vec<Advice> {
    let mut by_package: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (at, unit) in situation.graph.units.iter().enumerate() {
        if unit.is_member && matches!(unit.timed.kind, Kind::Test(_)) {
            by_package.entry(&unit.timed.package).or_default().push(at);
        }
    }
    let mut found = Vec::new();
    for (package, mut units) in by_package.into_iter().filter(|(_, units)| units.len() > 1) {
        let takes = |at: &usize| situation.model.takes[*at].whole;
        units.sort_by(|a, b| takes(a).total_cmp(&takes(b)));
        // A small one is hardly more than a harness and a link, which all of them then share. Not the very smallest: some are
        // empty on this system.
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
        let manifest =
            situation.metadata.packages.iter().find(|known| known.is_member && known.name == package);
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
fn splits(situation: &Situation<'_>) -> Vec<Advice> {
    let Situation { graph, model, .. } = situation;
    let mut found = Vec::new();
    for (at, unit) in graph.units.iter().enumerate() {
        let is_candidate = unit.is_member && unit.timed.kind == Kind::Lib && unit.timed.mode == Mode::Build;
        if !is_candidate || unit.links || model.jobs < 2 {
            continue;
        }
        // Two halves side by side, on idle processors, take half as long: the best that a split can do.
        let mut changed = model.takes.clone();
        let Takes { metadata, whole } = changed[at];
        changed[at] = Takes { metadata: metadata / 2.0, whole: whole / 2.0 };
        // But the other half is work as well: it occupies a processor.
        let idle = idle_beside(situation, at);
        let saves = (situation.total - model.run(&changed).total).min(idle);
        let Some(package) = situation.metadata.package(&unit.timed.package, &unit.timed.version) else {
            continue;
        };
        found.push(Advice {
            kind: "split",
            saves,
            work: 0.0,
            title: format!("split `{}` in two that do not depend on each other", unit.timed.package),
            because: format!(
                "it takes {:.1} s, and for {idle:.1} s of them a processor had nothing to do",
                unit.timed.duration
            ),
            edit: format!("move half of what is beside {} into a crate of its own", package.manifest),
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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::timings::Timed;

    /// `app` asks for `web` with its default features, of which `tls` brings `crypto`; both take long. `small` does not.
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
        Metadata::read(&metadata).expect("it is as cargo writes it")
    }

    fn graph() -> Graph {
        let unit = |name: &str, duration: f64, dependencies: &[usize]| Unit {
            timed: Timed { package: name.into(), version: "1.0.0".into(), duration, ..Timed::default() },
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
                // Not as what `crypto` could be done without: it is one feature of something that `app` asks for.
                ("do without the feature `tls` of `web`", 6.0),
            ]
        );
        assert!(
            advice[1].edit.contains("`web` with `default-features = false` and the features `plain`"),
            "{}",
            advice[1].edit
        );
        assert!(advice[0].edit.contains("in app/Cargo.toml"), "{}", advice[0].edit);
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
        let web = metadata.packages.iter().position(|package| package.name == "web").expect("it is there");
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
        assert_eq!(list(&names(1)), "0");
        assert_eq!(list(&names(4)), "0, 1, 2 and 3");
        assert_eq!(list(&names(9)), "0, 1, 2 and 6 more");
    }
}

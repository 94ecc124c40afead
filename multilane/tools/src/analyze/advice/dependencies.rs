//! Packages that could go.

use super::{Advice, Situation, list, orphans};
use crate::analyze::deps::Unused;
use crate::analyze::graph::Graph;
use crate::analyze::metadata::{Asks, Package};
use crate::analyze::timings::Mode;

/// All dependencies that no code uses, together.
pub(super) fn unused(situation: &Situation<'_>) -> Vec<Advice> {
    let mut graph = Graph { units: situation.graph.units.clone() };
    let mut names = Vec::new();
    for Unused { manifest, name } in situation.unused {
        let mut packages = situation.metadata.packages.iter();
        let Some(member) = packages.find(|package| package.manifest == *manifest) else { continue };
        let package =
            member.asks.iter().find(|asks| asks.key() == name).map_or(name, |asks| &asks.name);
        for at in situation.units_of(member) {
            let is_kept = |at: &usize| situation.graph.units[*at].timed.package != *package;
            graph.units[at].dependencies.retain(is_kept);
        }
        names.push(format!("`{name}` in {manifest}"));
    }
    let Some(gone) = orphans(situation.graph, &graph) else { return Vec::new() };
    vec![situation.without(
        gone.clone(),
        "unused",
        format!("remove the {} dependencies that no code uses", names.len()),
        format!(
            "cargo-shear finds no use of {}; without them {} would not be compiled",
            list(&names),
            list(&situation.names(&gone, ""))
        ),
        "run `cargo shear --fix`, and check its changes: it misses uses by macros and on other \
         platforms"
            .to_owned(),
    )]
}

/// A dependency that a member names, with all that comes along for it alone.
pub(super) fn dependencies(situation: &Situation<'_>) -> Vec<Advice> {
    let Situation { graph, metadata, .. } = situation;
    let mut found = Vec::new();
    for (at, package) in metadata.others() {
        let members: Vec<&Package> =
            metadata.who_asks(at).into_iter().filter(|package| package.is_member).collect();
        let own = situation.units_of(package);
        if members.is_empty() || own.is_empty() {
            continue;
        }
        // If another dependency wants it, too, it stays whatever the members do.
        let is_else_wanted = graph.units.iter().enumerate().any(|(at, unit)| {
            !own.contains(&at)
                && !unit.is_member
                && unit.dependencies.iter().any(|at| own.contains(at))
        });
        if is_else_wanted {
            continue;
        }
        let gone = graph.without(&own);
        let along = situation.names(&gone, &package.name);
        let seconds = graph.seconds(&gone);
        let because = match along.len() {
            0 => format!("it takes {seconds:.1} s to compile"),
            count => format!(
                "it and the {count} {} that only it needs ({}) take {seconds:.1} s to compile",
                if count == 1 { "package" } else { "packages" },
                list(&along)
            ),
        };
        let manifests: Vec<String> = members.iter().map(|member| member.manifest.clone()).collect();
        let asks = || members.iter().flat_map(|member| member.asks_for(package));
        let how = if asks().next().is_some() && asks().all(|asks| asks.is_optional) {
            ", or leave off the feature that enables it: it is optional already"
        } else if asks().all(Asks::is_dev) {
            " from the dev-dependencies" // Which cannot be optional.
        } else {
            ", or make it `optional = true` behind a feature that everyday builds leave off"
        };
        found.push(situation.without(
            gone,
            "dependency",
            format!("do without `{}` {}", package.name, package.version),
            because,
            format!("in {}: remove `{}`{how}", list(&manifests), package.name),
        ));
    }
    found
}

/// A package that no member names, and that is optional for all packages that name it.
pub(super) fn optional_below(situation: &Situation<'_>) -> Vec<Advice> {
    let metadata = situation.metadata;
    let mut found = Vec::new();
    for (at, package) in metadata.others() {
        let asking = metadata.who_asks(at);
        let is_optional = |asking: &&Package| {
            !asking.is_member && asking.asks_for(package).all(|asks| asks.is_optional)
        };
        let own = situation.units_of(package);
        if own.is_empty() || asking.is_empty() || !asking.iter().all(is_optional) {
            continue;
        }
        let gone = situation.graph.without(&own);
        let Some(path) = metadata.path_to(at) else { continue };
        let Package { name, version, .. } = package;
        let is_run = |at: &&usize| situation.graph.units[**at].timed.mode == Mode::Run;
        let running = situation.graph.seconds(gone.iter().filter(is_run));
        let script = (running > 1.0).then(|| format!(", {running:.1} s of them in build scripts"));
        let others: Vec<String> = asking.iter().map(|asking| asking.name.clone()).collect();
        let because = format!(
            "it is optional for {}, comes by {}, and takes {:.1} s with all that only it needs{}",
            list(&others),
            path.join(" → "),
            situation.graph.seconds(&gone),
            script.unwrap_or_default()
        );
        found.push(situation.without(
            gone,
            "optional",
            format!("switch off the feature that brings `{name}` {version}"),
            because,
            format!(
                "`cargo tree --edges features --invert {name}@{version}` shows the features that \
                 enable it; leave them out where `{}` is asked for, or choose another of its features",
                path.get(1).unwrap_or(name)
            ),
        ));
    }
    found
}

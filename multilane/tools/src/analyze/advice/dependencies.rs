//! Packages that could go.

use super::{Advice, Situation, Sure, list, orphans, sorted};
use crate::analyze::deps::Unused;
use crate::analyze::graph::Graph;
use crate::analyze::metadata::Package;
use crate::analyze::timings::Mode;

/// All that no code uses, together: it can go without a thought.
pub(super) fn unused(situation: &Situation<'_>) -> Vec<Advice> {
    let mut graph = Graph { units: situation.graph.units.clone() };
    let mut names = Vec::new();
    for Unused { manifest, name } in situation.unused {
        let Some(member) =
            situation.metadata.packages.iter().find(|package| package.manifest == *manifest)
        else {
            continue;
        };
        let package =
            member.asks.iter().find(|asks| asks.key() == name).map_or(name, |asks| &asks.name);
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

/// A dependency that a member names, with all that comes along for it alone.
pub(super) fn dependencies(situation: &Situation<'_>) -> Vec<Advice> {
    let Situation { graph, metadata, .. } = situation;
    let mut found = Vec::new();
    for (at, package) in
        metadata.packages.iter().enumerate().filter(|(_, package)| !package.is_member)
    {
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
pub(super) fn optional_below(situation: &Situation<'_>) -> Vec<Advice> {
    let metadata = situation.metadata;
    let mut found = Vec::new();
    for (at, package) in
        metadata.packages.iter().enumerate().filter(|(_, package)| !package.is_member)
    {
        let asking = metadata.who_asks(at);
        let is_optional = |asking: &&Package| {
            !asking.is_member
                && asking
                    .asks
                    .iter()
                    .filter(|asks| asks.name == package.name)
                    .all(|asks| asks.is_optional)
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
        let script = if running > 1.0 {
            format!(", {running:.1} s of them in build scripts")
        } else {
            String::new()
        };
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

//! Packages that could go.

use super::{Advice, Situation, list};
use crate::analyze::deps::Unused;
use crate::analyze::metadata::{Asks, Package};
use crate::analyze::timings::Mode;

/// All dependencies that no code uses, together.
pub(super) fn unused(situation: &Situation<'_>) -> Option<Advice> {
    let edge = |Unused { manifest, name }: &Unused| {
        let mut packages = situation.metadata.packages.iter();
        let member = packages.find(|package| package.manifest == *manifest)?;
        Some((member, member.asks.iter().find(|asks| asks.key() == name)?.name.as_str()))
    };
    let edges: Vec<_> = situation.unused.iter().filter_map(edge).collect();
    let gone = situation.without_edges(&edges)?;
    let names = edges.iter().map(|(member, name)| format!("`{name}` in {}", member.manifest));
    let title = format!("remove the {} dependencies that no code uses", edges.len());
    let because = format!(
        "cargo-shear finds no use of {}; without them {} would not be compiled",
        list(names),
        list(situation.names(&gone))
    );
    let edit = "run `cargo shear --fix`, and check its changes: it misses uses by macros and on \
                other platforms";
    Some(situation.without(gone, "unused", title, because, edit.to_owned()))
}

/// A dependency that a member names, with all that comes along for it alone.
pub(super) fn dependencies(situation: &Situation<'_>) -> Vec<Advice> {
    let Situation { graph, metadata, .. } = situation;
    let advice = metadata.others().filter_map(|(at, package)| {
        let mut members = metadata.who_asks(at);
        members.retain(|package| package.is_member);
        let own = situation.units_of(package);
        // If another dependency needs it, too, it stays even if the members do without.
        let mut others = (0..graph.units.len()).filter(|at| !own.contains(at));
        let is_needed = others.any(|at| {
            let unit = &graph.units[at];
            !unit.is_member && unit.dependencies.iter().any(|at| own.contains(at))
        });
        if members.is_empty() || own.is_empty() || is_needed {
            return None;
        }
        let gone = graph.without(&own);
        let seconds = graph.seconds(&gone);
        let mut along = situation.names(&gone);
        along.remove(package.name.as_str());
        let because = match along.len() {
            0 => format!("it takes {seconds:.1} s to compile"),
            count => format!(
                "it and the {} that only it needs ({}) take {seconds:.1} s to compile",
                if count == 1 { "package".to_owned() } else { format!("{count} packages") },
                list(along)
            ),
        };
        let asks = || members.iter().flat_map(|member| member.asks_for(package));
        let how = if asks().next().is_some() && asks().all(|asks| asks.is_optional) {
            ", or leave off the feature that enables it: it is optional already"
        } else if asks().all(Asks::is_dev) {
            " from the dev-dependencies" // Which cannot be optional.
        } else {
            ", or make it `optional = true` behind a feature that everyday builds leave off"
        };
        let manifests = list(members.iter().map(|member| &member.manifest));
        let title = format!("do without `{}` {}", package.name, package.version);
        let edit = format!("in {manifests}: remove `{}`{how}", package.name);
        Some(situation.without(gone, "dependency", title, because, edit))
    });
    advice.collect()
}

/// A package that no member names, and that is optional for all packages that name it.
pub(super) fn optional_below(situation: &Situation<'_>) -> Vec<Advice> {
    let Situation { graph, metadata, .. } = situation;
    let advice = metadata.others().filter_map(|(at, package)| {
        let asking = metadata.who_asks(at);
        let is_optional = |asking: &&Package| {
            !asking.is_member && asking.asks_for(package).all(|asks| asks.is_optional)
        };
        let own = situation.units_of(package);
        if own.is_empty() || asking.is_empty() || !asking.iter().all(is_optional) {
            return None;
        }
        let gone = graph.without(&own);
        let path = metadata.path_to(at)?;
        let Package { name, version, .. } = package;
        let is_run = |at: &&usize| graph.units[**at].timed.mode == Mode::Run;
        let running = graph.seconds(gone.iter().filter(is_run));
        let script = (running > 1.0).then(|| format!(", {running:.1} s of them in build scripts"));
        let because = format!(
            "it is optional for {}, comes by {}, and takes {:.1} s with all that only it needs{}",
            list(asking.iter().map(|asking| &asking.name)),
            path.join(" → "),
            graph.seconds(&gone),
            script.unwrap_or_default()
        );
        let title = format!("switch off the feature that brings `{name}` {version}");
        let edit = format!(
            "`cargo tree --edges features --invert {name}@{version}` shows the features that \
             enable it; leave them out where `{}` is asked for, or choose another of its features",
            path.get(1).unwrap_or(name)
        );
        Some(situation.without(gone, "optional", title, because, edit))
    });
    advice.collect()
}

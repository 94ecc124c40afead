//! The answer for programs: `--json`.

use serde_json::{Value, json};

use crate::analyze::analysis::Analysis;
use crate::analyze::deps::Dependencies;
use crate::analyze::disk::Disk;
use crate::analyze::facts::Facts;
use crate::analyze::trend::Build;

pub(crate) fn answer(facts: &Facts, analysis: &Analysis) -> Value {
    let mut answer = json!({
        "build": {
            "command": facts.text("build"),
            "toolchain": facts.timings.rustc,
            "profile": facts.timings.profile,
            "commit": facts.json["commit"],
            "has_uncommitted_changes": facts.json["changed"],
            "jobs": analysis.jobs,
            "units": analysis.graph.units.len(),
            "fresh_units": facts.timings.fresh,
            "seconds": analysis.total,
            "simulated_seconds": analysis.run.total,
            "simulation_is_trusted": analysis.is_trusted(),
            "critical_path_seconds": analysis.critical_total,
            "critical_path": analysis.critical,
            "busy": analysis.busy,
            "processor_seconds": facts.json["processor_seconds"],
            "units_took_times_their_work": analysis.stretched,
        },
    });
    if facts.wants("timings") {
        answer["advice"] = advice(analysis);
        answer["units"] = units(analysis);
    }
    if facts.wants("graph") {
        answer["crates"] = crates(analysis);
    }
    if facts.wants("mono") {
        answer["mono"] = mono(analysis);
        answer["inline_always_on_public_generics"] = forced(analysis);
    }
    if facts.wants("deps") {
        answer["dependencies"] = dependencies(analysis);
    }
    if facts.wants("cache") {
        answer["sccache"] = facts.sccache.clone().unwrap_or_default();
        answer["fork"] = fork(analysis);
    }
    if facts.wants("disk") {
        answer["disk"] = disk(analysis);
    }
    if facts.wants("trend") {
        answer["builds"] = analysis.builds.iter().map(Build::to_json).collect();
        answer["slower"] = slower(analysis);
    }
    answer
}

fn fork(analysis: &Analysis) -> Value {
    let Some(forks) = &analysis.forks else { return Value::Null };
    let left = forks
        .left
        .iter()
        .map(|left| json!({ "unit": left.unit, "why": left.why, "follows": left.follows }));
    json!({ "units_brought": forks.brought, "units_left": left.collect::<Value>(), "seconds": forks.seconds })
}

fn mono(analysis: &Analysis) -> Value {
    let mono = analysis.mono.iter().map(|mono| {
        let functions = mono.functions.iter().take(200);
        let functions: Value = functions
            .map(|function| json!({ "name": function.name, "lines": function.lines, "copies": function.copies }))
            .collect();
        let crates: Value = mono.crates.iter().map(|(name, lines)| json!({ "name": name, "lines": lines })).collect();
        let traits: Value = mono
            .traits
            .iter()
            .take(200)
            .map(|one| json!({ "crate": one.crate_name, "name": one.name, "lines": one.lines, "functions": one.functions }))
            .collect();
        let items = mono.items.as_ref().map(|items| -> Value {
            let items = items.iter().take(200);
            items.map(|item| json!({ "name": item.name, "copies": item.copies, "size_estimate": item.size })).collect()
        });
        json!({
            "package": mono.package,
            "target": mono.target,
            "lines": mono.lines,
            "copies": mono.copies,
            "functions": functions,
            "crates": crates,
            "trait_implementations": traits,
            "instantiated_says_the_compiler": items,
        })
    });
    mono.collect()
}

fn forced(analysis: &Analysis) -> Value {
    let forced = analysis.sources.forced.iter();
    forced
        .map(|one| json!({ "function": one.function, "file": one.file, "line": one.line }))
        .collect()
}

fn dependencies(analysis: &Analysis) -> Value {
    let Dependencies { unused, versions, twice, macros } = &analysis.dependencies;
    let unused = unused.as_ref().map(|unused| -> Value {
        unused
            .iter()
            .map(|unused| json!({ "name": unused.name, "manifest": unused.manifest }))
            .collect()
    });
    let versions = versions.iter().map(|package| {
        let versions = package.versions.iter();
        let versions: Value = versions
            .map(|(version, who)| json!({ "version": version, "asked_for_by": who }))
            .collect();
        json!({ "name": package.name, "versions": versions })
    });
    let twice = twice.iter().map(|twice| {
        let ways = twice.ways.iter();
        let ways: Value = ways
            .map(|(seconds, only)| json!({ "seconds": seconds, "only_features": only }))
            .collect();
        json!({ "name": twice.name, "version": twice.version, "ways": ways })
    });
    let macros = macros.iter().map(
        |one| json!({ "name": one.name, "seconds": one.seconds, "asked_for_by": one.asked_for_by }),
    );
    let derives = analysis
        .sources
        .derives
        .iter()
        .map(|(name, count)| json!({ "name": name, "types": count }));
    json!({
        "unused": unused,
        "several_versions": versions.collect::<Vec<_>>(),
        "compiled_more_than_once": twice.collect::<Vec<_>>(),
        "proc_macros": macros.collect::<Vec<_>>(),
        "derives": derives.collect::<Vec<_>>(),
    })
}

fn disk(analysis: &Analysis) -> Value {
    let Disk { lanes, kinds, crates, total, apart } = &analysis.disk;
    let lanes = lanes.iter().map(|lane| {
        json!({ "name": lane.name, "bytes": lane.bytes, "bytes_not_shared_before": lane.own, "profiles": lane.profiles })
    });
    let crates = crates.iter().map(|(name, bytes)| json!({ "name": name, "bytes": bytes }));
    json!({
        "bytes": total,
        "bytes_if_nothing_were_shared": apart,
        "lanes": lanes.collect::<Vec<_>>(),
        "kinds": kinds,
        "crates": crates.collect::<Vec<_>>(),
    })
}

fn slower(analysis: &Analysis) -> Value {
    let slower = analysis.slower.iter().map(|slower| {
        json!({
            "package": slower.package,
            "seconds": slower.seconds,
            "seconds_as_before": slower.before,
            "since_commit": slower.since,
            "not_yet_at_commit": slower.until,
        })
    });
    slower.collect()
}

fn advice(analysis: &Analysis) -> Value {
    let advice = analysis.advice.iter().map(|advice| {
        json!({
            "kind": advice.kind,
            "saves_seconds": advice.saves,
            "saves_work_seconds": advice.work,
            "sure": advice.sure.word(),
            "title": advice.title,
            "because": advice.because,
            "edit": advice.edit,
            "units": advice.units,
        })
    });
    advice.collect()
}

/// In the order in which they began; their places are what others name them by.
fn units(analysis: &Analysis) -> Value {
    let units = analysis.graph.units.iter().enumerate().map(|(at, unit)| {
        json!({
            "name": unit.timed.title(),
            "package": unit.timed.package,
            "version": unit.timed.version,
            "is_member": unit.is_member,
            "is_proc_macro": unit.is_proc_macro,
            "features": unit.timed.features,
            "start": unit.timed.start,
            "seconds": unit.timed.duration,
            "frontend_seconds": unit.timed.frontend,
            "link_seconds": unit.timed.link,
            "alone_seconds": analysis.alone[at],
            "saves_seconds_if_free": analysis.what_if.get(at),
            "dependencies": unit.dependencies,
        })
    });
    units.collect()
}

fn crates(analysis: &Analysis) -> Value {
    let costs = analysis.costs.iter().map(|cost| {
        json!({
            "package": cost.package,
            "commits": cost.commits,
            "seconds_each_at_most": cost.seconds,
            "seconds_a_week_at_most": cost.seconds_a_week,
            "units": cost.units,
            "dependents": cost.dependents,
            "files": cost.files.iter().map(|(file, commits)| json!({ "file": file, "commits": commits })).collect::<Vec<_>>(),
        })
    });
    costs.collect()
}

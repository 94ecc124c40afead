//! The answer for programs: `--json`.

use serde_json::{Value, json};

use crate::analyze::analysis::Analysis;
use crate::flags::analyze::Part;

pub(crate) fn answer(analysis: &Analysis) -> Value {
    let facts = &analysis.facts;
    let mut answer = json!({
        "build": {
            "command": facts.build,
            "toolchain": facts.timings.rustc,
            "profile": facts.timings.profile,
            "commit": facts.commit,
            "has_uncommitted_changes": facts.has_changes,
            "jobs": analysis.jobs,
            "units": analysis.graph.units.len(),
            "fresh_units": facts.timings.fresh,
            "seconds": analysis.total,
            "simulated_seconds": analysis.run.total,
            "simulation_is_trusted": analysis.is_trusted(),
            "critical_path_seconds": analysis.critical_total,
            "critical_path": analysis.critical,
            "busy": analysis.busy,
            "processor_seconds": facts.processor_seconds,
            "units_took_times_their_work": analysis.stretched,
        },
    });
    if facts.wants(Part::Timings) {
        answer["advice"] = json!(analysis.advice);
        answer["units"] = units(analysis);
    }
    if facts.wants(Part::Graph) {
        answer["crates"] = json!(analysis.costs);
        for (json, cost) in list(&mut answer["crates"]).zip(&analysis.costs) {
            json["files"] = counts("file", "commits", &cost.files);
        }
    }
    if facts.wants(Part::Mono) {
        answer["mono"] = json!(facts.mono);
        for (json, mono) in list(&mut answer["mono"]).zip(&facts.mono) {
            json["crates"] = counts("name", "lines", &mono.crates);
        }
        answer["inline_always_on_public_generics"] = json!(analysis.sources.forced);
    }
    if facts.wants(Part::Deps) {
        answer["dependencies"] = json!(analysis.dependencies);
        answer["dependencies"]["derives"] = counts("name", "types", &analysis.sources.derives);
    }
    if facts.wants(Part::Cache) {
        answer["sccache"] = json!(facts.sccache);
        answer["fork"] = json!(analysis.forks);
    }
    if facts.wants(Part::Disk) {
        answer["disk"] = json!(analysis.disk);
        answer["disk"]["crates"] = counts("name", "bytes", &analysis.disk.crates);
    }
    if facts.wants(Part::Trend) {
        answer["builds"] = json!(analysis.builds);
        answer["slower"] = json!(analysis.slower);
    }
    answer
}

fn list(value: &mut Value) -> impl Iterator<Item = &mut Value> {
    value.as_array_mut().into_iter().flatten()
}

fn counts(name: &str, measure: &str, counts: &[(String, u64)]) -> Value {
    counts.iter().map(|(key, count)| json!({ (name): key, (measure): count })).collect()
}

/// In the order in which they began; their places are the numbers that name them elsewhere.
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

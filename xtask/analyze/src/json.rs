//! The answer for programs: `--json`.

use serde_json::{Value, json};

use crate::analysis::Analysis;
use crate::facts::Facts;

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
        },
    });
    if facts.wants("timings") {
        answer["advice"] = advice(analysis);
        answer["units"] = units(analysis);
    }
    if facts.wants("graph") {
        answer["crates"] = crates(analysis);
    }
    answer
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

//! The build over time: which units ran beside each other, and how many could have.

use std::collections::HashSet;
use std::fmt::{self, Write as _};

use crate::analyze::analysis::Analysis;
use crate::analyze::report::{Escaped, class, waited_for};

pub(super) fn section(out: &mut String, analysis: &Analysis) -> fmt::Result {
    let rows = rows(analysis);
    let count = rows.iter().max().map_or(0, |row| row + 1);
    let critical: HashSet<usize> = analysis.critical.iter().copied().collect();
    let total = analysis.total.max(0.01);
    write!(
        out,
        "<section aria-labelledby=\"timeline\">\n<h2 id=\"timeline\">The build over time</h2>\n\
         <p class=\"legend\"><span><i class=\"own\"></i>your crates</span> <span><i class=\"other\"></i>dependencies</span> \
         <span><i class=\"macro\"></i>proc-macros</span> <span><i class=\"script\"></i>build scripts, compiled</span> \
         <span><i class=\"run\"></i>build scripts, run</span> <span><i class=\"code\"></i>darker: code generation</span> \
         <span><i class=\"critical\"></i>line below: on the longest chain</span></p>\n\
         <p class=\"tools\"><label>Zoom <input id=\"zoom\" type=\"range\" min=\"1\" max=\"40\" value=\"1\" step=\"1\"></label> \
         <span class=\"hint\">Arrow keys go from unit to unit; Enter finds it in the table.</span></p>\n\
         <div class=\"scroll\" id=\"time\" tabindex=\"0\" role=\"application\" aria-roledescription=\"timeline\" \
         aria-label=\"{} units in {:.1} seconds, {} at a time. The table of all units has the same numbers.\">\n\
         <div class=\"inner\">\n{}\n<div class=\"rows\" style=\"--rows:{count};--h:{}px\">\n",
        analysis.graph.units.len(),
        analysis.total,
        analysis.jobs,
        ticks(total)?,
        if count <= 4 { 34 } else { 24 },
    )?;
    for (at, unit) in analysis.graph.units.iter().enumerate() {
        let timed = &unit.timed;
        let left = timed.start / total * 100.0;
        let width = timed.duration / total * 100.0;
        let frontend =
            timed.frontend.map_or(100.0, |frontend| frontend / timed.duration.max(0.001) * 100.0);
        let is_critical = if critical.contains(&at) { " critical" } else { "" };
        let saves = analysis.what_if.get(at).map(|saves| format!(", {saves:.1} s sooner without"));
        write!(
            out,
            "<div class=\"{}{is_critical}\" data-u=\"{at}\" style=\"left:{left:.3}%;width:{width:.3}%;--row:{};--f:{frontend:.0}%\" \
             data-tip=\"{}: {:.2} s from {:.2} s{}{}\">{}</div>",
            class(unit),
            rows[at],
            Escaped(&timed.title()),
            timed.duration,
            timed.start,
            saves.unwrap_or_default(),
            Escaped(&waited_for(analysis, at)),
            Escaped(&timed.title()),
        )?;
    }
    out.push_str("\n</div>\n");
    parallelism(out, analysis, total)?;
    out.push_str("</div>\n</div>\n");
    let chain: Vec<String> =
        analysis.critical.iter().map(|at| analysis.graph.units[*at].timed.title()).collect();
    write!(
        out,
        "<details><summary>The longest chain, {:.1} s on any number of processors</summary>\n<ol class=\"chain\">",
        analysis.critical_total
    )?;
    for (name, at) in chain.iter().zip(&analysis.critical) {
        let takes = analysis.graph.units[*at].timed.duration;
        write!(out, "<li><a href=\"#u{at}\">{}</a> {takes:.1} s</li>", Escaped(name))?;
    }
    out.push_str("</ol></details>\n</section>\n");
    Ok(())
}

/// Each unit in the first row that is free.
fn rows(analysis: &Analysis) -> Vec<usize> {
    let mut free_at: Vec<f64> = Vec::new();
    let row = |unit: &crate::analyze::graph::Unit| {
        // cargo rounds to hundredths, and notices an end a little late.
        let is_free = |end: &f64| *end <= unit.timed.start + 0.05;
        let row = free_at.iter().position(is_free).unwrap_or(free_at.len());
        free_at.resize(free_at.len().max(row + 1), 0.0);
        free_at[row] = unit.timed.end();
        row
    };
    analysis.graph.units.iter().map(row).collect()
}

/// The scale: five to ten steps of a round number of seconds.
fn ticks(total: f64) -> Result<String, fmt::Error> {
    let steps = [0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0];
    let step = steps.into_iter().find(|step| total / step <= 8.0).unwrap_or(3600.0);
    let mut out = String::from("<div class=\"ticks\" aria-hidden=\"true\">");
    let mut time = 0.0;
    while time < total {
        let left = time / total * 100.0;
        let digits = usize::from(step < 1.0);
        write!(out, "<span style=\"left:{left:.3}%\">{time:.digits$} s</span>")?;
        time += step;
    }
    out.push_str("</div>");
    Ok(out)
}

/// How many ran, and how many more could have, had there been processors.
fn parallelism(out: &mut String, analysis: &Analysis, total: f64) -> fmt::Result {
    let mut changes: Vec<(f64, i64, i64)> = Vec::new();
    for (at, unit) in analysis.graph.units.iter().enumerate() {
        let ready = ready(analysis, at).min(unit.timed.start);
        changes.push((ready, 0, 1));
        changes.push((unit.timed.start, 1, -1));
        changes.push((unit.timed.end(), -1, 0));
    }
    changes.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut points: Vec<(f64, i64, i64)> = vec![(0.0, 0, 0)];
    let (mut active, mut waiting) = (0, 0);
    for (time, more_active, more_waiting) in changes {
        active += more_active;
        waiting += more_waiting;
        match points.last_mut() {
            Some(last) if time - last.0 < total / 2000.0 => *last = (last.0, active, waiting),
            _ => points.push((time, active, waiting)),
        }
    }
    let top = points.iter().map(|(_, active, waiting)| active + waiting).max().unwrap_or(1).max(1);
    // More than some four times as many as can run is only more.
    let top = top.min(analysis.jobs as i64 * 4).max(analysis.jobs as i64);
    let height = |value: i64| 100.0 - value.min(top) as f64 / top as f64 * 100.0;
    let area = |value: &dyn Fn(i64, i64) -> i64| -> Result<String, fmt::Error> {
        let mut path = String::from("M0 100");
        for (time, active, waiting) in &points {
            let x = time / total * 1000.0;
            write!(path, "H{x:.1}V{:.1}", height(value(*active, *waiting)))?;
        }
        path.push_str("H1000V100Z");
        Ok(path)
    };
    write!(
        out,
        "<svg class=\"parallel\" viewBox=\"0 0 1000 100\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"How many units ran \
         at a time, and how many more were ready\">\n<path class=\"waiting\" d=\"{}\"/>\n<path class=\"active\" d=\"{}\"/>\n\
         <line x1=\"0\" x2=\"1000\" y1=\"{y:.1}\" y2=\"{y:.1}\"/></svg>\n\
         <p class=\"legend under\"><span><i class=\"active\"></i>ran</span> <span><i class=\"waiting\"></i>were ready, but had to wait</span> \
         <span>line: {} at a time</span></p>\n",
        area(&|active, waiting| active + waiting)?,
        area(&|active, _| active)?,
        analysis.jobs,
        y = height(analysis.jobs as i64),
    )
}

/// When all that a unit waits for was there, in the build that was measured.
fn ready(analysis: &Analysis, at: usize) -> f64 {
    let units = &analysis.graph.units;
    let unit = &units[at];
    let there = |dependency: &usize| {
        let dependency = &units[*dependency];
        let is_early = unit.needs_metadata_alone(dependency);
        let takes =
            dependency.timed.frontend.filter(|_| is_early).unwrap_or(dependency.timed.duration);
        dependency.timed.start + takes
    };
    let first = units.first().map_or(0.0, |unit| unit.timed.start);
    unit.dependencies.iter().map(there).fold(first, f64::max)
}

//! The build over time: which units ran beside each other, and how many could have.

use std::collections::HashSet;

use maud::{Markup, html};

use super::class;
use crate::analyze::analysis::Analysis;

/// The classes of the legend, and their meaning.
const LEGEND: [(&str, &str); 7] = [
    ("own", "your crates"),
    ("other", "dependencies"),
    ("macro", "proc-macros"),
    ("script", "build scripts, compiled"),
    ("run", "build scripts, run"),
    ("code", "darker: code generation"),
    ("critical", "line below: on the longest chain"),
];

pub(super) fn section(analysis: &Analysis) -> Markup {
    let rows = rows(analysis);
    let count = rows.iter().max().map_or(0, |row| row + 1);
    let height = if count <= 4 { 34 } else { 24 };
    let total = analysis.total.max(0.01);
    let units = analysis.graph.units.len();
    let label = format!(
        "{units} units in {:.1} seconds, {} at a time. The table of all units has the same numbers.",
        analysis.total, analysis.jobs
    );
    let critical: HashSet<usize> = analysis.critical.iter().copied().collect();
    html! {
        section aria-labelledby="timeline" {
            h2 #timeline { "The build over time" }
            p.legend { @for (class, text) in LEGEND { span { i class=(class) {} (text) } " " } }
            p.tools {
                label { "Zoom " input #zoom type="range" min="1" max="40" value="1" step="1"; }
                span.hint { "Arrow keys go from unit to unit; Enter finds it in the table." }
            }
            div.scroll #time tabindex="0" role="application" aria-roledescription="timeline"
                aria-label=(label) {
                div.inner {
                    (ticks(total))
                    div.rows style={ "--rows:" (count) ";--h:" (height) "px" } {
                        @for at in 0..units {
                            (unit(analysis, at, rows[at], total, critical.contains(&at)))
                        }
                    }
                    (parallelism(analysis, total))
                }
            }
            details {
                summary {
                    "The longest chain, " (format!("{:.1}", analysis.critical_total))
                    " s on any number of processors"
                }
                ol.chain {
                    @for at in &analysis.critical {
                        @let timed = &analysis.graph.units[*at].timed;
                        li {
                            a href={ "#u" (at) } { (timed.title()) }
                            (format!(" {:.1} s", timed.duration))
                        }
                    }
                }
            }
        }
    }
}

fn unit(analysis: &Analysis, at: usize, row: usize, total: f64, is_critical: bool) -> Markup {
    let unit = &analysis.graph.units[at];
    let timed = &unit.timed;
    let frontend = timed.frontend.map(|frontend| frontend / timed.duration.max(0.001) * 100.0);
    let style = format!(
        "left:{:.3}%;width:{:.3}%;--row:{row};--f:{:.0}%",
        timed.start / total * 100.0,
        timed.duration / total * 100.0,
        frontend.unwrap_or(100.0)
    );
    let saves = analysis.what_if.get(at).map(|saves| format!(", {saves:.1} s sooner without"));
    let after = analysis.chain(at).pop().map(|last| format!(", after {last}"));
    let tip = format!(
        "{}: {:.2} s from {:.2} s{}{}",
        timed.title(),
        timed.duration,
        timed.start,
        saves.unwrap_or_default(),
        after.unwrap_or_default()
    );
    html! {
        div.(class(unit)).critical[is_critical] data-u=(at) style=(style) data-tip=(tip) {
            (timed.title())
        }
    }
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
fn ticks(total: f64) -> Markup {
    let steps = [0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0];
    let step = steps.into_iter().find(|step| total / step <= 8.0).unwrap_or(3600.0);
    let digits = usize::from(step < 1.0);
    let times = (0..).map(|number| f64::from(number) * step).take_while(|time| *time < total);
    html! {
        div.ticks aria-hidden="true" {
            @for time in times {
                span style=(format!("left:{:.3}%", time / total * 100.0)) {
                    (format!("{time:.digits$} s"))
                }
            }
        }
    }
}

/// How many ran, and how many more could have, had there been processors.
fn parallelism(analysis: &Analysis, total: f64) -> Markup {
    let mut changes: Vec<(f64, i64, i64)> = Vec::new();
    for (at, unit) in analysis.graph.units.iter().enumerate() {
        let ready = ready(analysis, at).min(unit.timed.start);
        changes.extend([(ready, 0, 1), (unit.timed.start, 1, -1), (unit.timed.end(), -1, 0)]);
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
    let jobs = analysis.jobs as i64;
    let most = points.iter().map(|(_, active, waiting)| active + waiting).max().unwrap_or(1);
    // More than some four times as many as can run is only more.
    let top = most.min(jobs * 4).max(jobs).max(1);
    let height = |value: i64| 100.0 - value.min(top) as f64 / top as f64 * 100.0;
    let area = |value: fn(i64, i64) -> i64| {
        let corners = points.iter().map(|(time, active, waiting)| {
            format!("H{:.1}V{:.1}", time / total * 1000.0, height(value(*active, *waiting)))
        });
        format!("M0 100{}H1000V100Z", corners.collect::<String>())
    };
    let line = format!("{:.1}", height(jobs));
    html! {
        svg.parallel viewBox="0 0 1000 100" preserveAspectRatio="none" role="img"
            aria-label="How many units ran at a time, and how many more were ready" {
            path.waiting d=(area(|active, waiting| active + waiting)) {}
            path.active d=(area(|active, _| active)) {}
            line x1="0" x2="1000" y1=(line) y2=(line) {}
        }
        p.legend.under {
            span { i.active {} "ran" } " "
            span { i.waiting {} "were ready, but had to wait" } " "
            span { "line: " (jobs) " at a time" }
        }
    }
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

//! The workspace's own crates as a drawing: which depends on which, and what changes to each cost.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use maud::{Markup, html};

use crate::analyze::analysis::Analysis;
use crate::analyze::churn::Cost;

/// A drawing of more crates cannot be read.
const DRAWN_MAX: usize = 60;

const WIDTH: f64 = 212.0;
const HEIGHT: f64 = 46.0;
const GAP_X: f64 = 60.0;
const GAP_Y: f64 = 14.0;

/// For each crate, the crates on which it depends, or to which they lead.
type Below<'a> = BTreeMap<&'a str, BTreeSet<&'a str>>;

/// Columns from the crates without dependencies to those without dependents; colour is cost.
pub(super) fn drawing(analysis: &Analysis) -> Markup {
    let costs: Vec<&Cost> = analysis.costs.iter().take(DRAWN_MAX).collect();
    if costs.len() < 2 {
        return html! {};
    }
    let below = below(analysis, &costs);
    let reached = reached(&below);
    let (place, width, height) = places(&costs, &below, &reached);
    let dearest = costs.iter().map(|cost| cost.seconds_a_week).fold(0.0, f64::max);
    html! {
        div.scroll tabindex="0" role="region"
            aria-label="The crates as a drawing; the table below says the same" {
            svg.crates width=(width) height=(height) viewBox={ "-1 -1 " (width) " " (height) } {
                @for (from, to) in edges(&below, &reached) {
                    path data-from=(from) data-to=(to) d=(curve(place[from], place[to])) {}
                }
                @for cost in &costs { (node(cost, place[cost.package.as_str()], dearest)) }
            }
        }
        @if analysis.costs.len() > DRAWN_MAX {
            p {
                "The " (DRAWN_MAX) " crates whose changes cost most are drawn; the table has all "
                (analysis.costs.len()) "."
            }
        }
    }
}

fn below<'a>(analysis: &'a Analysis, costs: &[&'a Cost]) -> Below<'a> {
    let mut below: Below<'a> =
        costs.iter().map(|cost| (cost.package.as_str(), BTreeSet::new())).collect();
    for unit in &analysis.graph.units {
        let package = |at: &usize| analysis.graph.units[*at].timed.package.as_str();
        let dependencies: Vec<&str> = unit.dependencies.iter().map(package).collect();
        let dependencies = dependencies.into_iter().filter(|name| {
            costs.iter().any(|cost| cost.package == *name) && *name != unit.timed.package
        });
        if let Some(known) = below.get_mut(unit.timed.package.as_str()) {
            known.extend(dependencies);
        }
    }
    below
}

fn reached<'a>(below: &Below<'a>) -> Below<'a> {
    let reach = |direct: &BTreeSet<&'a str>| {
        let mut seen: BTreeSet<&str> = BTreeSet::new();
        let mut stack: Vec<&str> = direct.iter().copied().collect();
        while let Some(name) = stack.pop() {
            if seen.insert(name) {
                stack.extend(&below[name]);
            }
        }
        seen
    };
    below.iter().map(|(name, direct)| (*name, reach(direct))).collect()
}

/// From a dependency to its dependent, without those that another dependency leads to anyway.
fn edges<'a>(below: &Below<'a>, reached: &Below<'a>) -> Vec<(&'a str, &'a str)> {
    let mut edges = Vec::new();
    for (name, dependencies) in below {
        let is_implied = |dependency: &&&str| {
            let mut others = dependencies.iter().filter(|other| other != dependency);
            others.any(|other| reached[other].contains(**dependency))
        };
        let direct = dependencies.iter().filter(|dependency| !is_implied(dependency));
        edges.extend(direct.map(|dependency| (*dependency, *name)));
    }
    edges
}

/// The corner of each crate's box, and the width and height of the drawing.
fn places<'a>(
    costs: &[&'a Cost],
    below: &Below<'a>,
    reached: &Below<'a>,
) -> (HashMap<&'a str, (f64, f64)>, f64, f64) {
    let mut column_of: HashMap<&str, usize> = HashMap::new();
    // A package can depend on itself by way of its tests (dev-dependencies); so rounds, and not
    // recursion.
    for _ in 0..below.len() {
        for (name, dependencies) in below {
            let dependencies = dependencies.iter().filter(|other| !reached[*other].contains(name));
            let columns = dependencies.filter_map(|other| column_of.get(other));
            let column = columns.map(|column| column + 1).max().unwrap_or(0);
            column_of.insert(name, column);
        }
    }
    let mut columns: BTreeMap<usize, Vec<&str>> = BTreeMap::new();
    for cost in costs {
        columns.entry(column_of[cost.package.as_str()]).or_default().push(&cost.package);
    }
    let mut place: HashMap<&str, (f64, f64)> = HashMap::new();
    let tallest = columns.values().map(Vec::len).max().unwrap_or(1) as f64;
    for (column, names) in &mut columns {
        // As high as its dependencies, so that lines cross less.
        let middle = |name: &&str| {
            let heights = below[name].iter().filter_map(|other| place.get(other));
            let heights: Vec<f64> = heights.map(|(_, y)| *y).collect();
            heights.iter().sum::<f64>() / heights.len().max(1) as f64
        };
        names.sort_by(|a, b| middle(a).total_cmp(&middle(b)));
        let top = (tallest - names.len() as f64) / 2.0;
        for (row, name) in names.iter().enumerate() {
            let x = *column as f64 * (WIDTH + GAP_X);
            place.insert(name, (x, (top + row as f64) * (HEIGHT + GAP_Y)));
        }
    }
    let width = columns.len() as f64 * (WIDTH + GAP_X) - GAP_X + 2.0;
    (place, width, tallest * (HEIGHT + GAP_Y) - GAP_Y + 2.0)
}

fn curve((x1, y1): (f64, f64), (x2, y2): (f64, f64)) -> String {
    let (x1, y1, y2) = (x1 + WIDTH, y1 + HEIGHT / 2.0, y2 + HEIGHT / 2.0);
    let bend = ((x2 - x1) / 2.0).max(20.0);
    let (a, b) = (x1 + bend, x2 - bend);
    format!("M{x1:.0} {y1:.0}C{a:.0} {y1:.0} {b:.0} {y2:.0} {x2:.0} {y2:.0}")
}

fn node(cost: &Cost, (x, y): (f64, f64), dearest: f64) -> Markup {
    let Cost { package, commits, seconds, seconds_a_week, .. } = cost;
    let level = (seconds_a_week / dearest.max(f64::MIN_POSITIVE) * 5.0).ceil().min(5.0);
    let label = format!(
        "{package}: {seconds_a_week:.1} seconds a week, {commits} commits, {seconds:.1} seconds each"
    );
    html! {
        a href={ "#crates-" (package) } class={ "l" (level) } data-crate=(package) aria-label=(label)
            transform=(format!("translate({x:.0} {y:.0})")) {
            rect width=(WIDTH) height=(HEIGHT) rx="6" {}
            text x="12" y="19" { (shortened(package)) }
            text.small x="12" y="36" {
                (format!("{commits} × {seconds:.1} s: {seconds_a_week:.1} s a week"))
            }
        }
    }
}

/// What fits into a box; the whole name is in the table, and is read aloud.
fn shortened(name: &str) -> String {
    const LENGTH_MAX: usize = 24;
    if name.chars().count() <= LENGTH_MAX {
        return name.to_owned();
    }
    name.chars().take(LENGTH_MAX - 1).chain(['…']).collect()
}

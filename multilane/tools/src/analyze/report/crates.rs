//! The workspace's own crates: which depends on which, and what it costs that they are changed.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::{self, Write as _};

use crate::analyze::analysis::Analysis;
use crate::analyze::churn::Cost;
use crate::analyze::facts::Facts;
use crate::analyze::report::{Escaped, seconds};
use crate::analyze::text::chain;

/// More crates than this are a carpet, not a picture.
const DRAWN_MAX: usize = 60;

pub(super) fn section(out: &mut String, facts: &Facts, analysis: &Analysis) -> fmt::Result {
    out.push_str(
        "<section aria-labelledby=\"crates\">\n<h2 id=\"crates\">What changes cost</h2>\n",
    );
    if let Some(first) = analysis.first_member() {
        let unit = &analysis.graph.units[first];
        if unit.timed.start > 2.0 {
            let before = chain(analysis, first).join(" → ");
            let before =
                if before.is_empty() { String::new() } else { format!(", after {before}") };
            writeln!(
                out,
                "<p>The first of your crates, <code>{}</code>, began after {}{}.</p>",
                Escaped(&unit.timed.package),
                seconds(unit.timed.start),
                Escaped(&before),
            )?;
        }
    }
    if facts.git_log.is_none() {
        out.push_str(
            "<p>There is no git history here, so nobody knows what is changed how often.</p>\n</section>\n",
        );
        return Ok(());
    }
    if analysis.costs.is_empty() {
        out.push_str("<p>None of your crates was built.</p>\n</section>\n");
        return Ok(());
    }
    writeln!(
        out,
        "<p>How often each crate was changed in the last {} weeks, times how long all that depends on it takes to compile. As if \
         compiled from nothing, so at most: the incremental cache makes it less.</p>",
        facts.json["weeks"]
    )?;
    if analysis.costs.len() > 1 {
        drawing(out, analysis)?;
    }
    table(out, analysis)?;
    out.push_str("</section>\n");
    Ok(())
}

fn table(out: &mut String, analysis: &Analysis) -> fmt::Result {
    out.push_str(
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-labelledby=\"crates\">\n<table class=\"sortable\">\n<thead><tr>\
         <th scope=\"col\"><button type=\"button\">Crate</button></th>\
         <th scope=\"col\" class=\"n\"><button type=\"button\">Seconds a week</button></th>\
         <th scope=\"col\" class=\"n\"><button type=\"button\">Commits</button></th>\
         <th scope=\"col\" class=\"n\"><button type=\"button\">Seconds each</button></th>\
         <th scope=\"col\" class=\"n\"><button type=\"button\">Crates above</button></th>\
         <th scope=\"col\">Most changed</th></tr></thead>\n<tbody>\n",
    );
    for cost in &analysis.costs {
        let Cost { package, commits, seconds, seconds_a_week, dependents, files, .. } = cost;
        let files: Vec<String> = files
            .iter()
            .take(2)
            .map(|(file, count)| format!("{} <small>{count}×</small>", Escaped(file)))
            .collect();
        writeln!(
            out,
            "<tr id=\"c-{name}\"><th scope=\"row\">{name}</th><td>{seconds_a_week:.1}</td><td>{commits}</td><td>{seconds:.1}</td>\
             <td title=\"{}\">{}</td><td class=\"text\">{}</td></tr>",
            Escaped(&dependents.join(", ")),
            dependents.len(),
            files.join(", "),
            name = Escaped(package),
        )?;
    }
    out.push_str("</tbody>\n</table>\n</div>\n");
    Ok(())
}

/// Columns from what depends on nothing to what nothing depends on; colour is cost.
fn drawing(out: &mut String, analysis: &Analysis) -> fmt::Result {
    let costs: Vec<&Cost> = analysis.costs.iter().take(DRAWN_MAX).collect();
    let names: BTreeSet<&str> = costs.iter().map(|cost| cost.package.as_str()).collect();
    let mut below: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for unit in
        analysis.graph.units.iter().filter(|unit| names.contains(unit.timed.package.as_str()))
    {
        let entry = below.entry(&unit.timed.package).or_default();
        for dependency in &unit.dependencies {
            let name = analysis.graph.units[*dependency].timed.package.as_str();
            if names.contains(name) && name != unit.timed.package {
                entry.insert(name);
            }
        }
    }
    // What a dependency of its own leads to anyway is not drawn again.
    let reach = |from: &str| {
        let mut seen: BTreeSet<&str> = BTreeSet::new();
        let mut stack: Vec<&str> = below.get(from).into_iter().flatten().copied().collect();
        while let Some(name) = stack.pop() {
            if seen.insert(name) {
                stack.extend(below.get(name).into_iter().flatten().copied());
            }
        }
        seen
    };
    let reached: HashMap<&str, BTreeSet<&str>> =
        names.iter().map(|name| (*name, reach(name))).collect();
    let mut edges: Vec<(&str, &str)> = Vec::new();
    for (name, dependencies) in &below {
        for dependency in dependencies {
            let is_implied = dependencies.iter().any(|other| {
                other != dependency
                    && reached.get(other).is_some_and(|reached| reached.contains(dependency))
            });
            if !is_implied {
                edges.push((dependency, name));
            }
        }
    }

    let mut columns: BTreeMap<usize, Vec<&str>> = BTreeMap::new();
    let mut column_of: HashMap<&str, usize> = HashMap::new();
    // A package can depend on itself by way of its tests (dev-dependencies); so rounds, and not
    // recursion.
    for _ in 0..names.len() {
        for name in &names {
            let dependencies = below.get(name).into_iter().flatten();
            let column = dependencies
                .filter(|other| !reached.get(*other).is_some_and(|reached| reached.contains(name)))
                .filter_map(|other| column_of.get(other))
                .map(|column| column + 1)
                .max()
                .unwrap_or(0);
            column_of.insert(name, column);
        }
    }
    for cost in &costs {
        columns.entry(column_of[cost.package.as_str()]).or_default().push(&cost.package);
    }

    const WIDTH: f64 = 212.0;
    const HEIGHT: f64 = 46.0;
    const GAP_X: f64 = 60.0;
    const GAP_Y: f64 = 14.0;
    let mut place: HashMap<&str, (f64, f64)> = HashMap::new();
    let tallest = columns.values().map(Vec::len).max().unwrap_or(1) as f64;
    for (column, names) in &mut columns {
        // As high as what it depends on, so that lines cross less.
        let middle = |name: &&str| {
            let heights: Vec<f64> = below
                .get(name)
                .into_iter()
                .flatten()
                .filter_map(|other| place.get(other))
                .map(|(_, y)| *y)
                .collect();
            if heights.is_empty() {
                0.0
            } else {
                heights.iter().sum::<f64>() / heights.len() as f64
            }
        };
        names.sort_by(|a, b| middle(a).total_cmp(&middle(b)));
        let top = (tallest - names.len() as f64) / 2.0;
        for (row, name) in names.iter().enumerate() {
            let x = *column as f64 * (WIDTH + GAP_X);
            let y = (top + row as f64) * (HEIGHT + GAP_Y);
            place.insert(name, (x, y));
        }
    }

    let width = columns.len() as f64 * (WIDTH + GAP_X) - GAP_X + 2.0;
    let height = tallest * (HEIGHT + GAP_Y) - GAP_Y + 2.0;
    write!(
        out,
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"The crates as a drawing; the table below says the same\">\n\
         <svg class=\"crates\" width=\"{width:.0}\" height=\"{height:.0}\" viewBox=\"-1 -1 {width:.0} {height:.0}\">\n"
    )?;
    for (from, to) in &edges {
        let (Some((x1, y1)), Some((x2, y2))) = (place.get(from), place.get(to)) else { continue };
        let (x1, y1, y2) = (x1 + WIDTH, y1 + HEIGHT / 2.0, y2 + HEIGHT / 2.0);
        let bend = ((x2 - x1) / 2.0).max(20.0);
        writeln!(
            out,
            "<path data-from=\"{}\" data-to=\"{}\" d=\"M{x1:.0} {y1:.0}C{:.0} {y1:.0} {:.0} {y2:.0} {x2:.0} {y2:.0}\"/>",
            Escaped(from),
            Escaped(to),
            x1 + bend,
            x2 - bend,
        )?;
    }
    let dearest = costs.iter().map(|cost| cost.seconds_a_week).fold(0.0, f64::max);
    for cost in &costs {
        let (x, y) = place[cost.package.as_str()];
        let level =
            if dearest > 0.0 { (cost.seconds_a_week / dearest * 5.0).ceil().min(5.0) } else { 0.0 };
        write!(
            out,
            "<a href=\"#c-{name}\" class=\"l{level:.0}\" data-crate=\"{name}\" aria-label=\"{name}: {week:.1} seconds a week, {commits} \
             commits, {each:.1} seconds each\" transform=\"translate({x:.0} {y:.0})\">\n\
             <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" rx=\"6\"/><text x=\"12\" y=\"19\">{short}</text>\
             <text class=\"small\" x=\"12\" y=\"36\">{commits} × {each:.1} s: {week:.1} s a week</text></a>\n",
            name = Escaped(&cost.package),
            short = Escaped(&shortened(&cost.package)),
            commits = cost.commits,
            each = cost.seconds,
            week = cost.seconds_a_week,
        )?;
    }
    out.push_str("</svg>\n</div>\n");
    if analysis.costs.len() > DRAWN_MAX {
        writeln!(
            out,
            "<p>The {DRAWN_MAX} dearest are drawn; the table has all {}.</p>",
            analysis.costs.len()
        )?;
    }
    Ok(())
}

/// What fits into a box; the whole name is in the table, and is read aloud.
fn shortened(name: &str) -> String {
    const LENGTH_MAX: usize = 24;
    if name.chars().count() <= LENGTH_MAX {
        return name.to_owned();
    }
    name.chars().take(LENGTH_MAX - 1).chain(['…']).collect()
}

//! The answer in the terminal.

use std::fmt::{self, Write as _};

use crate::advice::{Advice, TOLERANCE, list};
use crate::analysis::Analysis;
use crate::churn::Cost;
use crate::facts::Facts;

/// How many of a list are shown; the report and `--json` have all.
const SHOWN_MAX: usize = 5;

/// Lines are broken before this column.
const WIDTH: usize = 100;

pub(crate) fn answer(facts: &Facts, analysis: &Analysis) -> Result<String, fmt::Error> {
    let mut out = String::new();
    let units = analysis.graph.units.len();
    let fresh = facts.timings.fresh;
    let left = if fresh > 0 { format!(", {fresh} were fresh") } else { String::new() };
    writeln!(out, "{}", facts.text("build"))?;
    writeln!(
        out,
        "{units} units in {:.1} s, {} at a time, {:.0} % of that time in use{left}.",
        analysis.total,
        analysis.jobs,
        analysis.busy * 100.0
    )?;
    writeln!(
        out,
        "On any number of processors: {:.1} s. The simulation of the build: {:.1} s ({:+.1} %).",
        analysis.critical_total,
        analysis.run.total,
        analysis.error() * 100.0
    )?;
    if facts.text("wrapper").contains("sccache") {
        writeln!(out, "Compilers ran through sccache: these are the times with what it had.")?;
    }
    if facts.wants("timings") {
        timings(&mut out, analysis)?;
    }
    if facts.wants("graph") {
        graph(&mut out, facts, analysis)?;
    }
    Ok(out.trim_end().to_owned())
}

fn timings(out: &mut String, analysis: &Analysis) -> fmt::Result {
    if !analysis.is_trusted() {
        return writeln!(
            out,
            "\nThe simulation is off by more than {:.0} %, so nothing is predicted from it. Something else may have kept\n\
             the machine busy; try again when it is idle.",
            TOLERANCE * 100.0
        );
    }
    dearest(out, analysis)?;
    if analysis.advice.is_empty() {
        return writeln!(out, "\nThere is no change that would make this build notably shorter.");
    }
    writeln!(out, "\nWhat would save most")?;
    for (number, advice) in analysis.advice.iter().take(SHOWN_MAX).enumerate() {
        let Advice { saves, title, because, edit, sure, .. } = advice;
        let part = saves / analysis.run.total * 100.0;
        writeln!(out, "\n{:>2}. {saves:>6.1} s ({part:.0} %)  {title}", number + 1)?;
        paragraph(out, &format!("{because}."))?;
        paragraph(out, &format!("{edit}."))?;
        paragraph(out, &format!("How sure the number is: {}.", sure.word()))?;
    }
    if analysis.advice.len() > SHOWN_MAX {
        writeln!(out, "\nAnd {} more, in the report and in --json.", analysis.advice.len() - SHOWN_MAX)?;
    }
    Ok(())
}

/// The units that hold up the build, whatever could be done about them.
fn dearest(out: &mut String, analysis: &Analysis) -> fmt::Result {
    let mut dearest: Vec<(f64, usize)> = analysis.what_if.iter().copied().zip(0..).collect();
    dearest.sort_by(|a, b| b.0.total_cmp(&a.0));
    dearest.retain(|(saves, _)| *saves > 0.01 * analysis.total);
    if dearest.is_empty() {
        return Ok(());
    }
    writeln!(out, "\nWhat holds it up\n    SOONER  TAKES    IF IT TOOK NO TIME")?;
    for (saves, at) in dearest.into_iter().take(SHOWN_MAX) {
        let timed = &analysis.graph.units[at].timed;
        writeln!(out, "{saves:>8.1} s {:>6.1} s  {}", timed.duration, timed.title())?;
    }
    Ok(())
}

fn graph(out: &mut String, facts: &Facts, analysis: &Analysis) -> fmt::Result {
    if let Some(first) = analysis.first_member().filter(|_| analysis.jobs > 1) {
        let start = analysis.graph.units[first].timed.start;
        if start > 0.25 * analysis.total && start > 2.0 {
            let before = chain(analysis, first);
            writeln!(
                out,
                "\nYour first crate, {}, begins after {start:.1} s.",
                analysis.graph.units[first].timed.package
            )?;
            if !before.is_empty() {
                paragraph(out, &format!("It waits for {}.", before.join(" → ")))?;
            }
        }
    }
    let mut serial: Vec<(f64, usize)> = analysis.alone.iter().copied().zip(0..).collect();
    serial.sort_by(|a, b| b.0.total_cmp(&a.0));
    serial.retain(|(alone, _)| *alone > 0.02 * analysis.total && *alone > 0.5);
    if analysis.jobs > 1 && !serial.is_empty() {
        writeln!(out, "\nWhat was built alone, while processors had nothing to do")?;
        for (alone, at) in serial.iter().take(SHOWN_MAX) {
            writeln!(out, "{alone:>10.1} s  {}", analysis.graph.units[*at].timed.title())?;
        }
    }

    if facts.git_log.is_none() {
        return writeln!(out, "\nThere is no git history here, so nobody knows what is changed how often.");
    }
    let changed: Vec<&Cost> = analysis.costs.iter().filter(|cost| cost.commits > 0).collect();
    if changed.is_empty() {
        return writeln!(
            out,
            "\nNo crate that was built has been changed in the last {} weeks.",
            facts.json["weeks"]
        );
    }
    writeln!(out, "\nWhat changes cost, by the commits of the last {} weeks", facts.json["weeks"])?;
    writeln!(out, "  A WEEK  COMMITS  EACH    CRATE")?;
    for cost in changed.iter().take(SHOWN_MAX) {
        let Cost { package, commits, seconds, seconds_a_week, dependents, .. } = cost;
        let others = match dependents.len() {
            0 => String::new(),
            count => format!(", and {count} above it: {}", list(dependents)),
        };
        writeln!(out, "{seconds_a_week:>6.0} s  {commits:>7}  {seconds:>4.1} s  {package}{others}")?;
    }
    if let Some(Cost { package, files, commits, dependents, .. }) =
        changed.first().filter(|cost| cost.commits > 3 && !cost.dependents.is_empty())
        && let Some((file, times)) =
            files.iter().find(|(file, times)| file.ends_with(".rs") && times * 3 >= *commits)
    {
        paragraph(
            out,
            &format!(
                "{file} is in {times} of the {commits} commits to {package}: in a crate that fewer depend on, its changes \
                 would not compile the {} others.",
                dependents.len()
            ),
        )?;
    }
    writeln!(out, "Each: as long as from nothing, so at most; the incremental cache makes it less.")
}

/// What a unit has waited for, one after the other; the last one first waited for.
pub(crate) fn chain(analysis: &Analysis, of: usize) -> Vec<String> {
    const SHOWN_MAX: usize = 6;
    let mut names = Vec::new();
    let mut next = analysis.run.released_by[of];
    while let Some(at) = next {
        names.push(analysis.graph.units[at].timed.title());
        next = analysis.run.released_by[at];
    }
    names.reverse();
    let skipped = names.len().saturating_sub(SHOWN_MAX);
    names.split_off(skipped)
}

fn paragraph(out: &mut String, text: &str) -> fmt::Result {
    const INDENT: usize = 4;
    let mut line = String::new();
    for word in text.split(' ') {
        if !line.is_empty() && INDENT + line.chars().count() + 1 + word.chars().count() > WIDTH {
            writeln!(out, "{:INDENT$}{line}", "")?;
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    writeln!(out, "{:INDENT$}{line}", "")
}

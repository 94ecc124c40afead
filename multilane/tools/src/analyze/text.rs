//! The answer in the terminal.

use std::fmt::{self, Write as _};

use crate::analyze::advice::{Advice, TOLERANCE, list};
use crate::analyze::analysis::Analysis;
use crate::analyze::cache::Sccache;
use crate::analyze::churn::Cost;
use crate::analyze::deps::{Dependencies, Macro, Twice, Versions};
use crate::analyze::disk::{Disk, bytes};
use crate::analyze::facts::Facts;
use crate::analyze::mono::{Function, Implemented, Item, Mono};
use crate::analyze::trend::Slower;

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
        "On any number of processors: {:.1} s. The simulation of the build: {:.1} s ({}).",
        analysis.critical_total,
        analysis.run.total,
        analysis.shown_error()
    )?;
    if let Some(stretched) = analysis.stretched {
        writeln!(
            out,
            "Others used the processors, too: the units took {stretched:.1} times as long as they were at work. On an idle machine\n\
             all times, and what is saved, are shorter by about as much."
        )?;
    }
    if facts.text("wrapper").contains("sccache") {
        writeln!(out, "Compilers ran through sccache: these are the times with what it had.")?;
    }
    if facts.wants("timings") {
        timings(&mut out, analysis)?;
    }
    if facts.wants("graph") {
        graph(&mut out, facts, analysis)?;
    }
    if facts.wants("mono") {
        mono(&mut out, analysis)?;
    }
    if facts.wants("deps") {
        deps(&mut out, analysis)?;
    }
    if facts.wants("cache") {
        cache(&mut out, facts, analysis)?;
    }
    if facts.wants("disk") {
        disk(&mut out, analysis)?;
    }
    if facts.wants("trend") {
        trend(&mut out, analysis)?;
    }
    Ok(out.trim_end().to_owned())
}

fn mono(out: &mut String, analysis: &Analysis) -> fmt::Result {
    if analysis.mono.is_empty() {
        return writeln!(out, "\nThere is no program or library here whose code could be counted.");
    }
    for Mono { package, target, lines, copies, functions, crates, traits, items } in &analysis.mono
    {
        let part = |of: u64| of as f64 / (*lines).max(1) as f64 * 100.0;
        writeln!(
            out,
            "\nWhat LLVM is given for {package} ({target}): {lines} lines in {copies} functions"
        )?;
        let crates: Vec<String> = crates
            .iter()
            .take(4)
            .map(|(name, lines)| format!("`{name}` {:.0} %", part(*lines)))
            .collect();
        paragraph(out, &format!("Written in {}.", crates.join(", ")))?;
        writeln!(out, "     LINES  COPIES  FUNCTION")?;
        for Function { name, lines, copies } in functions.iter().take(SHOWN_MAX * 2) {
            writeln!(out, "{lines:>10}  {copies:>6}  {}", cut(name))?;
        }
        let is_own = |function: &&Function| {
            function.copies >= 3
                && part(function.repeated()) >= 1.0
                && analysis.is_own_crate(&function.name)
        };
        for function in functions.iter().filter(is_own).take(SHOWN_MAX) {
            paragraph(
                out,
                &format!(
                    "`{}` is yours and is compiled {} times: with its body in an inner function that is not generic, or behind \
                     `dyn`, up to {:.0} % of these lines would go.",
                    cut(&function.name),
                    function.copies,
                    part(function.repeated())
                ),
            )?;
        }
        let heavy = heavy_traits(analysis, traits, |lines| part(lines) >= 1.0);
        if !heavy.is_empty() {
            let names: Vec<String> = heavy
                .iter()
                .map(|(one, types)| {
                    format!("`{}` {:.0} %{}", one.name, part(one.lines), shown_derived(*types))
                })
                .collect();
            paragraph(
                out,
                &format!("Traits that your types implement, of these lines: {}.", list(&names)),
            )?;
        }
        if let Some(items) = items {
            let copies: u64 = items.iter().map(|item| item.copies).sum();
            paragraph(
                out,
                &format!(
                    "By the compiler's own count, which knows no glue that drops values: {} functions, {copies} times. Its size is an \
                     estimate before LLVM, each copy taken for as long as one.",
                    items.len()
                ),
            )?;
            writeln!(out, "      SIZE  COPIES  FUNCTION")?;
            for Item { name, copies, size } in items.iter().take(SHOWN_MAX * 2) {
                writeln!(out, "{size:>10}  {copies:>6}  {}", cut(name))?;
            }
        }
    }
    if !analysis.sources.forced.is_empty() {
        let forced = &analysis.sources.forced;
        let names: Vec<String> = forced
            .iter()
            .map(|forced| format!("`{}` ({}:{})", forced.function, forced.file, forced.line))
            .collect();
        paragraph(
            out,
            &format!("`#[inline(always)]` on what is public and generic: {}.", list(&names)),
        )?;
    }
    Ok(())
}

/// Those that are long, of the workspace's own crates, each with how many types derive it.
pub(crate) fn heavy_traits<'a>(
    analysis: &Analysis,
    traits: &'a [Implemented],
    is_long: impl Fn(u64) -> bool,
) -> Vec<(&'a Implemented, usize)> {
    let derived = |name: &str| {
        let found = analysis.sources.derives.iter().find(|(derive, _)| derive == name);
        found.map_or(0, |(_, types)| *types)
    };
    let own =
        traits.iter().filter(|one| is_long(one.lines) && analysis.is_own_crate(&one.crate_name));
    own.map(|one| (one, derived(&one.name))).collect()
}

pub(crate) fn shown_derived(types: usize) -> String {
    match types {
        0 => String::new(),
        1 => ", derived for one type".to_owned(),
        types => format!(", derived for {types} types"),
    }
}

/// A name with a great many words in it.
fn cut(name: &str) -> String {
    const LENGTH_MAX: usize = 76;
    if name.chars().count() <= LENGTH_MAX {
        return name.to_owned();
    }
    name.chars().take(LENGTH_MAX - 1).chain(['…']).collect()
}

fn deps(out: &mut String, analysis: &Analysis) -> fmt::Result {
    let Dependencies { unused, versions, twice, macros } = &analysis.dependencies;
    writeln!(out, "\nDependencies")?;
    match unused.as_deref() {
        None => paragraph(
            out,
            "Which are unused, cargo-shear knows, and is not installed: cargo install cargo-shear",
        )?,
        Some([]) => paragraph(out, "cargo-shear finds none that is unused.")?,
        Some(unused) => {
            let names: Vec<String> = unused
                .iter()
                .map(|unused| format!("`{}` in {}", unused.name, unused.manifest))
                .collect();
            paragraph(out, &format!("Unused, says cargo-shear: {}.", list(&names)))?;
        }
    }
    if !versions.is_empty() {
        let name = |Versions { name, versions }: &Versions| {
            let versions: Vec<&str> =
                versions.iter().map(|(version, _)| version.as_str()).collect();
            format!("`{name}` {}", versions.join(" and "))
        };
        let names: Vec<String> = versions.iter().map(name).collect();
        paragraph(out, &format!("In several versions: {}.", list(&names)))?;
    }
    if !twice.is_empty() {
        let name = |Twice { name, version, ways }: &Twice| {
            let ways: Vec<String> =
                ways.iter().map(|(seconds, _)| format!("{seconds:.1} s")).collect();
            format!("`{name}` {version} ({})", ways.join(" and "))
        };
        let names: Vec<String> = twice.iter().map(name).collect();
        paragraph(out, &format!("Compiled more than once: {}.", list(&names)))?;
    }
    if !macros.is_empty() {
        let name = |Macro { name, seconds, asked_for_by }: &Macro| {
            format!("`{name}` ({seconds:.1} s, for {})", list(asked_for_by))
        };
        let names: Vec<String> = macros.iter().map(name).collect();
        paragraph(
            out,
            &format!("Proc-macros, each with all that it is made of: {}.", list(&names)),
        )?;
    }
    if !analysis.sources.derives.is_empty() {
        let name = |(name, types): &(String, usize)| format!("`{name}` for {types}");
        let names: Vec<String> = analysis.sources.derives.iter().map(name).collect();
        paragraph(out, &format!("Derived in your sources, by number of types: {}.", list(&names)))?;
    }
    Ok(())
}

fn cache(out: &mut String, facts: &Facts, analysis: &Analysis) -> fmt::Result {
    writeln!(out, "\nCache")?;
    match facts.sccache.as_ref().and_then(Sccache::read) {
        Some(sccache) => paragraph(out, &sccache.to_string())?,
        None => paragraph(out, "There is no sccache here that could say what it has answered.")?,
    }
    let Some(forks) = &analysis.forks else { return Ok(()) };
    paragraph(out, &forks.summary())?;
    for group in forks.groups(&analysis.graph).iter().take(SHOWN_MAX) {
        let titles: Vec<String> =
            group.units.iter().map(|at| analysis.graph.units[*at].timed.title()).collect();
        paragraph(out, &format!("{:.1} s  {}: {}", group.seconds, group.why, list(&titles)))?;
    }
    match forks.follow() {
        0 => Ok(()),
        1 => paragraph(out, "One more needs one of those."),
        count => paragraph(out, &format!("{count} more need one of those.")),
    }
}

fn disk(out: &mut String, analysis: &Analysis) -> fmt::Result {
    let Disk { lanes, kinds, crates, total, apart } = &analysis.disk;
    if lanes.is_empty() {
        return Ok(());
    }
    let apart = if apart > total {
        format!(", {} if nothing were shared", bytes(*apart))
    } else {
        String::new()
    };
    writeln!(out, "\nDisk: {} in lanes: {}{apart}", bytes(*total), lanes.len())?;
    for lane in lanes.iter().take(SHOWN_MAX) {
        let mut profiles: Vec<(&String, &u64)> = lane.profiles.iter().collect();
        profiles.sort_by_key(|(_, bytes)| std::cmp::Reverse(**bytes));
        let profiles: Vec<String> = profiles
            .iter()
            .take(3)
            .map(|(name, size)| format!("{name} {}", bytes(**size)))
            .collect();
        writeln!(out, "{:>12}  {} ({})", bytes(lane.bytes), lane.name, profiles.join(", "))?;
    }
    let mut kinds: Vec<(&&str, &u64)> = kinds.iter().collect();
    kinds.sort_by_key(|(_, bytes)| std::cmp::Reverse(**bytes));
    let kinds: Vec<String> =
        kinds.iter().take(4).map(|(name, size)| format!("{name} {}", bytes(**size))).collect();
    paragraph(out, &format!("By kind: {}.", kinds.join(", ")))?;
    let crates: Vec<String> =
        crates.iter().take(4).map(|(name, size)| format!("`{name}` {}", bytes(*size))).collect();
    paragraph(out, &format!("By crate: {}.", crates.join(", ")))
}

fn trend(out: &mut String, analysis: &Analysis) -> fmt::Result {
    let builds = &analysis.builds;
    if builds.len() < 2 {
        return writeln!(out, "\nTrend: this is the first build of this kind that is remembered.");
    }
    let last: Vec<String> = builds
        .iter()
        .rev()
        .take(SHOWN_MAX)
        .rev()
        .map(|build| format!("{:.1} s", build.seconds))
        .collect();
    writeln!(
        out,
        "\nTrend: builds like this one: {}; the last ones took {}",
        builds.len(),
        last.join(", ")
    )?;
    for Slower { package, seconds, before, since, until } in analysis.slower.iter().take(SHOWN_MAX)
    {
        let short = |commit: &str| commit.get(..10).unwrap_or(commit).to_owned();
        paragraph(
            out,
            &format!(
                "`{package}` takes {seconds:.1} s; beside all the others, {before:.1} s would be as before. Slow since {}, not yet at {}.",
                short(since),
                short(until)
            ),
        )?;
    }
    if analysis.slower.is_empty() {
        paragraph(out, "No crate has become slower than the others have.")?;
    }
    Ok(())
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
        writeln!(
            out,
            "\nAnd {} more, in the report and in --json.",
            analysis.advice.len() - SHOWN_MAX
        )?;
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
        return writeln!(
            out,
            "\nThere is no git history here, so nobody knows what is changed how often."
        );
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
        writeln!(
            out,
            "{seconds_a_week:>6.1} s  {commits:>7}  {seconds:>4.1} s  {package}{others}"
        )?;
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

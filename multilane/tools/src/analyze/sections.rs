//! The parts of the answer that the terminal and the page share: paragraphs, tables and lists,
//! which each of them shows in its way. Between backticks is code.

use std::time::Duration;

use multilane_engine::ui::{bytes, duration};

use crate::analyze::advice::list;
use crate::analyze::analysis::Analysis;
use crate::analyze::churn::Cost;
use crate::analyze::mono::{Implemented, Mono};
use crate::analyze::most_first;
use crate::analyze::trend::Build;
use crate::flags::analyze::Part;

pub(crate) struct Section {
    pub(crate) id: &'static str,
    pub(crate) title: String,
    pub(crate) blocks: Vec<Block>,
}

pub(crate) enum Block {
    Heading(String),
    Text(String),
    Table(Table),
    /// A title and what is listed under it.
    List(&'static str, Vec<String>),
    /// A title, and names with bytes, the largest first.
    Sizes(&'static str, Vec<(String, u64)>),
    /// The place of a drawing, which the page has alone.
    Drawing,
}

pub(crate) struct Table {
    /// The heads of the columns with numbers.
    pub(crate) numbers: Vec<&'static str>,
    /// The heads of the other columns.
    pub(crate) words: Vec<&'static str>,
    pub(crate) rows: Vec<Row>,
}

pub(crate) struct Row {
    pub(crate) numbers: Vec<String>,
    /// The first one is the name.
    pub(crate) words: Vec<String>,
    /// Whose code it is, as the page colours it; empty where that is the same in all rows.
    pub(crate) class: &'static str,
}

impl Row {
    pub(crate) fn new<const N: usize, const W: usize>(
        numbers: [String; N],
        words: [String; W],
    ) -> Row {
        Row { numbers: numbers.into(), words: words.into(), class: "" }
    }
}

impl Table {
    pub(crate) fn new(
        numbers: &[&'static str],
        words: &[&'static str],
        rows: impl IntoIterator<Item = Row>,
    ) -> Table {
        let rows = rows.into_iter().collect();
        Table { numbers: numbers.to_vec(), words: words.to_vec(), rows }
    }
}

/// Those that were asked for, but `timings`.
pub(crate) fn all(analysis: &Analysis) -> Vec<Section> {
    let parts = [Part::Graph, Part::Mono, Part::Deps, Part::Cache, Part::Disk, Part::Trend];
    let section = |part: Part| match part {
        Part::Graph => graph(analysis),
        Part::Mono => mono(analysis),
        Part::Deps => dependencies(analysis),
        Part::Cache => cache(analysis),
        Part::Disk => disk(analysis),
        Part::Timings | Part::Trend => trend(analysis),
    };
    parts.into_iter().filter(|part| analysis.facts.wants(*part)).map(section).collect()
}

fn text(text: impl Into<String>) -> Block {
    Block::Text(text.into())
}

fn seconds(value: f64) -> String {
    format!("{value:.1}")
}

/// The units with more than so many seconds, by place, the most first.
pub(crate) fn most_seconds(seconds: &[f64], more_than: f64) -> Vec<(f64, usize)> {
    let mut list: Vec<(f64, usize)> = seconds.iter().copied().zip(0..).collect();
    list.retain(|(seconds, _)| *seconds > more_than);
    list.sort_by(|a, b| b.0.total_cmp(&a.0));
    list
}

fn graph(analysis: &Analysis) -> Section {
    let weeks = analysis.facts.weeks;
    let mut blocks = Vec::new();
    if let Some(first) = analysis.first_member() {
        let timed = &analysis.graph.units[first].timed;
        if timed.start > 0.25 * analysis.total && timed.start > 2.0 && analysis.jobs > 1 {
            let chain = analysis.chain(first).join(" → ");
            let chain = if chain.is_empty() { chain } else { format!(" It waits for {chain}.") };
            blocks.push(text(format!(
                "The first of your crates, `{}`, begins after {:.1} s.{chain}",
                timed.package, timed.start
            )));
        }
    }
    let alone = most_seconds(&analysis.alone, (0.02 * analysis.total).max(0.5));
    if analysis.jobs > 1 && !alone.is_empty() {
        let title = |at: usize| analysis.graph.units[at].timed.title();
        let rows = alone.into_iter().map(|(alone, at)| Row::new([seconds(alone)], [title(at)]));
        let words = ["Unit that was built alone, while processors were idle"];
        blocks.push(Block::Table(Table::new(&["Seconds"], &words, rows)));
    }
    let changed = analysis.costs.iter().find(|cost| cost.commits > 0);
    if analysis.facts.git_log.is_none() {
        blocks.push(text("There is no git history here, so the cost of changes is not known."));
    } else if analysis.costs.is_empty() {
        blocks.push(text("None of your crates was built."));
    } else if changed.is_none() {
        blocks.push(text(format!("None of your crates was changed in the last {weeks} weeks.")));
    }
    if !analysis.costs.is_empty() {
        blocks.extend([Block::Drawing, costs(analysis)]);
        blocks.extend(changed.and_then(hot_file).map(text));
        blocks.push(text(
            "A change costs the time of all units that it compiles. Incremental caches make it \
             less: these are upper bounds.",
        ));
    }
    let title = format!("What changes cost, by the commits of the last {weeks} weeks");
    Section { id: "crates", title, blocks }
}

fn costs(analysis: &Analysis) -> Block {
    let row = |cost: &Cost| {
        let above = match cost.dependents.len() {
            0 => String::new(),
            count => format!("{count} above it: {}", list(&cost.dependents)),
        };
        let files = cost.files.iter().take(2).map(|(file, count)| format!("{file} ({count}×)"));
        let files = files.collect::<Vec<_>>().join(", ");
        let (week, each) = (seconds(cost.seconds_a_week), seconds(cost.seconds));
        Row::new([week, cost.commits.to_string(), each], [cost.package.clone(), above, files])
    };
    let numbers = ["Seconds a week", "Commits", "Seconds each"];
    let words = ["Crate", "Crates above", "Most changed"];
    Block::Table(Table::new(&numbers, &words, analysis.costs.iter().map(row)))
}

/// A file that is changed often, in a crate on which others depend.
fn hot_file(cost: &Cost) -> Option<String> {
    let Cost { package, files, commits, dependents, .. } = cost;
    let is_hot =
        |(file, times): &&(String, u64)| file.ends_with(".rs") && *times as usize * 3 >= *commits;
    let (file, times) = files.iter().find(is_hot)?;
    (*commits > 3 && !dependents.is_empty()).then(|| {
        format!(
            "{file} is in {times} of the {commits} commits to `{package}`. In a crate with fewer \
             dependents, its changes would not compile the {} others.",
            dependents.len()
        )
    })
}

fn mono(analysis: &Analysis) -> Section {
    let mut blocks = Vec::new();
    if analysis.facts.mono.is_empty() {
        blocks.push(text("There is no program or library here whose code could be counted."));
    }
    for mono in &analysis.facts.mono {
        instantiations(analysis, mono, &mut blocks);
    }
    if !analysis.sources.forced.is_empty() {
        let forced = analysis.sources.forced.iter();
        let forced = forced.map(|one| format!("`{}` ({}:{})", one.function, one.file, one.line));
        let title = "`#[inline(always)]` on public generic functions";
        blocks.push(Block::List(title, forced.collect()));
    }
    Section { id: "mono", title: "What LLVM is given".into(), blocks }
}

fn instantiations(analysis: &Analysis, mono: &Mono, blocks: &mut Vec<Block>) {
    let Mono { package, target, lines, copies, functions, crates, traits, items } = mono;
    blocks.push(Block::Heading(format!("{package} ({target})")));
    let crates = crates.iter().take(6);
    let crates = crates.map(|(name, lines)| format!("`{name}` {:.0} %", mono.percent(*lines)));
    blocks.push(text(format!(
        "{lines} lines in {copies} functions. By the crate that they are written in: {}.",
        crates.collect::<Vec<_>>().join(", ")
    )));
    let function = |name: &str, size: u64, copies: u64| Row {
        class: if analysis.is_own_crate(name) { "own" } else { "other" },
        ..Row::new([size.to_string(), copies.to_string()], [name.to_owned()])
    };
    let table = |measure, rows: Vec<Row>| {
        Block::Table(Table::new(&[measure, "Copies"], &["Function"], rows))
    };
    let rows = functions.iter().map(|one| function(&one.name, one.lines, one.copies));
    blocks.push(table("Lines", rows.take(25).collect()));
    let own = functions.iter().filter(|one| {
        one.copies >= 3 && mono.percent(one.repeated()) >= 1.0 && analysis.is_own_crate(&one.name)
    });
    blocks.extend(own.take(5).map(|one| {
        text(format!(
            "`{}` is yours and is compiled {} times. With its body in an inner function that is \
             not generic, or behind `dyn`, up to {:.0} % of these lines would go.",
            one.name,
            one.copies,
            mono.percent(one.repeated())
        ))
    }));
    let heavy = |one: &&Implemented| {
        mono.percent(one.lines) >= 1.0 && analysis.is_own_crate(&one.crate_name)
    };
    let heavy = traits.iter().filter(heavy).map(|one| {
        let derives = &analysis.sources.derives;
        let derived = derives.iter().find(|(name, _)| *name == one.name);
        let derived = derived.map(|(_, types)| format!(", types that derive it: {types}"));
        let Implemented { name, lines, functions, .. } = one;
        format!(
            "`{name}` {:.0} % in {functions} functions{}",
            mono.percent(*lines),
            derived.unwrap_or_default()
        )
    });
    let heavy: Vec<String> = heavy.collect();
    if !heavy.is_empty() {
        blocks.push(Block::List("Traits that your types implement", heavy));
    }
    if let Some(items) = items {
        let copies: u64 = items.iter().map(|item| item.copies).sum();
        blocks.push(text(format!(
            "By the compiler's own count, which has no drop glue: {} functions in {copies} copies. \
             The size is an estimate before LLVM, for which all copies are equally long.",
            items.len()
        )));
        let rows = items.iter().map(|item| function(&item.name, item.size, item.copies));
        blocks.push(table("Size", rows.take(25).collect()));
    }
}

fn dependencies(analysis: &Analysis) -> Section {
    let all = &analysis.dependencies;
    let mut blocks = Vec::new();
    match &all.unused {
        None => blocks.push(text(
            "Unused dependencies are found with cargo-shear, which is not installed: `cargo \
             install cargo-shear`",
        )),
        Some(unused) => {
            let unused = unused.iter().map(|one| format!("`{}` in {}", one.name, one.manifest));
            blocks.push(Block::List("Unused, by cargo-shear", unused.collect()));
        }
    }
    let versions = all.versions.iter().map(|package| {
        let versions = package.versions.iter();
        let versions =
            versions.map(|one| format!("{} for {}", one.version, list(&one.asked_for_by)));
        format!("`{}` {}", package.name, versions.collect::<Vec<_>>().join("; "))
    });
    let twice = all.twice.iter().map(|twice| {
        let ways = twice.ways.iter().map(|way| match way.only_features.as_slice() {
            [] => format!("{:.1} s", way.seconds),
            features => format!("{:.1} s with {}", way.seconds, list(features)),
        });
        format!("`{}` {} ({})", twice.name, twice.version, ways.collect::<Vec<_>>().join("; "))
    });
    let macros = all.macros.iter().map(|one| {
        format!("`{}` ({:.1} s, for {})", one.name, one.seconds, list(&one.asked_for_by))
    });
    let derives = &analysis.sources.derives;
    let derives = derives.iter().map(|(name, types)| format!("`{name}` for {types}"));
    blocks.extend([
        Block::List("In several versions", versions.collect()),
        Block::List("Compiled more than once", twice.collect()),
        Block::List("Proc-macros, each with all its dependencies", macros.collect()),
        Block::List("Derived in your sources, by number of types", derives.collect()),
    ]);
    Section { id: "deps", title: "Dependencies".into(), blocks }
}

fn cache(analysis: &Analysis) -> Section {
    let sccache = analysis.facts.sccache();
    let none = || "There are no statistics of sccache here.".to_owned();
    let mut blocks = vec![text(sccache.map_or_else(none, |sccache| sccache.to_string()))];
    if let Some(forks) = &analysis.forks {
        blocks.push(text(forks.summary()));
        let groups = forks.groups(&analysis.graph);
        let rows = groups.into_iter().map(|(why, units, time)| {
            let units = list(analysis.graph.titles(units));
            Row::new([seconds(time)], [format!("{why}: {units}")])
        });
        let table = Table::new(&["Seconds"], &["Why cargo compiles it"], rows);
        blocks.extend((!table.rows.is_empty()).then_some(Block::Table(table)));
        if forks.follow() > 0 {
            blocks.push(text(format!("Units that depend on one of those: {}.", forks.follow())));
        }
    }
    Section { id: "cache", title: "Cache".into(), blocks }
}

fn disk(analysis: &Analysis) -> Section {
    let disk = &analysis.disk;
    let apart = match disk.apart > disk.total {
        true => format!(" Without shared files they would take {}.", bytes(disk.apart)),
        false => String::new(),
    };
    let summary = format!("{} in {} lanes.{apart}", bytes(disk.total), disk.lanes.len());
    let lanes = disk.lanes.iter().map(|lane| {
        let profiles = most_first(lane.profiles.clone());
        let profiles =
            profiles.iter().take(3).map(|(name, size)| format!("{name} {}", bytes(*size)));
        let profiles = profiles.collect::<Vec<_>>().join(", ");
        let costs = duration(Duration::from_secs_f64(lane.costs));
        let frees = format!("frees {}, {costs} to make again", bytes(lane.frees));
        (format!("{} ({profiles}; {frees})", lane.name), lane.bytes)
    });
    let kinds = most_first(disk.kinds.iter().map(|(name, size)| (*name, *size)));
    let blocks = vec![
        text(summary),
        Block::Sizes("By lane", lanes.collect()),
        Block::Sizes("By kind", kinds),
        Block::Sizes("By crate", disk.crates.clone()),
    ];
    Section { id: "disk", title: "Disk".into(), blocks }
}

fn trend(analysis: &Analysis) -> Section {
    let builds = &analysis.builds;
    let section = |blocks| Section { id: "trend", title: "Earlier builds".into(), blocks };
    if builds.len() < 2 {
        return section(vec![text("No earlier build of this kind is remembered.")]);
    }
    let mut blocks: Vec<Block> =
        analysis.slower.iter().map(|slower| text(slower.to_string())).collect();
    if blocks.is_empty() {
        blocks.push(text("No crate has become slower than the others have."));
    }
    let row = |build: &Build| {
        let changes = if build.has_changes { " and changes" } else { "" };
        let commit = format!("{}{changes}", build.short_commit());
        Row::new([seconds(build.seconds), build.units.to_string()], [commit])
    };
    let table = Table::new(&["Seconds", "Units"], &["Commit"], builds.iter().rev().map(row));
    blocks.extend([Block::Drawing, Block::Table(table)]);
    section(blocks)
}

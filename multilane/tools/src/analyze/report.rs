//! The answer as a page: one file that needs nothing else, no network and no server.
//!
//! Everything can be read without its script, which only sorts, filters, zooms and points. What is
//! drawn is in a table, too.

mod crates;
mod timeline;

use maud::{DOCTYPE, Markup, PreEscaped, html};
use multilane_engine::ui::bytes;

use crate::analyze::advice::Advice;
use crate::analyze::analysis::Analysis;
use crate::analyze::graph::Unit;
use crate::analyze::sections::{self, Block, Section, Table};
use crate::analyze::timings::{Kind, Mode};
use crate::flags::analyze::Part;

const STYLE: &str = include_str!("report/style.css");
const SCRIPT: &str = include_str!("report/script.js");

pub(crate) fn page(analysis: &Analysis) -> String {
    let facts = &analysis.facts;
    let name = facts.root.file_name().unwrap_or_default().to_string_lossy();
    let has_timings = facts.wants(Part::Timings);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (name) ": where the build’s time goes" }
                link rel="icon" href="data:,";
                style { (PreEscaped(STYLE)) }
            }
            body {
                a.skip href="#main" { "To the answer" }
                (header(analysis, &name))
                main #main {
                    @if has_timings { (advice(analysis)) (timeline::section(analysis)) }
                    @for part in sections::all(analysis) { (section(analysis, part)) }
                    @if has_timings { (units(analysis)) }
                }
                footer {
                    p {
                        "Made by " code { (facts.called) " analyze" } " from "
                        code { (facts.build) } ", " (facts.timings.rustc) "."
                    }
                }
                div #tip role="status" hidden {}
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    page.into_string()
}

/// `` `serde` `` becomes code.
fn marked(text: &str) -> Markup {
    html! {
        @for (at, part) in text.split('`').enumerate() {
            @if at % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}

/// A table that scrolls sideways where it is too wide, and that can be sorted by each column.
fn sortable(class: &str, label: &str, heads: &[(&str, bool)], rows: Markup) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-labelledby=(label) {
            table class={ (class) " sortable" } {
                thead {
                    tr {
                        @for (head, is_number) in heads {
                            th scope="col" class=[is_number.then_some("n")] {
                                button type="button" { (head) }
                            }
                        }
                    }
                }
                tbody { (rows) }
            }
        }
    }
}

fn header(analysis: &Analysis, name: &str) -> Markup {
    let facts = &analysis.facts;
    let commit = facts.commit.as_deref().map(|commit| commit.get(..10).unwrap_or(commit));
    let scope = if facts.is_incremental { "changed units only" } else { "from scratch" };
    let off = if analysis.is_trusted() { "off the real build" } else { "off: no predictions" };
    let jobs = analysis.jobs;
    let units = format!("{} units, {jobs} at a time", analysis.graph.units.len());
    let chain = format!("{} units, one after the other", analysis.critical.len());
    let tiles = [
        ("Build", seconds(analysis.total), units),
        ("Processors in use", format!("{:.0} %", analysis.busy * 100.0), "of that time".into()),
        ("With any number of processors", seconds(analysis.critical_total), chain),
        ("Simulation", analysis.shown_error(), off.to_owned()),
    ];
    html! {
        header {
            p.over { "Where the build’s time goes" }
            h1 { (name) }
            p.sub {
                "Profile " (facts.timings.profile)
                @if let Some(commit) = commit { " at " code { (commit) } }
                @if facts.has_changes { " and uncommitted changes" }
                ", " (scope)
            }
            dl.tiles {
                @for (name, value, note) in tiles {
                    div { dt { (name) } dd { (value) } dd.note { (note) } }
                }
            }
            @for note in analysis.notes() { p.slower { (note) } }
        }
    }
}

fn advice(analysis: &Analysis) -> Markup {
    const OPEN_MAX: usize = 5;
    let (open, more) = analysis.advice.split_at(analysis.advice.len().min(OPEN_MAX));
    let item = |advice: &Advice| {
        let Advice { saves, title, because, edit, sure, .. } = advice;
        let part = (saves / analysis.run.total * 100.0).clamp(0.0, 100.0);
        html! {
            li {
                p.saves { b { (seconds(*saves)) } " " span { (format!("{part:.0} % sooner")) } }
                div {
                    h3 { (marked(&capital(title))) }
                    div.share style={ "--part:" (format!("{part:.1}%")) } {}
                    p { (marked(&capital(because))) "." }
                    p.edit { (marked(&capital(edit))) "." }
                    p.sure { "Certainty of the number: " (sure.word()) }
                }
            }
        }
    };
    html! {
        section aria-labelledby="advice" {
            h2 #advice { "What would save most" }
            @if let Some(why) = analysis.why_no_advice() { p { (why) } }
            ol.advice { @for advice in open { (item(advice)) } }
            @if !more.is_empty() {
                details {
                    summary { (more.len()) " more" }
                    ol.advice start=(OPEN_MAX + 1) { @for advice in more { (item(advice)) } }
                }
            }
        }
    }
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().into_iter().flat_map(char::to_uppercase).chain(chars).collect()
}

/// Lists and sizes are cards beside each other.
fn section(analysis: &Analysis, section: Section) -> Markup {
    let Section { id, title, blocks } = section;
    let is_card = |block: &Block| matches!(block, Block::List(..) | Block::Sizes(..));
    let same = |a: &Block, b: &Block| is_card(a) && is_card(b);
    html! {
        section aria-labelledby=(id) {
            h2 id=(id) { (title) }
            @for group in blocks.chunk_by(same) {
                @if is_card(&group[0]) {
                    div.cards { @for card in group { div.card { (block(analysis, id, card)) } } }
                } @else {
                    @for one in group { (block(analysis, id, one)) }
                }
            }
        }
    }
}

fn block(analysis: &Analysis, id: &str, block: &Block) -> Markup {
    match block {
        Block::Heading(title) => html! { h3 { (title) } },
        Block::Text(text) => html! { p { (marked(text)) } },
        Block::Table(table) => rows(id, table),
        Block::List(title, items) => html! {
            h3 { (marked(title)) }
            @if items.is_empty() { p { "None." } }
            ul { @for item in items { li { (marked(item)) } } }
        },
        Block::Sizes(title, sizes) => bars(title, sizes),
        Block::Drawing if id == "crates" => crates::drawing(analysis),
        Block::Drawing => trend(analysis),
    }
}

fn rows(id: &str, table: &Table) -> Markup {
    let Table { numbers, words, rows } = table;
    let mut heads = vec![(words[0], false)];
    heads.extend(numbers.iter().map(|head| (*head, true)));
    heads.extend(words[1..].iter().map(|head| (*head, false)));
    let rows = html! {
        @for row in rows {
            // The drawing leads to the rows of the table of crates.
            tr id=[(words.len() > 1).then(|| format!("{id}-{}", row.words[0]))] {
                th scope="row" {
                    @if !row.class.is_empty() { i class=(row.class) {} }
                    (row.words[0])
                }
                @for number in &row.numbers { td { (number) } }
                @for word in &row.words[1..] { td.text { (marked(word)) } }
            }
        }
    };
    sortable("", id, &heads, rows)
}

fn bars(title: &str, sizes: &[(String, u64)]) -> Markup {
    const SHOWN_MAX: usize = 12;
    let most = sizes.iter().map(|(_, size)| *size).max().unwrap_or(1).max(1) as f64;
    let part = |size: u64| format!("--part:{:.1}%", size as f64 / most * 100.0);
    html! {
        h3 { (title) }
        table.bars {
            tbody {
                @for (name, size) in sizes.iter().take(SHOWN_MAX) {
                    tr { th scope="row" { (name) } td style=(part(*size)) { (bytes(*size)) } }
                }
            }
        }
    }
}

/// The seconds of each build, as a line.
fn trend(analysis: &Analysis) -> Markup {
    let builds = &analysis.builds;
    let top = builds.iter().map(|build| build.seconds).fold(0.0, f64::max);
    let x = |at: usize| format!("{:.0}", 60.0 + at as f64 * 920.0 / (builds.len() - 1) as f64);
    let y = |value: f64| 190.0 - value / (top * 1.15) * 170.0;
    let points = builds.iter().enumerate();
    let points = points.map(|(at, build)| format!("{},{:.0}", x(at), y(build.seconds)));
    let points = points.collect::<Vec<_>>().join(" ");
    html! {
        div.scroll {
            svg.trend viewBox="0 0 1000 220" role="img"
                aria-label="Seconds of each build; the table below has them" {
                @for value in [0.0, top / 2.0, top] {
                    line x1="60" x2="980" y1=(format!("{:.0}", y(value)))
                        y2=(format!("{:.0}", y(value))) {}
                    text x="50" y=(format!("{:.0}", y(value) + 4.0)) { (seconds(value)) }
                }
                polyline points=(points) {}
                @for (at, build) in builds.iter().enumerate() {
                    circle cx=(x(at)) cy=(format!("{:.0}", y(build.seconds))) r="5" {
                        title { (build.short_commit()) ": " (format!("{:.1} s", build.seconds)) }
                    }
                }
            }
        }
    }
}

/// All units.
fn units(analysis: &Analysis) -> Markup {
    let saves = |at: usize| analysis.what_if.get(at).copied().unwrap_or(0.0);
    let takes = |at: usize| analysis.graph.units[at].timed.duration;
    let mut places: Vec<usize> = (0..analysis.graph.units.len()).collect();
    places.sort_by(|a, b| saves(*b).total_cmp(&saves(*a)).then(takes(*b).total_cmp(&takes(*a))));
    let cells = |at: usize| {
        let timed = &analysis.graph.units[at].timed;
        let link = timed.link.unwrap_or(0.0);
        let cells = [
            analysis.what_if.get(at).copied(),
            Some(timed.duration),
            timed.frontend,
            timed.frontend.map(|frontend| (timed.duration - frontend - link).max(0.0)),
            timed.link,
            Some(analysis.alone[at]).filter(|alone| *alone > 0.0),
            Some(timed.start),
        ];
        cells.map(|cell| cell.map_or_else(String::new, |value| format!("{value:.2}")))
    };
    let numbers = ["Sooner", "Takes", "Front end", "Code", "Link", "Alone", "Began"];
    let heads: Vec<(&str, bool)> =
        [("Unit", false)].into_iter().chain(numbers.map(|head| (head, true))).collect();
    let rows = html! {
        @for at in places {
            @let unit = &analysis.graph.units[at];
            tr id={ "u" (at) } {
                th scope="row" {
                    i class=(class(unit)) {}
                    (unit.timed.title()) " " small { (unit.timed.version) }
                }
                @for cell in cells(at) { td { (cell) } }
            }
        }
    };
    html! {
        section aria-labelledby="units" {
            h2 #units { "All units" }
            p {
                "Times are in seconds. “Sooner” is how much earlier the build would end if the unit \
                 took no time. “Alone” is how long nothing else was built beside it."
            }
            p.tools {
                label {
                    "Only with "
                    input #filter type="search" placeholder="name" autocomplete="off";
                }
                span #shown role="status" {}
            }
            (sortable("units", "units", &heads, rows))
        }
    }
}

/// How a unit is coloured.
fn class(unit: &Unit) -> &'static str {
    match (&unit.timed.kind, unit.timed.mode) {
        (Kind::BuildScript, Mode::Run) => "run",
        (Kind::BuildScript, _) => "script",
        _ if unit.is_member => "own",
        _ if unit.is_proc_macro => "macro",
        _ => "other",
    }
}

fn seconds(value: f64) -> String {
    if value >= 120.0 {
        format!("{} min {:02.0} s", (value / 60.0) as u64, (value % 60.0).floor())
    } else if value >= 10.0 {
        format!("{value:.0} s")
    } else {
        format!("{value:.1} s")
    }
}

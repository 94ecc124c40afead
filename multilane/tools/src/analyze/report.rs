//! The answer as a page: one file that needs nothing else, no network and no server.
//!
//! Everything can be read without its script, which only sorts, filters, zooms and points. What is
//! drawn is in a table, too.

mod crates;
mod rest;
mod timeline;

use std::fmt::{self, Display, Write};

use crate::analyze::advice::{Advice, TOLERANCE};
use crate::analyze::analysis::Analysis;
use crate::analyze::facts::Facts;
use crate::analyze::graph::Unit;
use crate::analyze::text::chain;
use crate::analyze::timings::{Kind, Mode};

const STYLE: &str = include_str!("report/style.css");
const SCRIPT: &str = include_str!("report/script.js");

/// For text and for values of attributes.
pub(crate) struct Escaped<'a>(pub(crate) &'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

/// `` `serde` `` becomes code.
struct Marked<'a>(&'a str);

impl Display for Marked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, part) in self.0.split('`').enumerate() {
            let part = Escaped(part);
            if index % 2 == 1 { write!(f, "<code>{part}</code>")? } else { write!(f, "{part}")? }
        }
        Ok(())
    }
}

pub(crate) fn page(facts: &Facts, analysis: &Analysis) -> Result<String, fmt::Error> {
    let mut out = String::new();
    let root = facts.text("root").rsplit(['/', '\\']).next().unwrap_or_default();
    let name = Escaped(root);
    write!(
        out,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{name}: where the build’s time goes</title>\n\
         <link rel=\"icon\" href=\"data:,\">\n<style>\n{STYLE}</style>\n</head>\n<body>\n\
         <a class=\"skip\" href=\"#main\">To the answer</a>\n"
    )?;
    header(&mut out, facts, analysis, root)?;
    out.push_str("<main id=\"main\">\n");
    if facts.wants("timings") {
        advice(&mut out, analysis)?;
        timeline::section(&mut out, analysis)?;
    }
    if facts.wants("graph") {
        crates::section(&mut out, facts, analysis)?;
    }
    if facts.wants("deps") {
        rest::dependencies(&mut out, analysis)?;
    }
    if facts.wants("mono") {
        rest::mono(&mut out, analysis)?;
    }
    if facts.wants("trend") {
        rest::trend(&mut out, analysis)?;
    }
    if facts.wants("disk") {
        rest::disk(&mut out, analysis)?;
    }
    if facts.wants("cache") {
        rest::cache(&mut out, facts, analysis)?;
    }
    if facts.wants("timings") {
        units(&mut out, analysis)?;
    }
    write!(
        out,
        "</main>\n<footer><p>Made by <code>cargo xtask analyze</code> from <code>{}</code>, {}.</p></footer>\n\
         <div id=\"tip\" role=\"status\" hidden></div>\n<script>\n{SCRIPT}</script>\n</body>\n</html>\n",
        Escaped(facts.text("build")),
        Escaped(&facts.timings.rustc),
    )?;
    Ok(out)
}

fn header(out: &mut String, facts: &Facts, analysis: &Analysis, root: &str) -> fmt::Result {
    let commit = facts.json["commit"].as_str().map_or("", |commit| &commit[..commit.len().min(10)]);
    let changed = if facts.is("changed") { " and uncommitted changes" } else { "" };
    let at = if commit.is_empty() {
        String::new()
    } else {
        format!(" at <code>{commit}</code>{changed}")
    };
    write!(
        out,
        "<header>\n<p class=\"over\">Where the build’s time goes</p>\n<h1>{}</h1>\n<p class=\"sub\">Profile {}{at}{}</p>\n<dl class=\"tiles\">\n",
        Escaped(root),
        Escaped(&facts.timings.profile),
        if facts.is("incremental") { ", only what had changed" } else { ", from nothing" },
    )?;
    let mut tile = |name: &str, value: String, note: String| {
        writeln!(out, "<div><dt>{name}</dt><dd>{value}</dd><dd class=\"note\">{note}</dd></div>")
    };
    let units = analysis.graph.units.len();
    let jobs = analysis.jobs;
    tile("Build", seconds(analysis.total), format!("{units} units, {jobs} at a time"))?;
    tile(
        "Processors in use",
        format!("{:.0} %", analysis.busy * 100.0),
        "of that time".to_owned(),
    )?;
    tile(
        "With any number of processors",
        seconds(analysis.critical_total),
        format!("{} units, one after the other", analysis.critical.len()),
    )?;
    tile(
        "Simulation",
        analysis.shown_error(),
        if analysis.is_trusted() { "off the real build" } else { "off: nothing is predicted" }
            .to_owned(),
    )?;
    out.push_str("</dl>\n");
    if let Some(stretched) = analysis.stretched {
        writeln!(
            out,
            "<p class=\"slower\">Others used the processors, too: the units took {stretched:.1} times as long as they were at work. On \
             an idle machine all times, and what is saved, are shorter by about as much.</p>"
        )?;
    }
    out.push_str("</header>\n");
    Ok(())
}

fn advice(out: &mut String, analysis: &Analysis) -> fmt::Result {
    out.push_str(
        "<section aria-labelledby=\"advice\">\n<h2 id=\"advice\">What would save most</h2>\n",
    );
    if !analysis.is_trusted() {
        return write!(
            out,
            "<p>The simulation of the build is off by more than {:.0} %, so nothing is predicted from it. Something else may \
             have kept the machine busy; try again when it is idle.</p>\n</section>\n",
            TOLERANCE * 100.0
        );
    }
    if analysis.advice.is_empty() {
        out.push_str(
            "<p>There is no change that would make this build notably shorter.</p>\n</section>\n",
        );
        return Ok(());
    }
    const OPEN_MAX: usize = 5;
    out.push_str("<ol class=\"advice\">\n");
    for (at, advice) in analysis.advice.iter().enumerate() {
        if at == OPEN_MAX {
            let rest = analysis.advice.len() - OPEN_MAX;
            write!(
                out,
                "</ol>\n<details><summary>{rest} more</summary>\n<ol class=\"advice\" start=\"6\">\n"
            )?;
        }
        let Advice { saves, title, because, edit, sure, .. } = advice;
        let part = (saves / analysis.run.total * 100.0).clamp(0.0, 100.0);
        write!(
            out,
            "<li>\n<p class=\"saves\"><b>{}</b> <span>{part:.0} % sooner</span></p>\n<div>\n<h3>{}</h3>\n\
             <div class=\"share\" style=\"--part:{part:.1}%\"></div>\n<p>{}.</p>\n<p class=\"edit\">{}.</p>\n\
             <p class=\"sure\">How sure the number is: {}</p>\n</div>\n</li>\n",
            seconds(*saves),
            Marked(&capital(title)),
            Marked(&capital(because)),
            Marked(&capital(edit)),
            sure.word(),
        )?;
    }
    out.push_str("</ol>\n");
    if analysis.advice.len() > OPEN_MAX {
        out.push_str("</details>\n");
    }
    out.push_str("</section>\n");
    Ok(())
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().into_iter().flat_map(char::to_uppercase).chain(chars).collect()
}

/// Every unit, as a table that can be sorted.
fn units(out: &mut String, analysis: &Analysis) -> fmt::Result {
    out.push_str(
        "<section aria-labelledby=\"units\">\n<h2 id=\"units\">All units</h2>\n\
         <p>“Sooner” is how much earlier the build would end if the unit took no time. “Alone” is how long nothing else was built \
         beside it.</p>\n\
         <p class=\"tools\"><label>Only with <input id=\"filter\" type=\"search\" placeholder=\"name\" autocomplete=\"off\"></label> \
         <span id=\"shown\" role=\"status\"></span></p>\n\
         <div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-labelledby=\"units\">\n<table class=\"units sortable\">\n<thead><tr>",
    );
    for (name, is_number) in [
        ("Unit", false),
        ("Sooner", true),
        ("Takes", true),
        ("Front end", true),
        ("Code", true),
        ("Link", true),
        ("Alone", true),
        ("Began", true),
    ] {
        let (class, sort) = if is_number { (" class=\"n\"", "") } else { ("", "") };
        write!(out, "<th scope=\"col\"{class}{sort}><button type=\"button\">{name}</button></th>")?;
    }
    out.push_str("</tr></thead>\n<tbody>\n");
    let mut places: Vec<usize> = (0..analysis.graph.units.len()).collect();
    let saves = |at: usize| analysis.what_if.get(at).copied().unwrap_or(0.0);
    let takes = |at: usize| analysis.graph.units[at].timed.duration;
    places.sort_by(|a, b| saves(*b).total_cmp(&saves(*a)).then(takes(*b).total_cmp(&takes(*a))));
    for at in places {
        let unit = &analysis.graph.units[at];
        let timed = &unit.timed;
        let link = timed.link.unwrap_or(0.0);
        let code = timed.frontend.map(|frontend| (timed.duration - frontend - link).max(0.0));
        write!(
            out,
            "<tr id=\"u{at}\"><th scope=\"row\"><i class=\"{}\"></i>{} <small>{}</small></th>",
            class(unit),
            Escaped(&timed.title()),
            Escaped(&timed.version)
        )?;
        for value in [
            analysis.what_if.get(at).copied(),
            Some(timed.duration),
            timed.frontend,
            code,
            timed.link,
            Some(analysis.alone[at]).filter(|alone| *alone > 0.0),
            Some(timed.start),
        ] {
            match value {
                Some(value) => write!(out, "<td>{value:.2}</td>")?,
                None => out.push_str("<td></td>"),
            }
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody>\n</table>\n</div>\n</section>\n");
    Ok(())
}

/// How a unit is coloured.
pub(crate) fn class(unit: &Unit) -> &'static str {
    match (&unit.timed.kind, unit.timed.mode) {
        (Kind::BuildScript, Mode::Run) => "run",
        (Kind::BuildScript, _) => "script",
        _ if unit.is_member => "own",
        _ if unit.is_proc_macro => "macro",
        _ => "other",
    }
}

pub(crate) fn seconds(value: f64) -> String {
    if value >= 120.0 {
        format!("{} min {:02.0} s", (value / 60.0) as u64, (value % 60.0).floor())
    } else if value >= 10.0 {
        format!("{value:.0} s")
    } else {
        format!("{value:.1} s")
    }
}

/// What a unit had to wait for, for whoever points at it.
pub(crate) fn waited_for(analysis: &Analysis, at: usize) -> String {
    chain(analysis, at).pop().map(|last| format!(", after {last}")).unwrap_or_default()
}

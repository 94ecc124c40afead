//! Dependencies, caches, lanes on disk, and the builds before this one.

use std::fmt::{self, Write as _};

use crate::analyze::advice::list;
use crate::analyze::analysis::Analysis;
use crate::analyze::cache::Sccache;
use crate::analyze::deps::{Macro, Twice, Unused, Versions};
use crate::analyze::disk::bytes;
use crate::analyze::facts::Facts;
use crate::analyze::forks::Forks;
use crate::analyze::mono::{Function, Item, Mono};
use crate::analyze::report::{Escaped, seconds};
use crate::analyze::text::{heavy_traits, shown_derived};
use crate::analyze::trend::Slower;

pub(super) fn dependencies(out: &mut String, analysis: &Analysis) -> fmt::Result {
    let all = &analysis.dependencies;
    out.push_str(
        "<section aria-labelledby=\"deps\">\n<h2 id=\"deps\">Dependencies</h2>\n<div class=\"cards\">\n",
    );
    out.push_str("<div class=\"card\"><h3>Unused</h3>");
    match all.unused.as_deref() {
        None => out.push_str(
            "<p><code>cargo-shear</code> knows, and is not installed: <code>cargo install cargo-shear</code></p>",
        ),
        Some([]) => out.push_str("<p><code>cargo-shear</code> finds none.</p>"),
        Some(unused) => {
            out.push_str("<ul>");
            for Unused { manifest, name } in unused {
                write!(out, "<li><code>{}</code> <small>{}</small></li>", Escaped(name), Escaped(manifest))?;
            }
            out.push_str("</ul>");
        }
    }
    out.push_str("</div>\n<div class=\"card\"><h3>In several versions</h3>");
    if all.versions.is_empty() {
        out.push_str("<p>None.</p>");
    }
    out.push_str("<ul>");
    for Versions { name, versions } in &all.versions {
        write!(out, "<li><code>{}</code>", Escaped(name))?;
        for (version, who) in versions {
            write!(out, "<br>{} <small>for {}</small>", Escaped(version), Escaped(&list(who)))?;
        }
        out.push_str("</li>");
    }
    out.push_str("</ul></div>\n<div class=\"card\"><h3>Compiled more than once</h3>");
    if all.twice.is_empty() {
        out.push_str("<p>None.</p>");
    }
    out.push_str("<ul>");
    for Twice { name, version, ways } in &all.twice {
        write!(out, "<li><code>{}</code> {}", Escaped(name), Escaped(version))?;
        for (seconds, only) in ways {
            let only =
                if only.is_empty() { String::new() } else { format!("with {}", only.join(", ")) };
            write!(out, "<br>{seconds:.1} s <small>{}</small>", Escaped(&only))?;
        }
        out.push_str("</li>");
    }
    out.push_str("</ul></div>\n<div class=\"card\"><h3>Proc-macros</h3>");
    if all.macros.is_empty() {
        out.push_str("<p>None.</p>");
    }
    out.push_str("<ul>");
    for Macro { name, seconds, asked_for_by } in &all.macros {
        write!(
            out,
            "<li><code>{}</code> {seconds:.1} s <small>with all it is made of, for {}</small></li>",
            Escaped(name),
            Escaped(&list(asked_for_by))
        )?;
    }
    out.push_str("</ul></div>\n<div class=\"card\"><h3>Derived in your sources</h3>");
    if analysis.sources.derives.is_empty() {
        out.push_str("<p>Nothing.</p>");
    }
    out.push_str("<ul>");
    for (name, types) in &analysis.sources.derives {
        let types = if *types == 1 { "one type".to_owned() } else { format!("{types} types") };
        write!(out, "<li><code>{}</code> <small>for {types}</small></li>", Escaped(name))?;
    }
    out.push_str("</ul></div>\n</div>\n</section>\n");
    Ok(())
}

pub(super) fn mono(out: &mut String, analysis: &Analysis) -> fmt::Result {
    out.push_str("<section aria-labelledby=\"mono\">\n<h2 id=\"mono\">What LLVM is given</h2>\n");
    if analysis.mono.is_empty() {
        out.push_str("<p>There is no program or library here whose code could be counted.</p>\n");
    }
    for Mono { package, target, lines, copies, functions, crates, traits, items } in &analysis.mono
    {
        let part = |of: u64| of as f64 / (*lines).max(1) as f64 * 100.0;
        let crates: Vec<String> = crates
            .iter()
            .take(6)
            .map(|(name, lines)| format!("{name} {:.0} %", part(*lines)))
            .collect();
        writeln!(
            out,
            "<h3>{} <small>{}</small></h3>\n<p>{lines} lines in {copies} functions. By the crate that they are written in: {}.</p>",
            Escaped(package),
            Escaped(target),
            Escaped(&crates.join(", "))
        )?;
        let heavy = heavy_traits(analysis, traits, |lines| part(lines) >= 1.0);
        if !heavy.is_empty() {
            out.push_str("<p>Traits that your types implement, of these lines:</p>\n<ul>");
            for (one, types) in heavy {
                write!(
                    out,
                    "<li><code>{}</code> {:.0} % <small>in {} functions{}</small></li>",
                    Escaped(&one.name),
                    part(one.lines),
                    one.functions,
                    shown_derived(types)
                )?;
            }
            out.push_str("</ul>\n");
        }
        let functions =
            functions.iter().map(|Function { name, lines, copies }| (name, *lines, *copies));
        table(out, analysis, "Lines", functions)?;
        if let Some(items) = items {
            let copies: u64 = items.iter().map(|item| item.copies).sum();
            writeln!(
                out,
                "<p>By the compiler’s own count, which knows no glue that drops values: {} functions, {copies} times. Its size is an \
                 estimate before LLVM, each copy taken for as long as one.</p>",
                items.len()
            )?;
            table(
                out,
                analysis,
                "Size",
                items.iter().map(|Item { name, copies, size }| (name, *size, *copies)),
            )?;
        }
    }
    if !analysis.sources.forced.is_empty() {
        out.push_str("<h3><code>#[inline(always)]</code> on what is public and generic</h3>\n<ul>");
        for forced in &analysis.sources.forced {
            write!(
                out,
                "<li><code>{}</code> {}:{}</li>",
                Escaped(&forced.function),
                Escaped(&forced.file),
                forced.line
            )?;
        }
        out.push_str("</ul>\n");
    }
    out.push_str("</section>\n");
    Ok(())
}

fn table<'a>(
    out: &mut String,
    analysis: &Analysis,
    measure: &str,
    functions: impl Iterator<Item = (&'a String, u64, u64)>,
) -> fmt::Result {
    const SHOWN_MAX: usize = 25;
    writeln!(
        out,
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-labelledby=\"mono\"><table class=\"sortable\"><thead><tr>\
         <th scope=\"col\"><button type=\"button\">Function</button></th><th scope=\"col\" class=\"n\"><button type=\"button\">{measure}\
         </button></th><th scope=\"col\" class=\"n\"><button type=\"button\">Copies</button></th></tr></thead><tbody>",
    )?;
    for (name, size, copies) in functions.take(SHOWN_MAX) {
        let own = if analysis.is_own_crate(name) { "own" } else { "other" };
        writeln!(
            out,
            "<tr><th scope=\"row\"><i class=\"{own}\"></i>{}</th><td>{size}</td><td>{copies}</td></tr>",
            Escaped(name)
        )?;
    }
    out.push_str("</tbody></table></div>\n");
    Ok(())
}

pub(super) fn cache(out: &mut String, facts: &Facts, analysis: &Analysis) -> fmt::Result {
    let text = match facts.sccache.as_ref().and_then(Sccache::read) {
        Some(sccache) => sccache.to_string(),
        None => "There is no sccache here that could say what it has answered.".to_owned(),
    };
    writeln!(
        out,
        "<section aria-labelledby=\"cache\">\n<h2 id=\"cache\">Cache</h2>\n<p>{}</p>",
        Escaped(&text)
    )?;
    if let Some(forks) = &analysis.forks {
        writeln!(out, "<p>{}</p>", Escaped(&forks.summary()))?;
        forks_left(out, analysis, forks)?;
    }
    out.push_str("</section>\n");
    Ok(())
}

fn forks_left(out: &mut String, analysis: &Analysis, forks: &Forks) -> fmt::Result {
    if forks.left.is_empty() {
        return Ok(());
    }
    out.push_str("<ul>\n");
    for group in forks.groups(&analysis.graph) {
        let titles: Vec<String> =
            group.units.iter().map(|at| analysis.graph.units[*at].timed.title()).collect();
        writeln!(
            out,
            "<li>{:.1} s, {}: {}</li>",
            group.seconds,
            Escaped(group.why),
            Escaped(&list(&titles))
        )?;
    }
    if forks.follow() > 0 {
        writeln!(out, "<li>others that need one of those: {}</li>", forks.follow())?;
    }
    out.push_str("</ul>\n");
    Ok(())
}

pub(super) fn disk(out: &mut String, analysis: &Analysis) -> fmt::Result {
    const SHOWN_MAX: usize = 12;
    let disk = &analysis.disk;
    if disk.lanes.is_empty() {
        return Ok(());
    }
    let shared = match disk.apart.saturating_sub(disk.total) {
        0 => String::new(),
        _ => format!(" If nothing were shared, they would take {}.", bytes(disk.apart)),
    };
    writeln!(
        out,
        "<section aria-labelledby=\"disk\">\n<h2 id=\"disk\">On disk</h2>\n<p>{} in lanes: {}.{shared}</p>\n<div class=\"cards\">",
        bytes(disk.total),
        disk.lanes.len()
    )?;
    let lanes: Vec<(String, u64)> =
        disk.lanes.iter().map(|lane| (lane.name.clone(), lane.bytes)).collect();
    let mut kinds: Vec<(String, u64)> =
        disk.kinds.iter().map(|(name, size)| ((*name).to_owned(), *size)).collect();
    kinds.sort_by_key(|(_, size)| std::cmp::Reverse(*size));
    for (title, rows) in [("By lane", &lanes), ("By kind", &kinds), ("By crate", &disk.crates)] {
        write!(out, "<div class=\"card\"><h3>{title}</h3><table class=\"bars\"><tbody>")?;
        let most = rows.iter().map(|(_, size)| *size).max().unwrap_or(1).max(1) as f64;
        for (name, size) in rows.iter().take(SHOWN_MAX) {
            write!(
                out,
                "<tr><th scope=\"row\">{}</th><td style=\"--part:{:.1}%\">{}</td></tr>",
                Escaped(name),
                *size as f64 / most * 100.0,
                bytes(*size)
            )?;
        }
        out.push_str("</tbody></table></div>\n");
    }
    out.push_str("</div>\n</section>\n");
    Ok(())
}

pub(super) fn trend(out: &mut String, analysis: &Analysis) -> fmt::Result {
    out.push_str(
        "<section aria-labelledby=\"trend\">\n<h2 id=\"trend\">The builds before this one</h2>\n",
    );
    let builds = &analysis.builds;
    if builds.len() < 2 {
        out.push_str(
            "<p>This is the first build of this kind that is remembered.</p>\n</section>\n",
        );
        return Ok(());
    }
    for Slower { package, seconds, before, since, until } in &analysis.slower {
        let short = |commit: &str| commit.get(..10).unwrap_or(commit).to_owned();
        writeln!(
            out,
            "<p class=\"slower\"><code>{}</code> takes {seconds:.1} s. Beside all the others, {before:.1} s would be as before. Slow since \
             <code>{}</code>, not yet at <code>{}</code>.</p>",
            Escaped(package),
            short(since),
            short(until)
        )?;
    }
    if analysis.slower.is_empty() {
        out.push_str("<p>No crate has become slower than the others have.</p>\n");
    }
    let top = builds.iter().map(|build| build.seconds).fold(0.0, f64::max) * 1.15;
    let x = |at: usize| 60.0 + at as f64 * 920.0 / (builds.len() - 1) as f64;
    let y = |value: f64| 190.0 - value / top * 170.0;
    out.push_str("<div class=\"scroll\"><svg class=\"trend\" viewBox=\"0 0 1000 220\" role=\"img\" aria-label=\"Seconds of each build; the table below has them\">\n");
    for part in [0.0, 0.5, 1.0] {
        let value = top / 1.15 * part;
        write!(
            out,
            "<line x1=\"60\" x2=\"980\" y1=\"{0:.0}\" y2=\"{0:.0}\"/><text x=\"50\" y=\"{1:.0}\">{2}</text>",
            y(value),
            y(value) + 4.0,
            seconds(value)
        )?;
    }
    let points: Vec<String> = builds
        .iter()
        .enumerate()
        .map(|(at, build)| format!("{:.0},{:.0}", x(at), y(build.seconds)))
        .collect();
    write!(out, "<polyline points=\"{}\"/>", points.join(" "))?;
    for (at, build) in builds.iter().enumerate() {
        write!(
            out,
            "<circle cx=\"{:.0}\" cy=\"{:.0}\" r=\"5\"><title>{}: {:.1} s</title></circle>",
            x(at),
            y(build.seconds),
            Escaped(build.commit.get(..10).unwrap_or(&build.commit)),
            build.seconds
        )?;
    }
    out.push_str("</svg></div>\n<details><summary>As a table</summary>\n<table><thead><tr><th scope=\"col\">Commit</th><th scope=\"col\" class=\"n\">Seconds</th><th scope=\"col\" class=\"n\">Units</th></tr></thead><tbody>");
    for build in builds.iter().rev() {
        let changed = if build.has_changes { " and changes" } else { "" };
        write!(
            out,
            "<tr><th scope=\"row\"><code>{}</code>{changed}</th><td>{:.1}</td><td>{}</td></tr>",
            Escaped(build.commit.get(..10).unwrap_or(&build.commit)),
            build.seconds,
            build.units
        )?;
    }
    out.push_str("</tbody></table></details>\n</section>\n");
    Ok(())
}

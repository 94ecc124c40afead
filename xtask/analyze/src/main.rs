//! Thinks about what `cargo xtask analyze` has gathered: `xtask-analyze <facts.json>`.
//!
//! It starts no process and needs no network. `facts` reads what is there, `analysis` follows from that, and the answer has
//! three forms: `text`, `json`, and the report.

mod advice;
mod analysis;
mod cache;
mod churn;
mod deps;
mod disk;
mod facts;
mod forks;
mod graph;
mod json;
mod metadata;
mod mono;
mod report;
mod simulate;
mod source;
mod text;
mod timings;
mod trend;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;

use crate::analysis::Analysis;
use crate::facts::Facts;
use crate::trend::Build;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(err) => {
            drop(writeln!(std::io::stderr(), "error: {err:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<()> {
    let path = std::env::args_os().nth(1).context("usage: xtask-analyze <facts.json>")?;
    let facts = Facts::read(&PathBuf::from(path))?;
    let analysis = Analysis::of(&facts)?;
    let answer = if facts.is("json") {
        json::answer(&facts, &analysis).to_string()
    } else {
        text::answer(&facts, &analysis)?
    };
    if let Some(build) =
        analysis.builds.last().filter(|_| facts.is("record") && !facts.text("commit").is_empty())
    {
        remember(&facts, build);
    }
    let page = PathBuf::from(facts.text("report"));
    std::fs::write(&page, report::page(&facts, &analysis)?)
        .with_context(|| format!("cannot write {}", page.display()))?;
    match writeln!(std::io::stdout(), "{answer}") {
        Err(err) if err.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(err).context("cannot write to stdout")
        }
        _ => Ok(()),
    }
}

/// The answer is right without it, too: what cannot be written is missing next time.
fn remember(facts: &Facts, build: &Build) {
    let path = PathBuf::from(facts.text("history"));
    let text = trend::write(&trend::with(facts.history.clone(), build.clone()));
    let staged = path.with_extension(format!("{}.json", std::process::id()));
    let made = path.parent().map_or(Ok(()), std::fs::create_dir_all);
    let written =
        made.and_then(|()| std::fs::write(&staged, text)).and_then(|()| std::fs::rename(&staged, &path));
    if written.is_err() {
        drop(std::fs::remove_file(&staged));
    }
}

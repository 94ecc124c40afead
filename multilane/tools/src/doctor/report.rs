//! From facts to findings, each with what it costs and how to fix it. The rules of each area are in
//! a file in `report/`.

mod builds;
pub(crate) mod settings;
mod surroundings;
mod tools;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use multilane_engine::project::cranelift;
use multilane_engine::sccache::tally::CacheCounts;
use multilane_engine::sccache::variables::CacheReach;
use serde::Serialize;
use textwrap::{Options, WordSplitter};

use crate::doctor::config_files::ConfigFile;
use crate::doctor::editors::Editor;
use crate::doctor::file_system::FileSystem;
use crate::doctor::git::Git;
use crate::doctor::machine::Machine;
use crate::doctor::reruns::Reruns;
use crate::doctor::toolchain::Toolchain;
use crate::doctor::wrappers::Wrapper;
use crate::install::plan::Reply;
use crate::linkers::probe::Link;
use multilane_engine::permits::limits::Limits;

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Finding {
    pub(crate) area: &'static str,
    pub(crate) level: Level,
    pub(crate) what: String,
    /// What it costs, and how to fix it. Empty where nothing is wrong.
    pub(crate) cost: String,
    pub(crate) fix: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Level {
    Ok,
    /// It could be better.
    Note,
    /// It costs time or space again and again.
    Warning,
    /// Nothing can be built, or the wrong thing is.
    Error,
}

/// Everything that the rules look at.
pub(crate) struct Facts {
    pub(crate) root: PathBuf,
    pub(crate) os: &'static str,
    /// Days since 1970-01-01.
    pub(crate) now_days: u64,
    /// How the verbs are called here: `cargo xtask`.
    pub(crate) called: &'static str,
    pub(crate) toolchain: Toolchain,
    /// `rust-version` of the workspace.
    pub(crate) rust_version: Option<String>,
    /// What the workspace says about Cranelift.
    pub(crate) cranelift: Option<Result<cranelift::Settings, String>>,
    pub(crate) has_cranelift: bool,
    pub(crate) link: Link,
    pub(crate) wrapper: Wrapper,
    /// Where the wrapper passes compilers on to sccache.
    pub(crate) shared_cache: Option<SharedCacheFacts>,
    /// The user has switched the cache off.
    pub(crate) is_cache_off: bool,
    /// Those that change what is built.
    pub(crate) variables: Vec<(String, String)>,
    pub(crate) config: Vec<ConfigFile>,
    pub(crate) editors: Vec<Editor>,
    /// Whether the workspace sets `profile.dev.incremental`.
    pub(crate) sets_incremental: bool,
    pub(crate) git: Git,
    pub(crate) has_hook: bool,
    pub(crate) worktrees: usize,
    pub(crate) lanes: Vec<LaneFacts>,
    /// What `gc` could free at most, in bytes, and what it takes to make that again, in seconds.
    pub(crate) could_free: (u64, f64),
    pub(crate) has_lanes_dir: bool,
    /// Of the workspace's directory.
    pub(crate) file_system: Option<FileSystem>,
    /// Whether files can share their bytes there; `None` where it was not tried.
    pub(crate) reflinks: Option<bool>,
    pub(crate) reruns: Reruns,
    /// The tools that were found, and what they answered.
    pub(crate) tools: BTreeMap<&'static str, Reply>,
    pub(crate) machine: Machine,
    /// `None` where compilers take no permits.
    pub(crate) permits: Option<Permits>,
}

/// How much runs at once.
pub(crate) struct Permits {
    pub(crate) limits: Limits,
    /// What links were seen to need, in MiB, the least first.
    pub(crate) links: Vec<u64>,
}

/// What came of compiling one crate twice.
pub(crate) struct SharedCacheFacts {
    pub(crate) program: PathBuf,
    /// Why it is not used at all.
    pub(crate) unusable: Option<String>,
    /// Nothing is written to caches beyond this machine.
    pub(crate) is_read_only: bool,
    /// By each way that there is, the whole first: whether the second time was a hit, or what is
    /// wrong. Where the cache is only read, whether it answers.
    pub(crate) proofs: Vec<(CacheReach, Result<(), String>)>,
    /// The same for caches beyond this machine, without the disk.
    pub(crate) beyond: Option<Result<(), String>>,
    pub(crate) brought: CacheCounts,
    pub(crate) disk: Option<CacheDisk>,
}

/// The part of the cache that is on this machine's disk; in bytes.
pub(crate) struct CacheDisk {
    pub(crate) dir: PathBuf,
    pub(crate) size: u64,
    pub(crate) size_max: u64,
    pub(crate) free: u64,
}

pub(crate) struct LaneFacts {
    pub(crate) dir: PathBuf,
    pub(crate) is_this_worktrees: bool,
    pub(crate) size: u64,
    pub(crate) file_system: Option<FileSystem>,
}

/// Everything that there is to say, by area. Where nothing is wrong, one line says what was looked
/// at.
pub(crate) fn report(facts: &Facts) -> Vec<Finding> {
    type Rules = fn(&Facts, &mut Findings);
    const AREAS: [(&str, Rules); 12] = [
        ("toolchain", tools::toolchain),
        ("linker", tools::linker),
        ("cache", tools::cache),
        ("wrapper", tools::wrapper),
        ("variables", settings::variables),
        ("configuration", settings::configuration),
        ("editors", settings::editors),
        ("git", surroundings::git),
        ("lanes", surroundings::lanes),
        ("build scripts", builds::build_scripts),
        ("tools", tools::tools),
        ("machine", surroundings::machine),
    ];
    let of_area = |(area, rules): (&'static str, Rules)| {
        let mut findings = Findings { area, list: Vec::new() };
        rules(facts, &mut findings);
        let mut list = findings.list;
        if list.iter().any(|finding| finding.level >= Level::Warning) {
            list.retain(|finding| finding.level > Level::Ok);
        }
        list.sort_by_key(|it| (it.level > Level::Ok, std::cmp::Reverse(it.level)));
        list
    };
    AREAS.into_iter().flat_map(of_area).collect()
}

/// For a terminal that is `width` columns wide.
pub(crate) fn to_text(findings: &[Finding], width: usize) -> String {
    let paragraph = |start: &str, indent: usize, text: &str| {
        let indent = " ".repeat(indent);
        let options = Options::new(width)
            .initial_indent(start)
            .subsequent_indent(&indent)
            .word_splitter(WordSplitter::NoHyphenation)
            .break_words(false);
        textwrap::fill(text, options)
    };
    let mut lines = Vec::new();
    for Finding { area, level, what, cost, fix } in findings {
        let level = format!("{level:?}").to_lowercase();
        lines.push(paragraph(&format!("{level:<8} {area:<13}  "), 24, what));
        for (name, text) in [("costs:", cost), ("fix:", fix)] {
            if !text.is_empty() {
                lines.push(paragraph(&format!("{:24}{name:<7}", ""), 31, text));
            }
        }
    }
    lines.join("\n")
}

/// Collects the findings of one area.
struct Findings {
    area: &'static str,
    list: Vec<Finding>,
}

impl Findings {
    fn add(
        &mut self,
        level: Level,
        what: impl Into<String>,
        cost: impl Into<String>,
        fix: impl Into<String>,
    ) {
        let (what, cost, fix) = (what.into(), cost.into(), fix.into());
        self.list.push(Finding { area: self.area, level, what, cost, fix });
    }

    fn ok(&mut self, what: impl Into<String>) {
        self.add(Level::Ok, what, "", "");
    }

    fn note(&mut self, what: impl Into<String>, cost: impl Into<String>, fix: impl Into<String>) {
        self.add(Level::Note, what, cost, fix);
    }

    fn warn(&mut self, what: impl Into<String>, cost: impl Into<String>, fix: impl Into<String>) {
        self.add(Level::Warning, what, cost, fix);
    }

    fn error(&mut self, what: impl Into<String>, cost: impl Into<String>, fix: impl Into<String>) {
        self.add(Level::Error, what, cost, fix);
    }
}

/// Relative to the workspace where it lies in there.
fn shown(facts: &Facts, path: &Path) -> String {
    let short = path.strip_prefix(&facts.root).ok().filter(|short| !short.as_os_str().is_empty());
    short.unwrap_or(path).display().to_string()
}

#[cfg(test)]
mod tests;

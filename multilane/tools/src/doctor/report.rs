//! What `doctor` finds: from facts to findings, each with what it costs and the command that mends
//! it.
//!
//! An area in which nothing is wrong says in one line what was looked at. The rules of each area
//! are in a file of their own in `doctor/`.

mod builds;
pub(crate) mod settings;
mod surroundings;
mod tools;

use std::fmt;
use std::path::{Path, PathBuf};

use multilane::project::cranelift;
use multilane::sccache::tally::CacheCounts;
use multilane::sccache::variables::CacheReach;

use crate::doctor::config_files::ConfigFile;
use crate::doctor::editors::Editor;
use crate::doctor::file_system::FileSystem;
use crate::doctor::git::Git;
use crate::doctor::machine::Machine;
use crate::doctor::reruns::Reruns;
use crate::doctor::toolchain::Toolchain;
use crate::doctor::wrappers::{NotOurs, Wrapper};
use crate::install::plan::Reply;
use crate::linkers::link::Link;

/// Something that was looked at.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Finding {
    pub(crate) area: Area,
    pub(crate) level: Level,
    pub(crate) what: String,
    /// Empty where nothing is wrong.
    pub(crate) cost: String,
    pub(crate) fix: String,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    Ok,
    /// It could be better.
    Note,
    /// It costs time or space at every turn.
    Warning,
    /// Nothing can be built, or the wrong thing is.
    Error,
}

impl Level {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Level::Ok => "ok",
            Level::Note => "note",
            Level::Warning => "warning",
            Level::Error => "error",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Area {
    Toolchain,
    Linker,
    Cache,
    Wrapper,
    Variables,
    Configuration,
    Editors,
    Git,
    Lanes,
    BuildScripts,
    Tools,
    Machine,
}

impl Area {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Area::Toolchain => "toolchain",
            Area::Linker => "linker",
            Area::Cache => "cache",
            Area::Wrapper => "wrapper",
            Area::Variables => "variables",
            Area::Configuration => "configuration",
            Area::Editors => "editors",
            Area::Git => "git",
            Area::Lanes => "lanes",
            Area::BuildScripts => "build scripts",
            Area::Tools => "tools",
            Area::Machine => "machine",
        }
    }
}

/// What was asked of the world.
pub(crate) struct Facts {
    pub(crate) root: PathBuf,
    pub(crate) os: &'static str,
    /// Days since the epoch of Unix.
    pub(crate) now_days: u64,
    /// How the verbs are called here: `cargo xtask`, or the program's own path where the workspace
    /// has no such alias.
    pub(crate) xtask: String,
    pub(crate) toolchain: Toolchain,
    pub(crate) cranelift: Cranelift,
    pub(crate) link: Link,
    pub(crate) wrapper: Wrapper,
    /// Where the wrapper hands compilers on to sccache.
    pub(crate) shared_cache: Option<SharedCacheFacts>,
    /// The user wants none.
    pub(crate) is_cache_off: bool,
    pub(crate) not_ours: NotOurs,
    /// Those that change what is built.
    pub(crate) variables: Vec<(String, String)>,
    pub(crate) config: Vec<ConfigFile>,
    pub(crate) editors: Vec<Editor>,
    /// `profile.dev.incremental`, where the workspace says it.
    pub(crate) dev_incremental: Option<bool>,
    pub(crate) git: Git,
    pub(crate) has_hook: bool,
    pub(crate) worktrees: usize,
    pub(crate) lanes: Vec<LaneFacts>,
    pub(crate) has_lanes_dir: bool,
    /// What the workspace lies on.
    pub(crate) file_system: Option<FileSystem>,
    /// Whether files can share their bytes there; `None` where it was not tried.
    pub(crate) reflinks: Option<bool>,
    pub(crate) reruns: Reruns,
    /// The tools that are there, and what they say is their version.
    pub(crate) tools: Vec<(&'static str, Reply)>,
    pub(crate) machine: Machine,
}

/// What came of compiling one crate twice.
pub(crate) struct SharedCacheFacts {
    pub(crate) program: PathBuf,
    /// Why it is not used at all.
    pub(crate) unusable: Option<String>,
    /// Nothing is added to what lies beyond this machine.
    pub(crate) is_read_only: bool,
    /// By each way that there is, the whole first: whether the second time was a hit, or what is
    /// wrong. Where it is only read, whether it answers.
    pub(crate) proofs: Vec<(CacheReach, Result<(), String>)>,
    /// The same for what lies beyond this machine, without the disk.
    pub(crate) beyond: Option<Result<(), String>>,
    pub(crate) brought: CacheCounts,
}

pub(crate) struct Cranelift {
    /// What the workspace says of it.
    pub(crate) settings: Option<Result<cranelift::Settings, String>>,
    pub(crate) has_component: bool,
}

pub(crate) struct LaneFacts {
    pub(crate) dir: PathBuf,
    pub(crate) is_this_worktrees: bool,
    pub(crate) size: u64,
    pub(crate) file_system: Option<FileSystem>,
}

/// Everything that there is to say, by area.
pub(crate) struct Report {
    pub(crate) findings: Vec<Finding>,
}

pub(crate) fn report(facts: &Facts) -> Report {
    let mut findings = Vec::new();
    for (area, (fine, mut found)) in [
        (Area::Toolchain, tools::toolchain(facts)),
        (Area::Linker, tools::linker(facts)),
        (Area::Cache, tools::cache(facts)),
        (Area::Wrapper, tools::wrapper(facts)),
        (Area::Variables, settings::variables(facts)),
        (Area::Configuration, settings::configuration(facts)),
        (Area::Editors, settings::editors(facts)),
        (Area::Git, surroundings::git(facts)),
        (Area::Lanes, surroundings::lanes(facts)),
        (Area::BuildScripts, builds::build_scripts(facts)),
        (Area::Tools, tools::tools(facts)),
        (Area::Machine, surroundings::machine(facts)),
    ] {
        // Where something is wrong, that is what is said.
        let is_fine = found.iter().all(|problem| problem.level < Level::Warning);
        if is_fine && !fine.is_empty() {
            findings.push(Finding {
                area,
                level: Level::Ok,
                what: fine,
                cost: String::new(),
                fix: String::new(),
            });
        }
        found.sort_by_key(|problem| std::cmp::Reverse(problem.level));
        let whole = |Problem { level, what, cost, fix }| Finding { area, level, what, cost, fix };
        findings.extend(found.into_iter().map(whole));
    }
    Report { findings }
}

impl Report {
    pub(crate) fn count(&self, level: Level) -> usize {
        self.findings.iter().filter(|finding| finding.level == level).count()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, finding) in self.findings.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(
                f,
                "{:<7}  {:<13}  {}",
                finding.level.name(),
                finding.area.name(),
                finding.what
            )?;
            for (name, text) in [("costs", &finding.cost), ("fix", &finding.fix)] {
                if !text.is_empty() {
                    write!(f, "\n{:25}{:<7}{text}", "", format!("{name}:"))?;
                }
            }
        }
        Ok(())
    }
}

/// A finding before it is put into its area.
#[derive(Debug, PartialEq)]
struct Problem {
    level: Level,
    what: String,
    cost: String,
    fix: String,
}

/// What an area says when all is well, and what is not.
type Judged = (String, Vec<Problem>);

fn note(what: impl Into<String>, cost: impl Into<String>, fix: impl Into<String>) -> Problem {
    Problem { level: Level::Note, what: what.into(), cost: cost.into(), fix: fix.into() }
}

fn warning(what: impl Into<String>, cost: impl Into<String>, fix: impl Into<String>) -> Problem {
    Problem { level: Level::Warning, what: what.into(), cost: cost.into(), fix: fix.into() }
}

fn error(what: impl Into<String>, cost: impl Into<String>, fix: impl Into<String>) -> Problem {
    Problem { level: Level::Error, what: what.into(), cost: cost.into(), fix: fix.into() }
}

/// Relative to the workspace where it lies in there.
fn shown(facts: &Facts, path: &Path) -> String {
    let short = path.strip_prefix(&facts.root).ok().filter(|short| !short.as_os_str().is_empty());
    short.unwrap_or(path).display().to_string()
}

/// The numbers of a version: `1.95.0-nightly` is 1, 95, 0.
fn numbers(version: &str) -> Option<(u32, u32, u32)> {
    let word =
        version.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit()))?;
    let mut numbers = word.split(['.', '-', '+']).map(|number| number.parse().ok());
    Some((numbers.next()??, numbers.next()??, numbers.next().flatten().unwrap_or_default()))
}

#[cfg(test)]
mod tests;

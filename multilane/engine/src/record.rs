//! The record of each build: one line of JSON in the shared git directory. docs/records.md
//! describes the format.
//!
//! A record is never a reason for a build to fail: where it cannot be written, there is none.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use crate::cargo_line;
use crate::environment::{self, Environment};
use crate::files;
use crate::json::Json;
use crate::lanes::{Lane, Owner};
use crate::process::Units;
use crate::project::Project;
use crate::project::git_dir::{self, Common};

/// Counts up when a field changes its meaning or goes.
const VERSION: u64 = 1;

/// Names another file.
const VARIABLE: &str = "MULTILANE_RECORDS";

/// Of one file. The one before it is kept, so there are at most twice as many.
const BYTES_MAX: u64 = 512 * 1024;

/// How many names, words or commands a list has at most.
const NAMES_MAX: usize = 20;

/// What a build did.
#[derive(Default)]
pub struct Build<'a> {
    /// What cargo was asked for, or this program where it called no cargo.
    pub commands: Vec<Vec<String>>,
    /// `None` where cargo was not asked for its units.
    pub units: Option<&'a Units>,
    /// How many of the units that were compiled came from the shared cache.
    pub from_cache: Option<u64>,
    pub forks: &'a [Fork],
    /// Why nothing could be forked into an empty lane, where it could not.
    pub no_fork: Option<&'a str>,
    pub waits: &'a [Wait],
    /// Tests failed while others kept the processors.
    pub is_overloaded: bool,
    /// `None` where this process became cargo.
    pub exit_code: Option<u8>,
}

/// A fork that was carried out.
#[derive(Debug)]
pub struct Fork {
    /// The lane that the units are from.
    pub donor: PathBuf,
    pub units: usize,
    pub left: Vec<LeftUnit>,
    pub time: Duration,
}

/// A unit of the donor that is left to cargo.
#[derive(Clone, Debug)]
pub struct LeftUnit {
    pub package: String,
    /// One of a few fixed words.
    pub reason: &'static str,
    /// The same for a reader, with the path or name that it is about.
    pub explanation: String,
    /// What would make it bringable.
    pub remedy: Option<&'static str>,
}

/// A wait for another builder.
#[derive(Debug)]
pub struct Wait {
    pub builder: String,
    pub time: Duration,
}

/// Appends the record of a build in `lane`.
pub fn write(project: &Project, lane: &Lane, build: &Build<'_>) {
    let Some(file) = file(project) else { return };
    let line = format!("{}\n", to_json(project, lane, build));
    drop(append(&file, line.as_bytes()));
}

/// The same for a verb of ours that has forked and built nothing.
pub fn write_fork(project: &Project, lane: &Lane, verb: &str, fork: Option<Fork>) {
    if let Some(fork) = fork {
        let commands = vec![vec![verb.to_owned()]];
        let forks = &[fork];
        write(project, lane, &Build { commands, forks, exit_code: Some(0), ..Build::default() });
    }
}

fn file(project: &Project) -> Option<PathBuf> {
    file_of(&project.session.env, &project.repo.root).or_else(|| {
        Some(project.repo.lanes_dir()).filter(|dir| dir.is_dir()).map(git_dir::records_in)
    })
}

/// Where the records of a checkout are. `None` without git.
pub fn file_of(env: &Environment, root: &Path) -> Option<PathBuf> {
    match env.get(VARIABLE) {
        Some(file) => Some(file.into()),
        None => Some(Common::of(root)?.records()),
    }
}

/// In one write, so that builds that end at the same moment do not mix their lines. The newest
/// lines are kept, 1 MiB at most.
///
/// # Errors
///
/// When it cannot be written.
pub fn append(file: &Path, line: &[u8]) -> io::Result<()> {
    if file.metadata().is_ok_and(|meta| meta.len() + line.len() as u64 > BYTES_MAX) {
        #[expect(clippy::disallowed_methods, reason = "the file goes on under another name")]
        std::fs::rename(file, file.with_extension("old.jsonl"))?;
    }
    let open = || files::open_own(OpenOptions::new().append(true), file);
    let opened = open().or_else(|_| {
        file.parent().map_or(Ok(()), std::fs::create_dir_all)?;
        open()
    });
    opened?.write_all(line)
}

fn to_json(project: &Project, lane: &Lane, build: &Build<'_>) -> Json {
    let agent = project.session.env.get("AGENT_ID").map(|name| name.to_string_lossy());
    let key = match lane.owner {
        Owner::Agent { .. } => lane.dir.file_name().map(|key| key.to_string_lossy()),
        Owner::Worktree | Owner::Named => None,
    };
    let now = environment::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let commands = build.commands.iter().take(NAMES_MAX).map(|words| without_secrets(words));
    let commit = git_dir::checkout(&project.repo.root).and_then(git_dir::commit);
    Json::object([
        ("version", VERSION.into()),
        ("end_unix_seconds", seconds(now)),
        ("workspace", project.repo.root.to_string_lossy().into()),
        ("agent", agent.as_deref().map(str::trim).into()),
        ("lane", lane.dir.to_string_lossy().into()),
        ("key", key.into()),
        ("commit", commit.as_ref().into()),
        ("commands", commands.map(|words| Json::from_iter(&words)).collect()),
        ("units", build.units.map(|units| units_to_json(units, build.from_cache)).into()),
        ("no_fork", build.no_fork.into()),
        ("forks", build.forks.iter().map(Fork::to_json).collect()),
        ("waits", build.waits.iter().map(Wait::to_json).collect()),
        ("overloaded", Json::Bool(build.is_overloaded)),
        ("seconds", seconds(project.session.started.elapsed())),
        ("exit_code", build.exit_code.map(u64::from).into()),
    ])
}

fn units_to_json(units: &Units, from_cache: Option<u64>) -> Json {
    let from_cache = from_cache.unwrap_or_default();
    let compiled = (units.compiled.len() as u64).saturating_sub(from_cache);
    Json::object([
        ("compiled", compiled.into()),
        ("from_cache", from_cache.into()),
        ("fresh", units.fresh.into()),
        ("packages", names(units.compiled.iter())),
    ])
}

impl Fork {
    fn to_json(&self) -> Json {
        let mut by_reason: BTreeMap<&str, Vec<&LeftUnit>> = BTreeMap::new();
        for left in &self.left {
            by_reason.entry(left.reason).or_default().push(left);
        }
        let left = by_reason.into_iter().map(|(reason, units)| {
            let remedies: BTreeSet<_> = units.iter().filter_map(|unit| unit.remedy).collect();
            Json::object([
                ("reason", reason.into()),
                ("count", units.len().into()),
                ("packages", names(units.iter().map(|unit| &unit.package))),
                ("explanations", names(units.iter().map(|unit| &unit.explanation))),
                ("remedies", Json::from_iter(remedies)),
            ])
        });
        Json::object([
            ("donor", self.donor.to_string_lossy().into()),
            ("units", self.units.into()),
            ("left", left.collect()),
            ("seconds", seconds(self.time)),
        ])
    }
}

impl Wait {
    fn to_json(&self) -> Json {
        Json::object([("builder", (&self.builder).into()), ("seconds", seconds(self.time))])
    }
}

/// To the millisecond.
fn seconds(time: Duration) -> Json {
    Json::Number(format!("{:.3}", time.as_secs_f64()))
}

/// Each once, sorted, the first few.
fn names<'a>(names: impl Iterator<Item = &'a String>) -> Json {
    names.collect::<BTreeSet<_>>().into_iter().take(NAMES_MAX).collect()
}

/// A command line without what may be a secret: what follows `--`, the values of `--config` and of
/// options that cargo does not have, addresses, and what programs are given. `…` stands for each.
fn without_secrets(line: &[String]) -> Vec<String> {
    const LEFT_OUT: &str = "…";
    let is_open = |option: &str| option != "--config" && cargo_line::takes_value(option);
    let mut shown: Vec<String> = Vec::new();
    let mut command: Option<&str> = None;
    let mut option: Option<&str> = None;
    for word in line.iter().map(String::as_str).take_while(|word| *word != "--").take(NAMES_MAX) {
        let before = option.take();
        let is_short = !word.starts_with("--") && word.chars().count() > 3;
        let (name, value) = match word.split_once('=') {
            _ if !word.starts_with('-') => ("", Some(word)),
            _ if is_short => word.split_at_checked(2).map_or((word, None), |(a, b)| (a, Some(b))),
            Some((name, value)) => (name, Some(value)),
            None => (word, None),
        };
        let takes_names = || command.is_some_and(|name| ["test", "t", "nextest"].contains(&name));
        let is_shown = match (name, before) {
            _ if value.is_some_and(|value| value.contains("://")) => false,
            ("", Some(option)) => is_open(option),
            ("", None) if command.is_none() => {
                command = Some(word);
                true
            }
            ("", None) => takes_names(),
            _ => value.is_none() || is_open(name),
        };
        if !name.is_empty() && value.is_none() {
            option = Some(name);
        }
        let kept: String = word.chars().take(200).collect();
        shown.push(match name {
            _ if is_shown => kept,
            "" => LEFT_OUT.to_owned(),
            _ if is_short => format!("{name}{LEFT_OUT}"),
            _ => format!("{name}={LEFT_OUT}"),
        });
    }
    if shown.len() < line.len() {
        shown.push(LEFT_OUT.to_owned());
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, expected: &str) {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        assert_eq!(without_secrets(&words).join(" "), expected);
    }

    #[test]
    fn what_may_be_a_secret_is_left_out() {
        check("build -p app --features=a -j4 -vv", "build -p app --features=a -j4 -vv");
        check("--config k.token=x build --config=k=x", "--config … build --config=…");
        check("publish --token x --token=x", "publish --token … --token=…");
        check("run -p app -- --password x", "run -p app …");
        check("run x", "run …");
        check("test -p app name -- --ignored", "test -p app name …");
        check("deploy -kx -ksecret --new x x", "deploy -kx -k… --new … …");
        check("build -p https://me:x@example.org#app", "build -p …");
    }

    #[test]
    fn the_newest_records_are_kept() {
        let dir = std::env::temp_dir().join(format!("multilane-records-{}", std::process::id()));
        let file = dir.join("records.jsonl");
        let line = [b"x".repeat(999).as_slice(), b"\n"].concat();
        for _ in 0..2 * BYTES_MAX / 1000 {
            append(&file, &line).expect("it can be written");
        }
        let old = file.with_extension("old.jsonl").metadata().expect("the older ones").len();
        let new = file.metadata().expect("the newer ones").len();
        files::delete_dir(&dir).expect("it is ours");
        assert!(old <= BYTES_MAX && new <= BYTES_MAX && old + new > BYTES_MAX, "{old}, {new}");
    }
}

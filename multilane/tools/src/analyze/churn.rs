//! What each of the workspace's crates costs for being changed: how often it is, times what that
//! makes others compile.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use serde::Serialize;

use crate::analyze::graph::Graph;
use crate::analyze::metadata::{Metadata, Package};
use crate::analyze::most_first;
use crate::analyze::simulate::Model;
use crate::analyze::timings::{Kind, Mode};

/// Of one member.
#[derive(Debug, Serialize)]
pub(crate) struct Cost {
    pub(crate) package: String,
    /// Commits that changed what its library or programs are made of.
    pub(crate) commits: usize,
    /// How long it and all that depends on it take to compile, on this machine, without incremental
    /// caches.
    #[serde(rename = "seconds_each_at_most")]
    pub(crate) seconds: f64,
    /// The other members that are compiled again.
    pub(crate) dependents: Vec<String>,
    pub(crate) units: usize,
    /// Its files that were changed most, and in how many commits.
    #[serde(skip)]
    pub(crate) files: Vec<(String, u64)>,
    #[serde(rename = "seconds_a_week_at_most")]
    pub(crate) seconds_a_week: f64,
}

/// The members, the dearest first; those without a change come last, by what a change would take.
pub(crate) fn costs(
    graph: &Graph,
    model: &Model,
    metadata: &Metadata,
    git_log: &str,
    weeks: f64,
) -> Vec<Cost> {
    let commits = commits(git_log);
    let members: Vec<&Package> = metadata.members().collect();
    let cost = |member: &&Package| {
        let is_own = |at: &usize| {
            let timed = &graph.units[*at].timed;
            timed.package == member.name
                && timed.version == member.version
                && (timed.kind == Kind::Lib || timed.kind.is("bin"))
                && timed.mode != Mode::Run
        };
        let own: HashSet<usize> = (0..graph.units.len()).filter(is_own).collect();
        if own.is_empty() {
            return None; // It was not built, so nothing is known of it.
        }
        let rebuilt = graph.rebuilt(&own);
        let seconds = model.seconds_of(rebuilt.iter().copied());

        let mut files: BTreeMap<&str, u64> = BTreeMap::new();
        let is_of_member = |file: &&&str| {
            owner(&members, file).is_some_and(|owner| owner.id == member.id)
                && is_built(member, file)
        };
        let mut count = 0;
        for commit in &commits {
            let mut own = commit.iter().filter(is_of_member).peekable();
            count += usize::from(own.peek().is_some());
            own.for_each(|file| *files.entry(file).or_default() += 1);
        }
        let mut files = most_first(files);
        files.truncate(5);
        let mut dependents: BTreeSet<&String> =
            rebuilt.iter().map(|at| &graph.units[*at].timed.package).collect();
        dependents.remove(&member.name);
        Some(Cost {
            package: member.name.clone(),
            commits: count,
            seconds_a_week: seconds * count as f64 / weeks,
            seconds,
            dependents: dependents.into_iter().cloned().collect(),
            units: rebuilt.len(),
            files,
        })
    };
    let mut costs: Vec<Cost> = members.iter().filter_map(cost).collect();
    costs.sort_by(|a, b| {
        b.seconds_a_week.total_cmp(&a.seconds_a_week).then(b.seconds.total_cmp(&a.seconds))
    });
    costs
}

/// The files that each commit has changed.
fn commits(git_log: &str) -> Vec<Vec<&str>> {
    let commits = git_log.split('\x01').skip(1);
    commits.map(|commit| commit.lines().skip(1).filter(|line| !line.is_empty()).collect()).collect()
}

/// The member whose directory a file lies in, the innermost one.
fn owner<'a>(members: &[&'a Package], file: &str) -> Option<&'a Package> {
    let inside = members.iter().filter(|member| file.starts_with(dir(member)));
    inside.max_by_key(|member| dir(member).len()).copied()
}

/// With a slash at its end; empty for a package at the root.
fn dir(package: &Package) -> &str {
    package.manifest.strip_suffix("Cargo.toml").unwrap_or(&package.manifest)
}

/// Whether the library or a program is made of it: no test, no example, no page of documentation.
fn is_built(member: &Package, file: &str) -> bool {
    let inside = file.strip_prefix(dir(member)).unwrap_or(file);
    let is_apart =
        ["tests/", "benches/", "examples/"].iter().any(|folder| inside.starts_with(folder));
    !is_apart && (inside.starts_with("src/") || inside.ends_with(".rs") || inside == "Cargo.toml")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(name: &str, manifest: &str) -> Package {
        Package {
            name: name.into(),
            manifest: manifest.into(),
            is_member: true,
            ..Package::default()
        }
    }

    #[test]
    fn a_file_belongs_to_the_innermost_member() {
        let (root, core) = (member("root", "Cargo.toml"), member("core", "crates/core/Cargo.toml"));
        let members = [&root, &core];
        let name = |file| owner(&members, file).map(|package| package.name.as_str());
        assert_eq!(name("src/main.rs"), Some("root"));
        assert_eq!(name("crates/core/src/lib.rs"), Some("core"));
        assert_eq!(name("crates/other/src/lib.rs"), Some("root"));
    }

    #[test]
    fn what_no_library_is_made_of_does_not_count() {
        let core = member("core", "crates/core/Cargo.toml");
        for (file, expected) in [
            ("src/lib.rs", true),
            ("src/words.txt", true),
            ("build.rs", true),
            ("Cargo.toml", true),
            ("tests/it.rs", false),
            ("README.md", false),
        ] {
            assert_eq!(is_built(&core, &format!("crates/core/{file}")), expected, "{file}");
        }
    }

    #[test]
    fn a_log_is_read_commit_by_commit() {
        let log = "\x01aa 1\n\nsrc/a.rs\nsrc/b.rs\n\x01bb 2\n\x01cc 3\n\nsrc/a.rs\n";
        assert_eq!(commits(log), [vec!["src/a.rs", "src/b.rs"], vec![], vec!["src/a.rs"]]);
    }
}

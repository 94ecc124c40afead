//! What the lanes of the repository hold, read in one walk. Nothing behind a link is looked at.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use multilane_engine::files::parallel::in_parallel;
use multilane_engine::lanes::choose::{self, LaneChoice, Lockfile};
use multilane_engine::lanes::list::{self, Found};
use multilane_engine::lanes::occupy::{CARGO_LOCKS, STAMP};
use multilane_engine::lanes::{KeyInputs, lockfile_hash};
use multilane_engine::project::Project;
use multilane_engine::{files, record, units};

use super::policy::{Group, Kind, Lane};
use crate::which;

/// A run of a build script that has written less stays: to run it again has all that depends on it
/// built again.
const SCRIPT_BYTES_MIN: u64 = 1 << 20;

pub(super) fn read(project: &Project, now: SystemTime) -> anyhow::Result<Vec<Lane>> {
    let worktrees = list::worktrees(&project.sh, &project.repo);
    let own_dir = choose::worktree_lane(project).dir;
    let mut found = list::places(&worktrees, &project.repo, &own_dir);
    // Of a directory behind a link not even the size counts.
    found.retain(|lane| !files::is_behind_link(&lane.root, &lane.dir));
    list::note_use(&mut found);

    let today = LaneChoice { lockfile: Lockfile::MustStay, ..LaneChoice::default() };
    let toolchain = choose::key_inputs(project, &today)?.toolchain;
    let lockfile = |root: &Path| files::read(project.repo.lockfile_in(root));
    let hash = |tree: &list::Worktree| {
        lockfile(&tree.root).map(|bytes| lockfile_hash(&bytes)).unwrap_or_default()
    };
    let lockfiles: HashSet<String> = worktrees.iter().map(hash).collect();
    let uses = uses(project);
    Ok(in_parallel(&found, |found| {
        let mut lane = lane(found, uses.get(&found.dir).copied());
        let age = now.duration_since(lane.last_use).unwrap_or_default();
        let inputs = found.inputs.as_ref();
        lane.outdated =
            inputs.map(|inputs| outdated(inputs, age, &toolchain, &lockfiles)).unwrap_or_default();
        lane
    }))
}

/// The inputs that no worktree has today. Features, targets and code generators are chosen anew on
/// each command line; so are toolchains, by `+nightly`, and another worktree may name another one.
fn outdated(
    inputs: &KeyInputs,
    age: Duration,
    toolchain: &str,
    lockfiles: &HashSet<String>,
) -> Vec<&'static str> {
    const OTHER_TOOLCHAIN_MAX: Duration = Duration::from_secs(2 * 24 * 3600);
    let is_unused = age > OTHER_TOOLCHAIN_MAX;
    let mut outdated = Vec::new();
    outdated.extend((is_unused && inputs.toolchain != toolchain).then_some("toolchain"));
    outdated.extend((!lockfiles.contains(&inputs.lockfile)).then_some("lockfile"));
    outdated
}

/// When each lane was last built in or forked from, as the records tell.
fn uses(project: &Project) -> HashMap<PathBuf, SystemTime> {
    let mut uses = HashMap::new();
    let file = record::file_of(&project.session.env, &project.repo.root);
    for record in file.map(which::records).unwrap_or_default() {
        let time = Duration::try_from_secs_f64(record.end_unix_seconds).unwrap_or_default();
        let donors = record.forks.into_iter().map(|fork| fork.donor);
        // The newest record is the last one.
        uses.extend(donors.chain([record.lane]).map(|dir| (dir, UNIX_EPOCH + time)));
    }
    uses
}

fn lane(found: &Found, used: Option<SystemTime>) -> Lane {
    let dir = &found.dir;
    let is_file = |name| dir.join(name).symlink_metadata().is_ok_and(|meta| meta.is_file());
    // In `.lanes` what we have stamped; else the directory that cargo makes by itself.
    let is_ours = match found.agent {
        Some(_) => found.inputs.is_some() && is_file(STAMP),
        None => *dir == found.root.join("target"),
    };
    let parts = parts(dir);
    let kinds: HashMap<&Path, Kind> =
        parts.iter().map(|(path, kind)| (path.as_path(), *kind)).collect();
    let mut rest = Group::default();
    if let Ok(meta) = dir.symlink_metadata() {
        count(&mut rest, &meta);
    }
    let mut groups = BTreeMap::from([(Kind::Rest, rest)]);
    let mut last_use = used;
    walk(dir, Kind::Rest, &kinds, &mut |kind, meta| {
        if meta.is_file() {
            last_use = last_use.max(meta.modified().ok());
        }
        count(groups.entry(kind).or_default(), meta);
    });
    for (path, kind) in &parts {
        groups.entry(*kind).or_default().paths.push(path.clone());
    }
    Lane {
        root: found.root.clone(),
        dir: dir.clone(),
        key: found.key.clone(),
        outdated: Vec::new(),
        last_use: last_use.unwrap_or(UNIX_EPOCH),
        must_stay: found.in_use || !is_ours || !is_file("CACHEDIR.TAG"),
        is_warm: units::profile_dirs(dir, false)
            .iter()
            .any(|profile| has_units(&dir.join(profile))),
        groups,
    }
}

fn has_units(profile: &Path) -> bool {
    [".fingerprint", "build"]
        .iter()
        .any(|name| files::subdirectories(&profile.join(name)).next().is_some())
}

fn walk(
    dir: &Path,
    kind: Kind,
    kinds: &HashMap<&Path, Kind>,
    visit: &mut impl FnMut(Kind, &Metadata),
) {
    for entry in files::entries(dir) {
        let (path, Ok(meta)) = (entry.path(), entry.metadata()) else { continue };
        let kind = match kind {
            Kind::Rest => kinds.get(&*path).copied().unwrap_or(kind),
            _ => kind,
        };
        visit(kind, &meta);
        if meta.is_dir() {
            walk(&path, kind, kinds, visit);
        }
    }
}

#[cfg(unix)]
fn count(group: &mut Group, meta: &Metadata) {
    use std::os::unix::fs::MetadataExt as _;
    const BLOCK: u64 = 512; // stat(2): the unit of `st_blocks`.
    let bytes = meta.blocks() * BLOCK;
    if meta.is_dir() || meta.nlink() <= 1 {
        group.alone += bytes;
    } else {
        let file = (meta.dev(), meta.ino());
        group.shared.push(super::policy::Shared { file, links: meta.nlink(), bytes });
    }
}

/// Where the number of links is not told, a file counts as if it had one.
#[cfg(not(unix))]
fn count(group: &mut Group, meta: &Metadata) {
    group.alone += meta.len();
}

/// What can go from a lane that stays, in the order in which it has to go: the fingerprint of a
/// unit before its outputs, so that a builder or a fork takes the unit for one that is not built.
fn parts(lane: &Path) -> Vec<(PathBuf, Kind)> {
    let mut parts = Vec::new();
    for profile in units::profile_dirs(lane, false) {
        let profile = lane.join(profile);
        // Without cargo's lock nothing would tell cargo to wait.
        if !CARGO_LOCKS.iter().any(|name| profile.join(name).is_file()) {
            continue;
        }
        let caches = files::subdirectories(&profile.join("incremental"));
        parts.extend(caches.map(|cache| (cache, Kind::Incremental)));
        parts.extend(units_by_kind(&profile));
        let packages = files::subdirectories(&profile.join("build"));
        for unit in packages.flat_map(|package| files::subdirectories(&package)) {
            let kind = kind_of(&unit.join("fingerprint"));
            parts.extend(
                kind.filter(|kind| is_worth_it(*kind, &unit.join("out"))).map(|kind| (unit, kind)),
            );
        }
    }
    parts
}

/// In the layout up to cargo 1.99: `.fingerprint/<unit>`, and `deps/*-<hash>*` or `build/<unit>`.
fn units_by_kind(profile: &Path) -> Vec<(PathBuf, Kind)> {
    let mut outputs: HashMap<String, Vec<PathBuf>> = HashMap::new();
    let deps = profile.join("deps");
    for name in files::names(&deps) {
        if let Some(hash) = hash_in(&name) {
            outputs.entry(hash.to_owned()).or_default().push(deps.join(&name));
        }
    }
    let mut parts = Vec::new();
    for fingerprint in files::subdirectories(&profile.join(".fingerprint")) {
        let unit = fingerprint.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let Some(kind) = kind_of(&fingerprint) else { continue };
        let outputs = if kind == Kind::Tests {
            let outputs = hash_in(&unit).and_then(|hash| outputs.remove(hash));
            outputs.filter(|outputs| outputs.iter().any(|path| is_program(path)))
        } else {
            let run = profile.join("build").join(&unit);
            is_worth_it(kind, &run.join("out")).then(|| vec![run])
        };
        let outputs = outputs.unwrap_or_default();
        if outputs.is_empty() {
            continue;
        }
        parts.extend([fingerprint].into_iter().chain(outputs).map(|path| (path, kind)));
    }
    parts
}

/// The kind of a unit that can go alone, by the names in its fingerprint's directory.
fn kind_of(fingerprint: &Path) -> Option<Kind> {
    let mut records = files::names(fingerprint).filter(|name| name.ends_with(".json"));
    let record = records.next()?;
    match &record {
        _ if records.next().is_some() => None, // Several units.
        name if name.starts_with("test-") => Some(Kind::Tests),
        name if name.starts_with("run-build-script-") => Some(Kind::Scripts),
        _ => None,
    }
}

/// `out`: where the outputs of the unit are.
fn is_worth_it(kind: Kind, out: &Path) -> bool {
    if kind == Kind::Tests {
        return files::names(out).any(|name| is_program(Path::new(&name)));
    }
    let mut bytes = 0;
    files::walk(out, &mut |_, meta| bytes += if meta.is_file() { meta.len() } else { 0 });
    bytes >= SCRIPT_BYTES_MIN
}

/// By its name: what `cargo check` makes of a test is no program.
fn is_program(path: &Path) -> bool {
    path.extension().is_none_or(|extension| extension == "exe")
}

/// `0123456789abcdef` of `app-0123456789abcdef`, `app-0123456789abcdef.1x2y.rcgu.o`.
fn hash_in(name: &str) -> Option<&str> {
    let hash = name.rsplit_once('-')?.1.split('.').next()?;
    let is_hash = hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hash.then_some(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_nobodys_when_no_worktree_has_its_inputs() {
        let inputs = |toolchain: &str, lockfile: &str| KeyInputs {
            toolchain: toolchain.to_owned(),
            lockfile: lockfile.to_owned(),
            features: "some".to_owned(),
            ..KeyInputs::default()
        };
        let lockfiles = ["a", "b"].map(str::to_owned).into();
        let outdated = |inputs: &KeyInputs, days: u64| {
            outdated(inputs, Duration::from_secs(days * 24 * 3600), "stable", &lockfiles)
        };
        assert!(outdated(&inputs("stable", "b"), 9).is_empty());
        assert_eq!(outdated(&inputs("stable", "c"), 0), ["lockfile"]);
        assert_eq!(outdated(&inputs("nightly", "a"), 9), ["toolchain"]);
        assert!(outdated(&inputs("nightly", "a"), 1).is_empty(), "somebody builds with it");
    }

    #[test]
    fn the_hash_of_a_unit_is_found_in_the_names_of_its_files() {
        for name in ["app-0123456789abcdef", "app-0123456789abcdef.1x2y.rcgu.o"] {
            assert_eq!(hash_in(name), Some("0123456789abcdef"));
        }
        assert_eq!(hash_in("app"), None);
        assert_eq!(hash_in("app-0123456789abcdefg"), None);
    }
}

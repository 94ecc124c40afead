//! What the lanes of the repository hold, read in one walk. Nothing behind a link is looked at.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use multilane_engine::files::OnDisk;
use multilane_engine::files::parallel::in_parallel;
use multilane_engine::lanes::choose::{self, LaneChoice};
use multilane_engine::lanes::list::{self, Found};
use multilane_engine::lanes::occupy::{CARGO_LOCKS, STAMP};
use multilane_engine::lanes::{KeyInputs, lockfile_hash};
use multilane_engine::project::lockfile::Lockfile;
use multilane_engine::project::{Project, changes};
use multilane_engine::{files, record, units};

use super::policy::{self, Group, Kind, Lane};
use crate::which;

/// A run of a build script that has written less stays: to run it again has all that depends on it
/// built again.
const SCRIPT_BYTES_MIN: u64 = 1 << 20;

/// What another toolchain has built is taken for used until then.
const OLD: Duration = Duration::from_secs(2 * 24 * 3600);

/// The lanes of all worktrees, as they are found and as they are weighed, in the same order.
pub(crate) fn read(project: &Project, now: SystemTime) -> (Vec<Found>, Vec<Lane>) {
    let worktrees = list::worktrees(&project.sh, &project.repo);
    let today = LaneChoice { lockfile: choose::Lockfile::MustStay, ..LaneChoice::default() };
    // Where it cannot be told, no lane is of another.
    let toolchain = choose::key_inputs(project, &today).map(|inputs| inputs.toolchain).ok();
    let merged = changes::merged(&project.sh, &project.repo);
    weighed(project, &worktrees, toolchain.as_deref(), &merged, now)
}

/// The same without any process. `merged`: the commits of branches that are merged.
pub(crate) fn weighed(
    project: &Project,
    worktrees: &[list::Worktree],
    toolchain: Option<&str>,
    merged: &HashSet<String>,
    now: SystemTime,
) -> (Vec<Found>, Vec<Lane>) {
    let own_dir = choose::worktree_lane(project).dir;
    let mut found = list::places(worktrees, &project.repo, &own_dir);
    // Of a directory behind a link not even the size counts.
    found.retain(|lane| !files::is_behind_link(&lane.root, &lane.dir));
    list::note_use(&mut found);

    let lockfile = |root: &Path| files::read(project.repo.lockfile_in(root)).ok();
    let lockfiles: Vec<Vec<u8>> =
        worktrees.iter().filter_map(|tree| lockfile(&tree.root)).collect();
    let hashes: HashSet<String> = lockfiles.iter().map(|bytes| lockfile_hash(bytes)).collect();
    let usable = Usable::of(
        lockfiles.iter().filter_map(|bytes| Lockfile::parse(std::str::from_utf8(bytes).ok()?)),
    );
    let uses = uses(project);
    let lanes = in_parallel(&found, |found| {
        let usable = found.agent.is_none().then_some(&usable); // A key has one lockfile.
        let mut lane = lane(found, uses.get(&found.dir).copied(), usable, now);
        lane.is_merged = found.commit.as_ref().is_some_and(|commit| merged.contains(commit));
        let age = now.duration_since(lane.last_use).unwrap_or_default();
        let inputs = found.inputs.as_ref();
        let outdated = inputs.map(|inputs| outdated(inputs, age, toolchain, &hashes));
        lane.outdated = outdated.unwrap_or_default();
        lane
    });
    for (found, lane) in found.iter_mut().zip(&lanes) {
        found.size = policy::taken([lane]);
        found.last_use = Some(lane.last_use);
    }
    (found, lanes)
}

/// The inputs that no worktree has today. Features, targets and code generators are chosen anew on
/// each command line; so are toolchains, by `+nightly`, and another worktree may name another one.
fn outdated(
    inputs: &KeyInputs,
    age: Duration,
    toolchain: Option<&str>,
    lockfiles: &HashSet<String>,
) -> Vec<&'static str> {
    let is_unused = age > OLD;
    let mut outdated = Vec::new();
    outdated.extend(
        (is_unused && toolchain.is_some_and(|toolchain| toolchain != inputs.toolchain))
            .then_some("toolchain"),
    );
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

fn lane(found: &Found, used: Option<SystemTime>, usable: Option<&Usable>, now: SystemTime) -> Lane {
    let dir = &found.dir;
    let is_file = |name| dir.join(name).symlink_metadata().is_ok_and(|meta| meta.is_file());
    // In `.lanes` what we have stamped; else the directory that cargo makes by itself.
    let is_ours = match found.agent {
        Some(_) => found.inputs.is_some() && is_file(STAMP),
        None => *dir == found.root.join("target"),
    };
    let parts = parts(dir, usable, now);
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
        must_stay: found.in_use
            || !is_ours
            || !is_file("CACHEDIR.TAG")
            || !files::is_of_own_user(dir),
        is_merged: false,
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

/// A tree may be deeper than a stack.
fn walk(
    dir: &Path,
    kind: Kind,
    kinds: &HashMap<&Path, Kind>,
    visit: &mut impl FnMut(Kind, &Metadata),
) {
    let mut ahead = vec![(dir.to_owned(), kind)];
    while let Some((dir, kind)) = ahead.pop() {
        for entry in files::entries(&dir) {
            let (path, Ok(meta)) = (entry.path(), entry.metadata()) else { continue };
            let kind = match kind {
                Kind::Rest => kinds.get(&*path).copied().unwrap_or(kind),
                _ => kind,
            };
            visit(kind, &meta);
            if meta.is_dir() {
                ahead.push((path, kind));
            }
        }
    }
}

fn count(group: &mut Group, meta: &Metadata) {
    match OnDisk::of(meta) {
        OnDisk { id: Some(file), links: links @ 2.., bytes } if !meta.is_dir() => {
            group.shared.push(policy::Shared { file, links, bytes });
        }
        OnDisk { bytes, .. } => group.alone += bytes,
    }
}

/// What can go from a lane that stays, in the order in which it has to go: the fingerprint of a
/// unit before its outputs, so that a builder or a fork takes the unit for one that is not built.
fn parts(lane: &Path, usable: Option<&Usable>, now: SystemTime) -> Vec<(PathBuf, Kind)> {
    let mut parts = Vec::new();
    for profile in units::profile_dirs(lane, false) {
        let profile = lane.join(profile);
        // Without cargo's lock nothing would tell cargo to wait.
        if !CARGO_LOCKS.iter().any(|name| profile.join(name).is_file()) {
            continue;
        }
        let caches = files::subdirectories(&profile.join("incremental"));
        parts.extend(caches.map(|cache| (cache, Kind::Incremental)));
        let old = usable.map(|_| old_compilers(&profile, now)).unwrap_or_default();
        let is_stale = |fingerprint: &Path, outputs: &[PathBuf]| {
            usable.is_some_and(|usable| !usable.has_package_of(outputs))
                || compiler(fingerprint).is_some_and(|compiler| old.contains(&compiler))
        };
        parts.extend(units_by_kind(&profile, &is_stale));
        let packages = files::subdirectories(&profile.join("build"));
        for unit in packages.flat_map(|package| files::subdirectories(&package)) {
            let fingerprint = unit.join("fingerprint");
            let outputs: Vec<PathBuf> =
                files::entries(&unit.join("out")).map(|file| file.path()).collect();
            if is_stale(&fingerprint, &outputs) {
                parts.push((unit, Kind::Stale));
                continue;
            }
            let kind = kind_of(&fingerprint);
            parts.extend(
                kind.filter(|kind| is_worth_it(*kind, &unit.join("out"))).map(|kind| (unit, kind)),
            );
        }
    }
    parts
}

/// In the layout up to cargo 1.99: `.fingerprint/<unit>`, and `deps/*-<hash>*` or `build/<unit>`.
fn units_by_kind(
    profile: &Path,
    is_stale: &impl Fn(&Path, &[PathBuf]) -> bool,
) -> Vec<(PathBuf, Kind)> {
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
        let own = hash_in(&unit).and_then(|hash| outputs.remove(hash));
        let run = profile.join("build").join(&unit);
        let all: Vec<PathBuf> = own.iter().flatten().chain([&run]).cloned().collect();
        if is_stale(&fingerprint, &all) {
            parts.extend([fingerprint].into_iter().chain(all).map(|path| (path, Kind::Stale)));
            continue;
        }
        let Some(kind) = kind_of(&fingerprint) else { continue };
        let outputs = if kind == Kind::Tests {
            own.filter(|outputs| outputs.iter().any(|path| is_program(path)))
        } else {
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

/// What the lockfiles of all worktrees name.
struct Usable {
    /// `serde-1.0.219`, as cargo names the folders of packages.
    packages: HashSet<String>,
}

impl Usable {
    fn of(lockfiles: impl Iterator<Item = Lockfile>) -> Usable {
        let lockfiles: Vec<Lockfile> = lockfiles.collect();
        let ids = lockfiles.iter().flat_map(Lockfile::ids);
        Usable { packages: ids.map(|(name, version, _)| format!("{name}-{version}")).collect() }
    }

    /// Whether somebody has the package of the unit with these outputs: rustc's list of what it has
    /// read tells of a registry's. True where nothing tells.
    fn has_package_of(&self, outputs: &[PathBuf]) -> bool {
        let is_list = |path: &&PathBuf| path.extension().is_some_and(|extension| extension == "d");
        let list = outputs.iter().find(is_list).and_then(|list| files::read_text(list).ok());
        let package = list.as_deref().and_then(package_of_registry);
        package.is_none_or(|package| self.packages.contains(package))
    }
}

/// `serde-1.0.219` of `…/registry/src/<registry>/serde-1.0.219/src/lib.rs`.
fn package_of_registry(list: &str) -> Option<&str> {
    let separator = |c| c == '/' || c == '\\';
    let (_, path) = list.split_once("registry/src/").or(list.split_once(r"registry\src\"))?;
    path.split(separator).nth(1)
}

/// The compilers of a profile, as hashes, that have built nothing for two days while another has.
fn old_compilers(profile: &Path, now: SystemTime) -> HashSet<u64> {
    let mut last: HashMap<u64, SystemTime> = HashMap::new();
    let packages = files::subdirectories(&profile.join("build"));
    let inner = packages.flat_map(|package| files::subdirectories(&package));
    let fingerprints = inner.map(|unit| unit.join("fingerprint"));
    for dir in files::subdirectories(&profile.join(".fingerprint")).chain(fingerprints) {
        let time = dir.metadata().and_then(|meta| meta.modified());
        if let (Some(compiler), Ok(time)) = (compiler(&dir), time) {
            let last = last.entry(compiler).or_insert(time);
            *last = time.max(*last);
        }
    }
    let newest = last.values().max().copied();
    let is_old = |time| Some(time) != newest && now.duration_since(time).unwrap_or_default() > OLD;
    last.into_iter().filter(|(_, time)| is_old(*time)).map(|(compiler, _)| compiler).collect()
}

/// The hash of `rustc -vV` that a unit was compiled with. `None` for runs of build scripts.
fn compiler(fingerprint: &Path) -> Option<u64> {
    let is_record = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "json");
    let record = files::entries(fingerprint).map(|entry| entry.path()).find(is_record)?;
    let text = files::read_text(record).ok()?;
    let (_, number) = text.split_once("\"rustc\":")?;
    let number = number.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()?;
    Some(number).filter(|number| *number != 0)
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
            outdated(inputs, Duration::from_secs(days * 24 * 3600), Some("stable"), &lockfiles)
        };
        assert!(outdated(&inputs("stable", "b"), 9).is_empty());
        assert_eq!(outdated(&inputs("stable", "c"), 0), ["lockfile"]);
        assert_eq!(outdated(&inputs("nightly", "a"), 9), ["toolchain"]);
        assert!(outdated(&inputs("nightly", "a"), 1).is_empty(), "somebody builds with it");
    }

    /// On Windows the time of a directory is not so easily set.
    #[test]
    #[cfg(unix)]
    fn units_of_packages_and_compilers_that_are_gone_are_stale() {
        use multilane_engine::environment::temporary_dir;
        use multilane_engine::files::scratch::Scratch;
        let scratch = Scratch::make(&temporary_dir(), "gc-").expect("a directory");
        let profile = scratch.dir.join("debug");
        let write = |path: String, text: &str| {
            let path = profile.join(path);
            std::fs::create_dir_all(path.parent().expect("one")).expect("a directory");
            std::fs::write(path, text).expect("it can be written");
        };
        write(".cargo-lock".to_owned(), "");
        let unit = |number: u8, package: &str, compiler: u8| {
            let unit = format!("{}-{number:016x}", package.split('-').next().unwrap_or_default());
            let record = format!("{{\"rustc\":{compiler},\"features\":\"[]\"}}");
            write(format!(".fingerprint/{unit}/lib-x.json"), &record);
            let list = format!("/a/lib.rlib: /r/registry/src/index-1/{package}/src/lib.rs\n");
            write(format!("deps/{unit}.d"), &list);
        };
        unit(1, "serde-1.0.0", 7);
        unit(2, "serde-2.0.0", 7);
        unit(3, "serde-2.0.0", 8);
        write(".fingerprint/app-0000000000000004/lib-x.json".to_owned(), "{\"rustc\":7}");
        write("deps/app-0000000000000004.d".to_owned(), "/a/lib.rlib: src/lib.rs\n");
        let lockfile = "[[package]]\nname = \"serde\"\nversion = \"2.0.0\"\n";
        let usable = Usable::of(Lockfile::parse(lockfile).into_iter());
        let stale = |now: SystemTime| {
            let parts = parts(&scratch.dir, Some(&usable), now);
            let stale = parts.iter().filter(|(_, kind)| *kind == Kind::Stale);
            let names = stale.filter(|(path, _)| path.is_dir()).filter_map(|(path, _)| {
                path.file_name()?.to_str()?.chars().last() // The number of the unit.
            });
            names.collect::<std::collections::BTreeSet<_>>()
        };
        let newest = profile.join(".fingerprint/app-0000000000000004");
        let newest = newest.metadata().and_then(|meta| meta.modified()).expect("a time");
        let of_other = profile.join(".fingerprint/serde-0000000000000003");
        files::set_modified(&of_other, newest - Duration::from_secs(1)).expect("it is ours");
        assert_eq!(stale(newest), ['1'].into());
        // The last that was written is of the compiler that is in use.
        assert_eq!(stale(newest + OLD + Duration::from_secs(60)), ['1', '3'].into());
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

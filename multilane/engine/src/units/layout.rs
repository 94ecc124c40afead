//! Where each layout of cargo's keeps its units.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::files;

/// How cargo lays out what it keeps of units.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Layout {
    /// By kind of file, up to cargo 1.99: `.fingerprint`, `deps`, `build`.
    ByKind,
    /// By unit, from cargo 1.100 on.
    ByUnit,
}

impl Layout {
    /// That of a unit, by its fingerprint's directory.
    pub fn of(fingerprint: &Path) -> Layout {
        if fingerprint.ends_with("fingerprint") { Layout::ByUnit } else { Layout::ByKind }
    }
}

/// Where a unit is, before it is read.
pub(super) struct UnitPlace {
    pub(super) package: String,
    pub(super) fingerprint: PathBuf,
    /// Files and directories, relative to the lane.
    pub(super) outputs: Vec<PathBuf>,
}

/// With `-Zfine-grain-locking` each unit has a lock in its directory below `build`. It belongs to
/// its lane alone.
pub(super) const UNIT_LOCK: &str = ".lock";

/// The profile of the project's own commands, which is no build of the user's.
pub(super) const XTASK: &str = "xtask";

/// All units, complete or not. A lane that two cargos have built in may have both layouts; one that
/// is neither of the two has no units.
pub(super) fn find(lane: &Path, with_xtask: bool) -> Vec<UnitPlace> {
    let profiles = profile_dirs(lane, with_xtask);
    profiles.iter().flat_map(|profile| find_in(lane, profile, true)).collect()
}

/// The same without xtask's and without their outputs, which is quicker.
pub(super) fn find_fingerprints(lane: &Path) -> Vec<UnitPlace> {
    let profiles = profile_dirs(lane, false);
    profiles.iter().flat_map(|profile| find_in(lane, profile, false)).collect()
}

/// `<profile>` and `<triple>/<profile>`, relative to the lane.
pub fn profile_dirs(lane: &Path, with_xtask: bool) -> Vec<PathBuf> {
    let is_profile = |dir: &Path| {
        let dir = lane.join(dir);
        dir.join(".fingerprint").is_dir()
            || (dir.join("build").is_dir() && !dir.join("deps").is_dir())
    };
    let mut dirs = Vec::new();
    for outer in directories(lane, Path::new("")) {
        if outer == XTASK || outer.starts_with('.') {
            continue;
        }
        let outer = PathBuf::from(outer);
        if is_profile(&outer) {
            dirs.push(outer);
        } else {
            let inner = directories(lane, &outer).map(|name| outer.join(name));
            dirs.extend(inner.filter(|dir| is_profile(dir)));
        }
    }
    dirs.extend(with_xtask.then(|| PathBuf::from(XTASK)));
    dirs
}

fn find_in(lane: &Path, profile: &Path, with_outputs: bool) -> Vec<UnitPlace> {
    let mut units = find_by_unit(lane, profile);
    units.extend(find_by_kind(lane, profile, with_outputs));
    units
}

/// Outputs are found by the hash in their names.
fn find_by_kind(lane: &Path, profile: &Path, with_outputs: bool) -> Vec<UnitPlace> {
    let mut outputs: HashMap<String, Vec<PathBuf>> = HashMap::new();
    for folder in ["deps", "examples", "build"].iter().filter(|_| with_outputs) {
        let dir = profile.join(folder);
        for name in files::names(&lane.join(&dir)) {
            if let Some(hash) = hash_in(&name) {
                outputs.entry(hash.to_owned()).or_default().push(dir.join(&name));
            }
        }
    }
    let dir = profile.join(".fingerprint");
    let unit = |name: String| {
        let (package, hash) = name.rsplit_once('-').filter(|(_, hash)| is_hash(hash))?;
        Some(UnitPlace {
            package: package.to_owned(),
            fingerprint: dir.join(&name),
            outputs: outputs.get(hash).cloned().unwrap_or_default(),
        })
    };
    directories(lane, &dir).filter_map(unit).collect()
}

/// A directory for each unit.
pub(super) fn find_by_unit(lane: &Path, profile: &Path) -> Vec<UnitPlace> {
    let mut found = Vec::new();
    for package in directories(lane, &profile.join("build")) {
        let dir = profile.join("build").join(&package);
        for hash in directories(lane, &dir).filter(|hash| is_hash(hash)) {
            let unit = dir.join(&hash);
            if !lane.join(&unit).join("fingerprint").is_dir() {
                continue;
            }
            let is_output = |name: &String| name != "fingerprint" && name != UNIT_LOCK;
            let outputs = files::names(&lane.join(&unit)).filter(is_output);
            found.push(UnitPlace {
                outputs: outputs.map(|name| unit.join(name)).collect(),
                fingerprint: unit.join("fingerprint"),
                package: package.clone(),
            });
        }
    }
    found
}

fn is_hash(text: &str) -> bool {
    text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// `0123456789abcdef` of `libcore-0123456789abcdef.rlib`, `core-0123456789abcdef.1x2y.rcgu.o`,
/// `app-0123456789abcdef`.
pub(super) fn hash_in(name: &str) -> Option<&str> {
    let (_, tail) = name.rsplit_once('-')?;
    let hash = tail.split('.').next()?;
    is_hash(hash).then_some(hash)
}

/// In the lane, below `dir`.
fn directories(lane: &Path, dir: &Path) -> impl Iterator<Item = String> + use<> {
    let name = |dir: PathBuf| dir.file_name()?.to_str().map(str::to_owned);
    files::subdirectories(&lane.join(dir)).filter_map(name)
}

#[cfg(test)]
mod tests {
    use crate::units::layout::hash_in;

    #[test]
    fn the_hash_is_found_in_every_kind_of_name() {
        let hash = "0123456789abcdef";
        for name in
            ["libcore-{}.rlib", "my-app-{}", "core-{}.d", "core-{}.1x2y.rcgu.o", "app-{}.exe"]
        {
            assert_eq!(hash_in(&name.replace("{}", hash)), Some(hash), "{name}");
        }
        for name in ["libcore.so", "core-0123", "core-0123456789abcdeg.d", "app"] {
            assert_eq!(hash_in(name), None, "{name}");
        }
    }
}

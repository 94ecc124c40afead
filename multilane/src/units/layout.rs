//! Where each layout of cargo's keeps its units.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// A unit's place, before it is read.
pub(super) struct Found {
    pub(super) package: String,
    pub(super) fingerprint: PathBuf,
    /// Files and directories, relative to the lane.
    pub(super) outputs: Vec<PathBuf>,
}

/// xtask's own profile, which is no build of the user's.
pub(super) const XTASK: &str = "xtask";

/// All units, complete or not. A layout that is neither of the two has none.
pub(super) fn find(lane: &Path, with_xtask: bool) -> Vec<Found> {
    let mut found = Vec::new();
    for profile in all_profile_dirs(lane, with_xtask) {
        if lane.join(&profile).join(".fingerprint").is_dir() {
            find_by_kind(lane, &profile, &mut found);
        } else {
            find_by_unit(lane, &profile, &mut found);
        }
    }
    found
}

pub(super) fn has_any(lane: &Path) -> bool {
    !profile_dirs(lane).is_empty()
}

pub(super) fn all_profile_dirs(lane: &Path, with_xtask: bool) -> Vec<PathBuf> {
    let mut profiles = profile_dirs(lane);
    profiles.extend(Some(PathBuf::from(XTASK)).filter(|_| with_xtask));
    profiles
}

/// The package and the fingerprint directory of each unit, complete or not: quicker than `find`,
/// which looks for outputs.
pub(super) fn fingerprints(lane: &Path) -> Vec<(String, PathBuf)> {
    let mut found = Vec::new();
    for profile in profile_dirs(lane) {
        let by_kind = profile.join(".fingerprint");
        if lane.join(&by_kind).is_dir() {
            let units = directories(&lane.join(&by_kind)).into_iter();
            found.extend(units.filter_map(|name| {
                let (package, hash) = name.rsplit_once('-')?;
                is_hash(hash).then(|| (package.to_owned(), by_kind.join(&name)))
            }));
        } else {
            let mut units = Vec::new();
            find_by_unit(lane, &profile, &mut units);
            found.extend(units.into_iter().map(|unit| (unit.package, unit.fingerprint)));
        }
    }
    found
}

/// `<profile>` and `<triple>/<profile>`, but for xtask's own.
fn profile_dirs(lane: &Path) -> Vec<PathBuf> {
    let is_profile = |dir: &Path| {
        let dir = lane.join(dir);
        dir.join(".fingerprint").is_dir()
            || (dir.join("build").is_dir() && !dir.join("deps").is_dir())
    };
    let mut dirs = Vec::new();
    for outer in directories(lane).into_iter().map(PathBuf::from) {
        if outer == Path::new(XTASK) || outer.to_string_lossy().starts_with('.') {
            continue;
        }
        if is_profile(&outer) {
            dirs.push(outer);
        } else {
            let inner = directories(&lane.join(&outer)).into_iter().map(|name| outer.join(name));
            dirs.extend(inner.filter(|dir| is_profile(dir)));
        }
    }
    dirs
}

/// Up to cargo 1.99: outputs are found by the hash in their names.
fn find_by_kind(lane: &Path, profile: &Path, found: &mut Vec<Found>) {
    let mut outputs: HashMap<String, Vec<PathBuf>> = HashMap::new();
    for folder in ["deps", "examples", "build"] {
        for name in names(&lane.join(profile).join(folder)) {
            if let Some(hash) = hash_in(&name) {
                outputs.entry(hash.to_owned()).or_default().push(profile.join(folder).join(&name));
            }
        }
    }
    for name in directories(&lane.join(profile).join(".fingerprint")) {
        let Some((package, hash)) = name.rsplit_once('-').filter(|(_, hash)| is_hash(hash)) else {
            continue;
        };
        found.push(Found {
            package: package.to_owned(),
            fingerprint: profile.join(".fingerprint").join(&name),
            outputs: outputs.get(hash).cloned().unwrap_or_default(),
        });
    }
}

/// From cargo 1.100 on: a directory for each unit.
fn find_by_unit(lane: &Path, profile: &Path, found: &mut Vec<Found>) {
    for package in directories(&lane.join(profile).join("build")) {
        let dir = profile.join("build").join(&package);
        for hash in directories(&lane.join(&dir)) {
            let unit = dir.join(&hash);
            if !is_hash(&hash) || !lane.join(&unit).join("fingerprint").is_dir() {
                continue;
            }
            let outputs = names(&lane.join(&unit)).into_iter().filter(|name| name != "fingerprint");
            found.push(Found {
                outputs: outputs.map(|name| unit.join(name)).collect(),
                fingerprint: unit.join("fingerprint"),
                package: package.clone(),
            });
        }
    }
}

fn is_hash(text: &str) -> bool {
    text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// `0123456789abcdef` of `libcore-0123456789abcdef.rlib`, `core-0123456789abcdef.1x2y.rcgu.o`,
/// `app-0123456789abcdef`.
fn hash_in(name: &str) -> Option<&str> {
    let (_, tail) = name.rsplit_once('-')?;
    let hash = tail.split('.').next()?;
    is_hash(hash).then_some(hash)
}

fn names(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

fn directories(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let dirs = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    dirs.filter_map(|entry| entry.file_name().into_string().ok()).collect()
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

//! What the lanes hold: by profile, by kind of file, and by crate. A file with several names is
//! counted once.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use multilane_engine::files::parallel::in_parallel;
use multilane_engine::files::{self, OnDisk};
use multilane_engine::lanes::list;
use serde::Serialize;

use crate::analyze::most_first;

/// Of all lanes of the repository.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Disk {
    pub(crate) lanes: Vec<LaneSize>,
    /// The kinds of files, and how many bytes of all lanes they take.
    pub(crate) kinds: BTreeMap<&'static str, u64>,
    /// By crate, the largest first.
    #[serde(skip)]
    pub(crate) crates: Vec<(String, u64)>,
    #[serde(rename = "bytes")]
    pub(crate) total: u64,
    /// What the same files would take if each lane had its own.
    #[serde(rename = "bytes_if_nothing_were_shared")]
    pub(crate) apart: u64,
}

#[derive(Debug, Default, Serialize)]
pub(crate) struct LaneSize {
    pub(crate) name: String,
    pub(crate) profiles: BTreeMap<String, u64>,
    pub(crate) bytes: u64,
    /// Without what a lane before it in the list has as well.
    #[serde(rename = "bytes_not_shared_before")]
    pub(crate) own: u64,
    /// If it alone goes.
    #[serde(rename = "frees_bytes")]
    pub(crate) frees: u64,
    /// To make that again.
    #[serde(rename = "costs_seconds")]
    pub(crate) costs: f64,
}

/// One name of a file.
struct File {
    /// Relative to the lane.
    path: PathBuf,
    /// What tells it from all other files, where the system has such a thing.
    identity: Option<(u64, u64)>,
    bytes: u64,
}

pub(crate) fn read(lanes: &[list::Found]) -> Disk {
    let walked = in_parallel(lanes, |lane| files(&lane.dir));
    let mut disk = Disk::default();
    let mut seen = HashSet::new();
    let mut crates: BTreeMap<String, u64> = BTreeMap::new();
    for (lane, files) in lanes.iter().zip(walked) {
        let worktree = lane.worktree.file_name().unwrap_or_default().to_string_lossy();
        let agent = lane.agent.iter().map(|agent| format!(", {agent}"));
        let mut size = LaneSize {
            name: worktree.into_owned() + &agent.collect::<String>(),
            frees: lane.price.frees,
            costs: lane.price.seconds,
            ..Default::default()
        };
        let mut within = HashSet::new();
        for File { path, identity, bytes } in files {
            if identity.is_some_and(|identity| !within.insert(identity)) {
                continue; // `debug/app` is `debug/deps/app-…`.
            }
            size.bytes += bytes;
            *size.profiles.entry(profile(&path)).or_default() += bytes;
            if identity.is_some_and(|identity| !seen.insert(identity)) {
                continue;
            }
            size.own += bytes;
            *disk.kinds.entry(kind(&path)).or_default() += bytes;
            if let Some(name) = crate_name(&path) {
                *crates.entry(name).or_default() += bytes;
            }
        }
        disk.total += size.own;
        disk.apart += size.bytes;
        disk.lanes.extend((size.bytes > 0).then_some(size));
    }
    disk.lanes.sort_by_key(|lane| Reverse(lane.bytes));
    disk.crates = most_first(crates);
    disk
}

/// Symbolic links are not followed: they may lead out of the lane.
fn files(lane: &Path) -> Vec<File> {
    let mut found = Vec::new();
    files::walk(lane, &mut |path, meta| {
        if meta.is_file() {
            let OnDisk { id: identity, bytes, .. } = OnDisk::of(meta);
            let path = path.strip_prefix(lane).unwrap_or(path).to_owned();
            found.push(File { path, identity, bytes });
        }
    });
    found
}

/// `debug`, `x86_64-unknown-linux-gnu/debug`.
fn profile(path: &Path) -> String {
    let mut parts = path.iter().map(|part| part.to_string_lossy().into_owned());
    let first = parts.next().unwrap_or_default();
    // A triple has dashes in it, and profiles below it.
    let is_triple = first.matches('-').count() >= 2;
    match parts.next() {
        Some(second) if is_triple => format!("{first}/{second}"),
        Some(_) => first,
        None => "other".to_owned(),
    }
}

fn kind(path: &Path) -> &'static str {
    let has = |name: &str| path.iter().any(|part| part == name);
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    if has("incremental") {
        return "incremental caches";
    }
    if has(".fingerprint") || has("fingerprint") {
        return "fingerprints";
    }
    match extension {
        "rlib" => "libraries",
        "rmeta" => "metadata",
        "so" | "dylib" | "dll" => "dynamic libraries and proc-macros",
        "d" | "html" | "json" | "timestamp" | "txt" => "records",
        "" => "programs and tests",
        _ if has("out") && has("build") && !has("deps") => "made by build scripts",
        _ => "other",
    }
}

/// `serde_core` of `libserde_core-0123456789abcdef.rlib`.
fn crate_name(path: &Path) -> Option<String> {
    let is_hash =
        |text: &str| text.len() >= 8 && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if path.starts_with("cargo-timings") {
        return None; // Its pages have such a name.
    }
    if let Some(part) = path.iter().skip_while(|part| *part != "incremental").nth(1) {
        let (name, hash) = part.to_str()?.rsplit_once('-')?;
        return is_hash(hash).then(|| name.to_owned());
    }
    let stem = path.file_name()?.to_str()?.split('.').next()?;
    let (name, hash) = stem.rsplit_once('-')?;
    let name =
        if path.extension().is_some() { name.strip_prefix("lib").unwrap_or(name) } else { name };
    (hash.len() == 16 && is_hash(hash)).then(|| name.replace('-', "_"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_says_whose_it_is() {
        for (path, expected_kind, expected_crate) in [
            ("debug/deps/libserde_core-0123456789abcdef.rlib", "libraries", Some("serde_core")),
            ("debug/deps/libserde_core-0123456789abcdef.rmeta", "metadata", Some("serde_core")),
            ("debug/deps/app-0123456789abcdef", "programs and tests", Some("app")),
            ("debug/incremental/app-2p1c0ysq5xk3j/s-x/1.o", "incremental caches", Some("app")),
            ("debug/.fingerprint/a-0123456789abcdef/lib-a", "fingerprints", None),
            ("debug/build/ring-0123456789abcdef/out/libring.a", "made by build scripts", None),
        ] {
            assert_eq!(kind(Path::new(path)), expected_kind, "{path}");
            assert_eq!(crate_name(Path::new(path)).as_deref(), expected_crate, "{path}");
        }
        let page = "cargo-timings/cargo-timing-20261126T120938425Z-0123456789abcdef.html";
        assert_eq!(crate_name(Path::new(page)), None);
        assert_eq!(profile(Path::new("debug/deps/x")), "debug");
        assert_eq!(
            profile(Path::new("x86_64-unknown-linux-gnu/release/x")),
            "x86_64-unknown-linux-gnu/release"
        );
    }
}

//! The files of what is brought, and how each gets into the lane.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::fork::plan::ForkInputs;
use crate::fork::rules::source_path;
use crate::units;
use crate::units::incremental::{Cache, Origin};
use crate::units::{DepInfo, Entry, EntryKind, Mark, Place, Unit};

#[derive(Debug)]
pub struct ForkedUnit {
    pub package: String,
    pub target: String,
    pub id: u64,
    pub dependencies: Vec<u64>,
    pub mark: Mark,
    pub outputs: Vec<ForkedFile>,
    /// Its fingerprint, which comes last: without it cargo knows nothing of the unit.
    pub records: Vec<ForkedFile>,
    pub fingerprint: PathBuf,
}

/// A file, and how it gets into the lane.
#[derive(Debug)]
pub struct ForkedFile {
    pub path: PathBuf,
    pub len: u64,
    pub transfer: Transfer,
    /// The time that it gets; `None` for the one that it has.
    pub modified: Option<SystemTime>,
    /// What in it becomes ours.
    pub rewrite: PathRewrite,
}

/// What of the donor's a file names that becomes ours on the way.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PathRewrite {
    Nothing,
    /// The lane: a build script has printed paths into it.
    Lane,
    /// Sources outside the package, by absolute paths, for whoever reads the list: rustc's.
    Sources,
    /// The same in cargo's own record.
    Record,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Transfer {
    /// It becomes the same file under a second name: whoever rewrites it makes a new one.
    Link,
    /// It becomes a file of its own: somebody rewrites it in place, or may.
    Copy,
    /// It is made.
    Directory,
}

/// An incremental cache. rustc sees for itself what of it holds, so nothing has to be judged.
#[derive(Debug)]
pub struct ForkedCache {
    /// Of the unit, relative to the lane.
    pub dir: PathBuf,
    pub session: String,
    pub lock: String,
    pub files: Vec<(String, Transfer)>,
    /// Where it was made, if something in it has to be exchanged.
    pub origin: Option<Origin>,
}

pub(super) fn forked_unit(
    inputs: &ForkInputs<'_>,
    unit: &Unit,
    mark: &Mark,
    times: &BTreeMap<PathBuf, (SystemTime, SystemTime)>,
) -> ForkedUnit {
    let file = |entry: &Entry, transfer: Transfer| ForkedFile {
        path: entry.path.clone(),
        len: entry.len,
        transfer: if entry.kind == EntryKind::Directory { Transfer::Directory } else { transfer },
        modified: None,
        rewrite: if unit.run.is_some() && units::is_printed(&entry.path) {
            PathRewrite::Lane
        } else if !unit.is_run() && entry.path.extension().is_some_and(|end| end == "d") {
            PathRewrite::Sources
        } else {
            PathRewrite::Nothing
        },
    };
    let outputs: Vec<ForkedFile> =
        unit.outputs.iter().map(|entry| file(entry, transfer(inputs, unit, &entry.path))).collect();
    let mut records: Vec<ForkedFile> =
        unit.records.iter().map(|entry| file(entry, Transfer::Copy)).collect();
    let is_elsewhere = unit.is_path && inputs.donor.root != inputs.own.root;
    if let (true, Some(DepInfo { sources, watched_absolutely, record: Some((record, _)), .. })) =
        (is_elsewhere, &unit.dep_info)
    {
        let of_tree = |path: &PathBuf| source_path(unit, path, inputs.donor, &inputs.own.root);
        let time = |path: PathBuf| match times.get(&path) {
            Some((_, to)) => Some(*to),
            None => inputs.sources.files.get(&path)?.own,
        };
        let newest = sources.iter().chain(watched_absolutely).map(of_tree).filter_map(time).max();
        for file in records.iter_mut().filter(|file| file.path == *record) {
            // A tick later, where the file system has such ticks: a source without a fraction of a
            // second would be taken for edited after the build if another lane is forked from ours.
            file.modified = newest.map(|newest| newest + Duration::from_nanos(1));
            file.rewrite = if watched_absolutely.is_empty() {
                PathRewrite::Nothing
            } else {
                PathRewrite::Record
            };
        }
    }
    ForkedUnit {
        package: unit.package.clone(),
        target: unit.target.clone(),
        id: unit.id,
        dependencies: unit.dependencies.clone(),
        mark: mark.clone(),
        outputs,
        records,
        fingerprint: unit.fingerprint.clone(),
    }
}

/// Who rewrites what in place: docs/internals.md has the table. In doubt, a copy.
fn transfer(inputs: &ForkInputs<'_>, unit: &Unit, path: &Path) -> Transfer {
    if unit.is_run() {
        return Transfer::Copy;
    }
    let has_code = unit
        .outputs
        .iter()
        .any(|entry| entry.path.extension().is_some_and(|extension| extension == "rlib"));
    // Nothing but cargo touches the program of a build script, and cargo removes the file first.
    let is_script = unit.target.starts_with("build-script-");
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("rlib") => Transfer::Link,
        // cargo sets the time of a path package's in place, after a check; but not of one that was
        // built.
        Some("rmeta") if !unit.is_path || has_code => Transfer::Link,
        None | Some("exe") if is_script => Transfer::Link,
        // The next linker may be another, and cargo need not know: `target.<triple>.linker` is in
        // no name.
        None | Some("exe") if unit.is_linked_anew && inputs.removes_linked => Transfer::Link,
        _ if units::is_dynamic_library(path) && !unit.is_path && inputs.removes_linked => {
            Transfer::Link
        }
        _ => Transfer::Copy,
    }
}

/// `my_app` of `test-bin-my-app`.
pub(super) fn crate_name(target: &str) -> Option<String> {
    const KINDS: [&str; 6] =
        ["lib-", "bin-", "integration-test-", "example-", "bench-", "build-script-"];
    let target = target.strip_prefix("test-").unwrap_or(target);
    let name = KINDS.iter().find_map(|kind| target.strip_prefix(kind))?;
    Some(name.replace('-', "_"))
}

/// `linked` are the names of crates that programs and tests are made of.
pub(super) fn forked_cache(
    inputs: &ForkInputs<'_>,
    cache: &Cache,
    linked: &HashSet<String>,
) -> ForkedCache {
    // Optimised, rustc may write into files of an earlier session (rust-lang/rust#159287).
    let is_optimised =
        cache.files.iter().any(|file| file.ends_with(".bc") || file.starts_with("thin-lto"));
    // rustc gives `metadata.rmeta` a second name among the outputs, where cargo sets its time after
    // a check, which makes no code.
    let has_code = cache.files.iter().any(|file| file.ends_with(".o"));
    let transfer = |file: &String| {
        const REPLACED: [&str; 5] =
            [".o", ".dwo", "dep-graph.bin", "query-cache.bin", "work-products.bin"];
        let is_replaced = REPLACED.iter().any(|end| file.ends_with(end))
            || (has_code && file == "metadata.rmeta");
        let transfer = if !is_optimised && is_replaced { Transfer::Link } else { Transfer::Copy };
        (file.clone(), transfer)
    };
    let Place { root, lane, .. } = inputs.donor;
    let origin =
        cache.origin.clone().unwrap_or_else(|| Origin { root: root.clone(), lane: lane.clone() });
    // For the lanes of one tree the words of a library are the same.
    let fits = origin.root == inputs.own.root && !linked.contains(cache.crate_name());
    ForkedCache {
        dir: cache.dir.clone(),
        session: cache.session.clone(),
        lock: cache.lock(),
        files: cache.files.iter().map(transfer).collect(),
        origin: (!fits).then_some(origin),
    }
}

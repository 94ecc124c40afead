//! The traps: what has to be shown of a unit before it may be brought.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::fork::plan::{NewTime, Question, Why};
use crate::fork::sources::{Source, Wanted};
use crate::units;
use crate::units::{DepInfo, Entry, EntryKind, Place, Run, Unit, Watched};

/// What has to be compared before a fork from `donor` into the tree at `own_root` can be planned.
pub fn wanted(units: &[Unit], donor: &Place, own_root: &Path) -> Wanted {
    let everything = units.iter().any(|unit| unit.looks_around);
    let mut wanted = Wanted { everything, ..Wanted::default() };
    for unit in
        units.iter().filter(|unit| (unit.is_path || unit.is_vendored) && unit.mark.is_some())
    {
        if let Some(dep_info) = &unit.dep_info {
            let sources = dep_info.sources.iter().chain(&dep_info.watched_absolutely);
            wanted.files.extend(sources.map(|path| source_path(unit, path, donor, own_root)));
        }
        if let Some(Run { watched, package_dir: Some(dir), .. }) = &unit.run {
            match watched {
                Watched::Paths(paths) => {
                    wanted.watched.extend(paths.iter().map(|path| dir.join(path)))
                }
                Watched::Package => drop(wanted.packages.insert(dir.clone())),
                Watched::Nothing => {}
            }
        }
    }
    wanted
}

/// How a source is called in [`Sources`]. One outside its package, which cargo notes by an absolute
/// path, is as much a source of the tree as any other.
pub(super) fn source_path(unit: &Unit, path: &Path, donor: &Place, own_root: &Path) -> PathBuf {
    let in_tree =
        if unit.is_path && donor.root != own_root { donor.source_in_tree(path) } else { None };
    in_tree.unwrap_or_else(|| path.to_owned())
}

/// The traps, one after the other.
pub(super) fn judge(
    question: &Question<'_>,
    unit: &Unit,
    by_id: &HashMap<u64, Vec<usize>>,
) -> Result<Vec<NewTime>, Why> {
    if unit.mark.is_none() {
        return Err(Why::Incomplete);
    }
    if unit.outputs.iter().chain(&unit.records).any(|entry| entry.kind == EntryKind::Other) {
        return Err(Why::Unknown);
    }
    if unit.is_run() {
        return judge_run(question, unit.run.as_ref().ok_or(Why::Unknown)?, unit, by_id);
    }

    let is_result = |entry: &&Entry| {
        entry.kind == EntryKind::File
            && entry.path.extension().is_none_or(|extension| extension != "d")
    };
    if unit.outputs.iter().find(is_result).is_none() || unit.target.starts_with("doc") {
        return Err(Why::Unknown);
    }
    let dep_info = unit.dep_info.as_ref().ok_or(Why::Unknown)?;
    judge_paths(question, unit, dep_info)?;
    if !(unit.is_path || unit.is_vendored) {
        return Ok(Vec::new());
    }
    // In another tree such a macro might read other files, or have read the path itself.
    if unit.is_path && question.donor.root != question.own.root {
        if let Some(package) = macro_that_looks_around(question.units, unit, by_id) {
            if unit.names_donor || !is_as_the_macro_saw_it(question, dep_info) {
                return Err(Why::Macro(package));
            }
        }
    }
    let (_, built) = dep_info.record.as_ref().ok_or(Why::Unknown)?;
    if *built > question.now {
        return Err(Why::BuiltInFuture);
    }
    // What a package has generated is no source; cargo takes it for valid, wherever a vendored one
    // was built.
    let generated =
        dep_info.variables.iter().find(|(name, _)| unit.is_vendored && name == "OUT_DIR");
    let generated = generated.and_then(|(_, dir)| dir.as_deref());
    for path in dep_info.sources.iter().chain(&dep_info.watched_absolutely) {
        if generated.is_none_or(|dir| !path.starts_with(dir)) {
            judge_source(
                question,
                &source_path(unit, path, question.donor, &question.own.root),
                *built,
            )?;
        }
    }
    Ok(Vec::new())
}

/// Whether a macro that was called in the donor's tree, and may have read files there, would read
/// the same here: the trees have the same files, and none that it is likely to read was written
/// after the donor's build. cargo does not rebuild for those, so the donor itself may be behind
/// them.
fn is_as_the_macro_saw_it(question: &Question<'_>, dep_info: &DepInfo) -> bool {
    let Some((_, built)) = &dep_info.record else { return false };
    // Any file but the Rust sources of other packages, which macros have no business with.
    let around = dep_info
        .sources
        .first()
        .and_then(|source| source.parent()?.parent())
        .unwrap_or(Path::new(""));
    let may_be_read = |path: &&PathBuf| {
        let is_rust = path.extension().is_some_and(|extension| extension == "rs");
        (!is_rust || path.starts_with(around)) && !path.ends_with("Cargo.lock")
    };
    let is_older = |path: &PathBuf| {
        let source = question.sources.files.get(path);
        source.and_then(|source| source.donors).is_some_and(|time| !is_outdated(time, *built))
    };
    let everything = &question.sources.everything;
    !everything.is_empty() && everything.iter().filter(may_be_read).all(is_older)
}

/// Nothing of the unit may name the donor's tree or lane.
fn judge_paths(question: &Question<'_>, unit: &Unit, dep_info: &DepInfo) -> Result<(), Why> {
    let Question { donor, own, .. } = question;
    let is_donors = |path: &Path| {
        let is_of_tree = donor.root != own.root && donor.has(path);
        // cargo's rule for a target directory that has moved: what a registry's package has
        // generated stays valid.
        let is_of_lane = path.starts_with(&donor.lane);
        if unit.is_path { is_of_tree || is_of_lane } else { is_of_tree && !is_of_lane }
    };
    for (name, value) in &dep_info.variables {
        let names_lane = ["OUT_DIR", "CARGO_TARGET_TMPDIR"].contains(&name.as_str())
            || name.starts_with("CARGO_BIN_EXE_");
        let Some(value) = value else { continue };
        let is_trap = if unit.is_path {
            names_lane || donor.is_named_in(value.as_bytes(), &own.root)
        } else {
            is_donors(Path::new(value))
        };
        if is_trap {
            return Err(Why::Variable(name.clone()));
        }
    }
    // It is exchanged in the records, but not in what has been compiled.
    let is_exchanged = |path: &PathBuf| {
        let is_noted = unit.is_path && dep_info.watched_absolutely.contains(path);
        is_noted
            && donor.root != own.root
            && !unit.names_donor
            && donor.source_in_tree(path).is_some()
    };
    let mut paths = dep_info.sources.iter().chain(&dep_info.watched_absolutely);
    match paths.find(|path| is_donors(path) && !is_exchanged(path)) {
        Some(path) => Err(Why::Outside(path.clone())),
        None => Ok(()),
    }
}

/// A source must be the same in both trees, and as the donor has built it.
fn judge_source(question: &Question<'_>, path: &Path, built: SystemTime) -> Result<(), Why> {
    let differs = || Why::Differs(path.to_owned());
    let source = question.sources.files.get(path).ok_or_else(differs)?;
    let (Some(donors), Some(own)) = (source.donors, source.own) else {
        return Err(differs());
    };
    if is_outdated(donors, built) {
        return Err(Why::Outdated(path.to_owned()));
    }
    if !source.is_same {
        return Err(differs());
    }
    if own > question.now && question.donor.root != question.own.root {
        return Err(Why::Future(path.to_owned()));
    }
    Ok(())
}

/// cargo's own rule, but for times without a fraction: there, an edit after the build may have the
/// same time.
fn is_outdated(source: SystemTime, built: SystemTime) -> bool {
    let fraction =
        source.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |time| time.subsec_nanos());
    source > built || (source == built && fraction == 0)
}

fn judge_run(
    question: &Question<'_>,
    run: &Run,
    unit: &Unit,
    by_id: &HashMap<u64, Vec<usize>>,
) -> Result<Vec<NewTime>, Why> {
    let Question { donor, own, sources, .. } = question;
    // A path into the lane is rewritten, as the script itself would print it here. Not one that
    // cargo watches: that is part of the fingerprint. Whatever else a script prints is for people
    // who debug it.
    let to_cargo: Vec<&str> =
        run.printed.lines().filter(|line| line.starts_with("cargo:")).collect();
    let to_cargo = to_cargo.join("\n").replace(&run.out_dir, "");
    let elsewhere = units::with_path(to_cargo.as_bytes(), &donor.lane, Path::new(""));
    let watches_lane = matches!(&run.watched, Watched::Paths(paths)
        if paths.iter().any(|path| path.starts_with(&donor.lane)));
    if run.out_dir.is_empty() || watches_lane || donor.is_named_in(&elsewhere, &own.root) {
        return Err(Why::Printed);
    }
    if !unit.is_path {
        return Ok(Vec::new());
    }
    if run.generated_names_donor {
        return Err(Why::Generated);
    }
    let printed_at = run.printed_at.ok_or(Why::Unknown)?;
    if printed_at > question.now {
        return Err(Why::BuiltInFuture);
    }
    if donor.root != own.root && asks_git(question, unit, by_id) {
        let is_same = question.same_commit_since.is_some_and(|since| since <= printed_at);
        if !is_same {
            return Err(Why::Commit);
        }
    }

    let dir = match (&run.watched, &run.package_dir) {
        (Watched::Nothing, _) => return Ok(Vec::new()),
        (_, Some(dir)) => dir,
        (_, None) => return Err(Why::Unknown),
    };
    let lists: Vec<PathBuf> = match &run.watched {
        Watched::Paths(paths) => paths.iter().map(|path| dir.join(path)).collect(),
        _ => vec![dir.clone()],
    };
    let mut times = Vec::new();
    for list in &lists {
        let differs = || Why::Differs(list.clone());
        for path in sources.lists.get(list).and_then(Option::as_ref).ok_or_else(differs)? {
            // The time of the newest file in a package is part of the fingerprint; there, cargo
            // compares for itself.
            let built =
                if run.watched == Watched::Package { SystemTime::UNIX_EPOCH } else { printed_at };
            if run.watched != Watched::Package {
                judge_source(question, path, built)?;
            }
            let source = sources.files.get(path).filter(|source| source.is_same);
            let source = source.ok_or_else(|| Why::Differs(path.clone()))?;
            times.extend(new_time(question, path, source)?);
        }
    }
    Ok(times)
}

/// The time that a watched source of ours has to get; `None` where it has it.
fn new_time(question: &Question<'_>, path: &Path, source: &Source) -> Result<Option<NewTime>, Why> {
    let (Some(to), Some(from)) = (source.donors, source.own) else {
        return Err(Why::Differs(path.to_owned()));
    };
    if from == to {
        return Ok(None);
    }
    let is_of_xtask = {
        let Wanted { files, watched, packages, .. } = question.sources_of_xtask;
        files.contains(path) || watched.iter().chain(packages).any(|dir| path.starts_with(dir))
    };
    if !question.may_set_times || is_of_xtask || !source.is_ours || to > question.now {
        return Err(Why::Watched(path.to_owned()));
    }
    Ok(Some(NewTime { path: path.to_owned(), from, to }))
}

fn asks_git(question: &Question<'_>, unit: &Unit, by_id: &HashMap<u64, Vec<usize>>) -> bool {
    let scripts = unit.dependencies.iter().filter_map(|id| by_id.get(id)).flatten();
    let sources = scripts
        .filter_map(|at| question.units[*at].dep_info.as_ref())
        .flat_map(|info| &info.sources);
    let is_asking =
        |path: &PathBuf| question.sources.files.get(path).is_none_or(|source| source.names_history);
    sources.into_iter().any(is_asking)
}

fn macro_that_looks_around(
    units: &[Unit],
    unit: &Unit,
    by_id: &HashMap<u64, Vec<usize>>,
) -> Option<String> {
    let of = |unit: &Unit| -> Vec<usize> {
        unit.dependencies.iter().filter_map(|id| by_id.get(id)).flatten().copied().collect()
    };
    let near = of(unit);
    let far = near.iter().flat_map(|at| of(&units[*at])).collect::<Vec<_>>();
    let found = near.into_iter().chain(far).find(|at| units[*at].looks_around)?;
    Some(units[found].package.clone())
}

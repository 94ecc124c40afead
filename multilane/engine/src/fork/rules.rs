//! What has to be shown of a unit before it may be brought.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::fork::evidence::{
    Dependencies, check_link, check_macros, check_tools, git_says_the_same, known_at,
    manifest_says_the_same, names_the_same, sees_the_same, wrote_beside,
};
use crate::fork::plan::{ForkInputs, NewTime, Why};
use crate::fork::sources::{Source, SourceQuery};
use crate::project::git_dir;
use crate::units;
use crate::units::link_args::LinkArgs;
use crate::units::{AsksGit, DepInfo, Entry, EntryKind, Mark, Place, Reach, Run, Unit, Watched};

/// What has to be compared before a fork from `donor` into the tree at `own_root` can be planned.
pub fn wanted(units: &[Unit], donor: &Place, own_root: &Path) -> SourceQuery {
    // Only for code that looks around: comparing whole trees takes its time.
    let everything = units.iter().any(|unit| {
        let may_read =
            unit.widest_macro.as_ref().is_some_and(|found| found.reach == Reach::Anything);
        may_read
            || unit.reach == Reach::Anything
            || unit.link_args != LinkArgs::default()
            || unit.run.as_ref().is_some_and(|run| {
                let says = |word| run.printed.contains(word);
                unit.is_path && (says("rustc-link") || says("rustc-flags"))
            })
    });
    let mut wanted = SourceQuery { everything, ..SourceQuery::default() };
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

/// One after the other.
pub(super) fn check(
    inputs: &ForkInputs<'_>,
    unit: &Unit,
    by_id: &HashMap<u64, Vec<usize>>,
) -> Result<Vec<NewTime>, Why> {
    let mark = unit.mark.as_ref().ok_or(Why::Incomplete)?;
    if unit.outputs.iter().chain(&unit.records).any(|entry| entry.kind == EntryKind::Other) {
        return Err(Why::Unknown);
    }
    let dependencies = Dependencies { units: inputs.units, by_id };
    if unit.is_run() {
        return check_run(
            inputs,
            unit.run.as_ref().ok_or(Why::Unknown)?,
            unit,
            mark,
            &dependencies,
        );
    }

    let is_result = |entry: &&Entry| {
        entry.kind == EntryKind::File
            && entry.path.extension().is_none_or(|extension| extension != "d")
    };
    if unit.outputs.iter().find(is_result).is_none() || unit.target.starts_with("doc") {
        return Err(Why::Unknown);
    }
    let dep_info = unit.dep_info.as_ref().ok_or(Why::Unknown)?;
    check_paths(inputs, unit, dep_info)?;
    if !(unit.is_path || unit.is_vendored) {
        let known = known_at(inputs, mark, mark.modified);
        check_tools(inputs, unit, known)?;
        check_macros(inputs, unit, known)?;
        return Ok(Vec::new());
    }
    let (_, built) = dep_info.record.as_ref().ok_or(Why::Unknown)?;
    if *built > inputs.now {
        return Err(Why::BuiltInFuture);
    }
    let known = known_at(inputs, mark, *built);
    check_clippys_settings(inputs, unit, dep_info)?;
    // What a package has generated is no source; cargo takes it for valid, wherever a vendored one
    // was built.
    let generated =
        dep_info.variables.iter().find(|(name, _)| unit.is_vendored && name == "OUT_DIR");
    let generated = generated.and_then(|(_, dir)| dir.as_deref());
    for path in dep_info.sources.iter().chain(&dep_info.watched_absolutely) {
        if generated.is_none_or(|dir| !path.starts_with(dir)) {
            let path = source_path(unit, path, inputs.donor, &inputs.own.root);
            check_source(inputs, &path, *built, known)?;
        }
    }
    check_tools(inputs, unit, known)?;
    check_macros(inputs, unit, known)?;
    check_link(inputs, unit, &dependencies, known)?;
    Ok(Vec::new())
}

/// Nothing of the unit may name the donor's tree or lane.
fn check_paths(inputs: &ForkInputs<'_>, unit: &Unit, dep_info: &DepInfo) -> Result<(), Why> {
    let ForkInputs { donor, own, .. } = inputs;
    let is_donors = |path: &Path| {
        let is_of_tree = donor.root != own.root && donor.has(path);
        // cargo's rule for a target directory that has moved: what a registry's package has
        // generated stays valid.
        let is_of_lane = path.starts_with(&donor.lane);
        if unit.is_path { is_of_tree || is_of_lane } else { is_of_tree && !is_of_lane }
    };
    // A registry's package may have included what it has generated, and no more.
    if !unit.is_path && unit.names.lane {
        return Err(Why::Variable("OUT_DIR".to_owned()));
    }
    if unit.is_path && dep_info.made_in.as_ref().is_some_and(|lane| *lane != donor.lane) {
        return Err(Why::Elsewhere);
    }
    for (name, value) in &dep_info.variables {
        let names_lane = ["OUT_DIR", "CARGO_TARGET_TMPDIR"].contains(&name.as_str())
            || name.starts_with("CARGO_BIN_EXE_");
        let Some(value) = value else { continue };
        // The tree may have been reached through a link when the unit was built.
        let is_elsewhere = ["CARGO_MANIFEST_DIR", "CARGO_MANIFEST_PATH"].contains(&name.as_str())
            && (donor.root != own.root || !donor.has(Path::new(value)));
        let is_trap = if unit.is_path {
            names_lane || is_elsewhere || donor.is_named_in(value.as_bytes(), &own.root)
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
            && !unit.names.root
            && donor.source_in_tree(path).is_some()
    };
    let mut paths = dep_info.sources.iter().chain(&dep_info.watched_absolutely);
    match paths.find(|path| is_donors(path) && !is_exchanged(path)) {
        Some(path) => Err(Why::Outside(path.clone())),
        None => Ok(()),
    }
}

/// A source must be the same in both trees, and as the donor has built it.
/// `known` is when that was last known.
fn check_source(
    inputs: &ForkInputs<'_>,
    path: &Path,
    built: SystemTime,
    known: SystemTime,
) -> Result<(), Why> {
    let differs = || Why::Differs(path.to_owned());
    let source = inputs.sources.files.get(path).ok_or_else(differs)?;
    let (Some(donors), Some(own)) = (source.donors, source.own) else {
        return Err(differs());
    };
    // A file that was put back with its old time has been another one in between.
    let was_replaced = source.donors_changed.is_some_and(|changed| changed > known);
    if is_outdated(donors, built) || was_replaced {
        return Err(Why::Outdated(path.to_owned()));
    }
    if !source.is_same {
        return Err(differs());
    }
    if own > inputs.now && inputs.donor.root != inputs.own.root {
        return Err(Why::Future(path.to_owned()));
    }
    Ok(())
}

/// clippy takes the nearest file above the package, and notes the one that it has taken.
fn check_clippys_settings(
    inputs: &ForkInputs<'_>,
    unit: &Unit,
    dep_info: &DepInfo,
) -> Result<(), Why> {
    const NAMES: [&str; 2] = [".clippy.toml", "clippy.toml"];
    let root = &inputs.own.root;
    let is_clippys = dep_info.variables.iter().any(|(name, _)| name.starts_with("CLIPPY_"));
    let dir = unit.package_dir(inputs.donor).filter(|_| is_clippys).map(|dir| root.join(dir));
    let above = dir.iter().flat_map(|dir| dir.ancestors());
    let nearest =
        above.flat_map(|dir| NAMES.map(|name| dir.join(name))).find(|file| file.is_file());
    let mut taken = dep_info.sources.iter().chain(&dep_info.watched_absolutely);
    match nearest {
        Some(nearest)
            if !taken
                .any(|path| root.join(source_path(unit, path, inputs.donor, root)) == nearest) =>
        {
            Err(Why::Differs(nearest))
        }
        _ => Ok(()),
    }
}

/// The clock of files ticks every few milliseconds.
const CLOCK_TICK: Duration = Duration::from_millis(10);

/// cargo's own rule, but for times without a fraction: there, an edit after the build may have the
/// same time.
fn is_outdated(source: SystemTime, built: SystemTime) -> bool {
    let fraction =
        source.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |time| time.subsec_nanos());
    source > built || (source == built && fraction == 0)
}

fn check_run(
    inputs: &ForkInputs<'_>,
    run: &Run,
    unit: &Unit,
    mark: &Mark,
    dependencies: &Dependencies<'_>,
) -> Result<Vec<NewTime>, Why> {
    let ForkInputs { donor, own, .. } = inputs;
    if !Path::new(&run.out_dir).starts_with(&donor.lane) {
        return Err(Why::Elsewhere);
    }
    // A path into the lane is rewritten, as the script itself would print it here. Not one that
    // cargo watches: that is part of the fingerprint. Whatever else a script prints is for people
    // who debug it.
    let to_cargo: Vec<&str> =
        run.printed.lines().filter(|line| line.starts_with("cargo:")).collect();
    let to_cargo = to_cargo.join("\n").replace(&run.out_dir, "");
    let elsewhere = units::with_path(to_cargo.as_bytes(), &donor.lane, Path::new(""));
    let watches_lane = matches!(&run.watched, Watched::Paths(paths)
        if paths.iter().any(|path| path.starts_with(&donor.lane)));
    if watches_lane || donor.is_named_in(&elsewhere, &own.root) {
        return Err(Why::Printed);
    }
    let ended = run.printed_at.unwrap_or(inputs.now).max(mark.modified);
    let started = run.started_at.or(run.printed_at).ok_or(Why::Unknown)? - CLOCK_TICK;
    let time = started..=ended + CLOCK_TICK;
    wrote_beside(inputs, &time).map_err(Why::Script)?;
    if !unit.is_path {
        // A registry's package has nothing to do with the tree unless its script looks for it, but
        // `[env]` may concern it. A vendored one lies in the tree.
        let then = run.started_at.or(run.printed_at).ok_or(Why::Unknown)?;
        let then = known_at(inputs, mark, then);
        let scripts = dependencies.of(unit).filter(|unit| !unit.is_run());
        let reach = scripts.map(|script| script.reach).max().unwrap_or_default();
        sees_the_same(inputs, reach.max(Reach::Environment), then).map_err(Why::Script)?;
        for script in dependencies.of(unit).filter(|script| !script.is_run()) {
            names_the_same(inputs, script, then).map_err(Why::Script)?;
        }
        return Ok(Vec::new());
    }
    let depth =
        |place: &Place| Some(place.lane.strip_prefix(&place.root).ok()?.components().count());
    let is_as_deep = depth(donor).is_some() && depth(donor) == depth(own);
    if run.generated_names_donor || (run.generated_climbs && !is_as_deep) {
        return Err(Why::Generated);
    }
    let printed_at = run.printed_at.ok_or(Why::Unknown)?;
    if printed_at > inputs.now {
        return Err(Why::BuiltInFuture);
    }
    let times = check_watched(inputs, run, mark, printed_at)?;
    // What it wrote into the tree was written after its start, though it may have the same time:
    // the clock of files ticks every few milliseconds.
    let before = run.started_at.unwrap_or(printed_at) - Duration::from_nanos(1);
    let known = known_at(inputs, mark, before);
    for script in dependencies.of(unit).filter(|unit| !unit.is_run()) {
        sees_the_same(inputs, script.reach, known).map_err(Why::Script)?;
        manifest_says_the_same(inputs, script.reach, run.package_dir.as_deref(), known)
            .map_err(Why::Script)?;
        names_the_same(inputs, script, known).map_err(Why::Script)?;
        let asks_git = script.reach == Reach::Anything && script.asks_git > AsksGit::No;
        if asks_git && !git_says_the_same(inputs, script.asks_git, known, Some(time.clone())) {
            return Err(Why::Commit);
        }
    }
    Ok(times)
}

/// What cargo watches for a run has to be the same, and gets the donor's times.
fn check_watched(
    inputs: &ForkInputs<'_>,
    run: &Run,
    mark: &Mark,
    printed_at: SystemTime,
) -> Result<Vec<NewTime>, Why> {
    let sources = inputs.sources;
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
                check_source(inputs, path, built, known_at(inputs, mark, built))?;
            }
            let source = sources.files.get(path).filter(|source| source.is_same);
            let source = source.ok_or_else(|| Why::Differs(path.clone()))?;
            times.extend(new_time(inputs, path, source)?);
        }
    }
    Ok(times)
}

/// The time that a watched source of ours has to get; `None` where it has it.
fn new_time(inputs: &ForkInputs<'_>, path: &Path, source: &Source) -> Result<Option<NewTime>, Why> {
    let (Some(to), Some(from)) = (source.donors, source.own) else {
        return Err(Why::Differs(path.to_owned()));
    };
    if from == to {
        return Ok(None);
    }
    let is_of_xtask = {
        let SourceQuery { files, watched, packages, .. } = inputs.sources_of_xtask;
        files.contains(path) || watched.iter().chain(packages).any(|dir| path.starts_with(dir))
    };
    // A target directory that we do not know of may have been built from a younger one.
    let is_as_made =
        || git_dir::written_at(&inputs.own.root.join(path)).is_some_and(|made| from <= made);
    if !inputs.may_set_times || !is_as_made() || is_of_xtask || !source.is_ours || to > inputs.now {
        return Err(Why::Watched(path.to_owned()));
    }
    Ok(Some(NewTime { path: path.to_owned(), from, to }))
}

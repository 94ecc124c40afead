//! What a fork brings from the donor into a lane, what it leaves to cargo, and why.
//!
//! A unit is brought only if cargo, starting from nothing in our tree, would make the same: its sources have the same bytes,
//! and nothing in it names the donor's tree or lane. Whatever cannot be shown is left out; cargo then finds no fingerprint
//! and compiles the unit. With a unit go all that depend on it.
//!
//! Freshness is not left to chance either. cargo takes a unit of a path package for fresh if no source is younger than its
//! record of them. That record is in the lane, so it gets the time that our newest source has, and our sources stay as they
//! are. Only what build scripts watch is compared with times that cannot be moved: those files get the donor's time, and
//! only where no other lane of our tree could mistake it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::facts::caches::{Cache, Origin};
use crate::facts::donors::Donor;
use crate::facts::sources::{Source, Sources, Wanted};
use crate::facts::units::{self, DepInfo, Entry, EntryKind, Mark, Place, Run, Unit, Watched};

/// The facts that a fork is planned from.
pub(crate) struct Question<'a> {
    pub(crate) donor: &'a Place,
    pub(crate) own: &'a Place,
    pub(crate) units: &'a [Unit],
    /// What is in our lane already.
    pub(crate) present: &'a [Unit],
    pub(crate) sources: &'a Sources,
    pub(crate) now: SystemTime,
    /// Whether no lane of our tree has anything built, so that nothing can mistake a source's new time…
    pub(crate) may_set_times: bool,
    /// …but xtask, which was made from these.
    pub(crate) sources_of_xtask: &'a Wanted,
    /// Since when the donor's tree has the commit that ours has; `None` where it has another.
    pub(crate) same_commit_since: Option<SystemTime>,
    /// The incremental caches that our compilers could make use of…
    pub(crate) caches: Vec<Cache>,
    /// …and those in our lane already, by their directories.
    pub(crate) present_caches: &'a [PathBuf],
    /// Whether in both trees the wrapper removes what a linker is going to write.
    pub(crate) removes_linked: bool,
}

/// What is to be done.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) donor: Place,
    pub(crate) own: Place,
    pub(crate) brought: Vec<Brought>,
    pub(crate) left: Vec<Left>,
    /// How many units the lane has already.
    pub(crate) present: usize,
    /// Sources that get the donor's time. They have the donor's bytes.
    pub(crate) times: Vec<NewTime>,
    pub(crate) caches: Vec<BroughtCache>,
}

/// An incremental cache. rustc sees for itself what of it holds, so nothing has to be judged.
#[derive(Debug)]
pub(crate) struct BroughtCache {
    /// Of the unit, relative to the lane.
    pub(crate) dir: PathBuf,
    pub(crate) session: String,
    pub(crate) lock: String,
    pub(crate) files: Vec<(String, Way)>,
    /// Where it was made, if something in it has to be exchanged.
    pub(crate) origin: Option<Origin>,
}

#[derive(Debug)]
pub(crate) struct Brought {
    pub(crate) package: String,
    pub(crate) target: String,
    pub(crate) id: u64,
    pub(crate) dependencies: Vec<u64>,
    pub(crate) mark: Mark,
    pub(crate) outputs: Vec<Piece>,
    /// Its fingerprint, which comes last: without it cargo knows nothing of the unit.
    pub(crate) records: Vec<Piece>,
    pub(crate) fingerprint: PathBuf,
}

/// A file, and how it gets into the lane.
#[derive(Debug)]
pub(crate) struct Piece {
    pub(crate) path: PathBuf,
    pub(crate) len: u64,
    pub(crate) way: Way,
    /// The time that it gets; `None` for the one that it has.
    pub(crate) modified: Option<SystemTime>,
    /// What in it becomes ours.
    pub(crate) names: Names,
}

/// What of the donor's a file names that becomes ours on the way.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Names {
    Nothing,
    /// The lane: a build script has printed paths into it.
    Lane,
    /// Sources outside the package, by absolute paths, for whoever reads the list: rustc's.
    Sources,
    /// The same in cargo's own record.
    Record,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Way {
    /// It becomes the same file under a second name: whoever rewrites it makes a new one.
    Link,
    /// It becomes a file of its own: somebody rewrites it in place, or may.
    Copy,
    /// It is made.
    Directory,
}

#[derive(Debug, PartialEq)]
pub(crate) struct NewTime {
    /// Relative to the workspace root.
    pub(crate) path: PathBuf,
    pub(crate) from: SystemTime,
    pub(crate) to: SystemTime,
}

/// A unit that cargo compiles.
#[derive(Debug)]
pub(crate) struct Left {
    pub(crate) package: String,
    pub(crate) target: String,
    pub(crate) why: Why,
}

/// Why a unit is left to cargo.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Why {
    /// The donor has not finished it, or was killed while it did.
    Incomplete,
    /// It is not as we know units.
    Unknown,
    /// The donor's source was changed after the donor's build.
    Outdated(PathBuf),
    /// Our source is another one, or is not there.
    Differs(PathBuf),
    /// The donor was built under a clock that was put back since: what is younger than the build may look older.
    BuiltInFuture,
    /// Our source is from the future, so an edit could go unnoticed.
    Future(PathBuf),
    /// A variable that names the donor's tree or lane is compiled in.
    Variable(String),
    /// It is watched, or was read, by a path in the donor's tree.
    Outside(PathBuf),
    /// The build script has printed a path of the donor's.
    Printed,
    /// The build script has written a path of the donor's into what it generated.
    Generated,
    /// The build script watches a file whose time we must not set: this tree has other lanes.
    Watched(PathBuf),
    /// The build script asks git, and the commit may be another.
    Commit,
    /// A macro of this package may read files and tells nobody.
    Macro(String),
    /// A unit of this package, on which it depends, is left out.
    Needs(String),
    /// A unit in our lane was built with another one in its place.
    Replaced,
    /// The donor has rebuilt it while we copied.
    Changed,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Why::Incomplete => f.write_str("incomplete in the donor"),
            Why::Unknown => f.write_str("of an unknown form"),
            Why::Outdated(path) => write!(f, "outdated in the donor: {}", path.display()),
            Why::Differs(path) => write!(f, "{} is another one here", path.display()),
            Why::BuiltInFuture => f.write_str("built in the future"),
            Why::Future(path) => write!(f, "{} is from the future", path.display()),
            Why::Variable(name) => write!(f, "env {name}"),
            Why::Outside(path) => write!(f, "reads {}", path.display()),
            Why::Printed => f.write_str("its build script printed the donor's path"),
            Why::Generated => f.write_str("its build script generated the donor's path"),
            Why::Watched(path) => write!(f, "its build script watches {}", path.display()),
            Why::Commit => f.write_str("its build script asks git"),
            Why::Macro(package) => write!(f, "the macro {package} may read files"),
            Why::Needs(package) => write!(f, "needs {package}"),
            Why::Replaced => f.write_str("a unit here was built with another"),
            Why::Changed => f.write_str("rebuilt by the donor meanwhile"),
        }
    }
}

impl Why {
    /// Whether another donor may do better.
    pub(crate) fn is_of_this_donor(&self) -> bool {
        matches!(
            self,
            Why::Incomplete
                | Why::Outdated(_)
                | Why::BuiltInFuture
                | Why::Differs(_)
                | Why::Commit
                | Why::Changed
        )
    }
}

/// What a donor should have in common with the lane that is forked from it.
pub(crate) struct Suits<'a> {
    /// `rustc -vV`, whole.
    pub(crate) toolchain: &'a str,
    pub(crate) lockfile: &'a str,
    pub(crate) root: &'a Path,
    pub(crate) commit: Option<&'a str>,
}

/// The donors of the same compiler, the best first: same dependencies, then same sources, then most units.
pub(crate) fn ranked(mut donors: Vec<Donor>, suits: &Suits<'_>) -> Vec<Donor> {
    // Another compiler's units have other hashes. cargo keeps the answer of `rustc -vV`, whose first line names the commit.
    let compiler = suits.toolchain.lines().next().unwrap_or_default();
    donors.retain(|donor| donor.rustc_info.contains(compiler));
    donors.sort_by_key(|donor| {
        let is_same_commit = suits.commit.is_some() && donor.commit.as_deref() == suits.commit;
        let rank =
            (donor.lockfile == suits.lockfile, donor.place.root == suits.root, is_same_commit, donor.units);
        std::cmp::Reverse(rank)
    });
    donors
}

/// What has to be compared before a fork from `donor` into the tree at `own_root` can be planned.
pub(crate) fn wanted(units: &[Unit], donor: &Place, own_root: &Path) -> Wanted {
    let everything = units.iter().any(|unit| unit.looks_around);
    let mut wanted = Wanted { everything, ..Wanted::default() };
    for unit in units.iter().filter(|unit| (unit.is_path || unit.is_vendored) && unit.mark.is_some()) {
        if let Some(dep_info) = &unit.dep_info {
            let sources = dep_info.sources.iter().chain(&dep_info.watched_absolutely);
            wanted.files.extend(sources.map(|path| source_path(unit, path, donor, own_root)));
        }
        if let Some(Run { watched, package_dir: Some(dir), .. }) = &unit.run {
            match watched {
                Watched::Paths(paths) => wanted.watched.extend(paths.iter().map(|path| dir.join(path))),
                Watched::Package => drop(wanted.packages.insert(dir.clone())),
                Watched::Nothing => {}
            }
        }
    }
    wanted
}

/// How a source is called in [`Sources`]. One outside its package, which cargo notes by an absolute path, is as much a source
/// of the tree as any other.
fn source_path(unit: &Unit, path: &Path, donor: &Place, own_root: &Path) -> PathBuf {
    let in_tree = if unit.is_path && donor.root != own_root { donor.source_in_tree(path) } else { None };
    in_tree.unwrap_or_else(|| path.to_owned())
}

/// What is known of one unit.
enum Verdict {
    Bring { times: Vec<NewTime> },
    Present,
    Leave(Why),
}

pub(crate) fn plan(question: &Question<'_>) -> Plan {
    let by_id = by_id(question.units);
    let mut verdicts: Vec<Verdict> =
        question.units.iter().map(|unit| verdict(question, unit, &by_id)).collect();
    leave_dependents(question, &by_id, &mut verdicts);

    let mut times = BTreeMap::new();
    for verdict in &verdicts {
        if let Verdict::Bring { times: of_unit } = verdict {
            times.extend(of_unit.iter().map(|time| (time.path.clone(), (time.from, time.to))));
        }
    }
    let mut plan = Plan {
        donor: question.donor.clone(),
        own: question.own.clone(),
        brought: Vec::new(),
        left: Vec::new(),
        present: 0,
        times: Vec::new(),
        caches: Vec::new(),
    };
    for (unit, verdict) in question.units.iter().zip(verdicts) {
        match (verdict, &unit.mark) {
            (Verdict::Bring { .. }, Some(mark)) => {
                plan.brought.push(brought(question, unit, mark, &times));
            }
            (Verdict::Leave(why), _) => {
                let (package, target) = (unit.package.clone(), unit.target.clone());
                plan.left.push(Left { package, target, why });
            }
            _ => plan.present += 1,
        }
    }
    plan.times = times.into_iter().map(|(path, (from, to))| NewTime { path, from, to }).collect();
    let targets = plan.brought.iter().map(|unit| unit.target.as_str());
    let crates: HashSet<String> = targets.clone().filter_map(crate_name).collect();
    let linked: HashSet<String> =
        targets.filter(|target| !target.starts_with("lib-")).filter_map(crate_name).collect();
    let lacking = question.caches.iter().filter(|cache| !question.present_caches.contains(&cache.dir));
    let wanted = lacking.filter(|cache| crates.contains(cache.crate_name()));
    plan.caches = wanted.map(|cache| brought_cache(question, cache, &linked)).collect();
    plan.left.sort_by(|a, b| (&a.package, &a.target).cmp(&(&b.package, &b.target)));
    plan
}

fn by_id(units: &[Unit]) -> HashMap<u64, Vec<usize>> {
    let mut by_id: HashMap<u64, Vec<usize>> = HashMap::new();
    for (at, unit) in units.iter().enumerate().filter(|(_, unit)| unit.mark.is_some()) {
        by_id.entry(unit.id).or_default().push(at);
    }
    by_id
}

fn verdict(question: &Question<'_>, unit: &Unit, by_id: &HashMap<u64, Vec<usize>>) -> Verdict {
    // A trace of it is enough: what is in our lane was built with that one.
    if question.present.iter().any(|present| present.fingerprint == unit.fingerprint) {
        return Verdict::Present;
    }
    if question.present.iter().any(|present| present.dependencies.contains(&unit.id)) && unit.mark.is_some() {
        return Verdict::Leave(Why::Replaced);
    }
    match judge(question, unit, by_id) {
        Ok(times) => Verdict::Bring { times },
        Err(why) => Verdict::Leave(why),
    }
}

/// The traps, one after the other.
fn judge(
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
        entry.kind == EntryKind::File && entry.path.extension().is_none_or(|extension| extension != "d")
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
    if unit.is_path
        && question.donor.root != question.own.root
        && let Some(package) = macro_that_looks_around(question.units, unit, by_id)
        && (unit.names_donor || !is_as_the_macro_saw_it(question, dep_info))
    {
        return Err(Why::Macro(package));
    }
    let (_, built) = dep_info.record.as_ref().ok_or(Why::Unknown)?;
    if *built > question.now {
        return Err(Why::BuiltInFuture);
    }
    // What a package has generated is no source; cargo takes it for valid, wherever a vendored one was built.
    let generated = dep_info.variables.iter().find(|(name, _)| unit.is_vendored && name == "OUT_DIR");
    let generated = generated.and_then(|(_, dir)| dir.as_deref());
    for path in dep_info.sources.iter().chain(&dep_info.watched_absolutely) {
        if generated.is_none_or(|dir| !path.starts_with(dir)) {
            judge_source(question, &source_path(unit, path, question.donor, &question.own.root), *built)?;
        }
    }
    Ok(Vec::new())
}

/// Whether a macro that was called in the donor's tree, and may have read files there, would read the same here: the trees
/// have the same files, and none that it is likely to read was written after the donor's build. cargo does not rebuild for
/// those, so the donor itself may be behind them.
fn is_as_the_macro_saw_it(question: &Question<'_>, dep_info: &DepInfo) -> bool {
    let Some((_, built)) = &dep_info.record else { return false };
    // Any file but the Rust sources of other packages, which macros have no business with.
    let around =
        dep_info.sources.first().and_then(|source| source.parent()?.parent()).unwrap_or(Path::new(""));
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
        // cargo's rule for a target directory that has moved: what a registry's package has generated stays valid.
        let is_of_lane = path.starts_with(&donor.lane);
        if unit.is_path { is_of_tree || is_of_lane } else { is_of_tree && !is_of_lane }
    };
    for (name, value) in &dep_info.variables {
        let names_lane =
            ["OUT_DIR", "CARGO_TARGET_TMPDIR"].contains(&name.as_str()) || name.starts_with("CARGO_BIN_EXE_");
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
        is_noted && donor.root != own.root && !unit.names_donor && donor.source_in_tree(path).is_some()
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

/// cargo's own rule, but for times without a fraction: there, an edit after the build may have the same time.
fn is_outdated(source: SystemTime, built: SystemTime) -> bool {
    let fraction = source.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |time| time.subsec_nanos());
    source > built || (source == built && fraction == 0)
}

fn judge_run(
    question: &Question<'_>,
    run: &Run,
    unit: &Unit,
    by_id: &HashMap<u64, Vec<usize>>,
) -> Result<Vec<NewTime>, Why> {
    let Question { donor, own, sources, .. } = question;
    // A path into the lane is rewritten, as the script itself would print it here. Not one that cargo watches: that is part
    // of the fingerprint. Whatever else a script prints is for people who debug it.
    let to_cargo: Vec<&str> = run.printed.lines().filter(|line| line.starts_with("cargo:")).collect();
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
            // The time of the newest file in a package is part of the fingerprint; there, cargo compares for itself.
            let built = if run.watched == Watched::Package { SystemTime::UNIX_EPOCH } else { printed_at };
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
    let sources =
        scripts.filter_map(|at| question.units[*at].dep_info.as_ref()).flat_map(|info| &info.sources);
    let is_asking =
        |path: &PathBuf| question.sources.files.get(path).is_none_or(|source| source.names_history);
    sources.into_iter().any(is_asking)
}

fn macro_that_looks_around(units: &[Unit], unit: &Unit, by_id: &HashMap<u64, Vec<usize>>) -> Option<String> {
    let of = |unit: &Unit| -> Vec<usize> {
        unit.dependencies.iter().filter_map(|id| by_id.get(id)).flatten().copied().collect()
    };
    let near = of(unit);
    let far = near.iter().flat_map(|at| of(&units[*at])).collect::<Vec<_>>();
    let found = near.into_iter().chain(far).find(|at| units[*at].looks_around)?;
    Some(units[found].package.clone())
}

/// With a unit go those that need it, and those whose dependency is not the one that they were built with.
fn leave_dependents(question: &Question<'_>, by_id: &HashMap<u64, Vec<usize>>, verdicts: &mut [Verdict]) {
    let same_here: HashSet<&Path> = {
        let marks: HashMap<&Path, &Mark> = question
            .present
            .iter()
            .filter_map(|unit| Some((unit.fingerprint.as_path(), unit.mark.as_ref()?)))
            .collect();
        let is_same = |unit: &&Unit| match (marks.get(unit.fingerprint.as_path()), &unit.mark) {
            // The hash of a path package's crate holds its directory, so only a copy can take the place of the original.
            (Some(own), Some(mark)) => !unit.is_path || *own == mark,
            _ => false,
        };
        question.units.iter().filter(is_same).map(|unit| unit.fingerprint.as_path()).collect()
    };
    let is_there = |at: usize, verdicts: &[Verdict]| match verdicts[at] {
        Verdict::Bring { .. } => true,
        Verdict::Present => same_here.contains(question.units[at].fingerprint.as_path()),
        Verdict::Leave(_) => false,
    };

    loop {
        let mut is_settled = true;
        for at in 0..verdicts.len() {
            if !matches!(verdicts[at], Verdict::Bring { .. }) {
                continue;
            }
            let lacking = question.units[at].dependencies.iter().find_map(|id| match by_id.get(id) {
                Some(candidates) => candidates
                    .iter()
                    .find(|candidate| !is_there(**candidate, verdicts))
                    .map(|candidate| question.units[*candidate].package.clone()),
                None => Some("a unit that the donor has no longer".to_owned()),
            });
            if let Some(package) = lacking {
                verdicts[at] = Verdict::Leave(Why::Needs(package));
                is_settled = false;
            }
        }
        if is_settled {
            return;
        }
    }
}

fn brought(
    question: &Question<'_>,
    unit: &Unit,
    mark: &Mark,
    times: &BTreeMap<PathBuf, (SystemTime, SystemTime)>,
) -> Brought {
    let piece = |entry: &Entry, way: Way| Piece {
        path: entry.path.clone(),
        len: entry.len,
        way: if entry.kind == EntryKind::Directory { Way::Directory } else { way },
        modified: None,
        names: if unit.run.is_some() && units::is_printed(&entry.path) {
            Names::Lane
        } else {
            Names::Nothing
        },
    };
    let mut outputs: Vec<Piece> =
        unit.outputs.iter().map(|entry| piece(entry, way(question, unit, &entry.path))).collect();
    let mut records: Vec<Piece> = unit.records.iter().map(|entry| piece(entry, Way::Copy)).collect();
    if unit.is_path
        && question.donor.root != question.own.root
        && let Some(DepInfo { sources, watched_absolutely, record: Some((record, _)), .. }) = &unit.dep_info
    {
        let of_tree = |path: &PathBuf| source_path(unit, path, question.donor, &question.own.root);
        let time = |path: PathBuf| match times.get(&path) {
            Some((_, to)) => Some(*to),
            None => question.sources.files.get(&path)?.own,
        };
        let newest = sources.iter().chain(watched_absolutely).map(of_tree).filter_map(time).max();
        for piece in records.iter_mut().filter(|piece| piece.path == *record) {
            // A tick later, where the file system has such ticks: a source without a fraction of a second would be taken for
            // edited after the build if another lane is forked from ours.
            piece.modified = newest.map(|newest| newest + Duration::from_nanos(1));
            piece.names = if watched_absolutely.is_empty() { Names::Nothing } else { Names::Record };
        }
        if !watched_absolutely.is_empty() {
            let lists =
                outputs.iter_mut().filter(|piece| piece.path.extension().is_some_and(|end| end == "d"));
            lists.for_each(|piece| piece.names = Names::Sources);
        }
    }
    Brought {
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
fn way(question: &Question<'_>, unit: &Unit, path: &Path) -> Way {
    if unit.is_run() {
        return Way::Copy;
    }
    let has_code =
        unit.outputs.iter().any(|entry| entry.path.extension().is_some_and(|extension| extension == "rlib"));
    // A linker may write over what is there; cargo removes the file first where it gives it a second name.
    let is_uplifted = ["bin-", "example-", "build-script-"].iter().any(|kind| unit.target.starts_with(kind));
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("rlib") => Way::Link,
        // cargo sets the time of a path package's in place, after a check; but not of one that was built.
        Some("rmeta") if !unit.is_path || has_code => Way::Link,
        None | Some("exe") if is_uplifted => Way::Link,
        // The next linker may be another, and cargo need not know: `target.<triple>.linker` is in no name.
        None | Some("exe") if unit.is_linked_anew && question.removes_linked => Way::Link,
        _ if units::is_dynamic_library(path) && !unit.is_path && question.removes_linked => Way::Link,
        _ => Way::Copy,
    }
}

/// `my_app` of `test-bin-my-app`.
fn crate_name(target: &str) -> Option<String> {
    const KINDS: [&str; 6] = ["lib-", "bin-", "integration-test-", "example-", "bench-", "build-script-"];
    let target = target.strip_prefix("test-").unwrap_or(target);
    let name = KINDS.iter().find_map(|kind| target.strip_prefix(kind))?;
    Some(name.replace('-', "_"))
}

/// `linked` are the names of crates that programs and tests are made of.
fn brought_cache(question: &Question<'_>, cache: &Cache, linked: &HashSet<String>) -> BroughtCache {
    // Optimised, rustc may write into files of an earlier session (rust-lang/rust#159287).
    let is_optimised = cache.files.iter().any(|file| file.ends_with(".bc") || file.starts_with("thin-lto"));
    // rustc gives `metadata.rmeta` a second name among the outputs, where cargo sets its time after a check, which makes no code.
    let has_code = cache.files.iter().any(|file| file.ends_with(".o"));
    let way = |file: &String| {
        const REPLACED: [&str; 5] = [".o", ".dwo", "dep-graph.bin", "query-cache.bin", "work-products.bin"];
        let is_replaced =
            REPLACED.iter().any(|end| file.ends_with(end)) || (has_code && file == "metadata.rmeta");
        let way = if !is_optimised && is_replaced { Way::Link } else { Way::Copy };
        (file.clone(), way)
    };
    let Place { root, lane, .. } = question.donor;
    let origin = cache.origin.clone().unwrap_or_else(|| Origin { root: root.clone(), lane: lane.clone() });
    // For the lanes of one tree the words of a library are the same.
    let fits = origin.root == question.own.root && !linked.contains(cache.crate_name());
    BroughtCache {
        dir: cache.dir.clone(),
        session: cache.session.clone(),
        lock: cache.lock(),
        files: cache.files.iter().map(way).collect(),
        origin: (!fits).then_some(origin),
    }
}

/// A unit that could not be brought after all takes with it those that need it. Returns what is still brought, by place.
pub(crate) fn still_brought(brought: &[Brought], dropped: &BTreeSet<usize>) -> BTreeSet<usize> {
    let mut gone = dropped.clone();
    loop {
        let lost: HashSet<u64> = gone.iter().map(|at| brought[*at].id).collect();
        let needs_lost = |at: &usize| brought[*at].dependencies.iter().any(|id| lost.contains(id));
        let more: Vec<usize> =
            (0..brought.len()).filter(|at| !gone.contains(at)).filter(needs_lost).collect();
        if more.is_empty() {
            return (0..brought.len()).filter(|at| !gone.contains(at)).collect();
        }
        gone.extend(more);
    }
}

impl Plan {
    pub(crate) fn is_empty(&self) -> bool {
        self.brought.is_empty()
    }

    /// What `lane fork --explain` prints of one package.
    pub(crate) fn explain(&self, package: &str) -> String {
        let mut lines = Vec::new();
        for unit in self.brought.iter().filter(|unit| unit.package == package) {
            lines.push(format!("{} {}: forked", unit.package, unit.target));
            for piece in unit.outputs.iter().chain(&unit.records) {
                let way = match piece.way {
                    Way::Link => "link",
                    Way::Copy => "copy",
                    Way::Directory => continue,
                };
                lines.push(format!("    {way} {} ({} bytes)", piece.path.display(), piece.len));
            }
        }
        for left in self.left.iter().filter(|left| left.package == package) {
            lines.push(format!("{} {}: left to cargo: {}", left.package, left.target, left.why));
        }
        if lines.is_empty() { format!("{package}: the donor has no unit of it") } else { lines.join("\n") }
    }
}

/// What `lane fork --dry-run` prints.
impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pieces = || self.brought.iter().flat_map(|unit| unit.outputs.iter().chain(&unit.records));
        let of = |way: Way| pieces().filter(move |piece| piece.way == way);
        let bytes: u64 = of(Way::Copy).map(|piece| piece.len).sum();
        writeln!(f, "from {} into {}", self.donor.lane.display(), self.own.lane.display())?;
        write!(
            f,
            "units: {}; link {} files, copy {} ({bytes} bytes)",
            self.brought.len(),
            of(Way::Link).count(),
            of(Way::Copy).count()
        )?;
        if self.present > 0 {
            write!(f, "; there already: {}", self.present)?;
        }
        if !self.caches.is_empty() {
            write!(f, "\nincremental caches: {}", self.caches.len())?;
        }
        if !self.times.is_empty() {
            write!(f, "\ntime set from the donor: {}", self.times.len())?;
        }
        for time in &self.times {
            write!(f, "\n    {}", time.path.display())?;
        }
        write!(f, "\nleft to cargo: {}", self.left.len())?;
        for left in &self.left {
            write!(f, "\n    {} {}: {}", left.package, left.target, left.why)?;
        }
        Ok(())
    }
}

/// The reasons in `left`, the most frequent first, without those that only follow from others.
pub(crate) fn reasons<'a>(left: impl Iterator<Item = &'a Left>) -> Vec<String> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for left in left.filter(|left| !matches!(left.why, Why::Needs(_))) {
        *counts.entry(left.why.to_string()).or_default() += 1;
    }
    let mut reasons: Vec<(String, usize)> = counts.into_iter().collect();
    reasons.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    reasons.into_iter().map(|(reason, _)| reason).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A donor of the tree `/w/<tree>`, with this lockfile, commit and number of units.
    fn donor(tree: &str, lockfile: &str, commit: Option<&str>, units: usize) -> Donor {
        let root = Path::new("/w").join(tree);
        Donor {
            place: Place::new(root.clone(), root.join("target")),
            commit: commit.map(str::to_owned),
            lockfile: lockfile.to_owned(),
            rustc_info: "{\"stdout\":\"rustc 1.95.0 (0123 2026-04-14)\\nbinary: rustc\"}".to_owned(),
            units,
        }
    }

    /// The trees of the donors, the best first, for a lane of `/w/own` with the lockfile `lock`.
    #[track_caller]
    fn check(donors: Vec<Donor>, commit: Option<&str>, expected: &[&str]) {
        let (toolchain, lockfile) = ("rustc 1.95.0 (0123 2026-04-14)\nbinary: rustc\n", "lock");
        let suits = Suits { toolchain, lockfile, root: Path::new("/w/own"), commit };
        let names = ranked(donors, &suits).into_iter().map(|donor| {
            let name = donor.place.root.file_name().expect("a name").to_string_lossy().into_owned();
            name + if donor.units > 100 { " with more" } else { "" }
        });
        assert_eq!(names.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn the_best_donor_has_the_same_dependencies_then_the_same_sources_then_most_units() {
        // Each is better than the one before by one thing, and worse in all that counts less.
        let donors = vec![
            donor("bare", "other", None, 1),
            donor("bare", "other", None, 900),
            donor("commit", "other", Some("c"), 1),
            donor("own", "other", None, 1),
            donor("lockfile", "lock", None, 1),
            donor("lockfile-commit", "lock", Some("c"), 1),
            donor("own", "lock", Some("d"), 900),
        ];
        let expected =
            ["own with more", "lockfile-commit", "lockfile", "own", "commit", "bare with more", "bare"];
        check(donors.into_iter().rev().collect(), Some("c"), &expected);
    }

    #[test]
    fn where_there_are_no_commits_none_is_the_same() {
        let donors = vec![donor("a", "lock", None, 1), donor("b", "lock", Some("c"), 2)];
        check(donors, None, &["b", "a"]);
    }

    #[test]
    fn another_compilers_lane_is_no_donor() {
        let mut other = donor("other", "lock", Some("c"), 900);
        other.rustc_info = other.rustc_info.replace("0123", "4567");
        let mut unknown = donor("unknown", "lock", Some("c"), 900);
        unknown.rustc_info.clear();
        check(vec![other, donor("same", "other", None, 1), unknown], Some("c"), &["same"]);
    }
}

//! What speaks for a unit in which arbitrary code ran: a build script's run, and what a macro had a
//! hand in.
//!
//! Such a unit is brought for one of two reasons. The code cannot look around, or only at cargo's
//! `[env]`, which is the same. Or nothing that it could have seen differs: the trees have the same
//! files, and none was changed since it ran.

use std::collections::HashSet;
use std::ops::RangeInclusive;
use std::path::{Component, Path, PathBuf};
use std::time::SystemTime;

use crate::files;
use crate::fork::noted::Noted;
use crate::fork::plan::{ForkInputs, Why};
use crate::fork::reason::StateDiffers;
use crate::fork::sources::{TreeState, is_same_outside};
use crate::project::packages::normalized;
use crate::units::link_args::{LinkArgs, is_of_system, path_in};
use crate::units::{AsksGit, Mark, Reach, Unit};

/// When the unit was last known to be what cargo would make: when it was built, or when a fork
/// brought it into the donor's lane and everything was the same.
pub(super) fn known_at(inputs: &ForkInputs<'_>, mark: &Mark, built: SystemTime) -> SystemTime {
    match inputs.donor_forked_at {
        Some(forked) if mark.modified < forked => built.max(forked),
        _ => built,
    }
}

/// Whether code that can get at this much would see the same now as it did then.
pub(super) fn sees_the_same(
    inputs: &ForkInputs<'_>,
    reach: Reach,
    then: SystemTime,
) -> Result<(), StateDiffers> {
    if reach <= Reach::Manifest {
        return Ok(());
    }
    let is_noted = |other: &(&str, String)| {
        inputs.noted.as_ref().is_none_or(|noted| noted.is_other_same(other, then))
    };
    let [configured, at_root] = &inputs.others;
    if inputs.same_env_since.is_none_or(|since| since > then) || !is_noted(configured) {
        return Err(StateDiffers::Environment);
    }
    if reach == Reach::Environment {
        return Ok(());
    }
    match &inputs.sources.trees {
        TreeState::Same(..) if !is_noted(at_root) => {
            Err(StateDiffers::Since(inputs.donor.root.clone()))
        }
        TreeState::Same(path, changed) if *changed > then => Err(StateDiffers::Since(path.clone())),
        TreeState::Same(..) => Ok(()),
        TreeState::Differs(path) => Err(StateDiffers::File(path.clone())),
        TreeState::Unknown => Err(StateDiffers::Unknown),
    }
}

/// Whether the manifests say the same of a path package in `dir` now as they did then, for code
/// that asks cargo for that. All files of the tree are compared for code that looks around.
pub(super) fn manifest_says_the_same(
    inputs: &ForkInputs<'_>,
    reach: Reach,
    dir: Option<&Path>,
    then: SystemTime,
) -> Result<(), StateDiffers> {
    if !(Reach::Manifest..=Reach::Environment).contains(&reach) {
        return Ok(());
    }
    let dir = dir.ok_or(StateDiffers::Unknown)?;
    // The package may inherit what the workspace says.
    for manifest in [dir.join("Cargo.toml"), PathBuf::from("Cargo.toml")] {
        let [donors, own] = [inputs.donor, inputs.own].map(|place| place.root.join(&manifest));
        if !is_same_outside(&donors, &own, then) {
            return Err(StateDiffers::File(manifest));
        }
    }
    Ok(())
}

/// Whether what the unit's code names besides is the same now as it was then: variables, and files
/// out of the checkout. Code that cannot read names nothing.
pub(super) fn names_the_same(
    inputs: &ForkInputs<'_>,
    unit: &Unit,
    then: SystemTime,
) -> Result<(), StateDiffers> {
    if let Some(noted) = &inputs.noted {
        let is_same = |name: &&String| noted.is_same(name, inputs.env, then);
        if let Some(name) = unit.variables.iter().find(|name| !is_same(name)) {
            return Err(StateDiffers::Variable(name.clone()));
        }
    }
    let is_same = |path: &&PathBuf| {
        is_same_outside(&inputs.donor.root.join(path), &inputs.own.root.join(path), then)
    };
    match unit.outside.iter().find(|path| !is_same(path)) {
        Some(path) => Err(StateDiffers::Outside(path.clone())),
        None => Ok(()),
    }
}

/// What was put into the donor's lane, beside what cargo builds, while code ran: the code may have
/// done that, and has to do it here.
pub(super) fn wrote_beside(
    inputs: &ForkInputs<'_>,
    time: &RangeInclusive<SystemTime>,
) -> Result<(), StateDiffers> {
    let mut beside = inputs.sources.beside.iter();
    match beside.find(|(_, put)| time.contains(put)) {
        Some((path, _)) => Err(StateDiffers::Beside(path.clone())),
        None => Ok(()),
    }
}

/// Whether git would say the same now as it did then to code that ran in this `time`, if that is
/// known.
pub(super) fn git_says_the_same(
    inputs: &ForkInputs<'_>,
    asks: AsksGit,
    then: SystemTime,
    time: Option<RangeInclusive<SystemTime>>,
) -> bool {
    let git = &inputs.git;
    let is_seen = asks == AsksGit::Seen && time.is_some_and(|time| git.asked.is_of_commit(&time));
    // These configure git as a file does; `git -c` sets them, too.
    let is_configured = |noted: &Noted| noted.is_same("GIT_CONFIG_*", inputs.env, then);
    if !inputs.noted.as_ref().is_none_or(is_configured) {
        return false;
    }
    git.same_since.is_some_and(|since| since <= then)
        || (is_seen && git.same_commit_since.is_some_and(|since| since <= then))
}

/// A unit with a macro in it: what that may have read, and what of it is compiled in.
pub(super) fn check_macros(
    inputs: &ForkInputs<'_>,
    unit: &Unit,
    then: SystemTime,
) -> Result<(), Why> {
    let Some(found) = &unit.widest_macro else { return Ok(()) };
    sees_the_same(inputs, found.reach, then)
        .map_err(|state| Why::Macro(found.package.clone(), state))?;
    names_the_same(inputs, unit, then).map_err(|state| Why::Macro(found.package.clone(), state))?;
    if unit.is_path {
        let dir = unit.package_dir(inputs.donor);
        manifest_says_the_same(inputs, found.reach, dir, then)
            .map_err(|state| Why::Macro(found.package.clone(), state))?;
    }
    let record = unit.dep_info.as_ref().and_then(|list| list.record.as_ref());
    let time = record.zip(unit.mark.as_ref()).map(|((_, from), mark)| *from..=mark.modified);
    if let (Reach::Anything, Some(time)) = (found.reach, &time) {
        wrote_beside(inputs, time).map_err(|state| Why::Macro(found.package.clone(), state))?;
    }
    // A fork has given the record another time.
    let is_built_there = |time: &RangeInclusive<SystemTime>| {
        inputs.donor_forked_at.is_none_or(|forked| *time.end() >= forked)
    };
    if found.reach == Reach::Anything
        && found.asks_git > AsksGit::No
        && !git_says_the_same(inputs, found.asks_git, then, time.filter(is_built_there))
    {
        return Err(Why::Commit);
    }
    if unit.names.lane || (unit.names.root && inputs.donor.root != inputs.own.root) {
        return Err(Why::CompiledIn);
    }
    Ok(())
}

/// What the linker reads besides the crates: by `rustflags`, and by what build scripts have printed
/// for this unit and for the libraries in it.
pub(super) fn check_link(
    inputs: &ForkInputs<'_>,
    unit: &Unit,
    dependencies: &Dependencies<'_>,
    then: SystemTime,
) -> Result<(), Why> {
    let is_linked = is_linked(unit);
    let args = unit.link_args.programs.iter().filter(|_| is_linked);
    let mut read: Vec<PathBuf> = unit.link_args.crates.iter().chain(args).cloned().collect();
    for (run, is_own) in dependencies.runs(unit) {
        if !is_linked && !is_own {
            continue; // A library takes in what its own script has named, and no more.
        }
        let links = links(inputs, run);
        read.extend(links.read);
        // A path for the loader, say: only the package itself is given it.
        if links.names_lane && is_linked && is_own {
            return Err(Why::CompiledIn);
        }
    }
    let place = |path: &PathBuf| normalized(&inputs.donor.root.join(path));
    read.retain(|path| !place(path).starts_with(&inputs.donor.lane));
    let (of_tree, outside): (Vec<_>, Vec<_>) =
        read.iter().partition(|path| inputs.donor.has(&place(path)));
    if !of_tree.is_empty() {
        sees_the_same(inputs, Reach::Anything, then).map_err(Why::Linked)?;
    }
    let differs = |path: &&&PathBuf| !is_of_system(&place(path)) && !is_same(inputs, path, then);
    match outside.iter().find(differs) {
        Some(path) => Err(Why::Linked(StateDiffers::Outside((*path).clone()))),
        None => Ok(()),
    }
}

/// Whether a file out of the checkout, or what is in a directory, was not changed since then.
fn is_same(inputs: &ForkInputs<'_>, path: &Path, then: SystemTime) -> bool {
    let (donors, own) = (inputs.donor.root.join(path), inputs.own.root.join(path));
    is_same_outside(&donors, &own, then)
        && files::names(&own)
            .all(|name| is_same_outside(&donors.join(&name), &own.join(&name), then))
}

fn is_linked(unit: &Unit) -> bool {
    unit.outputs.iter().all(|entry| {
        let extension = entry.path.extension().and_then(|extension| extension.to_str());
        !matches!(extension, Some("rlib" | "rmeta"))
    })
}

/// Programs of the tree that compile or link may do anything, for every unit. Which of others do,
/// and which features rustc accepts, variables tell.
pub(super) fn check_tools(
    inputs: &ForkInputs<'_>,
    unit: &Unit,
    then: SystemTime,
) -> Result<(), Why> {
    let (tools, is_linked) = (inputs.tools_of_tree, is_linked(unit));
    if tools.compiler || (tools.linker && is_linked) {
        sees_the_same(inputs, Reach::Anything, then).map_err(Why::Tool)?;
    }
    const COMPILERS: [&str; 4] = [
        "RUSTC_BOOTSTRAP",
        "RUSTC_WRAPPER",
        "RUSTC_WORKSPACE_WRAPPER",
        "CARGO_BUILD_RUSTC*_WRAPPER",
    ];
    const LINKERS: [&str; 1] = ["CARGO_TARGET_*_LINKER"];
    if let Some(noted) = &inputs.noted {
        let mut names = COMPILERS.iter().chain(LINKERS.iter().filter(|_| is_linked));
        if let Some(name) = names.find(|name| !noted.is_same(name, inputs.env, then)) {
            return Err(Why::Tool(StateDiffers::Variable((*name).to_owned())));
        }
    }
    let mut used = tools.scripts.iter().filter(|(_, links)| is_linked || !links);
    match used.find(|(path, _)| !is_same_outside(path, path, then)) {
        Some((path, _)) => Err(Why::Tool(StateDiffers::Outside(path.clone()))),
        None => Ok(()),
    }
}

struct Links {
    read: Vec<PathBuf>,
    names_lane: bool,
}

fn links(inputs: &ForkInputs<'_>, run: &Unit) -> Links {
    let mut links = Links { read: Vec::new(), names_lane: false };
    let printed = run.run.as_ref().map(|run| run.printed.as_str()).unwrap_or_default();
    for line in printed.lines() {
        let Some(said) = line.strip_prefix("cargo:") else { continue };
        let said = said.strip_prefix(':').unwrap_or(said);
        let Some((key, value)) = said.split_once('=') else { continue };
        if key == "rustc-link-search" {
            links.read.push(value.split_once('=').map_or(value, |(_, dir)| dir).into());
        } else if key.starts_with("rustc-link-arg") || key == "rustc-cdylib-link-arg" {
            let lane = inputs.donor.lane.to_string_lossy();
            links.names_lane |= value.contains(&*lane);
            let words = value.split([',', '=', '@', ':']);
            let paths = words.flat_map(|word| [word, path_in(word)]).map(PathBuf::from);
            links.read.extend(paths.filter(|path| {
                let mut parts = path.components();
                let is_named = parts.any(|part| matches!(part, Component::Normal(_)));
                is_named && inputs.donor.root.join(path).exists()
            }));
        } else if key == "rustc-flags" {
            links.read.extend(LinkArgs::read(value.split_whitespace()).crates);
        }
    }
    links
}

/// The donor's units by the numbers that name them.
pub(super) struct Dependencies<'a> {
    pub(super) units: &'a [Unit],
    pub(super) by_id: &'a std::collections::HashMap<u64, Vec<usize>>,
}

impl<'a> Dependencies<'a> {
    pub(super) fn of(&self, unit: &Unit) -> impl Iterator<Item = &'a Unit> {
        let found = unit.dependencies.iter().filter_map(|id| self.by_id.get(id)).flatten();
        found.map(|at| &self.units[*at]).collect::<Vec<_>>().into_iter()
    }

    /// The runs of build scripts of path packages in a unit and the libraries that it is made of,
    /// and whether each is that of its own package.
    fn runs(&self, unit: &Unit) -> Vec<(&'a Unit, bool)> {
        let mut found = Vec::new();
        let mut seen = HashSet::new();
        let mut ahead: Vec<(&Unit, bool)> = self.of(unit).map(|unit| (unit, true)).collect();
        while let Some((dependency, is_near)) = ahead.pop() {
            if !seen.insert(&dependency.fingerprint) {
                continue;
            }
            if dependency.is_run() {
                if dependency.is_path {
                    found.push((dependency, is_near && dependency.package == unit.package));
                }
            } else if dependency.is_path {
                ahead.extend(self.of(dependency).map(|unit| (unit, false)));
            }
        }
        found
    }
}

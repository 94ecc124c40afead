//! Carries out a fork: what is staged beside its place comes there by a rename, and nothing of it
//! counts before.
//!
//! ```text
//! <lane>/
//! ├── .fork-…/         staged; deleted at the end, or by the next build if a kill has left it
//! │   └── <profile>/…
//! ├── .filled-at       empty; its time is that of the fork
//! └── <profile>/       renamed as a whole where it was not there; else unit by unit, the fingerprint last
//! ```
//!
//! The donor is only read. It is never waited for and none of its locks is touched: a unit that it
//! rebuilds while we copy is told by its mark, and dropped.

#![expect(clippy::disallowed_methods, reason = "it fills a lane, with reports about each file")]

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;

use crate::environment;
use crate::files::parallel::in_parallel;
use crate::files::scratch::{self, Scratch};
use crate::files::{self, delete_dir, lock, set_modified, subdirectories};
use crate::fork::plan::{
    ForkPlan, ForkedCache, ForkedFile, ForkedUnit, LeftToCargo, NewTime, PathRewrite, Transfer,
    Why, still_brought,
};
use crate::lanes::git_asked;
use crate::lanes::occupy::{
    RUSTC_INFO, STAGED, STAMP, has_killed_answer, is_cargo_lock, lock_files, make_lane,
};
use crate::project::git_dir;
use crate::project::packages::normalized;
use crate::units::incremental::{FORKED, FORKED_PROGRAM};
use crate::units::{Place, claim, has_any, list_in_other_tree, record_in_other_tree, with_path};

/// A file in a lane that a fork has filled when it was empty. Its time is when that was done.
const FILLED_AT: &str = ".filled-at";

/// When a fork filled this lane, if one did.
pub(super) fn forked_at(lane: &Path) -> Option<SystemTime> {
    lane.join(FILLED_AT).metadata().ok()?.modified().ok()
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Forked {
    pub units: usize,
    /// What the donor rebuilt meanwhile, and what needs it.
    pub dropped: Vec<LeftToCargo>,
}

/// Brings the plan's units into the lane.
///
/// `progress` is called with the number of units that are staged, from several threads.
///
/// # Errors
///
/// When the lane cannot be written, or somebody builds in it. Then it is as it was, or has some
/// units more, each whole.
pub fn carry_out(
    plan: &ForkPlan,
    now: SystemTime,
    progress: impl Fn(usize) + Sync,
) -> io::Result<Forked> {
    let lane = &plan.own.lane;
    make_lane(lane)?;
    scratch::sweep(lane, &[STAGED]);
    let scratch = Scratch::make(lane, STAGED)?;
    let staged = Staged { reflinks: can_reflink(&scratch.dir), dir: scratch.dir.clone() };
    let result = bring(plan, &staged, now, progress);
    let swept = scratch.delete();
    let forked = result?;
    swept?;
    Ok(forked)
}

struct Staged {
    dir: PathBuf,
    reflinks: bool,
}

fn bring(
    plan: &ForkPlan,
    staged: &Staged,
    now: SystemTime,
    progress: impl Fn(usize) + Sync,
) -> io::Result<Forked> {
    let (donor, lane) = (&plan.donor.lane, &plan.own.lane);
    make_parents(plan, &staged.dir)?;
    let count = AtomicUsize::new(0);
    let results = in_parallel(&plan.units, |unit| {
        let result = stage(unit, &plan.donor, &plan.own, staged);
        progress(count.fetch_add(1, Ordering::Relaxed) + 1);
        result
    });
    let mut dropped = BTreeSet::new();
    for (at, result) in results.into_iter().enumerate() {
        if !result? {
            dropped.insert(at);
        }
    }

    let brought = still_brought(&plan.units, &dropped);
    let mut forked = Forked { units: brought.len(), dropped: Vec::new() };
    for (at, unit) in plan.units.iter().enumerate().filter(|(at, _)| !brought.contains(at)) {
        delete_dir(&staged.dir.join(&unit.fingerprint))?;
        let why = if dropped.contains(&at) {
            Why::Changed
        } else {
            Why::Needs("a changed unit".to_owned())
        };
        let (package, target) = (unit.package.clone(), unit.target.clone());
        forked.dropped.push(LeftToCargo { package, target, id: unit.id, why });
    }

    let caches: Vec<&ForkedCache> = {
        let is_staged =
            in_parallel(&plan.caches, |cache| stage_cache(cache, donor, lane, staged).is_ok());
        plan.caches
            .iter()
            .zip(is_staged)
            .filter(|(_, is_staged)| *is_staged)
            .map(|(cache, _)| cache)
            .collect()
    };

    // Before the units are there: without them, no time of a source is compared with anything.
    for time in &plan.times {
        set_time(plan, time, now)?;
    }
    // It is about units of theirs alone.
    _ = git_asked::bring(donor, &plan.donor.root, lane, &plan.own.root);
    publish(plan, &brought, &caches, staged)?;
    claim(lane);
    // It spares cargo asking again.
    let [of_donor, own] = [donor, lane].map(|lane| lane.join(RUSTC_INFO));
    if !own.exists() && of_donor.is_file() && !has_killed_answer(donor) {
        let copy = staged.dir.join(RUSTC_INFO);
        files::copy_new(&of_donor, &copy)?;
        std::fs::rename(copy, own)?;
    }
    Ok(forked)
}

fn make_parents(plan: &ForkPlan, staged: &Path) -> io::Result<()> {
    let files = plan.units.iter().flat_map(|unit| unit.outputs.iter().chain(&unit.records));
    let parents: BTreeSet<&Path> = files.filter_map(|file| file.path.parent()).collect();
    parents.into_iter().try_for_each(|parent| std::fs::create_dir_all(staged.join(parent)))
}

/// `false` where the donor has rebuilt the unit meanwhile, or where a rest of another is in its
/// place.
fn stage(unit: &ForkedUnit, donor: &Place, own: &Place, staged: &Staged) -> io::Result<bool> {
    let is_taken = |file: &ForkedFile| {
        file.transfer == Transfer::Directory && own.lane.join(&file.path).exists()
    };
    if unit.outputs.iter().chain(&unit.records).any(is_taken) {
        return Ok(false);
    }
    for file in unit.outputs.iter().chain(&unit.records) {
        match stage_piece(file, donor, own, staged) {
            Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(false),
            result => result?,
        }
    }
    Ok(unit.mark.holds(&donor.lane))
}

fn stage_piece(file: &ForkedFile, donor: &Place, own: &Place, staged: &Staged) -> io::Result<()> {
    let (from, to) = (donor.lane.join(&file.path), staged.dir.join(&file.path));
    match file.transfer {
        Transfer::Directory => return std::fs::create_dir_all(&to),
        Transfer::Link if link(&from, &to, staged)? => return Ok(()),
        Transfer::Link | Transfer::Copy => {}
    }
    // The time before the bytes: what is written later makes the mark another.
    let modified = match file.modified {
        Some(modified) => modified,
        None => from.metadata()?.modified()?,
    };
    let exchanged = |exchange: &dyn Fn(&[u8]) -> Option<Vec<u8>>| -> io::Result<()> {
        // What has another format now was read in the one that we know.
        let bytes = exchange(&files::read(&from)?).ok_or(io::ErrorKind::NotFound)?;
        std::fs::write(&to, bytes)
    };
    match file.rewrite {
        PathRewrite::Nothing => files::copy_new(&from, &to)?,
        PathRewrite::Lane => exchanged(&|bytes| Some(with_path(bytes, &donor.lane, &own.lane)))?,
        PathRewrite::Sources => exchanged(&|bytes| Some(list_in_other_tree(bytes, donor, own)))?,
        PathRewrite::Record => exchanged(&|bytes| record_in_other_tree(bytes, donor, own))?,
    }
    set_modified(&to, modified)
}

/// `false` where a copy has to do: on another file system, where a file has too many names, or
/// where a reflink is as cheap.
fn link(from: &Path, to: &Path, staged: &Staged) -> io::Result<bool> {
    if staged.reflinks {
        return Ok(false);
    }
    match std::fs::hard_link(from, to) {
        Err(err) if err.kind() == io::ErrorKind::NotFound => Err(err),
        result => Ok(result.is_ok()),
    }
}

/// A cache that the donor replaces meanwhile is no loss to speak of: the first edit takes longer.
fn stage_cache(cache: &ForkedCache, donor: &Path, lane: &Path, staged: &Staged) -> io::Result<()> {
    let unit = staged.dir.join(&cache.dir);
    let bring = || -> io::Result<()> {
        std::fs::create_dir_all(&unit)?;
        let [from, to] = [donor.join(&cache.dir), unit.clone()].map(|dir| dir.join(&cache.session));
        // All of a session is brought, so on APFS one call does.
        if !staged.reflinks || files::clone_dir(&from, &to).is_err() {
            std::fs::create_dir_all(&to)?;
            for (file, transfer) in &cache.files {
                let (from, to) = (from.join(file), to.join(file));
                if *transfer != Transfer::Link || !link(&from, &to, staged)? {
                    files::copy_new(&from, &to)?;
                }
            }
        }
        File::create_new(unit.join(&cache.lock))?; // A lock belongs to the file, so each lane has its own.
        let Some(mark) = cache.origin.as_ref().and_then(|origin| origin.mark(lane)) else {
            return Ok(());
        };
        let forked = unit.with_file_name(FORKED);
        std::fs::create_dir_all(&forked)?;
        link_program(&forked.join(FORKED_PROGRAM))?;
        std::fs::write(forked.join(unit.file_name().unwrap_or_default()), mark)
    };
    bring().inspect_err(|_| drop(delete_dir(&unit)))
}

/// This program, for the wrapper to call. A second name keeps it there whatever becomes of the
/// first.
fn link_program(to: &Path) -> io::Result<()> {
    let program = environment::exe().ok_or(io::ErrorKind::NotFound)?;
    match std::fs::hard_link(&program, to) {
        Err(err) if err.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(_) => files::copy_new(&program, to),
        Ok(()) => Ok(()),
    }
}

/// Gives a source the donor's time, unless it is being edited at this moment.
fn set_time(plan: &ForkPlan, time: &NewTime, now: SystemTime) -> io::Result<()> {
    let (donors, own) = (plan.donor.root.join(&time.path), plan.own.root.join(&time.path));
    // Of what lies elsewhere, behind a link or in git's own directory, cargo builds what is newer.
    let top = git_dir::checkout(&plan.own.root).unwrap_or(&plan.own.root);
    let path = normalized(&own);
    let is_git = |part: Component<'_>| part.as_os_str() == ".git";
    let is_source = path.strip_prefix(top).is_ok_and(|inside| !inside.components().any(is_git));
    if !is_source || files::is_behind_link(top, &path) || own.metadata()?.modified()? != time.from {
        return Ok(());
    }
    set_modified(&own, time.to)?;
    // An edit between our look and our hand would have lost its own, new time.
    if own.is_file() && files::read(&own)? != files::read(&donors).unwrap_or_default() {
        set_modified(&own, now)?;
    }
    Ok(())
}

/// Where cargo finds it.
fn publish(
    plan: &ForkPlan,
    brought: &BTreeSet<usize>,
    caches: &[&ForkedCache],
    staged: &Staged,
) -> io::Result<()> {
    let lane = &plan.own.lane;
    // What was there before was not compared with anything.
    let is_new = !has_any(lane);
    let mut is_whole = true;
    for dir in subdirectories(&staged.dir) {
        let place = lane.join(dir.file_name().unwrap_or_default());
        let _locks = if is_emptied(&place) { lock_for_adding(lane)? } else { Vec::new() };
        is_whole &= fill(&dir, &place);
    }
    if is_whole && is_new {
        return files::write_atomically(&lane.join(FILLED_AT), b"");
    }
    if is_whole {
        return Ok(());
    }

    let _locks = lock_for_adding(lane)?;
    let dirs: BTreeSet<&Path> = brought
        .iter()
        .flat_map(|at| &plan.units[*at].outputs)
        .filter_map(|file| file.path.parent())
        .chain(brought.iter().map(|at| plan.units[*at].fingerprint.as_path()))
        .chain(caches.iter().map(|cache| cache.dir.as_path()))
        .collect();
    if dirs.iter().any(|dir| files::is_behind_link(lane, &lane.join(dir))) {
        return Err(io::Error::other("a symbolic link is in it"));
    }
    for unit in brought.iter().map(|at| &plan.units[*at]) {
        let fingerprint = staged.dir.join(&unit.fingerprint);
        // What the whole renames have brought is no longer staged; what cargo has made meanwhile is
        // cargo's.
        if !fingerprint.exists() || lane.join(&unit.fingerprint).exists() {
            continue;
        }
        for file in &unit.outputs {
            let (from, to) = (staged.dir.join(&file.path), lane.join(&file.path));
            if file.transfer == Transfer::Directory {
                std::fs::create_dir_all(&to)?;
            } else {
                to.parent().map_or(Ok(()), std::fs::create_dir_all)?;
                std::fs::rename(from, to)?;
            }
        }
        let place = lane.join(&unit.fingerprint);
        place.parent().map_or(Ok(()), std::fs::create_dir_all)?;
        std::fs::rename(fingerprint, place)?;
    }
    for cache in caches {
        publish_cache(cache, lane, staged)?;
    }
    Ok(())
}

/// Renames a directory, or what is in it, if nothing but cargo's locks is in its place. Returns
/// whether all of it is there now.
fn fill(from: &Path, place: &Path) -> bool {
    if place.symlink_metadata().is_err() {
        return std::fs::rename(from, place).is_ok();
    }
    if !is_emptied(place) {
        return false;
    }
    let mut names: Vec<_> = files::entries(from).map(|entry| entry.file_name()).collect();
    names.sort_by_key(|name| name == ".fingerprint"); // Nothing counts before.
    names.iter().all(|name| fill(&from.join(name), &place.join(name)))
}

/// Whether `clean` has left nothing in a directory but cargo's locks.
fn is_emptied(dir: &Path) -> bool {
    dir.is_dir()
        && !dir.is_symlink()
        && files::entries(dir).all(|entry| {
            let path = entry.path();
            is_cargo_lock(&path) || is_emptied(&path)
        })
}

/// The mark before the cache: one that is not marked is taken for this tree's own.
fn publish_cache(cache: &ForkedCache, lane: &Path, staged: &Staged) -> io::Result<()> {
    let (from, to) = (staged.dir.join(&cache.dir), lane.join(&cache.dir));
    if !from.exists() || to.exists() {
        return Ok(());
    }
    to.parent().map_or(Ok(()), std::fs::create_dir_all)?;
    if cache.origin.is_some() {
        let (marks, forked) = (from.with_file_name(FORKED), to.with_file_name(FORKED));
        std::fs::create_dir_all(&forked)?;
        link_program(&forked.join(FORKED_PROGRAM))?;
        let name = cache.dir.file_name().unwrap_or_default();
        std::fs::rename(marks.join(name), forked.join(name))?;
    }
    std::fs::rename(from, to)
}

/// cargo's own locks: nobody must build in a lane while units are added to it.
fn lock_for_adding(lane: &Path) -> io::Result<Vec<File>> {
    let mut locks = Vec::new();
    for path in lock_files(lane).into_iter().filter(|path| !path.ends_with(STAMP)) {
        let file = files::open(OpenOptions::new().read(true).write(true), &path)?;
        if !lock::try_exclusive(&file).unwrap_or(true) {
            return Err(io::Error::other("somebody builds in it"));
        }
        locks.push(file);
    }
    Ok(locks)
}

/// Whether a file can be copied here without copying its bytes.
#[cfg(target_os = "linux")]
pub fn can_reflink(dir: &Path) -> bool {
    use std::os::fd::AsRawFd as _;
    let (from, to) = (dir.join(".probe"), dir.join(".probe-copy"));
    let try_it = || -> io::Result<bool> {
        std::fs::write(&from, vec![1; 4096])?;
        let (from, to) = (files::open_to_read(&from)?, File::create_new(&to)?);
        #[expect(unsafe_code, reason = "std has no reflink that says whether it was one")]
        // SAFETY: both descriptors are open for the length of the call, which takes no pointer.
        let result = unsafe { libc::ioctl(to.as_raw_fd(), libc::FICLONE, from.as_raw_fd()) };
        Ok(result == 0)
    };
    try_it().unwrap_or(false)
}

#[cfg(target_os = "macos")]
pub fn can_reflink(_dir: &Path) -> bool {
    true // APFS; `std::fs::copy` clones.
}

#[cfg(not(any(target_os = "linux", target_os = "macos")))]
pub fn can_reflink(_dir: &Path) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::units::Mark;

    /// The moment between a look and a copy is too short to be met by chance.
    #[test]
    fn a_unit_that_the_donor_has_rebuilt_since_is_dropped() {
        let dir = std::env::temp_dir().join(format!("xtask-fork-{}", std::process::id()));
        let donor = dir.join("donor");
        std::fs::create_dir_all(&donor).expect("a directory");
        let lane = dir.join("lane");
        std::fs::create_dir_all(&lane).expect("a directory");
        let staged = Staged { dir: lane.clone(), reflinks: false };
        let hash = donor.join("lib-a");
        std::fs::write(&hash, "0123456789abcdef").expect("it can be written");
        let unit = ForkedUnit {
            package: "a".to_owned(),
            target: "lib-a".to_owned(),
            id: 1,
            dependencies: Vec::new(),
            mark: Mark::read(&donor, "lib-a".into()).expect("it is complete"),
            outputs: Vec::new(),
            records: Vec::new(),
            fingerprint: PathBuf::new(),
        };
        let (donor, own) = (Place::new(dir.clone(), donor), Place::new(dir.clone(), lane));
        assert!(stage(&unit, &donor, &own, &staged).expect("it can be read"));

        let file = OpenOptions::new().write(true).open(&hash).expect("it is there");
        let before = file.metadata().expect("it is there").modified().expect("a time");
        file.set_modified(before + Duration::from_millis(4)).expect("it can be set");
        assert!(
            !stage(&unit, &donor, &own, &staged).expect("it can be read"),
            "the same hash, written again"
        );
        std::fs::write(&hash, "").expect("it can be written");
        assert!(!stage(&unit, &donor, &own, &staged).expect("it can be read"), "being rebuilt");
        drop(file); // Windows deletes no directory in which a file is open.
        delete_dir(&dir).expect("it can be deleted");
    }
}

//! What nothing tells but a look into what was built: hundreds of megabytes, so what was found is
//! remembered.

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use sha2::{Digest as _, Sha256};

use crate::files::answers::Answers;
use crate::files::parallel::in_parallel;
use crate::files::search;
use crate::lanes::hex;
use crate::project::git_dir::Common;
use crate::units::{Entry, EntryKind, Mark, Place, Unit, is_dynamic_library, package_dir};

/// A macro gets at the files of the package that calls it through this variable, and tells nobody.
/// Only macros that a path unit can call matter: its own dependencies, and what these may export
/// again.
pub(super) fn look_into(units: &mut [Unit], place: &Place, own_root: &Path) {
    let lane = &place.lane;
    let remembered = Remembered::of(place, own_root);
    const VARIABLE: &[u8] = b"CARGO_MANIFEST_DIR";
    let by_id: HashMap<u64, usize> =
        units.iter().enumerate().map(|(at, unit)| (unit.id, at)).collect();
    let of = |unit: &Unit| -> Vec<usize> {
        unit.dependencies.iter().filter_map(|id| by_id.get(id).copied()).collect()
    };
    let mut callable = HashSet::new();
    for unit in units.iter().filter(|unit| unit.is_path) {
        for near in of(unit) {
            callable.insert(near);
            callable.extend(of(&units[near]));
        }
    }
    let library = |unit: &Unit| {
        let library = unit.outputs.iter().find(|entry| is_dynamic_library(&entry.path))?;
        Some(lane.join(&library.path))
    };
    let macros: Vec<usize> =
        callable.into_iter().filter(|at| library(&units[*at]).is_some()).collect();
    let looks_around = remembered.ask("macro", units, &macros, |unit| {
        library(unit)
            .map_or(Ok(false), |library| search::is_in_file(&library, VARIABLE, 0, |_| true))
    });
    for (at, looks_around) in macros.into_iter().zip(looks_around) {
        units[at].looks_around = looks_around;
    }

    // What such a macro has read it may also have compiled in: the path of its caller.
    let calls_one = |unit: &Unit| {
        let near = of(unit);
        unit.is_path
            && near.iter().any(|at| {
                units[*at].looks_around
                    || of(&units[*at]).iter().any(|far| units[*far].looks_around)
            })
    };
    let looks_outside = |unit: &Unit| {
        let mut watched = unit.dep_info.iter().flat_map(|dep_info| &dep_info.watched_absolutely);
        unit.is_path && watched.any(|path| place.source_in_tree(path).is_some())
    };
    let is_suspect = |at: &usize| calls_one(&units[*at]) || looks_outside(&units[*at]);
    let suspects: Vec<usize> = (0..units.len()).filter(is_suspect).collect();
    let names_donor =
        remembered.ask("path", units, &suspects, |unit| compiled_in_path(unit, place));
    for (at, names_donor) in suspects.into_iter().zip(names_donor) {
        units[at].names_donor = names_donor;
    }
}

/// What was found before, for all worktrees of the repository: a unit is the same as long as its
/// mark is.
struct Remembered<'a> {
    place: &'a Place,
    answers: Option<Answers>,
}

impl<'a> Remembered<'a> {
    /// A donor may be another clone, which is only read.
    fn of(place: &'a Place, own_root: &Path) -> Remembered<'a> {
        let answers = Common::of(own_root).map(|common| Answers::open(common.answers()));
        Remembered { place, answers }
    }

    /// `look`'s answers for these of the units, in their order; where it cannot see, the one that
    /// has the unit left to cargo.
    fn ask(
        &self,
        question: &str,
        units: &[Unit],
        wanted: &[usize],
        look: impl Fn(&Unit) -> io::Result<bool> + Sync,
    ) -> Vec<bool> {
        let found = in_parallel(wanted, |at| {
            let unit = &units[*at];
            let question = unit.mark.as_ref().map(|mark| self.question(question, unit, mark));
            let known =
                question.as_deref().and_then(|question| self.answers.as_ref()?.get(question));
            match known {
                Some(known) => (known == YES, None),
                None => look(unit).map_or((true, None), |answer| (answer, question)),
            }
        });
        let add = |(answer, question): (bool, Option<String>)| {
            if let (Some(question), Some(answers)) = (question, &self.answers) {
                drop(answers.add(&question, if answer { YES } else { NO })); // Else the next one looks again.
            }
            answer
        };
        found.into_iter().map(add).collect()
    }

    fn question(&self, question: &str, unit: &Unit, mark: &Mark) -> String {
        const LEN: usize = 16;
        let modified = mark.modified.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let [root, lane, file] = [&self.place.root, &self.place.lane, &mark.file]
            .map(|path| path.as_os_str().as_encoded_bytes());
        let mut hash = Sha256::new();
        for part in [question.as_bytes(), root, lane, file, &mark.hash, &modified.to_le_bytes()] {
            hash.update(part.len().to_le_bytes());
            hash.update(part);
        }
        hash.update(unit.outputs.iter().map(|entry| entry.len).sum::<u64>().to_le_bytes());
        hex(&hash.finalize()[..LEN])
    }
}

const YES: &str = "yes";
const NO: &str = "no";

/// Whether a unit's outputs name its tree otherwise than rustc does: the workspace root as the
/// directory that it was started in, and each of the sources.
fn compiled_in_path(unit: &Unit, place: &Place) -> io::Result<bool> {
    let Some(dep_info) = &unit.dep_info else { return Ok(true) };
    // clippy has read its settings before the first source.
    let mut own =
        dep_info.sources.iter().filter(|source| !dep_info.watched_absolutely.contains(source));
    let dir = own.next().and_then(|source| package_dir(&place.root, source));
    // A package at the root has the same path as the workspace: the two cannot be told apart.
    if dir.is_none_or(|dir| dir.as_os_str().is_empty()) {
        return Ok(true);
    }
    let sources: HashSet<&[u8]> =
        dep_info.sources.iter().map(|source| source.as_os_str().as_encoded_bytes()).collect();
    let longest = sources.iter().map(|source| source.len()).max().unwrap_or_default();
    let is_beside =
        |path: &PathBuf| !path.starts_with(&place.root) && place.source_in_tree(path).is_some();
    if dep_info.watched_absolutely.iter().any(is_beside) {
        return Ok(true); // The workspace root alone is looked for.
    }
    let root = place.root.join(""); // With a slash at its end.
    let root = root.as_os_str().as_encoded_bytes();
    let is_other = |rest: &[u8]| !sources.iter().any(|source| rest.starts_with(source));
    let is_list = |entry: &&Entry| entry.path.extension().is_some_and(|extension| extension == "d");
    let files =
        unit.outputs.iter().filter(|entry| entry.kind == EntryKind::File && !is_list(entry));
    for entry in files {
        if search::is_in_file(&place.lane.join(&entry.path), root, longest, is_other)? {
            return Ok(true);
        }
    }
    Ok(false)
}

//! The units of one lane, read from either of cargo's layouts into one type. Nothing else knows
//! which layout it was.
//!
//! ```text
//! <lane>/<profile>/ or <lane>/<triple>/<profile>/
//! ├── .fingerprint/<package>-<hash>/       up to cargo 1.99
//! │   ├── lib-<name>                       the fingerprint's hash; empty while the unit is being built
//! │   ├── lib-<name>.json                  what went into it
//! │   ├── dep-lib-<name>                   the sources that cargo watches, in a format of its own
//! │   └── invoked.timestamp
//! ├── deps/, examples/                     outputs, with the unit's hash in their names
//! ├── build/<package>-<hash>/              a build script, or what one has written
//! └── build/<package>/<hash>/              from cargo 1.100 on: all of a unit in one place
//!     ├── fingerprint/                     as above
//!     ├── out/                             outputs; of a build script's run, its OUT_DIR
//!     └── run/                             what a build script has printed
//! ```
//!
//! A lane may be built in while it is read: a file that vanishes or is half written makes its unit
//! incomplete, no more. Each unit's mark is read before anything else of it, so that whoever copies
//! the unit can see by the mark afterwards whether all that was read belongs together.

mod climbs;
mod contents;
pub(crate) mod crate_files;
pub mod dep_info;
pub(crate) mod elf;
mod foreign;
pub(crate) mod incremental;
mod layout;
pub(crate) mod link_args;
pub mod linker;
mod literals;
mod reach;

use std::collections::{BTreeSet, HashMap};
use std::fs::Metadata;
use std::path::{Component, Path, PathBuf};
use std::time::SystemTime;

use crate::environment::real_path;
use crate::files;
use crate::files::parallel::in_parallel;
use crate::files::search::find;
use crate::json::Json;
use crate::project::git_dir;
pub use dep_info::{DepInfo, list_in_other_tree, record_in_other_tree};
pub use foreign::foreign;
use layout::UnitPlace;
pub use layout::{Layout, profile_dirs};
use link_args::LinkArgs;
pub(crate) use literals::is_variable;
pub use reach::{AsksGit, Reach};

/// What cargo calls a unit: one run of a compiler or of a build script.
#[derive(Clone, Debug, Default)]
pub struct Unit {
    pub package: String,
    /// What it is, in cargo's words: `lib-core`, `test-bin-app`,
    /// `run-build-script-build-script-build`.
    pub target: String,
    /// The directory that tells cargo of the unit, relative to the lane.
    pub fingerprint: PathBuf,
    /// `None` where the unit is incomplete.
    pub mark: Option<Mark>,
    /// The hash of its fingerprint, by which its dependents name it.
    pub id: u64,
    /// The fingerprints of its direct dependencies.
    pub dependencies: Vec<u64>,
    /// Whether its package is one that people edit: neither a registry's nor git's nor vendored.
    pub is_path: bool,
    /// Whether its package is vendored: cargo never looks at its sources again, but people do edit
    /// them.
    pub is_vendored: bool,
    /// The files in its fingerprint directory.
    pub records: Vec<Entry>,
    /// Everything else that is the unit's.
    pub outputs: Vec<Entry>,
    /// Whether its executable was made by a linker that makes a new file, instead of writing over
    /// the old one.
    pub is_linked_anew: bool,
    /// What the compiler has told of what it read; `None` where it told nothing.
    pub dep_info: Option<DepInfo>,
    /// For the run of a build script.
    pub run: Option<Run>,
    /// Of a macro or a build script that a path package uses: what its code can get at. Of others,
    /// whether they look for the tree.
    pub reach: Reach,
    /// Whether that code knows git by name, or may start what does.
    pub asks_git: AsksGit,
    /// The macro with the widest reach of those that a path unit may call, if any can get at more
    /// than the package. Of other units, one that looks for the tree.
    pub widest_macro: Option<WideMacro>,
    /// The variables of the environment that such code names, and the paths out of the checkout,
    /// absolute or relative to the workspace root: of a macro or a build script its own, of other
    /// units those of the macros. `A_*` stands for all variables that begin with `A_`.
    pub variables: BTreeSet<String>,
    pub outside: BTreeSet<PathBuf>,
    /// The variables that the tree's own code names.
    pub own_variables: BTreeSet<String>,
    /// What its outputs name; looked for where such a macro, or something that it has generated,
    /// may have been compiled in.
    pub names: Named,
    /// What `rustflags` have the linker read.
    pub link_args: LinkArgs,
}

/// A macro that can get at more than the package that calls it.
#[derive(Clone, Debug, PartialEq)]
pub struct WideMacro {
    pub package: String,
    pub reach: Reach,
    /// As of a unit.
    pub asks_git: AsksGit,
}

impl WideMacro {
    fn of(unit: &Unit) -> WideMacro {
        let Unit { reach, asks_git, .. } = *unit;
        WideMacro { package: unit.package.clone(), reach, asks_git }
    }
}

/// Which places the outputs of a unit name, otherwise than rustc does.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Named {
    pub lane: bool,
    pub root: bool,
}

impl Unit {
    /// Whether it is the run of a build script, not of a compiler.
    pub fn is_run(&self) -> bool {
        self.target.starts_with("run-build-script")
    }

    /// Whether its code, or that of a macro in it, may ask git.
    pub fn may_ask_git(&self) -> bool {
        let of_macro = self.widest_macro.as_ref().map(|found| found.asks_git);
        self.asks_git.max(of_macro.unwrap_or_default()) > AsksGit::No
    }

    /// The directory of its package, by its sources: relative to the workspace root, or absolute.
    pub fn package_dir(&self, place: &Place) -> Option<&Path> {
        // clippy's settings may stand before it.
        let is_code = |path: &&PathBuf| path.extension().is_some_and(|extension| extension == "rs");
        let source = self.dep_info.as_ref()?.sources.iter().find(is_code)?;
        let is_package = |dir: &&Path| place.root.join(dir).join("Cargo.toml").is_file();
        source.ancestors().skip(1).find(is_package)
    }
}

/// The state of a unit's hash file. cargo empties the file before it rebuilds a unit and writes it
/// anew afterwards.
#[derive(Clone, Debug, PartialEq)]
pub struct Mark {
    pub file: PathBuf,
    pub hash: Vec<u8>,
    pub modified: SystemTime,
}

/// Something on disk that belongs to a unit.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Relative to the lane.
    pub path: PathBuf,
    pub kind: EntryKind,
    pub len: u64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum EntryKind {
    File,
    Directory,
    /// A symbolic link, a socket: no build tool that we know leaves one for cargo.
    Other,
}

/// What a build script has said, and what cargo watches for it.
#[derive(Clone, Debug, Default)]
pub struct Run {
    /// What it printed for cargo.
    pub printed: String,
    /// The `OUT_DIR` that it had. cargo rewrites this path in what it printed.
    pub out_dir: String,
    pub watched: Watched,
    /// The directory of its package: relative to the workspace root, or absolute. `None` where it
    /// cannot be told.
    pub package_dir: Option<PathBuf>,
    /// When cargo last took the script's answer: what it watches must not be younger.
    pub printed_at: Option<SystemTime>,
    /// When the script was started.
    pub started_at: Option<SystemTime>,
    /// Whether a file that it has generated names the donor's tree or lane.
    pub generated_names_donor: bool,
    /// Whether something that it has generated or printed leads up and out of the lane.
    pub generated_climbs: bool,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub enum Watched {
    /// It named these, relative to its package.
    Paths(Vec<PathBuf>),
    /// It named nothing: cargo compares the newest modification time in its package.
    Package,
    /// A package that does not change (from a registry, or git), or variables alone.
    #[default]
    Nothing,
}

/// Where a lane lies and of which tree it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Place {
    /// The workspace root.
    pub root: PathBuf,
    pub lane: PathBuf,
    /// What is this tree's own: the whole checkout around the root, and where git keeps what it
    /// knows of it.
    tree: Vec<PathBuf>,
}

impl Place {
    pub fn new(root: PathBuf, lane: PathBuf) -> Place {
        Place { tree: tree(&root), root, lane }
    }

    /// Whether `bytes` name the lane, or, for another tree, anything of this one.
    pub fn is_named_in(&self, bytes: &[u8], other_root: &Path) -> bool {
        let of_tree = self.tree.iter().filter(|_| self.root != other_root);
        of_tree.chain([&self.lane]).any(|path| names(bytes, path))
    }

    /// Whether a path is one of this tree's.
    pub fn has(&self, path: &Path) -> bool {
        self.tree.iter().any(|dir| path.starts_with(dir))
    }

    /// A file of this checkout, as it is written from the workspace root. `None` for what is no
    /// source of it: what is built in the lane, what git keeps, what lies elsewhere.
    pub fn source_in_tree(&self, path: &Path) -> Option<PathBuf> {
        if path.is_relative() {
            return Some(path.to_owned());
        }
        let [top, git @ ..] = self.tree.as_slice() else { return None };
        if path.starts_with(&self.lane) || git.iter().any(|dir| path.starts_with(dir)) {
            return None;
        }
        let mut dirs = self.root.ancestors().take_while(|dir| dir.starts_with(top)).enumerate();
        dirs.find_map(|(up, dir)| {
            let way_up: PathBuf = std::iter::repeat_n(Path::new(".."), up).collect();
            Some(way_up.join(path.strip_prefix(dir).ok()?))
        })
    }
}

fn tree(root: &Path) -> Vec<PathBuf> {
    let Some(top) = git_dir::checkout(root) else {
        return vec![root.to_owned()];
    };
    // What git has there of all worktrees is no place for anybody's build to look at, either.
    [top.to_owned()].into_iter().chain(git_dir::git_common_dir(top)).collect()
}

/// Whether `bytes` hold `path` or something below it.
fn names(bytes: &[u8], path: &Path) -> bool {
    let path = path.as_os_str().as_encoded_bytes();
    // In strings of generated code, and where a tool knows slashes alone.
    let spelled =
        |separator: &[u8]| path.split(|byte| *byte == b'\\').collect::<Vec<_>>().join(separator);
    has_path(bytes, path)
        || cfg!(windows) && (has_path(bytes, &spelled(br"\\")) || has_path(bytes, &spelled(b"/")))
}

fn has_path(bytes: &[u8], path: &[u8]) -> bool {
    let needle = path.strip_suffix(b"/").unwrap_or(path); // As somebody may have typed it.
    let mut from = 0;
    while let Some(at) = find(&bytes[from..], needle) {
        let end = from + at + needle.len();
        // `/w` is not named by `/work`. `-` and `.` may follow a path in a sentence, so they count
        // as its end.
        if !bytes.get(end).is_some_and(|next| next.is_ascii_alphanumeric() || *next == b'_') {
            return true;
        }
        from = end;
    }
    false
}

/// `bytes` with `to` wherever they name `from`, or something below it. `/w/app-fix` is another
/// place than `/w/app`, and often another worktree.
pub fn with_path(bytes: &[u8], from: &Path, to: &Path) -> Vec<u8> {
    let (needle, new) = (from.as_os_str().as_encoded_bytes(), to.as_os_str().as_encoded_bytes());
    let mut result = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(at) = find(rest, needle) {
        let end = at + needle.len();
        result.extend_from_slice(&rest[..at]);
        let goes_on = |next: &u8| next.is_ascii_alphanumeric() || b"_-.".contains(next);
        let is_it = !rest.get(end).is_some_and(goes_on);
        result.extend_from_slice(if is_it { new } else { needle });
        rest = &rest[end..];
    }
    result.extend_from_slice(rest);
    result
}

/// All units of the lane, in no order. `other_root` is the tree that wants to know. xtask's own
/// build is wanted only where xtask will be started from the lane.
pub fn read(place: &Place, other_root: &Path, with_xtask: bool) -> Vec<Unit> {
    let mut units = read_some(place, other_root, layout::find(&place.lane, with_xtask));
    contents::look_into(&mut units, place, other_root);
    units
}

/// Finds out which code of packages from elsewhere looks for the tree: see
/// [`Unit::widest_macro`] and [`Unit::reach`]. `variables` are those that hold a place in it.
pub fn look_for_tree_readers(
    units: &mut [Unit],
    place: &Place,
    other_root: &Path,
    variables: &[&str],
) {
    contents::look_for_tree_readers(units, place, other_root, variables);
}

/// The units of xtask itself in a worktree's own lane.
pub fn read_xtask(own: &Place) -> Vec<Unit> {
    let mut found = layout::find(&own.lane, true);
    found.retain(|found| found.fingerprint.starts_with(layout::XTASK));
    read_some(own, &own.root, found)
}

/// The build scripts and their runs alone.
pub fn read_runs(place: &Place) -> Vec<Unit> {
    let mut found = layout::find(&place.lane, false);
    found.retain(|found| {
        files::names(&place.lane.join(&found.fingerprint))
            .any(|name| name.contains("build-script-"))
    });
    read_some(place, &place.root, found)
}

fn read_some(place: &Place, other_root: &Path, found: Vec<UnitPlace>) -> Vec<Unit> {
    let mut units = in_parallel(&found, |found| read_unit(&place.lane, found));
    settle_runs(&mut units, place, other_root);
    units
}

/// The fingerprint directories in a lane, and the dependencies of what is complete in it: all that
/// matters of a lane into which others are put.
pub fn read_present(lane: &Path) -> Vec<Unit> {
    in_parallel(&layout::find(lane, true), |found| read_records(lane, found).0)
}

/// Whether cargo has built something in this lane. xtask's own profile does not count.
pub fn has_any(lane: &Path) -> bool {
    !profile_dirs(lane, false).is_empty()
}

/// A file in a lane that says where the lane lies: a copy of the lane says it of the original.
const PLACE: &str = ".place";

/// Where the lane was when it was built, if it was copied or moved here from another place. `None`
/// where nothing tells, too.
pub fn built_elsewhere(lane: &Path) -> Option<PathBuf> {
    let real = real_path(lane).ok()?;
    if let Ok(place) = files::read_text(lane.join(PLACE)) {
        return (real.as_os_str() != &*place).then(|| place.into());
    }
    let lists = profile_dirs(lane, false).into_iter().flat_map(|profile| {
        let by_unit = layout::find_by_unit(lane, &profile).into_iter();
        let by_unit = by_unit.map(|unit| unit.fingerprint.with_file_name("out"));
        // Those for people are cargo's own, whatever the wrapper does.
        by_unit.chain([profile.join("deps"), profile]).flat_map(|dir| {
            let names = files::names(&lane.join(&dir));
            names.filter(|name| name.ends_with(".d")).map(move |name| dir.join(name))
        })
    });
    let told = lists
        .into_iter()
        .find_map(|list| dep_info::made_in(&files::read_text(lane.join(&list)).ok()?, &list));
    // Through a link it may have had another name.
    told.filter(|made_in| real_path(made_in).ok().as_ref() != Some(&real))
}

/// Whether something was built in it that knew of this.
pub fn is_claimed(lane: &Path) -> bool {
    lane.join(PLACE).exists()
}

/// Says in the lane where it lies. Where that cannot be written, the next build looks again.
pub fn claim(lane: &Path) {
    let place = lane.join(PLACE);
    let Ok(real) = real_path(lane) else { return };
    let bytes = real.as_os_str().as_encoded_bytes();
    if files::read(&place).ok().as_deref() != Some(bytes) {
        _ = files::write_atomically(&place, bytes);
    }
}

/// How many units the lane has, complete or not.
pub fn count(lane: &Path) -> usize {
    layout::find_fingerprints(lane).len()
}

/// Whether some unit lies there in this layout.
pub fn has_layout(lane: &Path, layout: Layout) -> bool {
    layout::find_fingerprints(lane).iter().any(|unit| Layout::of(&unit.fingerprint) == layout)
}

/// The package and the place of each unit, complete or not; xtask's own do not count.
pub fn places(lane: &Path) -> Vec<(String, PathBuf)> {
    let units = layout::find_fingerprints(lane).into_iter();
    units.map(|unit| (unit.package, unit.fingerprint)).collect()
}

/// Whether the unit whose fingerprint lies there is complete.
pub fn is_complete(lane: &Path, fingerprint: &Path) -> bool {
    let mut names = files::names(&lane.join(fingerprint));
    let target = names.find_map(|name| Some(name.strip_suffix(".json")?.to_owned()));
    target.is_some_and(|target| read_fingerprint(lane, fingerprint, &target).is_some())
}

fn read_unit(lane: &Path, found: &UnitPlace) -> Unit {
    let (mut unit, fingerprint) = read_records(lane, found);
    let Some(fingerprint) = fingerprint else { return unit };
    for path in &found.outputs {
        add_entries(lane, path, &mut unit.outputs);
    }
    if Layout::of(&found.fingerprint) == Layout::ByKind {
        let locks: Vec<_> = found.outputs.iter().map(|dir| dir.join(layout::UNIT_LOCK)).collect();
        unit.outputs.retain(|entry| !locks.contains(&entry.path));
    }
    let flags = fingerprint["rustflags"].as_array().into_iter().flatten();
    unit.link_args = LinkArgs::read(flags.filter_map(Json::as_str));
    if unit.is_run() {
        unit.run = read_run(lane, &unit, &fingerprint);
    } else {
        unit.dep_info = DepInfo::read(lane, &unit);
        unit.is_path = unit.dep_info.as_ref().is_some_and(is_of_path_package);
        unit.is_vendored =
            !unit.is_path && unit.dep_info.as_ref().is_some_and(is_of_vendored_package);
        // Of all others cargo itself removes the old file first.
        if ["test-", "bench-"].iter().any(|kind| unit.target.starts_with(kind)) {
            let files = unit.outputs.iter().filter(|entry| entry.kind == EntryKind::File);
            let mut programs = files.filter(|entry| entry.path.extension().is_none());
            unit.is_linked_anew = programs.any(|entry| linker::is_lld(&lane.join(&entry.path)));
        }
    }
    unit
}

/// Where a package lies does not tell: there are path packages in `CARGO_HOME`, and that may have
/// been another one. That cargo watches its sources does, and that rustc was given a path relative
/// to the workspace root.
fn is_of_path_package(dep_info: &DepInfo) -> bool {
    let Some(root) = dep_info.sources.first() else { return false };
    dep_info.is_watched || root.is_relative() || dep_info.watched_absolutely.contains(root)
}

fn is_of_vendored_package(dep_info: &DepInfo) -> bool {
    let dirs = dep_info.sources.first().into_iter().flat_map(|source| source.ancestors().skip(1));
    dirs.take(4).any(|dir| dir.join(".cargo-checksum.json").is_file())
}

/// What its fingerprint directory says of a unit. `None` where it is incomplete, or not as we know
/// units.
fn read_records(lane: &Path, found: &UnitPlace) -> (Unit, Option<Json>) {
    let UnitPlace { package, fingerprint, .. } = found;
    let mut unit =
        Unit { package: package.clone(), fingerprint: fingerprint.clone(), ..Unit::default() };
    let read = add_records(lane, &mut unit);
    (unit, read)
}

fn add_records(lane: &Path, unit: &mut Unit) -> Option<Json> {
    let names: Vec<String> = files::names(&lane.join(&unit.fingerprint)).collect();
    let mut targets = names.iter().filter_map(|name| name.strip_suffix(".json"));
    unit.target = targets.next()?.to_owned();
    if targets.next().is_some() {
        return None; // Two units in one directory: no cargo that we know.
    }

    let (mark, fingerprint) = read_fingerprint(lane, &unit.fingerprint, &unit.target)?;
    // cargo writes the bytes of the hash as they lie in memory, the lowest first.
    unit.id = u64::from_str_radix(std::str::from_utf8(&mark.hash).ok()?, 16).ok()?.swap_bytes();
    let dependencies = fingerprint["deps"].as_array()?;
    unit.dependencies =
        dependencies.iter().filter_map(|dependency| dependency[3].as_u64()).collect();
    if unit.dependencies.len() != dependencies.len() {
        return None; // A format that we do not know.
    }
    add_entries(lane, &unit.fingerprint, &mut unit.records);
    unit.mark = Some(mark);
    Some(fingerprint)
}

/// The mark first, then what it vouches for. `None` where either is missing or still being written:
/// that the JSON has its name says only that cargo has begun to write it, the last thing that it
/// does for a unit.
fn read_fingerprint(lane: &Path, fingerprint: &Path, target: &str) -> Option<(Mark, Json)> {
    let mark = Mark::read(lane, fingerprint.join(target))?;
    let json = files::read(lane.join(fingerprint).join(format!("{target}.json"))).ok()?;
    Some((mark, Json::read(&json)?))
}

impl Mark {
    /// `None` where the file is missing or empty.
    pub fn read(lane: &Path, file: PathBuf) -> Option<Mark> {
        let path = lane.join(&file);
        let modified = path.metadata().ok()?.modified().ok()?;
        let hash = files::read(&path).ok()?;
        if hash.is_empty() { None } else { Some(Mark { file, hash, modified }) }
    }

    /// Whether the unit is still the one that was read.
    pub fn holds(&self, lane: &Path) -> bool {
        Mark::read(lane, self.file.clone()).as_ref() == Some(self)
    }
}

fn local<'a>(fingerprint: &'a Json, kind: &str) -> Option<&'a Json> {
    fingerprint["local"].as_array()?.iter().find_map(|local| local.get(kind))
}

fn read_run(lane: &Path, unit: &Unit, fingerprint: &Json) -> Option<Run> {
    let find = |names: &[&str]| {
        let is_it = |entry: &&Entry| {
            let name = entry.path.file_name().unwrap_or_default();
            names.iter().any(|wanted| name == *wanted) && !is_generated(&entry.path)
        };
        Some(lane.join(&unit.outputs.iter().find(is_it)?.path))
    };
    let printed = find(&["output", "stdout"])?;
    let printed_at = printed.metadata().ok()?.modified().ok();
    let watched = match (local(fingerprint, "RerunIfChanged"), local(fingerprint, "Precalculated"))
    {
        (Some(rerun), _) => {
            let paths = rerun["paths"].as_array()?;
            Watched::Paths(paths.iter().filter_map(|path| Some(path.as_str()?.into())).collect())
        }
        // Another package's version has no time in it; see `settle_runs`.
        (None, Some(_)) => Watched::Package,
        (None, None) => Watched::Nothing,
    };
    Some(Run {
        printed: String::from_utf8_lossy(&files::read(&printed).ok()?).into_owned(),
        out_dir: String::from_utf8_lossy(&files::read(find(&["root-output"])?).ok()?).into_owned(),
        watched,
        printed_at,
        started_at: find(&["invoked.timestamp"])
            .and_then(|path| path.metadata().ok()?.modified().ok()),
        ..Run::default()
    })
}

/// Whether it is one of the files in which cargo keeps what a build script has printed.
pub fn is_printed(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default();
    ["output", "stdout", "root-output"].iter().any(|printed| name == *printed)
        && !is_generated(path)
}

/// Whether a path is inside a build script's `OUT_DIR`, in either layout.
fn is_generated(path: &Path) -> bool {
    path.components().rev().skip(1).any(|part| part == Component::Normal("out".as_ref()))
}

/// The beginning of a way from `OUT_DIR` to a source.
const CLIMBING: &str = "../../../";

/// What the run of a build script does not tell of itself is told by the unit that compiled the
/// script.
fn settle_runs(units: &mut [Unit], place: &Place, other_root: &Path) {
    let mut scripts = HashMap::new();
    for unit in units.iter().filter(|unit| unit.target.starts_with("build-script-")) {
        let source = unit.dep_info.as_ref().and_then(|dep_info| dep_info.sources.first().cloned());
        scripts.insert(unit.id, (unit.is_path, source));
    }
    let settled = in_parallel(units, |unit| {
        let run = unit.run.as_ref()?;
        let (is_path, source) = unit.dependencies.iter().find_map(|id| scripts.get(id))?;
        let mut run = run.clone();
        if *is_path {
            run.package_dir = source.as_ref().and_then(|source| package_dir(&place.root, source));
            let is_file = |entry: &&Entry| entry.kind == EntryKind::File;
            for entry in
                unit.outputs.iter().filter(|entry| is_generated(&entry.path)).filter(is_file)
            {
                let bytes = files::read(place.lane.join(&entry.path)).ok();
                let is = |test: &dyn Fn(&[u8]) -> bool| bytes.as_deref().is_none_or(test);
                run.generated_names_donor |= is(&|bytes| place.is_named_in(bytes, other_root));
                run.generated_climbs |= is(&|bytes| find(bytes, CLIMBING.as_bytes()).is_some());
            }
            run.generated_climbs |= run.printed.contains(CLIMBING);
        } else {
            run.watched = Watched::Nothing;
        }
        Some((*is_path, run))
    });
    for (unit, settled) in units.iter_mut().zip(settled) {
        match settled {
            Some((is_path, run)) => (unit.is_path, unit.run) = (is_path, Some(run)),
            // A run whose script is not there cannot be judged.
            None if unit.run.is_some() => unit.run = None,
            None => {}
        }
    }
}

/// The nearest directory above a source that has a manifest, as the source's own path is written.
fn package_dir(root: &Path, source: &Path) -> Option<PathBuf> {
    let mut dirs = source.ancestors().skip(1);
    dirs.find(|dir| root.join(dir).join("Cargo.toml").is_file()).map(Path::to_owned)
}

pub fn is_dynamic_library(path: &Path) -> bool {
    path.extension()
        .is_some_and(|extension| ["so", "dylib", "dll"].iter().any(|known| extension == *known))
}

/// The path itself and, of a directory, all that is in it: a directory before its contents.
fn add_entries(lane: &Path, path: &Path, entries: &mut Vec<Entry>) {
    let mut add = |path: &Path, meta: &Metadata| {
        let kind = match meta.file_type() {
            kind if kind.is_file() => EntryKind::File,
            kind if kind.is_dir() => EntryKind::Directory,
            _ => EntryKind::Other,
        };
        let path = path.strip_prefix(lane).unwrap_or(path).to_owned();
        entries.push(Entry { path, kind, len: meta.len() });
    };
    let whole = lane.join(path);
    let Ok(meta) = whole.symlink_metadata() else { return };
    add(path, &meta);
    if meta.is_dir() {
        files::walk(&whole, &mut add);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::mutate::mutations;
    use crate::files::scratch::Scratch;

    /// `path`, which begins with a slash, as this system writes an absolute one.
    pub(in crate::units) fn absolute(path: &str) -> PathBuf {
        PathBuf::from(if cfg!(windows) { format!("C:{path}") } else { path.to_owned() })
    }

    #[test]
    fn a_source_is_written_from_the_workspace_root() {
        let tree = vec![absolute("/w/tree"), absolute("/w/tree/.git")];
        let [root, lane] = ["/w/tree/rust/app", "/w/tree/rust/app/target"].map(absolute);
        let place = Place { root, lane, tree };
        let source_in_tree = |path: &str| place.source_in_tree(&absolute(path));
        let is = |path: &str| Some(PathBuf::from(path));
        assert_eq!(place.source_in_tree(Path::new("src/lib.rs")), is("src/lib.rs"));
        assert_eq!(source_in_tree("/w/tree/rust/app/Cargo.toml"), is("Cargo.toml"));
        assert_eq!(source_in_tree("/w/tree/README.md"), is("../../README.md"));
        for other in
            ["/w/tree/rust/app/target/x.rs", "/w/tree/.git/HEAD", "/w/tree-2/README.md", "/w"]
        {
            assert_eq!(source_in_tree(other), None, "{other}");
        }
    }

    #[test]
    fn a_path_is_named_by_itself_and_by_what_is_below_it() {
        let named = |text: &str| names(text.as_bytes(), Path::new("/w"));
        assert!(named("/w") && named("x=/w/src") && named("\"/w\"") && named("/work /w"));
        assert!(names(b"/w/src", Path::new("/w/")));
        assert!(!named("/work") && !named("/w_2/x") && !named(""));
    }

    /// What a path looks like elsewhere is one and the same.
    #[cfg(windows)]
    #[test]
    fn a_path_is_named_in_any_spelling() {
        let named = |text: &str| names(text.as_bytes(), Path::new(r"C:\w\a"));
        assert!(named(r"C:\w\a\x") && named(r#"include!("C:\\w\\a\\x.rs")"#) && named("C:/w/a/x"));
        assert!(!named(r"C:\w\ab") && !named("C:/w/ab") && !named("w/a"));
    }

    /// On a busy machine, tens of milliseconds pass between the steps.
    #[test]
    fn a_unit_is_complete_when_cargo_has_written_the_last_of_it() {
        let scratch = Scratch::of_test("units");
        let lane = scratch.dir.clone();
        let fingerprint = Path::new("debug/.fingerprint/a-0123456789abcdef");
        let dir = lane.join(fingerprint);
        std::fs::create_dir_all(&dir).expect("a directory");
        let steps = [
            ("invoked.timestamp", ""),
            ("lib-a", ""),
            ("lib-a", "0123456789abcdef"),
            ("lib-a.json", ""),
            ("lib-a.json", "{\"deps\":["),
        ];
        for (file, text) in steps {
            std::fs::write(dir.join(file), text).expect("it can be written");
            assert!(!is_complete(&lane, fingerprint), "{file}: {text:?}");
        }
        std::fs::write(dir.join("lib-a.json"), "{\"deps\":[]}").expect("it can be written");
        assert!(is_complete(&lane, fingerprint));
    }

    /// A unit and the run of a build script, each of their files changed in turn.
    #[test]
    fn any_bytes_of_a_unit_are_borne() {
        let scratch = Scratch::of_test("mutated");
        let lane = scratch.dir.join("target");
        let unit = "debug/.fingerprint/a-0123456789abcdef";
        let run = "debug/.fingerprint/a-fedcba9876543210";
        let json = r#"{"rustc":1,"features":"[]","target":2,"profile":3,"path":4,"deps":[[1,"b",false,5]],
            "local":[{"CheckDepInfo":{"dep_info":"x","checksum":false}}],"rustflags":["-Clink-arg=-s"]}"#;
        let of_run = r#"{"deps":[[1,"build_script_build",false,17279655951921914625]],"rustflags":[],"local":[
            {"RerunIfChanged":{"output":"o","paths":["build.rs","../x"]}}]}"#;
        let made = lane.join("debug/deps/a-0123456789abcdef.d");
        let list = format!("{}: src/lib.rs\n\n# env-dep:A=b\n", made.display());
        let files = [
            (format!("{unit}/build-script-b"), b"0123456789abcdef".as_slice()),
            (format!("{unit}/build-script-b.json"), json.as_bytes()),
            (format!("{unit}/dep-build-script-b"), b"\x01\0\0\0\xff\x01\0\0\0\0"),
            ("debug/deps/a-0123456789abcdef.d".to_owned(), list.as_bytes()),
            ("debug/deps/liba-0123456789abcdef.rmeta".to_owned(), b"!<arch>\nx"),
            (format!("{run}/run-build-script-build-script-build"), b"fedcba9876543210"),
            (format!("{run}/run-build-script-build-script-build.json"), of_run.as_bytes()),
            ("debug/build/a-fedcba9876543210/output".to_owned(), b"cargo:rustc-env=A=b\n"),
            ("debug/build/a-fedcba9876543210/root-output".to_owned(), b"/w/out"),
        ];
        let write = |name: &str, bytes: &[u8]| {
            let path = lane.join(name);
            std::fs::create_dir_all(path.parent().expect("inside")).expect("a directory");
            std::fs::write(path, bytes).expect("it can be written");
        };
        files.iter().for_each(|(name, text)| write(name, text));
        let place = Place::new(scratch.dir.clone(), lane.clone());
        let other = scratch.dir.join("other");
        let found = read(&place, &other, false);
        assert!(found.iter().any(|unit| unit.run.is_some()), "{found:?}");
        assert!(found.iter().any(|unit| unit.dep_info.is_some()), "{found:?}");
        for (name, text) in &files {
            let mut round = 0;
            mutations(text, |bytes| {
                round += 1;
                if round % 100 == 0 {
                    write(name, bytes);
                    read(&place, &other, false);
                }
            });
            write(name, text);
        }
    }
}

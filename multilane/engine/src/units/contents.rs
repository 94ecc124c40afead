//! What nothing tells but a look into sources and into what was built: hundreds of megabytes, so
//! what was found is remembered.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs::Metadata;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use sha2::{Digest as _, Sha256};

use crate::environment;
use crate::files;
use crate::files::answers::Answers;
use crate::files::parallel::in_parallel;
use crate::files::search::find;
use crate::lanes::hex;
use crate::project::git_dir::Common;
use crate::project::packages::normalized;
use crate::units::climbs::climbs;
use crate::units::literals::{Literals, variables_of};
use crate::units::reach::{
    AsksGit, Reach, Token, asks_git, has_no_code, names_git, reach_of, reach_of_texts, tokens,
};
use crate::units::{Entry, EntryKind, Named, Place, Unit, WideMacro, elf, is_dynamic_library};

/// Finds out what the macros and build scripts of path packages can get at, and which of the units
/// that they had a hand in name the lane or its tree.
pub(super) fn look_into(units: &mut [Unit], place: &Place, own_root: &Path) {
    let remembered = Remembered::of(place, own_root);
    let graph = Graph::of(units, place);

    // Macros that a path unit may call: of its dependencies, and what these may export again.
    let mut code: Vec<usize> = units
        .iter()
        .filter(|unit| unit.is_path)
        .flat_map(|unit| graph.macros(units, unit))
        .collect();
    let is_script = |unit: &Unit| is_of_tree(unit) && unit.target.starts_with("build-script-");
    code.extend((0..units.len()).filter(|at| is_script(&units[*at])));
    code.sort_unstable();
    code.dedup();
    let built_from: Vec<Vec<usize>> = code.iter().map(|at| graph.built_from(units, *at)).collect();
    let mut read: Vec<usize> = built_from.iter().flatten().copied().collect();
    read.sort_unstable();
    read.dedup();
    let found =
        remembered.ask("reach, git and texts, 2", units, &read, |unit| sources_reach(unit, place));
    let found: HashMap<usize, Found> =
        read.into_iter().zip(found.into_iter().map(Found::decoded)).collect();
    for (at, built_from) in code.iter().zip(built_from) {
        let mut reach = built_from.iter().map(|at| found[at].reach).max().unwrap_or_default();
        // What a macro writes into this code may have been a text in it.
        for of_macro in built_from.iter().filter(|other| *other != at && is_macro(&units[**other]))
        {
            let texts = graph.built_from(units, *of_macro).into_iter().map(|at| found[&at].texts);
            reach = reach.max(texts.max().unwrap_or_default());
        }
        units[*at].reach = reach;
        units[*at].asks_git = built_from.iter().map(|at| found[at].git).max().unwrap_or_default();
    }
    for at in 0..units.len() {
        if is_of_tree(&units[at]) && !units[at].is_run() {
            let macros = graph.macros(units, &units[at]).into_iter().map(|at| &units[at]);
            let widest = macros.filter(|unit| unit.reach > Reach::Package);
            let widest = widest.max_by_key(|unit| (unit.reach, unit.asks_git));
            units[at].widest_macro = widest.map(WideMacro::of);
        }
    }
    find_names(units, place, &graph, &remembered, &code);

    // What such a macro has read it may also have compiled in: the path of its caller.
    let looks_outside = |unit: &Unit| {
        let mut watched = unit.dep_info.iter().flat_map(|dep_info| &dep_info.watched_absolutely);
        unit.is_path && watched.any(|path| place.source_in_tree(path).is_some())
    };
    // A package of a registry may only have included what it has generated: by way of `OUT_DIR`, or
    // of a variable that its script has set.
    let has_generated = |unit: &Unit| {
        let mut variables = unit.dep_info.iter().flat_map(|dep_info| &dep_info.variables);
        let lane = place.lane.as_os_str().as_encoded_bytes();
        let names_lane = |value: &Option<String>| {
            value.as_ref().is_some_and(|v| find(v.as_bytes(), lane).is_some())
        };
        !unit.is_path
            && variables
                .any(|(name, value)| (name == "OUT_DIR" && value.is_some()) || names_lane(value))
    };
    let is_suspect = |at: &usize| {
        let unit = &units[*at];
        unit.widest_macro.is_some() || looks_outside(unit) || has_generated(unit)
    };
    let suspects: Vec<usize> = (0..units.len()).filter(is_suspect).collect();
    let names = remembered.ask("names, 2", units, &suspects, |unit| compiled_in(unit, place));
    for (at, names) in suspects.into_iter().zip(names) {
        units[at].names = Named { lane: names & 1 != 0, root: names & 2 != 0 };
    }
}

/// Finds out which variables and paths out of the checkout code names that can read them. Of paths
/// only those that the tree's own sources name.
fn find_names(
    units: &mut [Unit],
    place: &Place,
    graph: &Graph,
    remembered: &Remembered<'_>,
    code: &[usize],
) {
    let wide = code.iter().copied().filter(|at| units[*at].reach > Reach::Package);
    // Somebody's own code, like that of the tree, but elsewhere. A registry's tells cargo what it
    // reads, or many would have noticed.
    let of_git = (0..units.len())
        .filter(|at| units[*at].target.starts_with("build-script-") && is_from_git(&units[*at]));
    let wide: Vec<usize> = wide.chain(of_git).collect();
    let built_from: Vec<Vec<usize>> = wide.iter().map(|at| graph.built_from(units, *at)).collect();
    let mut read: Vec<usize> = built_from.iter().flatten().copied().collect();
    read.sort_unstable();
    read.dedup();
    let (own, others): (Vec<usize>, Vec<usize>) =
        read.into_iter().partition(|at| is_of_tree(&units[*at]) || is_from_git(&units[*at]));
    let of_tree: HashMap<usize, Literals> = own
        .into_iter()
        .map(|at| (at, own_literals(&units[at], place).unwrap_or_default()))
        .collect();
    let variables = remembered.ask_text("variables, 3", units, &others, |unit| {
        let mut variables = literals(unit, place, Literals::of)?.variables;
        // Such code is told which of all variables it shall take, and where cargo lies it only has
        // to know in order to start it.
        let is_its = |name: &str| !["*", "CARGO_HOME"].contains(&name);
        variables.retain(|name| is_its(name) && !name.starts_with("RUSTUP_"));
        Ok(variables.into_iter().collect::<Vec<_>>().join(" "))
    });
    let of_others: HashMap<usize, String> =
        others.into_iter().zip(variables.into_iter().map(Option::unwrap_or_default)).collect();
    // What the code of a script or a macro names, when it runs for this unit.
    let named = |units: &[Unit], built_from: &[usize], runs_for: usize| {
        let mut found = BTreeSet::new();
        for (at, literals) in built_from.iter().filter_map(|at| Some((at, of_tree.get(at)?))) {
            found.extend(outside(literals, &units[*at], &units[runs_for], place));
        }
        found
    };
    for (at, built_from) in wide.iter().zip(&built_from) {
        let own = built_from.iter().filter_map(|at| of_tree.get(at));
        let own: BTreeSet<String> = own.flat_map(|found| &found.variables).cloned().collect();
        let others = built_from.iter().filter_map(|at| of_others.get(at));
        let others = others.flat_map(|names| names.split_whitespace().map(str::to_owned));
        units[*at].variables = own.iter().cloned().chain(others).collect();
        units[*at].own_variables = own;
        if units[*at].reach == Reach::Anything || is_from_git(&units[*at]) {
            units[*at].outside = named(units, built_from, *at);
        }
    }
    for at in 0..units.len() {
        if units[at].widest_macro.is_none() {
            continue;
        }
        let macros = graph.macros(units, &units[at]);
        let mut names = (BTreeSet::new(), BTreeSet::new());
        let mut own = BTreeSet::new();
        for of_macro in macros {
            names.0.extend(units[of_macro].variables.iter().cloned());
            own.extend(units[of_macro].own_variables.iter().cloned());
            let wide = wide.iter().position(|wide| *wide == of_macro);
            let wide = wide.filter(|_| units[of_macro].reach == Reach::Anything);
            names.1.extend(wide.into_iter().flat_map(|wide| named(units, &built_from[wide], at)));
        }
        let literals = literals(&units[at], place, Literals::of_calls).unwrap_or_default();
        if units[at].widest_macro.as_ref().is_some_and(|found| found.reach == Reach::Anything) {
            names.1.extend(outside(&literals, &units[at], &units[at], place));
        }
        own.extend(literals.variables.into_iter().filter(|name| name != "*"));
        names.0.extend(own.iter().cloned());
        (units[at].variables, units[at].outside) = names;
        units[at].own_variables = own;
    }
}

/// The same with all that code of the tree may make the name of a variable of: in the texts that it
/// includes, and in the programs that it starts.
fn own_literals(unit: &Unit, place: &Place) -> io::Result<Literals> {
    let mut found = literals(unit, place, Literals::of_own)?;
    let sources = Source::all_of(unit, place)?;
    for text in sources.iter().filter(|source| source.is_told_as_text_in(&sources)) {
        if text.bytes.len() as u64 <= NAMED_LEN_MAX && !text.ends_with("md") {
            found.add_variables_in(&String::from_utf8_lossy(&text.bytes));
        }
    }
    let of_programs = found.names.iter().flat_map(|name| variables_of(name));
    found.variables.extend(of_programs.map(|name| (*name).to_owned()));
    Ok(found)
}

/// What is longer holds data.
const NAMED_LEN_MAX: u64 = 1 << 16;

/// Of all sources of a unit that may be code, and of the small files that they name.
fn literals(
    unit: &Unit,
    place: &Place,
    literals_of: impl Fn(&[u8]) -> Literals,
) -> io::Result<Literals> {
    let mut found = Literals::default();
    let sources = Source::all_of(unit, place)?;
    for source in sources.iter().filter(|source| !source.is_told_as_text_in(&sources)) {
        let literals = literals_of(&source.bytes);
        found.variables.extend(literals.variables);
        found.paths.extend(literals.paths);
        found.of_home.extend(literals.of_home);
        found.names.extend(literals.names);
    }
    if found.variables.iter().any(|name| name.len() > 1 && name.ends_with('*')) {
        found.variables.remove("*"); // It goes through all, but takes these.
    }
    if is_of_tree(unit) {
        let dirs = [package_dir(unit, place), Path::new("")];
        if found.names.contains("make") {
            found.names.extend(["GNUmakefile", "Makefile", "makefile"].map(str::to_owned));
        }
        let names: Vec<String> = found.names.iter().chain(&found.paths).cloned().collect();
        for path in names.iter().flat_map(|name| dirs.map(|dir| place.root.join(dir).join(name))) {
            let is_small = |meta: Metadata| meta.is_file() && meta.len() <= NAMED_LEN_MAX;
            if path.metadata().is_ok_and(is_small) {
                // What we cannot read, nor can it.
                let bytes = files::read(&path).unwrap_or_default();
                let text = String::from_utf8_lossy(&bytes);
                found.add_paths_in(&text);
                if path.extension().is_none_or(|extension| extension != "rs" && extension != "md") {
                    found.add_variables_in(&text);
                }
            }
        }
    }
    Ok(found)
}

fn package_dir<'a>(unit: &'a Unit, place: &Place) -> &'a Path {
    unit.package_dir(place).unwrap_or(Path::new(""))
}

/// The paths out of the checkout to which the literals in a unit's sources can lead: relative to
/// the workspace root, or absolute. A package that lies there itself is one of them.
fn outside(literals: &Literals, unit: &Unit, runs_for: &Unit, place: &Place) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    let dir = package_dir(unit, place);
    let is_outside = |path: &Path| !place.has(&normalized(&place.root.join(path)));
    let is_there = |path: &Path| normalized(&place.root.join(path)).exists();
    if is_outside(dir) {
        found.insert(dir.to_owned());
    }
    for path in &literals.paths {
        let relative = path.trim_start_matches('/');
        if path.split('/').any(|part| part == "..") {
            // Most lead from the package to a file of the tree; from the root, where macros run,
            // they would leave it. A script runs in its own package, whatever it calls.
            let of_package = dir.join(relative);
            let elsewhere =
                [package_dir(runs_for, place), Path::new("")].map(|dir| dir.join(relative));
            let is_named =
                |path: &PathBuf| !is_there(&of_package) && is_outside(path) && is_there(path);
            found.extend(elsewhere.into_iter().filter(is_named));
            found.extend(Some(of_package).filter(|path| is_outside(path)));
        }
        let absolute = Some(Path::new(path)).filter(|path| path.is_absolute());
        let was_there = |path: &&Path| may_have_been(path, Path::new("/"));
        found
            .extend(absolute.filter(was_there).filter(|path| is_outside(path)).map(Path::to_owned));
    }
    if let Some(home) = environment::home_dir().filter(|_| !literals.of_home.is_empty()) {
        let paths = literals.of_home.iter().map(|path| home.join(path));
        found.extend(paths.filter(|path| is_outside(path) && may_have_been(path, &home)));
    }
    found
}

/// Most are appended to something, and nothing is at that place of the file system. Where at least
/// a directory above it is there, it may have been removed.
fn may_have_been(path: &Path, top: &Path) -> bool {
    let there = path.ancestors().find(|path| path.exists());
    there
        .is_some_and(|there| there == path || there.components().count() > top.components().count())
}

/// Finds out which code of packages from elsewhere looks for the tree that it is built in: a macro
/// or a build script that climbs from `OUT_DIR`, or that knows one of these variables, which hold a
/// place in the tree.
pub(super) fn look_for_tree_readers(
    units: &mut [Unit],
    place: &Place,
    own_root: &Path,
    variables: &[&str],
) {
    let remembered = Remembered::of(place, own_root);
    let graph = Graph::of(units, place);
    let is_code = |unit: &Unit| {
        !is_of_tree(unit) && (unit.target.starts_with("build-script-") || is_macro(unit))
    };
    let code: Vec<usize> = (0..units.len()).filter(|at| is_code(&units[*at])).collect();
    let built_from: Vec<Vec<usize>> = code.iter().map(|at| graph.built_from(units, *at)).collect();
    let mut read: Vec<usize> = built_from.iter().flatten().copied().collect();
    read.sort_unstable();
    read.dedup();
    let question = format!("tree readers, {}", variables.join(" "));
    let found =
        remembered.ask(&question, units, &read, |unit| looks_for_tree(unit, place, variables));
    let found: HashMap<usize, u8> = read.into_iter().zip(found).collect();
    let mut readers = HashSet::new();
    for (at, built_from) in code.into_iter().zip(built_from) {
        // A library that climbs (`vcpkg`, say, in the script of every other `-sys` package) is no
        // sign: most of what calls it has it do something else.
        if found[&at] & CLIMBS != 0 || built_from.iter().any(|at| found[at] & NAMES != 0) {
            units[at].reach = Reach::Anything;
            readers.insert(at);
        }
    }
    for at in 0..units.len() {
        if !is_of_tree(&units[at]) && !units[at].is_run() {
            let mut macros = graph.macros(units, &units[at]).into_iter();
            let found = macros.find(|at| readers.contains(at));
            units[at].widest_macro = found.map(|at| WideMacro::of(&units[at]));
        }
    }
}

const CLIMBS: u8 = 1;
const NAMES: u8 = 2;

fn looks_for_tree(unit: &Unit, place: &Place, variables: &[&str]) -> io::Result<u8> {
    let Some(dep_info) = &unit.dep_info else { return Ok(u8::MAX) };
    let mut found = 0;
    for source in &dep_info.sources {
        let bytes = files::read(place.root.join(source))?;
        if variables.iter().any(|name| find(&bytes, name.as_bytes()).is_some()) {
            found |= NAMES;
        }
        if climbs(&bytes) {
            found |= CLIMBS;
        }
    }
    Ok(found)
}

struct Graph {
    /// The units by the numbers that name them.
    at: HashMap<u64, usize>,
    /// Those whose sources are empty, as of a workspace-hack of cargo-hakari: they hand on nothing.
    empty: HashSet<usize>,
}

impl Graph {
    fn of(units: &[Unit], place: &Place) -> Graph {
        const LEN_MAX: u64 = 4096; // Of a file of comments.
        let is_small = |path: &Path| path.metadata().is_ok_and(|meta| meta.len() <= LEN_MAX);
        let is_empty = |unit: &Unit| {
            let sources = unit.dep_info.as_ref().map_or(&[][..], |dep_info| &dep_info.sources);
            let [source] = sources else { return false };
            let source = place.root.join(source);
            is_small(&source) && files::read(source).is_ok_and(|source| has_no_code(&source))
        };
        Graph {
            at: units.iter().enumerate().map(|(at, unit)| (unit.id, at)).collect(),
            empty: (0..units.len()).filter(|at| is_empty(&units[*at])).collect(),
        }
    }

    /// All units that this one reaches by dependencies of which `goes_on` holds, itself left out.
    fn closure(&self, units: &[Unit], from: &Unit, goes_on: impl Fn(usize) -> bool) -> Vec<usize> {
        let mut is_seen = vec![false; units.len()];
        let mut found = Vec::new();
        let mut ahead: Vec<u64> = from.dependencies.clone();
        while let Some(at) = ahead.pop().and_then(|id| self.at.get(&id).copied()) {
            if !is_seen[at] && !units[at].is_run() {
                is_seen[at] = true;
                found.push(at);
                if goes_on(at) {
                    ahead.extend(&units[at].dependencies);
                }
            }
        }
        found
    }

    /// The macros that a unit may call.
    fn macros(&self, units: &[Unit], unit: &Unit) -> Vec<usize> {
        if self.at.get(&unit.id).is_some_and(|at| self.empty.contains(at)) {
            return Vec::new();
        }
        let mut found =
            self.closure(units, unit, |at| !is_macro(&units[at]) && !self.empty.contains(&at));
        found.retain(|at| is_macro(&units[*at]));
        found
    }

    /// What runs when this macro or build script does: it and its dependencies. Of the macros among
    /// them only what they have expanded to, which is in no source; it counts as theirs.
    fn built_from(&self, units: &[Unit], at: usize) -> Vec<usize> {
        let mut found = self.closure(units, &units[at], |_| true);
        found.push(at);
        found
    }
}

/// Whether its package lies in the tree.
fn is_of_tree(unit: &Unit) -> bool {
    unit.is_path || unit.is_vendored
}

/// Whether its package is one that cargo has fetched from git.
fn is_from_git(unit: &Unit) -> bool {
    let sources = unit.dep_info.iter().flat_map(|dep_info| &dep_info.sources);
    !is_of_tree(unit)
        && sources.take(1).any(|source| {
            source.ancestors().any(|dir| dir.ends_with(Path::new("git").join("checkouts")))
        })
}

fn is_macro(unit: &Unit) -> bool {
    unit.outputs.iter().any(|entry| is_dynamic_library(&entry.path))
}

/// As one number: what the sources of a unit reach, how they may ask git, and what code in
/// their literals would reach.
fn sources_reach(unit: &Unit, place: &Place) -> io::Result<u8> {
    let is_script = unit.target.starts_with("build-script-");
    let mut found = Found::default();
    let sources = Source::all_of(unit, place)?;
    if sources.is_empty() {
        return Ok(u8::MAX);
    }
    for source in &sources {
        match source.code() {
            _ if source.is_told_as_text_in(&sources) => {
                let is_documentation = source.ends_with("md"); // Which does not run.
                if !is_documentation && names_git(&source.bytes) {
                    found.git = AsksGit::Unseen;
                }
            }
            Some(tokens) => {
                found.reach = found.reach.max(reach_of(&tokens, is_script));
                found.git = found.git.max(asks_git(&tokens, unit.is_path));
                found.texts = found.texts.max(reach_of_texts(&tokens));
            }
            None if source.ends_with("rs") => return Ok(u8::MAX),
            None if names_git(&source.bytes) => found.git = AsksGit::Unseen,
            None => {}
        }
    }
    Ok(found.encoded())
}

struct Source<'a> {
    path: &'a Path,
    bytes: Vec<u8>,
}

impl Source<'_> {
    fn all_of<'a>(unit: &'a Unit, place: &Place) -> io::Result<Vec<Source<'a>>> {
        let paths = unit.dep_info.iter().flat_map(|dep_info| &dep_info.sources);
        let read =
            |path: &'a PathBuf| Ok(Source { path, bytes: files::read(place.root.join(path))? });
        paths.map(read).collect()
    }

    fn ends_with(&self, extension: &str) -> bool {
        self.path.extension().is_some_and(|found| found == extension)
    }

    /// `None` where it cannot be Rust.
    fn code(&self) -> Option<Vec<Token<'_>>> {
        std::str::from_utf8(&self.bytes).ok().and_then(tokens)
    }

    /// Whether `include_str!` or `include_bytes!` names it, and nothing else does. Any other file
    /// may be code, whatever it is called.
    fn is_told_as_text_in(&self, sources: &[Source<'_>]) -> bool {
        let name = self.path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if self.ends_with("rs") || name.is_empty() {
            return false;
        }
        let mut is_told = false;
        for source in sources.iter().filter(|source| find(&source.bytes, name.as_bytes()).is_some())
        {
            let Some(tokens) = source.code() else { continue };
            let is_name = |at: &usize| matches!(tokens[*at], Token::Text(t) if t.ends_with(name));
            for at in (0..tokens.len()).filter(is_name) {
                is_told = matches!(
                    tokens[..at],
                    [
                        ..,
                        Token::Word("include_str" | "include_bytes"),
                        Token::Other(b'!'),
                        Token::Other(b'(')
                    ]
                );
                if !is_told {
                    return false;
                }
            }
        }
        is_told
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Found {
    reach: Reach,
    git: AsksGit,
    texts: Reach,
}

impl Found {
    fn encoded(self) -> u8 {
        self.reach as u8 | (self.git as u8) << 2 | (self.texts as u8) << 4
    }

    fn decoded(number: u8) -> Found {
        let reach = |number: u8| match number & 3 {
            0 => Reach::Package,
            1 => Reach::Manifest,
            2 => Reach::Environment,
            _ => Reach::Anything,
        };
        let git = match number >> 2 & 3 {
            0 => AsksGit::No,
            1 => AsksGit::Seen,
            _ => AsksGit::Unseen,
        };
        Found { reach: reach(number), git, texts: reach(number >> 4) }
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
    /// has the unit left to cargo: all bits.
    fn ask(
        &self,
        question: &str,
        units: &[Unit],
        wanted: &[usize],
        look: impl Fn(&Unit) -> io::Result<u8> + Sync,
    ) -> Vec<u8> {
        let found = self
            .ask_text(question, units, wanted, |unit| look(unit).map(|found| found.to_string()));
        let number = |text: Option<String>| text.and_then(|text| text.parse().ok());
        found.into_iter().map(|text| number(text).unwrap_or(u8::MAX)).collect()
    }

    /// The same for answers of one line, `None` where it cannot see.
    fn ask_text(
        &self,
        question: &str,
        units: &[Unit],
        wanted: &[usize],
        look: impl Fn(&Unit) -> io::Result<String> + Sync,
    ) -> Vec<Option<String>> {
        let found = in_parallel(wanted, |at| {
            let unit = &units[*at];
            let question = self.question(question, unit);
            let known =
                question.as_deref().and_then(|question| self.answers.as_ref()?.get(question));
            match known {
                Some(known) => (Some(known.to_owned()), None),
                None => look(unit).map_or((None, None), |answer| (Some(answer), question)),
            }
        });
        let add = |(answer, question): (Option<String>, Option<String>)| {
            if let (Some(answer), Some(question), Some(answers)) =
                (&answer, question, &self.answers)
            {
                _ = answers.add(&question, answer); // Otherwise the next one looks again.
            }
            answer
        };
        found.into_iter().map(add).collect()
    }

    fn question(&self, question: &str, unit: &Unit) -> Option<String> {
        const LEN: usize = 16;
        let mark = unit.mark.as_ref()?;
        let modified = mark.modified.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let [root, lane, file] = [&self.place.root, &self.place.lane, &mark.file]
            .map(|path| path.as_os_str().as_encoded_bytes());
        let mut hash = Sha256::new();
        for part in [question.as_bytes(), root, lane, file, &mark.hash, &modified.to_le_bytes()] {
            hash.update(part.len().to_le_bytes());
            hash.update(part);
        }
        hash.update(unit.outputs.iter().map(|entry| entry.len).sum::<u64>().to_le_bytes());
        Some(hex(&hash.finalize()[..LEN]))
    }
}

/// Whether a unit's outputs name its lane (1) or its workspace root (2) otherwise than rustc does:
/// in debug information, as the directory that rustc was started in, and as the start of a source.
fn compiled_in(unit: &Unit, place: &Place) -> io::Result<u8> {
    let Some(dep_info) = &unit.dep_info else { return Ok(u8::MAX) };
    let is_beside =
        |path: &PathBuf| !path.starts_with(&place.root) && place.source_in_tree(path).is_some();
    if dep_info.watched_absolutely.iter().any(is_beside) {
        return Ok(u8::MAX); // The workspace root alone is looked for.
    }
    let text = |path: &Path| path.as_os_str().as_encoded_bytes().to_vec();
    // A source that is named by its whole path may have been named by a macro.
    let own = dep_info.sources.iter().filter(|path| !unit.is_path || path.is_relative());
    let sources: Vec<Vec<u8>> = own.map(|path| text(&place.root.join(path))).collect();
    let (lane, root) = (text(&place.lane), text(&place.root));
    let is_list = |entry: &&Entry| entry.path.extension().is_some_and(|extension| extension == "d");
    let mut found = 0;
    for entry in
        unit.outputs.iter().filter(|entry| entry.kind == EntryKind::File && !is_list(entry))
    {
        let bytes = files::read(place.lane.join(&entry.path))?;
        let parts = Parts::of(&bytes, unit.is_path);
        found |= u8::from(is_named(&bytes, &lane, &sources, &parts));
        found |= u8::from(is_of_tree(unit) && is_named(&bytes, &root, &sources, &parts)) << 1;
    }
    Ok(found)
}

/// How rustc ends a text in metadata; in no text is there such a byte.
const TEXT_END: u8 = 0xc1;
const PATH_MAX: usize = 4096;

fn is_named(bytes: &[u8], path: &[u8], sources: &[Vec<u8>], parts: &Parts) -> bool {
    let mut from = 0;
    while let Some(at) = find(&bytes[from..], path).map(|at| from + at) {
        from = at + path.len();
        let (whole, rest) = (&bytes[at..], &bytes[from..]);
        let is_longer =
            rest.first().is_some_and(|next| next.is_ascii_alphanumeric() || *next == b'_');
        let is_source = |text: &[u8]| sources.iter().any(|source| text.starts_with(source));
        // In metadata, rustc writes the directory before the whole path of each source. Between
        // them are the end of a text and a length.
        let text_end = rest.iter().take(PATH_MAX).position(|byte| *byte == TEXT_END);
        let is_dir_of_source = || {
            text_end.is_some_and(|end| {
                (1..=3).any(|len| rest.get(end + 1 + len..).is_some_and(&is_source))
            })
        };
        let is_in = |ranges: &[Range<usize>]| ranges.iter().any(|range| range.contains(&at));
        let is_rustcs = || !is_in(&parts.code) && (is_source(whole) || is_dir_of_source());
        if !is_longer && !is_rustcs() && !is_in(&parts.hidden) {
            return true;
        }
    }
    false
}

/// The parts of an object, a program or an archive of objects. Nothing is known of other formats
/// than ELF.
#[derive(Default)]
struct Parts {
    /// What no process gets to see: debug information above all.
    hidden: Vec<Range<usize>>,
    /// In which rustc itself names no source by its whole path: all but its own notes. Where it was
    /// called with whole paths, it does so anywhere.
    code: Vec<Range<usize>>,
}

impl Parts {
    fn of(bytes: &[u8], has_short_paths: bool) -> Parts {
        const NOTES: [&str; 4] = [".rmeta", ".rustc", ".llvmbc", ".llvmcmd"];
        let mut parts = Parts::default();
        for object in objects(bytes) {
            let read = |start: u64, len: u64| {
                let start = usize::try_from(start).ok()?;
                let end = start.checked_add(usize::try_from(len).ok()?)?;
                Some(bytes.get(object.clone())?.get(start..end)?.to_vec())
            };
            for section in elf::sections(read).unwrap_or_default() {
                let start =
                    object.start.saturating_add(usize::try_from(section.start).unwrap_or(0));
                let end = start.saturating_add(usize::try_from(section.len).unwrap_or(0));
                if section.name.starts_with(".debug_") {
                    parts.hidden.push(start..end);
                } else if has_short_paths && !NOTES.contains(&section.name.as_str()) {
                    parts.code.push(start..end);
                }
            }
        }
        parts
    }
}

/// An archive's members, or the file itself.
fn objects(bytes: &[u8]) -> Vec<Range<usize>> {
    const HEADER: usize = 60;
    if !bytes.starts_with(b"!<arch>\n") {
        return std::iter::once(0..bytes.len()).collect();
    }
    let mut members = Vec::new();
    let mut at = 8;
    while let Some(header) = bytes.get(at..at + HEADER) {
        let len: Option<usize> =
            std::str::from_utf8(&header[48..58]).ok().and_then(|len| len.trim().parse().ok());
        let Some(len) = len else { break };
        let start = at + HEADER;
        members.push(start..start + len);
        at = start + len + len % 2;
    }
    members
}

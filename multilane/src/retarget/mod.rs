//! `adopt-cache`: what the compiler wrapper calls before the first compilation of a unit in a
//! forked lane.

#![expect(clippy::disallowed_methods, reason = "it writes into directories of its own")]

pub mod compilation;
pub mod crate_source;
pub mod dep_graph;
pub mod marks;
pub mod provide;
pub mod wrapper;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};

use crate::environment::Environment;
use crate::files::Scratch;
use crate::files::answers::Answers;
use crate::process::Unheard;
use crate::project::git_dir::Common;
use crate::project::toolchain;
use crate::retarget::compilation::{Beginning, Compilation, Place, exchange_of_hash, question};
use crate::retarget::crate_source::Moved;
use crate::retarget::dep_graph::{Exchange, Kinds, Places, Said, Trials};
use crate::units::crate_files::CrateFiles;
use crate::units::incremental::Origin;
use crate::units::{crate_files, incremental};
use crate::{environment, files};

/// Whatever goes wrong here, rustc sees for itself that the cache is not for it.
pub fn retarget(env: &Environment, words: &[OsString]) -> anyhow::Result<()> {
    if let Some(compilation) = Compilation::read(words) {
        let forked = compilation.incremental.join(incremental::FORKED);
        let names = incremental::forked(&forked, compilation.crate_name);
        let tried = match names.first() {
            Some(first) => adopt(&compilation, env, &forked, first).map(Vec::from_iter),
            None => Ok(Vec::new()),
        };
        // What could not be adopted today will not be tomorrow either.
        marks::remove_marks(&forked, &tried.unwrap_or(names))?;
    }
    Ok(())
}

/// Makes the cache of this unit fit for this lane, if it can be. `name` is that of a cache of the
/// same crate, nearly always from the same tree. Returns the name of the unit's own; `None` where
/// none was brought for it, but for another unit of the crate: a check has another than a build.
fn adopt(
    compilation: &Compilation<'_>,
    env: &Environment,
    forked: &Path,
    name: &str,
) -> anyhow::Result<Option<String>> {
    let own_root = environment::current_dir()?;
    let mark = std::fs::read_to_string(forked.join(name))?;
    let (origin, own_lane) = Origin::of_mark(&mark).context("the mark is cut off")?;
    let scratch =
        Scratch::make(forked.join(format!("{}{}", incremental::PROBE, std::process::id())))?;

    let common = Common::of(&own_root);
    let answers = common.as_ref().map(|common| Answers::open(common.answers()));
    let asking = Asking {
        compilation,
        env,
        scratch: &scratch,
        answers: answers.as_ref(),
        own_root: &own_root,
    };
    let here = asking.of_options("here", &own_root)?;
    let there = if origin.root == own_root {
        None
    } else {
        Some(asking.of_options("there", &origin.root)?)
    };
    let here = asking.answer(here)?;
    match std::fs::read_to_string(forked.join(&here.cache)) {
        Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(None),
        own => ensure!(own? == mark, "it is from a third lane"),
    }

    let graph = graph(&compilation.incremental.join(&here.cache))?;
    let mut exchanges = Vec::new();
    if let Some(there) = there {
        let there = asking.answer(there)?;
        let Some(hash) = exchange_of_hash(&beginning(&graph)?, &there.bytes, &here.bytes) else {
            return Ok(Some(here.cache)); // It was made with other options.
        };
        exchanges.push(hash);
    }
    if compilation.is_linked {
        let own = Place { root: &own_root, lane: &own_lane };
        let there = Place { root: &origin.root, lane: &origin.lane };
        exchanges.extend(of_places(&asking, forked, &graph, &own, &there).unwrap_or_default());
    }
    if !exchanges.is_empty() {
        files::replace_with_exchanged(&graph, &exchanges)?; // A new file: the donor's stays what it is.
    }
    Ok(Some(here.cache))
}

/// How a cache of the unit begins, in one tree or another: that depends on words alone, so each
/// compiler is asked once.
struct Asking<'a> {
    compilation: &'a Compilation<'a>,
    env: &'a Environment,
    scratch: &'a Scratch,
    /// What was asked before, in whichever worktree.
    answers: Option<&'a Answers>,
    own_root: &'a Path,
}

enum Asked {
    Known(Beginning),
    Started { question: String, probe: Probe },
}

impl Asking<'_> {
    fn of_options(&self, name: &str, root: &Path) -> anyhow::Result<Asked> {
        let probe =
            |source: &Path, dir: &Path| self.compilation.probe(source, dir, self.own_root, root);
        let question = self.question(&probe(Path::new("source"), Path::new("scratch")))?;
        if let Some(known) = self.remembered(&question).and_then(Beginning::of_text) {
            return Ok(Asked::Known(known));
        }
        let source = self.scratch.dir.join("lib.rs");
        files::write_atomically(&source, self.compilation.smallest_source().as_bytes())?;
        let dir = self.scratch.dir.join(name);
        let started = Unheard::start(&probe(&source, &dir), root)?;
        Ok(Asked::Started { question, probe: Probe { dir, started } })
    }

    fn answer(&self, asked: Asked) -> anyhow::Result<Beginning> {
        let (question, probe) = match asked {
            Asked::Known(known) => return Ok(known),
            Asked::Started { question, probe } => (question, probe),
        };
        let (cache, bytes) = probe.wait()?;
        let beginning = Beginning::of_graph(cache, &bytes).context("not as we know it")?;
        self.remember(&question, &beginning.to_text());
        Ok(beginning)
    }

    /// What an answer depends on: these words of the compiler's, and what it is told besides.
    fn question(&self, words: &[OsString]) -> anyhow::Result<String> {
        let compiler = self.compilation.compiler().first().context("no compiler")?;
        // RUSTC_BOOTSTRAP, RUSTUP_TOOLCHAIN, CLIPPY_ARGS…
        let variables = self.env.iter().filter(|(name, _)| {
            ["RUST", "CLIPPY"]
                .iter()
                .any(|start| name.as_encoded_bytes().starts_with(start.as_bytes()))
        });
        Ok(question(&toolchain::state(Path::new(compiler)), words, variables))
    }

    fn remembered(&self, question: &str) -> Option<&str> {
        self.answers?.get(question)
    }

    /// Where it cannot be written, the next one asks again.
    fn remember(&self, question: &str, answer: &str) {
        if let Some(answers) = self.answers {
            drop(answers.add(question, answer));
        }
    }
}

/// As much of a `dep-graph.bin` as the hash of the options is in.
fn beginning(graph: &Path) -> anyhow::Result<Vec<u8>> {
    const LEN: u64 = 512; // The version has at most 255.
    let mut bytes = Vec::new();
    File::open(graph)?.take(LEN).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// What has to be exchanged in the cache because it speaks of places in the other lane. What has to
/// be asked for one program serves the next, as they are linked with the same crates.
fn of_places(
    asking: &Asking<'_>,
    forked: &Path,
    graph: &Path,
    own: &Place<'_>,
    there: &Place<'_>,
) -> anyhow::Result<Vec<Exchange>> {
    let Asking { compilation, scratch, .. } = asking;
    let bytes = std::fs::read(graph)?;
    let crates = crate_files(compilation, own.root);
    let moved = Moved::new(&crates, own, there);
    let is_elsewhere = own.lane.strip_prefix(own.root) != there.lane.strip_prefix(there.root);
    let of_crates = Kinds::of_crates_in(&bytes, |value| moved.knows(value));
    let kinds = match of_crates.filter(|_| !is_elsewhere) {
        Some(kinds) => kinds,
        None => kinds_of_place(compilation, own.root, scratch)
            .context("the compiler is not as we know it")?,
    };
    let cache = Said::read(&bytes, kinds).context("the cache is not as we know it")?;
    let known = forked.join(incremental::FORKED_PLACES);
    let read =
        || std::fs::read_to_string(&known).map(|text| Places::of_text(&text)).unwrap_or_default();
    let learn = |places: &mut Places, name: &str, source: &str| -> anyhow::Result<()> {
        let words = |file: &Path, dir: &Path, place: &Place<'_>| {
            compilation
                .linked_probe(file, dir, own, place)
                .context("it says its directory otherwise")
        };
        let start = |name: &str, place: &Place<'_>| -> anyhow::Result<Probe> {
            let dir = scratch.dir.join(name);
            let file = dir.join("main.rs");
            let (words, out_dir) = words(&file, &dir, place)?;
            std::fs::create_dir_all(out_dir)?;
            files::write_atomically(&file, source.as_bytes())?;
            Ok(Probe { started: Unheard::start(&words, &dir)?, dir })
        };
        let said = |probe: Probe| Said::read(&probe.wait()?.1, kinds).context("not as we know it");

        // What is said there is a matter of names, and the same for every worktree. Should files
        // have changed behind them since, it is not what stands in the cache, and nothing is
        // exchanged for it.
        let (mut asked, _) = words(Path::new("source"), Path::new("scratch"), there)?;
        asked.push(source.into());
        let question = asking.question(&asked)?;
        let remembered = asking.remembered(&question).and_then(Said::of_text);
        let here = start(&format!("{name}-here"), own)?;
        let there = match remembered {
            Some(there) => there,
            None => {
                let there = said(start(&format!("{name}-there"), there)?)?;
                asking.remember(&question, &there.to_text());
                there
            }
        };
        places.learn(&there, &said(here)?);
        Ok(())
    };

    let mut places = Places::default();
    places.explain(&cache, kinds, |value| moved.here(value));
    if places.lacking(&cache, kinds).crates {
        // Whoever comes while another is at it waits, and has less to find out.
        let _lock = files::lock::wait(
            &forked.join(incremental::FORKED_LOCK),
            std::time::Duration::from_secs(180),
        )?;
        places.extend(read());
        // A crate that others need, too, is found in another way when they are loaded first. Which
        // way it was, nobody says.
        let names = by_age(compilation, own, there);
        let (first, last) = (names.iter().copied(), names.iter().rev().copied());
        let sources = [compilation.linked_source(first), compilation.linked_source(last)];
        for (at, source) in sources.iter().enumerate() {
            if places.lacking(&cache, kinds).crates {
                learn(&mut places, &at.to_string(), source)?;
            }
        }
        files::write_atomically(&known, places.to_text().as_bytes())?;
    }
    if is_elsewhere && places.lacking(&cache, kinds).outputs {
        learn(&mut places, "outputs", &compilation.linked_source(std::iter::empty()))?;
    }
    Ok(places.exchanges(&cache))
}

/// The crates that the compilation may be linked with.
fn crate_files(compilation: &Compilation<'_>, dir: &Path) -> Vec<CrateFiles> {
    let mut dirs: BTreeSet<PathBuf> = compilation.crate_dirs().map(Path::to_owned).collect();
    if let Some(compiler) = compilation.compiler().first() {
        dirs.extend(crate_files::dirs_of_compiler(Path::new(compiler), dir));
    }
    crate_files::read(&dirs)
}

/// The crates that the unit is given, each before those that need it: its metadata was there before
/// they could be compiled. There, and not here, where after an edit some are the youngest: so that
/// it is one order for all worktrees.
fn by_age<'a>(compilation: &Compilation<'a>, own: &Place<'_>, there: &Place<'_>) -> Vec<&'a str> {
    let mut crates: Vec<_> = compilation.crates().collect();
    crates.sort_by_key(|(_, path)| {
        let path = path
            .strip_prefix(own.lane)
            .map_or_else(|_| path.to_path_buf(), |path| there.lane.join(path));
        let meta = path.with_extension("rmeta").metadata().or(path.metadata());
        meta.and_then(|meta| meta.modified()).ok()
    });
    crates.into_iter().map(|(name, _)| name).collect()
}

/// A compilation of next to nothing.
struct Probe {
    dir: PathBuf,
    started: Unheard,
}

impl Probe {
    /// The name of the unit's cache, and the content of its `dep-graph.bin`.
    fn wait(self) -> anyhow::Result<(String, Vec<u8>)> {
        self.started.wait()?;
        let units = incremental::units(&self.dir.join("incremental"));
        let unit = units.first().context("rustc has made no cache")?;
        let name = unit.file_name().and_then(|name| name.to_str()).context("no name of rustc's")?;
        Ok((name.to_owned(), std::fs::read(graph(unit)?)?))
    }
}

fn graph(unit: &Path) -> anyhow::Result<PathBuf> {
    let session = incremental::newest_session(unit).context("rustc has finished no session")?;
    Ok(unit.join(session).join("dep-graph.bin"))
}

/// What this compiler's version calls the computations that speak of places; found out once for
/// each.
fn kinds_of_place(
    compilation: &Compilation<'_>,
    own_root: &Path,
    scratch: &Scratch,
) -> Option<Kinds> {
    let compiler = compilation.compiler();
    let memo = Common::of(own_root)?.memo();
    let answer =
        toolchain::remembered(&memo, "kinds of place", Path::new(compiler.first()?), || {
            let found = try_places(compiler, &scratch.dir.join("trials"));
            Some(found.ok()?.and_then(Kinds::to_text).unwrap_or_default())
        });
    Kinds::of_text(&answer?)
}

/// Compiles a small program four times: as it is, with the crate that it is linked with elsewhere,
/// with its output elsewhere, and with another crate in the place of the first.
fn try_places(compiler: &[OsString], dir: &Path) -> anyhow::Result<Option<Kinds>> {
    for (name, text) in [
        ("one.rs", "//! A crate.\npub fn one() -> u32 { 1 }\n"),
        ("two.rs", "//! A crate.\npub fn one() -> u32 { 2 }\npub fn two() {}\n"),
        ("main.rs", "//! A program.\nextern crate part as _;\nfn main() {}\n"),
    ] {
        std::fs::create_dir_all(dir)?;
        files::write_atomically(&dir.join(name), text.as_bytes())?;
    }
    let start = |words: &str| {
        let words = words.split(' ').map(OsString::from);
        Unheard::start(&compiler.iter().cloned().chain(words).collect::<Vec<_>>(), dir)
    };
    let part = |source: &str| {
        start(&format!(
            "--crate-name=part {source} --crate-type=lib --emit=link -Cmetadata=1 --out-dir=first"
        ))
    };
    let program = |name: &str, part: &str, out: &str| -> anyhow::Result<Probe> {
        let started = start(&format!(
            "--crate-name=program main.rs --crate-type=bin --emit=link -Cdebuginfo=2 -Clinker=true \
             -Cincremental={name}/incremental --extern=part={part}/libpart.rlib --out-dir={out}"
        ))?;
        Ok(Probe { dir: dir.join(name), started })
    };

    part("one.rs")?.wait()?;
    for made in ["second", "out", "other-out"] {
        std::fs::create_dir_all(dir.join(made))?;
    }
    std::fs::copy(dir.join("first/libpart.rlib"), dir.join("second/libpart.rlib"))?;
    let base = program("base", "first", "out")?;
    let crate_moved = program("crate-moved", "second", "out")?;
    let output_moved = program("output-moved", "first", "other-out")?;
    let (base, crate_moved, output_moved) =
        (base.wait()?, crate_moved.wait()?, output_moved.wait()?);
    part("two.rs")?.wait()?;
    let crate_changed = program("crate-changed", "first", "out")?.wait()?;
    Ok(Kinds::found_by(&Trials {
        base: &base.1,
        crate_moved: &crate_moved.1,
        output_moved: &output_moved.1,
        crate_changed: &crate_changed.1,
    }))
}

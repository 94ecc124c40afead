//! Makes the incremental caches that a fork has brought valid for their new lane.
//!
//! `retarget-cache` is what the compiler wrapper calls before the first compilation of a unit in a
//! forked lane. docs/first-edit.md describes the way.

mod compilation;
mod dep_graph;
mod path_hashes;
pub mod wrapper;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};

use crate::environment::Environment;
use crate::files::answers::Answers;
use crate::files::scratch::Scratch;
use crate::process::Unheard;
use crate::project::git_dir::Common;
use crate::project::toolchain;
use crate::retarget::compilation::{Beginning, Compilation, exchange_of_hash, question};
use crate::retarget::path_hashes::PathHashes;
use crate::units::incremental::Origin;
use crate::units::{crate_files, incremental};
use crate::{environment, files};

/// `words` is a compiler and its arguments. When something goes wrong here, rustc sees for itself
/// that the cache is not for it.
pub fn retarget(env: &Environment, words: &[OsString]) -> anyhow::Result<()> {
    if let Some(compilation) = Compilation::read(words) {
        let forked = compilation.incremental.join(incremental::FORKED);
        let names = incremental::forked(&forked, compilation.crate_name);
        let tried = match names.first() {
            Some(first) => retarget_cache(&compilation, env, &forked, first).map(Vec::from_iter),
            None => Ok(Vec::new()),
        };
        // What could not be retargeted today will not be tomorrow either.
        remove_marks(&forked, &tried.unwrap_or(names))?;
    }
    Ok(())
}

/// Makes the cache of this unit valid for this lane, if it can be. `name` is that of a cache of the
/// same crate, nearly always from the same tree. Returns the name of the unit's own; `None` where
/// none was brought for it, but for another unit of the crate: a check has another than a build.
fn retarget_cache(
    compilation: &Compilation<'_>,
    env: &Environment,
    forked: &Path,
    name: &str,
) -> anyhow::Result<Option<String>> {
    let mark = files::read_text(forked.join(name))?;
    let (there, lane) = Origin::of_mark(&mark).context("the mark is cut off")?;
    let own = Origin { root: environment::current_dir()?, lane };
    let scratch = Scratch::make(forked, incremental::PROBE)?;

    let answers = Common::of(&own.root).map(|common| Answers::open(common.answers()));
    let options = OptionsQuestion { compilation, env, scratch: &scratch, answers, own: &own };
    let asked_here = options.ask("here", &own)?;
    let asked_there =
        if options.are_same_in(&there) { None } else { Some(options.ask("there", &there)?) };
    let here = options.answer(asked_here)?;
    match files::read_text(forked.join(&here.cache)) {
        Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(None),
        found => ensure!(found? == mark, "it is from a third lane"),
    }

    let graph = graph(&compilation.incremental.join(&here.cache))?;
    let mut exchanges = Vec::new();
    if let Some(asked) = asked_there {
        let answer = options.answer(asked)?;
        let Some(hash) = exchange_of_hash(&beginning(&graph)?, &answer.bytes, &here.bytes) else {
            return Ok(Some(here.cache)); // It was made with other options.
        };
        exchanges.push(hash);
    }
    if compilation.is_linked {
        let dirs: BTreeSet<PathBuf> = compilation.crate_dirs().map(Path::to_owned).collect();
        let outputs = compilation.outputs();
        let hashes = PathHashes::new(&crate_files::read(&dirs), outputs.as_ref(), &own, &there);
        exchanges.extend(hashes.exchanges(&files::read(&graph)?).unwrap_or_default());
    }
    if !exchanges.is_empty() {
        files::replace_with_exchanged(&graph, &exchanges)?; // A new file: the donor's stays what it is.
    }
    Ok(Some(here.cache))
}

/// How a cache of the unit begins, in one tree or another: that depends on words alone, so each
/// compiler is asked once.
struct OptionsQuestion<'a> {
    compilation: &'a Compilation<'a>,
    env: &'a Environment,
    scratch: &'a Scratch,
    /// What was asked before, in any worktree.
    answers: Option<Answers>,
    own: &'a Origin,
}

enum OptionsAnswer {
    Known(Beginning),
    Started { question: String, probe: Probe },
}

impl OptionsQuestion<'_> {
    /// Whether the options have the same words in another lane.
    fn are_same_in(&self, lane: &Origin) -> bool {
        let words = |lane: &Origin| {
            self.compilation.probe(Path::new("source"), Path::new("scratch"), self.own, lane)
        };
        words(self.own) == words(lane)
    }

    fn ask(&self, name: &str, lane: &Origin) -> anyhow::Result<OptionsAnswer> {
        let probe = |source: &Path, dir: &Path| self.compilation.probe(source, dir, self.own, lane);
        let question = self.question(&probe(Path::new("source"), Path::new("scratch")))?;
        let known = self.answers.as_ref().and_then(|answers| answers.get(&question));
        if let Some(known) = known.and_then(Beginning::of_text) {
            return Ok(OptionsAnswer::Known(known));
        }
        let source = self.scratch.dir.join("lib.rs");
        files::write_atomically(&source, self.compilation.smallest_source().as_bytes())?;
        let dir = self.scratch.dir.join(name);
        let started = Unheard::start(&probe(&source, &dir), &lane.root)?;
        Ok(OptionsAnswer::Started { question, probe: Probe { dir, started } })
    }

    fn answer(&self, asked: OptionsAnswer) -> anyhow::Result<Beginning> {
        let (question, probe) = match asked {
            OptionsAnswer::Known(known) => return Ok(known),
            OptionsAnswer::Started { question, probe } => (question, probe),
        };
        let (cache, bytes) = probe.wait()?;
        let beginning = Beginning::of_graph(cache, &bytes).context("not as we know it")?;
        if let Some(answers) = &self.answers {
            _ = answers.add(&question, &beginning.to_text()); // Otherwise the next one asks again.
        }
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
}

/// As much of a `dep-graph.bin` as the hash of the options is in.
fn beginning(graph: &Path) -> anyhow::Result<Vec<u8>> {
    const LEN: u64 = 512; // The version has at most 255.
    let mut bytes = Vec::new();
    files::open_to_read(graph)?.take(LEN).read_to_end(&mut bytes)?;
    Ok(bytes)
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
        Ok((name.to_owned(), files::read(graph(unit)?)?))
    }
}

fn graph(unit: &Path) -> anyhow::Result<PathBuf> {
    let session = incremental::newest_session(unit).context("rustc has finished no session")?;
    Ok(unit.join(session).join("dep-graph.bin"))
}

/// Removes marks from caches that a fork has brought, and their folder with the last one.
fn remove_marks(forked: &Path, names: &[String]) -> io::Result<()> {
    for name in names {
        // Another compiler of the same crate may have removed it.
        _ = files::remove_own_file(&forked.join(name));
    }
    let is_mark = |entry: io::Result<std::fs::DirEntry>| {
        entry.is_ok_and(|entry| {
            let name = entry.file_name();
            let is_probe = name.as_encoded_bytes().starts_with(incremental::PROBE.as_bytes());
            !is_probe && name != incremental::FORKED_PROGRAM
        })
    };
    if names.is_empty() || std::fs::read_dir(forked)?.any(is_mark) {
        Ok(())
    } else {
        files::delete_dir(forked)
    }
}

//! The compiler wrapper: when it is put in place, and what it calls xtask for.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, ensure};

use crate::effects::disk::wrapper::{self, Installed};
use crate::effects::disk::{self, Scratch};
use crate::effects::shell::Unheard;
use crate::effects::ui::Ui;
use crate::facts::{caches, common, host};
use crate::flags;
use crate::plan::cache::{Compilation, exchange_hash};
use crate::verbs::session::{Session, Workspace};

impl Workspace {
    /// Has all compilers go through the wrapper from now on, those of plain cargo too: of a cache that one builder made with
    /// the wrapper and the next without it, nothing would be left at every turn.
    pub(crate) fn provide_wrapper(&self, ui: Ui) {
        let dir = self.wrapper_dir();
        let is_wanted = cfg!(unix)
            && self.config.includes.contains(&dir.join("config.toml"))
            && common::checkout(&self.repo.root).is_some();
        if !is_wanted {
            return;
        }
        let ours = dir.join("rustc");
        let is_only_ours = self.config.rustc_wrappers.iter().all(|wrapper| is_of_our_kind(wrapper));
        let result = if is_only_ours {
            let nothing = |script: &Path| [script.into(), "true".into()];
            wrapper::install(&dir, |script| {
                Unheard::start(&nothing(script), &self.repo.root).and_then(Unheard::wait).is_ok()
            })
        } else if self.config.rustc_wrappers.first() == Some(&ours) {
            // The user has another one, which ours would hide.
            wrapper::remove(&dir).map(|()| Installed::AsItWas)
        } else {
            Ok(Installed::AsItWas)
        };
        match result {
            Ok(Installed::New) => ui.status(
                "Wrote",
                ".cargo/wrapper: compilers go through it, so that the first edit in a new lane is quick (docs/first-edit.md)",
            ),
            Ok(_) => {}
            Err(err) => ui.warn(format_args!(
                "no compiler wrapper in {}: {err}; build.rustc-wrapper = \"\" in .cargo/local.toml does without",
                self.shown(&dir)
            )),
        }
    }

    /// Whether cargo starts compilers through our wrapper, in this tree.
    pub(crate) fn has_wrapper(&self) -> bool {
        let dir = self.wrapper_dir();
        let is_first = self.config.rustc_wrappers.first().is_none_or(|wrapper| is_of_our_kind(wrapper));
        is_first
            && self.config.includes.contains(&dir.join("config.toml"))
            && dir.join("config.toml").is_file()
    }

    fn wrapper_dir(&self) -> PathBuf {
        self.repo.root.join(".cargo/wrapper")
    }
}

/// Of this tree, or of one around it: cargo reads the configuration of every directory above, and some tools put their
/// worktrees inside the repository.
fn is_of_our_kind(wrapper: &Path) -> bool {
    wrapper.ends_with(".cargo/wrapper/rustc")
}

/// The wrapper calls this before the first compilation of a unit in a forked lane. Whatever goes wrong here, rustc sees for
/// itself that the cache is not for it.
impl flags::build::AdoptCache {
    pub(crate) fn run(self, _: Session) -> anyhow::Result<ExitCode> {
        if let Some(compilation) = Compilation::read(&self.compilation) {
            let forked = compilation.incremental.join(caches::FORKED);
            let names = caches::forked(&forked, compilation.crate_name);
            let tried = match names.first() {
                Some(first) => adopt(&compilation, &forked, first).map(|name| vec![name]),
                None => Ok(Vec::new()),
            };
            // What could not be adopted today will not be tomorrow either.
            disk::remove_marks(&forked, &tried.unwrap_or(names))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Makes the cache of this unit fit for this tree, if it can be. `name` is that of a cache of the same crate, nearly always
/// from the same tree. Returns the name of the unit's own.
fn adopt(compilation: &Compilation<'_>, forked: &Path, name: &str) -> anyhow::Result<String> {
    let own_root = host::current_dir()?;
    let made_in = std::fs::read_to_string(forked.join(name))?;
    let scratch = Scratch::make(forked.join(format!(".probe-{}", std::process::id())))?;
    let source = scratch.dir.join("lib.rs");
    disk::write_atomically(&source, compilation.smallest_source().as_bytes())?;

    let probe = |name: &str, root: &Path| {
        Unheard::start(&compilation.probe(&source, &scratch.dir.join(name), &own_root, root), root)
    };
    let (here, there) = (probe("here", &own_root)?, probe("there", Path::new(&made_in))?);
    here.wait()?;
    there.wait()?;
    let only_unit = |name: &str| {
        let units = caches::units(&scratch.dir.join(name).join("incremental"));
        units.into_iter().next().context("rustc has made no cache")
    };
    let (here, there) = (only_unit("here")?, only_unit("there")?);
    let name = here.file_name().and_then(OsStr::to_str).context("no name of rustc's")?;
    ensure!(std::fs::read_to_string(forked.join(name))? == made_in, "it is from a third tree");

    let graph = |unit: &Path| -> anyhow::Result<PathBuf> {
        let session = caches::newest_session(unit).context("rustc has finished no session")?;
        Ok(unit.join(session).join("dep-graph.bin"))
    };
    let cache = graph(&compilation.incremental.join(name))?;
    let (here, there) = (std::fs::read(graph(&here)?)?, std::fs::read(graph(&there)?)?);
    if let Some(exchanged) = exchange_hash(&std::fs::read(&cache)?, &there, &here) {
        disk::write_atomically(&cache, &exchanged)?; // A new file: the donor's stays what it is.
    }
    Ok(name.to_owned())
}

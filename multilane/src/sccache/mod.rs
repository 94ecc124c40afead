//! The shared cache: how a tree is set up for it, and what becomes of a compiler that is started
//! through it.
//!
//! sccache has no time limits where it matters, and fails a build when its server does. So each of
//! its calls is watched, and whatever it cannot do the compiler does itself.

pub mod server;
pub mod settings;
pub mod tally;

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;

use crate::files::Scratch;
use crate::process::{become_words, exit_code, run_words};
use crate::project::{Project, Session, toolchain};
use crate::sccache::server::{SETUP, SharedCache};
use crate::sccache::settings::{Settings, Setup, Standing, Way, hits, unusable};
use crate::sccache::tally::{TALLY, Tally};
use crate::ui::Ui;
use crate::{environment, files, ui};

/// How lines begin in which sccache speaks of itself.
const OWN_WORDS: &str = "sccache: ";

/// Has crates without an incremental cache go through sccache from now on, where there is one.
/// `dir` is the wrapper's folder.
pub fn provide_shared_cache(project: &Project, dir: &Path, ui: Ui) -> anyhow::Result<()> {
    let env = &project.session.env;
    if server::is_switched_off(env) {
        return Ok(());
    }
    let file = dir.join(SETUP);
    let known = std::fs::read_to_string(&file).ok();
    let program = env
        .find_program("sccache")
        .filter(|program| program.is_absolute() && program.to_str().is_some());
    let (Some(program), Some(home)) = (program, env.cache_home()) else {
        if known.is_some() {
            files::remove_own_file(&dir.join(server::PROGRAM))?;
            files::remove_own_file(&file)?;
        }
        return Ok(());
    };
    let settings = match &project.repo.settings.cache {
        None => Settings::default(),
        Some(item) => Settings::read(item).unwrap_or_else(|err| {
            let manifest = project.shown(&project.repo.root.join("Cargo.toml"));
            ui.warn(format_args!(
                "{manifest}: workspace.metadata.xtask.cache counts for nothing: {err:#}"
            ));
            Settings::default()
        }),
    };

    let state = toolchain::state(&program);
    let same = known.as_deref().and_then(Setup::from_text);
    let same = same.filter(|known| known.program == program && known.state == state);
    let unusable = match same {
        Some(known) => known.unusable,
        None => unusable(server::version(&program, dir).as_deref()),
    };
    let setup = settings.setup(&home).of_program(program, state, unusable);
    let through = dir.join(server::PROGRAM);
    match &setup.unusable {
        None => crate::retarget::wrapper::add_program(&through)?,
        Some(_) => files::remove_own_file(&through)?,
    }
    let text = setup.to_text();
    if known.as_ref() == Some(&text) {
        return Ok(());
    }
    files::write_atomically(&file, text.as_bytes())?;
    let shown = setup.program.display();
    match (&setup.unusable, known) {
        (Some(why), _) => ui.warn(format_args!("no shared cache: {shown} is not used, as {why}")),
        (None, None) => ui.status(
            "Using",
            format_args!("{shown}: crates of registries are shared with other lanes and workspaces (docs/shared-cache.md)"),
        ),
        (None, Some(_)) => {}
    }
    Ok(())
}

/// Where a build that begins now says what came of the cache; `None` where there is none.
pub fn tally(project: &Project) -> Option<Tally> {
    let is_used = project.repo.root.join(".cargo/wrapper").join(server::PROGRAM).exists();
    is_used.then(|| Tally::new(&project.session.env.runtime_dir(), environment::now()))
}

/// How many units came from the cache, where that can be told. Says what was wrong with it.
pub fn read_tally(project: &Project, tally: &Tally, ui: Ui) -> Option<u64> {
    let hits = || {
        let asked = tally.count()?;
        let cache = SharedCache::of_tree(&project.repo.root, &project.session.env)?;
        let way = cache.last_standing()?.way;
        let hits = hits(tally.before()?, cache.counts(way, &project.repo.root)?, asked)?;
        if let Some(home) = project.session.env.cache_home() {
            tally::add_to_brought(&home, asked, hits);
        }
        Some(hits)
    };
    let hits = hits();
    let warning = tally.warning();
    if tally.count().is_some() || warning.is_some() {
        tally.remove();
    }
    if let Some(warning) = warning {
        ui.warn(warning);
    }
    hits
}

/// `path` is how the script has started this, `compiler` what cargo wants: it is done in any case,
/// through the cache or not.
pub fn compile(session: &Session, path: &Path, compiler: &[OsString]) -> ExitCode {
    let dir = path.parent().unwrap_or(path);
    let through_it = if server::is_switched_off(&session.env) {
        None
    } else {
        SharedCache::open(dir, &session.env)
            .and_then(|cache| Compilation { session, cache, compiler }.run().ok()?)
    };
    through_it.unwrap_or_else(|| directly(session, compiler))
}

fn directly(session: &Session, compiler: &[OsString]) -> ExitCode {
    become_words(compiler).unwrap_or_else(|err| {
        session.ui.error(&err);
        ExitCode::FAILURE
    })
}

struct Compilation<'a> {
    session: &'a Session,
    cache: SharedCache<'a>,
    compiler: &'a [OsString],
}

impl Compilation<'_> {
    /// `None`: the compiler has to be started without the cache.
    fn run(&self) -> anyhow::Result<Option<ExitCode>> {
        files::make_private_dir(&self.session.env.runtime_dir())?;
        let standing = match self.cache.standing(environment::now()) {
            Some(standing) => standing,
            None => self.find_out()?,
        };
        self.warn(&standing);
        let way = standing.way;
        if way == Way::Off {
            return Ok(None);
        }
        let dir = environment::current_dir()?;
        if let Some(tally) = self.tally() {
            tally.begin(|| self.cache.counts(way, &dir).unwrap_or_default());
        }

        let Some(said) = self.cache.compile(way, self.compiler, &dir)? else {
            self.note(way, "its server does not answer".to_owned());
            return Ok(None);
        };
        if said.status.success() {
            if let Some(tally) = self.tally() {
                tally.add();
            }
            ui::pass_on(&said.stdout, &said.stderr, OWN_WORDS)?;
            return Ok(Some(ExitCode::SUCCESS));
        }
        // The compiler knows best what is wrong with the crate; if nothing is, something is wrong
        // with the cache.
        let status = run_words(self.compiler)?;
        if status.success() {
            self.note(way, server::first_line(&said));
        }
        Ok(Some(exit_code(status).into()))
    }

    /// Tries the cache out, once for all who want to know at this moment.
    fn find_out(&self) -> anyhow::Result<Standing> {
        let _lock = tally::lock(&self.cache.file(".lock"))?;
        if let Some(standing) = self.cache.standing(environment::now()) {
            return Ok(standing);
        }
        // A build ends as it has begun: what is asked in its middle would count as its own crates,
        // and it notices itself when something fails.
        let has_begun = self.tally().is_some_and(|tally| tally.before().is_some());
        if let Some(standing) = self.cache.last_standing().filter(|_| has_begun) {
            return Ok(standing);
        }
        let scratch = Scratch::make(self.cache.file(&format!(".probe-{}", std::process::id())))?;
        for (name, text) in server::SOURCES {
            files::write_atomically(&scratch.dir.join(name), text.as_bytes())?;
        }
        let rustc = self.compiler.first().context("no compiler")?;
        let mut why = None;
        let mut found = Way::Off;
        for &way in self.cache.ways() {
            match self.cache.try_out(way, rustc, &scratch.dir, environment::now()) {
                Ok(()) => {
                    found = way;
                    break;
                }
                Err(err) => why = Some(format!("{err:#}")),
            }
        }
        let standing = Standing::new(found, why, environment::now());
        self.remember(&standing)?;
        Ok(standing)
    }

    fn remember(&self, standing: &Standing) -> anyhow::Result<()> {
        tally::remove_all(&self.cache.file(".told-")); // Of builds that have been told what counts no longer.
        Ok(files::write_atomically(&self.cache.file(".json"), standing.to_text().as_bytes())?)
    }

    /// `way` has failed in the middle of a build.
    fn note(&self, way: Way, why: String) {
        let now = environment::now();
        // Several units may find out at once; the first one says so, and what comes next is tried
        // by itself.
        if self.cache.standing(now).is_none_or(|standing| standing.way == way) {
            let standing = Standing::after(way, why, now);
            drop(self.remember(&standing));
            self.warn(&standing);
        }
    }

    /// Once for each build. Not to stderr: cargo would keep the words as the compiler's, and repeat
    /// them whenever the crate is fresh.
    fn warn(&self, standing: &Standing) {
        let Some(warning) = standing.warning(environment::now()) else { return };
        if let Some(tally) = self.tally() {
            return tally.warn(&warning);
        }
        let Some(cargo) = environment::parent_id() else { return };
        if tally::write_once(&self.cache.file(&format!(".told-{cargo}")), "").is_ok() {
            self.session.ui.warn_beside(cargo, warning);
        }
    }

    fn tally(&self) -> Option<Tally> {
        Some(Tally::at(self.session.env.get(TALLY)?.into()))
    }
}

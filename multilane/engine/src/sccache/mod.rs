//! The shared cache: crates that come through sccache, where it is installed.
//!
//! sccache waits for its server without a limit, and fails a build when its server fails. So each
//! call is watched, and what sccache does not do the compiler does itself.

pub mod server;
pub mod state;
pub mod tally;
pub mod variables;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;

use crate::environment::Environment;
use crate::files::scratch::Scratch;
use crate::files::{self, lock};
use crate::lanes::occupy::PROBE;
use crate::process::{become_words, exit_code, run_words};
use crate::project::{Session, toolchain};
use crate::sccache::server::{PROGRAM_FILE, SharedCache, THROUGH_CACHE};
use crate::sccache::state::{CacheState, SccacheProgram, problem_with};
use crate::sccache::tally::{CacheCounts, LOCKED_MAX, TALLY, Tally};
use crate::sccache::variables::CacheReach;
use crate::ui::Ui;
use crate::{environment, ui};

/// How a line begins in which sccache speaks of itself.
const OWN_MESSAGE: &str = "sccache: ";

/// Has crates without an incremental cache compiled through sccache from now on, if it is
/// installed. `dir` is the wrapper's folder.
pub(crate) fn provide_shared_cache(env: &Environment, dir: &Path, ui: Ui) -> anyhow::Result<()> {
    if server::is_switched_off(env) {
        return Ok(());
    }
    let (file, through_cache) = (dir.join(PROGRAM_FILE), dir.join(THROUGH_CACHE));
    let known = files::read_text(&file).ok();
    let Some(path) = env.find_program("sccache").filter(|path| path.is_absolute()) else {
        if known.is_some() {
            files::remove_own_file(&through_cache)?;
            files::remove_own_file(&file)?;
        }
        return Ok(());
    };

    let state = toolchain::state(&path);
    let known = known.as_deref().and_then(SccacheProgram::from_text);
    let is_same = |known: &&SccacheProgram| known.path == path && known.state == state;
    let program = known.as_ref().filter(is_same).cloned().unwrap_or_else(|| {
        let problem = problem_with(server::version(&path, dir).as_deref());
        SccacheProgram { path, state, problem }
    });
    match &program.problem {
        None => {
            let program = environment::exe().context("cannot find our own program")?;
            files::provide_program(&program, &through_cache)?;
        }
        Some(_) => files::remove_own_file(&through_cache)?,
    }
    if known.as_ref() == Some(&program) {
        return Ok(());
    }
    files::write_atomically(&file, program.to_text().as_bytes())?;
    let shown = program.path.display();
    match &program.problem {
        Some(problem) => ui.warn(format_args!("not using {shown} as shared cache: {problem}")),
        None if known.is_none() => ui.status(
            "Using",
            format_args!(
                "{shown}: crates of registries are shared with other lanes and workspaces"
            ),
        ),
        None => {}
    }
    Ok(())
}

/// A tally for a build that begins now. `None` without a shared cache. `dir` is the wrapper's
/// folder.
pub fn tally(env: &Environment, dir: &Path) -> Option<Tally> {
    let is_used = dir.join(THROUGH_CACHE).exists();
    is_used.then(|| Tally::new(&env.runtime_dir(), environment::now()))
}

/// How many units came from the cache, if that is known. Warns of what was wrong with it.
/// `configured` is `[env]` of cargo's configuration.
pub fn read_tally(
    tally: &Tally,
    env: &Environment,
    configured: &BTreeMap<String, String>,
    dir: &Path,
    ui: Ui,
) -> Option<u64> {
    let asked = tally.asked();
    let hits = asked.and_then(|asked| {
        let cache = SharedCache::open(dir, env, configured)?;
        let after = cache.counts(cache.last_state()?.reach, dir)?;
        let hits = tally.hits(after)?;
        if let Some(home) = env.cache_home() {
            tally::add_to_totals(&home, CacheCounts { asked, hits });
        }
        Some(hits)
    });
    let warning = tally.warning();
    if asked.is_some() || warning.is_some() {
        tally.remove();
    }
    if let Some(warning) = warning {
        ui.warn(warning);
    }
    hits
}

/// Runs `compiler`, a program and its arguments, through the cache or without it. `path` is how the
/// wrapper has started this process.
pub fn compile(session: &Session, path: &Path, compiler: &[OsString]) -> ExitCode {
    let dir = path.parent().unwrap_or(path);
    // The wrapper tries with one word whether this program starts.
    let cache = if compiler.len() < 2 || server::is_switched_off(&session.env) {
        None
    } else {
        SharedCache::open(dir, &session.env, &BTreeMap::new())
    };
    let tally = session.env.get(TALLY).map(|file| Tally::at(file.into()));
    cache
        .and_then(|cache| CachedCompilation { session, cache, tally, compiler }.run().ok()?)
        .unwrap_or_else(|| compile_directly(session, compiler))
}

fn compile_directly(session: &Session, compiler: &[OsString]) -> ExitCode {
    become_words(compiler).unwrap_or_else(|err| {
        session.ui.error(&err);
        ExitCode::FAILURE
    })
}

struct CachedCompilation<'a> {
    session: &'a Session,
    cache: SharedCache,
    tally: Option<Tally>,
    compiler: &'a [OsString],
}

impl CachedCompilation<'_> {
    /// `None` if the compiler has to be started without the cache.
    fn run(&self) -> anyhow::Result<Option<ExitCode>> {
        files::make_private_dir(&self.session.env.runtime_dir())?;
        let state = match self.cache.state(environment::now()) {
            Some(state) => state,
            None => self.find_out()?,
        };
        self.warn(&state);
        let reach = state.reach;
        if reach == CacheReach::Off {
            return Ok(None);
        }
        let dir = environment::current_dir()?;
        if let Some(tally) = &self.tally {
            tally.begin(|| self.cache.counts(reach, &dir).unwrap_or_default());
        }

        let Some(said) = self.cache.compile(reach, self.compiler, &dir)? else {
            self.report_failure(reach, "its server does not answer".to_owned());
            return Ok(None);
        };
        if said.status.success() {
            if let Some(tally) = &self.tally {
                tally.add();
            }
            ui::pass_on(&said.stdout, &said.stderr, OWN_MESSAGE)?;
            return Ok(Some(ExitCode::SUCCESS));
        }
        // If the compiler succeeds where sccache failed, something is wrong with the cache.
        // Otherwise its own messages are better than what sccache made of them.
        let status = run_words(self.compiler)?;
        if status.success() {
            self.report_failure(reach, server::first_line(&said));
        }
        Ok(Some(exit_code(status).into()))
    }

    /// Tries the cache out. Other compilers that need the result wait for it, for a few seconds.
    fn find_out(&self) -> anyhow::Result<CacheState> {
        let _lock = lock::wait(&self.cache.path(".lock"), LOCKED_MAX)
            .context("another process takes long to try the cache out")?;
        if let Some(state) = self.cache.state(environment::now()) {
            return Ok(state);
        }
        // In the middle of a build the old state is good enough: the trial would be counted as one
        // of its crates, and a failure is noticed in any case.
        let has_begun = self.tally.as_ref().is_some_and(Tally::has_begun);
        if let Some(state) = self.cache.last_state().filter(|_| has_begun) {
            return Ok(state);
        }
        let scratch = Scratch::make(&self.session.env.runtime_dir(), PROBE)?;
        for (name, text) in server::SOURCES {
            files::write_atomically(&scratch.dir.join(name), text.as_bytes())?;
        }
        let rustc = self.compiler.first().context("no compiler")?;
        let mut problem = None;
        let mut reach = CacheReach::Off;
        for &tried in self.cache.variables.reaches() {
            match self.cache.try_out(tried, rustc, &scratch.dir, environment::now()) {
                Ok(()) => {
                    reach = tried;
                    break;
                }
                Err(err) => problem = Some(format!("{err:#}")),
            }
        }
        let state = CacheState::new(reach, problem, environment::now());
        self.remember(&state)?;
        Ok(state)
    }

    /// Builds that were warned of the old state are warned of the new one, too.
    fn remember(&self, state: &CacheState) -> anyhow::Result<()> {
        tally::remove_all(&self.cache.path(".told-"));
        Ok(files::write_atomically(&self.cache.path(".json"), state.to_text().as_bytes())?)
    }

    /// `reach` has failed in the middle of a build. Of several compilers that find out at once the
    /// first one reports it.
    fn report_failure(&self, reach: CacheReach, problem: String) {
        let now = environment::now();
        if self.cache.state(now).is_none_or(|state| state.reach == reach) {
            let state = CacheState::after_failure(reach, problem, now);
            _ = self.remember(&state);
            self.warn(&state);
        }
    }

    /// Warns once for each build. Not on stderr: cargo would keep it as a message of the compiler,
    /// and repeat it whenever the crate is fresh.
    fn warn(&self, state: &CacheState) {
        let Some(warning) = state.warning(environment::now()) else { return };
        if let Some(tally) = &self.tally {
            return tally.warn(&warning);
        }
        let Some(cargo) = environment::parent_id() else { return };
        if tally::write_once(&self.cache.path(&format!(".told-{cargo}")), "").is_ok() {
            self.session.ui.warn_beside(cargo, warning);
        }
    }
}

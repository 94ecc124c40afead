//! Permits: how many compilers, links and tests of a user run at the same time, in all trees and
//! lanes.
//!
//! The compiler wrapper starts compilers through this, and the test runner tests. The process takes
//! what it needs and becomes the program, which so has a permit for exactly its life. Whatever goes
//! wrong, the program starts without.

pub mod limits;
pub mod need;
pub mod pool;
pub mod view;
mod want;

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use crate::environment::{self, Environment};
use crate::lanes::git_asked;
use crate::permits::pool::Queue;
use crate::process::{become_with, spawn_beside};
use crate::project::Session;
use crate::project::root::WRAPPER_DIR;
pub use crate::project::shared_program::PERMIT;
use crate::project::shared_program::runner_variable;
use crate::{files, ui};
pub use want::Want;

/// Beside the compiler wrapper: how many permits, and how much memory, the project allows
/// ([`limits::Asked`]).
pub const SETTINGS: &str = "permits";

/// What that file has where the project wants none.
pub(crate) const OFF: &str = "off\n";

/// `off`, or how many permits there are.
pub const VARIABLE: &str = "MULTILANE_PERMITS";

/// How much memory links may have, in MiB.
pub const MEMORY_VARIABLE: &str = "MULTILANE_PERMITS_MEMORY";

/// Where the permits are, instead of where all processes of the user look for them.
pub const FILE_VARIABLE: &str = "MULTILANE_PERMITS_FILE";

/// Whoever has a permit tells what it starts: if a test starts a cargo, or a macro does, a second
/// permit would wait for the first.
const HELD_VARIABLE: &str = "MULTILANE_PERMIT_HELD";

/// How long a compiler waits before it starts without. With the fairness of the queues only a
/// machine that stands still makes anybody wait as long.
const PATIENCE: Duration = Duration::from_secs(600);

/// The same for a test, of whose time limit its runner takes the wait.
const PATIENCE_OF_TEST: Duration = Duration::from_secs(10);

/// When a wait is told.
const SILENT: Duration = Duration::from_secs(1);

/// Whether the user has switched them off.
pub fn is_switched_off(env: &Environment) -> bool {
    env.get(VARIABLE).is_some() && !env.is_on(VARIABLE)
}

/// Becomes a program with its arguments, with a permit if it wants one. `words` has `compiler` or
/// `test` before them; `path` is how this process was started.
pub fn start(session: &Session, path: &Path, words: &[OsString]) -> ExitCode {
    let Some((kind, words @ [program, args @ ..])) = words.split_first() else {
        return ExitCode::SUCCESS; // The wrapper tries whether this program starts.
    };
    let env = &session.env;
    let want = match kind == "test" {
        true => Want::of_program(program),
        false => Want::of_compiler(env.get("CARGO_PKG_NAME"), args),
    };
    // A test is started by a program that all projects share.
    let settings = match env.get("CARGO_MANIFEST_DIR").filter(|_| kind == "test") {
        Some(dir) => Path::new(dir)
            .ancestors()
            .map(|dir| dir.join(WRAPPER_DIR).join(SETTINGS))
            .find(|file| file.is_file()),
        None => Some(path.with_file_name(SETTINGS)),
    };
    let settings = settings.and_then(|file| files::read_text(file).ok()).unwrap_or_default();
    let is_off = is_switched_off(env) || settings == OFF;
    let is_wanted = want != Want::Nothing && !is_off && env.get(HELD_VARIABLE).is_none();
    let _pool = is_wanted.then(|| take(session, want, &settings).ok()).flatten();
    let held = is_wanted.then(|| (HELD_VARIABLE.to_owned(), Some("1".into())));
    // A cargo that a test starts has the runners that its own configuration names.
    let runner = (kind == "test").then(|| (runner_variable(), None));
    // What a test asks git is nothing that was built from it.
    let git =
        (kind == "test" && git_asked::is_ours(env)).then(|| (git_asked::VARIABLE.into(), None));
    let doctests = is_of_doctests(program).then(|| (DOCTESTS.to_owned(), Some(program.clone())));
    become_with(words, held.into_iter().chain(runner).chain(git).chain(doctests)).unwrap_or_else(
        |err| {
            session.ui.error(&err);
            ExitCode::FAILURE
        },
    )
}

/// Where a program that has many doctests in it finds itself, to start each in a process of its
/// own. rustdoc sets it only where there is no runner (librustdoc/doctest.rs); without it they all
/// run in one, in which one that ends the process takes the others with it, and all pass.
const DOCTESTS: &str = "RUSTDOC_DOCTEST_BIN_PATH";

/// rustdoc's name for what it compiles of doctests.
fn is_of_doctests(program: &OsStr) -> bool {
    Path::new(program).file_stem().is_some_and(|name| name == "rust_out")
}

fn take(session: &Session, want: Want, settings: &str) -> std::io::Result<pool::Pool> {
    let env = &session.env;
    let pool = pool::Pool::open(&pool::place(env))?;
    let asked = limits::Asked::read(env, settings);
    let begun = Instant::now();
    let mut known: Option<(Instant, limits::Limits)> = None;
    // The machine is looked at again now and then: it is asked for at each turn.
    let mut limits = || match known {
        Some((at, limits)) if at.elapsed() < Duration::from_millis(200) => limits,
        _ => {
            let mut limits = limits::Limits::of(limits::Machine::read(), asked);
            // Nobody waits for what was stopped, by ctrl-z, say, or hangs.
            if begun.elapsed() >= SILENT {
                limits.permits += view::State::read(&pool::place(env)).idle();
            }
            known = Some((Instant::now(), limits));
            limits
        }
    };
    let parent = environment::parent_id();
    let mut looked: Option<Instant> = None;
    let mut waits = |time: Duration, what: &str| {
        // The cargo or the runner that wanted it has been killed, and nobody else does.
        if environment::parent_id() != parent {
            std::process::exit(1);
        }
        if time < SILENT || looked.is_some_and(|looked| looked.elapsed() < SILENT) {
            return false;
        }
        if looked.replace(Instant::now()).is_none() {
            tell(session, &pool, what);
        }
        view::State::read(&pool::place(env)).is_behind_stopped(std::process::id())
    };
    // A job server of another's, such as make's: with one of its tokens in hand nobody waits.
    let is_of_make =
        env.get("MAKEFLAGS").is_some_and(|flags| flags.to_string_lossy().contains("jobserver"));
    let patience = match want {
        _ if is_of_make => Duration::ZERO,
        Want::Test => PATIENCE_OF_TEST,
        _ => PATIENCE,
    };
    if let Want::Link { unit } = want {
        let mib = need::of(env, unit).unwrap_or(limits::OF_LINK_MIB);
        let blocks = mib.div_ceil(limits::BLOCK_MIB);
        pool.take_memory(blocks, patience, &mut limits, |time| waits(time, "memory to link"))?;
        spawn_beside("learn-link", &[std::process::id().to_string(), unit.to_string()]);
    }
    let queue = if want == Want::Check { Queue::Express } else { Queue::Permit };
    pool.take(queue, patience, limits, |time| waits(time, "a permit"))?;
    pool.keep()?;
    Ok(pool)
}

/// Says once in a build, or in a minute of it, that it waits and for whom: where cargo speaks, not
/// in the compiler's messages, which cargo would keep and repeat.
fn tell(session: &Session, pool: &pool::Pool, what: &str) {
    use crate::files::positioned;
    const TOLD: u64 = 1 << 10;
    const PLACES: u64 = 1 << 12;
    const AGAIN_SECONDS: u64 = 60;
    let Some(build) = environment::parent_id() else { return };
    let now =
        environment::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_secs();
    let at = TOLD + 8 * (u64::from(build) % PLACES);
    let last = positioned::read_u64(&pool.file, at).unwrap_or_default();
    if now.saturating_sub(last) < AGAIN_SECONDS
        || positioned::write_u64(&pool.file, at, now).is_err()
    {
        return;
    }
    let state = view::State::read(&pool::place(&session.env));
    let holders = state.holders.iter().filter_map(|holder| view::Process::read(*holder));
    let who = holders.max_by_key(|holder| holder.age);
    let who = who.map_or_else(String::new, |who| format!(", the longest by {who}"));
    let taken = state.holders.len();
    let line =
        format!("this build waits for {what}: {taken} in use{who} (`lane status` shows them all)");
    session.ui.note_beside(build, ui::printable(line));
}

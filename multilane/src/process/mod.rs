//! Starts processes: cargo, git, rustc. Nothing else in xtask does.
//!
//! cargo describes xtask to xtask in environment variables (`CARGO_PKG_NAME`, …). Some build
//! scripts watch those, so a cargo that inherited them would rebuild units which plain cargo finds
//! fresh. They are cleared here, once, for all.

mod ask;
mod attempt;
mod background;
mod count;
mod listen;
mod measure;
mod signals;
pub mod step;

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::{Command, ExitCode, ExitStatus, Output, Stdio};

use anyhow::{Context as _, bail};
pub use ask::{Answer, Asker, Silence};
#[cfg(unix)]
pub use attempt::become_words;
pub use attempt::{Said, TICK, attempt, for_at_most, run_words};
pub use background::Unheard;
pub use count::Units;
pub use measure::processor_seconds;
pub use signals::Held;

use crate::environment;
use crate::environment::Environment;
use crate::process::step::{Counting, Program, Step};

/// The door to other processes.
#[derive(Clone)]
pub struct Shell {
    inner: xshell::Shell,
    cargo: OsString,
    /// rustup's, where there is one. It understands `+nightly`, which the one inside a toolchain
    /// does not.
    cargo_on_path: OsString,
    /// What the environment of a child differs in from ours.
    changes: Vec<(OsString, Option<OsString>)>,
}

/// Variables that tell git of a repository, whatever directory it is started in (`git rev-parse
/// --local-env-vars`). Git sets some of them for hooks and for what a rebase executes, and we ask
/// about more than one worktree.
const OF_ONE_REPOSITORY: [&str; 7] = [
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_COMMON_DIR",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_PREFIX",
];

/// How a step ended.
pub struct Outcome {
    pub status: ExitStatus,
    /// What was compiled and what was fresh, where the step tells.
    pub units: Option<Units>,
    /// A signal came while it ran: nothing more should be begun.
    pub interrupted: bool,
}

impl Shell {
    pub fn new(env: &Environment) -> anyhow::Result<Shell> {
        let exe_dir = environment::exe_dir();
        let cargo_on_path =
            env.real_cargo().map_or_else(|| OsString::from("cargo"), OsString::from);
        Ok(Shell {
            // Set by `cargo run`: the cargo that the user called. Started without it, as `make`
            // does: the one on `PATH`.
            cargo: env.get("CARGO").map_or_else(|| cargo_on_path.clone(), OsStr::to_owned),
            changes: environment_changes(env, exe_dir.as_deref()),
            ..Shell::as_is(cargo_on_path)?
        })
    }

    /// One whose children see what we see, to the letter.
    pub fn as_is(cargo: OsString) -> anyhow::Result<Shell> {
        let inner = xshell::Shell::new().context("cannot read the current directory")?;
        Ok(Shell { inner, cargo_on_path: cargo.clone(), cargo, changes: Vec::new() })
    }

    /// One whose children see what they would in the user's shell, before cargo and rustup added to
    /// it: a shell in which `RUSTUP_TOOLCHAIN` stayed would use this toolchain wherever it went.
    pub fn outside_of_cargo(env: &Environment) -> anyhow::Result<Shell> {
        let mut sh = Shell::new(env)?;
        let is_from_cargo_run = env.get("CARGO_MANIFEST_DIR").is_some();
        sh.changes.extend(is_from_cargo_run.then(|| ("CARGO".into(), None)));
        // rustup 1.29 and later say so; who has set the variable themselves, or typed `+name`,
        // meant it.
        if let Some(source) = env.get("RUSTUP_TOOLCHAIN_SOURCE") {
            let is_meant = source == "env" || source == "cli";
            sh.changes.extend((!is_meant).then(|| ("RUSTUP_TOOLCHAIN".into(), None)));
            sh.changes.extend(
                ["RUSTUP_TOOLCHAIN_SOURCE", "RUST_RECURSION_COUNT"].map(|name| (name.into(), None)),
            );
        }
        Ok(sh)
    }

    /// The standard output of a short-lived process.
    ///
    /// # Errors
    ///
    /// When it cannot be started or ends without success; the error holds what it wrote to stderr.
    pub fn read(
        &self,
        program: impl AsRef<OsStr>,
        args: impl IntoIterator<Item = impl AsRef<OsStr>>,
        dir: &Path,
    ) -> anyhow::Result<Vec<u8>> {
        let program = program.as_ref();
        let output = self.output(program, args, dir)?;
        if !output.status.success() {
            let stderr = String::from_utf8_lossy(&output.stderr);
            bail!("{} failed: {}", program.display(), stderr.trim());
        }
        Ok(output.stdout)
    }

    /// What a short-lived process has written, for those whose exit code says what they have found.
    pub fn output(
        &self,
        program: &OsStr,
        args: impl IntoIterator<Item = impl AsRef<OsStr>>,
        dir: &Path,
    ) -> anyhow::Result<Output> {
        let _dir = self.inner.push_dir(dir);
        let mut command = self.inner.cmd(program).args(args).quiet().ignore_status();
        for (name, value) in &self.changes {
            command = match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        if program == "git" {
            for name in OF_ONE_REPOSITORY {
                command = command.env_remove(name);
            }
        }

        Ok(command.output()?)
    }

    /// The standard output of a short-lived cargo.
    pub fn read_cargo(&self, args: &[impl AsRef<OsStr>], dir: &Path) -> anyhow::Result<Vec<u8>> {
        self.read(&self.cargo, args, dir)
    }

    /// Carries out one step of a recipe, in the user's directory, with everything passed through.
    ///
    /// `variable` is for what is started below, and no part of the recipe. Ctrl-c and `kill` reach
    /// the child; this returns when the child has ended.
    pub fn run(&self, step: &Step, variable: Option<(&str, &Path)>) -> anyhow::Result<Outcome> {
        let mut command = self.command(step);
        command.envs(variable);
        signals::end_with_parent(&mut command);
        if step.counting != Counting::No {
            command.stdout(Stdio::piped());
        }
        let mut signals = signals::Forwarding::start();
        let mut child = command.spawn().with_context(|| format!("cannot start {step}"))?;
        signals.to(child.id());

        let forwards_all = step.counting == Counting::Overhear;
        let units = child.stdout.take().map(|stdout| count::count(stdout, forwards_all));
        let status = child.wait().with_context(|| format!("cannot wait for {step}"))?;
        let interrupted = signals.finish();
        signals::end_like(status);
        Ok(Outcome { status, units, interrupted })
    }

    #[expect(clippy::disallowed_methods, reason = "this is the one place")]
    fn command(&self, step: &Step) -> Command {
        let program = match &step.program {
            Program::Cargo => &self.cargo,
            Program::CargoOf { .. } => &self.cargo_on_path,
            Program::Other(program) => program,
        };
        let mut command = Command::new(program);
        command.args(step.execution_args());
        for (name, value) in self.changes.iter().chain(&step.env) {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command
    }

    /// Becomes the step's process, in `dir`, so that whoever started us has it in our place. Where
    /// the system cannot do that, starts it and ends as it does.
    ///
    /// # Errors
    ///
    /// When it cannot be started; otherwise nothing comes back on Unix.
    #[cfg(unix)]
    pub fn become_step(&self, step: &Step, dir: &Path) -> anyhow::Result<ExitCode> {
        use std::os::unix::process::CommandExt as _;
        let err = self.command(step).current_dir(dir).exec();
        Err(err).with_context(|| format!("cannot start {}", step.program))
    }

    #[cfg(not(unix))]
    pub fn become_step(&self, step: &Step, dir: &Path) -> anyhow::Result<ExitCode> {
        let status = self.command(step).current_dir(dir).status();
        let status = status.with_context(|| format!("cannot start {}", step.program))?;
        let code = status.code().and_then(|code| u8::try_from(code).ok());
        Ok(ExitCode::from(code.unwrap_or(1)))
    }
}

/// What has to be cleared from the environment, or put back, so that cargo sees what it would see
/// without xtask.
fn environment_changes(
    env: &Environment,
    exe_dir: Option<&Path>,
) -> Vec<(OsString, Option<OsString>)> {
    let mut changes = Vec::new();
    for (name, _) in env.iter() {
        if name.to_str().is_some_and(describes_xtask) {
            changes.push((name.to_owned(), None));
        }
    }

    // `cargo run` puts its own directories in front of the library path; rustup's entry, which is
    // there under plain cargo too, stays.
    let library_path = match std::env::consts::OS {
        "macos" => "DYLD_FALLBACK_LIBRARY_PATH",
        "windows" => "PATH",
        _ => "LD_LIBRARY_PATH",
    };
    if let (Some(value), Some(exe_dir)) = (env.get(library_path), exe_dir) {
        let is_from_cargo_run = |path: &Path| {
            let in_rustlib =
                path.ancestors().nth(2).is_some_and(|dir| dir.ends_with("lib/rustlib"));
            path.starts_with(exe_dir) || in_rustlib
        };
        let kept = std::env::split_paths(value).filter(|path| !is_from_cargo_run(path));
        if let Ok(kept) = std::env::join_paths(kept) {
            changes.push((library_path.into(), if kept.is_empty() { None } else { Some(kept) }));
        }
    }
    changes
}

/// The variables that cargo sets for a program that it runs (the Cargo Book, "Environment
/// Variables"), and that are wrong for the next cargo. `CARGO` itself stays: it says which cargo
/// was called.
fn describes_xtask(name: &str) -> bool {
    const PREFIXES: [&str; 5] =
        ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_CFG_", "CARGO_BIN_", "CARGO_FEATURE_"];
    const NAMES: [&str; 5] = [
        "CARGO_CRATE_NAME",
        "CARGO_PRIMARY_PACKAGE",
        "CARGO_TARGET_TMPDIR",
        "CARGO_MAKEFLAGS",
        "OUT_DIR",
    ];
    PREFIXES.iter().any(|prefix| name.starts_with(prefix)) || NAMES.contains(&name)
}

/// The child's own code; 128 + the signal's number where one ended it, as shells have it.
pub fn exit_code(status: ExitStatus) -> u8 {
    #[cfg(unix)]
    let by_signal =
        std::os::unix::process::ExitStatusExt::signal(&status).map(|signal| 128 + signal);
    #[cfg(not(unix))]
    let by_signal = None;

    status.code().or(by_signal).and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}

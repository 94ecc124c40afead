//! Starts processes: cargo, git, rustc. Nothing else in the engine does.
//!
//! cargo describes xtask to xtask in environment variables (`CARGO_PKG_NAME`, …). Some build
//! scripts watch those, so a cargo that inherited them would rebuild units which plain cargo finds
//! fresh. They are cleared here, once, for all.

mod background;
mod count;
mod signals;
pub mod step;
mod watchdog;

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
pub use background::Unheard;
pub use count::Units;
pub use signals::{Forwarding, Held, end_with_parent};
pub use watchdog::{TICK, attempt, for_at_most, watch};

use crate::environment::{self, Environment};
use crate::files;
use crate::process::step::{Counting, Program, Step};
use crate::ui;

/// How the environment of a child differs from ours: a value, or `None` to unset the variable.
type Change = (OsString, Option<OsString>);

const UNCHANGED: &[Change] = &[];

/// Every process of ours begins here: `program` with `args`, in `dir` or the current directory,
/// with `changes` in its environment.
///
/// # Errors
///
/// When the current directory cannot be read.
#[expect(clippy::disallowed_methods, reason = "this is the one place")]
fn command<'c, N: AsRef<OsStr> + 'c, V: AsRef<OsStr> + 'c>(
    program: &OsStr,
    args: impl IntoIterator<Item = impl AsRef<OsStr>>,
    dir: Option<&Path>,
    changes: impl IntoIterator<Item = &'c (N, Option<V>)>,
) -> anyhow::Result<Command> {
    let sh = xshell::Shell::new().context("cannot read the current directory")?;
    let _dir = dir.map(|dir| sh.push_dir(dir));
    let args: Vec<OsString> = args.into_iter().map(|arg| arg.as_ref().to_owned()).collect();
    let looks = if program == "git" { settings_for_looking(&args) } else { &[] };
    let mut command = sh.cmd(program).args(looks).args(args);
    for (name, value) in changes {
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
    Ok(command.into())
}

/// What keeps git from starting programs of the repository's while it answers a question. Hooks are
/// for those who make a worktree.
fn settings_for_looking(args: &[OsString]) -> &'static [&'static str] {
    const NO_MONITOR: [&str; 4] = ["-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null"];
    match args {
        [command, ..] if command == "config" => &[],
        [command, verb, ..] if command == "worktree" && verb == "add" => &NO_MONITOR[..2],
        _ => &NO_MONITOR,
    }
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

/// Which cargo is started, and in which environment it and other programs run.
#[derive(Clone)]
pub struct Shell {
    /// The cargo that the user called.
    pub cargo: OsString,
    /// rustup's, where there is one. It understands `+nightly`, which the one inside a toolchain
    /// does not.
    cargo_on_path: OsString,
    changes: Vec<Change>,
}

/// How a step ended.
pub struct Outcome {
    pub status: ExitStatus,
    /// What was compiled and what was fresh, where the step tells.
    pub units: Option<Units>,
    /// A signal came while it ran: nothing more should be begun.
    pub interrupted: bool,
}

impl Shell {
    pub fn new(env: &Environment) -> Shell {
        let exe_dir = environment::exe_dir();
        let cargo_on_path =
            env.real_cargo().map_or_else(|| OsString::from("cargo"), OsString::from);
        Shell {
            // Set by `cargo run`: the cargo that the user called. Started without it, as `make`
            // does: the one on `PATH`.
            cargo: env.get("CARGO").map_or_else(|| cargo_on_path.clone(), OsStr::to_owned),
            cargo_on_path,
            changes: environment_changes(env, exe_dir.as_deref()),
        }
    }

    /// One whose children see our environment unchanged.
    pub fn as_is(cargo: OsString) -> Shell {
        Shell::with_changes(cargo, Vec::new())
    }

    /// One whose children see our environment with these changes.
    pub fn with_changes(cargo: OsString, changes: Vec<Change>) -> Shell {
        Shell { cargo_on_path: cargo.clone(), cargo, changes }
    }

    /// One whose children see what they would in the user's shell, before cargo and rustup added to
    /// it: a shell in which `RUSTUP_TOOLCHAIN` stayed would use this toolchain wherever it went.
    pub fn outside_of_cargo(env: &Environment) -> Shell {
        let mut sh = Shell::new(env);
        let is_from_cargo_run = env.get("CARGO_MANIFEST_DIR").is_some();
        sh.changes.extend(is_from_cargo_run.then(|| ("CARGO".into(), None)));
        // rustup 1.29 and later say so. A user who has set the variable, or typed `+name`, meant
        // it.
        if let Some(source) = env.get("RUSTUP_TOOLCHAIN_SOURCE") {
            let is_meant = source == "env" || source == "cli";
            sh.changes.extend((!is_meant).then(|| ("RUSTUP_TOOLCHAIN".into(), None)));
            sh.changes.extend(
                ["RUSTUP_TOOLCHAIN_SOURCE", "RUST_RECURSION_COUNT"].map(|name| (name.into(), None)),
            );
        }
        sh
    }

    /// `program` with `args`, to be run in `dir`.
    pub fn command(
        &self,
        program: impl AsRef<OsStr>,
        args: impl IntoIterator<Item = impl AsRef<OsStr>>,
        dir: &Path,
    ) -> anyhow::Result<Command> {
        command(program.as_ref(), args, Some(dir), &self.changes)
    }

    /// A step, to be run where it says or where the user stands.
    pub fn step_command(&self, step: &Step) -> anyhow::Result<Command> {
        let program = match &step.program {
            Program::Cargo => &self.cargo,
            Program::CargoOf { .. } => &self.cargo_on_path,
            Program::Other(program) => program,
        };
        let changes = self.changes.iter().chain(&step.env);
        command(program, step.execution_args(), step.dir(), changes)
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
            bail!("{} failed: {}", program.to_string_lossy(), stderr.trim());
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
        /// Only what hangs takes as long: a checkout of a large repository, or dependencies that
        /// cargo fetches, may take minutes.
        const LIMIT: Duration = Duration::from_secs(30 * 60);
        const SILENT_MAX: Duration = Duration::from_secs(10);
        let mut command = self.command(program, args, dir)?;
        let words = command.get_args().take(4).map(OsStr::to_string_lossy).collect::<Vec<_>>();
        let shown = format!("{} {}", program.to_string_lossy(), words.join(" "));
        let (begun, mut has_said) = (Instant::now(), false);
        let goes_on = || {
            if begun.elapsed() >= SILENT_MAX && !has_said {
                has_said = true;
                ui::note(format_args!("waiting for `{shown}`"));
            }
            begun.elapsed() < LIMIT
        };
        watch(&mut command, TICK, goes_on, |child| drop(child.kill()))
            .with_context(|| format!("cannot start {}", program.to_string_lossy()))?
            .with_context(|| format!("`{shown}` has not answered for {} min", LIMIT.as_secs() / 60))
    }

    /// The paths that git lists with `-z`, from `dir` on.
    pub fn git_paths(
        &self,
        args: impl IntoIterator<Item = impl AsRef<OsStr>>,
        dir: &Path,
    ) -> anyhow::Result<Vec<PathBuf>> {
        Ok(files::paths_in(&self.read("git", args, dir)?, dir).collect())
    }

    /// The standard output of a short-lived cargo.
    pub fn read_cargo(&self, args: &[impl AsRef<OsStr>], dir: &Path) -> anyhow::Result<Vec<u8>> {
        self.read(&self.cargo, args, dir)
    }

    /// Carries out one step of a recipe, in the user's directory, with everything passed through.
    ///
    /// `variables` are for what is started below, and no part of the recipe. Ctrl-c and `kill`
    /// reach the child; this returns when the child has ended.
    pub fn run(&self, step: &Step, variables: &[(String, PathBuf)]) -> anyhow::Result<Outcome> {
        let mut command = self.step_command(step)?;
        command.envs(variables.iter().map(|(name, value)| (name, value)));
        end_with_parent(&mut command);
        if step.counting != Counting::No {
            command.stdout(Stdio::piped());
        }
        let mut signals = Forwarding::start();
        let mut child = command.spawn().with_context(|| format!("cannot start {step}"))?;
        signals.to(child.id());

        let forwards_all = step.counting == Counting::Overhear;
        let units = child.stdout.take().map(|stdout| count::count(stdout, forwards_all));
        let status = child.wait().with_context(|| format!("cannot wait for {step}"))?;
        let interrupted = signals.finish();
        signals::end_like(status);
        Ok(Outcome { status, units, interrupted })
    }

    /// Becomes the step's process, in `dir`.
    ///
    /// # Errors
    ///
    /// When it cannot be started; otherwise nothing comes back on Unix.
    pub fn become_step(&self, step: &Step, dir: &Path) -> anyhow::Result<ExitCode> {
        become_command(self.step_command(step)?.current_dir(dir))
    }
}

/// Every process that one has started, and that these have started, as far as `/proc` tells. Empty
/// where there is none (macOS).
pub fn below(process: u32) -> Vec<u32> {
    let mut found = vec![process];
    let mut at = 0;
    while let Some(process) = found.get(at) {
        let tasks = files::subdirectories(Path::new(&format!("/proc/{process}/task")));
        let children: Vec<String> =
            tasks.filter_map(|task| files::read_text(task.join("children")).ok()).collect();
        let ids = children.iter().flat_map(|ids| ids.split_whitespace());
        found.extend(ids.filter_map(|id| id.parse::<u32>().ok()));
        at += 1;
    }
    found.split_off(1)
}

/// Becomes the process `words`, a program and its arguments.
///
/// # Errors
///
/// When it cannot be started; otherwise nothing comes back on Unix.
pub fn become_words(words: &[OsString]) -> anyhow::Result<ExitCode> {
    let (program, args) = words.split_first().context("no program")?;
    become_command(&mut command(program, args, None, UNCHANGED)?)
}

/// The same in this process's own environment and directory, with other values of these variables.
/// It is on the way to each compiler: nothing is looked at that need not be.
///
/// # Errors
///
/// As of [`become_words`].
#[expect(clippy::disallowed_methods, reason = "the environment is cargo's own and stays")]
pub fn become_with(
    words: &[OsString],
    changes: impl Iterator<Item = (String, Option<OsString>)>,
) -> anyhow::Result<ExitCode> {
    let (program, args) = words.split_first().context("no program")?;
    let mut command = Command::new(program);
    for (name, value) in changes {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    become_command(command.args(args))
}

/// Starts this program with a verb of its own, to work beside what this process becomes. It is not
/// waited for, and hears and says nothing.
#[expect(clippy::disallowed_methods, reason = "it is this program, in its own environment")]
pub fn spawn_beside(verb: &str, args: &[String]) {
    let Some(program) = environment::exe() else { return };
    let mut command = Command::new(program);
    #[cfg(unix)]
    std::os::unix::process::CommandExt::arg0(&mut command, "multilane");
    command.arg(verb).args(args);
    drop(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn());
}

/// Runs `words`, a program and its arguments, with all streams passed through.
pub fn run_words(words: &[OsString]) -> anyhow::Result<ExitStatus> {
    let (program, args) = words.split_first().context("no program")?;
    let mut command = command(program, args, None, UNCHANGED)?;
    end_with_parent(&mut command);
    command.status().with_context(|| format!("cannot start {}", program.to_string_lossy()))
}

/// Where the system cannot replace this process by another, starts it and ends with its code.
fn become_command(command: &mut Command) -> anyhow::Result<ExitCode> {
    #[cfg(unix)]
    let started = Err(std::os::unix::process::CommandExt::exec(command));
    #[cfg(not(unix))]
    let started = command.status().map(|status| exit_code(status).into());
    started.with_context(|| format!("cannot start {}", command.get_program().to_string_lossy()))
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

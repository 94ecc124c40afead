//! What every verb begins and ends with: find the workspace and the lane, carry out the recipe, sum up.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, ExitStatus};
use std::time::{Duration, Instant};

use crate::effects::disk::tally::{TALLY, Tally};
use crate::effects::disk::{self, InUse};
use crate::effects::shell::{Outcome, Shell, Units};
use crate::effects::ui::{self, Ui};
use crate::facts::cargo_config::CargoConfig;
use crate::facts::common::Common;
use crate::facts::host::{self, Environment};
use crate::facts::packages::normalized;
use crate::facts::repo::Repo;
use crate::facts::tools;
use crate::flags::OwnFlags;
use crate::flags::cargo::CargoFlags;
use crate::plan::cranelift;
use crate::plan::lane::{self, Agent, DETOUR_VARIABLES, Detours, KeyInputs, Lane, Owner};
use crate::plan::recipe::{Counting, Recipe};
use crate::plan::stats::milliseconds;
use crate::verbs::cold::ColdStart;

/// One call of xtask.
pub(crate) struct Session {
    pub(crate) env: Environment,
    pub(crate) ui: Ui,
    /// When `main` began.
    pub(crate) started: Instant,
}

/// The workspace that a verb works on, and the means to do so.
pub(crate) struct Workspace {
    pub(crate) session: Session,
    pub(crate) sh: Shell,
    pub(crate) repo: Repo,
    pub(crate) config: CargoConfig,
}

/// What of a command line decides on the lane.
#[derive(Default)]
pub(crate) struct LaneChoice<'a> {
    pub(crate) features: &'a [String],
    pub(crate) all_features: bool,
    pub(crate) no_default_features: bool,
    pub(crate) targets: &'a [String],
    /// `--profile`
    pub(crate) profile: Option<&'a str>,
    /// `--target-dir`
    pub(crate) named: Option<&'a Path>,
    /// `nightly` of `+nightly`
    pub(crate) toolchain: Option<&'a str>,
    /// Whether cargo may write `Cargo.lock`, and how it is told not to use the network.
    pub(crate) lockfile: Lockfile,
}

#[derive(Clone, Copy, Default, PartialEq)]
pub(crate) enum Lockfile {
    #[default]
    MayBeMade,
    MayBeMadeOffline,
    MustStay,
}

impl Session {
    /// `manifest_path` is what the user gave as such; cargo then works on that workspace, and so do we.
    pub(crate) fn workspace(self, manifest_path: Option<&Path>) -> anyhow::Result<Workspace> {
        // A malformed name is refused before anything else happens, whatever the verb.
        Agent::from_environment(self.env.get("AGENT_ID"))?;
        let start = host::current_dir()?;
        let inside = match manifest_path.and_then(Path::parent) {
            Some(dir) => start.join(dir),
            None => start.clone(),
        };
        let repo = Repo::locate(start.clone(), &normalized(&inside))?;
        let config = CargoConfig::read(&start, &self.env);
        if let (Some(common), Some(exe)) = (Common::of(&repo.root), host::exe()) {
            disk::refresh_shared_program(&common, &exe);
        }
        Ok(Workspace { sh: Shell::new(&self.env)?, repo, config, session: self })
    }

    /// For a verb with cargo's options. `VERBOSE` counts as one `--verbose`.
    pub(crate) fn workspace_for(self, flags: &mut CargoFlags) -> anyhow::Result<Workspace> {
        if self.env.is_on("VERBOSE") && !flags.own.quiet {
            flags.own.verbose = flags.own.verbose.max(1);
        }
        self.workspace(flags.manifest.manifest_path.as_deref())
    }
}

impl Workspace {
    /// The builder's lane, without touching it.
    pub(crate) fn lane(&self, choice: &LaneChoice<'_>) -> anyhow::Result<Lane> {
        if let Some(dir) = choice.named {
            return Ok(Lane { dir: self.repo.start.join(dir), owner: Owner::Named });
        }
        let Some(agent) = Agent::from_environment(self.session.env.get("AGENT_ID"))? else {
            return Ok(self.worktree_lane());
        };
        let lanes_dir = self.repo.lanes_dir();
        if let Some(problem) = disk::lanes_dir_problem(&lanes_dir) {
            return Ok(self.fall_back(&lanes_dir, problem));
        }
        Ok(self.agent_lane(&agent, self.key_inputs(choice)?))
    }

    pub(crate) fn agent_lane(&self, agent: &Agent, inputs: KeyInputs) -> Lane {
        Lane::of_agent(&self.repo.lanes_dir(), agent, inputs, self.detours())
    }

    pub(crate) fn detours(&self) -> Detours {
        let is_set = |name: &&str| self.session.env.get(name).is_some();
        Detours {
            build_dir: self.config.has_build_dir,
            variables: DETOUR_VARIABLES.into_iter().filter(is_set).collect(),
        }
    }

    /// The lane that the flags of a verb lead to.
    pub(crate) fn lane_for(&self, flags: &CargoFlags) -> anyhow::Result<Lane> {
        self.lane(&LaneChoice {
            features: &flags.features.features,
            all_features: flags.features.all_features,
            no_default_features: flags.features.no_default_features,
            targets: &flags.compilation.target,
            profile: flags.compilation.how.profile.as_deref(),
            named: flags.compilation.target_dir.as_deref(),
            toolchain: None,
            lockfile: if flags.manifest.lock.locked || flags.manifest.frozen || flags.own.dry_run {
                Lockfile::MustStay
            } else if flags.manifest.lock.offline {
                Lockfile::MayBeMadeOffline
            } else {
                Lockfile::MayBeMade
            },
        })
    }

    pub(crate) fn worktree_lane(&self) -> Lane {
        let dir = self.config.target_dir.clone().unwrap_or_else(|| self.repo.root.join("target"));
        Lane { dir, owner: Owner::Worktree }
    }

    pub(crate) fn key_inputs(&self, choice: &LaneChoice<'_>) -> anyhow::Result<KeyInputs> {
        let toolchain =
            tools::rustc_version(&self.sh, &self.session.env, &self.repo, &self.config, choice.toolchain)?;
        let mut targets =
            if choice.targets.is_empty() { self.config.targets.clone() } else { choice.targets.to_vec() };
        if targets.is_empty() {
            targets.push(tools::host_triple(&toolchain).to_owned());
        }
        targets.sort();
        Ok(KeyInputs {
            target: targets.join(","),
            toolchain,
            lockfile: self.lockfile_hash(choice.lockfile),
            features: lane::feature_selection(
                choice.features,
                choice.all_features,
                choice.no_default_features,
            ),
            backend: choice.profile.filter(|name| *name == cranelift::PROFILE).unwrap_or_default().to_owned(),
        })
    }

    /// A workspace that does not keep its lockfile gets one before the key is made from it; otherwise the first build
    /// would write one, and the second would have another key and a cold lane.
    fn lockfile_hash(&self, lockfile: Lockfile) -> String {
        let path = self.repo.lockfile();
        if lockfile != Lockfile::MustStay && !path.is_file() {
            let mut args = vec!["generate-lockfile"];
            args.extend((lockfile == Lockfile::MayBeMadeOffline).then_some("--offline"));
            drop(self.sh.read_cargo(&args, &self.repo.root)); // If it fails, cargo will soon say why.
        }
        std::fs::read(path).map(|bytes| lane::lockfile_hash(&bytes)).unwrap_or_default()
    }

    fn fall_back(&self, dir: &Path, problem: impl std::fmt::Display) -> Lane {
        let lane = self.worktree_lane();
        let (dir, instead) = (self.shown(dir), self.shown(&lane.dir));
        self.session.ui.warn(format_args!(
            "cannot use {dir} for lanes: {problem}; building in {instead}, where others may have to wait"
        ));
        lane
    }

    /// Carries out what `recipe` says in `lane`, or prints it; then sums up. `recipe` is a function of the lane because
    /// an agent whose lane cannot be made builds in the worktree's.
    pub(crate) fn carry_out(
        self,
        own: &OwnFlags,
        lane: Lane,
        recipe: impl Fn(&Lane) -> Recipe,
    ) -> anyhow::Result<ExitCode> {
        if own.dry_run {
            return self.show(recipe(&lane));
        }
        let (lane, _in_use) = self.enter(lane);
        let recipe = recipe(&lane);
        let mut start = ColdStart::default();
        if recipe.builds() {
            let ui = self.session.ui.quiet(own.quiet);
            self.provide_wrapper(ui);
            start = self.cold_start(ui, &lane, &recipe);
        }
        self.run_steps(own, &lane, &recipe, start)
    }

    /// Prints `recipe` so that it can be pasted.
    pub(crate) fn show(&self, recipe: Recipe) -> anyhow::Result<ExitCode> {
        // rustup says here that the toolchain comes from `cargo +toolchain xtask`, and not from a file or the environment.
        let is_typed = self.session.env.get("RUSTUP_TOOLCHAIN_SOURCE").is_some_and(|source| source == "cli");
        let toolchain = self.session.env.get("RUSTUP_TOOLCHAIN").filter(|_| is_typed);
        ui::data(recipe.typed_with(toolchain.and_then(|name| name.to_str())))?;
        Ok(ExitCode::SUCCESS)
    }

    /// Marks the lane as in use. What we cannot write is no reason not to build.
    pub(crate) fn enter(&self, lane: Lane) -> (Lane, Option<InUse>) {
        let stamp = disk::stamp_text(&lane);
        let now = host::now();
        match &lane.owner {
            Owner::Worktree | Owner::Named => {
                let in_use = disk::enter(&lane.dir, &stamp, now).ok();
                (lane, in_use)
            }
            Owner::Agent { .. } => match disk::enter_agent_lane(&self.repo.lanes_dir(), &lane, &stamp, now) {
                Ok(in_use) => (lane, Some(in_use)),
                Err(err) => {
                    let lane = self.fall_back(&lane.dir, err);
                    let in_use = disk::enter(&lane.dir, "", now).ok();
                    (lane, in_use)
                }
            },
        }
    }

    /// The code is that of the first step that failed.
    pub(crate) fn run_steps(
        &self,
        own: &OwnFlags,
        lane: &Lane,
        recipe: &Recipe,
        mut start: ColdStart,
    ) -> anyhow::Result<ExitCode> {
        let ui = self.session.ui.quiet(own.quiet);
        let is_verbose = own.verbose > 0 || self.session.env.is_on("VERBOSE");
        let before = self.session.started.elapsed();
        let begun = Instant::now();

        let mut units: Option<Units> = None;
        let mut failure: Option<ExitStatus> = None;
        let tally = self.tally();
        for (at, step) in recipe.steps.iter().enumerate() {
            start.before_step(at);
            if is_verbose {
                ui.status("Running", format_args!("`{step}`"));
            }
            let variable = tally.as_ref().map(|tally: &Tally| (TALLY, tally.file.as_path()));
            let Outcome { status, units: of_step, interrupted } = self.sh.run(step, variable)?;
            start.after_step(at, status.success());
            if let Some(of_step) = of_step {
                if step.names_executables && matches!(step.counting, Counting::Ask { .. }) {
                    for executable in &of_step.executables {
                        ui.status("Executable", executable.describe(&self.repo.start));
                    }
                }
                units.get_or_insert_default().append(of_step);
            }
            if !status.success() {
                failure = failure.or(Some(status));
            }
            if interrupted || (failure.is_some() && !recipe.keep_going) {
                break;
            }
        }

        let built = begun.elapsed();
        let time = start.waited + built;
        let from_cache = tally.and_then(|tally| self.read_tally(&tally, ui));
        // Where cargo has refused before it came to any unit, there is nothing to sum up.
        if failure.is_none() || units.as_ref().is_none_or(|units| !units.is_empty()) {
            let summary = summary(units.as_ref(), from_cache, failure.is_some(), time);
            ui.status("Lane", format_args!("{}: {summary}", self.shown(&lane.dir)));
        }
        if is_verbose {
            let after = self.session.started.elapsed().saturating_sub(before + built);
            let (before, after) = (milliseconds(before), milliseconds(after));
            ui.status("Own", format_args!("xtask took {before:.1} ms before cargo, {after:.1} ms after"));
        }
        Ok(failure.map_or(ExitCode::SUCCESS, exit_code))
    }

    /// A path as the user would write it: relative to the workspace where it lies in there.
    pub(crate) fn shown(&self, path: &Path) -> String {
        let short: PathBuf = match path.strip_prefix(&self.repo.root) {
            Ok(inside) if !inside.as_os_str().is_empty() => inside.to_owned(),
            _ => path.to_owned(),
        };
        short.display().to_string()
    }
}

/// `compiled 2 (core, app), fresh 350, 0.31s`; `compiled 5, from the cache 48, fresh 0, 3.10s`
fn summary(units: Option<&Units>, from_cache: Option<u64>, failed: bool, time: Duration) -> String {
    const NAMES_MAX: usize = 3;
    let time = ui::duration(time);
    let end = if failed { format!("failed after {time}") } else { time };
    let Some(units) = units else { return end };

    if let Some(hits @ 1..) = from_cache.and_then(|hits| usize::try_from(hits).ok()) {
        // Which ones came from there, nobody says.
        let compiled = units.compiled.len().saturating_sub(hits);
        return format!("compiled {compiled}, from the cache {hits}, fresh {}, {end}", units.fresh);
    }
    let names: BTreeSet<&str> = units.compiled.iter().map(String::as_str).collect();
    let listed = match names.len() {
        0 => String::new(),
        1..=NAMES_MAX => format!(" ({})", names.into_iter().collect::<Vec<_>>().join(", ")),
        count => format!(" (in {count} packages)"),
    };
    format!("compiled {}{listed}, fresh {}, {end}", units.compiled.len(), units.fresh)
}

/// The child's own code; 128 + the signal's number where one ended it, as shells have it.
pub(crate) fn exit_code(status: ExitStatus) -> ExitCode {
    #[cfg(unix)]
    let by_signal = std::os::unix::process::ExitStatusExt::signal(&status).map(|signal| 128 + signal);
    #[cfg(not(unix))]
    let by_signal = None;

    let code = status.code().or(by_signal).and_then(|code| u8::try_from(code).ok());
    ExitCode::from(code.unwrap_or(1))
}

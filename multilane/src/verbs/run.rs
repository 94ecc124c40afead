//! What every verb begins and ends with: find the workspace and the lane, carry out the recipe, sum
//! up.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, ExitStatus};
use std::time::{Duration, Instant};

use super::{Answer, Call};
use multilane_engine::cargo_line::CargoLine;
use multilane_engine::cold_start::{self, ColdStart};
use multilane_engine::fork::noted;
use multilane_engine::lanes::choose::{self, LaneChoice, Lockfile};
use multilane_engine::lanes::in_lane::{Kind, in_lane};
use multilane_engine::lanes::occupy::{self, InUse, make_lane};
use multilane_engine::lanes::{Agent, Lane, Owner};
use multilane_engine::permits;
use multilane_engine::permits::limits::Busyness;
use multilane_engine::process::step::{Counting, Recipe, Step};
use multilane_engine::process::{Outcome, Units, exit_code};
use multilane_engine::project::git_dir::Common;
use multilane_engine::project::{Project, Session, shared_program};
use multilane_engine::record::{self, Build};
use multilane_engine::sccache::tally::{TALLY, Tally};
use multilane_engine::ui::{self, milliseconds};
use multilane_engine::{disk, environment, files, retarget, sccache};

/// What a call wants beside what it asks of cargo.
#[derive(Clone, Copy, Default)]
pub(crate) struct Options {
    /// Print the recipe; change nothing.
    pub dry_run: bool,
    /// No status lines.
    pub quiet: bool,
    /// The command lines, too.
    pub verbose: bool,
}

/// A lane that we are in, as far as it can be marked.
pub(super) struct Entered {
    pub lane: Lane,
    _in_use: Option<InUse>,
}

/// Finds the project that a cargo command is for. `VERBOSE` counts as one `--verbose`.
pub(super) fn begin(command: &str, call: Call) -> anyhow::Result<(Project, Options, CargoLine)> {
    let line = CargoLine::new(command, call.words);
    let quiet = line.is_quiet();
    let options = Options {
        dry_run: call.own.get_flag("dry-run"),
        quiet,
        verbose: line.is_verbose() || (call.session.env.is_on("VERBOSE") && !quiet),
    };
    // rustfmt would list every file.
    let adds_verbose = options.verbose && !line.is_verbose() && command != "fmt";
    let line = if adds_verbose { line.and("--verbose") } else { line };
    let project = open(call.session, &line)?;
    Ok((project, options, line))
}

/// The project that cargo would find for this command line.
pub(super) fn open(session: Session, line: &CargoLine) -> anyhow::Result<Project> {
    // A malformed name is refused before anything else happens, whatever the verb.
    Agent::from_environment(session.env.get("AGENT_ID"))?;
    session.project(line.value("--manifest-path").map(Path::new))
}

/// What of a command line decides on the lane.
pub(super) fn choice(line: &CargoLine, lockfile: Lockfile) -> LaneChoice {
    LaneChoice {
        selection: line.selection(),
        named: line.value("--target-dir").map(Into::into),
        toolchain: line.toolchain.clone(),
        lockfile,
    }
}

/// One cargo command in the builder's lane.
pub(super) fn one(project: &Project, options: &Options, line: CargoLine) -> Answer {
    let entered = enter(project, options, &line)?;
    let recipe = Recipe::from(in_lane(line, &entered.lane, Kind::Own));
    carry_out(project, options, &entered, recipe)
}

/// The lane that a command line leads to, marked as in use unless nothing is to be done.
pub(super) fn enter(
    project: &Project,
    options: &Options,
    line: &CargoLine,
) -> anyhow::Result<Entered> {
    let lockfile = if options.dry_run || line.has(&["--locked", "--frozen"]) {
        Lockfile::MustStay
    } else if line.has(&["--offline"]) {
        Lockfile::MayBeMadeOffline
    } else {
        Lockfile::MayBeMade
    };
    Ok(enter_lane(project, options, choose::lane(project, &choice(line, lockfile))?))
}

pub(super) fn enter_lane(project: &Project, options: &Options, lane: Lane) -> Entered {
    if options.dry_run {
        return Entered { lane, _in_use: None };
    }
    let (lane, in_use) = choose::enter(project, lane);
    Entered { lane, _in_use: in_use }
}

/// Carries out a recipe in a lane, or prints it; then sums up.
pub(super) fn carry_out(
    project: &Project,
    options: &Options,
    entered: &Entered,
    mut recipe: Recipe,
) -> Answer {
    provide_runner(project, &mut recipe.steps, options.dry_run);
    if options.dry_run {
        return show(project, recipe);
    }
    let ui = project.session.ui.quiet(options.quiet);
    let mut start = ColdStart::default();
    if recipe.builds() {
        sweep(project, &entered.lane);
        retarget::wrapper::provide_wrapper(project, ui);
        multilane_engine::fork::discard_copied(project, ui, &entered.lane);
        start = cold_start::cold_start(project, ui, &entered.lane, &recipe);
        note_environment(project, &entered.lane);
        // Other builds have gone on meanwhile. Not before the fork: its donor may have to go.
        drop(disk::keep_within_limits(project, ui)); // What is wrong is said once, below.
    }
    let code = run_steps(project, options, &entered.lane, &recipe, start);
    if recipe.builds() {
        if !multilane_engine::fork::is_left_to_cargo(project, &entered.lane) {
            multilane_engine::units::claim(&entered.lane.dir);
        }
        disk::keep_within_limits(project, ui)
            .unwrap_or_else(|err| ui.warn(format_args!("{err:#}")));
    }
    code
}

/// For those that fork from the lane, also if this build is killed. So the directory is there
/// before cargo starts, which also spares cargo asking rustc again and again (docs/internals.md).
fn note_environment(project: &Project, lane: &Lane) {
    if !multilane_engine::fork::is_left_to_cargo(project, lane) && make_lane(&lane.dir).is_ok() {
        let others = noted::others(&project.repo.root, &project.config);
        noted::note(&lane.dir, &project.session.env, &others, environment::now());
    }
}

/// Has git write down what the build's scripts ask it.
pub(super) fn note_git(project: &Project, lane: &Lane) -> Option<(String, PathBuf)> {
    if multilane_engine::fork::is_left_to_cargo(project, lane) {
        return None;
    }
    multilane_engine::lanes::git_asked::variable(&lane.dir, &project.session.env)
}

/// Puts the runner in its place with which the steps start tests. Where it cannot be there they do
/// without: a cargo that a test starts then builds in the worktree's own lane.
pub(super) fn provide_runner(project: &Project, steps: &mut [Step], dry_run: bool) {
    if steps.iter().all(|step| step.runner.is_none()) {
        return;
    }
    let is_there = match dry_run {
        true => Common::of(&project.repo.root).is_some_and(|git| git.test_runner().is_file()),
        false => shared_program::provide_test_runner(project).is_ok(),
    };
    if !is_there {
        steps.iter_mut().for_each(|step| step.runner = None);
    }
}

/// Deletes what calls that were killed have left, where this one builds.
pub(super) fn sweep(project: &Project, lane: &Lane) {
    occupy::sweep(&project.repo.lanes_dir(), &lane.dir);
    retarget::wrapper::sweep(&retarget::wrapper::wrapper_dir(project));
    let (runtime_dir, temporary_dir) =
        (project.session.env.runtime_dir(), environment::temporary_dir());
    files::scratch::sweep(&temporary_dir, &[occupy::PROBE]);
    if runtime_dir != temporary_dir {
        files::scratch::sweep(&runtime_dir, &[occupy::PROBE]);
    }
}

/// Prints `recipe` so that it can be pasted.
pub(super) fn show(project: &Project, recipe: Recipe) -> Answer {
    // rustup says here that the toolchain comes from `cargo +toolchain xtask`, and not from a file
    // or the environment.
    let is_typed =
        project.session.env.get("RUSTUP_TOOLCHAIN_SOURCE").is_some_and(|source| source == "cli");
    let toolchain = project.session.env.get("RUSTUP_TOOLCHAIN").filter(|_| is_typed);
    ui::data(recipe.typed_with(toolchain.and_then(|name| name.to_str())))?;
    Ok(ExitCode::SUCCESS)
}

/// In the worktree's own lane cargo gets the words that were typed, and no others: there a variable
/// names the runner for tests.
fn own_runner(project: &Project, lane: &Lane, step: &Step) -> Option<(String, PathBuf)> {
    let is_wanted = lane.owner == Owner::Worktree && step.runs_tests();
    lane.runner
        .as_ref()
        .filter(|_| is_wanted && !permits::is_switched_off(&project.session.env))?;
    let program = shared_program::provide_permit(&project.session.env)?;
    Some((shared_program::runner_variable(), format!("{program} test").into()))
}

/// nextest says in each run which runner it has; a user who has set none need not know. The
/// variable is the filter of its log, and this module logs nothing else. A version that has the
/// line elsewhere prints it.
fn without_word_of_runner(project: &Project, step: &Step) -> Option<(String, PathBuf)> {
    const FILTER: (&str, &str) = ("NEXTEST_LOG", "info,cargo_nextest::dispatch::helpers=warn");
    let is_free = project.session.env.get(FILTER.0).is_none();
    (step.is_nextest() && is_free).then(|| (FILTER.0.to_owned(), FILTER.1.into()))
}

/// The code is that of the first step that failed.
pub(super) fn run_steps(
    project: &Project,
    options: &Options,
    lane: &Lane,
    recipe: &Recipe,
    mut start: ColdStart,
) -> Answer {
    let ui = project.session.ui.quiet(options.quiet);
    let is_verbose = options.verbose;
    let before = project.session.started.elapsed();
    let begun = Instant::now();

    let mut units: Option<Units> = None;
    let mut failure: Option<ExitStatus> = None;
    let mut is_overloaded = false;
    let wrapper_dir = retarget::wrapper::wrapper_dir(project);
    let tally = sccache::tally(&project.session.env, &wrapper_dir);
    for (at, step) in recipe.steps.iter().enumerate() {
        start.before_step(at);
        if is_verbose {
            ui.status("Running", format_args!("`{step}`"));
        }
        let busyness = step.runs_tests().then(Busyness::from_now_on);
        let tally = tally.as_ref().map(|tally: &Tally| (TALLY.to_owned(), tally.file.clone()));
        let runner = own_runner(project, lane, step);
        let has_runner = runner.is_some() || step.runner.is_some();
        let quiet = has_runner.then(|| without_word_of_runner(project, step)).flatten();
        let git = step.starts_scripts_alone(has_runner).then(|| note_git(project, lane)).flatten();
        let variables: Vec<_> = tally.into_iter().chain(runner).chain(quiet).chain(git).collect();
        let mut outcome = project.sh.run(step, &variables)?;
        if may_lack_space(step, lane, &outcome) && disk::make_room(project, ui) {
            ui.status("Again", format_args!("`{step}`, with more space on the disk"));
            outcome = project.sh.run(step, &variables)?;
        }
        let Outcome { status, units: of_step, interrupted } = outcome;
        start.after_step(at, status.success());
        if let Some(of_step) = of_step {
            if step.names_executables && matches!(step.counting, Counting::Ask { .. }) {
                for executable in &of_step.executables {
                    ui.status("Executable", executable.describe(&project.repo.start));
                }
            }
            units.get_or_insert_default().append(of_step);
        }
        if !status.success() {
            failure = failure.or(Some(status));
            let has_tested = !(step.is_nextest() && status.code() == Some(NEXTEST_BUILD_FAILED));
            is_overloaded |= has_tested && busyness.is_some_and(|busyness| busyness.is_overload());
        }
        if interrupted || (failure.is_some() && !recipe.keep_going) {
            break;
        }
    }

    let built = begun.elapsed();
    let code = failure.map_or(0, exit_code);
    let time = start.waited + built;
    let from_cache = tally.and_then(|tally| {
        let (env, configured) = (&project.session.env, &project.config.env);
        sccache::read_tally(&tally, env, configured, &wrapper_dir, ui)
    });
    // Where cargo has refused before it came to any unit, there is nothing to sum up.
    if failure.is_none() || units.as_ref().is_none_or(|units| !units.is_empty()) {
        let summary = summary(units.as_ref(), from_cache, failure.is_some(), time);
        ui.status("Lane", format_args!("{}: {summary}", project.shown(&lane.dir)));
    }
    if is_overloaded {
        ui.warn(format_args!(
            "the machine was overloaded while these tests failed: what depends on time may pass \
             alone: `{} test -- --test-threads=1 <names>`",
            ui.called
        ));
    }
    if recipe.builds() {
        let build = Build {
            commands: recipe.steps.iter().map(Step::line).collect(),
            units: units.as_ref(),
            from_cache,
            forks: &start.forks,
            no_fork: start.no_fork.as_deref(),
            waits: &start.waits,
            is_overloaded,
            exit_code: Some(code),
        };
        record::write(project, lane, &build);
    }
    if project.session.env.is_on("VERBOSE") {
        let after = project.session.started.elapsed().saturating_sub(before + built);
        let (before, after) = (milliseconds(before), milliseconds(after));
        ui.status("Own", format_args!("took {before:.1} ms before cargo, {after:.1} ms after"));
    }
    Ok(ExitCode::from(code))
}

/// nextest's exit code where no test was started. `cargo test` has the same for a test that fails.
const NEXTEST_BUILD_FAILED: i32 = 101;

/// Whether compilers may have failed since the disk is full. What starts programs of the project is
/// not begun a second time, unless nextest says that it has started none.
fn may_lack_space(step: &Step, lane: &Lane, outcome: &Outcome) -> bool {
    let has_only_built = match step.is_nextest() {
        true => outcome.status.code() == Some(NEXTEST_BUILD_FAILED),
        false => step.counting != Counting::No && !step.runs_tests(),
    };
    let has_failed = !outcome.status.success() && !outcome.interrupted;
    has_failed && step.builds && has_only_built && disk::is_nearly_full(&lane.dir)
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

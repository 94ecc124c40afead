//! `cargo`: any command of cargo, in this builder's lane. And the shim, the same under cargo's own
//! name.

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::bail;

use super::run::{self, Options, choice, open};
use super::{Answer, Call};
use multilane_engine::cargo_line::CargoLine;
use multilane_engine::lanes::choose::{self, Lockfile};
use multilane_engine::lanes::in_lane::{Kind, in_lane, may_build};
use multilane_engine::lanes::{Agent, DETOUR_VARIABLES, Owner};
use multilane_engine::process::Shell;
use multilane_engine::process::step::{Program, Recipe, Step};
use multilane_engine::project::git_dir::{Common, is_shared_program};
use multilane_engine::project::{Project, Session, toolchain};
use multilane_engine::record::{self, Build};
use multilane_engine::{cold_start, disk, environment, retarget};

pub(super) fn cargo(call: Call) -> Answer {
    run(call.session, CargoLine::parse(call.words), call.own.get_flag("dry-run"))
}

/// Any command line of cargo's. Where the command is an alias or another program, it alone knows
/// what it writes.
pub(crate) fn run(session: Session, line: CargoLine, dry_run: bool) -> Answer {
    let project = open(session, &line)?;
    let kind = kind_of(&project, &line);
    let builds = line.known().is_some_and(|known| known.builds || known.takes_target_dir);
    let options = Options { dry_run, quiet: line.is_quiet() || !builds, verbose: false };
    // The command may have nothing to do with building, or make the lockfile itself.
    let lane = choose::lane(&project, &choice(&line, Lockfile::MustStay))?;
    let entered = run::enter_lane(&project, &options, lane);
    let recipe = Recipe::from(in_lane(line, &entered.lane, kind));
    run::carry_out(&project, &options, &entered, recipe)
}

/// What `lane run` puts on `PATH`: becomes the real cargo, with the lane in its command line where
/// it builds in this workspace. Neither its output nor its environment is touched; on any failure
/// of ours the real cargo is called with the same words.
pub(crate) fn shim(mut session: Session, words: Vec<OsString>, by_path: bool) -> Answer {
    let changes = session.env.leave_test_runner();
    // A test that has called `$CARGO` means the one that has started it, of whatever toolchain.
    let outer = session.env.get("CARGO").map(PathBuf::from);
    let outer = outer.filter(|_| by_path && !changes.is_empty());
    let Some(cargo) = outer.or_else(|| session.env.real_cargo()) else {
        bail!("there is no cargo on PATH but the one of `lane run`");
    };
    let here = environment::current_dir()?;
    let sh = Shell::with_changes(cargo.clone().into(), changes);
    let ui = session.ui;
    let through_lane = through_lane(session, &words).unwrap_or_else(|err| {
        ui.warn(format_args!("building without a lane: {err:#}"));
        None
    });
    let as_it_is = || Step::of_program(Program::Other(cargo.into()), words);
    sh.become_step(&through_lane.unwrap_or_else(as_it_is), &here)
}

/// `None` where the command line is to stay as it is, after the lane has been forked if it is a
/// first build.
fn through_lane(session: Session, words: &[OsString]) -> anyhow::Result<Option<Step>> {
    let line = CargoLine::parse(words.to_vec());
    let leads_elsewhere = DETOUR_VARIABLES.iter().any(|name| session.env.get(name).is_some());
    if leads_elsewhere || !line.concerns_lane() {
        return Ok(None);
    }
    Agent::from_environment(session.env.get("AGENT_ID"))?;
    // Without a workspace, cargo knows best what to say.
    let Ok(project) = open(session, &line) else {
        return Ok(None);
    };
    if !is_of_this_program(&project) {
        return Ok(None);
    }

    let lane = choose::lane(&project, &choice(&line, Lockfile::MustStay))?;
    let kind = kind_of(&project, &line);
    let lane = if may_build(&line, kind) {
        let (lane, in_use) = choose::enter(&project, lane);
        run::sweep(&project, &lane);
        let ui = project.session.ui.quiet(line.is_quiet());
        retarget::wrapper::provide_wrapper(&project, project.session.ui.quiet(true));
        let recipe = Recipe::from(in_lane(line.clone(), &lane, kind));
        let mut start = cold_start::cold_start(&project, ui, &lane, &recipe);
        start.hand_on();
        // Afterwards this process is cargo.
        disk::keep_within_limits(&project, ui)
            .unwrap_or_else(|err| ui.warn(format_args!("{err:#}")));
        if !start.forks.is_empty() || start.no_fork.is_some() || !start.waits.is_empty() {
            let commands = recipe.steps.iter().map(Step::line).collect();
            let (forks, waits) = (&start.forks, &start.waits);
            let no_fork = start.no_fork.as_deref();
            let build = Build { commands, forks, no_fork, waits, ..Build::default() };
            record::write(&project, &lane, &build);
        }
        // cargo's own lock ends before its tests begin.
        if let Some(in_use) = in_use {
            in_use.keep();
        }
        lane
    } else {
        lane
    };
    let is_cargos_own_choice = lane.owner == Owner::Worktree;
    if is_cargos_own_choice {
        return Ok(None);
    }
    let mut step = in_lane(line, &lane, kind).uncounted();
    run::provide_runner(&project, std::slice::from_mut(&mut step), false);
    if step.builds && step.starts_scripts_alone(step.runner.is_some()) {
        let git = run::note_git(&project, &lane);
        step.env.extend(git.map(|(name, file)| (name.into(), Some(file.into()))));
    }
    Ok(Some(step))
}

fn kind_of(project: &Project, line: &CargoLine) -> Kind {
    if project.config.aliases.contains(&line.command) {
        Kind::Alias
    } else if toolchain::is_external(&project.session.env, &line.command) {
        Kind::External
    } else {
        Kind::Own
    }
}

/// Whether it is the one that the shared program was put there for, in any of its worktrees: not
/// another repository's, and not a small one inside this one, such as the tests of cargo's plugins
/// have.
fn is_of_this_program(project: &Project) -> bool {
    let (Some(common), Some(exe)) = (Common::of(&project.repo.root), environment::exe()) else {
        return false;
    };
    is_shared_program(&exe, &common)
        && common.known_inside().is_some_and(|inside| inside == common.inside())
}

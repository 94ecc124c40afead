//! `cargo`: any command of cargo, in this builder's lane. And the shim, the same under cargo's own name.

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use anyhow::bail;

use crate::effects::shell::Shell;
use crate::facts::common::{Common, is_shared_program};
use crate::facts::{host, tools};
use crate::flags::{self, OwnFlags};
use crate::plan::lane::{Agent, DETOUR_VARIABLES, Lane, Owner};
use crate::plan::passthrough::{CommandLine, Kind};
use crate::plan::recipe::{Program, Recipe, Step};
use crate::verbs::session::{LaneChoice, Lockfile, Session, Workspace};

impl flags::build::Cargo {
    pub(crate) fn run(self, session: Session) -> anyhow::Result<ExitCode> {
        let line = CommandLine::parse(self.args.clone());
        let workspace = session.workspace(line.value("--manifest-path").map(Path::new))?;
        let lane = workspace.lane_of(&line)?;
        let kind = workspace.kind_of(&line);

        let own = OwnFlags { dry_run: self.dry_run, quiet: !line.wants_summary(), verbose: 0 };
        let recipe = |lane: &_| {
            let line = CommandLine::parse(self.args.clone());
            Recipe::from(line.into_step(lane, kind))
        };
        workspace.carry_out(&own, lane, recipe)
    }
}

/// What `lane run` puts on `PATH`: becomes the real cargo, with the lane in its command line where it builds in this workspace.
/// Neither its output nor its environment is touched, and whatever is missing, the real cargo is called as we were.
pub(crate) fn shim(session: Session, args: Vec<OsString>) -> anyhow::Result<ExitCode> {
    let Some(cargo) = session.env.real_cargo() else {
        bail!("there is no cargo on PATH but the one of `lane run`");
    };
    let here = host::current_dir()?;
    let sh = Shell::as_is(cargo.clone().into())?;
    let ui = session.ui;
    let through_lane = through_lane(session, &args).unwrap_or_else(|err| {
        ui.warn(format_args!("without a lane of its own: {err:#}"));
        None
    });
    let as_it_is = || Step::of_program(Program::Other(cargo.into()), args);
    sh.become_step(&through_lane.unwrap_or_else(as_it_is), &here)
}

/// `None` where the command line is to stay as it is, after the lane has been forked if it is a first build.
fn through_lane(session: Session, args: &[OsString]) -> anyhow::Result<Option<Step>> {
    let line = CommandLine::parse(args.to_vec());
    let leads_elsewhere = DETOUR_VARIABLES.iter().any(|name| session.env.get(name).is_some());
    if leads_elsewhere || !line.concerns_lane() {
        return Ok(None);
    }
    Agent::from_environment(session.env.get("AGENT_ID"))?;
    // Without a workspace, cargo knows best what to say.
    let Ok(workspace) = session.workspace(line.value("--manifest-path").map(Path::new)) else {
        return Ok(None);
    };
    if !workspace.is_of_this_program() {
        return Ok(None);
    }

    let lane = workspace.lane_of(&line)?;
    let kind = workspace.kind_of(&line);
    let lane = if line.may_build(kind) {
        // Nobody holds the stamp when this process has become cargo; then cargo's own lock says that somebody builds.
        let (lane, _in_use) = workspace.enter(lane);
        workspace.provide_wrapper(workspace.session.ui.quiet(true));
        let recipe = Recipe::from(CommandLine::parse(args.to_vec()).into_step(&lane, kind));
        workspace.cold_start(workspace.session.ui.quiet(line.is_quiet()), &lane, &recipe).hand_on();
        lane
    } else {
        lane
    };
    let is_cargos_own_choice = lane.owner == Owner::Worktree;
    Ok((!is_cargos_own_choice).then(|| line.into_step(&lane, kind).uncounted()))
}

impl Workspace {
    fn lane_of(&self, line: &CommandLine) -> anyhow::Result<Lane> {
        let selection = line.selection();
        self.lane(&LaneChoice {
            features: &selection.features,
            all_features: selection.all_features,
            no_default_features: selection.no_default_features,
            targets: &selection.targets,
            profile: selection.profile.as_deref(),
            named: line.value("--target-dir").map(Path::new),
            toolchain: line.toolchain.as_deref(),
            // The command may be one that has nothing to do with building, or that makes the lockfile itself.
            lockfile: Lockfile::MustStay,
        })
    }

    fn kind_of(&self, line: &CommandLine) -> Kind {
        if self.config.aliases.contains(&line.command) {
            Kind::Alias
        } else if tools::is_external(&self.session.env, &line.command) {
            Kind::External
        } else {
            Kind::Own
        }
    }

    /// Whether it is the one that the shared program was put there for, in whichever worktree: not another repository's,
    /// and not a small one inside this one, such as the tests of cargo's plugins have.
    fn is_of_this_program(&self) -> bool {
        let (Some(common), Some(exe)) = (Common::of(&self.repo.root), host::exe()) else { return false };
        is_shared_program(&exe, &common)
            && common.known_inside().is_some_and(|inside| inside == common.inside())
    }
}

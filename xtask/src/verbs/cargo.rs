//! `cargo`: any command of cargo, in this builder's lane.

use std::path::Path;
use std::process::ExitCode;

use crate::facts::tools;
use crate::flags::{self, OwnFlags};
use crate::plan::passthrough::{CommandLine, Kind};
use crate::plan::recipe::Recipe;
use crate::verbs::session::{LaneChoice, Lockfile, Session};

impl flags::Cargo {
    pub(crate) fn run(self, session: Session) -> anyhow::Result<ExitCode> {
        let line = CommandLine::parse(self.args.clone());
        let workspace = session.workspace(line.value("--manifest-path").map(Path::new))?;
        let selection = line.selection();
        let lane = workspace.lane(&LaneChoice {
            features: &selection.features,
            all_features: selection.all_features,
            no_default_features: selection.no_default_features,
            targets: &selection.targets,
            named: line.value("--target-dir").map(Path::new),
            toolchain: line.toolchain.as_deref(),
            // The command may be one that has nothing to do with building, or that makes the lockfile itself.
            lockfile: Lockfile::MustStay,
        })?;
        let kind = if workspace.config.aliases.contains(&line.command) {
            Kind::Alias
        } else if tools::is_external(&workspace.session.env, &line.command) {
            Kind::External
        } else {
            Kind::Own
        };

        let own = OwnFlags { dry_run: self.dry_run, quiet: !line.wants_summary(), verbose: 0 };
        let recipe = |lane: &_| {
            let line = CommandLine::parse(self.args.clone());
            Recipe::from(line.into_step(lane, kind))
        };
        workspace.carry_out(&own, lane, recipe)
    }
}

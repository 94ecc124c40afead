//! `fmt`: formatting needs no lane, only cargo.

use std::process::ExitCode;

use crate::flags;
use crate::plan::recipe::{Recipe, Step};
use crate::verbs::cold::ColdStart;
use crate::verbs::session::Session;

impl flags::build::Fmt {
    pub(crate) fn run(self, session: Session) -> anyhow::Result<ExitCode> {
        let workspace = session.workspace(None)?;
        let lane = workspace.worktree_lane();
        let step = Step::cargo(&["fmt"], &lane, self.to_args()).rest(self.rest);
        let recipe = Recipe::from(step);

        if self.own.dry_run {
            return workspace.show(recipe);
        }
        // rustfmt is silent where all is well, and so are we.
        let is_verbose = self.own.verbose > 0 || workspace.session.env.is_on("VERBOSE");
        let own = flags::OwnFlags { quiet: !is_verbose, ..self.own };
        workspace.run_steps(&own, &lane, &recipe, ColdStart::default())
    }
}

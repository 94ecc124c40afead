//! `ci`: what continuous integration does, in one command that also runs at home.

use std::ffi::OsString;
use std::process::ExitCode;

use crate::facts::packages;
use crate::facts::tools::{self, Nextest};
use crate::flags;
use crate::plan::lane::Lane;
use crate::plan::recipe::{Recipe, Step};
use crate::plan::test_steps::{self, Request};
use crate::verbs::session::{LaneChoice, Lockfile, Session};

impl flags::build::Ci {
    pub(crate) fn run(self, session: Session) -> anyhow::Result<ExitCode> {
        let workspace = session.workspace(None)?;
        let lane = workspace.lane(&LaneChoice { lockfile: Lockfile::MustStay, ..LaneChoice::default() })?;
        let nextest = tools::nextest(&workspace.session.env, &workspace.repo);
        let packages = packages::read(&workspace.sh, &workspace.repo.root);
        let has_doctests =
            packages.is_ok_and(|packages| test_steps::selects_doctests(&packages, &[], &[], true, None));

        if self.own.dry_run {
            return workspace.show(self.recipe(&lane, nextest, has_doctests));
        }
        let (lane, _in_use) = workspace.enter(lane);
        let recipe = self.recipe(&lane, nextest, has_doctests);
        let ui = workspace.session.ui.quiet(self.own.quiet);
        workspace.provide_wrapper(ui);
        let start = workspace.cold_start(ui, &lane, &recipe);
        // A log that is read afterwards has to say which step it is in.
        let own = flags::OwnFlags { verbose: self.own.verbose.max(1), ..self.own };
        workspace.run_steps(&own, &lane, &recipe, start)
    }

    fn recipe(&self, lane: &Lane, nextest: Option<Nextest>, has_doctests: bool) -> Recipe {
        let words = |text: &str| text.split(' ').map(OsString::from).collect::<Vec<_>>();
        let mut steps = vec![
            // Formatting has no lane: it builds nothing.
            Step::cargo(&["fmt"], &Lane::none(), words("--all --check")),
            Step::cargo(&["clippy"], lane, words("--workspace --all-targets --locked"))
                .rest(words("--deny warnings")),
        ];
        let request = Request {
            flags: words("--workspace --locked"),
            filters: Vec::new(),
            rest: Vec::new(),
            no_run: false,
            no_fail_fast: true,
            doc: false,
            selects_targets: false,
        };
        steps.extend(test_steps::steps(request, lane, nextest, has_doctests));
        Recipe { steps, keep_going: self.keep_going }
    }
}

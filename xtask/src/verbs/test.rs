//! `test`: nextest and then the doctests, or `cargo test`.

use std::process::ExitCode;

use crate::facts::{packages, tools};
use crate::flags;
use crate::flags::cargo::CargoFlags;
use crate::plan::lane::Lane;
use crate::plan::recipe::Recipe;
use crate::plan::test_steps::{self, Request};
use crate::verbs::affected;
use crate::verbs::session::{Session, Workspace};

impl flags::build::Test {
    pub(crate) fn run(mut self, session: Session) -> anyhow::Result<ExitCode> {
        let workspace = session.workspace_for(&mut self.cargo)?;
        // Neither `cargo test` nor nextest knows cargo's name for it.
        self.no_fail_fast |= std::mem::take(&mut self.cargo.compilation.keep_going);
        if let Some(changed) = self.affected.changed() {
            match affected::narrow(&workspace, &changed, self.cargo)? {
                Some(narrowed) => self.cargo = narrowed,
                None => return Ok(ExitCode::SUCCESS),
            }
        }
        let lane = workspace.lane_for(&self.cargo)?;
        let nextest = tools::nextest(&workspace.session.env, &workspace.repo);
        let has_doctests = nextest.is_some() && has_doctests(&workspace, &self.cargo);

        let recipe = |lane: &Lane| Recipe {
            steps: test_steps::steps(self.request(), lane, nextest, has_doctests),
            // As `cargo test` does: the doctests are run whatever the other tests have said.
            keep_going: self.no_fail_fast,
        };
        workspace.carry_out(&self.cargo.own, lane, recipe)
    }

    fn request(&self) -> Request {
        Request {
            flags: self.cargo.to_args(),
            filters: self.filters.clone(),
            rest: self.cargo.rest.clone(),
            no_run: self.no_run,
            no_fail_fast: self.no_fail_fast,
            doc: self.doc,
            selects_targets: self.cargo.selects_targets(),
        }
    }
}

/// Whether there are doctests in what `cargo` selects. Where cargo cannot tell, it is asked to run them and will say why not.
pub(crate) fn has_doctests(workspace: &Workspace, cargo: &CargoFlags) -> bool {
    let Ok(packages) = packages::read(&workspace.sh, &workspace.repo.root) else {
        return true;
    };
    let within = packages
        .iter()
        .filter(|package| {
            workspace.repo.inside.starts_with(&package.dir) && package.dir != workspace.repo.root
        })
        .max_by_key(|package| package.dir.as_os_str().len());
    let flags = &cargo.packages;
    test_steps::selects_doctests(&packages, &flags.package, &flags.exclude, flags.workspace, within)
}

//! The verbs that are one cargo command: `build*`, `check`, `check-fast`, `clippy`, `run`.

use std::process::ExitCode;

use anyhow::bail;
use clap::ValueEnum as _;

use crate::flags::build::Mode;
use crate::flags::cargo::CargoFlags;
use crate::flags::{self, OwnFlags};
use crate::plan::recipe::{Recipe, Step};
use crate::verbs::affected;
use crate::verbs::session::{Session, Workspace};

impl flags::build::Build {
    pub(crate) fn run(self, session: Session) -> anyhow::Result<ExitCode> {
        let mode = match (self.mode, session.env.get("MODE")) {
            (Some(mode), _) => mode,
            (None, None) => Mode::Dev,
            (None, Some(value)) => match Mode::from_str(&value.to_string_lossy(), true) {
                Ok(mode) => mode,
                Err(_) => bail!("MODE={} is not one of dev, test, release", value.display()),
            },
        };
        match mode {
            Mode::Dev => flags::build::BuildDev { cargo: self.cargo }.run(session),
            Mode::Test => flags::build::BuildTest { cargo: self.cargo }.run(session),
            Mode::Release => flags::build::BuildRelease { cargo: self.cargo }.run(session),
        }
    }
}

impl flags::build::BuildDev {
    pub(crate) fn run(mut self, session: Session) -> anyhow::Result<ExitCode> {
        let workspace = session.workspace_for(&mut self.cargo)?;
        workspace.choose_backend(&mut self.cargo)?;
        counted(workspace, &["build"], self.cargo)
    }
}

impl flags::build::BuildTest {
    pub(crate) fn run(mut self, session: Session) -> anyhow::Result<ExitCode> {
        counted(session.workspace_for(&mut self.cargo)?, &["test", "--no-run"], self.cargo)
    }
}

impl flags::build::BuildRelease {
    pub(crate) fn run(mut self, session: Session) -> anyhow::Result<ExitCode> {
        self.cargo.compilation.how.release = self.cargo.compilation.how.profile.is_none();
        counted(session.workspace_for(&mut self.cargo)?, &["build"], self.cargo)
    }
}

impl flags::build::Check {
    pub(crate) fn run(mut self, session: Session) -> anyhow::Result<ExitCode> {
        counted(session.workspace_for(&mut self.cargo)?, &["check"], self.cargo)
    }
}

impl flags::build::CheckFast {
    pub(crate) fn run(mut self, session: Session) -> anyhow::Result<ExitCode> {
        let workspace = session.workspace_for(&mut self.cargo)?;
        // Packages that are named need no finding.
        if self.cargo.packages.is_empty() {
            let Some(narrowed) = affected::narrow(&workspace, &self.changed, self.cargo)? else {
                return Ok(ExitCode::SUCCESS);
            };
            return counted(workspace, &["check"], narrowed);
        }
        counted(workspace, &["check"], self.cargo)
    }
}

impl flags::build::Clippy {
    pub(crate) fn run(mut self, session: Session) -> anyhow::Result<ExitCode> {
        let command: &[&str] = if self.fix { &["clippy", "--fix"] } else { &["clippy"] };
        let workspace = session.workspace_for(&mut self.cargo)?;
        let Some(changed) = self.affected.changed() else {
            return counted(workspace, command, self.cargo);
        };
        match affected::narrow(&workspace, &changed, self.cargo)? {
            Some(narrowed) => counted(workspace, command, narrowed),
            None => Ok(ExitCode::SUCCESS),
        }
    }
}

impl flags::build::Run {
    pub(crate) fn run(self, session: Session) -> anyhow::Result<ExitCode> {
        let mut cargo = CargoFlags::from(self);
        let workspace = session.workspace_for(&mut cargo)?;
        workspace.choose_backend(&mut cargo)?;
        let lane = workspace.lane_for(&cargo)?;

        // The output is the program's: nothing is counted in it, and no line of ours follows it.
        let own = OwnFlags { quiet: cargo.own.verbose == 0, ..cargo.own };
        workspace.carry_out(&own, lane, |lane| {
            Recipe::from(Step::cargo(&["run"], lane, cargo.to_args()).rest(cargo.rest.clone()))
        })
    }
}

/// One cargo command that writes nothing of its own to stdout.
fn counted(workspace: Workspace, command: &[&str], cargo: CargoFlags) -> anyhow::Result<ExitCode> {
    let lane = workspace.lane_for(&cargo)?;

    workspace.carry_out(&cargo.own, lane, |lane| {
        Recipe::from(Step::cargo(command, lane, cargo.to_args()).rest(cargo.rest.clone()).counted())
    })
}

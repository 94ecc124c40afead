//! `lane fork`: fill this builder's lane from another one.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context as _, bail};

use super::{Answer, Call, run};
use multilane_engine::cargo_line::CargoLine;
use multilane_engine::lanes::choose::{self, LaneChoice, Lockfile};
use multilane_engine::{fork, record, retarget, ui};

pub(super) fn fork(call: Call) -> Answer {
    let own = call.own;
    let project = run::open(call.session, &CargoLine::default())?;
    let choice = LaneChoice { lockfile: Lockfile::MustStay, ..LaneChoice::default() };
    let lane = choose::lane(&project, &choice)?;
    if fork::is_behind_link(&project, &lane) {
        bail!("{} is a symbolic link; nothing is forked through one", project.shown(&lane.dir));
    }
    let ui = project.session.ui.quiet(own.get_flag("quiet"));
    let begun = Instant::now();
    let (dry_run, explained) = (own.get_flag("dry-run"), own.get_one::<String>("explain"));
    if !dry_run && explained.is_none() {
        retarget::wrapper::provide_wrapper(&project, ui);
    }

    let donors = match own.get_one::<PathBuf>("from") {
        Some(dir) => fork::donor_at(&project, dir)?,
        None => fork::donors(&project, &lane, None)?,
    };
    let Some(plan) = fork::best_fork(&project, &lane, &donors) else {
        bail!(
            "there is no lane to fork {} from\nhelp: build once in any worktree, or name one with --from",
            project.shown(&lane.dir)
        );
    };
    if let Some(package) = explained {
        ui::data(plan.explain(package))?;
        return Ok(ExitCode::SUCCESS);
    }
    if dry_run {
        ui::data(plan)?;
        return Ok(ExitCode::SUCCESS);
    }

    let (lane, _in_use) = choose::enter(&project, lane);
    let forked = fork::carry_out_fork(&project, ui, &plan, begun)
        .with_context(|| format!("cannot fork {}", project.shown(&lane.dir)))?;
    record::write_fork(&project, &lane, "lane fork", Some(forked));
    Ok(ExitCode::SUCCESS)
}

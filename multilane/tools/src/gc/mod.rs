//! `gc`: keeps the lanes of the repository within a budget, and a floor of the disk free.

pub(crate) mod inventory;
pub(crate) mod policy;

use std::collections::BTreeSet;
use std::fs::File;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, bail};
use clap::Args;
use multilane_engine::disk::{self, Space};
use multilane_engine::files::lock;
use multilane_engine::lanes::occupy::{self, Removal, STAMP};
use multilane_engine::project::git_dir::Common;
use multilane_engine::project::{Project, Session};
use multilane_engine::{environment, files, record, ui};
use serde::Serialize;
use serde_json::json;

use self::policy::{Item, Kind, Lane, Limits, Plan, Reason};
use crate::doctor;

/// Delete the cheapest parts of lanes to stay within a disk budget
///
/// All lanes of the repository together may take a quarter of the disk, or what `disk` in
/// [workspace.metadata.multilane] says; 10 % of the disk, at most 20 GiB, stay free. Beyond that,
/// lanes go first whose key no worktree has any more, then what takes the least work to make again
/// for each byte. Lanes that are in use stay, as does what multilane has not made.
///
/// Builds through multilane do this by themselves; `disk = "off"` or MULTILANE_GC=off keeps them
/// from it.
#[derive(Args)]
pub(crate) struct Gc {
    /// What all lanes may take together, such as 50G
    #[arg(long, value_name = "SIZE", value_parser = disk::size)]
    budget: Option<u64>,
    /// What has to stay free on the disk, such as 20G
    #[arg(long, value_name = "SIZE", value_parser = disk::size)]
    free: Option<u64>,
    /// Keep lanes that were used in the last hours
    #[arg(long, value_name = "HOURS", default_value_t = 1)]
    idle: u32,
    /// Also take from the worktrees' own `target/`, after a question
    #[arg(long)]
    target: bool,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Print what would be done, don't do it
    #[arg(long)]
    dry_run: bool,
    /// Print nothing but errors
    #[arg(short, long)]
    quiet: bool,
    /// As builds call it: to a tenth below the budget, from lanes that were used just now only
    /// where nothing else is left, and not beside another that collects.
    #[arg(long, hide = true)]
    auto: bool,
}

#[derive(Serialize)]
struct Answer {
    lanes_bytes: u64,
    budget_bytes: u64,
    free_bytes: u64,
    floor_bytes: u64,
    needed_bytes: u64,
    /// What is freed when all of it goes.
    planned_bytes: u64,
    /// What was freed; `None` after a dry run.
    freed_bytes: Option<u64>,
    items: Vec<Line>,
}

#[derive(Clone, Serialize)]
struct Line {
    lane: PathBuf,
    kinds: Vec<Kind>,
    reason: Reason,
    bytes: u64,
    /// What it takes to make it again.
    seconds: f64,
    is_removed: bool,
}

impl Gc {
    pub(crate) fn run(self, session: Session) -> anyhow::Result<ExitCode> {
        let project = doctor::read_only_project(session)?;
        let ui = project.session.ui.quiet(self.quiet);
        let limits = self.limits(&project)?;
        let Some(_lock) = self.lock(&project)? else { return Ok(ExitCode::SUCCESS) };
        let now = environment::now();
        let (found, lanes) = inventory::read(&project, now);
        let plan = self.plan(&lanes, limits, now);
        let mut answer = Answer::of(&lanes, &limits, &plan);
        let mut failures = 0;
        if !self.dry_run {
            if !self.yes && !may_touch_own(&project, &lanes, &plan)? {
                return Ok(ExitCode::FAILURE);
            }
            // What calls that were killed have left.
            let lanes_dirs: BTreeSet<_> =
                found.iter().map(|found| found.root.join(".lanes")).collect();
            lanes_dirs.iter().for_each(|dir| occupy::sweep(dir, dir));
            for (item, line) in plan.items.iter().zip(&mut answer.items) {
                let lane = &lanes[item.lane];
                let shown = project.shown(&lane.dir);
                match remove(lane, item).with_context(|| format!("cannot delete from {shown}")) {
                    Ok(Removal::Removed) => {
                        line.is_removed = true;
                        ui.quiet(self.auto).status("Removed", line.shown(&project, lane));
                    }
                    Ok(_) => {
                        ui.quiet(self.auto).status("Kept", format_args!("{shown} (in use)"));
                    }
                    Err(err) => {
                        failures += 1;
                        ui.error(&err);
                    }
                }
            }
            let removed = plan.items.iter().zip(&answer.items).filter(|(_, line)| line.is_removed);
            let freed = policy::freed(&lanes, removed.map(|(item, _)| item));
            answer.freed_bytes = Some(freed);
            disk::note_scan(&project, plan.taken - freed);
            if plan.needed > 0 {
                answer.note(&project, now).unwrap_or_else(|err| ui.warn(format_args!("{err:#}")));
            }
        }
        if self.json {
            ui::data(serde_json::to_string_pretty(&answer)?)?;
        } else if self.dry_run {
            for (item, line) in plan.items.iter().zip(&answer.items) {
                ui::data(ui::printable(line.shown(&project, &lanes[item.lane])))?;
            }
        }
        match self.auto {
            true => answer.sum_up_for_build(ui),
            false => answer.sum_up(ui),
        }
        Ok(if failures == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    fn limits(&self, project: &Project) -> anyhow::Result<Limits> {
        let space = Space::of(&project.repo.root);
        let own = disk::Limits::of(&project.repo.settings, space)?;
        let Some(budget) = self.budget.or(own.map(|own| own.budget)) else {
            bail!("cannot tell how large the disk is\nhelp: pass --budget");
        };
        Ok(Limits {
            budget,
            floor: self.free.or(own.map(|own| own.floor)).unwrap_or_default(),
            free: space.map_or(u64::MAX, |space| space.free),
            idle: Duration::from_secs(u64::from(self.idle) * 3600),
            with_own: self.target,
            spares_last_donors: false,
        })
    }

    fn plan(&self, lanes: &[Lane], limits: Limits, now: SystemTime) -> Plan {
        let plan = policy::plan(lanes, &limits, now);
        if !self.auto || plan.needed == 0 {
            return plan;
        }
        // The next builds have some room.
        let below = Limits { budget: limits.budget / 10 * 9, spares_last_donors: true, ..limits };
        let used_now = Limits { idle: Duration::ZERO, ..below };
        let plans = [below, used_now, Limits { spares_last_donors: false, ..used_now }];
        let mut plans = plans.map(|limits| policy::plan(lanes, &limits, now));
        let is_enough = |plan: &Plan| plan.promised() >= plan.needed;
        let first = plans.iter().position(is_enough);
        // Where the worktrees' own directories alone take too much, lanes would go again and again
        // for nothing; but a full disk needs what there is.
        let is_full = limits.free < limits.floor;
        let of_worktrees = policy::taken(lanes.iter().filter(|lane| lane.key.is_none()));
        let is_in_vain = of_worktrees > below.budget && !is_full;
        let which = first.unwrap_or(if is_in_vain { 0 } else { plans.len() - 1 });
        std::mem::replace(&mut plans[which], Plan { taken: 0, needed: 0, items: Vec::new() })
    }

    /// One collects at a time. `None` where a build finds another at it.
    fn lock(&self, project: &Project) -> anyhow::Result<Option<Option<File>>> {
        const LIMIT: Duration = Duration::from_secs(10 * 60);
        let Some(common) = Common::of(&project.repo.root).filter(|_| !self.dry_run) else {
            return Ok(Some(None));
        };
        let path = common.dir.join("gc.lock");
        std::fs::create_dir_all(&common.dir)?;
        let cannot = || format!("cannot lock {}", path.display());
        let file = files::open_own(File::options().write(true), &path).with_context(cannot)?;
        if !lock::try_exclusive(&file).with_context(cannot)? {
            if self.auto {
                return Ok(None);
            }
            project.session.ui.status("Waiting", "for another `gc`");
            lock::wait_for(&path, LIMIT, || lock::try_exclusive(&file)).with_context(cannot)?;
        }
        Ok(Some(Some(file)))
    }
}

/// A worktree's own directory belongs to whoever works there.
fn may_touch_own(project: &Project, lanes: &[Lane], plan: &Plan) -> anyhow::Result<bool> {
    let own = plan.items.iter().filter(|item| lanes[item.lane].key.is_none());
    let names: BTreeSet<String> = own.map(|item| project.shown(&lanes[item.lane].dir)).collect();
    if names.is_empty() {
        return Ok(true);
    }
    let names = names.into_iter().collect::<Vec<_>>().join(", ");
    project.session.ui.confirm(&format!("Delete parts of {names}?"))
}

fn remove(lane: &Lane, item: &Item) -> anyhow::Result<Removal> {
    if files::is_behind_link(&lane.root, &lane.dir) {
        bail!("it lies behind a symbolic link");
    }
    let stamp = lane.dir.join(STAMP).metadata().and_then(|meta| meta.modified());
    if stamp.is_ok_and(|used| used > lane.last_use) {
        return Ok(Removal::InUse); // Since we have looked.
    }
    let lanes_dir = lane.root.join(".lanes");
    occupy::sweep(&lanes_dir, &lane.dir);
    if !item.is_whole_lane() {
        let paths = item.kinds.iter().flat_map(|kind| &lane.groups[kind].paths);
        return Ok(occupy::remove_parts(&lane.dir, &paths.cloned().collect::<Vec<_>>())?);
    }
    let removal = occupy::remove_agent_lane(&lanes_dir, &lane.dir)?;
    occupy::remove_empty_folders(&lanes_dir);
    Ok(removal)
}

impl Answer {
    fn of(lanes: &[Lane], limits: &Limits, plan: &Plan) -> Answer {
        let line = |item: &Item| Line {
            lane: lanes[item.lane].dir.clone(),
            kinds: item.kinds.clone(),
            reason: item.reason,
            bytes: item.bytes,
            seconds: (item.seconds * 10.0).round() / 10.0,
            is_removed: false,
        };
        Answer {
            lanes_bytes: plan.taken,
            budget_bytes: limits.budget,
            free_bytes: limits.free,
            floor_bytes: limits.floor,
            needed_bytes: plan.needed,
            planned_bytes: plan.promised(),
            freed_bytes: None,
            items: plan.items.iter().map(line).collect(),
        }
    }

    /// Appends what went to a list that all worktrees share, of which the newest part is kept.
    fn note(&self, project: &Project, now: SystemTime) -> anyhow::Result<()> {
        let Some(common) = Common::of(&project.repo.root) else { return Ok(()) };
        let unix_seconds = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let note = json!({
            "version": 1,
            "unix_seconds": unix_seconds,
            "planned_bytes": self.planned_bytes,
            "freed_bytes": self.freed_bytes,
            "items": self.items.iter().filter(|item| item.is_removed).collect::<Vec<_>>(),
        });
        let file = common.dir.join("collected.jsonl");
        record::append(&file, format!("{note}\n").as_bytes())
            .with_context(|| format!("cannot write {}", file.display()))
    }

    /// One line, where something was to be done.
    fn sum_up_for_build(&self, ui: ui::Ui) {
        if self.needed_bytes == 0 {
            return;
        }
        let lanes: BTreeSet<&PathBuf> =
            self.items.iter().filter(|item| item.is_removed).map(|item| &item.lane).collect();
        let [freed, taken, budget] =
            [self.freed_bytes.unwrap_or_default(), self.lanes_bytes, self.budget_bytes]
                .map(ui::bytes);
        ui.status(
            "Collected",
            format_args!("{freed} from {} lanes; all took {taken} (budget {budget})", lanes.len()),
        );
        if self.freed_bytes < Some(self.needed_bytes) {
            let called = ui.called;
            ui.warn(format_args!(
                "lanes still take too much: `{called} gc --dry-run` shows what else could go, \
                 `--target` also in `target/`"
            ));
        }
    }

    fn sum_up(&self, ui: ui::Ui) {
        let freed = self.freed_bytes.unwrap_or(self.planned_bytes);
        let verb = if self.freed_bytes.is_some() { "Freed" } else { "Would free" };
        let [freed_text, taken, budget, free, floor] =
            [freed, self.lanes_bytes, self.budget_bytes, self.free_bytes, self.floor_bytes]
                .map(ui::bytes);
        ui.status(
            verb,
            format_args!(
                "{freed_text}; before, all lanes took {taken} (budget {budget}), and {free} of the \
                 disk were free (at least {floor})"
            ),
        );
        if freed < self.needed_bytes {
            let missing = ui::bytes(self.needed_bytes - freed);
            let called = ui.called;
            ui.status(
                "Missing",
                format_args!(
                    "{missing} more; the rest stays, `target/` unless `{called} gc --target`"
                ),
            );
        }
    }
}

impl Line {
    fn shown(&self, project: &Project, lane: &Lane) -> String {
        let what = match &self.kinds[..] {
            [Kind::Incremental] => "incremental caches",
            [Kind::Tests] => "test executables",
            [Kind::Scripts] => "outputs of build scripts",
            [Kind::Stale] => "units that no worktree can use",
            _ => "all",
        };
        let age = environment::now().duration_since(lane.last_use).unwrap_or_default();
        let age = ui::age(age);
        let why = match self.reason {
            Reason::KeyOutdated if lane.outdated.is_empty() => {
                "no worktree has their package or toolchain now".to_owned()
            }
            Reason::KeyOutdated => {
                format!("no worktree has its {} now", lane.outdated.join(" and "))
            }
            Reason::Idle => format!("last used: {age}"),
            Reason::LastDonor => format!("last used: {age}; the last lane of its key"),
        };
        let price = ui::duration(Duration::from_secs_f64(self.seconds));
        let bytes = ui::bytes(self.bytes);
        format!("{}: {what}, {bytes}, {price} to make again ({why})", project.shown(&self.lane))
    }
}

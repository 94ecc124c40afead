//! `gc`: keeps the lanes of the repository within a budget, and a floor of the disk free.

mod inventory;
mod policy;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use clap::Args;
use multilane_engine::lanes::occupy::{self, Removal, STAMP};
use multilane_engine::project::{Project, Session};
use multilane_engine::{environment, files, ui};
use serde::Serialize;

use self::policy::{Item, Kind, Lane, Limits, Plan, Reason};
use crate::doctor::{self, file_system};

/// Delete the cheapest parts of lanes to stay within a disk budget
///
/// All lanes of the repository together may take a quarter of the disk, or what `disk` in
/// [workspace.metadata.multilane] says; 10 % of the disk, at most 20 GiB, stay free. Beyond that,
/// lanes of keys that no worktree has any more go first, then what takes the least work to make
/// again for each byte: incremental caches of idle lanes, test executables, large outputs of build
/// scripts, and whole lanes last.
///
/// Lanes that are in use stay, as does what multilane has not made. What is freed is what is
/// counted: a file goes when its last name goes.
#[derive(Args)]
pub(crate) struct Gc {
    /// What all lanes may take together, such as 50G
    #[arg(long, value_name = "SIZE", value_parser = size)]
    budget: Option<u64>,
    /// What has to stay free on the disk, such as 20G
    #[arg(long, value_name = "SIZE", value_parser = size)]
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
        let now = environment::now();
        let lanes = inventory::read(&project, now)?;
        let plan = policy::plan(&lanes, &limits, now);
        let mut answer = Answer::of(&lanes, &limits, &plan);
        let mut failures = 0;
        if !self.dry_run {
            if !self.yes && !may_touch_own(&project, &lanes, &plan)? {
                return Ok(ExitCode::FAILURE);
            }
            for (item, line) in plan.items.iter().zip(&mut answer.items) {
                let lane = &lanes[item.lane];
                let shown = project.shown(&lane.dir);
                match remove(lane, item).with_context(|| format!("cannot delete from {shown}")) {
                    Ok(Removal::Removed) => {
                        line.is_removed = true;
                        ui.status("Removed", line.shown(&project, lane));
                    }
                    Ok(_) => ui.status("Kept", format_args!("{shown} (in use)")),
                    Err(err) => {
                        failures += 1;
                        ui.error(&err);
                    }
                }
            }
            let removed = plan.items.iter().zip(&answer.items).filter(|(_, line)| line.is_removed);
            answer.freed_bytes = Some(policy::freed(&lanes, removed.map(|(item, _)| item)));
        }
        if self.json {
            ui::data(serde_json::to_string_pretty(&answer)?)?;
        } else if self.dry_run {
            for (item, line) in plan.items.iter().zip(&answer.items) {
                ui::data(ui::printable(line.shown(&project, &lanes[item.lane])))?;
            }
        }
        answer.sum_up(ui);
        Ok(if failures == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    fn limits(&self, project: &Project) -> anyhow::Result<Limits> {
        const FLOOR_MAX: u64 = 20 << 30;
        let disk = file_system::of(&project.repo.root).unwrap_or_default();
        let noted = project.repo.settings.disk.as_deref().map(size).transpose();
        let noted =
            noted.map_err(|why| anyhow!("`disk` in [workspace.metadata.multilane]: {why}"))?;
        let budget = self.budget.or(noted).or(disk.size.map(|size| size / 4));
        let Some(budget) = budget else {
            bail!("cannot tell how large the disk is\nhelp: pass --budget");
        };
        let floor = self.free.or(disk.size.map(|size| FLOOR_MAX.min(size / 10)));
        Ok(Limits {
            budget,
            floor: floor.unwrap_or_default(),
            free: disk.free.unwrap_or(u64::MAX),
            idle: Duration::from_secs(u64::from(self.idle) * 3600),
            with_own: self.target,
        })
    }
}

/// A worktree's own directory belongs to whoever works there.
fn may_touch_own(project: &Project, lanes: &[Lane], plan: &Plan) -> anyhow::Result<bool> {
    let own = plan.items.iter().filter(|item| lanes[item.lane].key.is_none());
    let mut names: Vec<String> = own.map(|item| project.shown(&lanes[item.lane].dir)).collect();
    names.dedup();
    if names.is_empty() {
        return Ok(true);
    }
    names.sort();
    names.dedup();
    project.session.ui.confirm(&format!("Delete parts of {}?", names.join(", ")))
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
    // What calls that were killed have left.
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
            seconds: item.seconds.round(),
            is_removed: false,
        };
        Answer {
            lanes_bytes: plan.taken,
            budget_bytes: limits.budget,
            free_bytes: limits.free,
            floor_bytes: limits.floor,
            needed_bytes: plan.needed,
            planned_bytes: policy::freed(lanes, &plan.items),
            freed_bytes: None,
            items: plan.items.iter().map(line).collect(),
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
                "{freed_text}; before, all lanes took {taken} of {budget}, and {free} of the disk \
                 were free, of which {floor} have to be"
            ),
        );
        if freed < self.needed_bytes {
            let missing = ui::bytes(self.needed_bytes - freed);
            ui.status("Missing", format_args!("{missing} more, but the rest has to stay"));
        }
    }
}

impl Line {
    fn shown(&self, project: &Project, lane: &Lane) -> String {
        let what = match &self.kinds[..] {
            [Kind::Incremental] => "incremental caches",
            [Kind::Tests] => "test executables",
            [Kind::Scripts] => "outputs of build scripts",
            _ => "all",
        };
        let age = environment::now().duration_since(lane.last_use).unwrap_or_default();
        let age = ui::age(age);
        let why = match self.reason {
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

/// `50 GiB`, `50G`, `800M`, or bytes.
pub(crate) fn size(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let shift = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        "t" | "tb" | "tib" => 40,
        _ => return Err(format!("{text:?} is no size; such as `50 GiB`")),
    };
    let number: f64 =
        number.parse().map_err(|_| format!("{text:?} is no size; such as `50 GiB`"))?;
    Ok((number * (1_u64 << shift) as f64) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        assert_eq!(size("50 GiB"), Ok(50 << 30));
        assert_eq!(size("1.5G"), Ok(3 << 29));
        assert_eq!((size("800m"), size("0"), size("17")), (Ok(800 << 20), Ok(0), Ok(17)));
        for wrong in ["", "G", "5 apples", "-1G", "1.2.3"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }
}

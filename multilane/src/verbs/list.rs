//! `lane list`: show the lanes there are.

use std::path::Path;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use super::{Answer, Call, run};
use multilane_engine::cargo_line::CargoLine;
use multilane_engine::files;
use multilane_engine::json::Json;
use multilane_engine::lanes::choose::{self, LaneChoice, Lockfile};
use multilane_engine::lanes::list::{self, Found};
use multilane_engine::lanes::{KeyInputs, lockfile_hash};
use multilane_engine::project::Project;
use multilane_engine::{environment, ui};

pub(super) fn list(call: Call) -> Answer {
    let project = run::open(call.session, &CargoLine::default())?;
    let found = list::measured(list::all(&project));
    let today = LaneChoice { lockfile: Lockfile::MustStay, ..LaneChoice::default() };
    let today = choose::key_inputs(&project, &today)?;
    let row = |lane: Found| {
        let lockfile = project.repo.lockfile_in(&lane.root);
        Row::new(lane, &lockfile, &today)
    };
    let rows: Vec<Row> = found.into_iter().map(row).collect();

    if call.own.get_flag("json") {
        ui::data(rows.iter().map(Row::to_json).collect::<Json>())?;
    } else {
        ui::data(ui::printable(table(&project, &rows, environment::now())))?;
    }
    Ok(ExitCode::SUCCESS)
}

struct Row {
    lane: Found,
    /// The key inputs that are not today's.
    differs: Vec<&'static str>,
}

impl Row {
    /// `today` is of this worktree; another one may have another lockfile.
    fn new(lane: Found, lockfile: &Path, today: &KeyInputs) -> Row {
        let lockfile = files::read(lockfile).map(|bytes| lockfile_hash(&bytes));
        let today = KeyInputs { lockfile: lockfile.unwrap_or_default(), ..today.clone() };
        let differs =
            lane.inputs.as_ref().map(|inputs| inputs.differing(&today)).unwrap_or_default();
        Row { lane, differs }
    }

    fn to_json(&self) -> Json {
        let Found { worktree, dir, agent, key, inputs, size, price, last_use, in_use, .. } =
            &self.lane;
        Json::object([
            ("worktree", worktree.to_string_lossy().into()),
            ("path", dir.to_string_lossy().into()),
            ("agent", agent.as_ref().into()),
            ("key", key.as_ref().into()),
            ("size_bytes", (*size).into()),
            ("frees_bytes", price.frees.into()),
            ("costs_seconds", price.time().as_secs().into()),
            ("last_use_unix_seconds", last_use.and_then(unix_seconds).into()),
            ("in_use", (*in_use).into()),
            ("differs", self.differs.iter().copied().collect()),
            ("inputs", inputs.as_ref().map(KeyInputs::to_json).into()),
        ])
    }
}

fn unix_seconds(time: SystemTime) -> Option<u64> {
    Some(time.duration_since(UNIX_EPOCH).ok()?.as_secs())
}

fn table(project: &Project, rows: &[Row], now: SystemTime) -> String {
    let mut lines = vec![
        ["WORKTREE", "AGENT", "KEY", "SIZE", "FREES", "COSTS", "LAST USE", "DIFFERS"]
            .map(str::to_owned),
    ];
    for Row { lane, differs } in rows {
        let age = lane.last_use.map(|time| now.duration_since(time).unwrap_or_default());
        lines.push([
            name_of(project, lane),
            lane.agent.clone().unwrap_or_else(|| "-".to_owned()),
            lane.key.clone().unwrap_or_else(|| "-".to_owned()),
            ui::bytes(lane.size),
            ui::bytes(lane.price.frees),
            ui::duration(lane.price.time()),
            match age {
                _ if lane.in_use => "in use".to_owned(),
                Some(age) => ui::age(age),
                None => "never".to_owned(),
            },
            if differs.is_empty() { "-".to_owned() } else { differs.join(",") },
        ]);
    }

    let width = |column: usize| {
        lines.iter().map(|line| line[column].chars().count()).max().unwrap_or_default()
    };
    let widths: [usize; 8] = std::array::from_fn(width);
    let line = |cells: &[String; 8]| {
        let cells: Vec<String> =
            cells.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        cells.join("  ").trim_end().to_owned()
    };
    lines.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// The worktree's folder; `.` is the one the user stands in.
fn name_of(project: &Project, lane: &Found) -> String {
    if lane.root == project.repo.root {
        return ".".to_owned();
    }
    lane.worktree.file_name().unwrap_or(lane.worktree.as_os_str()).to_string_lossy().into_owned()
}

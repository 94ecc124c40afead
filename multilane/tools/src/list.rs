//! `lane list`: the lanes there are, and what `gc` would free by each.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use multilane_engine::lanes::choose::{self, LaneChoice, Lockfile};
use multilane_engine::lanes::list::Found;
use multilane_engine::lanes::{Agent, KeyInputs, lockfile_hash};
use multilane_engine::project::{Project, Session};
use multilane_engine::{environment, files, ui};
use serde::Serialize;

use crate::flags;
use crate::gc::{inventory, policy};

#[derive(Serialize)]
struct Row {
    worktree: PathBuf,
    path: PathBuf,
    agent: Option<String>,
    key: Option<String>,
    /// A file with several names is counted once.
    size_bytes: u64,
    /// What is freed if it alone goes.
    frees_bytes: u64,
    /// What it takes to make that again, in seconds of work: an estimate.
    costs_seconds: f64,
    last_use_unix_seconds: Option<u64>,
    in_use: bool,
    /// The key inputs that are not today's.
    differs: Vec<&'static str>,
    inputs: Option<Inputs>,
}

#[derive(Serialize)]
struct Inputs {
    toolchain: String,
    target: String,
    lockfile: String,
    features: String,
    backend: String,
}

impl flags::lane::LaneList {
    pub(crate) fn run(self, session: Session) -> anyhow::Result<ExitCode> {
        // A malformed name is refused before anything else happens, whatever the verb.
        Agent::from_environment(session.env.get("AGENT_ID"))?;
        let project = session.project(None)?;
        let now = environment::now();
        let (found, lanes) = inventory::read(&project, now);
        let today = LaneChoice { lockfile: Lockfile::MustStay, ..LaneChoice::default() };
        let today = choose::key_inputs(&project, &today)?;
        let row = |(at, found): (usize, &Found)| {
            let (frees_bytes, costs_seconds) = policy::price(&lanes, at);
            let since = found.last_use.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
            Row {
                worktree: found.worktree.clone(),
                path: found.dir.clone(),
                agent: found.agent.clone(),
                key: found.key.clone(),
                size_bytes: found.size,
                frees_bytes,
                costs_seconds,
                last_use_unix_seconds: since
                    .map(|since| since.as_secs())
                    .filter(|since| *since > 0),
                in_use: found.in_use,
                differs: differs(&project, found, &today),
                inputs: found.inputs.clone().map(Inputs::from),
            }
        };
        let rows: Vec<Row> = found.iter().enumerate().map(row).collect();
        if self.json {
            ui::data(serde_json::to_string(&rows)?)?;
        } else {
            ui::data(ui::printable(table(&project, &found, &rows, now)))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// `today` is of this worktree; another one may have another lockfile.
fn differs(project: &Project, found: &Found, today: &KeyInputs) -> Vec<&'static str> {
    let lockfile = files::read(project.repo.lockfile_in(&found.root));
    let lockfile = lockfile.map(|bytes| lockfile_hash(&bytes)).unwrap_or_default();
    let today = KeyInputs { lockfile, ..today.clone() };
    found.inputs.as_ref().map(|inputs| inputs.differing(&today)).unwrap_or_default()
}

impl From<KeyInputs> for Inputs {
    fn from(inputs: KeyInputs) -> Inputs {
        let KeyInputs { toolchain, target, lockfile, features, backend } = inputs;
        Inputs { toolchain, target, lockfile, features, backend }
    }
}

fn table(project: &Project, found: &[Found], rows: &[Row], now: SystemTime) -> String {
    let mut lines = vec![
        ["WORKTREE", "AGENT", "KEY", "SIZE", "FREES", "COSTS", "LAST USE", "DIFFERS"]
            .map(str::to_owned),
    ];
    let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    for (lane, row) in found.iter().zip(rows) {
        let since = row.last_use_unix_seconds.map(Duration::from_secs);
        let age = since.map(|since| now.duration_since(UNIX_EPOCH + since).unwrap_or_default());
        lines.push([
            name_of(project, lane),
            or_dash(&row.agent),
            or_dash(&row.key),
            ui::bytes(row.size_bytes),
            ui::bytes(row.frees_bytes),
            ui::duration(Duration::from_secs_f64(row.costs_seconds)),
            match age {
                _ if row.in_use => "in use".to_owned(),
                Some(age) => ui::age(age),
                None => "never".to_owned(),
            },
            if row.differs.is_empty() { "-".to_owned() } else { row.differs.join(",") },
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

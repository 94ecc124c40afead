//! `lane`: show the lanes there are. Its other verbs are in `fork`, `worktree`, `hook`, `agent` and `verify`.

use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::effects::ui;
use crate::facts::host;
use crate::facts::lanes::{self, Found};
use crate::flags;
use crate::plan::lane::{KeyInputs, lockfile_hash};
use crate::verbs::session::{LaneChoice, Lockfile, Session, Workspace};

impl flags::lane::Lane {
    pub(crate) fn run(self, session: Session) -> anyhow::Result<ExitCode> {
        match self {
            flags::lane::Lane::List(flags) => flags.run(session),
            flags::lane::Lane::New(flags) => flags.run(session),
            flags::lane::Lane::Fork(flags) => flags.run(session),
            flags::lane::Lane::Remove(flags) => flags.run(session),
            flags::lane::Lane::Hook(flags) => flags.run(session),
            flags::lane::Lane::Run(flags) => flags.run(session),
            flags::lane::Lane::Env(flags) => flags.run(session),
            flags::lane::Lane::Verify(flags) => flags.run(session),
        }
    }
}

impl flags::lane::LaneList {
    fn run(self, session: Session) -> anyhow::Result<ExitCode> {
        let workspace = session.workspace(None)?;
        let found = lanes::of_repository(&workspace.sh, &workspace.repo, &workspace.worktree_lane().dir);
        let today =
            workspace.key_inputs(&LaneChoice { lockfile: Lockfile::MustStay, ..LaneChoice::default() })?;
        let rows: Vec<Row> = found.into_iter().map(|lane| Row::new(lane, &today)).collect();

        if self.json {
            ui::data(Value::Array(rows.iter().map(Row::to_json).collect()))?;
        } else {
            ui::data(table(&workspace, &rows, host::now()))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

struct Row {
    lane: Found,
    /// The key inputs that are not today's.
    differs: Vec<&'static str>,
}

impl Row {
    /// `today` is of this worktree; another one may have another lockfile.
    fn new(lane: Found, today: &KeyInputs) -> Row {
        let lockfile = std::fs::read(lane.root.join("Cargo.lock")).map(|bytes| lockfile_hash(&bytes));
        let today = KeyInputs { lockfile: lockfile.unwrap_or_default(), ..today.clone() };
        let differs = lane.inputs.as_ref().map(|inputs| inputs.differing(&today)).unwrap_or_default();
        Row { lane, differs }
    }

    fn to_json(&self) -> Value {
        let Found { worktree, dir, agent, key, inputs, size, last_use, in_use, .. } = &self.lane;
        json!({
            "worktree": worktree.to_string_lossy(),
            "path": dir.to_string_lossy(),
            "agent": agent,
            "key": key,
            "size_bytes": size,
            "last_use_unix_seconds": last_use.and_then(unix_seconds),
            "in_use": in_use,
            "differs": self.differs,
            "inputs": inputs.as_ref().map(|inputs| {
                Value::Object(inputs.fields().map(|(name, value)| (name.to_owned(), value.into())).into_iter().collect())
            }),
        })
    }
}

fn unix_seconds(time: SystemTime) -> Option<u64> {
    Some(time.duration_since(UNIX_EPOCH).ok()?.as_secs())
}

fn table(workspace: &Workspace, rows: &[Row], now: SystemTime) -> String {
    let mut lines =
        vec![["WORKTREE", "AGENT", "KEY", "SIZE", "LAST USE", "STATE", "DIFFERS"].map(str::to_owned)];
    for Row { lane, differs } in rows {
        let age = lane.last_use.map(|time| now.duration_since(time).unwrap_or_default());
        lines.push([
            name_of(workspace, lane),
            lane.agent.clone().unwrap_or_else(|| "-".to_owned()),
            lane.key.clone().unwrap_or_else(|| "-".to_owned()),
            ui::bytes(lane.size),
            age.map(ui::age).unwrap_or_else(|| "never".to_owned()),
            if lane.in_use { "in use" } else { "idle" }.to_owned(),
            if differs.is_empty() { "-".to_owned() } else { differs.join(",") },
        ]);
    }

    let width =
        |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or_default();
    let widths: [usize; 7] = std::array::from_fn(width);
    let line = |cells: &[String; 7]| {
        let cells: Vec<String> =
            cells.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        cells.join("  ").trim_end().to_owned()
    };
    lines.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// The worktree's folder; `.` is the one the user stands in.
fn name_of(workspace: &Workspace, lane: &Found) -> String {
    if lane.root == workspace.repo.root {
        return ".".to_owned();
    }
    lane.worktree.file_name().unwrap_or(lane.worktree.as_os_str()).to_string_lossy().into_owned()
}

//! `lane status` and `top`: who builds what, who waits for whom, and what the machine has left.

mod builds;
mod machine;

use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use multilane_engine::lanes::list::{self, Found};
use multilane_engine::permits::limits::{Asked, BLOCK_MIB, Limits, Machine};
use multilane_engine::permits::{self, pool, view::State};
use multilane_engine::project::{Project, Session};
use multilane_engine::sccache::tally;
use multilane_engine::ui::{self, printable};
use serde::Serialize;

use crate::status::builds::Build;
use crate::status::machine::Load;
use crate::{doctor, flags};

/// How often `top` looks.
const PERIOD: Duration = Duration::from_secs(1);

/// How often it looks how large lanes are: that takes a walk.
const TURNS_UNTIL_SIZES: u32 = 30;

#[derive(Serialize)]
struct Status {
    machine: Load,
    permits: Permits,
    builds: Vec<Build>,
    lanes: Vec<Lane>,
    cache: Cache,
}

#[derive(Serialize)]
struct Permits {
    is_off: bool,
    total: u64,
    express: u64,
    taken: usize,
    waiting: usize,
    memory_mib: u64,
    memory_taken_mib: u64,
}

#[derive(Serialize)]
struct Lane {
    path: PathBuf,
    agent: Option<String>,
    in_use: bool,
    size_bytes: u64,
}

/// What came from the shared cache, in all builds.
#[derive(Serialize)]
struct Cache {
    asked: u64,
    hits: u64,
}

impl flags::lane::LaneStatus {
    pub(crate) fn run(self, session: Session) -> anyhow::Result<ExitCode> {
        let project = doctor::read_only_project(session)?;
        let status = Status::read(&project, lanes(&project));
        if self.json {
            ui::data(serde_json::to_string_pretty(&status)?)?;
        } else {
            ui::data(status.shown(&project))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl flags::Top {
    pub(crate) fn run(self, session: Session) -> anyhow::Result<ExitCode> {
        let project = doctor::read_only_project(session)?;
        let mut status = Status::read(&project, lanes(&project));
        if !std::io::stdout().is_terminal() {
            ui::data(status.shown(&project))?;
            return Ok(ExitCode::SUCCESS);
        }
        for turn in 1.. {
            self.show(&status.shown(&project))?;
            std::thread::sleep(PERIOD);
            let is_time = turn % TURNS_UNTIL_SIZES == 0;
            let lanes = if is_time { lanes(&project) } else { status.lanes };
            status = Status::read(&project, lanes);
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Writes over what was shown last.
    fn show(&self, text: &str) -> anyhow::Result<()> {
        const CLEAR: &str = "\x1b[H\x1b[2J\x1b[3J";
        let height = terminal_size::terminal_size().map_or(24, |(_, height)| usize::from(height.0));
        let lines: Vec<&str> = text.lines().take(height.saturating_sub(1)).collect();
        let mut out = std::io::stdout().lock();
        out.write_all(format!("{CLEAR}{}\n", lines.join("\n")).as_bytes())?;
        Ok(out.flush()?)
    }
}

fn lanes(project: &Project) -> Vec<Lane> {
    let found = list::measured(list::all(project)).into_iter();
    let lane = |Found { dir: path, agent, in_use, size: size_bytes, .. }: Found| Lane {
        path,
        agent,
        in_use,
        size_bytes,
    };
    found.map(lane).collect()
}

impl Status {
    fn read(project: &Project, lanes: Vec<Lane>) -> Status {
        let env = &project.session.env;
        let state = State::read(&pool::place(env));
        let noted = project.repo.settings.permits.as_deref().unwrap_or_default();
        let limits = Limits::of(Machine::read(), Asked::read(env, noted));
        let counts = env.cache_home().map(|home| tally::totals(&home)).unwrap_or_default();
        Status {
            machine: Load::read(&project.repo.root),
            permits: Permits {
                is_off: project.repo.settings.permits.is_none() || permits::is_switched_off(env),
                total: limits.permits,
                express: limits.express,
                taken: state.holders.len(),
                waiting: state.waiters.len(),
                memory_mib: limits.blocks * BLOCK_MIB,
                memory_taken_mib: state.blocks * BLOCK_MIB,
            },
            builds: builds::all(&state),
            lanes,
            cache: Cache { asked: counts.asked, hits: counts.hits },
        }
    }

    fn shown(&self, project: &Project) -> String {
        let width = terminal_size::terminal_size().map(|(width, _)| usize::from(width.0));
        // Who reads it from a pipe wants all of it.
        let width = width.filter(|_| std::io::stdout().is_terminal()).unwrap_or(usize::MAX);
        let machine = self.machine.to_string();
        let mut lines: Vec<String> = machine.lines().map(str::to_owned).collect();
        let Permits { total, express, taken, waiting, memory_mib, memory_taken_mib, .. } =
            self.permits;
        lines.push(match self.permits.is_off {
            true => "permits   off".to_owned(),
            false => format!(
                "permits   {taken} of {total} (and {express} for checks) taken, {waiting} waiting; \
                 links have {} of {}",
                ui::bytes(memory_taken_mib << 20),
                ui::bytes(memory_mib << 20)
            ),
        });
        if self.cache.asked > 0 {
            let Cache { asked, hits } = self.cache;
            lines.push(format!("cache     {hits} of {asked} units came from it, in all builds"));
        }
        lines.push(String::new());
        if self.builds.is_empty() {
            lines.push("Nothing is built.".to_owned());
        }
        for build in &self.builds {
            lines.extend(build.lines(&|dir| project.shown(dir)));
        }
        if !self.lanes.is_empty() {
            lines.extend([String::new(), format!("{:>9}  {:<7}LANE", "SIZE", "STATE")]);
        }
        for lane in &self.lanes {
            let state = if lane.in_use { "in use" } else { "" };
            let path = project.shown(&lane.path);
            lines.push(format!("{:>9}  {state:<7}{path}", ui::bytes(lane.size_bytes)));
        }
        let fit = |line: &String| line.chars().take(width).collect::<String>();
        printable(lines.iter().map(fit).collect::<Vec<_>>().join("\n"))
    }
}

//! `bench`: what xtask costs, measured on the workspace at hand, as differences within one run.
//!
//! All builds here have nothing to do, so what is left is the cost of starting: plain `cargo
//! check`, the same through `cargo xtask`, and through the program that make starts. They take
//! turns, so that a machine that is busy for a while is busy for all of them.

use std::ffi::OsString;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use multilane::lanes::choose::LaneChoice;
use multilane::lanes::{Agent, Lane, in_lane};
use multilane::process::step::{Program, Step};
use multilane::project::{Project, Session};
use multilane::ui::{Ui, milliseconds};
use multilane::{environment, files, ui};
use serde_json::{Value, json};

use crate::flags;
use crate::process::measure;
use crate::stats::{Spread, spread};

/// How a check can be started, plain cargo first: the others are compared with it.
const CANDIDATES: [&str; 3] = ["cargo check", "cargo xtask check", "target/xtask/xtask check"];

impl flags::lane::Bench {
    pub(crate) fn run(self, session: Session) -> anyhow::Result<ExitCode> {
        ensure!(self.runs > 0 && self.at_once > 0, "--runs and --at-once have to be 1 or more");
        let ui = session.ui.quiet(self.own.quiet);
        let project = session.project(None)?;
        let lanes = (1..=self.at_once).map(|number| bench_lane(&project, number));
        let lanes: Vec<(String, Lane)> = lanes.collect::<Result<_, _>>()?;
        let crews = [plain(&lanes), through_cargo(&lanes), direct(&lanes)?];
        if self.own.dry_run {
            for step in crews.iter().flatten() {
                ui::data(step)?;
            }
            return Ok(ExitCode::SUCCESS);
        }

        let samples = self.measure(ui, &project, &crews);
        for (_, lane) in &lanes {
            multilane::lanes::occupy::remove_agent_lane(&project.repo.lanes_dir(), &lane.dir).ok();
        }
        multilane::lanes::occupy::sweep(&project.repo.lanes_dir()).ok();
        self.report(&samples?)?;
        Ok(ExitCode::SUCCESS)
    }

    fn measure(
        &self,
        ui: Ui,
        project: &Project,
        crews: &[Vec<Step>],
    ) -> anyhow::Result<Vec<Vec<Sample>>> {
        ui.status("Warming", format_args!("lanes: {}", self.at_once));
        for step in crews.iter().rev().flatten() {
            measure(&project.sh, std::slice::from_ref(step))?;
        }
        let mut samples = vec![Vec::new(); crews.len()];
        ui.status("Measuring", format_args!("runs: {}", self.runs));
        for _ in 0..self.runs {
            for (crew, samples) in crews.iter().zip(&mut samples) {
                let measured = measure(&project.sh, crew)?;
                let waits =
                    |place: &str| measured.stderr.matches(&format!("file lock on {place}")).count();
                samples.push(Sample {
                    time: measured.time,
                    package_cache_waits: waits("package cache"),
                    // cargo 1.95 says "artifact directory" for what it uplifts there.
                    build_directory_waits: waits("build directory") + waits("artifact directory"),
                });
            }
        }
        Ok(samples)
    }

    fn report(&self, samples: &[Vec<Sample>]) -> anyhow::Result<()> {
        let rows =
            CANDIDATES.iter().zip(samples).map(|(name, own)| Row::new(name, own, &samples[0]));
        let rows: Vec<Row> = rows.collect::<Option<_>>().context("nothing was measured")?;
        let (runs, at_once) = (self.runs, self.at_once);
        if self.json {
            let rows: Vec<Value> = rows.iter().map(Row::to_json).collect();
            return ui::data(json!({ "runs": runs, "at_once": at_once, "rows": rows }));
        }

        ui::data(format_args!(
            "No-op builds, {at_once} at once, each in a lane of its own, until the last one ends; runs: {runs}, in turns.\n\
             Milliseconds; ADDED is the median of the differences to the first row. WAITS of all runs: for cargo's\n\
             package cache, for a build directory.\n\n\
             COMMAND                      MIN  MEDIAN     MAX   ADDED  WAITS"
        ))?;
        for Row { name, time: Spread { min, median, max }, added, waits } in rows {
            ui::data(format_args!(
                "{name:<25}{min:>7.0}{median:>8.0}{max:>8.0}{added:>+8.0}  {}, {}",
                waits.0, waits.1
            ))?;
        }
        Ok(())
    }
}

pub fn bench_lane(project: &Project, number: u32) -> anyhow::Result<(String, Lane)> {
    let name = format!("xtask-bench-{number}");
    let agent = Agent::from_environment(Some(name.as_ref()))?.context("a name")?;
    let inputs = multilane::lanes::choose::key_inputs(project, &LaneChoice::default())?;
    Ok((name, multilane::lanes::choose::agent_lane(project, &agent, inputs)))
}

fn plain(lanes: &[(String, Lane)]) -> Vec<Step> {
    lanes.iter().map(|(_, lane)| in_lane::step(&["check"], lane, Vec::new())).collect()
}

fn through_cargo(lanes: &[(String, Lane)]) -> Vec<Step> {
    let step = |(name, _): &(String, Lane)| {
        Step::cargo(vec!["xtask".into(), "check".into()]).with_env("AGENT_ID", name.into())
    };
    lanes.iter().map(step).collect()
}

fn direct(lanes: &[(String, Lane)]) -> anyhow::Result<Vec<Step>> {
    let exe = environment::exe_dir().context("cannot find xtask's own program")?;
    let exe = exe.join("xtask").with_extension(std::env::consts::EXE_EXTENSION);
    let step = |(name, _): &(String, Lane)| {
        let args: Vec<OsString> = vec!["check".into()];
        Step::of_program(Program::Other(exe.clone().into()), args).with_env("AGENT_ID", name.into())
    };
    Ok(lanes.iter().map(step).collect())
}

#[derive(Clone)]
struct Sample {
    time: Duration,
    package_cache_waits: usize,
    build_directory_waits: usize,
}

struct Row {
    name: &'static str,
    time: Spread,
    /// The median of the differences to the first candidate, run by run.
    added: f64,
    /// In all runs: for the package cache, for a build directory.
    waits: (usize, usize),
}

impl Row {
    fn new(name: &'static str, own: &[Sample], first: &[Sample]) -> Option<Row> {
        let time = |sample: &Sample| milliseconds(sample.time);
        let added = own.iter().zip(first).map(|(own, first)| time(own) - time(first));
        let sum = |waits: fn(&Sample) -> usize| own.iter().map(waits).sum();
        Some(Row {
            name,
            time: spread(own.iter().map(time))?,
            added: spread(added)?.median,
            waits: (
                sum(|sample| sample.package_cache_waits),
                sum(|sample| sample.build_directory_waits),
            ),
        })
    }

    fn to_json(&self) -> Value {
        let Spread { min, median, max } = self.time;
        json!({
            "command": self.name,
            "milliseconds": { "min": min, "median": median, "max": max },
            "added_milliseconds_median": self.added,
            "package_cache_waits": self.waits.0,
            "build_directory_waits": self.waits.1,
        })
    }
}

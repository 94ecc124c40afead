//! `lane bench`: what multilane adds to cargo, measured on the workspace at hand, as differences
//! within one run.
//!
//! All builds here have nothing to do, so what is left is the cost of starting. The ways to start a
//! check take turns, so that other load on the machine hits all of them.

use std::process::ExitCode;

use anyhow::{Context as _, ensure};
use multilane_engine::lanes::choose::{LaneChoice, agent_lane, key_inputs};
use multilane_engine::lanes::{Agent, Lane, in_lane, occupy};
use multilane_engine::process::step::{Program, Step};
use multilane_engine::project::{Project, Session};
use multilane_engine::ui::{Ui, milliseconds};
use multilane_engine::{environment, ui};
use serde::Serialize;
use serde_json::json;

use crate::flags;
use crate::process::measure;
use crate::stats::{Spread, spread};

/// A way to start a check, and one step for each builder.
struct Candidate {
    name: String,
    steps: Vec<Step>,
}

/// One run of a candidate.
#[derive(Clone, Copy)]
struct Sample {
    milliseconds: f64,
    package_cache_waits: usize,
    build_directory_waits: usize,
}

#[derive(Serialize)]
struct Row<'a> {
    command: &'a str,
    milliseconds: Spread,
    /// The median of the differences to the first candidate, run by run.
    added_milliseconds_median: f64,
    /// In all runs.
    package_cache_waits: usize,
    build_directory_waits: usize,
}

impl flags::lane::Bench {
    pub(crate) fn run(self, session: Session) -> anyhow::Result<ExitCode> {
        if let Some(flags::lane::BenchMode::Soak(soak)) = self.mode {
            return soak.run(session);
        }
        ensure!(self.runs > 0 && self.at_once > 0, "--runs and --at-once have to be 1 or more");
        let ui = session.ui.quiet(self.quiet);
        let project = session.project(None)?;
        let lanes = (1..=self.at_once).map(|number| bench_lane(&project, number));
        let lanes: Vec<(String, Lane)> = lanes.collect::<Result<_, _>>()?;
        let candidates = candidates(ui.called, &lanes)?;
        if self.dry_run {
            let mut steps = candidates.iter().flat_map(|candidate| &candidate.steps);
            steps.try_for_each(ui::data)?;
            return Ok(ExitCode::SUCCESS);
        }

        let samples = self.measure(ui, &project, &candidates);
        let lanes_dir = project.repo.lanes_dir();
        for (_, lane) in &lanes {
            occupy::remove_agent_lane(&lanes_dir, &lane.dir).ok();
        }
        occupy::remove_empty_folders(&lanes_dir);
        self.report(&candidates, &samples?)?;
        Ok(ExitCode::SUCCESS)
    }

    fn measure(
        &self,
        ui: Ui,
        project: &Project,
        candidates: &[Candidate],
    ) -> anyhow::Result<Vec<Vec<Sample>>> {
        ui.status("Warming", format_args!("lanes: {}", self.at_once));
        for step in candidates.iter().rev().flat_map(|candidate| &candidate.steps) {
            measure(&project.sh, std::slice::from_ref(step))?;
        }
        let mut samples = vec![Vec::new(); candidates.len()];
        ui.status("Measuring", format_args!("runs: {}", self.runs));
        for _ in 0..self.runs {
            for (candidate, samples) in candidates.iter().zip(&mut samples) {
                let measured = measure(&project.sh, &candidate.steps)?;
                let waits =
                    |place: &str| measured.stderr.matches(&format!("file lock on {place}")).count();
                samples.push(Sample {
                    milliseconds: milliseconds(measured.time),
                    package_cache_waits: waits("package cache"),
                    // cargo 1.95 says "artifact directory" for the final artifacts.
                    build_directory_waits: waits("build directory") + waits("artifact directory"),
                });
            }
        }
        Ok(samples)
    }

    fn report(&self, candidates: &[Candidate], samples: &[Vec<Sample>]) -> anyhow::Result<()> {
        let rows = candidates.iter().zip(samples);
        let rows = rows.map(|(candidate, own)| Row::new(&candidate.name, own, &samples[0]));
        let rows: Vec<Row<'_>> = rows.collect::<Option<_>>().context("nothing was measured")?;
        let (runs, at_once) = (self.runs, self.at_once);
        if self.json {
            return ui::data(json!({ "runs": runs, "at_once": at_once, "rows": rows }));
        }

        ui::data(format_args!(
            "No-op builds, {at_once} at once, each in a lane of its own, until the last one ends.\n\
             Runs: {runs}, in turns. Milliseconds; ADDED is the median of the differences to the\n\
             first row. WAITS of all runs: for cargo's package cache, for a build directory.\n\n\
             COMMAND                      MIN  MEDIAN     MAX   ADDED  WAITS"
        ))?;
        for row in &rows {
            let Spread { min, median, max } = row.milliseconds;
            ui::data(format_args!(
                "{:<25}{min:>7.0}{median:>8.0}{max:>8.0}{:>+8.0}  {}, {}",
                row.command,
                row.added_milliseconds_median,
                row.package_cache_waits,
                row.build_directory_waits
            ))?;
        }
        Ok(())
    }
}

fn bench_lane(project: &Project, number: u32) -> anyhow::Result<(String, Lane)> {
    // Of this process alone: its lanes are deleted afterwards.
    let name = format!("lane-bench-{}-{number}", std::process::id());
    let agent = Agent::from_environment(Some(name.as_ref()))?.context("a name")?;
    let inputs = key_inputs(project, &LaneChoice::default())?;
    Ok((name, agent_lane(project, &agent, inputs)))
}

/// Plain cargo first: the others are compared with it.
fn candidates(called: &str, lanes: &[(String, Lane)]) -> anyhow::Result<[Candidate; 3]> {
    let exe = environment::exe().context("cannot find the engine's program")?;
    let verb = called.trim_start_matches("cargo ");
    let through_cargo = || Step::cargo(vec![verb.into(), "check".into()]);
    let direct = || Step::of_program(Program::Other(exe.clone().into()), vec!["check".into()]);
    let named = |step: &dyn Fn() -> Step| -> Vec<Step> {
        lanes.iter().map(|(name, _)| step().with_env("AGENT_ID", name.into())).collect()
    };
    let plain = |(_, lane): &(String, Lane)| in_lane::step(&["check"], lane, Vec::new());
    let file_name = exe.file_name().unwrap_or_default().to_string_lossy();
    Ok([
        Candidate { name: "cargo check".to_owned(), steps: lanes.iter().map(plain).collect() },
        Candidate { name: format!("{called} check"), steps: named(&through_cargo) },
        Candidate { name: format!("{file_name} check"), steps: named(&direct) },
    ])
}

impl<'a> Row<'a> {
    fn new(command: &'a str, own: &[Sample], first: &[Sample]) -> Option<Row<'a>> {
        let time = |sample: &Sample| sample.milliseconds;
        let added = own.iter().zip(first).map(|(own, first)| time(own) - time(first));
        let sum = |waits: fn(&Sample) -> usize| own.iter().map(waits).sum();
        Some(Row {
            command,
            milliseconds: spread(own.iter().map(time))?,
            added_milliseconds_median: spread(added)?.median,
            package_cache_waits: sum(|sample| sample.package_cache_waits),
            build_directory_waits: sum(|sample| sample.build_directory_waits),
        })
    }
}

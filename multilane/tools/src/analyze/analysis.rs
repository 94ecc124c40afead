//! Everything that follows from the facts, once, for all forms of the answer.

use std::collections::BTreeMap;

use multilane_engine::files::parallel::in_parallel;

use crate::analyze::advice::{self, Advice, Situation, TOLERANCE};
use crate::analyze::churn::{self, Cost};
use crate::analyze::deps::Dependencies;
use crate::analyze::disk::{self, Disk};
use crate::analyze::facts::Facts;
use crate::analyze::forks::Forks;
use crate::analyze::graph::Graph;
use crate::analyze::mono;
use crate::analyze::simulate::{Model, Run};
use crate::analyze::source::{self, Sources};
use crate::analyze::timings::Timed;
use crate::analyze::trend::{self, Build, Slower};
use crate::flags::analyze::Part;

pub(crate) struct Analysis {
    pub(crate) facts: Facts,
    pub(crate) graph: Graph,
    pub(crate) jobs: usize,
    /// As cargo has measured it, in seconds.
    pub(crate) total: f64,
    /// As the simulation has it.
    pub(crate) run: Run,
    /// On any number of processors, in seconds.
    pub(crate) critical_total: f64,
    pub(crate) critical: Vec<usize>,
    /// For each unit, how much sooner the build would end if it took no time. Empty where the
    /// simulation is off, as is `advice`.
    pub(crate) what_if: Vec<f64>,
    /// For each unit, how long it was the only one.
    pub(crate) alone: Vec<f64>,
    /// The part of all processors' time in which there was a unit.
    pub(crate) busy: f64,
    /// The time that the units took, divided by the time that they had a processor; `None` where it
    /// is not known or close to one.
    pub(crate) stretched: Option<f64>,
    pub(crate) advice: Vec<Advice>,
    pub(crate) costs: Vec<Cost>,
    pub(crate) dependencies: Dependencies,
    pub(crate) sources: Sources,
    /// `None` where the part was not asked for.
    pub(crate) forks: Option<Forks>,
    pub(crate) disk: Disk,
    /// The builds of this kind, this one last.
    pub(crate) builds: Vec<Build>,
    pub(crate) slower: Vec<Slower>,
}

impl Analysis {
    /// # Errors
    ///
    /// When a unit that was built cannot be found in the lane.
    pub(crate) fn of(mut facts: Facts) -> anyhow::Result<Analysis> {
        let graph =
            Graph::join(&facts.timings, &facts.known, &facts.metadata).map_err(|title| {
                anyhow::anyhow!(
                    "cannot find {title} in the lane: another build has changed it\n\
                     help: run `{} analyze` without --last",
                    facts.called
                )
            })?;
        let jobs = facts.timings.jobs;
        let total = facts.timings.total();
        let model = Model::new(&graph, jobs);
        let run = model.as_it_was();
        let (critical_total, critical) = model.critical_path();
        let work: f64 = graph.units.iter().map(|unit| unit.timed.duration).sum();
        let metadata = &facts.metadata;

        let mut dependencies = Dependencies::of(&graph, metadata);
        dependencies.unused = facts.unused.take();
        let reads_sources = facts.wants(Part::Mono) || facts.wants(Part::Deps);
        let is_trusted = is_trusted(run.total, total);
        let (mut what_if, mut advice) = (Vec::new(), Vec::new());
        if is_trusted {
            let units: Vec<usize> = (0..graph.units.len()).collect();
            what_if = in_parallel(&units, |at| run.total - model.total_without([*at]));
            let unused = dependencies.unused.as_deref().unwrap_or_default();
            let (graph, model, total) = (&graph, &model, run.total);
            advice = advice::all(&Situation { graph, model, metadata, unused, total });
        }
        let log = facts.git_log.as_ref().filter(|_| facts.wants(Part::Graph));
        let weeks = f64::from(facts.weeks);
        let costs = log.map(|log| churn::costs(&graph, &model, metadata, log, weeks));
        let trusted = is_trusted.then_some(&model);

        let build = remembered(&facts, &graph);
        let same = facts.history.iter().filter(|other| other.key == build.key);
        let mut builds: Vec<Build> = same.cloned().collect();
        // The last build, analyzed again, is no further build; two builds of a small workspace may
        // be of one second.
        let is_new = facts.is_recorded || builds.last().is_none_or(|last| last.time != build.time);
        builds.extend((is_new && !facts.is_incremental).then_some(build));
        Ok(Analysis {
            alone: alone(&graph),
            busy: if total > 0.0 { work / (jobs as f64 * total) } else { 0.0 },
            stretched: stretched(work, facts.processor_seconds),
            costs: costs.unwrap_or_default(),
            sources: match reads_sources {
                true => source::read(&facts.root, metadata),
                false => Sources::default(),
            },
            forks: facts.left.as_ref().map(|left| Forks::of(left, &graph, trusted)),
            disk: disk::read(&facts.lanes),
            slower: trend::slower(&builds),
            builds,
            what_if,
            advice,
            dependencies,
            jobs,
            total,
            critical_total,
            critical,
            run,
            graph,
            facts,
        })
    }

    /// How far the simulation is off, in percent, without a sign where that is nothing.
    pub(crate) fn shown_error(&self) -> String {
        let percent = error(self.run.total, self.total) * 100.0;
        if percent.abs() < 0.05 { "0.0 %".to_owned() } else { format!("{percent:+.1} %") }
    }

    pub(crate) fn is_trusted(&self) -> bool {
        is_trusted(self.run.total, self.total)
    }

    /// Whether a function is written in one of the workspace's own crates.
    pub(crate) fn is_own_crate(&self, function: &str) -> bool {
        let name = mono::crate_of(function);
        let mut members = self.graph.units.iter().filter(|unit| unit.is_member);
        members.any(|unit| unit.timed.package.replace('-', "_") == name)
    }

    /// The unit of the workspace's own crates that began first.
    pub(crate) fn first_member(&self) -> Option<usize> {
        // Units are in the order in which they began.
        self.graph.units.iter().position(|unit| unit.is_member)
    }

    /// The units that one has waited for, one after the other, the last ones.
    pub(crate) fn chain(&self, of: usize) -> Vec<String> {
        const SHOWN_MAX: usize = 6;
        let before = |at: usize| self.run.released_by[at];
        let chain = std::iter::successors(before(of), |at| before(*at)).take(SHOWN_MAX);
        let mut titles = self.graph.titles(chain);
        titles.reverse();
        titles
    }

    /// Why there is no advice; `None` where there is some.
    pub(crate) fn why_no_advice(&self) -> Option<String> {
        if !self.is_trusted() {
            return Some(format!(
                "The simulation is off by more than {:.0} %, so nothing is predicted. Other \
                 processes may have kept the machine busy: try again when it is idle.",
                TOLERANCE * 100.0
            ));
        }
        let text = "No change was found that would make this build notably shorter.";
        self.advice.is_empty().then(|| text.to_owned())
    }

    /// What else to know about the times.
    pub(crate) fn notes(&self) -> Vec<String> {
        let stretched = self.stretched.map(|stretched| {
            format!(
                "Other processes used the processors, too: the units took {stretched:.1} times as \
                 long as they were at work. On an idle machine all times, and all savings, are \
                 shorter by about as much."
            )
        });
        let text = "The compilers ran through sccache: units that it had took less time.";
        stretched.into_iter().chain(self.facts.uses_sccache.then(|| text.to_owned())).collect()
    }
}

/// How far the simulation is off, as a part of the time that was measured.
fn error(simulated: f64, measured: f64) -> f64 {
    if measured > 0.0 { simulated / measured - 1.0 } else { 0.0 }
}

fn is_trusted(simulated: f64, measured: f64) -> bool {
    error(simulated, measured).abs() <= TOLERANCE
}

/// The entry of this build in the history.
fn remembered(facts: &Facts, graph: &Graph) -> Build {
    let mut crates: BTreeMap<String, f64> = BTreeMap::new();
    for unit in &graph.units {
        let Timed { package, version, duration, .. } = &unit.timed;
        let name = if unit.is_member { package.clone() } else { format!("{package} {version}") };
        *crates.entry(name).or_default() += duration;
    }
    let timings = &facts.timings;
    let build = Build {
        key: format!("{} · {} · {}", facts.selection, timings.rustc, timings.jobs),
        time: timings.began as u64,
        commit: facts.commit.clone().unwrap_or_default(),
        has_changes: facts.has_changes,
        seconds: timings.total(),
        units: graph.units.len(),
        crates,
    };
    build.bounded()
}

/// While a unit runs, it has a processor, unless another process has it; code generation may even
/// have several.
fn stretched(work: f64, processor_seconds: Option<f64>) -> Option<f64> {
    const NOTABLE: f64 = 1.3;
    let stretched = work / processor_seconds.filter(|seconds| *seconds > 1.0)?;
    (stretched > NOTABLE).then_some(stretched)
}

/// How long each unit was the only one, in the build that was measured.
fn alone(graph: &Graph) -> Vec<f64> {
    let events = graph
        .units
        .iter()
        .enumerate()
        .flat_map(|(at, unit)| [(unit.timed.start, true, at), (unit.timed.end(), false, at)]);
    let mut events: Vec<(f64, bool, usize)> = events.collect();
    events.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let mut alone = vec![0.0; graph.units.len()];
    let mut active: Vec<usize> = Vec::new();
    let mut since = 0.0;
    for (time, begins, at) in events {
        if let [only] = active[..] {
            alone[only] += time - since;
        }
        since = time;
        match begins {
            true => active.push(at),
            false => active.retain(|other| *other != at),
        }
    }
    alone
}

//! Everything that follows from the facts, once, for all forms of the answer.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use crate::analyze::advice::{self, Advice, Situation, TOLERANCE};
use crate::analyze::churn::{self, Cost};
use crate::analyze::deps::Dependencies;
use crate::analyze::disk::{self, Disk};
use crate::analyze::facts::Facts;
use crate::analyze::forks::Forks;
use crate::analyze::graph::Graph;
use crate::analyze::metadata::Metadata;
use crate::analyze::mono::{self, Mono};
use crate::analyze::simulate::{Model, Run};
use crate::analyze::source::{self, Sources};
use crate::analyze::timings::Timed;
use crate::analyze::trend::{self, Build, Slower};

pub(crate) struct Analysis {
    pub(crate) graph: Graph,
    pub(crate) jobs: usize,
    /// As cargo has measured it.
    pub(crate) total: f64,
    /// As the simulation has it.
    pub(crate) run: Run,
    /// On as many processors as one could wish for.
    pub(crate) critical_total: f64,
    pub(crate) critical: Vec<usize>,
    /// For each unit, how much sooner the build would end if it took no time.
    pub(crate) what_if: Vec<f64>,
    /// For each unit, how long it was the only one.
    pub(crate) alone: Vec<f64>,
    /// Of all processors' time, how much was a unit's.
    pub(crate) busy: f64,
    /// How many times as long the units took as they had a processor for; `None` where that is not
    /// known, or nothing to speak of.
    pub(crate) stretched: Option<f64>,
    /// Empty where the simulation is off.
    pub(crate) advice: Vec<Advice>,
    pub(crate) costs: Vec<Cost>,
    pub(crate) dependencies: Dependencies,
    pub(crate) mono: Vec<Mono>,
    pub(crate) sources: Sources,
    /// `None` where nobody has asked.
    pub(crate) forks: Option<Forks>,
    pub(crate) disk: Disk,
    /// The builds of this kind, this one last.
    pub(crate) builds: Vec<Build>,
    pub(crate) slower: Vec<Slower>,
}

impl Analysis {
    /// # Errors
    ///
    /// When something that was built cannot be found in the lane.
    pub(crate) fn of(facts: &Facts) -> anyhow::Result<Analysis> {
        let unknown = Metadata::default();
        let metadata = facts.metadata.as_ref().unwrap_or(&unknown);
        let graph = Graph::join(&facts.timings, &facts.known, metadata).map_err(|title| {
            anyhow::anyhow!(
                "cannot find in the lane what cargo says of {title}\n\
                 help: something else has built there; cargo xtask analyze builds anew"
            )
        })?;
        let jobs = facts.timings.jobs;
        let total = facts.timings.total();
        let model = Model::new(&graph, jobs);
        let run = model.as_it_was();
        let (critical_total, critical) = model.critical_path();
        let work: f64 = graph.units.iter().map(|unit| unit.timed.duration).sum();
        let mut analysis = Analysis {
            what_if: Vec::new(),
            alone: alone(&graph),
            busy: if total > 0.0 { work / (jobs as f64 * total) } else { 0.0 },
            stretched: stretched(work, facts.json["processor_seconds"].as_f64()),
            advice: Vec::new(),
            costs: Vec::new(),
            dependencies: Dependencies::default(),
            mono: mono::read(&facts.json["mono"], metadata),
            sources: Sources::default(),
            forks: None,
            disk: Disk::default(),
            builds: Vec::new(),
            slower: Vec::new(),
            jobs,
            total,
            critical_total,
            critical,
            run,
            graph,
        };
        if facts.wants("mono") || facts.wants("deps") {
            analysis.sources = source::read(Path::new(facts.text("root")), metadata);
        }
        analysis.dependencies = Dependencies::of(&analysis.graph, metadata, facts.unused.as_ref());
        if analysis.is_trusted() {
            analysis.what_if = what_if(&model, analysis.run.total);
            let unused = analysis.dependencies.unused.as_deref().unwrap_or_default();
            let situation = Situation {
                graph: &analysis.graph,
                model: &model,
                metadata,
                unused,
                total: analysis.run.total,
            };
            analysis.advice = advice::all(&situation);
        }
        if let Some(log) = facts.git_log.as_ref().filter(|_| facts.wants("graph")) {
            let weeks = facts.json["weeks"].as_f64().unwrap_or(1.0);
            analysis.costs = churn::costs(&analysis.graph, &model, metadata, log, weeks);
        }
        let trusted = analysis.is_trusted().then_some(&model);
        analysis.forks = Forks::read(&facts.json["fork"], &analysis.graph, trusted);
        if facts.wants("disk") {
            analysis.disk = disk::read(&facts.json["lanes"]);
        }
        let build = build(facts, &analysis);
        analysis.builds =
            facts.history.iter().filter(|other| other.key == build.key).cloned().collect();
        // A look at the last build again is no other build; two builds of a small workspace may be
        // of one second.
        let is_new =
            facts.is("record") || analysis.builds.last().is_none_or(|last| last.time != build.time);
        if is_new && !facts.is("incremental") {
            analysis.builds.push(build);
        }
        analysis.slower = trend::slower(&analysis.builds);
        Ok(analysis)
    }

    /// How far the simulation is off, as a part of what was measured.
    pub(crate) fn error(&self) -> f64 {
        if self.total > 0.0 { self.run.total / self.total - 1.0 } else { 0.0 }
    }

    /// Without a sign where it is nothing.
    pub(crate) fn shown_error(&self) -> String {
        let percent = self.error() * 100.0;
        if percent.abs() < 0.05 { "0.0 %".to_owned() } else { format!("{percent:+.1} %") }
    }

    pub(crate) fn is_trusted(&self) -> bool {
        self.error().abs() <= TOLERANCE
    }

    /// Whether what has this name is written in one of the workspace's own crates.
    pub(crate) fn is_own_crate(&self, function: &str) -> bool {
        let name = mono::crate_of(function);
        self.graph
            .units
            .iter()
            .any(|unit| unit.is_member && unit.timed.package.replace('-', "_") == name)
    }

    /// When the first of the workspace's own crates began, and what it had waited for.
    pub(crate) fn first_member(&self) -> Option<usize> {
        let members = self.graph.units.iter().enumerate().filter(|(_, unit)| unit.is_member);
        members.min_by(|a, b| a.1.timed.start.total_cmp(&b.1.timed.start)).map(|(at, _)| at)
    }
}

/// What is to be remembered of this build.
fn build(facts: &Facts, analysis: &Analysis) -> Build {
    let mut crates: BTreeMap<String, f64> = BTreeMap::new();
    for unit in &analysis.graph.units {
        let Timed { package, version, duration, .. } = &unit.timed;
        let name = if unit.is_member { package.clone() } else { format!("{package} {version}") };
        *crates.entry(name).or_default() += duration;
    }
    let build = Build {
        key: format!("{} · {} · {}", facts.text("selection"), facts.timings.rustc, analysis.jobs),
        time: facts.timings.began as u64,
        commit: facts.text("commit").to_owned(),
        has_changes: facts.is("changed"),
        seconds: analysis.total,
        units: analysis.graph.units.len(),
        crates,
    };
    build.bounded()
}

/// While a unit runs, it has a processor, unless somebody else has it; code generation may even
/// have several.
fn stretched(work: f64, processor_seconds: Option<f64>) -> Option<f64> {
    const NOTABLE: f64 = 1.3;
    let stretched = work / processor_seconds.filter(|seconds| *seconds > 1.0)?;
    (stretched > NOTABLE).then_some(stretched)
}

/// One simulation for each unit, on all processors.
fn what_if(model: &Model, total: f64) -> Vec<f64> {
    let count = model.takes.len();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let chunk = count.div_ceil(threads).max(1);
    let places: Vec<usize> = (0..count).collect();
    std::thread::scope(|scope| {
        let work = |places: Vec<usize>| {
            move || {
                places.into_iter().map(|at| total - model.total_without([at])).collect::<Vec<_>>()
            }
        };
        let workers: Vec<_> =
            places.chunks(chunk).map(|places| scope.spawn(work(places.to_vec()))).collect();
        workers
            .into_iter()
            .flat_map(|worker| worker.join().expect("a simulation does not panic"))
            .collect()
    })
}

/// How long each unit was the only one, in the build that was measured.
fn alone(graph: &Graph) -> Vec<f64> {
    let mut events: Vec<(f64, bool, usize)> = Vec::new();
    for (at, unit) in graph.units.iter().enumerate() {
        events.push((unit.timed.start, true, at));
        events.push((unit.timed.end(), false, at));
    }
    events.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let mut alone = vec![0.0; graph.units.len()];
    let mut active: HashSet<usize> = HashSet::new();
    let mut since = 0.0;
    for (time, begins, at) in events {
        if let (1, Some(only)) = (active.len(), active.iter().next()) {
            alone[*only] += time - since;
        }
        since = time;
        if begins {
            active.insert(at)
        } else {
            active.remove(&at)
        };
    }
    alone
}

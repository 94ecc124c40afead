//! A build as cargo schedules it, on a graph of units whose times are known: what would it take if
//! some took less?
//!
//! As in cargo's job queue: of all units that are ready, the one on which most others depend,
//! directly or not, comes first; a library's dependents may begin when its metadata are there,
//! unless they link; what links waits for the whole of everything in it. What cargo leaves open
//! (two units with equally many dependents) is taken in the order of the real build.
//!
//! How long a unit takes depends on what goes on beside it: rustc generates code on processors for
//! which there is no other unit, as cargo's job server lets it. So each unit is known by its
//! **work**, the seconds that it takes on one processor. That is found from the build that was
//! measured, by going through it at the same speeds.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashSet};

use crate::analyze::graph::{Graph, Unit};
use crate::analyze::timings::Mode;

/// How much of the work, from a library's metadata to its end, is done on one processor whatever
/// there is: rustc hands LLVM one codegen unit after the other. On two processors such crates took
/// 1/1.40 (not optimised) to 1/1.46 (`-O`) of the time.
const SERIAL_OF_GENERATING: f64 = 0.4;

/// The same of all that is done for a program or a test, which is linked in the end. The test
/// program of tokio-stream took 1/1.12.
const SERIAL_OF_LINKED: f64 = 0.8;

/// The work of a unit, in seconds of one processor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Takes {
    /// Until its metadata are there.
    pub(crate) metadata: f64,
    pub(crate) whole: f64,
}

impl Takes {
    pub(crate) const NOTHING: Takes = Takes { metadata: 0.0, whole: 0.0 };
}

/// What does not change from one simulation to the next.
pub(crate) struct Model {
    pub(crate) takes: Vec<Takes>,
    /// How many processes at a time.
    pub(crate) jobs: usize,
    first_stage: Vec<Stage>,
    /// Until the first unit begins.
    pub(crate) lead_in: f64,
    /// Who may begin one step earlier when a unit's metadata are there, and when it has ended.
    after_metadata: Vec<Vec<usize>>,
    after_end: Vec<Vec<usize>>,
    /// How many such steps each unit needs.
    needs: Vec<usize>,
    /// How many depend on each, directly or not; the larger comes first.
    priority: Vec<usize>,
}

/// How a build went.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Run {
    pub(crate) total: f64,
    pub(crate) starts: Vec<f64>,
    pub(crate) ends: Vec<f64>,
    /// The unit whose metadata or end was the last that each had to wait for.
    pub(crate) released_by: Vec<Option<usize>>,
}

/// A unit that is being built.
struct Active {
    at: usize,
    stage: Stage,
    /// Work, to the end of the stage.
    left: f64,
}

/// What a unit is at.
#[derive(Clone, Copy, PartialEq)]
enum Stage {
    /// On the way to the metadata, or what is no compiler at all: on one processor.
    Serial,
    /// With the metadata behind it.
    Generating,
    /// From beginning to end.
    Linked,
}

impl Stage {
    fn serial_part(self) -> f64 {
        match self {
            Stage::Serial => 1.0,
            Stage::Generating => SERIAL_OF_GENERATING,
            Stage::Linked => SERIAL_OF_LINKED,
        }
    }
}

/// How quick these are, beside one processor: those for which there is no unit are shared by all
/// that can use more than one.
fn speeds(jobs: usize, active: &[Active]) -> impl Fn(&Active) -> f64 + use<> {
    let takers = active.iter().filter(|unit| unit.stage != Stage::Serial).count();
    let spare = jobs.saturating_sub(active.len()) as f64;
    let processors = 1.0 + spare / takers.max(1) as f64;
    move |unit: &Active| {
        let serial = unit.stage.serial_part();
        1.0 / (serial + (1.0 - serial) / processors) // Amdahl's law.
    }
}

impl Model {
    pub(crate) fn new(graph: &Graph, jobs: usize) -> Model {
        let jobs = jobs.max(1);
        let count = graph.units.len();
        let mut after_metadata = vec![Vec::new(); count];
        let mut after_end = vec![Vec::new(); count];
        let mut needs = vec![0; count];
        for (at, unit) in graph.units.iter().enumerate() {
            // What links needs the objects of all that is below, not only of what it names.
            let mut waited_for = unit.dependencies.clone();
            if unit.links {
                let below = |at: usize| graph.units[at].dependencies.as_slice();
                waited_for = graph.reached(&HashSet::from([at]), below).into_iter().collect();
                waited_for.retain(|other| *other != at);
            }
            needs[at] = waited_for.len();
            for dependency in waited_for {
                let by_metadata = unit.needs_metadata_alone(&graph.units[dependency]);
                let list = if by_metadata { &mut after_metadata } else { &mut after_end };
                list[dependency].push(at);
            }
        }
        let dependents = graph.dependents();
        let dependents_count =
            |at: usize| graph.reached(&HashSet::from([at]), |at| &dependents[at]).len();
        let starts = graph.units.iter().map(|unit| unit.timed.start);
        Model {
            takes: work(graph, jobs),
            jobs,
            first_stage: graph.units.iter().map(first_stage).collect(),
            lead_in: starts.reduce(f64::min).unwrap_or(0.0),
            priority: (0..count).map(dependents_count).collect(),
            after_metadata,
            after_end,
            needs,
        }
    }

    /// The build as it would go, here, if each unit took what `takes` says.
    pub(crate) fn run(&self, takes: &[Takes]) -> Run {
        self.run_on(self.jobs, takes)
    }

    fn run_on(&self, jobs: usize, takes: &[Takes]) -> Run {
        let count = takes.len();
        let mut needs = self.needs.clone();
        let mut ready: BinaryHeap<(usize, Reverse<usize>)> = BinaryHeap::new();
        let mut active: Vec<Active> = Vec::new();
        let mut run = Run {
            total: 0.0,
            starts: vec![0.0; count],
            ends: vec![0.0; count],
            released_by: vec![None; count],
        };
        let mut now = self.lead_in;
        let mut released: Vec<usize> = (0..count).filter(|at| needs[*at] == 0).collect();

        loop {
            ready.extend(released.drain(..).map(|at| (self.priority[at], Reverse(at))));
            while active.len() < jobs {
                let Some((_, Reverse(at))) = ready.pop() else { break };
                run.starts[at] = now;
                active.push(Active { at, stage: self.first_stage[at], left: takes[at].metadata });
            }
            // The next that comes to the end of what it is at; of several, the one that began
            // first.
            let speed = speeds(jobs, &active);
            let after = |unit: &Active| unit.left / speed(unit);
            let Some(next) =
                (0..active.len()).min_by(|a, b| after(&active[*a]).total_cmp(&after(&active[*b])))
            else {
                break;
            };
            let passes = after(&active[next]);
            now += passes;
            for unit in &mut active {
                unit.left = (unit.left - passes * speed(unit)).max(0.0);
            }
            let unit = &mut active[next];
            let at = unit.at;
            unit.left = 0.0; // To the last bit.
            let mut tell = |waiting: &[usize]| {
                for waiting in waiting {
                    needs[*waiting] -= 1;
                    if needs[*waiting] == 0 {
                        run.released_by[*waiting] = Some(at);
                        released.push(*waiting);
                    }
                }
            };
            if unit.stage != Stage::Generating {
                unit.stage = Stage::Generating;
                unit.left = (takes[at].whole - takes[at].metadata).max(0.0);
                tell(&self.after_metadata[at]);
                if unit.left > 0.0 {
                    continue;
                }
            }
            tell(&self.after_end[at]);
            active.remove(next);
            run.ends[at] = now;
            run.total = now;
        }
        run
    }

    /// The build that was measured.
    pub(crate) fn as_it_was(&self) -> Run {
        self.run(&self.takes)
    }

    /// What the build would take if these units took nothing.
    pub(crate) fn total_without(&self, gone: impl IntoIterator<Item = usize>) -> f64 {
        let mut takes = self.takes.clone();
        for at in gone {
            takes[at] = Takes::NOTHING;
        }
        self.run(&takes).total
    }

    /// How long a build takes that has to make these units alone, in seconds.
    pub(crate) fn seconds_of(&self, units: impl IntoIterator<Item = usize>) -> f64 {
        let mut takes = vec![Takes::NOTHING; self.takes.len()];
        for at in units {
            takes[at] = self.takes[at];
        }
        self.run(&takes).total - self.lead_in
    }

    /// The chain of units that no number of processors makes shorter, the first one first.
    pub(crate) fn critical_path(&self) -> (f64, Vec<usize>) {
        let run = self.run_on(self.takes.len(), &self.takes);
        let mut path = Vec::new();
        let mut next = (0..self.takes.len()).max_by(|a, b| run.ends[*a].total_cmp(&run.ends[*b]));
        while let Some(at) = next {
            path.push(at);
            next = run.released_by[at];
        }
        path.reverse();
        (run.total, path)
    }
}

/// When a unit's metadata were there, in seconds from its start: where nobody can begin with them,
/// at its end.
fn metadata_after(unit: &Unit) -> f64 {
    let whole = unit.timed.duration;
    unit.timed.frontend.filter(|_| unit.is_pipelined()).unwrap_or(whole).min(whole)
}

/// What a unit begins with.
fn first_stage(unit: &Unit) -> Stage {
    let is_linked = unit.links && matches!(unit.timed.mode, Mode::Build | Mode::Test);
    if is_linked { Stage::Linked } else { Stage::Serial }
}

/// The work of each unit, from the build that was measured.
fn work(graph: &Graph, jobs: usize) -> Vec<Takes> {
    // What happens, and to whom: it begins, has its metadata, ends.
    let mut events: Vec<(f64, usize, usize)> = Vec::new();
    for (at, unit) in graph.units.iter().enumerate() {
        let start = unit.timed.start;
        events.extend([
            (start, 0, at),
            (start + metadata_after(unit), 1, at),
            (unit.timed.end(), 2, at),
        ]);
    }
    events.sort_by(|a, b| a.0.total_cmp(&b.0).then((a.1, a.2).cmp(&(b.1, b.2))));
    let mut takes = vec![Takes::NOTHING; graph.units.len()];
    let mut active: Vec<Active> = Vec::new();
    let mut since = 0.0;
    for (time, what, of) in events {
        let speed = speeds(jobs, &active);
        for unit in &active {
            let done = (time - since) * speed(unit);
            takes[unit.at].whole += done;
            takes[unit.at].metadata += if unit.stage == Stage::Generating { 0.0 } else { done };
        }
        since = time;
        match what {
            0 => active.push(Active { at: of, stage: first_stage(&graph.units[of]), left: 0.0 }),
            1 => active
                .iter_mut()
                .filter(|unit| unit.at == of)
                .for_each(|unit| unit.stage = Stage::Generating),
            _ => active.retain(|unit| unit.at != of),
        }
    }
    takes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analyze::timings::Timed;

    /// A library: metadata after half of its work.
    fn library(takes: f64, dependencies: &[usize]) -> Unit {
        let timed = Timed { duration: takes, frontend: Some(takes / 2.0), ..Timed::default() };
        Unit { timed, dependencies: dependencies.to_vec(), ..Unit::default() }
    }

    fn program(takes: f64, dependencies: &[usize]) -> Unit {
        let unit = library(takes, dependencies);
        Unit { links: true, timed: Timed { frontend: None, ..unit.timed }, ..unit }
    }

    /// No compiler.
    fn script(takes: f64, dependencies: &[usize]) -> Unit {
        let timed = Timed { duration: takes, mode: Mode::Run, ..Timed::default() };
        Unit { timed, dependencies: dependencies.to_vec(), ..Unit::default() }
    }

    /// Of units that have this work.
    fn model(units: Vec<Unit>, jobs: usize) -> Model {
        let takes = units.iter();
        let takes = takes
            .map(|unit| Takes { metadata: metadata_after(unit), whole: unit.timed.duration })
            .collect();
        Model { takes, ..Model::new(&Graph { units }, jobs) }
    }

    #[test]
    fn libraries_begin_with_metadata_and_programs_with_everything() {
        // 0 ← 1 ← 2, a program that names 1 alone.
        let model = model(vec![library(4.0, &[]), library(2.0, &[0]), program(1.0, &[1])], 2);
        let run = model.as_it_was();
        assert_eq!(run.starts, [0.0, 2.0, 4.0]);
        assert_eq!(run.ends[..2], [4.0, 4.0]);
        assert_eq!(run.released_by[1], Some(0));
    }

    #[test]
    fn a_proc_macro_is_waited_for_to_the_end() {
        let proc_macro = Unit { links: true, ..library(4.0, &[]) };
        let run = model(vec![proc_macro, library(2.0, &[0])], 1).as_it_was();
        assert_eq!(run.starts, [0.0, 4.0]);
    }

    #[test]
    fn what_most_depend_on_comes_first() {
        // One at a time; 1 has two dependents, 0 none.
        let units =
            vec![library(1.0, &[]), library(1.0, &[]), library(1.0, &[1]), library(1.0, &[2])];
        // The last two have equally many: none.
        assert_eq!(model(units, 1).as_it_was().starts, [2.0, 0.0, 1.0, 3.0]);
    }

    #[test]
    fn only_so_many_run_at_a_time_and_idle_processors_save_nothing() {
        let four = || vec![script(3.0, &[]), script(3.0, &[]), script(3.0, &[]), script(1.0, &[])];
        assert_eq!(model(four(), 2).as_it_was().total, 6.0);
        assert_eq!(model(four(), 4).as_it_was().total, 3.0);
        // On four processors the short one was never waited for.
        assert_eq!(model(four(), 4).total_without([3]), 3.0);
        assert_eq!(model(four(), 2).total_without([0]), 4.0);
        assert_eq!(model(four(), 2).total_without(0..4), 0.0);
    }

    #[test]
    fn code_is_generated_on_processors_that_nobody_else_wants() {
        let alone = || vec![library(4.0, &[])];
        assert_eq!(model(alone(), 1).as_it_was().total, 4.0);
        let on_two = 2.0 + 2.0 * (SERIAL_OF_GENERATING + (1.0 - SERIAL_OF_GENERATING) / 2.0);
        assert_eq!(model(alone(), 2).as_it_was().total, on_two);
        assert_eq!(model(vec![library(4.0, &[]), script(4.0, &[])], 2).as_it_was().total, 4.0);
    }

    #[test]
    fn the_work_is_found_in_a_build_that_went_so() {
        let units =
            vec![library(4.0, &[]), library(2.0, &[0]), script(1.0, &[]), program(3.0, &[1])];
        let model = model(units.clone(), 2);
        let run = model.as_it_was();
        // As cargo would tell of it: when the metadata were there is when the next one could begin.
        let timed = |(at, unit): (usize, Unit)| {
            let (start, duration) = (run.starts[at], run.ends[at] - run.starts[at]);
            let frontend = unit.timed.frontend.map(|front| front.min(duration));
            Unit { timed: Timed { start, duration, frontend, ..unit.timed }, ..unit }
        };
        let measured: Vec<Unit> = units.into_iter().enumerate().map(timed).collect();
        let found = Model::new(&Graph { units: measured }, 2);
        for (found, takes) in found.takes.iter().zip(&model.takes) {
            assert!((found.whole - takes.whole).abs() < 1e-9, "{found:?} {takes:?}");
        }
        assert!((found.as_it_was().total - run.total).abs() < 1e-9);
    }

    #[test]
    fn the_longest_chain_is_that_of_any_number_of_processors() {
        let units = vec![script(4.0, &[]), script(6.0, &[0]), script(1.0, &[1]), script(2.0, &[])];
        assert_eq!(model(units, 1).critical_path(), (11.0, vec![0, 1, 2]));
        assert_eq!(model(Vec::new(), 2).critical_path(), (0.0, vec![]));
    }
}

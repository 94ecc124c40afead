//! A build as cargo schedules it, on a graph of units whose times are known: what would it take if some took less?
//!
//! As in cargo's job queue: of all units that are ready, the one on which most others depend, directly or not, comes first;
//! a library's dependents may begin when its metadata are there, unless they link; what links waits for the whole of
//! everything in it. What cargo leaves open (two units with equally many dependents) is taken in the order of the real build.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use crate::graph::Graph;

/// How long a unit takes.
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
    pub(crate) jobs: usize,
    /// Until the first unit begins.
    pub(crate) lead_in: f64,
    /// Who may begin one step earlier when a unit's metadata are there, and when it has ended.
    after_metadata: Vec<Vec<usize>>,
    after_end: Vec<Vec<usize>>,
    /// How many such steps each unit needs.
    needs: Vec<usize>,
    /// Larger comes first.
    priority: Vec<usize>,
}

/// How a build went.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Run {
    pub(crate) total: f64,
    pub(crate) starts: Vec<f64>,
    /// The unit whose metadata or end was the last that each had to wait for.
    pub(crate) released_by: Vec<Option<usize>>,
}

#[derive(Clone, Copy, PartialEq)]
enum Happens {
    Metadata(usize),
    End(usize),
}

/// Time first; `f64` has no order of its own.
#[derive(Clone, Copy, PartialEq)]
struct Event {
    time: f64,
    number: usize,
    happens: Happens,
}

impl Eq for Event {}

impl Ord for Event {
    fn cmp(&self, other: &Event) -> Ordering {
        self.time.total_cmp(&other.time).then(self.number.cmp(&other.number))
    }
}

impl PartialOrd for Event {
    fn partial_cmp(&self, other: &Event) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Model {
    pub(crate) fn new(graph: &Graph, jobs: usize) -> Model {
        let count = graph.units.len();
        let takes = |unit: &crate::graph::Unit| {
            let whole = unit.timed.duration;
            let metadata = unit.timed.frontend.filter(|_| unit.is_pipelined()).unwrap_or(whole);
            Takes { metadata: metadata.min(whole), whole }
        };
        let mut after_metadata = vec![Vec::new(); count];
        let mut after_end = vec![Vec::new(); count];
        let mut needs = vec![0; count];
        for (at, unit) in graph.units.iter().enumerate() {
            // What links needs the objects of all that is below, not only of what it names.
            let waited_for = if unit.links { below(graph, at) } else { unit.dependencies.clone() };
            needs[at] = waited_for.len();
            for dependency in waited_for {
                let by_metadata = unit.needs_metadata_alone(&graph.units[dependency]);
                let list = if by_metadata { &mut after_metadata } else { &mut after_end };
                list[dependency].push(at);
            }
        }
        Model {
            takes: graph.units.iter().map(takes).collect(),
            jobs: jobs.max(1),
            lead_in: graph.units.iter().map(|unit| unit.timed.start).reduce(f64::min).unwrap_or(0.0),
            priority: dependents_counts(graph),
            after_metadata,
            after_end,
            needs,
        }
    }

    /// The build as it would go if each unit took what `takes` says.
    pub(crate) fn run(&self, takes: &[Takes], jobs: usize) -> Run {
        let count = takes.len();
        let mut needs = self.needs.clone();
        let mut ready: BinaryHeap<(usize, Reverse<usize>)> = BinaryHeap::new();
        let mut events: BinaryHeap<Reverse<Event>> = BinaryHeap::new();
        let mut run = Run { total: 0.0, starts: vec![0.0; count], released_by: vec![None; count] };
        let mut now = self.lead_in;
        let mut number = 0;
        let mut active = 0;
        let mut released: Vec<usize> = (0..count).filter(|at| needs[*at] == 0).collect();

        loop {
            ready.extend(released.drain(..).map(|at| (self.priority[at], Reverse(at))));
            while active < jobs
                && let Some((_, Reverse(at))) = ready.pop()
            {
                run.starts[at] = now;
                active += 1;
                for (after, happens) in
                    [(takes[at].metadata, Happens::Metadata(at)), (takes[at].whole, Happens::End(at))]
                {
                    number += 1;
                    events.push(Reverse(Event { time: now + after, number, happens }));
                }
            }
            let Some(Reverse(event)) = events.pop() else { break };
            now = event.time;
            let (of, waiting) = match event.happens {
                Happens::Metadata(at) => (at, &self.after_metadata[at]),
                Happens::End(at) => {
                    active -= 1;
                    run.total = now;
                    (at, &self.after_end[at])
                }
            };
            for at in waiting {
                needs[*at] -= 1;
                if needs[*at] == 0 {
                    run.released_by[*at] = Some(of);
                    released.push(*at);
                }
            }
        }
        run
    }

    /// The build that was measured.
    pub(crate) fn as_it_was(&self) -> Run {
        self.run(&self.takes, self.jobs)
    }

    /// What the build would take if these units took nothing.
    pub(crate) fn total_without(&self, gone: impl IntoIterator<Item = usize>) -> f64 {
        let mut takes = self.takes.clone();
        for at in gone {
            takes[at] = Takes::NOTHING;
        }
        self.run(&takes, self.jobs).total
    }

    /// The chain of units that no number of processors makes shorter, the first one first.
    pub(crate) fn critical_path(&self) -> (f64, Vec<usize>) {
        let run = self.run(&self.takes, self.takes.len().max(1));
        let end = |at: &usize| run.starts[*at] + self.takes[*at].whole;
        let mut path = Vec::new();
        let mut next = (0..self.takes.len()).max_by(|a, b| end(a).total_cmp(&end(b)));
        while let Some(at) = next {
            path.push(at);
            next = run.released_by[at];
        }
        path.reverse();
        (run.total, path)
    }
}

/// All dependencies of a unit, direct or not.
fn below(graph: &Graph, at: usize) -> Vec<usize> {
    let mut seen = vec![false; graph.units.len()];
    let mut stack = vec![at];
    let mut found = Vec::new();
    while let Some(at) = stack.pop() {
        for dependency in &graph.units[at].dependencies {
            if !seen[*dependency] {
                seen[*dependency] = true;
                found.push(*dependency);
                stack.push(*dependency);
            }
        }
    }
    found
}

/// For each unit, how many depend on it, directly or not: a set of bits for each, from the roots down.
fn dependents_counts(graph: &Graph) -> Vec<usize> {
    let count = graph.units.len();
    let words = count.div_ceil(64);
    let dependents = graph.dependents();
    let mut sets: Vec<Option<Vec<u64>>> = vec![None; count];
    // Depth first, without recursion: a chain may be long.
    for root in 0..count {
        let mut stack = vec![root];
        while let Some(at) = stack.last().copied() {
            let missing: Vec<usize> =
                dependents[at].iter().copied().filter(|above| sets[*above].is_none()).collect();
            if missing.is_empty() || sets[at].is_some() {
                stack.pop();
                let mut set = vec![0_u64; words];
                set[at / 64] |= 1 << (at % 64);
                for above in &dependents[at] {
                    for (word, of_above) in set.iter_mut().zip(sets[*above].iter().flatten()) {
                        *word |= of_above;
                    }
                }
                sets[at] = Some(set);
            } else {
                stack.extend(missing);
            }
        }
    }
    let ones =
        |set: Option<Vec<u64>>| set.unwrap_or_default().iter().map(|word| word.count_ones() as usize).sum();
    sets.into_iter().map(ones).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Unit;
    use crate::timings::Timed;

    /// A library: metadata after half of its time.
    fn library(takes: f64, dependencies: &[usize]) -> Unit {
        let timed = Timed { duration: takes, frontend: Some(takes / 2.0), ..Timed::default() };
        Unit { timed, dependencies: dependencies.to_vec(), ..Unit::default() }
    }

    fn program(takes: f64, dependencies: &[usize]) -> Unit {
        let unit = library(takes, dependencies);
        Unit { links: true, timed: Timed { frontend: None, ..unit.timed }, ..unit }
    }

    fn model(units: Vec<Unit>, jobs: usize) -> Model {
        Model::new(&Graph { units }, jobs)
    }

    #[test]
    fn libraries_begin_with_metadata_and_programs_with_everything() {
        // 0 ← 1 ← 2, a program that names 1 alone.
        let model = model(vec![library(4.0, &[]), library(2.0, &[0]), program(1.0, &[1])], 4);
        let run = model.as_it_was();
        assert_eq!(run.starts, [0.0, 2.0, 4.0]);
        assert_eq!(run.total, 5.0);
        assert_eq!(run.released_by[1], Some(0));
    }

    #[test]
    fn a_proc_macro_is_waited_for_to_the_end() {
        let proc_macro = Unit { links: true, ..library(4.0, &[]) };
        let run = model(vec![proc_macro, library(2.0, &[0])], 4).as_it_was();
        assert_eq!(run.starts, [0.0, 4.0]);
    }

    #[test]
    fn what_most_depend_on_comes_first() {
        // One at a time; 1 has two dependents, 0 none.
        let units = vec![library(1.0, &[]), library(1.0, &[]), library(1.0, &[1]), library(1.0, &[2])];
        // The last two have equally many: none.
        assert_eq!(model(units, 1).as_it_was().starts, [2.0, 0.0, 1.0, 3.0]);
    }

    #[test]
    fn only_so_many_run_at_a_time_and_idle_processors_save_nothing() {
        let four = || vec![program(3.0, &[]), program(3.0, &[]), program(3.0, &[]), program(1.0, &[])];
        assert_eq!(model(four(), 2).as_it_was().total, 6.0);
        assert_eq!(model(four(), 4).as_it_was().total, 3.0);
        // On four processors the short one was never waited for.
        assert_eq!(model(four(), 4).total_without([3]), 3.0);
        assert_eq!(model(four(), 2).total_without([0]), 4.0);
        assert_eq!(model(four(), 2).total_without(0..4), 0.0);
    }

    #[test]
    fn the_longest_chain_is_that_of_any_number_of_processors() {
        let units = vec![library(4.0, &[]), library(6.0, &[0]), program(1.0, &[1]), program(2.0, &[])];
        assert_eq!(model(units, 1).critical_path(), (9.0, vec![0, 1, 2]));
        assert_eq!(model(Vec::new(), 2).critical_path(), (0.0, vec![]));
    }
}

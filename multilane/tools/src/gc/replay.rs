//! What a recorded history of builds would have cost under a budget: with this policy, and with one
//! by age that deletes the lane that was used the longest ago, as `cargo sweep --maxsize` would if
//! a lane were its unit. `lane bench soak --keep` leaves a history; docs/measurements/disk.md has
//! what came of it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Deserialize;

use super::policy::{self, Group, Kind, Lane, Limits};

/// A call that built in a lane.
#[derive(Deserialize)]
struct Event {
    end_unix_seconds: f64,
    root: PathBuf,
    lane: PathBuf,
    /// Whether units were compiled, so that incremental caches were of use.
    compiled: bool,
    is_test: bool,
    /// What was in the lane afterwards.
    bytes: BTreeMap<Kind, u64>,
}

#[derive(Debug, Default)]
struct Outcome {
    freed: u64,
    collections: usize,
    /// Calls that had to make something again.
    calls: usize,
    seconds: f64,
}

/// `collect` deletes from the lanes until they are within the budget.
fn replay(
    events: &[Event],
    budget: u64,
    collect: impl Fn(&mut Vec<Lane>, &Limits, SystemTime),
) -> Outcome {
    let limits = Limits { budget, floor: 0, free: u64::MAX, idle: Duration::ZERO, with_own: false };
    let mut outcome = Outcome::default();
    let mut lanes: Vec<Lane> = Vec::new();
    let mut before: HashMap<&Path, &BTreeMap<Kind, u64>> = HashMap::new();
    for (at, event) in events.iter().enumerate() {
        let now = UNIX_EPOCH + Duration::from_secs_f64(event.end_unix_seconds);
        let key = event.lane.file_name().map(|key| key.to_string_lossy().into_owned());
        // Made again: what was there after the last call, and is of use to this one.
        let there = lanes.iter().find(|lane| lane.dir == event.lane);
        let was = before.insert(&event.lane, &event.bytes).into_iter().flatten();
        let is_gone = |kind: &Kind| there.is_none_or(|lane| !lane.groups.contains_key(kind));
        let is_of_use = |kind: &Kind| match kind {
            Kind::Incremental => event.compiled,
            Kind::Tests => event.is_test,
            _ => true,
        };
        // With a donor libraries are forked.
        let has_donor = lanes.iter().any(|lane| lane.key == key && lane.dir != event.lane);
        let seconds: f64 = was
            .filter(|(kind, _)| is_gone(kind) && is_of_use(kind))
            .filter(|(kind, _)| !(has_donor && **kind == Kind::Rest))
            .map(|(kind, bytes)| policy::seconds(*kind, *bytes))
            .sum();
        outcome.calls += usize::from(seconds > 0.0);
        outcome.seconds += seconds;

        lanes.retain(|lane| lane.dir != event.lane);
        let group = |bytes: &u64| Group { alone: *bytes, ..Group::default() };
        let groups = event.bytes.iter().map(|(kind, bytes)| (*kind, group(bytes))).collect();
        let lane = Lane {
            root: event.root.clone(),
            dir: event.lane.clone(),
            key,
            outdated: Vec::new(),
            last_use: now,
            must_stay: false,
            is_merged: false,
            is_warm: true,
            groups,
        };
        // A worktree that nobody builds in any more is taken for removed.
        let later: HashSet<&Path> = events[at..].iter().map(|event| event.root.as_path()).collect();
        lanes.retain(|lane| later.contains(&*lane.root));
        // The key of the last build in a worktree is the one that it has.
        let mut current: HashMap<PathBuf, Option<String>> = HashMap::new();
        for lane in &lanes {
            current.insert(lane.root.clone(), lane.key.clone());
        }
        current.insert(lane.root.clone(), lane.key.clone());
        lanes.push(lane);
        for lane in &mut lanes {
            let is_current = current.values().any(|key| *key == lane.key);
            lane.outdated = if is_current { Vec::new() } else { vec!["lockfile"] };
        }
        let taken = policy::taken(&lanes);
        if taken > budget {
            lanes.last_mut().expect("just pushed").must_stay = true;
            collect(&mut lanes, &limits, now);
            lanes.last_mut().expect("it stays").must_stay = false;
            outcome.collections += 1;
            outcome.freed += taken - policy::taken(&lanes);
        }
    }
    outcome
}

fn by_value(lanes: &mut Vec<Lane>, limits: &Limits, now: SystemTime) {
    let below = Limits { budget: limits.budget / 10 * 9, ..*limits };
    let plan = policy::plan(lanes, &below, now);
    let mut whole = Vec::new();
    for item in &plan.items {
        match item.is_whole_lane() {
            true => whole.push(lanes[item.lane].dir.clone()),
            false => item.kinds.iter().for_each(|kind| drop(lanes[item.lane].groups.remove(kind))),
        }
    }
    lanes.retain(|lane| !whole.contains(&lane.dir));
}

fn by_age(lanes: &mut Vec<Lane>, limits: &Limits, _: SystemTime) {
    while policy::taken(lanes) > limits.budget / 10 * 9 {
        let oldest = (0..lanes.len()).filter(|at| !lanes[*at].must_stay);
        let Some(oldest) = oldest.min_by_key(|at| lanes[*at].last_use) else { break };
        lanes.remove(oldest);
    }
}

#[test]
#[ignore = "it needs a recorded history, named by MULTILANE_HISTORY"]
fn a_history_costs_less_by_value_than_by_age() {
    const GIB: f64 = (1_u64 << 30) as f64;
    let file = std::env::var_os("MULTILANE_HISTORY").expect("MULTILANE_HISTORY is set");
    let text = std::fs::read_to_string(file).expect("it can be read");
    let events: Vec<Event> =
        text.lines().map(|line| serde_json::from_str(line).expect("an event")).collect();
    let most = events.iter().map(|event| event.bytes.values().sum::<u64>()).max();
    let most = most.expect("there are events");
    println!("{} calls; largest lane {} MiB", events.len(), most >> 20);
    for lanes in [4, 6, 8, 12] {
        let budget = lanes * most;
        let [value, age] = [replay(&events, budget, by_value), replay(&events, budget, by_age)];
        for (name, outcome) in [("value", &value), ("age", &age)] {
            let freed = outcome.freed as f64 / GIB;
            println!(
                "budget {:5} MiB, by {name:5}: {freed:8.2} GiB freed in {} collections; {} calls \
                 made something again, {:.0} s, {:.1} s a GiB",
                budget >> 20,
                outcome.collections,
                outcome.calls,
                outcome.seconds,
                outcome.seconds / freed
            );
        }
    }
}

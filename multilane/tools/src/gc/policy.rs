//! What goes first: what is cheapest to make again for the bytes that it frees, and least likely to
//! be wanted. A pure function of what there is and of the time.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use multilane_engine::lanes::list::Price;
use serde::Serialize;

/// What lies in a lane, from the cheapest to the dearest.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    /// Units of a worktree's `target/` that no lockfile or toolchain of any worktree can use.
    Stale,
    /// Incremental caches, each with all of its sessions.
    Incremental,
    /// Test executables, with their fingerprints.
    Tests,
    /// What large runs of build scripts have written, with the fingerprints of those runs.
    Scripts,
    /// Libraries, fingerprints, and all else. It goes with the whole lane alone.
    Rest,
}

const GIB: f64 = (1_u64 << 30) as f64;

/// How likely something is wanted that nobody can use today, as a share: somebody may check out an
/// older commit.
const OUTDATED: f64 = 0.001;

impl Kind {
    /// Seconds of work that it takes to make a GiB again. The first and the third were measured
    /// (rust-lang/cargo#6229), the others are estimates: docs/disk.md.
    fn seconds_per_gib(self) -> f64 {
        match self {
            Kind::Stale => Price::REST * OUTDATED,
            Kind::Incremental => Price::INCREMENTAL,
            Kind::Tests => 100.0,
            Kind::Scripts => 303.0,
            Kind::Rest => Price::REST,
        }
    }
}

/// What of a lane is of one kind.
#[derive(Debug, Default)]
pub(super) struct Group {
    /// What has to go, in this order. None for [`Kind::Rest`].
    pub(super) paths: Vec<PathBuf>,
    /// The bytes of files that have no other name.
    pub(super) alone: u64,
    pub(super) shared: Vec<Shared>,
}

/// One name of a file that has several.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shared {
    /// The device and the inode.
    pub(super) file: (u64, u64),
    /// How many names it has, here and elsewhere.
    pub(super) links: u64,
    pub(super) bytes: u64,
}

#[derive(Debug)]
pub(crate) struct Lane {
    /// The workspace root that it lies in.
    pub(super) root: PathBuf,
    pub(super) dir: PathBuf,
    /// `None` for a worktree's own `target/`.
    pub(super) key: Option<String>,
    /// The inputs of its key that no worktree has today.
    pub(super) outdated: Vec<&'static str>,
    pub(super) last_use: SystemTime,
    /// Whether it must stay as it is: it is in use, or not known to be ours.
    pub(super) must_stay: bool,
    /// Whether all of its worktree's branch is in the main one.
    pub(super) is_merged: bool,
    /// Whether units were built in it.
    pub(super) is_warm: bool,
    pub(super) groups: BTreeMap<Kind, Group>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// What all lanes may take together.
    pub(super) budget: u64,
    /// What has to be free, and what is.
    pub(super) floor: u64,
    pub(super) free: u64,
    /// A lane that was used within this time stays as it is.
    pub(super) idle: Duration,
    /// Whether the worktrees' own `target/` may be touched.
    pub(super) with_own: bool,
    /// Whether the last lane of its key stays.
    pub(super) spares_last_donors: bool,
}

/// Why something may go.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Reason {
    /// Its key is nobody's: no worktree has these inputs today.
    KeyOutdated,
    Idle,
    /// The last lane of its key from which others can fork; there is nothing else to take.
    LastDonor,
}

/// Something that goes as a whole.
#[derive(Debug, PartialEq)]
pub(super) struct Item {
    /// Its place in the list of lanes.
    pub(super) lane: usize,
    pub(super) kinds: Vec<Kind>,
    pub(super) reason: Reason,
    /// What is freed once this and what stands before it is gone.
    pub(super) bytes: u64,
    /// What it takes to make those again.
    pub(super) seconds: f64,
}

impl Item {
    pub(super) fn is_whole_lane(&self) -> bool {
        self.kinds.contains(&Kind::Rest)
    }

    /// Whether the lane is made again by a fork from another.
    fn is_forkable(&self) -> bool {
        self.is_whole_lane() && self.reason == Reason::Idle
    }

    fn seconds_per_gib(&self, kind: Kind) -> f64 {
        if self.is_forkable() { Price::FORKED } else { kind.seconds_per_gib() }
    }
}

#[derive(Debug)]
pub(super) struct Plan {
    /// What all lanes take now.
    pub(super) taken: u64,
    /// What has to be freed to be within the limits.
    pub(super) needed: u64,
    pub(super) items: Vec<Item>,
}

impl Plan {
    /// What is freed when all of it goes.
    pub(super) fn promised(&self) -> u64 {
        self.items.iter().map(|item| item.bytes).sum()
    }
}

pub(super) fn plan(lanes: &[Lane], limits: &Limits, now: SystemTime) -> Plan {
    let taken = taken(lanes);
    let above_budget = taken.saturating_sub(limits.budget);
    let needed = above_budget.max(limits.floor.saturating_sub(limits.free));
    let mut candidates = candidates(lanes, limits, now);
    candidates.sort_by(|(one, own), (other, others)| {
        let is_last = |item: &Item| item.reason == Reason::LastDonor;
        is_last(one).cmp(&is_last(other)).then(own.total_cmp(others))
    });
    let (mut gone, mut freed) = (Gone::default(), 0);
    let mut items: Vec<Item> = Vec::new();
    for (mut item, _) in candidates {
        if freed >= needed {
            break;
        }
        if items.iter().any(|whole| whole.lane == item.lane && whole.is_whole_lane()) {
            continue;
        }
        // A whole lane takes the place of its parts.
        let is_part = |part: &Item| item.is_whole_lane() && part.lane == item.lane;
        let (parts, others): (Vec<Item>, Vec<Item>) = items.into_iter().partition(is_part);
        for kind in &item.kinds {
            if parts.iter().all(|part| !part.kinds.contains(kind)) {
                let bytes = gone.take(&lanes[item.lane].groups[kind]);
                freed += bytes;
                item.bytes += bytes;
                item.seconds += item.seconds_per_gib(*kind) * bytes as f64 / GIB;
            }
        }
        item.bytes += parts.iter().map(|part| part.bytes).sum::<u64>();
        let of_parts = parts.iter().map(|part| part.seconds).sum::<f64>();
        item.seconds += if item.is_forkable() { 0.0 } else { of_parts };
        items = others;
        items.push(item);
    }
    // What has other names that stay frees nothing.
    items.retain(|item| {
        let groups = item.kinds.iter().map(|kind| &lanes[item.lane].groups[kind]);
        groups.into_iter().any(|group| gone.frees_something_of(group))
    });
    Plan { taken, needed, items }
}

/// What is freed when these are gone, and nothing else.
pub(super) fn freed<'i>(lanes: &[Lane], items: impl IntoIterator<Item = &'i Item>) -> u64 {
    let mut gone = Gone::default();
    let groups = |item: &'i Item| item.kinds.iter().map(|kind| &lanes[item.lane].groups[kind]);
    items.into_iter().flat_map(groups).map(|group| gone.take(group)).sum()
}

/// What idle lanes of agents could free, in bytes, and the seconds to make that again.
pub(crate) fn all_that_may_go(lanes: &[Lane], now: SystemTime) -> (u64, f64) {
    let idle = Duration::from_secs(3600);
    let limits = Limits {
        budget: 0,
        floor: 0,
        free: u64::MAX,
        idle,
        with_own: false,
        spares_last_donors: false,
    };
    let plan = plan(lanes, &limits, now);
    (plan.promised(), plan.items.iter().map(|item| item.seconds).sum())
}

/// What they take, each file once.
pub(super) fn taken<'l>(lanes: impl IntoIterator<Item = &'l Lane>) -> u64 {
    let mut counted = HashSet::new();
    let groups = lanes.into_iter().flat_map(|lane| lane.groups.values());
    let mut of_group = |group: &Group| {
        let new = group.shared.iter().filter(|shared| counted.insert(shared.file));
        group.alone + new.map(|shared| shared.bytes).sum::<u64>()
    };
    groups.map(&mut of_group).sum()
}

/// What may go, each with what it is worth: seconds per GiB, times how likely it is wanted.
fn candidates(lanes: &[Lane], limits: &Limits, now: SystemTime) -> Vec<(Item, f64)> {
    let mut candidates = Vec::new();
    for (at, lane) in lanes.iter().enumerate() {
        let age = now.duration_since(lane.last_use).unwrap_or_default();
        let is_own = lane.key.is_none();
        if lane.must_stay || age < limits.idle || (is_own && !limits.with_own) {
            continue;
        }
        let reason = match lane.outdated.is_empty() {
            false => Reason::KeyOutdated,
            true if is_last_donor(lanes, at) && limits.spares_last_donors => continue,
            true if is_last_donor(lanes, at) => Reason::LastDonor,
            true => Reason::Idle,
        };
        let mut add = |kinds: Vec<Kind>| {
            let is_stale = kinds == [Kind::Stale];
            let reason = if is_stale { Reason::KeyOutdated } else { reason };
            let item = Item { lane: at, kinds, reason, bytes: 0, seconds: 0.0 };
            let dearest = item.kinds.iter().map(|kind| item.seconds_per_gib(*kind));
            let value = dearest.fold(0.0, f64::max) * wanted(lane, age);
            candidates.push((item, value));
        };
        let kinds = || lane.groups.keys().copied();
        if lane.outdated.is_empty() {
            kinds().filter(|kind| *kind != Kind::Rest).for_each(|kind| add(vec![kind]));
        }
        if !is_own {
            add(kinds().collect());
        }
    }
    candidates
}

/// How likely it is that the lane is used soon, as a share. What was used a moment ago is used
/// again, and the longer something lies idle, the longer it goes on: a rule of thumb of caches, by
/// which the chance falls with the age.
fn wanted(lane: &Lane, age: Duration) -> f64 {
    const MINUTE: f64 = 60.0;
    const MERGED: f64 = 0.2;
    // A person comes back after the weekend; an agent's name is often used for one task.
    const OWN: f64 = 3.5;
    let mut share = 1.0 / (1.0 + age.as_secs_f64() / MINUTE);
    share *= if lane.key.is_none() { OWN } else { 1.0 };
    share *= if lane.is_merged { MERGED } else { 1.0 };
    share * if lane.outdated.is_empty() { 1.0 } else { OUTDATED }
}

/// Whether no other lane of its key was used later.
fn is_last_donor(lanes: &[Lane], at: usize) -> bool {
    let own = &lanes[at];
    let is_later = |(other_at, other): (usize, &Lane)| {
        other.is_warm && other.key == own.key && (other.last_use, other_at) > (own.last_use, at)
    };
    own.key.is_some() && own.is_warm && !lanes.iter().enumerate().any(is_later)
}

/// How many names of each file go.
#[derive(Default)]
struct Gone(HashMap<(u64, u64), u64>);

impl Gone {
    /// What is freed when these go, too.
    fn take(&mut self, group: &Group) -> u64 {
        let mut freed = group.alone;
        for shared in &group.shared {
            let links = self.0.entry(shared.file).or_default();
            *links += 1;
            freed += if *links == shared.links { shared.bytes } else { 0 };
        }
        freed
    }

    fn frees_something_of(&self, group: &Group) -> bool {
        let is_freed = |shared: &Shared| self.0.get(&shared.file) == Some(&shared.links);
        group.alone > 0 || group.shared.iter().any(is_freed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30; // Instead of the other one.
    const HOUR: u64 = 3600;

    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000)
    }

    fn lane(name: &str, hours: u64, key: Option<&str>) -> Lane {
        let group = |bytes| Group { alone: bytes, ..Group::default() };
        Lane {
            root: "/w".into(),
            dir: name.into(),
            key: key.map(str::to_owned),
            outdated: Vec::new(),
            last_use: now() - Duration::from_secs(hours * HOUR),
            must_stay: false,
            is_merged: false,
            is_warm: true,
            groups: BTreeMap::from([
                (Kind::Incremental, group(4 * GIB)),
                (Kind::Tests, group(2 * GIB)),
                (Kind::Scripts, group(GIB)),
                (Kind::Rest, group(3 * GIB)),
            ]),
        }
    }

    fn limits(budget: u64) -> Limits {
        let idle = Duration::from_secs(HOUR);
        Limits { budget, floor: 0, free: 0, idle, with_own: false, spares_last_donors: false }
    }

    /// `a: Incremental Tests`, or `a: all`, in order.
    #[track_caller]
    fn check(lanes: &[Lane], limits: &Limits, expected: &[&str]) -> Plan {
        let plan = plan(lanes, limits, now());
        let shown = plan.items.iter().map(|item| {
            let kinds: Vec<String> = item.kinds.iter().map(|kind| format!("{kind:?}")).collect();
            let kinds = if item.is_whole_lane() { "all".to_owned() } else { kinds.join(" ") };
            format!("{}: {kinds}", lanes[item.lane].dir.display())
        });
        assert_eq!(shown.collect::<Vec<_>>(), expected);
        let bytes: u64 = plan.items.iter().map(|item| item.bytes).sum();
        assert_eq!(freed(lanes, &plan.items), bytes);
        plan
    }

    #[test]
    fn within_the_limits_nothing_goes() {
        let lanes = [lane("a", 500, Some("k")), lane("b", 2, Some("k"))];
        check(&lanes, &limits(20 * GIB), &[]);
        check(&lanes, &Limits { floor: GIB, free: GIB, ..limits(20 * GIB) }, &[]);
        let plan =
            check(&lanes, &Limits { floor: 3 * GIB, free: GIB, ..limits(20 * GIB) }, &["a: all"]);
        assert_eq!((plan.taken, plan.needed), (20 * GIB, 2 * GIB));
        assert!((plan.items[0].seconds - 10.0 * Price::FORKED).abs() < 0.1);
    }

    #[test]
    fn the_cheapest_goes_first() {
        let mut lanes =
            [lane("idle", 48, Some("k")), lane("old", 48, Some("gone")), lane("new", 2, Some("k"))];
        lanes[1].outdated = vec!["lockfile"];
        check(&lanes, &limits(21 * GIB), &["old: all"]);
        check(&lanes, &limits(17 * GIB), &["old: all", "idle: all"]);
        // Of the last donor parts go first.
        let parts = ["old: all", "idle: all", "new: Incremental", "new: Tests"];
        check(&lanes, &limits(9 * GIB), &parts[..3]);
        check(&lanes, &limits(5 * GIB), &parts);
        // The last donor, when there is nothing else.
        let plan = check(&lanes, &limits(0), &["old: all", "idle: all", "new: all"]);
        assert_eq!(plan.items[2].reason, Reason::LastDonor);
        let spared = Limits { spares_last_donors: true, ..limits(0) };
        check(&lanes, &spared, &["old: all", "idle: all"]);
    }

    #[test]
    fn what_somebody_works_in_goes_after_what_lies_idle() {
        let mut lanes =
            [lane("now", 0, Some("k")), lane("idle", 1, Some("k")), lane("now too", 0, Some("k"))];
        let any = Limits { idle: Duration::ZERO, ..limits(21 * GIB) };
        check(&lanes, &any, &["idle: all"]);
        check(&lanes, &Limits { budget: 19 * GIB, ..any }, &["idle: all", "now: all"]);
        // Of a branch that is merged.
        lanes[0] = lane("merged", 40, Some("k"));
        lanes[1] = lane("idle", 90, Some("k"));
        check(&lanes, &limits(29 * GIB), &["idle: all"]);
        lanes[0].is_merged = true;
        check(&lanes, &limits(29 * GIB), &["merged: all"]);
    }

    #[test]
    fn what_nobody_can_use_goes_first_from_a_worktrees_own_directory() {
        let mut lanes = [lane("target", 900, None), lane("idle", 90, Some("k"))];
        lanes[0].groups.insert(Kind::Stale, Group { alone: GIB, ..Group::default() });
        let with_own = Limits { with_own: true, ..limits(20 * GIB) };
        let plan = check(&lanes, &with_own, &["target: Stale"]);
        assert_eq!(plan.items[0].reason, Reason::KeyOutdated);
    }

    #[test]
    fn what_is_in_use_or_was_just_now_stays() {
        let mut lanes = [lane("used", 48, Some("k")), lane("new", 0, Some("k"))];
        lanes[0].must_stay = true;
        check(&lanes, &limits(0), &[]);
        lanes[0].must_stay = false;
        check(&lanes, &limits(0), &["used: all"]);
    }

    #[test]
    fn a_worktrees_own_directory_goes_in_parts_and_only_when_asked() {
        let lanes = [lane("target", 900, None)];
        check(&lanes, &limits(0), &[]);
        let with_own = Limits { with_own: true, ..limits(0) };
        check(&lanes, &with_own, &["target: Incremental", "target: Tests", "target: Scripts"]);
    }

    #[test]
    fn a_file_is_freed_with_its_last_name() {
        let shared = |file, links| Shared { file: (1, file), links, bytes: GIB };
        let mut lanes =
            [lane("a", 90, Some("k")), lane("b", 80, Some("k")), lane("c", 2, Some("k"))];
        for lane in &mut lanes {
            lane.groups = BTreeMap::from([(Kind::Rest, Group { alone: 1, ..Group::default() })]);
        }
        let mut add = |at: usize, shared| {
            lanes[at].groups.get_mut(&Kind::Rest).expect("it is there").shared.push(shared);
        };
        for at in [0, 1] {
            add(at, shared(1, 2));
            add(at, shared(2, 3)); // The third is somebody else's.
        }
        // Two names in one lane.
        add(2, shared(3, 2));
        add(2, shared(3, 2));
        let plan = check(&lanes, &limits(2 * GIB + 1), &["a: all", "b: all"]);
        assert_eq!(plan.taken, 3 * GIB + 3);
        assert_eq!([plan.items[0].bytes, plan.items[1].bytes], [1, GIB + 1]);
        assert_eq!(freed(&lanes, &plan.items[1..]), 1, "if `a` could not be deleted");
        // What would free nothing is left out.
        lanes[0].groups.get_mut(&Kind::Rest).expect("it is there").alone = 0;
        lanes[1].must_stay = true;
        check(&lanes, &limits(2 * GIB), &["c: all"]);
    }
}

//! What came of a soak.

use std::collections::BTreeMap;
use std::fmt;

use multilane_engine::ui::bytes;
use serde::Serialize;

#[derive(Default, Serialize)]
pub(super) struct Report {
    pub(super) minutes: f64,
    pub(super) seed: u64,
    pub(super) agents: usize,
    pub(super) agents_that_gave_up: usize,
    pub(super) checks: usize,
    pub(super) builds: usize,
    pub(super) tests: usize,
    /// Of processes, by their names.
    pub(super) kills: BTreeMap<String, usize>,
    pub(super) interrupts: usize,
    /// Calls that were killed, interrupted, or whose program was collected before it could run.
    pub(super) not_judged: usize,
    pub(super) clean_builds: usize,
    pub(super) compared: usize,
    pub(super) stale_results: usize,
    /// Which plain cargo would not fail.
    pub(super) failed_builds: usize,
    /// For cargo's lock on a build directory.
    pub(super) waits: usize,
    /// For a leader, at the first build with a key: those are meant.
    pub(super) cold_start_waits: usize,
    pub(super) cold_start_seconds: f64,
    pub(super) foreign_files_touched: usize,
    pub(super) budget_bytes: u64,
    pub(super) warm_lane_bytes: u64,
    pub(super) lanes_bytes_max: u64,
    pub(super) excess_bytes_max: u64,
    /// Of one build, in files that no other lane has.
    pub(super) growth_bytes_max: u64,
    pub(super) collections: usize,
    pub(super) collected_items: usize,
    pub(super) promised_bytes: u64,
    pub(super) freed_bytes_by_engine: u64,
    /// Of files that were seen in lanes before and were gone afterwards.
    pub(super) freed_bytes_by_measure: u64,
    /// By what the file system says. Others write to the disk, too.
    pub(super) freed_bytes_of_disk: i64,
    /// Checks and builds whose units are known.
    pub(super) counted_builds: usize,
    /// Those of them that compiled a package again of which nothing had changed since the last time
    /// in the lane, from which something had been collected less than ten minutes before.
    pub(super) compiled_again: usize,
    pub(super) compiled_again_share: f64,
    /// What is known of each wrong result.
    pub(super) wrong: Vec<String>,
}

/// How many builds may have to compile what has just been collected.
const AGAIN_SHARE_MAX: f64 = 0.02;

impl Report {
    pub(super) fn is_right(&self) -> bool {
        let has_to_be_0 = [
            self.agents_that_gave_up,
            self.stale_results,
            self.failed_builds,
            self.waits,
            self.foreign_files_touched,
        ];
        has_to_be_0.iter().all(|count| *count == 0)
            && self.compared > 0
            && self.excess_bytes_max <= self.growth_bytes_max
            && self.compiled_again_share <= AGAIN_SHARE_MAX
    }

    /// For the line of each minute.
    pub(super) fn so_far(&self) -> String {
        format!(
            "checks {}, builds {}, tests {}, kills {}, compared {}, wrong {}, waits {}",
            self.checks,
            self.builds,
            self.tests,
            self.kills.values().sum::<usize>(),
            self.compared,
            self.stale_results + self.failed_builds,
            self.waits
        )
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let by_name: Vec<String> =
            self.kills.iter().map(|(name, count)| format!("{name} {count}")).collect();
        let kills: usize = self.kills.values().sum();
        let freed_of_disk = match u64::try_from(self.freed_bytes_of_disk) {
            Ok(freed) => bytes(freed),
            Err(_) => format!("-{}", bytes(self.freed_bytes_of_disk.unsigned_abs())),
        };
        writeln!(
            f,
            "time       {:.1} min, {} agents, --seed {}",
            self.minutes, self.agents, self.seed
        )?;
        writeln!(
            f,
            "calls      checks {}, builds {}, tests {}",
            self.checks, self.builds, self.tests
        )?;
        writeln!(
            f,
            "ended      kills {kills} ({}), interrupts {}",
            by_name.join(", "),
            self.interrupts
        )?;
        writeln!(
            f,
            "compared   {}, with {} clean builds; not judged {}",
            self.compared, self.clean_builds, self.not_judged
        )?;
        writeln!(
            f,
            "disk       lanes at most {}, budget {}, one warm lane {}",
            bytes(self.lanes_bytes_max),
            bytes(self.budget_bytes),
            bytes(self.warm_lane_bytes)
        )?;
        writeln!(
            f,
            "           over the budget at most {}; largest growth by one build {}",
            bytes(self.excess_bytes_max),
            bytes(self.growth_bytes_max)
        )?;
        writeln!(
            f,
            "collected  {} items in {} collections: promised {}, freed {}",
            self.collected_items,
            self.collections,
            bytes(self.promised_bytes),
            bytes(self.freed_bytes_by_engine)
        )?;
        writeln!(
            f,
            "           by measure {} (in lanes), {freed_of_disk} (of the disk, others included)",
            bytes(self.freed_bytes_by_measure)
        )?;
        writeln!(
            f,
            "again      {} of {} builds ({:.1} %) compiled what was collected within 10 min",
            self.compiled_again,
            self.counted_builds,
            100.0 * self.compiled_again_share
        )?;
        writeln!(
            f,
            "waited     for a leader {} times, {:.1} s in all",
            self.cold_start_waits, self.cold_start_seconds
        )?;
        write!(
            f,
            "has to be 0: stale results {}, failed builds {}, waits for another's build {}, \
             foreign files touched {}, agents that gave up {}",
            self.stale_results,
            self.failed_builds,
            self.waits,
            self.foreign_files_touched,
            self.agents_that_gave_up
        )
    }
}

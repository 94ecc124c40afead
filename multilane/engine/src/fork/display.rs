//! What is said of a plan.

use std::collections::BTreeMap;
use std::fmt;

use crate::fork::plan::{ForkPlan, LeftToCargo, Transfer, Why};

impl ForkPlan {
    pub fn is_empty(&self) -> bool {
        self.units.is_empty()
    }

    /// What `lane fork --explain` prints of one package.
    pub fn explain(&self, package: &str) -> String {
        let mut lines = Vec::new();
        for unit in self.units.iter().filter(|unit| unit.package == package) {
            lines.push(format!("{} {}: forked", unit.package, unit.target));
            for file in unit.outputs.iter().chain(&unit.records) {
                let transfer = match file.transfer {
                    Transfer::Link => "link",
                    Transfer::Copy => "copy",
                    Transfer::Directory => continue,
                };
                lines.push(format!("    {transfer} {} ({} bytes)", file.path.display(), file.len));
            }
        }
        for left in self.left.iter().filter(|left| left.package == package) {
            lines.push(format!("{} {}: left to cargo: {}", left.package, left.target, left.why));
            lines
                .extend(left.why.remedy().map(|remedy| format!("    to have it forked: {remedy}")));
        }
        if lines.is_empty() {
            format!("{package}: the donor has no unit of it")
        } else {
            lines.join("\n")
        }
    }
}

/// What `lane fork --dry-run` prints.
impl fmt::Display for ForkPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let files = || self.units.iter().flat_map(|unit| unit.outputs.iter().chain(&unit.records));
        let of = |transfer: Transfer| files().filter(move |file| file.transfer == transfer);
        let bytes: u64 = of(Transfer::Copy).map(|file| file.len).sum();
        writeln!(f, "from {} into {}", self.donor.lane.display(), self.own.lane.display())?;
        write!(
            f,
            "units: {}; link {} files, copy {} ({bytes} bytes)",
            self.units.len(),
            of(Transfer::Link).count(),
            of(Transfer::Copy).count()
        )?;
        if self.present > 0 {
            write!(f, "; there already: {}", self.present)?;
        }
        if !self.caches.is_empty() {
            write!(f, "\nincremental caches: {}", self.caches.len())?;
        }
        if !self.times.is_empty() {
            write!(f, "\ntime set from the donor: {}", self.times.len())?;
        }
        for time in &self.times {
            write!(f, "\n    {}", time.path.display())?;
        }
        write!(f, "\nleft to cargo: {}", self.left.len())?;
        for left in &self.left {
            write!(f, "\n    {} {}: {}", left.package, left.target, left.why)?;
        }
        Ok(())
    }
}

/// The reasons in `left`, the most frequent first, without those that only follow from others.
pub fn reasons<'a>(left: impl Iterator<Item = &'a LeftToCargo>) -> Vec<String> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for left in left.filter(|left| !matches!(left.why, Why::Needs(_))) {
        *counts.entry(left.why.to_string()).or_default() += 1;
    }
    let mut reasons: Vec<(String, usize)> = counts.into_iter().collect();
    reasons.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    reasons.into_iter().map(|(reason, _)| reason).collect()
}

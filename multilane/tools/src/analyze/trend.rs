//! How the same build took longer or less long, from one time to the next.
//!
//! A machine is never twice as busy. So a crate is compared with all those that are the same as
//! before: if they take longer as well, it is the machine; if it alone does, it is the crate.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::json;

/// The most builds of one kind that are kept.
const KEPT_MAX: usize = 50;
/// The most builds of all kinds.
const ALL_MAX: usize = 200;
/// The most crates of each build.
const CRATES_MAX: usize = 150;

/// One build, as it is remembered.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub(crate) struct Build {
    /// What has to be the same: the selection, the compiler, the number of jobs.
    pub(crate) key: String,
    /// In seconds since 1970.
    pub(crate) time: u64,
    pub(crate) commit: String,
    pub(crate) has_changes: bool,
    pub(crate) seconds: f64,
    pub(crate) units: usize,
    /// What each package took, by name and version; a member's version says nothing, so it has
    /// none.
    pub(crate) crates: BTreeMap<String, f64>,
}

/// A crate that takes longer than it did.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Slower {
    pub(crate) package: String,
    pub(crate) seconds: f64,
    /// What it took before, on a machine as fast as now.
    #[serde(rename = "seconds_as_before")]
    pub(crate) before: f64,
    /// The commit of the first build in which it was slow.
    #[serde(rename = "since_commit")]
    pub(crate) since: String,
    /// The commit of the last build in which it was not.
    #[serde(rename = "not_yet_at_commit")]
    pub(crate) until: String,
}

impl Build {
    /// The first letters of the commit.
    pub(crate) fn short_commit(&self) -> &str {
        short(&self.commit)
    }

    /// Without the crates that take least, so that the memory stays small.
    pub(crate) fn bounded(mut self) -> Build {
        let mut all: Vec<(String, f64)> = std::mem::take(&mut self.crates).into_iter().collect();
        all.sort_by(|a, b| b.1.total_cmp(&a.1));
        all.truncate(CRATES_MAX);
        self.crates = all.into_iter().collect();
        self
    }
}

impl fmt::Display for Slower {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Slower { package, seconds, before, since, until } = self;
        write!(
            f,
            "`{package}` takes {seconds:.1} s; by the pace of the other crates, {before:.1} s would \
             be as before. It is slow since `{}`, and was not yet at `{}`.",
            short(since),
            short(until)
        )
    }
}

fn short(commit: &str) -> &str {
    commit.get(..10).unwrap_or(commit)
}

/// The builds that are remembered; none where they cannot be read: then it begins anew.
pub(crate) fn read(text: &[u8]) -> Vec<Build> {
    let mut lists: BTreeMap<String, Vec<Build>> = serde_json::from_slice(text).unwrap_or_default();
    lists.remove("builds").unwrap_or_default()
}

pub(crate) fn write(builds: &[Build]) -> String {
    json!({ "builds": builds }).to_string()
}

/// With one more build at the end, and without the oldest where there are too many.
pub(crate) fn with(mut builds: Vec<Build>, build: Build) -> Vec<Build> {
    let is_same = |other: &Build| other.key == build.key;
    let too_many =
        (builds.iter().filter(|other| is_same(other)).count() + 1).saturating_sub(KEPT_MAX);
    let mut skipped = 0;
    builds.retain(|other| {
        let goes = is_same(other) && skipped < too_many;
        skipped += usize::from(goes);
        !goes
    });
    builds.push(build);
    let too_many = builds.len().saturating_sub(ALL_MAX);
    builds.split_off(too_many)
}

/// The crates that take longer in the last of these builds, all of one kind, than in those before.
pub(crate) fn slower(builds: &[Build]) -> Vec<Slower> {
    let Some((now, before)) = builds.split_last() else { return Vec::new() };
    let mut found = Vec::new();
    for (package, seconds) in &now.crates {
        let is_slow = |build: &Build| {
            let earlier = *build.crates.get(package)? * pace(build, now, package)?;
            let is_slow =
                *seconds > 1.3 * earlier && seconds - earlier > (0.02 * now.seconds).max(0.5);
            Some((is_slow, earlier))
        };
        // From the newest back: as long as it was as slow as now, nothing has changed.
        let mut since = now;
        for build in before.iter().rev() {
            match is_slow(build) {
                Some((true, earlier)) => {
                    found.push(Slower {
                        package: package.clone(),
                        seconds: *seconds,
                        before: earlier,
                        since: since.commit.clone(),
                        until: build.commit.clone(),
                    });
                    break;
                }
                Some((false, _)) => since = build,
                None => break,
            }
        }
    }
    found.sort_by(|a, b| (b.seconds - b.before).total_cmp(&(a.seconds - a.before)));
    found
}

/// How much longer everything else takes now than in an earlier build: the median of all other
/// crates that both have. `None` where there are too few to tell.
fn pace(earlier: &Build, now: &Build, but: &str) -> Option<f64> {
    const ENOUGH: usize = 5;
    let others = now.crates.iter().filter(|(name, seconds)| *name != but && **seconds >= 0.1);
    let mut ratios: Vec<f64> = others
        .filter_map(|(name, seconds)| {
            Some(seconds / earlier.crates.get(name).filter(|s| **s >= 0.1)?)
        })
        .collect();
    if ratios.len() < ENOUGH {
        return None;
    }
    ratios.sort_by(f64::total_cmp);
    Some(ratios[ratios.len() / 2])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ten crates, of which one is told apart.
    fn build(commit: &str, pace: f64, app: f64) -> Build {
        let mut crates: BTreeMap<String, f64> = (0..9)
            .map(|number| (format!("other-{number} 1.0.0"), (1.0 + f64::from(number)) * pace))
            .collect();
        crates.insert("app".to_owned(), app);
        Build {
            key: "k".into(),
            commit: commit.into(),
            seconds: 40.0 * pace,
            crates,
            ..Build::default()
        }
    }

    #[test]
    fn a_crate_that_alone_takes_longer_is_named_with_its_commit() {
        let builds = [
            build("a", 1.0, 5.0),
            build("b", 1.1, 5.3),
            build("c", 0.9, 9.0),
            build("d", 1.0, 10.0),
        ];
        let found = slower(&builds);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(
            (found[0].package.as_str(), found[0].since.as_str(), found[0].until.as_str()),
            ("app", "c", "b")
        );
    }

    #[test]
    fn a_busy_machine_is_no_regression() {
        assert_eq!(slower(&[build("a", 1.0, 5.0), build("b", 2.0, 10.0)]), []);
        assert_eq!(slower(&[build("a", 1.0, 5.0), build("b", 1.0, 5.3)]), []);
        assert_eq!(slower(&[build("a", 1.0, 5.0)]), []);
        assert_eq!(slower(&[]), []);
    }

    #[test]
    fn too_few_crates_say_nothing_of_the_machine() {
        let small = |app: f64| Build {
            crates: [("app".to_owned(), app)].into(),
            seconds: app,
            ..Build::default()
        };
        assert_eq!(slower(&[small(1.0), small(9.0)]), []);
    }

    #[test]
    fn what_is_remembered_is_bounded_and_survives_being_written() {
        let mut builds = Vec::new();
        for number in 0..KEPT_MAX + 3 {
            builds = with(builds, build(&number.to_string(), 1.0, 1.0));
        }
        assert_eq!(builds.len(), KEPT_MAX);
        assert_eq!(builds[0].commit, "3");
        assert_eq!(read(write(&builds).as_bytes()), builds);
        assert_eq!(read(b"no JSON"), []);
    }
}

//! Which donor is the best.

use std::path::Path;

use crate::fork::donors::Donor;

/// What a donor should have in common with the lane that is forked from it.
pub struct WantedDonor<'a> {
    /// `rustc -vV`, whole.
    pub toolchain: &'a str,
    pub lockfile: &'a str,
    pub root: &'a Path,
    pub commit: Option<&'a str>,
}

/// The donors of the same compiler, the best first: same dependencies, then same sources, then most
/// units.
pub fn ranked(mut donors: Vec<Donor>, wanted: &WantedDonor<'_>) -> Vec<Donor> {
    // Another compiler's units have other hashes. cargo keeps the answer of `rustc -vV`, whose
    // first line names the commit.
    let compiler = wanted.toolchain.lines().next().unwrap_or_default();
    // Where nothing is kept (CARGO_CACHE_RUSTC_INFO=0), each unit's fingerprint still tells cargo.
    donors.retain(|donor| donor.rustc_info.is_empty() || donor.rustc_info.contains(compiler));
    donors.sort_by_key(|donor| {
        let is_same_commit = wanted.commit.is_some() && donor.commit.as_deref() == wanted.commit;
        let rank = (
            !donor.rustc_info.is_empty(),
            donor.lockfile == wanted.lockfile,
            donor.place.root == wanted.root,
            is_same_commit,
            donor.units,
        );
        std::cmp::Reverse(rank)
    });
    donors
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::units::Place;

    /// A donor of the tree `/w/<tree>`, with this lockfile, commit and number of units.
    fn donor(tree: &str, lockfile: &str, commit: Option<&str>, units: usize) -> Donor {
        let root = Path::new("/w").join(tree);
        Donor {
            place: Place::new(root.clone(), root.join("target")),
            commit: commit.map(str::to_owned),
            lockfile: lockfile.to_owned(),
            rustc_info: "{\"stdout\":\"rustc 1.95.0 (0123 2026-04-14)\\nbinary: rustc\"}"
                .to_owned(),
            units,
        }
    }

    /// The trees of the donors, the best first, for a lane of `/w/own` with the lockfile `lock`.
    #[track_caller]
    fn check(donors: Vec<Donor>, commit: Option<&str>, expected: &[&str]) {
        let (toolchain, lockfile) = ("rustc 1.95.0 (0123 2026-04-14)\nbinary: rustc\n", "lock");
        let wanted = WantedDonor { toolchain, lockfile, root: Path::new("/w/own"), commit };
        let names = ranked(donors, &wanted).into_iter().map(|donor| {
            let name = donor.place.root.file_name().expect("a name").to_string_lossy().into_owned();
            name + if donor.units > 100 { " with more" } else { "" }
        });
        assert_eq!(names.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn the_best_donor_has_the_same_dependencies_then_the_same_sources_then_most_units() {
        // Each is better than the one before by one thing, and worse in all that counts less.
        let donors = vec![
            donor("bare", "other", None, 1),
            donor("bare", "other", None, 900),
            donor("commit", "other", Some("c"), 1),
            donor("own", "other", None, 1),
            donor("lockfile", "lock", None, 1),
            donor("lockfile-commit", "lock", Some("c"), 1),
            donor("own", "lock", Some("d"), 900),
        ];
        let expected = [
            "own with more",
            "lockfile-commit",
            "lockfile",
            "own",
            "commit",
            "bare with more",
            "bare",
        ];
        check(donors.into_iter().rev().collect(), Some("c"), &expected);
    }

    #[test]
    fn where_there_are_no_commits_none_is_the_same() {
        let donors = vec![donor("a", "lock", None, 1), donor("b", "lock", Some("c"), 2)];
        check(donors, None, &["b", "a"]);
    }

    #[test]
    fn another_compilers_lane_is_no_donor_and_an_unknown_ones_is_the_last() {
        let mut other = donor("other", "lock", Some("c"), 900);
        other.rustc_info = other.rustc_info.replace("0123", "4567");
        let mut unknown = donor("unknown", "lock", Some("c"), 900);
        unknown.rustc_info.clear();
        let donors = vec![other, donor("same", "other", None, 1), unknown];
        check(donors, Some("c"), &["same", "unknown with more"]);
    }
}

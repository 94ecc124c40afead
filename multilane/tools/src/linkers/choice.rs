//! Which linkers are worth a try, how cargo is told of each, and which one is to be used.
//!
//! A compiler driver (gcc, clang) stands between rustc and the linker, and takes only names that it
//! knows; rustc asks it for `lld` where that is the default. The last `-fuse-ld` counts, so that
//! ours goes before rustc's.

use std::path::PathBuf;

use crate::linkers::link::Link;
use crate::stats::Spread;

/// What links are made with here.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    pub(crate) driver: Driver,
    /// On `PATH`, and answering.
    pub(crate) mold: Option<PathBuf>,
    pub(crate) wild: Option<PathBuf>,
    pub(crate) lld: Option<PathBuf>,
    /// A folder for links to linkers, at a path that all worktrees of the user share: it is part of
    /// every unit's hash.
    pub(crate) links_dir: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Driver {
    Gcc { major: u32 },
    Clang,
    Unknown,
}

impl Driver {
    /// From what it answers to `--version`.
    pub(crate) fn of(answer: &str) -> Driver {
        let first = answer.lines().next().unwrap_or_default();
        if first.contains("clang") {
            return Driver::Clang;
        }
        let major = first
            .split_whitespace()
            .next_back()
            .and_then(|version| version.split('.').next()?.parse().ok());
        match major {
            Some(major) if answer.contains("Free Software Foundation") => Driver::Gcc { major },
            _ => Driver::Unknown,
        }
    }
}

/// A linker, and how cargo is told of it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Candidate {
    pub(crate) name: &'static str,
    /// How it begins when it names itself in what it has linked.
    pub(crate) says: &'static str,
    pub(crate) flags: Vec<String>,
    /// A name that the driver knows, which has to be a link to the linker.
    pub(crate) link: Option<(PathBuf, PathBuf)>,
}

/// The one that is most likely to help first.
pub(crate) fn candidates(facts: &Facts) -> Vec<Candidate> {
    let by_name = |name: &'static str, says: &'static str| Candidate {
        name,
        says,
        flags: vec![format!("-Clink-arg=-fuse-ld={name}")],
        link: None,
    };
    // gcc knows no other linker by path. It looks for `ld.bfd` in our folder first, and there it is
    // the one we want.
    let by_link = |name: &'static str, says: &'static str, program: &PathBuf| {
        let dir = facts.links_dir.join(name);
        let flags =
            vec![format!("-Clink-arg=-B{}", dir.display()), "-Clink-arg=-fuse-ld=bfd".to_owned()];
        Candidate { name, says, flags, link: Some((dir.join("ld.bfd"), program.clone())) }
    };
    let by_path = |name: &'static str, says: &'static str, program: &PathBuf| Candidate {
        name,
        says,
        flags: vec![format!("-Clink-arg=--ld-path={}", program.display())],
        link: None,
    };

    const KNOWS_MOLD_SINCE: u32 = 12;
    let mold = facts.mold.as_ref().map(|program| match facts.driver {
        Driver::Gcc { major } if major < KNOWS_MOLD_SINCE => by_link("mold", "mold", program),
        _ => by_name("mold", "mold"),
    });
    let wild = facts.wild.as_ref().map(|program| match facts.driver {
        Driver::Clang => by_path("wild", "Wild", program),
        _ => by_link("wild", "Wild", program),
    });
    let lld = facts.lld.as_ref().map(|_| by_name("lld", "LLD"));
    [mold, wild, lld].into_iter().flatten().collect()
}

/// A candidate that was tried.
#[derive(Clone, Debug)]
pub(crate) struct Tried {
    pub(crate) candidate: Candidate,
    pub(crate) link: Link,
}

impl Tried {
    /// What it calls itself, if it has linked a program that has run; otherwise, why it is not to
    /// be used.
    pub(crate) fn proof(&self) -> Result<&str, String> {
        match &self.link {
            Link::Linked { by: Some(by) } if by.starts_with(self.candidate.says) => Ok(by),
            Link::Linked { by: Some(by) } => Err(format!("{by} has linked in its place")),
            Link::Linked { by: None } => Err("another one has linked in its place".to_owned()),
            Link::OtherFormat => {
                Err("who has linked cannot be seen in programs of this system".to_owned())
            }
            Link::Failed { why } | Link::NotTried { why } => Err(why.clone()),
        }
    }
}

/// Whether what links without our doing is quick by itself.
pub(crate) fn is_quick(link: &Link) -> bool {
    const QUICK: [&str; 3] = ["LLD", "mold", "Wild"];
    matches!(link, Link::Linked { by: Some(by) } if QUICK.iter().any(|name| by.starts_with(name)))
}

/// Which of those that were measured is to be used, by its index; the first is the one that links
/// without our doing, and stays unless another one's median is below the quickest of its runs: less
/// than that may be chance.
pub(crate) fn quickest(measured: &[Spread]) -> usize {
    let by_median = |a: &usize, b: &usize| measured[*a].median.total_cmp(&measured[*b].median);
    let first = (0..measured.len()).min_by(by_median).unwrap_or(0);
    if measured.first().is_some_and(|default| measured[first].median < default.min) {
        first
    } else {
        0
    }
}

/// A setting of the user's that decides on compiler flags: where it is, and its dotted key.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    pub(crate) place: String,
    pub(crate) key: String,
}

/// Why flags of ours would change which of the user's count, or count for nothing themselves.
/// `variables` are those of the environment that are set.
pub(crate) fn obstacle(triple: &str, variables: &[&str], settings: &[Setting]) -> Option<String> {
    for name in ["CARGO_ENCODED_RUSTFLAGS", "RUSTFLAGS"] {
        if variables.contains(&name) {
            return Some(format!(
                "{name} is set in the environment, and with it cargo takes no flags from its configuration\n\
                 help: put its flags into target.{triple}.rustflags in .cargo/config.toml, and unset it"
            ));
        }
    }
    let build = settings.iter().find(|setting| setting.key == "build.rustflags");
    let place = build.map(|setting| setting.place.as_str());
    let place = place.or_else(|| {
        variables.contains(&"CARGO_BUILD_RUSTFLAGS").then_some("CARGO_BUILD_RUSTFLAGS")
    });
    let is_for_target = |setting: &&Setting| {
        setting.key.starts_with("target.")
            && setting.key.ends_with(".rustflags")
            && setting.key.contains(triple)
    };
    if let Some(place) = place
        && !settings.iter().any(|setting| is_for_target(&setting))
    {
        return Some(format!(
            "build.rustflags in {place} would no longer count: flags for a target go before it\n\
             help: name them target.{triple}.rustflags there"
        ));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(driver: Driver) -> Facts {
        Facts {
            driver,
            mold: Some("/bin/mold".into()),
            wild: Some("/bin/wild".into()),
            lld: Some("/bin/ld.lld".into()),
            links_dir: "/d".into(),
        }
    }

    #[track_caller]
    fn check(driver: Driver, expected: &[&str]) {
        let flags: Vec<String> = candidates(&facts(driver))
            .into_iter()
            .map(|candidate| candidate.flags.join(" "))
            .collect();
        assert_eq!(flags, expected);
    }

    #[test]
    fn each_driver_is_told_in_its_own_way() {
        let lld = "-Clink-arg=-fuse-ld=lld";
        let mold = "-Clink-arg=-fuse-ld=mold";
        let wild = "-Clink-arg=-B/d/wild -Clink-arg=-fuse-ld=bfd";
        check(Driver::Gcc { major: 12 }, &[mold, wild, lld]);
        check(
            Driver::Gcc { major: 11 },
            &["-Clink-arg=-B/d/mold -Clink-arg=-fuse-ld=bfd", wild, lld],
        );
        check(Driver::Clang, &[mold, "-Clink-arg=--ld-path=/bin/wild", lld]);
        assert!(
            candidates(&Facts { mold: None, wild: None, lld: None, ..facts(Driver::Clang) })
                .is_empty()
        );
    }

    #[test]
    fn drivers_are_known_by_their_answers() {
        let gcc = "cc (Debian 12.2.0-14+deb12u1) 12.2.0\nCopyright (C) 2022 Free Software Foundation, Inc.\n";
        assert_eq!(Driver::of(gcc), Driver::Gcc { major: 12 });
        assert_eq!(
            Driver::of("Debian clang version 14.0.6\nTarget: x86_64-pc-linux-gnu\n"),
            Driver::Clang
        );
        assert_eq!(Driver::of("Apple clang version 17.0.0 (clang-1700.0.13.3)\n"), Driver::Clang);
        for rubbish in ["", "hello 12", "zig 0.13"] {
            assert_eq!(Driver::of(rubbish), Driver::Unknown, "{rubbish}");
        }
    }

    #[test]
    fn only_who_has_linked_is_proven() {
        let candidate = candidates(&facts(Driver::Clang)).remove(0);
        let tried = |by: Option<&str>| Tried {
            candidate: candidate.clone(),
            link: Link::Linked { by: by.map(str::to_owned) },
        };
        assert_eq!(tried(Some("mold 2.40")).proof(), Ok("mold 2.40"));
        assert_eq!(
            tried(Some("LLD 21.1")).proof(),
            Err("LLD 21.1 has linked in its place".to_owned())
        );
        tried(None).proof().expect_err("GNU ld does not name itself");
        let link = Link::Failed { why: "no".to_owned() };
        assert_eq!(Tried { candidate, link }.proof(), Err("no".to_owned()));
    }

    #[test]
    fn another_is_used_only_where_it_is_quicker_for_certain() {
        let spread = |min: f64, median: f64, max: f64| Spread { min, median, max };
        let default = spread(90.0, 100.0, 130.0);
        assert_eq!(quickest(&[default]), 0);
        assert_eq!(quickest(&[default, spread(80.0, 95.0, 99.0)]), 0);
        assert_eq!(quickest(&[default, spread(80.0, 85.0, 120.0), spread(10.0, 89.0, 99.0)]), 1);
        assert_eq!(quickest(&[default, spread(91.0, 110.0, 120.0)]), 0);
        assert_eq!(quickest(&[]), 0);
    }

    #[test]
    fn flags_of_the_users_never_stop_counting_in_silence() {
        const TRIPLE: &str = "x86_64-unknown-linux-gnu";
        let setting = |key: &str| Setting { place: "a.toml".to_owned(), key: key.to_owned() };
        let says = |variables: &[&str], keys: &[&str]| {
            let settings: Vec<Setting> = keys.iter().map(|key| setting(key)).collect();
            obstacle(TRIPLE, variables, &settings)
        };
        assert_eq!(says(&[], &[]), None);
        assert_eq!(says(&[], &["target.x86_64-unknown-linux-gnu.rustflags", "build.jobs"]), None);
        assert!(says(&["RUSTFLAGS"], &[]).is_some());
        assert!(says(&["CARGO_BUILD_RUSTFLAGS"], &[]).is_some());
        assert!(says(&[], &["build.rustflags"]).expect("an obstacle").contains("in a.toml"));
        // They do not count today either.
        assert_eq!(
            says(&[], &["build.rustflags", "target.x86_64-unknown-linux-gnu.rustflags"]),
            None
        );
    }
}

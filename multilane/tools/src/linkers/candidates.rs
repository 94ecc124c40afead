//! Which linkers are worth a try, how cargo is told of each, and what speaks against it.
//!
//! A compiler driver (gcc, clang) stands between rustc and the linker, and takes only names that it
//! knows; rustc asks it for `lld` where that is the default. The last `-fuse-ld` counts, so that
//! ours goes before rustc's.

use std::path::{Path, PathBuf};
use std::time::Duration;

use multilane_engine::environment::Environment;

use crate::doctor::config_files::Setting;
use crate::install::plan::{Machine, Reply};
use crate::linkers::probe::Link;
use crate::process::Asker;

/// What links are made with here.
#[derive(Clone, Debug)]
pub(crate) struct Linkers {
    driver: Driver,
    /// On `PATH`, and answering.
    mold: Option<PathBuf>,
    wild: Option<PathBuf>,
    lld: Option<PathBuf>,
    /// A folder for links to linkers, at a path that all worktrees of the user share: it is part of
    /// every unit's hash.
    links_dir: PathBuf,
}

impl Linkers {
    /// `driver`: the one that the user has configured, where it is not `cc`.
    pub(crate) fn find(
        asker: &Asker<'_>,
        env: &Environment,
        machine: &Machine,
        driver: Option<&str>,
        start: &Path,
    ) -> Linkers {
        const LIMIT: Duration = Duration::from_secs(5);
        let answer = asker.ask(driver.unwrap_or("cc"), ["--version"], start, LIMIT);
        let answering = |tool: &str, program: &str| {
            matches!(machine.answers.get(tool), Some(Reply::Version(_)))
                .then(|| env.find_program(program))?
        };
        Linkers {
            driver: answer.map_or(Driver::Unknown, |answer| Driver::of(&answer.stdout)),
            mold: answering("mold", "mold"),
            wild: answering("wild", "wild"),
            lld: answering("lld", "ld.lld"),
            links_dir: machine.data_dir.join("multilane").join("linkers"),
        }
    }
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
pub(crate) fn candidates(linkers: &Linkers) -> Vec<Candidate> {
    const KNOWS_MOLD_SINCE: u32 = 12;
    let flag = |arg: String| format!("-Clink-arg={arg}");
    let by_name = |name: &'static str, says| Candidate {
        name,
        says,
        flags: vec![flag(format!("-fuse-ld={name}"))],
        link: None,
    };
    // gcc knows no other linker by path. It looks for `ld.bfd` in our folder first, and there it is
    // the one we want.
    let by_link = |name, says, program: &PathBuf| {
        let dir = linkers.links_dir.join(name);
        let flags = vec![flag(format!("-B{}", dir.display())), flag("-fuse-ld=bfd".to_owned())];
        Candidate { name, says, flags, link: Some((dir.join("ld.bfd"), program.clone())) }
    };
    let mold = linkers.mold.as_ref().map(|program| match linkers.driver {
        Driver::Gcc { major } if major < KNOWS_MOLD_SINCE => by_link("mold", "mold", program),
        _ => by_name("mold", "mold"),
    });
    let wild = linkers.wild.as_ref().map(|program| match linkers.driver {
        Driver::Clang => Candidate {
            name: "wild",
            says: "Wild",
            flags: vec![flag(format!("--ld-path={}", program.display()))],
            link: None,
        },
        _ => by_link("wild", "Wild", program),
    });
    let lld = linkers.lld.as_ref().map(|_| by_name("lld", "LLD"));
    [mold, wild, lld].into_iter().flatten().collect()
}

/// A candidate that was tried.
#[derive(Clone, Debug)]
pub(crate) struct Tried {
    pub(crate) candidate: Candidate,
    pub(crate) link: Link,
}

impl Tried {
    /// Its name and version, if it has linked a program that has run; otherwise why it is not to be
    /// used.
    pub(crate) fn proof(&self) -> Result<&str, String> {
        match &self.link {
            Link::Linked { by: Some(by) } if by.starts_with(self.candidate.says) => Ok(by),
            Link::Linked { by } => {
                let by = by.as_deref().unwrap_or("a different linker");
                Err(format!("{by} was used instead"))
            }
            Link::OtherFormat => {
                Err("cannot tell which linker was used on this platform".to_owned())
            }
            Link::Failed { why } | Link::NotTried { why } => Err(why.clone()),
        }
    }
}

/// Whether the linker that is used without our doing is quick.
pub(crate) fn is_quick(link: &Link) -> bool {
    const QUICK: [&str; 3] = ["LLD", "mold", "Wild"];
    matches!(link, Link::Linked { by: Some(by) } if QUICK.iter().any(|name| by.starts_with(name)))
}

/// Why flags of ours would make flags of the user's ineffective, or be so themselves. `variables`
/// are those of the environment that are set; each setting has the file that it is in.
pub(crate) fn obstacle(
    triple: &str,
    variables: &[&str],
    settings: &[(String, Setting)],
) -> Option<String> {
    for name in ["CARGO_ENCODED_RUSTFLAGS", "RUSTFLAGS"] {
        if variables.contains(&name) {
            return Some(format!(
                "{name} is set, so cargo ignores flags in its configuration\n\
                 help: move the flags to target.{triple}.rustflags in .cargo/config.toml, and unset it"
            ));
        }
    }
    let is_for_target = |key: &str| {
        key.starts_with("target.") && key.ends_with(".rustflags") && key.contains(triple)
    };
    if settings.iter().any(|(_, setting)| is_for_target(&setting.key)) {
        return None; // `build.rustflags` is ineffective already.
    }
    let build = settings.iter().find(|(_, setting)| setting.key == "build.rustflags");
    let variable = "CARGO_BUILD_RUSTFLAGS";
    let place = build.map(|(place, _)| place.as_str());
    let place = place.or_else(|| variables.contains(&variable).then_some(variable))?;
    Some(format!(
        "build.rustflags in {place} would be ignored, as flags for a target override them\n\
         help: rename them to target.{triple}.rustflags there"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn linkers(driver: Driver) -> Linkers {
        Linkers {
            driver,
            mold: Some("/bin/mold".into()),
            wild: Some("/bin/wild".into()),
            lld: Some("/bin/ld.lld".into()),
            links_dir: "/d".into(),
        }
    }

    #[track_caller]
    fn check(driver: Driver, expected: &[&str]) {
        let flags: Vec<String> = candidates(&linkers(driver))
            .into_iter()
            .map(|candidate| candidate.flags.join(" ").replace(std::path::MAIN_SEPARATOR, "/"))
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
            candidates(&Linkers { mold: None, wild: None, lld: None, ..linkers(Driver::Clang) })
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
    fn only_a_linker_that_was_used_is_proven() {
        let candidate = candidates(&linkers(Driver::Clang)).remove(0);
        let tried = |by: Option<&str>| Tried {
            candidate: candidate.clone(),
            link: Link::Linked { by: by.map(str::to_owned) },
        };
        assert_eq!(tried(Some("mold 2.40")).proof(), Ok("mold 2.40"));
        assert_eq!(tried(Some("LLD 21.1")).proof(), Err("LLD 21.1 was used instead".to_owned()));
        tried(None).proof().expect_err("GNU ld does not name itself");
        let link = Link::Failed { why: "no".to_owned() };
        assert_eq!(Tried { candidate, link }.proof(), Err("no".to_owned()));
    }

    #[test]
    fn flags_of_the_user_never_become_ineffective_unnoticed() {
        const TRIPLE: &str = "x86_64-unknown-linux-gnu";
        let own = "target.x86_64-unknown-linux-gnu.rustflags";
        let is_obstacle = |variables: &[&str], keys: &[&str]| {
            let setting = |key: &&str| Setting { key: (*key).to_owned(), value: String::new() };
            let settings: Vec<(String, Setting)> =
                keys.iter().map(|key| ("a.toml".to_owned(), setting(key))).collect();
            obstacle(TRIPLE, variables, &settings).is_some()
        };
        assert!(!is_obstacle(&[], &[]));
        assert!(!is_obstacle(&[], &[own, "build.jobs"]));
        assert!(!is_obstacle(&[], &["build.rustflags", own]), "they are ineffective already");
        assert!(is_obstacle(&["RUSTFLAGS"], &[]));
        assert!(is_obstacle(&["CARGO_BUILD_RUSTFLAGS"], &[]));
        assert!(is_obstacle(&[], &["build.rustflags"]));
    }
}

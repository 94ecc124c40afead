//! The programs that a build is made with: toolchain, linker, cache, wrapper, and those that help.

use std::path::Path;

use multilane::project::cranelift::is_nightly;
use multilane::sccache::state::VERSION_MIN;
use multilane::sccache::variables::CacheReach;

use crate::doctor::report::{
    Cranelift, Facts, Judged, Problem, SharedCacheFacts, error, note, numbers, shown, warning,
};
use crate::doctor::toolchain::{Choice, Toolchain};
use crate::doctor::wrappers::{NotOurs, Wrapper};
use crate::install::plan::table::TOOLS;
use crate::install::plan::{Reply, Wanted};
use crate::linkers::link::Link;

pub(super) fn toolchain(facts: &Facts) -> Judged {
    let Toolchain { rustc, choice, file, is_rustups, is_fetched, needed, .. } = &facts.toolchain;
    let file_name = file.as_ref().map(|(file, _)| shown(facts, file));
    let rustc = match rustc {
        Ok(rustc) => rustc,
        Err(why) => {
            let fix = match (is_rustups, file) {
                (false, _) => "install a toolchain: https://rustup.rs".to_owned(),
                (true, Some((_, Some(channel)))) => format!("rustup toolchain install {channel}"),
                (true, _) => "rustup toolchain install stable".to_owned(),
            };
            let problem = if *is_fetched && why.contains("is not installed") {
                note(why, "the first build waits until rustup has fetched it", fix)
            } else {
                error(format!("rustc: {why}"), "nothing can be built", fix)
            };
            return (String::new(), vec![problem]);
        }
    };

    let version = rustc.split_whitespace().nth(1).unwrap_or_default();
    let mut problems = Vec::new();
    let by = match choice {
        Choice::Rustc(path) => {
            problems.push(warning(
                format!("`{}` is configured as the compiler", path.display()),
                "whoever builds without that setting has another compiler, and other units",
                "unset RUSTC, or take `build.rustc` out of cargo's configuration",
            ));
            "configured".to_owned()
        }
        Choice::Typed(name) => format!("+{name}"),
        Choice::Variable(name) => {
            let over = file_name.as_ref().map(|file| format!(", over {file}")).unwrap_or_default();
            problems.push(warning(
                format!("RUSTUP_TOOLCHAIN={name} chooses the compiler{over}"),
                "an editor or a terminal without it has another compiler, and compiles everything for itself",
                "unset RUSTUP_TOOLCHAIN",
            ));
            "RUSTUP_TOOLCHAIN".to_owned()
        }
        Choice::File => file_name.clone().unwrap_or_default(),
        Choice::Rustup => "rustup's choice".to_owned(),
        Choice::Path => "the first on PATH, no rustup".to_owned(),
    };
    if let (Choice::Path, Some(file)) = (choice, &file_name) {
        problems.push(warning(
            format!("{file} is not followed: `rustc` on PATH is not rustup's"),
            "others, whose rustup follows it, have another compiler and other lanes",
            "install rustup (https://rustup.rs), or put its programs first on PATH",
        ));
    }
    if let (Some(needed), Some(is)) = (needed, numbers(version))
        && version_of(needed).is_some_and(|needed| needed > is)
    {
        problems.push(error(
            format!("this workspace needs rustc {needed}, and {version} is used"),
            "cargo refuses to build it",
            match (file, is_rustups) {
                (Some((file, _)), true) => {
                    format!(
                        "rustup toolchain install {needed}, then name it in {}",
                        shown(facts, file)
                    )
                }
                (None, true) => {
                    format!("rustup toolchain install {needed} && rustup override set {needed}")
                }
                (_, false) => "install rustup (https://rustup.rs), which has newer ones".to_owned(),
            },
        ));
    }
    problems.extend(cranelift(facts, rustc));
    problems.extend(age(version, facts.now_days, file_name.as_deref(), *is_rustups));
    (format!("rustc {version} ({by})"), problems)
}

/// Asked for and not to be had, or to be had and not asked for.
fn cranelift(facts: &Facts, rustc: &str) -> Option<Problem> {
    const LLVM: &str = "LLVM makes the code of the edit loop, which takes longer";
    let Cranelift { settings, has_component } = &facts.cranelift;
    match (settings, is_nightly(rustc), has_component) {
        (Some(Err(why)), _, _) => Some(error(
            why,
            "`build-dev` and `run` refuse to work",
            "mend it in Cargo.toml: llvm = [\"ring\"]",
        )),
        (Some(Ok(_)), false, _) => Some(note(
            "Cranelift is asked for, and this toolchain is no nightly",
            LLVM,
            format!(
                "name a nightly in rust-toolchain.toml, or: cargo +nightly {}",
                facts.xtask.trim_start_matches("cargo ")
            ),
        )),
        (Some(Ok(_)), true, false) => Some(note(
            "Cranelift is asked for, and its component is not installed",
            LLVM,
            "rustup component add rustc-codegen-cranelift-preview",
        )),
        (None, true, true) => Some(note(
            "Cranelift is installed, and not asked for",
            LLVM,
            "[workspace.metadata.multilane.cranelift] in Cargo.toml, after reading docs/cranelift.md",
        )),
        _ => None,
    }
}

/// `1.85` and `1.85.1`.
fn version_of(needed: &str) -> Option<(u32, u32, u32)> {
    let dots = needed.matches('.').count();
    numbers(&format!("{needed}{}", ".0".repeat(2_usize.saturating_sub(dots))))
}

/// A version of Rust comes every six weeks; the first one came on 2015-05-15, day 16570 of Unix.
fn age(version: &str, now_days: u64, file: Option<&str>, is_rustups: bool) -> Option<Problem> {
    const FIRST_DAY: u64 = 16_570;
    const DAYS_EACH: u64 = 42;
    const OLD_DAYS: u64 = 365;
    let (1, minor, _) = numbers(version)? else { return None };
    let days = now_days.checked_sub(FIRST_DAY + DAYS_EACH * u64::from(minor))?;
    if days < OLD_DAYS {
        return None;
    }
    let fix = match (file, is_rustups) {
        (Some(file), true) => format!("rustup update stable, then name it in {file}"),
        (None, true) => "rustup update".to_owned(),
        (_, false) => "install rustup (https://rustup.rs)".to_owned(),
    };
    Some(note(
        format!("rustc {version} came out {} months ago", days / 30),
        "what compilers and cargo have learned since: they are faster, and what is newer may not build",
        fix,
    ))
}

pub(super) fn linker(facts: &Facts) -> Judged {
    const MAY_BE_SLOW: &str = "linking takes longer at every build; seen with a program of 316 MB: 10 to 13 s to compile and link it, \
        2 to 3 s with rust-lld";
    let asked = asked_linker(facts);
    if facts.toolchain.rustc.is_err() {
        return (String::new(), Vec::new()); // Nothing can be linked without a compiler.
    }
    let unknown = |why: &str, fix: String| {
        let what = format!("no program could be linked to see who links: {why}");
        (String::new(), vec![note(what, "nothing is known of the linker", fix)])
    };
    match &facts.link {
        // A target of another machine may have no `std` at all; what is built for it will be told
        // by the build.
        Link::Failed { why } if why.contains("can't find crate for `std`") => unknown(
            why,
            "rustup target add <the triple in build.target>, unless it is one without std"
                .to_owned(),
        ),
        Link::Failed { why } => {
            let fix = if why.contains("linker `") && why.contains("not found") {
                "install a C compiler, which links: sudo apt install gcc, or your system's"
            } else {
                "cargo build says more; look into the files that `configuration` names"
            };
            let what = format!("a program of one line cannot be built here: {why}");
            (String::new(), vec![error(what, "nothing can be built", fix)])
        }
        Link::NotTried { why } => {
            unknown(why, "cargo build --verbose shows how it links".to_owned())
        }
        Link::OtherFormat => (
            "a program was linked; this system's format does not say by whom".to_owned(),
            Vec::new(),
        ),
        Link::Linked { by } => {
            let name = by.as_deref().unwrap_or("GNU ld, or another that leaves no name");
            let fine = format!("{name}, seen in a program that it has linked");
            let is_asked =
                |asked: &&str| by.as_ref().is_none_or(|by| !by.to_lowercase().contains(*asked));
            let mut problems = Vec::new();
            if let Some(asked) = asked.filter(is_asked) {
                problems.push(warning(
                    format!("`{asked}` is asked for in the configuration, but {name} has linked"),
                    "the flags are not free: they make other units, and bring nothing",
                    format!("see whether {asked} is installed, or take the flags out again"),
                ));
            } else if by.is_none() && facts.os == "linux" {
                let is_host = host(facts).is_some_and(|host| host == "x86_64-unknown-linux-gnu");
                let minor = facts
                    .toolchain
                    .rustc
                    .as_deref()
                    .ok()
                    .and_then(numbers)
                    .map_or(0, |(_, minor, _)| minor);
                let fix = if is_host && minor < 90 {
                    "a toolchain from 1.90 on links with rust-lld by itself: rustup update"
                        .to_owned()
                } else {
                    format!(
                        "{} install-tools, which finds a quicker one and has cargo use it",
                        facts.xtask
                    )
                };
                problems.push(warning(format!("{name} links"), MAY_BE_SLOW, fix));
            }
            (fine, problems)
        }
    }
}

/// The linker that some flag names, where we would know its name when we see it.
fn asked_linker(facts: &Facts) -> Option<&'static str> {
    const NAMES: [&str; 3] = ["mold", "wild", "lld"];
    let variables = facts
        .variables
        .iter()
        .filter(|(name, _)| name.ends_with("RUSTFLAGS"))
        .map(|(_, value)| value);
    let settings = facts.config.iter().filter_map(|file| file.settings.as_ref().ok()).flatten();
    let flags =
        settings.filter(|setting| setting.key.ends_with("rustflags")).map(|setting| &setting.value);
    let mut all = variables.chain(flags);
    all.find_map(|flags| NAMES.into_iter().find(|name| flags.contains(&format!("-fuse-ld={name}"))))
}

fn host(facts: &Facts) -> Option<&str> {
    facts.toolchain.rustc.as_deref().ok()?.lines().find_map(|line| line.strip_prefix("host: "))
}

pub(super) fn cache(facts: &Facts) -> Judged {
    let Wrapper::Other { program, answer } = &facts.wrapper else { return shared_cache(facts) };
    let name = name_of(program);
    match answer {
        Ok(version) => (format!("{name} is configured, and says: {version}"), Vec::new()),
        Err(why) => (
            String::new(),
            vec![error(
                format!(
                    "`{}`, through which cargo starts every compiler, {why}",
                    program.display()
                ),
                "nothing can be built",
                "install it, or take `rustc-wrapper` out of the configuration; RUSTC_WRAPPER= cargo build does without for once",
            )],
        ),
    }
}

/// One that our wrapper hands compilers on to; builds go on without it.
fn shared_cache(facts: &Facts) -> Judged {
    const COST: &str = "crates that another lane or machine has compiled are compiled here again";
    let Some(cache) = &facts.shared_cache else {
        let is_there = |(name, reply): &(&str, Reply)| {
            *name == "sccache"
                && matches!(reply, Reply::Version(version) if *version >= VERSION_MIN)
        };
        let will_be = facts.wrapper == Wrapper::None && facts.not_ours == NotOurs::NotBuilt;
        let what = if facts.is_cache_off {
            "switched off by XTASK_CACHE"
        } else if will_be && facts.tools.iter().any(is_there) {
            "sccache is used from the first build through xtask on"
        } else {
            "no compiler cache is set up; what a lane has is forked"
        };
        return (what.to_owned(), Vec::new());
    };
    let SharedCacheFacts { program, unusable, is_read_only, proofs, beyond, brought } = cache;
    let name = name_of(program);
    if let Some(why) = unusable {
        let fix = format!("{} install-tools --only sccache", facts.xtask);
        return (
            String::new(),
            vec![warning(format!("{} is not used, as {why}", program.display()), COST, fix)],
        );
    }
    let fix = format!("{} --show-stats; XTASK_CACHE=off does without", program.display());
    let mut problems = Vec::new();
    for (way, proof) in proofs {
        match proof {
            Ok(()) if *is_read_only && *way == CacheReach::All => {
                return (
                    format!("{name}, which answers; what lies beyond this machine is only read"),
                    problems,
                );
            }
            Ok(()) => {
                let where_else = match beyond {
                    Some(Ok(())) => ", also from beyond this machine",
                    _ => "",
                };
                if let Some(Err(why)) = beyond {
                    let what = format!("{name}, what lies beyond this machine: {why}");
                    problems.push(warning(what, COST, &fix));
                }
                if brought.is_too_little() {
                    problems.push(note(
                        format!("of {} crates that were looked for, {} came from {name}", brought.asked, brought.hits),
                        "where less than one in five does, builds from nothing are slower with it",
                        "export XTASK_CACHE=off; deleting multilane/brought.json in the folder of caches begins to count anew",
                    ));
                }
                let so_far = match brought.asked {
                    0 => String::new(),
                    asked => format!("; {} of {asked} crates came from it", brought.hits),
                };
                return (format!("{name}, seen by a hit{where_else}{so_far}"), problems);
            }
            Err(why) if *way == CacheReach::All && proofs.len() > 1 => {
                problems.push(warning(
                    format!("{name}, with what lies beyond this machine: {why}"),
                    COST,
                    &fix,
                ));
            }
            Err(why) => problems.push(warning(format!("{name}: {why}"), COST, &fix)),
        }
    }
    (String::new(), problems)
}

fn name_of(program: &Path) -> String {
    program.file_stem().unwrap_or(program.as_os_str()).to_string_lossy().into_owned()
}

pub(super) fn wrapper(facts: &Facts) -> Judged {
    const COST: &str = "the first edit in a forked lane compiles whole crates";
    match &facts.wrapper {
        Wrapper::Ours(Ok(())) => {
            ("compilers go through .cargo/wrapper, and it can be started".to_owned(), Vec::new())
        }
        Wrapper::Ours(Err(why)) => (
            String::new(),
            vec![error(
                format!(".cargo/wrapper/rustc, through which cargo starts every compiler, {why}"),
                "nothing can be built",
                "rm -r .cargo/wrapper: the next build through xtask makes it anew, if it can be started here",
            )],
        ),
        Wrapper::Other { program, .. } => (
            String::new(),
            vec![note(
                format!("ours gives way to {}", name_of(program)),
                COST,
                format!(
                    "take `rustc-wrapper` out of the configuration, if the lanes do what {} did",
                    name_of(program)
                ),
            )],
        ),
        Wrapper::None => match facts.not_ours {
            NotOurs::System => ("there is none for this system yet".to_owned(), Vec::new()),
            NotOurs::NotBuilt => {
                ("it comes with the first build through xtask".to_owned(), Vec::new())
            }
            NotOurs::NoCheckout => {
                ("none: without git there are no worktrees to fork from".to_owned(), Vec::new())
            }
            NotOurs::NotIncluded => (
                String::new(),
                vec![note(
                    "no .cargo/config.toml includes `wrapper/config.toml`",
                    COST,
                    "include = [{ path = \"wrapper/config.toml\", optional = true }] at the top of .cargo/config.toml",
                )],
            ),
        },
    }
}

pub(super) fn tools(facts: &Facts) -> Judged {
    let mut problems = Vec::new();
    let (mut fine, mut missing) = (Vec::new(), Vec::new());
    for tool in TOOLS.iter().filter(|tool| tool.asked.is_some()) {
        let install = format!("{} install-tools --only {}", facts.xtask, tool.name);
        match facts.tools.iter().find(|(name, _)| *name == tool.name) {
            Some((name, Reply::Version(version))) if *version < tool.oldest => problems.push(note(
                format!("{name} is {version}, and {} is the oldest that will do", tool.oldest),
                format!("it {}: that may not work", tool.purpose),
                install,
            )),
            Some((name, Reply::Version(version))) => fine.push(format!("{name} {version}")),
            Some((_, Reply::Strange { program, why })) => problems.push(warning(
                format!("{} {why}", program.display()),
                "what is built on it fails, or waits for it",
                format!("take it off PATH, then: {install}"),
            )),
            None if tool.wanted == Wanted::Everywhere => missing.push(tool),
            None => {}
        }
    }
    if !missing.is_empty() {
        let names: Vec<&str> = missing.iter().map(|tool| tool.name).collect();
        let purposes: Vec<String> =
            missing.iter().map(|tool| format!("{} {}", tool.name, tool.purpose)).collect();
        problems.push(note(
            format!("not there: {}", names.join(", ")),
            purposes.join("; "),
            format!("{} install-tools", facts.xtask),
        ));
    }
    (if fine.is_empty() { "none of those that help".to_owned() } else { fine.join(", ") }, problems)
}

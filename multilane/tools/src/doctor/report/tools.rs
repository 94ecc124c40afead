//! The programs that a build is made with: toolchain, linker, cache, wrapper, and optional tools.

use std::path::Path;

use multilane_engine::project::cranelift::is_nightly;
use multilane_engine::project::toolchain::{Rustc, Version};
use multilane_engine::sccache::state::VERSION_MIN;
use multilane_engine::sccache::tally::CacheCounts;
use multilane_engine::sccache::variables::CacheReach;
use multilane_engine::ui::bytes;

use crate::doctor::report::{CacheDisk, Facts, Findings, SharedCacheFacts, shown};
use crate::doctor::toolchain::{Choice, Toolchain};
use crate::doctor::wrappers::{NotOurs, Wrapper};
use crate::install::plan::table::TOOLS;
use crate::install::plan::{Reply, Wanted};
use crate::linkers::probe::Link;

const INSTALL_RUSTUP: &str = "install rustup: https://rustup.rs";

pub(super) fn toolchain(facts: &Facts, found: &mut Findings) {
    let Toolchain { rustc, choice, file, is_rustups, is_fetched } = &facts.toolchain;
    let file_name = file.as_ref().map(|(file, _)| shown(facts, file));
    let rustc = match rustc {
        Ok(rustc) => rustc,
        Err(why) => {
            let channel = file.as_ref().and_then(|(_, channel)| channel.as_deref());
            let fix = match is_rustups {
                true => format!("rustup toolchain install {}", channel.unwrap_or("stable")),
                false => INSTALL_RUSTUP.to_owned(),
            };
            return if *is_fetched && why.contains("is not installed") {
                found.note(why, "the first build waits until rustup has installed it", fix);
            } else if why.contains("was not started") {
                found.note(
                    why,
                    "nothing is known about it",
                    "rustc -vV, if you trust this workspace",
                );
            } else {
                found.error(format!("rustc: {why}"), "nothing can be built", fix);
            };
        }
    };

    let release = rustc.release();
    let by = match choice {
        Choice::Rustc(path) => {
            found.warn(
                format!("`{}` is configured as the compiler", path.display()),
                "a builder without this setting uses a different compiler and compiles everything \
                 for itself",
                "unset RUSTC, or remove `build.rustc` from cargo's configuration",
            );
            "configured".to_owned()
        }
        Choice::Typed(name) => format!("+{name}"),
        Choice::Variable(name) => {
            let over = file_name.as_ref().map(|file| format!(", over {file}")).unwrap_or_default();
            found.warn(
                format!("RUSTUP_TOOLCHAIN={name} chooses the compiler{over}"),
                "an editor or a terminal without it uses a different compiler and compiles \
                 everything for itself",
                "unset RUSTUP_TOOLCHAIN",
            );
            "RUSTUP_TOOLCHAIN".to_owned()
        }
        Choice::File => file_name.clone().unwrap_or_default(),
        Choice::Rustup => "rustup's default or override".to_owned(),
        Choice::Path => "the first on PATH, without rustup".to_owned(),
    };
    found.ok(format!("rustc {release} ({by})"));
    if let (Choice::Path, Some(file)) = (choice, &file_name) {
        found.warn(
            format!("{file} has no effect: `rustc` on PATH is not rustup's"),
            "builders with rustup use a different compiler and other lanes",
            "install rustup (https://rustup.rs), or put its programs first on PATH",
        );
    }
    let newer = |command: &str, without_file: &str| match (&file_name, is_rustups) {
        (_, false) => INSTALL_RUSTUP.to_owned(),
        (Some(file), true) => format!("{command}, then name it in {file}"),
        (None, true) => format!("{command}{without_file}"),
    };
    let is = Version::first_in(release);
    let is_older = |needed: &&String| Version::first_in(needed).zip(is).is_some_and(|(a, b)| a > b);
    if let Some(needed) = facts.rust_version.as_ref().filter(is_older) {
        found.error(
            format!("this workspace needs rustc {needed}, and {release} is used"),
            "cargo refuses to build it",
            newer(
                &format!("rustup toolchain install {needed}"),
                &format!(" && rustup override set {needed}"),
            ),
        );
    }
    cranelift(facts, rustc, found);
    if let Some(months) = is.and_then(|version| age_in_months(version, facts.now_days)) {
        found.note(
            format!("rustc {release} was released {months} months ago"),
            "newer compilers are faster, and newer crates may need one",
            newer("rustup update stable", ""),
        );
    }
}

/// Requested and not available, or available and not requested.
fn cranelift(facts: &Facts, rustc: &Rustc, found: &mut Findings) {
    const COST: &str = "LLVM generates the code of `build-dev` and `run`, which takes longer";
    match (&facts.cranelift, is_nightly(&rustc.version), facts.has_cranelift) {
        (Some(Err(why)), _, _) => {
            let fix = "correct it in Cargo.toml, for example: llvm = [\"ring\"]";
            found.error(why, "`build-dev` and `run` refuse to work", fix);
        }
        (Some(Ok(_)), false, _) => found.note(
            "Cranelift is requested, and this toolchain is not a nightly",
            COST,
            format!(
                "name a nightly in rust-toolchain.toml, or: cargo +nightly {}",
                facts.called.trim_start_matches("cargo ")
            ),
        ),
        (Some(Ok(_)), true, false) => found.note(
            "Cranelift is requested, and its component is not installed",
            COST,
            "rustup component add rustc-codegen-cranelift-preview",
        ),
        (None, true, true) => found.note(
            "Cranelift is installed, and not requested",
            COST,
            "add [workspace.metadata.multilane.cranelift] to Cargo.toml",
        ),
        _ => {}
    }
}

/// `None` below a year. A version of Rust comes every six weeks; 1.0 came on 2015-05-15.
fn age_in_months(version: Version, now_days: u64) -> Option<u64> {
    const FIRST_DAY: u64 = 16_570;
    const DAYS_EACH: u64 = 42;
    const OLD_DAYS: u64 = 365;
    let Version(1, minor, _) = version else { return None };
    let days = now_days.checked_sub(FIRST_DAY + DAYS_EACH * u64::from(minor))?;
    (days >= OLD_DAYS).then_some(days / 30)
}

pub(super) fn linker(facts: &Facts, found: &mut Findings) {
    let Ok(rustc) = &facts.toolchain.rustc else { return }; // `toolchain` has said it.
    let mut unknown = |why: &str, fix: &str| {
        let what = format!("no program was linked to see which linker is used: {why}");
        found.note(what, "nothing is known about the linker", fix);
    };
    match &facts.link {
        // A target of another machine may have no `std` at all; a build for it will tell.
        Link::Failed { why } if why.contains("can't find crate for `std`") => {
            let fix = "rustup target add <the triple in build.target>, unless it has no std";
            unknown(why, fix);
        }
        Link::NotTried { why } => unknown(why, "cargo build --verbose shows how cargo links"),
        Link::Failed { why } => {
            let fix = if why.contains("linker `") && why.contains("not found") {
                "install a C compiler, which links: sudo apt install gcc, or your system's"
            } else {
                "cargo build shows more; look into the files that `configuration` names"
            };
            let what = format!("a program of one line cannot be built here: {why}");
            found.error(what, "nothing can be built", fix);
        }
        Link::OtherFormat => {
            found.ok("a program was linked; on this platform it does not name the linker");
        }
        Link::Linked { by } => {
            let name = by.as_deref().unwrap_or("GNU ld, or another that leaves no name");
            found.ok(format!("{name}, seen in a program that it has linked"));
            let is_used =
                |asked: &str| by.as_ref().is_some_and(|by| by.to_lowercase().contains(asked));
            if let Some(asked) = asked_linker(facts).filter(|asked| !is_used(asked)) {
                found.warn(
                    format!("`{asked}` is configured as the linker, but {name} was used"),
                    "the flags change the hash of every unit, and have no other effect",
                    format!("install {asked}, or remove the flags"),
                );
            } else if by.is_none() && facts.os == "linux" {
                let has_lld_since = Version(1, 90, 0);
                let is_older = Version::first_in(rustc.release()) < Some(has_lld_since);
                let fix = match rustc.host() {
                    "x86_64-unknown-linux-gnu" if is_older => {
                        "rustup update: from 1.90 on rustc links with rust-lld".to_owned()
                    }
                    _ => format!("{} install-tools, which configures another one", facts.called),
                };
                let cost = "linking takes longer at every build: 10 to 13 s to compile and link a \
                            program of 316 MB, where rust-lld took 2 to 3 s";
                found.warn(format!("{name} links"), cost, fix);
            }
        }
    }
}

/// The linker that some flag names, if we would recognise it.
fn asked_linker(facts: &Facts) -> Option<&'static str> {
    const NAMES: [&str; 3] = ["mold", "wild", "lld"];
    let variables = facts.variables.iter().map(|(name, value)| (name, value));
    let settings = facts.config.iter().flat_map(|file| file.settings.iter().flatten());
    let mut flags = variables
        .chain(settings.map(|setting| (&setting.key, &setting.value)))
        .filter(|(name, _)| name.to_lowercase().ends_with("rustflags"));
    flags.find_map(|(_, flags)| {
        NAMES.into_iter().find(|name| flags.contains(&format!("-fuse-ld={name}")))
    })
}

pub(super) fn cache(facts: &Facts, found: &mut Findings) {
    match &facts.wrapper {
        Wrapper::Other { program, answer: Ok(answer) } => {
            found.ok(format!("{} is configured; it answers: {answer}", name_of(program)));
        }
        Wrapper::Other { program, answer: Err(why) } => found.error(
            format!("`{}`, through which cargo starts every compiler, {why}", program.display()),
            "nothing can be built",
            "install it, or remove `rustc-wrapper` from the configuration; for one build: \
             RUSTC_WRAPPER= cargo build",
        ),
        _ => match &facts.shared_cache {
            Some(cache) => shared_cache(facts, cache, found),
            None => found.ok(no_shared_cache(facts)),
        },
    }
}

fn no_shared_cache(facts: &Facts) -> &'static str {
    let sccache = facts.tools.get("sccache");
    let is_there = matches!(sccache, Some(Reply::Version(version)) if *version >= VERSION_MIN);
    let is_next = facts.wrapper == Wrapper::None(NotOurs::NotBuilt);
    if facts.is_cache_off {
        "switched off by XTASK_CACHE"
    } else if is_next && is_there {
        "the first build sets up sccache"
    } else {
        "no compiler cache is set up; lanes are forked from each other"
    }
}

/// Whether the cache has cost more time than it has saved. A miss costs a quarter of what a hit
/// saves (docs/measurements/cache.md). A cache that is new is not judged yet.
pub(super) fn is_too_little(counts: CacheCounts) -> bool {
    const ENOUGH: u64 = 2000;
    const ONE_IN: u64 = 5;
    counts.asked >= ENOUGH && counts.hits * ONE_IN < counts.asked
}

/// One that our wrapper passes compilers on to; builds go on without it.
fn shared_cache(facts: &Facts, cache: &SharedCacheFacts, found: &mut Findings) {
    const COST: &str = "crates that another lane or machine has compiled are compiled again here";
    let name = name_of(&cache.program);
    if let Some(why) = &cache.unusable {
        let fix = format!("{} install-tools --only sccache", facts.called);
        found.warn(format!("{} is not used: {why}", cache.program.display()), COST, fix);
    }
    let fix = format!("{} --show-stats; XTASK_CACHE=off builds without", cache.program.display());
    for (way, proof) in &cache.proofs {
        let part = match way {
            CacheReach::All if cache.proofs.len() > 1 => ", with caches beyond this machine",
            _ => "",
        };
        let brought = cache.brought;
        match proof {
            Err(why) => found.warn(format!("{name}{part}: {why}"), COST, &fix),
            Ok(()) if cache.is_read_only && *way == CacheReach::All => {
                found.ok(format!("{name} answers; caches beyond this machine are only read"));
            }
            Ok(()) => {
                let mut ok = format!("{name}, seen by a hit");
                match &cache.beyond {
                    Some(Ok(())) => ok.push_str(", also from beyond this machine"),
                    Some(Err(why)) => {
                        found.warn(
                            format!("{name}, caches beyond this machine: {why}"),
                            COST,
                            &fix,
                        );
                    }
                    None => {}
                }
                if brought.asked > 0 {
                    ok.push_str(&format!(
                        "; {} of {} crates came from it",
                        brought.hits, brought.asked
                    ));
                }
                found.ok(ok);
            }
        }
        if proof.is_ok() && !cache.is_read_only && is_too_little(brought) {
            found.note(
                format!("only {} of {} crates came from {name}", brought.hits, brought.asked),
                "below one in five, builds from nothing are slower with it than without",
                "export XTASK_CACHE=off; to count anew, delete multilane/brought.json in the \
                 folder of caches",
            );
        }
    }
    let may_fill = |disk: &&CacheDisk| disk.size_max.saturating_sub(disk.size) > disk.free;
    if let Some(CacheDisk { dir, size, size_max, free }) = cache.disk.as_ref().filter(may_fill) {
        found.warn(
            format!(
                "{name} may grow to {} in {}, has {}, and {} are free there",
                bytes(*size_max),
                dir.display(),
                bytes(*size),
                bytes(*free)
            ),
            "the cache fills the disk, and then builds fail",
            format!(
                "export SCCACHE_CACHE_SIZE={}M, then: {} --stop-server",
                ((size + free / 2) >> 20).max(1),
                cache.program.display()
            ),
        );
    }
}

fn name_of(program: &Path) -> String {
    program.file_stem().unwrap_or(program.as_os_str()).to_string_lossy().into_owned()
}

pub(super) fn wrapper(facts: &Facts, found: &mut Findings) {
    const COST: &str = "the first edit in a forked lane compiles whole crates";
    match &facts.wrapper {
        Wrapper::Ours(Ok(())) => found.ok("compilers go through .cargo/wrapper, which works"),
        Wrapper::Ours(Err(why)) => found.error(
            format!(".cargo/wrapper/rustc, through which cargo starts every compiler, {why}"),
            "nothing can be built",
            format!("rm -r .cargo/wrapper; the next {} build writes it again", facts.called),
        ),
        Wrapper::OtherVersion => found.note(
            ".cargo/wrapper was written by another version, so it was not started",
            "nothing is known about the wrapper",
            format!("{} build, which writes it again", facts.called),
        ),
        Wrapper::Other { program, .. } => found.note(
            format!("{} is used instead of ours", name_of(program)),
            COST,
            "remove `rustc-wrapper` from the configuration, if forked lanes are enough",
        ),
        Wrapper::None(NotOurs::System) => found.ok("there is none for this platform yet"),
        Wrapper::None(NotOurs::NotBuilt) => found.ok("the first build writes it"),
        Wrapper::None(NotOurs::NoCheckout) => {
            found.ok("none: without git there are no worktrees to fork from");
        }
        Wrapper::None(NotOurs::NotIncluded) => found.note(
            ".cargo/config.toml does not include `wrapper/config.toml`",
            COST,
            "add to the top of .cargo/config.toml: include = [{ path = \"wrapper/config.toml\", \
             optional = true }]",
        ),
    }
}

pub(super) fn tools(facts: &Facts, found: &mut Findings) {
    let (mut present, mut missing) = (Vec::new(), Vec::new());
    for tool in TOOLS.iter().filter(|tool| tool.asked.is_some()) {
        let install = format!("{} install-tools --only {}", facts.called, tool.name);
        match facts.tools.get(tool.name) {
            Some(Reply::Version(version)) if *version < tool.oldest => found.note(
                format!("{} is {version}, older than {}", tool.name, tool.oldest),
                format!("it {}; this version may not work", tool.purpose),
                install,
            ),
            Some(Reply::Version(version)) => present.push(format!("{} {version}", tool.name)),
            Some(Reply::Strange { program, why }) => found.warn(
                format!("{} {why}", program.display()),
                "what uses it fails, or waits for it",
                format!("remove it from PATH, then: {install}"),
            ),
            None if tool.wanted == Wanted::Everywhere => missing.push(tool),
            None => {}
        }
    }
    let names = missing.iter().map(|tool| tool.name).collect::<Vec<_>>().join(", ");
    let purposes = missing.iter().map(|tool| format!("{} {}", tool.name, tool.purpose));
    if !missing.is_empty() {
        found.note(
            format!("not installed: {names}"),
            purposes.collect::<Vec<_>>().join("; "),
            format!("{} install-tools", facts.called),
        );
    }
    found.ok(if present.is_empty() { "none installed".to_owned() } else { present.join(", ") });
}

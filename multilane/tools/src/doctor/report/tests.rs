//! Each finding from facts that have the defect, and its absence where they have not.

use std::path::Path;

use multilane_engine::project::toolchain::{Rustc, Version};

use super::*;
use crate::doctor::config_files::{Place, Setting};
use crate::doctor::report::Level::{Error, Note, Warning};
use crate::doctor::reruns::{Watch, Why};
use crate::doctor::toolchain::Choice;
use crate::doctor::wrappers::NotOurs;

fn rustc(release: &str) -> Rustc {
    let version = format!(
        "rustc {release} (59807616e 2026-04-14)\nhost: x86_64-unknown-linux-gnu\nrelease: {release}\n"
    );
    Rustc { version, sysroot: "/toolchain".into() }
}

fn disk(free: u64) -> Option<FileSystem> {
    Some(FileSystem { device: 1, kind: Some("ext4".to_owned()), free: Some(free << 30) })
}

/// A workspace in which nothing is wrong.
fn facts() -> Facts {
    let lane = |dir: &str, is_this_worktrees| {
        let (dir, size) = (dir.into(), 2 << 30);
        LaneFacts { dir, is_this_worktrees, size, file_system: disk(80) }
    };
    let tool = |name, version| (name, Reply::Version(version));
    Facts {
        root: "/w/app".into(),
        os: "linux",
        now_days: 20_600,
        called: "cargo xtask",
        toolchain: Toolchain {
            rustc: Ok(rustc("1.95.0")),
            choice: Choice::File,
            file: Some(("/w/app/rust-toolchain.toml".into(), Some("1.95.0".to_owned()))),
            is_rustups: true,
            is_fetched: true,
        },
        rust_version: Some("1.90".to_owned()),
        cranelift: None,
        has_cranelift: false,
        link: Link::Linked { by: Some("LLD 22.1.2".to_owned()) },
        wrapper: Wrapper::Ours(Ok(())),
        shared_cache: None,
        is_cache_off: false,
        variables: Vec::new(),
        config: vec![config(Place::Project, "alias.xtask", "run")],
        editors: Vec::new(),
        sets_incremental: true,
        git: Git {
            version: Some(Ok("2.47.3".to_owned())),
            top: Some(Ok("/w/app".into())),
            list: Some(Ok(String::new())),
            ignores_lanes: true,
            ..Git::default()
        },
        has_hook: true,
        worktrees: 2,
        lanes: vec![lane("/w/app/target", true), lane("/w/app-2/target", false)],
        has_lanes_dir: true,
        file_system: disk(80),
        reflinks: Some(false),
        reruns: Reruns { runs: 3, ..Reruns::default() },
        tools: [tool("sccache", Version(0, 16, 0)), tool("cargo-nextest", Version(0, 9, 143))]
            .into(),
        machine: Machine { cores: 8, memory: Some(16 << 30), is_wsl: false },
        permits: None,
    }
}

fn config(place: Place, key: &str, value: &str) -> ConfigFile {
    let dir = match place {
        Place::Project => "/w/app/.cargo",
        Place::Above => "/w/.cargo",
        Place::CargoHome => "/h/.cargo",
    };
    let path = Path::new(dir).join("config.toml");
    ConfigFile { path, place, settings: Ok(vec![setting(key, value)]) }
}

fn setting(key: &str, value: &str) -> Setting {
    Setting { key: key.to_owned(), value: value.to_owned() }
}

/// The findings of one area that are not `ok`.
fn found(area: &str, change: impl FnOnce(&mut Facts)) -> Vec<Finding> {
    let mut facts = facts();
    change(&mut facts);
    let is_meant = |finding: &Finding| finding.area == area && finding.level > Level::Ok;
    report(&facts).into_iter().filter(is_meant).collect()
}

/// The first finding, which is the worst, has this level, and its `what` starts so.
#[track_caller]
fn first(area: &str, level: Level, start: &str, change: impl FnOnce(&mut Facts)) {
    let found = found(area, change);
    let what = |it: &Finding| it.what.replace(std::path::MAIN_SEPARATOR, "/");
    let is_so = found.first().is_some_and(|it| it.level == level && what(it).starts_with(start));
    assert!(is_so, "not {level:?}: {start}\n{found:#?}");
    assert!(found.iter().all(|it| !it.cost.is_empty() && !it.fix.is_empty()), "{found:#?}");
}

#[track_caller]
fn nothing(area: &str, change: impl FnOnce(&mut Facts)) {
    assert_eq!(found(area, change), []);
}

#[test]
fn where_nothing_is_wrong_each_area_has_one_line() {
    let findings = report(&facts());
    assert!(findings.iter().all(|it| it.level == Level::Ok && it.fix.is_empty()), "{findings:#?}");
    let mut areas: Vec<_> = findings.iter().map(|finding| finding.area).collect();
    areas.dedup();
    assert_eq!(areas.len(), findings.len());
    assert_eq!(areas.len(), 12);
}

#[test]
fn a_warning_replaces_the_line_that_all_is_well() {
    let mut facts = facts();
    facts.variables = vec![("RUSTFLAGS".to_owned(), "-Ctarget-cpu=native".to_owned())];
    let of_area = report(&facts).into_iter().filter(|finding| finding.area == "variables");
    assert_eq!(of_area.map(|finding| finding.level).collect::<Vec<_>>(), [Warning]);
}

#[test]
fn text_is_wrapped_to_the_width_of_the_terminal() {
    let finding = Finding {
        area: "linker",
        level: Note,
        what: "one two --three-four five six seven eight nine ten".to_owned(),
        cost: "cost".to_owned(),
        fix: "a_word_that_is_longer_than_the_line_and_stays_whole".to_owned(),
    };
    let expected = "\
note     linker         one two --three-four
                        five six seven eight
                        nine ten
                        costs: cost
                        fix:   a_word_that_is_longer_than_the_line_and_stays_whole";
    let text = to_text(&[finding], 46);
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    assert_eq!(lines, expected.lines().collect::<Vec<_>>());
}

#[test]
fn the_toolchain() {
    let area = "toolchain";
    let fails = |why: &'static str, is_fetched| {
        move |facts: &mut Facts| {
            facts.toolchain.rustc = Err(why.to_owned());
            facts.toolchain.is_fetched = is_fetched;
        }
    };
    let not_installed = "toolchain '1.99' is not installed";
    first(area, Error, "rustc: is not there", fails("is not there", true));
    first(area, Note, not_installed, fails(not_installed, true));
    first(area, Error, "rustc: toolchain", fails(not_installed, false));
    first(
        area,
        Note,
        "/w/app/rustc is in this",
        fails("/w/app/rustc is in this workspace, so it was not started", true),
    );
    nothing("linker", fails(not_installed, true));

    let chosen = |choice: Choice| move |facts: &mut Facts| facts.toolchain.choice = choice;
    first(area, Warning, "RUSTUP_TOOLCHAIN=x", chosen(Choice::Variable("x".to_owned())));
    first(area, Warning, "`/opt/rustc` is configured", chosen(Choice::Rustc("/opt/rustc".into())));
    nothing(area, chosen(Choice::Typed("nightly".to_owned())));
    first(area, Warning, "rust-toolchain.toml has no effect", chosen(Choice::Path));
    nothing(area, |facts| (facts.toolchain.choice, facts.toolchain.file) = (Choice::Path, None));
}

#[test]
fn a_compiler_can_be_too_old() {
    let area = "toolchain";
    let needed = |needed: &'static str| {
        move |facts: &mut Facts| facts.rust_version = Some(needed.to_owned())
    };
    for fine in ["1.95", "1.95.0", "1.2", "nonsense"] {
        nothing(area, needed(fine));
    }
    first(area, Error, "this workspace needs rustc 1.95.1, and 1.95.0 is used", needed("1.95.1"));
    // 1.95 came out on 2026-04-16.
    let day = |now_days| move |facts: &mut Facts| facts.now_days = now_days;
    nothing(area, day(20_559 + 300));
    first(area, Note, "rustc 1.95.0 was released 12 months ago", day(20_560 + 365));
    nothing(area, day(0)); // A clock that is wrong.
}

#[test]
fn cranelift_that_is_requested_or_that_could_be() {
    let state = |release: &str, settings, has_component| {
        let rustc = rustc(release);
        move |facts: &mut Facts| {
            facts.toolchain.rustc = Ok(rustc);
            (facts.cranelift, facts.has_cranelift) = (settings, has_component);
        }
    };
    let asked = || Some(Ok(cranelift::Settings::default()));
    let area = "toolchain";
    nothing(area, state("1.97.0-nightly", asked(), true));
    nothing(area, state("1.97.0", None, true));
    nothing(area, state("1.97.0-nightly", None, false));
    for (what, change) in [
        ("Cranelift is installed, and not", state("1.97.0-nightly", None, true)),
        ("Cranelift is requested, and its component", state("1.97.0-nightly", asked(), false)),
        ("Cranelift is requested, and this toolchain", state("1.97.0", asked(), false)),
    ] {
        first(area, Note, what, change);
    }
    first(area, Error, "no table", state("1.97.0", Some(Err("no table".to_owned())), false));

    let backend = |key: &str, release: &str| {
        let (file, rustc) = (config(Place::Project, key, "cranelift"), rustc(release));
        move |facts: &mut Facts| {
            facts.config.push(file);
            facts.toolchain.rustc = Ok(rustc);
        }
    };
    for key in ["profile.dev.codegen-backend", "profile.release.package.x.codegen-backend"] {
        first("configuration", Error, ".cargo/config.toml sets", backend(key, "1.95.0"));
        nothing("configuration", backend(key, "1.97.0-nightly"));
    }
    nothing("configuration", backend("profile.cranelift.codegen-backend", "1.95.0"));
}

#[test]
fn the_linker() {
    let area = "linker";
    let link = |link: Link| move |facts: &mut Facts| facts.link = link;
    let failed = |why: &str| link(Link::Failed { why: why.to_owned() });
    first(area, Error, "a program of one line cannot be built", failed("linker `cc` not found"));
    first(area, Note, "no program", failed("[E0463]: can't find crate for `std`"));
    first(area, Note, "no program", link(Link::NotTried { why: "full".to_owned() }));
    nothing(area, link(Link::OtherFormat));
    first(area, Warning, "GNU ld", link(Link::Linked { by: None }));
    nothing(area, |facts| (facts.link, facts.os) = (Link::Linked { by: None }, "freebsd"));

    let asked = |by: &str| {
        let file = config(Place::Project, "build.rustflags", "-Clink-arg=-fuse-ld=mold -Cx");
        let by = Some(by.to_owned());
        move |facts: &mut Facts| {
            facts.config.push(file);
            facts.link = Link::Linked { by };
        }
    };
    first(area, Warning, "`mold` is configured as the linker, but LLD", asked("LLD 22.1.2"));
    nothing(area, asked("mold 2.40.1"));
}

#[test]
fn wrappers_and_caches() {
    let is = |wrapper: Wrapper| move |facts: &mut Facts| facts.wrapper = wrapper;
    let other = |answer: Result<&str, &str>| {
        let answer = answer.map(str::to_owned).map_err(str::to_owned);
        is(Wrapper::Other { program: "/opt/kache".into(), answer })
    };
    nothing("cache", other(Ok("kache 2.0.0")));
    first("wrapper", Note, "kache is used instead", other(Ok("kache 2.0.0")));
    first("cache", Error, "`/opt/kache`, through which", other(Err("is not there")));
    first("wrapper", Error, "", is(Wrapper::Ours(Err("fails".to_owned()))));
    first("wrapper", Note, "", is(Wrapper::OtherVersion));
    nothing("wrapper", is(Wrapper::None(NotOurs::NotBuilt)));
    first("wrapper", Note, "", is(Wrapper::None(NotOurs::NotIncluded)));
    first("variables", Error, "CARGO_INCREMENTAL=1", |facts| {
        let answer = Ok("sccache 0.16.0".to_owned());
        facts.wrapper = Wrapper::Other { program: "sccache".into(), answer };
        facts.variables = vec![("CARGO_INCREMENTAL".to_owned(), "1".to_owned())];
    });
}

#[test]
fn a_shared_cache_that_comes_with_the_first_build() {
    let says = |change: fn(&mut Facts)| {
        let mut facts = facts();
        facts.wrapper = Wrapper::None(NotOurs::NotBuilt);
        change(&mut facts);
        let finding = report(&facts).into_iter().find(|finding| finding.area == "cache");
        finding.expect("a finding").what
    };
    assert_eq!(says(|_| ()), "the first build sets up sccache");
    assert_eq!(says(|facts| facts.is_cache_off = true), "switched off by XTASK_CACHE");
    let none = "no compiler cache is set up; lanes are forked from each other";
    assert_eq!(says(|facts| facts.wrapper = Wrapper::Ours(Ok(()))), none);
    let too_old = |facts: &mut Facts| {
        facts.tools.insert("sccache", Reply::Version(Version(0, 15, 9)));
    };
    assert_eq!(says(too_old), none);
}

#[test]
fn a_shared_cache_is_proven_by_a_hit() {
    let cache = |proofs: &[(CacheReach, Result<(), &str>)], change: fn(&mut SharedCacheFacts)| {
        let proofs = proofs.iter().map(|(way, proof)| (*way, proof.map_err(str::to_owned)));
        let mut cache = SharedCacheFacts {
            program: "/bin/sccache".into(),
            unusable: None,
            is_read_only: false,
            proofs: proofs.collect(),
            beyond: None,
            brought: CacheCounts { asked: 1000, hits: 1 },
            disk: None,
        };
        change(&mut cache);
        move |facts: &mut Facts| facts.shared_cache = Some(cache)
    };
    let area = "cache";
    let (hit, local) = (&[(CacheReach::All, Ok(()))], &[(CacheReach::Local, Ok(()))]);
    let local_alone = [(CacheReach::All, Err("it does not answer")), (CacheReach::Local, Ok(()))];
    nothing(area, cache(hit, |_| ()));
    first(area, Warning, "sccache: gone", cache(&[(CacheReach::All, Err("gone"))], |_| ()));
    first(area, Warning, "sccache, with caches beyond", cache(&local_alone, |_| ()));
    let old = cache(&[], |cache| cache.unusable = Some("it is old".to_owned()));
    first(area, Warning, "/bin/sccache is not used: it is old", old);
    let cold = cache(local, |cache| cache.brought = CacheCounts { asked: 3000, hits: 100 });
    first(area, Note, "only 100 of 3000 crates", cold);

    // A hit may have come from the disk.
    nothing(area, cache(hit, |cache| cache.beyond = Some(Ok(()))));
    let full = cache(hit, |cache| cache.beyond = Some(Err("full".to_owned())));
    first(area, Warning, "sccache, caches beyond this machine: full", full);
    let only_read = |cache: &mut SharedCacheFacts| {
        (cache.is_read_only, cache.beyond) = (true, Some(Err("not asked".to_owned())));
    };
    nothing(area, cache(hit, only_read));

    // What it may still grow by has to fit on the disk.
    fn disk(size_max: u64) -> Option<CacheDisk> {
        let dir = "/h/.cache/sccache".into();
        Some(CacheDisk { dir, size: 4 << 30, size_max: size_max << 30, free: 5 << 30 })
    }
    nothing(area, cache(local, |cache| cache.disk = disk(9)));
    first(area, Warning, "sccache may grow to 10.0 GiB", cache(local, |it| it.disk = disk(10)));
}

#[test]
fn variables() {
    let set = |name: &str, value: &str| {
        let variable = (name.to_owned(), value.to_owned());
        move |facts: &mut Facts| facts.variables = vec![variable]
    };
    for (level, name, value) in [
        (Warning, "CARGO_ENCODED_RUSTFLAGS", "-Cx\u{1f}-Cy"),
        (Warning, "CARGO_BUILD_RUSTFLAGS", "-Cx"),
        (Warning, "CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUSTFLAGS", "-Cx"),
        (Warning, "CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_LINKER", "clang"),
        (Warning, "CARGO_INCREMENTAL", "0"),
        (Warning, "CARGO_BUILD_TARGET", "x86_64-unknown-linux-musl"),
        (Warning, "CARGO_PROFILE_DEV_DEBUG", "2"),
        (Warning, "CARGO_BUILD_JOBS", "9"),
        (Warning, "RUSTC_BOOTSTRAP", "1"),
        (Warning, "RUSTC_WORKSPACE_WRAPPER", "x"),
        (Note, "CARGO_INCREMENTAL", "1"),
        (Note, "RUSTC_WRAPPER", "x"),
        (Note, "CARGO_BUILD_JOBS", "7"),
    ] {
        assert!(settings::matters(name), "{name}");
        first("variables", level, &format!("{name}="), set(name, value));
    }
    for (name, value) in [
        ("CARGO_BUILD_JOBS", "8"),
        ("CARGO_BUILD_JOBS", "default"),
        ("CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER", "x"),
        ("CI", "1"),
    ] {
        nothing("variables", set(name, value));
    }
}

#[test]
fn ci_costs_where_cargo_heeds_it() {
    let ci = |version: &str, sets_incremental| {
        let rustc = rustc(version);
        move |facts: &mut Facts| {
            facts.variables = vec![("CI".to_owned(), "1".to_owned())];
            (facts.toolchain.rustc, facts.sets_incremental) = (Ok(rustc), sets_incremental);
        }
    };
    first("variables", Warning, "CI is set", ci("1.99.0", false));
    nothing("variables", ci("1.98.1", false));
    nothing("variables", ci("1.99.0", true));
}

/// `path`, which begins with a slash, as this system writes an absolute one.
fn absolute(path: &str) -> String {
    if cfg!(windows) { format!("C:{path}") } else { path.to_owned() }
}

#[test]
fn one_directory_for_several_trees_is_wrong() {
    let [target, build, hashed] =
        ["/tmp/target", "/tmp/build", "/tmp/{workspace-path-hash}"].map(absolute);
    let (target, build, hashed) = (target.as_str(), build.as_str(), hashed.as_str());
    let dir = |value: &str, worktrees| {
        let variable = ("CARGO_TARGET_DIR".to_owned(), value.to_owned());
        move |facts: &mut Facts| (facts.variables, facts.worktrees) = (vec![variable], worktrees)
    };
    first("variables", Error, &format!("CARGO_TARGET_DIR={target} is set"), dir(target, 2));
    first("variables", Warning, "", dir(target, 1));
    first("variables", Note, "", dir("out", 2));

    for (level, place, key, value) in [
        (Error, Place::Project, "build.target-dir", target),
        (Error, Place::Project, "build.target-dir", "../shared"),
        (Error, Place::Above, "build.target-dir", "target"),
        (Error, Place::CargoHome, "build.target-dir", target),
        (Error, Place::CargoHome, "build.build-dir", build),
        (Note, Place::CargoHome, "build.build-dir", hashed),
        (Level::Ok, Place::Project, "build.target-dir", "out"),
        (Level::Ok, Place::Project, "build.build-dir", "build"),
    ] {
        configured(level, place, key, value);
    }
}

/// Finds this, or nothing at `Ok`, in a configuration file that is there.
#[track_caller]
fn configured(level: Level, place: Place, key: &str, value: &str) {
    let change = |facts: &mut Facts| facts.config.push(config(place, key, value));
    match level {
        Level::Ok => nothing("configuration", change),
        level => first("configuration", level, "", change),
    }
}

#[test]
fn configuration() {
    for (level, place, key, value) in [
        (Note, Place::Above, "build.rustflags", "-Cx"),
        (Level::Ok, Place::Project, "build.rustflags", "-Cx"),
        (Level::Ok, Place::CargoHome, "build.rustflags", "-Cx"),
        (Warning, Place::CargoHome, "build.incremental", "false"),
        (Warning, Place::Project, "profile.dev.incremental", "false"),
        (Level::Ok, Place::CargoHome, "profile.dev.incremental", "true"),
        (Note, Place::CargoHome, "build.jobs", "1"),
        (Level::Ok, Place::CargoHome, "net.offline", "true"),
    ] {
        configured(level, place, key, value);
    }
    first("configuration", Error, ".cargo/config.toml cannot be read: no TOML", |facts| {
        facts.config[0].settings = Err("no TOML".to_owned());
    });
}

#[test]
fn editors_with_other_flags() {
    let says = |key: &str, value: &str| {
        let settings = Ok(vec![setting(key, value)]);
        let editor = Editor { file: "/w/app/.vscode/settings.json".into(), settings };
        move |facts: &mut Facts| facts.editors = vec![editor]
    };
    let elsewhere = absolute("/tmp/ra");
    for (level, key, value) in [
        (Warning, "cargo.extraEnv.RUSTFLAGS", "-Cx"),
        (Warning, "cargo.features", "all"),
        (Warning, "cargo.allFeatures", "true"),
        (Warning, "cargo.noDefaultFeatures", "true"),
        (Warning, "cargo.target", "wasm32-unknown-unknown"),
        (Warning, "check.overrideCommand", "cargo clippy --all-features --message-format=json"),
        (Warning, "check.extraArgs", "--profile=ide"),
        (Warning, "check.extraEnv.CARGO_PROFILE_DEV_DEBUG", "0"),
        (Warning, "cargo.extraEnv.CARGO_INCREMENTAL", "0"),
        (Note, "cargo.targetDir", "true"),
        (Error, "cargo.targetDir", &elsewhere),
        (Error, "cargo.extraEnv.CARGO_TARGET_DIR", &elsewhere),
    ] {
        first("editors", level, ".vscode/settings.json sets ", says(key, value));
    }
    for (key, value) in [
        ("cargo.features", ""),
        ("cargo.allFeatures", "false"),
        ("cargo.targetDir", "false"),
        ("cargo.targetDir", "<option value=\"--target-dir .lanes/editor/rustrover\" />"),
        ("check.overrideCommand", "cargo xtask check --quiet --workspace --all-targets"),
        ("check.command", "clippy"),
        ("check.overrideCommand", "cargo clippy --message-format=json"),
        ("cargo.extraEnv.RUST_LOG", "debug"),
    ] {
        nothing("editors", says(key, value));
    }
    nothing("editors", |facts| {
        says("cargo.extraEnv.RUSTFLAGS", "-Cx")(facts);
        facts.variables = vec![("RUSTFLAGS".to_owned(), "-Cx".to_owned())];
    });
    let unknown = |facts: &mut Facts| {
        facts.editors = vec![Editor { file: "x".into(), settings: Err("no JSON".to_owned()) }];
    };
    first("editors", Note, "x cannot be read", unknown);
    let mut facts = facts();
    unknown(&mut facts);
    let of_editors = report(&facts).into_iter().filter(|finding| finding.area == "editors");
    assert_eq!(of_editors.count(), 1, "what is not known is not said to be fine");
}

#[test]
fn git() {
    let version = |version: Result<&str, &str>| {
        let version = version.map(str::to_owned).map_err(str::to_owned);
        move |facts: &mut Facts| facts.git.version = Some(version)
    };
    let top =
        |why: &'static str| move |facts: &mut Facts| facts.git.top = Some(Err(why.to_owned()));
    first("git", Warning, "git is not there", version(Err("is not there")));
    first("git", Warning, "git 2.34.1 is older", version(Ok("2.34.1")));
    for fine in ["2.36.0", "2.47.3.windows.1", "3.0"] {
        nothing("git", version(Ok(fine)));
    }
    first("git", Warning, "git refuses", top("detected dubious ownership in repository at '/w'"));
    nothing("git", top("not a git repository (or any of the parent directories): .git"));
    first("git", Warning, ".lanes is not ignored", |facts| facts.git.ignores_lanes = false);
    nothing("git", |facts| (facts.git.ignores_lanes, facts.has_lanes_dir) = (false, false));
    first("git", Warning, "git tracks files of one machine: .cargo/local.toml", |facts| {
        facts.git.tracked = vec![".cargo/local.toml"];
    });
    first("git", Note, "the git hook is not installed", |facts| facts.has_hook = false);
}

#[test]
fn file_systems() {
    let kind = |kind: &'static str| {
        move |facts: &mut Facts| {
            let system = facts.file_system.as_mut().expect("there is one");
            system.kind = Some(kind.to_owned());
        }
    };
    first("lanes", Warning, "the workspace is on a network file system (nfs4)", kind("nfs4"));
    nothing("lanes", kind("btrfs"));
    first("lanes", Warning, "the workspace is on a Windows drive", |facts| {
        kind("9p")(facts);
        (facts.root, facts.machine.is_wsl) = ("/mnt/c/app".into(), true);
    });
    first("lanes", Warning, "the lane /w/app-2/target of another worktree is on a", |facts| {
        facts.lanes[1].file_system = Some(FileSystem { device: 2, ..FileSystem::default() });
    });
    nothing("lanes", |facts| facts.lanes[1].file_system = None);
}

#[test]
fn space_and_memory() {
    let free = |gibibytes| move |facts: &mut Facts| facts.file_system = disk(gibibytes);
    first("lanes", Error, "0 B are free", free(0));
    first("lanes", Warning, "4.0 GiB are free", free(4));
    nothing("lanes", free(6));
    first("lanes", Warning, "6.0 GiB are free", |facts| {
        free(6)(facts);
        facts.lanes[0].size = 10 << 30; // The next one may be as large.
    });
    let memory = |memory| move |facts: &mut Facts| facts.machine.memory = memory;
    first("machine", Warning, "4.0 GiB of memory for 8 processors", memory(Some(4 << 30)));
    nothing("machine", memory(None));
    first("machine", Note, "macOS scans", |facts| facts.os = "macos");
}

#[test]
fn build_scripts_that_run_without_need() {
    let watch = |why, path: &str| Watch { package: "app".to_owned(), path: path.into(), why };
    let found = found("build scripts", |facts| {
        facts.reruns.watches = [
            watch(Why::Missing, "gone.txt"),
            watch(Why::Missing, "a"),
            watch(Why::Missing, "b"),
            watch(Why::Missing, "c"),
            watch(Why::Git, "../.git/HEAD"),
            watch(Why::Lane, "."),
        ]
        .into();
    });
    let what: Vec<(Level, &str)> = found.iter().map(|it| (it.level, it.what.as_str())).collect();
    let start = "the build script of app watches";
    let expected = [
        "a, b, c and 1 more, which does not exist",
        "../.git/HEAD, which git rewrites",
        "., which contains the target directory",
    ]
    .map(|end| format!("{start} {end}"));
    assert_eq!(what, expected.each_ref().map(|what| (Warning, what.as_str())));
}

#[test]
fn tools() {
    let reply = |name: &'static str, reply: Option<Reply>| {
        move |facts: &mut Facts| {
            facts.tools.remove(name);
            facts.tools.extend(reply.map(|reply| (name, reply)));
        }
    };
    let version = |version| Some(Reply::Version(version));
    let hangs = Reply::Strange { program: "/bin/sccache".into(), why: "did not answer".to_owned() };
    let old = reply("cargo-nextest", version(Version(0, 9, 100)));
    first("tools", Note, "cargo-nextest is 0.9.100, older than 0.9.123", old);
    first("tools", Warning, "/bin/sccache did not answer", reply("sccache", Some(hangs)));
    first("tools", Note, "not installed: cargo-nextest", reply("cargo-nextest", None));
    nothing("tools", reply("mold", version(Version(2, 40, 0))));
}

#[test]
fn a_cache_is_judged_after_a_while() {
    let judged = |asked, hits| tools::is_too_little(CacheCounts { asked, hits });
    assert!(!judged(1999, 0) && judged(2000, 399) && !judged(2000, 400));
}

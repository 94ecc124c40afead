//! Each finding from facts that have the defect, and its absence where they have not.

use expect_test::{Expect, expect};
use multilane::project::toolchain::Version;

use super::*;
use crate::doctor::config_files::{Place, Setting};
use crate::doctor::reruns::{Watch, What};
use crate::doctor::toolchain::Choice;

/// A workspace in which nothing is wrong.
fn facts() -> Facts {
    let disk =
        || Some(FileSystem { device: 1, kind: Some("ext4".to_owned()), free: Some(80 << 30) });
    let lane = |dir: &str, own| LaneFacts {
        dir: dir.into(),
        is_this_worktrees: own,
        size: 2 << 30,
        file_system: disk(),
    };
    Facts {
        root: "/w/app".into(),
        os: "linux",
        now_days: 20_600,
        xtask: "cargo xtask".to_owned(),
        toolchain: Toolchain {
            rustc: Ok(
                "rustc 1.95.0 (59807616e 2026-04-14)\nhost: x86_64-unknown-linux-gnu\n".to_owned()
            ),
            choice: Choice::File,
            file: Some(("/w/app/rust-toolchain.toml".into(), Some("1.95.0".to_owned()))),
            is_rustups: true,
            is_fetched: true,
            needed: Some("1.90".to_owned()),
            sysroot: None,
        },
        cranelift: Cranelift { settings: None, has_component: false },
        link: Link::Linked { by: Some("LLD 22.1.2".to_owned()) },
        wrapper: Wrapper::Ours(Ok(())),
        shared_cache: None,
        is_cache_off: false,
        not_ours: NotOurs::NotBuilt,
        variables: Vec::new(),
        config: vec![config("/w/app/.cargo/config.toml", Place::Workspace, "alias.xtask", "run")],
        editors: Vec::new(),
        dev_incremental: Some(true),
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
        file_system: disk(),
        reflinks: Some(false),
        reruns: Reruns { runs: 3, ..Reruns::default() },
        tools: vec![
            ("sccache", Reply::Version(Version(0, 16, 0))),
            ("cargo-nextest", Reply::Version(Version(0, 9, 143))),
            ("cargo-llvm-lines", Reply::Version(Version(0, 4, 48))),
        ],
        machine: Machine { cores: 8, memory: Some(16 << 30), is_wsl: false },
    }
}

fn config(path: &str, place: Place, key: &str, value: &str) -> ConfigFile {
    ConfigFile { path: path.into(), place, settings: Ok(vec![setting(key, value)]) }
}

fn setting(key: &str, value: &str) -> Setting {
    Setting { key: key.to_owned(), value: value.to_owned() }
}

fn editor(key: &str, value: &str) -> Editor {
    Editor { file: "/w/app/.vscode/settings.json".into(), settings: Ok(vec![setting(key, value)]) }
}

/// What is found beyond what is fine, in one area.
fn found(area: Area, change: impl FnOnce(&mut Facts)) -> String {
    let mut facts = facts();
    change(&mut facts);
    let mut report = report(&facts);
    report.findings.retain(|finding| finding.area == area && finding.level > Level::Ok);
    report.to_string()
}

#[track_caller]
fn check(area: Area, change: impl FnOnce(&mut Facts), expected: Expect) {
    expected.assert_eq(&found(area, change));
}

#[track_caller]
fn starts(area: Area, start: &str, change: impl FnOnce(&mut Facts)) {
    let found = found(area, change);
    assert!(found.starts_with(start), "not {start:?}:\n{found}");
}

#[track_caller]
fn nothing(area: Area, change: impl FnOnce(&mut Facts)) {
    assert_eq!(found(area, change), "");
}

#[test]
fn where_nothing_is_wrong_each_area_has_one_line() {
    expect![[r#"
        ok       toolchain      rustc 1.95.0 (rust-toolchain.toml)
        ok       linker         LLD 22.1.2, seen in a program that it has linked
        ok       cache          no compiler cache is set up; what a lane has is forked
        ok       wrapper        compilers go through .cargo/wrapper, and it can be started
        ok       variables      none that changes what is built
        ok       configuration  files: 1 of the workspace, 0 from outside of it, none of which costs anything
        ok       editors        no settings for rust-analyzer in the workspace
        ok       git            git 2.47.3, worktrees: 2
        ok       lanes          lanes: 2, 4.0 GiB in all; ext4, forks link files, and copy what is rewritten in place (no reflinks)
        ok       build scripts  looked at: 3; none runs without need
        ok       tools          sccache 0.16.0, cargo-nextest 0.9.143, cargo-llvm-lines 0.4.48
        ok       machine        processors: 8, memory: 16.0 GiB, free disk: 80.0 GiB"#]]
    .assert_eq(&report(&facts()).to_string());
}

#[test]
fn a_finding_says_what_it_costs_and_what_mends_it() {
    let mut facts = facts();
    facts.variables = vec![("RUSTFLAGS".to_owned(), "-Ctarget-cpu=native".to_owned())];
    let report = report(&facts);
    assert_eq!((report.count(Level::Error), report.count(Level::Warning)), (0, 1));
    let of_area = report.findings.iter().filter(|finding| finding.area == Area::Variables);
    assert_eq!(of_area.count(), 1, "the line that all is well is gone");
    check(
        Area::Variables,
        |facts| facts.variables = vec![("RUSTFLAGS".to_owned(), "-Ctarget-cpu=native".to_owned())],
        expect![[r#"
            warning  variables      RUSTFLAGS=-Ctarget-cpu=native is set
                                     costs: an editor or a terminal without it compiles all crates for itself, and those of cargo's configuration do not count
                                     fix:   unset RUSTFLAGS"#]],
    );
}

#[test]
fn the_toolchain() {
    let area = Area::Toolchain;
    starts(area, "error    toolchain      rustc: is not there", |facts| {
        facts.toolchain.rustc = Err("is not there".to_owned());
    });
    let not_installed = |facts: &mut Facts| {
        facts.toolchain.rustc = Err("toolchain '1.99' is not installed".to_owned());
    };
    starts(area, "note ", not_installed);
    starts(area, "error ", |facts| {
        not_installed(facts);
        facts.toolchain.is_fetched = false;
    });
    nothing(Area::Linker, not_installed);
    check(
        area,
        |facts| facts.toolchain.choice = Choice::Variable("nightly".to_owned()),
        expect![[r#"
            warning  toolchain      RUSTUP_TOOLCHAIN=nightly chooses the compiler, over rust-toolchain.toml
                                     costs: an editor or a terminal without it has another compiler, and compiles everything for itself
                                     fix:   unset RUSTUP_TOOLCHAIN"#]],
    );
    starts(area, "warning  toolchain      `/opt/rustc` is configured", |facts| {
        facts.toolchain.choice = Choice::Rustc("/opt/rustc".into());
    });
    nothing(area, |facts| facts.toolchain.choice = Choice::Typed("nightly".to_owned()));
    starts(area, "warning  toolchain      rust-toolchain.toml is not followed", |facts| {
        facts.toolchain.choice = Choice::Path;
    });
    nothing(area, |facts| (facts.toolchain.choice, facts.toolchain.file) = (Choice::Path, None));
}

#[test]
fn a_compiler_can_be_too_old() {
    let area = Area::Toolchain;
    for fine in ["1.95", "1.95.0", "1.2", "nonsense"] {
        nothing(area, |facts| facts.toolchain.needed = Some(fine.to_owned()));
    }
    check(
        area,
        |facts| facts.toolchain.needed = Some("1.95.1".to_owned()),
        expect![[r#"
            error    toolchain      this workspace needs rustc 1.95.1, and 1.95.0 is used
                                     costs: cargo refuses to build it
                                     fix:   rustup toolchain install 1.95.1, then name it in rust-toolchain.toml"#]],
    );
    // 1.95 came out on 2026-04-16.
    nothing(area, |facts| facts.now_days = 20_559 + 300);
    starts(area, "note     toolchain      rustc 1.95.0 came out 12 months ago", |facts| {
        facts.now_days = 20_560 + 365;
    });
    nothing(area, |facts| facts.now_days = 0); // A clock that is wrong.
}

#[test]
fn cranelift_that_is_asked_for_or_that_could_be() {
    let state = |release: &str, settings, has_component| {
        let rustc = format!("rustc {release} (0 2026-04-14)\nrelease: {release}\n");
        move |facts: &mut Facts| {
            facts.toolchain.rustc = Ok(rustc);
            facts.cranelift = Cranelift { settings, has_component };
        }
    };
    let asked = || Some(Ok(cranelift::Settings::default()));
    let area = Area::Toolchain;
    nothing(area, state("1.97.0-nightly", asked(), true));
    nothing(area, state("1.97.0", None, true));
    nothing(area, state("1.97.0-nightly", None, false));
    starts(
        area,
        "note     toolchain      Cranelift is installed, and not",
        state("1.97.0-nightly", None, true),
    );
    starts(
        area,
        "note     toolchain      Cranelift is asked for, and its component",
        state("1.97.0-nightly", asked(), false),
    );
    starts(
        area,
        "note     toolchain      Cranelift is asked for, and this toolchain",
        state("1.97.0", asked(), false),
    );
    starts(area, "error ", state("1.97.0", Some(Err("no table".to_owned())), false));

    let config = |file_key: &str| {
        config("/w/app/.cargo/config.toml", Place::Workspace, file_key, "cranelift")
    };
    for key in ["profile.dev.codegen-backend", "profile.release.package.x.codegen-backend"] {
        starts(Area::Configuration, "error ", |facts| facts.config.push(config(key)));
        nothing(Area::Configuration, |facts| {
            state("1.97.0-nightly", None, false)(facts);
            facts.config.push(config(key));
        });
    }
    nothing(Area::Configuration, |facts| {
        facts.config.push(config("profile.cranelift.codegen-backend"))
    });
}

#[test]
fn the_linker() {
    let area = Area::Linker;
    starts(
        area,
        "error    linker         a program of one line cannot be built here: linker `cc` not found",
        |facts| {
            facts.link = Link::Failed { why: "linker `cc` not found".to_owned() };
        },
    );
    starts(area, "note ", |facts| facts.link = Link::NotTried { why: "full".to_owned() });
    starts(area, "note ", |facts| {
        facts.link = Link::Failed { why: "[E0463]: can't find crate for `std`".to_owned() };
    });
    nothing(area, |facts| facts.link = Link::OtherFormat);
    starts(area, "warning  linker         GNU ld", |facts| facts.link = Link::Linked { by: None });
    nothing(area, |facts| (facts.link, facts.os) = (Link::Linked { by: None }, "freebsd"));

    let asked = |by: &str| {
        let by = by.to_owned();
        move |facts: &mut Facts| {
            let flags = ["-Clink-arg=-fuse-ld=mold", "-Cx"].join(" ");
            facts.config.push(config(
                "/w/app/.cargo/local.toml",
                Place::Workspace,
                "build.rustflags",
                &flags,
            ));
            facts.link = Link::Linked { by: Some(by) };
        }
    };
    starts(
        area,
        "warning  linker         `mold` is asked for in the configuration, but LLD",
        asked("LLD 22.1.2"),
    );
    nothing(area, asked("mold 2.40.1"));
}

#[test]
fn wrappers_and_caches() {
    let other = |answer: Result<&str, &str>| {
        let answer = answer.map(str::to_owned).map_err(str::to_owned);
        move |facts: &mut Facts| {
            facts.wrapper = Wrapper::Other { program: "/opt/kache".into(), answer }
        }
    };
    nothing(Area::Cache, other(Ok("kache 2.0.0")));
    starts(
        Area::Wrapper,
        "note     wrapper        ours gives way to kache",
        other(Ok("kache 2.0.0")),
    );
    starts(
        Area::Cache,
        "error    cache          `/opt/kache`, through which",
        other(Err("is not there")),
    );
    starts(Area::Wrapper, "error ", |facts| facts.wrapper = Wrapper::Ours(Err("fails".to_owned())));
    nothing(Area::Wrapper, |facts| facts.wrapper = Wrapper::None);
    starts(Area::Wrapper, "note ", |facts| {
        (facts.wrapper, facts.not_ours) = (Wrapper::None, NotOurs::NotIncluded);
    });
    let sccache = |facts: &mut Facts| {
        facts.wrapper =
            Wrapper::Other { program: "sccache".into(), answer: Ok("sccache 0.16.0".to_owned()) };
        facts.variables = vec![("CARGO_INCREMENTAL".to_owned(), "1".to_owned())];
    };
    starts(Area::Variables, "error    variables      CARGO_INCREMENTAL=1", sccache);
}

#[test]
fn a_shared_cache_that_comes_with_the_first_build() {
    let says = |change: fn(&mut Facts)| {
        let mut facts = facts();
        (facts.wrapper, facts.not_ours) = (Wrapper::None, NotOurs::NotBuilt);
        change(&mut facts);
        let said = report(&facts).to_string();
        said.lines().find(|line| line.contains(" cache ")).expect("a line").to_owned()
    };
    let comes = "sccache is used from the first build through xtask on";
    assert!(says(|_| ()).ends_with(comes));
    assert!(says(|facts| facts.is_cache_off = true).ends_with("switched off by XTASK_CACHE"));
    assert!(
        says(|facts| facts.wrapper = Wrapper::Ours(Ok(()))).ends_with("what a lane has is forked")
    );
    let too_old = |facts: &mut Facts| facts.tools[0].1 = Reply::Version(Version(0, 15, 9));
    assert!(says(too_old).ends_with("what a lane has is forked"));
}

#[test]
fn a_shared_cache_is_seen_by_a_hit() {
    let cache = |unusable: Option<&str>, proofs: &[(CacheReach, Result<(), &str>)]| {
        let proofs =
            proofs.iter().map(|(way, proof)| (*way, proof.map_err(str::to_owned))).collect();
        let unusable = unusable.map(str::to_owned);
        move |facts: &mut Facts| {
            let (program, is_read_only, beyond) = ("/bin/sccache".into(), false, None);
            let brought = CacheCounts { asked: 1000, hits: 1 };
            facts.shared_cache =
                Some(SharedCacheFacts { program, unusable, is_read_only, proofs, beyond, brought });
        }
    };
    let area = Area::Cache;
    nothing(area, cache(None, &[(CacheReach::All, Ok(()))]));
    starts(
        area,
        "warning  cache          /bin/sccache is not used, as it is old",
        cache(Some("it is old"), &[]),
    );
    let local_alone = [(CacheReach::All, Err("it does not answer")), (CacheReach::Local, Ok(()))];
    starts(
        area,
        "warning  cache          sccache, with what lies beyond",
        cache(None, &local_alone),
    );
    starts(
        area,
        "warning  cache          sccache: gone",
        cache(None, &[(CacheReach::All, Err("gone"))]),
    );

    // A hit may have come from the disk.
    let beyond = |beyond: Result<(), &str>, is_read_only: bool| {
        let (set, beyond) =
            (cache(None, &[(CacheReach::All, Ok(()))]), beyond.map_err(str::to_owned));
        move |facts: &mut Facts| {
            set(facts);
            let cache = facts.shared_cache.as_mut().expect("it is set");
            (cache.beyond, cache.is_read_only) = (Some(beyond), is_read_only);
        }
    };
    let cold = |facts: &mut Facts| {
        cache(None, &[(CacheReach::Local, Ok(()))])(facts);
        facts.shared_cache.as_mut().expect("it is set").brought =
            CacheCounts { asked: 3000, hits: 100 };
    };
    starts(
        area,
        "note     cache          of 3000 crates that were looked for, 100 came from sccache",
        cold,
    );
    nothing(area, beyond(Ok(()), false));
    nothing(area, beyond(Err("not asked for"), true));
    starts(
        area,
        "warning  cache          sccache, what lies beyond this machine: full",
        beyond(Err("full"), false),
    );
}

#[test]
fn variables() {
    let set = |name: &str, value: &str| {
        let variable = (name.to_owned(), value.to_owned());
        move |facts: &mut Facts| facts.variables = vec![variable]
    };
    let area = Area::Variables;
    for (name, value) in [
        ("CARGO_ENCODED_RUSTFLAGS", "-Cx\u{1f}-Cy"),
        ("CARGO_BUILD_RUSTFLAGS", "-Cx"),
        ("CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUSTFLAGS", "-Cx"),
        ("CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_LINKER", "clang"),
        ("CARGO_INCREMENTAL", "0"),
        ("CARGO_BUILD_TARGET", "x86_64-unknown-linux-musl"),
        ("CARGO_PROFILE_DEV_DEBUG", "2"),
        ("CARGO_BUILD_JOBS", "9"),
        ("RUSTC_BOOTSTRAP", "1"),
        ("RUSTC_WORKSPACE_WRAPPER", "x"),
    ] {
        starts(area, &format!("warning  variables      {name}="), set(name, value));
    }
    for (name, value) in
        [("CARGO_INCREMENTAL", "1"), ("RUSTC_WRAPPER", "x"), ("CARGO_BUILD_JOBS", "7")]
    {
        starts(area, &format!("note     variables      {name}="), set(name, value));
    }
    for (name, value) in [
        ("CARGO_BUILD_JOBS", "8"),
        ("CARGO_BUILD_JOBS", "default"),
        ("CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER", "x"),
        ("CI", "1"),
    ] {
        nothing(area, set(name, value));
    }
}

#[test]
fn ci_costs_from_the_cargo_on_that_minds_it() {
    let ci = |version: &str, incremental| {
        let version = version.to_owned();
        move |facts: &mut Facts| {
            facts.variables = vec![("CI".to_owned(), "1".to_owned())];
            facts.toolchain.rustc = Ok(format!("rustc {version} (0 2026-01-01)\n"));
            facts.dev_incremental = incremental;
        }
    };
    starts(Area::Variables, "warning  variables      CI is set", ci("1.99.0", None));
    nothing(Area::Variables, ci("1.98.1", None));
    nothing(Area::Variables, ci("1.99.0", Some(true)));
}

#[test]
fn one_directory_for_several_trees_is_wrong() {
    let dir = |value: &str, worktrees| {
        let variable = ("CARGO_TARGET_DIR".to_owned(), value.to_owned());
        move |facts: &mut Facts| (facts.variables, facts.worktrees) = (vec![variable], worktrees)
    };
    check(
        Area::Variables,
        dir("/tmp/target", 2),
        expect![[r#"
            error    variables      CARGO_TARGET_DIR=/tmp/target is set, for all 2 worktrees of this repository
                                     costs: a worktree takes what another one has built for its own: the wrong program runs, the wrong code is tested
                                     fix:   unset CARGO_TARGET_DIR"#]],
    );
    starts(Area::Variables, "warning ", dir("/tmp/target", 1));
    starts(Area::Variables, "note ", dir("out", 2));

    let configured = |path: &str, place, key: &str, value: &str| {
        let file = config(path, place, key, value);
        move |facts: &mut Facts| facts.config.push(file)
    };
    let (own, above) = ("/w/app/.cargo/config.toml", "/w/.cargo/config.toml");
    let home = "/h/.cargo/config.toml";
    for (path, place, key, value) in [
        (own, Place::Workspace, "build.target-dir", "/tmp/target"),
        (own, Place::Workspace, "build.target-dir", "../shared"),
        (above, Place::Above, "build.target-dir", "target"),
        (home, Place::CargoHome, "build.target-dir", "/tmp/target"),
        (home, Place::CargoHome, "build.build-dir", "/tmp/build"),
    ] {
        let wrong = format!("error    configuration  {}", path.trim_start_matches("/w/app/"));
        starts(Area::Configuration, &wrong, configured(path, place, key, value));
    }
    nothing(Area::Configuration, configured(own, Place::Workspace, "build.target-dir", "out"));
    nothing(Area::Configuration, configured(own, Place::Workspace, "build.build-dir", "build"));
    starts(
        Area::Configuration,
        "note ",
        configured(home, Place::CargoHome, "build.build-dir", "/tmp/{workspace-path-hash}"),
    );
}

#[test]
fn configuration() {
    let say = |place, key: &str, value: &str| {
        let path = match place {
            Place::Workspace => "/w/app/.cargo/config.toml",
            Place::Above => "/w/.cargo/config.toml",
            Place::CargoHome => "/h/.cargo/config.toml",
        };
        let file = config(path, place, key, value);
        move |facts: &mut Facts| facts.config.push(file)
    };
    let area = Area::Configuration;
    check(
        area,
        say(Place::Above, "build.rustflags", "-Cx"),
        expect![[r#"
            note     configuration  /w/.cargo/config.toml says build.rustflags = -Cx
                                     costs: a worktree that does not lie below /w has other units, and a fork brings it nothing
                                     fix:   move it to .cargo/local.toml, or to ~/.cargo/config.toml"#]],
    );
    nothing(area, say(Place::Workspace, "build.rustflags", "-Cx"));
    nothing(area, say(Place::CargoHome, "build.rustflags", "-Cx"));
    starts(area, "warning ", say(Place::CargoHome, "build.incremental", "false"));
    starts(area, "warning ", say(Place::Workspace, "profile.dev.incremental", "false"));
    nothing(area, say(Place::CargoHome, "profile.dev.incremental", "true"));
    starts(area, "note ", say(Place::CargoHome, "build.jobs", "1"));
    nothing(area, say(Place::CargoHome, "net.offline", "true"));
    starts(area, "error    configuration  .cargo/config.toml cannot be read: no TOML", |facts| {
        facts.config[0].settings = Err("no TOML".to_owned());
    });
}

#[test]
fn editors_that_build_otherwise() {
    let says = |key: &str, value: &str| {
        let editor = editor(key, value);
        move |facts: &mut Facts| facts.editors = vec![editor]
    };
    let area = Area::Editors;
    check(
        area,
        says("cargo.extraEnv.RUSTFLAGS", "-Cx"),
        expect![[r#"
            warning  editors        .vscode/settings.json says cargo.extraEnv.RUSTFLAGS = -Cx
                                     costs: the editor and the command line compile everything for themselves
                                     fix:   take it out of .vscode/settings.json; what all builders should have belongs into .cargo/config.toml"#]],
    );
    for (key, value) in [
        ("cargo.features", "all"),
        ("cargo.allFeatures", "true"),
        ("cargo.noDefaultFeatures", "true"),
        ("cargo.target", "wasm32-unknown-unknown"),
        ("check.overrideCommand", "cargo clippy --all-features --message-format=json"),
        ("check.extraArgs", "--profile=ide"),
        ("check.extraEnv.CARGO_PROFILE_DEV_DEBUG", "0"),
        ("cargo.extraEnv.CARGO_INCREMENTAL", "0"),
    ] {
        starts(area, "warning ", says(key, value));
    }
    starts(area, "note ", says("cargo.targetDir", "true"));
    starts(area, "error ", says("cargo.targetDir", "/tmp/ra"));
    starts(area, "error ", says("cargo.extraEnv.CARGO_TARGET_DIR", "/tmp/ra"));
    for (key, value) in [
        ("cargo.features", ""),
        ("cargo.allFeatures", "false"),
        ("cargo.targetDir", "false"),
        ("cargo.targetDir", "<option value=\"--target-dir .lanes/editor/rustrover\" />"),
        (
            "check.overrideCommand",
            "cargo xtask check --quiet --workspace --all-targets --message-format=json",
        ),
        ("check.command", "clippy"),
        ("check.overrideCommand", "cargo clippy --message-format=json"),
        ("cargo.extraEnv.RUST_LOG", "debug"),
    ] {
        nothing(area, says(key, value));
    }
    nothing(area, |facts| {
        facts.editors = vec![editor("cargo.extraEnv.RUSTFLAGS", "-Cx")];
        facts.variables = vec![("RUSTFLAGS".to_owned(), "-Cx".to_owned())];
    });
    starts(area, "note ", |facts| {
        facts.editors = vec![Editor { file: "x".into(), settings: Err("no JSON".to_owned()) }];
    });
    let mut unknown = facts();
    unknown.editors = vec![Editor { file: "x".into(), settings: Err("no JSON".to_owned()) }];
    let of_editors = report(&unknown).findings.into_iter().filter(|finding| finding.area == area);
    assert_eq!(of_editors.count(), 1, "nothing is said to be fine of what is not known");
}

#[test]
fn git() {
    let area = Area::Git;
    starts(area, "warning  git            git is not there", |facts| {
        facts.git.version = Some(Err("is not there".to_owned()));
    });
    starts(area, "warning  git            git 2.34.1 is older", |facts| {
        facts.git.version = Some(Ok("2.34.1".to_owned()));
        facts.git.list = Some(Err("unknown switch `z'".to_owned()));
    });
    for fine in ["2.36.0", "2.47.3.windows.1", "3.0"] {
        nothing(area, |facts| facts.git.version = Some(Ok(fine.to_owned())));
    }
    starts(area, "warning  git            git refuses this checkout", |facts| {
        facts.git.top =
            Some(Err("detected dubious ownership in repository at '/w/app'".to_owned()));
    });
    nothing(area, |facts| {
        facts.git.top =
            Some(Err("not a git repository (or any of the parent directories): .git".to_owned()));
    });
    starts(area, "warning  git            .lanes is not ignored", |facts| {
        facts.git.ignores_lanes = false
    });
    nothing(area, |facts| (facts.git.ignores_lanes, facts.has_lanes_dir) = (false, false));
    starts(
        area,
        "warning  git            git tracks what belongs to one machine: .cargo/local.toml",
        |facts| {
            facts.git.tracked = vec![".cargo/local.toml".to_owned()];
        },
    );
    starts(area, "note     git            git has no hook of ours", |facts| facts.has_hook = false);
}

#[test]
fn file_systems() {
    let area = Area::Lanes;
    let kind = |kind: &str| {
        let kind = kind.to_owned();
        move |facts: &mut Facts| {
            if let Some(system) = &mut facts.file_system {
                system.kind = Some(kind);
            }
        }
    };
    starts(
        area,
        "warning  lanes          the workspace is on a network file system (nfs4)",
        kind("nfs4"),
    );
    nothing(area, kind("btrfs"));
    starts(area, "warning  lanes          the workspace is on a drive of Windows", |facts| {
        kind("9p")(facts);
        (facts.root, facts.machine.is_wsl) = ("/mnt/c/app".into(), true);
    });
    check(
        area,
        |facts| {
            facts.lanes[1].file_system = Some(FileSystem { device: 2, ..FileSystem::default() })
        },
        expect![[r#"
            warning  lanes          the lane /w/app-2/target of another worktree is on another file system than this workspace
                                     costs: a fork from it is copied, byte by byte: 2.0 GiB
                                     fix:   make worktrees and lanes on one file system"#]],
    );
    nothing(area, |facts| facts.lanes[1].file_system = None);
}

#[test]
fn space_and_memory() {
    let free = |gibibytes: u64| {
        move |facts: &mut Facts| {
            if let Some(system) = &mut facts.file_system {
                system.free = Some(gibibytes << 30);
            }
        }
    };
    starts(Area::Lanes, "error    lanes          0 MiB are free", free(0));
    starts(Area::Lanes, "warning  lanes          4.0 GiB are free", free(4));
    nothing(Area::Lanes, free(6));
    starts(Area::Lanes, "warning ", |facts| {
        free(6)(facts);
        facts.lanes[0].size = 10 << 30; // The next one may be as large.
    });
    starts(Area::Machine, "warning  machine        4.0 GiB of memory for 8 processors", |facts| {
        facts.machine.memory = Some(4 << 30);
    });
    nothing(Area::Machine, |facts| facts.machine.memory = None);
    starts(Area::Machine, "note     machine        macOS scans", |facts| facts.os = "macos");
}

#[test]
fn build_scripts_that_run_again_and_again() {
    let watch = |what, path: &str| Watch { package: "app".to_owned(), path: path.into(), what };
    check(
        Area::BuildScripts,
        |facts| {
            facts.reruns.watches = [
                watch(What::Missing, "gone.txt"),
                watch(What::Missing, "a"),
                watch(What::Missing, "b"),
                watch(What::Missing, "c"),
                watch(What::Git, "../.git/HEAD"),
                watch(What::Lane, "."),
            ]
            .into();
        },
        expect![[r#"
            warning  build scripts  the build script of app watches a, b, c and 1 more, which is not there
                                     costs: it runs at every build, and what depends on it is compiled again
                                     fix:   in app's build.rs: print `cargo::rerun-if-changed` for files that exist alone
            warning  build scripts  the build script of app watches ../.git/HEAD, which git rewrites
                                     costs: it runs whenever git was used, and, in a worktree, where .git is a file, at every build
                                     fix:   in app's build.rs: ask git when the program runs, or at release alone; or take the commit from a variable with `rerun-if-env-changed`
            warning  build scripts  the build script of app watches ., in which cargo builds
                                     costs: it runs at every build, and what depends on it is compiled again
                                     fix:   in app's build.rs: name the files that are read instead of the whole directory"#]],
    );
}

#[test]
fn tools() {
    let reply = |name: &'static str, reply| {
        move |facts: &mut Facts| {
            facts.tools.retain(|(other, _)| *other != name);
            facts.tools.extend(reply);
        }
    };
    let area = Area::Tools;
    check(
        area,
        reply("cargo-nextest", Some(("cargo-nextest", Reply::Version(Version(0, 9, 100))))),
        expect![[r#"
            note     tools          cargo-nextest is 0.9.100, and 0.9.123 is the oldest that will do
                                     costs: it runs the tests of all crates at once: that may not work
                                     fix:   cargo xtask install-tools --only cargo-nextest"#]],
    );
    let strange = Reply::Strange {
        program: "/bin/sccache".into(),
        why: "did not answer within 5 s".to_owned(),
    };
    starts(
        area,
        "warning  tools          /bin/sccache did not answer",
        reply("sccache", Some(("sccache", strange))),
    );
    starts(area, "note     tools          not there: cargo-nextest", reply("cargo-nextest", None));
    nothing(area, reply("mold", Some(("mold", Reply::Version(Version(2, 40, 0))))));
}

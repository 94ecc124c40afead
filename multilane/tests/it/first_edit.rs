//! The first edit in a forked lane is as warm as in its donor, with the compiler wrapper that is
//! provided for it.

#![cfg(unix)]

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::fork::{
    first_build, printed, printed_from_scratch, remove, set_modified, state, undone, worktree,
};
use crate::support::{INCLUDE, Project, entries, names, put};

const MODULES: usize = 12;

/// The workspace of the other forks, whose configuration includes the wrapper; `core` has enough
/// modules to be compiled in several units. Committed, and built once through xtask.
fn donor() -> Project {
    let project = undone();
    project.write(".cargo/config.toml", INCLUDE);
    project.append("crates/core/src/lib.rs", &modules()).commit();
    project.xtask("build").ok().says("Wrote .cargo/wrapper");
    project
}

fn modules() -> String {
    let module = |number| {
        format!("pub mod m{number} {{ pub fn f(x: u32) -> String {{ format!(\"{{x}}\") }} }}\n")
    };
    (0..MODULES).map(module).collect()
}

/// Puts the wrapper there, and then plain cargo builds; the worktree that git makes next is as warm
/// as its donor.
#[test]
fn every_way_in_has_the_wrapper_before_the_first_build() {
    for (way, config) in
        [("adopt --yes", ""), ("setup --yes", ""), ("lane hook --install", INCLUDE)]
    {
        let project = undone();
        project.append("crates/core/src/lib.rs", &modules()).write(".cargo/config.toml", config);
        if config.is_empty() {
            std::fs::remove_dir_all(project.root.join(".cargo")).expect("it is there");
        }
        project.commit();
        project.xtask(way).ok();
        assert!(project.exists(".cargo/wrapper/rustc"), "{way}");
        project.commit();
        project.cargo("build").ok();
        let second = worktree(&project, "second");
        first_build(&project, &second).compiled(0); // The hook may have forked already.
        edit(&second, "crates/core/src/lib.rs", "pub fn added() {}\n");
        let lane = second.join("target");
        let count = reused(&lane, "core", || drop(project.cargo("build").within(&second).ok()));
        assert!(count >= MODULES, "{way}: {count} objects were used again");
    }
}

fn edit(dir: &Path, file: &str, added: &str) {
    let text = std::fs::read_to_string(dir.join(file)).expect("it is there");
    put(dir, file, &(text + added));
}

/// The files of all finished sessions, below a target directory's `incremental`.
fn cached(lane: &Path) -> Vec<PathBuf> {
    let sessions = entries(&lane.join("debug/incremental")).into_iter();
    let sessions = sessions.flat_map(|unit| entries(&unit)).filter(|session| session.is_dir());
    sessions.flat_map(|session| entries(&session)).collect()
}

/// The object files in the caches of a crate, by what they are and not by their names: rustc gives
/// one that it uses again a second name in its next session.
fn objects(lane: &Path, of_crate: &str) -> BTreeSet<(u64, u64)> {
    let files = cached(lane)
        .into_iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "o"));
    let unit = format!("/incremental/{of_crate}-");
    let of_crate = files.filter(|path| path.to_str().is_some_and(|path| path.contains(&unit)));
    of_crate
        .map(|path| path.metadata().expect("it is there"))
        .map(|meta| (meta.dev(), meta.ino()))
        .collect()
}

/// How many of its objects a crate has after `build` that were there before.
fn reused(lane: &Path, of_crate: &str, build: impl FnOnce()) -> usize {
    let before = objects(lane, of_crate);
    assert!(before.len() >= MODULES, "{before:?}");
    build();
    // The session before the last one goes with the next compilation.
    let newest = cached(lane).into_iter().filter(|path| path.ends_with("dep-graph.bin"));
    let newest = newest
        .filter(|path| path.to_str().is_some_and(|path| path.contains(&format!("/{of_crate}-"))));
    let newest =
        newest.max_by_key(|path| path.metadata().and_then(|meta| meta.modified()).expect("a time"));
    let session = newest.expect("a session").parent().expect("its directory").to_owned();
    let objects = entries(&session).into_iter().filter_map(|path| path.metadata().ok());
    objects.filter(|meta| before.contains(&(meta.dev(), meta.ino()))).count()
}

#[test]
fn the_first_edit_in_a_worktree_compiles_what_changed_and_no_more() {
    let project = donor();
    let second = worktree(&project, "second");
    first_build(&project, &second).forked().compiled(0);
    edit(&second, "crates/core/src/lib.rs", "pub fn added() {}\n");
    let lane = second.join("target");
    // Agents, IDEs and people type `cargo build`.
    let count = reused(&lane, "core", || drop(project.cargo("build").within(&second).ok()));
    assert!(count >= MODULES, "{count} objects were used again");
    assert_eq!(printed(&project, &second), "one\n");

    // Of a fork of the fork, too, although nothing of `alone` was compiled in the one between.
    let third = worktree(&project, "third");
    project.xtask("lane fork --from").arg(&second).within(&third).ok();
    project.git_in(&third, &["status"]);
    edit(&third, "crates/alone/src/lib.rs", "pub fn added() -> u32 { 1 }\n");
    assert_eq!(project.cargo("build").within(&third).ok().built().join(" "), "alone app core");
}

#[cfg(target_os = "linux")]
#[test]
fn the_first_edit_in_an_agents_lane_compiles_what_changed_and_no_more() {
    let project = donor();
    project.xtask("build").agent("a").ok().forked().compiled(0);
    let lane = project.root.join(project.only_lane());
    edit(&project.root, "crates/core/src/lib.rs", "pub fn added() {}\n");
    let count = reused(&lane, "core", || {
        project.xtask("build").agent("a").ok().compiled_of(2, &["app", "core"]);
    });
    assert!(count >= MODULES, "{count} objects were used again");
}

/// The donor with a program of several units, which uses `core` by itself and through `alone`, in
/// either order.
fn donor_of_program(first_use: &str) -> Project {
    build_program(undone(), first_use)
}

fn build_program(project: Project, first_use: &str) -> Project {
    project.write(".cargo/config.toml", INCLUDE);
    let core = "mycore = { package = \"core\", path = \"../core\" }\n";
    project
        .append("crates/alone/Cargo.toml", core)
        .write("crates/alone/src/lib.rs", "pub fn text() -> String { mycore::text() }\n")
        .append("crates/app/Cargo.toml", "alone = { path = \"../alone\" }\n");
    let generic =
        "pub fn shown<T: std::fmt::Display>(value: T) -> String { format!(\"{value}: one\") }\n";
    project.append("crates/core/src/lib.rs", generic);

    let modules = (0..MODULES).map(|number| {
        format!(
            "mod m{number} {{ pub fn f(x: u32) -> String {{ format!(\"{{x}} {number}\") }} }}\n"
        )
    });
    let calls =
        (0..MODULES).map(|number| format!("    println!(\"{{}}\", m{number}::f({number}));\n"));
    let (modules, calls): (String, String) = (modules.collect(), calls.collect());
    let main = format!(
        "{first_use}\n{modules}fn main() {{\n{calls}    println!(\"{{}} {{}}\", alone::text(), mycore::shown(1));\n}}\n"
    );
    project.write("crates/app/src/main.rs", &main);
    project.cargo("generate-lockfile").ok();
    project.commit();
    project.xtask("build").ok();
    project
}

/// Debug information has rustc note in a program where the crates lie that it is linked with.
#[test]
fn the_first_edit_below_a_program_compiles_what_changed_and_no_more() {
    for first_use in ["use mycore as _;", "use alone as _;"] {
        let answers = below_a_program(&donor_of_program(first_use));
        assert_eq!(answers, UNITS * 2, "{first_use}");
    }
}

/// `core`, `alone` and `app`. What the options of each come to is asked twice, for here and for the
/// donor.
const UNITS: usize = 3;

/// How many answers were remembered.
#[track_caller]
fn below_a_program(project: &Project) -> usize {
    let second = worktree(project, "second");
    first_build(project, &second).compiled(0);
    // What the program is made of itself has changed: a generic function is compiled where it is
    // used.
    let core = std::fs::read_to_string(second.join("crates/core/src/lib.rs")).expect("it is there");
    put(&second, "crates/core/src/lib.rs", &core.replace(": one", ": two"));
    let answers = || {
        let file = project.root.join(".git/multilane/answers");
        std::fs::read_to_string(file).unwrap_or_default().lines().count()
    };
    let before = answers();
    let lane = second.join("target");
    let count = reused(&lane, "app", || drop(project.cargo("build").within(&second).ok()));
    assert!(count >= MODULES, "{count} objects were used again");
    assert!(printed(project, &second).ends_with("one 1: two\n"), "{}", printed(project, &second));
    answers() - before
}

#[test]
fn so_does_the_first_edit_below_a_program_in_an_agents_lane() {
    in_an_agents_lane(donor_of_program("use alone as _;"));
}

#[test]
fn and_in_cargos_new_layout() {
    let mut project = undone();
    if project.use_new_layout() {
        in_an_agents_lane(build_program(project, "use alone as _;"));
    }
}

#[track_caller]
fn in_an_agents_lane(project: Project) {
    project.xtask("build").agent("a").ok().forked().compiled(0);
    let lane = project.root.join(project.only_lane());
    edit(&project.root, "crates/core/src/lib.rs", "pub fn added() {}\n");
    let count = reused(&lane, "app", || drop(project.xtask("build").agent("a").ok()));
    assert!(count >= MODULES, "{count} objects were used again");
}

#[test]
fn a_worktree_inside_the_repository_is_warm_as_well() {
    let project = donor();
    let inside = worktree(&project, "wörk space/trees/inside");
    first_build(&project, &inside).compiled(0);
    edit(&inside, "crates/core/src/lib.rs", "pub fn added() {}\n");
    let count = reused(&inside.join("target"), "core", || {
        drop(project.cargo("build").within(&inside).ok())
    });
    assert!(count >= MODULES, "{count} objects were used again");
}

#[test]
fn the_donor_keeps_all_its_files_as_they_are() {
    let project = donor();
    project.xtask("check --all-targets").ok();
    let target = project.root.join("target");
    let before = state(&target);
    let second = worktree(&project, "second");
    first_build(&project, &second);
    // Where rustc finds nothing to write, cargo sets the time of what it checked in place.
    set_modified(&second.join("crates/alone/src/lib.rs"), SystemTime::now());
    for (number, verb) in ["build", "check --all-targets", "test --no-run"].into_iter().enumerate()
    {
        edit(&second, "crates/core/src/lib.rs", &format!("pub fn added_{number}() {{}}\n"));
        project.cargo(verb).within(&second).ok();
    }
    let after = state(&target);
    let changed: Vec<_> =
        before.iter().filter(|file| !after.contains(file)).map(|(path, ..)| path).collect();
    assert!(changed.is_empty(), "{changed:?}");
}

#[test]
fn a_cache_made_with_other_options_is_not_taken() {
    let project = donor();
    edit(&project.root, "crates/core/src/lib.rs", "fn nobody_calls_it() {}\n");
    project.commit();
    project.xtask("build").ok().says("never used");
    let second = worktree(&project, "second");
    first_build(&project, &second);
    // The level of a lint is an option of the compiler. That nothing is wrong with `core` was found
    // out with the other one.
    edit(&second, "crates/core/Cargo.toml", "\n[lints.rust]\ndead_code = \"deny\"\n");
    project.cargo("build").within(&second).fails_with(101).says("never used");
}

/// As in a worktree of the next commit.
#[test]
fn a_crate_that_differs_compiles_what_differs_and_no_more() {
    let project = donor();
    let second = worktree(&project, "second");
    edit(&second, "crates/core/src/lib.rs", "pub fn added() {}\n");
    project.xtask("lane fork").within(&second).ok().leaves("differs", "crates/core/src/lib.rs");
    let lane = second.join("target");
    let count = reused(&lane, "core", || drop(project.cargo("build").within(&second).ok()));
    assert!(count >= MODULES, "{count} objects were used again");
    assert_eq!(printed(&project, &second), "one\n");
}

/// A check makes other units of the same crate.
#[test]
fn a_unit_that_the_donor_has_not_leaves_the_caches_of_others() {
    let project = donor();
    let second = worktree(&project, "second");
    first_build(&project, &second).compiled(0);
    edit(&second, "crates/core/src/lib.rs", "pub fn added() {}\n");
    project.cargo("check").within(&second).ok();
    let count = reused(&second.join("target"), "core", || {
        drop(project.cargo("build").within(&second).ok())
    });
    assert!(count >= MODULES, "{count} objects were used again");
}

/// What the donor's options come to depends on no worktree but the donor's.
#[test]
fn a_compiler_is_asked_once_for_all_worktrees() {
    let project = donor();
    let log = project.root.with_file_name("log");
    let text = format!("printf '%s\\n' \"$*\" >> '{}'\nexec rustc \"$@\"", log.display());
    project.script("../rustc.sh", &text);
    let script = project.root.with_file_name("rustc.sh");
    project.append(".cargo/config.toml", &format!("[build]\nrustc = {script:?}\n")).commit();
    project.xtask("build").ok();

    let asked = |tree: &str| {
        let dir = worktree(&project, tree);
        first_build(&project, &dir).compiled(0);
        edit(&dir, "crates/core/src/lib.rs", "pub fn added() {}\n");
        drop(std::fs::remove_file(&log));
        let lane = dir.join("target");
        let count = reused(&lane, "core", || drop(project.cargo("build").within(&dir).ok()));
        assert!(count >= MODULES, "{tree}: {count} objects were used again");
        assert_eq!(printed(&project, &dir), "one\n");
        let log = std::fs::read_to_string(&log).expect("compilers were started");
        let asked = |root: &Path| {
            let remap = format!("--remap-path-prefix={}=.", root.display());
            let is_library = |line: &&str| line.contains("--crate-name core ");
            log.lines()
                .filter(is_library)
                .filter(|line| line.contains(&remap) && line.contains("/.probe-"))
                .count()
        };
        (asked(&dir), asked(&project.root))
    };
    assert_eq!(asked("second"), (1, 1), "for here, and for the donor");
    assert_eq!(asked("third"), (1, 0));
    // The same place once more.
    remove(&project.root.with_file_name("third"));
    project.git(&["worktree", "prune"]);
    assert_eq!(asked("third"), (0, 0));
    // Another compiler may answer something else.
    set_modified(&script, SystemTime::now());
    assert_eq!(asked("fourth"), (1, 1));
}

#[test]
fn the_program_is_the_one_that_would_be_built_from_scratch() {
    let project = donor();
    project.write(
        "crates/app/src/main.rs",
        "fn main() {\n    println!(\"{} {:?}\", mycore::text(), std::panic::catch_unwind(|| panic!(\"x\")).is_err());\n    \
         println!(\"{} {}\", file!(), std::panic::Location::caller());\n}\n",
    );
    project.commit();
    project.xtask("build").ok();
    let second = worktree(&project, "second");
    first_build(&project, &second).compiled(0);
    edit(&second, "crates/core/src/lib.rs", "pub fn added() {}\n");
    project.cargo("build").within(&second).ok();
    remove(&project.root.join("target"));
    let found = printed(&project, &second);
    std::fs::remove_dir_all(second.join(".cargo")).expect("it is there");
    assert_eq!(found, printed_from_scratch(&project, &second));
}

#[test]
fn with_and_without_the_wrapper_everything_is_fresh() {
    let project = donor();
    assert_eq!(project.cargo("build").ok().built(), [""; 0]);
    std::fs::rename(project.root.join(".cargo/wrapper"), project.root.join("away"))
        .expect("it can be moved");
    assert_eq!(project.cargo("build").ok().built(), [""; 0]);
    project.xtask("build").ok().compiled(0).says("Wrote .cargo/wrapper");
    assert_eq!(project.git(&["status", "--porcelain", "--", ".cargo"]), "");
}

#[test]
fn whatever_is_missing_a_build_goes_on() {
    let project = donor();
    let second = worktree(&project, "second");
    first_build(&project, &second);
    let forked = second.join("target/debug/incremental/.forked");
    std::fs::remove_file(forked.join("xtask")).expect("it is there"); // A second name of the program itself.
    put(&forked, "xtask", "#!/bin/sh\nexit 1\n");
    edit(&second, "crates/core/src/lib.rs", "pub fn one() {}\n");
    project.cargo("build").within(&second).ok();
    remove(&forked);
    edit(&second, "crates/core/src/lib.rs", "pub fn two() {}\n");
    project.cargo("build").within(&second).ok();

    // The tree that the caches were made in has gone before they were used.
    let third = worktree(&project, "third");
    first_build(&project, &third);
    remove(&project.root);
    edit(&third, "crates/core/src/lib.rs", "pub fn one() {}\n");
    project.cargo("build").within(&third).ok();
    assert!(!third.join("target/debug/incremental/.forked").exists() || !has_mark(&third, "core"));
    assert_eq!(printed(&project, &third), "one\n");
}

/// dash, which is `/bin/sh` on Debian, hands on no variable whose name has a dash.
#[test]
fn variables_with_a_dash_in_their_name_reach_the_compiler() {
    let project = Project::workspace(&[]);
    project.package("crates/my-app", "my-app", &[]);
    std::fs::remove_file(project.root.join("crates/my-app/src/lib.rs")).expect("it is there");
    project
        .write(".gitignore", "/target/\n/.lanes/\n")
        .write(".cargo/config.toml", &format!("{INCLUDE}[env]\nof-cargo = \"two words\"\n"))
        .write("crates/my-app/build.rs", "fn main() { println!(\"cargo::rustc-env=with-dash=1\"); }\n")
        .write(
            "crates/my-app/src/main.rs",
            "fn main() { println!(\"{} {}\", env!(\"with-dash\"), env!(\"of-cargo\")); }\n",
        )
        .write(
            "crates/my-app/tests/it.rs",
            "#[test] fn starts() {\n    let run = std::process::Command::new(env!(\"CARGO_BIN_EXE_my-app\")).output();\n    \
             assert_eq!(run.unwrap().stdout, b\"1 two words\\n\");\n}\n",
        );
    project.commit();
    project.xtask("build").ok();
    assert!(project.exists(".cargo/wrapper/rustc"));
    for profile in ["dev", "release"] {
        project.cargo(&format!("test --profile {profile}")).ok();
    }
}

/// With variables that the script might have used itself, a value of several lines, a wrapper of
/// the user's below ours that hands on no input, and a source by its whole path.
#[test]
fn the_compiler_sees_what_it_sees_under_plain_cargo() {
    let mut project = undone();
    let source = "include!(concat!(env!(\"CARGO_MANIFEST_DIR\"), \"/made/made.rs\"));
        pub fn text() -> String {
            let variables = [option_env!(\"out\"), option_env!(\"name\"), option_env!(\"types\")];
            format!(\"{variables:?} {:?} {:?} {}\", option_env!(\"b-c\"), env!(\"LINES\"), made_in())
        }\n";
    project.write("crates/core/src/lib.rs", source);
    project.write("crates/core/made/made.rs", "fn made_in() -> &'static str { file!() }\n");
    let outer = project.script("outer", "exec \"$@\" </dev/null\n");
    let lines = "[env]\nLINES = \"a\\nb-c=d\"\n";
    let build = format!("[build]\nrustc-workspace-wrapper = {outer:?}\n");
    project.write(".cargo/config.toml", &format!("{INCLUDE}{lines}{build}"));
    project.commit();
    for (name, value) in [("out", "/nix/store/x"), ("name", "x-1.0"), ("types", "all")] {
        project.set(name, value);
    }
    project.xtask("build").ok();
    let printed = printed(&project, &project.root);
    std::fs::remove_dir_all(project.root.join(".cargo/wrapper")).expect("it is there");
    assert_eq!(printed, printed_from_scratch(&project, &project.root));
    assert!(printed.contains("/nix/store/x") && printed.contains("/crates/core/made/made.rs"));
}

fn has_mark(dir: &Path, of_crate: &str) -> bool {
    let marks = names(&dir.join("target/debug/incremental/.forked"));
    marks.iter().any(|name| name.starts_with(&format!("{of_crate}-")))
}

#[test]
fn a_wrapper_of_the_users_own_is_left_alone() {
    let project = undone();
    let include = "[{ path = \"wrapper/config.toml\", optional = true }, { path = \"local.toml\", optional = true }]";
    project.write(".cargo/config.toml", &format!("include = {include}\n"));
    project.write(".cargo/local.toml", "[build]\nrustc-wrapper = \"\"\n");
    project.commit();
    project.xtask("build").ok().does_not_say("Wrote");
    assert!(!project.exists(".cargo/wrapper"));
    std::fs::remove_file(project.root.join(".cargo/local.toml")).expect("it is there");
    project.xtask("check").env("RUSTC_WRAPPER", "/usr/bin/env").ok().does_not_say("Wrote");

    // Ours would hide one that is configured for the whole machine.
    project.xtask("check").ok().says("Wrote");
    project.write("../cargo home/config.toml", "[build]\nrustc-wrapper = \"/usr/bin/env\"\n");
    let home = project.root.with_file_name("cargo home");
    project.xtask("check").env("CARGO_HOME", &home).ok();
    assert!(!project.exists(".cargo/wrapper"));
}

#[test]
fn the_wrapper_is_made_whole_again() {
    let project = donor();
    let script = project.root.join(".cargo/wrapper/rustc");
    project.write(".cargo/wrapper/rustc", "");
    project.xtask("build").ok();
    assert!(project.read(".cargo/wrapper/rustc").contains("retarget-cache"));
    let edited = "#!/bin/sh\nexec \"$@\" # edited\n";
    project.write(".cargo/wrapper/rustc", edited);
    project.xtask("build").ok();
    assert_eq!(project.read(".cargo/wrapper/rustc"), edited);
    assert_eq!(script.metadata().expect("it is there").mode() & 0o777, 0o755);
    // Nothing is written where nobody has asked for it.
    let other = undone();
    other.commit();
    other.xtask("build").ok();
    assert!(!other.exists(".cargo"));
}

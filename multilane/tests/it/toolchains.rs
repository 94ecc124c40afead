//! Other toolchains than the suite's: a version that nobody knows yet, and cargo's two layouts.

#![cfg(unix)]

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::fork::{begins_cold, files_below, printed, undone, worktree};
use crate::support::{Project, skipped};

/// A toolchain that says it is 1.999 and is this one. Its cargo, which nothing but a trial starts,
/// notes each call and then does this.
pub(crate) fn stand_in(project: &mut Project, trial: &str) -> PathBuf {
    let real = |name: &str| {
        let output = project.command("rustup").args(["which", name]).output().expect("rustup");
        String::from_utf8(output.stdout).expect("a path").trim().to_owned()
    };
    let [cargo, rustc] = ["cargo", "rustc"].map(real);
    let dir = project.root.with_file_name("toolchain");
    let log = project.root.with_file_name("log");
    let version = "-vV) rustc -vV | sed 's/1[.][0-9]*[.]0/1.999.0/g' ;;";
    let version = version.replace("rustc", &format!("'{rustc}'"));
    let compiler = format!(
        "case \"$*\" in {version}\n\"--print sysroot\") echo '{}' ;;\n*) exec '{rustc}' \"$@\" ;; esac",
        dir.display()
    );
    let program = project.script("../toolchain/bin/rustc", &compiler);
    let calls = format!("echo \"$*\" >>'{}'\n{trial}\nexec '{cargo}' \"$@\"", log.display());
    project.script("../toolchain/bin/cargo", &calls);
    project.set("RUSTC", program.to_str().expect("UTF-8"));
    let cache = project.root.with_file_name("cache");
    project.set("XDG_CACHE_HOME", cache.to_str().expect("UTF-8"));
    project.commit();
    log
}

/// How many builds the trials have come to.
fn calls(log: &Path) -> usize {
    std::fs::read_to_string(log).unwrap_or_default().lines().count()
}

#[test]
fn an_unknown_version_is_tried_once_before_its_first_fork() {
    let mut project = undone();
    let log = stand_in(&mut project, "");
    project.xtask("build").ok();
    assert_eq!(calls(&log), 0, "there was nothing to fork from");
    project.xtask("build").agent("a").ok().forked().compiled(0);
    let once = calls(&log);
    assert!(once > 0);
    let second = worktree(&project, "second");
    project.xtask("build").within(&second).ok().forked().compiled(0);
    assert_eq!(calls(&log), once);
    assert_eq!(printed(&project, &second), "one\n");
    let left = std::fs::read_dir(project.root.with_file_name("cache").join("multilane"));
    let names = left.expect("a cache").flatten().map(|entry| entry.file_name());
    let of_trial = names.filter(|name| name.to_string_lossy().starts_with("toolchains"));
    assert_eq!(of_trial.count(), 2, "what was found out, and its lock");
}

#[test]
fn one_that_builds_otherwise_is_not_forked() {
    let mut project = undone();
    let log = stand_in(&mut project, "touch src/main.rs");
    project.xtask("build").ok().compiled(3);
    let ran = project.xtask("build").agent("a").ok();
    begins_cold(ran.compiled(3), "1.999.0");
    let once = calls(&log);
    begins_cold(project.xtask("build").agent("b").ok().compiled(3), "1.999.0");
    assert_eq!(calls(&log), once, "it was remembered");
    project.xtask("lane fork").agent("c").run();
    assert!(!project.lanes().iter().any(|lane| lane.contains("/c/")), "{:?}", project.lanes());
}

/// Builders that start together with a compiler that is new to all of them try it once.
#[test]
fn several_builders_try_it_once() {
    let mut project = undone();
    let log = stand_in(&mut project, "");
    project.xtask("build").ok();
    let builders = ["a", "b", "c"].map(|agent| project.xtask("build").agent(agent).start());
    for builder in builders {
        let output = builder.wait_with_output().expect("it ends");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    assert_eq!(calls(&log), 4, "that many builds are one trial");
    for agent in ["a", "b", "c"] {
        project.xtask("build").agent(agent).ok().compiled(0);
    }
}

#[test]
fn a_donor_of_one_layout_feeds_no_lane_of_the_other() {
    let mut project = undone();
    project.commit();
    if !project.use_new_layout() {
        return skipped("there is no nightly toolchain");
    }
    let old = |project: &Project, words: &str, agent: &str| {
        let call = project.xtask(words).agent(agent);
        call.env("CARGO_UNSTABLE_BUILD_DIR_NEW_LAYOUT", "false").ok()
    };
    project.xtask("build").agent("new").ok().compiled(3);
    begins_cold(old(&project, "build", "old").compiled(3), "layout");
    old(&project, "build", "old2").forked_from(".lanes/old/").compiled(0);
    project.xtask("build").agent("new2").ok().forked_from(".lanes/new/").compiled(0);

    // One that has both gives of each what is wanted.
    old(&project, "build", "new").compiled(3);
    for (ran, agent) in [
        (project.xtask("build").agent("new3").ok(), "new3"),
        (old(&project, "build", "old3"), "old3"),
    ] {
        ran.forked_from(".lanes/new/").compiled(0);
        assert_eq!(ran.record()["forks"][0]["units"], 3, "{agent}");
    }
}

/// With `-Zfine-grain-locking` each unit has a lock: of a file that two lanes had, it would be one.
#[test]
fn a_lock_of_a_unit_stays_in_its_lane() {
    for new_layout in ["false", "true"] {
        let mut project = undone();
        if !project.use_new_layout() {
            return skipped("there is no nightly toolchain");
        }
        project.set("CARGO_UNSTABLE_BUILD_DIR_NEW_LAYOUT", new_layout);
        project.set("CARGO_UNSTABLE_FINE_GRAIN_LOCKING", "true");
        let script = "fn main() { println!(\"cargo::rerun-if-changed=build.rs\"); }\n";
        project.write("crates/core/build.rs", script).commit();
        project.xtask("build").ok();
        project.xtask("build").agent("a").ok().forked().compiled(0);
        let lane = project.root.join(project.only_lane());
        let mut locks = files_below(&lane.join("debug/build"));
        locks.retain(|file| file.ends_with(".lock"));
        assert!(!locks.is_empty(), "cargo makes them");
        for lock in locks {
            assert_eq!(lock.metadata().expect("it is there").nlink(), 1, "{}", lock.display());
        }
    }
}

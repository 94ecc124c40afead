//! Forks at bad moments: the donor builds, or was killed; the fork itself is killed; the lane is in
//! use.

#[cfg(unix)]
use std::path::Path;
#[cfg(unix)]
use std::process::Child;
use std::time::Duration;

use crate::fork::{donor, first_build, printed, remove, worktree, write_text};
#[cfg(unix)]
use crate::fork::{hours_ago, set_modified};
#[cfg(unix)]
use crate::support::{Project, signal_group};
use crate::support::{names, put, wait_until};

/// How often each race is run, unless `FORK_ROUNDS` says otherwise: `FORK_ROUNDS=100 cargo test -p
/// xtask race_with`.
#[cfg(unix)]
const ROUNDS: u64 = 16;

fn number_in_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Numbers that look random, and are the same for the same seed (SplitMix64).
struct Random(u64);

impl Random {
    /// Other numbers in each run of the tests, unless `FORK_SEED` says otherwise.
    fn new() -> Random {
        let now = std::time::UNIX_EPOCH.elapsed().expect("it is after 1970");
        Random(number_in_environment("FORK_SEED").unwrap_or(now.as_nanos() as u64))
    }

    /// One of the numbers below `end`.
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }

    #[cfg(unix)]
    fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }
}

/// A compiler that can be stopped: `$STAGE/<n>` is made before and after each start of rustc, one
/// number after the other. When it is at `$AT`, it makes `reached`, and where there is `hold`, it
/// waits for `go`.
#[cfg(unix)]
const WRAPPER: &str = r#"
stage() {
    n=1
    while ! mkdir "$STAGE/$n" 2>/dev/null; do n=$((n + 1)); done
    if [ "$n" = "$AT" ]; then
        : >"$STAGE/reached"
        if [ -e "$STAGE/hold" ]; then while [ ! -e "$STAGE/go" ]; do sleep 0.01; done; fi
    fi
}
case "$*" in *"--crate-name ___"* | *-vV*) exec "$@" ;; esac
stage
"$@"
code=$?
stage
exit $code
"#;

/// What `app` prints, one word from each: a crate, one that needs it, what a build script of that
/// one reads, and `app`.
#[cfg(unix)]
const ITEMS: [&str; 4] = [
    "crates/core/src/lib.rs",
    "crates/mid/src/lib.rs",
    "crates/mid/data.txt",
    "crates/app/src/main.rs",
];

#[cfg(unix)]
fn write_item(root: &Path, item: usize, word: &str) {
    let text = match item {
        0 => format!("pub fn text() -> String {{ \"{word}\".to_owned() }}\n"),
        1 => format!(
            "pub fn text() -> String {{ mycore::text() + \" {word} \" + env!(\"DATA\") }}\n"
        ),
        2 => word.to_owned(),
        _ => format!("fn main() {{ println!(\"{{}} {word}\", mid::text()); }}\n"),
    };
    put(root, ITEMS[item], &text);
}

/// The whole project of the races, built, every word `old`.
#[cfg(unix)]
fn racing(mut project: Project, in_new_layout: bool) -> Option<Project> {
    if in_new_layout && !project.use_new_layout() {
        return None;
    }
    let mycore = "mycore = { package = \"core\", path = \"../core\" }\n";
    project.package("crates/mid", "mid", &[]);
    for (package, dependency) in [("mid", mycore), ("app", "mid = { path = \"../mid\" }\n")] {
        project.append(&format!("crates/{package}/Cargo.toml"), dependency);
    }
    let script = "fn main() { println!(\"cargo::rerun-if-changed=data.txt\"); \
                  println!(\"cargo::rustc-env=DATA={}\", std::fs::read_to_string(\"data.txt\").unwrap()); }";
    project.write("crates/mid/build.rs", script).script("wrapper.ignored", WRAPPER);
    for item in 0..ITEMS.len() {
        write_item(&project.root, item, "old");
    }
    project.cargo("generate-lockfile").ok();
    project.commit().cargo("build").ok();
    Some(project)
}

/// A donor is built, and its sources are written, while another lane is forked from it, of another
/// tree or of the same. The build goes on meanwhile, or stands still, or is killed with its
/// compilers, at any moment.
///
/// Whatever the fork has found there: its program is that of its own sources.
#[cfg(unix)]
fn race(in_new_layout: bool, rounds: u64) {
    use std::os::unix::process::CommandExt as _;

    let Some(project) = racing(crate::fork::undone(), in_new_layout) else { return };
    let second = worktree(&project, "second");
    let stage = project.root.with_file_name("stage");
    let mut random = Random::new();
    let mut words = [(); 4].map(|()| "old".to_owned());
    for round in 0..number_in_environment("FORK_ROUNDS").unwrap_or(rounds) {
        let seed = random.0;
        let shown = format!("round {round}: repeat it with FORK_ROUNDS=1 FORK_SEED={seed}");
        let (is_agent, is_held, is_killed) = (random.one_in(3), random.one_in(2), random.one_in(3));
        // What the donor is made from now, what it is written to while it is built, and ours: any
        // of them.
        let mut next = words.clone();
        next[random.below(4) as usize] = format!("next{round}");
        next.iter_mut()
            .filter(|_| random.one_in(3))
            .for_each(|word| *word = format!("next{round}"));
        let mut later = next.clone();
        if random.one_in(3) {
            later[random.below(4) as usize] = format!("later{round}");
        }
        let mut own = later.clone();
        for item in 0..ITEMS.len() {
            if !is_agent {
                own[item] = [&words, &next, &later][random.below(3) as usize][item].clone();
                write_item(&second, item, &own[item]);
                if random.one_in(2) {
                    set_modified(&second.join(ITEMS[item]), hours_ago(5));
                }
            }
            if next[item] != words[item] {
                write_item(&project.root, item, &next[item]);
            }
        }

        std::fs::create_dir_all(&stage).expect("a directory");
        if is_held {
            put(&stage, "hold", "");
        }
        let at = 1 + random.below(6); // Three compilers start, if all is made anew.
        let mut build = project.cargo("build").env("STAGE", &stage).env("AT", at.to_string());
        build = build.env("RUSTC_WRAPPER", project.root.join("wrapper.ignored"));
        build.command.process_group(0);
        let mut build = build.start();
        let mut has_ended = false;
        wait_until("the build", || {
            has_ended = build.try_wait().expect("it can be asked").is_some();
            has_ended || stage.join("reached").exists()
        });
        for item in (0..ITEMS.len()).filter(|item| later[*item] != next[*item]) {
            write_item(&project.root, item, &later[item]);
        }
        if !is_held {
            std::thread::sleep(Duration::from_millis(random.below(120)));
        }
        if is_killed && !has_ended {
            kill_all(&mut build);
        }

        let tree = if is_agent { &project.root } else { &second };
        let fork = |words: &str| match is_agent {
            true => project.xtask(words).agent("a"),
            false => project.xtask(words).within(&second),
        };
        let ran = fork("build").ok();
        put(&stage, "go", "");
        let found = fork("run --quiet --package app").ok().stdout();
        assert_eq!(found, told(&own), "{shown}\n{}", ran.report());
        ran.does_not_say("warning");
        if !is_killed {
            assert!(build.wait().expect("it ends").success(), "{shown}");
        }
        // The lanes live on, each by itself.
        if random.one_in(4) && !is_agent {
            let item = random.below(4) as usize;
            own[item] = format!("edited{round}");
            write_item(tree, item, &own[item]);
            assert_eq!(
                fork("run --quiet --package app").ok().stdout(),
                told(&own),
                "{shown}: edited"
            );
        }
        project.cargo("build").ok();
        assert_eq!(printed(&project, &project.root), told(&later), "{shown}: the donor");
        words = later;
        for dir in [&stage, &second.join("target"), &project.root.join(".lanes")] {
            drop(std::fs::remove_dir_all(dir));
        }
    }
}

/// What `app` prints that was made from these words.
#[cfg(unix)]
fn told(words: &[String; 4]) -> String {
    words.join(" ") + "\n"
}

/// cargo, the compilers that it has started, and their linkers.
#[cfg(unix)]
fn kill_all(build: &mut Child) {
    signal_group(build, "KILL");
    build.wait().expect("it ends");
}

#[test]
#[cfg(unix)]
fn race_with_a_donor_that_is_built_or_killed() {
    race(false, ROUNDS);
}

#[test]
#[cfg(unix)]
fn race_with_a_donor_in_the_new_layout() {
    race(true, ROUNDS / 2);
}

#[test]
fn a_fork_that_was_killed() {
    let project = donor();
    let mut random = Random::new();
    for round in 0..10 {
        let second = worktree(&project, "second");
        write_text(&second, &format!("round {round}"));
        let mut fork = project.xtask("lane fork").within(&second).start();
        std::thread::sleep(Duration::from_millis(random.below(120)));
        fork.kill().expect("it can be killed");
        fork.wait().expect("it ends");
        // Plain cargo, and then a fork into whatever was left.
        if round % 2 == 0 {
            assert_eq!(printed(&project, &second), format!("round {round}\n"), "round {round}");
        }
        project.xtask("lane fork").within(&second).ok();
        assert_eq!(printed(&project, &second), format!("round {round}\n"), "round {round}");
        let mut left = names(&second.join("target"));
        assert!(!left.is_empty(), "a lane");
        left.retain(|name| name.starts_with(".fork"));
        assert!(left.is_empty(), "{left:?}");
        remove(&second);
        project.git(&["worktree", "prune"]);
    }
}

#[test]
fn nothing_is_added_to_a_lane_in_which_somebody_builds() {
    let project = donor();
    let second = worktree(&project, "second");
    project.cargo("build --package alone").within(&second).ok();
    // A build that takes as long as it is told to.
    let script = "fn main() { while !std::path::Path::new(\"../../go\").exists() { \
                  std::fs::write(\"../../waits\", \"\").unwrap(); \
                  std::thread::sleep(std::time::Duration::from_millis(5)); } }";
    put(&second, "crates/alone/build.rs", script);
    let mut build = project.cargo("build --package alone").within(&second).start();
    wait_until("the build", || second.join("waits").exists());
    let ran = project.xtask("lane fork").within(&second).fails_with(1);
    ran.says("cannot fork target: somebody builds in it");
    put(&second, "go", "");
    assert!(build.wait().expect("it ends").success());
    project.xtask("lane fork").within(&second).ok().forked();
    assert_eq!(printed(&project, &second), "one\n");
}

#[test]
fn a_lane_that_cannot_be_forked_is_built_without() {
    let project = donor();
    let second = worktree(&project, "second");
    // Something is in the way where units are staged; to this end the lane is made a file's
    // neighbour.
    put(&second, "target", "somebody's");
    let ran = project.xtask("build").within(&second).run();
    assert_eq!(ran.stderr().matches("begins cold").count(), 1, "{}", ran.report());
    std::fs::remove_file(second.join("target")).expect("it is there");
    first_build(&project, &second).forked();
}

/// git lists no worktree at all while the `commondir` of one is empty, as it is for a moment in
/// each that is made.
#[test]
#[cfg(unix)]
fn a_worktree_that_somebody_is_making_hides_no_donor() {
    let project = donor();
    let second = worktree(&project, "second");
    worktree(&project, "third");
    project.write(".git/worktrees/third/commondir", "");
    // Whoever makes the third goes on when git has failed once.
    let script = "PATH=$BEHIND\ngit \"$@\" || { code=$?; echo ../.. >\"$COMMONDIR\"; exit $code; }";
    project.script("../bin/git", script);
    let bin = project.root.with_file_name("bin");
    let behind = std::env::var("PATH").expect("a PATH");
    let build =
        project.xtask("build").within(&second).env("PATH", format!("{}:{behind}", bin.display()));
    let commondir = project.root.join(".git/worktrees/third/commondir");
    let ran = build.env("BEHIND", &behind).env("COMMONDIR", &commondir).ok();
    ran.forked().compiled(0);
    assert_eq!(std::fs::read_to_string(commondir).expect("it is there"), "../..\n");
}

//! `lane bench soak`: agents build in a small generated workspace for a long time, while processes
//! are killed and the disk budget is too small. Each result is compared with that of plain cargo.
//!
//! ```text
//! <temporary directory>/multilane-soak-<process>/
//! ├── repository/    the main checkout: nobody builds there after the first lane
//! ├── worktrees/     one for each agent, made anew now and then
//! ├── clean/         what plain cargo builds from nothing, deleted after each build
//! ├── wrong/         worktrees with a wrong result, and what is known of it
//! └── logs/          the output of what an agent runs at this moment
//! ```

mod agent;
mod clean;
mod report;
mod watch;
mod workspace;

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant, UNIX_EPOCH};

use anyhow::{Context as _, ensure};
use multilane_engine::disk::Space;
use multilane_engine::process::{Held, Shell};
use multilane_engine::project::Session;
use multilane_engine::ui::Ui;
use multilane_engine::{environment, files, ui};

use self::agent::Agent;
use self::report::Report;
use self::watch::{Collected, Foreign, Taken, Watch};
use crate::files::Temporary;
use crate::flags::lane::Soak;
use crate::process::{Slot, Wish, run_in_group};

/// What would lead a cargo elsewhere, or tell a build script of the soak.
const CLEARED: [&str; 13] = [
    "AGENT_ID",
    "CARGO_BUILD_BUILD_DIR",
    "CARGO_BUILD_RUSTC_WRAPPER",
    "CARGO_BUILD_TARGET_DIR",
    "CARGO_INCREMENTAL",
    "CARGO_TARGET_DIR",
    "MULTILANE_GC",
    "MULTILANE_OWN_VERBS",
    "MULTILANE_RECORDS",
    "MULTILANE_SOURCES",
    "RUSTC_WORKSPACE_WRAPPER",
    "RUSTC_WRAPPER",
    environment::ENGINE_VARIABLE,
];

/// What all threads have in common.
struct Shared<'a> {
    ui: Ui,
    sh: Shell,
    held: &'a Held,
    /// The engine's program, and the word by which cargo would call it.
    engine: Vec<OsString>,
    seed: u64,
    dir: PathBuf,
    ends: Instant,
    is_over: AtomicBool,
    /// One for each agent.
    slots: Vec<Slot>,
    /// What plain cargo makes of a content.
    clean: Mutex<HashMap<clean::Question, clean::Cell>>,
    foreign: Mutex<Foreign>,
    /// Who holds it may make and remove worktrees: git does not expect others to do it meanwhile.
    worktrees: Mutex<()>,
    report: Mutex<Report>,
}

impl Soak {
    pub(crate) fn run(self, session: Session) -> anyhow::Result<ExitCode> {
        ensure!(cfg!(target_os = "linux"), "it looks into /proc, which is Linux's");
        ensure!(self.agents > 0, "--agents has to be 1 or more");
        let ui = session.ui.quiet(self.quiet);
        let exe = environment::exe().context("cannot find the engine's program")?;
        let is_subcommand = ui.called == "cargo multilane";
        let seed = self.seed.unwrap_or_else(|| u64::from(std::process::id()));
        let place = self.dir.clone().unwrap_or_else(std::env::temp_dir);
        std::fs::create_dir_all(&place).context("the directory for the soak")?;
        let place = environment::real_path(&place).context("the directory for the soak")?;
        let mut temporary = Temporary::default();
        let dir = place.join(format!("multilane-soak-{}", std::process::id()));
        temporary.make(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
        ui.status("Soaking", format_args!("in {}, --seed {seed}", dir.display()));

        let held = Held::start();
        let shared = Shared {
            ui,
            sh: Shell::new(&session.env),
            held: &held,
            engine: [exe.into()]
                .into_iter()
                .chain(is_subcommand.then(|| "multilane".into()))
                .collect(),
            seed,
            dir,
            ends: Instant::now() + Duration::from_secs(u64::from(self.minutes) * 60),
            is_over: AtomicBool::new(false),
            slots: (0..self.agents).map(|_| Slot::default()).collect(),
            clean: Mutex::default(),
            foreign: Mutex::default(),
            worktrees: Mutex::default(),
            report: Mutex::default(),
        };
        let answer = shared.carry_out(self.budget);
        let report = shared.report.into_inner().expect("no thread panics with it");
        if self.keep || !report.wrong.is_empty() {
            temporary.present().for_each(|dir| ui.status("Kept", dir.display()));
        } else {
            for (dir, err) in temporary.delete() {
                ui.warn(format_args!("cannot delete {}: {err}; delete it yourself", dir.display()));
            }
        }
        answer?;
        if self.json {
            ui::data(serde_json::to_string_pretty(&report)?)?;
        } else {
            ui::data(&report)?;
        }
        if !report.is_right() {
            return Ok(ExitCode::FAILURE);
        }
        held.release();
        Ok(ExitCode::SUCCESS)
    }
}

impl Shared<'_> {
    fn carry_out(&self, budget: Option<u64>) -> anyhow::Result<()> {
        let began = Instant::now();
        for name in ["repository", "worktrees", "clean", "wrong", "logs"] {
            std::fs::create_dir(self.dir.join(name))?;
        }
        let budget = self.prepare(budget)?;
        let mut watch = Watch::default();
        std::thread::scope(|scope| {
            let agents: Vec<_> = (0..self.slots.len())
                .map(|number| scope.spawn(move || Agent::new(self, number).work()))
                .collect();
            let helpers = [
                scope.spawn(|| self.kill_now_and_then()),
                scope.spawn(|| self.tell_each_minute(began)),
            ];
            while !self.is_over() && !agents.iter().all(|agent| agent.is_finished()) {
                let free = Space::of(&self.dir).map(|space| space.free);
                watch.look(&self.worktrees(), budget, free);
                std::thread::sleep(Duration::from_secs(1));
            }
            self.is_over.store(true, Ordering::SeqCst);
            for agent in agents {
                if let Err(err) = agent.join().expect("no agent panics") {
                    self.ui.error(&err.context("an agent gave up"));
                    self.report().agents_that_gave_up += 1;
                }
            }
            helpers.into_iter().for_each(|helper| helper.join().expect("no helper panics"));
        });
        let touched = self.foreign.lock().expect("no thread panics with it").take_below(&self.dir);
        self.tell_touched(&touched);
        let collected = Collected::read(&self.collections());
        let mut report = self.report();
        report.compiled_again_share =
            report.compiled_again as f64 / report.counted_builds.max(1) as f64;
        report.minutes = began.elapsed().as_secs_f64() / 60.0;
        report.agents = self.slots.len();
        report.seed = self.seed;
        report.budget_bytes = budget;
        report.lanes_bytes_max = watch.bytes_max;
        report.excess_bytes_max = watch.excess_max;
        report.collections = collected.collections;
        report.collected_items = collected.items.len();
        report.promised_bytes = collected.promised;
        report.freed_bytes_by_engine = collected.freed;
        (report.freed_bytes_by_measure, report.freed_bytes_of_disk) = watch.freed_by(&collected);
        Ok(())
    }

    /// Makes the repository and a first lane. Returns the budget.
    fn prepare(&self, budget: Option<u64>) -> anyhow::Result<u64> {
        let root = self.repository();
        workspace::write(&root, "off")?;
        let lock = ["generate-lockfile", "--offline"];
        self.sh.read_cargo(&lock, &root).context("cannot write Cargo.lock")?;
        self.git(&root, &["init", "--quiet", "--initial-branch", "main"])?;
        for (name, value) in [
            ("user.name", "soak"),
            ("user.email", "soak@localhost"),
            ("commit.gpgsign", "false"),
            ("gc.auto", "0"),
        ] {
            self.git(&root, &["config", name, value])?;
        }
        self.git(&root, &["add", "--all"])?;
        self.git(&root, &["commit", "--quiet", "--message", "begin"])?;
        self.ui.status("Building", "the first lane");
        for verb in ["check", "build-dev", "test"] {
            let mut command = self.engine_command("first", &[verb], &root)?;
            let log = self.dir.join("logs/first");
            let ended = run_in_group(&mut command, &log, &Slot::default(), || self.wish())?;
            ensure!(ended.status.success(), "the first `{verb}` failed:\n{}", ended.output);
        }
        let lane = Taken::by_lanes_of(std::slice::from_ref(&root)).bytes();
        let lanes = self.slots.len().saturating_sub(1).max(1);
        let budget = budget.unwrap_or(lane * lanes as u64);
        self.report().warm_lane_bytes = lane;
        self.ui.status(
            "Budget",
            format_args!("{}; one warm lane takes {}", ui::bytes(budget), ui::bytes(lane)),
        );
        let manifest = root.join("Cargo.toml");
        let text =
            files::read_text(&manifest)?.replace("disk = \"off\"", &format!("disk = \"{budget}\""));
        files::write_atomically(&manifest, text.as_bytes())?;
        self.git(&root, &["commit", "--quiet", "--all", "--message", "budget"])?;
        // The branch is moved by the agents.
        self.git(&root, &["switch", "--quiet", "--detach"])?;
        Ok(budget)
    }

    fn repository(&self) -> PathBuf {
        self.dir.join("repository")
    }

    fn worktrees(&self) -> Vec<PathBuf> {
        files::subdirectories(&self.dir.join("worktrees")).chain([self.repository()]).collect()
    }

    fn records(&self) -> PathBuf {
        self.repository().join(".git/multilane/records.jsonl")
    }

    fn collections(&self) -> PathBuf {
        self.repository().join(".git/multilane/collected.jsonl")
    }

    /// Once more where another git was making a worktree at this moment, of which it has read half.
    fn git(&self, dir: &Path, args: &[&str]) -> anyhow::Result<String> {
        const TRIES_MAX: usize = 5;
        let is_race = |answer: &anyhow::Result<Vec<u8>>| {
            answer
                .as_ref()
                .is_err_and(|err| format!("{err:#}").contains("failed to read .git/worktrees"))
        };
        let mut answer = self.sh.read("git", args, dir);
        for _ in 1..TRIES_MAX {
            if !is_race(&answer) {
                break;
            }
            std::thread::sleep(Duration::from_millis(100));
            answer = self.sh.read("git", args, dir);
        }
        let output = answer?;
        Ok(String::from_utf8_lossy(&output).trim().to_owned())
    }

    /// A verb of the engine's, called by an agent.
    fn engine_command(&self, agent: &str, words: &[&str], dir: &Path) -> anyhow::Result<Command> {
        let args = self.engine[1..].iter().cloned().chain(words.iter().map(OsString::from));
        let mut command = self.command(&self.engine[0], args, dir)?;
        command.env("AGENT_ID", agent);
        Ok(command)
    }

    /// One that sees nothing of who has started the soak.
    fn command(
        &self,
        program: &OsStr,
        args: impl IntoIterator<Item = impl AsRef<OsStr>>,
        dir: &Path,
    ) -> anyhow::Result<Command> {
        let mut command = self.sh.command(program, args, dir)?;
        for name in CLEARED {
            command.env_remove(name);
        }
        Ok(command)
    }

    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::SeqCst) || self.held.has_come() || Instant::now() >= self.ends
    }

    /// For what runs: nothing goes on after the end.
    fn wish(&self) -> Wish {
        if self.is_over() { Wish::Kill } else { Wish::GoOn }
    }

    /// Returns early at the end of the soak.
    fn pause(&self, time: Duration) {
        const LOOKING_EVERY: Duration = Duration::from_millis(100);
        let began = Instant::now();
        while began.elapsed() < time && !self.is_over() {
            std::thread::sleep(LOOKING_EVERY);
        }
    }

    fn report(&self) -> MutexGuard<'_, Report> {
        self.report.lock().expect("no thread panics with it")
    }

    /// Not one of plain cargo's builds: what the agents are compared with has to end.
    fn kill_now_and_then(&self) {
        let mut random = Random(self.seed ^ u64::MAX);
        while !self.is_over() {
            self.pause(Duration::from_millis(2000 + random.below(6000) as u64));
            let first = random.below(self.slots.len());
            let (after, before) = (&self.slots[first..], &self.slots[..first]);
            // The deepest, which is a compiler, a linker or a test, as often as any.
            let mut pick = |count| match random.is_once_in(2) {
                true => count - 1,
                false => random.below(count),
            };
            let killed = after.iter().chain(before).find_map(|slot| slot.kill_one(&mut pick));
            if let Some(name) = killed {
                *self.report().kills.entry(name).or_default() += 1;
            }
        }
    }

    fn tell_each_minute(&self, began: Instant) {
        while !self.is_over() {
            self.pause(Duration::from_secs(60));
            let report = self.report();
            self.ui.status(
                "Soaked",
                format_args!("{}: {}", ui::duration(began.elapsed()), report.so_far()),
            );
        }
    }

    fn tell_touched(&self, touched: &[PathBuf]) {
        for path in touched {
            self.ui.warn(format_args!("{} is not as it was", path.display()));
        }
        self.report().foreign_files_touched += touched.len();
    }
}

/// Now, as the records have it.
fn unix_seconds() -> f64 {
    environment::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

/// Numbers that a seed determines: `SplitMix64`.
struct Random(u64);

impl Random {
    /// Below `end`, which is not 0.
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % end as u64).unwrap_or_default()
    }

    /// Once in so many times.
    fn is_once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }
}

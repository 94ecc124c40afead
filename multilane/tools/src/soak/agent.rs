//! An agent: it works in a worktree of its own as a coding agent would, and judges what it gets.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use multilane_engine::files;

use super::clean::Clean;
use super::watch::{Collected, Record, Taken};
use super::workspace::{self, Edit, PROGRAM, Snapshot, crate_at, placeless};
use super::{Random, Shared, unix_seconds};
use crate::files::rename_to_free;
use crate::process::{Ended, Slot, Wish, run_in_group};

#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
enum Verb {
    Check,
    Build,
    Test,
}

impl Verb {
    fn word(self) -> &'static str {
        match self {
            Verb::Check => "check",
            Verb::Build => "build-dev",
            Verb::Test => "test",
        }
    }
}

pub(super) struct Agent<'a> {
    shared: &'a Shared<'a>,
    number: usize,
    random: Random,
    /// With each worktree it takes another name.
    worktrees: usize,
    name: String,
    worktree: PathBuf,
    /// The crate that does not compile at this moment.
    broken: Option<&'static str>,
    /// Whether its last call was killed or interrupted.
    was_hit: bool,
    /// What was done in this worktree, for a reader.
    history: Vec<String>,
    /// What each lane was last checked or built with.
    last: HashMap<(PathBuf, Verb), Snapshot>,
}

/// A call that has ended by itself.
struct Call {
    verb: Verb,
    before: Snapshot,
    began: f64,
    ended: Ended,
    /// Where the engine has recorded it.
    record: Option<Record>,
}

impl<'a> Agent<'a> {
    pub(super) fn new(shared: &'a Shared<'a>, number: usize) -> Agent<'a> {
        Agent {
            shared,
            number,
            random: Random(shared.seed.wrapping_add(number as u64)),
            worktrees: 0,
            name: String::new(),
            worktree: PathBuf::new(),
            broken: None,
            was_hit: false,
            history: Vec::new(),
            last: HashMap::new(),
        }
    }

    /// Until the soak is over. What is cut short by its end is no error.
    pub(super) fn work(mut self) -> anyhow::Result<()> {
        self.make_worktree()?;
        while !self.shared.is_over() {
            let done = self.work_once();
            if !self.shared.is_over() {
                done.with_context(|| self.name.clone())?;
            }
        }
        Ok(())
    }

    fn work_once(&mut self) -> anyhow::Result<()> {
        match self.random.below(100) {
            _ if self.broken.is_some() => self.edit()?,
            0..70 => self.edit()?,
            70..78 => self.switch()?,
            78..86 => self.commit(),
            86..92 => self.rebase()?,
            92..96 => self.update()?,
            _ => self.replace_worktree()?,
        }
        let verb = match self.random.below(10) {
            0..4 => Verb::Check,
            4..8 => Verb::Build,
            _ => Verb::Test,
        };
        if let Some(call) = self.call(verb)? {
            self.judge(&call)?;
        }
        Ok(())
    }

    /// From small ranges, so that many contents have been built before.
    fn edit(&mut self) -> anyhow::Result<()> {
        let random = &mut self.random;
        let (name, edit) = match self.broken.take() {
            Some(name) => (name, Edit::Functions(0)),
            None => {
                let edit = match random.below(20) {
                    0..8 => {
                        let is_expected = !random.is_once_in(12);
                        Edit::Number { number: random.below(3), is_expected }
                    }
                    8..12 => Edit::Text(random.below(2)),
                    12..16 => Edit::Functions(random.below(3)),
                    16..19 => Edit::Data(random.below(3)),
                    _ => Edit::Broken,
                };
                (crate_at(random.below(usize::MAX)), edit)
            }
        };
        self.broken = (edit == Edit::Broken).then_some(name);
        self.history.push(format!("{name}: {edit:?}"));
        workspace::edit(&self.worktree, name, edit)
    }

    fn git(&self, args: &[&str]) -> anyhow::Result<String> {
        self.shared.git(&self.worktree, args)
    }

    /// There may be nothing to commit.
    fn commit(&self) {
        drop(self.git(&["commit", "--quiet", "--all", "--message", "edit"]));
    }

    /// To what any agent has committed.
    fn switch(&mut self) -> anyhow::Result<()> {
        self.commit();
        let branch = self.any_branch()?;
        self.history.push(format!("switch to {branch}"));
        self.git(&["switch", "--quiet", "--force-create", &self.name, &branch])?;
        Ok(())
    }

    fn any_branch(&mut self) -> anyhow::Result<String> {
        let format = "--format=%(refname:short)";
        let list =
            self.shared.git(&self.shared.repository(), &["for-each-ref", format, "refs/heads"])?;
        let branches: Vec<&str> = list.lines().collect();
        let at = self.random.below(branches.len());
        Ok(branches.get(at).copied().unwrap_or("main").to_owned())
    }

    /// On main, which then takes it in now and then.
    fn rebase(&mut self) -> anyhow::Result<()> {
        self.commit();
        self.history.push("rebase".to_owned());
        if self.git(&["rebase", "--quiet", "main"]).is_err() {
            self.git(&["rebase", "--abort"])?; // A conflict.
        } else if self.random.is_once_in(2) {
            self.git(&["update-ref", "refs/heads/main", "HEAD"])?;
        }
        Ok(())
    }

    fn update(&mut self) -> anyhow::Result<()> {
        self.history.push("update".to_owned());
        workspace::edit(&self.worktree, "", Edit::Update)?;
        self.shared.sh.read_cargo(&["generate-lockfile", "--offline"], &self.worktree)?;
        Ok(())
    }

    fn replace_worktree(&mut self) -> anyhow::Result<()> {
        self.leave_worktree();
        let path = self.worktree.to_string_lossy().into_owned();
        {
            let _only = self.shared.worktrees.lock().expect("no thread panics with it");
            let git = |args: &[&str]| self.shared.git(&self.shared.repository(), args);
            // While another agent's `gc` deletes there, git may find what is gone a moment later.
            if git(&["worktree", "remove", "--force", &path]).is_err() {
                files::delete_dir(&self.worktree)?;
                git(&["worktree", "prune"])?;
            }
        }
        self.make_worktree()
    }

    /// Says which files that are not ours were touched there.
    fn leave_worktree(&self) {
        let mut foreign = self.shared.foreign.lock().expect("no thread panics with it");
        self.shared.tell_touched(&foreign.take_below(&self.worktree));
    }

    /// By git or by `lane new`.
    fn make_worktree(&mut self) -> anyhow::Result<()> {
        self.worktrees += 1;
        self.name = format!("agent-{}-{}", self.number + 1, self.worktrees);
        self.worktree = self.shared.dir.join("worktrees").join(&self.name);
        (self.broken, self.was_hit) = (None, false);
        self.last.clear();
        let branch = self.any_branch()?;
        self.history = vec![format!("made from {branch}")];
        let path = self.worktree.to_string_lossy().into_owned();
        let repository = self.shared.repository();
        let _only = self.shared.worktrees.lock().expect("no thread panics with it");
        if self.random.is_once_in(2) {
            let args = ["worktree", "add", "--quiet", "-b", &self.name, &path, &branch];
            self.shared.git(&repository, &args)?;
        } else {
            let words = ["lane", "new", "--quiet", "--path", &path, "--from", &branch, &self.name];
            // Nothing of it is killed: the git below would leave its locks.
            let mut command = self.shared.engine_command(&self.name, &words, &repository)?;
            let log = self.shared.dir.join("logs").join(format!("new-{}", self.number));
            let slot = Slot::default();
            let ended = run_in_group(&mut command, &log, &slot, || self.shared.wish())?;
            ensure!(ended.status.success(), "`{}` failed: {}", words.join(" "), ended.output);
        }
        let mut foreign = self.shared.foreign.lock().expect("no thread panics with it");
        foreign.plant(&self.worktree, &self.name)
    }

    /// Calls the engine in the worktree. Returns whether it was interrupted, too.
    fn run(&self, verb: Verb, interrupt_after: Option<Duration>) -> anyhow::Result<(Ended, bool)> {
        let mut command = self.shared.engine_command(&self.name, &[verb.word()], &self.worktree)?;
        let log = self.shared.dir.join("logs").join(self.number.to_string());
        let began = Instant::now();
        let mut is_interrupted = false;
        let ended = run_in_group(&mut command, &log, &self.shared.slots[self.number], || {
            let is_time = interrupt_after.is_some_and(|after| began.elapsed() >= after);
            match self.shared.wish() {
                Wish::GoOn if is_time && !is_interrupted => {
                    is_interrupted = true;
                    Wish::Interrupt
                }
                other => other,
            }
        })?;
        Ok((ended, is_interrupted))
    }

    /// `None` where there is nothing to judge.
    fn call(&mut self, verb: Verb) -> anyhow::Result<Option<Call>> {
        let shared = self.shared;
        let before = Snapshot::read(&self.worktree)?;
        let own_lanes = self.worktree.join(".lanes").join(&self.name);
        let lanes_before = Taken::below(&own_lanes);
        let began = unix_seconds();
        let interrupt_after = self
            .random
            .is_once_in(12)
            .then(|| Duration::from_millis(100 + self.random.below(3000) as u64));
        let (ended, is_interrupted) = self.run(verb, interrupt_after)?;
        let is_killed = shared.slots[self.number].take_kills() > 0;
        if shared.is_over() {
            return Ok(None);
        }
        let growth = Taken::below(&own_lanes).grown_since(&lanes_before);
        {
            let mut report = shared.report();
            match verb {
                Verb::Check => report.checks += 1,
                Verb::Build => report.builds += 1,
                Verb::Test => report.tests += 1,
            }
            report.interrupts += usize::from(is_interrupted);
            report.growth_bytes_max = report.growth_bytes_max.max(growth);
        }
        let was_hit = std::mem::replace(&mut self.was_hit, is_killed || is_interrupted);
        let hit = if self.was_hit { ", killed or interrupted" } else { "" };
        self.history.push(format!("{}: {}{hit}", verb.word(), ended.status));
        if self.was_hit {
            self.last.clear();
            // Of a git below the engine that was ended.
            let own = Path::new(".git/worktrees").join(&self.name).join("index.lock");
            files::remove_own_file(&shared.repository().join(own))?;
            shared.report().not_judged += 1;
            return Ok(None);
        }
        // What a killed call has left may hold the lock for a moment: that is the agent's own.
        if !was_hit {
            self.count_waits(verb, &ended.output);
        }
        let record = Record::last_of(&shared.records(), &self.name, began);
        Ok(Some(Call { verb, before, began, ended, record }))
    }

    fn count_waits(&self, verb: Verb, output: &str) {
        let places = ["build directory", "artifact directory"];
        let is_wait = |line: &&str| {
            places.iter().any(|place| line.contains(&format!("waiting for file lock on {place}")))
        };
        for line in output.lines().filter(is_wait) {
            self.shared.report().waits += 1;
            self.shared.ui.warn(format_args!("{}: `{}`: {line}", self.name, verb.word()));
        }
    }

    fn judge(&mut self, call: &Call) -> anyhow::Result<()> {
        let shared = self.shared;
        let content = call.before.content();
        if let Some(record) = &call.record {
            self.count_again(call, record);
        }
        let Some(clean) = shared.clean(&content, call.verb == Verb::Test)? else { return Ok(()) };
        let success = call.ended.status.success();
        if success != clean.success {
            let is_stale = success;
            let how = |success| if success { "success" } else { "failure" };
            return self.tell_wrong(call, &clean, is_stale, &how(clean.success), &how(success));
        }
        if let (Verb::Build, Some(expected)) = (call.verb, &clean.said) {
            let said = match self.said_by_program(call) {
                Ok(said) => said,
                Err(_) if self.was_collected(call) => {
                    shared.report().not_judged += 1;
                    return Ok(());
                }
                Err(err) => format!("{err:#}"),
            };
            if said != *expected {
                return self.tell_wrong(call, &clean, true, expected, &said);
            }
        }
        shared.report().compared += 1;
        Ok(())
    }

    fn said_by_program(&self, call: &Call) -> anyhow::Result<String> {
        let record = call.record.as_ref().context("the engine has not recorded the build")?;
        let program = record.lane.join("debug").join(PROGRAM);
        let output = self.shared.sh.read(&program, [""; 0], &self.worktree)?;
        Ok(placeless(&String::from_utf8_lossy(&output), &self.worktree))
    }

    fn was_collected(&self, call: &Call) -> bool {
        let collected = Collected::read(&self.shared.collections());
        let is_later = |lane: &PathBuf| {
            collected.items.iter().any(|item| item.lane == *lane && item.unix_seconds >= call.began)
        };
        // `gc` notes it when all is gone, and never where it is killed before.
        let is_gone = |lane: &PathBuf| !lane.exists() || is_later(lane);
        call.record.as_ref().is_some_and(|record| is_gone(&record.lane))
    }

    /// Whether the call compiled what was there before something was collected.
    fn count_again(&mut self, call: &Call, record: &Record) {
        let waited = record.waits.iter();
        {
            let mut report = self.shared.report();
            report.cold_start_waits += record.waits.len();
            report.cold_start_seconds += waited.sum::<f64>();
        }
        if !call.ended.status.success() {
            return;
        }
        let Some(compiled) = &record.compiled else { return };
        let place = (record.lane.clone(), call.verb);
        if let Some(last) = self.last.insert(place, call.before.clone()) {
            let changed = call.before.changed_since(&last);
            let is_again = compiled.iter().any(|name| !changed.contains(name.as_str()));
            let collected = Collected::read(&self.shared.collections());
            let is_recent = collected.recently_from(&record.lane, call.began);
            self.shared.report().compiled_again += usize::from(is_again && is_recent);
        }
        self.shared.report().counted_builds += 1;
    }

    /// Everything that is needed to look at it. The worktree is set aside with its lanes.
    fn tell_wrong(
        &mut self,
        call: &Call,
        clean: &Clean,
        is_stale: bool,
        expected: &dyn fmt::Display,
        got: &dyn fmt::Display,
    ) -> anyhow::Result<()> {
        let shared = self.shared;
        let kept = {
            let mut report = shared.report();
            let count =
                if is_stale { &mut report.stale_results } else { &mut report.failed_builds };
            *count += 1;
            report.compared += 1;
            shared.dir.join("wrong").join((report.wrong.len() + 1).to_string())
        };
        let text = format!(
            "{} result of {} in {}, kept as {}\n\
             commit: {}\ndiff: {}\n\
             command: AGENT_ID={} {} {}\nlane: {}\n\
             before: {}\nexpected: {expected}\ngot: {got}\n\
             it said: {}\nplain cargo said: {}",
            if is_stale { "stale" } else { "failed" },
            self.name,
            self.worktree.display(),
            kept.display(),
            self.git(&["rev-parse", "HEAD"]).unwrap_or_default(),
            self.git(&["diff", "HEAD"]).unwrap_or_default(),
            self.name,
            shared.engine.join(" ".as_ref()).to_string_lossy(),
            call.verb.word(),
            call.record
                .as_ref()
                .map_or_else(String::new, |record| record.lane.display().to_string()),
            self.history.join("; "),
            call.ended.output,
            clean.output,
        );
        shared.ui.warn(&text);
        self.leave_worktree();
        rename_to_free(&self.worktree, &kept)?;
        files::write_atomically(&kept.with_extension("txt"), text.as_bytes())?;
        shared.report().wrong.push(text);
        self.make_worktree()
    }
}

//! A cold start: the first build in a lane in which nothing was built yet. Whoever comes first
//! leads; those who want the same wait, and then fork from its lane.

pub mod goal;
pub mod leader;
pub mod progress;

use std::path::{Path, PathBuf};
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use crate::cold_start::goal::{
    Goal, Look, Needed, Note, Stage, Verdict, builds, needed, selection, settings, verdict,
};
use crate::cold_start::leader::{Election, Lead, Leader};
use crate::cold_start::progress::Progress;
use crate::lanes::choose::{LaneChoice, Lockfile};
use crate::lanes::{Lane, Owner, list};
use crate::process::step::{Recipe, Step};
use crate::project::git_dir::Common;
use crate::project::{Project, changes};
use crate::record::{Fork, Wait};
use crate::ui::Ui;
use crate::units;
use crate::units::Place;

/// What has to be remembered while a lane is built in.
#[derive(Default)]
pub struct ColdStart {
    /// For as long as others may wait for us.
    lead: Option<Lead>,
    /// The last step of the recipe that builds.
    last: usize,
    pub waited: Duration,
    /// What was forked for it, and for whom it waited.
    pub forks: Vec<Fork>,
    pub waits: Vec<Wait>,
}

/// Why one waits no longer.
enum Waited {
    /// There is nothing more to wait for.
    Enough,
    /// Somebody has to go on with what is in it.
    GoOn,
}

impl ColdStart {
    /// Before this process becomes cargo, which then has the lead.
    pub fn hand_on(&mut self) {
        self.before_step(self.last);
        if let Some(lead) = self.lead.take() {
            lead.hand_on();
        }
    }

    pub fn before_step(&mut self, step: usize) {
        if let Some(lead) = self.lead.as_mut().filter(|_| step == self.last) {
            let units = units::count(&lead.note.lane);
            lead.tell(Stage::Last, units);
        }
    }

    pub fn after_step(&mut self, step: usize, has_succeeded: bool) {
        if (!has_succeeded || step == self.last)
            && let Some(lead) = self.lead.take()
        {
            // Tests that fail, or a program, have been built.
            let has_built_all = || {
                let mut progress = Progress::of(&lead.note.lane);
                progress.look() && progress.incomplete.is_empty()
            };
            let is_done = has_succeeded || has_built_all();
            lead.finish(is_done);
        }
    }
}

/// Sees to it that what others have built, or are building, need not be built again in a lane that
/// is empty. Whatever goes wrong, cargo can build without.
pub fn cold_start(project: &Project, ui: Ui, lane: &Lane, recipe: &Recipe) -> ColdStart {
    if !crate::fork::is_cold(project, lane) {
        return ColdStart::default();
    }
    let toolchain = recipe.toolchain();
    let last = recipe.steps.iter().rposition(|step| builds(&step.line()));
    // Windows lets nobody read a file that is locked, so that nobody would hear of the one who
    // leads.
    let Some(last) = last.filter(|_| cfg!(unix)) else {
        let fork = crate::fork::fork_if_empty(project, ui, lane, toolchain, &[]);
        return ColdStart { forks: fork.into_iter().collect(), ..ColdStart::default() };
    };
    let Ok(goal) = goal_of(project, lane, recipe) else {
        // cargo will say what is wrong.
        let fork = crate::fork::fork_if_empty(project, ui, lane, toolchain, &[]);
        return ColdStart { forks: fork.into_iter().collect(), ..ColdStart::default() };
    };

    // What is being built for us at this moment is forked when it is there, as a whole.
    let room = cold_room(project);
    let mut leading = leader::notes(&room);
    leading.retain(|note| is_for(note, &goal));
    let avoided: Vec<PathBuf> = leading.iter().map(|note| note.lane.clone()).collect();
    let mut start = ColdStart { last, ..ColdStart::default() };
    start.forks.extend(crate::fork::fork_if_empty(project, ui, lane, toolchain, &avoided));

    let begun = Instant::now();
    let led = lead_or_follow(project, ui, &room, lane, goal, leading.pop(), &mut start);
    start.lead = led.unwrap_or_else(|err| {
        ui.warn(format_args!("cannot build together with others: {err:#}"));
        None
    });
    start.waited = begun.elapsed();
    start
}

/// Returns when there is something to do for cargo: with the lead, or without where somebody had
/// it. `donor` is one who was leading before, and may have ended since.
pub fn lead_or_follow(
    project: &Project,
    ui: Ui,
    room: &Path,
    lane: &Lane,
    goal: Goal,
    mut donor: Option<Note>,
    start: &mut ColdStart,
) -> anyhow::Result<Option<Lead>> {
    let own = Note {
        who: name_of(project, lane),
        pid: std::process::id(),
        root: project.repo.root.clone(),
        lane: lane.dir.clone(),
        identity: progress::identity(&lane.dir),
        goal,
        stage: Stage::Before,
        units: 0,
    };
    // Every round but the last is a builder that has failed or was stopped.
    const ROUNDS_MAX: u32 = 32;
    for _ in 0..ROUNDS_MAX {
        match leader::elect(room, own.clone(), |note| is_for(note, &own.goal))? {
            Election::Lead(lead) => {
                start.forks.extend(fork_from(project, ui, lane, donor.as_ref()));
                return Ok(Some(*lead));
            }
            Election::Follow(leader) => {
                let begun = Instant::now();
                let (waited, note) = wait_for(project, ui, lane, &own.goal, &leader)?;
                ui.end_progress();
                let builder = note.as_ref().map(|note| note.who.clone()).unwrap_or_default();
                start.waits.push(Wait { builder, time: begun.elapsed() });
                donor = note.or(donor);
                if let Waited::Enough = waited {
                    break;
                }
            }
        }
    }
    start.forks.extend(fork_from(project, ui, lane, donor.as_ref()));
    Ok(None)
}

/// Waits while that is worth it. Returns with the last that was heard of the one who leads.
pub fn wait_for(
    project: &Project,
    ui: Ui,
    lane: &Lane,
    goal: &Goal,
    leader: &Leader,
) -> anyhow::Result<(Waited, Option<Note>)> {
    /// Also before the first look: where a warm lane was forked, it is over by then.
    const LOOK_EVERY: Duration = Duration::from_millis(250);
    /// Who takes the lead says where it builds at once.
    const SILENCE_MAX: Duration = Duration::from_secs(2);

    let patience = patience(project);
    let end = leader.end()?;
    let begun = Instant::now();
    let mut watch: Option<Watch> = None;
    let mut has_said = false;
    loop {
        let has_ended = !matches!(end.recv_timeout(LOOK_EVERY), Err(RecvTimeoutError::Timeout));
        let is_over = has_ended || leader.is_deposed();
        let note = leader.note(); // Only now: what is done is said before the name is taken away.
        if is_over {
            // Who has become cargo cannot say that all is done, but it can be seen.
            let is_done = |note: &Note| {
                let watch = watch.as_mut().filter(|watch| watch.lane == note.lane);
                note.stage == Stage::Done || watch.is_some_and(|watch| watch.sees_all(note))
            };
            let waited =
                if note.as_ref().is_some_and(is_done) { Waited::Enough } else { Waited::GoOn };
            return Ok((waited, note));
        }
        let Some(note) = note else {
            if begun.elapsed() > SILENCE_MAX {
                return Ok((Waited::Enough, None));
            }
            continue;
        };
        if note.lane == lane.dir {
            return Ok((Waited::Enough, Some(note))); // cargo's own lock is between us.
        }

        let watch = match &mut watch {
            Some(watch) if watch.lane == note.lane => watch,
            _ => watch.insert(watch_of(project, &note, goal)),
        };
        let look = watch.look(note.pid);
        match verdict(&note, &watch.needed, &look, patience) {
            Verdict::Ready => return Ok((Waited::Enough, Some(note))),
            Verdict::GoOn(why) => {
                leader.depose();
                ui.end_progress();
                ui.status(
                    "Continuing",
                    format_args!("without {} (pid {}), which {why}", note.who, note.pid),
                );
                return Ok((Waited::GoOn, Some(note)));
            }
            Verdict::Wait if has_said => {
                ui.progress("Waiting", format_args!("for {}: {}", note.who, watch.progress));
            }
            Verdict::Wait => {
                has_said = true;
                let (who, pid) = (&note.who, note.pid);
                ui.status("Waiting", format_args!("for {who}, which builds the same (pid {pid})"));
            }
        }
    }
}

fn watch_of(project: &Project, note: &Note, goal: &Goal) -> Watch {
    let lockfile = std::fs::read_to_string(project.repo.lockfile()).unwrap_or_default();
    let has_our_sources = changes::are_same(&project.sh, &project.repo.root, &note.root);
    Watch {
        lane: note.lane.clone(),
        needed: needed(&lockfile, goal, has_our_sources),
        progress: Progress::of(&note.lane),
        moved: Instant::now(),
        left_looks: 0,
    }
}

/// What the one who led has built, or had built until it ended.
pub fn fork_from(project: &Project, ui: Ui, lane: &Lane, donor: Option<&Note>) -> Option<Fork> {
    let donor = donor.filter(|donor| donor.lane != lane.dir)?;
    let had_nothing_to_do = donor.stage == Stage::Done && units::count(&donor.lane) == donor.units;
    if had_nothing_to_do && units::has_any(&lane.dir) {
        return None;
    }
    crate::fork::fork_one(project, ui, lane, Place::new(donor.root.clone(), donor.lane.clone()))
}

fn goal_of(project: &Project, lane: &Lane, recipe: &Recipe) -> anyhow::Result<Goal> {
    let mut lines: Vec<Vec<String>> = recipe.steps.iter().map(Step::line).collect();
    lines.retain(|line| builds(line));
    let key = if let Owner::Agent { inputs, .. } = &lane.owner {
        inputs.key()
    } else {
        let selection = selection(&lines);
        let inputs = crate::lanes::choose::key_inputs(
            project,
            &LaneChoice {
                selection,
                named: None,
                toolchain: recipe.toolchain().map(str::to_owned),
                lockfile: Lockfile::MustStay,
            },
        )?;
        inputs.key()
    };
    let common = Common::of(&project.repo.root);
    let workspace = common.as_ref().map(Common::inside).unwrap_or(Path::new(""));
    let mut settings = settings(project.session.env.iter());
    settings.push(format!("workspace={}", workspace.display()));
    let inside =
        project.repo.inside.strip_prefix(&project.repo.root).unwrap_or(&project.repo.inside);
    let inside = inside.to_string_lossy().into_owned();
    Ok(Goal { key, inside, settings, lines })
}

pub fn cold_room(project: &Project) -> PathBuf {
    Common::of(&project.repo.root)
        .map_or_else(|| project.repo.lanes_dir().join(".cold"), |common| common.cold())
}

/// What people call the one who builds in a lane.
pub fn name_of(project: &Project, lane: &Lane) -> String {
    let dir = match lane.owner {
        Owner::Agent { .. } => lane.dir.parent(),
        Owner::Worktree | Owner::Named => Some(project.repo.root.as_path()),
    };
    dir.and_then(Path::file_name).unwrap_or_default().to_string_lossy().into_owned()
}

/// How long one waits for somebody who completes nothing. A single crate can take minutes; who
/// waits that long in vain loses no more than this.
pub fn patience(project: &Project) -> Duration {
    const PATIENCE: Duration = Duration::from_secs(180);
    // Nobody has time for that in a test.
    let of_test =
        project.session.env.get("XTASK_TEST_PATIENCE_MS").and_then(|value| value.to_str());
    of_test.and_then(|value| value.parse().ok()).map_or(PATIENCE, Duration::from_millis)
}

/// Whether somebody builds what we want, in a lane that we see: in a container its name may be that
/// of another one.
fn is_for(note: &Note, goal: &Goal) -> bool {
    let is_seen = note.identity.is_none() || note.identity == progress::identity(&note.lane);
    is_seen && note.goal.covers(goal)
}

/// A lane in which somebody else builds what we want.
struct Watch {
    lane: PathBuf,
    needed: Needed,
    progress: Progress,
    /// When something was last seen to happen.
    moved: Instant,
    /// How many looks in a row have found cargo gone.
    left_looks: u32,
}

impl Watch {
    /// Whether nothing that we need was missing when the one who led has ended.
    fn sees_all(&mut self, note: &Note) -> bool {
        self.progress.look();
        let look = Look {
            units: self.progress.units(),
            incomplete: self.progress.incomplete.clone(),
            ..Look::default()
        };
        verdict(note, &self.needed, &look, Duration::MAX) == Verdict::Ready
    }

    fn look(&mut self, pid: u32) -> Look {
        /// Between two commands of one step cargo may be gone for a moment.
        const LEFT_LOOKS: u32 = 4;

        if self.progress.look() {
            self.moved = Instant::now();
        }
        self.left_looks = if list::was_left_by_cargo(&self.lane) { self.left_looks + 1 } else { 0 };
        Look {
            units: self.progress.units(),
            incomplete: self.progress.incomplete.clone(),
            is_left: self.left_looks >= LEFT_LOOKS,
            is_suspended: progress::is_suspended(pid),
            idle: self.moved.elapsed(),
        }
    }
}

//! Cold starts: builders that begin with an empty lane and want the same.
//!
//! Each would compile the same units, all of them slower than one alone. So the first one leads;
//! the others follow: they wait, fork from its lane, and leave the rest to cargo. Waiting only
//! saves time, so a builder waits for a leader that makes everything for it, as long as something
//! that it needs is missing there and the leader makes progress. In doubt it builds.

mod goal;
mod leader;
mod progress;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::cargo_line::CargoLine;
use crate::cold_start::goal::Goal;
use crate::cold_start::leader::{Election, Lead, Leader, Note};
use crate::cold_start::progress::{Decision, Progress};
use crate::environment::Environment;
use crate::files;
use crate::fork::{
    begins_cold, begins_elsewhere, fork_if_empty, fork_one, is_cold, known_layout, trust,
};
use crate::lanes::choose::{LaneChoice, Lockfile, key_inputs};
use crate::lanes::{Lane, Owner, short_hash};
use crate::process::step::{Recipe, Step};
use crate::project::git_dir::Common;
use crate::project::{Project, changes};
use crate::record::{Fork, Wait};
use crate::ui::Ui;
use crate::units::{self, Place};

/// What a build remembers of its cold start, if it had one.
#[derive(Default)]
pub struct ColdStart {
    /// For as long as others may wait for us.
    lead: Option<Lead>,
    /// The last step of the recipe that builds.
    last: usize,
    pub waited: Duration,
    pub forks: Vec<Fork>,
    /// Why nothing could be forked.
    pub no_fork: Option<String>,
    pub waits: Vec<Wait>,
}

impl ColdStart {
    /// Before this process becomes cargo, which then leads.
    pub fn hand_on(&mut self) {
        self.before_step(self.last);
        if let Some(lead) = self.lead.take() {
            lead.hand_on();
        }
    }

    pub fn before_step(&mut self, step: usize) {
        if let Some(lead) = self.lead.as_mut().filter(|_| step == self.last) {
            lead.start_last_step(units::count(&lead.note.lane));
        }
    }

    pub fn after_step(&mut self, step: usize, has_succeeded: bool) {
        let is_last = !has_succeeded || step == self.last;
        if let Some(lead) = self.lead.take_if(|_| is_last) {
            // A program or a test that fails was built.
            let is_done = has_succeeded || is_all_complete(&lead.note.lane);
            lead.finish(is_done);
        }
    }
}

fn is_all_complete(lane: &Path) -> bool {
    let places = units::places(lane);
    !places.is_empty() && places.iter().all(|(_, place)| units::is_complete(lane, place))
}

/// Before a build in an empty lane: forks what other lanes have, and waits for a builder that is
/// making the same. On any error cargo builds without.
pub fn cold_start(project: &Project, ui: Ui, lane: &Lane, recipe: &Recipe) -> ColdStart {
    let mut start = ColdStart::default();
    if !is_cold(project, lane) {
        start.no_fork = begins_elsewhere(project, ui, lane);
        return start;
    }
    let fork = |start: &mut ColdStart, avoided: &[PathBuf]| match fork_if_empty(
        project,
        ui,
        lane,
        Some(recipe),
        avoided,
    ) {
        Ok(fork) => start.forks.extend(fork),
        Err(why) => start.no_fork = Some(why),
    };
    // Not on Windows, where we cannot tell whether two paths are one directory.
    let last = recipe.steps.iter().rposition(|step| goal::is_shared(&step.line()));
    let goal = last.filter(|_| cfg!(unix)).map(|_| goal_of(project, lane, recipe));
    let (Some(last), Some(Ok(goal))) = (last, goal) else {
        fork(&mut start, &[]);
        return start;
    };
    start.last = last;

    // What a leader is building for us is forked at its end, as a whole.
    let common = Common::of(&project.repo.root);
    let room = common.map_or_else(|| project.repo.lanes_dir().join(".cold"), |git| git.cold());
    let mut leading = leader::notes(&room);
    leading.retain(|note| is_for(project, note, &goal));
    let avoided: Vec<PathBuf> = leading.iter().map(|note| note.lane.clone()).collect();
    fork(&mut start, &avoided);

    let begun = Instant::now();
    let own = Note {
        builder: builder_of(lane, &project.repo.root),
        pid: std::process::id(),
        root: project.repo.root.clone(),
        lane: lane.dir.clone(),
        identity: progress::identity(&lane.dir),
        goal,
        units: None,
        is_done: false,
    };
    let donor = leading.pop();
    let led = lead_or_follow(project, ui, &room, (lane, recipe), &own, donor, &mut start);
    start.lead = led.unwrap_or_else(|err| {
        ui.warn(format_args!("cannot share this build with others: {err}"));
        None
    });
    start.waited = begun.elapsed();
    start
}

/// Returns when cargo has to be started: with the lead, or without it if another builder has made
/// everything. `donor` was leading before, and may have ended since.
fn lead_or_follow(
    project: &Project,
    ui: Ui,
    room: &Path,
    (lane, recipe): (&Lane, &Recipe),
    own: &Note,
    mut donor: Option<Note>,
    start: &mut ColdStart,
) -> std::io::Result<Option<Lead>> {
    // In each round but the last a leader has failed or was given up.
    const ROUNDS_MAX: u32 = 32;
    let mut lead = None;
    for _ in 0..ROUNDS_MAX {
        match leader::elect(room, own.clone(), |note| is_for(project, note, &own.goal))? {
            Election::Lead(own_lead) => {
                lead = Some(*own_lead);
                break;
            }
            Election::Follow(leader) => {
                if let Err(err) = known_layout(project, Some(recipe)) {
                    if start.no_fork.is_none() {
                        start.no_fork = Some(begins_cold(project, ui, lane, &format!("{err:#}")));
                    }
                    return Ok(None);
                }
                let begun = Instant::now();
                let (is_made, note) = follow(project, ui, own, &leader);
                ui.end_progress();
                let builder = note.as_ref().map(|note| note.builder.clone()).unwrap_or_default();
                start.waits.push(Wait { builder, time: begun.elapsed() });
                donor = note.or(donor);
                if is_made {
                    break;
                }
            }
        }
    }
    let donor = donor.filter(|_| known_layout(project, Some(recipe)).is_ok());
    start.forks.extend(donor.and_then(|donor| fork_from(project, ui, lane, recipe, donor)));
    Ok(lead)
}

/// Waits for a leader. Returns whether there is nothing more to wait for, and its last note;
/// otherwise another builder has to lead.
fn follow(project: &Project, ui: Ui, own: &Note, leader: &Leader) -> (bool, Option<Note>) {
    const POLL_EVERY: Duration = Duration::from_millis(25);
    /// Also before the first look: where a warm lane was forked, the leader has ended by then.
    const LOOK_EVERY: Duration = Duration::from_millis(250);
    /// A leader writes its note at once.
    const NOTE_MAX: Duration = Duration::from_secs(2);

    let patience = patience(&project.session.env);
    let (begun, mut looked) = (Instant::now(), Instant::now());
    let mut progress: Option<Progress> = None;
    let mut has_said = false;
    loop {
        std::thread::sleep(POLL_EVERY);
        let is_over = leader.has_ended();
        if !is_over && looked.elapsed() < LOOK_EVERY {
            continue;
        }
        looked = Instant::now();
        // Read only now: a leader writes that it is done before it deletes its file.
        let Some(note) = leader.note() else {
            if is_over || begun.elapsed() > NOTE_MAX {
                return (!is_over, None);
            }
            continue;
        };
        if (is_over && note.is_done) || (!is_over && note.has_lane_of(own)) {
            return (true, Some(note)); // In one lane cargo's own lock is enough.
        }

        let progress = match &mut progress {
            Some(progress) if progress.lane == note.lane => progress,
            _ => {
                let lockfile = files::read_text(project.repo.lockfile()).unwrap_or_default();
                let has_our_sources = changes::are_same(&project.sh, &own.root, &note.root);
                let needed = own.goal.needed(&lockfile, has_our_sources);
                progress.insert(Progress::new(&note.lane, needed))
            }
        };
        progress.look();
        if is_over {
            // A leader that has become cargo cannot write that it is done.
            return (progress.has_all(&note), Some(note));
        }
        let (builder, pid) = (&note.builder, note.pid);
        match progress.decide(&note, progress::is_suspended(pid), patience) {
            Decision::Fork => return (true, Some(note)),
            Decision::GiveUp(why) => {
                leader.depose();
                ui.end_progress();
                ui.status("Note", format_args!("{builder} (pid {pid}) {why}; building without it"));
                return (false, Some(note));
            }
            Decision::Wait if has_said => {
                ui.progress("Waiting", format_args!("for {builder}: {progress}"));
            }
            Decision::Wait => {
                has_said = true;
                let what = format!("for {builder}, which builds the same (pid {pid})");
                ui.status("Waiting", what);
            }
        }
    }
}

/// Forks what a leader has built, or had built when it ended.
fn fork_from(project: &Project, ui: Ui, lane: &Lane, recipe: &Recipe, donor: Note) -> Option<Fork> {
    let has_built_nothing = donor.is_done && donor.units == Some(units::count(&donor.lane));
    if donor.lane == lane.dir || (has_built_nothing && units::has_any(&lane.dir)) {
        return None;
    }
    fork_one(project, ui, lane, recipe, Place::new(donor.root, donor.lane)).unwrap_or_default()
}

fn goal_of(project: &Project, lane: &Lane, recipe: &Recipe) -> anyhow::Result<Goal> {
    let mut lines: Vec<Vec<String>> = recipe.steps.iter().map(Step::line).collect();
    lines.retain(|line| goal::is_shared(line));
    let key = if let Owner::Agent { inputs, .. } = &lane.owner {
        inputs.key()
    } else {
        let line = lines.first().into_iter().flatten().map(Into::into).collect();
        let choice = LaneChoice {
            selection: CargoLine::parse(line).selection(),
            named: None,
            toolchain: recipe.toolchain().map(str::to_owned),
            lockfile: Lockfile::MustStay,
        };
        key_inputs(project, &choice)?.key()
    };
    let repo = &project.repo;
    let common = Common::of(&repo.root);
    let workspace = common.as_ref().map(Common::inside).unwrap_or(Path::new(""));
    let variables = goal::variables(project.session.env.iter());
    let words = [key, workspace.to_string_lossy().into_owned()];
    let base = short_hash(words.iter().chain(&variables).map(String::as_str));
    let inside = repo.inside.strip_prefix(&repo.root).unwrap_or(&repo.inside);
    Ok(Goal { base, inside: inside.to_string_lossy().into_owned(), lines })
}

/// The agent that builds in a lane, or the directory of the worktree.
fn builder_of(lane: &Lane, root: &Path) -> String {
    let dir = match lane.owner {
        Owner::Agent { .. } => lane.dir.parent(),
        Owner::Worktree | Owner::Named => Some(root),
    };
    dir.and_then(Path::file_name).unwrap_or_default().to_string_lossy().into_owned()
}

/// How long a follower waits for a leader that completes no unit: `MULTILANE_PATIENCE_SECONDS`, or
/// three minutes, since a single crate may take some.
fn patience(env: &Environment) -> Duration {
    const DEFAULT: Duration = Duration::from_secs(180);
    let set = env.get("MULTILANE_PATIENCE_SECONDS").and_then(|value| value.to_str()?.parse().ok());
    set.map_or(DEFAULT, Duration::from_secs)
}

/// Whether a leader makes what we want, in a lane that we can see and may fork. In a container its
/// path may belong to another directory.
fn is_for(project: &Project, note: &Note, goal: &Goal) -> bool {
    let is_visible = note.identity.is_none() || note.identity == progress::identity(&note.lane);
    let place = Place::new(note.root.clone(), note.lane.clone());
    is_visible && note.goal.covers(goal) && trust::may_give(&project.sh, &project.repo, &place)
}

#[cfg(test)]
mod tests {
    use crate::cold_start::goal::Goal;
    use crate::cold_start::leader::Note;
    use crate::files::mutate::mutations;

    pub(super) fn note(units: Option<usize>) -> Note {
        let lines = ["build -p x", "test"].map(|line| line.split(' ').map(str::to_owned).collect());
        Note {
            builder: "a".to_owned(),
            pid: 1,
            root: "/w".into(),
            lane: "/w/target".into(),
            identity: Some("1:2".to_owned()),
            goal: Goal { base: "base".to_owned(), inside: String::new(), lines: lines.to_vec() },
            units,
            is_done: false,
        }
    }

    #[test]
    fn a_note_is_read_as_it_was_written() {
        for note in [note(None), note(Some(10)), Note { is_done: true, ..note(Some(0)) }] {
            assert_eq!(Note::from_text(&note.to_text()), Some(note.clone()));
            assert_eq!(Note::from_text(&note.to_text()[1..]), None);
        }
    }

    #[test]
    fn agents_whose_names_differ_in_case_only_may_have_one_lane() {
        let with = |lane: &str, identity: Option<&str>| Note {
            lane: lane.into(),
            identity: identity.map(str::to_owned),
            ..note(None)
        };
        let own = with("/w/.lanes/agent/k", Some("1:2"));
        assert!(own.has_lane_of(&with("/w/.lanes/Agent/k", Some("1:2"))));
        assert!(own.has_lane_of(&with("/w/.lanes/agent/k", None)));
        assert!(!own.has_lane_of(&with("/w/.lanes/Agent/k", Some("1:3"))));
        let [a, b] = ["/w/.lanes/Agent/k", "/w/.lanes/agent/k"].map(|lane| with(lane, None));
        assert!(!a.has_lane_of(&b), "nothing tells");
    }

    #[test]
    fn any_bytes_are_borne() {
        mutations(note(Some(10)).to_text().as_bytes(), |text| {
            _ = Note::from_text(&String::from_utf8_lossy(text));
        });
    }
}

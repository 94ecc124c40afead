//! `lane which`: from which sources a program was built, when, and by whom.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, ensure};
use multilane_engine::lanes::choose::{self, LaneChoice};
use multilane_engine::project::git_dir;
use multilane_engine::project::{Project, Session};
use multilane_engine::units::dep_info;
use multilane_engine::{environment, files, record, ui};
use serde::{Deserialize, Serialize};

use crate::{doctor, flags};

/// Of a record of a build, what is told here (docs/records.md).
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Record {
    pub(crate) end_unix_seconds: f64,
    seconds: f64,
    agent: Option<String>,
    pub(crate) lane: PathBuf,
    commit: Option<String>,
    commands: Vec<Vec<String>>,
    pub(crate) forks: Vec<Fork>,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Fork {
    pub(crate) donor: PathBuf,
}

#[derive(Serialize)]
struct Answer {
    program: PathBuf,
    age_seconds: u64,
    worktree: Option<PathBuf>,
    lane: Option<PathBuf>,
    /// Whose lane it is, if it is an agent's.
    agent: Option<String>,
    /// Where it was built, if a fork has brought it.
    donor: Option<PathBuf>,
    /// `None` where no record is of that build, as of plain cargo's.
    build: Option<Build>,
    sources: usize,
    /// What is newer than the program, or has gone.
    changed_since: Vec<PathBuf>,
    /// What was not as in the commit, of those that have not changed since.
    edited: Vec<PathBuf>,
}

#[derive(Serialize)]
struct Build {
    agent: Option<String>,
    command: String,
    commit: Option<String>,
    end_unix_seconds: f64,
}

impl flags::lane::LaneWhich {
    pub(crate) fn run(self, session: Session) -> anyhow::Result<ExitCode> {
        let project = doctor::read_only_project(session)?;
        let program = self.find(&project)?;
        let answer = Answer::of(&project, program)?;
        if self.json {
            ui::data(serde_json::to_string_pretty(&answer)?)?;
        } else {
            ui::data(ui::printable(answer.shown(&project)))?;
        }
        Ok(if answer.changed_since.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    /// The path, or the newest of this name in the profiles of this builder's lane.
    fn find(&self, project: &Project) -> anyhow::Result<PathBuf> {
        let path = project.repo.start.join(&self.program);
        if path.is_file() {
            return Ok(environment::real_path(&path)?);
        }
        let lane = choose::lane(project, &LaneChoice::default())?.dir;
        let candidates = files::subdirectories(&lane).map(|dir| dir.join(&self.program));
        let newest = candidates.filter(|path| path.is_file()).max_by_key(|path| modified(path));
        newest.with_context(|| {
            let lane = project.shown(&lane);
            format!("there is no {} here, nor in {lane}", self.program.display())
        })
    }
}

fn modified(path: &Path) -> Option<SystemTime> {
    path.metadata().ok()?.modified().ok()
}

impl Answer {
    fn of(project: &Project, program: PathBuf) -> anyhow::Result<Answer> {
        let time = modified(&program).context("it has no time")?;
        let lane = program.ancestors().find(|dir| dir.join("CACHEDIR.TAG").is_file());
        ensure!(
            lane.is_some(),
            "{} is in no target directory that cargo or multilane has made",
            program.display()
        );
        let top = git_dir::checkout(&program).map(Path::to_owned);
        let records = top
            .as_deref()
            .and_then(|top| record::file_of(&project.session.env, top))
            .map(records)
            .unwrap_or_default();
        let record = lane.and_then(|lane| made_by(&records, lane, time));
        let donor = record.map(|record| record.lane.clone()).filter(|dir| Some(&**dir) != lane);

        let root = top.clone().unwrap_or_else(|| project.repo.root.clone());
        // rustc's own lists are relative to the workspace, which may lie deeper.
        let workspace =
            lane.and_then(|lane| lane.ancestors().find(|dir| dir.join("Cargo.lock").is_file()));
        let sources = sources(&program, workspace.unwrap_or(&root));
        let is_newer = |path: &&PathBuf| modified(path).is_none_or(|modified| modified > time);
        let changed_since: Vec<PathBuf> = sources.iter().filter(is_newer).cloned().collect();
        let commit = record.and_then(|record| record.commit.as_deref());
        let edited = commit.map(|commit| edited(project, &root, commit)).unwrap_or_default();
        let is_edited = |path: &&PathBuf| edited.contains(path) && !changed_since.contains(path);
        Ok(Answer {
            age_seconds: environment::now().duration_since(time).unwrap_or_default().as_secs(),
            worktree: top,
            lane: lane.map(Path::to_owned),
            agent: lane.and_then(agent_of),
            donor,
            build: record.map(Build::of),
            edited: sources.iter().filter(is_edited).cloned().collect(),
            sources: sources.len(),
            changed_since,
            program,
        })
    }

    fn shown(&self, project: &Project) -> String {
        const NAMES_MAX: usize = 5;
        let list = |paths: &[PathBuf]| {
            let mut names: Vec<String> =
                paths.iter().take(NAMES_MAX).map(|path| project.shown(path)).collect();
            if paths.len() > NAMES_MAX {
                names.push(format!("and {} more", paths.len() - NAMES_MAX));
            }
            names.join("\n            ")
        };
        let mut lines = vec![format!(
            "program     {}, built {} ago",
            project.shown(&self.program),
            ui::age(Duration::from_secs(self.age_seconds))
        )];
        if let Some(worktree) = &self.worktree {
            lines.push(format!("worktree    {}", worktree.display()));
        }
        match &self.build {
            Some(Build { agent, command, commit, .. }) => {
                let agent = agent
                    .as_ref()
                    .map_or("the worktree's builder".to_owned(), |agent| format!("agent {agent}"));
                lines.push(format!("built by    {agent}: {command}"));
                let commit = commit.as_deref().unwrap_or("unknown");
                let commit = commit.get(..12).unwrap_or(commit);
                let state = if self.edited.is_empty() { "as committed" } else { "edited:" };
                lines.push(format!("commit      {commit}, {state}"));
                if !self.edited.is_empty() {
                    lines.push(format!("            {}", list(&self.edited)));
                }
            }
            None => {
                let agent =
                    self.agent.as_ref().map(|agent| format!(" in the lane of agent {agent}"));
                lines.push(format!(
                    "built by    unknown: plain cargo{}, or a build long ago",
                    agent.unwrap_or_default()
                ));
            }
        }
        if let Some(donor) = &self.donor {
            lines.push(format!("forked from {}", project.shown(donor)));
        }
        lines.push(match (self.sources, &self.changed_since[..]) {
            (0, _) => "sources     unknown: there is no list of them beside it".to_owned(),
            (count, []) => format!("sources     {count}, none has changed since"),
            (count, changed) => {
                format!(
                    "sources     {} of {count} have changed since:\n            {}",
                    changed.len(),
                    list(changed)
                )
            }
        });
        lines.join("\n")
    }
}

/// `a` of `.lanes/a/0123456789ab`.
fn agent_of(lane: &Path) -> Option<String> {
    let agent = lane.parent().filter(|dir| dir.parent().is_some_and(|dir| dir.ends_with(".lanes")));
    Some(agent?.file_name()?.to_string_lossy().into_owned())
}

impl Build {
    fn of(record: &Record) -> Build {
        let command = record.commands.iter().map(|words| words.join(" "));
        Build {
            agent: record.agent.clone().filter(|agent| !agent.is_empty()),
            command: command.map(|line| format!("cargo {line}")).collect::<Vec<_>>().join(", "),
            commit: record.commit.clone(),
            end_unix_seconds: record.end_unix_seconds,
        }
    }
}

/// The oldest first.
pub(crate) fn records(file: PathBuf) -> Vec<Record> {
    let files = [file.with_extension("old.jsonl"), file];
    let texts = files.iter().filter_map(|file| files::read_text(file).ok());
    texts
        .flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>())
        .filter_map(|line| serde_json::from_str(&line).ok())
        .collect()
}

/// The build that was going on at `time` in this lane, or in one from which it was forked.
fn made_by<'r>(records: &'r [Record], lane: &Path, time: SystemTime) -> Option<&'r Record> {
    // A record has milliseconds.
    const MARGIN: f64 = 0.01;
    let time = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    let mut lanes = vec![lane];
    let mut at = 0;
    while let Some(lane) = lanes.get(at).copied() {
        let of_lane = || records.iter().filter(|record| record.lane == lane);
        let is_then = |record: &&Record| {
            let end = record.end_unix_seconds;
            (end - record.seconds - MARGIN..=end + MARGIN).contains(&time)
        };
        if let Some(found) = of_lane().rfind(is_then) {
            return Some(found);
        }
        for fork in of_lane().flat_map(|record| &record.forks) {
            if !lanes.contains(&&*fork.donor) {
                lanes.push(&fork.donor);
            }
        }
        at += 1;
    }
    None
}

/// From the list beside the program: cargo's for what it puts in the profile's directory, rustc's
/// for the rest.
fn sources(program: &Path, root: &Path) -> Vec<PathBuf> {
    let own = program.with_extension("d");
    // rustc's list for `libapp-0123.rlib` has the name of the crate.
    let name = own.file_name().and_then(|name| name.to_str()?.strip_prefix("lib"));
    let of_crate = name.map(|name| own.with_file_name(name));
    let list = [Some(own.clone()), of_crate].into_iter().flatten();
    let list = list.into_iter().find_map(|list| files::read_text(list).ok());
    let sources = list.and_then(|text| dep_info::sources(&text)).unwrap_or_default();
    sources.into_iter().map(|source| root.join(source)).collect()
}

/// What is not as in the commit, in the checkout at `top`.
fn edited(project: &Project, top: &Path, commit: &str) -> Vec<PathBuf> {
    let args = ["diff", "--name-only", "-z", "--no-ext-diff", "--end-of-options", commit, "--"];
    project.sh.git_paths(args, top).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(lane: &str, end: f64, donor: Option<&str>) -> Record {
        Record {
            end_unix_seconds: end,
            seconds: 10.0,
            agent: None,
            lane: lane.into(),
            commit: None,
            commands: Vec::new(),
            forks: donor.map(|donor| Fork { donor: donor.into() }).into_iter().collect(),
        }
    }

    #[test]
    fn the_build_is_the_one_that_was_going_on() {
        let records =
            [record("/a", 100.0, None), record("/a", 200.0, None), record("/b", 300.0, Some("/a"))];
        let end = |lane: &str, at| {
            let time = UNIX_EPOCH + Duration::from_secs(at);
            made_by(&records, Path::new(lane), time).map(|record| record.end_unix_seconds)
        };
        assert_eq!(end("/a", 95), Some(100.0));
        assert_eq!(end("/a", 150), None);
        assert_eq!(end("/b", 195), Some(200.0));
        assert_eq!(end("/b", 295), Some(300.0));
        assert_eq!(end("/c", 95), None);
    }
}

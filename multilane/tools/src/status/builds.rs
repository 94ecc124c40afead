//! Which builds there are: each cargo that no other cargo has started, with what runs for it and
//! what waits.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use multilane_engine::files;
use multilane_engine::permits::pool::Queue;
use multilane_engine::permits::view::{Process, State};
use multilane_engine::ui;
use serde::Serialize;

#[derive(Serialize)]
pub(super) struct Build {
    process: u32,
    /// cargo's words, without what follows `--`.
    command: String,
    agent: Option<String>,
    dir: PathBuf,
    seconds: u64,
    running: Vec<Unit>,
    waiting: Vec<Wait>,
}

/// A compiler, a link or a test that has a permit.
#[derive(Serialize)]
struct Unit {
    process: u32,
    name: String,
    seconds: u64,
}

#[derive(Serialize)]
struct Wait {
    process: u32,
    name: String,
    seconds: u64,
    /// `permit` or `memory`.
    wants: &'static str,
    /// How many come before it.
    ahead: usize,
    /// The last of those; of the next one, the oldest that has a permit.
    behind: Option<String>,
}

/// The builds of this user that are going on, the oldest first.
pub(super) fn all(state: &State) -> Vec<Build> {
    let names = files::names(Path::new("/proc")).filter_map(|name| name.parse().ok());
    let own =
        names.filter(|id: &u32| files::is_of_own_user(&Path::new("/proc").join(id.to_string())));
    let processes: BTreeMap<u32, Process> =
        own.filter_map(|id| Some((id, Process::read(id)?))).collect();
    of_processes(&processes, state)
}

fn of_processes(processes: &BTreeMap<u32, Process>, state: &State) -> Vec<Build> {
    let outermost = |id: u32| {
        let above = std::iter::successors(processes.get(&id), |own| processes.get(&own.parent));
        above.take(64).filter(|process| is_cargo(process)).last().map(|cargo| cargo.id)
    };
    let mut builds: BTreeMap<u32, Build> = BTreeMap::new();
    for process in processes.values().filter(|process| is_cargo(process)) {
        if outermost(process.id) == Some(process.id) && builds_something(process) {
            builds.insert(process.id, Build::of(process));
        }
    }
    for process in state.holders.iter().filter_map(|id| processes.get(id)) {
        let unit = Unit {
            process: process.id,
            name: process.name.clone(),
            seconds: process.age.as_secs(),
        };
        let Some(cargo) = outermost(process.id).and_then(|id| processes.get(&id)) else { continue };
        builds.entry(cargo.id).or_insert_with(|| Build::of(cargo)).running.push(unit);
    }
    for (at, (id, queue)) in state.waiters.iter().enumerate() {
        let Some(process) = processes.get(id) else { continue };
        let Some(cargo) = outermost(*id).and_then(|id| processes.get(&id)) else { continue };
        let mut before = state.waiters[..at].iter().filter(|(_, other)| other == queue);
        let ahead = before.clone().count();
        let holders = state.holders.iter().filter_map(|holder| processes.get(holder));
        let behind = match before.next_back() {
            Some((last, _)) => processes.get(last),
            None => holders.max_by_key(|holder| holder.age),
        };
        let wait = Wait {
            process: *id,
            name: process.name.clone(),
            seconds: process.age.as_secs(),
            wants: if *queue == Queue::Memory { "memory" } else { "permit" },
            ahead,
            behind: behind.map(Process::to_string),
        };
        builds.entry(cargo.id).or_insert_with(|| Build::of(cargo)).waiting.push(wait);
    }
    let mut builds: Vec<Build> = builds.into_values().collect();
    builds.sort_by_key(|build| std::cmp::Reverse(build.seconds));
    builds
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

fn is_cargo(process: &Process) -> bool {
    process
        .words
        .first()
        .is_some_and(|program| ["cargo", "cargo-nextest"].contains(&file_name(program)))
}

/// Not `cargo xtask`, which is there for as long as what it has started, nor a question.
fn builds_something(process: &Process) -> bool {
    const COMMANDS: [&str; 16] = [
        "build", "b", "check", "c", "test", "t", "run", "r", "bench", "clippy", "doc", "d",
        "rustc", "install", "fix", "nextest",
    ];
    let mut words = process.words.iter().skip(1).map(String::as_str);
    words.find(|word| !word.starts_with(['+', '-'])).is_some_and(|word| COMMANDS.contains(&word))
}

impl Build {
    fn of(cargo: &Process) -> Build {
        const WORDS_MAX: usize = 8;
        let words = cargo.words.iter().skip(1).take_while(|word| *word != "--");
        let words = words.filter(|word| !word.starts_with("--message-format")).take(WORDS_MAX);
        Build {
            process: cargo.id,
            command: words.map(String::as_str).collect::<Vec<_>>().join(" "),
            agent: cargo.agent.clone(),
            dir: cargo.dir.clone(),
            seconds: cargo.age.as_secs(),
            running: Vec::new(),
            waiting: Vec::new(),
        }
    }

    pub(super) fn lines(&self, shown: &dyn Fn(&Path) -> String) -> Vec<String> {
        const NAMES_MAX: usize = 4;
        let time = |seconds| ui::duration(std::time::Duration::from_secs(seconds));
        let agent =
            self.agent.as_ref().map_or_else(String::new, |agent| format!(" (agent {agent})"));
        let mut lines = vec![
            format!("{:>9}  cargo {}{agent}", time(self.seconds), self.command),
            format!("{:>9}  in {}", "", shown(&self.dir)),
        ];
        let list = |names: Vec<String>| {
            let rest = names.len().saturating_sub(NAMES_MAX);
            let first = names.into_iter().take(NAMES_MAX).collect::<Vec<_>>().join(", ");
            if rest > 0 { format!("{first} and {rest} more") } else { first }
        };
        if !self.running.is_empty() {
            let names =
                self.running.iter().map(|unit| format!("{} {}", unit.name, time(unit.seconds)));
            lines.push(format!("{:>9}  runs {}", "", list(names.collect())));
        }
        if let Some(longest) = self.waiting.iter().max_by_key(|wait| wait.seconds) {
            let names = self.waiting.iter().map(|wait| wait.name.clone()).collect();
            let (wants, time, ahead) = (longest.wants, time(longest.seconds), longest.ahead);
            let behind = if ahead > 0 { format!(", behind {ahead}") } else { String::new() };
            lines.push(format!("{:>9}  waits for {wants}, {time}{behind}: {}", "", list(names)));
            let last = longest.behind.iter().map(|last| format!("{:>9}  behind {last}", ""));
            lines.extend(last);
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn process(id: u32, parent: u32, line: &str) -> (u32, Process) {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let process = Process {
            id,
            parent,
            is_stopped: false,
            age: Duration::from_secs(u64::from(100 - id)),
            worked: Duration::ZERO,
            name: words.last().cloned().unwrap_or_default(),
            dir: "/w/app".into(),
            agent: (id == 1).then(|| "a".to_owned()),
            words,
        };
        (id, process)
    }

    #[test]
    fn what_runs_and_waits_belongs_to_the_outermost_cargo() {
        let processes = BTreeMap::from([
            process(1, 0, "/bin/cargo build --release"),
            process(2, 1, "rustc syn"),
            process(3, 1, "permit serde"),
            process(4, 0, "cargo nextest run"),
            process(5, 4, "/bin/cargo test --no-run"),
            process(6, 5, "permit app"),
            process(7, 0, "cargo metadata"),
            process(8, 0, "cargo"),
        ]);
        let waiters = vec![(3, Queue::Permit), (6, Queue::Permit)];
        let builds = of_processes(&processes, &State { holders: vec![2], waiters, blocks: 0 });
        assert_eq!(builds.iter().map(|build| build.process).collect::<Vec<_>>(), [1, 4]);
        let [first, second] = &builds[..] else { panic!("two") };
        assert_eq!((first.running.len(), first.waiting.len(), second.waiting.len()), (1, 1, 1));
        assert_eq!((first.waiting[0].ahead, second.waiting[0].ahead), (0, 1));
        let behind = |build: &Build| build.waiting[0].behind.clone().expect("somebody");
        assert!(behind(first).starts_with("syn for") && behind(second).starts_with("serde for"));
        assert_eq!((&*first.command, first.agent.as_deref()), ("build --release", Some("a")));
        assert_eq!(first.lines(&|_| String::new()).len(), 5);
    }
}

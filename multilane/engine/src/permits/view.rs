//! Who has a permit and who waits for one, as the kernel lists locks and processes. Looking
//! disturbs nobody. Where it does not list them (macOS), nothing is seen.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::files;
use crate::permits::pool;
use crate::process::below;

/// Of the permits' file at one moment.
#[derive(Debug, Default, PartialEq)]
pub struct State {
    /// The process of each permit that is taken; the longest holder is not known from here.
    pub holders: Vec<u32>,
    /// The process and the queue of each that waits, the next one first.
    pub waiters: Vec<(u32, pool::Queue)>,
    /// How many blocks of memory are taken.
    pub blocks: u64,
}

impl State {
    /// How many permits are with processes that do nothing: they were stopped, or sleep, as a test
    /// that hangs.
    pub fn idle(&self) -> u64 {
        let processes = self.holders.iter().filter_map(|holder| Process::read(*holder));
        processes.filter(|process| process.is_idle(&below(process.id))).count() as u64
    }

    /// Whether all that wait before this process in its queue were stopped.
    pub fn is_behind_stopped(&self, id: u32) -> bool {
        let Some((_, own)) = self.waiters.iter().find(|(process, _)| *process == id) else {
            return false;
        };
        let before = self.waiters.iter().take_while(|(process, _)| *process != id);
        before
            .filter(|(_, queue)| queue == own)
            .all(|(process, _)| Process::read(*process).is_none_or(|process| process.is_stopped))
    }

    pub fn read(path: &Path) -> State {
        match files::inode(path) {
            Some(inode) => State::of(&files::read_text("/proc/locks").unwrap_or_default(), inode),
            None => State::default(),
        }
    }

    /// From the text of `/proc/locks`: `3: POSIX  ADVISORY  WRITE 1234 08:01:5678 4096 4096`.
    fn of(locks: &str, inode: u64) -> State {
        let mut state = State::default();
        let mut waiters = Vec::new();
        for line in locks.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            let [_, "POSIX", _, _, process, place, start, end] = words[..] else { continue };
            let inode_there = place.rsplit(':').next().and_then(|word| word.parse::<u64>().ok());
            let numbers = (process.parse::<u32>(), start.parse::<u64>(), end.parse::<u64>());
            let (Ok(process), Ok(start), Ok(end)) = numbers else { continue };
            if inode_there != Some(inode) || process == 0 || end < start {
                continue;
            }
            if pool::PERMIT_BYTES.contains(&start) {
                state.holders.push(process);
            } else if pool::BLOCK_BYTES.contains(&start) {
                state.blocks += end - start + 1;
            } else if let Some(queue) =
                pool::Queue::ALL.into_iter().find(|queue| queue.numbers().contains(&start))
            {
                waiters.push((start, process, queue));
            }
        }
        waiters.sort_unstable_by_key(|(number, ..)| *number);
        state.waiters = waiters.into_iter().map(|(_, process, queue)| (process, queue)).collect();
        state
    }
}

/// What a process does, in words of a build.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Process {
    pub id: u32,
    pub parent: u32,
    /// By ctrl-z, say: it goes on with nothing.
    pub is_stopped: bool,
    /// How long it has been there.
    pub age: Duration,
    /// For how long it has had a processor, with those that it started and has waited for.
    pub worked: Duration,
    /// The crate that is compiled, or the program's name.
    pub name: String,
    pub dir: PathBuf,
    pub agent: Option<String>,
    pub words: Vec<String>,
}

impl Process {
    /// `None` where it has gone, or is not shown.
    pub fn read(id: u32) -> Option<Process> {
        let dir = Path::new("/proc").join(id.to_string());
        // proc_pid_stat(5): `pid (name) state parent …`, the start in ticks as the twentieth.
        let stat = files::read_text(dir.join("stat")).ok()?;
        let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
        let uptime = files::read_text("/proc/uptime").ok()?;
        let uptime: f64 = uptime.split(' ').next()?.parse().ok()?;
        const TICKS: f64 = 100.0; // `USER_HZ`, whatever the kernel's own is (time(7)).
        let seconds = |at: usize| Some(fields.get(at)?.parse::<f64>().ok()? / TICKS);
        let started = seconds(19)?;
        let worked = (11..15).filter_map(seconds).sum();
        let list = |name: &str| {
            let bytes = files::read(dir.join(name)).unwrap_or_default();
            let words = bytes.split(|byte| *byte == 0).filter(|word| !word.is_empty());
            words.map(|word| String::from_utf8_lossy(word).into_owned()).collect::<Vec<String>>()
        };
        let words = list("cmdline");
        let agent = list("environ")
            .iter()
            .find_map(|line| Some(line.strip_prefix("AGENT_ID=")?.to_owned()));
        Some(Process {
            id,
            parent: fields.get(1)?.parse().ok()?,
            is_stopped: fields.first()?.starts_with(['T', 't']),
            age: Duration::try_from_secs_f64(uptime - started).unwrap_or_default(),
            worked: Duration::try_from_secs_f64(worked).unwrap_or_default(),
            name: name(&words),
            dir: std::fs::read_link(dir.join("cwd")).unwrap_or_default(),
            agent: agent.filter(|agent| !agent.is_empty()),
            words,
        })
    }

    /// Whether it was stopped, or has hardly worked for long enough, with those below it that run.
    fn is_idle(&self, below: &[u32]) -> bool {
        const AGE_MIN: Duration = Duration::from_secs(60);
        const SHARE: u32 = 20;
        let is_little = |worked: Duration| worked * SHARE < self.age;
        let of_child = |id: &u32| Some(Process::read(*id)?.worked);
        self.is_stopped
            || (self.age >= AGE_MIN
                && is_little(self.worked)
                && is_little(below.iter().filter_map(of_child).sum()))
    }
}

fn name(words: &[String]) -> String {
    let after = words.iter().skip_while(|word| *word != "--crate-name").nth(1);
    let program = words.first().and_then(|word| word.rsplit('/').next());
    after.map(String::as_str).or(program).unwrap_or_default().to_owned()
}

/// `syn for 31 s, agent a in /w/app`
impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} for {} s, ", self.name, self.age.as_secs())?;
        if let Some(agent) = &self.agent {
            write!(f, "agent {agent} ")?;
        }
        write!(f, "in {}", self.dir.display())
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::files::mutate::mutations;

    const LOCKS: &str = "\
1: POSIX  ADVISORY  WRITE 11 08:01:77 4096 4096
2: FLOCK  ADVISORY  WRITE 12 08:01:77 0 EOF
3: POSIX  ADVISORY  WRITE 13 08:01:77 1048576 1048580
4: POSIX  ADVISORY  WRITE 14 08:01:77 1099511627780 1099511627780
4: -> POSIX  ADVISORY  READ 15 08:01:77 0 0
5: POSIX  ADVISORY  WRITE 16 08:01:77 1099511627778 1099511627778
6: POSIX  ADVISORY  WRITE 17 08:01:78 4097 4097
7: POSIX  ADVISORY  WRITE 18 08:01:77 8192 8192
";

    #[test]
    fn the_kernels_list_is_read() {
        let state = State::of(LOCKS, 77);
        let waiters = vec![(16, pool::Queue::Permit), (14, pool::Queue::Permit)];
        assert_eq!(state, State { holders: vec![11, 18], waiters, blocks: 5 });
        mutations(LOCKS.as_bytes(), |text| {
            _ = State::of(&String::from_utf8_lossy(text), 77);
        });
    }

    #[test]
    fn a_process_is_known() {
        let own = Process::read(std::process::id());
        assert!(
            !cfg!(target_os = "linux") || own.is_some_and(|own| own.name.starts_with("multilane"))
        );
        let with = |age, worked| Process {
            age: Duration::from_secs(age),
            worked: Duration::from_secs(worked),
            ..Process::default()
        };
        let is_idle = |age, worked| with(age, worked).is_idle(&[]);
        assert!(is_idle(60, 2) && !is_idle(60, 3) && !is_idle(59, 0));
        assert_eq!(name(&["/x/rustc".into(), "--crate-name".into(), "syn".into()]), "syn");
    }
}

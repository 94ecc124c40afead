//! What is seen from outside while the agents work: the bytes of all lanes, what was collected from
//! them, files that are not ours, and the records of builds.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use multilane_engine::files::{self, OnDisk};
use serde_json::Value;

use super::unix_seconds;

/// The device and the inode.
type Id = (u64, u64);

struct File {
    bytes: u64,
    /// The lane in which it was first seen.
    lane: PathBuf,
    /// How many of its names were seen, and how many it has.
    names: u64,
    links: u64,
}

/// The files of some lanes, each once.
#[derive(Default)]
pub(super) struct Taken(HashMap<Id, File>);

impl Taken {
    /// Of all lanes of these worktrees.
    pub(super) fn by_lanes_of(worktrees: &[PathBuf]) -> Taken {
        let mut taken = Taken::default();
        for worktree in worktrees {
            taken.add(&worktree.join("target"), &|_| worktree.join("target"));
            let lanes = worktree.join(".lanes");
            taken.add(&lanes, &|path| {
                let inside = path.strip_prefix(&lanes).unwrap_or(path);
                lanes.join(inside.components().take(2).collect::<PathBuf>())
            });
        }
        taken
    }

    /// Of what is below `dir`.
    pub(super) fn below(dir: &Path) -> Taken {
        let mut taken = Taken::default();
        taken.add(dir, &|_| dir.to_owned());
        taken
    }

    fn add(&mut self, dir: &Path, lane_of: &dyn Fn(&Path) -> PathBuf) {
        files::walk(dir, &mut |path, meta| {
            let OnDisk { id, bytes, links } = OnDisk::of(meta);
            if let Some(id) = id.filter(|_| !meta.is_dir()) {
                let new = || File { bytes, lane: lane_of(path), names: 0, links };
                self.0.entry(id).or_insert_with(new).names += 1;
            }
        });
    }

    pub(super) fn bytes(&self) -> u64 {
        self.0.values().map(|file| file.bytes).sum()
    }

    /// The bytes of files that were not there before and have no name elsewhere.
    pub(super) fn grown_since(&self, before: &Taken) -> u64 {
        let is_new =
            |(id, file): &(&Id, &File)| !before.0.contains_key(*id) && file.names == file.links;
        self.0.iter().filter(is_new).map(|(_, file)| file.bytes).sum()
    }

    /// Later than `before`: a file keeps the lane in which it was first seen. Returns how many
    /// bytes have gone from each lane.
    fn gone_since(&mut self, before: &Taken) -> HashMap<PathBuf, u64> {
        let mut gone: HashMap<PathBuf, u64> = HashMap::new();
        for (id, old) in &before.0 {
            match self.0.get_mut(id) {
                Some(file) => file.lane.clone_from(&old.lane),
                None => *gone.entry(old.lane.clone()).or_default() += old.bytes,
            }
        }
        gone
    }
}

/// The disk, looked at again and again.
#[derive(Default)]
pub(super) struct Watch {
    last: Taken,
    free: Option<u64>,
    /// What went from which lane, and when that was seen.
    gone: Vec<(f64, PathBuf, u64)>,
    /// How much more of the disk was free than at the look before.
    freed: Vec<(f64, i64)>,
    pub(super) excess_max: u64,
    pub(super) bytes_max: u64,
}

impl Watch {
    pub(super) fn look(&mut self, worktrees: &[PathBuf], budget: u64, free: Option<u64>) {
        let mut now = Taken::by_lanes_of(worktrees);
        let seconds = unix_seconds();
        let gone = now.gone_since(&self.last).into_iter();
        // Not what went with its worktree.
        let is_there =
            |(lane, _): &(PathBuf, u64)| worktrees.iter().any(|tree| lane.starts_with(tree));
        self.gone.extend(gone.filter(is_there).map(|(lane, bytes)| (seconds, lane, bytes)));
        let signed = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
        if let (Some(now), Some(before)) = (free, self.free) {
            self.freed.push((seconds, signed(now) - signed(before)));
        }
        self.free = free;
        let bytes = now.bytes();
        self.bytes_max = self.bytes_max.max(bytes);
        self.excess_max = self.excess_max.max(bytes.saturating_sub(budget));
        self.last = now;
    }

    /// How many bytes went from lanes at about the time when something was collected from them,
    /// and how much more of the disk was free after such times. Others write to the disk, too.
    pub(super) fn freed_by(&self, collected: &Collected) -> (u64, i64) {
        const NEAR: f64 = 5.0;
        let is_near = |item: &Item, seconds: f64| (item.unix_seconds - seconds).abs() < NEAR;
        let is_collected = |(seconds, lane, _): &&(f64, PathBuf, u64)| {
            collected.items.iter().any(|item| item.lane == *lane && is_near(item, *seconds))
        };
        let is_then =
            |(seconds, _): &&(f64, i64)| collected.items.iter().any(|item| is_near(item, *seconds));
        (
            self.gone.iter().filter(is_collected).map(|(_, _, bytes)| bytes).sum(),
            self.freed.iter().filter(is_then).map(|(_, change)| change).sum(),
        )
    }
}

/// Something that was collected from a lane.
pub(super) struct Item {
    pub(super) unix_seconds: f64,
    pub(super) lane: PathBuf,
}

/// What the engine has noted of its collections.
#[derive(Default)]
pub(super) struct Collected {
    pub(super) items: Vec<Item>,
    pub(super) collections: usize,
    pub(super) promised: u64,
    pub(super) freed: u64,
}

impl Collected {
    /// Nothing where there is no such file.
    pub(super) fn read(file: &Path) -> Collected {
        let mut collected = Collected::default();
        for line in lines(file) {
            let unix_seconds = line["unix_seconds"].as_f64().unwrap_or_default();
            let items = line["items"].as_array().into_iter().flatten();
            let lanes = items.filter_map(|item| item["lane"].as_str());
            collected.items.extend(lanes.map(|lane| Item { unix_seconds, lane: lane.into() }));
            let bytes = |name: &str| line[name].as_u64().unwrap_or_default();
            collected.collections += 1;
            collected.promised += bytes("planned_bytes");
            collected.freed += bytes("freed_bytes");
        }
        collected
    }

    /// Whether something was collected from `lane` within the ten minutes before `unix_seconds`.
    pub(super) fn recently_from(&self, lane: &Path, unix_seconds: f64) -> bool {
        const RECENT: f64 = 600.0;
        self.items.iter().any(|item| {
            item.lane == lane && (0.0..RECENT).contains(&(unix_seconds - item.unix_seconds))
        })
    }
}

/// What the engine has recorded of a build.
pub(super) struct Record {
    pub(super) lane: PathBuf,
    /// The packages of what was not fresh; `None` where cargo was not asked.
    pub(super) compiled: Option<Vec<String>>,
    /// Seconds that it waited for others.
    pub(super) waits: Vec<f64>,
}

impl Record {
    /// The last one of this agent that ended after `since`.
    pub(super) fn last_of(file: &Path, agent: &str, since: f64) -> Option<Record> {
        let found = lines(file).filter(|line| {
            line["agent"].as_str() == Some(agent)
                && line["end_unix_seconds"].as_f64().is_some_and(|end| end >= since)
        });
        let line = found.last()?;
        let names = line["units"]["packages"].as_array().map(|names| {
            names.iter().filter_map(|name| name.as_str().map(str::to_owned)).collect()
        });
        let waits = line["waits"].as_array().into_iter().flatten();
        Some(Record {
            lane: line["lane"].as_str()?.into(),
            compiled: names,
            waits: waits.filter_map(|wait| wait["seconds"].as_f64()).collect(),
        })
    }
}

/// The lines of a file that are JSON.
fn lines(file: &Path) -> impl Iterator<Item = Value> {
    let text = files::read_text(file).unwrap_or_default();
    let lines: Vec<Value> =
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    lines.into_iter()
}

/// Files of the user's that lie where lanes do, and what has to be in them.
#[derive(Default)]
pub(super) struct Foreign(BTreeMap<PathBuf, String>);

impl Foreign {
    /// Puts some into a worktree in which `agent` will build.
    pub(super) fn plant(&mut self, worktree: &Path, agent: &str) -> anyhow::Result<()> {
        let in_lanes = [".lanes/notes.txt", ".lanes/mine/notes.txt"].map(str::to_owned);
        let others = ["notes.txt".to_owned(), "target/notes.txt".to_owned()];
        let of_agent =
            [format!(".lanes/{agent}/notes.txt"), format!(".lanes/{agent}/mine/notes.txt")];
        for name in [in_lanes, others, of_agent].concat() {
            let path = worktree.join(&name);
            let text = format!("{name} of {agent}\n");
            path.parent().map_or(Ok(()), std::fs::create_dir_all)?;
            files::write_atomically(&path, text.as_bytes())?;
            self.0.insert(path, text);
        }
        Ok(())
    }

    /// Forgets those below `dir`. Returns those that are not as they were.
    pub(super) fn take_below(&mut self, dir: &Path) -> Vec<PathBuf> {
        let own = self.0.keys().filter(|path| path.starts_with(dir)).cloned();
        let mut touched: Vec<PathBuf> = own.collect();
        touched.retain(|path| {
            let text = self.0.remove(path);
            files::read_text(path).ok() != text
        });
        touched
    }
}

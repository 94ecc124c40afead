//! Whether the lanes of a repository may have outgrown the disk. The look is on the way of each
//! build: one call to the system and one small file. What has to go, `gc` finds out, with a scan.

use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};

use crate::environment::{self, Environment};
use crate::files;
use crate::lanes::{list, occupy};
use crate::process::step::{Program, Step};
use crate::project::Project;
use crate::project::git_dir::Common;
use crate::project::root::Settings;
use crate::ui::Ui;

/// `off` keeps builds from collecting by themselves.
const VARIABLE: &str = "MULTILANE_GC";

const GIB: u64 = 1 << 30;

/// Of the file system that a directory is on, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Space {
    /// Free for this user.
    pub free: u64,
    pub size: u64,
}

impl Space {
    /// `None` where the system does not tell.
    #[cfg(unix)]
    pub fn of(dir: &Path) -> Option<Space> {
        use std::os::unix::ffi::OsStrExt as _;
        let dir = std::ffi::CString::new(dir.as_os_str().as_bytes()).ok()?;
        let mut stat = std::mem::MaybeUninit::<libc::statvfs>::zeroed();
        #[expect(unsafe_code, reason = "std has no call for free space")]
        // SAFETY: the path ends with a zero, and `stat` is as large as the call expects; zeroes are
        // a value of it.
        let stat = unsafe {
            if libc::statvfs(dir.as_ptr(), stat.as_mut_ptr()) != 0 {
                return None;
            }
            stat.assume_init()
        };
        #[allow(
            clippy::unnecessary_cast,
            clippy::allow_attributes,
            reason = "the types differ between systems"
        )]
        let bytes = |blocks| blocks as u64 * stat.f_frsize as u64;
        Some(Space { free: bytes(stat.f_bavail), size: bytes(stat.f_blocks) })
    }

    #[cfg(not(unix))]
    pub fn of(_dir: &Path) -> Option<Space> {
        None
    }
}

/// What lanes are kept within, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// What all lanes of the repository may take together.
    pub budget: u64,
    /// What has to stay free on the disk.
    pub floor: u64,
}

impl Limits {
    /// What the project says, or what follows from the size of the disk. `None` where neither
    /// tells.
    ///
    /// # Errors
    ///
    /// When what the project says is no size.
    pub fn of(settings: &Settings, space: Option<Space>) -> anyhow::Result<Option<Limits>> {
        const FLOOR_MAX: u64 = 20 * GIB;
        let noted = settings.disk.as_deref().filter(|disk| *disk != "off").map(size).transpose();
        let noted =
            noted.map_err(|why| anyhow!("`disk` in [workspace.metadata.multilane]: {why}"))?;
        let budget = noted.or(space.map(|space| space.size / 4));
        let floor = space.map(|space| FLOOR_MAX.min(space.size / 10)).unwrap_or_default();
        Ok(budget.map(|budget| Limits { budget, floor }))
    }
}

/// Reads `50 GiB`, `50G`, `800M`, or bytes.
///
/// # Errors
///
/// What is wrong with it.
pub fn size(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let shift = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => Some(0),
        "k" | "kb" | "kib" => Some(10),
        "m" | "mb" | "mib" => Some(20),
        "g" | "gb" | "gib" => Some(30),
        "t" | "tb" | "tib" => Some(40),
        _ => None,
    };
    let bytes = shift.zip(number.parse::<f64>().ok());
    let bytes = bytes.map(|(shift, number)| (number * (1_u64 << shift) as f64) as u64);
    bytes.ok_or_else(|| format!("{text:?} is no size; such as `50 GiB`"))
}

/// What is known of the disk since the last scan, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Seen {
    /// What all lanes took at the scan.
    lanes: u64,
    /// By how much the disk has filled since: lanes have grown by as much at most.
    grown: u64,
    /// What was free at the last look.
    free: u64,
}

impl Seen {
    fn read(file: &Path) -> Option<Seen> {
        let text = files::read_text(file).ok()?;
        let mut numbers = text.split_whitespace().map(str::parse);
        let mut next = || numbers.next()?.ok();
        Some(Seen { lanes: next()?, grown: next()?, free: next()? })
    }

    fn write(self, file: &Path) -> io::Result<()> {
        let text = format!("{} {} {}\n", self.lanes, self.grown, self.free);
        files::write_atomically(file, text.as_bytes())
    }

    fn at(self, free: u64) -> Seen {
        Seen { grown: self.grown + self.free.saturating_sub(free), free, ..self }
    }

    /// Whether a scan may find that something has to go. After one that could not free enough, not
    /// before the disk has filled some more.
    fn calls_for_scan(self, before: Seen, limits: &Limits) -> bool {
        let has_grown = |by: u64| self.grown > before.grown && self.grown > by / 20;
        let is_above = self.lanes + self.grown > limits.budget;
        let is_below = self.free < limits.floor;
        (is_above && (self.lanes <= limits.budget || has_grown(limits.budget)))
            || (is_below && (before.free >= limits.floor || has_grown(limits.floor)))
    }
}

/// Where it is noted, for each workspace of the repository. `None` where there are neither git nor
/// lanes of agents.
fn file(project: &Project) -> Option<PathBuf> {
    let Some(common) = Common::of(&project.repo.root) else {
        let dir = project.repo.lanes_dir();
        return dir.is_dir().then(|| dir.join("disk"));
    };
    let inside = common.inside().components().map(|part| part.as_os_str().to_string_lossy());
    let names: Vec<_> = std::iter::once("disk".into()).chain(inside).collect();
    Some(common.dir.join(names.join("-")))
}

/// Collects where the lanes may have outgrown their limits.
///
/// # Errors
///
/// When what the project says of the disk is no size: a reason to say so, and none for a build to
/// fail.
pub fn keep_within_limits(project: &Project, ui: Ui) -> anyhow::Result<()> {
    let settings = &project.repo.settings;
    let space = Space::of(&project.repo.root);
    let Some(space) = space.filter(|_| !is_switched_off(&project.session.env, settings)) else {
        return Ok(());
    };
    let limits = Limits::of(settings, Some(space)).context("the disk is not looked at")?;
    let Some((limits, file)) = limits.zip(file(project)) else { return Ok(()) };
    let before = Seen::read(&file).or_else(|| first_seen(project, space, &limits, &file));
    let Some(before) = before else { return Ok(()) };
    let now = before.at(space.free);
    let is_due = now.calls_for_scan(before, &limits);
    let may_help = is_due && may_find_something(project);
    // Where a scan cannot help, the question comes again when the disk has filled some more.
    let known = if is_due && !may_help { Seen { grown: 0, ..now } } else { now };
    if known != before {
        drop(known.write(&file)); // The next look knows less.
    }
    if may_help {
        collect(project, ui, &[]);
    }
    Ok(())
}

/// Once for each workspace. What lanes share is counted for each of them. `None` where it cannot be
/// noted, and would be counted at each build.
fn first_seen(project: &Project, space: Space, limits: &Limits, file: &Path) -> Option<Seen> {
    let seen = Seen { lanes: 0, grown: 0, free: space.free.max(limits.floor) };
    seen.write(file).ok()?;
    let lanes = list::measured(list::all(project)).iter().map(|lane| lane.size).sum();
    let seen = Seen { lanes, ..seen };
    seen.write(file).ok()?;
    Some(seen)
}

/// Worktrees' own directories are not taken from unasked. Where there is nothing else, as on a CI
/// machine, the tools need not be compiled to find that out.
fn may_find_something(project: &Project) -> bool {
    list::all(project).iter().any(|lane| lane.agent.is_some())
}

fn is_switched_off(env: &Environment, settings: &Settings) -> bool {
    settings.disk.as_deref() == Some("off") || (env.get(VARIABLE).is_some() && !env.is_on(VARIABLE))
}

/// For `gc`: what all lanes take after a scan.
pub fn note_scan(project: &Project, lanes: u64) {
    if let (Some(file), Some(space)) = (file(project), Space::of(&project.repo.root)) {
        drop(Seen { lanes, grown: 0, free: space.free }.write(&file)); // The next look knows less.
    }
}

/// Whether a build in `lane` that has failed may have lacked space.
pub fn is_nearly_full(lane: &Path) -> bool {
    Space::of(lane).is_some_and(|space| space.free < GIB)
}

/// Frees space for a build that has failed without. Whether there is more now.
pub fn make_room(project: &Project, ui: Ui) -> bool {
    let space = || Space::of(&project.repo.root);
    let Some(before) = space() else { return false };
    let is_off = is_switched_off(&project.session.env, &project.repo.settings);
    if is_off || !may_find_something(project) {
        return false;
    }
    let wanted = (2 * GIB).min(before.size / 2);
    collect(project, ui, &["--free", &wanted.to_string()]);
    let has_more = || space().is_some_and(|after| after.free > before.free);
    if !has_more() {
        remove_oldest(project, || space().is_some_and(|after| after.free >= wanted));
    }
    has_more()
}

/// Where `gc` is not compiled yet, there is no space for that either.
fn remove_oldest(project: &Project, is_enough: impl Fn() -> bool) {
    let mut lanes = list::measured(list::all(project));
    lanes.retain(|lane| {
        let may_go = lane.agent.is_some() && !lane.in_use && files::is_of_own_user(&lane.dir);
        may_go && !files::is_behind_link(&lane.root, &lane.dir)
    });
    lanes.sort_by_key(|lane| lane.last_use);
    for lane in lanes {
        if is_enough() {
            break;
        }
        drop(occupy::remove_agent_lane(&lane.root.join(".lanes"), &lane.dir)); // It may be in use.
    }
}

fn collect(project: &Project, ui: Ui, words: &[&str]) {
    let collected = || {
        let exe = environment::exe().context("cannot find the engine's program")?;
        let dir = exe.parent().unwrap_or(&exe);
        let program = match environment::is_shim_dir(dir) {
            // By its own name it is cargo.
            true => Common::of(&project.repo.root).context("no git directory")?.program(),
            false => exe,
        };
        let quiet = ui.is_quiet().then_some("--quiet");
        let words = ["gc", "--auto"].iter().chain(words).chain(&quiet).map(Into::into).collect();
        let step = Step::of_program(Program::Other(program.into()), words);
        project.sh.run(&step.elsewhere(&project.repo.root, std::iter::empty()), &[])
    };
    if let Err(err) = collected() {
        ui.warn(format_args!("lanes take more than they may: {err:#}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        assert_eq!(size("50 GiB"), Ok(50 << 30));
        assert_eq!(size("1.5G"), Ok(3 << 29));
        assert_eq!((size("800m"), size("0"), size("17")), (Ok(800 << 20), Ok(0), Ok(17)));
        for wrong in ["", "G", "5 apples", "-1G", "1.2.3"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }

    /// After a scan that found `lanes`, with `free` and then `after` free on the disk.
    #[track_caller]
    fn check(lanes: u64, free: u64, after: &[u64], expected: &[bool]) {
        let limits = Limits { budget: 1000, floor: 100 };
        let mut seen = Seen { lanes, grown: 0, free };
        let is_called_for = |free: &u64| {
            let before = seen;
            seen = seen.at(*free);
            seen.calls_for_scan(before, &limits)
        };
        assert_eq!(after.iter().map(is_called_for).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_scan_is_called_for_when_the_lanes_may_have_outgrown_their_limits() {
        check(900, 5000, &[5000, 4950, 4899], &[false, false, true]);
        // What others have freed meanwhile does not hide it.
        check(900, 5000, &[4950, 9000, 8950, 8940], &[false, false, false, true]);
        // The floor is crossed.
        check(10, 120, &[100, 99], &[false, true]);
    }

    #[test]
    fn a_scan_that_could_not_help_is_not_repeated_at_once() {
        check(1100, 5000, &[5000, 4990, 4949], &[false, false, true]);
        check(10, 90, &[90, 89, 84], &[false, false, true]);
    }
}

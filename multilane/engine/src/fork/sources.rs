//! Which sources are the same in two trees, and when each was last written.
//!
//! The bytes are read, always: neither git's index nor a time proves that two files are equal.

use std::collections::{BTreeSet, HashMap};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::environment::{self, real_path};
use crate::files::changed;
use crate::files::parallel::in_parallel;
use crate::fork::ways::Ways;
use crate::process::Shell;
use crate::project::git_dir;
use crate::project::packages::normalized;
use crate::retarget::wrapper::UNTRACKED_CONFIG;
use crate::units::{self, Place};

/// What is to be compared. Paths are relative to the workspace root, or absolute.
#[derive(Debug, Default)]
pub struct SourceQuery {
    pub files: BTreeSet<PathBuf>,
    /// Files and directories that a build script watches; of a directory, all that is in it.
    pub watched: BTreeSet<PathBuf>,
    /// Packages whose build script watches every file that git does not ignore.
    pub packages: BTreeSet<PathBuf>,
    /// Whether it has to be known if the trees are the same altogether.
    pub everything: bool,
}

#[derive(Debug, Default)]
pub struct Sources {
    pub files: HashMap<PathBuf, Source>,
    /// What is in the watched paths and packages; all of it is in `files`. `None` where the trees
    /// have not the same.
    pub lists: HashMap<PathBuf, Option<Vec<PathBuf>>>,
    /// How the trees as a whole compare, where that is asked.
    pub trees: TreeState,
    /// What somebody has put into the donor's lane, beside what cargo builds, and when.
    pub beside: Vec<(PathBuf, SystemTime)>,
    /// Repositories with files of these besides that of the workspace, inside of it and out of it:
    /// known where all is asked for. Relative to the workspace root, or absolute.
    pub repositories: BTreeSet<PathBuf>,
}

/// How the donor's tree and ours compare: all files, tracked or not, and ignored ones that no build
/// has made.
#[derive(Debug, Default, PartialEq)]
pub enum TreeState {
    /// Nothing is known: there is no git, whole directories are ignored, or there is too much.
    #[default]
    Unknown,
    /// This file has other bytes, or only one tree has it.
    Differs(PathBuf),
    /// They are the same; in the donor's, this was changed last.
    Same(PathBuf, SystemTime),
}

/// A file in the donor's tree and in ours.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Source {
    /// When it was last written; `None` where it is not there.
    pub donors: Option<SystemTime>,
    /// When the donor's file last became another one, whatever its time says: `mv` and `cp -p` set
    /// that, also of a directory or a link on the way to it. `None` where the system does not tell.
    pub donors_changed: Option<SystemTime>,
    pub own: Option<SystemTime>,
    /// Whether the two have the same bytes.
    pub is_same: bool,
    /// Whether both are executable, or none, and links with the same text, or no links.
    pub is_same_kind: bool,
    /// Whether the one name is that of a file in our tree, and not of a link to elsewhere: its time
    /// may be set.
    pub is_ours: bool,
}

impl Sources {
    /// Counts what somebody has put beside what cargo builds as files of the trees.
    pub(super) fn compare_targets(&mut self, places: [&Place; 2]) {
        let [donors, own] = places.map(|place| {
            let dirs = BTreeSet::from([place.lane.clone(), place.root.join("target")]);
            dirs.iter().flat_map(|dir| units::foreign(dir)).collect::<Vec<_>>()
        });
        let names = |found: &[PathBuf]| {
            found.iter().map(|path| path.file_name().map(OsStr::to_owned)).collect::<BTreeSet<_>>()
        };
        // What is written over in a directory leaves the time of the directory as it is.
        let files: Vec<PathBuf> =
            donors.iter().flat_map(|path| walk(Path::new(""), path)).collect();
        if files.len() > FOREIGN_MAX {
            self.trees = TreeState::Unknown;
            return;
        }
        let timed = |path: PathBuf| Some((modified(&path).max(changed(&path))?, path));
        // Tests write there whenever they run.
        let of_tests = walk(Path::new(""), &places[0].lane.join("tmp"));
        let of_tests = of_tests.into_iter().skip(1); // cargo makes the directory itself.
        let all = files.iter().cloned().chain(of_tests.take(FOREIGN_MAX));
        self.beside = all.filter_map(timed).map(|(time, path)| (path, time)).collect();
        let TreeState::Same(path, last_change) = &self.trees else { return };
        let last = files.into_iter().filter_map(timed);
        self.trees = match last.max() {
            _ if places[0].root != places[1].root && !(donors.is_empty() && own.is_empty()) => {
                let other = donors.first().or(own.first()).cloned().unwrap_or_default();
                TreeState::Differs(other)
            }
            _ if names(&donors) != names(&own) => TreeState::Unknown,
            Some((time, path)) if time > *last_change => TreeState::Same(path, time),
            _ => TreeState::Same(path.clone(), *last_change),
        };
    }
}

/// Up to this many files that no build has made are looked at in a target directory.
const FOREIGN_MAX: usize = 10_000;

/// Up to this many bytes, all files of two trees are compared for the sake of macros that may read
/// them.
const BYTES_MAX: u64 = 256 << 20;

pub(crate) fn compare(
    sh: &Shell,
    donor_root: &Path,
    own_root: &Path,
    wanted: &SourceQuery,
) -> Sources {
    compare_trees(sh, donor_root, own_root, wanted, donor_root == own_root)
}

/// What there would be to say of a tree with the same files, with the same times.
pub(crate) fn of_copy(sh: &Shell, root: &Path, wanted: &SourceQuery) -> Sources {
    compare_trees(sh, root, root, wanted, false)
}

fn compare_trees(
    sh: &Shell,
    donor_root: &Path,
    own_root: &Path,
    wanted: &SourceQuery,
    is_same_tree: bool,
) -> Sources {
    let mut files = wanted.files.clone();
    let mut lists = HashMap::new();
    for path in &wanted.watched {
        let list = |root: &Path| walk(root, path);
        let (donors, own) =
            (list(donor_root), if is_same_tree { None } else { Some(list(own_root)) });
        lists.insert(
            path.clone(),
            if own.is_none_or(|own| own == donors) { Some(donors) } else { None },
        );
    }
    let (mut trees, mut everything) = (TreeState::Unknown, BTreeSet::new());
    let mut repositories = BTreeSet::new();
    if !wanted.packages.is_empty() || wanted.everything {
        let (donors, own) = if is_same_tree {
            (unignored(sh, donor_root), None)
        } else {
            let (donors, own) = in_both(sh, donor_root, own_root, unignored);
            (donors, Some(own))
        };
        for package in &wanted.packages {
            let listed = |all: &Option<Listed>| of_package(&all.as_ref()?.files, package);
            let of_donor = listed(&donors);
            let is_same = own.as_ref().is_none_or(|own| listed(own) == of_donor);
            lists.insert(package.clone(), if is_same { of_donor } else { None });
        }
        if let (true, Some(donors)) = (wanted.everything, donors) {
            repositories = repositories_outside(donor_root, &wanted.files);
            repositories.extend(donors.repositories.iter().cloned());
            let own = own.unwrap_or_else(|| Some(donors.clone()));
            (trees, everything) = compare_lists(sh, (donor_root, donors), (own_root, own));
        }
    }
    files.extend(everything.iter().cloned());
    files.extend(lists.values().flatten().flatten().cloned());

    let files: Vec<PathBuf> = files.into_iter().collect();
    if !is_same_tree {
        wait_one_clock_tick(&files, own_root);
    }
    let compared = in_parallel(&files, |path| {
        let is_same_kind = are_same_kind(&donor_root.join(path), &own_root.join(path));
        Source { is_same_kind, ..source(donor_root, own_root, path) }
    });
    let mut files: HashMap<PathBuf, Source> = files.into_iter().zip(compared).collect();
    let mut ways = Ways::new(donor_root);
    for (path, source) in &mut files {
        let path = donor_root.join(path);
        let changed = source.donors_changed.max(ways.changed(&path));
        source.donors_changed = changed.max(last_change_behind(&path, donor_root));
    }
    let differs = |path: &&PathBuf| !(files[*path].is_same && files[*path].is_same_kind);
    if let Some(path) = everything.iter().find(differs) {
        trees = TreeState::Differs(path.clone());
    } else {
        let last = everything.iter().filter_map(|path| {
            let source = &files[path];
            Some((source.donors.max(source.donors_changed)?, path))
        });
        if let Some((time, path)) = last.max() {
            trees = TreeState::Same(path.clone(), time);
        }
    }
    Sources { files, lists, trees, repositories, ..Sources::default() }
}

/// Those around files out of the checkout.
fn repositories_outside(root: &Path, files: &BTreeSet<PathBuf>) -> BTreeSet<PathBuf> {
    let top = git_dir::checkout(root).unwrap_or(root);
    let dirs = files.iter().filter_map(|file| file.parent().map(|dir| normalized(&root.join(dir))));
    let dirs: BTreeSet<PathBuf> = dirs.filter(|dir| !dir.starts_with(top)).collect();
    dirs.iter().filter_map(|dir| git_dir::checkout(dir).map(Path::to_owned)).collect()
}

/// All files and directories of both trees, to be compared; none where the lists tell enough.
fn compare_lists(
    sh: &Shell,
    (donor_root, donors): (&Path, Listed),
    (own_root, own): (&Path, Option<Listed>),
) -> (TreeState, BTreeSet<PathBuf>) {
    let Some(own) = own else { return (TreeState::Unknown, BTreeSet::new()) };
    let all = |root: &Path, listed: Listed| {
        let mut files = ignored(sh, root, &listed.repositories)?;
        files.extend(listed.files);
        files.extend(unlisted(root)?);
        Some(files)
    };
    let (Some(donors), Some(own)) = (all(donor_root, donors), all(own_root, own)) else {
        return (TreeState::Unknown, BTreeSet::new());
    };
    if let Some(path) = donors.symmetric_difference(&own).next() {
        return (TreeState::Differs(path.clone()), BTreeSet::new());
    }
    // Reading gigabytes of data would take longer than compiling what they may have gone into.
    let bytes = in_parallel(&own.iter().collect::<Vec<_>>(), |path| file_len(&own_root.join(path)));
    if bytes.into_iter().flatten().sum::<u64>() > BYTES_MAX {
        return (TreeState::Unknown, BTreeSet::new());
    }
    (TreeState::Unknown, own)
}

/// Whether a file or a directory out of the checkout is the same in both places, and has not been
/// changed since then. Of one that is not there, the directory is looked at in which it was; of a
/// directory all that is in it, unless the path has climbed to it from inside.
pub(super) fn is_same_outside(donors: &Path, own: &Path, then: SystemTime) -> bool {
    let (written, donors, own) = (own, normalized(donors), normalized(own));
    let is_old = |path: &Path| {
        let way = Ways::new(Path::new(".")).changed(path); // Nothing is in the tree.
        let last = if path.is_dir() && (written == path || !written.starts_with(path)) {
            newest_in(path, &mut { OUTSIDE_MAX })
        } else {
            let there = path.ancestors().find(|path| path.exists()).unwrap_or(path);
            modified(there).max(if there == path { changed(there) } else { None })
        };
        last.is_some_and(|last| last.max(way.unwrap_or(last)) <= then)
    };
    if donors == own {
        return is_old(&own);
    }
    let is_equal = match (donors.symlink_metadata(), own.symlink_metadata()) {
        (Err(_), Err(_)) => true,
        (Ok(theirs), Ok(ours)) if theirs.is_file() && ours.is_file() => {
            matches!((crate::files::read(&donors), crate::files::read(&own)), (Ok(a), Ok(b)) if a == b)
        }
        _ => false,
    };
    is_equal && is_old(&donors)
}

/// So much is looked at in a directory out of the checkout.
const OUTSIDE_MAX: usize = 1000;

/// When something in a directory was changed last, but for what is built in it and what git keeps.
/// `None` where it holds more than is left to be looked at.
fn newest_in(dir: &Path, left: &mut usize) -> Option<SystemTime> {
    let mut newest = modified(dir).max(changed(dir));
    let is_package = dir.join("Cargo.toml").is_file();
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        *left = left.checked_sub(1)?;
        let (path, name) = (entry.path(), entry.file_name());
        let is_left_out = name == ".git" || name == ".lanes" || (name == "target" && is_package);
        match entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            true if is_left_out => {}
            true => newest = newest.max(Some(newest_in(&path, left)?)),
            false => newest = newest.max(modified(&path)).max(changed(&path)),
        }
    }
    newest
}

/// The same inputs of two trees at the same time: git takes its time for each.
fn in_both<T: Send>(
    sh: &Shell,
    donor: &Path,
    own: &Path,
    ask: impl Fn(&Shell, &Path) -> T + Sync,
) -> (T, T) {
    std::thread::scope(|scope| {
        let other = sh.clone(); // One shell stands in one directory.
        let ask = &ask;
        let own = scope.spawn(move || ask(&other, own));
        (ask(sh, donor), own.join().expect("asking does not panic"))
    })
}

/// An edit within the same tick of the file system's clock as our look would be invisible. So the
/// newest file has to be a tick old: 4 ms where times have nanoseconds, up to 2 s where they have
/// not.
fn wait_one_clock_tick(files: &[PathBuf], root: &Path) {
    let times = in_parallel(files, |path| modified(&root.join(path)));
    let Some(newest) = times.into_iter().flatten().filter(|time| *time <= environment::now()).max()
    else {
        return;
    };
    let is_coarse =
        newest.duration_since(SystemTime::UNIX_EPOCH).is_ok_and(|time| time.subsec_micros() == 0);
    let tick = if is_coarse { Duration::from_secs(2) } else { Duration::from_millis(20) };
    if let Some(rest) =
        environment::now().duration_since(newest).ok().and_then(|age| tick.checked_sub(age))
    {
        std::thread::sleep(rest);
    }
}

fn source(donor_root: &Path, own_root: &Path, path: &Path) -> Source {
    let (donors, own) = (donor_root.join(path), own_root.join(path));
    if let (Some((donors_text, donors_time)), Some((text, time))) =
        (dangling(&donors), dangling(&own))
    {
        return Source {
            donors: donors_time,
            own: time,
            is_same: donors_text == text && text.is_relative(),
            ..Source::default()
        };
    }
    if donors == own {
        let time = modified(&own);
        return Source {
            donors: time,
            donors_changed: changed(&own),
            own: time,
            is_same: time.is_some(),
            ..Source::default()
        };
    }
    // The times come first: whatever is written after the look at them has a later one.
    let (donors_time, own_time) = (modified(&donors), modified(&own));
    let donors_changed = changed(&donors);
    let mut source =
        Source { donors: donors_time, donors_changed, own: own_time, ..Source::default() };
    if donors.is_dir() && own.is_dir() {
        // What is in a directory is in the list that names it; what is behind a link to one is not.
        source.is_same =
            (is_real_dir(&donors) && is_real_dir(&own)) || are_same_links(&donors, &own);
        source.is_ours = is_inside(&own, own_root);
    } else if file_len(&donors).is_some() && file_len(&donors) == file_len(&own) {
        if let (Ok(donors_bytes), Ok(own_bytes)) =
            (crate::files::read(&donors), crate::files::read(&own))
        {
            source.is_same = donors_bytes == own_bytes;
            source.is_ours = is_inside(&own, own_root);
        }
    }
    // What was written while we read is not what we have compared.
    if (modified(&donors), modified(&own)) != (donors_time, own_time) {
        source.is_same = false;
    }
    source
}

/// Of a link to nothing what it says, and since when nothing can have been there.
fn dangling(link: &Path) -> Option<(PathBuf, Option<SystemTime>)> {
    let text = std::fs::read_link(link).ok()?;
    let target = normalized(&link.parent()?.join(&text));
    if target.exists() || link.exists() {
        return None;
    }
    let made = link.symlink_metadata().and_then(|meta| meta.modified()).ok();
    let last = target.ancestors().find(|path| path.exists()).and_then(modified);
    Some((text, made.max(last)))
}

fn are_same_kind(donors: &Path, own: &Path) -> bool {
    #[cfg(unix)]
    let is_executable = |path: &Path| {
        use std::os::unix::fs::PermissionsExt as _;
        path.metadata().is_ok_and(|meta| meta.permissions().mode() & 0o111 != 0)
    };
    #[cfg(not(unix))]
    let is_executable = |_: &Path| false;
    let text = |path: &Path| std::fs::read_link(path).ok();
    donors == own || (text(donors) == text(own) && is_executable(donors) == is_executable(own))
}

/// When something out of the tree was last changed to which a link to a directory leads: git lists
/// the link alone.
fn last_change_behind(link: &Path, root: &Path) -> Option<SystemTime> {
    if !link.is_symlink() || !link.is_dir() || is_inside(link, root) {
        return None;
    }
    let (mut ahead, mut count, mut last) = (vec![link.to_owned()], 0, None);
    while let Some(path) = ahead.pop() {
        last = last.max(modified(&path)).max(changed(&path));
        count += 1;
        if count > FOREIGN_MAX {
            return Some(environment::now()); // It cannot be told.
        }
        if count == 1 || is_real_dir(&path) {
            ahead.extend(
                std::fs::read_dir(&path).into_iter().flatten().flatten().map(|it| it.path()),
            );
        }
    }
    last
}

fn is_real_dir(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|meta| meta.is_dir())
}

fn are_same_links(donors: &Path, own: &Path) -> bool {
    are_same_behind(donors, own, LINKS_MAX)
}

/// How many links to directories may lead from one to the next: some lead back.
const LINKS_MAX: usize = 4;

/// Two links with the same text, relative, and byte for byte the same behind them.
fn are_same_behind(donors: &Path, own: &Path, links: usize) -> bool {
    let texts = (std::fs::read_link(donors), std::fs::read_link(own));
    if links == 0 || !matches!(texts, (Ok(donors), Ok(own)) if donors == own && own.is_relative()) {
        return false;
    }
    if donors.is_dir() && own.is_dir() {
        are_same_dirs(donors, own, links - 1)
    } else {
        are_same_files(donors, own)
    }
}

/// Byte for byte.
fn are_same_dirs(donors: &Path, own: &Path, links: usize) -> bool {
    let names = |dir: &Path| -> Option<BTreeSet<_>> {
        std::fs::read_dir(dir).ok()?.map(|entry| Some(entry.ok()?.file_name())).collect()
    };
    let (Some(donors_names), Some(own_names)) = (names(donors), names(own)) else { return false };
    donors_names == own_names
        && own_names.iter().all(|name| {
            let (donors, own) = (donors.join(name), own.join(name));
            if own.is_symlink() || donors.is_symlink() {
                return are_same_behind(&donors, &own, links);
            }
            if donors.is_dir() && own.is_dir() {
                return are_same_dirs(&donors, &own, links);
            }
            are_same_files(&donors, &own)
        })
}

fn are_same_files(donors: &Path, own: &Path) -> bool {
    matches!((crate::files::read(donors), crate::files::read(own)), (Ok(a), Ok(b)) if a == b)
}

fn modified(path: &Path) -> Option<SystemTime> {
    path.metadata().ok()?.modified().ok()
}

fn file_len(path: &Path) -> Option<u64> {
    path.metadata().ok().filter(std::fs::Metadata::is_file).map(|meta| meta.len())
}

fn is_inside(path: &Path, root: &Path) -> bool {
    matches!((real_path(path), real_path(root)), (Ok(path), Ok(root)) if path.starts_with(&root))
}

/// A path and all below it, sorted. One that is not there is in the list too: then nothing equals
/// it.
fn walk(root: &Path, path: &Path) -> Vec<PathBuf> {
    let mut found = vec![path.to_owned()];
    if root.join(path).is_dir() {
        add_below(root, path, &mut found);
    }
    found.sort();
    found
}

fn add_below(root: &Path, dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(root.join(dir)).into_iter().flatten().flatten() {
        let path = dir.join(entry.file_name());
        // A link to a directory is followed by cargo; here it stays a name, under which no file is
        // found.
        let is_dir = entry.file_type().is_ok_and(|kind| kind.is_dir());
        found.push(path.clone());
        if is_dir {
            add_below(root, &path, found);
        }
    }
}

/// What git lists in a tree.
#[derive(Clone, PartialEq)]
struct Listed {
    /// Every file that git tracks or would track.
    files: BTreeSet<PathBuf>,
    /// The repositories inside: submodules, and others that somebody has put there.
    repositories: BTreeSet<PathBuf>,
}

/// Of the whole checkout around `root`, relative to that, with what is in the repositories inside:
/// git itself lists of these only the directory. `None` without git.
fn unignored(sh: &Shell, root: &Path) -> Option<Listed> {
    let args = ["ls-files", "-z", "--cached", "--others", "--exclude-standard", ":/"];
    let mut listed = Listed { files: BTreeSet::new(), repositories: BTreeSet::new() };
    for path in listed_names(sh, root, &args)?.iter().map(PathBuf::from) {
        // A submodule that is not checked out has no `.git`.
        if is_real_dir(&root.join(&path)) && root.join(&path).join(".git").exists() {
            let inner = unignored(sh, &root.join(&path))?;
            listed.files.extend(inner.files.iter().map(|file| path.join(file)));
            listed
                .repositories
                .extend(inner.repositories.iter().map(|repository| path.join(repository)));
            listed.repositories.insert(path);
        } else {
            listed.files.insert(path);
        }
    }
    Some(listed)
}

/// The files that git ignores and that are no build output of ours. `None` without git, and where
/// whole directories are ignored: what is in those is nobody's to compare.
fn ignored(sh: &Shell, root: &Path, repositories: &BTreeSet<PathBuf>) -> Option<BTreeSet<PathBuf>> {
    let args =
        ["ls-files", "-z", "--others", "--ignored", "--exclude-standard", "--directory", ":/"];
    // What `setup` writes there says nothing that a build could notice.
    let is_of_setup = |path: &Path| {
        path == Path::new(".cargo/config.toml")
            && crate::files::read(root.join(path))
                .is_ok_and(|text| text == UNTRACKED_CONFIG.as_bytes())
    };
    let mut files = BTreeSet::new();
    for repository in [Path::new("")].into_iter().chain(repositories.iter().map(PathBuf::as_path)) {
        let dir = root.join(repository);
        let names = listed_names(sh, &dir, &args)?;
        let is_output = |name: &str| is_output(&dir, Path::new(name.trim_end_matches('/')));
        // Of a directory without a pattern of its own, in which everything is ignored, git lists
        // the files, too: `.cargo/`, where `setup` has written its configuration.
        let is_listed_below =
            |dir: &str| names.iter().any(|name| name != dir && name.starts_with(dir));
        for name in &names {
            if name.ends_with('/') && !is_output(name) && !is_listed_below(name) {
                return None;
            }
            let path = repository.join(name);
            if !name.ends_with('/') && !is_output(name) && !is_of_setup(&path) {
                files.insert(path);
            }
        }
    }
    Some(files)
}

/// Whether it is the workspace's lanes, or what cargo has built of another workspace, or ours.
fn is_output(root: &Path, name: &Path) -> bool {
    name == Path::new("target")
        || (name.ends_with("target") && root.join(name).join("CACHEDIR.TAG").exists())
        || [".lanes", ".cargo/cranelift.toml"].iter().any(|ours| name.ends_with(ours))
        // Of a folder that ignores itself, git lists what is in it, too.
        || name.ancestors().any(|dir| dir.ends_with(".cargo/wrapper") || dir.ends_with(".lanes"))
}

/// What git does not list: directories, which may be empty, and pipes. The root and what is above
/// change with what is built, and `.cargo` with what `setup` writes.
fn unlisted(root: &Path) -> Option<BTreeSet<PathBuf>> {
    let mut found = BTreeSet::new();
    let mut ahead = vec![git_dir::checkout(root)?.to_owned()];
    while let Some(dir) = ahead.pop() {
        for entry in std::fs::read_dir(&dir).ok()?.flatten() {
            let (kind, path) = (entry.file_type().ok()?, entry.path());
            let name = relative_to(root, &path);
            let is_listed = kind.is_file() || kind.is_symlink() || path.ends_with(".git");
            if is_listed || is_output(root, &name) {
                continue;
            }
            if kind.is_dir() {
                ahead.push(path.clone());
            }
            if !root.starts_with(&path) && !path.ends_with(".cargo") {
                found.insert(name);
            }
        }
    }
    Some(found)
}

/// As git writes it, with `..` for what is beside the root.
fn relative_to(root: &Path, path: &Path) -> PathBuf {
    let mut name = PathBuf::new();
    for above in root.ancestors() {
        if let Ok(rest) = path.strip_prefix(above) {
            return name.join(rest);
        }
        name.push("..");
    }
    path.to_owned()
}

fn listed_names(sh: &Shell, dir: &Path, args: &[&str]) -> Option<Vec<String>> {
    let list = String::from_utf8(sh.read("git", args, dir).ok()?).ok()?;
    Some(list.split('\0').filter(|name| !name.is_empty()).map(str::to_owned).collect())
}

/// Those of a package, without those of the packages inside it. `None` where git does not know the
/// package.
fn of_package(all: &BTreeSet<PathBuf>, package: &Path) -> Option<Vec<PathBuf>> {
    if !all.contains(&package.join("Cargo.toml")) {
        return None;
    }
    let is_of_inner = |file: &Path| {
        file.ancestors()
            .skip(1)
            .take_while(|dir| *dir != package)
            .any(|dir| all.contains(&dir.join("Cargo.toml")))
    };
    let is_of_package = |file: &&PathBuf| {
        let is_beside_the_workspace = file.starts_with(".."); // Which is no matter of a package at its root.
        file.starts_with(package) && !is_beside_the_workspace && !is_of_inner(file)
    };
    Some(all.iter().filter(is_of_package).cloned().collect())
}

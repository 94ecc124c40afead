//! Carries out a list of edits, so that what interrupts it leaves the files as they were, or as they were to be.
//!
//! ```text
//! <git dir>/multilane/edits/      of the worktree; without git, <root>/.multilane/, which ignores itself
//! ├── lock                        held while somebody writes
//! ├── open                        a list that is being written: whoever finds it takes it back
//! ├── next-<name>                 what will be `done-<name>` as soon as `open` is gone
//! └── done-<name>                 what has been written under a name, kept so that it can be taken back
//! ```
//!
//! A list is one file with all bytes, the old ones and the new ones, and has its name only when it is whole. The moment in
//! which `open` gets that name is the first in which anything may have changed; the moment in which it loses it is the last.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use crate::facts::common;
use crate::facts::texts;
use crate::plan::edit::{Content, Edits};

/// The right to write the files of one project. It ends with this value, or with the process.
pub(crate) struct Journal {
    root: PathBuf,
    dir: PathBuf,
    _lock: File,
}

/// What an earlier call has left.
#[derive(Debug, PartialEq)]
pub(crate) enum Left {
    Nothing,
    /// It was interrupted, and its edits have been taken back just now.
    TakenBack,
    /// The same, but for these files, which are neither as they were nor as they were to be.
    TakenBackBut(Vec<String>),
}

impl Journal {
    /// Waits for nobody. Takes back what an interrupted call has left.
    ///
    /// # Errors
    ///
    /// When somebody else is writing, or the folder cannot be made.
    pub(crate) fn open(root: &Path) -> anyhow::Result<(Journal, Left)> {
        let dir = dir_of(root);
        let cannot = || format!("cannot write {}", dir.display());
        std::fs::create_dir_all(&dir).with_context(cannot)?;
        if dir.starts_with(root) && dir.ends_with(WITHOUT_GIT) {
            super::write_atomically(&dir.join(".gitignore"), b"*\n").with_context(cannot)?;
        }
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(dir.join("lock"));
        let lock = lock.with_context(cannot)?;
        if let Err(std::fs::TryLockError::WouldBlock) = lock.try_lock() {
            bail!("somebody is changing the files of {} just now\nhelp: try again", root.display());
        }
        let journal = Journal { root: root.to_owned(), dir, _lock: lock };
        let left = journal.take_back_open().context("cannot take back what an interrupted call has left")?;
        journal.keep_next()?;
        Ok((journal, left))
    }

    /// Writes them all, or none. With `kept_as`, [`Journal::kept`] has them under that name, with what it had before.
    ///
    /// # Errors
    ///
    /// When a file is not as the edit has found it, and when one cannot be written; then all are as they were.
    pub(crate) fn apply(&self, edits: &Edits, kept_as: Option<&str>) -> anyhow::Result<()> {
        for (path, edit) in edits.iter() {
            if texts::read(&self.root, path)? != edit.old {
                bail!("{} has changed meanwhile\nhelp: try again", self.root.join(path).display());
            }
        }
        let open = self.dir.join("open");
        let staged = self.dir.join("staged");
        let begun = self.write_whole(&staged, &edits.encode()).and_then(|()| rename(&staged, &open));
        begun.with_context(|| format!("cannot write {}", open.display()))?;

        for (path, edit) in edits.in_order() {
            if let Err(err) = put(&self.root, path, edit.new.as_ref()) {
                let left = self.take_back_open();
                let back = if left.is_ok() {
                    "nothing has been changed"
                } else {
                    "the next call takes back what has been changed"
                };
                return Err(err)
                    .with_context(|| format!("cannot write {}; {back}", self.root.join(path).display()));
            }
        }
        let ended = || {
            if let Some(name) = kept_as {
                let kept = self.kept(name).map_or_else(|| edits.clone(), |before| before.then(edits));
                self.write_whole(&staged, &kept.encode())?;
                rename(&staged, &self.dir.join(format!("{NEXT}{name}")))?;
            }
            remove(&open)?;
            self.keep_next()
        };
        ended().with_context(|| format!("cannot write {}", self.dir.display()))
    }

    /// There is a next list only while there is an open one, or when all of that one has been written.
    fn keep_next(&self) -> io::Result<()> {
        for entry in std::fs::read_dir(&self.dir)?.flatten() {
            if let Some(name) = entry.file_name().to_str().and_then(|name| name.strip_prefix(NEXT)) {
                rename(&entry.path(), &self.dir.join(format!("{DONE}{name}")))?;
            }
        }
        Ok(())
    }

    /// The list that was kept under `name`.
    pub(crate) fn kept(&self, name: &str) -> Option<Edits> {
        Edits::decode(&std::fs::read(self.dir.join(format!("{DONE}{name}"))).ok()?)
    }

    pub(crate) fn forget(&self, name: &str) -> io::Result<()> {
        super::remove_own_file(&self.dir.join(format!("{DONE}{name}")))
    }

    fn take_back_open(&self) -> io::Result<Left> {
        let open = self.dir.join("open");
        let bytes = match std::fs::read(&open) {
            Ok(bytes) => bytes,
            Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(Left::Nothing),
            Err(err) => return Err(err),
        };
        let Some(edits) = Edits::decode(&bytes) else {
            return Err(io::Error::other(format!("{} cannot be read", open.display())));
        };
        let mut others = Vec::new();
        for (path, edit) in edits.in_order().into_iter().rev() {
            let now = texts::read(&self.root, path).ok();
            if now.as_ref() == Some(&edit.new) {
                put(&self.root, path, edit.old.as_ref())?;
            } else if now.as_ref() != Some(&edit.old) {
                others.push(path.to_owned());
            }
            remove_staged(&self.root, path);
        }
        for entry in std::fs::read_dir(&self.dir)?.flatten() {
            if entry.file_name().to_string_lossy().starts_with(NEXT) {
                remove(&entry.path())?;
            }
        }
        remove(&open)?;
        Ok(if others.is_empty() { Left::TakenBack } else { Left::TakenBackBut(others) })
    }

    fn write_whole(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        step();
        let mut file = File::create(path)?;
        step();
        file.write_all(bytes)?;
        file.sync_all()
    }
}

const WITHOUT_GIT: &str = ".multilane";
const NEXT: &str = "next-";
const DONE: &str = "done-";

/// Of the worktree, since each has files of its own, and of the workspace in it.
fn dir_of(root: &Path) -> PathBuf {
    let in_git = || {
        let root = root.canonicalize().ok()?;
        let top = common::checkout(&root)?;
        let dir = common::git_dir(top)?.join("multilane/edits");
        let inside = root.strip_prefix(top).ok()?.to_str()?;
        Some(if inside.is_empty() { dir } else { dir.join(inside.replace(['/', '\\'], "%")) })
    };
    in_git().unwrap_or_else(|| root.join(WITHOUT_GIT))
}

/// The name beside a file under which its next text is written: always the same, so that the next call finds it.
fn staged_name(root: &Path, path: &str) -> PathBuf {
    let path = root.join(path);
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".multilane-new");
    path.with_file_name(name)
}

fn remove_staged(root: &Path, path: &str) {
    let staged = staged_name(root, path);
    drop(std::fs::remove_file(&staged));
    remove_empty_parents(root, &staged);
}

/// Makes the file what it is to be. A folder that becomes empty goes with its last file.
fn put(root: &Path, path: &str, content: Option<&Content>) -> io::Result<()> {
    let to = root.join(path);
    let Some(content) = content else {
        remove(&to)?;
        remove_empty_parents(root, &to);
        return Ok(());
    };
    let staged = staged_name(root, path);
    step();
    to.parent().map_or(Ok(()), std::fs::create_dir_all)?;
    step();
    let mode = to.metadata().ok().map(|meta| meta.permissions());
    std::fs::write(&staged, &content.bytes)?;
    if let Some(mode) = mode {
        std::fs::set_permissions(&staged, mode)?;
    }
    set_executable(&staged, content.executable)?;
    rename(&staged, &to)
}

fn remove_empty_parents(root: &Path, path: &Path) {
    for dir in path.ancestors().skip(1).take_while(|dir| *dir != root && dir.starts_with(root)) {
        step();
        if std::fs::remove_dir(dir).is_err() {
            break;
        }
    }
}

fn rename(from: &Path, to: &Path) -> io::Result<()> {
    step();
    std::fs::rename(from, to)?;
    step();
    Ok(())
}

fn remove(path: &Path) -> io::Result<()> {
    step();
    super::remove_own_file(path)?;
    step();
    Ok(())
}

#[cfg(unix)]
fn set_executable(path: &Path, executable: bool) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = path.metadata()?.permissions().mode();
    let wanted = if executable { mode | (mode & 0o444) >> 2 } else { mode & !0o111 };
    if wanted == mode {
        Ok(())
    } else {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(wanted))
    }
}

#[cfg(not(unix))]
fn set_executable(_path: &Path, _executable: bool) -> io::Result<()> {
    Ok(())
}

/// Before and after each change to the disk. Tests end the work here, as a kill would: nothing is cleaned up behind it.
fn step() {
    #[cfg(test)]
    tests::step();
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    thread_local! {
        static STEPS_LEFT: Cell<Option<u32>> = const { Cell::new(None) };
    }

    struct Killed;

    pub(super) fn step() {
        STEPS_LEFT.with(|left| match left.get() {
            Some(0) => std::panic::resume_unwind(Box::new(Killed)),
            Some(steps) => left.set(Some(steps - 1)),
            None => {}
        });
    }

    /// Whether `work` came to its end before it was killed.
    fn killed_after(steps: u32, work: impl FnOnce()) -> bool {
        STEPS_LEFT.set(Some(steps));
        let ended = catch_unwind(AssertUnwindSafe(work));
        STEPS_LEFT.set(None);
        match ended {
            Ok(()) => true,
            Err(payload) if payload.is::<Killed>() => false,
            Err(payload) => std::panic::resume_unwind(payload),
        }
    }

    struct Tree {
        root: PathBuf,
    }

    impl Tree {
        fn new(name: &str, with_git: bool) -> Tree {
            let root = std::env::temp_dir().join(format!("xtask-edits-{}-{name}", std::process::id()));
            drop(crate::effects::disk::delete_dir(&root));
            std::fs::create_dir_all(root.join("src")).expect("a directory");
            if with_git {
                std::fs::create_dir_all(root.join(".git")).expect("a directory");
            }
            std::fs::write(root.join("a.toml"), "old a\n").expect("a file");
            std::fs::write(root.join("src/b.rs"), "old b\n").expect("a file");
            std::fs::write(root.join("gone"), "gone\n").expect("a file");
            Tree { root }
        }

        /// All files but the journal's.
        fn files(&self) -> Vec<(String, Content)> {
            fn walk(root: &Path, dir: &Path, found: &mut Vec<(String, Content)>) {
                for entry in std::fs::read_dir(dir).expect("a directory").flatten() {
                    let path = entry.path();
                    if path.ends_with(".git") || path.ends_with(WITHOUT_GIT) {
                        continue;
                    }
                    let name = path.strip_prefix(root).expect("inside").to_str().expect("UTF-8").to_owned();
                    if path.is_dir() {
                        found.push((format!("{name}/"), Content::default()));
                        walk(root, &path, found);
                    } else {
                        let content = texts::read(root, &name).expect("readable").expect("there");
                        found.push((name, content));
                    }
                }
            }
            let mut found = Vec::new();
            walk(&self.root, &self.root, &mut found);
            found.sort_by(|a, b| a.0.cmp(&b.0));
            found
        }

        fn edits(&self) -> Edits {
            let mut edits = Edits::default();
            let mut push = |path: &str, new: Option<Content>| {
                edits.push(path, texts::read(&self.root, path).expect("readable"), new);
            };
            push("a.toml", Some(Content::of("new a\n")));
            push("src/b.rs", Some(Content { bytes: b"new b\n".to_vec(), executable: cfg!(unix) }));
            push("gone", None);
            push("xtask/src/main.rs", Some(Content::of("fn main() {}\n")));
            push("xtask/Cargo.toml", Some(Content::of("[package]\n")));
            edits
        }
    }

    impl Drop for Tree {
        fn drop(&mut self) {
            drop(crate::effects::disk::delete_dir(&self.root));
        }
    }

    /// Kills `apply` before and after each of its steps; the next call, which is killed as well and called again, must find
    /// all that was before or all that was to be.
    fn every_kill_leaves_old_or_new(name: &str, with_git: bool) {
        for kill in 0.. {
            let tree = Tree::new(name, with_git);
            let (old, edits) = (tree.files(), tree.edits());
            let ended = killed_after(kill, || {
                let (journal, _) = Journal::open(&tree.root).expect("it opens");
                journal.apply(&edits, Some("adopt")).expect("it is written");
            });
            for second in [kill % 7, kill / 2] {
                killed_after(second, || drop(Journal::open(&tree.root).expect("it opens")));
            }
            let (journal, _) = Journal::open(&tree.root).expect("it opens");
            let is_done = journal.kept("adopt").is_some();
            let now = tree.files();
            if !is_done {
                assert_eq!(now, old, "killed at step {kill}");
                journal.apply(&edits, Some("adopt")).expect("it is written");
            }
            for (path, edit) in edits.iter() {
                assert_eq!(
                    texts::read(&tree.root, path).expect("readable"),
                    edit.new,
                    "killed at step {kill}"
                );
            }
            assert_eq!(journal.kept("adopt"), Some(edits.clone()));
            journal.apply(&edits.reversed(), None).expect("it is written");
            assert_eq!(tree.files(), old, "killed at step {kill}");
            if ended {
                assert!(is_done);
                return;
            }
        }
    }

    #[test]
    fn every_kill_leaves_old_or_new_with_git() {
        every_kill_leaves_old_or_new("git", true);
    }

    #[test]
    fn every_kill_leaves_old_or_new_without_git() {
        every_kill_leaves_old_or_new("no-git", false);
    }

    #[test]
    fn what_somebody_has_written_meanwhile_stays() {
        let tree = Tree::new("meanwhile", true);
        let edits = tree.edits();
        std::fs::write(tree.root.join("a.toml"), "mine\n").expect("a file");
        let before = tree.files();
        let (journal, _) = Journal::open(&tree.root).expect("it opens");
        let err = journal.apply(&edits, None).expect_err("it must refuse").to_string();
        assert!(err.contains("a.toml has changed meanwhile"), "{err}");
        assert_eq!(tree.files(), before);
        drop(journal);

        // Also after a kill.
        std::fs::write(tree.root.join("a.toml"), "old a\n").expect("a file");
        for kill in 10.. {
            let ended = killed_after(kill, || {
                let (journal, _) = Journal::open(&tree.root).expect("it opens");
                journal.apply(&edits, None).expect("it is written");
            });
            assert!(!ended, "a.toml is never written before it is ended");
            if std::fs::read(tree.root.join("a.toml")).expect("it is there") == b"new a\n" {
                break;
            }
            drop(Journal::open(&tree.root).expect("it opens"));
        }
        std::fs::write(tree.root.join("a.toml"), "mine\n").expect("a file");
        let (_, left) = Journal::open(&tree.root).expect("it opens");
        assert_eq!(left, Left::TakenBackBut(vec!["a.toml".to_owned()]));
        assert_eq!(tree.files(), before);
    }

    #[test]
    fn a_file_that_cannot_be_written_leaves_all_as_it_was() {
        let tree = Tree::new("refused", true);
        let mut edits = tree.edits();
        edits.push("a.toml/below", None, Some(Content::of("no directory can be there\n")));
        let before = tree.files();
        let (journal, _) = Journal::open(&tree.root).expect("it opens");
        let err = format!("{:#}", journal.apply(&edits, None).expect_err("it must fail"));
        assert!(err.contains("nothing has been changed"), "{err}");
        assert_eq!(tree.files(), before);
    }

    #[test]
    fn two_do_not_write_at_once() {
        let tree = Tree::new("two", true);
        let (_journal, left) = Journal::open(&tree.root).expect("it opens");
        assert_eq!(left, Left::Nothing);
        assert!(Journal::open(&tree.root).is_err());
    }
}

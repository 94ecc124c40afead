//! What is to be written into a tree: read first, shown as a diff, then written.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use multilane_engine::files;
use multilane_engine::process::{Held, Shell};
use multilane_engine::project::lockfile::{Id, Lockfile};

use crate::diff;

/// The changes to the files of one tree, in the order in which they are written.
pub(crate) struct Edits {
    pub(crate) root: PathBuf,
    list: Vec<Edit>,
}

/// One file.
struct Edit {
    /// Relative to the root.
    path: String,
    old: String,
    /// `None`: the file is removed.
    new: Option<String>,
}

impl Edits {
    pub(crate) fn of(root: PathBuf) -> Edits {
        Edits { root, list: Vec::new() }
    }

    /// The text of a file, empty where there is none.
    ///
    /// # Errors
    ///
    /// When it cannot be read or is a symbolic link: a link may lead out of the tree.
    pub(crate) fn read(&self, path: &str) -> anyhow::Result<String> {
        let file = self.root.join(path);
        match file.symlink_metadata() {
            Err(_) => Ok(String::new()),
            Ok(meta) if meta.is_symlink() => {
                bail!("{path} is a symbolic link\nhelp: put the file itself there")
            }
            Ok(_) => files::read_text(&file).with_context(|| format!("cannot read {path}")),
        }
    }

    /// # Errors
    ///
    /// When the old text cannot be read.
    pub(crate) fn put(&mut self, path: &str, new: String) -> anyhow::Result<()> {
        let old = self.read(path)?;
        let new = with_lines_as_in(&old, new);
        if old != new {
            self.list.push(Edit { path: path.to_owned(), old, new: Some(new) });
        }
        Ok(())
    }

    pub(crate) fn remove(&mut self, path: &str) {
        self.list.push(Edit { path: path.to_owned(), old: String::new(), new: None });
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The files that are to be written, and their new texts.
    pub(crate) fn written(&self) -> impl Iterator<Item = (&str, &str)> {
        self.list.iter().filter_map(|edit| Some((&*edit.path, edit.new.as_deref()?)))
    }

    pub(crate) fn paths(&self) -> impl Iterator<Item = &str> {
        self.list.iter().map(|edit| edit.path.as_str())
    }

    /// What is written, as a unified diff; of a removed file its name alone, and of the lockfile
    /// the packages.
    pub(crate) fn diff(&self) -> String {
        let shown = |edit: &Edit| match &edit.new {
            Some(new) if edit.path == "Cargo.lock" => {
                let packages = |text| Lockfile::parse(text).unwrap_or_default();
                let list = |lockfile: Lockfile| {
                    let line = |id: &Id| format!("{} {}\n", id.0, id.1);
                    lockfile.ids().map(line).collect::<String>()
                };
                diff::changed(&edit.path, &list(packages(&edit.old)), &list(packages(new)))
            }
            Some(new) => diff::unified(&edit.path, &edit.old, new),
            None => format!("removed: {}\n", edit.path),
        };
        self.list.iter().map(shown).collect()
    }

    /// Writes all, then removes. A signal waits until that is done; a kill leaves some of the files
    /// written, each of them whole.
    ///
    /// # Errors
    ///
    /// When a file cannot be written; then those before it are put back.
    pub(crate) fn write(&self) -> anyhow::Result<()> {
        let held = Held::start();
        let result = self.carry_out();
        held.release();
        result
    }

    fn carry_out(&self) -> anyhow::Result<()> {
        let file = |edit: &Edit| self.root.join(&edit.path);
        for (at, edit) in self.list.iter().enumerate() {
            let Some(new) = &edit.new else { continue };
            if let Err(err) = files::provide(&file(edit), new) {
                for edit in self.list[..at].iter().rev().filter(|edit| edit.new.is_some()) {
                    drop(match &*edit.old {
                        "" => self.remove_now(edit),
                        old => files::provide(&file(edit), old).map(drop),
                    });
                }
                return Err(err).with_context(|| format!("cannot write {}", edit.path));
            }
        }
        for edit in self.list.iter().filter(|edit| edit.new.is_none()) {
            self.remove_now(edit).with_context(|| format!("cannot remove {}", edit.path))?;
        }
        Ok(())
    }

    /// With the folders that are then empty.
    fn remove_now(&self, edit: &Edit) -> std::io::Result<()> {
        let file = self.root.join(&edit.path);
        files::remove_own_file(&file)?;
        let dirs = file.ancestors().skip(1).take_while(|dir| *dir != self.root);
        #[expect(clippy::disallowed_methods, reason = "only empty ones")]
        let _ = dirs.take_while(|dir| std::fs::remove_dir(dir).is_ok()).count();
        Ok(())
    }
}

/// What git prints, without the end of the last line. A program that the repository's own
/// configuration names to watch its files is not started.
///
/// # Errors
///
/// When git cannot be started, or fails.
pub(crate) fn git(sh: &Shell, dir: &Path, args: &[&str]) -> anyhow::Result<String> {
    let args = ["-c", "core.fsmonitor=false"].iter().chain(args);
    let output = sh.read("git", args, dir)?;
    Ok(String::from_utf8_lossy(&output).trim_end().to_owned())
}

/// Refuses a tree in which the change could not be taken back with git.
///
/// # Errors
///
/// When there are uncommitted changes, or no git, and that is not allowed.
pub(crate) fn check_vcs(
    sh: &Shell,
    root: &Path,
    allow_dirty: bool,
    allow_no_vcs: bool,
) -> anyhow::Result<()> {
    match git(sh, root, &["status", "--porcelain", "--", "."]) {
        Ok(changes) if changes.is_empty() || allow_dirty => Ok(()),
        Ok(changes) => {
            let first: Vec<&str> = changes.lines().take(5).collect();
            bail!(
                "{} has uncommitted changes:\n{}\nhelp: commit them, or --allow-dirty",
                root.display(),
                first.join("\n")
            )
        }
        Err(_) if allow_no_vcs => Ok(()),
        Err(_) => bail!(
            "{} is in no git repository, so nothing can take the change back\n\
             help: git init, or --allow-no-vcs",
            root.display()
        ),
    }
}

/// Keeps line endings, and a last line without one, as they were.
fn with_lines_as_in(old: &str, mut new: String) -> String {
    if !old.is_empty() && !old.ends_with('\n') {
        new.truncate(new.trim_end_matches('\n').len());
    }
    if old.contains("\r\n") { new.replace("\r\n", "\n").replace('\n', "\r\n") } else { new }
}

#[cfg(test)]
mod tests {
    use multilane_engine::files::scratch::Scratch;

    use super::*;

    /// By steps: as if the call had ended after each write, or the next one had failed.
    #[test]
    fn a_tree_has_the_old_state_or_the_new_one_of_each_file() {
        let scratch = Scratch::make(&std::env::temp_dir(), "multilane-edits-").expect("a folder");
        let root = scratch.dir.join("tree");
        std::fs::create_dir_all(root.join("b")).expect("a folder");
        for path in ["a", "b/c"] {
            std::fs::write(root.join(path), "old").expect("it can be written");
        }
        let state = || {
            let mut found = Vec::new();
            files::walk(&root, &mut |path, meta| {
                let text = if meta.is_file() {
                    files::read_text(path).expect("text")
                } else {
                    String::new()
                };
                found.push((path.to_owned(), text));
            });
            found.sort();
            found
        };
        let mut edits = Edits::of(root.clone());
        for path in ["a", "new/d", "b/c", "e"] {
            edits.put(path, "new".to_owned()).expect("it can be read");
        }
        let old = state();
        // A folder is where the last file is to be.
        std::fs::create_dir_all(root.join("e/f")).expect("a folder");
        edits.write().expect_err("it is a folder");
        std::fs::remove_dir_all(root.join("e")).expect("it is there");
        assert_eq!(state(), old);
        // What a kill has left is completed by the next call.
        for count in 0..edits.list.len() {
            for edit in &edits.list[..count] {
                files::provide(&root.join(&edit.path), "new").expect("it can be written");
            }
            edits.write().expect("it can be written");
            assert!(state().iter().all(|(path, text)| path.is_dir() || text == "new"));
        }
    }

    #[test]
    fn lines_end_as_they_did() {
        let new = || "a\nb\n".to_owned();
        for (old, expected) in
            [("", "a\nb\n"), ("a\n", "a\nb\n"), ("a", "a\nb"), ("a\r\n", "a\r\nb\r\n")]
        {
            assert_eq!(with_lines_as_in(old, new()), expected, "{old:?}");
        }
    }
}

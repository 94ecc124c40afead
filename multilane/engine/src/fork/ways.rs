//! Since when a path leads to what it leads to now.
//!
//! A directory that is renamed leaves the files in it as they are, with all their times, and so
//! does a link that is made to lead elsewhere. What tells is the change time of the link, and, of a
//! directory, its own together with that of the one it is in: a rename sets both.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::environment::real_path;
use crate::files::changed_itself;
use crate::project::packages::normalized;

/// What is on the way to the files of a workspace. Each directory is looked at once.
pub(super) struct Ways<'a> {
    root: &'a Path,
    known: HashMap<PathBuf, Option<SystemTime>>,
}

impl<'a> Ways<'a> {
    pub(super) fn new(root: &'a Path) -> Ways<'a> {
        Ways { root, known: HashMap::new() }
    }

    /// When a path may last have been made to lead elsewhere.
    pub(super) fn changed(&mut self, path: &Path) -> Option<SystemTime> {
        const LINKS_MAX: usize = 8; // Some lead to each other.
        self.changed_through(&normalized(path), LINKS_MAX)
    }

    fn changed_through(&mut self, path: &Path, links: usize) -> Option<SystemTime> {
        if self.root.starts_with(path) {
            return None;
        }
        if let Some(known) = self.known.get(path) {
            return *known;
        }
        let parent = path.parent()?;
        let of_parent = self.changed_through(parent, links);
        let own = match path.symlink_metadata() {
            Ok(meta) if meta.is_symlink() => {
                changed_itself(path).max(links.checked_sub(1).and_then(|links| {
                    let to = real_path(parent).ok()?.join(std::fs::read_link(path).ok()?);
                    self.changed_through(&normalized(&to), links)
                }))
            }
            Ok(meta) if meta.is_dir() => {
                let changed = changed_itself(path);
                // In the root, and out of the tree, something always comes and goes. There, the
                // rename has to be the last that has happened to the directory: an entry that comes
                // or goes sets both of its times.
                let is_in_busy_dir = parent == self.root || !path.starts_with(self.root);
                let is_edited = meta.modified().ok() == changed;
                if is_in_busy_dir && is_edited { None } else { changed.min(changed_itself(parent)) }
            }
            _ => None,
        };
        let changed = own.max(of_parent);
        self.known.insert(path.to_owned(), changed);
        changed
    }
}

//! How a worktree is shown at the path of the main checkout, and when that is better left alone.
//!
//! ```text
//! <base>/                          a private tmpfs; outside, an empty directory
//! ├── git                          what stands in for the worktree's `.git`, which names a path that is hidden now
//! └── <repository>/                the main checkout, so that git finds itself; without its lanes
//! <main>/                          the worktree
//! ├── .git                         `<base>/git`
//! ├── target/, .lanes/             directories of their own: below
//! <worktree>/                      itself, where it always is
//! └── .lanes/.at-root/{target,lanes}/
//! ```
//!
//! What is built at one path and used at another reads the wrong tree's files (docs/forks.md), and cargo does not see it. So
//! nothing that is built in the one view is a lane in the other: neither the worktree's, nor the main checkout's.

use std::path::{Path, PathBuf};

/// What is known of the two trees.
pub(crate) struct Trees<'a> {
    /// The main checkout, and whether its `.git` is a directory.
    pub(crate) main: &'a Path,
    pub(crate) has_git_dir: bool,
    /// The worktree to be shown, and its own directory in git's.
    pub(crate) tree: &'a Path,
    pub(crate) git_dir_of_tree: &'a Path,
    /// Where in a checkout the workspace is.
    pub(crate) inside: &'a Path,
    pub(crate) all: &'a [PathBuf],
    /// Whether cargo's configuration takes builds out of `target/`.
    pub(crate) builds_elsewhere: bool,
    pub(crate) hooks_path: Option<&'a Path>,
    /// Whether git's configuration has parts that count for some paths of repositories alone.
    pub(crate) has_conditions: bool,
    pub(crate) base: &'a Path,
}

/// Mounts, in this order.
#[derive(Debug, PartialEq)]
pub(crate) struct View {
    pub(crate) base: PathBuf,
    /// The main checkout's new place.
    pub(crate) aside: PathBuf,
    pub(crate) main: PathBuf,
    pub(crate) tree: PathBuf,
    /// Below both.
    pub(crate) inside: PathBuf,
    /// What `<main>/.git` says.
    pub(crate) git_file: Vec<u8>,
}

impl View {
    /// # Errors
    ///
    /// Why not, in words that follow "the worktree stays at its own path: ".
    pub(crate) fn of(trees: &Trees<'_>) -> Result<View, String> {
        let Trees { main, tree, base, .. } = trees;
        let is_inside = |worktree: &&PathBuf| worktree.as_path() != *main && worktree.starts_with(main);
        if !trees.has_git_dir {
            return Err(format!("{} has no .git directory", main.display()));
        }
        if base.starts_with(main) || main.starts_with(base) {
            return Err(format!("{} is shown elsewhere already", main.display()));
        }
        if let Some(hidden) = trees.all.iter().find(is_inside) {
            return Err(format!("the worktree {} would be hidden", hidden.display()));
        }
        if trees.builds_elsewhere {
            return Err("cargo is configured to build outside of target/".to_owned());
        }
        if let Some(hooks) = trees.hooks_path.filter(|hooks| hooks.starts_with(main.join(".git"))) {
            return Err(format!("the hooks in {} would be hidden", hooks.display()));
        }
        if trees.has_conditions {
            return Err("git's configuration has includeIf, and may be another there".to_owned());
        }
        let Ok(git_dir) = trees.git_dir_of_tree.strip_prefix(main) else {
            return Err(format!("{} is not in {}", trees.git_dir_of_tree.display(), main.display()));
        };
        let aside = base.join(main.file_name().unwrap_or("main".as_ref()));
        let mut git_file = b"gitdir: ".to_vec();
        git_file.extend(aside.join(git_dir).as_os_str().as_encoded_bytes());
        git_file.push(b'\n');
        Ok(View {
            base: base.to_path_buf(),
            aside,
            main: main.to_path_buf(),
            tree: tree.to_path_buf(),
            inside: trees.inside.to_owned(),
            git_file,
        })
    }

    /// A path outside as it is called inside.
    pub(crate) fn seen(&self, path: &Path) -> PathBuf {
        let joined = match (path.strip_prefix(&self.tree), path.strip_prefix(&self.main)) {
            (Ok(below), _) => self.main.join(below),
            (_, Ok(below)) => self.aside.join(below),
            _ => path.to_owned(),
        };
        joined.components().collect() // Joining nothing leaves a slash at the end.
    }

    /// The worktree's own lanes for this view: what they are, and where the two are seen.
    pub(crate) fn lanes(&self) -> [(PathBuf, PathBuf); 2] {
        let own = lane_of(&self.tree.join(&self.inside));
        let (own, root) = (own.parent().unwrap_or(&own), self.main.join(&self.inside));
        [(own.join("target"), root.join("target")), (own.join("lanes"), root.join(".lanes"))]
    }

    /// The main checkout's, which are not to be seen.
    pub(crate) fn hidden_lanes(&self) -> [PathBuf; 2] {
        ["target", ".lanes"].map(|name| self.aside.join(&self.inside).join(name))
    }
}

/// The lane of the workspace at `root` while that is shown elsewhere.
pub(crate) fn lane_of(root: &Path) -> PathBuf {
    root.join(".lanes/.at-root/target")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trees<'a>(all: &'a [PathBuf]) -> Trees<'a> {
        Trees {
            main: Path::new("/w/app"),
            has_git_dir: true,
            tree: Path::new("/w/app-fix"),
            git_dir_of_tree: Path::new("/w/app/.git/worktrees/app-fix"),
            inside: Path::new("rust"),
            all,
            builds_elsewhere: false,
            hooks_path: None,
            has_conditions: false,
            base: Path::new("/run/b"),
        }
    }

    #[test]
    fn everything_has_a_place() {
        let view = View::of(&trees(&["/w/app".into(), "/w/app-fix".into()])).expect("a view");
        assert_eq!(view.git_file, b"gitdir: /run/b/app/.git/worktrees/app-fix\n");
        assert_eq!(view.seen(Path::new("/w/app-fix/rust/src")), Path::new("/w/app/rust/src"));
        assert_eq!(view.seen(Path::new("/w/app/.git/x")), Path::new("/run/b/app/.git/x"));
        assert_eq!(view.seen(Path::new("/usr/bin")), Path::new("/usr/bin"));
        assert_eq!(view.seen(Path::new("/w/app-fix")).as_os_str(), "/w/app");
        let [target, lanes] = view.lanes();
        let place = |path: &str| PathBuf::from(path);
        assert_eq!(target, (place("/w/app-fix/rust/.lanes/.at-root/target"), place("/w/app/rust/target")));
        assert_eq!(lanes, (place("/w/app-fix/rust/.lanes/.at-root/lanes"), place("/w/app/rust/.lanes")));
        assert_eq!(view.hidden_lanes()[0], Path::new("/run/b/app/rust/target"));
    }

    #[test]
    fn what_would_be_wrong_in_there_is_refused() {
        let both = ["/w/app".into(), "/w/app-fix".into()];
        let nested = ["/w/app".into(), "/w/app/trees/a".into()];
        assert!(View::of(&trees(&nested)).is_err());
        assert!(View::of(&Trees { has_git_dir: false, ..trees(&both) }).is_err());
        assert!(View::of(&Trees { builds_elsewhere: true, ..trees(&both) }).is_err());
        assert!(View::of(&Trees { has_conditions: true, ..trees(&both) }).is_err());
        assert!(View::of(&Trees { base: Path::new("/w"), ..trees(&both) }).is_err());
        let hooks = |path| Trees { hooks_path: Some(Path::new(path)), ..trees(&both) };
        assert!(View::of(&hooks("/w/app/.git/multilane/hooks")).is_err());
        assert!(View::of(&hooks(".husky/_")).is_ok() && View::of(&hooks("/etc/hooks")).is_ok());
    }
}

//! What all worktrees of a repository share: a place in git's own directory, which no `cargo clean`
//! and no removed worktree takes away.
//!
//! ```text
//! <git common dir>/multilane/
//! ├── xtask          the program, for whatever is started without cargo; effects/disk.rs keeps it current
//! ├── memo.json      what that program remembers of tools
//! ├── answers        what was found out about compilers' options (verbs/adopt_cache.rs) and units (facts/units/contents.rs)
//! ├── workspace      where in a checkout the workspace is; empty for its top
//! ├── cold/          who leads in a cold start; cold_start/leader.rs draws it
//! ├── records.jsonl  what each build did (docs/records.md); the older ones in records.old.jsonl
//! ├── disk           what is known of the disk; disk.rs reads it
//! ├── collected.jsonl  what `gc` has deleted, as with --json; gc.lock is held meanwhile
//! ├── analyze.json   what the builds of `analyze` took
//! ├── test-runner    starts tests that an agent runs, so that the cargo that they start is the shim
//! ├── bin/cargo      the shim: `xtask` by another name, the first `cargo` on the PATH of `lane run`
//! ├── hooks/         git's hooks while `lane hook` stands in front of a `core.hooksPath`…
//! └── hooks-path     …and the value that it had: altogether, and in the repository's own configuration
//! ```

use std::path::{Component, Path, PathBuf};
use std::time::SystemTime;

use crate::environment::{FOLDER, real_path};
use crate::files;

/// `<git common dir>/multilane`, whether it is there or not.
#[derive(Clone, Debug, PartialEq)]
pub struct Common {
    pub dir: PathBuf,
    /// The checkout that the workspace is in.
    pub top: PathBuf,
    /// Where in the checkout.
    inside: PathBuf,
}

/// The name of the memo, beside whichever program remembers.
pub const MEMO: &str = "memo.json";

impl Common {
    /// Finds git's directory as git does (gitrepository-layout(5)), but without a process, and
    /// without the variables that git sets for hooks: they may speak of another worktree. `None`
    /// where there is no repository.
    pub fn of(root: &Path) -> Option<Common> {
        let root = real_path(root).ok()?;
        let top = checkout(&root)?;
        let dir = git_common_dir(top)?.join(FOLDER);
        let inside = root.strip_prefix(top).ok()?.to_owned();
        Some(Common { dir, top: top.to_owned(), inside })
    }

    /// Git's own directory.
    pub fn git_dir(&self) -> &Path {
        self.dir.parent().unwrap_or(&self.dir)
    }

    pub fn program(&self) -> PathBuf {
        self.dir.join(format!("xtask{}", std::env::consts::EXE_SUFFIX))
    }

    /// What is remembered of tools, beside the program.
    pub fn memo(&self) -> PathBuf {
        self.dir.join(MEMO)
    }

    /// What was found out once for all worktrees.
    pub fn answers(&self) -> PathBuf {
        self.dir.join("answers")
    }

    pub fn workspace_file(&self) -> PathBuf {
        self.dir.join("workspace")
    }

    /// What `workspace_file` has to hold.
    pub fn inside(&self) -> &Path {
        &self.inside
    }

    /// Where builders tell each other what they build.
    pub fn cold(&self) -> PathBuf {
        self.dir.join("cold")
    }

    /// What each build did.
    pub fn records(&self) -> PathBuf {
        records_in(self.dir.clone())
    }

    /// The directory that comes first on `PATH`.
    pub fn bin(&self) -> PathBuf {
        self.dir.join("bin")
    }

    pub fn shim(&self) -> PathBuf {
        self.bin().join(format!("cargo{}", std::env::consts::EXE_SUFFIX))
    }

    pub fn test_runner(&self) -> PathBuf {
        self.dir.join("test-runner")
    }

    pub fn hooks(&self) -> PathBuf {
        self.dir.join("hooks")
    }

    /// Where the repository's workspace is in each checkout, as far as anybody has said.
    pub fn known_inside(&self) -> Option<PathBuf> {
        Some(PathBuf::from(files::read_text(self.workspace_file()).ok()?))
    }
}

pub fn records_in(dir: PathBuf) -> PathBuf {
    dir.join("records.jsonl")
}

/// The commit that a checkout is at, read without a process. `None` before the first one, and where
/// refs are not in plain files or are too many.
pub fn commit(top: &Path) -> Option<String> {
    const PACKED_BYTES_MAX: u64 = 1024 * 1024; // Every build reads them.
    let head = files::read_text(git_dir(top)?.join("HEAD")).ok()?;
    let Some(name) = head.trim().strip_prefix("ref: ") else {
        return Some(head.trim().to_owned());
    };
    let common = git_common_dir(top)?;
    if let Ok(commit) = files::read_text(common.join(name)) {
        return Some(commit.trim().to_owned());
    }
    let packed = common.join("packed-refs");
    if packed.metadata().ok()?.len() > PACKED_BYTES_MAX {
        return None;
    }
    let packed = files::read_text(packed).ok()?;
    let commits = packed.lines().filter_map(|line| line.split_once(' '));
    commits.into_iter().find(|(_, of)| *of == name).map(|(commit, _)| commit.to_owned())
}

/// The checkout that a directory is in.
pub fn checkout(root: &Path) -> Option<&Path> {
    root.ancestors().find(|dir| dir.join(".git").symlink_metadata().is_ok())
}

/// The workspace that is `inside` a checkout. (`join` with nothing would end in a slash, which
/// compares as equal and reads as another.)
pub fn workspace_in(top: &Path, inside: &Path) -> PathBuf {
    top.join(inside).components().collect()
}

/// Whether `xtask`, at `exe`, is the shared one of the repository with this `common`.
pub fn is_shared_program(exe: &Path, common: &Common) -> bool {
    let dir = exe.parent().unwrap_or(exe);
    [common.dir.clone(), common.bin()].iter().any(|own| real_path(own).is_ok_and(|own| own == dir))
}

/// Git's own directory of a checkout, the one that its worktrees share.
pub fn git_common_dir(top: &Path) -> Option<PathBuf> {
    let git_dir = git_dir(top)?;
    let common = match files::read_text(git_dir.join("commondir")) {
        Ok(text) => git_dir.join(text.trim()),
        Err(_) => git_dir,
    };
    real_path(&common)
        .ok()
        .filter(|dir| dir.components().any(|part| matches!(part, Component::Normal(_))))
}

/// Git's own directory of one checkout: a worktree has one in that of the repository.
pub fn git_dir(top: &Path) -> Option<PathBuf> {
    let dot_git = top.join(".git");
    if dot_git.is_dir() {
        return Some(dot_git);
    }
    let text = files::read_text(&dot_git).ok()?;
    Some(top.join(text.strip_prefix("gitdir:")?.trim()))
}

/// When git had written all files of the worktree or the submodule that a file is in. `None` where
/// it may have written some again since: `HEAD` was at another commit, or was reset.
pub fn written_at(file: &Path) -> Option<SystemTime> {
    const OF_MAKING: usize = 2; // A worktree on a branch is reset; a submodule is checked out.
    let top = checkout(file)?;
    let git_dir = git_dir(top)?;
    let log = git_dir.join("logs/HEAD");
    let text = files::read_text(&log).ok()?;
    let mut commits: Vec<_> = text.lines().map(|line| line.split(' ').nth(1)).collect();
    let is_as_made = commits.len() <= OF_MAKING;
    let was_reset = text.lines().skip(OF_MAKING).any(|line| line.contains("\treset: "));
    commits.dedup();
    let last = match git_dir.join("commondir").exists() {
        // A branch that is made there rewrites nothing.
        true if commits.len() == 1 && !was_reset => git_dir.join("ORIG_HEAD"),
        false if is_as_made && top.join(".git").is_file() => log,
        _ => return None,
    };
    last.metadata().ok()?.modified().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::scratch::Scratch;

    /// Windows has another form for paths in which links are resolved.
    #[test]
    fn gits_directory_is_written_as_a_part_of_the_checkout() {
        let scratch = Scratch::of_test("git-dir");
        let top = real_path(&scratch.dir).expect("it is there");
        let inner = top.join("rust").join("app");
        for dir in [&inner, &top.join(".git")] {
            std::fs::create_dir_all(dir).expect("a directory");
        }
        assert_eq!(git_common_dir(&top), Some(top.join(".git")));
        assert!(!top.to_string_lossy().starts_with(r"\\?\"), "{}", top.display());
        let common = Common::of(&inner).expect("it is a checkout");
        assert_eq!((common.top.as_path(), common.inside()), (&*top, Path::new("rust/app")));
    }
}

//! All files of a workspace that somebody wrote, whether git knows it or not.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context as _;

use crate::effects::shell::Shell;
use crate::facts::texts;
use crate::plan::edit::Content;

/// The files of the tree at `root`, and what git knows of them.
pub(crate) struct Tree {
    pub(crate) files: BTreeMap<String, Content>,
    pub(crate) git: Option<Git>,
}

/// A tree that is a checkout of its own.
pub(crate) struct Git {
    /// `git status --porcelain`
    pub(crate) status: String,
    /// HEAD, if there is a commit.
    pub(crate) commit: Option<String>,
    /// The address of `origin`.
    pub(crate) origin: Option<String>,
    /// `Name <address>` of who commits.
    pub(crate) author: Option<String>,
}

impl Tree {
    pub(crate) fn read(sh: &Shell, root: &Path) -> anyhow::Result<Tree> {
        let git = |args: &[&str]| {
            let output = sh.read("git", args, root).ok()?;
            Some(String::from_utf8_lossy(&output).trim().to_owned())
        };
        // A folder in somebody else's repository is no checkout of its own.
        let git = if root.join(".git").exists() {
            let status = sh
                .read("git", ["status", "--porcelain"], root)
                .context("git cannot tell what has changed")?;
            let author = git(&["var", "GIT_AUTHOR_IDENT"]);
            let author = author.and_then(|ident| Some(format!("{}>", ident.rsplit_once("> ")?.0)));
            Some(Git {
                status: String::from_utf8_lossy(&status).into_owned(),
                commit: git(&["rev-parse", "--verify", "--quiet", "HEAD"]),
                origin: git(&["remote", "get-url", "origin"]),
                author,
            })
        } else {
            None
        };
        let mut names = Vec::new();
        if git.as_ref().is_some_and(|git| git.commit.is_some()) {
            let list =
                sh.read("git", ["ls-files", "-z"], root).context("cannot list the files of the checkout")?;
            names.extend(String::from_utf8_lossy(&list).split('\0').map(str::to_owned));
        } else {
            walk(root, "", &mut names)?;
        }

        let mut files = BTreeMap::new();
        for name in names.into_iter().filter(|name| !name.is_empty()) {
            if let Some(content) = texts::read(root, &name)? {
                files.insert(name, content);
            }
        }
        Ok(Tree { files, git })
    }
}

/// Without what builds have made and what belongs to this machine.
fn walk(root: &Path, below: &str, names: &mut Vec<String>) -> anyhow::Result<()> {
    const LEFT_OUT: [&str; 6] =
        [".git", ".lanes", ".multilane", "target", ".cargo/wrapper", ".cargo/local.toml"];
    let dir = root.join(below);
    let cannot = || format!("cannot read {}", dir.display());
    for entry in std::fs::read_dir(&dir).with_context(cannot)? {
        let entry = entry.with_context(cannot)?;
        let Some(name) = entry.file_name().to_str().map(str::to_owned) else { continue };
        let path = if below.is_empty() { name } else { format!("{below}/{name}") };
        if LEFT_OUT.contains(&path.as_str()) {
            continue;
        }
        if entry.file_type().with_context(cannot)?.is_dir() {
            walk(root, &path, names)?;
        } else {
            names.push(path);
        }
    }
    Ok(())
}

//! The template, as files: the checkout as it is, and what it was at the commit that a project has recorded.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use toml_edit::DocumentMut;

use crate::effects::shell::Shell;
use crate::facts::texts;
use crate::plan::edit::Content;
use crate::plan::template::RECORD;

/// A checkout of the template.
pub(crate) struct Template {
    pub(crate) root: PathBuf,
    /// `workspace.package.version`.
    pub(crate) version: String,
    /// HEAD, where nothing in the checkout differs from it.
    pub(crate) commit: Option<String>,
    /// What git knows there, by path.
    pub(crate) files: BTreeMap<String, Content>,
}

impl Template {
    /// # Errors
    ///
    /// When `root` is no checkout of the template, but a project that was made from it, or something else.
    pub(crate) fn read(sh: &Shell, root: &Path) -> anyhow::Result<Template> {
        let shown = root.display();
        if root.join("xtask").join(RECORD).is_file() {
            bail!("{shown} is a project made from the template, not the template\nhelp: clone the template");
        }
        let list = ["ls-files", "--cached", "--others", "--exclude-standard", "-z"];
        let list = sh.read("git", list, root).with_context(|| format!("{shown} is no git checkout"))?;
        let mut files = BTreeMap::new();
        for name in String::from_utf8_lossy(&list).split('\0').filter(|name| !name.is_empty()) {
            if let Some(content) = texts::read(root, name)? {
                files.insert(name.to_owned(), content);
            }
        }
        if !files.contains_key("xtask/src/plan/template.rs") {
            bail!("{shown} is no checkout of the template: it has no xtask that adopts");
        }
        let version = version(&files).with_context(|| format!("{shown} has no version"))?;
        let clean = sh.read("git", ["status", "--porcelain"], root)?.is_empty();
        let commit = match sh.read("git", ["rev-parse", "--verify", "HEAD"], root) {
            Ok(commit) if clean => Some(String::from_utf8_lossy(&commit).trim().to_owned()),
            _ => None,
        };
        Ok(Template { root: root.to_owned(), version, commit, files })
    }

    /// All of it at an earlier commit; nothing where that commit is not here.
    pub(crate) fn at(&self, sh: &Shell, commit: &str) -> BTreeMap<String, Content> {
        let git = |args: &[&str]| sh.read("git", args, &self.root).ok();
        let is_commit = commit.len() >= 7 && commit.bytes().all(|byte| byte.is_ascii_hexdigit());
        let list = is_commit.then(|| git(&["ls-tree", "-r", "-z", "--name-only", commit])).flatten();
        let list = String::from_utf8(list.unwrap_or_default()).unwrap_or_default();
        let blob = |name: &str| {
            let bytes = git(&["cat-file", "blob", &format!("{commit}:{name}")])?;
            Some((name.to_owned(), Content::of(bytes)))
        };
        list.split('\0').filter(|name| !name.is_empty()).filter_map(blob).collect()
    }
}

fn version(files: &BTreeMap<String, Content>) -> Option<String> {
    let manifest: DocumentMut = files.get("Cargo.toml")?.text()?.parse().ok()?;
    Some(manifest.get("workspace")?.get("package")?.get("version")?.as_str()?.to_owned())
}

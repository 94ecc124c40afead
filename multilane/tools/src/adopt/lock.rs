//! What `Cargo.lock` becomes with a new member.
//!
//! cargo resolves in a mirror of the tree outside of it, which has copies of the manifests and
//! links to all else: there it reads no configuration of the tree, and starts no program that the
//! tree names.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use multilane_engine::files;
use multilane_engine::process::Shell;
use multilane_engine::project::lockfile::Lockfile;

use super::edits::Edits;
use crate::files::{name_program, scratch};

pub(super) const LOCKFILE: &str = "Cargo.lock";

/// The new text. `manifests` are all that the tree has, relative to its root.
pub(super) fn with_edits(
    sh: &Shell,
    edits: &Edits,
    manifests: &BTreeSet<PathBuf>,
) -> anyhow::Result<String> {
    const LEFT_OUT: [&str; 6] =
        [".cargo", ".git", "Cargo.toml", "rust-toolchain", "rust-toolchain.toml", "target"];
    let scratch = scratch("adopt", &[])?;
    let mirror = &scratch.dir.join("tree");
    let dirs: BTreeSet<&Path> =
        manifests.iter().flat_map(|path| path.ancestors().skip(1)).collect();
    for dir in &dirs {
        for name in files::names(&edits.root.join(dir)) {
            let path = dir.join(&name);
            let is_copied = dirs.contains(&*path) || path == Path::new(LOCKFILE);
            if !is_copied && !LEFT_OUT.contains(&&*name) {
                name_program(&mirror.join(&path), &edits.root.join(&path))?;
            }
        }
    }
    for path in manifests {
        let path = path.to_str().context("the path of a manifest is not UTF-8")?;
        files::provide(&mirror.join(path), &edits.read(path)?)?;
    }
    files::provide(&mirror.join(LOCKFILE), &edits.read(LOCKFILE)?)?;
    for (path, text) in edits.written() {
        files::provide(&mirror.join(path), text)?;
    }
    // Without the network, what the last resolution has left of the registry will do.
    let resolve = |more: &[&str]| {
        let args = ["update", "--workspace", "--quiet"].iter().chain(more).collect::<Vec<_>>();
        sh.read_cargo(&args.iter().map(|word| **word).collect::<Vec<_>>(), mirror)
    };
    resolve(&[]).or_else(|err| resolve(&["--offline"]).map_err(|_| err))?;
    Ok(files::read_text(mirror.join(LOCKFILE))?)
}

/// Versions that others would have to change, for the new member: `clap 4.4.0 (4.6.9)`.
pub(super) fn moved(old: &Lockfile, new: &Lockfile, member: &str) -> Vec<String> {
    let new_ids: BTreeSet<_> = new.ids().collect();
    let below = new.below(member);
    let gone = old.ids().filter(|id| !id.2.is_empty() && !new_ids.contains(id));
    let pairs = gone.filter_map(|gone| {
        let instead =
            below.iter().find(|id| id.0 == gone.0 && !old.ids().any(|old| old == **id))?;
        Some(format!("{} {} ({})", gone.0, gone.1, instead.1))
    });
    pairs.collect()
}

//! The files of a project as they are, for whoever plans to edit them.

use std::io;
use std::path::Path;

use anyhow::{Context as _, bail};

use crate::facts::host::is_executable;
use crate::plan::edit::Content;

/// What the file at `path` (relative, with `/`) in `root` holds; `None` where there is none.
///
/// # Errors
///
/// When it cannot be read, or is reached through a symbolic link: whoever replaced it would replace the link, or a file of
/// somewhere else.
pub(crate) fn read(root: &Path, path: &str) -> anyhow::Result<Option<Content>> {
    let mut at = root.to_owned();
    for part in path.split('/') {
        at.push(part);
        if at.symlink_metadata().is_ok_and(|meta| meta.is_symlink()) {
            bail!("{} is a symbolic link\nhelp: put the file itself there", at.display());
        }
    }
    match std::fs::read(&at) {
        Ok(bytes) => Ok(Some(Content { bytes, executable: cfg!(unix) && is_executable(&at) })),
        Err(err) if [io::ErrorKind::NotFound, io::ErrorKind::NotADirectory].contains(&err.kind()) => Ok(None),
        Err(err) => Err(err).with_context(|| format!("cannot read {}", at.display())),
    }
}

//! Shows a program a project as it would be after some edits, without touching it: a directory of links to what stays, with the
//! edited files in their places.

use std::io;
use std::path::Path;

use crate::effects::disk::temporary::Temporary;
use crate::plan::edit::Edits;

/// Makes `dir`, in which the project at `root` has been edited.
pub(crate) fn make(temporary: &mut Temporary, root: &Path, dir: &Path, edits: &Edits) -> io::Result<()> {
    temporary.make(dir)?;
    fill(root, dir, "", edits)?;
    for (path, edit) in edits.iter() {
        if let Some(content) = &edit.new {
            let to = dir.join(path);
            to.parent().map_or(Ok(()), std::fs::create_dir_all)?;
            std::fs::write(to, &content.bytes)?;
        }
    }
    Ok(())
}

fn fill(root: &Path, dir: &Path, inside: &str, edits: &Edits) -> io::Result<()> {
    const LEFT_OUT: [&str; 3] = [".git", "target", ".lanes"]; // Whoever builds in there must not build in the project.
    for entry in std::fs::read_dir(root)? {
        let entry = entry?;
        let name = entry.file_name();
        let Some(name) = name.to_str().filter(|name| !(inside.is_empty() && LEFT_OUT.contains(name))) else {
            continue;
        };
        let path = format!("{inside}{name}");
        let folder = format!("{path}/");
        if path == "Cargo.lock" {
            std::fs::copy(entry.path(), dir.join(name))?; // cargo writes it, and would write through a link.
            continue;
        }
        if edits.iter().any(|(edited, _)| edited.starts_with(&folder)) && entry.file_type()?.is_dir() {
            std::fs::create_dir(dir.join(name))?;
            fill(&entry.path(), &dir.join(name), &folder, edits)?;
        } else if !edits.iter().any(|(edited, _)| edited == path) {
            link(&entry.path(), &dir.join(name))?;
        }
    }
    Ok(())
}

#[cfg(unix)]
fn link(from: &Path, to: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(from, to)
}

#[cfg(not(unix))]
fn link(_from: &Path, _to: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

//! The marks on incremental caches that a fork has brought.

use std::io::{self};
use std::path::Path;

use crate::files;
use crate::units::incremental::{FORKED_LOCK, FORKED_PLACES, FORKED_PROGRAM, PROBE};

/// Takes marks off caches that a fork has brought, and their folder away with the last one.
pub fn remove_marks(forked: &Path, names: &[String]) -> io::Result<()> {
    for name in names {
        drop(files::remove_own_file(&forked.join(name))); // Another compiler of the same crate may have been here.
    }
    let is_mark = |entry: io::Result<std::fs::DirEntry>| {
        entry.is_ok_and(|entry| {
            let name = entry.file_name();
            // Who tries something out has a mark of its own; without one, it was killed.
            let is_left = name.as_encoded_bytes().starts_with(PROBE.as_bytes());
            !is_left
                && [FORKED_PROGRAM, FORKED_PLACES, FORKED_LOCK].iter().all(|ours| name != *ours)
        })
    };
    if names.is_empty() || std::fs::read_dir(forked)?.any(is_mark) {
        Ok(())
    } else {
        files::delete_dir(forked)
    }
}

//! The files of compiled crates, in the directories in which rustc looks for them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::files;

/// Where the files of one crate lie, if they are there.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CrateFiles {
    /// `None` where there is none.
    pub dylib: Option<PathBuf>,
    pub rlib: PathBuf,
    pub rmeta: PathBuf,
}

impl CrateFiles {
    /// The same, of another lane, where it is of this one.
    pub(crate) fn moved(&self, from: &Path, to: &Path) -> CrateFiles {
        let moved = |path: &PathBuf| {
            path.strip_prefix(from).map_or_else(|_| path.clone(), |path| to.join(path))
        };
        let CrateFiles { dylib, rlib, rmeta } = self;
        CrateFiles { dylib: dylib.as_ref().map(moved), rlib: moved(rlib), rmeta: moved(rmeta) }
    }
}

/// All that have a file in one of the directories.
pub(crate) fn read(dirs: &BTreeSet<PathBuf>) -> Vec<CrateFiles> {
    const DYLIB: &str = std::env::consts::DLL_EXTENSION;
    let mut found = Vec::new();
    for dir in dirs {
        let mut stems: BTreeMap<String, bool> = BTreeMap::new(); // With whether there is a dylib.
        for name in files::names(dir) {
            let Some((stem, extension)) = name.rsplit_once('.') else { continue };
            if ["rlib", "rmeta", DYLIB].contains(&extension) {
                *stems.entry(stem.to_owned()).or_default() |= extension == DYLIB;
            }
        }
        found.extend(stems.into_iter().map(|(stem, has_dylib)| {
            let file = |extension: &str| dir.join(format!("{stem}.{extension}"));
            let dylib = has_dylib.then(|| file(DYLIB));
            CrateFiles { dylib, rlib: file("rlib"), rmeta: file("rmeta") }
        }));
    }
    found
}

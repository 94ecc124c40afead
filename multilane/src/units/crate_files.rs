//! The files of compiled crates, in the directories in which rustc looks for them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::files;
use crate::process::Shell;

/// Where the files of one crate lie, if they are there.
#[derive(Clone, Debug, PartialEq)]
pub struct CrateFiles {
    /// `None` where there is none.
    pub dylib: Option<PathBuf>,
    pub rlib: PathBuf,
    pub rmeta: PathBuf,
}

impl CrateFiles {
    /// The same, of another lane, where it is of this one.
    pub fn moved(&self, from: &Path, to: &Path) -> CrateFiles {
        let moved = |path: &PathBuf| {
            path.strip_prefix(from).map_or_else(|_| path.clone(), |path| to.join(path))
        };
        let CrateFiles { dylib, rlib, rmeta } = self;
        CrateFiles { dylib: dylib.as_ref().map(moved), rlib: moved(rlib), rmeta: moved(rmeta) }
    }
}

/// All that have a file in one of the directories.
pub fn read(dirs: &BTreeSet<PathBuf>) -> Vec<CrateFiles> {
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

/// Where the compiler's own crates lie. None where it does not tell.
pub fn dirs_of_compiler(compiler: &Path, dir: &Path) -> Vec<PathBuf> {
    let targets = |sysroot: &Path| -> Vec<PathBuf> {
        // rustc finds itself through all links.
        let Ok(dir) = sysroot.join("lib/rustlib").canonicalize() else { return Vec::new() };
        files::entries(&dir).map(|target| target.path().join("lib")).collect()
    };
    let installed = compiler.ancestors().nth(2).filter(|_| compiler.is_absolute()).map(targets);
    // It may be one of rustup's, which starts another, or somebody's own.
    let ask = || {
        let said = Shell::as_is("cargo".into()).read(compiler, ["--print=sysroot"], dir).ok()?;
        Some(targets(Path::new(String::from_utf8(said).ok()?.trim())))
    };
    installed.filter(|dirs| !dirs.is_empty()).or_else(ask).unwrap_or_default()
}

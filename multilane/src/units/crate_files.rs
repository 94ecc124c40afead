//! The files of compiled crates, in the directories in which rustc looks for them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

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
    let mut found = Vec::new();
    for dir in dirs {
        let mut stems: BTreeSet<String> = BTreeSet::new();
        let mut dylibs: BTreeSet<String> = BTreeSet::new();
        for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
            let Ok(name) = entry.file_name().into_string() else { continue };
            let Some((stem, extension)) = name.rsplit_once('.') else { continue };
            if extension == std::env::consts::DLL_EXTENSION {
                dylibs.insert(stem.to_owned());
            }
            if ["rlib", "rmeta", std::env::consts::DLL_EXTENSION].contains(&extension) {
                stems.insert(stem.to_owned());
            }
        }
        found.extend(stems.into_iter().map(|stem| {
            let file = |extension: &str| dir.join(format!("{stem}.{extension}"));
            let dylib = dylibs.contains(&stem).then(|| file(std::env::consts::DLL_EXTENSION));
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
        let targets = std::fs::read_dir(dir).into_iter().flatten().flatten();
        targets.map(|target| target.path().join("lib")).collect()
    };
    let installed = compiler.ancestors().nth(2).filter(|_| compiler.is_absolute()).map(targets);
    // It may be one of rustup's, which starts another, or somebody's own.
    let ask = || {
        let said = Shell::as_is("cargo".into()).read(compiler, ["--print=sysroot"], dir).ok()?;
        Some(targets(Path::new(String::from_utf8(said).ok()?.trim())))
    };
    installed.filter(|dirs| !dirs.is_empty()).or_else(ask).unwrap_or_default()
}

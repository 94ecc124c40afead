//! Where things are.
//!
//! ```text
//! <root>/                      the workspace root: the nearest manifest with `[workspace]`
//! ├── Cargo.toml, Cargo.lock
//! ├── target/                  the worktree's own lane; plain cargo and the IDE build here
//! │   ├── debug/, release/, …  one directory, and one lock, per profile
//! │   ├── xtask/               xtask itself, and what it remembers of tools; `clean` leaves it
//! │   └── .lane                the stamp: who builds here holds a shared lock on it
//! └── .lanes/                  the lanes of agents; git-ignored, outside `target/`
//!     ├── .gitignore           `*`, written before the first lane
//!     ├── .trash-*/            a lane on its way out; the next build deletes what a kill has left
//!     └── <agent>/<key>/       one lane: a target directory, with a `.lane` of its own
//!         └── .fork-*/         a fork on its way in, as in `target/`; fork/write.rs draws it
//! ```

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use toml_edit::{DocumentMut, Item};

use crate::environment::real_path;
use crate::files;
use crate::project::cargo_config::CargoConfig;
use crate::project::cranelift;

/// Where the compiler wrapper is, relative to the root of the workspace.
pub const WRAPPER_DIR: &str = ".cargo/wrapper";

/// The workspace that the user stands in.
pub struct Repo {
    /// The directory of the workspace's root manifest, absolute.
    pub root: PathBuf,
    /// Where the user stands, and where cargo is started.
    pub start: PathBuf,
    /// The directory that decides on the package: `start`, or that of `--manifest-path`.
    pub inside: PathBuf,
    /// `[workspace.metadata.multilane]`.
    pub settings: Settings,
    /// From the root of a checkout, or absolute.
    lockfile: PathBuf,
}

/// What a project says in `[workspace.metadata.multilane]`.
pub struct Settings {
    /// `main-branch`: what `check-fast` compares with, where `origin/HEAD`, `main` and `master` are
    /// not it.
    pub main_branch: Option<String>,
    /// `donors`: the worktrees from which lanes may be forked, by name or path. `None`: all of
    /// them; what is no list of words allows none.
    pub donors: Option<Vec<String>>,
    /// `permits`, how many compilers run at once, and `permits-memory`, what links may have in MiB:
    /// as the compiler wrapper reads them. `None`: `permits = false`.
    pub permits: Option<String>,
    /// `disk`: how much all lanes of the repository may take together, such as `50 GiB`. `off`:
    /// builds collect nothing by themselves.
    pub disk: Option<String>,
    /// `cranelift`, or what is wrong with it.
    pub cranelift: Option<Result<cranelift::Settings, String>>,
}

impl Repo {
    /// Walks up from `inside` as cargo does. A package that belongs to no workspace is a workspace
    /// of its own.
    pub fn locate(start: PathBuf, inside: &Path) -> anyhow::Result<Repo> {
        let repo = |root: &Path, settings| Repo {
            root: root.to_owned(),
            start: start.clone(),
            inside: inside.to_owned(),
            settings,
            lockfile: "Cargo.lock".into(),
        };
        let mut package = None;
        for dir in inside.ancestors() {
            let Some(manifest) = read_manifest(dir)? else { continue };

            if manifest.contains_key("workspace") {
                return Ok(repo(dir, settings(&manifest)));
            }
            let pointer = || manifest.get("package")?.get("workspace")?.as_str();
            if let Some(root) = pointer() {
                let root = real_path(&dir.join(root)).with_context(|| {
                    format!(
                        "`package.workspace` in {} names no directory",
                        dir.join("Cargo.toml").display()
                    )
                })?;
                let settings = read_manifest(&root)?.as_ref().map(settings).unwrap_or_default();
                return Ok(repo(&root, settings));
            }
            package = package.or(Some(dir));
        }

        match package {
            Some(dir) => Ok(repo(dir, Settings::default())),
            None => bail!(
                "no Cargo.toml in {} or above it\nhelp: cd into the workspace, then try again",
                inside.display()
            ),
        }
    }

    pub fn lockfile(&self) -> PathBuf {
        self.lockfile_in(&self.root)
    }

    /// That of the same workspace in another checkout.
    pub fn lockfile_in(&self, root: &Path) -> PathBuf {
        root.join(&self.lockfile)
    }

    /// `resolver.lockfile-path`, which a cargo before 1.97 does not heed.
    pub fn configure(&mut self, config: &CargoConfig) {
        if let Some(path) = config.lockfile.as_deref().filter(|path| path.is_file()) {
            self.lockfile = path.strip_prefix(&self.root).unwrap_or(path).to_owned();
        }
    }

    /// The folder of the agents' lanes.
    pub fn lanes_dir(&self) -> PathBuf {
        self.root.join(".lanes")
    }
}

fn read_manifest(dir: &Path) -> anyhow::Result<Option<DocumentMut>> {
    let path = dir.join("Cargo.toml");
    let text = match files::read_text(&path) {
        Ok(text) => text,
        Err(err) if err.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(err) => return Err(err).with_context(|| format!("cannot read {}", path.display())),
    };
    let manifest = text.parse().with_context(|| format!("cannot parse {}", path.display()))?;
    Ok(Some(manifest))
}

fn words(item: &Item) -> Vec<String> {
    let words = item.as_array().into_iter().flatten();
    words.filter_map(|word| Some(word.as_str()?.to_owned())).collect()
}

fn permits(table: Option<&Item>) -> Option<String> {
    let value = |name| table.and_then(|table| table.get(name));
    let number = |name| value(name).and_then(integer).filter(|number| *number > 0);
    let word = |name| number(name).map_or_else(|| "-".to_owned(), |number| number.to_string());
    (!value("permits").is_some_and(is_off))
        .then(|| format!("{} {}\n", word("permits"), word("permits-memory")))
}

fn disk(value: &Item) -> Option<String> {
    let bytes = value.as_integer().map(|bytes| bytes.to_string());
    if is_off(value) { Some("off".to_owned()) } else { bytes.or(value.as_str().map(str::to_owned)) }
}

/// Also where it is written as text.
fn integer(value: &Item) -> Option<i64> {
    value.as_integer().or_else(|| value.as_str()?.trim().parse().ok())
}

fn is_off(value: &Item) -> bool {
    value.as_bool() == Some(false) || value.as_str() == Some("off")
}

/// Of a package that belongs to no workspace.
impl Default for Settings {
    fn default() -> Settings {
        settings(&DocumentMut::new())
    }
}

fn settings(manifest: &DocumentMut) -> Settings {
    let table = || manifest.get("workspace")?.get("metadata")?.get("multilane");
    Settings {
        main_branch: table().and_then(|table| Some(table.get("main-branch")?.as_str()?.to_owned())),
        donors: table().and_then(|table| table.get("donors")).map(words),
        permits: permits(table()),
        disk: table().and_then(|table| disk(table.get("disk")?)),
        cranelift: table().and_then(|table| table.get("cranelift")).map(cranelift::Settings::read),
    }
}

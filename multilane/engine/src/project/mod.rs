//! The workspace that a call works on: read once, and handed on as plain values.

pub mod affected;
pub mod alias;
pub mod cargo_config;
pub mod changes;
pub mod cranelift;
pub mod git_dir;
mod included;
pub mod lockfile;
pub mod packages;
pub mod root;
pub mod shared_program;
pub mod toolchain;
pub mod worktrees;

use std::path::{Path, PathBuf};
use std::time::Instant;

use self::cargo_config::CargoConfig;
use self::git_dir::Common;
use self::packages::normalized;
use self::root::Repo;
use crate::environment::{self, Environment};
use crate::process::Shell;
use crate::ui::Ui;

/// One call of xtask.
pub struct Session {
    pub env: Environment,
    pub ui: Ui,
    /// When `main` began.
    pub started: Instant,
}

/// The workspace that a verb works on, and the means to do so.
pub struct Project {
    pub session: Session,
    pub sh: Shell,
    pub repo: Repo,
    pub config: CargoConfig,
}

impl Session {
    /// `manifest_path` is what the user gave as such; cargo then works on that workspace, and so do
    /// we.
    pub fn project(self, manifest_path: Option<&Path>) -> anyhow::Result<Project> {
        let start = environment::current_dir()?;
        let inside = match manifest_path.and_then(Path::parent) {
            Some(dir) => start.join(dir),
            None => start.clone(),
        };
        let mut repo = Repo::locate(start.clone(), &normalized(&inside))?;
        let config = CargoConfig::read(&start, &self.env);
        repo.configure(&config);
        if let (Some(common), Some(exe)) = (Common::of(&repo.root), environment::exe()) {
            shared_program::refresh_shared_program(&common, &exe);
        }
        Ok(Project { sh: Shell::new(&self.env), repo, config, session: self })
    }
}

impl Project {
    /// A path as the user would write it: relative to the workspace where it lies in there.
    pub fn shown(&self, path: &Path) -> String {
        let short: PathBuf = match path.strip_prefix(&self.repo.root) {
            Ok(inside) if !inside.as_os_str().is_empty() => inside.to_owned(),
            _ => path.to_owned(),
        };
        short.display().to_string()
    }
}

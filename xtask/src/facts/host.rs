//! The environment and the clock, each read in this file alone.
//!
//! Everything else takes them as arguments, so that a decision can be tested without a process of its own.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::time::SystemTime;

use anyhow::Context as _;

/// The environment of this process, as it was when it started.
pub(crate) struct Environment {
    vars: BTreeMap<OsString, OsString>,
}

impl Environment {
    #[expect(clippy::disallowed_methods, reason = "this is the one place")]
    pub(crate) fn read() -> Environment {
        Environment { vars: std::env::vars_os().collect() }
    }

    /// The value as it is. An empty value counts as none: that is how shells unset a variable for one command.
    pub(crate) fn get(&self, name: &str) -> Option<&OsStr> {
        let value = self.vars.get(OsStr::new(name))?;
        if value.is_empty() { None } else { Some(value) }
    }

    /// Whether a switch such as `VERBOSE` is on: set, and neither `0`, `false`, `no` nor `off`.
    pub(crate) fn is_on(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| {
            !["0", "false", "no", "off"].iter().any(|off| value.eq_ignore_ascii_case(off))
        })
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&OsStr, &OsStr)> {
        self.vars.iter().map(|(name, value)| (name.as_os_str(), value.as_os_str()))
    }

    /// Where cargo keeps its own configuration, registries and installed programs.
    pub(crate) fn cargo_home(&self) -> Option<PathBuf> {
        match self.get("CARGO_HOME") {
            Some(home) => Some(PathBuf::from(home)),
            None => Some(std::env::home_dir()?.join(".cargo")),
        }
    }

    /// The file that starts when `program` is typed: the first match on `PATH`.
    pub(crate) fn find_program(&self, program: &str) -> Option<PathBuf> {
        let name = format!("{program}{}", std::env::consts::EXE_SUFFIX);
        std::env::split_paths(self.get("PATH")?)
            .map(|dir| dir.join(&name))
            .find(|candidate| is_executable(candidate))
    }
}

#[cfg(unix)]
pub(crate) fn is_executable(path: &std::path::Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    path.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
pub(crate) fn is_executable(path: &std::path::Path) -> bool {
    path.is_file()
}

/// What time it is.
#[expect(clippy::disallowed_methods, reason = "this is the one place")]
pub(crate) fn now() -> SystemTime {
    SystemTime::now()
}

/// Where the user stands. cargo is started there as well, so that it selects the packages it would select without us.
pub(crate) fn current_dir() -> anyhow::Result<PathBuf> {
    std::env::current_dir().context("cannot read the current directory")
}

/// xtask's own program, where it really lies.
pub(crate) fn exe() -> Option<PathBuf> {
    std::env::current_exe().ok()?.canonicalize().ok()
}

/// The directory of xtask's own program: `target/xtask`, unless somebody moved it.
pub(crate) fn exe_dir() -> Option<PathBuf> {
    Some(std::env::current_exe().ok()?.parent()?.to_owned())
}

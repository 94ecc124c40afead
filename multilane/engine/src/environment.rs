//! The environment and the clock, each read in this file alone.
//!
//! Everything else takes them as arguments, so that a decision can be tested without a process of
//! its own.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::Context as _;

/// The environment of this process, as it was when it started.
pub struct Environment {
    vars: BTreeMap<OsString, OsString>,
}

/// The user's home directory.
pub fn home_dir() -> Option<PathBuf> {
    std::env::home_dir()
}

impl Environment {
    #[expect(clippy::disallowed_methods, reason = "this is the one place")]
    pub fn read() -> Environment {
        Environment { vars: std::env::vars_os().collect() }
    }

    #[cfg(test)]
    pub(crate) fn of(vars: &[(&str, &str)]) -> Environment {
        let vars = vars.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
        Environment { vars: vars.collect() }
    }

    /// The value as it is. An empty value counts as none: that is how shells unset a variable for
    /// one command.
    pub fn get(&self, name: &str) -> Option<&OsStr> {
        let value = self.vars.get(OsStr::new(name))?;
        if value.is_empty() { None } else { Some(value) }
    }

    /// Whether a switch such as `VERBOSE` is on: set, and neither `0`, `false`, `no` nor `off`.
    pub fn is_on(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| {
            !["0", "false", "no", "off"].iter().any(|off| value.eq_ignore_ascii_case(off))
        })
    }

    pub fn iter(&self) -> impl Iterator<Item = (&OsStr, &OsStr)> {
        self.vars.iter().map(|(name, value)| (name.as_os_str(), value.as_os_str()))
    }

    /// The value as it is, also an empty one.
    pub fn value(&self, name: &str) -> Option<&OsStr> {
        self.vars.get(OsStr::new(name)).map(OsString::as_os_str)
    }

    /// Where cargo keeps its own configuration, registries and installed programs.
    pub fn cargo_home(&self) -> Option<PathBuf> {
        match self.get("CARGO_HOME") {
            Some(home) => Some(PathBuf::from(home)),
            None => Some(std::env::home_dir()?.join(".cargo")),
        }
    }

    /// The file that starts when `program` is typed: the first match on `PATH`.
    pub fn find_program(&self, program: &str) -> Option<PathBuf> {
        self.programs(program).next()
    }

    /// The first `cargo` on `PATH` that is no shim, of this repository or another: two that took
    /// each other for the real one would never end.
    pub fn real_cargo(&self) -> Option<PathBuf> {
        let is_real = |cargo: &PathBuf| {
            let dir = cargo.parent().and_then(|dir| real_path(dir).ok());
            dir.is_some_and(|dir| !is_shim_dir(&dir))
        };
        self.programs("cargo").find(is_real)
    }

    /// In a cargo that a test has started by way of the test runner: puts back the variables that
    /// the runner has set. Returns them with their values, `None` for those that were not set.
    pub fn leave_test_runner(&mut self) -> Vec<(OsString, Option<OsString>)> {
        let mut changes = Vec::new();
        for (own, name) in [("MULTILANE_OUTER_CARGO", "CARGO"), ("MULTILANE_OUTER_PATH", "PATH")] {
            if let Some(value) = self.vars.remove(OsStr::new(own)) {
                let value = Some(value).filter(|value| !value.is_empty());
                match &value {
                    Some(value) => drop(self.vars.insert(name.into(), value.clone())),
                    None => drop(self.vars.remove(OsStr::new(name))),
                }
                changes.extend([(own.into(), None), (name.into(), value)]);
            }
        }
        changes
    }

    /// `PATH` with `first` at its front, and no other shim on it.
    pub fn path_behind(&self, first: &Path) -> anyhow::Result<OsString> {
        let path = self.get("PATH").unwrap_or_default();
        let others = std::env::split_paths(path).filter(|dir| !is_shim_dir(dir));
        std::env::join_paths(std::iter::once(first.to_owned()).chain(others))
            .with_context(|| format!("{} cannot be on PATH", first.display()))
    }

    /// A directory for what lives no longer than this user's processes: `$XDG_RUNTIME_DIR`'s, or
    /// one in `/tmp`.
    pub fn runtime_dir(&self) -> PathBuf {
        match self.get("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|dir| dir.is_dir()) {
            Some(dir) => dir.join("multilane"),
            None => temporary_dir(),
        }
    }

    /// Where programs keep what can be made again.
    pub fn cache_home(&self) -> Option<PathBuf> {
        let set = |name| self.get(name).map(PathBuf::from).filter(|dir| dir.is_absolute());
        match std::env::consts::OS {
            "windows" => set("LOCALAPPDATA"),
            "macos" => Some(std::env::home_dir()?.join("Library/Caches")),
            _ => set("XDG_CACHE_HOME").or_else(|| Some(std::env::home_dir()?.join(".cache"))),
        }
    }

    pub(crate) fn programs(&self, program: &str) -> impl Iterator<Item = PathBuf> {
        let name = format!("{program}{}", std::env::consts::EXE_SUFFIX);
        let dirs = std::env::split_paths(self.get("PATH").unwrap_or_default());
        dirs.map(move |dir| dir.join(&name)).filter(|candidate| is_executable(candidate))
    }
}

/// This user's own in the directory for temporary files that all users share. Its maker has to see
/// that no other user has made it ([`crate::files::make_private_dir`]).
pub fn temporary_dir() -> PathBuf {
    std::env::temp_dir().join(format!("multilane-{}", user_id()))
}

/// The same for all sessions and shells of this user on this machine, whatever their environment.
pub fn machine_dir() -> PathBuf {
    let of_session = PathBuf::from(format!("/run/user/{}", user_id()));
    match std::env::consts::OS {
        "linux" if of_session.is_dir() => of_session.join(FOLDER),
        "linux" => Path::new("/tmp").join(format!("multilane-{}", user_id())),
        _ => temporary_dir(),
    }
}

/// Tells the users of a machine apart.
#[cfg(unix)]
fn user_id() -> String {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata("/proc/self").map(|meta| meta.uid().to_string()).unwrap_or_default()
}

#[cfg(not(unix))]
fn user_id() -> String {
    String::new()
}

#[cfg(unix)]
pub fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    path.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
pub fn is_executable(path: &Path) -> bool {
    path.is_file()
}

/// What time it is.
#[expect(clippy::disallowed_methods, reason = "this is the one place")]
pub fn now() -> SystemTime {
    SystemTime::now()
}

/// Where the user stands. cargo is started there as well, so that it selects the packages it would
/// select without us.
pub fn current_dir() -> anyhow::Result<PathBuf> {
    std::env::current_dir().context("cannot read the current directory")
}

/// What is typed behind the program's name, if that name is `cargo`: then this is the shim. And
/// whether it was called by a path, as by `$CARGO`.
pub fn arguments_of_shim() -> Option<(Vec<OsString>, bool)> {
    arguments_as("cargo").map(|(path, args)| (args, path.components().count() > 1))
}

/// The path that this was started by and what is typed behind it, if it is `name`.
pub fn arguments_as(name: &str) -> Option<(PathBuf, Vec<OsString>)> {
    let mut args = std::env::args_os();
    let path = PathBuf::from(args.next()?);
    (path.file_stem()? == name).then(|| (path, args.collect()))
}

/// Who has started this process.
pub fn parent_id() -> Option<u32> {
    #[cfg(unix)]
    return Some(std::os::unix::process::parent_id());
    #[cfg(not(unix))]
    None
}

/// The path without links, as cargo and git write it. Windows has a form of its own for that, with
/// `\\?\` in front, which compares as another path and is found in no file.
pub fn real_path(path: &Path) -> io::Result<PathBuf> {
    #[expect(clippy::disallowed_methods, reason = "this is the one place")]
    let real = path.canonicalize()?;
    #[cfg(windows)]
    let real = without_verbatim_prefix(real);
    Ok(real)
}

#[cfg(windows)]
fn without_verbatim_prefix(path: PathBuf) -> PathBuf {
    use std::path::{Component, Prefix};
    let mut parts = path.components();
    let Some(Component::Prefix(prefix)) = parts.next() else { return path };
    let mut plain = match prefix.kind() {
        Prefix::VerbatimDisk(disk) => OsString::from(format!("{}:", char::from(disk))),
        Prefix::VerbatimUNC(server, share) => {
            [r"\\".as_ref(), server, r"\".as_ref(), share].into_iter().collect()
        }
        _ => return path,
    };
    plain.push(parts.as_path());
    plain.into()
}

/// The engine's program, with links resolved. `multilane-tools` has been told which one called it:
/// what goes on calling the engine later needs that one.
pub fn exe() -> Option<PathBuf> {
    real_path(&program()?).ok()
}

/// The directory of the engine's program: `target/xtask`, or where it is installed.
pub fn exe_dir() -> Option<PathBuf> {
    Some(program()?.parent()?.to_owned())
}

#[expect(clippy::disallowed_methods, reason = "this is the one place")]
fn program() -> Option<PathBuf> {
    let own = std::env::current_exe().ok()?;
    match std::env::var_os(ENGINE_VARIABLE).filter(|engine| !engine.is_empty()) {
        Some(engine) if own.file_stem()? == "multilane-tools" => Some(engine.into()),
        _ => Some(own),
    }
}

/// The engine's program, for `multilane-tools`.
pub const ENGINE_VARIABLE: &str = "MULTILANE_ENGINE";

/// The folder of ours in git's directory.
pub const FOLDER: &str = "multilane";

/// Whether `dir` is where a shim lies, of whichever repository.
pub fn is_shim_dir(dir: &Path) -> bool {
    dir.ends_with(Path::new(FOLDER).join("bin"))
}

#[cfg(all(test, windows))]
mod tests {
    use super::*;

    #[test]
    fn a_real_path_is_written_as_cargo_and_git_write_it() {
        for (verbatim, plain) in [
            (r"\\?\C:\w\app", r"C:\w\app"),
            (r"\\?\UNC\server\share\app", r"\\server\share\app"),
            (r"C:\w\app", r"C:\w\app"),
            (r"\\?\Volume{1}\app", r"\\?\Volume{1}\app"), // It has no other name.
        ] {
            assert_eq!(without_verbatim_prefix(verbatim.into()), Path::new(plain));
        }
    }
}

//! The program through which cargo starts the compiler here.

use std::path::{Path, PathBuf};
use std::time::Duration;

use multilane_engine::project::cargo_config::CargoConfig;
use multilane_engine::project::git_dir;
use multilane_engine::retarget::wrapper;

use crate::doctor::toolchain::first_line;
use crate::process::Asker;

/// The wrapper that is used.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Wrapper {
    /// And why ours is not there.
    None(NotOurs),
    /// The one in `.cargo/wrapper`, and whether it can be started.
    Ours(Result<(), String>),
    /// One in `.cargo/wrapper` that another version has written.
    OtherVersion,
    /// Another one, and what it answers to `--version`.
    Other { program: PathBuf, answer: Result<String, String> },
}

/// Why our wrapper is not in place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum NotOurs {
    System,
    /// `.cargo/config.toml` does not include it.
    NotIncluded,
    NoCheckout,
    /// The first build writes it.
    NotBuilt,
}

/// Starts no program that lies in the workspace, but a wrapper that is byte for byte ours.
pub(crate) fn read(asker: &Asker<'_>, config: &CargoConfig, root: &Path) -> Wrapper {
    const LIMIT: Duration = Duration::from_secs(5);
    let Some(program) = config.rustc_wrappers.first() else {
        return Wrapper::None(why_not_ours(config, root));
    };
    let ask = |args: &[&str]| match asker.ask(program, args, root, LIMIT) {
        Ok(answer) if answer.success => Ok(first_line(&answer.stdout).to_owned()),
        Ok(answer) => Err(format!("fails: {}", first_line(&answer.stderr))),
        Err(silence) => Err(silence.to_string()),
    };
    match our_dir(program) {
        Some(dir) if wrapper::is_current(dir) => Wrapper::Ours(ask(&["true"]).map(drop)),
        Some(_) => Wrapper::OtherVersion,
        None => {
            let answer = if is_foreign(config, root) {
                Ok("not started, as it is in this workspace".to_owned())
            } else {
                ask(&["--version"])
            };
            Wrapper::Other { program: program.clone(), answer }
        }
    }
}

/// Whether the wrapper lies in the workspace and is not byte for byte ours.
pub(crate) fn is_foreign(config: &CargoConfig, root: &Path) -> bool {
    config.rustc_wrappers.first().is_some_and(|program| {
        program.starts_with(root) && !our_dir(program).is_some_and(wrapper::is_current)
    })
}

/// The folder of our wrapper, of this tree or one around it.
fn our_dir(program: &Path) -> Option<&Path> {
    program.parent().filter(|_| program.ends_with(".cargo/wrapper/rustc"))
}

fn why_not_ours(config: &CargoConfig, root: &Path) -> NotOurs {
    if cfg!(not(unix)) {
        NotOurs::System
    } else if !config.includes.contains(&root.join(".cargo/wrapper/config.toml")) {
        NotOurs::NotIncluded
    } else if git_dir::checkout(root).is_none() {
        NotOurs::NoCheckout
    } else {
        NotOurs::NotBuilt
    }
}

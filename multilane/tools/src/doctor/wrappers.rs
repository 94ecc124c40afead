//! Through what cargo starts the compiler here.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::process::Asker;
use multilane::project::cargo_config::CargoConfig;
use multilane::project::git_dir;

use crate::doctor::toolchain::first_line;

/// The wrapper that counts, if there is one.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Wrapper {
    None,
    /// The one that xtask puts into `.cargo/wrapper`, and what it says when it is tried.
    Ours(Result<(), String>),
    /// Another one, and what it says of itself.
    Other {
        program: PathBuf,
        answer: Result<String, String>,
    },
}

/// Why xtask puts none in place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum NotOurs {
    System,
    /// `.cargo/config.toml` does not include it.
    NotIncluded,
    NoCheckout,
    /// It comes with the first build.
    NotBuilt,
}

pub(crate) fn read(asker: &Asker<'_>, config: &CargoConfig, root: &Path) -> Wrapper {
    const LIMIT: Duration = Duration::from_secs(5);
    let Some(program) = config.rustc_wrappers.first() else { return Wrapper::None };
    let is_ours = program.ends_with(".cargo/wrapper/rustc");
    let args: &[&str] = if is_ours { &["true"] } else { &["--version"] };
    let answer = match asker.ask(program, args, root, LIMIT) {
        Ok(answer) if answer.success => Ok(first_line(&answer.stdout).to_owned()),
        Ok(answer) => Err(format!("fails: {}", first_line(&answer.stderr))),
        Err(silence) => Err(silence.to_string()),
    };
    if is_ours {
        Wrapper::Ours(answer.map(drop))
    } else {
        Wrapper::Other { program: program.clone(), answer }
    }
}

/// Where no wrapper is configured.
pub(crate) fn why_not_ours(config: &CargoConfig, root: &Path) -> NotOurs {
    match () {
        () if cfg!(not(unix)) => NotOurs::System,
        () if !config.includes.contains(&root.join(".cargo/wrapper/config.toml")) => {
            NotOurs::NotIncluded
        }
        () if git_dir::checkout(root).is_none() => NotOurs::NoCheckout,
        () => NotOurs::NotBuilt,
    }
}

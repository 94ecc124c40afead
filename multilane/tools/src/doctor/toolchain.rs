//! Which compiler cargo uses here, and what has chosen it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use multilane_engine::environment::{Environment, real_path};
use multilane_engine::project::cargo_config::CargoConfig;
use multilane_engine::project::root::Repo;
use multilane_engine::project::toolchain::Rustc;

use crate::doctor::config_files::settings_in;
use crate::process::Asker;

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Toolchain {
    /// Or why there is none.
    pub(crate) rustc: Result<Rustc, String>,
    pub(crate) choice: Choice,
    /// The nearest `rust-toolchain.toml` or `rust-toolchain`, and the channel that it names.
    pub(crate) file: Option<(PathBuf, Option<String>)>,
    /// Whether `rustc` is rustup's, which alone reads such a file.
    pub(crate) is_rustups: bool,
    /// Whether rustup fetches a toolchain that is not installed when it is first needed. It does
    /// not for us.
    pub(crate) is_fetched: bool,
}

/// What has chosen.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Choice {
    /// `build.rustc`, `RUSTC`
    Rustc(PathBuf),
    /// `cargo +name`
    Typed(String),
    /// `RUSTUP_TOOLCHAIN`, set by the user
    Variable(String),
    File,
    /// `rustup override set`, or rustup's default
    Rustup,
    /// There is no rustup.
    Path,
}

/// Starts no compiler that lies in the workspace.
pub(crate) fn read(
    asker: &Asker<'_>,
    env: &Environment,
    repo: &Repo,
    config: &CargoConfig,
) -> Toolchain {
    let file = toolchain_file(&repo.start);
    let is_rustups = env.find_program("rustc").is_some_and(|rustc| is_rustups(&rustc));
    let choice = match config.rustc.clone() {
        Some(rustc) => Choice::Rustc(rustc),
        None => choice(env, file.is_some(), is_rustups),
    };
    let rustc = match in_workspace(repo, config) {
        Some(path) => {
            Err(format!("{} is in this workspace, so it was not started", path.display()))
        }
        None => rustc(asker, config.rustc.as_deref().unwrap_or(Path::new("rustc")), &repo.start),
    };
    let is_fetched =
        env.get("RUSTUP_AUTO_INSTALL").is_none_or(|value| value != "0") && fetches(env);
    let file = file.map(|(file, text)| (file, channel(&text)));
    Toolchain { rustc, choice, file, is_rustups, is_fetched }
}

/// A compiler or a toolchain that the workspace names, and that lies in it.
pub(crate) fn in_workspace(repo: &Repo, config: &CargoConfig) -> Option<PathBuf> {
    let of_file = toolchain_file(&repo.start).and_then(|(file, _)| {
        let path = settings_in(&file).into_iter().find(|it| it.key == "toolchain.path")?;
        Some(file.with_file_name(path.value))
    });
    config.rustc.iter().cloned().chain(of_file).find(|path| path.starts_with(&repo.root))
}

fn rustc(asker: &Asker<'_>, program: &Path, dir: &Path) -> Result<Rustc, String> {
    const LIMIT: Duration = Duration::from_secs(10);
    let ask = |args: &[&str]| match asker.ask(program, args, dir, LIMIT) {
        Ok(answer) if answer.success => Ok(answer.stdout),
        Ok(answer) => Err(first_line(&answer.stderr).trim_start_matches("error: ").to_owned()),
        Err(silence) => Err(silence.to_string()),
    };
    let version = ask(&["-vV"])?;
    if !version.starts_with("rustc ") {
        return Err("does not answer as rustc does".to_owned());
    }
    let sysroot = ask(&["--print", "sysroot"]).unwrap_or_default();
    Ok(Rustc { version, sysroot: PathBuf::from(sysroot.trim()) })
}

/// `auto_install` in rustup's settings; since 1.28.1 it is on by default.
fn fetches(env: &Environment) -> bool {
    let home = env.get("RUSTUP_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(std::env::home_dir()?.join(".rustup"))).unwrap_or_default();
    let settings =
        multilane_engine::files::read_text(home.join("settings.toml")).unwrap_or_default();
    !settings.lines().any(|line| line.replace([' ', '"'], "") == "auto_install=disable")
}

/// rustup 1.29 and later say where a toolchain comes from, to what they start; without them in
/// front of us the variable can only be the user's.
fn choice(env: &Environment, has_file: bool, is_rustups: bool) -> Choice {
    let text = |name: &str| env.get(name).map(|value| value.to_string_lossy().into_owned());
    let by_cargo = env.get("CARGO_MANIFEST_DIR").is_some();
    match (text("RUSTUP_TOOLCHAIN"), text("RUSTUP_TOOLCHAIN_SOURCE").as_deref()) {
        _ if !is_rustups => Choice::Path, // The variable is not read.
        (Some(name), Some("cli")) => Choice::Typed(name),
        (Some(name), Some("env")) => Choice::Variable(name),
        (Some(name), None) if !by_cargo => Choice::Variable(name),
        _ if has_file => Choice::File,
        _ => Choice::Rustup,
    }
}

/// The nearest file, and its text.
fn toolchain_file(start: &Path) -> Option<(PathBuf, String)> {
    let names = ["rust-toolchain", "rust-toolchain.toml"];
    let mut files = start.ancestors().flat_map(|dir| names.map(|name| dir.join(name)));
    files
        .find_map(|file| Some((multilane_engine::files::read_text(&file).ok()?, file)))
        .map(|(text, file)| (file, text))
}

/// Both forms: `[toolchain] channel = "1.95"`, and a line with the name alone.
fn channel(text: &str) -> Option<String> {
    let document = text.parse::<toml_edit::DocumentMut>().ok();
    let toolchain = document.as_ref().and_then(|document| document.get("toolchain"));
    if let Some(channel) = toolchain.and_then(|table| table.get("channel")) {
        return channel.as_str().map(str::to_owned);
    }
    let name = text.trim();
    (!name.is_empty() && !name.contains(['\n', '[', '='])).then(|| name.to_owned())
}

/// rustup's programs are one file under many names, beside `rustup` itself.
fn is_rustups(rustc: &Path) -> bool {
    let beside = rustc.with_file_name(format!("rustup{}", std::env::consts::EXE_SUFFIX));
    beside.is_file()
        || real_path(rustc).is_ok_and(|real| {
            real.file_stem().is_some_and(|name| name == "rustup" || name == "rustup-init")
        })
}

pub(crate) fn first_line(text: &str) -> &str {
    text.lines().find(|line| !line.trim().is_empty()).unwrap_or("no output").trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_the_file_name_a_channel() {
        assert_eq!(channel("[toolchain]\nchannel = \"1.95.0\"\n").as_deref(), Some("1.95.0"));
        assert_eq!(channel("nightly-2026-01-01\n").as_deref(), Some("nightly-2026-01-01"));
        for other in ["", "[toolchain]\npath = \"x\"\n", "[toolchain]\ncomponents = []\n"] {
            assert_eq!(channel(other), None, "{other}");
        }
    }
}

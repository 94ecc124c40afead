//! Which compiler cargo uses here, and who has chosen it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::process::Asker;
use multilane::environment::Environment;
use multilane::project::cargo_config::CargoConfig;
use multilane::project::root::Repo;

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Toolchain {
    /// `rustc -vV`, or why there is none.
    pub(crate) rustc: Result<String, String>,
    pub(crate) choice: Choice,
    /// The nearest `rust-toolchain.toml` or `rust-toolchain`, and the channel that it names.
    pub(crate) file: Option<(PathBuf, Option<String>)>,
    /// Whether `rustc` is rustup's, which alone reads such a file.
    pub(crate) is_rustups: bool,
    /// Whether rustup fetches a toolchain that is not installed when it is first needed. It does
    /// not for us.
    pub(crate) is_fetched: bool,
    /// The directory of the toolchain.
    pub(crate) sysroot: Option<PathBuf>,
    /// `rust-version` of the workspace.
    pub(crate) needed: Option<String>,
}

/// Who has chosen.
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

pub(crate) fn read(
    asker: &Asker<'_>,
    env: &Environment,
    repo: &Repo,
    config: &CargoConfig,
) -> Toolchain {
    const LIMIT: Duration = Duration::from_secs(10);
    let program = config.rustc.clone().unwrap_or_else(|| PathBuf::from("rustc"));
    let rustc = match asker.ask(&program, ["-vV"], &repo.start, LIMIT) {
        Ok(answer) if answer.success && answer.stdout.starts_with("rustc ") => Ok(answer.stdout),
        Ok(answer) if answer.success => Err("answers, but not as rustc does".to_owned()),
        Ok(answer) => Err(first_line(&answer.stderr).trim_start_matches("error: ").to_owned()),
        Err(silence) => Err(silence.to_string()),
    };
    let is_there = rustc.is_ok();
    let sysroot = is_there
        .then(|| asker.ask(&program, ["--print", "sysroot"], &repo.start, LIMIT).ok())
        .flatten();
    let sysroot = sysroot.map(|answer| PathBuf::from(answer.stdout.trim()));
    let file = toolchain_file(&repo.start);
    let is_rustups = env.find_program("rustc").is_some_and(|rustc| is_rustups(&rustc));
    let choice = match config.rustc.clone() {
        Some(rustc) => Choice::Rustc(rustc),
        None => choice(env, file.is_some(), is_rustups),
    };
    let is_fetched =
        env.get("RUSTUP_AUTO_INSTALL").is_none_or(|value| value != "0") && fetches(env);
    Toolchain { rustc, choice, file, is_rustups, is_fetched, sysroot, needed: needed(&repo.root) }
}

/// `auto_install` in rustup's settings; since 1.28.1 it is on where nothing is said.
fn fetches(env: &Environment) -> bool {
    let home = env.get("RUSTUP_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(std::env::home_dir()?.join(".rustup"))).unwrap_or_default();
    let settings = std::fs::read_to_string(home.join("settings.toml")).unwrap_or_default();
    !settings.lines().any(|line| line.replace([' ', '"'], "") == "auto_install=disable")
}

/// What the root manifest says of itself, or of all members.
fn needed(root: &Path) -> Option<String> {
    let text = std::fs::read_to_string(root.join("Cargo.toml")).ok()?;
    let manifest: toml_edit::DocumentMut = text.parse().ok()?;
    let version =
        |table: Option<&toml_edit::Item>| Some(table?.get("rust-version")?.as_str()?.to_owned());
    let of_members = manifest.get("workspace").and_then(|workspace| workspace.get("package"));
    version(manifest.get("package")).or_else(|| version(of_members))
}

/// rustup 1.29 and later say where a toolchain comes from, to whatever they start; without them in
/// front of us the variable can only be the user's.
fn choice(env: &Environment, has_file: bool, is_rustups: bool) -> Choice {
    let text = |name: &str| env.get(name).map(|value| value.to_string_lossy().into_owned());
    let by_cargo = env.get("CARGO_MANIFEST_DIR").is_some();
    match (text("RUSTUP_TOOLCHAIN"), text("RUSTUP_TOOLCHAIN_SOURCE").as_deref()) {
        _ if !is_rustups => Choice::Path, // Nobody reads the variable.
        (Some(name), Some("cli")) => Choice::Typed(name),
        (Some(name), Some("env")) => Choice::Variable(name),
        (Some(name), None) if !by_cargo => Choice::Variable(name),
        _ if has_file => Choice::File,
        _ => Choice::Rustup,
    }
}

fn toolchain_file(start: &Path) -> Option<(PathBuf, Option<String>)> {
    let files = start
        .ancestors()
        .flat_map(|dir| ["rust-toolchain", "rust-toolchain.toml"].map(|name| dir.join(name)));
    let file = files.into_iter().find(|file| file.is_file())?;
    let channel = std::fs::read_to_string(&file).ok().and_then(|text| channel(&text));
    Some((file, channel))
}

/// Both forms: `[toolchain] channel = "1.95"`, and a line with the name alone.
fn channel(text: &str) -> Option<String> {
    let named = text.parse::<toml_edit::DocumentMut>().ok();
    let named = named
        .and_then(|document| Some(document.get("toolchain")?.get("channel")?.as_str()?.to_owned()));
    named.or_else(|| {
        Some(text.trim().to_owned())
            .filter(|text| !text.contains(['\n', '[', '=']) && !text.is_empty())
    })
}

/// rustup's programs are one file under many names, beside `rustup` itself.
fn is_rustups(rustc: &Path) -> bool {
    let beside = rustc.with_file_name(format!("rustup{}", std::env::consts::EXE_SUFFIX));
    beside.is_file()
        || rustc.canonicalize().is_ok_and(|real| {
            real.file_stem().is_some_and(|name| name == "rustup" || name == "rustup-init")
        })
}

pub(crate) fn first_line(text: &str) -> &str {
    text.lines().find(|line| !line.trim().is_empty()).unwrap_or("says nothing").trim()
}

#[cfg(test)]
mod tests {
    use crate::doctor::toolchain::channel;

    #[test]
    fn both_forms_of_the_file_name_a_channel() {
        assert_eq!(channel("[toolchain]\nchannel = \"1.95.0\"\n").as_deref(), Some("1.95.0"));
        assert_eq!(channel("nightly-2026-01-01\n").as_deref(), Some("nightly-2026-01-01"));
        for other in ["", "[toolchain]\npath = \"x\"\n", "[toolchain]\ncomponents = []\n"] {
            assert_eq!(channel(other), None, "{other}");
        }
    }
}

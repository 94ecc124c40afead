//! The verbs that are called once a month: in `multilane-tools`, a program that is compiled when
//! one of them is first called.
//!
//! ```text
//! <user's cache>/multilane/tools/
//! ├── sources                    what the files of the sources hash to, by their sizes and times
//! └── <hash of the sources>/     the same in all worktrees and repositories, so each version is compiled once
//!     └── multilane-tools
//! ```

use std::ffi::OsString;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use sha2::{Digest as _, Sha256};

use crate::files::answers::Answers;
use crate::lanes::hex;
use crate::process::Shell;
use crate::process::step::{Program, Step};
use crate::project::{Session, toolchain};
use crate::{environment, files};

const PROGRAM: &str = "multilane-tools";

/// Names another program to call instead.
const VARIABLE: &str = "MULTILANE_TOOLS";

/// Calls `multilane-tools` with these words, and becomes it. `own` are the project's verbs, `first`
/// a hidden word in front.
pub(crate) fn call(
    session: Session,
    own: &[(String, String)],
    first: &str,
    words: Vec<OsString>,
) -> anyhow::Result<ExitCode> {
    let program = program(&session)?;
    let sh = Shell::new(&session.env);
    let mut args: Vec<OsString> = vec![session.ui.called.into()];
    args.extend((!first.is_empty()).then(|| first.into()));
    args.extend(words);
    let own: Vec<String> = own.iter().map(|(name, about)| format!("{name}\t{about}")).collect();
    let step = Step::of_program(Program::Other(program.into()), args)
        .with_env("MULTILANE_ENGINE", environment::exe().unwrap_or_default().into())
        .with_env("MULTILANE_OWN_VERBS", own.join("\n").into());
    sh.become_step(&step, &environment::current_dir()?)
}

fn program(session: &Session) -> anyhow::Result<PathBuf> {
    if let Some(program) = session.env.get(VARIABLE) {
        return Ok(program.into());
    }
    let beside = environment::exe_dir().unwrap_or_default().join(with_suffix(PROGRAM));
    if beside.is_file() {
        return Ok(beside);
    }
    let home =
        session.env.cache_home().context("there is no directory for caches\nhelp: set HOME")?;
    let home = home.join("multilane/tools");
    let here = environment::current_dir()?;
    match sources(&here) {
        Some(engine) => compiled(session, &home, &engine, &here),
        None => from_registry(session, &home),
    }
}

/// The folder of the engine's sources: that of the workspace we are in, or the one we were compiled
/// from.
fn sources(here: &Path) -> Option<PathBuf> {
    let of_workspace = here.ancestors().filter_map(engine_of);
    let compiled_from = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    of_workspace.chain([compiled_from]).find(|engine| engine.join("tools/Cargo.toml").is_file())
}

/// What `xtask/Cargo.toml` in `dir` names as the path of the engine. A program that was copied with
/// its target directory must not find the place where it was compiled.
fn engine_of(dir: &Path) -> Option<PathBuf> {
    let text = std::fs::read_to_string(dir.join("xtask/Cargo.toml")).ok()?;
    let manifest: toml_edit::DocumentMut = text.parse().ok()?;
    let path = manifest.get("dependencies")?.get("multilane")?.get("path")?.as_str()?.to_owned();
    dir.join("xtask").join(path).canonicalize().ok()
}

/// The program made from these sources, compiled if there is none yet.
fn compiled(session: &Session, home: &Path, engine: &Path, here: &Path) -> anyhow::Result<PathBuf> {
    let key = hash(home, engine)?;
    let program = home.join(&key).join(with_suffix(PROGRAM));
    if program.is_file() {
        return Ok(program);
    }

    // Beside the build of xtask much of it is there already. An installed engine leaves the tree
    // alone.
    let root = here.ancestors().find(|dir| dir.join("xtask/Cargo.toml").is_file());
    let target_dir = match root {
        Some(root) if session.ui.called == "cargo xtask" => root.join("target"),
        _ => home.join("target"),
    };
    session.ui.status("Compiling", format_args!("{PROGRAM}, which has this verb; only this once"));
    let mut args: Vec<OsString> =
        ["build", "--locked", "--profile", "xtask", "--manifest-path"].map(Into::into).into();
    args.push(engine.join("tools/Cargo.toml").into());
    args.extend(["--target-dir".into(), target_dir.clone().into()]);
    if !std::io::stderr().is_terminal() {
        args.push("--quiet".into()); // A line for each crate is of use to a person alone.
    }
    let outcome = Shell::new(&session.env).run(&Step::cargo(args), None)?;
    if !outcome.status.success() {
        bail!("cannot compile {PROGRAM}");
    }
    let built = target_dir.join("xtask").join(with_suffix(PROGRAM));
    std::fs::create_dir_all(home.join(&key))
        .with_context(|| format!("cannot write {}", home.display()))?;
    files::replace(&program, |staged| files::link_or_copy(&built, staged))
        .with_context(|| format!("cannot write {}", program.display()))?;
    Ok(program)
}

/// Not tried: there is no release yet.
fn from_registry(session: &Session, home: &Path) -> anyhow::Result<PathBuf> {
    let version = env!("CARGO_PKG_VERSION");
    let root = home.join(version);
    let program = root.join("bin").join(with_suffix(PROGRAM));
    if program.is_file() {
        return Ok(program);
    }
    session.ui.status(
        "Installing",
        format_args!("{PROGRAM} {version}, which has this verb; only this once"),
    );
    let mut args: Vec<OsString> =
        ["install", "--locked", PROGRAM, "--version"].map(Into::into).into();
    args.extend([format!("={version}").into(), "--root".into(), root.into()]);
    let outcome = Shell::new(&session.env).run(&Step::cargo(args), None)?;
    if !outcome.status.success() {
        bail!(
            "cannot install {PROGRAM}\nhelp: cargo install --locked {PROGRAM} --version ={version}"
        );
    }
    Ok(program)
}

/// Of all that the program is made from. The bytes are read once for each state of the files.
fn hash(home: &Path, engine: &Path) -> anyhow::Result<String> {
    let mut files = Vec::new();
    for part in ["Cargo.toml", "src", "tools/Cargo.toml", "tools/Cargo.lock", "tools/src"] {
        files_below(&engine.join(part), &mut files)?;
    }
    files.sort();
    let mut states = Sha256::new();
    for file in &files {
        states.update(toolchain::state(file));
    }
    let question = hex(&states.finalize());
    std::fs::create_dir_all(home).with_context(|| format!("cannot write {}", home.display()))?;
    let answers = Answers::open(home.join("sources"));
    if let Some(known) = answers.get(&question) {
        return Ok(known.to_owned());
    }

    let mut hasher = Sha256::new();
    for file in &files {
        let bytes =
            std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        let name = file.strip_prefix(engine).unwrap_or(file);
        hasher.update(name.as_os_str().as_encoded_bytes());
        hasher.update((bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    }
    let key = hex(&hasher.finalize()[..8]);
    answers.add(&question, &key).ok(); // The next call reads the bytes again.
    Ok(key)
}

fn files_below(path: &Path, found: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    if path.is_file() {
        found.push(path.to_owned());
        return Ok(());
    }
    for entry in
        std::fs::read_dir(path).with_context(|| format!("cannot read {}", path.display()))?
    {
        files_below(&entry?.path(), found)?;
    }
    Ok(())
}

fn with_suffix(name: &str) -> String {
    format!("{name}{}", std::env::consts::EXE_SUFFIX)
}

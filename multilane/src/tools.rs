//! The verbs that are called once a month: in `multilane-tools`, a program that is compiled when
//! one of them is first called.
//!
//! ```text
//! <CARGO_HOME, or XDG_CACHE_HOME where it is set>/multilane/tools/
//! ├── sources                    what the files of the sources hash to, by their sizes and times
//! ├── <hash of the sources>/     the same in all worktrees and repositories, so each version is compiled once
//! │   └── multilane-tools
//! ├── <hash of the sources>-begin/, -upkeep/  parts of it, which are compiled sooner
//! └── target/                    where an installed engine compiles it
//! ```
//!
//! Where the cache cannot be written, all this is in the target directory of xtask.

use std::ffi::OsString;
use std::fs::File;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, bail, ensure};
use sha2::{Digest as _, Sha256};

use multilane_engine::files::answers::Answers;
use multilane_engine::files::lock;
use multilane_engine::files::scratch::Scratch;
use multilane_engine::lanes::hex;
use multilane_engine::process::Shell;
use multilane_engine::process::step::{Program, Step};
use multilane_engine::project::{Session, toolchain};
use multilane_engine::{environment, files};

const PROGRAM: &str = "multilane-tools";

/// Names another program to call instead.
const VARIABLE: &str = "MULTILANE_TOOLS";

/// How many programs stay in the cache: those compiled last. A version has up to three.
const PROGRAMS_MAX: usize = 9;

/// What the command line knows and `multilane-tools` needs.
pub(crate) struct Caller {
    /// The folder of the sources that an installed engine was compiled from.
    pub(crate) compiled_from: Option<&'static Path>,
    /// The names and help of the project's own verbs.
    pub(crate) own_verbs: Vec<(String, String)>,
}

/// What is compiled of `multilane-tools`: a first `init` has not to wait for the rest. Each part
/// holds those before it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    /// `init` and `adopt`.
    Begin,
    Upkeep,
    /// `analyze`, `lane verify` and `lane bench` as well.
    Whole,
}

impl Part {
    /// From the smallest: the feature of cargo's, and what a directory's name ends in.
    const ALL: [(Part, Option<&str>, &str); 3] = [
        (Part::Begin, None, "-begin"),
        (Part::Upkeep, Some("upkeep"), "-upkeep"),
        (Part::Whole, Some("analyze"), ""),
    ];
}

/// Calls `multilane-tools` with these words, and becomes it.
pub(crate) fn call(
    session: Session,
    caller: &Caller,
    words: Vec<OsString>,
) -> anyhow::Result<ExitCode> {
    let here = environment::current_dir()?;
    let engine = sources(&session, caller, &here);
    // Who presses TAB does not wait for a compilation.
    let may_compile = words.first().is_none_or(|word| word != "complete");
    let is = |at: usize, word: &str| words.get(at).is_some_and(|typed| typed == word);
    let part = if is(0, "init") || is(0, "adopt") {
        Part::Begin
    } else if is(0, "analyze") || (is(0, "lane") && (is(1, "verify") || is(1, "bench"))) {
        Part::Whole
    } else {
        Part::Upkeep
    };
    let program = program(&session, engine.as_deref(), part, may_compile)?;
    let sh = Shell::new(&session.env);
    let mut args: Vec<OsString> = vec![session.ui.called.into()];
    args.extend(words);
    let own = caller.own_verbs.iter().map(|(name, about)| format!("{name}\t{about}"));
    let own: Vec<String> = own.collect();
    let step = Step::of_program(Program::Other(program.into()), args)
        .with_env(environment::ENGINE_VARIABLE, environment::exe().unwrap_or_default().into())
        .with_env("MULTILANE_SOURCES", engine.unwrap_or_default().into())
        .with_env("MULTILANE_OWN_VERBS", own.join("\n").into());
    sh.become_step(&step, &here)
}

fn program(
    session: &Session,
    engine: Option<&Path>,
    part: Part,
    may_compile: bool,
) -> anyhow::Result<PathBuf> {
    if let Some(program) = session.env.get(VARIABLE).filter(|program| !program.is_empty()) {
        return Ok(program.into());
    }
    let dir = environment::exe_dir().unwrap_or_default();
    let outer = dir.parent().filter(|outer| outer.join("CACHEDIR.TAG").is_file());
    let beside = dir.join(with_suffix(PROGRAM));
    if outer.is_none() && beside.is_file() {
        return Ok(beside); // Installed together. In a target directory it may be of other sources.
    }
    // Beside the build of xtask most of it is compiled already.
    let target_dir = outer.filter(|_| session.ui.called == "cargo xtask" && dir.ends_with("xtask"));
    // cargo's own home is often the same in containers and sandboxes that have a home each.
    let (cargo_home, cache_home) = (session.env.cargo_home(), session.env.cache_home());
    let homes = match session.env.get("XDG_CACHE_HOME") {
        Some(_) => [cache_home, cargo_home],
        None => [cargo_home, cache_home],
    };
    let places = homes.into_iter().flatten().map(|home| home.join("multilane/tools"));
    let places = places.chain(target_dir.map(|dir| dir.join(PROGRAM)));
    let home = places.chain([session.env.runtime_dir().join("tools")]).find(|dir| is_writable(dir));
    let home = home.context("no directory for caches can be written\nhelp: set XDG_CACHE_HOME")?;
    let engine = engine.context("the sources of this program have gone\nhelp: install it again")?;
    compiled(session, &home, engine, target_dir, part, may_compile)
}

/// The folder of the engine's sources: what this workspace's xtask names as its path, or what this
/// program was compiled from. An installed engine compiles nothing that the workspace names.
fn sources(session: &Session, caller: &Caller, here: &Path) -> Option<PathBuf> {
    // Absolute where the engine is a dependency that cargo has fetched. `env!` would give a path
    // in every case, and with it a unit that no fork could bring into another worktree.
    let fetched = Path::new(file!()).ancestors().nth(2).filter(|dir| dir.is_absolute());
    let root = here.ancestors().find(|dir| dir.join("xtask/Cargo.toml").is_file());
    let root = root.filter(|_| session.ui.called == "cargo xtask");
    root.and_then(engine_of)
        .into_iter()
        .chain(caller.compiled_from.or(fetched).map(Path::to_owned))
        .find(|engine| engine.join("tools/Cargo.toml").is_file())
}

/// What `xtask/Cargo.toml` in `dir` names as the path of the engine.
fn engine_of(dir: &Path) -> Option<PathBuf> {
    let text = files::read_text(dir.join("xtask/Cargo.toml")).ok()?;
    let manifest: toml_edit::DocumentMut = text.parse().ok()?;
    let path = manifest.get("dependencies")?.get("multilane")?.get("path")?.as_str()?.to_owned();
    environment::real_path(&dir.join("xtask").join(path)).ok()
}

/// The program made from these sources, compiled if there is none yet.
fn compiled(
    session: &Session,
    home: &Path,
    engine: &Path,
    target_dir: Option<&Path>,
    part: Part,
    may_compile: bool,
) -> anyhow::Result<PathBuf> {
    let name = with_suffix(PROGRAM);
    let key = hash(home, engine)?;
    let large_enough = Part::ALL.into_iter().filter(|(other, ..)| *other >= part);
    let mut programs = large_enough
        .map(|(_, feature, suffix)| (feature, home.join(format!("{key}{suffix}")).join(&name)));
    let (feature, program) = programs.clone().next().expect("the whole is large enough");
    if let Some((_, program)) = programs.find(|(_, program)| program.is_file()) {
        return Ok(program);
    }
    ensure!(may_compile, "{PROGRAM} is not compiled yet");

    let is_beside_xtask = target_dir.is_some();
    let target_dir = target_dir.map_or_else(|| home.join("target"), Path::to_owned);
    let locked = lock(session, &target_dir)?;
    if program.is_file() {
        return Ok(program); // Another call has made it.
    }
    session.ui.status("Compiling", format_args!("{PROGRAM}, which has this verb; only this once"));
    let mut args: Vec<OsString> =
        ["build", "--locked", "--profile", "xtask", "--manifest-path"].map(Into::into).into();
    args.push(engine.join("tools/Cargo.toml").into());
    args.extend(["--target-dir".into(), target_dir.clone().into()]);
    args.push("--no-default-features".into());
    args.extend(feature.map(|feature| format!("--features={feature}").into()));
    if !std::io::stderr().is_terminal() {
        args.push("--quiet".into()); // A line for each crate is of use to a person alone.
    }
    // Beside xtask, which was made with the workspace's settings, they give the same units.
    let step = Step::cargo(args);
    let step = if is_beside_xtask { step } else { out_of_tree(session, step, home) };
    let outcome = Shell::new(&session.env).run(&step, &[])?;
    if !outcome.status.success() {
        bail!("cannot compile {PROGRAM}");
    }
    let built = target_dir.join("xtask").join(&name);
    if hash(home, engine)? != key {
        return Ok(built); // The sources were edited meanwhile: it may be of either version.
    }
    files::provide_program(&built, &program)
        .with_context(|| format!("cannot write {}", program.display()))?;
    drop(locked);
    remove_old_versions(home);
    Ok(program)
}

/// Without what the workspace around the user or their environment says of compilers: `doctor` must
/// work where that is broken, and looking at a tree starts nothing that it names.
fn out_of_tree(session: &Session, step: Step, home: &Path) -> Step {
    const STARTS: [&str; 6] =
        ["CARGO_BUILD_", "CARGO_ENCODED_", "CARGO_PROFILE_", "CARGO_TARGET_", "RUSTC", "RUSTFLAGS"];
    let names = session.env.iter().map(|(name, _)| name.to_owned());
    let concerns = |name: &OsString| {
        name.to_str().is_some_and(|name| STARTS.iter().any(|start| name.starts_with(start)))
    };
    step.elsewhere(home, names.filter(concerns))
}

/// Another call may compile another version in the same directory, under the same name. The lock
/// goes with the process that holds it.
fn lock(session: &Session, target_dir: &Path) -> anyhow::Result<File> {
    let path = target_dir.join(format!(".{PROGRAM}.lock"));
    let cannot = || format!("cannot lock {}", path.display());
    std::fs::create_dir_all(target_dir).with_context(cannot)?;
    let file = files::open_own(File::options().write(true), &path).with_context(cannot)?;
    if !lock::try_exclusive(&file).with_context(cannot)? {
        const LIMIT: Duration = Duration::from_secs(15 * 60);
        session.ui.status("Waiting", format_args!("for another call that compiles {PROGRAM}"));
        lock::wait_for(&path, LIMIT, || lock::try_exclusive(&file)).with_context(cannot)?;
    }
    Ok(file)
}

fn is_writable(dir: &Path) -> bool {
    std::fs::create_dir_all(dir).and_then(|()| Scratch::make(dir, ".probe-")).is_ok()
}

/// A call that starts one of them in this moment compiles it again.
fn remove_old_versions(home: &Path) {
    let made_at = |dir: &PathBuf| {
        dir.metadata().and_then(|meta| meta.modified()).unwrap_or(SystemTime::UNIX_EPOCH)
    };
    let mut versions: Vec<PathBuf> =
        files::subdirectories(home).filter(|dir| !dir.ends_with("target")).collect();
    versions.sort_by_key(|dir| std::cmp::Reverse(made_at(dir)));
    for old in versions.iter().skip(PROGRAMS_MAX) {
        files::delete_dir(old).ok(); // It may be in use; the next version tries again.
    }
}

/// Of all that the program is made from. The bytes are read once for each state of the files.
fn hash(home: &Path, engine: &Path) -> anyhow::Result<String> {
    let mut files = Vec::new();
    files_below(&engine.join("tools/Cargo.lock"), &mut files)?;
    for package in ["", "engine", "tools"] {
        files_below(&engine.join(package).join("Cargo.toml"), &mut files)?;
        files_below(&engine.join(package).join("src"), &mut files)?;
    }
    files.sort();
    let mut states = Sha256::new();
    for file in &files {
        states.update(toolchain::state(file));
    }
    let question = hex(&states.finalize());
    let answers = Answers::open(home.join("sources"));
    if let Some(known) = answers.get(&question) {
        return Ok(known.to_owned());
    }

    let mut hasher = Sha256::new();
    for file in &files {
        let bytes = files::read(file).with_context(|| format!("cannot read {}", file.display()))?;
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

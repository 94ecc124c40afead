//! The tools outside: which there are, and what they say of themselves.
//!
//! Asking costs some 20 ms a tool, so an answer is remembered beside xtask's own program, with
//! everything that it depends on, and is only asked for again when one of those has changed.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use anyhow::Context as _;
use sha2::{Digest as _, Sha256};

use crate::environment::{Environment, FOLDER};
use crate::json::Json;
use crate::process::{Shell, attempt, for_at_most};
use crate::project::cargo_config::CargoConfig;
use crate::project::cranelift::is_nightly;
use crate::project::git_dir::MEMO;
use crate::project::root::Repo;
use crate::{environment, files};

/// The first of them counts.
const TOOLCHAIN_FILES: [&str; 2] = ["rust-toolchain", "rust-toolchain.toml"];

/// A compiler.
#[derive(Clone, Debug, PartialEq)]
pub struct Rustc {
    /// `rustc -vV`, whole.
    pub version: String,
    /// The directory of its toolchain.
    pub sysroot: PathBuf,
}

impl Rustc {
    /// The host triple; `unknown` where `rustc -vV` does not name it.
    pub fn host(&self) -> &str {
        host_triple(&self.version)
    }

    /// `1.97.0-nightly`
    pub fn release(&self) -> &str {
        self.version.lines().find_map(|line| line.strip_prefix("release: ")).unwrap_or_default()
    }

    /// Whether it said all this itself: see [`named_by_files`].
    pub fn was_asked(&self) -> bool {
        !self.version.lines().any(|line| line.starts_with(UNASKED))
    }

    /// Whether it and its cargo take unstable options.
    pub fn is_unstable(&self, env: &Environment) -> bool {
        is_nightly(&self.version) || env.get("RUSTC_BOOTSTRAP").is_some()
    }

    /// Whether the component with the other code generator is installed:
    /// `librustc_codegen_cranelift-<version>.so`.
    pub fn has_cranelift(&self) -> bool {
        let dir = self.sysroot.join("lib/rustlib").join(self.host()).join("codegen-backends");
        files::names(&dir)
            .any(|name| name.trim_start_matches("lib").starts_with("rustc_codegen_cranelift"))
    }
}

/// The host triple in `rustc -vV`.
pub fn host_triple(rustc_version: &str) -> &str {
    rustc_version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap_or("unknown")
}

/// The compiler that cargo will use. `toolchain` is what stood behind a `+`.
pub fn rustc(
    sh: &Shell,
    env: &Environment,
    repo: &Repo,
    config: &CargoConfig,
    toolchain: Option<&str>,
) -> anyhow::Result<Rustc> {
    if let Some(program) = named_by_files(env, repo, config, toolchain) {
        return Ok(unasked(sh, env, &program));
    }
    let rustc = config.rustc.clone().unwrap_or_else(|| PathBuf::from("rustc"));
    let memo = Memo::of_program(env);
    let inputs = rustc_inputs(env, repo, &rustc, toolchain);
    if let Some((known, binary)) = memo.known_of("rustc", &inputs) {
        let sysroot = Path::new(binary).ancestors().nth(2).unwrap_or(Path::new("")).to_owned();
        return Ok(Rustc { version: known.to_owned(), sysroot });
    }

    let mut args: Vec<OsString> =
        toolchain.map(|name| format!("+{name}").into()).into_iter().collect();
    args.push("-vV".into());
    let dir = dir_to_ask_in(env, &repo.start);
    let version = sh.read(&rustc, &args, &dir).context("cannot ask rustc for its version")?;
    let version = String::from_utf8(version).context("rustc's version is not UTF-8")?;

    // The compiler itself, where `rustc` on `PATH` is rustup's proxy: it is what `rustup update`
    // replaces.
    args.pop();
    args.extend(["--print".into(), "sysroot".into()]);
    let sysroot = sh.read(&rustc, &args, &dir).unwrap_or_default();
    let sysroot = PathBuf::from(String::from_utf8_lossy(&sysroot).trim());
    let binary = sysroot.join("bin/rustc").with_extension(std::env::consts::EXE_EXTENSION);
    memo.remember("rustc", &inputs, &version, &binary);
    Ok(Rustc { version, sysroot })
}

/// The compiler that a file names, and not the user: `build.rustc`, or a toolchain by its path. A
/// branch may have brought it, so who only looks must not start it.
fn named_by_files(
    env: &Environment,
    repo: &Repo,
    config: &CargoConfig,
    toolchain: Option<&str>,
) -> Option<PathBuf> {
    let is_of_user = ["RUSTC", "CARGO_BUILD_RUSTC"].iter().any(|name| env.get(name).is_some());
    if let Some(rustc) = config.rustc.as_ref().filter(|_| !is_of_user) {
        let is_path = rustc.components().count() > 1;
        let on_path = || env.find_program(&rustc.to_string_lossy()).unwrap_or_default();
        return Some(if is_path { rustc.clone() } else { on_path() });
    }
    let is_chosen = toolchain.is_some() || env.get("RUSTUP_TOOLCHAIN").is_some();
    let path = toolchain_path(&repo.start).filter(|_| !is_of_user && !is_chosen)?;
    Some(path.join("bin/rustc").with_extension(std::env::consts::EXE_EXTENSION))
}

/// The toolchain that a file names by its path, for a `rustc` or `cargo` that is started in `dir`.
fn toolchain_path(dir: &Path) -> Option<PathBuf> {
    let mut named = dir.ancestors().flat_map(|dir| TOOLCHAIN_FILES.map(|name| dir.join(name)));
    let (text, file) = named.find_map(|file| Some((files::read_text(&file).ok()?, file)))?;
    let document: toml_edit::DocumentMut = text.parse().ok()?;
    Some(file.with_file_name(document.get("toolchain")?.get("path")?.as_str()?))
}

/// Where cargo or rustc are asked: outside of a tree that names a toolchain by its path, or that
/// has something else than a file in its place, for which rustup would wait. That is the root of
/// the file system, in and above which no other user puts files for cargo and rustup to read.
pub fn dir_to_ask_in(env: &Environment, dir: &Path) -> PathBuf {
    let mut named = dir.ancestors().flat_map(|dir| TOOLCHAIN_FILES.map(|name| dir.join(name)));
    let is_no_file = named.any(|file| file.exists() && !file.is_file());
    let is_chosen = env.get("RUSTUP_TOOLCHAIN").is_some();
    if !is_chosen && (is_no_file || toolchain_path(dir).is_some()) {
        return root_of(dir).to_owned();
    }
    dir.to_owned()
}

fn root_of(dir: &Path) -> &Path {
    dir.ancestors().last().unwrap_or(dir)
}

/// How the line begins that stands for a program, and that no compiler prints.
const UNASKED: &str = "program: ";

/// A compiler that is not asked for its version: its file tells it from others, and the usual one
/// says for what it compiles.
fn unasked(sh: &Shell, env: &Environment, program: &Path) -> Rustc {
    let usual = env.find_program("rustc").filter(|usual| usual.is_absolute());
    let version = usual.and_then(|usual| sh.read(&usual, ["-vV"], root_of(&usual)).ok());
    let version = version.map(|version| String::from_utf8_lossy(&version).into_owned());
    let identity = match files::read(program) {
        Ok(bytes) => Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect(),
        Err(_) => state(program),
    };
    Rustc {
        version: format!("{}{UNASKED}{identity}\n", version.unwrap_or_default()),
        sysroot: program.ancestors().nth(2).unwrap_or(Path::new("")).to_owned(),
    }
}

/// `cargo nextest`, as far as the recipes care.
#[derive(Clone, Copy)]
pub struct Nextest {
    /// Whether it has `--cargo-message-format` (0.9.123 and later, nextest's changelog), and so can
    /// tell about units.
    pub tells_units: bool,
}

/// `None` where it is not on `PATH`, or does not answer as nextest does, soon.
pub fn nextest(env: &Environment, repo: &Repo) -> Option<Nextest> {
    const TELLS_UNITS_SINCE: Version = Version(0, 9, 123);
    const LIMIT: Duration = Duration::from_secs(5);
    let binary = env.find_program("cargo-nextest")?;
    let memo = Memo::of_program(env);
    if let Some(known) = memo.known("nextest", &state(&binary)) {
        return Some(Nextest { tells_units: Version::first_in(known)? >= TELLS_UNITS_SINCE });
    }
    let words = [binary.clone().into_os_string(), "nextest".into(), "--version".into()];
    let answer = attempt(&words, &repo.start, &[], for_at_most(LIMIT)).ok()??;
    let answer =
        answer.status.success().then(|| String::from_utf8_lossy(&answer.stdout).into_owned())?;
    let tells_units = Version::first_in(&answer)? >= TELLS_UNITS_SINCE;
    memo.remember("nextest", &state(&binary), &answer, &binary);
    Some(Nextest { tells_units })
}

/// A version of a tool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u32, pub u32, pub u32);

impl Version {
    /// The first in a text: `1.2.3`, `v1.2`, `1:14.0-55.7~deb12u1`.
    pub fn first_in(text: &str) -> Option<Version> {
        text.split_whitespace().find_map(|word| {
            let word = word.rsplit(':').next().unwrap_or(word);
            let word = word.trim_start_matches(['v', '(', '"']);
            let end = word.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(word.len());
            let mut numbers = word[..end].split('.').map(|number| number.parse().ok());
            Some(Version(numbers.next()??, numbers.next()??, numbers.next().flatten().unwrap_or(0)))
        })
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

/// What `ask` finds out about `program`, and is asked again only when that has changed.
pub fn remembered(
    memo: &Path,
    question: &str,
    program: &Path,
    ask: impl FnOnce() -> Option<String>,
) -> Option<String> {
    let inputs = state(program);
    let memo = Memo::open(Some(memo.to_owned()));
    if let Some(known) = memo.known(question, &inputs) {
        return Some(known.to_owned());
    }
    let answer = ask()?;
    memo.remember(question, &inputs, &answer, program);
    Some(answer)
}

/// Whether `cargo <command>` is a program that is none of cargo's own.
pub fn is_external(env: &Environment, command: &str) -> bool {
    !command.is_empty() && env.find_program(&format!("cargo-{command}")).is_some()
}

/// What decides which compiler `rustc` is: its file, rustup's override and settings, the toolchain
/// file.
fn rustc_inputs(env: &Environment, repo: &Repo, rustc: &Path, toolchain: Option<&str>) -> String {
    let program = if rustc.components().count() > 1 {
        Some(rustc.to_owned())
    } else {
        env.find_program(&rustc.to_string_lossy())
    };
    let rustup_home = env.get("RUSTUP_HOME").map(PathBuf::from);
    let rustup_home =
        rustup_home.or_else(|| Some(std::env::home_dir()?.join(".rustup"))).unwrap_or_default();

    let over = toolchain.or_else(|| env.get("RUSTUP_TOOLCHAIN")?.to_str()).unwrap_or_default();
    let mut inputs = vec![over.to_owned(), state(&program.unwrap_or_default())];
    if over.is_empty() {
        inputs.push(state(&rustup_home.join("settings.toml")));
        for dir in repo.start.ancestors() {
            let files = TOOLCHAIN_FILES.map(|name| dir.join(name));
            inputs.extend(files.iter().filter(|file| file.exists()).map(|file| state(file)));
        }
    }
    inputs.join("\n")
}

/// Path, size and modification time: another state, another answer.
pub fn state(file: &Path) -> String {
    let Ok(meta) = file.metadata() else {
        return format!("{} is not there", file.display());
    };
    let modified = meta.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    format!("{} {} {}", file.display(), meta.len(), modified.unwrap_or_default().as_nanos())
}

/// `memo.json`: `{ "question inputs": { answer, binary, state } }`. The shared program is asked
/// from many worktrees, and each has inputs of its own.
struct Memo {
    file: Option<PathBuf>,
    entries: Vec<(String, Json)>,
}

impl Memo {
    /// Beside xtask, which `cargo clean` takes away with it. An installed program lies among
    /// others, so what it remembers is where caches are.
    fn of_program(env: &Environment) -> Memo {
        let is_installed = environment::exe()
            .is_some_and(|exe| exe.file_stem() == Some("cargo-multilane".as_ref()));
        Memo::open(match is_installed {
            true => env.cache_home().map(|home| home.join(FOLDER).join(MEMO)),
            false => environment::exe_dir().map(|dir| dir.join(MEMO)),
        })
    }

    /// Empty where there is none or it cannot be read.
    fn open(file: Option<PathBuf>) -> Memo {
        let text = file.as_ref().and_then(|file| files::read(file).ok()).unwrap_or_default();
        let entries = match Json::read(&text) {
            Some(Json::Object(entries)) => entries,
            _ => Vec::new(),
        };
        Memo { file, entries }
    }

    fn known(&self, question: &str, inputs: &str) -> Option<&str> {
        Some(self.known_of(question, inputs)?.0)
    }

    /// The answer, and of which file it is.
    fn known_of(&self, question: &str, inputs: &str) -> Option<(&str, &str)> {
        let asked = format!("{question} {inputs}");
        let (_, entry) = self.entries.iter().find(|(question, _)| *question == asked)?;
        let binary = entry["binary"].as_str()?;
        let is_current = entry["state"].as_str() == Some(&state(Path::new(binary)));
        if is_current { Some((entry["answer"].as_str()?, binary)) } else { None }
    }

    /// `binary` is the file whose replacement changes the answer. Where the memo cannot be written,
    /// the next call asks again.
    fn remember(mut self, question: &str, inputs: &str, answer: &str, binary: &Path) {
        const ENTRIES_MAX: usize = 50; // Inputs that nobody has any more are never asked for again.
        if self.entries.len() >= ENTRIES_MAX {
            self.entries.clear();
        }
        let asked = format!("{question} {inputs}");
        let entry = Json::object([
            ("answer", answer.into()),
            ("binary", binary.to_string_lossy().into()),
            ("state", (&state(binary)).into()),
        ]);
        self.entries.retain(|(question, _)| *question != asked);
        self.entries.push((asked, entry));
        if let Some(file) = self.file {
            let text = Json::Object(self.entries).to_string();
            _ = file.parent().map_or(Ok(()), std::fs::create_dir_all);
            drop(files::write_atomically(&file, text.as_bytes()));
        }
    }
}

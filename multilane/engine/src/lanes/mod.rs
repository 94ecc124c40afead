//! Which lane a builder has: the agent's name, the lane key, the directory.

pub mod choose;
pub mod git_asked;
pub mod in_lane;
pub mod list;
pub mod occupy;

use crate::json::Json;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use anyhow::bail;
use sha2::{Digest as _, Sha256};

/// The name that an agent gives itself in `AGENT_ID`: a plain file name, the same on every system.
#[derive(Clone, Debug, PartialEq)]
pub struct Agent(String);

impl Agent {
    /// `None` where `AGENT_ID` is unset or empty: then the builder is whoever owns the worktree.
    ///
    /// # Errors
    ///
    /// When the value is no plain file name. It would become a path outside `.lanes/`, or one that
    /// cargo cannot use.
    pub fn from_environment(value: Option<&OsStr>) -> anyhow::Result<Option<Agent>> {
        let Some(value) = value else { return Ok(None) };
        match refusal(value) {
            None => Ok(Some(Agent(value.to_string_lossy().trim().to_owned()))),
            Some(why) => bail!(
                "AGENT_ID {:?} cannot name a lane: {why}\n\
                 help: use letters, digits, `-`, `_` and `.`, such as AGENT_ID=agent-1",
                shortened(&value.to_string_lossy())
            ),
        }
    }

    /// The owner of lanes in which this program builds for itself. Users cannot have its name.
    pub fn internal(name: &str) -> Agent {
        Agent(format!("{INTERNAL}{name}"))
    }

    pub fn name(&self) -> &str {
        &self.0
    }
}

const INTERNAL: &str = "multilane-";

/// Why `value` is no plain file name on one of the systems we build on, or `None` if it is.
fn refusal(value: &OsStr) -> Option<&'static str> {
    /// Leaves room for a lane's own file names in the 260 characters of a classic Windows path.
    const LENGTH_MAX: usize = 80;
    // `:` and `;` separate the entries of library paths, in which cargo puts the lane.
    const RESERVED: [char; 10] = ['/', '\\', ':', ';', '*', '?', '"', '<', '>', '|'];
    const DEVICES: [&str; 4] = ["con", "prn", "aux", "nul"];

    let Some(name) = value.to_str().map(str::trim) else {
        return Some("it is not Unicode");
    };
    let stem = name.split('.').next().unwrap_or(name).to_ascii_lowercase();
    let is_device = DEVICES.contains(&stem.as_str())
        || (stem.len() == 4
            && (stem.starts_with("com") || stem.starts_with("lpt"))
            && stem.ends_with(|c: char| c.is_ascii_digit()));

    match name {
        "" => Some("it is blank"),
        _ if name.len() > LENGTH_MAX => Some("it is longer than 80 bytes"),
        _ if name.chars().any(char::is_control) => Some("it has control characters"),
        _ if name.contains(RESERVED) => Some("it has one of / \\ : ; * ? \" < > |"),
        _ if name.starts_with('.') => Some("it starts with a dot"),
        _ if name.starts_with('-') => Some("it starts with a dash"),
        _ if name.ends_with('.') => Some("it ends with a dot"),
        _ if name.starts_with(INTERNAL) => Some("names with `multilane-` are used internally"),
        _ if is_device => Some("it is the name of a device on Windows"),
        _ => None,
    }
}

fn shortened(text: &str) -> String {
    const LENGTH_MAX: usize = 40;
    if text.chars().count() <= LENGTH_MAX {
        return text.to_owned();
    }
    text.chars().take(LENGTH_MAX).chain(['…']).collect()
}

/// What a lane key is made of. Whatever cargo tells apart by itself within one target directory
/// (profile, packages, flags) is not in it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct KeyInputs {
    /// `rustc -vV`, whole.
    pub toolchain: String,
    /// The triples that are built for, sorted.
    pub target: String,
    /// SHA-256 of `Cargo.lock`; empty where there is none.
    pub lockfile: String,
    /// The feature selection, in one spelling.
    pub features: String,
    /// What makes the code, where it is not LLVM.
    pub backend: String,
}

impl KeyInputs {
    /// 12 hex digits: 48 bits tell the few lanes of one agent apart.
    pub fn key(&self) -> String {
        short_hash(self.fields().map(|(_, value)| value))
    }

    pub fn fields(&self) -> [(&'static str, &str); 5] {
        [
            ("toolchain", &self.toolchain),
            ("target", &self.target),
            ("lockfile", &self.lockfile),
            ("features", &self.features),
            ("backend", &self.backend),
        ]
    }

    pub fn to_json(&self) -> Json {
        Json::object(self.fields().map(|(name, value)| (name, value.into())))
    }

    /// The names of the inputs in which the two differ.
    pub fn differing(&self, other: &KeyInputs) -> Vec<&'static str> {
        let pairs = self.fields().into_iter().zip(other.fields());
        pairs.filter(|(own, other)| own.1 != other.1).map(|(own, _)| own.0).collect()
    }
}

/// The hash of a lockfile, as it stands in `KeyInputs`.
pub fn lockfile_hash(lockfile: &[u8]) -> String {
    hex(&Sha256::digest(lockfile))
}

/// 12 hex digits.
pub(crate) fn short_hash<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let mut hasher = Sha256::new();
    for word in words {
        // The length keeps ("ab", "c") and ("a", "bc") apart.
        hasher.update((word.len() as u64).to_le_bytes());
        hasher.update(word);
    }
    hex(&hasher.finalize()[..6])
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The feature selection in one spelling: order, commas, spaces and repetition do not make another
/// lane.
pub fn feature_selection(features: &[String], all: bool, no_default: bool) -> String {
    let mut names: Vec<&str> = if all {
        vec!["--all-features"] // Names add nothing to it.
    } else {
        features
            .iter()
            .flat_map(|list| list.split([',', ' ']))
            .filter(|name| !name.is_empty())
            .collect()
    };
    if no_default {
        names.push("--no-default-features");
    }
    names.sort_unstable();
    names.dedup();
    names.join(",")
}

/// A target directory that one builder uses at a time.
#[derive(Clone, Debug, PartialEq)]
pub struct Lane {
    pub dir: PathBuf,
    pub owner: Owner,
    /// The program that starts the tests that are built here: with a permit, and so that the cargo
    /// that they may start builds in an agent's lane. `None` where the user has one.
    pub runner: Option<PathBuf>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Owner {
    /// The worktree's own target directory: `target/`, or what cargo is configured to use instead.
    Worktree,
    Agent {
        inputs: KeyInputs,
        detours: Detours,
    },
    /// A directory that the user named with `--target-dir`.
    Named,
}

impl Lane {
    /// For commands that build nothing.
    pub fn none() -> Lane {
        Lane { dir: PathBuf::new(), owner: Owner::Worktree, runner: None }
    }

    pub fn of_agent(lanes_dir: &Path, agent: &Agent, inputs: KeyInputs, detours: Detours) -> Lane {
        let dir = lanes_dir.join(agent.name()).join(inputs.key());
        Lane { dir, owner: Owner::Agent { inputs, detours }, runner: None }
    }

    /// How cargo is told of the lane: by flag, never by `CARGO_TARGET_DIR`. sccache hashes every
    /// `CARGO_*` variable, so each agent would have a cache of its own, and an empty one.
    pub fn flags(&self) -> Vec<OsString> {
        let target_dir = ["--target-dir".into(), self.dir.clone().into()];
        self.unless_worktree(target_dir)
    }

    /// The same for a cargo command that has no `--target-dir`, or that may be an alias: in front
    /// of the command.
    pub fn config_flags(&self) -> Vec<OsString> {
        self.unless_worktree(config_flag("build.target-dir", &self.dir))
    }

    fn unless_worktree(&self, target_dir: [OsString; 2]) -> Vec<OsString> {
        let mut flags = Vec::new();
        if self.owner != Owner::Worktree {
            flags.extend(target_dir);
        }
        if let Owner::Agent { detours: Detours { build_dir: true, .. }, .. } = self.owner {
            flags.extend(config_flag("build.build-dir", &self.dir));
        }
        flags
    }

    /// Variables that would lead past the lane, here or in a cargo that a build script or a test
    /// starts.
    pub fn environment(&self) -> Vec<(OsString, Option<OsString>)> {
        match &self.owner {
            Owner::Worktree | Owner::Named => Vec::new(),
            Owner::Agent { detours, .. } => {
                detours.variables.iter().map(|name| (name.into(), None)).collect()
            }
        }
    }
}

/// What the user has configured that would lead a build past its lane.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Detours {
    /// `build.build-dir` is set: without a word from us the intermediates of all lanes would go
    /// there, under one lock.
    pub build_dir: bool,
    /// Those of `DETOUR_VARIABLES` that are set.
    pub variables: Vec<&'static str>,
}

pub const DETOUR_VARIABLES: [&str; 2] = ["CARGO_TARGET_DIR", "CARGO_BUILD_TARGET_DIR"];

fn config_flag(key: &str, path: &Path) -> [OsString; 2] {
    ["--config".into(), format!("{key}={}", toml_path(path)).into()]
}

/// A path in TOML.
fn toml_path(path: &Path) -> String {
    // TOML is UTF-8; `Lane`s lie below a workspace root, which cargo itself only accepts as UTF-8
    // here.
    let value = toml_edit::Value::from(path.to_string_lossy().as_ref());
    value.to_string().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agent(value: &str) -> anyhow::Result<Option<Agent>> {
        Agent::from_environment(Some(OsStr::new(value)))
    }

    #[test]
    fn plain_names_are_agents() {
        for name in ["a", "agent-1", "ci_42.x", "claude@host", "two words", "ÄÖ", "com", "console"]
        {
            let agent = agent(name).expect(name).expect(name);
            assert_eq!(agent.name(), name);
        }
        assert_eq!(
            agent(" padded ").expect("trims").map(|agent| agent.0),
            Some("padded".to_owned())
        );
        assert_eq!(Agent::from_environment(None).expect("no agent"), None);
    }

    #[test]
    fn names_that_are_no_plain_file_name_are_refused() {
        let long = "x".repeat(300);
        let names = [
            " ",
            "\t",
            ".",
            "..",
            "../x",
            "a/b",
            "a\\b",
            "/abs",
            "C:",
            "a:b",
            "a\nb",
            "a\0b",
            "-rf",
            ".git",
            "NUL",
            "com1.txt",
            "dot.",
            "a*",
            "multilane-analyze",
            &long,
        ];
        for name in names {
            assert!(agent(name).is_err(), "{name:?} was taken");
        }
    }

    #[test]
    fn each_input_changes_the_key() {
        let base = KeyInputs {
            toolchain: "rustc 1".into(),
            target: "t".into(),
            lockfile: "l".into(),
            ..KeyInputs::default()
        };
        let variants = [
            KeyInputs { toolchain: "rustc 2".into(), ..base.clone() },
            KeyInputs { target: "u".into(), ..base.clone() },
            KeyInputs { lockfile: "m".into(), ..base.clone() },
            KeyInputs { features: "f".into(), ..base.clone() },
            KeyInputs { backend: "cranelift".into(), ..base.clone() },
            // The same letters, another field.
            KeyInputs { target: "tl".into(), lockfile: String::new(), ..base.clone() },
        ];
        let mut keys: Vec<String> = variants.iter().map(KeyInputs::key).collect();
        keys.push(base.key());
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), 7);
        assert!(keys.iter().all(|key| key.len() == 12));
        assert_eq!(base.differing(&variants[5]), ["target", "lockfile"]);
    }

    #[test]
    fn the_spelling_of_a_feature_selection_does_not_matter() {
        let select = |features: &[&str]| {
            let features: Vec<String> = features.iter().map(|text| (*text).to_owned()).collect();
            feature_selection(&features, false, false)
        };
        assert_eq!(select(&["b,a"]), select(&["a", "b a"]));
        assert_ne!(select(&["a"]), select(&[]));
        assert_ne!(feature_selection(&[], true, false), feature_selection(&[], false, true));
        assert_eq!(
            feature_selection(&["a".into()], true, false),
            feature_selection(&[], true, false)
        );
    }
}

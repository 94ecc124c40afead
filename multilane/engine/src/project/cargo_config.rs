//! The few keys of cargo's configuration that decide where a build goes and with which compiler.
//!
//! cargo merges `.cargo/config.toml` of every directory from where one stands up to `/`, then
//! `$CARGO_HOME`'s; the nearer file wins, and the environment wins over all files. So does this.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use toml_edit::{DocumentMut, Item, TableLike};

use crate::environment::Environment;
use crate::files;

/// `build.*`, merged.
#[derive(Default, Debug, PartialEq)]
pub struct CargoConfig {
    /// `build.target`: the triples that are built for where no `--target` is given. Empty means the
    /// host.
    pub targets: Vec<String>,
    /// `build.target-dir`, absolute.
    pub target_dir: Option<PathBuf>,
    /// Whether `build.build-dir` keeps intermediates elsewhere. A lane has to override it, or all
    /// lanes would share one directory and one lock.
    pub has_build_dir: bool,
    /// Whether some target has a `runner`.
    pub has_runner: bool,
    /// `resolver.lockfile-path`, absolute.
    pub lockfile: Option<PathBuf>,
    /// `unstable.build-dir-new-layout`, which a nightly obeys.
    pub new_layout: Option<bool>,
    /// `build.rustc`.
    pub rustc: Option<PathBuf>,
    /// Every `build.rustc-wrapper`, the one that counts first. An empty one switches those after it
    /// off.
    pub rustc_wrappers: Vec<PathBuf>,
    /// `build.rustc-workspace-wrapper`, and every `target.….linker`.
    pub workspace_wrappers: Vec<PathBuf>,
    pub linkers: Vec<PathBuf>,
    /// The files that are included, whether they are there or not.
    pub includes: Vec<PathBuf>,
    /// The names in `[alias]`.
    pub aliases: BTreeSet<String>,
    /// `[env]`: what cargo adds to the environment of the programs that it starts.
    pub env: BTreeMap<String, String>,
    /// Every `[env]` as it is written, the one that counts first, and the file that it is in.
    pub env_tables: Vec<(PathBuf, String)>,
}

impl CargoConfig {
    pub fn read(start: &Path, env: &Environment) -> CargoConfig {
        let mut config = CargoConfig::from_environment(start, env);
        for dir in start.ancestors() {
            config.merge_first_of(&dir.join(".cargo"));
        }
        if let Some(home) = env.cargo_home() {
            config.merge_first_of(&home);
        }
        config
    }

    fn from_environment(start: &Path, env: &Environment) -> CargoConfig {
        let path = |name| env.get(name).map(|value| start.join(value));
        let text = |name| env.get(name).and_then(|value| value.to_str());
        CargoConfig {
            targets: text("CARGO_BUILD_TARGET")
                .map(|target| vec![target.to_owned()])
                .unwrap_or_default(),
            target_dir: path("CARGO_TARGET_DIR").or_else(|| path("CARGO_BUILD_TARGET_DIR")),
            has_build_dir: env.get("CARGO_BUILD_BUILD_DIR").is_some(),
            has_runner: false,
            lockfile: path("CARGO_RESOLVER_LOCKFILE_PATH"),
            new_layout: text("CARGO_UNSTABLE_BUILD_DIR_NEW_LAYOUT").map(|value| value == "true"),
            aliases: env.iter().filter_map(|(name, _)| alias_variable(name.to_str()?)).collect(),
            rustc_wrappers: ["RUSTC_WRAPPER", "CARGO_BUILD_RUSTC_WRAPPER"]
                .into_iter()
                .filter_map(|name| env.get(name).map(PathBuf::from))
                .collect(),
            workspace_wrappers: ["RUSTC_WORKSPACE_WRAPPER", "CARGO_BUILD_RUSTC_WORKSPACE_WRAPPER"]
                .into_iter()
                .filter_map(|name| Some(program(start, env.get(name)?.to_str()?)))
                .collect(),
            linkers: env.iter().filter_map(|(name, value)| linker_in(start, name, value)).collect(),
            includes: Vec::new(),
            env: BTreeMap::new(),
            env_tables: Vec::new(),
            rustc: env.get("RUSTC").or_else(|| env.get("CARGO_BUILD_RUSTC")).map(PathBuf::from),
        }
    }

    /// cargo reads `config` where both it and `config.toml` exist.
    fn merge_first_of(&mut self, dir: &Path) {
        for name in ["config", "config.toml"] {
            let file = dir.join(name);
            if file.is_file() {
                return self.merge_file(&file, 0);
            }
        }
    }

    /// A file that cannot be read or parsed is left out: cargo will say what is wrong with it,
    /// better than we could.
    fn merge_file(&mut self, file: &Path, depth: u32) {
        const INCLUDE_DEPTH_MAX: u32 = 8; // cargo refuses cycles; this only has to end…
        const INCLUDES_MAX: usize = 100; // …and soon, where a file includes itself twice.
        let Some(document) = read(file) else { return };
        let dir = file.parent().unwrap_or(file);

        if let Some(build) = document.get("build").and_then(Item::as_table_like) {
            self.merge_build(build, dir.parent().unwrap_or(dir));
        }
        let targets = document.get("target").and_then(Item::as_table_like);
        self.has_runner |= targets.is_some_and(|targets| {
            targets.iter().any(|(_, target)| target.get("runner").is_some())
        });
        let linkers = targets.into_iter().flat_map(|targets| targets.iter());
        let linkers = linkers.filter_map(|(_, target)| target.get("linker")?.as_str());
        self.linkers.extend(linkers.map(|linker| program(dir.parent().unwrap_or(dir), linker)));
        let lockfile = || document.get("resolver")?.get("lockfile-path")?.as_str();
        if let (None, Some(path)) = (&self.lockfile, lockfile()) {
            self.lockfile = Some(dir.parent().unwrap_or(dir).join(path));
        }
        let new_layout = || document.get("unstable")?.get("build-dir-new-layout")?.as_bool();
        self.new_layout = self.new_layout.or_else(new_layout);
        if let Some(env) = document.get("env") {
            self.env_tables.push((file.to_owned(), env.to_string()));
        }
        if let Some(aliases) = document.get("alias").and_then(Item::as_table_like) {
            self.aliases.extend(aliases.iter().map(|(name, _)| name.to_owned()));
        }
        if let Some(variables) = document.get("env").and_then(Item::as_table_like) {
            self.merge_env(variables, dir.parent().unwrap_or(dir));
        }
        if depth < INCLUDE_DEPTH_MAX {
            for include in includes(&document).iter().rev() {
                let include = dir.join(include);
                self.includes.push(include.clone());
                if self.includes.len() <= INCLUDES_MAX {
                    self.merge_file(&include, depth + 1);
                }
            }
        }
    }

    /// `NAME = "value"`, `NAME = { value = "value", relative = true }`.
    fn merge_env(&mut self, variables: &dyn TableLike, base: &Path) {
        for (name, item) in variables.iter() {
            let table = item.as_table_like();
            let is = |key: &str| table.and_then(|table| table.get(key)?.as_bool()) == Some(true);
            let value = item.as_str().or_else(|| table?.get("value")?.as_str());
            if let Some(value) = value.filter(|_| !self.env.contains_key(name)) {
                let path = base.join(value);
                let value = if is("relative") { path.to_string_lossy() } else { value.into() };
                self.env.insert(name.to_owned(), value.into_owned());
            }
        }
    }

    fn merge_build(&mut self, build: &dyn TableLike, base: &Path) {
        if self.targets.is_empty() {
            self.targets = match build.get("target") {
                Some(Item::Value(toml_edit::Value::Array(targets))) => {
                    targets.iter().filter_map(|target| Some(target.as_str()?.to_owned())).collect()
                }
                Some(target) => {
                    target.as_str().map(|target| vec![target.to_owned()]).unwrap_or_default()
                }
                None => Vec::new(),
            };
        }
        let text = |key: &str| build.get(key).and_then(Item::as_str);
        if self.target_dir.is_none() {
            self.target_dir = text("target-dir").map(|dir| base.join(dir));
        }
        self.has_build_dir |= text("build-dir").is_some();
        let program = |name: &str| program(base, name);
        if self.rustc.is_none() {
            self.rustc = text("rustc").map(program);
        }
        self.rustc_wrappers.extend(text("rustc-wrapper").map(program));
        self.workspace_wrappers.extend(text("rustc-workspace-wrapper").map(program));
    }
}

/// `CARGO_TARGET_<TRIPLE>_LINKER`.
fn linker_in(start: &Path, name: &OsStr, value: &OsStr) -> Option<PathBuf> {
    let of_target = name.to_str()?.strip_prefix("CARGO_TARGET_")?;
    of_target.ends_with("_LINKER").then_some(program(start, value.to_str()?))
}

/// `CARGO_ALIAS_MY_ALIAS` is `my-alias` (the Cargo Book, "Configuration").
fn alias_variable(name: &str) -> Option<String> {
    Some(name.strip_prefix("CARGO_ALIAS_")?.to_ascii_lowercase().replace('_', "-"))
}

fn read(file: &Path) -> Option<DocumentMut> {
    files::read_text(file).ok()?.parse().ok()
}

/// `include = "a.toml"`, `include = ["a.toml", { path = "b.toml", optional = true }]`.
pub fn includes(document: &DocumentMut) -> Vec<String> {
    let path_of = |value: &toml_edit::Value| {
        let path = value.as_str().or_else(|| value.as_inline_table()?.get("path")?.as_str())?;
        Some(path.to_owned())
    };
    match document.get("include") {
        Some(Item::Value(toml_edit::Value::Array(array))) => {
            array.iter().filter_map(path_of).collect()
        }
        Some(Item::Value(value)) => path_of(value).into_iter().collect(),
        Some(Item::ArrayOfTables(tables)) => tables
            .iter()
            .filter_map(|table| Some(table.get("path")?.as_str()?.to_owned()))
            .collect(),
        _ => Vec::new(),
    }
}

/// A name without a slash is looked up on `PATH`, as cargo does.
fn program(base: &Path, name: &str) -> PathBuf {
    if name.contains(['/', '\\']) { base.join(name) } else { PathBuf::from(name) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::mutate::mutations;
    use crate::files::scratch::Scratch;

    #[test]
    fn any_configuration_is_borne() {
        let scratch = Scratch::of_test("config");
        let file = scratch.dir.join("config.toml");
        let text = "include = [\"a.toml\", { path = \"b.toml\", optional = true }]\n\
                    [build]\ntarget = [\"t\"]\nrustc-wrapper = \"./w\"\ntarget-dir = \"t\"\n\
                    [env]\nA = { value = \"x\", relative = true }\n[alias]\nb = \"build\"\n";
        let mut round = 0;
        mutations(text.as_bytes(), |text| {
            round += 1;
            if round % 10 == 1 {
                std::fs::write(&file, text).expect("it can be written");
                let mut config = CargoConfig::default();
                config.merge_file(&file, 0);
                assert!(round > 1 || config.target_dir.is_some());
            }
        });
    }

    #[test]
    fn a_file_that_includes_itself_often_is_read_a_few_times() {
        let scratch = Scratch::of_test("include");
        let file = scratch.dir.join("config.toml");
        let text = format!("include = [{}]\n", "\"config.toml\", ".repeat(50));
        std::fs::write(&file, text).expect("it can be written");
        let mut config = CargoConfig::default();
        config.merge_file(&file, 0);
        assert!(config.includes.len() < 10_000);
    }

    /// What nests deeper than anybody writes is no configuration, and no end of ours.
    #[test]
    fn what_nests_deeply_is_borne() {
        let scratch = Scratch::of_test("deep");
        let file = scratch.dir.join("config.toml");
        for (open, close) in [("[", "]"), ("{a=", "}"), ("[{a=", "}]")] {
            let text = format!("x = {}1{}\n", open.repeat(20_000), close.repeat(20_000));
            std::fs::write(&file, text).expect("it can be written");
            CargoConfig::default().merge_file(&file, 0);
        }
        std::fs::write(&file, format!("[{}a]\n", "a.".repeat(20_000))).expect("written");
        CargoConfig::default().merge_file(&file, 0);
    }
}

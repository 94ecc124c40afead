//! What each of cargo's configuration files says here. `cargo_config` has the merged answer.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use multilane_engine::environment::Environment;
use multilane_engine::project::cargo_config::includes;
use multilane_engine::project::packages::normalized;
use multilane_engine::project::root::Repo;
use serde_json::Value as Json;
use toml_edit::{DocumentMut, Item, Value};

/// A file that cargo reads when it is started here.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ConfigFile {
    pub(crate) path: PathBuf,
    pub(crate) place: Place,
    /// Or why the file cannot be read.
    pub(crate) settings: Result<Vec<Setting>, String>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Place {
    Project,
    /// In a directory above the workspace.
    Above,
    CargoHome,
}

/// `build.target-dir` and its value; the elements of a list are separated by spaces.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Setting {
    pub(crate) key: String,
    pub(crate) value: String,
}

/// The nearest file first, as cargo weighs them.
pub(crate) fn read(repo: &Repo, env: &Environment) -> Vec<ConfigFile> {
    let home = env.cargo_home().unwrap_or_default();
    let dirs = repo.start.ancestors().map(|dir| dir.join(".cargo")).chain([home.clone()]);
    let mut seen = HashSet::new();
    let mut files = Vec::new();
    for dir in dirs {
        let mut names = ["config", "config.toml"].iter().map(|name| dir.join(name));
        let Some(file) = names.find(|file| file.is_file()) else { continue };
        // A workspace in the home directory has `CARGO_HOME` above it as well.
        let place = if dir == home {
            Place::CargoHome
        } else if dir.starts_with(&repo.root) {
            Place::Project
        } else {
            Place::Above
        };
        add(file, place, &mut seen, &mut files);
    }
    files
}

fn add(path: PathBuf, place: Place, seen: &mut HashSet<PathBuf>, files: &mut Vec<ConfigFile>) {
    if !seen.insert(path.clone()) {
        return;
    }
    let text = multilane_engine::files::read_text(&path).map_err(|err| err.to_string());
    let document = text.and_then(|text| {
        text.parse::<DocumentMut>().map_err(|err| err.to_string().trim().replace('\n', " "))
    });
    let included = document.as_ref().map(includes).unwrap_or_default();
    let settings = document.map(|document| settings(&to_json(document.as_item())));
    let dir = path.parent().unwrap_or(&path).to_owned();
    files.push(ConfigFile { path, place, settings });
    let included = included.iter().rev().map(|included| dir.join(included));
    for file in included.filter(|file| file.is_file()) {
        add(file, place, seen, files);
    }
}

/// The settings in a TOML file; none where it cannot be read.
pub(crate) fn settings_in(file: &Path) -> Vec<Setting> {
    let text = multilane_engine::files::read_text(file).unwrap_or_default();
    text.parse::<DocumentMut>().map(|it| settings(&to_json(it.as_item()))).unwrap_or_default()
}

pub(crate) fn to_json(item: &Item) -> Json {
    fn of_value(value: &Value) -> Json {
        match value {
            Value::String(text) => text.value().as_str().into(),
            Value::Array(values) => values.iter().map(of_value).collect(),
            other => other.to_string().trim().into(),
        }
    }
    match item.as_table_like() {
        Some(table) => table.iter().map(|(name, item)| (name.to_owned(), to_json(item))).collect(),
        None => item.as_value().map(of_value).unwrap_or_default(),
    }
}

/// All values, by their dotted keys.
pub(crate) fn settings(value: &Json) -> Vec<Setting> {
    fn text(value: &Json) -> String {
        match value {
            Json::String(text) => text.clone(),
            Json::Array(values) => values.iter().map(text).collect::<Vec<_>>().join(" "),
            other => other.to_string(),
        }
    }
    fn add(key: String, value: &Json, settings: &mut Vec<Setting>) {
        let Json::Object(map) = value else {
            return settings.push(Setting { key, value: text(value) });
        };
        for (name, value) in map {
            let key = if key.is_empty() { name.clone() } else { format!("{key}.{name}") };
            add(key, value, settings);
        }
    }
    let mut settings = Vec::new();
    add(String::new(), value, &mut settings);
    settings
}

/// Where `path` in a configuration file leads: cargo starts at the directory above the file's own.
pub(crate) fn resolved(file: &Path, path: &str) -> PathBuf {
    let base = file.parent().and_then(Path::parent).unwrap_or(file);
    normalized(&base.join(path))
}

/// The first setting by which cargo starts a program that lies in the workspace at `root`: looking
/// at a workspace must not run what it brings. A name without a slash is looked up on `PATH`, and
/// programs outside of the workspace are the machine's. `toolchain` and `wrappers` look at
/// `build.rustc` and `build.rustc-wrapper`.
pub(crate) fn own_program(files: &[ConfigFile], root: &Path) -> Option<String> {
    const FLAGS: [&str; 4] = ["linker=", "-B", "fuse-ld=", "ld-path="];
    let is_own = |file: &ConfigFile, Setting { key, value }: &Setting| {
        let is_inside =
            |path: &str| path.contains(['/', '\\']) && resolved(&file.path, path).starts_with(root);
        // A path may have spaces, as those between flags.
        let is_flag = |rest: &str| {
            rest.starts_with(&*root.to_string_lossy())
                || rest.split(' ').next().is_some_and(is_inside)
        };
        match key.rsplit('.').next() {
            Some("rustflags") => FLAGS.iter().any(|flag| value.split(flag).skip(1).any(is_flag)),
            Some("linker" | "rustc-workspace-wrapper") => is_inside(value),
            _ => key.starts_with("env.PATH"),
        }
    };
    let own = files.iter().filter(|file| file.place == Place::Project);
    own.flat_map(|file| file.settings.iter().flatten().map(move |setting| (file, setting)))
        .find(|(file, setting)| is_own(file, setting))
        .map(|(_, setting)| format!("{} = {}", setting.key, setting.value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_of_the_workspace_are_not_for_us_to_start() {
        let own = |key: &str, value: &str| {
            let setting = Setting { key: key.to_owned(), value: value.to_owned() };
            let path = "/w/app/.cargo/config.toml".into();
            let file = ConfigFile { path, place: Place::Project, settings: Ok(vec![setting]) };
            own_program(&[file], Path::new("/w/app")).is_some()
        };
        assert!(own("build.rustc-workspace-wrapper", "tools/wrap"));
        assert!(own("target.x.linker", "/w/app/ld"));
        assert!(own("target.x.rustflags", "-Cx -Clink-arg=-B./tools"));
        assert!(own("env.PATH", "x"));
        assert!(!own("target.x.linker", "clang"));
        assert!(!own("target.x.rustflags", "-Clink-arg=-B/u/me/linkers -Clink-arg=-fuse-ld=bfd"));
        assert!(!own("build.target-dir", "out/target"));
    }
}

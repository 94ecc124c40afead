//! All that cargo's configuration files say here, each on its own: for whoever wants to know which
//! of them says what. `cargo_config` has the merged answer.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use multilane::environment::Environment;
use multilane::project::cargo_config::includes;
use multilane::project::packages::normalized;
use multilane::project::root::Repo;
use serde_json::Value as Json;
use toml_edit::{Item, Value};

/// A file that cargo reads when it is started here.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ConfigFile {
    pub(crate) path: PathBuf,
    pub(crate) place: Place,
    /// What it says, or why it cannot be read.
    pub(crate) settings: Result<Vec<Setting>, String>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Place {
    Project,
    /// Above the workspace: true for whatever else lies there.
    Above,
    CargoHome,
}

/// `build.target-dir` and its value; a list's elements are separated by spaces.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Setting {
    pub(crate) key: String,
    pub(crate) value: String,
}

impl ConfigFile {
    pub(crate) fn says(&self, key: &str) -> bool {
        self.settings.iter().flatten().any(|setting| setting.key == key)
    }
}

/// The nearest first, as cargo weighs them.
pub(crate) fn read(repo: &Repo, env: &Environment) -> Vec<ConfigFile> {
    let home = env.cargo_home().unwrap_or_default();
    let mut dirs: Vec<PathBuf> = repo.start.ancestors().map(|dir| dir.join(".cargo")).collect();
    dirs.push(home.clone());
    let mut seen = HashSet::new();
    let mut files = Vec::new();
    for dir in dirs {
        // A workspace in the home directory has `CARGO_HOME` above it as well.
        let dir_home = dir == home;
        let mut names = ["config", "config.toml"].iter().map(|name| dir.join(name));
        let Some(file) = names.find(|file| file.is_file()) else { continue };
        let place = match () {
            () if dir_home => Place::CargoHome,
            () if dir.starts_with(&repo.root) => Place::Project,
            () => Place::Above,
        };
        add(file, place, &mut seen, &mut files);
    }
    files
}

fn add(path: PathBuf, place: Place, seen: &mut HashSet<PathBuf>, files: &mut Vec<ConfigFile>) {
    if !seen.insert(path.clone()) {
        return;
    }
    let text = std::fs::read_to_string(&path).map_err(|err| err.to_string());
    let document = text.and_then(|text| {
        text.parse::<toml_edit::DocumentMut>()
            .map_err(|err| err.to_string().trim().replace('\n', " "))
    });
    let included = document.as_ref().map(includes).unwrap_or_default();
    let settings = document.map(|document| toml_settings(document.as_item()));
    let dir = path.parent().unwrap_or(&path).to_owned();
    files.push(ConfigFile { path, place, settings });
    for file in
        included.iter().rev().map(|included| dir.join(included)).filter(|file| file.is_file())
    {
        add(file, place, seen, files);
    }
}

/// All values in a document, by their dotted keys.
pub(crate) fn toml_settings(item: &Item) -> Vec<Setting> {
    fn add(key: &str, item: &Item, settings: &mut Vec<Setting>) {
        if let Some(table) = item.as_table_like() {
            for (name, item) in table.iter() {
                add(&joined(key, name), item, settings);
            }
        } else if let Some(value) = item.as_value() {
            settings.push(Setting { key: key.to_owned(), value: toml_text(value) });
        }
    }
    let mut settings = Vec::new();
    add("", item, &mut settings);
    settings
}

fn toml_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.value().clone(),
        Value::Array(values) => values.iter().map(toml_text).collect::<Vec<_>>().join(" "),
        other => other.to_string().trim().to_owned(),
    }
}

/// The same of JSON.
pub(crate) fn json_settings(value: &Json) -> Vec<Setting> {
    fn add(key: &str, value: &Json, settings: &mut Vec<Setting>) {
        if let Json::Object(map) = value {
            for (name, value) in map {
                add(&joined(key, name), value, settings);
            }
        } else {
            settings.push(Setting { key: key.to_owned(), value: json_text(value) });
        }
    }
    let mut settings = Vec::new();
    add("", value, &mut settings);
    settings
}

fn json_text(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        Json::Array(values) => values.iter().map(json_text).collect::<Vec<_>>().join(" "),
        other => other.to_string(),
    }
}

fn joined(key: &str, name: &str) -> String {
    if key.is_empty() { name.to_owned() } else { format!("{key}.{name}") }
}

/// Where `path`, as a configuration file has it, leads: cargo takes it from the directory above the
/// file's own.
pub(crate) fn resolved(file: &Path, path: &str) -> PathBuf {
    let base = file.parent().and_then(Path::parent).unwrap_or(file);
    normalized(&base.join(path))
}

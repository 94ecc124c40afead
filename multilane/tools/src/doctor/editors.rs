//! What the editors of this workspace tell rust-analyzer, as far as it is written into the
//! workspace.

use std::path::{Path, PathBuf};

use crate::doctor::config_files::{Setting, json_settings, toml_settings};

/// A file with settings.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Editor {
    pub(crate) file: PathBuf,
    /// In rust-analyzer's own names (`cargo.targetDir`), or why the file cannot be read.
    pub(crate) settings: Result<Vec<Setting>, String>,
}

/// Each file, and where in it rust-analyzer's settings are.
const FILES: [(&str, &str); 6] = [
    (".vscode/settings.json", "rust-analyzer."),
    (".vim/coc-settings.json", "rust-analyzer."),
    (".zed/settings.json", "lsp.rust-analyzer.initialization_options."),
    (".helix/languages.toml", "language-server.rust-analyzer.config."),
    ("rust-analyzer.toml", ""),
    (".rust-analyzer.toml", ""),
];

/// `dirs`: what people open in an editor, the workspace and the checkout around it.
pub(crate) fn read(dirs: &[&Path]) -> Vec<Editor> {
    let mut editors = Vec::new();
    for dir in dirs {
        for (name, prefix) in FILES {
            let file = dir.join(name);
            let Ok(text) = std::fs::read_to_string(&file) else { continue };
            let settings = if name.ends_with(".toml") { of_toml(&text) } else { of_json(&text) };
            editors
                .push(Editor { settings: settings.map(|settings| below(prefix, settings)), file });
        }
        editors.extend(of_idea(&dir.join(".idea")));
    }
    editors
}

fn of_toml(text: &str) -> Result<Vec<Setting>, String> {
    let document: toml_edit::DocumentMut =
        text.parse().map_err(|err: toml_edit::TomlError| err.message().to_owned())?;
    Ok(toml_settings(document.as_item()))
}

fn of_json(text: &str) -> Result<Vec<Setting>, String> {
    let value = serde_json::from_str(&without_comments(text)).map_err(|err| err.to_string())?;
    Ok(json_settings(&value))
}

fn below(prefix: &str, settings: Vec<Setting>) -> Vec<Setting> {
    let own = |setting: Setting| {
        Some(Setting { key: setting.key.strip_prefix(prefix)?.to_owned(), value: setting.value })
    };
    settings.into_iter().filter_map(own).collect()
}

/// RustRover keeps the arguments and variables of its own cargo calls as attributes:
/// `value="--all-features"`.
fn of_idea(dir: &Path) -> Vec<Editor> {
    const KEYS: [(&str, &str); 4] = [
        ("RUSTFLAGS", "cargo.extraEnv.RUSTFLAGS"),
        ("CARGO_TARGET_DIR", "cargo.extraEnv.CARGO_TARGET_DIR"),
        ("--all-features", "cargo.features"),
        ("--target-dir", "cargo.targetDir"),
    ];
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut files: Vec<PathBuf> = entries
        .filter(|path| path.extension().is_some_and(|extension| extension == "xml"))
        .collect();
    files.sort();
    let of_file = |file: PathBuf| {
        let text = std::fs::read_to_string(&file).ok()?;
        let setting = |(word, key): &(&str, &str)| {
            let line = text.lines().find(|line| line.contains(word))?;
            Some(Setting { key: (*key).to_owned(), value: line.trim().to_owned() })
        };
        let settings: Vec<Setting> = KEYS.iter().filter_map(setting).collect();
        (!settings.is_empty()).then_some(Editor { file, settings: Ok(settings) })
    };
    files.into_iter().filter_map(of_file).collect()
}

/// JSON as editors write it: with comments, and with commas that nothing follows.
fn without_comments(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    let mut in_string = false;
    while let Some(char) = chars.next() {
        match (char, chars.peek()) {
            ('\\', Some(_)) if in_string => {
                plain.push(char);
                plain.extend(chars.next());
                continue;
            }
            ('"', _) => in_string = !in_string,
            ('/', Some('/')) if !in_string => {
                while chars.peek().is_some_and(|next| *next != '\n') {
                    chars.next();
                }
                continue;
            }
            ('/', Some('*')) if !in_string => {
                chars.next();
                let mut last = ' ';
                for next in chars.by_ref() {
                    if (last, next) == ('*', '/') {
                        break;
                    }
                    last = next;
                }
                continue;
            }
            ('}' | ']', _) if !in_string => {
                let kept = plain.trim_end().len();
                if plain[..kept].ends_with(',') {
                    plain.truncate(kept - 1);
                }
            }
            _ => {}
        }
        plain.push(char);
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_last_commas_are_left_out() {
        let text = "{ // one \"\n \"a\": \"x // y, ] /* z */\", /* two\n */ \"b\": [1, 2, ],\n \"c\\\"}\": 3, }";
        let value: serde_json::Value = serde_json::from_str(&without_comments(text)).expect("JSON");
        assert_eq!(value, serde_json::json!({ "a": "x // y, ] /* z */", "b": [1, 2], "c\"}": 3 }));
    }

    #[test]
    fn settings_are_named_as_rust_analyzer_does() {
        let text = r#"{ "editor.x": 1, "rust-analyzer.cargo.extraEnv": { "RUSTFLAGS": "-Cx" },
            "rust-analyzer.check.overrideCommand": ["cargo", "clippy"] }"#;
        let settings = below("rust-analyzer.", of_json(text).expect("JSON"));
        let named: Vec<(&str, &str)> =
            settings.iter().map(|setting| (setting.key.as_str(), setting.value.as_str())).collect();
        assert_eq!(
            named,
            [("cargo.extraEnv.RUSTFLAGS", "-Cx"), ("check.overrideCommand", "cargo clippy")]
        );
        let helix = "[language-server.rust-analyzer.config]\ncargo = { features = \"all\" }\n";
        let settings = below(FILES[3].1, of_toml(helix).expect("TOML"));
        assert_eq!(
            settings,
            [Setting { key: "cargo.features".to_owned(), value: "all".to_owned() }]
        );
    }
}

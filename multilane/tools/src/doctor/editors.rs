//! What the editors of this workspace tell rust-analyzer, as far as files in the workspace say it.

use std::path::{Path, PathBuf};

use jsonc_parser::{ParseOptions, parse_to_serde_value};
use serde_json::Value as Json;
use toml_edit::DocumentMut;

use crate::doctor::config_files::{Setting, settings, to_json};

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
            if let Ok(text) = multilane_engine::files::read_text(&file) {
                editors.push(Editor { settings: parsed(name, &text, prefix), file });
            }
        }
        editors.extend(of_idea(&dir.join(".idea")));
    }
    editors
}

/// The settings of rust-analyzer in the file `name`.
fn parsed(name: &str, text: &str, prefix: &str) -> Result<Vec<Setting>, String> {
    let value: Json = if name.ends_with(".toml") {
        let document = text.parse::<DocumentMut>().map_err(|err| err.message().to_owned())?;
        to_json(document.as_item())
    } else {
        let value = parse_to_serde_value(text, &ParseOptions::default());
        value.map_err(|err| err.to_string())?.unwrap_or_default()
    };
    let below = |Setting { key, value }: Setting| {
        Some(Setting { key: key.strip_prefix(prefix)?.to_owned(), value })
    };
    Ok(settings(&value).into_iter().filter_map(below).collect())
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
    let mut files: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|it| it == "xml")).collect();
    files.sort();
    let of_file = |file: PathBuf| {
        let text = multilane_engine::files::read_text(&file).ok()?;
        let setting = |(word, key): &(&str, &str)| {
            let line = text.lines().find(|line| line.contains(word))?;
            Some(Setting { key: (*key).to_owned(), value: line.trim().to_owned() })
        };
        let settings: Vec<Setting> = KEYS.iter().filter_map(setting).collect();
        (!settings.is_empty()).then_some(Editor { file, settings: Ok(settings) })
    };
    files.into_iter().filter_map(of_file).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_have_the_names_that_rust_analyzer_gives_them() {
        let vscode = r#"{ "editor.x": 1, // "
            "rust-analyzer.cargo.extraEnv": { "RUSTFLAGS": "-Cx // y" }, /* two
            */ "rust-analyzer.check.overrideCommand": ["cargo", "clippy", ], }"#;
        let helix = "[language-server.rust-analyzer.config]\ncargo = { features = \"all\" }\n";
        for (file, text, expected) in [
            (
                FILES[0],
                vscode,
                &[
                    ("cargo.extraEnv.RUSTFLAGS", "-Cx // y"),
                    ("check.overrideCommand", "cargo clippy"),
                ][..],
            ),
            (FILES[3], helix, &[("cargo.features", "all")]),
        ] {
            let settings = parsed(file.0, text, file.1).expect("it can be read");
            let pairs: Vec<_> = settings.iter().map(|it| (&*it.key, &*it.value)).collect();
            assert_eq!(pairs, expected);
        }
    }
}

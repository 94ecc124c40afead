//! The settings by which an editor's rust-analyzer is a builder of its own.
//!
//! It checks through xtask under a name, as any other builder: its lane is forked when it is new,
//! follows toolchain and lockfile, and has the flags of every other build. A file that is there
//! keeps its comments and its order; where ours cannot be added without a loss, the text to paste
//! is given instead.

use serde_json::Value;
use toml_edit::DocumentMut;

/// The name under which an editor builds.
const AGENT: &str = "editor";

/// What rust-analyzer runs by itself, but through xtask.
const COMMAND: &str = r#"["cargo", "xtask", "check", "--quiet", "--workspace", "--all-targets", "--keep-going", "--message-format=json"]"#;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Editor {
    VsCode,
    Zed,
    Helix,
    Neovim,
    RustRover,
}

/// What is to be done about an editor.
#[derive(Debug, PartialEq)]
pub(crate) enum Plan {
    /// The settings are there.
    Present,
    /// The file as it is to be.
    Write(String),
    /// For a person to put where it belongs, and why it is not written.
    Paste { text: String, why: String },
}

impl Editor {
    /// The settings of a project that this editor reads; `None` where it has none that a program
    /// should write.
    pub(crate) fn file(self) -> Option<&'static str> {
        match self {
            Editor::VsCode => Some(".vscode/settings.json"),
            Editor::Zed => Some(".zed/settings.json"),
            Editor::Helix => Some(".helix/languages.toml"),
            Editor::Neovim | Editor::RustRover => None,
        }
    }

    /// `old` is what the file holds.
    pub(crate) fn plan(self, old: Option<&str>) -> Plan {
        match self {
            Editor::VsCode => in_json(old, &vs_code()),
            Editor::Zed => in_json(old, &[("lsp", zed())]),
            Editor::Helix => in_toml(old),
            Editor::Neovim => Plan::Paste {
                text: neovim(),
                why: "it goes into your own configuration, init.lua".to_owned(),
            },
            Editor::RustRover => Plan::Paste {
                text: format!("--target-dir .lanes/{AGENT}/rustrover"),
                why: "it goes into Settings | Rust | External Linters, as an additional argument"
                    .to_owned(),
            },
        }
    }
}

/// Each key with its value, as it is written.
fn vs_code() -> Vec<(&'static str, String)> {
    vec![
        ("rust-analyzer.cargo.extraEnv", format!("{{ \"AGENT_ID\": \"{AGENT}\" }}")),
        ("rust-analyzer.cargo.buildScripts.overrideCommand", COMMAND.to_owned()),
        ("rust-analyzer.check.overrideCommand", COMMAND.to_owned()),
    ]
}

fn zed() -> String {
    format!(
        r#"{{
    "rust-analyzer": {{
        "initialization_options": {{
            "cargo": {{
                "extraEnv": {{ "AGENT_ID": "{AGENT}" }},
                "buildScripts": {{
                    "overrideCommand": {COMMAND}
                }}
            }},
            "check": {{
                "overrideCommand": {COMMAND}
            }}
        }}
    }}
}}"#
    )
}

fn helix() -> String {
    format!(
        "# rust-analyzer builds as `{AGENT}`, in a lane of its own.\n[language-server.rust-analyzer.config]\n\
         cargo.extraEnv = {{ AGENT_ID = \"{AGENT}\" }}\ncargo.buildScripts.overrideCommand = {COMMAND}\n\
         check.overrideCommand = {COMMAND}\n"
    )
}

fn neovim() -> String {
    let command = COMMAND.replace('[', "{").replace(']', "}");
    format!(
        r#"local check = {command}
vim.lsp.config("rust_analyzer", {{
  settings = {{
    ["rust-analyzer"] = {{
      cargo = {{ extraEnv = {{ AGENT_ID = "{AGENT}" }}, buildScripts = {{ overrideCommand = check }} }},
      check = {{ overrideCommand = check }},
    }},
  }},
}})"#
    )
}

fn in_toml(old: Option<&str>) -> Plan {
    let own = helix();
    let Some(old) = old.filter(|old| !old.trim().is_empty()) else { return Plan::Write(own) };
    if old.contains(own.trim_end()) {
        return Plan::Present;
    }
    let why = match old.parse::<DocumentMut>() {
        Err(_) => "it cannot be parsed",
        Ok(file)
            if file
                .get("language-server")
                .is_some_and(|servers| servers.get("rust-analyzer").is_some()) =>
        {
            "it has settings for rust-analyzer"
        }
        Ok(_) => return Plan::Write(format!("{}\n\n{own}", old.trim_end())),
    };
    Plan::Paste { text: own, why: why.to_owned() }
}

fn in_json(old: Option<&str>, own: &[(&str, String)]) -> Plan {
    let old = old.filter(|old| !old.trim().is_empty()).unwrap_or("{\n}\n");
    let lines = |indent: &str| {
        let lines = own.iter().map(|(key, value)| {
            let value = value.replace('\n', &format!("\n{indent}")).replace("    ", indent);
            format!("{indent}\"{key}\": {value}")
        });
        lines.collect::<Vec<_>>().join(",\n")
    };
    let paste = |why: String| Plan::Paste { text: lines("    "), why };

    let Some(object) = Object::scan(old) else { return paste("it cannot be parsed".to_owned()) };
    let there: Vec<_> =
        own.iter().filter(|(key, _)| object.entries.iter().any(|(name, _)| name == key)).collect();
    if let Some((key, _)) = there.first() {
        let parse = |text: &str| serde_json::from_str::<Value>(text).ok();
        let is_same = |(key, value): &(&str, String)| {
            object.entries.iter().any(|(name, text)| name == key && parse(text) == parse(value))
        };
        return if own.iter().all(is_same) {
            Plan::Present
        } else {
            paste(format!("it has a `{key}`"))
        };
    }
    let indent = object.indent.unwrap_or("    ");
    let (inside, end) = old.split_at(object.end);
    let (entries, comments) = inside.split_at(object.last);
    let comma = if object.entries.is_empty() || object.ends_with_comma { "" } else { "," };
    let after = if object.ends_with_comma { "," } else { "" };
    Plan::Write(format!("{entries}{comma}{}\n{}{after}\n{end}", comments.trim_end(), lines(indent)))
}

/// A JSON object as editors have it, with comments and commas behind the last entry. Where things
/// are, and nothing changed.
#[derive(Default)]
struct Object<'a> {
    /// Keys, and their values as they are written.
    entries: Vec<(&'a str, &'a str)>,
    /// Of the first entry, if it begins a line.
    indent: Option<&'a str>,
    /// Behind the last value, and behind its comma if there is one.
    last: usize,
    ends_with_comma: bool,
    /// The closing brace.
    end: usize,
}

impl<'a> Object<'a> {
    /// `None` where it is no object, or not a whole one.
    fn scan(text: &'a str) -> Option<Object<'a>> {
        let mut object = Object::default();
        let (mut depth, mut at) = (0_usize, 0);
        let mut key: Option<&str> = None;
        let mut value_from: Option<usize> = None;
        while let Some(c) = text[at..].chars().next() {
            let start = at;
            at += match c {
                '"' => string_length(&text[at..])?,
                '/' if text[at..].starts_with("//") => {
                    at += text[at..].find('\n').unwrap_or(text.len() - at);
                    continue;
                }
                '/' if text[at..].starts_with("/*") => {
                    at += text[at..].find("*/")? + 2;
                    continue;
                }
                c => c.len_utf8(),
            };
            match c {
                c if c.is_whitespace() || c == '\u{feff}' => continue,
                '{' | '[' => depth += 1,
                '}' | ']' => depth = depth.checked_sub(1)?,
                _ => {}
            }
            match (depth, c) {
                (0, '}') => {
                    if let Some((key, from)) = key.zip(value_from) {
                        object.entries.push((key, text[from..object.last].trim()));
                    }
                    object.end = start;
                    let rest = Object::without_comments(&text[at..])?;
                    return rest.trim().is_empty().then_some(object);
                }
                (0, _) => return None,
                (1, ',') => {
                    object
                        .entries
                        .push((key.take()?, text[value_from.take()?..object.last].trim()));
                    (object.last, object.ends_with_comma) = (at, true);
                }
                (1, ':') if key.is_some() && value_from.is_none() => value_from = Some(at),
                (1, '"') if key.is_none() => {
                    key = Some(&text[start + 1..at - 1]);
                    let line = text[..start].rsplit('\n').next().unwrap_or_default();
                    if object.indent.is_none() && line.trim().is_empty() && !line.is_empty() {
                        object.indent = Some(line);
                    }
                    object.ends_with_comma = false;
                }
                (1, '{') if object.last == 0 => object.last = at, // The object's own.
                _ => (object.last, object.ends_with_comma) = (at, false),
            }
        }
        None
    }

    fn without_comments(text: &str) -> Option<String> {
        let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        Some(lines.collect())
    }
}

/// With both quotes.
fn string_length(text: &str) -> Option<usize> {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return Some(at + 1),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    #[track_caller]
    fn check(editor: Editor, old: Option<&str>, expected: Expect) {
        let Plan::Write(text) = editor.plan(old) else { panic!("{:?}", editor.plan(old)) };
        let short =
            text.replace(COMMAND, "[COMMAND]").replace(&COMMAND[1..COMMAND.len() - 1], "COMMAND");
        expected.assert_eq(&short);
        assert_eq!(editor.plan(Some(&text)), Plan::Present, "{text}");
    }

    #[test]
    fn a_new_file() {
        check(
            Editor::VsCode,
            None,
            expect![[r#"
            {
                "rust-analyzer.cargo.extraEnv": { "AGENT_ID": "editor" },
                "rust-analyzer.cargo.buildScripts.overrideCommand": [COMMAND],
                "rust-analyzer.check.overrideCommand": [COMMAND]
            }
        "#]],
        );
        check(
            Editor::Zed,
            None,
            expect![[r#"
            {
                "lsp": {
                    "rust-analyzer": {
                        "initialization_options": {
                            "cargo": {
                                "extraEnv": { "AGENT_ID": "editor" },
                                "buildScripts": {
                                    "overrideCommand": [COMMAND]
                                }
                            },
                            "check": {
                                "overrideCommand": [COMMAND]
                            }
                        }
                    }
                }
            }
        "#]],
        );
        check(
            Editor::Helix,
            None,
            expect![[r##"
            # rust-analyzer builds as `editor`, in a lane of its own.
            [language-server.rust-analyzer.config]
            cargo.extraEnv = { AGENT_ID = "editor" }
            cargo.buildScripts.overrideCommand = [COMMAND]
            check.overrideCommand = [COMMAND]
        "##]],
        );
    }

    #[test]
    fn what_is_there_stays_as_it_is() {
        let old = "// Ours.\n{\n  // \"rust-analyzer.check.overrideCommand\": no\n  \"a\": [1, {\"b\": \"}\\\"//\"}], /* c */\n  \
                   \"d\": 2 // Why.\n  // The end.\n}\n";
        check(
            Editor::VsCode,
            Some(old),
            expect![[r#"
            // Ours.
            {
              // "rust-analyzer.check.overrideCommand": no
              "a": [1, {"b": "}\"//"}], /* c */
              "d": 2, // Why.
              // The end.
              "rust-analyzer.cargo.extraEnv": { "AGENT_ID": "editor" },
              "rust-analyzer.cargo.buildScripts.overrideCommand": [COMMAND],
              "rust-analyzer.check.overrideCommand": [COMMAND]
            }
        "#]],
        );
        check(
            Editor::VsCode,
            Some("{\n\t\"a\": {},\n}"),
            expect![[r#"
            {
            	"a": {},
            	"rust-analyzer.cargo.extraEnv": { "AGENT_ID": "editor" },
            	"rust-analyzer.cargo.buildScripts.overrideCommand": [COMMAND],
            	"rust-analyzer.check.overrideCommand": [COMMAND],
            }"#]],
        );
        check(
            Editor::VsCode,
            Some("{}"),
            expect![[r#"
            {
                "rust-analyzer.cargo.extraEnv": { "AGENT_ID": "editor" },
                "rust-analyzer.cargo.buildScripts.overrideCommand": [COMMAND],
                "rust-analyzer.check.overrideCommand": [COMMAND]
            }"#]],
        );
        check(
            Editor::Zed,
            Some("{ \"theme\": \"x\" }\n"),
            expect![[r#"
            { "theme": "x",
                "lsp": {
                    "rust-analyzer": {
                        "initialization_options": {
                            "cargo": {
                                "extraEnv": { "AGENT_ID": "editor" },
                                "buildScripts": {
                                    "overrideCommand": [COMMAND]
                                }
                            },
                            "check": {
                                "overrideCommand": [COMMAND]
                            }
                        }
                    }
                }
            }
        "#]],
        );
        check(
            Editor::Helix,
            Some("[[language]]\nname = \"rust\" # Mine.\n"),
            expect![[r#"
            [[language]]
            name = "rust" # Mine.

            # rust-analyzer builds as `editor`, in a lane of its own.
            [language-server.rust-analyzer.config]
            cargo.extraEnv = { AGENT_ID = "editor" }
            cargo.buildScripts.overrideCommand = [COMMAND]
            check.overrideCommand = [COMMAND]
        "#]],
        );
    }

    #[test]
    fn what_cannot_be_added_is_to_be_pasted() {
        let why = |editor: Editor, old: &str| match editor.plan(Some(old)) {
            Plan::Paste { why, .. } => why,
            other => panic!("{other:?}"),
        };
        let own = "{ \"rust-analyzer.check.overrideCommand\": [\"mine\"] }";
        assert_eq!(why(Editor::VsCode, own), "it has a `rust-analyzer.check.overrideCommand`");
        assert_eq!(why(Editor::Zed, "{ \"lsp\": {} }"), "it has a `lsp`");
        for broken in ["[]", "{ \"a\": ", "{ \"a }", "{} {}", "x"] {
            assert_eq!(why(Editor::VsCode, broken), "it cannot be parsed", "{broken}");
        }
        let own = "[language-server.rust-analyzer.config]\ncheck.command = \"clippy\"\n";
        assert_eq!(why(Editor::Helix, own), "it has settings for rust-analyzer");
        assert_eq!(why(Editor::Helix, "= x"), "it cannot be parsed");
    }
}

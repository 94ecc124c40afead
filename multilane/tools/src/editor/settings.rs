//! The settings by which an editor's rust-analyzer is a builder of its own.
//!
//! It checks through our command under a name, as any other builder: its lane is forked when it is
//! new, follows toolchain and lockfile, and has the flags of every other build. An existing file
//! keeps its comments and its order. Where it has other settings of this kind, it is not written.

use jsonc_parser::cst::{CstInputValue, CstRootNode};
use jsonc_parser::{ParseOptions, parse_to_serde_value};
use serde_json::{Value, json};
use toml_edit::DocumentMut;

use crate::flags::project::EditorName;

/// The name under which an editor builds.
const AGENT: &str = "editor";

/// What is to be done about an editor.
#[derive(Debug, PartialEq)]
pub(crate) enum Plan {
    /// The settings are there.
    Present,
    /// The whole file.
    Write(String),
    /// For a person to put where it belongs, and why it is not written.
    Paste { text: String, why: String },
}

impl EditorName {
    /// The settings of a project that this editor reads; `None` where it has none that a program
    /// should write.
    pub(crate) fn file(self) -> Option<&'static str> {
        match self {
            EditorName::VsCode => Some(".vscode/settings.json"),
            EditorName::Zed => Some(".zed/settings.json"),
            EditorName::Helix => Some(".helix/languages.toml"),
            EditorName::Neovim | EditorName::RustRover => None,
        }
    }

    /// `old` is what the file holds, `called` how the user calls us: `cargo xtask`.
    pub(crate) fn plan(self, old: Option<&str>, called: &str) -> Plan {
        let check = check(called);
        let elsewhere =
            |text: String, why: &str| Plan::Paste { text, why: format!("it belongs in {why}") };
        match self {
            EditorName::VsCode => in_json(old, &vs_code(&check)),
            EditorName::Zed => in_json(old, &[("lsp", zed(&check))]),
            EditorName::Helix => in_toml(old, &helix(&check)),
            EditorName::Neovim => elsewhere(neovim(&check), "your own configuration, init.lua"),
            EditorName::RustRover => elsewhere(
                format!("--target-dir .lanes/{AGENT}/rustrover"),
                "Settings | Rust | External Linters, as an additional argument",
            ),
        }
    }
}

/// What rust-analyzer runs by itself, but through us.
fn check(called: &str) -> Vec<&str> {
    const CHECK: &str =
        "check --quiet --workspace --all-targets --keep-going --message-format=json";
    called.split(' ').chain(CHECK.split(' ')).collect()
}

fn vs_code(check: &[&str]) -> [(&'static str, Value); 3] {
    [
        ("rust-analyzer.cargo.extraEnv", json!({ "AGENT_ID": AGENT })),
        ("rust-analyzer.cargo.buildScripts.overrideCommand", json!(check)),
        ("rust-analyzer.check.overrideCommand", json!(check)),
    ]
}

fn zed(check: &[&str]) -> Value {
    json!({ "rust-analyzer": { "initialization_options": {
        "cargo": {
            "extraEnv": { "AGENT_ID": AGENT },
            "buildScripts": { "overrideCommand": check },
        },
        "check": { "overrideCommand": check },
    } } })
}

fn helix(check: &[&str]) -> String {
    format!(
        "# rust-analyzer builds as `{AGENT}`, in a lane of its own.\n\
         [language-server.rust-analyzer.config]\n\
         cargo.extraEnv = {{ AGENT_ID = \"{AGENT}\" }}\n\
         cargo.buildScripts.overrideCommand = {check:?}\n\
         check.overrideCommand = {check:?}\n"
    )
}

fn neovim(check: &[&str]) -> String {
    let check = format!("{check:?}").replace('[', "{").replace(']', "}");
    format!(
        r#"local check = {check}
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

fn in_toml(old: Option<&str>, own: &str) -> Plan {
    let paste = |why: &str| Plan::Paste { text: own.to_owned(), why: why.to_owned() };
    let old = old.unwrap_or_default().trim_end();
    match old.parse::<DocumentMut>() {
        _ if old.contains(own.trim_end()) => Plan::Present,
        Err(_) => paste("it cannot be parsed"),
        Ok(file)
            if file
                .get("language-server")
                .is_some_and(|all| all.get("rust-analyzer").is_some()) =>
        {
            paste("it has settings for rust-analyzer")
        }
        Ok(_) if old.is_empty() => Plan::Write(own.to_owned()),
        Ok(_) => Plan::Write(format!("{old}\n\n{own}")),
    }
}

fn in_json(old: Option<&str>, own: &[(&str, Value)]) -> Plan {
    const EMPTY: &str = "{\n}\n";
    let old = old.filter(|old| !old.trim().is_empty()).unwrap_or(EMPTY);
    let paste = |why: String| {
        let text = match in_json(None, own) {
            Plan::Write(file) => file.trim_matches(['{', '}', '\n']).to_owned(),
            _ => String::new(),
        };
        Plan::Paste { text, why }
    };
    let root = CstRootNode::parse(old, &ParseOptions::default());
    let Some((root, object)) =
        root.ok().and_then(|root| Some((root.clone(), root.object_value()?)))
    else {
        return paste("it cannot be parsed".to_owned());
    };
    if let Some((key, _)) = own.iter().find(|(key, _)| object.get(key).is_some()) {
        let is_same = |(key, value): &(&str, Value)| {
            let found = object.get(key).and_then(|entry| entry.value());
            let found = found
                .map(|found| parse_to_serde_value(&found.to_string(), &ParseOptions::default()));
            matches!(found, Some(Ok(Some(found))) if found == *value)
        };
        let is_present = own.iter().all(is_same);
        return if is_present { Plan::Present } else { paste(format!("it has a `{key}`")) };
    }
    for (key, value) in own {
        object.append(key, input(value));
    }
    Plan::Write(root.to_string())
}

/// Of the kinds of values that our settings have.
fn input(value: &Value) -> CstInputValue {
    match value {
        Value::Object(entries) => CstInputValue::Object(
            entries.iter().map(|(key, value)| (key.clone(), input(value))).collect(),
        ),
        Value::Array(values) => CstInputValue::Array(values.iter().map(input).collect()),
        Value::String(text) => CstInputValue::String(text.clone()),
        other => CstInputValue::String(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    const CALLED: &str = "cargo multilane";

    #[track_caller]
    fn check_plan(editor: EditorName, old: Option<&str>, expected: Expect) {
        let plan = |old| editor.plan(old, CALLED);
        let Plan::Write(text) = plan(old) else { panic!("{:?}", plan(old)) };
        expected.assert_eq(&text.replace(&format!("{:?}", check(CALLED)), "[COMMAND]"));
        assert_eq!(plan(Some(&text)), Plan::Present, "{text}");
    }

    #[test]
    fn a_new_file() {
        check_plan(
            EditorName::VsCode,
            None,
            expect![[r#"
                {
                  "rust-analyzer.cargo.extraEnv": {
                    "AGENT_ID": "editor"
                  },
                  "rust-analyzer.cargo.buildScripts.overrideCommand": [COMMAND],
                  "rust-analyzer.check.overrideCommand": [COMMAND]
                }
            "#]],
        );
        check_plan(
            EditorName::Zed,
            None,
            expect![[r#"
                {
                  "lsp": {
                    "rust-analyzer": {
                      "initialization_options": {
                        "cargo": {
                          "buildScripts": {
                            "overrideCommand": [COMMAND]
                          },
                          "extraEnv": {
                            "AGENT_ID": "editor"
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
        check_plan(
            EditorName::Helix,
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
        check_plan(
            EditorName::VsCode,
            Some(old),
            expect![[r#"
                // Ours.
                {
                  // "rust-analyzer.check.overrideCommand": no
                  "a": [1, {"b": "}\"//"}], /* c */
                  "d": 2, // Why.
                  "rust-analyzer.cargo.extraEnv": {
                    "AGENT_ID": "editor"
                  },
                  "rust-analyzer.cargo.buildScripts.overrideCommand": [COMMAND],
                  "rust-analyzer.check.overrideCommand": [COMMAND]
                  // The end.
                }
            "#]],
        );
        // Its indentation and its commas are taken over.
        for (old, start) in [
            ("{\n\t\"a\": {},\n}", "{\n\t\"a\": {},\n\t\"rust-analyzer.cargo.extraEnv\": {\n\t\t"),
            ("{}", "{\n  \"rust-analyzer.cargo.extraEnv\": {\n    \"AGENT_ID\""),
            ("{ \"theme\": \"x\" }\n", "{\n  \"theme\": \"x\",\n  \"rust-analyzer"),
        ] {
            let Plan::Write(text) = EditorName::VsCode.plan(Some(old), CALLED) else {
                panic!("{old} is right")
            };
            assert!(text.starts_with(start), "{text}");
            assert_eq!(EditorName::VsCode.plan(Some(&text), CALLED), Plan::Present, "{text}");
            assert_eq!(old.contains(",\n}"), text.ends_with(",\n}"), "{text}");
        }
        check_plan(
            EditorName::Helix,
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
        let why = |editor: EditorName, old: &str| match editor.plan(Some(old), CALLED) {
            Plan::Paste { why, .. } => why,
            other => panic!("{other:?}"),
        };
        let own = "{ \"rust-analyzer.check.overrideCommand\": [\"mine\"] }";
        assert_eq!(why(EditorName::VsCode, own), "it has a `rust-analyzer.check.overrideCommand`");
        assert_eq!(why(EditorName::Zed, "{ \"lsp\": {} }"), "it has a `lsp`");
        for broken in ["[]", "{ \"a\": ", "{ \"a }", "{} {}", "x"] {
            assert_eq!(why(EditorName::VsCode, broken), "it cannot be parsed", "{broken}");
        }
        let own = "[language-server.rust-analyzer.config]\ncheck.command = \"clippy\"\n";
        assert_eq!(why(EditorName::Helix, own), "it has settings for rust-analyzer");
        assert_eq!(why(EditorName::Helix, "= x"), "it cannot be parsed");
    }
}

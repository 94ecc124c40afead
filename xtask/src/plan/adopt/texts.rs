//! The other files that a project has already: cargo's configuration, ignore rules, a Makefile.

use anyhow::{Context as _, bail};
use toml_edit::{Document, Item, Value};

use super::manifest::{appended, with_element};
use crate::plan::template::Adoption;

/// How `cargo <name>` is started.
pub(crate) fn alias(adoption: &Adoption, needs_host: bool) -> String {
    let Adoption { name, apart } = adoption;
    let package = if *apart {
        format!("--manifest-path {name}/Cargo.toml --target-dir target")
    } else {
        format!("--package {name}")
    };
    let host = if needs_host { " --target host-tuple" } else { "" };
    format!("run --quiet {package} --profile xtask{host} --")
}

/// The alias as one line of words, if there is one.
pub(crate) fn present_alias(text: &str, name: &str) -> Option<String> {
    let config = Document::parse(text).ok()?;
    match config.get("alias")?.get(name)?.as_value()? {
        Value::Array(words) => Some(words.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" ")),
        word => Some(word.as_str()?.to_owned()),
    }
}

/// Adds `<name> = "…"` to `[alias]`.
pub(crate) fn with_alias(text: &str, adoption: &Adoption, alias: &str) -> anyhow::Result<String> {
    let name = &adoption.name;
    let line = format!("{name} = \"{alias}\"\n");
    if text.is_empty() {
        let why = if adoption.apart {
            "# From the directory that has this one: cargo takes the path from where one stands."
        } else {
            "# `--package` works from every directory of the workspace."
        };
        return Ok(format!("[alias]\n{why}\n{line}"));
    }
    let config = Document::parse(text)?;
    let Some(aliases) = config.get("alias") else {
        return Ok(appended(text, &format!("[alias]\n{line}")));
    };
    let Some(table) = aliases.as_table().filter(|table| !table.is_dotted()) else {
        bail!("`alias` is not written as a table of its own");
    };
    // Behind its last entry, or its header.
    let ends = table.iter().filter_map(|(_, item)| item.span()).map(|span| span.end);
    let at = ends.max().or_else(|| Some(table.span()?.end)).context("`alias` has no place")?;
    let at = text[at..].find('\n').map_or(text.len(), |end| at + end + 1);
    let mut new = text.to_owned();
    new.insert_str(at, &if text[..at].ends_with('\n') { line } else { format!("\n{line}") });
    Ok(new)
}

/// Adds `file` to what is included.
pub(crate) fn with_include(text: &str, file: &str) -> anyhow::Result<String> {
    let config = Document::parse(text)?;
    let mut new = text.to_owned();
    let path = |value: &Value| {
        let path = value.as_str().or_else(|| value.as_inline_table()?.get("path")?.as_str())?;
        Some(path.to_owned())
    };
    match config.get("include") {
        // A comment at the beginning may be about the file or about its first table.
        None => new.insert_str(0, &format!("include = [\"{file}\"]\n\n")),
        Some(Item::Value(Value::Array(array))) => {
            if !array.iter().any(|value| path(value).as_deref() == Some(file)) {
                let span = array.span().context("`include` has no place")?;
                let last = array.iter().last().and_then(Value::span);
                for (at, element) in with_element(text, span, last, file) {
                    new.insert_str(at, &element);
                }
            }
        }
        Some(Item::Value(value)) => {
            let (span, one) =
                value.span().zip(path(value)).context("`include` is neither a path nor a list")?;
            if one != file {
                new.replace_range(span, &format!("[\"{one}\", \"{file}\"]"));
            }
        }
        Some(_) => bail!("`include` is written as `[[include]]`"),
    }
    Ok(new)
}

/// Adds rules to a `.gitignore`.
pub(crate) fn with_ignored(text: &str, name: &str, rules: &[&str]) -> String {
    let rules: String = rules.iter().map(|rule| format!("{rule}\n")).collect();
    appended(text, &format!("# cargo {name}: what is built, and what belongs to this machine.\n{rules}"))
}

/// The targets of a Makefile, as far as they are written out.
pub(crate) fn targets(makefile: &str) -> Vec<String> {
    let of_rule = |line: &str| -> Vec<String> {
        let is_rule = !line.starts_with(['\t', '#', ' ']);
        match line.split_once(':') {
            Some((names, rest)) if is_rule && !rest.starts_with('=') && !names.contains('=') => {
                names.split_whitespace().map(str::to_owned).collect()
            }
            _ => Vec::new(),
        }
    };
    makefile.lines().flat_map(of_rule).collect()
}

/// Has a Makefile include ours, at its end, where its default goal stays its own.
pub(crate) fn with_make_include(text: &str, file: &str) -> String {
    let line = format!("include {file}");
    if text.lines().any(|present| present.trim() == line) {
        return text.to_owned();
    }
    appended(text, &format!("{line}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn xtask() -> Adoption {
        Adoption { name: "xtask".to_owned(), apart: false }
    }

    #[track_caller]
    fn check_alias(text: &str, expected: &str) {
        assert_eq!(with_alias(text, &xtask(), "run --").expect("a configuration"), expected);
        assert_eq!(present_alias(expected, "xtask").as_deref(), Some("run --"));
    }

    #[test]
    fn an_alias_stands_with_the_others() {
        check_alias(
            "",
            "[alias]\n# `--package` works from every directory of the workspace.\nxtask = \"run --\"\n",
        );
        check_alias("[alias]\nb = \"build\"\n", "[alias]\nb = \"build\"\nxtask = \"run --\"\n");
        check_alias("[alias]\nb = \"build\"", "[alias]\nb = \"build\"\nxtask = \"run --\"\n");
        check_alias(
            "[alias] # ours\nb = \"build\" # why\n\n[build]\njobs = 1\n",
            "[alias] # ours\nb = \"build\" # why\nxtask = \"run --\"\n\n[build]\njobs = 1\n",
        );
        check_alias("[alias]\n\n[build]\njobs = 1\n", "[alias]\nxtask = \"run --\"\n\n[build]\njobs = 1\n");
        check_alias(
            "[build]\nrustflags = [\n  \"-C\", \"a\",\n] # end",
            "[build]\nrustflags = [\n  \"-C\", \"a\",\n] # end\n\n[alias]\nxtask = \"run --\"\n",
        );
        assert_eq!(present_alias("alias.xtask = [\"run\", \"-p\"]", "xtask").as_deref(), Some("run -p"));
        assert!(with_alias("alias = { b = \"build\" }", &xtask(), "run").is_err());
    }

    #[track_caller]
    fn check_include(text: &str, expected: &str) {
        assert_eq!(with_include(text, "xtask.toml").expect("a configuration"), expected);
        assert_eq!(with_include(expected, "xtask.toml").expect("a configuration"), expected);
    }

    #[test]
    fn an_include_stands_before_all_tables() {
        check_include("[a]\nb = 1\n", "include = [\"xtask.toml\"]\n\n[a]\nb = 1\n");
        check_include("# Of a.\n[a]\nb = 1\n", "include = [\"xtask.toml\"]\n\n# Of a.\n[a]\nb = 1\n");
        check_include("# Of a.\n\n[a]\n", "include = [\"xtask.toml\"]\n\n# Of a.\n\n[a]\n");
        check_include("a.b = 1\n", "include = [\"xtask.toml\"]\n\na.b = 1\n");
        check_include("include = \"a.toml\" # b\n", "include = [\"a.toml\", \"xtask.toml\"] # b\n");
        check_include(
            "include = [\n  \"a.toml\",\n]\n",
            "include = [\n  \"a.toml\",\n  \"xtask.toml\",\n]\n",
        );
        check_include(
            "include = [{ path = \"a.toml\", optional = true }]\n",
            "include = [{ path = \"a.toml\", optional = true }, \"xtask.toml\"]\n",
        );
    }

    #[test]
    fn the_targets_of_a_makefile_are_seen() {
        let makefile = "A := b\nB = c:d\nall: test\n\ttest: no\nlint fmt: x\n.PHONY: all\n# no: no\nC:=d\n";
        assert_eq!(targets(makefile), ["all", "lint", "fmt", ".PHONY"]);
    }

    #[test]
    fn a_makefile_includes_ours_once() {
        let once = with_make_include("all:\n\ttrue", "xtask.mk");
        assert_eq!(once, "all:\n\ttrue\n\ninclude xtask.mk\n");
        assert_eq!(with_make_include(&once, "xtask.mk"), once);
    }
}

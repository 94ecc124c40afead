//! What a project has of the template: the tool, whole and in one folder, and settings around it.
//!
//! The folder is `xtask/`: program, pages, licence, change log. What the template has beside it moves into it, so that all
//! else in a project is the project's own. Not given: the tests that hold the template's own promises (`xtask/tests/`); who
//! changes the tool does it where they are.

use std::collections::BTreeMap;

use anyhow::Context as _;
use toml_edit::{ArrayOfTables, DocumentMut, Item, Table, TableLike, Value};

use crate::plan::edit::Content;

/// The files of one tree, by path.
pub(crate) type Files = BTreeMap<String, Content>;

/// Settings that a project has as the template has them; `init` alone brings them.
const SETTINGS: [&str; 11] = [
    ".cargo/config.toml",
    ".ci/run",
    ".config/nextest.toml",
    ".gitattributes",
    ".github/workflows/ci.yml",
    "AGENTS.md",
    "CLAUDE.md",
    "Makefile",
    "clippy.toml",
    "rust-toolchain.toml",
    "rustfmt.toml",
];

/// Pages and texts that are about the tool, and lie beside it in the template.
fn is_about_the_tool(path: &str) -> bool {
    let texts = ["ARCHITECTURE.md", "CHANGELOG.md", "LICENSE-APACHE", "LICENSE-MIT", "README.md"];
    texts.contains(&path) || path.starts_with("docs/")
}

/// Where a project has what the template has at `path`; `None` where it has none.
pub(crate) fn place(path: &str) -> Option<String> {
    if is_about_the_tool(path) {
        return Some(format!("xtask/{path}"));
    }
    let is_given =
        SETTINGS.contains(&path) || path.starts_with("xtask/") && !path.starts_with("xtask/tests/");
    is_given.then(|| path.to_owned())
}

/// Everything that a project is given, as it is given, from the files of the template. What a project changes of its own
/// accord (manifest, README, licence) is not among it.
pub(crate) fn given(template: &Files) -> anyhow::Result<Files> {
    let mut given = Files::new();
    for (path, content) in template {
        let Some(to) = place(path) else { continue };
        let content = match content.text() {
            Some(text) if path == "xtask/Cargo.toml" => {
                let root =
                    template.get("Cargo.toml").and_then(Content::text).context("there is no Cargo.toml")?;
                Content { bytes: own_manifest(text, root)?.into_bytes(), ..content.clone() }
            }
            Some(text) if path.ends_with(".md") => Content {
                bytes: with_links(&without_asides(text), path, &to, template).into_bytes(),
                ..content.clone()
            },
            _ => content.clone(),
        };
        given.insert(to, content);
    }
    Ok(given)
}

/// xtask's manifest without inheritance: a project has a version, a licence and lints of its own.
///
/// # Errors
///
/// When one of the two is no manifest.
fn own_manifest(text: &str, root: &str) -> anyhow::Result<String> {
    let mut manifest: DocumentMut = text.parse().context("cannot parse xtask/Cargo.toml")?;
    let root: DocumentMut = root.parse().context("cannot parse Cargo.toml")?;
    let workspace = root.get("workspace").context("Cargo.toml has no workspace")?;

    if let Some(package) = manifest.get_mut("package").and_then(Item::as_table_mut) {
        let inherited = workspace.get("package");
        for (key, item) in package.iter_mut() {
            if is_inherited(item)
                && let Some(value) = inherited.and_then(|table| table.get(key.get())).and_then(Item::as_value)
            {
                *item = Item::Value(plain(value));
            }
        }
        // `version.workspace = true` is a table with dots; what is in its place is none.
        package.iter_mut().for_each(|(mut key, _)| key.fmt());
    }
    let of_workspace = workspace.get("dependencies");
    let dependencies = manifest.get_mut("dependencies").and_then(Item::as_table_mut);
    for (key, item) in dependencies.into_iter().flat_map(Table::iter_mut) {
        if is_inherited(item)
            && let Some(known) = of_workspace.and_then(|table| table.get(key.get())).and_then(Item::as_value)
            && let Some(value) = item.as_value_mut()
        {
            let decor = value.decor().clone(); // The comment behind it says what it is for.
            *value = plain(known);
            *value.decor_mut() = decor;
        }
    }
    // The tests beside the code are the template's, too: a project's `cargo test --workspace` has nothing to do here.
    manifest.remove("dev-dependencies");
    let mut program = Table::new();
    program.insert("name", toml_edit::value("xtask"));
    program.insert("path", toml_edit::value("src/main.rs"));
    program.insert("test", toml_edit::value(false));
    let mut programs = ArrayOfTables::new();
    programs.push(program);
    manifest.insert("bin", Item::ArrayOfTables(programs));
    if manifest.get("lints").is_some_and(is_inherited) {
        let mut lints = workspace.get("lints").cloned().unwrap_or_default();
        if let Some(table) = lints.as_table_mut() {
            table.set_implicit(true);
            table
                .iter_mut()
                .filter_map(|(_, item)| item.as_table_mut())
                .for_each(|table| table.set_position(None));
        }
        manifest.remove("lints");
        manifest.insert("lints", lints);
    }
    Ok(manifest.to_string())
}

fn is_inherited(item: &Item) -> bool {
    item.as_table_like().and_then(|table: &dyn TableLike| table.get("workspace")).and_then(Item::as_bool)
        == Some(true)
}

fn plain(value: &Value) -> Value {
    let mut value = value.clone();
    *value.decor_mut() = toml_edit::Decor::new(" ", "");
    value
}

/// Lines of a page between these are of no use in a project.
const ALONE: &str = "<!-- of the template alone -->";
const END: &str = "<!-- end -->";

fn without_asides(text: &str) -> String {
    let mut is_aside = false;
    let kept = text.split_inclusive('\n').filter(|line| {
        let was_aside = is_aside;
        is_aside = if is_aside { line.trim() != END } else { line.trim() == ALONE };
        !was_aside && !is_aside
    });
    let mut out = String::with_capacity(text.len());
    // No two empty lines where something was between them.
    kept.for_each(|line| {
        if line != "\n" || !out.ends_with("\n\n") {
            out.push_str(line);
        }
    });
    out
}

/// The links of a page that lies at `from` in the template, for the place `to` in a project. What a project has not is named
/// and no longer linked.
fn with_links(text: &str, from: &str, to: &str, template: &Files) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    // `[words](target)`, with both brackets in one paragraph.
    while let Some(middle) = rest.find("](") {
        let (before, behind) = (&rest[..middle], &rest[middle + 2..]);
        let (Some(start), Some(end)) = (before.rfind('['), behind.find(')')) else {
            out.push_str(&rest[..middle + 2]);
            rest = behind;
            continue;
        };
        let target = &behind[..end];
        let (path, anchor) =
            target.split_once('#').map_or((target, ""), |(path, _)| (path, &target[path.len()..]));
        let words = &before[start + 1..];
        if path.is_empty() || path.contains(':') {
            out.push_str(&rest[..middle + 2 + end + 1]);
        } else {
            out.push_str(&before[..start]);
            let named = resolved(from, path);
            let is_there = |path: &str| {
                template.contains_key(path)
                    || template.keys().any(|file| file.starts_with(&format!("{path}/")))
            };
            let place =
                if named.starts_with("docs") { Some(format!("xtask/{named}")) } else { place(&named) };
            match place.filter(|_| is_there(&named)) {
                Some(place) => out.push_str(&format!("[{words}]({}{anchor})", relative(to, &place))),
                None => out.push_str(words),
            }
        }
        rest = &behind[end + 1..];
    }
    out.push_str(rest);
    out
}

/// `../a.md` in `docs/b.md` is `a.md`.
fn resolved(from: &str, link: &str) -> String {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in link.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// How `to` is named in the file `from`.
fn relative(from: &str, to: &str) -> String {
    let from: Vec<&str> = from.split('/').collect();
    let to: Vec<&str> = to.split('/').collect();
    let dirs = &from[..from.len() - 1];
    let common = dirs.iter().zip(&to[..to.len() - 1]).take_while(|(a, b)| a == b).count();
    let mut parts = vec![".."; dirs.len() - common];
    parts.extend(&to[common..]);
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    fn files(texts: &[(&str, &str)]) -> Files {
        texts.iter().map(|(path, text)| ((*path).to_owned(), Content::of(*text))).collect()
    }

    #[test]
    fn pages_move_and_their_links_with_them() {
        let template = files(&[
            (
                "README.md",
                "See [forks](docs/forks.md#why), [all](docs/), [how](CONTRIBUTING.md), [agents](AGENTS.md), \
                 [web](https://example.org), [here](#x), `a](b` [MIT](LICENSE-MIT).\n",
            ),
            (
                "docs/forks.md",
                "[back](../README.md) [numbers](measurements/forks.md) [src](../xtask/tests/it/main.rs)\n",
            ),
            ("docs/measurements/forks.md", "[up](../forks.md)\n"),
            ("CONTRIBUTING.md", ""),
            ("AGENTS.md", "[why](ARCHITECTURE.md)\n"),
            ("ARCHITECTURE.md", "one\n\n<!-- of the template alone -->\ntwo\n<!-- end -->\n\nthree\n"),
            ("LICENSE-MIT", "free\n"),
            ("xtask/tests/it/main.rs", ""),
            ("crates/notes/src/main.rs", ""),
        ]);
        let given = given(&template).expect("it is given");
        let text =
            given.iter().map(|(path, content)| format!("{path}: {}", content.text().unwrap_or_default()));
        expect![[r#"
            AGENTS.md: [why](xtask/ARCHITECTURE.md)
            xtask/ARCHITECTURE.md: one

            three
            xtask/LICENSE-MIT: free
            xtask/README.md: See [forks](docs/forks.md#why), [all](docs), how, [agents](../AGENTS.md), [web](https://example.org), [here](#x), `a](b` [MIT](LICENSE-MIT).
            xtask/docs/forks.md: [back](../README.md) [numbers](measurements/forks.md) src
            xtask/docs/measurements/forks.md: [up](../forks.md)
        "#]]
        .assert_eq(&text.collect::<String>());
    }

    #[test]
    fn xtask_inherits_nothing_from_a_project() {
        let root = "[workspace]\nmembers = []\n\n[workspace.package]\nversion = \"0.1.0\" # Ours.\nedition = \"2024\"\n\n\
            [workspace.dependencies]\nanyhow = \"1\"\nclap = { version = \"4.5\", default-features = false }\n\n\
            [workspace.lints.rust]\nunsafe_code = \"deny\" # Why.\n\n[workspace.lints.clippy]\nall = { level = \"warn\", priority = -1 }\n\n\
            [profile.dev]\ndebug = false\n";
        let xtask = "[package]\nname = \"xtask\"\nversion.workspace = true\nedition.workspace = true\n\n# Short.\n\
            [dependencies]\nanyhow = { workspace = true } # Errors.\nclap = { workspace = true }\nsha2 = \"0.11\"\n\n\
            [lints]\nworkspace = true\n";
        expect![[r#"
            [package]
            name = "xtask"
            version = "0.1.0"
            edition = "2024"

            # Short.
            [dependencies]
            anyhow = "1" # Errors.
            clap = { version = "4.5", default-features = false }
            sha2 = "0.11"

            [[bin]]
            name = "xtask"
            path = "src/main.rs"
            test = false

            [lints.rust]
            unsafe_code = "deny" # Why.

            [lints.clippy]
            all = { level = "warn", priority = -1 }
        "#]]
        .assert_eq(&own_manifest(xtask, root).expect("it parses"));
    }
}

//! What `init` makes of a clone of the template: the files of a project of somebody's own.
//!
//! Files that are not the template's, and whatever somebody has committed since the clone, stay as they are.

use anyhow::{Context as _, bail};
use toml_edit::{Array, DocumentMut, Item, Table, Value};

use crate::plan::edit::{Content, Edits};
use crate::plan::given::{Files, given};
use crate::plan::template::{RECORD, Record};

/// What the user has said.
#[derive(Clone, Debug)]
pub(crate) struct Choices {
    pub(crate) name: String,
    pub(crate) is_library: bool,
    pub(crate) keep_examples: bool,
    /// An SPDX expression; `None` for a project that gives no licence.
    pub(crate) license: Option<String>,
    pub(crate) authors: Vec<String>,
    pub(crate) repository: Option<String>,
    pub(crate) description: Option<String>,
}

/// The licences whose texts the template has.
const LICENSE_FILES: [(&str, &str); 2] = [("MIT", "LICENSE-MIT"), ("Apache-2.0", "LICENSE-APACHE")];

/// Why a package cannot have this name, in words that follow it. As `cargo new` has it, and nothing that is here already.
pub(crate) fn name_problem(name: &str, template: &Files, keep_examples: bool) -> Option<String> {
    const KEYWORDS: [&str; 52] = [
        "Self", "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate",
        "do", "dyn", "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in",
        "let", "loop", "macro", "match", "mod", "move", "mut", "override", "priv", "pub", "ref", "return",
        "self", "static", "struct", "super", "trait", "true", "try", "type", "typeof", "unsafe", "unsized",
        "use", "virtual", "where", "while", "yield",
    ];
    // Directories of cargo's, crates of the toolchain's, and files that Windows does not let be.
    const TAKEN: [&str; 15] = [
        "alloc",
        "aux",
        "build",
        "con",
        "core",
        "deps",
        "examples",
        "incremental",
        "nul",
        "prn",
        "proc_macro",
        "proc-macro",
        "std",
        "test",
        "xtask",
    ];
    let is_right = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if !name.starts_with(|c: char| c.is_ascii_alphabetic()) || !name.chars().all(is_right) {
        return Some("is no name for a package: letters, digits, - and _, with a letter first".to_owned());
    }
    if KEYWORDS.contains(&name) {
        return Some("is a word of the language".to_owned());
    }
    if TAKEN.contains(&name.to_ascii_lowercase().as_str()) {
        return Some("is taken by cargo, the toolchain or the system".to_owned());
    }
    let folder = format!("crates/{name}/");
    if template.keys().any(|path| path.starts_with(&folder) && (keep_examples || !is_example(path))) {
        return Some(format!("is there already, in {folder}"));
    }
    let lockfile = template.get("Cargo.lock").and_then(Content::text).unwrap_or_default();
    let is_dependency = lockfile.contains(&format!("name = \"{name}\"\n")) && !is_example(&folder);
    is_dependency.then(|| "is a package that xtask is built from".to_owned())
}

/// Why that is no licence expression (<https://spdx.org/licenses/>), as far as one can tell without the list.
pub(crate) fn license_problem(expression: &str) -> Option<&'static str> {
    let is_right = |c: char| c.is_ascii_alphanumeric() || ".+-() ".contains(c);
    if !expression.chars().all(is_right) || license_ids(expression).next().is_none() {
        return Some("is no SPDX expression, such as MIT OR Apache-2.0");
    }
    None
}

fn license_ids(expression: &str) -> impl Iterator<Item = &str> {
    let words = expression.split([' ', '(', ')']);
    words.filter(|word| !word.is_empty() && !["OR", "AND", "WITH"].contains(word))
}

fn is_example(path: &str) -> bool {
    ["crates/notes/", "crates/notes-core/", "crates/notes-file/"].iter().any(|dir| path.starts_with(dir))
}

/// What no project has: it is moved into `xtask/`, made anew, or about the template itself.
fn is_templates_own(path: &str) -> bool {
    const FILES: [&str; 5] =
        ["ARCHITECTURE.md", "CONTRIBUTING.md", "LICENSE-APACHE", "LICENSE-MIT", "cargo-generate.toml"];
    const FOLDERS: [&str; 2] = ["docs/", "xtask/tests/"];
    FILES.contains(&path) || FOLDERS.iter().any(|folder| path.starts_with(folder))
}

/// The edits that make a project of `template`, which is what the record is about.
///
/// # Errors
///
/// When a file of the template is not as the template has it.
pub(crate) fn edits(template: &Files, choices: &Choices, record: Record) -> anyhow::Result<Edits> {
    let text = |path: &str| {
        let text = template.get(path).and_then(Content::text);
        text.with_context(|| format!("{path} is not there, or no text"))
    };
    let mut record = record;
    let mut project: Files = template.clone();
    project.retain(|path, _| !is_templates_own(path) && (choices.keep_examples || !is_example(path)));
    for (path, content) in given(template)? {
        record.note(&path, &content.bytes);
        project.insert(path, content);
    }

    let mut put = |path: &str, text: String| drop(project.insert(path.to_owned(), Content::of(text)));
    put("Cargo.toml", manifest(text("Cargo.toml")?, choices)?);
    put("README.md", readme(choices));
    put("CHANGELOG.md", CHANGELOG.to_owned());
    put("deny.toml", deny(text("deny.toml")?, choices.license.as_deref())?);
    if !choices.keep_examples {
        put(".gitignore", without_line(text(".gitignore")?, "/notes.txt*"));
    }
    for (path, text) in first_crate(choices) {
        put(&format!("crates/{}/{path}", choices.name), text);
    }
    put(&format!("xtask/{RECORD}"), record.to_toml());
    let gone: &[&str] = if choices.keep_examples { &[] } else { &["notes", "notes-core", "notes-file"] };
    let xtasks = text("xtask/Cargo.toml")?.parse().context("cannot parse xtask/Cargo.toml")?;
    let text_of_lockfile = lockfile(text("Cargo.lock")?, gone, &choices.name, &only_for_tests(&xtasks))?;
    put("Cargo.lock", text_of_lockfile);
    for (id, file) in LICENSE_FILES {
        if choices.license.as_deref().is_some_and(|license| license_ids(license).any(|own| own == id)) {
            put(file, text(file)?.to_owned());
        }
    }

    let mut edits = Edits::default();
    for path in template.keys().chain(project.keys()) {
        edits.push(path, template.get(path).cloned(), project.get(path).cloned());
    }
    Ok(edits)
}

/// The licences of the project whose texts the template does not have.
pub(crate) fn licenses_without_text(license: &str) -> Vec<&str> {
    let is_known = |id: &&str| !LICENSE_FILES.iter().any(|(known, _)| known == id);
    license_ids(license).filter(is_known).collect()
}

fn manifest(text: &str, choices: &Choices) -> anyhow::Result<String> {
    let mut manifest: DocumentMut = text.parse().context("cannot parse Cargo.toml")?;
    let workspace =
        manifest.get_mut("workspace").and_then(Item::as_table_mut).context("it is no workspace")?;
    let package =
        workspace.get_mut("package").and_then(Item::as_table_mut).context("no workspace.package")?;
    package.insert("version", toml_edit::value("0.1.0"));
    match &choices.license {
        Some(license) => drop(package.insert("license", toml_edit::value(license))),
        None => drop(package.remove("license")),
    }
    if !choices.authors.is_empty() {
        package.insert("authors", toml_edit::value(choices.authors.iter().collect::<Array>()));
    }
    if let Some(repository) = &choices.repository {
        package.insert("repository", toml_edit::value(repository));
    }
    if !choices.keep_examples
        && let Some(dependencies) = workspace.get_mut("dependencies").and_then(Item::as_table_mut)
    {
        for name in ["anyhow", "clap", "notes-core", "notes-file"] {
            dependencies.remove(name);
        }
    }
    Ok(manifest.to_string())
}

/// A licence that the project has is one that its dependencies may have, too.
fn deny(text: &str, license: Option<&str>) -> anyhow::Result<String> {
    let mut deny: DocumentMut = text.parse().context("cannot parse deny.toml")?;
    let licenses =
        deny.get_mut("licenses").and_then(Item::as_table_mut).context("deny.toml has no licenses")?;
    match license {
        Some(license) => {
            let allowed =
                licenses.get_mut("allow").and_then(Item::as_array_mut).context("nothing is allowed")?;
            for id in license_ids(license) {
                if !allowed.iter().any(|known| known.as_str() == Some(id)) {
                    allowed.push(id);
                }
            }
        }
        None => {
            let mut private = Table::new();
            private.insert("ignore", toml_edit::value(true));
            licenses.insert("private", Item::Value(Value::InlineTable(private.into_inline_table())));
        }
    }
    Ok(deny.to_string())
}

/// The dependencies that a package needs for its tests alone.
fn only_for_tests(manifest: &DocumentMut) -> Vec<String> {
    let names = |kind: &str| -> Vec<String> {
        let table = manifest.get(kind).and_then(Item::as_table_like);
        table.into_iter().flat_map(|table| table.iter().map(|(name, _)| name.to_owned())).collect()
    };
    let always = names("dependencies");
    names("dev-dependencies").into_iter().filter(|name| !always.contains(name)).collect()
}

/// The lockfile as cargo would write it when the packages `gone` have left and `new` has come, which depends on nothing,
/// and xtask has no tests. No version changes.
fn lockfile(text: &str, gone: &[&str], new: &str, for_tests: &[String]) -> anyhow::Result<String> {
    let mut blocks = text.split("[[package]]\n");
    let head = blocks.next().unwrap_or_default();
    let mut packages = Vec::new();
    for block in blocks {
        let package: DocumentMut = block.parse().context("cannot parse Cargo.lock")?;
        let field = |name: &str| package.get(name).and_then(Item::as_str).unwrap_or_default().to_owned();
        let dependencies = package.get("dependencies").and_then(Item::as_array).into_iter().flatten();
        let dependencies: Vec<String> =
            dependencies.filter_map(|name| Some(name.as_str()?.to_owned())).collect();
        let is_member = !package.contains_key("source");
        let (mut dependencies, mut block) = (dependencies, block.trim_end().to_owned());
        if is_member && field("name") == "xtask" {
            dependencies.retain(|name| !for_tests.contains(name));
            for name in for_tests {
                block = block.replace(&format!(" \"{name}\",\n"), "");
            }
        }
        packages.push((
            field("name"),
            field("version"),
            dependencies,
            is_member,
            block.trim_end().to_owned(),
        ));
    }

    // A dependency is named by as many of name, version and source as tell it from others.
    let names = |dependency: &str, name: &str, version: &str| {
        let mut words = dependency.split(' ');
        words.next() == Some(name) && words.next().is_none_or(|named| named == version)
    };
    let mut is_kept: Vec<bool> = packages
        .iter()
        .map(|(name, _, _, is_member, _)| *is_member && !gone.contains(&name.as_str()))
        .collect();
    loop {
        let before = is_kept.clone();
        for at in 0..packages.len() {
            let (name, version, ..) = &packages[at];
            let mut others = packages.iter().zip(&before).filter(|(_, is_kept)| **is_kept);
            let is_needed = others.any(|((_, _, dependencies, ..), _)| {
                dependencies.iter().any(|dependency| names(dependency, name, version))
            });
            is_kept[at] |= is_needed;
        }
        if is_kept == before {
            break;
        }
    }
    let mut kept: Vec<(String, String)> = packages
        .into_iter()
        .zip(is_kept)
        .filter(|(_, is_kept)| *is_kept)
        .map(|((name, _, _, _, block), _)| (name, block))
        .collect();
    if kept.iter().any(|(name, block)| name == new && !block.contains("\nsource = ")) {
        bail!("Cargo.lock has a package {new} already");
    }
    kept.push((new.to_owned(), format!("name = \"{new}\"\nversion = \"0.1.0\"")));
    kept.sort_by(|a, b| a.0.cmp(&b.0)); // Stable: those of one name stay in the order of their versions.
    // Where there is but one of a name left, cargo names it by that alone.
    let is_only = |name: &str| kept.iter().filter(|(other, _)| other == name).count() == 1;
    let line = |line: &str| match line.strip_prefix(" \"").and_then(|line| line.split_once(' ')) {
        Some((name, _)) if is_only(name) => format!(" \"{name}\",\n"),
        _ => format!("{line}\n"),
    };
    let block = |block: &str| block.lines().map(line).collect::<String>();
    let blocks: Vec<String> = kept.iter().map(|(_, text)| format!("[[package]]\n{}", block(text))).collect();
    Ok(format!("{head}{}", blocks.join("\n")))
}

fn without_line(text: &str, line: &str) -> String {
    text.split_inclusive('\n').filter(|other| other.trim_end() != line).collect()
}

fn first_crate(choices: &Choices) -> Vec<(&'static str, String)> {
    let name = &choices.name;
    let module = name.replace('-', "_");
    let about = choices.description.as_deref().unwrap_or("say here in a sentence what it is for");
    let about = about.trim_end_matches('.');

    let mut manifest = format!("[package]\nname = \"{name}\"\n");
    let mut line = |text: &str| {
        manifest.push_str(text);
        manifest.push('\n');
    };
    if let Some(description) = &choices.description {
        line(&format!("description = {}", Value::from(description.as_str())));
    }
    line("version.workspace = true");
    line("edition.workspace = true");
    let inherited = [
        ("license", choices.license.is_some()),
        ("authors", !choices.authors.is_empty()),
        ("repository", choices.repository.is_some()),
    ];
    for (key, _) in inherited.iter().filter(|(_, is_set)| *is_set) {
        line(&format!("{key}.workspace = true"));
    }
    line("publish = false # Until you decide otherwise.\n\n[lints]\nworkspace = true\n\n[dependencies]");

    if choices.is_library {
        let library = format!(
            r#"//! `{name}`: {about}.

/// What to say to `whom`.
///
/// ```
/// assert_eq!({module}::greeting("world"), "Hello, world!");
/// ```
pub fn greeting(whom: &str) -> String {{
    format!("Hello, {{whom}}!")
}}

#[cfg(test)]
mod tests {{
    use super::*;

    #[test]
    fn it_greets_by_name() {{
        assert_eq!(greeting("{name}"), "Hello, {name}!");
    }}
}}
"#
        );
        return vec![("Cargo.toml", manifest), ("src/lib.rs", library)];
    }
    let program = format!(
        r#"//! `{name}`: {about}.

use std::io::{{self, Write as _}};

fn main() -> io::Result<()> {{
    writeln!(io::stdout(), "{{}}", greeting("world"))
}}

/// What to say to `whom`.
fn greeting(whom: &str) -> String {{
    format!("Hello, {{whom}}!")
}}

#[cfg(test)]
mod tests {{
    use super::*;

    #[test]
    fn it_greets_by_name() {{
        assert_eq!(greeting("{name}"), "Hello, {name}!");
    }}
}}
"#
    );
    let test = format!(
        r#"//! `{name}` as a person uses it. New tests go into modules of this file: each further file directly in `tests/` would
//! be one more program to link.

use std::process::Command;

#[test]
fn it_greets() {{
    let output = Command::new(env!("CARGO_BIN_EXE_{name}")).output().expect("it starts");
    assert!(output.status.success());
    assert_eq!(String::from_utf8_lossy(&output.stdout), "Hello, world!\n");
}}
"#
    );
    vec![("Cargo.toml", manifest), ("src/main.rs", program), ("tests/it/main.rs", test)]
}

fn readme(choices: &Choices) -> String {
    let name = &choices.name;
    let about = choices.description.as_deref().unwrap_or("Say here in a sentence or two what it is for.");
    let run = if choices.is_library { "" } else { &format!("cargo xtask run --package {name}\n") };
    let license = match choices.license.as_deref() {
        Some("MIT OR Apache-2.0") => {
            "\n## License\n\nLicensed under [MIT](LICENSE-MIT) or [Apache-2.0](LICENSE-APACHE), as you like.\n".to_owned()
        }
        Some(license) => {
            let file = LICENSE_FILES.iter().find(|(id, _)| *id == license);
            let license = file.map_or(license.to_owned(), |(id, file)| format!("[{id}]({file})"));
            format!("\n## License\n\nLicensed under {license}.\n")
        }
        None => String::new(),
    };
    format!(
        "\
# {name}

{about}

## Build

With rustup and git, and nothing else installed:

```sh
cargo xtask build-dev    # build
cargo xtask test         # test
cargo xtask ci           # formatting, lints and tests, as CI does them
{run}```

The first call compiles `xtask` itself, for some seconds and without saying so. `make` lists the usual calls as targets.

Any number of people, editors and coding agents build here at once and wait for nobody, when each has a name:
`AGENT_ID=agent-1 cargo xtask check`. [xtask/README.md](xtask/README.md) says what else `cargo xtask` does, [AGENTS.md](AGENTS.md)
what a coding agent has to know. Plain `cargo build` works as everywhere.
{license}"
    )
}

const CHANGELOG: &str = "\
# Changelog

The format is that of [Keep a Changelog](https://keepachangelog.com/en/1.1.0/).

## Unreleased
";

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    fn choices() -> Choices {
        Choices {
            name: "weather".to_owned(),
            is_library: false,
            keep_examples: false,
            license: Some("MIT OR Apache-2.0".to_owned()),
            authors: Vec::new(),
            repository: None,
            description: None,
        }
    }

    #[test]
    fn a_name_is_one_that_cargo_takes() {
        let template = Files::from([
            ("crates/notes/src/main.rs".to_owned(), Content::default()),
            ("crates/mine/src/lib.rs".to_owned(), Content::default()),
            ("Cargo.lock".to_owned(), Content::of("[[package]]\nname = \"memchr\"\n")),
        ]);
        for name in ["weather", "weather-2", "Weather_app", "notes"] {
            assert_eq!(name_problem(name, &template, false), None);
        }
        for name in [
            "", "2weather", "-w", "we ather", "wetter/x", "..", "wörk", "match", "test", "NUL", "xtask",
            "mine", "memchr",
        ] {
            assert!(name_problem(name, &template, false).is_some(), "{name}");
        }
        assert!(name_problem("notes", &template, true).is_some());
    }

    #[test]
    fn a_licence_is_an_expression() {
        for license in
            ["MIT", "GPL-3.0-only", "(MIT OR Apache-2.0) AND BSD-3-Clause", "Apache-2.0 WITH LLVM-exception"]
        {
            assert_eq!(license_problem(license), None, "{license}");
        }
        for license in ["", " OR ", "MIT/Apache-2.0", "see \"LICENSE\""] {
            assert!(license_problem(license).is_some(), "{license}");
        }
        assert_eq!(licenses_without_text("MIT OR GPL-3.0-only"), ["GPL-3.0-only"]);
    }

    #[test]
    fn the_manifest_becomes_the_projects_own() {
        let text = "[workspace]\nmembers = [\"crates/*\"]\n\n[workspace.package]\nversion = \"7.0.0\"\nedition = \"2024\"\n\
            license = \"MIT OR Apache-2.0\"\n# A reason.\n\n# One version.\n[workspace.dependencies]\nanyhow = \"1\"\n\
            # The same.\nclap = \"4.5\"\n\nnotes-core = { path = \"crates/notes-core\" }\n\n[workspace.lints.rust]\nx = \"deny\"\n";
        let own = Choices {
            license: Some("MIT".to_owned()),
            authors: vec!["A B <a@example.org>".to_owned()],
            repository: Some("https://example.org/weather".to_owned()),
            ..choices()
        };
        expect![[r#"
            [workspace]
            members = ["crates/*"]

            [workspace.package]
            version = "0.1.0"
            edition = "2024"
            license = "MIT"
            authors = ["A B <a@example.org>"]
            repository = "https://example.org/weather"
            # A reason.

            # One version.
            [workspace.dependencies]

            [workspace.lints.rust]
            x = "deny"
        "#]]
        .assert_eq(&manifest(text, &own).expect("it parses"));
        let kept = Choices { keep_examples: true, license: None, ..choices() };
        let kept = manifest(text, &kept).expect("it parses");
        assert!(kept.contains("clap = ") && !kept.contains("license"), "{kept}");
    }

    #[test]
    fn the_lockfile_loses_what_nobody_needs() {
        let package = |name: &str, version: &str, source: &str, dependencies: &str| {
            format!("\n[[package]]\nname = \"{name}\"\nversion = \"{version}\"\n{source}{dependencies}")
        };
        let registry = "source = \"registry+x\"\nchecksum = \"00\"\n";
        let text = [
            "# Head.\nversion = 4\n".to_owned(),
            package("a", "1.0.0", registry, "dependencies = [\n \"b 2.0.0\",\n]\n"),
            package("b", "1.0.0", registry, ""),
            package("b", "2.0.0", registry, ""),
            package("c", "1.0.0", registry, "dependencies = [\n \"a\",\n]\n"),
            package("notes", "0.1.0", "", "dependencies = [\n \"b 1.0.0 (registry+x)\",\n \"c\",\n]\n"),
            package("expect-test", "1.0.0", registry, ""),
            package("xtask", "0.1.0", "", "dependencies = [\n \"a\",\n \"expect-test\",\n]\n"),
        ];
        expect![[r##"
            # Head.
            version = 4

            [[package]]
            name = "a"
            version = "1.0.0"
            source = "registry+x"
            checksum = "00"
            dependencies = [
             "b",
            ]

            [[package]]
            name = "b"
            version = "2.0.0"
            source = "registry+x"
            checksum = "00"

            [[package]]
            name = "weather"
            version = "0.1.0"

            [[package]]
            name = "xtask"
            version = "0.1.0"
            dependencies = [
             "a",
            ]
        "##]]
        .assert_eq(
            &lockfile(&text.concat(), &["notes"], "weather", &["expect-test".to_owned()]).expect("it parses"),
        );
        assert!(lockfile(&text.concat(), &[], "xtask", &[]).is_err());
    }

    #[test]
    fn licences_of_a_project_are_allowed() {
        let text = "[licenses]\nallow = [\"MIT\"]\n\n[bans]\n";
        expect![[r#"
            [licenses]
            allow = ["MIT", "GPL-3.0-only"]

            [bans]
        "#]]
        .assert_eq(&deny(text, Some("MIT OR GPL-3.0-only")).expect("it parses"));
        expect![[r#"
            [licenses]
            allow = ["MIT"]
            private = { ignore = true }

            [bans]
        "#]]
        .assert_eq(&deny(text, None).expect("it parses"));
    }
}

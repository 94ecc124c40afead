//! The files that a project gets whole: the template's own, with what only holds in the template made explicit.

use std::collections::BTreeMap;

use anyhow::{Context as _, ensure};
use toml_edit::{ArrayOfTables, Document, DocumentMut, Item, Table, value};

use super::lockfile;
use crate::plan::edit::Content;
use crate::plan::template::Adoption;

/// Files by path.
pub(crate) type Files = BTreeMap<String, Content>;

/// What xtask's code needs: file locks in std (1.89) are the newest of it.
pub(crate) const RUST_VERSION: (u32, u32) = (1, 89);

/// How the Makefile's targets come.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Make {
    Not,
    Makefile,
    /// In `xtask.mk`, without the targets that the project's own Makefile has.
    Included {
        own_targets: Vec<String>,
    },
}

/// The folder of xtask, without its tests, which test the template and not the project.
pub(crate) fn folder(template: &Files, version: &str, adoption: &Adoption) -> anyhow::Result<Files> {
    let Adoption { name, apart } = adoption;
    let mut files = Files::new();
    for (path, content) in template {
        let Some(inside) = path.strip_prefix("xtask/") else { continue };
        // What `analyze` starts is a workspace of its own, and comes as it is.
        if inside.starts_with("src/") || inside.starts_with("analyze/") {
            files.insert(format!("{name}/{inside}"), renamed(content, name));
        } else if inside == "clippy.toml" {
            files.insert(format!("{name}/{inside}"), content.clone());
        }
    }
    let text = |path: &str| {
        let content = template.get(path).with_context(|| format!("the template has no {path}"))?;
        content.text().with_context(|| format!("the template's {path} is no text"))
    };
    let manifest = manifest(text("xtask/Cargo.toml")?, text("Cargo.toml")?, version, adoption)?;
    files.insert(format!("{name}/Cargo.toml"), Content::of(manifest));
    // rustfmt takes the nearest file, and so formats this crate as it was given.
    files.insert(format!("{name}/rustfmt.toml"), Content::of(text("rustfmt.toml")?));
    if *apart {
        let lockfile = lockfile::of_xtask(text("Cargo.lock")?, name, version)?;
        files.insert(format!("{name}/Cargo.lock"), Content::of(lockfile));
    }
    files.insert(format!(".cargo/{name}.toml"), Content::of(included(text(".cargo/config.toml")?, name)?));
    Ok(files)
}

/// What the project's `.cargo/config.toml` includes: a file with the template's own list. A cargo before 1.94 stops at an
/// include that may be missing, and at a plain one does nothing.
fn included(config: &str, name: &str) -> anyhow::Result<String> {
    let parsed = Document::parse(config).context("the template's .cargo/config.toml")?;
    let span = parsed
        .get("include")
        .and_then(Item::span)
        .context("the template's configuration includes nothing")?;
    let list =
        config[span].split(" (docs/").map(|part| part.split_once(".md)").map_or(part, |(_, rest)| rest));
    Ok(format!(
        "# Of `cargo {name}`: what .cargo/config.toml includes. Each is made when it is needed, and git ignores it.\n\
         include = {}\n",
        list.collect::<String>()
    ))
}

/// Where the texts say `cargo xtask`, they mean the command that it has here.
fn renamed(content: &Content, name: &str) -> Content {
    match content.text() {
        Some(text) if name != "xtask" => {
            Content { bytes: text.replace("cargo xtask", &format!("cargo {name}")).into(), ..content.clone() }
        }
        _ => content.clone(),
    }
}

fn manifest(text: &str, root: &str, version: &str, adoption: &Adoption) -> anyhow::Result<String> {
    let Adoption { name, apart } = adoption;
    let mut manifest: DocumentMut = text.parse().context("the template's xtask/Cargo.toml")?;
    let root: DocumentMut = root.parse().context("the template's Cargo.toml")?;
    let of_workspace = |table: &str, key: &str| {
        let item = root.get("workspace").and_then(|workspace| workspace.get(table)?.get(key));
        item.cloned().with_context(|| format!("the template's workspace has no {table}.{key}"))
    };

    let package = manifest["package"].as_table_mut().context("xtask has no package")?;
    package.insert("name", value(name));
    for key in ["edition", "license"] {
        replace(package, key, of_workspace("package", key)?);
    }
    replace(package, "version", value(version));
    package.insert("rust-version", value(format!("{}.{}", RUST_VERSION.0, RUST_VERSION.1)));

    if let Some(dependencies) = manifest["dependencies"].as_table_mut() {
        let inherits = |item: &Item| item.get("workspace").and_then(Item::as_bool).unwrap_or_default();
        let names: Vec<String> =
            dependencies.iter().filter(|(_, item)| inherits(item)).map(|(name, _)| name.to_owned()).collect();
        for name in names {
            replace(dependencies, &name, of_workspace("dependencies", &name)?);
        }
    }
    manifest.remove("dev-dependencies");

    // Its unit tests belong to the template: `cargo test --workspace` has nothing to do here.
    let mut program = Table::new();
    program.insert("name", value(name));
    program.insert("path", value("src/main.rs"));
    program.insert("test", value(false));
    let mut programs = ArrayOfTables::new();
    programs.push(program);
    manifest.insert("bin", Item::ArrayOfTables(programs));

    manifest.remove("lints");
    let mut text = manifest.to_string();
    text.push_str("\n[lints.rust]\nunsafe_code = \"deny\" # Each exception says why at its place.\n");
    if *apart {
        text.push_str(
            "\n# A workspace of its own: the project's lockfile, lints, resolver and oldest compiler have nothing to do with it.\n\
             [workspace]\n",
        );
        text.push('\n');
        text.push_str(
            &super::manifest::section(&root.to_string(), "profile.xtask").context("no profile.xtask")?,
        );
    }
    let _: DocumentMut = text.parse().context("what became of xtask/Cargo.toml")?;
    Ok(text)
}

/// Exchanges a value and leaves the key, where it stands, and the comment behind it.
fn replace(table: &mut Table, key: &str, mut new: Item) {
    let decor = table.get(key).and_then(Item::as_value).map(|old| old.decor().clone());
    if let (Some(new), Some(decor)) = (new.as_value_mut(), decor) {
        *new.decor_mut() = decor;
    }
    // `version.workspace = true` has the key of a table.
    let dotted = table.get(key).is_some_and(|item| item.as_table().is_some_and(Table::is_dotted));
    if dotted {
        let rest: Vec<(String, Item)> = {
            let keys: Vec<String> = table.iter().map(|(key, _)| key.to_owned()).collect();
            let at = keys.iter().position(|other| other == key).unwrap_or(keys.len());
            keys[at..].iter().filter_map(|key| Some((key.clone(), table.remove(key)?))).collect()
        };
        table.insert(key, new);
        for (other, item) in rest.into_iter().skip(1) {
            table.insert(&other, item);
        }
    } else {
        table[key] = new;
    }
}

/// The Makefile, or what of it another one can include.
pub(crate) fn make(
    template: &Files,
    adoption: &Adoption,
    make: &Make,
) -> anyhow::Result<Option<(String, Content)>> {
    let Adoption { name, apart } = adoption;
    let text = template.get("Makefile").and_then(Content::text).context("the template has no Makefile")?;
    let mut text = text.replace("XTASK := target/xtask/xtask", &format!("XTASK := target/xtask/{name}"));
    text = text
        .replace("PKG=notes-core", "PKG=some-package")
        .replace("of xtask.", &format!("of `cargo {name}`."));
    text =
        text.replace("xtask/src/", &format!("{name}/src/")).replace("cargo xtask", &format!("cargo {name}"));
    let (package, manifest) = ("--package xtask ", format!("--manifest-path {name}/Cargo.toml "));
    ensure!(text.contains(package), "the template's Makefile does not build xtask");
    let sources = "SOURCES := Cargo.toml Cargo.lock ";
    ensure!(text.contains(sources), "the template's Makefile does not say of what xtask is made");
    if *apart {
        text = text.replace(package, &manifest);
        text = text.replace(sources, &format!("{sources}{name}/Cargo.lock "));
    } else {
        text = text.replace(package, &format!("--package {name} "));
    }
    Ok(match make {
        Make::Not => None,
        Make::Makefile => Some(("Makefile".to_owned(), Content::of(text))),
        Make::Included { own_targets } => {
            Some((format!("{name}.mk"), Content::of(for_inclusion(&text, name, own_targets))))
        }
    })
}

/// Without what is the including file's to say: its default goal, its suffix rules, its help, and targets that it has. Variables
/// get names that it has not.
fn for_inclusion(text: &str, name: &str, own_targets: &[String]) -> String {
    let prefix = name.to_uppercase().replace('-', "_");
    let is_left_out = |target: &str| target == "help" || own_targets.iter().any(|own| own == target);
    let mut out = String::new();
    let mut skipping = false;
    for line in text.lines() {
        let is_recipe = line.starts_with('\t');
        if is_recipe && skipping {
            continue;
        }
        let target =
            line.split_once(": $(STAMP) ##").or_else(|| line.split_once(": ##")).map(|(target, _)| target);
        skipping = target.is_some_and(is_left_out)
            || line.starts_with(".DEFAULT_GOAL")
            || line.starts_with(".SUFFIXES")
            || line == "Cargo.lock:"
            || line.starts_with("# A clone may have no lockfile");
        if skipping {
            continue;
        }
        if let Some(phony) = line.strip_prefix(".PHONY: ") {
            let kept: Vec<&str> = phony.split(' ').filter(|target| !is_left_out(target)).collect();
            out.push_str(&format!(".PHONY: {}\n", kept.join(" ")));
            continue;
        }
        let mut line = line.replace("Cargo.toml Cargo.lock ", "Cargo.toml $(wildcard Cargo.lock) ");
        for (variable, own) in
            [("XTASK", "PROGRAM"), ("STAMP", "STAMP"), ("SOURCES", "SOURCES"), ("FLAGS", "FLAGS")]
        {
            line = line.replace(&format!("$({variable})"), &format!("$({prefix}_{own})"));
            if let Some(rest) = line.strip_prefix(&format!("{variable} ")) {
                line = format!("{prefix}_{own} {rest}");
            }
        }
        out.push_str(&line);
        out.push('\n');
    }
    while out.contains("\n\n\n") {
        out = out.replace("\n\n\n", "\n\n");
    }
    out
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    const ROOT: &str = "\
[workspace.package]
version = \"0.1.0\"
edition = \"2024\"
license = \"MIT\"

[workspace.dependencies]
anyhow = \"1\"
clap = { version = \"4.5\", features = [\"std\"] }

# For `cargo xtask` alone.
[profile.xtask]
inherits = \"dev\"
debug = false # Words.
";

    const XTASK: &str = "\
[package]
name = \"xtask\"
version.workspace = true
edition.workspace = true
license.workspace = true
publish = false

# Keep it short.
[dependencies]
anyhow = { workspace = true } # Errors.
clap = { workspace = true } # The command line.
libc = \"0.2\"

[dev-dependencies]
expect-test = \"1\" # Snapshots.

[lints]
workspace = true
";

    fn adoption(name: &str, apart: bool) -> Adoption {
        Adoption { name: name.to_owned(), apart }
    }

    #[test]
    fn the_manifest_stands_on_its_own() {
        expect![[r#"
            [package]
            name = "xtask"
            version = "0.3.0"
            edition = "2024"
            license = "MIT"
            publish = false
            rust-version = "1.89"

            # Keep it short.
            [dependencies]
            anyhow = "1" # Errors.
            clap = { version = "4.5", features = ["std"] } # The command line.
            libc = "0.2"

            [[bin]]
            name = "xtask"
            path = "src/main.rs"
            test = false

            [lints.rust]
            unsafe_code = "deny" # Each exception says why at its place.
        "#]]
        .assert_eq(&manifest(XTASK, ROOT, "0.3.0", &adoption("xtask", false)).expect("a manifest"));

        let apart = manifest(XTASK, ROOT, "0.3.0", &adoption("lanes", true)).expect("a manifest");
        assert!(apart.contains("name = \"lanes\"\nversion"), "{apart}");
        assert!(apart.ends_with(
            "[workspace]\n\n# For `cargo xtask` alone.\n[profile.xtask]\ninherits = \"dev\"\ndebug = false # Words.\n"
        ));
    }

    #[test]
    fn what_is_included_is_what_the_template_includes() {
        let config = "\
# All.
include = [
    { path = \"a.toml\", optional = true }, # First (docs/a.md).
    { path = \"b.toml\", optional = true },
]

[alias]
";
        let expected = "\
# Of `cargo lanes`: what .cargo/config.toml includes. Each is made when it is needed, and git ignores it.
include = [
    { path = \"a.toml\", optional = true }, # First.
    { path = \"b.toml\", optional = true },
]
";
        assert_eq!(included(config, "lanes").expect("a configuration"), expected);
    }

    #[test]
    fn another_makefile_keeps_what_it_has() {
        let text = "\
.DEFAULT_GOAL := help
.SUFFIXES:

XTASK := target/xtask/xtask
FLAGS = $(ARGS)

# A clone may have no lockfile yet.
Cargo.lock:

check: $(STAMP) ## Check
\t@$(XTASK) check $(FLAGS)

test: $(STAMP) ## Test
\t@$(XTASK) test $(FLAGS)

help: ## Print
\t@awk

.PHONY: check test help
";
        expect![[r#"

            LANES_PROGRAM := target/xtask/xtask
            LANES_FLAGS = $(ARGS)

            check: $(LANES_STAMP) ## Check
            	@$(LANES_PROGRAM) check $(LANES_FLAGS)

            .PHONY: check
        "#]]
        .assert_eq(&for_inclusion(text, "lanes", &["test".to_owned()]));
    }
}

//! `adopt`: an xtask with the engine's verbs, as a member of an existing workspace.
//!
//! Reads the tree, starts nothing of it, and edits what is there already instead of replacing it.
//! git takes the change back.

pub(crate) mod edits;
pub(crate) mod engine;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::Args;
use multilane_engine::environment::real_path;
use multilane_engine::process::Shell;
use multilane_engine::project::Session;
use toml_edit::{Array, DocumentMut, Item, Table, Value};

use self::edits::{Edits, check_vcs};
use self::engine::Engine;
use crate::diff;

/// Bring multilane into an existing workspace
///
/// Adds a member `xtask`, which is the project's own and depends on the engine, the alias `cargo
/// xtask`, and a profile for it. Shows the whole change as a diff and asks. What exists already
/// stays as it is; a conflict is named, and then nothing is changed. To take it back, use git.
#[derive(Args)]
pub(crate) struct Adopt {
    /// The workspace [default where installed: the current one]
    path: Option<PathBuf>,
    /// Do not ask
    #[arg(short, long, conflicts_with = "check")]
    yes: bool,
    /// Write nothing; exit with 1 if something would change
    #[arg(long)]
    check: bool,
    /// Depend on this engine: the path of a clone, or a git URL with `#` and a revision
    #[arg(long, value_name = "PATH|URL")]
    engine: Option<String>,
    /// Change a tree with uncommitted changes
    #[arg(long)]
    allow_dirty: bool,
    /// Change a tree that is in no git repository
    #[arg(long)]
    allow_no_vcs: bool,
}

const MANIFEST: &str = include_str!("templates/Cargo.toml");
const MAIN: &str = include_str!("templates/main.rs");
const ALIAS: &str = include_str!("templates/alias.toml");
const PROFILE: &str = include_str!("templates/profile.toml");

/// The files that `.cargo/config.toml` has to include, in this order, and whether each may be
/// missing.
const INCLUDES: [(&str, bool); 4] = [
    ("xtask.toml", false),
    ("../target/xtask/alias.toml", true),
    ("wrapper/config.toml", true),
    ("local.toml", true),
];

/// What git must not see, each with the spellings by which a project may ignore it already.
const IGNORED: [&str; 3] = ["/target/", "/.lanes/", "/.cargo/local.toml"];

/// The oldest Rust that compiles the engine.
const RUST_OF_ENGINE: (u32, u32) = (1, 85);

/// The oldest cargo that reads `include` with `optional`.
const CARGO_WITH_INCLUDE: (u32, u32) = (1, 94);

impl Adopt {
    pub(crate) fn run(self, session: Session) -> anyhow::Result<ExitCode> {
        let Session { env, ui, .. } = session;
        let sh = Shell::new(&env);
        let path = match &self.path {
            Some(path) => path.clone(),
            None if ui.called == "cargo multilane" => PathBuf::from("."),
            None => bail!("no workspace is named\nhelp: {} adopt ../my-project", ui.called),
        };
        let root = workspace_root(&path)?;
        let chosen = engine::choose(&sh, &env, self.engine.as_deref(), None)?;
        let mut edits = Edits::of(root.clone());
        let conflicts = plan(&mut edits, &chosen.engine)?;

        if !conflicts.is_empty() {
            for conflict in &conflicts {
                ui.warn(conflict);
            }
            bail!(
                "{} cannot take an xtask of multilane as it is; nothing was changed\n\
                 help: settle the points above, or leave the tree alone and use `cargo multilane`",
                root.display()
            );
        }
        if edits.is_empty() {
            ui.status("Unchanged", format_args!("{} has everything already", root.display()));
            return Ok(ExitCode::SUCCESS);
        }
        diff::print(&edits.diff())?;
        ui.status("Engine", format_args!("{} ({})", chosen.engine, chosen.reason));
        if self.check {
            return Ok(ExitCode::FAILURE);
        }
        check_vcs(&sh, &root, self.allow_dirty, self.allow_no_vcs)?;
        if !self.yes && !ui.confirm(&format!("Change {}?", root.display()))? {
            bail!("nothing was changed");
        }
        edits.write()?;
        ui.status("Adopted", format_args!("{}: cargo xtask build-dev", root.display()));
        if root.join("Cargo.lock").is_file() {
            ui.status(
                "Note",
                "the first call adds the packages of xtask to Cargo.lock; commit it too",
            );
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// The directory of the workspace that `path` is in; of a single package, its own.
pub(crate) fn workspace_root(path: &Path) -> anyhow::Result<PathBuf> {
    let path = real_path(path).with_context(|| format!("no directory {}", path.display()))?;
    let manifests: Vec<&Path> =
        path.ancestors().filter(|dir| dir.join("Cargo.toml").is_file()).collect();
    let is_workspace = |dir: &&&Path| {
        let text = multilane_engine::files::read_text(dir.join("Cargo.toml")).unwrap_or_default();
        text.parse::<DocumentMut>().is_ok_and(|manifest| manifest.contains_key("workspace"))
    };
    let found = manifests.iter().find(is_workspace).or(manifests.first());
    let root = found.with_context(|| format!("no Cargo.toml in {} or above", path.display()))?;
    Ok((*root).to_owned())
}

/// Plans the edits of a tree. Returns what keeps it from adopting, each with a way out.
fn plan(edits: &mut Edits, engine: &Engine) -> anyhow::Result<Vec<String>> {
    let root = edits.root.clone();
    let parsed = |edits: &Edits, path: &str| -> anyhow::Result<DocumentMut> {
        edits.read(path)?.parse().with_context(|| format!("cannot parse {path}"))
    };
    let mut manifest = parsed(edits, "Cargo.toml")?;
    let mut config = parsed(edits, ".cargo/config.toml")?;
    let own = edits.read("xtask/Cargo.toml")?;
    let own: DocumentMut = own.parse().context("cannot parse xtask/Cargo.toml")?;
    let is_adopted = own.get("dependencies").is_some_and(|table| table.get("multilane").is_some());

    let mut conflicts = versions(&manifest, &root);
    if !is_adopted && root.join("xtask").exists() {
        conflicts.push(
            "xtask/ exists already\nhelp: add multilane to its dependencies, and in its main call \
             `multilane::Cli::new()` with a `.verb(…)` for each of its own commands; then adopt again"
                .to_owned(),
        );
    }
    if root.join(".cargo/config").is_file() {
        conflicts.push(
            ".cargo/config hides .cargo/config.toml\nhelp: git mv .cargo/config .cargo/config.toml"
                .to_owned(),
        );
    }
    if config.get("alias").is_some_and(|aliases| aliases.get("xtask").is_some()) {
        conflicts.push(
            ".cargo/config.toml has an alias `xtask`\nhelp: give it another name, or remove it"
                .to_owned(),
        );
    }
    conflicts.extend(add_includes(&mut config));
    conflicts.extend(add_member(&mut manifest));

    if !is_adopted {
        edits.put("xtask/Cargo.toml", engine.put_into(MANIFEST, &root)?)?;
        edits.put("xtask/src/main.rs", MAIN.to_owned())?;
    }
    let ignored = edits.read(".gitignore")?;
    edits.put(".gitignore", with_ignored(ignored))?;
    edits.put(".cargo/xtask.toml", ALIAS.to_owned())?;
    let mut text = manifest.to_string();
    if manifest.get("profile").is_none_or(|profiles| profiles.get("xtask").is_none()) {
        text.push_str(PROFILE);
    }
    edits.put("Cargo.toml", text)?;
    edits.put(".cargo/config.toml", config.to_string())?;
    Ok(conflicts)
}

/// What is too old for a member that is compiled with the engine.
fn versions(manifest: &DocumentMut, root: &Path) -> Vec<String> {
    let mut conflicts = Vec::new();
    let package = |key: &str| {
        let of_workspace = manifest.get("workspace").and_then(|table| table.get("package"));
        let table = of_workspace.or_else(|| manifest.get("package"));
        Some(table?.get(key)?.as_str()?.to_owned())
    };
    let older = |version: &str, than: (u32, u32)| {
        let mut parts = version.split('.').map_while(|part| part.parse::<u32>().ok());
        parts.next().is_some_and(|major| (major, parts.next().unwrap_or(0)) < than)
    };
    if let Some(version) = package("rust-version").filter(|version| older(version, RUST_OF_ENGINE))
    {
        let (major, minor) = RUST_OF_ENGINE;
        conflicts.push(format!(
            "Cargo.toml promises Rust {version} (rust-version), and a member xtask needs {major}.{minor}\n\
             help: raise it, or use `cargo multilane`"
        ));
    }
    let pinned = ["rust-toolchain.toml", "rust-toolchain"].iter().find_map(|name| {
        let text = multilane_engine::files::read_text(root.join(name)).ok()?;
        let channel = match text.parse::<DocumentMut>() {
            Ok(file) => file.get("toolchain")?.get("channel")?.as_str()?.to_owned(),
            Err(_) => text.trim().to_owned(),
        };
        Some((*name, channel))
    });
    if let Some((file, channel)) = pinned.filter(|(_, channel)| older(channel, CARGO_WITH_INCLUDE))
    {
        let (major, minor) = CARGO_WITH_INCLUDE;
        conflicts.push(format!(
            "{file} names Rust {channel}, and the alias needs cargo {major}.{minor}\n\
             help: raise it, or use `cargo multilane`"
        ));
    }
    // A root package may inherit its edition; a virtual workspace has none.
    let has_package = manifest.contains_key("package");
    let edition = has_package.then(|| {
        let own = manifest["package"].get("edition").and_then(Item::as_str).map(str::to_owned);
        own.or_else(|| package("edition")).unwrap_or_default()
    });
    let resolver = match manifest.get("workspace").and_then(|table| table.get("resolver")) {
        Some(resolver) => resolver.as_str(),
        None if edition.is_some_and(|edition| edition.as_str() >= "2021") => Some("2"),
        None => Some("1"),
    };
    if resolver == Some("1") {
        conflicts.push(
            "the workspace has resolver 1, with which the features of xtask's dependencies would be \
             those of yours too\nhelp: resolver = \"2\" in [workspace], or use `cargo multilane`"
                .to_owned(),
        );
    }
    conflicts
}

/// Adds what is missing to `include`, in front of what is there, whose values count more.
fn add_includes(config: &mut DocumentMut) -> Option<String> {
    let old = match config.get("include") {
        None => Array::new(),
        Some(Item::Value(Value::Array(array))) => array.clone(),
        Some(Item::Value(value @ Value::String(_))) => std::iter::once(value.clone()).collect(),
        Some(_) => {
            return Some(
                "`include` in .cargo/config.toml is written as tables\nhelp: write it as an array"
                    .to_owned(),
            );
        }
    };
    let path_of = |value: &Value| {
        let path = value.as_str().or_else(|| value.as_inline_table()?.get("path")?.as_str())?;
        Some(path.to_owned())
    };
    let known: Vec<String> = old.iter().filter_map(path_of).collect();
    let lacking = INCLUDES.iter().filter(|(path, _)| !known.iter().any(|known| known == path));
    let mut new: Vec<Value> = lacking
        .map(|(path, is_optional)| {
            let mut table = toml_edit::InlineTable::new();
            table.insert("path", (*path).into());
            if *is_optional {
                table.insert("optional", true.into());
            }
            Value::InlineTable(table)
        })
        .collect();
    if new.is_empty() {
        return None;
    }
    new.extend(old);
    let mut array: Array = new.into_iter().collect();
    array.iter_mut().for_each(|value| value.decor_mut().set_prefix("\n    "));
    array.set_trailing_comma(true);
    array.set_trailing("\n");
    if !config.contains_key("include") && !config.is_empty() {
        array.decor_mut().set_suffix("\n"); // An empty line before what follows.
    }
    config.insert("include", Item::Value(Value::Array(array)));
    None
}

/// Makes xtask a member, and leaves alone what cargo builds without a package being named.
fn add_member(manifest: &mut DocumentMut) -> Option<String> {
    let is_virtual = !manifest.contains_key("package");
    let workspace = manifest.entry("workspace").or_insert(Item::Table(Table::new()));
    let Some(workspace) = workspace.as_table_mut() else {
        return Some("[workspace] in Cargo.toml is no table\nhelp: write it as one".to_owned());
    };
    let has = |array: Option<&Item>, names: &[&str]| {
        let values = array.and_then(Item::as_array).into_iter().flatten();
        values.filter_map(Value::as_str).any(|value| names.contains(&value))
    };
    if has(workspace.get("exclude"), &["xtask", "./xtask"]) {
        return Some("[workspace] excludes xtask\nhelp: take it out of `exclude`".to_owned());
    }
    if has(workspace.get("members"), &["xtask", "./xtask", "*"]) {
        return None;
    }
    let members = workspace.entry("members").or_insert(toml_edit::value(Array::new()));
    let Some(members) = members.as_array_mut() else {
        return Some("`members` in Cargo.toml is no array\nhelp: write it as one".to_owned());
    };
    let mut before = members.clone();
    before.decor_mut().clear();
    push_like_its_neighbours(members, "xtask");
    if is_virtual && !before.is_empty() && !workspace.contains_key("default-members") {
        workspace.insert("default-members", toml_edit::value(before));
    }
    None
}

fn push_like_its_neighbours(array: &mut Array, text: &str) {
    let decor = array.iter().last().map(|last| last.decor().clone());
    let is_one_a_line = array.trailing().as_str().is_some_and(|trailing| trailing.contains('\n'));
    array.push(text);
    if let (Some(decor), Some(new)) = (decor, array.iter_mut().last()) {
        let prefix = decor.prefix().and_then(|prefix| prefix.as_str()).unwrap_or_default();
        let prefix = match prefix.rfind('\n') {
            Some(at) => &prefix[at..], // Without the comment that stands above it.
            None => " ",
        };
        new.decor_mut().set_prefix(prefix);
    }
    if is_one_a_line {
        array.set_trailing_comma(true);
    }
}

fn with_ignored(mut text: String) -> String {
    let bare = |line: &str| line.trim().trim_matches('/').trim_start_matches("**/").to_owned();
    let known: Vec<String> = text.lines().map(bare).collect();
    for line in IGNORED {
        if !known.contains(&bare(line)) {
            if !text.is_empty() && !text.ends_with('\n') {
                text.push('\n');
            }
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn check_member(old: &str, expected: Expect) {
        let mut manifest: DocumentMut = old.parse().expect("TOML");
        assert_eq!(add_member(&mut manifest), None);
        expected.assert_eq(&manifest.to_string());
        let once = manifest.to_string();
        assert_eq!(add_member(&mut manifest), None);
        assert_eq!(manifest.to_string(), once, "a second time");
    }

    #[test]
    fn a_member_is_written_as_its_neighbours_are() {
        check_member(
            "# ours\n[workspace]\nmembers = [\"a\", \"b\"] # two\nresolver = \"3\"\n\n# deps\n[workspace.dependencies]\n",
            expect![[r##"
                # ours
                [workspace]
                members = ["a", "b", "xtask"] # two
                resolver = "3"
                default-members = ["a", "b"]

                # deps
                [workspace.dependencies]
            "##]],
        );
        check_member(
            "[package]\nname = \"a\"\n\n[workspace]\nmembers = [\n  # the first\n  \"a\",\n  # the second\n  \"b\",\n]\n",
            expect![[r#"
                [package]
                name = "a"

                [workspace]
                members = [
                  # the first
                  "a",
                  # the second
                  "b",
                  "xtask",
                ]
            "#]],
        );
        check_member(
            "[package]\nname = \"a\"\n\n[dependencies]\nx = \"1\" # why\n",
            expect![[r#"
            [package]
            name = "a"

            [dependencies]
            x = "1" # why

            [workspace]
            members = ["xtask"]
        "#]],
        );
    }

    #[test]
    fn the_resolver_is_that_of_the_edition() {
        let check = |manifest: &str, is_old: bool| {
            let manifest = manifest.parse().expect("TOML");
            let conflicts = versions(&manifest, Path::new("nowhere"));
            assert_eq!(conflicts.iter().any(|text| text.contains("resolver 1")), is_old);
        };
        let inherited = "[package]\nedition.workspace = true\n[workspace.package]\n";
        check(&format!("{inherited}edition = \"2024\""), false);
        check(&format!("{inherited}edition = \"2018\""), true);
        check("[package]\nedition = \"2021\"", false);
        check("[package]\nname = \"a\"", true);
        check("[workspace.package]\nedition = \"2024\"", true);
        check("[workspace]\nresolver = \"2\"", false);
    }

    #[test]
    fn includes_are_added_in_front() {
        let check = |old: &str, expected: Expect| {
            let mut config: DocumentMut = old.parse().expect("TOML");
            assert_eq!(add_includes(&mut config), None);
            expected.assert_eq(&config.to_string());
        };
        check(
            "",
            expect![[r#"
            include = [
                { path = "xtask.toml" },
                { path = "../target/xtask/alias.toml", optional = true },
                { path = "wrapper/config.toml", optional = true },
                { path = "local.toml", optional = true },
            ]
        "#]],
        );
        check(
            "# ours\n[build]\njobs = 2 # few\n",
            expect![[r#"
                include = [
                    { path = "xtask.toml" },
                    { path = "../target/xtask/alias.toml", optional = true },
                    { path = "wrapper/config.toml", optional = true },
                    { path = "local.toml", optional = true },
                ]

                # ours
                [build]
                jobs = 2 # few
            "#]],
        );
        check(
            "include = \"ci.toml\"\n\n[alias]\nb = \"build\"\n",
            expect![[r#"
            include = [
                { path = "xtask.toml" },
                { path = "../target/xtask/alias.toml", optional = true },
                { path = "wrapper/config.toml", optional = true },
                { path = "local.toml", optional = true },
                "ci.toml",
            ]

            [alias]
            b = "build"
        "#]],
        );
    }

    #[test]
    fn lines_that_are_ignored_already_stay() {
        assert_eq!(
            with_ignored("target\n*.swp".to_owned()),
            "target\n*.swp\n/.lanes/\n/.cargo/local.toml\n"
        );
        let all = with_ignored(String::new());
        assert_eq!(with_ignored(all.clone()), all);
    }
}

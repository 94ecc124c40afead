//! What is to be changed in a tree, and what keeps it from adopting.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use multilane_engine::files;
use multilane_engine::process::Shell;
use multilane_engine::project::lockfile::Lockfile;
use toml_edit::{Array, DocumentMut, Item, Table, Value};

use super::edits::{Edits, git};
use super::engine::Engine;
use super::lock::{self, LOCKFILE};
use crate::files::scratch;

const MANIFEST: &str = include_str!("templates/Cargo.toml");
const MAIN: &str = include_str!("templates/main.rs");
const ALIAS: &str = include_str!("templates/alias.toml");
const PROFILE: &str = include_str!("templates/profile.toml");

const HAKARI: &str = ".config/hakari.toml";
const CONFIG: &str = ".cargo/config.toml";
const ALIAS_FILE: &str = ".cargo/xtask.toml";

/// The files that `.cargo/config.toml` has to include, in this order. Each may be missing: an
/// archive of the sources may have the configuration and not all that it includes.
const INCLUDES: [&str; 4] =
    ["xtask.toml", "../target/xtask/alias.toml", "wrapper/config.toml", "local.toml"];

/// What git must not see, each with the spellings by which a project may ignore it already.
const IGNORED: [&str; 3] = ["/target/", "/.lanes/", "/.cargo/local.toml"];

/// The oldest Rust that compiles the engine.
const RUST_OF_ENGINE: (u32, u32) = (1, 85);

/// The oldest cargo that reads `include` with `optional`.
const CARGO_WITH_INCLUDE: (u32, u32) = (1, 94);

/// The edits of a tree, part by part.
pub(super) struct Plan {
    pub(super) edits: Edits,
    pub(super) manifest: DocumentMut,
    config: DocumentMut,
    /// All manifests of the tree that git knows, relative to its root.
    manifests: BTreeSet<PathBuf>,
    /// What keeps it from adopting, each with a way out.
    pub(super) conflicts: Vec<String>,
    /// What it costs here that something is as it is, each with the choices.
    pub(super) notes: Vec<String>,
    has_new_member: bool,
    /// The alias builds xtask with a profile of its own.
    wants_profile: bool,
}

impl Plan {
    pub(super) fn of(sh: &Shell, root: PathBuf) -> anyhow::Result<Plan> {
        let listed = ["ls-files", "--cached", "--others", "--exclude-standard", "-z", "--"];
        let listed = git(sh, &root, &[&listed[..], &["Cargo.toml", "*/Cargo.toml"]].concat());
        let mut manifests: BTreeSet<PathBuf> =
            listed.unwrap_or_default().split_terminator('\0').map(PathBuf::from).collect();
        manifests.retain(|path| root.join(path).is_file());
        manifests.insert("Cargo.toml".into());
        let edits = Edits::of(root);
        let parsed = |path: &str| -> anyhow::Result<DocumentMut> {
            edits.read(path)?.parse().with_context(|| format!("cannot parse {path}"))
        };
        Ok(Plan {
            manifest: parsed("Cargo.toml")?,
            config: parsed(CONFIG)?,
            edits,
            manifests,
            conflicts: Vec::new(),
            notes: Vec::new(),
            has_new_member: false,
            wants_profile: false,
        })
    }

    /// The package, the member and its profile.
    pub(super) fn add_xtask(&mut self, sh: &Shell, engine: &Engine) -> anyhow::Result<()> {
        let root = self.edits.root.clone();
        let own = self.edits.read("xtask/Cargo.toml")?;
        let own: DocumentMut = own.parse().context("cannot parse xtask/Cargo.toml")?;
        let is_adopted =
            own.get("dependencies").is_some_and(|table| table.get("multilane").is_some());
        if !is_adopted && root.join("xtask").exists() {
            self.conflicts.push(
                "xtask/ exists already\nhelp: add multilane to its dependencies, and in its main \
                 call `multilane::Cli::new()` with a `.verb(…)` for each of its own commands; then \
                 adopt again"
                    .to_owned(),
            );
        }
        let members = self.members();
        let other = members.iter().find(|(path, manifest)| {
            let name = manifest.get("package").and_then(|package| package.get("name"));
            name.and_then(Item::as_str) == Some("xtask") && !path.starts_with("xtask")
        });
        if let Some((path, _)) = other {
            self.conflicts.push(format!(
                "{} is a package `xtask`, too\nhelp: give it another name",
                path.display()
            ));
        }
        self.conflicts.extend(versions(&self.manifest, &members, &root));
        let hakari = self.edits.read(HAKARI)?;
        if !hakari.is_empty() && !hakari.contains("\"xtask\"") {
            self.notes.push(format!(
                "cargo hakari wants its package in each member's dependencies, and xtask would compile \
                 all of it\nhelp: workspace-members = [\"xtask\"] in [final-excludes] and \
                 [traversal-excludes] of {HAKARI}"
            ));
        }
        let standing_alone: Vec<PathBuf> = match self.manifest.contains_key("workspace") {
            true => Vec::new(),
            false => self.packages_below(),
        };
        let before = self.manifest.to_string();
        self.conflicts.extend(add_member(&mut self.manifest, &standing_alone));
        self.has_new_member = self.manifest.to_string() != before;
        self.wants_profile = true;
        // The package before the member, so that the tree can be built at any point.
        if !is_adopted {
            const PUBLISH: &str = "publish = false\n";
            let license = license(&self.manifest, &members) + PUBLISH;
            let text = engine.put_into(&MANIFEST.replacen(PUBLISH, &license, 1), &root)?;
            self.edits.put("xtask/Cargo.toml", text)?;
        }
        if !root.join("xtask/src").exists() {
            self.edits.put("xtask/src/main.rs", formatted(sh, &root, MAIN))?;
        }
        Ok(())
    }

    /// The alias, and what else `.cargo/config.toml` includes.
    pub(super) fn add_alias(&mut self) -> anyhow::Result<()> {
        if self.edits.root.join(".cargo/config").is_file() {
            self.conflicts.push(
                ".cargo/config hides .cargo/config.toml\n\
                 help: git mv .cargo/config .cargo/config.toml"
                    .to_owned(),
            );
        }
        if self.config.get("alias").is_some_and(|aliases| aliases.get("xtask").is_some()) {
            self.conflicts.push(format!(
                "{CONFIG} has an alias `xtask`\nhelp: give it another name, or remove it"
            ));
        }
        let old = self.config.to_string();
        let indent = indent(&[&old, &self.manifest.to_string()]);
        self.conflicts.extend(add_includes(&mut self.config, &indent));
        self.notes.extend(notes(&self.config));
        keep_out_of_package(&mut self.manifest, old.is_empty());
        self.edits.put(ALIAS_FILE, ALIAS.to_owned())
    }

    pub(super) fn add_ignored(&mut self) -> anyhow::Result<()> {
        let text = self.edits.read(".gitignore")?;
        self.edits.put(".gitignore", with_ignored(text))
    }

    /// The Makefile and justfile, as far as they have no target `xtask`.
    pub(super) fn build_files(&self) -> Vec<String> {
        let names = files::names(&self.edits.root);
        let mut found: Vec<String> = names.filter(|name| target(name).is_some()).collect();
        found.retain(|name| {
            let text = self.edits.read(name).unwrap_or_default();
            let rule = |line: &str| {
                let rest = line.strip_prefix("xtask").or_else(|| line.strip_prefix("@xtask"));
                rest.is_some_and(|rest| rest.starts_with([':', ' ']))
            };
            !text.is_empty() && !text.lines().any(rule)
        });
        found.sort();
        found
    }

    pub(super) fn add_target(&mut self, file: &str) -> anyhow::Result<()> {
        let mut text = self.edits.read(file)?;
        if !text.ends_with('\n') {
            text.push('\n');
        }
        let indent = indent(&[&text]);
        text.push_str(&target(file).unwrap_or_default().replace("    ", &indent));
        self.edits.put(file, text)
    }

    /// Puts what several parts have changed into the edits, and looks at the lockfile.
    pub(super) fn finish(mut self, sh: &Shell) -> anyhow::Result<Plan> {
        let mut text = self.manifest.to_string();
        let has_profile =
            self.manifest.get("profile").is_some_and(|profiles| profiles.get("xtask").is_some());
        if self.wants_profile && !has_profile {
            text.push_str(PROFILE);
        }
        self.edits.put("Cargo.toml", text)?;
        let old = self.edits.read(LOCKFILE)?;
        if self.has_new_member && self.conflicts.is_empty() && !old.is_empty() {
            match lock::with_edits(sh, &self.edits, &self.manifests) {
                Ok(new) => self.lock(&old, new)?,
                Err(err) => self.notes.push(format!(
                    "{LOCKFILE} stays as it is, and whether versions in it would change is not known: \
                     {err:#}\nhelp: the first `cargo xtask` adds the packages of xtask; commit that, too"
                )),
            }
        }
        self.edits.put(CONFIG, self.config.to_string())?;
        Ok(self)
    }

    fn lock(&mut self, old: &str, new: String) -> anyhow::Result<()> {
        let parse = |text: &str| Lockfile::parse(text).unwrap_or_default();
        let (before, after) = (parse(old), parse(&new));
        let moved = lock::moved(&before, &after, "xtask");
        if !moved.is_empty() {
            self.conflicts.push(format!(
                "versions in {LOCKFILE} would change for your packages, too: {}\n\
                 help: cargo update these first, and adopt then; or use `cargo multilane`",
                moved.join(", ")
            ));
        }
        let below = after.below("xtask");
        let tables = self.manifest.get("patch").and_then(Item::as_table_like);
        let tables = tables.into_iter().flat_map(|table| table.iter());
        let patched = tables
            .filter_map(|(_, table)| table.as_table_like())
            .flat_map(|table| table.iter().map(|(name, _)| name.to_owned()).collect::<Vec<_>>());
        let patched: Vec<String> =
            patched.filter(|name| below.iter().any(|id| id.0 == *name)).collect();
        if !patched.is_empty() {
            self.notes.push(format!(
                "[patch] in Cargo.toml is for what xtask depends on, too: {}\n\
                 help: leave it so, or use `cargo multilane`",
                patched.join(", ")
            ));
        }
        self.edits.put(LOCKFILE, new)
    }

    /// The manifests of members, as far as git knows them. The root's own is the first.
    fn members(&self) -> Vec<(PathBuf, DocumentMut)> {
        let list = |key: &str| {
            let list = self.manifest.get("workspace").and_then(|table| table.get(key));
            let list = list.and_then(Item::as_array).into_iter().flatten();
            list.filter_map(|value| Some(value.as_str()?.to_owned())).collect::<Vec<_>>()
        };
        let (members, excluded) = (list("members"), list("exclude"));
        let is_member = |path: &&PathBuf| {
            let dir = path.parent().unwrap_or(Path::new(""));
            let is_excluded = excluded.iter().any(|exclude| dir.starts_with(exclude));
            dir == Path::new("") || (!is_excluded && members.iter().any(|glob| fits(glob, dir)))
        };
        let parsed = |path: &PathBuf| {
            let text = files::read_text(self.edits.root.join(path)).ok()?;
            Some((path.clone(), text.parse().ok()?))
        };
        self.manifests.iter().filter(is_member).filter_map(parsed).collect()
    }

    /// Where there are packages below a root that is no workspace: each stands alone, and would no
    /// longer when the root becomes one.
    fn packages_below(&self) -> Vec<PathBuf> {
        let mut found: Vec<PathBuf> = Vec::new();
        for path in &self.manifests {
            let text = files::read_text(self.edits.root.join(path)).unwrap_or_default();
            let is_workspace = text
                .parse::<DocumentMut>()
                .is_ok_and(|manifest| manifest.contains_key("workspace"));
            let dir = path.parent().unwrap_or(path);
            let is_known = found.iter().any(|known| dir.starts_with(known));
            if dir != Path::new("") && dir != Path::new("xtask") && !is_workspace && !is_known {
                found.push(dir.to_owned());
            }
        }
        found
    }
}

/// Whether a directory fits a pattern of `members`.
fn fits(glob: &str, dir: &Path) -> bool {
    let parts: Vec<&str> = glob.split('/').filter(|part| !["", "."].contains(part)).collect();
    let names: Vec<_> = dir.iter().map(|name| name.to_string_lossy()).collect();
    let fits = |(part, name): (&&str, &_)| -> bool {
        let name: &std::borrow::Cow<'_, str> = name;
        match part.split_once('*') {
            Some((start, end)) => name.starts_with(start) && name.ends_with(end),
            None => name == part,
        }
    };
    parts.len() == names.len() && parts.iter().zip(&names).all(fits)
}

/// What is added to a file of this name that lists what can be made.
fn target(file: &str) -> Option<&'static str> {
    match &*file.to_lowercase() {
        "makefile" | "gnumakefile" => Some(
            "\n# multilane: make xtask ARGS=check-fast\n.PHONY: xtask\nxtask:\n\tcargo xtask $(ARGS)\n",
        ),
        "justfile" | ".justfile" => {
            Some("\n# multilane: just xtask check-fast\nxtask *args:\n    cargo xtask {{args}}\n")
        }
        _ => None,
    }
}

/// As the project has its own sources formatted: with its `rustfmt.toml`, by the rustfmt of the
/// user. Without one, as it is.
fn formatted(sh: &Shell, root: &Path, text: &str) -> String {
    let format = || -> anyhow::Result<String> {
        let scratch = scratch("adopt", &[("main.rs", text)])?;
        let has_config = |dir: &&Path| {
            ["rustfmt.toml", ".rustfmt.toml"].iter().any(|name| dir.join(name).is_file())
        };
        let mut args = vec!["--quiet", "--edition", "2024", "main.rs"];
        if let Some(dir) = root.ancestors().find(has_config) {
            args.extend(["--config-path", dir.to_str().context("not UTF-8")?]);
        }
        sh.read("rustfmt", args, &scratch.dir)?;
        Ok(files::read_text(scratch.dir.join("main.rs"))?)
    };
    format().unwrap_or_else(|_| text.to_owned())
}

/// By how much the first line is indented that is; two spaces, as formatters of TOML have it, where
/// none is.
fn indent(texts: &[&str]) -> String {
    let of = |line: &str| {
        let rest = line.trim_start();
        let indent = &line[..line.len() - rest.len()];
        (!indent.is_empty() && !rest.is_empty()).then(|| indent.to_owned())
    };
    let found = texts.iter().flat_map(|text| text.lines()).find_map(of);
    found.filter(|indent| indent.len() <= 8).unwrap_or_else(|| "  ".to_owned())
}

/// What in cargo's configuration makes xtask do less, or be built otherwise.
fn notes(config: &DocumentMut) -> Vec<String> {
    let of_build = |key: &str| config.get("build").and_then(|build| build.get(key)).is_some();
    let mut notes = Vec::new();
    if of_build("target-dir") {
        notes.push(
            "build.target-dir is set: `cargo xtask` is built there, and shows cargo's own lines at \
             each call; worktrees that share the directory wait for each other\n\
             help: leave it out, and each worktree has its own; or keep it, and give agents names \
             (AGENT_ID)",
        );
    }
    if of_build("rustc-wrapper") {
        notes.push(
            "build.rustc-wrapper is set, so the one of multilane is not used: the first edit in a new \
             lane compiles whole crates\nhelp: leave it out; sccache is used without it where it is \
             installed",
        );
    }
    if of_build("rustflags") {
        notes.push(
            "build.rustflags is set: xtask is compiled with them, too\n\
             help: leave them so; RUSTFLAGS in the environment of some builders alone would compile \
             xtask anew at each turn",
        );
    }
    notes.into_iter().map(str::to_owned).collect()
}

/// Has an archive of a package at the root hold what it held.
fn keep_out_of_package(manifest: &mut DocumentMut, has_new_config: bool) {
    let Some(package) = manifest.get_mut("package").and_then(Item::as_table_like_mut) else {
        return;
    };
    let is_private = package.get("publish").and_then(Item::as_bool) == Some(false);
    if is_private || package.contains_key("include") {
        return;
    }
    let old = package.entry("exclude").or_insert(toml_edit::value(Array::new()));
    let Some(excluded) = old.as_array_mut() else { return };
    let is_out = |pattern: &str| pattern.trim_matches(['/', '*']) == ".cargo";
    let pattern = if has_new_config { "/.cargo" } else { "/.cargo/xtask.toml" };
    let has = |value: &str| is_out(value) || value == pattern;
    if !excluded.iter().filter_map(Value::as_str).any(has) {
        push_like_its_neighbours(excluded, pattern);
    }
}

/// The line that gives xtask the licence of the project: `cargo deny` wants one of each member.
fn license(manifest: &DocumentMut, members: &[(PathBuf, DocumentMut)]) -> String {
    let of_workspace = || manifest.get("workspace")?.get("package")?.get("license");
    if of_workspace().is_some() {
        return "license.workspace = true\n".to_owned();
    }
    let of_member = |(_, manifest): &(PathBuf, DocumentMut)| {
        let license = manifest.get("package")?.get("license")?.as_str()?.to_owned();
        Some(format!("license = {}\n", Value::from(license)))
    };
    members.iter().find_map(of_member).unwrap_or_default()
}

/// What is too old for a member that is compiled with the engine.
fn versions(
    manifest: &DocumentMut,
    members: &[(PathBuf, DocumentMut)],
    root: &Path,
) -> Vec<String> {
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
    let of_member = |(path, manifest): &(PathBuf, DocumentMut)| {
        let version = manifest.get("package")?.get("rust-version")?.as_str()?.to_owned();
        Some((path.display().to_string(), version))
    };
    let own = package("rust-version").map(|version| ("Cargo.toml".to_owned(), version));
    let mut promises = own.into_iter().chain(members.iter().filter_map(of_member));
    if let Some((path, version)) = promises.find(|(_, version)| older(version, RUST_OF_ENGINE)) {
        let (major, minor) = RUST_OF_ENGINE;
        conflicts.push(format!(
            "{path} promises Rust {version} (rust-version), and a member xtask needs {major}.{minor}\n\
             help: raise it, or use `cargo multilane`"
        ));
    }
    let pinned = ["rust-toolchain.toml", "rust-toolchain"].iter().find_map(|name| {
        let text = files::read_text(root.join(name)).ok()?;
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
fn add_includes(config: &mut DocumentMut, indent: &str) -> Option<String> {
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
    let lacking = INCLUDES.iter().filter(|path| !known.iter().any(|known| known == *path));
    let mut new: Vec<Value> = lacking
        .map(|path| {
            let table = [("path", Value::from(*path)), ("optional", true.into())];
            Value::InlineTable(table.into_iter().collect())
        })
        .collect();
    if new.is_empty() {
        return None;
    }
    new.extend(old);
    let mut array: Array = new.into_iter().collect();
    array.iter_mut().for_each(|value| value.decor_mut().set_prefix(format!("\n{indent}")));
    array.set_trailing_comma(true);
    array.set_trailing("\n");
    if !config.contains_key("include") && !config.is_empty() {
        array.decor_mut().set_suffix("\n"); // An empty line before what follows.
    }
    config.insert("include", Item::Value(Value::Array(array)));
    None
}

/// Makes xtask a member, and leaves alone what cargo builds without a package being named.
/// What has stood alone below a root that was no workspace goes on to.
fn add_member(manifest: &mut DocumentMut, standing_alone: &[PathBuf]) -> Option<String> {
    let is_virtual = !manifest.contains_key("package");
    let mut new = Table::new();
    new.set_position(Some(isize::MAX)); // Not between tables that belong together.
    let workspace = manifest.entry("workspace").or_insert(Item::Table(new));
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
    if !standing_alone.is_empty() {
        let dirs = standing_alone.iter().map(|dir| dir.to_string_lossy().replace('\\', "/"));
        workspace.insert("exclude", toml_edit::value(Array::from_iter(dirs)));
    }
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
        assert_eq!(add_member(&mut manifest, &[]), None);
        expected.assert_eq(&manifest.to_string());
        let once = manifest.to_string();
        assert_eq!(add_member(&mut manifest, &[]), None);
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
            let conflicts = versions(&manifest, &[], Path::new("nowhere"));
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
            assert_eq!(add_includes(&mut config, "  "), None);
            expected.assert_eq(&config.to_string());
        };
        check(
            "",
            expect![[r#"
            include = [
              { path = "xtask.toml", optional = true },
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
                  { path = "xtask.toml", optional = true },
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
                  { path = "xtask.toml", optional = true },
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

//! What bringing xtask into a project changes in it, and what there is to decide beforehand.
//!
//! What is there already wins. Where ours cannot be beside it, nothing is planned but a [`Hurdle`], with the choices.

pub(crate) mod given;
pub(crate) mod lockfile;
pub(crate) mod manifest;
pub(crate) mod texts;

use std::collections::BTreeSet;
use std::fmt;

use anyhow::Context as _;
use toml_edit::{Document, Item};

use self::given::{Files, Make, RUST_VERSION};
use crate::plan::edit::{Content, Edits};
use crate::plan::template::{Adoption, RECORD, Record};
use crate::plan::upgrade::{self, Upgrade};

/// What can be brought in by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    Folder,
    Alias,
    Ignore,
    Make,
}

pub(crate) const ALL: [Part; 4] = [Part::Folder, Part::Alias, Part::Ignore, Part::Make];

/// What the user has asked for.
#[derive(Clone, Debug)]
pub(crate) struct Choices {
    pub(crate) adoption: Adoption,
    pub(crate) parts: BTreeSet<Part>,
    pub(crate) profiles: Vec<String>,
    pub(crate) nextest: bool,
}

/// The project as it is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Project {
    /// What could be edited, and what came from the template, by path.
    pub(crate) files: Files,
    /// What it has recorded, if it has been adopted.
    pub(crate) record: Option<Record>,
    pub(crate) members: Vec<Member>,
    /// The compiler that it uses, if that could be found out.
    pub(crate) rustc: Option<(u32, u32)>,
    /// Of [`IGNORED`], what git does not ignore yet.
    pub(crate) unignored: Vec<String>,
    /// Whether something has the folder's name already.
    pub(crate) has_folder: bool,
    /// Whether a variable has an alias of this name, which goes before all files.
    pub(crate) has_alias_variable: bool,
    /// `build.target-dir`, as it is written.
    pub(crate) target_dir: Option<String>,
    pub(crate) has_justfile: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Member {
    pub(crate) name: String,
    /// From the root, with `/`.
    pub(crate) dir: String,
    pub(crate) rust_version: Option<(u32, u32)>,
}

/// Paths that git should ignore, as rules.
pub(crate) const IGNORED: [&str; 3] = ["/target/", "/.lanes/", "/.cargo/local.toml"];

/// Where cargo looks for its configuration; the first that is there.
pub(crate) const CONFIGURATIONS: [&str; 2] = [".cargo/config", ".cargo/config.toml"];
/// Where make looks for its file; the first that is there.
pub(crate) const MAKEFILES: [&str; 3] = ["GNUmakefile", "makefile", "Makefile"];
pub(crate) const NEXTEST: &str = ".config/nextest.toml";

/// Something that has to be decided first.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Hurdle {
    pub(crate) what: String,
    /// What can be done about it.
    pub(crate) choices: Vec<String>,
}

impl fmt::Display for Hurdle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.what)?;
        for choice in &self.choices {
            write!(f, "\n  - {choice}")?;
        }
        Ok(())
    }
}

#[derive(Debug, Default)]
pub(crate) struct Plan {
    pub(crate) edits: Edits,
    pub(crate) hurdles: Vec<Hurdle>,
    /// What stays as it is, and what that means.
    pub(crate) notes: Vec<String>,
    pub(crate) upgrade: Upgrade,
    /// Whether the lockfile has to hear of it.
    pub(crate) changes_members: bool,
}

/// The template, for a plan.
pub(crate) struct Source<'a> {
    pub(crate) files: &'a Files,
    pub(crate) version: &'a str,
    pub(crate) commit: Option<&'a str>,
}

impl Source<'_> {
    fn text(&self, path: &str) -> anyhow::Result<&str> {
        let content = self.files.get(path).with_context(|| format!("the template has no {path}"))?;
        content.text().with_context(|| format!("the template's {path} is no text"))
    }

    /// Whatever of the template's files is given as a whole.
    pub(crate) fn given(&self, project: &Project, choices: &Choices) -> anyhow::Result<Files> {
        let mut files = Files::new();
        if choices.parts.contains(&Part::Folder) {
            files.append(&mut given::folder(self.files, self.version, &choices.adoption)?);
        }
        let make = if choices.parts.contains(&Part::Make) { project.make(choices) } else { Make::Not };
        files.extend(given::make(self.files, &choices.adoption, &make)?);
        let recorded =
            |path: &str| project.record.as_ref().is_some_and(|record| record.files.contains_key(path));
        if recorded(NEXTEST) || (choices.nextest && !project.files.contains_key(NEXTEST)) {
            files.insert(NEXTEST.to_owned(), Content::of(self.text(NEXTEST)?));
        }
        Ok(files)
    }
}

impl Project {
    fn text(&self, path: &str) -> anyhow::Result<&str> {
        match self.files.get(path) {
            None => Ok(""),
            Some(content) => content.text().with_context(|| format!("{path} is no text")),
        }
    }

    fn first_of<'a>(&self, paths: &[&'a str]) -> Option<&'a str> {
        paths.iter().copied().find(|path| self.files.contains_key(*path))
    }

    fn configuration(&self) -> &'static str {
        self.first_of(&CONFIGURATIONS).unwrap_or(CONFIGURATIONS[1])
    }

    /// What the project's own configuration says under these keys.
    fn configured(&self, path: &[&str]) -> Option<String> {
        let config = Document::parse(self.text(self.configuration()).ok()?).ok()?;
        let item = path.iter().try_fold(config.as_item(), |item, key| item.get(key))?;
        Some(item.to_string().trim().to_owned())
    }

    /// Whether one of the tables in `table` has `key`.
    fn configures_below(&self, table: &str, key: &str) -> bool {
        let text = self.text(self.configuration()).unwrap_or_default();
        let Ok(config) = Document::parse(text) else { return false };
        let tables = config.get(table).and_then(Item::as_table_like);
        tables.is_some_and(|tables| tables.iter().any(|(_, inner)| inner.get(key).is_some()))
    }

    /// Whether xtask has to be told that it is for this machine.
    fn is_for_others(&self) -> bool {
        self.configured(&["build", "target"]).is_some()
    }

    /// The Makefile that is the project's own.
    fn own_makefile(&self) -> Option<&'static str> {
        let is_ours = |path: &str| self.record.as_ref().is_some_and(|record| record.files.contains_key(path));
        self.first_of(&MAKEFILES).filter(|path| !is_ours(path))
    }

    fn make(&self, choices: &Choices) -> Make {
        let is_ours = |path: &str| self.record.as_ref().is_some_and(|record| record.files.contains_key(path));
        match self.own_makefile().map(|path| self.text(path)) {
            _ if self.is_for_others() => Make::Not, // Its file names no target triple.
            Some(Ok(text)) => Make::Included { own_targets: texts::targets(text) },
            Some(Err(_)) => Make::Not,
            None if is_ours(&format!("{}.mk", choices.adoption.name)) => {
                Make::Included { own_targets: Vec::new() }
            }
            None if self.has_justfile && !is_ours("Makefile") => Make::Not,
            None => Make::Makefile,
        }
    }
}

/// Decides on all of it. `base` is what the recorded template gave, as far as it is needed and known.
pub(crate) fn plan(
    source: &Source<'_>,
    project: &Project,
    choices: &Choices,
    base: &Files,
) -> anyhow::Result<Plan> {
    let mut plan = Plan { hurdles: hurdles(project, choices), ..Plan::default() };
    if !plan.hurdles.is_empty() {
        return Ok(plan);
    }
    plan.notes = notes(project, choices);
    let Adoption { name, apart } = &choices.adoption;
    let given = source.given(project, choices)?;
    let before = project.record.clone().unwrap_or_default();

    plan.upgrade = upgrade::plan(&before, &given, base, &project.files);
    let mut edits = plan.upgrade.edits.clone();
    if choices.parts.contains(&Part::Folder) {
        let mut record = Record {
            version: source.version.to_owned(),
            commit: source.commit.map(str::to_owned),
            adoption: Some(choices.adoption.clone()),
            files: before.files.clone(),
        };
        record.files.retain(|path, _| given.contains_key(path) || !path.starts_with(&format!("{name}/")));
        for (path, content) in &given {
            record.note(path, &content.bytes);
        }
        let path = format!("{name}/{RECORD}");
        // Where nothing of it has changed but the commit, it is no edit.
        let is_news = before.version != record.version
            || before.files != record.files
            || before.adoption != record.adoption
            || !plan.upgrade.edits.is_empty();
        if is_news {
            edits.push(path.clone(), project.files.get(&path).cloned(), Some(Content::of(record.to_toml())));
        }
    }

    let mut change = |path: &str, edit: &dyn Fn(&str) -> anyhow::Result<String>| -> anyhow::Result<()> {
        let old = project.files.get(path);
        let text = project.text(path)?;
        let new = keeping_line_ends(text, edit).with_context(|| format!("cannot edit {path}"))?;
        if path.ends_with(".toml") {
            Document::parse(new.as_str()).with_context(|| format!("what became of {path}"))?;
        }
        let executable = old.is_some_and(|old| old.executable);
        edits.push(path, old.cloned(), Some(Content { bytes: new.into(), executable }));
        Ok(())
    };
    let template = source.text("Cargo.toml")?;
    let is_member = choices.parts.contains(&Part::Folder) && !apart;
    if choices.parts.contains(&Part::Folder) || !choices.profiles.is_empty() {
        change("Cargo.toml", &|text| {
            let mut text = text.to_owned();
            for profile in &choices.profiles {
                text = manifest::with_profile(&text, template, profile)?;
            }
            if is_member {
                text = manifest::with_member(&text, name)?;
                text = with_profile_of_xtask(&text, template, name)?;
            } else if choices.parts.contains(&Part::Folder) {
                text = manifest::without_member(&text, name)?;
            }
            Ok(text)
        })?;
    }
    if choices.parts.contains(&Part::Alias) {
        let alias = texts::alias(&choices.adoption, project.is_for_others());
        change(project.configuration(), &|text| {
            let is_there = texts::present_alias(text, name).is_some();
            let text =
                if is_there { text.to_owned() } else { texts::with_alias(text, &choices.adoption, &alias)? };
            texts::with_include(&text, &format!("{name}.toml"))
        })?;
    }
    if choices.parts.contains(&Part::Ignore) && !project.unignored.is_empty() {
        let rules: Vec<&str> = project.unignored.iter().map(String::as_str).collect();
        change(".gitignore", &|text| Ok(texts::with_ignored(text, name, &rules)))?;
    }
    let included = format!("{name}.mk");
    if let Some(makefile) = project.own_makefile().filter(|_| given.contains_key(&included)) {
        change(makefile, &|text| Ok(texts::with_make_include(text, &included)))?;
    }
    plan.changes_members = is_member && edits.iter().any(|(path, _)| path.ends_with("Cargo.toml"));
    plan.edits = edits;
    Ok(plan)
}

/// Without the profile, cargo would not know what `--profile xtask` is.
fn with_profile_of_xtask(text: &str, template: &str, name: &str) -> anyhow::Result<String> {
    let manifest = Document::parse(text)?;
    if manifest.get("profile").and_then(|profiles| profiles.get("xtask")).is_some() {
        return Ok(text.to_owned());
    }
    let section =
        manifest::section(template, "profile.xtask").context("the template has no profile.xtask")?;
    Ok(manifest::appended(text, &section.replace("cargo xtask", &format!("cargo {name}"))))
}

/// Edits a text with its line ends put aside, whichever they are.
fn keeping_line_ends(text: &str, edit: &dyn Fn(&str) -> anyhow::Result<String>) -> anyhow::Result<String> {
    if text.contains("\r\n") {
        Ok(edit(&text.replace("\r\n", "\n"))?.replace('\n', "\r\n"))
    } else {
        edit(text)
    }
}

fn hurdles(project: &Project, choices: &Choices) -> Vec<Hurdle> {
    let Adoption { name, apart } = &choices.adoption;
    let mut hurdles = Vec::new();
    let hurdle = |hurdles: &mut Vec<Hurdle>, what: String, choices: &[&str]| {
        let choices = choices.iter().map(|choice| (*choice).to_owned()).collect();
        hurdles.push(Hurdle { what, choices });
    };
    let is_adopted = project.record.is_some();
    let (needed, root) = (shown(RUST_VERSION), "Cargo.toml");

    if choices.parts.contains(&Part::Folder) {
        if let Some(rustc) = project.rustc.filter(|rustc| *rustc < RUST_VERSION) {
            hurdles.push(too_old(rustc));
        }
        if !is_adopted {
            let own = project.members.iter().find(|member| member.name == *name);
            if let Some(member) = own {
                hurdle(&mut hurdles, format!("it has a package {name} of its own, in {}", member.dir), &[AS]);
            } else if project.has_folder {
                hurdle(
                    &mut hurdles,
                    format!("it has something called {name} already"),
                    &[AS, "move it away"],
                );
            }
        }
        if !apart {
            let old = project.members.iter().filter(|member| member.name != *name);
            let old = old
                .filter_map(|member| Some((member.rust_version?, member)))
                .min_by_key(|(version, _)| *version);
            if let Some((version, member)) = old.filter(|(version, _)| *version < RUST_VERSION) {
                hurdle(
                    &mut hurdles,
                    format!(
                        "{} promises Rust {} (rust-version), and {} xtask in it, which needs {needed}",
                        member.name,
                        shown(version),
                        if version < EDITION_2024 {
                            "a cargo of that age cannot read a workspace with"
                        } else {
                            "that could not build the workspace with"
                        },
                    ),
                    &[APART, &format!("raise rust-version to {needed}")],
                );
            }
            if let Err(err) = project.text(root).and_then(|text| manifest::with_member(text, name)) {
                hurdle(&mut hurdles, format!("{root}: {err:#}"), &[APART]);
            }
        }
    }
    if choices.parts.contains(&Part::Alias) {
        let configuration = project.configuration();
        let text = project.text(configuration).unwrap_or_default();
        let ours = [false, true].map(|needs_host| texts::alias(&choices.adoption, needs_host));
        if project.has_alias_variable {
            hurdle(
                &mut hurdles,
                format!("a variable of your environment has an alias {name}"),
                &[AS, "unset it"],
            );
        }
        match texts::present_alias(text, name) {
            Some(alias) if !ours.contains(&alias) => {
                hurdle(
                    &mut hurdles,
                    format!("{configuration} has an alias {name} of its own: `{alias}`"),
                    &[AS, "remove it, then try again"],
                );
            }
            _ => {
                let edited = texts::with_alias(text, &choices.adoption, "x").map(drop);
                if let Err(err) = edited.and_then(|()| texts::with_include(text, "x.toml").map(drop)) {
                    hurdle(
                        &mut hurdles,
                        format!("{configuration}: {err:#}"),
                        &[
                            "write it as a table or a list, then try again",
                            "--only without alias, and add it yourself",
                        ],
                    );
                }
            }
        }
    }
    hurdles
}

/// A compiler that cannot build xtask, wherever it is put.
pub(crate) fn too_old(rustc: (u32, u32)) -> Hurdle {
    let choices = ["raise the channel in rust-toolchain.toml", "rustup update, where none is pinned"];
    Hurdle {
        what: format!("it builds with Rust {}, and xtask needs {}", shown(rustc), shown(RUST_VERSION)),
        choices: choices.map(str::to_owned).into(),
    }
}

/// The first cargo that can read xtask's manifest.
const EDITION_2024: (u32, u32) = (1, 85);

const AS: &str = "--as lanes: in a folder lanes/, called by `cargo lanes` (or another name)";
pub(crate) const APART: &str = "--apart: a workspace of its own in its folder, beside yours";

/// `1.89`
fn shown((major, minor): (u32, u32)) -> String {
    format!("{major}.{minor}")
}

/// `1.76` of `1.76`, `1.76.0`, `1.76.0-nightly`.
pub(crate) fn rust_version(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.trim().split(['.', '-', ' ']);
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// What the toolchain file pins, or `None` where it follows a name (`stable`).
pub(crate) fn pinned(toolchain: &str) -> Option<(u32, u32)> {
    match Document::parse(toolchain) {
        Ok(file) => rust_version(file.get("toolchain")?.get("channel")?.as_str()?),
        Err(_) => rust_version(toolchain), // The old form: one line.
    }
}

fn notes(project: &Project, choices: &Choices) -> Vec<String> {
    let Adoption { name, apart } = &choices.adoption;
    let mut notes = Vec::new();
    let text = |path: &str| project.text(path).unwrap_or_default();
    let folder = choices.parts.contains(&Part::Folder);

    if let Some(dir) = &project.target_dir {
        notes.push(format!(
            "build.target-dir is {dir}: it stays the lane of whoever has no AGENT_ID; if several worktrees share it, they wait \
             for each other and run each other's code"
        ));
    }
    if project.configured(&["build", "rustflags"]).is_some()
        || project.configures_below("target", "rustflags")
    {
        notes.push(
            "your rustflags stay, and are xtask's too; RUSTFLAGS in the environment would replace them"
                .to_owned(),
        );
    }
    if let Some(target) = project.configured(&["build", "target"]) {
        notes.push(format!(
            "build.target is {target}: the alias names the host, for which xtask has to be built (Rust 1.91 and later), and there \
             is no Makefile for it"
        ));
    }
    if project.configures_below("source", "directory") {
        notes.push(format!(
            "your sources are vendored: cargo vendor --sync {name}/Cargo.toml brings xtask's as well"
        ));
    }
    if let Some(wrapper) = project.configured(&["build", "rustc-wrapper"]) {
        notes.push(format!(
            "build.rustc-wrapper is {}: it stays, so the first edit in a forked worktree compiles more than it has to",
            wrapper.trim()
        ));
    }
    if folder && !apart {
        let manifest = Document::parse(text("Cargo.toml")).ok();
        let of_workspace = |key: &str| manifest.as_ref()?.get("workspace")?.get(key).map(Item::to_string);
        if of_workspace("resolver").is_some_and(|resolver| resolver.contains('1')) {
            notes.push("resolver 1 stays; `cargo build --workspace` may build dependencies with features that xtask wants".to_owned());
        }
        if project.files.contains_key("deny.toml") || project.files.contains_key(".cargo/deny.toml") {
            notes.push(format!(
                "cargo-deny sees xtask's dependencies as well (licences: MIT, Apache-2.0, Unicode-3.0); if it objects: --apart, \
                 or `cargo deny --exclude {name}`"
            ));
        }
        if project.files.contains_key(".config/hakari.toml") {
            notes.push(format!(
                "cargo-hakari wants every member to depend on its package: --apart, or put {name} into final-excludes and \
                 traversal-excludes of .config/hakari.toml"
            ));
        }
        notes.push(format!(
            "`--workspace` includes {name} from now on (no tests of its own); --apart keeps it out"
        ));
    }
    if folder && *apart {
        notes.push(format!(
            "`cargo {name}` works from the workspace's root alone: cargo takes the path from where you stand"
        ));
    }
    if choices.parts.contains(&Part::Make) && project.make(choices) == Make::Not && !project.is_for_others() {
        notes.push("there is a justfile, so no Makefile is added".to_owned());
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_what_people_write() {
        assert_eq!(rust_version("1.76.0"), Some((1, 76)));
        assert_eq!(rust_version("1.99.0-nightly (abc)"), Some((1, 99)));
        assert_eq!(rust_version("stable"), None);
        assert_eq!(pinned("1.70.0\n"), Some((1, 70)));
        assert_eq!(pinned("[toolchain]\nchannel = \"1.70\" # old\n"), Some((1, 70)));
        assert_eq!(pinned("nightly-2024-01-01"), None);
        assert_eq!(pinned("[toolchain]\ncomponents = []\n"), None);
    }

    #[test]
    fn line_ends_stay_what_they_are() {
        let edit = |text: &str| Ok(manifest::appended(text, "b\n"));
        assert_eq!(keeping_line_ends("a\r\n", &edit).expect("a text"), "a\r\n\r\nb\r\n");
        assert_eq!(keeping_line_ends("a\n", &edit).expect("a text"), "a\n\nb\n");
    }
}

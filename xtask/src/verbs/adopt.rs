//! `adopt`: xtask comes into a project that has lived without it, and goes again without a trace.

use std::collections::BTreeSet;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;

use crate::effects::disk::edits::{Journal, Left};
use crate::effects::disk::temporary::Temporary;
use crate::effects::disk::{self, overlay};
use crate::effects::shell::Shell;
use crate::effects::ui::{self, Ui};
use crate::facts::cargo_config::CargoConfig;
use crate::facts::host::Environment;
use crate::facts::template::Template;
use crate::facts::texts;
use crate::flags;
use crate::flags::adopt::PartName;
use crate::plan::adopt::given::{Files, RUST_VERSION};
use crate::plan::adopt::{self, Choices, Member, Part, Plan, Project, Source, lockfile};
use crate::plan::edit::{Content, Edits};
use crate::plan::merge::{self, Names};
use crate::plan::recipe::quoted;
use crate::plan::template::{Adoption, RECORD, Record};
use crate::plan::upgrade;
use crate::verbs::session::Session;

/// The name under which the journal keeps what has been written.
const KEPT: &str = "adopt";

impl flags::adopt::Adopt {
    pub(crate) fn run(self, session: Session) -> anyhow::Result<ExitCode> {
        let workspace = session.workspace(None)?;
        let ui = workspace.session.ui;
        let sh = Shell::outside_of_cargo(&workspace.session.env)?;
        let root = root_of(&sh, &workspace.repo.start.join(&self.path))?;
        ensure!(
            root != workspace.repo.root.canonicalize()?,
            "{} is the template itself\nhelp: name the project that is to have xtask",
            root.display()
        );
        let journal = open_journal(ui, &root)?;
        if self.undo {
            return self.take_away(ui, &sh, &journal, &root);
        }

        let template = Template::read(&workspace.sh, &workspace.repo.root)?;
        let record = record_of(&root, self.name.as_deref().unwrap_or("xtask"))?;
        let is_adopted = record.is_some();
        let mut choices = self.choices(ui, record.as_ref())?;
        let project = read_project(&sh, &workspace.session.env, &root, record, &choices.adoption.name)?;
        let trial = Trial {
            template_sh: &workspace.sh,
            sh: &sh,
            template: &template,
            root: &root,
            project: &project,
        };
        let mut planned = trial.plan(&choices);
        if let Err(why) = &planned
            && !is_adopted
            && !self.member
            && !self.apart
        {
            // Beside the workspace there is less in the way.
            choices.adoption.apart = true;
            let why = format!("{why:#}");
            let why = why.split("\n  - ").next().unwrap_or_default();
            let note =
                format!("it comes beside the workspace, as with --apart, and not into it (--member): {why}");
            planned = trial.plan(&choices).map(|mut plan| {
                plan.notes.insert(0, note);
                plan
            });
        }
        let plan = planned
            .map_err(|err| anyhow::anyhow!("cannot bring xtask into {} as it is: {err:#}", root.display()))?;

        if plan.edits.is_empty() {
            ui.status("Adopted", format_args!("{}: nothing to do", root.display()));
            return Ok(ExitCode::SUCCESS);
        }
        ui::diff(&if self.verbose { plan.edits.diff(&[]) } else { plan.in_short(&choices.adoption.name)? })?;
        tell(ui, &plan);
        if self.check {
            return Ok(ExitCode::FAILURE);
        }
        if !self.yes && !ui.confirm(&format!("Write this to {}?", root.display()))? {
            return Ok(ExitCode::FAILURE);
        }
        journal.apply(&plan.edits, Some(KEPT))?;

        let name = &choices.adoption.name;
        ui.status("Adopted", format_args!("{}: files written: {}", root.display(), plan.edits.len()));
        let typed = quoted(root.as_os_str());
        ui.status("Next", format_args!("cd {typed} && cargo {name} build-dev"));
        ui.status("Undo", format_args!("cargo xtask adopt --undo {typed}"));
        Ok(if plan.upgrade.conflicts.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    fn choices(&self, ui: Ui, record: Option<&Record>) -> anyhow::Result<Choices> {
        let name = self.name.as_deref().unwrap_or("xtask");
        let letters =
            |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || "-_".contains(letter);
        ensure!(
            name.chars().all(letters) && name.starts_with(|letter: char| letter.is_ascii_lowercase()),
            "{name} is no name for a package\nhelp: --as lanes"
        );
        let mut adoption = Adoption { name: name.to_owned(), apart: self.apart };
        if let Some(recorded) = record.and_then(|record| record.adoption.clone()) {
            ensure!(
                recorded.apart || !self.apart,
                "it has been adopted as a member of the workspace\nhelp: cargo xtask adopt --undo, then --apart"
            );
            adoption = recorded;
        }
        let mut profiles = self.profiles.clone();
        let known = adopt::manifest::PROFILES;
        for profile in &profiles {
            let names = known.map(|(name, _)| name).join(", ");
            ensure!(known.iter().any(|(name, _)| name == profile), "there is no profile {profile}: {names}");
        }
        let mut nextest = self.nextest;
        let is_asked = !self.yes && !self.check && std::io::stdin().is_terminal();
        if is_asked && record.is_none() && self.only.is_empty() {
            if profiles.is_empty() {
                for (name, what) in known {
                    if ui.confirm(&format!("Profile {name}: {what}. Add it to Cargo.toml?"))? {
                        profiles.push(name.to_owned());
                    }
                }
            }
            let question = "nextest: end a test that hangs for five minutes, if you have no settings?";
            nextest = nextest || ui.confirm(question)?;
        }
        let parts = match self.only.as_slice() {
            [] => adopt::ALL.into(),
            only => only.iter().map(|part| part.part()).collect(),
        };
        Ok(Choices { adoption, parts, profiles, nextest })
    }

    fn take_away(&self, ui: Ui, sh: &Shell, journal: &Journal, root: &Path) -> anyhow::Result<ExitCode> {
        let Some(kept) = journal.kept(KEPT) else {
            let commit = adding_commit(sh, root);
            bail!(
                "{} remembers nothing of it: it was adopted in another clone, or not at all{}",
                root.display(),
                commit.map(|commit| format!("\nhelp: git revert {commit}")).unwrap_or_default()
            );
        };
        let (edits, problems) = undo(root, &kept, self.force)?;
        if !problems.is_empty() {
            bail!(
                "changed since it was written, so nothing has been taken away:\n  {}\n\
                 help: look with git diff; --force takes files of xtask away with the changes",
                problems.join("\n  ")
            );
        }
        if edits.is_empty() {
            ui.status("Removed", "nothing: all of it is gone already");
        } else {
            journal.apply(&edits, None)?;
            ui.status(
                "Removed",
                format_args!("xtask from {}: files brought back or removed: {}", root.display(), edits.len()),
            );
        }
        journal.forget(KEPT)?;
        let wrapper = root.join(".cargo/wrapper");
        if wrapper.is_dir() {
            disk::wrapper::remove(&wrapper).context("cannot remove .cargo/wrapper")?;
        }
        disk::remove_if_empty(&root.join(".cargo"));
        if root.join(".lanes").is_dir() {
            ui.status(
                "Kept",
                format_args!("{}: build output, yours to delete", root.join(".lanes").display()),
            );
        }
        let is_committed = adding_commit(sh, root).is_some();
        if is_committed {
            ui.status("Note", "it was committed, so taking it away is a change to commit as well");
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl PartName {
    fn part(self) -> Part {
        match self {
            PartName::Xtask => Part::Folder,
            PartName::Alias => Part::Alias,
            PartName::Ignore => Part::Ignore,
            PartName::Make => Part::Make,
        }
    }
}

impl Plan {
    /// A diff in which the folder and the lockfile are summed up.
    fn in_short(&self, name: &str) -> anyhow::Result<String> {
        let (others, of_lockfile) = self.edits.without("Cargo.lock");
        let mut shown = others.diff(&[&format!("{name}/")]);
        if let Some(edit) = of_lockfile {
            let text = |content: &Option<Content>| content.as_ref().and_then(|c| c.text().map(str::to_owned));
            let (old, new) = (text(&edit.old).unwrap_or_default(), text(&edit.new).unwrap_or_default());
            shown.push_str(&lockfile::shown(&old, &new)?);
        }
        Ok(shown)
    }
}

/// The commit that brought the record in.
fn adding_commit(sh: &Shell, root: &Path) -> Option<String> {
    let pattern = format!(":(glob)*/{RECORD}");
    let args = ["log", "--diff-filter=A", "--max-count=1", "--format=%h", "HEAD", "--", &pattern];
    let output = sh.read("git", args, root).ok()?;
    let commit = String::from_utf8_lossy(&output).trim().to_owned();
    (!commit.is_empty()).then_some(commit)
}

/// What takes `kept` back. A file that has been changed since keeps those changes, where they are elsewhere in it; otherwise it is
/// a problem.
pub(super) fn undo(root: &Path, kept: &Edits, force: bool) -> anyhow::Result<(Edits, Vec<String>)> {
    let (mut edits, mut problems) = (Edits::default(), Vec::new());
    for (path, edit) in kept.reversed().iter() {
        let now = texts::read(root, path)?;
        if now == edit.new {
            continue;
        }
        if now == edit.old || (force && edit.new.is_none()) {
            edits.push(path, now, edit.new.clone());
            continue;
        }
        let text = |content: &Option<Content>| content.as_ref().and_then(|c| c.text().map(str::to_owned));
        match (text(&edit.old), text(&now), text(&edit.new)) {
            (Some(base), Some(ours), Some(theirs)) => {
                let names = Names { ours: "now", theirs: "before" };
                let merged = merge::three_way(&base, &ours, &theirs, &names);
                if merged.conflicts > 0 {
                    problems.push(path.to_owned());
                } else {
                    let executable = now.as_ref().is_some_and(|now| now.executable);
                    edits.push(path, now, Some(Content { bytes: merged.text.into(), executable }));
                }
            }
            _ if now.is_none() => {} // Somebody has taken it away.
            _ => problems.push(path.to_owned()),
        }
    }
    Ok((edits, problems))
}

pub(super) fn open_journal(ui: Ui, root: &Path) -> anyhow::Result<Journal> {
    let (journal, left) = Journal::open(root)?;
    match left {
        Left::Nothing => {}
        Left::TakenBack => ui.status("Restored", "the files that an interrupted call had begun to change"),
        Left::TakenBackBut(files) => ui.warn(format_args!(
            "an interrupted call has been taken back, but for what somebody has changed since: {}",
            files.join(", ")
        )),
    }
    Ok(journal)
}

/// The root of the workspace that `path` has to be.
fn root_of(sh: &Shell, path: &Path) -> anyhow::Result<PathBuf> {
    let shown = path.display();
    let manifest = path.join("Cargo.toml");
    ensure!(manifest.is_file(), "{shown} has no Cargo.toml\nhelp: name the root of a workspace or package");
    let path = path.canonicalize()?;
    // Before cargo is asked: where the pinned toolchain is not installed, there is none.
    if let Some(rustc) = path.ancestors().find_map(pinned).filter(|rustc| *rustc < RUST_VERSION) {
        bail!("{shown}: {}", adopt::too_old(rustc));
    }
    let args = ["locate-project", "--workspace", "--message-format=plain"];
    let found = sh.read("cargo", args, &path).map_err(|err| {
        let said = said(&err);
        let mends =
            if said.contains("is not installed") { "rustup toolchain install" } else { "cargo metadata" };
        anyhow::anyhow!(
            "cargo does not work in {shown}: {said}\nhelp: cd {} && {mends}",
            quoted(path.as_os_str())
        )
    })?;
    let found = PathBuf::from(String::from_utf8_lossy(&found).trim());
    let found = found.parent().unwrap_or(&found).canonicalize()?;
    ensure!(
        found == path,
        "{shown} is a member of the workspace {}\nhelp: cargo xtask adopt {}",
        found.display(),
        quoted(found.as_os_str())
    );
    Ok(path)
}

/// What the project has recorded, in the folder `name` or another one.
pub(super) fn record_of(root: &Path, name: &str) -> anyhow::Result<Option<Record>> {
    let parse = |path: &str| -> anyhow::Result<Option<Record>> {
        let Some(content) = texts::read(root, path)? else { return Ok(None) };
        let record = content.text().context("it is no text").and_then(Record::parse);
        Ok(Some(record.with_context(|| format!("cannot read {}", root.join(path).display()))?))
    };
    if let Some(record) = parse(&format!("{name}/{RECORD}"))? {
        return Ok(Some(record));
    }
    for entry in std::fs::read_dir(root).into_iter().flatten().flatten() {
        let name = entry.file_name();
        if let Some(name) = name.to_str().filter(|name| root.join(name).join(RECORD).is_file())
            && let Ok(Some(record)) = parse(&format!("{name}/{RECORD}"))
            && record.adoption.as_ref().is_none_or(|adoption| adoption.name == name)
        {
            return Ok(Some(record));
        }
    }
    Ok(None)
}

/// Reads whatever a plan may want to know of a project.
pub(super) fn read_project(
    sh: &Shell,
    env: &Environment,
    root: &Path,
    record: Option<Record>,
    name: &str,
) -> anyhow::Result<Project> {
    let config = CargoConfig::read(root, env);
    let mut project = Project::default();
    let mut wanted: BTreeSet<String> = ["Cargo.toml", "Cargo.lock", ".gitignore", adopt::NEXTEST]
        .into_iter()
        .chain(adopt::CONFIGURATIONS)
        .chain(adopt::MAKEFILES)
        .chain(["deny.toml", ".cargo/deny.toml", ".config/hakari.toml"])
        .map(str::to_owned)
        .collect();
    wanted.extend([format!("{name}.mk"), format!(".cargo/{name}.toml"), format!("{name}/{RECORD}")]);
    if let Some(record) = &record {
        wanted.extend(record.files.keys().cloned());
    }
    wanted.extend(files_below(root, name));
    // On a file system that takes `makefile` for `Makefile`, only the name that it has.
    let at_root: BTreeSet<_> = std::fs::read_dir(root)?.flatten().map(|entry| entry.file_name()).collect();
    wanted.retain(|path| {
        !adopt::MAKEFILES.contains(&path.as_str())
            || at_root.contains(path.as_str().as_ref() as &std::ffi::OsStr)
    });
    for path in wanted {
        if let Some(content) = texts::read(root, &path)? {
            project.files.insert(path, content);
        }
    }
    let justfiles = ["justfile", "Justfile", ".justfile"];
    project.has_justfile = justfiles.iter().any(|name| root.join(name).is_file());
    project.has_folder = root.join(name).symlink_metadata().is_ok();

    let variable = format!("CARGO_ALIAS_{}", name.to_uppercase().replace('-', "_"));
    project.has_alias_variable = env.get(&variable).is_some();
    project.target_dir = config.target_dir.map(|dir| dir.display().to_string());
    project.members = members(sh, root)?;
    project.rustc = pinned(root).or_else(|| {
        let version = sh.read("rustc", ["--version"], root).ok()?;
        adopt::rust_version(String::from_utf8_lossy(&version).split(' ').nth(1)?)
    });
    let is_ignored = |rule: &str| {
        let path = rule.trim_start_matches('/');
        match sh.read("git", ["check-ignore", "--quiet", "--no-index", path], root) {
            Ok(_) => true,
            Err(_) => {
                let text = project.files.get(".gitignore").and_then(Content::text).unwrap_or_default();
                let bare = rule.trim_matches('/');
                text.lines().any(|line| line.trim().trim_matches('/') == bare)
            }
        }
    };
    project.unignored =
        adopt::IGNORED.into_iter().filter(|rule| !is_ignored(rule)).map(str::to_owned).collect();
    project.record = record;
    Ok(project)
}

fn pinned(root: &Path) -> Option<(u32, u32)> {
    let text = ["rust-toolchain", "rust-toolchain.toml"]
        .iter()
        .find_map(|name| std::fs::read_to_string(root.join(name)).ok())?;
    adopt::pinned(&text)
}

/// The files in the folder `name`, at most as deep as ours.
fn files_below(root: &Path, name: &str) -> Vec<String> {
    const DEPTH_MAX: usize = 6;
    let mut found = Vec::new();
    let mut open = vec![name.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in std::fs::read_dir(root.join(&dir)).into_iter().flatten().flatten() {
            let Some(path) = entry.file_name().to_str().map(|name| format!("{dir}/{name}")) else { continue };
            let is_dir = entry.file_type().is_ok_and(|kind| kind.is_dir());
            if !is_dir {
                found.push(path);
            } else if path.split('/').count() < DEPTH_MAX && !path.ends_with("/target") {
                open.push(path);
            }
        }
    }
    found
}

fn metadata(sh: &Shell, root: &Path) -> anyhow::Result<Value> {
    let args = ["metadata", "--no-deps", "--offline", "--format-version=1"];
    let output = sh.read("cargo", args, root)?;
    serde_json::from_slice(&output).context("`cargo metadata` printed no JSON")
}

fn members(sh: &Shell, root: &Path) -> anyhow::Result<Vec<Member>> {
    let metadata =
        metadata(sh, root).with_context(|| format!("cargo does not understand {}", root.display()))?;
    let member = |package: &Value| {
        let dir = Path::new(package["manifest_path"].as_str()?).parent()?;
        let dir = dir.strip_prefix(root).unwrap_or(dir).to_str()?.replace('\\', "/");
        Some(Member {
            name: package["name"].as_str()?.to_owned(),
            dir: if dir.is_empty() { ".".to_owned() } else { dir },
            rust_version: package["rust_version"].as_str().and_then(adopt::rust_version),
        })
    };
    Ok(metadata["packages"].as_array().into_iter().flatten().filter_map(member).collect())
}

/// What plans are made with.
pub(super) struct Trial<'a> {
    pub(super) template_sh: &'a Shell,
    /// As in the user's shell, for what is asked in the project.
    pub(super) sh: &'a Shell,
    pub(super) template: &'a Template,
    pub(super) root: &'a Path,
    pub(super) project: &'a Project,
}

impl Trial<'_> {
    /// A plan that can be carried out.
    ///
    /// # Errors
    ///
    /// When there is something to decide first; the error says what and between what.
    pub(super) fn plan(&self, choices: &Choices) -> anyhow::Result<Plan> {
        let template = self.template;
        let source =
            Source { files: &template.files, version: &template.version, commit: template.commit.as_deref() };
        let mut base = Files::new();
        if let Some(record) = &self.project.record
            && let Some(commit) = &record.commit
        {
            let given = source.given(self.project, choices)?;
            if upgrade::needs_base(record, &given, &self.project.files) {
                let files = template.at(self.template_sh, commit);
                let source = Source { files: &files, version: &record.version, commit: None };
                base = source.given(self.project, choices).unwrap_or_default();
            }
        }
        let mut plan = adopt::plan(&source, self.project, choices, &base)?;
        if !plan.hurdles.is_empty() {
            let hurdles: Vec<String> = plan.hurdles.iter().map(ToString::to_string).collect();
            bail!("{}", hurdles.join("\n\n"));
        }
        if plan.changes_members && plan.upgrade.conflicts.is_empty() {
            change_members(self.sh, template, self.root, self.project, &choices.adoption.name, &mut plan)?;
        }
        Ok(plan)
    }
}

pub(super) fn tell(ui: Ui, plan: &Plan) {
    for note in &plan.notes {
        ui.status("Note", note);
    }
    for path in &plan.upgrade.merged {
        ui.status("Merged", path);
    }
    for (path, what) in &plan.upgrade.notes {
        ui.status("Note", format_args!("{path} {what}"));
    }
    for path in &plan.upgrade.conflicts {
        ui.warn(format_args!("{path} has been changed on both sides: both are in it, between markers"));
    }
}

/// What cargo makes of the workspace with one more member: the same versions in the lockfile, the same packages by default.
fn change_members(
    sh: &Shell,
    template: &Template,
    root: &Path,
    project: &Project,
    xtask: &str,
    plan: &mut Plan,
) -> anyhow::Result<()> {
    // Beside the project, where relative paths and configuration are found that are found from there.
    let name = root.file_name().unwrap_or_default().to_string_lossy();
    let beside = root.with_file_name(format!(".{name}-adopt-{}", std::process::id()));
    let mut temporary = Temporary::default();
    let mut trial = plan.edits.clone();
    let lockfile = project.files.get("Cargo.lock");
    if let Some(text) = lockfile.and_then(Content::text) {
        let of_template = template.files.get("Cargo.lock").and_then(Content::text).unwrap_or_default();
        let seeded = lockfile::seeded(text, of_template)?;
        trial.push("Cargo.lock", lockfile.cloned(), Some(Content::of(seeded)));
    }
    let result = overlay::make(&mut temporary, root, &beside, &trial)
        .with_context(|| format!("cannot write {}", beside.display()))
        .and_then(|()| in_trial(sh, root, &beside, lockfile, xtask, plan));
    drop(temporary.delete());
    result
}

fn in_trial(
    sh: &Shell,
    root: &Path,
    trial: &Path,
    lockfile: Option<&Content>,
    xtask: &str,
    plan: &mut Plan,
) -> anyhow::Result<()> {
    let defaults = |root: &Path| -> anyhow::Result<BTreeSet<String>> {
        let metadata = metadata(sh, root)?;
        let packages = metadata["packages"].as_array().cloned().unwrap_or_default();
        let defaults = metadata["workspace_default_members"].as_array().cloned().unwrap_or_default();
        let is_default = |package: &&Value| defaults.contains(&package["id"]);
        Ok(packages.iter().filter(is_default).filter_map(|p| Some(p["name"].as_str()?.to_owned())).collect())
    };
    let after = defaults(trial)
        .map_err(|err| decide(format_args!("cargo does not understand it: {}", said(&err)), &[]))?;
    let before = defaults(root)?;
    if before != after {
        let what =
            format!("what is built where no package is named would change, from {before:?} to {after:?}");
        return Err(decide(what, &["say `default-members` in Cargo.toml"]));
    }
    let Some(old) = lockfile.and_then(Content::text) else { return Ok(()) };

    // Only what the lockfile does not have yet is looked up: first in what is on this machine, then in the versions that the
    // template is tested with, then in any.
    let update = |args: &[&str]| sh.read("cargo", [&["update", "--workspace"], args].concat(), trial);
    let updated = update(&["--offline"]).or_else(|_| update(&[])).or_else(|_| {
        std::fs::write(trial.join("Cargo.lock"), old)?;
        update(&[])
    });
    updated.map_err(|err| {
        let what = "there are no versions of xtask's dependencies that go with Cargo.lock and your sources";
        decide(format_args!("{what}: {}", said(&err)), &[])
    })?;
    let new = std::fs::read_to_string(trial.join("Cargo.lock"))?;
    let changed = lockfile::changed(old, &new, xtask)?;
    if !changed.is_empty() {
        let what = format!("versions in Cargo.lock would change: {}", changed.join(", "));
        return Err(decide(what, &["cargo update those first"]));
    }
    let executable = lockfile.is_some_and(|lockfile| lockfile.executable);
    plan.edits.push("Cargo.lock", lockfile.cloned(), Some(Content { bytes: new.into(), executable }));
    Ok(())
}

/// As a member it does not work; these are the other ways.
fn decide(what: impl std::fmt::Display, others: &[&str]) -> anyhow::Error {
    let choices = [adopt::APART].into_iter().chain(others.iter().copied()).map(str::to_owned).collect();
    anyhow::Error::msg(adopt::Hurdle { what: what.to_string(), choices })
}

/// What matters of an error of cargo or rustup: its first lines.
fn said(err: &anyhow::Error) -> String {
    const LINES: usize = 5;
    let text = format!("{err:#}");
    let text = text.split("\nStack backtrace:").next().unwrap_or_default();
    text.lines().map(str::trim).filter(|line| !line.is_empty()).take(LINES).collect::<Vec<_>>().join(" ")
}

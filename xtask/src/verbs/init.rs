//! `init`: a clone of the template becomes a project of somebody's own.

use std::process::ExitCode;

use anyhow::{Context as _, bail};
use toml_edit::DocumentMut;

use crate::effects::disk::edits::{Journal, Left};
use crate::effects::ui::{self, Ui};
use crate::facts::texts;
use crate::facts::tree::{Git, Tree};
use crate::flags::project::Init;
use crate::plan::edit::Content;
use crate::plan::given::Files;
use crate::plan::init::{self, Choices};
use crate::plan::template::{RECORD, Record};
use crate::verbs::session::{Session, Workspace};

/// Under which the journal keeps the edits.
const KEPT_AS: &str = "init";

impl Init {
    pub(crate) fn run(self, session: Session) -> anyhow::Result<ExitCode> {
        let workspace = session.workspace(None)?;
        let ui = workspace.session.ui.quiet(self.quiet);
        let (journal, left) = Journal::open(&workspace.repo.root)?;
        say_what_was_left(ui, &left);
        if self.undo {
            return undo(ui, &journal);
        }

        let name = self.name.clone().unwrap_or_default();
        let tree = Tree::read(&workspace.sh, &workspace.repo.root)?;
        refuse(&workspace, &tree, self.dry_run)?;
        if let Some(problem) = init::name_problem(&name, &tree.files, self.keep_examples) {
            bail!("`{name}` {problem}\nhelp: cargo xtask init <another name>");
        }
        let choices = self.choices(name, tree.git.as_ref())?;
        if self.restart_history && tree.git.as_ref().is_none_or(|git| git.author.is_none()) {
            bail!(
                "git does not know who commits\nhelp: git config user.name and user.email, or without --restart-history"
            );
        }
        let commit = tree.git.as_ref().and_then(|git| git.commit.clone());
        let record = Record { version: version(&tree.files)?, commit, ..Record::default() };
        let mut edits = init::edits(&tree.files, &choices, record)?;
        for editor in &self.editor {
            workspace.set_up_editor(ui, *editor, &mut edits)?;
        }

        if self.dry_run {
            ui::diff(&edits.diff(&[
                "ARCHITECTURE.md",
                "CONTRIBUTING.md",
                "crates/notes",
                "docs/",
                "xtask/",
            ]))?;
            return Ok(ExitCode::SUCCESS);
        }
        journal.apply(&edits, Some(KEPT_AS))?;
        self.report(ui, &choices);
        if self.restart_history {
            workspace.restart_history(&choices.name)?;
            ui.status(
                "Committed",
                "all of it, as the first commit of this branch; git reflog has the old ones",
            );
        }
        self.say_what_is_next(ui, &choices, tree.git.as_ref());
        Ok(ExitCode::SUCCESS)
    }

    fn choices(&self, name: String, git: Option<&Git>) -> anyhow::Result<Choices> {
        let license = Some(self.license.as_str()).filter(|license| *license != "none");
        if let Some(problem) = license.and_then(init::license_problem) {
            bail!("`{}` {problem}\nhelp: --license <expression>, or --license none", self.license);
        }
        let is_own = |url: &String| {
            let last = url.trim_end_matches('/').rsplit(['/', ':']).next().unwrap_or_default();
            last.trim_end_matches(".git") == name
        };
        let origin = git.and_then(|git| git.origin.clone()).filter(is_own);
        let author = git.and_then(|git| git.author.clone());
        Ok(Choices {
            is_library: self.lib,
            keep_examples: self.keep_examples,
            license: license.map(str::to_owned),
            authors: if self.author.is_empty() { author.into_iter().collect() } else { self.author.clone() },
            repository: self.repository.clone().or(origin),
            description: self.description.as_deref().map(|text| text.trim().to_owned()),
            name,
        })
    }

    fn report(&self, ui: Ui, choices: &Choices) {
        let Choices { name, .. } = choices;
        let kind = if choices.is_library { "library" } else { "program" };
        ui.status(
            "Created",
            format_args!("the {kind} {name} in crates/{name}, with README.md and CHANGELOG.md"),
        );
        ui.status("Moved", "what is about the tool into xtask/");
        let examples = if choices.keep_examples { "" } else { "the examples and " };
        ui.status("Removed", format_args!("{examples}the template's tests of itself"));
    }

    fn say_what_is_next(&self, ui: Ui, choices: &Choices, git: Option<&Git>) {
        let without_text = init::licenses_without_text(choices.license.as_deref().unwrap_or_default());
        if !without_text.is_empty() {
            ui.status(
                "Lacking",
                format_args!("the text of {}: put it into LICENSE", without_text.join(", ")),
            );
        }
        if choices.repository.is_none() {
            let origin = git.and_then(|git| git.origin.as_deref());
            let origin = origin.map(|origin| format!(" (origin is {origin})")).unwrap_or_default();
            ui.status(
                "Lacking",
                format_args!("the project's own address{origin}: `repository` in Cargo.toml"),
            );
        }
        let commit = if self.restart_history { "" } else { ", then git add --all && git commit" };
        ui.status("Next", format_args!("cargo xtask test{commit}; or cargo xtask init --undo"));
    }
}

impl Workspace {
    /// The commit has no parent, and takes the branch's name. Whatever else has a name stays.
    fn restart_history(&self, name: &str) -> anyhow::Result<()> {
        let git = |args: &[&str]| self.git(args).context("the files are written, but not committed");
        git(&["add", "--all"])?;
        let tree = git(&["write-tree"])?;
        let commit = git(&["commit-tree", &tree, "-m", &format!("Start {name}")])?;
        git(&["update-ref", "-m", "cargo xtask init", "HEAD", &commit])?;
        Ok(())
    }
}

/// What makes `init` wrong here.
fn refuse(workspace: &Workspace, tree: &Tree, dry_run: bool) -> anyhow::Result<()> {
    let root = workspace.repo.root.display();
    if let Some(record) = texts::read(&workspace.repo.root, &format!("xtask/{RECORD}"))? {
        let version =
            Record::parse(record.text().unwrap_or_default()).map(|record| record.version).unwrap_or_default();
        bail!(
            "{root} is a project already, made from version {version} of the template\n\
             help: cargo xtask init --undo, as long as nothing has been changed since"
        );
    }
    if !tree.files.contains_key("xtask/src/plan/given.rs") || !tree.files.contains_key("Cargo.lock") {
        bail!(
            "{root} is no clone of the template\nhelp: cargo xtask adopt brings xtask into a workspace that exists"
        );
    }
    // Before the first commit, as `cargo generate` leaves it, there is nothing that git could tell apart.
    let has_changes = |git: &Git| git.commit.is_some() && !git.status.is_empty();
    if tree.git.as_ref().is_some_and(has_changes) && !dry_run {
        bail!(
            "{root} has changes that are not committed\nhelp: git stash --include-untracked, then try again"
        );
    }
    Ok(())
}

fn undo(ui: Ui, journal: &Journal) -> anyhow::Result<ExitCode> {
    let Some(edits) = journal.kept(KEPT_AS) else {
        bail!("nothing is known of an init here\nhelp: git log, git reflog");
    };
    journal.apply(&edits.reversed(), None)?;
    journal.forget(KEPT_AS).context("cannot forget what has been taken back")?;
    ui.status("Undone", format_args!("files: {}", edits.len()));
    Ok(ExitCode::SUCCESS)
}

fn say_what_was_left(ui: Ui, left: &Left) {
    match left {
        Left::Nothing => {}
        Left::TakenBack => ui.status("Undone", "what an interrupted call had written"),
        Left::TakenBackBut(paths) => {
            ui.warn(format_args!("an interrupted call was undone, but for {}", paths.join(", ")));
        }
    }
}

fn version(files: &Files) -> anyhow::Result<String> {
    let manifest = files.get("Cargo.toml").and_then(Content::text).context("there is no Cargo.toml")?;
    let manifest: DocumentMut = manifest.parse().context("cannot parse Cargo.toml")?;
    let version = || manifest.get("workspace")?.get("package")?.get("version")?.as_str().map(str::to_owned);
    version().context("Cargo.toml has no workspace.package.version")
}

//! `editor`: the settings by which an editor builds in a lane of its own.

use std::process::ExitCode;

use anyhow::Context as _;

use crate::effects::disk::edits::Journal;
use crate::effects::ui::{self, Ui};
use crate::facts::texts;
use crate::flags::project;
use crate::plan::edit::{Content, Edits};
use crate::plan::editor::{Editor, Plan};
use crate::verbs::session::{Session, Workspace};

impl project::EditorName {
    fn editor(self) -> Editor {
        match self {
            project::EditorName::VsCode => Editor::VsCode,
            project::EditorName::Zed => Editor::Zed,
            project::EditorName::Helix => Editor::Helix,
            project::EditorName::Neovim => Editor::Neovim,
            project::EditorName::RustRover => Editor::RustRover,
        }
    }
}

impl project::Editor {
    pub(crate) fn run(self, session: Session) -> anyhow::Result<ExitCode> {
        let workspace = session.workspace(None)?;
        let ui = workspace.session.ui.quiet(self.quiet);
        let mut edits = Edits::default();
        workspace.set_up_editor(ui, self.editor, &mut edits)?;
        if self.dry_run {
            ui::diff(&edits.diff(&[]))?;
        } else if !edits.is_empty() {
            let (journal, _) = Journal::open(&workspace.repo.root)?;
            journal.apply(&edits, None)?;
            for (path, _) in edits.iter() {
                ui.status(
                    "Wrote",
                    format_args!("{path}: rust-analyzer builds in .lanes/editor from its next start on"),
                );
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Workspace {
    /// Adds what is to be written; says what is there, and prints what a person has to do.
    pub(crate) fn set_up_editor(
        &self,
        ui: Ui,
        name: project::EditorName,
        edits: &mut Edits,
    ) -> anyhow::Result<()> {
        let editor = name.editor();
        let old = match editor.file() {
            Some(path) => texts::read(&self.repo.root, path)?,
            None => None,
        };
        let text = old.as_ref().map(|content| content.text().context("it is no text")).transpose()?;
        match (editor.plan(text), editor.file()) {
            (Plan::Write(text), Some(path)) => edits.push(path, old.clone(), Some(Content::of(text))),
            (Plan::Paste { text, why }, path) => {
                let path = path.map(|path| format!("{path} is not written: ")).unwrap_or_default();
                ui.status("Paste", format_args!("this yourself; {path}{why}"));
                ui::data(text)?;
            }
            (Plan::Present | Plan::Write(_), path) => {
                ui.status("Present", path.unwrap_or_default());
            }
        }
        Ok(())
    }
}

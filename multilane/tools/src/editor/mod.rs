//! `editor`: the settings by which an editor builds in a lane of its own.

pub(crate) mod settings;

use std::process::ExitCode;

use multilane::project::Session;
use multilane::{files, ui};

use crate::editor::settings::{Editor, Plan};
use crate::flags::project;

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
        let project = session.project(None)?;
        let ui = project.session.ui.quiet(self.quiet);
        let editor = self.editor.editor();
        let old = match editor.file() {
            Some(path) => match std::fs::read_to_string(project.repo.root.join(path)) {
                Err(err) if err.kind() == std::io::ErrorKind::NotFound => None,
                text => Some(text?),
            },
            None => None,
        };
        match (editor.plan(old.as_deref()), editor.file()) {
            (Plan::Write(text), Some(_)) if self.dry_run => ui::data(text)?,
            (Plan::Write(text), Some(path)) => {
                files::provide(&project.repo.root.join(path), &text)?;
                ui.status(
                    "Wrote",
                    format_args!(
                        "{path}: rust-analyzer builds in .lanes/editor from its next start on"
                    ),
                );
            }
            (Plan::Paste { text, why }, path) => {
                let path = path.map(|path| format!("{path} is not written: ")).unwrap_or_default();
                ui.status("Paste", format_args!("this yourself; {path}{why}"));
                ui::data(text)?;
            }
            (Plan::Present | Plan::Write(_), path) => {
                ui.status("Present", path.unwrap_or_default());
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

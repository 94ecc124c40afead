//! `editor`: writes the settings by which an editor builds in a lane of its own.

pub(crate) mod settings;

use std::process::ExitCode;

use multilane_engine::project::Session;
use multilane_engine::{files, ui};

use crate::diff;
use crate::editor::settings::Plan;
use crate::flags::project::Editor;

impl Editor {
    pub(crate) fn run(self, session: Session) -> anyhow::Result<ExitCode> {
        let project = session.project(None)?;
        let ui = project.session.ui.quiet(self.quiet);
        let path = self.editor.file();
        let old = match path.map(|path| files::read_text(project.repo.root.join(path))) {
            Some(Err(err)) if err.kind() == std::io::ErrorKind::NotFound => None,
            text => text.transpose()?,
        };
        match (self.editor.plan(old.as_deref(), ui.called), path) {
            (Plan::Write(text), Some(path)) if self.dry_run => {
                diff::print(&diff::unified(path, old.as_deref().unwrap_or_default(), &text))?;
            }
            (Plan::Write(text), Some(path)) => {
                files::provide(&project.repo.root.join(path), &text)?;
                ui.status(
                    "Wrote",
                    format_args!("{path}: rust-analyzer builds in .lanes/editor once restarted"),
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

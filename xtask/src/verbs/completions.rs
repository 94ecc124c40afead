//! `completions`: the scripts for shells, and what they ask.

use std::path::Path;
use std::process::ExitCode;

use clap::CommandFactory as _;

use crate::effects::ui;
use crate::flags::Xtask;
use crate::flags::project::{Complete, CompletedShell, Completions};
use crate::plan::completion::{self, Known};
use crate::verbs::session::{Session, Workspace};

impl Completions {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let script = match self.shell {
            CompletedShell::Bash => completion::BASH,
            CompletedShell::Zsh => completion::ZSH,
            CompletedShell::Fish => completion::FISH,
        };
        ui::data(script.trim_end())?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Complete {
    pub(crate) fn run(self, session: Session) -> anyhow::Result<ExitCode> {
        let words: Vec<String> = self.words.iter().map(|word| word.to_string_lossy().into_owned()).collect();
        let mut root = Xtask::command();
        root.build();
        let mut found = completion::complete(&root, &words);
        if let Some(known) = found.known
            && let Ok(workspace) = session.workspace(None)
        {
            let typed = words.last().map(String::as_str).unwrap_or_default();
            let names = match known {
                Known::Packages => workspace.packages_by_lockfile(),
                Known::Worktrees => workspace.worktrees_by_name(),
            };
            let names = names.into_iter().filter(|name| found.matches(typed, name));
            let names: Vec<_> = names.map(|name| (name, String::new())).collect();
            found.candidates.extend(names);
        }
        for (candidate, help) in found.candidates {
            ui::data(format_args!("{}{candidate}\t{help}", found.prefix))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Workspace {
    /// Those that come from no registry. cargo would take longer to tell than one likes to wait for a key.
    fn packages_by_lockfile(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.repo.lockfile()).unwrap_or_default();
        let Ok(lockfile) = text.parse::<toml_edit::DocumentMut>() else { return Vec::new() };
        let packages = lockfile.get("package").and_then(|packages| packages.as_array_of_tables());
        let own = packages.into_iter().flatten().filter(|package| !package.contains_key("source"));
        own.filter_map(|package| Some(package.get("name")?.as_str()?.to_owned())).collect()
    }

    fn worktrees_by_name(&self) -> Vec<String> {
        let tops = self.checkouts().unwrap_or_default().into_iter().skip(1);
        tops.filter_map(|top| Some(Path::file_name(&top)?.to_string_lossy().into_owned())).collect()
    }
}

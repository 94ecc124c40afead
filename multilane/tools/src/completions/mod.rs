//! `completions`: the scripts for shells, and what they ask.

pub(crate) mod candidates;

use std::path::Path;
use std::process::ExitCode;

use multilane::project::{Project, Session};
use multilane::ui;

use crate::completions::candidates::Known;
use crate::flags::project::{Complete, CompletedShell, Completions};

impl Completions {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let script = match self.shell {
            CompletedShell::Bash => candidates::BASH,
            CompletedShell::Zsh => candidates::ZSH,
            CompletedShell::Fish => candidates::FISH,
        };
        ui::data(script.trim_end())?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Complete {
    pub(crate) fn run(self, session: Session) -> anyhow::Result<ExitCode> {
        let words: Vec<String> =
            self.words.iter().map(|word| word.to_string_lossy().into_owned()).collect();
        let mut root = multilane::command();
        root.build();
        let mut found = candidates::complete(&root, &words);
        if let Some(known) = found.known
            && let Ok(project) = session.project(None)
        {
            let typed = words.last().map(String::as_str).unwrap_or_default();
            let names = match known {
                Known::Packages => packages_by_lockfile(&project),
                Known::Worktrees => worktrees_by_name(&project),
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

/// Those that come from no registry. cargo would take longer to tell than one likes to wait for a
/// key.
pub fn packages_by_lockfile(project: &Project) -> Vec<String> {
    let text = std::fs::read_to_string(project.repo.lockfile()).unwrap_or_default();
    let Ok(lockfile) = text.parse::<toml_edit::DocumentMut>() else { return Vec::new() };
    let packages = lockfile.get("package").and_then(|packages| packages.as_array_of_tables());
    let own = packages.into_iter().flatten().filter(|package| !package.contains_key("source"));
    own.filter_map(|package| Some(package.get("name")?.as_str()?.to_owned())).collect()
}

pub fn worktrees_by_name(project: &Project) -> Vec<String> {
    let tops =
        multilane::project::worktrees::checkouts(project).unwrap_or_default().into_iter().skip(1);
    tops.filter_map(|top| Some(Path::file_name(&top)?.to_string_lossy().into_owned())).collect()
}

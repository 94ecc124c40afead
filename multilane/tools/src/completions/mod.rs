//! `completions`: the scripts for shells, and the words that they ask for.
//!
//! The scripts hold no verb and no option: a shell has one for all repositories, and each
//! repository has an xtask of its own.

pub(crate) mod candidates;

use std::path::Path;
use std::process::ExitCode;

use multilane_engine::project::{Project, Session};
use multilane_engine::ui;

use crate::completions::candidates::Known;
use crate::flags::project::{Complete, CompletedShell, Completions};
use crate::flags::tree::tree;

/// Where the engine hands over the project's own verbs: lines of a name, a tab and its help.
const OWN_VERBS: &str = "MULTILANE_OWN_VERBS";

impl Completions {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let script = match self.shell {
            CompletedShell::Bash => include_str!("multilane.bash"),
            CompletedShell::Zsh => include_str!("multilane.zsh"),
            CompletedShell::Fish => include_str!("multilane.fish"),
        };
        ui::data(script.trim_end())?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Complete {
    pub(crate) fn run(self, session: Session) -> anyhow::Result<ExitCode> {
        let words: Vec<String> =
            self.words.iter().map(|word| word.to_string_lossy().into_owned()).collect();
        let own = session.env.get(OWN_VERBS).and_then(|verbs| verbs.to_str()).unwrap_or_default();
        let own: Vec<_> = own.lines().filter_map(|line| line.split_once('\t')).collect();
        let mut found = candidates::complete_with(&own, &tree(), &words);
        let project = || session.project(None).ok();
        if let Some((known, project)) = found.known.and_then(|known| Some((known, project()?))) {
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

/// The packages that come from no registry. Asking cargo would take too long for a key press.
fn packages_by_lockfile(project: &Project) -> Vec<String> {
    let text = multilane_engine::files::read_text(project.repo.lockfile()).unwrap_or_default();
    let Ok(lockfile) = text.parse::<toml_edit::DocumentMut>() else { return Vec::new() };
    let packages = lockfile.get("package").and_then(|packages| packages.as_array_of_tables());
    let own = packages.into_iter().flatten().filter(|package| !package.contains_key("source"));
    own.filter_map(|package| Some(package.get("name")?.as_str()?.to_owned())).collect()
}

fn worktrees_by_name(project: &Project) -> Vec<String> {
    let tops = multilane_engine::project::worktrees::checkouts(project)
        .unwrap_or_default()
        .into_iter()
        .skip(1);
    tops.filter_map(|top| Some(Path::file_name(&top)?.to_string_lossy().into_owned())).collect()
}

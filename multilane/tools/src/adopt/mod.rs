//! `adopt`: an xtask with the engine's verbs, as a member of an existing workspace.
//!
//! Reads the tree, starts nothing of it, and edits what is there already instead of replacing it.
//! git takes the change back.

pub(crate) mod edits;
pub(crate) mod engine;
mod lock;
mod plan;
mod profiles;

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};
use multilane_engine::environment::real_path;
use multilane_engine::process::Shell;
use multilane_engine::project::Session;
use multilane_engine::project::cargo_config::CargoConfig;
use multilane_engine::retarget::wrapper;
use toml_edit::DocumentMut;

use self::edits::check_vcs;
use self::plan::Plan;
use self::profiles::Profile;
use crate::diff;

/// Bring multilane into an existing workspace
///
/// Adds a member `xtask`, which is the project's own and depends on the engine, the alias `cargo
/// xtask`, and a profile for it; offers a target in the Makefile or justfile, and profiles for the
/// project. Shows the whole change as a diff and asks. What exists already stays; if there is a
/// conflict, nothing is changed. To take it back, use git.
#[derive(Args)]
pub(crate) struct Adopt {
    /// The workspace [default where installed: the current one]
    path: Option<PathBuf>,
    /// Do not ask; what is offered is not taken unless it is named
    #[arg(short, long, conflicts_with = "check")]
    yes: bool,
    /// Write nothing; exit with 1 if something would change
    #[arg(long)]
    check: bool,
    /// Only this part (can be repeated)
    #[arg(long, value_enum, value_name = "PART")]
    only: Vec<Part>,
    /// Take these profiles, too (can be repeated, or with commas)
    #[arg(long, value_enum, value_name = "NAME", value_delimiter = ',')]
    profiles: Vec<Profile>,
    /// Depend on this engine: the path of a clone, or a git URL with `#` and a revision
    #[arg(long, value_name = "PATH|URL")]
    engine: Option<String>,
    /// Change a tree with uncommitted changes
    #[arg(long)]
    allow_dirty: bool,
    /// Change a tree that is in no git repository
    #[arg(long)]
    allow_no_vcs: bool,
}

/// What can be adopted by itself.
#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
pub(crate) enum Part {
    /// The package `xtask`, as a member with a profile of its own
    Xtask,
    /// The alias, and the files that belong to one machine
    Alias,
    /// What git must not see, in .gitignore
    Ignore,
    /// A target in the Makefile or justfile (offered)
    Make,
    /// Profiles for the project (offered)
    Profiles,
}

impl Adopt {
    pub(crate) fn run(self, session: Session) -> anyhow::Result<ExitCode> {
        let ui = session.ui;
        let sh = Shell::new(&session.env);
        let path = match &self.path {
            Some(path) => path.clone(),
            None if ui.called == "cargo multilane" => PathBuf::from("."),
            None => bail!("no workspace is named\nhelp: {} adopt ../my-project", ui.called),
        };
        let root = workspace_root(&path)?;
        let mut plan = Plan::of(&sh, root.clone())?;
        let is_wanted = |part: Part| self.only.is_empty() || self.only.contains(&part);
        let chosen = is_wanted(Part::Xtask)
            .then(|| engine::choose(&sh, &session.env, self.engine.as_deref(), None))
            .transpose()?;
        if let Some(chosen) = &chosen {
            plan.add_xtask(&sh, &chosen.engine)?;
        }
        if is_wanted(Part::Ignore) {
            plan.add_ignored()?;
        }
        if is_wanted(Part::Alias) {
            plan.add_alias()?;
        }
        let asks = !self.yes && !self.check && std::io::stdin().is_terminal();
        let offers = |what: &str, is_named: bool| match asks {
            true => ui.confirm(what),
            false => Ok(is_named),
        };
        // What cannot be done anyway is not offered.
        if plan.conflicts.is_empty() && is_wanted(Part::Make) {
            for file in plan.build_files() {
                if offers(
                    &format!("Add a target xtask to {file}?"),
                    self.only.contains(&Part::Make),
                )? {
                    plan.add_target(&file)?;
                }
            }
        }
        for profile in Profile::value_variants() {
            let is_named = self.profiles.contains(profile);
            let is_one_of_all = self.profiles.is_empty() && is_wanted(Part::Profiles);
            let takes_all = is_one_of_all && !self.only.is_empty();
            if plan.conflicts.is_empty()
                && profile.is_open(&plan.manifest)
                && (is_named || (is_one_of_all && offers(&question(*profile), takes_all)?))
            {
                profile.add_to(&mut plan.manifest);
            }
        }
        let Plan { edits, conflicts, notes, .. } = plan.finish(&sh)?;

        for note in conflicts.iter().chain(&notes) {
            ui.warn(note);
        }
        if !conflicts.is_empty() {
            bail!(
                "{} cannot take an xtask of multilane as it is; nothing was changed\n\
                 help: settle the points above, or leave the tree alone and use `cargo multilane`",
                root.display()
            );
        }
        if edits.is_empty() {
            ui.status("Unchanged", format_args!("{} has everything already", root.display()));
            return Ok(ExitCode::SUCCESS);
        }
        diff::print(&edits.diff())?;
        if let Some(chosen) = &chosen {
            ui.status("Engine", format_args!("{} ({})", chosen.engine, chosen.reason));
        }
        if self.check {
            return Ok(ExitCode::FAILURE);
        }
        check_vcs(&sh, &root, self.allow_dirty, self.allow_no_vcs)?;
        if !self.yes && !ui.confirm(&format!("Change {}?", root.display()))? {
            bail!("nothing was changed");
        }
        edits.write()?;
        // Of what is built before the first call of xtask, no cache would be of use after it.
        let mut project = session.project(Some(&root.join("Cargo.toml")))?;
        project.config = CargoConfig::read(&root, &project.session.env);
        wrapper::provide_wrapper(&project, ui);
        ui.status("Adopted", format_args!("{}: cargo xtask build-dev", root.display()));
        Ok(ExitCode::SUCCESS)
    }
}

fn question(profile: Profile) -> String {
    let value = profile.to_possible_value().expect("none is skipped");
    let gain = value.get_help().map(ToString::to_string).unwrap_or_default();
    format!("Profile {}? {gain}.", value.get_name())
}

/// The directory of the workspace that `path` is in; of a single package, its own.
pub(crate) fn workspace_root(path: &Path) -> anyhow::Result<PathBuf> {
    let path = real_path(path).with_context(|| format!("no directory {}", path.display()))?;
    let manifests: Vec<&Path> =
        path.ancestors().filter(|dir| dir.join("Cargo.toml").is_file()).collect();
    let is_workspace = |dir: &&&Path| {
        let text = multilane_engine::files::read_text(dir.join("Cargo.toml")).unwrap_or_default();
        text.parse::<DocumentMut>().is_ok_and(|manifest| manifest.contains_key("workspace"))
    };
    let found = manifests.iter().find(is_workspace).or(manifests.first());
    let root = found.with_context(|| format!("no Cargo.toml in {} or above", path.display()))?;
    Ok((*root).to_owned())
}

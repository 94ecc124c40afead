//! `check-fast`, and `--affected` of other verbs: narrow the selection to the packages that changed.

use anyhow::Context as _;

use crate::facts::changes::{self, Changes};
use crate::facts::packages;
use crate::flags::cargo::{CargoFlags, ChangedFlags};
use crate::plan::affected::{self, Affected, References};
use crate::verbs::session::Workspace;

/// The same flags with the affected packages named, or `None` where there are none; says which and why.
pub(crate) fn narrow(
    workspace: &Workspace,
    changed: &ChangedFlags,
    mut cargo: CargoFlags,
) -> anyhow::Result<Option<CargoFlags>> {
    let ui = workspace.session.ui.quiet(cargo.own.quiet);
    let (base, files) = match changes::read(&workspace.sh, &workspace.repo, changed.base.as_deref())? {
        Changes::Known { base, files } => (base, files),
        Changes::Unknown { why } => {
            ui.status("Affected", format_args!("all packages: {why}"));
            cargo.packages.workspace = true;
            return Ok(Some(cargo));
        }
    };
    if files.is_empty() {
        ui.status("Affected", format_args!("none: nothing changed since {base}"));
        return Ok(None);
    }

    let root = &workspace.repo.root;
    let packages = packages::read(&workspace.sh, root).context("cannot list the workspace's packages")?;
    let references = References {
        mentions: changes::mentions(&workspace.sh, &workspace.repo),
        links: changes::links(&workspace.sh, &workspace.repo),
    };
    let mut affected = affected::affected(root, &packages, &files, &references);
    if changed.dependents {
        affected = affected::with_dependents(affected, &packages);
    }

    match affected {
        Affected::All { why } => {
            ui.status("Affected", format_args!("all packages: {why} since {base}"));
            cargo.packages.workspace = true;
        }
        Affected::Packages(mut names) => {
            names.retain(|name| !cargo.packages.exclude.contains(name));
            cargo.packages.exclude.clear();
            if names.is_empty() {
                let count = files.len();
                ui.status(
                    "Affected",
                    format_args!("none: files changed since {base}: {count}, of no package"),
                );
                return Ok(None);
            }
            let listed: Vec<&str> = names.iter().map(String::as_str).collect();
            ui.status("Affected", format_args!("{} (changed since {base})", listed.join(", ")));
            cargo.packages.package = names.into_iter().collect();
        }
    }
    Ok(Some(cargo))
}

//! `check-fast`, and `--affected` of other verbs: narrow the selection to the packages that
//! changed.

use anyhow::Context as _;
use clap::ArgMatches;

use super::run::Options;
use crate::cargo_line::CargoLine;
use crate::project::affected::{self, Affected, References};
use crate::project::changes::{self, Changes};
use crate::project::{Project, packages};

/// What counts as changed.
pub(super) struct Changed {
    base: Option<String>,
    dependents: bool,
}

impl Changed {
    pub(super) fn of(own: &ArgMatches) -> Changed {
        let base = own.get_one::<String>("base").cloned();
        Changed { base, dependents: own.get_flag("dependents") }
    }

    pub(super) fn if_asked(own: &ArgMatches) -> Option<Changed> {
        own.get_flag("affected").then(|| Changed::of(own))
    }
}

/// The same where it is asked for; otherwise the line as it is.
pub(super) fn narrow_if_asked(
    project: &Project,
    options: &Options,
    changed: Option<Changed>,
    line: CargoLine,
) -> anyhow::Result<Option<CargoLine>> {
    let Some(changed) = changed else { return Ok(Some(line)) };
    if !line.packages().is_empty() || line.selects_workspace() {
        anyhow::bail!(
            "--affected selects the packages itself\nhelp: leave out --package and --workspace"
        );
    }
    narrow(project, options, &changed, line)
}

/// The same line with the affected packages named, or `None` where there are none; says which and
/// why.
pub(super) fn narrow(
    project: &Project,
    options: &Options,
    changed: &Changed,
    line: CargoLine,
) -> anyhow::Result<Option<CargoLine>> {
    let ui = project.session.ui.quiet(options.quiet);
    let base = changed.base.as_deref();
    let (base, files) = match changes::read(&project.sh, &project.repo, base)? {
        Changes::Known { base, files } => (base, files),
        Changes::Unknown { why } => {
            ui.status("Affected", format_args!("all packages: {why}"));
            return Ok(Some(line.with(["--workspace"])));
        }
    };
    if files.is_empty() {
        ui.status("Affected", format_args!("none: nothing changed since {base}"));
        return Ok(None);
    }

    let root = &project.repo.root;
    let packages = packages::read(&project.sh, &project.session.env, root)
        .context("cannot list the workspace's packages")?;
    let references = References {
        mentions: changes::mentions(&project.sh, &project.repo),
        links: changes::links(&project.sh, &project.repo),
    };
    let mut affected = affected::affected(root, &packages, &files, &references);
    if changed.dependents {
        affected = affected::with_dependents(affected, &packages);
    }

    match affected {
        Affected::All { why } => {
            ui.status("Affected", format_args!("all packages: {why} since {base}"));
            Ok(Some(line.with(["--workspace"])))
        }
        Affected::Packages(mut names) => {
            let (line, excluded) = line.without_values("--exclude");
            names.retain(|name| !excluded.contains(name));
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
            Ok(Some(line.with(names.into_iter().flat_map(|name| ["--package".to_owned(), name]))))
        }
    }
}

//! `check-fast`, and `--affected` of other verbs: narrow the selection to the packages that
//! changed.

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::ArgMatches;

use super::run::Options;
use multilane_engine::cargo_line::CargoLine;
use multilane_engine::files;
use multilane_engine::project::Project;
use multilane_engine::project::affected::{self, Affected, References, Workspace};
use multilane_engine::project::changes::{self, Changes};
use multilane_engine::project::lockfile::Lockfile;
use multilane_engine::project::packages::{self, Package, normalized};

/// The project's own commands: the package, and its folder.
const XTASK: &str = "xtask";

const MANIFEST: &str = "Cargo.toml";

/// What counts as changed.
pub(super) struct Changed {
    base: Option<String>,
    dependents: bool,
    /// Whether xtask counts, which has just been compiled if it is how we were called.
    has_xtask: bool,
}

impl Changed {
    pub(super) fn of(own: &ArgMatches) -> Changed {
        let base = own.get_one::<String>("base").cloned();
        Changed { base, dependents: own.get_flag("dependents"), has_xtask: true }
    }

    /// For a check that finds nothing that compiling has not found.
    pub(super) fn without_xtask(self, project: &Project, line: &CargoLine) -> Changed {
        let is_compiled = project.session.ui.called == "cargo xtask"
            && project.repo.root.join(XTASK).join("Cargo.toml").is_file();
        Changed { has_xtask: !is_compiled || line.selects_targets(), ..self }
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
    let all = |why: &str| {
        ui.status("Affected", format_args!("all packages: {why}"));
        let line = line.clone().with(["--workspace"]);
        Ok(Some(if changed.has_xtask { line } else { line.with(["--exclude", XTASK]) }))
    };
    let (base, commit, mut files, checkouts) =
        match changes::read(&project.sh, &project.repo, base)? {
            Changes::Known { base, commit, files, checkouts } => (base, commit, files, checkouts),
            Changes::Unknown { why } => return all(&why),
        };
    let configured = configured(project);
    let root = &project.repo.root;
    let packages = packages::read(&project.sh, &project.session.env, root)
        .context("cannot list the workspace's packages")?;
    for package in &packages {
        let dirs = package.path_dependencies.iter().chain([&package.dir]);
        files.extend(dirs.filter(|dir| !checkouts.has(dir)).cloned());
    }
    const NAMES_MAX: usize = 1000; // Each is looked for in all sources.
    if files.len() > NAMES_MAX {
        return all(&format!("{} files changed since {base}", files.len()));
    }
    let mentions = match checkouts.mentions(&project.sh, &files, root, &packages) {
        Ok(mentions) => mentions,
        Err(err) => return all(&format!("{err:#}")),
    };
    // What lies elsewhere git does not know.
    let mut named = affected::named_paths(&mentions, root, &packages);
    named.extend(configured.iter().cloned());
    named.extend(checkouts.links.iter().map(|(_, target)| target.clone()));
    files.extend(named.into_iter().filter(|path| checkouts.is_elsewhere_and_new(path)));
    if files.is_empty() {
        ui.status("Affected", format_args!("none: nothing changed since {base}"));
        return Ok(None);
    }
    let climbers = packages.iter().filter(|package| {
        let sources = affected::sources_of_script(package, &packages);
        let mut texts = sources.iter().filter_map(|source| files::read_text(source).ok());
        texts.any(|text| affected::climbs(&text))
    });
    let climbers = climbers.map(|package| package.name.clone()).collect();
    let macros = packages.iter().filter(|package| affected::is_macro(&manifest_of(package)));
    let macros = macros.map(|package| package.name.clone()).collect();
    let references = References { mentions, links: checkouts.links, configured, climbers, macros };
    let start = &project.repo.start;
    let workspace = Workspace { root, start, packages: &packages };
    let count = files.len();
    let having_less = having_less(project, &commit, &packages, &files);
    let mut by_content = by_content(project, &commit, &packages, &mut files);
    by_content.extend(having_less);
    let mut affected = affected::affected(&workspace, &files, &references);
    if let Affected::Packages(names) = &mut affected {
        names.extend(by_content);
    }
    if changed.dependents {
        affected = affected::with_dependents(affected, &packages);
    }

    match affected {
        Affected::All { why } => all(&format!("{why} since {base}")),
        Affected::Packages(mut names) => {
            let (line, excluded) = line.without_values("--exclude");
            names.retain(|name| !excluded.contains(name));
            if !changed.has_xtask && names.remove(XTASK) && names.is_empty() {
                ui.status("Affected", format_args!("only {XTASK}, which this call has compiled"));
                return Ok(None);
            }
            if names.is_empty() {
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

/// Takes the lockfile and the root manifest out of the changed files where what is in them tells
/// which packages they concern.
fn by_content(
    project: &Project,
    commit: &str,
    packages: &[Package],
    files: &mut Vec<PathBuf>,
) -> BTreeSet<String> {
    let root = &project.repo.root;
    let mut names = BTreeSet::new();
    let mut take = |name: &str, concerned: &dyn Fn(&str, &str) -> Option<BTreeSet<String>>| {
        let path = root.join(name);
        let Some(at) = files.iter().position(|file| *file == path) else { return };
        let texts =
            changes::text_at(&project.sh, root, commit, name).zip(files::read_text(&path).ok());
        if let Some(found) = texts.and_then(|(old, new)| concerned(&old, &new)) {
            files.remove(at);
            names.extend(found);
        }
    };
    take("Cargo.lock", &|old, new| {
        let members = packages.iter().map(|package| &*package.name).collect();
        Some(Lockfile::parse(new)?.changed_since(&Lockfile::parse(old)?, &members))
    });
    take("Cargo.toml", &|old, new| {
        let own = packages.iter().find(|package| package.dir == *root)?;
        let of_all = |text: &str| affected::of_all_packages(text);
        (of_all(old)? == of_all(new)?).then(|| BTreeSet::from([own.name.clone()]))
    });
    names
}

fn manifest_of(package: &Package) -> String {
    files::read_text(package.dir.join(MANIFEST)).unwrap_or_default()
}

/// The packages that use another one of which a changed manifest no longer asks for a feature: they
/// may have had it by that one alone.
fn having_less(
    project: &Project,
    commit: &str,
    packages: &[Package],
    files: &[PathBuf],
) -> BTreeSet<String> {
    let asked = |package: &Package| affected::asked_features(&manifest_of(package));
    let changed = packages.iter().filter(|package| files.contains(&package.dir.join(MANIFEST)));
    let less = changed.flat_map(|package| {
        let old = changes::text_at(&project.sh, &package.dir, commit, MANIFEST);
        &affected::asked_features(&old.unwrap_or_default()) - &asked(package)
    });
    let less: BTreeSet<String> = less.filter(|feature| feature.contains('/')).collect();
    let has_less = |package: &&Package| {
        let asked = asked(package);
        let uses = |feature: &str| feature.split('/').next().is_some_and(|it| asked.contains(it));
        less.iter().any(|feature| uses(feature) && !asked.contains(feature))
    };
    let having_less = packages.iter().filter(|_| !less.is_empty()).filter(has_less);
    having_less.map(|package| package.name.clone()).collect()
}

/// Files and directories that cargo, rustup and clippy read for every package: those that are named
/// in cargo's configuration, and that configuration itself in the directories above.
fn configured(project: &Project) -> Vec<PathBuf> {
    const FILES: [&str; 6] = [
        ".cargo/config",
        ".cargo/config.toml",
        "clippy.toml",
        ".clippy.toml",
        "rust-toolchain",
        "rust-toolchain.toml",
    ];
    let (repo, config, env) = (&project.repo, &project.config, &project.session.env);
    let mut paths: Vec<PathBuf> = config.includes.clone();
    paths.extend(config.lockfile.clone());
    paths.extend(env.get("CLIPPY_CONF_DIR").map(|dir| repo.start.join(dir)));
    // A variable in `[env]` may be anything; as a path, something may read it.
    paths.extend(config.env.values().filter(|value| value.contains('/')).map(PathBuf::from));
    let above = repo.root.ancestors().skip(1);
    paths.extend(above.flat_map(|dir| FILES.map(|name| dir.join(name))));
    let home = env.cargo_home();
    paths.extend(
        home.into_iter().flat_map(|home| ["config", "config.toml"].map(|name| home.join(name))),
    );
    paths.iter().map(|path| normalized(&repo.root.join(path))).collect()
}

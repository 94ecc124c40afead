//! `setup`: makes plain cargo and plain git warm in one clone, without a change that git would
//! show, and takes that back.
//!
//! ```text
//! <git common dir>/
//! ├── info/exclude             lines for what builders make in the tree
//! ├── hooks/post-checkout      the same as `lane hook --install` does
//! └── multilane/setup.json     what was done
//! <workspace>/.cargo/          in each worktree
//! ├── config.toml              where the project has none: includes wrapper/config.toml
//! └── wrapper/                 the compiler wrapper
//! ```

mod record;

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, ensure};
use multilane_engine::environment::real_path;
use multilane_engine::files;
use multilane_engine::project::cargo_config::CargoConfig;
use multilane_engine::project::git_dir::{Common, workspace_in};
use multilane_engine::project::root::Repo;
use multilane_engine::project::{Project, Session, shared_program, worktrees};
use multilane_engine::retarget::wrapper::{self, UNTRACKED_CONFIG, WRAPPER_DIR};

use crate::files::remove_if_empty;
use crate::flags::project::Setup;
use crate::hook;
use crate::setup::record::Record;

/// Something that is missing, and is to be done.
#[derive(Debug, PartialEq)]
enum Change {
    /// Lines of `info/exclude`.
    Exclude(Vec<String>),
    /// The untracked `.cargo/config.toml` of the workspace at this root.
    Config(PathBuf),
    /// The compiler wrapper of the workspace at this root.
    Wrapper(PathBuf),
    Hook,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Change::Exclude(lines) => write!(f, ".git/info/exclude: {}", lines.join(" ")),
            Change::Config(root) => {
                let path = root.join(".cargo/config.toml");
                write!(f, "{}: includes the wrapper's configuration; untracked", path.display())
            }
            Change::Wrapper(root) => {
                let path = root.join(WRAPPER_DIR);
                write!(f, "{}: cargo starts compilers through it", path.display())
            }
            Change::Hook => write!(f, "the post-checkout hook: warms each new worktree"),
        }
    }
}

impl Setup {
    pub(crate) fn run(self, session: Session) -> anyhow::Result<ExitCode> {
        let mut project = session.project(None)?;
        let ui = project.session.ui;
        let common = shared_program::common(&project)?;
        let roots = roots(&project, &common)?;
        let mut record = Record::read(&common)?;
        if self.remove {
            if record == Record::default() {
                ui.status("Absent", "`setup` was not run in this clone");
            } else if self.yes || ui.confirm("take back what `setup` has done?")? {
                remove(&project, &common, &roots, &record)?;
            }
            return Ok(ExitCode::SUCCESS);
        }

        let (changes, notes) = plan(&project, &common, &roots)?;
        for note in notes {
            ui.warn(note);
        }
        let verb = if self.check { "Missing" } else { "Planned" };
        if self.check || !self.yes {
            changes.iter().for_each(|change| ui.status(verb, change));
        }
        if changes.is_empty() {
            ui.status("Present", "this clone is set up");
        } else if self.check {
            return Ok(ExitCode::FAILURE);
        } else if self.yes || ui.confirm("do this?")? {
            for change in &changes {
                carry_out(&mut project, &common, change, &mut record)?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// The workspace in each worktree of the repository, the one that the user stands in first.
fn roots(project: &Project, common: &Common) -> anyhow::Result<Vec<PathBuf>> {
    let own = real_path(&project.repo.root)?;
    let tops = worktrees::checkouts(project)?;
    let others = tops.iter().map(|top| workspace_in(top, common.inside()));
    let others = others.filter(|root| *root != own && root.join("Cargo.toml").is_file());
    Ok(std::iter::once(own.clone()).chain(others).collect())
}

/// What is missing, and what to tell about what cannot be done here.
fn plan(
    project: &Project,
    common: &Common,
    roots: &[PathBuf],
) -> anyhow::Result<(Vec<Change>, Vec<String>)> {
    let mut notes = Vec::new();
    let is_possible = match wrapper_obstacle(project) {
        Some(obstacle) => {
            notes.push(format!("no compiler wrapper: {obstacle}"));
            false
        }
        None => cfg!(unix),
    };
    let mut of_wrapper = Vec::new();
    let mut untracked = Vec::new();
    // Nothing is written through a link.
    let is_writable = |root: &&PathBuf| is_possible && !root.join(".cargo").is_symlink();
    for root in roots.iter().filter(is_writable) {
        let existing = ["config", "config.toml"].map(|name| root.join(".cargo").join(name));
        let existing = existing.into_iter().find(|path| path.symlink_metadata().is_ok());
        let includes = CargoConfig::read(root, &project.session.env).includes;
        let is_included = includes.contains(&root.join(WRAPPER_DIR).join("config.toml"));
        match existing {
            None => {
                untracked.extend([".cargo/config.toml", ".cargo/local.toml"]);
                of_wrapper.push(Change::Config(root.clone()));
            }
            Some(path) if !is_included => {
                notes.push(not_included(&path, project.session.ui.called));
                continue;
            }
            Some(_) => {}
        }
        if !wrapper::is_current(&root.join(WRAPPER_DIR)) {
            untracked.push(".cargo/wrapper/");
            of_wrapper.push(Change::Wrapper(root.clone()));
        }
    }
    notes.dedup();

    let mut excluded = vec![".lanes/", "target/"];
    excluded.extend(untracked);
    excluded.retain(|path| !is_ignored(project, path));
    excluded.dedup();
    let mut lines: Vec<String> = Vec::new();
    for path in excluded {
        let line = Path::new("/").join(common.inside()).join(path);
        let line = line.to_str().context("the path of the workspace is not UTF-8")?.to_owned();
        if !lines.contains(&line) {
            lines.push(line);
        }
    }

    // First git is told to ignore what comes after it.
    let mut changes = Vec::new();
    changes.extend((!lines.is_empty()).then_some(Change::Exclude(lines)));
    changes.extend(of_wrapper);
    let has_hook = hook::installed(project, common)?.is_some() && common.program().is_file();
    changes.extend((!has_hook).then_some(Change::Hook));
    Ok((changes, notes))
}

/// Why compilers cannot go through our wrapper here.
fn wrapper_obstacle(project: &Project) -> Option<String> {
    /// The first cargo whose configuration may have `include`.
    const MINOR_MIN: u32 = 94;
    if let Some(other) = wrapper::foreign_wrapper(project) {
        return Some(format!("compilers go through {} already", other.display()));
    }
    let version = project.sh.read_cargo(&["--version"], &project.repo.root).ok()?;
    let version = String::from_utf8_lossy(&version).trim().to_owned();
    let minor: u32 = version.split('.').nth(1)?.parse().ok()?;
    (minor < MINOR_MIN).then(|| {
        format!("{version} has no `include` in its configuration, which 1.{MINOR_MIN} has")
    })
}

fn not_included(config: &Path, called: &str) -> String {
    format!(
        "no compiler wrapper: {} belongs to the project and does not include it, so the first edit \
         in a new worktree compiles more than it has to\n\
         help: add this line to it, above all tables:\n\
         include = [{{ path = \"wrapper/config.toml\", optional = true }}]\n\
         help: or leave it so; `{called} lane run` and `{called} lane env` fork lanes without it",
        config.display()
    )
}

fn is_ignored(project: &Project, path: &str) -> bool {
    project
        .sh
        .read("git", ["check-ignore", "--quiet", "--no-index", path], &project.repo.root)
        .is_ok()
}

/// Records it, does it and says so. A record of what was then not done does no harm.
fn carry_out(
    project: &mut Project,
    common: &Common,
    change: &Change,
    record: &mut Record,
) -> anyhow::Result<()> {
    let ui = project.session.ui;
    match change {
        Change::Exclude(lines) => {
            let path = exclude_file(common);
            let old = match files::read_text(&path) {
                Err(err) if err.kind() == std::io::ErrorKind::NotFound => {
                    record.made_exclude_file = true;
                    String::new()
                }
                text => text.with_context(|| format!("cannot read {}", path.display()))?,
            };
            let addition = record::addition(&old, lines);
            record.excluded.push(addition.clone());
            record.write(common)?;
            files::provide(&path, &(old + &addition))
                .with_context(|| format!("cannot write {}", path.display()))?;
            ui.status("Excluded", change);
        }
        Change::Config(root) => {
            record.config = true;
            record.write(common)?;
            let path = root.join(".cargo/config.toml");
            ensure!(!root.join(".cargo").is_symlink(), "{} lies behind a link", path.display());
            files::provide(&path, UNTRACKED_CONFIG)
                .with_context(|| format!("cannot write {}", path.display()))?;
            ui.status("Wrote", change);
        }
        Change::Wrapper(root) => {
            record.wrapper |= !root.join(WRAPPER_DIR).is_dir();
            record.write(common)?;
            project.repo = Repo::locate(root.clone(), root)?;
            project.config = CargoConfig::read(root, &project.session.env);
            wrapper::provide_wrapper(project, ui.quiet(true));
            if wrapper::is_current(&root.join(WRAPPER_DIR)) {
                ui.status("Wrote", change);
            }
        }
        Change::Hook => {
            record.hook |= hook::installed(project, common)?.is_none();
            record.program |= !common.program().is_file();
            record.write(common)?;
            let hook = hook::install(project, common)?;
            ui.status("Installed", format_args!("{hook}: warms each new worktree"));
        }
    }
    Ok(())
}

/// Takes back what is recorded, as far as it is as it was written.
fn remove(
    project: &Project,
    common: &Common,
    roots: &[PathBuf],
    record: &Record,
) -> anyhow::Result<()> {
    let ui = project.session.ui;
    if record.hook && hook::remove(project, common)? {
        ui.status("Removed", "the post-checkout hook");
    }
    if record.program && !common.shim().exists() {
        files::remove_own_file(&common.program())?;
        files::remove_own_file(&common.workspace_file())?;
    }
    for root in roots {
        let config = root.join(".cargo/config.toml");
        match files::read(&config) {
            _ if root.join(".cargo").is_symlink() => {}
            Ok(text) if record.config && text == UNTRACKED_CONFIG.as_bytes() => {
                files::remove_own_file(&config)?;
                ui.status("Removed", config.display());
            }
            Ok(_) if record.config => {
                ui.warn(format_args!("{} was changed, so it stays", config.display()));
            }
            _ => {}
        }
        let wrapper = root.join(WRAPPER_DIR);
        if record.wrapper && wrapper.is_dir() {
            match wrapper::remove(&wrapper) {
                Ok(()) => ui.status("Removed", wrapper.display()),
                Err(err) => ui.warn(format_args!("{} stays: {err}", wrapper.display())),
            }
        }
        remove_if_empty(&root.join(".cargo"));
    }
    for addition in record.excluded.iter().rev() {
        let path = exclude_file(common);
        let now = files::read_text(&path).unwrap_or_default();
        match record::without(addition, &now) {
            Some(text) => {
                if text.is_empty() && record.made_exclude_file {
                    files::remove_own_file(&path)?;
                } else {
                    files::write_atomically(&path, text.as_bytes())?;
                }
                ui.status("Removed", "the lines in .git/info/exclude");
            }
            None => {
                let path = path.display();
                ui.warn(format_args!("the lines of `setup` in {path} were changed, so they stay"));
            }
        }
    }
    Record::default().write(common)?;
    remove_if_empty(&common.dir);
    Ok(())
}

fn exclude_file(common: &Common) -> PathBuf {
    common.git_dir().join("info/exclude")
}

//! `lane hook`: has git warm every new worktree, before the first command in it.

pub(crate) mod script;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use multilane_engine::files;
use multilane_engine::project::git_dir::Common;
use multilane_engine::project::{Project, Session, shared_program};
use multilane_engine::retarget::wrapper;

use crate::files::{remove_if_empty, rename_to_free};
use crate::flags;
use crate::hook::script::{BEFORE, HOOK, Hooks, Installation, Present};

impl flags::lane::LaneHook {
    pub(crate) fn run(self, session: Session) -> anyhow::Result<ExitCode> {
        let project = session.project(None)?;
        let common = shared_program::common(&project)?;
        let ui = project.session.ui;
        if self.install {
            let what = install(&project, &common)?;
            ui.status("Installed", what);
            // What is built from now on is of use in the worktrees to come.
            wrapper::provide_wrapper(&project, ui);
        } else if self.remove {
            match remove(&project, &common)? {
                true => ui.status("Removed", "the post-checkout hook"),
                false => ui.status("Absent", "there was no post-checkout hook of ours"),
            }
        } else {
            let help = format!("help: {} lane hook --install", ui.called);
            let Some(path) = installed(&project, &common)? else {
                bail!("git runs no post-checkout hook of ours\n{help}");
            };
            if !common.program().is_file() {
                bail!(
                    "{} is missing, so the hook does nothing\n{help}",
                    common.program().display()
                );
            }
            ui.status("Installed", path.display());
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Our hook, if git would run it.
pub(crate) fn installed(project: &Project, common: &Common) -> anyhow::Result<Option<PathBuf>> {
    let hooks = hooks(project, common)?;
    Ok(hooks.installed().map(|dir| dir.join(HOOK)).filter(|hook| hook.is_file()))
}

/// Installs the hook and the program that it calls, or brings them up to date. Returns where the
/// hook is, and what runs before it.
pub(crate) fn install(project: &Project, common: &Common) -> anyhow::Result<String> {
    let hooks = hooks(project, common)?;
    shared_program::share(common)?;
    let program = common.program();
    let program = program.file_name().unwrap_or_default().to_string_lossy();
    let path = hooks.default_dir.join(HOOK);
    refuse_edited(&hooks)?;
    match hooks.installation() {
        Installation::TwoThere => bail!(
            "{} is a hook of another tool, and {BEFORE} beside it is the one that was replaced\n\
             help: keep the one that you want under the first name, and remove the other",
            path.display()
        ),
        Installation::Beside { renames } => {
            let before = hooks.default_dir.join(BEFORE);
            if renames {
                rename_to_free(&path, &before)?;
            }
            let written = files::write_program(&path, script::script(None, &program).as_bytes());
            if written.is_err() && renames {
                drop(rename_to_free(&before, &path));
            }
            written.with_context(|| format!("cannot write {}", path.display()))?;
            let has_before = renames || hooks.has_before;
            let after = if has_before { format!(", after {BEFORE}") } else { String::new() };
            Ok(format!("{}{after}", path.display()))
        }
        Installation::InFront { of } => {
            install_in_front(project, common, &hooks, &of, &program)?;
            let path = hooks.own_dir.join(HOOK);
            Ok(format!("{}, in front of {}", path.display(), of.display()))
        }
    }
}

/// What was added to a script of ours goes neither with a new version of it nor with it.
fn refuse_edited(hooks: &Hooks) -> anyhow::Result<()> {
    let own = files::entries(&hooks.own_dir).map(|entry| entry.path());
    let edited = |path: &PathBuf| {
        files::read(path).is_ok_and(|script| script::is_as_written(&script) == Some(false))
    };
    match own.chain([hooks.default_dir.join(HOOK)]).find(edited) {
        Some(path) => bail!(
            "{} has lines that `lane hook` has not written\n\
             help: move them into a hook of their own ({BEFORE} beside it runs first), and remove it",
            path.display()
        ),
        None => Ok(()),
    }
}

fn install_in_front(
    project: &Project,
    common: &Common,
    hooks: &Hooks,
    of: &Path,
    program: &str,
) -> anyhow::Result<()> {
    // A relative path means a directory of each worktree's own.
    let existing = std::fs::read_dir(common.top.join(of)).into_iter().flatten().flatten();
    let existing = existing.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let names = script::names_in_front(existing).into_iter();
    let others = names.map(|name| (script::pass_on(&name, of), name));
    let ours = (script::script(Some(of), program), HOOK.to_owned());
    for (text, name) in others.chain([ours]) {
        files::write_program(&hooks.own_dir.join(name), text.as_bytes())
            .with_context(|| format!("cannot write {}", hooks.own_dir.display()))?;
    }

    if hooks.configured.as_ref() != Some(&hooks.own_dir) {
        let of = of.to_str().context("core.hooksPath is not UTF-8")?;
        let of_repository = hooks_path(project, &["--local"])?.unwrap_or_default();
        let before = format!("{of}\n{of_repository}");
        files::write_atomically(&hooks_path_file(common), before.as_bytes())?;
        let own_dir = hooks.own_dir.to_str().context("the path of the repository is not UTF-8")?;
        set_hooks_path(project, own_dir)?;
    }
    let now = hooks_path(project, &["--type=path"])?.map(PathBuf::from);
    if now.as_ref() != Some(&hooks.own_dir) {
        bail!(
            "core.hooksPath is set in this worktree's own configuration, over the repository's\n\
             help: git config --worktree --unset core.hooksPath, then --install again"
        );
    }
    Ok(())
}

/// Takes the hook away and puts back what it replaced. `false` where there was none.
pub(crate) fn remove(project: &Project, common: &Common) -> anyhow::Result<bool> {
    let hooks = hooks(project, common)?;
    refuse_edited(&hooks)?;
    let path = hooks.default_dir.join(HOOK);
    let before = hooks.default_dir.join(BEFORE);
    let is_in_front = hooks.configured.as_ref() == Some(&hooks.own_dir);
    let was_there = hooks.present == Present::Ours || hooks.has_before || is_in_front;
    if hooks.present == Present::Ours {
        files::remove_own_file(&path)?;
    }
    if hooks.has_before {
        rename_to_free(&before, &path).with_context(|| {
            format!("{} keeps that name: another hook has taken its place", before.display())
        })?;
    }
    if is_in_front {
        let (_, before) = hooks_path_before(common).unwrap_or_default();
        set_hooks_path(project, &before)?;
    }
    files::remove_own_file(&hooks_path_file(common))?;
    for entry in std::fs::read_dir(&hooks.own_dir).into_iter().flatten().flatten() {
        if files::read(entry.path())
            .is_ok_and(|script| script::is_as_written(&script) == Some(true))
        {
            files::remove_own_file(&entry.path())?;
        }
    }
    remove_if_empty(&hooks.own_dir);
    Ok(was_there)
}

fn hooks(project: &Project, common: &Common) -> anyhow::Result<Hooks> {
    Ok(hooks_of(common, hooks_path(project, &["--type=path"])?.map(PathBuf::from)))
}

/// The hooks that exist, where `core.hooksPath` is `configured`.
pub(super) fn hooks_of(common: &Common, configured: Option<PathBuf>) -> Hooks {
    let default_dir = common.git_dir().join("hooks");
    let present = match files::read(default_dir.join(HOOK)) {
        Ok(script) if script::is_as_written(&script) == Some(true) => Present::Ours,
        Ok(script) if script::is_as_written(&script).is_some() => Present::Edited,
        _ if default_dir.join(HOOK).symlink_metadata().is_ok() => Present::Theirs,
        _ => Present::Nothing,
    };
    Hooks {
        configured,
        own_dir: common.hooks(),
        behind: hooks_path_before(common).map(|(effective, _)| effective.into()),
        has_before: default_dir.join(BEFORE).symlink_metadata().is_ok(),
        default_dir,
        present,
    }
}

fn hooks_path_file(common: &Common) -> PathBuf {
    common.dir.join("hooks-path")
}

/// `core.hooksPath` before we stood in front: the effective value, and the repository's own.
fn hooks_path_before(common: &Common) -> Option<(String, String)> {
    let text = files::read_text(hooks_path_file(common)).ok()?;
    let (effective, of_repository) = text.split_once('\n')?;
    Some((effective.to_owned(), of_repository.to_owned()))
}

/// `core.hooksPath`, or `None` where it is unset.
fn hooks_path(project: &Project, options: &[&str]) -> anyhow::Result<Option<String>> {
    let args = [&["config"], options, &["--get", "core.hooksPath"]].concat();
    // git config exits with 1 where a key is unset; other failures are taken for that, too.
    let Ok(value) = project.sh.read("git", args, &project.repo.root) else { return Ok(None) };
    let value = String::from_utf8(value).context("core.hooksPath is not UTF-8")?;
    Ok(Some(value.strip_suffix('\n').unwrap_or(&value).to_owned()))
}

/// In the repository's own configuration; an empty path unsets it.
fn set_hooks_path(project: &Project, path: &str) -> anyhow::Result<()> {
    let args: &[&str] = match path {
        "" => &["config", "--local", "--unset", "core.hooksPath"],
        path => &["config", "--local", "core.hooksPath", path],
    };
    project.sh.read("git", args, &project.repo.root).context("cannot set core.hooksPath")?;
    Ok(())
}

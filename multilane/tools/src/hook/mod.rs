//! `lane hook`: a worktree is warm before its first command, whoever made it.

pub(crate) mod script;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use multilane::project::git_dir::{Common, workspace_in};
use multilane::project::{Project, Session, shared_program};
use multilane::{environment, files};

use crate::files::{remove_if_empty, rename_to_free};
use crate::flags;
use crate::hook::script::{BEFORE, HOOK, Hooks, Installation, Present};

impl flags::lane::LaneHook {
    pub(crate) fn run(self, session: Session) -> anyhow::Result<ExitCode> {
        let project = session.project(None)?;
        let common = shared_program::common(&project)?;
        let hooks = hooks(&project, &common)?;

        if self.install {
            shared_program::share(&project, &common)?;
            install_hook(&project, &common, &hooks)?;
        } else if self.remove {
            remove_hook(&project, &common, &hooks)?;
        } else {
            let Some(dir) = hooks.installed().filter(|dir| dir.join(HOOK).is_file()) else {
                bail!("git runs no hook of ours here\nhelp: cargo xtask lane hook --install");
            };
            if !common.program().is_file() {
                bail!(
                    "{} is not there, so the hook does nothing\nhelp: cargo xtask lane hook --install",
                    common.program().display()
                );
            }
            project.session.ui.status("Installed", dir.join(HOOK).display());
        }
        Ok(ExitCode::SUCCESS)
    }
}

pub fn hooks(project: &Project, common: &Common) -> anyhow::Result<Hooks> {
    Ok(hooks_of(common, hooks_path(project, &["--type=path"])?.map(PathBuf::from)))
}

pub fn install_hook(project: &Project, common: &Common, hooks: &Hooks) -> anyhow::Result<()> {
    let program = common.program();
    let program = program.file_name().unwrap_or_default().to_string_lossy();
    let path = hooks.default_dir.join(HOOK);
    match hooks.installation() {
        Installation::TwoThere => bail!(
            "{} is not ours, and {BEFORE} beside it is what was there before\n\
             help: keep the one that you want under the first name, and remove the other",
            path.display()
        ),
        Installation::Beside { renames } => {
            if renames {
                rename_to_free(&path, &hooks.default_dir.join(BEFORE))?;
            }
            let written = files::write_program(&path, script::script(None, &program).as_bytes());
            if written.is_err() && renames {
                drop(rename_to_free(&hooks.default_dir.join(BEFORE), &path));
            }
            written.with_context(|| format!("cannot write {}", path.display()))?;
            let runs = if renames || hooks.has_before {
                format!(", after {BEFORE}")
            } else {
                String::new()
            };
            project.session.ui.status("Installed", format_args!("{}{runs}", path.display()));
        }
        Installation::InFront { of } => install_in_front(project, common, hooks, &of, &program)?,
    }
    Ok(())
}

pub fn install_in_front(
    project: &Project,
    common: &Common,
    hooks: &Hooks,
    of: &Path,
    program: &str,
) -> anyhow::Result<()> {
    // A relative one means in each worktree that worktree's own.
    let there = std::fs::read_dir(common.top.join(of)).into_iter().flatten().flatten();
    let there = there.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let written = || -> std::io::Result<()> {
        for name in script::names_in_front(there) {
            files::write_program(
                &hooks.own_dir.join(&name),
                script::pass_on(&name, of).as_bytes(),
            )?;
        }
        files::write_program(
            &hooks.own_dir.join(HOOK),
            script::script(Some(of), program).as_bytes(),
        )
    };
    written().with_context(|| format!("cannot write {}", hooks.own_dir.display()))?;

    if hooks.configured.as_ref() != Some(&hooks.own_dir) {
        let of = of.to_str().context("core.hooksPath is not UTF-8")?;
        let of_repository = hooks_path(project, &["--local"])?.unwrap_or_default();
        files::write_atomically(
            &common.hooks_path_file(),
            format!("{of}\n{of_repository}").as_bytes(),
        )?;
        let own_dir = hooks.own_dir.to_str().context("the path of the repository is not UTF-8")?;
        project
            .sh
            .read("git", ["config", "--local", "core.hooksPath", own_dir], &project.repo.root)
            .context("cannot set core.hooksPath")?;
    }
    let now = hooks_path(project, &["--type=path"])?.map(PathBuf::from);
    if now.as_ref() != Some(&hooks.own_dir) {
        bail!(
            "core.hooksPath is set in this worktree's own configuration, over the repository's\n\
             help: git config --worktree --unset core.hooksPath, then --install again"
        );
    }
    project.session.ui.status(
        "Installed",
        format_args!("{}, in front of {}", hooks.own_dir.join(HOOK).display(), of.display()),
    );
    Ok(())
}

pub fn remove_hook(project: &Project, common: &Common, hooks: &Hooks) -> anyhow::Result<()> {
    let path = hooks.default_dir.join(HOOK);
    let before = hooks.default_dir.join(BEFORE);
    if hooks.present == Present::Ours {
        files::remove_own_file(&path)?;
    }
    if hooks.has_before {
        rename_to_free(&before, &path).with_context(|| {
            format!(
                "{} stays under that name: another hook has come into its place",
                before.display()
            )
        })?;
    }

    if hooks.configured.as_ref() == Some(&hooks.own_dir) {
        let (_, before) = hooks_path_before(common).unwrap_or_default();
        let args: &[&str] = match before.as_str() {
            "" => &["config", "--local", "--unset", "core.hooksPath"],
            path => &["config", "--local", "core.hooksPath", path],
        };
        project
            .sh
            .read("git", args, &project.repo.root)
            .context("cannot set core.hooksPath back")?;
    }
    files::remove_own_file(&common.hooks_path_file())?;
    for entry in std::fs::read_dir(&hooks.own_dir).into_iter().flatten().flatten() {
        if std::fs::read(entry.path()).is_ok_and(|script| script::is_ours(&script)) {
            files::remove_own_file(&entry.path())?;
        }
    }
    remove_if_empty(&hooks.own_dir);
    project.session.ui.status("Removed", "the post-checkout hook");
    Ok(())
}

/// The hooks there are, where `core.hooksPath` is `configured`.
pub(super) fn hooks_of(common: &Common, configured: Option<PathBuf>) -> Hooks {
    let default_dir = common.git_dir().join("hooks");
    let present = match std::fs::read(default_dir.join(HOOK)) {
        Ok(script) if script::is_ours(&script) => Present::Ours,
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

/// What `core.hooksPath` was, altogether and in the repository's own configuration.
fn hooks_path_before(common: &Common) -> Option<(String, String)> {
    let text = std::fs::read_to_string(common.hooks_path_file()).ok()?;
    let (effective, of_repository) = text.split_once('\n')?;
    Some((effective.to_owned(), of_repository.to_owned()))
}

/// `core.hooksPath`, or `None` where it is unset.
pub fn hooks_path(project: &Project, options: &[&str]) -> anyhow::Result<Option<String>> {
    let args = [&["config"], options, &["--get", "core.hooksPath"]].concat();
    // git config ends with 1 where a key is unset, and we do not tell that from other failures.
    let Ok(value) = project.sh.read("git", args, &project.repo.root) else { return Ok(None) };
    let value = String::from_utf8(value).context("core.hooksPath is not UTF-8")?;
    Ok(Some(value.strip_suffix('\n').unwrap_or(&value).to_owned()))
}

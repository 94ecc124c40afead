//! `lane hook`: a worktree is warm before its first command, whoever made it.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};

use crate::effects::disk;
use crate::facts::common::{Common, workspace_in};
use crate::facts::host;
use crate::flags;
use crate::plan::hook::{self, BEFORE, HOOK, Hooks, Installation, Present};
use crate::verbs::session::{Session, Workspace};

impl flags::lane::LaneHook {
    pub(crate) fn run(self, session: Session) -> anyhow::Result<ExitCode> {
        if self.worktree_made {
            return Ok(after_worktree_add(session));
        }
        let workspace = session.workspace(None)?;
        let common = workspace.common()?;
        let hooks = workspace.hooks(&common)?;

        if self.install {
            workspace.share(&common)?;
            workspace.install_hook(&common, &hooks)?;
        } else if self.remove {
            workspace.remove_hook(&common, &hooks)?;
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
            workspace.session.ui.status("Installed", dir.join(HOOK).display());
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// In the new worktree, where git starts its hooks. Nothing of it may keep git from going on.
fn after_worktree_add(session: Session) -> ExitCode {
    let ui = session.ui;
    if let Err(err) = warm_this_worktree(session) {
        ui.warn(format_args!("this worktree begins cold: {err:#}"));
    }
    ExitCode::SUCCESS
}

fn warm_this_worktree(session: Session) -> anyhow::Result<()> {
    let top = host::current_dir()?;
    let Some(inside) = Common::of(&top).and_then(|common| common.known_inside()) else { return Ok(()) };
    let root = workspace_in(&top, &inside);
    if !root.join("Cargo.toml").is_file() {
        return Ok(()); // A commit from before there was a workspace.
    }
    let ui = session.ui;
    let mut workspace = session.workspace(Some(&root.join("Cargo.toml")))?;
    let main = workspace.checkouts()?.into_iter().next().context("git lists no worktree")?;
    workspace.warm(ui, &root, &workspace_in(&main, &inside))
}

impl Workspace {
    /// Where the repository's worktrees share something.
    pub(crate) fn common(&self) -> anyhow::Result<Common> {
        Common::of(&self.repo.root)
            .context("this is no git checkout, so its worktrees have nothing in common")
    }

    /// Puts this program where all worktrees find it.
    pub(crate) fn share(&self, common: &Common) -> anyhow::Result<()> {
        let exe = host::exe().context("cannot find xtask's own program")?;
        let inside = common.inside().to_str().context("the path of the workspace is not UTF-8")?;
        let shared = disk::share_program(common, &exe)
            .and_then(|()| disk::write_atomically(&common.workspace_file(), inside.as_bytes()));
        shared.with_context(|| format!("cannot write {}", common.dir.display()))
    }

    fn hooks(&self, common: &Common) -> anyhow::Result<Hooks> {
        Ok(hooks_of(common, self.hooks_path(&["--type=path"])?.map(PathBuf::from)))
    }

    /// `core.hooksPath`, or `None` where it is unset.
    pub(crate) fn hooks_path(&self, options: &[&str]) -> anyhow::Result<Option<String>> {
        let args = [&["config"], options, &["--get", "core.hooksPath"]].concat();
        // git config ends with 1 where a key is unset, and we do not tell that from other failures.
        let Ok(value) = self.sh.read("git", args, &self.repo.root) else { return Ok(None) };
        let value = String::from_utf8(value).context("core.hooksPath is not UTF-8")?;
        Ok(Some(value.strip_suffix('\n').unwrap_or(&value).to_owned()))
    }

    fn install_hook(&self, common: &Common, hooks: &Hooks) -> anyhow::Result<()> {
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
                    disk::rename_to_free(&path, &hooks.default_dir.join(BEFORE))?;
                }
                let written = disk::write_program(&path, hook::script(None, &program).as_bytes());
                if written.is_err() && renames {
                    drop(disk::rename_to_free(&hooks.default_dir.join(BEFORE), &path));
                }
                written.with_context(|| format!("cannot write {}", path.display()))?;
                let runs =
                    if renames || hooks.has_before { format!(", after {BEFORE}") } else { String::new() };
                self.session.ui.status("Installed", format_args!("{}{runs}", path.display()));
            }
            Installation::InFront { of } => self.install_in_front(common, hooks, &of, &program)?,
        }
        Ok(())
    }

    fn install_in_front(
        &self,
        common: &Common,
        hooks: &Hooks,
        of: &Path,
        program: &str,
    ) -> anyhow::Result<()> {
        // A relative one means in each worktree that worktree's own.
        let there = std::fs::read_dir(common.top.join(of)).into_iter().flatten().flatten();
        let there = there.map(|entry| entry.file_name().to_string_lossy().into_owned());
        let written = || -> std::io::Result<()> {
            for name in hook::names_in_front(there) {
                disk::write_program(&hooks.own_dir.join(&name), hook::pass_on(&name, of).as_bytes())?;
            }
            disk::write_program(&hooks.own_dir.join(HOOK), hook::script(Some(of), program).as_bytes())
        };
        written().with_context(|| format!("cannot write {}", hooks.own_dir.display()))?;

        if hooks.configured.as_ref() != Some(&hooks.own_dir) {
            let of = of.to_str().context("core.hooksPath is not UTF-8")?;
            let of_repository = self.hooks_path(&["--local"])?.unwrap_or_default();
            disk::write_atomically(&common.hooks_path_file(), format!("{of}\n{of_repository}").as_bytes())?;
            let own_dir = hooks.own_dir.to_str().context("the path of the repository is not UTF-8")?;
            self.sh
                .read("git", ["config", "--local", "core.hooksPath", own_dir], &self.repo.root)
                .context("cannot set core.hooksPath")?;
        }
        let now = self.hooks_path(&["--type=path"])?.map(PathBuf::from);
        if now.as_ref() != Some(&hooks.own_dir) {
            bail!(
                "core.hooksPath is set in this worktree's own configuration, over the repository's\n\
                 help: git config --worktree --unset core.hooksPath, then --install again"
            );
        }
        self.session.ui.status(
            "Installed",
            format_args!("{}, in front of {}", hooks.own_dir.join(HOOK).display(), of.display()),
        );
        Ok(())
    }

    fn remove_hook(&self, common: &Common, hooks: &Hooks) -> anyhow::Result<()> {
        let path = hooks.default_dir.join(HOOK);
        let before = hooks.default_dir.join(BEFORE);
        if hooks.present == Present::Ours {
            disk::remove_own_file(&path)?;
        }
        if hooks.has_before {
            disk::rename_to_free(&before, &path).with_context(|| {
                format!("{} stays under that name: another hook has come into its place", before.display())
            })?;
        }

        if hooks.configured.as_ref() == Some(&hooks.own_dir) {
            let (_, before) = hooks_path_before(common).unwrap_or_default();
            let args: &[&str] = match before.as_str() {
                "" => &["config", "--local", "--unset", "core.hooksPath"],
                path => &["config", "--local", "core.hooksPath", path],
            };
            self.sh.read("git", args, &self.repo.root).context("cannot set core.hooksPath back")?;
        }
        disk::remove_own_file(&common.hooks_path_file())?;
        for entry in std::fs::read_dir(&hooks.own_dir).into_iter().flatten().flatten() {
            if std::fs::read(entry.path()).is_ok_and(|script| hook::is_ours(&script)) {
                disk::remove_own_file(&entry.path())?;
            }
        }
        disk::remove_if_empty(&hooks.own_dir);
        self.session.ui.status("Removed", "the post-checkout hook");
        Ok(())
    }
}

/// The hooks there are, where `core.hooksPath` is `configured`.
pub(super) fn hooks_of(common: &Common, configured: Option<PathBuf>) -> Hooks {
    let default_dir = common.git_dir().join("hooks");
    let present = match std::fs::read(default_dir.join(HOOK)) {
        Ok(script) if hook::is_ours(&script) => Present::Ours,
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

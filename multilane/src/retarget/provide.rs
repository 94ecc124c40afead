//! The compiler wrapper: when it is put in place. What it calls xtask for is in `adopt_cache.rs`.

use std::path::{Path, PathBuf};

use crate::process::Unheard;
use crate::project::{Project, git_dir};
use crate::retarget::wrapper;
use crate::retarget::wrapper::Installed;
use crate::ui::Ui;

/// Relative to the root of the workspace.
pub const WRAPPER_DIR: &str = ".cargo/wrapper";

/// `.cargo/config.toml` where the project has none: written by `setup`, and ignored by git.
pub const UNTRACKED_CONFIG: &str = "\
# multilane: written by `setup`, removed by `setup --remove`. git ignores it: .git/info/exclude.
include = [
    { path = \"wrapper/config.toml\", optional = true }, # The compiler wrapper.
    { path = \"local.toml\", optional = true }, # What belongs to this machine, such as the linker.
]
";

/// Has all compilers go through the wrapper from now on, those of plain cargo too: of a cache that
/// one builder made with the wrapper and the next without it, nothing would be left at every turn.
pub fn provide_wrapper(project: &Project, ui: Ui) {
    let dir = wrapper_dir(project);
    let is_wanted = cfg!(unix)
        && project.config.includes.contains(&dir.join("config.toml"))
        && git_dir::checkout(&project.repo.root).is_some();
    if !is_wanted {
        return;
    }
    let ours = dir.join("rustc");
    let is_only_ours = project.config.rustc_wrappers.iter().all(|wrapper| is_of_our_kind(wrapper));
    let result = if is_only_ours {
        let nothing = |script: &Path| [script.into(), "true".into()];
        wrapper::install(&dir, |script| {
            Unheard::start(&nothing(script), &project.repo.root).and_then(Unheard::wait).is_ok()
        })
    } else if project.config.rustc_wrappers.first() == Some(&ours) {
        // The user has another one, which ours would hide.
        wrapper::remove(&dir).map(|()| Installed::AsItWas)
    } else {
        Ok(Installed::AsItWas)
    };
    if is_only_ours && result.is_ok() {
        if let Err(err) = crate::sccache::provide_shared_cache(&project.session.env, &dir, ui) {
            ui.warn(format_args!("no shared cache: {err:#}"));
        }
    }
    match result {
        Ok(Installed::New) => ui.status(
            "Wrote",
            ".cargo/wrapper: compilers go through it, so that the first edit in a new lane is quick (docs/first-edit.md)",
        ),
        Ok(_) => {}
        Err(err) => ui.warn(format_args!(
            "no compiler wrapper in {}: {err}; build.rustc-wrapper = \"\" in .cargo/local.toml does without",
            project.shown(&dir)
        )),
    }
}

/// Whether cargo starts compilers through our wrapper, in this tree.
pub fn has_wrapper(project: &Project) -> bool {
    let dir = wrapper_dir(project);
    let is_first =
        project.config.rustc_wrappers.first().is_none_or(|wrapper| is_of_our_kind(wrapper));
    is_first
        && project.config.includes.contains(&dir.join("config.toml"))
        && dir.join("config.toml").is_file()
}

/// What else compilers go through, in this tree: a cache of the user's, perhaps.
pub fn foreign_wrapper(project: &Project) -> Option<&Path> {
    let first = project.config.rustc_wrappers.first()?;
    let is_none = first.as_os_str().is_empty();
    (!is_none && !is_of_our_kind(first)).then_some(first)
}

pub fn wrapper_dir(project: &Project) -> PathBuf {
    project.repo.root.join(WRAPPER_DIR)
}

/// Of this tree, or of one around it: cargo reads the configuration of every directory above, and
/// some tools put their worktrees inside the repository.
fn is_of_our_kind(wrapper: &Path) -> bool {
    wrapper.ends_with(".cargo/wrapper/rustc")
}

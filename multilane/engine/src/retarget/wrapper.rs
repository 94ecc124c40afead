//! The compiler wrapper: a script in a folder of its own, which cargo's configuration includes
//! where it exists.
//!
//! ```text
//! <root>/.cargo/
//! ├── config.toml          committed; includes wrapper/config.toml, if it exists
//! └── wrapper/             comes and goes as a whole, so that cargo never names a missing program
//!     ├── .gitignore       `*`: the folder belongs to this machine
//!     ├── config.toml      build.rustc-wrapper; its first line tells that the folder is ours
//!     ├── rustc            the script
//!     ├── permit           this program by another name: starts a compiler with a permit
//!     ├── permits          how many the project allows
//!     ├── starts           has the time of the loader with which our program was seen to start
//!     ├── starts.program   has the time of that program
//!     └── …                where there is a shared cache: `sccache/server.rs` draws it
//! ```

#![expect(clippy::disallowed_methods, reason = "it renames a directory of its own")]

use std::io;
use std::path::{Path, PathBuf};

use crate::environment::{self, is_executable};
use crate::files::scratch::{self, Scratch};
use crate::files::{self, write_atomically, write_program};
use crate::lanes::lockfile_hash;
use crate::permits;
use crate::process::Unheard;
use crate::project::{Project, git_dir};
use crate::ui::Ui;

/// How the names of folders begin that are on their way to or from the wrapper's place.
const STAGED: &str = ".wrapper-";

pub use crate::project::root::WRAPPER_DIR;

/// `.cargo/config.toml` where the project has none: written by `setup`, and ignored by git.
pub const UNTRACKED_CONFIG: &str = "\
# multilane: written by `setup`, removed by `setup --remove`. git ignores it: .git/info/exclude.
include = [
    { path = \"wrapper/config.toml\", optional = true }, # The compiler wrapper.
    { path = \"local.toml\", optional = true }, # What belongs to this machine, such as the linker.
]
";

/// How a configuration of ours begins, of this version or an earlier one.
const SIGN: &str = "# Written by cargo xtask";
/// It tells, too, how the script was that it was written with: a test holds it to that.
const CONFIG: &str = "# Written by cargo xtask; what ../local.toml says goes before it.\n\
    # Of the script beside it: c455e1e7972c8fef\n\
    [build]\nrustc-wrapper = \"wrapper/rustc\"\n";
const SCRIPT: &str = include_str!("rustc-wrapper.sh");
const FILES: [(&str, &str); 3] =
    [(".gitignore", "*\n"), ("config.toml", CONFIG), ("rustc", SCRIPT)];

fn hash(script: &[u8]) -> String {
    format!("{:.16}", lockfile_hash(script))
}

/// How the line of a configuration begins that has the script's hash.
const OF_SCRIPT: &str = "# Of the script beside it: ";

/// Whether the script at `dir` was edited since we wrote it, in this version or an earlier one.
/// What is no script any more was damaged.
fn is_edited(dir: &Path) -> bool {
    let Ok(script) = files::read(dir.join("rustc")) else { return false };
    let config = files::read_text(dir.join("config.toml")).unwrap_or_default();
    let mut lines = config.lines();
    let noted = lines.find_map(|line| line.strip_prefix(OF_SCRIPT));
    script.starts_with(b"#!") && script != SCRIPT.as_bytes() && noted != Some(&*hash(&script))
}

/// Has all compilers go through the wrapper from now on, those of plain cargo too: of a cache that
/// one builder made with the wrapper and the next without it, nothing would be left at every turn.
/// What we did not write stays as it is.
pub fn provide_wrapper(project: &Project, ui: Ui) {
    let dir = wrapper_dir(project);
    let is_wanted = cfg!(unix)
        && project.config.includes.contains(&dir.join("config.toml"))
        && git_dir::checkout(&project.repo.root).is_some()
        && is_free_or_ours(&dir)
        && !is_edited(&dir);
    if !is_wanted {
        return;
    }
    let is_only_ours = project.config.rustc_wrappers.iter().all(|wrapper| is_of_our_kind(wrapper));
    if !is_only_ours {
        // The user has another one, which ours would hide.
        if project.config.rustc_wrappers.first() == Some(&dir.join("rustc")) {
            warn_of(project, ui, remove(&dir));
        }
        return;
    }
    let starts = |script: &Path| {
        Unheard::start(&[script.into(), "true".into()], &project.repo.root)
            .and_then(Unheard::wait)
            .is_ok()
    };
    let installed = install(&dir, starts);
    if installed.is_ok() {
        if let Err(err) = provide_permit(project, &dir) {
            ui.warn(format_args!("no permits: {err}"));
        }
        if let Err(err) = crate::sccache::provide_shared_cache(&project.session.env, &dir, ui) {
            ui.warn(format_args!("no shared cache: {err:#}"));
        }
    }
    if warn_of(project, ui, installed) == Some(true) {
        ui.status(
            "Wrote",
            ".cargo/wrapper: compilers go through it, so that the first edit in a new lane is quick",
        );
    }
}

fn warn_of<T>(project: &Project, ui: Ui, result: io::Result<T>) -> Option<T> {
    let warn = |err: &io::Error| {
        ui.warn(format_args!(
            "no compiler wrapper in {}: {err}; build.rustc-wrapper = \"\" in .cargo/local.toml does without",
            project.shown(&wrapper_dir(project))
        ));
    };
    result.inspect_err(warn).ok()
}

/// The program that starts compilers with a permit, and what the project allows.
fn provide_permit(project: &Project, dir: &Path) -> io::Result<()> {
    let permit = dir.join(permits::PERMIT);
    let allowed = project.repo.settings.permits.as_deref();
    files::provide(&dir.join(permits::SETTINGS), allowed.unwrap_or(permits::OFF))?;
    let (Some(_), Some(exe)) = (allowed, environment::exe()) else {
        return files::remove_own_file(&permit);
    };
    files::provide_program(&exe, &permit)?;
    // Where this program runs, whoever has the same loader can start it.
    let Some(loader) = LOADERS.iter().find(|loader| Path::new(loader).is_file()) else {
        return Ok(());
    };
    note_time(&dir.join(STARTS), &format!("{loader}\n"), Path::new(loader))?;
    note_time(&dir.join(STARTS_PROGRAM), "", &permit)
}

/// Gives a file of ours the time of another one.
fn note_time(note: &Path, text: &str, of: &Path) -> io::Result<()> {
    let time = of.metadata()?.modified()?;
    let is_noted = note.metadata().and_then(|meta| meta.modified()).is_ok_and(|own| own == time);
    if files::provide(note, text)? || !is_noted {
        files::set_modified(note, time)?;
    }
    Ok(())
}

/// Of glibc, where programs of ours are started by one (ld.so(8)).
const LOADERS: &[&str] = match cfg!(target_env = "gnu") {
    true => &["/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1"],
    false => &[],
};

const STARTS: &str = "starts";
const STARTS_PROGRAM: &str = "starts.program";

/// Whether cargo starts compilers through our wrapper, in this tree.
pub fn has_wrapper(project: &Project) -> bool {
    let dir = wrapper_dir(project);
    let is_first =
        project.config.rustc_wrappers.first().is_none_or(|wrapper| is_of_our_kind(wrapper));
    is_first && project.config.includes.contains(&dir.join("config.toml")) && is_ours(&dir)
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
pub fn is_of_our_kind(wrapper: &Path) -> bool {
    wrapper.ends_with(".cargo/wrapper/rustc") && wrapper.parent().is_some_and(is_ours)
}

fn is_ours(dir: &Path) -> bool {
    files::read(dir.join("config.toml")).is_ok_and(|text| text.starts_with(SIGN.as_bytes()))
}

/// Whether the folder may be written: nothing of another hand's is there, and no symbolic link
/// leads to it.
fn is_free_or_ours(dir: &Path) -> bool {
    let cargo_dir = dir.parent().unwrap_or(dir);
    if [cargo_dir, dir].iter().any(|dir| dir.is_symlink()) {
        return false;
    }
    !dir.exists() || is_ours(dir)
}

/// What else is there, some of it kept by `sccache/`.
const OTHERS: [&str; 6] = [
    crate::sccache::server::PROGRAM_FILE,
    crate::sccache::server::THROUGH_CACHE,
    permits::PERMIT,
    permits::SETTINGS,
    STARTS,
    STARTS_PROGRAM,
];

/// Puts the wrapper's folder at `dir`, or makes it what it should be; `true` where there was none.
/// A kill at any point leaves none or a whole one. `starts` tries the script before cargo hears of
/// it: there are file systems from which nothing can be started.
fn install(dir: &Path, starts: impl FnOnce(&Path) -> bool) -> io::Result<bool> {
    if !dir.is_dir() {
        let parent = dir.parent().unwrap_or(dir);
        std::fs::create_dir_all(parent)?;
        let scratch = Scratch::make(parent, STAGED)?;
        let staged = scratch.dir.join("wrapper");
        std::fs::create_dir(&staged)?;
        let made = FILES.iter().try_for_each(|(name, text)| write(&staged.join(name), text));
        let tried = made.and_then(|()| {
            if starts(&staged.join("rustc")) {
                Ok(())
            } else {
                Err(io::Error::other("the script cannot be started there"))
            }
        });
        return match tried.and_then(|()| std::fs::rename(&staged, dir)) {
            Ok(()) => Ok(true),
            // Another builder may have been quicker.
            Err(err) => {
                if dir.is_dir() {
                    Ok(false)
                } else {
                    Err(err)
                }
            }
        };
    }
    // The script before the configuration that names it.
    for (name, text) in FILES.iter().rev() {
        let path = dir.join(name);
        if !has_text(&path, text) || (is_program(text) && !is_executable(&path)) {
            write(&path, text)?;
        }
    }
    Ok(false)
}

/// Writes the script alone, and returns its path.
pub(crate) fn write_script(dir: &Path) -> io::Result<PathBuf> {
    let script = dir.join("rustc");
    write(&script, SCRIPT)?;
    Ok(script)
}

/// Whether the one at `dir` is as whole and new as ours would be.
pub fn is_current(dir: &Path) -> bool {
    FILES.iter().all(|(name, text)| has_text(&dir.join(name), text))
}

fn has_text(path: &Path, text: &str) -> bool {
    files::read(path).is_ok_and(|found| found == text.as_bytes())
}

/// Removes the folder at `dir`.
///
/// # Errors
///
/// When it is not ours, or something in it is not.
pub fn remove(dir: &Path) -> io::Result<()> {
    let names = FILES.map(|(name, _)| name).into_iter().chain(OTHERS).collect::<Vec<_>>();
    let is_known = |name: &str| names.contains(&name) || name.starts_with(scratch::STAGED_FILE);
    let mut entries = files::entries(dir);
    if !is_free_or_ours(dir)
        || is_edited(dir)
        || !entries.all(|entry| is_known(&entry.file_name().to_string_lossy()))
    {
        return Err(io::Error::other("it is not ours, or something in it is not"));
    }
    let trash = Scratch::make(dir.parent().unwrap_or(dir), STAGED)?;
    std::fs::rename(dir, trash.dir.join("wrapper"))?;
    trash.delete()
}

/// Deletes what calls that were killed have left beside the folder at `dir`, and in it.
pub fn sweep(dir: &Path) {
    let cargo_dir = dir.parent().unwrap_or(dir);
    if !cargo_dir.is_symlink() {
        scratch::sweep(cargo_dir, &[STAGED]);
        if !dir.is_symlink() {
            scratch::sweep(dir, &[]);
        }
    }
}

fn is_program(text: &str) -> bool {
    text.starts_with("#!")
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    if is_program(text) {
        write_program(path, text.as_bytes())
    } else {
        write_atomically(path, text.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargo_hears_of_no_wrapper_that_cannot_be_started() {
        let scratch = Scratch::of_test("wrapper");
        let parent = scratch.dir.join(".cargo");
        let dir = parent.join("wrapper");
        install(&dir, |_| false).expect_err("it does not start");
        let left = std::fs::read_dir(&parent).expect("a directory").count();
        assert_eq!(left, 0, "something is left");
        let is_whole = |staged: &Path| is_executable(staged) && !dir.exists();
        assert!(install(&dir, is_whole).expect("it can be written"));
        assert!(is_current(&dir) && is_free_or_ours(&dir));
        assert!(!install(&dir, |_| false).expect("it exists"));
    }

    #[test]
    fn a_script_that_was_edited_stays() {
        let scratch = Scratch::of_test("edited");
        let dir = scratch.dir.join(".cargo/wrapper");
        install(&dir, |_| true).expect("it can be written");
        assert!(!is_edited(&dir));
        assert!(CONFIG.contains(&format!("{OF_SCRIPT}{}\n", hash(SCRIPT.as_bytes()))));
        // As an earlier version wrote it.
        let other = "#!/bin/sh\nexec \"$@\"\n";
        std::fs::write(dir.join("rustc"), other).expect("it can be written");
        assert!(is_edited(&dir));
        remove(&dir).expect_err("it was edited");
        let noted = format!("{SIGN}\n{OF_SCRIPT}{}\n", hash(other.as_bytes()));
        std::fs::write(dir.join("config.toml"), noted).expect("it can be written");
        assert!(!is_edited(&dir));
        install(&dir, |_| true).expect("it can be written");
        assert!(is_current(&dir));
    }

    #[test]
    fn a_folder_of_another_hand_is_left_alone() {
        let scratch = Scratch::of_test("foreign");
        let parent = scratch.dir.clone();
        let dir = parent.join(".cargo/wrapper");
        assert!(is_free_or_ours(&dir));
        std::fs::create_dir_all(&dir).expect("a directory");
        std::fs::write(dir.join("rustc"), "#!/bin/sh\nexec \"$@\"\n").expect("it can be written");
        assert!(!is_free_or_ours(&dir) && !is_of_our_kind(&dir.join("rustc")));
        std::fs::write(dir.join("config.toml"), CONFIG).expect("it can be written");
        assert!(is_free_or_ours(&dir) && is_of_our_kind(&dir.join("rustc")));
        #[cfg(unix)]
        {
            let link = parent.join("link/.cargo");
            std::fs::create_dir_all(parent.join("link")).expect("a directory");
            std::os::unix::fs::symlink(parent.join(".cargo"), &link).expect("a link");
            assert!(!is_free_or_ours(&link.join("wrapper")), "`.cargo` is a link");
        }
    }
}

//! The program that all worktrees of a repository share, and the shim beside it.

use std::io::{self};
use std::path::Path;

use anyhow::Context as _;

use super::Project;
use crate::environment::{Environment, FOLDER};
use crate::process::Unheard;
use crate::project::git_dir::{Common, is_shared_program};
use crate::{environment, files};

/// Makes the running program the one that all worktrees share, unless it is that one. A second name
/// costs no space; across file systems it is a copy.
pub fn share_program(common: &Common, exe: &Path) -> io::Result<()> {
    let shared = common.program();
    if is_shared_program(exe, common) {
        return Ok(());
    }
    files::provide_program(exe, &shared)
}

/// The same, where somebody has asked for it once: whoever starts another xtask brings the shared
/// one up to date.
pub fn refresh_shared_program(common: &Common, exe: &Path) {
    if common.program().is_file() {
        drop(share_program(common, exe)); // The older one does as well.
    }
}

/// Puts the shim, the shared program's other name, where `PATH` finds it.
pub fn install_shim(common: &Common) -> io::Result<()> {
    let shim = common.shim();
    std::fs::create_dir_all(common.bin())?;
    #[cfg(unix)]
    {
        let target = Path::new("..").join(common.program().file_name().unwrap_or_default());
        if std::fs::read_link(&shim).is_ok_and(|link| link == target) {
            return Ok(());
        }
        files::replace(&shim, |staged| std::os::unix::fs::symlink(&target, staged))
    }
    #[cfg(not(unix))]
    {
        files::provide_program(&common.program(), &shim)
    }
}

/// This program by another name: it takes a permit and becomes what it is given.
pub const PERMIT: &str = "permit";

/// Starts a test with a permit. And sets, for an agent's test and for nothing that is built, which
/// cargo it finds. The shim puts back what was there before.
const TEST_RUNNER: &str = "#!/bin/sh
# Written by multilane. Starts a test with a permit; the cargo that an agent's test may start builds in its lane.
dir=${0%/*}
if [ -n \"$AGENT_ID\" ] && [ -x \"$dir/bin/cargo\" ]; then
    export MULTILANE_OUTER_CARGO=\"$CARGO\" MULTILANE_OUTER_PATH=\"$PATH\"
    export CARGO=\"$dir/bin/cargo\" PATH=\"$dir/bin:$PATH\"
fi
[ -x \"$dir/permit\" ] && \"$dir/permit\" 2>/dev/null && exec \"$dir/permit\" test \"$@\"
case ${1##*/} in rust_out*) export RUSTDOC_DOCTEST_BIN_PATH=\"$1\" ;; esac
exec \"$@\"
";

/// Puts that script, and the shim that it names, where all worktrees have it.
pub fn provide_test_runner(project: &Project) -> anyhow::Result<()> {
    let common = common(project)?;
    share(&common)?;
    install_shim(&common)?;
    files::provide_program(&common.program(), &common.dir.join(PERMIT))?;
    let runner = common.test_runner();
    if files::read(&runner).is_ok_and(|text| text == TEST_RUNNER.as_bytes()) {
        return Ok(());
    }
    Ok(files::write_program(&runner, TEST_RUNNER.as_bytes())?)
}

/// The same where a variable can name it, whose value cargo takes apart at spaces. `None` where it
/// cannot be there, or nothing can be started from there.
pub fn provide_permit(env: &Environment) -> Option<String> {
    let path = env.cache_home()?.join(FOLDER).join(PERMIT);
    let name = path.to_str().filter(|path| !path.contains(char::is_whitespace))?.to_owned();
    files::provide_program(&environment::exe()?, &path).ok()?;
    let words = [path.clone().into_os_string()];
    Unheard::start(&words, path.parent()?).and_then(Unheard::wait).ok()?;
    Some(name)
}

/// The variable by which cargo is told of a runner on machines like this one. With a compiler for
/// another C library it has no effect.
pub fn runner_variable() -> String {
    let (system, library) = match std::env::consts::OS {
        "macos" => ("APPLE_DARWIN", ""),
        _ if cfg!(target_env = "musl") => ("UNKNOWN_LINUX", "_MUSL"),
        _ => ("UNKNOWN_LINUX", "_GNU"),
    };
    format!("CARGO_TARGET_{}_{system}{library}_RUNNER", std::env::consts::ARCH.to_uppercase())
}

/// Where the repository's worktrees share something.
pub fn common(project: &Project) -> anyhow::Result<Common> {
    Common::of(&project.repo.root)
        .context("this is no git checkout, so its worktrees have nothing in common")
}

/// Puts this program where all worktrees find it.
pub fn share(common: &Common) -> anyhow::Result<()> {
    let exe = environment::exe().context("cannot find xtask's own program")?;
    let inside = common.inside().to_str().context("the path of the workspace is not UTF-8")?;
    let shared = share_program(common, &exe)
        .and_then(|()| files::write_atomically(&common.workspace_file(), inside.as_bytes()));
    shared.with_context(|| format!("cannot write {}", common.dir.display()))
}

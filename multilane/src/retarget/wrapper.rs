//! The compiler wrapper: a script in a folder of its own, which cargo's configuration includes
//! where it is there.
//!
//! ```text
//! <root>/.cargo/
//! ├── config.toml          committed; includes wrapper/config.toml, if there is one
//! └── wrapper/             comes and goes as a whole, so that cargo never names a program that is missing
//!     ├── .gitignore       `*`: it belongs to this machine
//!     ├── config.toml      build.rustc-wrapper
//!     ├── rustc            the script
//!     └── …                    where there is a shared cache: sccache/server.rs draws it
//! ```

#![expect(clippy::disallowed_methods, reason = "it renames a directory of its own")]

use std::io;
use std::path::Path;

use crate::environment::is_executable;
use crate::files::{delete_dir, write_atomically, write_program};

const SCRIPT: &str = include_str!("rustc-wrapper.sh");
const CONFIG: &str = "# Written by cargo xtask; what is said in ../local.toml goes before it.\n\
    [build]\nrustc-wrapper = \"wrapper/rustc\"\n";
const FILES: [(&str, &str); 3] =
    [(".gitignore", "*\n"), ("config.toml", CONFIG), ("rustc", SCRIPT)];

/// What was done.
#[derive(Debug, PartialEq)]
pub enum Installed {
    New,
    Renewed,
    AsItWas,
}

/// Puts the wrapper's folder at `dir`, or makes it what it should be. A kill at any point leaves
/// none or a whole one. `works` tries the script before cargo hears of it: there are file systems
/// from which nothing can be started.
pub fn install(dir: &Path, works: impl FnOnce(&Path) -> bool) -> io::Result<Installed> {
    if !dir.is_dir() {
        let staged = dir.with_file_name(format!(".wrapper-{}", std::process::id()));
        std::fs::create_dir_all(&staged)?;
        let made = FILES.iter().try_for_each(|(name, text)| write(&staged.join(name), text));
        let tried = made.and_then(|()| {
            if works(&staged.join("rustc")) {
                Ok(())
            } else {
                Err(io::Error::other("it cannot be started there"))
            }
        });
        return match tried.and_then(|()| std::fs::rename(&staged, dir)) {
            Ok(()) => Ok(Installed::New),
            Err(err) => {
                delete_dir(&staged)?;
                // Somebody else may have been quicker.
                if dir.is_dir() { Ok(Installed::AsItWas) } else { Err(err) }
            }
        };
    }
    let mut installed = Installed::AsItWas;
    // The script before the configuration that names it.
    for (name, text) in FILES.iter().rev() {
        let path = dir.join(name);
        let is_whole = std::fs::read(&path).is_ok_and(|found| found == text.as_bytes());
        if !is_whole || (is_program(text) && !is_executable(&path)) {
            write(&path, text)?;
            installed = Installed::Renewed;
        }
    }
    Ok(installed)
}

/// Whether the one at `dir` is as whole and new as ours would be.
pub fn is_current(dir: &Path) -> bool {
    FILES.iter().all(|(name, text)| {
        std::fs::read(dir.join(name)).is_ok_and(|found| found == text.as_bytes())
    })
}

/// Takes the folder away.
pub fn remove(dir: &Path) -> io::Result<()> {
    let trash = dir.with_file_name(format!(".wrapper-{}", std::process::id()));
    std::fs::rename(dir, &trash)?;
    delete_dir(&trash)
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
    use crate::files::Scratch;

    #[test]
    fn cargo_hears_of_no_wrapper_that_cannot_be_started() {
        let scratch = Scratch::of_test("wrapper");
        let parent = scratch.dir.clone();
        let dir = parent.join("wrapper");
        install(&dir, |_| false).expect_err("it does not work");
        assert_eq!(
            std::fs::read_dir(&parent).expect("a directory").count(),
            0,
            "something is left"
        );
        let is_whole = |staged: &Path| is_executable(staged) && !dir.exists();
        assert_eq!(install(&dir, is_whole).expect("it can be written"), Installed::New);
        assert_eq!(install(&dir, |_| false).expect("it is there"), Installed::AsItWas);
    }
}

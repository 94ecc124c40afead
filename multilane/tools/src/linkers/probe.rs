//! Which linker cargo uses: told by a program that cargo has linked with the workspace's own
//! configuration, not by what is configured.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use multilane_engine::files;
use multilane_engine::project::cargo_config::CargoConfig;
use multilane_engine::units::linker;

use crate::process::Asker;

/// Files of a package: names and contents.
type Files = &'static [(&'static str, &'static str)];

/// The smallest package, in a workspace of its own, with nothing that lints in flags could refuse.
pub(crate) const SMALL: Files = &[
    (
        "Cargo.toml",
        "[package]\nname = \"probe\"\nversion = \"0.0.0\"\nedition = \"2018\"\n\
         [[bin]]\nname = \"probe\"\npath = \"main.rs\"\n[workspace]\n",
    ),
    ("main.rs", "//! A probe.\n#![allow(warnings)]\nfn main() {}\n"),
];

/// A program that shows what linkers have got wrong: it unwinds, starts threads, and uses a macro,
/// which is a shared object. It prints [`LINKED`] if all of that works.
pub(crate) const THOROUGH: Files = &[
    (
        "Cargo.toml",
        "[package]\nname = \"probe\"\nversion = \"0.0.0\"\nedition = \"2021\"\n\
         [[bin]]\nname = \"probe\"\npath = \"main.rs\"\n\
         [dependencies]\nprobe-macro = { path = \"macro\" }\n[workspace]\n",
    ),
    (
        "main.rs",
        "fn main() {\n    std::panic::set_hook(Box::new(|_| {}));\n    \
         let unwinds = !cfg!(panic = \"unwind\") || std::panic::catch_unwind(|| panic!()).is_err();\n    \
         let threads = [1, 2].map(|number| std::thread::spawn(move || number));\n    \
         let sum: i32 = threads.into_iter().map(|thread| thread.join().unwrap()).sum();\n    \
         if unwinds && sum == probe_macro::three!() {\n        println!(\"linked\");\n    }\n}\n",
    ),
    (
        "macro/Cargo.toml",
        "[package]\nname = \"probe-macro\"\nversion = \"0.0.0\"\nedition = \"2021\"\n\
         [lib]\npath = \"lib.rs\"\nproc-macro = true\n",
    ),
    (
        "macro/lib.rs",
        "#[proc_macro]\npub fn three(_: proc_macro::TokenStream) -> proc_macro::TokenStream {\n    \
         \"3\".parse().unwrap()\n}\n",
    ),
];

const LINKED: &str = "linked\n";

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Link {
    /// `by`: the name that the linker has left in the program. GNU ld leaves none.
    Linked {
        by: Option<String>,
    },
    /// Linked, in a format from which the linker cannot be read.
    OtherFormat,
    Failed {
        why: String,
    },
    NotTried {
        why: String,
    },
}

/// What cargo does with the package.
#[derive(Clone, Copy)]
pub(crate) struct Trial<'a> {
    /// `build`, or `run`, which also checks what the program prints.
    pub(crate) command: &'static str,
    /// The name of a target directory.
    pub(crate) name: &'a str,
    /// For `--target`.
    pub(crate) target: Option<&'a str>,
    /// A triple, and flags for it that come after those that are configured, as those in
    /// `.cargo/local.toml` would.
    pub(crate) flags: Option<(&'a str, &'a [String])>,
    pub(crate) limit: Duration,
}

/// Has cargo link the package in `dir` as if it were one of the workspace at `start`.
pub(crate) fn link(
    asker: &Asker<'_>,
    config: &CargoConfig,
    start: &Path,
    dir: &Path,
    trial: Trial<'_>,
) -> Link {
    let failed = |why: &str| Link::Failed { why: why.to_owned() };
    let target_dir = dir.join(trial.name);
    let mut args: Vec<OsString> =
        [trial.command, "--quiet", "--offline", "--manifest-path"].map(OsString::from).to_vec();
    args.extend([dir.join("Cargo.toml").into(), "--target-dir".into(), target_dir.clone().into()]);
    args.extend(trial.target.into_iter().flat_map(|target| ["--target".into(), target.into()]));
    let mut configure = |key: &str, value: toml_edit::Value| {
        args.extend(["--config".into(), format!("{key}={value}").into()]);
    };
    if config.has_build_dir {
        configure("build.build-dir", target_dir.to_string_lossy().as_ref().into());
    }
    if let Some((triple, flags)) = trial.flags {
        configure(&format!("target.{triple}.rustflags"), flags.iter().collect());
    }
    let args: Vec<_> = args.iter().map(OsString::as_os_str).collect();
    match asker.ask_cargo(&args, start, trial.limit) {
        Ok(answer) if !answer.success => return failed(&reason(&answer.stderr)),
        Ok(answer) if trial.command == "run" && answer.stdout != LINKED => {
            return failed("the program does not do what it should");
        }
        Ok(_) => {}
        Err(silence) => return failed(&format!("cargo {silence}")),
    }
    match program(&target_dir) {
        None => failed("cargo made no program, and reported no error"),
        Some(program) => linker::comment(&program)
            .map_or(Link::OtherFormat, |comment| Link::Linked { by: named(&comment) }),
    }
}

/// `<target>/debug/probe`, or below a triple.
fn program(target: &Path) -> Option<PathBuf> {
    let name = Path::new("debug").join(format!("probe{}", std::env::consts::EXE_SUFFIX));
    let mut dirs = std::iter::once(target.to_owned()).chain(files::subdirectories(target));
    dirs.find_map(|dir| Some(dir.join(&name)).filter(|program| program.is_file()))
}

/// `.comment` is a list of texts that end with a zero; compilers leave theirs in it as well.
fn named(comment: &[u8]) -> Option<String> {
    comment.split(|byte| *byte == 0).map(String::from_utf8_lossy).find_map(|text| {
        let name =
            text.strip_prefix("Linker: ").or(Some(&*text).filter(|text| text.starts_with("mold ")));
        // `LLD 21.1.8 (/checkout/src/llvm-project/llvm 1234…)`: the name and the version.
        Some(name?.split(' ').take(2).collect::<Vec<_>>().join(" "))
    })
}

/// The first line that says what is wrong.
fn reason(stderr: &str) -> String {
    let lines = || stderr.lines().map(str::trim).filter(|line| !line.is_empty());
    let line = lines().find(|line| line.starts_with("error")).or_else(|| lines().next());
    let line = line.unwrap_or("cargo failed and printed nothing").trim_start_matches("error: ");
    // `error: linking with `cc` failed: exit status: 1`: the linker's own words are in a note
    // below.
    let detail = lines().find(|line| {
        ["= note: ", "Caused by:"].iter().all(|start| !line.starts_with(start))
            && line.contains("ld: ")
            || line.contains("cannot find")
            || line.contains("No such file")
    });
    match detail.map(|detail| detail.trim_start_matches("= note: ")) {
        Some(detail) if !line.contains(detail) => format!("{line}; {detail}"),
        _ => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn linkers_are_known_by_the_name_that_they_leave() {
        for (comment, name) in [
            (&b"GCC: (Debian) 14\0Linker: LLD 21.1.8 (/src 12ab)\0"[..], Some("LLD 21.1.8")),
            (b"mold 2.40.1 (compatible with GNU ld)\0GCC: 14\0", Some("mold 2.40.1")),
            (b"rustc version 1.95.0\0GCC: 14\0", None),
            (b"", None),
        ] {
            assert_eq!(named(comment).as_deref(), name);
        }
    }
}

//! Who links here: told by a program that cargo has built with the workspace's own configuration,
//! and not by what is configured.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::process::Asker;
use multilane::project::cargo_config::CargoConfig;
use multilane::units::linker;

use crate::doctor::toolchain::first_line;

/// The smallest package, in no workspace but its own, and with nothing that lints in flags could
/// refuse.
pub(crate) const FILES: [(&str, &str); 2] = [
    (
        "Cargo.toml",
        "[package]\nname = \"probe\"\nversion = \"0.0.0\"\nedition = \"2018\"\n[[bin]]\nname = \"probe\"\npath = \"main.rs\"\n[workspace]\n",
    ),
    ("main.rs", "//! A probe.\n#![allow(warnings)]\nfn main() {}\n"),
];

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Link {
    /// `by`: what the linker has written about itself, if it has.
    Linked {
        by: Option<String>,
    },
    /// Linked, in a format that is not known here.
    OtherFormat,
    Failed {
        why: String,
    },
    /// There was no place to try it.
    NotTried {
        why: String,
    },
}

/// Builds the package in `dir`, where `FILES` are, as if it were one of the workspace at `start`.
pub(crate) fn prove(asker: &Asker<'_>, config: &CargoConfig, start: &Path, dir: &Path) -> Link {
    const LIMIT: Duration = Duration::from_secs(30);
    let (manifest, target) = (dir.join("Cargo.toml"), dir.join("target"));
    let mut args: Vec<&OsStr> =
        ["build", "--quiet", "--offline", "--manifest-path"].map(OsStr::new).to_vec();
    args.extend([manifest.as_os_str(), OsStr::new("--target-dir"), target.as_os_str()]);
    let build_dir = OsString::from(format!(
        "build.build-dir={}",
        toml_edit::Value::from(target.to_string_lossy().as_ref())
    ));
    if config.has_build_dir {
        args.extend([OsStr::new("--config"), &build_dir]);
    }
    match asker.ask_cargo(&args, start, LIMIT) {
        Ok(answer) if answer.success => {}
        Ok(answer) => return Link::Failed { why: reason(&answer.stderr) },
        Err(silence) => return Link::Failed { why: format!("cargo {silence}") },
    }
    let Some(program) = program(&target) else {
        return Link::Failed { why: "cargo made no program, and said nothing".to_owned() };
    };
    match linker::comment(&program) {
        Some(comment) => Link::Linked { by: named(&comment) },
        None => Link::OtherFormat,
    }
}

/// `<target>/debug/probe`, or below a triple.
pub(crate) fn program(target: &Path) -> Option<PathBuf> {
    let name = Path::new("debug").join(format!("probe{}", std::env::consts::EXE_SUFFIX));
    let entries = std::fs::read_dir(target).into_iter().flatten().flatten();
    let mut dirs = std::iter::once(target.to_owned()).chain(entries.map(|entry| entry.path()));
    dirs.find_map(|dir| Some(dir.join(&name)).filter(|program| program.is_file()))
}

/// `.comment` is a list of texts that end with a zero; compilers leave theirs in it as well. GNU ld
/// leaves none.
pub(crate) fn named(comment: &[u8]) -> Option<String> {
    let texts = comment.split(|byte| *byte == 0).map(String::from_utf8_lossy);
    let own = |text: &str| {
        let name =
            text.strip_prefix("Linker: ").or_else(|| text.starts_with("mold ").then_some(text))?;
        // `LLD 21.1.8 (/checkout/src/llvm-project/llvm 1234…)`: where it was built tells nobody
        // anything.
        Some(name.split(' ').take(2).collect::<Vec<_>>().join(" "))
    };
    texts.filter_map(|text| own(&text)).next()
}

/// The first line that says what is wrong.
pub(crate) fn reason(stderr: &str) -> String {
    let mut lines = stderr.lines().map(str::trim);
    let line = lines.clone().find(|line| line.starts_with("error")).or_else(|| lines.next());
    // `error: linking with `cc` failed: exit status: 1`: the linker's own words are in a note
    // below.
    let detail = stderr.lines().map(str::trim).find(|line| {
        ["= note: ", "Caused by:"].iter().all(|start| !line.starts_with(start))
            && line.contains("ld: ")
            || line.contains("cannot find")
            || line.contains("No such file")
    });
    let line = first_line(line.unwrap_or_default()).trim_start_matches("error: ");
    match detail.map(|detail| detail.trim_start_matches("= note: ")) {
        Some(detail) if !line.contains(detail) => format!("{line}; {detail}"),
        _ => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use crate::linkers::link::named;

    #[test]
    fn linkers_are_known_by_what_they_leave() {
        let named = |comment: &[u8]| named(comment);
        assert_eq!(
            named(b"GCC: (Debian) 14\0Linker: LLD 21.1.8 (/src 12ab)\0").as_deref(),
            Some("LLD 21.1.8")
        );
        assert_eq!(
            named(b"mold 2.40.1 (compatible with GNU ld)\0GCC: 14\0").as_deref(),
            Some("mold 2.40.1")
        );
        assert_eq!(named(b"rustc version 1.95.0\0GCC: 14\0"), None);
        assert_eq!(named(b""), None);
    }
}

//! Which packages a change concerns.
//!
//! | changed file | concerns |
//! | --- | --- |
//! | the lockfile, the root manifest, the toolchain file, `.cargo/**` (of the root, or above it) | all packages |
//! | a file in a package's directory | that package; the innermost one where packages lie inside packages |
//! | a file outside every package that a package names by a relative path (`include_str!("../../LICENSE")`, `#[path]`, `rerun-if-changed`, a path dependency) | the packages that name it |
//! | any other file | none |
//!
//! A path that a build script computes at run time cannot be seen; `--package` names such a package.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::facts::changes::Mention;
use crate::facts::packages::{Package, normalized};

/// What has to be built.
#[derive(Debug, PartialEq)]
pub(crate) enum Affected {
    All {
        why: String,
    },
    /// Names, sorted. Empty: nothing.
    Packages(BTreeSet<String>),
}

/// `changed` and the directories of `packages` are absolute, without `.` and `..`.
pub(crate) fn affected(
    root: &Path,
    packages: &[Package],
    changed: &[PathBuf],
    mentions: &[Mention],
) -> Affected {
    if let Some(file) = changed.iter().find(|file| concerns_all(root, file)) {
        let file = file.strip_prefix(root).unwrap_or(file);
        return Affected::All { why: format!("{} changed", file.display()) };
    }

    let mut names = BTreeSet::new();
    let mut outside: Vec<&Path> = Vec::new();
    for file in changed {
        match owner(packages, file) {
            Some(package) => drop(names.insert(package.name.clone())),
            None => outside.push(file),
        }
    }

    // A file outside that names another file outside hands the change on, so this goes round until nothing is new.
    let mut next = 0;
    while let Some(&file) = outside.get(next) {
        next += 1;
        for package in packages
            .iter()
            .filter(|package| package.path_dependencies.iter().any(|dir| file.starts_with(dir)))
        {
            names.insert(package.name.clone());
        }
        for mention in mentions {
            let package = owner(packages, &mention.file);
            if !names_file(mention, package, file) {
                continue;
            }
            match package {
                Some(package) => drop(names.insert(package.name.clone())),
                None if !outside.contains(&mention.file.as_path()) => outside.push(&mention.file),
                None => {}
            }
        }
    }
    Affected::Packages(names)
}

/// Adds the packages that depend on the affected ones, through any number of others.
pub(crate) fn with_dependents(affected: Affected, packages: &[Package]) -> Affected {
    let Affected::Packages(mut names) = affected else {
        return affected;
    };
    loop {
        let dirs: Vec<&Path> = packages
            .iter()
            .filter(|package| names.contains(&package.name))
            .map(|package| package.dir.as_path())
            .collect();
        let count = names.len();
        let depends =
            |package: &&Package| package.path_dependencies.iter().any(|dir| dirs.contains(&dir.as_path()));
        names.extend(packages.iter().filter(depends).map(|package| package.name.clone()));
        if names.len() == count {
            return Affected::Packages(names);
        }
    }
}

fn concerns_all(root: &Path, file: &Path) -> bool {
    const FILES: [&str; 4] = ["Cargo.toml", "Cargo.lock", "rust-toolchain.toml", "rust-toolchain"];
    let is_of = |dir: &Path| {
        let Ok(inside) = file.strip_prefix(dir) else {
            return false;
        };
        inside.starts_with(".cargo") || FILES.iter().any(|name| inside == Path::new(name))
    };
    // cargo and rustup look for their files in every directory above the root as well.
    root.ancestors().any(is_of)
}

/// The package in whose directory `file` lies, the innermost one.
pub(crate) fn owner<'a>(packages: &'a [Package], file: &Path) -> Option<&'a Package> {
    packages
        .iter()
        .filter(|package| file.starts_with(&package.dir))
        .max_by_key(|package| package.dir.as_os_str().len())
}

/// Whether a line names `file`, or a directory that it lies in, by a path with `../` in it.
fn names_file(mention: &Mention, package: Option<&Package>, file: &Path) -> bool {
    let Some(dir) = mention.file.parent() else { return false };
    let package_dir = package.map_or(dir, |package| package.dir.as_path());
    // rustc reads `include_str!("../a")` and `#[path = "../a"]` from the file's own directory. Build scripts, tests and
    // whatever follows `CARGO_MANIFEST_DIR` start at the package's. Where it may be either, it is both.
    let is_for_rustc = ["include!(", "include_str!(", "include_bytes!(", "#[path"];
    let is_for_rustc = is_for_rustc.iter().any(|start| mention.line.contains(start));

    let is_part_of_path = |c: char| c.is_alphanumeric() || "-_./+@".contains(c);
    mention.line.split(|c| !is_part_of_path(c)).filter(|word| word.contains("../")).any(|word| {
        let bases = match word.strip_prefix('/') {
            Some(_) => vec![package_dir],
            None if is_for_rustc => vec![dir],
            None => vec![dir, package_dir],
        };
        bases.iter().any(|base| {
            let named = normalized(&base.join(word.trim_start_matches('/')));
            // `..` alone names a directory that the package itself lies in: that is a start of a path, not a file.
            file.starts_with(&named) && !base.starts_with(&named)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, dir: &str, path_dependencies: &[&str]) -> Package {
        Package {
            name: name.into(),
            dir: dir.into(),
            path_dependencies: path_dependencies.iter().map(PathBuf::from).collect(),
            has_doctests: false,
            is_default: true,
        }
    }

    /// `app` → `adapter` → `core`; `nested` lies inside `core`; `vendored` is no member.
    fn packages() -> Vec<Package> {
        vec![
            package("core", "/w/crates/core", &[]),
            package("nested", "/w/crates/core/nested", &[]),
            package("adapter", "/w/crates/adapter", &["/w/crates/core", "/w/vendored"]),
            package("app", "/w/app", &["/w/crates/adapter"]),
        ]
    }

    #[track_caller]
    fn check(changed: &[&str], mentions: &[(&str, &str)], expected: &str) {
        let changed: Vec<PathBuf> = changed.iter().map(PathBuf::from).collect();
        let mentions: Vec<Mention> =
            mentions.iter().map(|&(file, line)| Mention { file: file.into(), line: line.into() }).collect();
        let found = match affected(Path::new("/w"), &packages(), &changed, &mentions) {
            Affected::All { why } => format!("all: {why}"),
            Affected::Packages(names) => names.into_iter().collect::<Vec<_>>().join(" "),
        };
        assert_eq!(found, expected);
    }

    #[test]
    fn files_belong_to_the_innermost_package() {
        check(&["/w/crates/core/src/lib.rs"], &[], "core");
        check(&["/w/crates/core/nested/src/lib.rs"], &[], "nested");
        check(&["/w/crates/core/nested/src/lib.rs", "/w/app/x"], &[], "app nested");
        check(&["/w/crates/core-else/lib.rs"], &[], "");
    }

    #[test]
    fn some_files_concern_all() {
        check(&["/w/Cargo.lock"], &[], "all: Cargo.lock changed");
        check(&["/w/app/a", "/w/Cargo.toml"], &[], "all: Cargo.toml changed");
        check(&["/w/.cargo/config.toml"], &[], "all: .cargo/config.toml changed");
        check(&["/rust-toolchain.toml"], &[], "all: /rust-toolchain.toml changed");
        check(&["/w/app/Cargo.toml"], &[], "app");
        check(&["/w/app/.cargo/config.toml"], &[], "app");
    }

    #[test]
    fn files_outside_concern_who_names_them() {
        check(&["/w/README.md"], &[], "");
        let doc = ("/w/app/src/main.rs", r#"#![doc = include_str!("../../README.md")]"#);
        check(&["/w/README.md"], &[doc], "app");
        check(&["/w/LICENSE"], &[doc], "");
        // Its own README, by the same words.
        check(&["/w/README.md"], &[("/w/app/src/main.rs", r#"include_str!("../README.md")"#)], "");
        let manifest_dir = r#"concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md")"#;
        check(&["/w/README.md"], &[("/w/app/src/deep/er.rs", manifest_dir)], "app");
        // A directory; and `..` alone, which is no name of anything.
        check(&["/w/protos/a/b.proto"], &[("/w/app/build.rs", r#"["../protos"]"#)], "app");
        check(&["/w/protos/a.proto"], &[("/w/app/build.rs", r#"root.join("../")"#)], "");
    }

    #[test]
    fn path_dependencies_that_are_no_members_hand_a_change_on() {
        check(&["/w/vendored/src/lib.rs"], &[], "adapter");
        let chain = ("/w/vendored/Cargo.toml", r#"deeper = { path = "../deeper" }"#);
        check(&["/w/deeper/src/lib.rs"], &[chain], "adapter");
    }

    #[test]
    fn dependents_are_added_through_others() {
        let only = |name: &str| Affected::Packages(BTreeSet::from([name.to_owned()]));
        let names =
            |names: &[&str]| Affected::Packages(names.iter().map(|name| (*name).to_owned()).collect());
        assert_eq!(with_dependents(only("core"), &packages()), names(&["adapter", "app", "core"]));
        assert_eq!(with_dependents(only("app"), &packages()), names(&["app"]));
    }
}

//! Which packages a change concerns.
//!
//! | changed file | concerns |
//! | --- | --- |
//! | the lockfile, the root manifest, the toolchain file, `.cargo/**` (of the root, or above it) | all packages |
//! | a file in a package's directory | that package; the innermost one where packages lie inside packages |
//! | a file that a package names by a relative path out of its own directory (`include_str!("../../…")`, `#[path]`, `rerun-if-changed`, a path dependency), or through a symbolic link | the packages that name it, too |
//! | any other file | none |
//!
//! A path that a build script computes at run time cannot be seen; `--package` names such a
//! package.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::project::changes::Mention;
use crate::project::packages::{Package, normalized};

/// What has to be built.
#[derive(Debug, PartialEq)]
pub(crate) enum Affected {
    All {
        why: String,
    },
    /// Names, sorted. Empty: nothing.
    Packages(BTreeSet<String>),
}

/// How files lead to others, beyond lying in the same package.
#[derive(Default)]
pub(crate) struct References {
    pub(crate) mentions: Vec<Mention>,
    /// Symbolic links and what they point to.
    pub(crate) links: Vec<(PathBuf, PathBuf)>,
}

/// `changed` and the directories of `packages` are absolute, without `.` and `..`.
pub(crate) fn affected(
    root: &Path,
    packages: &[Package],
    changed: &[PathBuf],
    references: &References,
) -> Affected {
    if let Some(file) = changed.iter().find(|file| concerns_all(root, file)) {
        let file = file.strip_prefix(root).unwrap_or(file);
        return Affected::All { why: format!("{} changed", file.display()) };
    }

    let mut names = BTreeSet::new();
    let mut concerned: Vec<PathBuf> = changed.to_vec();
    // A link, or a file of no package that names another file, hands the change on; this goes round
    // until nothing is new.
    let mut next = 0;
    while let Some(file) = concerned.get(next).cloned() {
        next += 1;
        let mut hand_on = |file: PathBuf| {
            if !concerned.contains(&file) {
                concerned.push(file);
            }
        };
        names.extend(owner(packages, &file).map(|package| package.name.clone()));
        let depends =
            |package: &&Package| package.path_dependencies.iter().any(|dir| file.starts_with(dir));
        let is_foreign = owner(packages, &file).is_none();
        names.extend(
            packages
                .iter()
                .filter(|_| is_foreign)
                .filter(depends)
                .map(|package| package.name.clone()),
        );

        for (link, target) in &references.links {
            if let Ok(inside) = file.strip_prefix(target) {
                hand_on(if inside.as_os_str().is_empty() {
                    link.clone()
                } else {
                    link.join(inside)
                });
            }
        }
        for mention in &references.mentions {
            let package = owner(packages, &mention.file);
            if names_file(mention, package, packages, &file) {
                match package {
                    Some(package) => drop(names.insert(package.name.clone())),
                    None => hand_on(mention.file.clone()),
                }
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
        let depends = |package: &&Package| {
            package.path_dependencies.iter().any(|dir| dirs.contains(&dir.as_path()))
        };
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
fn names_file(
    mention: &Mention,
    package: Option<&Package>,
    packages: &[Package],
    file: &Path,
) -> bool {
    let Some(dir) = mention.file.parent() else { return false };
    let package_dir = package.map_or(dir, |package| package.dir.as_path());
    // rustc reads `include_str!("../a")` and `#[path = "../a"]` from the file's own directory.
    // Build scripts, tests and whatever follows `CARGO_MANIFEST_DIR` start at the package's. Where
    // it may be either, it is both.
    let is_for_rustc = ["include!(", "include_str!(", "include_bytes!(", "#[path"];
    let is_for_rustc = is_for_rustc.iter().any(|start| mention.line.contains(start));

    let is_part_of_path = |c: char| c.is_alphanumeric() || "-_./+@".contains(c);
    mention.line.split(|c| !is_part_of_path(c)).filter(|word| word.contains("../")).any(|word| {
        // What follows `env!("CARGO_MANIFEST_DIR")` in a `concat!`, or `$CARGO_MANIFEST_DIR` in one
        // string.
        let after_manifest_dir =
            word.strip_prefix("CARGO_MANIFEST_DIR/").or_else(|| word.strip_prefix('/'));
        let bases = match after_manifest_dir {
            Some(_) => vec![package_dir],
            None if is_for_rustc => vec![dir],
            None => vec![dir, package_dir],
        };
        bases.iter().any(|base| {
            let named = normalized(&base.join(after_manifest_dir.unwrap_or(word)));
            // A member in a manifest is a dependency; those are `--dependents`' business.
            if mention.file.ends_with("Cargo.toml")
                && packages.iter().any(|package| package.dir == named)
            {
                return false;
            }
            // `..` alone names a directory that the package itself lies in: that is a start of a
            // path, not a file.
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
        let mentions: Vec<Mention> = mentions
            .iter()
            .map(|&(file, line)| Mention { file: file.into(), line: line.into() })
            .collect();
        let links = vec![
            ("/w/app/GUIDE.md".into(), "/w/GUIDE.md".into()),
            ("/w/app/data".into(), "/w/data".into()),
        ];
        let references = References { mentions, links };
        let found = match affected(Path::new("/w"), &packages(), &changed, &references) {
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
        check(&["/w/TEXT.md"], &[], "");
        let doc = ("/w/app/src/main.rs", r#"#![doc = include_str!("../../TEXT.md")]"#);
        check(&["/w/TEXT.md"], &[doc], "app");
        check(&["/w/TERMS"], &[doc], "");
        // Its own README, by the same words.
        check(&["/w/TEXT.md"], &[("/w/app/src/main.rs", r#"include_str!("../TEXT.md")"#)], "");
        let manifest_dir = r#"concat!(env!("CARGO_MANIFEST_DIR"), "/../TEXT.md")"#;
        check(&["/w/TEXT.md"], &[("/w/app/src/deep/er.rs", manifest_dir)], "app");
        // A directory; and `..` alone, which is no name of anything.
        check(&["/w/protocols/a/b.proto"], &[("/w/app/build.rs", r#"["../protocols"]"#)], "app");
        check(&["/w/protocols/a.proto"], &[("/w/app/build.rs", r#"root.join("../")"#)], "");
    }

    #[test]
    fn a_file_of_another_package_concerns_who_names_it_too() {
        let includes = ("/w/app/src/main.rs", r#"include_str!("../../crates/core/data.txt")"#);
        check(&["/w/crates/core/data.txt"], &[includes], "app core");
        let includes =
            ("/w/app/src/deep/er.rs", r#"include_dir!("$CARGO_MANIFEST_DIR/../crates/core/data")"#);
        check(&["/w/crates/core/data/a"], &[includes], "app core");
    }

    #[test]
    fn links_hand_a_change_on() {
        check(&["/w/GUIDE.md"], &[], "app");
        check(&["/w/data/deep/a.txt"], &[], "app");
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
        let names = |names: &[&str]| {
            Affected::Packages(names.iter().map(|name| (*name).to_owned()).collect())
        };
        assert_eq!(with_dependents(only("core"), &packages()), names(&["adapter", "app", "core"]));
        assert_eq!(with_dependents(only("app"), &packages()), names(&["app"]));
    }
}

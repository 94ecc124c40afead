//! Lockfiles: what of the template's is xtask's, and whether a project's says of every package what it said before.

use std::collections::BTreeSet;

use anyhow::Context as _;
use toml_edit::{DocumentMut, Item, Table, value};

fn packages(lockfile: &DocumentMut) -> impl Iterator<Item = &Table> {
    lockfile.get("package").and_then(Item::as_array_of_tables).into_iter().flat_map(|tables| tables.iter())
}

fn text<'a>(package: &'a Table, key: &str) -> &'a str {
    package.get(key).and_then(Item::as_str).unwrap_or_default()
}

/// The template's lockfile, for xtask as a workspace of its own: its dependencies, but for those of its tests.
pub(crate) fn of_xtask(template: &str, name: &str, version: &str) -> anyhow::Result<String> {
    let mut lockfile: DocumentMut = template.parse().context("the template's Cargo.lock")?;
    let wanted = reachable(&lockfile, vec!["xtask".to_owned()]);
    let mut kept: Vec<Table> =
        packages(&lockfile).filter(|package| wanted.contains(&id(package))).cloned().collect();
    for package in kept.iter_mut().filter(|package| text(package, "name") == "xtask") {
        package.insert("name", value(name));
        package.insert("version", value(version));
        if let Some(dependencies) = package.get_mut("dependencies").and_then(Item::as_array_mut) {
            dependencies.retain(|dependency| dependency.as_str() != Some(OF_TESTS));
        }
    }
    kept.sort_by_key(|package| (text(package, "name").to_owned(), text(package, "version").to_owned()));
    let tables = lockfile.get_mut("package").and_then(Item::as_array_of_tables_mut).context("no packages")?;
    tables.clear();
    tables.extend(kept.into_iter().map(|mut package| {
        package.set_position(None);
        package
    }));
    Ok(lockfile.to_string())
}

/// The dependency that only xtask's tests have.
const OF_TESTS: &str = "expect-test";

fn id(package: &Table) -> (String, String) {
    (text(package, "name").to_owned(), text(package, "version").to_owned())
}

/// These and what they depend on. A lockfile says `name`, or `name version` where there are two.
fn reachable(lockfile: &DocumentMut, mut open: Vec<String>) -> BTreeSet<(String, String)> {
    let mut found = BTreeSet::new();
    while let Some(wanted) = open.pop() {
        let mut words = wanted.split(' ');
        let (name, version) = (words.next().unwrap_or_default(), words.next());
        let is_it = |package: &&Table| {
            text(package, "name") == name && version.is_none_or(|version| text(package, "version") == version)
        };
        for package in packages(lockfile).filter(is_it) {
            if found.insert(id(package)) {
                let dependencies = package.get("dependencies").and_then(Item::as_array);
                let names = dependencies.into_iter().flatten().filter_map(|name| name.as_str());
                open.extend(names.filter(|name| *name != OF_TESTS).map(str::to_owned));
            }
        }
    }
    found
}

/// The project's lockfile, with those of xtask's packages behind it of which it has no compatible version: cargo takes what it
/// needs of them, in the versions that the template is tested with, and leaves the rest out.
pub(crate) fn seeded(project: &str, template: &str) -> anyhow::Result<String> {
    let own: DocumentMut = project.parse().context("Cargo.lock")?;
    let template: DocumentMut = template.parse().context("the template's Cargo.lock")?;
    let has = |name: &str, version: &str| {
        packages(&own).any(|package| {
            text(package, "name") == name && compatible(text(package, "version")) == compatible(version)
        })
    };
    let mut seeded = project.trim_end().to_owned();
    for (name, version) in reachable(&template, vec!["xtask".to_owned()]) {
        if name == "xtask" || has(&name, &version) {
            continue;
        }
        let package = packages(&template).find(|package| id(package) == (name.clone(), version.clone()));
        for key in ["source", "checksum"] {
            if key == "source" {
                seeded.push_str(&format!("\n\n[[package]]\nname = \"{name}\"\nversion = \"{version}\"\n"));
            }
            if let Some(value) = package.map(|package| text(package, key)).filter(|value| !value.is_empty()) {
                seeded.push_str(&format!("{key} = \"{value}\"\n"));
            }
        }
    }
    seeded.push('\n');
    Ok(seeded)
}

/// `1` of `1.2.3`, `0.3` of `0.3.4`, `0.0.5` of `0.0.5`: what cargo has once in a lockfile.
fn compatible(version: &str) -> String {
    let parts: Vec<&str> = version.split('.').collect();
    let count = 1 + parts.iter().take(2).take_while(|part| **part == "0").count();
    parts[..count.min(parts.len())].join(".")
}

/// The packages of `old`, but for those that only `name` needs, that `new` has not in that version and from that source.
pub(crate) fn changed(old: &str, new: &str, name: &str) -> anyhow::Result<Vec<String>> {
    let lockfile: DocumentMut = old.parse().context("Cargo.lock")?;
    let own = packages(&lockfile).filter(|package| package.get("source").is_none());
    let others = own.map(|package| text(package, "name").to_owned()).filter(|own| own != name).collect();
    let wanted = reachable(&lockfile, others);
    let new = all(new)?;
    let is_changed = |(name, version, source): &&(String, String, String)| {
        !source.is_empty() && wanted.contains(&(name.clone(), version.clone()))
    };
    let old = all(old)?;
    Ok(old
        .difference(&new)
        .filter(is_changed)
        .map(|(name, version, _)| format!("{name} {version}"))
        .collect())
}

/// Name, version and source of each package.
fn all(lockfile: &str) -> anyhow::Result<BTreeSet<(String, String, String)>> {
    let lockfile: DocumentMut = lockfile.parse().context("Cargo.lock")?;
    let of = |package: &Table| {
        let (name, version) = id(package);
        (name, version, text(package, "source").to_owned())
    };
    Ok(packages(&lockfile).map(of).collect())
}

/// What is new in a lockfile of which no version has changed, in a few lines.
pub(crate) fn shown(old: &str, new: &str) -> anyhow::Result<String> {
    const LINE: usize = 100;
    let added: Vec<String> =
        all(new)?.difference(&all(old)?).map(|(name, version, _)| format!("{name} {version}")).collect();
    let mut out = format!("new in Cargo.lock: {} packages, and no other version changes:\n ", added.len());
    let mut column = 1;
    for package in &added {
        if column + package.len() + 2 > LINE {
            out.push_str("\n ");
            column = 1;
        }
        out.push_str(&format!(" {package},"));
        column += package.len() + 2;
    }
    Ok(out.trim_end_matches(',').to_owned() + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lockfile(packages: &[(&str, &str, &[&str])]) -> String {
        let mut text = "# This file is automatically @generated by Cargo.\nversion = 4\n".to_owned();
        for (name, version, dependencies) in packages {
            text.push_str(&format!("\n[[package]]\nname = \"{name}\"\nversion = \"{version}\"\n"));
            if !dependencies.is_empty() {
                let list: String = dependencies.iter().map(|name| format!(" \"{name}\",\n")).collect();
                text.push_str(&format!("dependencies = [\n{list}]\n"));
            }
        }
        text
    }

    fn template() -> String {
        lockfile(&[
            ("a", "1.0.0", &["b 2.0.0"]),
            ("b", "1.0.0", &[]),
            ("b", "2.0.0", &[]),
            ("dissimilar", "1.0.0", &[]),
            ("expect-test", "1.0.0", &["dissimilar"]),
            ("notes", "0.1.0", &["b 1.0.0"]),
            ("xtask", "0.1.0", &["a", "expect-test"]),
        ])
    }

    #[test]
    fn xtask_alone_has_its_own_dependencies() {
        let expected =
            lockfile(&[("a", "1.0.0", &["b 2.0.0"]), ("b", "2.0.0", &[]), ("lanes", "0.2.0", &["a"])]);
        assert_eq!(of_xtask(&template(), "lanes", "0.2.0").expect("a lockfile"), expected);
    }

    #[test]
    fn what_a_project_has_is_not_offered_again() {
        let seeded = seeded(&lockfile(&[("a", "1.5.0", &[])]), &template()).expect("a lockfile");
        let names: Vec<_> = seeded.lines().filter(|line| line.starts_with("name")).collect();
        assert_eq!(names, ["name = \"a\"", "name = \"b\""], "{seeded}");
        assert!(seeded.contains("name = \"b\"\nversion = \"2.0.0\""), "{seeded}");
    }

    #[test]
    fn versions_are_compatible_as_cargo_has_it() {
        for (version, expected) in
            [("1.2.3", "1"), ("0.3.4", "0.3"), ("0.0.5", "0.0.5"), ("10.0.0-rc.1", "10")]
        {
            assert_eq!(compatible(version), expected);
        }
    }

    #[test]
    fn a_version_that_changed_is_named() {
        let remote = |text: String| {
            text.replace("version = \"1.0.0\"\n", "version = \"1.0.0\"\nsource = \"registry\"\n")
                .replace("version = \"1.0.1\"\n", "version = \"1.0.1\"\nsource = \"registry\"\n")
        };
        let app = ("app", "0.1.0", &["a", "b"][..]);
        let old = remote(lockfile(&[app, ("a", "1.0.0", &[]), ("b", "1.0.0", &[])]));
        let new = remote(lockfile(&[app, ("a", "1.0.1", &[]), ("b", "1.0.0", &[]), ("c", "1.0.0", &[])]));
        assert_eq!(changed(&old, &new, "xtask").expect("lockfiles"), ["a 1.0.0"]);
        assert_eq!(changed(&old, &old, "xtask").expect("lockfiles"), [""; 0]);

        // A later xtask may have another version, and need less.
        let app = ("app", "0.1.0", &["a"][..]);
        let old =
            remote(lockfile(&[app, ("a", "1.0.0", &[]), ("b", "1.0.0", &[]), ("xtask", "0.1.0", &["b"])]));
        let new = remote(lockfile(&[app, ("a", "1.0.0", &[]), ("xtask", "0.2.0", &[])]));
        assert_eq!(changed(&old, &new, "xtask").expect("lockfiles"), [""; 0]);
        assert_eq!(changed(&old, &new, "lanes").expect("lockfiles"), ["b 1.0.0"]);
    }
}

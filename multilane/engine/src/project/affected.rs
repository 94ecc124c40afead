//! Which packages a change concerns.
//!
//! | changed file | concerns |
//! | --- | --- |
//! | the toolchain file, cargo's configuration and what it names | all packages |
//! | the lockfile | the packages that depend on what changed in it, or all where that is not known |
//! | the root manifest | its own package where nothing else in it changed, otherwise all |
//! | a file in a package's directory | that package; the innermost one where packages lie inside packages |
//! | a file that a package names by a relative path out of its own directory (`include_str!("../../…")`, `#[path]`, `rerun-if-changed`, a path dependency), or through a symbolic link | the packages that name it, too |
//! | a file of a package of which another one names code so | that package, too: what it names may name any other file |
//! | a file of a package inside another one that names it by its path | the outer package, too |
//! | a file of a package that a Rust source names by its path from the workspace's root | the packages that name it, too |
//! | a file that a procedural macro of another package names | the packages that depend on the macro, too |
//! | any file | the packages whose build script climbs out of them, itself or by a build dependency |
//! | a manifest that no longer asks for a feature of a package | the packages that use that one and do not ask for it |
//! | a directory that is a repository of its own, such as a submodule | the packages in it, and those that name it |
//! | `clippy.toml`, `rustfmt.toml` | the packages in and below its directory |
//! | any other file, unless it is one that no build reads (a README that no source names) | all packages |
//!
//! In doubt a package more is checked. A path into another package that a macro or a test computes
//! at run time cannot be seen; `--package` names such a package.

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};

use toml_edit::{DocumentMut, Item, TableLike};

use crate::files;
use crate::project::changes::Mention;
use crate::project::included::with_modules;
use crate::project::packages::{Package, normalized};

/// What has to be built.
#[derive(Debug, PartialEq)]
pub enum Affected {
    All {
        why: String,
    },
    /// Names, sorted. Empty: nothing.
    Packages(BTreeSet<String>),
}

/// How files lead to others, beyond lying in the same package.
#[derive(Default)]
pub struct References {
    pub mentions: Vec<Mention>,
    /// Symbolic links and what they point to.
    pub links: Vec<(PathBuf, PathBuf)>,
    /// Files and directories that cargo's configuration names.
    pub configured: Vec<PathBuf>,
    /// Packages whose build script [climbs].
    pub climbers: Vec<String>,
    /// Packages that are procedural macros.
    pub macros: Vec<String>,
}

/// The workspace, as far as it decides on this. All paths are absolute, without `.` and `..`.
pub struct Workspace<'a> {
    pub root: &'a Path,
    /// Where cargo is started: it looks for its configuration from there upwards.
    pub start: &'a Path,
    pub packages: &'a [Package],
}

pub fn affected(
    workspace: &Workspace<'_>,
    changed: &[PathBuf],
    references: &References,
) -> Affected {
    let packages = workspace.packages;
    let named: Vec<Named<'_>> =
        references.mentions.iter().map(|it| Named::of(it, workspace.root, packages)).collect();
    let all = |file: &Path| {
        let file = file.strip_prefix(workspace.root).unwrap_or(file);
        Affected::All { why: format!("{} changed", file.display()) }
    };
    let mut names = BTreeSet::new();
    let mut concerned: Vec<PathBuf> = changed.to_vec();
    // A link, or a file of no package that names another file, hands the change on; this goes round
    // until nothing is new.
    let mut next = 0;
    while let Some(file) = concerned.get(next).cloned() {
        next += 1;
        if concerns_all(workspace, references, &file) {
            return all(&file);
        }
        let mut takers: BTreeSet<&str> = packages
            .iter()
            .filter(|package| is_taken_by_place(package, packages, &file))
            .map(|package| package.name.as_str())
            .collect();
        let mut handed_on = Vec::new();
        for (link, target) in &references.links {
            if let Ok(inside) = file.strip_prefix(target) {
                let is_target = inside.as_os_str().is_empty();
                handed_on.push(if is_target { link.clone() } else { link.join(inside) });
            } else if target.starts_with(&file) {
                handed_on.push(link.clone());
            }
        }
        let mut is_spelled = false;
        for mention in &named {
            let spells = mention.spells(&file);
            is_spelled |= spells;
            match mention.package {
                // The file that names it may be one of a path dependency inside a member.
                Some(_) if spells || mention.names(&file) => {
                    let takes =
                        |package: &&Package| is_taken_by_place(package, packages, mention.file);
                    takers.extend(packages.iter().filter(takes).map(|taker| taker.name.as_str()));
                }
                None if mention.names(&file) => handed_on.push(mention.file.to_owned()),
                _ => {}
            }
        }
        let owner = owner(packages, &file);
        let is_of_package = owner.is_some_and(|owner| {
            let is_alone = owner.dir != workspace.root || packages.len() == 1;
            is_alone || is_source_of(owner, &file)
        });
        let is_taken = !handed_on.is_empty()
            || takers.iter().any(|name| owner.is_none_or(|owner| owner.name != *name));
        if !is_of_package && (is_spelled || (!is_taken && !is_of_no_build(&file))) {
            return all(&file);
        }
        // What a macro reads of others counts where it is used.
        let reads = |name: &&String| {
            takers.contains(&***name) && owner.is_none_or(|owner| owner.name != **name)
        };
        let macros = references.macros.iter().filter(reads).cloned().collect();
        if let Affected::Packages(users) = with_dependents(Affected::Packages(macros), packages) {
            names.extend(users);
        }
        names.extend(takers.into_iter().map(str::to_owned));
        handed_on.retain(|file| !concerned.contains(file));
        concerned.append(&mut handed_on);
    }
    if !changed.is_empty() {
        names.extend(references.climbers.iter().cloned());
    }
    loop {
        let count = names.len();
        let named = named.iter().filter_map(|mention| Some((mention.package?, &mention.code_of)));
        let takers: Vec<&Package> = named
            .filter(|(_, code_of)| code_of.iter().any(|name| names.contains(*name)))
            .map(|(package, _)| package)
            .collect();
        names.extend(takers.into_iter().map(|package| package.name.clone()));
        if names.len() == count {
            return Affected::Packages(names);
        }
    }
}

/// Whether a build script may read whatever lies above its package, by a path that is in none of
/// its literals.
pub fn climbs(script: &str) -> bool {
    const STARTS: [&str; 4] = ["CARGO_MANIFEST_DIR", "current_dir", "canonicalize", "file!("];
    let is_any = |words: &[&str]| words.iter().any(|word| script.contains(word));
    let is_up = |text: &str| text.contains("..") && text.chars().all(|c| "./".contains(c));
    (is_any(&STARTS) && is_any(&[".parent()", ".ancestors()", ".pop()"]))
        || script.split('"').any(is_up)
}

pub fn is_macro(manifest: &str) -> bool {
    let manifest = manifest.parse::<DocumentMut>().unwrap_or_default();
    let is = |key: &str| manifest.get("lib")?.get(key)?.as_bool();
    is("proc-macro").or_else(|| is("proc_macro")) == Some(true)
}

/// The sources of a build script, and of the packages in the tree that it is built with.
pub fn sources_of_script(package: &Package, packages: &[Package]) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> =
        package.script.iter().flat_map(|script| with_modules(script)).collect();
    let manifest = |dir: &Path| files::read_text(dir.join("Cargo.toml")).unwrap_or_default();
    let text = manifest(&package.dir);
    let Ok(own) = text.parse::<DocumentMut>() else { return found };
    if found.is_empty() {
        return found;
    }
    let names: Vec<String> = dependencies(&own, &["build-dependencies"])
        .map(|(name, item)| format!("\"{}\"", package_name(name, item)))
        .collect();
    let is_used = |dir: &&PathBuf| names.iter().any(|name| manifest(dir).contains(name));
    let mut dirs: Vec<&PathBuf> = package.path_dependencies.iter().filter(is_used).collect();
    let mut next = 0;
    while let Some(dir) = dirs.get(next).copied() {
        next += 1;
        files::walk(&dir.join("src"), &mut |path, _| {
            found.extend(Some(path.to_owned()).filter(|path| is_rust(path)));
        });
        let members = packages.iter().filter(|package| package.dir == *dir);
        for dir in members.flat_map(|package| &package.path_dependencies) {
            if !dirs.contains(&dir) && *dir != package.dir {
                dirs.push(dir);
            }
        }
    }
    found
}

/// What a manifest asks for of other packages: `name`, and `name/feature` for each feature.
pub fn asked_features(manifest: &str) -> BTreeSet<String> {
    const KINDS: [&str; 3] = ["dependencies", "dev-dependencies", "build-dependencies"];
    const FEATURES: [&str; 1] = ["features"];
    let Ok(manifest) = manifest.parse::<DocumentMut>() else { return BTreeSet::new() };
    let strings = |item: Option<&Item>| -> Vec<String> {
        let list = item.and_then(Item::as_array).into_iter().flatten();
        list.filter_map(|it| it.as_str().map(str::to_owned)).collect()
    };
    let mut found = BTreeSet::new();
    for (key, item) in dependencies(&manifest, &KINDS) {
        let name = package_name(key, item);
        let is = |key: &str, value: bool| item.get(key).and_then(Item::as_bool) == Some(value);
        found.insert(name.to_owned());
        found.extend(strings(item.get("features")).iter().map(|it| format!("{name}/{it}")));
        found.extend((!is("default-features", false)).then(|| format!("{name}/default")));
        // And what is in the workspace's table.
        found.extend(is("workspace", true).then(|| format!("{name}/of the workspace")));
        let of_own = dependencies(&manifest, &FEATURES).flat_map(|(_, item)| strings(Some(item)));
        found.extend(of_own.filter_map(|it| {
            let (of, feature) = it.split_once('/')?;
            (of.trim_end_matches('?') == key).then(|| format!("{name}/{feature}"))
        }));
    }
    found
}

/// The entries of these tables of a manifest, and of its targets.
fn dependencies<'a>(
    manifest: &'a DocumentMut,
    kinds: &'a [&str],
) -> impl Iterator<Item = (&'a str, &'a Item)> {
    let targets = manifest.get("target").and_then(Item::as_table_like);
    let targets = targets.into_iter().flat_map(TableLike::iter).map(|(_, target)| target);
    std::iter::once(manifest.as_item())
        .chain(targets)
        .flat_map(|table| kinds.iter().filter_map(|kind| table.get(kind)?.as_table_like()))
        .flat_map(TableLike::iter)
}

fn package_name<'a>(key: &'a str, dependency: &'a Item) -> &'a str {
    dependency.get("package").and_then(Item::as_str).unwrap_or(key)
}

fn is_rust(file: &Path) -> bool {
    file.extension().is_some_and(|end| end == "rs")
}

/// What the sources name by paths with `..`.
pub fn named_paths(mentions: &[Mention], root: &Path, packages: &[Package]) -> BTreeSet<PathBuf> {
    mentions.iter().flat_map(|mention| Named::of(mention, root, packages).paths).collect()
}

/// Whether a package is concerned because of where it, or a path dependency of it, lies.
fn is_taken_by_place(package: &Package, packages: &[Package], file: &Path) -> bool {
    const OF_ALL_BELOW: [&str; 4] =
        ["clippy.toml", ".clippy.toml", "rustfmt.toml", ".rustfmt.toml"];
    let owner = owner(packages, file);
    let is_owner = || owner.is_some_and(|owner| owner.dir == package.dir);
    // A repository in the checkout: git tells that something in it changed, and not what.
    let is_inside = || package.dir.starts_with(file);
    let is_configured = || {
        OF_ALL_BELOW.iter().any(|name| file.ends_with(name))
            && file.parent().is_some_and(|dir| package.dir.starts_with(dir))
    };
    let is_member = |dir: &PathBuf| packages.iter().any(|package| package.dir == *dir);
    let depends = |dir: &PathBuf| {
        let is_of_it = file.starts_with(dir) && owner.is_none_or(|own| !own.dir.starts_with(dir));
        is_of_it || (dir.starts_with(file) && !is_member(dir))
    };
    is_owner() || is_inside() || is_configured() || package.path_dependencies.iter().any(depends)
}

/// Adds the packages that depend on the affected ones, through any number of others.
pub fn with_dependents(affected: Affected, packages: &[Package]) -> Affected {
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

fn concerns_all(workspace: &Workspace<'_>, references: &References, file: &Path) -> bool {
    const FILES: [&str; 4] = ["Cargo.toml", "Cargo.lock", "rust-toolchain.toml", "rust-toolchain"];
    let is_of = |dir: &Path| {
        let Ok(inside) = file.strip_prefix(dir) else {
            return false;
        };
        inside.starts_with(".cargo") || FILES.iter().any(|name| inside == Path::new(name))
    };
    let is_below_root = workspace.start.starts_with(workspace.root);
    let below =
        workspace.start.ancestors().take_while(|dir| is_below_root && *dir != workspace.root);
    let is_own = below.clone().any(|dir| file.starts_with(dir.join(".cargo")));
    // cargo and rustup look for their files in every directory above the root as well.
    is_own
        || workspace.root.ancestors().any(is_of)
        || references.configured.iter().any(|named| file.starts_with(named))
}

/// What a root manifest says of other packages than its own. `None` where it is none.
pub fn of_all_packages(manifest: &str) -> Option<String> {
    let mut manifest: DocumentMut = manifest.parse().ok()?;
    const OF_ALL: [&str; 5] = ["cargo-features", "patch", "profile", "replace", "workspace"];
    manifest.retain(|key, _| OF_ALL.contains(&key));
    Some(manifest.to_string())
}

/// Whether it lies where cargo looks for a package's own sources. A package at the workspace's root
/// has all other files in its directory, too.
fn is_source_of(package: &Package, file: &Path) -> bool {
    const SOURCES: [&str; 6] = ["src", "tests", "benches", "examples", "build.rs", "build"];
    let inside = file.strip_prefix(&package.dir).unwrap_or(file);
    SOURCES.iter().any(|source| inside.starts_with(source))
}

/// Whether it is of a kind that no build reads, unless a source names it.
pub(crate) fn is_of_no_build(file: &Path) -> bool {
    const NAMES: [&str; 10] = [
        ".DS_Store",
        ".editorconfig",
        ".gitattributes",
        ".gitignore",
        ".gitlab-ci.yml",
        ".mailmap",
        "CODEOWNERS",
        "COPYING",
        "Makefile",
        "justfile",
    ];
    const DIRS: [&str; 6] = [".devcontainer", ".github", ".gitlab", ".idea", ".vscode", ".zed"];
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    name.ends_with(".md")
        || name.starts_with("LICENSE")
        || NAMES.contains(&&*name)
        || file.components().any(|part| DIRS.iter().any(|dir| part.as_os_str() == *dir))
}

/// The package in whose directory `file` lies, the innermost one.
pub(crate) fn owner<'a>(packages: &'a [Package], file: &Path) -> Option<&'a Package> {
    packages
        .iter()
        .filter(|package| file.starts_with(&package.dir))
        .max_by_key(|package| package.dir.as_os_str().len())
}

/// The directories of the packages inside a package, as they are written from there.
pub(crate) fn inner_packages<'a>(
    package: &'a Package,
    packages: &'a [Package],
) -> impl Iterator<Item = &'a Path> {
    let inner = packages.iter().filter_map(|inner| inner.dir.strip_prefix(&package.dir).ok());
    inner.filter(|inner| !inner.as_os_str().is_empty())
}

/// What follows `env!("CARGO_MANIFEST_DIR")` in a `concat!`, or `$CARGO_MANIFEST_DIR` in one
/// string, begins with this.
const MANIFEST_DIR: &str = "CARGO_MANIFEST_DIR/";

/// What a few lines of a file name.
struct Named<'a> {
    file: &'a Path,
    package: Option<&'a Package>,
    /// Files and directories that a path out of the package leads to.
    paths: Vec<PathBuf>,
    /// Other packages, of which that is code.
    code_of: BTreeSet<&'a str>,
    /// File names in other paths, of which it is not known where they begin.
    names: HashSet<&'a str>,
}

impl<'a> Named<'a> {
    fn of(mention: &'a Mention, root: &Path, packages: &'a [Package]) -> Named<'a> {
        let file = mention.file.as_path();
        let package = owner(packages, file);
        let dir = file.parent().unwrap_or(file);
        let package_dir = package.map_or(dir, |package| package.dir.as_path());
        // rustc reads `include_str!("../a")` and `#[path = "../a"]` from the file's own directory.
        // Build scripts, tests and whatever follows `CARGO_MANIFEST_DIR` start at the package's.
        // Where it may be either, it is both.
        let first = mention.text.lines().next().unwrap_or_default();
        let has = |starts: &[&str]| starts.iter().any(|start| first.contains(start));
        let (includes_code, includes_text) =
            (has(&["include!(", "#[path"]), has(&["include_str!(", "include_bytes!("]));
        let is_for_rustc = includes_code || includes_text;
        let is_manifest = file.ends_with("Cargo.toml");
        let is_comment = first.trim_start().starts_with("//");
        // A path down into another package needs no `..`.
        let inner = match package {
            Some(package) if is_rust(file) => inner_packages(package, packages).collect(),
            _ => Vec::new(),
        };

        let mut named = Named {
            file,
            package,
            paths: Vec::new(),
            code_of: BTreeSet::new(),
            names: HashSet::new(),
        };
        for path in paths_in(&mention.text, is_manifest, &inner) {
            let in_package = path.strip_prefix(MANIFEST_DIR).or_else(|| path.strip_prefix('/'));
            let bases = match in_package {
                Some(_) => vec![package_dir],
                None if is_for_rustc => vec![dir],
                None => vec![dir, package_dir],
            };
            for base in bases {
                let path = normalized(&base.join(in_package.unwrap_or(&path)));
                // A member in a manifest is a dependency; those are `--dependents`' business.
                // `..` alone names a directory that the package itself lies in: that is a start of
                // a path, not a file.
                let is_member = is_manifest && packages.iter().any(|package| package.dir == path);
                if is_member || base.starts_with(&path) {
                    continue;
                }
                let is_code = (includes_code || !(includes_text || is_comment))
                    && package.is_some_and(|own| !own.path_dependencies.contains(&path))
                    && !is_of_no_build(&path);
                match owner(packages, &path).filter(|_| is_code) {
                    // Around this one: what lies in the same folder at its top.
                    Some(other) if package_dir.starts_with(&other.dir) => {
                        let inside = path.strip_prefix(&other.dir).unwrap_or(&path);
                        let top = other.dir.join(inside.iter().next().unwrap_or_default());
                        let has_package = packages.iter().any(|inner| inner.dir.starts_with(&top));
                        named.paths.extend(Some(top).filter(|_| !has_package));
                    }
                    Some(other) => drop(named.code_of.insert(&other.name)),
                    None => {}
                }
                named.paths.push(path);
            }
        }
        if is_rust(file) && !is_comment {
            let literals = first.split('"').skip(1).step_by(2);
            named.paths.extend(literals.filter_map(|it| path_from_root(it, root, packages)));
        }
        if !is_for_rustc && !is_manifest && !is_comment {
            named.names.extend(first.split('"').filter_map(name_in));
        }
        named
    }

    fn names(&self, file: &Path) -> bool {
        self.paths.iter().any(|path| file.starts_with(path) || path.starts_with(file))
    }

    fn spells(&self, file: &Path) -> bool {
        file.file_name()
            .and_then(|name| name.to_str())
            .is_some_and(|name| self.names.contains(name))
    }
}

fn is_part_of_path(c: char) -> bool {
    c.is_alphanumeric() || "-_./+@".contains(c)
}

/// The file name at the end of a string literal that is no path of the package's own or with `..`.
fn name_in(literal: &str) -> Option<&str> {
    let path = literal.rsplit(|c| !is_part_of_path(c)).next()?;
    let is_resolved = path.starts_with('/') || path.split('/').any(|part| part == "..");
    // Sources are searched for none of these names.
    let is_searched =
        |name: &&str| name.contains('.') && !name.ends_with(".rs") && *name != "Cargo.toml";
    path.rsplit('/').next().filter(|name| !is_resolved && is_searched(name))
}

/// What a literal begins with, where that leads from the workspace's root into a package or to a
/// folder of packages. A macro is started there. The name of a package alone may be anything.
fn path_from_root(literal: &str, root: &Path, packages: &[Package]) -> Option<PathBuf> {
    let literal = literal.strip_prefix("./").unwrap_or(literal);
    let words = literal.split(|c| !is_part_of_path(c)).next()?;
    let path = root.join(words.trim_end_matches('/'));
    let leads_into = |package: &Package| {
        package.dir != root && (path.starts_with(&package.dir) || package.dir.starts_with(&path))
    };
    let is_name = !words.contains('/') && packages.iter().any(|package| package.dir == path);
    let is_up = path == root || words.split('/').any(|part| part == "..");
    (!is_name && !is_up && packages.iter().any(leads_into)).then_some(path)
}

/// The paths in these lines that go up, or down into one of the `inner` packages. One may stand in
/// several string literals, as in `concat!("..", "/a/", "b.txt")` and `.join("..").join("a")`, and
/// in a literal over two lines; in a manifest it does not.
fn paths_in(text: &str, is_manifest: bool, inner: &[&Path]) -> BTreeSet<String> {
    let mut joined = String::new();
    for line in text.lines() {
        match line.strip_suffix('\\') {
            Some(line) if joined.is_empty() => joined.push_str(line),
            Some(line) => joined.push_str(line.trim_start()),
            None => {
                joined.push_str(if joined.is_empty() { line } else { line.trim_start() });
                joined.push('\n');
            }
        }
    }
    let mut found = BTreeSet::new();
    let literals: Vec<&str> = joined.split('"').collect();
    let leads_out = |path: &str, is_whole: bool| {
        let down = Path::new(path.strip_prefix(MANIFEST_DIR).unwrap_or(path).trim_matches('/'));
        let down = down.strip_prefix(".").unwrap_or(down);
        let is_above = is_whole && !down.as_os_str().is_empty();
        path.split('/').any(|part| part == "..")
            || inner.iter().any(|dir| down.starts_with(dir) || (is_above && dir.starts_with(down)))
    };
    for (at, literal) in literals.iter().enumerate() {
        let words = literal.split(|c| !is_part_of_path(c));
        let words = words.filter(|word| leads_out(word, word == literal));
        found.extend(words.map(str::to_owned));
        // What the next literals add: this one may lie inside a string, so either kind counts.
        let last = literal.rsplit(|c| !is_part_of_path(c)).next().unwrap_or_default();
        let (mut glued, mut jointed) = (last.to_owned(), last.to_owned());
        for next in literals.iter().skip(at + 2).step_by(2) {
            if is_manifest
                || last.is_empty()
                || next.is_empty()
                || !next.chars().all(is_part_of_path)
            {
                break;
            }
            glued.push_str(next);
            jointed = format!("{jointed}/{next}");
            found.extend(
                [&glued, &jointed].into_iter().filter(|path| leads_out(path, true)).cloned(),
            );
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, dir: &str, path_dependencies: &[&str]) -> Package {
        Package {
            name: name.into(),
            dir: dir.into(),
            path_dependencies: path_dependencies.iter().map(PathBuf::from).collect(),
            script: None,
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
            .map(|&(file, text)| Mention { file: file.into(), text: text.into() })
            .collect();
        let links = vec![
            ("/w/app/GUIDE.md".into(), "/w/GUIDE.md".into()),
            ("/w/app/data".into(), "/w/data".into()),
        ];
        let configured = vec!["/w/locks/Cargo.lock".into()];
        let references = References { mentions, links, configured, ..References::default() };
        let (root, start, packages) = (Path::new("/w"), Path::new("/w/app"), packages());
        let workspace = Workspace { root, start, packages: &packages };
        let found = match affected(&workspace, &changed, &references) {
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
        check(&["/w/crates/core-else/README.md"], &[], "");
    }

    #[test]
    fn some_files_concern_all() {
        check(&["/w/Cargo.lock"], &[], "all: Cargo.lock changed");
        check(&["/w/app/a", "/w/Cargo.toml"], &[], "all: Cargo.toml changed");
        check(&["/w/.cargo/config.toml"], &[], "all: .cargo/config.toml changed");
        check(&["/rust-toolchain.toml"], &[], "all: /rust-toolchain.toml changed");
        check(&["/w/app/Cargo.toml"], &[], "app");
        check(&["/w/app/Cargo.lock"], &[], "app");
        // The user stands in `app`.
        check(&["/w/app/.cargo/config.toml"], &[], "all: app/.cargo/config.toml changed");
        check(&["/w/crates/core/.cargo/config.toml"], &[], "core");
        check(&["/w/locks/Cargo.lock"], &[], "all: locks/Cargo.lock changed");
    }

    #[test]
    fn a_file_of_no_package_concerns_all_unless_no_build_reads_it() {
        for file in ["/w/clippy.json", "/w/crates/core-else/lib.rs", "/w/locks", "/w/TERMS"] {
            let shown = file.trim_start_matches("/w/");
            check(&[file, "/w/app/x"], &[], &format!("all: {shown} changed"));
        }
        check(&["/w/NEWS.md", "/w/LICENSE-MIT", "/w/.github/workflows/ci.yml"], &[], "");
        // A source reads a file of this name; it may be this one.
        let reads = ("/w/crates/core/src/lib.rs", r#"std::fs::read_to_string("NEWS.md")"#);
        check(&["/w/NEWS.md"], &[reads], "all: NEWS.md changed");
        check(&["/w/app/NEWS.md"], &[reads], "app core");
        check(&["/w/NEWS.md"], &[("/w/app/src/main.rs", r#"// as in "NEWS.md""#)], "");
    }

    #[test]
    fn a_package_at_the_root_has_only_its_sources_for_itself() {
        let packages = [package("root", "/w", &[]), package("core", "/w/core", &[])];
        let check = |file: &str| {
            let root = Path::new("/w");
            let workspace = Workspace { root, start: root, packages: &packages };
            affected(&workspace, &[file.into()], &References::default())
        };
        for file in ["/w/src/lib.rs", "/w/README.md"] {
            assert_eq!(check(file), Affected::Packages(BTreeSet::from(["root".to_owned()])));
        }
        assert_eq!(check("/w/data/x"), Affected::All { why: "data/x changed".to_owned() });
    }

    #[test]
    fn a_repository_inside_concerns_the_packages_in_it_and_those_that_name_it() {
        check(&["/w/crates"], &[], "adapter core nested");
        check(&["/w/vendored"], &[], "adapter");
        let reads = ("/w/crates/core/src/lib.rs", r#"include!("../../../library/a.rs")"#);
        check(&["/w/library"], &[reads], "core");
        check(&["/w/data"], &[], "app");
    }

    #[test]
    fn lints_are_configured_for_all_packages_below() {
        check(&["/w/clippy.toml"], &[], "adapter app core nested");
        check(&["/w/crates/core/.clippy.toml"], &[], "core nested");
        check(&["/w/crates/core/nested/clippy.toml"], &[], "nested");
    }

    #[test]
    fn a_path_may_stand_in_several_strings_and_lines() {
        let core = "/w/crates/core/data/x.txt";
        for text in [
            "concat!(env!(\"CARGO_MANIFEST_DIR\"), \"/../\",\n    \"crates/core/\", \"data/x.txt\")",
            "concat!(\"..\", \"/\", \"../crates\",\n\"/core/data/x.txt\")",
            "dir.join(\"..\").join(\"crates\")\n.join(\"core\")",
            "include_str!(\"../../crates/\\\n    core/data/x.txt\")",
            "#[path =\n\"../../crates/core/data/x.txt\"]",
        ] {
            check(&[core], &[("/w/app/src/main.rs", text)], "app core");
        }
    }

    #[test]
    fn files_outside_concern_who_names_them() {
        check(&["/w/TEXT.md"], &[], "");
        let doc = ("/w/app/src/main.rs", r#"#![doc = include_str!("../../TEXT.md")]"#);
        check(&["/w/TEXT.md"], &[doc], "app");
        check(&["/w/TERMS.md"], &[doc], "");
        // Its own README, by the same words.
        check(&["/w/TEXT.md"], &[("/w/app/src/main.rs", r#"include_str!("../TEXT.md")"#)], "");
        let manifest_dir = r#"concat!(env!("CARGO_MANIFEST_DIR"), "/../TEXT.md")"#;
        check(&["/w/TEXT.md"], &[("/w/app/src/deep/er.rs", manifest_dir)], "app");
        // A directory; and `..` alone, which is no name of anything.
        check(&["/w/protocols/a/b.proto"], &[("/w/app/build.rs", r#"["../protocols"]"#)], "app");
        check(&["/w/protocols/a.md"], &[("/w/app/build.rs", r#"root.join("../")"#)], "");
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

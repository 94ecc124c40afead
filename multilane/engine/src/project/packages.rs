//! The members of the workspace, as cargo sees them.

use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

use anyhow::Context as _;

use crate::environment::Environment;
use crate::json::Json;
use crate::process::Shell;
use crate::project::toolchain;

/// One member.
#[derive(Clone, Debug)]
pub struct Package {
    pub name: String,
    pub dir: PathBuf,
    /// The directories of its path dependencies, of every kind (normal, build, dev), members or
    /// not.
    pub path_dependencies: Vec<PathBuf>,
    /// The build script.
    pub script: Option<PathBuf>,
    /// Whether `cargo test --doc` has something to run in it.
    pub has_doctests: bool,
    /// Whether it is built where no package is named.
    pub is_default: bool,
}

/// Asks `cargo metadata --no-deps`, which needs no lockfile and no network.
pub fn read(sh: &Shell, env: &Environment, root: &Path) -> anyhow::Result<Vec<Package>> {
    let args = ["metadata", "--no-deps", "--offline", "--format-version=1", "--manifest-path"];
    let args = args.map(OsString::from).into_iter().chain([root.join("Cargo.toml").into()]);
    let dir = toolchain::dir_to_ask_in(env, root);
    let output = sh.read_cargo(&args.collect::<Vec<_>>(), &dir)?;
    let metadata = Json::read(&output).context("`cargo metadata` printed no JSON")?;
    let defaults = metadata["workspace_default_members"].as_array();
    let package = |package: &Json| {
        let manifest = Path::new(package["manifest_path"].as_str()?);
        let is_default = defaults.is_none_or(|defaults| defaults.contains(&package["id"]));
        Some(Package {
            name: package["name"].as_str()?.to_owned(),
            dir: manifest.parent()?.to_owned(),
            path_dependencies: items(&package["dependencies"])
                .filter_map(|dependency| Some(normalized(Path::new(dependency["path"].as_str()?))))
                .collect(),
            script: items(&package["targets"])
                .find(|target| {
                    items(&target["kind"]).any(|kind| kind.as_str() == Some("custom-build"))
                })
                .and_then(|target| Some(target["src_path"].as_str()?.into())),
            has_doctests: items(&package["targets"])
                .any(|target| target["doctest"] == Json::Bool(true)),
            is_default,
        })
    };
    items(&metadata["packages"])
        .map(package)
        .collect::<Option<_>>()
        .context("`cargo metadata` printed a package without a name or a manifest")
}

fn items(value: &Json) -> impl Iterator<Item = &Json> {
    value.as_array().into_iter().flatten()
}

/// Without `.` and `..`, by the letters alone: the files may be gone.
pub fn normalized(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => drop(normal.pop()),
            other => normal.push(other),
        }
    }
    normal
}

/// A package ID specification (`name`, `name@1.0`, a URL) or a pattern, as `--package` and
/// `--exclude` take them.
pub fn spec_matches(spec: &str, name: &str) -> bool {
    // A URL ends in `#name` or `#name@version`, or in the directory, which is most often the name.
    let spec = spec.rsplit(['#', '/']).next().unwrap_or(spec);
    let spec = spec.split('@').next().unwrap_or(spec);
    glob_matches(spec.as_bytes(), name.as_bytes())
}

/// `*` and `?`, and `[…]` as any one character: a package more costs an empty run of doctests, one
/// less would lose them.
fn glob_matches(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern, name) {
        ([], []) => true,
        ([b'*', rest @ ..], _) => {
            glob_matches(rest, name) || (!name.is_empty() && glob_matches(pattern, &name[1..]))
        }
        ([b'?', rest @ ..], [_, name @ ..]) => glob_matches(rest, name),
        ([b'[', rest @ ..], [_, name @ ..]) => {
            let end = rest.iter().position(|&c| c == b']').map_or(rest.len(), |end| end + 1);
            glob_matches(&rest[end..], name)
        }
        ([c, rest @ ..], [first, name @ ..]) if c == first => glob_matches(rest, name),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::spec_matches;

    #[test]
    fn specifications_and_patterns() {
        for spec in [
            "notes",
            "notes@1.0.0",
            "n*",
            "*",
            "note?",
            "note[st]",
            "path+file:///w/notes#notes@0.1.0",
        ] {
            assert!(spec_matches(spec, "notes"), "{spec}");
        }
        for spec in ["note", "notes-core", "m*", "notes?"] {
            assert!(!spec_matches(spec, "notes"), "{spec}");
        }
    }
}

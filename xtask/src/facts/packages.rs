//! The members of the workspace, as cargo sees them.

use std::path::{Component, Path, PathBuf};

use anyhow::Context as _;
use serde_json::Value;

use crate::effects::shell::Shell;

/// One member.
#[derive(Clone, Debug)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) dir: PathBuf,
    /// The directories of its path dependencies, of every kind (normal, build, dev), members or not.
    pub(crate) path_dependencies: Vec<PathBuf>,
    /// Whether `cargo test --doc` has something to run in it.
    pub(crate) has_doctests: bool,
    /// Whether it is built where no package is named.
    pub(crate) is_default: bool,
}

/// Asks `cargo metadata --no-deps`, which needs no lockfile and no network.
pub(crate) fn read(sh: &Shell, root: &Path) -> anyhow::Result<Vec<Package>> {
    let args = ["metadata", "--no-deps", "--offline", "--format-version=1"];
    let output = sh.read_cargo(&args, root)?;
    let metadata: Value = serde_json::from_slice(&output).context("`cargo metadata` printed no JSON")?;
    let defaults = metadata["workspace_default_members"].as_array();
    let package = |package: &Value| {
        let manifest = Path::new(package["manifest_path"].as_str()?);
        let is_default = defaults.is_none_or(|defaults| defaults.contains(&package["id"]));
        Some(Package {
            name: package["name"].as_str()?.to_owned(),
            dir: manifest.parent()?.to_owned(),
            path_dependencies: items(&package["dependencies"])
                .filter_map(|dependency| Some(normalized(Path::new(dependency["path"].as_str()?))))
                .collect(),
            has_doctests: items(&package["targets"]).any(|target| target["doctest"] == true),
            is_default,
        })
    };
    items(&metadata["packages"])
        .map(package)
        .collect::<Option<_>>()
        .context("`cargo metadata` printed a package without a name or a manifest")
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// Without `.` and `..`, by the letters alone: the files may be gone.
pub(crate) fn normalized(path: &Path) -> PathBuf {
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

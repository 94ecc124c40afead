//! What `cargo metadata` says: the packages, and which of them depends on which.

use std::collections::{BTreeMap, HashMap, VecDeque};

use serde::Deserialize;

#[derive(Debug, Default, Deserialize)]
#[serde(from = "Output")]
pub(crate) struct Metadata {
    pub(crate) packages: Vec<Package>,
    /// Of several with the same name and version, a member.
    by_name: HashMap<(String, String), usize>,
}

/// The output of cargo.
#[derive(Deserialize)]
struct Output {
    packages: Vec<Package>,
    workspace_root: String,
    workspace_members: Vec<String>,
    #[serde(default)]
    workspace_default_members: Vec<String>,
    resolve: Option<Resolve>,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    dependencies: Vec<String>,
    features: Vec<String>,
}

#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
pub(crate) struct Package {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) version: String,
    #[serde(skip)]
    pub(crate) is_member: bool,
    /// Whether cargo builds it when no package is named.
    #[serde(skip)]
    pub(crate) is_default_member: bool,
    /// Relative to the workspace root where it lies in there.
    #[serde(rename = "manifest_path")]
    pub(crate) manifest: String,
    pub(crate) targets: Vec<Target>,
    /// Its direct dependencies, by place in `packages`.
    #[serde(skip)]
    pub(crate) dependencies: Vec<usize>,
    /// The dependencies that its manifest names.
    #[serde(rename = "dependencies")]
    pub(crate) asks: Vec<Asks>,
    /// Features that are on in this workspace.
    #[serde(skip)]
    pub(crate) features: Vec<String>,
    /// All features, and what each switches on.
    #[serde(rename = "features")]
    pub(crate) feature_table: BTreeMap<String, Vec<String>>,
}

#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
pub(crate) struct Target {
    pub(crate) name: String,
    pub(crate) kind: Vec<String>,
}

/// One line of a `[dependencies]` table.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
pub(crate) struct Asks {
    /// The package.
    pub(crate) name: String,
    /// What the manifest calls it, where that is something else.
    pub(crate) rename: Option<String>,
    pub(crate) features: Vec<String>,
    #[serde(rename = "uses_default_features", default)]
    pub(crate) default_features: bool,
    #[serde(rename = "optional", default)]
    pub(crate) is_optional: bool,
    /// `dev`, `build`, or none.
    pub(crate) kind: Option<String>,
}

impl Asks {
    /// What the manifest calls it.
    pub(crate) fn key(&self) -> &str {
        self.rename.as_deref().unwrap_or(&self.name)
    }

    pub(crate) fn is_dev(&self) -> bool {
        self.kind.as_deref() == Some("dev")
    }
}

impl Target {
    pub(crate) fn is(&self, kind: &str) -> bool {
        self.kind.iter().any(|found| found == kind)
    }
}

impl Package {
    /// The crate types of its library; none where it has no library.
    pub(crate) fn crate_types(&self) -> &[String] {
        let is_lib = |kind: &String| kind == "proc-macro" || kind.ends_with("lib");
        let lib = self.targets.iter().find(|target| target.kind.iter().any(is_lib));
        lib.map_or(&[], |target| &target.kind)
    }

    /// What it asks of another package.
    pub(crate) fn asks_for<'a>(&'a self, package: &'a Package) -> impl Iterator<Item = &'a Asks> {
        self.asks.iter().filter(|asks| asks.name == package.name)
    }
}

impl From<Output> for Metadata {
    fn from(output: Output) -> Metadata {
        let Output { mut packages, workspace_root, workspace_members, .. } = output;
        for package in &mut packages {
            package.is_member = workspace_members.contains(&package.id);
            package.is_default_member = output.workspace_default_members.contains(&package.id);
            if let Some(inside) = package.manifest.strip_prefix(&workspace_root) {
                package.manifest = inside.trim_start_matches(['/', '\\']).to_owned();
            }
            // The tests of other people's packages are not built here.
            let is_member = package.is_member;
            package.asks.retain(|asks| is_member || !asks.is_dev());
        }
        let by_id: HashMap<String, usize> =
            packages.iter().enumerate().map(|(at, package)| (package.id.clone(), at)).collect();
        for Node { id, dependencies, features } in
            output.resolve.into_iter().flat_map(|all| all.nodes)
        {
            let Some(at) = by_id.get(&id) else { continue };
            packages[*at].dependencies =
                dependencies.iter().filter_map(|id| by_id.get(id).copied()).collect();
            packages[*at].features = features;
        }
        let mut places: Vec<usize> = (0..packages.len()).collect();
        places.sort_by_key(|at| packages[*at].is_member); // The last one stays.
        let key = |at: usize| (packages[at].name.clone(), packages[at].version.clone());
        let by_name = places.into_iter().map(|at| (key(at), at)).collect();
        Metadata { by_name, packages }
    }
}

impl Metadata {
    /// Whether there is another package with this name and version: a member and what a registry
    /// has of it, say. cargo's timings do not tell them apart.
    pub(crate) fn has_double(&self, package: &Package) -> bool {
        let Package { name, version, .. } = package;
        let same = self.packages.iter().filter(|other| other.name == *name);
        same.filter(|other| other.version == *version).count() > 1
    }

    pub(crate) fn at(&self, name: &str, version: &str) -> Option<usize> {
        self.by_name.get(&(name.to_owned(), version.to_owned())).copied()
    }

    pub(crate) fn package(&self, name: &str, version: &str) -> Option<&Package> {
        Some(&self.packages[self.at(name, version)?])
    }

    pub(crate) fn members(&self) -> impl Iterator<Item = &Package> {
        self.packages.iter().filter(|package| package.is_member)
    }

    /// The packages of others, with their places.
    pub(crate) fn others(&self) -> impl Iterator<Item = (usize, &Package)> {
        self.packages.iter().enumerate().filter(|(_, package)| !package.is_member)
    }

    /// A shortest way from a member to a package, by names.
    pub(crate) fn path_to(&self, to: usize) -> Option<Vec<String>> {
        let mut from: Vec<Option<usize>> = vec![None; self.packages.len()];
        let mut queue: VecDeque<usize> =
            (0..self.packages.len()).filter(|at| self.packages[*at].is_member).collect();
        while let Some(at) = queue.pop_front() {
            for next in &self.packages[at].dependencies {
                if from[*next].is_none() && !self.packages[*next].is_member {
                    from[*next] = Some(at);
                    queue.push_back(*next);
                }
            }
        }
        from[to]?;
        let way = std::iter::successors(Some(to), |at| from[*at]);
        let mut path: Vec<String> = way.map(|at| self.packages[at].name.clone()).collect();
        path.reverse();
        Some(path)
    }

    /// The packages that depend on one, members first.
    pub(crate) fn who_asks(&self, at: usize) -> Vec<&Package> {
        let mut asking: Vec<&Package> =
            self.packages.iter().filter(|package| package.dependencies.contains(&at)).collect();
        asking.sort_by_key(|package| (!package.is_member, &package.name));
        asking
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn dependencies_of_the_tests_of_others_do_not_count() {
        let asks = |features: &[&str], kind: Value| json!({ "name": "clap", "features": features, "kind": kind });
        let package = |name: &str| {
            json!({
                "id": name, "name": name, "version": "1.0.0", "manifest_path": format!("/r/{name}/Cargo.toml"), "features": {},
                "dependencies": [asks(&[], Value::Null), asks(&["derive"], json!("dev"))], "targets": [],
            })
        };
        let metadata = json!({
            "workspace_root": "/r/own", "workspace_members": ["own"], "packages": [package("own"), package("other")],
        });
        let metadata: Metadata =
            serde_json::from_value(metadata).expect("it is as cargo writes it");
        let counts: Vec<usize> =
            metadata.packages.iter().map(|package| package.asks.len()).collect();
        assert_eq!(counts, [2, 1]);
    }
}

//! What `cargo metadata` says: the packages, and which of them asks for which.

use std::collections::{HashMap, VecDeque};

use serde_json::Value;

use crate::analyze::timings::strings;

#[derive(Debug, Default)]
pub(crate) struct Metadata {
    pub(crate) packages: Vec<Package>,
    /// Of several with the same name and version, a member.
    by_name: HashMap<(String, String), usize>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) is_member: bool,
    /// Relative to the workspace root where it lies in there.
    pub(crate) manifest: String,
    /// Of its library; `lib` where it says nothing.
    pub(crate) crate_types: Vec<String>,
    /// The integration tests that it has.
    pub(crate) tests: Vec<String>,
    /// What it asks for, by place in `packages`.
    pub(crate) dependencies: Vec<usize>,
    /// What its manifest says, name and requirement.
    pub(crate) asks: Vec<Asks>,
    /// Features that are on in this workspace.
    pub(crate) features: Vec<String>,
    /// All that there are, and what each switches on.
    pub(crate) feature_table: Vec<(String, Vec<String>)>,
}

/// One line of a `[dependencies]` table.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Asks {
    /// The package.
    pub(crate) name: String,
    /// What the manifest calls it, where that is something else.
    pub(crate) rename: Option<String>,
    pub(crate) requirement: String,
    pub(crate) features: Vec<String>,
    pub(crate) default_features: bool,
    pub(crate) is_optional: bool,
    /// `dev`, `build`, or empty.
    pub(crate) kind: String,
}

impl Asks {
    /// What the manifest calls it.
    pub(crate) fn key(&self) -> &str {
        self.rename.as_deref().unwrap_or(&self.name)
    }
}

impl Metadata {
    /// `None` where it is not as we know it.
    pub(crate) fn read(json: &Value) -> Option<Metadata> {
        let root = json["workspace_root"].as_str()?;
        let members = strings(&json["workspace_members"]);
        let mut packages = Vec::new();
        let mut by_id = HashMap::new();
        for package in json["packages"].as_array()? {
            let id = package["id"].as_str()?;
            by_id.insert(id, packages.len());
            let manifest = package["manifest_path"].as_str()?;
            let inside =
                manifest.strip_prefix(root).map(|inside| inside.trim_start_matches(['/', '\\']));
            let targets = package["targets"].as_array()?;
            let kinds = |target: &Value| strings(&target["kind"]);
            let is_lib = |kinds: &Vec<String>| {
                kinds.iter().any(|kind| kind == "proc-macro" || kind.ends_with("lib"))
            };
            let is_member = members.iter().any(|member| member == id);
            // Nobody here builds the tests of other people's packages.
            let asks = package["dependencies"].as_array()?.iter().map(asks);
            let asks = asks.filter(|asks| is_member || asks.kind != "dev");
            let tests =
                targets.iter().filter(|target| kinds(target).iter().any(|kind| kind == "test"));
            packages.push(Package {
                name: package["name"].as_str()?.to_owned(),
                version: package["version"].as_str()?.to_owned(),
                is_member,
                manifest: inside.unwrap_or(manifest).to_owned(),
                crate_types: targets.iter().map(kinds).find(is_lib).unwrap_or_default(),
                tests: tests
                    .filter_map(|target| Some(target["name"].as_str()?.to_owned()))
                    .collect(),
                dependencies: Vec::new(),
                asks: asks.collect(),
                features: Vec::new(),
                feature_table: package["features"]
                    .as_object()
                    .into_iter()
                    .flatten()
                    .map(|(name, list)| (name.clone(), strings(list)))
                    .collect(),
            });
        }
        for node in json["resolve"]["nodes"].as_array().into_iter().flatten() {
            let Some(at) = node["id"].as_str().and_then(|id| by_id.get(id)) else { continue };
            let dependencies = strings(&node["dependencies"]);
            packages[*at].dependencies =
                dependencies.iter().filter_map(|id| by_id.get(id.as_str()).copied()).collect();
            packages[*at].features = strings(&node["features"]);
        }
        let mut by_name: Vec<usize> = (0..packages.len()).collect();
        by_name.sort_by_key(|at| packages[*at].is_member); // The last one stays.
        let key = |at: usize| (packages[at].name.clone(), packages[at].version.clone());
        let by_name = by_name.into_iter().map(|at| (key(at), at)).collect();
        Some(Metadata { by_name, packages })
    }

    /// Whether there is another package with this name and version: a member and what a registry
    /// has of it, say. cargo's timings do not tell them apart.
    pub(crate) fn has_double(&self, package: &Package) -> bool {
        let Package { name, version, .. } = package;
        self.packages
            .iter()
            .filter(|other| other.name == *name && other.version == *version)
            .count()
            > 1
    }

    pub(crate) fn at(&self, name: &str, version: &str) -> Option<usize> {
        self.by_name.get(&(name.to_owned(), version.to_owned())).copied()
    }

    pub(crate) fn package(&self, name: &str, version: &str) -> Option<&Package> {
        Some(&self.packages[self.at(name, version)?])
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
        let mut path = vec![self.packages[to].name.clone()];
        let mut at = to;
        while let Some(before) = from[at] {
            path.push(self.packages[before].name.clone());
            at = before;
        }
        path.reverse();
        Some(path)
    }

    /// Who asks for a package, members first.
    pub(crate) fn who_asks(&self, at: usize) -> Vec<&Package> {
        let mut asking: Vec<&Package> =
            self.packages.iter().filter(|package| package.dependencies.contains(&at)).collect();
        asking.sort_by_key(|package| (!package.is_member, &package.name));
        asking
    }
}

fn asks(dependency: &Value) -> Asks {
    let text = |name: &str| dependency[name].as_str().unwrap_or_default().to_owned();
    Asks {
        name: text("name"),
        rename: dependency["rename"].as_str().map(str::to_owned),
        requirement: text("req"),
        features: strings(&dependency["features"]),
        default_features: dependency["uses_default_features"] != false,
        is_optional: dependency["optional"] == true,
        kind: text("kind"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_the_tests_of_others_ask_for_is_nobody_s_wish() {
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
        let metadata = Metadata::read(&metadata).expect("it is as cargo writes it");
        let counts: Vec<usize> =
            metadata.packages.iter().map(|package| package.asks.len()).collect();
        assert_eq!(counts, [2, 1]);
    }
}

//! What is in a `Cargo.lock`: which packages in which versions, and what they depend on.

use std::collections::{BTreeMap, BTreeSet};

use toml_edit::{DocumentMut, Table};

/// By name, version and source, each with all that stands in its entry.
#[derive(Debug, Default, PartialEq)]
pub struct Lockfile {
    packages: BTreeMap<Id, Entry>,
}

/// Name, version, and the source; of a package in a folder that is empty.
pub type Id = (String, String, String);

#[derive(Debug, PartialEq)]
struct Entry {
    /// As they stand there: `name`, `name version` or `name version (source)`.
    dependencies: Vec<String>,
    checksum: Option<String>,
}

impl Lockfile {
    /// `None` where that is no lockfile.
    pub fn parse(text: &str) -> Option<Lockfile> {
        let document: DocumentMut = text.parse().ok()?;
        let entry = |table: &Table| {
            let text = |key: &str| Some(table.get(key)?.as_str()?.to_owned());
            let dependencies = table.get("dependencies").and_then(|list| list.as_array());
            let dependencies = dependencies.into_iter().flatten();
            let dependencies = dependencies.filter_map(|it| Some(it.as_str()?.to_owned()));
            let id = (text("name")?, text("version")?, text("source").unwrap_or_default());
            Some((id, Entry { dependencies: dependencies.collect(), checksum: text("checksum") }))
        };
        let packages = match document.get("package") {
            None => BTreeMap::new(),
            Some(list) => list.as_array_of_tables()?.iter().map(entry).collect::<Option<_>>()?,
        };
        Some(Lockfile { packages })
    }

    /// The packages, in order.
    pub fn ids(&self) -> impl Iterator<Item = &Id> {
        self.packages.keys()
    }

    /// Those of `members` that have another entry than in `old`, or depend on a package with
    /// another one, however far: not through each other.
    pub fn changed_since(&self, old: &Lockfile, members: &BTreeSet<&str>) -> BTreeSet<String> {
        let is_member = |id: &Id| id.2.is_empty() && members.contains(&*id.0);
        let is_changed = |(id, entry): &(&Id, &Entry)| old.packages.get(*id) != Some(*entry);
        let mut found: BTreeSet<&Id> =
            self.packages.iter().filter(is_changed).map(|(id, _)| id).collect();
        loop {
            let leads = |word: &String| found.iter().any(|id| !is_member(id) && names(word, id));
            let more = |(id, entry): &(&Id, &Entry)| {
                !found.contains(*id) && entry.dependencies.iter().any(leads)
            };
            let more: Vec<&Id> = self.packages.iter().filter(more).map(|(id, _)| id).collect();
            if more.is_empty() {
                break;
            }
            found.extend(more);
        }
        found.into_iter().filter(|id| is_member(id)).map(|id| id.0.clone()).collect()
    }

    /// What the package of this name in a folder depends on, however far.
    pub fn below(&self, name: &str) -> BTreeSet<&Id> {
        let mut found: BTreeSet<&Id> = BTreeSet::new();
        let mut ahead: Vec<&Id> = self.ids().filter(|id| id.0 == name && id.2.is_empty()).collect();
        while let Some(id) = ahead.pop() {
            for word in self.packages.get(id).into_iter().flat_map(|entry| &entry.dependencies) {
                ahead.extend(self.ids().filter(|id| names(word, id) && found.insert(id)));
            }
        }
        found
    }
}

/// Whether the word of an entry names this package. It has no more than tells packages apart.
fn names(word: &str, id: &Id) -> bool {
    let mut parts = word.split(' ');
    parts.next() == Some(&id.0) && parts.next().is_none_or(|version| version == id.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "\
        version = 4\n[[package]]\nname = \"a\"\nversion = \"0.1.0\"\ndependencies = [\"x 1.0.0\"]\n\
        [[package]]\nname = \"b\"\nversion = \"0.1.0\"\ndependencies = [\"a\"]\n\
        [[package]]\nname = \"c\"\nversion = \"0.1.0\"\ndependencies = [\"x 2.0.0\"]\n\
        [[package]]\nname = \"x\"\nversion = \"1.0.0\"\nsource = \"r\"\nchecksum = \"1\"\n\
        [[package]]\nname = \"x\"\nversion = \"2.0.0\"\nsource = \"r\"\nchecksum = \"2\"\n";

    #[test]
    fn a_change_concerns_the_members_that_lead_to_it() {
        let parse = |text: &str| Lockfile::parse(text).expect("a lockfile");
        let check = |new: &str, expected: &str| {
            let members = BTreeSet::from(["a", "b", "c"]);
            let changed = parse(new).changed_since(&parse(OLD), &members);
            assert_eq!(changed.into_iter().collect::<Vec<_>>().join(" "), expected);
        };
        check(OLD, "");
        check(&OLD.replace("1.0.0", "1.0.1"), "a");
        check(&OLD.replace("checksum = \"2\"", "checksum = \"3\""), "c");
        // A dependency less, and one more.
        check(&OLD.replace("[\"x 2.0.0\"]", "[]"), "c");
        check(&OLD.replace("[\"a\"]", "[\"a\", \"c\"]"), "b");
        assert_eq!(Lockfile::parse("= no TOML"), None);
    }

    #[test]
    fn what_lies_below_a_package() {
        let lockfile = Lockfile::parse(OLD).expect("a lockfile");
        let names: Vec<String> =
            lockfile.below("b").into_iter().map(|id| format!("{} {}", id.0, id.1)).collect();
        assert_eq!(names, ["a 0.1.0", "x 1.0.0"]);
    }
}

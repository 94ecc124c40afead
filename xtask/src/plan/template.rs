//! The record of what came from the template: `xtask/template.toml`, which a project keeps in git. `init` and `adopt` write
//! it, `upgrade` reads it: a file that still has the recorded hash has not been changed in the project.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::{Context as _, bail};
use sha2::{Digest as _, Sha256};
use toml_edit::{DocumentMut, Item};

use crate::plan::lane::hex;

/// The record's name in the folder of xtask.
pub(crate) const RECORD: &str = "template.toml";

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Record {
    /// The version of the template.
    pub(crate) version: String,
    /// Its commit, where it was a checkout with nothing else in it.
    pub(crate) commit: Option<String>,
    /// How `adopt` brought it in; `None` for a project that `init` made.
    pub(crate) adoption: Option<Adoption>,
    /// SHA-256 by path, of each file as it was given.
    pub(crate) files: BTreeMap<String, String>,
}

/// What `adopt` was told.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Adoption {
    /// The package and its folder: `xtask`, unless the project has one of its own.
    pub(crate) name: String,
    /// Whether it is a workspace of its own.
    pub(crate) apart: bool,
}

impl Record {
    /// The text of the file.
    pub(crate) fn to_toml(&self) -> String {
        let mut out = "# What came from the template, and the SHA-256 of each file as it was given.\n\
                       # `upgrade` compares with it; keep it in git, and leave it to that.\n"
            .to_owned();
        let quoted = |text: &str| toml_edit::Value::from(text).to_string();
        let _ = writeln!(out, "version = {}", quoted(&self.version));
        if let Some(commit) = &self.commit {
            let _ = writeln!(out, "commit = {}", quoted(commit));
        }
        if let Some(Adoption { name, apart }) = &self.adoption {
            let _ = writeln!(out, "\n[adopted]\nname = {}\napart = {apart}", quoted(name));
        }
        out.push_str("\n[files]\n");
        for (path, hash) in &self.files {
            let _ = writeln!(out, "{} = {}", quoted(path), quoted(hash));
        }
        out
    }

    /// # Errors
    ///
    /// When it is no such record.
    pub(crate) fn parse(text: &str) -> anyhow::Result<Record> {
        let document: DocumentMut = text.parse()?;
        let text = |item: Option<&Item>| item.and_then(Item::as_str).map(str::to_owned);
        let mut record = Record {
            version: text(document.get("version")).context("it has no version")?,
            commit: text(document.get("commit")),
            ..Record::default()
        };
        if let Some(adopted) = document.get("adopted") {
            let name = text(adopted.get("name")).context("`adopted` has no name")?;
            let apart = adopted.get("apart").and_then(Item::as_bool).unwrap_or_default();
            record.adoption = Some(Adoption { name, apart });
        }
        let files = document.get("files").and_then(Item::as_table_like).context("it has no files")?;
        for (path, hash) in files.iter() {
            let is_inside = path.split('/').all(|part| !["", ".", "..", ".git"].contains(&part));
            if !is_inside || path.contains('\\') {
                bail!("{path} is no path in the project");
            }
            let hash = hash.as_str().with_context(|| format!("{path} has no hash"))?;
            record.files.insert(path.to_owned(), hash.to_owned());
        }
        Ok(record)
    }

    /// Notes a file as it is given.
    pub(crate) fn note(&mut self, path: &str, bytes: &[u8]) {
        self.files.insert(path.to_owned(), hash(bytes));
    }
}

/// As the record has it.
pub(crate) fn hash(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_survives_its_file() {
        let mut record = Record {
            version: "0.2.0".to_owned(),
            commit: Some("c0ffee".to_owned()),
            adoption: Some(Adoption { name: "lanes".to_owned(), apart: true }),
            ..Record::default()
        };
        record.note("xtask/src/main.rs", b"fn main() {}\n");
        record.note("a \"file\" with\ttraps.txt", b"");
        assert_eq!(Record::parse(&record.to_toml()).expect("it parses"), record);

        record.commit = None;
        record.adoption = None;
        assert_eq!(Record::parse(&record.to_toml()).expect("it parses"), record);
    }

    #[test]
    fn a_path_out_of_the_project_is_refused() {
        for path in ["../a", "/etc/passwd", "a/../../b", "a//b", ".git/config", "C:\\a"] {
            let mut record = Record { version: "1".to_owned(), ..Record::default() };
            record.note(path, b"");
            assert!(Record::parse(&record.to_toml()).is_err(), "{path}");
        }
    }
}

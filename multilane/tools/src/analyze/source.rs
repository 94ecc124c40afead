//! What is compiled again and again, by the members' own sources: derives, and generic functions
//! that every caller compiles.
//!
//! The sources are read as text and not parsed: code that a macro writes is not seen.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::analyze::metadata::{Metadata, Package};
use crate::analyze::most_first;

#[derive(Debug, Default, PartialEq)]
pub(crate) struct Sources {
    pub(crate) forced: Vec<Forced>,
    /// Each derive, and for how many types, the most first.
    pub(crate) derives: Vec<(String, u64)>,
}

/// An `#[inline(always)]` on something generic that other crates can call: each of them compiles
/// it, and each of its callers has a copy.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Forced {
    pub(crate) file: String,
    pub(crate) line: usize,
    pub(crate) function: String,
}

/// What libraries and programs are made of; tests beside them are not.
pub(crate) fn read(root: &Path, metadata: &Metadata) -> Sources {
    let mut sources = Sources::default();
    let mut derives: BTreeMap<String, u64> = BTreeMap::new();
    let src = |member: &Package| root.join(&member.manifest).with_file_name("src");
    let mut stack: Vec<PathBuf> = metadata.members().map(src).collect();
    while let Some(path) = stack.pop() {
        if let Ok(entries) = std::fs::read_dir(&path) {
            let entries = entries.flatten();
            let entries =
                entries.filter(|entry| entry.file_type().is_ok_and(|kind| !kind.is_symlink()));
            stack.extend(entries.map(|entry| entry.path()));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let Ok(text) = multilane_engine::files::read_text(&path) else { continue };
            let shown = path.strip_prefix(root).unwrap_or(&path).to_string_lossy();
            sources.forced.extend(forced(&shown, &text));
            for name in derived(&text) {
                *derives.entry(name).or_default() += 1;
            }
        }
    }
    sources.forced.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
    sources.derives = most_first(derives);
    sources
}

/// The attribute and the function may have others between them. A method is generic with what it is
/// a method of.
fn forced(file: &str, text: &str) -> Vec<Forced> {
    const NEAR: usize = 6;
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (at, attribute) in lines.iter().enumerate() {
        if !attribute.trim_start().starts_with("#[inline(always)]") {
            continue;
        }
        let following = lines[at..].iter().enumerate().take(NEAR);
        let mut functions = following.filter(|(_, line)| line.contains("fn "));
        let Some((further, line)) = functions.next() else { continue };
        // With the attribute before it on the same line, or on one of its own.
        let line = line.trim_start().trim_start_matches("#[inline(always)]").trim_start();
        let is_public = ["pub fn ", "pub const fn ", "pub unsafe fn ", "pub const unsafe fn "]
            .iter()
            .any(|beginning| line.starts_with(beginning));
        let after = line.split("fn ").nth(1).unwrap_or_default();
        let name: String = after.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        let is_generic = has_types(&after[name.len()..])
            || after.contains("impl ")
            || is_in_generic(&lines[..at], attribute);
        if is_public && is_generic {
            found.push(Forced { file: file.to_owned(), line: at + further + 1, function: name });
        }
    }
    found
}

/// Whether a list of parameters begins here that has more than lifetimes in it.
fn has_types(text: &str) -> bool {
    let Some(parameters) = text.strip_prefix('<') else { return false };
    let mut depth = 1_usize;
    let inside = parameters.chars().take_while(|c| {
        depth = match c {
            '<' => depth + 1,
            '>' => depth - 1,
            _ => depth,
        };
        depth > 0
    });
    let inside: String = inside.collect();
    inside.split(',').map(str::trim).any(|one| !one.is_empty() && !one.starts_with('\''))
}

/// Whether the block around is an `impl` of something generic: the last line before that is less
/// indented and is no attribute.
fn is_in_generic(before: &[&str], line: &str) -> bool {
    let indentation = |line: &str| line.len() - line.trim_start().len();
    let is_around = |other: &&&str| {
        !other.trim().is_empty()
            && indentation(other) < indentation(line)
            && !other.trim_start().starts_with(['}', ')', '#'])
    };
    let around = before.iter().rev().find(is_around).map(|line| line.trim_start());
    around
        .and_then(|line| line.trim_start_matches("unsafe ").strip_prefix("impl"))
        .is_some_and(has_types)
}

/// `Debug` and `Serialize` of `#[derive(Debug, serde::Serialize)]`, also in a `cfg_attr`.
fn derived(text: &str) -> Vec<String> {
    let is_code = |line: &&str| !line.trim_start().starts_with("//");
    let code: Vec<&str> = text.lines().filter(is_code).collect();
    let code = code.join("\n");
    let mut names = Vec::new();
    let mut rest = code.as_str();
    while let Some((before, after)) = rest.split_once("derive(") {
        let Some((list, further)) = after.split_once(')') else { break };
        // `#[derive(…)]`, `#[cfg_attr(test, derive(…))]`; a function may be called `derive`, too.
        if before.ends_with("#[")
            || before.rsplit_once("#[cfg_attr(").is_some_and(|(_, between)| !between.contains(']'))
        {
            let paths = list.split(',').map(|path| path.rsplit("::").next().unwrap_or(path).trim());
            names.extend(paths.filter(|name| !name.is_empty()).map(str::to_owned));
        }
        rest = further;
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_generic_functions_are_forced_on_others() {
        let text = "\
#[inline(always)]
pub fn generic<T: Into<u8>>(x: T) -> u8 { x.into() }
#[inline(always)]
#[must_use]
pub fn argument(x: impl Fn()) {}
#[inline(always)]
pub fn plain(x: u8) -> u8 { x }
#[inline(always)]
fn private<T>(x: T) {}
#[inline(always)]
pub fn lifetime<'a>(x: &'a u8) -> &'a u8 { x }
#[inline(always)] pub fn behind<'a, T>(x: &'a T) {}
impl<T> Set<T> {
    pub fn other(&self) {
        work();
    }

    #[inline(always)]
    pub fn method(&self) {}
}
impl<'a> Name<'a> {
    #[inline(always)]
    pub fn of_a_lifetime(&self) {}
}
";
        let found: Vec<(String, usize)> =
            forced("a.rs", text).into_iter().map(|forced| (forced.function, forced.line)).collect();
        let expected = [("generic", 2), ("argument", 5), ("behind", 12), ("method", 19)];
        assert_eq!(found, expected.map(|(name, line)| (name.to_owned(), line)));
    }

    #[test]
    fn derives_are_counted_wherever_they_are_written() {
        let text = "\
#[derive(Clone, Debug)]
struct A;
#[derive(
    Debug,
    serde::Serialize,
)]
#[cfg_attr(test, derive(PartialEq))]
struct B;
// #[derive(Hash)]
fn derive(x: u8) {}
";
        assert_eq!(derived(text), ["Clone", "Debug", "Debug", "Serialize", "PartialEq"]);
    }
}

//! A project's root manifest: xtask becomes a member, profiles are added. Everything else stays as it is, to the byte.

use std::ops::Range;

use anyhow::{Context as _, bail};
use toml_edit::{Document, DocumentMut, Item, TableLike};

/// The manifest with `name` as a member. `cargo build` without a package builds what it built before.
pub(crate) fn with_member(text: &str, name: &str) -> anyhow::Result<String> {
    let manifest = Document::parse(text)?;
    let Some(workspace) = manifest.get("workspace").and_then(Item::as_table_like) else {
        // The root package is a member of itself, and what is built by default.
        return Ok(appended(text, &format!("[workspace]\nmembers = [\"{name}\"]\n")));
    };
    let strings = |key: &str| -> Vec<&str> {
        let array = workspace.get(key).and_then(Item::as_array);
        array.into_iter().flatten().filter_map(|member| member.as_str()).collect()
    };
    if strings("exclude").iter().any(|pattern| covers(pattern, name)) {
        bail!("`workspace.exclude` has {name}");
    }
    let members = workspace.get("members");
    let mut new = text.to_owned();
    let is_virtual = !manifest.contains_key("package");
    let is_member = strings("members").iter().any(|pattern| covers(pattern, name));
    let Some(members) = members else {
        let header = header_end(text, "workspace").context("`workspace` is no table of its own")?;
        new.insert_str(header, &format!("members = [\"{name}\"]\n"));
        return Ok(new);
    };
    let span = members.span().context("`workspace.members` has no place")?;
    if is_virtual && workspace.get("default-members").is_none() {
        let array = &text[span.clone()];
        let end = line_end(text, span.end);
        let key = format!(
            "# What is built where no package is named: as before, all but {name}.\ndefault-members = {array}\n"
        );
        new.insert_str(end, &if text[..end].ends_with('\n') { key } else { format!("\n{key}") });
    }
    if !is_member {
        let array = members.as_array().context("`workspace.members` is no array")?;
        let last = array.iter().last().and_then(|member| member.span());
        splice(&mut new, &with_element(text, span, last, name));
    }
    Ok(new)
}

/// The manifest in which no pattern of `members` takes `name`, which is a workspace of its own.
pub(crate) fn without_member(text: &str, name: &str) -> anyhow::Result<String> {
    let manifest = Document::parse(text)?;
    let Some(workspace) = manifest.get("workspace").and_then(Item::as_table_like) else {
        return Ok(text.to_owned());
    };
    let has = |key: &str| {
        let array = workspace.get(key).and_then(Item::as_array);
        array.into_iter().flatten().filter_map(|member| member.as_str()).any(|pattern| covers(pattern, name))
    };
    if !has("members") || has("exclude") {
        return Ok(text.to_owned());
    }
    let mut new = text.to_owned();
    if let Some(exclude) = workspace.get("exclude").and_then(Item::as_array) {
        let span = exclude.span().context("`workspace.exclude` has no place")?;
        let last = exclude.iter().last().and_then(|pattern| pattern.span());
        splice(&mut new, &with_element(text, span, last, name));
    } else {
        let members =
            workspace.get("members").and_then(Item::span).context("`workspace.members` has no place")?;
        new.insert_str(line_end(text, members.end), &format!("exclude = [\"{name}\"]\n"));
    }
    Ok(new)
}

/// Whether a pattern of `members` takes the folder `name` at the top.
fn covers(pattern: &str, name: &str) -> bool {
    let pattern = pattern.strip_prefix("./").unwrap_or(pattern).trim_end_matches('/');
    match pattern.split_once('*') {
        Some((start, end)) if !pattern.contains('/') => {
            name.len() >= start.len() + end.len() && name.starts_with(start) && name.ends_with(end)
        }
        _ => pattern == name,
    }
}

/// Text to be put at places, the last place first.
type Insertions = Vec<(usize, String)>;

fn splice(text: &mut String, insertions: &Insertions) {
    for (at, new) in insertions {
        text.insert_str(*at, new);
    }
}

/// One more element at the end of an array, written as the ones before it are: on a line of its own, or not; with a comma at the
/// end, or not; in the same quotes.
pub(crate) fn with_element(
    text: &str,
    array: Range<usize>,
    last: Option<Range<usize>>,
    element: &str,
) -> Insertions {
    let Some(last) = last else {
        return vec![(array.start + 1, format!("\"{element}\""))];
    };
    let quote = if text[last.clone()].starts_with('\'') { '\'' } else { '"' };
    let element = format!("{quote}{element}{quote}");
    let tail = &text[last.end..array.end - 1];
    let comma = tail.trim_start().starts_with(',').then(|| last.end + tail.find(',').unwrap_or_default() + 1);

    if !text[array.start..last.start].contains('\n') {
        return match comma {
            Some(comma) => vec![(comma, format!(" {element},"))],
            None => vec![(last.end, format!(", {element}"))],
        };
    }
    let line = text[..last.start].rfind('\n').map_or(0, |at| at + 1);
    let indent: String = text[line..].chars().take_while(|letter| [' ', '\t'].contains(letter)).collect();
    // Behind a comment on the line of the last element.
    let from = comma.unwrap_or(last.end);
    let rest = &text[from..array.end - 1];
    let at = from + rest.find('\n').unwrap_or(rest.trim_end().len());
    match comma {
        Some(_) => vec![(at, format!("\n{indent}{element},"))],
        None => vec![(at, format!("\n{indent}{element}")), (last.end, ",".to_owned())],
    }
}

fn line_end(text: &str, from: usize) -> usize {
    text[from..].find('\n').map_or(text.len(), |at| from + at + 1)
}

/// Where the line of the header `[name]` ends.
fn header_end(text: &str, name: &str) -> Option<usize> {
    let header = format!("[{name}]");
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        at += line.len();
        if line.trim_start().starts_with(&header) {
            return Some(at);
        }
    }
    None
}

/// The text with a paragraph more at its end.
pub(crate) fn appended(text: &str, paragraph: &str) -> String {
    let text = text.trim_end_matches(['\n', '\r', ' ']);
    if text.is_empty() { paragraph.to_owned() } else { format!("{text}\n\n{paragraph}") }
}

/// The lines of a table, from the comment above its header to the next paragraph.
pub(crate) fn section(text: &str, name: &str) -> Option<String> {
    let lines: Vec<&str> = text.lines().collect();
    let header = format!("[{name}]");
    let at = lines.iter().position(|line| line.starts_with(&header))?;
    let start = lines[..at].iter().rposition(|line| !line.starts_with('#')).map_or(0, |before| before + 1);
    let is_end = |line: &&str| line.starts_with('[') || line.is_empty();
    let end = lines[at + 1..].iter().position(is_end).map_or(lines.len(), |end| at + 1 + end);
    Some(lines[start..end].iter().map(|line| format!("{line}\n")).collect())
}

/// The profiles that the template offers, and what each is for.
pub(crate) const PROFILES: [(&str, &str); 5] = [
    ("dev", "the edit loop: only lines in the debug info of your crates, none in that of dependencies"),
    ("test", "the same for tests, so that dependencies are built once for both"),
    ("release", "what users run: thin LTO, one codegen unit, stripped"),
    ("debugging", "everything that a debugger wants, in a profile of its own"),
    ("profiling", "release with lines, for a profiler, in a profile of its own"),
];

/// The manifest with the template's settings for a profile; those that it has stay as they are.
pub(crate) fn with_profile(text: &str, template: &str, name: &str) -> anyhow::Result<String> {
    let from: DocumentMut = template.parse().context("the template's Cargo.toml")?;
    let mut manifest: DocumentMut = text.parse()?;
    let mut paragraphs = String::new();

    let profile = format!("profile.{name}");
    for (header, keys) in tables(from.as_table(), &["profile", name]) {
        let own = header.iter().try_fold(manifest.as_item_mut(), |item, key| {
            item.as_table_like_mut().filter(|table| table.contains_key(key))?.get_mut(key)
        });
        match own.and_then(Item::as_table_like_mut) {
            Some(own) => {
                for key in keys {
                    if !own.contains_key(&key) {
                        let mut item = from.as_item();
                        for part in header.iter().map(String::as_str).chain([key.as_str()]) {
                            item = item.get(part).context("a key of the template")?;
                        }
                        own.insert(&key, item.clone());
                    }
                }
            }
            None => {
                let written = header.iter().map(|key| if key == "*" { "\"*\"" } else { key });
                let written = written.collect::<Vec<_>>().join(".");
                let section = section(template, &written).with_context(|| format!("no {written}"))?;
                paragraphs.push_str(&section);
                paragraphs.push('\n');
            }
        }
    }
    if from.get("profile").and_then(|profiles| profiles.get(name)).is_none() {
        bail!("the template has no {profile}");
    }
    let text = manifest.to_string();
    Ok(if paragraphs.is_empty() { text } else { appended(&text, &format!("{}\n", paragraphs.trim_end())) })
}

/// Each table of its own from `path` on, and the keys in it.
fn tables(root: &dyn TableLike, path: &[&str]) -> Vec<(Vec<String>, Vec<String>)> {
    fn walk(table: &dyn TableLike, path: Vec<String>, found: &mut Vec<(Vec<String>, Vec<String>)>) {
        let is_value = |item: &Item| item.is_value();
        let keys: Vec<String> =
            table.iter().filter(|(_, item)| is_value(item)).map(|(key, _)| key.to_owned()).collect();
        if !keys.is_empty() {
            found.push((path.clone(), keys));
        }
        for (key, item) in table.iter().filter(|(_, item)| !is_value(item)) {
            if let Some(table) = item.as_table_like() {
                walk(table, [path.clone(), vec![key.to_owned()]].concat(), found);
            }
        }
    }
    let mut found = Vec::new();
    let mut table = root;
    for key in path {
        match table.get(key).and_then(Item::as_table_like) {
            Some(inner) => table = inner,
            None => return found,
        }
    }
    walk(table, path.iter().map(|key| (*key).to_owned()).collect(), &mut found);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_member(text: &str, expected: &str) {
        let new = with_member(text, "xtask").expect("a manifest");
        assert_eq!(new, expected);
        let again = with_member(&new, "xtask").expect("a manifest");
        assert_eq!(again, expected, "a second time changes nothing");
    }

    #[test]
    fn a_single_package_becomes_a_workspace() {
        check_member(
            "[package]\nname = \"a\"\n",
            "[package]\nname = \"a\"\n\n[workspace]\nmembers = [\"xtask\"]\n",
        );
        check_member(
            "[package]\nname = \"a\"",
            "[package]\nname = \"a\"\n\n[workspace]\nmembers = [\"xtask\"]\n",
        );
        check_member(
            "[workspace] # alone\n\n[package]\nname = \"a\"\n",
            "[workspace] # alone\nmembers = [\"xtask\"]\n\n[package]\nname = \"a\"\n",
        );
    }

    #[test]
    fn members_are_written_as_the_others_are() {
        let package = "[package]\nname = \"a\"\n";
        for (old, new) in [
            ("[]", "[\"xtask\"]"),
            ("[\"b\"]", "[\"b\", \"xtask\"]"),
            ("[\"b\",]", "[\"b\", \"xtask\",]"),
            ("['b']", "['b', 'xtask']"),
            ("[ \"b\" ]", "[ \"b\", \"xtask\" ]"),
            ("[\n  \"b\",\n]", "[\n  \"b\",\n  \"xtask\",\n]"),
            ("[\n\t\"b\"\n]", "[\n\t\"b\",\n\t\"xtask\"\n]"),
            ("[\n  \"b\", # why, \"c\"\n]", "[\n  \"b\", # why, \"c\"\n  \"xtask\",\n]"),
            ("[\n  \"b\" # why\n]", "[\n  \"b\", # why\n  \"xtask\"\n]"),
            ("[\n  \"b\",\n  # \"c\",\n]", "[\n  \"b\",\n  \"xtask\",\n  # \"c\",\n]"),
            ("[\"b\",\n  \"c\"]", "[\"b\",\n  \"c\",\n  \"xtask\"]"),
            ("[\"x*\"]", "[\"x*\"]"),
            ("[\"*\"]", "[\"*\"]"),
            ("[\"./xtask\"]", "[\"./xtask\"]"),
            ("[\"x/*\"]", "[\"x/*\", \"xtask\"]"),
        ] {
            check_member(
                &format!("[workspace]\nmembers = {old} # end\n\n{package}"),
                &format!("[workspace]\nmembers = {new} # end\n\n{package}"),
            );
        }
        check_member(
            "workspace = { members = [\"b\"] }\n[package]\nname = \"a\"\n",
            "workspace = { members = [\"b\", \"xtask\"] }\n[package]\nname = \"a\"\n",
        );
    }

    #[test]
    fn what_is_built_by_default_stays() {
        let comment = "# What is built where no package is named: as before, all but xtask.\n";
        check_member(
            "[workspace]\nmembers = [\n  \"b\",\n] # end\nresolver = \"2\"\n",
            &format!(
                "[workspace]\nmembers = [\n  \"b\",\n  \"xtask\",\n] # end\n\
                 {comment}default-members = [\n  \"b\",\n]\nresolver = \"2\"\n"
            ),
        );
        check_member(
            "[workspace]\nmembers = [\"b\"]\ndefault-members = [\"b\"]\n",
            "[workspace]\nmembers = [\"b\", \"xtask\"]\ndefault-members = [\"b\"]\n",
        );
        check_member(
            "[workspace]\nmembers = [\"b\"]",
            &format!("[workspace]\nmembers = [\"b\", \"xtask\"]\n{comment}default-members = [\"b\"]\n"),
        );
    }

    #[test]
    fn an_exclusion_is_not_overruled() {
        let err = with_member("[workspace]\nmembers = []\nexclude = [\"xtask\"]\n", "xtask");
        assert_eq!(err.expect_err("it is excluded").to_string(), "`workspace.exclude` has xtask");
    }

    #[test]
    fn what_is_apart_is_taken_by_no_pattern() {
        for (old, new) in [
            ("[workspace]\nmembers = [\"*\"]\n", "[workspace]\nmembers = [\"*\"]\nexclude = [\"xtask\"]\n"),
            (
                "[workspace]\nmembers = [\"x*\"]\nexclude = [\"a\"]\n",
                "[workspace]\nmembers = [\"x*\"]\nexclude = [\"a\", \"xtask\"]\n",
            ),
            ("[workspace]\nmembers = [\"crates/*\"]\n", "[workspace]\nmembers = [\"crates/*\"]\n"),
            ("[package]\nname = \"a\"\n", "[package]\nname = \"a\"\n"),
        ] {
            assert_eq!(without_member(old, "xtask").expect("a manifest"), new);
            assert_eq!(without_member(new, "xtask").expect("a manifest"), new);
        }
    }

    const TEMPLATE: &str = "\
[workspace]

# Profiles ----

# The edit loop.
[profile.dev]
debug = \"line-tables-only\" # Lines.
incremental = true

[profile.dev.package.\"*\"]
debug = false # Nobody steps there.

# Users.
[profile.release]
lto = \"thin\"
";

    #[test]
    fn a_profile_comes_with_its_comments() {
        let new = with_profile("[workspace]\nmembers = []\n", TEMPLATE, "dev").expect("a manifest");
        assert_eq!(
            new,
            "[workspace]\nmembers = []\n\n# The edit loop.\n[profile.dev]\n\
             debug = \"line-tables-only\" # Lines.\nincremental = true\n\n\
             [profile.dev.package.\"*\"]\ndebug = false # Nobody steps there.\n"
        );
        assert_eq!(with_profile(&new, TEMPLATE, "dev").expect("a manifest"), new);
    }

    #[test]
    fn what_a_profile_says_already_stays() {
        let text = "[profile.dev]\ndebug = 0 # ours\n\n[dependencies]\na = \"1\"\n";
        assert_eq!(
            with_profile(text, TEMPLATE, "dev").expect("a manifest"),
            "[profile.dev]\ndebug = 0 # ours\nincremental = true\n\n[dependencies]\na = \"1\"\n\n\
             [profile.dev.package.\"*\"]\ndebug = false # Nobody steps there.\n"
        );
    }
}

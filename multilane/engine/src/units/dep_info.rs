//! What the compiler has told of what a unit was made from.
//!
//! rustc writes `*.d`, in the manner of make: sources relative to the workspace root, and the
//! variables that were compiled in (`# env-dep:`). cargo makes its own record of it (`dep-*`), in a
//! binary format: of what it watches, so nothing of a registry's package, nor of one from git or
//! vendored.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::files;
use crate::units::{EntryKind, Place, Unit, with_path};

#[derive(Clone, Debug)]
pub struct DepInfo {
    /// As rustc has written them: relative to the workspace root, or absolute.
    pub sources: Vec<PathBuf>,
    /// Variables that were compiled in; `None` for one that was unset.
    pub variables: Vec<(String, Option<String>)>,
    /// What cargo watches by an absolute path.
    pub watched_absolutely: Vec<PathBuf>,
    /// Whether cargo watches files of the package: it is one that people edit.
    pub(super) is_watched: bool,
    /// The lane that the unit was built in, as it was called then; `None` where that is not said.
    pub made_in: Option<PathBuf>,
    /// cargo's record, relative to the lane: no source may be younger than it.
    pub record: Option<(PathBuf, SystemTime)>,
}

impl DepInfo {
    /// `None` where something is missing, or where it is in a format that we do not know.
    pub(super) fn read(lane: &Path, unit: &Unit) -> Option<DepInfo> {
        let is_make = |path: &Path| path.extension().is_some_and(|extension| extension == "d");
        let mut files = unit.outputs.iter().filter(|entry| entry.kind == EntryKind::File);
        let make = files.by_ref().map(|entry| &entry.path).find(|path| is_make(path))?;
        let text = files::read_text(lane.join(make)).ok()?;
        let mut dep_info = parse_make(&text)?;
        dep_info.made_in = made_in(&text, make);

        let name = format!("dep-{}", unit.target);
        if let Some(entry) = unit.records.iter().find(|entry| entry.path.ends_with(&name)) {
            let path = lane.join(&entry.path);
            let modified = path.metadata().ok()?.modified().ok()?;
            let record = files::read(&path).ok()?;
            let watched = watched(&record)?;
            dep_info.is_watched = watched.iter().any(|watched| watched.relative_to == PACKAGE);
            let paths = watched.into_iter().map(|watched| watched.path.to_owned());
            dep_info.watched_absolutely = paths.filter(|path| path.is_absolute()).collect();
            dep_info.record = Some((entry.path.clone(), modified));
        }
        Some(dep_info)
    }
}

/// The sources in such a list. `None` where it is no list.
pub fn sources(text: &str) -> Option<Vec<PathBuf>> {
    Some(parse_make(text)?.sources)
}

/// The first rule, and the `# env-dep:` lines; as cargo reads it.
fn parse_make(text: &str) -> Option<DepInfo> {
    let mut sources = None;
    let mut variables = Vec::new();
    for line in text.lines() {
        if let Some(variable) = line.strip_prefix("# env-dep:") {
            variables.push(match variable.split_once('=') {
                Some((name, value)) => (name.to_owned(), Some(value.replace("\\\\", "\\"))),
                None => (variable.to_owned(), None),
            });
        } else if let (None, Some((_, list))) = (&sources, line.split_once(": ")) {
            sources = Some(split_list(list));
        }
    }
    let (sources, watched_absolutely) = (sources?, Vec::new());
    let (is_watched, made_in, record) = (false, None, None);
    Some(DepInfo { sources, variables, watched_absolutely, is_watched, made_in, record })
}

/// The list's own path begins with the lane. `list` is where it is now, relative to that.
pub(super) fn made_in(text: &str, list: &Path) -> Option<PathBuf> {
    let (target, _) = text.lines().next()?.split_once(": ")?;
    let target = PathBuf::from(target.replace("\\ ", " "));
    if !target.is_absolute() || target.starts_with("/proc") {
        return None; // By the compiler wrapper.
    }
    let below = list.parent()?.components().count();
    target.parent()?.ancestors().nth(below).map(Path::to_owned)
}

/// A space inside a name has a backslash in front.
fn split_list(list: &str) -> Vec<PathBuf> {
    let mut names = Vec::new();
    let mut words = list.split_whitespace();
    while let Some(word) = words.next() {
        let mut name = word.to_owned();
        while name.ends_with('\\') {
            name.pop();
            name.push(' ');
            name.push_str(words.next().unwrap_or_default());
        }
        names.push(PathBuf::from(name));
    }
    names
}

/// rustc's list, where it names the lane of `from`, or something of its tree by an absolute path,
/// with the same of `to`. rustc puts a backslash before a space in a source, and not in an output.
pub fn list_in_other_tree(list: &[u8], from: &Place, to: &Place) -> Vec<u8> {
    let escaped = |path: &Path| PathBuf::from(path.to_string_lossy().replace(' ', "\\ "));
    let exchanged = |list: &[u8], from: &Path, to: &Path| {
        let list = with_path(list, from, to);
        // Not twice: a worktree may lie in the donor's tree.
        if escaped(from) == from { list } else { with_path(&list, &escaped(from), &escaped(to)) }
    };
    let list =
        if from.root == to.root { list.to_vec() } else { exchanged(list, &from.root, &to.root) };
    let lane = from.lane.strip_prefix(&from.root);
    let lane = lane.map_or_else(|_| from.lane.clone(), |lane| to.root.join(lane));
    exchanged(&list, &lane, &to.lane)
}

/// In cargo's record, that a path is relative to the package; the others are relative to the lane,
/// or absolute.
const PACKAGE: u8 = 0;

/// A file in cargo's record.
#[derive(Debug, PartialEq)]
struct Watched<'a> {
    relative_to: u8,
    path: &'a Path,
    /// How much of the record comes after the path.
    left: usize,
}

/// cargo's `EncodedDepInfo`, version 1 (`fingerprint/dep_info.rs`): a marker, then for each file
/// what its path is relative to, the path and a checksum if there is one, then the variables. Texts
/// have their length in front, as do lists.
fn watched(record: &[u8]) -> Option<Vec<Watched<'_>>> {
    const MARKER: [u8; 6] = [1, 0, 0, 0, 0xff, 1];
    let mut rest = record.strip_prefix(&MARKER)?;
    let mut found = Vec::new();
    for _ in 0..take_number(&mut rest)? {
        let relative_to = take(&mut rest, 1)?[0];
        let len = take_number(&mut rest)?;
        let path = Path::new(std::str::from_utf8(take(&mut rest, len)?).ok()?);
        found.push(Watched { relative_to, path, left: rest.len() });
        if take(&mut rest, 1)? != [0] {
            take(&mut rest, 8)?; // The file's length…
            let len = take_number(&mut rest)?;
            take(&mut rest, len)?; // …and its checksum.
        }
    }
    Some(found)
}

/// cargo's record, where it names files of `from`'s tree by absolute paths, with the same files in
/// `to`'s. `None` where it is in a format that we do not know.
pub fn record_in_other_tree(record: &[u8], from: &Place, to: &Place) -> Option<Vec<u8>> {
    let mut result = Vec::with_capacity(record.len());
    let mut rest = record;
    for Watched { path, left, .. } in watched(record)? {
        let Some(below) = from.source_in_tree(path).filter(|_| path.is_absolute()) else {
            continue;
        };
        let moved = to.root.join(below);
        let (before, after) = rest.split_at(rest.len() - left);
        result.extend(&before[..before.len() - path.as_os_str().len() - 4]);
        result.extend(u32::try_from(moved.as_os_str().len()).ok()?.to_le_bytes());
        result.extend(moved.to_str()?.as_bytes());
        rest = after;
    }
    result.extend(rest);
    Some(result)
}

fn take<'a>(rest: &mut &'a [u8], len: usize) -> Option<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(len)?;
    *rest = left;
    Some(taken)
}

fn take_number(rest: &mut &[u8]) -> Option<usize> {
    let bytes = take(rest, 4)?;
    usize::try_from(u32::from_le_bytes(bytes.try_into().ok()?)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::mutate::mutations;
    use crate::units::tests::absolute;

    #[test]
    fn sources_and_variables_are_read_as_cargo_reads_them() {
        let text = "/l/deps/a.d: src/lib.rs src/two\\ words.rs /abs.rs\n\n/l/deps/a: other.rs\n\nsrc/lib.rs:\n\n\
                    # env-dep:CARGO_MANIFEST_DIR=/w/a=b\n# env-dep:UNSET\n";
        let dep_info = parse_make(text).expect("it has a rule");
        assert_eq!(
            dep_info.sources,
            ["src/lib.rs", "src/two words.rs", "/abs.rs"].map(PathBuf::from)
        );
        let variables = [("CARGO_MANIFEST_DIR", Some("/w/a=b")), ("UNSET", None)];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.map(str::to_owned)));
        assert_eq!(dep_info.variables, variables);
        assert!(parse_make("").is_none());
    }

    /// A record as cargo writes it, with a checksum for every second file and a variable.
    fn record(files: &[(u8, &str)]) -> Vec<u8> {
        let text = |text: &str| [&(text.len() as u32).to_le_bytes(), text.as_bytes()].concat();
        let mut record = vec![1, 0, 0, 0, 0xff, 1];
        record.extend((files.len() as u32).to_le_bytes());
        for (at, (relative_to, path)) in files.iter().enumerate() {
            record.push(*relative_to);
            record.extend(text(path));
            if at % 2 == 0 {
                record.push(0);
            } else {
                record.extend([1, 9, 0, 0, 0, 0, 0, 0, 0]);
                record.extend(text("blake3=/w/a"));
            }
        }
        record.extend([1, 0, 0, 0]);
        record.extend(text("CARGO"));
        record.push(0);
        record
    }

    #[test]
    fn cargos_record_is_read() {
        let record = record(&[(0, "src/lib.rs"), (1, "/w/README.md")]);
        let watched_files = watched(&record).expect("it is whole");
        let found: Vec<_> =
            watched_files.iter().map(|file| (file.relative_to, file.path)).collect();
        assert_eq!(found, [(PACKAGE, Path::new("src/lib.rs")), (1, Path::new("/w/README.md"))]);
        assert_eq!(watched(&record[..20]), None, "cut off");
        assert_eq!(watched(b"\x02"), None, "another version");
    }

    #[test]
    fn what_lies_in_the_tree_is_named_in_the_other_one() {
        let place = |root: &str| Place::new(absolute(root), absolute(root).join("target"));
        let files = |root: &str| {
            let in_tree = ["Cargo.toml", "clippy.toml"].map(|name| absolute(root).join(name));
            let paths = in_tree.into_iter().chain(["/w/a/target/x.rs", "/w/ab"].map(absolute));
            let paths: Vec<String> = paths.map(|path| path.display().to_string()).collect();
            let paths = ["src/lib.rs"].into_iter().chain(paths.iter().map(String::as_str));
            record(&paths.map(|path| (0, path)).collect::<Vec<_>>())
        };
        let moved =
            |record: &[u8]| record_in_other_tree(record, &place("/w/a"), &place("/w/longer"));
        assert_eq!(moved(&files("/w/a")), Some(files("/w/longer")));
        assert_eq!(moved(&files("/w/other")), Some(files("/w/other")));
        assert_eq!(moved(&files("/w/a")[..20]), None, "cut off");
    }

    /// As worktrees are called by default, and as they lie in folders of the repository.
    #[test]
    fn a_tree_whose_name_begins_like_the_donors_is_another() {
        for to in ["/w/a-fix", "/w/a/.worktrees/fix", "/w/a.bak"] {
            let place = |root: &str| Place::new(root.into(), Path::new(root).join("target"));
            let list = |root: &str| {
                format!("{root}/target/debug/a.d: src/lib.rs {root}/clippy.toml /w/a-other/x.rs\n")
            };
            let moved = list_in_other_tree(list("/w/a").as_bytes(), &place("/w/a"), &place(to));
            assert_eq!(String::from_utf8(moved), Ok(list(to)));
        }
    }

    #[test]
    fn any_bytes_are_borne() {
        let [from, to] = ["/w/a", "/w/longer"]
            .map(|root| Place::new(root.into(), Path::new(root).join("target")));
        let list = "/w/a/target/debug/deps/a.d: src/lib.rs src/two\\ words.rs /w/a/x.rs\n\n\
                    src/lib.rs:\n\n# env-dep:CARGO_MANIFEST_DIR=/w/a\n# env-dep:UNSET\n";
        mutations(list.as_bytes(), |list| {
            let text = String::from_utf8_lossy(list);
            _ = (parse_make(&text), made_in(&text, Path::new("debug/deps/a.d")));
            assert!(list_in_other_tree(list, &from, &to).len() <= 3 * list.len());
        });
        let record = record(&[(0, "src/lib.rs"), (0, "/w/a/Cargo.toml"), (1, "/w/a/x.rs")]);
        mutations(&record, |record| {
            let moved = record_in_other_tree(record, &from, &to);
            assert!(moved.is_none_or(|moved| moved.len() <= 3 * record.len()));
        });
    }
}

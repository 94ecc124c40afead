//! A list of edits to the files of a project: shown as one diff, written as one step, and taken back as one.
//!
//! Whoever plans edits gives each file's text as it was read. So what is shown is what is written, and a file that
//! somebody has changed meanwhile is noticed. `effects/disk/edits.rs` carries a list out.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

/// What a file holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Content {
    pub(crate) bytes: Vec<u8>,
    pub(crate) executable: bool,
}

impl Content {
    pub(crate) fn of(text: impl Into<Vec<u8>>) -> Content {
        Content { bytes: text.into(), executable: false }
    }

    /// The text, or `None` where it is none.
    pub(crate) fn text(&self) -> Option<&str> {
        std::str::from_utf8(&self.bytes).ok().filter(|text| !text.contains('\0'))
    }
}

/// One file before and after; `None` where there is none.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Edit {
    pub(crate) old: Option<Content>,
    pub(crate) new: Option<Content>,
}

/// Edits by path: relative to the project's root, with `/`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Edits {
    files: BTreeMap<String, Edit>,
}

impl Edits {
    /// Adds one, unless it changes nothing.
    pub(crate) fn push(&mut self, path: impl Into<String>, old: Option<Content>, new: Option<Content>) {
        if old != new {
            self.files.insert(path.into(), Edit { old, new });
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.files.len()
    }

    /// By path.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Edit)> {
        self.files.iter().map(|(path, edit)| (path.as_str(), edit))
    }

    /// In the order of writing: what is new, what changes, what goes. Halfway through, what is there still fits together.
    pub(crate) fn in_order(&self) -> Vec<(&str, &Edit)> {
        let mut edits: Vec<_> = self.iter().collect();
        edits.sort_by_key(|(_, edit)| (edit.new.is_none(), edit.old.is_some()));
        edits
    }

    /// What takes these back.
    pub(crate) fn reversed(&self) -> Edits {
        let swap = |(path, edit): (&String, &Edit)| {
            (path.clone(), Edit { old: edit.new.clone(), new: edit.old.clone() })
        };
        Edits { files: self.files.iter().map(swap).collect() }
    }

    /// These, and `later` ones made after them, as one list.
    pub(crate) fn then(&self, later: &Edits) -> Edits {
        let mut files = self.files.clone();
        for (path, edit) in &later.files {
            let old = files.get(path).map_or(&edit.old, |before| &before.old).clone();
            files.insert(path.clone(), Edit { old, new: edit.new.clone() });
        }
        files.retain(|_, edit| edit.old != edit.new);
        Edits { files }
    }

    /// Without one file, and that one.
    pub(crate) fn without(&self, path: &str) -> (Edits, Option<&Edit>) {
        let mut files = self.files.clone();
        files.remove(path);
        (Edits { files }, self.files.get(path))
    }

    /// A unified diff. Of a file that is new or goes in one of the folders `in_short` (`xtask/`), only its name and size.
    pub(crate) fn diff(&self, in_short: &[&str]) -> String {
        let mut out = String::new();
        for (path, edit) in self.iter() {
            let is_short = in_short.iter().any(|folder| path.starts_with(folder));
            if !(is_short && (edit.old.is_none() || edit.new.is_none())) {
                write_file(&mut out, path, edit).expect("a string takes everything");
            }
        }
        for folder in in_short {
            for (what, is_it) in [("new", true), ("removed", false)] {
                let files = self.iter().filter(|(path, edit)| {
                    path.starts_with(folder) && if is_it { edit.old.is_none() } else { edit.new.is_none() }
                });
                let of = |edit: &Edit| edit.new.as_ref().or(edit.old.as_ref()).map_or(0, line_count);
                let (count, lines) =
                    files.fold((0, 0), |(count, lines), (_, edit)| (count + 1, lines + of(edit)));
                if count > 0 {
                    let _ = writeln!(out, "{what} in {folder}: {count} files, {lines} lines");
                }
            }
        }
        out
    }

    /// One list as one text, from which [`Edits::decode`] makes it again.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let side = |content: &Option<Content>| match content {
            None => serde_json::Value::Null,
            Some(content) => serde_json::json!([content.bytes.len(), content.executable]),
        };
        let index =
            self.iter().map(|(path, edit)| serde_json::json!([path, side(&edit.old), side(&edit.new)]));
        let mut bytes = serde_json::Value::Array(index.collect()).to_string().into_bytes();
        bytes.push(b'\n');
        for (_, edit) in self.iter() {
            for content in [&edit.old, &edit.new].into_iter().flatten() {
                bytes.extend_from_slice(&content.bytes);
            }
        }
        bytes
    }

    /// `None` where it is no such text, or not all of it.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Edits> {
        let end = bytes.iter().position(|byte| *byte == b'\n')?;
        let (index, mut rest) = (&bytes[..end], &bytes[end + 1..]);
        let index: serde_json::Value = serde_json::from_slice(index).ok()?;
        let mut take = |side: &serde_json::Value| -> Option<Option<Content>> {
            if side.is_null() {
                return Some(None);
            }
            let (bytes, behind) = rest.split_at_checked(usize::try_from(side[0].as_u64()?).ok()?)?;
            rest = behind;
            Some(Some(Content { bytes: bytes.to_owned(), executable: side[1].as_bool()? }))
        };
        let mut files = BTreeMap::new();
        for entry in index.as_array()? {
            let (old, new) = (take(&entry[1])?, take(&entry[2])?);
            files.insert(entry[0].as_str()?.to_owned(), Edit { old, new });
        }
        Some(Edits { files })
    }
}

fn line_count(content: &Content) -> usize {
    content.bytes.split(|byte| *byte == b'\n').count().saturating_sub(1)
}

fn write_file(out: &mut String, path: &str, edit: &Edit) -> fmt::Result {
    let name = |side: &str, content: &Option<Content>| match content {
        Some(_) => format!("{side}/{path}"),
        None => "/dev/null".to_owned(),
    };
    writeln!(out, "--- {}\n+++ {}", name("a", &edit.old), name("b", &edit.new))?;
    if let (Some(old), Some(new)) = (&edit.old, &edit.new)
        && old.executable != new.executable
    {
        writeln!(out, "executable: {} -> {}", old.executable, new.executable)?;
    }
    let text =
        |content: &Option<Content>| content.as_ref().map_or(Some(""), Content::text).map(str::to_owned);
    match (text(&edit.old), text(&edit.new)) {
        (Some(old), Some(new)) => write_hunks(out, &old, &new),
        _ => writeln!(out, "(not text)"),
    }
}

/// A line of a diff, with where it is from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Line<'a> {
    Both(&'a str),
    Old(&'a str),
    New(&'a str),
}

fn write_hunks(out: &mut String, old: &str, new: &str) -> fmt::Result {
    const CONTEXT: usize = 3;
    let lines = diff_lines(old, new);
    let is_change = |at: usize| !matches!(lines[at], Line::Both(_));
    let changes: Vec<usize> = (0..lines.len()).filter(|at| is_change(*at)).collect();
    let mut rest = changes.as_slice();
    while let Some(first) = rest.first() {
        // A hunk goes on while the next change is so near that their contexts touch.
        let near = rest.windows(2).take_while(|pair| pair[1] - pair[0] <= 2 * CONTEXT + 1).count();
        let last = rest[near];
        rest = &rest[near + 1..];

        let hunk = first.saturating_sub(CONTEXT)..(last + CONTEXT + 1).min(lines.len());
        let count =
            |lines: &[Line<'_>], is_in: fn(&Line<'_>) -> bool| lines.iter().filter(|l| is_in(l)).count();
        let in_old = |line: &Line<'_>| !matches!(line, Line::New(_));
        let in_new = |line: &Line<'_>| !matches!(line, Line::Old(_));
        let range = |is_in: fn(&Line<'_>) -> bool| {
            let (before, length) = (count(&lines[..hunk.start], is_in), count(&lines[hunk.clone()], is_in));
            format!("{},{length}", if length == 0 { before } else { before + 1 })
        };
        writeln!(out, "@@ -{} +{} @@", range(in_old), range(in_new))?;
        for line in &lines[hunk] {
            let (mark, text) = match line {
                Line::Both(text) => (' ', text),
                Line::Old(text) => ('-', text),
                Line::New(text) => ('+', text),
            };
            match text.strip_suffix('\n') {
                Some(text) => writeln!(out, "{mark}{text}")?,
                None => writeln!(out, "{mark}{text}\n\\ No newline at end of file")?,
            }
        }
    }
    Ok(())
}

/// The shortest way from one text to the other (Myers, "An O(ND) Difference Algorithm and Its Variations", 1986), or all of
/// the one and then all of the other where the way is very long.
pub(super) fn diff_lines<'a>(old: &'a str, new: &'a str) -> Vec<Line<'a>> {
    const STEPS_MAX: isize = 2000; // Its square is the memory.
    let old: Vec<&str> = old.split_inclusive('\n').collect();
    let new: Vec<&str> = new.split_inclusive('\n').collect();
    let (old_len, new_len) = (old.len() as isize, new.len() as isize);

    // `ends[k]`: how far into `old` one gets on diagonal k with so many steps; one list for each number of steps.
    let mut ends: Vec<Vec<isize>> = Vec::new();
    let goes_down = |ends: &[isize], k: isize, steps: isize| {
        let at = |k: isize| ends[(k + steps) as usize];
        k == -steps || (k != steps && at(k - 1) < at(k + 1))
    };
    'search: for steps in 0..=(old_len + new_len).min(STEPS_MAX) {
        let before = ends.last().cloned().unwrap_or_default();
        // Seen from the present number of steps, the lists before are shifted by one on each side.
        let padded: Vec<isize> = [&[-1][..], &before, &[-1]].concat();
        let mut now = vec![-1; 2 * steps as usize + 1];
        for k in (-steps..=steps).step_by(2) {
            let mut x = match steps {
                0 => 0,
                _ if goes_down(&padded, k, steps) => padded[(k + 1 + steps) as usize],
                _ => padded[(k - 1 + steps) as usize] + 1,
            };
            while x < old_len && x - k < new_len && x >= k && old[x as usize] == new[(x - k) as usize] {
                x += 1;
            }
            now[(k + steps) as usize] = x;
            if x >= old_len && x - k >= new_len {
                ends.push(now);
                break 'search;
            }
        }
        ends.push(now);
    }

    let (mut x, mut y) = (old_len, new_len);
    let reached = ends.last().is_some_and(|last| {
        let at = x - y + ends.len() as isize - 1;
        usize::try_from(at).ok().and_then(|at| last.get(at)).is_some_and(|end| *end >= x)
    });
    let mut lines = Vec::new();
    if reached {
        for steps in (1..ends.len() as isize).rev() {
            let padded: Vec<isize> = [&[-1][..], &ends[steps as usize - 1], &[-1]].concat();
            let k = x - y;
            let (down, k_before) = if goes_down(&padded, k, steps) { (true, k + 1) } else { (false, k - 1) };
            let x_before = padded[(k_before + steps) as usize];
            let y_before = x_before - k_before;
            while x > x_before + isize::from(!down) && y > y_before + isize::from(down) {
                x -= 1;
                y -= 1;
                lines.push(Line::Both(old[x as usize]));
            }
            if down {
                y -= 1;
                lines.push(Line::New(new[y as usize]));
            } else {
                x -= 1;
                lines.push(Line::Old(old[x as usize]));
            }
        }
        lines.extend((0..x as usize).rev().map(|at| Line::Both(old[at])));
        lines.reverse();
    } else {
        lines.extend(old.into_iter().map(Line::Old));
        lines.extend(new.into_iter().map(Line::New));
    }
    lines
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    #[track_caller]
    fn check_diff(old: Option<&str>, new: Option<&str>, expected: Expect) {
        let mut edits = Edits::default();
        edits.push("a/file", old.map(Content::of), new.map(Content::of));
        expected.assert_eq(&edits.diff(&[]));
    }

    #[test]
    fn a_diff_reads_like_gits() {
        let old = "one\ntwo\nthree\nfour\nfive\nsix\nseven\neight\nnine\nten\neleven\ntwelve\n";
        let new = "zero\none\ntwo\nthree\nfour\nfive\nsix\nseven\neight\nnine\nTEN\neleven\ntwelve";
        check_diff(
            Some(old),
            Some(new),
            expect![[r#"
                --- a/a/file
                +++ b/a/file
                @@ -1,3 +1,4 @@
                +zero
                 one
                 two
                 three
                @@ -7,6 +8,6 @@
                 seven
                 eight
                 nine
                -ten
                +TEN
                 eleven
                -twelve
                +twelve
                \ No newline at end of file
            "#]],
        );
        check_diff(
            None,
            Some("a\nb\n"),
            expect![[r#"
                --- /dev/null
                +++ b/a/file
                @@ -0,0 +1,2 @@
                +a
                +b
            "#]],
        );
        check_diff(
            Some("a\n"),
            None,
            expect![[r#"
                --- a/a/file
                +++ /dev/null
                @@ -1,1 +0,0 @@
                -a
            "#]],
        );
        check_diff(
            Some("a\n"),
            Some("\0"),
            expect![[r#"
                --- a/a/file
                +++ b/a/file
                (not text)
            "#]],
        );
    }

    /// Whatever the texts, both can be read off the diff, and what is common to both is at least what a greedy search finds.
    #[test]
    fn both_texts_are_in_their_diff() {
        let mut seed = 7_u32;
        let mut next = |below: u32| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 16) % below
        };
        for _ in 0..300 {
            let mut text = |length: u32| -> String {
                (0..next(length + 1)).map(|_| ["a\n", "b\n", "c\n", "d\n"][next(4) as usize]).collect()
            };
            let (old, new) = (text(12), text(12));
            let lines = diff_lines(&old, &new);
            let side = |is_in: fn(&Line<'_>) -> bool| -> String {
                let text = |line: &Line<'_>| match *line {
                    Line::Both(text) | Line::Old(text) | Line::New(text) => text.to_owned(),
                };
                lines.iter().filter(|line| is_in(line)).map(text).collect()
            };
            assert_eq!(side(|line| !matches!(line, Line::New(_))), old, "{lines:?}");
            assert_eq!(side(|line| !matches!(line, Line::Old(_))), new, "{lines:?}");

            let changed = lines.iter().filter(|line| !matches!(line, Line::Both(_))).count();
            assert_eq!(changed, distance(&old, &new), "{old:?} {new:?} {lines:?}");
        }
    }

    /// The textbook's table.
    fn distance(old: &str, new: &str) -> usize {
        let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
        let mut row: Vec<usize> = (0..=new.len()).collect();
        for (i, left) in old.iter().enumerate() {
            let mut diagonal = row[0];
            row[0] = i + 1;
            for (j, right) in new.iter().enumerate() {
                let value = if left == right { diagonal } else { row[j].min(row[j + 1]) + 1 };
                diagonal = row[j + 1];
                row[j + 1] = value;
            }
        }
        row[new.len()]
    }

    #[test]
    fn a_very_long_way_is_cut_short() {
        let old: String = (0..3000).map(|at| format!("old {at}\n")).collect();
        let new: String = (0..3000).map(|at| format!("new {at}\n")).collect();
        assert_eq!(diff_lines(&old, &new).len(), 6000);
    }

    #[test]
    fn a_list_survives_its_encoding_and_nothing_less_than_all_of_it_does() {
        let mut edits = Edits::default();
        edits.push("same", Some(Content::of("x")), Some(Content::of("x")));
        edits.push("Cargo.toml", Some(Content::of("a\n")), Some(Content::of("b\n\0")));
        edits.push("x/new", None, Some(Content { bytes: vec![0xff, b'\n'], executable: true }));
        edits.push("gone", Some(Content::of("")), None);
        assert_eq!(edits.len(), 3);

        let bytes = edits.encode();
        assert_eq!(Edits::decode(&bytes).as_ref(), Some(&edits));
        for end in 0..bytes.len() {
            assert_eq!(Edits::decode(&bytes[..end]), None, "{end}");
        }
        let order: Vec<&str> = edits.in_order().into_iter().map(|(path, _)| path).collect();
        assert_eq!(order, ["x/new", "Cargo.toml", "gone"]);
    }

    #[test]
    fn two_lists_are_one() {
        let list = |files: &[(&str, Option<&str>, Option<&str>)]| {
            let mut edits = Edits::default();
            for (path, old, new) in files {
                edits.push(*path, old.map(Content::of), new.map(Content::of));
            }
            edits
        };
        let first = list(&[("a", Some("1"), Some("2")), ("b", None, Some("1")), ("c", Some("1"), Some("2"))]);
        let later = list(&[("a", Some("2"), Some("3")), ("b", Some("1"), None), ("d", Some("1"), None)]);
        let both = [("a", Some("1"), Some("3")), ("c", Some("1"), Some("2")), ("d", Some("1"), None)];
        assert_eq!(first.then(&later), list(&both));
    }

    #[test]
    fn a_folder_is_shown_in_short() {
        let mut edits = Edits::default();
        edits.push("xtask/a", None, Some(Content::of("1\n2\n")));
        edits.push("xtask/b", Some(Content::of("1\n")), Some(Content::of("2\n")));
        let shown = edits.diff(&["xtask/"]);
        assert!(shown.contains("new in xtask/: 1 files, 2 lines"), "{shown}");
        assert!(shown.contains("+++ b/xtask/b"), "{shown}");
        assert!(!shown.contains("xtask/a\n"), "{shown}");
    }
}

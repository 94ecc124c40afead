//! `.cargo/local.toml`: what xtask adds to it and takes out again, text to text.
//!
//! The file is the user's. What xtask writes are whole lines of its own, and each ends in a mark
//! that names the command that wrote it. So a line of the user's is never written anew, and taking
//! ours away leaves what was there, to the byte. toml_edit reads the file, says where a line has to
//! go, and checks the result.

use anyhow::{Context as _, bail};
use toml_edit::{Document, Item, Table, TableLike, Value};

/// Ends each line that `install-tools` writes.
pub(crate) const OF_INSTALL_TOOLS: &str = "# by cargo xtask install-tools";

/// What became of a key.
#[derive(Debug, PartialEq)]
pub(crate) enum Set {
    /// It was not there, or had another value of ours. The text with it.
    Written(String),
    AsItWas,
    /// The user has given it a value of their own, or something that it would have to be part of.
    /// It stays.
    Theirs {
        value: String,
    },
}

/// Gives `key` a value, with `mark` on its line, unless the user has done so.
///
/// # Errors
///
/// When `text` is no TOML, or `value` does not fit on a line.
pub(crate) fn set(text: &str, key: &[&str], value: &Value, mark: &str) -> anyhow::Result<Set> {
    let (name, parents) = key.split_last().context("no key")?;
    let value = value.clone().decorated("", "").to_string();
    if value.contains('\n') {
        bail!("{value} cannot be written on one line");
    }
    let document = parse(text)?;
    let root = document.as_table();
    let lines: Vec<&str> = text.split('\n').collect();

    let nearest = match find(root, key) {
        Some((item, [])) if is_marked(text, item, mark) => {
            let span = item.span().context("a value without a place")?;
            if text[span.clone()] == value {
                return Ok(Set::AsItWas);
            }
            return Ok(Set::Written([&text[..span.start], &value, &text[span.end..]].concat()));
        }
        Some((item, [])) => return Ok(theirs(text, item)),
        nearest => nearest,
    };

    // Below what is in the table already; else in a section at the end; else with more of the key
    // on the line.
    let line = |key: &[&str]| format!("{} = {value} {mark}", dotted(key));
    let inside = |depth: usize| {
        let at = end_of_section(text, root, &parents[..depth])?;
        Some((at, vec![line(&key[depth..])]))
    };
    let last = lines.len() - usize::from(lines.last() == Some(&"")); // Before the nothing after the last end of line.
    let space = (last > 0).then(String::new);
    let section =
        space.into_iter().chain([format!("[{}] {mark}", dotted(parents)), line(&[name])]).collect();
    let places = inside(parents.len()).into_iter().chain([(last, section)]);
    let places = places.chain((0..parents.len()).rev().filter_map(inside));

    let without_ours = remove(text, mark)?;
    let is_right = |written: &String| {
        let is_set = parse(written).is_ok_and(|document| match find(document.as_table(), key) {
            Some((item, [])) => is_marked(written, item, mark),
            _ => false,
        });
        is_set && remove(written, mark).is_ok_and(|text| text == without_ours)
    };
    Ok(match (places.map(|(at, added)| with_lines(&lines, at, &added)).find(is_right), nearest) {
        (Some(written), _) => Set::Written(written),
        (None, Some((item, _))) => theirs(text, item),
        (None, None) => bail!("there is no line for {} in it", dotted(key)),
    })
}

/// The text without the lines that end in `mark`. A header stays where the user has put something
/// below it.
///
/// # Errors
///
/// When `text` is no TOML, or would be none.
pub(crate) fn remove(text: &str, mark: &str) -> anyhow::Result<String> {
    parse(text)?;
    let lines: Vec<&str> = text.split('\n').collect();
    let is_ours = |line: &str| line.trim_end().ends_with(mark);
    let is_header = |line: &str| line.trim_start().starts_with('[');
    let mut kept: Vec<String> = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        if !is_ours(line) {
            kept.push((*line).to_owned());
            continue;
        }
        if !is_header(line) {
            continue;
        }
        let is_theirs = |line: &&str| {
            !is_ours(line) && !line.trim().is_empty() && !line.trim().starts_with('#')
        };
        if lines[at + 1..].iter().take_while(|line| !is_header(line)).any(is_theirs) {
            kept.push(line.replace(&format!(" {mark}"), ""));
        } else if kept.last().is_some_and(|line| line.trim().is_empty()) {
            kept.pop(); // The empty line that was set before the header.
        }
    }
    let kept = kept.join("\n");
    parse(&kept)?;
    Ok(kept)
}

/// What differs, with `+` and `-` in front, for the user to see before it is written.
pub(crate) fn difference(old: &str, new: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let same = |a: &[&str], b: &[&str]| a.iter().zip(b).take_while(|(a, b)| a == b).count();
    let start = same(&old, &new);
    let backwards =
        |lines: &[&str]| lines[start..].iter().rev().map(ToString::to_string).collect::<Vec<_>>();
    let (from_end, to_end) = (backwards(&old), backwards(&new));
    let end = from_end.iter().zip(&to_end).take_while(|(a, b)| a == b).count();
    let gone = old[start..old.len() - end].iter().map(|line| format!("-{line}"));
    let come = new[start..new.len() - end].iter().map(|line| format!("+{line}"));
    gone.chain(come).collect::<Vec<_>>().join("\n")
}

/// The keys on lines that end in `mark`, for a report.
pub(crate) fn marked(text: &str, mark: &str) -> Vec<String> {
    let is_ours =
        |line: &&str| line.trim_end().ends_with(mark) && !line.trim_start().starts_with('[');
    let without_mark = |line: &str| line.trim_end().trim_end_matches(mark).trim().to_owned();
    text.lines().filter(is_ours).map(without_mark).collect()
}

fn parse(text: &str) -> anyhow::Result<Document<&str>> {
    Document::parse(text).context("it is no TOML")
}

/// The item of that key or the nearest one above it, and what of the key is left below it.
fn find<'a, 'k>(table: &'a Table, key: &'k [&'k str]) -> Option<(&'a Item, &'k [&'k str])> {
    let mut at: &dyn TableLike = table;
    let mut nearest = None;
    for (depth, name) in key.iter().enumerate() {
        let Some(item) = at.get(name) else { break };
        nearest = Some((item, &key[depth + 1..]));
        match item.as_table_like() {
            Some(below) => at = below,
            None => break,
        }
    }
    nearest
}

fn theirs(text: &str, item: &Item) -> Set {
    let value = item
        .span()
        .map_or_else(|| item.to_string().trim().to_owned(), |span| text[span].to_owned());
    Set::Theirs { value }
}

/// `target.'cfg(unix)'.linker`
fn dotted(key: &[&str]) -> String {
    key.iter().map(|part| toml_edit::Key::new(*part).to_string()).collect::<Vec<_>>().join(".")
}

/// The index of the line that follows the last value in the table's own section. `None` where it
/// has no section.
fn end_of_section(text: &str, root: &Table, name: &[&str]) -> Option<usize> {
    let mut table = root;
    for part in name {
        table = table.get(part)?.as_table()?;
    }
    if table.is_dotted() || table.is_implicit() {
        return None;
    }
    let ends = table.iter().filter_map(|(_, item)| end_of_values(item));
    let header = if name.is_empty() { None } else { table.span().map(|span| span.start) };
    let end = ends.chain(header).max();
    Some(end.map_or(0, |end| line_of(text, end) + 1))
}

/// Where the last value ends that belongs to the section in which this item begins.
fn end_of_values(item: &Item) -> Option<usize> {
    match item {
        Item::Value(value) => value.span().map(|span| span.end - 1),
        Item::Table(table) if table.is_dotted() => {
            table.iter().filter_map(|(_, item)| end_of_values(item)).max()
        }
        _ => None,
    }
}

fn is_marked(text: &str, item: &Item, mark: &str) -> bool {
    let line = item.span().and_then(|span| text.split('\n').nth(line_of(text, span.start)));
    line.is_some_and(|line| line.trim_end().ends_with(mark))
}

/// The index of the line in which this byte is.
fn line_of(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|byte| *byte == b'\n').count()
}

fn with_lines(lines: &[&str], at: usize, added: &[String]) -> String {
    let end = if lines[0].ends_with('\r') { "\r" } else { "" };
    let added: Vec<String> = added.iter().map(|line| format!("{line}{end}")).collect();
    let mut all = lines.to_vec();
    all.splice(at..at, added.iter().map(String::as_str));
    all.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARK: &str = OF_INSTALL_TOOLS;
    const FLAGS: [&str; 3] = ["target", "x86_64-unknown-linux-gnu", "rustflags"];

    fn mold() -> Value {
        Value::from_iter(["-Clink-arg=-fuse-ld=mold"])
    }

    #[track_caller]
    fn written(text: &str) -> String {
        match set(text, &FLAGS, &mold(), MARK).expect("TOML") {
            Set::Written(written) => written,
            other => panic!("{other:?}"),
        }
    }

    /// What is written, and that nothing is left of it afterwards.
    #[track_caller]
    fn check(text: &str, expected: &str) {
        let after = written(text);
        assert_eq!(after.replace(MARK, "#"), expected);
        assert_eq!(set(&after, &FLAGS, &mold(), MARK).expect("TOML"), Set::AsItWas);
        assert_eq!(remove(&after, MARK).expect("TOML"), text);

        let lld = Value::from_iter(["-Clink-arg=-fuse-ld=lld"]);
        let Set::Written(other) = set(&after, &FLAGS, &lld, MARK).expect("TOML") else {
            panic!("{after}")
        };
        assert_eq!(other, after.replace("mold", "lld"));
    }

    #[test]
    fn it_is_written_where_a_person_would_and_goes_without_a_trace() {
        check(
            "",
            "[target.x86_64-unknown-linux-gnu] #\nrustflags = [\"-Clink-arg=-fuse-ld=mold\"] #\n",
        );
        check(
            "# mine\n[net]\noffline = true  # so\n",
            "# mine\n[net]\noffline = true  # so\n\n[target.x86_64-unknown-linux-gnu] #\n\
             rustflags = [\"-Clink-arg=-fuse-ld=mold\"] #\n",
        );
        check(
            "[net]\noffline = true",
            "[net]\noffline = true\n\n[target.x86_64-unknown-linux-gnu] #\n\
             rustflags = [\"-Clink-arg=-fuse-ld=mold\"] #",
        );
        check(
            "[target.x86_64-unknown-linux-gnu] # mine\nlinker = 'cc'\nrunner = [\n  'time',\n]\n\n[net]\n",
            "[target.x86_64-unknown-linux-gnu] # mine\nlinker = 'cc'\nrunner = [\n  'time',\n]\n\
             rustflags = [\"-Clink-arg=-fuse-ld=mold\"] #\n\n[net]\n",
        );
        check(
            "[net]\r\noffline = true\r\n",
            "[net]\r\noffline = true\r\n\r\n[target.x86_64-unknown-linux-gnu] #\r\n\
             rustflags = [\"-Clink-arg=-fuse-ld=mold\"] #\r\n",
        );
    }

    #[test]
    fn a_table_that_is_written_otherwise_is_added_to() {
        check(
            "target.x86_64-unknown-linux-gnu.linker = 'cc'\n\n[net]\n",
            "target.x86_64-unknown-linux-gnu.linker = 'cc'\n\
             target.x86_64-unknown-linux-gnu.rustflags = [\"-Clink-arg=-fuse-ld=mold\"] #\n\n[net]\n",
        );
        check(
            "[target]\nx86_64-unknown-linux-gnu.linker = 'cc'\n",
            "[target]\nx86_64-unknown-linux-gnu.linker = 'cc'\n\
             x86_64-unknown-linux-gnu.rustflags = [\"-Clink-arg=-fuse-ld=mold\"] #\n",
        );
        check(
            "[target.x86_64-unknown-linux-gnu.foo]\nrustc-cdylib-link-arg = []\n",
            "[target.x86_64-unknown-linux-gnu.foo]\nrustc-cdylib-link-arg = []\n\n\
             [target.x86_64-unknown-linux-gnu] #\nrustflags = [\"-Clink-arg=-fuse-ld=mold\"] #\n",
        );
    }

    #[test]
    fn what_the_user_has_written_wins() {
        for (text, value) in [
            ("[target.x86_64-unknown-linux-gnu]\nrustflags = [] # mine\n", "[]"),
            ("target.x86_64-unknown-linux-gnu.rustflags = '-Copt-level=1'", "'-Copt-level=1'"),
            ("target = { x86_64-unknown-linux-gnu = { linker = 'cc' } }\n", "{ linker = 'cc' }"),
            ("target = 3\n", "3"),
        ] {
            let expected = Set::Theirs { value: value.to_owned() };
            assert_eq!(set(text, &FLAGS, &mold(), MARK).expect("TOML"), expected, "{text}");
        }
        set("[target", &FLAGS, &mold(), MARK).expect_err("no TOML");
    }

    #[test]
    fn several_keys_and_marks_go_each_with_its_own() {
        const OTHER: &str = "# by cargo xtask cache";
        let one = written("[net]\noffline = true\n");
        let dir = Value::from("C:\\it's \"here\"");
        let Set::Written(two) = set(&one, &["env", "SCCACHE_DIR"], &dir, OTHER).expect("TOML")
        else {
            panic!()
        };
        let Set::Written(three) =
            set(&two, &["env", "SCCACHE_CACHE_SIZE"], &"50G".into(), OTHER).expect("TOML")
        else {
            panic!()
        };
        assert_eq!(marked(&three, OTHER).len(), 2, "{three}");
        assert_eq!(remove(&three, OTHER).expect("TOML"), one);
        let without = remove(&three, MARK).expect("TOML");
        assert!(without.contains("SCCACHE_DIR") && !without.contains("mold"), "{without}");
    }

    #[test]
    fn a_header_stays_above_what_the_user_has_put_there() {
        let text = written("").replace("rustflags", "linker = 'cc'\nrustflags");
        assert_eq!(
            remove(&text, MARK).expect("TOML"),
            "[target.x86_64-unknown-linux-gnu]\nlinker = 'cc'\n"
        );
        let text = written("") + "# of net\n[net]\n";
        assert_eq!(remove(&text, MARK).expect("TOML"), "# of net\n[net]\n");
    }

    #[test]
    fn a_key_that_needs_quotes_has_them() {
        let key = ["target", "cfg(target_os = \"linux\")", "linker"];
        let Set::Written(text) = set("", &key, &"cc".into(), MARK).expect("TOML") else { panic!() };
        assert_eq!(
            text.replace(MARK, "#"),
            "[target.'cfg(target_os = \"linux\")'] #\nlinker = \"cc\" #\n"
        );
    }
}

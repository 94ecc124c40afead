//! `.cargo/local.toml`: adds the flags for a linker, and takes them out again, text to text.
//!
//! The file is the user's. Each line that we add ends in a mark that names the command, so the
//! user's lines stay as they are, and taking ours out restores the file to the byte.

use anyhow::Context as _;
use toml_edit::{DocumentMut, Item, Table, Value};

/// Ends each line that `install-tools` writes.
const MARK: &str = "# by cargo xtask install-tools";

/// What became of the flags.
#[derive(Debug, PartialEq)]
pub(crate) enum Set {
    /// The new text.
    Written(String),
    Unchanged,
    /// The user has set the key, or something that it would have to be part of. It stays.
    Theirs {
        value: String,
    },
}

/// Sets `target.<triple>.rustflags`, unless the user has done so.
///
/// # Errors
///
/// When `text` is not TOML.
pub(crate) fn set(text: &str, triple: &str, flags: &[String]) -> anyhow::Result<Set> {
    let mut document: DocumentMut = text.replace("\r\n", "\n").parse().context("not TOML")?;
    let theirs = |item: &Item| Set::Theirs { value: item.to_string().trim().to_owned() };
    let mut is_inside_dotted = false;
    let mut table: &mut Table = document.as_table_mut();
    for name in ["target", triple] {
        let item = table.entry(name).or_insert_with(|| {
            let mut table = Table::new();
            table.set_implicit(true);
            table.set_dotted(is_inside_dotted);
            Item::Table(table)
        });
        if !item.is_table() {
            return Ok(theirs(item));
        }
        table = item.as_table_mut().context("a table")?;
        is_inside_dotted = table.is_dotted();
    }
    if table.is_implicit() && !table.is_dotted() {
        table.set_implicit(false);
        table.decor_mut().set_prefix(if text.is_empty() { "" } else { "\n" });
        table.decor_mut().set_suffix(format!(" {MARK}"));
    }
    let value = Value::from_iter(flags).decorated(" ", format!(" {MARK}"));
    match table.get_mut("rustflags") {
        Some(item) if is_marked(&item.to_string()) => *item = value.into(),
        Some(item) => return Ok(theirs(item)),
        None => _ = table.insert("rustflags", value.into()),
    }

    let mut written = document.to_string();
    if !text.is_empty() && !text.ends_with('\n') {
        written.truncate(written.trim_end_matches('\n').len());
    }
    if text.contains("\r\n") {
        written = written.replace('\n', "\r\n");
    }
    Ok(if written == text { Set::Unchanged } else { Set::Written(written) })
}

/// The text without our lines. A header of ours stays if the user has put something below it.
///
/// # Errors
///
/// When `text` is not TOML, or would no longer be.
pub(crate) fn remove(text: &str) -> anyhow::Result<String> {
    let is_valid = |text: &str| text.parse::<DocumentMut>().context("not TOML").map(drop);
    is_valid(text)?;
    let is_header = |line: &str| line.trim_start().starts_with('[');
    let lines: Vec<&str> = text.split('\n').collect();
    let mut kept: Vec<String> = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        if !is_marked(line) {
            kept.push((*line).to_owned());
        } else if is_header(line) {
            let is_users = |line: &&str| {
                let line = line.trim();
                !is_marked(line) && !line.is_empty() && !line.starts_with('#')
            };
            if lines[at + 1..].iter().take_while(|line| !is_header(line)).any(is_users) {
                kept.push(line.replace(&format!(" {MARK}"), ""));
            } else if kept.last().is_some_and(|line| line.trim().is_empty()) {
                kept.pop(); // The empty line that was added before the header.
            }
        }
    }
    let kept = kept.join("\n");
    is_valid(&kept)?;
    Ok(kept)
}

/// Whether a line of ours is in `text`.
pub(crate) fn has_ours(text: &str) -> bool {
    text.lines().any(is_marked)
}

fn is_marked(line: &str) -> bool {
    line.trim_end().ends_with(MARK)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRIPLE: &str = "x86_64-unknown-linux-gnu";

    fn flags(linker: &str) -> Vec<String> {
        vec![format!("-Clink-arg=-fuse-ld={linker}")]
    }

    #[track_caller]
    fn written(text: &str, linker: &str) -> String {
        match set(text, TRIPLE, &flags(linker)).expect("TOML") {
            Set::Written(written) => written,
            other => panic!("{other:?}"),
        }
    }

    /// What is written, and that nothing is left of it afterwards. In `expected`, `[T]` is our
    /// header and `FLAGS` our setting, each with the mark.
    #[track_caller]
    fn check(text: &str, expected: &str) {
        let after = written(text, "mold");
        let expected = expected
            .replace("[T]", "[target.x86_64-unknown-linux-gnu] #")
            .replace("FLAGS", "rustflags = [\"-Clink-arg=-fuse-ld=mold\"] #");
        assert_eq!(after.replace(MARK, "#"), expected);
        assert_eq!(set(&after, TRIPLE, &flags("mold")).expect("TOML"), Set::Unchanged);
        assert_eq!(written(&after, "lld"), after.replace("mold", "lld"));
        assert_eq!(remove(&after).expect("TOML"), text);
    }

    #[test]
    fn flags_are_added_where_a_person_would_and_go_without_a_trace() {
        check("", "[T]\nFLAGS\n");
        check(
            "# mine\n[net]\noffline = true  # so\n",
            "# mine\n[net]\noffline = true  # so\n\n[T]\nFLAGS\n",
        );
        check("[net]\noffline = true", "[net]\noffline = true\n\n[T]\nFLAGS");
        check(
            "[target.x86_64-unknown-linux-gnu] # mine\nlinker = 'cc'\nrunner = [\n  'time',\n]\n\n[net]\n",
            "[target.x86_64-unknown-linux-gnu] # mine\nlinker = 'cc'\nrunner = [\n  'time',\n]\nFLAGS\n\n[net]\n",
        );
        check("[net]\r\noffline = true\r\n", "[net]\r\noffline = true\r\n\r\n[T]\r\nFLAGS\r\n");
    }

    #[test]
    fn other_forms_of_a_table_are_added_to() {
        let x = "x86_64-unknown-linux-gnu";
        check(
            &format!("target.{x}.linker = 'cc'\n\n[net]\n"),
            &format!("target.{x}.linker = 'cc'\ntarget.{x}.FLAGS\n\n[net]\n"),
        );
        check("target.y.linker = 'cc'\n", &format!("target.y.linker = 'cc'\ntarget.{x}.FLAGS\n"));
        check(
            &format!("[target]\n{x}.linker = 'cc'\n"),
            &format!("[target]\n{x}.linker = 'cc'\n{x}.FLAGS\n"),
        );
        check(
            &format!("[net]\n[target.{x}.foo]\nrustc-cdylib-link-arg = []\n"),
            &format!("[net]\n\n[T]\nFLAGS\n[target.{x}.foo]\nrustc-cdylib-link-arg = []\n"),
        );
    }

    #[test]
    fn what_the_user_has_written_stays() {
        for (text, value) in [
            ("[target.x86_64-unknown-linux-gnu]\nrustflags = [] # mine\n", "[] # mine"),
            ("target.x86_64-unknown-linux-gnu.rustflags = '-Copt-level=1'", "'-Copt-level=1'"),
            (
                "target = { x86_64-unknown-linux-gnu = { linker = 'cc' } }\n",
                "{ x86_64-unknown-linux-gnu = { linker = 'cc' } }",
            ),
            ("target = 3\n", "3"),
        ] {
            let expected = Set::Theirs { value: value.to_owned() };
            assert_eq!(set(text, TRIPLE, &flags("mold")).expect("TOML"), expected, "{text}");
        }
        set("[target", TRIPLE, &flags("mold")).expect_err("not TOML");
    }

    #[test]
    fn a_header_stays_above_what_the_user_has_put_there() {
        let text = written("", "mold").replace("rustflags", "linker = 'cc'\nrustflags");
        let kept = remove(&text).expect("TOML");
        assert_eq!(kept, "[target.x86_64-unknown-linux-gnu]\nlinker = 'cc'\n");
        let text = written("", "mold") + "# of net\n[net]\n";
        assert_eq!(remove(&text).expect("TOML"), "# of net\n[net]\n");
    }
}

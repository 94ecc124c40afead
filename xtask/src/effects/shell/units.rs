//! Counts units from the JSON that cargo writes to stdout under `--message-format=json…`.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::ChildStdout;

use serde_json::Value;

/// What one cargo compiled and what it found fresh.
#[derive(Default)]
pub(crate) struct Units {
    /// The packages of the units that were compiled, in the order in which they were finished.
    pub(crate) compiled: Vec<String>,
    pub(crate) fresh: usize,
}

/// Reads until the child closes its stdout. Lines that are not cargo's JSON are the user's and are always passed on;
/// cargo's own are passed on where the user asked for them.
pub(super) fn count(stdout: ChildStdout, forwards: bool) -> Units {
    let mut units = Units::default();
    let mut reader = BufReader::new(stdout);
    let mut line = Vec::new();
    let mut out = std::io::stdout().lock();
    while matches!(reader.read_until(b'\n', &mut line), Ok(1..)) {
        let is_message = line.starts_with(br#"{"reason":"#);
        if is_message {
            units.add(&line);
        }
        if forwards || !is_message {
            // Like cargo, we go on building when nobody reads any more.
            drop(out.write_all(&line).and_then(|()| out.flush()));
        }
        line.clear();
    }
    units
}

impl Units {
    pub(crate) fn append(&mut self, mut other: Units) {
        self.compiled.append(&mut other.compiled);
        self.fresh += other.fresh;
    }

    fn add(&mut self, line: &[u8]) {
        const ARTIFACT: &[u8] = br#"{"reason":"compiler-artifact""#;
        if !line.starts_with(ARTIFACT) {
            return;
        }
        // Most units of most builds are fresh, so those are told by their text: quotes inside JSON strings are escaped,
        // so it can stand nowhere else in the line.
        if contains(line, br#""fresh":true"#) {
            self.fresh += 1;
            return;
        }
        let message: Value = serde_json::from_slice(line).unwrap_or_default();
        let id = message["package_id"].as_str().unwrap_or_default();
        self.compiled.push(package_name(id).to_owned());
    }
}

fn contains(line: &[u8], needle: &[u8]) -> bool {
    line.windows(needle.len()).any(|window| window == needle)
}

/// The name in a package ID (the Cargo Book, "Package ID Specifications"): `…/crates/core#0.1.0`, `…#serde@1.0.0`.
fn package_name(id: &str) -> &str {
    let (url, fragment) = id.split_once('#').unwrap_or((id, ""));
    match fragment.split_once('@') {
        Some((name, _)) => name,
        None if fragment.starts_with(|c: char| c.is_ascii_digit()) || fragment.is_empty() => {
            url.rsplit('/').next().unwrap_or(url)
        }
        None => fragment,
    }
}

#[cfg(test)]
mod tests {
    use super::package_name;

    #[test]
    fn names_in_package_ids() {
        assert_eq!(package_name("path+file:///w/crates/core#0.1.0"), "core");
        assert_eq!(package_name("path+file:///w/crates/core#other-name@0.1.0"), "other-name");
        assert_eq!(package_name("registry+https://example.org/index#serde@1.0.219"), "serde");
        assert_eq!(package_name("git+https://example.org/a.git?rev=1#regex@1.4.3"), "regex");
    }
}

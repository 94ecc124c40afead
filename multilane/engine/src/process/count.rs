//! Counts units from the JSON that cargo writes to stdout under `--message-format=json…`.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::ChildStdout;

use crate::json::Json;

/// What one cargo compiled and what it found fresh.
#[derive(Default)]
pub struct Units {
    /// The packages of the units that were compiled, in the order in which they were finished.
    pub compiled: Vec<String>,
    pub fresh: usize,
    /// The test executables, with their target, as cargo sorts them.
    pub executables: BTreeSet<Executable>,
}

/// What cargo prints about an executable under `cargo test --no-run`, and not if it is asked for
/// JSON.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub struct Executable {
    package: String,
    /// Libraries, programs, tests, benchmarks, examples: cargo's order.
    rank: usize,
    name: String,
    /// The source file, relative to its package.
    source: PathBuf,
    pub path: PathBuf,
}

impl Executable {
    fn new(message: &Json) -> Option<Executable> {
        const KINDS: [&str; 5] = ["lib", "bin", "test", "bench", "example"];
        let target = &message["target"];
        let kind = target["kind"][0].as_str()?;
        let source = Path::new(target["src_path"].as_str()?);
        let package_dir = Path::new(message["manifest_path"].as_str()?).parent()?;
        Some(Executable {
            package: message["package_id"].as_str()?.to_owned(),
            rank: KINDS.iter().position(|known| *known == kind).unwrap_or(0),
            name: target["name"].as_str()?.to_owned(),
            source: source.strip_prefix(package_dir).unwrap_or(source).to_owned(),
            path: PathBuf::from(message["executable"].as_str()?),
        })
    }

    /// `unittests src/lib.rs (target/debug/deps/core-…)`, from where the user stands.
    pub fn describe(&self, start: &Path) -> String {
        let is_test_or_bench = matches!(self.rank, 2 | 3);
        let what = if is_test_or_bench { "" } else { "unittests " };
        let path = self.path.strip_prefix(start).unwrap_or(&self.path);
        format!("{what}{} ({})", self.source.display(), path.display())
    }
}

/// Reads until the child closes its stdout. Lines that are not cargo's JSON are the user's and are
/// always passed on; cargo's own are passed on where the user asked for them.
pub(super) fn count(stdout: ChildStdout, forwards: bool) -> Units {
    let mut units = Units::default();
    let mut reader = BufReader::new(stdout);
    let mut line = Vec::new();
    let mut out = std::io::stdout().lock();
    let mut is_building = true;
    while matches!(reader.read_until(b'\n', &mut line), Ok(1..)) {
        let is_cargos = is_building && CARGOS.iter().any(|start| line.starts_with(start));
        if is_cargos {
            units.add(&line);
            is_building = !line.starts_with(FINISHED);
        }
        if forwards || !is_cargos {
            // Like cargo, we go on building when nobody reads any more.
            drop(out.write_all(&line).and_then(|()| out.flush()));
        }
        line.clear();
    }
    units
}

const ARTIFACT: &[u8] = br#"{"reason":"compiler-artifact""#;
const FINISHED: &[u8] = br#"{"reason":"build-finished""#;

/// What cargo writes while it builds (the Cargo Book, "External tools"). Whatever comes after the
/// last is a test's.
const CARGOS: [&[u8]; 4] = [
    ARTIFACT,
    FINISHED,
    br#"{"reason":"build-script-executed""#,
    br#"{"reason":"compiler-message""#,
];

impl Units {
    pub fn is_empty(&self) -> bool {
        self.compiled.is_empty() && self.fresh == 0
    }

    pub fn append(&mut self, mut other: Units) {
        self.compiled.append(&mut other.compiled);
        self.fresh += other.fresh;
        self.executables.append(&mut other.executables);
    }

    /// Whether the line was one of cargo's own.
    pub fn hear(&mut self, line: &[u8]) -> bool {
        self.add(line);
        CARGOS.iter().any(|start| line.starts_with(start))
    }

    fn add(&mut self, line: &[u8]) {
        if !line.starts_with(ARTIFACT) {
            return;
        }
        // Most units of most builds are fresh, so those are told by their text: quotes inside JSON
        // strings are escaped, so it can stand nowhere else in the line.
        let is_fresh = contains(line, br#""fresh":true"#);
        let is_test_executable =
            contains(line, br#""test":true},"features""#) && contains(line, br#""executable":""#);
        self.fresh += usize::from(is_fresh);
        if is_fresh && !is_test_executable {
            return;
        }
        let message = Json::read(line).unwrap_or_default();
        if !is_fresh {
            let id = message["package_id"].as_str().unwrap_or_default();
            self.compiled.push(package_name(id).to_owned());
        }
        if is_test_executable {
            self.executables.extend(Executable::new(&message));
        }
    }
}

fn contains(line: &[u8], needle: &[u8]) -> bool {
    line.windows(needle.len()).any(|window| window == needle)
}

/// The name in a package ID (the Cargo Book, "Package ID Specifications"): `…/crates/core#0.1.0`,
/// `…#serde@1.0.0`.
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
    use crate::process::count::package_name;

    #[test]
    fn names_in_package_ids() {
        assert_eq!(package_name("path+file:///w/crates/core#0.1.0"), "core");
        assert_eq!(package_name("path+file:///w/crates/core#other-name@0.1.0"), "other-name");
        assert_eq!(package_name("registry+https://example.org/index#serde@1.0.219"), "serde");
        assert_eq!(package_name("git+https://example.org/a.git?rev=1#regex@1.4.3"), "regex");
    }
}

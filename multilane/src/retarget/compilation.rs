//! What makes an incremental cache of another lane fit for this one.
//!
//! rustc begins a cache with its own version and a hash of its options, and uses none whose hash is
//! another than today's. With the compiler wrapper, the same unit's options in two worktrees differ
//! in one word alone: which directory `.` stands for. Nothing in the cache depends on that. So what
//! the cache of another tree needs is its own hash exchanged for the one that the same options have
//! here, and only if it was made with the same options. Neither hash can be computed from outside;
//! both are asked of rustc, which compiles next to nothing with the unit's options, once here and
//! once there.
//!
//! What is linked holds more: in it rustc has noted where the crates lie that it is linked with
//! and, but for libraries, where it goes itself (`dep_graph.rs`). What rustc would note here is
//! computed (`crate_source.rs`), or it is asked as well, with an empty program that is linked with
//! the same crates.

use std::ffi::{OsStr, OsString};
use std::path::{Component, Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::lanes::hex;
use crate::retarget::dep_graph::{Exchange, options_hash_at};

/// One start of a compiler: the program, then its arguments.
#[derive(Debug)]
pub struct Compilation<'a> {
    words: &'a [OsString],
    /// Which of them is the source.
    source: usize,
    pub crate_name: &'a str,
    /// `-C incremental`
    pub incremental: PathBuf,
    has_main: bool,
    /// Whether rustc makes objects for something else than a library of Rust's own.
    pub is_linked: bool,
}

impl<'a> Compilation<'a> {
    /// `None` where the words are not as cargo would write them.
    pub fn read(words: &'a [OsString]) -> Option<Compilation<'a>> {
        const WITH_VALUE: [&str; 18] = [
            "-C",
            "-L",
            "-l",
            "-A",
            "-W",
            "-D",
            "-F",
            "-Z",
            "--cfg",
            "--check-cfg",
            "--crate-name",
            "--crate-type",
            "--extern",
            "--out-dir",
            "--cap-lints",
            "--target",
            "--emit",
            "--edition",
        ];
        let is_value =
            |at: usize| at > 0 && WITH_VALUE.iter().any(|option| words[at - 1] == *option);
        // clippy starts as `clippy-driver rustc …`.
        let first = words.iter().position(|word| word.as_encoded_bytes().starts_with(b"-"))?;
        let mut sources = (first..words.len())
            .filter(|at| !words[*at].as_encoded_bytes().starts_with(b"-") && !is_value(*at));
        let (source, None) = (sources.next()?, sources.next()) else { return None };

        let after = |option: &str| {
            words.windows(2).find(|pair| pair[0] == option).map(|pair| pair[1].as_os_str())
        };
        let incremental =
            words.iter().find_map(|word| word.to_str()?.strip_prefix("incremental="))?;
        let is_test = words.iter().any(|word| word == "--test");
        let types = words.windows(2).filter(|pair| pair[0] == "--crate-type").map(|pair| &pair[1]);
        let is_library = !is_test
            && types.clone().count() > 0
            && types.clone().all(|kind| kind == "lib" || kind == "rlib");
        let emits = words.iter().find_map(|word| word.to_str()?.strip_prefix("--emit="));
        let makes_objects = emits.is_some_and(|emits| emits.split(',').any(|kind| kind == "link"));
        // Then objects name the files that debug information goes to, which lie where the outputs
        // do.
        let is_split =
            words.iter().any(|word| word.as_encoded_bytes().starts_with(b"split-debuginfo="));
        Some(Compilation {
            words,
            source,
            crate_name: after("--crate-name")?.to_str()?,
            incremental: PathBuf::from(incremental),
            has_main: is_test || after("--crate-type") == Some(OsStr::new("bin")),
            is_linked: makes_objects && !is_library && !is_split,
        })
    }

    /// The compiler, without its arguments.
    pub fn compiler(&self) -> &'a [OsString] {
        let first = self.words.iter().position(|word| word.as_encoded_bytes().starts_with(b"-"));
        &self.words[..first.unwrap_or(self.words.len())]
    }

    /// What has to be compiled for the options' hash: as little as passes.
    pub fn smallest_source(&self) -> &'static str {
        if self.has_main { "//! Nothing.\nfn main() {}\n" } else { "//! Nothing.\n" }
    }

    /// The crates that it is given by name, and where they are.
    pub fn crates(&self) -> impl Iterator<Item = (&'a str, &'a Path)> {
        let externs =
            self.words.windows(2).filter(|pair| pair[0] == "--extern").map(|pair| &pair[1]);
        // `name=path`, or `options:name=path`; a name alone is one of the compiler's own crates.
        externs.filter_map(|word| {
            let (name, path) = word.to_str()?.split_once('=')?;
            Some((name.rsplit_once(':').map_or(name, |(_, name)| name), Path::new(path)))
        })
    }

    /// The directories in which crates are looked for, or lie.
    pub fn crate_dirs(&self) -> impl Iterator<Item = &'a Path> {
        let searched = self.words.windows(2).filter(|pair| pair[0] == "-L").filter_map(|pair| {
            let word = pair[1].to_str()?;
            match word.split_once('=') {
                Some(("dependency" | "crate" | "all", dir)) => Some(Path::new(dir)),
                Some(_) => None, // What is not Rust's.
                None => Some(Path::new(word)),
            }
        });
        searched.chain(self.crates().filter_map(|(_, path)| path.parent()))
    }

    /// As little as is linked with these crates, which are loaded in this order.
    pub fn linked_source<'n>(&self, crates: impl Iterator<Item = &'n str>) -> String {
        let crates: String = crates.map(|name| format!("extern crate r#{name} as _;\n")).collect();
        self.smallest_source().replacen('\n', &format!("\n{crates}"), 1)
    }

    /// The same compiler with the same options, for `source` and with everything it writes in
    /// `scratch`. What rustc does not count among the options (`[UNTRACKED]` in
    /// `rustc_session/src/options.rs`) is left out or replaced.
    pub fn probe(
        &self,
        source: &Path,
        scratch: &Path,
        own_root: &Path,
        root: &Path,
    ) -> Vec<OsString> {
        let mut own_remap = OsString::from("--remap-path-prefix=");
        own_remap.push(own_root);
        own_remap.push("=.");
        let mut remap = OsString::from("--remap-path-prefix=");
        remap.push(root);
        remap.push("=.");

        let mut probe = Vec::new();
        let mut words = self.words.iter().enumerate();
        while let Some((at, word)) = words.next() {
            if word == "--extern" || word == "-L" {
                words.next();
            } else if word == "--out-dir" {
                words.next();
                probe.extend([word.clone(), scratch.into()]);
            } else if word.as_encoded_bytes().starts_with(b"--diagnostic-width=") {
                // As wide as the terminal is; none where there is none.
            } else if *word == own_remap {
                probe.push(remap.clone());
            } else {
                probe.push(self.probed(at, source, scratch));
            }
        }
        // Nothing has to be linked; rustc finishes its cache before it does.
        probe.extend(["-C".into(), "linker=true".into()]);
        probe
    }

    /// The same with its crates, as it would be in `lane` of the tree at `root`. It has to work in
    /// `scratch`, where the directory of the outputs is made. `None` where that is not said as a
    /// path from the directory that the compiler works in.
    pub fn linked_probe(
        &self,
        source: &Path,
        scratch: &Path,
        own: &Place<'_>,
        other: &Place<'_>,
    ) -> Option<(Vec<OsString>, PathBuf)> {
        let mut out_dir = None;
        let mut probe = Vec::new();
        for at in 0..self.words.len() {
            let word = match at.checked_sub(1).map(|before| &self.words[before]) {
                Some(before) if before == "--out-dir" => {
                    let dir = other.lane.strip_prefix(other.root).ok()?;
                    let below = own.root.join(&self.words[at]);
                    let dir = dir.join(below.strip_prefix(own.lane).ok()?);
                    let is_inside =
                        dir.components().all(|part| matches!(part, Component::Normal(_)));
                    out_dir = is_inside.then(|| scratch.join(&dir));
                    dir.into_os_string()
                }
                Some(before) if before == "--extern" || before == "-L" => {
                    moved(&self.words[at], own, other)
                }
                _ => self.probed(at, source, scratch),
            };
            probe.push(word);
        }
        probe.extend(["-C".into(), "linker=true".into()]);
        let is_said_from_root = self
            .words
            .windows(2)
            .any(|pair| pair[0] == "--out-dir" && Path::new(&pair[1]).is_relative());
        Some((probe, out_dir?)).filter(|_| is_said_from_root)
    }

    /// A word as a probe has it.
    fn probed(&self, at: usize, source: &Path, scratch: &Path) -> OsString {
        if at == self.source {
            return source.into();
        }
        if self.words[at].as_encoded_bytes().starts_with(b"incremental=") {
            let mut incremental = OsString::from("incremental=");
            incremental.push(scratch.join("incremental"));
            return incremental;
        }
        self.words[at].clone()
    }
}

/// How the cache of a unit begins with certain options.
#[derive(Debug, PartialEq)]
pub struct Beginning {
    /// The name of its directory.
    pub cache: String,
    /// Of its `dep-graph.bin`, up to the end of the options' hash.
    pub bytes: Vec<u8>,
}

impl Beginning {
    /// `None` where the content is of another format.
    pub fn of_graph(cache: String, graph: &[u8]) -> Option<Beginning> {
        Some(Beginning { cache, bytes: graph[..options_hash_at(graph)?.end].to_vec() })
    }

    pub fn to_text(&self) -> String {
        format!("{} {}", self.cache, hex(&self.bytes))
    }

    pub fn of_text(text: &str) -> Option<Beginning> {
        let (cache, bytes) = text.split_once(' ')?;
        let byte = |at: usize| u8::from_str_radix(bytes.get(at..at + 2)?, 16).ok();
        let bytes: Vec<u8> = (0..bytes.len()).step_by(2).map(byte).collect::<Option<_>>()?;
        Beginning::of_graph(cache.to_owned(), &bytes)
    }
}

/// What a compiler's answer depends on, in short: its program, in the state that the file is in,
/// its words, its variables.
pub fn question<'v>(
    compiler: &str,
    words: &[OsString],
    variables: impl Iterator<Item = (&'v OsStr, &'v OsStr)>,
) -> String {
    const LEN: usize = 32;
    let mut hash = Sha256::new();
    let variables = variables.flat_map(|(name, value)| [name, value]);
    let words = words.iter().map(OsString::as_os_str).chain([OsStr::new("")]);
    for part in [OsStr::new(compiler)].into_iter().chain(words).chain(variables) {
        hash.update(part.len().to_le_bytes());
        hash.update(part.as_encoded_bytes());
    }
    hex(&hash.finalize())[..LEN].to_owned()
}

/// A lane, and the workspace root of its tree.
#[derive(Clone, Debug, PartialEq)]
pub struct Place<'a> {
    pub root: &'a Path,
    pub lane: &'a Path,
}

/// `name=path` or `kind=path`, with a path in one lane as one in another.
fn moved(word: &OsStr, own: &Place<'_>, other: &Place<'_>) -> OsString {
    let moved = || {
        let (name, path) = word.to_str()?.split_once('=')?;
        let path = other.lane.join(Path::new(path).strip_prefix(own.lane).ok()?);
        Some(format!("{name}={}", path.to_str()?))
    };
    moved().map_or_else(|| word.to_owned(), OsString::from)
}

/// What has to be written at the beginning of `cache`, which rustc wrote with the options of
/// `there`, so that it is what it writes with those of `here`; each is the beginning of a
/// `dep-graph.bin`. `None` where `cache` was made with other options or by another rustc.
pub fn exchange_of_hash(cache: &[u8], there: &[u8], here: &[u8]) -> Option<Exchange> {
    let hash = options_hash_at(here)?;
    let is_same_rustc = there.get(..hash.start)? == &here[..hash.start];
    let is_same_options = cache.get(..hash.end)? == there.get(..hash.end)?;
    (is_same_rustc && is_same_options).then(|| (hash.start, here[hash].to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split(' ').map(OsString::from).collect()
    }

    const LIBRARY: &str = "rustc --crate-name core --edition=2024 crates/core/src/lib.rs --error-format=json \
        --diagnostic-width=80 --crate-type lib --emit=dep-info,metadata,link -C metadata=1 --out-dir target/debug/deps -C incremental=/a/target/i -L \
        dependency=/a/target/debug/deps --extern x=/a/x.rmeta --remap-path-prefix=/a=.";

    #[test]
    fn a_probe_has_the_options_and_not_the_files_of_the_unit() {
        let words = words(LIBRARY);
        let compilation = Compilation::read(&words).expect("cargo writes it so");
        assert_eq!(
            (compilation.crate_name, compilation.incremental.to_str()),
            ("core", Some("/a/target/i"))
        );
        let probe = compilation.probe(
            Path::new("/t/x.rs"),
            Path::new("/t"),
            Path::new("/a"),
            Path::new("/b"),
        );
        let probe: Vec<_> = probe.iter().map(|word| word.to_str().expect("text")).collect();
        assert_eq!(
            probe.join(" "),
            "rustc --crate-name core --edition=2024 /t/x.rs --error-format=json --crate-type lib \
            --emit=dep-info,metadata,link -C metadata=1 --out-dir /t -C incremental=/t/incremental \
            --remap-path-prefix=/b=. -C linker=true"
        );
    }

    #[test]
    fn a_probe_of_what_is_linked_has_the_crates_and_the_place_of_the_outputs() {
        let line = LIBRARY.replace("--crate-type lib", "--crate-type bin");
        let line = line
            .replace("--extern x=", "--extern proc_macro --extern priv:y=/a/y.rlib --extern x=")
            .replace("/a/x.rmeta", "/a/target/x.rlib");
        let words = words(&line);
        let compilation = Compilation::read(&words).expect("cargo writes it so");
        let own = Place { root: Path::new("/a"), lane: Path::new("/a/target") };
        let other = Place { root: Path::new("/b"), lane: Path::new("/b/.lanes/x/1") };
        let probe_in = |compilation: &Compilation<'_>, place: &Place<'_>| {
            let (probe, out_dir) =
                compilation.linked_probe(Path::new("/t/x.rs"), Path::new("/t"), &own, place)?;
            let probe: Vec<_> = probe.iter().map(|word| word.to_str().expect("text")).collect();
            Some((probe.join(" "), out_dir))
        };
        let expected =
            format!("{line} -C linker=true").replace("crates/core/src/lib.rs", "/t/x.rs");
        let expected = expected.replace("incremental=/a/target/i", "incremental=/t/incremental");
        assert_eq!(
            probe_in(&compilation, &own),
            Some((expected.clone(), "/t/target/debug/deps".into()))
        );

        let expected = expected.replace("/a/target/debug/deps", "/b/.lanes/x/1/debug/deps");
        let expected = expected.replace("=/a/target/x", "=/b/.lanes/x/1/x");
        let expected = expected.replace("--out-dir target/", "--out-dir .lanes/x/1/");
        assert_eq!(
            probe_in(&compilation, &other),
            Some((expected, "/t/.lanes/x/1/debug/deps".into()))
        );

        let crates: Vec<_> = compilation.crates().collect();
        assert_eq!(crates, [("y", Path::new("/a/y.rlib")), ("x", Path::new("/a/target/x.rlib"))]);
        assert_eq!(
            compilation.linked_source(crates.iter().map(|(name, _)| *name)),
            "//! Nothing.\nextern crate r#y as _;\nextern crate r#x as _;\nfn main() {}\n"
        );
        // It would write where the unit's own outputs lie.
        for dir in ["/a/target/debug/deps", "../target", "/proc/self/fd/0"] {
            let words = self::words(&line.replace("target/debug/deps -C", &format!("{dir} -C")));
            let compilation = Compilation::read(&words).expect("cargo writes it so");
            assert_eq!(probe_in(&compilation, &own), None, "{dir}");
        }
    }

    #[test]
    fn what_is_linked_is_told_from_libraries_and_checks() {
        let is_linked =
            |line: &str| Compilation::read(&words(line)).expect("cargo writes it so").is_linked;
        assert!(!is_linked(LIBRARY));
        let program = LIBRARY.replace("--crate-type lib", "--crate-type bin");
        assert!(is_linked(&program));
        assert!(is_linked(
            &LIBRARY.replace("--crate-type lib", "--crate-type lib --crate-type cdylib")
        ));
        assert!(is_linked(&LIBRARY.replace("--crate-type lib", "--test")));
        assert!(!is_linked(&program.replace(",link", "")), "it is only checked");
        assert!(!is_linked(&format!("{program} -C split-debuginfo=packed")));
    }

    #[test]
    fn what_has_a_main_gets_one() {
        let source = |line: &str| {
            let words = words(line);
            Compilation::read(&words).expect("cargo writes it so").smallest_source()
        };
        assert!(!source(LIBRARY).contains("main"));
        assert!(source(&LIBRARY.replace("--crate-type lib", "--crate-type bin")).contains("main"));
        assert!(source(&format!("{LIBRARY} --test")).contains("main"));
        assert!(source(&LIBRARY.replace("rustc", "clippy-driver rustc")).contains("Nothing"));
    }

    #[test]
    fn what_cargo_would_not_write_is_left_alone() {
        for line in [
            "rustc -vV",
            "rustc - --crate-name ___ --print=file-names",
            &LIBRARY.replace("json", "json b.rs"),
        ] {
            assert!(Compilation::read(&words(line)).is_none(), "{line}");
        }
    }

    /// A `dep-graph.bin` of this version of rustc, with this hash.
    fn graph(version: &str, hash: u64, rest: &str) -> Vec<u8> {
        let length = u8::try_from(version.len()).expect("it is short");
        [
            b"RSIC\0\0".as_slice(),
            &[length],
            version.as_bytes(),
            &hash.to_le_bytes(),
            rest.as_bytes(),
        ]
        .concat()
    }

    #[test]
    fn a_beginning_is_read_as_it_was_written() {
        let graph = graph("1.95.0", 7, "graph");
        let beginning = Beginning::of_graph("core-1abc".to_owned(), &graph).expect("it is rustc's");
        assert_eq!(beginning.bytes, graph[..graph.len() - "graph".len()]);
        let text = beginning.to_text();
        assert_eq!(Beginning::of_text(&text[..text.len() - 1]), None, "cut off");
        assert_eq!(Beginning::of_text(&text[..text.len() - 2]), None, "cut off");
        assert_eq!(Beginning::of_text(&text), Some(beginning));
        assert_eq!(Beginning::of_text(""), None);
    }

    #[test]
    fn whatever_the_options_depend_on_is_in_the_question() {
        let question = |compiler: &str, line: &str, variables: &[(&str, &str)]| {
            let variables =
                variables.iter().map(|(name, value)| (OsStr::new(*name), OsStr::new(*value)));
            question(compiler, &words(line), variables)
        };
        let questions = [
            question("rustc 1 2", "a b", &[]),
            question("rustc 1 3", "a b", &[]),
            question("rustc 1 2", "a c", &[]),
            question("rustc 1 2", "a", &[("b", "")]),
            question("rustc 1 2", "a b", &[("RUSTC_BOOTSTRAP", "1")]),
            question("rustc 1 2", "a b", &[("RUSTC_BOOTSTRAP", "core")]),
        ];
        let different: std::collections::BTreeSet<_> = questions.iter().collect();
        assert_eq!(different.len(), questions.len());
        assert_eq!(question("rustc 1 2", "a b", &[]), questions[0]);
    }

    /// The cache with its hash exchanged.
    fn exchanged(cache: &[u8], there: &[u8], here: &[u8]) -> Option<Vec<u8>> {
        let (at, bytes) = exchange_of_hash(cache, there, here)?;
        let mut cache = cache.to_vec();
        cache[at..at + bytes.len()].copy_from_slice(&bytes);
        Some(cache)
    }

    #[test]
    fn only_the_hash_is_exchanged() {
        let exchanged = exchanged(
            &graph("1.95.0", 7, "graph"),
            &graph("1.95.0", 7, "x"),
            &graph("1.95.0", 9, "y"),
        );
        assert_eq!(exchanged, Some(graph("1.95.0", 9, "graph")));
    }

    #[test]
    fn a_cache_of_other_options_or_another_rustc_stays_what_it_is() {
        let cache = graph("1.95.0", 7, "graph");
        let here = graph("1.95.0", 9, "y");
        assert_eq!(exchanged(&cache, &graph("1.95.0", 8, "x"), &here), None, "other options");
        let of_another = graph("1.96.0", 9, "y");
        assert_eq!(exchanged(&cache, &graph("1.95.0", 7, "x"), &of_another), None, "another rustc");
        assert_eq!(exchanged(&cache[..20], &graph("1.95.0", 7, "x"), &here), None, "cut off");
        assert_eq!(exchanged(&cache, b"", &here), None);
        assert_eq!(exchanged(&cache, &graph("1.95.0", 7, "x"), b"RSIC"), None);
    }
}

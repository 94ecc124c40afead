//! How a compiler is started by cargo, and what that makes of an incremental cache.
//!
//! rustc begins a cache with its own version and a hash of its options, and uses none whose hash is
//! another than today's. With the compiler wrapper, the same unit's options in two worktrees differ
//! in one word alone: which directory `.` stands for. Nothing in the cache depends on that. So what
//! the cache of another tree needs is its own hash exchanged for the one that the same options have
//! here, and only if it was made with the same options. Neither hash can be computed from outside;
//! both are asked of rustc, which compiles next to nothing with the unit's options, once here and
//! once there.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::lanes::hex;
use crate::retarget::dep_graph::{Exchange, options_hash_at};
use crate::units::incremental::Origin;

/// One start of a compiler: the program, then its arguments.
#[derive(Debug)]
pub(super) struct Compilation<'a> {
    words: &'a [OsString],
    /// Which of them is the source.
    source: usize,
    pub(super) crate_name: &'a str,
    /// `-C incremental`
    pub(super) incremental: PathBuf,
    has_main: bool,
    /// Whether rustc makes objects for something else than a library of Rust's own.
    pub(super) is_linked: bool,
}

/// Where a compilation's outputs go, and what it makes.
#[derive(Debug, PartialEq)]
pub(super) struct Outputs<'a> {
    /// `--out-dir`, as it is written.
    pub(super) dir: &'a Path,
    /// The name of the crate with `-C extra-filename`.
    pub(super) stem: String,
    /// `--emit`, in the numbers and the order that rustc has for them.
    pub(super) kinds: Vec<isize>,
}

impl<'a> Compilation<'a> {
    /// `None` where the words are not as cargo would write them.
    pub(super) fn read(words: &'a [OsString]) -> Option<Compilation<'a>> {
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
    pub(super) fn compiler(&self) -> &'a [OsString] {
        let first = self.words.iter().position(|word| word.as_encoded_bytes().starts_with(b"-"));
        &self.words[..first.unwrap_or(self.words.len())]
    }

    /// What has to be compiled for the options' hash: as little as passes.
    pub(super) fn smallest_source(&self) -> &'static str {
        if self.has_main { "//! Nothing.\nfn main() {}\n" } else { "//! Nothing.\n" }
    }

    /// The words that come after this one.
    fn values(&self, option: &'static str) -> impl Iterator<Item = &'a str> {
        let pairs = self.words.windows(2).filter(move |pair| pair[0] == option);
        pairs.filter_map(|pair| pair[1].to_str())
    }

    /// The directories in which crates are looked for, or lie.
    pub(super) fn crate_dirs(&self) -> impl Iterator<Item = &'a Path> {
        let searched = self.values("-L").filter_map(|word| match word.split_once('=') {
            Some(("dependency" | "crate" | "all", dir)) => Some(Path::new(dir)),
            Some(_) => None, // Libraries of another language.
            None => Some(Path::new(word)),
        });
        // `name=path`, or `options:name=path`; a name alone is one of the compiler's own crates.
        let named = self.values("--extern").filter_map(|word| word.split_once('='));
        searched.chain(named.filter_map(|(_, path)| Path::new(path).parent()))
    }

    /// `None` where the words are not as cargo would write them.
    pub(super) fn outputs(&self) -> Option<Outputs<'a>> {
        const KINDS: [&str; 9] = [
            "asm",
            "llvm-bc",
            "dep-info",
            "link",
            "llvm-ir",
            "metadata",
            "mir",
            "obj",
            "thin-link-bitcode",
        ];
        let emits = self.words.iter().find_map(|word| word.to_str()?.strip_prefix("--emit="))?;
        let number =
            |kind: &str| isize::try_from(KINDS.iter().position(|known| *known == kind)?).ok();
        let mut kinds: Vec<isize> = emits.split(',').map(number).collect::<Option<_>>()?;
        kinds.sort_unstable();
        let extra = self.values("-C").find_map(|word| word.strip_prefix("extra-filename="));
        Some(Outputs {
            dir: Path::new(self.values("--out-dir").next()?),
            stem: format!("{}{}", self.crate_name, extra.unwrap_or_default()),
            kinds,
        })
    }

    /// The same compiler with the same options, as they would be in the lane `other`, for `source`
    /// and with everything it writes in `scratch`. What rustc does not count among the options
    /// (`[UNTRACKED]` in `rustc_session/src/options.rs`) is left out or replaced.
    pub(super) fn probe(
        &self,
        source: &Path,
        scratch: &Path,
        own: &Origin,
        other: &Origin,
    ) -> Vec<OsString> {
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
            } else if let Some(remap) = remap_in(word, own, other) {
                probe.push(remap);
            } else {
                probe.push(self.probed(at, source, scratch));
            }
        }
        // Nothing has to be linked; rustc finishes its cache before it does.
        probe.extend(["-C".into(), "linker=true".into()]);
        probe
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
pub(super) struct Beginning {
    /// The name of its directory.
    pub(super) cache: String,
    /// Of its `dep-graph.bin`, up to the end of the options' hash.
    pub(super) bytes: Vec<u8>,
}

impl Beginning {
    /// `None` where the content is of another format.
    pub(super) fn of_graph(cache: String, graph: &[u8]) -> Option<Beginning> {
        Some(Beginning { cache, bytes: graph[..options_hash_at(graph)?.end].to_vec() })
    }

    pub(super) fn to_text(&self) -> String {
        format!("{} {}", self.cache, hex(&self.bytes))
    }

    pub(super) fn of_text(text: &str) -> Option<Beginning> {
        let (cache, bytes) = text.split_once(' ')?;
        let byte = |at: usize| u8::from_str_radix(bytes.get(at..at + 2)?, 16).ok();
        let bytes: Vec<u8> = (0..bytes.len()).step_by(2).map(byte).collect::<Option<_>>()?;
        Beginning::of_graph(cache.to_owned(), &bytes)
    }
}

/// What a compiler's answer depends on, in short: its program, in the state that the file is in,
/// its words, its variables.
pub(super) fn question<'v>(
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

impl Outputs<'_> {
    /// The same directory in another lane, as the wrapper would write it there. `None` where the
    /// outputs do not go into the own lane.
    pub(super) fn dir_in(&self, own: &Origin, other: &Origin) -> Option<PathBuf> {
        let dir = own.root.join(self.dir);
        let dir = other.lane.join(dir.strip_prefix(&own.lane).ok()?);
        Some(dir.strip_prefix(&other.root).map_or_else(|_| dir.clone(), Path::to_owned))
    }
}

/// A remap of the wrapper's, as it would be in the lane `other`: of the root, or of a directory
/// below it or in the lane, which stays what it is.
fn remap_in(word: &OsStr, own: &Origin, other: &Origin) -> Option<OsString> {
    const OPTION: &str = "--remap-path-prefix=";
    let (from, to) = word.to_str()?.strip_prefix(OPTION)?.split_once('=')?;
    let (from, to) = if let Ok(inside) = Path::new(from).strip_prefix(&own.lane) {
        let dir = other.lane.join(inside);
        (dir.clone(), dir)
    } else if Path::new(from) == own.root {
        (other.root.clone(), to.into())
    } else {
        let dir = other.root.join(Path::new(from).strip_prefix(&own.root).ok()?);
        (dir.clone(), dir)
    };
    Some(format!("{OPTION}{}={}", from.to_str()?, to.to_str()?).into())
}

/// What has to be written at the beginning of `cache`, which rustc wrote with the options of
/// `there`, so that it is what it writes with those of `here`; each is the beginning of a
/// `dep-graph.bin`. `None` where `cache` was made with other options or by another rustc.
pub(super) fn exchange_of_hash(cache: &[u8], there: &[u8], here: &[u8]) -> Option<Exchange> {
    let hash = options_hash_at(here)?;
    let is_same_rustc = there.get(..hash.start)? == &here[..hash.start];
    let is_same_options = cache.get(..hash.end)? == there.get(..hash.end)?;
    (is_same_rustc && is_same_options).then(|| (hash.start, here[hash].to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::mutate::mutations;

    fn words(line: &str) -> Vec<OsString> {
        line.split(' ').map(OsString::from).collect()
    }

    const LIBRARY: &str = "rustc --crate-name core --edition=2024 crates/core/src/lib.rs --error-format=json \
        --diagnostic-width=80 --crate-type lib --emit=dep-info,metadata,link -C metadata=1 --out-dir target/debug/deps -C incremental=/a/target/i -L \
        dependency=/a/target/debug/deps --extern x=/a/x.rmeta --remap-path-prefix=/a=. --remap-path-prefix=/a/t/x=/a/t/x";

    #[test]
    fn a_probe_has_the_options_and_not_the_files_of_the_unit() {
        let words = words(LIBRARY);
        let compilation = Compilation::read(&words).expect("cargo writes it so");
        assert_eq!(
            (compilation.crate_name, compilation.incremental.to_str()),
            ("core", Some("/a/target/i"))
        );
        let origin = |root: &str| Origin { root: root.into(), lane: format!("{root}/t").into() };
        let (source, scratch) = (Path::new("/t/x.rs"), Path::new("/t"));
        let probe = compilation.probe(source, scratch, &origin("/a"), &origin("/b"));
        let probe: Vec<_> = probe.iter().map(|word| word.to_str().expect("text")).collect();
        assert_eq!(
            probe.join(" ").replace(std::path::MAIN_SEPARATOR, "/"),
            "rustc --crate-name core --edition=2024 /t/x.rs --error-format=json --crate-type lib \
            --emit=dep-info,metadata,link -C metadata=1 --out-dir /t -C incremental=/t/incremental \
            --remap-path-prefix=/b=. --remap-path-prefix=/b/t/x=/b/t/x -C linker=true"
        );
    }

    #[test]
    fn outputs_are_those_of_rustc() {
        let line = LIBRARY.replace("-C metadata=1", "-C metadata=1 -C extra-filename=-1");
        let words = words(&line);
        let compilation = Compilation::read(&words).expect("cargo writes it so");
        let outputs = compilation.outputs().expect("they are named");
        let expected = Outputs {
            dir: Path::new("target/debug/deps"),
            stem: "core-1".to_owned(),
            kinds: vec![2, 3, 5],
        };
        assert_eq!(outputs, expected);
        let origin = |root: &str, lane: &str| Origin { root: root.into(), lane: lane.into() };
        let dir_in = |own: &Origin, other: &Origin| outputs.dir_in(own, other);
        let (own, agents) = (origin("/a", "/a/target"), origin("/b", "/b/.lanes/x/1"));
        assert_eq!(dir_in(&own, &agents), Some(".lanes/x/1/debug/deps".into()));
        let elsewhere = origin("/b", "/elsewhere");
        assert_eq!(dir_in(&own, &elsewhere), Some("/elsewhere/debug/deps".into()));
        assert_eq!(dir_in(&elsewhere, &own), None);
        let dirs: Vec<_> = compilation.crate_dirs().collect();
        assert_eq!(dirs, [Path::new("/a/target/debug/deps"), Path::new("/a")]);
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

    #[test]
    fn any_bytes_are_borne() {
        let graph = graph("1.95.0", 7, "graph");
        let beginning = Beginning::of_graph("core-1abc".to_owned(), &graph).expect("it is rustc's");
        mutations(beginning.to_text().as_bytes(), |text| {
            _ = Beginning::of_text(&String::from_utf8_lossy(text));
        });
        mutations(&graph, |graph| _ = exchange_of_hash(graph, &beginning.bytes, &beginning.bytes));
    }
}

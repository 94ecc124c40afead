//! What makes an incremental cache of another worktree fit for this one.
//!
//! rustc begins a cache with its own version and a hash of its options, and uses none whose hash is another than today's.
//! With the compiler wrapper, the same unit's options in two worktrees differ in one word alone: which directory `.` stands
//! for. Nothing in the cache depends on that. So what the cache of another tree needs is its own hash exchanged for the one
//! that the same options have here, and only if it was made with the same options. Neither hash can be computed from
//! outside; both are asked of rustc, which compiles next to nothing with the unit's options, once here and once there.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// The length of the hash of the options, in bytes.
const HASH_LEN: usize = 8;

/// One start of a compiler: the program, then its arguments.
#[derive(Debug)]
pub(crate) struct Compilation<'a> {
    words: &'a [OsString],
    /// Which of them is the source.
    source: usize,
    pub(crate) crate_name: &'a str,
    /// `-C incremental`
    pub(crate) incremental: PathBuf,
    has_main: bool,
}

impl<'a> Compilation<'a> {
    /// `None` where the words are not as cargo would write them.
    pub(crate) fn read(words: &'a [OsString]) -> Option<Compilation<'a>> {
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
        let is_value = |at: usize| at > 0 && WITH_VALUE.iter().any(|option| words[at - 1] == *option);
        // clippy starts as `clippy-driver rustc …`.
        let first = words.iter().position(|word| word.as_encoded_bytes().starts_with(b"-"))?;
        let mut sources = (first..words.len())
            .filter(|at| !words[*at].as_encoded_bytes().starts_with(b"-") && !is_value(*at));
        let (source, None) = (sources.next()?, sources.next()) else { return None };

        let after =
            |option: &str| words.windows(2).find(|pair| pair[0] == option).map(|pair| pair[1].as_os_str());
        let incremental = words.iter().find_map(|word| word.to_str()?.strip_prefix("incremental="))?;
        let is_test = words.iter().any(|word| word == "--test");
        Some(Compilation {
            words,
            source,
            crate_name: after("--crate-name")?.to_str()?,
            incremental: PathBuf::from(incremental),
            has_main: is_test || after("--crate-type") == Some(OsStr::new("bin")),
        })
    }

    /// What has to be compiled for the options' hash: as little as passes.
    pub(crate) fn smallest_source(&self) -> &'static str {
        if self.has_main { "//! Nothing.\nfn main() {}\n" } else { "//! Nothing.\n" }
    }

    /// The same compiler with the same options, for `source` and with everything it writes in `scratch`. What rustc does
    /// not count among the options (`[UNTRACKED]` in `rustc_session/src/options.rs`) is left out or replaced.
    pub(crate) fn probe(&self, source: &Path, scratch: &Path, own_root: &Path, root: &Path) -> Vec<OsString> {
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
            } else if at == self.source {
                probe.push(source.into());
            } else if word.as_encoded_bytes().starts_with(b"incremental=") {
                let mut incremental = OsString::from("incremental=");
                incremental.push(scratch.join("incremental"));
                probe.push(incremental);
            } else if *word == own_remap {
                probe.push(remap.clone());
            } else {
                probe.push(word.clone());
            }
        }
        // Nothing has to be linked; rustc finishes its cache before it does.
        probe.extend(["-C".into(), "linker=true".into()]);
        probe
    }
}

/// `cache`, the beginning of which rustc wrote with the options of `there`, as one that it wrote with those of `here`; each
/// is the content of a `dep-graph.bin`. `None` where `cache` was made with other options or by another rustc.
pub(crate) fn exchange_hash(cache: &[u8], there: &[u8], here: &[u8]) -> Option<Vec<u8>> {
    // `RSIC`, the format's version in two bytes, the length of rustc's version in one (`rustc_incremental`, `file_format.rs`).
    const LENGTH_AT: usize = 6;
    if !here.starts_with(b"RSIC") {
        return None;
    }
    let hash_at = LENGTH_AT + 1 + usize::from(*here.get(LENGTH_AT)?);
    let hash_end = hash_at + HASH_LEN;
    let is_same_rustc = there.get(..hash_at)? == here.get(..hash_at)?;
    let is_same_options = cache.get(..hash_end)? == there.get(..hash_end)?;
    if !is_same_rustc || !is_same_options {
        return None;
    }
    let mut exchanged = cache.to_vec();
    exchanged[hash_at..hash_end].copy_from_slice(here.get(hash_at..hash_end)?);
    Some(exchanged)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split(' ').map(OsString::from).collect()
    }

    const LIBRARY: &str = "rustc --crate-name core --edition=2024 crates/core/src/lib.rs --error-format=json --crate-type \
        lib --emit=dep-info,metadata,link -C metadata=1 --out-dir target/debug/deps -C incremental=/a/target/i -L \
        dependency=/a/target/debug/deps --extern x=/a/x.rmeta --remap-path-prefix=/a=.";

    #[test]
    fn a_probe_has_the_options_and_not_the_files_of_the_unit() {
        let words = words(LIBRARY);
        let compilation = Compilation::read(&words).expect("cargo writes it so");
        assert_eq!((compilation.crate_name, compilation.incremental.to_str()), ("core", Some("/a/target/i")));
        let probe =
            compilation.probe(Path::new("/t/x.rs"), Path::new("/t"), Path::new("/a"), Path::new("/b"));
        let probe: Vec<_> = probe.iter().map(|word| word.to_str().expect("text")).collect();
        assert_eq!(
            probe.join(" "),
            "rustc --crate-name core --edition=2024 /t/x.rs --error-format=json --crate-type lib \
            --emit=dep-info,metadata,link -C metadata=1 --out-dir /t -C incremental=/t/incremental \
            --remap-path-prefix=/b=. -C linker=true"
        );
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
        [b"RSIC\0\0".as_slice(), &[length], version.as_bytes(), &hash.to_le_bytes(), rest.as_bytes()].concat()
    }

    #[test]
    fn only_the_hash_is_exchanged() {
        let exchanged =
            exchange_hash(&graph("1.95.0", 7, "graph"), &graph("1.95.0", 7, "x"), &graph("1.95.0", 9, "y"));
        assert_eq!(exchanged, Some(graph("1.95.0", 9, "graph")));
    }

    #[test]
    fn a_cache_of_other_options_or_another_rustc_stays_what_it_is() {
        let cache = graph("1.95.0", 7, "graph");
        let here = graph("1.95.0", 9, "y");
        assert_eq!(exchange_hash(&cache, &graph("1.95.0", 8, "x"), &here), None, "other options");
        assert_eq!(
            exchange_hash(&cache, &graph("1.95.0", 7, "x"), &graph("1.96.0", 9, "y")),
            None,
            "another rustc"
        );
        assert_eq!(exchange_hash(&cache[..20], &graph("1.95.0", 7, "x"), &here), None, "cut off");
        assert_eq!(exchange_hash(&cache, b"", &here), None);
        assert_eq!(exchange_hash(&cache, &graph("1.95.0", 7, "x"), b"RSIC"), None);
    }
}

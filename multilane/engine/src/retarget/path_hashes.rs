//! What rustc notes of paths in an incremental cache: a hash of those where a crate's files lie,
//! and one of where the outputs go.
//!
//! The paths are in rustc's `CrateSource` (1.95: `rustc_session/src/cstore.rs`: dynamic library,
//! `.rlib`, `.rmeta`, interface of a dynamic library) and `OutputFilenames`
//! (`rustc_session/src/config.rs`). They are hashed as everything is in rustc, which has its hasher
//! on crates.io. Which of a crate's files rustc has noted depends on the order in which crates were
//! loaded, so all possibilities are computed.
//!
//! A value of 128 bits that stands in a cache and comes out of paths in the donor was made from
//! these paths. Where none comes out, as of a rustc that does it in another way, nothing is
//! exchanged and rustc generates the crate's objects anew.

use std::collections::HashMap;
use std::hash::{Hash as _, Hasher as _};
use std::path::Path;

use rustc_stable_hash::{FromStableHash, SipHasher128Hash, StableSipHasher128};

use crate::retarget::compilation::Outputs;
use crate::retarget::dep_graph::{self, Exchange, Hash};
use crate::units::crate_files::CrateFiles;
use crate::units::incremental::Origin;

/// What a hash is of. rustc notes each in one kind of computation (`used_crate_source`,
/// `output_filenames`).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
enum Subject {
    Crate,
    Outputs,
}

/// By what rustc notes there, what it notes here.
pub(super) struct PathHashes {
    here: HashMap<Hash, (Subject, Hash)>,
    /// For the first two bytes of a value, whether one of these begins so: of a million values,
    /// nearly all are told by it.
    beginnings: Vec<bool>,
}

impl PathHashes {
    /// `crates` and `outputs` are those of the lane `own`; the cache was made in `there`.
    pub(super) fn new(
        crates: &[CrateFiles],
        outputs: Option<&Outputs<'_>>,
        own: &Origin,
        there: &Origin,
    ) -> PathHashes {
        let mut here = HashMap::new();
        for files in crates {
            let moved = files.moved(&own.lane, &there.lane);
            for (value_there, value_here) in crate_hashes(&moved).zip(crate_hashes(files)) {
                here.insert(value_there, (Subject::Crate, value_here));
            }
        }
        let of_outputs = outputs.and_then(|outputs| Some((outputs, outputs.dir_in(own, there)?)));
        if let Some((outputs, dir_there)) = of_outputs {
            let value = (Subject::Outputs, outputs_hash(outputs, outputs.dir));
            here.insert(outputs_hash(outputs, &dir_there), value);
        }
        let mut beginnings = vec![false; 1 << 16];
        here.keys().for_each(|value| beginnings[beginning(value)] = true);
        PathHashes { here, beginnings }
    }

    /// What has to be written into the `dep-graph.bin` of a cache, which was made there, so that it
    /// says what rustc would have written here. `None` where the file does not add up, or where
    /// values of another kind are the same.
    pub(super) fn exchanges(&self, graph: &[u8]) -> Option<Vec<Exchange>> {
        let is_known =
            |value: &Hash| self.beginnings[beginning(value)] && self.here.contains_key(value);
        let mut kinds = HashMap::new();
        let mut exchanges = Vec::new();
        for node in dep_graph::nodes(graph, is_known)? {
            let (subject, here) = self.here[&node.value];
            if *kinds.entry(subject).or_insert(node.kind) != node.kind {
                return None;
            }
            if here != node.value {
                exchanges.push((node.value_at, here.to_vec()));
            }
        }
        Some(exchanges)
    }
}

fn beginning(value: &Hash) -> usize {
    usize::from(u16::from_le_bytes([value[0], value[1]]))
}

struct Value(Hash);

impl FromStableHash for Value {
    type Hash = SipHasher128Hash;

    fn from(SipHasher128Hash([first, second]): SipHasher128Hash) -> Value {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&first.to_le_bytes());
        bytes[8..].copy_from_slice(&second.to_le_bytes());
        Value(bytes)
    }
}

/// For every choice of the crate's files, in a fixed order.
fn crate_hashes(files: &CrateFiles) -> impl Iterator<Item = Hash> {
    let has_dylib = files.dylib.is_some();
    let choices = (1..8_u8).filter(move |choice| has_dylib || choice & 1 == 0);
    choices.map(|choice| {
        let CrateFiles { dylib, rlib, rmeta } = files;
        let mut hasher = StableSipHasher128::new();
        let noted = [dylib.as_deref(), Some(rlib.as_path()), Some(rmeta.as_path())];
        for (bit, path) in noted.into_iter().enumerate() {
            hash_option(&mut hasher, path.filter(|_| choice & (1 << bit) != 0));
        }
        hash_option(&mut hasher, None);
        let Value(value) = hasher.finish();
        value
    })
}

/// Not as std hashes an `Option`.
fn hash_option(hasher: &mut StableSipHasher128, path: Option<&Path>) {
    hasher.write_u8(u8::from(path.is_some()));
    if let Some(path) = path {
        path.hash(hasher);
    }
}

fn outputs_hash(outputs: &Outputs<'_>, dir: &Path) -> Hash {
    let mut hasher = StableSipHasher128::new();
    dir.hash(&mut hasher);
    // The stems of the crate and of its file, which is the same where a name is given.
    for _ in 0..2 {
        hasher.write_usize(outputs.stem.len());
        hasher.write(outputs.stem.as_bytes());
    }
    // A single output file, a directory for temporary files, and one for debug information.
    for _ in 0..3 {
        hash_option(&mut hasher, None);
    }
    hasher.write_usize(outputs.kinds.len());
    for kind in &outputs.kinds {
        hasher.write_isize(*kind);
        hash_option(&mut hasher, None); // No file of its own name.
    }
    let Value(value) = hasher.finish();
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::retarget::dep_graph::tests::graph;

    fn crates() -> Vec<CrateFiles> {
        let of = |name: &str, dylib: Option<&str>| CrateFiles {
            dylib: dylib.map(Into::into),
            rlib: format!("/a/target/debug/deps/lib{name}.rlib").into(),
            rmeta: format!("/a/target/debug/deps/lib{name}.rmeta").into(),
        };
        vec![of("one-1", None), of("two-2", Some("/a/target/debug/deps/libtwo-2.so"))]
    }

    fn origin(root: &str) -> Origin {
        Origin { root: root.into(), lane: Path::new(root).join("target") }
    }

    #[test]
    fn each_choice_of_files_becomes_the_same_one_here() {
        let (own, there) = (origin("/a"), origin("/b"));
        let hashes = PathHashes::new(&crates(), None, &own, &there);
        assert_eq!(hashes.here.len(), 3 + 7);
        let moved: Vec<CrateFiles> =
            crates().iter().map(|files| files.moved(&own.lane, &there.lane)).collect();
        let back = PathHashes::new(&moved, None, &there, &own);
        for (there, (_, here)) in &hashes.here {
            assert_ne!(here, there);
            assert_eq!(back.here[here], (Subject::Crate, *there));
        }
        // What lies outside the lane stays.
        let outside = PathHashes::new(&crates(), None, &origin("/c"), &there);
        assert!(outside.here.iter().all(|(there, (_, here))| there == here));
    }

    /// As rustc 1.95 has written it for `--crate-name app --emit=dep-info,link --out-dir out -C
    /// extra-filename=-abc`.
    #[test]
    fn where_outputs_go_is_hashed_as_rustc_does() {
        let outputs =
            Outputs { dir: Path::new("out"), stem: "app-abc".to_owned(), kinds: vec![2, 3] };
        let value = u128::from_le_bytes(outputs_hash(&outputs, outputs.dir));
        assert_eq!(format!("{value:032x}"), "5389bbed784ccdc03a9b2f63d8b8cbee");
    }

    #[test]
    fn only_what_is_known_is_exchanged() {
        let (own, there) = (origin("/a"), origin("/b"));
        let hashes = PathHashes::new(&crates(), None, &own, &there);
        let mut known = hashes.here.iter().map(|(there, (_, here))| (*there, *here));
        let (first, second) = (known.next().expect("one"), known.next().expect("two"));
        let cache = graph(&[(1, first.0), (7, [7; 16]), (1, second.0)]);
        let mut exchanged = cache.clone();
        for (at, bytes) in hashes.exchanges(&cache).expect("it adds up") {
            exchanged[at..at + bytes.len()].copy_from_slice(&bytes);
        }
        assert_eq!(exchanged, graph(&[(1, first.1), (7, [7; 16]), (1, second.1)]));
        assert_eq!(hashes.exchanges(&exchanged), Some(Vec::new()), "it is of here");
        let other_kind = graph(&[(1, first.0), (2, second.0)]);
        assert_eq!(hashes.exchanges(&other_kind), None, "two kinds say it");
        assert_eq!(hashes.exchanges(b"RSIC"), None);
    }
}

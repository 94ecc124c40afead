//! What rustc notes of the places where crates lie: for each, a hash of the paths of its files.
//!
//! The paths are in rustc's `CrateSource` (1.95: `rustc_session/src/cstore.rs`): dynamic library,
//! `.rlib`, `.rmeta`, interface of a dynamic library. They are hashed as everything is in rustc,
//! for which it has put its hasher on crates.io. Which of a crate's files rustc has taken notice of
//! depends on the order in which crates were loaded, so all possibilities are computed.
//!
//! Nothing is taken for granted here either: a value of 128 bits that stands in a cache and comes
//! out of paths in the donor was made from these paths. Where none comes out, as of a rustc that
//! does it in another way, rustc is asked (`verbs/adopt_cache.rs`).

use std::collections::HashMap;
use std::hash::Hash as _;
use std::path::Path;

use rustc_stable_hash::{FromStableHash, SipHasher128Hash, StableSipHasher128};

use crate::retarget::compilation::Place;
use crate::retarget::dep_graph::Hash;
use crate::units::crate_files::CrateFiles;

/// Which of a crate's files rustc has noted.
#[derive(Clone, Copy)]
struct Noted {
    dylib: bool,
    rlib: bool,
    rmeta: bool,
}

impl Noted {
    fn all() -> impl Iterator<Item = Noted> {
        (1..8_u8).map(|bits| Noted {
            dylib: bits & 1 != 0,
            rlib: bits & 2 != 0,
            rmeta: bits & 4 != 0,
        })
    }
}

/// The crates of a lane, by what rustc notes of them in another one.
pub struct Moved<'a> {
    by_value_there: HashMap<Hash, (&'a CrateFiles, Noted)>,
    /// For the first two bytes of a value, whether one of these begins so: of a million values,
    /// nearly all are told by it.
    beginnings: Vec<bool>,
}

impl<'a> Moved<'a> {
    pub fn new(crates: &'a [CrateFiles], own: &Place<'_>, there: &Place<'_>) -> Moved<'a> {
        let mut by_value_there = HashMap::new();
        let mut beginnings = vec![false; 1 << 16];
        for files in crates {
            let moved = files.moved(own.lane, there.lane);
            let has_dylib = files.dylib.is_some();
            for noted in Noted::all().filter(|noted| has_dylib || !noted.dylib) {
                let there = value(&moved, noted);
                beginnings[beginning(&there)] = true;
                by_value_there.insert(there, (files, noted));
            }
        }
        Moved { by_value_there, beginnings }
    }

    /// Whether it is what rustc notes there of one of the crates.
    pub fn knows(&self, there: &Hash) -> bool {
        self.beginnings[beginning(there)] && self.by_value_there.contains_key(there)
    }

    /// What rustc notes here, of that of which it noted this there.
    pub fn here(&self, there: &Hash) -> Option<Hash> {
        self.by_value_there.get(there).map(|(files, noted)| value(files, *noted))
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

fn value(files: &CrateFiles, noted: Noted) -> Hash {
    let CrateFiles { dylib, rlib, rmeta } = files;
    let mut hasher = StableSipHasher128::new();
    let noted = [
        dylib.as_deref().filter(|_| noted.dylib),
        Some(rlib.as_path()).filter(|_| noted.rlib),
        Some(rmeta.as_path()).filter(|_| noted.rmeta),
        None::<&Path>,
    ];
    for path in noted {
        // Not as std hashes an `Option`.
        u8::from(path.is_some()).hash(&mut hasher);
        if let Some(path) = path {
            path.hash(&mut hasher);
        }
    }
    let Value(value) = hasher.finish();
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crates() -> Vec<CrateFiles> {
        let of = |name: &str, dylib: Option<&str>| CrateFiles {
            dylib: dylib.map(Into::into),
            rlib: format!("/a/target/debug/deps/lib{name}.rlib").into(),
            rmeta: format!("/a/target/debug/deps/lib{name}.rmeta").into(),
        };
        vec![of("one-1", None), of("two-2", Some("/a/target/debug/deps/libtwo-2.so"))]
    }

    const OWN: (&str, &str) = ("/a", "/a/target");
    const THERE: (&str, &str) = ("/b", "/b/target");

    fn place((root, lane): (&'static str, &'static str)) -> Place<'static> {
        Place { root: Path::new(root), lane: Path::new(lane) }
    }

    #[test]
    fn each_possibility_becomes_the_same_one_here() {
        let crates = crates();
        let moved = Moved::new(&crates, &place(OWN), &place(THERE));
        let back: Vec<CrateFiles> =
            crates.iter().map(|files| files.moved(Path::new(OWN.1), Path::new(THERE.1))).collect();
        let back = Moved::new(&back, &place(THERE), &place(OWN));
        assert_eq!(moved.by_value_there.len(), 3 + 7);
        for there in moved.by_value_there.keys() {
            let here = moved.here(there).expect("it is known");
            assert_ne!(here, *there);
            assert!(moved.knows(there) && !moved.knows(&here));
            assert_eq!(back.here(&here), Some(*there));
        }
    }

    #[test]
    fn what_lies_outside_the_lane_stays() {
        let crates = crates();
        let moved = Moved::new(&crates, &place(("/c", "/c/target")), &place(THERE));
        assert!(moved.by_value_there.keys().all(|there| moved.here(there) == Some(*there)));
    }

    #[test]
    fn what_nobody_has_noted_is_unknown() {
        let crates = crates();
        assert_eq!(Moved::new(&crates, &place(OWN), &place(THERE)).here(&[0; 16]), None);
    }
}

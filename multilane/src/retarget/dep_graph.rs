//! rustc's record of what it computed and from what, `dep-graph.bin` in an incremental cache: as
//! much of it as tells where things lay.
//!
//! ```text
//! RSIC ── format, 2 bytes ── length of the version, 1 ── version ── hash of the options, 8
//! nodes: head, 2 (kind, width of an edge, number of edges + 1, or 0) ── index, 4 ── key, 16 ── value, 16 ── [number of
//!        edges, LEB128, if the head has none] ── edges
//! … ── highest index, 8 ── number of nodes, 8 ── number of edges, 8 ── rust-end-file
//! ```
//!
//! (rustc 1.95: `rustc_incremental/src/persist/file_format.rs`,
//! `rustc_middle/src/dep_graph/serialized.rs`.) A node says of one computation (its kind, and for
//! what: its key) what came of it: the value, a hash. In an edit rustc computes again what depends
//! on a value that has become another. The values of two kinds speak of nothing but places: where
//! the crates lie that this one is linked with (`used_crate_source`), and where the outputs go
//! (`output_filenames`). In a forked lane they are others, and with them goes every object of an
//! executable, though none of them would become another.
//!
//! The format is rustc's own business and may change with any version. So nothing is taken for
//! granted: [`DepGraph::read`] takes no file that does not add up in every number, and which kinds
//! speak of places is told by values that can be computed ([`Kinds::of_crates_in`]), or found out
//! by trying, for each version of rustc ([`Kinds::found_by`]).

use std::collections::{BTreeMap, BTreeSet, HashMap};

const MAGIC: &[u8] = b"RSIC";
const END: &[u8] = b"rust-end-file";
/// The length of the hash of the options, in bytes.
const HASH_LEN: usize = 8;
/// Head, index, key, value.
const NODE_LEN: usize = 38;
const KEY_AT: usize = 6;
const VALUE_AT: usize = 22;

/// Where the hash of the options is, in the content of a `dep-graph.bin`.
pub fn options_hash_at(bytes: &[u8]) -> Option<std::ops::Range<usize>> {
    const LENGTH_AT: usize = 6;
    let start =
        LENGTH_AT + 1 + usize::from(*bytes.starts_with(MAGIC).then(|| bytes.get(LENGTH_AT))??);
    (start + HASH_LEN <= bytes.len()).then_some(start..start + HASH_LEN)
}

/// A key, or a value.
pub type Hash = [u8; 16];

/// What a value is of: a kind of computation and a key.
type Subject = (u16, Hash);

struct DepGraph {
    /// What it is of, the value, and where that is in the file.
    nodes: Vec<(Subject, Hash, usize)>,
}

impl DepGraph {
    /// The nodes that are wanted, by kind and value. `None` where the content is not what it is
    /// taken for, in any of its numbers.
    fn read(bytes: &[u8], wants: impl Fn(u16, &Hash) -> bool) -> Option<DepGraph> {
        // As many bits of the head as the number of kinds needs, which differs between versions.
        (8..=11).find_map(|kind_bits| DepGraph::read_with(bytes, kind_bits, &wants))
    }

    fn read_with(
        bytes: &[u8],
        kind_bits: u32,
        wants: impl Fn(u16, &Hash) -> bool,
    ) -> Option<DepGraph> {
        const WIDTH_BITS: u32 = 2;
        let footer = bytes.strip_suffix(END)?;
        let number = |from_end: usize| -> Option<u64> {
            let at = footer.len().checked_sub(from_end)?;
            Some(u64::from_le_bytes(footer.get(at..at + 8)?.try_into().ok()?))
        };
        let (index_max, node_count, edge_count) = (number(24)?, number(16)?, number(8)?);
        if node_count > bytes.len() as u64 / NODE_LEN as u64 {
            return None;
        }

        let mut at = options_hash_at(bytes)?.end;
        let mut nodes = Vec::new();
        let mut edges = 0_u64;
        for _ in 0..node_count {
            let node = footer.get(at..at + NODE_LEN)?;
            let head = u16::from_le_bytes([node[0], node[1]]);
            let index = u32::from_le_bytes([node[2], node[3], node[4], node[5]]);
            if u64::from(index) > index_max {
                return None;
            }
            let kind = head & ((1 << kind_bits) - 1);
            let width = u64::from((head >> kind_bits) & ((1 << WIDTH_BITS) - 1)) + 1;
            let mut after = at + NODE_LEN;
            let count = match head >> (kind_bits + WIDTH_BITS) {
                0 => leb128(footer, &mut after)?,
                count => u64::from(count) - 1,
            };
            let value = node[VALUE_AT..].try_into().ok()?;
            if wants(kind, &value) {
                let subject = (kind, node[KEY_AT..VALUE_AT].try_into().ok()?);
                nodes.push((subject, value, at + VALUE_AT));
            }
            edges = edges.checked_add(count)?;
            at = after.checked_add(usize::try_from(count.checked_mul(width)?).ok()?)?;
        }
        (edges == edge_count && at <= footer.len()).then_some(DepGraph { nodes })
    }

    fn values(&self) -> HashMap<Subject, Hash> {
        self.nodes.iter().map(|(subject, value, _)| (*subject, *value)).collect()
    }

    /// The kinds of which some value differs. `None` where the two do not speak of the same.
    fn differing(&self, other: &DepGraph) -> Option<BTreeSet<u16>> {
        let (own, others) = (self.values(), other.values());
        let is_same =
            own.len() == others.len() && own.keys().all(|subject| others.contains_key(subject));
        let differs =
            |(subject, value): (&Subject, &Hash)| (others[subject] != *value).then_some(subject.0);
        is_same.then(|| own.iter().filter_map(differs).collect())
    }
}

fn leb128(bytes: &[u8], at: &mut usize) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..63).step_by(7) {
        let byte = *bytes.get(*at)?;
        *at += 1;
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}

/// The kinds of computation whose values speak of places alone, as one version of rustc numbers
/// them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Kinds {
    crates: u16,
    /// `None` where nobody has to know.
    outputs: Option<u16>,
}

/// What rustc left of four compilations of the same small program.
pub struct Trials<'a> {
    pub base: &'a [u8],
    /// The crate that it is linked with lay elsewhere, with the same bytes.
    pub crate_moved: &'a [u8],
    /// Its outputs went elsewhere.
    pub output_moved: &'a [u8],
    /// The crate lay where it was and held something else.
    pub crate_changed: &'a [u8],
}

impl Kinds {
    /// `None` where this rustc is not as we know it: when a place changes more than one kind, or
    /// when what a crate holds counts in one of them. Then no value may be exchanged.
    pub fn found_by(trials: &Trials<'_>) -> Option<Kinds> {
        let base = DepGraph::read(trials.base, |_, _| true)?;
        let differing = |trial: &[u8]| base.differing(&DepGraph::read(trial, |_, _| true)?);
        let only = |kinds: BTreeSet<u16>| (kinds.len() == 1).then(|| kinds.first().copied())?;
        let crates = only(differing(trials.crate_moved)?)?;
        let outputs = only(differing(trials.output_moved)?)?;
        let contents = differing(trials.crate_changed)?;
        let is_sure = crates != outputs && !contents.is_empty();
        (is_sure && !contents.contains(&crates) && !contents.contains(&outputs))
            .then_some(Kinds { crates, outputs: Some(outputs) })
    }

    /// The kind of all that says where crates lie, found by what it says in a cache. `None` where
    /// the cache says nothing of it that is known, or where more than one kind does.
    pub fn of_crates_in(cache: &[u8], is_known: impl Fn(&Hash) -> bool) -> Option<Kinds> {
        let known = DepGraph::read(cache, |_, value| is_known(value))?;
        let kinds: BTreeSet<u16> = known.nodes.iter().map(|((kind, _), ..)| *kind).collect();
        (kinds.len() == 1).then(|| Some(Kinds { crates: *kinds.first()?, outputs: None }))?
    }

    fn has(self, kind: u16) -> bool {
        kind == self.crates || Some(kind) == self.outputs
    }

    /// As it is remembered. `None` where not both are known.
    pub fn to_text(self) -> Option<String> {
        Some(format!("{} {}", self.crates, self.outputs?))
    }

    pub fn of_text(text: &str) -> Option<Kinds> {
        let (crates, outputs) = text.split_once(' ')?;
        Some(Kinds { crates: crates.parse().ok()?, outputs: Some(outputs.parse().ok()?) })
    }
}

/// What rustc writes of places where things lie as they did when caches were made, and what it
/// writes in its stead where they lie here. It writes the same of a crate for everything that is
/// linked with it.
#[derive(Debug, Default, PartialEq)]
pub struct Places(BTreeMap<(u16, Hash, Hash), Hash>);

/// What a cache says of places. Read once: a program's `dep-graph.bin` may have more than a hundred
/// megabytes.
pub struct Said(Vec<(Subject, Hash, usize)>);

impl Said {
    /// `cache` is the content of a `dep-graph.bin`. `None` where it does not add up.
    pub fn read(cache: &[u8], kinds: Kinds) -> Option<Said> {
        DepGraph::read(cache, |kind, _| kinds.has(kind)).map(|graph| Said(graph.nodes))
    }

    /// One word, without where in the cache it was said.
    pub fn to_text(&self) -> String {
        let part = |((kind, key), value, _): &(Subject, Hash, usize)| {
            let [key, value] = [key, value].map(|hash| u128::from_le_bytes(*hash));
            format!("{kind:x}:{key:x}:{value:x}")
        };
        self.0.iter().map(part).collect::<Vec<_>>().join(",")
    }

    pub fn of_text(text: &str) -> Option<Said> {
        let part = |part: &str| {
            let mut numbers = part.split(':').map(|number| u128::from_str_radix(number, 16).ok());
            let kind = u16::try_from(numbers.next()??).ok()?;
            let mut hash = || Some(numbers.next()??.to_le_bytes());
            Some(((kind, hash()?), hash()?, 0))
        };
        text.split(',').map(part).collect::<Option<_>>().map(Said)
    }
}

/// What a cache speaks of and [`Places`] do not know.
#[derive(Debug, PartialEq)]
pub struct Lacking {
    pub crates: bool,
    pub outputs: bool,
}

impl Places {
    /// Adds what two compilations of the same program say, there and here.
    pub fn learn(&mut self, there: &Said, here: &Said) {
        let here: HashMap<Subject, Hash> =
            here.0.iter().map(|(subject, value, _)| (*subject, *value)).collect();
        let both = there.0.iter().filter_map(|(subject, value, _)| {
            let (kind, key) = *subject;
            Some(((kind, key, *value), *here.get(subject)?))
        });
        self.0.extend(both);
    }

    /// Adds what the cache says of crates, as far as is known what is said of them here.
    pub fn explain(&mut self, cache: &Said, kinds: Kinds, here: impl Fn(&Hash) -> Option<Hash>) {
        let of_crates = cache.0.iter().filter(|((kind, _), ..)| *kind == kinds.crates);
        let known = of_crates
            .filter_map(|((kind, key), value, _)| Some(((*kind, *key, *value), here(value)?)));
        self.0.extend(known);
    }

    /// Adds what others have learnt.
    pub fn extend(&mut self, other: Places) {
        self.0.extend(other.0);
    }

    pub fn lacking(&self, cache: &Said, kinds: Kinds) -> Lacking {
        let unknown = |of_kind: u16| {
            let mut of_kind = cache.0.iter().filter(|((kind, _), ..)| *kind == of_kind);
            of_kind.any(|((kind, key), value, _)| !self.0.contains_key(&(*kind, *key, *value)))
        };
        Lacking { crates: unknown(kinds.crates), outputs: kinds.outputs.is_some_and(unknown) }
    }

    /// What has to be written into the cache, which was made there, so that it says what rustc
    /// would have written here: where, and what.
    pub fn exchanges(&self, cache: &Said) -> Vec<Exchange> {
        let other = |((kind, key), value, at): &(Subject, Hash, usize)| {
            let own = self.0.get(&(*kind, *key, *value)).filter(|own| *own != value)?;
            Some((*at, own.to_vec()))
        };
        cache.0.iter().filter_map(other).collect()
    }

    /// A line for each, in numbers of base 16.
    pub fn to_text(&self) -> String {
        let line = |((kind, key, there), here): (&(u16, Hash, Hash), &Hash)| {
            let [key, there, here] = [key, there, here].map(|hash| u128::from_le_bytes(*hash));
            format!("{kind:x} {key:x} {there:x} {here:x}\n")
        };
        self.0.iter().map(line).collect()
    }

    /// Lines that say something else are left out.
    pub fn of_text(text: &str) -> Places {
        let entry = |line: &str| {
            let mut numbers = line.split(' ').map(|number| u128::from_str_radix(number, 16).ok());
            let kind = u16::try_from(numbers.next()??).ok()?;
            let mut hash = || Some(numbers.next()??.to_le_bytes());
            Some(((kind, hash()?, hash()?), hash()?))
        };
        Places(text.lines().filter_map(entry).collect())
    }
}

/// Bytes to be written, and where.
pub type Exchange = (usize, Vec<u8>);

#[cfg(test)]
mod tests {
    use super::*;

    const KIND_BITS: u32 = 9;

    /// A record with these nodes: kind, key, value, number of edges.
    fn graph(nodes: &[(u16, u8, u8, u16)]) -> Vec<u8> {
        let mut bytes = [MAGIC, b"\0\0", &[6], b"1.95.0", &[0; HASH_LEN]].concat();
        for (index, (kind, key, value, edges)) in nodes.iter().enumerate() {
            let in_head = if *edges < 31 { edges + 1 } else { 0 };
            bytes.extend((kind | in_head << (KIND_BITS + 2)).to_le_bytes());
            bytes.extend(u32::try_from(index).expect("few").to_le_bytes());
            bytes.extend([[*key; 16], [*value; 16]].concat());
            if in_head == 0 {
                bytes.extend([
                    u8::try_from(edges & 0x7f).expect("seven bits") | 0x80,
                    u8::try_from(edges >> 7).expect("few"),
                ]);
            }
            bytes.extend(vec![0; usize::from(*edges)]);
        }
        let edges: u64 = nodes.iter().map(|(.., edges)| u64::from(*edges)).sum();
        for number in [nodes.len() as u64, nodes.len() as u64, edges] {
            bytes.extend(number.to_le_bytes());
        }
        bytes.extend(END);
        bytes
    }

    const CRATES: u16 = 262;
    const OUTPUTS: u16 = 282;
    const CONTENTS: u16 = 230;
    const KINDS: Kinds = Kinds { crates: CRATES, outputs: Some(OUTPUTS) };

    fn trial(of_crate: u8, output: u8, content: u8) -> Vec<u8> {
        graph(&[
            (CRATES, 1, of_crate, 2),
            (OUTPUTS, 0, output, 0),
            (CONTENTS, 1, content, 300),
            (7, 7, 7, 1),
        ])
    }

    fn found(
        base: &[u8],
        crate_moved: &[u8],
        output_moved: &[u8],
        crate_changed: &[u8],
    ) -> Option<Kinds> {
        Kinds::found_by(&Trials { base, crate_moved, output_moved, crate_changed })
    }

    #[test]
    fn kinds_are_those_that_differ_by_place_and_not_by_content() {
        let base = trial(1, 1, 1);
        assert_eq!(found(&base, &trial(2, 1, 1), &trial(1, 2, 1), &trial(1, 1, 2)), Some(KINDS));
        assert_eq!(KINDS.to_text().and_then(|text| Kinds::of_text(&text)), Some(KINDS));

        assert_eq!(
            found(&base, &trial(2, 1, 1), &trial(1, 2, 1), &trial(2, 1, 2)),
            None,
            "content counts, too"
        );
        assert_eq!(
            found(&base, &trial(2, 1, 2), &trial(1, 2, 1), &trial(1, 1, 2)),
            None,
            "two kinds speak of it"
        );
        assert_eq!(found(&base, &base, &trial(1, 2, 1), &trial(1, 1, 2)), None, "none does");
        assert_eq!(
            found(&base, &trial(2, 1, 1), &trial(1, 2, 1), &base),
            None,
            "the content did not change"
        );
        let other = graph(&[(CRATES, 1, 2, 0)]);
        assert_eq!(found(&base, &other, &trial(1, 2, 1), &trial(1, 1, 2)), None, "another program");
    }

    #[test]
    fn the_kind_that_says_where_crates_lie_is_told_by_what_it_says() {
        let of_crates = Kinds { crates: CRATES, outputs: None };
        let found =
            |known: &[u8]| Kinds::of_crates_in(&trial(1, 2, 3), |value| known.contains(&value[0]));
        assert_eq!(found(&[1, 9]), Some(of_crates));
        assert_eq!(found(&[9]), None, "nothing is known");
        assert_eq!(found(&[1, 2]), None, "two kinds say it");
        assert_eq!(Kinds::of_crates_in(b"RSIC", |_| true), None);
        assert_eq!(of_crates.to_text(), None);
    }

    #[test]
    fn what_is_known_of_crates_is_exchanged() {
        let mut places = Places::default();
        places.explain(&said(&trial(1, 1, 1)), KINDS, |value| (value[0] == 1).then_some([5; 16]));
        assert_eq!(exchanged(&places, &trial(1, 1, 1)), trial(5, 1, 1));
        assert_eq!(
            places.lacking(&said(&trial(1, 1, 1)), KINDS),
            Lacking { crates: false, outputs: true }
        );
        assert_eq!(exchanged(&places, &trial(2, 1, 1)), trial(2, 1, 1), "nothing is known of it");
    }

    fn said(cache: &[u8]) -> Said {
        Said::read(cache, KINDS).expect("it adds up")
    }

    fn exchanged(places: &Places, cache: &[u8]) -> Vec<u8> {
        let mut exchanged = cache.to_vec();
        for (at, bytes) in places.exchanges(&said(cache)) {
            exchanged[at..at + bytes.len()].copy_from_slice(&bytes);
        }
        exchanged
    }

    #[test]
    fn only_places_are_exchanged() {
        let mut places = Places::default();
        places.learn(&said(&trial(1, 1, 1)), &said(&trial(2, 3, 4)));
        assert_eq!(exchanged(&places, &trial(1, 1, 1)), trial(2, 3, 1));
        assert_eq!(exchanged(&places, &trial(2, 3, 1)), trial(2, 3, 1), "they are those of here");
        assert_eq!(Places::of_text(&places.to_text()), places);
        // As when what was said there was remembered.
        let mut same = Places::default();
        let remembered =
            Said::of_text(&said(&trial(1, 1, 1)).to_text()).expect("it was written so");
        same.learn(&remembered, &said(&trial(2, 3, 4)));
        assert_eq!(same, places);
        assert!(Said::of_text("1:2").is_none() && Said::of_text("").is_none());
        assert_eq!(Places::of_text("1 2\n0 xyz 1 2\n\n"), Places::default());
    }

    #[test]
    fn what_rustc_would_not_have_written_there_stays() {
        let mut places = Places::default();
        places.learn(&said(&trial(5, 1, 1)), &said(&trial(6, 1, 1)));
        places.learn(&said(&graph(&[(CRATES, 9, 1, 0)])), &said(&graph(&[(CRATES, 9, 2, 0)])));
        let cache = trial(1, 1, 1);
        assert_eq!(places.lacking(&said(&cache), KINDS), Lacking { crates: true, outputs: false });
        assert_eq!(exchanged(&places, &cache), cache, "another value, and one of another crate");
        // A crate may be found in more than one way.
        places.learn(&said(&trial(1, 1, 1)), &said(&trial(8, 1, 1)));
        assert_eq!(places.lacking(&said(&cache), KINDS), Lacking { crates: false, outputs: false });
        assert_eq!(exchanged(&places, &cache), trial(8, 1, 1));
        assert_eq!(
            places.lacking(&said(&trial(1, 2, 1)), KINDS),
            Lacking { crates: false, outputs: true }
        );
    }

    #[test]
    fn what_does_not_add_up_is_not_read() {
        let whole = trial(1, 1, 1);
        assert!(DepGraph::read(&whole, |_, _| true).is_some());
        for cut in 0..whole.len() {
            assert!(DepGraph::read(&whole[..cut], |_, _| true).is_none(), "cut off at {cut}");
        }
        let edges_at = whole.len() - END.len() - 8;
        for at in [edges_at, edges_at - 8, edges_at - 16] {
            let mut other = whole.clone();
            other[at] = 0;
            assert!(DepGraph::read(&other, |_, _| true).is_none(), "another number at {at}");
        }
    }
}

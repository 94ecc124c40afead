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
//! on a value that has become another. The values of two kinds are of nothing but paths
//! (`path_hashes.rs`). In a forked lane they are others, and with them goes every object of an
//! executable, though none of them would become another.
//!
//! The format is rustc's own business and may change with any version, so no file is read that does
//! not add up in every number.

const MAGIC: &[u8] = b"RSIC";
const END: &[u8] = b"rust-end-file";
/// The length of the hash of the options, in bytes.
const HASH_LEN: usize = 8;
/// Head, index, key, value.
const NODE_LEN: usize = 38;
const VALUE_AT: usize = 22;

/// Where the hash of the options is, in the content of a `dep-graph.bin`.
pub(super) fn options_hash_at(bytes: &[u8]) -> Option<std::ops::Range<usize>> {
    const LENGTH_AT: usize = 6;
    let version_len = usize::from(*bytes.get(LENGTH_AT)?);
    let start = LENGTH_AT + 1 + version_len;
    let is_whole = bytes.starts_with(MAGIC) && start + HASH_LEN <= bytes.len();
    is_whole.then_some(start..start + HASH_LEN)
}

/// A value.
pub(super) type Hash = [u8; 16];

/// Bytes to be written, and where.
pub(super) type Exchange = (usize, Vec<u8>);

/// One computation, as far as it matters here.
#[derive(Debug, PartialEq)]
pub(super) struct Node {
    pub(super) kind: u16,
    pub(super) value: Hash,
    /// Where the value is in the file.
    pub(super) value_at: usize,
}

/// The nodes with a wanted value. `None` where the content is not what it is taken for, in any of
/// its numbers.
pub(super) fn nodes(bytes: &[u8], is_wanted: impl Fn(&Hash) -> bool) -> Option<Vec<Node>> {
    // As many bits of the head as the number of kinds needs, which differs between versions.
    (8..=11).find_map(|kind_bits| nodes_with(bytes, kind_bits, &is_wanted))
}

fn nodes_with(
    bytes: &[u8],
    kind_bits: u32,
    is_wanted: impl Fn(&Hash) -> bool,
) -> Option<Vec<Node>> {
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
        if is_wanted(&value) {
            nodes.push(Node { kind, value, value_at: at + VALUE_AT });
        }
        edges = edges.checked_add(count)?;
        at = after.checked_add(usize::try_from(count.checked_mul(width)?).ok()?)?;
    }
    (edges == edge_count && at <= footer.len()).then_some(nodes)
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

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::files::mutate::mutations;

    const KIND_BITS: u32 = 9;

    /// A record with these nodes, of a kind and a value, each with more edges than the one before.
    pub(in crate::retarget) fn graph(nodes: &[(u16, Hash)]) -> Vec<u8> {
        let mut bytes = [MAGIC, b"\0\0", &[6], b"1.95.0", &[0; HASH_LEN]].concat();
        let mut edges = 0_u64;
        for (index, (kind, value)) in nodes.iter().enumerate() {
            let count = index * 150;
            let in_head = if count < 31 { count + 1 } else { 0 };
            bytes.extend(
                (kind | u16::try_from(in_head << (KIND_BITS + 2)).expect("few")).to_le_bytes(),
            );
            bytes.extend(u32::try_from(index).expect("few").to_le_bytes());
            bytes.extend([[9; 16], *value].concat());
            if in_head == 0 {
                bytes.extend([
                    u8::try_from(count & 0x7f).expect("seven bits") | 0x80,
                    u8::try_from(count >> 7).expect("few"),
                ]);
            }
            bytes.extend(vec![0; count]);
            edges += count as u64;
        }
        for number in [nodes.len() as u64, nodes.len() as u64, edges] {
            bytes.extend(number.to_le_bytes());
        }
        bytes.extend(END);
        bytes
    }

    #[test]
    fn the_wanted_nodes_are_found() {
        let graph = graph(&[(262, [1; 16]), (7, [2; 16]), (282, [1; 16])]);
        let found = nodes(&graph, |value| *value == [1; 16]).expect("it adds up");
        assert_eq!(found.iter().map(|node| node.kind).collect::<Vec<_>>(), [262, 282]);
        for node in found {
            assert_eq!(graph[node.value_at..][..16], [1; 16]);
        }
    }

    #[test]
    fn what_does_not_add_up_is_not_read() {
        let whole = graph(&[(262, [1; 16]), (7, [2; 16]), (282, [1; 16])]);
        assert!(nodes(&whole, |_| true).is_some());
        for cut in 0..whole.len() {
            assert!(nodes(&whole[..cut], |_| true).is_none(), "cut off at {cut}");
        }
        let edges_at = whole.len() - END.len() - 8;
        for at in [edges_at, edges_at - 8, edges_at - 16] {
            let mut other = whole.clone();
            other[at] = 0;
            assert!(nodes(&other, |_| true).is_none(), "another number at {at}");
        }
    }

    #[test]
    fn any_bytes_are_borne() {
        let whole = graph(&[(262, [1; 16]), (7, [2; 16]), (282, [1; 16])]);
        mutations(&whole, |graph| {
            for node in nodes(graph, |_| true).unwrap_or_default() {
                assert!(node.value_at + node.value.len() <= graph.len());
            }
        });
    }
}

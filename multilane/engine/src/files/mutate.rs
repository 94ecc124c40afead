//! Changes what others have written, for the tests of what reads it: whatever the bytes are, a
//! reader ends, does not panic, and makes nothing large of something small.

/// Calls `read` with the sample and with some thousand changed versions of it, the same in each run
/// of the tests.
pub(crate) fn mutations(sample: &[u8], mut read: impl FnMut(&[u8])) {
    const ROUNDS: u64 = 3000;
    read(sample);
    for cut in 0..sample.len().min(200) {
        read(&sample[..cut]);
    }
    for round in 0..ROUNDS {
        let mut random = Random(round);
        let mut bytes = sample.to_vec();
        for _ in 0..=random.below(4) {
            change(&mut bytes, &mut random);
        }
        let report = Report { round, bytes: &bytes };
        read(&bytes);
        std::mem::forget(report);
    }
}

fn change(bytes: &mut Vec<u8>, random: &mut Random) {
    const EXTREMES: [u64; 6] = [0, 1, 0x7fff_ffff, 0xffff_ffff, i64::MAX as u64, u64::MAX];
    const WORDS: [&[u8]; 12] = [
        b"\0",
        b"\n",
        b" ",
        b"\\",
        b"\"",
        b"..",
        b"/",
        b"[[",
        b"{\"a\":",
        b"99999999999999999999",
        b"\xff\xfe",
        "\u{e9}\u{202e}".as_bytes(),
    ];
    let at = random.below(bytes.len() + 1);
    let end = (at + random.below(9)).min(bytes.len());
    match random.below(6) {
        0 => drop(bytes.drain(at..end)),
        1 => bytes.truncate(at),
        2 => drop(bytes.splice(at..end, WORDS[random.below(WORDS.len())].iter().copied())),
        3 => bytes[at..end].iter_mut().for_each(|byte| *byte ^= 1 << random.below(8)),
        4 => {
            let number = EXTREMES[random.below(EXTREMES.len())].to_le_bytes();
            let len = end - at;
            bytes[at..end].copy_from_slice(&number[..len.min(8)]);
        }
        _ => {
            let part = bytes[at..].to_vec();
            bytes.extend(part);
        }
    }
}

/// Numbers that look random (SplitMix64).
struct Random(u64);

impl Random {
    /// One of the numbers below `end`.
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % end as u64).expect("it is below a usize")
    }
}

/// Says which bytes a reader did not bear.
struct Report<'a> {
    round: u64,
    bytes: &'a [u8],
}

impl Drop for Report<'_> {
    fn drop(&mut self) {
        eprintln!("round {}: {:?}", self.round, String::from_utf8_lossy(self.bytes));
    }
}

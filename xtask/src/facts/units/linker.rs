//! By which linker an executable was made. ELF of 64 bits alone, little-endian.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;

/// Whether it was LLD, which writes beside the file and renames; mold and wild write over what is there. It says so in
/// `.comment`. Of other formats it is not known here.
pub(super) fn is_lld(path: &Path) -> bool {
    comment(path).is_some_and(|comment| comment.windows(11).any(|part| part == b"Linker: LLD"))
}

fn comment(path: &Path) -> Option<Vec<u8>> {
    const HEADER: usize = 64;
    const COMMENT_MAX: u64 = 1 << 16;
    let mut file = File::open(path).ok()?;
    let mut read = |start: u64, len: usize| -> Option<Vec<u8>> {
        let mut bytes = vec![0; len];
        file.seek(SeekFrom::Start(start)).ok()?;
        file.read_exact(&mut bytes).ok()?;
        Some(bytes)
    };
    let elf = read(0, HEADER)?;
    if !elf.starts_with(b"\x7fELF\x02\x01") {
        return None;
    }
    // What has more sections than fit into this field was not made by rustc.
    let (start, count, names) = (number(&elf, 0x28, 8)?, number(&elf, 0x3c, 2)?, number(&elf, 0x3e, 2)?);
    let headers = read(start, HEADER.checked_mul(usize::try_from(count).ok()?)?)?;
    let headers: Vec<&[u8]> = headers.chunks_exact(HEADER).collect();
    let place = |header: &[u8]| Some((number(header, 0x18, 8)?, number(header, 0x20, 8)?));
    let (names_start, names_len) = place(headers.get(usize::try_from(names).ok()?)?)?;
    let names = read(names_start, usize::try_from(names_len.min(COMMENT_MAX)).ok()?)?;
    for header in headers {
        let name = names.get(usize::try_from(number(header, 0, 4)?).ok()?..)?;
        if name.starts_with(b".comment\0") {
            let (start, len) = place(header)?;
            return read(start, usize::try_from(len.min(COMMENT_MAX)).ok()?);
        }
    }
    None
}

/// An unsigned number, the lowest byte first.
fn number(bytes: &[u8], at: usize, len: usize) -> Option<u64> {
    let bytes = bytes.get(at..at + len)?;
    Some(bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An executable with one section that is named.
    fn executable(name: &[u8], comment: &[u8]) -> Vec<u8> {
        let mut elf = b"\x7fELF\x02\x01".to_vec();
        elf.resize(64, 0);
        let names = [b"\0", name, b"\0"].concat();
        let (comment_at, names_at) = (64, 64 + comment.len());
        let headers_at = names_at + names.len();
        elf.extend_from_slice(comment);
        elf.extend_from_slice(&names);
        for (name, start, len) in [(1_u32, comment_at, comment.len()), (0, names_at, names.len())] {
            let mut header = name.to_le_bytes().to_vec();
            header.resize(0x18, 0);
            header.extend((start as u64).to_le_bytes());
            header.extend((len as u64).to_le_bytes());
            header.resize(64, 0);
            elf.extend(header);
        }
        elf[0x28..0x30].copy_from_slice(&(headers_at as u64).to_le_bytes());
        elf[0x3c..0x3e].copy_from_slice(&2_u16.to_le_bytes());
        elf[0x3e..0x40].copy_from_slice(&1_u16.to_le_bytes());
        elf
    }

    #[test]
    fn only_what_says_that_lld_made_it_was_made_by_lld() {
        let dir = std::env::temp_dir().join(format!("xtask-linker-{}", std::process::id()));
        std::fs::create_dir_all(&dir).expect("a directory");
        let is_lld = |bytes: &[u8]| {
            std::fs::write(dir.join("program"), bytes).expect("it can be written");
            is_lld(&dir.join("program"))
        };
        let lld = executable(b".comment", b"GCC: 12\0Linker: LLD 21.1.0\0");
        assert!(is_lld(&lld));
        assert!(!is_lld(&executable(b".comment", b"GCC: 12\0mold 2.40\0")));
        assert!(!is_lld(&executable(b".other", b"Linker: LLD 21.1.0\0")));
        for len in [0, 10, 64, lld.len() - 1] {
            assert!(!is_lld(&lld[..len]), "cut off at {len}");
        }
        drop(std::fs::remove_file(dir.join("program")));
        drop(std::fs::remove_dir(&dir));
    }
}

//! By which linker an executable was made. ELF alone.

use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;

use crate::files;
use crate::units::elf;

/// Whether it was LLD, which writes beside the file and renames; mold and wild write over what is
/// there. It says so in `.comment`. Of other formats it is not known here.
pub(super) fn is_lld(path: &Path) -> bool {
    comment(path).is_some_and(|comment| comment.windows(11).any(|part| part == b"Linker: LLD"))
}

/// The section in which compilers and linkers leave their names. `None` where the file is no ELF,
/// or has none.
pub fn comment(path: &Path) -> Option<Vec<u8>> {
    const LEN_MAX: u64 = 1 << 24; // No part that we ask for is as long, unless the file is no program.
    let mut file = files::open_to_read(path).ok()?;
    let mut read = |start: u64, len: u64| -> Option<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from(len.min(LEN_MAX)).ok()?];
        file.seek(SeekFrom::Start(start)).ok()?;
        file.read_exact(&mut bytes).ok()?;
        Some(bytes)
    };
    let sections = elf::sections(&mut read)?;
    let comment = sections.iter().find(|section| section.name == ".comment")?;
    read(comment.start, comment.len)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::mutate::mutations;

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

    #[test]
    fn any_bytes_are_borne() {
        let elf = executable(b".comment", b"Linker: LLD 19.1.0");
        mutations(&elf, |elf| {
            let read = |start: u64, len: u64| {
                let end = usize::try_from(start.checked_add(len)?).ok()?;
                Some(elf.get(usize::try_from(start).ok()?..end)?.to_vec())
            };
            let sections = elf::sections(read).unwrap_or_default();
            let names: usize = sections.iter().map(|section| section.name.len()).sum();
            assert!(sections.len() <= elf.len() && names <= 4 * elf.len(), "{names}");
        });
    }

    /// Each of many sections may say that its name is all the rest of the file.
    #[test]
    fn a_name_has_an_end() {
        let elf = executable(&[b'x'; 100_000], b"LLD");
        let read = |start: u64, len: u64| {
            let start = usize::try_from(start).ok()?;
            Some(elf.get(start..start + usize::try_from(len).ok()?)?.to_vec())
        };
        let sections = elf::sections(read).expect("it is ELF");
        assert!(sections.iter().all(|section| section.name.len() < 2000));
    }
}

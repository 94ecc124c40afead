//! The table of sections in an ELF file of 64 bits, little-endian: what there is, and where.
//! Nothing is known here of other formats.

/// A section, by the table.
#[derive(Debug, PartialEq)]
pub(crate) struct Section {
    pub name: String,
    /// Where its bytes are in the file, and how many.
    pub start: u64,
    pub len: u64,
    /// Whether a process gets to see it.
    pub is_loaded: bool,
}

/// What each such file begins with.
pub(crate) const MAGIC: &[u8] = b"\x7fELF";

/// All sections that have bytes in the file, in order. `read` gives a part of the file by its start
/// and length, or `None` where the file is shorter. `None` where the format is another.
pub(crate) fn sections(mut read: impl FnMut(u64, u64) -> Option<Vec<u8>>) -> Option<Vec<Section>> {
    const WIDE: u8 = 2;
    const LITTLE: u8 = 1;
    const HEADER: u64 = 64;
    const NOBITS: u64 = 8;
    const LOADED: u64 = 2;
    const NAME_MAX: usize = 1000; // Each may claim to be as long as all of them.
    const COUNT_MAX: u64 = 1 << 20;
    let file = read(0, HEADER)?;
    if !file.starts_with(MAGIC) || file.get(4..6) != Some(&[WIDE, LITTLE]) {
        return None;
    }
    let table = number(&file, 0x28, 8)?;
    let mut header = |at: u64| read(table.checked_add(at.checked_mul(HEADER)?)?, HEADER);
    // Where there are too many for the field, the first section has the number.
    let count = match number(&file, 0x3c, 2)? {
        0 => number(&header(0)?, 0x20, 8)?,
        count => count,
    };
    let names = match number(&file, 0x3e, 2)? {
        0xffff => number(&header(0)?, 0x28, 4)?,
        at => at,
    };
    let names = header(names)?;
    if count > COUNT_MAX {
        return None;
    }
    let headers: Vec<Vec<u8>> = (0..count).map(header).collect::<Option<_>>()?;
    let names = read(number(&names, 0x18, 8)?, number(&names, 0x20, 8)?)?;

    let mut found = Vec::new();
    for header in headers.iter().filter(|header| number(header, 4, 4) != Some(NOBITS)) {
        let name = names.get(usize::try_from(number(header, 0, 4)?).ok()?..)?;
        let name = &name[..name.len().min(NAME_MAX)];
        found.push(Section {
            name: std::str::from_utf8(name.split(|byte| *byte == 0).next()?).ok()?.to_owned(),
            start: number(header, 0x18, 8)?,
            len: number(header, 0x20, 8)?,
            is_loaded: number(header, 8, 8)? & LOADED != 0,
        });
    }
    Some(found)
}

/// An unsigned number, the lowest byte first.
fn number(bytes: &[u8], at: usize, len: usize) -> Option<u64> {
    let bytes = bytes.get(at..at + len)?;
    Some(bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

//! What of an object file a process gets to see: the sections that are loaded. Debug information is in others.
//!
//! ELF of 64 bits alone, and archives of it. Of other formats it cannot be told here what is debug information.

/// A section that is loaded.
#[derive(Debug, PartialEq)]
pub(crate) struct Section<'a> {
    pub(crate) name: &'a str,
    pub(crate) bytes: &'a [u8],
}

/// The loaded sections of a program, a library or an archive of objects, in order; `None` where the format is another.
pub(crate) fn loaded(file: &[u8]) -> Option<Vec<Section<'_>>> {
    let Some(members) = members(file) else {
        return sections(file);
    };
    // Beside the objects there are tables of names.
    let objects = members.into_iter().filter(|member| member.starts_with(ELF));
    let sections: Vec<Vec<Section<'_>>> = objects.map(sections).collect::<Option<_>>()?;
    if sections.is_empty() { None } else { Some(sections.into_iter().flatten().collect()) }
}

const ELF: &[u8] = b"\x7fELF";

fn sections(file: &[u8]) -> Option<Vec<Section<'_>>> {
    const WIDE: u8 = 2;
    const LITTLE: u8 = 1;
    const HEADER: u64 = 64;
    const NOBITS: u64 = 8;
    const LOADED: u64 = 2;
    if !file.starts_with(ELF) || file.get(4..6) != Some(&[WIDE, LITTLE]) {
        return None;
    }
    let header = |at: u64| -> Option<&[u8]> {
        let start = number(file, 0x28, 8)?.checked_add(at.checked_mul(HEADER)?)?;
        part(file, start, HEADER)
    };
    let content =
        |header: &[u8]| -> Option<&[u8]> { part(file, number(header, 0x18, 8)?, number(header, 0x20, 8)?) };
    // Where there are too many for the field, the first section has the number.
    let count = match number(file, 0x3c, 2)? {
        0 => number(header(0)?, 0x20, 8)?,
        count => count,
    };
    let names = match number(file, 0x3e, 2)? {
        0xffff => number(header(0)?, 0x28, 4)?,
        at => at,
    };
    let names = content(header(names)?)?;

    let mut found = Vec::new();
    for at in 0..count {
        let header = header(at)?;
        if number(header, 4, 4)? == NOBITS || number(header, 8, 8)? & LOADED == 0 {
            continue;
        }
        let name = names.get(usize::try_from(number(header, 0, 4)?).ok()?..)?;
        let name = std::str::from_utf8(name.split(|byte| *byte == 0).next()?).ok()?;
        // A hash over everything, debug information included.
        if name != ".note.gnu.build-id" {
            found.push(Section { name, bytes: content(header)? });
        }
    }
    Some(found)
}

/// The files in an archive (ar(5)).
fn members(file: &[u8]) -> Option<Vec<&[u8]>> {
    const HEADER: usize = 60;
    let mut rest = file.strip_prefix(b"!<arch>\n")?;
    let mut found = Vec::new();
    while rest.len() >= HEADER {
        let (header, content) = rest.split_at(HEADER);
        let len: usize = std::str::from_utf8(&header[48..58]).ok()?.trim().parse().ok()?;
        found.push(content.get(..len)?);
        rest = content.get(len + len % 2..).unwrap_or_default(); // Each begins at an even place.
    }
    Some(found)
}

/// `None` where the file is shorter: it may be of any form, or be cut off.
fn part(file: &[u8], start: u64, len: u64) -> Option<&[u8]> {
    let (start, len) = (usize::try_from(start).ok()?, usize::try_from(len).ok()?);
    file.get(start..start.checked_add(len)?)
}

/// An unsigned number, the lowest byte first.
fn number(bytes: &[u8], at: usize, len: usize) -> Option<u64> {
    let bytes = bytes.get(at..at + len)?;
    Some(bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_has_its_members() {
        let header = |len: usize| format!("{:<48}{len:<10}`\n", "name/");
        let archive = format!("!<arch>\n{}abc\n{}de", header(3), header(2));
        assert_eq!(members(archive.as_bytes()), Some(vec![b"abc".as_slice(), b"de"]));
        assert_eq!(members(b"\x7fELF"), None);
        assert_eq!(loaded(archive.as_bytes()), None, "there is no object in it that is known here");
    }

    #[test]
    fn what_is_cut_off_is_of_no_format() {
        let mut file = ELF.to_vec();
        file.extend([2, 1]);
        assert_eq!(sections(&file), None);
        file.resize(64, 0xff);
        assert_eq!(sections(&file), None);
    }
}

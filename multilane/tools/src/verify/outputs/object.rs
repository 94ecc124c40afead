//! What of an object file a process gets to see: the sections that are loaded. Debug information is
//! in others.
//!
//! ELF of 64 bits alone, and archives of it. Of other formats it cannot be told here what is debug
//! information.

use multilane::units::elf;

/// A section that is loaded.
#[derive(Debug, PartialEq)]
pub(crate) struct Section<'a> {
    pub(crate) name: String,
    pub(crate) bytes: &'a [u8],
}

/// The loaded sections of a program, a library or an archive of objects, in order; `None` where the
/// format is another.
pub(crate) fn loaded(file: &[u8]) -> Option<Vec<Section<'_>>> {
    let Some(members) = members(file) else {
        return sections(file);
    };
    // Beside the objects there are tables of names.
    let objects = members.into_iter().filter(|member| member.starts_with(elf::MAGIC));
    let sections: Vec<Vec<Section<'_>>> = objects.map(sections).collect::<Option<_>>()?;
    if sections.is_empty() { None } else { Some(sections.into_iter().flatten().collect()) }
}

fn sections(file: &[u8]) -> Option<Vec<Section<'_>>> {
    let all = elf::sections(|start, len| part(file, start, len).map(<[u8]>::to_vec))?;
    // The build id is a hash over everything, debug information included.
    let seen =
        all.into_iter().filter(|section| section.is_loaded && section.name != ".note.gnu.build-id");
    seen.map(|section| {
        Some(Section { bytes: part(file, section.start, section.len)?, name: section.name })
    })
    .collect()
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
        let mut file = elf::MAGIC.to_vec();
        file.extend([2, 1]);
        assert_eq!(sections(&file), None);
        file.resize(64, 0xff);
        assert_eq!(sections(&file), None);
    }
}

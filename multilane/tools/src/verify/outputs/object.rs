//! The part of an object file that a process sees: the sections that are loaded. Debug information
//! is in others.
//!
//! ELF and Mach-O (not yet tried on macOS), and archives of them. PE keeps the path of its debug
//! information in a loaded section, so it is not told apart here.

use object::elf::{SHF_ALLOC, SHT_NOBITS};
use object::read::archive::ArchiveFile;
use object::{FileKind, Object as _, ObjectSection as _, SectionFlags, SectionKind};

/// A section that is loaded.
#[derive(Debug, PartialEq)]
pub(crate) struct Section<'a> {
    pub(crate) name: String,
    pub(crate) bytes: &'a [u8],
}

/// The loaded sections of a program, a library or an archive of objects, in order; `None` where the
/// format is another, or the file is cut off.
pub(crate) fn loaded(file: &[u8]) -> Option<Vec<Section<'_>>> {
    let Ok(archive) = ArchiveFile::parse(file) else {
        return sections(file);
    };
    let mut found = Vec::new();
    for member in archive.members() {
        let member = member.ok()?.data(file).ok()?;
        // Beside the objects there are tables of names.
        if FileKind::parse(member).is_ok() {
            found.extend(sections(member)?);
        }
    }
    (!found.is_empty()).then_some(found)
}

fn sections(file: &[u8]) -> Option<Vec<Section<'_>>> {
    let file = object::File::parse(file).ok()?;
    let mut found = Vec::new();
    for section in file.sections() {
        let name = section.name().ok()?;
        let is_loaded = match section.flags() {
            SectionFlags::Elf { sh_type, sh_flags } => {
                // The build id is a hash over everything, debug information included.
                sh_flags.contains(SHF_ALLOC)
                    && sh_type != SHT_NOBITS
                    && name != ".note.gnu.build-id"
            }
            _ => !matches!(section.kind(), SectionKind::Debug | SectionKind::DebugString),
        };
        if is_loaded {
            found.push(Section { name: name.to_owned(), bytes: section.data().ok()? });
        }
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_format_and_one_that_is_cut_off() {
        let header =
            |len: usize| format!("{:<16}{:<12}{:<6}{:<6}{:<8}{len:<10}`\n", "name/", 0, 0, 0, 644);
        let archive = format!("!<arch>\n{}abc\n{}de", header(3), header(2));
        assert_eq!(loaded(archive.as_bytes()), None, "no member of it is an object");
        assert_eq!(loaded(b"text"), None);
        let own = multilane_engine::files::read(std::env::current_exe().expect("a path"))
            .expect("it can be read");
        assert_eq!(loaded(&own[..own.len() / 2]), None);
    }

    #[cfg(any(target_os = "linux", target_os = "macos"))]
    #[test]
    fn what_a_process_sees_is_found() {
        const TEXT: &[u8] = b"a text that this program holds";
        let own = multilane_engine::files::read(std::env::current_exe().expect("a path"))
            .expect("it can be read");
        let sections = loaded(&own).expect("it is known");
        let has = |name: &str| sections.iter().any(|section| section.name.contains(name));
        assert!(has("text") && !has("debug_info"));
        let finds =
            |section: &Section<'_>| multilane_engine::files::search::find(section.bytes, TEXT);
        assert!(sections.iter().any(|section| finds(section).is_some()));
    }
}

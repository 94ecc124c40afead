//! Compares the files of two lanes that were made for the same tree at the same path: one forked,
//! one from scratch.
//!
//! Where bytes differ, the parts that a process sees are compared, so that debug information may
//! name another tree and nothing else may.

mod object;

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use multilane_engine::files::parallel::in_parallel;
use multilane_engine::files::search::find;
use multilane_engine::units;
use multilane_engine::units::{Place, Unit, with_path};
use object::Section;

/// The lanes to compare.
pub(crate) struct Question<'a> {
    /// The forked lane, which was moved meanwhile.
    pub(crate) forked: &'a Path,
    /// The one from scratch, at the place where the other was.
    pub(crate) scratch: &'a Place,
    /// The checkouts: the donor's, which is gone, and the one that both lanes were made for.
    pub(crate) donor_top: &'a Path,
    pub(crate) own_top: &'a Path,
}

/// A file that one of the two lanes has, or both.
#[derive(Clone, Debug, Default)]
pub(crate) struct Output {
    /// Relative to the lane.
    pub(crate) path: PathBuf,
    /// Empty where cargo has given the file a second name.
    pub(crate) package: String,
    /// The code that had a hand in it: a build script, or a macro that can look around.
    pub(crate) made_by: Option<String>,
    pub(crate) role: Role,
    pub(crate) likeness: Likeness,
    /// Where it names the donor's tree, outside of debug information.
    pub(crate) names: Vec<String>,
    /// How often a process could see the name of a source in the donor's tree: as the place of a
    /// panic.
    pub(crate) names_of_sources: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) enum Role {
    #[default]
    Compiled,
    /// Made by the build script of a package that is edited.
    Generated,
    /// Made by the build script of a registry's package, or a note on what was compiled from that.
    /// cargo's own rule: it stays valid when a target directory is moved.
    OfRegistry,
    /// Printed by a build script for cargo, or recorded by cargo or rustc.
    Noted,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Likeness {
    /// To the byte.
    #[default]
    Same,
    /// In the parts that a process sees; or only the compiler reads what differs.
    SameLoaded,
    /// The same once the donor's path is replaced by ours.
    SameButPaths,
    /// The first difference.
    Other(String),
    /// In a format whose debug information is not told from the rest here.
    Unknown,
    /// Only the lane from scratch has it.
    Lacking,
    /// Only the forked lane has it.
    Extra,
}

/// Every file of both lanes by which a build, a test or a program could tell them apart.
pub(crate) fn compare(question: &Question<'_>) -> Vec<Output> {
    let Question { forked, scratch, .. } = question;
    let units = units::read(scratch, &scratch.root, false);
    let mut paths = BTreeSet::new();
    for profile in units.iter().filter_map(profile_dir).collect::<BTreeSet<_>>() {
        for lane in [*forked, &scratch.lane] {
            list(lane, profile, &mut paths);
        }
    }
    let of_unit: HashMap<&Path, &Unit> = units
        .iter()
        .flat_map(|unit| {
            unit.outputs.iter().chain(&unit.records).map(move |entry| (entry.path.as_path(), unit))
        })
        .collect();
    let paths: Vec<PathBuf> = paths.into_iter().collect();
    let outputs = in_parallel(&paths, |path| {
        compare_file(question, path, of_unit.get(path.as_path()).copied())
    });
    outputs.into_iter().flatten().collect()
}

/// The files that differ between two lanes, in the parts that a process sees.
pub(crate) fn differing<'a>(
    one: &Path,
    other: &Path,
    paths: impl Iterator<Item = &'a Path>,
) -> Vec<PathBuf> {
    let is_same = |path: &Path| {
        let read = |lane: &Path| multilane_engine::files::read(lane.join(path)).ok();
        let (Some(one), Some(other)) = (read(one), read(other)) else { return false };
        let loaded = |file| object::loaded(file).map(|sections| bytes_of(&sections));
        one == other
            || loaded(&one).is_some_and(|one| loaded(&other).is_some_and(|other| one == other))
    };
    paths.filter(|path| !is_same(path)).map(Path::to_owned).collect()
}

/// `debug` of `debug/.fingerprint/core-…` and of `debug/build/core/…/fingerprint`.
fn profile_dir(unit: &Unit) -> Option<&Path> {
    let depth = if unit.fingerprint.ends_with("fingerprint") { 4 } else { 2 };
    unit.fingerprint.ancestors().nth(depth)
}

fn list(lane: &Path, dir: &Path, paths: &mut BTreeSet<PathBuf>) {
    for entry in std::fs::read_dir(lane.join(dir)).into_iter().flatten().flatten() {
        let (path, Ok(kind)) = (dir.join(entry.file_name()), entry.file_type()) else { continue };
        if kind.is_dir() {
            list(lane, &path, paths);
        } else if kind.is_file() {
            paths.insert(path);
        }
    }
}

/// `None` for files that do not depend on what was built: locks, caches, times.
fn compare_file(question: &Question<'_>, path: &Path, unit: Option<&Unit>) -> Option<Output> {
    let name = path.file_name()?.to_str()?;
    let is_in = |folder: &str| path.components().any(|part| part.as_os_str() == folder);
    let is_run = unit.is_some_and(Unit::is_run);
    let is_record =
        is_in(".fingerprint") || unit.is_some_and(|unit| path.starts_with(&unit.fingerprint));
    let is_path = unit.is_none_or(|unit| unit.is_path);
    if is_in("incremental") || name.starts_with(".cargo-") || name == "invoked.timestamp" {
        return None;
    }
    let role = match unit {
        _ if is_record => Role::Noted,
        Some(_) if is_run && units::is_printed(path) => Role::Noted,
        // cargo does not read a script's stderr.
        Some(_) if is_run && name == "stderr" => return None,
        Some(_) if is_run && is_path => Role::Generated,
        Some(_) if is_run => Role::OfRegistry,
        _ if name.ends_with(".d") => {
            if is_path {
                Role::Noted
            } else {
                Role::OfRegistry
            }
        }
        _ => Role::Compiled,
    };
    let mut output = Output {
        path: path.to_owned(),
        package: unit.map(|unit| unit.package.clone()).unwrap_or_default(),
        made_by: unit.and_then(made_by),
        role,
        ..Output::default()
    };
    let read = |lane: &Path| multilane_engine::files::read(lane.join(path)).ok();
    let (forked, scratch) = match (read(question.forked), read(&question.scratch.lane)) {
        (Some(forked), Some(scratch)) => (forked, scratch),
        (None, Some(_)) => return Some(Output { likeness: Likeness::Lacking, ..output }),
        (Some(_), None) => return Some(Output { likeness: Likeness::Extra, ..output }),
        (None, None) => return None,
    };
    // cargo ignores other lines that a script prints.
    let is_printed = is_run && (name == "output" || name == "stdout");
    let [forked, scratch] = [forked, scratch]
        .map(|bytes| if role == Role::Noted && is_printed { to_cargo(&bytes) } else { bytes });
    if forked == scratch {
        return Some(output);
    }

    output.likeness = match role {
        // Hashes and times, which differ where sources were written at another time.
        _ if is_record => Likeness::SameLoaded,
        _ if name.ends_with(".d") => Likeness::SameLoaded,
        Role::Compiled => match (object::loaded(&forked), object::loaded(&scratch)) {
            (Some(forked), Some(scratch)) => question.likeness(&forked, &scratch),
            _ if name.ends_with(".rmeta") => Likeness::SameLoaded,
            _ => Likeness::Unknown,
        },
        _ => question.likeness(&[whole(&forked)], &[whole(&scratch)]),
    };
    question.add_names(&mut output, &forked, unit);
    Some(output)
}

fn made_by(unit: &Unit) -> Option<String> {
    match &unit.widest_macro {
        _ if unit.is_run() => Some(format!("the build script of {}", unit.package)),
        Some(found) => Some(format!("{}, which calls the macro {}", unit.package, found.package)),
        None => None,
    }
}

/// The files of a checkout that neither git nor cargo nor multilane has put there.
pub(crate) fn files_of_checkout(top: &Path, target_dir: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    let mut ahead = vec![top.to_owned()];
    while let Some(dir) = ahead.pop() {
        for entry in std::fs::read_dir(&dir).into_iter().flatten().flatten() {
            let (path, is_dir) = (entry.path(), entry.file_type().is_ok_and(|kind| kind.is_dir()));
            let is_left_out = [".git", ".lanes", ".cargo/wrapper", ".cargo/cranelift.toml"];
            if path == target_dir || is_left_out.iter().any(|name| path.ends_with(name)) {
                continue;
            }
            if is_dir {
                ahead.push(path);
            } else {
                found.extend(path.strip_prefix(top).ok().map(Path::to_owned));
            }
        }
    }
    found
}

fn to_cargo(printed: &[u8]) -> Vec<u8> {
    let lines = printed.split_inclusive(|byte| *byte == b'\n');
    lines.filter(|line| line.starts_with(b"cargo:")).collect::<Vec<_>>().concat()
}

/// Without the names of sections, which are not loaded. Where rustc optimises, they hold hashes
/// over debug information.
fn bytes_of<'a>(sections: &[Section<'a>]) -> Vec<&'a [u8]> {
    sections.iter().map(|section| section.bytes).collect()
}

fn whole(bytes: &[u8]) -> Section<'_> {
    Section { name: String::new(), bytes }
}

impl Question<'_> {
    fn likeness(&self, forked: &[Section<'_>], scratch: &[Section<'_>]) -> Likeness {
        if bytes_of(forked) == bytes_of(scratch) {
            return Likeness::SameLoaded;
        }
        for (forked, scratch) in forked.iter().zip(scratch) {
            let ours = with_path(forked.bytes, self.donor_top, self.own_top);
            if ours != scratch.bytes {
                return Likeness::Other(first_difference(&ours, scratch));
            }
        }
        if forked.len() == scratch.len() {
            Likeness::SameButPaths
        } else {
            Likeness::Other(format!("{} sections instead of {}", forked.len(), scratch.len()))
        }
    }

    /// Looks for names of the donor's tree outside of debug information.
    fn add_names(&self, output: &mut Output, forked: &[u8], unit: Option<&Unit>) {
        let name = output.path.file_name().unwrap_or_default().to_string_lossy();
        if output.role != Role::Compiled {
            // The left side of a rule is the file itself, which cargo does not read.
            let is_rules = name.ends_with(".d") && !output.package.is_empty();
            let mut names = Vec::new();
            for line in forked.split(|byte| *byte == b'\n') {
                let right = if is_rules {
                    find(line, b": ").map_or(&[][..], |at| &line[at..])
                } else {
                    line
                };
                let is_variable = line.starts_with(b"# env-dep:");
                names.extend(self.named_in(if is_variable { line } else { right }).map(shown));
            }
            output.names = names;
            return;
        }
        let is_metadata = name.ends_with(".rmeta");
        let own_sources = if is_metadata { self.sources_of(unit) } else { Vec::new() };
        let sections = if is_metadata { Some(vec![whole(forked)]) } else { object::loaded(forked) };
        for section in sections.into_iter().flatten() {
            for rest in self.named_in(section.bytes) {
                if own_sources.iter().any(|source| rest.starts_with(source)) {
                    // Metadata names the sources of its crate, for errors and debug information.
                } else if self.is_rust_source(rest) {
                    output.names_of_sources += usize::from(!is_metadata);
                } else if !is_metadata || rest.starts_with(b"/") {
                    // The bare root is in all metadata, as the directory in which rustc was
                    // started.
                    output.names.push(shown(rest));
                }
            }
        }
    }

    /// The bytes after each name of the donor's checkout.
    fn named_in<'a>(&self, bytes: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
        let needle = self.donor_top.as_os_str().as_encoded_bytes().to_owned();
        let mut rest = bytes;
        std::iter::from_fn(move || {
            loop {
                rest = &rest[find(rest, &needle)? + needle.len()..];
                if !rest.first().is_some_and(|next| next.is_ascii_alphanumeric() || *next == b'_') {
                    return Some(rest);
                }
            }
        })
    }

    /// The sources of a unit, relative to the checkout, with a leading slash.
    fn sources_of(&self, unit: Option<&Unit>) -> Vec<Vec<u8>> {
        let sources =
            unit.and_then(|unit| unit.dep_info.as_ref()).into_iter().flat_map(|info| &info.sources);
        let absolute = sources
            .map(|source| self.scratch.root.join(source).into_os_string().into_encoded_bytes());
        let top = self.own_top.as_os_str().as_encoded_bytes();
        absolute.filter_map(|source| Some(source.strip_prefix(top)?.to_owned())).collect()
    }

    /// Whether `rest` begins with the name of a Rust source, of the tree or generated in the lane.
    fn is_rust_source(&self, rest: &[u8]) -> bool {
        const LEN_MAX: usize = 1024;
        let Some(rest) =
            rest.get(..rest.len().min(LEN_MAX)).and_then(|rest| rest.strip_prefix(b"/"))
        else {
            return false;
        };
        let mut end = 0;
        while let Some(at) = find(&rest[end..], b".rs") {
            end += at + b".rs".len();
            let is_file = |path: &str| self.own_top.join(path).is_file();
            if std::str::from_utf8(&rest[..end]).is_ok_and(is_file) {
                return true;
            }
        }
        false
    }
}

/// The readable start of the bytes after the donor's path.
fn shown(rest: &[u8]) -> String {
    const LEN_MAX: usize = 100;
    let end = rest
        .iter()
        .position(|byte| !(b' '..=b'~').contains(byte))
        .unwrap_or(rest.len())
        .min(LEN_MAX);
    String::from_utf8_lossy(&rest[..end]).into_owned()
}

/// `.rodata at 512: "…" instead of "…"`
fn first_difference(ours: &[u8], scratch: &Section<'_>) -> String {
    const BEFORE: usize = 16;
    let at = ours.iter().zip(scratch.bytes).position(|(own, other)| own != other);
    let at = at.unwrap_or(ours.len().min(scratch.bytes.len()));
    let text = |bytes: &[u8]| {
        let near = &bytes[at.saturating_sub(BEFORE).min(bytes.len())..];
        near[..near.len().min(4 * BEFORE)].escape_ascii().to_string()
    };
    let Section { name, bytes } = scratch;
    format!("{name} at {at}: \"{}\" instead of \"{}\"", text(ours), text(bytes))
        .trim_start()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loaded_bytes_count_and_names_of_sections_do_not() {
        let place = Place::new("/b".into(), "/b/target".into());
        let question = Question {
            forked: Path::new("/forked/target"),
            scratch: &place,
            donor_top: Path::new("/a"),
            own_top: Path::new("/b"),
        };
        let section = |name: &'static str, text: &'static str| Section {
            name: name.to_owned(),
            bytes: text.as_bytes(),
        };
        let check = |forked: Section<'_>, expected: Likeness| {
            assert_eq!(
                question.likeness(&[forked], &[section(".rodata.a.llvm.1", "in /b/src")]),
                expected
            );
        };
        check(section(".rodata.a.llvm.2", "in /b/src"), Likeness::SameLoaded);
        check(section(".rodata.a.llvm.1", "in /a/src"), Likeness::SameButPaths);
        let how = ".rodata.a.llvm.1 at 0: \"on /b/src\" instead of \"in /b/src\"";
        check(section(".rodata.a.llvm.1", "on /b/src"), Likeness::Other(how.to_owned()));
    }
}

//! Where the code comes from that LLVM is given: which functions are instantiated how often, and
//! how long they are.
//!
//! Counted as cargo-llvm-lines counts: the lines of LLVM's own language, before any optimisation. A
//! nightly compiler also lists what it has instantiated. That list is separate, since it counts
//! other things.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::{BufRead, BufReader};
use std::path::PathBuf;

use serde::{Deserialize, Serialize, Serializer};

use crate::analyze::metadata::Metadata;
use crate::analyze::most_first;

/// One program or library.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Mono {
    pub(crate) package: String,
    /// `bin app`, `lib app`
    pub(crate) target: String,
    pub(crate) lines: u64,
    pub(crate) copies: u64,
    /// The longest first.
    #[serde(serialize_with = "first_of")]
    pub(crate) functions: Vec<Function>,
    /// By the crate that a function is written in.
    #[serde(skip)]
    pub(crate) crates: Vec<(String, u64)>,
    /// Implementations of traits, the longest first.
    #[serde(rename = "trait_implementations", serialize_with = "first_of")]
    pub(crate) traits: Vec<Implemented>,
    /// By the compiler's own count, the largest first; `None` on stable.
    #[serde(rename = "instantiated_says_the_compiler", serialize_with = "first_of_some")]
    pub(crate) items: Option<Vec<Item>>,
}

/// All implementations of one trait in one crate, derived or written.
#[derive(Debug, Serialize)]
pub(crate) struct Implemented {
    #[serde(rename = "crate")]
    pub(crate) crate_name: String,
    /// Its last word: `Debug`.
    pub(crate) name: String,
    pub(crate) lines: u64,
    pub(crate) functions: u64,
}

/// One function in the list of `-Zdump-mono-stats`.
#[derive(Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct Item {
    pub(crate) name: String,
    #[serde(rename(deserialize = "instantiation_count"))]
    pub(crate) copies: u64,
    /// Of all copies, by the compiler's estimate: it takes all to be as long as one of them.
    #[serde(rename(deserialize = "total_estimate", serialize = "size_estimate"))]
    pub(crate) size: u64,
}

#[derive(Debug, Default, PartialEq, Serialize)]
pub(crate) struct Function {
    /// Without the types that it is instantiated with.
    pub(crate) name: String,
    pub(crate) lines: u64,
    pub(crate) copies: u64,
}

impl Function {
    /// The lines of all copies but one.
    pub(crate) fn repeated(&self) -> u64 {
        self.lines - self.lines / self.copies.max(1)
    }
}

impl Mono {
    /// A part of all lines, in percent.
    pub(crate) fn percent(&self, lines: u64) -> f64 {
        lines as f64 / self.lines.max(1) as f64 * 100.0
    }
}

fn first_of<T: Serialize, S: Serializer>(list: &[T], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(list.iter().take(200))
}

fn first_of_some<S: Serializer>(list: &Option<Vec<Item>>, to: S) -> Result<S::Ok, S::Error> {
    list.as_ref().map(|list| list.iter().take(200).collect::<Vec<_>>()).serialize(to)
}

/// The files that a compiler has written for one program or library.
pub(crate) struct Emitted {
    pub(crate) package: String,
    /// `bin` or `lib`.
    pub(crate) kind: &'static str,
    pub(crate) name: String,
    /// LLVM's input.
    pub(crate) path: PathBuf,
    /// The compiler's own list; `None` where it writes none.
    pub(crate) items: Option<PathBuf>,
}

/// Files that cannot be read are left out.
pub(crate) fn read(emitted: &[Emitted], metadata: &Metadata) -> Vec<Mono> {
    let crates = metadata.packages.iter().map(|package| package.name.replace('-', "_"));
    let crates: HashSet<String> =
        crates.chain(["alloc", "core", "proc_macro", "std", "test"].map(str::to_owned)).collect();
    let read_one = |one: &Emitted| {
        let file = multilane_engine::files::open_to_read(&one.path).ok()?;
        let list = one.items.as_ref().and_then(|path| multilane_engine::files::read(path).ok());
        let items = list.and_then(|list| items(&list, &one.name.replace('-', "_"), &crates));
        let target = format!("{} {}", one.kind, one.name);
        let count = count(BufReader::with_capacity(1 << 20, file));
        Some(Mono { package: one.package.clone(), target, items, ..count })
    };
    emitted.iter().filter_map(read_one).collect()
}

/// `None` where the list has another format than the one that is known.
fn items(text: &[u8], own: &str, crates: &HashSet<String>) -> Option<Vec<Item>> {
    let mut items: Vec<Item> = serde_json::from_slice(text).ok()?;
    for item in &mut items {
        item.name = with_crate(&without_types(&item.name), own, crates);
    }
    items.sort_by(|a, b| b.size.cmp(&a.size).then_with(|| a.name.cmp(&b.name)));
    Some(items)
}

/// What lies in the crate that was compiled is named without it; a module that is called as another
/// crate is taken for that one.
fn with_crate(name: &str, own: &str, crates: &HashSet<String>) -> String {
    let first = crate_of(name);
    let at = first.as_ptr().addr() - name.as_ptr().addr();
    // `<T as Trait>::method` is of no crate that could be told.
    let is_parameter = name.starts_with('<') && first.len() <= 2;
    if is_parameter || crates.contains(first) {
        return name.to_owned();
    }
    format!("{}{own}::{}", &name[..at], &name[at..])
}

/// A function begins with `define … @name(…) {` and ends with `}` in the first column.
fn count(mut ir: impl BufRead) -> Mono {
    let mut by_symbol: HashMap<Vec<u8>, u64> = HashMap::new();
    let mut current: Option<(Vec<u8>, u64)> = None;
    let mut line = Vec::new();
    while ir.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
        match &mut current {
            None if line.starts_with(b"define ") => current = symbol(&line).map(|name| (name, 0)),
            None => {}
            Some((symbol, lines)) if line.starts_with(b"}") => {
                *by_symbol.entry(std::mem::take(symbol)).or_default() += *lines;
                current = None;
            }
            Some((_, lines)) => *lines += 1,
        }
        line.clear();
    }

    let mut mono = Mono::default();
    let mut by_name: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    let mut by_crate: BTreeMap<String, u64> = BTreeMap::new();
    let mut by_trait: BTreeMap<(String, String), (u64, u64)> = BTreeMap::new();
    let add = |(all, copies): &mut (u64, u64), lines| {
        *all += lines;
        *copies += 1;
    };
    for (symbol, lines) in by_symbol {
        let full = format!("{:#}", rustc_demangle::demangle(&String::from_utf8_lossy(&symbol)));
        let name = without_types(&full);
        let crate_name = crate_of(&name).to_owned();
        mono.lines += lines;
        mono.copies += 1;
        *by_crate.entry(crate_name.clone()).or_default() += lines;
        if let Some(implemented) = trait_of(&full) {
            add(by_trait.entry((crate_name, implemented)).or_default(), lines);
        }
        add(by_name.entry(name).or_default(), lines);
    }
    let functions = by_name.into_iter();
    mono.functions =
        functions.map(|(name, (lines, copies))| Function { name, lines, copies }).collect();
    mono.functions.sort_by_key(|function| Reverse(function.lines));
    mono.crates = most_first(by_crate);
    let traits = by_trait.into_iter().map(|((crate_name, name), (lines, functions))| Implemented {
        crate_name,
        name,
        lines,
        functions,
    });
    mono.traits = traits.collect();
    mono.traits.sort_by_key(|implemented| Reverse(implemented.lines));
    mono
}

/// `Debug` of `<app::Set as core::fmt::Debug>::fmt`, and `Serialize` of `app::_::<impl
/// serde::Serialize for app::Set>::serialize`, with all that is in there.
fn trait_of(name: &str) -> Option<String> {
    let path = match name.split_once("<impl ") {
        Some((_, implementation)) => implementation.split_once(" for ")?.0,
        None => {
            let mut depth = 0_usize;
            let mut parts = name.strip_prefix('<')?.char_indices();
            // The first ` as ` that is not within another type.
            let at = parts.find_map(|(at, c)| {
                match c {
                    '<' | '(' | '[' => depth += 1,
                    '>' | ')' | ']' => depth = depth.saturating_sub(1),
                    _ => {}
                }
                (depth == 0 && name[1 + at..].starts_with(" as ")).then_some(1 + at + 4)
            })?;
            name[at..].split_once('>').map(|(path, _)| path)?
        }
    };
    let path = path.split('<').next().unwrap_or(path);
    path.rsplit("::").next().map(str::to_owned)
}

/// `_ZN…` of `define internal void @_ZN…(ptr %x) … {`; with quotes where it has letters beyond
/// ASCII's.
fn symbol(line: &[u8]) -> Option<Vec<u8>> {
    let at = line.iter().position(|byte| *byte == b'@')? + 1;
    let rest = line[at..].strip_prefix(b"\"").unwrap_or(&line[at..]);
    let end = rest.iter().position(|byte| *byte == b'(' || *byte == b'"')?;
    Some(rest[..end].to_vec())
}

/// `core::ptr::drop_in_place` of `core::ptr::drop_in_place::<alloc::string::String>`; what is
/// before an `as` stays.
fn without_types(name: &str) -> String {
    let mut result = String::with_capacity(name.len());
    let mut depth = 0_usize;
    for (at, c) in name.char_indices() {
        // `<T as Trait>::f` begins a name; `f::<T>` and `Vec<T>` are what is left out.
        let is_beginning = result.is_empty() && depth == 0;
        match c {
            '<' if !is_beginning => depth += 1,
            '>' if depth > 0 && !name[..at].ends_with('-') => depth -= 1,
            _ if depth == 0 => result.push(c),
            _ => {}
        }
    }
    // `f::<T>` leaves `f::` behind.
    let result = result.replace("::::", "::").trim_end_matches("::").to_owned();
    // A nightly's symbols have `<alloc::vec::Vec<T>>::push` for what stable's call
    // `alloc::vec::Vec<T>::push`.
    let is_path = |text: &str| text.chars().all(|c| c.is_alphanumeric() || c == '_' || c == ':');
    match result.strip_prefix('<').and_then(|rest| rest.split_once('>')) {
        Some((of, rest)) if is_path(of) => format!("{of}{rest}"),
        _ => result,
    }
}

/// `serde` of `<serde::de::X as core::fmt::Debug>::fmt`: the trait's implementation is where the
/// type is.
pub(crate) fn crate_of(name: &str) -> &str {
    let is_around = |c: char| !c.is_alphanumeric() && c != '_';
    let start =
        name.trim_start_matches(is_around).trim_start_matches("mut ").trim_start_matches("dyn ");
    let start = start.trim_start_matches(is_around);
    let first = start.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or(name);
    if OF_THE_LANGUAGE.contains(&first) { "core" } else { first }
}

/// What a type may begin with that has no crate. What is implemented for these is core's, but for
/// some of `str`, which is alloc's.
const OF_THE_LANGUAGE: [&str; 21] = [
    "bool", "char", "str", "i8", "i16", "i32", "i64", "i128", "isize", "u8", "u16", "u32", "u64",
    "u128", "usize", "f32", "f64", "fn", "for", "unsafe", "extern",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_of_a_function_are_counted_together() {
        let ir = "\
define void @_ZN4core3ptr13drop_in_place17h0000000000000000E(ptr %x) {
start:
  ret void
}

define internal void @_ZN3app3run17h1111111111111111E() unnamed_addr #0 {
start:
  ret void
}
define internal void @_ZN3app3run17h2222222222222222E() unnamed_addr #0 {
start:
  call void @_ZN4core3ptr13drop_in_place17h0000000000000000E(ptr null)
  ret void
}
declare void @elsewhere(ptr)
";
        let mono = count(ir.as_bytes());
        assert_eq!((mono.lines, mono.copies), (7, 3));
        let run = Function { name: "app::run".into(), lines: 5, copies: 2 };
        assert_eq!(run.repeated(), 3);
        let drop = Function { name: "core::ptr::drop_in_place".into(), lines: 2, copies: 1 };
        assert_eq!(mono.functions, [run, drop]);
        assert_eq!(mono.crates, [("app".to_owned(), 5), ("core".to_owned(), 2)]);
    }

    #[test]
    fn what_is_implemented_is_known_by_its_trait() {
        for (name, expected) in [
            ("<app::Set as core::fmt::Debug>::fmt", Some("Debug")),
            (
                "<app::Set<alloc::vec::Vec<u8>> as core::cmp::PartialEq<app::Other>>::eq",
                Some("PartialEq"),
            ),
            ("<app::Of<<u8 as a::B>::C> as core::clone::Clone>::clone", Some("Clone")),
            ("app::_::<impl serde::ser::Serialize for app::Set>::serialize", Some("Serialize")),
            (
                "<<app::_::<impl serde::de::Deserialize for app::Set>::deserialize::Visitor as serde::de::Visitor>::visit_map",
                Some("Deserialize"),
            ),
            ("<alloc::vec::Vec<u8>>::push", None),
            ("app::run", None),
        ] {
            assert_eq!(trait_of(name).as_deref(), expected, "{name}");
        }
    }

    #[test]
    fn the_compiler_s_own_list_is_read_or_left_alone() {
        let text = br#"[
            { "name": "Set::<T>::small", "instantiation_count": 2, "size_estimate": 3, "total_estimate": 6 },
            { "name": "alloc::vec::Vec::<T, A>::push", "instantiation_count": 9, "size_estimate": 10, "total_estimate": 90 }
        ]"#;
        let push = Item { name: "alloc::vec::Vec::push".into(), copies: 9, size: 90 };
        let small = Item { name: "app::Set::small".into(), copies: 2, size: 6 };
        let crates = HashSet::from(["alloc".to_owned()]);
        assert_eq!(items(text, "app", &crates), Some(vec![push, small]));
        assert_eq!(items(br#"[{ "name": "small" }]"#, "app", &crates), None);
    }

    #[test]
    fn only_what_has_no_crate_is_given_one() {
        let crates = HashSet::from(["std".to_owned()]);
        for (name, expected) in [
            ("main", "app::main"),
            ("<Set as std::clone::Clone>::clone", "<app::Set as std::clone::Clone>::clone"),
            (
                "<&mut list::Item as std::fmt::Debug>::fmt",
                "<&mut app::list::Item as std::fmt::Debug>::fmt",
            ),
            ("<T as std::string::ToString>::to_string", "<T as std::string::ToString>::to_string"),
            ("std::vec::Vec::push", "std::vec::Vec::push"),
        ] {
            assert_eq!(with_crate(name, "app", &crates), expected);
        }
    }

    #[test]
    fn a_name_has_no_types_and_has_a_crate() {
        for (name, expected, expected_crate) in [
            (
                "core::ptr::drop_in_place::<alloc::string::String>",
                "core::ptr::drop_in_place",
                "core",
            ),
            ("<app::Set as core::fmt::Debug>::fmt", "<app::Set as core::fmt::Debug>::fmt", "app"),
            ("alloc::vec::Vec<T,A>::push", "alloc::vec::Vec::push", "alloc"),
            ("<alloc::vec::Vec<u8>>::push", "alloc::vec::Vec::push", "alloc"),
            ("app::call::<fn(u8) -> u8>", "app::call", "app"),
            (
                "<&mut dyn app::Set as core::fmt::Debug>::fmt",
                "<&mut dyn app::Set as core::fmt::Debug>::fmt",
                "app",
            ),
            ("main", "main", "main"),
            ("str::replace", "str::replace", "core"),
            ("<u8 as core::fmt::Debug>::fmt", "<u8 as core::fmt::Debug>::fmt", "core"),
            ("<fn() as core::fmt::Debug>::fmt", "<fn() as core::fmt::Debug>::fmt", "core"),
            ("strsim::jaro", "strsim::jaro", "strsim"),
        ] {
            assert_eq!(without_types(name), expected);
            assert_eq!(crate_of(&without_types(name)), expected_crate, "{name}");
        }
    }
}

//! Where the code comes from that LLVM is given: which functions are instantiated how often, and how long they are.
//!
//! Counted as cargo-llvm-lines counts: the lines of LLVM's own language, before any optimisation.

use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead, BufReader};
use std::path::Path;

use serde_json::Value;

/// Of one program or library.
#[derive(Debug, Default)]
pub(crate) struct Mono {
    pub(crate) package: String,
    /// `bin app`, `lib app`
    pub(crate) target: String,
    pub(crate) lines: u64,
    pub(crate) copies: u64,
    /// The longest first.
    pub(crate) functions: Vec<Function>,
    /// By the crate that a function is written in.
    pub(crate) crates: Vec<(String, u64)>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Function {
    /// Without the types that it is instantiated with.
    pub(crate) name: String,
    pub(crate) lines: u64,
    pub(crate) copies: u64,
}

impl Function {
    /// What one copy less each would save, had all of it been moved into a function that is not generic.
    pub(crate) fn repeated(&self) -> u64 {
        self.lines - self.lines / self.copies.max(1)
    }
}

/// What `facts.json` names; what cannot be read is left out.
pub(crate) fn read(emitted: &Value) -> Vec<Mono> {
    let read_one = |one: &Value| {
        let file = std::fs::File::open(Path::new(one["path"].as_str()?)).ok()?;
        let text = |name: &str| one[name].as_str().unwrap_or_default();
        let mut mono = count(BufReader::with_capacity(1 << 20, file));
        mono.package = text("package").to_owned();
        mono.target = format!("{} {}", text("kind"), text("name"));
        Some(mono)
    };
    emitted.as_array().into_iter().flatten().filter_map(read_one).collect()
}

/// A function begins with `define … @name(…) {` and ends with `}` in the first column.
fn count(mut ir: impl BufRead) -> Mono {
    let mut by_symbol: HashMap<Vec<u8>, u64> = HashMap::new();
    let mut current: Option<(Vec<u8>, u64)> = None;
    let mut line = Vec::new();
    loop {
        line.clear();
        if ir.read_until(b'\n', &mut line).unwrap_or(0) == 0 {
            break;
        }
        match &mut current {
            None if line.starts_with(b"define ") => current = symbol(&line).map(|symbol| (symbol, 0)),
            None => {}
            Some((symbol, lines)) if line.starts_with(b"}") => {
                *by_symbol.entry(std::mem::take(symbol)).or_default() += *lines;
                current = None;
            }
            Some((_, lines)) => *lines += 1,
        }
    }

    let mut mono = Mono::default();
    let mut by_name: BTreeMap<String, Function> = BTreeMap::new();
    let mut by_crate: BTreeMap<String, u64> = BTreeMap::new();
    for (symbol, lines) in by_symbol {
        let name = format!("{:#}", rustc_demangle::demangle(&String::from_utf8_lossy(&symbol)));
        let name = without_types(&name);
        mono.lines += lines;
        mono.copies += 1;
        *by_crate.entry(crate_of(&name).to_owned()).or_default() += lines;
        let function = by_name.entry(name).or_default();
        function.lines += lines;
        function.copies += 1;
    }
    let functions = by_name.into_iter().map(|(name, function)| Function { name, ..function });
    mono.functions = functions.collect();
    mono.functions.sort_by_key(|function| std::cmp::Reverse(function.lines));
    mono.crates = by_crate.into_iter().collect();
    mono.crates.sort_by_key(|(_, lines)| std::cmp::Reverse(*lines));
    mono
}

/// `_ZN…` of `define internal void @_ZN…(ptr %x) … {`; with quotes where it has letters beyond ASCII's.
fn symbol(line: &[u8]) -> Option<Vec<u8>> {
    let at = line.iter().position(|byte| *byte == b'@')? + 1;
    let rest = line[at..].strip_prefix(b"\"").unwrap_or(&line[at..]);
    let end = rest.iter().position(|byte| *byte == b'(' || *byte == b'"')?;
    Some(rest[..end].to_vec())
}

/// `core::ptr::drop_in_place` of `core::ptr::drop_in_place::<alloc::string::String>`; what is before an `as` stays.
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
    result.replace("::::", "::").trim_end_matches("::").to_owned()
}

/// `serde` of `<serde::de::X as core::fmt::Debug>::fmt`: the trait's implementation is where the type is.
pub(crate) fn crate_of(name: &str) -> &str {
    let start = name.trim_start_matches(|c: char| !c.is_alphanumeric() && c != '_');
    start.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or(name)
}

/// An `#[inline(always)]` on something generic that other crates can call: each of them compiles it, and each of its callers has
/// a copy.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Forced {
    pub(crate) file: String,
    pub(crate) line: usize,
    pub(crate) function: String,
}

/// Looks through the text of a source file; the attribute and the function may have others between them.
pub(crate) fn forced(file: &str, text: &str) -> Vec<Forced> {
    const NEAR: usize = 6;
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let mut found = Vec::new();
    for (at, _) in lines.iter().enumerate().filter(|(_, line)| line.starts_with("#[inline(always)]")) {
        let following = lines[at..].iter().enumerate().take(NEAR);
        let mut functions = following.filter(|(_, line)| line.contains("fn "));
        let Some((further, line)) = functions.next() else { continue };
        let is_public = line.starts_with("pub fn ")
            || line.starts_with("pub const fn ")
            || line.starts_with("pub unsafe fn ");
        let after = line.split("fn ").nth(1).unwrap_or_default();
        let name: String = after.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        let is_generic = after[name.len()..].starts_with('<') && !after[name.len()..].starts_with("<'")
            || after.contains("impl ");
        if is_public && is_generic {
            found.push(Forced { file: file.to_owned(), line: at + further + 1, function: name });
        }
    }
    found
}

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
    fn a_name_has_no_types_and_has_a_crate() {
        for (name, expected, expected_crate) in [
            ("core::ptr::drop_in_place::<alloc::string::String>", "core::ptr::drop_in_place", "core"),
            ("<app::Set as core::fmt::Debug>::fmt", "<app::Set as core::fmt::Debug>::fmt", "app"),
            ("alloc::vec::Vec<T,A>::push", "alloc::vec::Vec::push", "alloc"),
            ("app::call::<fn(u8) -> u8>", "app::call", "app"),
            ("main", "main", "main"),
        ] {
            assert_eq!(without_types(name), expected);
            assert_eq!(crate_of(&without_types(name)), expected_crate, "{name}");
        }
    }

    #[test]
    fn only_public_generic_functions_are_forced_on_others() {
        let text = "\
#[inline(always)]
pub fn generic<T: Into<u8>>(x: T) -> u8 { x.into() }
#[inline(always)]
#[must_use]
pub fn argument(x: impl Fn()) {}
#[inline(always)]
pub fn plain(x: u8) -> u8 { x }
#[inline(always)]
fn private<T>(x: T) {}
#[inline(always)]
pub fn lifetime<'a>(x: &'a u8) -> &'a u8 { x }
";
        let found: Vec<(String, usize)> =
            forced("a.rs", text).into_iter().map(|forced| (forced.function, forced.line)).collect();
        assert_eq!(found, [("generic".to_owned(), 2), ("argument".to_owned(), 5)]);
    }
}

//! Which files a Rust source includes, by what it says: modules, `#[path]` and `include!`.

use std::path::{Path, PathBuf};

use crate::files;

/// A Rust source with its modules and the sources that it includes.
pub(super) fn with_modules(file: &Path) -> Vec<PathBuf> {
    let mut found = vec![file.to_owned()];
    let mut next = 0;
    while let Some(file) = found.get(next) {
        let text = files::read_text(file).unwrap_or_default();
        let more = included(file, &text).into_iter().flatten();
        let more = more.filter(|path| path.extension().is_some_and(|end| end == "rs"));
        let more: Vec<PathBuf> = more.filter(|path| path.is_file()).collect();
        for path in more {
            if !found.contains(&path) {
                found.push(path);
            }
        }
        next += 1;
    }
    found
}

/// What the text of a Rust source includes, and its modules: each in all places where it may lie.
/// Nothing of another file.
pub(super) fn included(file: &Path, text: &str) -> Vec<Vec<PathBuf>> {
    if file.extension().is_none_or(|end| end != "rs") {
        return Vec::new();
    }
    const STARTS: [&str; 4] = ["include!(", "include_str!(", "include_bytes!(", "#[path"];
    let dir = file.parent().unwrap_or(file);
    let package_dir = dir.ancestors().find(|dir| dir.join("Cargo.toml").is_file()).unwrap_or(dir);
    let is_code = |at: usize| !text[..at].rsplit('\n').next().unwrap_or_default().contains("//");
    let starts = STARTS.iter().flat_map(|start| text.match_indices(start));
    let starts = starts.filter(|(at, _)| is_code(*at));
    let files = starts.filter_map(|(at, start)| {
        Some(vec![path_in_macro(&text[at + start.len()..], dir, package_dir)?])
    });
    let modules = text.match_indices("mod ").filter_map(|(at, start)| {
        let rest = &text[at + start.len()..];
        let (name, _) = rest.split_once(|c: char| !c.is_alphanumeric() && c != '_')?;
        let is_module = rest[name.len()..].starts_with(';') && !name.is_empty() && is_code(at);
        let dirs = [dir.to_owned(), dir.join(file.file_stem()?)];
        let places = dirs
            .iter()
            .flat_map(|dir| [dir.join(format!("{name}.rs")), dir.join(name).join("mod.rs")]);
        is_module.then(|| places.collect())
    });
    files.chain(modules).collect()
}

/// The path that `include!`, or the `path` of a module, is given in these literals, behind
/// `env!("CARGO_MANIFEST_DIR")` from the package's directory on. `None` where it is none of them.
fn path_in_macro(text: &str, dir: &Path, package_dir: &Path) -> Option<PathBuf> {
    let (mut base, mut path) = (dir, String::new());
    let mut pieces = text.split('"');
    while let (Some(code), Some(literal)) = (pieces.next(), pieces.next()) {
        let code = code.trim();
        match code {
            "concat!(env!(" if literal == "CARGO_MANIFEST_DIR" => base = package_dir,
            ")," if path.is_empty() => path.push_str(literal),
            "" | "=" | "concat!(" | "," => path.push_str(literal),
            _ if code.trim_start_matches([',', ' ', '\n']).starts_with([')', ']']) => break,
            _ => return None,
        }
    }
    let inside = if base == dir { &path } else { path.trim_start_matches('/') };
    (!path.is_empty() && !path.contains('\\')).then(|| base.join(inside))
}

//! What code names in its string literals: variables of the environment, and paths. Nothing else
//! tells what it may read outside of the checkout.
//!
//! This is a guess by words, so it only ever adds to what is left to cargo.

use std::collections::BTreeSet;

use crate::files::search::find;
use crate::units::reach::{Token, tokens};

#[derive(Debug, Default, PartialEq)]
pub(super) struct Literals {
    /// What may be the name of a variable of the environment, but for those that cargo sets.
    pub(super) variables: BTreeSet<String>,
    /// Paths that are absolute, or that climb. One that follows something else in a format, or is
    /// appended to something, begins with `/` as well.
    pub(super) paths: BTreeSet<String>,
    /// Paths below the user's home directory, if the source knows that.
    pub(super) of_home: BTreeSet<String>,
}

impl Literals {
    /// In all of a source.
    pub(super) fn of(source: &[u8]) -> Literals {
        let mut found = Literals::default();
        let Some(tokens) = std::str::from_utf8(source).ok().and_then(tokens) else { return found };
        found.add(&tokens);
        found
    }

    /// In the calls of macros alone: what a macro is told by its caller.
    pub(super) fn of_calls(source: &[u8]) -> Literals {
        let mut found = Literals::default();
        if find(source, b"!").is_none() {
            return found;
        }
        let Some(tokens) = std::str::from_utf8(source).ok().and_then(tokens) else { return found };
        let mut at = 0;
        while at + 2 < tokens.len() {
            let is_call = matches!(tokens[at], Token::Word(name) if !OF_STD.contains(&name))
                && tokens[at + 1] == Token::Other(b'!')
                && matches!(tokens[at + 2], Token::Other(b'(' | b'[' | b'{'));
            at += 1;
            if is_call {
                let len = call_len(&tokens[at + 1..]);
                let told = &tokens[at + 1..at + 1 + len];
                found.add(told);
                found.variables.extend(told.iter().filter_map(constant));
                at += len;
            }
        }
        found
    }

    fn add(&mut self, tokens: &[Token<'_>]) {
        let knows_home = tokens.iter().any(|token| {
            matches!(token, Token::Word("home_dir" | "home") | Token::Text("HOME" | "~"))
        });
        for token in tokens {
            let Token::Text(text) = token else { continue };
            // A shell knows variables by `$NAME`.
            let is_shells = text.contains(['$', '%']);
            let words =
                text.split(|char: char| is_shells && !char.is_alphanumeric() && char != '_');
            self.variables.extend(words.filter(|word| is_variable(word)).map(str::to_owned));
            let path = text.rsplit('}').next().unwrap_or_default();
            let climbs = path.split('/').any(|part| part == "..");
            if path.len() > 1 && !path.starts_with("//") && (path.starts_with('/') || climbs) {
                self.paths.insert(path.to_owned());
            }
            let inside = path.trim_start_matches("~/").trim_start_matches('/');
            if (knows_home || path.starts_with("~/")) && !inside.is_empty() && !climbs {
                self.of_home.insert(inside.to_owned());
            }
        }
    }
}

/// A word that a macro may make a variable's name of.
fn constant(token: &Token<'_>) -> Option<String> {
    let Token::Word(word) = token else { return None };
    let is_upper = !word.bytes().any(|byte| byte.is_ascii_lowercase());
    (is_upper && is_variable(word)).then(|| (*word).to_owned())
}

/// The macros of the standard library in which texts are for people, or for rustc.
const OF_STD: [&str; 24] = [
    "assert",
    "assert_eq",
    "assert_ne",
    "concat",
    "debug_assert",
    "debug_assert_eq",
    "debug_assert_ne",
    "env",
    "eprint",
    "eprintln",
    "format",
    "format_args",
    "include",
    "include_bytes",
    "include_str",
    "matches",
    "option_env",
    "panic",
    "print",
    "println",
    "unreachable",
    "vec",
    "write",
    "writeln",
];

/// Up to the bracket that closes the first one.
fn call_len(tokens: &[Token<'_>]) -> usize {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate() {
        match token {
            Token::Other(b'(' | b'[' | b'{') => depth += 1,
            Token::Other(b')' | b']' | b'}') => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    tokens.len()
}

/// Whether a variable of the environment may have this name, and not one that cargo or rustup sets
/// for what they start.
fn is_variable(text: &str) -> bool {
    const LEN_MAX: usize = 100;
    const CARGOS: [&str; 16] = [
        "CARGO",
        "CARGO_BIN_NAME",
        "CARGO_BUILD_BUILD_DIR",
        "CARGO_BUILD_TARGET_DIR",
        "CARGO_CRATE_NAME",
        "CARGO_ENCODED_RUSTFLAGS",
        "CARGO_HOME",
        "CARGO_MAKEFLAGS",
        "CARGO_PRIMARY_PACKAGE",
        "CARGO_TARGET_DIR",
        "CARGO_TARGET_TMPDIR",
        "OUT_DIR",
        "RUSTC",
        "RUSTC_LINKER",
        "RUSTC_WORKSPACE_WRAPPER",
        "RUSTC_WRAPPER",
    ];
    const STARTS: [&str; 7] = [
        "CARGO_BIN_EXE_",
        "CARGO_CFG_",
        "CARGO_FEATURE_",
        "CARGO_MANIFEST_",
        "CARGO_PKG_",
        "DEP_",
        "RUSTUP_",
    ];
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    (2..LEN_MAX).contains(&text.len())
        && text.bytes().all(is_part)
        && text.bytes().any(|byte| byte.is_ascii_alphabetic())
        && !CARGOS.contains(&text)
        && !STARTS.iter().any(|start| text.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::mutate::mutations;

    fn names(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn names_and_paths_are_found() {
        let source =
            b"fn f() { env::var(\"GREETING\"); var_os(\"greeting\"); g(\"hello\", \"OUT_DIR\"); \
            read(dir + \"/../../x.txt\"); read(\"/etc/x\"); read(format!(\"{dir}/data.txt\")); }";
        let found = Literals::of(source);
        assert_eq!(found.variables, names(&["GREETING", "greeting", "hello"]));
        assert_eq!(found.paths, names(&["/../../x.txt", "/etc/x", "/data.txt"]));
        assert_eq!(found.of_home, names(&[]));
        let found = Literals::of(b"let x = home_dir().join(\".config/x\"); y(\"~/z\")");
        assert_eq!(found.of_home, names(&[".config/x", "z"]));
    }

    #[test]
    fn of_a_caller_only_what_it_tells_a_macro() {
        let source =
            b"fn f() { println!(\"/etc/a\"); a(\"NAME\"); m::read!(x(\"../b\"), \"TOLD\", MODE); }";
        let found = Literals::of_calls(source);
        assert_eq!((found.variables, found.paths), (names(&["MODE", "TOLD"]), names(&["../b"])));
    }

    #[test]
    fn what_cargo_sets_is_no_variable_of_the_users() {
        for name in ["CARGO_REGISTRIES_MINE_TOKEN", "RUSTC_MODE", "PROFILE", "app_mode", "npm-x"] {
            assert!(is_variable(name), "{name}");
        }
        for name in ["CARGO_PKG_NAME", "OUT_DIR", "DEP_Z_ROOT", "two words", "x", "12"] {
            assert!(!is_variable(name), "{name}");
        }
    }

    #[test]
    fn any_bytes_are_borne() {
        mutations(b"m!(\"../x\", \"HOME\", [{var(\"A\")}]) \"{a}/b\" \"~/c\"", |source| {
            _ = (Literals::of(source), Literals::of_calls(source));
        });
    }
}

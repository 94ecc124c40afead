//! What code names in its string literals: variables of the environment, and paths. Nothing else
//! tells what it may read outside of the checkout.
//!
//! This is a guess by words, so it only ever adds to what is left to cargo.

use std::collections::BTreeSet;

use crate::files::search::find;
use crate::units::reach::{Token, tokens, unescaped};

#[derive(Debug, Default, PartialEq)]
pub(super) struct Literals {
    /// What may be the name of a variable of the environment, but for those that cargo sets. `A_*`
    /// stands for all that begin with `A_`, `*` for all.
    pub(super) variables: BTreeSet<String>,
    /// Paths that are absolute, or that climb. One that follows something else in a format, or is
    /// appended to something, begins with `/` as well.
    pub(super) paths: BTreeSet<String>,
    /// Paths below the user's home directory, if the source knows that.
    pub(super) of_home: BTreeSet<String>,
    /// Everything else that may be the name of a file, which may name others.
    pub(super) names: BTreeSet<String>,
}

impl Literals {
    /// In all of a source.
    pub(super) fn of(source: &[u8]) -> Literals {
        let mut found = Literals::default();
        let Some(tokens) = std::str::from_utf8(source).ok().and_then(tokens) else { return found };
        found.add(&tokens);
        found
    }

    /// In all of a source, with the words in calls of macros, which `stringify!` makes names of.
    pub(super) fn of_own(source: &[u8]) -> Literals {
        let mut found = Literals::of(source);
        found.variables.extend(Literals::of_calls(source).variables);
        found
    }

    /// In the calls of macros and in attributes alone: what a macro is told by its caller.
    pub(super) fn of_calls(source: &[u8]) -> Literals {
        let mut found = Literals::default();
        if find(source, b"!").or(find(source, b"#")).is_none() {
            return found;
        }
        let Some(tokens) = std::str::from_utf8(source).ok().and_then(tokens) else { return found };
        // Another macro may be called like one of std's: by its path, or after an import.
        let is_imported = |name: &str| {
            tokens.windows(2).any(|pair| match pair {
                [Token::Word(word), Token::Other(b';' | b',' | b'}')] => *word == name,
                [Token::Word("as"), Token::Word(word)] => *word == name,
                _ => false,
            })
        };
        let is_of_std = |name: &str, at: usize| {
            OF_STD.contains(&name)
                && at.checked_sub(1).is_none_or(|before| tokens[before] != Token::Path)
                && !is_imported(name)
        };
        let mut at = 0;
        while at < tokens.len() {
            let start = match tokens[at..] {
                [Token::Word(name), Token::Other(b'!'), Token::Other(b'(' | b'[' | b'{'), ..]
                    if !is_of_std(name, at) =>
                {
                    at + 2
                }
                [Token::Other(b'#'), Token::Other(b'['), ..] => at + 1,
                [Token::Other(b'#'), Token::Other(b'!'), Token::Other(b'['), ..] => at + 2,
                _ => {
                    at += 1;
                    continue;
                }
            };
            at = start + call_len(&tokens[start..]);
            let told = &tokens[start..at];
            found.add(told);
            found.variables.extend(told.iter().filter_map(constant));
        }
        found
    }

    /// The paths in a file of whatever language.
    pub(super) fn add_paths_in(&mut self, text: &str) {
        for word in text.split(ends_word) {
            self.add_path(word);
        }
    }

    /// The names of variables in a file of whatever language.
    pub(super) fn add_variables_in(&mut self, text: &str) {
        const SHELLS: [&str; 3] = ["OLDPWD", "PWD", "SHLVL"]; // Which each shell sets for itself.
        for word in text.split(|char: char| !char.is_ascii_alphanumeric() && char != '_') {
            let is_upper = word.len() > 2 && !word.bytes().any(|byte| byte.is_ascii_lowercase());
            if is_upper && is_variable(word) && !SHELLS.contains(&word) {
                self.variables.insert(word.to_owned());
                self.add_prefix(word);
            }
        }
    }

    /// All variables that begin with this, if that looks like the start of a name.
    fn add_prefix(&mut self, text: &str) {
        let start = text.split('{').next().unwrap_or_default();
        let is_start = start.ends_with('_') && !start.bytes().any(|byte| byte.is_ascii_lowercase());
        if is_start && is_variable(start) {
            self.variables.insert(format!("{start}*"));
        }
    }

    fn add(&mut self, tokens: &[Token<'_>]) {
        let knows_home = tokens.iter().any(|token| {
            matches!(token, Token::Word("home_dir" | "home") | Token::Text("HOME" | "~"))
        });
        if lists_variables(tokens) {
            self.variables.insert("*".to_owned());
            let starts = tokens.windows(3).filter_map(|call| match call {
                [
                    Token::Word("starts_with" | "strip_prefix"),
                    Token::Other(b'('),
                    Token::Text(start),
                ] => Some(*start),
                _ => None,
            });
            self.variables.extend(starts.filter(|name| is_variable(name)).map(|s| format!("{s}*")));
        }
        let joined: Vec<String> =
            (0..tokens.len()).filter_map(|at| joined(&tokens[at..])).collect();
        let texts = tokens.iter().filter_map(|token| match token {
            Token::Text(text) => Some(*text),
            _ => None,
        });
        for text in texts.chain(joined.iter().map(String::as_str)) {
            // As it is written, if it is a raw one.
            for text in [text, &*unescaped(text)] {
                self.add_prefix(text);
                // A shell knows variables by `$NAME`.
                let is_shells = text.contains(['$', '%']);
                let ends_name = |char: char| is_shells && !char.is_alphanumeric() && char != '_';
                let names = text.split(ends_name).filter(|name| is_variable(name));
                self.variables.extend(names.map(str::to_owned));
                // A text may also be a command, or code of another language.
                self.add_path(text);
                self.add_paths_in(text);
                let inside = text.rsplit('}').next().unwrap_or_default();
                let inside = inside.trim_start_matches("~/").trim_start_matches('/');
                if knows_home && !inside.is_empty() && !climbs(inside) {
                    self.of_home.insert(inside.to_owned());
                }
            }
        }
    }

    fn add_path(&mut self, text: &str) {
        let path = text.rsplit('}').next().unwrap_or_default();
        if let Some(inside) = path.strip_prefix("~/").or(path.strip_prefix("$HOME/")) {
            self.of_home.insert(inside.to_owned());
        } else if path.len() > 1
            && !path.starts_with("//")
            && (path.starts_with('/') || climbs(path))
        {
            self.paths.insert(path.to_owned());
        } else if !path.is_empty() {
            self.names.insert(path.to_owned());
        }
    }
}

fn climbs(path: &str) -> bool {
    path.split('/').any(|part| part == "..")
}

/// What is no part of a path, in a command or in most languages.
fn ends_word(char: char) -> bool {
    char.is_whitespace() || "\"'`;:,|&<>()=".contains(char)
}

/// Whether it goes through all variables: `env::vars`, or `vars` after an import.
fn lists_variables(tokens: &[Token<'_>]) -> bool {
    let is_imported = tokens
        .windows(3)
        .any(|all| matches!(all, [Token::Word("env"), Token::Path, Token::Other(b'{' | b'*')]));
    tokens.windows(2).any(|pair| match pair {
        [_, Token::Word("vars_os")] | [Token::Path, Token::Word("vars")] => true,
        [_, Token::Word("vars")] => is_imported,
        _ => false,
    })
}

/// What `concat!` makes, at the start of these.
fn joined(tokens: &[Token<'_>]) -> Option<String> {
    let [Token::Word("concat"), Token::Other(b'!'), call @ ..] = tokens else { return None };
    let parts = call[..call_len(call)].iter().filter_map(|token| match token {
        Token::Text(text) => Some(*text),
        Token::Word(word) if !["concat", "stringify"].contains(word) => Some(*word),
        _ => None,
    });
    Some(parts.collect())
}

/// The variables that a program is known to read.
pub(super) fn variables_of(program: &str) -> &'static [&'static str] {
    match program {
        "ar" | "c++" | "cc" | "clang" | "clang++" | "cmake" | "g++" | "gcc" | "make" => &[
            "AR",
            "CC",
            "CFLAGS",
            "CPATH",
            "CPLUS_INCLUDE_PATH",
            "CPPFLAGS",
            "CXX",
            "CXXFLAGS",
            "C_INCLUDE_PATH",
            "LDFLAGS",
            "LIBRARY_PATH",
            "SOURCE_DATE_EPOCH",
        ],
        "pkg-config" | "pkgconf" => &["PKG_CONFIG_*"],
        _ => &[],
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

/// Whether a variable of the environment may have this name, and not one that cargo sets for
/// what it starts.
pub(crate) fn is_variable(text: &str) -> bool {
    const LEN_MAX: usize = 100;
    const CARGOS: [&str; 15] = [
        "CARGO",
        "CARGO_BIN_NAME",
        "CARGO_BUILD_BUILD_DIR",
        "CARGO_BUILD_TARGET_DIR",
        "CARGO_CRATE_NAME",
        "CARGO_ENCODED_RUSTFLAGS",
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
    const STARTS: [&str; 6] =
        ["CARGO_BIN_EXE_", "CARGO_CFG_", "CARGO_FEATURE_", "CARGO_MANIFEST_", "CARGO_PKG_", "DEP_"];
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
        let found = Literals::of(br#"sh("-c", "set -e\ncat </etc/x '../y z'"); var("A\x42")"#);
        assert_eq!(found.paths, names(&["/etc/x", "../y"]));
        assert!(found.variables.contains("AB"));
        let mut found = Literals::default();
        found.add_paths_in("print(open('../x').read(), \"/y\")");
        assert_eq!(found.paths, names(&["../x", "/y"]));
    }

    #[test]
    fn names_are_put_together_and_begun() {
        let found = |source: &str| Literals::of_own(source.as_bytes()).variables;
        let joined = found("concat!(\"A_\", stringify!(B), \"C\"); read!(MODE)");
        assert_eq!(joined, names(&["A_", "A_*", "A_BC", "MODE"]));
        assert!(found("std::env::vars().filter(|x| x.0.starts_with(\"vite\"))").contains("vite*"));
        assert!(found("use std::env::{self, vars}; f(vars())").contains("*"));
        assert!(!found("let vars = f(); g(&vars)").contains("*"));
        assert!(found("var(format!(\"APP_{x}\"))").contains("APP_*"));
        let mut found = Literals::default();
        found.add_variables_in("echo ${APP_MODE:-Xy} $PWD; process.env.startsWith('VITE_')");
        assert_eq!(found.variables, names(&["APP_MODE", "VITE_", "VITE_*"]));
    }

    #[test]
    fn of_a_caller_only_what_it_tells_a_macro() {
        let source =
            b"fn f() { println!(\"/etc/a\"); a(\"NAME\"); m::read!(x(\"../b\"), \"TOLD\", MODE); }";
        let found = Literals::of_calls(source);
        assert_eq!((found.variables, found.paths), (names(&["MODE", "TOLD"]), names(&["../b"])));
        for telling in [
            "#[m::read(\"../b\")] fn f() { g(\"../c\") }",
            "#[derive(Read)] #[read(path = \"../b\")] struct X;",
            "fn f() { m::include_str!(\"../b\"); include_str!(\"../c\") }",
            "use m::include_str; fn f() { include_str!(\"../b\") }",
            "use m::read as vec; fn f() { vec![\"../b\"] }",
        ] {
            assert_eq!(Literals::of_calls(telling.as_bytes()).paths, names(&["../b"]), "{telling}");
        }
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
        mutations(b"#[m(\"../x\", \"HOME\")] m!([{var(\"A\")}]) \"{a}/b\" \"~/c\"", |source| {
            _ = (Literals::of(source), Literals::of_calls(source));
        });
    }
}

//! What a macro or a build script can get at: whether its sources use anything by which code looks
//! around (files, directories, the environment, other programs, the network, the time).
//!
//! This is shown, not searched for: every way into the standard library has to be one of those that
//! are known to lead nowhere, and there is no other way out of a program than a foreign function or
//! assembly. So code of which nothing is known counts as code that looks around.

use std::borrow::Cow;

use crate::files::search::find;

/// Modules, types, functions and macros of the standard library that reach nothing outside.
const HARMLESS: &[&str] = &[
    "alloc",
    "any",
    "arch",
    "array",
    "ascii",
    "borrow",
    "boxed",
    "cell",
    "char",
    "clone",
    "cmp",
    "collections",
    "convert",
    "default",
    "error",
    "ffi",
    "fmt",
    "future",
    "hash",
    "hint",
    "i8",
    "i16",
    "i32",
    "i64",
    "i128",
    "isize",
    "io",
    "iter",
    "marker",
    "mem",
    "num",
    "ops",
    "option",
    "panic",
    "path",
    "pin",
    "prelude",
    "primitive",
    "ptr",
    "rc",
    "result",
    "slice",
    "str",
    "string",
    "sync",
    "task",
    "thread",
    "thread_local",
    "u8",
    "u16",
    "u32",
    "u64",
    "u128",
    "usize",
    "f32",
    "f64",
    "vec",
    "assert",
    "assert_eq",
    "assert_ne",
    "cfg",
    "column",
    "compile_error",
    "concat",
    "debug_assert",
    "debug_assert_eq",
    "debug_assert_ne",
    "eprint",
    "eprintln",
    "file",
    "format",
    "format_args",
    "line",
    "matches",
    "module_path",
    "panic",
    "print",
    "println",
    "stringify",
    "todo",
    "unimplemented",
    "unreachable",
    "write",
    "writeln",
    "self",
    "bool",
    "never",
];

/// What reaches out by way of something harmless: methods of a path, standard input, and what
/// rustc's own interface for macros offers.
const REACHING: &[&str] = &[
    "absolute",
    "canonicalize",
    "exists",
    "is_dir",
    "is_file",
    "is_symlink",
    "metadata",
    "read_dir",
    "read_link",
    "stdin",
    "symlink_metadata",
    "tracked",
    "tracked_env",
    "tracked_path",
    "try_exists",
    "available_parallelism",
];

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Token<'a> {
    Word(&'a str),
    /// The content of a string literal.
    Text(&'a str),
    /// `::`
    Path,
    Other(u8),
}

/// What code can get at when it runs, besides what it is given.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub enum Reach {
    /// What cargo derives from the package and from what is in the unit's name.
    #[default]
    Package,
    /// What the manifest says of the package besides: its description, say.
    Manifest,
    /// Any variable of the environment.
    Environment,
    /// Files, programs, the network, the time.
    Anything,
}

/// What these tokens of a source reach, of a build script or of something else.
pub(super) fn reach_of(tokens: &[Token<'_>], is_script: bool) -> Reach {
    let at = |at: usize| tokens.get(at).copied();
    let mut reach = Reach::Package;
    for (i, token) in tokens.iter().enumerate() {
        let Token::Word(word) = *token else { continue };
        let before = i.checked_sub(1).and_then(at);
        let of_word = match word {
            "std" | "core" | "alloc" => match at(i + 1) {
                Some(Token::Path) => reach_of_list(tokens, i + 2, is_script),
                Some(Token::Word("as")) if word == "std" => Reach::Anything,
                // `extern crate std`, and a field of this name.
                _ if matches!(before, Some(Token::Word("crate") | Token::Other(b'.'))) => continue,
                _ => Reach::Anything,
            },
            // A block of foreign functions, with or without the name of an interface.
            "extern" => match at(i + 1) {
                Some(Token::Text(_)) if at(i + 2) == Some(Token::Other(b'{')) => Reach::Anything,
                Some(Token::Other(b'{')) => Reach::Anything,
                _ => continue,
            },
            // The module, when it was imported before, here or elsewhere.
            "env" if at(i + 1) == Some(Token::Path) => reach_of_name(tokens, i, word, is_script),
            "env" if at(i + 1) == Some(Token::Word("as")) => Reach::Anything,
            "asm" | "global_asm" | "naked_asm" if at(i + 1) == Some(Token::Other(b'!')) => {
                Reach::Anything
            }
            _ if REACHING.contains(&word) => Reach::Anything,
            _ => continue,
        };
        reach = reach.max(of_word);
    }
    reach
}

/// What the literals reach if they are code, which a macro may write out.
pub(super) fn reach_of_texts(tokens: &[Token<'_>]) -> Reach {
    let texts = tokens.iter().filter_map(|token| match token {
        Token::Text(text) if text.contains("::") => Some(unescaped(text)),
        _ => None,
    });
    let reach = texts
        .map(|text| self::tokens(&text).map_or(Reach::Package, |tokens| reach_of(&tokens, false)));
    reach.max().unwrap_or_default()
}

/// Of what comes after `std::`: one name, or a list of names in braces.
fn reach_of_list(tokens: &[Token<'_>], at: usize, is_script: bool) -> Reach {
    match tokens.get(at) {
        Some(Token::Word(word)) => reach_of_name(tokens, at, word, is_script),
        Some(Token::Other(b'{')) => {
            let (mut depth, mut is_first, mut reach) = (0, false, Reach::Package);
            for (i, token) in tokens.iter().enumerate().skip(at) {
                match token {
                    Token::Other(b'{') => (depth, is_first) = (depth + 1, depth == 0),
                    Token::Other(b'}') if i == at + 1 => return Reach::Anything, // Of a format.
                    Token::Other(b'}') if depth == 1 => return reach,
                    Token::Other(b'}') => depth -= 1,
                    Token::Other(b',') => is_first = depth == 1,
                    Token::Word(word) if is_first => {
                        reach = reach.max(reach_of_name(tokens, i, word, is_script));
                        is_first = false;
                    }
                    Token::Other(b'*') if is_first => return Reach::Anything,
                    _ => {}
                }
            }
            Reach::Anything
        }
        _ => Reach::Anything,
    }
}

fn reach_of_name(tokens: &[Token<'_>], at: usize, word: &str, is_script: bool) -> Reach {
    let next = |by: usize| tokens.get(at + by).copied();
    let is_harmless = match (word, next(1), next(2)) {
        ("env" | "option_env", Some(Token::Other(b'!')), _) => true,
        ("env", Some(Token::Path), Some(Token::Word("var" | "var_os"))) => {
            return match (next(3), next(4)) {
                (Some(Token::Other(b'(')), Some(Token::Text(name))) => {
                    reach_of_variable(name, is_script)
                }
                _ => Reach::Environment,
            };
        }
        // Imported; its uses are looked at where they are.
        ("env", Some(Token::Other(b';' | b',' | b'}')), _) => true,
        ("backtrace", Some(Token::Path), Some(Token::Word("Backtrace"))) => {
            next(4) == Some(Token::Word("force_capture")) // The others read the environment.
        }
        ("time", Some(Token::Path), Some(Token::Word("Duration"))) => true,
        ("process", Some(Token::Path), Some(Token::Word("exit" | "abort" | "ExitCode"))) => true,
        ("self", Some(Token::Word("as")), _) => false,
        _ => HARMLESS.contains(&word),
    };
    if is_harmless { Reach::Package } else { Reach::Anything }
}

/// Variables that cargo sets from the package and from what is in the unit's name lead nowhere. The
/// directories among them are looked for in what a script has printed and generated, and in nothing
/// else.
fn reach_of_variable(name: &str, is_script: bool) -> Reach {
    const IN_ITS_NAME: [&str; 7] = [
        "CARGO_CRATE_NAME",
        "CARGO_PKG_NAME",
        "CARGO_PKG_VERSION",
        "CARGO_PKG_VERSION_MAJOR",
        "CARGO_PKG_VERSION_MINOR",
        "CARGO_PKG_VERSION_PATCH",
        "CARGO_PKG_VERSION_PRE",
    ];
    const OF_SCRIPTS: [&str; 8] = [
        "CARGO_MANIFEST_DIR",
        "DEBUG",
        "HOST",
        "OPT_LEVEL",
        "OUT_DIR",
        "PROFILE",
        "RUSTC",
        "TARGET",
    ];
    let starts = |prefix: &str| name.starts_with(prefix);
    let is_scripts = OF_SCRIPTS.contains(&name) || starts("CARGO_CFG_") || starts("CARGO_FEATURE_");
    if IN_ITS_NAME.contains(&name) || (is_script && is_scripts) {
        Reach::Package
    } else if starts("CARGO_PKG_") || name == "CARGO_MANIFEST_LINKS" {
        Reach::Manifest
    } else {
        Reach::Environment
    }
}

/// Whether code asks git, and how.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub enum AsksGit {
    #[default]
    No,
    /// It starts git, which can be told to write down what it is asked.
    Seen,
    /// It may read `.git`, itself or by way of a library or of another program.
    Unseen,
}

/// Of code of a path package, or of another one.
pub(super) fn asks_git(tokens: &[Token<'_>], is_path: bool) -> AsksGit {
    let may_start = |harmless: &[&str]| is_path && may_start_others(tokens, harmless);
    let asks_nobody = may_start(&ASKING_NOBODY);
    if !code_names_git(tokens) && !asks_nobody {
        AsksGit::No
    } else if reads_repository(tokens) || may_start(&[&ASKING_NOBODY[..], &["git"]].concat()) {
        AsksGit::Unseen
    } else {
        AsksGit::Seen
    }
}

/// Whether code knows git by name: only what can spell it can ask it. Comments do not run.
fn code_names_git(tokens: &[Token<'_>]) -> bool {
    tokens.iter().any(|token| match token {
        Token::Word(word) => names_git(word.as_bytes()),
        Token::Text(text) => names_git(text.as_bytes()) || names_git(unescaped(text).as_bytes()),
        _ => false,
    })
}

/// Whether code may read `.git` otherwise than by starting git, or has git look elsewhere. That it
/// is there is no secret, nor is what cargo shall watch.
fn reads_repository(tokens: &[Token<'_>]) -> bool {
    const LIBRARIES: [&str; 4] = ["git2", "gitoxide", "gix", "libgit2"];
    let asks_for_presence = |rest: &[Token<'_>]| {
        matches!(
            rest,
            [_, Token::Other(b')'), Token::Other(b'.'), Token::Word("exists" | "try_exists"), ..]
        )
    };
    (0..tokens.len()).any(|at| match tokens[at] {
        Token::Word(word) => {
            word == "env_clear" || LIBRARIES.iter().any(|library| word.starts_with(library))
        }
        Token::Text(text) => {
            let text = unescaped(text);
            let names_directory = text.match_indices(".git").any(|(place, name)| {
                let next = text[place + name.len()..].chars().next();
                !next.is_some_and(char::is_alphanumeric)
            });
            let is_for_cargo = text.starts_with("cargo:");
            text.starts_with("GIT_")
                || (names_directory && !is_for_cargo && !asks_for_presence(&tokens[at..]))
        }
        _ => false,
    })
}

/// Programs that do not ask git.
const ASKING_NOBODY: [&str; 12] = [
    "ar",
    "c++",
    "cc",
    "clang",
    "clang++",
    "g++",
    "gcc",
    "nasm",
    "pkg-config",
    "protoc",
    "rustc",
    "rustfmt",
];

/// Whether code may start a program that is not named right where it is started, or is none of the
/// `harmless` ones; or calls a foreign function, or a package that is there for starting programs.
fn may_start_others(tokens: &[Token<'_>], harmless: &[&str]) -> bool {
    let has = |word: &str| tokens.contains(&Token::Word(word));
    let is_of_clap = has("clap") && !has("process");
    (0..tokens.len()).any(|at| match &tokens[at..] {
        [Token::Word("Command"), ..] if is_of_clap => false,
        [
            Token::Word("Command"),
            Token::Path,
            Token::Word("new"),
            Token::Other(b'('),
            Token::Text(program),
            Token::Other(b')'),
            ..,
        ] => !harmless.contains(program),
        [Token::Word("Command"), next, ..] => !names_type(&tokens[..at], *next),
        [Token::Text(text), ..] if text.contains("process::Command") => true,
        [Token::Word("cmd_lib" | "duct" | "libc" | "subprocess" | "xshell"), ..] => true,
        [Token::Word("extern"), Token::Text(_), Token::Other(b'{'), ..]
        | [Token::Word("extern"), Token::Other(b'{'), ..]
        | [Token::Word("asm" | "global_asm" | "naked_asm"), Token::Other(b'!'), ..] => true,
        _ => false,
    })
}

/// Whether a type between these tokens is imported, or is that of an argument, a result or a local
/// variable: it has no other name then.
fn names_type(before: &[Token<'_>], next: Token<'_>) -> bool {
    let path = before.rchunks(2).take_while(|pair| matches!(pair, [Token::Word(_), Token::Path]));
    let last = before[..before.len() - 2 * path.count()].last();
    match last {
        Some(Token::Word("use") | Token::Other(b'{' | b',')) => {
            matches!(next, Token::Other(b';' | b',' | b'}'))
        }
        Some(Token::Word("mut") | Token::Other(b'&' | b':' | b'>')) => next != Token::Path,
        _ => false,
    }
}

/// What a literal's text says. Of a raw one, in which nothing is escaped, that is not the same.
pub(super) fn unescaped(text: &str) -> Cow<'_, str> {
    if !text.contains('\\') {
        return Cow::Borrowed(text);
    }
    let mut found = String::with_capacity(text.len());
    let mut parts = text.split('\\');
    found.extend(parts.next());
    while let Some(part) = parts.next() {
        let number = |digits: &str| u32::from_str_radix(digits, 16).ok().and_then(char::from_u32);
        let (char, rest) = match part.as_bytes().first() {
            Some(b'n') => (Some('\n'), &part[1..]),
            Some(b'r') => (Some('\r'), &part[1..]),
            Some(b't') => (Some('\t'), &part[1..]),
            Some(b'0') => (Some('\0'), &part[1..]),
            Some(b'x') => (part.get(1..3).and_then(number), part.get(3..).unwrap_or_default()),
            Some(b'u') => match part[1..].strip_prefix('{').and_then(|rest| rest.split_once('}')) {
                Some((digits, rest)) => (number(&digits.replace('_', "")), rest),
                None => (None, part),
            },
            Some(b'\n') => (None, part.trim_start()),
            Some(_) => (None, part), // A quote.
            None => (Some('\\'), parts.next().unwrap_or_default()),
        };
        found.extend(char);
        found.push_str(rest);
    }
    Cow::Owned(found)
}

/// The same of a file that is no source of Rust. The names of sites and files that begin with it do
/// not count.
pub(super) fn names_git(source: &[u8]) -> bool {
    const OTHERS: [&[u8]; 4] = [b"hub", b"lab", b"ignore", b"its"];
    let mut rest = source;
    while let Some(at) = find(rest, b"git") {
        let before = at.checked_sub(1).map_or(b' ', |before| rest[before]);
        rest = &rest[at + 3..];
        // `digit`, `legitimate`
        if !before.is_ascii_alphabetic() && !OTHERS.iter().any(|other| rest.starts_with(other)) {
            return true;
        }
    }
    let words: [&[u8]; 3] = [b"gix", b"vergen", b"shadow_rs"];
    words.iter().any(|word| find(source, word).is_some())
}

/// Whether there is nothing but comments.
pub(super) fn has_no_code(source: &[u8]) -> bool {
    std::str::from_utf8(source).ok().and_then(tokens).is_some_and(|tokens| tokens.is_empty())
}

/// `None` where a literal or a comment does not end.
pub(super) fn tokens(source: &str) -> Option<Vec<Token<'_>>> {
    let bytes = source.as_bytes();
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let rest = &source[at..];
        match byte {
            b'/' if rest.starts_with("//") => at += rest.find('\n').unwrap_or(rest.len()),
            b'/' if rest.starts_with("/*") => at += comment_len(rest.as_bytes())?,
            b'"' => {
                let len = text_len(&rest.as_bytes()[1..])?;
                tokens.push(Token::Text(&rest[1..=len]));
                at += len + 2;
            }
            b'r' | b'b' | b'c' if raw_text(rest).is_some() => {
                let (start, end, len) = raw_text(rest)?;
                tokens.push(Token::Text(rest.get(start..end)?));
                at += len;
            }
            b'\'' => at += char_len(rest),
            b':' if rest.starts_with("::") => {
                tokens.push(Token::Path);
                at += 2;
            }
            byte if byte.is_ascii_alphanumeric() || *byte == b'_' || !byte.is_ascii() => {
                let is_part = |char: char| char.is_alphanumeric() || char == '_';
                let len = rest.find(|char| !is_part(char)).unwrap_or(rest.len());
                if len == 0 {
                    at += rest.chars().next()?.len_utf8();
                } else {
                    tokens.push(Token::Word(&rest[..len]));
                    at += len;
                }
            }
            byte => {
                if !byte.is_ascii_whitespace() {
                    tokens.push(Token::Other(*byte));
                }
                at += 1;
            }
        }
    }
    Some(tokens)
}

fn comment_len(rest: &[u8]) -> Option<usize> {
    let (mut depth, mut at) = (0_usize, 0);
    loop {
        match rest.get(at..at + 2)? {
            b"/*" => (depth, at) = (depth + 1, at + 2),
            b"*/" => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return Some(at);
        }
    }
}

/// Up to the quote that ends it.
fn text_len(rest: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        match rest.get(at)? {
            b'"' => return Some(at),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

/// Of `r#"…"#` and its kin: where the content starts and ends, and the length of all.
fn raw_text(rest: &str) -> Option<(usize, usize, usize)> {
    let prefix = ["br", "cr", "r"].into_iter().find(|prefix| rest.starts_with(prefix))?;
    let hashes = rest[prefix.len()..].bytes().take_while(|byte| *byte == b'#').count();
    let start = prefix.len() + hashes + 1;
    if rest.as_bytes().get(start - 1) != Some(&b'"') {
        return None;
    }
    let end_mark = format!("\"{}", "#".repeat(hashes));
    let end = start + rest[start..].find(&end_mark)?;
    Some((start, end, end + end_mark.len()))
}

/// Of a character, or of the quote alone where it begins a lifetime.
fn char_len(rest: &str) -> usize {
    let mut chars = rest.char_indices().skip(1);
    match chars.next() {
        Some((_, '\\')) => {
            let end = rest.get(3..).and_then(|rest| rest.find('\''));
            end.map_or(1, |end| end + 4)
        }
        Some(_) => match chars.next() {
            Some((at, '\'')) => at + 1,
            _ => 1,
        },
        None => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::mutate::mutations;

    fn reach(source: &str, is_script: bool) -> Reach {
        tokens(source).map_or(Reach::Anything, |tokens| reach_of(&tokens, is_script))
    }

    #[test]
    fn what_can_look_around_is_told_from_what_cannot() {
        for harmless in [
            "use std::fmt; fn f(x: &str) -> std::string::String { format!(\"std::fs {x}\") }",
            "use std::{collections::{BTreeMap, HashMap}, iter};",
            "// std::fs\n/* std::env /* nested */ */ fn f<'a>(x: &'a str) { let c = 'x'; }",
            "fn f() { std::env::var(\"CARGO_PKG_NAME\").unwrap(); }",
            "extern crate std; #[cfg(feature = \"std\")] extern crate proc_macro;",
            "const X: &str = r#\"std::fs::read(\"x\")\"#; const Y: char = '\\'';",
            "fn main() { println!(\"cargo::rerun-if-changed=build.rs\"); }",
        ] {
            assert_eq!(reach(harmless, false), Reach::Package, "{harmless}");
        }
        for looking in [
            "fn f() { std::fs::read(\"x\"); }",
            "use std::{fmt, fs};",
            "use std::{fmt, env::{self, var}};",
            "use std as s;",
            "use std::*;",
            "use std::process::Command;",
            "extern \"C\" { fn getenv(); }",
            "unsafe extern { fn getenv(); }",
            "fn f(x: &std::path::Path) -> bool { x.exists() }",
            "macro_rules! m { ($s:ident) => { $s::fs::read(\"x\") } } m!(std);",
            "core::arch::asm!(\"syscall\");",
            "fn f() { std::time::SystemTime::now(); }",
            "const X: &str = \"",
            "extern crate std as s;",
            "use std::{self as s, fmt};",
            "mod a { fn f() { super::env::current_dir(); } }",
            "fn f() { std::path::absolute(\"x\"); }",
            "use std::{env as e, fmt};",
            "use std::env::*;",
            "use std::env::{self as e};",
            "fn f() { std /* */ :: env :: current_dir(); }",
            "fn f() { r#std::fs::read(\"x\"); }",
            "fn f() { std::r#env::current_dir(); }",
            "fn f() { other::env::current_dir(); }",
        ] {
            assert_eq!(reach(looking, false), Reach::Anything, "{looking}");
        }
        let script = "fn main() { std::env::var(\"CARGO_FEATURE_X\").unwrap(); }";
        assert_eq!(reach(script, true), Reach::Package);
        let manifest = "fn f() { std::env::var(\"CARGO_PKG_DESCRIPTION\").unwrap(); }";
        assert_eq!(reach(manifest, true), Reach::Manifest);
        let imported = "use std::env; mod a { fn f() { super::env::var(name).unwrap(); } }";
        for reads in [script, "use std::env; fn f() { env::var(name).unwrap(); }", imported] {
            assert_eq!(reach(reads, false), Reach::Environment, "{reads}");
        }
    }

    #[test]
    fn git_is_told_from_names_that_begin_with_it() {
        assert!(
            names_git(b"Command::new(\"git\")") && names_git(b"gix::open") && names_git(b".git")
        );
        assert!(!names_git(b"https://github.com digit .gitignore"));
        let code_names_git = |source| code_names_git(&tokens(source).expect("it is Rust"));
        let comment = "/// See https://git.musl-libc.org and git(1).\nfn f() {}";
        assert!(names_git(comment.as_bytes()) && !code_names_git(comment));
        assert!(code_names_git("fn f() { run(\"git\") }"));
        assert!(code_names_git(r#"fn f() { sh("set -e\ngit log") }"#));
        assert!(code_names_git(r#"fn f() { sh("\x67i\u{74} log") }"#));
    }

    #[test]
    fn code_in_a_text() {
        let reach = |source| reach_of_texts(&tokens(source).expect("it is Rust"));
        assert_eq!(reach(r#"f("std::fs::read(\"x\")"); "#), Reach::Anything);
        assert_eq!(reach(r##"f(r#"std::fs::read("x")"#); "##), Reach::Anything);
        assert_eq!(reach("f(\"std::{}::read(1)\");"), Reach::Anything);
        assert_eq!(reach("f(\"already exists\", \"std::fmt\"); std::fs::x();"), Reach::Package);
    }

    #[test]
    fn who_may_start_what_asks_git() {
        let asks_git = |source| asks_git(&tokens(source).expect("it is Rust"), true);
        for starting in [
            "Command::new(\"sh\").arg(\"x\");",
            "std::process::Command::new(env::var(\"X\")?);",
            "Command::new(\"cc\".to_owned() + x)",
            "use std::process::Command as C;",
            "type C = std::process::Command;",
            "x.map(Command::new)",
            "impl Start for Command { }",
            "extern \"C\" { fn system(x: *const c_char); }",
            "duct::cmd!(\"./x.sh\").run();",
            "\"std::process::Command::new(1)\".parse()",
        ] {
            assert_eq!(asks_git(starting), AsksGit::Unseen, "{starting}");
        }
        for other in [
            "use std::{env, process::Command}; use std::process::{Command, Stdio};",
            "use std::process::Command; fn f(x: &mut Command) -> Command { Command::new(\"cc\") }",
            "fn f() -> clap::Command { Command::new(\"app\") }",
            "fn f() { std::process::exit(1) } extern \"C\" fn g() {}",
        ] {
            assert_eq!(asks_git(other), AsksGit::No, "{other}");
        }
    }

    #[test]
    fn what_git_can_write_down_is_told_from_what_it_cannot() {
        let asks_git = |source| asks_git(&tokens(source).expect("it is Rust"), true);
        for seen in [
            "Command::new(\"git\").args([\"rev-parse\", \"HEAD\"]);",
            "fn git_hash() {} if Path::new(\"../.git\").exists() { Command::new(\"git\") }",
            "println!(\"cargo:rerun-if-changed=.git/HEAD\"); Command::new(\"git\");",
        ] {
            assert_eq!(asks_git(seen), AsksGit::Seen, "{seen}");
        }
        for unseen in [
            "fs::read(\".git/HEAD\")",
            "fs::read(root.join(\".git\").join(\"HEAD\"))",
            "fs::read(root.join(\"\\x2egit\"))",
            "Command::new(\"git\"); Command::new(\"sh\");",
            "Command::new(\"git\").env_clear()",
            "Command::new(\"git\").env(\"GIT_DIR\", x)",
            "Path::new(\".git\").is_dir()",
            "git2::Repository::discover(x)",
            "let git = gix::open(x);",
        ] {
            assert_eq!(asks_git(unseen), AsksGit::Unseen, "{unseen}");
        }
    }

    #[test]
    fn escapes_are_undone() {
        assert_eq!(unescaped("a\\\\b\\n\\\"\\x41\\u{5_f}\\\n  c\\"), "a\\b\n\"A_c\\");
    }

    #[test]
    fn any_bytes_are_borne() {
        let source = "use std::{env, fs as f}; // std::fs\n/* a /* b */ */ fn f<'a>(x: &'a str) {\n\
                      let c = '\\''; let r = r#\"std::fs\"#; f::read(\"\\\"x\"); git }";
        mutations(source.as_bytes(), |source| {
            let Some(tokens) = std::str::from_utf8(source).ok().and_then(tokens) else { return };
            _ = (reach_of(&tokens, true), asks_git(&tokens, true));
        });
    }
}

//! Whether a source climbs from `OUT_DIR` out of the lane. Code of a package from elsewhere knows
//! no other way into the tree that it is built in.
//!
//! This is a guess by words, so it only ever adds to what is left to cargo.

use std::collections::HashSet;

use crate::files::search::find;
use crate::units::reach::{Token, tokens};

/// So many steps up lead from `OUT_DIR` out of the lane of cargo's older layout, less one for a
/// file inside it.
const STEPS_MIN: usize = 3;

pub(super) fn climbs(source: &[u8]) -> bool {
    if find(source, b"OUT_DIR").is_none() {
        return false;
    }
    let Some(tokens) = std::str::from_utf8(source).ok().and_then(tokens) else { return true };
    let is_out_dir =
        |token: &Token<'_>| matches!(token, Token::Text(text) if text.contains("OUT_DIR"));
    if !tokens.iter().any(is_out_dir) {
        return false;
    }
    if tokens.contains(&Token::Word("ancestors")) {
        return true;
    }
    // What is made of it in a `let` is followed by its name, statement by statement.
    let mut made_of_it: HashSet<&str> = HashSet::new();
    let mut steps = 0;
    let ends = |token: &Token<'_>| matches!(token, Token::Other(b';' | b'{' | b'}'));
    for statement in tokens.split(ends) {
        let has_it = statement.iter().any(|token| match token {
            Token::Word(word) => made_of_it.contains(word),
            _ => is_out_dir(token),
        });
        if !has_it {
            continue;
        }
        let is_word = |word: &str| statement.contains(&Token::Word(word));
        if is_word("let") {
            let names = statement.iter().take_while(|token| **token != Token::Other(b'='));
            made_of_it.extend(names.filter_map(|token| match token {
                Token::Word("let" | "mut" | "if" | "while" | "Some" | "Ok") => None,
                Token::Word(word) => Some(*word),
                _ => None,
            }));
        }
        let ups = statement.iter().map(|token| match token {
            Token::Word("parent" | "pop") => 1,
            Token::Text(text) => text.split('/').filter(|part| *part == "..").count(),
            _ => 0,
        });
        let ups: usize = ups.sum();
        if ups > 0 && (is_word("while") || is_word("loop")) {
            return true;
        }
        steps += ups;
    }
    steps >= STEPS_MIN
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::mutate::mutations;

    #[test]
    fn climbing_is_told_from_a_look_at_a_parent() {
        for climbing in [
            "let out = env::var(\"OUT_DIR\").unwrap(); for dir in Path::new(&out).ancestors() {}",
            "let mut dir = PathBuf::from(env!(\"OUT_DIR\")); while dir.pop() { read(&dir); }",
            "let out = env::var(\"OUT_DIR\")?; let target = Path::new(&out).join(\"../../..\");",
            "let out = var(\"OUT_DIR\"); let a = out.parent(); let b = a.parent().unwrap().parent();",
            "fn f() { g(\"OUT_DIR",
        ] {
            assert!(climbs(climbing.as_bytes()), "{climbing}");
        }
        for staying in [
            "// OUT_DIR\nfn f(x: &Path) { x.ancestors(); }",
            "let out = env::var(\"OUT_DIR\").unwrap(); fs::write(out + \"/made.rs\", \"\");",
            "let out = env::var(\"OUT_DIR\"); let x = stack.pop(); let y = stack.pop(); y.pop();",
            "let out = env::var(\"OUT_DIR\"); create(out.join(\"a/b\").parent());",
        ] {
            assert!(!climbs(staying.as_bytes()), "{staying}");
        }
    }

    #[test]
    fn any_bytes_are_borne() {
        mutations(b"let out = var(\"OUT_DIR\"); while out.pop() { read(\"../..\") }", |source| {
            _ = climbs(source);
        });
    }
}

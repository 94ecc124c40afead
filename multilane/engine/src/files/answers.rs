//! What was answered to questions that take long, by a compiler or a look into large files: lines
//! of a question's hash and an answer, for all worktrees of a repository.
//!
//! Several processes add to it at the same time, each a line with one write (`O_APPEND`). A line
//! that is not whole, after a crash of the machine say, answers nothing.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::PathBuf;

use crate::files::open_own;
use crate::files::search::find;

/// Questions that nobody asks any more (other versions, worktrees that are gone) go with all others
/// when it is full.
const BYTES_MAX: usize = 1 << 20;

pub struct Answers {
    file: PathBuf,
    /// From the first end of a line on.
    lines: Vec<u8>,
}

impl Answers {
    /// Empty where there are none, or too many.
    pub fn open(file: PathBuf) -> Answers {
        let mut lines = crate::files::read(&file).unwrap_or_default();
        if lines.len() > BYTES_MAX {
            lines.clear();
            drop(std::fs::remove_file(&file)); // Whoever adds to it in this moment has to ask again.
        }
        lines.insert(0, b'\n');
        Answers { file, lines }
    }

    pub fn get(&self, question: &str) -> Option<&str> {
        let start = format!("\n{question} ");
        let answer = &self.lines[find(&self.lines, start.as_bytes())? + start.len()..];
        std::str::from_utf8(&answer[..find(answer, b"\n")?]).ok()
    }

    /// # Errors
    ///
    /// When it cannot be written; then the next one has to ask again.
    pub fn add(&self, question: &str, answer: &str) -> io::Result<()> {
        if let Some(dir) = self.file.parent().filter(|dir| !dir.exists()) {
            std::fs::create_dir(dir)?; // Git's own directory is there, or there is no repository.
        }
        let mut file = open_own(OpenOptions::new().append(true), &self.file)?;
        file.write_all(format!("{question} {answer}\n").as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::scratch::Scratch;

    #[test]
    fn whole_lines_are_answers() {
        let scratch = Scratch::of_test("answers");
        let dir = scratch.dir.clone();
        let file = dir.join("answers");
        let get = |question: &str| Answers::open(file.clone()).get(question).map(str::to_owned);
        assert_eq!(get("a1"), None, "there is no file");
        for (question, answer) in [("a1", "one"), ("b2", "two words")] {
            Answers::open(file.clone()).add(question, answer).expect("it can be written");
        }
        assert_eq!(get("a1").as_deref(), Some("one"));
        assert_eq!(get("b2").as_deref(), Some("two words"));
        assert_eq!(get("1"), None, "the end of a question");
        assert_eq!(get("two"), None, "an answer");

        std::fs::write(&file, "a1 on").expect("it can be written");
        assert_eq!(get("a1"), None, "cut off");
        std::fs::write(&file, vec![b'x'; BYTES_MAX + 1]).expect("it can be written");
        assert_eq!(get("a1"), None);
        assert!(!file.exists(), "it was too long");
    }
}

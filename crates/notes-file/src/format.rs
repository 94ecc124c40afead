//! The format: from notes to text and back, without any file.
//!
//! Id, tags and title are one line, with tabs (here `→`) between them; each line of the text
//! follows after a tab. No tag or title can hold a tab or a line break, so nothing is escaped.
//!
//! ```text
//! 1→errand home→Buy milk
//! →Two litres.
//! ```

use std::error::Error;

use notes_core::{Note, Notes};

type Cause = Box<dyn Error + Send + Sync>;

pub(crate) fn print(notes: &Notes) -> String {
    let mut text = String::new();
    for (id, note) in notes {
        let tags: Vec<_> = note.tags.iter().map(ToString::to_string).collect();
        text += &format!("{id}\t{}\t{}\n", tags.join(" "), note.title);
        if !note.text.is_empty() {
            text += &format!("\t{}\n", note.text.replace('\n', "\n\t"));
        }
    }
    text
}

/// On failure, the number of the line, from 1, and what is wrong there.
pub(crate) fn parse(text: &str) -> Result<Notes, (usize, Cause)> {
    let mut notes = Notes::new();
    let mut lines = (1..).zip(text.split_terminator('\n')).peekable();
    while let Some((number, line)) = lines.next() {
        let (id, mut note) = parse_first_line(line).map_err(|cause| (number, cause))?;

        let mut text = Vec::new();
        while let Some((_, line)) = lines.next_if(|(_, line)| line.starts_with('\t')) {
            text.push(&line[1..]);
        }
        note.text = text.join("\n");

        if notes.insert(id, note).is_some() {
            return Err((number, format!("there is another note {id} above").into()));
        }
    }
    Ok(notes)
}

fn parse_first_line(line: &str) -> Result<(u32, Note), Cause> {
    let mut fields = line.splitn(3, '\t');
    let (Some(id), Some(tags), Some(title)) = (fields.next(), fields.next(), fields.next()) else {
        return Err("expected id, tags and title with tabs between them".into());
    };
    let id = id.parse().map_err(|_| format!("{id:?} is not an id"))?;
    let note = Note {
        title: title.parse()?,
        tags: tags.split_whitespace().map(str::parse).collect::<Result<_, _>>()?,
        text: String::new(),
    };
    Ok((id, note))
}

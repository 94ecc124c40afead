//! What each command does. Knows neither where notes are kept nor where `out` leads.

use std::io::Write;

use notes_core::{Error, Note, Notes, Store, find};

use crate::flags::Command;

pub(crate) fn run(
    command: Command,
    store: &mut dyn Store,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    match command {
        Command::Add { title, tags, text } => {
            let tags = tags.into_iter().collect();
            let id = store.add(Note { title, tags, text })?;
            writeln!(out, "{id}")?;
        }
        Command::List => print(&store.all()?, out)?,
        Command::Find { words } => print(&find(store, &words.join(" "))?, out)?,
        Command::Show { id } => {
            let note = store.all()?.remove(&id).ok_or(Error::NoSuchNote(id))?;
            writeln!(out, "{}", note.title)?;
            if !note.text.is_empty() {
                writeln!(out, "\n{}", note.text)?;
            }
        }
    }
    Ok(())
}

/// One line for each note.
fn print(notes: &Notes, out: &mut dyn Write) -> anyhow::Result<()> {
    for (id, note) in notes {
        let tags: String = note.tags.iter().map(|tag| format!(" #{tag}")).collect();
        writeln!(out, "{id:>4}  {}{tags}", note.title)?;
    }
    Ok(())
}

//! How notes are found, in any store.

use crate::{Error, Notes, Store};

/// The notes in which every word of `query` occurs: in title, tags or text, also as a part of a
/// word, in upper or lower case. A blank query finds all notes.
///
/// # Errors
/// Those of [`Store::all`].
pub fn find(store: &dyn Store, query: &str) -> Result<Notes, Error> {
    let query = query.to_lowercase();
    let mut notes = store.all()?;
    notes.retain(|_, note| {
        let tags: String = note.tags.iter().map(|tag| format!("{tag}\n")).collect();
        let everything = format!("{}\n{tags}{}", note.title, note.text).to_lowercase();
        query.split_whitespace().all(|word| everything.contains(word))
    });
    Ok(notes)
}

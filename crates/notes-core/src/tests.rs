//! What the core promises, kept out of the files that promise it: an edit here recompiles no user of the crate.

use crate::{Error, Note, Notes, Store, Tag, Title, find};

fn example() -> Result<Notes, Error> {
    let mut store = Notes::new();
    for (title, tag, text) in [
        ("Buy milk", "errand", "Two litres."),
        ("Call Ada", "errand", "About the milk\nand the engine."),
        ("Élan vital", "Reading", ""),
    ] {
        store.add(Note {
            title: title.parse()?,
            tags: [tag.parse()?].into(),
            text: text.to_owned(),
        })?;
    }
    Ok(store)
}

#[track_caller]
fn check_find(query: &str, expected: &[u32]) {
    let store = example().expect("the example is valid");
    let found = find(&store, query).expect("memory does not fail");
    assert_eq!(found.into_keys().collect::<Vec<_>>(), expected, "{query:?}");
}

#[test]
fn find_wants_every_word_somewhere() {
    check_find("milk", &[1, 2]);
    check_find("MILK errand", &[1, 2]);
    check_find("milk engine", &[2]);
    check_find("élan reading", &[3]);
    check_find("milk élan", &[]);
    check_find(" ", &[1, 2, 3]);
}

#[test]
fn the_lowest_free_id_is_given() -> Result<(), Error> {
    let mut store = example()?;
    let note = store.remove(&2).expect("the example has a note 2");
    assert_eq!(store.add(note.clone())?, 2);
    assert_eq!(store.add(note)?, 4);
    Ok(())
}

#[test]
fn titles_are_one_line() -> Result<(), Error> {
    assert_eq!(" Buy milk\n".parse::<Title>()?.to_string(), "Buy milk");
    for text in ["", " \t", "two\nlines", "a\ttab"] {
        let err = text.parse::<Title>().expect_err("no title");
        assert!(matches!(err, Error::InvalidTitle(_)), "{text:?}");
    }
    Ok(())
}

#[test]
fn tags_are_one_word_in_lower_case() -> Result<(), Error> {
    assert_eq!("Home".parse::<Tag>()?.to_string(), "home");
    for text in ["", "two words", "home\n", "\0"] {
        let err = text.parse::<Tag>().expect_err("no tag");
        assert!(matches!(err, Error::InvalidTag(_)), "{text:?}");
    }
    Ok(())
}

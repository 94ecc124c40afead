//! The file store from outside, on a real disk.

use std::error::Error as _;
use std::fs;
use std::path::PathBuf;
use std::thread;

use notes_core::{Error, Note, Store};
use notes_file::FileStore;

/// The path of a file for one test, which is not there yet.
fn new_path(test: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("notes-file-{test}.txt"));
    let _ = fs::remove_file(&path); // Left by an earlier run, if there was one.
    path
}

fn note(text: &str) -> Note {
    Note {
        title: "Buy milk".parse().expect("a title"),
        tags: ["home", "errand"].map(|tag| tag.parse().expect("a tag")).into(),
        text: text.to_owned(),
    }
}

#[test]
fn the_file_is_plain_text() -> Result<(), Error> {
    let path = new_path("plain");
    let mut store = FileStore::new(&path);
    assert_eq!(store.add(note("Two litres.\nOr three."))?, 1);
    assert_eq!(store.add(note(""))?, 2);

    let text = fs::read_to_string(&path).expect("read the file");
    assert_eq!(
        text,
        "1\terrand home\tBuy milk\n\tTwo litres.\n\tOr three.\n2\terrand home\tBuy milk\n"
    );
    Ok(())
}

#[test]
fn any_text_comes_back_unchanged() -> Result<(), Error> {
    let path = new_path("unchanged");
    for text in ["", "\n", "blank\n\nlines\n", "\ta tab", "\r\n"] {
        let id = FileStore::new(&path).add(note(text))?;
        assert_eq!(FileStore::new(&path).all()?[&id], note(text));
    }
    Ok(())
}

#[test]
fn of_additions_at_the_same_time_none_is_lost() -> Result<(), Error> {
    let path = new_path("same-time");
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| FileStore::new(&path).add(note("")).expect("add a note"));
        }
    });
    assert_eq!(FileStore::new(&path).all()?.len(), 8);
    Ok(())
}

#[track_caller]
fn check_malformed(text: &str, line: usize, cause: &str) {
    let path = new_path("malformed");
    fs::write(&path, text).expect("write the file");
    let err = FileStore::new(&path).add(note("")).expect_err("malformed");

    assert_eq!(err.to_string(), format!("{}:{line}", path.display()));
    assert_eq!(err.source().expect("has a cause").to_string(), cause);
    assert_eq!(fs::read_to_string(&path).expect("read the file"), text);
}

#[test]
fn a_malformed_file_is_left_alone() {
    let tabs = "expected id, tags and title with tabs between them";
    check_malformed("1\t\tA\n\ttext\nB\n", 3, tabs);
    check_malformed("x\t\tA\n", 1, "\"x\" is not an id");
    let title = "\"\" is not a title: one line, not blank";
    check_malformed("1\t\tA\n2\t\t\n", 2, title);
    check_malformed("7\t\tA\n7\t\tB\n", 2, "there is another note 7 above");
}

#[test]
fn errors_name_the_path() {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")); // A directory, so not to be read.
    let err = FileStore::new(&path).all().expect_err("not a file");
    assert_eq!(err.to_string(), format!("cannot read {}", path.display()));

    let path = path.join("missing").join("notes.txt");
    let err = FileStore::new(&path).add(note("")).expect_err("nowhere");
    let lock = path.with_added_extension("lock");
    assert_eq!(err.to_string(), format!("cannot create {}", lock.display()));
}

//! The program as a person uses it. New tests go into modules of this file: each further file
//! directly in `tests/` would be one more program to link.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// A directory for one test, without notes.
struct Scratch(PathBuf);

impl Scratch {
    fn new(test: &str) -> Scratch {
        let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("notes-{test}"));
        fs::create_dir_all(&directory).expect("create the scratch directory");
        let _ = fs::remove_file(directory.join("notes.txt")); // Of an earlier run, if there was one.
        Scratch(directory)
    }

    /// Runs `notes` there, and checks its exit code and everything that it prints.
    #[track_caller]
    fn check<const N: usize>(&self, arguments: [&str; N], code: i32, expected: &str) {
        let output = Command::new(env!("CARGO_BIN_EXE_notes"))
            .args(arguments)
            .current_dir(&self.0)
            .output()
            .expect("start notes");
        let printed = [output.stdout, output.stderr].concat();
        assert_eq!(String::from_utf8_lossy(&printed), expected);
        assert_eq!(output.status.code(), Some(code));
    }
}

#[test]
fn wrong_usage_and_failure_are_told_apart() {
    let scratch = Scratch::new("usage");
    scratch.check(
        ["add", " "],
        2,
        "error: invalid value ' ' for '<TITLE>': \" \" is not a title: one line, not blank\n\n\
         For more information, try '--help'.\n",
    );
    scratch.check(["show", "7"], 1, "error: there is no note 7\n");
}

#[cfg(feature = "file")]
#[test]
fn notes_are_kept_and_found_again() {
    let scratch = Scratch::new("keep");
    scratch.check(["list"], 0, "");
    scratch.check(["add", "Buy milk", "--tag=home", "--tag=Errand"], 0, "1\n");
    scratch.check(["add", "Call Ada", "--text=About the engine."], 0, "2\n");

    scratch.check(["list"], 0, "   1  Buy milk #errand #home\n   2  Call Ada\n");
    scratch.check(["find", "ada", "ENGINE"], 0, "   2  Call Ada\n");
    scratch.check(["show", "1"], 0, "Buy milk\n");
    scratch.check(["show", "2"], 0, "Call Ada\n\nAbout the engine.\n");
    scratch.check(["list", "--file=other.txt"], 0, "");
}

#[cfg(feature = "file")]
#[test]
fn errors_name_the_file() {
    let scratch = Scratch::new("errors");
    fs::write(scratch.0.join("notes.txt"), "x\t\tTitle\n").expect("write the file");
    scratch.check(["list"], 1, "error: notes.txt:1: \"x\" is not an id\n");
}

#[cfg(not(feature = "file"))]
#[test]
fn the_minimal_program_forgets() {
    let scratch = Scratch::new("minimal");
    scratch.check(["add", "Buy milk"], 0, "1\n");
    scratch.check(["list"], 0, "");
}

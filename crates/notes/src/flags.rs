//! The whole command line, as data. Texts become valid values here, before any work starts.

use clap::{Parser, Subcommand};
use notes_core::{Tag, Title};

/// Keeps short notes and finds them again.
#[derive(Parser)]
#[command(version)]
pub(crate) struct Flags {
    /// The file with the notes
    #[cfg(feature = "file")]
    #[arg(long, global = true, value_name = "PATH", default_value = "notes.txt")]
    pub(crate) file: std::path::PathBuf,

    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Keep a note, and print its id
    Add {
        /// What to call it, in one line
        title: Title,
        /// A word to file it under; may be given more than once
        #[arg(long = "tag", value_name = "TAG")]
        tags: Vec<Tag>,
        /// What there is to say besides the title
        #[arg(long, default_value = "")]
        text: String,
    },
    /// Print all notes, one a line
    List,
    /// Print the notes in which all these words occur
    Find {
        #[arg(required = true)]
        words: Vec<String>,
    },
    /// Print one note with its text
    Show {
        /// As `add` and `list` print it
        id: u32,
    },
}

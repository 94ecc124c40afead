//! What can go wrong. Written by hand: for four causes, a macro would cost more than it saves.

use std::error;
use std::fmt;

/// Why something could not be done. The texts are fragments, to be put after "error: ".
#[derive(Debug)]
pub enum Error {
    /// This text is no [`Title`](crate::Title).
    InvalidTitle(String),
    /// This text is no [`Tag`](crate::Tag).
    InvalidTag(String),
    /// No note has this id.
    NoSuchNote(u32),
    /// The place behind a store failed.
    Storage {
        /// What failed and where, without the cause: "cannot read notes.txt".
        what: String,
        /// Why, as far as is known.
        cause: Box<dyn error::Error + Send + Sync>,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::InvalidTitle(text) => write!(f, "{text:?} is not a title: one line, not blank"),
            Error::InvalidTag(text) => write!(f, "{text:?} is not a tag: one word"),
            Error::NoSuchNote(id) => write!(f, "there is no note {id}"),
            Error::Storage { what, .. } => write!(f, "{what}"),
        }
    }
}

impl error::Error for Error {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Error::Storage { cause, .. } => Some(cause.as_ref()),
            _ => None,
        }
    }
}

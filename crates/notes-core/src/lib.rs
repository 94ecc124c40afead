//! The stable middle: what a note is, what a store promises, and how notes are found in any store.
//!
//! Deliberately not here: files, the command line, printing. Another place to keep notes is
//! another crate beside `notes-file` that implements [`Store`]; nothing in this one changes.
//!
//! ```
//! use notes_core::{Note, Notes, Store, find};
//!
//! let mut store = Notes::new(); // The store in memory: for tests and for trying things.
//! let id = store.add(Note {
//!     title: "Buy milk".parse()?,
//!     tags: ["errand".parse()?].into(),
//!     text: String::from("Two litres."),
//! })?;
//! assert!(find(&store, "MILK errand")?.contains_key(&id));
//! # Ok::<(), notes_core::Error>(())
//! ```

mod error;
mod note;
mod search;
mod store;

// In a file of their own: after an edit there, neither this crate nor what uses it is compiled anew.
#[cfg(test)]
mod tests;

pub use error::Error;
pub use note::{Note, Tag, Title};
pub use search::find;
pub use store::{Notes, Store};

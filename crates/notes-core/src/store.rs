//! The one boundary: what is known of the place where notes are kept.

use std::collections::BTreeMap;

use crate::{Error, Note};

/// Notes by their ids.
pub type Notes = BTreeMap<u32, Note>;

/// A place that keeps notes. Used as `dyn Store`: what stands above is compiled once, not once for
/// each store.
pub trait Store {
    /// Keeps `note` under the lowest free id from 1, and returns that id.
    ///
    /// # Errors
    /// [`Error::Storage`] if the place cannot be read or written; nothing has changed then.
    fn add(&mut self, note: Note) -> Result<u32, Error>;

    /// All notes.
    ///
    /// # Errors
    /// [`Error::Storage`] if the place cannot be read.
    fn all(&self) -> Result<Notes, Error>;
}

/// Keeps notes until it is dropped.
impl Store for Notes {
    fn add(&mut self, note: Note) -> Result<u32, Error> {
        let mut id = 1;
        while self.contains_key(&id) {
            id += 1; // Cannot overflow: four billion notes do not fit into memory.
        }
        self.insert(id, note);
        Ok(id)
    }

    fn all(&self) -> Result<Notes, Error> {
        Ok(self.clone())
    }
}

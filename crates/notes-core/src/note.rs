//! The types. A value that exists is valid: only `parse` makes a [`Title`] or a [`Tag`].

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use crate::Error;

/// What somebody wrote down.
#[derive(Clone, Debug, PartialEq)]
pub struct Note {
    /// What it is called.
    pub title: Title,
    /// What it is filed under.
    pub tags: BTreeSet<Tag>,
    /// The rest: any number of lines, or nothing.
    pub text: String,
}

/// One line that is not blank, without white space around it.
#[derive(Clone, Debug, PartialEq)]
pub struct Title(String);

/// One word, in lower case: `Home` and `home` are the same tag.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tag(String);

impl FromStr for Title {
    type Err = Error;

    /// Fails with [`Error::InvalidTitle`] if the text is blank or holds a control character,
    /// such as a line break or a tab.
    fn from_str(text: &str) -> Result<Title, Error> {
        let title = text.trim();
        if title.is_empty() || title.contains(char::is_control) {
            return Err(Error::InvalidTitle(text.to_owned()));
        }
        Ok(Title(title.to_owned()))
    }
}

impl FromStr for Tag {
    type Err = Error;

    /// Fails with [`Error::InvalidTag`] if the text is empty or holds white space or a control
    /// character.
    fn from_str(text: &str) -> Result<Tag, Error> {
        if text.is_empty() || text.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err(Error::InvalidTag(text.to_owned()));
        }
        Ok(Tag(text.to_lowercase()))
    }
}

impl fmt::Display for Title {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

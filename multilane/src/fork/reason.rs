//! Why a unit is left to cargo.

use std::fmt;
use std::path::PathBuf;

/// Why a unit is left to cargo.
#[derive(Clone, Debug, PartialEq)]
pub enum Why {
    /// The donor has not finished it, or was killed while it did.
    Incomplete,
    /// It is not as we know units.
    Unknown,
    /// The donor's source was changed after the donor's build.
    Outdated(PathBuf),
    /// Our source is another one, or is not there.
    Differs(PathBuf),
    /// The donor was built under a clock that was put back since: what is younger than the build
    /// may look older.
    BuiltInFuture,
    /// Our source is from the future, so an edit could go unnoticed.
    Future(PathBuf),
    /// A variable that names the donor's tree or lane is compiled in.
    Variable(String),
    /// It is watched, or was read, by a path in the donor's tree.
    Outside(PathBuf),
    /// The build script has printed a path of the donor's.
    Printed,
    /// The build script has written a path of the donor's into what it generated.
    Generated,
    /// The build script watches a file whose time we must not set: this tree has other lanes.
    Watched(PathBuf),
    /// The build script asks git, and the commit may be another.
    Commit,
    /// A macro of this package may read files and tells nobody.
    Macro(String),
    /// A unit of this package, on which it depends, is left out.
    Needs(String),
    /// A unit in our lane was built with another one in its place.
    Replaced,
    /// The donor has rebuilt it while we copied.
    Changed,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Why::Incomplete => f.write_str("incomplete in the donor"),
            Why::Unknown => f.write_str("of an unknown form"),
            Why::Outdated(path) => write!(f, "outdated in the donor: {}", path.display()),
            Why::Differs(path) => write!(f, "{} is another one here", path.display()),
            Why::BuiltInFuture => f.write_str("built in the future"),
            Why::Future(path) => write!(f, "{} is from the future", path.display()),
            Why::Variable(name) => write!(f, "env {name}"),
            Why::Outside(path) => write!(f, "reads {}", path.display()),
            Why::Printed => f.write_str("its build script printed the donor's path"),
            Why::Generated => f.write_str("its build script generated the donor's path"),
            Why::Watched(path) => write!(f, "its build script watches {}", path.display()),
            Why::Commit => f.write_str("its build script asks git"),
            Why::Macro(package) => write!(f, "the macro {package} may read files"),
            Why::Needs(package) => write!(f, "needs {package}"),
            Why::Replaced => f.write_str("a unit here was built with another"),
            Why::Changed => f.write_str("rebuilt by the donor meanwhile"),
        }
    }
}

impl Why {
    /// The word for it in records, which stays the same when the text does not.
    pub fn word(&self) -> &'static str {
        match self {
            Why::Incomplete => "incomplete",
            Why::Unknown => "unknown",
            Why::Outdated(_) => "outdated",
            Why::Differs(_) => "differs",
            Why::BuiltInFuture => "built-in-future",
            Why::Future(_) => "future",
            Why::Variable(_) => "variable",
            Why::Outside(_) => "outside",
            Why::Printed => "printed",
            Why::Generated => "generated",
            Why::Watched(_) => "watched",
            Why::Commit => "commit",
            Why::Macro(_) => "macro",
            Why::Needs(_) => "needs",
            Why::Replaced => "replaced",
            Why::Changed => "changed",
        }
    }

    /// Whether another donor may do better.
    pub fn is_of_this_donor(&self) -> bool {
        matches!(
            self,
            Why::Incomplete
                | Why::Outdated(_)
                | Why::BuiltInFuture
                | Why::Differs(_)
                | Why::Commit
                | Why::Changed
        )
    }
}

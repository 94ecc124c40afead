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
    /// The build script may ask git, and the commit, the branch or a tag is another one.
    Commit,
    /// The build script may read more than it names, and this differs.
    Script(StateDiffers),
    /// A macro of this package may read more than it is given, and this differs.
    Macro(String, StateDiffers),
    /// The linker may read files of the tree, and this differs.
    Linked(StateDiffers),
    /// The compiler wrapper or the linker is a program of the tree, and this differs.
    Tool(StateDiffers),
    /// What a macro or the linker was given names the donor's place, and it is in the output.
    CompiledIn,
    /// It was built in another place than it lies in: the directory was copied, or was reached
    /// through a link.
    Elsewhere,
    /// A unit of this package, on which it depends, is left out.
    Needs(String),
    /// A unit in our lane was built with another one in its place.
    Replaced,
    /// The donor has rebuilt it while we copied.
    Changed,
}

/// What is not as it was when arbitrary code ran.
#[derive(Clone, Debug, PartialEq)]
pub enum StateDiffers {
    /// `[env]` in cargo's configuration.
    Environment,
    /// A variable of the environment that the code names.
    Variable(String),
    /// A file out of the checkout that the code names.
    Outside(PathBuf),
    /// A file that came into the lane while the code ran.
    Beside(PathBuf),
    /// A file, between the two trees.
    File(PathBuf),
    /// A file or a directory, since the donor's build.
    Since(PathBuf),
    /// The trees could not be compared as a whole.
    Unknown,
}

impl StateDiffers {
    fn remedy(&self) -> &'static str {
        match self {
            StateDiffers::Environment => "have the same [env] in both trees",
            StateDiffers::Variable(_) => {
                "set the variable to the donor's value, or to one value for all builders"
            }
            StateDiffers::Outside(_) => {
                "run `cargo clean --package` with its name in the donor, and build there"
            }
            StateDiffers::Beside(_) => "write into OUT_DIR alone",
            StateDiffers::File(_) => {
                "have the same file in both trees, or the code read nothing but variables of cargo's"
            }
            StateDiffers::Since(_) => {
                "run `cargo clean --package` with its name in the donor, and build there"
            }
            StateDiffers::Unknown => {
                "have git ignore single files and no directories but build output, of 256 MiB at most"
            }
        }
    }
}

impl fmt::Display for StateDiffers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StateDiffers::Environment => f.write_str("[env] of the configuration differs"),
            StateDiffers::Variable(name) => {
                write!(f, "{name} had another value in the donor's build")
            }
            StateDiffers::Outside(path) => {
                write!(f, "{} was changed after the donor's build, or differs", path.display())
            }
            StateDiffers::Beside(path) => write!(f, "{} was written meanwhile", path.display()),
            StateDiffers::File(path) => write!(f, "{} differs", path.display()),
            StateDiffers::Since(path) => {
                write!(f, "{} was changed after the donor's build", path.display())
            }
            StateDiffers::Unknown => f.write_str("the trees cannot be compared as a whole"),
        }
    }
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
            Why::Outside(path) => write!(f, "reads {} by its whole path", path.display()),
            Why::Printed => f.write_str("its build script printed the donor's path"),
            Why::Generated => f.write_str("its build script generated the donor's path"),
            Why::Watched(path) => write!(f, "its build script watches {}", path.display()),
            Why::Commit => f.write_str("its build script asks git"),
            Why::Script(state) => write!(f, "its build script may read files, and {state}"),
            Why::Macro(package, state) => {
                write!(f, "the macro {package} may read files, and {state}")
            }
            Why::Linked(state) => write!(f, "the linker may read files, and {state}"),
            Why::Tool(state) => {
                write!(f, "a program of the tree compiles or links it, and {state}")
            }
            Why::CompiledIn => f.write_str("a path of the donor's is compiled in"),
            Why::Elsewhere => f.write_str("built in another place than it lies in"),
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
            Why::Script(_) => "script",
            Why::Macro(..) => "macro",
            Why::Linked(_) => "linked",
            Why::Tool(_) => "tool",
            Why::CompiledIn => "compiled-in",
            Why::Elsewhere => "elsewhere",
            Why::Needs(_) => "needs",
            Why::Replaced => "replaced",
            Why::Changed => "changed",
        }
    }

    /// What would make it bringable; `None` where nothing has to be done about it.
    pub fn remedy(&self) -> Option<&'static str> {
        Some(match self {
            Why::Incomplete | Why::Outdated(_) | Why::BuiltInFuture => "build the donor once more",
            Why::Future(_) => "give the file a time that has passed",
            Why::Variable(_) => "read the variable when the program runs, with std::env::var",
            Why::Outside(_) => "name the file by a path relative to the source",
            Why::Printed => "print paths relative to the package, or below OUT_DIR",
            Why::Generated => "generate relative paths, or concat!(env!(\"OUT_DIR\"), …)",
            Why::Watched(_) => "fork before anything else is built in this tree",
            Why::Commit => "ask git in a small package on which little depends",
            Why::Script(state) | Why::Macro(_, state) | Why::Linked(state) | Why::Tool(state) => {
                state.remedy()
            }
            Why::CompiledIn => "have the macro return no path of its caller, or of OUT_DIR",
            Why::Elsewhere => "build the donor by its own path, not through a link",
            Why::Replaced => "fork into an empty lane",
            Why::Changed => "fork once more",
            Why::Unknown | Why::Differs(_) | Why::Needs(_) => return None,
        })
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
                | Why::Script(_)
                | Why::Macro(..)
                | Why::Linked(_)
                | Why::Tool(_)
                | Why::Elsewhere
                | Why::Changed
        )
    }
}

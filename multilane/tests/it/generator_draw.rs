//! What the generator draws for a workspace: who reads, what is read, and what differs.

/// Repeatable, and the same everywhere (splitmix64).
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % end as u64).expect("it is small")
    }

    pub(crate) fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    pub(crate) fn is_one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }
}

/// Whose code runs, or what reads, when the workspace is built.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Reader {
    /// A build script that names itself alone with `rerun-if-changed`.
    Script,
    /// One that names nothing.
    SilentScript,
    /// One that names what it reads.
    NamingScript,
    /// One that names a variable alone.
    VariableScript,
    /// A library that the build script calls.
    ScriptsLibrary,
    /// A script that writes it into a file in `OUT_DIR`.
    Generator,
    /// A script that writes a source that git ignores.
    Writer,
    /// A script that writes over a source that git tracks.
    Rewriter,
    Macro,
    /// Behind one more crate, and behind two.
    MacroOnceRemoved,
    MacroTwiceRemoved,
    /// A macro's own build script.
    MacrosScript,
    /// `env!`, `include_str!`, a module of the program.
    Rustc,
    /// A shared library in `OUT_DIR`, found by a run path.
    Linker,
    /// A linker's arguments in a file that `rustflags` name.
    LinkFlags,
    /// A static library in the tree.
    Native,
    /// A macro of a package from git, which two other packages from git re-export.
    OutsideMacro,
    /// The build script of a package from git.
    OutsideScript,
    /// The build script of a vendored package, and a vendored macro.
    VendoredScript,
    VendoredMacro,
    /// The build script of a package beside the checkout.
    BesideScript,
    /// A script whose answer the script of a dependent is told.
    Metadata,
    /// A compiler wrapper in the tree, and a linker.
    Wrapper,
    LinkerScript,
}

const READERS: [Reader; 24] = [
    Reader::Script,
    Reader::SilentScript,
    Reader::NamingScript,
    Reader::VariableScript,
    Reader::ScriptsLibrary,
    Reader::Generator,
    Reader::Writer,
    Reader::Rewriter,
    Reader::Macro,
    Reader::MacroOnceRemoved,
    Reader::MacroTwiceRemoved,
    Reader::MacrosScript,
    Reader::Rustc,
    Reader::Linker,
    Reader::LinkFlags,
    Reader::Native,
    Reader::OutsideMacro,
    Reader::OutsideScript,
    Reader::VendoredScript,
    Reader::VendoredMacro,
    Reader::BesideScript,
    Reader::Metadata,
    Reader::Wrapper,
    Reader::LinkerScript,
];

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Source {
    /// By a path relative to the directory in which the code runs.
    FileHere,
    /// In the package.
    FileOfPackage,
    /// At the root of the workspace, and in another package.
    FileOfRoot,
    FileOfOther,
    /// Out of the checkout.
    FileBeside,
    /// That git ignores.
    IgnoredFile,
    /// In the target directory.
    FileInTarget,
    /// In a submodule.
    FileInSubmodule,
    /// The names in a directory.
    Names,
    Variable,
    /// In `[env]` of cargo's configuration.
    Configured,
    /// The same, relative to it.
    ConfiguredPlace,
    /// A file in the directory that such a variable names.
    FileAtPlace,
    Commit,
    Branch,
    Dirty,
    /// Of git's own files.
    GitFile,
    /// Where the package lies, and where code may write.
    Place,
    OutDir,
    WorkingDir,
    /// A file that is found by climbing from `OUT_DIR`.
    FileAboveOutDir,
}

const SOURCES: [Source; 21] = [
    Source::FileHere,
    Source::FileOfPackage,
    Source::FileOfRoot,
    Source::FileOfOther,
    Source::FileBeside,
    Source::IgnoredFile,
    Source::FileInTarget,
    Source::FileInSubmodule,
    Source::Names,
    Source::Variable,
    Source::Configured,
    Source::ConfiguredPlace,
    Source::FileAtPlace,
    Source::Commit,
    Source::Branch,
    Source::Dirty,
    Source::GitFile,
    Source::Place,
    Source::OutDir,
    Source::WorkingDir,
    Source::FileAboveOutDir,
];

/// What is different when the fork is built.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Change {
    Nothing,
    Own,
    OwnCommitted,
    /// In the donor's tree, after its build.
    Donors,
    Both,
    /// Not there any more.
    Gone,
    /// The donor was built with another, which was put back with its old time.
    Restored,
}

const CHANGES: [Change; 7] = [
    Change::Nothing,
    Change::Own,
    Change::OwnCommitted,
    Change::Donors,
    Change::Both,
    Change::Gone,
    Change::Restored,
];

/// How the fork comes to be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Way {
    Worktree,
    /// A lane of an agent, in the tree of the donor.
    Agent,
    /// A worktree that was copied with its `target/` and all times.
    Copied,
    /// A donor that was built by way of a symbolic link.
    ThroughLink,
}

/// What is edited after the fork's first build.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Edit {
    /// A source of a package.
    Source,
    /// What the first piece reads.
    Read,
    /// The same, in the donor's tree.
    DonorsRead,
    /// What is there is committed.
    Commit,
    /// A source is written again with the same bytes.
    Touch,
    /// Another file comes beside what the first piece reads.
    NewFile,
}

const EDITS: [Edit; 6] =
    [Edit::Source, Edit::Read, Edit::DonorsRead, Edit::Commit, Edit::Touch, Edit::NewFile];

#[derive(Clone, Copy, Debug)]
pub(crate) struct Piece {
    pub(crate) number: usize,
    pub(crate) reader: Reader,
    pub(crate) source: Source,
    pub(crate) change: Change,
}

impl Reader {
    pub(crate) fn is_script(self) -> bool {
        const OTHERS: [Reader; 9] = [
            Reader::Wrapper,
            Reader::LinkerScript,
            Reader::Rustc,
            Reader::Macro,
            Reader::MacroOnceRemoved,
            Reader::MacroTwiceRemoved,
            Reader::OutsideMacro,
            Reader::VendoredMacro,
            Reader::LinkFlags,
        ];
        !OTHERS.contains(&self)
    }

    /// What this reader can read; for most of them, everything.
    fn sources(self) -> &'static [Source] {
        match self {
            Reader::Rustc => &[
                Source::FileHere, // A module of the program.
                Source::FileOfPackage,
                Source::FileOfRoot,
                Source::FileOfOther, // A module in another package.
                Source::Variable,
                Source::Configured,
                Source::Place,
            ],
            Reader::LinkFlags | Reader::Native | Reader::Wrapper | Reader::LinkerScript => {
                &[Source::FileOfRoot]
            }
            Reader::OutsideMacro => &[
                Source::FileHere,
                Source::FileOfPackage,
                Source::FileOfRoot,
                Source::Names,
                Source::Variable,
                Source::Configured,
                Source::ConfiguredPlace,
                Source::Commit,
                Source::Branch,
                Source::WorkingDir,
                Source::OutDir,
            ],
            Reader::OutsideScript => {
                &[Source::FileAboveOutDir, Source::Configured, Source::FileAtPlace, Source::OutDir]
            }
            _ => &SOURCES,
        }
    }
}

impl Piece {
    fn draw(number: usize, dice: &mut Dice) -> Piece {
        let (reader, source, change) = (dice.one(&READERS), dice.one(&SOURCES), dice.one(&CHANGES));
        let source = match reader.sources() {
            sources if sources.contains(&source) => source,
            sources => dice.one(sources),
        };
        Piece { number, reader, source, change }
    }
}

/// What was drawn for a workspace.
#[derive(Clone, Debug)]
pub(crate) struct Drawn {
    pub(crate) way: Way,
    /// Its tests are built and run as well.
    pub(crate) tests: bool,
    /// The edits that follow the first build in the fork.
    pub(crate) edits: Vec<Edit>,
    /// Plain cargo comes through the compiler wrapper, as in a workspace that was adopted.
    pub(crate) adopted: bool,
    pub(crate) pieces: Vec<Piece>,
    /// The build script is the program's own, not that of a library.
    pub(crate) merged: bool,
    pub(crate) incremental: bool,
    pub(crate) debug: bool,
    /// The fork becomes a donor: how its own fork comes to be, and what differs then.
    pub(crate) again: Option<(Way, Vec<Change>)>,
}

impl Drawn {
    pub(crate) fn of(seed: u64) -> Drawn {
        let mut dice = Dice(seed);
        // More than one may hide what is wrong with one of them.
        let count = dice.one(&[1, 1, 1, 2, 3]);
        let mut pieces: Vec<Piece> =
            (0..count).map(|number| Piece::draw(number, &mut dice)).collect();
        // A vendored build script is linked in another directory, in which there is no such file,
        // and no macro can be linked with these arguments.
        if pieces.iter().any(|piece| piece.package_is_elsewhere() || piece.is_of_macro()) {
            for piece in pieces.iter_mut().filter(|piece| piece.reader == Reader::LinkFlags) {
                piece.reader = Reader::Native;
            }
        }
        let ways = [Way::Worktree, Way::Worktree, Way::Worktree, Way::Agent, Way::Agent];
        let way = match dice.below(7) {
            5 => Way::Copied,
            6 => Way::ThroughLink,
            at => ways[at],
        };
        let (tests, rounds) = (dice.is_one_in(5), dice.one(&[0, 0, 0, 1, 1, 2, 3]));
        let mut edits: Vec<Edit> = (0..rounds).map(|_| dice.one(&EDITS)).collect();
        // Two lanes that write into one checkout make each other's sources younger.
        if pieces.iter().any(|piece| matches!(piece.reader, Reader::Writer | Reader::Rewriter)) {
            edits.clear();
        }
        let (mut adopted, mut merged) = (dice.is_one_in(2), dice.is_one_in(3));
        // There is one wrapper, and one linker.
        for kind in [Reader::Wrapper, Reader::LinkerScript] {
            let of_kind = pieces.iter_mut().filter(|piece| piece.reader == kind);
            of_kind.skip(1).for_each(|piece| piece.reader = Reader::Native);
        }
        adopted &= pieces.iter().all(|piece| piece.reader != Reader::Wrapper);
        merged &= pieces.iter().all(|piece| piece.reader != Reader::Metadata);
        let (incremental, debug) = (dice.is_one_in(3), dice.is_one_in(6));
        let again = dice.is_one_in(5).then(|| {
            let changes = [Change::Nothing, Change::Nothing, Change::Own, Change::Donors];
            let way = dice.one(&[Way::Worktree, Way::Agent]);
            (way, pieces.iter().map(|_| dice.one(&changes)).collect())
        });
        Drawn { way, tests, edits, adopted, pieces, merged, incremental, debug, again }
    }
}

impl Piece {
    fn is_of_macro(&self) -> bool {
        const MACROS: [Reader; 4] = [
            Reader::Macro,
            Reader::MacroOnceRemoved,
            Reader::MacroTwiceRemoved,
            Reader::MacrosScript,
        ];
        MACROS.contains(&self.reader)
    }

    fn package_is_elsewhere(&self) -> bool {
        const ELSEWHERE: [Reader; 5] = [
            Reader::OutsideMacro,
            Reader::OutsideScript,
            Reader::VendoredScript,
            Reader::VendoredMacro,
            Reader::BesideScript,
        ];
        ELSEWHERE.contains(&self.reader)
    }
}

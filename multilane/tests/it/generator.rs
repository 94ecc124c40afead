//! Small random workspaces: each is built, changed and forked, and the fork is compared with what
//! plain cargo builds from nothing at the same place.
//!
//! A workspace is drawn from who reads something while it is built (a build script, a macro, rustc,
//! the linker), what is read (files in many places, variables, git, places), what of that differs
//! between the donor and the fork, and how the fork comes to be. A number repeats it:
//!
//! ```sh
//! MULTILANE_GENERATOR_SEED=7 cargo nextest run --package multilane generator --no-capture
//! ```
//!
//! `MULTILANE_GENERATOR_COUNT` and `MULTILANE_GENERATOR_SECONDS` say how many follow that one, and
//! with `MULTILANE_GENERATOR_DRAWN` only those count in which something was drawn that reads so.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::support::{Call, Project, Ran};

/// Repeatable, and the same everywhere (splitmix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % end as u64).expect("it is small")
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    fn is_one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }
}

/// Whose code runs, or who reads, when the workspace is built.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Reader {
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
    /// A script that puts it into a file in `OUT_DIR`.
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
    /// `env!`, `include_str!` in the program.
    Rustc,
    /// A shared library in `OUT_DIR`, found by a run path.
    Linker,
}

const READERS: [Reader; 14] = [
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
];

#[derive(Clone, Copy, Debug, PartialEq)]
enum Source {
    /// By a path relative to where the code runs.
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
    /// The names in a directory.
    Names,
    Variable,
    /// In `[env]` of cargo's configuration.
    Configured,
    /// The same, relative to it.
    ConfiguredPlace,
    Commit,
    Branch,
    Dirty,
    /// Of git's own files.
    GitFile,
    /// Where the package lies, and where code may write.
    Place,
    OutDir,
    WorkingDir,
}

const SOURCES: [Source; 18] = [
    Source::FileHere,
    Source::FileOfPackage,
    Source::FileOfRoot,
    Source::FileOfOther,
    Source::FileBeside,
    Source::IgnoredFile,
    Source::FileInTarget,
    Source::Names,
    Source::Variable,
    Source::Configured,
    Source::ConfiguredPlace,
    Source::Commit,
    Source::Branch,
    Source::Dirty,
    Source::GitFile,
    Source::Place,
    Source::OutDir,
    Source::WorkingDir,
];

/// What is different when the fork is built.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Change {
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
enum Way {
    Worktree,
    /// A lane of an agent, in the tree of the donor.
    Agent,
    /// A worktree that was copied with its `target/` and all times.
    Copied,
    /// A donor that was built by way of a symbolic link.
    ThroughLink,
}

#[derive(Clone, Copy, Debug)]
struct Piece {
    number: usize,
    reader: Reader,
    source: Source,
    change: Change,
}

impl Reader {
    fn is_script(self) -> bool {
        !matches!(
            self,
            Reader::Rustc | Reader::Macro | Reader::MacroOnceRemoved | Reader::MacroTwiceRemoved
        )
    }
}

impl Piece {
    fn draw(number: usize, dice: &mut Dice) -> Piece {
        let (reader, source, change) = (dice.one(&READERS), dice.one(&SOURCES), dice.one(&CHANGES));
        // Those that need no code of a package.
        const OF_RUSTC: [Source; 5] = [
            Source::FileOfPackage,
            Source::FileOfRoot,
            Source::Variable,
            Source::Configured,
            Source::Place,
        ];
        let source = match reader {
            Reader::Rustc if !OF_RUSTC.contains(&source) => dice.one(&OF_RUSTC),
            _ => source,
        };
        // What lies out of the checkout is not compared: an open difference
        // (docs/measurements/soundness.md).
        let is_compared = source != Source::FileBeside || reader == Reader::NamingScript;
        let change = if is_compared { change } else { Change::Nothing };
        Piece { number, reader, source, change }
    }

    /// The package whose directory the code has.
    fn package(&self) -> &'static str {
        match self.reader {
            Reader::MacrosScript => "crates/macros",
            Reader::Linker => "crates/app",
            reader if reader.is_script() => "crates/base",
            _ => "crates/app",
        }
    }

    /// The file that is read, from the root of the tree.
    fn file(&self) -> String {
        let Piece { number, .. } = self;
        match self.source {
            Source::FileHere if !self.reader.is_script() => format!("here{number}.txt"),
            Source::FileHere => format!("{}/here{number}.txt", self.package()),
            Source::FileOfRoot => format!("root{number}.txt"),
            Source::FileOfOther => format!("crates/other/data{number}.txt"),
            Source::FileBeside => format!("../beside{number}.txt"),
            Source::IgnoredFile => format!("{}/secret{number}.local", self.package()),
            Source::FileInTarget => format!("target/made{number}/file.txt"),
            Source::Names => format!("names{number}/one"),
            Source::Configured => ".cargo/config.toml".to_owned(),
            _ => format!("{}/data{number}.txt", self.package()),
        }
    }

    /// A block of Rust that says what is read.
    fn code(&self) -> String {
        let number = self.number;
        let of_dir = |inside: String| {
            format!(
                "std::fs::read_to_string(std::env::var(\"CARGO_MANIFEST_DIR\").unwrap() + \"/{inside}\").unwrap_or(\"none\".to_owned())"
            )
        };
        let git = |args: &str| {
            format!(
                "String::from_utf8(std::process::Command::new(\"git\").args({args:?}.split(' ')).output().unwrap().stdout).unwrap()"
            )
        };
        let variable =
            |name: &str| format!("std::env::var(\"{name}\").unwrap_or(\"unset\".to_owned())");
        match self.source {
            Source::FileHere => {
                format!(
                    "std::fs::read_to_string(\"here{number}.txt\").unwrap_or(\"none\".to_owned())"
                )
            }
            Source::FileOfPackage => of_dir(format!("data{number}.txt")),
            Source::IgnoredFile => of_dir(format!("secret{number}.local")),
            Source::FileOfRoot
            | Source::FileOfOther
            | Source::FileBeside
            | Source::FileInTarget => of_dir(format!("../../{}", self.file())),
            Source::Names => format!(
                "std::fs::read_dir(std::env::var(\"CARGO_MANIFEST_DIR\").unwrap() + \"/../../names{number}\").into_iter().flatten().count().to_string()"
            ),
            Source::Variable => variable(&format!("VARIABLE{number}")),
            Source::Configured => variable(&format!("CONFIGURED{number}")),
            Source::ConfiguredPlace => variable(&format!("PLACE{number}")),
            Source::Commit => git("log -1 --format=%s"),
            Source::Branch => git("branch --show-current"),
            Source::Dirty => git("status --porcelain --untracked-files=no"),
            Source::GitFile => of_dir("../../.git/HEAD".to_owned()),
            Source::Place => variable("CARGO_MANIFEST_DIR"),
            Source::OutDir => variable("OUT_DIR"),
            Source::WorkingDir => {
                "std::env::current_dir().unwrap().display().to_string()".to_owned()
            }
        }
    }

    /// What the program prints of it.
    fn shown(&self) -> String {
        let number = self.number;
        match self.reader {
            Reader::Macro | Reader::MacrosScript => format!("macros::data{number}!()"),
            Reader::MacroOnceRemoved => format!("facade::macros::data{number}!()"),
            Reader::MacroTwiceRemoved => format!("outer::facade::macros::data{number}!()"),
            Reader::Linker => format!("linked{number}()"),
            Reader::Rustc => match self.source {
                Source::FileOfPackage => {
                    format!(
                        "include_str!(concat!(env!(\"CARGO_MANIFEST_DIR\"), \"/data{number}.txt\"))"
                    )
                }
                Source::FileOfRoot => format!("include_str!(\"../../../root{number}.txt\")"),
                Source::Variable => {
                    format!("option_env!(\"VARIABLE{number}\").unwrap_or(\"unset\")")
                }
                Source::Configured => {
                    format!("option_env!(\"CONFIGURED{number}\").unwrap_or(\"unset\")")
                }
                _ => "concat!(env!(\"CARGO_MANIFEST_DIR\"), \"/x\")".to_owned(),
            },
            _ => format!("base::text{number}()"),
        }
    }
}

/// What was drawn for a workspace.
#[derive(Debug)]
struct Drawn {
    way: Way,
    /// Its tests are built and run as well.
    tests: bool,
    /// An edit follows the first build in the fork.
    edits: bool,
    /// Plain cargo comes through the compiler wrapper, as in a workspace that was adopted.
    adopted: bool,
    pieces: Vec<Piece>,
}

/// The workspace, and how it is used.
struct World {
    drawn: Drawn,
    project: Project,
    own: PathBuf,
}

/// What was built.
#[derive(Debug, PartialEq)]
struct Outcome {
    printed: String,
    /// The files of the checkout that no build directory has.
    files: BTreeMap<PathBuf, Vec<u8>>,
}

impl Drawn {
    fn of(seed: u64) -> Drawn {
        let mut dice = Dice(seed);
        // More than one may hide what is wrong with one of them.
        let count = dice.one(&[1, 1, 1, 2, 3]);
        let pieces: Vec<Piece> = (0..count).map(|number| Piece::draw(number, &mut dice)).collect();
        let ways = [Way::Worktree, Way::Worktree, Way::Worktree, Way::Agent, Way::Agent];
        let way = match dice.below(7) {
            5 => Way::Copied,
            6 => Way::ThroughLink,
            at => ways[at],
        };
        let (tests, mut edits) = (dice.is_one_in(5), dice.is_one_in(4));
        // After an edit git says something else, of which cargo is not told, in no lane.
        edits &= pieces.iter().all(|piece| piece.source != Source::Dirty);
        Drawn { way, tests, edits, adopted: dice.is_one_in(2), pieces }
    }
}

impl std::ops::Deref for World {
    type Target = Drawn;

    fn deref(&self) -> &Drawn {
        &self.drawn
    }
}

impl World {
    fn new(drawn: Drawn) -> World {
        let project = Project::empty();
        let own = match drawn.way {
            Way::Agent => project.root.clone(),
            _ => project.root.with_file_name("fork"),
        };
        World { drawn, project, own }
    }

    /// Writes the sources and commits them.
    fn write(&self) {
        let project = &self.project;
        project.write(
            ".gitignore",
            "/target/\n/.lanes/\n/.cargo/wrapper/\n*.local\n/crates/base/src/made*.rs\n",
        );
        project.write(
            "Cargo.toml",
            "[workspace]\nresolver = \"3\"\nmembers = [\"crates/*\"]\n[profile.dev]\ndebug = 0\n",
        );
        for (name, rest, dependencies) in [
            ("base", "[build-dependencies]", &["helper"][..]),
            ("helper", "", &[]),
            ("other", "", &[]),
            ("macros", "[lib]\nproc-macro = true", &[]),
            ("facade", "[dependencies]", &["macros"]),
            ("outer", "[dependencies]", &["facade"]),
            ("app", "[dependencies]", &["base", "macros", "facade", "outer"]),
        ] {
            if !self.has(name) {
                continue;
            }
            let mut text = format!(
                "[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n{rest}\n"
            );
            let is_needed = |dependency: &&&str| match name {
                "app" => self.is_shown_by(dependency),
                _ => self.has(dependency),
            };
            for dependency in dependencies.iter().filter(is_needed) {
                writeln!(text, "{dependency} = {{ path = \"../{dependency}\" }}")
                    .expect("a string");
            }
            project.write(&format!("crates/{name}/Cargo.toml"), &text);
        }
        self.write_sources();
        for piece in &self.pieces {
            self.write_state(&project.root, piece, "one");
        }
        self.write_configuration(&project.root, "one");
        project.cargo("generate-lockfile").ok();
        project.commit();
    }

    /// Whether the workspace needs this package.
    fn has(&self, package: &str) -> bool {
        const MACROS: [Reader; 4] = [
            Reader::MacroTwiceRemoved,
            Reader::MacroOnceRemoved,
            Reader::Macro,
            Reader::MacrosScript,
        ];
        let any =
            |readers: &[Reader]| self.pieces.iter().any(|piece| readers.contains(&piece.reader));
        match package {
            "helper" => any(&[Reader::ScriptsLibrary]),
            "other" => self.pieces.iter().any(|piece| piece.source == Source::FileOfOther),
            "macros" => any(&MACROS),
            "facade" => any(&MACROS[..2]),
            "outer" => any(&MACROS[..1]),
            _ => true,
        }
    }

    /// Whether the program names it: what it gets through others it does not.
    fn is_shown_by(&self, dependency: &str) -> bool {
        let names = |piece: &Piece| piece.shown().starts_with(&format!("{dependency}::"));
        dependency == "base" || self.pieces.iter().any(names)
    }

    fn write_sources(&self) {
        let mut base = "pub fn plain() -> &'static str { \"plain\" }\n\
            pub fn here() -> &'static str { std::panic::Location::caller().file() }\n"
            .to_owned();
        let (mut linking, mut linked) = (String::new(), String::new());
        let (mut script, mut macros_script) = (String::new(), String::new());
        let (mut helper, mut macros, mut app) = (String::new(), String::new(), String::new());
        let mut reruns: Vec<String> = Vec::new();
        for piece in &self.pieces {
            let (number, code) = (piece.number, piece.code());
            writeln!(
                app,
                "println!(\"{number} {{}}\", {}.trim().to_string().replace('\\n', \"|\"));",
                piece.shown()
            )
            .expect("a string");
            let named = |name: &str| {
                format!(
                    "println!(\"cargo::rustc-env=TEXT{number}={{}}\", {name}.trim().replace('\\n', \"|\"));\n"
                )
            };
            let text = format!(
                "pub fn text{number}() -> String {{ env!(\"TEXT{number}\").to_owned() }}\n"
            );
            match piece.reader {
                Reader::Script
                | Reader::SilentScript
                | Reader::NamingScript
                | Reader::VariableScript => {
                    script += &named(&code);
                    base += &text;
                    match piece.reader {
                        Reader::Script => reruns.push("changed=build.rs".to_owned()),
                        Reader::NamingScript => {
                            reruns.push(format!("changed=../../{}", piece.file()));
                            reruns.push(format!("env-changed=VARIABLE{number}"));
                        }
                        Reader::VariableScript => reruns.push("env-changed=NOBODY".to_owned()),
                        _ => {}
                    }
                }
                Reader::ScriptsLibrary => {
                    reruns.push("changed=build.rs".to_owned());
                    writeln!(helper, "pub fn text{number}() -> String {{ {code} }}")
                        .expect("a string");
                    script += &named(&format!("helper::text{number}()"));
                    base += &text;
                }
                Reader::Generator => {
                    reruns.push("changed=build.rs".to_owned());
                    writeln!(script, "std::fs::write(std::env::var(\"OUT_DIR\").unwrap() + \"/made{number}.rs\", format!(\"pub fn text{number}() -> &'static str {{{{ {{:?}} }}}} pub fn place{number}() -> &'static str {{{{ file!() }}}}\", {code})).unwrap();").expect("a string");
                    writeln!(base, "include!(concat!(env!(\"OUT_DIR\"), \"/made{number}.rs\"));")
                        .expect("a string");
                    writeln!(app, "println!(\"{number} at {{}}\", base::place{number}());")
                        .expect("a string");
                }
                Reader::Writer | Reader::Rewriter => {
                    reruns.push("changed=build.rs".to_owned());
                    let name = if piece.reader == Reader::Writer { "made" } else { "rewritten" };
                    writeln!(script, "std::fs::write(\"src/{name}{number}.rs\", format!(\"pub fn text() -> &'static str {{{{ {{:?}} }}}}\", {code})).unwrap();").expect("a string");
                    writeln!(
                        base,
                        "mod {name}{number}; pub use {name}{number}::text as text{number};"
                    )
                    .expect("a string");
                    if piece.reader == Reader::Rewriter {
                        self.project.write(
                            &format!("crates/base/src/rewritten{number}.rs"),
                            "pub fn text() -> &'static str { \"old\" }",
                        );
                    }
                }
                Reader::Linker => {
                    writeln!(linking, "link({number}, &{code});").expect("a string");
                    writeln!(linked, "unsafe extern \"C\" {{ fn text_{number}() -> *const std::ffi::c_char; }}\n\
                        fn linked{number}() -> String {{ unsafe {{ std::ffi::CStr::from_ptr(text_{number}()) }}.to_str().unwrap().to_owned() }}").expect("a string");
                }
                Reader::Macro | Reader::MacroOnceRemoved | Reader::MacroTwiceRemoved => {
                    writeln!(macros, "#[proc_macro] pub fn data{number}(_: proc_macro::TokenStream) -> proc_macro::TokenStream {{\n\
                        let text: String = {{ {code} }}; format!(\"{{text:?}}\").parse().unwrap() }}").expect("a string");
                }
                Reader::MacrosScript => {
                    macros_script += "println!(\"cargo::rerun-if-changed=build.rs\");";
                    macros_script += &named(&code);
                    writeln!(macros, "#[proc_macro] pub fn data{number}(_: proc_macro::TokenStream) -> proc_macro::TokenStream {{\n\
                        format!(\"{{:?}}\", env!(\"TEXT{number}\")).parse().unwrap() }}").expect("a string");
                }
                Reader::Rustc => {}
            }
        }
        let names_nothing = self.pieces.iter().any(|piece| piece.reader == Reader::SilentScript);
        for rerun in reruns.iter().filter(|_| !names_nothing) {
            writeln!(script, "println!(\"cargo::rerun-if-{rerun}\");").expect("a string");
        }
        let write = |path: &str, text: &str| {
            let package = path.split('/').nth(1).expect("in crates/");
            if self.has(package) {
                self.project.write(path, text);
            }
        };
        write("crates/base/src/lib.rs", &base);
        if !script.is_empty() {
            write("crates/base/build.rs", &format!("fn main() {{ {script} }}\n"));
        }
        if !linking.is_empty() {
            write("crates/app/build.rs", &format!("fn main() {{ {linking} }}\n{LINK}"));
        }
        if !macros_script.is_empty() {
            write("crates/macros/build.rs", &format!("fn main() {{ {macros_script} }}"));
        }
        write("crates/helper/src/lib.rs", &helper);
        write("crates/other/src/lib.rs", "");
        write("crates/macros/src/lib.rs", &macros);
        write("crates/facade/src/lib.rs", "pub use macros;");
        write("crates/outer/src/lib.rs", "pub use facade;");
        let main = format!(
            "{linked}fn main() {{ println!(\"- {{}} {{}} {{}}\", base::plain(), base::here(), file!());\n{app} }}\n"
        );
        write("crates/app/src/main.rs", &main);
        write(
            "crates/app/tests/it.rs",
            "#[test] fn says() { let said = std::process::Command::new(env!(\"CARGO_BIN_EXE_app\")).output().unwrap();\n\
             print!(\"{}\", String::from_utf8(said.stdout).unwrap()); }\n",
        );
    }

    /// What a piece reads, where that is a file.
    fn write_state(&self, root: &Path, piece: &Piece, text: &str) {
        let file = root.join(piece.file());
        match piece.source {
            Source::Configured => return self.write_configuration(root, text),
            Source::Names if text != "one" => {
                return write(&file.with_file_name(text), "");
            }
            _ => {}
        }
        write(&file, text);
    }

    fn write_configuration(&self, root: &Path, text: &str) {
        let mut config = String::new();
        if self.adopted {
            config += "include = [{ path = \"wrapper/config.toml\", optional = true }]\n";
        }
        config += "[env]\n";
        for Piece { number, .. } in &self.pieces {
            writeln!(config, "CONFIGURED{number} = \"{text}\"\nPLACE{number} = {{ value = \"\", relative = true }}").expect("a string");
        }
        write(&root.join(".cargo/config.toml"), &config);
    }

    fn call(&self, dir: &Path, words: &str, is_fork: bool) -> Call {
        let mut call = self.project.xtask(words).within(dir);
        if is_fork && self.way == Way::Agent {
            call = call.agent("a");
        }
        self.with_variables(call, is_fork)
    }

    fn with_variables(&self, mut call: Call, is_fork: bool) -> Call {
        for piece in self.pieces.iter().filter(|piece| piece.source == Source::Variable) {
            // Of others nobody knows with which value the donor was built: an open difference
            // (docs/measurements/soundness.md).
            let is_tracked = matches!(piece.reader, Reader::NamingScript | Reader::Rustc);
            let is_other = is_fork && is_tracked && piece.change != Change::Nothing;
            if !(is_other && piece.change == Change::Gone) {
                let name = format!("VARIABLE{}", piece.number);
                call = call.env(&name, if is_other { "two" } else { "one" });
            }
        }
        call
    }

    fn verb(&self) -> &'static str {
        if self.tests { "build-test" } else { "build" }
    }

    fn build_donor(&self) {
        let root = &self.project.root;
        for piece in self.pieces.iter().filter(|piece| piece.change == Change::Restored) {
            let file = root.join(piece.file());
            let backup = file.with_extension("backup.local");
            drop(std::fs::rename(&file, &backup));
            self.write_state(root, piece, "zero");
        }
        if self.way == Way::ThroughLink {
            let link = root.with_file_name("link");
            symlink(root, &link);
            let words = if self.tests { "test --no-run" } else { "build" };
            let call =
                self.project.cargo(words).arg("--manifest-path").arg(link.join("Cargo.toml"));
            self.with_variables(call.within("/"), false).run();
        } else {
            self.call(root, self.verb(), false).run();
        }
        for piece in self.pieces.iter().filter(|piece| piece.change == Change::Restored) {
            let file = root.join(piece.file());
            drop(std::fs::rename(file.with_extension("backup.local"), &file));
        }
        // What the build has written over is no part of what comes next. Of other files git would
        // change the times.
        for piece in self.pieces.iter().filter(|piece| piece.reader == Reader::Rewriter) {
            let file = format!("crates/base/src/rewritten{}.rs", piece.number);
            self.project.git(&["checkout", "--quiet", "--", &file]);
        }
    }

    fn make_fork(&self) {
        let (root, own) = (&self.project.root, &self.own);
        let to = own.to_str().expect("UTF-8");
        match self.way {
            Way::Agent => {}
            Way::Copied => {
                self.project.git(&[
                    "worktree",
                    "add",
                    "--quiet",
                    "--no-checkout",
                    to,
                    "-b",
                    "fork",
                ]);
                let script = "cp -a crates Cargo.toml Cargo.lock .gitignore .cargo target \"$0\" && \
                    cp .git/index \"$(git -C \"$0\" rev-parse --git-path index)\" && \
                    git -C \"$0\" update-index -q --refresh";
                let status = self.project.command("sh").args(["-c", script, to]).status();
                assert!(status.expect("sh starts").success());
                for piece in &self.pieces {
                    let file = piece.file();
                    let is_elsewhere = !file.starts_with("crates") && !file.starts_with("..");
                    if is_elsewhere && !file.starts_with("target") && root.join(&file).exists() {
                        write(
                            &own.join(&file),
                            &std::fs::read_to_string(root.join(&file)).expect("text"),
                        );
                    }
                }
            }
            Way::Worktree | Way::ThroughLink => {
                self.project.git(&["worktree", "add", "--quiet", to, "-b", "fork"]);
            }
        }
        for piece in &self.pieces {
            let file = own.join(piece.file());
            match piece.change {
                Change::Own | Change::OwnCommitted => self.write_state(own, piece, "two"),
                Change::Donors => self.write_state(root, piece, "three"),
                Change::Both => {
                    self.write_state(root, piece, "three");
                    self.write_state(own, piece, "two");
                }
                Change::Gone => drop(std::fs::remove_file(file)),
                Change::Nothing | Change::Restored => {}
            }
            if piece.change == Change::OwnCommitted {
                self.project.git_in(own, &["add", "--all"]);
                let message = format!("--message=change {}", piece.number);
                self.project.git_in(own, &["commit", "--quiet", "--allow-empty", &message]);
            }
        }
    }

    fn lane(&self) -> PathBuf {
        match self.way {
            Way::Agent => self.own.join(self.project.only_lane()),
            _ => self.own.join("target"),
        }
    }

    /// What came of a build in the fork's place.
    fn outcome(&self, ran: &Ran) -> Outcome {
        let files = files_of(&self.own);
        if !ran.output.status.success() {
            return Outcome { printed: "it does not build".to_owned(), files };
        }
        Outcome { printed: self.said(), files }
    }

    fn said(&self) -> String {
        let debug = self.lane().join("debug");
        let mut said = run(&debug.join("app"));
        if self.tests {
            let tests = std::fs::read_dir(debug.join("deps")).expect("a directory").flatten();
            let mut tests: Vec<PathBuf> = tests.map(|entry| entry.path()).collect();
            tests.retain(|test| {
                let name = test.file_name().unwrap_or_default().to_string_lossy();
                name.starts_with("it-") && !name.contains('.')
            });
            assert_eq!(tests.len(), 1, "{tests:?}");
            let output = std::process::Command::new(&tests[0]).arg("--nocapture").output();
            let output = String::from_utf8(output.expect("it starts").stdout).expect("UTF-8");
            said.extend(
                output
                    .lines()
                    .filter(|line| line.contains(' '))
                    .filter(|line| line.starts_with(|c: char| c.is_ascii_digit() || c == '-')),
            );
        }
        said
    }

    fn scratch(&self) -> Ran {
        let lane = self.lane();
        // What lies beside builds in the target directory stays.
        for part in ["debug", ".rustc_info.json", ".place", ".filled-at"] {
            let part = lane.join(part);
            drop(std::fs::remove_dir_all(&part).or_else(|_| std::fs::remove_file(&part)));
        }
        let words = if self.tests { "test --no-run" } else { "build" };
        let call = self.project.cargo(words).within(&self.own).arg("--target-dir").arg(&lane);
        self.with_variables(call.arg("--config").arg("build.rustc-wrapper=\"\""), true).run()
    }

    /// What differs between a fork and a lane from nothing; `None` where nothing does.
    fn difference(&self) -> Option<String> {
        self.write();
        self.build_donor();
        self.make_fork();
        let found = self.compare("the first build");
        if found.is_some() || !self.edits {
            return found;
        }
        let edited = self.own.join("crates/base/src/lib.rs");
        let text = std::fs::read_to_string(&edited).expect("it is there");
        write(&edited, &text.replace("\"plain\"", "\"edited\""));
        self.compare("an edit")
    }

    fn compare(&self, after: &str) -> Option<String> {
        let before = files_of(&self.own);
        let ran = self.call(&self.own, self.verb(), true).run();
        let fork = self.outcome(&ran);
        // What tools write over, such as strip, is not the donor's.
        let donors = self.project.root.join("target/debug/app");
        let before_strip = std::fs::read(&donors).ok();
        if let Ok(mut own) =
            std::fs::File::options().append(true).open(self.lane().join("debug/app"))
        {
            std::io::Write::write_all(&mut own, b"stripped").expect("it can be written");
        }
        if std::fs::read(&donors).ok() != before_strip {
            return Some("the donor's program is that of the fork".to_owned());
        }
        // Its donor may go.
        let away = self.project.root.with_file_name("away");
        if ran.output.status.success() && self.way != Way::Agent {
            std::fs::rename(&self.project.root, &away).expect("it can be moved");
            let alone = self.said();
            std::fs::rename(&away, &self.project.root).expect("it can be moved");
            if alone != fork.printed {
                return Some(format!(
                    "after {after}, without the donor: {alone}\nwith it: {}",
                    fork.printed
                ));
            }
        }
        restore(&self.own, &before);
        let scratch = self.outcome(&self.scratch());
        let (printed, expected) = (&fork.printed, &scratch.printed);
        let shown = |files: &BTreeMap<PathBuf, Vec<u8>>, other: &BTreeMap<PathBuf, Vec<u8>>| {
            let differing = files.iter().filter(|(path, bytes)| other.get(*path) != Some(bytes));
            differing
                .map(|(path, bytes)| {
                    format!("{}: {}", path.display(), String::from_utf8_lossy(bytes))
                })
                .collect::<Vec<_>>()
        };
        (fork != scratch).then(|| {
            format!(
                "after {after}, the fork:\n{printed}{:?}\nfrom nothing:\n{expected}{:?}\n{}",
                shown(&fork.files, &scratch.files),
                shown(&scratch.files, &fork.files),
                ran.report()
            )
        })
    }
}

/// In a build script: makes a shared library that returns a text, and has the program find it.
const LINK: &str = r#"
fn link(number: u32, text: &str) {
    println!("cargo::rerun-if-changed=build.rs");
    let out = std::env::var("OUT_DIR").unwrap();
    let source = format!("{out}/text{number}.c");
    let text = text.trim().replace('\n', "|");
    std::fs::write(&source, format!("const char *text_{number}(void) {{ return {text:?}; }}")).unwrap();
    let library = format!("{out}/libtext{number}.so");
    let args = ["-shared", "-fPIC", source.as_str(), "-o", library.as_str()];
    assert!(std::process::Command::new("cc").args(args).status().unwrap().success());
    println!("cargo::rustc-link-search=native={out}");
    println!("cargo::rustc-link-lib=dylib=text{number}");
    println!("cargo::rustc-link-arg=-Wl,-rpath,{out}");
}
"#;

fn write(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
    std::fs::write(path, text).expect("it can be written");
}

fn symlink(to: &Path, link: &Path) {
    std::os::unix::fs::symlink(to, link).expect("a link");
}

fn run(program: &Path) -> String {
    match std::process::Command::new(program).output() {
        Ok(output) => format!("{} {}", output.status, String::from_utf8_lossy(&output.stdout)),
        Err(err) => format!("cannot be started: {err}"),
    }
}

/// The files of a checkout that no build directory and no git directory has, nor multilane.
fn files_of(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut ahead = vec![root.to_owned()];
    while let Some(dir) = ahead.pop() {
        for entry in std::fs::read_dir(&dir).expect("a directory").flatten() {
            let path = entry.path();
            let inside = path.strip_prefix(root).expect("inside");
            let is_left_out = ["target", ".git", ".lanes", ".cargo/wrapper"];
            if is_left_out.iter().any(|name| inside == Path::new(name)) {
                continue;
            }
            match entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                true => ahead.push(path),
                false => {
                    drop(found.insert(inside.to_owned(), std::fs::read(&path).expect("bytes")))
                }
            }
        }
    }
    found
}

fn restore(root: &Path, files: &BTreeMap<PathBuf, Vec<u8>>) {
    for (path, bytes) in files_of(root) {
        match files.get(&path) {
            Some(before) if *before == bytes => {}
            Some(before) => std::fs::write(root.join(&path), before).expect("it can be written"),
            None => std::fs::remove_file(root.join(&path)).expect("it is there"),
        }
    }
    for path in files.keys().filter(|path| !root.join(path).exists()) {
        std::fs::write(root.join(path), &files[path]).expect("it can be written");
    }
}

#[test]
fn a_fork_of_a_random_workspace_is_like_a_build_from_nothing() {
    let number = |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    let seed = number("MULTILANE_GENERATOR_SEED");
    let seconds = number("MULTILANE_GENERATOR_SECONDS").map(Duration::from_secs);
    let default = if seconds.is_some() {
        u64::MAX
    } else if seed.is_some() {
        1
    } else {
        3
    };
    let count = number("MULTILANE_GENERATOR_COUNT").unwrap_or(default);
    let first = seed.unwrap_or(1);
    let wanted = std::env::var("MULTILANE_GENERATOR_DRAWN").unwrap_or_default();
    let drawn = (first..).map(|seed| (seed, Drawn::of(seed)));
    let drawn = drawn.filter(|(_, drawn)| format!("{drawn:?}").contains(&wanted));
    let begun = Instant::now();
    for (seed, drawn) in drawn.take(usize::try_from(count).unwrap_or(usize::MAX)) {
        if seconds.is_some_and(|seconds| begun.elapsed() > seconds) {
            break;
        }
        let shown = format!("{seed}: {drawn:?}");
        let difference = World::new(drawn).difference();
        eprintln!("{:7.1} s {shown}", begun.elapsed().as_secs_f64());
        assert!(difference.is_none(), "{shown}\n{}", difference.unwrap_or_default());
    }
}

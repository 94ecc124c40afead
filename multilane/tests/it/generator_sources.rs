//! The sources of a generated workspace, and the state of what they read.

use std::fmt::Write as _;
use std::path::Path;

use crate::generator_common::{Common, TEXTS, number_of};
use crate::generator_draw::{Drawn, Piece, Reader, Source};
use crate::support::{INCLUDE, Project, put, put_script};

/// Of a workspace that was drawn: what is written where.
pub(crate) struct Sources<'a> {
    pub(crate) drawn: &'a Drawn,
    pub(crate) common: &'a Common,
}

/// Code that is a block of Rust, with the value of a `String`.
type Code = String;

impl Sources<'_> {
    /// The package of most build scripts.
    pub(crate) fn base(&self) -> &'static str {
        if self.drawn.merged { "crates/app" } else { "crates/base" }
    }

    /// The package whose directory the code has.
    fn package(&self, piece: &Piece) -> &'static str {
        match piece.reader {
            Reader::MacrosScript => "crates/macros",
            Reader::Linker | Reader::Native => "crates/app",
            Reader::VendoredScript => "vendor/vendored",
            Reader::BesideScript => "../beside",
            reader if reader.is_script() => self.base(),
            _ => "crates/app",
        }
    }

    /// The file that is read, from the root of the tree.
    pub(crate) fn file(&self, piece: &Piece) -> String {
        let (number, package) = (piece.number, self.package(piece));
        match (piece.reader, piece.source) {
            (Reader::LinkFlags, _) => format!("link{number}.args"),
            (Reader::Wrapper, _) => "tools/wrapper.sh".to_owned(),
            (Reader::LinkerScript, _) => "tools/linker.sh".to_owned(),
            (Reader::Native, _) => format!("libs/libblob{number}.a"),
            (Reader::Rustc, Source::FileHere) => format!("crates/app/src/part{number}.rs"),
            (Reader::Rustc, Source::FileOfOther) => format!("crates/other/src/part{number}.rs"),
            (reader, Source::FileHere) if !reader.is_script() => format!("here{number}.txt"),
            (_, Source::FileHere) => format!("{package}/here{number}.txt"),
            (_, Source::FileOfRoot | Source::FileAtPlace) => format!("root{number}.txt"),
            (_, Source::FileOfOther) => format!("crates/other/data{number}.txt"),
            (_, Source::FileBeside) => format!("../beside{number}.txt"),
            (_, Source::IgnoredFile) => format!("{package}/secret{number}.local"),
            (_, Source::FileInTarget) => format!("target/made{number}/file.txt"),
            (_, Source::FileInSubmodule) => format!("submodule/data{number}.txt"),
            (_, Source::FileAboveOutDir) => format!("climb{number}.txt"),
            (_, Source::Names) => format!("names{number}/one"),
            (_, Source::Configured) => ".cargo/config.toml".to_owned(),
            _ => format!("{package}/data{number}.txt"),
        }
    }

    /// What says what is read.
    fn code(&self, piece: &Piece) -> Code {
        let number = piece.number;
        let read =
            |path: &str| format!("std::fs::read_to_string({path}).unwrap_or(\"none\".to_owned())");
        let of_dir = |inside: String| {
            read(&format!("std::env::var(\"CARGO_MANIFEST_DIR\").unwrap() + \"/{inside}\""))
        };
        let git = |args: &str| {
            format!(
                "String::from_utf8(std::process::Command::new(\"git\").args({args:?}.split(' ')).output().unwrap().stdout).unwrap()"
            )
        };
        let variable =
            |name: &str| format!("std::env::var(\"{name}\").unwrap_or(\"unset\".to_owned())");
        match piece.source {
            Source::FileHere => read(&format!("\"here{number}.txt\"")),
            Source::FileOfPackage => of_dir(format!("data{number}.txt")),
            Source::IgnoredFile => of_dir(format!("secret{number}.local")),
            Source::FileOfRoot
            | Source::FileOfOther
            | Source::FileBeside
            | Source::FileInTarget
            | Source::FileInSubmodule => of_dir(format!("../../{}", self.file(piece))),
            Source::FileAtPlace => read(&format!(
                "std::env::var(\"PLACE{number}\").unwrap_or_default() + \"/root{number}.txt\""
            )),
            Source::FileAboveOutDir => format!(
                "std::path::PathBuf::from(std::env::var(\"OUT_DIR\").unwrap_or_default()).ancestors().find_map(|dir| std::fs::read_to_string(dir.join(\"climb{number}.txt\")).ok()).unwrap_or(\"none\".to_owned())"
            ),
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
    fn shown(&self, piece: &Piece) -> String {
        let number = piece.number;
        match piece.reader {
            Reader::Macro | Reader::MacrosScript => format!("macros::data{number}!()"),
            Reader::MacroOnceRemoved => format!("facade::macros::data{number}!()"),
            Reader::MacroTwiceRemoved => format!("outer::facade::macros::data{number}!()"),
            Reader::VendoredMacro => format!("vmacros::data{number}!()"),
            Reader::VendoredScript => format!("vendored::text{number}()"),
            Reader::BesideScript => format!("beside::text{number}()"),
            Reader::OutsideScript if piece.source == Source::OutDir => {
                "outtool::generated()".to_owned()
            }
            Reader::OutsideScript if piece.source == Source::FileAboveOutDir => {
                format!("outclimb::text{number}()")
            }
            Reader::OutsideScript => format!("outtool::text{number}()"),
            Reader::OutsideMacro => {
                let call = match piece.source {
                    Source::FileHere => format!("here!(\"here{number}.txt\")"),
                    Source::FileOfPackage => format!("of_package!(\"data{number}.txt\")"),
                    Source::FileOfRoot => format!("of_package!(\"../../root{number}.txt\")"),
                    Source::Names => format!("names!(\"../../names{number}\")"),
                    Source::Variable => format!("variable!(\"VARIABLE{number}\")"),
                    Source::Configured => format!("variable!(\"CONFIGURED{number}\")"),
                    Source::ConfiguredPlace => format!("variable!(\"PLACE{number}\")"),
                    Source::Commit => "git!(\"log -1 --format=%s\")".to_owned(),
                    Source::Branch => "git!(\"branch --show-current\")".to_owned(),
                    Source::OutDir => "variable!(\"OUT_DIR\")".to_owned(),
                    _ => "place!()".to_owned(),
                };
                format!("outfacade::outinner::outreader::{call}")
            }
            Reader::Linker => format!("linked{number}()"),
            Reader::LinkFlags => format!("(&raw const MAGIC{number} as usize)"),
            Reader::Wrapper => format!("WRAPPED{number}"),
            Reader::LinkerScript => format!("unsafe {{ blob{number}() }}"),
            Reader::Metadata => format!("env!(\"META{number}\")"),
            Reader::Native => format!("unsafe {{ blob{number}() }}"),
            Reader::Rustc => match piece.source {
                Source::FileHere => format!("part{number}::TEXT"),
                Source::FileOfOther => format!("shared{number}::TEXT"),
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

    /// Whether the workspace needs this package.
    fn has(&self, package: &str) -> bool {
        const MACROS: [Reader; 4] = [
            Reader::MacroTwiceRemoved,
            Reader::MacroOnceRemoved,
            Reader::Macro,
            Reader::MacrosScript,
        ];
        let pieces = &self.drawn.pieces;
        let any = |readers: &[Reader]| pieces.iter().any(|piece| readers.contains(&piece.reader));
        match package {
            "base" => !self.drawn.merged,
            "helper" => any(&[Reader::ScriptsLibrary]),
            "other" => pieces.iter().any(|piece| piece.source == Source::FileOfOther),
            "macros" => any(&MACROS),
            "facade" => any(&MACROS[..2]),
            "outer" => any(&MACROS[..1]),
            "beside" => any(&[Reader::BesideScript]),
            "vendored" => any(&[Reader::VendoredScript]),
            "vmacros" => any(&[Reader::VendoredMacro]),
            "outfacade" | "outinner" | "outreader" => any(&[Reader::OutsideMacro]),
            "outtool" | "outclimb" => self.is_shown_by_any(package),
            _ => true,
        }
    }

    /// Whether the program names it: what it gets through others it does not.
    fn is_shown_by(&self, dependency: &str) -> bool {
        self.has(dependency) && (dependency == "base" || self.is_shown_by_any(dependency))
    }

    fn is_shown_by_any(&self, dependency: &str) -> bool {
        let names = |piece: &Piece| self.shown(piece).starts_with(&format!("{dependency}::"));
        self.drawn.pieces.iter().any(names)
    }

    /// Writes all sources, and what they read, into a new directory.
    pub(crate) fn write(&self, project: &Project) {
        project.write(
            ".gitignore",
            "/target/\n/.lanes/\n/.cargo/wrapper/\n*.local\n/crates/*/src/made*.rs\n",
        );
        let profile = format!(
            "debug = {}\nincremental = {}\n{}",
            if self.drawn.debug { "\"line-tables-only\"" } else { "0" },
            self.drawn.incremental,
            if self.drawn.incremental { "" } else { "codegen-units = 1\n" }
        );
        project.write(
            "Cargo.toml",
            &format!(
                "[workspace]\nresolver = \"3\"\nmembers = [\"crates/*\"]\n[profile.dev]\n{profile}"
            ),
        );
        self.write_packages(project);
        self.write_sources(project);
        if self.drawn.pieces.iter().any(|piece| piece.source == Source::FileInSubmodule) {
            self.add_submodule(project, &project.root);
            let text = "[submodule \"submodule\"]\n\tpath = submodule\n\turl = ../submodule\n";
            project.write(".gitmodules", text);
        }
        for piece in &self.drawn.pieces {
            self.write_state(&project.root, piece, "one");
        }
        self.write_configuration(&project.root, "one");
    }

    /// As git does for a submodule, in a tenth of the time.
    pub(crate) fn add_submodule(&self, project: &Project, root: &Path) {
        let inner = root.join("submodule");
        let mut command = project.command("cp");
        let status = command.arg("-a").arg(self.common.submodule()).arg(&inner).status();
        assert!(status.expect("cp starts").success());
    }

    fn write_packages(&self, project: &Project) {
        let build = if self.drawn.merged { "app" } else { "base" };
        let helper = "[build-dependencies]\nhelper = { path = \"../helper\" }\n";
        let mut packages: Vec<(&str, Vec<&str>)> = Vec::new();
        for (name, rest, dependencies) in [
            ("base", "", &[][..]),
            ("helper", "", &[]),
            ("other", "", &[]),
            ("macros", "[lib]\nproc-macro = true", &[]),
            ("facade", "", &["macros"]),
            ("outer", "", &["facade"]),
            ("beside", "", &[]),
            ("vendored", "", &[]),
            ("vmacros", "[lib]\nproc-macro = true", &[]),
            (
                "app",
                "",
                &[
                    "base",
                    "beside",
                    "facade",
                    "macros",
                    "outclimb",
                    "outer",
                    "outfacade",
                    "outtool",
                    "vendored",
                    "vmacros",
                ],
            ),
        ] {
            if !self.has(name) {
                continue;
            }
            let tells = |piece: &Piece| piece.reader == Reader::Metadata;
            let rest = match name {
                "base" if self.drawn.pieces.iter().any(tells) => "links = \"base\"",
                _ => rest,
            };
            let mut text = format!(
                "[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n{rest}\n[dependencies]\n"
            );
            let is_needed = |dependency: &&&str| match name {
                "app" => self.is_shown_by(dependency),
                _ => self.has(dependency),
            };
            let mut locked = Vec::new();
            for dependency in dependencies.iter().filter(is_needed) {
                locked.push(*dependency);
                text += &match *dependency {
                    "beside" => "beside = { path = \"../../../beside\" }".to_owned(),
                    "vendored" | "vmacros" => format!("{dependency} = \"0.1.0\""),
                    "outfacade" | "outclimb" => self.common.dependency(dependency, ""),
                    "outtool" => self.common.dependency("outtool", self.tools_features()),
                    _ => format!("{dependency} = {{ path = \"../{dependency}\" }}"),
                };
                text += "\n";
            }
            if name == build && self.has("helper") {
                text += helper;
                locked.push("helper");
                locked.sort_unstable();
            }
            let dir = dir_of(name);
            if dir.starts_with("../") {
                text += "[workspace]\n";
            }
            project.write(&format!("{dir}/Cargo.toml"), &text);
            if dir.starts_with("vendor/") {
                let text = format!("{{\"files\":{{}},\"package\":\"{CHECKSUM}\"}}");
                project.write(&format!("{dir}/.cargo-checksum.json"), &text);
            }
            packages.push((name, locked));
        }
        for (name, dependencies) in [
            ("outfacade", vec!["outinner"]),
            ("outinner", vec!["outreader"]),
            ("outreader", vec![]),
            ("outtool", vec![]),
            ("outclimb", vec![]),
        ] {
            if self.has(name) {
                packages.push((name, dependencies));
            }
        }
        packages.sort_unstable();
        project.write("Cargo.lock", &self.lockfile(&packages));
    }

    /// As cargo would write it.
    fn lockfile(&self, packages: &[(&str, Vec<&str>)]) -> String {
        let mut text = "# This file is automatically @generated by Cargo.\n\
            # It is not intended for manual editing.\nversion = 4\n"
            .to_owned();
        for (name, dependencies) in packages {
            writeln!(text, "\n[[package]]\nname = \"{name}\"\nversion = \"0.1.0\"").expect("text");
            if name.starts_with("out") && *name != "outer" {
                let (address, commit) = (self.common.address(), &self.common.outside);
                writeln!(text, "source = \"git+{address}#{commit}\"").expect("text");
            } else if dir_of(name).starts_with("vendor/") {
                let index = "registry+https://github.com/rust-lang/crates.io-index";
                writeln!(text, "source = \"{index}\"\nchecksum = \"{CHECKSUM}\"").expect("text");
            }
            if !dependencies.is_empty() {
                text += "dependencies = [\n";
                for dependency in dependencies {
                    writeln!(text, " \"{dependency}\",").expect("text");
                }
                text += "]\n";
            }
        }
        text
    }

    fn tools_features(&self) -> &'static str {
        let is_tools = |piece: &&Piece| {
            piece.reader == Reader::OutsideScript && piece.source != Source::FileAboveOutDir
        };
        let mut tools = self.drawn.pieces.iter().filter(is_tools);
        match tools.next().map(|piece| piece.source) {
            Some(Source::FileAtPlace) => "\"at_place\"",
            _ => "",
        }
    }

    fn write_sources(&self, project: &Project) {
        let mut base = "pub fn plain() -> &'static str { \"plain\" }\n\
            pub fn here() -> &'static str { std::panic::Location::caller().file() }\n"
            .to_owned();
        let (mut linking, mut items) = (String::new(), String::new());
        let (mut script, mut macros_script) = (String::new(), String::new());
        let (mut helper, mut macros, mut app) = (String::new(), String::new(), String::new());
        let (mut vendored, mut vendored_script) = (String::new(), String::new());
        let (mut beside, mut beside_script) = (String::new(), String::new());
        let mut vmacros = String::new();
        let mut reruns: Vec<String> = Vec::new();
        for piece in &self.drawn.pieces {
            let (number, code) = (piece.number, self.code(piece));
            writeln!(
                app,
                "println!(\"{number} {{}}\", {}.to_string().trim().replace('\\n', \"|\"));",
                self.shown(piece)
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
            let macro_of = |code: &str| {
                format!(
                    "#[proc_macro] pub fn data{number}(_: proc_macro::TokenStream) -> proc_macro::TokenStream {{\n\
                     let text: String = {{ {code} }}; format!(\"{{text:?}}\").parse().unwrap() }}\n"
                )
            };
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
                            reruns.push(format!("changed=../../{}", self.file(piece)));
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
                        "#[path = \"{name}{number}.rs\"] mod {name}{number}; pub use {name}{number}::text as text{number};"
                    )
                    .expect("a string");
                    if piece.reader == Reader::Rewriter {
                        project.write(
                            &self.rewritten(piece),
                            "pub fn text() -> &'static str { \"old\" }",
                        );
                    }
                }
                Reader::Linker => {
                    writeln!(linking, "link({number}, &{code});").expect("a string");
                    writeln!(items, "unsafe extern \"C\" {{ fn text_{number}() -> *const std::ffi::c_char; }}\n\
                        fn linked{number}() -> String {{ unsafe {{ std::ffi::CStr::from_ptr(text_{number}()) }}.to_str().unwrap().to_owned() }}").expect("a string");
                }
                Reader::LinkFlags => {
                    writeln!(items, "unsafe extern \"C\" {{ static MAGIC{number}: u8; }}")
                        .expect("a string");
                }
                Reader::Native => {
                    writeln!(linking, "println!(\"cargo::rerun-if-changed=build.rs\"); println!(\"cargo::rustc-link-search=native=libs\"); println!(\"cargo::rustc-link-lib=static=blob{number}\");").expect("a string");
                    writeln!(items, "unsafe extern \"C\" {{ fn blob{number}() -> i32; }}")
                        .expect("a string");
                }
                Reader::Macro | Reader::MacroOnceRemoved | Reader::MacroTwiceRemoved => {
                    macros += &macro_of(&code);
                }
                Reader::VendoredMacro => vmacros += &macro_of(&code),
                Reader::MacrosScript => {
                    macros_script += "println!(\"cargo::rerun-if-changed=build.rs\");";
                    macros_script += &named(&code);
                    macros += &macro_of(&format!("env!(\"TEXT{number}\").to_owned()"));
                }
                Reader::Wrapper => {
                    for text in TEXTS {
                        writeln!(
                            items,
                            "#[cfg(wrapped = {text:?})] const WRAPPED{number}: &str = {text:?};"
                        )
                        .expect("a string");
                    }
                }
                Reader::LinkerScript => {
                    writeln!(items, "unsafe extern \"C\" {{ fn blob{number}() -> i32; }}")
                        .expect("a string");
                }
                Reader::Metadata => {
                    reruns.push("changed=build.rs".to_owned());
                    writeln!(script, "println!(\"cargo::metadata=text{number}={{}}\", {code}.trim().replace('\\n', \"|\"));").expect("a string");
                    writeln!(linking, "println!(\"cargo::rerun-if-changed=build.rs\"); println!(\"cargo::rustc-env=META{number}={{}}\", std::env::var(\"DEP_BASE_TEXT{number}\").unwrap_or(\"unset\".to_owned()));").expect("a string");
                }
                Reader::VendoredScript => {
                    vendored_script += &named(&code);
                    vendored += &text;
                }
                Reader::BesideScript => {
                    beside_script += "println!(\"cargo::rerun-if-changed=build.rs\");";
                    beside_script += &named(&code);
                    beside += &text;
                }
                Reader::Rustc => match piece.source {
                    Source::FileHere => {
                        writeln!(items, "mod part{number};").expect("a string");
                    }
                    Source::FileOfOther => writeln!(
                        items,
                        "#[path = \"../../other/src/part{number}.rs\"] mod shared{number};"
                    )
                    .expect("a string"),
                    _ => {}
                },
                Reader::OutsideMacro | Reader::OutsideScript => {}
            }
        }
        let names_nothing =
            self.drawn.pieces.iter().any(|piece| piece.reader == Reader::SilentScript);
        for rerun in reruns.iter().filter(|_| !names_nothing) {
            writeln!(script, "println!(\"cargo::rerun-if-{rerun}\");").expect("a string");
        }
        let write = |package: &str, path: &str, text: &str| {
            if self.has(package) {
                put(&project.root.join(dir_of(package)), path, text);
            }
        };
        let main_of = |script: &str| format!("fn main() {{ {script} }}\n");
        let write_script = |package: &str, script: &str, rest: &str| {
            if !script.is_empty() {
                write(package, "build.rs", &(main_of(script) + rest));
            }
        };
        let mut link = if linking.contains("link(") { LINK } else { "" };
        if self.drawn.merged {
            write("app", "src/base.rs", &base);
            items += "mod base;\n";
            linking += &script;
        } else {
            write("base", "src/lib.rs", &base);
            write_script("base", &script, "");
        }
        write_script("app", &linking, std::mem::take(&mut link));
        write_script("macros", &macros_script, "");
        write_script("vendored", &vendored_script, "");
        write_script("beside", &beside_script, "");
        write("helper", "src/lib.rs", &helper);
        write("other", "src/lib.rs", "");
        write("macros", "src/lib.rs", &macros);
        write("vmacros", "src/lib.rs", &vmacros);
        write("vendored", "src/lib.rs", &vendored);
        write("beside", "src/lib.rs", &beside);
        write("facade", "src/lib.rs", "pub use macros;");
        write("outer", "src/lib.rs", "pub use facade;");
        let main = format!(
            "{items}fn main() {{ println!(\"- {{}} {{}} {{}}\", base::plain(), base::here(), file!());\n{app} }}\n"
        );
        write("app", "src/main.rs", &main);
        write(
            "app",
            "tests/it.rs",
            "#[test] fn says() { let said = std::process::Command::new(env!(\"CARGO_BIN_EXE_app\")).output().unwrap();\n\
             print!(\"{}\", String::from_utf8(said.stdout).unwrap()); }\n",
        );
    }

    /// What a build script writes over.
    pub(crate) fn rewritten(&self, piece: &Piece) -> String {
        format!("{}/src/rewritten{}.rs", self.base(), piece.number)
    }

    /// What a piece reads, where that is a file.
    pub(crate) fn write_state(&self, root: &Path, piece: &Piece, text: &str) {
        let file = self.file(piece);
        match (piece.reader, piece.source) {
            (_, Source::Configured) => self.write_configuration(root, text),
            (_, Source::Names) if text != "one" => {
                put(root.join(&file).parent().expect("a parent"), text, "");
            }
            (Reader::LinkFlags, _) => {
                let number = number_of(text);
                put(root, &file, &format!("-Wl,--defsym,MAGIC{}={number}", piece.number));
            }
            (Reader::Wrapper, _) => {
                put_script(root, &file, &format!("exec \"$@\" --cfg 'wrapped=\"{text}\"'"));
            }
            (Reader::LinkerScript, _) => {
                let library = self.common.library_file(piece.number, text);
                put_script(root, &file, &format!("exec cc \"$@\" '{}'", library.display()));
            }
            (Reader::Native, _) => {
                let file = root.join(file);
                std::fs::create_dir_all(file.parent().expect("a parent")).expect("a directory");
                let library = self.common.library(piece.number, text);
                std::fs::write(&file, library).expect("it can be written");
            }
            (Reader::Rustc, Source::FileHere | Source::FileOfOther) => {
                put(root, &file, &format!("pub const TEXT: &str = {text:?};\n"));
            }
            _ => put(root, &file, text),
        }
    }

    pub(crate) fn write_configuration(&self, root: &Path, text: &str) {
        let mut config = String::new();
        if self.drawn.adopted {
            config += INCLUDE;
        }
        let mut flags = String::new();
        for piece in self.drawn.pieces.iter().filter(|piece| piece.reader == Reader::LinkFlags) {
            write!(flags, "\"-Clink-arg=@{}\", ", self.file(piece)).expect("a string");
        }
        if !flags.is_empty() {
            let fixed = "\"-Crelocation-model=static\", \"-Clink-arg=-no-pie\"";
            writeln!(config, "build.rustflags = [{flags}{fixed}]").expect("a string");
        }
        let uses = |reader: Reader| self.drawn.pieces.iter().any(|piece| piece.reader == reader);
        if uses(Reader::Wrapper) {
            config += "build.rustc-wrapper = \"tools/wrapper.sh\"\n";
        }
        if uses(Reader::LinkerScript) {
            config += "[target.'cfg(unix)']\nlinker = \"tools/linker.sh\"\n";
        }
        if self.has("vendored") || self.has("vmacros") {
            config += "[source.crates-io]\nreplace-with = \"vendored\"\n[source.vendored]\ndirectory = \"vendor\"\n";
        }
        config += "[env]\n";
        for Piece { number, .. } in &self.drawn.pieces {
            writeln!(config, "CONFIGURED{number} = \"{text}\"\nPLACE{number} = {{ value = \"\", relative = true }}").expect("a string");
        }
        put(root, ".cargo/config.toml", &config);
    }
}

const CHECKSUM: &str = "00000000000000000000000000000000000000000000000000000000000000aa";

/// Where a package lies, from the root of the workspace.
fn dir_of(package: &str) -> String {
    match package {
        "beside" => "../beside".to_owned(),
        "vendored" | "vmacros" => format!("vendor/{package}"),
        _ => format!("crates/{package}"),
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

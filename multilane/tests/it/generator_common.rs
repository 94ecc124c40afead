//! What all generated workspaces share: packages from git, a repository for submodules, static
//! libraries, the toolchain's own directory.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use crate::support::Project;

/// The texts that a file can have, and the numbers for those that hold one.
pub(crate) const TEXTS: [&str; 7] = ["zero", "one", "two", "three", "four", "five", "six"];

pub(crate) fn number_of(text: &str) -> usize {
    1111 * (1 + TEXTS.iter().position(|known| *known == text).expect("a known text"))
}

pub(crate) struct Common {
    project: Project,
    /// Where workspaces are made.
    pub(crate) place: PathBuf,
    /// `PATH` with the toolchain's own programs first: rustup's take 20 ms more for each call.
    path: String,
    /// The commit of the packages from git.
    pub(crate) outside: String,
    libraries: Mutex<HashMap<(usize, String), Vec<u8>>>,
    /// What rustc has answered to cargo.
    pub(crate) rustc_info: Mutex<Option<Vec<u8>>>,
}

/// The macros of a package from git. All read what they are told.
const READER: &str = r#"
use proc_macro::TokenStream;
fn told(input: TokenStream) -> String { input.to_string().trim_matches('"').to_owned() }
fn quoted(text: String) -> TokenStream { format!("{text:?}").parse().unwrap() }
fn read(path: String) -> TokenStream { quoted(std::fs::read_to_string(path).unwrap_or("none".to_owned())) }
fn dir() -> String { std::env::var("CARGO_MANIFEST_DIR").unwrap() }
#[proc_macro] pub fn here(path: TokenStream) -> TokenStream { read(told(path)) }
#[proc_macro] pub fn of_package(path: TokenStream) -> TokenStream { read(dir() + "/" + &told(path)) }
#[proc_macro] pub fn names(path: TokenStream) -> TokenStream {
    quoted(std::fs::read_dir(dir() + "/" + &told(path)).into_iter().flatten().count().to_string())
}
#[proc_macro] pub fn variable(name: TokenStream) -> TokenStream {
    quoted(std::env::var(told(name)).unwrap_or("unset".to_owned()))
}
#[proc_macro] pub fn git(args: TokenStream) -> TokenStream {
    let output = std::process::Command::new("git").args(told(args).split(' ')).output().unwrap();
    quoted(String::from_utf8(output.stdout).unwrap())
}
#[proc_macro] pub fn place(_: TokenStream) -> TokenStream {
    quoted(std::env::current_dir().unwrap().display().to_string())
}
"#;

/// The build script of a package from git. A feature says what it reads.
const TOOLS_SCRIPT: &str = r#"
use std::path::Path;
fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let out = std::env::var("OUT_DIR").unwrap();
    let read = |path: &Path| std::fs::read_to_string(path).ok();
    let places = ["PLACE0", "PLACE1", "PLACE2"];
    for number in 0..3 {
        let text = if cfg!(feature = "at_place") {
            std::env::var(places[number]).ok().and_then(|place| read(&Path::new(&place).join(format!("root{number}.txt"))))
        } else {
            std::env::var(format!("CONFIGURED{number}")).ok()
        };
        println!("cargo::rustc-env=TEXT{number}={}", text.unwrap_or("none".to_owned()).trim());
    }
    std::fs::write(out + "/tool.txt", "the tool").unwrap();
}
"#;

/// That of another package, which knows nothing but where it writes.
const CLIMBING_SCRIPT: &str = r#"
fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let out = std::env::var("OUT_DIR").unwrap();
    for number in 0..3 {
        let mut found = std::path::Path::new(&out).ancestors()
            .filter_map(|dir| std::fs::read_to_string(dir.join(format!("climb{number}.txt"))).ok());
        println!("cargo::rustc-env=TEXT{number}={}", found.next().unwrap_or("none".to_owned()).trim());
    }
}
"#;

const TOOL: &str = r#"
pub fn text0() -> String { env!("TEXT0").to_owned() }
pub fn text1() -> String { env!("TEXT1").to_owned() }
pub fn text2() -> String { env!("TEXT2").to_owned() }
pub fn generated() -> String { std::fs::read_to_string(concat!(env!("OUT_DIR"), "/tool.txt")).unwrap_or("none".to_owned()) }
"#;

impl Common {
    pub(crate) fn new() -> Common {
        let place = std::env::var_os("MULTILANE_GENERATOR_PLACE").map(PathBuf::from);
        let place = place.unwrap_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")));
        let mut project = Project::below(&place);
        let sysroot = project.command("rustc").args(["--print", "sysroot"]).output();
        let sysroot = String::from_utf8(sysroot.expect("rustc starts").stdout).expect("UTF-8");
        let bin = Path::new(sysroot.trim()).join("bin");
        let path = std::env::var_os("PATH").expect("a PATH");
        let paths = std::iter::once(bin).chain(std::env::split_paths(&path));
        let path = std::env::join_paths(paths).expect("paths").into_string().expect("UTF-8");

        let package = |name: &str, rest: &str| {
            format!(
                "[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n{rest}\n"
            )
        };
        for (name, rest, source) in [
            ("reader", "[lib]\nproc-macro = true", READER),
            ("inner", "[dependencies]\noutreader = { path = \"../reader\" }", "pub use outreader;"),
            ("facade", "[dependencies]\noutinner = { path = \"../inner\" }", "pub use outinner;"),
            ("tool", "[features]\nat_place = []", TOOL),
            ("climb", "", TOOL.split("pub fn generated").next().expect("it is there")),
        ] {
            project.write(&format!("{name}/Cargo.toml"), &package(&format!("out{name}"), rest));
            project.write(&format!("{name}/src/lib.rs"), source);
        }
        project.write("tool/build.rs", TOOLS_SCRIPT);
        project.write("climb/build.rs", CLIMBING_SCRIPT);
        project.commit();
        let outside = project.git(&["rev-parse", "HEAD"]).trim().to_owned();
        project.git(&["clone", "--quiet", "--bare", ".", "../outside"]);

        // Another repository, for submodules.
        project.write("submodule/data0.txt", "one");
        project.write("submodule/data1.txt", "one");
        project.write("submodule/data2.txt", "one");
        let inner = project.root.join("submodule");
        project.git_in(&inner, &["init", "--quiet", "--initial-branch=main"]);
        project.git_in(&inner, &["add", "--all"]);
        project.git_in(&inner, &["commit", "--quiet", "--message=data"]);
        drop(std::fs::rename(inner, project.root.with_file_name("submodule")));

        project.set("PATH", &path);
        let mut common = Common {
            project,
            place,
            path,
            outside,
            libraries: Mutex::default(),
            rustc_info: Mutex::default(),
        };
        common.fetch();
        common
    }

    /// Fetches the packages from git once, for all workspaces.
    fn fetch(&mut self) {
        let home = self.cargo_home();
        std::fs::create_dir_all(&home).expect("a directory");
        self.project.write(
            "fetch/Cargo.toml",
            &format!(
                "[workspace]\n[package]\nname = \"fetch\"\nversion = \"0.1.0\"\n[dependencies]\n{}\n{}\n{}\n",
                self.dependency("outfacade", ""),
                self.dependency("outclimb", ""),
                self.dependency("outtool", "")
            ),
        );
        self.project.write("fetch/src/lib.rs", "");
        let call = self.project.cargo("fetch --quiet").within(self.project.root.join("fetch"));
        call.env("CARGO_HOME", &home).env("CARGO_NET_OFFLINE", "false").ok();
    }

    fn beside(&self, name: &str) -> PathBuf {
        self.project.root.with_file_name(name)
    }

    fn cargo_home(&self) -> PathBuf {
        self.beside("cargo-home")
    }

    pub(crate) fn submodule(&self) -> PathBuf {
        self.beside("submodule")
    }

    /// The address of the packages from git.
    pub(crate) fn address(&self) -> String {
        format!("file://{}", self.beside("outside").display()).replace(' ', "%20")
    }

    /// A dependency on one of these packages.
    pub(crate) fn dependency(&self, name: &str, features: &str) -> String {
        format!("{name} = {{ git = \"{}\", features = [{features}] }}", self.address())
    }

    /// A new directory for a workspace.
    pub(crate) fn project(&self, jobs: usize) -> Project {
        let mut project = Project::below(&self.place);
        project.set("PATH", &self.path);
        project.set("CARGO_HOME", self.cargo_home().to_str().expect("UTF-8"));
        if jobs > 1 {
            project.set("CARGO_BUILD_JOBS", "1");
        }
        project
    }

    /// The same as a file.
    pub(crate) fn library_file(&self, number: usize, text: &str) -> PathBuf {
        let bytes = self.library(number, text);
        let file = self.beside("library").join(format!("{number}{text}.a"));
        if !file.exists() {
            std::fs::write(&file, bytes).expect("it can be written");
        }
        file
    }

    /// A static library that returns the number of this text.
    pub(crate) fn library(&self, number: usize, text: &str) -> Vec<u8> {
        let mut libraries = self.libraries.lock().expect("no thread panics with it");
        let make = || {
            let dir = self.beside("library");
            std::fs::create_dir_all(&dir).expect("a directory");
            let script = format!(
                "echo 'int blob{number}(void) {{ return {}; }}' >blob.c && cc -c blob.c && rm -f blob.a && ar rcsD blob.a blob.o",
                number_of(text)
            );
            let mut command = self.project.command("sh");
            let status = command.current_dir(&dir).args(["-c", &script]).status();
            assert!(status.expect("sh starts").success());
            std::fs::read(dir.join("blob.a")).expect("bytes")
        };
        libraries.entry((number, text.to_owned())).or_insert_with(make).clone()
    }
}

//! The workspace that the agents work in: small, without dependencies from a registry, and with a
//! program whose output says what every package contained when it was compiled.
//!
//! ```text
//! app ── left ── macros (a procedural macro)
//!   │      └──── base ── dep (in vendor/, in two versions)
//!   └─── right ── base
//!          └──── generated (a build script reads data.txt) ── base
//! ```
//!
//! Each value that an edit changes has a line or a file of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::Context as _;
use multilane_engine::files;

/// Each with the crates that it depends on.
const CRATES: [(&str, &[&str]); 6] = [
    ("base", &["dep"]),
    ("generated", &["base"]),
    ("macros", &[]),
    ("left", &["base", "macros"]),
    ("right", &["base", "generated"]),
    ("app", &["left", "right"]),
];

/// The name of the program.
pub(super) const PROGRAM: &str = "app";

/// In the output of the program, in the place of the workspace's root.
const ROOT: &str = "<root>";

/// The version of the dependency is in the root manifest.
const VENDORED: [&str; 2] = ["vendor/dep-1", "vendor/dep-2"];

/// A path of a source, and its text.
pub(super) type Content = BTreeMap<PathBuf, String>;

/// One change of one crate, or of what all depend on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Edit {
    /// With the number that the crate's test expects, or another one.
    Number {
        number: usize,
        is_expected: bool,
    },
    Text(usize),
    /// A module with so many functions.
    Functions(usize),
    /// It does not compile.
    Broken,
    /// What the build script reads.
    Data(usize),
    /// The dependency, in another version.
    Update,
}

/// Writes the whole workspace into `root`.
pub(super) fn write(root: &Path, budget: &str) -> anyhow::Result<()> {
    let members: String = CRATES[..5]
        .iter()
        .map(|(name, _)| format!("{name} = {{ path = \"crates/{name}\" }}\n"))
        .collect();
    let manifest = format!(
        "[workspace]\nresolver = \"2\"\nmembers = [\"crates/*\"]\nexclude = [\"vendor\"]\n\n\
         [workspace.dependencies]\n{members}dep = {{ path = \"{}\" }}\n\n\
         [workspace.metadata.multilane]\ndisk = \"{budget}\"\n",
        VENDORED[0]
    );
    put(root, "Cargo.toml", &manifest)?;
    put(root, ".gitignore", "/target/\n/.lanes/\n/.cargo/wrapper/\n/.cargo/local.toml\n/*.txt\n")?;
    put(
        root,
        ".cargo/config.toml",
        "include = [{ path = \"wrapper/config.toml\", optional = true }]\n",
    )?;
    for (number, dir) in (1..).zip(VENDORED) {
        put(root, &format!("{dir}/Cargo.toml"), &package("dep", number, ""))?;
        let code = format!("pub fn tell() -> String {{\n    \"dep {number}\".to_owned()\n}}\n");
        put(root, &format!("{dir}/src/lib.rs"), &code)?;
    }
    for (name, dependencies) in CRATES {
        let mut more = String::new();
        if name == "macros" {
            more += "[lib]\nproc-macro = true\n\n";
        }
        more += "[dependencies]\n";
        more.extend(dependencies.iter().map(|name| format!("{name} = {{ workspace = true }}\n")));
        put(root, &format!("crates/{name}/Cargo.toml"), &package(name, 1, &more))?;
        put(root, &source(name), &code(name, dependencies))?;
        put(root, &extra(name), &functions(0))?;
    }
    put(root, "crates/generated/data.txt", "0\n")?;
    put(root, "crates/generated/build.rs", BUILD_SCRIPT)
}

/// It also writes what is large enough to be collected by itself.
const BUILD_SCRIPT: &str = r#"fn main() {
    println!("cargo::rerun-if-changed=data.txt");
    let data = std::fs::read_to_string("data.txt").expect("it is there");
    let var = |name: &str| std::env::var(name).expect("cargo sets it");
    let (out, place) = (var("OUT_DIR"), var("CARGO_MANIFEST_DIR"));
    let said = format!("data {} in {place}", data.trim());
    std::fs::write(format!("{out}/data.rs"), format!("{said:?}")).expect("it can be written");
    std::fs::write(format!("{out}/large"), vec![7_u8; 3 << 19]).expect("it can be written");
}
"#;

fn package(name: &str, version: usize, more: &str) -> String {
    format!(
        "[package]\nname = \"{name}\"\nversion = \"{version}.0.0\"\nedition = \"2021\"\n\n{more}"
    )
}

fn source(name: &str) -> String {
    format!("crates/{name}/src/{}.rs", if name == PROGRAM { "main" } else { "lib" })
}

fn extra(name: &str) -> String {
    format!("crates/{name}/src/extra.rs")
}

/// What it tells: its own values, then what its dependencies tell.
fn code(name: &str, dependencies: &[&str]) -> String {
    let mut parts = vec![format!("format!(\"{name} {{NUMBER}} {{TEXT}} {{}}\", extra::sum())")];
    for dependency in dependencies {
        parts.push(match *dependency {
            "macros" => "macros::tell!().to_owned()".to_owned(),
            other => format!("{other}::tell()"),
        });
    }
    match name {
        "generated" => {
            parts.push("include!(concat!(env!(\"OUT_DIR\"), \"/data.rs\")).to_owned()".to_owned())
        }
        "left" => parts.push("env!(\"CARGO_MANIFEST_DIR\").to_owned()".to_owned()),
        _ => {}
    }
    let start = match name {
        PROGRAM => "fn main() {\n    println!(\"{}\", tell());\n}\n\n",
        "macros" => {
            "#[proc_macro]\npub fn tell(_: proc_macro::TokenStream) -> proc_macro::TokenStream {\n    \
             format!(\"{:?}\", told()).parse().expect(\"a literal\")\n}\n\n"
        }
        _ => "",
    };
    let function = match name {
        PROGRAM => "fn tell",
        "macros" => "fn told",
        _ => "pub fn tell",
    };
    let parts = parts.join(",\n        ");
    format!(
        "mod extra;\n\nconst NUMBER: u32 = 0;\nconst TEXT: &str = \"0\";\n\n{start}\
         {function}() -> String {{\n    [\n        {parts},\n    ]\n    .join(\"\\n\")\n}}\n\n\
         #[cfg(test)]\nmod tests {{\n    const EXPECTED: u32 = 0;\n\n    #[test]\n    \
         fn the_number_is_as_expected() {{\n        assert_eq!(super::NUMBER, EXPECTED);\n    }}\n}}\n"
    )
}

fn functions(count: usize) -> String {
    let each = (0..count).map(|at| format!("fn f{at}() -> u32 {{\n    {at} + 1\n}}\n\n"));
    let calls: String = (0..count).map(|at| format!(" + f{at}()")).collect();
    format!("{}pub fn sum() -> u32 {{\n    0{calls}\n}}\n", each.collect::<String>())
}

fn put(root: &Path, name: &str, text: &str) -> anyhow::Result<()> {
    let path = root.join(name);
    path.parent().map_or(Ok(()), std::fs::create_dir_all)?;
    files::write_atomically(&path, text.as_bytes())
        .with_context(|| format!("cannot write {}", path.display()))
}

/// Writes `content` to another place.
pub(super) fn write_content(root: &Path, content: &Content) -> anyhow::Result<()> {
    content.iter().try_for_each(|(path, text)| put(root, &path.to_string_lossy(), text))
}

/// Which crate an edit drawn as `number` is about.
pub(super) fn crate_at(number: usize) -> &'static str {
    CRATES[number % CRATES.len()].0
}

/// Carries out an edit in the worktree at `root`.
pub(super) fn edit(root: &Path, name: &str, edit: Edit) -> anyhow::Result<()> {
    match edit {
        Edit::Number { number, is_expected } => {
            let expected = if is_expected { number } else { number + 100 };
            replace_line(root, &source(name), "const NUMBER: u32", &format!("{number};"))?;
            replace_line(root, &source(name), "const EXPECTED: u32", &format!("{expected};"))
        }
        Edit::Text(text) => {
            replace_line(root, &source(name), "const TEXT: &str", &format!("\"{text}\";"))
        }
        Edit::Functions(count) => put(root, &extra(name), &functions(count)),
        Edit::Broken => put(root, &extra(name), "pub fn sum() -> u32 {\n    \"no number\"\n}\n"),
        Edit::Data(data) => put(root, "crates/generated/data.txt", &format!("{data}\n")),
        Edit::Update => {
            let text = files::read_text(root.join("Cargo.toml"))?;
            let [old, new] = VENDORED;
            let (from, to) = if text.contains(old) { (old, new) } else { (new, old) };
            put(root, "Cargo.toml", &text.replace(from, to))
        }
    }
}

/// Gives a constant another value: the line's indentation and name stay.
fn replace_line(root: &Path, file: &str, name: &str, value: &str) -> anyhow::Result<()> {
    let text = files::read_text(root.join(file))?;
    let line = |line: &str| match line.split_once(name) {
        Some((indent, _)) => format!("{indent}{name} = {value}\n"),
        None => format!("{line}\n"),
    };
    put(root, file, &text.lines().map(line).collect::<String>())
}

/// What a build reads, and when each file was written.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Snapshot(BTreeMap<PathBuf, (SystemTime, String)>);

impl Snapshot {
    pub(super) fn read(root: &Path) -> anyhow::Result<Snapshot> {
        let mut paths: Vec<PathBuf> =
            ["Cargo.toml", "Cargo.lock", ".cargo/config.toml"].map(|name| root.join(name)).into();
        for dir in ["crates", "vendor"] {
            files::walk(&root.join(dir), &mut |path, meta| {
                paths.extend(meta.is_file().then(|| path.to_owned()));
            });
        }
        let mut found = BTreeMap::new();
        for path in paths {
            let of_file = (path.metadata()?.modified()?, files::read_text(&path)?);
            found.insert(path.strip_prefix(root)?.to_owned(), of_file);
        }
        Ok(Snapshot(found))
    }

    pub(super) fn content(&self) -> Content {
        self.0.iter().map(|(path, (_, text))| (path.clone(), text.clone())).collect()
    }

    /// The packages that have to be compiled since `then`: a file of theirs was written, or one of
    /// a package that they depend on.
    pub(super) fn changed_since(&self, then: &Snapshot) -> BTreeSet<&'static str> {
        let is_changed = |start: &str| {
            let of = |all: &Snapshot| -> Vec<(PathBuf, (SystemTime, String))> {
                let own = all.0.iter().filter(|(path, _)| path.starts_with(start));
                own.map(|(path, file)| (path.clone(), file.clone())).collect()
            };
            of(self) != of(then)
        };
        let all = ["Cargo.toml", "Cargo.lock", ".cargo", "vendor"].into_iter().any(is_changed);
        let mut changed = BTreeSet::from_iter(all.then_some("dep"));
        for (name, dependencies) in CRATES {
            let is_own = is_changed(&format!("crates/{name}"));
            if all || is_own || dependencies.iter().any(|name| changed.contains(name)) {
                changed.insert(name);
            }
        }
        changed
    }
}

/// What the program says, without the place at which it was built.
pub(super) fn placeless(output: &str, root: &Path) -> String {
    output.replace(&*root.to_string_lossy(), ROOT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_change_what_they_name_and_packages_that_depend_on_it() {
        let dir = std::env::temp_dir().join(format!("multilane-soak-test-{}", std::process::id()));
        write(&dir, "off").expect("it can be written");
        put(&dir, "Cargo.lock", "").expect("it can be written");
        let read = || Snapshot::read(&dir).expect("it is there");
        let before = read();
        assert!(before.changed_since(&before).is_empty());

        edit(&dir, "right", Edit::Number { number: 7, is_expected: true }).expect("it works");
        let code = files::read_text(dir.join("crates/right/src/lib.rs")).expect("it is there");
        assert!(code.contains("\nconst NUMBER: u32 = 7;\n"), "{code}");
        assert!(code.contains("\n    const EXPECTED: u32 = 7;\n"), "{code}");
        assert_eq!(read().changed_since(&before), BTreeSet::from(["app", "right"]));

        edit(&dir, "base", Edit::Update).expect("it works");
        assert_eq!(read().changed_since(&before).len(), 7);
        assert_eq!(placeless("in /a/b/crates", Path::new("/a/b")), "in <root>/crates");
        files::delete_dir(&dir).expect("it can be deleted");
    }
}

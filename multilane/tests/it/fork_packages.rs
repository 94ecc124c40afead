//! For tests of forks: the package `dep`, which is no member of the workspace, and the ways to
//! depend on it.

use std::path::{Path, PathBuf};

use crate::fork::saying;
use crate::support::{Project, put};

const MANIFEST: &str = "[package]\nname = \"dep\"\nversion = \"1.0.0\"\nedition = \"2024\"\n[workspace]\n[lints.rust]\n";

/// The package, whose `TEXT` is this.
pub(crate) fn put_dependency(dir: &Path, text: &str) {
    put(dir, "Cargo.toml", MANIFEST);
    put(dir, "src/lib.rs", &library(text));
}

pub(crate) fn library(text: &str) -> String {
    format!("pub const TEXT: &str = \"{text}\";\n")
}

/// The same, whose `TEXT` is what this block of its build script says.
pub(crate) fn put_scripted(dir: &Path, block: &str) {
    put(dir, "Cargo.toml", MANIFEST);
    put(dir, "build.rs", &saying(block));
    put(dir, "src/lib.rs", "pub const TEXT: &str = env!(\"TEXT\");\n");
}

/// `app` prints the `TEXT` of `dep`, which is to be had in this way.
pub(crate) fn depend(project: &Project, how: &str) {
    project
        .append("crates/app/Cargo.toml", &format!("dep = {how}\n"))
        .write("crates/app/src/main.rs", "fn main() { println!(\"{}\", dep::TEXT); }\n");
    project.cargo("generate-lockfile").ok();
    project.commit();
}

/// crates.io is this directory, with `dep` in it as `cargo vendor` leaves it. Without checksums of
/// files: with them cargo refuses what was edited.
pub(crate) fn vendor(project: &Project, dir: &Path, source: &str) {
    let configured = format!(
        "[source.crates-io]\nreplace-with = \"vendored\"\n[source.vendored]\ndirectory = {:?}\n",
        dir.to_str().expect("UTF-8")
    );
    project.write(".cargo/config.toml", &configured);
    let dep = project.root.join(dir).join("dep");
    put(&dep, "Cargo.toml", MANIFEST);
    put(&dep, "src/lib.rs", source);
    let checksum = format!("{{\"files\":{{}},\"package\":\"{}\"}}", "0".repeat(64));
    put(&dep, ".cargo-checksum.json", &checksum);
}

/// Commits what is in a directory, to a repository of its own. Returns its URL.
pub(crate) fn commit_in(project: &Project, dir: &Path) -> String {
    for args in
        [&["init", "--quiet"][..], &["add", "--all"], &["commit", "--quiet", "--message=state"]]
    {
        project.git_in(dir, args);
    }
    format!("file://{}", dir.to_str().expect("UTF-8").replace(' ', "%20"))
}

/// A repository with `dep` in it: its `TEXT` is `one` at the tag `one`, and so on. Returns its URL.
pub(crate) fn repository(project: &Project, name: &str, texts: &[&str]) -> String {
    let dir = project.root.with_file_name(name);
    let mut url = String::new();
    for text in texts {
        put_dependency(&dir, text);
        url = commit_in(project, &dir);
        project.git_in(&dir, &["tag", text]);
    }
    url
}

/// Its own, so that no test leaves anything in the user's. What is fetched into it is on this disk.
pub(crate) fn use_cargo_home(project: &mut Project, name: &str) -> PathBuf {
    let home = project.root.with_file_name(name);
    project.set("CARGO_NET_OFFLINE", "false");
    project.set("CARGO_HOME", home.to_str().expect("UTF-8"));
    home
}

/// On `dep` from git, whose `TEXT` is what this block of its build script says.
pub(crate) fn depend_on_git(project: &mut Project, block: &str) {
    use_cargo_home(project, "cargo home");
    let dir = project.root.with_file_name("dep");
    put_scripted(&dir, block);
    let url = commit_in(project, &dir);
    depend(project, &format!("{{ git = \"{url}\" }}"));
}

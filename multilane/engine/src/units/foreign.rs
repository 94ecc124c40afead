//! What lies in a target directory and was put there neither by cargo nor by a tool that is known
//! to keep its results there: by a build script, by a macro, by somebody.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::Metadata;
use std::path::{Path, PathBuf};

use crate::files::{self, OnDisk};
use crate::lanes::occupy::{RUSTC_INFO, is_own_name};
use crate::units::layout::{self, hash_in, profile_dirs};

/// At the top, and in the directories of the profiles.
pub fn foreign(target_dir: &Path) -> Vec<PathBuf> {
    const KNOWN: [&str; 15] = [
        "CACHEDIR.TAG",
        "cargo-timings",
        "criterion",
        "debug",
        "doc",
        "llvm-cov-target",
        "nextest",
        "package",
        "release",
        "rust-analyzer",
        "tmp",
        layout::XTASK,
        RUSTC_INFO,
        ".future-incompat-report.json",
        ".rustdoc_fingerprint.json",
    ];
    let profiles = profile_dirs(target_dir, false);
    let is_foreign = |name: &String| {
        !is_ours_or_a_lock(name)
            && !name.starts_with("flycheck")
            && !KNOWN.contains(&name.as_str())
            && !profiles.iter().any(|profile| profile.starts_with(name))
    };
    let top = files::names(target_dir).filter(is_foreign).map(|name| target_dir.join(name));
    let of_profiles = profiles.iter().flat_map(|profile| {
        let dir = target_dir.join(profile);
        let [deps, examples] = ["deps", "examples"].map(|name| dir.join(name));
        let compiled: HashSet<String> =
            [&deps, &examples].into_iter().flat_map(|dir| files::names(dir)).map(plain).collect();
        // Of cargo's, there are only directories in it.
        let build = dir.join("build");
        let in_build = files::names(&build).map(|name| build.join(name));
        let in_build: Vec<PathBuf> = in_build.filter(|path| path.is_file()).collect();
        let found = [deps, examples, dir].map(|dir| not_built(&dir, &compiled));
        found.into_iter().flatten().chain(in_build)
    });
    top.chain(of_profiles).collect()
}

/// `my_app` of `my_app-0123456789abcdef`: so is what cargo makes of it for people called.
fn plain(name: String) -> String {
    match hash_in(&name) {
        Some(hash) => name.replace(&format!("-{hash}"), ""),
        None => name,
    }
}

/// What cargo builds has a name with a hash, is a second name of such a file, or has a list of
/// sources beside it: `app.d`, for `libapp.so` too. The list comes last.
fn not_built(dir: &Path, compiled: &HashSet<String>) -> Vec<PathBuf> {
    const FOLDERS: [&str; 5] = ["build", "deps", "examples", "incremental", ".fingerprint"];
    const BUILT: [&str; 15] = [
        "", "a", "d", "dll", "dSYM", "dwp", "dylib", "exe", "exp", "js", "lib", "pdb", "rlib",
        "so", "wasm",
    ];
    let names: HashSet<String> = files::names(dir).collect();
    let has_list = |stem: &str| names.contains(&format!("{stem}.d"));
    let text = |part: Option<&OsStr>| part.unwrap_or_default().to_string_lossy().into_owned();
    // For a browser there is a script beside the program.
    let may_be_built = |stem: &str, end: &str| {
        BUILT.contains(&end) && (end != "js" || names.contains(&format!("{stem}.wasm")))
    };
    let is_of_units = ["deps", "examples"].iter().any(|name| dir.ends_with(name));
    let is_built = |name: &str| {
        let (stem, end) = (text(Path::new(name).file_stem()), text(Path::new(name).extension()));
        let has_list = has_list(&stem) || stem.strip_prefix("lib").is_some_and(has_list);
        let is_second_name = !dir.ends_with("deps") && compiled.contains(&name.replace('-', "_"));
        let has_hash = hash_in(name).is_some();
        (has_hash && is_of_units)
            || (may_be_built(&stem, &end)
                && (has_hash || has_list || is_second_name || is_uplifted(&dir.join(name))))
    };
    // rustc's own directories, of compilations that go on or were killed.
    let is_rustcs = |name: &str| name.starts_with("rmeta") || name.starts_with("rustc");
    let is_foreign = |name: &&String| {
        !FOLDERS.contains(&name.as_str())
            && !is_rustcs(name)
            && !is_ours_or_a_lock(name)
            && !is_built(name)
    };
    names.iter().filter(is_foreign).map(|name| dir.join(name)).collect()
}

/// Whether a file is a second name of something that cargo has built. In cargo's newer layout
/// nothing else tells, but that there are several.
fn is_uplifted(path: &Path) -> bool {
    let id = |path: &Path| {
        let meta = path.symlink_metadata().ok().filter(Metadata::is_file)?;
        let OnDisk { id, links, .. } = OnDisk::of(&meta);
        id.filter(|_| links > 1)
    };
    let Some(own) = id(path) else { return false };
    let dirs = ["deps", "examples"].map(|name| path.with_file_name(name));
    let mut built = dirs.iter().flat_map(|dir| files::names(dir).map(|name| dir.join(name)));
    !dirs[0].is_dir() || built.any(|other| id(&other) == Some(own))
}

fn is_ours_or_a_lock(name: &str) -> bool {
    is_own_name(name) || name.starts_with(".cargo-")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::scratch::Scratch;

    #[test]
    fn what_cargo_builds_is_told_from_what_lies_beside_it() {
        let scratch = Scratch::of_test("foreign");
        let dir = &scratch.dir.join("lane"); // Beside it is a lock of the directory's.
        let write = |name: &str| {
            let path = dir.join(name);
            std::fs::create_dir_all(path.parent().expect("it has one")).expect("it can be made");
            std::fs::write(path, "").expect("it can be written");
        };
        let known = [
            ".rustc_info.json",
            "CACHEDIR.TAG",
            "tmp/x",
            "debug/.cargo-lock",
            "debug/.fingerprint/app-0123456789abcdef/bin-app",
            "debug/app",
            "debug/app.d",
            "debug/libcore.d",
            "debug/libcore.rlib",
            "debug/deps/app-0123456789abcdef.d",
            "debug/deps/plugin.d",
            "debug/deps/libplugin.so",
            "debug/deps/rmetaAbC/full.rmeta",
            "debug/my-tool",
            "debug/deps/my_tool-0123456789abcdef",
        ];
        known.into_iter().for_each(write);
        #[cfg(unix)] // Elsewhere it is not told.
        std::fs::hard_link(dir.join("debug/deps/libplugin.so"), dir.join("debug/second.so"))
            .expect("a second name");
        assert_eq!(foreign(dir), Vec::<PathBuf>::new());
        let foreign_names = [
            ".gen",
            "debug/app.js",
            "debug/app.toml",
            "debug/asset-0123456789abcdef.css",
            "debug/build/shared.txt",
            "debug/deps/fixture.bin",
            "debug/native.so",
            "notes",
        ];
        foreign_names.into_iter().for_each(write);
        // A second name of something else.
        let second = dir.join("debug/other.so");
        std::fs::hard_link(dir.join("notes"), &second).expect("a second name");
        let mut found = foreign(dir);
        found.sort();
        let mut expected = foreign_names.map(|name| dir.join(name)).to_vec();
        expected.push(second);
        expected.sort();
        assert_eq!(found, expected);
    }
}

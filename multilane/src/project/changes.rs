//! What git knows of changed files.

use std::path::{Path, PathBuf};

use crate::process::Shell;
use crate::project::packages::normalized;
use crate::project::root::Repo;

/// The changed files, or why they cannot be known.
pub(crate) enum Changes {
    Known {
        /// What they were compared with, for people.
        base: String,
        /// Absolute. Deleted files are in it, and both names of renamed ones.
        files: Vec<PathBuf>,
    },
    Unknown {
        why: String,
    },
}

/// A line that may name a file by a path with `../` in it.
#[derive(Debug)]
pub(crate) struct Mention {
    pub(crate) file: PathBuf,
    pub(crate) line: String,
}

/// Compares the working tree with the merge base of `HEAD` and the main branch (or with `base`):
/// commits since then, what is staged, what is not, and files that git does not track and does not
/// ignore.
///
/// # Errors
///
/// When `base` was named by the user and is no commit.
pub(crate) fn read(sh: &Shell, repo: &Repo, base: Option<&str>) -> anyhow::Result<Changes> {
    let unknown = |why: &str| Ok(Changes::Unknown { why: why.to_owned() });
    let top = match top_level(sh, repo) {
        Ok(top) => top,
        Err(err) => return unknown(&why_no_git(&err)),
    };
    let git = |args: &[&str]| sh.read("git", args, &top);
    let line = |args: &[&str]| git(args).map(|out| String::from_utf8_lossy(&out).trim().to_owned());
    if line(&["rev-parse", "--verify", "--quiet", "HEAD"]).is_err() {
        return unknown("there is no commit yet");
    }

    let (base, commit) = if let Some(base) = base {
        let commit =
            line(&["rev-parse", "--verify", &format!("{base}^{{commit}}")]).map_err(|_| {
                anyhow::anyhow!(
                    "--base {base} names no commit here\nhelp: git fetch, or name another"
                )
            })?;
        (base.to_owned(), line(&["merge-base", "HEAD", &commit]).unwrap_or(commit))
    } else {
        let branches = main_branches(repo.settings.main_branch.as_deref(), &line);
        let [first, ..] = branches.as_slice() else {
            return Ok(Changes::Unknown {
                why:
                    "no main branch was found (set `main-branch` in [workspace.metadata.multilane])"
                        .to_owned(),
            });
        };
        // With several commits git takes the best common ancestor of HEAD and all of them together:
        // the nearest, whether the local branch or the remote one is ahead.
        let mut args = vec!["merge-base", "HEAD"];
        args.extend(branches.iter().map(String::as_str));
        match line(&args) {
            Ok(commit) => (first.clone(), commit),
            Err(_) => {
                return unknown(&format!(
                    "HEAD and {first} have no common commit here (a shallow clone?)"
                ));
            }
        }
    };

    // Without rename detection a renamed file is listed under both names, and so concerns both
    // packages. Whatever the user has configured for their own eyes (`diff.relative`, colours) is
    // put back to what a program can read.
    let options =
        ["--name-only", "--no-renames", "--no-relative", "--no-color", "--no-ext-diff", "-z"];
    let tracked = git(&[&["diff", "--ignore-submodules=none"], &options[..], &[&commit]].concat())?;
    let untracked = git(&["ls-files", "--others", "--exclude-standard", "-z"])?;
    let files = tracked.split(|&byte| byte == 0).chain(untracked.split(|&byte| byte == 0));
    let files =
        files.filter(|file| !file.is_empty()).map(|file| top.join(path_from(file))).collect();
    Ok(Changes::Known { base, files })
}

/// Whether two checkouts of the repository have the same sources for certain: one commit, and
/// nothing edited since.
pub(crate) fn are_same(sh: &Shell, one: &Path, other: &Path) -> bool {
    let commit =
        |dir: &Path| sh.read("git", ["rev-parse", "--verify", "--quiet", "HEAD"], dir).ok();
    let is_clean = |dir: &Path| {
        // Without the lock on the index, which somebody who works there may want.
        let args = ["--no-optional-locks", "status", "--porcelain", "--untracked-files=no"];
        sh.read("git", args, dir).is_ok_and(|changed| changed.is_empty())
    };
    let is_same_commit = || commit(one).is_some_and(|head| Some(head) == commit(other));
    one == other || (is_same_commit() && is_clean(one) && is_clean(other))
}

/// Lines with `../` in the manifests and Rust sources of the checkout, tracked or not.
pub(crate) fn mentions(sh: &Shell, repo: &Repo) -> Vec<Mention> {
    let Ok(top) = top_level(sh, repo) else { return Vec::new() };
    let options =
        ["--untracked", "--full-name", "--no-color", "--no-line-number", "--no-column", "-z", "-I"];
    let pattern = ["--fixed-strings", "-e", "../", "--", "*.rs", "*Cargo.toml"];
    // git grep ends with 1 where nothing matches.
    let Ok(out) = sh.read("git", [&["grep"], &options[..], &pattern].concat(), &top) else {
        return Vec::new();
    };

    let lines = out.split(|&byte| byte == b'\n').filter_map(|line| {
        let end = line.iter().position(|&byte| byte == 0)?;
        let line_text = String::from_utf8_lossy(&line[end + 1..]).into_owned();
        Some(Mention { file: top.join(path_from(&line[..end])), line: line_text })
    });
    lines.collect()
}

/// The symbolic links that git tracks, with what they point to, as absolute paths.
pub(crate) fn links(sh: &Shell, repo: &Repo) -> Vec<(PathBuf, PathBuf)> {
    let Ok(top) = top_level(sh, repo) else { return Vec::new() };
    let Ok(out) = sh.read("git", ["ls-files", "--stage", "-z"], &top) else { return Vec::new() };
    let links = out.split(|&byte| byte == 0).filter_map(|entry| {
        // git-ls-files(1): `<mode> <object> <stage>\t<file>`; 120000 is a symbolic link.
        let tab = entry
            .iter()
            .position(|&byte| byte == b'\t')
            .filter(|_| entry.starts_with(b"120000 "))?;
        let link = top.join(path_from(&entry[tab + 1..]));
        let target = normalized(&link.parent()?.join(std::fs::read_link(&link).ok()?));
        Some((link, target))
    });
    links.collect()
}

/// The top directory of the checkout, as git sees it.
fn top_level(sh: &Shell, repo: &Repo) -> anyhow::Result<PathBuf> {
    let out = sh.read("git", ["rev-parse", "--show-toplevel"], &repo.root)?;
    Ok(path_from(out.trim_ascii_end()))
}

fn why_no_git(err: &anyhow::Error) -> String {
    let text = format!("{err:#}");
    if text.contains("not a git repository") {
        return "this is no git checkout".to_owned();
    }
    // git is not installed, or refuses to read another user's checkout.
    text.lines().next().unwrap_or("git does not answer").to_owned()
}

/// The configured branch, or what usually is the main one, locally and at the remote, as far as
/// they exist.
fn main_branches(
    configured: Option<&str>,
    line: &dyn Fn(&[&str]) -> anyhow::Result<String>,
) -> Vec<String> {
    let mut names: Vec<String> = match configured {
        Some(name) => vec![name.to_owned(), format!("origin/{name}")],
        None => match line(&["symbolic-ref", "--quiet", "--short", "refs/remotes/origin/HEAD"]) {
            Ok(remote) => {
                vec![remote.strip_prefix("origin/").unwrap_or(&remote).to_owned(), remote]
            }
            Err(_) => ["main", "origin/main", "master", "origin/master", "trunk", "origin/trunk"]
                .map(str::to_owned)
                .into(),
        },
    };
    names.retain(|name| {
        line(&["rev-parse", "--verify", "--quiet", &format!("{name}^{{commit}}")]).is_ok()
    });
    names
}

#[cfg(unix)]
fn path_from(bytes: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt as _;
    PathBuf::from(std::ffi::OsStr::from_bytes(bytes))
}

#[cfg(not(unix))]
fn path_from(bytes: &[u8]) -> PathBuf {
    PathBuf::from(String::from_utf8_lossy(bytes).as_ref())
}

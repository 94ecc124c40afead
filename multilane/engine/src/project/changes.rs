//! What git knows of changed files.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::files::parallel::in_parallel;
use crate::files::search::find;
use crate::files::{self, path_of, paths_in};
use crate::process::Shell;
use crate::project::affected::{inner_packages, is_of_no_build, owner};
use crate::project::included::included;
use crate::project::packages::{Package, normalized};
use crate::project::root::Repo;

/// The changed files, or why they cannot be known.
pub enum Changes {
    Known {
        /// What they were compared with, for people.
        base: String,
        /// The commit itself.
        commit: String,
        /// Absolute. Deleted files are in it, both names of renamed ones, and the directories of
        /// repositories inside in which something changed.
        files: Vec<PathBuf>,
        checkouts: Checkouts,
    },
    Unknown {
        why: String,
    },
}

/// A line that may name a file out of its package, and the lines behind it.
#[derive(Debug)]
pub struct Mention {
    pub(crate) file: PathBuf,
    pub(crate) text: String,
}

/// The checkout that the workspace is in, and what git knows of those inside it.
pub struct Checkouts {
    tops: Vec<PathBuf>,
    /// Symbolic links, with what they point to, as absolute paths.
    pub links: Vec<(PathBuf, PathBuf)>,
    /// Files that git was told to take for unchanged, and that are not what it has of them.
    edited_unseen: Vec<PathBuf>,
    /// When the commit was made with which all is compared.
    since: SystemTime,
}

/// Compares the working tree with the merge base of `HEAD` and the main branch (or with `base`):
/// commits since then, what is staged, what is not, and files that git does not track. Of those
/// that it ignores there is no state to compare with: they count if they changed since then, or if
/// a source includes them and they are missing.
///
/// # Errors
///
/// When `base` was named by the user and is no commit.
pub fn read(sh: &Shell, repo: &Repo, base: Option<&str>) -> anyhow::Result<Changes> {
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
    let tracked = git(&[&["diff", "--ignore-submodules=none"], &options[..], &[&commit]].concat());
    let checkouts = line(&["show", "--no-patch", "--format=%ct", &commit])
        .and_then(|seconds| Ok(UNIX_EPOCH + Duration::from_secs(seconds.parse()?)))
        .and_then(|since| Checkouts::of(sh, &top, since));
    let (tracked, mut checkouts) = match (tracked, checkouts) {
        (Ok(tracked), Ok(checkouts)) => (tracked, checkouts),
        (Err(err), _) | (_, Err(err)) => return unknown(&why_no_git(&err)),
    };
    let mut files: Vec<PathBuf> = paths_in(&tracked, &top).collect();
    for checkout in checkouts.tops.clone() {
        match checkouts.unkept(sh, &checkout) {
            Ok(changed) => files.extend(changed),
            Err(err) => return unknown(&why_no_git(&err)),
        }
    }
    files.extend(checkouts.edited_unseen.iter().cloned());
    Ok(Changes::Known { base, commit, files, checkouts })
}

/// The commits of local branches that are in the main one altogether, but for where that one is.
pub fn merged(sh: &Shell, repo: &Repo) -> HashSet<String> {
    let line = |args: &[&str]| {
        let out = sh.read("git", args, &repo.root)?;
        Ok(String::from_utf8_lossy(&out).trim().to_owned())
    };
    let mains = main_branches(repo.settings.main_branch.as_deref(), &line);
    let commit = |name: &String| line(&["rev-parse", "--verify", &format!("{name}^{{commit}}")]);
    let mains: Vec<String> = mains.iter().filter_map(|name| commit(name).ok()).collect();
    let branches = |main: &String| {
        line(&["for-each-ref", "--merged", main, "--format=%(objectname)", "refs/heads"])
    };
    let merged: Vec<String> = mains.iter().filter_map(|main| branches(main).ok()).collect();
    let commits = merged.iter().flat_map(|list| list.lines()).map(str::to_owned);
    commits.filter(|commit| !mains.contains(commit)).collect()
}

/// What a file below `dir` held at a commit.
pub fn text_at(sh: &Shell, dir: &Path, commit: &str, path: &str) -> Option<String> {
    let text = sh.read("git", ["show", &format!("{commit}:./{path}")], dir).ok()?;
    String::from_utf8(text).ok()
}

/// Files of a worktree and its submodules that are not what git has of them, where
/// `skip-worktree` or `assume-unchanged` keeps git from seeing it.
pub fn edited_unseen(sh: &Shell, top: &Path) -> anyhow::Result<Vec<PathBuf>> {
    Ok(Checkouts::of(sh, top, UNIX_EPOCH)?.edited_unseen)
}

impl Checkouts {
    fn of(sh: &Shell, top: &Path, since: SystemTime) -> anyhow::Result<Checkouts> {
        let tops = vec![top.to_owned()];
        let mut found = Checkouts { tops, links: Vec::new(), edited_unseen: Vec::new(), since };
        let mut next = 0;
        while let Some(top) = found.tops.get(next).cloned() {
            next += 1;
            found.read(sh, &top)?;
        }
        Ok(found)
    }

    fn read(&mut self, sh: &Shell, top: &Path) -> anyhow::Result<()> {
        let index = sh.read("git", ["ls-files", "-v", "--stage", "-z"], top)?;
        let mut unseen = Vec::new();
        for entry in index.split(|&byte| byte == 0) {
            // git-ls-files(1): `<tag> <mode> <object> <stage>\t<file>`; 120000 is a symbolic link,
            // 160000 a submodule.
            let Some(tab) = entry.iter().position(|&byte| byte == b'\t') else { continue };
            let (words, path) = (String::from_utf8_lossy(&entry[..tab]), &entry[tab + 1..]);
            let mut words = words.split(' ');
            let (tag, mode) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
            let path = top.join(path_of(path));
            match mode {
                "120000" => self.links.extend(link_of(&path)),
                // One that is not checked out has no `.git`.
                "160000" if path.join(".git").exists() => self.tops.push(path),
                // `--skip-worktree`, of a sparse checkout too, and `--assume-unchanged`.
                _ if tag == "S" || tag.chars().all(char::is_lowercase) => {
                    let object = words.next().unwrap_or_default().to_owned();
                    unseen.push((path, object, tag.eq_ignore_ascii_case("s")));
                }
                _ => {}
            }
        }
        for (path, object, is_left_out) in unseen {
            let is_same = match path.exists() {
                true => {
                    let args = [OsStr::new("hash-object"), OsStr::new("--"), path.as_os_str()];
                    sh.read("git", args, top)
                        .is_ok_and(|hash| hash.trim_ascii() == object.as_bytes())
                }
                false => is_left_out,
            };
            self.edited_unseen.extend(Some(path).filter(|_| !is_same));
        }
        Ok(())
    }

    /// The changed files of a checkout that git does not keep, and the sources that include a
    /// missing one.
    fn unkept(&mut self, sh: &Shell, top: &Path) -> anyhow::Result<Vec<PathBuf>> {
        let sources = in_parallel(&sources(sh, top)?, |file| Source::read(file));
        let spelled: Vec<&[String]> =
            sources.iter().flat_map(|source| &source.spelled).map(Vec::as_slice).collect();
        let mut found = untracked(sh, top, &spelled)?;
        let ignored = ignored(sh, top, &spelled)?;
        let links = found.iter().chain(&ignored).filter(|path| path.is_symlink());
        self.links.extend(links.filter_map(|path| link_of(path)));
        found.extend(ignored.into_iter().filter(|path| self.is_new(path)));
        found.extend(self.lacking(sh, &sources)?);
        Ok(found)
    }

    /// Those that include a missing file which git ignores or which lies elsewhere.
    fn lacking(&self, sh: &Shell, sources: &[Source]) -> anyhow::Result<BTreeSet<PathBuf>> {
        const ARGUMENTS_MAX: usize = 100; // Windows allows 32 KiB.
        let mut found = BTreeSet::new();
        let mut unclear: BTreeMap<&Path, Vec<(String, &Path)>> = BTreeMap::new();
        for source in sources {
            let is_missing = |paths: &&Vec<PathBuf>| !paths.iter().any(|path| path.exists());
            for path in source.included.iter().filter(is_missing).flatten() {
                let path = normalized(path);
                let tops = self.tops.iter().filter(|top| path.starts_with(top));
                let top = tops.max_by_key(|top| top.as_os_str().len());
                let Some(top) = top.filter(|top| !files::is_behind_link(top, &path)) else {
                    found.insert(source.file.clone());
                    continue;
                };
                let inside = path.strip_prefix(top).unwrap_or(&path);
                let parts: Vec<_> = inside.iter().map(|part| part.to_string_lossy()).collect();
                unclear.entry(top).or_default().push((parts.join("/"), &source.file));
            }
        }
        for (top, paths) in unclear {
            for some in paths.chunks(ARGUMENTS_MAX) {
                // Without the index it takes paths in a submodule that is not checked out, too.
                let args = ["-c", "core.quotePath=false", "check-ignore", "--no-index", "--"];
                let paths = some.iter().map(|(path, _)| &**path);
                let args: Vec<&str> = args.into_iter().chain(paths).collect();
                let output = sh.output(OsStr::new("git"), &args, top)?;
                let ignored = String::from_utf8_lossy(&output.stdout);
                let ignored: HashSet<&str> = ignored.lines().collect();
                // It ends with 1 where it ignores none.
                let is_known = output.status.code().is_some_and(|code| code < 2);
                let lacks = |(path, _): &&(String, &Path)| !is_known || ignored.contains(&**path);
                found.extend(some.iter().filter(lacks).map(|(_, source)| (*source).to_owned()));
            }
        }
        Ok(found)
    }

    /// Whether a file that git does not keep changed since the commit: by the time that the system
    /// keeps, as a copy may have an older one.
    pub(crate) fn is_new(&self, path: &Path) -> bool {
        let times = [files::changed(path), files::changed_itself(path)];
        times.into_iter().flatten().any(|time| time >= self.since)
    }

    /// Whether it lies in this checkout, so that git has told of it.
    pub fn has(&self, path: &Path) -> bool {
        path.starts_with(&self.tops[0])
    }

    /// Whether it lies elsewhere, and it or something below was written since the commit.
    pub fn is_elsewhere_and_new(&self, path: &Path) -> bool {
        const ENTRIES_MAX: usize = 10_000; // More would take too long.
        if self.has(path) || self.tops[0].starts_with(path) {
            return false;
        }
        let (mut ahead, mut seen) = (vec![path.to_owned()], 0);
        while let Some(path) = ahead.pop() {
            seen += 1;
            if self.is_new(&path) || seen > ENTRIES_MAX {
                return true;
            }
            if path.is_dir() && !path.join("CACHEDIR.TAG").exists() {
                ahead.extend(files::entries(&path).map(|entry| entry.path()));
            }
        }
        false
    }

    /// Lines of tracked and other files that lead out of a directory, or into a package inside
    /// another, and those of Rust sources and manifests that hold a name of one of these files.
    pub fn mentions(
        &self,
        sh: &Shell,
        files: &[PathBuf],
        root: &Path,
        packages: &[Package],
    ) -> anyhow::Result<Vec<Mention>> {
        const UP: [&str; 3] = ["../", "/..", "\"..\""];
        let names: BTreeSet<&str> = files
            .iter()
            .filter_map(|file| file.file_name()?.to_str())
            .filter(|name| !name.ends_with(".rs") && *name != "Cargo.toml")
            .collect();
        let down = |package: &Package| -> BTreeSet<String> {
            let dirs = inner_packages(package, packages).filter_map(|dir| dir.iter().next());
            dirs.map(|dir| dir.to_string_lossy().into_owned()).collect()
        };
        let down: HashMap<&Path, BTreeSet<String>> =
            packages.iter().map(|package| (package.dir.as_path(), down(package))).collect();
        // From the workspace's root: into a package, or a folder of packages.
        let from_root = packages.iter().filter_map(|package| {
            let mut parts = package.dir.strip_prefix(root).ok()?.iter();
            let first = parts.next()?.to_string_lossy();
            let mut starts = vec![format!("\"{first}/"), format!("\"./{first}")];
            starts.extend(parts.next().map(|_| format!("\"{first}\"")));
            Some(starts)
        });
        let from_root: BTreeSet<String> = from_root.flatten().collect();
        let from_root = from_root.iter().map(String::as_str);
        let patterns: Vec<&str> = UP.into_iter().chain(names).chain(from_root).collect();
        let all_down = down.values().flatten().map(String::as_str);
        let all: BTreeSet<&str> = patterns.iter().copied().chain(all_down).collect();
        let mut found = Vec::new();
        for top in &self.tops {
            let args = all.iter().flat_map(|pattern| ["-e", *pattern]);
            let sources = grep(sh, top, ["--fixed-strings"].into_iter().chain(args).collect())?;
            let of_sources = in_parallel(&sources, |file| {
                let own = owner(packages, file).and_then(|package| down.get(&*package.dir));
                let own = own.into_iter().flatten().map(String::as_str);
                mentions_in(file, &patterns.iter().copied().chain(own).collect::<Vec<_>>())
            });
            let others: Vec<PathBuf> = others(sh, top)?;
            let of_others = in_parallel(&others, |file| match owner(packages, file) {
                Some(_) if is_short(file) => mentions_in(file, &UP),
                _ => Vec::new(),
            });
            found.extend(of_sources.into_iter().chain(of_others).flatten());
        }
        Ok(found)
    }
}

/// The files of a checkout in other languages that may name what a build reads.
fn others(sh: &Shell, top: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let args = ["ls-files", "--cached", "--others", "--exclude-standard", "-z", "--"];
    let left_out = [":(exclude)*.rs", ":(exclude)*Cargo.toml", ":(exclude)*.lock"];
    let listed = sh.read("git", args.iter().chain(&left_out), top)?;
    Ok(paths_in(&listed, top).filter(|file| !is_of_no_build(file)).collect())
}

/// What is longer was written by no hand.
fn is_short(file: &Path) -> bool {
    const LEN_MAX: u64 = 256 << 10;
    file.symlink_metadata().is_ok_and(|meta| meta.is_file() && meta.len() <= LEN_MAX)
}

fn mentions_in(file: &Path, patterns: &[&str]) -> Vec<Mention> {
    const LINES: usize = 6; // Those that one call of a macro may take.
    let text = files::read(file).unwrap_or_default();
    let is_in = |pattern: &&str| find(&text, pattern.as_bytes()).is_some();
    if find(&text, b"\0").is_some() || !patterns.iter().any(is_in) {
        return Vec::new();
    }
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    let matching = lines
        .iter()
        .enumerate()
        .filter(|(_, line)| patterns.iter().any(|pattern| line.contains(pattern)));
    let mention = |at: usize| Mention {
        file: file.to_owned(),
        text: lines[at..lines.len().min(at + LINES)].join("\n"),
    };
    matching.map(|(at, _)| mention(at)).collect()
}

/// The Rust sources and manifests with lines that match.
fn grep(sh: &Shell, top: &Path, patterns: Vec<&str>) -> anyhow::Result<Vec<PathBuf>> {
    let mut args = vec!["grep", "--untracked", "--files-with-matches", "--full-name"];
    args.extend(["--no-color", "-z", "-I"]);
    args.extend(patterns);
    args.extend(["--", "*.rs", "*Cargo.toml"]);
    let output = sh.output(OsStr::new("git"), &args, top)?;
    // It ends with 1 where nothing matches.
    if output.status.code() != Some(0) && output.status.code() != Some(1) {
        anyhow::bail!("git grep: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(paths_in(&output.stdout, top).collect())
}

/// Names that only editors and other tools give to files, and to directories, unless a source
/// spells such a file.
const ENDS_OF_TOOLS: [&str; 8] =
    [".log", ".swp", "~", ".orig", ".rej", ".bak", ".profraw", ".DS_Store"];
const DIRS_OF_TOOLS: [&str; 2] = ["node_modules", "__pycache__"];

/// What a source says of files that git may not keep.
struct Source {
    file: PathBuf,
    /// The files that it includes, and its modules: each in all places where it may lie.
    included: Vec<Vec<PathBuf>>,
    /// Ends of paths with names that are those of tools, in parts.
    spelled: Vec<Vec<String>>,
}

/// Those of a checkout that may have something of it.
fn sources(sh: &Shell, top: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let ends = ENDS_OF_TOOLS.map(|end| format!("{}\"", end.replace('.', "[.]"))).join("|");
    let includes = "include(_str|_bytes)?!|#\\[path|mod [A-Za-z0-9_]+;";
    let pattern = format!("{includes}|{}|{ends}", DIRS_OF_TOOLS.join("|"));
    grep(sh, top, vec!["--extended-regexp", "-e", &pattern])
}

impl Source {
    fn read(file: &Path) -> Source {
        let text = files::read(file).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let parts = |literal: &str| -> Vec<String> {
            literal.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect()
        };
        let spelled = text.split('"').filter_map(|literal| {
            let mut parts = parts(literal);
            let dir = parts.iter().position(|part| DIRS_OF_TOOLS.contains(&part.as_str()));
            let end = || ENDS_OF_TOOLS.iter().any(|end| literal.ends_with(end));
            let at = dir.or_else(|| parts.len().checked_sub(1).filter(|_| end()))?;
            Some(parts.split_off(at))
        });
        let included = included(file, &text);
        Source { file: file.to_owned(), included, spelled: spelled.collect() }
    }
}

fn untracked(sh: &Shell, top: &Path, spelled: &[&[String]]) -> anyhow::Result<Vec<PathBuf>> {
    let listed = sh.read("git", ["ls-files", "--others", "--exclude-standard", "-z"], top)?;
    Ok(paths_in(&listed, top).filter(|path| !is_of_no_source(top, path, spelled)).collect())
}

/// The files that git ignores, those of ignored directories too, but for what builds and other
/// tools write.
fn ignored(sh: &Shell, top: &Path, spelled: &[&[String]]) -> anyhow::Result<Vec<PathBuf>> {
    let args = ["ls-files", "--others", "--ignored", "--exclude-standard", "--directory", "-z"];
    let listed = sh.read("git", args, top)?;
    let mut found = Vec::new();
    let mut ahead: Vec<PathBuf> = paths_in(&listed, top).collect();
    while let Some(path) = ahead.pop() {
        if is_of_no_source(top, &path, spelled) {
            continue;
        }
        match path.symlink_metadata().is_ok_and(|meta| meta.is_dir()) {
            true => ahead.extend(files::entries(&path).map(|entry| entry.path())),
            false => found.push(path),
        }
    }
    Ok(found)
}

/// Whether it is known what has written it, and that it is no source.
fn is_of_no_source(top: &Path, path: &Path, spelled: &[&[String]]) -> bool {
    let inside = path.strip_prefix(top).unwrap_or(path);
    let parts: Vec<_> = inside.iter().map(|part| part.to_string_lossy()).collect();
    let is_output = |dir: &Path| {
        dir.ends_with(".git")
            || dir.ends_with(".lanes")
            || dir.ends_with(".cargo/wrapper")
            || top.join(dir).join("CACHEDIR.TAG").exists()
    };
    let is_of_tools = || {
        ENDS_OF_TOOLS.iter().any(|end| parts.last().is_some_and(|name| name.ends_with(end)))
            || parts.iter().any(|part| DIRS_OF_TOOLS.contains(&&**part))
    };
    // Of a directory it is known only later what is in it.
    let is_dir = !path.is_symlink() && path.is_dir();
    let len = |path: &[String]| if is_dir { 1 } else { path.len() };
    let is_spelled = || {
        let is_at = |path: &[String], some: &[_]| some.iter().zip(path).all(|(a, b)| a == b);
        spelled.iter().any(|path| parts.windows(len(path)).any(|some| is_at(path, some)))
    };
    path.ends_with(".cargo/cranelift.toml")
        || inside.ancestors().any(is_output)
        || (is_of_tools() && !is_spelled())
}

fn link_of(link: &Path) -> Option<(PathBuf, PathBuf)> {
    Some((link.to_owned(), normalized(&link.parent()?.join(std::fs::read_link(link).ok()?))))
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

/// The top directory of the checkout, as git sees it.
fn top_level(sh: &Shell, repo: &Repo) -> anyhow::Result<PathBuf> {
    let out = sh.read("git", ["rev-parse", "--show-toplevel"], &repo.root)?;
    Ok(path_of(out.trim_ascii_end()))
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

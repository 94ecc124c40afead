//! Where a project's xtask gets the engine from: git and a revision, or a path.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use multilane_engine::environment::{Environment, real_path};
use multilane_engine::process::Shell;
use toml_edit::{DocumentMut, InlineTable, Item, Value};

use super::edits::git;

/// The dependency `multilane` of an xtask.
#[derive(Debug, PartialEq)]
pub(crate) enum Engine {
    Git { url: String, revision: Option<String> },
    Version(String),
    Path(PathBuf),
}

/// An engine, and why it is this one.
pub(crate) struct Chosen {
    pub(crate) engine: Engine,
    pub(crate) reason: String,
}

/// The engine that `--engine` names, or the one that this program belongs to: from where others can
/// get it if they can, else by its path.
/// `own` is the engine's folder in the clone that a project is made of.
pub(crate) fn choose(
    sh: &Shell,
    env: &Environment,
    named: Option<&str>,
    own: Option<&Path>,
) -> anyhow::Result<Chosen> {
    if let Some(named) = named {
        let engine = if reachable(named).is_some() {
            let (url, revision) = match named.split_once('#') {
                Some((url, revision)) => (url, Some(revision.to_owned())),
                None => (named, None),
            };
            Engine::Git { url: reachable(url).unwrap_or_default(), revision }
        } else {
            let dir = real_path(Path::new(named)).with_context(|| format!("--engine {named}"))?;
            let of_clone = dir.join("multilane");
            let dir = if of_clone.join("tools/Cargo.toml").is_file() { of_clone } else { dir };
            if !dir.join("tools/Cargo.toml").is_file() {
                bail!("--engine {named} is neither a URL nor a clone of multilane");
            }
            Engine::Path(dir)
        };
        return Ok(Chosen { engine, reason: "--engine".to_owned() });
    }
    let known = || {
        let of_project = of_this_project().map(|engine| (engine, "as in this project"));
        of_project.or_else(|| Some((of_installation(env)?, "as it was installed")))
    };
    if let Some((engine, reason)) = if own.is_none() { known() } else { None } {
        return Ok(Chosen { engine, reason: reason.to_owned() });
    }
    let sources = own.or_else(|| env.get("MULTILANE_SOURCES").map(Path::new));
    let Some(sources) = sources.filter(|dir| dir.is_dir()).map(Path::to_owned) else {
        return Ok(Chosen {
            engine: Engine::Version(env!("CARGO_PKG_VERSION").to_owned()),
            reason: "the installed version".to_owned(),
        });
    };
    let ask = |args: &[&str]| git(sh, &sources, args).unwrap_or_default();
    let url = ask(&["remote", "get-url", "origin"]);
    let reason = match reachable(&url) {
        None if url.is_empty() => "the clone has no remote `origin`",
        None => "the clone's remote is not one that others can reach",
        Some(_) if !ask(&["status", "--porcelain", "--", "."]).is_empty() => {
            "the clone has uncommitted changes"
        }
        Some(_) if ask(&["branch", "--remotes", "--contains", "HEAD"]).is_empty() => {
            "the clone's commit has not been pushed"
        }
        Some(url) => {
            let engine = Engine::Git { url, revision: Some(ask(&["rev-parse", "HEAD"])) };
            return Ok(Chosen { engine, reason: "the clone's remote and commit".to_owned() });
        }
    };
    Ok(Chosen { engine: Engine::Path(sources), reason: reason.to_owned() })
}

/// A URL in the form that cargo takes, without a user's token in it; `None` where others cannot
/// reach it.
fn reachable(url: &str) -> Option<String> {
    if let Some((scheme, rest)) = url.split_once("://") {
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        let bare = host.rsplit_once('@').map_or(host, |(_, host)| host);
        return match scheme {
            "http" | "https" | "git" => Some(format!("{scheme}://{bare}/{path}")),
            "ssh" => Some(url.to_owned()),
            _ => None,
        };
    }
    // `git@host:path`; a Windows path has a single letter before the colon.
    let (host, path) = url.split_once(':')?;
    let is_host = host.len() > 1 && !host.contains(['/', '\\']) && !path.is_empty();
    is_host.then(|| format!("ssh://{host}/{path}"))
}

/// In a project that has adopted, or was made with `init`: the same as its own.
fn of_this_project() -> Option<Engine> {
    let here = std::env::current_dir().ok()?;
    let xtask = here
        .ancestors()
        .find_map(|dir| multilane_engine::files::read_text(dir.join("xtask/Cargo.toml")).ok())?;
    let manifest: DocumentMut = xtask.parse().ok()?;
    let dependency = manifest.get("dependencies")?.get("multilane")?;
    let text = |key: &str| Some(dependency.get(key)?.as_str()?.to_owned());
    match (text("git"), dependency.as_str().map(str::to_owned).or_else(|| text("version"))) {
        (Some(url), _) => Some(Engine::Git { url, revision: text("rev") }),
        (None, Some(version)) if text("path").is_none() => Some(Engine::Version(version)),
        _ => None,
    }
}

/// `cargo install --git` keeps the address in its record.
fn of_installation(env: &Environment) -> Option<Engine> {
    let text = multilane_engine::files::read_text(env.cargo_home()?.join(".crates.toml")).ok()?;
    let exe = PathBuf::from(env.get("MULTILANE_ENGINE")?);
    let is_installed = exe.starts_with(real_path(&env.cargo_home()?).ok()?);
    let record: DocumentMut = text.parse().ok().filter(|_| is_installed)?;
    let packages = record.get("v1")?.as_table_like()?;
    let name = packages.iter().find(|(name, _)| name.starts_with("multilane "))?.0;
    let (url, revision) = name.split_once("(git+")?.1.trim_end_matches(')').split_once('#')?;
    let url = url.split_once('?').map_or(url, |(url, _)| url);
    Some(Engine::Git { url: url.to_owned(), revision: Some(revision.to_owned()) })
}

impl Engine {
    /// The value in `xtask/Cargo.toml` of the workspace at `root`.
    pub(crate) fn dependency(&self, root: &Path) -> Value {
        let mut table = InlineTable::new();
        match self {
            Engine::Version(version) => return version.into(),
            Engine::Git { url, revision } => {
                table.insert("git", url.into());
                if let Some(revision) = revision {
                    table.insert("rev", revision.into());
                }
            }
            Engine::Path(dir) => {
                // A relative path out of the repository would lead elsewhere in a worktree.
                let path = match dir.strip_prefix(root) {
                    Ok(inside) => Path::new("..").join(inside),
                    Err(_) => dir.clone(),
                };
                table.insert("path", path.to_string_lossy().replace('\\', "/").into());
            }
        }
        Value::InlineTable(table)
    }

    /// Puts it into the text of an `xtask/Cargo.toml`.
    ///
    /// # Errors
    ///
    /// When that is no manifest with dependencies.
    pub(crate) fn put_into(&self, manifest: &str, root: &Path) -> anyhow::Result<String> {
        let mut manifest: DocumentMut =
            manifest.parse().context("cannot parse xtask/Cargo.toml")?;
        let dependencies = manifest.get_mut("dependencies").and_then(Item::as_table_like_mut);
        let dependencies = dependencies.context("xtask/Cargo.toml has no dependencies")?;
        let mut value = self.dependency(root);
        if let Some(old) = dependencies.get("multilane").and_then(Item::as_value) {
            *value.decor_mut() = old.decor().clone();
        }
        dependencies.insert("multilane", Item::Value(value));
        Ok(manifest.to_string())
    }
}

impl std::fmt::Display for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Engine::Git { url, revision } => {
                write!(f, "{url}")?;
                revision.iter().try_for_each(|revision| write!(f, " at {revision}"))
            }
            Engine::Version(version) => write!(f, "version {version}"),
            Engine::Path(dir) => write!(f, "{}", dir.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_that_others_can_reach() {
        let check = |url: &str, expected: Option<&str>| {
            assert_eq!(reachable(url).as_deref(), expected, "{url}");
        };
        check("https://example.org/a/b.git", Some("https://example.org/a/b.git"));
        check("https://me:secret@example.org/a", Some("https://example.org/a"));
        check("git@example.org:a/b.git", Some("ssh://git@example.org/a/b.git"));
        check("ssh://git@example.org/a", Some("ssh://git@example.org/a"));
        check("/srv/clone", None);
        check("../clone", None);
        check("file:///srv/clone", None);
        check("C:\\clones\\multilane", None);
        check("", None);
    }

    #[test]
    fn the_dependency_keeps_its_place_and_comment() {
        let old = "[dependencies]\nanyhow = \"1\"\nmultilane = { path = \"../m\" } # Ours.\nxshell = \"0.2\"\n";
        let engine =
            Engine::Git { url: "https://h/m".to_owned(), revision: Some("abc".to_owned()) };
        let new = engine.put_into(old, Path::new("/p")).expect("a manifest");
        assert_eq!(
            new,
            "[dependencies]\nanyhow = \"1\"\nmultilane = { git = \"https://h/m\", rev = \"abc\" } # Ours.\nxshell = \"0.2\"\n"
        );
    }
}

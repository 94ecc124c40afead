//! The scripts that `lane hook` gives to git, and how they are installed.
//!
//! No existing hook is edited. A `post-checkout` in git's own hooks directory is renamed, and ours
//! starts it. A directory that `core.hooksPath` names may be in the tree, or shared by all
//! repositories: it stays as it is, and a directory of ours stands in front of it, in which each
//! hook starts the one of the same name there.

use std::path::{Path, PathBuf};

use multilane_engine::lanes::lockfile_hash;
use multilane_engine::process::step::quoted;

/// The hook that git runs when it has made a worktree.
pub(crate) const HOOK: &str = "post-checkout";

/// The name that a hook of the user's has while ours starts it.
pub(crate) const BEFORE: &str = "post-checkout.before-multilane";

/// The first line of each of our scripts.
const START: &str = "#!/bin/sh\n";

/// How the second one begins.
const MARK: &str =
    "# multilane: written by `lane hook --install`, removed by `lane hook --remove`.";

/// What that line begins with in every version.
const MARK_START: &str = "# multilane: written by ";

/// Where git looks for hooks today.
#[derive(Debug)]
pub(crate) struct Hooks {
    /// `core.hooksPath`, from any of git's configuration files; `None` where it is unset.
    pub(crate) configured: Option<PathBuf>,
    /// git's own directory of hooks, used where that is unset.
    pub(crate) default_dir: PathBuf,
    /// Our directory, which stands in front of another.
    pub(crate) own_dir: PathBuf,
    /// What `configured` was before we stood in front.
    pub(crate) behind: Option<PathBuf>,
    /// The `post-checkout` in `default_dir`.
    pub(crate) present: Present,
    /// Whether there is one under the name `BEFORE`.
    pub(crate) has_before: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Present {
    Nothing,
    Ours,
    /// Ours, with lines of others in it.
    Edited,
    Theirs,
}

/// How our hook is installed.
#[derive(Debug, PartialEq)]
pub(crate) enum Installation {
    /// In git's own directory; a hook of the user's is renamed first.
    Beside { renames: bool },
    /// In front of a directory that `core.hooksPath` names.
    InFront { of: PathBuf },
    /// There is a hook of the user's and a renamed one, and only the user knows which is to run.
    TwoThere,
}

impl Hooks {
    pub(crate) fn installation(&self) -> Installation {
        match &self.configured {
            Some(dir) if *dir == self.own_dir => Installation::InFront {
                of: self.behind.clone().unwrap_or_else(|| self.default_dir.clone()),
            },
            Some(dir) if *dir != self.default_dir => Installation::InFront { of: dir.clone() },
            _ if self.present == Present::Theirs && self.has_before => Installation::TwoThere,
            _ => Installation::Beside { renames: self.present == Present::Theirs },
        }
    }

    /// The directory in which git finds our hook, if it does.
    pub(crate) fn installed(&self) -> Option<&Path> {
        match &self.configured {
            Some(dir) if *dir == self.own_dir => Some(&self.own_dir),
            Some(dir) if *dir != self.default_dir => None,
            _ => matches!(self.present, Present::Ours | Present::Edited)
                .then_some(self.default_dir.as_path()),
        }
    }
}

/// Whether we have written it, and it was not edited since. `None` where we have not.
pub(crate) fn is_as_written(script: &[u8]) -> Option<bool> {
    let script = String::from_utf8_lossy(script);
    let (mark, body) = script.strip_prefix(START)?.split_once('\n')?;
    mark.starts_with(MARK_START).then(|| mark == marked(body))
}

fn sealed(body: &str) -> String {
    format!("{START}{}\n{body}", marked(body))
}

/// The second line, with a hash of all that follows.
fn marked(body: &str) -> String {
    format!("{MARK} {:.12}", lockfile_hash(body.as_bytes()))
}

/// `post-checkout`. It first starts the user's, which is in `behind`, or renamed beside ours.
/// `program` is the file name of the shared program.
pub(crate) fn script(behind: Option<&Path>, program: &str) -> String {
    let behind = match behind {
        Some(dir) => quoted(dir.join(HOOK).as_os_str()),
        None => format!("\"${{0%/*}}/{BEFORE}\""),
    };
    sealed(&format!(
        "\
# Warms a worktree that git has just made. No failure in here makes git fail.

behind={behind}
status=0
if [ -x \"$behind\" ]; then
    \"$behind\" \"$@\" || status=$?
fi

# git names a previous commit unless the worktree is new.
case $1 in
'' | *[!0]*) ;;
*)
    program=$(git rev-parse --git-common-dir)/multilane/{program}
    if [ -x \"$program\" ]; then
        # A fork does not download a toolchain.
        AGENT_ID='' RUSTUP_AUTO_INSTALL=0 \"$program\" worktree-made </dev/null || :
    fi
    ;;
esac

exit $status
"
    ))
}

/// Any other hook: it only starts the user's.
pub(crate) fn pass_on(name: &str, behind: &Path) -> String {
    let mut path = behind.to_owned().into_os_string();
    path.push(format!("/{name}")); // A script has slashes on every system.
    let behind = quoted(&path);
    sealed(&format!("if [ -x {behind} ]; then exec {behind} \"$@\"; fi\n"))
}

/// The hooks that a directory in front of another one needs: those that exist, and those that may
/// be added later. Not those whose mere existence changes what git does, or that git runs for each
/// reference.
pub(crate) fn names_in_front(existing: impl IntoIterator<Item = String>) -> Vec<String> {
    const LATER: [&str; 14] = [
        "applypatch-msg",
        "commit-msg",
        "post-applypatch",
        "post-commit",
        "post-merge",
        "post-rewrite",
        "pre-applypatch",
        "pre-auto-gc",
        "pre-commit",
        "pre-merge-commit",
        "pre-push",
        "pre-rebase",
        "prepare-commit-msg",
        "sendemail-validate",
    ];
    let is_hook = |name: &String| {
        name != HOOK
            && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
    };
    let mut names: Vec<String> = existing.into_iter().filter(is_hook).collect();
    names.extend(LATER.map(str::to_owned));
    names.sort();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hooks() -> Hooks {
        Hooks {
            configured: None,
            default_dir: "/r/.git/hooks".into(),
            own_dir: "/r/.git/multilane/hooks".into(),
            behind: None,
            present: Present::Nothing,
            has_before: false,
        }
    }

    #[test]
    fn no_hook_is_lost() {
        let beside = |present, has_before| Hooks { present, has_before, ..hooks() }.installation();
        assert_eq!(beside(Present::Nothing, false), Installation::Beside { renames: false });
        assert_eq!(beside(Present::Theirs, false), Installation::Beside { renames: true });
        // Installed a second time, with the user's renamed already.
        assert_eq!(beside(Present::Ours, true), Installation::Beside { renames: false });
        assert_eq!(beside(Present::Theirs, true), Installation::TwoThere);
    }

    #[test]
    fn another_directory_stays_as_it_is() {
        let configured = |dir: &str| Hooks { configured: Some(dir.into()), ..hooks() };
        let in_front = |of: &str| Installation::InFront { of: of.into() };
        assert_eq!(configured(".husky/_").installation(), in_front(".husky/_"));
        assert_eq!(
            configured("/r/.git/hooks").installation(),
            Installation::Beside { renames: false }
        );
        let again =
            Hooks { behind: Some(".husky/_".into()), ..configured("/r/.git/multilane/hooks") };
        assert_eq!(again.installation(), in_front(".husky/_"));
        assert_eq!(again.installed(), Some(Path::new("/r/.git/multilane/hooks")));
        assert_eq!(configured(".husky/_").installed(), None);
    }

    #[test]
    fn what_we_write_is_known_again() {
        let scripts = [script(None, "xtask"), pass_on("pre-commit", Path::new("it's/here"))];
        for script in scripts {
            assert_eq!(is_as_written(script.as_bytes()), Some(true));
            assert_eq!(is_as_written((script + "git lfs\n").as_bytes()), Some(false));
        }
        assert_eq!(is_as_written(b"#!/bin/sh\nexec something\n"), None);
        assert_eq!(is_as_written(b""), None);
        assert!(
            pass_on("pre-commit", Path::new("it's/here")).contains(r"'it'\''s/here/pre-commit'")
        );
    }

    #[test]
    fn hooks_that_are_there_are_passed_on_to() {
        let names =
            names_in_front(["reference-transaction", "_", "README.md", HOOK].map(str::to_owned));
        assert!(names.iter().any(|name| name == "reference-transaction"));
        assert!(names.iter().any(|name| name == "pre-commit"));
        assert!(!names.iter().any(|name| name == HOOK || name == "_" || name == "README.md"));
    }
}

//! Whose lanes others are forked from. What is forked is run, so a donor is trusted as the tree is
//! that one builds in.

use std::path::Path;

use crate::files;
use crate::process::Shell;
use crate::project::packages::normalized;
use crate::project::root::Repo;
use crate::units::Place;

/// Whether a lane may be a donor: it belongs to this user, the project does not leave it out, and
/// it was built here. The lanes of the tree itself may always be.
pub(crate) fn may_give(sh: &Shell, repo: &Repo, place: &Place) -> bool {
    let dirs = [&place.lane, &place.root];
    dirs.iter().all(|dir| files::is_of_own_user(dir))
        && (place.root == repo.root
            || is_listed(repo.settings.donors.as_deref(), &repo.root, &place.root))
        && !is_tracked(sh, place)
}

/// `donors` in `[workspace.metadata.multilane]`: names or paths of worktrees. Without it, all.
fn is_listed(donors: Option<&[String]>, own: &Path, root: &Path) -> bool {
    let Some(names) = donors else { return true };
    names.iter().any(|name| {
        let is_name = root.file_name().is_some_and(|own| own == name.as_str());
        is_name || normalized(&own.join(name)) == root
    })
}

/// Units that are committed were not built here. Without git, nothing is committed.
fn is_tracked(sh: &Shell, place: &Place) -> bool {
    const OF_UNITS: [&str; 4] = [".fingerprint", "fingerprint", "build", "deps"];
    let args = ["--literal-pathspecs", "ls-files", "-z", "--"];
    let args = args.iter().map(Path::new).chain([place.lane.as_path()]);
    sh.git_paths(args, &place.root).unwrap_or_default().into_iter().any(|path| {
        // The lane itself, where it is a link.
        let inside = path.strip_prefix(&place.lane).unwrap_or(&path);
        path == place.lane || inside.iter().any(|part| OF_UNITS.iter().any(|name| part == *name))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn donors_are_named_or_all() {
        let is_listed = |donors: Option<&[&str]>, root: &str| {
            let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
            let donors: Option<Vec<String>> = donors.map(names);
            is_listed(donors.as_deref(), Path::new("/w/app-fix"), Path::new(root))
        };
        assert!(is_listed(None, "/w/app"));
        assert!(is_listed(Some(&["app"]), "/w/app") && is_listed(Some(&["../app"]), "/w/app"));
        assert!(is_listed(Some(&["main", "/w/app"]), "/w/app"));
        assert!(!is_listed(Some(&[]), "/w/app") && !is_listed(Some(&["app"]), "/w/app-evil"));
        assert!(!is_listed(Some(&["."]), "/w/app"));
    }
}

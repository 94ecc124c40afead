//! Build scripts that cargo runs again and again.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::doctor::report::{Facts, Judged, warning};
use crate::doctor::reruns::What;

pub(super) fn build_scripts(facts: &Facts) -> Judged {
    let mut by_package: BTreeMap<(&str, What), Vec<&PathBuf>> = BTreeMap::new();
    for watch in &facts.reruns.watches {
        by_package.entry((&watch.package, watch.what)).or_default().push(&watch.path);
    }
    let problems = by_package.into_iter().map(|((package, what), paths)| {
        let names = paths.iter().take(3).map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ");
        let more = paths.len().checked_sub(4).map(|more| format!(" and {} more", more + 1)).unwrap_or_default();
        let (why, cost, instead) = match what {
            What::Missing => (
                "which is not there",
                "at every build, and what depends on it is compiled again",
                "print `cargo::rerun-if-changed` for files that exist alone",
            ),
            What::Git => (
                "which git rewrites",
                "whenever git was used, and, in a worktree, where .git is a file, at every build",
                "ask git when the program runs, or at release alone; or take the commit from a variable with `rerun-if-env-changed`",
            ),
            What::Lane => (
                "in which cargo builds",
                "at every build, and what depends on it is compiled again",
                "name the files that are read instead of the whole directory",
            ),
        };
        warning(
            format!("the build script of {package} watches {names}{more}, {why}"),
            format!("it runs {cost}"),
            format!("in {package}'s build.rs: {instead}"),
        )
    });
    let fine = match facts.reruns.runs {
        0 => "none of the workspace's has run yet in a lane that is here".to_owned(),
        runs => format!("looked at: {runs}; none runs without need"),
    };
    (fine, problems.collect())
}

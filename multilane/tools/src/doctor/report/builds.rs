//! Build scripts that cargo runs without need.

use std::collections::BTreeMap;

use crate::doctor::report::{Facts, Findings};
use crate::doctor::reruns::Why;

pub(super) fn build_scripts(facts: &Facts, found: &mut Findings) {
    const SHOWN: usize = 3;
    found.ok(match facts.reruns.runs {
        0 => "none of this workspace has run yet in a lane".to_owned(),
        runs => format!("runs looked at: {runs}; none is repeated without need"),
    });
    let mut by_package: BTreeMap<(&str, Why), Vec<String>> = BTreeMap::new();
    for watch in &facts.reruns.watches {
        let path = watch.path.display().to_string();
        by_package.entry((&watch.package, watch.why)).or_default().push(path);
    }
    for ((package, why), paths) in by_package {
        let names = paths[..paths.len().min(SHOWN)].join(", ");
        let more = match paths.len().saturating_sub(SHOWN) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let every = "it runs at every build, and what depends on it is compiled again";
        let (why, cost, fix) = match why {
            Why::Missing => (
                "which does not exist",
                every,
                "print `cargo::rerun-if-changed` only for files that exist",
            ),
            Why::Git => (
                "which git rewrites",
                "it runs after each use of git, and in a worktree, where .git is a file, at every build",
                "ask git at run time or only for releases, or read the commit from a variable with \
                 `rerun-if-env-changed`",
            ),
            Why::Lane => (
                "which contains the target directory",
                every,
                "name the files that are read instead of the whole directory",
            ),
        };
        found.warn(
            format!("the build script of {package} watches {names}{more}, {why}"),
            cost,
            format!("in {package}'s build.rs: {fix}"),
        );
    }
}

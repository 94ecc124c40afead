//! Paths that build scripts have cargo watch and that make them run without need, as cargo has
//! recorded them in the lanes.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use multilane_engine::environment::real_path;
use multilane_engine::units;
use multilane_engine::units::{Place, Watched};

/// A path that a build script of the workspace has cargo watch.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Watch {
    pub(crate) package: String,
    /// As the build script prints it.
    pub(crate) path: PathBuf,
    pub(crate) why: Why,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Why {
    /// The path does not exist.
    Missing,
    /// git writes to it.
    Git,
    /// A directory that holds the lane itself.
    Lane,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Reruns {
    /// How many runs were looked at.
    pub(crate) runs: usize,
    pub(crate) watches: BTreeSet<Watch>,
}

/// Of the workspace at `root`, in these lanes of its own.
pub(crate) fn read(root: &Path, lanes: &[&Path]) -> Reruns {
    let mut reruns = Reruns::default();
    for lane in lanes {
        let place = Place::new(root.to_owned(), (*lane).to_owned());
        for unit in units::read_runs(&place) {
            let Some(run) = &unit.run else { continue };
            reruns.runs += 1;
            let (Watched::Paths(paths), Some(package_dir)) = (&run.watched, &run.package_dir)
            else {
                continue;
            };
            for path in paths {
                let watch = |why| Watch { package: unit.package.clone(), path: path.clone(), why };
                reruns.watches.extend(why(&root.join(package_dir).join(path), lane).map(watch));
            }
        }
    }
    reruns
}

fn why(path: &Path, lane: &Path) -> Option<Why> {
    let is_git = path.components().any(|part| part.as_os_str() == ".git");
    match real_path(path) {
        Err(_) => Some(Why::Missing),
        Ok(_) if is_git => Some(Why::Git),
        Ok(path) => real_path(lane).is_ok_and(|lane| lane.starts_with(&path)).then_some(Why::Lane),
    }
}

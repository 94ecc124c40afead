//! Build scripts that run more often than anything changes, by what cargo remembers of them in the
//! lanes that there are.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use multilane::units;
use multilane::units::{Place, Watched};

/// A path that a build script of the workspace has cargo watch.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Watch {
    pub(crate) package: String,
    /// As it says it.
    pub(crate) path: PathBuf,
    pub(crate) what: What,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum What {
    /// There is nothing of that name.
    Missing,
    /// git writes to it, whoever is at work.
    Git,
    /// A directory that holds the lane itself.
    Lane,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Reruns {
    /// How many runs of build scripts were looked at.
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
                let watch =
                    |what| Watch { package: unit.package.clone(), path: path.clone(), what };
                reruns.watches.extend(judge(&root.join(package_dir).join(path), lane).map(watch));
            }
        }
    }
    reruns
}

fn judge(path: &Path, lane: &Path) -> Option<What> {
    let is_git = path.components().any(|part| part.as_os_str() == ".git");
    match path.canonicalize() {
        Err(_) => Some(What::Missing),
        Ok(_) if is_git => Some(What::Git),
        Ok(path) => {
            lane.canonicalize().is_ok_and(|lane| lane.starts_with(&path)).then_some(What::Lane)
        }
    }
}

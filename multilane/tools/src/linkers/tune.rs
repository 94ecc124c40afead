//! `install-tools --tune`: measures what each linker takes for a program of the workspace, in
//! turns, in a lane of its own.

use std::ffi::OsString;
use std::path::Path;

use anyhow::{Context as _, ensure};
use multilane_engine::lanes::choose::{LaneChoice, agent_lane, key_inputs, worktree_lane};
use multilane_engine::lanes::{Agent, Lane, in_lane, occupy};
use multilane_engine::process::Shell;
use multilane_engine::ui::milliseconds;
use multilane_engine::units::Place;
use multilane_engine::{environment, files, ui, units};
use serde::Deserialize;

use crate::flags::tools::InstallTools;
use crate::linkers::Target;
use crate::linkers::candidates::Candidate;
use crate::linkers::probe::Link;
use crate::process::measure;
use crate::stats::{Spread, spread};

/// A linker that takes part. The one that is used without our doing has no candidate.
struct Contender {
    name: String,
    candidate: Option<Candidate>,
}

/// A program of the workspace.
struct Program {
    package: String,
    name: String,
    /// In bytes, where it was built before.
    size: Option<u64>,
}

impl Target<'_> {
    pub(super) fn tune(
        &self,
        now: Link,
        candidates: Vec<Candidate>,
        flags: &InstallTools,
    ) -> anyhow::Result<()> {
        ensure!(flags.runs > 0, "--runs has to be 1 or more");
        let Link::Linked { by } = now else { return Ok(()) };
        let name = by.unwrap_or_else(|| "the system's linker".to_owned());
        let mut contenders = vec![Contender { name: name.clone(), candidate: None }];
        for candidate in candidates {
            if name.starts_with(candidate.says) {
                continue;
            }
            let tried = self.try_one(candidate)?;
            if let Ok(name) = tried.proof().map(str::to_owned) {
                contenders.push(Contender { name, candidate: Some(tried.candidate) });
            }
        }
        if contenders.len() == 1 {
            self.ui.status(
                "Linker",
                format_args!(
                    "{name} stays: no other linker works here\n\
                     help: {} install-tools --only mold --only wild",
                    self.ui.called
                ),
            );
            return Ok(());
        }

        let (project, lanes_dir) = (self.project, self.project.repo.lanes_dir());
        let built = worktree_lane(project).dir;
        let package = flags.package.as_deref();
        let program = program_to_link(&project.sh, &project.repo.root, &built, package)?;
        let agent = Agent::from_environment(Some("xtask-tune".as_ref()))?.context("a name")?;
        let lane = agent_lane(project, &agent, key_inputs(project, &LaneChoice::default())?);
        let stamp = occupy::stamp_text(&lane);
        let in_use = occupy::enter_agent_lane(&lanes_dir, &lane, &stamp, environment::now())
            .with_context(|| format!("cannot make {}", lane.dir.display()))?;
        let measured = self.measure(&lane, &program, &contenders, flags.runs);
        drop(in_use);
        occupy::remove_agent_lane(&lanes_dir, &lane.dir).ok();
        occupy::remove_empty_folders(&lanes_dir);

        let measured = measured?;
        ui::data(format_args!(
            "To link {} of {} again, nothing else changed; milliseconds, cargo and rustc included; runs: {}, in turns.\n\n\
             LINKER                        MIN  MEDIAN     MAX",
            program.name, program.package, flags.runs
        ))?;
        for (Contender { name, .. }, Spread { min, median, max }) in
            contenders.iter().zip(&measured)
        {
            ui::data(format_args!("{name:<26}{min:>7.0}{median:>8.0}{max:>8.0}"))?;
        }
        let chosen = &contenders[quickest(&measured)];
        match &chosen.candidate {
            Some(candidate) => self.configure(candidate, !flags.yes),
            None => {
                let why = "no other linker is quicker by more than its runs differ";
                self.ui.status("Linker", format_args!("{} stays: {why}", chosen.name));
                Ok(())
            }
        }
    }

    fn measure(
        &self,
        lane: &Lane,
        program: &Program,
        contenders: &[Contender],
        runs: u32,
    ) -> anyhow::Result<Vec<Spread>> {
        let sh = &self.project.sh;
        let Program { package, name, .. } = program;
        let step = |contender: &Contender| {
            let args = ["--package", package, "--bin", name].map(OsString::from).to_vec();
            let own = contender.candidate.iter().flat_map(|candidate| &candidate.flags);
            in_lane::step(&["rustc"], lane, args).rest(own.map(OsString::from).collect())
        };
        self.ui.status(
            "Building",
            format_args!("{name} of {package} in {}", self.project.shown(&lane.dir)),
        );
        for contender in contenders {
            let built = sh.run(&step(contender), &[])?;
            ensure!(built.status.success(), "cannot build {name}, so its links cannot be measured");
        }
        let mut samples = vec![Vec::new(); contenders.len()];
        for run in 1..=runs {
            for (contender, samples) in contenders.iter().zip(&mut samples) {
                let with = format!("{name} with {}, {run} of {runs}", contender.name);
                self.ui.progress("Linking", with);
                self.remove_outputs(lane, name)?;
                samples.push(milliseconds(measure(sh, &[step(contender)])?.time));
            }
        }
        self.ui.end_progress();
        samples.into_iter().map(|samples| spread(samples).context("nothing was measured")).collect()
    }

    /// Removes what was linked. cargo compiles the crate again with its incremental cache; what is
    /// left to do is the link.
    fn remove_outputs(&self, lane: &Lane, program: &str) -> anyhow::Result<()> {
        let root = &self.project.repo.root;
        let units = units::read(&Place::new(root.clone(), lane.dir.clone()), root, false);
        let target = format!("bin-{program}");
        let linked = units.iter().filter(|unit| unit.target == target);
        for output in linked.flat_map(|unit| &unit.outputs) {
            let path = lane.dir.join(&output.path);
            files::remove_own_file(&path)
                .with_context(|| format!("cannot remove {}", path.display()))?;
        }
        Ok(())
    }
}

/// The index of the one to be used. The first is the one that is used without our doing; it stays
/// unless the median of another one is below its quickest run: less than that may be chance.
fn quickest(measured: &[Spread]) -> usize {
    let by_median = |a: &usize, b: &usize| measured[*a].median.total_cmp(&measured[*b].median);
    let first = (0..measured.len()).min_by(by_median).unwrap_or(0);
    if measured.first().is_some_and(|default| measured[first].median < default.min) {
        first
    } else {
        0
    }
}

/// From `cargo metadata`.
#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    workspace_default_members: Vec<String>,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    targets: Vec<CargoTarget>,
}

#[derive(Deserialize)]
struct CargoTarget {
    name: String,
    kind: Vec<String>,
    #[serde(default, rename = "required-features")]
    required_features: Vec<String>,
}

/// The largest program that was built in `lane`, or else the first; of `package`, if one is named.
fn program_to_link(
    sh: &Shell,
    root: &Path,
    lane: &Path,
    package: Option<&str>,
) -> anyhow::Result<Program> {
    let args = ["metadata", "--no-deps", "--offline", "--format-version=1"];
    let metadata: Metadata = serde_json::from_slice(&sh.read_cargo(&args, root)?)
        .context("cannot read the output of `cargo metadata`")?;
    let is_meant = |member: &&Package| match package {
        Some(package) => package == member.name,
        None => metadata.workspace_default_members.contains(&member.id),
    };
    let mut programs = Vec::new();
    for member in metadata.packages.iter().filter(is_meant) {
        let is_program =
            |target: &&CargoTarget| target.kind == ["bin"] && target.required_features.is_empty();
        programs.extend(member.targets.iter().filter(is_program).map(|target| Program {
            package: member.name.clone(),
            name: target.name.clone(),
            size: lane.join("debug").join(&target.name).metadata().ok().map(|meta| meta.len()),
        }));
    }
    programs.reverse(); // `max_by_key` takes the last of several.
    programs.into_iter().max_by_key(|program| program.size).with_context(|| {
        let place = package.map_or("the workspace".to_owned(), |name| format!("package {name}"));
        format!("{place} has no program to link\nhelp: install-tools --tune --package <package>")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_linker_is_used_only_where_it_is_quicker_for_certain() {
        let spread = |min: f64, median: f64, max: f64| Spread { min, median, max };
        let default = spread(90.0, 100.0, 130.0);
        assert_eq!(quickest(&[default]), 0);
        assert_eq!(quickest(&[default, spread(80.0, 95.0, 99.0)]), 0);
        assert_eq!(quickest(&[default, spread(80.0, 85.0, 120.0), spread(10.0, 89.0, 99.0)]), 1);
        assert_eq!(quickest(&[default, spread(91.0, 110.0, 120.0)]), 0);
        assert_eq!(quickest(&[]), 0);
    }
}

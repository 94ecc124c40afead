//! `install-tools --tune`: what each linker takes for a program of the workspace, in turns, in a
//! lane of its own.

use std::ffi::OsString;

use anyhow::{Context as _, ensure};
use multilane::lanes::choose::LaneChoice;
use multilane::lanes::{Agent, Lane, in_lane};
use multilane::process::step::Step;
use multilane::ui::milliseconds;
use multilane::units::Place;
use multilane::{files, ui, units};

use crate::flags::tools::InstallTools;
use crate::linkers::choice::Candidate;
use crate::linkers::found::Program;
use crate::linkers::link::Link;
use crate::linkers::{Trial, choice as plan, found};
use crate::process::measure;
use crate::stats::{Spread, spread};

/// What takes turns; the one that links without our doing has no candidate.
struct Contender {
    name: String,
    candidate: Option<Candidate>,
}

impl Trial<'_> {
    pub(super) fn tune(
        &self,
        now: Link,
        candidates: Vec<Candidate>,
        flags: &InstallTools,
    ) -> anyhow::Result<()> {
        ensure!(flags.runs > 0, "--runs has to be 1 or more");
        let name = match &now {
            Link::Linked { by: Some(by) } => by.clone(),
            _ => "the system's linker".to_owned(),
        };
        let is_other = |candidate: &Candidate| !name.starts_with(candidate.says);
        let mut tried = Vec::new();
        for candidate in candidates.into_iter().filter(is_other) {
            tried.push(self.try_one(candidate)?);
        }
        let others = tried.into_iter().filter_map(|tried| {
            let name = tried.proof().ok()?.to_owned();
            Some(Contender { name, candidate: Some(tried.candidate) })
        });
        let contenders: Vec<Contender> =
            std::iter::once(Contender { name: name.clone(), candidate: None })
                .chain(others)
                .collect();
        if contenders.len() == 1 {
            self.ui.status("Linker", format_args!("{name} stays: there is no other that works\nhelp: cargo xtask install-tools --only mold --only wild"));
            return Ok(());
        }

        let (project, repo) = (self.project, &self.project.repo);
        let worktrees = multilane::lanes::choose::worktree_lane(&project).dir;
        let program =
            found::program_to_link(&project.sh, &repo.root, &worktrees, flags.package.as_deref())?;
        let agent = Agent::from_environment(Some("xtask-tune".as_ref()))?.context("a name")?;
        let lane = multilane::lanes::choose::agent_lane(
            &project,
            &agent,
            multilane::lanes::choose::key_inputs(&project, &LaneChoice::default())?,
        );
        let in_use = multilane::lanes::occupy::enter_agent_lane(
            &repo.lanes_dir(),
            &lane,
            &multilane::lanes::occupy::stamp_text(&lane),
            multilane::environment::now(),
        )
        .with_context(|| format!("cannot make {}", lane.dir.display()))?;
        let measured = self.measure(&lane, &program, &contenders, flags.runs);
        drop(in_use);
        multilane::lanes::occupy::remove_agent_lane(&repo.lanes_dir(), &lane.dir).ok();
        multilane::lanes::occupy::sweep(&repo.lanes_dir()).ok();

        let measured = measured?;
        report(&program, &contenders, &measured, flags.runs)?;
        let chosen = &contenders[plan::quickest(&measured)];
        match &chosen.candidate {
            Some(candidate) => self.use_it(candidate, !flags.yes),
            None => {
                let why = "no other is quicker by more than the runs differ";
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
            let built = sh.run(&step(contender), None)?;
            ensure!(
                built.status.success(),
                "{name} cannot be built, so its links cannot be measured"
            );
        }
        let mut samples = vec![Vec::new(); contenders.len()];
        for run in 1..=runs {
            for (contender, samples) in contenders.iter().zip(&mut samples) {
                self.ui.progress(
                    "Linking",
                    format_args!("{name} with {}, {run} of {runs}", contender.name),
                );
                self.remove_outputs(lane, name)?;
                samples.push(milliseconds(measure(sh, &[step(contender)])?.time));
            }
        }
        self.ui.end_progress();
        samples.into_iter().map(|samples| spread(samples).context("nothing was measured")).collect()
    }

    /// cargo compiles what is missing, and has its incremental cache for it: what is left is the
    /// link.
    fn remove_outputs(&self, lane: &Lane, program: &str) -> anyhow::Result<()> {
        let root = &self.project.repo.root;
        let units = units::read(&Place::new(root.clone(), lane.dir.clone()), root, false);
        let target = format!("bin-{program}");
        for output in
            units.iter().filter(|unit| unit.target == target).flat_map(|unit| &unit.outputs)
        {
            let path = lane.dir.join(&output.path);
            files::remove_own_file(&path)
                .with_context(|| format!("cannot remove {}", path.display()))?;
        }
        Ok(())
    }
}

fn report(
    program: &Program,
    contenders: &[Contender],
    measured: &[Spread],
    runs: u32,
) -> anyhow::Result<()> {
    ui::data(format_args!(
        "To link {} of {} again, nothing else changed; milliseconds, cargo and rustc included; runs: {runs}, in turns.\n\n\
         LINKER                        MIN  MEDIAN     MAX",
        program.name, program.package
    ))?;
    for (Contender { name, .. }, Spread { min, median, max }) in contenders.iter().zip(measured) {
        ui::data(format_args!("{name:<26}{min:>7.0}{median:>8.0}{max:>8.0}"))?;
    }
    Ok(())
}

//! `analyze`: what builds spend their time on. It builds in a lane of its own; `facts` gathers what
//! is known of the build, and `analysis` follows from the facts. The answer has three forms: text,
//! JSON and a page.
//!
//! ```text
//! .lanes/multilane-analyze/<key>/   the lane: emptied before each build, never forked into
//! └── analysis/
//!     ├── timings.html              cargo's own report on the build
//!     ├── processor.json            how long its processes used a processor, in seconds
//!     ├── mono-0.ll                 the code that LLVM is given, of one program
//!     └── report.html               the answer as a page
//! ```

mod advice;
mod analysis;
mod cache;
mod churn;
mod deps;
mod disk;
mod emit;
mod facts;
mod forks;
mod graph;
mod json;
mod metadata;
mod mono;
mod report;
mod sections;
mod simulate;
mod source;
mod text;
mod timings;
mod trend;

use std::cmp::Reverse;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use multilane_engine::cargo_line::CargoLine;
use multilane_engine::lanes::choose::{self, LaneChoice, Lockfile};
use multilane_engine::lanes::occupy::{self, Removal};
use multilane_engine::lanes::{Agent, Lane, in_lane};
use multilane_engine::process::step::Step;
use multilane_engine::process::{Outcome, exit_code};
use multilane_engine::project::{Project, Session};
use multilane_engine::retarget::wrapper;
use multilane_engine::ui::{self, Ui};
use multilane_engine::{environment, files};
use serde_json::json;

use self::analysis::Analysis;
use crate::flags::analyze::Analyze;
use crate::process::processor_seconds;

/// The agent that owns the lane.
const AGENT: &str = "analyze";

/// cargo's options that say which workspace is meant, and what may be done to its lockfile.
const OF_MANIFEST: &[&str] =
    &["--manifest-path", "--lockfile-path", "--locked", "--offline", "--frozen", "--config", "-Z"];
const OF_FEATURES: &[&str] = &["--features", "-F", "--all-features", "--no-default-features"];
const OF_PROFILE: &[&str] = &["--release", "-r", "--profile", "--target"];
const OF_PACKAGES: &[&str] = &["--package", "-p"];

impl Analyze {
    pub(crate) fn run(self, session: Session) -> anyhow::Result<ExitCode> {
        let ui = session.ui.quiet(self.quiet);
        let line = self.cargo.line();
        let project = session.project(line.value("--manifest-path").map(Path::new))?;
        let (lane, toolchain) = lane(&project, &line, self.dry_run)?;
        let gathering = Gathering {
            build: building(&line, &lane, &toolchain),
            dir: lane.dir.join("analysis"),
            flags: &self,
            project: &project,
            lane: &lane,
            line,
            toolchain,
            ui,
        };
        if self.dry_run {
            ui::data(&gathering.build)?;
            return Ok(ExitCode::SUCCESS);
        }
        if self.last && !gathering.timings().is_file() {
            bail!(
                "there was no build by `analyze` with these options\n\
                 help: run the same without --last"
            );
        }
        let failure = if self.last { None } else { gathering.build()? };
        if let Some(failure) = failure {
            return Ok(failure);
        }

        let analysis = Analysis::of(gathering.facts()?)?;
        gathering.remember(&analysis);
        let report = gathering.dir.join("report.html");
        files::write_atomically(&report, report::page(&analysis).as_bytes())
            .with_context(|| format!("cannot write {}", report.display()))?;
        if self.json {
            ui::data(json::answer(&analysis))?;
        } else {
            ui::data(text::answer(&analysis))?;
        }
        ui.status("Report", report.display());
        if self.open {
            open::that_detached(&report)
                .with_context(|| format!("cannot open {}", report.display()))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// The lane, and what rustc says of its version.
fn lane(project: &Project, line: &CargoLine, is_dry: bool) -> anyhow::Result<(Lane, String)> {
    let must_stay = is_dry || line.has(&["--locked", "--frozen"]);
    let lockfile = if must_stay { Lockfile::MustStay } else { Lockfile::MayBeMade };
    let mut selection = line.selection();
    selection.profile = None;
    let inputs =
        choose::key_inputs(project, &LaneChoice { selection, lockfile, ..LaneChoice::default() })?;
    let toolchain = inputs.toolchain.clone();
    let agent = Agent::internal(AGENT);
    Ok((choose::agent_lane(project, &agent, inputs), toolchain))
}

fn building(line: &CargoLine, lane: &Lane, toolchain: &str) -> Step {
    let mut words = line.words.clone();
    words.push("--timings".into());
    // A unit that comes out of a cache takes no time.
    let step =
        in_lane::step(&["build"], lane, words).counted().with_env("XTASK_CACHE", "off".into());
    // On nightly cargo can tell how long linking takes.
    match toolchain.contains("-nightly") {
        true => step.with_env("CARGO_UNSTABLE_SECTION_TIMINGS", "true".into()),
        false => step,
    }
}

/// Counts by name, the largest first.
fn most_first<N: Into<String>>(counts: impl IntoIterator<Item = (N, u64)>) -> Vec<(String, u64)> {
    let mut list: Vec<_> = counts.into_iter().map(|(name, count)| (name.into(), count)).collect();
    list.sort_by_key(|(_, count)| Reverse(*count));
    list
}

/// One call.
struct Gathering<'a> {
    flags: &'a Analyze,
    project: &'a Project,
    lane: &'a Lane,
    line: CargoLine,
    build: Step,
    toolchain: String,
    /// `analysis/` in the lane.
    dir: PathBuf,
    ui: Ui,
}

impl Gathering<'_> {
    fn timings(&self) -> PathBuf {
        self.dir.join("timings.html")
    }

    fn processor(&self) -> PathBuf {
        self.dir.join("processor.json")
    }

    /// Returns the exit code where the build has failed: half a build has no critical path.
    fn build(&self) -> anyhow::Result<Option<ExitCode>> {
        let &Gathering { project, lane, ui, .. } = self;
        let shown = project.shown(&lane.dir);
        if !self.flags.incremental && lane.dir.exists() {
            self.empty_lane()?;
        }
        wrapper::provide_wrapper(project, ui);
        let lanes_dir = project.repo.lanes_dir();
        let stamp = occupy::stamp_text(lane);
        let _in_use = occupy::enter_agent_lane(&lanes_dir, lane, &stamp, environment::now())
            .with_context(|| format!("cannot use {shown}"))?;
        let units = if self.flags.incremental { "changed units" } else { "all units" };
        ui.status("Building", format_args!("{units} in {shown}"));
        // After a build that fails there is nothing for `--last`.
        let last = files::read(self.timings()).ok();
        drop(files::remove_own_file(&self.timings()));
        let before = processor_seconds();
        let Outcome { status, units, .. } = project.sh.run(&self.build, &[])?;
        let processor = processor_seconds().zip(before).map(|(after, before)| after - before);
        if !status.success() {
            project.session.ui.error(&anyhow::anyhow!(
                "the build failed, so there is nothing to analyze\nhelp: {}",
                self.build
            ));
            return Ok(Some(exit_code(status).into()));
        }
        if units.is_none_or(|units| units.compiled.is_empty()) {
            if let Some(last) = last {
                files::write_atomically(&self.timings(), &last)?; // The lane is as it was.
            }
            bail!(
                "nothing was compiled, so there is nothing to analyze\n\
                 help: without --incremental, all units are compiled"
            );
        }
        let timings = lane.dir.join("cargo-timings/cargo-timing.html");
        let html = files::read(&timings)
            .with_context(|| format!("cargo has written no {}", timings.display()))?;
        std::fs::create_dir_all(&self.dir)?;
        files::write_atomically(&self.timings(), &html)?;
        files::write_atomically(&self.processor(), json!(processor).to_string().as_bytes())?;
        Ok(None)
    }

    /// # Errors
    ///
    /// When the lane is in use, or when cargo refuses the packages, the profile or the manifest:
    /// then the last build stays for `--last`.
    fn empty_lane(&self) -> anyhow::Result<()> {
        let Gathering { project, lane, .. } = self;
        let mut question: Vec<OsString> = vec!["clean".into(), "--dry-run".into()];
        question.extend(["--quiet".into(), "--target-dir".into(), lane.dir.clone().into()]);
        question.extend(self.flags.only(&[OF_PACKAGES, OF_PROFILE, OF_MANIFEST]));
        project.sh.read_cargo(&question, &project.repo.start)?;
        let lanes_dir = project.repo.lanes_dir();
        if occupy::remove_agent_lane(&lanes_dir, &lane.dir)? != Removal::Removed {
            bail!(
                "{} is in use\nhelp: wait until the other `analyze` has ended",
                project.shown(&lane.dir)
            );
        }
        occupy::remove_empty_folders(&lanes_dir);
        Ok(())
    }

    /// Adds the build to the history. The answer is complete without it, so errors are ignored.
    fn remember(&self, analysis: &Analysis) {
        let facts = &analysis.facts;
        let is_new = facts.is_recorded && facts.commit.is_some();
        let Some(build) = analysis.builds.last().filter(|_| is_new) else { return };
        let Some(path) = &facts.history_file else { return };
        let text = trend::write(&trend::with(facts.history.clone(), build.clone()));
        if path.parent().is_none_or(|dir| std::fs::create_dir_all(dir).is_ok()) {
            drop(files::write_atomically(path, text.as_bytes()));
        }
    }
}

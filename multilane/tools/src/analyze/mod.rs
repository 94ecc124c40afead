//! `analyze`: what builds spend their time on. This file builds in a lane of its own and gathers
//! what is known into one folder; the files beside it read that folder, think, and start no
//! process: `analysis` follows from `facts`, and the answer has three forms, `text`, `json` and the
//! `report`.
//!
//! ```text
//! .lanes/xtask-analyze/<key>/   the lane: emptied before each build, never forked into
//! └── analysis/
//!     ├── facts.json            where everything is; the one thing that is handed over
//!     ├── timings.html          cargo's own report on the build
//!     ├── processor.json        how long its processes have had a processor
//!     ├── metadata.json         `cargo metadata`
//!     ├── git.log               which files each commit of the last weeks has changed
//!     ├── <tool>.txt            what a tool has said
//!     └── report.html           what came of it
//! ```

mod advice;
mod analysis;
mod cache;
mod churn;
mod deps;
mod disk;
mod facts;
mod forks;
mod graph;
mod json;
mod metadata;
mod mono;
mod report;
mod simulate;
mod source;
mod text;
mod timings;
mod trend;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::UNIX_EPOCH;

use anyhow::{Context as _, bail};
use multilane::cargo_line::Selection;
use multilane::fork::plan::{Plan, Why};
use multilane::lanes::choose::{LaneChoice, Lockfile};
use multilane::lanes::occupy::Removal;
use multilane::lanes::{Agent, Lane, in_lane, list};
use multilane::process::step::Step;
use multilane::process::{Outcome, exit_code};
use multilane::project::git_dir::Common;
use multilane::project::{Project, Session, toolchain};
use multilane::ui::Ui;
use multilane::{environment, files, ui, units};

use serde_json::{Value, json};

use self::analysis::Analysis;
use self::facts::Facts;
use self::trend::Build;
use crate::flags::analyze::{Analyze, Part};
use crate::process::processor_seconds;

/// The agent whose lane it is. Nobody else has it, as nobody calls themselves that.
const AGENT: &str = "xtask-analyze";

/// How far back the history is read: what was edited a year ago says little about next week.
const WEEKS: u32 = 12;

impl Analyze {
    pub(crate) fn run(self, session: Session) -> anyhow::Result<ExitCode> {
        let ui = session.ui.quiet(self.quiet);
        let project = session.project(self.cargo.line().value("--manifest-path").map(Path::new))?;
        let (lane, toolchain) = self.lane(&project)?;
        let gathering =
            Gathering { dir: lane.dir.join("analysis"), project: &project, lane: &lane, ui };
        let build = self.building(&lane, &toolchain);
        if self.dry_run {
            ui::data(&build)?;
            return Ok(ExitCode::SUCCESS);
        }

        if self.last {
            if !gathering.timings().is_file() {
                bail!(
                    "there was no build by `analyze` with these options\nhelp: the same without --last makes one"
                );
            }
        } else if let Some(failure) = self.build(&gathering, &build)? {
            return Ok(failure);
        }

        let mono = if self.parts().contains(&Part::Mono) {
            self.emit(&gathering, &toolchain)?
        } else {
            Value::Null
        };
        let facts = self.gather(&gathering, &build, &toolchain, mono);
        files::write_atomically(&gathering.facts(), facts.to_string().as_bytes())
            .with_context(|| format!("cannot write {}", gathering.facts().display()))?;
        think(&gathering.facts())?;
        Ok(ExitCode::SUCCESS)
    }

    fn lane(&self, project: &Project) -> anyhow::Result<(Lane, String)> {
        let agent = Agent::from_environment(Some(AGENT.as_ref()))?.context("a name")?;
        let inputs = multilane::lanes::choose::key_inputs(
            project,
            &LaneChoice {
                selection: Selection { profile: None, ..self.cargo.line().selection() },
                lockfile: if self.dry_run || self.cargo.line().has(&["--locked", "--frozen"]) {
                    Lockfile::MustStay
                } else {
                    Lockfile::MayBeMade
                },
                ..LaneChoice::default()
            },
        )?;
        let toolchain = inputs.toolchain.clone();
        Ok((multilane::lanes::choose::agent_lane(project, &agent, inputs), toolchain))
    }

    fn building(&self, lane: &Lane, toolchain: &str) -> Step {
        let mut args = self.to_args();
        args.push("--timings".into());
        // What another has compiled already would take no time here.
        let step =
            in_lane::step(&["build"], lane, args).counted().with_env("XTASK_CACHE", "off".into());
        // Linking has a section of its own only there, and only if asked for.
        let is_nightly = toolchain.contains("-nightly");
        if is_nightly {
            step.with_env("CARGO_UNSTABLE_SECTION_TIMINGS", "true".into())
        } else {
            step
        }
    }

    /// The code to end with, where the build has failed: half a build has no critical path.
    fn build(&self, gathering: &Gathering<'_>, build: &Step) -> anyhow::Result<Option<ExitCode>> {
        let &Gathering { project, lane, ui, .. } = gathering;
        let lanes_dir = project.repo.lanes_dir();
        let shown = project.shown(&lane.dir);
        if !self.incremental && lane.dir.exists() {
            if multilane::lanes::occupy::remove_agent_lane(&lanes_dir, &lane.dir)?
                != Removal::Removed
            {
                bail!("{shown} is in use\nhelp: another `analyze` builds there; wait for its end");
            }
            drop(multilane::lanes::occupy::sweep(&lanes_dir));
        }
        multilane::retarget::provide::provide_wrapper(&project, ui);
        let stamp = multilane::lanes::occupy::stamp_text(lane);
        let _in_use = multilane::lanes::occupy::enter_agent_lane(
            &lanes_dir,
            lane,
            &stamp,
            environment::now(),
        )
        .with_context(|| format!("cannot use {shown}"))?;
        let how = if self.incremental {
            "what has changed"
        } else {
            "all from nothing, which takes a while"
        };
        ui.status("Building", format_args!("in {shown}: {how}"));
        // Of a build that does not come to its end there is nothing that `--last` could take.
        let last = std::fs::read(gathering.timings()).ok();
        drop(files::remove_own_file(&gathering.timings()));
        let before = processor_seconds();
        let Outcome { status, units, .. } = project.sh.run(build, None)?;
        let processor = processor_seconds().zip(before).map(|(after, before)| after - before);
        if !status.success() {
            project.session.ui.error(&anyhow::anyhow!(
                "the build failed, so there is nothing to analyze\nhelp: `{build}` has to succeed first"
            ));
            return Ok(Some(exit_code(status).into()));
        }
        let compiled = units.map_or(0, |units| units.compiled.len());
        if compiled == 0 {
            if let Some(last) = last {
                files::write_atomically(&gathering.timings(), &last)?; // The lane is as it was.
            }
            bail!(
                "nothing was compiled, so nothing can be said\nhelp: without --incremental, all is compiled"
            );
        }
        std::fs::create_dir_all(&gathering.dir)?;
        let timings = lane.dir.join("cargo-timings/cargo-timing.html");
        let html = std::fs::read(&timings)
            .with_context(|| format!("cargo has written no {}", timings.display()))?;
        files::write_atomically(&gathering.timings(), &html)?;
        files::write_atomically(&gathering.processor(), json!(processor).to_string().as_bytes())?;
        Ok(None)
    }

    /// Has LLVM's input written for the programs and libraries that were asked for, each compiled
    /// once more: with another number of codegen units it is another unit to cargo, and the ones
    /// that were measured stay.
    fn emit(&self, gathering: &Gathering<'_>, toolchain: &str) -> anyhow::Result<Value> {
        const TARGETS_MAX: usize = 4;
        let &Gathering { project, lane, ui, .. } = gathering;
        let args = [
            vec!["metadata".into(), "--no-deps".into(), "--format-version=1".into()],
            self.metadata_args(),
        ];
        let said = project.sh.read_cargo(&args.concat(), &project.repo.root)?;
        let metadata: Value =
            serde_json::from_slice(&said).context("`cargo metadata` printed no JSON")?;
        let line = self.cargo.line();
        let default = if line.has(&["--release", "-r"]) { "release" } else { "dev" };
        let profile = line.selection().profile.unwrap_or_else(|| default.to_owned());
        let tells_items = gathering.tells_items(toolchain);
        let mut emitted = Vec::new();
        for (package, kind, name) in targets(&metadata, &line.packages()) {
            if emitted.len() == TARGETS_MAX {
                ui.warn(format_args!("only the first {TARGETS_MAX} programs and libraries are looked at; --package names others"));
                break;
            }
            let path = gathering.dir.join(format!("mono-{}.ll", emitted.len()));
            let mut args = self.to_mono_args();
            args.extend(["--package".into(), package.clone().into(), format!("--{kind}").into()]);
            args.extend((kind == "bin").then(|| name.clone().into()));
            args.extend([
                "--config".into(),
                format!("profile.{profile}.package.{package}.codegen-units=1").into(),
            ]);
            let mut emit = OsString::from("--emit=llvm-ir=");
            emit.push(&path);
            let mut rest =
                vec![emit, "-Cno-prepopulate-passes".into(), "-Cpasses=name-anon-globals".into()];
            let items = tells_items.then(|| path.with_extension("items"));
            if let Some(dir) = &items {
                let mut dump = OsString::from("-Zdump-mono-stats=");
                dump.push(dir);
                rest.extend([dump, "-Zdump-mono-stats-format=json".into()]);
            }
            ui.status(
                "Compiling",
                format_args!("{package} ({kind} {name}) for what LLVM is given"),
            );
            let step = in_lane::step(&["rustc"], lane, args).counted().rest(rest);
            if !project.sh.run(&step, None)?.status.success() {
                bail!("`{step}` failed");
            }
            let items =
                items.map(|dir| dir.join(format!("{}.mono_items.json", name.replace('-', "_"))));
            emitted.push(json!({
                "package": package,
                "kind": kind,
                "name": name,
                "path": path.to_string_lossy(),
                "items": items.map(|path| path.to_string_lossy().into_owned()),
            }));
        }
        Ok(emitted.into())
    }

    fn gather(
        &self,
        gathering: &Gathering<'_>,
        build: &Step,
        toolchain: &str,
        mono: Value,
    ) -> Value {
        let &Gathering { project, lane, .. } = gathering;
        let parts = self.parts();
        let has = |part: Part| parts.contains(&part);
        let env = &project.session.env;

        let mut metadata = vec!["metadata".into(), "--format-version=1".into()];
        metadata.extend(self.metadata_args());
        let named = self.cargo.line().selection().targets;
        let targets = if named.is_empty() { &project.config.targets } else { &named };
        let host_triple = toolchain::host_triple(toolchain).to_owned();
        metadata
            .extend(["--filter-platform".into(), targets.first().unwrap_or(&host_triple).into()]);
        let metadata =
            gathering.keep("metadata.json", project.sh.read_cargo(&metadata, &project.repo.root));

        let since = format!("--since={WEEKS}.weeks");
        let log = ["log", &since, "--max-count=20000", "--no-merges", "--no-renames", "--relative"];
        let log = log.into_iter().chain(["--name-only", "--format=%x01%H %ct"]);
        let log = project.sh.read("git", log, &project.repo.root);

        // A repository may have several workspaces, which share the one history.
        let common = Common::of(&project.repo.root);
        let inside = common.as_ref().map(|common| common.inside().to_string_lossy().into_owned());
        let selecting =
            self.selecting_args().into_iter().map(|arg| arg.to_string_lossy().into_owned());
        let selection: Vec<String> =
            inside.into_iter().filter(|inside| !inside.is_empty()).chain(selecting).collect();

        json!({
            "root": project.repo.root.to_string_lossy(),
            "start": project.repo.start.to_string_lossy(),
            "lane": lane.dir.to_string_lossy(),
            "build": build.to_string(),
            "selection": selection.join(" "),
            "toolchain": toolchain.lines().next(),
            "incremental": self.incremental,
            "wrapper": project.config.rustc_wrappers.first().map(|path| path.to_string_lossy()),
            "parts": parts.iter().map(|part| part.name()).collect::<Vec<_>>(),
            "json": self.json,
            "quiet": self.quiet,
            "now": environment::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs()),
            "weeks": WEEKS,
            "processor_seconds": std::fs::read(gathering.processor())
                .ok()
                .and_then(|text| serde_json::from_slice::<Value>(&text).ok()),
            "timings": gathering.timings().to_string_lossy(),
            "metadata": metadata,
            "git_log": gathering.keep("git.log", log),
            "commit": multilane::project::worktrees::git(&project, &["rev-parse", "HEAD"]).ok(),
            "changed": multilane::project::worktrees::git(&project, &["status", "--porcelain"]).is_ok_and(|status| !status.is_empty()),
            "history": common.map(|common| common.history().to_string_lossy().into_owned()),
            "report": gathering.dir.join("report.html").to_string_lossy(),
            "units": units::read_present(&lane.dir).iter().map(unit).collect::<Vec<_>>(),
            "mono": mono,
            "record": !self.last && !self.incremental,
            "unused": (has(Part::Deps) && env.find_program("cargo-shear").is_some()).then(|| {
                // It ends with 1 where it has found something.
                let args = ["shear", "--offline", "--format=json"];
                let found = project.sh.output("cargo-shear".as_ref(), args, &project.repo.root);
                gathering.keep("unused.json", found.map(|found| found.stdout))
            }),
            "lanes": has(Part::Disk).then(|| gathering.lanes()),
            "fork": has(Part::Cache).then(|| fork(&multilane::fork::fork_for_another_tree(&project, lane))),
            "sccache": (has(Part::Cache) && env.find_program("sccache").is_some()).then(|| {
                let args = ["--show-stats", "--stats-format=json"];
                gathering.keep("sccache.json", project.sh.read("sccache", args, &project.repo.root))
            }),
        })
    }
}

/// Package, kind and name of the programs and libraries of the default members, or of the packages
/// that were named.
fn targets(metadata: &Value, named: &[String]) -> Vec<(String, &'static str, String)> {
    let items = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let defaults = items(&metadata["workspace_default_members"]);
    let mut found = Vec::new();
    for package in items(&metadata["packages"]) {
        let name = package["name"].as_str().unwrap_or_default().to_owned();
        let is_wanted = if named.is_empty() {
            defaults.contains(&package["id"])
        } else {
            named.contains(&name)
        };
        for target in items(&package["targets"]).iter().filter(|_| is_wanted) {
            let target_name = target["name"].as_str().unwrap_or_default().to_owned();
            let kinds = items(&target["kind"]);
            let kind = if kinds.iter().any(|kind| kind == "bin") { "bin" } else { "lib" };
            if kinds.iter().any(|kind| ["bin", "lib", "rlib"].iter().any(|known| kind == known)) {
                found.push((name.clone(), kind, target_name));
            }
        }
    }
    // In programs is what is instantiated by all that they are made of.
    found.sort_by_key(|(_, kind, _)| *kind != "bin");
    found
}

/// What is handed over of a unit. Its times are those of its files.
fn unit(unit: &units::Unit) -> Value {
    json!({
        "package": unit.package,
        "target": unit.target,
        "fingerprint": unit.fingerprint.to_string_lossy(),
        "id": unit.id,
        "dependencies": unit.dependencies,
    })
}

/// What a fork of the lane into another worktree would leave to cargo there.
fn fork(plan: &Plan) -> Value {
    let left = plan.left.iter().map(|left| {
        json!({ "id": left.id, "why": left.why.to_string(), "follows": matches!(left.why, Why::Needs(_)) })
    });
    json!({ "left": left.collect::<Vec<_>>() })
}

struct Gathering<'a> {
    dir: PathBuf,
    project: &'a Project,
    lane: &'a Lane,
    ui: Ui,
}

impl Gathering<'_> {
    fn facts(&self) -> PathBuf {
        self.dir.join("facts.json")
    }

    fn timings(&self) -> PathBuf {
        self.dir.join("timings.html")
    }

    /// How long the build's processes have had a processor, in seconds.
    fn processor(&self) -> PathBuf {
        self.dir.join("processor.json")
    }

    /// Whether the compiler says what it instantiates: a nightly does, as long as it has the
    /// option.
    fn tells_items(&self, toolchain: &str) -> bool {
        let Project { config, sh, repo, .. } = self.project;
        let rustc = config.rustc.clone().unwrap_or_else(|| PathBuf::from("rustc"));
        toolchain.contains("-nightly")
            && sh
                .read(&rustc, ["-Zhelp"], &repo.start)
                .is_ok_and(|said| String::from_utf8_lossy(&said).contains("dump-mono-stats-format"))
    }

    /// Puts what a process has said where it is read; `None` where it has failed: then that is not
    /// known.
    fn keep(&self, name: &str, said: anyhow::Result<Vec<u8>>) -> Option<String> {
        let path = self.dir.join(name);
        files::write_atomically(&path, &said.ok()?).ok()?;
        Some(path.to_string_lossy().into_owned())
    }

    fn lanes(&self) -> Vec<Value> {
        let project = self.project;
        let places = list::places(
            &list::worktrees(&project.sh, &project.repo),
            &project.repo,
            &multilane::lanes::choose::worktree_lane(&project).dir,
        );
        let lane = |found: list::Found| {
            json!({
                "worktree": found.worktree.to_string_lossy(),
                "agent": found.agent,
                "path": found.dir.to_string_lossy(),
            })
        };
        places.into_iter().map(lane).collect()
    }
}

fn think(facts: &Path) -> anyhow::Result<()> {
    let facts = Facts::read(facts)?;
    let analysis = Analysis::of(&facts)?;
    let answer = if facts.is("json") {
        json::answer(&facts, &analysis).to_string()
    } else {
        text::answer(&facts, &analysis)?
    };
    if let Some(build) =
        analysis.builds.last().filter(|_| facts.is("record") && !facts.text("commit").is_empty())
    {
        remember(&facts, build);
    }
    let page = PathBuf::from(facts.text("report"));
    std::fs::write(&page, report::page(&facts, &analysis)?)
        .with_context(|| format!("cannot write {}", page.display()))?;
    ui::data(answer)
}

/// The answer is right without it, too: what cannot be written is missing next time.
fn remember(facts: &Facts, build: &Build) {
    let path = PathBuf::from(facts.text("history"));
    let text = trend::write(&trend::with(facts.history.clone(), build.clone()));
    if path.parent().is_none_or(|dir| std::fs::create_dir_all(dir).is_ok()) {
        drop(files::write_atomically(&path, text.as_bytes()));
    }
}

//! Everything that is known of a build, gathered once.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use anyhow::Context as _;
use multilane_engine::fork::{fork_for_another_tree, plan};
use multilane_engine::lanes::list;
use multilane_engine::project::git_dir::Common;
use multilane_engine::project::toolchain;
use multilane_engine::project::worktrees::git;
use multilane_engine::units;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::cache::Sccache;
use super::deps::{Shear, Unused};
use super::graph::Known;
use super::metadata::Metadata;
use super::mono::{self, Mono};
use super::timings::Timings;
use super::trend::{self, Build};
use super::{Gathering, OF_FEATURES, OF_MANIFEST};
use crate::flags::analyze::Part;

/// How far back the history is read: what was edited a year ago says little about next week.
const WEEKS: u32 = 12;

pub(crate) struct Facts {
    /// `cargo multilane`, `cargo xtask`.
    pub(crate) called: &'static str,
    pub(crate) root: PathBuf,
    /// The command line that was measured.
    pub(crate) build: String,
    /// What has to be the same in builds that are compared.
    pub(crate) selection: String,
    pub(crate) is_incremental: bool,
    /// Whether the build belongs into the history.
    pub(crate) is_recorded: bool,
    pub(crate) parts: Vec<Part>,
    pub(crate) uses_sccache: bool,
    pub(crate) timings: Timings,
    /// How long the build's processes used a processor, in seconds, where the system tells.
    pub(crate) processor_seconds: Option<f64>,
    pub(crate) known: Vec<Known>,
    /// Empty where `cargo metadata` has failed.
    pub(crate) metadata: Metadata,
    /// `None` where there is no git.
    pub(crate) git_log: Option<String>,
    pub(crate) weeks: u32,
    pub(crate) commit: Option<String>,
    pub(crate) has_changes: bool,
    pub(crate) history_file: Option<PathBuf>,
    /// All builds that are remembered, of every kind.
    pub(crate) history: Vec<Build>,
    pub(crate) mono: Vec<Mono>,
    /// `None` where cargo-shear is not installed, or its answer has an unknown format.
    pub(crate) unused: Option<Vec<Unused>>,
    /// What sccache has printed; `None` where there is none.
    pub(crate) sccache: Option<serde_json::Value>,
    /// What a fork leaves to cargo.
    pub(crate) left: Option<Vec<plan::LeftToCargo>>,
    pub(crate) lanes: Vec<list::Found>,
}

impl Facts {
    pub(crate) fn wants(&self, part: Part) -> bool {
        self.parts.contains(&part)
    }

    pub(crate) fn sccache(&self) -> Option<Sccache> {
        serde_json::from_value(self.sccache.clone()?).ok()
    }
}

impl Gathering<'_> {
    /// # Errors
    ///
    /// When the timings have a format that is not known, or the code for `mono` cannot be compiled.
    pub(super) fn facts(&self) -> anyhow::Result<Facts> {
        let &Gathering { project, lane, flags, .. } = self;
        let root = &project.repo.root;
        let parts = flags.parts();
        let has = |part: Part| parts.contains(&part);
        let has_program = |name: &str| project.session.env.find_program(name).is_some();

        let page = self.timings();
        let page = multilane_engine::files::read_text(&page)
            .with_context(|| format!("cannot read {}", page.display()))?;
        let timings = Timings::read(&page)?;
        let units = units::read_present(&lane.dir);
        let known = units.iter().filter_map(|unit| known(unit, &lane.dir, timings.began)).collect();
        let metadata = self.metadata().unwrap_or_default();
        let emitted = if has(Part::Mono) { self.emit(&metadata)? } else { Vec::new() };

        let since = format!("--since={WEEKS}.weeks");
        let log = ["log", &since, "--max-count=20000", "--no-merges", "--no-renames", "--relative"];
        let log = log.into_iter().chain(["--name-only", "--format=%x01%H %ct"]);
        let log = project.sh.read("git", log, root).ok();

        // A repository may have several workspaces, which share the one history.
        let common = Common::of(root);
        let inside = common.as_ref().map(|common| common.inside().to_string_lossy().into_owned());
        let words = flags.cargo.only(|name| !OF_MANIFEST.contains(&name)).into_iter();
        let words = words.map(|word| word.to_string_lossy().into_owned());
        let selection: Vec<String> =
            inside.into_iter().filter(|inside| !inside.is_empty()).chain(words).collect();
        let history_file = common.map(|common| common.dir.join("analyze.json"));
        let history =
            history_file.as_ref().and_then(|path| multilane_engine::files::read(path).ok());

        let sccache = (has(Part::Cache) && has_program("sccache")).then(|| {
            let args = ["--show-stats", "--stats-format=json"];
            parse(project.sh.read("sccache", args, root).ok()?)
        });
        let unused = (has(Part::Deps) && has_program("cargo-shear")).then(|| {
            // It exits with 1 where it has found something.
            let args = ["shear", "--offline", "--format=json"];
            let said = project.sh.output("cargo-shear".as_ref(), args, root).ok()?;
            parse::<Shear>(said.stdout)?.unused()
        });
        let lanes = has(Part::Disk).then(|| list::measured(list::all(project)));
        let wrapper = project.config.rustc_wrappers.first();
        Ok(Facts {
            called: self.ui.called,
            root: root.clone(),
            build: self.build.to_string(),
            selection: selection.join(" "),
            is_incremental: flags.incremental,
            is_recorded: !flags.last && !flags.incremental,
            uses_sccache: wrapper.is_some_and(|path| path.to_string_lossy().contains("sccache")),
            timings,
            processor_seconds: multilane_engine::files::read(self.processor()).ok().and_then(parse),
            known,
            git_log: log.map(|log| String::from_utf8_lossy(&log).into_owned()),
            weeks: WEEKS,
            commit: git(project, &["rev-parse", "HEAD"]).ok(),
            has_changes: git(project, &["status", "--porcelain"])
                .is_ok_and(|said| !said.is_empty()),
            history_file,
            history: history.map(|text| trend::read(&text)).unwrap_or_default(),
            mono: mono::read(&emitted, &metadata),
            metadata,
            unused: unused.flatten(),
            sccache: sccache.flatten(),
            left: has(Part::Cache).then(|| fork_for_another_tree(project, lane).left),
            lanes: lanes.unwrap_or_default(),
            parts,
        })
    }

    fn metadata(&self) -> Option<Metadata> {
        let project = self.project;
        let host = toolchain::host_triple(&self.toolchain).to_owned();
        let mut targets = self.line.selection().targets;
        targets.extend(project.config.targets.iter().cloned().chain([host]));
        let mut args = self.flags.only(&[OF_FEATURES, OF_MANIFEST]);
        args.retain(|arg| arg != "--offline");
        args.splice(0..0, ["metadata", "--format-version=1", "--offline"].map(OsString::from));
        args.extend(["--filter-platform".into(), targets.swap_remove(0).into()]);
        parse(project.sh.read_cargo(&args, &project.repo.start).ok()?)
    }
}

fn parse<T: DeserializeOwned>(text: Vec<u8>) -> Option<T> {
    serde_json::from_slice(&text).ok()
}

/// What cargo writes into a fingerprint's JSON.
#[derive(Deserialize)]
struct Fingerprint {
    /// A list in a string: `"[\"default\", \"std\"]"`.
    features: Option<String>,
}

/// `None` where cargo has not completed the unit.
fn known(unit: &units::Unit, lane: &Path, began: f64) -> Option<Known> {
    let dir = lane.join(&unit.fingerprint);
    let record = dir.join(format!("{}.json", unit.target));
    let fingerprint: Fingerprint = parse(multilane_engine::files::read(&record).ok()?)?;
    let seconds = |path: &Path| -> Option<f64> {
        let modified = path.metadata().ok()?.modified().ok()?;
        Some(modified.duration_since(UNIX_EPOCH).ok()?.as_secs_f64() - began)
    };
    Some(Known {
        package: unit.package.clone(),
        target: unit.target.clone(),
        features: fingerprint.features.and_then(|list| serde_json::from_str(&list).ok()),
        id: unit.id,
        dependencies: unit.dependencies.clone(),
        began: seconds(&dir.join("invoked.timestamp")),
        ended: seconds(&record)?,
    })
}

//! `lane verify`: shows on the workspace at hand that a forked lane equals one built from scratch.
//!
//! ```text
//! <repository>-verify/          made for the one call, and deleted at its end
//! ├── repository/               a clone that borrows the objects; it has the worktrees
//! ├── *.log                     the output of each step
//! ├── forked/                   the forked tree, set aside after its tests
//! └── first/                    a lane from scratch, set aside to see if the next one is the same
//! <repository>-verify-a/        the donor's tree, until the fork is made
//! <repository>-verify-b/        the forked tree, and after it the one from scratch
//! ```
//!
//! Beside the repository, so that cargo finds the configuration and the path dependencies that it
//! would find from there. Both lanes lie at one place, so that their files can be the same to the
//! byte; its path is as long as the donor's, so that this holds where a file names a path. No
//! programs are run but tests, since a program may do anything. Equal bytes do the same.

pub(crate) mod compare;
pub(crate) mod outputs;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context as _, bail, ensure};
use multilane::verbs::worktree::{beside, carry_over_configuration};
use multilane_engine::environment::real_path;
use multilane_engine::fork::{self, plan};
use multilane_engine::lanes::{KeyInputs, Lane, Owner, choose, in_lane};
use multilane_engine::process::step::Step;
use multilane_engine::process::{Held, Outcome};
use multilane_engine::project::cargo_config::CargoConfig;
use multilane_engine::project::root::Repo;
use multilane_engine::project::{Project, Session, worktrees};
use multilane_engine::retarget::wrapper::{self, WRAPPER_DIR};
use multilane_engine::sccache::server;
use multilane_engine::ui::Ui;
use multilane_engine::units::Place;
use multilane_engine::{files, ui};

use crate::files::Temporary;
use crate::flags;
use crate::process;
use crate::verify::compare::{Files, Report, Results, Runs, Tests, Transcript, Units};
use crate::verify::outputs::Output;

impl flags::lane::LaneVerify {
    pub(crate) fn run(self, session: Session) -> anyhow::Result<ExitCode> {
        let project = session.project(None)?;
        ensure!(
            self.cargo.line().value("--manifest-path").is_none(),
            "--manifest-path names your own tree, and the temporary trees are built\n\
             help: cd to the directory of that manifest"
        );
        for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"] {
            let is_set = project.session.env.get(name).is_some();
            ensure!(
                !is_set,
                "{name} is set, so git would work in your tree\nhelp: do not run it from a git hook"
            );
        }
        let ui = project.session.ui.quiet(self.quiet);
        let trees = Trees::of(&project, self.dir.as_deref())?;
        if self.dry_run {
            ui::data(self.outline(&project, &trees))?;
            return Ok(ExitCode::SUCCESS);
        }
        if !worktrees::git(&project, &["status", "--porcelain"])?.is_empty() {
            ui.warn(format_args!(
                "{} is verified, without the uncommitted changes",
                trees.shown_commit()
            ));
        }

        let held = Held::start();
        let mut verification = Verification {
            flags: &self,
            project,
            ui,
            trees,
            temporary: Temporary::default(),
            held: &held,
            steps: 0,
        };
        let report = verification.carry_out();
        let Verification { temporary, .. } = verification;
        if self.keep {
            temporary.present().for_each(|dir| ui.status("Kept", dir.display()));
        } else {
            ui.progress("Removing", "the temporary trees");
            let left = temporary.delete();
            ui.end_progress();
            for (dir, err) in left {
                ui.warn(format_args!("cannot delete {}: {err}; delete it yourself", dir.display()));
            }
        }
        held.release();

        let report = report?;
        if self.json {
            ui::data(serde_json::to_string(&report)?)?
        } else {
            ui::data(&report)?
        }
        Ok(if report.findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    fn outline(&self, project: &Project, trees: &Trees) -> String {
        let Trees { home, donor, own, .. } = trees;
        let list = |tree: &Path| {
            let lane = lane_in(project, &trees.root(tree));
            let steps = self.building(&lane).into_iter().chain(self.testing(&lane));
            steps.map(|step| format!("\n    {step}")).collect::<String>()
        };
        format!(
            "clone {} into {}\n\
             in {}, the donor:{}\n\
             in {}, forked from it, and the donor removed:{}\n\
             the same there once more, from scratch\n\
             compare, and delete all of it",
            trees.top.display(),
            home.join("repository").display(),
            donor.display(),
            list(donor),
            own.display(),
            list(own),
        )
    }

    fn building(&self, lane: &Lane) -> [Step; 2] {
        let mut args = self.to_test_args();
        args.push("--no-run".into());
        [
            in_lane::step(&["build"], lane, self.to_args()).counted(),
            in_lane::step(&["test"], lane, args).counted(),
        ]
    }

    fn testing(&self, lane: &Lane) -> Option<Step> {
        let mut args = self.to_test_args();
        args.push("--no-fail-fast".into());
        (!self.no_run).then(|| in_lane::step(&["test"], lane, args).rest(self.cargo.line().rest))
    }
}

/// The paths of all trees.
struct Trees {
    /// The user's checkout, which is only read.
    top: PathBuf,
    commit: String,
    /// The user's directory, relative to the checkout.
    inside: PathBuf,
    /// The workspace, relative to the checkout.
    root_inside: PathBuf,
    home: PathBuf,
    donor: PathBuf,
    own: PathBuf,
}

impl Trees {
    fn of(project: &Project, dir: Option<&Path>) -> anyhow::Result<Trees> {
        let top = worktrees::checkout_of(project, &project.repo.root)?;
        let inside = |dir: &Path| -> anyhow::Result<PathBuf> {
            let dir = real_path(dir)?;
            Ok(dir.strip_prefix(&top).unwrap_or(Path::new("")).to_owned())
        };
        let near = match dir {
            Some(dir) => {
                let dir = project.repo.start.join(dir);
                let dir = real_path(&dir).with_context(|| format!("--dir {}", dir.display()))?;
                ensure!(
                    !dir.starts_with(&top),
                    "--dir {} is in the repository itself",
                    dir.display()
                );
                dir.join(top.file_name().unwrap_or_default())
            }
            None => top.clone(),
        };
        Ok(Trees {
            commit: worktrees::git(project, &["rev-parse", "--verify", "HEAD"])
                .context("there is no commit to verify")?,
            inside: inside(&project.repo.start)?,
            root_inside: inside(&project.repo.root)?,
            home: beside(&near, "verify"),
            donor: beside(&near, "verify-a"),
            own: beside(&near, "verify-b"),
            top,
        })
    }

    fn shown_commit(&self) -> &str {
        &self.commit[..self.commit.len().min(12)]
    }

    /// The directory in `tree` where cargo is started.
    fn within(&self, tree: &Path) -> PathBuf {
        tree.join(&self.inside).components().collect()
    }

    fn root(&self, tree: &Path) -> PathBuf {
        tree.join(&self.root_inside).components().collect()
    }
}

struct Verification<'a> {
    flags: &'a flags::lane::LaneVerify,
    /// At first the user's, then that of the tree that was made last.
    project: Project,
    ui: Ui,
    trees: Trees,
    temporary: Temporary,
    held: &'a Held,
    /// How many steps have been begun; each has a log of its own.
    steps: usize,
}

/// The result of building and testing in a tree.
struct Built {
    compiled: Vec<String>,
    results: Results,
    /// The packages that a second build compiles.
    again: Vec<String>,
    /// The files of the checkout after the build, and before any test.
    files: BTreeSet<PathBuf>,
}

impl Verification<'_> {
    fn carry_out(&mut self) -> anyhow::Result<Report> {
        self.make_home()?;
        self.make_tree(&self.trees.donor.clone())?;
        self.build_and_test("donor", &self.trees.donor.clone()).context("the donor")?;

        let lockfile = self.trees.root(&self.trees.donor).join("Cargo.lock");
        files::carry_over(&lockfile, &self.trees.home.join("Cargo.lock"))
            .context("cannot keep Cargo.lock")?;
        self.make_tree(&self.trees.own.clone())?;
        let plan = self.fork()?;
        self.remove_donor()?;
        let own = self.trees.own.clone();
        let forked = self
            .build_and_test("forked", &own)
            .context("the forked tree, where the donor has built")?;

        let aside = self.trees.home.join("forked");
        self.temporary.set_aside(&own, &aside)?;
        self.make_tree(&own)?;
        self.compile_all_anew()?;
        let scratch = self
            .build_and_test("scratch", &own)
            .context("the tree from scratch, where the fork has built")?;

        let outputs = self.compare(&aside)?;
        let mut findings = Vec::from_iter(compare::restless(forked.again, scratch.again));
        findings.extend(compare::only_in_one(&forked.files, &scratch.files));
        let mut runs = Runs { forked: vec![forked.results], scratch: vec![scratch.results] };
        self.run_again_what_differs(&mut runs, &aside)?;
        findings.extend(runs.differing().iter().map(ToString::to_string));
        let irreproducible = self.irreproducible(&outputs)?;
        let is_to_blame = |output: &&Output| !irreproducible.contains(&output.path);
        findings.extend(outputs.iter().filter(is_to_blame).flat_map(compare::findings_of));
        Ok(Report {
            commit: self.trees.shown_commit().to_owned(),
            units: Units {
                brought: plan.units.len(),
                left: plan.left.len(),
                reasons: plan::reasons(plan.left.iter()),
                compiled_in_fork: forked.compiled.len(),
                compiled_from_scratch: scratch.compiled.len(),
            },
            tests: (!self.flags.no_run).then(|| Tests::of(&runs)),
            files: Files::of(
                &outputs,
                irreproducible.iter().map(|path| path.display().to_string()).collect(),
            ),
            findings,
        })
    }

    fn make(&mut self, dir: &Path) -> anyhow::Result<()> {
        let shown = dir.display();
        ensure!(
            dir.symlink_metadata().is_err(),
            "{shown} already exists\n\
             help: if no other `lane verify` runs, one was killed or kept: delete it"
        );
        self.temporary.make(dir).with_context(|| format!("cannot make {shown}"))
    }

    fn make_home(&mut self) -> anyhow::Result<()> {
        let Trees { top, home, .. } = &self.trees;
        let (top, home) = (top.clone(), home.clone());
        self.make(&home)?;
        let repository = home.join("repository");
        let args = ["clone", "--quiet", "--shared", "--no-checkout"].map(OsString::from);
        let args = args.into_iter().chain([top.into(), repository.into()]);
        self.project.sh.read("git", args, &home).context("cannot clone the repository")?;
        Ok(())
    }

    /// Makes a worktree of the clone.
    fn make_tree(&mut self, tree: &Path) -> anyhow::Result<()> {
        self.make(tree)?;
        let repository = self.trees.home.join("repository");
        // A tree that was set aside is missing for git.
        self.project.sh.read("git", ["worktree", "prune"], &repository)?;
        // Without the user's hooks: the tree is temporary.
        let args = ["-c", "core.hooksPath=/dev/null", "worktree", "add", "--quiet", "--detach"]
            .map(OsString::from);
        let args = args.into_iter().chain([tree.into(), self.trees.commit.as_str().into()]);
        self.project.sh.read("git", args, &repository).context("cannot make a worktree")?;

        let root = self.trees.root(tree);
        let users = self.trees.root(&self.trees.top);
        carry_over_configuration(&users, &root)?;
        // Where the lockfile is not in the commit, all trees need the same.
        for from in [self.trees.home.join("Cargo.lock"), users.join("Cargo.lock")] {
            files::carry_over(&from, &root.join("Cargo.lock"))
                .context("cannot carry over Cargo.lock")?;
        }

        let start = self.trees.within(tree);
        self.project.repo = Repo::locate(start.clone(), &start)?;
        self.project.config = CargoConfig::read(&start, &self.project.session.env);
        // As the first build through xtask does. Those here are plain cargo's, so that nothing else
        // is forked.
        wrapper::provide_wrapper(&self.project, self.ui.quiet(true));
        self.project.config = CargoConfig::read(&start, &self.project.session.env);
        self.stop_if_interrupted()
    }

    /// Disables the shared cache, which may hold what the donor has compiled. Not with a variable:
    /// a build script can read the environment, which has to be the same in both trees.
    fn compile_all_anew(&self) -> anyhow::Result<()> {
        let through_cache = self.project.repo.root.join(WRAPPER_DIR).join(server::THROUGH_CACHE);
        files::remove_own_file(&through_cache)
            .with_context(|| format!("cannot delete {}", through_cache.display()))?;
        if let Some(wrapper) = wrapper::foreign_wrapper(&self.project) {
            self.ui.warn(format_args!(
                "compilers go through {}: if that is a cache, nothing may be built from scratch",
                wrapper.display()
            ));
        }
        Ok(())
    }

    fn build_and_test(&mut self, name: &str, tree: &Path) -> anyhow::Result<Built> {
        let lane = lane_in(&self.project, &self.trees.root(tree));
        self.ui.status("Building", format_args!("{name} in {}", tree.display()));
        let started = Instant::now();
        let mut compiled = Vec::new();
        for step in self.flags.building(&lane) {
            compiled.extend(self.build(name, tree, &step)?);
        }
        self.ui.status(
            "Built",
            format_args!(
                "{name}: compiled {}, {}",
                compiled.len(),
                ui::duration(started.elapsed())
            ),
        );
        let files = outputs::files_of_checkout(tree, &lane.dir);
        let results = self.test(name, tree, &lane)?;
        let [build, build_tests] = self.flags.building(&lane);
        let mut again = self.build(name, tree, &build)?;
        again.extend(self.build(name, tree, &build_tests)?);
        Ok(Built { compiled, results, again, files })
    }

    /// The packages of the units that were compiled.
    fn build(&mut self, name: &str, tree: &Path, step: &Step) -> anyhow::Result<Vec<String>> {
        let ui = self.ui;
        let (outcome, log) = self.step(name, tree, step, |line| {
            if let Some(package) = line.trim_start().strip_prefix("Compiling ") {
                ui.progress("Building", format_args!("{name}: {package}"));
            }
        })?;
        if !outcome.status.success() {
            bail!("`{step}` failed\n{}", last_lines(&log));
        }
        Ok(outcome.units.map(|units| units.compiled).unwrap_or_default())
    }

    fn test(&mut self, name: &str, tree: &Path, lane: &Lane) -> anyhow::Result<Results> {
        let Some(step) = self.flags.testing(lane) else { return Ok(Results::default()) };
        let ui = self.ui;
        let started = Instant::now();
        let mut transcript = Transcript::default();
        let (outcome, log) = self.step(name, tree, &step, |line| {
            transcript.hear(line);
            ui.progress("Testing", format_args!("{name}: {} tests", transcript.count()));
        })?;
        let results = transcript.end();
        if results.is_empty() && !outcome.status.success() {
            bail!("`{step}` failed before any test\n{}", last_lines(&log));
        }
        ui.status(
            "Tested",
            format_args!("{name}: {} tests, {}", results.count(), ui::duration(started.elapsed())),
        );
        Ok(results)
    }

    fn step(
        &mut self,
        name: &str,
        tree: &Path,
        step: &Step,
        hear: impl FnMut(&str),
    ) -> anyhow::Result<(Outcome, PathBuf)> {
        self.steps += 1;
        let log = self.trees.home.join(format!("{:02}-{name}.log", self.steps));
        let outcome = process::listen(&self.project.sh, step, &self.trees.within(tree), &log, hear);
        self.ui.end_progress();
        self.stop_if_interrupted()?;
        Ok((outcome?, log))
    }

    fn fork(&mut self) -> anyhow::Result<plan::ForkPlan> {
        let begun = Instant::now();
        let donor_root = self.trees.root(&self.trees.donor);
        let lane = lane_in(&self.project, &self.project.repo.root);
        let donors = fork::donor_at(&self.project, &donor_root)?;
        let plan = fork::best_fork(&self.project, &lane, &donors)
            .context("the donor has built nothing")?;
        fork::carry_out_fork(&self.project, self.ui, &plan, begun).context("cannot fork")?;
        self.stop_if_interrupted()?;
        Ok(plan)
    }

    fn remove_donor(&mut self) -> anyhow::Result<()> {
        let donor = &self.trees.donor;
        let removed = if self.flags.keep {
            self.temporary.set_aside(donor, &self.trees.home.join("donor"))
        } else {
            self.temporary.delete_one(donor)
        };
        removed.context("cannot remove the donor")
    }

    fn compare(&self, forked: &Path) -> anyhow::Result<Vec<Output>> {
        let root = self.trees.root(&self.trees.own);
        let lane = lane_in(&self.project, &root).dir;
        let scratch = Place::new(root, lane);
        self.ui.progress("Comparing", "files");
        let outputs = outputs::compare(&outputs::Question {
            forked: &lane_in(&self.project, &self.trees.root(forked)).dir,
            scratch: &scratch,
            donor_top: &self.trees.donor,
            own_top: &self.trees.own,
        });
        self.ui.end_progress();
        self.stop_if_interrupted()?;
        Ok(outputs)
    }

    /// Tests that differ may be flaky. Each lane is put back in its place and tested again.
    fn run_again_what_differs(&mut self, runs: &mut Runs, forked: &Path) -> anyhow::Result<()> {
        const RUNS_MAX: usize = 3;
        let own = self.trees.own.clone();
        let scratch = self.trees.home.join("scratch");
        while !runs.differing().is_empty() && runs.forked.len() < RUNS_MAX {
            self.ui.status(
                "Differing",
                format_args!("{}; running the tests again", runs.differing().len()),
            );
            let lane = lane_in(&self.project, &self.trees.root(&own));
            self.temporary.set_aside(&own, &scratch)?;
            self.temporary.set_aside(forked, &own)?;
            runs.forked.push(self.test("forked", &own, &lane)?);
            self.temporary.set_aside(&own, forked)?;
            self.temporary.set_aside(&scratch, &own)?;
            runs.scratch.push(self.test("scratch", &own, &lane)?);
        }
        Ok(())
    }

    /// The files that differ between any two builds from scratch, which another one shows.
    fn irreproducible(&mut self, outputs: &[Output]) -> anyhow::Result<Vec<PathBuf>> {
        let suspects: Vec<&Path> = outputs
            .iter()
            .filter(|output| compare::may_be_irreproducible(output))
            .map(|output| output.path.as_path())
            .collect();
        if suspects.is_empty() {
            return Ok(Vec::new());
        }
        self.ui.status(
            "Differing",
            format_args!("{} files; building from scratch again", suspects.len()),
        );
        let own = self.trees.own.clone();
        let lane = lane_in(&self.project, &self.trees.root(&own));
        let first = self.trees.home.join("first");
        self.temporary.set_aside(&lane.dir, &first)?;
        for step in self.flags.building(&lane) {
            self.build("scratch", &own, &step)?;
        }
        Ok(outputs::differing(&first, &lane.dir, suspects.into_iter()))
    }

    fn stop_if_interrupted(&self) -> anyhow::Result<()> {
        ensure!(!self.held.has_come(), "interrupted");
        Ok(())
    }
}

/// The lane in a temporary tree, even where cargo is configured to build elsewhere.
pub fn lane_in(project: &Project, root: &Path) -> Lane {
    let owner = Owner::Agent { inputs: KeyInputs::default(), detours: choose::detours(project) };
    Lane { dir: root.join("target"), owner, runner: None }
}

fn last_lines(log: &Path) -> String {
    const LINES: usize = 20;
    let text = files::read_text(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with("{\"reason\"")).collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}

//! Fills a lane from a donor: the fork that comes before the first build in a lane, and what `lane
//! fork` carries out.

pub(crate) mod choice;
pub(crate) mod display;
pub(crate) mod donors;
mod evidence;
pub(crate) mod files;
mod git_state;
pub mod noted;
pub mod plan;
pub mod reason;
pub(crate) mod rules;
pub(crate) mod sources;
mod trial;
pub(crate) mod trust;
mod ways;
pub mod write;
pub mod xtask;

use std::collections::HashSet;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime};

use anyhow::{Context as _, bail};

use crate::cargo_line::asks_for_new_layout;
use crate::environment::{Environment, real_path};
use crate::files::{delete_dir, open_to_read};
use crate::fork::donors::{Donor, Donors};
use crate::fork::git_state::Git;
use crate::fork::noted::Noted;
use crate::fork::plan::{ForkInputs, ForkPlan, LeftToCargo, TreeTools, WantedDonor, Why};
use crate::fork::sources::{SourceQuery, Sources};
use crate::lanes::choose::{LaneChoice, Lockfile};
use crate::lanes::occupy::make_lane;
use crate::lanes::{Lane, Owner};
use crate::process::step::{Recipe, Step};
use crate::project::Project;
use crate::project::cargo_config::CargoConfig;
use crate::project::git_dir;
use crate::project::packages::normalized;
use crate::project::toolchain;
use crate::record::Fork;
use crate::retarget::wrapper;
use crate::retarget::wrapper::WRAPPER_DIR;
use crate::ui::Ui;
use crate::units::link_args::is_of_system;
use crate::units::{Layout, Place, Reach, Run, Unit, incremental};
use crate::{environment, ui, units};

/// Fills a lane in which nothing was built yet, but from none of the `avoided` lanes. Whatever goes
/// wrong, cargo can build without: then it is said why.
pub fn fork_if_empty(
    project: &Project,
    ui: Ui,
    lane: &Lane,
    recipe: Option<&Recipe>,
    avoided: &[PathBuf],
) -> Result<Option<Fork>, String> {
    if !is_cold(project, lane) {
        return Ok(None);
    }
    let begun = Instant::now();
    let donors = donors(project, lane, recipe).map(|mut donors| {
        donors.found.retain(|donor| !avoided.contains(&donor.place.lane));
        donors
    });
    fork_or_warn(project, ui, lane, donors, begun)
}

/// The same from one donor, into a lane that may have units already.
pub fn fork_one(
    project: &Project,
    ui: Ui,
    lane: &Lane,
    recipe: &Recipe,
    donor: Place,
) -> Result<Option<Fork>, String> {
    let begun = Instant::now();
    let donors = donors::find(
        &project.sh,
        &project.repo,
        &crate::lanes::choose::worktree_lane(project).dir,
        &lane.dir,
    );
    let donors = in_known_layout(project, donors.only(&project.sh, donor), Some(recipe));
    fork_or_warn(project, ui, lane, Ok(donors), begun)
}

fn fork_or_warn(
    project: &Project,
    ui: Ui,
    lane: &Lane,
    donors: anyhow::Result<Donors>,
    begun: Instant,
) -> Result<Option<Fork>, String> {
    let forked = donors.and_then(|donors| match best_fork(project, lane, &donors) {
        Some(plan) if plan.is_empty() => Ok(Some(brought(project, ui, &plan, 0, &[], begun))),
        Some(plan) => carry_out_fork(project, ui, &plan, begun).map(Some),
        None => donors.problem.map_or(Ok(None), |problem| Err(anyhow::Error::msg(problem))),
    });
    forked.map_err(|err| begins_cold(project, ui, lane, &format!("{err:#}")))
}

pub(crate) fn begins_cold(project: &Project, ui: Ui, lane: &Lane, why: &str) -> String {
    ui.status("Note", format_args!("{} begins cold: {why}", project.shown(&lane.dir)));
    why.to_owned()
}

/// Says before the first build in a worktree why nothing is forked, where its lane is left to
/// cargo.
pub fn begins_elsewhere(project: &Project, ui: Ui, lane: &Lane) -> Option<String> {
    let why = if is_behind_link(project, lane) && !units::has_any(&lane.dir) {
        "it is a symbolic link, and nothing is forked through one"
    } else if has_intermediates_elsewhere(project, lane) && !units::is_claimed(&lane.dir) {
        make_lane(&lane.dir).ok()?; // Without it the next build would say the same.
        units::claim(&lane.dir);
        "units in a build.build-dir are not forked"
    } else {
        return None;
    };
    Some(begins_cold(project, ui, lane, why))
}

/// Whether nothing was built in the lane yet, as far as it is ours to fill.
pub fn is_cold(project: &Project, lane: &Lane) -> bool {
    lane.owner != Owner::Named && !is_left_to_cargo(project, lane) && !units::has_any(&lane.dir)
}

/// In a target directory that was copied or moved here with its times, cargo takes for fresh what
/// names the other place. So the units that may do so are discarded: those of path packages, those
/// in which a path is compiled in, and of other packages what may have read the tree or `[env]`.
pub fn discard_copied(project: &Project, ui: Ui, lane: &Lane) {
    if lane.owner == Owner::Named || is_left_to_cargo(project, lane) {
        return;
    }
    let Some(donor) = units::built_elsewhere(&lane.dir) else {
        return units::claim(&lane.dir);
    };
    let own = Place::new(project.repo.root.clone(), lane.dir.clone());
    let units = read_units(project, &own, &own, false);
    // What scripts from elsewhere have seen of the tree in which the lane was built: cargo's
    // `[env]`, and what they look for themselves. A tree that has gone may be this one, moved.
    let inside = lane.dir.strip_prefix(&project.repo.root);
    let depth = inside.map_or(1, |inside| inside.components().count());
    let donor_root = donor.ancestors().nth(depth).filter(|root| root.is_dir());
    let donor_root = donor_root.unwrap_or(&project.repo.root);
    let donors_config = CargoConfig::read(donor_root, &project.session.env);
    let same_env_since = donors::same_env_since(&project.config, &donors_config, donor_root);
    let has_same_env = |run: &Run| {
        same_env_since.is_some_and(|since| run.started_at.is_some_and(|then| since <= then))
    };
    let tree_readers: HashSet<u64> = units
        .iter()
        .filter(|unit| unit.reach == Reach::Anything && !unit.is_run())
        .map(|unit| unit.id)
        .collect();
    let is_place = |(name, value): &(String, Option<String>)| {
        let is_path = value.as_ref().is_some_and(|value| Path::new(value).is_absolute());
        is_path && !name.starts_with("CARGO_MANIFEST_")
    };
    let may_name_place = |unit: &&Unit| {
        let mut variables = unit.dep_info.iter().flat_map(|dep_info| &dep_info.variables);
        let reads_tree = || unit.dependencies.iter().any(|id| tree_readers.contains(id));
        unit.is_path
            || unit.is_vendored
            || unit.mark.is_none()
            || variables.any(is_place)
            || unit.widest_macro.is_some()
            || unit.run.as_ref().is_some_and(|run| !has_same_env(run) || reads_tree())
    };
    let mut discarded: HashSet<u64> =
        units.iter().filter(may_name_place).map(|unit| unit.id).collect();
    // A script that runs again leaves cargo content with what was compiled from what it said
    // before: the output that is there is no newer.
    let mut count = 0;
    while count < discarded.len() {
        count = discarded.len();
        let depends = |unit: &&Unit| unit.dependencies.iter().any(|id| discarded.contains(id));
        let dependents: Vec<u64> = units.iter().filter(depends).map(|unit| unit.id).collect();
        discarded.extend(dependents);
    }
    let deleted = units
        .iter()
        .filter(|unit| discarded.contains(&unit.id))
        .try_for_each(|unit| delete_dir(&lane.dir.join(&unit.fingerprint)));
    match deleted {
        Ok(()) => units::claim(&lane.dir),
        Err(err) => {
            ui.warn(format_args!("{} was built elsewhere: {err}", project.shown(&lane.dir)))
        }
    }
    ui.status(
        "Discarded",
        format_args!(
            "{} units of {}, which was built in another place",
            discarded.len(),
            project.shown(&lane.dir)
        ),
    );
}

/// With `build.build-dir`, a worktree's units are not in its target directory.
pub fn has_intermediates_elsewhere(project: &Project, lane: &Lane) -> bool {
    lane.owner == Owner::Worktree && project.config.has_build_dir
}

/// Whether nothing of ours is written into the lane.
pub fn is_left_to_cargo(project: &Project, lane: &Lane) -> bool {
    has_intermediates_elsewhere(project, lane) || is_behind_link(project, lane)
}

/// Whether a link leads to the worktree's own target directory.
pub fn is_behind_link(project: &Project, lane: &Lane) -> bool {
    lane.owner == Owner::Worktree && crate::lanes::choose::is_behind_link(project, &lane.dir)
}

/// Those alone from which a build with this recipe can be forked: they have the layout that it will
/// have, of a cargo that is known or was tried.
fn in_known_layout(project: &Project, mut donors: Donors, recipe: Option<&Recipe>) -> Donors {
    let count = donors.found.len();
    match known_layout(project, recipe) {
        Ok(layout) => {
            donors.found.retain(|donor| units::has_layout(&donor.place.lane, layout));
            donors.layout = Some(layout);
            if donors.found.is_empty() && count > 0 {
                donors.problem =
                    Some(format!("the other lanes have cargo's other layout ({count})"));
            }
        }
        Err(err) => {
            donors.found.clear();
            donors.problem = Some(format!("{err:#}"));
        }
    }
    donors
}

/// The layout that a build with this recipe will have.
///
/// # Errors
///
/// When nothing can be forked for it, and why.
pub(crate) fn known_layout(project: &Project, recipe: Option<&Recipe>) -> anyhow::Result<Layout> {
    let lines: Vec<String> =
        recipe.into_iter().flat_map(|recipe| &recipe.steps).flat_map(Step::line).collect();
    let toolchain = recipe.and_then(Recipe::toolchain);
    let (sh, env, repo) = (&project.sh, &project.session.env, &project.repo);
    let rustc = toolchain::rustc(sh, env, repo, &project.config, toolchain)?;
    trial::layout(project, &rustc, asks_for_new_layout(&lines))
}

pub fn donors(project: &Project, lane: &Lane, recipe: Option<&Recipe>) -> anyhow::Result<Donors> {
    let mut donors = donors::find(
        &project.sh,
        &project.repo,
        &crate::lanes::choose::worktree_lane(project).dir,
        &lane.dir,
    );
    if donors.found.is_empty() {
        return Ok(donors);
    }
    let inputs = match &lane.owner {
        Owner::Agent { inputs, .. } => inputs.clone(),
        _ => crate::lanes::choose::key_inputs(
            project,
            &LaneChoice {
                toolchain: recipe.and_then(Recipe::toolchain).map(str::to_owned),
                lockfile: Lockfile::MustStay,
                ..LaneChoice::default()
            },
        )?,
    };
    let count = donors.found.len();
    donors.found = plan::ranked(
        donors.found,
        &WantedDonor {
            toolchain: &inputs.toolchain,
            lockfile: &inputs.lockfile,
            root: &project.repo.root,
            commit: donors.own_commit.as_deref(),
        },
    );
    if donors.found.is_empty() {
        donors.problem = Some(format!("another compiler built the other lanes ({count})"));
        return Ok(donors);
    }
    Ok(in_known_layout(project, donors, recipe))
}

/// A worktree, or a lane of one.
pub fn donor_at(project: &Project, dir: &Path) -> anyhow::Result<Donors> {
    let dir = project.repo.start.join(dir);
    let dir = real_path(&dir).with_context(|| format!("--from {}", dir.display()))?;
    let target_dir = crate::lanes::choose::worktree_lane(project).dir;
    let known = donors::find(&project.sh, &project.repo, &target_dir, &PathBuf::new());
    let is_it = |donor: &&Donor| donor.place.lane == dir || donor.place.lane == dir.join("target");
    let place = match known.found.iter().find(is_it) {
        Some(donor) => donor.place.clone(),
        // It may be a lane of another clone: what lies in `target` belongs to the tree around it.
        None if dir.file_name().is_some_and(|name| name == "target") && units::has_any(&dir) => {
            let root = dir.parent().unwrap_or(&dir).to_owned();
            Place::new(root, dir)
        }
        None if units::has_any(&dir.join("target")) => {
            let lane = dir.join("target");
            Place::new(dir, lane)
        }
        None => bail!("--from {} is no lane, and no worktree with one", dir.display()),
    };
    let donors = in_known_layout(project, known.only(&project.sh, place), None);
    match &donors.problem {
        Some(problem) if donors.found.is_empty() => bail!("--from: {problem}"),
        _ => Ok(donors),
    }
}

/// The first donor that has nearly everything, or of the best few the one that gives most.
pub fn best_fork(project: &Project, lane: &Lane, donors: &Donors) -> Option<ForkPlan> {
    const TRIED_MAX: usize = 3; // Each costs a look at all its units.
    let mut best: Option<ForkPlan> = None;
    let present = units::read_present(&lane.dir);
    let may_give = |donor: &&Donor| trust::may_give(&project.sh, &project.repo, &donor.place);
    for donor in donors.found.iter().filter(may_give).take(TRIED_MAX) {
        let plan = fork_plan(project, lane, donor, donors, &present);
        let of_this_donor = plan.left.iter().filter(|left| left.why.is_of_this_donor()).count();
        // Most donors have a few units from earlier builds that nobody needs any more.
        let is_enough = !plan.is_empty() && of_this_donor * 20 <= plan.units.len();
        if best.as_ref().is_none_or(|best| plan.units.len() > best.units.len()) {
            best = Some(plan);
        }
        if is_enough {
            break;
        }
    }
    best
}

/// The donor's units, with what is known of the code of other packages that looks for the tree.
fn read_units(project: &Project, donor: &Place, own: &Place, with_xtask: bool) -> Vec<Unit> {
    let mut units = units::read(donor, &own.root, with_xtask);
    let top = git_dir::checkout(&project.repo.root).unwrap_or(&project.repo.root);
    let places = project.config.env.iter().filter(|(_, value)| Path::new(value).starts_with(top));
    let variables: Vec<&str> = places.map(|(name, _)| name.as_str()).collect();
    units::look_for_tree_readers(&mut units, donor, &own.root, &variables);
    // What a variable names, the code that names the variable may read.
    let env = &project.session.env;
    let value = |name: &String| {
        let value = project.config.env.get(name).map(PathBuf::from);
        value.or_else(|| env.value(name).map(PathBuf::from))
    };
    let programs = programs_elsewhere(env, own);
    for unit in units.iter_mut().filter(|unit| !unit.variables.is_empty()) {
        let mut found = Vec::new();
        let dirs = [unit.package_dir(donor).unwrap_or(Path::new("")), Path::new("")];
        for name in &unit.variables {
            let may_name_any = unit.own_variables.contains(name) && !names_many(name);
            for part in value(name).iter().flat_map(std::env::split_paths) {
                let paths = dirs.map(|dir| dir.join(&part));
                found.extend(paths.into_iter().filter(|path| {
                    let path = normalized(&own.root.join(path));
                    let is_there =
                        || path.ancestors().any(|dir| dir.parent().is_some() && dir.exists());
                    let is_read =
                        path.is_file() || (may_name_any && !is_of_system(&path) && is_there());
                    is_read && !own.has(&path)
                }));
            }
        }
        unit.outside.extend(found);
        // A program that it may start, and by which way that is found.
        let programs = unit.variables.iter().filter(|name| programs.contains(*name));
        let found = programs.filter_map(|name| env.find_program(name));
        let found: Vec<PathBuf> = found.filter(|path| is_elsewhere(path, own)).collect();
        if !found.is_empty() {
            unit.outside.extend(found);
            unit.variables.insert("PATH".to_owned());
        }
    }
    units
}

/// Variables that name directories in which everything lies: code reads little of what is in them.
fn names_many(name: &str) -> bool {
    const NAMES: [&str; 10] = [
        "CARGO_HOME",
        "HOME",
        "LD_LIBRARY_PATH",
        "OLDPWD",
        "PATH",
        "PWD",
        "RUSTUP_HOME",
        "TEMP",
        "TMP",
        "TMPDIR",
    ];
    NAMES.contains(&name) || name.starts_with("XDG_")
}

/// What the programs on `PATH` are called, but for those of the system, of the toolchain and of the
/// tree.
fn programs_elsewhere(env: &Environment, own: &Place) -> HashSet<String> {
    const TOOLCHAINS: [&str; 6] =
        ["cargo", "clippy-driver", "rustc", "rustdoc", "rustfmt", "rustup"];
    let dirs = std::env::split_paths(env.get("PATH").unwrap_or_default());
    let dirs = dirs.filter(|dir| is_elsewhere(&dir.join("program"), own));
    let names = dirs.flat_map(|dir| crate::files::names(&dir));
    names.filter(|name| !TOOLCHAINS.contains(&name.as_str())).collect()
}

/// Whether a program lies neither in a directory of the system nor in the tree.
fn is_elsewhere(program: &Path, own: &Place) -> bool {
    let dir = program.parent().and_then(|dir| real_path(dir).ok());
    !own.has(program) && dir.is_some_and(|dir| !is_of_system(&dir))
}

/// What compiles and links in a tree: what cargo is configured to start, and what else is found on
/// `PATH`. Our own wrapper does not count.
fn tools_of_tree(config: &CargoConfig, env: &Environment, place: &Place) -> TreeTools {
    const LINKERS: [&str; 6] = ["cc", "clang", "gcc", "ld", "ld.lld", "ld.mold"];
    let found = |tool: &PathBuf| match tool.parent() {
        Some(dir) if dir.as_os_str().is_empty() => env.programs(tool.to_str()?).next(),
        _ => Some(normalized(tool)),
    };
    let is_other = |tool: &PathBuf| !wrapper::is_of_our_kind(tool);
    let compilers = config.rustc_wrappers.iter().chain(&config.workspace_wrappers);
    let compilers: Vec<PathBuf> =
        compilers.chain(&config.rustc).filter_map(found).filter(is_other).collect();
    let others = LINKERS.map(PathBuf::from);
    let linkers: Vec<PathBuf> = config.linkers.iter().chain(&others).filter_map(found).collect();
    let is_of_tree = |tool: &PathBuf| place.has(tool);
    let is_script = |tool: &&PathBuf| {
        if config.rustc.as_ref() == Some(*tool) {
            return false; // cargo asks it what it is.
        }
        let mut start = [0; 2];
        let read = open_to_read(tool).and_then(|mut file| file.read_exact(&mut start));
        read.is_ok() && start == *b"#!" && !place.has(tool) && !is_of_system(tool)
    };
    let scripts = |tools: &[PathBuf], links: bool| {
        tools.iter().filter(is_script).map(|tool| (tool.clone(), links)).collect::<Vec<_>>()
    };
    TreeTools {
        compiler: compilers.iter().any(is_of_tree),
        linker: linkers.iter().any(is_of_tree),
        scripts: [scripts(&compilers, false), scripts(&linkers, true)].concat(),
    }
}

pub fn fork_plan(
    project: &Project,
    lane: &Lane,
    donor: &Donor,
    donors: &Donors,
    present: &[Unit],
) -> ForkPlan {
    let own = Place::new(project.repo.root.clone(), lane.dir.clone());
    // Agents start xtask from the worktree's own lane.
    let with_xtask = lane.owner == Owner::Worktree && !own.lane.join("xtask").exists();
    let mut units = read_units(project, &donor.place, &own, with_xtask);
    units.retain(|unit| donors.layout.is_none_or(|own| Layout::of(&unit.fingerprint) == own));
    let donors_config = CargoConfig::read(&donor.place.root, &project.session.env);
    let tools = {
        let env = &project.session.env;
        let theirs = tools_of_tree(&donors_config, env, &donor.place);
        let ours = tools_of_tree(&project.config, env, &own);
        let mut scripts = [theirs.scripts, ours.scripts].concat();
        scripts.retain(|(tool, _)| !donor.place.has(tool) && !own.has(tool));
        TreeTools {
            compiler: theirs.compiler || ours.compiler,
            linker: theirs.linker || ours.linker,
            scripts,
        }
    };
    let mut wanted = plan::wanted(&units, &donor.place, &own.root);
    wanted.everything |= tools.compiler || tools.linker;
    let mut sources = sources::compare(&project.sh, &donor.place.root, &own.root, &wanted);
    sources.compare_targets([&donor.place, &own]);
    let is_same_tree = donor.place.root == own.root;
    let has_lanes = units::has_any(&own.lane) || donors.own_tree_has_more;
    // Of another tree's, the wrapper alone can make something.
    let brings_caches = is_same_tree || wrapper::has_wrapper(project);
    let of_xtask = Place::new(own.root.clone(), crate::lanes::choose::worktree_lane(project).dir);
    let own_xtask = units::read_xtask(&of_xtask);
    plan::plan(&ForkInputs {
        donor: &donor.place,
        own: &own,
        units: &units,
        present,
        sources: &sources,
        now: environment::now(),
        may_set_times: !is_same_tree && !has_lanes,
        sources_of_xtask: &plan::wanted(&own_xtask, &of_xtask, &own.root),
        removes_linked: wrapper::has_wrapper(project)
            && wrapper::is_current(&donor.place.root.join(WRAPPER_DIR)),
        git: if units.iter().any(Unit::may_ask_git) {
            Git::read(&project.sh, &donor.place, &own, &sources.repositories)
        } else {
            Git::default()
        },
        same_env_since: donors::same_env_since(&project.config, &donors_config, &donor.place.root),
        donor_forked_at: write::forked_at(&donor.place.lane),
        noted: Noted::read(&donor.place.lane),
        tools_of_tree: &tools,
        env: &project.session.env,
        others: noted::others(&donor.place.root, &project.config),
        caches: if brings_caches {
            incremental::read(&donor.place.lane, with_xtask)
        } else {
            Vec::new()
        },
        present_caches: &incremental::dirs(&own.lane, with_xtask),
    })
}

/// What a worktree with the same files would be given of a lane of this one, and what it would have
/// to compile itself.
pub fn fork_for_another_tree(project: &Project, lane: &Lane) -> ForkPlan {
    let donor = Place::new(project.repo.root.clone(), lane.dir.clone());
    // Nobody looks into it; it is only somewhere else.
    let other = project.repo.root.join("..").join(lane.dir.file_name().unwrap_or_default());
    let own = Place::new(other.clone(), other.join("target"));
    plan_for_equal_tree(project, &donor, &own, |wanted| {
        sources::of_copy(&project.sh, &donor.root, wanted)
    })
}

/// What a tree with the same files, in which nothing was built yet, would be given.
fn plan_for_equal_tree(
    project: &Project,
    donor: &Place,
    own: &Place,
    compare: impl FnOnce(&SourceQuery) -> Sources,
) -> ForkPlan {
    let units = read_units(project, donor, own, false);
    let tools = tools_of_tree(&project.config, &project.session.env, donor);
    let mut wanted = plan::wanted(&units, donor, &own.root);
    wanted.everything |= tools.compiler || tools.linker;
    plan::plan(&ForkInputs {
        donor,
        own,
        units: &units,
        present: &[],
        sources: &compare(&wanted),
        now: environment::now(),
        may_set_times: true,
        sources_of_xtask: &SourceQuery::default(),
        removes_linked: wrapper::has_wrapper(project),
        git: Git { same_since: Some(SystemTime::UNIX_EPOCH), ..Git::default() },
        same_env_since: Some(SystemTime::UNIX_EPOCH),
        donor_forked_at: None,
        noted: None,
        tools_of_tree: &tools,
        env: &project.session.env,
        others: noted::others(&donor.root, &project.config),
        caches: incremental::read(&donor.lane, false),
        present_caches: &[],
    })
}

pub fn carry_out_fork(
    project: &Project,
    ui: Ui,
    plan: &ForkPlan,
    begun: Instant,
) -> anyhow::Result<Fork> {
    let all = plan.units.len();
    let progress = |count: usize| ui.progress("Forking", format_args!("{count}/{all} units"));
    let forked = write::carry_out(plan, environment::now(), progress);
    ui.end_progress();
    let forked = forked?;

    Ok(brought(project, ui, plan, forked.units, &forked.dropped, begun))
}

/// Says what has come of a fork: also that nothing could be brought, and why.
fn brought(
    project: &Project,
    ui: Ui,
    plan: &ForkPlan,
    units: usize,
    dropped: &[LeftToCargo],
    begun: Instant,
) -> Fork {
    let mut left: Vec<_> = plan.left.iter().filter(|left| left.why != Why::Incomplete).collect();
    left.extend(dropped);
    let fork = Fork {
        donor: plan.donor.lane.clone(),
        units,
        left: left.iter().map(|left| left.record()).collect(),
        time: begun.elapsed(),
    };
    let mut line = format!(
        "{} from {}: {} units, {}",
        project.shown(&plan.own.lane),
        project.shown(&fork.donor),
        fork.units,
        ui::duration(fork.time)
    );
    let reasons = plan::reasons(left.iter().copied());
    if !left.is_empty() {
        let first = reasons.first().map(String::as_str).unwrap_or_default();
        let more = if reasons.len() > 1 { ", …" } else { "" };
        line += &format!("; left to cargo: {} ({first}{more})", left.len());
    }
    if units > 0 || !left.is_empty() {
        ui.status("Forked", line);
    }
    fork
}

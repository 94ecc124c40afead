//! `clean`: delete lanes that are not in use.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, anyhow, bail};

use super::run::{self, Options, choice};
use super::{Answer, Call};
use multilane_engine::lanes::choose::{self, Lockfile};
use multilane_engine::lanes::in_lane::{Kind, in_lane};
use multilane_engine::lanes::occupy::{self, Removal};
use multilane_engine::lanes::{Lane, Owner, list};
use multilane_engine::process::step::Recipe;
use multilane_engine::project::{Project, git_dir};
use multilane_engine::{files, ui, units};

pub(super) fn clean(call: Call) -> Answer {
    let all = call.own.get_flag("all");
    let (project, options, line) = run::begin("clean", call)?;
    let lanes_dir = project.repo.lanes_dir();
    // Building elsewhere when `.lanes` is broken is safe; deleting elsewhere is not.
    if let Some(problem) = occupy::lanes_dir_problem(&lanes_dir) {
        bail!(
            "cannot use {}: {problem}\nhelp: look at it, and remove it if it is not needed",
            lanes_dir.display()
        );
    }
    let lane = choose::lane(&project, &choice(&line, Lockfile::MustStay))?;

    let is_part = line
        .words
        .iter()
        .any(|word| !["-q", "--quiet", "-v", "-vv", "--verbose"].iter().any(|flag| word == flag));
    if all && is_part {
        bail!("--all takes whole lanes\nhelp: leave out cargo's options, or --all");
    }
    // Where cargo keeps intermediates elsewhere, cargo alone knows where.
    let is_left_to_cargo = !all && lane.owner == Owner::Worktree && project.config.has_build_dir;
    if is_part || is_left_to_cargo {
        if matches!(occupy::lock_whole(&lane.dir), Ok(None)) {
            return Err(in_use(&project, &project.shown(&lane.dir)));
        }
        let line = if options.dry_run { line.and("--dry-run") } else { line };
        let options = Options { dry_run: false, ..options };
        let entered = run::enter_lane(&project, &options, lane);
        let recipe = Recipe::from(in_lane(line, &entered.lane, Kind::Own));
        return run::carry_out(&project, &options, &entered, recipe);
    }

    let mut lanes = vec![lane];
    if all {
        let agents = list::of_agents(&project.repo);
        let agents = agents.into_iter().map(|found| Lane {
            dir: found.dir,
            owner: Owner::Named,
            runner: None,
        });
        lanes = vec![choose::worktree_lane(&project)];
        lanes.extend(agents);
    }
    if options.dry_run {
        for lane in lanes.iter().filter(|lane| lane.dir.exists()) {
            ui::data(project.shown(&lane.dir))?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    remove_all(&project, &lanes, options.quiet)
}

/// What is in use stays; one that cannot be deleted must not keep the others.
fn remove_all(project: &Project, lanes: &[Lane], quiet: bool) -> anyhow::Result<ExitCode> {
    let ui = project.session.ui.quiet(quiet);
    let lanes_dir = project.repo.lanes_dir();
    let mut failures = 0;
    for lane in lanes {
        let shown = project.shown(&lane.dir);
        match remove(project, &lanes_dir, lane).with_context(|| format!("cannot delete {shown}")) {
            Ok(None) => ui.status("Clean", format_args!("nothing to delete in {shown}")),
            Ok(Some(Removal::Removed)) => ui.status("Removed", shown),
            Ok(Some(Removal::InUse)) if lanes.len() > 1 => {
                ui.status("Kept", format_args!("{shown} (in use)"))
            }
            Ok(Some(Removal::InUse)) => return Err(in_use(project, &shown)),
            Ok(Some(Removal::NoTargetDirectory)) => {
                failures += 1;
                ui.warn(format_args!(
                    "{shown} has no CACHEDIR.TAG, so it may hold other files than cargo's; left alone"
                ));
            }
            Err(err) => {
                failures += 1;
                ui.error(&err);
            }
        }
    }
    occupy::sweep(&lanes_dir, &choose::worktree_lane(project).dir);
    occupy::remove_empty_folders(&lanes_dir);
    Ok(if failures == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn in_use(project: &Project, lane: &str) -> anyhow::Error {
    let called = project.session.ui.called;
    anyhow!(
        "{lane} is in use\nhelp: wait for the build in it to end, or stop it; {called} lane list"
    )
}

/// `None` where there is nothing to delete.
fn remove(project: &Project, lanes_dir: &Path, lane: &Lane) -> anyhow::Result<Option<Removal>> {
    let is_own = lane.owner == Owner::Worktree;
    if is_own && lane.dir.is_symlink() {
        return Ok(Some(occupy::remove_link(&lane.dir)?)); // As cargo does.
    }
    if is_own && choose::is_behind_link(project, &lane.dir) {
        bail!("it lies behind a symbolic link");
    }
    if !lane.dir.is_dir() {
        return Ok(None);
    }
    let removal = match lane.owner {
        Owner::Worktree => {
            let kept = kept(project, &lane.dir)?;
            for path in &kept {
                let why = "git does not ignore it, so it is no build output";
                project.session.ui.warn(format_args!("{} stays: {why}", project.shown(path)));
            }
            occupy::empty_target_dir(&lane.dir, &kept)
        }
        Owner::Agent { .. } | Owner::Named => occupy::remove_agent_lane(lanes_dir, &lane.dir),
    };
    Ok(Some(removal?))
}

/// What lies in a target directory and is no build output: what git tracks, and what it does not
/// ignore of that which neither cargo nor a tool that is known has put there.
fn kept(project: &Project, dir: &Path) -> anyhow::Result<BTreeSet<PathBuf>> {
    const OF_CARGO: [&str; 2] = [".rustc_info.json", ".future-incompat-report.json"];
    let Some(top) = git_dir::checkout(dir) else { return Ok(BTreeSet::new()) };
    let listed = |options: &[&str], paths: &[PathBuf]| -> anyhow::Result<Vec<PathBuf>> {
        let mut args: Vec<&OsStr> = options.iter().map(OsStr::new).collect();
        args.extend(paths.iter().map(|path| path.as_os_str()));
        project.sh.git_paths(args, top)
    };
    let hidden = files::names(dir).filter(|name| name.starts_with('.'));
    let hidden =
        hidden.filter(|name| !OF_CARGO.contains(&name.as_str()) && !occupy::is_own_name(name));
    let mut unknown = units::foreign(dir);
    unknown.extend(hidden.map(|name| dir.join(name)));

    let list = ["--literal-pathspecs", "ls-files", "-z"];
    let tracked = listed(&[&list[..], &["--"]].concat(), &[dir.to_owned()]);
    let Ok(mut named) = tracked else {
        return Ok(unknown.into_iter().collect()); // It cannot be told.
    };
    if !unknown.is_empty() {
        let others = ["--others", "--exclude-standard", "--directory", "--"];
        named.extend(listed(&[&list[..], &others[..]].concat(), &unknown)?);
    }
    let inside = |path: PathBuf| Some(dir.join(path.strip_prefix(dir).ok()?.components().next()?));
    Ok(named.into_iter().filter_map(inside).collect())
}

//! `doctor`: what makes builds slow or wrong here. It changes nothing, and each question has a time
//! limit.

pub(crate) mod config_files;
mod editors;
pub(crate) mod file_system;
mod git;
mod machine;
mod report;
mod reruns;
pub(crate) mod toolchain;
mod wrappers;

use std::collections::HashSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, UNIX_EPOCH};

use anyhow::{Context as _, bail, ensure};
use multilane_engine::environment::Environment;
use multilane_engine::files::scratch::Scratch;
use multilane_engine::fork::write;
use multilane_engine::lanes::list::Found;
use multilane_engine::lanes::occupy::PROBE;
use multilane_engine::lanes::{choose, list};
use multilane_engine::permits::limits::{self, Limits};
use multilane_engine::process::{Held, Shell};
use multilane_engine::project::cargo_config::CargoConfig;
use multilane_engine::project::git_dir::Common;
use multilane_engine::project::root::Repo;
use multilane_engine::project::{Project, Session};
use multilane_engine::retarget::wrapper::{WRAPPER_DIR, wrapper_dir};
use multilane_engine::sccache::server::SharedCache;
use multilane_engine::sccache::variables::CacheReach;
use multilane_engine::sccache::{server, tally};
use multilane_engine::{environment, files, permits, ui};
use serde_json::Value;

use crate::doctor::config_files::{ConfigFile, settings_in};
use crate::doctor::report::{
    CacheDisk, Facts, LaneFacts, Level, Permits, SharedCacheFacts, report, settings, to_text,
};
use crate::doctor::toolchain::Toolchain;
use crate::gc::{inventory, policy};
use crate::install::installers;
use crate::linkers::probe;
use crate::linkers::probe::{Link, Trial};
use crate::process::Asker;
use crate::{flags, hook};

impl flags::doctor::Doctor {
    pub(crate) fn run(self, session: Session) -> anyhow::Result<ExitCode> {
        const WIDTHS: (u16, u16) = (60, 160); // Longer lines are hard to read.
        const WIDTH_IN_FILES: u16 = 80;
        let project = read_only_project(session)?;
        let held = Held::start();
        let facts = examine(&project, &Asker::new(&project.sh, &held));
        held.release();

        let findings = report(&facts);
        if self.json {
            ui::data(serde_json::to_value(&findings)?)?;
        } else {
            let terminal = terminal_size::terminal_size_of(std::io::stdout());
            let width = terminal.map_or(WIDTH_IN_FILES, |(width, _)| width.0);
            ui::data(to_text(&findings, width.clamp(WIDTHS.0, WIDTHS.1).into()))?;
        }
        let [errors, warnings, notes] = [Level::Error, Level::Warning, Level::Note]
            .map(|level| findings.iter().filter(|finding| finding.level == level).count());
        project.session.ui.status(
            "Examined",
            format_args!("errors: {errors}, warnings: {warnings}, notes: {notes}"),
        );
        Ok(if errors > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}

/// As `Session::project`, which brings the shared program up to date: this writes nothing.
pub(crate) fn read_only_project(session: Session) -> anyhow::Result<Project> {
    let start = environment::current_dir()?;
    let repo = Repo::locate(start.clone(), &start)?;
    let config = CargoConfig::read(&start, &session.env);
    Ok(Project { sh: Shell::new(&session.env), repo, config, session })
}

/// Everything at the same time: each question waits for another program or for the disk.
fn examine(project: &Project, asker: &Asker<'_>) -> Facts {
    let (env, repo, config) = (&project.session.env, &project.repo, &project.config);
    let (root, own_lane) = (&repo.root, choose::worktree_lane(project).dir);
    let config_files = config_files::read(repo, env);
    let ((toolchain, shared_cache), link, wrapper, tools, (git, (lanes, weighed), worktrees)) =
        std::thread::scope(|scope| {
            let toolchain = scope.spawn(|| {
                let toolchain = toolchain::read(asker, env, repo, config);
                let shared_cache = shared_cache(env, config, root, &toolchain);
                (toolchain, shared_cache)
            });
            let link = scope.spawn(|| link(asker, config, repo, &config_files));
            let wrapper = scope.spawn(|| wrappers::read(asker, config, root));
            let tools = scope.spawn(|| installers::replies(asker, env));
            let git = git::read(asker, root);
            let top = git.top.clone().and_then(Result::ok).unwrap_or_else(|| root.clone());
            let listed = git.list.clone().and_then(Result::ok).unwrap_or_default();
            let worktrees = list::listed(repo, &top, &listed);
            let merged = HashSet::new(); // Each further question to git takes its time.
            let lanes = inventory::weighed(project, &worktrees, None, &merged, environment::now());
            const JOINS: &str = "it does not panic";
            (
                toolchain.join().expect(JOINS),
                link.join().expect(JOINS),
                wrapper.join().expect(JOINS),
                tools.join().expect(JOINS),
                (git, lanes, worktrees.len()),
            )
        });

    let checkout = git.top.clone().and_then(Result::ok).filter(|top| top != root);
    let opened: Vec<&Path> = std::iter::once(root.as_path()).chain(checkout.as_deref()).collect();
    let own_lanes: Vec<&Path> =
        lanes.iter().filter(|lane| lane.root == *root).map(|lane| lane.dir.as_path()).collect();
    let manifest = settings_in(&root.join("Cargo.toml"));
    let in_manifest = |key: &str| manifest.iter().find(|setting| setting.key == key);
    let rust_version = in_manifest("package.rust-version")
        .or_else(|| in_manifest("workspace.package.rust-version"));
    let sets_incremental = config_files
        .iter()
        .flat_map(|file| file.settings.iter().flatten())
        .chain(&manifest)
        .any(|it| ["profile.dev.incremental", "build.incremental"].contains(&it.key.as_str()));
    let text = |value: &std::ffi::OsStr| value.to_string_lossy().into_owned();
    let variables =
        env.iter().filter(|(_, value)| !value.is_empty()).map(|(name, it)| (text(name), text(it)));
    Facts {
        os: std::env::consts::OS,
        now_days: environment::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
            / 86_400,
        called: project.session.ui.called,
        variables: variables.filter(|(name, _)| settings::matters(name)).collect(),
        rust_version: rust_version.map(|setting| setting.value.clone()),
        sets_incremental,
        has_hook: has_hook(root, git.hooks_path.as_deref()),
        worktrees,
        has_lanes_dir: repo.lanes_dir().is_dir(),
        file_system: file_system::of(root),
        reflinks: reflinks(&own_lane).or_else(|| reflinks_of_git(root)),
        reruns: reruns::read(root, &own_lanes),
        lanes: lanes.iter().map(|lane| lane_facts(lane, root)).collect(),
        could_free: policy::all_that_may_go(&weighed, environment::now()),
        editors: editors::read(&opened),
        config: config_files,
        machine: machine::read(),
        permits: permits_of(project),
        shared_cache,
        is_cache_off: server::is_switched_off(env),
        cranelift: repo.settings.cranelift.clone(),
        has_cranelift: toolchain.rustc.as_ref().is_ok_and(|rustc| rustc.has_cranelift()),
        root: root.clone(),
        toolchain,
        link,
        wrapper,
        tools,
        git,
    }
}

fn permits_of(project: &Project) -> Option<Permits> {
    let env = &project.session.env;
    let noted = project.repo.settings.permits.as_deref()?;
    let is_there = wrapper_dir(project).join(permits::PERMIT).is_file();
    (is_there && !permits::is_switched_off(env)).then(|| Permits {
        limits: Limits::of(limits::Machine::read(), limits::Asked::read(env, noted)),
        links: permits::need::all(env),
    })
}

/// Links a program with the configuration of the workspace, unless that starts programs which the
/// workspace brings.
fn link(asker: &Asker<'_>, config: &CargoConfig, repo: &Repo, files: &[ConfigFile]) -> Link {
    let not_tried = |why: String| Link::NotTried { why };
    let builds_std = |file: &ConfigFile| {
        file.settings.iter().flatten().any(|setting| setting.key == "unstable.build-std")
    };
    if files.iter().any(builds_std) {
        return not_tried("`build-std` would compile std".to_owned());
    }
    let has_own =
        toolchain::in_workspace(repo, config).is_some() || wrappers::is_foreign(config, &repo.root);
    let own = has_own.then(|| "its own compiler or wrapper".to_owned());
    if let Some(own) = own.or_else(|| config_files::own_program(files, &repo.root)) {
        return not_tried(format!("the workspace has cargo start programs in it ({own})"));
    }
    let trial = Trial {
        command: "build",
        name: "target",
        target: None,
        flags: None,
        limit: Duration::from_secs(30),
    };
    match crate::files::scratch("doctor", probe::SMALL) {
        Ok(scratch) => probe::link(asker, config, &repo.start, &scratch.dir, trial),
        Err(err) => not_tried(format!("{err:#}")),
    }
}

/// Whether the shared cache has a crate when it is compiled a second time.
fn shared_cache(
    env: &Environment,
    config: &CargoConfig,
    root: &Path,
    toolchain: &Toolchain,
) -> Option<SharedCacheFacts> {
    if server::is_switched_off(env) {
        return None;
    }
    let cache = SharedCache::open(&root.join(WRAPPER_DIR), env, &config.env)?;
    let sysroot = &toolchain.rustc.as_ref().ok()?.sysroot;
    let rustc = sysroot.join("bin/rustc").with_extension(std::env::consts::EXE_EXTENSION).into();
    let mut facts = SharedCacheFacts {
        program: cache.program.path.clone(),
        unusable: cache.program.problem.clone(),
        is_read_only: cache.variables.is_read_only(),
        proofs: Vec::new(),
        beyond: None,
        brought: env.cache_home().map(|home| tally::totals(&home)).unwrap_or_default(),
        disk: None,
    };
    if facts.unusable.is_some() {
        return Some(facts);
    }
    // sccache's server listens there; after a restart of the machine it is missing.
    let made = files::make_private_dir(&env.runtime_dir()).map_err(anyhow::Error::from);
    let scratch = made.and_then(|()| crate::files::scratch("doctor-cache", &server::SOURCES));
    let proof = |reach: CacheReach| -> Result<(), String> {
        let dir = &scratch.as_ref().map_err(|err| format!("{err:#}"))?.dir;
        // Where the cache is only read, a second compilation is not a hit.
        let proof = if reach == CacheReach::All && facts.is_read_only {
            cache.try_out(reach, &rustc, dir, environment::now())
        } else {
            prove(&cache, reach, &rustc, dir)
        };
        proof.map_err(|err| format!("{err:#}"))
    };
    let (mut proofs, mut beyond, mut disk) = (Vec::new(), None, None);
    for &reach in cache.variables.reaches() {
        let proven = proof(reach);
        let is_proven = proven.is_ok();
        proofs.push((reach, proven));
        if is_proven {
            // The hit may have come from this machine's own disk.
            beyond = (reach == CacheReach::All && !facts.is_read_only)
                .then(|| proof(CacheReach::Remote));
            disk = cache
                .ask(reach, &["--show-stats", "--stats-format=json"], root)
                .and_then(|stats| cache_disk(&stats));
            break;
        }
    }
    (facts.proofs, facts.beyond, facts.disk) = (proofs, beyond, disk);
    Some(facts)
}

/// Compiles a small new crate several times, until it comes from the cache. It
/// takes about half a second, and not much longer than 5 s when something is wrong.
///
/// # Errors
///
/// With what is wrong.
fn prove(
    cache: &SharedCache,
    reach: CacheReach,
    rustc: &OsString,
    scratch: &Path,
) -> anyhow::Result<()> {
    const TRIES: u32 = 10; // sccache answers before it has stored what it compiled.
    const PAUSE: Duration = Duration::from_millis(100);

    let compiler = server::probe(rustc, scratch, "right.rs", environment::now(), 0);
    let compile_and_count = || {
        let said = cache.compile(reach, &compiler, scratch)?.context(server::SILENT)?;
        ensure!(said.status.success(), server::first_line(&said));
        cache.counts(reach, scratch).context("it does not answer `--show-stats`")
    };
    let before = compile_and_count()?;
    for _ in 0..TRIES {
        if compile_and_count()?.hits > before.hits {
            return Ok(());
        }
        std::thread::sleep(PAUSE);
    }
    bail!("it stores nothing: a crate that was just compiled is not in it")
}

/// From `sccache --show-stats --stats-format=json`; `None` where the cache is not on the disk.
fn cache_disk(stats: &str) -> Option<CacheDisk> {
    let stats: Value = serde_json::from_str(stats).ok()?;
    // `Local disk: "/u/me/.cache/sccache"`
    let dir = stats["cache_location"].as_str()?.strip_prefix("Local disk: ")?;
    let dir = PathBuf::from(dir.trim_matches('"'));
    Some(CacheDisk {
        size: stats["cache_size"].as_u64().unwrap_or_default(),
        size_max: stats["max_cache_size"].as_u64()?,
        free: file_system::of(dir.ancestors().find(|dir| dir.is_dir())?)?.free?,
        dir,
    })
}

/// Tried where the lane is, as each file system answers for itself.
fn reflinks(lane: &Path) -> Option<bool> {
    if !lane.is_dir() {
        return None;
    }
    let scratch = Scratch::make(lane, PROBE).ok()?;
    Some(write::can_reflink(&scratch.dir))
}

/// Where nothing has been built yet: git's directory is seldom watched, and most often on the same
/// disk.
fn reflinks_of_git(root: &Path) -> Option<bool> {
    let git_dir = Common::of(root)?.git_dir().to_owned();
    let is_same = file_system::of(root)?.device == file_system::of(&git_dir)?.device;
    if is_same { reflinks(&git_dir) } else { None }
}

fn lane_facts(lane: &Found, root: &Path) -> LaneFacts {
    LaneFacts {
        dir: lane.dir.clone(),
        is_this_worktrees: lane.root == *root,
        size: lane.size,
        file_system: file_system::of(&lane.dir),
    }
}

fn has_hook(root: &Path, hooks_path: Option<&str>) -> bool {
    let Some(common) = Common::of(root) else { return false };
    let hooks = hook::hooks_of(&common, hooks_path.map(PathBuf::from));
    hooks.installed().is_some() && common.program().is_file()
}

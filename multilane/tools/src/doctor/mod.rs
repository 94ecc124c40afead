//! `doctor`: what makes builds slow or wrong here. It changes nothing, and waits for nobody for
//! long.

pub(crate) mod config_files;
pub(crate) mod editors;
pub(crate) mod file_system;
pub(crate) mod git;
pub(crate) mod machine;
pub(crate) mod report;
pub(crate) mod reruns;
pub(crate) mod toolchain;
pub(crate) mod wrappers;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::UNIX_EPOCH;

use multilane::fork::write;
use multilane::lanes::list;
use multilane::lanes::list::Found;
use multilane::process::step::quoted;
use multilane::process::{Held, Shell};
use multilane::project::cargo_config::CargoConfig;
use multilane::project::git_dir::{Common, is_shared_program};
use multilane::project::root::Repo;
use multilane::project::{Project, Session, toolchain as compiler};
use multilane::retarget::provide::WRAPPER_DIR;
use multilane::sccache::server::SharedCache;
use multilane::sccache::variables::CacheReach;
use multilane::sccache::{server, tally};
use multilane::{environment, files, ui};
use serde_json::{Value, json};

use crate::doctor::config_files::ConfigFile;
use crate::doctor::report::{
    Cranelift, Facts, LaneFacts, Level, SharedCacheFacts, report, settings,
};
use crate::doctor::toolchain::Toolchain;
use crate::files::Temporary;
use crate::install::installers;
use crate::install::plan::table::TOOLS;
use crate::install::plan::{Reply, Tool};
use crate::linkers::link;
use crate::linkers::link::Link;
use crate::process::Asker;
use crate::{flags, hook};

impl flags::doctor::Doctor {
    pub(crate) fn run(self, session: Session) -> anyhow::Result<ExitCode> {
        let project = untouched(session)?;
        let held = Held::start();
        let facts = examine(&project, &Asker::new(&project.sh, &held));
        held.release();

        let report = report(&facts);
        if self.json {
            let findings = report.findings.iter().map(|finding| {
                json!({
                    "area": finding.area.name(),
                    "level": finding.level.name(),
                    "what": finding.what,
                    "cost": finding.cost,
                    "fix": finding.fix,
                })
            });
            ui::data(Value::Array(findings.collect()))?;
        } else {
            ui::data(&report)?;
        }
        let [errors, warnings, notes] =
            [Level::Error, Level::Warning, Level::Note].map(|level| report.count(level));
        project.session.ui.status(
            "Examined",
            format_args!("errors: {errors}, warnings: {warnings}, notes: {notes}"),
        );
        Ok(if errors > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}

/// Other verbs bring the shared program up to date when they begin.
fn untouched(session: Session) -> anyhow::Result<Project> {
    let start = environment::current_dir()?;
    let repo = Repo::locate(start.clone(), &start)?;
    let config = CargoConfig::read(&start, &session.env);
    Ok(Project { sh: Shell::new(&session.env), repo, config, session })
}

/// Everything at the same time: each waits for another program, or for the disk.
pub fn examine(project: &Project, asker: &Asker<'_>) -> Facts {
    let (env, repo, config) = (&project.session.env, &project.repo, &project.config);
    let (root, own_lane) = (&repo.root, multilane::lanes::choose::worktree_lane(project).dir);
    let config_files = config_files::read(repo, env);
    let builds_std = config_files.iter().any(|file| file.says("unstable.build-std"));
    let ((toolchain, shared_cache), link, wrapper, replies, (git, lanes, worktrees)) =
        std::thread::scope(|scope| {
            let toolchain = scope.spawn(|| {
                let toolchain = toolchain::read(asker, env, repo, config);
                let shared_cache = prove_shared_cache(env, config, root, &toolchain);
                (toolchain, shared_cache)
            });
            let link = scope.spawn(|| {
                if builds_std {
                    return Link::NotTried {
                        why: "with `build-std`, that compiles std".to_owned(),
                    };
                }
                prove_link(asker, config, repo)
            });
            let wrapper = scope.spawn(|| wrappers::read(asker, config, root));
            let replies = scope.spawn(|| replies(asker, env, root));
            let git = git::read(asker, root);
            let top = git.top.clone().and_then(Result::ok).unwrap_or_else(|| root.clone());
            let list = git.list.clone().and_then(Result::ok).unwrap_or_default();
            let worktrees = list::listed(repo, &top, &list);
            let lanes = list::of_worktrees(&worktrees, repo, &own_lane);
            (
                toolchain.join().expect("it does not panic"),
                link.join().expect("it does not panic"),
                wrapper.join().expect("it does not panic"),
                replies.join().expect("it does not panic"),
                (git, lanes, worktrees.len()),
            )
        });

    let checkout = git.top.clone().and_then(Result::ok).filter(|top| top != root);
    let opened: Vec<&Path> = std::iter::once(root.as_path()).chain(checkout.as_deref()).collect();
    let own_lanes: Vec<&Path> =
        lanes.iter().filter(|lane| lane.root == *root).map(|lane| lane.dir.as_path()).collect();
    Facts {
        os: std::env::consts::OS,
        now_days: environment::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
            / 86_400,
        xtask: called(project),
        variables: env
            .iter()
            .filter(|(name, value)| {
                !value.is_empty() && name.to_str().is_some_and(settings::matters)
            })
            .map(|(name, value)| {
                (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned())
            })
            .collect(),
        dev_incremental: dev_incremental(root, &config_files),
        has_hook: has_hook(root, git.hooks_path.as_deref()),
        worktrees,
        has_lanes_dir: repo.lanes_dir().is_dir(),
        file_system: file_system::of(root),
        reflinks: reflinks(&own_lane).or_else(|| reflinks_of_git(root)),
        reruns: reruns::read(root, &own_lanes),
        lanes: lanes.iter().map(|lane| lane_facts(lane, root)).collect(),
        editors: editors::read(&opened),
        not_ours: wrappers::why_not_ours(config, root),
        config: config_files,
        machine: machine::read(),
        shared_cache,
        is_cache_off: server::is_switched_off(env),
        cranelift: Cranelift {
            settings: repo.settings.cranelift.clone(),
            has_component: has_cranelift(&toolchain),
        },
        root: root.clone(),
        toolchain,
        link,
        wrapper,
        tools: replies,
        git,
    }
}

/// What has to be typed for this program.
pub fn called(project: &Project) -> String {
    let Some(exe) = environment::exe() else { return "cargo xtask".to_owned() };
    // Another workspace may have an xtask of its own.
    let is_of_this = exe.starts_with(&project.repo.root)
        || Common::of(&project.repo.root).is_some_and(|common| is_shared_program(&exe, &common));
    if is_of_this && project.config.aliases.contains("xtask") {
        return "cargo xtask".to_owned();
    }
    quoted(exe.as_os_str())
}

fn prove_link(asker: &Asker<'_>, config: &CargoConfig, repo: &Repo) -> Link {
    let dir = std::env::temp_dir().join(format!("xtask-doctor-{}", std::process::id()));
    let mut made = Temporary::default();
    let written = made.make(&dir).and_then(|()| {
        link::FILES
            .iter()
            .try_for_each(|(name, text)| files::write_atomically(&dir.join(name), text.as_bytes()))
    });
    let link = match written {
        Ok(()) => link::prove(asker, config, &repo.start, &dir),
        Err(err) => Link::NotTried { why: format!("{} cannot be written: {err}", dir.display()) },
    };
    made.delete();
    link
}

/// What comes from the shared cache when a crate is compiled a second time.
fn prove_shared_cache(
    env: &environment::Environment,
    config: &CargoConfig,
    root: &Path,
    toolchain: &Toolchain,
) -> Option<SharedCacheFacts> {
    if server::is_switched_off(env) {
        return None;
    }
    let cache = SharedCache::open(&root.join(WRAPPER_DIR), env, &config.env)?;
    let rustc = toolchain
        .sysroot
        .as_ref()?
        .join("bin/rustc")
        .with_extension(std::env::consts::EXE_EXTENSION);
    let mut facts = SharedCacheFacts {
        program: cache.program.path.clone(),
        unusable: cache.program.problem.clone(),
        is_read_only: cache.variables.is_read_only(),
        proofs: Vec::new(),
        beyond: None,
        brought: env.cache_home().map(|home| tally::totals(&home)).unwrap_or_default(),
    };
    if facts.unusable.is_some() {
        return Some(facts);
    }
    let dir = std::env::temp_dir().join(format!("xtask-doctor-cache-{}", std::process::id()));
    let mut made = Temporary::default();
    // Where sccache's server will listen; after a restart of the machine it is not there yet.
    let runtime_dir = files::make_private_dir(&env.runtime_dir());
    let written = made.make(&dir).and(runtime_dir).and_then(|()| {
        let write =
            |(name, text): &(&str, &str)| files::write_atomically(&dir.join(name), text.as_bytes());
        server::SOURCES.iter().try_for_each(write)
    });
    let rustc = rustc.into();
    let proof = |way: CacheReach| match &written {
        // Nothing can be taken out of there that this machine has put in.
        Ok(()) if way == CacheReach::All && facts.is_read_only => {
            cache.try_out(way, &rustc, &dir, environment::now()).map_err(|err| format!("{err:#}"))
        }
        Ok(()) => {
            cache.prove(way, &rustc, &dir, environment::now()).map_err(|err| format!("{err:#}"))
        }
        Err(err) => Err(format!("{} cannot be written: {err}", dir.display())),
    };
    let (mut proofs, mut beyond) = (Vec::new(), None);
    for &way in cache.variables.reaches() {
        let proof_of_way = proof(way);
        let is_proven = proof_of_way.is_ok();
        proofs.push((way, proof_of_way));
        if is_proven {
            // What was a hit there may have come from this machine's own disk.
            beyond =
                (way == CacheReach::All && !facts.is_read_only).then(|| proof(CacheReach::Remote));
            break;
        }
    }
    (facts.proofs, facts.beyond) = (proofs, beyond);
    made.delete();
    Some(facts)
}

/// Tried where the lane is: a file system tells it for itself.
fn reflinks(lane: &Path) -> Option<bool> {
    let dir = lane.join(format!(".doctor-{}", std::process::id()));
    let mut made = Temporary::default();
    made.make(&dir).ok()?;
    let can = write::can_reflink(&dir);
    made.delete();
    Some(can)
}

/// Where nothing has been built yet: git's directory is no place where anybody watches files, and
/// most often on the same disk.
fn reflinks_of_git(root: &Path) -> Option<bool> {
    let git_dir = Common::of(root)?.git_dir().to_owned();
    let is_same = file_system::of(root)?.device == file_system::of(&git_dir)?.device;
    if is_same { reflinks(&git_dir) } else { None }
}

fn has_cranelift(toolchain: &Toolchain) -> bool {
    let (Ok(rustc), Some(sysroot)) = (&toolchain.rustc, &toolchain.sysroot) else { return false };
    compiler::has_cranelift(sysroot, compiler::host_triple(rustc))
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

/// `profile.dev.incremental`, in the manifest or in cargo's configuration.
fn dev_incremental(root: &Path, config: &[ConfigFile]) -> Option<bool> {
    let text = std::fs::read_to_string(root.join("Cargo.toml")).ok()?;
    let manifest: toml_edit::DocumentMut = text.parse().ok()?;
    let manifest = config_files::toml_settings(manifest.as_item());
    let settings =
        config.iter().filter_map(|file| file.settings.as_ref().ok()).flatten().chain(&manifest);
    let mut said = settings.filter(|setting| {
        ["profile.dev.incremental", "build.incremental"].contains(&setting.key.as_str())
    });
    said.next().map(|setting| setting.value == "true")
}

/// What those of the tools that are on `PATH` say of themselves.
fn replies(
    asker: &Asker<'_>,
    env: &environment::Environment,
    dir: &Path,
) -> Vec<(&'static str, Reply)> {
    std::thread::scope(|scope| {
        let ask = |tool: &'static Tool| {
            (tool.name, scope.spawn(|| installers::reply(asker, env, tool, dir)))
        };
        let asked: Vec<_> = TOOLS.iter().map(ask).collect();
        let told = asked
            .into_iter()
            .map(|(name, asked)| Some((name, asked.join().expect("it does not panic")?)));
        told.flatten().collect()
    })
}

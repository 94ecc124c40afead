//! The part of `install-tools` that has cargo use a linker: it is tried first, shown before it is
//! written down, and proven afterwards.

pub(crate) mod candidates;
pub(crate) mod local_config;
pub(crate) mod probe;
mod tune;

use std::cell::{Cell, RefCell};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use multilane_engine::files;
use multilane_engine::process::Held;
use multilane_engine::project::Project;
use multilane_engine::ui::Ui;

use crate::diff;
use crate::doctor::config_files;
use crate::doctor::config_files::Setting;
use crate::files::{name_program, scratch};
use crate::flags::tools::InstallTools;
use crate::install::plan::Machine;
use crate::linkers::candidates::{Candidate, Linkers, Tried, candidates, is_quick, obstacle};
use crate::linkers::local_config::Set;
use crate::linkers::probe::{Link, Trial};
use crate::process::Asker;

/// A target that is linked for, and a place to try linkers.
struct Target<'a> {
    project: &'a Project,
    ui: Ui,
    triple: &'a str,
    /// For `--target`; `None` where cargo builds for the host.
    flag: Option<&'a str>,
    scratch: &'a Path,
    trials: Cell<u32>,
    /// A signal that came during a trial. It ends us once everything is cleaned up.
    interrupted: &'a RefCell<Option<Held>>,
}

/// Has cargo use a quicker linker for each target of the workspace, if one works. `host` is the
/// compiler's triple.
pub(crate) fn provide_linker(
    project: &Project,
    ui: Ui,
    machine: &Machine,
    host: &str,
    flags: &InstallTools,
) -> anyhow::Result<()> {
    if !machine.is_linux {
        ui.status("Linker", "unchanged: other linkers are configured on Linux only");
        return Ok(());
    }
    let interrupted = RefCell::new(None);
    let targets = &project.config.targets;
    let for_all = |scratch: &Path| {
        let target = |triple, flag| {
            let (trials, interrupted) = (Cell::default(), &interrupted);
            Target { project, ui, triple, flag, scratch, trials, interrupted }
        };
        if targets.is_empty() {
            return target(host, None).provide(machine, flags);
        }
        targets.iter().try_for_each(|triple| target(triple, Some(triple)).provide(machine, flags))
    };
    let result = scratch("linker", probe::THOROUGH).and_then(|scratch| for_all(&scratch.dir));
    if let Some(held) = interrupted.take() {
        held.release();
    }
    result
}

/// Takes out what `install-tools` has written.
pub(crate) fn reset_local_config(project: &Project, ui: Ui) -> anyhow::Result<()> {
    let old = local_config(project)?;
    let new = local_config::remove(&old).context("cannot change .cargo/local.toml")?;
    if new == old {
        ui.status("Unchanged", ".cargo/local.toml has no lines of install-tools");
        return Ok(());
    }
    write_local_config(project, &new)?;
    diff::print(&diff::unified(".cargo/local.toml", &old, &new))?;
    ui.status(
        "Reset",
        ".cargo/local.toml; if the linker changes, the next build compiles everything once",
    );
    Ok(())
}

fn local_config_path(project: &Project) -> PathBuf {
    project.repo.root.join(".cargo/local.toml")
}

/// Empty where there is none.
fn local_config(project: &Project) -> anyhow::Result<String> {
    let path = local_config_path(project);
    match files::read_text(&path) {
        Err(err) if err.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
        result => result.with_context(|| format!("cannot read {}", path.display())),
    }
}

/// An empty file is deleted: it was ours.
fn write_local_config(project: &Project, text: &str) -> anyhow::Result<()> {
    let path = local_config_path(project);
    if path.parent().is_some_and(Path::is_symlink) {
        bail!("{} lies behind a symbolic link", path.display());
    }
    let written = if text.is_empty() {
        files::remove_own_file(&path)
    } else {
        files::write_atomically(&path, text.as_bytes())
    };
    written.with_context(|| format!("cannot write {}", path.display()))
}

impl Target<'_> {
    fn provide(&self, machine: &Machine, flags: &InstallTools) -> anyhow::Result<()> {
        let (ui, triple) = (self.ui, self.triple);
        let mut now = self.link(None)?;
        let is_broken = matches!(now, Link::Failed { .. });
        let is_ours = local_config::has_ours(&local_config(self.project)?);
        if is_ours && (is_broken || flags.tune) {
            if let Link::Failed { why } = &now {
                ui.warn(format_args!("nothing can be linked with .cargo/local.toml: {why}"));
            }
            reset_local_config(self.project, ui)?;
            now = self.link(None)?;
        }
        match &now {
            Link::Failed { why } | Link::NotTried { why } => {
                ui.warn(format_args!(
                    "nothing can be linked for {triple}, so no other linker is tried: {why}"
                ));
                return Ok(());
            }
            Link::Linked { by: Some(by) } if is_quick(&now) && !flags.tune => {
                let stays = format!("{by} links for {triple} already; --tune measures others");
                ui.status("Linker", stays);
                return Ok(());
            }
            Link::OtherFormat | Link::Linked { .. } => {}
        }
        if let Some(why) = self.obstacle() {
            ui.warn(format_args!("no linker is configured for {triple}: {why}"));
            return Ok(());
        }
        let candidates = candidates(&self.linkers(machine));
        if flags.tune {
            return self.tune(now, candidates, flags);
        }
        for candidate in candidates {
            let tried = self.try_one(candidate)?;
            if tried.proof().is_ok() {
                return self.configure(&tried.candidate, !flags.yes);
            }
        }
        ui.status("Linker", format_args!("unchanged for {triple}: no other linker works here"));
        Ok(())
    }

    /// Links a program, with these flags after those that are configured.
    fn link(&self, flags: Option<&[String]>) -> anyhow::Result<Link> {
        let Project { sh, repo, config, .. } = self.project;
        self.trials.set(self.trials.get() + 1);
        let trial = Trial {
            command: "run",
            name: &format!("{}-{}", self.triple, self.trials.get()),
            target: self.flag,
            flags: flags.map(|flags| (self.triple, flags)),
            limit: Duration::from_secs(60),
        };
        self.ui.progress("Linking", format_args!("a program for {}", self.triple));
        let held = Held::start();
        let link = probe::link(&Asker::new(sh, &held), config, &repo.start, self.scratch, trial);
        self.ui.end_progress();
        if held.has_come() {
            self.interrupted.replace(Some(held));
            bail!("interrupted");
        }
        held.release();
        Ok(link)
    }

    /// What cargo's configuration files set, each with the name of its file.
    fn settings(&self) -> Vec<(String, Setting)> {
        let files = config_files::read(&self.project.repo, &self.project.session.env);
        let of_file = |file: config_files::ConfigFile| {
            let place = self.project.shown(&file.path);
            let settings = file.settings.unwrap_or_default();
            settings.into_iter().map(move |setting| (place.clone(), setting))
        };
        files.into_iter().flat_map(of_file).collect()
    }

    fn linkers(&self, machine: &Machine) -> Linkers {
        let Project { session, sh, repo, .. } = self.project;
        let key = format!("target.{}.linker", self.triple);
        let driver = self.settings().into_iter().find(|(_, setting)| setting.key == key);
        let driver = driver.map(|(_, setting)| setting.value);
        let held = Held::start();
        let asker = Asker::new(sh, &held);
        let linkers = Linkers::find(&asker, &session.env, machine, driver.as_deref(), &repo.start);
        held.release();
        linkers
    }

    /// Tries it, and reports the result.
    fn try_one(&self, candidate: Candidate) -> anyhow::Result<Tried> {
        if let Some((name, program)) = &candidate.link {
            name_program(name, program)
                .with_context(|| format!("cannot write {}", name.display()))?;
        }
        let tried = Tried { link: self.link(Some(&candidate.flags))?, candidate };
        let (name, triple) = (tried.candidate.name, self.triple);
        match tried.proof() {
            Ok(by) => {
                self.ui.status("Linked", format_args!("a program for {triple} with {by}; it runs"));
            }
            Err(why) => self.ui.status("Not used", format_args!("{name} for {triple}: {why}")),
        }
        Ok(tried)
    }

    fn obstacle(&self) -> Option<String> {
        let Project { session, config, .. } = self.project;
        if !config.includes.contains(&local_config_path(self.project)) {
            return Some(
                ".cargo/config.toml does not include local.toml\n\
                 help: make this its first line: include = [{ path = \"local.toml\", optional = true }]"
                    .to_owned(),
            );
        }
        let names = ["CARGO_ENCODED_RUSTFLAGS", "RUSTFLAGS", "CARGO_BUILD_RUSTFLAGS"];
        let set: Vec<&str> =
            names.into_iter().filter(|name| session.env.get(name).is_some()).collect();
        obstacle(self.triple, &set, &self.settings())
    }

    /// Writes it into `.cargo/local.toml` and proves that it is used; if it is not, the old text
    /// comes back.
    fn configure(&self, candidate: &Candidate, asks: bool) -> anyhow::Result<()> {
        let (ui, project) = (self.ui, self.project);
        let old = local_config(project)?;
        let new = match local_config::set(&old, self.triple, &candidate.flags)
            .context("cannot change .cargo/local.toml")?
        {
            Set::Unchanged => return Ok(()),
            Set::Theirs { value } => {
                ui.warn(format_args!(
                    "target.{}.rustflags is yours in .cargo/local.toml and stays as it is: {value}\n\
                     help: for {}, add {}",
                    self.triple,
                    candidate.name,
                    candidate.flags.join(" ")
                ));
                return Ok(());
            }
            Set::Written(new) => new,
        };
        ui.status("Change", "in .cargo/local.toml; the next build then compiles everything once");
        diff::print(&diff::unified(".cargo/local.toml", &old, &new))?;
        if asks {
            match ui.confirm(&format!("Have cargo link with {}?", candidate.name)) {
                Ok(true) => {}
                Ok(false) => return Ok(()),
                Err(_) => {
                    ui.warn(format_args!(
                        "stdin is not a terminal, so .cargo/local.toml was not written\n\
                         help: {} install-tools --yes",
                        ui.called
                    ));
                    return Ok(());
                }
            }
        }
        write_local_config(project, &new)?;
        let link = self.link(None);
        let tried = link.map(|link| Tried { candidate: candidate.clone(), link });
        match tried.as_ref().map(Tried::proof) {
            Ok(Ok(by)) => ui.status("Linker", format_args!("{by} from now on for {}", self.triple)),
            Ok(Err(why)) => {
                write_local_config(project, &old)?;
                ui.warn(format_args!("restored .cargo/local.toml, as it had no effect: {why}"));
            }
            Err(_) => write_local_config(project, &old)?,
        }
        tried.map(drop)
    }
}

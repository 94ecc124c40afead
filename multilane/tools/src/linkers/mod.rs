//! The part of `install-tools` that has cargo use a linker: tried first, shown before it is
//! written, proven afterwards.

pub(crate) mod choice;
pub(crate) mod found;
pub(crate) mod link;
pub(crate) mod local_config;
pub(crate) mod tune;

use std::cell::{Cell, RefCell};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use multilane::process::Held;
use multilane::project::Project;
use multilane::project::toolchain::host_triple;
use multilane::ui::Ui;
use multilane::{files, ui};

use crate::doctor::config_files;
use crate::files::{Temporary, name_program};
use crate::flags::tools::InstallTools;
use crate::install::plan::Machine;
use crate::linkers::choice as plan;
use crate::linkers::choice::{Candidate, Facts, Setting, Tried};
use crate::linkers::found::FILES;
use crate::linkers::link::Link;
use crate::linkers::local_config::{OF_INSTALL_TOOLS, Set};
use crate::process::Asker;

/// One target, and a place to try linkers for it.
pub(super) struct Trial<'a> {
    pub(super) project: &'a Project,
    pub(super) ui: Ui,
    triple: &'a str,
    /// As cargo has to be told it; `None` where it builds for the host.
    target: Option<&'a str>,
    dir: &'a Path,
    attempts: Cell<u32>,
    /// Holds the signal that is to end xtask, once all is cleaned up.
    interrupted: &'a RefCell<Option<Held>>,
}

pub fn provide_linker(
    project: &Project,
    ui: Ui,
    machine: &Machine,
    rustc: &str,
    flags: &InstallTools,
) -> anyhow::Result<()> {
    if !machine.is_linux {
        ui.status("Linker", "left as it is: on this system none was ever tried");
        return Ok(());
    }
    let interrupted = RefCell::new(None);
    let mut made = Temporary::default();
    let dir = std::env::temp_dir().join(format!("xtask-linker-{}", std::process::id()));
    let written = made.make(&dir).and_then(|()| made.make(&dir.join("macro"))).and_then(|()| {
        FILES
            .iter()
            .try_for_each(|(name, text)| files::write_atomically(&dir.join(name), text.as_bytes()))
    });
    let result =
        written.with_context(|| format!("cannot write {}", dir.display())).and_then(|()| {
            let host = host_triple(rustc);
            let targets = &project.config.targets;
            let triples: Vec<&str> = if targets.is_empty() {
                vec![host]
            } else {
                targets.iter().map(String::as_str).collect()
            };
            triples.into_iter().try_for_each(|triple| {
                let target = targets.iter().any(|target| target == triple).then_some(triple);
                let (project, dir, attempts, interrupted) =
                    (project, &dir, Cell::default(), &interrupted);
                Trial { project, ui, triple, target, dir, attempts, interrupted }
                    .carry_out(machine, flags)
            })
        });
    made.delete();
    if let Some(held) = interrupted.take() {
        held.release();
    }
    result
}

pub fn local_config_path(project: &Project) -> PathBuf {
    project.repo.root.join(".cargo/local.toml")
}

/// Empty where there is none.
pub fn local_config(project: &Project) -> anyhow::Result<String> {
    let path = local_config_path(project);
    match std::fs::read_to_string(&path) {
        Err(err) if err.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
        result => result.with_context(|| format!("cannot read {}", path.display())),
    }
}

/// A file in which nothing is left was ours.
pub fn write_local_config(project: &Project, text: &str) -> anyhow::Result<()> {
    let path = local_config_path(project);
    let written = if text.is_empty() {
        files::remove_own_file(&path)
    } else {
        files::write_atomically(&path, text.as_bytes())
    };
    written.with_context(|| format!("cannot write {}", path.display()))
}

/// Takes out what `install-tools` has written.
pub fn reset_local_config(project: &Project, ui: Ui) -> anyhow::Result<()> {
    let old = local_config(project)?;
    let new =
        local_config::remove(&old, OF_INSTALL_TOOLS).context("cannot change .cargo/local.toml")?;
    if new == old {
        ui.status("Unchanged", "in .cargo/local.toml is nothing of install-tools'");
        return Ok(());
    }
    write_local_config(project, &new)?;
    ui::data(local_config::difference(&old, &new))?;
    ui.status(
        "Reset",
        ".cargo/local.toml; if the linker has changed, the next build compiles everything once",
    );
    Ok(())
}

impl Trial<'_> {
    fn carry_out(&self, machine: &Machine, flags: &InstallTools) -> anyhow::Result<()> {
        let (ui, triple) = (self.ui, self.triple);
        let mut now = self.prove(None)?;
        let old = local_config(self.project)?;
        let is_ours = local_config::marked(&old, OF_INSTALL_TOOLS)
            .iter()
            .any(|line| line.starts_with("rustflags"));
        let is_broken = matches!(now, Link::Failed { .. });
        if is_ours && (is_broken || flags.tune) {
            if let Link::Failed { why } = &now {
                ui.warn(format_args!("nothing can be linked as .cargo/local.toml has it: {why}"));
            }
            reset_local_config(self.project, ui)?;
            now = self.prove(None)?;
        }
        match &now {
            Link::Failed { why } | Link::NotTried { why } => {
                ui.warn(format_args!(
                    "nothing can be linked for {triple}, so no other linker is tried: {why}"
                ));
                return Ok(());
            }
            Link::Linked { by: Some(by) } if plan::is_quick(&now) && !flags.tune => {
                ui.status(
                    "Linker",
                    format_args!(
                        "{by} links for {triple}, as a program proves, and stays; --tune measures others"
                    ),
                );
                return Ok(());
            }
            Link::OtherFormat | Link::Linked { .. } => {}
        }
        if let Some(why) = self.obstacle() {
            ui.warn(format_args!("no linker is configured for {triple}: {why}"));
            return Ok(());
        }
        let candidates = plan::candidates(&self.facts(machine));
        if flags.tune {
            return self.tune(now, candidates, flags);
        }
        for candidate in candidates {
            let tried = self.try_one(candidate)?;
            if tried.proof().is_ok() {
                return self.use_it(&tried.candidate, !flags.yes);
            }
        }
        ui.status("Linker", format_args!("the system's own for {triple}; no other one works here"));
        Ok(())
    }

    fn prove(&self, flags: Option<&[String]>) -> anyhow::Result<Link> {
        let Project { sh, repo, config, .. } = self.project;
        self.attempts.set(self.attempts.get() + 1);
        let name = format!("{}-{}", self.triple, self.attempts.get());
        self.ui.progress("Linking", format_args!("a program for {}", self.triple));
        let flags = flags.map(|flags| (self.triple, flags));
        let held = Held::start();
        let asker = Asker::new(sh, &held);
        let link = found::prove(&asker, config, &repo.start, self.dir, &name, self.target, flags);
        self.ui.end_progress();
        if held.has_come() {
            self.interrupted.replace(Some(held));
            bail!("interrupted");
        }
        held.release();
        Ok(link)
    }

    fn facts(&self, machine: &Machine) -> Facts {
        let Project { session, sh, repo, .. } = self.project;
        let key = format!("target.{}.linker", self.triple);
        let files = config_files::read(repo, &session.env);
        let mut settings = files.iter().filter_map(|file| file.settings.as_ref().ok()).flatten();
        let named =
            settings.find(|setting| setting.key == key).map(|setting| setting.value.as_str());
        let held = Held::start();
        let facts = found::read(&Asker::new(sh, &held), &session.env, machine, named, &repo.start);
        held.release();
        facts
    }

    /// Tries it, and says what came of that.
    pub(super) fn try_one(&self, candidate: Candidate) -> anyhow::Result<Tried> {
        if let Some((name, program)) = &candidate.link {
            name_program(name, program)
                .with_context(|| format!("cannot write {}", name.display()))?;
        }
        let tried = Tried { link: self.prove(Some(&candidate.flags))?, candidate };
        match tried.proof() {
            Ok(by) => {
                self.ui.status(
                    "Linked",
                    format_args!("a program for {} with {by}; it runs", self.triple),
                );
            }
            Err(why) => {
                self.ui.status(
                    "Not used",
                    format_args!("{} for {}: {why}", tried.candidate.name, self.triple),
                );
            }
        }
        Ok(tried)
    }

    fn obstacle(&self) -> Option<String> {
        let Project { session, repo, config, .. } = self.project;
        if !config.includes.contains(&local_config_path(self.project)) {
            return Some(
                ".cargo/config.toml does not include local.toml\n\
                 help: make this its first line: include = [{ path = \"local.toml\", optional = true }]"
                    .to_owned(),
            );
        }
        let settings: Vec<Setting> = config_files::read(repo, &session.env)
            .into_iter()
            .flat_map(|file| {
                let place = self.project.shown(&file.path);
                let settings = file.settings.unwrap_or_default();
                settings
                    .into_iter()
                    .map(move |setting| Setting { place: place.clone(), key: setting.key })
            })
            .collect();
        let names = ["CARGO_ENCODED_RUSTFLAGS", "RUSTFLAGS", "CARGO_BUILD_RUSTFLAGS"];
        let set: Vec<&str> =
            names.into_iter().filter(|name| session.env.get(name).is_some()).collect();
        plan::obstacle(self.triple, &set, &settings)
    }

    /// Writes it down and looks whether it counts; if it does not, what was there comes back.
    pub(super) fn use_it(&self, candidate: &Candidate, asks: bool) -> anyhow::Result<()> {
        let (ui, workspace) = (self.ui, self.project);
        let old = local_config(self.project)?;
        let key = ["target", self.triple, "rustflags"];
        let value = toml_edit::Value::from_iter(&candidate.flags);
        let new = match local_config::set(&old, &key, &value, OF_INSTALL_TOOLS)
            .context("cannot change .cargo/local.toml")?
        {
            Set::AsItWas => return Ok(()),
            Set::Theirs { value } => {
                ui.warn(format_args!(
                    "{} is yours in .cargo/local.toml and stays as it is: {value}\n\
                     help: for {}, add {}",
                    key.join("."),
                    candidate.name,
                    candidate.flags.join(" ")
                ));
                return Ok(());
            }
            Set::Written(new) => new,
        };
        ui.status(
            "Change",
            "of .cargo/local.toml; with it the next build compiles everything once",
        );
        ui::data(local_config::difference(&old, &new))?;
        if asks {
            match ui.confirm(&format!("Have cargo link with {}?", candidate.name)) {
                Ok(true) => {}
                Ok(false) => return Ok(()),
                Err(_) => {
                    ui.warn("nobody is here to be asked, so it was not written\nhelp: cargo xtask install-tools --yes");
                    return Ok(());
                }
            }
        }
        write_local_config(self.project, &new)?;
        let link = self.prove(None);
        if link.is_err() {
            write_local_config(self.project, &old)?;
        }
        let tried = Tried { candidate: candidate.clone(), link: link? };
        match tried.proof() {
            Ok(by) => ui.status("Linker", format_args!("{by} from now on for {}", self.triple)),
            Err(why) => {
                write_local_config(self.project, &old)?;
                ui.warn(format_args!(
                    ".cargo/local.toml is what it was before, as this did not count: {why}"
                ));
            }
        }
        Ok(())
    }
}

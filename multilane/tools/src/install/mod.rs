//! `install-tools`: installs each tool that is lacking by the quickest route. One that fails does
//! not keep the others from being installed.

pub(crate) mod installers;
pub(crate) mod plan;

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::ensure;
use multilane_engine::process::Held;
use multilane_engine::process::step::{Program, Step};
use multilane_engine::project::{Project, Session};
use multilane_engine::ui;
use multilane_engine::ui::Ui;

use crate::doctor::{read_only_project, toolchain};
use crate::files::scratch;
use crate::install::installers::Newest;
use crate::install::plan::{Plan, Recipe, Reply, State, Tool};
use crate::process::{Asker, listen};
use crate::{flags, linkers};

impl flags::tools::InstallTools {
    pub(crate) fn run(self, session: Session) -> anyhow::Result<ExitCode> {
        ensure!(!self.json || self.check || self.dry_run, "--json needs --check or --dry-run");
        let ui = session.ui.quiet(self.quiet);
        let only_looks = self.check || self.dry_run || self.newer;
        let project =
            if only_looks { read_only_project(session)? } else { session.project(None)? };
        if self.reset {
            linkers::reset_local_config(&project, ui)?;
            return Ok(ExitCode::SUCCESS);
        }
        let held = Held::start();
        if self.newer {
            let newest = installers::newest(&Asker::new(&project.sh, &held));
            held.release();
            ui::data(format_args!("{:<18}{:<11}{:<11}NEWEST", "TOOL", "FROM", "OURS"))?;
            for Newest { tool, place, ours, newest } in newest {
                let newest = newest.as_deref().unwrap_or("not known");
                ui::data(format_args!("{tool:<18}{place:<11}{ours:<11}{newest}"))?;
            }
            return Ok(ExitCode::SUCCESS);
        }

        ui.progress("Looking", "for tools");
        let Project { session, sh, repo, config } = &project;
        let rustc = toolchain::read(&Asker::new(sh, &held), &session.env, repo, config).rustc;
        let machine = installers::read(&Asker::new(sh, &held), &project, rustc.as_ref().ok());
        held.release();
        let plans = plan::plan(&machine, &self.only);
        ui.end_progress();
        if only_looks {
            self.report(&plans)?;
            let is_lacking = plans.iter().any(|plan| matches!(plan.state, State::Lacking { .. }));
            return Ok(ExitCode::from(u8::from(self.check && is_lacking)));
        }

        let sudo = self.consent(ui, &plans)?;
        let installer = Installer { project: &project, ui, is_verbose: self.verbose, sudo };
        let installed = installer.install_all(&plans)?;
        if installed == Installed::Interrupted {
            return Ok(ExitCode::from(130));
        }
        if plans.iter().any(|plan| plan.tool.links) {
            match &rustc {
                Ok(rustc) => {
                    let held = Held::start();
                    let machine = installers::read(&Asker::new(sh, &held), &project, Some(rustc));
                    held.release();
                    linkers::provide_linker(&project, ui, &machine, rustc.host(), &self)?;
                }
                Err(why) => ui.warn(format_args!("no linker is tried: rustc: {why}")),
            }
        }
        Ok(if installed == Installed::All { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    fn report(&self, plans: &[Plan]) -> anyhow::Result<()> {
        if self.json {
            return ui::data(serde_json::to_value(plans)?);
        }
        if !self.dry_run {
            ui::data(format_args!("{:<18}{:<11}STATE", "TOOL", "VERSION"))?;
        }
        for Plan { tool, state } in plans {
            let name = tool.name;
            match state {
                State::Lacking { why, ways, closed } if self.dry_run => {
                    ui::data(format_args!("# {name}: {why}"))?;
                    match ways.first() {
                        Some(recipe) => {
                            recipe.commands.iter().try_for_each(|words| ui::data(step(words)))?;
                        }
                        None => {
                            ui::data(format_args!("# cannot be installed: {}", closed.join("; ")))?;
                        }
                    }
                }
                State::Lacking { why, ways, closed } => {
                    let how = match ways.first() {
                        Some(recipe) => format!("{} installs it", recipe.by),
                        None => format!("cannot be installed: {}", closed.join("; ")),
                    };
                    ui::data(format_args!("{name:<18}{:<11}{why}; {how}", "-"))?;
                }
                _ if self.dry_run => {}
                State::Present { version } => {
                    let version = version.map_or("-".to_owned(), |version| version.to_string());
                    ui::data(format_args!("{name:<18}{version:<11}installed"))?;
                }
                State::NotNeeded { why } => {
                    ui::data(format_args!("{name:<18}{:<11}not needed: {why}", "-"))?;
                }
            }
        }
        Ok(())
    }

    /// Whether commands that need root may be run. Asked once for all, with the exact commands.
    fn consent(&self, ui: Ui, plans: &[Plan]) -> anyhow::Result<bool> {
        let first = plans.iter().filter_map(|plan| match &plan.state {
            State::Lacking { ways, .. } => ways.first(),
            _ => None,
        });
        let commands: Vec<String> = first
            .filter(|recipe| recipe.needs_sudo)
            .flat_map(|recipe| &recipe.commands)
            .map(|words| step(words).to_string())
            .collect();
        if commands.is_empty() || self.yes {
            return Ok(true);
        }
        let commands = commands.join("\n  ");
        Ok(ui.confirm(&format!("Run this, which needs root?\n  {commands}\n")).unwrap_or_else(
            |_| {
                ui.warn(format_args!(
                    "stdin is not a terminal, so nothing is run that needs root\n\
                 help: pass --yes, or run it yourself:\n  {commands}"
                ));
                false
            },
        ))
    }
}

/// Carries plans out.
struct Installer<'a> {
    project: &'a Project,
    ui: Ui,
    is_verbose: bool,
    /// Whether commands that need root may be run.
    sudo: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Installed {
    All,
    NotAll,
    Interrupted,
}

/// How the commands of a recipe ended.
enum Ended {
    Success,
    Failure(String),
    Interrupted,
}

impl Installer<'_> {
    fn install_all(&self, plans: &[Plan]) -> anyhow::Result<Installed> {
        let logs = scratch("install", &[])?;
        let mut result = Installed::All;
        for Plan { tool, state } in plans {
            match state {
                State::Present { version } => {
                    let version = version.map(|version| format!(" {version}")).unwrap_or_default();
                    self.ui.status("Present", format_args!("{}{version}", tool.name));
                }
                State::NotNeeded { why } if self.is_verbose => {
                    self.ui.status("Not needed", format_args!("{}: {why}", tool.name));
                }
                State::NotNeeded { .. } => {}
                State::Lacking { why, ways, closed } => {
                    match self.install(tool, why, ways, closed, &logs.dir)? {
                        Installed::All => {}
                        Installed::NotAll => result = Installed::NotAll,
                        Installed::Interrupted => return Ok(Installed::Interrupted),
                    }
                }
            }
        }
        Ok(result)
    }

    fn install(
        &self,
        tool: &'static Tool,
        why: &str,
        recipes: &[Recipe],
        closed: &[String],
        logs: &Path,
    ) -> anyhow::Result<Installed> {
        let mut failed = Vec::new();
        for recipe in recipes {
            let by = recipe.by;
            if recipe.needs_sudo && !self.sudo {
                failed.push(format!("{by} needs root"));
                continue;
            }
            let begun = Instant::now();
            let version = match self.run(tool, recipe, &logs.join(format!("{}.log", tool.name))) {
                Ended::Success => self.version_of(tool),
                Ended::Failure(why) => Err(why),
                Ended::Interrupted => return Ok(Installed::Interrupted),
            };
            match version {
                Ok(version) => {
                    let time = ui::duration(begun.elapsed());
                    let what = format!("{}{version} by {by}, {time}", tool.name);
                    self.ui.status("Installed", what);
                    return Ok(Installed::All);
                }
                Err(why) => {
                    self.ui.warn(format_args!("{} by {by}: {why}", tool.name));
                    failed.push(format!("{by} failed"));
                }
            }
        }
        failed.extend(closed.iter().cloned());
        let failed = failed.join("; ");
        self.ui.warn(format_args!("{} cannot be installed ({why}): {failed}", tool.name));
        Ok(Installed::NotAll)
    }

    fn run(&self, tool: &Tool, recipe: &Recipe, log: &Path) -> Ended {
        const LINE_MAX: usize = 48; // A line that wraps cannot be overwritten.
        for words in &recipe.commands {
            let step = step(words);
            self.ui.status("Installing", format_args!("{}: {step}", tool.name));
            let outcome = if self.is_verbose {
                self.project.sh.run(&step, &[])
            } else {
                listen(&self.project.sh, &step, &self.project.repo.start, log, |line| {
                    let short: String = line.trim().chars().take(LINE_MAX).collect();
                    self.ui.progress("Installing", format_args!("{}: {short}", tool.name));
                })
            };
            self.ui.end_progress();
            match outcome {
                Err(err) => return Ended::Failure(format!("{err:#}")),
                Ok(outcome) if outcome.interrupted => return Ended::Interrupted,
                Ok(outcome) if !outcome.status.success() => {
                    let output =
                        excerpt(&multilane_engine::files::read_text(log).unwrap_or_default());
                    return Ended::Failure(format!(
                        "`{step}` failed: {}\n{output}",
                        outcome.status
                    ));
                }
                Ok(_) => {}
            }
        }
        Ended::Success
    }

    /// The version of a tool that was installed, with a space in front, or why it is still not the
    /// one on `PATH`.
    fn version_of(&self, tool: &'static Tool) -> Result<String, String> {
        let Some((program, _)) = tool.asked else { return Ok(String::new()) };
        let held = Held::start();
        let asker = Asker::new(&self.project.sh, &held);
        let reply = installers::reply(&asker, &self.project.session.env, tool);
        held.release();
        match reply {
            Some(Reply::Version(version)) if version >= tool.oldest => Ok(format!(" {version}")),
            Some(Reply::Version(version)) => {
                Err(format!("{version} is still older than {}", tool.oldest))
            }
            Some(Reply::Strange { program, why }) => {
                Err(format!("{} {why}, and is the first on PATH", program.display()))
            }
            None => Err(format!("{program} was installed outside of PATH")),
        }
    }
}

/// A command of a recipe, as it is started and shown.
fn step(words: &[String]) -> Step {
    let (program, args) = match words {
        [cargo, toolchain, args @ ..] if cargo == "cargo" && toolchain.starts_with('+') => {
            (Program::CargoOf { toolchain: toolchain.trim_start_matches('+').to_owned() }, args)
        }
        [cargo, args @ ..] if cargo == "cargo" => (Program::Cargo, args),
        [program, args @ ..] => (Program::Other(program.into()), args),
        [] => (Program::Other("true".into()), words),
    };
    Step::of_program(program, args.iter().map(Into::into).collect())
}

/// The lines from the first error on, or else the last ones.
fn excerpt(text: &str) -> String {
    const LINES: usize = 12;
    let is_error =
        |line: &&str| ["error", "ERROR", "E: "].iter().any(|word| line.starts_with(word));
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let from = lines.iter().position(is_error).unwrap_or(lines.len().saturating_sub(LINES));
    let is_backtrace = |line: &&&str| line.to_lowercase().contains("backtrace:");
    let shown = lines[from..].iter().take_while(|line| !is_backtrace(line)).take(LINES);
    shown.map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}

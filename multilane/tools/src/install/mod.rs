//! `install-tools`: what is lacking comes by the quickest way, and what fails does not keep the
//! rest from coming.

pub(crate) mod installers;
pub(crate) mod plan;

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context as _, ensure};
use multilane::process::Held;
use multilane::process::step::{Program, Step};
use multilane::project::{Project, Session, toolchain as compiler};
use multilane::ui;
use multilane::ui::Ui;
use serde_json::{Value, json};

use crate::files::Temporary;
use crate::flags;
use crate::install::plan::{Plan, Reply, State, Tool, Way};
use crate::process::{self, Asker};

impl flags::tools::InstallTools {
    pub(crate) fn run(self, session: Session) -> anyhow::Result<ExitCode> {
        ensure!(!self.json || self.check || self.dry_run, "--json goes with --check or --dry-run");
        let ui = session.ui.quiet(self.quiet);
        let project = session.project(None)?;

        if self.reset {
            crate::linkers::reset_local_config(&project, ui)?;
            return Ok(ExitCode::SUCCESS);
        }

        if self.newer {
            let held = Held::start();
            let newest = installers::newest(&Asker::new(&project.sh, &held), &project.repo.start);
            held.release();
            ui::data(format_args!("{:<18}{:<11}{:<11}NEWEST", "TOOL", "FROM", "OURS"))?;
            for (tool, place, ours, newest) in newest {
                let newest = newest.unwrap_or_else(|| "it did not say".to_owned());
                ui::data(format_args!("{tool:<18}{place:<11}{ours:<11}{newest}"))?;
            }
            return Ok(ExitCode::SUCCESS);
        }

        ui.progress("Looking", "for tools");
        let Project { session: Session { env, .. }, sh, repo, config } = &project;
        let rustc = compiler::rustc_version(sh, env, repo, config, None)?;
        let examined = || {
            let held = Held::start();
            let machine = installers::read(&Asker::new(&sh, &held), env, repo, &rustc);
            held.release();
            machine
        };
        let machine = examined();
        let plans = plan::plan(&machine, &self.only);
        ui.end_progress();

        if self.check || self.dry_run {
            self.report(&plans)?;
            let is_lacking = plans.iter().any(|plan| plan.state.is_lacking());
            return Ok(ExitCode::from(u8::from(self.check && is_lacking)));
        }
        let sudo = self.consent(ui, &plans)?;
        let installer = Installer { project: &project, ui, is_verbose: self.verbose, sudo };
        let installed = installer.install_all(&plans)?;
        if installed == Installed::Interrupted {
            return Ok(ExitCode::from(130));
        }
        let is_about_linkers = plans.iter().any(|plan| plan.tool.links);
        if is_about_linkers {
            crate::linkers::provide_linker(&project, ui, &examined(), &rustc, &self)?;
        }
        Ok(if installed == Installed::All { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    fn report(&self, plans: &[Plan]) -> anyhow::Result<()> {
        if self.json {
            return ui::data(Value::Array(plans.iter().map(to_json).collect()));
        }
        if self.dry_run {
            for Plan { tool, state } in plans {
                let State::Lacking { why, ways, closed } = state else { continue };
                ui::data(format_args!("# {}: {why}", tool.name))?;
                match ways.first() {
                    Some(way) => way.commands.iter().try_for_each(|words| ui::data(step(words)))?,
                    None => ui::data(format_args!("# cannot be had: {}", closed.join("; ")))?,
                }
            }
            return Ok(());
        }
        ui::data(format_args!("{:<18}{:<11}STATE", "TOOL", "VERSION"))?;
        for Plan { tool, state } in plans {
            let (version, text) = match state {
                State::Present(version) => {
                    (version.map(|version| version.to_string()), "there".to_owned())
                }
                State::NotNeeded(why) => (None, format!("not needed: {why}")),
                State::Lacking { why, ways, closed } => (None, lacking(why, ways, closed)),
            };
            ui::data(format_args!(
                "{:<18}{:<11}{text}",
                tool.name,
                version.as_deref().unwrap_or("-")
            ))?;
        }
        Ok(())
    }

    /// Whether what needs root may be done. Asked once, for all of it, with the exact commands.
    fn consent(&self, ui: Ui, plans: &[Plan]) -> anyhow::Result<bool> {
        let first = plans.iter().filter_map(|plan| match &plan.state {
            State::Lacking { ways, .. } => ways.first(),
            _ => None,
        });
        let commands: Vec<String> = first
            .filter(|way| way.needs_sudo)
            .flat_map(|way| &way.commands)
            .map(|words| step(words).to_string())
            .collect();
        if commands.is_empty() || self.yes {
            return Ok(true);
        }
        let commands = commands.join("\n  ");
        match ui.confirm(&format!("Run this, which needs root?\n  {commands}\n")) {
            Ok(answer) => Ok(answer),
            Err(_) => {
                ui.warn(format_args!(
                    "nobody is here to be asked, so nothing is done that needs root\n\
                     help: type it yourself, or install-tools --yes:\n  {commands}"
                ));
                Ok(false)
            }
        }
    }
}

/// Carries plans out.
struct Installer<'a> {
    project: &'a Project,
    ui: Ui,
    is_verbose: bool,
    /// Whether what needs root may be done.
    sudo: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Installed {
    All,
    NotAll,
    Interrupted,
}

impl Installer<'_> {
    fn install_all(&self, plans: &[Plan]) -> anyhow::Result<Installed> {
        let mut logs = Temporary::default();
        let dir = std::env::temp_dir().join(format!("xtask-install-{}", std::process::id()));
        logs.make(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
        let mut result = Installed::All;
        for Plan { tool, state } in plans {
            match state {
                State::Present(version) => {
                    let version = version.map(|version| format!(" {version}")).unwrap_or_default();
                    self.ui.status("Present", format_args!("{}{version}", tool.name));
                }
                State::NotNeeded(why) => {
                    if self.is_verbose {
                        self.ui.status("Not needed", format_args!("{}: {why}", tool.name));
                    }
                }
                State::Lacking { why, ways, closed } => {
                    match self.install(tool, why, ways, closed, &dir)? {
                        Installed::All => {}
                        Installed::NotAll => result = Installed::NotAll,
                        Installed::Interrupted => {
                            result = Installed::Interrupted;
                            break;
                        }
                    }
                }
            }
        }
        logs.delete();
        Ok(result)
    }

    fn install(
        &self,
        tool: &'static Tool,
        why: &str,
        ways: &[Way],
        closed: &[String],
        dir: &Path,
    ) -> anyhow::Result<Installed> {
        let mut failed = Vec::new();
        for way in ways {
            if way.needs_sudo && !self.sudo {
                failed.push(format!("{} needs root", way.by));
                continue;
            }
            let begun = Instant::now();
            let problem =
                match self.carry_out(tool, way, &dir.join(format!("{}.log", tool.name)))? {
                    Ended::Well => self.problem_with(tool),
                    Ended::Badly(why) => Some(why),
                    Ended::Interrupted => return Ok(Installed::Interrupted),
                };
            let Some(problem) = problem else {
                let version = match self.reply(tool) {
                    Some(Reply::Version(version)) => format!(" {version}"),
                    _ => String::new(),
                };
                let time = ui::duration(begun.elapsed());
                self.ui.status(
                    "Installed",
                    format_args!("{}{version} by {}, {time}", tool.name, way.by),
                );
                return Ok(Installed::All);
            };
            self.ui.warn(format_args!("{} by {}: {problem}", tool.name, way.by));
            failed.push(format!("{} failed", way.by));
        }
        failed.extend(closed.iter().cloned());
        self.ui.warn(format_args!("{} cannot be had ({why}): {}", tool.name, failed.join("; ")));
        Ok(Installed::NotAll)
    }

    fn carry_out(&self, tool: &Tool, way: &Way, log: &Path) -> anyhow::Result<Ended> {
        const LINE_MAX: usize = 48; // A line that wraps cannot be written over.
        for words in &way.commands {
            let step = step(words);
            self.ui.status("Installing", format_args!("{}: {step}", tool.name));
            let dir = &self.project.repo.start;
            let outcome = if self.is_verbose {
                self.project.sh.run(&step, None)
            } else {
                process::listen(&self.project.sh, &step, dir, log, |line| {
                    let short: String = line.trim().chars().take(LINE_MAX).collect();
                    self.ui.progress("Installing", format_args!("{}: {short}", tool.name));
                })
            };
            self.ui.end_progress();
            let outcome = match outcome {
                Ok(outcome) => outcome,
                Err(err) => return Ok(Ended::Badly(format!("{err:#}"))),
            };
            if outcome.interrupted {
                return Ok(Ended::Interrupted);
            }
            if !outcome.status.success() {
                let said = std::fs::read_to_string(log).unwrap_or_default();
                return Ok(Ended::Badly(format!(
                    "`{step}` failed: {}\n{}",
                    outcome.status,
                    excerpt(&said)
                )));
            }
        }
        Ok(Ended::Well)
    }

    /// Why a tool that was installed is still not what is found on `PATH`.
    fn problem_with(&self, tool: &'static Tool) -> Option<String> {
        let (program, _) = tool.asked?;
        match self.reply(tool) {
            Some(Reply::Version(version)) if version >= tool.oldest => None,
            Some(Reply::Version(version)) => {
                Some(format!("{version} is still older than {}", tool.oldest))
            }
            Some(Reply::Strange { program, why }) => {
                Some(format!("{} {why}, and stands first on PATH", program.display()))
            }
            None => Some(format!("it has put {program} where PATH does not lead")),
        }
    }

    fn reply(&self, tool: &'static Tool) -> Option<Reply> {
        let Project { session, sh, repo, .. } = self.project;
        let held = Held::start();
        let reply = installers::reply(&Asker::new(&sh, &held), &session.env, tool, &repo.start);
        held.release();
        reply
    }
}

enum Ended {
    Well,
    Badly(String),
    Interrupted,
}

/// A command of the plan, as it is started and shown.
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

fn lacking(why: &str, ways: &[Way], closed: &[String]) -> String {
    match ways.first() {
        Some(way) => format!("{why}; comes by {}", way.by),
        None => format!("{why}; cannot be had: {}", closed.join("; ")),
    }
}

fn to_json(Plan { tool, state }: &Plan) -> Value {
    let (name, version, why, ways, closed) = match state {
        State::Present(version) => ("present", *version, None, [].as_slice(), [].as_slice()),
        State::NotNeeded(why) => {
            ("not needed", None, Some((*why).to_owned()), [].as_slice(), [].as_slice())
        }
        State::Lacking { why, ways, closed } => {
            ("lacking", None, Some(why.clone()), ways.as_slice(), closed.as_slice())
        }
    };
    let ways: Vec<Value> = ways
        .iter()
        .map(|way| json!({ "by": way.by, "needs_sudo": way.needs_sudo, "commands": way.commands }))
        .collect();
    json!({
        "tool": tool.name,
        "purpose": tool.purpose,
        "state": name,
        "version": version.map(|version| version.to_string()),
        "oldest": tool.oldest.to_string(),
        "why": why,
        "ways": ways,
        "closed": closed,
    })
}

/// Where it says what is wrong, or else its end.
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

//! `upgrade`: a newer template comes into a project, and what the project has changed stays.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail, ensure};

use crate::effects::disk::temporary::Temporary;
use crate::effects::shell::Shell;
use crate::effects::ui;
use crate::facts::common::Common;
use crate::facts::host;
use crate::facts::template::Template;
use crate::facts::texts;
use crate::flags;
use crate::plan::adopt::given::Files;
use crate::plan::adopt::{Choices, Part, Plan, Project};
use crate::plan::edit::Content;
use crate::plan::given;
use crate::plan::recipe::quoted;
use crate::plan::template::{RECORD, Record};
use crate::plan::upgrade;
use crate::verbs::adopt::{Trial, open_journal, read_project, record_of, tell, undo};
use crate::verbs::session::{Session, Workspace};

const KEPT: &str = "upgrade";

impl flags::adopt::Upgrade {
    pub(crate) fn run(self, session: Session) -> anyhow::Result<ExitCode> {
        let workspace = session.workspace(None)?;
        let ui = workspace.session.ui;
        let root = workspace.repo.root.canonicalize()?;
        let journal = open_journal(ui, &root)?;
        if self.undo {
            let kept = journal.kept(KEPT).context("there is no upgrade to take back here")?;
            let (edits, problems) = undo(&root, &kept, false)?;
            ensure!(
                problems.is_empty(),
                "changed since the upgrade, so nothing has been taken back:\n  {}",
                problems.join("\n  ")
            );
            journal.apply(&edits, None)?;
            journal.forget(KEPT)?;
            ui.status("Restored", format_args!("files: {}", edits.len()));
            return Ok(ExitCode::SUCCESS);
        }
        let record = record_of(&root, "xtask")?.with_context(|| {
            format!(
                "{} has no record of a template (xtask/{RECORD})\n\
                 help: in a checkout of the template: cargo xtask adopt {}",
                root.display(),
                quoted(root.as_os_str())
            )
        })?;

        let mut temporary = Temporary::default();
        let from = self.from.as_deref().unwrap_or_default();
        let result = workspace
            .template_root(from, &mut temporary)
            .and_then(|template| Template::read(&workspace.sh, &template))
            .and_then(|template| {
                workspace.plan_upgrade(&template, &root, record).map(|plan| (template, plan))
            });
        drop(temporary.delete());
        let (template, plan) = result?;

        if plan.edits.is_empty() {
            ui.status("Upgraded", format_args!("nothing to do: {} is here", template.shown()));
            tell(ui, &plan);
            return Ok(ExitCode::SUCCESS);
        }
        ui::diff(&plan.edits.diff(&[]))?;
        tell(ui, &plan);
        if self.check || self.dry_run {
            return Ok(if self.check { ExitCode::FAILURE } else { ExitCode::SUCCESS });
        }
        if !self.yes && !ui.confirm(&format!("Write this to {}?", root.display()))? {
            return Ok(ExitCode::FAILURE);
        }
        journal.forget(KEPT)?; // Only the last one is taken back.
        journal.apply(&plan.edits, Some(KEPT))?;

        ui.status("Upgraded", format_args!("to {}: files written: {}", template.shown(), plan.edits.len()));
        if plan.upgrade.conflicts.is_empty() {
            return Ok(ExitCode::SUCCESS);
        }
        let exe = host::exe().unwrap_or_else(|| PathBuf::from("target/xtask/xtask"));
        bail!(
            "both sides of a conflict are in these files: {}\n\
             help: choose in each, between the markers; or take all of it back: {} upgrade --undo",
            plan.upgrade.conflicts.join(", "),
            quoted(exe.as_os_str())
        )
    }
}

impl Template {
    fn shown(&self) -> String {
        let commit = self.commit.as_deref().map(|commit| format!(" ({})", &commit[..commit.len().min(12)]));
        format!("{}{}", self.version, commit.unwrap_or_default())
    }
}

impl Workspace {
    /// A directory as it is; anything else is for git to clone, with its history: in there is what was given before.
    fn template_root(&self, from: &str, temporary: &mut Temporary) -> anyhow::Result<PathBuf> {
        let path = self.repo.start.join(from);
        if path.is_dir() {
            return Ok(path.canonicalize()?);
        }
        let Some(common) = Common::of(&self.repo.root) else {
            bail!("{from} is no directory\nhelp: --from a checkout of the template");
        };
        let dir = common.dir.join(format!("template-{}", std::process::id()));
        temporary.make(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
        self.session.ui.status("Cloning", from);
        let shown = dir.to_str().context("the path of the repository is not UTF-8")?;
        let args = ["clone", "--quiet", "--", from, shown];
        self.sh.read("git", args, &self.repo.start).with_context(|| format!("cannot clone {from}"))?;
        Ok(dir)
    }

    fn plan_upgrade(&self, template: &Template, root: &Path, record: Record) -> anyhow::Result<Plan> {
        let Some(adoption) = record.adoption.clone() else {
            return self.plan_of_clone(template, root, &record);
        };
        let sh = Shell::outside_of_cargo(&self.session.env)?;
        let mut parts = vec![Part::Folder, Part::Alias, Part::Ignore];
        let has_make = ["Makefile".to_owned(), format!("{}.mk", adoption.name)];
        parts.extend(has_make.iter().any(|path| record.files.contains_key(path)).then_some(Part::Make));
        let choices = Choices {
            adoption: adoption.clone(),
            parts: parts.into_iter().collect(),
            profiles: Vec::new(),
            nextest: false,
        };
        let project = read_project(&sh, &self.session.env, root, Some(record), &adoption.name)?;
        let trial = Trial { template_sh: &self.sh, sh: &sh, template, root, project: &project };
        let plan = trial.plan(&choices);
        let mut plan =
            plan.with_context(|| format!("cannot bring {} up to date as it is", root.display()))?;
        plan.notes.clear(); // They were told when it was adopted.
        Ok(plan)
    }

    /// For a project that `init` has made.
    fn plan_of_clone(&self, template: &Template, root: &Path, record: &Record) -> anyhow::Result<Plan> {
        let given = given::given(&template.files)?;
        let mut project = Project::default();
        let paths = record.files.keys().chain(given.keys());
        for path in paths.cloned().chain([format!("xtask/{RECORD}")]) {
            if let Some(content) = texts::read(root, &path)? {
                project.files.insert(path, content);
            }
        }
        let mut base = Files::new();
        if let Some(commit) = &record.commit
            && upgrade::needs_base(record, &given, &project.files)
        {
            base = given::given(&template.at(&self.sh, commit)).unwrap_or_default();
        }
        let upgrade = upgrade::plan(record, &given, &base, &project.files);
        let mut edits = upgrade.edits.clone();
        let mut next =
            Record { version: template.version.clone(), commit: template.commit.clone(), ..record.clone() };
        next.files.retain(|path, _| given.contains_key(path));
        for (path, content) in &given {
            next.note(path, &content.bytes);
        }
        if next.version != record.version || next.files != record.files || !edits.is_empty() {
            let path = format!("xtask/{RECORD}");
            let old = project.files.get(&path).cloned();
            edits.push(path, old, Some(Content::of(next.to_toml())));
        }
        Ok(Plan { edits, upgrade, ..Plan::default() })
    }
}

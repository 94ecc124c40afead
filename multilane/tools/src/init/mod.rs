//! `init`: a clone of the template becomes a project of its own.
//!
//! Edits and removes files that git can bring back; the history stays.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::Args;
use multilane_engine::process::Shell;
use multilane_engine::project::Session;
use multilane_engine::retarget::wrapper;
use toml_edit::{Array, DocumentMut, Item, Value};

use crate::adopt::edits::{Edits, check_vcs, git};
use crate::adopt::engine::{self, Engine};
use crate::adopt::workspace_root;
use crate::diff;

/// Make a clone of the template a project of your own
///
/// Names, licence, authors, README and CHANGELOG become the project's; a first crate replaces the
/// examples; the template's documentation goes. The engine becomes a dependency on git where others
/// can reach the clone's remote; otherwise its folder stays. To take it back, use git.
#[derive(Args)]
pub(crate) struct Init {
    /// Name of the project and its first crate
    name: String,
    /// The first crate is a program [default]
    #[arg(long, conflicts_with = "lib")]
    bin: bool,
    /// The first crate is a library
    #[arg(long)]
    lib: bool,
    /// Keep the example crates
    #[arg(long)]
    keep_examples: bool,
    /// What the project does
    #[arg(long, value_name = "TEXT", default_value = "A new project")]
    description: String,
    /// SPDX, or `none`
    #[arg(long, value_name = "SPDX", default_value = "MIT OR Apache-2.0")]
    license: String,
    /// An author (can be repeated) [default: git's user.name and user.email]
    #[arg(long, value_name = "AUTHOR")]
    author: Vec<String>,
    /// Address of the project's repository
    #[arg(long, value_name = "URL")]
    repository: Option<String>,
    /// Keep the engine's sources in the project
    #[arg(long)]
    vendor: bool,
    /// Depend on this engine: the path of a clone, or a git URL with `#` and a revision
    #[arg(long, value_name = "PATH|URL", conflicts_with = "vendor")]
    engine: Option<String>,
    /// Print what would be done, don't do it
    #[arg(long)]
    dry_run: bool,
    /// Change a tree with uncommitted changes
    #[arg(long)]
    allow_dirty: bool,
}

const README: &str = include_str!("templates/README.md");
const MAIN: &str = include_str!("templates/main.rs");
const LIB: &str = include_str!("templates/lib.rs");
const WORKFLOW: &str = include_str!("templates/ci.yml");
const CI_RUN: &str = include_str!("templates/ci-run.sh");

/// What is about the template itself. A folder ends in a slash.
const OF_TEMPLATE: [&str; 6] = [
    ".ci/platforms",
    "docs/",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "cargo-generate.toml",
    "multilane/tests/",
];
const ENGINE: &str = "multilane/";
const EXAMPLES: [&str; 3] = ["crates/notes/", "crates/notes-core/", "crates/notes-file/"];

/// Lints that a project chooses for itself once it has code of its own.
const STRICT_LINTS: [(&str, &str); 4] = [
    ("rust", "missing_docs"),
    ("rust", "unreachable_pub"),
    ("clippy", "print_stderr"),
    ("clippy", "print_stdout"),
];

impl Init {
    pub(crate) fn run(mut self, session: Session) -> anyhow::Result<ExitCode> {
        let ui = session.ui;
        let sh = Shell::new(&session.env);
        let root = workspace_root(Path::new("."))?;
        let is_template =
            root.join("multilane/Cargo.toml").is_file() && root.join("crates/notes").is_dir();
        if !is_template {
            bail!(
                "{} is no clone of the template (it has multilane/Cargo.toml and crates/notes)\n\
                 help: for a workspace of your own: {} adopt",
                root.display(),
                ui.called
            );
        }
        if let Some(problem) = name_problem(&self.name, &root) {
            bail!("{:?} {problem}", self.name);
        }
        if !self.dry_run {
            check_vcs(&sh, &root, self.allow_dirty, false)?;
        }
        if self.author.is_empty() {
            let ask = |key: &str| git(&sh, &root, &["config", key]).unwrap_or_default();
            let (name, email) = (ask("user.name"), ask("user.email"));
            self.author.extend((!name.is_empty()).then(|| format!("{name} <{email}>")));
        }
        let own = root.join("multilane");
        let chosen = match self.vendor {
            true => {
                engine::Chosen { engine: Engine::Path(own.clone()), reason: "--vendor".to_owned() }
            }
            false => engine::choose(&sh, &session.env, self.engine.as_deref(), Some(&own))?,
        };
        let is_vendored = chosen.engine == Engine::Path(own);

        let listed = ["ls-files", "--cached", "--others", "--exclude-standard", "-z"];
        let files = git(&sh, &root, &listed)?;
        let files: Vec<&str> = files.split('\0').filter(|file| !file.is_empty()).collect();
        let mut edits = Edits::of(root.clone());
        self.plan(&mut edits, &files, &chosen.engine, is_vendored)?;
        if self.dry_run {
            diff::print(&edits.diff())?;
        }
        ui.status("Engine", format_args!("{} ({})", chosen.engine, chosen.reason));
        if self.dry_run {
            return Ok(ExitCode::SUCCESS);
        }
        edits.write()?;
        let is_offline = is_vendored.then_some("--offline");
        let args = ["update", "--workspace", "--quiet"].into_iter().chain(is_offline);
        if let Err(err) = sh.read_cargo(&args.collect::<Vec<_>>(), &root) {
            ui.warn(format_args!("Cargo.lock is not up to date: {err:#}"));
        }
        wrapper::provide_wrapper(&session.project(Some(&root.join("Cargo.toml")))?, ui);
        ui.status(
            "Made",
            format_args!("{}: {} files written or removed", self.name, edits.paths().count()),
        );
        ui.status("Next", "cargo xtask test, then git add --all && git commit");
        Ok(ExitCode::SUCCESS)
    }

    /// The edits that make the project. `files` are those of the template.
    fn plan(
        &self,
        edits: &mut Edits,
        files: &[&str],
        engine: &Engine,
        is_vendored: bool,
    ) -> anyhow::Result<()> {
        let root = edits.root.clone();
        let license = Some(self.license.as_str()).filter(|license| *license != "none");
        edits.put("README.md", self.readme(license))?;
        edits.put("CHANGELOG.md", "# Changelog\n\n## Unreleased\n".to_owned())?;
        edits.put(".github/workflows/ci.yml", WORKFLOW.to_owned())?;
        edits.put(".ci/run", CI_RUN.to_owned())?;
        let agents = edits.read("AGENTS.md")?;
        edits.put("AGENTS.md", about_project(&agents))?;
        let config = edits.read(".cargo/config.toml")?;
        edits.put(".cargo/config.toml", without_pages(&config))?;
        let ignored = edits.read(".gitignore")?;
        if !self.keep_examples {
            edits.put(".gitignore", ignored.replace("/notes.txt*\n", ""))?;
        }
        let mut xtask = engine.put_into(&edits.read("xtask/Cargo.toml")?, &root)?;
        if license.is_none() {
            const INHERITED: &str = "license.workspace = true\n";
            xtask = xtask.replace(INHERITED, "");
            for folder in EXAMPLES.iter().filter(|_| self.keep_examples) {
                let path = format!("{folder}Cargo.toml");
                edits.put(&path, edits.read(&path)?.replace(INHERITED, ""))?;
            }
        }
        edits.put("xtask/Cargo.toml", xtask)?;
        let manifest = edits.read("Cargo.toml")?;
        edits.put("Cargo.toml", self.manifest(&manifest, license, is_vendored)?)?;
        if is_vendored {
            let workspace = edits.read("Cargo.toml")?;
            for (file, is_root) in
                [("multilane/Cargo.toml", true), ("multilane/engine/Cargo.toml", false)]
            {
                let manifest = standing_alone(&edits.read(file)?, &workspace, is_root)
                    .with_context(|| format!("cannot parse {file}"))?;
                edits.put(file, manifest)?;
            }
        }

        for (id, file) in [("MIT", "LICENSE-MIT"), ("Apache-2.0", "LICENSE-APACHE")] {
            if is_vendored {
                edits.put(&format!("multilane/{file}"), edits.read(file)?)?; // The engine's own.
            }
            if license.is_none_or(|license| !license.contains(id)) {
                edits.remove(file);
            }
        }
        let is_example = |path: &str| EXAMPLES.iter().any(|folder| path.starts_with(folder));
        let goes = |path: &str| {
            OF_TEMPLATE
                .iter()
                .any(|own| path == *own || (own.ends_with('/') && path.starts_with(own)))
                || (path.starts_with(ENGINE) && !is_vendored)
                || (is_example(path) && !self.keep_examples)
        };
        files.iter().filter(|path| goes(path)).for_each(|path| edits.remove(path));

        let filled = |text: &str| text.replace("{description}", &self.description);
        let dir = format!("crates/{}", self.name);
        match self.lib {
            true => edits.put(&format!("{dir}/src/lib.rs"), filled(LIB))?,
            false => edits.put(&format!("{dir}/src/main.rs"), filled(MAIN))?,
        }
        let has_license = if license.is_some() { "license.workspace = true\n" } else { "" };
        let description = Value::from(self.description.as_str());
        edits.put(
            &format!("{dir}/Cargo.toml"),
            format!(
                "[package]\nname = \"{}\"\ndescription = {description}\nversion.workspace = true\n\
                 edition.workspace = true\n{has_license}publish = false\n\n[lints]\nworkspace = true\n",
                self.name
            ),
        )
    }

    fn readme(&self, license: Option<&str>) -> String {
        let license = license.map(|license| format!("\nLicensed under {license}."));
        README
            .replace("{name}", &self.name)
            .replace("{description}", &format!("{}.", self.description.trim_end_matches('.')))
            .replace("{license}\n", &license.map(|line| line + "\n").unwrap_or_default())
    }

    fn manifest(
        &self,
        text: &str,
        license: Option<&str>,
        is_vendored: bool,
    ) -> anyhow::Result<String> {
        let mut manifest: DocumentMut = text.parse().context("cannot parse Cargo.toml")?;
        let workspace = manifest.get_mut("workspace").and_then(Item::as_table_mut);
        let workspace = workspace.context("Cargo.toml is no workspace")?;
        let members = workspace.get_mut("members").and_then(Item::as_array_mut);
        let is_engine = |member: &str| member == "multilane" || member.starts_with(ENGINE);
        let members = members.context("it has no members")?;
        members.retain(|member| !member.as_str().is_some_and(is_engine));
        if is_vendored {
            let excluded = Array::from_iter(["multilane"]);
            workspace.insert("exclude", toml_edit::value(excluded));
        }
        let package = workspace.get_mut("package").and_then(Item::as_table_mut);
        let package = package.context("no [workspace.package]")?;
        package.insert("version", toml_edit::value("0.1.0"));
        package.remove("license");
        package.remove("repository");
        if let Some(license) = license {
            package.insert("license", toml_edit::value(license));
        }
        if !self.author.is_empty() {
            package.insert("authors", toml_edit::value(Array::from_iter(&self.author)));
        }
        if let Some(repository) = &self.repository {
            package.insert("repository", toml_edit::value(repository));
        }
        let dependencies = workspace.get_mut("dependencies").and_then(Item::as_table_like_mut);
        if let Some(dependencies) = dependencies.filter(|_| !self.keep_examples) {
            for folder in EXAMPLES {
                dependencies.remove(folder.trim_matches('/').trim_start_matches("crates/"));
            }
        }
        for (tool, lint) in STRICT_LINTS {
            let lints = workspace.get_mut("lints").and_then(|lints| lints.get_mut(tool));
            if let Some(lints) = lints.and_then(Item::as_table_like_mut) {
                lints.remove(lint);
            }
        }
        Ok(without_pages(&manifest.to_string()))
    }
}

/// Without references such as ` (docs/cranelift.md)` to pages that go.
fn without_pages(text: &str) -> String {
    let mut parts = text.split(" (docs/");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |kept, part| kept + part.split_once(')').map_or("", |(_, rest)| rest))
}

/// The manifest of a package of the engine, which is then in a workspace apart: what it inherits,
/// written out.
fn standing_alone(manifest: &str, workspace: &str, is_root: bool) -> anyhow::Result<String> {
    let mut manifest: DocumentMut = manifest.parse()?;
    let workspace: DocumentMut = workspace.parse().context("cannot parse Cargo.toml")?;
    let of_workspace =
        |table: &str, key: &str| workspace.get("workspace")?.get(table)?.get(key).cloned();
    for table in ["package", "dependencies"] {
        let Some(entries) = manifest.get_mut(table).and_then(Item::as_table_like_mut) else {
            continue;
        };
        for (key, value) in entries.iter_mut() {
            let inherits = value.get("workspace").and_then(Item::as_bool) == Some(true);
            if let Some(own) = of_workspace(table, &key).filter(|_| inherits) {
                *value = own;
            }
        }
    }
    // cargo compiles a package again whose lints are others.
    let lints = workspace.get("workspace").and_then(|workspace| workspace.get("lints"));
    match lints {
        Some(lints) => drop(manifest.insert("lints", lints.clone())),
        None => drop(manifest.remove("lints")),
    }
    if is_root {
        manifest.insert("workspace", Item::Table(toml_edit::Table::new()));
    }
    Ok(manifest.to_string())
}

/// Without what it says of the template's folders.
fn about_project(agents: &str) -> String {
    let lines = agents.lines().take_while(|line| !line.starts_with("The code: "));
    let text: Vec<&str> = lines.collect();
    format!(
        "{}\n\nThe code: `crates/` holds the project, `xtask/` its own commands. Warnings are errors in CI.\n",
        text.join("\n").trim_end()
    )
}

/// Why a package of the project cannot have this name.
fn name_problem(name: &str, root: &Path) -> Option<&'static str> {
    const TAKEN: [&str; 10] = [
        "build",
        "core",
        "deps",
        "examples",
        "incremental",
        "multilane",
        "std",
        "test",
        "xtask",
        "proc-macro",
    ];
    let is_right = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if !name.starts_with(|c: char| c.is_ascii_alphabetic()) || !name.chars().all(is_right) {
        return Some("is no name of a package: letters, digits, - and _, beginning with a letter");
    }
    let folder: PathBuf = root.join("crates").join(name);
    if TAKEN.contains(&name) || folder.exists() {
        return Some("is taken");
    }
    let lockfile = multilane_engine::files::read_text(root.join("Cargo.lock")).unwrap_or_default();
    lockfile
        .contains(&format!("name = \"{name}\"\n"))
        .then_some("is a package that xtask depends on")
}

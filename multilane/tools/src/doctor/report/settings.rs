//! What is set for builds in the environment, in cargo's configuration and in editors, and what
//! each setting costs.
//!
//! cargo has one name for a setting in its files and another one in the environment; here all have
//! that of the files.

use std::path::Path;

use multilane_engine::project::cranelift::is_nightly;
use multilane_engine::project::toolchain::Version;

use crate::doctor::config_files::{ConfigFile, Place, Setting, resolved};
use crate::doctor::report::Level::{self, Note, Ok as Fine, Warning};
use crate::doctor::report::{Facts, Findings, shown};
use crate::doctor::wrappers::Wrapper;

/// Where a setting is.
#[derive(Clone, Copy)]
enum Source {
    Variable,
    /// A configuration file above the workspace, which some worktrees do not have.
    Above,
    /// Any other configuration file, which all builders of this machine have.
    Config,
    /// Variables that an editor sets for cargo.
    Editor,
}

/// What is true of a value.
type Condition = fn(&str) -> bool;

/// What a setting costs. `*` in a key stands for anything.
struct Rule {
    keys: &'static [&'static str],
    has_value: Condition,
    /// By [`Source`].
    levels: [Level; 4],
    /// Empty: other builders make other units.
    cost: &'static str,
}

/// Of several rules for a setting the first one counts.
#[rustfmt::skip]
const RULES: &[Rule] = &[
    Rule {
        keys: &["build.incremental", "profile.*.incremental"],
        has_value: off, levels: [Warning, Warning, Warning, Warning], cost: WHOLE_CRATES,
    },
    Rule {
        keys: &["build.incremental"],
        has_value: any, levels: [Note, Fine, Fine, Note],
        cost: "release builds become incremental too: they have more codegen units, and run slower",
    },
    Rule { // `toolchain` has the variable.
        keys: &["build.rustc"],
        has_value: any, levels: [Fine, Note, Fine, Warning], cost: "",
    },
    Rule { // Ours, of this tree or one around it.
        keys: &["build.rustc-wrapper"],
        has_value: |value| value.ends_with("wrapper/rustc"), levels: [Fine; 4], cost: "",
    },
    Rule {
        keys: &["build.rustc-wrapper"],
        has_value: any, levels: [Note, Note, Fine, Warning],
        cost: "builders without it do not use that program and its cache",
    },
    Rule {
        keys: &["RUSTC_BOOTSTRAP"],
        has_value: any, levels: [Warning, Fine, Fine, Warning],
        cost: "build scripts that read it run again after each build without it, and what depends \
               on them is compiled again",
    },
    Rule {
        keys: &[
            "build.rustflags", "build.target", "build.rustc-workspace-wrapper",
            "target.*.rustflags", "target.*.linker", "profile.*", "unstable.*",
        ],
        has_value: any, levels: [Warning, Note, Fine, Warning], cost: "",
    },
];

const WHOLE_CRATES: &str = "each edit compiles the whole crate again, not only what has changed";
const TWICE: &str = "the editor and the command line compile everything separately";

fn any(_: &str) -> bool {
    true
}

fn off(value: &str) -> bool {
    ["0", "false"].contains(&value)
}

/// `otherwise` is the cost of units that other builders do not share.
fn judged(
    facts: &Facts,
    (source, otherwise): (Source, &str),
    Setting { key, value }: &Setting,
    (set, fix): (String, String),
    found: &mut Findings,
) {
    let is_key = |pattern: &&&str| match pattern.split_once('*') {
        Some((start, end)) => key.starts_with(start) && key.ends_with(end),
        None => key == **pattern,
    };
    let is_it = |rule: &&Rule| rule.keys.iter().any(|it| is_key(&it)) && (rule.has_value)(value);
    if is_directory(key) {
        let is_shared = !matches!(source, Source::Variable | Source::Editor);
        directory(facts, value, is_shared || Path::new(value).is_absolute(), (set, fix), found);
    } else if key == "build.jobs" {
        jobs(facts, value, (set, fix), found);
    } else if let Some(rule) = RULES.iter().find(is_it) {
        let level = rule.levels[source as usize];
        if level > Fine {
            let cost = if rule.cost.is_empty() { otherwise } else { rule.cost };
            found.add(level, set, cost, fix);
        }
    }
}

/// Whether a variable is looked at.
pub(crate) fn matters(variable: &str) -> bool {
    let mut names = "CARGO_ENCODED_RUSTFLAGS CARGO_INCREMENTAL CI RUSTC RUSTC_BOOTSTRAP \
                     RUSTC_WORKSPACE_WRAPPER RUSTC_WRAPPER RUSTFLAGS"
        .split_whitespace();
    let mut prefixes =
        ["CARGO_BUILD_", "CARGO_PROFILE_", "CARGO_TARGET_", "CARGO_UNSTABLE_"].into_iter();
    names.any(|name| name == variable) || prefixes.any(|prefix| variable.starts_with(prefix))
}

/// The variable's name in cargo's files, as far as the rules need it: `CARGO_PROFILE_DEV_DEBUG` is
/// `profile.dev.debug`.
fn key_of(variable: &str) -> String {
    let key = match variable {
        "CARGO_TARGET_DIR" => "build.target-dir",
        "RUSTFLAGS" | "CARGO_ENCODED_RUSTFLAGS" => "build.rustflags",
        "CARGO_INCREMENTAL" => "build.incremental",
        "RUSTC" => "build.rustc",
        "RUSTC_WRAPPER" => "build.rustc-wrapper",
        "RUSTC_WORKSPACE_WRAPPER" => "build.rustc-workspace-wrapper",
        _ => "",
    };
    let lower = variable.to_lowercase();
    match lower.strip_prefix("cargo_").and_then(|name| name.split_once('_')) {
        _ if !key.is_empty() => key.to_owned(),
        Some(("build", key)) => format!("build.{}", key.replace('_', "-")),
        Some((table, key)) => match key.rsplit_once('_') {
            Some((middle, last)) => format!("{table}.{middle}.{last}"),
            None => format!("{table}.{key}"),
        },
        None => variable.to_owned(),
    }
}

fn is_directory(key: &str) -> bool {
    ["build.target-dir", "build.build-dir"].contains(&key)
}

pub(super) fn variables(facts: &Facts, found: &mut Findings) {
    found.ok("none that changes what is built");
    let has_sccache = matches!(
        &facts.wrapper,
        Wrapper::Other { program, .. } if program.ends_with("sccache")
    );
    for (name, value) in &facts.variables {
        let set = format!("{name}={} is set", shortened(value));
        let unset = format!("unset {name}");
        let setting = Setting { key: key_of(name), value: value.clone() };
        if name == "CI" {
            ci(facts, unset, found);
        } else if has_sccache && setting.key == "build.incremental" && !off(value) {
            found.error(set, "sccache refuses every compilation with it", unset);
        } else {
            let ignored = match name.ends_with("RUSTFLAGS") {
                true => ", and flags in cargo's configuration are ignored",
                false => "",
            };
            let cost = "an editor or a terminal without it compiles all crates for itself";
            let cost = format!("{cost}{ignored}");
            judged(facts, (Source::Variable, &cost), &setting, (set, unset), found);
        }
    }
}

/// Since 1.99 cargo builds without incremental caches where `CI` is set, unless the profile says
/// otherwise.
fn ci(facts: &Facts, unset: String, found: &mut Findings) {
    const SINCE: Version = Version(1, 99, 0);
    let release = facts.toolchain.rustc.as_ref().ok().map(|rustc| rustc.release());
    let is_minded = release.and_then(Version::first_in).is_some_and(|version| version >= SINCE);
    if is_minded && !facts.sets_incremental {
        let fix = format!("{unset}, or set `incremental = true` in [profile.dev]");
        found.warn("CI is set", WHOLE_CRATES, fix);
    }
}

fn jobs(facts: &Facts, value: &str, (set, fix): (String, String), found: &mut Findings) {
    let cores = facts.machine.cores;
    match value.parse::<usize>() {
        Ok(jobs) if jobs > cores => {
            let cost = format!("more compilers at a time than the {cores} processors can run");
            found.warn(set, cost, fix);
        }
        Ok(jobs) if jobs > 0 && jobs < cores => {
            found.note(set, format!("each build uses {jobs} of {cores} processors"), fix);
        }
        _ => {}
    }
}

/// One directory for several trees is wrong: cargo names what it builds by its place *inside* the
/// workspace, so two checkouts overwrite each other's files and take them for their own.
fn directory(
    facts: &Facts,
    dir: &str,
    is_shared: bool,
    (set, fix): (String, String),
    found: &mut Findings,
) {
    let is_of_each_tree =
        ["{workspace-root}", "{workspace-path-hash}"].iter().any(|part| dir.contains(part));
    if !is_shared || is_of_each_tree {
        let cost = "a builder without it, or in another directory, builds everything once more";
        found.note(set, cost, fix);
    } else if facts.worktrees > 1 {
        found.error(
            format!("{set}, for all {} worktrees of this repository", facts.worktrees),
            "a worktree uses what another one has built: the wrong program runs, the wrong code is \
             tested",
            fix,
        );
    } else {
        found.warn(
            set,
            "with a second worktree each runs what the other has built, and all builders wait for \
             one lock",
            fix,
        );
    }
}

pub(super) fn configuration(facts: &Facts, found: &mut Findings) {
    let own = facts.config.iter().filter(|file| file.place == Place::Project).count();
    let others = facts.config.len() - own;
    found.ok(format!("files: {own} of the workspace, {others} outside of it; none costs anything"));
    for file in &facts.config {
        let name = shown(facts, &file.path);
        match &file.settings {
            Err(why) => found.error(
                format!("{name} cannot be read: {why}"),
                "cargo refuses every command here",
                format!("correct {name}"),
            ),
            Ok(settings) => {
                settings.iter().for_each(|setting| configured(facts, file, &name, setting, found));
            }
        }
    }
}

fn configured(
    facts: &Facts,
    file: &ConfigFile,
    name: &str,
    setting: &Setting,
    found: &mut Findings,
) {
    let Setting { key, value } = setting;
    let set = format!("{name} sets {key} = {}", shortened(value));
    let fix = format!("remove `{key}` from {name}");
    // Each worktree has a file like this one, which leads into that worktree.
    let is_own_directory = is_directory(key)
        && file.place == Place::Project
        && !Path::new(value).is_absolute()
        && resolved(&file.path, value).starts_with(&facts.root);
    let is_nightly = facts.toolchain.rustc.as_ref().is_ok_and(|it| is_nightly(&it.version));
    if is_own_directory {
        return;
    }
    if is_refused_by_stable(key) && !is_nightly {
        let fix = format!(
            "{fix}; [workspace.metadata.multilane.cranelift] in Cargo.toml works with stable cargo"
        );
        found.error(set, "cargo refuses every command, as it is not a nightly", fix);
    } else if file.place == Place::Above && !is_directory(key) {
        let dir = file.path.parent().and_then(Path::parent).unwrap_or(&file.path).display();
        let cost =
            format!("a worktree that is not below {dir} compiles all crates, and forks bring none");
        let fix = format!("move it to .cargo/local.toml, or to {}", home_config(facts));
        judged(facts, (Source::Above, &cost), setting, (set, fix), found);
    } else {
        judged(facts, (Source::Config, ""), setting, (set, fix), found);
    }
}

/// An unstable key in a profile that cargo always reads.
fn is_refused_by_stable(key: &str) -> bool {
    let is_own = |profile: &str| ["dev", "test", "release", "bench"].contains(&profile);
    key.ends_with(".codegen-backend") && key.split('.').nth(1).is_some_and(is_own)
}

fn home_config(facts: &Facts) -> String {
    let home = facts.config.iter().find(|file| file.place == Place::CargoHome);
    home.map_or_else(|| "~/.cargo/config.toml".to_owned(), |file| file.path.display().to_string())
}

pub(super) fn editors(facts: &Facts, found: &mut Findings) {
    match facts.editors.len() {
        0 => found.ok("no settings for rust-analyzer in the workspace"),
        _ if facts.editors.iter().any(|editor| editor.settings.is_err()) => {}
        count => found.ok(format!("files with settings: {count}; same flags as the command line")),
    }
    for editor in &facts.editors {
        let name = shown(facts, &editor.file);
        match &editor.settings {
            Err(why) => found.note(
                format!("{name} cannot be read: {why}"),
                "nothing is known about the editor's builds",
                format!("correct {name}"),
            ),
            Ok(settings) => settings.iter().for_each(|it| edited(facts, &name, it, found)),
        }
    }
}

/// rust-analyzer's settings under which it compiles other units than the command line.
#[rustfmt::skip]
const EDITOR_RULES: &[(&[&str], Condition)] = &[
    (
        &["cargo.features", "check.features", "cargo.target"],
        |value| !value.is_empty() && value != "null",
    ),
    (
        &["cargo.allFeatures", "check.allFeatures", "cargo.noDefaultFeatures", "check.noDefaultFeatures"],
        |value| value == "true",
    ),
    (
        &[
            "check.overrideCommand", "cargo.buildScripts.overrideCommand", "check.extraArgs",
            "cargo.extraArgs", "checkOnSave.overrideCommand",
        ],
        |value| value.split_whitespace().any(makes_other_units),
    ),
];

fn edited(facts: &Facts, name: &str, Setting { key, value }: &Setting, found: &mut Findings) {
    let key = key.as_str();
    let set = format!("{name} sets {key} = {}", shortened(value));
    let fix = format!("remove `{key}` from {name}, or use the same on the command line");
    if let Some((_, variable)) = key.split_once("xtraEnv.") {
        let is_same =
            facts.variables.iter().any(|(name, other)| name == variable && other == value);
        let fix = format!(
            "remove it from {name}; settings for all builders belong into .cargo/config.toml"
        );
        let setting = Setting { key: key_of(variable), value: value.clone() };
        if !is_same && setting.key != "build.jobs" {
            judged(facts, (Source::Editor, TWICE), &setting, (set, fix), found);
        }
        return;
    }
    if ["cargo.targetDir", "rust.analyzerTargetDir"].contains(&key) {
        if ["false", "null"].contains(&value.as_str()) || value.contains(".lanes/") {
            // None, or a lane, as `editor` configures it.
        } else if Path::new(value).is_absolute() {
            directory(facts, value, true, (set, fix), found);
        } else {
            let editor = format!("{} editor configures a lane that is forked", facts.called);
            let fix = format!("remove `{key}` from {name}; {editor}");
            found.note(set, "the editor compiles everything for itself", fix);
        }
    } else if EDITOR_RULES.iter().any(|(keys, costs)| keys.contains(&key) && costs(value)) {
        found.warn(set, TWICE, fix);
    }
}

/// An option of cargo's that makes other units than a build without it.
fn makes_other_units(word: &str) -> bool {
    const OPTIONS: &str = "--all-features --features --no-default-features --profile --release \
                           --target --target-dir --config";
    let option = word.split('=').next().unwrap_or(word);
    word.starts_with('+') || OPTIONS.split_whitespace().any(|known| known == option)
}

fn shortened(value: &str) -> String {
    const LENGTH_MAX: usize = 60;
    let plain = |char: char| if char.is_control() { ' ' } else { char };
    let mut text: String = value.chars().map(plain).take(LENGTH_MAX + 1).collect();
    if text.chars().count() > LENGTH_MAX {
        text.pop();
        text.push('…');
    }
    text
}

//! What is set for builds in the environment, in cargo's configuration and in editors, and what
//! each costs.
//!
//! cargo has one name for a setting in its files, and another one in the environment; here all have
//! that of the files.

use std::path::{Path, PathBuf};

use multilane::project::cranelift::is_nightly;

use crate::doctor::config_files::{ConfigFile, Place, Setting, resolved};
use crate::doctor::editors::Editor;
use crate::doctor::report::{Facts, Judged, Problem, error, note, numbers, shown, warning};
use crate::doctor::wrappers::Wrapper;

/// The variables that are looked at.
pub(crate) fn matters(variable: &str) -> bool {
    const NAMES: [&str; 10] = [
        "CARGO_TARGET_DIR",
        "CARGO_ENCODED_RUSTFLAGS",
        "CARGO_INCREMENTAL",
        "CI",
        "RUSTC",
        "RUSTC_BOOTSTRAP",
        "RUSTC_WORKSPACE_WRAPPER",
        "RUSTC_WRAPPER",
        "RUSTFLAGS",
        "CARGO_BUILD_RUSTFLAGS",
    ];
    const PREFIXES: [&str; 4] =
        ["CARGO_BUILD_", "CARGO_PROFILE_", "CARGO_TARGET_", "CARGO_UNSTABLE_"];
    NAMES.contains(&variable) || PREFIXES.iter().any(|prefix| variable.starts_with(prefix))
}

/// What a setting does, wherever it stands.
#[derive(Debug, PartialEq)]
enum Effect {
    /// Everything that is built goes to one place.
    Directory,
    /// Whoever builds without it makes other units.
    OtherUnits,
    OtherCompiler,
    /// Crates are compiled as a whole.
    NotIncremental,
    Incremental,
    Wrapper,
    Jobs(usize),
    Rerun,
    /// Nothing that would cost.
    None,
}

/// The variable's name in cargo's files: `CARGO_PROFILE_DEV_DEBUG` is `profile.dev.debug`.
fn key_of(variable: &str) -> String {
    match variable {
        "CARGO_TARGET_DIR" => "build.target-dir".to_owned(),
        "RUSTFLAGS" | "CARGO_ENCODED_RUSTFLAGS" => "build.rustflags".to_owned(),
        "CARGO_INCREMENTAL" => "build.incremental".to_owned(),
        "RUSTC" => "build.rustc".to_owned(),
        "RUSTC_WRAPPER" => "build.rustc-wrapper".to_owned(),
        "RUSTC_WORKSPACE_WRAPPER" => "build.rustc-workspace-wrapper".to_owned(),
        _ => {
            let Some(name) = variable.strip_prefix("CARGO_") else { return variable.to_owned() };
            let lower = name.to_lowercase();
            match lower.split_once('_') {
                Some(("build", key)) => format!("build.{}", key.replace('_', "-")),
                Some(("target", key)) => {
                    let (triple, key) = key.rsplit_once('_').unwrap_or(("", key));
                    format!("target.{triple}.{key}")
                }
                Some((table, key)) => format!("{table}.{key}"),
                None => variable.to_owned(),
            }
        }
    }
}

fn effect(key: &str, value: &str) -> Effect {
    let is_off = ["0", "false"].contains(&value);
    match key {
        "build.target-dir" | "build.build-dir" => Effect::Directory,
        "build.incremental" if is_off => Effect::NotIncremental,
        "build.incremental" => Effect::Incremental,
        "build.rustc" => Effect::OtherCompiler,
        "build.rustc-wrapper" if value.ends_with("wrapper/rustc") => Effect::None, // Ours, of this tree or one around it.
        "build.rustc-wrapper" => Effect::Wrapper,
        "build.jobs" => value.parse().map_or(Effect::None, Effect::Jobs),
        "RUSTC_BOOTSTRAP" => Effect::Rerun,
        "build.target" | "build.rustflags" | "build.rustc-workspace-wrapper" => Effect::OtherUnits,
        _ if key.starts_with("profile.") && key.ends_with(".incremental") && is_off => {
            Effect::NotIncremental
        }
        _ if key.starts_with("profile.") || key.starts_with("unstable.") => Effect::OtherUnits,
        _ if key.starts_with("target.")
            && (key.ends_with(".rustflags") || key.ends_with(".linker")) =>
        {
            Effect::OtherUnits
        }
        _ => Effect::None,
    }
}

const WHOLE_CRATES: &str = "every edit compiles the whole crate again, not what has changed in it";

pub(super) fn variables(facts: &Facts) -> Judged {
    let found = facts.variables.iter().filter_map(|(name, value)| variable(facts, name, value));
    ("none that changes what is built".to_owned(), found.collect())
}

fn variable(facts: &Facts, name: &str, value: &str) -> Option<Problem> {
    let set = format!("{name}={} is set", shortened(value));
    let unset = format!("unset {name}");
    if name == "CI" {
        return ci(facts, unset);
    }
    let found = match effect(&key_of(name), value) {
        // The key with which another file, or another variable, says the same is what counts for
        // cargo.
        Effect::Directory => {
            directory(facts, Path::new(value), Path::new(value).is_absolute(), &set, unset)
        }
        Effect::OtherUnits => {
            let instead = if name.ends_with("RUSTFLAGS") {
                ", and those of cargo's configuration do not count"
            } else {
                ""
            };
            warning(
                set,
                format!(
                    "an editor or a terminal without it compiles all crates for itself{instead}"
                ),
                unset,
            )
        }
        Effect::OtherCompiler => return None, // `toolchain` has it.
        Effect::NotIncremental => warning(set, WHOLE_CRATES, unset),
        Effect::Incremental => match &facts.wrapper {
            Wrapper::Other { program, .. } if program.ends_with("sccache") => {
                error(set, "sccache refuses every compilation with it", unset)
            }
            _ => note(
                set,
                "release builds become incremental too: they are compiled into more parts, and run slower",
                unset,
            ),
        },
        Effect::Wrapper => note(
            set,
            "who builds without it, such as an editor, goes past that program and its cache",
            unset,
        ),
        Effect::Jobs(jobs) => return jobs_problem(facts, jobs, set, unset),
        Effect::Rerun => warning(
            set,
            "build scripts that look at it run again whenever a builder without it was there, and what depends on them is compiled again",
            unset,
        ),
        Effect::None => return None,
    };
    Some(found)
}

/// From 1.99 on cargo builds nothing incrementally where `CI` is set, unless the profile says so.
fn ci(facts: &Facts, unset: String) -> Option<Problem> {
    const SINCE: (u32, u32, u32) = (1, 99, 0);
    let rustc = facts.toolchain.rustc.as_deref().ok()?;
    if numbers(rustc)? < SINCE || facts.dev_incremental.is_some() {
        return None;
    }
    Some(warning(
        "CI is set",
        WHOLE_CRATES,
        format!("{unset}, or say `incremental = true` in [profile.dev]"),
    ))
}

fn jobs_problem(facts: &Facts, jobs: usize, set: String, fix: String) -> Option<Problem> {
    let cores = facts.machine.cores;
    match jobs {
        0 => None,
        _ if jobs > cores => Some(warning(
            set,
            format!("more compilers at a time than the {cores} processors can run"),
            fix,
        )),
        _ if jobs < cores => {
            Some(note(set, format!("each build uses {jobs} of {cores} processors"), fix))
        }
        _ => None,
    }
}

/// One directory for several trees is wrong: cargo names what it builds by the place *inside* the
/// workspace, so that two checkouts overwrite each other's files and take them for their own.
fn directory(facts: &Facts, dir: &Path, is_shared: bool, set: &str, fix: String) -> Problem {
    let is_of_each_tree = ["{workspace-root}", "{workspace-path-hash}"]
        .iter()
        .any(|part| dir.to_string_lossy().contains(part));
    match (is_shared && !is_of_each_tree, facts.worktrees) {
        (true, 2..) => error(
            format!("{set}, for all {} worktrees of this repository", facts.worktrees),
            "a worktree takes what another one has built for its own: the wrong program runs, the wrong code is tested",
            fix,
        ),
        (true, _) => warning(
            set,
            "as soon as there is a second worktree, each runs what the other has built; and every builder waits for whoever builds",
            fix,
        ),
        (false, _) => note(
            set,
            "whoever builds without it, or from another directory, builds everything once more",
            fix,
        ),
    }
}

pub(super) fn configuration(facts: &Facts) -> Judged {
    let mut problems = Vec::new();
    let mut own = 0;
    for file in &facts.config {
        let name = shown(facts, &file.path);
        match &file.settings {
            Err(why) => problems.push(error(
                format!("{name} cannot be read: {why}"),
                "cargo refuses every command here",
                format!("mend {name}"),
            )),
            Ok(settings) => {
                problems.extend(
                    settings.iter().filter_map(|setting| configured(facts, file, &name, setting)),
                );
                own += usize::from(file.place == Place::Project);
            }
        }
    }
    let others = facts.config.len() - own.min(facts.config.len());
    (
        format!(
            "files: {own} of the workspace, {others} from outside of it, none of which costs anything"
        ),
        problems,
    )
}

fn configured(
    facts: &Facts,
    file: &ConfigFile,
    name: &str,
    Setting { key, value }: &Setting,
) -> Option<Problem> {
    let set = format!("{name} says {key} = {}", shortened(value));
    let fix = format!("take `{key}` out of {name}");
    let effect = effect(key, value);
    if let Effect::Directory = effect {
        // Each worktree has a file like this one, which leads into that worktree.
        let leads_to = resolved(&file.path, value);
        let is_own = file.place == Place::Project
            && leads_to.starts_with(&facts.root)
            && !Path::new(value).is_absolute();
        let default = is_own && leads_to == facts.root.join("target");
        return (!default && !is_own).then(|| directory(facts, Path::new(value), true, &set, fix));
    }
    if is_refused_by_stable(key) && !facts.toolchain.rustc.as_deref().is_ok_and(is_nightly) {
        return Some(error(
            set,
            "cargo refuses every command, for it is no nightly",
            format!(
                "{fix}; [workspace.metadata.multilane.cranelift] in Cargo.toml does the same without that (docs/cranelift.md)"
            ),
        ));
    }
    match (effect, file.place) {
        (Effect::NotIncremental, _) => Some(warning(set, WHOLE_CRATES, fix)),
        (Effect::Jobs(jobs), _) => jobs_problem(facts, jobs, set, fix),
        (Effect::OtherUnits | Effect::OtherCompiler | Effect::Wrapper, Place::Above) => {
            let dir = file.path.parent().and_then(Path::parent).unwrap_or(&file.path);
            let cost = format!(
                "a worktree that does not lie below {} has other units, and a fork brings it nothing",
                dir.display()
            );
            Some(note(
                set,
                cost,
                format!("move it to .cargo/local.toml, or to {}", home_config(facts)),
            ))
        }
        _ => None, // All builders of this machine have it alike.
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

pub(super) fn editors(facts: &Facts) -> Judged {
    let mut problems = Vec::new();
    for Editor { file, settings } in &facts.editors {
        let name = shown(facts, file);
        match settings {
            Err(why) => problems.push(note(
                format!("{name} cannot be read: {why}"),
                "what the editor does is not known",
                format!("mend {name}"),
            )),
            Ok(settings) => {
                problems.extend(settings.iter().filter_map(|setting| edited(facts, &name, setting)))
            }
        }
    }
    let is_known = facts.editors.iter().all(|editor| editor.settings.is_ok());
    let fine = match facts.editors.len() {
        _ if !is_known => String::new(),
        0 => "no settings for rust-analyzer in the workspace".to_owned(),
        count => format!("files with settings: {count}; they build as the command line does"),
    };
    (fine, problems)
}

fn edited(facts: &Facts, name: &str, Setting { key, value }: &Setting) -> Option<Problem> {
    const TWICE: &str = "the editor and the command line compile everything for themselves";
    let key = key.as_str();
    let said = format!("{name} says {key} = {}", shortened(value));
    let fix = format!("take `{key}` out of {name}, or have the command line do the same");
    if let Some((_, variable)) = key.split_once("xtraEnv.") {
        let is_same =
            facts.variables.iter().any(|(name, other)| name == variable && other == value);
        let fix = format!(
            "take it out of {name}; what all builders should have belongs into .cargo/config.toml"
        );
        return match effect(&key_of(variable), value) {
            _ if is_same || !matters(variable) => None,
            Effect::Directory => {
                Some(directory(facts, Path::new(value), Path::new(value).is_absolute(), &said, fix))
            }
            Effect::None | Effect::Jobs(_) => None,
            Effect::NotIncremental => Some(warning(said, WHOLE_CRATES, fix)),
            _ => Some(warning(said, TWICE, fix)),
        };
    }
    match key {
        "cargo.targetDir" | "rust.analyzerTargetDir"
            if !["false", "null"].contains(&value.as_str()) =>
        {
            let dir = PathBuf::from(value);
            if value.contains(".lanes/") {
                return None; // A lane, as `editor` has it.
            }
            Some(if dir.is_absolute() {
                directory(facts, &dir, true, &said, fix)
            } else {
                note(
                    said,
                    "nobody waits for the editor, but it compiles everything for itself",
                    format!(
                        "take `{key}` out of {name}; {} editor --help tells of a lane that is forked",
                        facts.xtask
                    ),
                )
            })
        }
        "check.overrideCommand"
        | "cargo.buildScripts.overrideCommand"
        | "check.extraArgs"
        | "cargo.extraArgs"
        | "checkOnSave.overrideCommand" => {
            let words: Vec<&str> =
                value.split_whitespace().filter(|word| makes_other_units(word)).collect();
            (!words.is_empty())
                .then(|| warning(format!("{name} says {} in {key}", words.join(" ")), TWICE, fix))
        }
        "cargo.features" | "check.features" | "cargo.target"
            if !value.is_empty() && value != "null" =>
        {
            Some(warning(said, TWICE, fix))
        }
        "cargo.allFeatures"
        | "cargo.noDefaultFeatures"
        | "check.noDefaultFeatures"
        | "check.allFeatures"
            if value == "true" =>
        {
            Some(warning(said, TWICE, fix))
        }
        _ => None,
    }
}

/// An option of cargo's under which other units are made than without it.
fn makes_other_units(word: &str) -> bool {
    const OPTIONS: [&str; 8] = [
        "--all-features",
        "--features",
        "--no-default-features",
        "--profile",
        "--release",
        "--target",
        "--target-dir",
        "--config",
    ];
    word.starts_with('+') || OPTIONS.contains(&word.split('=').next().unwrap_or(word))
}

fn shortened(value: &str) -> String {
    const LENGTH_MAX: usize = 60;
    let plain: String =
        value.chars().map(|char| if char.is_control() { ' ' } else { char }).collect();
    if plain.chars().count() <= LENGTH_MAX {
        return plain;
    }
    plain.chars().take(LENGTH_MAX).chain(['…']).collect()
}

//! The command line: every verb and option with its help. Data only; what a verb does is in its own file in `verbs`.
//!
//! An option that cargo has too has cargo's name and meaning, and is handed on.

pub(crate) mod analyze;
pub(crate) mod build;
pub(crate) mod cargo;
pub(crate) mod doctor;
pub(crate) mod lane;
pub(crate) mod project;
#[cfg(test)]
mod reference;
pub(crate) mod tools;

use clap::{Args, Parser, Subcommand};

/// Build one workspace with many builders at once
///
/// Every builder has a lane, a target directory that it uses alone: the worktree's own `target/`, or, where AGENT_ID is
/// set, `.lanes/<agent>/<key>/`. So nobody waits for another's file lock.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version, max_term_width = 100)]
#[command(after_help = "\
Environment:
  AGENT_ID  Name of the builder; each name has lanes of its own. Unset: the worktree's target/
  MODE      What `cargo xtask build` builds: dev, test or release [default: dev]
  VERBOSE   1: show the command lines, and have cargo show its own

Each verb takes --help, and --dry-run to print the cargo command line that it comes down to.")]
pub(crate) struct Xtask {
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

#[derive(Subcommand)]
pub(crate) enum Verb {
    Build(build::Build),
    BuildDev(build::BuildDev),
    BuildTest(build::BuildTest),
    BuildRelease(build::BuildRelease),
    Check(build::Check),
    CheckFast(build::CheckFast),
    Test(build::Test),
    Clippy(build::Clippy),
    Fmt(build::Fmt),
    Run(build::Run),
    Clean(build::Clean),
    Ci(build::Ci),
    #[command(subcommand)]
    Lane(lane::Lane),
    Doctor(doctor::Doctor),
    InstallTools(tools::InstallTools),
    Analyze(analyze::Analyze),
    Bench(build::Bench),
    Cargo(build::Cargo),
    Editor(project::Editor),
    Completions(project::Completions),
    #[command(hide = true)]
    Complete(project::Complete),
    #[command(hide = true)]
    AdoptCache(build::AdoptCache),
}

/// Options of our own that every verb has.
#[derive(Args, Clone, Copy)]
pub(crate) struct OwnFlags {
    /// Print what would be done, don't do it
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Say nothing but errors
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// Use verbose output (-vv: very verbose)
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Xtask::command().debug_assert();
    }

    /// Whoever adds an option and forgets to hand it on is told here.
    #[test]
    fn every_option_of_cargo_is_handed_on() {
        let command = Xtask::command();
        let build = command.find_subcommand("build-dev").expect("a verb");
        let own = ["dry_run", "rest", "target_dir", "help"];
        for option in build.get_arguments().filter(|option| !own.contains(&option.get_id().as_str())) {
            let name = match option.get_long() {
                Some(long) => format!("--{long}"),
                None => format!("-{}", option.get_short().expect("a name")),
            };
            let mut line = vec!["xtask".to_owned(), "build-dev".to_owned(), name.clone()];
            line.extend(option.get_action().takes_values().then(|| "value".to_owned()));

            let parsed = Xtask::try_parse_from(&line).unwrap_or_else(|err| panic!("{name}: {err}"));
            let Verb::BuildDev(build) = parsed.verb else { panic!("another verb") };
            let args = build.cargo.to_args();
            assert!(args.iter().any(|arg| *arg == *name), "{name} is not handed on: {args:?}");
        }
    }
}

//! The command line: every verb and option with its help. Data only; what a verb does is in its own
//! file.

pub(crate) mod analyze;
pub(crate) mod cargo;
pub(crate) mod doctor;
pub(crate) mod lane;
pub(crate) mod project;
pub(crate) mod tools;

use clap::{Args, Parser, Subcommand};

#[derive(Parser)]
#[command(version, max_term_width = 80, disable_help_subcommand = true)]
pub(crate) struct Tools {
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

#[derive(Subcommand)]
pub(crate) enum Verb {
    Doctor(doctor::Doctor),
    InstallTools(tools::InstallTools),
    Analyze(analyze::Analyze),
    Editor(project::Editor),
    Completions(project::Completions),
    #[command(hide = true)]
    Complete(project::Complete),
    #[command(subcommand)]
    Lane(Lane),
}

/// Manage lanes
#[derive(Subcommand)]
pub(crate) enum Lane {
    Hook(lane::LaneHook),
    Verify(lane::LaneVerify),
    Bench(lane::Bench),
}

/// Options of our own that every verb has.
#[derive(Args, Clone, Copy)]
pub(crate) struct OwnFlags {
    /// Print what would be done, don't do it
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Print nothing but errors
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// Use verbose output (-vv: very verbose)
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}

//! The verbs of `lane` that are called once a month, and their options.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::CargoWords;

/// Have git warm every new worktree
///
/// Installs a `post-checkout` hook, which gives each new worktree `.cargo/local.toml` and a forked
/// lane. It prints one line, does nothing at any other checkout, and never makes git fail. Existing
/// hooks go on working, also where `core.hooksPath` names their directory.
#[derive(Args)]
#[command(group = clap::ArgGroup::new("what").required(true))]
pub struct LaneHook {
    /// Install it; again after another tool has changed git's hooks
    #[arg(long, group = "what")]
    pub install: bool,
    /// Remove it, and put back what it replaced
    #[arg(long, group = "what")]
    pub remove: bool,
    /// Print where it is; exit code 1 if git would not run it
    #[arg(long, group = "what")]
    pub check: bool,
}

/// Show who builds what, and who waits for whom
///
/// All builds of this user on this machine: since when they run, what they compile, link or test,
/// and what waits for a permit or for memory. Then what the machine has left, and the lanes of this
/// repository.
#[derive(Args)]
pub struct LaneStatus {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Tell from which sources a program was built, and by whom
///
/// The worktree, the commit, the builder and the call that made the file, from the record of that
/// build, and which of its sources have changed since. Exit code 1: some have, or a newer one
/// cannot be ruled out.
#[derive(Args)]
pub struct LaneWhich {
    /// A file in a lane; a name alone is looked for in this builder's lane
    #[arg(value_name = "PROGRAM")]
    pub program: PathBuf,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Show that a forked lane equals one built from scratch
///
/// HEAD is built and tested in a donor, another tree forks from it, and the donor is removed. Then
/// the fork's test results and files are compared with those of a tree that was built from scratch
/// at the same place. All trees are temporary and lie beside the repository. Exit code 1: something
/// differs.
#[derive(Args)]
#[command(override_usage = "lane verify [OPTIONS] [CARGO OPTIONS] [-- ARGS]")]
pub struct LaneVerify {
    /// Run the doctests, too
    #[arg(long)]
    pub doc: bool,
    /// Compile the tests, but don't run them
    #[arg(long)]
    pub no_run: bool,
    /// Make the temporary trees in this directory instead
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Keep the trees and all logs
    #[arg(long)]
    pub keep: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Print what would be done, don't do it
    #[arg(long)]
    pub dry_run: bool,
    /// Print nothing but the result and errors
    #[arg(short, long)]
    pub quiet: bool,
    #[command(flatten)]
    pub cargo: CargoWords,
}

/// Measure what multilane adds to a cargo that has nothing to do
///
/// Plain `cargo check`, `check` through our command, and the engine's program started without cargo
/// take turns. Each builder has a lane of its own, which is deleted afterwards.
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Bench {
    #[command(subcommand)]
    pub mode: Option<BenchMode>,
    /// Number of runs of each
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub runs: u32,
    /// Builders that start at the same moment
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub at_once: u32,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Print what would be done, don't do it
    #[arg(long)]
    pub dry_run: bool,
    /// Print nothing but the result and errors
    #[arg(short, long)]
    pub quiet: bool,
}

#[derive(Subcommand)]
pub enum BenchMode {
    Soak(Soak),
}

/// Let agents build for long, and compare each result with plain cargo
///
/// The agents edit, check, build, test, switch branches, rebase and update a dependency in a small
/// generated workspace, with too little room on the disk. They are interrupted, and single
/// processes are killed. Linux only. Exit code 1: a result was wrong, a build waited for another
/// one, or a file that is not ours was touched.
#[derive(Args)]
pub struct Soak {
    /// How long
    #[arg(long, value_name = "N", default_value_t = 30)]
    pub minutes: u32,
    /// Builders at the same time
    #[arg(long, value_name = "N", default_value_t = 8)]
    pub agents: usize,
    /// Draw the same edits and calls again
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// What all lanes may take, such as 200M [default: a warm lane for each agent but one]
    #[arg(long, value_name = "SIZE", value_parser = multilane_engine::disk::size)]
    pub budget: Option<u64>,
    /// Make the temporary directory in this one
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Keep the temporary directory, also when every result was right
    #[arg(long)]
    pub keep: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Print nothing but the report and errors
    #[arg(short, long)]
    pub quiet: bool,
}

impl LaneVerify {
    /// cargo's own options.
    pub fn to_args(&self) -> Vec<OsString> {
        self.cargo.line().words
    }

    /// Those for `cargo test`, which runs doctests where no targets are named.
    pub fn to_test_args(&self) -> Vec<OsString> {
        let line = self.cargo.line();
        let without_doctests = !self.doc && !line.selects_targets();
        let mut args = line.words;
        args.extend(without_doctests.then(|| "--tests".into()));
        args
    }
}

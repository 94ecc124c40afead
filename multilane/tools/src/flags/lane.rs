//! The verbs of `lane` that are called once a month, and their options.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;

use super::{CargoWords, OwnFlags};

/// Have git warm every new worktree, whoever makes it
///
/// A `post-checkout` hook: when `git worktree add` has made a worktree, it gets `.cargo/local.toml`
/// and a forked lane. It says one line, does nothing at any other checkout, and never makes git
/// fail. A hook that is there already goes on working: in git's own directory it gets another name
/// and runs first; a directory that `core.hooksPath` names, as husky has one, stays as it is, and
/// one of ours stands in front of it.
#[derive(Args)]
#[command(group = clap::ArgGroup::new("what").required(true))]
pub struct LaneHook {
    /// Put it there; again after something else has changed git's hooks
    #[arg(long, group = "what")]
    pub install: bool,
    /// Take it away; what was there before is as it was
    #[arg(long, group = "what")]
    pub remove: bool,
    /// Say where it is; fail if git would not run it
    #[arg(long, group = "what")]
    pub check: bool,
}

/// Show that a forked lane cannot be told from one built from scratch
///
/// HEAD is built and tested in a donor, another tree forks from it, and the donor is removed. What
/// the fork's tests say and what its files hold must then be what a tree built from scratch at the
/// same place gives. All trees are temporary and lie beside the repository; yours is not touched.
/// Programs are compared, not run. Exit code 1: something differs.
#[derive(Args)]
#[command(override_usage = "lane verify [OPTIONS] [CARGO OPTIONS] [-- ARGS]")]
pub struct LaneVerify {
    /// Run the doctests, too
    #[arg(long)]
    pub doc: bool,
    /// Build the tests, but don't run them
    #[arg(long)]
    pub no_run: bool,
    /// Put the temporary trees in this directory instead
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Leave the trees and all logs for a look
    #[arg(long)]
    pub keep: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Print what would be done, don't do it
    #[arg(long)]
    pub dry_run: bool,
    /// Say nothing but the result and errors
    #[arg(short, long)]
    pub quiet: bool,
    #[command(flatten)]
    pub cargo: CargoWords,
}

/// Measure what xtask adds to a cargo that has nothing to do
///
/// Plain `cargo check`, `cargo xtask check` and the program that make starts take turns, each
/// builder in a lane of its own, which is deleted afterwards.
#[derive(Args)]
pub struct Bench {
    /// How often each is run
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub runs: u32,
    /// How many builders start at the same moment
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub at_once: u32,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub own: OwnFlags,
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

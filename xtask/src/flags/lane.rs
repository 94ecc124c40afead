//! `lane`: its verbs and their options.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand, ValueEnum};

use super::cargo::{Arguments, FeatureFlags, LockFlags, PackageFlags, ProfileFlags, TargetFlags};

/// Manage lanes
#[derive(Subcommand)]
pub(crate) enum Lane {
    List(LaneList),
    New(LaneNew),
    Fork(LaneFork),
    Remove(LaneRemove),
    Hook(LaneHook),
    Run(LaneRun),
    Env(LaneEnv),
    Verify(LaneVerify),
}

/// List the lanes of every worktree
///
/// DIFFERS names the inputs of the lane key that are not today's: such a lane is used again when they are. The features
/// are compared with none being selected.
#[derive(Args)]
pub(crate) struct LaneList {
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Make a worktree with a warm lane, and print its path
///
/// It lies beside the repository, has a branch of its own name, and takes `.cargo/local.toml` along:
/// cd "$(cargo xtask lane new fix)"
#[derive(Args)]
pub(crate) struct LaneNew {
    /// Name of the worktree: it lies in `../<repository>-<name>`
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    pub(crate) name: String,
    /// Begin at this commit instead of HEAD
    #[arg(long, value_name = "REV")]
    pub(crate) from: Option<String>,
    /// Name of the branch, instead of the worktree's; one that exists is checked out
    #[arg(long, value_name = "BRANCH", conflicts_with = "detach")]
    pub(crate) branch: Option<String>,
    /// Without a branch
    #[arg(long)]
    pub(crate) detach: bool,
    /// Put it there
    #[arg(long, value_name = "PATH")]
    pub(crate) path: Option<PathBuf>,
    /// Say nothing but the path and errors
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

/// Remove a worktree and its lanes
///
/// Not where work would be lost: uncommitted changes, or commits that no branch has. Its branch stays.
#[derive(Args)]
pub(crate) struct LaneRemove {
    /// Name or path of the worktree
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    pub(crate) name: String,
    /// Whatever would be lost
    #[arg(long)]
    pub(crate) force: bool,
}

/// Fill this builder's lane from another one
///
/// Every unit that cargo would make the same is linked or copied; the rest is left to cargo. The first build in an empty
/// lane does this by itself. In a lane that has units, those that are lacking are added.
#[derive(Args)]
pub(crate) struct LaneFork {
    /// From this lane or worktree, instead of the one that suits best
    #[arg(long, value_name = "DIR")]
    pub(crate) from: Option<PathBuf>,
    /// Print what would be done, don't do it
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Print what would become of this package's units and why, don't do it
    #[arg(long, value_name = "PACKAGE")]
    pub(crate) explain: Option<String>,
    /// Say nothing but errors
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

/// Have git warm every new worktree, whoever makes it
///
/// A `post-checkout` hook: when `git worktree add` has made a worktree, it gets `.cargo/local.toml` and a forked lane. It
/// says one line, does nothing at any other checkout, and never makes git fail. A hook that is there already goes on
/// working: in git's own directory it gets another name and runs first; a directory that `core.hooksPath` names, as husky
/// has one, stays as it is, and one of ours stands in front of it.
#[derive(Args)]
#[command(group = clap::ArgGroup::new("what").required(true))]
pub(crate) struct LaneHook {
    /// Put it there; again after something else has changed git's hooks
    #[arg(long, group = "what")]
    pub(crate) install: bool,
    /// Take it away; what was there before is as it was
    #[arg(long, group = "what")]
    pub(crate) remove: bool,
    /// Say where it is; fail if git would not run it
    #[arg(long, group = "what")]
    pub(crate) check: bool,
    /// What the hook calls
    #[arg(long, group = "what", hide = true)]
    pub(crate) worktree_made: bool,
}

/// Run a command, such as a coding agent, whose cargo builds in a lane of its own
///
/// If there is a worktree of this name, as `lane new` makes them, the command runs in it, and its lane is the worktree's
/// `target/`. Otherwise it runs where you stand, as the agent of this name (AGENT_ID), and its lane is in `.lanes/`. One
/// line says which of the two.
///
/// The command's `cargo` is cargo, but that it builds in the lane and that the first build forks another one: with every
/// option, alias and subcommand; in other workspaces it is nothing but cargo. Where CARGO_TARGET_DIR is set, or
/// --target-dir given, that counts. Without a command, your shell runs.
///
/// cargo xtask lane run fix-parser --new -- my-agent --its-option
#[derive(Args)]
pub(crate) struct LaneRun {
    #[command(flatten)]
    pub(crate) place: PlaceFlags,
    /// What to run [default: $SHELL]
    #[arg(last = true, value_name = "COMMAND")]
    pub(crate) command: Vec<OsString>,
}

/// Where a builder works.
#[derive(Args)]
pub(crate) struct PlaceFlags {
    /// Name of a worktree or, where there is none, of an agent
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    pub(crate) name: String,
    /// Make the worktree if there is none, as `lane new` does
    #[arg(long, conflicts_with = "agent")]
    pub(crate) new: bool,
    /// A worktree alone; fail if there is none
    #[arg(long, conflicts_with = "agent")]
    pub(crate) worktree: bool,
    /// An agent where you stand, whatever worktrees there are
    #[arg(long)]
    pub(crate) agent: bool,
}

/// Print what a shell evaluates to work as a command of `lane run` does
///
/// eval "$(cargo xtask lane env fix-parser)"; in fish: cargo xtask lane env fix-parser | source; in PowerShell:
/// cargo xtask lane env fix-parser --shell powershell | Out-String | Invoke-Expression
///
/// The way back is `lane env --unset` in the same manner; the directory stays.
#[derive(Args)]
pub(crate) struct LaneEnv {
    #[command(flatten)]
    pub(crate) place: Option<PlaceFlags>,
    /// Print what undoes it
    #[arg(long, conflicts_with = "PlaceFlags", required_unless_present = "name")]
    pub(crate) unset: bool,
    /// For this shell [default: what $SHELL is]
    #[arg(long, value_enum)]
    pub(crate) shell: Option<ShellName>,
}

#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
pub(crate) enum ShellName {
    /// And bash, zsh, dash, ksh
    Sh,
    Fish,
    Powershell,
}

/// Show that a forked lane cannot be told from one built from scratch
///
/// HEAD is built and tested in a donor, another tree forks from it, and the donor is removed. What the fork's tests say and
/// what its files hold must then be what a tree built from scratch at the same place gives. All trees are temporary and lie
/// beside the repository; yours is not touched. Programs are compared, not run. Exit code 1: something differs.
#[derive(Args)]
pub(crate) struct LaneVerify {
    /// Run the doctests, too
    #[arg(long)]
    pub(crate) doc: bool,
    /// Build the tests, but don't run them
    #[arg(long)]
    pub(crate) no_run: bool,
    /// Put the temporary trees in this directory instead
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
    /// Leave the trees and all logs for a look
    #[arg(long)]
    pub(crate) keep: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Print what would be done, don't do it
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Say nothing but the result and errors
    #[arg(short, long)]
    pub(crate) quiet: bool,
    #[command(flatten)]
    pub(crate) packages: PackageFlags,
    #[command(flatten)]
    pub(crate) targets: TargetFlags,
    #[command(flatten)]
    pub(crate) features: FeatureFlags,
    #[command(flatten)]
    pub(crate) how: ProfileFlags,
    #[command(flatten)]
    pub(crate) lock: LockFlags,
    /// For the test executables
    #[arg(last = true, value_name = "ARGS", help_heading = "Arguments")]
    pub(crate) rest: Vec<OsString>,
}

impl LaneNew {
    /// `lane new <name>`, with nothing else said.
    pub(crate) fn named(name: &str) -> LaneNew {
        LaneNew { name: name.to_owned(), from: None, branch: None, detach: false, path: None, quiet: false }
    }
}

impl LaneVerify {
    /// cargo's own options.
    pub(crate) fn to_args(&self) -> Vec<OsString> {
        let mut args = Arguments::default();
        self.packages.add_to(&mut args);
        self.targets.add_to(&mut args);
        self.features.add_to(&mut args);
        self.how.add_to(&mut args);
        self.lock.add_to(&mut args);
        args.0
    }

    /// Those for `cargo test`, which runs doctests where no targets are named.
    pub(crate) fn to_test_args(&self) -> Vec<OsString> {
        let mut targets = Arguments::default();
        self.targets.add_to(&mut targets);
        let mut args = Arguments(self.to_args());
        args.flag("--tests", targets.0.is_empty() && !self.doc);
        args.0
    }
}

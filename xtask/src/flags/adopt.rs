//! The verbs that bring xtask into another project, and up to date in it.

use std::path::PathBuf;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, ValueEnum};

/// Bring xtask into an existing workspace or package
///
/// From a checkout of the template. Shows every change as a diff and asks. What is there already stays as it is; where that
/// and xtask cannot be side by side, it says so and what the choices are, and changes nothing.
#[derive(Args)]
pub(crate) struct Adopt {
    /// Root of the workspace or package
    pub(crate) path: PathBuf,
    /// Don't ask
    #[arg(short, long)]
    pub(crate) yes: bool,
    /// Show what would change, change nothing, and fail if there is something
    #[arg(long, conflicts_with = "yes")]
    pub(crate) check: bool,
    /// Bring these alone, or bring them up to date
    #[arg(long, value_name = "PART", value_delimiter = ',')]
    pub(crate) only: Vec<PartName>,
    /// Add these of the template's profiles to Cargo.toml: dev, test, release, debugging, profiling
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub(crate) profiles: Vec<String>,
    /// Add the template's settings for nextest, if there are none: a test that hangs is ended after five minutes
    #[arg(long)]
    pub(crate) nextest: bool,
    /// Put it into this folder and call it by this name, where the project has an xtask of its own
    #[arg(long = "as", value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) name: Option<String>,
    /// Make it a member of the workspace, so that `cargo xtask` works in every directory [default: if nothing speaks against it]
    #[arg(long, conflicts_with = "apart")]
    pub(crate) member: bool,
    /// Make it a workspace of its own, beside the project's, whose oldest compiler, lockfile and lints it then does not touch
    #[arg(long)]
    pub(crate) apart: bool,
    /// Take it away again: every file gets the bytes that it had
    #[arg(long, conflicts_with_all = ["check", "only", "profiles", "nextest", "name", "member", "apart"])]
    pub(crate) undo: bool,
    /// With --undo: also files of xtask that have been changed since
    #[arg(long, requires = "undo")]
    pub(crate) force: bool,
    /// Show the lines of all files in the diff, those of xtask as well
    #[arg(short, long)]
    pub(crate) verbose: bool,
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum PartName {
    /// The folder, its place in the workspace, and the record of what came from the template
    Xtask,
    /// The alias and the include in .cargo/config.toml
    Alias,
    /// Rules in .gitignore
    Ignore,
    /// Makefile, or a file that the project's own includes
    Make,
}

/// Bring what came from the template up to a newer one
///
/// Three ways: what the template gave, what it gives now, and what is here. What has been changed here stays; what has
/// changed on both sides at one place stands in the file twice, between markers, as git does it. Shows a diff and asks.
#[derive(Args)]
pub(crate) struct Upgrade {
    /// A checkout of the template, or where git clones it from
    #[arg(long, value_name = "PATH|URL", required_unless_present = "undo", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) from: Option<String>,
    /// Don't ask
    #[arg(short, long)]
    pub(crate) yes: bool,
    /// Show what would change, change nothing, and fail if there is something
    #[arg(long, conflicts_with = "yes")]
    pub(crate) check: bool,
    /// Show what would change, change nothing
    #[arg(long, conflicts_with_all = ["yes", "check"])]
    pub(crate) dry_run: bool,
    /// Take the last one back: every file gets the bytes that it had
    #[arg(long, conflicts_with_all = ["from", "check", "dry_run"])]
    pub(crate) undo: bool,
}

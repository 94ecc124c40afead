//! `analyze` and its options.

use std::ffi::OsString;

use clap::{Args, ValueEnum};

use crate::flags::CargoWords;

/// Find what builds spend their time on, and what to change first
///
/// Builds from scratch in a lane of its own, which takes as long as a cold build; all other lanes
/// stay warm. Names the five changes that would save most, how much each would save, and how sure
/// that is: each is tried in a simulation of the build, which first has to reproduce the build that
/// was measured. The report is a page that needs no network.
///
/// Single parts can be asked for: `analyze timings graph`
#[derive(Args)]
#[command(override_usage = "analyze [OPTIONS] [PART]... [CARGO OPTIONS]")]
pub(crate) struct Analyze {
    /// Only these parts [default: all but mono]
    #[arg(value_enum, value_name = "PART")]
    pub(crate) parts: Vec<Part>,
    /// Open the report in a browser
    #[arg(long)]
    pub(crate) open: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Do not build; analyze the last build of `analyze` again
    #[arg(long, conflicts_with = "incremental")]
    pub(crate) last: bool,
    /// Keep the lane, and analyze what is compiled after the edits since the last build
    #[arg(long)]
    pub(crate) incremental: bool,
    /// Print the cargo command line, don't run it
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Print nothing but the answer and errors
    #[arg(short, long)]
    pub(crate) quiet: bool,
    #[command(flatten)]
    pub(crate) cargo: CargoWords,
}

#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
pub(crate) enum Part {
    /// Slow units, what they wait for, what a change would save
    Timings,
    /// What the changes to each crate cost, by how many there are
    Graph,
    /// Functions with many instances, by the code for LLVM
    Mono,
    /// Duplicate versions, crates built twice, unused ones
    Deps,
    /// Hits of sccache; what a new worktree would compile, and why
    Cache,
    /// Disk space of the lanes
    Disk,
    /// Earlier builds of the same kind; crates that became slower
    Trend,
}

impl Analyze {
    /// The parts that were asked for.
    pub(crate) fn parts(&self) -> Vec<Part> {
        let is_wanted = |part: &Part| match self.parts.as_slice() {
            [] => *part != Part::Mono, // It compiles each program a second time.
            parts => parts.contains(part),
        };
        Part::value_variants().iter().copied().filter(is_wanted).collect()
    }

    /// cargo's options that these lists name, with their values.
    pub(crate) fn only(&self, names: &[&[&str]]) -> Vec<OsString> {
        self.cargo.only(|name| names.iter().any(|names| names.contains(&name)))
    }
}

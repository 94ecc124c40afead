//! xtask from the outside, as a person or a program calls it: real cargo, real git, small real
//! workspaces.
//!
//! One executable for all of them; a file for each topic.

#![expect(
    clippy::disallowed_methods,
    reason = "a test is its own user: it starts processes and makes and deletes its scratch files"
)]

mod adopt;
mod affected;
mod analyze;
mod clean;
#[cfg(target_os = "linux")]
mod cold;
mod completions;
#[cfg(unix)]
mod cranelift;
mod doctor;
mod editor;
mod first_edit;
mod fork;
mod fork_clocks;
mod fork_dependencies;
mod fork_evidence;
mod fork_git;
mod fork_linkers;
mod fork_packages;
mod fork_races;
mod fork_reach;
mod fork_sources;
mod fork_swaps;
mod fork_traps;
mod fork_variables;
#[cfg(unix)]
mod gc;
#[cfg(unix)]
mod generator;
#[cfg(unix)]
mod generator_common;
#[cfg(unix)]
mod generator_draw;
#[cfg(unix)]
mod generator_sources;
#[cfg(unix)]
mod generator_world;
mod hook;
mod init;
#[cfg(unix)]
mod install_tools;
mod lanes;
mod no_waiting;
mod passthrough;
mod permits;
mod records;
mod robustness;
mod run;
mod safety;
mod settings;
#[cfg(unix)]
mod setup;
mod shared_cache;
mod signals;
mod stand_in;
mod support;
mod template;
mod test_verb;
mod tidy;
mod toolchains;
mod verify;
mod worktrees;
mod xtask_build;

//! What was asked: one file for each verb or family of verbs, each in the same beats: gather, decide, act, report.

mod adopt_cache;
mod affected;
mod agent;
mod analyze;
mod bench;
mod build;
pub(crate) mod cargo;
mod ci;
mod clean;
mod cold;
mod completions;
mod cranelift;
mod doctor;
mod editor;
mod fmt;
mod fork;
mod hook;
mod lane;
mod linker;
pub(crate) mod session;
pub(crate) mod shared_cache;
mod test;
mod tools;
mod tune;
mod verify;
mod worktree;
mod wrapper;

//! What was asked: one file for each verb or family of verbs, each in the same beats: gather, decide, act, report.

mod adopt_cache;
mod affected;
mod agent;
mod bench;
mod build;
pub(crate) mod cargo;
mod ci;
mod clean;
mod cold;
mod doctor;
mod fmt;
mod fork;
mod hook;
mod lane;
mod linker;
pub(crate) mod session;
mod test;
mod tools;
mod verify;
mod worktree;
mod wrapper;

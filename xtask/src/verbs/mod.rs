//! What was asked: one file for each verb or family of verbs, each in the same beats: gather, decide, act, report.

mod adopt;
mod adopt_cache;
mod affected;
mod agent;
mod bench;
mod build;
pub(crate) mod cargo;
mod ci;
mod clean;
mod cold;
mod completions;
mod editor;
mod fmt;
mod fork;
mod hook;
mod init;
mod lane;
pub(crate) mod session;
pub(crate) mod shared_cache;
mod test;
mod upgrade;
mod verify;
mod worktree;
mod wrapper;

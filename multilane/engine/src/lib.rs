//! What [`multilane`](https://docs.rs/multilane) builds with: every builder of a workspace has a
//! target directory that it uses alone, forked from a warm one.
//!
//! This crate has no interface of its own: it is for `multilane` and `multilane-tools` of the same
//! version, and promises nothing. Use the command line, or `multilane::Cli`.
//!
//! Imports run one way, from the last to the first of these groups, and a test holds it:
//!
//! 1. `environment`, `files`, `json`, `process`, `ui`
//! 2. `cargo_line`, `project`
//! 3. `lanes`, `record`, `units`
//! 4. `fork`, `cold_start`, `retarget`, `sccache`, `permits`, `disk`

#![cfg_attr(test, expect(clippy::disallowed_methods, reason = "a test writes what it needs"))]

#[doc(hidden)]
pub mod cargo_line;
#[doc(hidden)]
pub mod cold_start;
#[doc(hidden)]
pub mod disk;
#[doc(hidden)]
pub mod environment;
#[doc(hidden)]
pub mod files;
#[doc(hidden)]
pub mod fork;
#[doc(hidden)]
pub mod json;
#[doc(hidden)]
pub mod lanes;
#[doc(hidden)]
pub mod permits;
#[doc(hidden)]
pub mod process;
#[doc(hidden)]
pub mod project;
#[doc(hidden)]
pub mod record;
#[doc(hidden)]
pub mod retarget;
#[doc(hidden)]
pub mod sccache;
#[doc(hidden)]
pub mod ui;
#[doc(hidden)]
pub mod units;

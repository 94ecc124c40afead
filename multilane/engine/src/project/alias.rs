//! The alias `cargo xtask`: it shows cargo's own lines only until the program has been compiled.
//!
//! ```text
//! <root>/
//! ├── .cargo/
//! │   ├── config.toml    includes the other two files, in this order; of two values the later one wins
//! │   └── xtask.toml     committed: the alias as it shows cargo's progress
//! └── target/xtask/      `cargo clean` takes it away, and then there is something to compile again
//!     └── alias.toml     ours: the same with --quiet
//! ```
//!
//! Both are strings. An array would be joined with those of the directories above, where a worktree
//! inside another one is; and cargo refuses a string in one file and an array in the other.

use std::path::Path;

use crate::files;

const QUIET: &str = "# Written by `cargo xtask` (.cargo/xtask.toml).\n[alias]\n\
                     xtask = \"run --quiet --package xtask --profile xtask --\"\n";

/// Has later calls show nothing of cargo's. `dir` is where the program is; one that was moved, or
/// was built elsewhere, has no such file that cargo would read.
pub fn silence(dir: &Path) {
    let is_included = dir.ends_with("target/xtask") && dir.join("../../.cargo/xtask.toml").exists();
    if is_included {
        files::provide(&dir.join("alias.toml"), QUIET).ok(); // Otherwise cargo's lines go on.
    }
}

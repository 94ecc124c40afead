//! The verbs that set up a project and those who work in it, and their options.

use std::ffi::OsString;

use clap::{Args, ValueEnum};

/// Print the script by which a shell completes `cargo xtask`
///
/// Save it, and have your shell read it: `. ~/.cargo-xtask.bash` in ~/.bashrc, the same in ~/.zshrc behind compinit; fish reads
/// all of ~/.config/fish/conf.d/. One script serves all repositories: it asks the xtask of the one that you stand in, once that
/// has been built.
///
/// cargo xtask completions bash >~/.cargo-xtask.bash
#[derive(Args)]
pub(crate) struct Completions {
    #[arg(value_enum)]
    pub(crate) shell: CompletedShell,
}

#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
pub(crate) enum CompletedShell {
    Bash,
    Zsh,
    Fish,
}

/// Print what can follow, for the scripts of `completions`
#[derive(Args)]
pub(crate) struct Complete {
    /// The words behind `cargo xtask`, the last one as far as it is typed
    #[arg(last = true, value_name = "WORDS")]
    pub(crate) words: Vec<OsString>,
}

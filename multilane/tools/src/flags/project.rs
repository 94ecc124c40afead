//! The verbs that set up a project and those who work in it, and their options.

use std::ffi::OsString;

use clap::{Args, ValueEnum};

/// Let an editor's rust-analyzer build in a lane of its own
///
/// It checks through xtask as the builder `editor`, so it waits for nobody, nobody waits for it,
/// and nothing is compiled twice because of other flags. Written into the project's settings for
/// that editor; a file that is there keeps its comments and its order. Where there is no such file,
/// or it has other settings of this kind, the text to paste is printed instead.
#[derive(Args)]
pub(crate) struct Editor {
    #[arg(value_enum, value_name = "EDITOR")]
    pub(crate) editor: EditorName,
    /// Show what would be written, don't write it
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Say nothing but errors
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
pub(crate) enum EditorName {
    #[value(name = "vscode")]
    VsCode,
    Zed,
    Helix,
    Neovim,
    #[value(name = "rustrover")]
    RustRover,
}

/// Print the script by which a shell completes `cargo xtask`
///
/// Save it, and have your shell read it: `. ~/.cargo-xtask.bash` in ~/.bashrc, the same in ~/.zshrc
/// behind compinit; fish reads all of ~/.config/fish/conf.d/. One script serves all repositories:
/// it asks the xtask of the one that you stand in, once that has been built.
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

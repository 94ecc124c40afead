//! The verbs that set up a project and those who work in it, and their options.

use std::ffi::OsString;

use clap::{Args, ValueEnum};

/// Make a clone of the template a project of your own
///
/// Names, licence, authors, README and change log become the project's; a first crate takes the place of the examples. What is
/// about the tool moves into `xtask/`, and the template's tests of itself go. Shown by --dry-run, written as one step, taken
/// back by --undo; nothing is committed.
///
/// cargo xtask init weather --description "Tells whether it will rain"
#[derive(Args)]
pub(crate) struct Init {
    /// Name of the project and of its first crate
    #[arg(required_unless_present = "undo")]
    pub(crate) name: Option<String>,
    /// The first crate is a program: this is the default
    #[arg(long, conflicts_with = "lib")]
    pub(crate) bin: bool,
    /// The first crate is a library
    #[arg(long)]
    pub(crate) lib: bool,
    /// Keep the example crates beside it
    #[arg(long)]
    pub(crate) keep_examples: bool,
    /// What it is for, in a sentence
    #[arg(long, value_name = "TEXT")]
    pub(crate) description: Option<String>,
    /// SPDX expression, or none
    #[arg(long, value_name = "SPDX", default_value = "MIT OR Apache-2.0")]
    pub(crate) license: String,
    /// "Name <address>" (can be repeated) [default: who commits, as git knows it]
    #[arg(long, value_name = "AUTHOR")]
    pub(crate) author: Vec<String>,
    /// Where the project will be found [default: the remote `origin`, if it has the project's name]
    #[arg(long, value_name = "URL")]
    pub(crate) repository: Option<String>,
    /// With the settings that `cargo xtask editor` writes (can be repeated)
    #[arg(long, value_enum, value_name = "EDITOR")]
    pub(crate) editor: Vec<EditorName>,
    /// Commit the project as the first commit of the branch; the old ones stay in the reflog
    #[arg(long)]
    pub(crate) restart_history: bool,
    /// Take back what init has written, unless it has been changed since
    #[arg(long, conflicts_with_all = ["name", "restart_history"])]
    pub(crate) undo: bool,
    /// Show what would be written, don't write it
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Say nothing but errors
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

/// Let an editor's rust-analyzer build in a lane of its own
///
/// It checks through xtask as the builder `editor`, so it waits for nobody, nobody waits for it, and nothing is compiled twice because
/// of other flags. Written into the project's settings for that editor; a file that is there keeps its comments and its order.
/// Where there is no such file, or it has other settings of this kind, the text to paste is printed instead.
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

//! The verbs that set up a clone, an editor and a shell, and their options.

use std::ffi::OsString;

use clap::{Args, ValueEnum};

/// Make plain cargo and plain git warm in this clone
///
/// Writes nothing that git would show: a post-checkout hook, which gives each new worktree a warm
/// target directory (the same as `lane hook --install`); lines in .git/info/exclude for what
/// builders make in the tree; and the compiler wrapper, which keeps the incremental cache valid in
/// a new worktree. cargo finds the wrapper through its configuration: where the project has no
/// .cargo/config.toml, an untracked one is written, otherwise the line to add is printed.
///
/// All worktrees of the repository are set up. What was done is recorded in
/// .git/multilane/setup.json, and `setup --remove` takes back that and nothing else.
#[derive(Args)]
pub(crate) struct Setup {
    /// Change nothing; exit code 1 if something is missing
    #[arg(long, conflicts_with_all = ["yes", "remove"])]
    pub(crate) check: bool,
    /// Take back what `setup` has done, as far as it was not changed since
    #[arg(long)]
    pub(crate) remove: bool,
    /// Do not ask for confirmation
    #[arg(short, long)]
    pub(crate) yes: bool,
}

/// Let an editor's rust-analyzer build in a lane of its own
///
/// rust-analyzer checks as the builder `editor`: it and your builds do not wait for each other, and
/// since the flags are the same, nothing is compiled twice. The settings are written into the
/// project's file for that editor; an existing file keeps its comments and its order. Where the
/// editor has no such file, or the file has other settings of this kind, the text to paste is
/// printed.
#[derive(Args)]
pub(crate) struct Editor {
    #[arg(value_enum, value_name = "EDITOR")]
    pub(crate) editor: EditorName,
    /// Print what would be done, don't do it
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Print nothing but errors
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

/// Print the script by which a shell completes the command line
///
/// Save it, and have your shell read it: `. ~/.multilane.bash` in ~/.bashrc, the same in ~/.zshrc
/// after compinit; fish reads all of ~/.config/fish/conf.d/. One script serves all repositories,
/// for `cargo xtask` and `cargo multilane`: it asks the xtask of the workspace that you are in,
/// once that has been built, or the installed program.
///
/// cargo xtask completions bash >~/.multilane.bash
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

/// Print the candidates, for the scripts of `completions`
#[derive(Args)]
pub(crate) struct Complete {
    /// The words after `cargo xtask`; the last one may be incomplete
    #[arg(last = true, value_name = "WORDS")]
    pub(crate) words: Vec<OsString>,
}

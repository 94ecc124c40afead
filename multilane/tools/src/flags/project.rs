//! The verbs that set up a clone, an editor and a shell, and their options.

use std::ffi::OsString;

use clap::{Args, ValueEnum};

/// Make plain cargo and plain git warm in this clone
///
/// Writes nothing that git would show: the hook of `lane hook --install`, lines in
/// .git/info/exclude, and the compiler wrapper, which keeps the incremental cache valid in a new
/// worktree. Where the project has no .cargo/config.toml, an untracked one names the wrapper;
/// otherwise the line to add is printed.
///
/// All worktrees of the repository are set up. `setup --remove` takes back what was done and
/// nothing else.
#[derive(Args)]
pub(crate) struct Setup {
    /// Change nothing; exit code 1 if something is missing
    #[arg(long, conflicts_with_all = ["yes", "remove"])]
    pub(crate) check: bool,
    /// Take back what `setup` has done, as far as it was not changed since
    #[arg(long)]
    pub(crate) remove: bool,
    /// Do not ask
    #[arg(short, long)]
    pub(crate) yes: bool,
}

/// Let an editor's rust-analyzer build in a lane of its own
///
/// rust-analyzer checks as the builder `editor`: it and your builds do not wait for each other. The
/// settings are written into the project's file for that editor, which keeps its comments and its
/// order. Where there can be no such file, or it has other settings of this kind, the text to paste
/// is printed.
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
/// for `cargo xtask` and `cargo multilane`.
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

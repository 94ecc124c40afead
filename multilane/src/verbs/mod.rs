//! What can be asked for: a table of the verbs, each with its help, and a file for each family of
//! them.

pub(crate) mod affected;
pub(crate) mod agent;
pub(crate) mod build;
pub(crate) mod cargo;
pub(crate) mod clean;
pub(crate) mod cranelift;
pub(crate) mod fork;
pub(crate) mod list;
pub(crate) mod remove;
pub(crate) mod run;
mod shell;
pub(crate) mod test;
pub mod worktree;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::builder::NonEmptyStringValueParser;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use multilane_engine::project::Session;

/// A verb that was called, with its options.
pub(crate) struct Call {
    pub(crate) session: Session,
    pub(crate) own: ArgMatches,
    /// What goes to cargo as it was typed.
    pub(crate) words: Vec<OsString>,
}

pub(crate) type Answer = anyhow::Result<ExitCode>;

/// One verb.
#[derive(Clone, Copy)]
pub(crate) struct Verb {
    pub(crate) name: &'static str,
    /// The first line of its help.
    about: &'static str,
    /// What else its help says.
    more: &'static str,
    options: fn(Command) -> Command,
    pub(crate) kind: Kind,
}

/// Which words a verb takes, and who answers.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    /// Our options; all other words go to cargo.
    Cargo(fn(Call) -> Answer),
    /// The same, for a command line that begins with cargo's command.
    CargoLine(fn(Call) -> Answer),
    /// Our options alone.
    Own(fn(Call) -> Answer),
    /// The verbs below it.
    Group(&'static [Verb]),
    /// `multilane-tools` answers.
    Tools,
}

const fn verb(name: &'static str, kind: Kind, about: &'static str, more: &'static str) -> Verb {
    Verb { name, about, more, options: |command| command, kind }
}

/// One of `multilane-tools`; a test there holds these lines to its own help.
const fn tool(name: &'static str, about: &'static str) -> Verb {
    verb(name, Kind::Tools, about, "")
}

impl Verb {
    const fn options(self, options: fn(Command) -> Command) -> Verb {
        Verb { options, ..self }
    }

    /// With its options, for parsing and help. `prefix` is what is typed in front of its name.
    pub(crate) fn command(&self, called: &str, prefix: &str) -> Command {
        let text = |text: &str| text.replace("cargo xtask", called);
        let name = format!("{prefix} {}", self.name);
        let mut command = Command::new(self.name).bin_name(&name).about(text(self.about));
        if !self.more.is_empty() {
            command = command.long_about(text(&format!("{}\n\n{}", self.about, self.more)));
        }
        match self.kind {
            Kind::Cargo(_) => (self.options)(command)
                .override_usage(format!("{name} [OPTIONS] [CARGO OPTIONS] [-- ARGS]"))
                .after_help("All other options go to cargo as they are typed."),
            Kind::CargoLine(_) => (self.options)(command)
                .override_usage(format!("{name} [OPTIONS] <COMMAND> [CARGO OPTIONS] [-- ARGS]")),
            Kind::Group(verbs) => command
                .subcommand_required(true)
                .arg_required_else_help(true)
                .subcommands(verbs.iter().map(|verb| verb.command(called, &name))),
            Kind::Own(_) | Kind::Tools => (self.options)(command),
        }
    }
}

/// Wraps the texts of a command's help to 80 columns. With clap's own feature for it every clone
/// would compile terminal_size and rustix first.
pub fn fit(mut command: Command) -> Command {
    const WIDTH: usize = 80;
    let is_long = command.get_long_about().is_some()
        || command.get_arguments().any(|arg| arg.get_long_help().is_some());
    let length = |arg: &Arg| {
        let of_value = |name: &str| " <>".len() + name.len();
        let value = match arg.get_value_names() {
            _ if !arg.get_action().takes_values() => 0,
            Some(names) => names.iter().map(|name| of_value(name)).sum(),
            None => of_value(arg.get_id().as_str()),
        };
        arg.get_long().map_or(0, |long| long.len() + 2) + value
    };
    let longest = command.get_arguments().map(length).max().unwrap_or_default();
    let name = longest.max("--version".len()) + "  -x,   ".len();
    let beside_name = WIDTH.saturating_sub(name);
    command = command.max_term_width(WIDTH).mut_args(|arg| {
        let Some(help) = arg.get_help().map(ToString::to_string) else { return arg };
        let long = arg.get_long_help().map_or_else(|| help.clone(), ToString::to_string);
        let arg = arg.help(wrapped(&help, beside_name));
        if is_long { arg.long_help(wrapped(&long, WIDTH - 10)) } else { arg }
    });
    if let Some(about) = command.get_about().map(ToString::to_string) {
        command = command.about(wrapped(&about, WIDTH));
    }
    if let Some(about) = command.get_long_about().map(ToString::to_string) {
        command = command.long_about(wrapped(&about, WIDTH));
    }
    command.mut_subcommands(fit)
}

fn wrapped(text: &str, width: usize) -> String {
    let mut wrapped = String::new();
    for line in text.lines() {
        let mut column = 0;
        for (index, word) in line.split(' ').enumerate() {
            let length = word.chars().count();
            let (space, start) = match column + 1 + length {
                _ if index == 0 => ("", 0),
                end if end > width => ("\n", 0),
                _ => (" ", column + 1),
            };
            column = start + length;
            wrapped += space;
            wrapped += word;
        }
        wrapped.push('\n');
    }
    wrapped.trim_end().to_owned()
}

/// The command line above all verbs.
pub(crate) fn root(called: &'static str) -> Command {
    Command::new(called)
        .bin_name(called)
        .version(env!("CARGO_PKG_VERSION"))
        .about("Build one workspace with many builders at once")
        .long_about(
            "Build one workspace with many builders at once\n\n\
             Every builder has a lane, a target directory that it uses alone: the worktree's own \
             `target/`, or, where AGENT_ID is set, `.lanes/<agent>/<key>/`. So no builder waits \
             for another's file lock.",
        )
        .after_help(
            "Environment:\n  \
             AGENT_ID  Name of the builder; each name has lanes of its own.\n            \
             Unset: the worktree's target/\n  \
             MODE      What `build` builds: dev, test or release [default: dev]\n  \
             VERBOSE   1: show the command lines, and have cargo show its own\n\n\
             Any other command of cargo runs in the builder's lane, too: doc, bench, add.",
        )
        .subcommand_required(true)
        .arg_required_else_help(true)
        .disable_help_subcommand(true)
}

/// All verbs, in the order of the help.
pub(crate) static ALL: &[Verb] = &[
    verb(
        "build",
        Kind::Cargo(build::build),
        "Build what MODE says: dev, test or release",
        "The same as `build-dev`, `build-test` or `build-release`, for scripts that choose by \
         environment.",
    )
    .options(|command| {
        let mode = option("mode", "MODE", "What to build");
        dry_run(command).arg(mode.value_parser(build::MODES))
    }),
    verb(
        "build-dev",
        Kind::Cargo(build::build_dev),
        "Build for the edit loop: `cargo build`",
        "Profile `dev`: compiles fastest, and backtraces have lines. For a debugger: --profile \
         debugging\n\n\
         Profile `cranelift` where `[workspace.metadata.multilane.cranelift]` asks for it and the \
         toolchain is a nightly with that component (not yet tried with the real one).",
    )
    .options(dry_run),
    verb(
        "build-test",
        Kind::Cargo(build::build_test),
        "Build the tests without running them: `cargo test --no-run`",
        "",
    )
    .options(dry_run),
    verb(
        "build-release",
        Kind::Cargo(build::build_release),
        "Build what users run: `cargo build --release`",
        "To see it in a profiler: --profile profiling",
    )
    .options(dry_run),
    verb(
        "check",
        Kind::Cargo(build::check),
        "Find errors without generating code: `cargo check`",
        "",
    )
    .options(dry_run),
    verb(
        "check-fast",
        Kind::Cargo(build::check_fast),
        "Check the packages that changed",
        "Changed means: since the merge base with the main branch, and what is uncommitted or \
         untracked; of files that git ignores, those written since that commit. A file also \
         affects the packages that name it by a relative path. The lockfile, the root manifest, \
         the toolchain file, `.cargo/`, and any other file of no package that nothing names, but \
         for READMEs and their kin, affect all packages. So does a checkout without git.",
    )
    .options(|command| changed(dry_run(command))),
    verb(
        "test",
        Kind::Cargo(test::test),
        "Run the tests",
        "With nextest where `cargo-nextest` is on PATH, then the doctests; otherwise with `cargo \
         test`. Filters mean the same either way. What follows `--` goes to the test executables: \
         `-- --exact`, `-- --ignored`. Where nextest does not know such an option, `cargo test` \
         runs.",
    )
    .options(|command| changed_if_affected(dry_run(command))),
    verb(
        "clippy",
        Kind::Cargo(build::clippy),
        "Lint: `cargo clippy`",
        "What follows `--` goes to clippy: `clippy -- --deny warnings`",
    )
    .options(|command| changed_if_affected(dry_run(command))),
    verb("fmt", Kind::Cargo(build::fmt), "Format all packages: `cargo fmt --all`", "")
        .options(dry_run),
    verb(
        "run",
        Kind::Cargo(build::run),
        "Build a program and run it: `cargo run`",
        "What follows `--` goes to the program.",
    )
    .options(dry_run),
    verb(
        "clean",
        Kind::Cargo(clean::clean),
        "Delete this builder's lane",
        "A lane that is in use is never deleted. The build of xtask itself stays. The next build \
         through xtask may fork another lane. With one of cargo's options, such as --package or \
         --release, only that part goes, as with `cargo clean`.",
    )
    .options(|command| {
        let all = "All lanes of this worktree that are not in use, agents' lanes as well";
        dry_run(command).arg(flag("all", all))
    }),
    verb(
        "ci",
        Kind::Own(test::ci),
        "Do what continuous integration does: formatting, lints, tests",
        "The whole workspace, `--locked`, warnings denied. Stops at the first step that fails.",
    )
    .options(|command| {
        quiet(dry_run(command)).arg(flag("keep-going", "Do all steps, even if one fails"))
    }),
    verb("lane", Kind::Group(LANE), "Manage lanes", ""),
    verb(
        "cargo",
        Kind::CargoLine(cargo::cargo),
        "Run any cargo command in this builder's lane",
        "`cargo doc --no-deps`, `cargo +nightly build`, `cargo nextest run`",
    )
    .options(dry_run),
    tool("adopt", "Bring multilane into an existing workspace"),
    tool("init", "Make a clone of the template a project of your own"),
    tool("setup", "Make plain cargo and plain git warm in this clone"),
    tool("doctor", "Diagnose slow or broken build setups"),
    tool("install-tools", "Install tools that make builds quicker, and set up a linker"),
    tool("analyze", "Find what builds spend their time on, and what to change first"),
    tool("gc", "Delete the cheapest parts of lanes to stay within a disk budget"),
    tool("top", "Watch who builds what, and who waits for whom"),
    tool("editor", "Let an editor's rust-analyzer build in a lane of its own"),
    tool("completions", "Print the script by which a shell completes the command line"),
];

/// The verbs of `lane`.
pub(crate) static LANE: &[Verb] = &[
    verb(
        "list",
        Kind::Own(list::list),
        "List the lanes of every worktree",
        "FREES is what goes when that lane alone goes: what it shares with others stays. COSTS \
         estimates the work to make that again. DIFFERS names the inputs of the lane key that are \
         not today's: such a lane is used again when they are. The features are compared with none \
         being selected.",
    )
    .options(|command| command.arg(flag("json", "Print JSON"))),
    verb(
        "new",
        Kind::Own(worktree::new),
        "Make a worktree with a warm lane, and print its path",
        "It lies beside the repository, has a branch of its own name, and takes \
         `.cargo/local.toml` along: cd \"$(cargo xtask lane new fix)\"",
    )
    .options(|command| {
        let branch =
            "Name of the branch, instead of the worktree's; an existing one is checked out";
        quiet(command)
            .arg(name("Name of the worktree: it lies in `../<repository>-<name>`"))
            .arg(revision("from", "Begin at this commit instead of HEAD"))
            .arg(option("branch", "BRANCH", branch).conflicts_with("detach"))
            .arg(flag("detach", "Without a branch"))
            .arg(option("path", "PATH", "Put it there").value_parser(value_parser!(PathBuf)))
    }),
    verb(
        "fork",
        Kind::Own(fork::fork),
        "Fill this builder's lane from another one",
        "Every unit that cargo would make the same is linked or copied; the rest is left to \
         cargo. The first build in an empty lane does this by itself.",
    )
    .options(|command| {
        let from = "From this lane or worktree, instead of the one that suits best";
        let explain = "Print what would happen to this package's units and why; change nothing";
        quiet(dry_run(command))
            .arg(option("from", "DIR", from).value_parser(value_parser!(PathBuf)))
            .arg(option("explain", "PACKAGE", explain))
    }),
    verb(
        "remove",
        Kind::Own(remove::remove),
        "Remove a worktree and its lanes",
        "Not where work would be lost: files that are in no commit, commits that no branch has, \
         submodules, and other repositories or worktrees inside. Its branch stays.",
    )
    .options(|command| {
        command
            .arg(name("Name or path of the worktree"))
            .arg(flag("force", "Remove it even if work is lost"))
    }),
    verb(
        "run",
        Kind::Own(agent::lane_run),
        "Run a command, such as an agent, whose cargo builds in its own lane",
        "If there is a worktree of this name, as `lane new` makes them, the command runs in it, \
         and its lane is the worktree's `target/`. Otherwise it runs in the current directory, as \
         the agent of this name (AGENT_ID), and its lane is in `.lanes/`. One line says which.\n\n\
         The command's `cargo` is cargo, with every option, alias and subcommand, except that it \
         builds in the lane and that the first build forks another one. Other workspaces, \
         CARGO_TARGET_DIR and --target-dir are left alone. Without a command, your shell runs.\n\n\
         cargo xtask lane run fix-parser --new -- my-agent --its-option",
    )
    .options(|command| {
        let command_to_run = Arg::new("command").value_name("COMMAND").last(true).num_args(0..);
        place(command, true).arg(
            command_to_run
                .help("What to run [default: $SHELL]")
                .value_parser(value_parser!(OsString)),
        )
    }),
    verb(
        "env",
        Kind::Own(agent::lane_env),
        "Print what a shell evaluates to work as a command of `lane run` does",
        "For the shell in $SHELL, if none is named.\n\n\
         sh:         eval \"$(cargo xtask lane env fix-parser)\"\n\
         fish:       cargo xtask lane env fix-parser | source\n\
         PowerShell: cargo xtask lane env fix-parser --shell powershell |\n            \
         Out-String | Invoke-Expression\n\n\
         The way back is `lane env --unset` in the same manner; the directory stays.",
    )
    .options(|command| {
        let unset = flag("unset", "Print what undoes it");
        let shell = option("shell", "SHELL", "For this shell");
        place(command, false)
            .arg(unset.conflicts_with_all(["name", "new", "worktree", "agent"]))
            .arg(shell.value_parser(["sh", "fish", "powershell"]))
            .group(clap::ArgGroup::new("what").args(["name", "unset"]).required(true))
    }),
    tool("hook", "Have git warm every new worktree"),
    tool("status", "Show who builds what, and who waits for whom"),
    tool("which", "Tell from which sources a program was built, and by whom"),
    tool("verify", "Show that a forked lane equals one built from scratch"),
    tool("bench", "Measure what multilane adds to a cargo that has nothing to do"),
];

fn flag(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).action(ArgAction::SetTrue).help(help)
}

fn option(name: &'static str, value: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).value_name(value).help(help)
}

/// A revision for git, which would take one that begins with a dash for an option.
fn revision(name: &'static str, help: &'static str) -> Arg {
    option(name, "REV", help).value_parser(|text: &str| match text.strip_prefix('-') {
        Some(_) => Err("a revision does not begin with a dash"),
        None => Ok(text.to_owned()),
    })
}

fn name(help: &'static str) -> Arg {
    Arg::new("name")
        .value_name("NAME")
        .required(true)
        .value_parser(NonEmptyStringValueParser::new())
        .help(help)
}

fn dry_run(command: Command) -> Command {
    command.arg(flag("dry-run", "Print what would be done, don't do it"))
}

fn quiet(command: Command) -> Command {
    command.arg(flag("quiet", "Print nothing but errors").short('q'))
}

/// What counts as changed.
fn changed(command: Command) -> Command {
    let base = "Compare with the merge base of this commit instead of the main branch's";
    command
        .arg(flag("dependents", "Add the packages that depend on the changed ones"))
        .arg(revision("base", base))
}

/// The same for verbs that take all packages unless asked.
fn changed_if_affected(command: Command) -> Command {
    let affected = "Only the packages that changed, as `check-fast` finds them";
    changed(command.arg(flag("affected", affected)))
        .mut_arg("dependents", |arg| arg.requires("affected"))
        .mut_arg("base", |arg| arg.requires("affected"))
}

/// Where a builder works.
fn place(command: Command, is_required: bool) -> Command {
    let new = flag("new", "Make the worktree if there is none, as `lane new` does");
    command
        .arg(name("Name of a worktree or, where there is none, of an agent").required(is_required))
        .arg(new.conflicts_with("agent"))
        .arg(flag("worktree", "Only a worktree; fail if there is none").conflicts_with("agent"))
        .arg(flag("agent", "An agent in the current directory, even if there is such a worktree"))
}

//! What can be asked for: a table of the verbs, each with its help, and a file for each family of
//! them.

pub(crate) mod affected;
pub(crate) mod agent;
pub(crate) mod build;
pub(crate) mod cargo;
pub(crate) mod ci;
pub(crate) mod clean;
pub(crate) mod cranelift;
pub(crate) mod fork;
pub(crate) mod list;
pub mod run;
pub(crate) mod surroundings;
pub(crate) mod test;
pub mod worktree;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::builder::NonEmptyStringValueParser;
use clap::{Arg, ArgAction, ArgMatches, Command};

use crate::project::Session;

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

/// Who answers, and to which words.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    /// To our options; what else is typed goes to cargo.
    Cargo(fn(Session, &ArgMatches, Vec<OsString>) -> anyhow::Result<ExitCode>),
    /// To our options alone.
    Own(fn(Session, &ArgMatches) -> anyhow::Result<ExitCode>),
    /// It has verbs of its own.
    Group(fn() -> Vec<Verb>),
    /// `multilane-tools`
    Tools,
}

const fn verb(name: &'static str, about: &'static str, more: &'static str, kind: Kind) -> Verb {
    Verb { name, about, more, options: |command| command, kind }
}

/// Those of `multilane-tools`; a test there holds these lines to its own help.
const fn tool(name: &'static str, about: &'static str) -> Verb {
    verb(name, about, "", Kind::Tools)
}

impl Verb {
    const fn options(self, options: fn(Command) -> Command) -> Verb {
        Verb { options, ..self }
    }

    /// With its options, for parsing and help.
    pub(crate) fn command(&self) -> Command {
        let command = styled(Command::new(self.name)).about(self.about);
        let command = if self.more.is_empty() {
            command
        } else {
            command.long_about(format!("{}\n\n{}", self.about, self.more))
        };
        let command = (self.options)(command);
        match self.kind {
            Kind::Cargo(_) => command.override_usage(usage(self.name)).after_help(
                "All other options go to cargo as they are typed: see `cargo help build` or the command's own help.",
            ),
            _ => command,
        }
    }

    /// With the verbs below it.
    pub(crate) fn tree(&self) -> Command {
        match self.kind {
            Kind::Group(verbs) => self
                .command()
                .subcommand_required(true)
                .arg_required_else_help(true)
                .subcommands(verbs().iter().map(Verb::tree)),
            _ => self.command(),
        }
    }
}

fn usage(name: &str) -> String {
    format!("{name} [OPTIONS] [CARGO OPTIONS] [-- ARGS]")
}

fn styled(command: Command) -> Command {
    command.max_term_width(80)
}

/// The command line above all verbs.
pub(crate) fn root(called: &'static str) -> Command {
    styled(Command::new(called))
        .bin_name(called)
        .version(env!("CARGO_PKG_VERSION"))
        .about("Build one workspace with many builders at once")
        .long_about(
            "Build one workspace with many builders at once\n\n\
             Every builder has a lane, a target directory that it uses alone: the worktree's own `target/`, or, where AGENT_ID \
             is set, `.lanes/<agent>/<key>/`. So no builder waits for another's file lock.",
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
pub(crate) fn all() -> Vec<Verb> {
    vec![
        verb(
            "build",
            "Build what MODE says: dev, test or release",
            "The same as `build-dev`, `build-test` or `build-release`, for scripts that choose by environment.",
            Kind::Cargo(build::build),
        )
        .options(|command| dry_run(command).arg(option("mode", "MODE", "What to build, instead of MODE").value_parser(build::MODES))),
        verb(
            "build-dev",
            "Build for the edit loop: `cargo build`",
            "Profile `dev`: compiles fastest, and back-traces have lines. For a debugger: --profile debugging\n\n\
             Profile `cranelift`, with Cranelift instead of LLVM, where `[workspace.metadata.multilane.cranelift]` asks for it \
             and the toolchain is a nightly with that component (not yet tried with the real component).",
            Kind::Cargo(build::build_dev),
        )
        .options(dry_run),
        verb(
            "build-test",
            "Build the test executables without running them: `cargo test --no-run`",
            "",
            Kind::Cargo(build::build_test),
        )
        .options(dry_run),
        verb(
            "build-release",
            "Build what users run: `cargo build --release`",
            "To see it in a profiler: --profile profiling",
            Kind::Cargo(build::build_release),
        )
        .options(dry_run),
        verb("check", "Find errors without generating code: `cargo check`", "", Kind::Cargo(build::check)).options(dry_run),
        verb(
            "check-fast",
            "Check the packages that changed",
            "Changed means: since the merge base with the main branch, and what is uncommitted or untracked. A change to the \
             lockfile, the root manifest, the toolchain file or `.cargo/` affects all packages; so does a checkout without \
             git. A file also affects the packages that name it by a relative path.",
            Kind::Cargo(build::check_fast),
        )
        .options(|command| changed(dry_run(command))),
        verb(
            "test",
            "Run the tests",
            "With nextest where `cargo-nextest` is on PATH, then the doctests, which nextest leaves out; otherwise with `cargo \
             test`. Filters mean the same either way. What follows `--` goes to the test executables: `-- --exact`, `-- \
             --ignored`. Where nextest does not know such an option, `cargo test` runs.",
            Kind::Cargo(test::test),
        )
        .options(|command| changed_if_affected(dry_run(command))),
        verb(
            "clippy",
            "Lint: `cargo clippy`",
            "What follows `--` goes to clippy: `clippy -- --deny warnings`",
            Kind::Cargo(build::clippy),
        )
        .options(|command| changed_if_affected(dry_run(command))),
        verb("fmt", "Format all packages: `cargo fmt --all`", "", Kind::Cargo(build::fmt)).options(dry_run),
        verb("run", "Build a program and run it: `cargo run`", "What follows `--` goes to the program.", Kind::Cargo(build::run))
            .options(dry_run),
        verb(
            "clean",
            "Delete this builder's lane",
            "A lane in which somebody builds is never deleted. The build of xtask itself stays. The next build may fork \
             another lane again; plain `cargo build` would begin from nothing. With one of cargo's options, such as --package \
             or --release, only that part goes, as with `cargo clean`.",
            Kind::Cargo(clean::clean),
        )
        .options(|command| dry_run(command).arg(flag("all", "All lanes of this worktree that are not in use, agents' lanes as well"))),
        verb(
            "ci",
            "Do what continuous integration does: formatting, lints, tests",
            "The whole workspace, `--locked`, warnings denied. Stops at the first step that fails.",
            Kind::Own(ci::ci),
        )
        .options(|command| quiet(dry_run(command)).arg(flag("keep-going", "Do all steps, even if one fails"))),
        verb("lane", "Manage lanes", "", Kind::Group(lane)),
        verb(
            "cargo",
            "Run any cargo command in this builder's lane",
            "`cargo doc --no-deps`, `cargo +nightly build`, `cargo nextest run`",
            Kind::Cargo(cargo::cargo),
        )
        .options(|command| dry_run(command).disable_help_flag(true)),
        tool("adopt", "Bring multilane into an existing workspace"),
        tool("init", "Make a clone of the template a project of your own"),
        tool("setup", "Make plain cargo and plain git warm in this clone"),
        tool("doctor", "Diagnose slow or broken build setups"),
        tool("install-tools", "Install what makes builds quicker here"),
        tool("analyze", "Find what builds spend their time on, and what to change first"),
        tool("editor", "Let an editor's rust-analyzer build in a lane of its own"),
        tool("completions", "Print the script by which a shell completes the command line"),
    ]
}

/// The verbs of `lane`.
fn lane() -> Vec<Verb> {
    vec![
        verb(
            "list",
            "List the lanes of every worktree",
            "DIFFERS names the inputs of the lane key that are not today's: such a lane is used again when they are. The \
             features are compared with none being selected.",
            Kind::Own(list::list),
        )
        .options(|command| command.arg(flag("json", "Print JSON"))),
        verb(
            "new",
            "Make a worktree with a warm lane, and print its path",
            "It lies beside the repository, has a branch of its own name, and takes `.cargo/local.toml` along: \
             cd \"$(cargo xtask lane new fix)\"",
            Kind::Own(worktree::new),
        )
        .options(|command| {
            quiet(command)
                .arg(name("Name of the worktree: it lies in `../<repository>-<name>`"))
                .arg(option("from", "REV", "Begin at this commit instead of HEAD"))
                .arg(
                    option("branch", "BRANCH", "Name of the branch, instead of the worktree's; one that exists is checked out")
                        .conflicts_with("detach"),
                )
                .arg(flag("detach", "Without a branch"))
                .arg(option("path", "PATH", "Put it there").value_parser(clap::value_parser!(std::path::PathBuf)))
        }),
        verb(
            "fork",
            "Fill this builder's lane from another one",
            "Every unit that cargo would make the same is linked or copied; the rest is left to cargo. The first build in an \
             empty lane does this by itself. In a lane that has units, those that are missing are added.",
            Kind::Own(fork::fork),
        )
        .options(|command| {
            quiet(dry_run(command))
                .arg(
                    option("from", "DIR", "From this lane or worktree, instead of the one that suits best")
                        .value_parser(clap::value_parser!(std::path::PathBuf)),
                )
                .arg(option("explain", "PACKAGE", "Print what would happen to this package's units and why; change nothing"))
        }),
        verb(
            "remove",
            "Remove a worktree and its lanes",
            "Not where work would be lost: uncommitted changes, or commits that no branch has. Its branch stays.",
            Kind::Own(worktree::remove),
        )
        .options(|command| {
            command
                .arg(name("Name or path of the worktree"))
                .arg(flag("force", "Remove it even if work is lost"))
        }),
        verb(
            "run",
            "Run a command, such as a coding agent, whose cargo builds in a lane of its own",
            "If there is a worktree of this name, as `lane new` makes them, the command runs in it, and its lane is the \
             worktree's `target/`. Otherwise it runs in the current directory, as the agent of this name (AGENT_ID), and its \
             lane is in `.lanes/`. One line says which of the two.\n\n\
             The command's `cargo` is cargo, except that it builds in the lane and that the first build forks another one: with \
             every option, alias and subcommand; in other workspaces it is nothing but cargo. Where CARGO_TARGET_DIR is set, or \
             --target-dir given, that counts. Without a command, your shell runs.\n\n\
             cargo xtask lane run fix-parser --new -- my-agent --its-option",
            Kind::Own(agent::lane_run),
        )
        .options(|command| {
            place(command, true).arg(
                Arg::new("command")
                    .value_name("COMMAND")
                    .help("What to run [default: $SHELL]")
                    .last(true)
                    .num_args(0..)
                    .value_parser(clap::value_parser!(OsString)),
            )
        }),
        verb(
            "env",
            "Print what a shell evaluates to work as a command of `lane run` does",
            "eval \"$(cargo xtask lane env fix-parser)\"; in fish: cargo xtask lane env fix-parser | source; in PowerShell: \
             cargo xtask lane env fix-parser --shell powershell | Out-String | Invoke-Expression\n\n\
             The way back is `lane env --unset` in the same manner; the directory stays.",
            Kind::Own(agent::lane_env),
        )
        .options(|command| {
            place(command, false)
                .arg(flag("unset", "Print what undoes it").conflicts_with_all(["name", "new", "worktree", "agent"]))
                .arg(
                    option("shell", "SHELL", "For this shell [default: the one in $SHELL]")
                        .value_parser(["sh", "fish", "powershell"]),
                )
                .group(clap::ArgGroup::new("what").args(["name", "unset"]).required(true))
        }),
        tool("hook", "Have git warm every new worktree"),
        tool("verify", "Show that a forked lane equals one built from scratch"),
        tool("bench", "Measure what multilane adds to a cargo that has nothing to do"),
    ]
}

fn flag(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).action(ArgAction::SetTrue).help(help)
}

fn option(name: &'static str, value: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).value_name(value).help(help)
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
    command.arg(flag("dependents", "Add the packages that depend on the changed ones")).arg(option(
        "base",
        "REV",
        "Compare with the merge base of this commit instead of the main branch's",
    ))
}

/// The same for verbs that take all packages unless asked.
fn changed_if_affected(command: Command) -> Command {
    changed(
        command.arg(flag("affected", "Only the packages that changed, as `check-fast` finds them")),
    )
    .mut_arg("dependents", |arg| arg.requires("affected"))
    .mut_arg("base", |arg| arg.requires("affected"))
}

/// Where a builder works.
fn place(command: Command, is_required: bool) -> Command {
    command
        .arg(name("Name of a worktree or, where there is none, of an agent").required(is_required))
        .arg(
            flag("new", "Make the worktree if there is none, as `lane new` does")
                .conflicts_with("agent"),
        )
        .arg(flag("worktree", "Only a worktree; fail if there is none").conflicts_with("agent"))
        .arg(flag("agent", "An agent in the current directory, even if there is such a worktree"))
}

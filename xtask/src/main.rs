//! The project's own commands. `multilane` has the rest: `cargo xtask --help`.
//!
//! To add a verb: a function here, and its command line in `main`.

use std::process::ExitCode;

use clap::{Arg, ArgMatches, Command};
use xshell::{Shell, cmd};

fn main() -> ExitCode {
    multilane::Cli::new().verb(lines_command(), lines).main()
}

fn lines_command() -> Command {
    Command::new("lines")
        .about("Count the lines of the project's own crates")
        .arg(Arg::new("folder").default_value("crates").help("Where to count"))
}

/// An example of a verb. Replace it by one that this project needs: a release, a code generator, a
/// deployment.
fn lines(args: &ArgMatches) -> anyhow::Result<ExitCode> {
    let folder = args.get_one::<String>("folder").expect("it has a default");
    let sh = Shell::new()?;
    let files = cmd!(sh, "git ls-files -- {folder}/*.rs").quiet().read()?;
    let mut total = 0;
    for file in files.lines() {
        let count = sh.read_file(file)?.lines().count();
        println!("{count:>7} {file}");
        total += count;
    }
    println!("{total:>7} in all");
    Ok(ExitCode::SUCCESS)
}

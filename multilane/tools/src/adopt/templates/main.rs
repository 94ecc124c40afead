//! The project's own commands. `multilane` has the rest: `cargo xtask --help`.
//!
//! To add one: a function that does it, and its command line in `main`. It is then listed in
//! `--help`, and shells complete it.

use clap::{Arg, ArgMatches, Command};
use xshell::{Shell, cmd};

fn main() -> std::process::ExitCode {
    let lines = Command::new("lines")
        .about("Count the lines of Rust in each package")
        .arg(Arg::new("folder").default_value(".").help("Only below this folder"));
    multilane::Cli::new().verb(lines, count_lines).main()
}

/// An example. Replace it by what this project needs: a release, generated code, a deployment.
fn count_lines(args: &ArgMatches) -> anyhow::Result<std::process::ExitCode> {
    let folder = args.get_one::<String>("folder").expect("it has a default");
    let sh = Shell::new()?;
    let files = cmd!(sh, "git ls-files -- {folder}").quiet().read()?;
    let mut packages = std::collections::BTreeMap::<&str, usize>::new();
    for file in files.lines().filter(|file| file.ends_with(".rs")) {
        let package = file.split_once("/src/").map_or(".", |(package, _)| package);
        *packages.entry(package).or_default() += sh.read_file(file)?.lines().count();
    }
    for (package, lines) in &packages {
        println!("{lines:>7} {package}");
    }
    println!("{:>7} in all", packages.values().sum::<usize>());
    Ok(std::process::ExitCode::SUCCESS)
}

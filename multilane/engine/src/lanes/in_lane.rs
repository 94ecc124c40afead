//! Where in a command line, that cargo will read, the lane goes.

use std::ffi::OsString;

use super::{Lane, Owner};
use crate::cargo_line::CargoLine;
use crate::process::step::Step;

/// Who reads what follows the command.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    Own,
    /// `[alias]` of cargo's configuration; also where it gives another meaning to one of cargo's
    /// own short names.
    Alias,
    /// A program `cargo-<command>`.
    External,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Placement {
    Nowhere,
    /// `--target-dir`, behind this many words of the command.
    FlagAfter(usize),
    /// `--config`, in front of the command.
    Configuration,
    /// An external program gets no `--config` from cargo; the variable is all that it and the cargo
    /// it may start see.
    ConfigurationAndVariable,
}

/// The same command line with the lane in it.
pub fn in_lane(line: CargoLine, lane: &Lane, kind: Kind) -> Step {
    let placement = placement(&line, lane, kind);
    let known = line.known().filter(|_| kind != Kind::Alias);
    let builds = may_build(&line, kind);
    // Executables that are only built say nothing on stdout.
    let reports = known.is_some_and(|known| known.reports_units)
        || (known.is_some() && line.command == "test" && line.has(&["--no-run"]));
    let runner = runner(&line, lane, kind);
    let CargoLine { toolchain, before, command, words, rest } = line;

    let mut args = Vec::new();
    if matches!(placement, Placement::Configuration | Placement::ConfigurationAndVariable) {
        args.extend(lane.config_flags());
    }
    args.extend(before);
    args.extend((!command.is_empty()).then(|| command.into()));
    let flags_at = if let Placement::FlagAfter(count) = placement { count } else { 0 };
    let mut words = words.into_iter();
    args.extend(words.by_ref().take(flags_at));
    if matches!(placement, Placement::FlagAfter(_)) {
        args.extend(lane.flags());
    }
    args.extend(words);

    let mut step = Step::cargo(args).toolchain(toolchain).rest(rest);
    step.env = lane.environment();
    step.builds = builds;
    step.runner = runner;
    if placement == Placement::ConfigurationAndVariable {
        const VARIABLE: &str = "CARGO_BUILD_TARGET_DIR";
        step.env.retain(|(name, _)| name != VARIABLE);
        step = step.with_env(VARIABLE, lane.dir.clone().into());
    }
    if reports { step.counted() } else { step }
}

/// The runner for tests, where they are run and the line has none.
fn runner(line: &CargoLine, lane: &Lane, kind: Kind) -> Option<OsString> {
    let runs_tests = match line.command.as_str() {
        "test" | "t" | "bench" => true,
        "nextest" => line.words.iter().any(|word| word == "run" || word == "r"),
        _ => false,
    } && !line.has(&["--no-run"]);
    let has_runner = line.values("--config", None).iter().any(|config| config.contains("runner"));
    let is_there = runs_tests && !has_runner && kind != Kind::Alias;
    let runner = lane.runner.as_ref().filter(|_| is_there && lane.owner != Owner::Worktree)?;
    // A list: cargo would take a string apart at its spaces.
    Some(format!("target.'cfg(all())'.runner=[{}]", super::toml_path(runner)).into())
}

/// `cargo <command> <words>` in a lane.
pub fn step(command: &[&str], lane: &Lane, words: Vec<OsString>) -> Step {
    let line = command.iter().map(OsString::from).chain(words).collect();
    in_lane(CargoLine::parse(line), lane, Kind::Own).uncounted()
}

/// Whether it may compile something, so that a warm lane is worth having. Only they know what an
/// alias or another program does; formatting compiles nothing, and everybody calls it.
pub fn may_build(line: &CargoLine, kind: Kind) -> bool {
    match kind {
        Kind::Own => line.known().is_some_and(|known| known.builds) && !line.is_question(),
        Kind::Alias | Kind::External => line.command != "fmt",
    }
}

fn placement(line: &CargoLine, lane: &Lane, kind: Kind) -> Placement {
    let is_placed = matches!(lane.owner, Owner::Worktree) || line.value("--target-dir").is_some();
    if is_placed || !line.concerns_lane() {
        return Placement::Nowhere;
    }
    if kind == Kind::Alias {
        return Placement::Configuration;
    }
    if line.command == "nextest" {
        // The inner command takes the flag, if it is one that builds.
        const INNER: [&str; 3] = ["run", "list", "archive"];
        let inner = line.words.iter().position(|arg| INNER.iter().any(|inner| arg == inner));
        return inner.map_or(Placement::Nowhere, |inner| Placement::FlagAfter(inner + 1));
    }
    match kind {
        _ if line.known().is_some_and(|known| known.takes_target_dir) => Placement::FlagAfter(0),
        Kind::External => Placement::ConfigurationAndVariable,
        Kind::Own | Kind::Alias => Placement::Configuration,
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::path::Path;

    use super::*;
    use crate::lanes::{Agent, Detours, KeyInputs};

    fn parse(line: &str) -> CargoLine {
        CargoLine::parse(line.split_whitespace().map(OsString::from).collect())
    }

    #[track_caller]
    fn check(line: &str, expected: &str) {
        let agent =
            Agent::from_environment(Some(OsStr::new("a"))).expect("a name").expect("an agent");
        let lane =
            Lane::of_agent(Path::new("/l"), &agent, KeyInputs::default(), Detours::default());
        let lane = Lane { dir: "LANE".into(), runner: Some("RUNNER".into()), ..lane };
        let kind = match parse(line).command.as_str() {
            "external" => Kind::External,
            "my-alias" | "r" => Kind::Alias,
            _ => Kind::Own,
        };
        assert_eq!(in_lane(parse(line), &lane, kind).to_string(), expected);
    }

    #[test]
    fn the_lane_goes_where_the_command_reads_it() {
        check("build", "cargo build --target-dir LANE");
        check("+nightly -q build -p x -- y", "cargo +nightly -q build --target-dir LANE -p x -- y");
        check(
            "--config a=1 t",
            "cargo --config a=1 t --target-dir LANE --config 'target.'\\''cfg(all())'\\''.runner=[\"RUNNER\"]'",
        );
        check(
            "nextest run x",
            "cargo nextest run --target-dir LANE x --config 'target.'\\''cfg(all())'\\''.runner=[\"RUNNER\"]'",
        );
        check(
            "test x -- y",
            "cargo test --target-dir LANE x --config 'target.'\\''cfg(all())'\\''.runner=[\"RUNNER\"]' -- y",
        );
        check("test --no-run", "cargo test --target-dir LANE --no-run");
        let config = "--config target.x.runner=1";
        check(&format!("test {config}"), &format!("cargo test --target-dir LANE {config}"));
        check(
            "nextest --no-pager list -p a",
            "cargo nextest --no-pager list --target-dir LANE -p a",
        );
        check("nextest show-config version", "cargo nextest show-config version");
        check("r x", "cargo --config 'build.target-dir=\"LANE\"' r x");
        check("metadata", "cargo --config 'build.target-dir=\"LANE\"' metadata");
        check("my-alias -x", "cargo --config 'build.target-dir=\"LANE\"' my-alias -x");
        check("--version", "cargo --version");
        check("build --target-dir other", "cargo build --target-dir other");
        check("--config build.target-dir=x build", "cargo --config build.target-dir=x build");
        check("install x", "cargo install x");
        check("install --path .", "cargo --config 'build.target-dir=\"LANE\"' install --path .");
        check("xtask build", "cargo xtask build");
        check("build --help", "cargo build --help");
        check(
            "external -x",
            "env CARGO_BUILD_TARGET_DIR=LANE cargo --config 'build.target-dir=\"LANE\"' external -x",
        );
    }

    #[test]
    fn a_step_can_be_pasted() {
        let agent =
            Agent::from_environment(Some(OsStr::new("a 1"))).expect("a name").expect("an agent");
        let detours = Detours { build_dir: true, variables: vec!["CARGO_TARGET_DIR"] };
        let lane = Lane::of_agent(Path::new("/l"), &agent, KeyInputs::default(), detours);
        let lane = Lane { dir: "/w/it's/.lanes/a 1/2c34ce1df23b".into(), ..lane };
        let mut line = parse("build --package core -- --exact");
        line.rest.push(OsString::new());
        expect_test::expect![[r#"env -u CARGO_TARGET_DIR cargo build --target-dir '/w/it'\''s/.lanes/a 1/2c34ce1df23b' --config 'build.build-dir="/w/it'\''s/.lanes/a 1/2c34ce1df23b"' --package core -- --exact ''"#]]
            .assert_eq(&in_lane(line, &lane, Kind::Own).to_string());
    }

    #[test]
    fn a_package_that_is_named_like_a_command_builds_nothing() {
        let lane = Lane::none();
        let builds = |line: &str| in_lane(parse(line), &lane, Kind::Own).builds;
        assert!(builds("build") && builds("t --lib") && builds("build --target-dir x"));
        assert!(!builds("tree -p test") && !builds("config get build") && !builds("build --help"));
    }
}

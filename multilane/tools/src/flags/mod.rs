//! The command line: every verb and option with its help. Data only; what a verb does is in its own
//! file.

#[cfg(feature = "upkeep")]
pub(crate) mod analyze;
#[cfg(feature = "upkeep")]
pub(crate) mod doctor;
#[cfg(feature = "upkeep")]
pub(crate) mod lane;
#[cfg(feature = "upkeep")]
pub(crate) mod project;
#[cfg(test)]
mod reference;
#[cfg(feature = "upkeep")]
pub(crate) mod tools;
#[cfg(feature = "upkeep")]
pub(crate) mod tree;

use std::ffi::OsString;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use multilane_engine::cargo_line::{self, CargoLine};

#[derive(Parser)]
#[command(version, disable_help_subcommand = true)]
pub(crate) struct Tools {
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

#[derive(Subcommand)]
pub(crate) enum Verb {
    Adopt(crate::adopt::Adopt),
    Init(crate::init::Init),
    #[cfg(feature = "upkeep")]
    #[command(flatten)]
    Upkeep(Upkeep),
}

/// What is of use once a project is there.
#[cfg(feature = "upkeep")]
#[derive(Subcommand)]
pub(crate) enum Upkeep {
    Setup(project::Setup),
    Doctor(doctor::Doctor),
    InstallTools(tools::InstallTools),
    Analyze(analyze::Analyze),
    Gc(crate::gc::Gc),
    Editor(project::Editor),
    Completions(project::Completions),
    #[command(hide = true)]
    Complete(project::Complete),
    Top(Top),
    #[command(subcommand)]
    Lane(Lane),
}

/// Watch who builds what, and who waits for whom
///
/// What `lane status` shows, once a second, until ctrl-c.
#[derive(Args)]
pub(crate) struct Top {}

/// Manage lanes
#[cfg(feature = "upkeep")]
#[derive(Subcommand)]
pub(crate) enum Lane {
    Hook(lane::LaneHook),
    Verify(lane::LaneVerify),
    Status(lane::LaneStatus),
    Which(lane::LaneWhich),
    Bench(lane::Bench),
}

/// cargo's own options and what follows `--`, of a verb that takes them. They are not declared:
/// [`Tools::parse_words`] finds them among the words and puts them there.
#[derive(Args, Clone, Default)]
pub(crate) struct CargoWords {
    #[arg(last = true, value_name = "ARGS", hide = true)]
    cargo: Vec<OsString>,
}

impl CargoWords {
    pub(crate) fn line(&self) -> CargoLine {
        CargoLine::new("build", self.cargo.clone())
    }

    /// The options whose names are wanted, short or long as they were typed, with their values.
    pub(crate) fn only(&self, is_wanted: impl Fn(&str) -> bool) -> Vec<OsString> {
        let mut words = self.line().words.into_iter();
        let mut found = Vec::new();
        while let Some(word) = words.next() {
            let text = word.to_string_lossy().into_owned();
            let name = match text.split_once('=') {
                Some((name, _)) if name.starts_with("--") => name,
                None if text.starts_with("--") => &text,
                _ => text.get(..2).unwrap_or(&text),
            };
            let value = if cargo_line::takes_value(&text) { words.next() } else { None };
            if is_wanted(name) {
                found.push(word);
                found.extend(value);
            }
        }
        found
    }
}

impl Tools {
    /// `words` without the program's name. `called` is what the user types in front of them.
    pub(crate) fn parse_words(
        called: &'static str,
        mut words: Vec<OsString>,
    ) -> Result<Tools, clap::Error> {
        let mut root = multilane::verbs::fit(Tools::command())
            .name(called)
            .bin_name(called)
            .no_binary_name(true);
        root.build();
        let mut command = &root;
        let mut depth = 0;
        while let Some(verb) = words.get(depth).and_then(|name| command.find_subcommand(name)) {
            (command, depth) = (verb, depth + 1);
        }
        if command.get_arguments().any(|argument| argument.get_id() == "cargo") {
            let (own, cargos) = multilane::split(command, words.split_off(depth));
            if !CargoLine::new("build", cargos.clone()).concerns_lane() {
                let how =
                    "it builds in a target directory of its own: leave out --target-dir and -C";
                return Err(command.clone().error(ErrorKind::ArgumentConflict, how));
            }
            words.extend(own);
            words.push("--".into());
            words.extend(cargos);
        }
        Tools::from_arg_matches(&root.try_get_matches_from(words)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split_whitespace().map(OsString::from).collect()
    }

    #[test]
    fn what_is_not_ours_is_cargos() {
        let parse = |line: &str| Tools::parse_words("cargo xtask", words(line));
        let line = "analyze timings -p a --features=x -q --an-option-of-next-year --open graph -j2";
        let Ok(Tools { verb: Verb::Upkeep(Upkeep::Analyze(flags)) }) = parse(line) else {
            panic!("it is right")
        };
        assert_eq!(flags.parts.len(), 2);
        assert!(flags.open && flags.quiet);
        let expected = words("-p a --features=x --an-option-of-next-year -j2");
        assert_eq!(flags.cargo.line().words, expected);
        assert_eq!(flags.cargo.only(|name| ["-p", "-j"].contains(&name)), words("-p a -j2"));

        let line = "lane verify --locked --dir /x -- --nocapture";
        let Ok(Tools { verb: Verb::Upkeep(Upkeep::Lane(Lane::Verify(flags))) }) = parse(line)
        else {
            panic!("it is right")
        };
        assert_eq!(flags.cargo.line().to_words(), words("build --locked -- --nocapture"));
        assert!(parse("lane verify --target-dir x").is_err());
        assert!(parse("lane bench --release").is_err());
    }

    #[test]
    fn the_command_line_is_consistent() {
        Tools::command().debug_assert();
    }

    #[test]
    fn help_fits_80_columns() {
        fn check(command: &mut clap::Command) {
            let (short, long) = (command.render_help(), command.render_long_help());
            for line in short.to_string().lines().chain(long.to_string().lines()) {
                let is_list = line.contains("[possible values: "); // It would be less clear in two.
                assert!(line.chars().count() <= 80 || is_list, "{line}");
            }
            command.get_subcommands_mut().for_each(check);
        }
        check(&mut multilane::verbs::fit(Tools::command()));
    }
}

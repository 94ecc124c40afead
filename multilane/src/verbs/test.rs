//! `test` and `ci`: with nextest where it is there, and then the doctests, which nextest leaves
//! out; otherwise with `cargo test`. The same filters mean the same either way.

use std::ffi::OsStr;
use std::process::ExitCode;

use super::affected::{self, Changed};
use super::run::{self, Options};
use super::{Answer, Call};
use multilane_engine::cargo_line::CargoLine;
use multilane_engine::lanes::Lane;
use multilane_engine::lanes::in_lane::{Kind, in_lane};
use multilane_engine::process::step::{Recipe, Step};
use multilane_engine::project::Project;
use multilane_engine::project::packages::{self, Package, spec_matches};
use multilane_engine::project::toolchain::{self, Nextest};

pub(super) fn test(call: Call) -> Answer {
    let changed = Changed::if_asked(&call.own);
    let (project, options, line) = run::begin("test", call)?;
    // Neither `cargo test` nor nextest knows cargo's name for it.
    let line = line.renamed(&[("--keep-going", "--no-fail-fast")]);
    let Some(line) = affected::narrow_if_asked(&project, &options, changed, line)? else {
        return Ok(ExitCode::SUCCESS);
    };
    let nextest = toolchain::nextest(&project.session.env, &project.repo);
    let has_doctests = nextest.is_some() && has_doctests(&project, &line);

    let entered = run::enter(&project, &options, &line)?;
    // As `cargo test` does: the doctests are run even if other tests have failed.
    let keep_going = line.has(&["--no-fail-fast"]);
    let steps = steps(line, &entered.lane, nextest, has_doctests);
    run::carry_out(&project, &options, &entered, Recipe { steps, keep_going })
}

/// What continuous integration does, in one command that also runs at home.
pub(super) fn ci(call: Call) -> Answer {
    let line = |words: &str| CargoLine::parse(words.split(' ').map(Into::into).collect());
    let own = call.own;
    let project = run::open(call.session, &CargoLine::default())?;
    // A log that is read afterwards has to say which step it is in.
    let options =
        Options { dry_run: own.get_flag("dry-run"), quiet: own.get_flag("quiet"), verbose: true };
    let clippy = line("clippy --workspace --all-targets --locked -- --deny warnings");
    let tests = line("test --workspace --locked --no-fail-fast");
    let nextest = toolchain::nextest(&project.session.env, &project.repo);
    let has_doctests = has_doctests(&project, &tests);

    let entered = run::enter(&project, &options, &tests)?;
    let mut steps = vec![
        in_lane(line("fmt --all --check"), &Lane::none(), Kind::Own), // It builds nothing.
        in_lane(clippy, &entered.lane, Kind::Own),
    ];
    steps.extend(self::steps(tests, &entered.lane, nextest, has_doctests));
    let keep_going = own.get_flag("keep-going");
    run::carry_out(&project, &options, &entered, Recipe { steps, keep_going })
}

/// Whether there are doctests in what `line` selects. Where cargo cannot tell, it is asked to run
/// them and will say why not.
fn has_doctests(project: &Project, line: &CargoLine) -> bool {
    let Ok(packages) = packages::read(&project.sh, &project.session.env, &project.repo.root) else {
        return true;
    };
    let within = packages
        .iter()
        .filter(|package| {
            project.repo.inside.starts_with(&package.dir) && package.dir != project.repo.root
        })
        .max_by_key(|package| package.dir.as_os_str().len());
    let excluded = line.values("--exclude", None);
    selects_doctests(&packages, &line.packages(), &excluded, line.selects_workspace(), within)
}

/// `has_doctests`: whether a library among the selected packages has them; `cargo test --doc` fails
/// where none has.
fn steps(line: CargoLine, lane: &Lane, nextest: Option<Nextest>, has_doctests: bool) -> Vec<Step> {
    let line = with_filters_behind(line);
    let is_special = line.has(&["--doc", "--no-run"]);
    let Some(nextest) = nextest.filter(|_| !is_special && line.rest.iter().all(|arg| knows(arg)))
    else {
        return vec![in_lane(line, lane, Kind::Own)];
    };

    let mut for_nextest = nextest_line(&line);
    // `cargo test` is content with finding none; a filter may match doctests alone.
    for_nextest.words.push("--no-tests=pass".into());
    let step = in_lane(for_nextest, lane, Kind::Own);
    // nextest's own report goes to stderr.
    let mut steps =
        vec![if nextest.tells_units { step.counted_as("--cargo-message-format") } else { step }];
    if has_doctests && !line.selects_targets() {
        steps.push(in_lane(line.and("--doc"), lane, Kind::Own));
    }
    steps
}

/// Behind `--` the names of tests mean the same to all. In front of it, `cargo test` takes one and
/// leaves out the doctests, and nextest's `--exact` does not apply.
fn with_filters_behind(mut line: CargoLine) -> CargoLine {
    let names = line.take_positional();
    line.rest.splice(0..0, names);
    line
}

/// nextest uses some of cargo's names for its own options.
fn nextest_line(line: &CargoLine) -> CargoLine {
    const NAMES: [(&str, &str); 9] = [
        ("--profile", "--cargo-profile"),
        ("--jobs", "--build-jobs"),
        ("-j", "--build-jobs"),
        ("--message-format", "--cargo-message-format"),
        ("--quiet", "--cargo-quiet"),
        ("-q", "--cargo-quiet"),
        ("--verbose", "--cargo-verbose"),
        ("-v", "--cargo-verbose"),
        ("-vv", "--cargo-verbose"),
    ];
    CargoLine { command: "nextest".to_owned(), ..line.clone().renamed(&NAMES) }.with(["run"])
}

/// Whether nextest knows an option of libtest's ("emulated test binary arguments" in its help).
fn knows(arg: &OsStr) -> bool {
    const KNOWN: [&str; 6] =
        ["--exact", "--ignored", "--include-ignored", "--no-capture", "--nocapture", "--skip"];
    let arg = arg.to_string_lossy();
    !arg.starts_with('-') || KNOWN.contains(&&*arg) || arg.starts_with("--skip=")
}

/// Whether one of the packages that the flags select has doctests. `named` and `excluded` are the
/// values of `--package` and `--exclude`; `within` is the package in whose directory the user
/// stands.
fn selects_doctests(
    packages: &[Package],
    named: &[String],
    excluded: &[String],
    workspace: bool,
    within: Option<&Package>,
) -> bool {
    let is_selected = |package: &&Package| {
        if !named.is_empty() {
            named.iter().any(|spec| spec_matches(spec, &package.name))
        } else if workspace {
            !excluded.iter().any(|spec| spec_matches(spec, &package.name))
        } else {
            within.map_or(package.is_default, |within| within.name == package.name)
        }
    };
    packages.iter().filter(is_selected).any(|package| package.has_doctests)
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use expect_test::{Expect, expect};

    use super::*;

    #[track_caller]
    fn check(words: &str, nextest: bool, expected: Expect) {
        let line = CargoLine::new("test", words.split_whitespace().map(OsString::from).collect());
        let nextest = nextest.then_some(Nextest { tells_units: true });
        let steps = steps(line, &Lane::none(), nextest, true);
        expected.assert_eq(&steps.iter().map(Step::to_string).collect::<Vec<_>>().join("\n"));
    }

    #[test]
    fn nextest_then_doctests() {
        check(
            "--package a --profile release -j 2 one two -- --exact",
            true,
            expect![[r#"
                cargo nextest run --package a --cargo-profile release --build-jobs 2 --no-tests=pass -- one two --exact
                cargo test --package a --profile release -j 2 --doc -- one two --exact"#]],
        );
    }

    #[test]
    fn without_nextest_cargo_test_does_both() {
        check(
            "--package a one two -- --exact",
            false,
            expect!["cargo test --package a -- one two --exact"],
        );
    }

    #[test]
    fn an_option_that_no_cargo_has_yet_stays_where_it_is() {
        check("--new value -p a one", false, expect!["cargo test --new value -p a -- one"]);
        check("--new=value one", false, expect!["cargo test --new=value -- one"]);
    }

    #[test]
    fn what_nextest_does_not_know_goes_to_cargo_test() {
        check("one -- --test-threads=1", true, expect!["cargo test -- one --test-threads=1"]);
    }

    #[test]
    fn a_selection_of_targets_leaves_out_doctests() {
        check("--lib", true, expect!["cargo nextest run --lib --no-tests=pass"]);
    }

    #[test]
    fn doctests_alone() {
        check("--doc a", true, expect!["cargo test --doc -- a"]);
    }

    #[test]
    fn building_only() {
        check("--no-run", true, expect!["cargo test --no-run"]);
    }
}

//! How the tests are run: with nextest where it is there, and then the doctests, which nextest leaves out; otherwise
//! with `cargo test`. The same filters mean the same either way.

use std::ffi::OsString;

use crate::facts::packages::Package;
use crate::facts::tools::Nextest;
use crate::plan::lane::Lane;
use crate::plan::recipe::Step;

/// What was asked for.
pub(crate) struct Request {
    /// cargo's flags, in `cargo test`'s spelling.
    pub(crate) flags: Vec<OsString>,
    pub(crate) filters: Vec<OsString>,
    /// What stands after `--`: for the test executables.
    pub(crate) rest: Vec<OsString>,
    pub(crate) no_run: bool,
    pub(crate) no_fail_fast: bool,
    /// `--doc`: doctests alone.
    pub(crate) doc: bool,
    /// `--lib`, `--test x` and the like, which leave out doctests.
    pub(crate) selects_targets: bool,
}

/// `has_doctests`: whether a library among the selected packages has them; `cargo test --doc` fails where none has.
pub(crate) fn steps(
    request: Request,
    lane: &Lane,
    nextest: Option<Nextest>,
    has_doctests: bool,
) -> Vec<Step> {
    if request.doc {
        return vec![doctests(request, lane)];
    }
    let nextest = nextest.filter(|_| !request.no_run);
    let Some((nextest, rest)) = nextest.zip(for_nextest(&request.rest)) else {
        return vec![cargo_test(request, lane)];
    };

    let mut flags = with_nextest_names(&request.flags);
    // `cargo test` is content with finding none; a filter may match doctests alone.
    flags.push("--no-tests=pass".into());
    if request.no_fail_fast {
        flags.push("--no-fail-fast".into());
    }
    let mut names = request.filters.clone();
    names.extend(rest);
    let step = Step::cargo(&["nextest", "run"], lane, flags).rest(names);
    // nextest's own report goes to stderr.
    let mut steps = vec![if nextest.tells_units { step.counted_as("--cargo-message-format") } else { step }];
    if has_doctests && !request.selects_targets {
        steps.push(doctests(request, lane));
    }
    steps
}

fn cargo_test(request: Request, lane: &Lane) -> Step {
    let mut flags = request.flags;
    if request.no_run {
        // Nothing runs, so stdout is free to tell about units.
        flags.push("--no-run".into());
        return Step::cargo(&["test"], lane, flags)
            .rest(all_filters(request.filters, request.rest))
            .counted();
    }
    if request.no_fail_fast {
        flags.push("--no-fail-fast".into());
    }
    Step::cargo(&["test"], lane, flags).rest(all_filters(request.filters, request.rest))
}

fn doctests(request: Request, lane: &Lane) -> Step {
    let mut flags = request.flags;
    flags.push("--doc".into());
    if request.no_fail_fast {
        flags.push("--no-fail-fast".into());
    }
    Step::cargo(&["test"], lane, flags).rest(all_filters(request.filters, request.rest))
}

/// libtest takes any number of names after `--`; `cargo test` itself takes one.
fn all_filters(mut filters: Vec<OsString>, rest: Vec<OsString>) -> Vec<OsString> {
    filters.extend(rest);
    filters
}

/// nextest uses some of cargo's names for its own options.
fn with_nextest_names(flags: &[OsString]) -> Vec<OsString> {
    const NAMES: [(&str, &str); 5] = [
        ("--profile", "--cargo-profile"),
        ("--jobs", "--build-jobs"),
        ("--message-format", "--cargo-message-format"),
        ("--quiet", "--cargo-quiet"),
        ("--verbose", "--cargo-verbose"),
    ];
    let renamed = |flag: &OsString| {
        let new = NAMES.iter().find(|(cargo, _)| flag == *cargo);
        new.map_or_else(|| flag.clone(), |(_, nextest)| nextest.into())
    };
    flags.iter().map(renamed).collect()
}

/// Names and options for nextest, which knows some of libtest's options ("emulated test binary arguments" in its help).
/// `None` where one is not among them: then `cargo test` runs.
fn for_nextest(rest: &[OsString]) -> Option<Vec<OsString>> {
    const KNOWN: [&str; 6] =
        ["--exact", "--ignored", "--include-ignored", "--no-capture", "--nocapture", "--skip"];
    let is_known = |arg: &OsString| {
        let arg = arg.to_string_lossy();
        !arg.starts_with('-') || KNOWN.contains(&arg.as_ref()) || arg.starts_with("--skip=")
    };
    rest.iter().all(is_known).then(|| rest.to_vec())
}

/// Whether one of the packages that the flags select has doctests. `named` and `excluded` are the values of `--package` and
/// `--exclude`; `within` is
/// the package in whose directory the user stands.
pub(crate) fn selects_doctests(
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

/// A package ID specification (`name`, `name@1.0`, a URL) or a pattern, as `--package` and `--exclude` take them.
pub(super) fn spec_matches(spec: &str, name: &str) -> bool {
    // A URL ends in `#name` or `#name@version`, or in the directory, which is most often the name.
    let spec = spec.rsplit(['#', '/']).next().unwrap_or(spec);
    let spec = spec.split('@').next().unwrap_or(spec);
    glob_matches(spec.as_bytes(), name.as_bytes())
}

/// `*` and `?`, and `[…]` as any one character: a package more costs an empty run of doctests, one less would lose them.
fn glob_matches(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern, name) {
        ([], []) => true,
        ([b'*', rest @ ..], _) => {
            glob_matches(rest, name) || (!name.is_empty() && glob_matches(pattern, &name[1..]))
        }
        ([b'?', rest @ ..], [_, name @ ..]) => glob_matches(rest, name),
        ([b'[', rest @ ..], [_, name @ ..]) => {
            let end = rest.iter().position(|&c| c == b']').map_or(rest.len(), |end| end + 1);
            glob_matches(&rest[end..], name)
        }
        ([c, rest @ ..], [first, name @ ..]) if c == first => glob_matches(rest, name),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use expect_test::{Expect, expect};

    use super::*;
    use crate::plan::lane::Owner;

    fn request(flags: &str, filters: &str, rest: &str) -> Request {
        let words = |text: &str| text.split_whitespace().map(OsString::from).collect::<Vec<_>>();
        Request {
            flags: words(flags),
            filters: words(filters),
            rest: words(rest),
            no_run: false,
            no_fail_fast: false,
            doc: false,
            selects_targets: false,
        }
    }

    #[track_caller]
    fn check(request: Request, nextest: bool, expected: Expect) {
        let lane = Lane { dir: PathBuf::from("/w/target"), owner: Owner::Worktree };
        let nextest = nextest.then_some(Nextest { tells_units: true });
        let steps = steps(request, &lane, nextest, true);
        expected.assert_eq(&steps.iter().map(Step::to_string).collect::<Vec<_>>().join("\n"));
    }

    #[test]
    fn nextest_then_doctests() {
        check(
            request("--package a --profile release --jobs 2", "one two", "--exact"),
            true,
            expect![[r#"
                cargo nextest run --package a --cargo-profile release --build-jobs 2 --no-tests=pass -- one two --exact
                cargo test --package a --profile release --jobs 2 --doc -- one two --exact"#]],
        );
    }

    #[test]
    fn without_nextest_cargo_test_does_both() {
        check(
            request("--package a", "one two", "--exact"),
            false,
            expect!["cargo test --package a -- one two --exact"],
        );
    }

    #[test]
    fn what_nextest_does_not_know_goes_to_cargo_test() {
        check(request("", "one", "--test-threads=1"), true, expect!["cargo test -- one --test-threads=1"]);
    }

    #[test]
    fn a_selection_of_targets_leaves_out_doctests() {
        let request = Request { selects_targets: true, ..request("--lib", "", "") };
        check(request, true, expect!["cargo nextest run --lib --no-tests=pass"]);
    }

    #[test]
    fn doctests_alone() {
        check(Request { doc: true, ..request("", "a", "") }, true, expect!["cargo test --doc -- a"]);
    }

    #[test]
    fn specifications_and_patterns() {
        for spec in
            ["notes", "notes@1.0.0", "n*", "*", "note?", "note[st]", "path+file:///w/notes#notes@0.1.0"]
        {
            assert!(spec_matches(spec, "notes"), "{spec}");
        }
        for spec in ["note", "notes-core", "m*", "notes?"] {
            assert!(!spec_matches(spec, "notes"), "{spec}");
        }
    }

    #[test]
    fn building_only() {
        check(Request { no_run: true, ..request("", "", "") }, true, expect!["cargo test --no-run"]);
    }
}

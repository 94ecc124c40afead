//! Whether a forked lane equals one built from scratch: the results of their tests, and their
//! files.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

use crate::verify::outputs::{Likeness, Output, Role};

/// The result of each test, by its executable and its name.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Results(BTreeMap<Test, String>);

#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Test {
    /// `it-0123456789abcdef`, `Doc-tests core`
    pub(crate) executable: String,
    /// Empty for the executable as a whole.
    pub(crate) name: String,
}

/// Reads the output of `cargo test`, stdout and stderr together, line by line.
#[derive(Default)]
pub(crate) struct Transcript {
    results: Results,
    executable: String,
    /// Inside the list with which cargo ends.
    is_list_of_failures: bool,
}

impl Transcript {
    pub(crate) fn hear(&mut self, line: &str) {
        let trimmed = line.trim_start();
        if let Some((_, path)) =
            trimmed.strip_prefix("Running ").and_then(|what| what.rsplit_once(" ("))
        {
            let path = path.trim_end_matches(')');
            self.begin(path.rsplit(['/', '\\']).next().unwrap_or(path));
        } else if trimmed.starts_with("Doc-tests ") {
            self.begin(trimmed);
        } else if let Some(failure) =
            line.strip_prefix("    `").filter(|_| self.is_list_of_failures)
        {
            self.set_of(failure.trim_end_matches('`'), "", "failed");
        } else if let Some(sums) = line.strip_prefix("test result: ") {
            let (sums, _) = sums.split_once("; finished in").unwrap_or((sums, ""));
            self.set("", sums);
        } else if let Some((name, result)) =
            line.strip_prefix("test ").and_then(|test| test.rsplit_once(" ... "))
        {
            // `ignored, <reason>`, `ok <0.01s>`
            let result = result.split([',', ' ']).next().unwrap_or(result);
            self.set(name, result);
        }
        let ends_in_list = line.starts_with("error: ") && line.ends_with(" failed:");
        self.is_list_of_failures =
            ends_in_list || (self.is_list_of_failures && line.starts_with("    "));
    }

    /// How many tests have ended so far.
    pub(crate) fn count(&self) -> usize {
        self.results.count()
    }

    pub(crate) fn end(self) -> Results {
        self.results
    }

    fn begin(&mut self, executable: &str) {
        self.executable = executable.to_owned();
        // It exists and has run, even if it writes nothing that is known here.
        self.set("", "ran");
    }

    fn set(&mut self, name: &str, result: &str) {
        self.set_of(&self.executable.clone(), name, result);
    }

    fn set_of(&mut self, executable: &str, name: &str, result: &str) {
        let test = Test { executable: executable.to_owned(), name: name.to_owned() };
        self.results.0.insert(test, result.to_owned());
    }
}

impl Results {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Single tests, without the results of whole executables.
    pub(crate) fn count(&self) -> usize {
        self.0.keys().filter(|test| !test.name.is_empty()).count()
    }

    fn failed(&self) -> impl Iterator<Item = &Test> {
        self.0
            .iter()
            .filter(|(test, result)| !test.name.is_empty() && *result == "FAILED")
            .map(|(test, _)| test)
    }
}

/// The runs of the same tests in both lanes, one after the other.
#[derive(Debug, Default)]
pub(crate) struct Runs {
    pub(crate) forked: Vec<Results>,
    pub(crate) scratch: Vec<Results>,
}

impl Runs {
    /// Tests that gave different results in the two lanes, and the same in all runs of each lane.
    pub(crate) fn differing(&self) -> Vec<Differing> {
        let findings = self.tests().into_iter().filter_map(|test| {
            let (forked, scratch) = (constant(&self.forked, test)?, constant(&self.scratch, test)?);
            (forked != scratch).then(|| Differing { test: test.clone(), forked, scratch })
        });
        let mut findings: Vec<Differing> = findings.collect();
        // The sums of an executable repeat what its tests say.
        let single = findings.iter().filter(|finding| !finding.test.name.is_empty());
        let with_single: BTreeSet<String> =
            single.map(|finding| finding.test.executable.clone()).collect();
        findings.retain(|Differing { test, .. }| {
            !test.name.is_empty() || !with_single.contains(&test.executable)
        });
        findings
    }

    /// Tests whose result changed within one lane.
    pub(crate) fn flaky(&self) -> Vec<&Test> {
        let is_flaky = |test: &&Test| {
            constant(&self.forked, test).is_none() || constant(&self.scratch, test).is_none()
        };
        self.tests().into_iter().filter(is_flaky).collect()
    }

    fn tests(&self) -> BTreeSet<&Test> {
        self.forked.iter().chain(&self.scratch).flat_map(|results| results.0.keys()).collect()
    }
}

/// The result of a test if it is the same in every run; `Some(None)` where it is in none.
fn constant(runs: &[Results], test: &Test) -> Option<Option<String>> {
    let mut said = runs.iter().map(|results| results.0.get(test));
    let first = said.next()?;
    said.all(|next| next == first).then(|| first.cloned())
}

/// A test that tells the lanes apart: its result in each, `None` where it is missing.
#[derive(Debug, PartialEq)]
pub(crate) struct Differing {
    test: Test,
    forked: Option<String>,
    scratch: Option<String>,
}

impl fmt::Display for Differing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [forked, scratch] =
            [&self.forked, &self.scratch].map(|result| result.as_deref().unwrap_or("missing"));
        write!(f, "test {}: {forked} in the fork, {scratch} from scratch", self.test)
    }
}

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name.as_str() {
            "" => write!(f, "{} (as a whole)", self.executable),
            name => write!(f, "{} {name}", self.executable),
        }
    }
}

/// The packages that a second build compiles, which should have nothing to compile; `None` where
/// they are the same in both lanes.
pub(crate) fn restless(mut forked: Vec<String>, mut scratch: Vec<String>) -> Option<String> {
    forked.sort();
    scratch.sort();
    let listed = |names: &[String]| match names {
        [] => "nothing".to_owned(),
        names => names.join(", "),
    };
    (forked != scratch).then(|| {
        let (forked, scratch) = (listed(&forked), listed(&scratch));
        format!("a second build compiles {forked} in the fork, {scratch} from scratch")
    })
}

/// Whether another build from scratch has to show if the fork is to blame: the difference has
/// nothing to do with paths.
pub(crate) fn may_be_irreproducible(output: &Output) -> bool {
    output.names.is_empty()
        && output.role != Role::OfRegistry
        && matches!(output.likeness, Likeness::Other(_))
}

/// Whether cargo has no use for the file in this tree: it is of a unit with another hash. A package
/// outside the workspace has its path in the hash.
fn is_idle(output: &Output) -> bool {
    let is_of_unit =
        |part: &OsStr| [".fingerprint", "deps", "build"].iter().any(|folder| part == *folder);
    output.likeness == Likeness::Extra && output.path.iter().any(is_of_unit)
}

/// The differences between a file and one that was built from scratch.
pub(crate) fn findings_of(output: &Output) -> Vec<String> {
    const SHOWN_MAX: usize = 3;
    let path = output.path.display();
    if output.role == Role::OfRegistry {
        return Vec::new();
    }
    let names = output.names.iter().collect::<BTreeSet<_>>().into_iter().take(SHOWN_MAX);
    let names = names.map(|text| format!("{path} names the donor: …{text}"));
    let how = match &output.likeness {
        Likeness::Lacking => Some("only from scratch"),
        Likeness::Extra if !is_idle(output) => Some("only in the fork"),
        Likeness::Other(how) => Some(how.as_str()),
        _ => None,
    };
    let made_by = output.made_by.as_ref().map(|made_by| format!(" (by {made_by})"));
    let made_by = made_by.unwrap_or_default();
    names.chain(how.map(|how| format!("{path}: {how}{made_by}"))).collect()
}

/// The files of the checkout that the builds in one tree have left, and those in the other have
/// not.
pub(crate) fn only_in_one(forked: &BTreeSet<PathBuf>, scratch: &BTreeSet<PathBuf>) -> Vec<String> {
    let only = |one: &BTreeSet<PathBuf>, other: &BTreeSet<PathBuf>, where_: &str| {
        let paths = one.difference(other);
        paths.map(|path| format!("{} in the checkout: only {where_}", path.display())).collect()
    };
    let (forked_only, scratch_only): (Vec<String>, Vec<String>) =
        (only(forked, scratch, "in the fork"), only(scratch, forked, "from scratch"));
    [forked_only, scratch_only].concat()
}

/// The result, as text and as JSON.
#[derive(Serialize)]
pub(crate) struct Report {
    pub(crate) commit: String,
    pub(crate) units: Units,
    /// `None` where none were asked for.
    pub(crate) tests: Option<Tests>,
    pub(crate) files: Files,
    /// The differences between the lanes.
    pub(crate) findings: Vec<String>,
}

#[derive(Serialize)]
pub(crate) struct Units {
    pub(crate) brought: usize,
    pub(crate) left: usize,
    /// Why units were left to cargo, the most frequent reason first.
    pub(crate) reasons: Vec<String>,
    pub(crate) compiled_in_fork: usize,
    pub(crate) compiled_from_scratch: usize,
}

#[derive(Serialize)]
pub(crate) struct Tests {
    compared: usize,
    failing_in_both: usize,
    flaky: Vec<String>,
}

#[derive(Serialize)]
pub(crate) struct Files {
    compared: usize,
    same_to_the_byte: usize,
    /// They differ in bytes that no process sees.
    same_when_loaded: usize,
    of_no_use: usize,
    of_unknown_format: usize,
    /// Those that another build from scratch makes differently, too.
    irreproducible: Vec<String>,
    naming_sources_of_the_donor: Naming,
    of_registry_packages_naming_the_donor: usize,
}

/// How many files, and how many names in them.
#[derive(Serialize)]
struct Naming {
    files: usize,
    names: usize,
}

impl Tests {
    pub(crate) fn of(runs: &Runs) -> Tests {
        let last = |runs: &[Results]| -> BTreeSet<Test> {
            runs.last().into_iter().flat_map(Results::failed).cloned().collect()
        };
        Tests {
            compared: runs.scratch.first().map_or(0, Results::count),
            failing_in_both: last(&runs.forked).intersection(&last(&runs.scratch)).count(),
            flaky: runs.flaky().into_iter().map(Test::to_string).collect(),
        }
    }
}

impl Files {
    pub(crate) fn of(outputs: &[Output], irreproducible: Vec<String>) -> Files {
        let count =
            |is_one: &dyn Fn(&Output) -> bool| outputs.iter().filter(|one| is_one(one)).count();
        let are = |likeness: &[Likeness]| count(&|output| likeness.contains(&output.likeness));
        Files {
            compared: outputs.len(),
            same_to_the_byte: are(&[Likeness::Same]),
            same_when_loaded: are(&[Likeness::SameLoaded, Likeness::SameButPaths]),
            of_no_use: count(&is_idle),
            of_unknown_format: are(&[Likeness::Unknown]),
            irreproducible,
            naming_sources_of_the_donor: Naming {
                files: count(&|output| output.names_of_sources > 0),
                names: outputs.iter().map(|output| output.names_of_sources).sum(),
            },
            of_registry_packages_naming_the_donor: count(&|output| {
                output.role == Role::OfRegistry && !output.names.is_empty()
            }),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { commit, units, tests, files, findings } = self;
        let reasons = match units.reasons.as_slice() {
            [] => String::new(),
            reasons => format!(" ({})", reasons.join(", ")),
        };
        writeln!(f, "units   brought {}, left to cargo {}{reasons};", units.brought, units.left)?;
        writeln!(
            f,
            "        compiled {} in the fork, {} from scratch",
            units.compiled_in_fork, units.compiled_from_scratch
        )?;
        match tests {
            None => writeln!(f, "tests   none run")?,
            Some(Tests { compared, failing_in_both, flaky }) => {
                let count = flaky.len();
                writeln!(
                    f,
                    "tests   compared {compared}; failing in both {failing_in_both}, flaky {count}"
                )?;
                flaky.iter().try_for_each(|test| writeln!(f, "        flaky: {test}"))?;
            }
        }
        writeln!(
            f,
            "files   compared {}; the same to the byte {}, the same for a process {}",
            files.compared, files.same_to_the_byte, files.same_when_loaded
        )?;
        let Naming { names, .. } = files.naming_sources_of_the_donor;
        let notes = [
            (
                files.naming_sources_of_the_donor.files,
                format!("name sources of the donor, as places of panics: names {names}"),
            ),
            (
                files.of_registry_packages_naming_the_donor,
                "are generated by registry packages and name the donor; cargo keeps them when a \
                 target directory moves"
                    .to_owned(),
            ),
            (
                files.of_unknown_format,
                "differ, in formats whose debug information is not told apart here".to_owned(),
            ),
            (files.of_no_use, "exist only in the fork, and cargo has no use for them".to_owned()),
        ];
        for (count, note) in notes.iter().filter(|(count, _)| *count > 0) {
            writeln!(f, "        {count} {note}")?;
        }
        for path in &files.irreproducible {
            writeln!(f, "        differs at each build from scratch: {path}")?;
        }
        findings.iter().try_for_each(|finding| writeln!(f, "differs {finding}"))?;
        match findings.len() {
            0 => write!(f, "A forked lane of {commit} equals one built from scratch."),
            count => {
                write!(f, "A forked lane of {commit} differs from one built from scratch: {count}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    fn results(text: &str) -> Results {
        let mut transcript = Transcript::default();
        text.lines().for_each(|line| transcript.hear(line));
        transcript.end()
    }

    const SAID: &str = "\
     Running unittests src/lib.rs (/w/target/debug/deps/core-0123456789abcdef)

running 3 tests
test one ... ok
test two - should panic ... FAILED
test three ... ignored, not today
test of something else

test result: FAILED. 1 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s

     Running tests/own.rs (target/debug/deps/own-0123456789abcdef)
no harness
error: test failed, to rerun pass `-p core --test own`
   Doc-tests core
test src/lib.rs - here (line 3) ... ok
error: 2 targets failed:
    `-p core --lib`
    `-p core --test own`
";

    #[test]
    fn what_tests_say_is_understood() {
        let lines: Vec<String> =
            results(SAID).0.into_iter().map(|(test, result)| format!("{test}: {result}")).collect();
        expect![[r#"
            -p core --lib (as a whole): failed
            -p core --test own (as a whole): failed
            Doc-tests core (as a whole): ran
            Doc-tests core src/lib.rs - here (line 3): ok
            core-0123456789abcdef (as a whole): FAILED. 1 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out
            core-0123456789abcdef one: ok
            core-0123456789abcdef three: ignored
            core-0123456789abcdef two - should panic: FAILED
            own-0123456789abcdef (as a whole): ran"#]]
        .assert_eq(&lines.join("\n"));
    }

    fn runs(forked: &[&str], scratch: &[&str]) -> Runs {
        let read = |texts: &[&str]| texts.iter().map(|text| results(text)).collect();
        Runs { forked: read(forked), scratch: read(scratch) }
    }

    #[test]
    fn a_test_differs_if_each_lane_gives_one_result() {
        let (ok, failed) = ("test a ... ok", "test a ... FAILED");
        assert_eq!(runs(&[ok], &[ok]).differing(), []);
        assert_eq!(runs(&[failed, failed], &[ok, ok]).differing().len(), 1);
        assert_eq!(runs(&[""], &[ok]).differing().len(), 1);
        let flaky = runs(&[failed, ok], &[ok, ok]);
        assert_eq!(flaky.differing(), []);
        assert_eq!(flaky.flaky().len(), 1);
    }

    #[test]
    fn missing_files_and_second_builds_tell_lanes_apart() {
        let only = |likeness: Likeness, path: &str| {
            findings_of(&Output { path: path.into(), likeness, ..Output::default() }).len()
        };
        assert_eq!(only(Likeness::Lacking, "debug/deps/libcore-0123456789abcdef.rlib"), 1);
        assert_eq!(only(Likeness::Extra, "debug/app"), 1);
        assert_eq!(only(Likeness::Extra, "debug/deps/libcore-0123456789abcdef.rlib"), 0);

        let names = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(restless(names("a b"), names("b a")), None);
        assert!(restless(names("a"), names("")).is_some());
    }

    #[test]
    fn files_of_the_checkout_tell_lanes_apart() {
        let files = |names: &str| names.split_whitespace().map(PathBuf::from).collect();
        expect![[r#"
            a in the checkout: only in the fork
            c in the checkout: only from scratch"#]]
        .assert_eq(&only_in_one(&files("a b"), &files("b c")).join("\n"));
    }

    #[test]
    fn a_difference_is_told_with_the_code_that_made_it() {
        let output = Output {
            path: "debug/app".into(),
            likeness: Likeness::Other("x".to_owned()),
            made_by: Some("the build script of core".to_owned()),
            ..Output::default()
        };
        assert_eq!(findings_of(&output), ["debug/app: x (by the build script of core)"]);
    }

    #[test]
    fn what_a_registrys_script_has_generated_is_no_finding() {
        let output = Output {
            path: "debug/app".into(),
            names: vec!["/crates".to_owned()],
            likeness: Likeness::Other("x".to_owned()),
            ..Output::default()
        };
        assert_eq!(findings_of(&output).len(), 2);
        assert!(!may_be_irreproducible(&output));
        assert!(findings_of(&Output { role: Role::OfRegistry, ..output }).is_empty());
    }
}

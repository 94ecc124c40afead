//! Whether a forked lane can be told from one built from scratch, by what their tests have said and
//! by what they hold.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fmt;

use serde_json::{Value, json};

use crate::verify::outputs::{Likeness, Output, Role};

/// What each test has said, by its executable and its name.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Results(BTreeMap<Test, String>);

#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Test {
    /// `it-0123456789abcdef`, `Doc-tests core`
    pub(crate) executable: String,
    /// Empty for the executable as a whole.
    pub(crate) name: String,
}

/// Reads what `cargo test` writes, stdout and stderr in one, line by line.
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
        // Whatever it writes, it is there and has run.
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

    /// Single tests, not what is said of executables.
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
    /// Tests that have said different things in the two lanes, and the same in all runs of each
    /// lane.
    pub(crate) fn differing(&self) -> Vec<Finding> {
        let findings = self.tests().into_iter().filter_map(|test| {
            let (forked, scratch) = (constant(&self.forked, test)?, constant(&self.scratch, test)?);
            (forked != scratch).then(|| Finding::Test { test: test.clone(), forked, scratch })
        });
        let findings: Vec<Finding> = findings.collect();
        // The sums of an executable say the same again.
        let single = |finding: &Finding| match finding {
            Finding::Test { test, .. } if !test.name.is_empty() => Some(test.executable.clone()),
            _ => None,
        };
        let with_single: BTreeSet<String> = findings.iter().filter_map(single).collect();
        let says_more = |finding: &Finding| match finding {
            Finding::Test { test, .. } => {
                !test.name.is_empty() || !with_single.contains(&test.executable)
            }
            _ => true,
        };
        findings.into_iter().filter(says_more).collect()
    }

    /// Tests that have changed their minds within one lane.
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

/// What a test says in every run; `Some(None)` where it is in none.
fn constant(runs: &[Results], test: &Test) -> Option<Option<String>> {
    let mut said = runs.iter().map(|results| results.0.get(test));
    let first = said.next()?;
    said.all(|next| next == first).then(|| first.cloned())
}

/// Something by which the lanes can be told apart.
#[derive(Debug, PartialEq)]
pub(crate) enum Finding {
    /// What it says in each lane; `None` where it is not there.
    Test { test: Test, forked: Option<String>, scratch: Option<String> },
    /// Built again after everything was built: packages that one lane compiles and the other does
    /// not.
    Restless { forked: Vec<String>, scratch: Vec<String> },
    /// A file names the donor's tree.
    Names { path: String, text: String },
    /// A file is another one.
    Differs { path: String, how: String },
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Finding::Test { test, forked, scratch } => {
                let said = |result: &Option<String>| {
                    result.clone().unwrap_or_else(|| "not there".to_owned())
                };
                write!(
                    f,
                    "test {test}: {} in the fork, {} from scratch",
                    said(forked),
                    said(scratch)
                )
            }
            Finding::Restless { forked, scratch } => write!(
                f,
                "a second build compiles {} in the fork, {} from scratch",
                listed(forked),
                listed(scratch)
            ),
            Finding::Names { path, text } => write!(f, "{path} names the donor: …{text}"),
            Finding::Differs { path, how } => write!(f, "{path}: {how}"),
        }
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

fn listed(names: &[String]) -> String {
    if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
}

/// The packages that a build compiled which should have had nothing to compile.
pub(crate) fn restless(mut forked: Vec<String>, mut scratch: Vec<String>) -> Option<Finding> {
    forked.sort();
    scratch.sort();
    (forked != scratch).then_some(Finding::Restless { forked, scratch })
}

/// Whether it takes another build from scratch to say if the fork is to blame: the two have nothing
/// to do with paths.
pub(crate) fn may_be_irreproducible(output: &Output) -> bool {
    output.names.is_empty()
        && output.role != Role::OfRegistry
        && matches!(output.likeness, Likeness::Other(_))
}

/// Whether a file is one that cargo has no use for in this tree: that of a unit whose hash it does
/// not know. A package outside the workspace has its path in the hash.
fn is_idle(output: &Output) -> bool {
    let is_of_unit =
        |part: &OsStr| [".fingerprint", "deps", "build"].iter().any(|folder| part == *folder);
    output.likeness == Likeness::Extra && output.path.iter().any(is_of_unit)
}

/// What a file gives away.
pub(crate) fn findings_of(output: &Output) -> Vec<Finding> {
    const SHOWN_MAX: usize = 3;
    let path = output.path.display().to_string();
    if output.role == Role::OfRegistry {
        return Vec::new();
    }
    let names = output.names.iter().collect::<BTreeSet<_>>().into_iter().take(SHOWN_MAX);
    let mut findings: Vec<Finding> =
        names.map(|text| Finding::Names { path: path.clone(), text: text.clone() }).collect();
    let how = match &output.likeness {
        Likeness::Lacking => "only from scratch",
        Likeness::Extra if !is_idle(output) => "only in the fork",
        Likeness::Other(how) => how,
        _ => return findings,
    };
    findings.push(Finding::Differs { path, how: how.to_owned() });
    findings
}

/// All that was found out.
pub(crate) struct Report {
    pub(crate) commit: String,
    pub(crate) units_brought: usize,
    pub(crate) units_left: usize,
    /// Why units were left to cargo, the most frequent reason first.
    pub(crate) reasons: Vec<String>,
    pub(crate) compiled_in_fork: usize,
    pub(crate) compiled_from_scratch: usize,
    /// `None` where none were asked for.
    pub(crate) runs: Option<Runs>,
    pub(crate) outputs: Vec<Output>,
    /// Files that another build from scratch makes otherwise, too.
    pub(crate) irreproducible: Vec<String>,
    pub(crate) findings: Vec<Finding>,
}

impl Report {
    fn outputs_with(&self, likeness: &[Likeness]) -> usize {
        self.outputs.iter().filter(|output| likeness.contains(&output.likeness)).count()
    }

    /// How many files hold names of the donor's sources, and how many names.
    fn names_of_sources(&self) -> (usize, usize) {
        let with = self.outputs.iter().filter(|output| output.names_of_sources > 0);
        (with.clone().count(), with.map(|output| output.names_of_sources).sum())
    }

    fn idle(&self) -> usize {
        self.outputs.iter().filter(|output| is_idle(output)).count()
    }

    fn of_registry(&self) -> usize {
        let is_naming =
            |output: &&Output| output.role == Role::OfRegistry && !output.names.is_empty();
        self.outputs.iter().filter(is_naming).count()
    }

    fn failing_in_both(&self) -> usize {
        let last = |runs: &[Results]| -> BTreeSet<Test> {
            runs.last().into_iter().flat_map(Results::failed).cloned().collect()
        };
        self.runs
            .as_ref()
            .map_or(0, |runs| last(&runs.forked).intersection(&last(&runs.scratch)).count())
    }

    pub(crate) fn to_json(&self) -> Value {
        let (files, names) = self.names_of_sources();
        let flaky = self.runs.iter().flat_map(Runs::flaky).map(Test::to_string);
        json!({
            "commit": self.commit,
            "units": {
                "brought": self.units_brought,
                "left": self.units_left,
                "reasons": self.reasons,
                "compiled_in_fork": self.compiled_in_fork,
                "compiled_from_scratch": self.compiled_from_scratch,
            },
            "tests": self.runs.as_ref().map(|runs| json!({
                "compared": runs.scratch.first().map_or(0, Results::count),
                "failing_in_both": self.failing_in_both(),
                "flaky": flaky.collect::<Vec<_>>(),
            })),
            "files": {
                "compared": self.outputs.len(),
                "same_to_the_byte": self.outputs_with(&[Likeness::Same]),
                "of_no_use": self.idle(),
                "of_unknown_format": self.outputs_with(&[Likeness::Unknown]),
                "irreproducible": self.irreproducible,
                "naming_sources_of_the_donor": { "files": files, "names": names },
                "of_registry_packages_naming_the_donor": self.of_registry(),
            },
            "findings": self.findings.iter().map(Finding::to_string).collect::<Vec<_>>(),
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reasons = if self.reasons.is_empty() {
            String::new()
        } else {
            format!(" ({})", self.reasons.join(", "))
        };
        writeln!(
            f,
            "units   brought {}, left to cargo {}{reasons};",
            self.units_brought, self.units_left
        )?;
        writeln!(
            f,
            "        compiled {} in the fork, {} from scratch",
            self.compiled_in_fork, self.compiled_from_scratch
        )?;
        match &self.runs {
            None => writeln!(f, "tests   none run")?,
            Some(runs) => {
                let flaky = runs.flaky();
                writeln!(
                    f,
                    "tests   compared {}; failing in both {}, flaky {}",
                    runs.scratch.first().map_or(0, Results::count),
                    self.failing_in_both(),
                    flaky.len()
                )?;
                for test in flaky {
                    writeln!(f, "        flaky: {test}")?;
                }
            }
        }
        writeln!(
            f,
            "files   compared {}; the same to the byte {}, but for what no process sees {}",
            self.outputs.len(),
            self.outputs_with(&[Likeness::Same]),
            self.outputs_with(&[Likeness::SameLoaded, Likeness::SameButPaths])
        )?;
        let (files, names) = self.names_of_sources();
        if files > 0 {
            writeln!(
                f,
                "        {files} name sources of the donor where a panic would, {names} times"
            )?;
        }
        if self.of_registry() > 0 {
            writeln!(
                f,
                "        {} of what registry packages generate name the donor; cargo leaves them so when a lane moves",
                self.of_registry()
            )?;
        }
        let unknown = self.outputs_with(&[Likeness::Unknown]);
        if unknown > 0 {
            writeln!(
                f,
                "        {unknown} differ, in formats whose debug information cannot be told from the rest"
            )?;
        }
        if self.idle() > 0 {
            writeln!(f, "        {} only in the fork, which cargo has no use for", self.idle())?;
        }
        for path in &self.irreproducible {
            writeln!(f, "        another one at each build from scratch: {path}")?;
        }
        for finding in &self.findings {
            writeln!(f, "differs {finding}")?;
        }
        match self.findings.len() {
            0 => write!(
                f,
                "A forked lane of {} cannot be told from one built from scratch.",
                self.commit
            ),
            count => {
                write!(
                    f,
                    "A forked lane of {} differs from one built from scratch: {count}",
                    self.commit
                )
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
    fn a_test_differs_if_each_lane_is_of_one_mind() {
        let (ok, failed) = ("test a ... ok", "test a ... FAILED");
        assert_eq!(runs(&[ok], &[ok]).differing(), []);
        assert_eq!(runs(&[failed, failed], &[ok, ok]).differing().len(), 1);
        assert_eq!(runs(&[""], &[ok]).differing().len(), 1);
        let flaky = runs(&[failed, ok], &[ok, ok]);
        assert_eq!(flaky.differing(), []);
        assert_eq!(flaky.flaky().len(), 1);
    }

    #[test]
    fn lanes_are_told_apart_by_what_one_lacks_and_by_what_one_builds_again() {
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
    fn what_a_registrys_script_has_generated_is_no_finding() {
        let output = Output {
            path: "debug/app".into(),
            names: vec!["/crates".to_owned()],
            likeness: Likeness::Other("x".to_owned()),
            ..Output::default()
        };
        assert_eq!(findings_of(&output).len(), 2);
        assert!(!may_be_irreproducible(&output));
        assert_eq!(findings_of(&Output { role: Role::OfRegistry, ..output }), []);
    }
}

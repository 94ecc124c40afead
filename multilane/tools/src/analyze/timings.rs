//! The times that cargo has measured: the data in the page that `cargo build --timings` writes.
//!
//! The page is the one form in which stable cargo gives them away. Its data are JSON in a script;
//! its table has the rest.

use std::time::UNIX_EPOCH;

use anyhow::Context as _;
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// One build.
#[derive(Debug, Default)]
pub(crate) struct Timings {
    /// When it began, in seconds since 1970; the times of files are compared with it.
    pub(crate) began: f64,
    /// How many processes at a time.
    pub(crate) jobs: usize,
    pub(crate) profile: String,
    pub(crate) rustc: String,
    /// How many units were fresh.
    pub(crate) fresh: usize,
    /// In the order in which they began.
    pub(crate) units: Vec<Timed>,
}

/// One unit that was built.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(from = "Row")]
pub(crate) struct Timed {
    pub(crate) package: String,
    pub(crate) version: String,
    pub(crate) kind: Kind,
    pub(crate) mode: Mode,
    pub(crate) features: Vec<String>,
    /// Seconds from the build's beginning.
    pub(crate) start: f64,
    pub(crate) duration: f64,
    /// When its metadata were there, in seconds from its own start. `None` for what is linked.
    pub(crate) frontend: Option<f64>,
    /// How long the linker took, in seconds; on nightly alone.
    pub(crate) link: Option<f64>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    #[default]
    Lib,
    BuildScript,
    /// `bin`, `test`, `example` or `bench`, and its name.
    Named(String, String),
}

impl Kind {
    pub(crate) fn is(&self, kind: &str) -> bool {
        matches!(self, Kind::Named(found, _) if found == kind)
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) enum Mode {
    #[default]
    Build,
    /// With the test harness.
    Test,
    Check,
    /// Not a compiler: the build script runs.
    Run,
    Other,
}

/// A unit as cargo writes it.
#[derive(Deserialize)]
struct Row {
    name: String,
    version: String,
    target: String,
    features: Vec<String>,
    start: f64,
    duration: f64,
    /// Named `frontend`, `codegen`, `link` and `other`.
    sections: Option<Vec<(String, Section)>>,
}

#[derive(Clone, Copy, Deserialize)]
struct Section {
    start: f64,
    end: f64,
}

impl From<Row> for Timed {
    fn from(row: Row) -> Timed {
        let (kind, mode) = kind(&row.target);
        let section = |name: &str| {
            let sections = row.sections.iter().flatten();
            sections.filter(|(found, _)| found == name).map(|(_, section)| *section).next()
        };
        Timed {
            kind,
            mode,
            frontend: section("frontend").map(|section| section.end),
            link: section("link").map(|section| section.end - section.start),
            package: row.name,
            version: row.version,
            features: row.features,
            start: row.start,
            duration: row.duration,
        }
    }
}

impl Timings {
    /// # Errors
    ///
    /// When the page has another format than the one that is known: then nothing is guessed.
    pub(crate) fn read(page: &str) -> anyhow::Result<Timings> {
        Timings::parse(page).context("this cargo writes its timings in a format that is not known")
    }

    fn parse(page: &str) -> Option<Timings> {
        let mut units: Vec<Timed> = data(page, "UNIT_DATA")?;
        units.sort_by(|a, b| a.start.total_cmp(&b.start));
        // Some cargos list the fresh units too, at the beginning, as having taken no time.
        let fresh = cell(page, "Fresh units:").and_then(|text| text.parse().ok()).unwrap_or(0);
        if units.iter().take(fresh).all(|unit| unit.start == 0.0 && unit.duration == 0.0) {
            units.drain(..fresh.min(units.len()));
        }
        let (_, jobs) = cell(page, "Max concurrency:")?.split_once("jobs=")?;
        let began = humantime::parse_rfc3339(cell(page, "Build start:")?).ok()?;
        let rustc = cell(page, "rustc:").unwrap_or_default();
        Some(Timings {
            began: began.duration_since(UNIX_EPOCH).ok()?.as_secs_f64(),
            jobs: jobs.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()?,
            profile: cell(page, "Profile:").unwrap_or_default().to_owned(),
            rustc: rustc.split('<').next().unwrap_or_default().to_owned(),
            fresh,
            units,
        })
    }

    /// When the last unit ended, in seconds from the beginning.
    pub(crate) fn total(&self) -> f64 {
        self.units.iter().map(Timed::end).fold(0.0, f64::max)
    }
}

impl Timed {
    pub(crate) fn end(&self) -> f64 {
        self.start + self.duration
    }

    /// `serde`, `notes (program notes)`.
    pub(crate) fn title(&self) -> String {
        let Timed { package, kind, mode, .. } = self;
        match (kind, mode) {
            (Kind::BuildScript, Mode::Run) => format!("{package} (build script, run)"),
            (Kind::BuildScript, _) => format!("{package} (build script)"),
            (Kind::Lib, Mode::Test) => format!("{package} (unit tests)"),
            (Kind::Lib, _) => package.clone(),
            (Kind::Named(kind, name), Mode::Test) if kind == "bin" => {
                format!("{package} (unit tests of {name})")
            }
            (Kind::Named(kind, name), _) => match kind.as_str() {
                "bin" => format!("{package} (program {name})"),
                "bench" => format!("{package} (benchmark {name})"),
                kind => format!("{package} ({kind} {name})"),
            },
        }
    }
}

/// The value of a script's constant. `serde_json` finds where it ends.
fn data<T: DeserializeOwned>(page: &str, name: &str) -> Option<T> {
    let (_, rest) = page.split_once(&format!("const {name} = "))?;
    serde_json::Deserializer::from_str(rest).into_iter().next()?.ok()
}

/// What stands beside `name` in the table at the top.
fn cell<'a>(page: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = page.split_once(&format!(">{name}</td>"))?;
    let (_, rest) = rest.split_once("<td>")?;
    Some(rest.split_once("</td>")?.0.trim())
}

/// `` a library, ` build-script (run)`, ` rg "bin" (test)`, ` lib (test)`.
fn kind(target: &str) -> (Kind, Mode) {
    let (target, mode) = match target.trim_end().strip_suffix(')') {
        Some(target) => target.rsplit_once('(').unwrap_or((target, "")),
        None => (target, ""),
    };
    let mode = match mode {
        "" => Mode::Build,
        "test" => Mode::Test,
        "run" => Mode::Run,
        "check" | "check-test" => Mode::Check,
        _ => Mode::Other,
    };
    let mut parts = target.split('"').map(str::trim);
    let name = parts.next().unwrap_or_default();
    let kind = match parts.next() {
        Some(kind) => Kind::Named(kind.to_owned(), name.to_owned()),
        None if name.starts_with("build") => Kind::BuildScript,
        None => Kind::Lib,
    };
    (kind, mode)
}

/// The engine's own is in its tests alone.
#[cfg(test)]
#[path = "../../../engine/src/files/mutate.rs"]
mod mutate;

#[cfg(test)]
mod tests {
    use super::mutate::mutations;
    use super::*;

    #[test]
    fn what_a_unit_is_stands_behind_its_name() {
        let named = |kind: &str, name: &str| Kind::Named(kind.into(), name.into());
        let cases = [
            ("", Kind::Lib, Mode::Build),
            (" lib (test)", Kind::Lib, Mode::Test),
            (" build-script", Kind::BuildScript, Mode::Build),
            (" build-script (run)", Kind::BuildScript, Mode::Run),
            (" rg \"bin\"", named("bin", "rg"), Mode::Build),
            (" rg \"bin\" (test)", named("bin", "rg"), Mode::Test),
            (" it \"test\" (test)", named("test", "it"), Mode::Test),
            (" lib (check)", Kind::Lib, Mode::Check),
        ];
        for (text, expected_kind, expected_mode) in cases {
            assert_eq!(kind(text), (expected_kind, expected_mode), "{text}");
        }
    }

    #[test]
    fn a_page_of_another_make_is_refused() {
        assert!(Timings::read("<html></html>").is_err());
        assert!(Timings::read("const UNIT_DATA = [{}];").is_err());
    }

    #[test]
    fn any_page_is_borne() {
        let page = r#"<td>Fresh units:</td><td>1</td><td>Max concurrency:</td><td>4 (jobs=2 ncpu=2)</td>
            <td>Build start:</td><td>2026-01-02T03:04:05Z</td><td>rustc:</td><td>rustc 1.95<br>x</td>
            const UNIT_DATA = [{"i":0,"name":"a","version":"1.0.0","mode":"todo","target":" a \"bin\" (test)",
            "start":0.1,"duration":1.5,"unlocked_units":[1],"sections":[["frontend",{"start":0,"end":1}]]}];"#;
        mutations(page.as_bytes(), |page| {
            _ = Timings::read(&String::from_utf8_lossy(page)).map(|timings| timings.total());
        });
    }
}

//! What cargo has measured: the data in the page that `cargo build --timings` writes.
//!
//! The page is the one form in which stable cargo gives them away. Its data are JSON in a script;
//! its table has the rest.

use anyhow::{Context as _, bail};
use serde_json::Value;

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
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Timed {
    pub(crate) package: String,
    pub(crate) version: String,
    pub(crate) kind: Kind,
    pub(crate) mode: Mode,
    pub(crate) features: Vec<String>,
    /// Seconds from the build's beginning.
    pub(crate) start: f64,
    pub(crate) duration: f64,
    /// When others could begin with its metadata, in seconds from its own start. Nobody says so of
    /// what is linked.
    pub(crate) frontend: Option<f64>,
    /// Of its end, what the linker took; nightly alone tells.
    pub(crate) link: Option<f64>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    #[default]
    Lib,
    BuildScript,
    Bin(String),
    Test(String),
    Example(String),
    Bench(String),
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

impl Timings {
    /// # Errors
    ///
    /// When the page is not as we know it: then nothing is guessed.
    pub(crate) fn read(page: &str) -> anyhow::Result<Timings> {
        let unknown = "this cargo writes its timings in another way than we know";
        if cell(page, "Error:").is_some() {
            bail!("the build failed, so there is nothing to analyze");
        }
        let units = data(page, "UNIT_DATA").context(unknown)?;
        let units = units.as_array().context(unknown)?.iter().map(timed).collect::<Option<_>>();
        let mut units: Vec<Timed> = units.context(unknown)?;
        units.sort_by(|a, b| a.start.total_cmp(&b.start));
        // Some cargos list the fresh units too, at the beginning, as having taken no time.
        let count = |name| cell(page, name).and_then(|text| text.parse().ok()).unwrap_or(0);
        let fresh = count("Fresh units:");
        if units.iter().take(fresh).all(|unit| unit.start == 0.0 && unit.duration == 0.0) {
            units.drain(..fresh.min(units.len()));
        }

        let concurrency = cell(page, "Max concurrency:").context(unknown)?;
        let (_, jobs) = concurrency.split_once("jobs=").context(unknown)?;
        let jobs = jobs.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
        Ok(Timings {
            began: cell(page, "Build start:").and_then(unix_seconds).context(unknown)?,
            jobs: jobs.parse().context(unknown)?,
            profile: cell(page, "Profile:").unwrap_or_default().to_owned(),
            rustc: cell(page, "rustc:")
                .unwrap_or_default()
                .split('<')
                .next()
                .unwrap_or_default()
                .to_owned(),
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

    /// As one would say it: `serde 1.0.228`, `notes (bin "notes")`.
    pub(crate) fn title(&self) -> String {
        let Timed { package, kind, mode, .. } = self;
        match (kind, mode) {
            (Kind::BuildScript, Mode::Run) => format!("{package} (build script, run)"),
            (Kind::BuildScript, _) => format!("{package} (build script)"),
            (Kind::Lib, Mode::Test) => format!("{package} (unit tests)"),
            (Kind::Lib, _) => package.clone(),
            (Kind::Bin(name), Mode::Test) => format!("{package} (unit tests of {name})"),
            (Kind::Bin(name), _) => format!("{package} (program {name})"),
            (Kind::Test(name), _) => format!("{package} (test {name})"),
            (Kind::Example(name), _) => format!("{package} (example {name})"),
            (Kind::Bench(name), _) => format!("{package} (benchmark {name})"),
        }
    }
}

/// The value of a script's constant. `serde_json` finds where it ends.
fn data(page: &str, name: &str) -> Option<Value> {
    let (_, rest) = page.split_once(&format!("const {name} = "))?;
    serde_json::Deserializer::from_str(rest).into_iter().next()?.ok()
}

/// What stands beside `name` in the table at the top.
fn cell<'a>(page: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = page
        .split_once(&format!("<td>{name}</td>"))
        .or_else(|| page.split_once(&format!(">{name}</td>")))?;
    let (_, rest) = rest.split_once("<td>")?;
    Some(rest.split_once("</td>")?.0.trim())
}

fn timed(unit: &Value) -> Option<Timed> {
    let (kind, mode) = kind(unit["target"].as_str()?);
    // `[name, { start, end }]`, named frontend, codegen, link, other.
    let section = |name: &str| {
        let sections = unit["sections"].as_array()?;
        let section = sections.iter().find(|section| section[0] == *name)?;
        Some((section[1]["start"].as_f64()?, section[1]["end"].as_f64()?))
    };
    Some(Timed {
        package: unit["name"].as_str()?.to_owned(),
        version: unit["version"].as_str()?.to_owned(),
        kind,
        mode,
        features: strings(&unit["features"]),
        start: unit["start"].as_f64()?,
        duration: unit["duration"].as_f64()?,
        frontend: section("frontend").map(|(_, end)| end),
        link: section("link").map(|(start, end)| end - start),
    })
}

pub(crate) fn strings(value: &Value) -> Vec<String> {
    value
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|text| Some(text.as_str()?.to_owned()))
        .collect()
}

/// `` a library, ` build-script (run)`, ` rg "bin" (test)`, ` lib (test)`.
fn kind(target: &str) -> (Kind, Mode) {
    let target = target.trim();
    let (target, mode) = match target.strip_suffix(')').and_then(|target| target.rsplit_once('(')) {
        Some((target, mode)) => (target.trim(), mode),
        None => (target, ""),
    };
    let mode = match mode {
        "" => Mode::Build,
        "test" => Mode::Test,
        "run" => Mode::Run,
        "check" | "check-test" => Mode::Check,
        _ => Mode::Other,
    };
    let name = || target.split('"').next().unwrap_or_default().trim().to_owned();
    let kind = match target.split('"').nth(1) {
        Some("bin") => Kind::Bin(name()),
        Some("test") => Kind::Test(name()),
        Some("example") => Kind::Example(name()),
        Some("bench") => Kind::Bench(name()),
        _ if target.starts_with("build-script") || target.starts_with("build script") => {
            Kind::BuildScript
        }
        _ => Kind::Lib,
    };
    (kind, mode)
}

/// Of `2026-11-26T00:47:09.080334356Z`.
fn unix_seconds(text: &str) -> Option<f64> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let numbers = |text: &str, separator| -> Option<Vec<f64>> {
        text.split(separator).map(|part| part.parse().ok()).collect()
    };
    let [year, month, day] = numbers(date, '-')?.try_into().ok()?;
    let [hours, minutes, seconds] = numbers(time, ':')?.try_into().ok()?;
    // Days since 1970, from a year that begins in March (Howard Hinnant, "days_from_civil").
    let (year, month) = if month <= 2.0 { (year - 1.0, month + 9.0) } else { (year, month - 3.0) };
    let leap_days = (year / 4.0).floor() - (year / 100.0).floor() + (year / 400.0).floor();
    let days =
        year * 365.0 + leap_days + ((153.0 * month + 2.0) / 5.0).floor() + day - 1.0 - 719_468.0;
    Some(days * 86400.0 + hours * 3600.0 + minutes * 60.0 + seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_is_read_as_cargo_writes_it() {
        assert_eq!(unix_seconds("1970-01-01T00:00:00Z"), Some(0.0));
        assert_eq!(unix_seconds("2024-02-29T12:00:00.5Z"), Some(1_709_208_000.5));
        assert_eq!(unix_seconds("2026-11-26T00:47:09.25Z"), Some(1_795_654_029.25));
        assert_eq!(unix_seconds("yesterday"), None);
    }

    #[test]
    fn what_a_unit_is_stands_behind_its_name() {
        let cases = [
            ("", Kind::Lib, Mode::Build),
            (" lib (test)", Kind::Lib, Mode::Test),
            (" build-script", Kind::BuildScript, Mode::Build),
            (" build-script (run)", Kind::BuildScript, Mode::Run),
            (" rg \"bin\"", Kind::Bin("rg".into()), Mode::Build),
            (" rg \"bin\" (test)", Kind::Bin("rg".into()), Mode::Test),
            (" it \"test\" (test)", Kind::Test("it".into()), Mode::Test),
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
}

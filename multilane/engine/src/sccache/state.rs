//! What is remembered of the shared cache: which sccache is used, and how far it works at present.

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::json::Json;
use crate::project::toolchain::Version;
use crate::sccache::variables::CacheReach;

/// The oldest sccache that has what is needed: a Redis that is only read.
pub const VERSION_MIN: Version = Version(0, 16, 0);

/// The sccache that was found on `PATH`, as the wrapper's folder remembers it.
#[derive(Clone, Debug, PartialEq)]
pub struct SccacheProgram {
    pub path: PathBuf,
    /// Size and time of the file: another program differs in them.
    pub state: String,
    /// Why it cannot be used.
    pub problem: Option<String>,
}

impl SccacheProgram {
    /// Three lines. The last one is empty where there is no problem.
    pub(super) fn to_text(&self) -> String {
        let problem = self.problem.as_deref().unwrap_or_default();
        format!("{}\n{}\n{problem}\n", self.path.display(), self.state)
    }

    pub(super) fn from_text(text: &str) -> Option<SccacheProgram> {
        let mut lines = text.lines();
        Some(SccacheProgram {
            path: lines.next()?.into(),
            state: lines.next()?.to_owned(),
            problem: lines.next().filter(|line| !line.is_empty()).map(str::to_owned),
        })
    }
}

/// Why a program that answers this to `--version` cannot be used.
pub(super) fn problem_with(answer: Option<&str>) -> Option<String> {
    let Some(answer) = answer else { return Some("it does not answer `--version`".to_owned()) };
    let version = answer.trim().strip_prefix("sccache ").and_then(Version::first_in);
    match version {
        None => Some("its answer to `--version` is not that of sccache".to_owned()),
        Some(version) if version < VERSION_MIN => {
            Some(format!("`{}` is older than {VERSION_MIN}", answer.trim()))
        }
        Some(_) => None,
    }
}

/// How far the cache works, as a trial or a failure has shown.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct CacheState {
    pub(super) reach: CacheReach,
    /// What is wrong, where it reaches less far than it could.
    pub(super) problem: Option<String>,
    pub(super) until: SystemTime,
}

const REACHES: [(CacheReach, &str); 3] =
    [(CacheReach::All, "all"), (CacheReach::Local, "local"), (CacheReach::Off, "off")];

impl CacheState {
    /// How long a state is valid. A failure costs its time limit once in that time.
    pub(super) const VALID_FOR: Duration = Duration::from_secs(600);

    pub(super) fn new(reach: CacheReach, problem: Option<String>, now: SystemTime) -> CacheState {
        CacheState { reach, problem, until: now + CacheState::VALID_FOR }
    }

    /// After `reach` has failed in the middle of a build.
    pub(super) fn after_failure(reach: CacheReach, problem: String, now: SystemTime) -> CacheState {
        let rest = if reach == CacheReach::All { CacheReach::Local } else { CacheReach::Off };
        CacheState::new(rest, Some(problem), now)
    }

    pub(super) fn to_text(&self) -> String {
        let until = self.until.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let name = REACHES.iter().find(|(reach, _)| *reach == self.reach).map(|(_, name)| *name);
        let fields = [
            ("reach", name.into()),
            ("problem", self.problem.as_ref().into()),
            ("until", until.into()),
        ];
        Json::object(fields).to_string()
    }

    pub(super) fn from_text(text: &str) -> Option<CacheState> {
        let value = Json::read(text.as_bytes())?;
        let (reach, _) =
            REACHES.into_iter().find(|(_, name)| value["reach"].as_str() == Some(name))?;
        let until = UNIX_EPOCH.checked_add(Duration::from_secs(value["until"].as_u64()?))?;
        Some(CacheState { reach, problem: value["problem"].as_str().map(str::to_owned), until })
    }

    /// Invalid after its time, and if the clock was put back.
    pub(super) fn is_valid(&self, now: SystemTime) -> bool {
        self.until.duration_since(now).is_ok_and(|left| left <= CacheState::VALID_FOR)
    }

    /// One line for a build that could use more of the cache.
    pub(super) fn warning(&self, now: SystemTime) -> Option<String> {
        let problem = self.problem.as_ref()?;
        let minutes = self.until.duration_since(now).unwrap_or_default().as_secs().div_ceil(60);
        let part = match self.reach {
            CacheReach::All | CacheReach::Remote => return None,
            CacheReach::Local => "the remote part of the shared cache",
            CacheReach::Off => "the shared cache",
        };
        Some(format!("{part} is not used for {minutes} min: {problem}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::mutate::mutations;
    use crate::sccache::tally::CacheCounts;

    #[test]
    fn a_failure_is_remembered_for_a_while() {
        let now = UNIX_EPOCH + Duration::from_secs(1_000_000);
        let failed = CacheState::after_failure(CacheReach::All, "it is gone".to_owned(), now);
        assert_eq!(failed.reach, CacheReach::Local);
        let local = CacheState::after_failure(CacheReach::Local, String::new(), now);
        assert_eq!(local.reach, CacheReach::Off);
        assert_eq!(CacheState::from_text(&failed.to_text()), Some(failed.clone()));
        assert_eq!(CacheState::from_text("rubbish"), None);
        let hour = Duration::from_secs(3600);
        assert!(failed.is_valid(now) && !failed.is_valid(now + hour));
        assert!(!failed.is_valid(now - hour), "the clock was put back");
        let warning = failed.warning(now + Duration::from_secs(61)).expect("something is wrong");
        assert_eq!(
            warning,
            "the remote part of the shared cache is not used for 9 min: it is gone"
        );
        assert_eq!(CacheState::new(CacheReach::Local, None, now).warning(now), None);
    }

    #[test]
    fn an_old_or_unknown_program_is_not_used() {
        let old = Some("`sccache 0.4.0` is older than 0.16.0".to_owned());
        for (answer, expected) in
            [("sccache 0.16.0\n", None), ("sccache 1.0.0-rc\n", None), ("sccache 0.4.0\n", old)]
        {
            let problem = problem_with(Some(answer));
            assert_eq!(problem, expected);
            let program =
                SccacheProgram { path: "/bin/sccache".into(), state: "1 2".to_owned(), problem };
            assert_eq!(SccacheProgram::from_text(&program.to_text()), Some(program));
        }
        assert!(problem_with(Some("hello")).is_some() && problem_with(None).is_some());
    }

    #[test]
    fn any_bytes_are_borne() {
        let state = CacheState::new(CacheReach::Local, Some("it is slow".to_owned()), UNIX_EPOCH);
        mutations(state.to_text().as_bytes(), |text| {
            let text = String::from_utf8_lossy(text);
            let state = CacheState::from_text(&text);
            _ = state.map(|state| (state.is_valid(UNIX_EPOCH), state.warning(UNIX_EPOCH)));
            _ = SccacheProgram::from_text(&text);
        });
        let stats = br#"{"stats":{"compile_requests":7,"cache_hits":{"counts":{"Rust":3,"C":4}}}}"#;
        mutations(stats, |text| {
            let text = String::from_utf8_lossy(text);
            _ = CacheCounts::of_server(&text);
        });
    }
}

//! What the code of a lane's builds has asked git. git writes it down itself where a variable says
//! so (api-trace2 in its documentation; since 2.22), whichever program has started it. So a script
//! that asks for the commit and for nothing else need not run again because of a new branch.
//!
//! ```text
//! <lane>/.git-asked     what each git says of itself, in lines of JSON
//! ```
//!
//! Nothing is written down of builds of plain cargo, nor of code that reads `.git` itself or by a
//! library (`AsksGit::Unseen`).

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::environment::Environment;
use crate::files;
use crate::json::Json;
use crate::project::git_dir;

const FILE: &str = ".git-asked";

/// Where a git finds the name of the file.
pub const VARIABLE: &str = "GIT_TRACE2_EVENT";

/// The variable for a build that begins in the lane. `None` where the user has set it, or nothing
/// can be written. A file that has grown large is begun anew: then nothing is known of what was
/// built before.
pub fn variable(lane: &Path, env: &Environment) -> Option<(String, PathBuf)> {
    const LEN_MAX: u64 = 1 << 20;
    let file = lane.join(FILE);
    if env.get(VARIABLE).is_some() || !file.is_absolute() {
        return None;
    }
    let opened = open(&file).ok()?;
    if opened.metadata().ok()?.len() > LEN_MAX {
        opened.set_len(0).ok()?;
    }
    Some((VARIABLE.to_owned(), file))
}

/// Whether the variable has a value of ours.
pub fn is_ours(env: &Environment) -> bool {
    env.get(VARIABLE).is_some_and(|file| Path::new(file).ends_with(FILE))
}

/// For a fork from a lane of `donors_root`: what was asked there was asked of this tree.
pub fn bring(donor: &Path, donors_root: &Path, lane: &Path, root: &Path) -> Option<()> {
    let text = files::read_text(donor.join(FILE)).ok()?;
    let [theirs, ours] = [donors_root, root].map(|root| {
        let top = git_dir::checkout(root)?;
        Some(format!("\"worktree\":{}", Json::String(top.to_str()?.to_owned())))
    });
    let text = text.replace(&theirs?, &ours?);
    open(&lane.join(FILE)).ok()?.write_all(text.as_bytes()).ok()
}

/// Only the user can read what was asked.
fn open(file: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    files::open_own(options.append(true), file)
}

/// One question.
#[derive(Debug, PartialEq)]
struct Question {
    at: SystemTime,
    /// Whether the answer depends on the commit, its tags, the files and the configuration, and on
    /// nothing else.
    is_of_commit: bool,
}

/// What was asked, by whichever unit.
#[derive(Debug, Default, PartialEq)]
pub struct Asked(Vec<Question>);

impl Asked {
    /// Of builds in a lane of the tree around `root`.
    pub fn read(lane: &Path, root: &Path) -> Asked {
        let text = files::read_text(lane.join(FILE)).unwrap_or_default();
        git_dir::checkout(root).map(|top| Asked::of(&text, top)).unwrap_or_default()
    }

    fn of(text: &str, top: &Path) -> Asked {
        let mut asked: Vec<(Question, bool)> = Vec::new();
        let mut sessions = HashMap::new();
        for event in text.lines().filter_map(|line| Json::read(line.as_bytes())) {
            let Some(session) = event["sid"].as_str() else { continue };
            match event["event"].as_str() {
                Some("start") => {
                    let Some(at) = event["time"].as_str().and_then(time) else { continue };
                    let words = event["argv"].as_array().unwrap_or_default();
                    let words: Option<Vec<&str>> = words.iter().map(Json::as_str).collect();
                    let is_of_commit = words.is_some_and(|words| is_of_commit(&words));
                    sessions.insert(session.to_owned(), asked.len());
                    asked.push((Question { at, is_of_commit }, false));
                }
                // Of another repository nothing is known.
                Some("def_repo") => {
                    if let Some(at) = sessions.get(session) {
                        asked[*at].1 = event["worktree"].as_str().map(Path::new) == Some(top);
                    }
                }
                _ => {}
            }
        }
        let question = |(question, is_here): (Question, bool)| Question {
            is_of_commit: question.is_of_commit && is_here,
            ..question
        };
        Asked(asked.into_iter().map(question).collect())
    }

    /// Whether something was asked in this time, and nothing but what the commit answers.
    pub fn is_of_commit(&self, time: &RangeInclusive<SystemTime>) -> bool {
        let mut asked = self.0.iter().filter(|question| time.contains(&question.at)).peekable();
        asked.peek().is_some() && asked.all(|question| question.is_of_commit)
    }
}

/// Reads `2026-12-01T11:03:45.123456Z`.
fn time(text: &str) -> Option<SystemTime> {
    let numbers: Option<Vec<u64>> =
        text.strip_suffix('Z')?.split(['-', 'T', ':', '.']).map(|part| part.parse().ok()).collect();
    let [year, month @ 1..=12, day, hour, minute, second, micros] = numbers?[..] else {
        return None;
    };
    // Days since 1970 with years that begin in March, so that a leap day is the last of one.
    let (year, month) =
        if month > 2 { (year, month - 3) } else { (year.checked_sub(1)?, month + 9) };
    let of_years = year * 365 + year / 4 - year / 100 + year / 400;
    let days = (of_years + (153 * month + 2) / 5 + day).checked_sub(719_469)?;
    let seconds = ((days * 24 + hour) * 60 + minute) * 60 + second;
    Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds) + Duration::from_micros(micros))
}

/// Whether a command line asks for nothing but what the commit, its tags, the files and the
/// configuration answer. Of abbreviations, that holds as long as git has no new packs.
fn is_of_commit(words: &[&str]) -> bool {
    let words = words.get(1..).unwrap_or_default();
    let words = words.strip_prefix(&["--no-pager"]).unwrap_or(words);
    let Some((command, words)) = words.split_first() else { return false };
    let all = |known: &[&str], prefixes: &[&str]| {
        let is_known = |word: &&str| {
            known.contains(word) || prefixes.iter().any(|prefix| word.starts_with(prefix))
        };
        words.iter().all(is_known)
    };
    match *command {
        "rev-parse" => {
            words.contains(&"HEAD")
                && all(&["HEAD", "--quiet", "--short", "--verify", "-q"], &["--short="])
        }
        "rev-list" => words.contains(&"--count") && all(&["HEAD", "--count"], &[]),
        "describe" => all(
            &["HEAD", "--always", "--broken", "--dirty", "--exact-match", "--long", "--tags"],
            &["--abbrev=", "--candidates=", "--dirty=", "--exclude=", "--match="],
        ),
        "status" => {
            // Others may be ignored by what has been configured meanwhile.
            let is_of_tracked = words.contains(&"-uno") || words.contains(&"--untracked-files=no");
            words.contains(&"--porcelain")
                && is_of_tracked
                && all(&["--porcelain", "--untracked-files=no", "-uno", "-z"], &[])
        }
        "diff" | "diff-index" => {
            words.contains(&"--quiet")
                && all(&["--", "--cached", "--exit-code", "--quiet", "HEAD"], &[])
        }
        "log" | "show" => {
            const ONE: [&str; 3] = ["-1", "-n1", "--max-count=1"];
            let is_one = match *command {
                "log" => words.iter().any(|word| ONE.contains(word)),
                _ => words.iter().any(|word| ["--no-patch", "-s"].contains(word)),
            };
            let formats: Vec<&str> = words
                .iter()
                .filter_map(|word| {
                    word.strip_prefix("--format=").or_else(|| word.strip_prefix("--pretty="))
                })
                .collect();
            let dates = words.iter().filter_map(|word| word.strip_prefix("--date="));
            let known = ["HEAD", "--no-patch", "-s", "-1", "-n1", "--max-count=1"];
            is_one
                && !formats.is_empty()
                && formats.into_iter().all(is_format_of_commit)
                && dates.into_iter().all(|date| ["iso", "raw", "short", "unix"].contains(&date))
                && all(&known, &["--abbrev=", "--date=", "--format=", "--pretty="])
        }
        _ => false,
    }
}

/// Whether a format has places for what is in the commit, and for nothing else (git-log(1)).
fn is_format_of_commit(format: &str) -> bool {
    let mut parts = format.split('%').skip(1);
    let mut count = 0;
    while let Some(part) = parts.next() {
        count += 1;
        let mut chars = part.chars();
        let is_known = match chars.next() {
            None => parts.next().is_some(), // `%%`
            Some('H' | 'h' | 'T' | 't' | 'P' | 'p' | 's' | 'f' | 'b' | 'B' | 'n' | 'e' | 'x') => {
                true
            }
            Some('a' | 'c') => {
                matches!(chars.next(), Some('n' | 'e' | 'l' | 'd' | 'D' | 'i' | 'I' | 't' | 's'))
            }
            _ => false,
        };
        if !is_known {
            return false;
        }
    }
    count > 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_that_the_commit_answers() {
        let is_of_commit = |line: &str| {
            is_of_commit(&line.split(' ').map(|w| w.trim_matches('\'')).collect::<Vec<_>>())
        };
        for line in [
            "git rev-parse HEAD",
            "git rev-parse --short=10 HEAD",
            "git log -1 --date=short --format=%H_%h_%cd --abbrev=9",
            "git --no-pager show -s --pretty=format:%ct HEAD",
            "git describe --tags --always --dirty",
            "git status --porcelain -uno",
            "git diff --quiet HEAD",
            "git log -1 --format=100%%_%x00%an",
        ] {
            assert!(is_of_commit(line), "{line}");
        }
        for line in [
            "git",
            "git rev-parse --abbrev-ref HEAD",
            "git rev-parse --git-dir",
            "git rev-parse main",
            "git -C .. rev-parse HEAD",
            "git log --format=%H",
            "git log -1",
            "git log -1 --oneline",
            "git log -1 --format=%H%d",
            "git log -1 --format=%cr",
            "git log -1 --format=%cd --date=relative",
            "git log -1 --format=%H --all",
            "git log -1 --format=medium",
            "git describe --all",
            "git describe main",
            "git branch --show-current",
            "git status --porcelain --branch",
            "git status --short",
            "git status --porcelain",
            "git config user.name",
        ] {
            assert!(!is_of_commit(line), "{line}");
        }
    }

    #[test]
    fn times_are_read() {
        let seconds = |text| {
            time(text)?.duration_since(SystemTime::UNIX_EPOCH).ok().map(|time| time.as_secs_f64())
        };
        assert_eq!(seconds("1970-01-01T00:00:00.000000Z"), Some(0.0));
        assert_eq!(seconds("2000-02-29T12:00:00.500000Z"), Some(951_825_600.5));
        assert_eq!(seconds("2026-12-01T11:03:45.000000Z"), Some(1_796_123_025.0));
        for wrong in ["", "1969-12-31T23:59:59.000000Z", "2026-13-01T00:00:00.0Z", "12:00:00Z"] {
            assert_eq!(seconds(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn one_question_of_another_kind_is_too_much() {
        const TEXT: &str = r#"{"event":"start","sid":"1","time":"1970-01-01T00:00:10.000000Z","argv":["git","rev-parse","HEAD"]}
{"event":"def_repo","sid":"1","worktree":"/w"}
{"event":"start","sid":"2","time":"1970-01-01T00:00:20.000000Z","argv":["git","branch"]}
{"event":"def_repo","sid":"2","worktree":"/w"}
{"event":"start","sid":"3","time":"1970-01-01T00:00:30.000000Z","argv":["git","rev-parse","HEAD"]}
{"event":"def_repo","sid":"3","worktree":"/other"}
{"event":"start","sid":"4","time":"1970-01-01T00:00:40.000000Z","argv":["git","rev-parse","HEAD"]}
{"event":"start""#;
        let asked = Asked::of(TEXT, Path::new("/w"));
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let is_of_commit = |from, to| asked.is_of_commit(&(at(from)..=at(to)));
        assert!(is_of_commit(0, 19));
        assert!(!is_of_commit(0, 9), "nothing was asked, or it was not seen");
        assert!(!is_of_commit(0, 20) && !is_of_commit(30, 30) && !is_of_commit(40, 40));
    }
}

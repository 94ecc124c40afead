//! With which environment a lane's builds were started: a hash of each variable, and since when it
//! has this value. cargo notes only the variables of which it is told.
//!
//! ```text
//! <lane>/.environment     salt; then a line for each: name, hash, nanoseconds since 1970
//! ```
//!
//! Values are not written down. The salt keeps the hashes of two lanes from being compared, and
//! only the user can read them: a secret that can be guessed could be found by its hash.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::environment::Environment;
use crate::files;
use crate::project::cargo_config::CargoConfig;
use crate::units::is_variable;

const FILE: &str = ".environment";

/// What is noted besides, as no file tells that it was there: by names that no variable has.
pub type Others = [(&'static str, String); 2];

/// `[env]` of cargo's configuration…
pub const CONFIGURED: &str = "[env]";

/// …and which names there are at the root of the workspace. A directory has one time for all.
pub const AT_ROOT: &str = "[root]";

/// As they are now.
pub fn others(root: &Path, config: &CargoConfig) -> Others {
    const OURS: [&str; 5] = [".cargo", ".git", ".lanes", "Cargo.lock", "target"];
    let mut names: Vec<String> =
        files::names(root).filter(|name| !OURS.contains(&name.as_str())).collect();
    names.sort();
    let tables: Vec<&str> = config.env_tables.iter().map(|(_, text)| text.as_str()).collect();
    [(CONFIGURED, tables.join("\n")), (AT_ROOT, names.join("\n"))]
}

/// What is known of the environment of a lane's builds.
#[derive(Debug, Default, PartialEq)]
pub struct Noted {
    salt: String,
    /// `None` for a variable that is no longer set.
    variables: BTreeMap<String, (Option<u64>, SystemTime)>,
}

/// Notes the environment of a build that begins in the lane.
pub fn note(lane: &Path, env: &Environment, others: &Others, now: SystemTime) {
    let old = Noted::read(lane);
    let new = match &old {
        Some(old) => old.updated(env, others, now),
        // What is in the lane was brought by a fork, for which this environment was compared, or
        // was built by plain cargo, of which nothing is known.
        None => {
            let new = Noted { salt: salt(lane, now), ..Noted::default() };
            new.updated(env, others, SystemTime::UNIX_EPOCH)
        }
    };
    if old.as_ref() != Some(&new) {
        _ = files::write_privately(&lane.join(FILE), new.to_text().as_bytes()); // Then nothing is known.
    }
}

impl Noted {
    /// `None` where the lane was built in by plain cargo alone.
    pub fn read(lane: &Path) -> Option<Noted> {
        let text = files::read_text(lane.join(FILE)).ok()?;
        let mut lines = text.lines();
        let mut noted = Noted { salt: lines.next()?.to_owned(), ..Noted::default() };
        for line in lines {
            let mut parts = line.split('\t');
            let (name, hash, since) = (parts.next()?, parts.next()?, parts.next()?);
            let hash = if hash == "-" { None } else { Some(u64::from_str_radix(hash, 16).ok()?) };
            let since = Duration::from_nanos(since.parse().ok()?);
            noted.variables.insert(name.to_owned(), (hash, SystemTime::UNIX_EPOCH + since));
        }
        Some(noted)
    }

    fn updated(&self, env: &Environment, others: &Others, now: SystemTime) -> Noted {
        let is_name = |name: &&str| !name.is_empty() && !name.contains(['\t', '\n']);
        let set = env.iter().filter_map(|(name, value)| {
            Some((name.to_str().filter(is_name)?.to_owned(), Some(self.hash(value))))
        });
        let mut values: BTreeMap<String, Option<u64>> =
            self.variables.keys().map(|name| (name.clone(), None)).collect();
        values.extend(set);
        values.extend(
            others
                .iter()
                .map(|(name, value)| ((*name).to_owned(), Some(self.hash(OsStr::new(value))))),
        );
        let since = |name: &str, value| match self.variables.get(name) {
            Some((old, since)) if *old == value => *since,
            _ => now,
        };
        let variables = values.into_iter().map(|(name, value)| {
            let since = since(&name, value);
            (name, (value, since))
        });
        Noted { salt: self.salt.clone(), variables: variables.collect() }
    }

    /// The same of one of the others. What an earlier build did not note is not known to differ.
    pub fn is_other_same(&self, other: &(&str, String), then: SystemTime) -> bool {
        let (name, value) = other;
        !self.variables.contains_key(*name) || self.has(name, Some(OsStr::new(value)), then)
    }

    /// Whether a variable had its value in the last builds, at least since then: all whose names
    /// match, if the name has a `*`, but for those of a session.
    pub fn is_same(&self, name: &str, env: &Environment, then: SystemTime) -> bool {
        let Some((start, end)) = name.split_once('*') else {
            return self.has(name, env.value(name), then);
        };
        let is_meant = |name: &&str| {
            let rest = name.strip_prefix(start);
            rest.is_some_and(|rest| rest.ends_with(end))
                && is_variable(name)
                && !is_of_session(name)
        };
        let set = env.iter().filter_map(|(name, _)| name.to_str());
        let mut names = self.variables.keys().map(String::as_str).chain(set).filter(is_meant);
        names.all(|name| self.has(name, env.value(name), then))
    }

    fn has(&self, name: &str, value: Option<&OsStr>, then: SystemTime) -> bool {
        let value = value.map(|value| self.hash(value));
        match self.variables.get(name) {
            Some((noted, since)) => *noted == value && *since <= then,
            None => value.is_none(),
        }
    }

    fn hash(&self, value: &OsStr) -> u64 {
        let mut hasher = DefaultHasher::new();
        (&self.salt, value).hash(&mut hasher);
        hasher.finish()
    }

    fn to_text(&self) -> String {
        let mut text = format!("{}\n", self.salt);
        for (name, (value, since)) in &self.variables {
            let value = value.map_or("-".to_owned(), |value| format!("{value:016x}"));
            let since = since.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            _ = writeln!(text, "{name}\t{value}\t{}", since.as_nanos());
        }
        text
    }
}

/// Whether each terminal, session or agent has a value of its own.
fn is_of_session(name: &str) -> bool {
    const NAMES: [&str; 15] = [
        "AGENT_ID",
        "COLORTERM",
        "COLUMNS",
        "DBUS_SESSION_BUS_ADDRESS",
        "DISPLAY",
        "INVOCATION_ID",
        "JOURNAL_STREAM",
        "LINES",
        "LS_COLORS",
        "OLDPWD",
        "PWD",
        "RUST_RECURSION_COUNT",
        "SHLVL",
        "STY",
        "WINDOWID",
    ];
    const STARTS: [&str; 9] = [
        "CARGO_TERM_",
        "CLAUDE",
        "MULTILANE_",
        "SSH_",
        "TERM",
        "TMUX",
        "VSCODE_",
        "WAYLAND_",
        "XDG_SESSION_",
    ];
    NAMES.contains(&name) || STARTS.iter().any(|start| name.starts_with(start))
}

/// Another one for each lane.
fn salt(lane: &Path, now: SystemTime) -> String {
    use std::hash::BuildHasher as _;
    let random = std::hash::RandomState::new().hash_one((lane, now));
    format!("{random:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::scratch::Scratch;

    #[test]
    fn a_variable_has_its_value_since_it_was_set() {
        let scratch = Scratch::of_test("noted");
        let lane = &scratch.dir;
        let at = |seconds: u64| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let is_same = |name: &str, value: Option<&str>, then: u64| {
            let noted = Noted::read(lane).expect("it is there");
            noted.has(name, value.map(OsStr::new), at(then))
        };
        let others = |names: &str| [(CONFIGURED, String::new()), (AT_ROOT, names.to_owned())];
        assert_eq!(Noted::read(lane), None);
        note(lane, &Environment::of(&[("A", "one"), ("B", "one")]), &others("x"), at(10));
        assert!(is_same("A", Some("one"), 5), "nothing tells of another value");
        assert!(!is_same("A", Some("two"), 5) && !is_same("A", None, 5));
        assert!(is_same("C", None, 5) && !is_same("C", Some("one"), 5));
        note(lane, &Environment::of(&[("A", "two"), ("C", "one")]), &others("y"), at(20));
        assert!(is_same("A", Some("two"), 20) && !is_same("A", Some("two"), 15));
        assert!(!is_same("A", Some("one"), 15), "what a unit was built with is not known");
        assert!(
            is_same("B", None, 20) && !is_same("B", None, 15) && !is_same("B", Some("one"), 15)
        );
        assert!(is_same("C", Some("one"), 20) && !is_same("C", Some("one"), 15));
        let is_other_same = |names: &str, then: u64| {
            let noted = Noted::read(lane).expect("it is there");
            noted.is_other_same(&(AT_ROOT, names.to_owned()), at(then))
        };
        assert!(is_other_same("y", 20) && !is_other_same("y", 15) && !is_other_same("x", 20));
        let are_same = |names: &str, set: &[(&str, &str)]| {
            let noted = Noted::read(lane).expect("it is there");
            noted.is_same(names, &Environment::of(set), at(20))
        };
        assert!(are_same("*", &[("A", "two"), ("C", "one"), ("TERM", "x")]));
        note(lane, &Environment::of(&[("APP_A", "two")]), &others("y"), at(20));
        assert!(are_same("APP_*", &[("APP_A", "two"), ("OTHER", "x")]));
        assert!(!are_same("APP_*", &[("APP_A", "two"), ("APP_B", "x")]));
        assert!(!are_same("APP_*", &[]) && are_same("APP_*_LINKER", &[]));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let meta = lane.join(FILE).metadata().expect("it is there");
            assert_eq!(meta.permissions().mode() & 0o077, 0);
        }
        std::fs::write(lane.join(FILE), "salt\nA\tx").expect("it can be written");
        assert_eq!(Noted::read(lane), None);
    }
}

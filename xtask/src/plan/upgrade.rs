//! Brings files that came from the template up to a newer one, so that what the project has changed in them stays.

use crate::plan::adopt::given::Files;
use crate::plan::edit::{Content, Edits};
use crate::plan::merge::{self, Names};
use crate::plan::template::{Record, hash};

/// What is to be done, and what there is to know about it.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Upgrade {
    pub(crate) edits: Edits,
    /// Changed on both sides, in different places.
    pub(crate) merged: Vec<String>,
    /// Changed on both sides at one place, which now stands there twice, between markers.
    pub(crate) conflicts: Vec<String>,
    /// What else a person may want to know: the file, and what about it.
    pub(crate) notes: Vec<(String, &'static str)>,
}

/// What is known of one file.
struct File<'a> {
    /// As the project has it.
    local: Option<&'a Content>,
    /// As the newer template gives it.
    new: Option<&'a Content>,
    /// As the template gave it then; `None` where nobody knows any more.
    base: Option<&'a Content>,
    recorded: Option<&'a str>,
}

/// `given` is what the newer template gives, `base` what the recorded one gave as far as that is known, `local` what the project
/// has, of the files in either.
pub(crate) fn plan(record: &Record, given: &Files, base: &Files, local: &Files) -> Upgrade {
    let mut upgrade = Upgrade::default();
    let mut paths: Vec<&String> = record.files.keys().chain(given.keys()).collect();
    paths.sort();
    paths.dedup();
    for path in paths {
        let file = File {
            local: local.get(path),
            new: given.get(path),
            base: base.get(path),
            recorded: record.files.get(path).map(String::as_str),
        };
        upgrade.decide(path, &file);
    }
    upgrade
}

/// Whether an old text decides something: one that has changed in the project, and in the template as well.
pub(crate) fn needs_base(record: &Record, given: &Files, local: &Files) -> bool {
    let is_changed = |path: &String| {
        let recorded = record.files.get(path).map(String::as_str);
        let differs =
            |files: &Files| files.get(path).map(|content| hash(&content.bytes)).as_deref() != recorded;
        recorded.is_some() && differs(given) && (differs(local) || record.adoption.is_none())
    };
    given.keys().any(is_changed)
}

impl Upgrade {
    fn decide(&mut self, path: &str, file: &File<'_>) {
        let is_recorded = |content: &Content| file.recorded == Some(hash(&content.bytes).as_str());
        let mut note = |what| self.notes.push((path.to_owned(), what));
        match (file.local, file.new) {
            (None, None) => {}
            (Some(local), Some(new)) if local == new => {}
            (None, Some(new)) if file.recorded.is_none() => self.edits.push(path, None, Some(new.clone())),
            (None, Some(new)) => {
                if !is_recorded(new) {
                    note("is not there any more, and has changed in the template: it stays away");
                }
            }
            (Some(local), None) if is_recorded(local) => self.edits.push(path, Some(local.clone()), None),
            (Some(_), None) => note("is gone from the template, and changed here: it stays"),
            (Some(_), Some(_)) if file.recorded.is_none() => {
                note("is new in the template, and there is another one here, which stays")
            }
            (Some(_), Some(new)) if is_recorded(new) => {}
            (Some(local), Some(new)) => {
                // Nobody has changed it, and it was given as the template had it.
                let was_given_as_is = file.base.is_none_or(is_recorded);
                if is_recorded(local) && was_given_as_is {
                    self.edits.push(path, Some(local.clone()), Some(new.clone()));
                } else {
                    self.merge(path, local, new, file.base);
                }
            }
        }
    }

    fn merge(&mut self, path: &str, local: &Content, new: &Content, base: Option<&Content>) {
        let (Some(ours), Some(theirs)) = (local.text(), new.text()) else {
            return self.notes.push((path.to_owned(), "is no text, and changed on both sides: yours stays"));
        };
        let base = base.and_then(Content::text).unwrap_or_default();
        let merged = merge::three_way(base, ours, theirs, &Names { ours: "project", theirs: "template" });
        let list = if merged.conflicts > 0 { &mut self.conflicts } else { &mut self.merged };
        list.push(path.to_owned());
        let merged = Content { bytes: merged.text.into(), executable: local.executable };
        self.edits.push(path, Some(local.clone()), Some(merged));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "a\nb\nc\nd\ne\n";
    const NEW: &str = "a\nb\nc\nd\nE\n";
    const OWN: &str = "A\nb\nc\nd\ne\n";
    const OWN_AT_THE_SAME_PLACE: &str = "a\nb\nc\nd\nX\n";

    /// What becomes of one file; texts are recorded, local, new, base. `None` for a file that is not there any more.
    #[track_caller]
    fn upgraded(
        recorded: Option<&str>,
        local: Option<&str>,
        new: Option<&str>,
        base: Option<&str>,
    ) -> (Option<String>, Upgrade) {
        let files = |text: Option<&str>| -> Files {
            text.map(|text| ("f".to_owned(), Content::of(text))).into_iter().collect()
        };
        let mut record = Record::default();
        if let Some(text) = recorded {
            record.note("f", text.as_bytes());
        }
        let upgrade = plan(&record, &files(new), &files(base), &files(local));
        let after = match upgrade.edits.iter().next() {
            Some((_, edit)) => edit.new.clone(),
            None => local.map(Content::of),
        };
        (after.map(|content| String::from_utf8(content.bytes).expect("UTF-8")), upgrade)
    }

    #[test]
    fn what_nobody_changed_is_exchanged() {
        let (after, upgrade) = upgraded(Some(OLD), Some(OLD), Some(NEW), Some(OLD));
        assert_eq!((after.as_deref(), upgrade.merged.len()), (Some(NEW), 0));
        assert_eq!(upgraded(Some(OLD), Some(OLD), Some(NEW), None).0.as_deref(), Some(NEW));
        assert_eq!(upgraded(None, None, Some(NEW), None).0.as_deref(), Some(NEW));
        assert_eq!(upgraded(Some(OLD), Some(OLD), None, None).0, None);
    }

    #[test]
    fn a_change_of_the_project_survives() {
        assert_eq!(upgraded(Some(OLD), Some(OWN), Some(OLD), Some(OLD)).0.as_deref(), Some(OWN));
        let (after, upgrade) = upgraded(Some(OLD), Some(OWN), Some(NEW), Some(OLD));
        assert_eq!(after.as_deref(), Some("A\nb\nc\nd\nE\n"));
        assert_eq!(upgrade.merged, ["f"]);
        assert_eq!(upgraded(Some(OLD), Some(OWN), None, None).0.as_deref(), Some(OWN));
        assert_eq!(upgraded(None, Some(OWN), Some(NEW), None).0.as_deref(), Some(OWN));
        assert_eq!(
            upgraded(Some(OLD), None, Some(NEW), Some(OLD)).0,
            None,
            "a file that was deleted stays away"
        );
    }

    #[test]
    fn a_conflict_holds_both_sides() {
        let (after, upgrade) = upgraded(Some(OLD), Some(OWN_AT_THE_SAME_PLACE), Some(NEW), Some(OLD));
        let marked = "a\nb\nc\nd\n<<<<<<< project\nX\n=======\nE\n>>>>>>> template\n";
        assert_eq!(after.as_deref(), Some(marked));
        assert_eq!(upgrade.conflicts, ["f"]);
        // Where nobody knows what it was, all of it is in conflict.
        let (after, upgrade) = upgraded(Some(OLD), Some(OWN), Some(NEW), None);
        let after = after.expect("it is there");
        assert!(after.contains(OWN) && after.contains(NEW), "{after}");
        assert_eq!(upgrade.conflicts, ["f"]);
    }

    /// `init` has given it with other names in it: exchanging it would bring the template's back.
    #[test]
    fn what_was_given_with_changes_keeps_them() {
        let (after, upgrade) = upgraded(Some(OWN), Some(OWN), Some(NEW), Some(OLD));
        assert_eq!(after.as_deref(), Some("A\nb\nc\nd\nE\n"));
        assert_eq!(upgrade.merged, ["f"]);
    }
}

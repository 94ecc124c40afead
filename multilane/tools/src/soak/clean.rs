//! What plain cargo makes of a content in an empty target directory: what every result of an agent
//! is compared with.

use std::ffi::OsStr;
use std::sync::{Arc, OnceLock};

use anyhow::Context as _;
use multilane_engine::files;

use super::Shared;
use super::workspace::{Content, PROGRAM, placeless, write_content};
use crate::process::{Ended, Slot, run_in_group};

/// A content, and whether it is tested and not built.
pub(super) type Question = (Content, bool);

/// It is asked once for each content, however many agents have it at the same time.
pub(super) type Cell = Arc<OnceLock<Option<Clean>>>;

#[derive(Clone)]
pub(super) struct Clean {
    pub(super) success: bool,
    /// What cargo has written.
    pub(super) output: String,
    /// What the program says, if it could be built and was asked for.
    pub(super) said: Option<String>,
}

impl Shared<'_> {
    /// `None` when the soak is over.
    pub(super) fn clean(&self, content: &Content, tests: bool) -> anyhow::Result<Option<Clean>> {
        let cell = {
            let mut all = self.clean.lock().expect("no thread panics with it");
            Arc::clone(all.entry((content.clone(), tests)).or_default())
        };
        let mut failure = None;
        let answer = cell.get_or_init(|| {
            self.build_clean(content, tests).unwrap_or_else(|err| {
                failure = Some(err);
                None
            })
        });
        failure.map_or(Ok(answer.clone()), |err| Err(err.context("plain cargo's build")))
    }

    fn build_clean(&self, content: &Content, tests: bool) -> anyhow::Result<Option<Clean>> {
        let number = {
            let mut report = self.report();
            report.clean_builds += 1;
            report.clean_builds
        };
        let place = self.dir.join("clean").join(number.to_string());
        let (tree, target) = (place.join("tree"), place.join("target"));
        write_content(&tree, content)?;
        let args = [
            OsStr::new(if tests { "test" } else { "build" }),
            OsStr::new("--offline"),
            OsStr::new("--target-dir"),
            target.as_os_str(),
        ];
        let mut command = self.command(&self.sh.cargo, args, &tree)?;
        let log = place.join("log");
        let Ended { status, output } =
            run_in_group(&mut command, &log, &Slot::default(), || self.wish())?;
        if self.is_over() {
            return Ok(None);
        }
        let said = if status.success() && !tests {
            let program = target.join("debug").join(PROGRAM);
            let output = self.sh.read(&program, [""; 0], &tree).context("a program")?;
            Some(placeless(&String::from_utf8_lossy(&output), &tree))
        } else {
            None
        };
        files::delete_dir(&place)?;
        Ok(Some(Clean { success: status.success(), output, said }))
    }
}

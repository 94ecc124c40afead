//! Which of cargo's layouts a build will have, and whether its toolchain builds as we know it. One
//! that the suite was not run with is tried first: once for each user, with a package of its own.
//!
//! ```text
//! <user's cache>/multilane/
//! ├── toolchains         what trials have shown (files/answers.rs)
//! ├── toolchains.lock    held during a trial
//! └── .trial-…/          while there is one
//!     ├── rustc          the compiler wrapper
//!     ├── home/          an empty CARGO_HOME
//!     └── one/ two/      the package is built in the one, and forked into the other
//! ```

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};

use crate::environment::{self, FOLDER};
use crate::files::answers::Answers;
use crate::files::scratch::{self, Scratch};
use crate::files::{self, lock, set_modified};
use crate::fork::{plan_for_equal_tree, sources, write};
use crate::lanes::short_hash;
use crate::process::{Units, attempt, for_at_most};
use crate::project::Project;
use crate::project::toolchain::{Rustc, Version, state};
use crate::retarget::wrapper;
use crate::units::{self, Layout, Place};

/// The versions of rustc, and of the cargo that comes with it, which the suite was run with.
const KNOWN: std::ops::RangeInclusive<Version> = Version(1, 85, 0)..=Version(1, 97, u32::MAX);

const PREFIX: &str = ".trial-";
/// Of all that is started for a trial together.
const LIMIT: Duration = Duration::from_secs(30);
const WRONG: &str = "wrong";

const MANIFEST: &str = "[package]\nname = \"trial\"\nedition = \"2021\"\n[workspace]\n";
const SCRIPT: &str = "fn main() { println!(\"cargo::rerun-if-changed=build.rs\"); }\n";
const PROGRAM: &str = "fn main() { print!(\"{}\", trial::text()); }\n";

fn library(text: &str) -> String {
    format!("#[inline(never)]\npub fn text() -> &'static str {{ \"{text}\" }}\n")
}

/// The layout of a build with this toolchain. `asks_for_new` is whether its command line does.
///
/// # Errors
///
/// When nothing is to be forked, since it is not known how this toolchain builds.
pub(super) fn layout(
    project: &Project,
    rustc: &Rustc,
    asks_for_new: bool,
) -> anyhow::Result<Layout> {
    let env = &project.session.env;
    let asks_for_new = asks_for_new || project.config.new_layout == Some(true);
    let by_unit = asks_for_new && rustc.is_unstable(env);
    if Version::first_in(rustc.release()).is_some_and(|version| KNOWN.contains(&version)) {
        return Ok(if by_unit { Layout::ByUnit } else { Layout::ByKind });
    }
    let shown =
        format!("rustc {}, which this version of multilane does not know,", rustc.release());
    ensure!(rustc.was_asked(), "{shown} is named by a file of the tree and is not tried");
    let program = |name: &str| {
        let program = rustc.sysroot.join("bin").join(name);
        program.with_extension(std::env::consts::EXE_EXTENSION)
    };
    let programs = [program("cargo"), program("rustc")];
    let [cargo, compiler] = [0, 1].map(|at| state(&programs[at]));
    let own = [env!("CARGO_PKG_VERSION"), if by_unit { "new" } else { "" }];
    let question = short_hash(own.into_iter().chain([&*rustc.version, &cargo, &compiler]));

    let dir = env.cache_home().context("there is no directory for caches")?.join(FOLDER);
    let answer = remembered(&dir, &question, || tried(project, &programs, by_unit, &dir))
        .with_context(|| format!("{shown} could not be tried"))?;
    match [Layout::ByKind, Layout::ByUnit].into_iter().find(|known| word(*known) == answer) {
        Some(layout) => Ok(layout),
        None => bail!("{shown} does not build as others do"),
    }
}

fn word(layout: Layout) -> &'static str {
    match layout {
        Layout::ByKind => "by-kind",
        Layout::ByUnit => "by-unit",
    }
}

/// Only one builder tries; what came of it, the others read.
fn remembered(
    dir: &Path,
    question: &str,
    find_out: impl FnOnce() -> anyhow::Result<Option<Layout>>,
) -> anyhow::Result<String> {
    let known = || Answers::open(dir.join("toolchains")).get(question).map(str::to_owned);
    if let Some(answer) = known() {
        return Ok(answer);
    }
    std::fs::create_dir_all(dir)?;
    let _lock = lock::wait(&dir.join("toolchains.lock"), LIMIT)?;
    if let Some(answer) = known() {
        return Ok(answer);
    }
    let answer = find_out()?.map_or(WRONG, word);
    Answers::open(dir.join("toolchains")).add(question, answer)?;
    Ok(answer.to_owned())
}

/// `None` where a fork is not what a build from scratch would be.
fn tried(
    project: &Project,
    programs: &[PathBuf; 2],
    by_unit: bool,
    dir: &Path,
) -> anyhow::Result<Option<Layout>> {
    scratch::sweep(dir, &[PREFIX]);
    let scratch = Scratch::make(dir, PREFIX)?;
    let trial = Trial::new(project, programs, by_unit, &scratch.dir)?;
    let [one, two] = ["one", "two"].map(|name| scratch.dir.join(name));
    trial.write(&one)?;
    trial.write(&two)?;
    let [one, two] = [one, two].map(|root| Place::new(root.clone(), root.join("target")));
    ensure!(trial.build(&one)?.is_some(), "it builds nothing");

    let plan = plan_for_equal_tree(project, &one, &two, |wanted| {
        sources::compare(&project.sh, &one.root, &two.root, wanted)
    });
    let places = units::places(&one.lane);
    let mut layouts = places.iter().map(|(_, fingerprint)| Layout::of(fingerprint));
    let Some(layout) = layouts.next().filter(|first| layouts.all(|layout| layout == *first)) else {
        return Ok(None);
    };
    write::carry_out(&plan, environment::now(), |_| {})?;
    let is_fresh = plan.units.len() == places.len()
        && trial.build(&two)?.is_some_and(|units| units.compiled.is_empty())
        && trial.prints("one", &two)?;
    if !is_fresh {
        return Ok(None);
    }
    files::write_atomically(&two.root.join("src/lib.rs"), library("two").as_bytes())?;
    let is_right =
        trial.build(&two)?.is_some() && trial.prints("two", &two)? && trial.prints("one", &one)?;
    Ok(is_right.then_some(layout))
}

struct Trial<'a> {
    cargo: &'a Path,
    changes: Vec<(String, Option<String>)>,
}

impl Trial<'_> {
    /// With nothing of cargo's or rustc's in the environment.
    fn new<'a>(
        project: &Project,
        [cargo, rustc]: &'a [PathBuf; 2],
        by_unit: bool,
        dir: &Path,
    ) -> anyhow::Result<Trial<'a>> {
        let names = project.session.env.iter().filter_map(|(name, _)| name.to_str());
        let is_cargos = |name: &&str| {
            let is_rustc = name.starts_with("RUST") && !name.starts_with("RUSTUP");
            name.starts_with("CARGO") || (is_rustc && *name != "RUSTC_BOOTSTRAP")
        };
        let mut changes: Vec<_> =
            names.filter(is_cargos).map(|name| (name.to_owned(), None)).collect();
        let mut set = |name: &str, value: &Path| {
            let value = value.to_str().context("a path is no text")?;
            changes.push((name.to_owned(), Some(value.to_owned())));
            anyhow::Ok(())
        };
        set("CARGO_HOME", &dir.join("home"))?;
        set("CARGO_INCREMENTAL", Path::new("1"))?;
        set("RUSTC", rustc)?;
        set(
            "CARGO_UNSTABLE_BUILD_DIR_NEW_LAYOUT",
            Path::new(if by_unit { "true" } else { "false" }),
        )?;
        if cfg!(unix) {
            set("RUSTC_WRAPPER", &wrapper::write_script(dir)?)?;
        }
        Ok(Trial { cargo, changes })
    }

    fn write(&self, root: &Path) -> anyhow::Result<()> {
        std::fs::create_dir_all(root.join("src"))?;
        // A checkout of its own, also where the user keeps the whole home directory in git.
        std::fs::create_dir(root.join(".git"))?;
        // Older than a tick of any file system's clock.
        let time = environment::now() - Duration::from_secs(60);
        let library = library("one");
        let sources = [
            ("Cargo.toml", MANIFEST),
            ("build.rs", SCRIPT),
            ("src/lib.rs", &library),
            ("src/main.rs", PROGRAM),
        ];
        for (name, text) in sources {
            let path = root.join(name);
            files::write_atomically(&path, text.as_bytes())?;
            set_modified(&path, time)?;
        }
        Ok(())
    }

    /// `None` where cargo fails.
    fn build(&self, place: &Place) -> anyhow::Result<Option<Units>> {
        let args = "build --quiet --offline --message-format=json --target-dir target".split(' ');
        let words: Vec<OsString> =
            [self.cargo.into()].into_iter().chain(args.map(Into::into)).collect();
        let Some(output) = attempt(&words, &place.root, &self.changes, for_at_most(LIMIT))? else {
            bail!("it has not ended for {} s", LIMIT.as_secs());
        };
        let mut units = Units::default();
        for line in output.stdout.split(|byte| *byte == b'\n') {
            units.hear(line);
        }
        Ok(output.status.success().then_some(units))
    }

    fn prints(&self, text: &str, place: &Place) -> anyhow::Result<bool> {
        let program = place.lane.join(format!("debug/trial{}", std::env::consts::EXE_SUFFIX));
        let output = attempt(&[program.into()], &place.root, &self.changes, for_at_most(LIMIT));
        Ok(output?.is_some_and(|output| output.stdout == text.as_bytes()))
    }
}

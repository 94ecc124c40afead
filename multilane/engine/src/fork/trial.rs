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
use std::time::{Duration, SystemTime};

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

/// The versions of rustc, and of the cargo that comes with it: from the oldest to the newest that
/// were seen to work.
const KNOWN: std::ops::RangeInclusive<Version> = Version(1, 85, 0)..=Version(1, 97, u32::MAX);

const PREFIX: &str = ".trial-";
/// Of all that is started for a trial together.
const LIMIT: Duration = Duration::from_secs(30);
const WRONG: &str = "wrong";

/// A package with each kind of unit that cargo makes of one.
const PACKAGE: [(&str, &str); 4] = [
    ("Cargo.toml", "[package]\nname = \"trial\"\nedition = \"2021\"\n[workspace]\n"),
    ("build.rs", "fn main() { println!(\"cargo::rerun-if-changed=build.rs\"); }\n"),
    ("src/main.rs", "fn main() { print!(\"{}\", trial::text()); }\n"),
    ("src/lib.rs", "#[inline(never)]\npub fn text() -> &'static str { \"one\" }\n"),
];

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
    // Some systems install the two apart.
    let own = Some(program("cargo")).filter(|cargo| cargo.is_file());
    let cargo = own.or_else(|| env.real_cargo()).context("there is no cargo")?;
    let programs = [cargo, program("rustc")];
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
    [cargo, rustc]: &[PathBuf; 2],
    by_unit: bool,
    dir: &Path,
) -> anyhow::Result<Option<Layout>> {
    scratch::sweep(dir, &[PREFIX]);
    let scratch = Scratch::make(dir, PREFIX)?;
    let changes = environment_of(project, rustc, by_unit, &scratch.dir)?;
    let mut goes_on = for_at_most(LIMIT);
    let mut run = |words: &[OsString], place: &Place| {
        let output = attempt(words, &place.root, &changes, &mut goes_on)?;
        output.with_context(|| format!("it has not ended for {} s", LIMIT.as_secs()))
    };
    let args = "build --quiet --offline --message-format=json --target-dir target".split(' ');
    let build: Vec<_> = [cargo.into()].into_iter().chain(args.map(OsString::from)).collect();
    // What the program says then, and how much was compiled.
    let mut built = |place: &Place| {
        let told = run(&build, place)?.stdout;
        let mut units = Units::default();
        told.split(|byte| *byte == b'\n').for_each(|line| _ = units.hear(line));
        let program = place.lane.join(format!("debug/trial{}", std::env::consts::EXE_SUFFIX));
        anyhow::Ok((run(&[program.into()], place)?.stdout, units.compiled.len()))
    };

    let roots = ["one", "two"].map(|name| scratch.dir.join(name));
    // Older than a tick of any file system's clock.
    let time = environment::now() - Duration::from_secs(60);
    roots.iter().try_for_each(|root| write_package(root, time))?;
    let [one, two] = roots.map(|root| Place::new(root.clone(), root.join("target")));
    ensure!(built(&one)?.0 == b"one", "its program is not the right one");
    let layouts: Vec<_> = units::places(&one.lane).iter().map(|at| Layout::of(&at.1)).collect();
    let plan = plan_for_equal_tree(project, &one, &two, |wanted| {
        sources::compare(&project.sh, &one.root, &two.root, wanted)
    });
    if plan.units.len() != layouts.len() {
        return Ok(None);
    }
    write::carry_out(&plan, environment::now(), |_| {})?;
    let is_fresh = built(&two)? == (b"one".to_vec(), 0);
    let (path, text) = PACKAGE[PACKAGE.len() - 1];
    files::write_atomically(&two.root.join(path), text.replace("one", "two").as_bytes())?;
    let is_right = is_fresh && built(&two)?.0 == b"two" && built(&one)?.0 == b"one";
    let layout = layouts.first().filter(|first| layouts.iter().all(|layout| layout == *first));
    Ok(layout.copied().filter(|_| is_right))
}

/// With nothing of the user's that cargo or rustc would obey.
fn environment_of(
    project: &Project,
    rustc: &Path,
    by_unit: bool,
    dir: &Path,
) -> anyhow::Result<Vec<(String, Option<String>)>> {
    let names = project.session.env.iter().filter_map(|(name, _)| name.to_str());
    let is_theirs = |name: &&str| {
        let is_rustc = name.starts_with("RUST") && !name.starts_with("RUSTUP");
        name.starts_with("CARGO") || (is_rustc && *name != "RUSTC_BOOTSTRAP")
    };
    let mut changes: Vec<_> = names.filter(is_theirs).map(|name| (name.to_owned(), None)).collect();
    let mut set = |name: &str, value: &Path| {
        let value = value.to_str().context("a path is no text")?.to_owned();
        changes.push((name.to_owned(), Some(value)));
        anyhow::Ok(())
    };
    set("CARGO_HOME", &dir.join("home"))?;
    set("CARGO_INCREMENTAL", Path::new("1"))?;
    set("RUSTC", rustc)?;
    set("CARGO_UNSTABLE_BUILD_DIR_NEW_LAYOUT", Path::new(if by_unit { "true" } else { "false" }))?;
    if cfg!(unix) {
        set("RUSTC_WRAPPER", &wrapper::write_script(dir)?)?;
    }
    Ok(changes)
}

fn write_package(root: &Path, time: SystemTime) -> anyhow::Result<()> {
    std::fs::create_dir_all(root.join("src"))?;
    // A checkout of its own, also where the user keeps the whole home directory in git.
    std::fs::create_dir(root.join(".git"))?;
    for (name, text) in PACKAGE {
        files::write_atomically(&root.join(name), text.as_bytes())?;
        set_modified(&root.join(name), time)?;
    }
    Ok(())
}

//! A generated workspace in use: built, forked, edited, and compared with what plain cargo builds.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::generator_common::{Common, TEXTS};
use crate::generator_draw::{Change, Drawn, Edit, Piece, Reader, Source, Way};
use crate::generator_sources::Sources;
use crate::support::{Call, Project, Ran, put};

/// The workspace, and how it is used.
pub(crate) struct World<'a> {
    drawn: Drawn,
    common: &'a Common,
    project: Project,
    /// The donor's tree and lane.
    donor: PathBuf,
    donors_lane: PathBuf,
    /// The fork's tree, and its agent.
    own: PathBuf,
    agent: Option<&'static str>,
    way: Way,
    /// The texts that files have when they are changed in the fork's tree, and in the donor's.
    texts: [&'static str; 2],
    /// What plain cargo says where it builds nothing.
    pub(crate) failure: Option<String>,
}

/// What was built.
#[derive(Debug, PartialEq)]
struct Outcome {
    printed: String,
    /// The files of the checkout that no build directory has.
    files: BTreeMap<PathBuf, Vec<u8>>,
}

/// Of the two lanes that have one place in turn.
#[derive(Clone, Copy, PartialEq)]
enum Lane {
    Forked,
    FromNothing,
}

impl<'a> World<'a> {
    pub(crate) fn new(drawn: Drawn, common: &'a Common, jobs: usize) -> World<'a> {
        let project = common.project(jobs);
        let donor = project.root.clone();
        let (own, agent) = match drawn.way {
            Way::Agent => (donor.clone(), Some("a")),
            _ => (donor.with_file_name("fork"), None),
        };
        let (way, donors_lane) = (drawn.way, donor.join("target"));
        let texts = ["two", "three"];
        World { drawn, common, project, donor, donors_lane, own, agent, way, texts, failure: None }
    }

    fn sources(&self) -> Sources<'_> {
        Sources { drawn: &self.drawn, common: self.common }
    }

    fn write(&self) {
        self.sources().write(&self.project);
        let git = self.project.root.join(".git");
        // As `git init` makes it, without a process, and without maintenance behind our backs.
        for dir in ["objects/info", "objects/pack", "refs/heads", "refs/tags"] {
            std::fs::create_dir_all(git.join(dir)).expect("a directory");
        }
        put(&git, "HEAD", "ref: refs/heads/main\n");
        let settings = "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = false\n\
            \tlogallrefupdates = true\n[gc]\n\tauto = 0\n[maintenance]\n\tauto = false\n";
        put(&git, "config", settings);
        self.project.commit();
    }

    fn call(&self, dir: &Path, words: &str, is_fork: bool) -> Call {
        let mut call = self.project.xtask(words).within(dir);
        if let Some(agent) = self.agent.filter(|_| is_fork) {
            call = call.agent(agent);
        }
        self.with_variables(call, is_fork)
    }

    fn with_variables(&self, mut call: Call, is_fork: bool) -> Call {
        for piece in self.drawn.pieces.iter().filter(|piece| piece.source == Source::Variable) {
            // With which value plain cargo has built a donor nothing tells: an open difference
            // (docs/measurements/soundness.md).
            let is_tracked = matches!(piece.reader, Reader::NamingScript | Reader::Rustc);
            let is_known = is_tracked || self.way != Way::ThroughLink;
            let is_other = is_fork && is_known && piece.change != Change::Nothing;
            if !(is_other && piece.change == Change::Gone) {
                let name = format!("VARIABLE{}", piece.number);
                call = call.env(&name, if is_other { "two" } else { "one" });
            }
        }
        call
    }

    fn verb(&self) -> &'static str {
        if self.drawn.tests { "build-test" } else { "build" }
    }

    fn plain(&self) -> Call {
        self.project.cargo(if self.drawn.tests { "test --no-run" } else { "build" })
    }

    fn pieces_with(&self, change: Change) -> impl Iterator<Item = &Piece> {
        self.drawn.pieces.iter().filter(move |piece| piece.change == change)
    }

    fn build_donor(&self) {
        let root = &self.project.root;
        for piece in self.pieces_with(Change::Restored) {
            let file = root.join(self.sources().file(piece));
            let backup = file.with_extension("backup.local");
            drop(std::fs::rename(&file, &backup));
            self.sources().write_state(root, piece, "zero");
        }
        let locked = std::fs::read(root.join("Cargo.lock")).expect("it is written");
        let ran = if self.way == Way::ThroughLink {
            let link = root.with_file_name("link");
            std::os::unix::fs::symlink(root, &link).expect("a link");
            let call = self.plain().arg("--manifest-path").arg(link.join("Cargo.toml"));
            self.with_variables(call.within("/"), false).run()
        } else {
            if !self.drawn.adopted {
                self.tell_rustcs_answers(&self.donors_lane);
                let tag = "Signature: 8a477f597d28d172789f06886806bc55\n";
                put(&self.donors_lane, "CACHEDIR.TAG", tag);
            }
            self.call(root, self.verb(), false).run()
        };
        let is_as_cargos = std::fs::read(root.join("Cargo.lock")).ok() == Some(locked);
        assert!(is_as_cargos, "cargo writes another lockfile: {}", ran.report());
        for piece in self.pieces_with(Change::Restored) {
            let file = root.join(self.sources().file(piece));
            drop(std::fs::rename(file.with_extension("backup.local"), &file));
        }
        // What the build has written over is no part of what comes next. Of other files git would
        // change the times.
        for piece in self.drawn.pieces.iter().filter(|piece| piece.reader == Reader::Rewriter) {
            let file = self.sources().rewritten(piece);
            self.project.git(&["checkout", "--quiet", "--", &file]);
        }
    }

    fn make_fork(&self) {
        let (root, own) = (&self.donor, &self.own);
        let to = own.to_str().expect("UTF-8");
        let branch = own.file_name().and_then(|name| name.to_str()).expect("UTF-8");
        let add = ["worktree", "add", "--quiet", to, "-b", branch];
        match self.way {
            Way::Agent => {}
            Way::Copied => {
                self.project.git_in(root, &[&add[..], &["--no-checkout"]].concat());
                let script = "for name in crates vendor libs tools Cargo.toml Cargo.lock .gitignore .cargo target; do \
                    [ ! -e $name ] || cp -a $name \"$0\" || exit; done && \
                    cp .git/index \"$(git -C \"$0\" rev-parse --git-path index)\" && \
                    git -C \"$0\" update-index -q --refresh || true";
                let status = self.project.command("sh").args(["-c", script, to]).status();
                assert!(status.expect("sh starts").success());
                for piece in &self.drawn.pieces {
                    let file = self.sources().file(piece);
                    let copied = ["crates", "vendor", "libs", "tools", "target", "..", "submodule"];
                    let is_copied = copied.iter().any(|start| Path::new(&file).starts_with(start));
                    if !is_copied && root.join(&file).exists() {
                        let text = std::fs::read_to_string(root.join(&file)).expect("text");
                        put(own, &file, &text);
                    }
                }
            }
            Way::Worktree | Way::ThroughLink => {
                self.project.git_in(root, &add);
            }
        }
        self.fill_submodule();
        self.change();
    }

    /// git leaves a submodule empty in a new worktree.
    fn fill_submodule(&self) {
        let is_empty = self.own != self.donor;
        let reads = |piece: &&Piece| piece.source == Source::FileInSubmodule;
        let mut reading = self.drawn.pieces.iter().filter(reads);
        if let Some(piece) = reading.next().filter(|_| is_empty) {
            drop(std::fs::remove_dir(self.own.join("submodule")));
            if piece.change == Change::Gone {
                std::fs::create_dir_all(self.own.join("submodule")).expect("a directory");
            } else {
                self.sources().add_submodule(&self.project, &self.own);
            }
        }
    }

    /// Makes the difference that was drawn for each piece.
    fn change(&self) {
        let (root, own, [two, three]) = (&self.donor, &self.own, self.texts);
        let sources = self.sources();
        for piece in &self.drawn.pieces {
            match piece.change {
                Change::Own | Change::OwnCommitted => sources.write_state(own, piece, two),
                Change::Donors => sources.write_state(root, piece, three),
                Change::Both => {
                    sources.write_state(root, piece, three);
                    sources.write_state(own, piece, two);
                }
                Change::Gone => drop(std::fs::remove_file(own.join(sources.file(piece)))),
                Change::Nothing | Change::Restored => {}
            }
            if piece.change == Change::OwnCommitted {
                if piece.source == Source::FileInSubmodule {
                    let inner = own.join("submodule");
                    self.project.git_in(&inner, &["commit", "--quiet", "--all", "--message=own"]);
                }
                self.commit_own(piece.number);
            }
        }
    }

    fn commit_own(&self, number: usize) {
        self.project.git_in(&self.own, &["add", "--all"]);
        let message = format!("--message=change {number}");
        self.project.git_in(&self.own, &["commit", "--quiet", "--allow-empty", &message]);
    }

    fn lane(&self) -> PathBuf {
        let Some(agent) = self.agent else { return self.own.join("target") };
        let keys = std::fs::read_dir(self.own.join(".lanes").join(agent)).expect("a lane");
        let keys = keys.flatten().map(|entry| entry.path());
        let keys: Vec<PathBuf> = keys.filter(|path| path.is_dir()).collect();
        assert_eq!(keys.len(), 1, "{keys:?}");
        keys[0].clone()
    }

    /// What came of a build in the fork's place.
    fn outcome(&self, ran: &Ran) -> Outcome {
        let files = files_of(&self.own);
        if !ran.output.status.success() {
            return Outcome { printed: "it does not build".to_owned(), files };
        }
        Outcome { printed: self.said(), files }
    }

    fn said(&self) -> String {
        let debug = self.lane().join("debug");
        let mut said = run(&debug.join("app"));
        if self.drawn.tests {
            let tests = std::fs::read_dir(debug.join("deps")).expect("a directory").flatten();
            let mut tests: Vec<PathBuf> = tests.map(|entry| entry.path()).collect();
            tests.retain(|test| {
                let name = test.file_name().unwrap_or_default().to_string_lossy();
                name.starts_with("it-") && !name.contains('.')
            });
            assert_eq!(tests.len(), 1, "{tests:?}");
            let output = std::process::Command::new(&tests[0]).arg("--nocapture").output();
            let output = String::from_utf8(output.expect("it starts").stdout).expect("UTF-8");
            said.extend(
                output
                    .lines()
                    .filter(|line| line.contains(' '))
                    .filter(|line| line.starts_with(|c: char| c.is_ascii_digit() || c == '-')),
            );
        }
        said
    }

    /// What plain cargo makes in the lane, from nothing or from what it has made there before.
    fn build_plain(&self) -> Ran {
        let lane = self.lane();
        let call = self.plain().within(&self.own).arg("--target-dir").arg(&lane);
        let mut call = self.with_variables(call, true);
        if self.drawn.adopted {
            call = call.arg("--config").arg("build.rustc-wrapper=\"\"");
        } else {
            self.tell_rustcs_answers(&lane);
        }
        let ran = call.run();
        if let (false, Ok(answers)) =
            (self.drawn.adopted, std::fs::read(lane.join(".rustc_info.json")))
        {
            let known = self.common.rustc_info.lock();
            known.expect("no thread panics with it").get_or_insert(answers);
        }
        ran
    }

    /// Spares cargo five calls of rustc, whose answers it keeps for itself. It cannot where it
    /// makes the target directory, nor with an empty wrapper.
    fn tell_rustcs_answers(&self, lane: &Path) {
        let known = self.common.rustc_info.lock();
        let info = lane.join(".rustc_info.json");
        if let (Some(answers), false) = (&*known.expect("no thread panics with it"), info.exists())
        {
            std::fs::create_dir_all(lane).expect("a directory");
            std::fs::write(&info, answers).expect("it can be written");
        }
    }

    /// Exchanges the lane that is in place for the other one. What lies beside builds in the target
    /// directory stays.
    fn exchange(&self, is: Lane, to: Lane) {
        let lane = self.lane();
        let aside = |lane: Lane| {
            let name = if lane == Lane::Forked { "forked" } else { "from-nothing" };
            self.project.root.with_file_name(name)
        };
        for part in ["debug", ".rustc_info.json", ".place", ".filled-at"] {
            std::fs::create_dir_all(aside(is)).expect("a directory");
            drop(std::fs::rename(lane.join(part), aside(is).join(part)));
            drop(std::fs::rename(aside(to).join(part), lane.join(part)));
        }
    }

    /// What differs between a fork and a lane from nothing; `None` where nothing does.
    pub(crate) fn difference(&mut self) -> Option<String> {
        self.write();
        self.build_donor();
        self.make_fork();
        let edits = std::mem::take(&mut self.drawn.edits);
        if let Some(found) = self.compare("the first build") {
            return Some(found);
        }
        for (round, edit) in edits.iter().enumerate() {
            self.exchange(Lane::FromNothing, Lane::Forked);
            self.edit(*edit, round);
            if let Some(found) = self.compare(&format!("edit {round}, {edit:?}")) {
                return Some(found);
            }
        }
        let (way, changes) = self.drawn.again.take()?;
        self.exchange(Lane::FromNothing, Lane::Forked);
        self.go_on(way, &changes);
        self.make_fork();
        self.compare("the fork of the fork")
    }

    /// What was forked becomes the donor.
    fn go_on(&mut self, way: Way, changes: &[Change]) {
        for part in ["forked", "from-nothing"] {
            let part = self.project.root.with_file_name(part);
            drop(std::fs::remove_dir_all(part));
        }
        self.donors_lane = self.lane();
        // With the first donor gone there is no other.
        if self.donor.join("target") != self.donors_lane {
            drop(std::fs::remove_dir_all(self.donor.join("target/debug")));
        }
        self.donor.clone_from(&self.own);
        self.way = way;
        self.texts = ["five", "six"];
        for (piece, change) in self.drawn.pieces.iter_mut().zip(changes) {
            piece.change = *change;
        }
        match way {
            Way::Agent => self.agent = Some("b"),
            _ => {
                self.agent = None;
                self.own = self.project.root.with_file_name("second");
            }
        }
    }

    fn edit(&self, edit: Edit, round: usize) {
        let sources = self.sources();
        let (piece, text) = (&self.drawn.pieces[0], TEXTS[4 + round]);
        let name = if self.drawn.merged { "base.rs" } else { "lib.rs" };
        let edited = format!("{}/src/{name}", self.sources().base());
        let read = || std::fs::read_to_string(self.own.join(&edited)).expect("it is there");
        match edit {
            Edit::Source => {
                let text = read().replacen("\"plain", &format!("\"plain{round}"), 1);
                put(&self.own, &edited, &text);
            }
            Edit::Touch => put(&self.own, &edited, &read()),
            Edit::Read => sources.write_state(&self.own, piece, text),
            Edit::DonorsRead => sources.write_state(&self.donor, piece, text),
            Edit::Commit => self.commit_own(9),
            Edit::NewFile => {
                let file = self.own.join(sources.file(piece));
                put(file.parent().expect("a parent"), &format!("new{round}.txt"), "new");
            }
        }
    }

    /// Builds in the forked lane, which is in place, and then in the one from nothing.
    fn compare(&mut self, after: &str) -> Option<String> {
        let before = files_of(&self.own);
        let ran = self.call(&self.own, self.verb(), true).run();
        let fork = self.outcome(&ran);
        let lane = self.lane();
        // What tools write over, such as strip, is not the donor's.
        let donors = self.donors_lane.join("debug/app");
        let before_strip = std::fs::read(&donors).ok();
        if let Ok(mut own) = std::fs::File::options().append(true).open(lane.join("debug/app")) {
            std::io::Write::write_all(&mut own, b"stripped").expect("it can be written");
        }
        if std::fs::read(&donors).ok() != before_strip {
            return Some("the donor's program is that of the fork".to_owned());
        }
        // Its donor may go.
        let away = self.donor.with_file_name("away");
        if ran.output.status.success() && self.donor != self.own {
            std::fs::rename(&self.donor, &away).expect("it can be moved");
            let alone = self.said();
            std::fs::rename(&away, &self.donor).expect("it can be moved");
            if alone != fork.printed {
                return Some(format!(
                    "after {after}, without the donor: {alone}\nwith it: {}",
                    fork.printed
                ));
            }
        }
        restore(&self.own, &before);
        self.exchange(Lane::Forked, Lane::FromNothing);
        let plain = self.build_plain();
        let scratch = self.outcome(&plain);
        if !plain.output.status.success() {
            self.failure = Some(plain.stderr());
        }
        let (printed, expected) = (&fork.printed, &scratch.printed);
        let shown = |files: &BTreeMap<PathBuf, Vec<u8>>, other: &BTreeMap<PathBuf, Vec<u8>>| {
            let differing = files.iter().filter(|(path, bytes)| other.get(*path) != Some(bytes));
            differing
                .map(|(path, bytes)| {
                    format!("{}: {}", path.display(), String::from_utf8_lossy(bytes))
                })
                .collect::<Vec<_>>()
        };
        (fork != scratch).then(|| {
            format!(
                "in {}\nafter {after}, the fork:\n{printed}{:?}\nfrom nothing:\n{expected}{:?}\n{}\n{}",
                self.own.display(),
                shown(&fork.files, &scratch.files),
                shown(&scratch.files, &fork.files),
                ran.report(),
                plain.report()
            )
        })
    }

    /// Keeps its directory for a look.
    pub(crate) fn keep(self) {
        std::mem::forget(self.project);
    }
}

fn run(program: &Path) -> String {
    match std::process::Command::new(program).output() {
        Ok(output) => format!("{} {}", output.status, String::from_utf8_lossy(&output.stdout)),
        Err(err) => format!("cannot be started: {err}"),
    }
}

/// The files of a checkout that no build directory and no git directory has, nor multilane.
fn files_of(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut ahead = vec![root.to_owned()];
    while let Some(dir) = ahead.pop() {
        for entry in std::fs::read_dir(&dir).expect("a directory").flatten() {
            let path = entry.path();
            let inside = path.strip_prefix(root).expect("inside");
            let is_left_out = ["target", ".git", ".lanes", ".cargo/wrapper", "submodule/.git"];
            if is_left_out.iter().any(|name| inside == Path::new(name)) {
                continue;
            }
            match entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                true => ahead.push(path),
                false => {
                    drop(found.insert(inside.to_owned(), std::fs::read(&path).expect("bytes")))
                }
            }
        }
    }
    found
}

fn restore(root: &Path, files: &BTreeMap<PathBuf, Vec<u8>>) {
    for (path, bytes) in files_of(root) {
        match files.get(&path) {
            Some(before) if *before == bytes => {}
            Some(before) => std::fs::write(root.join(&path), before).expect("it can be written"),
            None => std::fs::remove_file(root.join(&path)).expect("it is there"),
        }
    }
    for path in files.keys().filter(|path| !root.join(path).exists()) {
        std::fs::write(root.join(path), &files[path]).expect("it can be written");
    }
}

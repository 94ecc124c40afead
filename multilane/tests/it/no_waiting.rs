//! The promise that the project is named for: builders in one working tree do not wait for each
//! other's locks.
//!
//! A build script that holds its cargo until all builders have come proves it without a clock: if
//! two builders shared a lane, one would wait for the other's lock while the other waits for it in
//! the script, and nobody would arrive.

use std::collections::HashSet;
use std::path::Path;
use std::process::{Child, Output};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::support::{Call, Project, wait_until};

/// Waits in `$MEETING/$PHASE` until `$BUILDERS` builders are there.
const MEETING: &str = r#"
use std::{env, fs, path::Path, thread, time};

fn main() {
    println!("cargo::rerun-if-env-changed=PHASE");
    let var = |name| env::var(name).expect(name);
    let place = Path::new(&var("MEETING")).join(var("PHASE"));
    fs::create_dir_all(&place).unwrap();
    fs::write(place.join(var("BUILDER")), "").unwrap();

    let builders: usize = var("BUILDERS").parse().unwrap();
    let started = time::Instant::now();
    while fs::read_dir(&place).unwrap().count() < builders {
        let gave_up = Path::new(&var("MEETING")).join("gave-up");
        if gave_up.exists() || started.elapsed().as_secs() > 90 {
            fs::write(gave_up, "").unwrap();
            panic!("the others have not come");
        }
        thread::sleep(time::Duration::from_millis(5));
    }
}
"#;

fn project() -> Project {
    let packages: [(&str, &[&str]); 5] =
        [("a", &[]), ("b", &[]), ("c", &[]), ("d", &[]), ("plain", &[])];
    let project = Project::workspace(&packages);
    for (package, _) in packages {
        project.write(&format!("crates/{package}/build.rs"), MEETING);
        project.write(&format!("crates/{package}/src/lib.rs"), "#[test] fn passes() {}");
    }
    project.cargo("generate-lockfile").ok();
    project
}

fn meeting(call: Call, project: &Project, phase: &str, builder: &str, builders: usize) -> Child {
    call.env("MEETING", project.root.join("meeting"))
        .env("PHASE", phase)
        .env("BUILDER", builder)
        .env("BUILDERS", builders.to_string())
        .start()
}

#[test]
fn four_agents_and_plain_cargo_build_at_once() {
    let project = project();
    for (phase, verb, plain) in
        [("check", "check", "check"), ("build", "build-dev", "check"), ("test", "test", "check")]
    {
        let mut builders = Vec::new();
        for package in ["a", "b", "c", "d"] {
            let call = project
                .xtask(&format!("{verb} --package {package}"))
                .agent(&format!("agent-{package}"));
            builders.push(meeting(call, &project, phase, package, 5));
        }
        let call = project.cargo(&format!("{plain} --package plain"));
        builders.push(meeting(call, &project, phase, "plain", 5));

        let (outputs, waited) = watching_locks(&project.root, || {
            builders
                .into_iter()
                .map(|child| child.wait_with_output().expect("it ends"))
                .collect::<Vec<Output>>()
        });

        for output in &outputs {
            let stderr = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{phase}: {stderr}");
            for place in ["build directory", "artifact directory"] {
                assert!(
                    !stderr.contains(&format!("waiting for file lock on {place}")),
                    "{phase}: {stderr}"
                );
            }
        }
        assert!(waited.is_empty(), "{phase}: somebody slept in flock on {waited:?}");
    }
    assert_eq!(project.lanes().len(), 4);
}

/// The other way round, so that the test above can be believed: builders who share a lane are seen
/// to wait.
#[test]
fn builders_of_one_lane_are_seen_to_wait() {
    let project = project();
    let start = |package: &str| {
        let call = project.xtask(&format!("check --package {package}")).agent("shared");
        // The first waits in its script for a third builder, which comes when the second was seen
        // waiting.
        meeting(call, &project, package, package, 2)
    };
    let first = start("a");
    wait_until("the first builder", || project.root.join("meeting/a/a").exists());
    let mut second = start("b");

    if cfg!(target_os = "linux") {
        let lane = project.root.join(project.only_lane());
        wait_until("the second builder in flock", || {
            !waiting_inodes().is_disjoint(&lock_inodes(&lane))
        });
    }
    assert!(
        second.try_wait().expect("it can be asked").is_none(),
        "the second builder did not wait"
    );
    project.write("meeting/a/late", "").write("meeting/b/late", "");

    assert!(first.wait_with_output().expect("it ends").status.success());
    let output = second.wait_with_output().expect("it ends");
    assert!(output.status.success());
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("Blocking waiting for file lock on build directory"), "{stderr}");
}

/// Runs `work` while another thread looks who sleeps in `flock`, and on which files below `root`.
/// Linux; elsewhere the second is empty.
fn watching_locks<T>(root: &Path, work: impl FnOnce() -> T) -> (T, HashSet<u64>) {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut waited = HashSet::new();
            while !done.load(Ordering::Relaxed) {
                waited.extend(waiting_inodes());
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
            waited
        });
        let result = work();
        done.store(true, Ordering::Relaxed);
        let waited = watcher.join().expect("the watcher ends");
        (result, waited.intersection(&lock_inodes(root)).copied().collect())
    })
}

/// proc_locks(5): `1: -> FLOCK  ADVISORY  WRITE 1234 08:01:5678 0 EOF` is somebody who waits.
fn waiting_inodes() -> HashSet<u64> {
    let locks = std::fs::read_to_string("/proc/locks").unwrap_or_default();
    let waiting = locks.lines().filter(|line| line.contains("-> "));
    waiting
        .filter_map(|line| line.split_whitespace().nth(6)?.rsplit(':').next()?.parse().ok())
        .collect()
}

#[cfg(unix)]
fn lock_inodes(dir: &Path) -> HashSet<u64> {
    use std::os::unix::fs::MetadataExt as _;
    let mut found = HashSet::new();
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        match entry.metadata() {
            Ok(meta) if meta.is_dir() => found.extend(lock_inodes(&entry.path())),
            Ok(meta) if name.ends_with("lock") || name == ".lane" => drop(found.insert(meta.ino())),
            _ => {}
        }
    }
    found
}

#[cfg(not(unix))]
fn lock_inodes(_dir: &Path) -> HashSet<u64> {
    HashSet::new()
}

//! Crates come through sccache where there is one, and a build never fails or hangs for it.

#![cfg(unix)]

use std::path::Path;

use crate::support::{INCLUDE, Project, Ran, skipped};

/// A stand-in for sccache: notes what it is asked, and does what `$FAKE` says. It counts as a
/// server would.
const FAKE: &str = r#"
here=${0%/*}
case $1 in
--version) echo "sccache ${FAKE_VERSION-0.16.0}"; exit ;;
--show-stats)
    asked=$(wc -l <"$here/asked")
    echo "{\"stats\":{\"compile_requests\":$asked,\"cache_hits\":{\"counts\":{\"Rust\":$asked}}}}"
    exit ;;
--dist-status) echo '{"Disabled":"disabled"}'; exit ;;
esac
# Its server makes no folder for its socket.
[ -z "$SCCACHE_SERVER_UDS" ] || [ -d "${SCCACHE_SERVER_UDS%/*}" ] || { echo "sccache: error: Server startup failed" >&2; exit 2; }
case "$*" in
*" multilane_probe "* | *=multilane_probe*) probe=yes ;;
*) probe= ;;
esac
env | grep ^SCCACHE_ >>"$here/env"
[ "$probe" ] || echo "$CARGO_INCREMENTAL $*" >>"$here/asked"
case $FAKE in
fails) echo "sccache: error: no redis://me:hunter2@there" >&2; exit 2 ;;
remembers) [ "$probe" ] && echo "$*" >>"$here/asked" ;;
expires) [ "$probe" ] && echo "$*" >>"$here/asked" || sed -i 's/"until":[0-9]*/"until":1/' "$XDG_RUNTIME_DIR"/multilane/sccache-*.json ;;
no-remote) [ -z "$SCCACHE_REDIS_ENDPOINT" ] || { echo "sccache: error: no remote" >&2; exit 2; } ;;
fails-later) [ "$probe" ] || exit 1 ;;
rubbish) echo "%&/("; exit 0 ;;
rubbish-later) [ "$probe" ] || { echo "%&/(" >&2; exit 7; } ;;
hangs-later) [ "$probe" ] || exec sleep 1000 ;;
dies) echo "sccache: warning: The server looks like it shut down" >&2 ;;
esac
exec "$@"
"#;

/// `app` on `base` on `core`, with the fake on `PATH` and nothing of it known to anybody else. What
/// is built with `--release` has no incremental cache.
fn project() -> Project {
    let mut project = Project::workspace(&[("core", &[]), ("base", &["core"]), ("app", &["base"])]);
    project.write("crates/app/src/main.rs", "fn main() { base::here(); println!(\"it runs\"); }\n");
    project.write(".cargo/config.toml", INCLUDE);
    project.cargo("generate-lockfile").ok();
    project.commit();
    project.script("fake/sccache", FAKE);
    project.write("fake/asked", "").write("runtime/empty", "");
    let fake = project.root.join("fake");
    let path = std::env::var_os("PATH").expect("a PATH");
    let path = std::env::join_paths([fake].into_iter().chain(std::env::split_paths(&path)))
        .expect("a PATH");
    project.set("PATH", path.to_str().expect("UTF-8"));
    project.set("XDG_RUNTIME_DIR", project.root.join("runtime").to_str().expect("UTF-8"));
    project.set("XDG_CACHE_HOME", project.root.join("caches").to_str().expect("UTF-8"));
    project.set("XTASK_CACHE", "on");
    // The tools are compiled once for all tests.
    let tools = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache/multilane/tools");
    let caches = project.root.join("caches/multilane");
    std::fs::create_dir_all(&tools).and(std::fs::create_dir_all(&caches)).expect("directories");
    std::os::unix::fs::symlink(tools, caches.join("tools")).expect("a link");
    project
}

/// The crates that sccache was asked for, and each call as it came.
fn asked(project: &Project) -> (Vec<String>, String) {
    let calls = project.read("fake/asked");
    let name = |call: &str| {
        let mut words = call.split(' ').skip_while(|word| *word != "--crate-name");
        words.nth(1).map(str::to_owned)
    };
    let mut names: Vec<String> = calls.lines().filter_map(name).collect();
    names.sort();
    (names, calls)
}

#[track_caller]
fn runs(project: &Project, ran: &Ran) {
    let program =
        project.command(project.root.join("target/release/app")).output().expect("it is built");
    assert_eq!(String::from_utf8_lossy(&program.stdout), "it runs\n", "{}", ran.report());
}

const WARNING: &str = "warning: the shared cache is not used";

#[test]
fn libraries_without_an_incremental_cache_come_through_it_as_they_are() {
    let project = project();
    project.xtask("build").ok().says("Using").does_not_say("from the cache");
    assert_eq!(asked(&project).0, [""; 0], "what is compiled incrementally");
    project
        .xtask("build --release")
        .ok()
        .does_not_say("Using")
        .says("compiled 1, from the cache 3, fresh 0");
    let (names, calls) = asked(&project);
    assert_eq!(names, ["app", "base", "core"]);
    assert!(!calls.contains("--remap-path-prefix") && !calls.contains("/proc/"), "{calls}");

    // Nothing to do, and nothing asked; plain cargo, the same.
    project.xtask("build --release").ok().does_not_say("from the cache");
    project.cargo("build --release").ok();
    assert_eq!(asked(&project).1, calls);
    project.write("crates/base/src/lib.rs", "pub fn here() { core::here(); }\n");
    let ran = project.cargo("build --release").ok();
    assert_eq!(ran.built(), ["app", "base"]);
    let (names, calls) = asked(&project);
    assert_eq!(names, ["app", "app", "base", "base", "core"], "{calls}");
    runs(&project, &ran);

    // sccache refuses to work where this is 1, and cargo starts a compiler of a registry's crate
    // with it all the same.
    let mut command = project.command(project.root.join(".cargo/wrapper/rustc"));
    let words =
        "rustc --crate-name other --crate-type lib crates/core/src/lib.rs --out-dir target/other";
    command.args(words.split(' ')).env("CARGO_INCREMENTAL", "1");
    assert!(command.status().expect("it starts").success());
    assert!(asked(&project).1.ends_with(&format!("\n {words}\n")), "{}", asked(&project).1);

    // Without one, everything is as it was.
    std::fs::remove_file(project.root.join("fake/sccache")).expect("it is there");
    project.xtask("build --release").without(&project, &["sccache"]).ok().does_not_say("warning");
    assert!(
        !project.exists(".cargo/wrapper/through-cache") && project.exists(".cargo/wrapper/rustc")
    );
}

/// What a macro has read is in no key of sccache's.
#[test]
fn what_may_have_called_a_macro_does_not_come_through_it() {
    let project = project();
    for (name, rest) in [
        ("macros", "[lib]\nproc-macro = true\n"),
        ("facade", "macros = { path = \"../macros\" }\n"),
        ("caller", "facade = { path = \"../facade\" }\n"),
    ] {
        project.package(&format!("crates/{name}"), name, &[]);
        let manifest = project.read(&format!("crates/{name}/Cargo.toml")) + rest;
        project.write(&format!("crates/{name}/Cargo.toml"), &manifest);
    }
    project.write("crates/macros/src/lib.rs", "");
    project.cargo("generate-lockfile").ok();
    project.xtask("build --release --package caller").ok();
    assert_eq!(asked(&project).0, [""; 0]);
    project.xtask("build --release --package core").ok();
    assert_eq!(asked(&project).0, ["core"], "it has no dependency");
}

/// Every ten minutes it is tried whether it still works, and the server counts that, too.
#[test]
fn a_long_build_counts_its_own_crates() {
    let mut project = project();
    project.set("FAKE", "expires");
    project.xtask("build --release").ok().says("compiled 1, from the cache 3, fresh 0");
}

#[test]
fn the_build_goes_on_with_any_failure_of_it() {
    for (how, said) in [
        ("fails", "10 min: it fails: sccache: error: no redis://…@there"),
        ("fails-later", "10 min: it fails: exit status: 1"),
        ("rubbish", "10 min: it fails: %&/("),
        ("rubbish-later", "10 min: it fails: %&/("),
    ] {
        let mut project = project();
        project.set("FAKE", how);
        let ran = project.xtask("build --release").ok();
        ran.says(&format!("{WARNING} for {said}"));
        assert_eq!(ran.stderr().matches("warning").count(), 1, "{}", ran.report());
        runs(&project, &ran);

        // It is not asked again soon; each build is told once.
        let calls = asked(&project).1;
        project.write("crates/core/src/lib.rs", "pub fn here() { }\n");
        let ran = project.xtask("build --release").ok();
        ran.says(WARNING);
        assert_eq!(ran.stderr().matches("warning").count(), 1, "{}", ran.report());
        assert_eq!(asked(&project).1, calls);
        // Where nothing is compiled, nothing is said.
        project.xtask("build --release").ok().does_not_say("warning");
    }
}

#[test]
fn a_server_that_hangs_is_left_out_for_plain_cargo_too() {
    let mut project = project();
    project.xtask("build").ok();
    project.set("FAKE", "hangs-later");
    let ran = project.cargo("build --release").ok();
    runs(&project, &ran);
    if cfg!(target_os = "linux") {
        ran.says(&format!("{WARNING} for 10 min: its server does not answer"));
        assert_eq!(ran.stderr().matches("warning").count(), 1, "{}", ran.report());
        assert_eq!(asked(&project).0, ["core"], "one unit has waited, for all");
    }
    project.cargo("build --release").ok().does_not_say("warning");

    // A new state is told to all builds anew.
    let runtime = project.root.join("runtime/multilane");
    let remembered = || {
        let files = std::fs::read_dir(&runtime).expect("it is there").flatten();
        files.map(|entry| entry.path()).collect::<Vec<_>>()
    };
    let ends = |path: &&std::path::PathBuf, end: &str| path.to_string_lossy().contains(end);
    let files = remembered();
    let standing = files.iter().find(|path| ends(path, ".json")).expect("what was found out");
    std::fs::remove_file(standing).expect("it is there");
    project.set("FAKE", "");
    project.write("crates/core/src/lib.rs", "pub fn here() { }\n");
    project.cargo("build --release").ok().does_not_say("warning");
    assert_eq!(remembered().iter().filter(|path| ends(path, ".told-")).count(), 0);
}

#[test]
fn an_error_in_a_crate_is_the_compilers_to_tell() {
    let mut project = project();
    project.write("crates/base/src/lib.rs", "pub fn here() { nowhere::at_all() }\n");
    project.set("FAKE", "dies");
    let ran = project.xtask("build --release").fails_with(101);
    assert_eq!(ran.stderr().matches("nowhere::at_all()").count(), 1, "{}", ran.report());
    ran.does_not_say("warning").does_not_say("it shut down");
}

#[test]
fn an_old_one_is_not_used_and_that_is_said_once() {
    let mut project = project();
    project.set("FAKE_VERSION", "0.4.0-pre6");
    project.xtask("build --release").ok().says("warning: not using ").says("is older than 0.16.0");
    project.xtask("check --release").ok().does_not_say("warning");
    assert_eq!(asked(&project).0, [""; 0]);
}

#[test]
fn what_does_not_say_that_it_is_sccache_is_not_used() {
    for (script, said) in [
        ("exit 1", "it does not answer `--version`"),
        ("echo '%&/('", "its answer to `--version` is not that of sccache"),
        ("yes", "it does not answer `--version`"),
        ("exec >&- 2>&-; sleep 1000", "it does not answer `--version`"),
    ] {
        let project = project();
        project.script("fake/sccache", script);
        let ran = project.xtask("build --release").ok();
        ran.says("warning: not using ").says(said);
        runs(&project, &ran);
        project.xtask("check --release").ok().does_not_say("warning");
    }
}

#[test]
fn cargos_env_table_reaches_it() {
    let project = project();
    let config = project.read(".cargo/config.toml");
    let with = |env: &str| {
        project.write(".cargo/config.toml", &format!("{config}[env]\n{env}"));
        project.write("fake/env", "");
    };
    let environment = || project.read("fake/env");

    with("SCCACHE_CACHE_SIZE = \"3G\"\nSCCACHE_DIR = { value = \"own\", relative = true }\n");
    project.xtask("build --release").ok().says("from the cache 3").does_not_say("warning");
    let own_dir = format!("SCCACHE_DIR={}/own\n", project.root.display());
    assert!(environment().contains("SCCACHE_CACHE_SIZE=3G\n"), "{}", environment());
    assert!(environment().contains(&own_dir), "{}", environment());

    // The user's own environment goes before it, and without either there is a default.
    with("SCCACHE_CACHE_SIZE = \"3G\"\n");
    project.write("crates/core/src/lib.rs", "pub fn here() { }\n");
    project.cargo("build --release").env("SCCACHE_CACHE_SIZE", "4G").ok();
    let default_dir = format!("SCCACHE_DIR={}/caches/multilane/sccache\n", project.root.display());
    assert!(environment().contains("SCCACHE_CACHE_SIZE=4G\n"), "{}", environment());
    assert!(environment().contains(&default_dir), "{}", environment());
}

#[test]
fn a_remote_storage_that_fails_costs_itself_alone() {
    let mut project = project();
    let config = project.read(".cargo/config.toml");
    let env = "[env]\nSCCACHE_REDIS_ENDPOINT = \"redis://there\"\n";
    project.write(".cargo/config.toml", &format!("{config}{env}"));
    project.set("FAKE", "no-remote");
    let ran = project.xtask("build --release").ok();
    ran.says("warning: the remote part of the shared cache is not used for 10 min: it fails");
    ran.says("from the cache 3");
    runs(&project, &ran);
}

#[test]
fn doctor_sees_it_by_a_hit_and_tells_no_secret() {
    let project = project();
    project.xtask("build-dev").ok();
    let doctor = |fake: &str| {
        let ran = project.xtask("doctor").env("FAKE", fake).ok();
        assert!(!ran.report().contains("hunter2"), "{}", ran.report());
        ran.stdout()
    };
    let seen = doctor("remembers");
    assert!(seen.contains("sccache, seen by a hit\n"), "{seen}");
    project.xtask("build --release").ok().says("from the cache 3");
    let seen = doctor("remembers");
    assert!(seen.contains("sccache, seen by a hit; 3 of 3 crates came from it"), "{seen}");
    // As after a restart of the machine.
    std::fs::remove_dir_all(project.root.join("runtime/multilane")).expect("it is there");
    let seen = doctor("remembers");
    assert!(seen.contains("sccache, seen by a hit; 3 of 3"), "{seen}");
    let forgetful = doctor("");
    assert!(forgetful.contains("sccache: it stores nothing"), "{forgetful}");
    let failing = doctor("fails");
    assert!(failing.contains("warning  cache          sccache: it fails"), "{failing}");
}

#[test]
fn lane_verify_compares_with_what_compilers_have_made() {
    let project = project();
    let ran = project.xtask("lane verify --release").ok();
    let (names, calls) = asked(&project);
    assert_eq!(names, ["app", "base", "core"], "the donor's alone: {calls}");
    ran.does_not_say("compilers go through ");

    let own = project.root.join("fake/sccache");
    let ran = project.xtask("lane verify --release --no-run").env("RUSTC_WRAPPER", &own).ok();
    ran.says("warning: compilers go through ").says("fake/sccache");
}

/// With the real one, where this machine has it.
#[test]
fn a_lane_that_is_built_again_comes_from_the_real_sccache() {
    let answer = std::process::Command::new("sccache").arg("--version").output();
    let answer = answer.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    if !answer.as_ref().is_ok_and(|answer| {
        ["0.16", "0.19"].iter().any(|version| answer.starts_with(&format!("sccache {version}")))
    }) {
        return skipped(&format!("no sccache 0.16 or 0.19 on PATH: {answer:?}"));
    }
    let mut project = project();
    std::fs::remove_file(project.root.join("fake/sccache")).expect("it is there");
    // The path of a socket has to be short.
    let runtime = std::env::temp_dir().join(format!("xtask-{}", std::process::id()));
    std::fs::create_dir_all(&runtime).expect("a directory");
    project.set("XDG_RUNTIME_DIR", runtime.to_str().expect("UTF-8"));
    project.set("SCCACHE_IDLE_TIMEOUT", "20"); // It goes by itself when this test is killed.

    let first = project.xtask("build --release").ok();
    first.does_not_say("warning").says("Using").does_not_say("from the cache");
    for _ in 0..2 {
        // It answers before it has stored what it compiled, so the first time something may be
        // missing.
        std::fs::remove_dir_all(project.root.join("target/release")).expect("it is there");
        project.xtask("build --release").ok().does_not_say("warning").says("from the cache");
    }
    let last = project.cargo("build --release").ok();
    runs(&project, &last);

    let sockets = std::fs::read_dir(runtime.join("multilane")).expect("it is there").flatten();
    for socket in sockets.filter(|entry| entry.file_name().to_string_lossy().ends_with("-local")) {
        let stop = project
            .command("sccache")
            .arg("--stop-server")
            .env("SCCACHE_SERVER_UDS", socket.path())
            .output();
        assert!(stop.expect("it starts").status.success());
    }
    std::fs::remove_dir_all(runtime).expect("it is there");
}

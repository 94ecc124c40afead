//! cargo's output, exit codes, options and environment go through untouched.

use std::collections::BTreeSet;

use crate::support::{Project, Ran};

fn project() -> Project {
    let project = Project::workspace(&[("core", &[]), ("app", &["core"])]);
    project.write("crates/core/src/lib.rs", "pub fn here() { let unused = 1; }\n");
    project.write(
        "crates/app/src/main.rs",
        "fn main() { println!(\"{:?}\", std::env::args().nth(1)); std::process::exit(7) }\n",
    );
    project.cargo("generate-lockfile").ok();
    project
}

#[test]
fn stderr_is_cargos_and_one_line() {
    let project = project();
    let fresh = |words: &str| {
        let plain = words.replace("build-dev", "build").replace("build-test", "test --no-run");
        let with_us = project.xtask(&format!("{words} --target-dir one")).run();
        let without = project.cargo(&format!("{plain} --target-dir two")).run();
        // Two compilers that run at once say what they have to say in any order.
        let sorted = |words: String| words.lines().map(str::to_owned).collect::<BTreeSet<String>>();
        assert_eq!(sorted(with_us.cargos_words()), sorted(without.cargos_words()));
        let executables = |ran: &Ran| {
            let stderr = ran.stderr().replace("one/", "two/");
            let lines = stderr.lines().filter(|line| line.contains("  Executable "));
            lines.map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(executables(&with_us), executables(&without));
        assert_eq!(with_us.output.status.code(), without.output.status.code());
        assert_eq!(with_us.stdout(), without.stdout());
        let added =
            with_us.stderr().lines().filter(|line| line.starts_with("        Lane ")).count();
        // Where cargo refuses to begin, there is nothing to sum up.
        let expected = usize::from(!words.contains("no-such-package"));
        assert_eq!(added, expected, "{}", with_us.report());
        with_us
    };
    fresh("build-dev")
        .says("warning: unused variable: `unused`")
        .compiled_of(3, &["app", "core"])
        .fresh(0);
    fresh("build-dev").compiled(0).fresh(3);
    fresh("build-test").says("  Executable unittests src/lib.rs (");
    fresh("check --message-format short").says("crates/core/src/lib.rs:1:21: warning");
    project.write("crates/app/src/main.rs", "fn main() { no_such_function() }");
    fresh("build-dev").says("error[E0425]").says("failed after");
    fresh("check --package no-such-package");
}

/// What is not ours goes to cargo as it was typed, also an option that no cargo has yet.
#[test]
fn options_of_cargo_stay_in_their_place() {
    let project = project();
    let check = |typed: &str, expected: &str| {
        let dry = project.xtask(typed).without(&project, &["cargo-nextest"]).ok().stdout();
        assert_eq!(dry, format!("{expected}\n"), "{typed}");
    };
    check("clippy --fix --dry-run --allow-dirty", "cargo clippy --fix --allow-dirty");
    check("build-dev --future-incompat-report --dry-run", "cargo build --future-incompat-report");
    check(
        "check --dry-run --artifact-dir x -Zunstable-options",
        "cargo check --artifact-dir x -Zunstable-options",
    );
    check("test --no-fail-fast --dry-run -- --ignored", "cargo test --no-fail-fast -- --ignored");
    check("build --lockfile-path x --dry-run", "cargo build --lockfile-path x");
    check(
        "build-dev --config a=1 --new x --new=y --dry-run",
        "cargo build --config a=1 --new x --new=y",
    );
    check("cargo --dry-run +nightly -q build -Zx -- y", "cargo +nightly -q build -Zx -- y");
    check("run --dry-run x -- --dry-run", "cargo run x -- --dry-run");
}

/// A word that is no verb of ours and means something to cargo, with what is in front of it.
#[cfg(unix)]
#[test]
fn cargos_commands_are_verbs() {
    let project = project();
    project.write(".cargo/config.toml", "[alias]\nlook = \"check --workspace\"\n");
    project.script("fake/cargo-other", "");
    project.script("fake/cargo", "echo \"$*\"");
    let path = std::env::var("PATH").expect("a PATH");
    let path = format!("{}:{path}", project.root.join("fake").display());
    let call = |typed: &str| project.xtask(typed).env("PATH", &path);
    for typed in [
        "doc --no-deps",
        "add --dry-run serde",
        "bench",
        "look --new",
        "other --help x",
        "+nightly bench",
        "--config a=1 --new tree -p test",
        "--offline fetch",
    ] {
        assert_eq!(call(typed).ok().stdout(), format!("{typed}\n"));
    }
    assert_eq!(call("cargo publish --dry-run").ok().stdout(), "publish --dry-run\n");
    for typed in ["no-such-verb", "xtask", "--no-such-option", "+nightly no-such-verb", "lane bild"]
    {
        call(typed).fails_with(2).says("Usage: cargo multilane");
    }
}

#[test]
fn only_what_builds_is_worth_a_fork() {
    let project = crate::fork::donor();
    for words in ["cargo tree -p core", "cargo pkgid core", "tree -p core", "cargo build --help"] {
        project.xtask(words).agent("a").ok().forked_nothing();
    }
    project.xtask("doc --no-deps").agent("a").ok().forked();
    assert_eq!(
        project.records()[0]["commands"],
        serde_json::json!([[
            "doc",
            "--target-dir",
            project.root.join(project.only_lane()),
            "--no-deps"
        ]])
    );
}

#[test]
fn json_is_passed_on_to_the_byte() {
    let project = project();
    project.xtask("check").ok();
    let ours = project.xtask("check --message-format=json").ok();
    let cargos = project.cargo("check --message-format=json").ok();
    let sorted = |ran: &Ran| {
        let stdout = ran.stdout();
        let mut lines: Vec<String> = stdout.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(sorted(&ours), sorted(&cargos));
    ours.compiled(0).fresh(3);
}

#[test]
fn the_exit_code_is_the_childs() {
    let project = project();
    let ran = project.xtask("run --quiet -- hello").fails_with(7);
    assert_eq!(ran.stdout(), "Some(\"hello\")\n");
    project.write("crates/core/src/lib.rs", "no rust");
    project.xtask("check").fails_with(101);
    project.xtask("check --no-such-option").fails_with(1).says("--no-such-option");
    project.xtask("cargo no-such-command").fails_with(101);
}

#[test]
fn quiet_is_quiet() {
    let project = project();
    project.write("crates/core/src/lib.rs", "");
    let ran = project.xtask("check --quiet").ok();
    assert_eq!((ran.stdout(), ran.stderr()), (String::new(), String::new()));
}

#[test]
fn verbose_shows_the_command_line() {
    let project = project();
    let verbose = |words: &str, value: &str| project.xtask(words).env("VERBOSE", value).run();
    verbose("check --offline", "1").says("Running `cargo check --offline --verbose`");
    verbose("fmt --check", "1").says("Running `cargo fmt --all --check`");
    verbose("check", "0").does_not_say("Running `cargo");
    // Of the two, what was typed counts.
    verbose("check --quiet", "1").does_not_say("Running `cargo");
}

#[test]
fn what_cargo_tells_a_program_about_itself_does_not_reach_the_inner_cargo() {
    let project = project();
    let watched =
        ["CARGO_PKG_NAME", "CARGO_MANIFEST_DIR", "CARGO_PKG_VERSION", "OUT_DIR", "LD_LIBRARY_PATH"];
    let watch = |name| format!("println!(\"cargo::rerun-if-env-changed={name}\");");
    let watches = watched.map(watch).concat();
    project.write("crates/core/build.rs", &format!("fn main() {{ {watches} }}"));
    project.cargo("build").ok();

    let exe_dir =
        std::path::Path::new(env!("CARGO_BIN_EXE_cargo-multilane")).parent().expect("a directory");
    let libraries = std::env::join_paths([exe_dir, &exe_dir.join("deps")]).expect("a path list");
    let from_cargo_run = project
        .xtask("build-dev")
        .env("CARGO_PKG_NAME", "xtask")
        .env("CARGO_PKG_VERSION", "9.9.9")
        .env("CARGO_MANIFEST_DIR", "/elsewhere")
        .env("OUT_DIR", "/elsewhere")
        .env("LD_LIBRARY_PATH", libraries);
    from_cargo_run.ok().compiled(0);
    let ran = project.cargo("build").ok();
    assert_eq!(ran.built(), [""; 0], "{}", ran.report());
}

#[test]
fn plain_cargo_and_xtask_find_each_others_units_fresh() {
    let project = project();
    project.xtask("build-dev").ok();
    assert_eq!(project.cargo("build").ok().built(), [""; 0]);
    project.cargo("test --no-run").ok();
    project.xtask("build-test").ok().compiled(0);

    project.xtask("build-dev").agent("a").ok();
    let lane = project.root.join(project.only_lane());
    assert_eq!(project.cargo("build --target-dir").arg(&lane).ok().built(), [""; 0]);
    project.cargo("check --target-dir").arg(&lane).ok();
    project.xtask("check").agent("a").ok().compiled(0);
}

#[test]
fn a_dry_run_prints_what_can_be_pasted() {
    let project = project();
    let ran = project.xtask("build-dev --package core --dry-run").agent("a").ok();
    assert!(project.lanes().is_empty(), "a dry run made a lane");
    let mut shell = project.command("sh");
    shell.args(["-c", &ran.stdout()]);
    assert!(shell.output().expect("sh starts").status.success());
    project.xtask("build-dev --package core").agent("a").ok().compiled(0);

    let ran = project.xtask("ci --dry-run").ok();
    assert!(ran.stdout().starts_with("cargo fmt --all --check\ncargo clippy "), "{}", ran.report());
}

#[test]
fn mode_says_what_build_builds() {
    let project = project();
    let built = |mode: &str| project.xtask("build --dry-run").env("MODE", mode).ok().stdout();
    assert_eq!(project.xtask("build --dry-run").ok().stdout(), "cargo build\n");
    assert_eq!(built("dev"), "cargo build\n");
    assert_eq!(built("test"), "cargo test --no-run\n");
    assert_eq!(built("release"), "cargo build --release\n");
    let wrong = project.xtask("build").env("MODE", "fast").fails_with(1);
    wrong.says("MODE=fast is not one of dev, test, release");
}

#[test]
fn any_cargo_command_goes_through_the_lane() {
    let project = project();
    project.write(".cargo/config.toml", "[alias]\nlook = \"check --workspace\"\n");
    project.xtask("cargo look").agent("a").ok();
    let lane = project.only_lane();
    assert!(project.exists(&format!("{lane}/debug")) && !project.exists("target"));
    project.xtask("cargo check --workspace").agent("a").ok().compiled(0);

    let metadata =
        project.xtask("cargo metadata --no-deps --format-version=1").agent("a").ok().stdout();
    let metadata: serde_json::Value =
        serde_json::from_str(&metadata).expect("nothing but cargo's JSON");
    assert_eq!(metadata["target_directory"], project.root.join(&lane).to_str().expect("UTF-8"));

    let ran = project.xtask("cargo --version").agent("a").ok();
    assert_eq!(ran.stdout(), project.cargo("--version").ok().stdout());
    assert_eq!(ran.stderr(), "");
    assert_eq!(
        project.xtask("cargo build --help").ok().stdout(),
        project.cargo("build --help").ok().stdout()
    );
}

#[test]
fn an_alias_goes_through_the_lane_whatever_name_it_has() {
    let project = project();
    project.write(
        ".cargo/config.toml",
        "[alias]\nr = \"run --package app --\"\nc = \"check --package core --\"\n",
    );
    let ran = project.xtask("cargo r hello").agent("a").fails_with(7);
    assert_eq!(ran.stdout(), "Some(\"hello\")\n");
    project.xtask("cargo c").ok();
    project.xtask("cargo c").agent("a").ok();
    project.only_lane();
}

#[test]
fn a_manifest_elsewhere_and_a_relative_directory_mean_what_they_mean_to_cargo() {
    let project = project();
    project
        .xtask("check --manifest-path crates/core/Cargo.toml --target-dir out")
        .ok()
        .in_lane("/out")
        .compiled(1);
    assert!(project.exists("out/debug") && !project.exists("crates/core/out"));
    let outside = project.root.with_file_name("outside");
    std::fs::create_dir_all(&outside).expect("a directory");
    let manifest = "../wörk space/Cargo.toml";
    project.xtask("check --manifest-path").arg(manifest).agent("a").within(&outside).ok();
    project.only_lane();
}

#[test]
fn started_in_a_member_it_selects_what_cargo_selects_there() {
    let project = project();
    let ran = project.xtask("check").within(project.root.join("crates/core/src")).ok();
    assert_eq!(ran.built(), ["core"]);
    assert!(project.exists("target/debug"));
}

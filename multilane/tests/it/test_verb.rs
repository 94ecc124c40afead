//! `test` runs the same tests with nextest and without.

use crate::support::{Project, Ran};

/// A library with unit tests and a doctest, and a program alone.
fn project() -> Project {
    let project = Project::workspace(&[("lib", &[]), ("program", &[])]);
    project.write(
        "crates/lib/src/lib.rs",
        "/// ```\n/// assert_eq!(lib::one(), 1);\n/// ```\npub fn one() -> i32 { 1 }\n\
         #[test] fn alpha() {}\n#[test] fn alphabet() {}\n#[test] #[ignore] fn beta() {}\n",
    );
    std::fs::remove_file(project.root.join("crates/program/src/lib.rs")).expect("it is there");
    project.write("crates/program/src/main.rs", "fn main() {}\n#[test] fn of_program() {}\n");
    project.cargo("generate-lockfile").ok();
    project
}

/// Which of the tests ran and passed, whoever reports it.
fn passed(ran: &Ran) -> Vec<&'static str> {
    let output = format!("{}\n{}", ran.stdout(), ran.stderr());
    let all = ["alpha", "alphabet", "beta", "of_program", "one"];
    let has_passed = |name: &&&str| {
        output.lines().any(|line| {
            let by_libtest = line.starts_with(&format!("test {name} ...")) && line.ends_with("ok");
            let by_nextest = line.contains("PASS") && line.ends_with(&format!(" {name}"));
            let by_doctest = line.contains(&format!("- {name} (line")) && line.ends_with("ok");
            by_libtest || by_nextest || by_doctest
        })
    };
    all.iter().filter(has_passed).copied().collect()
}

/// With nextest where this machine has it, and in any case without.
#[track_caller]
fn check(words: &str, expected: &[&str]) {
    let project = project();
    let with = project.xtask(words).ok();
    assert_eq!(passed(&with), expected, "{}", with.report());
    let without = project.xtask(words).without(&project, &["cargo-nextest"]).ok();
    assert_eq!(passed(&without), expected, "{}", without.report());
}

#[test]
fn everything() {
    check("test", &["alpha", "alphabet", "of_program", "one"]);
}

#[test]
fn filters() {
    check("test alpha", &["alpha", "alphabet"]);
    check("test one alphabet", &["alphabet", "one"]);
    check("test alpha -- --exact", &["alpha"]);
    check("test -- --ignored", &["beta"]);
    check("test -- --skip alphabet --include-ignored", &["alpha", "beta", "of_program", "one"]);
    check("test -- --test-threads=1", &["alpha", "alphabet", "of_program", "one"]);
    check("test no_such_test", &[]);
}

#[test]
fn selections() {
    check("test --package program", &["of_program"]);
    check("test --package lib", &["alpha", "alphabet", "one"]);
    check("test --lib --package lib", &["alpha", "alphabet"]);
    check("test --doc --package lib", &["one"]);
    check("test --workspace --exclude lib", &["of_program"]);
    check("test --workspace --exclude l*", &["of_program"]);
    check("test --package pro*", &["of_program"]);
}

#[test]
fn built_and_not_run() {
    let project = project();
    for words in ["build-test", "test --no-run"] {
        let ran = project.xtask(words).ok();
        assert_eq!(passed(&ran), [""; 0], "{}", ran.report());
    }
    project.xtask("build-test").ok().compiled(0);
    project.xtask("test").ok().does_not_say("Compiling");
}

/// A nextest that is broken is no nextest.
#[cfg(unix)]
#[test]
fn whatever_nextest_does_the_tests_are_run() {
    let project = project();
    let path = std::env::var("PATH").expect("a PATH");
    let ways =
        ["exit 1", "echo '%&/('", "yes", "exec >&- 2>&-; sleep 1000", "sleep 1000 & sleep 1000"];
    for way in ways {
        let fake = project.script("fake/cargo-nextest", way);
        let fake = fake.parent().expect("a directory").display();
        let ran = project.xtask("test").env("PATH", format!("{fake}:{path}")).ok();
        let expected = ["alpha", "alphabet", "of_program", "one"];
        assert_eq!(passed(&ran), expected, "{way}: {}", ran.report());
    }
}

#[test]
fn what_a_test_prints_is_printed_even_if_it_looks_like_cargos() {
    let project = project();
    let prints = "fn main() {}\n#[test] fn of_program() { println!(\"{}\", r#\"{\"reason\":\"compiler-artifact\"}\"#) }\n";
    project.write("crates/program/src/main.rs", prints);
    let ran = project.xtask("test --package program -- --nocapture").ok();
    assert!(ran.report().contains(r#"{"reason":"compiler-artifact"}"#), "{}", ran.report());
}

#[test]
fn keep_going_is_cargos_word_for_it() {
    let dry = project().xtask("test --keep-going --dry-run").ok().stdout();
    assert!(dry.contains("--no-fail-fast") && !dry.contains("--keep-going"), "{dry}");
}

#[test]
fn a_failure_is_a_failure() {
    let project = project();
    let panics = "fn main() {}\n#[test] fn of_program() { panic!() }\n";
    project.write("crates/program/src/main.rs", panics);
    let with = project.xtask("test").run();
    let without = project.xtask("test").without(&project, &["cargo-nextest"]).run();
    assert!(!with.output.status.success() && !without.output.status.success());
    with.says("failed after");

    // The doctests still run where nothing is to stop the others.
    let all = project.xtask("test --no-fail-fast").run();
    assert!(!all.output.status.success());
    assert_eq!(passed(&all), ["alpha", "alphabet", "one"], "{}", all.report());
}

/// In the edition 2024 many doctests are in one program, which starts each in a process of its own,
/// also under a runner.
#[test]
fn each_doctest_has_a_process_of_its_own() {
    let project = Project::workspace(&[("one", &[])]);
    let doctest = "//! ```\n//! assert_eq!(one::count(), 1);\n//! ```\n";
    let ends = "//! ```\n//! one::end();\n//! ```\n";
    let code = "pub fn end() { std::process::exit(0) }
pub fn count() -> u32 {
    static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(1);
    COUNT.fetch_add(1, std::sync::atomic::Ordering::SeqCst)
}\n";
    let fails = "//! ```\n//! panic!();\n//! ```\n";
    project.cargo("generate-lockfile").ok();
    project.commit();
    // cargo takes the runner's name apart at spaces.
    let cache = std::env::temp_dir().join(format!("multilane-doctest-{}", std::process::id()));
    let test = |agent: &str| {
        let file = project.root.join("permits-of-test");
        let call = project.xtask("test -- ").agent(agent).env("XDG_CACHE_HOME", &cache);
        call.env("MULTILANE_PERMITS", "2").env("MULTILANE_PERMITS_FILE", file)
    };
    for agent in ["", "a"] {
        project.write("crates/one/src/lib.rs", &format!("{doctest}//!\n{doctest}{code}"));
        test(agent).ok();
        project.write("crates/one/src/lib.rs", &format!("{ends}//!\n{fails}{code}"));
        test(agent).fails_with(101);
    }
    std::fs::remove_dir_all(&cache).expect("the permit is there");
}

//! Forks of what code reads of the environment without a whole name in a literal, and of what
//! variables lead to: files, directories and programs out of the checkout.

#![cfg(unix)]

use std::path::{Path, PathBuf};

use crate::fork::{saying, scripted, undone};
use crate::support::{Project, put};

/// What a program writes that a build script starts.
fn output_of(command: &str) -> String {
    format!(
        "String::from_utf8(std::process::Command::new({command}).output().unwrap().stdout).unwrap()"
    )
}

/// A new lane is given all as long as the variable is the same, and no longer.
#[track_caller]
fn check(project: &Project, name: &str, [one, two]: [&str; 2], about: &str) {
    project.commit();
    let build = |agent: &str, value: &str| {
        // Other sessions have other values of what belongs to a session.
        project.xtask("build").agent(agent).env(name, value).env("SHLVL", agent).ok()
    };
    build("a", one);
    build("b", one).compiled(0);
    build("c", two).leaves("script", about);
}

#[test]
fn a_variable_that_is_named_in_part_or_not_at_all() {
    let all = "let mut all: Vec<String> = std::env::vars().filter(|(name, _)| CHOICE)\
        .map(|(_, value)| value).collect(); all.sort(); all.concat()";
    let by_name = |name: &str| format!("std::env::var({name}).unwrap_or_default()");
    for (block, about) in [
        (all.replace("CHOICE", "name.starts_with(\"APP_\")"), "APP_*"),
        (all.replace("CHOICE", "name.contains(\"PP_MO\")"), "* had another value"),
        (by_name("format!(\"APP_{}\", \"MODE\")"), "APP_*"),
        (by_name("concat!(\"APP\", \"_MODE\")"), "APP_MODE"),
        (
            "macro_rules! read { ($x:ident) => { std::env::var(stringify!($x)).unwrap() } } \
             read!(APP_MODE)"
                .to_owned(),
            "APP_MODE",
        ),
    ] {
        check(&scripted(&saying(&block)), "APP_MODE", ["one", "two"], about);
    }
}

#[test]
fn a_variable_that_a_file_names() {
    let lines = ".lines().map(|name| std::env::var(name).unwrap()).collect::<String>()";
    for block in [
        format!("include_str!(\"names.txt\"){lines}"),
        format!("std::fs::read_to_string(\"../../.env.example\").unwrap(){lines}"),
        output_of("\"sh\").arg(\"show.sh\""),
    ] {
        let project = scripted(&saying(&block));
        project.write("crates/core/names.txt", "APP_MODE\n").write(".env.example", "APP_MODE\n");
        project.write("crates/core/show.sh", "echo \"${APP_MODE:-none} $PWD\"\n");
        check(&project, "APP_MODE", ["one", "two"], "APP_MODE");
    }
}

#[test]
fn a_variable_that_a_compiler_reads() {
    let project = scripted(&saying(&output_of("\"cc\").args([\"-E\", \"-P\", \"text.c\"]")));
    project.write("crates/core/text.c", "__DATE__\n");
    check(&project, "SOURCE_DATE_EPOCH", ["1000000000", "1500000000"], "SOURCE_DATE_EPOCH");
}

#[test]
fn a_variable_that_leads_out_of_the_checkout() {
    let reads = "let dir = std::env::var(\"APP_DIR\").unwrap(); \
        std::fs::read_to_string(dir.split(':').last().unwrap().to_owned() + \"/x\")\
        .unwrap_or_default()";
    let listed = |dir: &Path| format!("/none:{}", dir.display());
    for (value, deletes) in [
        ((|dir| dir.display().to_string()) as fn(&Path) -> String, false),
        (listed, false),
        (|_| "../../../data".to_owned(), false),
        (|dir| dir.display().to_string(), true),
    ] {
        let project = scripted(&saying(reads));
        let dir = project.root.with_file_name("data");
        put(&dir, "x", "one");
        project.commit();
        let build =
            |agent: &str| project.xtask("build").agent(agent).env("APP_DIR", value(&dir)).ok();
        build("a");
        build("b").compiled(0);
        if deletes {
            std::fs::remove_dir_all(&dir).expect("it is there");
        } else {
            put(&dir, "x", "two");
        }
        build("c").leaves("script", "data was changed");
    }
}

#[test]
fn a_program_that_was_exchanged() {
    let project = scripted(&saying(&output_of("\"schema-tool\"")));
    let bin = |name: &str| -> PathBuf { project.root.with_file_name(name) };
    let make = |dir: &str| {
        let tool = format!("../{dir}/schema-tool");
        project.script(&tool, &format!("echo {dir}"));
    };
    make("one");
    make("two");
    project.commit();
    let build = |agent: &str, dir: &str| {
        let path = std::env::var("PATH").expect("there is one");
        let path = format!("{}:{path}", bin(dir).display());
        project.xtask("build").agent(agent).env("PATH", path).ok()
    };
    build("a", "one");
    build("b", "one").compiled(0);
    build("c", "two").leaves("script", "PATH had another value");
    make("one");
    build("d", "one").leaves("script", "schema-tool was changed");
}

#[test]
fn a_variable_that_rustup_or_cargo_takes_for_its_own() {
    let reads = "std::env::var(\"RUSTUP_MODE\").unwrap_or_default()";
    check(&scripted(&saying(reads)), "RUSTUP_MODE", ["one", "two"], "RUSTUP_MODE");
    let project = undone();
    project.commit();
    project.xtask("build").agent("a").env("RUSTC_BOOTSTRAP", "1").ok();
    project.xtask("build").agent("b").env("RUSTC_BOOTSTRAP", "1").ok().compiled(0);
    project.xtask("build").agent("c").ok().leaves("tool", "RUSTC_BOOTSTRAP");
}

//! Forks of what code reads that nothing tells cargo of: the tree, from a package from elsewhere;
//! git, from a macro; variables and files out of the checkout that it names.

use std::path::Path;

use crate::fork::{
    add_reader, build, first_build, is_like_from_scratch, printed, reading, saying, scripted,
    undone, with_macro, worktree,
};
#[cfg(unix)]
use crate::fork::{copied, files_below, hours_ago, set_modified};
use crate::fork_packages::{depend, depend_on_git, put_scripted, vendor};
use crate::support::put;
#[cfg(unix)]
use crate::support::{INCLUDE, Project, wait_until};

/// What a package from elsewhere may do to find the tree that it is built in.
const CLIMBING: [&str; 2] = [
    "let out = std::env::var(\"OUT_DIR\").unwrap(); std::path::Path::new(&out).ancestors()\
     .find_map(|dir| std::fs::read_to_string(dir.join(\"settings.txt\")).ok()).unwrap()",
    "std::fs::read_to_string(std::env::var(\"TREE\").unwrap() + \"/settings.txt\").unwrap()",
];

#[test]
fn a_script_from_git_that_climbs_to_the_tree() {
    for block in CLIMBING {
        let mut project = undone();
        project.write(".cargo/config.toml", "[env]\nTREE = { value = \"\", relative = true }\n");
        project.write("settings.txt", "one");
        depend_on_git(&mut project, block);
        build(&project);
        let second = worktree(&project, "second");
        first_build(&project, &second).compiled(0);
        let third = worktree(&project, "third");
        put(&third, "settings.txt", "two");
        first_build(&project, &third).leaves("script", "settings.txt differs");
        assert_eq!(printed(&project, &third), "two\n");
    }
}

#[cfg(unix)]
#[test]
fn a_copied_target_directory_with_such_a_script() {
    for block in CLIMBING {
        let mut project = undone();
        project.write(".cargo/config.toml", "[env]\nTREE = { value = \"\", relative = true }\n");
        project.write("settings.txt", "one");
        depend_on_git(&mut project, block);
        project.xtask("build").ok();
        let copy = copied(&project, "copy");
        put(&copy, "settings.txt", "two");
        assert_eq!(printed_by_first_build(&project, &copy), "two\n");
    }
}

#[cfg(unix)]
#[test]
fn a_copied_target_directory_without_the_configuration_of_its_tree() {
    let mut project = undone();
    project.write(".cargo/config.toml", "[env]\nGREETING = \"one\"\n");
    depend_on_git(&mut project, "std::env::var(\"GREETING\").unwrap_or(\"none\".into())");
    project.xtask("build").ok();
    let copy = copied(&project, "copy");
    std::fs::remove_dir_all(copy.join(".cargo")).expect("it is there");
    assert_eq!(printed_by_first_build(&project, &copy), "none\n");
}

/// Not by `cargo run`, which would build once more.
#[cfg(unix)]
fn printed_by_first_build(project: &Project, dir: &Path) -> String {
    project.xtask("build").within(dir).ok();
    let output = project.command(dir.join("target/debug/app")).output().expect("it starts");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn a_macro_that_asks_git() {
    let project = with_macro(
        "let output = std::process::Command::new(\"git\").args([\"branch\", \"--show-current\"]).output(); \
         String::from_utf8(output.unwrap().stdout).unwrap()",
        "",
    );
    project.commit();
    build(&project);
    let second = worktree(&project, "second");
    first_build(&project, &second).leaves("commit", "asks git");
    assert_eq!(printed(&project, &second), "\n");
    // In one tree it says the same.
    project.xtask("build").agent("a").ok().compiled(0);
}

#[test]
fn a_file_in_the_target_directory_that_was_written_over() {
    let project = with_macro(&reading("../../target/made/idl"), "");
    project.write("target/made/idl", "one").commit();
    build(&project);
    project.xtask("build").agent("a").ok().compiled(0);
    project.write("target/made/idl", "two");
    project.xtask("build").agent("b").ok().leaves("macro", "target/made/idl was changed");
    assert_eq!(project.xtask("run --quiet --package app").agent("b").ok().stdout(), "two\n");
}

#[test]
fn a_vendored_package_with_a_path_into_the_lane() {
    let project = undone();
    vendor(&project, Path::new("vendor"), "");
    put_scripted(&project.root.join("vendor/dep"), "std::env::var(\"OUT_DIR\").unwrap()");
    depend(&project, "\"1\"");
    build(&project);
    project.xtask("build").agent("a").ok().leaves("variable", "OUT_DIR");
    let said = project.xtask("run --quiet --package app").agent("a").ok().stdout();
    assert!(said.contains("/.lanes/a/"), "{said}");
}

/// Nothing tells cargo of the variable, so in one lane it is never noticed. A new lane is another
/// matter.
#[test]
fn a_variable_that_the_code_names() {
    let reads = "std::env::var(\"GREETING\").unwrap_or_default()";
    let told =
        "std::env::var(told).unwrap_or(std::fs::read_to_string(\"none\").unwrap_or_default())";
    let told_a_word = "std::env::var(told).unwrap_or_default()";
    for (project, reason) in [
        (scripted(&saying(reads)), "script"),
        (with_macro(reads, ""), "macro"),
        (with_macro(told, "\"GREETING\""), "macro"),
        (with_macro(told_a_word, "GREETING"), "macro"),
    ] {
        project.commit();
        let build = |agent: &str, greeting: &str| {
            let call = project.xtask("build").agent(agent);
            if greeting.is_empty() { call.ok() } else { call.env("GREETING", greeting).ok() }
        };
        let says = |agent: &str, greeting: &str| {
            let call = project.xtask("run --quiet --package app").agent(agent);
            assert_eq!(call.env("GREETING", greeting).ok().stdout(), format!("{greeting}\n"));
        };
        build("a", "one").forked_nothing();
        build("b", "one").compiled(0);
        build("c", "two").leaves(reason, "GREETING had another value");
        says("c", "two");
        build("d", "").leaves(reason, "GREETING");
        // The lane in which the value is the same is the better donor.
        build("e", "two");
        says("e", "two");
        // Since then another value was seen in the lane, in which cargo took all for fresh.
        build("a", "three").compiled(0);
        build("f", "three").leaves(reason, "GREETING");
        says("f", "three");
    }
}

/// Whatever it is called: only what cargo itself sets is known from elsewhere.
#[test]
fn a_variable_with_the_name_of_one_of_cargos() {
    for name in ["CARGO_REGISTRIES_MINE_TOKEN", "PROFILE", "app_mode"] {
        let reads = format!("const N: &str = \"{name}\"; std::env::var(N).unwrap_or_default()");
        let project = with_macro(&reads, "");
        project.commit();
        project.xtask("build").agent("a").env(name, "one").ok();
        project.xtask("build").agent("b").env(name, "one").ok().compiled(0);
        let name_differs = format!("{name} had another value");
        project.xtask("build").agent("c").env(name, "two").ok().leaves("macro", &name_differs);
    }
}

#[test]
fn a_file_out_of_the_checkout_that_the_code_names() {
    let reads = "std::fs::read_to_string(\"../../../beside.txt\").unwrap_or_default()";
    let told = "std::fs::read_to_string(std::env::var(\"CARGO_MANIFEST_DIR\").unwrap() + \"/\" + &told).unwrap_or_default()";
    for (project, reason) in [
        (scripted(&saying(reads)), "script"),
        (with_macro(told, "\"../../../beside.txt\""), "macro"),
    ] {
        project.write("../beside.txt", "one").commit();
        build(&project);
        let second = worktree(&project, "second");
        first_build(&project, &second).compiled(0);
        project.write("../beside.txt", "two");
        let third = worktree(&project, "third");
        first_build(&project, &third).leaves(reason, "beside.txt was changed");
        assert_eq!(printed(&project, &third), "two\n");
    }
}

/// By way of a directory, of a file in another language, and of a library that lies deeper.
#[cfg(unix)]
#[test]
fn files_out_of_the_checkout_that_are_not_named_right_there() {
    let of_dir = "std::fs::read_dir(\"../../../beside\").unwrap()\
        .map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap()).collect::<String>()";
    let of_shell = "String::from_utf8(std::process::Command::new(\"sh\").arg(\"show.sh\")\
        .output().unwrap().stdout).unwrap()";
    for block in [of_dir, of_shell, "helper::text()"] {
        let project = scripted(&saying(block));
        project.package("tools/deep/helper", "helper", &[]);
        let reads = "std::fs::read_to_string(\"../../../beside/a.txt\").unwrap()";
        let source = format!("pub fn text() -> String {{ {reads} }}\n");
        project.write("tools/deep/helper/src/lib.rs", &source);
        project.write("crates/core/show.sh", "cat ../../../beside/a.txt\n");
        let helper = "\n[build-dependencies]\nhelper = { path = \"../../tools/deep/helper\" }\n";
        project.append("crates/core/Cargo.toml", helper);
        project.write("../beside/a.txt", "one");
        project.cargo("generate-lockfile").ok();
        project.commit();
        build(&project);
        project.xtask("build").agent("a").ok().compiled(0);
        project.write("../beside/a.txt", "two");
        project.xtask("build").agent("b").ok().leaves("script", "was changed");
        let said = project.xtask("run --quiet --package app").agent("b").ok().stdout();
        assert_eq!(said, "two\n");
    }
}

/// In a file that is included, and in a text of a macro that the script calls.
#[test]
fn code_of_a_script_that_is_in_none_of_its_sources() {
    let reads = "std::fs::read_to_string(\"../../settings.txt\").unwrap()";
    for block in ["include!(\"code.inc\")", "reader::data!()"] {
        let project = scripted(&saying(block));
        add_reader(&project, &format!("{reads:?}.to_owned()"));
        project.write("crates/core/code.inc", reads).write("settings.txt", "one");
        let reader = "\n[build-dependencies]\nreader = { path = \"../reader\" }\n";
        project.append("crates/core/Cargo.toml", reader);
        project.cargo("generate-lockfile").ok();
        project.commit();
        build(&project);
        let second = worktree(&project, "second");
        first_build(&project, &second).compiled(0);
        let third = worktree(&project, "third");
        put(&third, "settings.txt", "two");
        first_build(&project, &third).leaves("script", "settings.txt differs");
        assert_eq!(printed(&project, &third), "two\n");
    }
}

#[test]
fn a_package_beside_the_checkout_whose_script_reads_its_own_file() {
    let project = undone();
    let beside = project.root.with_file_name("dep");
    put_scripted(&beside, "std::fs::read_to_string(\"data.txt\").unwrap()");
    put(&beside, "data.txt", "one");
    depend(&project, "{ path = \"../../../dep\" }");
    build(&project);
    let second = worktree(&project, "second");
    first_build(&project, &second).compiled(0);
    put(&beside, "data.txt", "two");
    let third = worktree(&project, "third");
    first_build(&project, &third).leaves("script", "was changed");
    is_like_from_scratch(&project, &third);
    assert_eq!(printed(&project, &third), "two\n");
}

/// What it does is in no fingerprint of cargo's.
#[cfg(unix)]
#[test]
fn a_compiler_wrapper_of_the_tree() {
    let project = undone();
    project.write(".cargo/config.toml", "[build]\nrustc-wrapper = \"tools/wrapper\"\n");
    let main = "fn main() { println!(\"{}\", if cfg!(two) { \"two\" } else { \"one\" }); }\n";
    project.write("crates/app/src/main.rs", main);
    project.script("tools/wrapper", "exec \"$@\"");
    project.commit();
    build(&project);
    let second = worktree(&project, "second");
    first_build(&project, &second).compiled(0);
    let third = worktree(&project, "third");
    put(&third, "tools/wrapper", "#!/bin/sh\nexec \"$@\" --cfg two\n");
    first_build(&project, &third).leaves("tool", "tools/wrapper differs");
    assert_eq!(printed(&project, &third), "two\n");
}

/// In another tree its path is another one, which cargo notices.
#[cfg(unix)]
#[test]
fn a_linker_of_the_tree() {
    let project = undone();
    project.write(".cargo/config.toml", "[target.'cfg(unix)']\nlinker = \"tools/linker\"\n");
    project.script("tools/linker", "exec cc \"$@\"");
    project.commit();
    build(&project);
    project.xtask("build").agent("a").ok().compiled(0);
    project.script("tools/linker", "exec cc \"$@\" -s");
    let ran = project.xtask("build").agent("b").ok();
    ran.leaves("tool", "tools/linker was changed").compiled_of(1, &["app"]);
}

#[cfg(unix)]
#[test]
fn a_first_build_that_was_killed_had_an_environment_too() {
    let project = scripted(&saying("std::env::var(\"GREETING\").unwrap()"));
    project.write("crates/alone/build.rs", crate::signals::WAITS).commit();
    let build = |greeting: &str| {
        project.xtask("build").env("STAGE", &project.root).env("GREETING", greeting)
    };
    let mut killed = build("one").start();
    let has_run = || {
        files_below(&project.root.join("target/debug")).iter().any(|file| {
            file.ends_with("run-build-script-build-script-build.json")
                && file.to_string_lossy().contains("/core")
                && std::fs::read(file).is_ok_and(|bytes| bytes.ends_with(b"}"))
        })
    };
    wait_until("both scripts", || project.exists("pid") && has_run());
    killed.kill().expect("it runs");
    killed.wait().expect("it ends");
    project.write("go", "");

    // cargo keeps what it has of the first build.
    build("two").ok();
    assert_eq!(printed(&project, &project.root), "one\n");
    build("two").agent("a").ok().leaves("script", "GREETING");
}

#[cfg(unix)]
#[test]
fn a_configuration_that_was_put_back_with_its_old_time() {
    let project = scripted(&saying("std::env::var(\"GREETING\").unwrap()"));
    let config = format!("{INCLUDE}[env]\nGREETING = \"one\"\n");
    project.write(".cargo/config.toml", &config).commit();
    let file = project.root.join(".cargo/config.toml");
    let backup = file.with_extension("ignored");
    std::fs::rename(&file, &backup).expect("it can be moved");
    project.write(".cargo/config.toml", &config.replace("one", "two"));
    project.xtask("build").ok();
    std::fs::rename(&backup, &file).expect("it can be moved back");
    // As where all of this takes less than a second: the time of the directory tells nothing.
    set_modified(&project.root.join(".cargo"), hours_ago(1));
    project.xtask("build").agent("a").ok().leaves("script", "[env]");
}

/// As a workspace-hack of cargo-hakari does, which is there for features alone.
#[test]
fn an_empty_package_hands_no_macro_on() {
    let block = "std::fs::read_to_string(\"settings.txt\").unwrap_or_default()";
    let project = with_macro(block, "");
    project.package("crates/hack", "hack", &["reader"]);
    project.package("crates/other", "other", &["hack"]);
    project.write("crates/hack/src/lib.rs", "// Nothing.\n").write("settings.txt", "one");
    project.cargo("generate-lockfile").ok();
    project.commit();
    build(&project);
    let second = worktree(&project, "second");
    put(&second, "settings.txt", "two");
    // `app` calls the macro itself.
    first_build(&project, &second).compiled_of(1, &["app"]);
    assert_eq!(printed(&project, &second), "two\n");
    // With anything in it, it may.
    project.write("crates/hack/src/lib.rs", "pub use reader::data;\n");
    project.commit();
    build(&project);
    let third = worktree(&project, "third");
    put(&third, "settings.txt", "two");
    first_build(&project, &third).compiled_of(3, &["app", "hack", "other"]);
}

/// cargo takes no part in it, so only the run itself can do it here.
#[test]
fn what_a_script_puts_beside_the_programs() {
    let block = |file: &str| {
        format!(
            "let out = std::path::PathBuf::from(std::env::var(\"OUT_DIR\").unwrap()); \
             let mut dir = out.as_path(); \
             while !dir.ends_with(\"debug\") {{ dir = dir.parent().unwrap(); }} \
             std::fs::create_dir_all(dir.join(\"{file}\").parent().unwrap()).unwrap(); \
             std::fs::write(dir.join(\"{file}\"), \"put\").unwrap(); String::new()"
        )
    };
    for file in ["native.dll", "deps/fixture.bin", "../tmp/fixture", "../.hidden/x"] {
        for is_from_git in [false, true] {
            let mut project = undone();
            if is_from_git {
                depend_on_git(&mut project, &block(file));
            } else {
                put_scripted(&project.root.join("crates/core"), &block(file));
                let text = "[package]\nname = \"core\"\nversion = \"0.1.0\"\nedition = \"2024\"\n";
                project.write("crates/core/Cargo.toml", text);
                project.write("crates/core/src/lib.rs", "pub fn text() -> &'static str { \"\" }\n");
                project.commit();
            }
            build(&project);
            let is_put = |dir: &Path| dir.join("target/debug").join(file).is_file();
            assert!(is_put(&project.root), "{file}");
            let second = worktree(&project, "second");
            first_build(&project, &second).leaves("script", "was written meanwhile");
            assert!(is_put(&second), "{file}, {is_from_git}");
        }
    }
}

#[test]
fn what_the_manifest_says_of_the_package() {
    let project = with_macro("std::env::var(\"CARGO_PKG_DESCRIPTION\").unwrap()", "");
    let manifest = project.read("crates/app/Cargo.toml");
    let described = manifest.replace("edition =", "description = \"one\"\nedition =");
    project.write("crates/app/Cargo.toml", &described).commit();
    build(&project);
    let second = worktree(&project, "second");
    first_build(&project, &second).compiled(0);
    let third = worktree(&project, "third");
    put(&third, "crates/app/Cargo.toml", &described.replace("\"one\"", "\"two\""));
    first_build(&project, &third).leaves("macro", "Cargo.toml differs");
    assert_eq!(printed(&project, &third), "two\n");
}

/// rustc is called with a short path of a member's source, and names no other in code.
#[cfg(target_os = "linux")]
#[test]
fn a_macro_that_gives_the_whole_path_of_its_callers_source() {
    let dir = "std::env::var(\"CARGO_MANIFEST_DIR\").unwrap()";
    let project = with_macro(&format!("{dir} + \"/src/main.rs\""), "");
    project.commit();
    build(&project);
    let second = worktree(&project, "second");
    first_build(&project, &second).leaves("compiled-in", "");
    is_like_from_scratch(&project, &second);
}

//! Cranelift for the edit loop. The component is not needed: a compiler that says it has it hands
//! on to LLVM, and notes what it was asked for.

use crate::support::{Call, Project, skipped};

/// What `rustc` was asked to have made by Cranelift, sorted.
fn made_by_cranelift(project: &Project) -> Vec<String> {
    let log = std::fs::read_to_string(project.root.join("../log")).unwrap_or_default();
    drop(std::fs::remove_file(project.root.join("../log")));
    let mut names: Vec<String> = log.lines().map(str::to_owned).collect();
    names.sort();
    names
}

/// `app` depends on `middle`, which has a build script, and that on `core`.
fn project(settings: &str) -> Project {
    let mut project =
        Project::workspace(&[("core", &[]), ("middle", &["core"]), ("app", &["middle"])]);
    project.write("crates/middle/build.rs", "fn main() {}\n");
    project.append("Cargo.toml", &format!("\n{settings}"));
    project.write(
        ".cargo/config.toml",
        "include = [{ path = \"cranelift.toml\", optional = true }]\n",
    );

    let sysroot = project
        .command("rustc")
        .args(["--print", "sysroot"])
        .output()
        .expect("rustc starts")
        .stdout;
    let version = project.command("rustc").arg("-vV").output().expect("rustc starts").stdout;
    let version = String::from_utf8(version).expect("UTF-8");
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).expect("a host");
    let rustc = project.script(
        "../rustc",
        &format!(
            "if [ \"$1\" = -vV ]; then rustc -vV | sed 's/^release: \\([0-9.]*\\).*/release: \\1-nightly/'; exit; fi\n\
            if [ \"$*\" = '--print sysroot' ]; then echo '{}'; exit; fi\n\
            name=; last=\n\
            for arg; do\n\
                shift\n\
                if [ \"$last\" = --crate-name ]; then name=$arg; fi\n\
                if [ \"$arg\" = codegen-backend=cranelift ]; then arg=codegen-backend=llvm; echo \"$name\" >>'{}'; fi\n\
                last=$arg\n\
                set -- \"$@\" \"$arg\"\n\
            done\n\
            exec rustc \"$@\"",
            project.root.join("../sysroot").display(),
            project.root.join("../log").display(),
        ),
    );
    let lib = std::path::Path::new(String::from_utf8_lossy(&sysroot).trim())
        .join("lib/rustlib")
        .join(host)
        .join("lib");
    assert!(lib.is_dir(), "{}", lib.display());
    let backends = format!("../sysroot/lib/rustlib/{host}/codegen-backends");
    project.write(&format!("{backends}/librustc_codegen_cranelift-1.97.0-nightly.so"), "");

    project.set("RUSTC", &rustc.display().to_string());
    project.set("RUSTC_BOOTSTRAP", "1"); // cargo and rustc take unstable options, as a nightly does.
    project
}

const ASKED: &str = "[workspace.metadata.multilane.cranelift]\nllvm = [\"core\"]\n";

#[test]
fn the_edit_loop_is_made_by_it_and_nothing_else_is() {
    let project = project(ASKED);
    let dry = project.xtask("build-dev --dry-run").ok().stdout();
    assert_eq!(dry, "cargo build --profile cranelift\n");
    assert!(!project.exists(".cargo/cranelift.toml"), "--dry-run has written");

    project.xtask("build-dev").ok().says("Wrote .cargo/cranelift.toml");
    assert_eq!(
        made_by_cranelift(&project),
        ["app", "middle"],
        "neither what was named nor a build script"
    );
    project.xtask("build-dev").ok().does_not_say("Wrote");
    for words in
        ["build-release", "build-dev --release", "check", "build-test", "build-dev --profile dev"]
    {
        project.xtask(words).ok();
        assert_eq!(made_by_cranelift(&project), [""; 0], "{words}");
    }
}

#[test]
fn plain_cargo_makes_the_same_units() {
    let project = project(ASKED);
    project.xtask("build-dev").ok();
    assert_eq!(project.cargo("build --profile cranelift").ok().built(), [""; 0]);

    // Where no configuration includes the file, xtask names it.
    project.write(".cargo/config.toml", "");
    let again = project.xtask("build-dev").ok();
    assert_eq!(again.built(), [""; 0]);
    let dry = project.xtask("build-dev --dry-run").ok().stdout();
    assert!(dry.contains("--config") && dry.contains(".cargo/cranelift.toml"), "{dry}");
}

#[test]
fn an_agent_has_another_lane_for_it() {
    let project = project(ASKED);
    project.xtask("check").agent("a").ok();
    project.xtask("build-dev").agent("a").ok();
    assert_eq!(project.lanes().len(), 2);
    project.xtask("cargo build --profile cranelift").agent("a").ok();
    assert_eq!(project.lanes().len(), 2);
    let keys = project.xtask("lane list").ok().stdout();
    assert!(keys.lines().any(|line| line.ends_with("backend")), "{keys}");
}

/// Stable means here: without the variable that makes this cargo take unstable options.
#[test]
fn a_stable_cargo_minds_nothing_and_has_llvm() {
    let mut project = project(ASKED);
    project.xtask("build-dev").ok();
    made_by_cranelift(&project);
    project.set("RUSTC_BOOTSTRAP", "");
    project.set("RUSTC", "rustc");
    let version = project.command("rustc").arg("-vV").output().expect("rustc starts").stdout;
    if String::from_utf8_lossy(&version).contains("nightly") {
        return skipped("rustc is a nightly");
    }
    project.cargo("build").ok();
    project.cargo("test --no-run").ok();
    project.xtask("build-dev").ok().in_lane("/target");
    assert!(project.exists("target/debug/libapp.rlib"));
}

#[test]
fn it_is_asked_for_in_one_way() {
    let off = project("");
    let dry = |call: Call| call.arg("--dry-run").ok().stdout();
    assert_eq!(dry(off.xtask("build-dev")), "cargo build\n");
    let wrong = project("[workspace.metadata.multilane.cranelift]\nllvm = \"core\"\n");
    wrong.xtask("build-dev").fails_with(1).says("all it may have is `llvm`").says("help: llvm = [");
    wrong.xtask("check --dry-run").ok();
    std::fs::remove_dir_all(off.root.join("../sysroot")).expect("it is there");
    off.write("Cargo.toml", &format!("{}\n{ASKED}", off.read("Cargo.toml")));
    assert_eq!(dry(off.xtask("build-dev")), "cargo build\n", "the component is not there");
}

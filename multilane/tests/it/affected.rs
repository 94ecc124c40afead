//! `check-fast` and `--affected`: the packages that changed, no fewer and no more.

use std::time::Duration;

use crate::support::{Project, Ran};

/// `app` → `adapter` → `core`, and `alone`.
fn project() -> Project {
    let project = Project::workspace(&[
        ("core", &[]),
        ("adapter", &["core"]),
        ("app", &["adapter"]),
        ("alone", &[]),
    ]);
    project.cargo("generate-lockfile").ok();
    project.commit();
    project
}

#[track_caller]
fn affects(project: &Project, words: &str, expected: &str) -> Ran {
    let ran = project.xtask(words).arg("--dry-run").ok();
    let line = ran.stdout();
    let packages: Vec<&str> = line.trim().split("--package ").skip(1).map(str::trim).collect();
    let found = if line.contains("--workspace") { "all".to_owned() } else { packages.join(" ") };
    assert_eq!(found, expected, "{}", ran.report());
    ran
}

#[test]
fn nothing_changed_is_said_and_is_success() {
    let project = project();
    let ran = project.xtask("check-fast").ok();
    ran.says("Affected none: nothing changed since main");
    assert!(!project.exists("target"), "cargo was started for nothing");
}

#[test]
fn uncommitted_staged_untracked_and_committed_changes_count() {
    let project = project();
    project.git(&["checkout", "--quiet", "-b", "work"]);
    project.write("crates/core/src/lib.rs", "pub fn here() { }\n").commit();
    project.write("crates/alone/src/lib.rs", "pub fn here() { }\n");
    project.git(&["add", "--all"]);
    project.write("crates/app/tests/new.rs", "");
    affects(&project, "check-fast", "alone app core");
}

#[test]
fn only_the_affected_packages_are_checked() {
    let project = project();
    project.xtask("check --workspace").ok();
    project.write("crates/core/src/lib.rs", "pub fn here() { }\npub fn there() {}\n");
    assert_eq!(project.xtask("check-fast").ok().built(), ["core"]);
    assert_eq!(project.xtask("check-fast --dependents").ok().built(), ["adapter", "app"]);
}

#[test]
fn a_lockfile_concerns_what_depends_on_what_changed_in_it() {
    let project = project();
    // Another version of a package that is no member, below one that is.
    let manifest = |version: &str| format!("[package]\nname = \"v\"\nversion = \"{version}\"\n");
    project.write("vendored/Cargo.toml", &manifest("1.0.0")).write("vendored/src/lib.rs", "");
    let root =
        "[workspace]\nresolver = \"3\"\nmembers = [\"crates/*\"]\nexclude = [\"vendored\"]\n";
    let depends = "v = { path = \"../../vendored\" }\n";
    let core = project.read("crates/core/Cargo.toml");
    project.write("Cargo.toml", root).write("crates/core/Cargo.toml", &format!("{core}{depends}"));
    project.cargo("generate-lockfile").ok();
    project.commit();
    let lockfile = project.read("Cargo.lock");
    project.write("Cargo.lock", &lockfile.replace("1.0.0", "1.0.1"));
    affects(&project, "check-fast", "core");
    project.write("Cargo.lock", "no lockfile");
    affects(&project, "check-fast", "all");

    // `cargo add` in one package.
    project.write("Cargo.lock", &lockfile);
    let alone = project.read("crates/alone/Cargo.toml");
    project.write("crates/alone/Cargo.toml", &format!("{alone}{depends}"));
    project.cargo("metadata --format-version=1").ok();
    assert_ne!(project.read("Cargo.lock"), lockfile);
    affects(&project, "check-fast", "alone");
}

#[test]
fn a_package_at_the_root_may_change_its_own_part_of_the_manifest() {
    let project = Project::workspace(&[("core", &[]), ("alone", &[])]);
    let root =
        "[package]\nname = \"top\"\n\n[workspace]\nresolver = \"3\"\nmembers = [\"crates/*\"]\n";
    project.write("Cargo.toml", root).write("src/lib.rs", "");
    project.cargo("generate-lockfile").ok();
    project.commit();
    project.write("Cargo.toml", &format!("{root}[dependencies]\ncore.path = \"crates/core\"\n"));
    project.cargo("metadata --format-version=1").ok();
    affects(&project, "check-fast", "top");
    project.write("Cargo.toml", &format!("{root}[profile.dev]\nopt-level = 1\n"));
    affects(&project, "check-fast", "all");
}

#[test]
fn dependents_are_added_on_request() {
    let project = project();
    project.write("crates/adapter/src/lib.rs", "");
    affects(&project, "check-fast", "adapter");
    affects(&project, "check-fast --dependents", "adapter app");
}

#[test]
fn named_packages_are_taken_as_they_are() {
    let project = project();
    project.write("crates/adapter/src/lib.rs", "");
    affects(&project, "check-fast --package alone", "alone");
}

#[test]
fn some_files_mean_all() {
    for file in ["Cargo.toml", "rust-toolchain.toml", ".cargo/config.toml"] {
        let project = project();
        let before = if project.exists(file) { project.read(file) } else { String::new() };
        project.write(file, &format!("{before}\n"));
        let ran = affects(&project, "check-fast", "all");
        ran.says(&format!("all packages: {file} changed since main"));
    }
}

#[test]
fn deleted_and_renamed_files_concern_where_they_were_and_where_they_are() {
    let project = project();
    project
        .write(
            "crates/core/src/deep.rs",
            "pub fn one_that_is_long_enough_to_be_found_as_a_rename() {}\n",
        )
        .commit();
    project.git(&["mv", "crates/core/src/deep.rs", "crates/alone/src/deep.rs"]);
    affects(&project, "check-fast", "alone core");

    project.commit();
    std::fs::remove_file(project.root.join("crates/alone/src/deep.rs")).expect("it is there");
    affects(&project, "check-fast", "alone");
}

#[test]
fn packages_inside_packages_and_a_root_package() {
    let project = Project::empty();
    project.package(".", "root", &[]);
    let members = "\n[workspace]\nmembers = [\"crates/outer\", \"crates/outer/inner\"]\n";
    project.append("Cargo.toml", members);
    project.package("crates/outer", "outer", &[]);
    project.package("crates/outer/inner", "inner", &[]);
    project.cargo("generate-lockfile").ok();
    project.commit();

    project.write("crates/outer/inner/src/lib.rs", "");
    affects(&project, "check-fast", "inner");
    project.write("crates/outer/src/lib.rs", "");
    affects(&project, "check-fast", "inner outer");
    project.commit();
    project.write("docs/page.md", "in the root package's directory");
    affects(&project, "check-fast", "root");
}

#[test]
fn a_file_outside_every_package_concerns_those_that_name_it() {
    let project = project();
    project.write("TEXT.md", "one").write("TERMS.md", "one").write("protocols/a.proto", "one");
    project.write("crates/core/src/lib.rs", "#![doc = include_str!(\"../../../TEXT.md\")]\n");
    project.write(
        "crates/alone/build.rs",
        "fn main() { println!(\"cargo::rerun-if-changed=../../protocols\"); }",
    );
    project.commit();

    project.write("TERMS.md", "two");
    affects(&project, "check-fast", "");
    project
        .xtask("check-fast")
        .ok()
        .says("Affected none: files changed since main: 1, of no package");
    project.write("TEXT.md", "two");
    affects(&project, "check-fast", "core");
    project.write("protocols/a.proto", "two");
    affects(&project, "check-fast", "alone core");
}

/// Where there is a root package every file is in a package, and still others may name it.
#[test]
fn a_file_of_another_package_concerns_those_that_name_it() {
    let project = project();
    project.write("crates/alone/data.txt", "one");
    project.write(
        "crates/core/src/lib.rs",
        "pub const DATA: &str = include_str!(\n    \"../../alone/data.txt\"\n);\n",
    );
    project.commit();
    std::fs::remove_file(project.root.join("crates/alone/data.txt")).expect("it is there");
    affects(&project, "check-fast", "alone core");
    project.xtask("check-fast").fails_with(101);
}

#[test]
#[cfg(unix)]
fn a_file_behind_a_link_concerns_where_the_link_is() {
    let project = project();
    project.write("TEXT.md", "one");
    std::os::unix::fs::symlink("../../TEXT.md", project.root.join("crates/core/TEXT.md"))
        .expect("a link");
    project.commit();
    project.write("TEXT.md", "two");
    affects(&project, "check-fast", "core");
}

/// What people configure for their own eyes must not change what a program reads.
#[test]
fn git_configuration_does_not_matter() {
    let outer = Project::empty();
    let settings = [
        "color.ui=always",
        "diff.relative=true",
        "grep.lineNumber=true",
        "grep.column=true",
        "core.quotePath=true",
        "diff.renames=copies",
        "diff.noprefix=true",
        "grep.fullName=false",
        "diff.mnemonicPrefix=true",
    ];
    outer.write("inner/Cargo.toml", "[workspace]\nresolver = \"3\"\nmembers = [\"crates/*\"]\n");
    outer.write("inner/.gitignore", "target/\n");
    for name in ["core", "alone"] {
        outer.package(&format!("inner/crates/{name}"), name, &[]);
    }
    outer.write("fixtures/x.txt", "one");
    outer.write(
        "inner/crates/core/src/lib.rs",
        "const X: &str = include_str!(\n    \"../../../../fixtures/x.txt\"\n);\n",
    );
    outer.cargo("generate-lockfile").within(outer.root.join("inner")).ok();
    outer.commit();
    for setting in settings {
        let (name, value) = setting.split_once('=').expect("a value");
        outer.git(&["config", name, value]);
    }
    let affected = |outer: &Project| {
        let ran = outer.xtask("check-fast --dry-run").within(outer.root.join("inner/crates")).ok();
        ran.stdout()
    };
    outer.write("fixtures/x.txt", "two");
    assert_eq!(affected(&outer), "cargo check --package core\n");
    outer.write("inner/crates/alone/src/lib.rs", "");
    assert_eq!(affected(&outer), "cargo check --package alone --package core\n");
}

#[test]
fn the_nearest_of_local_and_remote_main_is_the_base() {
    let project = project();
    project.git(&["branch", "origin-state"]);
    // The local branch is ahead of the remote one, and work starts from it.
    project.write("crates/alone/src/lib.rs", "").commit();
    project.git(&["update-ref", "refs/remotes/origin/main", "origin-state"]);
    project.git(&["checkout", "--quiet", "-b", "work"]);
    project.write("crates/core/src/lib.rs", "").commit();
    affects(&project, "check-fast", "core");
    affects(&project, "check-fast --base origin-state", "alone core");
    // The remote one is ahead.
    project.git(&["update-ref", "refs/remotes/origin/main", "HEAD"]);
    affects(&project, "check-fast", "");
}

#[test]
fn a_configured_main_branch_is_the_base() {
    let project = project();
    let setting = "\n[workspace.metadata.multilane]\nmain-branch = \"develop\"\n";
    project.append("Cargo.toml", setting).commit();
    project.git(&["branch", "develop"]);
    project.git(&["checkout", "--quiet", "-b", "work"]);
    project.write("crates/core/src/lib.rs", "").commit();
    let ran = project.xtask("check-fast --dry-run").ok();
    ran.says("core (changed since develop)");
}

#[test]
fn where_changes_cannot_be_known_all_is_checked_and_it_is_said_why() {
    let project = Project::workspace(&[("core", &[])]);
    // Above the scratch directory there may be a repository; git is told not to look.
    let call = |project: &Project| {
        let ceiling = project.root.parent().expect("a parent").to_owned();
        project.xtask("check-fast").env("GIT_CEILING_DIRECTORIES", ceiling)
    };
    let ran = call(&project).ok();
    ran.says("Affected all packages: this is no git checkout");
    assert_eq!(ran.built(), ["core"]);

    project.git(&["init", "--quiet", "--initial-branch=trunk-of-its-own"]);
    call(&project).ok().says("Affected all packages: there is no commit yet");

    project.commit();
    call(&project).ok().says("Affected all packages: no main branch was found");

    project.xtask("check-fast").without(&project, &["git"]).ok().says("Affected all packages: ");
}

#[test]
fn a_base_that_is_no_commit_is_an_error() {
    let project = project();
    project
        .xtask("check-fast --base nowhere")
        .fails_with(1)
        .says("--base nowhere names no commit here");
}

#[test]
fn started_in_a_subdirectory_it_means_the_same() {
    let project = project();
    project.write("crates/core/src/lib.rs", "");
    let ran =
        project.xtask("check-fast --dry-run").within(project.root.join("crates/alone/src")).ok();
    assert!(ran.stdout().contains("--package core"), "{}", ran.report());
}

#[test]
fn test_and_clippy_take_affected_with_the_same_meaning() {
    let project = project();
    project.xtask("test --affected").ok().says("Affected none");
    project.write("crates/core/src/lib.rs", "");
    affects(&project, "clippy --affected", "core");
    let ran = project.xtask("test --affected --dependents --dry-run").ok();
    assert!(
        ran.stdout().contains("--package adapter --package app --package core"),
        "{}",
        ran.report()
    );
}

/// git shows none of these in `diff` and `ls-files --others`.
#[test]
fn edits_that_git_does_not_show_count() {
    let project = project();
    project.write(".gitignore", "/target/\n/.lanes/\nlocal*\n");
    project.write("crates/core/src/sparse.rs", "").commit();
    std::thread::sleep(Duration::from_millis(1100)); // Commits know no fraction of a second.
    project.git(&["commit", "--quiet", "--allow-empty", "--message=later"]);
    for flag in ["--skip-worktree", "--assume-unchanged"] {
        project.git(&["update-index", flag, "crates/core/src/sparse.rs"]);
        affects(&project, "check-fast", "");
        project.write("crates/core/src/sparse.rs", "x");
        affects(&project, "check-fast", "core");
        project.write("crates/core/src/sparse.rs", "");
    }
    for (file, concerned) in
        [("crates/alone/src/local.rs", "alone"), ("crates/app/local/deep.txt", "alone app")]
    {
        project.write(file, "");
        affects(&project, "check-fast", concerned);
    }
    project.write("local.env", "");
    affects(&project, "check-fast", "all").says("local.env");
}

#[test]
fn a_submodule_concerns_its_packages_whether_edited_or_at_another_commit() {
    let library = Project::empty();
    library.package("inner", "inner", &[]);
    library.package("alone", "library-alone", &[]);
    library.commit();
    let project = project();
    let from = library.root.to_str().expect("UTF-8");
    project.git(&["-c", "protocol.file.allow=always", "submodule", "add", "--quiet", from, "lib"]);
    let manifest = project.read("Cargo.toml").replace("members = [", "members = [\"lib/inner\", ");
    project.write("Cargo.toml", &manifest);
    project.cargo("generate-lockfile").ok();
    project.commit();
    project.write("lib/inner/src/lib.rs", "fn broken( {");
    affects(&project, "check-fast", "inner");
    project.git_in(&project.root.join("lib"), &["commit", "--all", "--quiet", "--message=x"]);
    affects(&project, "check-fast", "inner");
    project.git(&["checkout", "--quiet", "-b", "work"]);
    project.commit();
    affects(&project, "check-fast", "inner");
    // A path out of it is as good as any other.
    project.write("crates/core/src/lib.rs", "include!(\"../../../lib/alone/src/lib.rs\");");
    project.commit();
    affects(&project, "check-fast --base HEAD", "");
    project.write("lib/alone/src/lib.rs", "");
    affects(&project, "check-fast --base HEAD", "core inner");
}

/// Of what lies above the checkout, and beside it.
#[test]
fn files_out_of_the_checkout_count_when_they_are_new() {
    let outer = Project::empty();
    outer.write("inner/Cargo.toml", "[workspace]\nresolver = \"3\"\nmembers = [\"core\"]\n");
    outer.package("inner/core", "core", &[]);
    let inner = outer.root.join("inner");
    outer.cargo("generate-lockfile").within(&inner).ok();
    outer.git_in(&inner, &["init", "--quiet", "--initial-branch=main"]);
    outer.git_in(&inner, &["add", "--all"]);
    outer.git_in(&inner, &["commit", "--quiet", "--message=state"]);
    let affected = || outer.xtask("check-fast --dry-run").within(&inner).ok().stdout();
    assert_eq!(affected(), "");
    for file in [".cargo/config.toml", "clippy.toml", "rust-toolchain.toml"] {
        outer.write(file, "");
        assert!(affected().starts_with("cargo check "), "{file}");
        std::fs::remove_file(outer.root.join(file)).expect("it is there");
        assert_eq!(affected(), "");
    }
    // What a source names out of the checkout, and what a link leads to.
    outer.write("inner/core/src/lib.rs", "const X: &str = include_str!(\"../../../x/x.txt\");");
    #[cfg(unix)]
    std::os::unix::fs::symlink("../../../y/y.rs", inner.join("core/src/y.rs")).expect("a link");
    outer.write("x/x.txt", "");
    std::thread::sleep(Duration::from_millis(1100)); // Commits know no fraction of a second.
    outer.git_in(&inner, &["add", "--all"]);
    outer.git_in(&inner, &["commit", "--quiet", "--message=state"]);
    assert_eq!(affected(), "");
    #[cfg(unix)]
    {
        outer.write("y/y.rs", "");
        assert_eq!(affected(), "cargo check --package core\n");
        std::fs::remove_file(outer.root.join("y/y.rs")).expect("it is there");
        assert_eq!(affected(), "");
    }
    outer.write("x/x.txt", "other");
    assert_eq!(affected(), "cargo check --package core\n");
    outer.package("beside", "beside", &[]);
    outer.append("inner/core/Cargo.toml", "beside = { path = \"../../beside\" }\n");
    outer.git_in(&inner, &["commit", "--all", "--quiet", "--message=state"]);
    assert_eq!(affected(), "cargo check --package core\n", "nobody knows what changed in beside");
}

#[test]
fn a_lockfile_and_what_the_configuration_names_mean_all() {
    let project = project();
    project.write("crates/app/Cargo.lock", "").write("crates/app/more.toml", "");
    project.write("crates/app/value.txt", "");
    project.write(
        ".cargo/config.toml",
        "include = [\"../crates/app/more.toml\"]\n[resolver]\nlockfile-path = \"crates/app/Cargo.lock\"\n\
         [env]\nVALUE = { value = \"crates/app/value.txt\", relative = true }\n",
    );
    project.commit();
    for file in ["crates/app/Cargo.lock", "crates/app/more.toml", "crates/app/value.txt"] {
        project.write(file, "# other");
        affects(&project, "check-fast", "all").says(file);
        project.git(&["checkout", "--quiet", file]);
    }
    affects(&project, "check-fast", "");
}

/// It may name another of that package, and a package whose code that is.
#[test]
fn what_is_code_of_another_package_changes_with_all_of_it() {
    let project = project();
    project.write("crates/alone/src/inner.rs", "").write("crates/alone/code/b.in", "");
    project.write("crates/alone/src/lib.rs", "mod inner;").write("crates/alone/code/a.in", "");
    let lib = "[lib]\npath = \"../alone/src/lib.rs\"\n";
    let manifest = project.read("crates/core/Cargo.toml");
    for (file, text) in [
        ("crates/core/src/lib.rs", "#[path = \"../../alone/src/lib.rs\"]\nmod alone;"),
        ("crates/core/src/lib.rs", "include!(\"../../alone/code/a.in\");"),
        ("crates/core/Cargo.toml", &(manifest.clone() + lib)),
        // And from there through another one.
        ("crates/core/src/lib.rs", "include!(\"../../adapter/src/lib.rs\");"),
    ] {
        project.write("crates/core/src/lib.rs", "").write("crates/core/Cargo.toml", &manifest);
        project.write("crates/adapter/src/lib.rs", "include!(\"../../alone/src/lib.rs\");");
        project.write(file, text).commit();
        for inner in ["crates/alone/src/inner.rs", "crates/alone/code/b.in"] {
            project.write(inner, "// other");
            affects(&project, "check-fast --base HEAD", "adapter alone core");
            project.git(&["checkout", "--quiet", "."]);
        }
    }
    // Text names nothing.
    project.write(
        "crates/core/src/lib.rs",
        "//! See ../../alone/src/lib.rs\nconst X: &str = include_str!(\"../../alone/code/a.in\");",
    );
    project.write("crates/adapter/src/lib.rs", "").commit();
    project.write("crates/alone/src/inner.rs", "// other");
    affects(&project, "check-fast --base HEAD", "alone");
}

/// Which need no `..`.
#[test]
fn paths_down_into_a_package_inside_count() {
    let project = project();
    let root =
        "[package]\nname = \"top\"\n\n[workspace]\nresolver = \"3\"\nmembers = [\"crates/*\"]\n";
    project.write("Cargo.toml", root).write("crates/core/tables/x.in", "");
    project.write("build.rs", "fn main() {}");
    let concat =
        "include!(concat!(env!(\"CARGO_MANIFEST_DIR\"),\n    \"/crates/core/tables/x.in\"));";
    for (file, text) in [
        ("src/lib.rs", concat),
        ("build.rs", "fn main() { std::fs::read_dir(\"crates/core/tables\").unwrap(); }"),
        ("build.rs", "fn main() { read(root.join(\"crates\")\n    .join(\"core\")); }"),
        ("build.rs", "fn main() { std::fs::read_dir(\"crates\").unwrap(); }"),
    ] {
        project.write("src/lib.rs", "").write("build.rs", "fn main() {}").write(file, text);
        project.cargo("generate-lockfile").ok();
        project.commit();
        project.write("crates/core/tables/x.in", "// other");
        affects(&project, "check-fast --base HEAD", "core top");
        project.git(&["checkout", "--quiet", "."]);
        project.write("crates/core/README.md", "").write("crates/core/tables/x.in", "");
    }
    project.write("build.rs", "fn main() { println!(\"no crates, no crates/corer\"); }").commit();
    project.write("crates/core/tables/x.in", "// other");
    affects(&project, "check-fast --base HEAD", "core");
}

#[test]
fn files_in_other_languages_name_files_as_well() {
    let project = project();
    project.write("crates/core/gen.py", "for name in glob('../alone/tables/*'): print(name)");
    project.write("crates/core/NOTES.md", "See ../alone/src/lib.rs and ../app.");
    project.write("crates/alone/tables/x.in", "").commit();
    project.write("crates/alone/tables/x.in", "other");
    affects(&project, "check-fast", "alone core");
    project.git(&["checkout", "--quiet", "."]);
    project.write("crates/app/src/main.rs", "");
    affects(&project, "check-fast", "app");
}

#[test]
fn any_change_concerns_a_package_whose_script_climbs() {
    for (script, expected) in [
        ("let dir = PathBuf::from(var(\"CARGO_MANIFEST_DIR\")); dir.parent()", "alone app core"),
        ("current_dir().unwrap().ancestors().nth(2)", "alone app core"),
        ("let root = Path::new(\"../..\"); root.join(name)", "alone app core"),
        ("create_dir_all(Path::new(&var(\"OUT_DIR\")).parent())", "app"),
    ] {
        let project = project();
        project.write("crates/core/build.rs", &format!("fn main() {{ {script}; }}"));
        let manifest = project.read("crates/alone/Cargo.toml");
        let manifest = manifest.replace("[package]", "[package]\nbuild = \"made/of.rs\"");
        project.write("crates/alone/Cargo.toml", &manifest);
        project.write("crates/alone/made/of.rs", &format!("fn main() {{ {script}; }}")).commit();
        affects(&project, "check-fast", "");
        project.write("crates/app/src/lib.rs", "// other");
        affects(&project, "check-fast", expected);
    }
}

/// One commit, and another a second later: commits know no fraction of a second. git ignores all
/// whose name begins with `local`, and logs.
fn commit_a_second_ago(project: &Project) {
    project.write(".gitignore", "/target/\n/.lanes/\nlocal*\n*.log\nnode_modules/\n").commit();
    std::thread::sleep(Duration::from_millis(1100));
    project.git(&["commit", "--quiet", "--allow-empty", "--message=later"]);
}

/// As `cp --preserve` and `tar` write it.
#[test]
fn a_file_with_an_older_time_counts() {
    let project = project();
    commit_a_second_ago(&project);
    project.write("crates/alone/src/local.rs", "");
    let file =
        std::fs::File::options().write(true).open(project.root.join("crates/alone/src/local.rs"));
    file.and_then(|file| file.set_modified(std::time::UNIX_EPOCH)).expect("it is ours");
    affects(&project, "check-fast", "alone");
}

/// git tells nothing of it: it ignores the file, or the file lies elsewhere.
#[test]
fn a_file_that_a_source_includes_and_that_is_missing_counts() {
    let project = project();
    for (text, expected) in [
        ("include!(\"local.rs\");", "core"),
        ("pub mod local;", "core"),
        ("const X: &str = include_str!(\n    \"local.txt\",\n);", "core"),
        ("#[path = \"local/x.rs\"]\nmod x;", "core"),
        ("include!(concat!(env!(\"CARGO_MANIFEST_DIR\"), \"/local\", \"/x.rs\"));", "core"),
        ("const X: &str = include_str!(\"../../../../beside.txt\");", "core"),
        ("include!(\"known.rs\"); // mod local;", ""),
        ("//! include!(\"local.rs\"); include_str!(\"../../../../beside.txt\")", ""),
        ("include!(concat!(env!(\"OUT_DIR\"), \"/local.rs\"));", ""),
    ] {
        project.write("crates/core/src/lib.rs", text);
        commit_a_second_ago(&project);
        affects(&project, "check-fast", expected);
    }
}

#[test]
fn a_file_counts_that_a_source_spells_and_only_tools_write_otherwise() {
    let project = project();
    let includes = "include_bytes!(\"x.log\"); include_bytes!(\"../node_modules/lib/x.js\");";
    project.write("crates/core/src/lib.rs", &format!("const _: () = {{ {includes} }};"));
    let files = ["crates/core/src/x.log", "crates/core/node_modules/lib/x.js"];
    for file in files {
        project.write(file, "");
    }
    commit_a_second_ago(&project);
    for file in ["y.log", "src/y.log", "node_modules/lib/y.js", "node_modules/other/x.js"] {
        project.write(&format!("crates/core/{file}"), "");
    }
    affects(&project, "check-fast", "");
    for file in files {
        project.write(file, "other");
        affects(&project, "check-fast", "core");
        commit_a_second_ago(&project);
    }
}

#[test]
#[cfg(unix)]
fn a_link_that_git_does_not_track_hands_a_change_on() {
    for name in ["tables", "local"] {
        let project = project();
        project.write("crates/alone/tables/x.in", "");
        commit_a_second_ago(&project);
        std::os::unix::fs::symlink("../alone/tables", project.root.join("crates/core").join(name))
            .expect("a link");
        std::thread::sleep(Duration::from_millis(1100));
        project.git(&["commit", "--quiet", "--allow-empty", "--message=later"]);
        project.write("crates/alone/tables/x.in", "other");
        affects(&project, "check-fast", "alone core");
    }
}

#[test]
fn what_a_macro_reads_of_another_package_concerns_those_that_use_it() {
    let project = project();
    let manifest = project.read("crates/adapter/Cargo.toml") + "[lib]\nproc-macro = true\n";
    project.write("crates/adapter/Cargo.toml", &manifest);
    project.write("crates/adapter/src/lib.rs", "fn read() { read_dir(\"crates/alone/tables\"); }");
    project.write("crates/alone/tables/x.in", "").commit();
    project.write("crates/alone/tables/x.in", "other");
    affects(&project, "check-fast", "adapter alone app");
    project.git(&["checkout", "--quiet", "."]);
    project.write("crates/adapter/src/lib.rs", "// other");
    affects(&project, "check-fast", "adapter");
}

#[test]
fn a_path_dependency_inside_a_member_that_is_no_member_hands_a_change_on() {
    let project = project();
    let root = project.read("Cargo.toml") + "exclude = [\"crates/core/inner\"]\n";
    let root = root + "[workspace.dependencies]\ninner.path = \"crates/core/inner\"\n";
    project.write("Cargo.toml", &root).package("crates/core/inner", "inner", &["deeper"]);
    project.package("crates/core/deeper", "deeper", &[]);
    let manifest = project.read("crates/alone/Cargo.toml") + "inner.workspace = true\n";
    project.write("crates/alone/Cargo.toml", &manifest);
    project.cargo("generate-lockfile").ok();
    project.commit();
    for file in ["crates/core/inner/src/lib.rs", "crates/core/deeper/src/lib.rs"] {
        project.write(file, "// other");
        affects(&project, "check-fast", "alone core");
        project.git(&["checkout", "--quiet", "."]);
    }
}
/// rustc, and so a macro, is started there.
#[test]
fn paths_from_the_root_into_a_package_count() {
    for (text, expected) in [
        ("fn read() { read_dir(\"crates/core/tables\"); }", "alone core"),
        ("load!(\n    \"./crates/core\"\n);", "alone core"),
        ("fn read(name: &str) { read_dir(format!(\"crates/{name}/tables\")); }", "alone core"),
        ("// \"crates/core/tables\"", "core"),
        ("fn say() { println!(\"core, crates/corer\", \"core\", \"crates/app/x\"); }", "core"),
    ] {
        let project = project();
        project.write("crates/core/tables/x.in", "").write("crates/alone/src/lib.rs", text);
        project.commit();
        project.write("crates/core/tables/x.in", "other");
        affects(&project, "check-fast", expected);
    }
}
#[test]
fn a_script_may_climb_by_a_module_or_a_build_dependency() {
    const CLIMB: &str = "pub fn f() { Path::new(env!(\"CARGO_MANIFEST_DIR\")).parent(); }";
    for (file, kind, expected) in [
        ("crates/core/made/paths.rs", "build-dependencies", "app core"),
        ("crates/core/made/unused.rs", "build-dependencies", "app"),
        ("crates/alone/src/lib.rs", "build-dependencies", "app core"),
        ("crates/alone/src/lib.rs", "dependencies", "app"),
    ] {
        let project = project();
        let manifest = project.read("crates/core/Cargo.toml");
        let depends = format!("[{kind}]\nalone = {{ path = \"../alone\" }}\n");
        let manifest = manifest.replace("[dependencies]\n", &depends);
        project.write("crates/core/Cargo.toml", &manifest);
        project.write("crates/core/build.rs", "#[path = \"made/paths.rs\"]\nmod paths;");
        project.write("crates/core/made/paths.rs", "").write(file, CLIMB).commit();
        project.write("crates/app/src/lib.rs", "// other");
        affects(&project, "check-fast", expected);
    }
}

/// Which may have it by another member that asks for it.
#[test]
fn a_feature_that_is_no_longer_asked_for_concerns_those_that_do_not_ask() {
    let project = project();
    let core = project.read("crates/core/Cargo.toml") + "[features]\nextra = []\n";
    project.write("crates/core/Cargo.toml", &core);
    let app = project.read("crates/app/Cargo.toml");
    let asks = app.clone() + "core = { path = \"../core\", features = [\"extra\"] }\n";
    let asks_by_own =
        app.clone() + "core.path = \"../core\"\n[features]\ndefault = [\"core/extra\"]\n";
    for (old, new, expected) in [
        (&*asks, &*asks.replace("\"extra\"", ""), "adapter app"),
        (&asks, &app, "adapter app"),
        (&asks_by_own, &asks_by_own.replace("\"core/extra\"", ""), "adapter app"),
        // Nobody has less by these.
        (&app, &asks, "app"),
        (&asks.replace("\"extra\"", ""), &app, "app"),
    ] {
        project.write("crates/app/Cargo.toml", old);
        project.cargo("generate-lockfile").ok();
        project.commit();
        project.write("crates/app/Cargo.toml", new);
        project.cargo("generate-lockfile").ok();
        affects(&project, "check-fast", expected);
    }
}

//! Trees of one commit whose files are not the same: submodules, sparse checkouts, filters, line
//! endings, and clocks.
//!
//! git's index and its object names say of all of these that nothing differs. A fork has to read
//! the bytes.

use std::path::Path;

use crate::fork::{
    add_macro, build, first_build, hours_ago, move_into_folder, printed, prints, reading, remove,
    scripted, set_modified, undone, worktree,
};
use crate::support::{Project, put};

/// What is checked out anew has the present time, by which cargo would notice it; nothing must
/// depend on that.
fn make_old(dir: &Path, path: &str) {
    set_modified(&dir.join(path), hours_ago(5));
}

/// git fetches no submodule from this disk unless it is told to.
fn submodule(project: &Project, dir: &Path, args: &[&str]) {
    let words = ["-c", "protocol.file.allow=always", "submodule", "--quiet"];
    project.git_in(dir, &[&words[..], args].concat());
}

// Submodules
// ---------------------------------------------------------------------------------------

/// A project whose `app` has a submodule at `place`, with `file` in two commits: `one`, which is
/// checked out, and `two`.
fn with_submodule(place: &str, file: &str, one: &str, two: &str) -> Project {
    let project = undone();
    let inner = project.root.with_file_name("inner");
    project.git(&["init", "--quiet", "../inner"]);
    put(
        &inner,
        "Cargo.toml",
        "[package]\nname = \"inner\"\nversion = \"0.0.0\"\nedition = \"2024\"\n",
    );
    for (text, tag) in [(two, "two"), (one, "one")] {
        put(&inner, file, text);
        project.git_in(&inner, &["add", "--all"]);
        project.git_in(&inner, &["commit", "--quiet", "--message", tag]);
        project.git_in(&inner, &["tag", tag]);
    }
    project.commit();
    let inner = inner.to_str().expect("UTF-8");
    submodule(&project, &project.root, &["add", inner, place]);
    project
}

/// A worktree in which the submodule has this commit.
fn worktree_with_submodule(
    project: &Project,
    name: &str,
    place: &str,
    commit: &str,
) -> std::path::PathBuf {
    let dir = worktree(project, name);
    submodule(project, &dir, &["update", "--init"]);
    project.git_in(&dir.join(place), &["checkout", "--quiet", commit]);
    dir
}

#[test]
fn a_package_in_a_submodule() {
    let text = |text: &str| format!("pub const TEXT: &str = \"{text}\";\n");
    let project = with_submodule("inner", "src/lib.rs", &text("one"), &text("two"));
    project
        .append("crates/app/Cargo.toml", "inner = { path = \"../../inner\" }\n")
        .write("crates/app/src/main.rs", "fn main() { println!(\"{}\", inner::TEXT); }\n");
    project.cargo("generate-lockfile").ok();
    project.commit();
    build(&project);

    // The directory of a submodule is empty in a new worktree: cargo cannot build, and nothing of
    // ours hides that.
    let second = worktree(&project, "second");
    project.xtask("build").within(&second).fails_with(101).says("inner");
    submodule(&project, &second, &["update", "--init"]);
    project.xtask("lane fork").within(&second).ok().forked();
    project.xtask("build").within(&second).ok().compiled(0);
    prints(&project, &second, "one\n");

    // git's own index has the same commit of it in all three trees.
    let third = worktree_with_submodule(&project, "third", "inner", "two");
    make_old(&third, "inner/src/lib.rs");
    first_build(&project, &third).leaves("differs", "inner/src/lib.rs");
    prints(&project, &third, "two\n");
}

#[test]
fn a_macro_that_reads_a_file_in_a_submodule() {
    let project = with_submodule("crates/app/data", "text.txt", "one", "two");
    project.append("Cargo.toml", "exclude = [\"crates/app/data\"]\n");
    add_macro(&project, &reading("data/text.txt"), "");
    project.commit();
    build(&project);

    let second = worktree_with_submodule(&project, "second", "crates/app/data", "one");
    first_build(&project, &second).compiled(0);
    prints(&project, &second, "one\n");
    let third = worktree_with_submodule(&project, "third", "crates/app/data", "two");
    make_old(&third, "crates/app/data/text.txt");
    first_build(&project, &third).leaves("macro", "reader");
    prints(&project, &third, "two\n");
    // Edited in place, and committed nowhere.
    let fourth = worktree_with_submodule(&project, "fourth", "crates/app/data", "one");
    put(&fourth, "crates/app/data/text.txt", "six");
    make_old(&fourth, "crates/app/data/text.txt");
    first_build(&project, &fourth).leaves("macro", "reader");
    prints(&project, &fourth, "six\n");
}

#[test]
fn a_build_script_that_depends_on_a_whole_package_with_a_submodule() {
    let project = with_submodule("crates/core/native", "text.txt", "one", "two");
    let script = "fn main() { println!(\"cargo::rustc-env=TEXT={}\", \
                  std::fs::read_to_string(\"native/text.txt\").unwrap()); }";
    // As it is with a library in C: no package in a package.
    let native = project.root.join("crates/core/native");
    project.git_in(&native, &["rm", "--quiet", "Cargo.toml"]);
    project.git_in(&native, &["commit", "--quiet", "--message=no package"]);
    project.git_in(&native, &["push", "--quiet", "origin", "HEAD:refs/tags/native"]);
    project
        .write("crates/core/build.rs", script)
        .write("crates/core/src/lib.rs", "pub fn text() -> String { env!(\"TEXT\").to_owned() }\n");
    project.commit();
    build(&project);
    // The newest file of the package, by which cargo tells the package's state, is not in the
    // submodule.
    make_old(&project.root, "crates/core/native/text.txt");
    project.write("crates/core/build.rs", &format!("{script}\n"));
    build(&project);
    project.commit();

    let second = worktree_with_submodule(&project, "second", "crates/core/native", "native");
    first_build(&project, &second).compiled(0);
    prints(&project, &second, "one\n");
    let third = worktree_with_submodule(&project, "third", "crates/core/native", "native");
    put(&third, "crates/core/native/text.txt", "two");
    make_old(&third, "crates/core/native/text.txt");
    first_build(&project, &third).leaves("differs", "crates/core/native/text.txt");
    prints(&project, &third, "two\n");
}

// Sparse checkouts
// ---------------------------------------------------------------------------------

/// A script of `core` that embeds how many files its package has in `data`, and watches all of the
/// package.
const COUNTS: &str = "fn main() { println!(\"cargo::rustc-env=TEXT={}\", \
                      std::fs::read_dir(\"data\").unwrap().count()); }";

fn counting() -> Project {
    let project = scripted(COUNTS);
    project.write("crates/core/data/a.txt", "a").write("crates/core/data/b.txt", "b").commit();
    project
}

fn make_sparse(project: &Project, dir: &Path, without: &str) {
    project.git_in(dir, &["sparse-checkout", "set", "--no-cone", "/*", &format!("!{without}")]);
}

/// Everything in `core` that cargo looks at.
fn make_core_old(dir: &Path) {
    for path in
        ["build.rs", "Cargo.toml", "src/lib.rs", "data/a.txt", "data/b.txt", "data", "src", ""]
    {
        let path = dir.join("crates/core").join(path);
        if path.exists() {
            set_modified(&path, hours_ago(5));
        }
    }
}

#[test]
fn a_fork_that_is_sparse() {
    let project = counting();
    build(&project);
    let second = worktree(&project, "second");
    make_sparse(&project, &second, "/crates/core/data/b.txt");
    make_core_old(&second);
    first_build(&project, &second).leaves("differs", "crates/core/data/b.txt");
    prints(&project, &second, "1\n");
    // Without a member, a script that reads directories might see something else.
    let third = worktree(&project, "third");
    make_sparse(&project, &third, "/crates/alone/");
    let ran = first_build(&project, &third);
    ran.leaves("differs", "crates/alone/src/lib.rs");
    assert_eq!(ran.built(), ["app", "core"]);
    prints(&project, &third, "2\n");
}

#[test]
fn a_donor_that_is_sparse() {
    let project = counting();
    make_sparse(&project, &project.root, "/crates/core/data/b.txt");
    make_core_old(&project.root);
    build(&project);
    let second = worktree(&project, "second");
    project.git_in(&second, &["sparse-checkout", "disable"]);
    make_core_old(&second);
    first_build(&project, &second).leaves("differs", "crates/core/data/b.txt");
    prints(&project, &second, "2\n");
    // What the sparse tree lacks comes back with an old time.
    project.git_in(&project.root, &["sparse-checkout", "disable"]);
    make_core_old(&project.root);
    let third = worktree(&project, "third");
    first_build(&project, &third);
    prints(&project, &third, "2\n");
}

// Filters
// ------------------------------------------------------------------------------------------

/// A worktree whose git is configured differently, before its files are written.
fn worktree_with(
    project: &Project,
    name: &str,
    configuration: &[(&str, &str)],
) -> std::path::PathBuf {
    let dir = project.root.with_file_name(name);
    let path = dir.to_str().expect("UTF-8");
    project.git(&["config", "extensions.worktreeConfig", "true"]);
    project.git(&["worktree", "add", "--quiet", "--detach", "--no-checkout", path]);
    for (key, value) in configuration {
        project.git_in(&dir, &["config", "--worktree", key, value]);
    }
    project.git_in(&dir, &["checkout", "--quiet", "HEAD", "--", "."]);
    dir
}

/// git finds nothing changed in a tree.
#[track_caller]
fn is_clean(project: &Project, dir: &Path) {
    assert_eq!(project.git_in(dir, &["status", "--porcelain"]), "");
}

/// As Git LFS has it: what is committed is a pointer, and a filter puts the content into the tree.
#[test]
fn a_file_that_a_filter_fills_in_one_tree_and_not_in_the_other() {
    let (pointer, content) = ("the pointer", "the content");
    let filters = |smudged: &'static str| {
        let (keeps, makes) = (
            format!("cat >/dev/null; printf '{pointer}'"),
            format!("cat >/dev/null; printf '{smudged}'"),
        );
        [("filter.large.clean".to_owned(), keeps), ("filter.large.smudge".to_owned(), makes)]
    };
    let configured = |project: &Project, name: &str, smudged| {
        let filters = filters(smudged);
        let filters: Vec<_> =
            filters.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        worktree_with(project, name, &filters)
    };
    for (donors, own) in [(content, pointer), (pointer, content)] {
        let project = undone();
        for (key, value) in filters("unused") {
            project.git(&["init", "--quiet", "--initial-branch=main"]);
            project.git(&["config", &key, &value]);
        }
        let main = "fn main() { println!(\"{}\", str::from_utf8(include_bytes!(\"file.large\")).unwrap()); }\n";
        project
            .write(".gitattributes", "*.large filter=large\n")
            .write("crates/app/src/main.rs", main)
            .write("crates/app/src/file.large", donors)
            .commit();
        is_clean(&project, &project.root);
        build(&project);

        let same = configured(&project, "same", donors);
        first_build(&project, &same).compiled(0);
        prints(&project, &same, &format!("{donors}\n"));
        let second = configured(&project, "second", own);
        is_clean(&project, &second);
        make_old(&second, "crates/app/src/file.large");
        first_build(&project, &second).leaves("differs", "crates/app/src/file.large");
        prints(&project, &second, &format!("{own}\n"));
        // As `git lfs pull` does.
        put(&second, "crates/app/src/file.large", donors);
        is_clean(&project, &second);
        prints(&project, &second, &format!("{donors}\n"));
    }
}

#[test]
fn line_endings_that_differ_by_configuration() {
    let project = undone();
    project
        .write(".gitattributes", "*.txt text\n")
        .write(
            "crates/app/src/main.rs",
            "fn main() { println!(\"{:?}\", include_str!(\"lines.txt\")); }\n",
        )
        .write("crates/app/src/lines.txt", "a\nb\n")
        .commit();
    build(&project);
    let second = worktree_with(&project, "second", &[("core.eol", "crlf")]);
    is_clean(&project, &second);
    make_old(&second, "crates/app/src/lines.txt");
    first_build(&project, &second).leaves("differs", "crates/app/src/lines.txt");
    prints(&project, &second, "\"a\\r\\nb\\r\\n\"\n");
    // All files are other ones: rustc takes both for one line break, but whoever reads files may
    // not.
    let third = worktree_with(&project, "third", &[("core.autocrlf", "true")]);
    is_clean(&project, &third);
    assert_eq!(first_build(&project, &third).built(), ["alone", "app", "core"]);
    prints(&project, &third, "\"a\\r\\nb\\r\\n\"\n");
    // Converted in place, which git takes for no change either.
    let fourth = worktree(&project, "fourth");
    first_build(&project, &fourth).compiled(0);
    put(&fourth, "crates/app/src/lines.txt", "a\r\nb\r\n");
    prints(&project, &fourth, "\"a\\r\\nb\\r\\n\"\n");
}

// What is of the donor's tree, and not below its workspace
// -----------------------------------------

/// The workspace in a folder of the repository, with `shared.txt` beside it.
fn in_a_folder(mut project: Project) -> Project {
    let workspace = move_into_folder(&project, "rust");
    project.write("shared.txt", "one").commit();
    project.root = workspace;
    build(&project);
    project
}

fn folder_in_worktree(project: &Project, name: &str) -> std::path::PathBuf {
    let dir = worktree(project, &format!("../{name}")).join("rust");
    dir.canonicalize().expect("it is there")
}

#[test]
fn a_path_into_the_repository_and_not_into_the_workspace() {
    let script = "fn main() { let dir = std::fs::canonicalize(\"../../..\").unwrap(); \
                  println!(\"cargo::rerun-if-changed=build.rs\\ncargo::rustc-env=SHARED={}/shared.txt\", dir.display()); }";
    let main = "fn main() { println!(\"{} {}\", include_str!(env!(\"SHARED\")), \
                std::fs::read_to_string(env!(\"SHARED\")).unwrap()); }\n";
    let project = undone();
    project.write("crates/app/build.rs", script).write("crates/app/src/main.rs", main);
    let project = in_a_folder(project);
    let second = folder_in_worktree(&project, "second");
    first_build(&project, &second).leaves("variable", "SHARED");
    put(&second, "../shared.txt", "two");
    assert_eq!(printed(&project, &second), "two two\n");
    remove(project.root.parent().expect("a parent"));
    assert_eq!(printed(&project, &second), "two two\n");
}

#[test]
fn a_macro_that_reads_a_file_of_the_repository_and_not_of_the_workspace() {
    let project = undone();
    add_macro(&project, &reading("../../../shared.txt"), "");
    let project = in_a_folder(project);
    let second = folder_in_worktree(&project, "second");
    first_build(&project, &second).compiled(0);
    prints(&project, &second, "one\n");
    let third = folder_in_worktree(&project, "third");
    put(&third, "../shared.txt", "two");
    first_build(&project, &third).leaves("macro", "reader");
    prints(&project, &third, "two\n");
    let fourth = folder_in_worktree(&project, "fourth");
    put(&fourth, "../more.txt", "it could be read as well");
    first_build(&project, &fourth).leaves("macro", "reader");
}

/// As scripts do that embed the commit: they watch `HEAD`, which each worktree has elsewhere.
#[test]
fn a_file_of_gits_own() {
    let script = "fn main() { let git = |what: &str| { let output = std::process::Command::new(\"git\")\
                  .args([\"rev-parse\", what]).output().unwrap(); String::from_utf8(output.stdout).unwrap().trim().to_owned() }; \
                  println!(\"cargo::rerun-if-changed={}/HEAD\", git(\"--absolute-git-dir\")); \
                  println!(\"cargo::rustc-env=TEXT={}\", git(\"HEAD\")); }";
    let project = scripted(script);
    project.commit();
    // The donor is a worktree, and so its `HEAD` is not below it.
    let donor = worktree(&project, "donor");
    project.cargo("build").within(&donor).ok();
    let second = worktree(&project, "second");
    first_build(&project, &second).leaves("printed", "");
    project.git_in(&second, &["commit", "--quiet", "--allow-empty", "--message=next"]);
    let commit = project.git_in(&second, &["rev-parse", "HEAD"]);
    prints(&project, &second, &commit);
}

/// A target directory that nobody knows of may have been built from what was there before.
#[test]
fn a_watched_file_that_was_checked_out_again_keeps_its_time() {
    let script = "fn main() { println!(\"cargo::rerun-if-changed=data.txt\"); \
                  println!(\"cargo::rustc-env=TEXT={}\", std::fs::read_to_string(\"data.txt\").unwrap()); }";
    let project = undone();
    let main = "fn main() { println!(\"{}\", env!(\"TEXT\")); }\n";
    project.write("crates/app/build.rs", script).write("crates/app/src/main.rs", main);
    project.write("crates/app/data.txt", "one").commit();
    project.write("crates/app/data.txt", "two").commit();
    project.xtask("build").ok();
    first_build(&project, &worktree(&project, "untouched")).compiled(0);
    let second = worktree(&project, "second");
    project.git_in(&second, &["checkout", "--quiet", "HEAD~1"]);
    let other = second.with_file_name("other");
    let run = || project.cargo("run --quiet --target-dir").arg(&other).within(&second).ok();
    assert_eq!(run().stdout(), "one\n");
    project.git_in(&second, &["checkout", "--quiet", "--detach", "main"]);
    first_build(&project, &second);
    assert_eq!(run().stdout(), "two\n");
}

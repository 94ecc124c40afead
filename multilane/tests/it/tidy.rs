//! Rules of this repository that a reader relies on. Each test lists all problems at once, and how
//! to mend them.

use std::collections::BTreeSet;

use crate::support::Project;
use crate::template::{template_files, template_root};

fn read(name: &str) -> String {
    std::fs::read_to_string(template_root().join(name))
        .unwrap_or_else(|err| panic!("{name}: {err}"))
}

fn sources() -> Vec<(String, String)> {
    let names = template_files().into_iter().filter(|name| name.ends_with(".rs"));
    names.map(|name| (name.clone(), read(&name))).collect()
}

#[track_caller]
fn none(problems: Vec<String>) {
    assert!(problems.is_empty(), "\n{}\n", problems.join("\n"));
}

#[test]
fn every_file_says_what_it_is_for() {
    let silent = sources().into_iter().filter(|(_, text)| !text.starts_with("//!"));
    none(
        silent
            .map(|(name, _)| format!("{name}: begin it with a `//!` line that says what it is for"))
            .collect(),
    );
}

/// A decision that reads a file or starts a process can be tested no longer with data alone.
#[test]
fn plans_touch_nothing_and_facts_change_nothing() {
    let forbidden = [
        ("xtask/src/plan/", "crate::effects"),
        ("xtask/src/plan/", "crate::verbs"),
        ("xtask/src/plan/", "crate::flags"),
        ("xtask/src/plan/", "std::fs"),
        ("xtask/src/plan/", "std::process"),
        ("xtask/src/plan/", "std::env"),
        ("xtask/src/facts/", "crate::verbs"),
        ("xtask/src/facts/", "crate::flags"),
        ("xtask/src/facts/", "fs::write"),
        ("xtask/src/facts/", "fs::remove"),
        ("xtask/src/effects/", "crate::verbs"),
        ("xtask/src/effects/", "crate::flags"),
    ];
    let mut problems = Vec::new();
    for (name, text) in sources() {
        // Tests at the end of a file may do what they like.
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for (folder, word) in forbidden {
            if name.starts_with(folder) && code.contains(word) {
                problems.push(format!(
                    "{name}: `{word}` is not for {folder}; ARCHITECTURE.md says where it belongs"
                ));
            }
        }
    }
    none(problems);
}

#[test]
fn the_architecture_names_every_file_of_xtask() {
    let text = read("ARCHITECTURE.md");
    let is_named = |name: &String| {
        let short = name.trim_start_matches("xtask/src/");
        let file = short.rsplit('/').next().unwrap_or(short);
        file == "mod.rs" || text.contains(file)
    };
    let files = template_files()
        .into_iter()
        .filter(|name| name.starts_with("xtask/src/") && name.ends_with(".rs"));
    none(
        files
            .filter(|name| !is_named(name))
            .map(|name| format!("{name} is not in ARCHITECTURE.md"))
            .collect(),
    );
}

#[test]
fn readme_help_and_makefile_name_the_same_verbs() {
    let project = Project::empty();
    let help = project.xtask("--help").ok().stdout();
    let verbs: BTreeSet<String> = help
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.strip_prefix("  ")?.split(' ').next().map(str::to_owned))
        .filter(|verb| !verb.is_empty() && verb != "help")
        .collect();
    assert!(verbs.len() > 10, "{help}");

    let mut problems = Vec::new();
    let readme = read("README.md");
    for verb in &verbs {
        if !readme.contains(&format!("`{verb}")) {
            problems.push(format!("README.md: the verb `{verb}` is not in it"));
        }
    }
    for line in read("Makefile").lines() {
        if let Some(call) = line.trim().strip_prefix("@$(XTASK) ")
            && !verbs.contains(call.split(' ').next().unwrap_or_default())
        {
            problems.push(format!("Makefile: `{call}` calls a verb that is not there"));
        }
    }
    none(problems);
}

#[test]
fn nothing_names_a_machine() {
    // Split, so that this file does not name them either.
    let traces = [
        ["/ro", "ot/"].concat(),
        ["/ho", "me/"].concat(),
        ["/Us", "ers/"].concat(),
        ["C:", "\\Users"].concat(),
    ];
    let mut problems = Vec::new();
    for name in template_files() {
        let Ok(text) = std::fs::read_to_string(template_root().join(&name)) else { continue };
        for (index, line) in text.lines().enumerate() {
            if traces.iter().any(|trace| line.contains(trace.as_str())) {
                problems.push(format!("{name}:{}: a path of one machine", index + 1));
            }
        }
    }
    none(problems);
}

#[test]
fn every_test_file_is_part_of_the_test() {
    let main = read("xtask/tests/it/main.rs");
    let files = template_files().into_iter().filter_map(|name| {
        let module = name.strip_prefix("xtask/tests/it/")?.strip_suffix(".rs")?.to_owned();
        (module != "main" && !main.contains(&format!("mod {module};")))
            .then(|| format!("{name} is not in main.rs"))
    });
    none(files.collect());
}

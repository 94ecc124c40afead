//! Rules of this repository that a reader relies on. Each test lists all problems at once, with the
//! file and the line.

use std::collections::{BTreeMap, BTreeSet};

use crate::support::Project;
use crate::template::{template_files, template_root};

fn read(name: &str) -> String {
    std::fs::read_to_string(template_root().join(name))
        .unwrap_or_else(|err| panic!("{name}: {err}"))
}

/// The names and texts of the files that begin with `start` and end with `end`.
fn files(start: &str, end: &str) -> Vec<(String, String)> {
    let names = template_files().into_iter();
    let names = names.filter(|name| name.starts_with(start) && name.ends_with(end));
    names.map(|name| (name.clone(), read(&name))).collect()
}

#[track_caller]
fn none(problems: impl IntoIterator<Item = String>) {
    let problems: Vec<String> = problems.into_iter().collect();
    assert!(problems.is_empty(), "\n{}\n", problems.join("\n"));
}

/// The command line and the engine below it; the compiler holds the order of the two.
const CRATES: [&str; 2] = ["multilane/src/", "multilane/engine/src/"];

fn sources() -> Vec<(String, String)> {
    CRATES.iter().flat_map(|folder| files(folder, ".rs")).collect()
}

/// The modules of both. Imports run from the first row to the last.
const ROWS: [&[&str]; 5] = [
    &["lib", "bin", "cli", "verbs", "tools"],
    &["fork", "cold_start", "retarget", "sccache", "permits", "disk"],
    &["units", "lanes", "record"],
    &["project", "cargo_line"],
    &["process", "files", "ui", "environment", "json"],
];

/// `fork` of `multilane/engine/src/fork/plan.rs`.
fn module(file: &str) -> &str {
    let inside = CRATES.iter().find_map(|folder| file.strip_prefix(folder)).unwrap_or(file);
    inside.split('/').next().unwrap_or(inside).trim_end_matches(".rs")
}

/// The modules that a file of the engine names as `crate::<module>`, in a `use` or elsewhere, with
/// the line: also below `#[cfg(test)]`, and each one of `crate::{a, b::{c, d}}`.
fn imports(text: &str) -> Vec<(usize, String)> {
    let code: Vec<&str> = text
        .lines()
        .map(|line| if line.trim_start().starts_with("//") { "" } else { line })
        .collect();
    let code = code.join("\n");
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    let mut found = Vec::new();
    for (at, path) in code.match_indices("crate::") {
        if code[..at].ends_with(is_part) {
            continue; // `$other_crate::`
        }
        let rest = &code[at + path.len()..];
        let line = code[..at].matches('\n').count() + 1;
        let first = |path: &str| path.split(|c| !is_part(c)).next().unwrap_or_default().to_owned();
        let names: Vec<String> = if let Some(rest) = rest.strip_prefix('{') {
            let (mut depth, mut names) = (0, vec![String::new()]);
            for c in rest.chars() {
                depth += i32::from(c == '{') - i32::from(c == '}');
                match c {
                    _ if depth < 0 => break,
                    ',' if depth == 0 => names.push(String::new()),
                    c => names.last_mut().expect("there is one").push(c),
                }
            }
            names.iter().map(|path| first(path.trim())).collect()
        } else {
            vec![first(rest)]
        };
        let names = names.into_iter().filter(|name| !name.is_empty() && name != "self");
        found.extend(names.map(|name| (line, name)));
    }
    found
}

#[test]
fn every_way_to_name_a_module_is_seen() {
    let text = "use crate::a;\nuse crate::{b, c::{d, e}, f as g};\n// crate::h\n#[cfg(test)]\n\
                mod tests {\n    fn i() { crate::j::k(crate::l) }\n    use crate::{\n        m,\n        n::o,\n    };\n}\n";
    let found: Vec<String> =
        imports(text).into_iter().map(|(line, name)| format!("{line}{name}")).collect();
    assert_eq!(found, ["1a", "2b", "2c", "2f", "6j", "6l", "7m", "7n"]);
}

#[test]
fn imports_of_the_engine_run_one_way() {
    let row = |module: &str| ROWS.iter().position(|row| row.contains(&module));
    let mut problems = Vec::new();
    let mut seen: BTreeMap<(String, String), String> = BTreeMap::new();
    for (name, text) in sources() {
        let from = module(&name);
        let Some(own_row) = row(from) else {
            problems.push(format!("{name}: `{from}` is in no row of this test"));
            continue;
        };
        for (line, to) in imports(&text).into_iter().filter(|(_, to)| to != from) {
            // What `lib.rs` gives other crates is none of a module's own business.
            match row(&to) {
                Some(row) if row >= own_row => {}
                _ => problems
                    .push(format!("{name}:{line}: `{from}` imports `{to}`, against the order")),
            }
            let back = (to.clone(), from.to_owned());
            if let Some(place) = seen.get(&back) {
                problems.push(format!(
                    "{name}:{line}: `{from}` imports `{to}`, which imports it in {place}"
                ));
            }
            seen.entry((from.to_owned(), to)).or_insert(format!("{name}:{line}"));
        }
    }
    none(problems);
}

#[test]
fn the_architecture_names_every_folder() {
    let text = read("ARCHITECTURE.md");
    let modules = ROWS.concat().into_iter().filter(|module| !["lib", "bin"].contains(module));
    let is_missing = |module: &&str| {
        !["", ".rs", "/"].iter().any(|end| text.contains(&format!("`{module}{end}`")))
    };
    none(
        modules
            .filter(is_missing)
            .map(|module| format!("ARCHITECTURE.md: the module `{module}` is not in it")),
    );
}

#[test]
fn every_file_says_what_it_is_for() {
    let silent = files("", ".rs").into_iter().filter(|(_, text)| !text.starts_with("//!"));
    none(silent.map(|(name, _)| format!("{name}:1: begin it with a `//!` line about its purpose")));
}

/// rustfmt wraps code alone.
#[test]
fn no_comment_is_too_wide() {
    const WIDTH_MAX: usize = 100;
    let mut problems = Vec::new();
    for (name, text) in files("multilane/", ".rs") {
        let mut is_drawing = false;
        for (index, line) in text.lines().enumerate() {
            let is_comment = line.trim_start().starts_with("//");
            is_drawing = is_comment && (is_drawing != line.contains("```"));
            // Nor can a table or an address be wrapped.
            let is_whole = is_drawing || ["| ", "://"].iter().any(|mark| line.contains(mark));
            if is_comment && !is_whole && line.chars().count() > WIDTH_MAX {
                problems.push(format!("{name}:{}: a comment of over {WIDTH_MAX}", index + 1));
            }
        }
    }
    none(problems);
}

/// `if a && let …` came with Rust 1.88, after our `rust-version`; clippy finds the rest.
#[test]
fn the_engine_has_no_let_chains() {
    let mut problems = Vec::new();
    for (name, text) in sources() {
        let mut chain = None;
        for (index, line) in text.lines().map(str::trim).enumerate() {
            if (line.starts_with("if let ") || line.starts_with("} else if let "))
                && !line.ends_with('{')
            {
                chain = Some(index);
            }
            let goes_on = chain.is_some() && line.starts_with("&& ");
            if line.contains("&& let ") || goes_on {
                problems.push(format!("{name}:{}: a let chain", index + 1));
            }
            if line.ends_with('{') || line.ends_with(';') {
                chain = None;
            }
        }
    }
    none(problems);
}

#[test]
fn links_between_documents_lead_somewhere() {
    let mut problems = Vec::new();
    // A template is for another place.
    let documents = files("", ".md").into_iter().filter(|(name, _)| !name.contains("/templates/"));
    for (name, text) in documents {
        let dir = name.rsplit_once('/').map_or("", |(dir, _)| dir);
        for (index, line) in text.lines().enumerate() {
            let targets = line.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
            for target in targets.filter(|to| !to.is_empty() && !to.contains("://")) {
                if !template_root().join(dir).join(target).exists() {
                    problems.push(format!("{name}:{}: {target} does not exist", index + 1));
                }
            }
        }
    }
    for (name, text) in [sources(), files("multilane/tools/src/", ".rs")].concat() {
        for (index, line) in text.lines().enumerate() {
            let words = line.split(|c: char| !(c.is_alphanumeric() || "/-_.".contains(c)));
            for word in words.filter(|word| word.starts_with("docs/") && word.ends_with(".md")) {
                if !template_root().join(word).exists() {
                    problems.push(format!("{name}:{}: {word} does not exist", index + 1));
                }
            }
        }
    }
    none(problems);
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

    let readme = read("README.md");
    let missing = verbs.iter().filter(|verb| !readme.contains(&format!("`{verb}")));
    let mut problems: Vec<String> =
        missing.map(|verb| format!("README.md: the verb `{verb}` is not in it")).collect();
    for (index, line) in read("Makefile").lines().enumerate() {
        let Some(call) = line.trim().strip_prefix("@$(XTASK) ") else { continue };
        if !verbs.contains(call.split(' ').next().unwrap_or_default()) {
            problems.push(format!("Makefile:{}: `{call}` calls no verb", index + 1));
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
    let main = read("multilane/tests/it/main.rs");
    let names = template_files().into_iter();
    none(names.filter_map(|name| {
        let module = name.strip_prefix("multilane/tests/it/")?.strip_suffix(".rs")?;
        let is_in = module == "main" || main.contains(&format!("mod {module};"));
        (!is_in).then(|| format!("{name} is not in main.rs"))
    }));
}

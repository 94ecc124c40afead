//! Which linkers are here, and whether they work: a program is linked with each, as cargo would,
//! and started.
//!
//! The program is made so that what linkers have got wrong shows: it unwinds, starts threads, and a
//! macro that it uses is a shared object.

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use crate::process::Asker;
use anyhow::Context as _;
use multilane::environment::Environment;
use multilane::process::Shell;
use multilane::project::cargo_config::CargoConfig;
use multilane::units::linker;
use serde_json::Value;

use crate::install::plan::{Machine, Reply};
use crate::linkers::choice::{Driver, Facts};
use crate::linkers::link;
use crate::linkers::link::Link;

/// What it prints.
const LINKED: &str = "linked\n";

pub(crate) const FILES: [(&str, &str); 4] = [
    (
        "Cargo.toml",
        "[package]\nname = \"probe\"\nversion = \"0.0.0\"\nedition = \"2021\"\n\
         [[bin]]\nname = \"probe\"\npath = \"main.rs\"\n\
         [dependencies]\nprobe-macro = { path = \"macro\" }\n[workspace]\n",
    ),
    (
        "main.rs",
        "fn main() {\n    std::panic::set_hook(Box::new(|_| {}));\n    \
         let unwinds = !cfg!(panic = \"unwind\") || std::panic::catch_unwind(|| panic!()).is_err();\n    \
         let threads = [1, 2].map(|number| std::thread::spawn(move || number));\n    \
         let sum: i32 = threads.into_iter().map(|thread| thread.join().unwrap()).sum();\n    \
         if unwinds && sum == probe_macro::three!() {\n        println!(\"linked\");\n    }\n}\n",
    ),
    (
        "macro/Cargo.toml",
        "[package]\nname = \"probe-macro\"\nversion = \"0.0.0\"\nedition = \"2021\"\n\
         [lib]\npath = \"lib.rs\"\nproc-macro = true\n",
    ),
    (
        "macro/lib.rs",
        "#[proc_macro]\npub fn three(_: proc_macro::TokenStream) -> proc_macro::TokenStream {\n    \
         \"3\".parse().unwrap()\n}\n",
    ),
];

/// `named`: the linker that the user has configured, where it is not `cc`.
pub(crate) fn read(
    asker: &Asker<'_>,
    env: &Environment,
    machine: &Machine,
    named: Option<&str>,
    start: &Path,
) -> Facts {
    const LIMIT: Duration = Duration::from_secs(5);
    let answer = asker.ask(named.unwrap_or("cc"), ["--version"], start, LIMIT);
    let answering = |tool: &str, program: &str| {
        matches!(machine.answers.get(tool), Some(Reply::Version(_)))
            .then(|| env.find_program(program))?
    };
    Facts {
        driver: answer.map_or(Driver::Unknown, |answer| Driver::of(&answer.stdout)),
        mold: answering("mold", "mold"),
        wild: answering("wild", "wild"),
        lld: answering("lld", "ld.lld"),
        links_dir: machine.data_dir.join("multilane").join("linkers"),
    }
}

/// Builds and starts the program in `dir`, where `FILES` are, as if it were one of the workspace at
/// `start`. `flags` come after those that are configured, as the ones in `.cargo/local.toml` would.
/// `target` is handed on to cargo, `name` is new.
pub(crate) fn prove(
    asker: &Asker<'_>,
    config: &CargoConfig,
    start: &Path,
    dir: &Path,
    name: &str,
    target: Option<&str>,
    flags: Option<(&str, &[String])>,
) -> Link {
    const LIMIT: Duration = Duration::from_secs(60);
    let target_dir = dir.join(name);
    let mut args: Vec<OsString> =
        ["run", "--quiet", "--offline", "--manifest-path"].map(OsString::from).to_vec();
    args.extend([dir.join("Cargo.toml").into(), "--target-dir".into(), target_dir.clone().into()]);
    args.extend(target.into_iter().flat_map(|target| ["--target".into(), target.into()]));
    if config.has_build_dir {
        let value = toml_edit::Value::from(target_dir.to_string_lossy().as_ref());
        args.extend(["--config".into(), format!("build.build-dir={value}").into()]);
    }
    if let Some((triple, flags)) = flags {
        let value = toml_edit::Value::from_iter(flags);
        args.extend(["--config".into(), format!("target.{triple}.rustflags={value}").into()]);
    }
    let args: Vec<_> = args.iter().map(OsString::as_os_str).collect();
    match asker.ask_cargo(&args, start, LIMIT) {
        Ok(answer) if answer.success && answer.stdout == LINKED => {}
        Ok(answer) if answer.success => {
            return Link::Failed { why: "the program does not do what it should".to_owned() };
        }
        Ok(answer) => return Link::Failed { why: link::reason(&answer.stderr) },
        Err(silence) => return Link::Failed { why: format!("cargo {silence}") },
    }
    let Some(program) = link::program(&target_dir) else {
        return Link::Failed { why: "cargo made no program, and said nothing".to_owned() };
    };
    match linker::comment(&program) {
        Some(comment) => Link::Linked { by: link::named(&comment) },
        None => Link::OtherFormat,
    }
}

/// A program of the workspace, which can be linked to measure.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) package: String,
    pub(crate) name: String,
    /// Bytes, where it was built before.
    size: Option<u64>,
}

/// The largest of those that were built in `lane`, or else the first; of `package`, if one is
/// named.
pub(crate) fn program_to_link(
    sh: &Shell,
    root: &Path,
    lane: &Path,
    package: Option<&str>,
) -> anyhow::Result<Program> {
    let args = ["metadata", "--no-deps", "--offline", "--format-version=1"];
    let metadata: Value = serde_json::from_slice(&sh.read_cargo(&args, root)?)
        .context("`cargo metadata` printed no JSON")?;
    let items = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let mut programs = Vec::new();
    for member in items(&metadata["packages"]) {
        let name = member["name"].as_str().unwrap_or_default();
        let is_default = items(&metadata["workspace_default_members"]).contains(&member["id"]);
        if package.map_or(!is_default, |package| package != name) {
            continue;
        }
        for target in items(&member["targets"]) {
            let needs_features = !items(&target["required-features"]).is_empty();
            let bin =
                target["name"].as_str().filter(|_| target["kind"][0] == "bin" && !needs_features);
            programs.extend(bin.map(|bin| Program {
                package: name.to_owned(),
                name: bin.to_owned(),
                size: lane.join("debug").join(bin).metadata().ok().map(|meta| meta.len()),
            }));
        }
    }
    // The first of the largest.
    programs.reverse();
    let place =
        package.map_or_else(|| "the workspace".to_owned(), |package| format!("package {package}"));
    let programs = programs.into_iter().max_by_key(|program| program.size);
    programs.with_context(|| {
        format!("{place} has no program to link\nhelp: install-tools --tune --package <package>")
    })
}

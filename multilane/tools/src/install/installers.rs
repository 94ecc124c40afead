//! What this machine has to install tools with, and which tools it has. All programs are asked at
//! once, with a time limit: one that has the right name may be broken, hang or be something else.
//! They are asked from `/`, so that nothing in the workspace has a say.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use multilane_engine::environment::Environment;
use multilane_engine::project::Project;
use multilane_engine::project::toolchain::{Rustc, Version};

use crate::install::plan::table::{APT, CRANELIFT, MANAGERS, TOOLS};
use crate::install::plan::{Machine, Manager, Reply, Route, Tool};
use crate::process::{Answer, Asker};

const LIMIT: Duration = Duration::from_secs(5);

/// `rustc`: the workspace's compiler, if it is known.
pub(crate) fn read(asker: &Asker<'_>, project: &Project, rustc: Option<&Rustc>) -> Machine {
    let env = &project.session.env;
    let has = |program: &str| env.find_program(program).is_some();
    let managers: Vec<Manager> =
        MANAGERS.into_iter().filter(|manager| has(manager.program)).collect();
    // Installers that are slow still give the right answer.
    let says = |words: &str| says(asker, words, 6 * LIMIT);
    let routes = TOOLS.iter().flat_map(|tool| tool.routes);
    let questions: Vec<_> = routes
        .filter_map(|route| match *route {
            Route::Package(manager, package) => Some((manager, package)),
            _ => None,
        })
        .filter(|(manager, _)| managers.contains(manager) && !manager.question.is_empty())
        .collect();

    std::thread::scope(|scope| {
        let answers = scope.spawn(|| replies(asker, env));
        let ask_offer = |(manager, package): (Manager, &'static str)| {
            let question = format!("{} {package}", manager.question);
            ((manager, package), scope.spawn(move || offer(manager, &says(&question)?)))
        };
        let offers: Vec<_> = questions.into_iter().map(ask_offer).collect();
        let is_root = scope.spawn(|| says("id -u").is_some_and(|id| id.trim() == "0"));
        let has_pip = scope.spawn(|| has("python3") && says("python3 -m pip --version").is_some());
        let stable = scope.spawn(|| {
            says("rustup which --toolchain stable rustc")?;
            Version::first_in(&says("rustc +stable --version")?)
        });
        let sysroot = rustc.and_then(|rustc| rustc.sysroot.file_name()?.to_str());
        let nightly = scope.spawn(move || nightly(sysroot.unwrap_or_default(), says));

        let own = rustc.and_then(|rustc| Version::first_in(rustc.release()));
        let stable = stable.join().ok().flatten();
        let has_rust_lld = |rustc: &Rustc| {
            let dir = rustc.sysroot.join("lib/rustlib").join(rustc.host()).join("bin");
            dir.join("rust-lld").is_file()
        };
        let offers = offers.into_iter().filter_map(|(key, asked)| Some((key, asked.join().ok()??)));
        Machine {
            is_linux: cfg!(target_os = "linux"),
            offers: offers.collect(),
            lacks_apt_lists: managers.contains(&APT) && lacks_apt_lists(),
            is_root: is_root.join().unwrap_or_default(),
            has_sudo: has("sudo"),
            is_offline: env.is_on("CARGO_NET_OFFLINE"),
            python: has_pip.join().unwrap_or_default().then(|| "python3".to_owned()),
            has_uv: has("uv"),
            has_pipx: has("pipx"),
            has_binstall: has("cargo-binstall"),
            cargo_bin: env.cargo_home().unwrap_or_default().join("bin"),
            data_dir: data_dir(env),
            compilers: own
                .map(|version| (None, version))
                .into_iter()
                .chain(stable.map(|version| (Some("stable".to_owned()), version)))
                .collect(),
            // One that is not known is not said to lack it.
            has_rust_lld: rustc
                .is_none_or(|rustc| rustc.sysroot.as_os_str().is_empty() || has_rust_lld(rustc)),
            wants_cranelift: matches!(project.repo.settings.cranelift, Some(Ok(_))),
            nightly: nightly.join().ok().flatten(),
            answers: answers.join().unwrap_or_default(),
            managers,
        }
    })
}

fn says(asker: &Asker<'_>, words: &str, limit: Duration) -> Option<String> {
    let mut words = words.split(' ');
    let answer = asker.ask(words.next()?, words, Path::new("/"), limit).ok()?;
    answer.success.then_some(answer.stdout)
}

/// What the tools answer now; one that is not on `PATH` is left out.
pub(crate) fn replies(asker: &Asker<'_>, env: &Environment) -> BTreeMap<&'static str, Reply> {
    std::thread::scope(|scope| {
        let ask = |tool: &'static Tool| (tool.name, scope.spawn(|| reply(asker, env, tool)));
        let asked: Vec<_> = TOOLS.iter().map(ask).collect();
        asked.into_iter().filter_map(|(name, asked)| Some((name, asked.join().ok()??))).collect()
    })
}

/// `None` where no program has the tool's name.
pub(crate) fn reply(asker: &Asker<'_>, env: &Environment, tool: &Tool) -> Option<Reply> {
    let (program, args) = tool.asked?;
    let program = env.find_program(program)?;
    let why = match asker.ask(&program, args, Path::new("/"), LIMIT) {
        Ok(Answer { success: true, stdout, .. }) => {
            let mut lines = stdout.lines().filter(|line| line.contains(tool.says));
            match lines.find_map(Version::first_in) {
                Some(version) => return Some(Reply::Version(version)),
                None => "does not answer as it should".to_owned(),
            }
        }
        Ok(_) => "fails when it is asked for its version".to_owned(),
        Err(silence) => silence.to_string(),
    };
    Some(Reply::Strange { program, why })
}

/// A version that the table names, and the newest one.
pub(crate) struct Newest {
    pub(crate) tool: &'static str,
    pub(crate) place: &'static str,
    pub(crate) ours: &'static str,
    pub(crate) newest: Option<String>,
}

/// What crates.io (for this compiler) and PyPI have.
pub(crate) fn newest(asker: &Asker<'_>) -> Vec<Newest> {
    let routes = TOOLS.iter().flat_map(|tool| tool.routes.iter().map(|route| (tool.name, route)));
    let newest = |(tool, route): (&'static str, &Route)| {
        // `version: 0.10.0 (latest 0.11.0)`; `sccache (0.16.0)`
        let (place, ours, words, start) = match *route {
            Route::Crate { name, version, .. } => {
                ("crates.io", version, format!("cargo info --quiet {name}"), "version:")
            }
            Route::Wheel { package, version } => {
                ("PyPI", version, format!("python3 -m pip index versions {package}"), package)
            }
            _ => return None,
        };
        let answer = says(asker, &words, 12 * LIMIT);
        let newest = answer.and_then(|answer| {
            let line = answer.lines().find(|line| line.starts_with(start))?;
            Some(Version::first_in(line)?.to_string())
        });
        Some(Newest { tool, place, ours, newest })
    };
    routes.filter_map(newest).collect()
}

/// `None` where the answer does not tell.
fn offer(manager: Manager, answer: &str) -> Option<Option<Version>> {
    let line = answer.lines().map(str::trim).find(|line| {
        line.strip_prefix("Candidate")
            .or_else(|| line.strip_prefix("Version"))
            .is_some_and(|rest| rest.trim_start().starts_with(':'))
    });
    match line.and_then(|line| line.split_once(':')) {
        Some((_, version)) => Some(Version::first_in(version)),
        // apt prints nothing about a package that it does not know; the others fail.
        None => (manager == APT).then_some(None),
    }
}

fn lacks_apt_lists() -> bool {
    let lists = std::fs::read_dir("/var/lib/apt/lists").into_iter().flatten().flatten();
    !lists.into_iter().any(|entry| entry.file_name().to_string_lossy().contains("_Packages"))
}

/// The toolchain of this name if it is a nightly, or else the first nightly, and which of our
/// components it has.
fn nightly(
    preferred: &str,
    says: impl Fn(&str) -> Option<String>,
) -> Option<(String, Vec<&'static str>)> {
    let toolchains = says("rustup toolchain list")?;
    let names = toolchains.lines().filter_map(|line| line.split(' ').next());
    let mut names = names.filter(|name| name.starts_with("nightly"));
    let name = names.clone().find(|name| *name == preferred).or_else(|| names.next())?;
    let components = says(&format!("rustup component list --toolchain {name} --installed"))?;
    // Listed with the triple, and without `-preview`.
    let start = CRANELIFT.trim_end_matches("-preview");
    let has = components.lines().any(|line| line.starts_with(start));
    Some((name.to_owned(), if has { vec![CRANELIFT] } else { Vec::new() }))
}

fn data_dir(env: &Environment) -> PathBuf {
    let named = env.get("XDG_DATA_HOME").map(PathBuf::from).filter(|dir| dir.is_absolute());
    named.unwrap_or_else(|| std::env::home_dir().unwrap_or_default().join(".local/share"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_read_from_what_managers_answer() {
        let dnf = MANAGERS[1];
        for (manager, answer, expected) in [
            (
                APT,
                "mold:\n  Installed: (none)\n  Candidate: 1.10.1+dfsg-1\n  Version table:\n     1.10.1+dfsg-1 500\n",
                Some(Some(Version(1, 10, 1))),
            ),
            (APT, "x:\n  Candidate: (none)\n", Some(None)),
            (APT, "", Some(None)),
            (APT, "  Candidate: 1:14.0-55.7~deb12u1\n", Some(Some(Version(14, 0, 0)))),
            (dnf, "Name         : mold\nVersion      : 2.30.0\n", Some(Some(Version(2, 30, 0)))),
            (dnf, "nothing", None),
        ] {
            assert_eq!(offer(manager, answer), expected, "{answer}");
        }
    }
}

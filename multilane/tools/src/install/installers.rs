//! What this machine has to install tools with, and which tools it has: each program is asked, all
//! at once and none for long, since one that has the right name may be broken, hang or be something
//! else.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::process::{Answer, Asker};
use multilane::environment::Environment;
use multilane::project::root::Repo;
use multilane::project::toolchain::Version;

use crate::install::plan::table::{CRANELIFT, TOOLS};
use crate::install::plan::{Machine, Manager, Reply, Route, Tool};

const LIMIT: Duration = Duration::from_secs(5);

pub(crate) fn read(asker: &Asker<'_>, env: &Environment, repo: &Repo, rustc: &str) -> Machine {
    let dir = repo.start.as_path();
    let has = |program: &str| env.find_program(program).is_some();
    let managers: Vec<Manager> =
        Manager::ALL.into_iter().filter(|manager| has(manager.program())).collect();
    // Of these, one that is slow is still right.
    let says = |words: &[&str]| {
        let answer = asker.ask(words[0], &words[1..], dir, 6 * LIMIT).ok()?;
        answer.success.then_some(answer.stdout)
    };

    std::thread::scope(|scope| {
        let answers: Vec<_> = TOOLS
            .iter()
            .map(|tool| (tool.name, scope.spawn(|| reply(asker, env, tool, dir))))
            .collect();
        let offers: Vec<_> = questions(&managers)
            .map(|(manager, package, words)| {
                let asked =
                    scope.spawn(move || offer(manager, &says(&[words, &[package]].concat())?));
                ((manager, package), asked)
            })
            .collect();
        let is_root = scope.spawn(|| says(&["id", "-u"]).is_some_and(|id| id.trim() == "0"));
        let has_pip = scope
            .spawn(|| has("python3") && says(&["python3", "-m", "pip", "--version"]).is_some());
        let sysroot = scope.spawn(|| says(&["rustc", "--print", "sysroot"]).unwrap_or_default());
        let stable = scope.spawn(|| {
            let has_stable = has("rustup")
                && says(&["rustup", "which", "--toolchain", "stable", "rustc"]).is_some();
            Version::first_in(&says(&[
                "rustc",
                if has_stable { "+stable" } else { "--version" },
                "--version",
            ])?)
        });
        let nightly = scope.spawn(|| nightly(|words| says(words)));

        let host = rustc.lines().find_map(|line| line.strip_prefix("host: ")).unwrap_or_default();
        let own = rustc.lines().find_map(|line| Version::first_in(line.strip_prefix("release: ")?));
        let joined_stable =
            stable.join().ok().flatten().map(|version| (Some("stable".to_owned()), version));
        let sysroot = sysroot.join().unwrap_or_default();
        let tools = Path::new(sysroot.trim()).join("lib/rustlib").join(host).join("bin");
        let offers = offers.into_iter().filter_map(|(key, asked)| Some((key, asked.join().ok()??)));
        let answers =
            answers.into_iter().filter_map(|(name, asked)| Some((name, asked.join().ok()??)));
        Machine {
            is_linux: cfg!(target_os = "linux"),
            offers: offers.collect(),
            lacks_apt_lists: managers.contains(&Manager::Apt) && lacks_apt_lists(),
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
                .chain(joined_stable)
                .collect(),
            // Whoever does not say where its parts are is not said to lack one.
            has_rust_lld: sysroot.trim().is_empty() || tools.join("rust-lld").is_file(),
            nightly: nightly.join().ok().flatten(),
            answers: answers.collect(),
            managers,
        }
    })
}

/// What a tool says of itself now; `None` where no program has its name.
pub(crate) fn reply(
    asker: &Asker<'_>,
    env: &Environment,
    tool: &Tool,
    dir: &Path,
) -> Option<Reply> {
    let (program, args) = tool.asked?;
    let program = env.find_program(program)?;
    let why = match asker.ask(&program, args, dir, LIMIT) {
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

/// What crates.io and PyPI have now of what we name a version of: the tool, where, ours, the newest
/// that this compiler can compile.
pub(crate) fn newest(
    asker: &Asker<'_>,
    dir: &Path,
) -> Vec<(&'static str, &'static str, &'static str, Option<String>)> {
    const LIMIT: Duration = Duration::from_secs(60);
    let mut found = Vec::new();
    for (tool, route) in
        TOOLS.iter().flat_map(|tool| tool.routes.iter().map(move |route| (tool, route)))
    {
        let (place, version, words) = match *route {
            Route::Crate { name, version, .. } => {
                ("crates.io", version, vec!["cargo", "info", "--quiet", name])
            }
            Route::Wheel { package, version } => {
                ("PyPI", version, vec!["python3", "-m", "pip", "index", "versions", package])
            }
            _ => continue,
        };
        let answer = asker.ask(words[0], &words[1..], dir, LIMIT).ok();
        let answer = answer.filter(|answer| answer.success);
        // `version: 0.10.0 (latest 0.11.0)`; `sccache (0.16.0)`
        let newest = answer.and_then(|answer| {
            let mut lines = answer.stdout.lines();
            let line = match place {
                "PyPI" => lines.next(),
                _ => lines.find(|line| line.starts_with("version:")),
            };
            Some(Version::first_in(line?)?.to_string())
        });
        found.push((tool.name, place, version, newest));
    }
    found
}

/// For each package that a manager may have: how it is asked for.
fn questions(
    managers: &[Manager],
) -> impl Iterator<Item = (Manager, &'static str, &'static [&'static str])> {
    let routes = TOOLS.iter().flat_map(|tool| tool.routes);
    routes.filter_map(move |route| match *route {
        Route::Package(manager, package) if managers.contains(&manager) => {
            Some((manager, package, manager.question()?))
        }
        _ => None,
    })
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
        // apt says nothing of what it does not know; the others fail.
        None => (manager == Manager::Apt).then_some(None),
    }
}

fn lacks_apt_lists() -> bool {
    let lists = std::fs::read_dir("/var/lib/apt/lists").into_iter().flatten().flatten();
    !lists.into_iter().any(|entry| entry.file_name().to_string_lossy().contains("_Packages"))
}

fn nightly(says: impl Fn(&[&str]) -> Option<String>) -> Option<(String, Vec<&'static str>)> {
    let toolchains = says(&["rustup", "toolchain", "list"])?;
    let name = toolchains.lines().find(|line| line.starts_with("nightly"))?.split(' ').next()?;
    let components = says(&["rustup", "component", "list", "--toolchain", name, "--installed"])?;
    // There it stands without `-preview`, and with the triple.
    let has =
        components.lines().any(|line| line.starts_with(CRANELIFT.trim_end_matches("-preview")));
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
    fn what_managers_answer() {
        let apt = "mold:\n  Installed: (none)\n  Candidate: 1.10.1+dfsg-1\n  Version table:\n     1.10.1+dfsg-1 500\n";
        assert_eq!(offer(Manager::Apt, apt), Some(Some(Version(1, 10, 1))));
        assert_eq!(offer(Manager::Apt, "x:\n  Candidate: (none)\n"), Some(None));
        assert_eq!(offer(Manager::Apt, ""), Some(None));
        assert_eq!(
            offer(Manager::Apt, "  Candidate: 1:14.0-55.7~deb12u1\n"),
            Some(Some(Version(14, 0, 0)))
        );
        let pacman =
            "Repository      : extra\nName            : mold\nVersion         : 2.40.4-1\n";
        assert_eq!(offer(Manager::Pacman, pacman), Some(Some(Version(2, 40, 4))));
        assert_eq!(
            offer(Manager::Dnf, "Name         : mold\nVersion      : 2.30.0\n"),
            Some(Some(Version(2, 30, 0)))
        );
        assert_eq!(offer(Manager::Dnf, "nothing"), None);
    }
}

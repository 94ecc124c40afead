//! Cranelift for the edit loop, where the project asks for it and the compiler can.

use anyhow::bail;

use super::run::Options;
use multilane_engine::cargo_line::CargoLine;
use multilane_engine::files;
use multilane_engine::project::cranelift::{self, FILE, PROFILE, Request};
use multilane_engine::project::{Project, toolchain};

/// Has a build of the `dev` profile made with that of Cranelift instead. Nothing is asked where the
/// project says nothing.
pub(super) fn choose_backend(
    project: &Project,
    options: &Options,
    line: CargoLine,
) -> anyhow::Result<CargoLine> {
    let settings = match &project.repo.settings.cranelift {
        None => return Ok(line),
        Some(Ok(settings)) => settings,
        Some(Err(why)) => bail!("{why}\nhelp: llvm = [\"ring\"]"),
    };
    let (env, repo, config) = (&project.session.env, &project.repo, &project.config);
    let Ok(rustc) = toolchain::rustc(&project.sh, env, repo, config, None) else {
        return Ok(line); // cargo will say what is wrong with it.
    };
    let named = line.selection().targets;
    let request = Request {
        settings: Some(settings),
        has_profile: line.chooses_profile(),
        targets: if named.is_empty() { &config.targets } else { &named },
        has_component: rustc.has_cranelift(),
        toolchain: &rustc.version,
    };
    if !cranelift::is_chosen(&request) {
        return Ok(line);
    }

    let file = repo.root.join(FILE);
    if !options.dry_run {
        match files::provide(&file, &cranelift::config(settings)) {
            Ok(false) => {}
            Ok(true) => project.session.ui.quiet(options.quiet).status(
                "Wrote",
                format_args!("{FILE}: the profile `{PROFILE}`, for all builders of this tree"),
            ),
            Err(err) => {
                project
                    .session
                    .ui
                    .warn(format_args!("cannot write {FILE}: {err}; building with LLVM"));
                return Ok(line);
            }
        }
    }
    let line = line.with(["--profile", PROFILE]);
    Ok(if config.includes.contains(&file) {
        line
    } else {
        line.with(["--config".into(), file.into_os_string()])
    })
}

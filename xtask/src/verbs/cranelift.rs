//! Cranelift for the edit loop, where the project asks for it and the compiler can.

use anyhow::bail;

use crate::effects::disk;
use crate::facts::tools;
use crate::flags::cargo::CargoFlags;
use crate::plan::cranelift::{self, Backend, FILE, PROFILE, Request};
use crate::verbs::session::Workspace;

impl Workspace {
    /// Has a build of the `dev` profile made with that of Cranelift instead. Nothing is asked where the project says nothing.
    pub(crate) fn choose_backend(&self, cargo: &mut CargoFlags) -> anyhow::Result<()> {
        let settings = match &self.repo.settings.cranelift {
            None => return Ok(()),
            Some(Ok(settings)) => settings,
            Some(Err(why)) => bail!("{why}\nhelp: llvm = [\"ring\"]"),
        };
        let (env, repo, config) = (&self.session.env, &self.repo, &self.config);
        let Ok(rustc) = tools::rustc(&self.sh, env, repo, config, None) else {
            return Ok(()); // cargo will say what is wrong with it.
        };
        let targets =
            if cargo.compilation.target.is_empty() { &config.targets } else { &cargo.compilation.target };
        let request = Request {
            settings: Some(settings),
            has_profile: cargo.compilation.how.is_chosen(),
            targets,
            has_component: tools::has_cranelift(&rustc.sysroot, tools::host_triple(&rustc.version)),
            toolchain: &rustc.version,
        };
        if cranelift::backend(&request) != Backend::Cranelift {
            return Ok(());
        }

        let file = repo.root.join(FILE);
        if !cargo.own.dry_run {
            match disk::provide(&file, &cranelift::config(settings)) {
                Ok(false) => {}
                Ok(true) => self.session.ui.quiet(cargo.own.quiet).status(
                    "Wrote",
                    format_args!(
                        "{FILE}: the profile `{PROFILE}`, for all builders of this tree (docs/cranelift.md)"
                    ),
                ),
                Err(err) => {
                    self.session.ui.warn(format_args!("cannot write {FILE}: {err}; building with LLVM"));
                    return Ok(());
                }
            }
        }
        cargo.compilation.how.profile = Some(PROFILE.to_owned());
        if !config.includes.contains(&file) {
            cargo.manifest.config.push(file.into());
        }
        Ok(())
    }
}

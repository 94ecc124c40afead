//! Has the compiler write the code that LLVM is given.

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::bail;
use multilane_engine::lanes::in_lane;
use multilane_engine::project::Project;

use super::metadata::Metadata;
use super::mono::Emitted;
use super::{Gathering, OF_FEATURES, OF_MANIFEST, OF_PROFILE};

/// The most programs and libraries that are compiled for one answer.
const TARGETS_MAX: usize = 4;

impl Gathering<'_> {
    /// Compiles the selected programs and libraries once more. With another number of codegen units
    /// each is another unit to cargo, so the units that were measured stay.
    pub(super) fn emit(&self, metadata: &Metadata) -> anyhow::Result<Vec<Emitted>> {
        let Gathering { line, project, .. } = self;
        let named = line.value("--profile").map(|name| name.to_string_lossy().into_owned());
        let default = if line.chooses_profile() { "release" } else { "dev" };
        let profile = named.unwrap_or_else(|| default.to_owned());
        let lists_items = self.lists_items();
        let mut emitted = Vec::new();
        for (package, kind, name) in targets(metadata, &line.packages()) {
            if emitted.len() == TARGETS_MAX {
                self.ui.warn(format_args!(
                    "only the first {TARGETS_MAX} programs and libraries are compiled for `mono`; \
                     --package selects others"
                ));
                break;
            }
            let path = self.dir.join(format!("mono-{}.ll", emitted.len()));
            let mut args = self.flags.only(&[OF_FEATURES, OF_PROFILE, OF_MANIFEST]);
            args.extend(["--package".into(), package.clone().into(), format!("--{kind}").into()]);
            args.extend((kind == "bin").then(|| name.clone().into()));
            let units = format!("profile.{profile}.package.{package}.codegen-units=1");
            args.extend(["--config".into(), units.into()]);
            let of_file = |option: &str, path: &PathBuf| {
                let mut option = OsString::from(option);
                option.push(path);
                option
            };
            let passes = ["-Cno-prepopulate-passes", "-Cpasses=name-anon-globals"];
            let mut rest = vec![of_file("--emit=llvm-ir=", &path)];
            rest.extend(passes.map(OsString::from));
            let lists = lists_items.then(|| path.with_extension("items"));
            if let Some(dir) = &lists {
                rest.push(of_file("-Zdump-mono-stats=", dir));
                rest.push("-Zdump-mono-stats-format=json".into());
            }
            self.ui.status("Compiling", format_args!("{package} ({kind} {name}) for `mono`"));
            let step = in_lane::step(&["rustc"], self.lane, args).counted().rest(rest);
            if !project.sh.run(&step, &[])?.status.success() {
                bail!("`{step}` failed");
            }
            let file = format!("{}.mono_items.json", name.replace('-', "_"));
            let items = lists.map(|dir| dir.join(file));
            emitted.push(Emitted { package, kind, name, path, items });
        }
        Ok(emitted)
    }

    /// Whether the compiler lists what it instantiates: a nightly does, as long as it has the
    /// option.
    fn lists_items(&self) -> bool {
        let Project { config, sh, repo, .. } = self.project;
        let rustc = config.rustc.clone().unwrap_or_else(|| PathBuf::from("rustc"));
        self.toolchain.contains("-nightly")
            && sh
                .read(&rustc, ["-Zhelp"], &repo.start)
                .is_ok_and(|said| String::from_utf8_lossy(&said).contains("dump-mono-stats-format"))
    }
}

/// Package, kind and name of the programs and libraries of the default members, or of the packages
/// that were named.
fn targets(metadata: &Metadata, named: &[String]) -> Vec<(String, &'static str, String)> {
    let mut found = Vec::new();
    for package in metadata.members() {
        let is_selected = match named {
            [] => package.is_default_member,
            named => named.contains(&package.name),
        };
        for target in package.targets.iter().filter(|_| is_selected) {
            let kind = if target.is("bin") { "bin" } else { "lib" };
            if ["bin", "lib", "rlib"].iter().any(|known| target.is(known)) {
                found.push((package.name.clone(), kind, target.name.clone()));
            }
        }
    }
    // A program has the instantiations of all its libraries.
    found.sort_by_key(|(_, kind, _)| *kind != "bin");
    found
}

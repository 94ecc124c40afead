//! Whether a build for the edit loop is made by Cranelift instead of LLVM, and how cargo is told.
//!
//! By a profile of its own, in a file that every builder of the tree reads: `[profile.cranelift]`
//! in `.cargo/cranelift.toml`. cargo asks for the unstable feature only when the profile is used,
//! so a stable cargo reads the file and minds nothing; with `profile.dev.codegen-backend` in it, it
//! would refuse every command. And plain cargo, with `--profile cranelift`, makes the same units.
//! docs/cranelift.md has what was tried.
//!
//! Only for `build-dev` and `run`: what is only checked has no code; tests have to unwind, which
//! Cranelift cannot on macOS and Windows; a release is worth LLVM's time.

use toml_edit::{Item, Value};

/// `[workspace.metadata.multilane.cranelift]`: being there, it asks for it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    /// `llvm`: the packages that Cranelift cannot build.
    pub llvm: Vec<String>,
}

impl Settings {
    /// # Errors
    ///
    /// When it is something else: a package that was meant for LLVM would be built by Cranelift.
    pub fn read(item: &Item) -> Result<Settings, String> {
        const FORM: &str = "[workspace.metadata.multilane.cranelift] is a table, and all it may have is `llvm`, a list of packages";
        let table = item.as_table_like().ok_or(FORM)?;
        if table.iter().any(|(key, _)| key != "llvm") {
            return Err(FORM.to_owned());
        }
        let Some(llvm) = table.get("llvm") else { return Ok(Settings::default()) };
        let names =
            llvm.as_array().ok_or(FORM)?.iter().map(|name| name.as_str().map(str::to_owned));
        Ok(Settings { llvm: names.collect::<Option<_>>().ok_or(FORM)? })
    }
}

/// The profile's name, and that of its directory in a lane.
pub const PROFILE: &str = "cranelift";

/// Relative to the workspace.
pub const FILE: &str = ".cargo/cranelift.toml";

/// What decides.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    pub settings: Option<&'a Settings>,
    /// Whether the command line chooses a profile.
    pub has_profile: bool,
    /// The triples that are built for, without the host being named.
    pub targets: &'a [String],
    /// `rustc -vV`
    pub toolchain: &'a str,
    /// Whether `rustc-codegen-cranelift-preview` is installed for it.
    pub has_component: bool,
}

/// Whether Cranelift builds it. Its component is for the host alone.
pub fn is_chosen(request: &Request<'_>) -> bool {
    let host = request.toolchain.lines().find_map(|line| line.strip_prefix("host: "));
    request.settings.is_some()
        && !request.has_profile
        && request.targets.iter().all(|target| Some(target.as_str()) == host)
        && is_nightly(request.toolchain)
        && request.has_component
}

/// Also one that somebody has built: `-dev`.
pub fn is_nightly(toolchain: &str) -> bool {
    let release =
        toolchain.lines().find_map(|line| line.strip_prefix("release: ")).unwrap_or_default();
    release.ends_with("-nightly") || release.ends_with("-dev")
}

/// The file. Build scripts and proc-macros stay with LLVM: rustc runs them, and a macro that panics
/// has to unwind.
pub fn config(settings: &Settings) -> String {
    let mut text = "# Written by cargo xtask, as [workspace.metadata.multilane.cranelift] in Cargo.toml says.\n\
        # cargo needs a nightly for it only where the profile is used.\n\
        [unstable]\ncodegen-backend = true\n\n\
        [profile.cranelift]\ninherits = \"dev\"\ncodegen-backend = \"cranelift\"\n\n\
        [profile.cranelift.build-override]\ncodegen-backend = \"llvm\"\n"
        .to_owned();
    for package in &settings.llvm {
        let name = Value::from(package.as_str()).to_string();
        text.push_str(&format!(
            "\n[profile.cranelift.package.{name}]\ncodegen-backend = \"llvm\"\n"
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    const NIGHTLY: &str = "rustc 1.97.0-nightly (x 2026-05-14)\nhost: x86_64-unknown-linux-gnu\nrelease: 1.97.0-nightly\n";

    #[test]
    fn everything_has_to_be_there() {
        let settings = Settings::default();
        let host = ["x86_64-unknown-linux-gnu".to_owned()];
        let other = ["wasm32-unknown-unknown".to_owned()];
        let all = Request {
            settings: Some(&settings),
            has_profile: false,
            targets: &[],
            toolchain: NIGHTLY,
            has_component: true,
        };
        let stable = NIGHTLY.replace("-nightly", "");
        let dev = NIGHTLY.replace("-nightly", "-dev");
        assert!(is_chosen(&all));
        assert!(is_chosen(&Request { targets: &host, ..all.clone() }));
        assert!(is_chosen(&Request { toolchain: &dev, ..all.clone() }));
        for request in [
            Request { settings: None, ..all.clone() },
            Request { has_profile: true, ..all.clone() },
            Request { targets: &other, ..all.clone() },
            Request { toolchain: &stable, ..all.clone() },
            Request { has_component: false, ..all.clone() },
        ] {
            assert!(!is_chosen(&request), "{request:?}");
        }
    }

    #[test]
    fn a_table_that_is_not_understood_is_refused() {
        let read = |text: &str| {
            let document: toml_edit::DocumentMut = text.parse().expect("TOML");
            Settings::read(&document["cranelift"])
        };
        assert_eq!(read("[cranelift]"), Ok(Settings::default()));
        assert_eq!(
            read("cranelift.llvm = [\"ring\"]"),
            Ok(Settings { llvm: vec!["ring".to_owned()] })
        );
        for wrong in [
            "cranelift = true",
            "cranelift.llvm = \"ring\"",
            "cranelift.llvm = [1]",
            "cranelift.lvm = []",
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_file_names_each_package_that_llvm_builds() {
        let settings = Settings { llvm: vec!["ring".to_owned(), "odd\"name".to_owned()] };
        let text = config(&settings);
        let document: toml_edit::DocumentMut = text.parse().expect("TOML");
        let packages = &document["profile"]["cranelift"]["package"];
        assert_eq!(packages["ring"]["codegen-backend"].as_str(), Some("llvm"));
        assert_eq!(packages["odd\"name"]["codegen-backend"].as_str(), Some("llvm"));
        expect![[r#"
            # Written by cargo xtask, as [workspace.metadata.multilane.cranelift] in Cargo.toml says.
            # cargo needs a nightly for it only where the profile is used.
            [unstable]
            codegen-backend = true

            [profile.cranelift]
            inherits = "dev"
            codegen-backend = "cranelift"

            [profile.cranelift.build-override]
            codegen-backend = "llvm"
        "#]]
        .assert_eq(&config(&Settings::default()));
    }
}

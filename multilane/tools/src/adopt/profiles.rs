//! Profiles that are offered: what each gains, and what is written for it.

use clap::ValueEnum;
use toml_edit::{DocumentMut, Item, Table, TableLike};

/// Each with what it gains, which `--help` and the question say.
#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
pub(crate) enum Profile {
    /// Line numbers alone: a third less to write
    Lines,
    /// Dependencies without debug information: less disk
    Dependencies,
    /// Build scripts and macros without debug information
    BuildScripts,
    /// Incremental also where CI is set, as agents do
    Incremental,
    /// Thin LTO, one codegen unit: faster, built slower
    Release,
    /// New: all that a debugger wants, when it is needed
    Debugging,
    /// New: release with line numbers, for perf, samply
    Profiling,
}

impl Profile {
    fn toml(self) -> &'static str {
        match self {
            Profile::Lines => "[profile.dev]\ndebug = \"line-tables-only\"\n",
            Profile::Dependencies => "[profile.dev.package.\"*\"]\ndebug = false\n",
            Profile::BuildScripts => "[profile.dev.build-override]\ndebug = false\n",
            Profile::Incremental => "[profile.dev]\nincremental = true\n",
            Profile::Release => {
                "[profile.release]\nlto = \"thin\"\ncodegen-units = 1\nstrip = \"symbols\"\n"
            }
            Profile::Debugging => {
                "[profile.debugging]\ninherits = \"dev\"\ndebug = \"full\"\n\n\
                 [profile.debugging.package.\"*\"]\ndebug = \"full\"\n"
            }
            Profile::Profiling => {
                "[profile.profiling]\ninherits = \"release\"\ndebug = \"line-tables-only\"\n\
                 strip = \"none\"\n"
            }
        }
    }

    fn document(self) -> DocumentMut {
        self.toml().parse().expect("it is ours")
    }

    /// Whether the manifest says nothing of what it sets: what a project has chosen stays.
    pub(crate) fn is_open(self, manifest: &DocumentMut) -> bool {
        fn says(table: &dyn TableLike, of: &Table) -> bool {
            of.iter().any(|(key, value)| match (table.get(key), value.as_table()) {
                (Some(there), Some(below)) => {
                    there.as_table_like().is_none_or(|there| says(there, below))
                }
                (there, _) => there.is_some(),
            })
        }
        !says(manifest.as_table(), self.document().as_table())
    }

    pub(crate) fn add_to(self, manifest: &mut DocumentMut) {
        fn add(table: &mut dyn TableLike, from: &Table) {
            for (key, value) in from {
                match (table.get_mut(key).and_then(Item::as_table_like_mut), value.as_table()) {
                    (Some(there), Some(below)) => add(there, below),
                    (_, Some(below)) => {
                        let mut new = Table::new();
                        new.set_implicit(below.is_implicit());
                        add(&mut new, below);
                        table.insert(key, Item::Table(new));
                    }
                    _ => drop(table.insert(key, value.clone())),
                }
            }
        }
        add(manifest.as_table_mut(), self.document().as_table());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_manifest_says_is_not_offered() {
        let open = |manifest: &str| {
            let manifest = manifest.parse().expect("TOML");
            let open =
                Profile::value_variants().iter().filter(|profile| profile.is_open(&manifest));
            open.map(|profile| format!("{profile:?}")).collect::<Vec<_>>().join(" ")
        };
        let all = "Lines Dependencies BuildScripts Incremental Release Debugging Profiling";
        assert_eq!(open(""), all);
        assert_eq!(open("[profile.dev]\nopt-level = 1\n"), all);
        assert_eq!(open("[profile]\ndev.debug = 0\n"), all.replace("Lines ", ""));
        assert_eq!(open("[profile.release]\nlto = true\n"), all.replace("Release ", ""));
        let dependencies = "profile = { dev = { package = { \"*\" = { debug = 1 } } } }";
        assert_eq!(open(dependencies), all.replace("Dependencies ", ""));
    }

    #[test]
    fn all_of_them_beside_what_exists() {
        let old = "[profile.dev]\nopt-level = 1 # Ours.\n\n[dependencies]\n";
        let mut manifest: DocumentMut = old.parse().expect("TOML");
        for profile in Profile::value_variants() {
            profile.add_to(&mut manifest);
            assert!(!profile.is_open(&manifest), "{profile:?}");
        }
        expect_test::expect![[r#"
            [profile.dev]
            opt-level = 1 # Ours.
            debug = "line-tables-only"
            incremental = true

            [profile.dev.package."*"]
            debug = false

            [profile.dev.build-override]
            debug = false

            [profile.release]
            lto = "thin"
            codegen-units = 1
            strip = "symbols"

            [profile.debugging]
            inherits = "dev"
            debug = "full"

            [profile.debugging.package."*"]
            debug = "full"

            [profile.profiling]
            inherits = "release"
            debug = "line-tables-only"
            strip = "none"

            [dependencies]
        "#]]
        .assert_eq(&manifest.to_string());
    }
}

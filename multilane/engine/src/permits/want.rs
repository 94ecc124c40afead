//! What a compiler or a test needs, from its command line.

use std::ffi::{OsStr, OsString};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

/// What is about to be started.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Want {
    /// A compiler that writes metadata alone, as for `cargo check` and an IDE.
    Check,
    Compile,
    /// A compiler that links in the end. The number stands for its unit, in whichever tree.
    Link {
        unit: u64,
    },
    /// A test or a benchmark.
    Test,
    /// Nothing that takes long, such as a question of cargo's to rustc.
    Nothing,
}

impl Want {
    /// `args` is what follows the compiler's name, `package` what cargo compiles for.
    pub fn of_compiler(package: Option<&OsStr>, args: &[OsString]) -> Want {
        let mut hasher = DefaultHasher::new();
        package.hash(&mut hasher); // Many have a `main` or a `build_script_build`.
        let (mut emits, mut is_linked, mut previous) = ("", false, "");
        for arg in args.iter().filter_map(|arg| arg.to_str()) {
            match previous {
                "--emit" => emits = arg,
                "--crate-type" => {
                    is_linked |= ["bin", "proc-macro", "dylib", "cdylib"].contains(&arg);
                    arg.hash(&mut hasher);
                }
                "--crate-name" => arg.hash(&mut hasher),
                "-C" if CODE.iter().any(|option| arg.starts_with(option)) => arg.hash(&mut hasher),
                _ => {}
            }
            emits = arg.strip_prefix("--emit=").unwrap_or(emits);
            is_linked |= arg == "--test";
            previous = arg;
        }
        match emits {
            "" => Want::Nothing,
            _ if !emits.contains("link") => Want::Check,
            _ if is_linked => Want::Link { unit: hasher.finish() },
            _ => Want::Compile,
        }
    }

    /// What a target runner starts: tests and benchmarks lie among the dependencies, programs that
    /// `cargo run` starts do not.
    pub fn of_program(program: &OsString) -> Want {
        let path = std::path::Path::new(program);
        let mut above = path.ancestors().skip(1).filter_map(|dir| dir.file_name());
        let is_test = above.next().is_some_and(|dir| dir == "deps" || dir == "out");
        if is_test { Want::Test } else { Want::Nothing }
    }
}

/// What changes how much there is to link.
const CODE: [&str; 5] = ["opt-level=", "debuginfo=", "lto", "codegen-units=", "strip="];

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> Want {
        let args: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        Want::of_compiler(None, &args)
    }

    #[test]
    fn what_is_written_says_what_is_needed() {
        assert_eq!(of("-vV"), Want::Nothing);
        assert_eq!(of("- --crate-name ___ --print=file-names --crate-type bin"), Want::Nothing);
        assert_eq!(of("--crate-name a --crate-type bin --emit=dep-info,metadata"), Want::Check);
        assert_eq!(of("--test --emit=dep-info,metadata"), Want::Check);
        assert_eq!(of("--crate-type lib --emit=dep-info,metadata,link"), Want::Compile);
        let link = |name| of(&format!("--crate-name {name} --crate-type bin --emit=dep-info,link"));
        assert!(matches!(link("a"), Want::Link { .. }) && link("a") == link("a"));
        assert_ne!(link("a"), link("b"));
        assert!(matches!(of("--crate-name a --emit=dep-info,link --test"), Want::Link { .. }));
    }

    #[test]
    fn a_program_that_runs_for_long_takes_no_permit() {
        assert_eq!(Want::of_program(&"/t/debug/deps/app-0123".into()), Want::Test);
        assert_eq!(Want::of_program(&"/t/debug/app".into()), Want::Nothing);
        assert_eq!(Want::of_program(&"/t/debug/examples/deps".into()), Want::Nothing);
    }
}

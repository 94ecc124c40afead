//! What `rustflags`, and flags that build scripts print, have rustc and the linker read besides the
//! crates.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Paths as they are written. What is not known to read nothing is one, too: then it is relative,
/// and so one of the tree.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LinkArgs {
    /// For a program.
    pub programs: BTreeSet<PathBuf>,
    /// For every crate: into a library, rustc itself puts what it finds by `-L`.
    pub crates: BTreeSet<PathBuf>,
}

impl LinkArgs {
    pub fn read<'a>(flags: impl IntoIterator<Item = &'a str>) -> LinkArgs {
        const OF_VALUE: [&str; 13] = [
            "--allow",
            "--cap-lints",
            "--cfg",
            "--check-cfg",
            "--codegen",
            "--deny",
            "--forbid",
            "--remap-path-prefix",
            "--warn",
            "-A",
            "-D",
            "-F",
            "-W",
        ];
        let mut args = LinkArgs::default();
        let mut flags = flags.into_iter();
        while let Some(flag) = flags.next() {
            let is_short = !flag.starts_with("--") && flag.is_char_boundary(2);
            let (option, value) = match flag.split_once('=') {
                _ if is_short && flag.len() > 2 => flag.split_at(2),
                _ if is_short || OF_VALUE.contains(&flag) => {
                    (flag, flags.next().unwrap_or_default())
                }
                Some(parts) => parts,
                None => (flag, ""),
            };
            match option {
                "-C" | "--codegen" => args.add_codegen(value.trim_start()),
                "-L" => {
                    let dir = value.split_once('=').map_or(value, |(_, dir)| dir);
                    args.crates.insert(dir.trim_start().into());
                }
                "-l" | "-O" | "-g" | "-v" => {}
                "-Z" if !is_path(value) && !value.contains("link-arg") => {}
                _ if OF_VALUE.contains(&option) => {}
                "-Z" => drop(args.crates.insert(path_in(value).into())),
                _ => drop(args.crates.insert(if is_path(value) { value } else { flag }.into())),
            }
        }
        args
    }

    fn add_codegen(&mut self, option: &str) {
        // What rustc reads of these, it notes as a source; the others it writes.
        const NOTED: [&str; 3] = ["incremental", "profile-generate", "profile-use"];
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        match name {
            "link-arg" => self.add_link_arg(value),
            "link-args" => value.split(' ').for_each(|arg| self.add_link_arg(arg)),
            "linker" if is_path(value) => drop(self.programs.insert(value.into())),
            _ if is_path(value) && !NOTED.contains(&name) => {
                self.crates.insert(value.into());
            }
            _ => {}
        }
    }

    /// An argument for the linker, or for the compiler that starts it.
    fn add_link_arg(&mut self, arg: &str) {
        const CHOICES: [&str; 3] = ["-fuse-ld=", "--ld-path=", "-z"];
        const SWITCHES: [&str; 7] =
            ["-Wl", "-O", "--", "-static", "-no-pie", "-Bdynamic", "-Bsymbolic"];
        let mut before = "";
        for part in arg.split(',') {
            let starts = |with: &[&str]| with.iter().any(|start| part.starts_with(start));
            let is_harmless = before == "-z"
                || starts(&CHOICES)
                || (starts(&SWITCHES) && !part.contains('='))
                || part.is_empty();
            let path = path_in(part);
            if is_path(part) || !is_harmless {
                self.programs.insert(if is_path(part) { path } else { part }.into());
            }
            before = part;
        }
    }
}

fn is_path(value: &str) -> bool {
    value.contains(['/', '\\', '@'])
}

/// `DIR` in `-LDIR`, `--option=DIR`, `@DIR` and `DIR`.
pub(crate) fn path_in(arg: &str) -> &str {
    let value = arg.split_once('=').map(|(_, value)| value);
    let value = value.or_else(|| arg.strip_prefix('-')?.get(1..)).or(arg.strip_prefix('@'));
    value.unwrap_or(arg)
}

/// Whether a path is one of the system's, which changes with the system alone.
pub(crate) fn is_of_system(path: &Path) -> bool {
    const DIRS: [&str; 10] = [
        "/usr/bin",
        "/usr/lib",
        "/usr/lib32",
        "/usr/lib64",
        "/usr/libexec",
        "/lib",
        "/lib32",
        "/lib64",
        "/nix/store",
        "/System",
    ];
    DIRS.iter().any(|dir| path.starts_with(dir))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(flags: &[&str], programs: &[&str], crates: &[&str]) {
        let set = |paths: &[&str]| paths.iter().map(PathBuf::from).collect();
        let expected = LinkArgs { programs: set(programs), crates: set(crates) };
        assert_eq!(LinkArgs::read(flags.iter().copied()), expected);
    }

    #[test]
    fn what_is_known_to_read_nothing_is_no_path() {
        check(&["-C", "opt-level=3", "-Ctarget-cpu=native", "--codegen", "debuginfo=1"], &[], &[]);
        check(&["--cfg", "a=\"b/c\"", "--cfg=x", "-Dwarnings", "-A", "dead_code", "-O"], &[], &[]);
        check(&["-Zthreads=8", "-Z", "threads=8", "--remap-path-prefix=/a=/b", "-lz"], &[], &[]);
        check(
            &["-Clink-arg=-fuse-ld=mold", "-Clink-args=-no-pie -static", "-Clinker=cc"],
            &[],
            &[],
        );
        check(&["-Clink-arg=-Wl,-O1,-z,now,-z,stack-size=8,--gc-sections"], &[], &[]);
    }

    #[test]
    fn what_names_a_file_is_one() {
        check(&["-L", "native=lib", "-Lother"], &[], &["lib", "other"]);
        check(
            &["-Clink-arg=-Ltools", "-C", "link-args=a.a b/c.a"],
            &["-Ltools", "a.a", "b/c.a"],
            &[],
        );
        check(&["--codegen=link-arg=../x/y.a"], &["../x/y.a"], &[]);
        check(&["-Clink-arg=-Wl,--whole-archive,a/b.a,--no-whole-archive"], &["a/b.a"], &[]);
        check(&["-Clink-arg=-B/x/y", "-Clinker=tools/cc"], &["/x/y", "tools/cc"], &[]);
        check(&["-Clink-arg=-Tlink.x", "-Clink-arg=@args"], &["-Tlink.x", "args"], &[]);
        check(&["-Zcodegen-backend=/x/y.so", "-Zpre-link-args=a"], &[], &["/x/y.so", "a"]);
        check(&["-Clink-arg=-L/a b/c"], &["/a b/c"], &[]);
        check(&["--sysroot", "/x"], &[], &["--sysroot", "/x"]);
    }
}

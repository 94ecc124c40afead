//! `lane env`: what a shell evaluates to work as a command of `lane run` does.

use std::path::Path;
use std::process::ExitCode;

use anyhow::bail;
use multilane::process::step::quoted;
use multilane::project::{Session, shared_program};
use multilane::ui;
use multilane::verbs::agent::{Place, Surroundings, install_shim, surroundings};

use crate::flags;
use crate::flags::lane::Shell;

impl flags::lane::LaneEnv {
    pub(crate) fn run(self, session: Session) -> anyhow::Result<ExitCode> {
        let mut project = session.project(None)?;
        let dialect = match (self.shell, project.session.env.get("SHELL")) {
            (Some(Shell::Sh), _) => Dialect::Sh,
            (Some(Shell::Fish), _) => Dialect::Fish,
            (Some(Shell::Powershell), _) => Dialect::PowerShell,
            (None, None) if cfg!(windows) => Dialect::PowerShell,
            (None, shell) => Dialect::of(shell.map(Path::new)),
        };
        let Some(name) = self.name else {
            ui::data(dialect.leave(&shared_program::common(&project)?.bin()))?;
            return Ok(ExitCode::SUCCESS);
        };

        let (new, worktree, agent) = (self.new, self.worktree, self.agent);
        let place = Place { name, new, worktree, agent };
        let surroundings = surroundings(&mut project, &place)?;
        let bin = install_shim(&project)?;
        if surroundings.dir.to_str().is_none() || bin.to_str().is_none() {
            bail!("{} is not UTF-8, so no shell can be told of it", surroundings.dir.display());
        }
        ui::data(dialect.enter(&surroundings, &bin))?;
        Ok(ExitCode::SUCCESS)
    }
}

/// A shell, by how it is spoken to.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Dialect {
    Sh,
    Fish,
    PowerShell,
}

impl Dialect {
    /// Which one `$SHELL` names: whatever it may be called and is neither fish nor PowerShell reads
    /// sh.
    fn of(shell: Option<&Path>) -> Dialect {
        let name = shell
            .and_then(Path::file_stem)
            .unwrap_or_default()
            .to_string_lossy()
            .to_ascii_lowercase();
        match name.as_str() {
            "fish" => Dialect::Fish,
            "pwsh" | "powershell" => Dialect::PowerShell,
            _ => Dialect::Sh,
        }
    }

    /// What a shell evaluates to work in `surroundings`, with the shim in `bin`. Twice is no harm.
    fn enter(self, surroundings: &Surroundings, bin: &Path) -> String {
        let mut lines = vec![self.prepend(bin)];
        for (name, value) in surroundings.variables() {
            lines.push(match value {
                Some(value) => self.set(name, value),
                None => self.unset(name),
            });
        }
        lines.push(self.change_dir(&surroundings.dir));
        lines.join("\n")
    }

    /// The way back, but for the directory.
    fn leave(self, bin: &Path) -> String {
        [self.remove(bin), self.unset("AGENT_ID")].join("\n")
    }

    fn set(self, name: &str, value: &str) -> String {
        let value = self.quoted(value);
        match self {
            Dialect::Sh => format!("export {name}={value}"),
            Dialect::Fish => format!("set --global --export {name} {value}"),
            Dialect::PowerShell => format!("$env:{name} = {value}"),
        }
    }

    fn unset(self, name: &str) -> String {
        match self {
            Dialect::Sh => format!("unset {name}"),
            Dialect::Fish => format!("set --erase {name}"),
            Dialect::PowerShell => {
                format!("Remove-Item -LiteralPath Env:{name} -ErrorAction SilentlyContinue")
            }
        }
    }

    fn change_dir(self, dir: &Path) -> String {
        let dir = self.quoted(&dir.to_string_lossy());
        match self {
            Dialect::Sh | Dialect::Fish => format!("cd -- {dir}"),
            Dialect::PowerShell => format!("Set-Location -LiteralPath {dir}"),
        }
    }

    /// The shell's own `PATH` is changed, and not replaced by ours, to which rustup and cargo have
    /// added.
    fn prepend(self, bin: &Path) -> String {
        let dir = self.quoted(&bin.to_string_lossy());
        match self {
            Dialect::Sh => format!("{}\nexport PATH={dir}:\"$PATH\"", self.remove(bin)),
            Dialect::Fish => {
                format!("{}\nset --global --export PATH {dir} $PATH", self.remove(bin))
            }
            Dialect::PowerShell => {
                format!(
                    "{}\n$env:PATH = {dir} + [IO.Path]::PathSeparator + $env:PATH",
                    self.remove(bin)
                )
            }
        }
    }

    fn remove(self, bin: &Path) -> String {
        let dir = self.quoted(&bin.to_string_lossy());
        match self {
            // With a colon at both ends every entry has one on each side. Assignments split no
            // words.
            Dialect::Sh => format!(
                "PATH=:$PATH:\n\
                 while case $PATH in *:{dir}:*) ;; *) false ;; esac; do \
                 PATH=${{PATH%%:{dir}:*}}:${{PATH#*:{dir}:}}; done\n\
                 PATH=${{PATH#:}}; PATH=${{PATH%:}}; export PATH"
            ),
            Dialect::Fish => {
                format!(
                    "while set --local at (contains --index -- {dir} $PATH); set --erase PATH[$at]; end"
                )
            }
            Dialect::PowerShell => format!(
                "$env:PATH = @($env:PATH -split [IO.Path]::PathSeparator | Where-Object {{ $_ -cne {dir} }}) \
                 -join [IO.Path]::PathSeparator"
            ),
        }
    }

    fn quoted(self, word: &str) -> String {
        match self {
            Dialect::Sh => quoted(word.as_ref()),
            Dialect::Fish => format!("'{}'", word.replace('\\', r"\\").replace('\'', r"\'")),
            // PowerShell takes typographic quotes for quotes.
            Dialect::PowerShell => {
                let is_quote = |c: char| matches!(c, '\'' | '\u{2018}'..='\u{201b}');
                let doubled: String = word
                    .chars()
                    .flat_map(|c| std::iter::repeat_n(c, if is_quote(c) { 2 } else { 1 }))
                    .collect();
                format!("'{doubled}'")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn the_shell_is_the_one_that_is_named() {
        let of = |shell: &str| Dialect::of(Some(Path::new(shell)));
        assert_eq!(of("/usr/bin/fish"), Dialect::Fish);
        assert_eq!(of("/opt/pwsh"), Dialect::PowerShell);
        assert_eq!(of("/bin/zsh"), Dialect::Sh);
        assert_eq!(Dialect::of(None), Dialect::Sh);
    }

    /// sh and fish are held to what they do by the tests that start them; PowerShell is seldom
    /// there.
    #[test]
    fn powershell() {
        let fix = Surroundings { dir: "/w/it’s 'it'".into(), agent: Some("a".to_owned()) };
        expect![[r#"
            $env:PATH = @($env:PATH -split [IO.Path]::PathSeparator | Where-Object { $_ -cne '/w/it’’s ''it''/bin' }) -join [IO.Path]::PathSeparator
            $env:PATH = '/w/it’’s ''it''/bin' + [IO.Path]::PathSeparator + $env:PATH
            $env:AGENT_ID = 'a'
            Remove-Item -LiteralPath Env:CARGO_TARGET_DIR -ErrorAction SilentlyContinue
            Remove-Item -LiteralPath Env:CARGO_BUILD_TARGET_DIR -ErrorAction SilentlyContinue
            Set-Location -LiteralPath '/w/it’’s ''it'''"#]]
        .assert_eq(&Dialect::PowerShell.enter(&fix, Path::new("/w/it’s 'it'/bin")));
    }
}

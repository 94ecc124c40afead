//! What a shell evaluates to work as a command of `lane run` does.

use std::path::Path;

use super::agent::Surroundings;
use multilane_engine::environment::Environment;
use multilane_engine::process::step::quoted;

/// A shell, by how it is spoken to. `{value}` stands for a word in its quotes.
pub(super) struct Dialect {
    set: &'static str,
    unset: &'static str,
    change_dir: &'static str,
    /// The shell's own `PATH` is changed, and not replaced by ours, to which rustup and cargo have
    /// added.
    prepend: &'static str,
    remove: &'static str,
    quoted: fn(&str) -> String,
}

static SH: Dialect = Dialect {
    set: "export {name}={value}",
    unset: "unset {name}",
    change_dir: "cd -- {value}",
    prepend: "export PATH={value}:\"$PATH\"",
    // With a colon at both ends every entry has one on each side. Assignments split no words.
    remove: "PATH=:$PATH:\n\
        while case $PATH in *:{value}:*) ;; *) false ;; esac; do \
        PATH=${PATH%%:{value}:*}:${PATH#*:{value}:}; done\n\
        PATH=${PATH#:}; PATH=${PATH%:}; export PATH",
    quoted: |word| quoted(word.as_ref()),
};

static FISH: Dialect = Dialect {
    set: "set --global --export {name} {value}",
    unset: "set --erase {name}",
    change_dir: "cd -- {value}",
    prepend: "set --global --export PATH {value} $PATH",
    remove: "while set --local at (contains --index -- {value} $PATH); set --erase PATH[$at]; end",
    quoted: |word| format!("'{}'", word.replace('\\', r"\\").replace('\'', r"\'")),
};

static POWERSHELL: Dialect = Dialect {
    set: "$env:{name} = {value}",
    unset: "Remove-Item -LiteralPath Env:{name} -ErrorAction SilentlyContinue",
    change_dir: "Set-Location -LiteralPath {value}",
    prepend: "$env:PATH = {value} + [IO.Path]::PathSeparator + $env:PATH",
    remove: "$env:PATH = @($env:PATH -split [IO.Path]::PathSeparator | \
        Where-Object { $_ -cne {value} }) -join [IO.Path]::PathSeparator",
    quoted: |word| {
        // PowerShell takes typographic quotes for quotes.
        let is_quote = |c: char| matches!(c, '\'' | '\u{2018}'..='\u{201b}');
        let doubled = |c| std::iter::repeat_n(c, if is_quote(c) { 2 } else { 1 });
        format!("'{}'", word.chars().flat_map(doubled).collect::<String>())
    },
};

impl Dialect {
    /// The one that is named, or else that of `$SHELL`: whatever it may be called and is neither
    /// fish nor PowerShell reads sh.
    pub(super) fn choose(named: Option<&str>, env: &Environment) -> &'static Dialect {
        let default = if cfg!(windows) { "powershell" } else { "sh" };
        let of_user = env.get("SHELL").map(|shell| Path::new(shell).file_stem());
        let of_user = of_user.map(|name| name.unwrap_or_default().to_string_lossy().to_lowercase());
        match named.or(of_user.as_deref()).unwrap_or(default) {
            "fish" => &FISH,
            "pwsh" | "powershell" => &POWERSHELL,
            _ => &SH,
        }
    }

    /// What a shell evaluates to work in `surroundings`, with the shim in `bin`. Twice is no harm.
    pub(super) fn enter(&self, surroundings: &Surroundings, bin: &Path) -> String {
        let bin = bin.to_string_lossy();
        let mut lines = vec![self.say(self.remove, "", &bin), self.say(self.prepend, "", &bin)];
        for (name, value) in surroundings.variables() {
            let what = if value.is_some() { self.set } else { self.unset };
            lines.push(self.say(what, name, value.unwrap_or_default()));
        }
        lines.push(self.say(self.change_dir, "", &surroundings.dir.to_string_lossy()));
        lines.join("\n")
    }

    /// The way back, but for the directory.
    pub(super) fn leave(&self, bin: &Path) -> String {
        let remove = self.say(self.remove, "", &bin.to_string_lossy());
        [remove, self.say(self.unset, "AGENT_ID", "")].join("\n")
    }

    fn say(&self, what: &str, name: &str, value: &str) -> String {
        what.replace("{name}", name).replace("{value}", &(self.quoted)(value))
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

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
        .assert_eq(&POWERSHELL.enter(&fix, Path::new("/w/it’s 'it'/bin")));
    }
}

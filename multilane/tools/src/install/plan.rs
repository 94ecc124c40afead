//! Which tools are worth having, which are lacking on a machine, and how each is had there the
//! quickest.
//!
//! All that is known of the tools is in the table ([`table::TOOLS`]); all that is known of the
//! machine is in [`Machine`].

pub(crate) mod table;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use multilane::project::toolchain::Version;

use crate::install::plan::table::TOOLS;

/// A program, or a part of a toolchain, that makes builds quicker.
#[derive(Debug)]
pub(crate) struct Tool {
    pub(crate) name: &'static str,
    pub(crate) purpose: &'static str,
    /// How it is asked for its version: a program on `PATH` and its arguments. None: it is a
    /// component.
    pub(crate) asked: Option<(&'static str, &'static [&'static str])>,
    /// A word in the line in which it answers, so that another program of that name is not taken
    /// for it.
    pub(crate) says: &'static str,
    /// Anything older is as good as missing. Package managers have the version that they have.
    pub(crate) oldest: Version,
    pub(crate) wanted: Wanted,
    /// Whether cargo has to be told of it.
    pub(crate) links: bool,
    /// The quickest first.
    pub(crate) routes: &'static [Route],
}

/// Where it is of use.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Wanted {
    Everywhere,
    /// On Linux.
    ForLinking,
    /// On Linux, where the toolchain has no linker of its own.
    WithoutRustLld,
    /// Where a nightly toolchain is.
    WithNightly,
    /// Where it is named with `--only`.
    WhenNamed,
}

/// A way to have it, as far as it is the same on all machines.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Route {
    /// Its package's name there.
    Package(Manager, &'static str),
    /// A wheel on PyPI that has the program in it.
    Wheel { package: &'static str, version: &'static str },
    /// On crates.io, and the oldest compiler that it needs.
    Crate { name: &'static str, version: &'static str, rust: Version },
    /// Of the nightly toolchain.
    Component(&'static str),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Manager {
    Apt,
    Dnf,
    Pacman,
    Zypper,
    Apk,
    Brew,
    Scoop,
    Winget,
}

impl Manager {
    pub(crate) const ALL: [Manager; 8] = [
        Manager::Apt,
        Manager::Dnf,
        Manager::Pacman,
        Manager::Zypper,
        Manager::Apk,
        Manager::Brew,
        Manager::Scoop,
        Manager::Winget,
    ];

    pub(crate) fn program(self) -> &'static str {
        match self {
            Manager::Apt => "apt-get",
            Manager::Dnf => "dnf",
            Manager::Pacman => "pacman",
            Manager::Zypper => "zypper",
            Manager::Apk => "apk",
            Manager::Brew => "brew",
            Manager::Scoop => "scoop",
            Manager::Winget => "winget",
        }
    }

    /// How it is asked which version it has. The answer has it behind `Candidate:` or `Version:`.
    pub(crate) fn question(self) -> Option<&'static [&'static str]> {
        match self {
            Manager::Apt => Some(&["apt-cache", "policy"]),
            Manager::Dnf => Some(&["dnf", "--quiet", "--cacheonly", "info"]),
            Manager::Pacman => Some(&["pacman", "--sync", "--info"]),
            Manager::Zypper => Some(&["zypper", "--quiet", "--no-refresh", "info"]),
            Manager::Apk | Manager::Brew | Manager::Scoop | Manager::Winget => None,
        }
    }

    fn install(self) -> &'static [&'static str] {
        match self {
            Manager::Apt => &["apt-get", "install", "--yes"],
            Manager::Dnf => &["dnf", "install", "--assumeyes"],
            Manager::Pacman => &["pacman", "--sync", "--noconfirm", "--needed"],
            Manager::Zypper => &["zypper", "--non-interactive", "install"],
            Manager::Apk => &["apk", "add"],
            Manager::Brew => &["brew", "install"],
            Manager::Scoop => &["scoop", "install"],
            Manager::Winget => &["winget", "install", "--exact", "--silent", "--id"],
        }
    }

    fn needs_root(self) -> bool {
        !matches!(self, Manager::Brew | Manager::Scoop | Manager::Winget)
    }
}

/// What is true of the machine.
#[derive(Clone, Debug, Default)]
pub(crate) struct Machine {
    pub(crate) is_linux: bool,
    pub(crate) managers: Vec<Manager>,
    /// What a manager has of a package; `None`: it does not have it. Not in here: it was not asked,
    /// or did not say.
    pub(crate) offers: BTreeMap<(Manager, &'static str), Option<Version>>,
    /// apt knows no package before its lists have been fetched, as in most images.
    pub(crate) lacks_apt_lists: bool,
    pub(crate) is_root: bool,
    pub(crate) has_sudo: bool,
    /// The network is not to be used.
    pub(crate) is_offline: bool,
    /// `python3`, if it has pip.
    pub(crate) python: Option<String>,
    pub(crate) has_uv: bool,
    pub(crate) has_pipx: bool,
    pub(crate) has_binstall: bool,
    /// Where cargo puts the programs that it installs.
    pub(crate) cargo_bin: PathBuf,
    /// Where data of the user's programs lies.
    pub(crate) data_dir: PathBuf,
    /// What `cargo install` can compile with: the workspace's compiler first, then others, by the
    /// toolchain's name.
    pub(crate) compilers: Vec<(Option<String>, Version)>,
    pub(crate) has_rust_lld: bool,
    /// The nightly toolchain's name, and which of the components it has.
    pub(crate) nightly: Option<(String, Vec<&'static str>)>,
    /// What the tools have answered; a tool that is not in here was not found.
    pub(crate) answers: BTreeMap<&'static str, Reply>,
}

/// What a program that has the tool's name says to being asked for its version.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Reply {
    Version(Version),
    /// It does not answer as the tool does.
    Strange {
        program: PathBuf,
        why: String,
    },
}

/// What is to be done about one tool.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) tool: &'static Tool,
    pub(crate) state: State,
}

#[derive(Debug, PartialEq)]
pub(crate) enum State {
    /// It is there, and in which version.
    Present(Option<Version>),
    /// It would be of no use here.
    NotNeeded(&'static str),
    /// `why` it has to be; if one way fails, the next is tried.
    Lacking { why: String, ways: Vec<Way>, closed: Vec<String> },
}

impl State {
    pub(crate) fn is_lacking(&self) -> bool {
        matches!(self, State::Lacking { .. })
    }
}

/// Commands that install one tool.
#[derive(Debug, PartialEq)]
pub(crate) struct Way {
    /// `apt`, `pip`, …
    pub(crate) by: &'static str,
    pub(crate) commands: Vec<Vec<String>>,
    pub(crate) needs_sudo: bool,
}

/// The plans for the tools that are named, or for all. In the order of the table.
pub(crate) fn plan(machine: &Machine, only: &[String]) -> Vec<Plan> {
    let is_asked = |tool: &Tool| only.is_empty() || only.iter().any(|name| name == tool.name);
    let tools = TOOLS.iter().filter(|tool| is_asked(tool));
    tools.map(|tool| Plan { tool, state: state(tool, machine, !only.is_empty()) }).collect()
}

/// A tool's state: what is said of it, and what to do about it.
fn state(tool: &'static Tool, machine: &Machine, is_named: bool) -> State {
    let is_there = match &tool.asked {
        Some(_) => machine.answers.get(tool.name),
        None => None,
    };
    if let Some(Reply::Version(version)) = is_there
        && *version >= tool.oldest
    {
        return State::Present(Some(*version));
    }
    if let Route::Component(component) = tool.routes[0] {
        match &machine.nightly {
            None => return State::NotNeeded("there is no nightly toolchain"),
            Some((_, has)) if has.contains(&component) => return State::Present(None),
            Some(_) => {}
        }
    }
    let in_vain = match tool.wanted {
        Wanted::ForLinking | Wanted::WithoutRustLld if !machine.is_linux => {
            Some("builds here keep the system's linker")
        }
        Wanted::WithoutRustLld if machine.has_rust_lld && !is_named => {
            Some("the toolchain has rust-lld")
        }
        Wanted::WhenNamed if !is_named => Some("it comes only by --only"),
        _ => None,
    };
    if let Some(why) = in_vain {
        return State::NotNeeded(why);
    }

    let why = match is_there {
        None => "it is not there".to_owned(),
        Some(Reply::Version(version)) => format!("{version} is older than {}", tool.oldest),
        Some(Reply::Strange { program, why }) => format!("{} {why}", program.display()),
    };
    let (mut ways, mut closed) = (Vec::new(), Vec::new());
    for route in tool.routes {
        match machine.ways(route, tool, is_there.is_some()) {
            Ok(found) => ways.extend(found),
            Err(why) => closed.push(why),
        }
    }
    State::Lacking { why, ways, closed }
}

impl Machine {
    /// Why a route is closed, otherwise.
    fn ways(&self, route: &Route, tool: &Tool, replaces: bool) -> Result<Vec<Way>, String> {
        let open = match *route {
            Route::Package(manager, package) => self.by_manager(manager, package, tool.oldest)?,
            Route::Wheel { package, version } => self.by_wheel(package, version, tool)?,
            Route::Crate { name, version, rust } => self.by_cargo(name, version, rust, replaces)?,
            Route::Component(component) => {
                let toolchain = self.nightly.as_ref().map_or("nightly", |(name, _)| name);
                let words = ["rustup", "component", "add", "--toolchain", toolchain, component];
                vec![Way { by: "rustup", commands: vec![owned(words)], needs_sudo: false }]
            }
        };
        if self.is_offline { Err(format!("{} needs the network", open[0].by)) } else { Ok(open) }
    }

    fn by_manager(
        &self,
        manager: Manager,
        package: &str,
        oldest: Version,
    ) -> Result<Vec<Way>, String> {
        let program = manager.program();
        if !self.managers.contains(&manager) {
            return Err(format!("no {program}"));
        }
        let offer = self.offers.iter().find(|((of, name), _)| *of == manager && *name == package);
        match offer {
            Some((_, None)) => return Err(format!("{program} does not have it")),
            Some((_, Some(version))) if *version < oldest => {
                return Err(format!("{program} has {version}, which is older than {oldest}"));
            }
            _ => {}
        }
        let needs_sudo = manager.needs_root() && !self.is_root;
        if needs_sudo && !self.has_sudo {
            return Err(format!("{program} needs root, and there is no sudo"));
        }
        let sudo = needs_sudo.then_some("sudo");
        let lists = ["apt-get", "update"];
        let fetches_lists = manager == Manager::Apt && self.lacks_apt_lists;
        let mut commands = Vec::new();
        commands.extend(fetches_lists.then(|| owned(sudo.into_iter().chain(lists))));
        commands.push(owned(
            sudo.into_iter().chain(manager.install().iter().copied()).chain([package]),
        ));
        Ok(vec![Way { by: program, commands, needs_sudo }])
    }

    /// pip puts the program into a directory of its own, so that no environment of the user's is
    /// changed, and none has to allow it (PEP 668).
    fn by_wheel(&self, package: &str, version: &str, tool: &Tool) -> Result<Vec<Way>, String> {
        let wheel = format!("{package}=={version}");
        let way = |by, commands| vec![Way { by, commands, needs_sudo: false }];
        if self.has_uv {
            return Ok(way("uv", vec![owned(["uv", "tool", "install", "--force", &wheel])]));
        }
        if self.has_pipx {
            return Ok(way("pipx", vec![owned(["pipx", "install", "--force", &wheel])]));
        }
        let (Some(python), Some((program, _))) = (&self.python, tool.asked) else {
            return Err("no Python with pip".to_owned());
        };
        let dir = self.data_dir.join("multilane").join(tool.name);
        let dir_text = dir.to_string_lossy();
        let pip = [
            python,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--no-deps",
            "--upgrade",
            "--only-binary",
            ":all:",
            "--target",
            &dir_text,
            &wheel,
        ];
        let from = dir.join("bin").join(program);
        let to = self.cargo_bin.join(program);
        let link = ["ln", "-sf", &from.to_string_lossy(), &to.to_string_lossy()].map(str::to_owned);
        Ok(way("pip", vec![owned(pip), link.to_vec()]))
    }

    fn by_cargo(
        &self,
        name: &str,
        version: &str,
        rust: Version,
        replaces: bool,
    ) -> Result<Vec<Way>, String> {
        let mut ways = Vec::new();
        let wanted = format!("{name}@{version}");
        if self.has_binstall {
            let words = owned(["cargo", "binstall", "--no-confirm", &wanted]);
            ways.push(Way { by: "cargo binstall", commands: vec![words], needs_sudo: false });
        }
        let compiler = self.compilers.iter().find(|(_, version)| *version >= rust);
        if let Some((toolchain, _)) = compiler {
            let toolchain = toolchain.as_ref().map(|name| format!("+{name}"));
            let mut words = vec!["cargo".to_owned()];
            words.extend(toolchain);
            words.extend(owned(["install", "--locked", &wanted]));
            words.extend(replaces.then(|| "--force".to_owned()));
            ways.push(Way { by: "cargo install", commands: vec![words], needs_sudo: false });
        }
        if ways.is_empty() { Err(format!("Rust {rust} is needed to compile it")) } else { Ok(ways) }
    }
}

fn owned<'a>(words: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    words.into_iter().map(str::to_owned).collect()
}

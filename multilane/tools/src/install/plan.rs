//! Which tools are worth having, which are lacking on a machine, and how each is installed there
//! the quickest.
//!
//! All that is known of the tools is in the table ([`table::TOOLS`]); all that is known of the
//! machine is in [`Machine`].

pub(crate) mod table;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::PathBuf;

use multilane_engine::project::toolchain::Version;
use serde::{Serialize, Serializer};

use crate::install::plan::table::TOOLS;

/// A program, or a component of a toolchain, that makes builds quicker.
#[derive(Debug, Serialize)]
pub(crate) struct Tool {
    #[serde(rename = "tool")]
    pub(crate) name: &'static str,
    pub(crate) purpose: &'static str,
    /// How it is asked for its version: a program on `PATH` and its arguments. None: it is a
    /// component.
    #[serde(skip)]
    pub(crate) asked: Option<(&'static str, &'static [&'static str])>,
    /// A word in the line with the version, so that another program of that name is not taken for
    /// it.
    #[serde(skip)]
    pub(crate) says: &'static str,
    /// Anything older is as good as missing. Package managers have the version that they have.
    #[serde(serialize_with = "as_text")]
    pub(crate) oldest: Version,
    #[serde(skip)]
    pub(crate) wanted: Wanted,
    /// Whether it is a linker.
    #[serde(skip)]
    pub(crate) links: bool,
    /// The quickest first.
    #[serde(skip)]
    pub(crate) routes: &'static [Route],
}

/// Where a tool is of use.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Wanted {
    Everywhere,
    /// On Linux.
    ForLinking,
    /// On Linux, where the toolchain has no linker of its own.
    WithoutRustLld,
    /// Where the project requests Cranelift and there is a nightly toolchain.
    ForCranelift,
    /// Where it is named with `--only`.
    WhenNamed,
}

/// How a tool is installed, as far as it is the same on all machines.
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

/// A package manager.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Manager {
    pub(crate) program: &'static str,
    /// The command that tells which version it has of a package, behind `Candidate:` or `Version:`.
    /// Empty: it cannot be asked.
    pub(crate) question: &'static str,
    /// The command that installs a package.
    install: &'static str,
    needs_root: bool,
}

/// What is true of the machine and the workspace.
#[derive(Clone, Debug, Default)]
pub(crate) struct Machine {
    pub(crate) is_linux: bool,
    pub(crate) managers: Vec<Manager>,
    /// The version that a manager has of a package; `None`: it does not have it. Not in here: it
    /// was not asked, or did not say.
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
    /// The user's directory for data of programs.
    pub(crate) data_dir: PathBuf,
    /// What `cargo install` can compile with: the workspace's compiler first, then others, by the
    /// toolchain's name.
    pub(crate) compilers: Vec<(Option<String>, Version)>,
    pub(crate) has_rust_lld: bool,
    /// Whether the project requests Cranelift.
    pub(crate) wants_cranelift: bool,
    /// The nightly toolchain's name, and which of the components it has.
    pub(crate) nightly: Option<(String, Vec<&'static str>)>,
    /// What the tools have answered; a tool that is not in here was not found.
    pub(crate) answers: BTreeMap<&'static str, Reply>,
}

/// What a program that has the tool's name answers to being asked for its version.
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
#[derive(Debug, Serialize)]
pub(crate) struct Plan {
    #[serde(flatten)]
    pub(crate) tool: &'static Tool,
    #[serde(flatten)]
    pub(crate) state: State,
}

#[derive(Debug, PartialEq, Serialize)]
#[serde(tag = "state", rename_all = "lowercase")]
pub(crate) enum State {
    /// Without a version: it is a component.
    Present {
        #[serde(serialize_with = "as_optional_text")]
        version: Option<Version>,
    },
    #[serde(rename = "not needed")]
    NotNeeded { why: &'static str },
    /// If one recipe fails, the next is tried. `closed`: why other routes are not open.
    Lacking { why: String, ways: Vec<Recipe>, closed: Vec<String> },
}

/// Commands that install one tool.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Recipe {
    /// `apt-get`, `pip`, …
    pub(crate) by: &'static str,
    pub(crate) commands: Vec<Vec<String>>,
    pub(crate) needs_sudo: bool,
}

fn as_text<S: Serializer>(version: &Version, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(version)
}

fn as_optional_text<S: Serializer>(it: &Option<Version>, serializer: S) -> Result<S::Ok, S::Error> {
    it.map(|version| version.to_string()).serialize(serializer)
}

/// The plans for the tools that are named, or for all. In the order of the table.
pub(crate) fn plan(machine: &Machine, only: &[String]) -> Vec<Plan> {
    let is_asked = |tool: &Tool| only.is_empty() || only.iter().any(|name| name == tool.name);
    let tools = TOOLS.iter().filter(|tool| is_asked(tool));
    tools.map(|tool| Plan { tool, state: state(tool, machine, !only.is_empty()) }).collect()
}

fn state(tool: &'static Tool, machine: &Machine, is_named: bool) -> State {
    let is_there = machine.answers.get(tool.name);
    match is_there {
        Some(Reply::Version(version)) if *version >= tool.oldest => {
            return State::Present { version: Some(*version) };
        }
        _ => {}
    }
    let has = |component| machine.nightly.as_ref().is_some_and(|(_, has)| has.contains(&component));
    if matches!(tool.routes[0], Route::Component(component) if has(component)) {
        return State::Present { version: None };
    }
    let not_needed = match tool.wanted {
        Wanted::ForCranelift if !machine.wants_cranelift && !is_named => {
            Some("the project does not request it")
        }
        Wanted::ForCranelift if machine.nightly.is_none() => Some("there is no nightly toolchain"),
        Wanted::ForLinking | Wanted::WithoutRustLld if !machine.is_linux => {
            Some("other linkers are configured on Linux only")
        }
        Wanted::WithoutRustLld if machine.has_rust_lld && !is_named => {
            Some("the toolchain has rust-lld")
        }
        Wanted::WhenNamed if !is_named => Some("it is installed only with --only"),
        _ => None,
    };
    if let Some(why) = not_needed {
        return State::NotNeeded { why };
    }

    let why = match is_there {
        None => "not installed".to_owned(),
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
    /// # Errors
    ///
    /// When the route is not open here, with the reason.
    fn ways(&self, route: &Route, tool: &Tool, replaces: bool) -> Result<Vec<Recipe>, String> {
        let open = match *route {
            Route::Package(manager, package) => self.by_manager(manager, package, tool.oldest)?,
            Route::Wheel { package, version } => self.by_wheel(package, version, tool)?,
            Route::Crate { name, version, rust } => self.by_cargo(name, version, rust, replaces)?,
            Route::Component(component) => {
                let toolchain = self.nightly.as_ref().map_or("nightly", |(name, _)| name);
                let words = ["rustup", "component", "add", "--toolchain", toolchain, component];
                vec![Recipe { by: "rustup", commands: vec![owned(words)], needs_sudo: false }]
            }
        };
        if self.is_offline { Err(format!("{} needs the network", open[0].by)) } else { Ok(open) }
    }

    fn by_manager(
        &self,
        manager: Manager,
        package: &'static str,
        oldest: Version,
    ) -> Result<Vec<Recipe>, String> {
        let Manager { program, install, needs_root, .. } = manager;
        if !self.managers.contains(&manager) {
            return Err(format!("no {program}"));
        }
        match self.offers.get(&(manager, package)) {
            Some(None) => return Err(format!("{program} does not have it")),
            Some(Some(version)) if *version < oldest => {
                return Err(format!("{program} has {version}, which is older than {oldest}"));
            }
            _ => {}
        }
        let needs_sudo = needs_root && !self.is_root;
        if needs_sudo && !self.has_sudo {
            return Err(format!("{program} needs root, and there is no sudo"));
        }
        let command = |words: &str| {
            let sudo = needs_sudo.then_some("sudo");
            owned(sudo.into_iter().chain(words.split(' ')))
        };
        let mut commands = Vec::new();
        if manager == table::APT && self.lacks_apt_lists {
            commands.push(command("apt-get update"));
        }
        commands.push(command(&format!("{install} {package}")));
        Ok(vec![Recipe { by: program, commands, needs_sudo }])
    }

    /// pip puts the program into a directory of its own, so that no Python environment of the
    /// user's is changed or has to allow it (PEP 668).
    fn by_wheel(&self, package: &str, version: &str, tool: &Tool) -> Result<Vec<Recipe>, String> {
        let wheel = format!("{package}=={version}");
        let recipe = |by, commands| vec![Recipe { by, commands, needs_sudo: false }];
        if self.has_uv {
            return Ok(recipe("uv", vec![owned(["uv", "tool", "install", "--force", &wheel])]));
        }
        if self.has_pipx {
            return Ok(recipe("pipx", vec![owned(["pipx", "install", "--force", &wheel])]));
        }
        let (Some(python), Some((program, _))) = (&self.python, tool.asked) else {
            return Err("no Python with pip".to_owned());
        };
        let dir = self.data_dir.join("multilane").join(tool.name);
        let dir_text = dir.to_string_lossy();
        let mut pip = vec![python.as_str()];
        pip.extend("-m pip install --quiet --no-deps --upgrade --only-binary :all:".split(' '));
        pip.extend(["--target", &dir_text, &wheel]);
        let from = dir.join("bin").join(program);
        let to = self.cargo_bin.join(program);
        let link = ["ln", "-sf", &from.to_string_lossy(), &to.to_string_lossy()].map(str::to_owned);
        Ok(recipe("pip", vec![owned(pip), link.to_vec()]))
    }

    fn by_cargo(
        &self,
        name: &str,
        version: &str,
        rust: Version,
        replaces: bool,
    ) -> Result<Vec<Recipe>, String> {
        let mut ways = Vec::new();
        let wanted = format!("{name}@{version}");
        if self.has_binstall {
            let words = owned(["cargo", "binstall", "--no-confirm", &wanted]);
            ways.push(Recipe { by: "cargo binstall", commands: vec![words], needs_sudo: false });
        }
        let compiler = self.compilers.iter().find(|(_, version)| *version >= rust);
        if let Some((toolchain, _)) = compiler {
            let toolchain = toolchain.as_ref().map(|name| format!("+{name}"));
            let mut words = vec!["cargo".to_owned()];
            words.extend(toolchain);
            words.extend(owned(["install", "--locked", &wanted]));
            words.extend(replaces.then(|| "--force".to_owned()));
            ways.push(Recipe { by: "cargo install", commands: vec![words], needs_sudo: false });
        }
        if ways.is_empty() { Err(format!("Rust {rust} is needed to compile it")) } else { Ok(ways) }
    }
}

fn owned<'a>(words: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    words.into_iter().map(str::to_owned).collect()
}

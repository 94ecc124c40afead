//! The build of xtask itself: shown once, and never repeated in a new worktree.

use crate::fork::donor;
use crate::support::Project;

/// A donor whose profile `xtask` has a program where xtask would be.
fn with_xtask_profile() -> Project {
    let project = donor();
    project.append("Cargo.toml", "\n[profile.xtask]\ninherits = \"dev\"\n").commit();
    project
}

const BUILD: &str = "build --profile xtask --package app";

/// All else is brought from an agent's lane, which has no build of xtask, or from nowhere.
#[test]
fn a_worktree_has_the_build_of_xtask_whichever_lane_the_donor_was() {
    let project = with_xtask_profile();
    project.cargo(BUILD).ok();
    std::fs::remove_dir_all(project.root.join("target/debug")).expect("the donor's build");
    let dir = |name: &str| {
        let dir = project.xtask(&format!("lane new {name}")).ok().stdout();
        std::path::PathBuf::from(dir.trim_end())
    };
    let without = dir("without");
    assert_eq!(project.cargo(BUILD).within(&without).ok().built(), [""; 0]);

    project.xtask("build").agent("a").ok();
    let of_agent = dir("agents");
    assert_eq!(project.cargo(BUILD).within(&of_agent).ok().built(), [""; 0]);
    assert_eq!(project.cargo("build").within(&of_agent).ok().built(), [""; 0]);

    // From a worktree whose own lane has it to one more, with the first tree edited meanwhile.
    project.write("crates/app/src/main.rs", "fn main() {}\n");
    let edited = dir("edited");
    assert_eq!(project.cargo(BUILD).within(&edited).ok().built(), [""; 0]);
}

//! Stopping a build: it stops, says so the way processes do, and leaves nothing behind.

/// A program, or build script, that tells its process id in `$STAGE/pid` and waits for `$STAGE/go`.
pub(crate) const WAITS: &str = r#"
use std::{env, fs, path::PathBuf, thread, time::{Duration, Instant}};

fn main() {
    println!("cargo::rerun-if-changed=nothing");
    let stage = PathBuf::from(env::var("STAGE").expect("a stage"));
    fs::write(stage.join("pid.new"), std::process::id().to_string()).unwrap();
    fs::rename(stage.join("pid.new"), stage.join("pid")).unwrap();
    let started = Instant::now();
    while !stage.join("go").exists() {
        assert!(started.elapsed() < Duration::from_secs(600), "nobody said go");
        thread::sleep(Duration::from_millis(5));
    }
}
"#;

#[cfg(target_os = "linux")]
mod linux {
    use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
    use std::process::Child;

    use super::WAITS;
    use crate::support::{Project, signal, signal_group, wait_until};

    const SIGINT: i32 = 2;
    const SIGKILL: i32 = 9;
    const SIGTERM: i32 = 15;

    /// A build whose script has started and does not end.
    fn stuck_build(project: &Project) -> (Child, u32) {
        let mut call = project.xtask("build-dev").agent("a").env("STAGE", &project.root);
        // Like a shell does for each command line: a group that ctrl-c goes to.
        call.command.process_group(0);
        let child = call.start();
        wait_until("the build script", || project.exists("pid"));
        (child, project.read("pid").parse().expect("a process id"))
    }

    fn project() -> Project {
        let project = Project::workspace(&[("slow", &[])]);
        project.write("crates/slow/build.rs", WAITS);
        project
    }

    /// Gone, or dead and only not yet collected by its parent.
    fn is_gone(process: u32) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
        stat.rsplit(") ").next().is_none_or(|rest| rest.is_empty() || rest.starts_with('Z'))
    }

    fn parent_of(process: u32) -> u32 {
        let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).expect("it lives");
        stat.rsplit(") ")
            .next()
            .and_then(|rest| rest.split(' ').nth(1)?.parse().ok())
            .expect("a parent")
    }

    fn the_lane_works_again(project: &Project) {
        project.write("go", "");
        project.xtask("build-dev").agent("a").env("STAGE", &project.root).ok();
        project.only_lane();
    }

    #[test]
    fn ctrl_c_stops_everything() {
        let project = project();
        let (mut child, script) = stuck_build(&project);
        let cargo = parent_of(script);
        signal_group(&child, "INT");
        let status = child.wait().expect("it ends");
        assert_eq!(
            status.signal(),
            Some(SIGINT),
            "a shell must see that ctrl-c ended it: {status}"
        );
        wait_until("the end of cargo", || is_gone(cargo));
        wait_until("the end of the build script", || is_gone(script));
        the_lane_works_again(&project);
    }

    #[test]
    fn a_signal_to_xtask_alone_stops_everything() {
        for (name, number) in [("TERM", SIGTERM), ("INT", SIGINT)] {
            let project = project();
            let (mut child, script) = stuck_build(&project);
            let cargo = parent_of(script);
            signal(&child, name);
            let status = child.wait().expect("it ends");
            assert_eq!(status.signal(), Some(number), "{status}");
            assert!(is_gone(cargo));
            wait_until("the end of the build script", || is_gone(script));
            the_lane_works_again(&project);
        }
    }

    #[test]
    fn when_xtask_is_killed_cargo_ends_too() {
        let project = project();
        let (mut child, script) = stuck_build(&project);
        let cargo = parent_of(script);
        signal(&child, "KILL");
        assert_eq!(child.wait().expect("it ends").signal(), Some(SIGKILL));
        wait_until("the end of cargo", || is_gone(cargo));
        the_lane_works_again(&project);
    }
}

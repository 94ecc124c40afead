//! Where the lanes are: git, file systems, disk and memory.

use std::time::Duration;

use multilane_engine::project::toolchain::Version;
use multilane_engine::ui::{bytes, duration};

use crate::doctor::report::{Facts, Findings, Permits, shown};

pub(super) fn git(facts: &Facts, found: &mut Findings) {
    /// The first with `git worktree list -z`.
    const LISTS_SINCE: Version = Version(2, 36, 0);
    const ALONE: &str = "other worktrees are not found, so no lane is forked from theirs";
    let git = &facts.git;
    let version = match &git.version {
        Some(Ok(version)) => version,
        Some(Err(why)) => return found.warn(format!("git {why}"), ALONE, "install git"),
        None => return,
    };
    match &git.top {
        Some(Err(why)) if why.contains("dubious ownership") => found.warn(
            "git refuses this checkout, which belongs to another user",
            ALONE,
            format!("git config --global --add safe.directory {}", facts.root.display()),
        ),
        Some(Err(why)) if !why.contains("not a git repository") => {
            found.warn(format!("git cannot find the checkout: {why}"), ALONE, "git status");
        }
        Some(Err(_)) => return found.ok(format!("git {version}; this is not a checkout")),
        _ => found.ok(format!("git {version}, worktrees: {}", facts.worktrees)),
    }
    if Version::first_in(version).is_some_and(|version| version < LISTS_SINCE) {
        let fix = "install a newer git: https://git-scm.com/downloads";
        found.warn(format!("git {version} is older than 2.36"), ALONE, fix);
    } else if let Some(Err(why)) = &git.list {
        found.warn(format!("git cannot list worktrees: {why}"), ALONE, "git worktree prune");
    }
    if facts.has_lanes_dir && !git.ignores_lanes {
        found.warn(
            ".lanes is not ignored by git",
            "a build script that names no files runs at every build, as cargo then watches all \
             files that git does not ignore",
            "echo '*' > .lanes/.gitignore",
        );
    }
    if !git.tracked.is_empty() {
        found.warn(
            format!("git tracks files of one machine: {}", git.tracked.join(", ")),
            "other machines get this one's linker, caches or build output",
            format!("git rm -r --cached {}, then ignore them", git.tracked.join(" ")),
        );
    }
    if !facts.has_hook {
        found.note(
            "the git hook is not installed",
            "a worktree made by `git worktree add` starts without a warm lane",
            format!("{} lane hook --install", facts.called),
        );
    }
}

pub(super) fn lanes(facts: &Facts, found: &mut Findings) {
    let kind = facts.file_system.as_ref().and_then(|system| system.kind.as_deref());
    let is_windows_drive = facts.machine.is_wsl
        && facts.root.starts_with("/mnt")
        && kind.is_some_and(|kind| ["9p", "drvfs"].contains(&kind));
    if is_windows_drive {
        found.warn(
            "the workspace is on a Windows drive, seen from WSL",
            "file access goes through a network protocol: builds take several times as long, and \
             locks do not work",
            "clone it into WSL's own file system, such as ~/",
        );
    } else if let Some(kind) = kind.filter(|kind| is_network(kind)) {
        found.warn(
            format!("the workspace is on a network file system ({kind})"),
            "cargo takes no locks there, so two builds in one directory corrupt it; file access is \
             slow",
            "clone it onto a disk of this machine",
        );
    }

    for lane in &facts.lanes {
        let (Some(system), Some(own)) = (&lane.file_system, &facts.file_system) else { continue };
        if system.device != own.device {
            let whose = if lane.is_this_worktrees { "" } else { " of another worktree" };
            found.warn(
                format!(
                    "the lane {}{whose} is on a different file system than this workspace",
                    shown(facts, &lane.dir)
                ),
                format!("forks between them copy every byte: {}", bytes(lane.size)),
                "keep worktrees and lanes on one file system",
            );
        }
    }

    let total: u64 = facts.lanes.iter().map(|lane| lane.size).sum();
    space(facts, total, found);
    let shares = match facts.reflinks {
        Some(true) => "forks share bytes (reflinks)",
        Some(false) => "forks use hard links, and copy files that are rewritten in place",
        None => "not known whether files can share bytes (reflinks)",
    };
    let system = kind.map(|kind| format!("{kind}, ")).unwrap_or_default();
    let (freed, seconds) = facts.could_free;
    let freed = match freed {
        0 => String::new(),
        _ => format!(
            "; `gc` could free {}, {} to make again",
            bytes(freed),
            duration(Duration::from_secs_f64(seconds))
        ),
    };
    let lanes = facts.lanes.len();
    found.ok(format!("lanes: {lanes}, {} in all{freed}; {system}{shares}", bytes(total)));
}

/// A cold build of a workspace takes about as much as its largest lane.
fn space(facts: &Facts, total: u64, found: &mut Findings) {
    const NEEDED: u64 = 1 << 30;
    const SCARCE: u64 = 5 << 30;
    let Some(free) = facts.file_system.as_ref().and_then(|system| system.free) else { return };
    let largest = facts.lanes.iter().map(|lane| lane.size).max().unwrap_or_default();
    let what = format!("{} are free on the disk, and lanes take {}", bytes(free), bytes(total));
    let fix = format!("{0} gc --free 5G; {0} lane list shows what each lane frees", facts.called);
    if free < NEEDED {
        found.error(what, "builds fail when the disk is full", fix);
    } else if free < SCARCE.max(largest) {
        found.warn(what, "the next cold lane may not fit", fix);
    }
}

/// cargo takes no locks on nfs; whether the others have locks depends on their servers.
fn is_network(kind: &str) -> bool {
    "nfs nfs4 cifs smb3 smbfs 9p afs ceph lustre fuse.sshfs fuse.glusterfs vboxsf"
        .split(' ')
        .any(|known| known == kind)
}

pub(super) fn machine(facts: &Facts, found: &mut Findings) {
    /// For a linker, or rustc on a large crate.
    const EACH: u64 = 1 << 30;
    let cores = facts.machine.cores.max(1);
    let mut ok = format!("processors: {cores}");
    if let Some(memory) = facts.machine.memory {
        ok.push_str(&format!(", memory: {}", bytes(memory)));
        let jobs = (memory / EACH).max(1);
        if jobs < cores as u64 && facts.permits.is_none() {
            found.warn(
                format!("{} of memory for {cores} processors", bytes(memory)),
                "compilers and linkers need about 1 GiB each: with one on each processor, the \
                 machine swaps or kills some",
                format!("[build] jobs = {jobs} in .cargo/local.toml"),
            );
        }
    }
    if let Some(free) = facts.file_system.as_ref().and_then(|system| system.free) {
        ok.push_str(&format!(", free disk: {}", bytes(free)));
    }
    if let Some(Permits { limits, links }) = &facts.permits {
        let why = match limits.permits >= cores as u64 {
            true => "one for each processor",
            false => "512 MiB for each compiler",
        };
        ok.push_str(&format!(", permits: {} ({why}", limits.permits));
        if let (Some(least), Some(most)) = (links.first(), links.last()) {
            let (least, most) = (bytes(least << 20), bytes(most << 20));
            ok.push_str(&format!("; links were seen to take {least} to {most}"));
        }
        ok.push(')');
    }
    found.ok(ok);
    if facts.os == "macos" {
        // Not tried on a Mac. The command is from nextest's documentation.
        found.note(
            "macOS scans each new program at its first start, unless the terminal is a Developer Tool",
            "120 to 180 ms for each test executable, as others report",
            "sudo spctl developer-mode enable-terminal; then System Settings, Privacy & Security, \
             Developer Tools",
        );
    }
}

//! Where the lanes are: git, file systems, disk and memory.

use crate::doctor::report::{
    Facts, Judged, LaneFacts, Problem, error, note, numbers, shown, warning,
};

pub(super) fn git(facts: &Facts) -> Judged {
    /// The first with `git worktree list -z`.
    const LISTS_SINCE: (u32, u32, u32) = (2, 36, 0);
    const ALONE: &str = "worktrees are not found, so none is warmed from another one";
    let git = &facts.git;
    let version = match &git.version {
        Some(Ok(version)) => version,
        Some(Err(why)) => {
            return (String::new(), vec![warning(format!("git {why}"), ALONE, "install git")]);
        }
        None => return (String::new(), Vec::new()),
    };
    let mut problems = Vec::new();
    match &git.top {
        Some(Err(why)) if why.contains("dubious ownership") => {
            let fix = format!("git config --global --add safe.directory {}", facts.root.display());
            problems.push(warning(
                "git refuses this checkout, which belongs to another user",
                ALONE,
                fix,
            ));
        }
        Some(Err(why)) if !why.contains("not a git repository") => {
            problems.push(warning(
                format!("git does not know where the checkout is: {why}"),
                ALONE,
                "git status",
            ));
        }
        Some(Err(_)) => return (format!("git {version}; this is no checkout"), Vec::new()),
        _ => {}
    }
    if numbers(version).is_some_and(|version| version < LISTS_SINCE) {
        problems.push(warning(
            format!("git {version} is older than 2.36"),
            ALONE,
            "install a newer git: https://git-scm.com/downloads",
        ));
    } else if let Some(Err(why)) = &git.list {
        problems.push(warning(
            format!("git lists no worktrees: {why}"),
            ALONE,
            "git worktree prune",
        ));
    }
    if facts.has_lanes_dir && !git.ignores_lanes {
        problems.push(warning(
            ".lanes is not ignored by git",
            "a build script that names no files runs at every build, for it watches all that git does not ignore",
            "echo '*' > .lanes/.gitignore",
        ));
    }
    if !git.tracked.is_empty() {
        let names = git.tracked.iter().take(3).map(String::as_str).collect::<Vec<_>>().join(", ");
        problems.push(warning(
            format!("git tracks what belongs to one machine: {names}"),
            "every other machine gets this one's linker, caches or build output",
            "git rm -r --cached .lanes .cargo/local.toml .cargo/wrapper, as far as they are there; then ignore them",
        ));
    }
    if !facts.has_hook {
        problems.push(note(
            "git has no hook of ours",
            "a worktree that `git worktree add` makes begins cold, until its first build through xtask",
            format!("{} lane hook --install", facts.xtask),
        ));
    }
    (format!("git {version}, worktrees: {}", facts.worktrees), problems)
}

pub(super) fn lanes(facts: &Facts) -> Judged {
    let mut problems = Vec::new();
    let kind = facts.file_system.as_ref().and_then(|system| system.kind.as_deref());
    if facts.machine.is_wsl
        && facts.root.starts_with("/mnt")
        && kind.is_some_and(|kind| ["9p", "drvfs"].contains(&kind))
    {
        problems.push(warning(
            "the workspace is on a drive of Windows, seen from WSL",
            "every file is asked for through a network protocol: builds take several times as long, and no lock holds",
            "git clone it into WSL's own file system, such as ~/",
        ));
    } else if let Some(kind) = kind.filter(|kind| is_network(kind)) {
        problems.push(warning(
            format!("the workspace is on a network file system ({kind})"),
            "cargo takes no lock there: two builds in one directory spoil it; and each file is a journey",
            "clone it onto a disk of this machine",
        ));
    }

    let own = facts.file_system.as_ref().map(|system| system.device);
    let is_elsewhere = |lane: &&LaneFacts| match (&lane.file_system, own) {
        (Some(system), Some(own)) => system.device != own,
        _ => false,
    };
    for lane in facts.lanes.iter().filter(is_elsewhere) {
        let (whose, cost) = if lane.is_this_worktrees {
            ("is", "what is forked between it and other lanes is copied, byte by byte")
        } else {
            ("of another worktree is", "a fork from it is copied, byte by byte")
        };
        problems.push(warning(
            format!(
                "the lane {} {whose} on another file system than this workspace",
                shown(facts, &lane.dir)
            ),
            format!("{cost}: {}", bytes(lane.size)),
            "make worktrees and lanes on one file system",
        ));
    }

    let total: u64 = facts.lanes.iter().map(|lane| lane.size).sum();
    let free = facts.file_system.as_ref().and_then(|system| system.free);
    problems.extend(space(facts, total, free));
    let shares = match facts.reflinks {
        Some(true) => "forks share bytes (reflinks)",
        Some(false) => "forks link files, and copy what is rewritten in place (no reflinks)",
        None => "not yet known whether files can share bytes (reflinks)",
    };
    let system = kind.map(|kind| format!("{kind}, ")).unwrap_or_default();
    (format!("lanes: {}, {} in all; {system}{shares}", facts.lanes.len(), bytes(total)), problems)
}

/// A build of a workspace takes about as much again as its largest lane.
fn space(facts: &Facts, total: u64, free: Option<u64>) -> Option<Problem> {
    const NEEDED: u64 = 1 << 30;
    const SCARCE: u64 = 5 << 30;
    let free = free?;
    let largest = facts.lanes.iter().map(|lane| lane.size).max().unwrap_or_default();
    let fix = format!("{} clean --all; {} lane list shows what there is", facts.xtask, facts.xtask);
    let what = format!("{} are free, and lanes take {}", bytes(free), bytes(total));
    if free < NEEDED {
        return Some(error(what, "builds fail when the disk is full", fix));
    }
    (free < SCARCE.max(largest)).then(|| warning(what, "the next cold lane may not fit", fix))
}

/// Of these, cargo takes no locks on the first; the others have them, or not, as their servers
/// like.
fn is_network(kind: &str) -> bool {
    const KINDS: [&str; 12] = [
        "nfs",
        "nfs4",
        "cifs",
        "smb3",
        "smbfs",
        "9p",
        "afs",
        "ceph",
        "lustre",
        "fuse.sshfs",
        "fuse.glusterfs",
        "vboxsf",
    ];
    KINDS.contains(&kind)
}

pub(super) fn machine(facts: &Facts) -> Judged {
    /// A linker, or rustc on a large crate.
    const EACH: u64 = 1 << 30;
    let machine = &facts.machine;
    let cores = machine.cores.max(1);
    let mut problems = Vec::new();
    let mut fine = format!("processors: {cores}");
    if let Some(memory) = machine.memory {
        fine.push_str(&format!(", memory: {}", bytes(memory)));
        let together = (memory / EACH).max(1);
        if together < cores as u64 {
            problems.push(warning(
                format!("{} of memory for {cores} processors", bytes(memory)),
                "as many compilers or linkers at a time need about 1 GiB each: the machine swaps, or ends them",
                format!("[build] jobs = {together} in .cargo/local.toml"),
            ));
        }
    }
    if let Some(free) = facts.file_system.as_ref().and_then(|system| system.free) {
        fine.push_str(&format!(", free disk: {}", bytes(free)));
    }
    if facts.os == "macos" {
        // Not tried: no Mac was at hand. That this is the command is what nextest's documentation
        // says.
        problems.push(note(
            "macOS scans each new program at its first start, unless the terminal is among the Developer Tools",
            "120 to 180 ms for each test executable (as others report)",
            "sudo spctl developer-mode enable-terminal; then System Settings, Privacy & Security, Developer Tools",
        ));
    }
    (fine, problems)
}

/// `812.4 MiB`, `3.1 GiB`.
pub(super) fn bytes(bytes: u64) -> String {
    if bytes == 0 {
        return "0 MiB".to_owned();
    }
    let mebibytes = bytes as f64 / f64::from(1 << 20);
    if mebibytes < 1024.0 {
        format!("{mebibytes:.1} MiB")
    } else {
        format!("{:.1} GiB", mebibytes / 1024.0)
    }
}

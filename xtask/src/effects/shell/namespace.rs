//! Shows a process other directories than the rest of the system sees, in a mount namespace of its own. Linux alone.
//!
//! No process stays behind to undo it: the kernel takes the mounts away with the last process that sees them.

use std::io;
use std::path::Path;
use std::process::Command;

use crate::plan::at_root::View;

/// Has `command` begin in `dir`, seen as `view` has it. If that fails, the command does not start.
#[cfg(target_os = "linux")]
pub(super) fn show(command: &mut Command, view: &View, dir: &Path) -> io::Result<()> {
    use std::os::unix::process::CommandExt as _;
    let (mounts, dir) = (linux::Mounts::new(view)?, linux::text(dir)?);
    #[expect(unsafe_code, reason = "std has no safe name for what comes between fork and exec")]
    // SAFETY: xtask has one thread here, so nothing is locked that the closure might wait for; it calls the kernel alone.
    unsafe {
        command.pre_exec(move || mounts.carry_out(&dir));
    }
    Ok(())
}

#[cfg(not(target_os = "linux"))]
pub(super) fn show(_command: &mut Command, _view: &View, _dir: &Path) -> io::Result<()> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "only Linux has mount namespaces"))
}

#[cfg(target_os = "linux")]
mod linux {
    use std::ffi::{CStr, CString};
    use std::io;
    use std::os::unix::ffi::OsStrExt as _;
    use std::path::Path;
    use std::ptr;

    use crate::plan::at_root::View;

    pub(super) struct Mounts {
        base: CString,
        aside: CString,
        main: CString,
        tree: CString,
        git_file: CString,
        git_bytes: Vec<u8>,
        dot_git: CString,
        lanes: Vec<(CString, CString)>,
        hidden: Vec<CString>,
    }

    pub(super) fn text(path: &Path) -> io::Result<CString> {
        CString::new(path.as_os_str().as_bytes()).map_err(io::Error::other)
    }

    impl Mounts {
        pub(super) fn new(view: &View) -> io::Result<Mounts> {
            let lanes = view.lanes();
            // As they are before anything is mounted: what is in the way is seen in the main checkout.
            let hidden = view.hidden_lanes();
            let there = hidden.iter().filter(|path| {
                path.strip_prefix(&view.aside).is_ok_and(|below| view.main.join(below).is_dir())
            });
            Ok(Mounts {
                base: text(&view.base)?,
                aside: text(&view.aside)?,
                main: text(&view.main)?,
                tree: text(&view.tree)?,
                git_file: text(&view.base.join("git"))?,
                git_bytes: view.git_file.clone(),
                dot_git: text(&view.main.join(".git"))?,
                lanes: lanes
                    .iter()
                    .map(|(own, seen)| Ok((text(own)?, text(seen)?)))
                    .collect::<io::Result<_>>()?,
                hidden: there.map(|path| text(path)).collect::<io::Result<_>>()?,
            })
        }

        pub(super) fn carry_out(&self, dir: &CStr) -> io::Result<()> {
            new_namespace()?;
            // What is mounted here is not seen outside; what is mounted outside is still seen here.
            mount(None, c"/", None, libc::MS_REC | libc::MS_SLAVE, None)?;
            mount(Some(c"tmpfs"), &self.base, Some(c"tmpfs"), 0, Some(c"mode=0700"))?;
            make_dir(&self.aside)?;
            write(&self.git_file, &self.git_bytes)?;
            bind(&self.main, &self.aside)?;
            for lane in &self.hidden {
                mount(Some(c"tmpfs"), lane, Some(c"tmpfs"), libc::MS_RDONLY, None)?;
            }
            bind(&self.tree, &self.main)?;
            bind(&self.git_file, &self.dot_git)?;
            for (own, seen) in &self.lanes {
                bind(own, seen)?;
            }
            #[expect(unsafe_code, reason = "std's current directory is that of the parent")]
            // SAFETY: a string that ends with a zero.
            let changed = unsafe { libc::chdir(dir.as_ptr()) };
            result(changed)
        }
    }

    /// Root may mount; anybody else may in a user namespace, in which they are who they are outside, and lose that right with
    /// the next program.
    fn new_namespace() -> io::Result<()> {
        #[expect(unsafe_code, reason = "std has no name for these")]
        // SAFETY: they take numbers and touch no memory.
        let (user, group, alone) =
            unsafe { (libc::geteuid(), libc::getegid(), libc::unshare(libc::CLONE_NEWNS)) };
        if alone == 0 {
            return Ok(());
        }
        #[expect(unsafe_code, reason = "std has no name for it")]
        // SAFETY: takes a number and touches no memory.
        let both = unsafe { libc::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWNS) };
        result(both)?;
        // user_namespaces(7): without this, who has no rights outside may not map a group.
        write(c"/proc/self/setgroups", b"deny")?;
        write(c"/proc/self/uid_map", format!("{user} {user} 1").as_bytes())?;
        write(c"/proc/self/gid_map", format!("{group} {group} 1").as_bytes())
    }

    fn bind(from: &CStr, to: &CStr) -> io::Result<()> {
        mount(Some(from), to, None, libc::MS_BIND | libc::MS_REC, None)
    }

    fn mount(
        from: Option<&CStr>,
        to: &CStr,
        kind: Option<&CStr>,
        flags: libc::c_ulong,
        data: Option<&CStr>,
    ) -> io::Result<()> {
        let pointer = |text: Option<&CStr>| text.map_or(ptr::null(), CStr::as_ptr);
        #[expect(unsafe_code, reason = "std has no name for mount")]
        // SAFETY: strings that end with a zero and live until the call is over, or null where mount(2) allows it.
        let mounted =
            unsafe { libc::mount(pointer(from), to.as_ptr(), pointer(kind), flags, pointer(data).cast()) };
        result(mounted)
    }

    fn make_dir(path: &CStr) -> io::Result<()> {
        #[expect(
            unsafe_code,
            reason = "effects/disk.rs writes for the world outside; this is a tmpfs that nobody else sees"
        )]
        // SAFETY: a string that ends with a zero.
        let made = unsafe { libc::mkdir(path.as_ptr(), 0o755) };
        result(made)
    }

    fn write(path: &CStr, bytes: &[u8]) -> io::Result<()> {
        std::fs::write(std::ffi::OsStr::from_bytes(path.to_bytes()), bytes)
    }

    fn result(code: libc::c_int) -> io::Result<()> {
        if code == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }
}

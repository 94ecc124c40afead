//! Locks on files, which exclude those that cargo takes: `flock` on Unix, `LockFileEx` on Windows.
//!
//! std has them from Rust 1.89 on; this crate promises to build with an older one. And locks on
//! bytes of a file ([`bytes`]), which builders hold while they compile.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use super::open_own;

/// Takes the lock, if no other process has it. Returns whether it was free.
pub fn try_exclusive(file: &File) -> io::Result<bool> {
    system::lock(file, true)
}

/// The same for one that others may share.
pub(crate) fn try_shared(file: &File) -> io::Result<bool> {
    system::lock(file, false)
}

pub(crate) fn unlock(file: &File) -> io::Result<()> {
    system::unlock(file)
}

/// Opens the file, which is made if it is not there, and locks it until the result is dropped.
///
/// # Errors
///
/// When it cannot be opened, or another process has the lock for all of `limit`.
pub(crate) fn wait(path: &Path, limit: Duration) -> io::Result<File> {
    let file = open_own(OpenOptions::new().write(true), path)?;
    wait_for(path, limit, || try_exclusive(&file))?;
    Ok(file)
}

/// Calls `take` until it says that it has the lock on `path`.
///
/// # Errors
///
/// When `take` fails, or after `limit`.
pub fn wait_for(
    path: &Path,
    limit: Duration,
    take: impl Fn() -> io::Result<bool>,
) -> io::Result<()> {
    const PAUSE: Duration = Duration::from_millis(2);
    let started = Instant::now();
    while !take()? {
        if started.elapsed() >= limit {
            let why = format!("{} has been locked for {} s", path.display(), limit.as_secs());
            return Err(io::Error::new(io::ErrorKind::TimedOut, why));
        }
        std::thread::sleep(PAUSE);
    }
    Ok(())
}

/// Bytes of a file, which need not be in it, as something to have: one process at a time has each.
/// The lock stays with the process that took it, also when it becomes another program, goes to none
/// that it starts, and ends with it, however it ends (fcntl(2), "Advisory record locking").
#[cfg(unix)]
#[expect(unsafe_code, reason = "std has no name for locks on a part of a file")]
pub mod bytes {
    use std::fs::File;
    use std::io;
    use std::ops::Range;
    use std::os::fd::AsRawFd as _;

    // The types of these constants differ between systems, those of the fields do not.
    const TAKEN: i16 = libc::F_WRLCK as i16;
    const SHARED: i16 = libc::F_RDLCK as i16;
    const FREE: i16 = libc::F_UNLCK as i16;

    /// Takes them, if no other process has one of them.
    pub fn try_take(file: &File, bytes: &Range<u64>) -> io::Result<bool> {
        attempt(file, TAKEN, bytes)
    }

    /// The same where others may share them.
    pub fn try_share(file: &File, bytes: &Range<u64>) -> io::Result<bool> {
        attempt(file, SHARED, bytes)
    }

    fn attempt(file: &File, kind: i16, bytes: &Range<u64>) -> io::Result<bool> {
        match control(file, libc::F_SETLK, kind, bytes) {
            Ok(_) => Ok(true),
            Err(err) => match err.raw_os_error() {
                Some(libc::EAGAIN | libc::EACCES) => Ok(false),
                _ => Err(err),
            },
        }
    }

    pub fn give_back(file: &File, bytes: &Range<u64>) -> io::Result<()> {
        control(file, libc::F_SETLK, FREE, bytes).map(drop)
    }

    /// Whether another process has one of them, or shares it.
    pub fn is_taken(file: &File, bytes: &Range<u64>) -> io::Result<bool> {
        Ok(control(file, libc::F_GETLK, TAKEN, bytes)?.l_type != FREE)
    }

    /// Has the file stay open, and so what of it is taken, in the program that this process
    /// becomes.
    pub fn keep(file: &File) -> io::Result<()> {
        // SAFETY: it takes numbers; the descriptor is open for as long as `file` lives.
        match unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETFD, 0) } {
            -1 => Err(io::Error::last_os_error()),
            _ => Ok(()),
        }
    }

    fn control(
        file: &File,
        operation: i32,
        kind: i16,
        bytes: &Range<u64>,
    ) -> io::Result<libc::flock> {
        let number = |number: u64| libc::off_t::try_from(number).map_err(io::Error::other);
        // SAFETY: a `flock` is made of numbers, for which all zeros are a value.
        let mut lock: libc::flock = unsafe { std::mem::zeroed() };
        lock.l_type = kind;
        lock.l_whence = libc::SEEK_SET as i16;
        lock.l_start = number(bytes.start)?;
        lock.l_len = number(bytes.end - bytes.start)?;
        // SAFETY: the descriptor is open for as long as `file` lives, and `lock` for the call.
        match unsafe { libc::fcntl(file.as_raw_fd(), operation, &raw mut lock) } {
            -1 => Err(io::Error::last_os_error()),
            _ => Ok(lock),
        }
    }
}

/// Windows has locks on bytes, too, but no process there becomes another one.
#[cfg(windows)]
pub mod bytes {
    use std::fs::File;
    use std::io;
    use std::ops::Range;

    pub fn try_take(_file: &File, _bytes: &Range<u64>) -> io::Result<bool> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub fn try_share(_file: &File, _bytes: &Range<u64>) -> io::Result<bool> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub fn give_back(_file: &File, _bytes: &Range<u64>) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub fn is_taken(_file: &File, _bytes: &Range<u64>) -> io::Result<bool> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub fn keep(_file: &File) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

#[cfg(unix)]
#[expect(unsafe_code, reason = "std has no `flock` before 1.89")]
mod system {
    use std::fs::File;
    use std::io;
    use std::os::fd::AsRawFd as _;

    pub(super) fn lock(file: &File, is_exclusive: bool) -> io::Result<bool> {
        let kind = if is_exclusive { libc::LOCK_EX } else { libc::LOCK_SH };
        match flock(file, kind | libc::LOCK_NB) {
            Err(err) if err.kind() == io::ErrorKind::WouldBlock => Ok(false),
            result => result.map(|()| true),
        }
    }

    pub(super) fn unlock(file: &File) -> io::Result<()> {
        flock(file, libc::LOCK_UN)
    }

    fn flock(file: &File, operation: i32) -> io::Result<()> {
        loop {
            // SAFETY: it takes two numbers; the descriptor is open for as long as `file` lives.
            if unsafe { libc::flock(file.as_raw_fd(), operation) } == 0 {
                return Ok(());
            }
            let err = io::Error::last_os_error();
            if err.kind() != io::ErrorKind::Interrupted {
                return Err(err);
            }
        }
    }
}

#[cfg(windows)]
#[expect(unsafe_code, reason = "std has no `LockFileEx` before 1.89")]
mod system {
    use std::fs::File;
    use std::io;
    use std::os::windows::io::{AsRawHandle as _, RawHandle};

    /// Windows keeps every handle from reading or writing what is locked, also the one that has the
    /// lock if it is shared. So one byte is locked that no file has. cargo locks all that there
    /// could be, and so this one too.
    const OFFSET: [u32; 2] = [0, 1 << 30];

    /// `OVERLAPPED`
    #[repr(C)]
    struct Overlapped {
        internal: [usize; 2],
        offset: [u32; 2],
        event: usize,
    }

    #[link(name = "kernel32")]
    unsafe extern "system" {
        fn LockFileEx(
            file: RawHandle,
            flags: u32,
            reserved: u32,
            low: u32,
            high: u32,
            at: *mut Overlapped,
        ) -> i32;
        fn UnlockFile(file: RawHandle, low_at: u32, high_at: u32, low: u32, high: u32) -> i32;
    }

    pub(super) fn lock(file: &File, is_exclusive: bool) -> io::Result<bool> {
        const FAIL_IMMEDIATELY: u32 = 1;
        const EXCLUSIVE: u32 = 2;
        const ERROR_LOCK_VIOLATION: i32 = 33;
        let flags = FAIL_IMMEDIATELY | if is_exclusive { EXCLUSIVE } else { 0 };
        let mut at = Overlapped { internal: [0; 2], offset: OFFSET, event: 0 };
        // SAFETY: the handle is open for as long as `file` lives, and `at` for the call: a handle
        // of std's is synchronous.
        let is_done = unsafe { LockFileEx(file.as_raw_handle(), flags, 0, 1, 0, &mut at) } != 0;
        let err = io::Error::last_os_error();
        match err.raw_os_error() {
            _ if is_done => Ok(true),
            Some(ERROR_LOCK_VIOLATION) => Ok(false),
            _ => Err(err),
        }
    }

    pub(super) fn unlock(file: &File) -> io::Result<()> {
        // SAFETY: the handle is open for as long as `file` lives.
        match unsafe { UnlockFile(file.as_raw_handle(), OFFSET[0], OFFSET[1], 1, 0) } {
            0 => Err(io::Error::last_os_error()),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;
    use crate::files::scratch::Scratch;

    #[test]
    fn a_wait_ends_at_its_limit() {
        let scratch = Scratch::of_test("lock");
        let path = scratch.dir.join("lock");
        let held = File::create(&path).expect("a file");
        assert!(try_exclusive(&held).expect("it can be asked"));
        let other = File::open(&path).expect("a file");
        let limit = Duration::from_millis(5);
        let err = wait_for(&path, limit, || try_exclusive(&other)).expect_err("it is held");
        assert_eq!(err.kind(), io::ErrorKind::TimedOut);
        unlock(&held).expect("it is held");
        assert!(try_shared(&held).expect("free") && try_shared(&other).expect("it is shared"));
        assert!(!try_exclusive(&held).expect("it can be asked"), "another shares it");
    }

    /// cargo locks as std does. And our locks keep nobody from reading what we write.
    #[test]
    fn cargos_locks_and_ours_exclude_each_other() {
        let scratch = Scratch::of_test("lock-cargo");
        let path = scratch.dir.join("lock");
        let ours = File::create(&path).expect("a file");
        let cargos = File::open(&path).expect("a file");
        assert!(try_shared(&ours).expect("it is free") && cargos.try_lock().is_err());
        (&ours).write_all(b"text").expect("its owner may write");
        assert_eq!(std::fs::read(&path).expect("others may read"), b"text");
        unlock(&ours).expect("it is held");
        cargos.try_lock().expect("it is free");
        assert!(!try_shared(&ours).expect("it can be asked"));
    }
}

//! The times of a file: when it was last written, which any program can set, and when it last
//! changed in any way, which the system keeps by itself.

use std::fs::OpenOptions;
use std::io;
use std::path::Path;
use std::time::SystemTime;

#[cfg(unix)]
mod system {
    use std::time::Duration;

    use super::*;

    pub(super) fn open(path: &Path) -> io::Result<std::fs::File> {
        // Reading is enough, for those that are read-only.
        crate::files::without_waiting(OpenOptions::new().read(true)).open(path)
    }

    pub(super) fn changed(path: &Path) -> Option<SystemTime> {
        changed_of(&path.metadata().ok()?)
    }

    pub(super) fn changed_itself(path: &Path) -> Option<SystemTime> {
        changed_of(&path.symlink_metadata().ok()?)
    }

    fn changed_of(meta: &std::fs::Metadata) -> Option<SystemTime> {
        use std::os::unix::fs::MetadataExt as _;
        let (seconds, nanos) =
            (u64::try_from(meta.ctime()).ok()?, u32::try_from(meta.ctime_nsec()).ok()?);
        SystemTime::UNIX_EPOCH.checked_add(Duration::new(seconds, nanos))
    }
}

#[cfg(windows)]
#[expect(unsafe_code, reason = "std does not tell when a file changed")]
mod system {
    use std::fs::File;
    use std::os::windows::fs::OpenOptionsExt as _;
    use std::os::windows::io::{AsRawHandle as _, RawHandle};
    use std::time::Duration;

    use super::*;

    const READ_ATTRIBUTES: u32 = 0x80;
    const WRITE_ATTRIBUTES: u32 = 0x100;

    /// `FILE_BASIC_INFO`: created, accessed, written, changed, attributes.
    type BasicInfo = [u64; 5];

    #[link(name = "kernel32")]
    unsafe extern "system" {
        fn GetFileInformationByHandleEx(
            file: RawHandle,
            class: i32,
            info: *mut BasicInfo,
            size: u32,
        ) -> i32;
    }

    /// Files that are read-only, too, and directories.
    fn open_for(access: u32, path: &Path) -> io::Result<File> {
        const BACKUP_SEMANTICS: u32 = 0x0200_0000;
        OpenOptions::new().access_mode(access).custom_flags(BACKUP_SEMANTICS).open(path)
    }

    pub(super) fn open(path: &Path) -> io::Result<File> {
        open_for(WRITE_ATTRIBUTES, path)
    }

    pub(super) fn changed(path: &Path) -> Option<SystemTime> {
        const BASIC_INFO: i32 = 0;
        const SECONDS_FROM_1601_TO_1970: u64 = 11_644_473_600;
        const TICKS_IN_A_SECOND: u64 = 10_000_000;
        let file = open_for(READ_ATTRIBUTES, path).ok()?;
        let mut info = BasicInfo::default();
        let size = u32::try_from(size_of_val(&info)).ok()?;
        // SAFETY: the handle is open, and `info` has the size that is given.
        let is_told = unsafe {
            GetFileInformationByHandleEx(file.as_raw_handle(), BASIC_INFO, &mut info, size)
        } != 0;
        let [_, _, _, ticks, _] = info;
        let ticks = ticks.checked_sub(SECONDS_FROM_1601_TO_1970 * TICKS_IN_A_SECOND)?;
        let since_1970 = Duration::from_nanos(ticks.checked_mul(100)?);
        is_told.then(|| SystemTime::UNIX_EPOCH + since_1970)
    }

    /// Only when it was last written: who renames a directory goes unnoticed.
    pub(super) fn changed_itself(path: &Path) -> Option<SystemTime> {
        path.symlink_metadata().ok()?.modified().ok()
    }
}

/// Sets the time of a file or a directory, also of those that are read-only.
pub fn set_modified(path: &Path, time: SystemTime) -> io::Result<()> {
    system::open(path)?.set_modified(time)
}

/// When the file was last written, renamed, or given other rights or another time. `None` where it
/// is not there.
pub fn changed(path: &Path) -> Option<SystemTime> {
    system::changed(path)
}

/// The same of a link, and not of what it leads to.
pub fn changed_itself(path: &Path) -> Option<SystemTime> {
    system::changed_itself(path)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::files::scratch::Scratch;

    #[test]
    fn a_file_that_was_given_an_old_time_has_changed_since() {
        let scratch = Scratch::of_test("times");
        let file = scratch.dir.join("file");
        std::fs::write(&file, "text").expect("it can be written");
        let mut rights = file.metadata().expect("it is there").permissions();
        rights.set_readonly(true);
        std::fs::set_permissions(&file, rights.clone()).expect("it is ours");
        let before = changed(&file).expect("it is there");
        let old = before - Duration::from_secs(3600);
        for path in [&file, &scratch.dir] {
            set_modified(path, old).expect("it can be set");
            let modified = path.metadata().and_then(|meta| meta.modified()).expect("it is there");
            assert_eq!(modified, old);
            let since = changed(path).expect("it is there");
            assert!(before <= since, "{before:?} {since:?}");
        }
        assert_eq!(changed(&scratch.dir.join("other")), None);
        #[expect(clippy::permissions_set_readonly_false, reason = "it is deleted in a moment")]
        rights.set_readonly(false);
        std::fs::set_permissions(&file, rights).expect("it is ours");
    }
}

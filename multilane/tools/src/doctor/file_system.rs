//! The file system of a directory, and how much of it is free.

use std::path::Path;

#[cfg(unix)]
use multilane_engine::disk::Space;

/// Of a directory that exists.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct FileSystem {
    /// Two directories with the same number can share files.
    pub(crate) device: u64,
    /// `ext4`, `nfs4`; `None` where the system does not tell.
    pub(crate) kind: Option<String>,
    /// Bytes that are free for this user.
    pub(crate) free: Option<u64>,
}

/// `None` where the directory cannot be read.
#[cfg(unix)]
pub(crate) fn of(dir: &Path) -> Option<FileSystem> {
    use std::os::unix::fs::MetadataExt as _;
    let dir = multilane_engine::environment::real_path(dir).ok()?;
    let mounts = multilane_engine::files::read_text("/proc/self/mountinfo").unwrap_or_default();
    let free = Space::of(&dir).map(|space| space.free);
    Some(FileSystem { device: dir.metadata().ok()?.dev(), kind: kind(&mounts, &dir), free })
}

#[cfg(not(unix))]
pub(crate) fn of(dir: &Path) -> Option<FileSystem> {
    dir.metadata().ok().map(|_| FileSystem::default())
}

/// proc_pid_mountinfo(5): `36 35 98:0 /root /mount/point rw,noatime master:1 - ext3 /dev/root rw`.
/// Of two on one place the later one is seen.
#[cfg(unix)]
fn kind(mounts: &str, dir: &Path) -> Option<String> {
    let mounts = mounts.lines().filter_map(|line| {
        let (mount, rest) = line.split_once(" - ")?;
        let point = std::path::PathBuf::from(unescaped(mount.split(' ').nth(4)?));
        dir.starts_with(&point).then_some((point.components().count(), rest.split(' ').next()?))
    });
    mounts.max_by_key(|(depth, _)| *depth).map(|(_, kind)| kind.to_owned())
}

/// The kernel writes these as octal numbers.
#[cfg(unix)]
fn unescaped(point: &str) -> String {
    let escapes = [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")];
    escapes.iter().fold(point.to_owned(), |text, (from, to)| text.replace(from, to))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_mount_tells_the_kind() {
        let mounts = "21 1 8:1 / / rw - ext4 /dev/sda1 rw\n\
            30 21 0:44 / /srv rw,relatime shared:1 - nfs4 server:/x rw\n\
            31 30 0:45 / /srv/with\\040space rw - xfs /dev/sdb rw\n\
            32 21 0:46 / /srv rw - btrfs /dev/sdc rw\n\
            rubbish\n";
        let kind = |dir: &str| kind(mounts, Path::new(dir));
        assert_eq!(kind("/tmp"), Some("ext4".to_owned()));
        assert_eq!(kind("/srv/repo"), Some("btrfs".to_owned()), "the later one lies on top");
        assert_eq!(kind("/srvs"), Some("ext4".to_owned()));
        assert_eq!(super::kind("", Path::new("/")), None);
        let spaced = mounts.lines().nth(2).expect("three");
        assert_eq!(super::kind(spaced, Path::new("/srv/with space/x")), Some("xfs".to_owned()));
    }

    #[test]
    fn this_directory_lies_on_something() {
        let here = of(Path::new(".")).expect("it is there");
        assert!(here.free.is_some());
        assert_eq!(of(Path::new("no/such/directory")), None);
    }
}

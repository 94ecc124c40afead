//! Numbers at fixed places of a file of our own, which several processes write.

use std::fs::File;
use std::io;

#[cfg(unix)]
use std::os::unix::fs::FileExt as _;

/// # Errors
///
/// When the file ends before it, or cannot be read.
pub fn read_u64(file: &File, at: u64) -> io::Result<u64> {
    let mut bytes = [0; 8];
    #[cfg(unix)]
    file.read_exact_at(&mut bytes, at)?;
    #[cfg(windows)]
    if std::os::windows::fs::FileExt::seek_read(file, &mut bytes, at)? < bytes.len() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(u64::from_le_bytes(bytes))
}

/// # Errors
///
/// When the file cannot be written.
pub fn write_u64(file: &File, at: u64, number: u64) -> io::Result<()> {
    let bytes = number.to_le_bytes();
    #[cfg(unix)]
    return file.write_all_at(&bytes, at);
    #[cfg(windows)]
    std::os::windows::fs::FileExt::seek_write(file, &bytes, at).map(drop)
}

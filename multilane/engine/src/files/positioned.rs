//! Numbers at fixed places of a file of our own, which several processes write.

use std::fs::File;
use std::io;

#[cfg(unix)]
use std::os::unix::fs::FileExt as _;

#[cfg(unix)]
pub fn read_u64(file: &File, at: u64) -> io::Result<u64> {
    let mut bytes = [0; 8];
    file.read_exact_at(&mut bytes, at)?;
    Ok(u64::from_le_bytes(bytes))
}

#[cfg(unix)]
pub fn write_u64(file: &File, at: u64, number: u64) -> io::Result<()> {
    file.write_all_at(&number.to_le_bytes(), at)
}

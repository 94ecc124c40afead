//! Looks for words in bytes and in files, which may be large: a program with debug information has
//! hundreds of megabytes.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::files::open_to_read;
use crate::files::parallel::in_parallel;

/// xtask is compiled without optimisation, and hundreds of megabytes are searched: the C library's
/// search is optimised.
#[cfg(unix)]
pub fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    #[expect(unsafe_code, reason = "std searches bytes for a byte, not for bytes")]
    // SAFETY: both pointers are valid for the lengths that go with them, and nothing is written.
    let at = unsafe {
        libc::memmem(bytes.as_ptr().cast(), bytes.len(), needle.as_ptr().cast(), needle.len())
    };
    if at.is_null() { None } else { Some(at.addr() - bytes.as_ptr().addr()) }
}

#[cfg(not(unix))]
pub fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes.windows(needle.len()).position(|part| part == needle)
}

/// Whether the file holds `needle` followed by something that counts, of which `counts` gets to see
/// at least `ahead` bytes, or all that there are.
///
/// It is read in windows that stay in the processor's cache, on all processors: reading 190 MB into
/// memory of its own took 0.12 s, in windows 0.03 s (`read` of a file in the page cache, Linux, one
/// processor).
///
/// # Errors
///
/// When it cannot be read, or becomes shorter meanwhile.
pub fn is_in_file(
    path: &Path,
    needle: &[u8],
    ahead: usize,
    counts: impl Fn(&[u8]) -> bool + Sync,
) -> io::Result<bool> {
    const PART: u64 = 8 << 20;
    const WINDOW: u64 = 256 << 10;
    is_in_parts(path, (needle, ahead, &counts), PART, WINDOW)
}

type Wanted<'a, F> = (&'a [u8], usize, &'a F);

fn is_in_parts<F: Fn(&[u8]) -> bool + Sync>(
    path: &Path,
    wanted: Wanted<'_, F>,
    part: u64,
    window: u64,
) -> io::Result<bool> {
    let len = path.metadata()?.len();
    let parts: Vec<u64> = (0..len.div_ceil(part)).map(|number| number * part).collect();
    let is_found = AtomicBool::new(false);
    let searched = in_parallel(&parts, |start| -> io::Result<()> {
        let mut file = open_to_read(path)?;
        let mut buffer = Vec::new();
        let end = len.min(start + part);
        let mut at = *start;
        while at < end && !is_found.load(Ordering::Relaxed) {
            let own = window.min(end - at);
            file.seek(SeekFrom::Start(at))?;
            if has_one(&mut file, &mut buffer, own, wanted)? {
                is_found.store(true, Ordering::Relaxed);
            }
            at += own;
        }
        Ok(())
    });
    searched.into_iter().collect::<io::Result<()>>()?;
    Ok(is_found.into_inner())
}

/// Whether one begins in the next `own` bytes.
fn has_one<F: Fn(&[u8]) -> bool>(
    file: &mut File,
    buffer: &mut Vec<u8>,
    own: u64,
    (needle, ahead, counts): Wanted<'_, F>,
) -> io::Result<bool> {
    let behind = needle.len() + ahead;
    buffer.clear();
    file.take(own + behind as u64).read_to_end(buffer)?;
    if (buffer.len() as u64) < own {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let mut from = 0;
    while let Some(at) = find(&buffer[from..], needle) {
        let start = from + at;
        if start as u64 >= own {
            return Ok(false); // The next window's.
        }
        if counts(&buffer[start + needle.len()..]) {
            return Ok(true);
        }
        from = start + 1;
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::scratch::Scratch;

    #[test]
    fn it_is_found_wherever_a_window_ends() {
        let scratch = Scratch::of_test("search");
        let dir = scratch.dir.clone();
        let file = dir.join("file");
        for before in 0..40 {
            let text = format!("{}/w/src.rs and more", ".".repeat(before));
            std::fs::write(&file, text).expect("it can be written");
            for (part, window) in [(16, 4), (7, 7), (1000, 1000), (1, 1)] {
                let is_found = |counts: fn(&[u8]) -> bool| {
                    is_in_parts(&file, (b"/w/", 6, &counts), part, window).expect("it can be read")
                };
                assert!(is_found(|rest| rest.starts_with(b"src.rs")), "{before} {part} {window}");
                assert!(!is_found(|rest| !rest.starts_with(b"src.rs")), "{before} {part} {window}");
            }
        }
        std::fs::write(&file, "").expect("it can be written");
        assert!(!is_in_file(&file, b"x", 0, |_| true).expect("it can be read"));
        assert!(is_in_file(&dir.join("none"), b"x", 0, |_| true).is_err());
    }
}

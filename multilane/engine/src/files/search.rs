//! Looks for words in bytes.

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

//! What is said to the caches: nothing here changes a byte.
#![expect(clippy::inline_always, reason = "a hint must cost no more than its instruction")]

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch, _mm_sfence};

/// Bytes that move at a time.
pub(super) const LINE: usize = 64;

/// Asks for the line at `bytes[at]`, which may lie beyond the end: no byte is read. Nothing where Rust has no stable hint.
#[inline(always)]
#[cfg_attr(not(target_arch = "x86_64"), expect(unused_variables, reason = "no stable hint"))]
pub(super) fn ask_for(bytes: &[u8], at: usize) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: every x86-64 CPU has SSE, and a prefetch takes any address: it neither faults nor counts as an access.
    unsafe {
        _mm_prefetch::<_MM_HINT_T0>(bytes.as_ptr().wrapping_add(at).cast());
    }
}

/// What was stored past the caches may be read from here on, by any thread that this one synchronises with.
#[inline(always)]
pub(super) fn fence() {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: every x86-64 CPU has SSE.
    unsafe {
        _mm_sfence();
    }
}

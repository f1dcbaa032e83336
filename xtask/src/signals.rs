//! Hears what ends a program, so that this one can first end others in order.

use std::sync::atomic::{AtomicUsize, Ordering};

static HEARD: AtomicUsize = AtomicUsize::new(0);

/// Of a hang-up, an interrupt and a request to end; the same on every Unix.
const ENDING: [i32; 3] = [1, 2, 15];

/// From now on these signals do not end this program; it asks how many there have been.
#[expect(
    unsafe_code,
    reason = "the standard library hears no signals, and a task needs no dependency for one call"
)]
pub(crate) fn hear() {
    unsafe extern "C" {
        fn signal(number: i32, handler: extern "C" fn(i32)) -> usize;
    }
    extern "C" fn count(_: i32) {
        HEARD.fetch_add(1, Ordering::Relaxed);
    }
    for number in ENDING {
        // SAFETY: this is the C library's own declaration, and the handler only counts, which a handler may.
        unsafe { signal(number, count) };
    }
}

/// How often this program has been told to end.
pub(crate) fn heard() -> usize {
    HEARD.load(Ordering::Relaxed)
}

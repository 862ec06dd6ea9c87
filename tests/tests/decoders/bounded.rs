//! How much memory a target takes for an input: counted by the allocator of this program.

use std::sync::{Mutex, MutexGuard, PoisonError};

use cuecard::transport::mutants;
use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// The count is the whole program's, so one test runs at a time, with all that it prepares.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Held by a test while it runs.
pub(crate) struct Alone(#[expect(dead_code, reason = "it is kept, not read")] MutexGuard<'static, ()>);

/// Waits until no other test runs.
pub(crate) fn alone() -> Alone {
    Alone(ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner))
}

/// As [`mutants::hammer`], and an input may take `per_byte` bytes of memory for each of its own, and `most` beside.
pub(crate) fn hammer(
    alone: &Alone,
    name: &str,
    usual: u64,
    samples: &[Vec<u8>],
    (per_byte, most): (usize, usize),
    mut target: impl FnMut(&[u8]) -> bool,
) -> u64 {
    mutants::hammer(name, usual, samples, |bytes| {
        let (taken, took) = measured(alone, || target(bytes));
        let bound = per_byte * bytes.len() + most;
        assert!(took <= bound, "{took} bytes of memory for {} bytes", bytes.len());
        taken
    })
}

/// What `target` gives, and how many bytes of memory it took at its most.
pub(crate) fn measured<T>(_: &Alone, target: impl FnOnce() -> T) -> (T, usize) {
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let given = target();
    (given, MEMORY.peak_usage().saturating_sub(before))
}

#[test]
fn what_takes_too_much_is_noticed() {
    let caught = std::panic::catch_unwind(|| {
        hammer(&alone(), "greedy", 0, &[vec![0; 10]], (16, 1_000_000), |bytes| {
            std::hint::black_box(vec![1_u8; 200_000 * bytes.len()]);
            true
        })
    });
    assert!(caught.is_err());
}

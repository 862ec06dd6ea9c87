//! Whole-system tests of Cuecard, and the little that they share.

pub mod engines;
pub mod messages;
pub mod real;

use std::num::NonZero;
use std::ops::Range;
use std::panic::resume_unwind;
use std::sync::{Mutex, PoisonError};

/// The seeds to run: `usual` many, or what `CUECARD_SEED` (that one alone) or `CUECARD_SEEDS` (so many) says.
///
/// # Panics
/// When a variable is not a number, or asks for none: a run of nothing must not look like one that passed.
#[must_use]
pub fn seeds(usual: u64) -> Range<u64> {
    seeds_from(0, usual)
}

/// The same where each story of several has seeds of its own, from this one on.
///
/// # Panics
/// As [`seeds`].
#[must_use]
pub fn seeds_from(first: u64, usual: u64) -> Range<u64> {
    let number = |name: &str| {
        let text = std::env::var(name).ok()?;
        Some(
            text.parse::<u64>()
                .unwrap_or_else(|_| panic!("{name} is to be a number, not {text:?}")),
        )
    };
    let seeds = match number("CUECARD_SEED") {
        Some(seed) => seed..seed.saturating_add(1),
        None => first..first.saturating_add(number("CUECARD_SEEDS").unwrap_or(usual)),
    };
    assert!(!seeds.is_empty(), "no seed to run");
    seeds
}

/// The seeds of [`seeds`], and after them those that once found something, which are never left out of a usual run.
///
/// # Panics
/// As [`seeds`].
#[must_use]
pub fn seeds_and(usual: u64, once_fell: &[u64]) -> Vec<u64> {
    let chosen = ["CUECARD_SEED", "CUECARD_SEEDS"]
        .map(std::env::var)
        .iter()
        .any(Result::is_ok);
    let once_fell = if chosen { &[] } else { once_fell };
    let mut all: Vec<u64> = seeds(usual).collect();
    all.extend(once_fell.iter().filter(|seed| **seed >= usual));
    all
}

/// Tells a story of each of these seeds, on all cores of the machine at once. The first that fails is the one to look at:
/// its panic goes on here.
///
/// # Panics
/// When a story does.
pub fn on_all_cores<R: Send>(seeds: Vec<u64>, story: impl Fn(u64) -> R + Sync) -> Vec<R> {
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    let seeds = Mutex::new(seeds.into_iter());
    let next = || seeds.lock().unwrap_or_else(PoisonError::into_inner).next();
    let work = || std::iter::from_fn(next).map(&story).collect::<Vec<R>>();
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        let told = workers.into_iter().map(|worker| worker.join());
        told.flat_map(|told| told.unwrap_or_else(|panic| resume_unwind(panic)))
            .collect::<Vec<R>>()
    })
}

//! Whole-system tests of Cuecard, and the little that they share.

pub mod engines;
pub mod real;

use std::ops::Range;

/// The seeds to run: `usual` many, or what `CUECARD_SEED` (that one alone) or `CUECARD_SEEDS` (so many) says.
///
/// # Panics
/// When a variable is not a number, or asks for none: a run of nothing must not look like one that passed.
#[must_use]
pub fn seeds(usual: u64) -> Range<u64> {
    let number = |name: &str| {
        let text = std::env::var(name).ok()?;
        Some(
            text.parse::<u64>()
                .unwrap_or_else(|_| panic!("{name} is to be a number, not {text:?}")),
        )
    };
    let seeds = match number("CUECARD_SEED") {
        Some(seed) => seed..seed.saturating_add(1),
        None => 0..number("CUECARD_SEEDS").unwrap_or(usual),
    };
    assert!(!seeds.is_empty(), "no seed to run");
    seeds
}

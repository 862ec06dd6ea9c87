//! Bytes from anywhere, for tests of what takes them apart.
//!
//! `CUECARD_SEED` sets another seed, `CUECARD_CASES` how many cases each property is tried with.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};

/// Tries a property with many cases; panics with the smallest one it fails for, and the seed.
pub(crate) fn always<S: Strategy>(cases: S, property: impl Fn(S::Value) -> Result<(), TestCaseError>)
where
    S::Value: std::fmt::Debug,
{
    let setting = |name, otherwise| std::env::var(name).map_or(otherwise, |text| text.parse().unwrap());
    let seed: u64 = setting("CUECARD_SEED", 1);
    let config = Config {
        cases: u32::try_from(setting("CUECARD_CASES", 1000)).unwrap(),
        failure_persistence: None,
        ..Config::default()
    };
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_be_bytes());
    let random = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    if let Err(failure) = TestRunner::new_with_rng(config, random).run(&cases, property) {
        panic!("CUECARD_SEED={seed}: {failure}");
    }
}

/// Any bytes, most of them few.
pub(crate) fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        vec(any::<u8>(), 0..40),
        vec(any::<u8>(), 0..300),
        vec(any::<u8>(), 0..20_000)
    ]
}

/// One way to damage bytes.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    Flip(usize, u8),
    Set(usize, u8),
    Cut(usize),
    Insert(usize, Vec<u8>),
    Double(usize, usize),
}

pub(crate) fn change() -> impl Strategy<Value = Change> {
    // Lengths, versions and flags are near the beginning, checksums near the end: from there, too.
    let at = || {
        prop_oneof![
            0..80_usize,
            any::<usize>(),
            (0..80_usize).prop_map(|back| usize::MAX - back)
        ]
    };
    prop_oneof![
        (at(), 0..8_u8).prop_map(|(at, bit)| Change::Flip(at, bit)),
        (at(), any::<u8>()).prop_map(|(at, byte)| Change::Set(at, byte)),
        at().prop_map(Change::Cut),
        (at(), vec(any::<u8>(), 1..80)).prop_map(|(at, bytes)| Change::Insert(at, bytes)),
        vec(any::<u8>(), 1..80).prop_map(|bytes| Change::Insert(usize::MAX, bytes)),
        (at(), 1..80_usize).prop_map(|(at, length)| Change::Double(at, length)),
    ]
}

/// The bytes with some of that done to them; the places count from the end when they are beyond it.
pub(crate) fn changed(mut bytes: Vec<u8>, changes: &[Change]) -> Vec<u8> {
    for change in changes {
        let place = |at: usize| match usize::MAX - at < 80 {
            true => bytes.len().saturating_sub(usize::MAX - at),
            false => at % (bytes.len() + 1),
        };
        match change {
            Change::Flip(at, bit) => {
                let at = place(*at);
                bytes.get_mut(at).into_iter().for_each(|byte| *byte ^= 1 << bit);
            }
            Change::Set(at, value) => {
                let at = place(*at);
                bytes.get_mut(at).into_iter().for_each(|byte| *byte = *value);
            }
            Change::Cut(at) => bytes.truncate(place(*at)),
            Change::Insert(at, more) => {
                let at = place(*at);
                drop(bytes.splice(at..at, more.iter().copied()));
            }
            Change::Double(at, length) => {
                let from = place(*at);
                let copy = bytes[from..bytes.len().min(from + length)].to_vec();
                drop(bytes.splice(from..from, copy));
            }
        }
    }
    bytes
}

pub(crate) fn changes() -> impl Strategy<Value = Vec<Change>> {
    vec(change(), 1..4)
}

//! Bytes that are almost what a decoder expects: seeded, for the tests of every crate that reads what peers send.
//!
//! [`hammer`] feeds a target with valid samples, mutants of them (bits flipped, cut, spliced, lengths overwritten) and
//! noise. The same seed gives the same inputs. Three variables rule it:
//!
//! - `CUECARD_FUZZ=n`: so many inputs for each target, in place of the usual number.
//! - `CUECARD_FUZZ_SECONDS=n`: so many seconds for each target, whatever the number.
//! - `CUECARD_FUZZ_SEED=n`: another seed. It is named when a target fails, with the number of the input and its bytes.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::{Duration, Instant};

use crate::wire::Random;

/// Values at which lengths and counts turn into something else.
const EDGES: [u64; 14] = [
    0,
    1,
    2,
    0x7f,
    0x80,
    0xff,
    0x100,
    0x7fff,
    0xffff,
    0x10000,
    0x7fff_ffff,
    0xffff_ffff,
    1 << 63,
    u64::MAX,
];
/// Noise is at most this long: what is longer is a mutant's part.
const NOISE_BYTES_MAX: u64 = 600;
/// One input in so many is noise alone.
const NOISE_ONE_IN: u64 = 16;
/// A failing input that is longer is not shown whole.
const SHOWN_BYTES_MAX: usize = 4_096;

/// A seeded source of mutants.
#[derive(Debug, Clone)]
pub struct Mutants(Random);

impl Mutants {
    /// The source with this seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(Random(seed))
    }

    /// A number below `bound`; 0 where that is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0.next() % bound.max(1)
    }

    /// One of these; `None` where there is none.
    pub fn one_of<'a, T>(&mut self, all: &'a [T]) -> Option<&'a T> {
        let at = self.index(all.len());
        all.get(at)
    }

    /// The next input: a mutant of one of the samples, or noise.
    pub fn next(&mut self, samples: &[Vec<u8>]) -> Vec<u8> {
        let noise = self.below(NOISE_ONE_IN) == 0;
        let Some(sample) = self.one_of(samples).filter(|_| !noise) else {
            return self.noise();
        };
        let mut bytes = sample.clone();
        for _ in 0..=self.below(3) {
            self.mutate(&mut bytes, samples);
        }
        bytes
    }

    fn noise(&mut self) -> Vec<u8> {
        let longest = 1 + self.below(NOISE_BYTES_MAX);
        (0..self.below(longest))
            .map(|_| self.0.next().to_le_bytes()[0])
            .collect()
    }

    /// Changes bytes in one way.
    pub fn mutate(&mut self, bytes: &mut Vec<u8>, samples: &[Vec<u8>]) {
        let at = self.index(bytes.len());
        let range = self.range(bytes.len());
        match self.below(10) {
            0 | 1 => {
                let bit = self.below(8);
                overwrite(bytes, at, |byte| byte ^ (1 << bit));
            }
            2 => {
                let value = self.edge().to_le_bytes()[0];
                overwrite(bytes, at, |_| value);
            }
            3 => bytes.truncate(at),
            4 => drop(bytes.drain(range)),
            5 => {
                let part = bytes.get(range).unwrap_or_default().to_vec();
                bytes.splice(at..at, part);
            }
            6 => {
                let other = self.one_of(samples).cloned().unwrap_or_default();
                let part = other.get(self.range(other.len())).unwrap_or_default().to_vec();
                bytes.splice(range, part);
            }
            7 => {
                let noise = self.noise();
                bytes.splice(at..at, noise);
            }
            8 => {
                // A length or a count, however it is spelled.
                let (edge, width) = (self.edge(), 1 << self.below(4));
                let little: Vec<u8> = edge.to_le_bytes().into_iter().take(width).collect();
                let big = little.iter().rev().copied().collect();
                let leb128 = leb128(edge);
                let spelled = [little, big, leb128];
                let spelled = self.one_of(&spelled).cloned().unwrap_or_default();
                let end = (at + spelled.len()).min(bytes.len());
                bytes.splice(at..end, spelled);
            }
            _ => {
                let to = self.index(bytes.len());
                if at < bytes.len() && to < bytes.len() {
                    bytes.swap(at, to);
                }
            }
        }
    }

    fn edge(&mut self) -> u64 {
        let near = self.below(3);
        let edge = self.one_of(&EDGES).copied().unwrap_or_default();
        edge.wrapping_add(near).wrapping_sub(1)
    }

    fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).unwrap_or_default()
    }

    fn range(&mut self, len: usize) -> std::ops::Range<usize> {
        let (a, b) = (self.index(len + 1), self.index(len + 1));
        a.min(b)..a.max(b)
    }
}

fn overwrite(bytes: &mut [u8], at: usize, with: impl FnOnce(u8) -> u8) {
    if let Some(byte) = bytes.get_mut(at) {
        *byte = with(*byte);
    }
}

fn leb128(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    bytes.push(value.to_le_bytes()[0]);
    bytes
}

/// Feeds a target, which says whether it took the bytes: first every sample, which it must take, then `usual` mutants.
/// How many of those it took is returned.
///
/// # Panics
/// When the target does, having named the input; when it refuses a sample; when a variable is not a number.
pub fn hammer(name: &str, usual: u64, samples: &[Vec<u8>], mut target: impl FnMut(&[u8]) -> bool) -> u64 {
    let seed = variable("CUECARD_FUZZ_SEED").unwrap_or(1);
    let mut feed = |number: u64, bytes: &[u8]| {
        catch_unwind(AssertUnwindSafe(|| target(bytes))).unwrap_or_else(|panic| {
            let shown = bytes.get(..SHOWN_BYTES_MAX).unwrap_or(bytes);
            let hex: String = shown.iter().map(|byte| format!("{byte:02x}")).collect();
            eprintln!(
                "{name}: CUECARD_FUZZ_SEED={seed}, input {number}, {} bytes: {hex}",
                bytes.len()
            );
            resume_unwind(panic)
        })
    };
    for sample in samples {
        assert!(
            feed(0, sample),
            "{name}: a valid sample was refused: {sample:02x?}"
        );
    }
    let seconds = variable("CUECARD_FUZZ_SECONDS").map(Duration::from_secs);
    let inputs = variable("CUECARD_FUZZ").unwrap_or(usual);
    let (start, mut mutants) = (Instant::now(), Mutants::new(seed));
    let (mut number, mut taken) = (0, 0);
    while seconds.map_or(number < inputs, |seconds| start.elapsed() < seconds) {
        number += 1;
        taken += u64::from(feed(number, &mutants.next(samples)));
    }
    println!("{name}: seed {seed}, {number} inputs, {taken} of them taken");
    taken
}

fn variable(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    let number = text.parse();
    assert!(number.is_ok(), "{name} is to be a number, not {text:?}");
    number.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_and_mutants_differ_in_length_and_content() {
        let samples = [vec![7; 40], (0..100).collect()];
        let run = |seed| {
            let mut mutants = Mutants::new(seed);
            (0..500).map(|_| mutants.next(&samples)).collect::<Vec<_>>()
        };
        assert_eq!(run(1), run(1));
        assert_ne!(run(1), run(2));
        let lengths: std::collections::BTreeSet<usize> = run(1).iter().map(Vec::len).collect();
        assert!(lengths.len() > 50, "{lengths:?}");
        assert!(run(1).iter().filter(|mutant| samples.contains(mutant)).count() < 50);
    }

    #[test]
    #[should_panic(expected = "found it")]
    fn a_target_that_falls_is_noticed() {
        hammer("falls", 10_000, &[b"valid".to_vec()], |bytes| {
            assert!(bytes != b"valie", "found it");
            true
        });
    }

    #[test]
    #[should_panic(expected = "a valid sample was refused")]
    fn a_target_that_takes_nothing_is_noticed() {
        hammer("deaf", 1, &[b"valid".to_vec()], |_| false);
    }
}

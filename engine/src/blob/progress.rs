//! How far a blob has come, and how often that is told.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::id::BlobId;
use crate::time::Time;

/// An app is not told of one blob more often than this, its end apart: four times a second looks alive.
const TOLD_EVERY: Duration = Duration::from_millis(250);
/// Over how long a rate is taken: shorter ones jump.
const RATE_OVER: Duration = Duration::from_secs(2);

/// How far a blob has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlobProgress {
    /// Which blob.
    pub blob: BlobId,
    /// Verified bytes held (to the group).
    pub have_bytes: u64,
    /// Its size.
    pub size_bytes: u64,
    /// Verified bytes a second, lately; none while nothing comes.
    pub bytes_per_second: u64,
}

impl BlobProgress {
    /// Whether all of it is held.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        self.have_bytes == self.size_bytes
    }

    /// The bytes that are missing.
    #[must_use]
    pub const fn remaining_bytes(&self) -> u64 {
        self.size_bytes.saturating_sub(self.have_bytes)
    }

    /// How long the rest takes at the rate of now; unknown while nothing comes.
    #[must_use]
    pub fn remaining(&self) -> Option<Duration> {
        let millis = self.remaining_bytes().saturating_mul(1_000);
        match self.remaining_bytes() {
            0 => Some(Duration::ZERO),
            _ => Some(Duration::from_millis(millis.checked_div(self.bytes_per_second)?)),
        }
    }
}

/// What the app was told of blobs that are on their way.
#[derive(Debug, Default)]
pub(super) struct Telling(BTreeMap<BlobId, Told>);

#[derive(Debug)]
struct Told {
    at: Time,
    /// Where the rate is taken from: what was held then, and what the rate was before.
    since: Time,
    held: u64,
    rate: u64,
}

impl Telling {
    /// So many bytes of a blob are held now. Returns the rate, and whether it is time to tell the app.
    pub(super) fn note(&mut self, now: Time, blob: BlobId, held: u64) -> (u64, bool) {
        let fresh = Told {
            at: now,
            since: now,
            held,
            rate: 0,
        };
        let mut is_due = false;
        let told = self.0.entry(blob).or_insert_with(|| {
            is_due = true;
            fresh
        });
        let over = now.since(told.since);
        let millis = u64::try_from(over.as_millis()).unwrap_or(u64::MAX);
        let bytes = held.saturating_sub(told.held).saturating_mul(1_000);
        if let Some(rate) = bytes.checked_div(millis) {
            // The span before weighs as much as this one has not lasted yet.
            let span = u64::try_from(RATE_OVER.as_millis()).unwrap_or(u64::MAX);
            let weight = millis.min(span);
            told.rate = match told.rate {
                0 => rate,
                before => (before.saturating_mul(span - weight) + rate.saturating_mul(weight)) / span,
            };
        }
        if over >= RATE_OVER {
            (told.since, told.held) = (now, held);
        }
        if now.since(told.at) >= TOLD_EVERY {
            (told.at, is_due) = (now, true);
        }
        (told.rate, is_due)
    }

    /// The rate, as it was last.
    pub(super) fn rate(&self, now: Time, blob: BlobId) -> u64 {
        let told = self.0.get(&blob);
        told.filter(|told| now.since(told.since) <= RATE_OVER * 2)
            .map_or(0, |told| told.rate)
    }

    pub(super) fn forget(&mut self, blob: BlobId) {
        self.0.remove(&blob);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLOB: BlobId = BlobId::from_bytes([1; 32]);

    #[test]
    fn an_app_is_told_four_times_a_second_and_the_rate_follows() {
        let mut telling = Telling::default();
        let mut told = 0;
        for step in 0..=1_000_u64 {
            // 48 KiB every 10 ms, for ten seconds.
            let (rate, is_due) = telling.note(Time::from_millis(step * 10), BLOB, step * 49_152);
            told += u32::from(is_due);
            if step > 1 {
                assert!((4_800_000..=5_000_000).contains(&rate), "{rate} at step {step}");
            }
        }
        assert_eq!(told, 41, "at the start, and every quarter of a second");
        let at = |seconds: u64| Time::from_millis(seconds * 1_000);
        assert!(telling.rate(at(11), BLOB) > 0);
        assert_eq!(telling.rate(at(20), BLOB), 0, "nothing came for long");
    }

    #[test]
    fn what_remains_is_known_once_something_comes() {
        let progress = |have_bytes, bytes_per_second| BlobProgress {
            blob: BLOB,
            have_bytes,
            size_bytes: 1_000,
            bytes_per_second,
        };
        assert_eq!(progress(400, 300).remaining(), Some(Duration::from_secs(2)));
        assert_eq!(progress(400, 0).remaining(), None);
        assert_eq!(progress(1_000, 0).remaining(), Some(Duration::ZERO));
    }
}

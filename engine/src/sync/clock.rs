//! What time it is with another device.
//!
//! Clocks of devices are minutes apart and drift. An answer to a ping says what the other clock showed somewhere between
//! sending and hearing: taking the middle is wrong by half the round trip at most. What was sent again on the way makes a
//! round trip long and lopsided, so the shortest of the last ones counts.

use std::collections::VecDeque;
use std::time::Duration;

use minicbor::{Decode, Encode};

use crate::time::Time;

/// Answers that are looked back on.
const SAMPLES_MAX: usize = 16;
/// How far two clocks drift apart: those of ordinary devices drift by less.
const DRIFT_PER_MILLION: u128 = 100;

/// How far another clock is ahead of this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Offset {
    /// By so much; less than zero if it is behind.
    #[n(0)]
    pub ahead_ms: i64,
    /// It may be so much more or less.
    #[n(1)]
    pub uncertainty_ms: u32,
}

impl Offset {
    /// Of a clock to itself.
    pub const NONE: Self = Self {
        ahead_ms: 0,
        uncertainty_ms: 0,
    };

    /// What the other clock shows.
    #[must_use]
    pub fn there(&self, here: Time) -> Time {
        Time::from_millis(here.as_millis().saturating_add_signed(self.ahead_ms))
    }

    /// How far a third clock is ahead of this one, if it is so far ahead of the other.
    #[must_use]
    pub fn and(&self, further: Self) -> Self {
        Self {
            ahead_ms: self.ahead_ms.saturating_add(further.ahead_ms),
            uncertainty_ms: self.uncertainty_ms.saturating_add(further.uncertainty_ms),
        }
    }

    /// The same after some time: clocks drift.
    #[must_use]
    pub fn aged(&self, age: Duration) -> Self {
        let drift_ms = age.as_millis() * DRIFT_PER_MILLION / 1_000_000;
        Self {
            ahead_ms: self.ahead_ms,
            uncertainty_ms: self
                .uncertainty_ms
                .saturating_add(u32::try_from(drift_ms).unwrap_or(u32::MAX)),
        }
    }
}

/// What is known of another device's clock.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    samples: VecDeque<(Time, Offset)>,
}

impl Clock {
    /// The other clock showed `theirs_ms` between these two moments.
    pub(crate) fn take(&mut self, sent: Time, theirs_ms: u64, now: Time) {
        let round_trip_ms = now.as_millis().saturating_sub(sent.as_millis());
        let middle_ms = sent.as_millis().saturating_add(round_trip_ms / 2);
        let (Ok(theirs_ms), Ok(middle_ms)) = (i64::try_from(theirs_ms), i64::try_from(middle_ms)) else {
            return;
        };
        let sample = Offset {
            ahead_ms: theirs_ms.saturating_sub(middle_ms),
            // Both clocks were read to the millisecond.
            uncertainty_ms: u32::try_from(round_trip_ms / 2 + 1).unwrap_or(u32::MAX),
        };
        if let Some(known) = self.estimate(now) {
            let apart = known.ahead_ms.abs_diff(sample.ahead_ms);
            if apart > u64::from(known.uncertainty_ms.saturating_add(sample.uncertainty_ms)) {
                // Both cannot be right: it is another clock, of a process that was started again.
                self.samples.clear();
            }
        }
        self.samples.push_back((now, sample));
        if self.samples.len() > SAMPLES_MAX {
            self.samples.pop_front();
        }
    }

    /// The best of what is known.
    pub(crate) fn estimate(&self, now: Time) -> Option<Offset> {
        let aged = self
            .samples
            .iter()
            .map(|(at, offset)| offset.aged(now.since(*at)));
        aged.min_by_key(|offset| offset.uncertainty_ms)
    }

    /// When the last answer came.
    pub(crate) fn last(&self) -> Option<Time> {
        self.samples.back().map(|(at, _)| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(ms: u64) -> Time {
        Time::from_millis(ms)
    }

    #[test]
    fn the_shortest_of_the_last_round_trips_counts() {
        let mut clock = Clock::default();
        assert_eq!(clock.estimate(at(0)), None);
        // An hour ahead; the answer was sent again on its way back.
        clock.take(at(1_000), 3_601_010, at(1_620));
        let first = clock.estimate(at(1_620)).unwrap();
        assert_eq!(first.uncertainty_ms, 311);
        assert!(3_600_000_i64.abs_diff(first.ahead_ms) <= 311);
        clock.take(at(2_000), 3_602_010, at(2_020));
        let best = clock.estimate(at(2_020)).unwrap();
        assert_eq!((best.ahead_ms, best.uncertainty_ms), (3_600_000, 11));
        for n in 0..20 {
            clock.take(at(3_000 + n), 3_603_310 + n, at(3_620 + n));
        }
        let worse = clock.estimate(at(4_000)).unwrap();
        assert_eq!(worse.uncertainty_ms, 311, "the good one was too long ago");
        let old = clock.estimate(at(4_000 + 1_000_000)).unwrap();
        assert_eq!(old.uncertainty_ms, 411, "after 1,000 s");
    }

    #[test]
    fn another_clock_replaces_the_first() {
        let mut clock = Clock::default();
        clock.take(at(1_000), 5_010, at(1_020));
        clock.take(at(2_000), 9_006_300, at(2_600));
        let now = clock.estimate(at(2_600)).unwrap();
        assert_eq!((now.ahead_ms, now.uncertainty_ms), (9_004_000, 301));
        clock.take(at(3_000), u64::MAX, at(3_020));
        assert_eq!(clock.estimate(at(2_600)), Some(now), "no clock shows that");
        assert_eq!(now.there(at(1_000)), at(9_005_000));
        let behind = Offset {
            ahead_ms: -2_000,
            uncertainty_ms: 5,
        };
        assert_eq!(
            behind.there(at(1_000)),
            at(0),
            "there is no time before the first"
        );
        assert_eq!(now.and(behind).ahead_ms, 9_002_000);
        assert_eq!(now.and(behind).uncertainty_ms, 306);
    }
}

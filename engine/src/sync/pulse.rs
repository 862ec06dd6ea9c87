//! When to ask the device at the other end of a link what time it is, and what its answers tell of the path.
//!
//! Whether a link lives is the transport's affair, which has a heartbeat of its own. These questions are for what it
//! cannot know: the other clock, and where the other device stands in each deck.

use std::collections::VecDeque;
use std::time::Duration;

use crate::time::Time;

/// A link that is new is asked once, and so often again in a row: one answer in a few is good.
pub(crate) const QUICK: u8 = 5;
/// At this interval.
pub(crate) const QUICK_EVERY: Duration = Duration::from_millis(250);
/// While something is played: what clocks drift apart in that time is nothing, and a better answer comes soon.
pub(crate) const PLAYING_EVERY: Duration = Duration::from_secs(2);
/// With nothing going on: an answer is still found among the last 16 when something begins.
pub(crate) const IDLE_EVERY: Duration = Duration::from_secs(30);
/// Questions without an answer before no more are asked: the path has stalled, and all would arrive at once.
const UNANSWERED_MAX: usize = 16;
/// Answers that are looked back on for what the path is like.
const ROUND_TRIPS_MAX: usize = 16;
/// An answer that comes this much later than the best was lost on its way and sent again: stacks wait at least a second
/// before they do.
const LATE_BY: Duration = Duration::from_millis(500);

/// See the [module](self).
#[derive(Debug, Default)]
pub(crate) struct Pulse {
    /// When to ask next; `None`: not at all.
    next: Option<Time>,
    quick_left: u8,
    /// When to say next where this device stands.
    heads: Time,
    number: u32,
    unanswered: VecDeque<(u32, Time)>,
    round_trips: VecDeque<Duration>,
}

impl Pulse {
    /// There is something to ask about from now on.
    pub(crate) fn begin(&mut self, now: Time) {
        if self.next.is_none() {
            self.heads = now + IDLE_EVERY;
        }
        self.quicken(now);
    }

    /// A good answer is wanted soon.
    pub(crate) fn quicken(&mut self, now: Time) {
        self.quick_left = QUICK;
        self.next = Some(now);
    }

    /// Asks sooner, if the next question is far away.
    pub(crate) fn hurry(&mut self, now: Time) {
        let soon = now + PLAYING_EVERY;
        self.next = self.next.map(|next| next.min(soon));
    }

    pub(crate) const fn next(&self) -> Option<Time> {
        self.next
    }

    /// The number of the question that is due, and whether it is time to say where this device stands.
    pub(crate) fn ask(&mut self, now: Time, is_playing: bool) -> Option<(u32, bool)> {
        self.next.filter(|next| *next <= now)?;
        let every = match self.quick_left {
            0 if is_playing => PLAYING_EVERY,
            0 => IDLE_EVERY,
            _ => QUICK_EVERY,
        };
        self.quick_left = self.quick_left.saturating_sub(1);
        self.next = Some(now + every);
        if self.unanswered.len() >= UNANSWERED_MAX {
            return None;
        }
        self.number = self.number.wrapping_add(1);
        self.unanswered.push_back((self.number, now));
        let with_heads = self.heads <= now;
        if with_heads {
            self.heads = now + IDLE_EVERY;
        }
        Some((self.number, with_heads))
    }

    /// An answer: when it was asked for. `None`, if it was not.
    pub(crate) fn answered(&mut self, number: u32, now: Time) -> Option<Time> {
        let at = self.unanswered.iter().position(|(asked, _)| *asked == number)?;
        let (_, sent) = self.unanswered.remove(at)?;
        self.round_trips.push_back(now.since(sent));
        if self.round_trips.len() > ROUND_TRIPS_MAX {
            self.round_trips.pop_front();
        }
        Some(sent)
    }

    /// The last round trip.
    pub(crate) fn round_trip(&self) -> Option<Duration> {
        self.round_trips.back().copied()
    }

    /// Of a thousand answers, how many came so late that something must have been lost and sent again.
    pub(crate) fn late_per_mille(&self) -> Option<u16> {
        let best = self.round_trips.iter().min()?;
        let late = self.round_trips.iter().filter(|trip| **trip >= *best + LATE_BY);
        u16::try_from(late.count() * 1_000 / self.round_trips.len()).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked_at(pulse: &mut Pulse, from_ms: u64, to_ms: u64, is_playing: bool) -> Vec<u64> {
        let asks = |ms: &u64| {
            let now = Time::from_millis(*ms);
            let asked = pulse.ask(now, is_playing);
            if let Some((number, _)) = asked {
                pulse.answered(number, now + Duration::from_millis(7));
            }
            asked.is_some()
        };
        (from_ms..to_ms).filter(asks).collect()
    }

    #[test]
    fn a_new_link_is_asked_often_and_an_idle_one_rarely() {
        let mut pulse = Pulse::default();
        assert_eq!(
            asked_at(&mut pulse, 0, 1_000, false),
            [0; 0],
            "nothing to ask about"
        );
        pulse.begin(Time::from_millis(1_000));
        let quick: Vec<u64> = (0..6).map(|n| 1_000 + n * 250).collect();
        assert_eq!(asked_at(&mut pulse, 1_000, 3_000, false), quick);
        assert_eq!(asked_at(&mut pulse, 3_000, 63_500, false), [32_250, 62_250]);
        pulse.hurry(Time::from_millis(63_500));
        assert_eq!(asked_at(&mut pulse, 63_500, 68_000, true), [65_500, 67_500]);
        assert_eq!(pulse.round_trip(), Some(Duration::from_millis(7)));
        assert_eq!(pulse.late_per_mille(), Some(0));
    }

    #[test]
    fn where_it_stands_is_said_now_and_then() {
        let mut pulse = Pulse::default();
        pulse.begin(Time::from_millis(0));
        let mut said = Vec::new();
        for ms in 0..50_000 {
            let now = Time::from_millis(ms);
            if let Some((number, with_heads)) = pulse.ask(now, true) {
                pulse.answered(number, now);
                said.extend(with_heads.then_some(ms));
            }
        }
        assert_eq!(said, [31_250]);
    }

    #[test]
    fn a_path_that_stalled_is_not_filled_with_questions() {
        let mut pulse = Pulse::default();
        pulse.begin(Time::from_millis(0));
        let asked = (0..600_000).filter(|ms| pulse.ask(Time::from_millis(*ms), true).is_some());
        assert_eq!(asked.count(), UNANSWERED_MAX);
        assert_eq!(
            pulse.answered(99, Time::from_millis(600_000)),
            None,
            "it was never asked"
        );
        for number in 1..=16 {
            let sent = pulse.answered(number, Time::from_millis(600_000));
            assert!(sent.is_some());
            assert_eq!(pulse.answered(number, Time::from_millis(600_000)), None, "twice");
        }
        assert_eq!(pulse.late_per_mille(), Some(937), "all but the last");
    }
}

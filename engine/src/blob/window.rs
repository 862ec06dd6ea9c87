//! How much is asked for ahead on one link.
//!
//! Too little, and the path runs dry between question and answer; too much, and what is asked for next (the card that
//! somebody just opened) waits behind it at the source. So the window follows twice what the path holds: the rate at which
//! it delivers, times the time from a question to the first frame of its answer, as both are measured. That time is only
//! measured where little was asked for before: else it is that of our own queue. So now and then the window closes for one
//! round trip, to measure it again.

use std::time::Duration;

use crate::time::Time;

/// Where a link begins.
const START: u64 = 256 * 1024;
/// On the slowest path: two groups, so that one can be on its way while the other is verified.
pub(crate) const MIN: u64 = 2 * cuecard_store::GROUP_BYTES;
/// On the longest: bounds what a source encodes ahead, and what arrives late when a range was moved.
pub(crate) const MAX: u64 = 4 * 1024 * 1024;
/// Shorter round trips are taken for so long: threads have to be woken, the disk answers, and both queues of the lane below
/// are to stay full. What is asked for next waits no longer than twice this.
const ROUND_TRIP_MIN: Duration = Duration::from_millis(20);
/// How long a rate counts, and the time of a round trip: in round trips, and at least.
const RATE_KEPT: (u32, Duration) = (8, Duration::from_secs(2));
const ROUND_TRIP_KEPT: (u32, Duration) = (50, Duration::from_secs(10));

/// See the [module](self).
#[derive(Debug, Clone)]
pub(crate) struct Window {
    /// Before anything was measured.
    start: u64,
    /// Bytes that arrived so far.
    delivered: u64,
    /// Bytes a second: the best lately, and the best before that; since when "lately" lasts.
    rate: [u64; 2],
    rate_since: Option<Time>,
    /// From a question to the first frame of its answer.
    round_trip: Option<Duration>,
    measured: Option<Time>,
    /// Whether the window is closed to measure that again.
    is_probing: bool,
}

impl Default for Window {
    fn default() -> Self {
        Self {
            start: START,
            delivered: 0,
            rate: [0; 2],
            rate_since: None,
            round_trip: None,
            measured: None,
            is_probing: false,
        }
    }
}

/// What was known when a question left.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked {
    at: Time,
    delivered: u64,
    /// What was asked for before, and had not arrived.
    ahead: u64,
}

impl Window {
    /// Bytes that may be under way.
    pub(crate) fn bytes(&self) -> u64 {
        match self.round_trip {
            None => self.start,
            Some(_) if self.is_probing => MIN,
            Some(round_trip) => {
                let holds = self.rate().saturating_mul(millis(round_trip.max(ROUND_TRIP_MIN))) / 1_000;
                (2 * holds).clamp(MIN, MAX)
            }
        }
    }

    /// Bytes a second, as measured lately; none while nothing was.
    pub(crate) fn rate(&self) -> u64 {
        self.rate.into_iter().max().unwrap_or(0)
    }

    pub(crate) const fn round_trip(&self) -> Option<Duration> {
        self.round_trip
    }

    /// A question leaves, while so many bytes that were asked for before are under way.
    pub(crate) const fn ask(&self, now: Time, ahead: u64) -> Asked {
        Asked {
            at: now,
            delivered: self.delivered,
            ahead,
        }
    }

    /// So many bytes arrived, of the answer to this question; `is_first` of them.
    pub(crate) fn arrived(&mut self, now: Time, asked: Asked, bytes: u64, is_first: bool) {
        self.delivered += bytes;
        let took = now.since(asked.at).max(Duration::from_millis(1));
        if is_first && asked.ahead < MIN {
            let is_new = std::mem::take(&mut self.is_probing);
            let least = self.round_trip.filter(|_| !is_new);
            self.round_trip = Some(least.map_or(took, |least| least.min(took)));
            self.measured = Some(now);
        }
        let round_trip = self.round_trip.unwrap_or_default();
        let kept = |(round_trips, least): (u32, Duration)| least.max(round_trip * round_trips);
        if now.since(*self.rate_since.get_or_insert(now)) >= kept(RATE_KEPT) {
            self.rate_since = Some(now);
            let [rate, _] = self.rate;
            self.rate = [0, rate];
        }
        self.is_probing |= self
            .measured
            .is_some_and(|at| now.since(at) >= kept(ROUND_TRIP_KEPT));
        // All that arrived since the question left, of earlier questions, too: that is what the path carries.
        let [rate, _] = &mut self.rate;
        let now_rate = (self.delivered - asked.delivered).saturating_mul(1_000) / millis(took).max(1);
        *rate = now_rate.max(*rate);
    }

    /// What was measured is not true any more: the source has stalled.
    pub(crate) fn begin_anew(&mut self) {
        *self = Self {
            start: MIN,
            delivered: self.delivered,
            ..Self::default()
        };
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    /// A path with this round trip and rate, on which the window is always full: the window after so long, and the rate
    /// that was reached.
    fn after(seconds: u64, round_trip_ms: u64, rate: u64) -> (u64, u64) {
        const PULL: u64 = cuecard_store::GROUP_BYTES;
        let mut window = Window::default();
        let mut under_way: VecDeque<(f64, Asked)> = VecDeque::new();
        let (mut free_at, mut arrived, mut now) = (0.0_f64, 0, 0.0_f64);
        while now < seconds as f64 * 1e3 {
            while (under_way.len() as u64 + 1) * PULL <= window.bytes() {
                let starts = free_at.max(now + round_trip_ms as f64 / 2.0);
                free_at = starts + PULL as f64 * 1e3 / rate as f64;
                let at = free_at + round_trip_ms as f64 / 2.0;
                let ahead = under_way.len() as u64 * PULL;
                under_way.push_back((at, window.ask(Time::from_millis(now as u64), ahead)));
            }
            let (at, asked) = under_way.pop_front().expect("always full");
            now = now.max(at);
            arrived += PULL;
            window.arrived(Time::from_millis(now as u64), asked, PULL, true);
        }
        (window.bytes(), arrived / seconds)
    }

    #[test]
    fn the_window_fills_the_path_and_not_much_more() {
        for (round_trip, rate) in [
            (1, 100_000_000),
            (20, 12_000_000),
            (20, 60_000_000),
            (100, 10_000_000),
        ] {
            let (window, reached) = after(20, round_trip, rate);
            assert!(
                reached >= rate * 9 / 10,
                "{round_trip} ms, {rate}: {reached} a second, window {window}"
            );
            let holds = rate * round_trip.max(20) / 1_000;
            assert!(
                window <= (5 * holds).max(START),
                "{round_trip} ms, {rate}: {window} for {holds}"
            );
        }
    }

    #[test]
    fn a_slow_path_is_asked_for_little_ahead() {
        let (window, _) = after(20, 50, 100_000);
        assert!(window <= 2 * MIN, "{window}");
    }

    #[test]
    fn a_path_that_became_slow_is_found_out() {
        let mut window = Window::default();
        for step in 0..1_000 {
            let asked = window.ask(Time::from_millis(step * 5), 0);
            window.arrived(Time::from_millis(step * 5 + 20), asked, 200_000, true);
        }
        let fast = window.bytes();
        for step in 1_000..1_400 {
            let asked = window.ask(Time::from_millis(5_000 + step * 100), 0);
            window.arrived(Time::from_millis(5_100 + step * 100), asked, 10_000, true);
        }
        assert!(
            window.bytes() < fast / 2 && window.bytes() <= 2 * MIN,
            "{fast}, then {}",
            window.bytes()
        );
        window.begin_anew();
        assert_eq!(window.bytes(), MIN);
    }
}

//! The heartbeat of one link: how often, how long silence may last, and what the answers tell of the path.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::config::Config;
use super::frames::ControlFrame;
use crate::limits::{
    HEARTBEAT_EVERY_MIN, HEARTBEATS_REMEMBERED, LATE_BY, PATIENCE_MAX, ROOM_ASKED_EVERY,
    ROUND_TRIPS_SILENT_MAX, SILENCE_MAX,
};
use crate::link::CloseReason;

/// Who leads asks earlier than it must, by this part of the time: more than a question takes on most paths.
const EARLIER: u32 = 12;
/// Each side asks at least once in so many beats.
const ASKED_WITHIN: u32 = 3;
/// A heartbeat that is quickened may miss so many at least: what is late on a busy machine is no death.
const QUICK_MISSES_MIN: u32 = 3;

pub(super) struct Pulse {
    /// Whether this side is the one that asks, where one is enough: of the two sides one is.
    leads: bool,
    started: Instant,
    every: watch::Sender<Duration>,
    /// What it was at first, and how many beats may be missed then.
    set_up: Duration,
    misses: u32,
    /// When anything was last heard, in milliseconds since the start.
    heard_ms: AtomicU64,
    /// When the other side last sent a beat of its own, and when anything but a beat was last sent, in the same way.
    beaten_ms: AtomicU64,
    sent_ms: AtomicU64,
    /// Lanes that wait for this side's reader: then silence is our own doing.
    blocked: AtomicUsize,
    /// After such a wait, until it is known that the other side sends at its usual pace again.
    patience: Mutex<Option<Patience>>,
    /// Such a wait is over, and was long enough to be patient for.
    unblocked: Notify,
    answers: Mutex<Answers>,
}

/// After a wait for this side's reader.
#[derive(Debug, Clone, Copy)]
struct Patience {
    /// When the wait ended, since the start.
    from: Duration,
    /// Silence counts from here on, at the latest.
    until: Duration,
}

impl Pulse {
    pub(super) fn new(config: &Config, leads: bool) -> Self {
        Self {
            leads,
            started: Instant::now(),
            every: watch::Sender::new(possible(config.heartbeat)),
            set_up: possible(config.heartbeat),
            misses: config.heartbeat_misses.max(1),
            heard_ms: AtomicU64::new(0),
            beaten_ms: AtomicU64::new(0),
            sent_ms: AtomicU64::new(0),
            blocked: AtomicUsize::new(0),
            patience: Mutex::new(None),
            unblocked: Notify::new(),
            answers: Mutex::default(),
        }
    }

    pub(super) fn set_every(&self, every: Duration) {
        self.every.send_replace(possible(every));
    }

    pub(super) fn hear(&self) {
        self.heard_ms
            .store(millis(self.started.elapsed()), Ordering::Relaxed);
    }

    /// The other side sent a beat, which we answer: both have heard of each other by then.
    pub(super) fn beaten(&self) {
        self.beaten_ms
            .store(millis(self.started.elapsed()), Ordering::Relaxed);
    }

    /// Something that is no beat left: the other side hears us by it.
    pub(super) fn sent(&self) {
        self.sent_ms
            .store(millis(self.started.elapsed()), Ordering::Relaxed);
    }

    /// Counts a lane as waiting for its reader until that is dropped.
    pub(super) fn block(&self) -> Blocked<'_> {
        self.blocked.fetch_add(1, Ordering::Relaxed);
        Blocked {
            pulse: self,
            since: Instant::now(),
        }
    }

    /// One of our beats came back.
    pub(super) fn answered(&self, stamp_us: u64) {
        let Some(round_trip_us) = self.now_us().checked_sub(stamp_us) else {
            return;
        };
        let round_trip = Duration::from_micros(round_trip_us.max(1));
        self.answers().take(round_trip);
        // What is repeated comes a second late at least. So this answer was sent once, our stack has acknowledged it by now,
        // and that sets the other side's pause back to what the path asks for: see [`Blocked`].
        let asked = Duration::from_micros(stamp_us);
        let mut patience = self.patience();
        if round_trip < ROOM_ASKED_EVERY.0 && patience.is_some_and(|patience| asked >= patience.from) {
            *patience = None;
        }
    }

    pub(super) fn round_trip(&self) -> Option<Duration> {
        self.answers().latest
    }

    pub(super) fn loss_per_mille(&self) -> Option<u16> {
        self.answers().loss_per_mille()
    }

    fn patience(&self) -> std::sync::MutexGuard<'_, Option<Patience>> {
        self.patience.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answers(&self) -> std::sync::MutexGuard<'_, Answers> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn beats(&self) -> Beats<'_> {
        Beats {
            pulse: self,
            every: self.every.subscribe(),
            asked: None,
        }
    }

    fn heard(&self) -> Duration {
        Duration::from_millis(self.heard_ms.load(Ordering::Relaxed))
    }

    /// From when on silence counts.
    fn counted_from(&self) -> Duration {
        let patience = *self.patience();
        patience.map_or(self.heard(), |patience| self.heard().max(patience.until))
    }

    fn now_us(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}

/// See [`Pulse::beats`].
pub(super) struct Beats<'a> {
    pulse: &'a Pulse,
    every: watch::Receiver<Duration>,
    /// When our last one left.
    asked: Option<Duration>,
}

impl Beats<'_> {
    /// The next ping, when its time has come; an error when nothing was heard for too long.
    pub(super) async fn next(&mut self) -> Result<ControlFrame, CloseReason> {
        let pulse = self.pulse;
        loop {
            let every = *self.every.borrow_and_update();
            let now = pulse.started.elapsed();
            let silent = now.saturating_sub(pulse.counted_from());
            let misses = match every < pulse.set_up {
                true => pulse.misses.max(QUICK_MISSES_MIN),
                false => pulse.misses,
            };
            let silence_max = silence_max(every, misses, pulse.round_trip());
            if pulse.blocked.load(Ordering::Relaxed) > 0 {
                pulse.hear();
            } else if silent >= silence_max {
                let silent_ms = millis(now.saturating_sub(pulse.heard()));
                return Err(CloseReason::Silent { silent_ms });
            }
            let due = self.due(every);
            if due <= now {
                self.asked = Some(now);
                return Ok(ControlFrame::Ping(pulse.now_us()));
            }
            let left = silence_max.saturating_sub(silent).max(Duration::from_millis(1));
            tokio::select! {
                () = tokio::time::sleep(left.min(due - now)) => {}
                // The sender lives in the pulse.
                _ = self.every.changed() => {}
                () = pulse.unblocked.notified() => {}
            }
        }
    }

    /// When to ask next. A question and its answer show each side that the other lives, as does all else that goes both ways,
    /// so it is enough if one of the two asks: the one that leads, a little earlier than the other would. And each asks now
    /// and then, whatever passes: else it would not know how far away the other is.
    fn due(&self, every: Duration) -> Duration {
        let Some(asked) = self.asked else {
            return Duration::ZERO;
        };
        // Soon after a wait that was long: the answer is what ends the patience.
        let patience = *self.pulse.patience();
        if patience.is_some_and(|patience| asked < patience.from && patience.is_long()) {
            return asked + ROOM_ASKED_EVERY.0;
        }
        let at = |ms: &AtomicU64| Duration::from_millis(ms.load(Ordering::Relaxed));
        let pulse = self.pulse;
        let both = at(&pulse.heard_ms).min(at(&pulse.sent_ms));
        let last = asked.max(at(&pulse.beaten_ms)).max(both);
        let earlier = if pulse.leads {
            every / EARLIER
        } else {
            Duration::ZERO
        };
        (last + every - earlier).min(asked.saturating_add(every.saturating_mul(ASKED_WITHIN)))
    }
}

impl Patience {
    /// As after a wait in which the other side asked for room at least once.
    fn is_long(&self) -> bool {
        self.until.saturating_sub(self.from) >= ROOM_ASKED_EVERY.0 * 3
    }
}

/// See [`Pulse::block`].
pub(super) struct Blocked<'a> {
    pulse: &'a Pulse,
    since: Instant,
}

impl Drop for Blocked<'_> {
    fn drop(&mut self) {
        self.pulse.blocked.fetch_sub(1, Ordering::Relaxed);
        self.pulse.hear();
        // Whoever was kept waiting asks ever more rarely whether there is room: after a second, then two, then four. So
        // the next question may take as long again as the wait was; and if what follows it is lost, twice as long, as the
        // pause is shortened by nothing but an answer to something that was sent once.
        let waited = self.since.elapsed().min(ROOM_ASKED_EVERY.1) * 2;
        let from = self.pulse.started.elapsed();
        let until = from + waited + ROOM_ASKED_EVERY.0;
        let mut patience = self.pulse.patience();
        // A short wait soon after a long one takes nothing back.
        let until = patience.map_or(until, |before| before.until.max(until));
        let after = *patience.insert(Patience { from, until });
        drop(patience);
        if after.is_long() {
            self.pulse.unblocked.notify_one();
        }
    }
}

/// How long nothing may be heard. A quick heartbeat on a slow path must not take the path's own delay for death; and
/// whatever is set, a person does not wait longer than [`SILENCE_MAX`] unless it was they who set that.
fn silence_max(every: Duration, misses: u32, round_trip: Option<Duration>) -> Duration {
    let set = every.saturating_mul(misses);
    let slow = round_trip.unwrap_or_default() * ROUND_TRIPS_SILENT_MAX;
    set.max(slow.min(SILENCE_MAX))
}

#[derive(Default)]
struct Answers {
    latest: Option<Duration>,
    /// The last of them.
    round_trips: VecDeque<Duration>,
}

impl Answers {
    fn take(&mut self, round_trip: Duration) {
        self.latest = Some(round_trip);
        self.round_trips.push_back(round_trip);
        if self.round_trips.len() > HEARTBEATS_REMEMBERED {
            self.round_trips.pop_front();
        }
    }

    /// Beats are reliable, so a lost one comes back late: the stack waits at least a second before it sends again.
    fn loss_per_mille(&self) -> Option<u16> {
        let best = *self.round_trips.iter().min()?;
        let late = self
            .round_trips
            .iter()
            .filter(|&&round_trip| round_trip > best + LATE_BY);
        u16::try_from(late.count() * 1_000 / self.round_trips.len()).ok()
    }
}

/// No timer ticks without a pause, nor after more time than it can count.
fn possible(every: Duration) -> Duration {
    every.clamp(HEARTBEAT_EVERY_MIN, PATIENCE_MAX)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn silence_is_measured_by_the_path_as_well() {
        assert_eq!(silence_max(ms(5_000), 3, None), ms(15_000));
        assert_eq!(silence_max(ms(5_000), 3, Some(ms(600))), ms(15_000));
        // Half a second between beats, over a satellite.
        assert_eq!(silence_max(ms(166), 3, Some(ms(600))), ms(2_400));
        assert_eq!(silence_max(ms(500), 3, Some(ms(20))), ms(1_500));
        assert_eq!(silence_max(ms(500), 3, Some(ms(60_000))), SILENCE_MAX);
        assert_eq!(silence_max(ms(30_000), 3, None), ms(90_000), "as it was set");
    }

    #[tokio::test(start_paused = true)]
    async fn no_heartbeat_is_too_quick_or_too_slow_to_keep() {
        let config = Config {
            heartbeat: Duration::ZERO,
            heartbeat_misses: u32::MAX,
            ..Config::default()
        };
        let pulse = Pulse::new(&config, false);
        let mut beats = pulse.beats();
        for every in [Duration::ZERO, Duration::MAX] {
            pulse.set_every(every);
            assert!(
                matches!(beats.next().await, Ok(ControlFrame::Ping(_))),
                "{every:?}"
            );
        }
        // Between two beats, when nobody waits for a change. It was passed over then, and the beats stayed rare.
        pulse.set_every(Duration::ZERO);
        let began = pulse.started.elapsed();
        for _ in 0..3 {
            beats.next().await.unwrap();
        }
        assert_eq!(millis(pulse.started.elapsed() - began), 60, "three pauses");
    }

    #[tokio::test(start_paused = true)]
    async fn silence_counts_from_when_the_other_side_knows_that_there_is_room_again() {
        for (blocked_ms, noticed_after_ms) in [(4_000, 8_000 + 1_000 + 600), (200_000, 120_000 + 1_000 + 600)]
        {
            let pulse = Pulse::new(&Config::default(), false);
            pulse.set_every(ms(200));
            let mut beats = pulse.beats();
            let unblocked = async {
                let blocked = pulse.block();
                tokio::time::sleep(ms(blocked_ms)).await;
                drop(blocked);
                std::future::pending::<()>().await;
            };
            let silent = async { while beats.next().await.is_ok() {} };
            tokio::select! {
                biased;
                () = unblocked => unreachable!(),
                () = silent => {}
            }
            let noticed = millis(pulse.started.elapsed()) - blocked_ms;
            assert!(noticed.abs_diff(noticed_after_ms) < 10, "after {noticed} ms");
        }
    }

    /// A reader that was busy for a minute, and a device that is gone two seconds after. How long it is missed depends on whether
    /// it was heard to be back at its pace.
    #[tokio::test(start_paused = true)]
    async fn patience_ends_with_a_prompt_answer_to_what_was_asked_after_the_wait() {
        // No heartbeat is due just then.
        const WAITED: Duration = ms(61_000);
        const PATIENT: Duration = ms(2 * 60_000 + 1_000);
        let silence_max = Config::default().silence_max();
        for (asked, took, noticed_after) in [
            (WAITED + ms(10), ms(20), ms(2_000) + silence_max),
            (WAITED + ms(10), ms(990), ms(2_000) + silence_max),
            (WAITED + ms(10), ms(1_000), PATIENT + silence_max),
            (WAITED - ms(10), ms(50), PATIENT + silence_max),
        ] {
            let pulse = Pulse::new(&Config::default(), false);
            let (mut beats, mut beaten) = (pulse.beats(), Vec::new());
            let other = async {
                let blocked = pulse.block();
                tokio::time::sleep_until(pulse.started + WAITED).await;
                drop(blocked);
                tokio::time::sleep_until(pulse.started + asked + took).await;
                pulse.answered(u64::try_from(asked.as_micros()).unwrap());
                tokio::time::sleep_until(pulse.started + WAITED + ms(2_000)).await;
                pulse.hear();
                std::future::pending::<()>().await;
            };
            let silent = async {
                while beats.next().await.is_ok() {
                    beaten.push(pulse.started.elapsed());
                }
            };
            tokio::select! {
                biased;
                () = other => unreachable!(),
                () = silent => {}
            }
            let noticed = pulse.started.elapsed() - WAITED;
            assert!(
                noticed.abs_diff(noticed_after) < ms(10),
                "asked at {asked:?}, answered in {took:?}, noticed after {noticed:?}"
            );
            let soon = beaten.iter().find(|&&at| at >= WAITED).unwrap();
            assert!(*soon <= WAITED + ms(1_000), "asked only at {soon:?}");
        }
    }

    /// Two sides, and what they ask in ten minutes, over a path with this delay: how often each, and the longest that a side
    /// did not hear of the other.
    async fn ask_each_other(every: [Duration; 2], delay: Duration) -> ([u32; 2], [Duration; 2]) {
        let pulses = [true, false].map(|leads| Pulse::new(&Config::default(), leads));
        for (pulse, every) in pulses.iter().zip(every) {
            pulse.set_every(every);
        }
        let asked = [const { AtomicUsize::new(0) }; 2];
        let longest = [const { AtomicU64::new(0) }; 2];
        let side = async |here: usize| {
            let (own, other) = (&pulses[here], &pulses[1 - here]);
            let mut beats = own.beats();
            let hears = |at: usize, pulse: &Pulse| {
                let since = pulse.started.elapsed() - pulse.heard();
                longest[at].fetch_max(millis(since), Ordering::Relaxed);
                pulse.hear();
            };
            // The second one begins a little later, as it does.
            tokio::time::sleep(ms(3) * here as u32).await;
            while let Ok(ControlFrame::Ping(stamp)) = beats.next().await {
                asked[here].fetch_add(1, Ordering::Relaxed);
                // It is on its way alone; the next one is far away.
                tokio::time::sleep(delay).await;
                hears(1 - here, other);
                other.beaten();
                tokio::time::sleep(delay).await;
                hears(here, own);
                own.answered(stamp);
            }
        };
        let both = async { tokio::join!(side(0), side(1)) };
        let _ = tokio::time::timeout(Duration::from_secs(600), both).await;
        (
            asked.map(|count| count.into_inner() as u32),
            longest.map(|ms| Duration::from_millis(ms.into_inner())),
        )
    }

    #[tokio::test(start_paused = true)]
    async fn of_two_sides_one_asks_and_the_other_now_and_then() {
        for delay in [ms(1), ms(50), ms(300)] {
            let (asked, longest) = ask_each_other([ms(7_500); 2], delay).await;
            // In six hundred seconds: alone, each would ask 80 times.
            assert!((80..=88).contains(&asked[0]), "{delay:?}: {asked:?}");
            assert!((26..=28).contains(&asked[1]), "{delay:?}: {asked:?}");
            for longest in longest {
                assert!(longest <= ms(7_500) + delay * 2, "{delay:?}: {longest:?}");
            }
        }
        let (asked, _) = ask_each_other([ms(500), ms(7_500)], ms(20)).await;
        assert!(asked[0] >= 1_100 && (26..=28).contains(&asked[1]), "{asked:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn what_goes_both_ways_stands_in_for_beats() {
        let pulse = Pulse::new(&Config::default(), false);
        let (mut beats, mut asked) = (pulse.beats(), Vec::new());
        let talk = async {
            for second in 0..60 {
                tokio::time::sleep(ms(1_000)).await;
                pulse.hear();
                // For half a minute this side only listens.
                if second >= 30 {
                    pulse.sent();
                }
            }
        };
        let beat = async {
            while beats.next().await.is_ok() {
                asked.push(pulse.started.elapsed().as_secs());
            }
        };
        tokio::select! {
            () = talk => {}
            () = beat => unreachable!(),
        }
        assert_eq!(
            asked,
            [0, 7, 15, 22, 30, 52],
            "then it is for the round trip alone"
        );
    }

    #[test]
    fn a_lost_beat_shows_as_a_late_one() {
        let mut answers = Answers::default();
        assert_eq!(answers.loss_per_mille(), None);
        for n in 0..8 {
            answers.take(ms(if n == 3 { 1_020 } else { 20 + n }));
        }
        assert_eq!(answers.loss_per_mille(), Some(125));
        for _ in 0..HEARTBEATS_REMEMBERED {
            answers.take(ms(20));
        }
        assert_eq!(answers.loss_per_mille(), Some(0), "long ago");
    }

    #[tokio::test(start_paused = true)]
    async fn a_quicker_heartbeat_notices_sooner() {
        let pulse = Pulse::new(&Config::default(), false);
        let mut beats = pulse.beats();
        for count in 0..3 {
            beats.next().await.unwrap();
            pulse.hear();
            assert_eq!(millis(pulse.started.elapsed()), count * 7_500, "beat {count}");
        }
        let began = pulse.started.elapsed();
        // In the middle of the next pause.
        let sooner = async {
            tokio::time::sleep(ms(1_000)).await;
            pulse.hear();
            pulse.set_every(ms(500));
            std::future::pending::<()>().await;
        };
        let mut came = 0;
        let silent = async {
            loop {
                match beats.next().await {
                    Ok(_) => came += 1,
                    Err(why) => return why,
                }
            }
        };
        let why = tokio::select! {
            why = silent => why,
            () = sooner => unreachable!(),
        };
        assert_eq!(why, CloseReason::Silent { silent_ms: 1_500 });
        assert_eq!(millis(pulse.started.elapsed() - began), 2_500);
        assert!(came >= 3, "{came}");
    }
}

//! One link as a source of audio: what it was asked for, and how it keeps up.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use crate::blob::window::{self, Window};
use crate::id::{DeckId, DeviceId};
use crate::time::Time;

/// A source that brings no verified byte for this long, or four round trips, loses what it was asked for to another.
pub(crate) const STALL: Duration = Duration::from_secs(2);
/// How long one that stalled is left alone: as long as that took, twice as long each time, and no longer than this.
const REST_MAX: Duration = Duration::from_secs(60);
/// A source that keeps saying where it stands is not asked each time for all that it lacks.
const ASKED_AGAIN_EVERY: Duration = Duration::from_secs(10);

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Source {
    pub(super) device: DeviceId,
    /// The decks that both sides share: of no other is it asked for anything.
    pub(super) decks: BTreeSet<DeckId>,
    pub(super) window: Window,
    /// Bytes that it was asked for and that have not arrived.
    pub(super) asked: u64,
    /// The transfers that they belong to, in the order in which it was asked.
    pub(super) queue: VecDeque<u32>,
    /// Frames of it that are being verified.
    pub(super) unverified: usize,
    /// When its last verified byte came, or it was asked after a while of nothing.
    pub(super) quiet_since: Time,
    /// How often in a row it stalled.
    strikes: u32,
    rests_until: Option<Time>,
    asked_again: Option<Time>,
    /// What there had been for it to do when it last found nothing.
    pub(super) found_nothing: Option<u64>,
}

impl Source {
    pub(super) fn new(now: Time, device: DeviceId) -> Self {
        Self {
            device,
            decks: BTreeSet::new(),
            window: Window::default(),
            asked: 0,
            queue: VecDeque::new(),
            unverified: 0,
            quiet_since: now,
            strikes: 0,
            rests_until: None,
            asked_again: None,
            found_nothing: None,
        }
    }

    /// How many bytes more it may be asked for. One question is always open to it.
    pub(super) fn room(&self) -> u64 {
        let room = self.window.bytes().saturating_sub(self.asked);
        if self.asked == 0 {
            room.max(window::MIN)
        } else {
            room
        }
    }

    pub(super) const fn rests_until(&self) -> Option<Time> {
        self.rests_until
    }

    pub(super) fn rests(&self, now: Time) -> bool {
        self.rests_until.is_some_and(|until| now < until)
    }

    /// When it counts as stalled, unless something comes before.
    pub(super) fn stalls_at(&self) -> Option<Time> {
        // What is being verified has come: our own disk is slow.
        let waits = !self.queue.is_empty() && self.unverified == 0;
        let round_trips = self.window.round_trip().unwrap_or_default() * 4;
        // A group has to be whole to be verified, and over the slowest path one takes a while.
        let two_groups = (2_000 * cuecard_store::GROUP_BYTES).checked_div(self.window.rate());
        let two_groups = Duration::from_millis(two_groups.unwrap_or(0));
        waits.then(|| self.quiet_since + STALL.max(round_trips).max(two_groups))
    }

    pub(super) fn stalled(&mut self, now: Time) {
        let rest = STALL.saturating_mul(1 << self.strikes.min(8)).min(REST_MAX);
        self.strikes += 1;
        self.rests_until = Some(now + rest);
        self.queue.clear();
        self.asked = 0;
        self.window.begin_anew();
    }

    /// It brought something true.
    pub(super) fn delivered(&mut self, now: Time) {
        self.quiet_since = now;
        self.strikes = 0;
        self.rests_until = None;
    }

    /// How long until it has brought all that it was asked for, and `more` bytes.
    pub(super) fn takes(&self, more: u64) -> Option<Duration> {
        let millis = (self.asked + more)
            .saturating_mul(1_000)
            .checked_div(self.window.rate())?;
        Some(Duration::from_millis(millis) + self.window.round_trip().unwrap_or_default())
    }

    /// Whether it is time to ask it once more for what it said that it lacks.
    pub(super) fn is_asked_again(&mut self, now: Time) -> bool {
        let is_due = self
            .asked_again
            .is_none_or(|at| now.since(at) >= ASKED_AGAIN_EVERY);
        if is_due {
            self.asked_again = Some(now);
        }
        is_due
    }
}

//! Pings: what time it is with the devices at the other ends, how far away they are, and whether they stand where this
//! device believes that they do.

use std::time::Duration;

use crate::core::log::Log;
use crate::core::{Core, LinkId};
use crate::event::Event;
use crate::id::DeviceId;
use crate::limits::{LINKS_MAX, PINGS_PER_SECOND_MAX};
use crate::sync::clock::Offset;
use crate::sync::holdings::Digest;
use crate::sync::message::{DeckPulse, Message, Position};
use crate::sync::session::Session;
use crate::time::Time;

/// How far away a linked device is, in time, as its answers tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Distance {
    /// Which device.
    pub device: DeviceId,
    /// The last round trip of a question and its answer, the queues of both devices included.
    pub round_trip: Option<Duration>,
    /// How far its clock is ahead of this one.
    pub clock: Option<Offset>,
    /// Of a thousand answers, the last sixteen, how many came so late that something must have been lost on the way and
    /// sent again.
    pub late_per_mille: Option<u16>,
}

/// Where two devices stood when that was last compared, and how often it was found the same, and not to fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Apart {
    theirs: (Position, Digest),
    ours: Option<(Position, Digest)>,
    times: u32,
}

impl Core {
    /// How far away the linked devices are. One that shares no deck with this device is not asked.
    #[must_use]
    pub fn distances(&self) -> Vec<Distance> {
        let quality = |link: &super::links::LinkState| {
            let pulse = &link.live.pulse;
            Distance {
                device: link.peer,
                round_trip: pulse.round_trip(),
                clock: self.clock_of(link.peer),
                late_per_mille: pulse.late_per_mille(),
            }
        };
        self.links.values().map(quality).collect()
    }

    /// How far the clock of a device is ahead, if it is or was linked.
    pub(super) fn clock_of(&self, device: DeviceId) -> Option<Offset> {
        self.clocks.get(&device)?.estimate(self.now)
    }

    /// Asks whom it is time to ask. Says when it is time next.
    pub(super) fn keep_pulse(&mut self) -> Option<Time> {
        let now = self.now;
        let plays = |state: &super::DeckState| state.live.playback.is_on();
        let mut questions = Vec::new();
        for (&link, state) in &mut self.links {
            let mut decks = state.sessions.keys().filter_map(|deck| self.decks.get(deck));
            let is_playing = decks.any(plays);
            if is_playing {
                state.live.pulse.hurry(now);
            }
            let asked = state.live.pulse.ask(now, is_playing);
            questions.extend(asked.map(|(number, with_heads)| (link, number, with_heads)));
        }
        for (link, number, with_heads) in questions {
            let decks = if with_heads { self.pulses(link) } else { Vec::new() };
            self.send(link, &Message::Ping { number, decks });
        }
        self.links
            .values()
            .filter_map(|state| state.live.pulse.next())
            .min()
    }

    fn pulses(&mut self, link: LinkId) -> Vec<DeckPulse> {
        let Some(state) = self.links.get(&link) else {
            return Vec::new();
        };
        let mut pulses = Vec::new();
        for &deck in state.sessions.keys() {
            let log = self.decks.get_mut(&deck).and_then(|state| state.log.as_mut());
            pulses.extend(log.map(|log| DeckPulse {
                deck,
                held: log.durable(),
                beside: log.beside().1,
                changes: log.changes_upto(log.durable()).unwrap_or_default(),
            }));
        }
        pulses
    }

    /// A deck of a link is spoken of from now on: there is something to ask about.
    pub(super) fn begin_pulse(&mut self, link: LinkId) {
        let now = self.now;
        if let Some(state) = self.links.get_mut(&link) {
            state.live.pulse.begin(now);
        }
    }

    /// A ping came. Whether it was answered.
    pub(super) fn answer_ping(&mut self, link: LinkId, number: u32) -> bool {
        let now = self.now;
        let Some(state) = self.links.get_mut(&link) else {
            return false;
        };
        // Those who share no deck with this device learn nothing of it.
        if state.sessions.is_empty() {
            return false;
        }
        if state.live.pings.count(now) > PINGS_PER_SECOND_MAX {
            self.refuse(link, "more pings than a device may send".to_owned());
            return false;
        }
        let at_ms = now.as_millis();
        self.send(link, &Message::Pong { number, at_ms });
        true
    }

    pub(super) fn take_pong(&mut self, link: LinkId, number: u32, at_ms: u64) {
        let now = self.now;
        let Some(state) = self.links.get_mut(&link) else {
            return;
        };
        let (peer, sent) = (state.peer, state.live.pulse.answered(number, now));
        let Some(sent) = sent else { return };
        self.clocks.entry(peer).or_default().take(sent, at_ms, now);
        // Of those that are gone, some are remembered: an editor's clock goes on while the way to it is mended.
        if self.clocks.len() > 2 * LINKS_MAX {
            let oldest = self.clocks.iter().min_by_key(|(_, clock)| clock.last());
            if let Some(oldest) = oldest.map(|(device, _)| *device) {
                self.clocks.remove(&oldest);
            }
        }
    }

    /// All that the other side had sent of this deck before has been taken in by now, as lanes keep their order and what is
    /// held goes before this. If both stand where they stood the last time, and that does not fit, something was missed, and
    /// nothing is on its way to mend it.
    pub(super) fn compare_pulse(&mut self, link: LinkId, pulse: &DeckPulse) {
        let deck = pulse.deck;
        let Some(session) = self.session(link, deck) else {
            return;
        };
        if session.acked != Some(pulse.held) {
            // It says so in case that was lost.
            self.take_ack(link, deck, pulse.held, 0, pulse.changes);
        }
        // More has come since, or too much waits behind what is held.
        let is_held = |session: &mut Session| !session.held.is_empty();
        if self.session(link, deck).is_some_and(is_held) {
            return;
        }
        let Some(state) = self.decks.get_mut(&deck) else {
            return;
        };
        let session = self.links.get_mut(&link);
        let session = session.and_then(|link| Some((link.peer, link.sessions.get_mut(&deck)?)));
        let Some((device, session)) = session else { return };
        let theirs = (pulse.held, pulse.beside);
        let log = state.log.as_mut();
        let is_ahead = |log: &Log| log.is_before(pulse.held, log.durable());
        let ours = log.map(|log| (log.durable(), log.beside().1));
        let is_ahead = state.log.as_ref().is_some_and(is_ahead);
        let times = match &mut session.apart {
            _ if ours == Some(theirs) => {
                session.apart = None;
                0
            }
            Some(known) if (known.theirs, known.ours) == (theirs, ours) => {
                known.times = known.times.saturating_add(1);
                known.times
            }
            known => {
                *known = Some(Apart {
                    theirs,
                    ours,
                    times: 0,
                });
                0
            }
        };
        // More and more rarely: two may differ for good, as where one has no room for what the other keeps.
        if !times.is_power_of_two() {
            return;
        }
        if times == 1 && ours.is_none_or(|(held, _)| held != pulse.held) {
            tracing::warn!(deck = %deck.short(), device = %device.short(), "two decks had silently diverged");
            self.event(Event::Diverged { deck, device });
        }
        // Who is ahead of the other in everything lacks nothing: it is the other that asks.
        let lacks_nothing = is_ahead && ours.is_some_and(|(_, beside)| beside == pulse.beside);
        if !lacks_nothing {
            self.send_status(link, deck);
        }
    }
}

//! What is ephemeral: clocks, presence, playback. Nothing of it is ever on disk.

use crate::core::playback::Playback;
use crate::core::presence::Presences;
use crate::core::rate::Rate;
use crate::core::{Core, LinkId, Output};
use crate::id::DeckId;
use crate::sync::message::Message;
use crate::sync::pulse::Pulse;
use crate::time::Time;

/// Of one link.
#[derive(Debug, Default)]
pub(crate) struct LinkLive {
    pub(super) pulse: Pulse,
    pub(super) pings: Rate,
    pub(super) doubts: Rate,
    pub(super) playbacks: Rate,
}

/// Of one deck.
#[derive(Debug, Default)]
pub(crate) struct DeckLive {
    pub(super) presences: Presences,
    pub(super) playback: Playback,
}

impl Core {
    /// Does what is due by now, after anything happened.
    pub(super) fn keep_live(&mut self, is_tick: bool) {
        let pulse = self.keep_pulse();
        let mut due = pulse;
        let mut sooner = |next: Option<Time>| due = due.into_iter().chain(next).min();
        let decks: Vec<DeckId> = self.decks.keys().copied().collect();
        for deck in decks {
            sooner(self.keep_presence(deck));
            sooner(self.keep_playback(deck));
        }
        // A wake-up that was for something else must not be the last one.
        let is_new = std::mem::replace(&mut self.live_due, due) != due;
        if let Some(due) = due.filter(|_| is_new || is_tick) {
            self.outputs.push_back(Output::WakeAt(due));
        }
    }

    /// Tells a device that now knows enough of a deck to judge it, what is going on there.
    pub(super) fn introduce(&mut self, link: LinkId, deck: DeckId) {
        let Some(log) = self.decks.get(&deck).and_then(|state| state.log.as_ref()) else {
            return;
        };
        let knows = |session: &crate::sync::session::Session| {
            let stands = session.acked.filter(|acked| log.is_on_path(*acked));
            stands.is_some_and(|acked| log.is_same_stretch(acked.term))
        };
        let session = self.links.get_mut(&link);
        let session = session.and_then(|state| state.sessions.get_mut(&deck));
        let Some(session) = session.filter(|session| !session.introduced && knows(session)) else {
            return;
        };
        session.introduced = true;
        self.show_soon(deck);
        for message in self
            .all_presences(deck)
            .into_iter()
            .chain(self.all_playback(deck))
        {
            self.send(link, &message);
        }
    }

    /// Sends to all that share a deck, but for one.
    pub(super) fn send_around(&mut self, deck: DeckId, message: &Message, from: Option<LinkId>) {
        for link in self.links_of(deck) {
            if Some(link) != from {
                self.send(link, message);
            }
        }
    }
}

//! Links coming and going, and where each message goes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use cuecard_transport::Lane;

use crate::core::greeting::Greeting;
use crate::core::live::LinkLive;
use crate::core::{CloseWhy, Core, LinkId, Output};
use crate::event::Event;
use crate::id::{BlobId, DeckId, DeviceId};
use crate::limits::{ASKS_KEPT_MAX, LINK_HEARTBEAT, LINKS_MAX};
use crate::role::KeyEpoch;
use crate::sync::envelope::{self, EnvelopeError};
use crate::sync::message::Message;
use crate::sync::session::Session;
use crate::time::Time;

/// A blob that was not asked for again for so long is not being pulled any more.
const SERVED_FOR: Duration = Duration::from_secs(60);

/// One live link.
#[derive(Debug)]
pub(crate) struct LinkState {
    pub(crate) peer: DeviceId,
    pub(super) transcript: [u8; 32],
    pub(super) greeting: Greeting,
    /// The epochs whose key it was sent, deck by deck.
    pub(super) key_sent: BTreeMap<DeckId, KeyEpoch>,
    /// Decks of which both sides showed that they hold the key.
    pub(crate) sessions: BTreeMap<DeckId, Session>,
    /// Bytes of audio being encoded for the other side.
    pub(crate) serving: usize,
    /// Audio that it was lately sent some of, and when: it stays until all of it is there.
    pub(super) served: BTreeMap<BlobId, Time>,
    /// Audio that it asked for and that was not here.
    pub(crate) asks: BTreeSet<BlobId>,
    /// Whether it said what it is called.
    pub(super) is_named: bool,
    /// Whether it is being refused.
    is_refused: bool,
    /// When it last said anything.
    pub(super) heard_at: Time,
    /// What time it is there, and how much it says.
    pub(super) live: LinkLive,
    /// How often each side is to hear of the other, where that was asked for.
    heartbeat: Option<Duration>,
}

impl LinkState {
    /// It is sent some of this blob.
    pub(super) fn note_served(&mut self, now: Time, blob: BlobId) {
        self.served.retain(|_, at| now.since(*at) < SERVED_FOR);
        self.served.insert(blob, now);
    }

    /// The blobs that it is being sent, as far as is known: who pulls one asks for the next part of it soon.
    pub(super) fn being_served(&self, now: Time) -> impl Iterator<Item = BlobId> {
        let lately = self
            .served
            .iter()
            .filter(move |(_, at)| now.since(**at) < SERVED_FOR);
        lately.map(|(blob, _)| *blob)
    }

    /// It asked for what it cannot have now. To be told when that is otherwise: it need not ask again and again.
    pub(super) fn note_asked(&mut self, blob: BlobId) {
        if self.asks.len() < ASKS_KEPT_MAX {
            self.asks.insert(blob);
        }
    }
}

impl Core {
    pub(super) fn peer_of(&self, link: LinkId) -> Option<DeviceId> {
        self.links.get(&link).map(|state| state.peer)
    }

    pub(super) fn session(&mut self, link: LinkId, deck: DeckId) -> Option<&mut Session> {
        self.links.get_mut(&link)?.sessions.get_mut(&deck)
    }

    pub(super) fn sessions(&self) -> impl Iterator<Item = &Session> {
        self.links.values().flat_map(|state| state.sessions.values())
    }

    pub(super) fn send(&mut self, link: LinkId, message: &Message) {
        let bytes = Bytes::from(envelope::seal_up(message));
        self.outputs.push_back(Output::Send {
            link,
            lane: Lane::Control,
            bytes,
        });
    }

    pub(super) fn link_up(&mut self, link: LinkId, peer: DeviceId, transcript: [u8; 32]) {
        let older: Vec<LinkId> = self
            .links
            .iter()
            .filter(|(_, state)| state.peer == peer)
            .map(|(&older, _)| older)
            .collect();
        let is_known = !older.is_empty();
        for older in older {
            self.leave_held(older);
            self.outputs.push_back(Output::Close {
                link: older,
                reason: CloseWhy::Replaced,
            });
            self.forget_link(older);
        }
        if self.links.len() >= LINKS_MAX {
            let why = format!("this device has {LINKS_MAX} links already");
            tracing::warn!(device = %peer.short(), "a link too many was closed");
            if is_known {
                self.event(Event::Unlinked {
                    device: peer,
                    reason: why.clone(),
                });
            }
            self.outputs.push_back(Output::Close {
                link,
                reason: CloseWhy::Refused(why),
            });
            return;
        }
        self.links.insert(
            link,
            LinkState {
                peer,
                transcript,
                greeting: Greeting::default(),
                key_sent: BTreeMap::new(),
                sessions: BTreeMap::new(),
                serving: 0,
                served: BTreeMap::new(),
                asks: BTreeSet::new(),
                is_named: false,
                is_refused: false,
                heard_at: self.now,
                live: LinkLive::default(),
                heartbeat: None,
            },
        );
        self.greet_first(link);
        // One that takes the place of another is no news: a device is linked or it is not.
        if !is_known {
            self.event(Event::Linked { device: peer });
        }
    }

    pub(super) fn link_down(&mut self, link: LinkId, reason: &str) {
        self.leave_held(link);
        let Some(peer) = self.peer_of(link) else { return };
        self.forget_link(link);
        self.event(Event::Unlinked {
            device: peer,
            reason: reason.to_owned(),
        });
        self.pull_audio();
    }

    fn forget_link(&mut self, link: LinkId) {
        self.keep_heard(link);
        let gone = self.links.remove(&link);
        if let Some(state) = gone {
            for &deck in state.sessions.keys() {
                self.forget_progress(deck);
                self.lose_way(link, deck);
                self.event(Event::ReachChanged {
                    deck,
                    device: state.peer,
                });
            }
        }
        self.fetches.link_down(link);
        self.doubt_way(link);
    }

    /// The other side of a link speaks of a deck no longer.
    pub(super) fn close_session(&mut self, link: LinkId, deck: DeckId) {
        self.keep_heard_of(link, &[deck]);
        // What is being read for it goes on: who speaks of the deck again at once is not read a second time meanwhile.
        self.drop_sessions(deck, |of, _| of == link);
        self.forget_progress(deck);
        self.way_ended(link, deck);
        self.pull_audio();
    }

    /// The sessions of a deck over some links are gone, as is all that they knew.
    pub(super) fn drop_sessions(&mut self, deck: DeckId, which: impl Fn(LinkId, DeviceId) -> bool) {
        let mut gone = Vec::new();
        for (&link, state) in &mut self.links {
            if which(link, state.peer) && state.sessions.remove(&deck).is_some() {
                gone.push((link, state.peer));
            }
        }
        for (link, device) in gone {
            self.lose_way(link, deck);
            self.event(Event::ReachChanged { deck, device });
        }
    }

    /// Nothing of a deck passes by a link any more.
    pub(super) fn way_ended(&mut self, link: LinkId, deck: DeckId) {
        self.doubt_way_of(link, deck);
        self.set_heartbeat(link);
    }

    /// How often each side of a link is to hear of the other follows from the decks that it speaks of: where others take
    /// over soon from an editor that is gone, that has to be noticed soon.
    pub(super) fn set_heartbeat(&mut self, link: LinkId) {
        let Some(state) = self.links.get(&link) else {
            return;
        };
        let intervals = state.sessions.keys().map(|deck| self.policies(*deck).auto_claim);
        let soonest = intervals.map(super::watch::interval_of).min();
        let every = soonest.map_or(LINK_HEARTBEAT, |every| every.min(LINK_HEARTBEAT));
        let Some(state) = self.links.get_mut(&link) else {
            return;
        };
        // As long as nobody asks for another one, it stays as the link was set up.
        let is_usual = state.heartbeat.is_none() && every == LINK_HEARTBEAT;
        if !is_usual && state.heartbeat.replace(every) != Some(every) {
            self.outputs.push_back(Output::Heartbeat { link, every });
        }
    }

    /// The same of all links.
    pub(super) fn set_heartbeats(&mut self) {
        let links: Vec<LinkId> = self.links.keys().copied().collect();
        for link in links {
            self.set_heartbeat(link);
        }
    }

    /// Ends a link whose other side broke the rules: it costs the sender, and nobody else.
    pub(super) fn refuse(&mut self, link: LinkId, why: String) {
        let Some(state) = self.links.get_mut(&link) else {
            return;
        };
        if std::mem::replace(&mut state.is_refused, true) {
            return;
        }
        let device = state.peer;
        tracing::warn!(device = %device.short(), why, "refused");
        // What had come of other decks is judged for itself.
        self.leave_held(link);
        self.forget_link(link);
        self.outputs.push_back(Output::Close {
            link,
            reason: CloseWhy::Refused(why.clone()),
        });
        self.event(Event::Refused {
            device,
            why: why.clone(),
        });
        self.event(Event::Unlinked { device, reason: why });
    }

    pub(super) fn receive_message(&mut self, link: LinkId, message: Result<Message, EnvelopeError>) {
        let now = self.now;
        let Some(state) = self.links.get_mut(&link) else {
            return;
        };
        state.heard_at = now;
        let message = match message {
            Ok(message) => message,
            Err(error) => return self.refuse(link, error.to_string()),
        };
        if let Some(message) = self.wait_behind(link, message) {
            self.take_message(link, message);
        }
    }

    pub(super) fn take_message(&mut self, link: LinkId, message: Message) {
        if self.peer_of(link).is_none() {
            return;
        }
        match message {
            Message::Greet {
                version,
                name,
                proofs,
                early,
            } => self.take_greeting(link, version, name, &proofs, &early),
            Message::Status {
                deck,
                charter,
                locator,
                beside,
                changes,
            } => self.take_status(link, deck, charter, &locator, beside, changes),
            Message::Holdings { deck, held } => self.take_holdings(link, deck, &held),
            Message::Branches { deck, items } => self.take_branches(link, deck, &items),
            Message::Entries { deck, items } => self.hear_entries(link, deck, items),
            Message::Whence { deck, term } => self.tell_lineage(link, deck, term),
            Message::Lineage { deck, term, terms } => self.take_lineage(link, deck, term, &terms),
            Message::Ack {
                deck,
                held,
                taken,
                changes,
            } => self.take_ack(link, deck, held, taken, changes),
            Message::Propose { deck, draft } => {
                if self.session(link, deck).is_some() {
                    let taken = self.take_proposal(link, deck, &draft);
                    self.answer_for(link, deck, taken);
                }
            }
            Message::DraftsHeld { deck, whole, marks } => self.take_drafts_held(link, deck, whole, &marks),
            Message::Withdraw { deck, record } => {
                if self.session(link, deck).is_some() {
                    let taken = self.take_withdrawal(link, deck, &record);
                    self.answer_for(link, deck, taken);
                }
            }
            Message::DraftRefused { deck, draft, why } => self.take_draft_refused(link, deck, draft, why),
            Message::Word { deck, bytes } => self.take_word(link, deck, &bytes),
            Message::Ping { decks, .. } => decks.iter().for_each(|pulse| self.compare_pulse(link, pulse)),
            Message::Pong { number, at_ms } => self.take_pong(link, number, at_ms),
            Message::Presence { deck, bytes } => self.take_presence(link, deck, &bytes),
            Message::Doubt { deck, devices } => self.take_doubt(link, deck, &devices),
            Message::Playback { deck, bytes, clock } => self.take_playback(link, deck, &bytes, clock),
            Message::Pull {
                transfer,
                blob,
                first,
                count,
                size,
            } => self.serve_pull(link, transfer, (blob, size), first, count),
            Message::Have { blob } => self.take_have(link, blob),
            Message::NewKey {
                deck,
                proof,
                genesis,
                charters,
                keys,
            } => self.take_new_key(link, deck, proof, &genesis, &charters, &keys),
            Message::Knock {
                deck,
                draft,
                signature,
            } => {
                let signature = signature.as_ref().map(|signature| signature.as_slice());
                self.take_knock(link, deck, draft, signature);
            }
            Message::Lack { transfer } => {
                self.fetches.lacks(self.now, link, transfer);
                self.pull_audio();
            }
        }
    }
}

//! Links coming and going, the greeting, and where each message goes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use cuecard_transport::Lane;

use crate::core::live::LinkLive;
use crate::core::{CloseWhy, Core, LinkId, Output, deck_proof, older_key_proof};
use crate::event::Event;
use crate::id::{BlobId, DeckId, DeviceId};
use crate::limits::{ASKS_KEPT_MAX, DECKS_PER_LINK_MAX, LINK_HEARTBEAT, LINKS_MAX, NAME_BYTES_MAX};
use crate::role::KeyEpoch;
use crate::sync::envelope::{self, EnvelopeError};
use crate::sync::message::{DeckProof, Message, PROTOCOL_VERSION, clean_name};
use crate::sync::session::Session;
use crate::time::Time;

/// A blob that was not asked for again for so long is not being pulled any more.
const SERVED_FOR: Duration = Duration::from_secs(60);

/// One live link.
#[derive(Debug)]
pub(crate) struct LinkState {
    pub(crate) peer: DeviceId,
    pub(super) transcript: [u8; 32],
    /// The proofs that the other side sent; those that fit none of our decks say nothing.
    pub(super) proofs: BTreeSet<DeckProof>,
    /// The decks whose keys it was shown last.
    shown: BTreeSet<DeckId>,
    /// The proofs that it was greeted with last.
    greeted: Vec<DeckProof>,
    /// Decks of ours that it ever showed on this link: a choice of what to show that forgot them might never end.
    met: BTreeSet<DeckId>,
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
        let (proofs, sessions) = (BTreeSet::new(), BTreeMap::new());
        self.links.insert(
            link,
            LinkState {
                peer,
                transcript,
                proofs,
                shown: BTreeSet::new(),
                greeted: Vec::new(),
                met: BTreeSet::new(),
                key_sent: BTreeMap::new(),
                sessions,
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
        self.greet(link);
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
    fn close_session(&mut self, link: LinkId, deck: DeckId) {
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

    pub(super) fn greet_all(&mut self) {
        let links: Vec<LinkId> = self.links.keys().copied().collect();
        for link in links {
            self.greet(link);
            self.match_proofs(link);
        }
    }

    fn greet(&mut self, link: LinkId) {
        let Some(state) = self.links.get(&link) else {
            return;
        };
        let (shown, older) = self.to_show(link, state);
        self.greet_with(link, shown, older);
    }

    /// Shows every deck but one: the other side ends its talk of that, too, so that both begin anew.
    pub(super) fn greet_without(&mut self, link: LinkId, deck: DeckId) {
        let Some(state) = self.links.get(&link) else {
            return;
        };
        let (mut shown, older) = self.to_show(link, state);
        shown.remove(&deck);
        self.greet_with(link, shown, older);
    }

    fn greet_with(&mut self, link: LinkId, shown: BTreeSet<DeckId>, older: Vec<DeckProof>) {
        let Some(state) = self.links.get(&link) else {
            return;
        };
        let me = self.device();
        let prove = |deck: &DeckId| {
            let key = self.decks.get(deck)?.shown()?;
            Some(deck_proof(key.as_bytes(), *deck, &state.transcript, me))
        };
        // How many decks there are is nobody's business: a greeting has always the same length, and whoever does not hold
        // the keys cannot tell a proof from padding. That stays the same on a link, so that it does not show by changing.
        let pad = |number: u64| {
            let mut hasher = blake3::Hasher::new_keyed(&self.padding);
            hasher.update(&state.transcript);
            hasher.update(&number.to_le_bytes());
            DeckProof(*hasher.finalize().as_bytes())
        };
        let mut proofs: Vec<DeckProof> = shown
            .iter()
            .filter_map(prove)
            .chain(older)
            .chain((0..DECKS_PER_LINK_MAX as u64).map(pad))
            .take(DECKS_PER_LINK_MAX)
            .collect();
        proofs.sort_unstable();
        let name = self.name.clone();
        if let Some(state) = self.links.get_mut(&link) {
            state.shown = shown;
            // Nothing else is to be shown than was: saying it again would be a few KiB for nothing.
            if state.greeted == proofs {
                return;
            }
            state.greeted.clone_from(&proofs);
        }
        self.send(
            link,
            &Message::Greet {
                version: PROTOCOL_VERSION,
                name,
                proofs,
            },
        );
    }

    /// The decks whose keys are shown on a link, and proofs of older keys. Of more than a link can carry those that are
    /// spoken of come first, then those that the other side ever showed, is a member of, or was heard of; then those that
    /// were joined and are not here yet.
    fn to_show(&self, link: LinkId, state: &LinkState) -> (BTreeSet<DeckId>, Vec<DeckProof>) {
        let me = self.device();
        let mut followed: Vec<(u8, DeckId)> = Vec::new();
        let mut older = Vec::new();
        for (&deck, entry) in self.decks.iter().filter(|(_, entry)| entry.followed) {
            let is_member = |log: &super::Log| log.chain.rights(state.peer).is_some();
            let is_shared = state.met.contains(&deck)
                || entry.heard.contains_key(&state.peer)
                || entry.log.as_ref().is_some_and(is_member)
                || self.may_open(link, deck);
            let place = match () {
                () if state.sessions.contains_key(&deck) => 0,
                () if is_shared => 1,
                () if entry.log.is_none() => 2,
                () => 3,
            };
            if entry.shown().is_some() {
                followed.push((place, deck));
            }
            let keys = entry.older_keys_for(state.peer).into_iter();
            older.extend(keys.map(|key| older_key_proof(key.as_bytes(), deck, &state.transcript, me)));
        }
        followed.sort_unstable();
        let shown = followed.into_iter().take(DECKS_PER_LINK_MAX);
        (shown.map(|(_, deck)| deck).collect(), older)
    }

    /// Greets anew if what the other side shows changes what is to be shown to it.
    fn show_what_it_shows(&mut self, link: LinkId) {
        let decks = self.decks.keys().copied();
        let met: Vec<DeckId> = decks.filter(|&deck| self.may_open(link, deck)).collect();
        if let Some(state) = self.links.get_mut(&link) {
            state.met.extend(met);
        }
        let Some(state) = self.links.get(&link) else {
            return;
        };
        let (shown, older) = self.to_show(link, state);
        if shown != state.shown {
            self.greet_with(link, shown, older);
        }
    }

    /// Opens a session for each deck whose key both sides have shown.
    fn match_proofs(&mut self, link: LinkId) {
        let decks: Vec<DeckId> = self.decks.keys().copied().collect();
        for deck in decks {
            if self.may_open(link, deck) {
                let Some(state) = self.links.get_mut(&link) else {
                    return;
                };
                // Nothing is said of a deck whose key this side did not show.
                if !state.shown.contains(&deck) {
                    continue;
                }
                if let std::collections::btree_map::Entry::Vacant(place) = state.sessions.entry(deck) {
                    place.insert(Session::default());
                    let device = state.peer;
                    self.event(Event::ReachChanged { deck, device });
                    self.send_status(link, deck);
                    self.begin_pulse(link);
                    self.set_heartbeat(link);
                    self.tell_what_was_asked(link);
                }
            } else {
                self.pass_on_key(link, deck);
            }
        }
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
        let Some(peer) = self.peer_of(link) else { return };
        match message {
            Message::Greet {
                version,
                name,
                proofs,
            } => self.take_greeting(link, peer, version, name, &proofs),
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
            Message::Ping { number, decks } => self.take_ping(link, number, &decks),
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

    fn take_greeting(
        &mut self,
        link: LinkId,
        peer: DeviceId,
        version: u32,
        name: String,
        proofs: &[DeckProof],
    ) {
        if version != PROTOCOL_VERSION {
            let ours = PROTOCOL_VERSION;
            return self.refuse(
                link,
                format!("it speaks version {version} of the protocol, this device {ours}"),
            );
        }
        if proofs.len() > DECKS_PER_LINK_MAX || name.len() > NAME_BYTES_MAX {
            return self.refuse(link, "its greeting is beyond the limits".to_owned());
        }
        if let Some(state) = self.links.get_mut(&link) {
            state.proofs = proofs.iter().copied().collect();
        }
        // What it shows no more, it speaks of no more.
        let open = self.links.get(&link).map(|state| state.sessions.keys());
        let open: Vec<DeckId> = open.into_iter().flatten().copied().collect();
        for deck in open {
            if !self.may_open(link, deck) {
                self.close_session(link, deck);
            }
        }
        // Of more decks than a link can carry, some that it shows were not shown to it.
        if self.decks.len() > DECKS_PER_LINK_MAX {
            self.show_what_it_shows(link);
        }
        self.match_proofs(link);
        self.note_name(link, peer, clean_name(&name));
    }
}

//! The greeting: which decks a link is shown, and which of them both sides then speak of.
//!
//! How many decks a device has is nobody's business, so a greeting has more places than decks; but they cost on every
//! link, so it has 8, 16, 32 or 64, whichever is enough.

use std::collections::{BTreeMap, BTreeSet};

use crate::core::{Core, DeckState, LinkId, Log, deck_proof, older_key_proof};
use crate::event::Event;
use crate::id::{DeckId, DeviceId};
use crate::limits::{DECKS_PER_LINK_MAX, NAME_BYTES_MAX};
use crate::role::DeckKey;
use crate::sync::early::Sealing;
use crate::sync::message::{DeckProof, EarlyStatus, Message, PROTOCOL_VERSION, clean_name};
use crate::sync::session::Session;

/// How many places a greeting may have.
const PLACES: [usize; 4] = [8, 16, 32, DECKS_PER_LINK_MAX];

/// What a link was shown, and what it showed.
#[derive(Debug, Default)]
pub(crate) struct Greeting {
    /// Whether the other side has greeted.
    is_greeted: bool,
    /// The proofs that the other side sent; those that fit none of our decks say nothing.
    pub(super) proofs: BTreeSet<DeckProof>,
    /// The decks whose keys it was shown last.
    shown: BTreeSet<DeckId>,
    /// The proofs that it was greeted with last.
    said: Vec<DeckProof>,
    /// Decks of ours that it ever showed on this link: a choice of what to show that forgot them might never end.
    met: BTreeSet<DeckId>,
    /// What it was told with the first greeting of how decks stand here, until its own first greeting comes.
    early: BTreeMap<DeckId, Message>,
    /// Greetings, as long as they wait behind what is held.
    waiting: Option<Box<Waiting>>,
}

/// Greetings that came one after the other. What each but the last one says is which decks it shows no more.
#[derive(Debug)]
struct Waiting {
    /// The proofs that all of them have.
    common: BTreeSet<DeckProof>,
    last: Message,
    /// Where decks stand, as was said behind them: they may begin anew what that is of.
    statuses: BTreeMap<DeckId, Message>,
}

/// What is to be shown on a link.
struct Showing {
    /// The decks whose keys are.
    decks: BTreeSet<DeckId>,
    /// Proofs of older keys.
    older: Vec<DeckProof>,
}

impl DeckState {
    fn has_member(&self, device: DeviceId) -> bool {
        let is_member = |log: &Log| log.chain.rights(device).is_some();
        self.log.as_ref().is_some_and(is_member)
    }
}

impl Greeting {
    /// A greeting waits, if something on its link is waited for: else it is given back, or if it is none to be kept for so long.
    pub(super) fn wait<'s>(
        &mut self,
        greeting: Message,
        mut sessions: impl Iterator<Item = &'s Session>,
    ) -> Option<Message> {
        // One that is not the first on its link says of no deck where that stands.
        let before = self.waiting.take();
        let common: BTreeSet<DeckProof> = match &greeting {
            Message::Greet {
                name, proofs, early, ..
            } if name.len() <= NAME_BYTES_MAX && proofs.len() <= DECKS_PER_LINK_MAX && early.is_empty() => {
                let is_common =
                    |proof: &&DeckProof| before.as_ref().is_none_or(|before| before.common.contains(proof));
                proofs.iter().filter(is_common).copied().collect()
            }
            _ => return Some(greeting),
        };
        if !sessions.any(|session| session.held.is_greeted()) {
            return Some(greeting);
        }
        self.waiting = Some(Box::new(Waiting {
            common,
            last: greeting,
            statuses: before.map(|before| before.statuses).unwrap_or_default(),
        }));
        None
    }
}

impl Core {
    pub(super) fn greet_all(&mut self) {
        let links: Vec<LinkId> = self.links.keys().copied().collect();
        for link in links {
            self.greet(link);
            self.match_proofs(link);
        }
    }

    /// The first word on a link: with where decks stand that the other side is known to have.
    pub(super) fn greet_first(&mut self, link: LinkId) {
        let (Some(showing), Some(peer)) = (self.to_show(link), self.peer_of(link)) else {
            return;
        };
        let known = showing.decks.iter().copied();
        let known: Vec<DeckId> = known.filter(|deck| self.is_known_to(*deck, peer)).collect();
        let early = known.into_iter().map(|deck| (deck, self.status_of(deck)));
        let early = early.collect();
        self.greet_with(link, showing, early);
    }

    /// Whether a member is known to have the deck, under the key that this device shows as far as can be known.
    fn is_known_to(&self, deck: DeckId, peer: DeviceId) -> bool {
        let is_known = |state: &DeckState| {
            state.heard.contains_key(&peer) && state.has_member(peer) && state.may_meet(peer)
        };
        self.decks.get(&deck).is_some_and(is_known)
    }

    fn greet(&mut self, link: LinkId) {
        if let Some(showing) = self.to_show(link) {
            self.greet_with(link, showing, BTreeMap::new());
        }
    }

    /// Shows every deck but one: the other side ends its talk of that, too, so that both begin anew.
    pub(super) fn greet_without(&mut self, link: LinkId, deck: DeckId) {
        if let Some(mut showing) = self.to_show(link) {
            showing.decks.remove(&deck);
            self.greet_with(link, showing, BTreeMap::new());
        }
    }

    fn greet_with(&mut self, link: LinkId, showing: Showing, early: BTreeMap<DeckId, Message>) {
        let Showing { decks: shown, older } = showing;
        let Some(state) = self.links.get(&link) else {
            return;
        };
        let (me, transcript) = (self.device(), state.transcript);
        let key_of = |deck: &DeckId| self.decks.get(deck).and_then(DeckState::shown);
        let prove = |deck: &DeckId| Some(deck_proof(key_of(deck)?.as_bytes(), *deck, &transcript, me));
        // Whoever does not hold the keys cannot tell a proof from padding. That stays the same on a link, and there never
        // is less of both, so that it does not show by changing.
        let pad = |number: u64| {
            let mut hasher = blake3::Hasher::new_keyed(&self.padding);
            hasher.update(&transcript);
            hasher.update(&number.to_le_bytes());
            DeckProof::of(hasher)
        };
        let proved = shown.iter().filter_map(prove).chain(older);
        let mut proofs: Vec<DeckProof> = proved.take(DECKS_PER_LINK_MAX).collect();
        let needed = proofs.len().max(state.greeting.said.len());
        let places = PLACES.into_iter().find(|places| *places >= needed);
        let empty = places.unwrap_or(needed).saturating_sub(proofs.len());
        proofs.extend((0..empty as u64).map(pad));
        proofs.sort_unstable();
        let seal = |(deck, status): (&DeckId, &Message)| {
            let (key, deck, device) = (key_of(deck)?, *deck, me);
            let place = proofs.binary_search(&prove(&deck)?).ok()?;
            let transcript = &transcript;
            let sealing = Sealing {
                key,
                deck,
                transcript,
                device,
            };
            Some(EarlyStatus {
                place: u8::try_from(place).ok()?,
                sealed: sealing.seal(status).into(),
            })
        };
        let mut sealed: Vec<EarlyStatus> = early.iter().filter_map(seal).collect();
        sealed.sort_unstable_by_key(|early| early.place);
        let name = self.name.clone();
        if let Some(state) = self.links.get_mut(&link) {
            let greeting = &mut state.greeting;
            greeting.shown = shown;
            // Nothing else is to be shown than was: there is no need to say it again.
            if greeting.said == proofs {
                return;
            }
            greeting.said.clone_from(&proofs);
            // What was shown for a moment only may have been of no use: then it is said once both have greeted.
            greeting.early = early;
        }
        self.send(
            link,
            &Message::Greet {
                version: PROTOCOL_VERSION,
                name,
                proofs,
                early: sealed,
            },
        );
    }

    /// The decks whose keys are shown on a link, and proofs of older keys. Of more than a link can carry those that are
    /// spoken of come first, then those that the other side ever showed, is a member of, or was heard of; then those that
    /// were joined and are not here yet.
    fn to_show(&self, link: LinkId) -> Option<Showing> {
        let (me, state) = (self.device(), self.links.get(&link)?);
        let mut followed: Vec<(u8, DeckId)> = Vec::new();
        let mut older = Vec::new();
        for (&deck, entry) in self.decks.iter().filter(|(_, entry)| entry.followed) {
            let is_shared = state.greeting.met.contains(&deck)
                || entry.heard.contains_key(&state.peer)
                || entry.has_member(state.peer)
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
        let decks = shown.map(|(_, deck)| deck).collect();
        Some(Showing { decks, older })
    }

    /// Greets anew if what the other side shows changes what is to be shown to it.
    fn show_what_it_shows(&mut self, link: LinkId) {
        let decks = self.decks.keys().copied();
        let met: Vec<DeckId> = decks.filter(|&deck| self.may_open(link, deck)).collect();
        if let Some(state) = self.links.get_mut(&link) {
            state.greeting.met.extend(met);
        }
        let shown = self.links.get(&link).map(|state| &state.greeting.shown);
        let showing = self.to_show(link).filter(|showing| Some(&showing.decks) != shown);
        if let Some(showing) = showing {
            self.greet_with(link, showing, BTreeMap::new());
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
                if !state.greeting.shown.contains(&deck) {
                    continue;
                }
                if let std::collections::btree_map::Entry::Vacant(place) = state.sessions.entry(deck) {
                    place.insert(Session::default());
                    let (device, early) = (state.peer, state.greeting.early.remove(&deck));
                    self.event(Event::ReachChanged { deck, device });
                    self.say_status(link, deck, early.as_ref());
                    self.begin_pulse(link);
                    self.set_heartbeat(link);
                    self.tell_what_was_asked(link);
                }
            } else {
                self.pass_on_key(link, deck);
            }
        }
    }

    pub(super) fn take_greeting(
        &mut self,
        link: LinkId,
        version: u32,
        name: String,
        proofs: &[DeckProof],
        early: &[EarlyStatus],
    ) {
        if version != PROTOCOL_VERSION {
            let ours = PROTOCOL_VERSION;
            return self.refuse(
                link,
                format!("it speaks version {version} of the protocol, this device {ours}"),
            );
        }
        // Each is of a place of its own, so there are not more than places.
        let is_in_order = early.is_sorted_by(|one, next| one.place < next.place);
        if proofs.len() > DECKS_PER_LINK_MAX || !is_in_order || name.len() > NAME_BYTES_MAX {
            return self.refuse(link, "its greeting is beyond the limits".to_owned());
        }
        let Some(state) = self.links.get_mut(&link) else {
            return;
        };
        let peer = state.peer;
        // What a later greeting says of how decks stand is said out of turn, or again.
        let is_first = !std::mem::replace(&mut state.greeting.is_greeted, true);
        state.greeting.proofs = proofs.iter().copied().collect();
        self.close_what_is_not_shown(link);
        // Of more decks than a link can carry, some that it shows were not shown to it.
        if self.decks.len() > DECKS_PER_LINK_MAX {
            self.show_what_it_shows(link);
        }
        self.match_proofs(link);
        // What it shows from now on, it may not have shown when it was told.
        if let Some(state) = self.links.get_mut(&link) {
            state.greeting.early.clear();
        }
        self.note_name(link, peer, clean_name(&name));
        if is_first {
            self.take_early(link, proofs, early);
        }
    }

    /// Where a deck stands was said behind a greeting that waits: it counts once that is taken, too.
    pub(super) fn note_behind_greeting(&mut self, link: LinkId, deck: DeckId, status: &Message) {
        let is_ours = self.decks.contains_key(&deck);
        let state = self.links.get_mut(&link).filter(|_| is_ours);
        let Some(waiting) = state.and_then(|state| state.greeting.waiting.as_mut()) else {
            return;
        };
        if waiting.statuses.len() < DECKS_PER_LINK_MAX || waiting.statuses.contains_key(&deck) {
            waiting.statuses.insert(deck, status.clone());
        }
    }

    /// What the other side shows no more, it speaks of no more.
    fn close_what_is_not_shown(&mut self, link: LinkId) {
        let sessions = self.links.get(&link).map(|state| state.sessions.keys().copied());
        let open: Vec<DeckId> = sessions.into_iter().flatten().collect();
        for deck in open {
            if !self.may_open(link, deck) {
                self.close_session(link, deck);
            }
        }
    }

    /// Takes the greetings of which all that they waited for was taken in, or is of no account any more.
    pub(super) fn take_greetings_that_waited(&mut self) {
        let links: Vec<LinkId> = self.links.keys().copied().collect();
        for link in links {
            let Some(state) = self.links.get_mut(&link) else {
                continue;
            };
            let is_held = state.sessions.values().any(|session| session.held.is_greeted());
            if let Some(waiting) = state.greeting.waiting.take_if(|_| !is_held) {
                let Waiting {
                    common,
                    last,
                    statuses,
                } = *waiting;
                state.greeting.proofs = common;
                self.close_what_is_not_shown(link);
                let behind = statuses.into_values();
                std::iter::once(last)
                    .chain(behind)
                    .for_each(|message| self.take_message(link, message));
            }
        }
    }

    /// It said with its greeting where it stands. What is of no deck that both speak of cannot be read, and says nothing.
    fn take_early(&mut self, link: LinkId, proofs: &[DeckProof], early: &[EarlyStatus]) {
        let Some(state) = self.links.get(&link).filter(|_| !early.is_empty()) else {
            return;
        };
        let (device, transcript) = (state.peer, state.transcript);
        let mut decks = BTreeMap::new();
        for &deck in state.sessions.keys() {
            let key = self.decks.get(&deck).and_then(DeckState::shown);
            let prove = |key: &DeckKey| deck_proof(key.as_bytes(), deck, &transcript, device);
            decks.extend(key.map(|key| (prove(key), (deck, key.clone()))));
        }
        for said in early {
            let proof = proofs.get(usize::from(said.place));
            let Some((deck, key)) = proof.and_then(|proof| decks.get(proof)) else {
                continue;
            };
            let sealing = Sealing {
                key,
                deck: *deck,
                transcript: &transcript,
                device,
            };
            match sealing.open(&said.sealed) {
                Some(status @ Message::Status { deck: of, .. }) if of == *deck => {
                    self.take_message(link, status);
                }
                _ => {
                    return self.refuse(
                        link,
                        "what its greeting says of a deck is not sealed for it".to_owned(),
                    );
                }
            }
        }
    }
}

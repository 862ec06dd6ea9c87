//! Presence: what members show of themselves while they are there.
//!
//! Each shows itself when something changes, and now and then, so that nothing is shown for ever; what is shown is signed,
//! and passed on by everybody once. When a link ends, those who were seen by it are asked whether they are still there: who
//! is reached by another way shows itself again, and the others are gone.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::core::rate::{Paced, Rate};
use crate::core::{Core, DeckError, LinkId};
use crate::event::Event;
use crate::id::{DeckId, DeviceId};
use crate::limits::{
    DOUBTED_MAX, DOUBTS_PER_SECOND_MAX, PRESENCE_BYTES_MAX, PRESENCE_EVERY, PRESENCES_MAX,
    PRESENCES_PER_SECOND_FLOOD, PRESENCES_PER_SECOND_MAX,
};
use crate::role::{Malformed, Presence, Shown, Signed, Verified};
use crate::sync::message::{Device, Message, clean_name};
use crate::time::Time;

/// Who is there shows itself this often, though nothing changed.
pub(super) const AGAIN_EVERY: Duration = Duration::from_secs(90);
/// Who does not, is gone: two are missed.
pub(super) const KEPT_FOR: Duration = Duration::from_secs(225);
/// Who was seen by a link that is no more has this long to show itself by another way: several times what that takes over
/// a few hops by satellite.
pub(super) const DOUBTED_FOR: Duration = Duration::from_secs(5);

/// What is known of who is there, of one deck.
#[derive(Debug, Default)]
pub(crate) struct Presences {
    /// What this device shows of itself.
    own: Option<Presence>,
    sequence: u64,
    paced: Paced,
    /// When it shows itself again, though nothing changed.
    again: Time,
    others: BTreeMap<DeviceId, Other>,
    /// The last of each that was shown in this run, and when: what is older is nothing.
    last: BTreeMap<DeviceId, (u64, Time)>,
    rates: BTreeMap<DeviceId, Rate>,
}

#[derive(Debug)]
struct Other {
    shown: Verified<Shown>,
    presence: Presence,
    heard: Time,
    /// By which link it came first.
    by: LinkId,
    /// When it is gone, if it does not show itself before; its way was lost.
    doubted: Option<Time>,
}

impl Other {
    fn until(&self) -> Time {
        let kept = self.heard + KEPT_FOR;
        self.doubted.map_or(kept, |doubted| doubted.min(kept))
    }
}

/// Somebody who is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Present {
    /// At which device.
    pub device: DeviceId,
    /// What it shows.
    pub presence: Presence,
    /// How long ago it last showed itself.
    pub age: Duration,
    /// After how long it is gone, if it does not show itself before.
    pub expires_in: Duration,
}

/// Why a device does not show itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PresenceError {
    /// What it would show is beyond the limits.
    #[error(
        "a device cannot show itself like this: {0}; a name has at most 256 bytes, a selection is on a card"
    )]
    Form(#[from] Malformed),
    /// The deck is not here.
    #[error(transparent)]
    Deck(#[from] DeckError),
}

impl Core {
    /// What this device shows of itself in a deck, to all who are linked now or later; `None`: it is not there any more.
    /// Leaves at once, and ten times a second at the most, the latest. Nothing of it is ever on disk. The card that is looked
    /// at is the one whose audio is pulled before all other ([`Core::focus_audio`]).
    ///
    /// # Errors
    /// When the deck is not followed here, and when others would refuse it.
    pub fn set_presence(
        &mut self,
        now: Time,
        deck: DeckId,
        presence: Option<Presence>,
    ) -> Result<(), PresenceError> {
        self.set_now(now);
        let presence = presence.map(|presence| Presence {
            name: clean_name(&presence.name),
            ..presence
        });
        let signer = self.device();
        let shown = Shown {
            deck,
            signer,
            sequence: 0,
            presence: presence.clone(),
        };
        shown.sign(&self.key)?;
        let unknown = self.not_here(deck);
        let (now, state) = (self.now, self.decks.get_mut(&deck).ok_or(unknown)?);
        let presences = &mut state.live.presences;
        let card = |shown: &Option<Presence>| shown.as_ref().and_then(|shown| shown.card.clone());
        let focus = Some(card(&presence)).filter(|focus| *focus != card(&presences.own));
        if presences.own != presence {
            presences.own = presence;
            if presences.paced.may_leave(now, PRESENCE_EVERY) {
                self.show(deck);
            }
        }
        self.keep_live(false);
        if let Some(focus) = focus {
            self.focus_audio(now, deck, focus)?;
        }
        Ok(())
    }

    /// Who else is there, and what they show of themselves.
    ///
    /// # Errors
    /// When the deck is not followed here.
    pub fn presence(&self, now: Time, deck: DeckId) -> Result<Vec<Present>, DeckError> {
        let now = self.now.max(now);
        let state = self.decks.get(&deck).ok_or_else(|| self.not_here(deck))?;
        let others = state.live.presences.others.iter();
        let present = others.map(|(&device, other)| Present {
            device,
            presence: other.presence.clone(),
            age: now.since(other.heard),
            expires_in: other.until().since(now),
        });
        Ok(present.filter(|present| !present.expires_in.is_zero()).collect())
    }

    /// Does what is due in a deck. Says when the next is.
    pub(super) fn keep_presence(&mut self, deck: DeckId) -> Option<Time> {
        let now = self.now;
        let presences = &mut self.decks.get_mut(&deck)?.live.presences;
        let is_over = |(device, other): (&DeviceId, &Other)| (other.until() <= now).then_some(*device);
        let gone: Vec<DeviceId> = presences.others.iter().filter_map(is_over).collect();
        let waited = presences.paced.due().is_some_and(|due| due <= now);
        let is_time = presences.own.is_some() && presences.again <= now;
        for device in gone {
            self.forget_presence(deck, device);
        }
        if waited || is_time {
            self.show(deck);
        }
        let presences = &self.decks.get(&deck)?.live.presences;
        let ends = presences.others.values().map(Other::until);
        let again = presences.own.as_ref().map(|_| presences.again);
        ends.chain(again).chain(presences.paced.due()).min()
    }

    /// Shows this device to all.
    fn show(&mut self, deck: DeckId) {
        if let Some(message) = self.own_presence(deck) {
            self.send_around(deck, &message, None);
        }
    }

    /// What this device shows of itself, signed anew.
    fn own_presence(&mut self, deck: DeckId) -> Option<Message> {
        let (now, signer) = (self.now, self.device());
        let presences = &mut self.decks.get_mut(&deck)?.live.presences;
        presences.paced.left(now, PRESENCE_EVERY);
        presences.again = now + AGAIN_EVERY;
        presences.sequence = now.as_millis().max(presences.sequence.saturating_add(1));
        let shown = Shown {
            deck,
            signer,
            sequence: presences.sequence,
            presence: presences.own.clone(),
        };
        // Its form was checked when it was set.
        let bytes = shown.sign(&self.key).ok()?.encode().into();
        Some(Message::Presence { deck, bytes })
    }

    /// What a device that comes is shown.
    pub(super) fn all_presences(&mut self, deck: DeckId) -> Vec<Message> {
        let mut messages = Vec::new();
        let Some(state) = self.decks.get(&deck) else {
            return messages;
        };
        // The device itself included: one that was started again learns which number it had reached.
        for other in state.live.presences.others.values() {
            let bytes = other.shown.encode().into();
            messages.push(Message::Presence { deck, bytes });
        }
        if state.live.presences.own.is_some() {
            messages.extend(self.own_presence(deck));
        }
        messages
    }

    /// Somebody shows itself.
    pub(super) fn take_presence(&mut self, link: LinkId, deck: DeckId, bytes: &[u8]) {
        if self.session(link, deck).is_none() {
            return;
        }
        if bytes.len() > PRESENCE_BYTES_MAX {
            return self.refuse(
                link,
                "what a member shows of itself is beyond the limits".to_owned(),
            );
        }
        let signed = match Signed::<Shown>::decode(bytes) {
            Ok(signed) => signed,
            Err(error) => return self.refuse(link, error.to_string()),
        };
        let (me, now) = (self.device(), self.now);
        let (Some(peer), Some(state)) = (self.peer_of(link), self.decks.get_mut(&deck)) else {
            return;
        };
        let (signer, sequence) = (signed.claimed().signer, signed.claimed().sequence);
        let is_member = state
            .log
            .as_ref()
            .is_some_and(|log| log.chain.rights(signer).is_some());
        // One that is linked has shown that it holds the key; whoever else is no member is nobody here.
        if !is_member && signer != peer {
            return;
        }
        let presences = &mut state.live.presences;
        let last = presences.last.get(&signer).copied().filter(|_| signer != me);
        if last.is_some_and(|(last, heard)| sequence < last || (sequence == last && heard + KEPT_FOR <= now))
        {
            return;
        }
        let is_last = last.is_some_and(|(last, _)| sequence == last);
        if let Some(other) = presences.others.get_mut(&signer).filter(|_| is_last) {
            // It came by another way, too. If the first is lost, that one may hold.
            if other.by != link && other.shown.encode() == bytes {
                (other.by, other.doubted) = (link, None);
            }
            return;
        }
        let shown = match signed.verify(deck) {
            Ok(shown) => shown,
            Err(error) => return self.refuse(link, error.to_string()),
        };
        if signer == me {
            return self.meet_own_presence(deck, &shown);
        }
        let count = presences.rates.entry(signer).or_default().count(now);
        if count > PRESENCES_PER_SECOND_MAX {
            // Who passes it on may not have known.
            if count > PRESENCES_PER_SECOND_FLOOD && peer == signer {
                self.refuse(link, "it shows itself more often than a device may".to_owned());
            }
            return;
        }
        if presences.others.len() >= PRESENCES_MAX && !presences.others.contains_key(&signer) {
            return;
        }
        if presences.last.len() > PRESENCES_MAX {
            let others = &presences.others;
            presences.last.retain(|device, _| others.contains_key(device));
            presences.rates.retain(|device, _| others.contains_key(device));
        }
        // A way to it is back, and it was not seen to go: it is there for as long as it would have been.
        let heard = last.filter(|_| is_last).map_or(now, |(_, heard)| heard);
        presences.last.insert(signer, (sequence, heard));
        let message = Message::Presence {
            deck,
            bytes: bytes.to_vec().into(),
        };
        let before = presences.others.remove(&signer).map(|other| other.presence);
        let presence = shown.presence.clone();
        let is_news = before != presence;
        if let Some(presence) = presence {
            let other = Other {
                shown,
                presence,
                heard,
                by: link,
                doubted: None,
            };
            presences.others.insert(signer, other);
        }
        if is_member {
            self.send_around(deck, &message, Some(link));
        }
        if is_news {
            self.event(Event::PresenceChanged { deck, device: signer });
        }
    }

    /// Others remember this device from before it was started again: what they know is over.
    fn meet_own_presence(&mut self, deck: DeckId, shown: &Shown) {
        let Some(state) = self.decks.get_mut(&deck) else {
            return;
        };
        let presences = &mut state.live.presences;
        if shown.sequence > presences.sequence {
            presences.sequence = shown.sequence;
            if shown.presence != presences.own {
                self.show(deck);
            }
        }
    }

    /// Whoever was seen by this link is asked for by the others.
    pub(super) fn doubt_way(&mut self, link: LinkId) {
        let decks: Vec<DeckId> = self.decks.keys().copied().collect();
        for deck in decks {
            self.doubt_way_of(link, deck);
        }
    }

    /// The same of one deck.
    pub(super) fn doubt_way_of(&mut self, link: LinkId, deck: DeckId) {
        let by_link = |other: &Other| other.by == link;
        self.doubt(deck, by_link, None);
    }

    /// Others ask whether these are still there.
    pub(super) fn take_doubt(&mut self, link: LinkId, deck: DeckId, devices: &[Device]) {
        let (me, now) = (self.device(), self.now);
        if self.session(link, deck).is_none() {
            return;
        }
        let Some(state) = self.links.get_mut(&link) else {
            return;
        };
        if state.live.doubts.count(now) > DOUBTS_PER_SECOND_MAX {
            return self.refuse(
                link,
                "it asks who is there more often than a device may".to_owned(),
            );
        }
        let asked = |device: DeviceId| devices.contains(&Device::from(device));
        let presences = self.decks.get_mut(&deck).map(|state| &mut state.live.presences);
        if let Some(presences) = presences.filter(|presences| presences.own.is_some() && asked(me))
            && presences.paced.may_leave(now, PRESENCE_EVERY)
        {
            self.show(deck);
        }
        self.doubt(deck, |other| asked(other.shown.signer), Some(link));
        self.doubt_echoes(deck);
    }

    /// Passes the question on, once: those who are doubted already were asked for.
    fn doubt(&mut self, deck: DeckId, is_doubted: impl Fn(&Other) -> bool, from: Option<LinkId>) {
        let now = self.now;
        let Some(state) = self.decks.get_mut(&deck) else {
            return;
        };
        let others = state.live.presences.others.values_mut();
        let mut devices: Vec<Device> = Vec::new();
        for other in others.filter(|other| other.doubted.is_none() && is_doubted(other)) {
            other.doubted = Some(now + DOUBTED_FOR);
            devices.push(other.shown.signer.into());
        }
        devices.truncate(DOUBTED_MAX);
        if !devices.is_empty() {
            self.send_around(deck, &Message::Doubt { deck, devices }, from);
        }
    }

    /// Whoever is no member any more is not shown.
    pub(super) fn drop_presences(&mut self, deck: DeckId) {
        let speak = self
            .links
            .values()
            .filter(|link| link.sessions.contains_key(&deck));
        let linked: Vec<DeviceId> = speak.map(|link| link.peer).collect();
        let Some(state) = self.decks.get(&deck) else {
            return;
        };
        let Some(log) = &state.log else { return };
        let devices = state.live.presences.others.keys();
        let is_nobody = |device: &&DeviceId| log.chain.rights(**device).is_none() && !linked.contains(device);
        let gone: Vec<DeviceId> = devices.filter(is_nobody).copied().collect();
        for device in gone {
            self.forget_presence(deck, device);
        }
    }

    fn forget_presence(&mut self, deck: DeckId, device: DeviceId) {
        let presences = self.decks.get_mut(&deck).map(|state| &mut state.live.presences);
        if presences
            .and_then(|presences| presences.others.remove(&device))
            .is_some()
        {
            self.event(Event::PresenceChanged { deck, device });
        }
    }
}

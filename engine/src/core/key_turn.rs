//! How a deck's key is turned over when somebody is let in no more, and who is told the new one.
//!
//! An owner that was restored from a backup may have turned the key over twice, in two ways that know nothing of one
//! another. Those who went along with either have an older key in common, and show that to members, and to nobody else: so
//! they pass both ways on, and the owner turns the key over once more, to those whom it removed in neither.

use std::collections::BTreeSet;

use cuecard_store::Batch;
use minicbor::bytes::ByteVec;
use zeroize::Zeroizing;

use crate::core::keyring::Keyring;
use crate::core::log::{Log, RoleError, TakeError};
use crate::core::{Core, DeckError, LinkId, Ticket, deck_proof, older_key_proof};
use crate::disk;
use crate::event::Event;
use crate::id::{DeckId, DeviceId};
use crate::role::{Charter, DeckKey, KeyEpoch, Member, RecordRef, Rights, Signed, WrappedKeys};
use crate::sync::message::{DeckProof, Item, Message};

/// What follows a charter that is about to be signed: who else it lists, and the key.
#[derive(Debug)]
pub(super) struct Planned {
    /// All that the charter is to list.
    pub(super) members: Vec<Member>,
    /// The epoch that it is to name.
    pub(super) epoch: KeyEpoch,
    /// The keyring from then on, if the key is turned over.
    ring: Option<Keyring>,
}

impl Planned {
    /// Keeps the new key, in the batch that keeps the charter.
    pub(super) fn keep(&self, deck: DeckId, batch: &mut Batch) {
        if let Some(ring) = &self.ring {
            disk::put_key(batch, deck, ring);
        }
    }
}

/// What an owner had before it met another way that it had gone.
#[derive(Debug)]
struct OwnWay {
    members: Vec<Member>,
    keys: Keyring,
}

/// A key that was turned over here, and is not durable yet.
#[derive(Debug)]
pub(super) struct Turning {
    /// With which batch it will be.
    ticket: Ticket,
    /// Links to those who were members until then.
    removed: Vec<LinkId>,
}

impl super::DeckState {
    pub(super) fn epoch(&self) -> Option<KeyEpoch> {
        self.log.as_ref().map(|log| log.chain.charter().key_epoch)
    }

    /// The key that this device shows: the deck's present one; or a newer one, which an invite brought before the charter
    /// that began its epoch; or, while the present one has not arrived, the newest that it has.
    pub(super) fn shown(&self) -> Option<&DeckKey> {
        let newest = self.keys.newest();
        let present = self
            .epoch()
            .filter(|epoch| newest.is_none_or(|(number, _)| number <= epoch.number))
            .and_then(|epoch| self.keys.of(epoch));
        present.or_else(|| newest.map(|(_, key)| key))
    }

    /// Whether that is the deck's present one, as far as is known.
    pub(super) fn is_current(&self) -> bool {
        let newest = self.keys.newest().map(|(number, _)| number);
        let is_held = |epoch: KeyEpoch| newest > Some(epoch.number) || self.keys.of(epoch).is_some();
        self.epoch().is_none_or(is_held)
    }

    /// The keys beside the one that this device shows, the newest first, if the other is a member as far as is known here.
    pub(super) fn older_keys_for(&self, peer: DeviceId) -> Vec<&DeckKey> {
        let is_member = |log: &Log| log.chain.rights(peer).is_some();
        if self.turning.is_some() || !self.log.as_ref().is_some_and(is_member) {
            return vec![];
        }
        let shown = self.shown();
        self.keys.all().rev().filter(|key| Some(*key) != shown).collect()
    }

    /// Whether to speak of the deck to a device that shows the same key as this one. While this device waits for a newer
    /// key, some who show the old one have been removed.
    pub(super) fn may_meet(&self, peer: DeviceId) -> bool {
        let is_member = |log: &Log| log.chain.rights(peer).is_some();
        self.turning.is_none() && (self.is_current() || self.log.as_ref().is_some_and(is_member))
    }
}

impl Core {
    /// What a charter with these members has to say beside them. Where a device loses its membership, or one is listed that
    /// the present key may not have reached, the key is turned over, and the charter lists those who were admitted and remain: their admissions are of the old key. The same
    /// where the member who admitted them may not hold the role any more.
    pub(super) fn plan_members(
        &mut self,
        deck: DeckId,
        mut members: Vec<Member>,
        removed: Option<DeviceId>,
    ) -> Result<Planned, RoleError> {
        let state = self.decks.get(&deck).ok_or(DeckError::Unknown(deck))?;
        let log = state.log.as_ref().ok_or(DeckError::NotHereYet(deck))?;
        let (owner, before) = (log.chain.charter().owner, log.chain.charter().key_epoch);
        let listed = |members: &[Member], device| members.iter().any(|member| member.device == device);
        let leaves = |member: &Member| member.device != owner && !listed(&members, member.device);
        // One who comes back after a removal has an older key, and is not among those that the present one is wrapped to.
        let has_no_key = |member: &Member| {
            before.number > 0
                && log.chain.rights(member.device).is_none()
                && !state
                    .keys
                    .wrapped(before)
                    .is_some_and(|keys| keys.is_for(member.device))
        };
        let turns =
            removed.is_some() || log.chain.members().iter().any(leaves) || members.iter().any(has_no_key);
        let keeps_hold = |device| {
            let mut members = members.iter();
            device == owner || members.any(|member| member.device == device && member.rights == Rights::Hold)
        };
        let admitted: Vec<Member> = log
            .chain
            .admitted()
            .filter(|(device, seat)| {
                Some(*device) != removed && !listed(&members, *device) && (turns || !keeps_hold(seat.by))
            })
            .map(|(device, seat)| Member {
                device,
                rights: seat.rights,
                rank: u16::MAX,
            })
            .collect();
        members.extend(admitted);
        members.sort_by_key(|member| member.device);
        if !turns {
            return Ok(Planned {
                members,
                epoch: before,
                ring: None,
            });
        }
        self.plan_turn(deck, members)
    }

    /// The key turned over to these members, and to nobody else.
    fn plan_turn(&mut self, deck: DeckId, members: Vec<Member>) -> Result<Planned, RoleError> {
        let me = self.device();
        let (secret, ephemeral) = (self.random_bytes(), Zeroizing::new(self.random_bytes()));
        let state = self.decks.get(&deck).ok_or(DeckError::Unknown(deck))?;
        let log = state.log.as_ref().ok_or(DeckError::NotHereYet(deck))?;
        let charter = log.chain.charter();
        let newest = state.keys.newest().map_or(0, |(number, _)| number);
        let number = charter.key_epoch.number.max(newest).saturating_add(1);
        let key = DeckKey::from_bytes(secret);
        let devices = members.iter().map(|member| member.device);
        let devices = devices.chain([charter.owner, me]);
        let wrapped = WrappedKeys::wrap(deck, number, &key, &ephemeral, devices);
        let (epoch, mut ring) = (wrapped.epoch(), state.keys.clone());
        ring.add_wrapped(wrapped, key);
        ring.remaining = None;
        Ok(Planned {
            members,
            epoch,
            ring: Some(ring),
        })
    }

    /// Where this device, the owner, turned the key over in two ways, it turns it over once more.
    pub(super) fn join_the_ways(&mut self, deck: DeckId) -> Result<(), RoleError> {
        let remaining = self
            .decks
            .get(&deck)
            .and_then(|state| state.keys.remaining.clone());
        let Some(remaining) = remaining else {
            return Ok(());
        };
        let planned = self.plan_turn(deck, remaining)?;
        self.sign_planned(self.now, deck, planned).map(drop)
    }

    /// A charter was signed as planned, and this batch will make it durable. If it turns the key over, nothing more is
    /// said of the deck until then, and to those who were removed never again.
    pub(super) fn planned_is_signed(&mut self, deck: DeckId, planned: Planned, ticket: Option<Ticket>) {
        let (Some(ring), Some(ticket)) = (planned.ring, ticket) else {
            return;
        };
        let Some(state) = self.decks.get_mut(&deck) else {
            return;
        };
        state.keys = ring;
        let is_removed = |peer| {
            let log = state.log.as_ref();
            log.is_some_and(|log| log.chain.rights(peer).is_none())
        };
        let met = self
            .links
            .iter()
            .filter(|(_, link)| link.sessions.contains_key(&deck));
        let removed = met
            .filter(|(_, link)| is_removed(link.peer))
            .map(|(&link, _)| link)
            .collect();
        state.turning = Some(Turning { ticket, removed });
        self.end_sessions(deck);
    }

    /// A batch is durable: perhaps it holds a new key.
    pub(super) fn key_is_saved(&mut self, deck: DeckId, ticket: Ticket) {
        let Some(state) = self.decks.get_mut(&deck) else {
            return;
        };
        let Some(turning) = state.turning.take_if(|turning| turning.ticket == ticket) else {
            return;
        };
        // Those who were removed and are linked at this moment hear why the others fall silent; later, nothing.
        let word = |log: &Log| {
            let charter = log.chain.signed_charter()?;
            // What it settles goes before it: without, the deck of the one who was removed would end before that.
            let settled = log.chain.term(charter.settled.term);
            let settled = settled.map(|term| Item::Term(term.encode().into()));
            let charter = Item::Charter(charter.encode().into());
            Some(settled.into_iter().chain([charter]).collect::<Vec<Item>>())
        };
        // Another way of this owner's own may have come meanwhile, and is not on the disk yet.
        let log = state.log.as_ref().filter(|log| log.newest_charter_is_saved());
        if let Some(items) = log.and_then(word) {
            for link in turning.removed {
                if self.links.contains_key(&link) {
                    let items = items.clone();
                    self.send(link, &Message::Entries { deck, items });
                }
            }
        }
        self.event(Event::KeyTurned { deck });
        self.greet_all();
    }

    /// Ends all talk of a deck: each side has to show its key again.
    pub(super) fn end_sessions(&mut self, deck: DeckId) {
        self.drop_sessions(deck, |_, _| true);
        for link in self.links.values_mut() {
            link.key_sent.remove(&deck);
        }
        self.reading.retain(|_, (_, of)| *of != deck);
    }

    /// Members, rights or the key are others than before.
    pub(super) fn members_changed(&mut self, deck: DeckId) {
        self.event(Event::MembersChanged { deck });
        let me = self.device();
        let Some(state) = self.decks.get(&deck) else {
            return;
        };
        if state.is_current() {
            return self.drop_presences(deck);
        }
        let is_member = |log: &Log| log.chain.rights(me).is_some();
        if !state.log.as_ref().is_some_and(is_member) {
            self.event(Event::Removed { deck });
        }
        // Whoever shows the old key from now on is met only as a member.
        let Some(state) = self.decks.get(&deck) else {
            return;
        };
        let peers = self.links.values().map(|link| link.peer);
        let not_met: BTreeSet<DeviceId> = peers.filter(|&peer| !state.may_meet(peer)).collect();
        self.drop_sessions(deck, |_, peer| not_met.contains(&peer));
        self.drop_presences(deck);
    }

    /// Whether the key that the other side showed is the one that this device shows, and it may be spoken to.
    pub(super) fn may_open(&self, link: LinkId, deck: DeckId) -> bool {
        let (Some(state), Some(link)) = (self.decks.get(&deck), self.links.get(&link)) else {
            return false;
        };
        let proves = |key: &DeckKey| {
            let proof = deck_proof(key.as_bytes(), deck, &link.transcript, link.peer);
            link.greeting.proofs.contains(&proof)
        };
        state.followed && state.may_meet(link.peer) && state.shown().is_some_and(proves)
    }

    /// As [`Core::pass_on_key`], to all that are linked, when a batch that it may have waited for is durable.
    pub(super) fn pass_on_saved_key(&mut self, deck: DeckId, ticket: Ticket, is_new_charter: bool) {
        let state = self.decks.get_mut(&deck);
        let saved = state.and_then(|state| state.key_unsaved.take_if(|unsaved| *unsaved <= ticket));
        if saved.is_none() && !is_new_charter {
            return;
        }
        let links: Vec<LinkId> = self.links.keys().copied().collect();
        for link in links {
            self.pass_on_key(link, deck);
        }
    }

    /// Sends the present key to a member that showed an older one, wrapped to its device: once a link. Where it showed a
    /// present one that is not known here, it is known by an older one that both have, the newest of those.
    pub(super) fn pass_on_key(&mut self, link: LinkId, deck: DeckId) {
        let me = self.device();
        let (Some(state), Some(to)) = (self.decks.get(&deck), self.links.get(&link)) else {
            return;
        };
        let (Some(epoch), Some(log)) = (state.epoch(), &state.log) else {
            return;
        };
        if to.key_sent.get(&deck) == Some(&epoch)
            || !state.followed
            || state.turning.is_some()
            || state.key_unsaved.is_some()
            || log.chain.rights(to.peer).is_none()
            // A key that was received is on the disk here before it is passed on, with the charter that began its epoch.
            || !log.is_kept
            || !log.newest_charter_is_saved()
        {
            return;
        }
        let (Some(present), Some(wrapped)) = (state.keys.of(epoch), state.keys.wrapped(epoch)) else {
            return;
        };
        let showed = |key: &&DeckKey| {
            let proofs =
                [deck_proof, older_key_proof].map(|of| of(key.as_bytes(), deck, &to.transcript, to.peer));
            proofs.iter().any(|proof| to.greeting.proofs.contains(proof))
        };
        // The other side is ahead of this one.
        if showed(&present) {
            return;
        }
        let Some(old) = state.keys.all().rev().filter(|key| *key != present).find(showed) else {
            return;
        };
        let charters = log.chain.records().filter_map(|record| match record {
            RecordRef::Charter(charter) => Some(ByteVec::from(charter.encode())),
            RecordRef::Term(_) | RecordRef::Seal(_) | RecordRef::Admit(_) => None,
        });
        let message = Message::NewKey {
            deck,
            proof: deck_proof(old.as_bytes(), deck, &to.transcript, me),
            genesis: log.genesis.encode().into(),
            charters: charters.collect(),
            keys: wrapped.encode().into(),
        };
        if let Some(to) = self.links.get_mut(&link) {
            to.key_sent.insert(deck, epoch);
        }
        self.send(link, &message);
    }

    /// A member that is ahead of this device, or went another way, passes the deck's present key on. From anybody who does
    /// not show the key that this device shows, or as a member an older one, this is nothing: not even an offence, which
    /// would tell that the deck is followed here.
    pub(super) fn take_new_key(
        &mut self,
        link: LinkId,
        deck: DeckId,
        proof: DeckProof,
        genesis: &[u8],
        charters: &[ByteVec],
        keys: &[u8],
    ) {
        let (Some(state), Some(from)) = (self.decks.get(&deck), self.links.get(&link)) else {
            return;
        };
        let showed = |key: &DeckKey| proof == deck_proof(key.as_bytes(), deck, &from.transcript, from.peer);
        let parted = !state.shown().is_some_and(showed);
        let is_member = |log: &Log| log.chain.rights(from.peer).is_some();
        if parted && !(state.log.as_ref().is_some_and(is_member) && state.keys.all().any(showed)) {
            return;
        }
        let (mut batch, editor) = (Batch::default(), self.editor_of(deck));
        let ways = parted.then(|| self.own_way(deck)).flatten();
        let taken = match (
            self.take_key_turn(deck, genesis, charters, keys, &mut batch),
            ways,
        ) {
            (Ok(adopted), Some(own)) => {
                let met = self.meet_other_way(deck, own, charters, keys, &mut batch);
                met.map(|()| adopted)
            }
            (taken, _) => taken,
        };
        let adopted = *taken.as_ref().unwrap_or(&false);
        if !batch.is_empty() {
            self.keep_charters(deck, batch, editor);
            let newest = self.saving.keys().next_back().copied();
            if let Some(state) = self.decks.get_mut(&deck) {
                state.key_unsaved = newest;
            }
        }
        if adopted {
            self.event(Event::KeyTurned { deck });
            self.end_sessions(deck);
            self.greet_all();
        }
        if let Err(error) = taken
            && !matches!(error, TakeError::Early)
        {
            self.refuse(link, error.to_string());
        }
    }

    /// Whom this device let in, if it owns the deck, and the epochs of the key that it knows.
    fn own_way(&self, deck: DeckId) -> Option<OwnWay> {
        let state = self.decks.get(&deck)?;
        let chain = &state.log.as_ref()?.chain;
        if !chain.is_owner(self.device()) {
            return None;
        }
        let admitted = chain.admitted().map(|(device, seat)| Member {
            device,
            rights: seat.rights,
            rank: u16::MAX,
        });
        Some(OwnWay {
            members: chain.members().iter().copied().chain(admitted).collect(),
            keys: state.keys.clone(),
        })
    }

    /// A member knows none of this owner's newest keys, and shows one that this owner signed and does not know: it was
    /// restored from a backup, and turned the key over on both ways. Members remain those whom it had on both; each with
    /// the lesser of its two rights, as one may have been taken on purpose.
    fn meet_other_way(
        &mut self,
        deck: DeckId,
        own: OwnWay,
        charters: &[ByteVec],
        keys: &[u8],
        batch: &mut Batch,
    ) -> Result<(), TakeError> {
        let (me, wrapped) = (self.device(), WrappedKeys::decode(keys)?);
        let epoch = wrapped.epoch();
        if own.keys.knows(epoch) {
            return Ok(());
        }
        let mut theirs = None;
        for bytes in charters {
            let charter = Signed::<Charter>::decode(bytes)?.verify(deck)?;
            if charter.signer == me && charter.key_epoch == epoch {
                theirs = Some(charter.members.clone());
            }
        }
        let (Some(theirs), Some(key)) = (theirs, wrapped.unwrap_with(&self.key)) else {
            return Ok(());
        };
        let on_both = own.members.iter().filter_map(|member| {
            let there = theirs.iter().find(|there| there.device == member.device)?;
            let rights = member.rights.min(there.rights);
            Some(Member { rights, ..*member })
        });
        let mut remaining: Vec<Member> = on_both.collect();
        remaining.sort_by_key(|member| member.device);
        if let Some(state) = self.decks.get_mut(&deck) {
            if !state.keys.knows(epoch) {
                state.keys.add_other(epoch, key);
            }
            state.keys.remaining = Some(remaining);
            disk::put_key(batch, deck, &state.keys);
        }
        Ok(())
    }

    /// True when the present key is held now and was not before.
    fn take_key_turn(
        &mut self,
        deck: DeckId,
        genesis: &[u8],
        charters: &[ByteVec],
        keys: &[u8],
        batch: &mut Batch,
    ) -> Result<bool, TakeError> {
        self.take_genesis(deck, genesis, batch)?;
        let log = self.log_mut(deck).map_err(|_| TakeError::Early)?;
        for charter in charters {
            log.take_charter(charter, batch)?;
        }
        let epoch = log.chain.charter().key_epoch;
        let wrapped = WrappedKeys::decode(keys)?;
        if wrapped.begins().0 != deck || wrapped.epoch() != epoch {
            // The other side may be behind what this device learned elsewhere.
            return Ok(false);
        }
        let Some(key) = wrapped.unwrap_with(&self.key) else {
            return Ok(false);
        };
        let Some(state) = self.decks.get_mut(&deck) else {
            return Ok(false);
        };
        let was_current = state.keys.of(epoch) == Some(&key);
        if state.keys.wrapped(epoch).is_some() {
            return Ok(false);
        }
        state.keys.add_wrapped(wrapped, key);
        // What it was invited to do, it was in another epoch.
        state.keys.invited = None;
        disk::put_key(batch, deck, &state.keys);
        Ok(!was_current)
    }
}

#[cfg(test)]
mod tests;

//! Members: whom this device lets in, and how the deck's key is turned over when somebody is let in no more.
//!
//! A deck is spoken of only to a device that shows its present key. Whoever has an invite shows that key, and is admitted
//! by the first member it meets that may hold the role. When the owner removes a member, the key is turned over: all talk
//! of the deck under the old key ends at once; a member that shows an older key, on a link that proves its device, is sent
//! the charter and the new key, wrapped to it; and one who is no member any more is told nothing.

use cuecard_store::Batch;
use minicbor::bytes::ByteVec;
use zeroize::Zeroizing;

use crate::core::keyring::{Invited, Keyring};
use crate::core::log::{Log, RoleError, TakeError};
use crate::core::policy::AdmitPolicy;
use crate::core::{Applied, Core, DeckError, LinkId, StoreHasFailed, Ticket, deck_proof};
use crate::disk;
use crate::event::Event;
use crate::id::{DeckId, DeviceId};
use crate::invite::DeckInvite;
use crate::limits::MEMBERS_MAX;
use crate::role::{
    Admit, DeckKey, KeyEpoch, Malformed, Member, RecordRef, Refusal, Rights, Voucher, WrappedKeys,
};
use crate::sync::message::{DeckProof, Item, Message};

/// Why no invite was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InviteError {
    /// The right to hold the role comes from the owner's charter.
    #[error(
        "an invite is to read or to draft; the owner gives the right to hold the role once the device is a member"
    )]
    HoldIsNotForInvites,
    /// This device may not invite to more than reading.
    #[error(
        "only a member that may hold the role invites to draft; invite to read, or ask such a member to invite"
    )]
    MayNotHold,
    /// This device waits for the deck's present key.
    #[error("the deck's key was turned over and has not arrived here yet; link to a member that has it")]
    KeyIsOld,
    /// The deck is not here.
    #[error(transparent)]
    Deck(#[from] DeckError),
}

/// Why a device was not admitted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AdmitError {
    /// This device may not admit others.
    #[error("only a member that may hold the role admits others")]
    MayNotHold,
    /// What it would be admitted for is for a charter to give, or it has as much already.
    #[error("{} has that right already, or it is for the owner to give: set the members", .0.short())]
    NotForAdmissions(DeviceId),
    /// The deck has as many members as it may.
    #[error("the deck has {MEMBERS_MAX} members already; remove one first")]
    Full,
    /// The record was not taken in.
    #[error("this would break the rules of the role: {0}")]
    Rules(#[from] Refusal),
    /// The record cannot be made.
    #[error(transparent)]
    Record(#[from] Malformed),
    /// The deck is not here.
    #[error(transparent)]
    Deck(#[from] DeckError),
    /// The disk has failed.
    #[error(transparent)]
    Store(#[from] StoreHasFailed),
}

/// Who owns a deck, and who its members are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Members {
    /// Its owner, who may hold the role whether or not it is listed.
    pub owner: DeviceId,
    /// The others, in ascending order of device.
    pub list: Vec<MemberInfo>,
}

impl Members {
    /// Those whom the owner's charter lists: to be changed and given to [`crate::Deck::set_members`]. The others stay
    /// admitted, whatever that says.
    #[must_use]
    pub fn listed(&self) -> Vec<Member> {
        let listed = self.list.iter().filter(|info| info.admitted_by.is_none());
        listed
            .map(|info| Member {
                device: info.device,
                rights: info.rights,
                rank: info.rank,
            })
            .collect()
    }
}

/// One member of a deck.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberInfo {
    /// Which device.
    pub device: DeviceId,
    /// What it may do.
    pub rights: Rights,
    /// Among claims the lower number wins.
    pub rank: u16,
    /// Who let it in; `None`: the owner, by its charter.
    pub admitted_by: Option<DeviceId>,
    /// What it calls itself, if it ever said.
    pub name: Option<String>,
    /// Whether it is linked now, and has shown the deck's key.
    pub linked: bool,
}

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

/// A key that was turned over here, and is not durable yet.
#[derive(Debug)]
pub(super) struct Turning {
    /// With which batch it will be.
    ticket: Ticket,
    /// Links to those who were members until then.
    removed: Vec<LinkId>,
}

impl super::DeckState {
    fn epoch(&self) -> Option<KeyEpoch> {
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
    fn is_current(&self) -> bool {
        let newest = self.keys.newest().map(|(number, _)| number);
        let is_held = |epoch: KeyEpoch| newest > Some(epoch.number) || self.keys.of(epoch).is_some();
        self.epoch().is_none_or(is_held)
    }

    /// Whether to speak of the deck to a device that shows the same key as this one. While this device waits for a newer
    /// key, some who show the old one have been removed.
    fn may_meet(&self, peer: DeviceId) -> bool {
        let is_member = |log: &Log| log.chain.rights(peer).is_some();
        self.turning.is_none() && (self.is_current() || self.log.as_ref().is_some_and(is_member))
    }
}

impl Core {
    /// What another device needs to follow a deck.
    ///
    /// # Errors
    /// When the deck is not followed here, or this device may not invite to that.
    pub fn invite(&self, deck: DeckId, rights: Rights) -> Result<DeckInvite, InviteError> {
        let state = self.decks.get(&deck).ok_or(DeckError::Unknown(deck))?;
        let (epoch, key) = match state.epoch() {
            Some(epoch) => (epoch.number, state.keys.of(epoch).ok_or(InviteError::KeyIsOld)?),
            None => state.keys.newest().ok_or(InviteError::KeyIsOld)?,
        };
        let signature = match rights {
            Rights::Read => None,
            Rights::Draft => {
                let log = state.log.as_ref().ok_or(DeckError::NotHereYet(deck))?;
                let signer = self.device();
                if log.chain.rights(signer) != Some(Rights::Hold) {
                    return Err(InviteError::MayNotHold);
                }
                let voucher = Voucher {
                    deck,
                    epoch,
                    rights,
                    signer,
                };
                let signed = voucher.sign(&self.key);
                Some(*signed.map_err(|_| InviteError::HoldIsNotForInvites)?.signature())
            }
            Rights::Hold => return Err(InviteError::HoldIsNotForInvites),
        };
        Ok(DeckInvite::new(
            deck,
            epoch,
            key.clone(),
            Invited { rights, signature },
        ))
    }

    /// An invite to read, with the key that this device shows, present or not: for a file that a deck is exported to.
    pub(crate) fn invite_to_read(&self, deck: DeckId) -> Result<DeckInvite, DeckError> {
        let state = self.decks.get(&deck).ok_or(DeckError::Unknown(deck))?;
        let key = state.shown().cloned().ok_or(DeckError::Unknown(deck))?;
        let newest = state.keys.newest().map_or(0, |(number, _)| number);
        let epoch = if state.is_current() {
            state.epoch().map_or(newest, |epoch| epoch.number.max(newest))
        } else {
            newest
        };
        let (rights, signature) = (Rights::Read, None);
        Ok(DeckInvite::new(deck, epoch, key, Invited { rights, signature }))
    }

    /// Follows a deck that another device has. It arrives when that device is linked. For a deck that is followed already
    /// this takes in a newer key: one who was removed comes back by a new invite.
    pub fn join(&mut self, now: crate::time::Time, invite: &DeckInvite) -> Option<Ticket> {
        self.set_now(now);
        let (deck, key) = (invite.deck(), invite.key().clone());
        if self.closed.contains_key(&deck) {
            return None;
        }
        let invited = Some(invite.invited());
        let ring = match self.decks.get_mut(&deck) {
            None => {
                let ring = Keyring::new(invite.epoch(), key, invited);
                self.decks.insert(
                    deck,
                    super::DeckState::new(ring.clone(), None, super::RoleState::default()),
                );
                ring
            }
            Some(state) => {
                let more =
                    invited.map(|invited| invited.rights) > state.keys.invited.map(|known| known.rights);
                if !state.keys.add_invited(invite.epoch(), key) && !more {
                    return None;
                }
                state.keys.invited = invited;
                state.keys.clone()
            }
        };
        let mut batch = Batch::default();
        disk::put_key(&mut batch, deck, &ring);
        let ticket = self.save(deck, batch, None);
        self.end_sessions(deck);
        self.greet_all();
        Some(ticket)
    }

    /// Admits a device to read or to draft, or gives one that may read the right to draft.
    ///
    /// # Errors
    /// By one that may not hold the role; where the charter lists the device, which only the owner can change.
    pub fn admit(
        &mut self,
        now: crate::time::Time,
        deck: DeckId,
        device: DeviceId,
        rights: Rights,
    ) -> Result<Applied<()>, AdmitError> {
        self.set_now(now);
        self.check_store()?;
        let (key, signer) = (self.key.clone(), self.device());
        let log = self.log_mut(deck)?;
        if log.chain.rights(signer) != Some(Rights::Hold) {
            return Err(AdmitError::MayNotHold);
        }
        let is_listed =
            log.chain.is_owner(device) || log.chain.members().iter().any(|member| member.device == device);
        let known = log.chain.rights(device);
        if is_listed || known >= Some(rights) || rights == Rights::Hold {
            return Err(AdmitError::NotForAdmissions(device));
        }
        if known.is_none() && log.chain.members().len() + log.chain.admitted().count() >= MEMBERS_MAX {
            return Err(AdmitError::Full);
        }
        let epoch = log.chain.charter().key_epoch.number;
        let admit = Admit {
            deck,
            epoch,
            device,
            rights,
            signer,
        };
        let mut batch = Batch::default();
        log.add_admit(admit.sign(&key)?, &mut batch)?;
        let ticket = Some(self.save(deck, batch, None));
        self.event(Event::MemberAdmitted {
            deck,
            device,
            rights,
            by: signer,
        });
        self.tell_drafts(deck);
        self.members_changed(deck);
        Ok(Applied { value: (), ticket })
    }

    /// Who owns the deck, and who its members are.
    ///
    /// # Errors
    /// When the deck is not here.
    pub fn membership(&self, deck: DeckId) -> Result<Members, DeckError> {
        let chain = &self.log(deck)?.chain;
        let linked = |device: DeviceId| {
            let mut links = self.links.values();
            links.any(|link| link.peer == device && link.sessions.contains_key(&deck))
        };
        let info = |device, rights, rank, admitted_by| MemberInfo {
            device,
            rights,
            rank,
            admitted_by,
            name: self.name_of(device).map(str::to_owned),
            linked: linked(device),
        };
        let listed = chain.members().iter();
        let listed = listed.map(|member| info(member.device, member.rights, member.rank, None));
        let admitted = chain.admitted();
        let admitted = admitted.map(|(device, seat)| info(device, seat.rights, u16::MAX, Some(seat.by)));
        let mut list: Vec<MemberInfo> = listed.chain(admitted).collect();
        list.sort_by_key(|member| member.device);
        Ok(Members {
            owner: chain.charter().owner,
            list,
        })
    }

    /// What a charter with these members has to say beside them. Where a device loses its membership, the key is turned
    /// over, and the charter lists those who were admitted and remain: their admissions are of the old key. The same
    /// where the member who admitted them may not hold the role any more.
    pub(super) fn plan_members(
        &mut self,
        deck: DeckId,
        mut members: Vec<Member>,
        removed: Option<DeviceId>,
    ) -> Result<Planned, RoleError> {
        let me = self.device();
        let (secret, ephemeral) = (self.random_bytes(), Zeroizing::new(self.random_bytes()));
        let state = self.decks.get(&deck).ok_or(DeckError::Unknown(deck))?;
        let log = state.log.as_ref().ok_or(DeckError::NotHereYet(deck))?;
        let (owner, before) = (log.chain.charter().owner, log.chain.charter().key_epoch);
        let listed = |members: &[Member], device| members.iter().any(|member| member.device == device);
        let leaves = |member: &Member| member.device != owner && !listed(&members, member.device);
        let turns = removed.is_some() || log.chain.members().iter().any(leaves);
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
        let number = before.number.saturating_add(1);
        let key = DeckKey::from_bytes(secret);
        let devices = members.iter().map(|member| member.device).chain([owner, me]);
        let wrapped = WrappedKeys::wrap(deck, number, &key, &ephemeral, devices);
        let (epoch, mut ring) = (wrapped.epoch(), state.keys.clone());
        ring.add_wrapped(wrapped, key);
        Ok(Planned {
            members,
            epoch,
            ring: Some(ring),
        })
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
        if let Some(items) = state.log.as_ref().and_then(word) {
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
    fn end_sessions(&mut self, deck: DeckId) {
        for link in self.links.values_mut() {
            link.sessions.remove(&deck);
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
            return;
        }
        let is_member = |log: &Log| log.chain.rights(me).is_some();
        if !state.log.as_ref().is_some_and(is_member) {
            self.event(Event::Removed { deck });
        }
        // Whoever shows the old key from now on is met only as a member.
        let Some(state) = self.decks.get(&deck) else {
            return;
        };
        for link in self.links.values_mut() {
            if !state.may_meet(link.peer) {
                link.sessions.remove(&deck);
            }
        }
    }

    /// Whether the key that the other side showed is the one that this device shows, and it may be spoken to.
    pub(super) fn may_open(&self, link: LinkId, deck: DeckId) -> bool {
        let (Some(state), Some(link)) = (self.decks.get(&deck), self.links.get(&link)) else {
            return false;
        };
        let proves = |key: &DeckKey| {
            let proof = deck_proof(key.as_bytes(), deck, &link.transcript, link.peer);
            link.proofs.contains(&proof)
        };
        state.may_meet(link.peer) && state.shown().is_some_and(proves)
    }

    /// Sends the present key to a member that showed an older one, wrapped to its device: once a link.
    pub(super) fn pass_on_key(&mut self, link: LinkId, deck: DeckId) {
        let me = self.device();
        let (Some(state), Some(to)) = (self.decks.get(&deck), self.links.get(&link)) else {
            return;
        };
        let (Some(epoch), Some(log)) = (state.epoch(), &state.log) else {
            return;
        };
        if to.key_sent.get(&deck) == Some(&epoch)
            || state.turning.is_some()
            || log.chain.rights(to.peer).is_none()
        {
            return;
        }
        let (Some(present), Some(wrapped)) = (state.keys.of(epoch), state.keys.wrapped(epoch)) else {
            return;
        };
        let showed = |key: &&DeckKey| {
            let proof = deck_proof(key.as_bytes(), deck, &to.transcript, to.peer);
            to.proofs.contains(&proof)
        };
        let Some(old) = state.keys.all().filter(|key| *key != present).find(showed) else {
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

    /// A member that is ahead of this device passes the deck's present key on. From anybody who does not show the key that
    /// this device shows, this is nothing: not even an offence, which would tell that the deck is followed here.
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
        if !state.shown().is_some_and(showed) {
            return;
        }
        let (mut batch, editor) = (Batch::default(), self.editor_of(deck));
        let taken = self.take_key_turn(deck, genesis, charters, keys, &mut batch);
        let adopted = *taken.as_ref().unwrap_or(&false);
        if !batch.is_empty() {
            self.keep_charters(deck, batch, editor);
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

    /// Asks to be admitted to what the invite was for, once a link.
    pub(super) fn knock(&mut self, link: LinkId, deck: DeckId) {
        let (me, peer) = (self.device(), self.peer_of(link));
        let (Some(state), Some(peer)) = (self.decks.get(&deck), peer) else {
            return;
        };
        let (Some(log), Some(invited)) = (&state.log, state.keys.invited) else {
            return;
        };
        let has_it = log.chain.rights(me) >= Some(invited.rights);
        if has_it || log.chain.rights(peer) != Some(Rights::Hold) {
            return;
        }
        let Some(session) = self.session(link, deck) else {
            return;
        };
        if !session.heard || std::mem::replace(&mut session.knocked, true) {
            return;
        }
        self.send(
            link,
            &Message::Knock {
                deck,
                draft: invited.rights >= Rights::Draft,
                signature: invited.signature.map(|signature| signature.to_vec().into()),
            },
        );
    }

    /// A device that showed the key asks to be admitted.
    pub(super) fn take_knock(&mut self, link: LinkId, deck: DeckId, draft: bool, signature: Option<&[u8]>) {
        let (me, policy) = (self.device(), self.policies(deck).admit);
        let (Some(device), Some(session)) = (self.peer_of(link), self.session(link, deck)) else {
            return;
        };
        // Checking a signature against every member is dear: one try a link.
        if std::mem::replace(&mut session.was_knocked, true) {
            return;
        }
        let Ok(log) = self.log(deck) else { return };
        let chain = &log.chain;
        let rights = if draft { Rights::Draft } else { Rights::Read };
        let known = chain.rights(device);
        if chain.rights(me) != Some(Rights::Hold) || known >= Some(rights) {
            return;
        }
        let voucher = Voucher {
            deck,
            epoch: chain.charter().key_epoch.number,
            rights,
            signer: me,
        };
        let holders = chain
            .members()
            .iter()
            .filter(|member| member.rights == Rights::Hold);
        let holders = holders.map(|member| member.device).chain([chain.charter().owner]);
        let signature = signature.and_then(|signature| signature.try_into().ok());
        let proved =
            signature.is_some_and(|signature| voucher.signed_by_one_of(signature, holders).is_some());
        let granted = if proved { rights } else { Rights::Read };
        if policy == AdmitPolicy::Automatically && known < Some(granted) {
            let now = self.now;
            if let Err(error) = self.admit(now, deck, device, granted) {
                tracing::warn!(deck = %deck.short(), device = %device.short(), %error, "not admitted");
            }
        }
        if policy == AdmitPolicy::Ask || granted < rights {
            self.event(Event::AdmissionAsked { deck, device, rights });
        }
    }
}

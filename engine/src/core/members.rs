//! Members: whom this device lets in. How the deck's key is turned over when somebody is let in no more is in `key_turn`.
//!
//! A deck is spoken of only to a device that shows its present key. Whoever has an invite shows that key, and is admitted
//! by the first member it meets that may hold the role. When the owner removes a member, the key is turned over: all talk
//! of the deck under the old key ends at once; a member that shows an older key, on a link that proves its device, is sent
//! the charter and the new key, wrapped to it; and one who is no member any more is told nothing.

use cuecard_store::Batch;

use crate::core::keyring::{Invited, Keyring};
use crate::core::policy::AdmitPolicy;
use crate::core::{Applied, Core, DeckError, LinkId, StoreHasFailed, Ticket};
use crate::disk;
use crate::event::Event;
use crate::id::{DeckId, DeviceId};
use crate::invite::DeckInvite;
use crate::limits::MEMBERS_MAX;
use crate::role::{Admit, Malformed, Member, Refusal, Rights, Voucher};
use crate::sync::message::Message;

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
    /// The others, in ascending order of device. [`Members::devices`] has the owner, too.
    pub list: Vec<MemberInfo>,
}

impl Members {
    /// What a device may do; `None` if it is no member. The owner may always hold the role.
    #[must_use]
    pub fn rights(&self, device: DeviceId) -> Option<Rights> {
        if device == self.owner {
            return Some(Rights::Hold);
        }
        let member = self.list.iter().find(|info| info.device == device);
        member.map(|info| info.rights)
    }

    /// All of them: the owner, then the others in ascending order.
    pub fn devices(&self) -> impl Iterator<Item = DeviceId> + '_ {
        let others = self.list.iter().map(|info| info.device);
        let others = others.filter(|device| *device != self.owner);
        std::iter::once(self.owner).chain(others)
    }

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
        if self.closed.contains_key(&deck) || self.is_being_removed(deck) {
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
                self.event(Event::DeckAdded { deck });
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
        for link in self.links_of(deck) {
            self.greet_without(link, deck);
        }
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

//! Members, as an app holds a deck: who they are, inviting, admitting, removing.

use super::Deck;

use crate::core::{AdmitError, DeckError, InviteError, Members};
use crate::driver::Saving;
use crate::id::DeviceId;
use crate::invite::DeckInvite;
use crate::role::Rights;

impl Deck {
    /// Who owns it, and who its members are: those whom the owner's charter lists, and those who were admitted.
    ///
    /// # Errors
    /// While nothing of it has arrived.
    pub fn members(&self) -> Result<Members, DeckError> {
        self.shared.read(|core| core.membership(self.id))
    }

    /// What another device needs to follow this deck. Whoever has it can read the deck, until somebody is removed from
    /// it. The device is admitted when it meets a member that may hold the role: at once, unless
    /// [`crate::Policies::admit`] says otherwise there. To draft, only a member that may hold the role can invite.
    ///
    /// # Errors
    /// When the deck is not followed here, or this device may not invite to that.
    pub fn invite(&self, rights: Rights) -> Result<DeckInvite, InviteError> {
        self.shared.read(|core| core.invite(self.id, rights))
    }

    /// Admits a device to read or to draft, or gives a reader the right to draft. A member that may hold the role can.
    /// What the owner's charter says of a device goes before that.
    ///
    /// # Errors
    /// [`AdmitError`]: by one that may not hold the role, where the owner's charter lists the device, and when the deck is full.
    pub fn admit(&self, device: DeviceId, rights: Rights) -> Saving<(), AdmitError> {
        self.shared
            .apply(|core, now| core.admit(now, self.id, device, rights))
    }
}

//! The role: who may edit, how it moves, who may hold it.

use super::Deck;
use crate::core::{DeckError, Policies, Role, RoleError};
use crate::driver::Saving;
use crate::id::{DeviceId, TermId};
use crate::role::Member;

impl Deck {
    /// Who may edit.
    ///
    /// # Errors
    /// While nothing of it has arrived.
    pub fn role(&self) -> Result<Role, DeckError> {
        self.shared
            .read(|core| Ok(core.log(self.id)?.role(core.device())))
    }

    /// Gives the role to another device, asked or not: it begins where this one ended. It must have the right to hold it.
    /// Only the editor can.
    ///
    /// # Errors
    /// [`RoleError`]: by any device but the editor, and when `device` may not hold it.
    pub fn grant(&self, device: DeviceId) -> Saving<TermId, RoleError> {
        self.shared
            .apply(|core, now| core.hand_over(now, self.id, device))
    }

    /// Asks the editor for the role, at most every five seconds. It is told ([`crate::Event::RoleRequested`]) over
    /// whatever devices lie between, now or when there is a way; the request ends with that editor's time. Nothing of it
    /// is kept on disk.
    ///
    /// # Errors
    /// [`RoleError`]: when this device has the role or may not hold it, when it asked a moment ago, and when the note is too long.
    pub fn request_role(&self, note: &str) -> Saving<(), RoleError> {
        self.shared
            .apply(|core, now| core.request_role(now, self.id, note))
    }

    /// Tells a device that asked for the role that it does not get it ([`crate::Event::RoleDenied`]). Only the editor can.
    ///
    /// # Errors
    /// [`RoleError`]: by any device but the editor, when that device did not ask, and when the reason is too long.
    pub fn deny(&self, device: DeviceId, reason: &str) -> Saving<(), RoleError> {
        self.shared
            .apply(|core, now| core.deny(now, self.id, device, reason))
    }

    /// Lets the role go. Nobody can edit until a member that may hold the role claims it. Only the editor can.
    ///
    /// # Errors
    /// [`RoleError`]: by any device but the editor.
    pub fn release(&self) -> Saving<TermId, RoleError> {
        self.shared.apply(|core, now| core.release(now, self.id))
    }

    /// Takes the role from an editor that is gone, or after a release. This device must have the right to hold it.
    ///
    /// It is provisional until the owner settles it: an editor that was there all the time keeps the role, and what was
    /// written meanwhile is late work, which is not lost.
    ///
    /// # Errors
    /// [`RoleError`]: when this device may not hold the role, has it, or does not hold all of the deck that it knows of.
    pub fn claim(&self) -> Saving<TermId, RoleError> {
        self.shared.apply(|core, now| core.claim(now, self.id))
    }

    /// Takes the role, settled at once: no word of an editor that is still on its way undoes it. Only the owner can.
    ///
    /// # Errors
    /// [`RoleError`]: by any device but the owner, and when it has the role, or does not hold all of the deck that it knows of.
    pub fn take_over(&self) -> Saving<TermId, RoleError> {
        self.shared.apply(|core, now| core.take_over(now, self.id))
    }

    /// Says who its members are and what they may do. Only the owner can. If the editor loses the right to hold the role,
    /// the owner is the editor from then on.
    ///
    /// # Errors
    /// [`RoleError`]: by any device but the owner, when it does not hold all of the deck that it knows of, and when the list breaks a
    /// rule.
    pub fn set_members(&self, members: Vec<Member>) -> Saving<(), RoleError> {
        self.shared
            .apply(|core, now| core.set_members(now, self.id, members))
    }

    /// Ends a device's membership. What it wrote stays; what it writes from now on asks. The deck's key is turned over, and all
    /// invites are void: what the device has read stays with it, and nothing new reaches it from any device that knows of
    /// this. Only the owner can.
    ///
    /// # Errors
    /// [`RoleError`]: as [`Deck::set_members`], and when it is no member.
    pub fn remove_member(&self, device: DeviceId) -> Saving<(), RoleError> {
        self.shared
            .apply(|core, now| core.remove_member(now, self.id, device))
    }

    /// Gives the deck to a member, for good. This device stays one that may hold the role. Only the owner can.
    ///
    /// # Errors
    /// [`RoleError`]: by any device but the owner, and when `to` is no member.
    pub fn transfer_ownership(&self, to: DeviceId) -> Saving<(), RoleError> {
        self.shared
            .apply(|core, now| core.transfer_ownership(now, self.id, to))
    }

    /// Settles what is durable here: terms up to now are undone by a later word of the owner's only. Only the owner can,
    /// and its engine does by itself ([`Policies::settle`]).
    ///
    /// # Errors
    /// [`RoleError`]: by any device but the owner, and when it does not hold all of the deck that it knows of.
    pub fn settle(&self) -> Saving<(), RoleError> {
        self.shared.apply(|core, now| core.settle(now, self.id))
    }

    /// After [`crate::Event::CopyAtWork`], once the other copy has ended: this one goes on.
    ///
    /// # Errors
    /// While nothing of the deck has arrived.
    pub fn go_on(&self) -> Result<(), DeckError> {
        self.shared.drive(|core, _| core.go_on(self.id))
    }

    /// What this device does by itself in this deck, until the engine is opened again. For all decks see
    /// [`crate::Builder::policies`].
    ///
    /// # Errors
    /// When the deck is not followed here.
    pub fn set_policies(&self, policies: Policies) -> Result<(), DeckError> {
        self.shared.drive(|core, _| core.set_policies(self.id, policies))
    }

    /// What this device does by itself in this deck.
    #[must_use]
    pub fn policies(&self) -> Policies {
        self.shared.read(|core| core.policies(self.id).clone())
    }
}

//! What a device does by itself, deck by deck.
//!
//! Policies are this device's own affair: they are neither sent nor kept. An app sets them when it opens its engine
//! ([`crate::Builder::policies`]), or for one deck at any time ([`crate::Deck::set_policies`]).

use std::collections::BTreeSet;
use std::time::Duration;

use crate::core::{Core, DeckError, Output};
use crate::id::{DeckId, DeviceId};

/// What a device does by itself. The defaults never move the role, and lose nobody's work.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policies {
    /// As the editor: whether a request for the role is granted without a person.
    pub auto_grant: AutoGrant,
    /// As a member that may hold the role: whether it is claimed when the editor is no longer heard.
    pub auto_claim: AutoClaim,
    /// As the editor: what becomes of late work.
    pub late_work: LateWorkPolicy,
    /// As the editor: what becomes of drafts.
    pub drafts: DraftPolicy,
    /// As a member that may hold the role: whether those who come with an invite are admitted without a person.
    pub admit: AdmitPolicy,
    /// As the owner: whether the past is settled without a person.
    pub settle: SettlePolicy,
    /// Which audio is pulled without being asked for.
    pub audio: AudioPolicy,
}

/// Whether an editor grants the role to who asks for it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum AutoGrant {
    /// A person decides.
    #[default]
    Never,
    /// Once this device has not edited the deck for so long.
    WhenIdle(Duration),
    /// At once.
    Always,
}

/// Whether a member claims the role of an editor that is gone.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum AutoClaim {
    /// A person decides: closing a laptop does not cost the role.
    #[default]
    Never,
    /// After so long without a sign of the editor (five seconds at least where this run has not heard it yet), and only if
    /// a majority of those who may hold the role, this device included, does not hear it either. Devices that are to do so
    /// must be linked with each other, and the editor must have set it, too: it then shows itself three times in that time,
    /// or twice a second. In a deck that only two devices may hold it never happens.
    ///
    /// That, the answers, and links that are as quick to notice silence are what it costs: with one second some 200 KiB a
    /// minute and link where nobody edits, in place of 7.
    After(Duration),
}

/// What an editor does with late work: changes of an editor that its successors had not seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LateWorkPolicy {
    /// It becomes part of the deck again, if all of it is by devices that still may hold the role, and was not written
    /// after its author had given the role away. All else asks.
    #[default]
    Accept,
    /// A person decides.
    Ask,
}

/// What an editor does with drafts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum DraftPolicy {
    /// A person decides.
    #[default]
    Ask,
    /// Those of these members are accepted as they come, and those that wait already. One that cannot be merged waits for a
    /// person.
    AcceptFrom(BTreeSet<DeviceId>),
}

/// Whether a member that may hold the role admits those who come with an invite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AdmitPolicy {
    /// At once, with the right that the invite is for: to propose drafts only where a member who may hold the role has
    /// signed the invite. They can read in any case: the invite holds the key.
    #[default]
    Automatically,
    /// A person decides: [`crate::Event::AdmissionAsked`]. Whoever is not admitted reads until the key is turned over, no longer.
    Ask,
}

/// Whether an owner settles the past.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SettlePolicy {
    /// At most once a minute, while there are terms that are not settled, and only after it has heard in this run from
    /// a majority of those who may hold the role: an owner that was away for a year and meets one stale device decides
    /// nothing by accident.
    #[default]
    Auto,
    /// A person decides.
    ByHand,
}

/// Which audio a device pulls by itself. What an app asks for ([`crate::Deck::fetch_audio`]) is pulled in any case.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum AudioPolicy {
    /// All that cards name: the card in focus first, then those that the app shows, then the others in the deck's order,
    /// what is longer than a mebibyte last.
    #[default]
    Eager,
    /// That of the card in focus and of those that the app shows ([`crate::Deck::focus_audio`],
    /// [`crate::Deck::show_audio`]).
    Visible,
    /// None.
    OnDemand,
}

impl Core {
    /// What this device does by itself in decks that have no policies of their own.
    pub fn set_default_policies(&mut self, policies: Policies) {
        self.policies = policies;
        for state in self.decks.values_mut() {
            state.audio.rank_now(true);
        }
        self.set_heartbeats();
        self.look_again();
    }

    /// What follows from the role follows from policies, too, and is looked at whenever something comes: where nobody edits
    /// that may be in half a minute.
    fn look_again(&mut self) {
        self.outputs.push_back(Output::WakeAt(self.now));
    }

    /// What this device does by itself in one deck, from now until it is opened again.
    ///
    /// # Errors
    /// When the deck is not followed here.
    pub fn set_policies(&mut self, deck: DeckId, policies: Policies) -> Result<(), DeckError> {
        let state = self.decks.get_mut(&deck).ok_or(DeckError::Unknown(deck))?;
        state.policies = Some(policies);
        state.audio.rank_now(true);
        self.pull_audio();
        self.set_heartbeats();
        self.look_again();
        self.accept_by_policy();
        Ok(())
    }

    /// What this device does by itself in a deck.
    #[must_use]
    pub fn policies(&self, deck: DeckId) -> &Policies {
        let own = self.decks.get(&deck).and_then(|state| state.policies.as_ref());
        own.unwrap_or(&self.policies)
    }
}

//! Why a deck was not changed, by this device or by another.

use crate::core::{DeckError, StoreHasFailed};
use crate::document::RestoreError;
use crate::gate::Refusal;
use crate::id::{DeviceId, DraftId};
use crate::op::OpError;
use crate::role::{self, Malformed};

/// Why an edit was not made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EditError {
    /// Only the editor may change the deck.
    #[error("only the editor may change this deck, and that is {}; write a draft instead, or ask for the role",
        .holder.map_or_else(|| "nobody at present".to_owned(), |holder| holder.short()))]
    NotEditor {
        /// Who holds the role.
        holder: Option<DeviceId>,
    },
    /// The deck's document broke earlier.
    #[error("this deck cannot be edited ({0}); open the engine again, and it is rebuilt from the log")]
    Broken(String),
    /// Another process is at work as this very device: a copied folder, say.
    #[error(
        "another copy of this device is at work in this deck, so nothing is written here; end one of them, then go \
        on in the other (`Deck::go_on`)"
    )]
    CopyAtWork,
    /// An operation was refused. Nothing of the edit was done.
    #[error(transparent)]
    Op(#[from] OpError),
    /// The record of a new term cannot be made.
    #[error(transparent)]
    Record(#[from] Malformed),
    /// The deck has reached a limit of the role layer.
    #[error("this would break the rules of the role: {0}")]
    Rules(#[from] role::Refusal),
    /// There is no such deck, or not yet.
    #[error(transparent)]
    Deck(#[from] DeckError),
    /// There is no such draft of this device.
    #[error("this device has no open draft {}", .0.short())]
    NoDraft(DraftId),
    /// The disk lost what was saved last, so what the draft's next change would be may have been another before.
    #[error("the disk has lost what was saved last, so draft {} is written no further; propose it, and go on in \
        another", .0.short())]
    DraftFrozen(DraftId),
    /// The draft has as many changes or bytes as a draft may have.
    #[error("draft {} is as long as a draft may be; propose it, and go on in another", .0.short())]
    DraftFull(DraftId),
    /// A device may keep only so many drafts open, with notes of bounded length.
    #[error("too many drafts are open, or the note is too long; propose or finish one first")]
    TooManyDrafts,
    /// The deck changed under what was typed, so the place that it was meant for cannot be told any more.
    #[error("the deck changed while this was waiting to be made; read the text and type it again")]
    MovedOn,
    /// The disk has failed.
    #[error(transparent)]
    Store(#[from] StoreHasFailed),
}

/// Why the role was not moved, or the members not set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RoleError {
    /// Only the editor may.
    #[error("only the editor may hand the role over, and that is not this device")]
    NotEditor,
    /// The deck's document broke earlier.
    #[error("this deck cannot be changed ({0}); open the engine again, and it is rebuilt from the log")]
    Broken(String),
    /// The receiver may not hold the role.
    #[error("{} may not hold the role; the owner can give it the right to", .0.short())]
    MayNotHold(DeviceId),
    /// This device has the role.
    #[error("this device is the editor already")]
    AlreadyEditor,
    /// Only the owner may.
    #[error("only the owner of the deck may say who its members are and what is settled")]
    NotOwner,
    /// Ownership goes to members only.
    #[error("{} is not a member of this deck; make it one first", .0.short())]
    NotAMember(DeviceId),
    /// A part of the deck is known of and not held, and what this device would sign would count for nothing.
    #[error(
        "this device does not hold all of the deck that it knows of; link it with one that does, and try again"
    )]
    NotCaughtUp,
    /// Another process is at work as this very device: a copied folder, say.
    #[error(
        "another copy of this device is at work in this deck, so nothing is signed here; end one of them, then go \
        on in the other (`Deck::go_on`)"
    )]
    CopyAtWork,
    /// There is no request of this device to answer.
    #[error("{} has not asked for the role, or it was answered", .0.short())]
    NotAsked(DeviceId),
    /// The role was asked for a moment ago.
    #[error("the role was asked for a moment ago; wait {} s before asking again", .0.as_secs_f32().ceil())]
    TooSoon(std::time::Duration),
    /// A note or a reason is too long.
    #[error(
        "a note or a reason may have {} bytes at the most",
        crate::limits::NOTE_BYTES_MAX
    )]
    NoteTooLong,
    /// The record would break the rules.
    #[error("this would break the rules of the role: {0}")]
    Rules(#[from] role::Refusal),
    /// The record cannot be made: too many members, say.
    #[error(transparent)]
    Record(#[from] Malformed),
    /// There is no such deck, or not yet.
    #[error(transparent)]
    Deck(#[from] DeckError),
    /// The disk has failed.
    #[error(transparent)]
    Store(#[from] StoreHasFailed),
}

/// Why a part of a deck that another device sent was not taken in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TakeError {
    /// Something before it is missing: ask again from what is held.
    #[error("something before it is missing")]
    Early,
    /// More than its author may burden others with that is not part of the deck. Without an author: it is by one who is
    /// no member, and all those share one quota.
    #[error("more {what} that are not part of the deck than {} may burden others with",
        .by.map_or_else(|| "who is no member".to_owned(), |by| by.short()))]
    Surplus {
        /// On whose account it is.
        by: Option<DeviceId>,
        /// Of what.
        what: &'static str,
    },
    /// It breaks the rules, and so does the device that sent it.
    #[error("{0}")]
    Refused(String),
    /// The document cannot be used any more.
    #[error("{0}")]
    Broken(String),
}

impl From<Refusal> for TakeError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::MissingDependency { .. } => Self::Early,
            refusal => Self::Refused(refusal.to_string()),
        }
    }
}

impl From<Malformed> for TakeError {
    fn from(error: Malformed) -> Self {
        Self::Refused(error.to_string())
    }
}

impl From<role::Unproved> for TakeError {
    fn from(error: role::Unproved) -> Self {
        Self::Refused(error.to_string())
    }
}

impl From<RestoreError> for TakeError {
    fn from(error: RestoreError) -> Self {
        Self::Refused(error.to_string())
    }
}

impl From<role::Refusal> for TakeError {
    fn from(refusal: role::Refusal) -> Self {
        match refusal {
            role::Refusal::UnknownParent(_)
            | role::Refusal::UnknownTerm(_)
            | role::Refusal::UnknownOwner
            | role::Refusal::Gap => Self::Early,
            refusal => Self::Refused(refusal.to_string()),
        }
    }
}

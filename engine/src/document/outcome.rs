//! What becomes of an edit, of admitted changes and of what was stored.

use automerge::ChangeHash;

use crate::card::{AudioRef, Card, FieldValue, TextField};
use crate::id::{CardId, DraftId, TermId};
use crate::op::Splice;

/// What a commit made.
#[derive(Debug, Clone)]
pub struct Committed<T> {
    /// What the edit returned.
    pub value: T,
    /// The change; `None` if the edit did nothing.
    pub change: Option<NewChange>,
    /// What it did, for who watches the deck.
    pub events: Vec<DeckChange>,
}

/// A change made here, to be stored and sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewChange {
    /// Its hash.
    pub hash: ChangeHash,
    /// Its bytes: one uncompressed change chunk.
    pub bytes: Vec<u8>,
    /// Its number in its actor's line, from 1.
    pub seq: u64,
}

/// What changed in a deck: what there is to do to a copy of it, in order, so that the copy says what the deck says.
///
/// Each stands for one or several changes that came together. What is put where it was already may be told again; only
/// [`TextChanged`](Self::TextChanged) must not be done twice. Deleted cards change, too: who keeps none of them leaves
/// out what is told of a card that it does not have.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum DeckChange {
    /// A card was added. All that was done to it at the time is in it; it may be deleted again already.
    CardAdded {
        /// The card.
        card: Box<Card>,
    },
    /// A text of a card changed.
    TextChanged {
        /// The card.
        card: CardId,
        /// Which text.
        field: TextField,
        /// How, in Unicode scalar values, one splice after the other: each sees what the ones before it did.
        splices: Vec<Splice>,
    },
    /// A card stands elsewhere. Cards are ordered by (position, id).
    CardMoved {
        /// The card.
        card: CardId,
        /// Its position now.
        position: String,
    },
    /// A card was deleted. It can be restored.
    CardDeleted {
        /// The card.
        card: CardId,
    },
    /// A reorganisation took out the change that added a card: there is no such card any more.
    CardTakenOut {
        /// The card.
        card: CardId,
    },
    /// A card was restored. All that was done to it at the time is in it.
    CardRestored {
        /// The card as it is now.
        card: Box<Card>,
    },
    /// A tag was put on a card.
    Tagged {
        /// The card.
        card: CardId,
        /// The tag.
        tag: String,
    },
    /// A tag was taken off a card.
    Untagged {
        /// The card.
        card: CardId,
        /// The tag.
        tag: String,
    },
    /// Audio was put into a slot, in place of what was there.
    AudioAttached {
        /// The card.
        card: CardId,
        /// The slot.
        slot: String,
        /// What plays there now.
        audio: AudioRef,
    },
    /// A slot was emptied.
    AudioDetached {
        /// The card.
        card: CardId,
        /// The slot.
        slot: String,
    },
    /// A free field changed.
    FieldChanged {
        /// The card; `None` for the deck itself.
        card: Option<CardId>,
        /// The field's name.
        name: String,
        /// Its value now; `None` if it was taken away.
        value: Option<FieldValue>,
    },
    /// The deck's title or description changed.
    DeckRenamed {
        /// The title now.
        title: String,
        /// The description now.
        description: String,
    },
    /// Late work was accepted. What it changed is told beside it.
    LateAccepted {
        /// The term that it was written in.
        term: TermId,
    },
    /// A draft was accepted. What it changed is told beside it.
    DraftAccepted {
        /// The draft.
        draft: DraftId,
    },
    /// A draft was declined.
    DraftDeclined {
        /// The draft.
        draft: DraftId,
    },
}

impl DeckChange {
    /// Whether it is about a draft, and not about what the deck holds.
    pub(crate) const fn is_verdict(&self) -> bool {
        matches!(
            self,
            Self::LateAccepted { .. } | Self::DraftAccepted { .. } | Self::DraftDeclined { .. }
        )
    }
}

/// Why admitted changes could not be applied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ApplyError {
    /// The document moved on since the changes were admitted. It is unharmed.
    #[error("the document changed since these changes were admitted; admit them again")]
    Stale,
    /// The document can no longer be trusted.
    #[error("applying admitted changes failed ({what}); drop this document and reload it from disk")]
    MustReload {
        /// What went wrong.
        what: String,
    },
}

/// Why a document could not be built from what this device stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RestoreError {
    /// A stored change is damaged.
    #[error("stored change number {index} is damaged; fetch it again from another device")]
    DamagedChange {
        /// Which one, from 0.
        index: usize,
    },
    /// The stored changes do not fit together.
    #[error("the stored changes do not fit together ({what}); fetch the missing ones from another device")]
    Incomplete {
        /// What is wrong.
        what: String,
    },
    /// A stored snapshot is damaged.
    #[error("the stored snapshot is damaged; use the one before it, or the log")]
    DamagedSnapshot,
    /// The snapshot is of another state, or another deck.
    #[error("the snapshot is not of the state that was expected; use the one before it, or the log")]
    WrongState,
    /// There is no such change.
    #[error("this document has no change {head}; fetch it first")]
    UnknownHead {
        /// The change asked for.
        head: ChangeHash,
    },
}

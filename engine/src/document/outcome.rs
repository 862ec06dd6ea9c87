//! What becomes of an edit, of admitted changes and of what was stored.

use automerge::ChangeHash;

use crate::card::TextField;
use crate::id::{CardId, DraftId};
use crate::op::Note;

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

/// What changed in a deck.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeckChange {
    /// A card was added.
    CardAdded {
        /// The card.
        card: CardId,
    },
    /// A text of a card changed.
    TextChanged {
        /// The card.
        card: CardId,
        /// Which text.
        field: TextField,
    },
    /// A card stands elsewhere.
    CardMoved {
        /// The card.
        card: CardId,
    },
    /// A card was deleted.
    CardDeleted {
        /// The card.
        card: CardId,
    },
    /// A card was restored.
    CardRestored {
        /// The card.
        card: CardId,
    },
    /// A card's tags changed.
    TagsChanged {
        /// The card.
        card: CardId,
    },
    /// A slot's audio was attached, replaced or detached.
    AudioChanged {
        /// The card.
        card: CardId,
        /// The slot.
        slot: String,
    },
    /// A free field changed.
    FieldsChanged {
        /// The card; `None` for the deck itself.
        card: Option<CardId>,
        /// The field's name.
        name: String,
    },
    /// The deck's title or description changed.
    DeckRenamed,
    /// A draft was accepted.
    DraftAccepted {
        /// The draft.
        draft: DraftId,
    },
    /// A draft was declined: no card is another.
    DraftDeclined {
        /// The draft.
        draft: DraftId,
    },
}

impl From<&Note> for DeckChange {
    fn from(note: &Note) -> Self {
        match note.clone() {
            Note::DeckRename => Self::DeckRenamed,
            Note::DeckField { name } => Self::FieldsChanged { card: None, name },
            Note::CardAdd { card } => Self::CardAdded { card },
            Note::CardText { card, field } => Self::TextChanged { card, field },
            Note::CardMove { card } => Self::CardMoved { card },
            Note::CardDelete { card } => Self::CardDeleted { card },
            Note::CardRestore { card } => Self::CardRestored { card },
            Note::CardTag { card } | Note::CardUntag { card } => Self::TagsChanged { card },
            Note::AudioAttach { card, slot } | Note::AudioDetach { card, slot } => {
                Self::AudioChanged { card, slot }
            }
            Note::CardField { card, name } => Self::FieldsChanged {
                card: Some(card),
                name,
            },
            Note::DraftAccept { draft } => Self::DraftAccepted { draft },
            Note::DraftDecline { draft, .. } => Self::DraftDeclined { draft },
        }
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

//! One draft: who writes it, from where, and its changes.

use std::collections::BTreeMap;

use crate::core::log::TakeError;
use crate::core::own_log;
use crate::disk::DraftImage;
use crate::document::Document;
use crate::gate::{Kind, Line, Segment};
use crate::history::{Writer, WriterKind};
use crate::id::{ChangeHash, DeckId, DeviceId, DraftId};
use crate::limits::{DRAFT_BYTES_MAX, DRAFT_CHANGES_MAX};
use crate::role::{self, Draft, Signed, Verified};
use crate::sync::message::DraftItem;

/// Where a draft stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DraftState {
    /// Being written, here.
    Open,
    /// Signed and offered to the editor.
    Proposed,
    /// Part of the deck.
    Accepted,
}

/// What there is to say of a draft.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DraftInfo {
    /// Its id.
    pub draft: DraftId,
    /// Who wrote it.
    pub author: DeviceId,
    /// What its author says of it.
    pub note: String,
    /// How many changes it has.
    pub len: u64,
    /// Where it stands.
    pub state: DraftState,
}

/// A draft and its changes.
pub(crate) struct DraftLog {
    pub(super) deck: DeckId,
    pub(super) base: ChangeHash,
    pub(super) author: DeviceId,
    pub(super) nonce: [u8; 16],
    pub(super) note: String,
    /// Raw, in order. Bounded by the limits on drafts.
    pub(crate) changes: Vec<Vec<u8>>,
    pub(super) head: ChangeHash,
    pub(super) record: Option<Verified<Draft>>,
    /// The deck with the draft in it, while it is being written here.
    pub(super) branch: Option<Document>,
    pub(super) accepted: bool,
    /// Its numbers may have been used and forgotten by a damaged disk, so none is given out any more.
    pub(super) frozen: bool,
}

impl DraftLog {
    /// A draft as another device sent it: whole, signed, and within its quota.
    pub(crate) fn from_item(deck: DeckId, item: &DraftItem) -> Result<Self, TakeError> {
        let record = Signed::<Draft>::decode(&item.record)?.verify(deck)?;
        let refused = |why: &str| Err(TakeError::Refused(why.to_owned()));
        let bytes: usize = item.changes.iter().map(|change| change.len()).sum();
        if record.len == 0 || record.len > DRAFT_CHANGES_MAX || bytes > DRAFT_BYTES_MAX {
            return refused("the draft is empty or beyond its quota");
        }
        if record.len != item.changes.len() as u64 {
            return refused("the draft came without all of its changes");
        }
        Ok(Self {
            deck,
            base: record.base,
            author: record.author,
            nonce: record.nonce,
            note: record.note.clone(),
            changes: item.changes.iter().map(|change| change.to_vec()).collect(),
            head: record.head,
            record: Some(record),
            branch: None,
            accepted: false,
            frozen: false,
        })
    }

    pub(crate) fn from_image(
        deck: DeckId,
        image: DraftImage,
        changes: Vec<Vec<u8>>,
    ) -> Result<Self, TakeError> {
        let record = match image.record {
            Some(bytes) => Some(Signed::<Draft>::decode(&bytes)?.verify(deck)?),
            None => None,
        };
        let base = ChangeHash(image.base);
        let head = match changes.last() {
            None => base,
            Some(last) => own_log::hash_of(last)
                .ok_or_else(|| TakeError::Refused("a change of a draft is damaged".to_owned()))?,
        };
        let author = DeviceId::from_bytes(image.author);
        let (nonce, note, accepted) = (image.nonce, image.note, image.accepted);
        Ok(Self {
            deck,
            base,
            author,
            nonce,
            note,
            changes,
            head,
            record,
            branch: None,
            accepted,
            frozen: false,
        })
    }

    pub(super) fn image(&self) -> DraftImage {
        DraftImage {
            base: self.base.0,
            author: *self.author.as_bytes(),
            nonce: self.nonce,
            note: self.note.clone(),
            record: self.record.as_ref().map(|record| record.encode().into()),
            accepted: self.accepted,
        }
    }

    pub(crate) fn id(&self) -> DraftId {
        role::draft_id(self.deck, self.author, self.nonce)
    }

    pub(crate) const fn head(&self) -> ChangeHash {
        self.head
    }

    pub(crate) const fn is_accepted(&self) -> bool {
        self.accepted
    }

    /// Whether `other` is this draft and what its author added to it.
    pub(super) fn goes_on_as(&self, other: &Self) -> bool {
        other.changes.starts_with(&self.changes)
    }

    pub(super) fn actor(&self) -> automerge::ActorId {
        role::actor_of_draft(self.deck, self.author, self.nonce)
    }

    /// As the gate wants to see it.
    pub(crate) fn segment(&self) -> Segment<'_> {
        let line = Line {
            actor: self.actor(),
            next_seq: 1,
            previous: self.base,
        };
        let changes = self.changes.iter().map(Vec::as_slice).collect();
        Segment {
            line,
            changes,
            kind: Kind::Draft,
            accepts: BTreeMap::new(),
        }
    }

    pub(crate) fn writer(&self) -> (automerge::ActorId, Writer) {
        (
            self.actor(),
            Writer {
                device: self.author,
                kind: WriterKind::Draft(self.id()),
            },
        )
    }

    /// As it travels; `None` while it was not proposed.
    pub(crate) fn item(&self) -> Option<DraftItem> {
        let record = self.record.as_ref()?;
        let changes = self.changes.iter().take(usize::try_from(record.len).ok()?);
        Some(DraftItem {
            record: record.encode().into(),
            changes: changes.map(|change| change.clone().into()).collect(),
        })
    }

    pub(crate) fn state(&self) -> DraftState {
        match (&self.record, self.accepted) {
            (_, true) => DraftState::Accepted,
            (Some(_), false) => DraftState::Proposed,
            (None, false) => DraftState::Open,
        }
    }

    pub(super) fn info(&self) -> DraftInfo {
        let (author, note, len) = (self.author, self.note.clone(), self.changes.len() as u64);
        DraftInfo {
            draft: self.id(),
            author,
            note,
            len,
            state: self.state(),
        }
    }
}

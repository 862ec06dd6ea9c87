//! One draft: who writes it, from where, its changes, and what its author signed.

use std::collections::{BTreeMap, BTreeSet};

use minicbor::bytes::{ByteArray, ByteVec};

use crate::core::drafts::{DraftInfo, DraftState, Standing};
use crate::core::log::TakeError;
use crate::core::own_log;
use crate::disk::DraftImage;
use crate::document::Document;
use crate::gate::{Kind, Line, Segment};
use crate::history::{Writer, WriterKind};
use crate::id::{ChangeHash, DeckId, DeviceId, DraftId};
use crate::limits::{DRAFT_BYTES_MAX, DRAFT_CHANGES_MAX};
use crate::role::{self, Draft, Malformed, Signed, Verified};
use crate::sync::message::DraftItem;
use crate::time::Time;
use cuecard_transport::DeviceKey;

/// A draft and its changes.
pub(crate) struct DraftLog {
    pub(super) deck: DeckId,
    pub(super) base: ChangeHash,
    pub(super) author: DeviceId,
    pub(super) nonce: [u8; 16],
    pub(super) note: String,
    /// When it was opened, by its author's clock.
    pub(super) opened_ms: u64,
    /// Raw, in order. Bounded by the limits on drafts.
    pub(crate) changes: Vec<Vec<u8>>,
    /// The last of them, or the base.
    pub(super) head: ChangeHash,
    /// The newest version that its author signed. The author may have written more since.
    pub(super) record: Option<Verified<Draft>>,
    /// The versions that some editor accepted, shortest first. Whether one counts, the document says: an acceptance can be
    /// on a branch that lost.
    pub(super) accepted: Vec<Verified<Draft>>,
    /// The newest version that is on this disk, and so may be spoken of.
    pub(super) saved: u32,
    /// Of an own draft: the devices that hold its newest version, durably.
    pub(super) held_by: BTreeSet<DeviceId>,
    /// The deck with the draft in it, while it is being written here.
    pub(super) branch: Option<Document>,
    /// Its numbers may have been used and forgotten by a damaged disk, so none is given out any more.
    pub(super) frozen: bool,
    /// How it stood when that was last looked at.
    pub(super) standing: Standing,
}

impl DraftLog {
    /// A draft that begins here.
    pub(super) fn open(
        deck: DeckId,
        base: ChangeHash,
        author: DeviceId,
        nonce: [u8; 16],
        note: &str,
        now: Time,
    ) -> Self {
        Self {
            deck,
            base,
            author,
            nonce,
            note: note.to_owned(),
            opened_ms: now.as_millis(),
            changes: vec![],
            head: base,
            record: None,
            accepted: vec![],
            saved: 0,
            held_by: BTreeSet::new(),
            branch: None,
            frozen: false,
            standing: Standing::default(),
        }
    }

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
        let opened = Time::from_millis(record.signed_ms);
        let mut draft = Self::open(
            deck,
            record.base,
            record.author,
            record.nonce,
            &record.note,
            opened,
        );
        draft.changes = item.changes.iter().map(|change| change.to_vec()).collect();
        draft.head = record.head;
        draft.record = Some(record);
        Ok(draft)
    }

    pub(crate) fn from_image(
        deck: DeckId,
        image: DraftImage,
        changes: Vec<Vec<u8>>,
    ) -> Result<Self, TakeError> {
        let verify =
            |bytes: ByteVec| -> Result<_, TakeError> { Ok(Signed::<Draft>::decode(&bytes)?.verify(deck)?) };
        let base = ChangeHash(image.base);
        let author = DeviceId::from_bytes(image.author);
        let opened = Time::from_millis(image.opened_ms);
        let mut draft = Self::open(deck, base, author, image.nonce, &image.note, opened);
        if let Some(last) = changes.last() {
            draft.head = own_log::hash_of(last)
                .ok_or_else(|| TakeError::Refused("a change of a draft is damaged".to_owned()))?;
        }
        draft.changes = changes;
        draft.record = image.record.map(verify).transpose()?;
        draft.accepted = image.accepted.into_iter().map(verify).collect::<Result<_, _>>()?;
        draft.saved = draft.version();
        draft.frozen = image.frozen;
        draft.held_by = image
            .held_by
            .into_iter()
            .map(|device| DeviceId::from_bytes(*device))
            .collect();
        Ok(draft)
    }

    pub(super) fn image(&self) -> DraftImage {
        let encode = |record: &Verified<Draft>| ByteVec::from(record.encode());
        DraftImage {
            base: self.base.0,
            author: *self.author.as_bytes(),
            nonce: self.nonce,
            note: self.note.clone(),
            record: self.record.as_ref().map(encode),
            accepted: self.accepted.iter().map(encode).collect(),
            opened_ms: self.opened_ms,
            frozen: self.frozen,
            held_by: self
                .held_by
                .iter()
                .map(|device| ByteArray::from(*device.as_bytes()))
                .collect(),
        }
    }

    pub(crate) fn id(&self) -> DraftId {
        role::draft_id(self.deck, self.author, self.nonce)
    }

    pub(crate) const fn author(&self) -> DeviceId {
        self.author
    }

    pub(crate) const fn head(&self) -> ChangeHash {
        self.head
    }

    pub(crate) const fn base(&self) -> ChangeHash {
        self.base
    }

    /// The newest version that its author signed; 0 before the first.
    pub(super) fn version(&self) -> u32 {
        self.record.as_ref().map_or(0, |record| record.version)
    }

    /// How many of its changes its author signed.
    pub(crate) fn signed_len(&self) -> u64 {
        self.record.as_ref().map_or(0, |record| record.len)
    }

    pub(super) fn len(&self) -> u64 {
        self.changes.len() as u64
    }

    pub(super) fn bytes(&self) -> usize {
        self.changes.iter().map(Vec::len).sum()
    }

    /// Whether some editor ever accepted it, on whatever branch: then its changes may be in the deck.
    pub(crate) fn is_accepted(&self) -> bool {
        !self.accepted.is_empty()
    }

    /// The longest version of it that a document holds: its changes come in only by an acceptance.
    pub(super) fn accepted_in(&self, document: &Document) -> Option<&Verified<Draft>> {
        let mut longest_first = self.accepted.iter().rev();
        longest_first.find(|record| document.contains(&record.head))
    }

    /// Whether `other` is this draft and what its author added to it.
    pub(super) fn goes_on_as(&self, other: &Self) -> bool {
        other.changes.starts_with(&self.changes)
    }

    /// Takes over which versions of the same draft were accepted, as far as they are the beginning of this one.
    pub(crate) fn learn_accepted(&mut self, known: &Self) {
        for record in &known.accepted {
            let len = usize::try_from(record.len).unwrap_or(usize::MAX);
            let same = known.changes.get(..len) == self.changes.get(..len);
            if same && self.changes.len() >= len {
                self.note_accepted(record.clone());
            }
        }
    }

    pub(super) fn note_accepted(&mut self, record: Verified<Draft>) {
        if !self.accepted.iter().any(|known| known.head == record.head) {
            self.accepted.push(record);
            self.accepted.sort_by_key(|record| record.len);
        }
    }

    /// Signs all of it as its next version, or does nothing where the newest one covers all and `again` is not asked for.
    pub(super) fn sign(&mut self, key: &DeviceKey, now: Time, again: bool) -> Result<bool, Malformed> {
        if self.signed_len() == self.len() && !again {
            return Ok(false);
        }
        let record = Draft {
            deck: self.deck,
            base: self.base,
            author: self.author,
            nonce: self.nonce,
            version: self.version().saturating_add(1),
            signed_ms: now.as_millis(),
            len: self.len(),
            head: self.head,
            note: self.note.clone(),
        };
        self.record = Some(record.sign(key)?);
        self.held_by.clear();
        Ok(true)
    }

    pub(super) fn actor(&self) -> automerge::ActorId {
        role::actor_of_draft(self.deck, self.author, self.nonce)
    }

    /// What a document does not hold of it yet, as the gate wants to see it.
    pub(crate) fn segment_on(&self, document: &Document) -> Segment<'_> {
        let before = self.accepted_in(document);
        let held = before.map_or(0, |record| record.len);
        let line = Line {
            actor: self.actor(),
            next_seq: held + 1,
            previous: before.map_or(self.base, |record| record.head),
        };
        let from = usize::try_from(held).unwrap_or(usize::MAX);
        let upto = usize::try_from(self.signed_len()).unwrap_or(usize::MAX);
        let signed = self.changes.get(from..upto).unwrap_or_default();
        Segment {
            line,
            changes: signed.iter().map(Vec::as_slice).collect(),
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

    /// The newest version as it travels; `None` while it was never proposed.
    pub(crate) fn item(&self) -> Option<DraftItem> {
        Some(self.item_of(self.record.as_ref()?))
    }

    /// The version that ends in one of these changes, as it travels: what an acceptance with these dependencies merges.
    pub(crate) fn accepted_item(&self, deps: &[ChangeHash]) -> Option<DraftItem> {
        Some(self.item_of(self.accepted_at(deps)?))
    }

    fn accepted_at(&self, deps: &[ChangeHash]) -> Option<&Verified<Draft>> {
        self.accepted.iter().find(|record| deps.contains(&record.head))
    }

    fn item_of(&self, record: &Verified<Draft>) -> DraftItem {
        let len = usize::try_from(record.len).unwrap_or(usize::MAX);
        let changes = self.changes.iter().take(len);
        DraftItem {
            record: record.encode().into(),
            changes: changes.map(|change| change.clone().into()).collect(),
        }
    }

    pub(crate) const fn state(&self) -> &DraftState {
        &self.standing.state
    }

    pub(super) fn info(&self) -> DraftInfo {
        DraftInfo {
            draft: self.id(),
            author: self.author,
            note: self.note.clone(),
            base: self.base,
            len: self.len(),
            proposed: self.signed_len(),
            time_ms: self
                .record
                .as_ref()
                .map_or(self.opened_ms, |record| record.signed_ms),
            state: self.standing.state.clone(),
        }
    }
}

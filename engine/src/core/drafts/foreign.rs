//! Changes of a draft that its author made with another tool: through the gate, and then like what was edited here.

use cuecard_store::Batch;

use crate::core::drafts::DraftError;
use crate::core::log::{EditError, Log};
use crate::core::{Applied, Core};
use crate::disk;
use crate::document::Document;
use crate::gate::{self, Kind, Line, Segment};
use crate::id::{DeckId, DeviceId, DraftId};
use crate::limits::{DRAFT_BYTES_MAX, DRAFT_CHANGES_MAX};
use crate::time::Time;

impl Log {
    fn take_draft_changes(
        &mut self,
        draft: DraftId,
        me: DeviceId,
        changes: &[Vec<u8>],
        batch: &mut Batch,
    ) -> Result<(), DraftError> {
        let Some(last) = changes.last() else { return Ok(()) };
        self.open_branch(draft, me)?;
        let deck = self.deck;
        let entry = self.drafts.get_mut(&draft).ok_or(DraftError::Unknown(draft))?;
        let new_bytes: usize = changes.iter().map(Vec::len).sum();
        if entry.len() + changes.len() as u64 > DRAFT_CHANGES_MAX
            || entry.bytes() + new_bytes > DRAFT_BYTES_MAX
        {
            return Err(EditError::DraftFull(draft).into());
        }
        let next = entry.len() + 1;
        let line = Line {
            actor: entry.actor(),
            next_seq: next,
            previous: entry.head,
        };
        let segment = Segment {
            line,
            changes: changes.iter().map(Vec::as_slice).collect(),
            kind: Kind::Draft,
            accepts: Default::default(),
        };
        let branch = entry.branch.as_mut().ok_or(DraftError::Unknown(draft))?;
        let refused = |why| DraftError::ForeignChange { draft, why };
        // Nobody vouches for a head here but the author, whose draft it is: whatever the last change is.
        let head = gate::hash_of(last).map_err(refused)?;
        let admitted = gate::admit(branch, &[segment], head).map_err(refused)?;
        if let Err(error) = branch.apply(admitted) {
            // It is made anew from what was kept.
            entry.branch = None;
            let why = error.to_string();
            return Err(DraftError::Unmergeable { draft, why });
        }
        for (at, change) in (next..).zip(changes) {
            disk::append_draft_change(batch, deck, draft, at, change);
        }
        entry.changes.extend_from_slice(changes);
        entry.head = head;
        self.refresh_draft(draft);
        Ok(())
    }
}

impl Core {
    /// Goes on with a draft of this device by changes that another tool made: all of them or none.
    ///
    /// # Errors
    /// [`DraftError::ForeignChange`] where the gate does not let one in; else as [`Core::edit_draft`].
    pub fn take_draft_changes(
        &mut self,
        now: Time,
        deck: DeckId,
        draft: DraftId,
        changes: &[Vec<u8>],
    ) -> Result<Applied<()>, DraftError> {
        self.set_now(now);
        self.check_store()?;
        let me = self.device();
        let mut batch = Batch::default();
        let log = self.log_mut(deck)?;
        log.take_draft_changes(draft, me, changes, &mut batch)?;
        // As after any edit of a draft: what was undone is not redone any more.
        log.passed_over.clear();
        let ticket = (!batch.is_empty()).then(|| self.save(deck, batch, None));
        Ok(Applied { value: (), ticket })
    }

    /// The deck with a draft in it.
    pub(crate) fn draft_document(&self, deck: DeckId, draft: DraftId) -> Result<Document, DraftError> {
        self.log(deck)?.read_draft(draft, Document::clone)
    }

    /// The Automerge actor that a draft is written by.
    pub(crate) fn draft_actor(&self, deck: DeckId, draft: DraftId) -> Result<Vec<u8>, DraftError> {
        let entry = self.log(deck)?.drafts.get(&draft);
        Ok(entry
            .ok_or(DraftError::Unknown(draft))?
            .actor()
            .to_bytes()
            .to_vec())
    }
}

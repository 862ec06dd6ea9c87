//! What an author does with a draft: open it, edit it, propose it, take it back, forget it.

use cuecard_store::Batch;

use crate::core::draft_log::DraftLog;
use crate::core::drafts::{DraftError, DraftSaved, DraftState};
use crate::core::log::{EditError, Log};
use crate::core::{Applied, Core, bytes_from};
use crate::disk;
use crate::document::Edit;
use crate::id::{DeckId, DeviceId, DraftId};
use crate::limits::{DRAFT_BYTES_MAX, DRAFT_CHANGES_MAX, DRAFTS_PER_MEMBER_MAX, NOTE_BYTES_MAX};
use crate::op::OpError;
use crate::role::Withdrawal;
use crate::time::Time;

impl Log {
    /// An own draft that may still change.
    fn own_draft(&mut self, draft: DraftId, me: DeviceId) -> Result<&mut DraftLog, DraftError> {
        let entry = self.drafts.get_mut(&draft).ok_or(DraftError::Unknown(draft))?;
        if entry.author != me {
            return Err(DraftError::NotReady(draft));
        }
        if *entry.state() == DraftState::Accepted {
            return Err(DraftError::Accepted(draft));
        }
        Ok(entry)
    }

    /// Builds the deck with an own draft in it, if that is not done yet.
    pub(crate) fn open_branch(&mut self, draft: DraftId, me: DeviceId) -> Result<(), EditError> {
        let entry = self.own_draft(draft, me).map_err(|_| EditError::NoDraft(draft))?;
        if entry.frozen {
            return Err(EditError::DraftFrozen(draft));
        }
        if entry.branch.is_none() {
            let branch = self.with_draft(draft).map_err(|_| EditError::NoDraft(draft))?;
            if let Some(entry) = self.drafts.get_mut(&draft) {
                entry.branch = Some(branch);
            }
        }
        Ok(())
    }

    fn edit_draft<T>(
        &mut self,
        draft: DraftId,
        me: DeviceId,
        now: Time,
        random: &mut dyn FnMut() -> [u8; 10],
        batch: &mut Batch,
        edit: impl FnOnce(&mut Edit<'_>) -> Result<T, OpError>,
    ) -> Result<T, EditError> {
        self.open_branch(draft, me)?;
        let deck = self.deck;
        let entry = self.drafts.get_mut(&draft).ok_or(EditError::NoDraft(draft))?;
        let (actor, held) = (entry.actor(), entry.bytes());
        if entry.len() >= DRAFT_CHANGES_MAX {
            return Err(EditError::DraftFull(draft));
        }
        let branch = entry.branch.as_mut().ok_or(EditError::NoDraft(draft))?;
        let committed = branch.commit(&actor, now.as_millis(), random, edit)?;
        if let Some(change) = committed.change {
            if held + change.bytes.len() > DRAFT_BYTES_MAX {
                // Nobody would take it. The branch is made anew from what was kept, without this change.
                entry.branch = None;
                return Err(EditError::DraftFull(draft));
            }
            let index = entry.len() + 1;
            disk::append_draft_change(batch, deck, draft, index, &change.bytes);
            entry.changes.push(change.bytes);
            entry.head = change.hash;
            self.refresh_draft(draft);
        }
        Ok(committed.value)
    }
}

impl Core {
    /// Opens a draft at the canonical head.
    ///
    /// # Errors
    /// When the deck is not here, or this device has too many drafts open.
    pub fn open_draft(&mut self, now: Time, deck: DeckId, note: &str) -> Result<Applied<DraftId>, EditError> {
        self.set_now(now);
        self.check_store()?;
        self.leave_typing(deck);
        let (author, nonce, now) = (self.device(), self.random_bytes(), self.now);
        let log = self.log_mut(deck)?;
        let mine = |draft: &&DraftLog| draft.author == author && !draft.state().is_closed();
        let unfinished = log
            .words
            .unfinished
            .iter()
            .filter_map(|draft| log.drafts.get(draft));
        if unfinished.filter(mine).count() >= DRAFTS_PER_MEMBER_MAX || note.len() > NOTE_BYTES_MAX {
            return Err(EditError::TooManyDrafts);
        }
        let draft = DraftLog::open(deck, log.head(), author, nonce, note, now);
        let id = draft.id();
        let mut batch = Batch::default();
        disk::put_draft(&mut batch, deck, id, &draft.image());
        log.drafts.insert(id, draft);
        log.refresh_draft(id);
        let ticket = Some(self.save(deck, batch, None));
        Ok(Applied { value: id, ticket })
    }

    /// Changes a draft of this device. Works offline, by a viewer, and after it was proposed: what is added then is
    /// proposed by [`Core::propose_draft`], called again.
    ///
    /// # Errors
    /// What the operations say, and when there is no such draft, or it was accepted.
    pub fn edit_draft<T>(
        &mut self,
        now: Time,
        deck: DeckId,
        draft: DraftId,
        edit: impl FnOnce(&mut Edit<'_>) -> Result<T, OpError>,
    ) -> Result<Applied<T>, EditError> {
        self.set_now(now);
        self.check_store()?;
        let applied = self.edit_draft_into(deck, draft, edit)?;
        self.log_mut(deck)?.passed_over.clear();
        Ok(applied)
    }

    pub(in crate::core) fn edit_draft_into<T>(
        &mut self,
        deck: DeckId,
        draft: DraftId,
        edit: impl FnOnce(&mut Edit<'_>) -> Result<T, OpError>,
    ) -> Result<Applied<T>, EditError> {
        let (me, now, mut random) = (self.device(), self.now, self.fork_random());
        let mut batch = Batch::default();
        let log = self.log_mut(deck)?;
        let value = log.edit_draft(draft, me, now, &mut || bytes_from(&mut random), &mut batch, edit)?;
        let ticket = (!batch.is_empty()).then(|| self.save(deck, batch, None));
        Ok(Applied { value, ticket })
    }

    /// Signs all of a draft and offers it to the editor, now or when there is a way to it. Proposing one that was
    /// declined or withdrawn offers it anew; one that waits already is left as it is.
    ///
    /// # Errors
    /// When the draft is empty, accepted, or not this device's own.
    pub fn propose_draft(
        &mut self,
        now: Time,
        deck: DeckId,
        draft: DraftId,
    ) -> Result<Applied<()>, DraftError> {
        self.set_now(now);
        self.check_store()?;
        let (key, now) = (self.key.clone(), self.now);
        let log = self.log_mut(deck)?;
        let entry = log.own_draft(draft, key.id())?;
        if entry.changes.is_empty() {
            return Err(DraftError::NotReady(draft));
        }
        let again = entry.state().is_closed();
        if !entry.sign(&key, now, again).map_err(EditError::from)? {
            return Ok(Applied {
                value: (),
                ticket: None,
            });
        }
        let (image, version) = (entry.image(), entry.version());
        let mut batch = Batch::default();
        disk::put_draft(&mut batch, deck, draft, &image);
        log.refresh_draft(draft);
        let ticket = Some(self.save(deck, batch, Some(DraftSaved::Version(draft, version))));
        self.tell_drafts(deck);
        Ok(Applied { value: (), ticket })
    }

    /// Takes a proposed draft back. It stays here, and can be edited on and proposed again. Where an editor accepted it
    /// before it heard, the acceptance stands.
    ///
    /// # Errors
    /// When the draft was not proposed, is accepted, or not this device's own.
    pub fn withdraw_draft(
        &mut self,
        now: Time,
        deck: DeckId,
        draft: DraftId,
    ) -> Result<Applied<()>, DraftError> {
        self.set_now(now);
        self.check_store()?;
        let (key, now) = (self.key.clone(), self.now);
        let log = self.log_mut(deck)?;
        let entry = log.own_draft(draft, key.id())?;
        let version = entry.version();
        if version == 0 {
            return Err(DraftError::NotReady(draft));
        }
        let withdrawal = Withdrawal {
            deck,
            author: key.id(),
            nonce: entry.nonce,
            version,
            signed_ms: now.as_millis(),
        };
        let mut batch = Batch::default();
        log.note_withdrawal(withdrawal.sign(&key).map_err(EditError::from)?, &mut batch);
        if batch.is_empty() {
            // It was withdrawn before.
            return Ok(Applied {
                value: (),
                ticket: None,
            });
        }
        let ticket = Some(self.save(deck, batch, Some(DraftSaved::Withdrawal(draft, version))));
        self.tell_drafts(deck);
        Ok(Applied { value: (), ticket })
    }

    /// Forgets a draft of this device for good: one that was never proposed, or was withdrawn or declined.
    ///
    /// # Errors
    /// While it is proposed, once any of it is part of the deck, and when it is not this device's own.
    pub fn discard_draft(
        &mut self,
        now: Time,
        deck: DeckId,
        draft: DraftId,
    ) -> Result<Applied<()>, DraftError> {
        self.set_now(now);
        self.check_store()?;
        let me = self.device();
        let log = self.log_mut(deck)?;
        let entry = log.own_draft(draft, me)?;
        if entry.is_accepted() {
            return Err(DraftError::Accepted(draft));
        }
        let version = entry.version();
        let over = version == 0 || entry.state().is_closed() || log.words.withdrawn(draft) >= version;
        if !over && log.decline_of(draft, version).is_none() {
            return Err(DraftError::StillProposed(draft));
        }
        let mut batch = Batch::default();
        log.drafts.remove(&draft);
        disk::drop_draft(&mut batch, deck, draft);
        log.refresh_draft(draft);
        let ticket = Some(self.save(deck, batch, None));
        Ok(Applied { value: (), ticket })
    }
}

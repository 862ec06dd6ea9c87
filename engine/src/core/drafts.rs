//! Drafts: private branches from the canonical head, proposed to the editor and accepted whole.

use cuecard_store::Batch;
use cuecard_transport::DeviceKey;

use crate::card::Card;
use crate::core::draft_log::{DraftInfo, DraftLog, DraftState};
use crate::core::log::{EditError, Log, TakeError};
use crate::core::{Applied, Core, DeckError, LinkId, StoreHasFailed, bytes_from};
use crate::disk::{self};
use crate::document::{DeckChange, Document, Edit};
use crate::event::Event;
use crate::gate::{self};
use crate::id::{DeckId, DeviceId, DraftId};
use crate::limits::{DRAFT_BYTES_MAX, DRAFT_CHANGES_MAX, DRAFTS_PER_MEMBER_MAX, NOTE_BYTES_MAX};
use crate::op::OpError;
use crate::role::{self, Draft, Rights, Verified};
use crate::sync::message::{DraftItem, Message};
use crate::time::Time;

/// Why a draft could not be proposed or accepted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DraftError {
    /// It is not known here.
    #[error("no draft {} is known here", .0.short())]
    Unknown(DraftId),
    /// Only its author may propose it, and only once it has changes.
    #[error("draft {} is empty or not this device's own", .0.short())]
    NotReady(DraftId),
    /// It is part of the deck already.
    #[error("draft {} was accepted already", .0.short())]
    Accepted(DraftId),
    /// It cannot be merged as it is.
    #[error("draft {} cannot be merged: {why}", .draft.short())]
    Unmergeable {
        /// Which draft.
        draft: DraftId,
        /// What stands in the way.
        why: String,
    },
    /// Accepting is an edit, and this device may not edit.
    #[error(transparent)]
    Edit(#[from] EditError),
}

impl From<DeckError> for DraftError {
    fn from(error: DeckError) -> Self {
        Self::Edit(error.into())
    }
}

impl From<StoreHasFailed> for DraftError {
    fn from(error: StoreHasFailed) -> Self {
        Self::Edit(error.into())
    }
}

impl Log {
    /// The deck as it would be with a draft in it: as its author sees it.
    pub(crate) fn with_draft(&self, draft: DraftId) -> Result<Document, DraftError> {
        let entry = self.drafts.get(&draft).ok_or(DraftError::Unknown(draft))?;
        let unmergeable = |why: String| DraftError::Unmergeable { draft, why };
        let mut branch = self
            .document
            .fork_at(entry.base)
            .map_err(|error| unmergeable(error.to_string()))?;
        let changes = entry.changes.iter().map(Vec::as_slice);
        branch
            .restore_more(changes)
            .map_err(|error| unmergeable(error.to_string()))?;
        Ok(branch)
    }

    /// Builds the deck with an open draft of this device in it, if that is not done yet.
    pub(crate) fn open_branch(&mut self, draft: DraftId, me: DeviceId) -> Result<(), EditError> {
        let open =
            |entry: &&DraftLog| entry.author == me && entry.state() == DraftState::Open && !entry.frozen;
        let entry = self
            .drafts
            .get(&draft)
            .filter(open)
            .ok_or(EditError::NoDraft(draft))?;
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
        let actor = entry.actor();
        let held: usize = entry.changes.iter().map(Vec::len).sum();
        if entry.changes.len() as u64 >= DRAFT_CHANGES_MAX {
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
            let index = entry.changes.len() as u64 + 1;
            disk::append_draft_change(batch, deck, draft, index, &change.bytes);
            entry.changes.push(change.bytes);
            entry.head = change.hash;
        }
        Ok(committed.value)
    }

    /// Marks drafts as accepted that a slice brought in, each of which has just passed the gate. Their changes are
    /// kept: other devices will ask for them.
    pub(crate) fn keep_accepted(&mut self, drafts: Vec<DraftLog>, batch: &mut Batch) {
        for mut draft in drafts {
            let id = draft.id();
            draft.accepted = true;
            // Its author may have signed two drafts under one id. A log is never rewritten in place: the disk would
            // stop the store at it.
            if self
                .drafts
                .get(&id)
                .is_some_and(|known| !known.goes_on_as(&draft))
            {
                disk::drop_draft(batch, self.deck, id);
            }
            disk::put_draft(batch, self.deck, id, &draft.image());
            for (at, change) in draft.changes.iter().enumerate() {
                disk::append_draft_change(batch, self.deck, id, at as u64 + 1, change);
            }
            let (actor, writer) = draft.writer();
            self.writers.insert(actor, writer);
            self.drafts.insert(id, draft);
        }
    }

    fn accept_draft(
        &mut self,
        key: &DeviceKey,
        now: Time,
        nonce: [u8; 16],
        draft: DraftId,
        batch: &mut Batch,
    ) -> Result<Vec<DeckChange>, DraftError> {
        let opening = self.opening(key, nonce)?;
        let term = opening
            .as_ref()
            .map_or(self.chain.canonical().tip, Verified::<role::Term>::id);
        let actor = role::actor_of_term(term);
        let entry = self.drafts.get(&draft).ok_or(DraftError::Unknown(draft))?;
        if entry.accepted {
            return Err(DraftError::Accepted(draft));
        }
        if entry.record.is_none() {
            return Err(DraftError::NotReady(draft));
        }
        let unmergeable = |why: String| DraftError::Unmergeable { draft, why };
        let (previous, head) = (self.head(), entry.head);
        let admitted = gate::admit(&self.document, &[entry.segment()], head)
            .map_err(|refusal| unmergeable(refusal.to_string()))?;
        let (mut changes, writer) = (Vec::new(), entry.writer());
        let accepted = self
            .document
            .apply(admitted)
            .map_err(|error| error.to_string())
            .and_then(|drafted| {
                changes = drafted;
                let now_ms = now.as_millis();
                self.document
                    .accept_draft(&actor, now_ms, draft, previous, head)
                    .map_err(|error| error.to_string())
            });
        let accepted = match accepted {
            Ok(accepted) => accepted,
            Err(why) => {
                // The draft's changes may be in: go back to where the deck was.
                self.roll_back(previous);
                return Err(unmergeable(why));
            }
        };
        changes.extend(accepted.events);
        if let Some(change) = accepted.change
            && let Err(error) = self.append_own(key, opening, term, change, batch)
        {
            self.roll_back(previous);
            return Err(error.into());
        }
        let entry = self.drafts.get_mut(&draft).ok_or(DraftError::Unknown(draft))?;
        entry.accepted = true;
        entry.branch = None;
        disk::put_draft(batch, self.deck, draft, &entry.image());
        self.writers.insert(writer.0, writer.1);
        Ok(changes)
    }
}

impl Core {
    /// Ends the writing of all open drafts: to be called when the disk has forgotten something that was saved. They
    /// can still be read and proposed; more is written in new ones.
    pub fn freeze_drafts(&mut self) {
        for log in self.decks.values_mut().filter_map(|state| state.log.as_mut()) {
            for draft in log.drafts.values_mut() {
                draft.frozen = true;
            }
        }
    }

    /// The drafts of a deck that are known here.
    ///
    /// # Errors
    /// When the deck is not here.
    pub fn drafts(&self, deck: DeckId) -> Result<Vec<DraftInfo>, DeckError> {
        Ok(self.log(deck)?.drafts.values().map(DraftLog::info).collect())
    }

    /// The cards of a deck as they would be with a draft in it.
    ///
    /// # Errors
    /// When the draft is not known here.
    pub fn draft_cards(&self, deck: DeckId, draft: DraftId) -> Result<Vec<Card>, DraftError> {
        Ok(self.log(deck)?.with_draft(draft)?.cards().collect())
    }

    /// Opens a draft at the canonical head.
    ///
    /// # Errors
    /// When the deck is not here, or this device has too many drafts open.
    pub fn open_draft(&mut self, now: Time, deck: DeckId, note: &str) -> Result<Applied<DraftId>, EditError> {
        self.set_now(now);
        self.check_store()?;
        let (author, nonce) = (self.device(), self.random_bytes());
        let log = self.log_mut(deck)?;
        let open = log
            .drafts
            .values()
            .filter(|draft| draft.author == author && !draft.accepted)
            .count();
        if open >= DRAFTS_PER_MEMBER_MAX || note.len() > NOTE_BYTES_MAX {
            return Err(EditError::TooManyDrafts);
        }
        let base = log.head();
        let draft = DraftLog {
            deck,
            base,
            author,
            nonce,
            note: note.to_owned(),
            changes: vec![],
            head: base,
            record: None,
            branch: None,
            accepted: false,
            frozen: false,
        };
        let id = draft.id();
        let mut batch = Batch::default();
        disk::put_draft(&mut batch, deck, id, &draft.image());
        log.drafts.insert(id, draft);
        let ticket = Some(self.save(deck, batch, None));
        Ok(Applied { value: id, ticket })
    }

    /// Changes an open draft of this device. Works offline, and by a viewer. Once proposed, a draft stays as it is:
    /// its author's signature covers it.
    ///
    /// # Errors
    /// What the operations say, and when there is no such draft, or it was proposed.
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

    pub(super) fn edit_draft_into<T>(
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

    /// Signs a draft and offers it to the editor, now or when there is a link to it.
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
        let key = self.key.clone();
        let log = self.log_mut(deck)?;
        let entry = log.drafts.get_mut(&draft).ok_or(DraftError::Unknown(draft))?;
        if entry.accepted {
            return Err(DraftError::Accepted(draft));
        }
        if entry.author != key.id() || entry.changes.is_empty() {
            return Err(DraftError::NotReady(draft));
        }
        let len = entry.changes.len() as u64;
        let DraftLog {
            base,
            author,
            nonce,
            head,
            ..
        } = *entry;
        let record = Draft {
            deck,
            base,
            author,
            nonce,
            len,
            head,
            note: entry.note.clone(),
        };
        entry.record = Some(record.sign(&key).map_err(EditError::from)?);
        let mut batch = Batch::default();
        disk::put_draft(&mut batch, deck, draft, &entry.image());
        let ticket = Some(self.save(deck, batch, None));
        Ok(Applied { value: (), ticket })
    }

    /// Makes a proposed draft part of the deck, whole, by the hand of the editor.
    ///
    /// # Errors
    /// By any device but the editor, and when the draft cannot be merged.
    pub fn accept_draft(
        &mut self,
        now: Time,
        deck: DeckId,
        draft: DraftId,
    ) -> Result<Applied<()>, DraftError> {
        self.set_now(now);
        self.check_store()?;
        let (key, nonce) = (self.key.clone(), self.random_bytes());
        let mut batch = Batch::default();
        let changes = self
            .log_mut(deck)?
            .accept_draft(&key, now, nonce, draft, &mut batch)?;
        let ticket = Some(self.save(deck, batch, None));
        self.tell_changes(deck, changes);
        Ok(Applied { value: (), ticket })
    }

    /// A proposal came. It is checked like any change, kept, and acknowledged once it is durable.
    pub(super) fn take_proposal(
        &mut self,
        link: LinkId,
        peer: DeviceId,
        deck: DeckId,
        item: &DraftItem,
    ) -> Result<(), TakeError> {
        let Ok(log) = self.log_mut(deck) else {
            return Ok(());
        };
        let draft = DraftLog::from_item(deck, item)?;
        let (id, author, len) = (draft.id(), draft.author, draft.changes.len() as u64);
        let refused = |why: &str| Err(TakeError::Refused(why.to_owned()));
        if author != peer {
            return refused("a draft is proposed by its author");
        }
        if log.chain.rights(author) < Some(Rights::Draft) {
            // Rights may be on their way, or were just taken: no offence, and no answer either.
            return Ok(());
        }
        if let Some(known) = log.drafts.get(&id) {
            // An author whose disk was restored from a backup may have rewritten it without knowing: no offence, but
            // the first one stays. Rewriting takes a new draft.
            let same = known.goes_on_as(&draft) || draft.goes_on_as(known);
            if known.accepted || known.changes.len() as u64 >= len || !same {
                if same {
                    self.tell_held(link, deck, id, len);
                }
                return Ok(());
            }
        }
        let theirs = log
            .drafts
            .values()
            .filter(|d| d.author == author && !d.accepted && d.id() != id)
            .count();
        if theirs >= DRAFTS_PER_MEMBER_MAX {
            return refused("too many open drafts");
        }
        if !log.document.contains(&draft.base) {
            return Err(TakeError::Early);
        }
        gate::admit(&log.document, &[draft.segment()], draft.head)?;
        let mut batch = Batch::default();
        disk::put_draft(&mut batch, deck, id, &draft.image());
        for (at, change) in draft.changes.iter().enumerate() {
            disk::append_draft_change(&mut batch, deck, id, at as u64 + 1, change);
        }
        log.drafts.insert(id, draft);
        self.save(deck, batch, Some((link, id, len)));
        self.event(Event::DraftProposed {
            deck,
            draft: id,
            author,
        });
        Ok(())
    }

    pub(super) fn tell_held(&mut self, link: LinkId, deck: DeckId, draft: DraftId, len: u64) {
        self.send(link, &Message::Held { deck, draft, len });
    }

    /// Offers this device's own drafts to the editor, if it is at the other end of this link.
    pub(super) fn offer_drafts(&mut self, link: LinkId, deck: DeckId) {
        let me = self.device();
        let Some(peer) = self.peer_of(link) else { return };
        let Ok(log) = self.log(deck) else { return };
        if peer == me || log.chain.canonical().editor != Some(peer) {
            return;
        }
        let own = log
            .drafts
            .values()
            .filter(|draft| draft.author == me && draft.state() == DraftState::Proposed);
        let offers: Vec<(DraftId, u64, DraftItem)> = own
            .filter_map(|draft| Some((draft.id(), draft.changes.len() as u64, draft.item()?)))
            .collect();
        for (id, len, draft) in offers {
            if self.note_offer(link, deck, id, len) {
                self.send(link, &Message::Propose { deck, draft });
            }
        }
    }
}

//! What an editor does with a draft: accept it, whole, or decline it with a reason. Both are changes of the deck's log:
//! sealed, canonical or not like any other, seen by everybody, and gone with the branch if that loses.

use cuecard_store::Batch;
use cuecard_transport::DeviceKey;

use crate::core::draft_log::DraftLog;
use crate::core::drafts::{DraftError, DraftSaved, DraftState};
use crate::core::log::Log;
use crate::core::{Applied, Core, DraftPolicy};
use crate::disk;
use crate::document::DeckChange;
use crate::gate;
use crate::id::{DeckId, DraftId};
use crate::limits::NOTE_BYTES_MAX;
use crate::role::{self, Verified};
use crate::time::Time;

impl Log {
    /// Keeps drafts that a slice accepted, each of which has just passed the gate. Their changes are kept: other devices
    /// will ask for them.
    pub(crate) fn keep_accepted(&mut self, drafts: Vec<DraftLog>, batch: &mut Batch) {
        for mut draft in drafts {
            let id = draft.id();
            let Some(record) = draft.record.clone() else {
                continue;
            };
            let counts = |known: &DraftLog| known.accepted_in(&self.document).is_some();
            let is_other = |known: &DraftLog| !draft.goes_on_as(known) && !known.goes_on_as(&draft);
            let known = self
                .drafts
                .get(&id)
                .filter(|known| counts(known) && is_other(known));
            if known.is_some() && !self.document.contains(&record.head) {
                // What is part of the deck stays, whatever else its author signed under this id on a branch that lost.
                continue;
            }
            let mut written = 0;
            match self.drafts.remove(&id) {
                // Its author went on, or another version of it came before: what is held is longer.
                Some(known) if draft.goes_on_as(&known) => {
                    written = known.len();
                    draft = known;
                    if draft.version() < record.version {
                        draft.record = Some(record.clone());
                    }
                }
                Some(known) if known.goes_on_as(&draft) => {
                    written = known.len();
                    draft.learn_accepted(&known);
                    draft.opened_ms = known.opened_ms;
                }
                // Its author signed two drafts under one id. A log is never rewritten in place: the disk would stop the
                // store at it.
                Some(known) => {
                    disk::drop_draft(batch, self.deck, id);
                    self.words.replaced.push(known);
                }
                None => {}
            }
            draft.note_accepted(record);
            draft.branch = None;
            disk::put_draft(batch, self.deck, id, &draft.image());
            let skip = usize::try_from(written).unwrap_or(usize::MAX);
            for (at, change) in (1..).zip(&draft.changes).skip(skip) {
                disk::append_draft_change(batch, self.deck, id, at, change);
            }
            let (actor, writer) = draft.writer();
            self.writers.insert(actor, writer);
            self.drafts.insert(id, draft);
            self.refresh_draft(id);
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
        let record = entry.record.clone().ok_or(DraftError::NotReady(draft))?;
        match entry.state() {
            DraftState::Accepted => return Err(DraftError::Accepted(draft)),
            DraftState::Open => return Err(DraftError::NotReady(draft)),
            DraftState::Withdrawn => return Err(DraftError::Withdrawn(draft)),
            // An editor may think better of it.
            DraftState::Declined { .. } | DraftState::Proposed | DraftState::Delivered { .. } => {}
        }
        let unmergeable = |why: String| DraftError::Unmergeable { draft, why };
        if !self.document.contains(&entry.base) {
            return Err(DraftError::BaseMissing(draft));
        }
        let (previous, head) = (self.head(), record.head);
        let admitted = gate::admit(&self.document, &[entry.segment_on(&self.document)], head)
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
        entry.note_accepted(record);
        entry.branch = None;
        disk::put_draft(batch, self.deck, draft, &entry.image());
        self.writers.insert(writer.0, writer.1);
        self.refresh_draft(draft);
        Ok(changes)
    }

    fn decline_draft(
        &mut self,
        key: &DeviceKey,
        now: Time,
        nonce: [u8; 16],
        draft: DraftId,
        reason: &str,
        batch: &mut Batch,
    ) -> Result<Vec<DeckChange>, DraftError> {
        let opening = self.opening(key, nonce)?;
        let term = opening
            .as_ref()
            .map_or(self.chain.canonical().tip, Verified::<role::Term>::id);
        let entry = self.drafts.get(&draft).ok_or(DraftError::Unknown(draft))?;
        match entry.state() {
            DraftState::Accepted => return Err(DraftError::Accepted(draft)),
            DraftState::Proposed | DraftState::Delivered { .. } => {}
            DraftState::Open | DraftState::Declined { .. } | DraftState::Withdrawn => {
                return Err(DraftError::NotReady(draft));
            }
        }
        if reason.len() > NOTE_BYTES_MAX {
            return Err(DraftError::ReasonTooLong);
        }
        let (previous, version) = (self.head(), entry.version());
        let actor = role::actor_of_term(term);
        let declined = self
            .document
            .decline_draft(&actor, now.as_millis(), draft, version, reason, previous);
        let declined = declined.map_err(crate::core::EditError::from)?;
        if let Some(change) = declined.change {
            let bytes = change.bytes.clone();
            if let Err(error) = self.append_own(key, opening, term, change, batch) {
                self.roll_back(previous);
                return Err(error.into());
            }
            self.note_verdicts(term, &[&bytes], batch);
        }
        Ok(declined.events)
    }
}

impl Core {
    /// Makes a proposed draft part of the deck, whole, by the hand of the editor. An editor's own draft need not be
    /// proposed first. One that was declined can still be accepted.
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
        self.leave_typing(deck);
        let (key, now, nonce) = (self.key.clone(), self.now, self.random_bytes());
        let mut batch = Batch::default();
        let log = self.log_mut(deck)?;
        log.opening(&key, nonce)?;
        let mut saved = None;
        if let Some(entry) = log.drafts.get_mut(&draft)
            && entry.author == key.id()
            && !entry.changes.is_empty()
        {
            let again = entry.state().is_closed();
            if *entry.state() != DraftState::Accepted
                && entry
                    .sign(&key, now, again)
                    .map_err(crate::core::EditError::from)?
            {
                saved = Some(DraftSaved::Version(draft, entry.version()));
                let image = entry.image();
                disk::put_draft(&mut batch, deck, draft, &image);
                log.refresh_draft(draft);
            }
        }
        let accepted = log.accept_draft(&key, now, nonce, draft, &mut batch);
        if accepted.is_err() && saved.is_none() {
            self.tell_drafts(deck);
            return accepted.map(|_| Applied {
                value: (),
                ticket: None,
            });
        }
        // An own draft that was signed and could not be merged stays proposed: that is on its way to the disk, too.
        let ticket = Some(self.save(deck, batch, saved));
        self.tell_drafts(deck);
        self.tell_changes(deck, accepted?);
        Ok(Applied { value: (), ticket })
    }

    /// As the editor: accepts the drafts that the policy says are to be accepted without a person.
    pub(in crate::core) fn accept_by_policy(&mut self) {
        for deck in self.decks() {
            if self.is_asleep(deck) {
                continue;
            }
            let DraftPolicy::AcceptFrom(members) = &self.policies(deck).drafts else {
                continue;
            };
            let me = self.device();
            let Some(log) = self
                .log(deck)
                .ok()
                .filter(|log| log.chain.canonical().editor == Some(me))
            else {
                continue;
            };
            // What is not on the disk yet comes when it is.
            let waits = |entry: &&DraftLog| {
                let given_up = log.words.unmergeable.get(&entry.id()) == Some(&entry.version());
                entry.state().is_proposed() && entry.saved == entry.version() && !given_up
            };
            let unfinished = log
                .words
                .unfinished
                .iter()
                .filter_map(|draft| log.drafts.get(draft));
            let waiting = unfinished
                .filter(waits)
                .filter(|entry| members.contains(&entry.author));
            let waiting: Vec<(DraftId, u32)> = waiting.map(|entry| (entry.id(), entry.version())).collect();
            for (draft, version) in waiting {
                match self.accept_draft(self.now, deck, draft) {
                    Ok(_) => {}
                    Err(error @ (DraftError::Unmergeable { .. } | DraftError::BaseMissing(_))) => {
                        tracing::warn!(draft = %draft.short(), %error, "not accepted by itself");
                        if let Ok(log) = self.log_mut(deck) {
                            log.words.unmergeable.insert(draft, version);
                        }
                    }
                    // The role, or the disk: it is tried again when something has happened.
                    Err(_) => break,
                }
            }
        }
    }

    /// Says that a proposed draft is not wanted, and why. It stays with its author, who can edit on and propose it again.
    ///
    /// # Errors
    /// By any device but the editor, when the draft is not proposed, and when the reason is too long.
    pub fn decline_draft(
        &mut self,
        now: Time,
        deck: DeckId,
        draft: DraftId,
        reason: &str,
    ) -> Result<Applied<()>, DraftError> {
        self.set_now(now);
        self.check_store()?;
        self.leave_typing(deck);
        let (key, now, nonce) = (self.key.clone(), self.now, self.random_bytes());
        let mut batch = Batch::default();
        let log = self.log_mut(deck)?;
        let changes = log.decline_draft(&key, now, nonce, draft, reason, &mut batch)?;
        let ticket = Some(self.save(deck, batch, None));
        self.tell_drafts(deck);
        self.tell_changes(deck, changes);
        Ok(Applied { value: (), ticket })
    }
}

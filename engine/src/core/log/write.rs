//! What this device adds to a deck: edits in a term that this run opened.

use super::{EditError, Log, RoleError};

use cuecard_store::Batch;
use cuecard_transport::DeviceKey;

use crate::disk::{self, LogRecord};
use crate::document::{DeckChange, Edit, NewChange};
use crate::id::{ChangeHash, DeviceId, TermId};
use crate::limits::{DECK_CHANGES_MAX, FRESH_CHANGES_MAX};
use crate::op::OpError;
use crate::role::{self, Cause, Cut, Malformed, Seal, Term, Verified};
use crate::sync::message::Position;
use crate::time::Time;

impl Log {
    /// An edit by this device, sealed and put into the batch.
    pub(crate) fn edit<T>(
        &mut self,
        key: &DeviceKey,
        now: Time,
        nonce: [u8; 16],
        random: &mut dyn FnMut() -> [u8; 10],
        batch: &mut Batch,
        edit: impl FnOnce(&mut Edit<'_>) -> Result<T, OpError>,
    ) -> Result<(T, Vec<DeckChange>), EditError> {
        let opening = self.opening(key, nonce)?;
        let term = opening
            .as_ref()
            .map_or(self.chain.canonical().tip, Verified::<Term>::id);
        let actor = role::actor_of_term(term);
        let previous = self.head();
        let committed = self.document.commit(&actor, now.as_millis(), random, edit)?;
        if let Some(change) = committed.change
            && let Err(error) = self.append_own(key, opening, term, change, batch)
        {
            self.roll_back(previous);
            return Err(error);
        }
        Ok((committed.value, committed.events))
    }

    /// The term that this run has to open before it may append, if any. See the design of the role: a running
    /// process appends only to a term that it opened itself, so that no crash and no restored copy can ever use
    /// the same place twice.
    pub(crate) fn opening(
        &self,
        key: &DeviceKey,
        nonce: [u8; 16],
    ) -> Result<Option<Verified<Term>>, EditError> {
        self.check_whole().map_err(EditError::Broken)?;
        if self.copied {
            return Err(EditError::CopyAtWork);
        }
        let canonical = self.chain.canonical();
        if canonical.editor != Some(key.id()) {
            return Err(EditError::NotEditor {
                holder: canonical.editor,
            });
        }
        // Before the document is changed: taking a change out of a large one again is dear. A deck that is full is full in any term.
        let before = self.chain.changes_before(canonical.tip).unwrap_or_default();
        let here = self.chain.line(canonical.tip).map_or(0, |line| line.end().len);
        if before.saturating_add(here) >= DECK_CHANGES_MAX {
            return Err(OpError::DeckFull.into());
        }
        if self.opened.contains(&canonical.tip) {
            return Ok(None);
        }
        #[cfg(feature = "sim")]
        if crate::sim::is_broken(crate::sim::Rule::OneRunOneTerm) {
            return Ok(None);
        }
        Ok(Some(self.next_term(
            key,
            nonce,
            Cause::Handover,
            Some(key.id()),
        )?))
    }

    /// Opens a term of this run, unless the last one is: before the role is given away. A disk that was restored from a
    /// backup may lack what its own earlier run wrote into the last term; were the role given away on that very term, all of
    /// it would look as if it had been written after leaving.
    pub(super) fn open_own(
        &mut self,
        key: &DeviceKey,
        nonce: [u8; 16],
        batch: &mut Batch,
    ) -> Result<(), RoleError> {
        if self.opened.contains(&self.chain.canonical().tip) {
            return Ok(());
        }
        // Another nonce than that of the term that follows, from the same randomness.
        let derived = blake3::derive_key("cuecard nonce of an own term v0", &nonce);
        let (nonce, _) = derived.split_at(16);
        let nonce = nonce.try_into().unwrap_or([0; 16]);
        let own = self.next_term(key, nonce, Cause::Handover, Some(key.id()))?;
        let (id, head) = (own.id(), self.head());
        let mut tried = self.chain.clone();
        tried.add_term(own.clone())?;
        if tried.canonical().tip != id {
            return Err(RoleError::NotCaughtUp);
        }
        self.opened.insert(id);
        self.add_term(own, batch)?;
        self.set_inside(Position::new(id, Cut { len: 0, head }));
        Ok(())
    }

    pub(super) fn next_term(
        &self,
        key: &DeviceKey,
        nonce: [u8; 16],
        cause: Cause,
        holder: Option<DeviceId>,
    ) -> Result<Verified<Term>, Malformed> {
        let canonical = self.chain.canonical();
        let (parent, cut) = (
            canonical.tip,
            Cut {
                len: canonical.len,
                head: canonical.head,
            },
        );
        let signer = key.id();
        Term {
            deck: self.deck,
            parent,
            cause,
            cut,
            holder,
            nonce,
            signer,
        }
        .sign(key)
    }

    /// Takes a change out of the document again: an edit that fails leaves no trace.
    pub(crate) fn roll_back(&mut self, to: ChangeHash) {
        match self.document.fork_at(to) {
            Ok(document) => self.document = document,
            Err(error) => self.broken = Some(error.to_string()),
        }
    }

    /// Keeps, seals and counts a change that the document already holds. It fails where a limit is met, and then
    /// nothing was kept: a term that was just opened has room.
    pub(crate) fn append_own(
        &mut self,
        key: &DeviceKey,
        opening: Option<Verified<Term>>,
        term: TermId,
        change: NewChange,
        batch: &mut Batch,
    ) -> Result<(), EditError> {
        if let Some(opening) = opening {
            self.opened.insert(term);
            self.add_term(opening, batch)?;
            self.news.retain(|news| *news != term);
        }
        let end = self.chain.line(term).map(|line| line.end());
        let end = end.ok_or(role::Refusal::UnknownTerm(term))?;
        let (len, head) = (end.len + 1, change.hash);
        let position = Position::new(term, Cut { len, head });
        let seal = Seal { term, len, head }.sign(self.deck, key)?;
        let record = LogRecord {
            change: change.bytes.into(),
            seal: Some(seal.encode().into()),
        };
        self.chain.hold(term, end, &[head])?;
        self.chain.add_seal(seal)?;
        disk::append_change(batch, self.deck, term, len, &record);
        self.note_appended(term, len, &record);
        self.set_inside(position);
        if self.fresh.len() >= FRESH_CHANGES_MAX {
            self.fresh.pop_front();
        }
        self.fresh.push_back((position, record));
        Ok(())
    }
}

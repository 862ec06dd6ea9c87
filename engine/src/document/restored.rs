//! The document from what this device wrote itself: its own log, and its own snapshots.

use std::panic::{AssertUnwindSafe, catch_unwind};

use automerge::{ActorId, Automerge, Change, ChangeHash, LoadOptions};

use super::outcome::{DeckChange, RestoreError};
use super::telling::Touched;
use super::{Document, TEXT_UNIT};
use crate::op::{Note, Notes};

impl Document {
    /// The document from this device's own log: every change after the genesis, each after those it depends on.
    ///
    /// # Errors
    /// If a change is damaged or something is missing.
    pub fn restore<'a>(
        actor: ActorId,
        created_ms: u64,
        changes: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<Self, RestoreError> {
        let mut document = Self::genesis(actor, created_ms);
        document.restore_more(changes)?;
        Ok(document)
    }

    /// Adds changes that passed the gate on this device before: from its own log, each after those it depends on.
    ///
    /// # Errors
    /// If a change is damaged or something is missing; the document must then be dropped.
    pub fn restore_more<'a>(
        &mut self,
        changes: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<(), RestoreError> {
        self.put_in(changes, false)?;
        Ok(())
    }

    /// As [`Document::restore_more`], and says what there is to tell of it.
    ///
    /// # Errors
    /// If a change is damaged or something is missing; the document must then be dropped.
    pub fn take_in<'a>(
        &mut self,
        changes: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<Vec<DeckChange>, RestoreError> {
        let before = self.heads();
        let touched = self.put_in(changes, true)?;
        Ok(touched.tell(&self.automerge, &before))
    }

    fn put_in<'a>(
        &mut self,
        changes: impl IntoIterator<Item = &'a [u8]>,
        says: bool,
    ) -> Result<Touched, RestoreError> {
        let mut parsed = Vec::new();
        for (index, bytes) in changes.into_iter().enumerate() {
            parsed.push(own_change(bytes).ok_or(RestoreError::DamagedChange { index })?);
        }
        let messages = parsed.iter().filter_map(Change::message);
        let notes: Vec<Notes> = messages
            .filter_map(|message| Notes::parse(message).ok())
            .collect();
        let hashes: Vec<ChangeHash> = parsed.iter().map(Change::hash).collect();
        let incomplete = |what: String| RestoreError::Incomplete { what };
        let seen = catch_unwind(AssertUnwindSafe(|| self.give(parsed, says)))
            .map_err(|_| incomplete("Automerge panicked".to_owned()))?
            .map_err(|error| incomplete(error.to_string()))?;
        // A change whose dependencies are missing waits silently in Automerge's queue.
        if let Some(hash) = hashes.iter().find(|hash| !self.contains(hash)) {
            return Err(incomplete(format!("what change {hash} depends on is missing")));
        }
        let notes: Vec<&Note> = notes.iter().flat_map(Notes::as_slice).collect();
        Ok(self.touched(&notes, seen))
    }

    /// The whole document as one snapshot, without Automerge's own compression.
    #[must_use]
    pub fn snapshot(&self) -> Vec<u8> {
        self.automerge.save_nocompress()
    }

    /// The whole document as other Automerge tools keep theirs.
    #[must_use]
    pub fn for_other_tools(&self) -> Vec<u8> {
        self.automerge.save()
    }

    /// The document from a snapshot that *this device* wrote, which must end in `heads`.
    ///
    /// # Errors
    /// If the snapshot is damaged, of another state, or of a deck with another genesis.
    pub fn restore_snapshot(
        genesis: ChangeHash,
        snapshot: &[u8],
        heads: &[ChangeHash],
    ) -> Result<Self, RestoreError> {
        let options = LoadOptions::new().text_encoding(TEXT_UNIT);
        let automerge = catch_unwind(AssertUnwindSafe(|| {
            Automerge::load_with_options(snapshot, options)
        }))
        .map_err(|_| RestoreError::DamagedSnapshot)?
        .map_err(|_| RestoreError::DamagedSnapshot)?;
        let document = Self::around(automerge, genesis);
        let mut heads = heads.to_vec();
        heads.sort_unstable();
        if document.heads() != heads || !document.contains(&genesis) {
            return Err(RestoreError::WrongState);
        }
        Ok(document)
    }
}

/// Automerge reads a change whose checksum is wrong, so the checksum is compared here.
pub(super) fn own_change(bytes: &[u8]) -> Option<Change> {
    let change = catch_unwind(|| Change::try_from(bytes)).ok()?.ok()?;
    (bytes.get(4..8)? == change.hash().0.get(..4)?).then_some(change)
}

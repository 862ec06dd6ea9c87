//! What is held and not in the document: branches that lost, late work, what waits for a record.
//!
//! Changes are found by their hash, so that it makes no difference on which line they lie or how often a path turned.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use super::{Log, TakeError};

use crate::core::own_log;
use crate::document::audio::audio_in_change;
use crate::document::{DeckChange, Document};
use crate::id::{BlobId, ChangeHash, TermId};

/// A change of a term that is held and not in the document.
pub(super) struct Aside {
    pub(super) term: TermId,
    pub(super) bytes: Vec<u8>,
}

/// Branches kept built: a slice that goes on with one then costs what it holds, and not what the deck holds. Two, as a
/// cheat shows two lines of one term by turns.
const BRANCHES_BUILT_MAX: usize = 2;

/// Documents of branches, by their head, the latest last.
#[derive(Default)]
pub(super) struct Built(Vec<(ChangeHash, Document)>);

impl Built {
    /// Takes one out; to be given back with the head that it then has.
    pub(super) fn take(&mut self, head: ChangeHash) -> Option<Document> {
        let at = self.0.iter().position(|(built, _)| *built == head)?;
        Some(self.0.remove(at).1)
    }

    pub(super) fn keep(&mut self, head: ChangeHash, document: Document) {
        self.0.retain(|(built, _)| *built != head);
        if self.0.len() >= BRANCHES_BUILT_MAX {
            self.0.remove(0);
        }
        self.0.push((head, document));
    }
}

impl Log {
    /// Keeps changes of a term that are not in the document (yet).
    pub(crate) fn set_aside(
        &mut self,
        term: TermId,
        changes: impl IntoIterator<Item = (ChangeHash, Vec<u8>)>,
    ) {
        let aside = changes
            .into_iter()
            .map(|(hash, bytes)| (hash, Aside { term, bytes }));
        self.aside.extend(aside);
    }

    /// The audio that changes name which are not in the document: branches that lost, late work.
    pub(in crate::core) fn audio_aside(&self) -> impl Iterator<Item = BlobId> + '_ {
        self.aside
            .values()
            .flat_map(|aside| audio_in_change(&aside.bytes))
            .map(|(blob, _)| blob)
    }

    /// What the document holds is not aside: when a deck is opened, that is known only in the end.
    pub(crate) fn forget_aside(&mut self) {
        let document = &self.document;
        self.aside.retain(|hash, _| !document.contains(hash));
    }

    /// These are in the document now.
    pub(super) fn forget_these(&mut self, changes: &[ChangeHash]) {
        for hash in changes {
            self.aside.remove(hash);
        }
    }

    /// Puts late work into a document, with all that it depends on: beside the line that will accept it. Returns the
    /// changes, and what they did.
    pub(super) fn put_late(
        &self,
        document: &mut Document,
        late: &[ChangeHash],
    ) -> Result<(Vec<ChangeHash>, Vec<DeckChange>), TakeError> {
        let changes = self.closure(late, |hash| document.contains(hash))?.changes;
        let raw: Vec<Vec<u8>> = changes.iter().filter_map(|hash| self.held_bytes(hash)).collect();
        let did = document.take_in(raw.iter().map(Vec::as_slice))?;
        Ok((changes, did))
    }

    /// The document as it is at a held change, wherever that lies.
    pub(super) fn branch_at(&mut self, head: ChangeHash) -> Result<Document, TakeError> {
        if let Some(built) = self.built.take(head) {
            return Ok(built);
        }
        #[cfg(feature = "sim")]
        {
            self.branches_built += 1;
        }
        let wanted = self.closure(&[head], |hash| self.document.contains(hash))?;
        let mut branch = self.document.fork_at_all(&wanted.rests_on)?;
        let raw = wanted.changes.iter().filter_map(|hash| self.bytes_aside(hash));
        branch.restore_more(raw)?;
        Ok(branch)
    }

    /// As [`Log::branch_at`], for reading.
    pub(crate) fn branch_beside(&self, head: ChangeHash) -> Result<Document, TakeError> {
        if self.document.contains(&head) {
            return Ok(self.document.fork_at(head)?);
        }
        let wanted = self.closure(&[head], |hash| self.document.contains(hash))?;
        let mut branch = self.document.fork_at_all(&wanted.rests_on)?;
        branch.restore_more(wanted.changes.iter().filter_map(|hash| self.bytes_aside(hash)))?;
        Ok(branch)
    }

    /// Puts a held change and all that it depends on into a copy of the document.
    pub(crate) fn complete(&self, document: &mut Document, head: ChangeHash) -> Result<(), TakeError> {
        let wanted = self.closure(&[head], |hash| document.contains(hash))?;
        document.restore_more(wanted.changes.iter().filter_map(|hash| self.bytes_aside(hash)))?;
        Ok(())
    }

    /// Whether a change is held, in the document or outside.
    pub(super) fn is_held(&self, hash: &ChangeHash) -> bool {
        self.document.contains(hash) || self.bytes_aside(hash).is_some()
    }

    /// The bytes of a change that is held outside the document: of a term, or of a draft.
    pub(super) fn bytes_aside(&self, hash: &ChangeHash) -> Option<&[u8]> {
        if let Some(aside) = self.aside.get(hash) {
            return Some(&aside.bytes);
        }
        let drafted = self.drafts.values().flat_map(|draft| &draft.changes);
        let mut found = drafted.filter(|bytes| own_log::may_be(bytes, hash));
        found
            .find(|bytes| own_log::hash_of(bytes) == Some(*hash))
            .map(Vec::as_slice)
    }

    /// These changes and all that they depend on, as far as it is not at hand: each after what it depends on.
    ///
    /// # Errors
    /// [`TakeError::Early`] when one of them is not held.
    pub(super) fn closure(
        &self,
        heads: &[ChangeHash],
        at_hand: impl Fn(&ChangeHash) -> bool,
    ) -> Result<Closure, TakeError> {
        let mut closure = Closure::default();
        let mut seen: BTreeSet<ChangeHash> = BTreeSet::new();
        let mut dependencies: BTreeMap<ChangeHash, Vec<ChangeHash>> = BTreeMap::new();
        // A stack of our own: a line of a hundred thousand changes would overflow the thread's.
        let mut next: Vec<ChangeHash> = heads.to_vec();
        while let Some(&hash) = next.last() {
            if at_hand(&hash) {
                closure.rests_on.insert(hash);
                next.pop();
                continue;
            }
            if seen.contains(&hash) {
                next.pop();
                continue;
            }
            let waits_for = match dependencies.entry(hash) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(unknown) => {
                    // It may be part of the deck, and not of the branch that this is for.
                    let bytes = self.held_bytes(&hash).ok_or(TakeError::Early)?;
                    unknown.insert(own_log::dependencies_of(&bytes).ok_or(TakeError::Early)?)
                }
            };
            let missing: Vec<ChangeHash> = waits_for
                .iter()
                .filter(|dependency| !seen.contains(dependency))
                .copied()
                .collect();
            let (known, unknown): (Vec<_>, Vec<_>) = missing.into_iter().partition(|hash| at_hand(hash));
            closure.rests_on.extend(known);
            if unknown.is_empty() {
                next.pop();
                seen.insert(hash);
                closure.changes.push(hash);
            } else {
                next.extend(unknown);
            }
        }
        Ok(closure)
    }
}

/// What a change depends on, and where that rests.
#[derive(Debug, Default)]
pub(super) struct Closure {
    /// Changes that are not at hand, each after those that it depends on.
    pub(super) changes: Vec<ChangeHash>,
    /// The changes at hand that they depend on.
    pub(super) rests_on: BTreeSet<ChangeHash>,
}

//! Batches that are checked and put in outside of the core, on a copy of the document.
//!
//! Taking in ten thousand changes takes a third of a second, and nothing else should wait for that: an edit of another deck
//! least of all. So the core hands out what it would do ([`Check`]), and puts what came of it in the place of the document
//! if nothing has moved meanwhile. Until then it is as if the batch were still on its way: see [`held`](super::held).

use std::fmt;
use std::sync::Arc;

use cuecard_store::Batch;

use super::log::{Due, Log, Slice, line_of, records_of};
use super::{Core, LinkId, of_work};
use crate::disk;
use crate::document::{DeckChange, Document};
use crate::gate::{self, Kind, Line, Segment};
use crate::id::{ChangeHash, DeckId};
use crate::limits::{CHECKED_OUTSIDE_MIN, CHECKED_OUTSIDE_OPS_MIN};
use crate::role::Cut;
use crate::sync::message::Item;

/// A batch to be checked and put in. It costs nothing to throw it away.
pub struct Check {
    number: u64,
    link: LinkId,
    deck: DeckId,
    items: Arc<Vec<Item>>,
    /// How many of the changes are held.
    known: usize,
    after: Cut,
    line: Line,
    /// Which change of those that are not held has to have which hash.
    sealed: Vec<(usize, ChangeHash)>,
    seals: Vec<(usize, Vec<u8>)>,
    document: Document,
}

/// What came of it.
pub struct Checked {
    pub(super) number: u64,
    pub(super) link: LinkId,
    pub(super) deck: DeckId,
    /// None where it does not pass: taken in where the core sees it, slice by slice, it is found what is wrong.
    pub(super) grown: Option<Grown>,
}

/// A document that has grown by a batch.
pub(crate) struct Grown {
    /// The heads that it had without.
    base: Vec<ChangeHash>,
    after: Cut,
    pub(super) document: Document,
    pub(super) hashes: Vec<ChangeHash>,
    /// What puts the batch into the log of its term.
    pub(super) records: Batch,
    pub(super) changes: Vec<DeckChange>,
}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Check(number {} of {})", self.number, self.deck.short())
    }
}

impl fmt::Debug for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let passed = self.grown.is_some();
        write!(
            f,
            "Checked(number {} of {}, passed: {passed})",
            self.number,
            self.deck.short()
        )
    }
}

impl Check {
    pub(super) const fn number(&self) -> u64 {
        self.number
    }

    /// Does it. This takes long, and needs nothing but processor time.
    #[must_use]
    pub fn run(self) -> Checked {
        let (number, link, deck) = (self.number, self.link, self.deck);
        Checked {
            number,
            link,
            deck,
            grown: of_work(|| self.grow()).flatten(),
        }
    }

    fn grow(mut self) -> Option<Grown> {
        let (slice, _) = Slice::joined(&self.items)?;
        let (_, head) = *self.sealed.last()?;
        let fresh = slice.changes.get(self.known..)?.to_vec();
        let segment = Segment {
            line: self.line,
            changes: fresh.clone(),
            kind: Kind::Term,
            accepts: [].into(),
        };
        let base = self.document.heads();
        let admitted = gate::admit(&self.document, &[segment], head).ok()?;
        let hashes: Vec<ChangeHash> = admitted.hashes().collect();
        let is_sealed = |(at, head): &(usize, ChangeHash)| hashes.get(*at) == Some(head);
        if !self.sealed.iter().all(is_sealed) {
            return None;
        }
        let changes = self.document.apply(admitted).ok()?;
        let mut records = Batch::default();
        for (number, record) in (self.after.len + 1..).zip(records_of(&fresh, &self.seals)) {
            disk::append_change(&mut records, self.deck, slice.term, number, &record);
        }
        Some(Grown {
            records,
            base,
            after: self.after,
            document: self.document,
            hashes,
            changes,
        })
    }
}

#[cfg(feature = "sim")]
impl Checked {
    /// The deck, if it has passed.
    pub(crate) fn passed(&self) -> Option<DeckId> {
        self.grown.is_some().then_some(self.deck)
    }
}

impl Grown {
    /// Whether it is what became of this document, where this was due.
    pub(super) fn is_of(&self, document: &Document, due: &Due) -> bool {
        let is_all = |(at, head)| self.hashes.get(at) == Some(&head);
        due.goes_on
            && self.after == due.after
            && due.sealed().all(is_all)
            && self.hashes.last() == Some(&due.seal.head)
            && document.heads() == self.base
    }
}

impl Log {
    /// What has to be checked of slices, if it can be done outside: they go on with the path, and bring nothing with them.
    fn to_check(&self, items: &Arc<Vec<Item>>, link: LinkId, number: u64) -> Option<Check> {
        let (slice, _) = Slice::joined(items)?;
        let due = self.look_at(&slice).ok()??;
        let fresh = slice.changes.get(due.known..)?;
        let is_alone = gate::late_heads(fresh, due.after.head).is_ok_and(|late| late.is_empty());
        (due.goes_on && is_alone).then(|| Check {
            number,
            link,
            deck: self.deck,
            items: items.clone(),
            known: due.known,
            after: due.after,
            line: line_of(slice.term, due.after),
            sealed: due.sealed().collect(),
            seals: due.encoded_seals().collect(),
            document: self.document.clone(),
        })
    }
}

impl Core {
    /// The batch of these slices, to be checked outside.
    pub(super) fn check_of(&mut self, link: LinkId, deck: DeckId, items: &Arc<Vec<Item>>) -> Option<Check> {
        let number = self.number();
        self.log(deck).ok()?.to_check(items, link, number)
    }
}

/// The first slices that go on one from the other, and are so many that they are checked outside, or do so much together with what is
/// before them: where they are among the items. What accepts a draft needs it beside, and is taken in with it.
pub(super) fn large_run(items: &[Item]) -> Option<std::ops::Range<usize>> {
    let least = CHECKED_OUTSIDE_MIN;
    #[cfg(feature = "sim")]
    let least = least.min(crate::sim::checked_from());
    // Of all up to there: who does much may do it in slices that do little each, with something between them.
    let (mut at, mut operations) = (0, 0);
    while let Some(rest) = items.get(at..).filter(|rest| !rest.is_empty()) {
        let has_draft = at
            .checked_sub(1)
            .and_then(|before| items.get(before))
            .is_some_and(|item| matches!(item, Item::Draft(_)));
        let Some((slice, count)) = Slice::joined(rest) else {
            at += 1;
            continue;
        };
        // Of many changes it is not asked what they do, as all else waits meanwhile.
        let is_large = !has_draft && slice.changes.len() >= least;
        if !is_large {
            operations += operations_of(&slice.changes);
        }
        if is_large || (!has_draft && operations >= CHECKED_OUTSIDE_OPS_MIN) {
            return Some(at..at + count);
        }
        at += count;
    }
    None
}

/// A few bytes may say ten thousand operations, and looking at one takes as long however it was said.
fn operations_of(changes: &[&[u8]]) -> u64 {
    changes.iter().map(|change| gate::operations_of(change)).sum()
}

//! What other devices add to a deck, once it is checked.

use super::{Log, TakeError};

use cuecard_store::Batch;

use crate::core::draft_log::DraftLog;
use crate::disk::{self, LogRecord};
use crate::document::DeckChange;
use crate::gate::{self, Kind, Line, Segment};
use crate::id::{ChangeHash, TermId};
use crate::limits::SLICE_CHANGES_MAX;
use crate::role::{self, Cause, Charter, Cut, Missing, Seal, Signed, Term};
use crate::sync::message::Position;

/// A slice of a term as it came.
pub(crate) struct Slice<'a> {
    pub(crate) term: TermId,
    pub(crate) from: u64,
    pub(crate) changes: Vec<&'a [u8]>,
    pub(crate) seal: &'a [u8],
}

/// Where changes that came belong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// At the end of the canonical path.
    Tip,
    /// In a term that is not the last, up to where a better successor was cut.
    Awaited,
    /// On no path that counts.
    Lost,
}

impl Log {
    /// Takes in a charter that another device sent. True when it was news.
    pub(crate) fn take_charter(&mut self, bytes: &[u8], batch: &mut Batch) -> Result<bool, TakeError> {
        let charter = Signed::<Charter>::decode(bytes)?.verify(self.deck)?;
        Ok(self.add_charter(charter, batch)?)
    }

    /// Takes in a term that another device sent. True when it was news.
    pub(crate) fn take_term(&mut self, bytes: &[u8], batch: &mut Batch) -> Result<bool, TakeError> {
        let term = Signed::<Term>::decode(bytes)?.verify(self.deck)?;
        // Anybody can sign one, and each counts against the deck's limit for good. Nobody makes them yet.
        if term.cause == Cause::Claim {
            return Err(TakeError::Refused(
                "a claim of the role; this version neither makes nor takes one".to_owned(),
            ));
        }
        Ok(self.add_term(term, batch)?)
    }

    /// Takes in a slice of a term, with the drafts that it accepts. Nothing changes unless all of it passes.
    pub(crate) fn take_changes(
        &mut self,
        slice: &Slice<'_>,
        drafts: Vec<DraftLog>,
        batch: &mut Batch,
    ) -> Result<Vec<DeckChange>, TakeError> {
        self.check_whole().map_err(TakeError::Broken)?;
        let (term, count) = (slice.term, slice.changes.len() as u64);
        let refused = |why: &str| Err(TakeError::Refused(why.to_owned()));
        if count == 0 || count > SLICE_CHANGES_MAX as u64 {
            return refused("a slice holds 1 to 200 changes");
        }
        let Some(line) = self.chain.line(term) else {
            return Err(TakeError::Early);
        };
        let end = line.end();
        let (held, previous) = (end.len, end.head);
        if slice.from == 0 || slice.from > held + 1 {
            return Err(TakeError::Early);
        }
        let known = held + 1 - slice.from;
        if known >= count {
            return Ok(vec![]);
        }
        if self.opened.contains(&term) {
            return refused(
                "changes of a term that this very process opened; is a copy of this device at work?",
            );
        }
        let Some(holder) = self.chain.holder(term) else {
            return refused("a term without a holder has no changes");
        };
        let seal = Signed::<Seal>::decode(slice.seal)?.verify(self.deck, holder)?;
        if seal.term != term || seal.len != slice.from + count - 1 {
            return refused("the seal is not over the end of this slice");
        }
        let place = self.place_of(term)?;
        if place == Place::Lost {
            // Beyond a cut, or on a branch that lost. It stays with the device that has it.
            return Ok(vec![]);
        }
        let fresh = slice
            .changes
            .get(usize::try_from(known).unwrap_or(usize::MAX)..)
            .unwrap_or_default();
        // What is not canonical yet is checked where it belongs: on the document as it was there.
        let mut branch = match place {
            Place::Awaited => Some(self.branch_at(previous)?),
            Place::Tip | Place::Lost => None,
        };
        let document = branch.as_ref().unwrap_or(&self.document);
        let accepts = drafts.iter().map(|draft| (draft.id(), draft.head())).collect();
        let mut drafts: Vec<DraftLog> = drafts
            .into_iter()
            .filter(|draft| !document.contains(&draft.head()))
            .collect();
        for draft in &mut drafts {
            // A draft may be accepted in parts, each time as much as its author had proposed.
            if let Some(known) = self.drafts.get(&draft.id()) {
                draft.learn_accepted(known);
            }
        }
        let mut segments: Vec<Segment<'_>> = drafts.iter().map(|draft| draft.segment_on(document)).collect();
        let drafted: usize = segments.iter().map(|segment| segment.changes.len()).sum();
        let line = Line {
            actor: role::actor_of_term(term),
            next_seq: held + 1,
            previous,
        };
        segments.push(Segment {
            line,
            changes: fresh.to_vec(),
            kind: Kind::Term,
            accepts,
        });
        let admitted = gate::admit(document, &segments, seal.head)?;
        let hashes: Vec<ChangeHash> = admitted.hashes().skip(drafted).collect();
        let changes = if place == Place::Tip {
            self.document
                .apply(admitted)
                .map_err(|error| self.broke(error.to_string()))?
        } else {
            if let Some(mut branch) = branch.take() {
                let grown = branch.apply(admitted);
                grown.map_err(|error| TakeError::Refused(error.to_string()))?;
                self.built.keep(seal.head, branch);
            }
            let raw = fresh.iter().map(|change| change.to_vec());
            let aside: Vec<(ChangeHash, Vec<u8>)> = hashes.iter().copied().zip(raw).collect();
            self.set_aside(aside);
            vec![]
        };
        let (sealed, seal_head) = (seal.encode(), seal.head);
        let held_now = self.chain.hold(term, end, &hashes);
        if let Err(refusal) = held_now.and_then(|_| self.chain.add_seal(seal)) {
            // The document is ahead of the chain: it cannot be used any more.
            return Err(self.broke(refusal.to_string()));
        }
        let mut appended = Vec::with_capacity(fresh.len());
        for (at, change) in fresh.iter().enumerate() {
            let seal = (at + 1 == fresh.len()).then(|| sealed.clone().into());
            let record = LogRecord {
                change: change.to_vec().into(),
                seal,
            };
            disk::append_change(batch, self.deck, term, held + 1 + at as u64, &record);
            appended.push(record);
        }
        self.note_verdicts(term, fresh, batch);
        // Only these passed the gate. One whose head was in the document already may hold anything.
        self.keep_accepted(drafts, batch);
        for (number, record) in (held + 1..).zip(&appended) {
            self.note_appended(term, number, record);
        }
        if place == Place::Tip {
            let (len, head) = (held + fresh.len() as u64, seal_head);
            self.set_inside(Position::new(term, Cut { len, head }));
        }
        Ok(changes)
    }

    /// What to do with changes of a term.
    fn place_of(&self, term: TermId) -> Result<Place, TakeError> {
        if self.chain.canonical().tip == term {
            return Ok(Place::Tip);
        }
        // A sibling that would be chosen, if what it was cut at were held here.
        let waiting = self.chain.waiting_for();
        let waits_for = |wanted: TermId| {
            let of = |missing: &Missing| matches!(missing, Missing::Changes { term, .. } if *term == wanted);
            waiting.iter().any(of)
        };
        if waits_for(term) {
            return Ok(Place::Awaited);
        }
        // One that follows on it comes too early: the other side is asked to begin before the cut.
        let mut before = self.chain.ancestry(term).skip(1);
        if before.any(waits_for) {
            return Err(TakeError::Early);
        }
        Ok(Place::Lost)
    }
}

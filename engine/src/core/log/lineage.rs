//! Which terms lead to what the owner settled, while that is not here.
//!
//! What does not count is kept within quotas. On the way to what the newest charter settles every term counts, whoever
//! signed it; but as long as that one is not here, nothing tells those on the way from others that anybody made up. The
//! charter names it, though, and each term names the one before it: so the way is told from its end, and cannot be made up.
//! It is asked for when a quota is used up, and taken in when it has reached a term that is here.

use cuecard_store::Batch;
use minicbor::bytes::ByteVec;

use super::{Log, TakeError};

use crate::id::{DeviceId, TermId};
use crate::limits::DECK_TERMS_MAX;
use crate::role::{self, Signed, Term, Verified};

/// The last terms of the way to a settled one, as far back as they are known.
#[derive(Debug, Default)]
pub(super) struct Lineage {
    /// That one first. None of them can be taken in before the one before the last is here.
    terms: Vec<Verified<Term>>,
    /// Whether it was missed.
    is_due: bool,
}

impl Log {
    /// The term to ask about, if it was missed since this was last asked.
    pub(crate) fn lineage_due(&mut self) -> Option<TermId> {
        let is_due = std::mem::take(&mut self.lineage.is_due);
        self.next_of_lineage().filter(|_| is_due)
    }

    /// The next term to ask about, back from what the newest charter settles; none if that is here.
    pub(crate) fn next_of_lineage(&mut self) -> Option<TermId> {
        let settled = self.chain.charter().settled.term;
        if self.chain.contains(settled) {
            self.lineage.terms.clear();
            return None;
        }
        // A newer charter settles another.
        if self
            .lineage
            .terms
            .first()
            .is_some_and(|first| first.id() != settled)
        {
            self.lineage.terms.clear();
        }
        Some(self.lineage.terms.last().map_or(settled, |last| last.parent))
    }

    /// Something is beyond its author's quota. While what is settled is not here, it may all the same be on the way there:
    /// then it comes again when that is known.
    pub(super) fn surplus_unless_settled(&mut self, by: Option<DeviceId>, what: &'static str) -> TakeError {
        if self.chain.holds_settled() {
            return TakeError::Surplus { by, what };
        }
        self.lineage.is_due = true;
        TakeError::Early
    }

    /// Takes in what another device says leads to a term that was asked about. True when it has come to one that is here.
    pub(crate) fn take_lineage(
        &mut self,
        asked: TermId,
        terms: &[ByteVec],
        batch: &mut Batch,
    ) -> Result<bool, TakeError> {
        // Another may have answered before.
        if self.next_of_lineage() != Some(asked) {
            return Ok(false);
        }
        let mut next = asked;
        for bytes in terms {
            let term = Signed::<Term>::decode(bytes)?.verify(self.deck)?;
            if term.id() != next {
                let why = "these are not the terms that lead to what the owner settled";
                return Err(TakeError::Refused(why.to_owned()));
            }
            next = term.parent;
            self.lineage.terms.push(term);
            if self.chain.contains(next) {
                let way = std::mem::take(&mut self.lineage.terms);
                for term in way.into_iter().rev() {
                    self.add_term(term, batch)?;
                }
                return Ok(true);
            }
            if self.lineage.terms.len() >= DECK_TERMS_MAX {
                self.lineage.terms.clear();
                return Err(role::Refusal::Full("terms").into());
            }
        }
        Ok(false)
    }
}

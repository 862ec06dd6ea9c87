//! The editor's word on a draft or on late work: a change without operations, upon all that it speaks of.

use std::collections::BTreeSet;
use std::num::NonZeroU64;

use automerge::{ActorId, Change, ChangeHash, ExpandedChange};

use super::outcome::{Committed, NewChange};
use super::telling::Touched;
use super::{Document, seconds};
use crate::card::Reader;
use crate::id::{DraftId, TermId};
use crate::limits::{DECK_CARDS_MAX, DECK_OPS_MAX, TEXT_BYTES_MAX};
use crate::op::{Note, Notes, OpError};

impl Document {
    /// Merges a draft whose changes have been applied: a change without operations that depends on both.
    ///
    /// `previous` is the head of the line that accepts, `draft_head` that of the draft. The change names both also
    /// where the draft was made directly on `previous`, so that every line's changes depend on one another.
    ///
    /// # Errors
    /// If the document has other heads than these two, or would hold too many cards.
    pub fn accept_draft(
        &mut self,
        actor: &ActorId,
        now_ms: u64,
        draft: DraftId,
        previous: ChangeHash,
        draft_head: ChangeHash,
    ) -> Result<Committed<()>, OpError> {
        let heads = self.heads();
        let named = BTreeSet::from([previous, draft_head]);
        if previous == draft_head
            || !heads.contains(&draft_head)
            || heads.iter().any(|head| !named.contains(head))
        {
            return Err(OpError::SeveralHeads { heads });
        }
        if self.order.len() > DECK_CARDS_MAX {
            return Err(OpError::TooManyCards);
        }
        self.check_merged_texts(&previous)?;
        self.judge(actor, now_ms, previous, named, Notes::of_accept(draft))
    }

    /// Merges late work whose changes are in the document: a change without operations that depends on both lines.
    ///
    /// # Errors
    /// If the document has other heads than these two, or would hold too many cards.
    pub fn accept_late(
        &mut self,
        actor: &ActorId,
        now_ms: u64,
        term: TermId,
        previous: ChangeHash,
        late_head: ChangeHash,
    ) -> Result<Committed<()>, OpError> {
        let (heads, named) = (self.heads(), BTreeSet::from([previous, late_head]));
        // What was written directly on the line that accepts leaves one head.
        let is_there = previous != late_head && heads.contains(&late_head);
        if !is_there || heads.iter().any(|head| !named.contains(head)) {
            return Err(OpError::SeveralHeads { heads });
        }
        if self.order.len() > DECK_CARDS_MAX {
            return Err(OpError::TooManyCards);
        }
        self.check_merged_texts(&previous)?;
        self.judge(actor, now_ms, previous, named, Notes::of_late(term))
    }

    /// Says that a draft is not wanted: a change without operations. The document need not hold the draft.
    ///
    /// # Errors
    /// If the document has another head than `previous`.
    pub fn decline_draft(
        &mut self,
        actor: &ActorId,
        now_ms: u64,
        draft: DraftId,
        version: u32,
        reason: &str,
        previous: ChangeHash,
    ) -> Result<Committed<()>, OpError> {
        let heads = self.heads();
        if heads != [previous] {
            return Err(OpError::SeveralHeads { heads });
        }
        let notes = Notes::of_decline(draft, version, reason);
        self.judge(actor, now_ms, previous, BTreeSet::from([previous]), notes)
    }

    /// A change without operations, on all heads, that is the editor's word on a draft or on late work.
    fn judge(
        &mut self,
        actor: &ActorId,
        now_ms: u64,
        previous: ChangeHash,
        deps: BTreeSet<ChangeHash>,
        notes: Notes,
    ) -> Result<Committed<()>, OpError> {
        let damaged = |what: &str| OpError::Damaged {
            what: what.to_owned(),
        };
        let before = self
            .automerge
            .get_change_meta_by_hash(&previous)
            .ok_or_else(|| damaged("the line that judges is missing"))?;
        let seq = if *before.actor == *actor {
            before.seq + 1
        } else {
            1
        };
        let ops = deps.iter().map(|head| self.op_count_at(head)).max().flatten();
        let ops = ops.unwrap_or(DECK_OPS_MAX);
        if ops >= DECK_OPS_MAX {
            return Err(OpError::DeckFull);
        }
        let change = Change::from(ExpandedChange {
            operations: Vec::new(),
            actor_id: actor.clone(),
            hash: None,
            seq,
            start_op: NonZeroU64::MIN.saturating_add(ops),
            time: seconds(now_ms),
            message: Some(notes.render()),
            deps: deps.into_iter().collect(),
            extra_bytes: Vec::new(),
            author: None,
        });
        let new = NewChange {
            hash: change.hash(),
            bytes: change.raw_bytes().to_vec(),
            seq,
        };
        self.automerge
            .apply_changes([change])
            .map_err(|error| damaged(&error.to_string()))?;
        if self.heads() != [new.hash] {
            return Err(damaged("judging a draft left another head"));
        }
        Ok(Committed {
            value: (),
            change: Some(new),
            events: Touched::by(notes.as_slice()).tell(&self.automerge, &[]),
        })
    }

    /// Each of two lines kept a text within its limit; together they may not.
    fn check_merged_texts(&self, previous: &ChangeHash) -> Result<(), OpError> {
        let reader = Reader::now(&self.automerge);
        let mut seen = BTreeSet::new();
        for change in self.automerge.get_changes_meta(&[*previous]) {
            let notes = change
                .message
                .as_deref()
                .and_then(|message| Notes::parse(message).ok());
            for note in notes.iter().flat_map(Notes::as_slice) {
                let Note::CardText { card, field } = note else {
                    continue;
                };
                if !seen.insert((card.clone(), field.clone())) {
                    continue;
                }
                let bytes = reader.field_text(card, field).len();
                if bytes > TEXT_BYTES_MAX {
                    return Err(OpError::TextTooLong { bytes });
                }
            }
        }
        Ok(())
    }
}

//! Undo and redo, of a deck by its editor and of an open draft by its author.

use std::collections::BTreeSet;

use automerge::ActorId;

use crate::core::log::{EditError, Log};
use crate::core::{Applied, Core, DeckError, StoreHasFailed};
use crate::document::undo::{Author, Direction, Left, WhyNothing};
use crate::history::WriterKind;
use crate::id::{ChangeHash, DeckId, DeviceId, DraftId};
use crate::time::Time;

/// What an undo or a redo did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undone {
    /// The change that was taken back.
    pub taken_back: ChangeHash,
    /// The change that takes it back: what a redo takes back in turn.
    pub change: ChangeHash,
    /// What was left alone, as later edits put something else there. Empty where all was taken back.
    pub left: BTreeSet<Left>,
}

/// Why nothing was undone or redone.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UndoError {
    /// There is nothing to undo. Asked once more, it looks at the change before.
    #[error("nothing to undo: {why}")]
    NothingToUndo {
        /// Why not.
        why: WhyNothing,
    },
    /// There is nothing to redo. Asked once more, it looks at the undo before.
    #[error("nothing to redo: {why}")]
    NothingToRedo {
        /// Why not.
        why: WhyNothing,
    },
    /// It is an edit, and that was refused.
    #[error(transparent)]
    Edit(#[from] EditError),
}

impl From<DeckError> for UndoError {
    fn from(error: DeckError) -> Self {
        Self::Edit(error.into())
    }
}

impl From<StoreHasFailed> for UndoError {
    fn from(error: StoreHasFailed) -> Self {
        Self::Edit(error.into())
    }
}

impl Log {
    /// Whose an actor's changes are, seen from a device that undoes what it did as the editor.
    fn author_for(&self, me: DeviceId) -> impl Fn(&ActorId) -> Author + '_ {
        move |actor| match self.writers.get(actor) {
            Some(writer) => match writer.kind {
                WriterKind::Term(_) if writer.device == me => Author::Own,
                WriterKind::Draft(_) => Author::Draft,
                WriterKind::Term(_) | WriterKind::Genesis => Author::Other,
            },
            None => Author::Other,
        }
    }

    /// So that the next undo looks further back, rather than saying the same again.
    fn nothing(&mut self, direction: Direction, why: WhyNothing) -> UndoError {
        self.passed_over.extend(why.change());
        match direction {
            Direction::Undo => UndoError::NothingToUndo { why },
            Direction::Redo => UndoError::NothingToRedo { why },
        }
    }
}

impl Core {
    /// Takes back this device's latest edit of a deck that is not undone, as a new edit: what was edited later stays.
    ///
    /// # Errors
    /// [`UndoError::NothingToUndo`]; and as for any edit.
    pub fn undo(&mut self, now: Time, deck: DeckId) -> Result<Applied<Undone>, UndoError> {
        self.take_back(now, deck, Direction::Undo)
    }

    /// Takes back this device's latest undo that is not redone; an edit since then ends that.
    ///
    /// # Errors
    /// [`UndoError::NothingToRedo`]; and as for any edit.
    pub fn redo(&mut self, now: Time, deck: DeckId) -> Result<Applied<Undone>, UndoError> {
        self.take_back(now, deck, Direction::Redo)
    }

    fn take_back(
        &mut self,
        now: Time,
        deck: DeckId,
        direction: Direction,
    ) -> Result<Applied<Undone>, UndoError> {
        self.set_now(now);
        self.check_store()?;
        self.leave_typing(deck);
        let me = self.device();
        let log = self.log_mut(deck)?;
        let holder = log.chain.canonical().editor;
        if holder != Some(me) {
            return Err(EditError::NotEditor { holder }.into());
        }
        let planned = log
            .document
            .plan(direction, &log.author_for(me), &log.passed_over);
        let plan = planned.map_err(|why| log.nothing(direction, why))?;
        let applied = self.edit_into(deck, cuecard_store::Batch::default(), |edit| {
            edit.take_back(&plan)
        })?;
        let value = Undone {
            taken_back: plan.reversal().change(),
            change: self.log(deck)?.head(),
            left: plan.left().clone(),
        };
        Ok(Applied {
            value,
            ticket: applied.ticket,
        })
    }

    /// Takes back the latest edit of an open draft of this device.
    ///
    /// # Errors
    /// [`UndoError::NothingToUndo`]; and as for any edit of a draft.
    pub fn undo_draft(
        &mut self,
        now: Time,
        deck: DeckId,
        draft: DraftId,
    ) -> Result<Applied<Undone>, UndoError> {
        self.take_back_in_draft(now, deck, draft, Direction::Undo)
    }

    /// Takes back the latest undo in an open draft of this device.
    ///
    /// # Errors
    /// [`UndoError::NothingToRedo`]; and as for any edit of a draft.
    pub fn redo_draft(
        &mut self,
        now: Time,
        deck: DeckId,
        draft: DraftId,
    ) -> Result<Applied<Undone>, UndoError> {
        self.take_back_in_draft(now, deck, draft, Direction::Redo)
    }

    fn take_back_in_draft(
        &mut self,
        now: Time,
        deck: DeckId,
        draft: DraftId,
        direction: Direction,
    ) -> Result<Applied<Undone>, UndoError> {
        self.set_now(now);
        self.check_store()?;
        let me = self.device();
        let log = self.log_mut(deck)?;
        log.open_branch(draft, me)?;
        let entry = log.drafts.get(&draft).ok_or(EditError::NoDraft(draft))?;
        let actor = entry.actor();
        let branch = entry.branch.as_ref().ok_or(EditError::NoDraft(draft))?;
        let author = |by: &ActorId| match log.writers.get(by).map(|writer| writer.kind) {
            _ if *by == actor => Author::Own,
            Some(WriterKind::Draft(_)) => Author::Draft,
            _ => Author::Other,
        };
        let planned = branch.plan(direction, &author, &log.passed_over);
        let plan = planned.map_err(|why| log.nothing(direction, why))?;
        let applied = self.edit_draft_into(deck, draft, |edit| edit.take_back(&plan))?;
        let drafts = &self.log(deck)?.drafts;
        let value = Undone {
            taken_back: plan.reversal().change(),
            change: drafts.get(&draft).ok_or(EditError::NoDraft(draft))?.head(),
            left: plan.left().clone(),
        };
        Ok(Applied {
            value,
            ticket: applied.ticket,
        })
    }
}

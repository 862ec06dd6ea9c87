//! Undo and redo: the latest change that can be taken back, and how to take it back as the deck is *now*.
//!
//! Nothing is kept for it: which change is next, and what it did, is read from the document, so it is the same after
//! a restart. An undo is an edit like any other, and its message names the change that it takes back
//! ([`Reversal`]); a redo takes an undo back. A new edit ends the redoing of what was undone before it, as in any editor.
//!
//! Only what still stands as the change left it is put back as it was before: what was edited later stays.

mod inverse;
mod text;

use std::collections::BTreeSet;

use automerge::{ActorId, ChangeHash};

use super::{Document, Edit};
use crate::id::CardId;
use crate::op::{Note, Notes, Op, OpError, Reversal};

use inverse::Inverse;

/// Whose a change is, for who wants to undo.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Author {
    /// Who undoes: these changes are theirs to take back.
    Own,
    /// A draft, which only the change that accepts it can be taken back for.
    Draft,
    /// Somebody else.
    Other,
}

/// Backward or forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// Take an edit back.
    Undo,
    /// Take an undo back.
    Redo,
}

/// How to take one change back in a document as it is now. [`Edit::take_back`] does it.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    reversal: Reversal,
    steps: Vec<Step>,
    left: BTreeSet<Left>,
}

impl Plan {
    /// Which change it takes back.
    #[must_use]
    pub const fn reversal(&self) -> Reversal {
        self.reversal
    }

    /// What of that change is left alone, as it was overtaken by later edits.
    #[must_use]
    pub const fn left(&self) -> &BTreeSet<Left> {
        &self.left
    }
}

/// One step of a plan.
#[derive(Debug, Clone, PartialEq)]
enum Step {
    Op(Op),
    /// Back to exactly where it stood. Places compare as texts, so the order is that of before, whatever stands there now.
    Stand {
        card: CardId,
        position: String,
    },
}

/// A part of a change that cannot be taken back any more.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Left {
    /// The card was deleted since.
    Deleted(CardId),
    /// Later edits put something else there; `None` is the deck itself.
    Overtaken(Option<CardId>),
}

/// Why there is nothing to take back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WhyNothing {
    /// This device has not changed anything that is not undone already; or nothing was undone since its last edit.
    #[error("this device has made no such change")]
    NoChange,
    /// All that the change did was to a card that is deleted now.
    #[error("card {card} is deleted; restore it first")]
    CardDeleted {
        /// The change.
        change: ChangeHash,
        /// The card.
        card: CardId,
    },
    /// Nothing of what the change did is left.
    #[error("later edits replaced all that the change did")]
    Overtaken {
        /// The change.
        change: ChangeHash,
    },
}

impl WhyNothing {
    /// The change whose effects are gone.
    #[must_use]
    pub const fn change(&self) -> Option<ChangeHash> {
        match self {
            Self::NoChange => None,
            Self::CardDeleted { change, .. } | Self::Overtaken { change } => Some(*change),
        }
    }
}

impl Document {
    /// How to undo the latest own change that is not undone, or redo the latest undo that is not redone.
    ///
    /// `author` says whose an actor's changes are. Changes in `passed_over` are treated as if they were not there: those
    /// of which nothing was left when it was last asked.
    ///
    /// # Errors
    /// Where there is no such change, or nothing is left of what it did.
    pub fn plan(
        &self,
        direction: Direction,
        author: &dyn Fn(&ActorId) -> Author,
        passed_over: &BTreeSet<ChangeHash>,
    ) -> Result<Plan, WhyNothing> {
        let mut candidates = self.candidates(direction, author);
        candidates.retain(|change| !passed_over.contains(change));
        while let Some(change) = candidates.pop() {
            let Inverse { steps, left } = Inverse::of(self, change, author);
            let reversal = match direction {
                Direction::Undo => Reversal::Undo(change),
                Direction::Redo => Reversal::Redo(change),
            };
            if !steps.is_empty() {
                return Ok(Plan {
                    reversal,
                    steps,
                    left,
                });
            }
            match left.into_iter().next() {
                Some(Left::Deleted(card)) => return Err(WhyNothing::CardDeleted { change, card }),
                Some(Left::Overtaken(_)) => return Err(WhyNothing::Overtaken { change }),
                // It never did anything that shows, such as a letter typed and taken out again.
                None => {}
            }
        }
        Err(WhyNothing::NoChange)
    }

    /// The changes that can be taken back, the next one last.
    fn candidates(&self, direction: Direction, author: &dyn Fn(&ActorId) -> Author) -> Vec<ChangeHash> {
        let (mut undo, mut redo) = (Vec::new(), Vec::new());
        let take = |from: &mut Vec<ChangeHash>, change: ChangeHash| {
            if let Some(at) = from.iter().rposition(|known| *known == change) {
                from.remove(at);
            }
        };
        for change in self.automerge.get_changes_meta(&[]) {
            let Some(message) = change.message.as_deref() else {
                continue;
            };
            if author(&change.actor) != Author::Own {
                continue;
            }
            match Notes::reversal_of(message) {
                // A deck's first name is part of creating it.
                None if change.deps == [self.genesis] && is_naming(message) => {}
                // Not by the person's hand: it neither is what they did last, nor ends what they may redo.
                None if Notes::is_of_late(message) => {}
                None => {
                    undo.push(change.hash);
                    redo.clear();
                }
                Some(Reversal::Undo(undone)) => {
                    take(&mut undo, undone);
                    redo.push(change.hash);
                }
                Some(Reversal::Redo(redone)) => {
                    take(&mut redo, redone);
                    undo.push(change.hash);
                }
            }
        }
        match direction {
            Direction::Undo => undo,
            Direction::Redo => redo,
        }
    }
}

fn is_naming(message: &str) -> bool {
    Notes::parse(message).is_ok_and(|notes| notes.as_slice() == [Note::DeckRename])
}

impl Edit<'_> {
    /// Takes a change back, as planned for the document that this edit is made on. It must be all that the edit does.
    ///
    /// # Errors
    /// Where a step breaks a limit.
    pub fn take_back(&mut self, plan: &Plan) -> Result<(), OpError> {
        self.start_reversal(plan.reversal);
        plan.steps.iter().try_for_each(|step| match step {
            Step::Op(op) => self.apply(op.clone()),
            Step::Stand { card, position } => self.stand_at(card, position.clone()),
        })
    }
}

#[cfg(test)]
pub(super) mod tests;

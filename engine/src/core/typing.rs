//! Typing: edits that come faster than anybody reads leave together.
//!
//! The first edit leaves at once. Those within the next 16 ms (settable) wait, and leave as one change when that time is
//! over; then the next window begins. All else that a deck can be changed by here lets what waits leave first, so that
//! ops stay in the order in which they came, and a splice meets the text that it was meant for.

use std::collections::BTreeMap;
use std::time::Duration;

use cuecard_store::Batch;

use super::{Core, EditError, Output, Role, Ticket};
use crate::id::{ChangeHash, DeckId};
use crate::limits::{TYPED_WAITING_MAX, TYPING_WINDOW};
use crate::op::Op;
use crate::time::Time;

/// What is typed, in all decks.
pub(super) struct Typing {
    window: Duration,
    decks: BTreeMap<DeckId, Window>,
}

impl Default for Typing {
    fn default() -> Self {
        Self {
            window: TYPING_WINDOW,
            decks: BTreeMap::new(),
        }
    }
}

/// The time after a change in which others wait.
struct Window {
    until: Time,
    waiting: Vec<(Ticket, Op)>,
    /// Where the deck was when the first of them came.
    head: Option<ChangeHash>,
}

/// What becomes of something typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Typed {
    /// It is done; the batch to wait for, unless nothing was changed.
    Done(Option<Ticket>),
    /// It waits, and [`Output::Typed`] says what became of it.
    Waiting(Ticket),
}

impl Core {
    /// For how long after a change the next ones wait and join. None: each is a change of its own.
    pub fn set_typing_window(&mut self, window: Duration) {
        self.typing.window = window;
    }

    /// One op, at once or together with those that come within the window.
    ///
    /// # Errors
    /// As for any edit, if it is done at once; if it waits, by any device but the editor.
    pub fn type_op(&mut self, now: Time, deck: DeckId, op: Op) -> Result<Typed, EditError> {
        self.set_now(now);
        self.check_store()?;
        let log = self.log(deck)?;
        let Role::Editor { .. } = log.role(self.device()) else {
            let holder = log.chain.canonical().editor;
            return Err(EditError::NotEditor { holder });
        };
        let (now, head) = (self.now, log.head());
        let open = self.typing.decks.get(&deck).filter(|window| now < window.until);
        if open.is_none_or(|window| window.waiting.len() >= TYPED_WAITING_MAX) {
            let applied = self.edit(now, deck, |edit| edit.apply(op))?;
            self.open_window(deck);
            return Ok(Typed::Done(applied.ticket));
        }
        let ticket = Ticket(self.number());
        if let Some(window) = self.typing.decks.get_mut(&deck) {
            window.head.get_or_insert(head);
            window.waiting.push((ticket, op));
            self.outputs.push_back(Output::WakeAt(window.until));
        }
        Ok(Typed::Waiting(ticket))
    }

    /// What waits in all decks leaves now, and what is held is taken in: before the engine is closed.
    pub fn leave_all_typing(&mut self, now: Time) {
        self.set_now(now);
        self.take_all_held();
        self.leave_what_is_typed();
    }

    /// What waits in all decks leaves now.
    pub(super) fn leave_what_is_typed(&mut self) {
        let decks: Vec<DeckId> = self.typing.decks.keys().copied().collect();
        for deck in decks {
            self.leave_typing(deck);
        }
    }

    /// What waits in a deck leaves now: something else is about to change it.
    pub(super) fn leave_typing(&mut self, deck: DeckId) {
        let Some(window) = self.typing.decks.remove(&deck) else {
            return;
        };
        let Some(head) = window.head else { return };
        let mut waiting = window.waiting;
        if self.log(deck).is_ok_and(|log| log.head() != head) {
            // Nothing here does that. If something does, a splice must not hit another text than the one it was meant for.
            for (typed, _) in waiting {
                let result = Err(EditError::MovedOn);
                self.outputs.push_back(Output::Typed { typed, result });
            }
            return;
        }
        let together = self.leave(deck, &waiting);
        if let (Err(_), [_, _, ..]) = (&together, waiting.as_slice()) {
            // One of them is not possible: it fails alone.
            for one in waiting.drain(..) {
                let result = self.leave(deck, std::slice::from_ref(&one));
                self.outputs.push_back(Output::Typed { typed: one.0, result });
            }
        }
        let mut results = Some(together);
        for (typed, _) in waiting {
            let result = match &results {
                Some(Ok(ticket)) => Ok(*ticket),
                // Of one, which takes its error.
                _ => results.take().unwrap_or(Ok(None)),
            };
            self.outputs.push_back(Output::Typed { typed, result });
        }
    }

    fn leave(&mut self, deck: DeckId, waiting: &[(Ticket, Op)]) -> Result<Option<Ticket>, EditError> {
        self.check_store()?;
        let applied = self.edit_into(deck, Batch::default(), |edit| {
            waiting.iter().try_for_each(|(_, op)| edit.apply(op.clone()))
        })?;
        self.note_edited(deck)?;
        Ok(applied.ticket)
    }

    /// Windows that are over: what waits in them leaves, and the next ones begin.
    pub(super) fn end_windows(&mut self) {
        let now = self.now;
        let over = |(deck, window): (&DeckId, &Window)| (window.until <= now).then_some(*deck);
        let over: Vec<DeckId> = self.typing.decks.iter().filter_map(over).collect();
        for deck in over {
            let waited = self
                .typing
                .decks
                .get(&deck)
                .is_some_and(|window| !window.waiting.is_empty());
            self.leave_typing(deck);
            if waited {
                self.open_window(deck);
            }
        }
        // A wake-up that was for something else must not be the last one.
        let waits = self
            .typing
            .decks
            .values()
            .filter(|window| !window.waiting.is_empty());
        if let Some(next) = waits.map(|window| window.until).min() {
            self.outputs.push_back(Output::WakeAt(next));
        }
    }

    fn open_window(&mut self, deck: DeckId) {
        if self.typing.window.is_zero() {
            return;
        }
        let window = Window {
            until: self.now + self.typing.window,
            waiting: Vec::new(),
            head: None,
        };
        self.typing.decks.insert(deck, window);
    }
}

#[cfg(test)]
mod tests;

//! A deck, as an app holds it: edit, read, draft, role, history.

mod audio;
mod events;
mod history;
mod late;
mod live;
mod read;
mod typing;

use std::sync::Arc;

use crate::core::{DeckError, EditError, UndoError, Undone};
use crate::document::Edit;
use crate::driver::{Saving, Shared};
use crate::id::{ChangeHash, DeckId};
use crate::op::OpError;

mod draft;
#[cfg(test)]
mod full;
mod members;
mod role;
mod sync;

pub use audio::{AudioAbout, AudioError};
pub use draft::Draft;
pub use events::DeckEvents;
pub use history::{History, HistoryError, View};

/// A deck. Cheap to clone.
#[derive(Clone)]
pub struct Deck {
    shared: Arc<Shared>,
    id: DeckId,
}

impl std::fmt::Debug for Deck {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Deck({})", self.id.short())
    }
}

impl Deck {
    pub(crate) const fn new(shared: Arc<Shared>, id: DeckId) -> Self {
        Self { shared, id }
    }

    pub(crate) const fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Its id.
    #[must_use]
    pub const fn id(&self) -> DeckId {
        self.id
    }

    /// Changes the deck. It is done when this returns; await what it returns to know that it is durable. Everything
    /// that `edit` does becomes one change; if it fails or panics, nothing is done. It has the deck to itself while it
    /// runs: it must be short, read through its argument, and not call the deck or the engine, which would wait for it
    /// for ever.
    ///
    /// By any device but the editor this is [`EditError::NotEditor`].
    pub fn edit<T>(&self, edit: impl FnOnce(&mut Edit<'_>) -> Result<T, OpError>) -> Saving<T, EditError> {
        self.apply_edit(|core, now| core.edit(now, self.id, edit))
    }

    /// Takes back this device's latest edit that is not undone, as a new edit: what was edited later stays. Goes on
    /// where it was after a restart.
    ///
    /// Where nothing is left of that edit this is [`UndoError::NothingToUndo`], and the next one looks at the edit before.
    pub fn undo(&self) -> Saving<Undone, UndoError> {
        self.apply_edit(|core, now| core.undo(now, self.id))
    }

    /// Takes back this device's latest undo that is not redone. An edit since then ends that:
    /// [`UndoError::NothingToRedo`].
    pub fn redo(&self) -> Saving<Undone, UndoError> {
        self.apply_edit(|core, now| core.redo(now, self.id))
    }

    /// The hash of its latest change. Devices with equal heads have equal decks.
    ///
    /// # Errors
    /// While nothing of it has arrived.
    pub fn head(&self) -> Result<ChangeHash, DeckError> {
        self.shared.read(|core| Ok(core.log(self.id)?.head()))
    }
}
